//! Whether the box's clock is moved while it runs (pure).
//!
//! Time that somebody keeps is slewed by less than a thousandth; a step is what is done to a clock that
//! nobody kept. One step is no drift: a box that starts without a battery is set once.

use std::collections::VecDeque;
use std::time::Duration;

use crate::event::host::ClockKept;
use crate::media::{Monotonic, UtcTime};

/// A smaller one is slewing between two looks, or a leap second's half (chosen).
const STEP: Duration = Duration::from_millis(500);
/// Steps are told for so long.
const TOLD_FOR: Duration = Duration::from_secs(24 * 3600);
/// Steps that are remembered.
const MOST: usize = 256;

/// What was seen of the box's clock.
#[derive(Debug, Default)]
pub struct Steps {
    began: Option<Monotonic>,
    last: Option<(Monotonic, UtcTime)>,
    steps: VecDeque<(Monotonic, i64)>,
}

impl Steps {
    /// Looks at both clocks. A time that cannot be right is none: what sets it right is no step.
    pub fn look(&mut self, now: Monotonic, utc: UtcTime, plausible: bool) {
        self.began.get_or_insert(now);
        if !plausible {
            self.last = None;
            return;
        }
        if let Some((at, was)) = self.last.replace((now, utc)) {
            let passed = i64::try_from(now.since(at).as_nanos()).unwrap_or(i64::MAX);
            let moved = utc.as_nanos().saturating_sub(was.as_nanos()).saturating_sub(passed);
            if u128::from(moved.unsigned_abs()) >= STEP.as_nanos() {
                self.steps.push_back((now, moved / 1_000_000));
            }
        }
        let old = |(at, _): &(Monotonic, i64)| now.since(*at) > TOLD_FOR;
        while self.steps.len() > MOST || self.steps.front().is_some_and(old) {
            self.steps.pop_front();
        }
    }

    /// As it is told, with what timesyncd says.
    #[must_use]
    pub fn told(&self, now: Monotonic, reached: Option<bool>) -> ClockKept {
        ClockKept {
            reached,
            watched_s: self.began.map_or(0, |began| now.since(began).as_secs()),
            steps: self.steps.len() as u64,
            moved_ms: self.steps.iter().map(|(_, ms)| *ms).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn looks(at: &[(u64, i64)]) -> ClockKept {
        let begin = 1_800_000_000_000_i64;
        let mut steps = Steps::default();
        let mut now = Monotonic::ZERO;
        for (mono_ms, off_ms) in at {
            now = Monotonic::from_nanos(mono_ms * 1_000_000);
            let utc = begin + i64::try_from(*mono_ms).expect("milliseconds") + off_ms;
            steps.look(now, UtcTime::from_nanos(utc * 1_000_000), true);
        }
        steps.told(now, None)
    }

    #[test]
    fn steps_are_counted_and_slewing_is_none() {
        let kept = looks(&[(0, 0), (10_000, 5), (20_000, 10), (30_000, 9)]);
        assert_eq!((kept.steps, kept.moved_ms, kept.watched_s), (0, 0, 30));
        let kept = looks(&[(0, 0), (HOUR, 900), (2 * HOUR, 1_700), (2 * HOUR + 10, 1_700)]);
        assert_eq!((kept.steps, kept.moved_ms), (2, 1_700));
        let kept = looks(&[(0, 0), (HOUR, -900), (26 * HOUR, -900)]);
        assert_eq!((kept.steps, kept.moved_ms), (0, 0), "a day ago");
    }

    #[test]
    fn what_sets_a_clock_right_that_was_in_1970_is_no_step() {
        let mut steps = Steps::default();
        let at = |s: u64| Monotonic::from_nanos(s * 1_000_000_000);
        steps.look(at(0), UtcTime::from_nanos(7), false);
        steps.look(at(10), UtcTime::from_nanos(1_800_000_000_000_000_000), true);
        steps.look(at(20), UtcTime::from_nanos(1_800_000_010_000_000_000), true);
        assert_eq!(steps.told(at(20), Some(true)).steps, 0);
    }
}
