//! Numbers of what a live list names (pure): they go up by one from entry to entry, whoever asks and from when
//! on, and never down.
//!
//! The numbers of a segment stay as they were given first. Nothing of it is kept on disk: after a restart the
//! first segment that is listed begins at its own number times [`STRETCHES_MOST`], which is more than any
//! number that was given before.

use std::collections::BTreeMap;

use crate::clips::index::SegmentNumber;
use crate::clips::playlist::STRETCHES_MOST;

/// A segment in a list, as far as numbers go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) segment: SegmentNumber,
    pub(crate) stretches: u64,
    /// A player begins anew at its first stretch.
    pub(crate) anew: bool,
    /// … and at so many of the others.
    pub(crate) breaks: u64,
}

/// The numbers of one court.
#[derive(Debug, Default)]
pub(crate) struct Numbering {
    /// Of the first stretch of a segment: its own, and that of the discontinuities up to it.
    first: BTreeMap<SegmentNumber, (u64, u64)>,
}

impl Numbering {
    /// Numbers segments that follow each other. What is older than `oldest` is gone.
    pub(crate) fn take(&mut self, spans: &[Span], oldest: SegmentNumber) {
        self.first.retain(|segment, _| *segment >= oldest);
        let known = spans.iter().position(|span| self.first.contains_key(&span.segment));
        let from = known.unwrap_or(0);
        let Some(Span { segment, .. }) = spans.get(from) else { return };
        let seed = segment.saturating_mul(STRETCHES_MOST);
        let at = *self.first.entry(*segment).or_insert((seed, seed));
        let (before, then) = spans.split_at(from);
        let mut next = at;
        let mut anew = then.first().is_some_and(|span| span.anew);
        for span in before.iter().rev() {
            next.0 = next.0.saturating_sub(span.stretches);
            next.1 = next.1.saturating_sub(u64::from(anew) + span.breaks);
            anew = span.anew;
            self.first.insert(span.segment, next);
        }
        let mut last: Option<(Span, (u64, u64))> = None;
        for span in then {
            let next = last.map_or(at, |(before, (stretch, breaks))| {
                (stretch + before.stretches, breaks + before.breaks + u64::from(span.anew))
            });
            let given = *self.first.entry(span.segment).or_insert(next);
            last = Some((*span, given));
        }
    }

    /// The numbers of a segment's first stretch.
    pub(crate) fn of(&self, segment: SegmentNumber) -> Option<(u64, u64)> {
        self.first.get(&segment).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spans(parts: &[(u64, u64, bool, u64)]) -> Vec<Span> {
        let mut segment = 0;
        let span = |&(step, stretches, anew, breaks): &(u64, u64, bool, u64)| {
            segment += step;
            Span { segment, stretches, anew, breaks: breaks.min(stretches - 1) }
        };
        parts.iter().map(span).collect()
    }

    proptest! {
        /// Whatever windows of a recording are asked for, in whatever order.
        #[test]
        fn numbers_are_those_of_one_list_whoever_asks(
            parts in prop::collection::vec((1_u64..5, 1_u64..=32, any::<bool>(), 0_u64..3), 1..30),
            asked in prop::collection::vec((any::<prop::sample::Index>(), 1_usize..10), 1..10),
        ) {
            let all = spans(&parts);
            let mut numbering = Numbering::default();
            // The first who asks is followed without a hole: windows that touch are one list.
            let mut window = None::<(usize, usize)>;
            for (at, long) in asked {
                let from = at.index(all.len());
                let to = (from + long).min(all.len());
                let (from, to) = window.map_or((from, to), |(a, b)| (from.min(a), to.max(b)));
                window = Some((from, to));
                numbering.take(&all[from..to], all[0].segment);
                for two in all[from..to].windows(2) {
                    let (a, b) = (numbering.of(two[0].segment), numbering.of(two[1].segment));
                    let ((a, b), (c, d)) = (a.expect("numbered"), b.expect("numbered"));
                    prop_assert_eq!(c, a + two[0].stretches);
                    prop_assert_eq!(d, b + two[0].breaks + u64::from(two[1].anew));
                }
            }
            // After a restart: no number that was given before comes again.
            let last = all.last().expect("one");
            let before = numbering.of(last.segment).map_or(0, |first| first.0 + last.stretches);
            let fresh = Span { segment: last.segment + 1, ..*last };
            let mut again = Numbering::default();
            again.take(&[fresh], 0);
            prop_assert!(again.of(fresh.segment).expect("numbered").0 >= before);
        }
    }
}
