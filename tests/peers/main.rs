//! Real peers, started by the tests: encoders, publishers, brokers, browsers.
#![cfg(test)]
#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::clone_on_ref_ptr,
    clippy::duplicate_mod,
    reason = "tests make their own numbers and files, and bound their waits by the real clock"
)]

mod afar;
mod bad_brokers;
mod broker;
mod broker_limits;
mod broker_table;
#[path = "../support/peer.rs"]
mod peer;
mod fleet;
mod foreign;
#[path = "../support/broker.rs"]
mod fake_broker;
mod budget;
#[cfg(feature = "gstreamer")]
mod decode;
mod claim;
mod clips;
mod cloud;
mod clouds;
mod commands;
mod drain;
mod films;
#[path = "../support/flowing.rs"]
mod flowing;
#[path = "../support/flv.rs"]
mod flv;
mod home;
#[cfg(feature = "gstreamer")]
mod imports;
mod install;
mod mosquitto;
mod outbox_full;
mod provision;
mod publishers;
mod relay;
mod rotate;
#[path = "../support/ring.rs"]
mod ring;
mod secrets;
mod secrets_of_a_claim;
#[cfg(feature = "gstreamer")]
mod service;
mod tls;
mod twin;
#[cfg(feature = "gstreamer")]
mod update;
mod upload;
