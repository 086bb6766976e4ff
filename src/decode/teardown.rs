//! Pipelines that are being torn down behind the back of their court.
//!
//! A driver may hang in it, or a decoder be at work on one last large picture. Each holds memory and
//! threads meanwhile, so they are counted, for a court and a decoder: at the bound no more of that kind
//! are built there until one has ended. None is counted after it has ended, so a publisher who makes
//! teardowns slow has to go on doing it, and hinders his own court alone. Those that never end would
//! take the court's decoder for good: that is told ([`DecoderStatus::clogged_since`]), and ends the
//! process by its watchdog.
//!
//! [`DecoderStatus::clogged_since`]: crate::decode::DecoderStatus::clogged_since

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing::warn;

/// Teardowns under way at which no more pipelines are built (chosen: the pictures of so many and of
/// one that runs are what a court may hold).
pub(crate) const MAX_UNDER_WAY: usize = 4;
/// So long one is waited for at once. Nearly all end within it, so that what runs next finds the
/// memory free; the mailbox in front holds a second of stream meanwhile.
const GRACE: Duration = Duration::from_millis(200);

/// Counts the teardowns of one court and decoder. Clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Teardowns {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    // Changed at the beginning and end of each teardown.
    under_way: Mutex<usize>,
    /// Wakes the court: one has ended.
    ended: Condvar,
}

/// Counted until dropped, however the teardown ends.
struct UnderWay(Arc<Shared>);

impl UnderWay {
    fn begin(shared: &Arc<Shared>) -> Self {
        *shared.under_way.lock() += 1;
        Self(Arc::clone(shared))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        *self.0.under_way.lock() -= 1;
        self.0.ended.notify_all();
    }
}

impl Teardowns {
    /// Runs `halt` on a thread of its own; waits a little for its end.
    pub(crate) fn begin(&self, halt: impl FnOnce() + Send + 'static) {
        let counted = UnderWay::begin(&self.shared);
        let before = self.under_way();
        let begun = thread::Builder::new().name("decode-teardown".to_owned()).spawn(move || {
            halt();
            drop(counted);
        });
        if let Err(error) = begun {
            warn!(%error, "a decoder that hangs stays as it is");
            return;
        }
        self.wait_for_fewer_than(before, GRACE);
    }

    /// Waits up to `timeout` until fewer than `bound` are under way.
    ///
    /// # Errors
    /// How many are, still.
    pub(crate) fn place(&self, bound: usize, timeout: Duration) -> Result<(), usize> {
        match self.wait_for_fewer_than(bound, timeout) {
            under_way if under_way < bound => Ok(()),
            under_way => Err(under_way),
        }
    }

    fn under_way(&self) -> usize {
        *self.shared.under_way.lock()
    }

    fn wait_for_fewer_than(&self, bound: usize, timeout: Duration) -> usize {
        let mut under_way = self.shared.under_way.lock();
        // Woken by the end of each.
        self.shared.ended.wait_while_for(&mut under_way, |under_way| *under_way >= bound, timeout);
        *under_way
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begins `count` teardowns that hang until their gate is opened.
    fn hanging(teardowns: &Teardowns, count: usize) -> Vec<Arc<(Mutex<bool>, Condvar)>> {
        (0..count)
            .map(|_| {
                let gate = Arc::new((Mutex::new(false), Condvar::new()));
                let of = Arc::clone(&gate);
                teardowns.begin(move || of.1.wait_while(&mut of.0.lock(), |open| !*open));
                gate
            })
            .collect()
    }

    fn open(gate: &(Mutex<bool>, Condvar)) {
        *gate.0.lock() = true;
        gate.1.notify_all();
    }

    #[test]
    fn what_hangs_is_bounded_and_what_comes_back_is_counted_no_more() {
        let teardowns = Teardowns::default();
        let gates = hanging(&teardowns, MAX_UNDER_WAY);
        assert_eq!(teardowns.place(MAX_UNDER_WAY, Duration::ZERO), Err(MAX_UNDER_WAY));
        assert_eq!(teardowns.place(usize::MAX, Duration::ZERO), Ok(()), "without the bound");
        open(&gates[2]);
        assert_eq!(teardowns.place(MAX_UNDER_WAY, Duration::from_secs(10)), Ok(()));
        gates.iter().for_each(|gate| open(gate));
        assert_eq!(teardowns.place(1, Duration::from_secs(10)), Ok(()), "all are back");
    }

    #[test]
    fn one_that_ends_in_time_is_over_when_it_was_begun() {
        let teardowns = Teardowns::default();
        teardowns.begin(|| {});
        assert_eq!(teardowns.place(1, Duration::from_secs(10)), Ok(()));
    }
}
