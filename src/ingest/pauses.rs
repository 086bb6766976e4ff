//! Publishers whose pictures stop and come again (pure): which pauses have lines of their own in the log.
//!
//! A phone on bad Wi-Fi sends two seconds at once, every two seconds: each pause would be a WARN and an INFO. The
//! first few of a minute have both lines; those after them are told as one sum a minute, with how many they were and
//! how long the longest was.

use std::time::Duration;

use crate::media::Monotonic;

/// After which pauses are summed up.
const MINUTE: Duration = Duration::from_secs(60);
/// Pauses of a minute that have lines of their own (chosen: a cable that was pulled and put back).
const FEW: u32 = 2;

/// The pauses of one publish.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    since: Option<Monotonic>,
    count: u32,
    /// Of the last one without a line.
    began: Option<Monotonic>,
    untold: u32,
    longest: Duration,
}

/// What had no lines of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    /// How many.
    pub(crate) count: u32,
    /// The longest.
    pub(crate) longest: Duration,
}

impl Pauses {
    /// Pictures have stopped. True if that has a line.
    pub(crate) fn began(&mut self, now: Monotonic) -> bool {
        let since = *self.since.get_or_insert(now);
        if now.since(since) >= MINUTE && self.untold == 0 {
            (self.since, self.count) = (Some(now), 0);
        }
        self.count += 1;
        let told = self.count <= FEW;
        self.began = Some(now).filter(|_| !told);
        told
    }

    /// They come again. True if that has a line.
    pub(crate) fn ended(&mut self, now: Monotonic) -> bool {
        let Some(began) = self.began.take() else { return true };
        self.untold += 1;
        self.longest = self.longest.max(now.since(began));
        false
    }

    /// The sum that is due, or what there is of it where the publish `ends`.
    pub(crate) fn due(&mut self, now: Monotonic, ends: bool) -> Option<Pause> {
        let since = self.since.filter(|_| self.untold > 0)?;
        if !ends && now.since(since) < MINUTE {
            return None;
        }
        let sum = Pause { count: self.untold, longest: self.longest };
        // None of the next minute has a line, while it goes on so.
        (self.since, self.untold, self.longest) = (Some(now), 0, Duration::ZERO);
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Monotonic {
        Monotonic::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn bursts_for_ten_minutes_have_a_few_lines_and_a_sum_a_minute() {
        let mut tested = Pauses::default();
        let (mut lines, mut sums, mut counted) = (0, 0, 0);
        for n in 0..300 {
            let now = n * 2_000;
            lines += u32::from(tested.began(at(now)));
            lines += u32::from(tested.ended(at(now + 250)));
            if let Some(sum) = tested.due(at(now + 500), false) {
                sums += 1;
                counted += sum.count;
                assert_eq!(sum.longest, Duration::from_millis(250));
            }
        }
        counted += tested.due(at(600_000), true).map_or(0, |sum| sum.count);
        assert_eq!((lines, counted), (2 * FEW, 300 - FEW));
        assert!((8..=10).contains(&sums), "{sums}");
        assert_eq!(tested.due(at(900_000), true), None);
    }

    #[test]
    fn a_pause_now_and_then_has_both_its_lines() {
        let mut tested = Pauses::default();
        for n in 0..20 {
            assert!(tested.began(at(n * 90_000)));
            assert!(tested.ended(at(n * 90_000 + 5_000)));
            assert_eq!(tested.due(at(n * 90_000 + 60_000), false), None);
        }
    }
}
