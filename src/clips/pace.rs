//! How fast clips and recordings leave the box, all readers together (pure core, and waiting for it).
//!
//! One rate for all, so that a pull of a whole game moves no live picture: a token bucket whose tokens come
//! at `http.read_bytes_per_second`. Who plays goes before who pulls: players take up to three quarters of
//! the rate at their own pace, and what they take is missing to those who pull. Within a lane turns are in
//! order of asking, and nobody asks for his next chunk before he has the one before: so each reader gets
//! the same, however many there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::media::Monotonic;

/// What may leave at once after a pause, as time at the rate.
const BURST: Duration = Duration::from_millis(100);
/// Readers whose turn should come once a second at least: the server lets go of a connection that takes
/// nothing for a minute.
const TURNS_A_SECOND: u64 = 64;
/// No chunk is smaller: each costs a read and a wake-up.
const LEAST_CHUNK: u64 = 4 << 10;

/// Why bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Somebody looks at them now.
    Play,
    /// They are fetched to be kept.
    Pull,
}

/// When each lane has paid for what it took (pure).
#[derive(Clone, Copy, Debug, Default)]
struct Lanes {
    play: Monotonic,
    pull: Monotonic,
}

impl Lanes {
    /// Books `bytes`; when they may leave.
    fn book(&mut self, lane: Lane, bytes: u64, rate: u64, now: Monotonic) -> Monotonic {
        match lane {
            Lane::Play => {
                let at = pay(&mut self.play, cost(bytes, rate / 4 * 3), now);
                pay(&mut self.pull, cost(bytes, rate), now);
                at
            }
            Lane::Pull => pay(&mut self.pull, cost(bytes, rate), now),
        }
    }
}

/// The generic cell rate algorithm: `paid` is when all that was booked is paid for.
fn pay(paid: &mut Monotonic, cost: Duration, now: Monotonic) -> Monotonic {
    let begins = (*paid).max(now);
    *paid = begins.plus(cost);
    let ahead = begins.since(now).saturating_sub(BURST);
    now.plus(ahead)
}

fn cost(bytes: u64, rate: u64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// See the module. Clones share one rate.
#[derive(Clone, Debug)]
pub struct Pace(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    rate: AtomicU64,
    // Held for the lines of `book`.
    lanes: Mutex<Lanes>,
}

impl Pace {
    /// At most `rate` bytes a second.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, rate: u64) -> Self {
        let (rate, lanes) = (AtomicU64::new(rate), Mutex::default());
        Self(Arc::new(Shared { clock, rate, lanes }))
    }

    /// Another rate, from the next chunk on.
    pub fn set(&self, rate: u64) {
        self.0.rate.store(rate, Ordering::Relaxed);
    }

    /// Bytes that a reader should ask for at once, `most` at most.
    #[must_use]
    pub(crate) fn chunk(&self, most: usize) -> usize {
        let share = self.0.rate.load(Ordering::Relaxed) / TURNS_A_SECOND;
        usize::try_from(share.max(LEAST_CHUNK)).unwrap_or(most).min(most)
    }

    /// Waits until `bytes` may leave.
    pub(crate) async fn take(&self, lane: Lane, bytes: usize) {
        let now = self.0.clock.monotonic();
        let rate = self.0.rate.load(Ordering::Relaxed);
        let at = self.0.lanes.lock().book(lane, bytes as u64, rate, now);
        if at > now {
            self.0.clock.reached(at).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: u64 = 1_000_000;

    fn at(ms: u64) -> Monotonic {
        Monotonic::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn who_plays_goes_before_who_pulls_and_all_together_keep_to_the_rate() {
        let mut lanes = Lanes::default();
        // A second's worth of pulling is booked …
        for _ in 0..10 {
            lanes.book(Lane::Pull, 100_000, RATE, at(0));
        }
        // … and a player is let through at once, at the cost of the next who pulls.
        assert_eq!(lanes.book(Lane::Play, 30_000, RATE, at(0)), at(0));
        assert_eq!(lanes.book(Lane::Pull, 100_000, RATE, at(0)), at(930));
    }

    #[test]
    fn a_pause_is_worth_a_burst_and_no_more() {
        let mut lanes = Lanes::default();
        let times: Vec<_> =
            (0..4).map(|_| lanes.book(Lane::Pull, 50_000, RATE, at(60_000))).collect();
        assert_eq!(times, [at(60_000), at(60_000), at(60_000), at(60_050)]);
    }

    proptest! {
        /// Readers that each ask as soon as they have the chunk before.
        #[test]
        fn each_of_many_readers_gets_the_same_and_together_no_more_than_the_rate(
            readers in 1_usize..40, chunk in 1_000_u64..200_000, seconds in 1_u64..5,
        ) {
            let mut lanes = Lanes::default();
            let mut next = vec![at(0); readers];
            let mut taken = vec![0_u64; readers];
            let end = at(seconds * 1000);
            loop {
                let (who, now) = next.iter().copied().enumerate().min_by_key(|(_, at)| *at)
                    .expect("some");
                if now >= end { break; }
                let free = lanes.book(Lane::Pull, chunk, RATE, now);
                if free < end { taken[who] += chunk; }
                // The chunk takes a moment to be read.
                next[who] = free.plus(Duration::from_micros(10));
            }
            let all: u64 = taken.iter().sum();
            prop_assert!(all <= RATE * seconds + RATE / 10 + chunk, "{all} in {seconds} s");
            let (least, most) = (taken.iter().min(), taken.iter().max());
            let apart = most.expect("some") - least.expect("some");
            prop_assert!(apart <= 2 * chunk, "{taken:?}");
        }
    }
}
