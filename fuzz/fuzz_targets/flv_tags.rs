//! libFuzzer's way into `targets/flv_tags.rs`.
#![no_main]

#[path = "../targets/flv_tags.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::run(data));
