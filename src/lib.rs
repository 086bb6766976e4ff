//! Courtside: from a camera beside a basketball court to made-or-missed events.
//!
//! ```text
//! camera ─RTMP→ ingest ─messages─→ relay ─RTMP→ production
//!                 └─access units─────┬→ clips (ring) ←──────────────────── clip orders ────────────┐
//!                                    └→ decode ─frames→ router ─→ detect ─answers→ game ─decisions→ uplink ─MQTT→
//!                                                                                                 └→ page
//!         admission: who may come in, at both doors
//!         look: crops of doubtful attempts → a hosted model → game, which revises
//!         clock: media time ↔ UTC     mailbox: every hop, and the ledger     health: metrics, watchdog, doctor
//! ```
//!
//! Read in this order. What flows from stage to stage goes by bounded hops of [`mailbox`], each with a
//! written drop policy (DESIGN §2); only the router is called, by the decoders' threads. Who looks on
//! (page, health) holds up nobody: a slow watcher of the page loses his place.

#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        reason = "tests make their own small numbers"
    )
)]

// Tests of parts use what the tests outside of this crate have (`clips`).
#[cfg(test)]
extern crate self as courtside;

pub mod media;
pub mod answer;
pub mod event;
pub mod rtmp;
pub mod minisign;
pub mod floor;
pub mod hear;
pub mod clock;
pub mod mailbox;
pub mod disk;
pub mod device;
pub mod config;
pub mod broker;
pub mod admission;
pub mod ingest;
pub mod relay;
pub mod decode;
pub mod router;
pub mod detect;
pub mod game;
pub mod clips;
pub mod upload;
pub mod update;
pub mod claim;
pub mod look;
pub mod uplink;
pub mod health;
pub mod page;
pub mod recap;
pub mod http;
pub mod app;
pub mod tools;
