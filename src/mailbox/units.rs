//! A bounded hop of a stream's items: loses whole runs up to the next key frame, never one picture
//! out of a group.
//!
//! A hop in front of what can be slower than the stream holds bursts, which are caught up with in order. One that is
//! never caught up with would stay full, and all behind it late by as much: so such a hop also refuses up to the
//! next key frame where its backlog does not shrink ([`UnitMailbox::catching_up`]).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::mailbox::bell::Bell;
use crate::mailbox::hop::Take;
use crate::mailbox::ledger::{DropReason, Tally};
use crate::media::{MediaTime, Monotonic, StreamItem};

/// Bytes that a hop may hold whatever its stream time: 4 s of 64 Mbit/s.
const MAX_BYTES: usize = 32 << 20;
/// Over which a backlog is watched: longer than any burst that fits (chosen).
const WATCHED: Duration = Duration::from_secs(4);
/// A backlog that shrinks does by more than this in that time, ns (chosen: some pictures).
const SHRINKS_NANOS: i64 = 100_000_000;
/// Items that a hop may hold whatever their time: stands still only under absurd timestamps.
const MAX_ITEMS: usize = 4096;

/// A bounded hop of [`StreamItem`]s of one court. Clones share one queue.
///
/// Bounded by `bound` of stream time (and by bytes and items, against absurd timestamps), pictures and sound each by
/// their own: their times may be of two clocks, and no picture is lost for sound. When a
/// video unit does not fit, it and all that follow are refused until a key frame that fits; sound
/// is refused while it does not fit, and has half of the bytes and items at most. Sessions' beginnings and ends and wall times always fit:
/// they are few, and what follows means nothing without them.
#[derive(Clone, Debug)]
pub struct UnitMailbox {
    shared: Arc<UnitHop>,
}

#[derive(Debug)]
struct UnitHop {
    // The one lock of the hop: queue, state and counts change together.
    queue: Mutex<Queue>,
    /// Wakes threads in `take`: an item came, or the hop was closed.
    arrived: Condvar,
    bound: Duration,
    /// A backlog of so much stream time that does not shrink is let go of.
    standing: Option<Duration>,
    /// Counts video units; sound and session marks are not pictures and are not in the ledger.
    tally: Tally,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<StreamItem>,
    bytes: usize,
    awaiting_key: bool,
    watch: Watch,
    closed: bool,
    nudged: bool,
    /// Rung with `arrived`, for a reader of several hops.
    bell: Option<Bell>,
}

/// How a backlog went lately: the least of each while, since bursts come and are caught up with.
#[derive(Debug, Default)]
struct Watch {
    since: Option<Monotonic>,
    least: i64,
    /// Of the while before.
    before: Option<i64>,
}

impl Watch {
    /// Notes a backlog, ns of stream time. True where one of `standing` or more has not shrunk for as long as it is
    /// watched.
    fn stands(&mut self, now: Monotonic, backlog: i64, standing: Duration) -> bool {
        let Some(since) = self.since else {
            (self.since, self.least) = (Some(now), backlog);
            return false;
        };
        self.least = self.least.min(backlog);
        if now.since(since) < WATCHED {
            return false;
        }
        let least = std::mem::replace(&mut self.least, backlog);
        self.since = Some(now);
        let before = self.before.replace(least);
        let standing = i64::try_from(standing.as_nanos()).unwrap_or(i64::MAX);
        let stands = least >= standing
            && before.is_some_and(|before| {
                before >= standing && least > before.saturating_sub(SHRINKS_NANOS)
            });
        if stands {
            *self = Self::default();
        }
        stands
    }
}

impl UnitHop {
    fn nudge(&self) {
        let mut queue = self.queue.lock();
        queue.nudged = true;
        self.tally.rest().wakes();
        drop(queue);
        self.arrived.notify_all();
    }
}

impl UnitMailbox {
    /// Makes a hop that holds at most `bound` of stream time; counts pictures into `tally`.
    #[must_use]
    pub fn new(bound: Duration, tally: Tally) -> Self {
        Self::made(bound, None, tally)
    }

