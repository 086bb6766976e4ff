//! How long to wait before the next try to connect. Pure.

use std::time::Duration;

/// Tries in the first minutes are a second apart at most: a broker that restarts is found soon.
const QUICK_TRIES: u32 = 90;
/// Later ones: for ever, so that a broker that comes back after hours is found within this.
const CAP: Duration = Duration::from_secs(30);
/// Another box has our name: each of the two takes the session from the other.
const TAKEN_OVER: Duration = Duration::from_secs(30);

/// Sessions in a row that ended right after they had begun, from which on it is no accident.
pub(crate) const SUSPICIOUS: u32 = 5;

/// What came before the next try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Past {
    /// Tries without a CONNACK, in a row.
    pub(crate) failed: u32,
    /// Sessions that ended within seconds without a word, in a row.
    pub(crate) short: u32,
    /// The broker said that another box took the session.
    pub(crate) taken_over: bool,
    /// Short as they were, the last one of those that begin with events had some acknowledged.
    pub(crate) gains: bool,
}

impl Past {
    /// True when sessions end at once, again and again.
    #[must_use]
    pub(crate) const fn is_cut_short(&self) -> bool {
        self.short >= SUSPICIOUS
    }

    /// True when the next session begins with events instead of states: every other one of those that
    /// end at once, since a broker that takes one message a connection would otherwise get states alone.
    #[must_use]
    pub(crate) const fn events_first(&self) -> bool {
        self.short >= 2 && self.short.is_multiple_of(2)
    }

    /// Time before the next try; `random` spreads a fleet's boxes over half of it.
    #[must_use]
    pub(crate) fn delay(&self, random: u8) -> Duration {
        let tries = self.failed.max(self.short.min(SUSPICIOUS));
        let whole = if self.taken_over {
            TAKEN_OVER
        } else if self.short >= SUSPICIOUS && !self.gains {
            Duration::from_secs(2 << (self.short - SUSPICIOUS).min(5)).min(CAP)
        } else if tries < QUICK_TRIES {
            Duration::from_millis(250 << tries.min(2))
        } else {
            Duration::from_secs(1 << (tries - QUICK_TRIES).min(5)).min(CAP)
        };
        whole / 2 + whole / 2 * u32::from(random) / 255
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_at_first_then_slower_and_never_slower_than_the_cap() {
        let table = [
            (0, 250),
            (1, 500),
            (2, 1000),
            (60, 1000),
            (92, 4000),
            (95, 30_000),
            (u32::MAX, 30_000),
        ];
        for (failed, ms) in table {
            let past = Past { failed, ..Past::default() };
            assert_eq!(past.delay(255), Duration::from_millis(ms), "{failed}");
            assert_eq!(past.delay(0), Duration::from_millis(ms / 2), "{failed}");
        }
        assert_eq!(Past { taken_over: true, ..Past::default() }.delay(255), TAKEN_OVER);
    }

    #[test]
    fn sessions_that_end_at_once_again_and_again_are_no_accident() {
        for (short, ms, cut) in
            [(1, 500, false), (4, 1000, false), (5, 2000, true), (99, 30_000, true)]
        {
            let past = Past { short, ..Past::default() };
            assert_eq!(past.delay(255), Duration::from_millis(ms), "{short}");
            assert_eq!(past.is_cut_short(), cut);
            let gains = Past { gains: true, ..past };
            assert_eq!(gains.delay(255), Duration::from_millis(ms.min(1000)), "it goes on");
            assert_eq!(gains.is_cut_short(), cut);
        }
    }
}
