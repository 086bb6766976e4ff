//! A bounded hop of frames to one model, from all its courts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::mailbox::hop::Take;
use crate::mailbox::ledger::{DropReason, Tally};
use crate::media::{CloseReason, CourtId, CourtRims, Frame, SessionId};

/// Ends of sessions that a court may leave waiting. Each stands for a camera that came and went
/// while the model slept; beyond it the oldest are forgotten: a later session says the same.
const MAX_ENDS: usize = 16;

/// What a model takes from its hop.
#[derive(Clone, Debug)]
pub enum FrameItem {
    /// A picture.
    Frame(Arc<Frame>),
    /// All frames of this session that were kept have been taken.
    SessionClosed {
        /// The court.
        court: CourtId,
        /// The session that ended.
        session: SessionId,
        /// Why.
        reason: CloseReason,
    },
    /// The court's rims are these from its next frame on: it is new, or was changed.
    CourtOpened(CourtRims),
    /// The court is gone; all that was kept of it has been taken.
    CourtClosed(CourtId),
}

/// A bounded hop of frames from the router to one model. Clones share one queue.
///
/// Each court has its own bound, so a court at 60 fps takes no room from another; a full one loses
/// its oldest frame. Ends of sessions are never lost to frames. Courts come and go while the reader
/// reads ([`open_court`](Self::open_court)), in order with their frames. [`take`](Self::take) gives courts
/// their turn one after another. Counted per court; only frames are in the ledger.
#[derive(Clone, Debug)]
pub struct FrameMailbox {
    shared: Arc<FrameHop>,
}

#[derive(Debug)]
struct FrameHop {
    // The one lock of the hop: queues, turn, closing and counts change together.
    queue: Mutex<Queue>,
    /// Wakes the thread in `take`: an item came, or the hop was closed.
    arrived: Condvar,
    /// Wakes threads in `room`: something was taken, or the hop was closed.
    taken: Condvar,
    frames_per_court: usize,
}

#[derive(Debug)]
struct Queue {
    courts: Vec<Court>,
    /// The court whose turn it is.
    turn: usize,
    closed: bool,
}

#[derive(Debug)]
struct Court {
    id: CourtId,
    /// False once it is closed: it goes when what is left of it has been taken.
    serving: bool,
    tally: Tally,
    items: VecDeque<FrameItem>,
    frames: usize,
}

impl FrameMailbox {
    /// Makes a hop that holds at most `frames_per_court` (at least 1) of each of `courts`, and
    /// counts each into its own tally.
    #[must_use]
    pub fn new(
        courts: &[CourtId],
        frames_per_court: usize,
        mut tally: impl FnMut(&CourtId) -> Tally,
    ) -> Self {
        let mut tally = |id: &CourtId| {
            let tally = tally(id);
            tally.rest().begins();
            tally
        };
        let courts = courts.iter().map(|id| Court::new(id.clone(), tally(id))).collect();
        Self {
            shared: Arc::new(FrameHop {
                queue: Mutex::new(Queue { courts, turn: 0, closed: false }),
                arrived: Condvar::new(),
                taken: Condvar::new(),
                frames_per_court: frames_per_court.max(1),
            }),
        }
    }

    /// True if frames of `court` may be handed in.
    #[must_use]
    pub fn serves(&self, court: &CourtId) -> bool {
        self.shared.queue.lock().serving(court).is_some()
    }

    /// Serves the court of `rims` from now on, and tells the reader, behind what it left of that
    /// court before. `tally` counts it, if it is new.
    pub fn open_court(&self, rims: CourtRims, tally: &Tally) {
        let mut queue = self.shared.queue.lock();
        let closed = queue.closed;
        let at = queue.courts.iter().position(|known| known.id == rims.court);
        let at = at.unwrap_or_else(|| {
            tally.rest().begins();
            queue.courts.push(Court::new(rims.court.clone(), tally.clone()));
            queue.courts.len() - 1
        });
        let Some(court) = queue.courts.get_mut(at) else { return };
        court.serving = true;
        if closed {
            // Nobody reads; its frames are counted as refused.
            return;
        }
        court.tally.rest().wakes();
        court.items.push_back(FrameItem::CourtOpened(rims));
        drop(queue);
        self.shared.arrived.notify_one();
    }

