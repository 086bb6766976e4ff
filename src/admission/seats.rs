//! The seats of a door: of connections that have not shown a secret (pure).
//!
//! A newcomer always sits down; at a bound somebody else goes for it. Kept seats are taken by proven prefixes
//! alone, a few each, and the others are never so many that a kept one is missed.

use std::collections::{BTreeMap, BTreeSet};

use crate::admission::bucket::Offences;
use crate::admission::limits::{DoorLimits, WhoGoes};
use crate::admission::prefix::Prefix;
use crate::media::Monotonic;

/// Connections of a prefix that cost no more than one: the cameras of a venue come from one address, all
/// together when its power is back.
const FEW: usize = 8;

/// Connections that have not shown a secret.
#[derive(Debug)]
pub(crate) struct Seats {
    bounds: Bounds,
    seats: BTreeMap<u64, Sitting>,
    by_prefix: BTreeMap<Prefix, Of>,
    /// Those that have had their last words, by number.
    leaving: BTreeSet<u64>,
    kept: usize,
}

/// Who sits of one prefix, who moved least lately first.
#[derive(Debug, Default)]
struct Of {
    kept: BTreeSet<(Monotonic, u64)>,
    ordinary: BTreeSet<(Monotonic, u64)>,
    offences: Offences,
}

/// Bounds of the seats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    most: usize,
    by_prefix: usize,
    by_local_prefix: usize,
    kept: usize,
    kept_by_prefix: usize,
    who_goes: WhoGoes,
}

impl Bounds {
    /// Those of a door.
    pub(crate) const fn of_strangers(limits: &DoorLimits) -> Self {
        Self {
            most: limits.seats,
            by_prefix: limits.seats_by_prefix,
            by_local_prefix: limits.seats_by_local_prefix,
            kept: limits.kept,
            kept_by_prefix: limits.kept_by_prefix,
            who_goes: limits.who_goes,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Sitting {
    prefix: Prefix,
    kept: bool,
    /// Its last step towards a secret.
    moved: Monotonic,
    /// It made one since it was accepted.
    begun: bool,
}

/// A connection that must go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) id: u64,
    pub(crate) prefix: Prefix,
    /// When it last did something.
    pub(crate) moved: Monotonic,
    /// It did something since it was accepted.
    pub(crate) begun: bool,
    /// Others of its prefix sit there.
    pub(crate) one_of_many: bool,
}

impl Seats {
    pub(crate) const fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            seats: BTreeMap::new(),
            by_prefix: BTreeMap::new(),
            leaving: BTreeSet::new(),
            kept: 0,
        }
    }

    /// Seats a newcomer of a prefix with such offences; returns who goes for it.
    pub(crate) fn enter(
        &mut self,
        now: Monotonic,
        id: u64,
        prefix: Prefix,
        proven: bool,
        offences: Offences,
    ) -> Option<Gone> {
        let bounds = self.bounds;
        let of = self.by_prefix.entry(prefix).or_default();
        of.offences = offences;
        let kept = proven && of.kept.len() < bounds.kept_by_prefix && self.kept < bounds.kept;
        let most = if prefix.is_local() { bounds.by_local_prefix } else { bounds.by_prefix };
        let full = of.kept.len() + of.ordinary.len() >= most;
        // At once, so that who makes a door full pays for it.
        let place = if kept { &mut of.kept } else { &mut of.ordinary };
        place.insert((now, id));
        let gone = if full {
            self.goes_of(prefix, id)
        } else if !kept && self.ordinary() >= bounds.most.saturating_sub(bounds.kept) {
            self.goes(now, id)
        } else {
            None
        };
        self.seats.insert(id, Sitting { prefix, kept, moved: now, begun: false });
        self.kept += usize::from(kept);
        if let Some(gone) = &gone {
            self.leave(gone.id);
        }
        gone
    }

