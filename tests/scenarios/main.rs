//! The whole box by scenario: one binary, a file a theme (STYLE 2.28). `support/testbox.rs` says how a box
//! is driven; no test here sleeps, and none is timed.
#![cfg(test)]
#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::clone_on_ref_ptr,
    reason = "tests make their own numbers and files, and bound their waits by the real clock"
)]

#[path = "../support/broker.rs"]
mod broker;
#[path = "../support/desk.rs"]
mod desk;
#[path = "../support/film.rs"]
mod film;
#[path = "../support/hosted.rs"]
mod hosted;
#[path = "../support/testbox.rs"]
mod testbox;
#[path = "../support/rungs.rs"]
mod rungs;

mod claim;
mod courts;
mod doctor;
mod engines;
mod games;
mod harmed;
mod look;
mod models;
mod mutated;
mod outage;
mod publishers;
mod relay;
mod roles;
mod service;
mod started;
mod twin;
mod withdrawn;
