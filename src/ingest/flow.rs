//! How much a court may send (pure): bytes that the ring writes and pictures that are decoded.
//!
//! Beyond it the publisher is read no faster, so that TCP slows it down and nothing is lost. Counted by court,
//! since who comes back for each picture sends no less. What the bound is for: the disk and the cores are
//! shared, and a key holder who sends as fast as he can would have them.

use std::time::Duration;

use crate::media::Monotonic;

/// What a court may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowLimits {
    /// Bytes a second.
    pub bytes: u32,
    /// Pictures a second.
    pub pictures: u32,
    /// What may come at once, as time at this pace: a camera catches up after its link was gone.
    pub burst: Duration,
}

impl FlowLimits {
    /// 16 MB and 250 pictures a second, four seconds of that at once (chosen): a camera of 4K sends up to 12 MB a
    /// second, the quickest 240 pictures, and one that was cut off for 10 s sends what it kept at twice its pace.
    pub const USUAL: Self =
        Self { bytes: 16_000_000, pictures: 250, burst: Duration::from_secs(4) };
    /// No limit.
    pub const OFF: Self = Self { bytes: u32::MAX, pictures: u32::MAX, burst: Duration::MAX };

    fn cost(self, bytes: usize, pictures: usize) -> Duration {
        let time = |count: usize, a_second: u32| {
            let nanos = count as u128 * 1_000_000_000 / u128::from(a_second.max(1));
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        time(bytes, self.bytes).max(time(pictures, self.pictures))
    }
}

/// One court's account of what it sends.
#[derive(Debug)]
pub(crate) struct Flow {
    limits: FlowLimits,
    /// What was taken and is not yet given back by time; as of `at`.
    owed: Duration,
    at: Monotonic,
}

impl Flow {
    pub(crate) const fn new(limits: FlowLimits) -> Self {
        Self { limits, owed: Duration::ZERO, at: Monotonic::ZERO }
    }

    /// Notes what was taken -> how long nothing more is to be read; zero for who stays below the bound.
    pub(crate) fn took(&mut self, now: Monotonic, bytes: usize, pictures: usize) -> Duration {
        let left = self.owed.saturating_sub(now.since(self.at));
        self.owed = left.saturating_add(self.limits.cost(bytes, pictures));
        self.at = now;
        self.owed.saturating_sub(self.limits.burst)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What passes in ten seconds of a publisher that sends such reads as fast as it may; each takes a
    /// microsecond of ours.
    fn passed(limits: FlowLimits, bytes: usize, pictures: usize) -> (usize, usize) {
        let (mut flow, mut now, mut reads) = (Flow::new(limits), Monotonic::ZERO, 0);
        while now < Monotonic::from_nanos(10_000_000_000) {
            now = now.plus(flow.took(now, bytes, pictures) + Duration::from_micros(1));
            reads += 1;
        }
        (reads * bytes, reads * pictures)
    }

    #[test]
    fn who_sends_as_fast_as_he_can_is_slowed() {
        let (bytes, _) = passed(FlowLimits::USUAL, 128 << 10, 1);
        assert!((220_000_000..=226_000_000).contains(&bytes), "{bytes}");
        let (_, pictures) = passed(FlowLimits::USUAL, 200, 2);
        assert!((3_490..=3_510).contains(&pictures), "{pictures}");
        let (bytes, _) = passed(FlowLimits::OFF, 128 << 10, 1);
        assert!(bytes > 1_000_000_000_000, "without the bound: {bytes}");
    }

    proptest! {
        #[test]
        fn a_camera_is_never_slowed(
            fps in 1_usize..240, a_second in 10_000_usize..12_000_000, stalled in 0_u64..3_000,
        ) {
            let mut flow = Flow::new(FlowLimits::USUAL);
            for n in 0..fps * 20 {
                let due = n as u64 * 1_000_000_000 / fps as u64;
                // What came while its link was gone comes at once.
                let now = if due < 5_000_000_000 { due.max(stalled * 1_000_000) } else { due };
                let rest = flow.took(Monotonic::from_nanos(now), a_second / fps, 1);
                prop_assert_eq!(rest, Duration::ZERO);
            }
        }
    }
}
