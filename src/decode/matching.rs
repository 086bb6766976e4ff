//! What became of each unit (pure): every one that goes in is matched, by timestamp, to a picture
//! or to a reason.
//!
//! Inside the decoder a unit is known by its [`Ticket`]: its presentation time, moved so that it is
//! positive, in whole microseconds (what V4L2 decoders keep), and unique. Decoders give pictures in
//! order of presentation; so when a picture comes, those inside with smaller tickets never will.

use std::collections::BTreeMap;

use crate::mailbox::{DropReason, Tally};
use crate::media::{AccessUnit, MediaTime, Monotonic, SessionId};

/// A timestamp inside the decoder, µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

impl Ticket {
    /// Nanoseconds, as GStreamer counts.
    pub(crate) const fn nanos(self) -> u64 {
        self.0.saturating_mul(1000)
    }

    /// The nearest to a decoder's nanoseconds.
    pub(crate) const fn from_nanos(nanos: u64) -> Self {
        Self(nanos.saturating_add(500) / 1000)
    }
}

/// Ticket of the first unit, µs: an hour, so that whatever precedes it stays positive.
const FIRST: i64 = 3_600_000_000;

/// A unit inside the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inside {
    pub(crate) session: SessionId,
    pub(crate) pts: MediaTime,
    pub(crate) arrival: Monotonic,
}

/// The units inside one pipeline.
#[derive(Debug)]
pub(crate) struct Matching {
    inside: BTreeMap<Ticket, Inside>,
    /// Media time that has the ticket [`FIRST`].
    origin: Option<MediaTime>,
    tally: Tally,
}

impl Matching {
    pub(crate) const fn new(tally: Tally) -> Self {
        Self { inside: BTreeMap::new(), origin: None, tally }
    }

    /// Notes that `unit` goes in. Returns its ticket, and the one of its decoding time.
    pub(crate) fn goes_in(&mut self, unit: &AccessUnit) -> (Ticket, Ticket) {
        let origin = *self.origin.get_or_insert(unit.pts);
        let mut ticket = ticket_of(unit.pts, origin);
        while self.inside.contains_key(&ticket) {
            ticket = Ticket(ticket.0 + 1);
        }
        let inside = Inside { session: unit.session, pts: unit.pts, arrival: unit.arrival };
        self.inside.insert(ticket, inside);
        self.tally.offered();
        (ticket, ticket_of(unit.dts, origin).min(ticket))
    }

    /// Notes the picture `ticket`; those before it are lost. Returns what it is a picture of, unless
    /// nothing inside has that ticket (a decoder that makes pictures up), or it is damaged.
    pub(crate) fn came_out(&mut self, ticket: Ticket, whole: bool) -> Option<Inside> {
        let found = self.inside.remove(&ticket)?;
        while let Some(earliest) = self.inside.first_entry().filter(|entry| *entry.key() < ticket) {
            earliest.remove();
            self.tally.dropped(DropReason::NoPicture);
        }
        if whole {
            self.tally.taken();
            Some(found)
        } else {
            self.tally.dropped(DropReason::Undecodable);
            None
        }
    }

    /// Nothing more will come out: all inside are let go for `reason`.
    pub(crate) fn abandon(&mut self, reason: DropReason) {
        while self.inside.pop_first().is_some() {
            self.tally.dropped(reason);
        }
    }

    /// Units inside.
    pub(crate) fn len(&self) -> usize {
        self.inside.len()
    }
}

fn ticket_of(at: MediaTime, origin: MediaTime) -> Ticket {
    let micros = at.nanos_since(origin).div_euclid(1000).saturating_add(FIRST);
    Ticket(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::court::tests::unit;
    use proptest::prelude::*;

    fn at(pts_ms: i64) -> AccessUnit {
        let mut unit = unit(0, true);
        unit.pts = MediaTime::from_millis(pts_ms);
        unit
    }

    #[test]
    fn a_picture_settles_all_that_should_have_come_before_it() {
        let tally = Tally::default();
        let mut matching = Matching::new(tally.clone());
        let tickets: Vec<Ticket> =
            [100, 0, 33, 66, 133].map(|pts| matching.goes_in(&at(pts)).0).into();
        assert_eq!(
            matching.came_out(tickets[1], true).map(|inside| inside.pts),
            Some(MediaTime::ZERO)
        );
        assert_eq!(matching.came_out(tickets[1], true), None, "twice");
        assert!(matching.came_out(tickets[3], true).is_some(), "33 ms is lost");
        assert_eq!(matching.came_out(tickets[0], false), None, "damaged");
        matching.abandon(DropReason::Closed);
        let count = tally.count();
        assert!(count.balances(), "{count:?}");
        assert_eq!((count.offered, count.taken, count.waiting), (5, 2, 0));
        assert_eq!(
            count.dropped,
            [(DropReason::Undecodable, 1), (DropReason::NoPicture, 1), (DropReason::Closed, 1)]
                .into()
        );
    }

    #[test]
    fn equal_and_early_timestamps_stay_apart_and_positive() {
        let mut matching = Matching::new(Tally::default());
        let first = matching.goes_in(&at(5)).0;
        let second = matching.goes_in(&at(5)).0;
        let early = matching.goes_in(&at(-3_000)).0;
        assert!(first < second && early < first && early.nanos() > 0);
        assert_eq!(Ticket::from_nanos(first.nanos() + 400), first, "rounded by a decoder");
    }

    proptest! {
        /// Whatever goes in and comes out, in any order: the ledger balances and the media time is
        /// the one that went in.
        #[test]
        fn every_unit_ends_as_a_picture_or_a_reason(
            steps in proptest::collection::vec((0..200_i64, any::<bool>(), 0..12_usize), 0..200)
        ) {
            let tally = Tally::default();
            let mut matching = Matching::new(tally.clone());
            let mut tickets: Vec<(Ticket, i64)> = Vec::new();
            for (pts, whole, pick) in steps {
                tickets.push((matching.goes_in(&at(pts)).0, pts));
                if let Some((ticket, pts)) = tickets.get(pick).copied()
                    && let Some(inside) = matching.came_out(ticket, whole)
                {
                    prop_assert_eq!(inside.pts, MediaTime::from_millis(pts));
                }
                let count = tally.count();
                prop_assert!(count.balances());
                prop_assert_eq!(count.waiting, matching.len() as u64);
            }
            matching.abandon(DropReason::Closed);
            prop_assert_eq!(tally.count().waiting, 0);
        }
    }
}
