//! Real peers, started by the tests: encoders, publishers, brokers, browsers.
#![cfg(test)]

mod broker;
#[cfg(feature = "gstreamer")]
mod decode;
mod clips;
mod mosquitto;
mod publishers;
