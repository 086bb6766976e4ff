//! libFuzzer's way into [`bodies::rtmp`].
#![no_main]

#[path = "../bodies.rs"]
#[allow(dead_code, reason = "a target uses one of them")]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::rtmp(data));
