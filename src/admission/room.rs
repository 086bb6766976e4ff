//! Answers that wait (pure).
//!
//! Few at a time, so that waiting for answers buys no more guesses than hanging up on them; a prefix with
//! wrong secrets behind it never takes the place of one without. Whether an answer is right is unknown here:
//! who has to leave learns nothing by that.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::admission::limits::Limits;
use crate::admission::prefix::Prefix;

/// A step of half a second and a bit: more patience than this impresses nobody.
const TOOK_MOST: Duration = Duration::from_millis(750);

#[derive(Debug, Default)]
pub(crate) struct Room {
    waiting: BTreeMap<u64, Waiting>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    prefix: Prefix,
    /// Its prefix had wrong secrets behind it.
    offender: bool,
    took: Duration,
}

/// What becomes of who wants to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// It waits.
    Taken,
    /// It waits, and this one does not any longer.
    Instead(u64),
    /// No place.
    Full,
}

impl Room {
    /// `took`: from accept to asking. Where all are alike, who was slow goes before who was fast: a camera on
    /// a slow link before a program that guesses; and who waits already before who comes.
    pub(crate) fn enter(
        &mut self,
        limits: &Limits,
        id: u64,
        prefix: Prefix,
        offender: bool,
        took: Duration,
    ) -> Entered {
        let took = took.min(TOOK_MOST);
        let of_prefix = |waiting: &Waiting| waiting.prefix == prefix;
        let of_kind = |waiting: &Waiting| waiting.offender == offender;
        let most = if offender { limits.waiting_offenders } else { limits.waiting_newcomers };
        let count = |of: &dyn Fn(&Waiting) -> bool| self.waiting.values().filter(|w| of(w)).count();
        let leaves = if count(&of_prefix) >= limits.waiting_by_prefix {
            Some(self.fastest(of_prefix, took))
        } else if count(&of_kind) >= most {
            Some(self.of_most(offender, prefix).or_else(|| self.fastest(of_kind, took)))
        } else {
            None
        };
        let entered = match leaves {
            None => Entered::Taken,
            Some(Some(leaves)) => {
                self.waiting.remove(&leaves);
                Entered::Instead(leaves)
            }
            Some(None) => return Entered::Full,
        };
        self.waiting.insert(id, Waiting { prefix, offender, took });
        entered
    }

    pub(crate) fn leave(&mut self, id: u64) {
        self.waiting.remove(&id);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The newest of the prefix with most answers waiting, if it has many more than `prefix` would.
    /// Not two more: that may be the cameras of a venue.
    fn of_most(&self, offender: bool, prefix: Prefix) -> Option<u64> {
        let mut counts: BTreeMap<Prefix, (usize, u64)> = BTreeMap::new();
        for (id, waiting) in self.waiting.iter().filter(|(_, w)| w.offender == offender) {
            let (count, newest) = counts.entry(waiting.prefix).or_default();
            (*count, *newest) = (*count + 1, *id);
        }
        let its = counts.get(&prefix).map_or(0, |(count, _)| *count);
        let (count, newest) = counts.into_values().max()?;
        (count > its + 2).then_some(newest)
    }

    /// Who was faster than `took`, and fastest of these.
    fn fastest(&self, of: impl Fn(&Waiting) -> bool, took: Duration) -> Option<u64> {
        let these = self.waiting.iter().filter(|(_, waiting)| of(waiting));
        let (id, fastest) = these.min_by_key(|(_, waiting)| waiting.took)?;
        (fastest.took < took).then_some(*id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u32) -> Prefix {
        Prefix::of((std::net::Ipv4Addr::from_bits(0x0A00_0000 + last), 1).into())
    }

    const FAST: Duration = Duration::from_millis(5);
    const SLOW: Duration = Duration::from_secs(1);

    #[test]
    fn a_prefix_has_few_places_and_patience_wins_one() {
        let (mut room, limits) = (Room::default(), Limits::default());
        for id in 0..4 {
            assert_eq!(room.enter(&limits, id, ip(1), true, FAST), Entered::Taken);
        }
        assert_eq!(room.enter(&limits, 4, ip(1), true, FAST), Entered::Full);
        assert_eq!(room.enter(&limits, 5, ip(1), true, SLOW), Entered::Instead(0));
        room.leave(1);
        assert_eq!(room.enter(&limits, 6, ip(1), true, FAST), Entered::Taken);
        assert_eq!(room.len(), 4);
    }

    #[test]
    fn offenders_take_no_place_of_newcomers_and_no_prefix_all() {
        let (mut room, limits) = (Room::default(), Limits::default());
        let mut id = 0;
        let mut enter = |room: &mut Room, prefix, offender| {
            id += 1;
            room.enter(&limits, id, prefix, offender, FAST)
        };
        for of in 0..9 {
            for _ in 0..4 {
                assert_eq!(enter(&mut room, ip(of), true), Entered::Taken);
            }
        }
        assert_eq!(room.len(), limits.waiting_offenders);
        assert_eq!(enter(&mut room, ip(500), false), Entered::Taken);
        assert!(matches!(enter(&mut room, ip(501), true), Entered::Instead(_)), "one against four");
        assert_eq!(room.len(), limits.waiting_offenders + 1);
    }

    #[test]
    fn without_a_bound_all_wait_at_once() {
        let (mut room, limits) = (Room::default(), Limits::off());
        for id in 0..1_000 {
            assert_eq!(room.enter(&limits, id, ip(1), true, FAST), Entered::Taken);
        }
    }
}
