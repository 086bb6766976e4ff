//! Wakes one thread that reads several hops.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// A wake-up for one thread that reads several hops. Clones ring the same bell; a ring that nobody
/// waits for is kept for the next wait.
#[derive(Clone, Debug, Default)]
pub struct Bell {
    shared: Arc<(Mutex<bool>, Condvar)>,
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
        if !*rung {
            *rung = true;
            waiting.notify_one();
        }
    }

    /// Waits up to `timeout` on this thread. Returns true if it rang.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        let (rung, waiting) = &*self.shared;
        let mut rung = rung.lock();
        // Woken by `ring`.
        if !*rung {
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
