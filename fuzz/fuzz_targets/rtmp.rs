//! libFuzzer's way into `targets/rtmp.rs`.
#![no_main]

#[path = "../targets/rtmp.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::run(data));
