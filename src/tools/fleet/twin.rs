//! The configuration twin of a simulated box: the core, the overlay, the checks and the file of a real one
//! (`config/twin`, `config/overlay`), without courts to build and without an address to change.
//!
//! Absent: trials. What can lose the broker is refused here, since nobody of a fleet asks for it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use crate::app::{read_desired, told_config};
use crate::config::twin::{Came, Circumstances, Store, Twin};
use crate::config::{Begun, Config, plan};
use crate::disk::Disk;
use crate::event::twin::Refusal;
use crate::media::Foreign;
use crate::uplink::{Desired, Uplink};

/// Of one box.
pub(super) struct BoxTwin {
    begun: Begun,
    running: Config,
    store: Store,
    disk: Arc<dyn Disk>,
    uplink: Arc<Uplink>,
}

impl BoxTwin {
    pub(super) fn new(begun: Begun, disk: Arc<dyn Disk>, uplink: Arc<Uplink>) -> Self {
        let store = Store::of(&begun.config.appliance.data_dir);
        Self { running: begun.config.clone(), store, disk, uplink, begun }
    }

    /// Takes what is wanted until `stopped` turns to true, or the uplink ends.
    pub(super) async fn run(
        mut self,
        mut desired: watch::Receiver<Option<Arc<Desired>>>,
        mut stopped: watch::Receiver<bool>,
    ) {
        self.tell();
        loop {
            let latest = desired.borrow_and_update().clone();
            if let Some(Ok(body)) = latest.as_deref().map(|latest| &latest.body) {
                self.came(body).await;
                self.tell();
            }
            tokio::select! {
                changed = desired.changed() => if changed.is_err() { return },
                _told = stopped.wait_for(|stopped| *stopped) => return,
            }
        }
    }

    /// Judges a `config/desired` and keeps what comes of it: to disk first, then into force.
    async fn came(&mut self, body: &Bytes) {
        let wanted = match read_desired(body) {
            Ok(wanted) => wanted,
            Err((revision, reason)) => {
                let twin = self.begun.twin.unreadable(revision, reason);
                return self.keep(twin, None).await;
            }
        };
        let checked = self.begun.source.with(&self.begun.twin.site, &wanted.overlay);
        let changes = match &checked {
            Ok(config) => Ok(plan(&self.running, config)),
            Err(errors) => Err(errors.clone()),
        };
        let changes = changes.and_then(|changes| {
            let lost = changes.iter().find(|change| change.path.starts_with("uplink."));
            lost.map_or(Ok(changes.clone()), |change| {
                let reason = Foreign::told("boxes of a fleet stay at their broker");
                Err(vec![Refusal { path: change.path.clone(), reason }])
            })
        });
        let circumstances = Circumstances { checked: Some(changes), has_broker: true };
        match (self.begun.twin.came(wanted, circumstances), checked) {
            (Came::Known, _) => {}
            (Came::Taken(twin), Ok(config)) => self.keep(*twin, Some(config)).await,
            (Came::Refused(twin) | Came::Taken(twin), _) => self.keep(*twin, None).await,
        }
    }

    async fn keep(&mut self, twin: Twin, config: Option<Config>) {
        let (disk, store, kept) = (Arc::clone(&self.disk), self.store.clone(), twin.clone());
        let written = tokio::task::spawn_blocking(move || store.write(&*disk, &kept)).await;
        match written.map_err(std::io::Error::other).flatten() {
            Ok(()) => {
                self.begun.twin = twin;
                if let Some(config) = config {
                    self.running = self.running.with_live_keys_of(&config);
                }
            }
            // Not in force either: it would not be there after a cut.
            Err(error) => tracing::error!(%error, "what is wanted of a box cannot be kept"),
        }
    }

    fn tell(&self) {
        let reported = told_config(&self.begun.twin, &self.running, &self.running);
        match serde_json::to_value(&reported) {
            Ok(json) => self.uplink.set_reported(&json),
            Err(error) => tracing::error!(%error, "what is in force cannot be told"),
        }
    }
}
