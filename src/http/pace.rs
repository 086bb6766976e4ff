//! How fast connections are taken in (pure: time is given).
//!
//! Taking one in costs the same whoever comes, so what a crowd costs the box is its pace. Beyond it the
//! kernel keeps them for us, in the order in which they came.

use std::time::Duration;

/// Connections that are taken in without a rest.
const AT_ONCE: u32 = 20;
/// In clear: 2,000 a second. 600 that come at once keep nobody waiting for more than 0.3 s.
const IN_CLEAR: Duration = Duration::from_millis(10);
/// With a TLS handshake each, which costs some ten times as much: 1,000 a second.
const SECURE: Duration = Duration::from_millis(20);

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// What [`AT_ONCE`] of them take at least.
    stretch: Duration,
    began: Duration,
    taken: u32,
}

impl Pace {
    /// For connections in clear, or for those with a handshake.
    pub(super) const fn of(secure: bool) -> Self {
        Self::every(if secure { SECURE } else { IN_CLEAR })
    }

    const fn every(stretch: Duration) -> Self {
        Self { stretch, began: Duration::ZERO, taken: 0 }
    }

    /// Counts one that is taken in at `now`; how long to rest before the next.
    pub(super) fn took(&mut self, now: Duration) -> Duration {
        if now.saturating_sub(self.began) >= self.stretch {
            (self.began, self.taken) = (now, 0);
        }
        self.taken += 1;
        if self.taken < AT_ONCE {
            return Duration::ZERO;
        }
        (self.began + self.stretch).saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of a crowd are taken in within a second, each in so many microseconds of ours.
    fn within_a_second(mut pace: Pace, each_us: u64) -> u32 {
        let (mut now, mut taken) = (Duration::from_secs(100), 0);
        while now < Duration::from_secs(101) {
            let rest = pace.took(now);
            taken += 1;
            now += rest + Duration::from_micros(each_us);
        }
        taken
    }

    #[test]
    fn a_crowd_costs_the_same_however_many_knock() {
        let clear = within_a_second(Pace::of(false), 1);
        assert!((1_990..=2_020).contains(&clear), "{clear}");
        let secure = within_a_second(Pace::of(true), 1);
        assert!((995..=1_020).contains(&secure), "{secure}");
        let off = within_a_second(Pace::every(Duration::ZERO), 1);
        assert!(off > 900_000, "without it a crowd has all that there is: {off}");
    }

    #[test]
    fn who_comes_alone_is_never_kept_waiting() {
        let mut pace = Pace::of(true);
        for n in 0..1_000 {
            assert_eq!(pace.took(Duration::from_millis(n * 2)), Duration::ZERO);
        }
    }
}
