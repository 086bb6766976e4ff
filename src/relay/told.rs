//! What a relay says of itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::{Clock, Floor};
use crate::event::state::RelayState;
use crate::event::words::RelayCondition;
use crate::media::{Foreign, Monotonic};
use crate::relay::trouble::Trouble;

/// How long it is told that a server took less than came (chosen: somebody who looks then sees it).
const BEHIND: Duration = Duration::from_secs(60);

/// See the module. Written by the relay's task, read by who looks at the box.
#[derive(Debug)]
pub(crate) struct Told {
    name: String,
    address: Foreign,
    clock: Arc<dyn Clock>,
    floor: Floor,
    bytes: AtomicU64,
    // Held for a copy.
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    condition: RelayCondition,
    since: Option<String>,
    fault: Option<(Foreign, &'static str)>,
    /// When its server last took less than came.
    fell_behind: Option<Monotonic>,
}

impl Told {
    /// Of a relay that begins. `address` is without its key.
    pub(crate) fn new(name: &str, address: &str, clock: Arc<dyn Clock>, floor: Floor) -> Self {
        let told = Self {
            name: name.to_owned(),
            address: Foreign::told(address),
            clock,
            floor,
            bytes: AtomicU64::new(0),
            now: Mutex::default(),
        };
        told.now.lock().since = told.utc();
        told
    }

    fn utc(&self) -> Option<String> {
        let utc = self.clock.utc();
        (utc >= self.floor.at()).then(|| utc.to_rfc3339())
    }

    /// It does this from now on; why it did not forward stays until it does.
    pub(crate) fn is(&self, condition: RelayCondition) {
        let since = self.utc();
        let mut now = self.now.lock();
        if now.condition != condition {
            (now.condition, now.since) = (condition, since);
        }
    }

    /// Its server takes the stream.
    pub(crate) fn forwards(&self) {
        self.is(RelayCondition::Forwarding);
        self.now.lock().fault = None;
    }

    /// It does not.
    pub(crate) fn failed(&self, trouble: &Trouble) {
        self.is(RelayCondition::Waiting);
        self.now.lock().fault = Some((trouble.said(), trouble.todo()));
    }

    /// Its server took so many bytes.
    pub(crate) fn sent(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Its server takes less than comes.
    pub(crate) fn falls_behind(&self) {
        self.now.lock().fell_behind = Some(self.clock.monotonic());
    }

    /// As it is told; `dropped` messages were not forwarded.
    pub(crate) fn state(&self, dropped: u64) -> RelayState {
        let now = self.now.lock();
        let (fault, todo) = now.fault.clone().unzip();
        RelayState {
            name: self.name.clone(),
            state: now.condition,
            since: now.since.clone(),
            address: self.address.clone(),
            fault,
            behind: now.fell_behind.is_some_and(|at| self.clock.monotonic().since(at) < BEHIND),
            todo: todo.unwrap_or_default().to_owned(),
            dropped,
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}