    /// Makes one in front of what may be slower than the stream: a backlog of `standing` or more that does not shrink
    /// is let go of as if the hop were full.
    #[must_use]
    pub fn catching_up(bound: Duration, standing: Duration, tally: Tally) -> Self {
        Self::made(bound, Some(standing), tally)
    }

    fn made(bound: Duration, standing: Option<Duration>, tally: Tally) -> Self {
        tally.rest().begins();
        Self {
            shared: Arc::new(UnitHop {
                queue: Mutex::new(Queue::default()),
                arrived: Condvar::new(),
                bound,
                standing,
                tally,
            }),
        }
    }

    /// Hands `item` on. Never waits. Returns false if it was let go.
    pub fn offer(&self, item: StreamItem) -> bool {
        let mut queue = self.shared.queue.lock();
        let kept = self.admit(&mut queue, &item);
        if kept {
            queue.bytes += size(&item);
            queue.items.push_back(item);
            self.shared.tally.rest().wakes();
            let bell = queue.bell.clone();
            drop(queue);
            self.shared.arrived.notify_one();
            if let Some(bell) = bell {
                bell.ring();
            }
        }
        kept
    }

    fn admit(&self, queue: &mut Queue, item: &StreamItem) -> bool {
        let tally = &self.shared.tally;
        match item {
            _ if queue.closed => {
                if matches!(item, StreamItem::Video(_)) {
                    tally.refused(DropReason::Closed);
                }
                false
            }
            StreamItem::Opened(_) => {
                queue.awaiting_key = false;
                queue.watch = Watch::default();
                true
            }
            StreamItem::Sound { .. } | StreamItem::Wall(_) => queue.items.len() < MAX_ITEMS,
            StreamItem::Closed { .. } => true,
            StreamItem::Audio(unit) => {
                let oldest = queue.items.iter().find_map(|item| match item {
                    StreamItem::Audio(unit) => Some(unit.pts),
                    _ => None,
                });
                self.fits(queue, (oldest, unit.pts), unit.data.len(), 2)
            }
            StreamItem::Video(unit) => {
                if queue.awaiting_key && !unit.key {
                    tally.refused(DropReason::AwaitingKey);
                    return false;
                }
                let oldest = queue.items.iter().find_map(|item| match item {
                    StreamItem::Video(unit) => Some(unit.dts),
                    _ => None,
                });
                let stands = self.shared.standing.is_some_and(|standing| {
                    queue.watch.stands(unit.arrival, waits(oldest, unit.dts), standing)
                });
                if !stands && self.fits(queue, (oldest, unit.dts), size(item), 1) {
                    queue.awaiting_key = false;
                    tally.offered();
                    true
                } else {
                    queue.awaiting_key = true;
                    tally.refused(DropReason::Full);
                    false
                }
            }
        }
    }

    /// True if one of `at` fits behind the oldest of its kind, in the `part`th part of what there is room for.
    fn fits(
        &self,
        queue: &Queue,
        (oldest, at): (Option<MediaTime>, MediaTime),
        bytes: usize,
        part: usize,
    ) -> bool {
        let bound = i64::try_from(self.shared.bound.as_nanos()).unwrap_or(i64::MAX);
        waits(oldest, at) <= bound
            && queue.bytes + bytes <= MAX_BYTES / part
            && queue.items.len() < MAX_ITEMS / part
    }

    /// Takes the oldest item, waiting up to `timeout` on this thread.
    #[must_use]
    pub fn take(&self, timeout: Duration) -> Take<StreamItem> {
        let mut queue = self.shared.queue.lock();
        // Woken by `offer`, `close` and a nudge.
        if queue.items.is_empty() && !queue.closed && !queue.nudged {
            self.shared.tally.rest().rests();
            self.shared.arrived.wait_for(&mut queue, timeout);
        }
        queue.nudged = false;
        match queue.items.pop_front() {
            Some(item) => {
                queue.bytes = queue.bytes.saturating_sub(size(&item));
                if matches!(item, StreamItem::Video(_)) {
                    self.shared.tally.taken();
                }
                Take::Item(item)
            }
            None if queue.closed => {
                // Its reader ends with this.
                self.shared.tally.rest().rests();
                Take::Closed
            }
            None => Take::TimedOut,
        }
    }

