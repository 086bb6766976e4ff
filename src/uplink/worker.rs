//! A thread of the uplink's, which ends with its handle: whoever lets go of the uplink and opens another on the
//! same folder finds nobody at its files.

use std::fmt;
use std::thread::{self, JoinHandle};

use tracing::error;

/// A thread that was started, and how it is told to end.
pub(super) struct Worker {
    thread: Option<JoinHandle<()>>,
    ends: Box<dyn Fn() + Send + Sync>,
}

impl Worker {
    /// `ends` tells it to end; again does no harm.
    pub(super) fn new(thread: JoinHandle<()>, ends: impl Fn() + Send + Sync + 'static) -> Self {
        Self { thread: Some(thread), ends: Box::new(ends) }
    }

    /// Tells it to end; nobody waits for it yet.
    pub(super) fn stop(&self) {
        (self.ends)();
    }

    /// For who waits for it himself.
    pub(super) const fn take(&mut self) -> Option<JoinHandle<()>> {
        self.thread.take()
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("thread", &self.thread).finish_non_exhaustive()
    }
}

/// Waits for what is pending to be on disk: some milliseconds, on a disk that answers.
impl Drop for Worker {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.stop();
        // What it works for may hold the last of the handle: it does not wait for itself.
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            error!("a thread of the uplink died");
        }
    }
}
