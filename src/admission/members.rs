//! Connections that showed a secret, at one door (pure).
//!
//! Those that are being answered (an event stream, a list that is played, a clip on its way) and those that rest
//! between two questions are counted apart, of each prefix and in all. A prefix of a network of the venue's own has
//! more: behind it may stand its proxy, or all of its displays.
//!
//! One question more than may be answered at once is told to come later, so that none is ended for it; but where the
//! door is full and the asking prefix is not the one with most, one of that goes: who holds many keeps nobody out.
//! One more that rests ends the one that has rested longest, as every server does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::admission::bucket::Minute;
use crate::admission::limits::DoorLimits;
use crate::admission::prefix::Prefix;
use crate::media::Monotonic;

/// Prefixes that are told of at once.
const TOLD: usize = 8;

#[derive(Debug)]
pub(crate) struct Members {
    /// In all, of a prefix, of one of the venue's own networks.
    bounds: [usize; 3],
    sitting: BTreeMap<u64, Sitting>,
    by_prefix: BTreeMap<Prefix, Of>,
    answered: usize,
    /// Who was told to come later within the last minute.
    told: Vec<(Prefix, Full, Minute)>,
}

#[derive(Clone, Copy, Debug)]
struct Sitting {
    prefix: Prefix,
    /// Since when it is answered, or rests.
    since: Monotonic,
    rests: bool,
}

/// Those of one prefix, the longest first.
#[derive(Debug, Default)]
struct Of {
    answered: BTreeSet<(Monotonic, u64)>,
    resting: BTreeSet<(Monotonic, u64)>,
}

/// Why a question is not answered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Its address has so many connections that are being answered.
    OfAddress(usize),
    /// All together have so many.
    OfAll(usize),
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfAddress(most) => write!(
                f,
                "{most} connections of this address are being answered at once, which is all that one may have: \
                 close pages or players there, or raise `connections_per_address` of [http]"
            ),
            Self::OfAll(most) => write!(
                f,
                "{most} connections are being answered at once, which is all that this box takes: close pages or \
                 players, or raise `connections_per_address` of [http], of which that is made"
            ),
        }
    }
}

impl Members {
    pub(crate) const fn new(limits: &DoorLimits) -> Self {
        let bounds = [limits.members, limits.members_by_prefix, limits.members_by_local_prefix];
        Self {
            bounds,
            sitting: BTreeMap::new(),
            by_prefix: BTreeMap::new(),
            answered: 0,
            told: Vec::new(),
        }
    }

    const fn most(&self, prefix: Prefix) -> usize {
        let [_, of_one, of_local] = self.bounds;
        if prefix.is_local() { of_local } else { of_one }
    }

    /// A connection asks something, and is answered from now on; returns who goes for it. A new one sits down with it.
    pub(crate) fn asks(
        &mut self,
        now: Monotonic,
        id: u64,
        prefix: Prefix,
    ) -> Result<Option<u64>, Full> {
        if self.sitting.get(&id).is_some_and(|sitting| !sitting.rests) {
            return Ok(None);
        }
        let (own, most) = (self.answered_of(prefix), self.most(prefix));
        let [all, ..] = self.bounds;
        let full = if own >= most {
            Some(Full::OfAddress(most))
        } else if self.answered >= all && own + 1 >= self.largest().map_or(0, |(count, _)| count) {
            Some(Full::OfAll(all))
        } else {
            None
        };
        if let Some(full) = full {
            self.note(now, prefix, full);
            return Err(full);
        }
        let gone = if self.answered >= all { self.largest().and_then(|(_, id)| id) } else { None };
        if let Some(gone) = gone {
            self.leave(gone);
        }
        self.leave(id);
        self.sit(id, Sitting { prefix, since: now, rests: false });
        Ok(gone)
    }

    /// Nothing is on its way to a connection any more; returns who goes where too many rest.
    pub(crate) fn rests(&mut self, now: Monotonic, id: u64) -> Option<u64> {
        let sitting = self.sitting.get(&id).copied().filter(|sitting| !sitting.rests)?;
        let prefix = sitting.prefix;
        self.leave(id);
        self.sit(id, Sitting { since: now, rests: true, ..sitting });
        let [all, ..] = self.bounds;
        let longest = |of: &Of| of.resting.first().map(|(_, id)| *id);
        let of = self.by_prefix.get(&prefix)?;
        let gone = if of.resting.len() > self.most(prefix) {
            longest(of)
        } else if self.sitting.len() - self.answered > all {
            self.by_prefix.values().max_by_key(|of| of.resting.len()).and_then(longest)
        } else {
            None
        }?;
        self.leave(gone);
        Some(gone)
    }

    /// A connection has ended.
    pub(crate) fn leave(&mut self, id: u64) {
        let Some(Sitting { prefix, since, rests }) = self.sitting.remove(&id) else { return };
        let Some(of) = self.by_prefix.get_mut(&prefix) else { return };
        if rests {
            of.resting.remove(&(since, id));
        } else {
            of.answered.remove(&(since, id));
            self.answered -= 1;
        }
        if of.answered.is_empty() && of.resting.is_empty() {
            self.by_prefix.remove(&prefix);
        }
    }

    pub(crate) fn prefix_of(&self, id: u64) -> Option<Prefix> {
        self.sitting.get(&id).map(|sitting| sitting.prefix)
    }