    /// True if the end of a session, or the beginning of the next, waits inside.
    #[must_use]
    pub fn holds_a_change_of_session(&self) -> bool {
        let change =
            |item: &StreamItem| matches!(item, StreamItem::Opened(_) | StreamItem::Closed { .. });
        self.shared.queue.lock().items.iter().any(change)
    }

    /// Nudges the reader, for a clock that was moved by hand: false once nobody else has the hop.
    pub fn waker(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let shared = Arc::downgrade(&self.shared);
        move || shared.upgrade().inspect(|shared| shared.nudge()).is_some()
    }

    /// Closes the hop: what is inside can still be taken, nothing more comes in.
    pub fn close(&self) {
        let mut queue = self.shared.queue.lock();
        queue.closed = true;
        self.shared.tally.rest().wakes();
        let bell = queue.bell.clone();
        drop(queue);
        self.shared.arrived.notify_all();
        if let Some(bell) = bell {
            bell.ring();
        }
    }

    /// Rings `bell` at every item and at the close, for a thread that reads several hops.
    pub fn attach(&self, bell: Bell) {
        self.shared.queue.lock().bell = Some(bell);
    }

    /// Items inside.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.queue.lock().items.len()
    }

    /// True when nothing is inside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn size(item: &StreamItem) -> usize {
    match item {
        // Each may have parameters of its own, and hold them.
        StreamItem::Video(unit) => unit.data.len() + unit.parameters.bytes(),
        StreamItem::Audio(unit) => unit.data.len(),
        StreamItem::Sound { parameters, .. } => parameters.config.len(),
        StreamItem::Opened(_) | StreamItem::Wall(_) | StreamItem::Closed { .. } => 0,
    }
}

