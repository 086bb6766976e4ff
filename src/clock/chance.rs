//! Chance, so that a test can repeat it: ids of sessions, and how a fleet's retries are spread.
//!
//! Never for secrets: tokens and keys ask the system themselves.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::time::Clock;

/// Where random numbers come from. Clones are one source.
#[derive(Clone, Debug)]
pub struct Chance(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Seeded(Arc<Mutex<u64>>),
}

impl Chance {
    /// The system's.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// The same seed gives the same numbers.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(seed))))
    }

    /// The next number. A box without randomness still has its clock: numbers must differ.
    #[must_use]
    pub fn next(&self, clock: &dyn Clock) -> u64 {
        match &self.0 {
            Source::System => getrandom::u64().unwrap_or_else(|_| {
                let nanos = clock.utc().as_nanos().unsigned_abs();
                mixed(nanos ^ clock.monotonic().as_nanos().rotate_left(32))
            }),
            Source::Seeded(state) => {
                let mut state = state.lock();
                *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                mixed(*state)
            }
        }
    }
}

/// SplitMix64 (public domain).
const fn mixed(number: u64) -> u64 {
    let mut z = number;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::media::UtcTime;

    #[test]
    fn a_seed_repeats_itself_and_the_system_does_not() {
        let clock = ManualClock::at(UtcTime::from_nanos(0));
        let three = |chance: &Chance| [(); 3].map(|()| chance.next(&clock));
        let first = three(&Chance::seeded(7));
        assert_eq!(first, three(&Chance::seeded(7)));
        assert_ne!(first, three(&Chance::seeded(8)));
        assert!(first[0] != first[1] && first[1] != first[2]);
        assert_ne!(three(&Chance::system()), three(&Chance::system()));
    }
}