    /// Notes that a connection came nearer to showing a secret.
    pub(crate) fn moved(&mut self, now: Monotonic, id: u64) {
        let Some(sitting) = self.seats.get_mut(&id) else { return };
        if let Some(of) = self.by_prefix.get_mut(&sitting.prefix) {
            let place = if sitting.kept { &mut of.kept } else { &mut of.ordinary };
            place.remove(&(sitting.moved, id));
            place.insert((now, id));
        }
        sitting.moved = now;
        sitting.begun = true;
    }

    /// Notes that nothing is awaited of a connection any more: it goes before all others.
    pub(crate) fn leaving(&mut self, id: u64) {
        if self.seats.get(&id).is_some_and(|sitting| !sitting.kept) {
            self.leaving.insert(id);
        }
    }

    /// Notes what a prefix has done lately.
    pub(crate) fn offended(&mut self, prefix: Prefix, offences: Offences) {
        if let Some(of) = self.by_prefix.get_mut(&prefix) {
            of.offences = offences;
        }
    }

    /// Gives a seat back. Nothing, if it was taken away before.
    pub(crate) fn leave(&mut self, id: u64) -> Option<Prefix> {
        let sitting = self.seats.remove(&id)?;
        self.leaving.remove(&id);
        self.kept -= usize::from(sitting.kept);
        if let Some(of) = self.by_prefix.get_mut(&sitting.prefix) {
            let place = if sitting.kept { &mut of.kept } else { &mut of.ordinary };
            place.remove(&(sitting.moved, id));
            if of.kept.is_empty() && of.ordinary.is_empty() {
                self.by_prefix.remove(&sitting.prefix);
            }
        }
        Some(sitting.prefix)
    }

    /// Takes a seat away without a newcomer: descriptors are short.
    pub(crate) fn relieve(&mut self, now: Monotonic) -> Option<Gone> {
        let gone = self.goes(now, u64::MAX)?;
        self.leave(gone.id);
        Some(gone)
    }

    pub(crate) fn len(&self) -> usize {
        self.seats.len()
    }

    fn ordinary(&self) -> usize {
        self.seats.len() - self.kept
    }

    /// Who goes, of all on seats that are not kept. Not `newcomer`, unless nobody else is there.
    fn goes(&self, now: Monotonic, newcomer: u64) -> Option<Gone> {
        let id = match self.bounds.who_goes {
            WhoGoes::Oldest => self.oldest(|sitting| !sitting.kept),
            WhoGoes::Costliest => {
                self.leaving.first().copied().or_else(|| self.costliest(now, newcomer))
            }
        };
        self.gone(id?)
    }

    /// Of the prefix that costs most: connections times refusals, where a few connections are as one. So one that was refused a moment ago and
    /// has one connection is not put behind one with hundreds that say nothing.
    fn costliest(&self, now: Monotonic, newcomer: u64) -> Option<u64> {
        let mut most: Option<(f64, (Monotonic, u64))> = None;
        for of in self.by_prefix.values() {
            let others = of.ordinary.iter().find(|(_, id)| *id != newcomer);
            let Some(first) = others.copied() else { continue };
            #[expect(clippy::cast_precision_loss, reason = "seats of one door")]
            let cost = of.ordinary.len().max(FEW) as f64 * (1.0 + of.offences.level(now));
            if most.is_none_or(|(most, than)| cost > most || (cost >= most && first < than)) {
                most = Some((cost, first));
            }
        }
        most.map(|(_, (_, id))| id)
    }

    /// Who goes of a prefix: one that leaves anyhow, one that is not on a kept seat, and of these who moved
    /// least lately.
    fn goes_of(&self, prefix: Prefix, newcomer: u64) -> Option<Gone> {
        let id = match self.bounds.who_goes {
            WhoGoes::Oldest => self.oldest(|sitting| sitting.prefix == prefix),
            WhoGoes::Costliest => {
                let of = self.by_prefix.get(&prefix)?;
                let all = || of.ordinary.iter().chain(&of.kept).map(|(_, id)| *id);
                let leaves = all().find(|id| self.leaving.contains(id));
                leaves.or_else(|| all().find(|id| *id != newcomer))
            }
        };
        self.gone(id?)
    }