/// Stream time of one kind that waits inside, up to `at`.
fn waits(oldest: Option<MediaTime>, at: MediaTime) -> i64 {
    oldest.map_or(0, |oldest| at.nanos_since(oldest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::ledger::Ledger;
    use crate::media::samples::parameters;
    use crate::media::{AccessUnit, SessionId};

    /// A picture of a stream of 25 a second, a key picture each second, that came at `ms`.
    fn picture(n: u64, ms: u64) -> StreamItem {
        let dts = MediaTime::from_millis(i64::try_from(n * 40).unwrap());
        StreamItem::Video(AccessUnit {
            session: SessionId::from_bits(1),
            sequence: n,
            pts: dts,
            dts,
            key: n.is_multiple_of(25),
            b_slices: false,
            data: bytes::Bytes::from_static(b"unit"),
            parameters: parameters(0),
            arrival: Monotonic::from_nanos(ms * 1_000_000),
        })
    }

    /// Pictures of a minute that come as `comes` says, to a reader that takes one each time that `takes` says so; how
    /// many were lost, and the largest backlog once it has run for 20 s, pictures.
    fn lost(
        hop: &UnitMailbox,
        tally: &Tally,
        comes: impl Fn(u64) -> u64,
        takes: impl Fn(u64) -> bool,
    ) -> (u64, usize) {
        let (mut n, mut behind) = (0, 0);
        for ms in 0..60_000 {
            while n < 1_500 && comes(n) <= ms {
                hop.offer(picture(n, ms));
                n += 1;
            }
            if takes(ms) {
                drop(hop.take(Duration::ZERO));
            }
            if ms > 20_000 {
                behind = behind.max(hop.len());
            }
        }
        let count = tally.count();
        assert!(count.balances(), "{count:?}");
        (count.dropped_total(), behind)
    }

    fn sound(pts: i64, data: &'static [u8]) -> StreamItem {
        StreamItem::Audio(crate::media::AudioUnit {
            session: SessionId::from_bits(1),
            pts: MediaTime::from_millis(pts),
            data: bytes::Bytes::from_static(data),
            parameters: Arc::new(crate::media::AudioParameters {
                config: bytes::Bytes::from_static(b"\x12\x10"),
                sample_rate: 44_100,
                channels: 2,
            }),
            arrival: Monotonic::ZERO,
        })
    }

    #[test]
    fn no_picture_is_lost_for_sound_whatever_its_times_are() {
        // Behind the pictures, as some encoders' lookahead makes it and another clock does; before them; standing still.
        let rows: [fn(i64) -> i64; 4] =
            [|at| at - 6_000, |at| at - 60_000, |at| at + 60_000, |_| 0];
        for of in rows {
            for bound in [4, 1] {
                let tally = Ledger::new().hop("a", "ring");
                let tested = UnitMailbox::new(Duration::from_secs(bound), tally.clone());
                for n in 0..250_u64 {
                    tested.offer(sound(of(i64::try_from(n * 40).unwrap()), b"aac"));
                    tested.offer(picture(n, n * 40));
                    // A reader that is half a second behind.
                    while tested.len() > 25 {
                        drop(tested.take(Duration::ZERO));
                    }
                }
                assert_eq!(tally.count().dropped_total(), 0, "{bound} s");
            }
        }
        // Sound of one time fills no hop: half of it is the pictures'.
        let tally = Ledger::new().hop("a", "ring");
        let tested = UnitMailbox::new(Duration::from_secs(4), tally.clone());
        let kept = (0..5_000).filter(|_| tested.offer(sound(0, b"aac"))).count();
        assert_eq!(kept, MAX_ITEMS / 2);
        assert!((0..100).all(|n| tested.offer(picture(n, 0))));
        // Negative control: pictures of their own are bounded by their own.
        assert!(!tested.offer(picture(150, 0)));
    }

    fn hop() -> (UnitMailbox, Tally) {
        let tally = Ledger::new().hop("a", "decode");
        let (bound, standing) = (Duration::from_secs(4), Duration::from_secs(1));
        (UnitMailbox::catching_up(bound, standing, tally.clone()), tally)
    }

    #[test]
    fn bursts_are_caught_up_with_and_nothing_of_them_is_lost() {
        let burst = |length: u64| move |n: u64| (n * 40 / length + 1) * length;
        for length in [500, 2_000, 3_500] {
            let (tested, tally) = hop();
            // Five times as fast as they are shown.
            let (lost, _) = lost(&tested, &tally, burst(length), |ms| ms % 8 == 0);
            assert_eq!(lost, 0, "{length}");
        }
        // One second in front, as it was, loses half of each.
        let tally = Ledger::new().hop("a", "decode");
        let before = UnitMailbox::new(Duration::from_secs(1), tally.clone());
        let (lost, _) = lost(&before, &tally, burst(2_000), |ms| ms % 8 == 0);
        assert!(lost > 500, "negative control: {lost}");
    }

    #[test]
    fn a_backlog_that_does_not_shrink_is_let_go_of_in_runs() {
        let (tested, tally) = hop();
        // A reader that is a tenth too slow: it is never caught up with.
        let (lost_of_standing, behind) = lost(&tested, &tally, |n| n * 40, |ms| ms % 44 == 0);
        assert!((100..300).contains(&lost_of_standing), "{lost_of_standing}");
        assert!(behind < 90, "answers are not four seconds late for ever: {behind}");
        let tally = Ledger::new().hop("a", "ring");
        let bounded = UnitMailbox::new(Duration::from_secs(4), tally.clone());
        let (_, behind) = lost(&bounded, &tally, |n| n * 40, |ms| ms % 44 == 0);
        assert!(behind >= 98, "negative control: {behind}");
    }

    #[test]
    fn a_backlog_that_shrinks_is_left_alone() {
        let (tested, tally) = hop();
        // Three seconds at once, then a reader that is a tenth faster than the stream.
        let comes = |n: u64| (n * 40).max(3_000);
        let (lost, _) = lost(&tested, &tally, comes, |ms| ms % 36 == 0);
        assert_eq!(lost, 0);
    }
}
