//! Counts that time heals: tokens that come back, offences that are forgotten, the last minute (pure).

use std::time::Duration;

use crate::admission::limits::Rate;
use crate::media::Monotonic;

/// Where no tokens come back.
const NEVER: Duration = Duration::from_secs(3600);

/// Tokens. A debt is at most a burst: who stops is free again within twice its time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    at: Monotonic,
}

impl Bucket {
    /// Full.
    pub(crate) const fn new(rate: Rate, now: Monotonic) -> Self {
        Self { tokens: rate.burst, at: now }
    }

    fn tokens(&self, rate: Rate, now: Monotonic) -> f64 {
        let back = now.since(self.at).as_secs_f64() * rate.per_second;
        (self.tokens + back).min(rate.burst)
    }

    /// True if a token is there.
    pub(crate) fn has(&self, rate: Rate, now: Monotonic) -> bool {
        self.tokens(rate, now) >= 1.0
    }

    /// Until a token is there; zero where one is.
    pub(crate) fn until_one(&self, rate: Rate, now: Monotonic) -> Duration {
        let missing = (1.0 - self.tokens(rate, now)).max(0.0);
        Duration::try_from_secs_f64(missing / rate.per_second).unwrap_or(NEVER)
    }

    /// True if nothing was taken, or all has come back.
    pub(crate) fn is_full(&self, rate: Rate, now: Monotonic) -> bool {
        self.tokens(rate, now) >= rate.burst
    }

    /// Takes a token, there or not.
    pub(crate) fn take(&mut self, rate: Rate, now: Monotonic) {
        self.tokens = (self.tokens(rate, now) - 1.0).max(-rate.burst);
        self.at = now;
    }
}

/// Offences that count no more once they are this many: a flood of one minute is as bad as one of ten.
const OFFENCES_MOST: f64 = 60.0;
/// Offences that are forgotten a second.
const FORGOTTEN_A_SECOND: f64 = 0.5;

/// Recent offences.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Offences {
    level: f64,
    at: Monotonic,
}

impl Offences {
    pub(crate) fn level(&self, now: Monotonic) -> f64 {
        (self.level - now.since(self.at).as_secs_f64() * FORGOTTEN_A_SECOND).max(0.0)
    }

    pub(crate) fn add(&mut self, now: Monotonic) {
        self.level = (self.level(now) + 1.0).min(OFFENCES_MOST);
        self.at = now;
    }
}

const SLOT_NANOS: u64 = 10_000_000_000;
const SLOTS: usize = 6;

/// How often something happened in the last minute, by slots of 10 s.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Minute {
    slots: [u32; SLOTS],
    /// Slots of time since the clock's zero, as of the newest entry.
    slot: u64,
}

impl Minute {
    /// Nothing happened.
    pub(crate) const EMPTY: Self = Self { slots: [0; SLOTS], slot: 0 };

    pub(crate) fn add(&mut self, now: Monotonic) {
        let slot = now.as_nanos() / SLOT_NANOS;
        let passed = usize::try_from(slot.saturating_sub(self.slot)).unwrap_or(SLOTS).min(SLOTS);
        self.slots.rotate_right(passed);
        self.slots.iter_mut().take(passed).for_each(|old| *old = 0);
        self.slot = self.slot.max(slot);
        if let Some(newest) = self.slots.first_mut() {
            *newest = newest.saturating_add(1);
        }
    }

    pub(crate) fn count(&self, now: Monotonic) -> u32 {
        let slot = now.as_nanos() / SLOT_NANOS;
        let passed = usize::try_from(slot.saturating_sub(self.slot)).unwrap_or(SLOTS).min(SLOTS);
        self.slots.iter().take(SLOTS - passed).fold(0, |sum, slot| sum.saturating_add(*slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn tokens_come_back_and_a_debt_is_bounded() {
        let rate = Rate { burst: 5.0, per_second: 1.0 };
        let mut bucket = Bucket::new(rate, at(0));
        for _ in 0..5 {
            assert!(bucket.has(rate, at(0)));
            bucket.take(rate, at(0));
        }
        assert!(!bucket.has(rate, at(999)) && bucket.has(rate, at(1_000)));
        (0..1_000).for_each(|_| bucket.take(rate, at(1_000)));
        assert!(!bucket.has(rate, at(6_999)) && bucket.has(rate, at(7_000)));
        assert!(!bucket.is_full(rate, at(10_999)) && bucket.is_full(rate, at(11_000)));
    }

    #[test]
    fn a_minute_forgets_what_is_older() {
        let mut minute = Minute::default();
        for second in 0..60 {
            minute.add(at(second * 1_000));
        }
        assert_eq!(minute.count(at(59_000)), 60);
        assert_eq!(minute.count(at(85_000)), 30);
        assert_eq!(minute.count(at(120_000)), 0);
        minute.add(at(500_000));
        assert_eq!(minute.count(at(500_000)), 1);
    }

    #[test]
    fn offences_are_forgotten() {
        let mut offences = Offences::default();
        (0..1_000).for_each(|_| offences.add(at(1_000)));
        assert!((offences.level(at(1_000)) - 60.0).abs() < 1e-9);
        assert!(offences.level(at(121_000)) < 1e-9);
    }
}
