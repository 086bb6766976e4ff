//! A running box, as those see it who are no part of it: tests now, provisioning later.

use std::fmt;
use std::sync::Arc;

use crate::clips::{RingStatus, Shelf};
use crate::ingest::{CourtStatus, IngestCounts, IngestHandle};
use crate::mailbox::Ledger;
use crate::media::CourtId;
use crate::uplink::{Given, Uplink, UplinkCounts};

/// Asks a running box. Clones ask the same one.
#[derive(Clone)]
pub struct AppHandle {
    pub(crate) ledger: Ledger,
    pub(crate) ingest: IngestHandle,
    pub(crate) ring: Shelf,
    pub(crate) uplink: Arc<Uplink>,
}

impl fmt::Debug for AppHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppHandle").finish_non_exhaustive()
    }
}

impl AppHandle {
    /// What every hop counts, and who has nothing to do.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// How the outbox and its link do.
    #[must_use]
    pub fn uplink(&self) -> UplinkCounts {
        self.uplink.status()
    }

    /// At most `limit` stored events after a position, as they would leave now.
    pub async fn events(&self, after: u64, limit: usize) -> Vec<Given> {
        self.uplink.replay(None, after, limit).await
    }

    /// What the ring does; nothing once it has ended.
    #[must_use]
    pub fn ring(&self) -> Option<RingStatus> {
        self.ring.status()
    }

    /// What is known of a court's stream; `None` for a court that is not ours.
    #[must_use]
    pub fn stream(&self, court: &CourtId) -> Option<CourtStatus> {
        self.ingest.status(court)
    }

    /// What ingest has counted.
    #[must_use]
    pub fn connections(&self) -> IngestCounts {
        self.ingest.counts()
    }
}
