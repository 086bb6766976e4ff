//! Whether a hop's reader has run out of work: how a test knows that the whole box is quiet.
//!
//! Set by the reader under its hop's lock, right before it waits; taken back, under the same lock, by
//! whoever gives it work. So a reader that rests has nothing to do, however late its thread wakes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The reader waits, with nothing to do.
const RESTS: u64 = 0b01;
/// The reader waits for a time, whatever comes meanwhile.
const HELD: u64 = 0b10;
/// There is a reader at all.
const READ: u64 = 0b100;
/// One rest more.
const TURN: u64 = 0b1000;

/// Whether one reader rests. Clones are one reader's.
#[derive(Clone, Debug, Default)]
pub struct Rest {
    state: Arc<AtomicU64>,
}

impl Rest {
    /// There is a reader, or will be.
    pub fn begins(&self) {
        self.state.fetch_or(READ, Ordering::SeqCst);
    }

    /// True once there is one.
    #[must_use]
    pub fn has_reader(&self) -> bool {
        self.state.load(Ordering::SeqCst) & READ != 0
    }

    /// The reader is about to wait and has nothing to do.
    pub fn rests(&self) {
        let next = |state: u64| Some((state + TURN) | RESTS);
        // Always some.
        let _ = self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
    }

    /// There is work for it.
    pub fn wakes(&self) {
        self.state.fetch_and(!RESTS, Ordering::SeqCst);
    }

    /// It waits for a time, whatever comes meanwhile; or does so no longer.
    pub fn holds(&self, held: bool) {
        if held {
            self.state.fetch_or(HELD, Ordering::SeqCst);
        } else {
            self.state.fetch_and(!HELD, Ordering::SeqCst);
        }
    }

    /// True while it rests or is held; and how often it has rested: two looks with the same count
    /// have seen the same rest.
    #[must_use]
    pub fn look(&self) -> (bool, u64) {
        let state = self.state.load(Ordering::SeqCst);
        (state & (RESTS | HELD) != 0, state / TURN)
    }
}
