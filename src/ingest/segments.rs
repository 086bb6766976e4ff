//! How often a court may begin a recording anew (pure): each time is a file of the ring and, mostly, a
//! decoder.
//!
//! Counted by court, since a publisher that comes back for each picture makes as many files as one
//! whose parameter sets alternate. What counts is what begins a segment in the ring: at a key picture,
//! another session, other video or sound parameters than those of the open segment, or a minute of
//! stream time (which a clock that races makes short). Sets that come again as they are, and a change
//! that no key picture follows, begin nothing.
//!
//! ```text
//!          key picture, and it fits
//!   none ──────────────────────────→ open ──┐ a minute of stream time, other sound: at a key picture
//!     ↑                                │  ↑──┘
//!     └── session ends, other video ───┘
//! ```
//!
//! An encoder that changes its settings every second for an hour, and a camera that comes back as
//! often, stay below [`SegmentLimits::USUAL`]. Beyond it a publish that changes itself is refused; one
//! that has just come is not, since it may be another publisher than the one before: its pictures are
//! let go up to a key picture that may begin.

use std::sync::Arc;
use std::time::Duration;

use crate::media::{
    AccessUnit, AudioParameters, AudioUnit, CodecParameters, MediaTime, Monotonic, SessionId,
    StreamItem,
};

/// Stream time of a segment at most: the ring's own.
const SEGMENT_NANOS: i64 = 60_000_000_000;

/// How often a court may begin a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentLimits {
    /// One more after each of these.
    every: Duration,
    /// So many at once.
    burst: u32,
    /// Of those, kept for the first of a publish.
    kept: u32,
}

impl SegmentLimits {
    /// One a second and 30 at once (chosen: trials and bug reports have encoders that change every
    /// second and cameras that come back every two).
    pub const USUAL: Self = Self { every: Duration::from_secs(1), burst: 30, kept: 6 };
    /// No limit.
    pub const OFF: Self = Self { every: Duration::ZERO, burst: u32::MAX, kept: 0 };

    /// So many at once.
    pub(crate) const fn burst(self) -> u32 {
        self.burst
    }
}

/// What becomes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on.
    Passes,
    /// A picture that would begin a segment before its time.
    LetGo,
    /// The publish changes itself too often.
    TooMany,
}

/// One court's account of segments.
#[derive(Debug)]
pub(crate) struct Segments {
    limits: SegmentLimits,
    /// What was taken and is not yet given back by time; as of `at`.
    owed: Duration,
    at: Monotonic,
    /// The publish has begun no segment yet.
    fresh: bool,
    session: Option<SessionId>,
    open: Option<Open>,
    /// Of the sound that came last.
    sound: Option<Arc<AudioParameters>>,
}

/// The segment that is open in the ring.
#[derive(Debug)]
struct Open {
    video: Arc<CodecParameters>,
    sound: Option<Arc<AudioParameters>>,
    start: MediaTime,
    group: MediaTime,
}

impl Segments {
    pub(crate) const fn new(limits: SegmentLimits) -> Self {
        Self {
            limits,
            owed: Duration::ZERO,
            at: Monotonic::ZERO,
            fresh: true,
            session: None,
            open: None,
            sound: None,
        }
    }

    /// Another publish of the court begins.
    pub(crate) fn published(&mut self) {
        self.fresh = true;
        self.leave(None);
    }

    /// Looks at an item before it is handed on.
    pub(crate) fn look(&mut self, item: &StreamItem, now: Monotonic) -> Verdict {
        match item {
            StreamItem::Opened(info) => self.leave(Some(info.session)),
            StreamItem::Closed { .. } => self.leave(None),
            StreamItem::Sound { parameters, .. }
            | StreamItem::Audio(AudioUnit { parameters, .. }) => {
                if self.sound.as_ref() != Some(parameters) {
                    self.sound = Some(Arc::clone(parameters));
                }
            }
            StreamItem::Video(unit) => return self.picture(unit, now),
            StreamItem::Wall(_) => {}
        }
        Verdict::Passes
    }

    fn leave(&mut self, session: Option<SessionId>) {
        self.session = session;
        self.open = None;
        self.sound = None;
    }

