//! Wakes one thread that reads several hops.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::mailbox::rest::Rest;

/// A wake-up for one thread that reads several hops. Clones ring the same bell; a ring that nobody
/// waits for is kept for the next wait.
#[derive(Clone, Debug, Default)]
pub struct Bell {
    shared: Arc<(Mutex<bool>, Condvar)>,
    rest: Rest,
}

impl Bell {
    /// A bell that has not rung.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes the waiting thread, or spares the next wait.
    pub fn ring(&self) {
        let (rung, waiting) = &*self.shared;
        let mut rung = rung.lock();
        self.rest.wakes();
        if !*rung {
            *rung = true;
            waiting.notify_one();
        }
    }

    /// Whether the thread that waits for it rests.
    #[must_use]
    pub const fn rest(&self) -> &Rest {
        &self.rest
    }

    /// Rings it, for a clock that was moved by hand: false once nobody else has the bell.
    pub fn waker(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let (shared, rest) = (Arc::downgrade(&self.shared), self.rest.clone());
        move || {
            let bell = shared.upgrade().map(|shared| Self { shared, rest: rest.clone() });
            bell.inspect(Self::ring).is_some()
        }
    }

    /// Waits up to `timeout` on this thread. Returns true if it rang.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        let (rung, waiting) = &*self.shared;
        let mut rung = rung.lock();
        // Woken by `ring`.
        if !*rung {
            self.rest.rests();
            waiting.wait_for(&mut rung, timeout);
        }
        std::mem::take(&mut *rung)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_before_the_wait_is_kept() {
        let bell = Bell::new();
        bell.clone().ring();
        bell.ring();
        assert!(bell.wait(Duration::ZERO));
        assert!(!bell.wait(Duration::ZERO));
    }
}