    /// Who was told to come later in the last minute, why, and how often.
    pub(crate) fn told(&self, now: Monotonic) -> impl Iterator<Item = (Prefix, Full, u32)> + '_ {
        let told =
            self.told.iter().map(move |(prefix, full, minute)| (*prefix, *full, minute.count(now)));
        told.filter(|(.., count)| *count > 0)
    }

    fn sit(&mut self, id: u64, sitting: Sitting) {
        let of = self.by_prefix.entry(sitting.prefix).or_default();
        if sitting.rests {
            of.resting.insert((sitting.since, id));
        } else {
            of.answered.insert((sitting.since, id));
            self.answered += 1;
        }
        self.sitting.insert(id, sitting);
    }

    fn answered_of(&self, prefix: Prefix) -> usize {
        self.by_prefix.get(&prefix).map_or(0, |of| of.answered.len())
    }

    /// Of the prefix of which most are answered: how many, and the one that has been longest.
    fn largest(&self) -> Option<(usize, Option<u64>)> {
        let most = self.by_prefix.values().max_by_key(|of| of.answered.len())?;
        Some((most.answered.len(), most.answered.first().map(|(_, id)| *id)))
    }

    fn note(&mut self, now: Monotonic, prefix: Prefix, full: Full) {
        self.told.retain(|(.., minute)| minute.count(now) > 0);
        if let Some((_, why, minute)) = self.told.iter_mut().find(|(of, ..)| *of == prefix) {
            *why = full;
            minute.add(now);
        } else if self.told.len() < TOLD {
            let mut minute = Minute::default();
            minute.add(now);
            self.told.push((prefix, full, minute));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::limits::Limits;

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_nanos(millis * 1_000_000)
    }

    /// Of the venue's own network.
    fn local(last: u8) -> Prefix {
        Prefix::of(([192, 168, 0, last], 1).into())
    }

    fn outside(last: u8) -> Prefix {
        Prefix::of(([203, 0, 113, last], 1).into())
    }

    fn members(all: usize, of_one: usize, of_local: usize) -> Members {
        let usual = Limits::default().http;
        Members::new(&DoorLimits {
            members: all,
            members_by_prefix: of_one,
            members_by_local_prefix: of_local,
            ..usual
        })
    }

    #[test]
    fn who_rests_counts_apart_and_only_those_that_are_answered_are_too_many() {
        let mut seats = members(100, 3, 6);
        // Three that listen; then three that rest beside them.
        for id in 1..=3 {
            assert_eq!(seats.asks(at(id), id, outside(1)), Ok(None));
        }
        assert_eq!(seats.asks(at(4), 4, outside(1)), Err(Full::OfAddress(3)));
        assert_eq!(seats.rests(at(5), 3), None);
        assert_eq!(seats.asks(at(6), 4, outside(1)), Ok(None));
        assert_eq!(seats.asks(at(7), 3, outside(1)), Err(Full::OfAddress(3)), "it rests on");
        assert_eq!(seats.rests(at(8), 4), None);
        assert_eq!(seats.asks(at(9), 3, outside(1)), Ok(None), "asked again, it is answered");
        // Of those that rest the oldest goes, and none that listens.
        for id in 5..=8 {
            assert_eq!(seats.rests(at(id * 10), 3), None);
            assert_eq!(seats.asks(at(id * 10), id, outside(1)), Ok(None));
            let gone = seats.rests(at(id * 10 + 1), id);
            assert_eq!(gone, [None, Some(4), Some(3), Some(5)][id as usize - 5], "{id}");
        }
        assert!(seats.prefix_of(1).is_some() && seats.prefix_of(2).is_some());
        let told: Vec<_> = seats.told(at(100)).collect();
        assert_eq!(told, [(outside(1), Full::OfAddress(3), 2)]);
        assert_eq!(seats.told(at(120_000)).count(), 0, "gone by itself");
    }

    #[test]
    fn a_network_of_the_venues_own_has_more() {
        let mut seats = members(100, 3, 6);
        let taken = |seats: &mut Members, prefix, first: u64| {
            (first..first + 20).filter(|id| seats.asks(at(*id), *id, prefix).is_ok()).count()
        };
        assert_eq!(taken(&mut seats, outside(1), 0), 3);
        assert_eq!(taken(&mut seats, local(1), 100), 6);
        assert_eq!(taken(&mut seats, Prefix::of("[fd00::1]:1".parse().unwrap()), 200), 6);
    }

    #[test]
    fn who_holds_most_goes_for_others_and_keeps_nobody_out() {
        let mut seats = members(10, 8, 8);
        for id in 0..8 {
            assert_eq!(seats.asks(at(id), id, outside(1)), Ok(None));
        }
        assert_eq!(seats.asks(at(10), 10, outside(2)), Ok(None));
        assert_eq!(seats.asks(at(11), 11, outside(3)), Ok(None));
        // Full: others take of the one with most, whose own next is told to come later.
        for (nth, id) in (12..16).enumerate() {
            assert_eq!(seats.asks(at(id), id, outside(4)), Ok(Some(nth as u64)));
        }
        assert_eq!(seats.asks(at(20), 20, outside(1)), Err(Full::OfAll(10)));
        assert_eq!(seats.asks(at(21), 21, outside(4)), Err(Full::OfAll(10)));
        assert_eq!(seats.asks(at(22), 22, outside(5)), Ok(Some(12)));
        assert!(seats.prefix_of(10).is_some() && seats.prefix_of(11).is_some());
        // Whatever comes and goes, what is counted is what sits.
        for id in 0..30 {
            seats.leave(id);
        }
        assert!(seats.answered == 0 && seats.sitting.is_empty() && seats.by_prefix.is_empty());
    }
}