    fn oldest(&self, of: impl Fn(&Sitting) -> bool) -> Option<u64> {
        self.seats.iter().find(|(_, sitting)| of(sitting)).map(|(id, _)| *id)
    }

    fn gone(&self, id: u64) -> Option<Gone> {
        let sitting = self.seats.get(&id)?;
        let Sitting { prefix, moved, begun, .. } = *sitting;
        let of = self.by_prefix.get(&prefix);
        let one_of_many = of.is_some_and(|of| of.kept.len() + of.ordinary.len() > 1);
        Some(Gone { id, prefix, moved, begun, one_of_many })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::limits::Limits;

    fn ip(last: u32) -> Prefix {
        Prefix::of((std::net::Ipv4Addr::from_bits(0x0A00_0000 + last), 1).into())
    }

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_nanos(millis * 1_000_000)
    }

    fn seats(most: usize, by_prefix: usize, kept: usize) -> Seats {
        let usual = Limits::default().rtmp;
        let limits = DoorLimits {
            seats: most,
            seats_by_prefix: by_prefix,
            seats_by_local_prefix: by_prefix,
            kept,
            ..usual
        };
        Seats::new(Bounds::of_strangers(&limits))
    }

    fn gone(entered: Option<Gone>) -> Option<u64> {
        entered.map(|gone| gone.id)
    }

    fn offences(count: usize) -> Offences {
        let mut offences = Offences::default();
        (0..count).for_each(|_| offences.add(at(0)));
        offences
    }

    #[test]
    fn who_has_most_and_was_refused_most_goes_first() {
        let mut seats = seats(24, 24, 0);
        let none = Offences::default();
        let mut id = 0;
        let mut enter = |seats: &mut Seats, of: u32, offences: Offences| {
            id += 1;
            gone(seats.enter(at(id), id, ip(of), false, offences))
        };
        // Twelve of the first, four of each other.
        for of in [1; 12].into_iter().chain([2, 3, 4].into_iter().cycle().take(12)) {
            assert_eq!(enter(&mut seats, of, none), None);
        }
        assert_eq!(enter(&mut seats, 5, none), Some(1), "most connections");
        seats.offended(ip(4), offences(2));
        assert_eq!(enter(&mut seats, 6, none), Some(15), "few, and refused");
        seats.offended(ip(4), none);
        // A few are as one: of those, who moved least lately.
        for first in 2..=5 {
            assert_eq!(enter(&mut seats, 7, none), Some(first));
        }
        assert_eq!(enter(&mut seats, 8, none), Some(6));
        seats.leaving(24);
        assert_eq!(enter(&mut seats, 9, none), Some(24), "it goes anyhow");
    }

    #[test]
    fn within_a_prefix_who_moved_least_lately_goes() {
        let mut seats = seats(64, 3, 0);
        for id in 1..=3 {
            seats.enter(at(id), id, ip(1), false, Offences::default());
        }
        seats.moved(at(10), 1);
        assert_eq!(gone(seats.enter(at(11), 4, ip(1), false, Offences::default())), Some(2));
        assert_eq!(seats.len(), 3);
    }

    #[test]
    fn a_flood_takes_no_kept_seat() {
        let mut seats = seats(8, 100, 2);
        for id in 0..100 {
            seats.enter(at(id), id, ip(id as u32), false, Offences::default());
        }
        assert_eq!(seats.len(), 6);
        assert_eq!(gone(seats.enter(at(200), 200, ip(1_000), true, Offences::default())), None);
        for id in 300..400 {
            assert_ne!(
                gone(seats.enter(at(id), id, ip(id as u32), false, Offences::default())),
                Some(200)
            );
        }
        assert_eq!(seats.len(), 7);
        assert_eq!(seats.leave(200), Some(ip(1_000)));
        assert_eq!(seats.leave(200), None);
        assert_eq!((seats.len(), seats.kept), (6, 0));
    }
}
