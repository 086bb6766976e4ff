//! libFuzzer's way into [`bodies::sets`].
#![no_main]

#[path = "../bodies.rs"]
#[allow(dead_code, reason = "a target uses one of them")]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::sets(data));