    /// Takes no more frames of `court`; the reader takes what is left of it, then is told.
    pub fn close_court(&self, court: &CourtId) {
        let mut queue = self.shared.queue.lock();
        let closed = queue.closed;
        let Some(known) = queue.serving(court) else { return };
        known.serving = false;
        if !closed {
            known.tally.rest().wakes();
            known.items.push_back(FrameItem::CourtClosed(court.clone()));
        }
        drop(queue);
        self.shared.arrived.notify_one();
    }

    /// True if both are the same hop.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Hands a frame on. Never waits; a full court loses its oldest frame.
    ///
    /// Returns the frame that was let go, if one was: `frame` itself if the hop is closed, or does not
    /// serve its court, in whose ledger it then is nothing.
    pub fn offer(&self, frame: Arc<Frame>) -> Option<Arc<Frame>> {
        let mut queue = self.shared.queue.lock();
        let closed = queue.closed;
        let Some(court) = queue.serving(&frame.court) else { return Some(frame) };
        if closed {
            court.tally.refused(DropReason::Closed);
            return Some(frame);
        }
        let lost = if court.frames >= self.shared.frames_per_court {
            court.drop_oldest_frame()
        } else {
            None
        };
        court.tally.offered();
        court.tally.rest().wakes();
        court.items.push_back(FrameItem::Frame(frame));
        court.frames += 1;
        drop(queue);
        self.shared.arrived.notify_one();
        lost
    }

    /// Waits on this thread, up to `within`, until a frame of `court` would push none out.
    pub fn room(&self, court: &CourtId, within: Duration) {
        let mut queue = self.shared.queue.lock();
        let most = self.shared.frames_per_court;
        let is_full = |queue: &mut Queue| {
            !queue.closed && queue.serving(court).is_some_and(|court| court.frames >= most)
        };
        // Woken by `take` and `close`; who gave up waiting hands in all the same.
        if is_full(&mut queue) {
            self.shared.taken.wait_while_for(&mut queue, is_full, within);
        }
    }

    /// Counts a frame of `court` that the router strode over.
    pub fn strided(&self, court: &CourtId) {
        let mut queue = self.shared.queue.lock();
        if let Some(court) = queue.serving(court) {
            court.tally.refused(DropReason::Strided);
        }
    }

    /// Says that no more frames of `session` will come.
    pub fn session_closed(&self, court: &CourtId, session: SessionId, reason: CloseReason) {
        let mut queue = self.shared.queue.lock();
        if queue.closed {
            return;
        }
        let Some(known) = queue.serving(court) else { return };
        known.forget_old_ends();
        let court = known.id.clone();
        known.tally.rest().wakes();
        known.items.push_back(FrameItem::SessionClosed { court, session, reason });
        drop(queue);
        self.shared.arrived.notify_one();
    }

    /// Takes the oldest item of the court whose turn it is, waiting up to `timeout` on this thread.
    #[must_use]
    pub fn take(&self, timeout: Duration) -> Take<FrameItem> {
        let mut queue = self.shared.queue.lock();
        // Woken by `offer`, `session_closed` and `close`.
        if queue.is_empty() && !queue.closed {
            queue.rests();
            self.shared.arrived.wait_for(&mut queue, timeout);
        }
        match queue.pop() {
            Some(item) => {
                self.shared.taken.notify_all();
                Take::Item(item)
            }
            None if queue.closed => {
                // Its reader ends with this.
                queue.rests();
                Take::Closed
            }
            None => Take::TimedOut,
        }
    }

    /// Takes the oldest item of the court whose turn it is, if one is there: for a reader that has
    /// work already.
    #[must_use]
    pub fn take_waiting(&self) -> Option<FrameItem> {
        self.shared.queue.lock().pop()
    }

    /// Closes the hop: what is inside can still be taken, nothing more comes in.
    pub fn close(&self) {
        {
            let mut queue = self.shared.queue.lock();
            if queue.closed {
                return; // its reader was told, or has gone
            }
            queue.closed = true;
            queue.courts.iter().for_each(|court| court.tally.rest().wakes());
        }
        self.shared.arrived.notify_all();
        self.shared.taken.notify_all();
    }

