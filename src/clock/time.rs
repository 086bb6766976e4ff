//! What a clock is, and waiting for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::media::{Monotonic, UtcTime};

/// Resolves once a clock has reached a time. On a clock moved by hand, what was woken by it counts as
/// at work until this is dropped: hold on to it for as long as the work takes.
pub type Reached = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Wakes who looks at the clock; false once nobody does any more. Must not wait.
pub type Wake = Box<dyn Fn() -> bool + Send + Sync>;

/// The two clocks of a box. A stage never asks the system itself (STYLE 2.5), and never waits for box
/// time but by [`Clock::reached`], or on a condition that [`Clock::when_moved`] wakes.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Time since an origin of this boot; never steps.
    fn monotonic(&self) -> Monotonic;
    /// The box's idea of UTC; may step at any moment, may be 1970.
    fn utc(&self) -> UtcTime;
    /// Names the origin of `monotonic`: the boot. Times of two boots cannot be compared.
    fn boot(&self) -> String;
    /// Resolves once `monotonic` is `at` or later.
    fn reached(&self, at: Monotonic) -> Reached;
    /// Has `wake` called after each move of a clock that is moved by hand. A thread that waits with a
    /// bound, and looks at the clock when it wakes, sees every move by it at once.
    fn when_moved(&self, wake: Wake);
}

/// Waits for `time` of `clock`.
pub async fn sleep(clock: &dyn Clock, time: Duration) {
    clock.reached(clock.monotonic().plus(time)).await;
}

/// What `future` gives; `None` if `time` of `clock` has passed before.
pub async fn within<F: Future>(clock: &dyn Clock, time: Duration, future: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        given = future => Some(given),
        () = sleep(clock, time) => None,
    }
}

/// Ticks of a clock: the first at once, each further one `every` after the one before was taken.
pub struct Ticks {
    clock: Arc<dyn Clock>,
    every: Duration,
    next: Reached,
    /// `next` has resolved; it is kept while its work is done.
    ticked: bool,
}

impl std::fmt::Debug for Ticks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticks").field("every", &self.every).finish_non_exhaustive()
    }
}

impl Ticks {
    /// Ticks of `clock`.
    #[must_use]
    pub fn new(clock: &Arc<dyn Clock>, every: Duration) -> Self {
        let next = clock.reached(clock.monotonic());
        Self { clock: Arc::clone(clock), every, next, ticked: false }
    }

    /// Waits for the next one. Cancel-safe.
    pub async fn tick(&mut self) {
        if self.ticked {
            self.next = self.clock.reached(self.clock.monotonic().plus(self.every));
            self.ticked = false;
        }
        self.next.as_mut().await;
        self.ticked = true;
    }
}
