//! The C library's heap: what this program sets in it, asks of it, and has it give back.
//!
//! glibc takes large pieces from the system one by one and gives each back, but learns from every piece
//! that is freed to keep pieces of that size, up to 32 MiB (mallopt(3), `M_MMAP_THRESHOLD`). So a court that
//! showed 3840×2160 for a minute held 270 to 430 MB of it for good, and a box whose courts did so one after the
//! other would hold all of it at once. A threshold that is set is not learnt anew.
//!
//! Smaller pieces come from arenas, of which threads have up to eight a core, and an arena gives back of itself
//! only what is free at its end: one piece that is held keeps all that is free below it. What lies there is given
//! back by [`give_back_free`], the ends are not: so they are kept short. `trim` says when.
#![allow(
    unsafe_code,
    reason = "calls of the C library, which every build for Linux with glibc has"
)]

#[cfg(target_env = "gnu")]
mod gnu {
    use std::ffi::c_int;

    /// mallopt(3); malloc.h of glibc.
    pub(super) const M_TRIM_THRESHOLD: c_int = -1;
    pub(super) const M_MMAP_THRESHOLD: c_int = -3;

    /// mallinfo(3), bytes but where another unit is named.
    #[repr(C)]
    pub(super) struct Mallinfo2 {
        arena: usize,
        /// Pieces.
        ordblks: usize,
        /// Pieces.
        smblks: usize,
        /// Pieces.
        hblks: usize,
        /// What was taken one by one, all of it in use.
        pub(super) hblkhd: usize,
        usmblks: usize,
        fsmblks: usize,
        /// What is in use of the arenas.
        pub(super) uordblks: usize,
        fordblks: usize,
        keepcost: usize,
    }

    unsafe extern "C" {
        pub(super) fn mallopt(parameter: c_int, value: c_int) -> c_int;
        pub(super) fn mallinfo2() -> Mallinfo2;
        pub(super) fn malloc_trim(pad: usize) -> c_int;
    }
}

/// Pieces from this size on go back at once, bytes (chosen: pictures of more than 1920×1080. With 1 MiB here and at the
/// ends a box that had shown 4096×2304 held 105 MB instead of 178, and each picture of 1280×720 cost 130
/// faults of a page: a tenth more of the CPU).
#[cfg(target_env = "gnu")]
const LARGE: std::ffi::c_int = 4 << 20;
/// What the end of an arena keeps of what is free there, bytes.
#[cfg(target_env = "gnu")]
const KEPT_AT_THE_END: std::ffi::c_int = 8 << 20;

/// Has the heap give back what large pictures took, at once.
#[cfg(target_env = "gnu")]
pub(super) fn give_back_large() {
    let settings = [(gnu::M_MMAP_THRESHOLD, LARGE), (gnu::M_TRIM_THRESHOLD, KEPT_AT_THE_END)];
    for (parameter, value) in settings {
        // SAFETY: two integers go in, and the allocator takes its own lock. It says 0 to what it does not
        // know, and is then as it was.
        let _known = unsafe { gnu::mallopt(parameter, value) };
    }
}

/// Bytes of the heap that are in use. Takes the lock of each arena for as long as its free pieces are counted.
#[cfg(target_env = "gnu")]
pub(super) fn in_use() -> Option<u64> {
    // SAFETY: nothing goes in, numbers come out, and the allocator takes its own locks.
    let told = unsafe { gnu::mallinfo2() };
    u64::try_from(told.uordblks.saturating_add(told.hblkhd)).ok()
}

/// Gives every whole page back that nothing lies in. Takes the lock of each arena for as long as that takes there:
/// about a millisecond for 10 MB.
#[cfg(target_env = "gnu")]
pub(super) fn give_back_free() {
    // SAFETY: a number goes in, and the allocator takes its own locks. What is in use is not touched.
    let _some = unsafe { gnu::malloc_trim(0) };
}

/// Elsewhere the system's allocator is left to itself.
#[cfg(not(target_env = "gnu"))]
pub(super) const fn give_back_large() {}

/// Elsewhere nobody says.
#[cfg(not(target_env = "gnu"))]
pub(super) const fn in_use() -> Option<u64> {
    None
}

/// Elsewhere the system's allocator is left to itself.
#[cfg(not(target_env = "gnu"))]
pub(super) const fn give_back_free() {}

#[cfg(test)]
#[cfg(target_env = "gnu")]
mod tests {
    use std::fs::File;
    use std::hint::black_box;
    use std::ops::Range;
    use std::os::unix::fs::FileExt;
    use std::thread;

    use super::*;

    /// Of the system that this is tried on; larger ones make the test's pieces hold fewer whole pages.
    const PAGE: usize = 4096;
    /// Below what is taken one by one, whatever the heap has learnt.
    const PIECE: usize = 64 << 10;
    const PIECES: usize = 1024;

    /// How many of the whole pages in `places` are in memory (proc(5): `pagemap`, bit 63).
    fn resident(places: &[Range<usize>]) -> usize {
        let map = File::open("/proc/self/pagemap").unwrap();
        let whole = |place: &Range<usize>| place.start.div_ceil(PAGE)..place.end / PAGE;
        let is_there = |page: usize| {
            let mut entry = [0; 8];
            map.read_exact_at(&mut entry, page as u64 * 8).unwrap();
            u64::from_ne_bytes(entry) >> 63 == 1
        };
        places.iter().flat_map(whole).filter(|page| is_there(*page)).count()
    }

    #[test]
    fn what_is_free_between_what_is_held_goes_back() {
        let (places, held) = thread::spawn(|| {
            let (mut pieces, mut held) = (Vec::new(), Vec::new());
            for _ in 0..PIECES {
                pieces.push(black_box(vec![1_u8; PIECE]));
                held.push(black_box(vec![1_u8; 2048]));
            }
            let place = |piece: &Vec<u8>| piece.as_ptr() as usize..piece.as_ptr() as usize + PIECE;
            let before = in_use().unwrap();
            let places: Vec<_> = pieces.iter().map(place).collect();
            drop(pieces);
            assert!(in_use().unwrap() < before - (PIECES * PIECE / 2) as u64, "{before}");
            (places, held)
        })
        .join()
        .unwrap();
        let all = PIECES * (PIECE / PAGE - 1);
        let kept = resident(&places);
        assert!(kept > all * 9 / 10, "left to itself the heap keeps them: {kept} of {all} pages");
        give_back_free();
        let left = resident(&places);
        // Other tests may have taken some of it meanwhile.
        assert!(left < all / 4, "{left} of {all} pages are still there");
        assert!(
            held.iter().all(|piece| piece.iter().all(|byte| *byte == 1)),
            "what is held is whole"
        );
    }
}
