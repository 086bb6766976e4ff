//! A clock that runs as the system's does and can be moved on by hand besides.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use courtside::clock::{Clock, Reached, SystemClock, Wake};
use courtside::media::{Monotonic, UtcTime};

/// Begins at a time of its own. Clones are one clock.
#[derive(Clone, Debug)]
pub(crate) struct FlowingClock {
    system: Arc<SystemClock>,
    begun: Monotonic,
    utc: UtcTime,
    moved_ns: Arc<AtomicU64>,
    /// Wakes who waits for a time that has come by the move.
    moved: Arc<Notify>,
}

impl FlowingClock {
    pub(crate) fn at(utc: UtcTime) -> Self {
        let system = Arc::new(SystemClock::new());
        Self {
            begun: system.monotonic(),
            system,
            utc,
            moved_ns: Arc::default(),
            moved: Arc::default(),
        }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.moved_ns.fetch_add(u64::try_from(by.as_nanos()).expect("centuries"), Ordering::SeqCst);
        self.moved.notify_waiters();
    }
}

impl Clock for FlowingClock {
    fn monotonic(&self) -> Monotonic {
        let moved = Duration::from_nanos(self.moved_ns.load(Ordering::SeqCst));
        self.system.monotonic().plus(moved)
    }

    fn utc(&self) -> UtcTime {
        let since = self.monotonic().since(self.begun);
        self.utc.plus_nanos(i64::try_from(since.as_nanos()).expect("centuries"))
    }

    fn boot(&self) -> String {
        self.system.boot()
    }

    fn reached(&self, at: Monotonic) -> Reached {
        let clock = self.clone();
        Box::pin(async move {
            loop {
                // Asked for before the look at the clock: a move between the two is not missed.
                let moved = clock.moved.notified();
                let now = clock.monotonic();
                if now >= at {
                    return;
                }
                // The time comes by itself, or by the move.
                let _ = tokio::time::timeout(at.since(now), moved).await;
            }
        })
    }

    fn when_moved(&self, _wake: Wake) {}
}
