//! A bounded hop of things.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use crate::mailbox::ledger::{DropReason, Tally};
use crate::mailbox::rest::Rest;

/// What a full mailbox does with the next one. No default: the choice is the hop's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Lets the newest go.
    DropNewest,
    /// Lets the oldest go.
    DropOldest,
}

/// What a wait on a mailbox brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Take<T> {
    /// The oldest item.
    Item(T),
    /// Nothing came in time.
    TimedOut,
    /// Closed, and empty.
    Closed,
}

/// A bounded hop between two stages. Clones share one queue.
#[derive(Debug)]
pub struct Mailbox<T> {
    shared: Arc<HopState<T>>,
}

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

#[derive(Debug)]
struct HopState<T> {
    // The one lock of the hop: queue, closing and counts change together.
    queue: Mutex<Queue<T>>,
    /// Wakes threads in `take`: an item came, or the hop was closed.
    arrived: Condvar,
    /// Wakes the task in `taken`, for the same two reasons.
    arrived_async: Notify,
    /// Wakes threads in `offer_waiting`: something was taken, or the hop was closed.
    room: Condvar,
    capacity: usize,
    /// What of the capacity an item takes.
    weigh: fn(&T) -> usize,
    when_full: WhenFull,
    tally: Tally,
}

#[derive(Debug)]
struct Queue<T> {
    items: VecDeque<T>,
    /// Of all items.
    weight: usize,
    closed: bool,
    nudged: bool,
    /// Called with `arrived`, for a reader of several hops.
    wake: Option<Waker>,
}

/// Wakes a reader of several hops.
#[derive(Clone)]
struct Waker(Arc<dyn Fn() -> bool + Send + Sync>);

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waker")
    }
}

impl<T> HopState<T> {
    fn nudge(&self) {
        let mut queue = self.queue.lock();
        queue.nudged = true;
        self.tally.rest().wakes();
        drop(queue);
        self.arrived.notify_all();
    }
}

impl<T> Mailbox<T> {
    /// Makes a hop that holds at most `capacity` (at least 1) and counts into `tally`.
    #[must_use]
    pub fn new(capacity: usize, when_full: WhenFull, tally: Tally) -> Self {
        Self::made(capacity, |_| 1, when_full, tally)
    }

    /// Makes a hop that holds items of `capacity` in all, as `weigh` has it. One that is heavier than
    /// the whole comes in when nothing else is inside. What finds no room is given back.
    #[must_use]
    pub fn weighed(capacity: usize, weigh: fn(&T) -> usize, tally: Tally) -> Self {
        Self::made(capacity, weigh, WhenFull::DropNewest, tally)
    }

    fn made(capacity: usize, weigh: fn(&T) -> usize, when_full: WhenFull, tally: Tally) -> Self {
        tally.rest().begins();
        let queue =
            Queue { items: VecDeque::new(), weight: 0, closed: false, nudged: false, wake: None };
        Self {
            shared: Arc::new(HopState {
                queue: Mutex::new(queue),
                arrived: Condvar::new(),
                arrived_async: Notify::new(),
                room: Condvar::new(),
                capacity: capacity.max(1),
                weigh,
                when_full,
                tally,
            }),
        }
    }

    /// Hands `item` on. Never waits: a slow reader loses its own items, not ours.
    ///
    /// Returns the item that was let go, if one was.
    pub fn offer(&self, item: T) -> Option<T> {
        let shared = &self.shared;
        let mut queue = shared.queue.lock();
        if queue.closed {
            shared.tally.refused(DropReason::Closed);
            return Some(item);
        }
        let mut lost = None;
        if !shared.has_room(&queue, &item) {
            match shared.when_full {
                WhenFull::DropNewest => {
                    shared.tally.refused(DropReason::Full);
                    return Some(item);
                }
                WhenFull::DropOldest => {
                    lost = shared.pop(&mut queue);
                    shared.tally.dropped(DropReason::Full);
                }
            }
        }
        shared.tally.offered();
        shared.tally.rest().wakes();
        shared.push(&mut queue, item);
        let wake = queue.wake.clone();
        drop(queue);
        shared.arrived.notify_one();
        shared.arrived_async.notify_one();
        if let Some(Waker(wake)) = wake {
            let _gone = wake();
        }
        lost
    }