    fn picture(&mut self, unit: &AccessUnit, now: Monotonic) -> Verdict {
        if let Some(open) = &mut self.open {
            let same = Arc::ptr_eq(&open.video, &unit.parameters) || open.video == unit.parameters;
            let long = unit.dts.nanos_since(open.start);
            let group = unit.dts.nanos_since(open.group);
            let goes_on = if unit.key {
                open.sound == self.sound && long.saturating_add(group) <= SEGMENT_NANOS
            } else {
                long < SEGMENT_NANOS
            };
            if same && goes_on {
                if unit.key {
                    open.group = unit.dts;
                }
                return Verdict::Passes;
            }
            if !same && !unit.key {
                self.open = None;
            }
        }
        if self.open.is_none() && !unit.key {
            return Verdict::Passes;
        }
        if !self.take(now) {
            return if self.fresh { Verdict::LetGo } else { Verdict::TooMany };
        }
        self.fresh = false;
        self.open = Some(Open {
            video: Arc::clone(&unit.parameters),
            sound: self.sound.clone(),
            start: unit.dts,
            group: unit.dts,
        });
        Verdict::Passes
    }

    /// Takes one from the account, if it is there.
    fn take(&mut self, now: Monotonic) -> bool {
        let SegmentLimits { every, burst, kept } = self.limits;
        self.owed = self.owed.saturating_sub(now.since(self.at));
        self.at = now;
        let most = if self.fresh { burst } else { burst.saturating_sub(kept) };
        let owes = self.owed.saturating_add(every);
        let there = owes <= every.saturating_mul(most);
        if there {
            self.owed = owes;
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::media::samples::parameters as video;
    use crate::media::{CloseReason, CourtId, StreamInfo};

    fn picture(ms: i64, kind: u8, key: bool) -> StreamItem {
        let dts = MediaTime::from_millis(ms);
        StreamItem::Video(AccessUnit {
            session: SessionId::from_bits(1),
            sequence: 0,
            pts: dts,
            dts,
            key,
            b_slices: false,
            data: bytes::Bytes::new(),
            parameters: video(kind),
            arrival: Monotonic::ZERO,
        })
    }

    fn sound(rate: u32) -> StreamItem {
        let parameters =
            AudioParameters { config: bytes::Bytes::new(), sample_rate: rate, channels: 1 };
        StreamItem::Audio(AudioUnit {
            session: SessionId::from_bits(1),
            pts: MediaTime::ZERO,
            data: bytes::Bytes::new(),
            parameters: Arc::new(parameters),
            arrival: Monotonic::ZERO,
        })
    }

    fn opened() -> StreamItem {
        StreamItem::Opened(Arc::new(StreamInfo {
            court: CourtId::new("a").unwrap(),
            session: SessionId::from_bits(1),
            peer: String::new(),
            encoder: None,
            opened: Monotonic::ZERO,
        }))
    }

    fn at(ms: i64) -> Monotonic {
        Monotonic::from_nanos(u64::try_from(ms).unwrap() * 1_000_000)
    }

    /// Plays items at their times, a publish anew after each refusal. Segments begun, refusals,
    /// pictures let go.
    fn play(
        limits: SegmentLimits,
        items: impl IntoIterator<Item = (i64, StreamItem)>,
    ) -> (u32, u32, u32) {
        let mut tested = Segments::new(limits);
        let (mut begun, mut refused, mut let_go) = (0, 0, 0);
        for (ms, item) in items {
            let before = tested.owed.saturating_sub(at(ms).since(tested.at));
            let start = tested.open.as_ref().map(|open| open.start);
            match tested.look(&item, at(ms)) {
                Verdict::Passes => {
                    let new = tested.open.as_ref().map(|open| open.start);
                    let taken = tested.at == at(ms) && tested.owed == before + limits.every;
                    let unlimited = limits == SegmentLimits::OFF;
                    begun +=
                        u32::from(if unlimited { new.is_some() && new != start } else { taken });
                }
                Verdict::LetGo => let_go += 1,
                Verdict::TooMany => {
                    refused += 1;
                    tested.published();
                }
            }
        }
        (begun, refused, let_go)
    }

    #[test]
    fn sets_that_alternate_with_every_picture_make_no_file_a_picture() {
        let items = || (0..10_000).map(|n| (n, picture(n, u8::from(n % 2 == 0), true)));
        let (begun, refused, _) = play(SegmentLimits::USUAL, items());
        assert!((10..=40).contains(&begun), "{begun} in 10 s");
        assert!(refused > 0);
        assert_eq!(play(SegmentLimits::OFF, items()), (10_000, 0, 0), "negative control");
    }

    #[test]
    fn a_publisher_that_comes_back_for_each_picture_makes_no_file_a_picture() {
        let items = || {
            (0..10_000).flat_map(|n| {
                let reason = CloseReason::Ended;
                let closed = StreamItem::Closed { session: SessionId::from_bits(1), reason };
                [(n, opened()), (n, picture(n, 0, true)), (n, closed)]
            })
        };
        let mut tested = Segments::new(SegmentLimits::USUAL);
        let (mut passed, mut refused) = (0, 0);
        for (ms, item) in items() {
            if matches!(item, StreamItem::Opened(_)) {
                tested.published();
            }
            match tested.look(&item, at(ms)) {
                Verdict::Passes => passed += u32::from(matches!(item, StreamItem::Video(_))),
                Verdict::LetGo => {}
                Verdict::TooMany => refused += 1,
            }
        }
        assert!((10..=40).contains(&passed), "{passed}");
        assert_eq!(refused, 0, "whoever comes may be another one");
    }

    #[test]
    fn sound_and_clocks_make_no_file_a_picture_either() {
        let sounds = (0..5_000_i64)
            .flat_map(|n| [(n, sound(8_000 + n as u32 % 2)), (n, picture(n, 0, true))]);
        let (begun, refused, _) = play(SegmentLimits::USUAL, sounds);
        assert!(begun <= 40 && refused > 0, "{begun}");
        let racing = (0..5_000).map(|n| (n, picture(n * 10_000, 0, n % 6 == 0)));
        let (begun, refused, _) = play(SegmentLimits::USUAL, racing);
        assert!(begun <= 40 && refused > 0, "{begun}");
    }

    #[test]
    fn honest_encoders_never_notice() {
        // An hour each: settings that change every second; a camera that comes back every two.
        let hour = 0..3_600 * 10_i64;
        let changing = hour.clone().map(|n| {
            let second = n / 10;
            (n * 100, picture(n * 100, u8::from(second % 2 == 0), n % 10 == 0))
        });
        let (begun, refused, let_go) = play(SegmentLimits::USUAL, changing);
        assert!((3_600..3_700).contains(&begun), "{begun}");
        assert_eq!((refused, let_go), (0, 0));
        let mut tested = Segments::new(SegmentLimits::USUAL);
        for n in hour {
            if n % 20 == 0 {
                tested.published();
                assert_eq!(tested.look(&opened(), at(n * 100)), Verdict::Passes);
            }
            let seen = tested.look(&picture(n * 100, 0, n % 20 == 0), at(n * 100));
            assert_eq!(seen, Verdict::Passes, "{n}");
        }
    }

    #[test]
    fn whoever_comes_after_is_taken_at_once() {
        let mut tested = Segments::new(SegmentLimits::USUAL);
        let mut n = 0;
        while tested.look(&picture(n, u8::from(n % 2 == 0), true), at(n)) != Verdict::TooMany {
            n += 1;
        }
        tested.published();
        assert_eq!(tested.look(&picture(0, 7, true), at(n)), Verdict::Passes);
    }

    proptest! {
        #[test]
        fn a_minute_begins_no_more_than_burst_and_refill(
            items in prop::collection::vec((0_i64..40, 0_u8..3, any::<bool>(), 0_u8..12), 1..2_000)
        ) {
            let mut ms = 0;
            let items = items.into_iter().map(|(step, kind, key, what)| {
                ms += step;
                let item = match what {
                    0 => opened(),
                    1 => sound(8_000 + u32::from(kind)),
                    _ => picture(ms, kind, key),
                };
                (ms, item)
            });
            let items: Vec<_> = items.collect();
            let seconds = u32::try_from(items.last().map_or(0, |(ms, _)| ms / 1_000)).unwrap();
            let (begun, ..) = play(SegmentLimits::USUAL, items);
            prop_assert!(begun <= 31 + seconds, "{} in {} s", begun, seconds);
        }
    }
}
