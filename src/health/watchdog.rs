//! Whether the daemon still gets on, told from the ledger alone (pure).
//!
//! A hop whose reader is ours and must never stand still (`ring`, `decode`, `outbox`) is stuck when
//! something waits in it and nothing was taken for [`STUCK_AFTER`]. Models are left out: a slow
//! model loses its own frames and stops nothing else (DESIGN §2).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::mailbox::{HopCount, HopId, hops};
use crate::media::Monotonic;

/// Less than half of the unit's `WatchdogSec=20s`, more than any fsync seen.
const STUCK_AFTER: Duration = Duration::from_secs(8);

/// A hop that stands still with something inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Which hop.
    pub hop: HopId,
    /// Things inside.
    pub waiting: u64,
}

/// Remembers when each hop last got on.
#[derive(Debug, Default)]
pub struct Progress {
    last: BTreeMap<HopId, (u64, Monotonic)>,
}

impl Progress {
    /// Takes in the ledger at `now`; returns what stands still.
    pub fn observe(&mut self, now: Monotonic, counts: &[(HopId, HopCount)]) -> Vec<Stuck> {
        let mut stuck = Vec::new();
        for (id, count) in counts {
            if !matches!(id.hop.as_str(), hops::RING | hops::DECODE | hops::OUTBOX) {
                continue;
            }
            let (taken, since) = self.last.entry(id.clone()).or_insert((count.taken, now));
            if count.waiting == 0 || count.taken != *taken {
                (*taken, *since) = (count.taken, now);
            } else if now.since(*since) >= STUCK_AFTER {
                stuck.push(Stuck { hop: id.clone(), waiting: count.waiting });
            }
        }
        stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::Ledger;

    #[test]
    fn a_reader_that_stands_still_is_told_and_one_that_goes_on_is_not() {
        let ledger = Ledger::new();
        let (ring, model) = (ledger.hop("a", hops::RING), ledger.hop("a", "model:x"));
        let at = |secs: u64| Monotonic::from_nanos(secs * 1_000_000_000);
        let mut progress = Progress::default();
        ring.offered();
        ring.offered();
        model.offered();
        assert!(progress.observe(at(0), &ledger.counts()).is_empty());
        ring.taken();
        assert!(progress.observe(at(7), &ledger.counts()).is_empty());
        assert!(progress.observe(at(14), &ledger.counts()).is_empty());
        let stuck = progress.observe(at(15), &ledger.counts());
        assert_eq!(stuck.len(), 1);
        assert_eq!(stuck[0].hop.hop, hops::RING);
        ring.taken();
        assert!(progress.observe(at(16), &ledger.counts()).is_empty());
    }
}