    /// Hands `item` on if there is room; gives it back, uncounted, if there is none.
    ///
    /// For hops that never drop: the caller waits and tries again (DESIGN §2, game → outbox).
    ///
    /// # Errors
    /// The item, when the hop is full or closed.
    pub fn try_offer(&self, item: T) -> Result<(), T> {
        let shared = &self.shared;
        let mut queue = shared.queue.lock();
        if queue.closed || !shared.has_room(&queue, &item) {
            return Err(item);
        }
        shared.tally.offered();
        shared.tally.rest().wakes();
        shared.push(&mut queue, item);
        let wake = queue.wake.clone();
        drop(queue);
        shared.arrived.notify_one();
        shared.arrived_async.notify_one();
        if let Some(Waker(wake)) = wake {
            let _gone = wake();
        }
        Ok(())
    }

    /// Hands `item` on, waiting on this thread up to `timeout` for room.
    ///
    /// For the one hop whose sender waits (DESIGN §2, game → outbox: that court's game alone).
    ///
    /// # Errors
    /// The item, when there was no room in time or the hop is closed.
    pub fn offer_waiting(&self, item: T, timeout: Duration) -> Result<(), T> {
        let shared = &self.shared;
        {
            let mut queue = shared.queue.lock();
            let full = |queue: &mut Queue<T>| !queue.closed && !shared.has_room(queue, &item);
            // Woken by `pop` and `close`. What came free may be too little: waits on.
            shared.room.wait_while_for(&mut queue, full, timeout);
        }
        self.try_offer(item)
    }

    /// Takes the oldest item, waiting up to `timeout` on this thread.
    #[must_use]
    pub fn take(&self, timeout: Duration) -> Take<T> {
        let mut queue = self.shared.queue.lock();
        // Woken by `offer`, `try_offer`, `nudge` and `close`.
        if queue.items.is_empty() && !queue.closed && !queue.nudged {
            self.shared.tally.rest().rests();
            self.shared.arrived.wait_for(&mut queue, timeout);
        }
        queue.nudged = false;
        self.pop(&mut queue)
    }

    /// Takes the oldest item if there is one.
    #[must_use]
    pub fn try_take(&self) -> Option<T> {
        let mut queue = self.shared.queue.lock();
        match self.pop(&mut queue) {
            Take::Item(item) => Some(item),
            Take::TimedOut | Take::Closed => {
                if queue.wake.is_some() {
                    self.shared.tally.rest().rests(); // as far as this hop goes
                }
                None
            }
        }
    }

    /// Calls `wake` at every item and at the close, for a thread that reads several hops, this one by
    /// [`Self::try_take`].
    pub fn attach(&self, wake: impl Fn() -> bool + Send + Sync + 'static) {
        self.shared.queue.lock().wake = Some(Waker(Arc::new(wake)));
    }

    /// Takes the oldest item, waiting as a task. `None` once closed and empty.
    ///
    /// One task at a time: a wake-up is stored for one waiter. Cancel-safe.
    pub async fn taken(&self) -> Option<T> {
        loop {
            let woken = self.shared.arrived_async.notified();
            match self.pop(&mut self.shared.queue.lock()) {
                Take::Item(item) => return Some(item),
                Take::Closed => return None,
                // Woken by `offer`, `try_offer` and `close`.
                Take::TimedOut => {}
            }
            woken.await;
        }
    }