    /// Closes the hop and lets go what is inside, counted: its reader is gone.
    pub fn abandon(&self) {
        let mut queue = self.shared.queue.lock();
        queue.closed = true;
        for court in &mut queue.courts {
            for item in court.items.drain(..) {
                if matches!(item, FrameItem::Frame(_)) {
                    court.tally.dropped(DropReason::Closed);
                }
            }
            court.frames = 0;
        }
        queue.rests();
        drop(queue);
        self.shared.arrived.notify_all();
        self.shared.taken.notify_all();
    }

    /// Items inside, of all courts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.queue.lock().courts.iter().map(|court| court.items.len()).sum()
    }

    /// True when nothing is inside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Queue {
    fn serving(&mut self, court: &CourtId) -> Option<&mut Court> {
        self.courts.iter_mut().find(|known| known.serving && known.id == *court)
    }

    /// The reader has nothing to do, of any court.
    fn rests(&self) {
        self.courts.iter().for_each(|court| court.tally.rest().rests());
    }

    fn is_empty(&self) -> bool {
        self.courts.iter().all(|court| court.items.is_empty())
    }

    fn pop(&mut self) -> Option<FrameItem> {
        let count = self.courts.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            let Some(court) = self.courts.get_mut(index) else { continue };
            if let Some(item) = court.items.pop_front() {
                if matches!(item, FrameItem::Frame(_)) {
                    court.frames -= 1;
                    court.tally.taken();
                }
                if !court.serving && court.items.is_empty() {
                    // The reader has nothing left of it.
                    court.tally.rest().rests();
                    self.courts.remove(index);
                    self.turn = if index + 1 == count { 0 } else { index };
                } else {
                    self.turn = (index + 1) % count;
                }
                return Some(item);
            }
        }
        None
    }
}

impl Court {
    const fn new(id: CourtId, tally: Tally) -> Self {
        Self { id, serving: true, tally, items: VecDeque::new(), frames: 0 }
    }

    fn drop_oldest_frame(&mut self) -> Option<Arc<Frame>> {
        let at = self.items.iter().position(|item| matches!(item, FrameItem::Frame(_)))?;
        match self.items.remove(at)? {
            FrameItem::Frame(frame) => {
                self.frames -= 1;
                self.tally.dropped(DropReason::Full);
                Some(frame)
            }
            FrameItem::SessionClosed { .. }
            | FrameItem::CourtOpened(_)
            | FrameItem::CourtClosed(_) => None,
        }
    }

