//! Memory that pictures took goes back to the system when they are gone.
//!
//! glibc takes large pieces from the system one by one and gives each back, but learns from every piece
//! that is freed to keep pieces of that size, up to 32 MiB (mallopt(3), `M_MMAP_THRESHOLD`). So a court that
//! showed 3840×2160 for a minute held 270 to 430 MB of it for good, and a box whose courts did so one after the
//! other would hold all of it at once. A threshold that is set is not learnt anew.
#![allow(
    unsafe_code,
    reason = "two calls of the C library, which every build for Linux with glibc has"
)]

/// Smaller pieces are kept, bytes (chosen: above pictures of 1920×1080 and tensors of models, which come and go
/// many times a second).
#[cfg(target_env = "gnu")]
const KEPT_BELOW: std::ffi::c_int = 4 << 20;

/// Has the heap give back what pictures took.
#[cfg(target_env = "gnu")]
pub(super) fn give_back_large() {
    use std::ffi::c_int;

    /// mallopt(3); malloc.h of glibc.
    const M_TRIM_THRESHOLD: c_int = -1;
    const M_MMAP_THRESHOLD: c_int = -3;
    unsafe extern "C" {
        fn mallopt(parameter: c_int, value: c_int) -> c_int;
    }
    for (parameter, value) in [(M_MMAP_THRESHOLD, KEPT_BELOW), (M_TRIM_THRESHOLD, 2 * KEPT_BELOW)] {
        // SAFETY: two integers go in, and the allocator takes its own lock. It says 0 to what it does not
        // know, and is then as it was.
        let _known = unsafe { mallopt(parameter, value) };
    }
}

/// Elsewhere the system's allocator is left to itself.
#[cfg(not(target_env = "gnu"))]
pub(super) const fn give_back_large() {}
