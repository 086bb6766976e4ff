//! libFuzzer's way into `targets/rtmp_client.rs`.
#![no_main]

#[path = "../targets/rtmp_client.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::run(data));