    fn forget_old_ends(&mut self) {
        let is_end = |item: &FrameItem| matches!(item, FrameItem::SessionClosed { .. });
        while self.items.iter().filter(|item| is_end(item)).count() >= MAX_ENDS {
            let Some(at) = self.items.iter().position(is_end) else { return };
            self.items.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::Ledger;
    use crate::media::{ChromaLayout, CpuPicture, MediaTime, Monotonic, Pixels, Plane};

    #[derive(Debug)]
    struct NoPicture;

    impl CpuPicture for NoPicture {
        fn chroma(&self) -> ChromaLayout {
            ChromaLayout::I420
        }
        fn plane(&self, _index: usize) -> Option<Plane<'_>> {
            None
        }
    }

    fn frame(court: &CourtId, ms: i64) -> Arc<Frame> {
        Arc::new(Frame {
            court: court.clone(),
            session: SessionId::from_bits(1),
            pts: MediaTime::from_millis(ms),
            width: 2,
            height: 2,
            arrival: Monotonic::ZERO,
            decoded: Monotonic::ZERO,
            pixels: Pixels::Cpu(Box::new(NoPicture)),
        })
    }

    fn taken(hop: &FrameMailbox) -> Vec<(String, i64)> {
        let mut seen = Vec::new();
        while let Take::Item(item) = hop.take(Duration::ZERO) {
            seen.push(match item {
                FrameItem::Frame(frame) => {
                    (frame.court.to_string(), frame.pts.as_nanos() / 1_000_000)
                }
                FrameItem::SessionClosed { court, .. } => (court.to_string(), -1),
                FrameItem::CourtOpened(rims) => (rims.court.to_string(), -2),
                FrameItem::CourtClosed(court) => (court.to_string(), -3),
            });
        }
        seen
    }

    fn courts() -> [CourtId; 2] {
        ["a", "b"].map(|name| CourtId::new(name).expect("name"))
    }

    #[test]
    fn a_busy_court_loses_its_own_oldest_and_courts_take_turns() {
        let ledger = Ledger::new();
        let [a, b] = courts();
        let hop = FrameMailbox::new(&courts(), 2, |court| ledger.hop(court.as_str(), "model:m"));
        hop.offer(frame(&b, 0));
        for ms in 0..5 {
            hop.offer(frame(&a, ms));
        }
        let expected = [("a", 3), ("b", 0), ("a", 4)].map(|(name, ms)| (name.to_owned(), ms));
        assert_eq!(taken(&hop), expected);
        assert_eq!(ledger.unbalanced(), []);
        let count = ledger.hop("a", "model:m").count();
        assert_eq!((count.offered, count.taken, count.dropped_total()), (5, 2, 3));
    }

    #[test]
    fn the_end_of_a_session_follows_its_frames_and_is_never_crowded_out() {
        let ledger = Ledger::new();
        let [a, _] = courts();
        let hop = FrameMailbox::new(&courts(), 1, |court| ledger.hop(court.as_str(), "model:m"));
        hop.offer(frame(&a, 0));
        hop.session_closed(&a, SessionId::from_bits(1), CloseReason::Ended);
        hop.offer(frame(&a, 1));
        assert_eq!(taken(&hop), [("a".to_owned(), -1), ("a".to_owned(), 1)]);
        for n in 0..100 {
            hop.session_closed(&a, SessionId::from_bits(n), CloseReason::Ended);
        }
        assert_eq!(hop.len(), MAX_ENDS);
        assert_eq!(ledger.unbalanced(), []);
    }

    #[test]
    fn a_court_comes_and_goes_in_order_with_its_frames() {
        let ledger = Ledger::new();
        let [a, b] = courts();
        let tally = |court: &CourtId| ledger.hop(court.as_str(), "model:m");
        let hop = FrameMailbox::new(std::slice::from_ref(&a), 4, tally);
        let rims = CourtRims { court: b.clone(), rims: Vec::new(), rims_of: None };
        assert!(hop.offer(frame(&b, 0)).is_some(), "not served yet");
        hop.open_court(rims.clone(), &tally(&b));
        hop.offer(frame(&b, 1));
        hop.session_closed(&b, SessionId::from_bits(1), CloseReason::Ended);
        hop.close_court(&b);
        assert!(!hop.serves(&b) && hop.offer(frame(&b, 2)).is_some());
        // Back before what was left has been taken: behind it.
        hop.open_court(rims.clone(), &tally(&b));
        hop.offer(frame(&b, 3));
        hop.close_court(&b);
        hop.offer(frame(&a, 4));
        let b_alone: Vec<i64> =
            taken(&hop).into_iter().filter(|(name, _)| name == "b").map(|(_, ms)| ms).collect();
        assert_eq!(b_alone, [-2, 1, -1, -3, -2, 3, -3]);
        assert!(hop.offer(frame(&a, 5)).is_none(), "the other court is served as before");
        assert_eq!(taken(&hop), [("a".to_owned(), 5)]);
        assert_eq!(ledger.unbalanced(), []);
        let count = ledger.hop("b", "model:m").count();
        assert_eq!((count.offered, count.taken, count.waiting), (2, 2, 0));
        // A hop that nobody reads takes nothing in.
        hop.abandon();
        hop.open_court(rims, &tally(&b));
        assert!(hop.offer(frame(&b, 6)).is_some());
        assert_eq!(taken(&hop), []);
    }

    #[test]
    fn an_abandoned_hop_holds_nothing_and_balances() {
        let ledger = Ledger::new();
        let [a, _] = courts();
        let hop = FrameMailbox::new(&courts(), 2, |court| ledger.hop(court.as_str(), "model:m"));
        hop.offer(frame(&a, 0));
        hop.abandon();
        assert!(hop.offer(frame(&a, 1)).is_some());
        assert_eq!(taken(&hop), []);
        assert_eq!(ledger.unbalanced(), []);
        let count = ledger.hop("a", "model:m").count();
        assert_eq!(count.dropped.get(&DropReason::Closed), Some(&2));
    }
}
