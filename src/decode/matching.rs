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
pub struct Ticket(u64);

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
    /// It was given to an earlier pipeline too, and counted there.
    again: bool,
}

/// The units inside one pipeline.
#[derive(Debug)]
pub(crate) struct Matching {
    inside: BTreeMap<Ticket, Inside>,
    /// Media time that has the ticket [`FIRST`].
    origin: Option<MediaTime>,
    /// The last picture that was handed on, here or by the pipeline before: order is kept.
    last: Option<MediaTime>,
    tally: Tally,
}

impl Matching {
    /// Nothing inside. Pictures up to `last` were handed on before.
    pub(crate) const fn new(tally: Tally, last: Option<MediaTime>) -> Self {
        Self { inside: BTreeMap::new(), origin: None, last, tally }
    }

    /// Notes that `unit` goes in. Returns its ticket, and the one of its decoding time.
    pub(crate) fn goes_in(&mut self, unit: &AccessUnit) -> (Ticket, Ticket) {
        self.tally.offered();
        self.insert(unit, false)
    }

    /// Notes that `unit` goes in for what follows it: an earlier pipeline had it, and counted it.
    pub(crate) fn goes_in_again(&mut self, unit: &AccessUnit) -> (Ticket, Ticket) {
        self.insert(unit, true)
    }

    fn insert(&mut self, unit: &AccessUnit, again: bool) -> (Ticket, Ticket) {
        let origin = *self.origin.get_or_insert(unit.pts);
        let mut ticket = ticket_of(unit.pts, origin);
        while self.inside.contains_key(&ticket) {
            ticket = Ticket(ticket.0 + 1);
        }
        let (session, pts, arrival) = (unit.session, unit.pts, unit.arrival);
        self.inside.insert(ticket, Inside { session, pts, arrival, again });
        (ticket, ticket_of(unit.dts, origin).min(ticket))
    }

    /// Notes the picture `ticket`; those before it are lost. Returns what it is a picture of, unless
    /// nothing inside has that ticket (a decoder that makes pictures up), it is not `whole` for a
    /// reason, or it comes too late to keep the order.
    pub(crate) fn came_out(
        &mut self,
        ticket: Ticket,
        whole: Result<(), DropReason>,
    ) -> Option<Inside> {
        let found = self.inside.remove(&ticket)?;
        while let Some(earliest) = self.inside.first_entry().filter(|entry| *entry.key() < ticket) {
            let lost = earliest.remove();
            Self::count(&self.tally, &lost, DropReason::NoPicture);
        }
        if found.again {
            return None;
        }
        if let Err(reason) = whole {
            self.tally.dropped(reason);
            return None;
        }
        if self.last.is_some_and(|last| found.pts < last) {
            self.tally.dropped(DropReason::NoPicture);
            return None;
        }
        self.last = Some(found.pts);
        self.tally.taken();
        Some(found)
    }

    fn count(tally: &Tally, inside: &Inside, reason: DropReason) {
        if !inside.again {
            tally.dropped(reason);
        }
    }

    /// Nothing more will come out: all inside are let go for `reason`.
    pub(crate) fn abandon(&mut self, reason: DropReason) {
        while let Some((_, inside)) = self.inside.pop_first() {
            Self::count(&self.tally, &inside, reason);
        }
    }

    /// The last picture that was handed on.
    pub(crate) const fn last(&self) -> Option<MediaTime> {
        self.last
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
        let mut matching = Matching::new(tally.clone(), None);
        let tickets: Vec<Ticket> =
            [100, 0, 33, 66, 133].map(|pts| matching.goes_in(&at(pts)).0).into();
        assert_eq!(
            matching.came_out(tickets[1], Ok(())).map(|inside| inside.pts),
            Some(MediaTime::ZERO)
        );
        assert_eq!(matching.came_out(tickets[1], Ok(())), None, "twice");
        assert!(matching.came_out(tickets[3], Ok(())).is_some(), "33 ms is lost");
        assert_eq!(matching.came_out(tickets[0], Err(DropReason::Undecodable)), None, "damaged");
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
        let mut matching = Matching::new(Tally::default(), None);
        let first = matching.goes_in(&at(5)).0;
        let second = matching.goes_in(&at(5)).0;
        let early = matching.goes_in(&at(-3_000)).0;
        assert!(first < second && early < first && early.nanos() > 0);
        assert_eq!(Ticket::from_nanos(first.nanos() + 400), first, "rounded by a decoder");
    }

    #[test]
    fn what_goes_in_again_is_not_counted_and_what_comes_late_is_not_handed_on() {
        let tally = Tally::default();
        let mut matching = Matching::new(tally.clone(), Some(MediaTime::from_millis(100)));
        let key = matching.goes_in_again(&at(0)).0;
        let reference = matching.goes_in_again(&at(100)).0;
        let late = matching.goes_in(&at(33)).0;
        let next = matching.goes_in(&at(200)).0;
        assert_eq!(matching.came_out(key, Ok(())), None);
        assert_eq!(matching.came_out(late, Ok(())), None);
        assert_eq!(matching.came_out(reference, Ok(())), None);
        assert!(matching.came_out(next, Ok(())).is_some());
        let count = tally.count();
        assert_eq!((count.offered, count.taken), (2, 1));
        assert_eq!(count.dropped, [(DropReason::NoPicture, 1)].into());
    }

    proptest! {
        /// Whatever goes in and comes out, in any order: the ledger balances and the media time is
        /// the one that went in.
        #[test]
        fn every_unit_ends_as_a_picture_or_a_reason(
            steps in proptest::collection::vec((0..200_i64, any::<bool>(), 0..12_usize), 0..200)
        ) {
            let tally = Tally::default();
            let mut matching = Matching::new(tally.clone(), None);
            let mut tickets: Vec<(Ticket, i64)> = Vec::new();
            for (pts, whole, pick) in steps {
                tickets.push((matching.goes_in(&at(pts)).0, pts));
                if let Some((ticket, pts)) = tickets.get(pick).copied()
                    && let Some(inside) = matching
                        .came_out(ticket, if whole { Ok(()) } else { Err(DropReason::Full) })
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
