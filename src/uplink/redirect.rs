//! Where the link goes next, while it runs: another broker, another user, other certificates.

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::broker::Access;

/// Set by whoever changes the configuration, or by the claim; read by the link before each connection.
#[derive(Debug, Default)]
pub(super) struct Redirect {
    /// `None` as long as nobody said otherwise.
    to: Mutex<Option<Access>>,
    /// Wakes the link: it leaves the broker that it has, or does not wait for the next try.
    moved: Notify,
}

impl Redirect {
    /// From the first connection on: nobody is there to be woken yet.
    pub(super) fn begin(&self, access: Access) {
        *self.to.lock() = Some(access);
    }

    /// From now on.
    pub(super) fn set(&self, access: Access) {
        *self.to.lock() = Some(access);
        self.moved.notify_one();
    }

    /// Where it goes now; nowhere before somebody has said so.
    pub(super) fn access(&self, configured: Option<&Access>) -> Option<Access> {
        self.to.lock().clone().or_else(|| configured.cloned())
    }

    /// Waits until it is set. One task at a time; what was set meanwhile is not missed.
    pub(super) async fn moved(&self) {
        self.moved.notified().await;
    }
}
