//! What goes: states that were shown long enough, ids that nobody asks for any more.

use std::time::Duration;

use crate::uplink::inbox::keeper::{Keeper, TICK, Turn};
use crate::uplink::inbox::record::{Record, is_to_clear};

/// Ids are looked through for what may be forgotten.
pub(crate) const FORGET_EVERY: Duration = Duration::from_secs(600);
/// Ids that one look may forget.
const FORGET_MOST: usize = 512;

impl Keeper {
    /// States that were shown long enough, or that are too many; ids that may be forgotten.
    pub(super) fn keep_house(&mut self, turn: &mut Turn) {
        if self.now.since(self.housed) < TICK {
            return;
        }
        self.housed = self.now;
        let now = self.time();
        let mut bytes = self.shown_bytes;
        let mut over = Vec::new();
        for (place, shown) in &self.shown {
            let crowded = bytes > self.limits.kept_bytes;
            if crowded || is_to_clear(shown.ended_ns, now) {
                bytes = bytes.saturating_sub(shown.bytes);
                over.push(*place);
            }
        }
        for place in over {
            let Some(shown) = self.shown.remove(&place) else { continue };
            self.shown_bytes = self.shown_bytes.saturating_sub(shown.bytes);
            let Ok(Some(mut record)) = self.get(&shown.id) else { continue };
            record.clears();
            self.touch(record);
        }
        let due = self.now.since(self.forgot) >= FORGET_EVERY;
        if due && self.ids > self.limits.ids {
            self.forgot = self.now;
            let most = usize::try_from(self.ids - self.limits.ids).unwrap_or(FORGET_MOST);
            let old = |record: &Record| {
                let age = now.utc.as_nanos().saturating_sub(record.came_ns);
                age > i64::try_from(self.limits.remembered.as_nanos()).unwrap_or(i64::MAX)
                    && record.cleared
                    && !record.untold
            };
            if let Ok(oldest) = self.store.oldest(most.min(FORGET_MOST)) {
                let forgotten = oldest.into_iter().filter(|record| old(record));
                turn.forgotten = forgotten.map(|record| (record.place, record.id)).collect();
            }
        }
    }
}
