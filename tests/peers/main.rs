//! Real peers, started by the tests: encoders, publishers, brokers, browsers.
#![cfg(test)]

#[cfg(feature = "gstreamer")]
mod decode;
mod publishers;
