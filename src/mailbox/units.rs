//! A bounded hop of a stream's items: loses whole runs up to the next key frame, never one picture
//! out of a group.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::mailbox::bell::Bell;
use crate::mailbox::hop::Take;
use crate::mailbox::ledger::{DropReason, Tally};
use crate::media::{MediaTime, StreamItem};

/// Bytes that a hop may hold whatever its stream time: 4 s of 64 Mbit/s.
const MAX_BYTES: usize = 32 << 20;
/// Items that a hop may hold whatever their time: stands still only under absurd timestamps.
const MAX_ITEMS: usize = 4096;

/// A bounded hop of [`StreamItem`]s of one court. Clones share one queue.
///
/// Bounded by `bound` of stream time (and by bytes and items, against absurd timestamps). When a
/// video unit does not fit, it and all that follow are refused until a key frame that fits; sound
/// is refused while it does not fit. Sessions' beginnings and ends and wall times always fit:
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
    /// Counts video units; sound and session marks are not pictures and are not in the ledger.
    tally: Tally,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<StreamItem>,
    bytes: usize,
    awaiting_key: bool,
    closed: bool,
    nudged: bool,
    /// Rung with `arrived`, for a reader of several hops.
    bell: Option<Bell>,
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
        tally.rest().begins();
        Self {
            shared: Arc::new(UnitHop {
                queue: Mutex::new(Queue::default()),
                arrived: Condvar::new(),
                bound,
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
                true
            }
            StreamItem::Wall(_) => queue.items.len() < MAX_ITEMS,
            StreamItem::Closed { .. } => true,
            StreamItem::Audio(unit) => self.fits(queue, unit.pts, unit.data.len()),
            StreamItem::Video(unit) => {
                if queue.awaiting_key && !unit.key {
                    tally.refused(DropReason::AwaitingKey);
                    return false;
                }
                if self.fits(queue, unit.dts, size(item)) {
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

    fn fits(&self, queue: &Queue, at: MediaTime, bytes: usize) -> bool {
        let oldest = queue.items.iter().find_map(time_of);
        let span = oldest.map_or(0, |oldest| at.nanos_since(oldest));
        let bound = i64::try_from(self.shared.bound.as_nanos()).unwrap_or(i64::MAX);
        span <= bound && queue.bytes + bytes <= MAX_BYTES && queue.items.len() < MAX_ITEMS
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
        StreamItem::Opened(_) | StreamItem::Wall(_) | StreamItem::Closed { .. } => 0,
    }
}

fn time_of(item: &StreamItem) -> Option<MediaTime> {
    match item {
        StreamItem::Video(unit) => Some(unit.dts),
        StreamItem::Audio(unit) => Some(unit.pts),
        StreamItem::Opened(_) | StreamItem::Wall(_) | StreamItem::Closed { .. } => None,
    }
}
