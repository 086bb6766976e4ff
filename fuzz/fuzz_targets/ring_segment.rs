//! libFuzzer's way into `targets/ring_segment.rs`.
#![no_main]

#[path = "../targets/ring_segment.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::run(data));
