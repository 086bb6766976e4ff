//! Courtside: from a camera beside a basketball court to made-or-missed events.
//!
//! ```text
//! camera ─RTMP→ ingest ─access units─┬→ clips (ring) ←───── cut requests ────┐
//!                                    └→ decode ─frames→ router ─→ detect ─answers→ game ─events→ uplink ─MQTT→
//!         clock: media time ↔ UTC          health: ledger, metrics, watchdog, page
//! ```
//!
//! Read in this order; every arrow is a bounded [`mailbox`] with a written drop policy.

#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        reason = "tests make their own small numbers"
    )
)]

pub mod media;
pub mod answer;
pub mod event;
pub mod clock;
pub mod mailbox;
pub mod disk;
pub mod config;
pub mod ingest;
pub mod decode;
pub mod router;
pub mod detect;
pub mod game;
pub mod clips;
pub mod uplink;
pub mod health;
pub mod page;
pub mod http;
pub mod app;
pub mod tools;
