//! libFuzzer's way into `targets/parameter_sets.rs`.
#![no_main]

#[path = "../targets/parameter_sets.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::run(data));
