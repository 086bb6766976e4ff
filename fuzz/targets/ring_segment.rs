//! A segment as a power cut may have left it: any bytes. Fixes up nothing: most of what matters
//! stands before the first checksum.

use courtside::clips::{Verify, scan_bytes};

/// Scans `data`; what is found must lie inside it, in order.
pub(crate) fn run(data: &[u8]) {
    for verify in [Verify::Last, Verify::All] {
        let Some(scanned) = scan_bytes(data, verify) else { continue };
        assert!(scanned.whole <= data.len() as u64);
        let mut at = scanned.head.len;
        for fragment in &scanned.fragments {
            assert_eq!(fragment.offset, at);
            at = fragment.end();
            assert!(at <= scanned.whole);
        }
        assert_eq!(at, scanned.whole);
    }
}