    fn pop(&self, queue: &mut Queue<T>) -> Take<T> {
        match self.shared.pop(queue) {
            Some(item) => {
                self.shared.tally.taken();
                // All: the first to wake may need more than came free, and another less.
                self.shared.room.notify_all();
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

    /// Ends one wait in [`Self::take`] early, now or the next one: its thread has other work too.
    pub fn nudge(&self) {
        self.shared.nudge();
    }

    /// Nudges the reader, for a clock that was moved by hand: false once nobody else has the hop.
    pub fn waker(&self) -> impl Fn() -> bool + Send + Sync + 'static
    where
        T: Send + 'static,
    {
        let shared = Arc::downgrade(&self.shared);
        move || shared.upgrade().inspect(|shared| shared.nudge()).is_some()
    }

    /// Whether its reader rests, or waits for a time whatever comes.
    #[must_use]
    pub fn rest(&self) -> &Rest {
        self.shared.tally.rest()
    }

    /// Closes the hop: what is inside can still be taken, nothing more comes in.
    pub fn close(&self) {
        let wake = {
            let mut queue = self.shared.queue.lock();
            queue.closed = true;
            self.shared.tally.rest().wakes();
            queue.wake.clone()
        };
        self.shared.arrived.notify_all();
        self.shared.arrived_async.notify_one();
        self.shared.room.notify_all();
        if let Some(Waker(wake)) = wake {
            let _gone = wake();
        }
    }

    /// Waits as a task until nothing more can come in. One task at a time, and not beside
    /// [`Self::taken`].
    pub async fn closed(&self) {
        loop {
            let woken = self.shared.arrived_async.notified();
            if self.is_closed() {
                return;
            }
            // Woken by `close`, and by every item.
            woken.await;
        }
    }

    /// True once nothing more can come in.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.queue.lock().closed
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

impl<T> HopState<T> {
    fn has_room(&self, queue: &Queue<T>, item: &T) -> bool {
        queue.items.is_empty() || queue.weight.saturating_add((self.weigh)(item)) <= self.capacity
    }

    fn push(&self, queue: &mut Queue<T>, item: T) {
        queue.weight = queue.weight.saturating_add((self.weigh)(&item));
        queue.items.push_back(item);
    }

    fn pop(&self, queue: &mut Queue<T>) -> Option<T> {
        let item = queue.items.pop_front()?;
        queue.weight = queue.weight.saturating_sub((self.weigh)(&item));
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::Bell;

    #[test]
    fn a_bell_that_is_attached_rings_at_items_and_at_the_close_and_an_empty_hop_rests() {
        let (hop, bell) = (Mailbox::new(1, WhenFull::DropNewest, Tally::default()), Bell::new());
        hop.attach(bell.waker());
        assert!(!bell.wait(Duration::ZERO));
        assert_eq!((hop.offer(1), hop.offer(2)), (None, Some(2)));
        assert!(bell.wait(Duration::ZERO) && !hop.rest().look().0, "there is work");
        assert_eq!((hop.try_take(), hop.try_take()), (Some(1), None));
        assert!(hop.rest().look().0);
        hop.close();
        assert!(bell.wait(Duration::ZERO));
    }

    #[test]
    fn a_hop_is_full_by_weight_and_what_is_heavier_than_all_goes_alone() {
        let tally = Tally::default();
        let hop = Mailbox::weighed(4, |item: &usize| *item, tally.clone());
        assert_eq!(hop.try_offer(3), Ok(()));
        assert_eq!(hop.try_offer(2), Err(2), "no room for two");
        assert_eq!(hop.try_offer(1), Ok(()));
        assert_eq!(hop.try_offer(9), Err(9), "not beside others");
        assert_eq!((hop.try_take(), hop.try_take()), (Some(3), Some(1)));
        assert_eq!(hop.try_offer(9), Ok(()));
        assert_eq!(hop.try_offer(1), Err(1));
        assert_eq!((hop.try_take(), hop.len()), (Some(9), 0));
        assert!(tally.count().balances(), "{:?}", tally.count());
    }

    #[test]
    fn a_heavy_one_waits_until_enough_came_free() {
        let hop = Mailbox::weighed(4, |item: &usize| *item, Tally::default());
        for _ in 0..4 {
            hop.try_offer(1).expect("room");
        }
        let other = hop.clone();
        let waits = std::thread::spawn(move || other.offer_waiting(4, Duration::from_secs(60)));
        for _ in 0..4 {
            assert_eq!(hop.take(Duration::from_secs(60)), Take::Item(1));
        }
        assert_eq!(waits.join().expect("ended"), Ok(()), "each room that came free was too little");
        assert_eq!(hop.try_take(), Some(4));
    }

    #[test]
    fn a_full_hop_loses_the_oldest_and_counts_it() {
        let tally = Tally::default();
        let hop = Mailbox::new(2, WhenFull::DropOldest, tally.clone());
        assert_eq!(hop.offer(1), None);
        assert_eq!(hop.offer(2), None);
        assert_eq!(hop.offer(3), Some(1));
        assert_eq!(hop.try_take(), Some(2));
        let count = tally.count();
        assert!(count.balances(), "{count:?}");
        assert_eq!(
            (count.offered, count.taken, count.dropped_total(), count.waiting),
            (3, 1, 1, 1)
        );
    }

    #[test]
    fn a_closed_hop_runs_dry() {
        let hop = Mailbox::new(2, WhenFull::DropNewest, Tally::default());
        hop.offer(1);
        hop.close();
        assert_eq!(hop.offer(2), Some(2));
        assert_eq!(hop.take(Duration::ZERO), Take::Item(1));
        assert_eq!(hop.take(Duration::ZERO), Take::Closed);
    }

    #[test]
    fn a_task_is_woken_by_an_item_and_by_the_close() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(async {
            let hop = Mailbox::new(1, WhenFull::DropNewest, Tally::default());
            let other = hop.clone();
            let reader = tokio::spawn(async move {
                let mut seen = Vec::new();
                while let Some(item) = other.taken().await {
                    seen.push(item);
                }
                seen
            });
            hop.offer(7);
            tokio::task::yield_now().await;
            hop.close();
            assert_eq!(reader.await.expect("joined"), [7]);
        });
    }
}
