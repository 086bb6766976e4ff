//! Where the link goes next, while it runs: another broker, another user, other files.

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::uplink::settings::{Target, UplinkSettings};

/// Set by whoever changes the configuration, read by the link before each connection.
#[derive(Debug, Default)]
pub(super) struct Redirect {
    /// `None` as long as nobody said otherwise.
    to: Mutex<Option<Target>>,
    /// Wakes the link: it leaves the broker that it has, or does not wait for the next try.
    moved: Notify,
}

impl Redirect {
    /// From now on.
    pub(super) fn set(&self, target: Target) {
        *self.to.lock() = Some(target);
        self.moved.notify_one();
    }

    /// The settings that hold now.
    pub(super) fn settings(&self, configured: &UplinkSettings) -> UplinkSettings {
        match &*self.to.lock() {
            Some(target) => configured.at(target),
            None => configured.clone(),
        }
    }

    /// Waits until it is set. One task at a time; what was set meanwhile is not missed.
    pub(super) async fn moved(&self) {
        self.moved.notified().await;
    }
}
