//! A running box, as those see it who are no part of it: asked, and its courts changed.

use std::fmt;

use crate::app::courts::Courts;
use crate::app::error::CourtError;
use crate::clips::{RingStatus, Shelf};
use crate::config::CourtConfig;
use crate::ingest::{CourtStatus, IngestCounts};
use crate::mailbox::Ledger;
use crate::media::CourtId;
use crate::uplink::{Given, UplinkCounts};

/// Asks a running box, and changes its courts. Clones ask the same one.
#[derive(Clone)]
pub struct AppHandle {
    pub(crate) courts: Courts,
    pub(crate) ring: Shelf,
}

impl fmt::Debug for AppHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppHandle").finish_non_exhaustive()
    }
}

impl AppHandle {
    /// A court more, from now on. Its game goes on from what is on disk of it.
    ///
    /// # Errors
    /// [`CourtError`]; then nothing has changed.
    pub async fn add_court(&self, court: &CourtConfig) -> Result<(), CourtError> {
        self.courts.add(court).await
    }

    /// The same court by another configuration: what came in is decided, then its publisher is let go
    /// and comes again. No other court notices.
    ///
    /// # Errors
    /// [`CourtError`]; after [`CourtError::Build`] the court is gone.
    pub async fn change_court(&self, court: &CourtConfig) -> Result<(), CourtError> {
        self.courts.change(court).await
    }

    /// A court less, from now on; what its game had told and not finished is withdrawn.
    ///
    /// # Errors
    /// [`CourtError`]; then nothing has changed.
    pub async fn remove_court(&self, court: &CourtId) -> Result<(), CourtError> {
        self.courts.remove(court).await
    }

    /// What every hop counts, and who has nothing to do.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.courts.beside().ledger
    }

    /// How the outbox and its link do.
    #[must_use]
    pub fn uplink(&self) -> UplinkCounts {
        self.courts.beside().uplink.status()
    }

    /// At most `limit` stored events after a position, as they would leave now.
    pub async fn events(&self, after: u64, limit: usize) -> Vec<Given> {
        self.courts.beside().uplink.replay(None, after, limit).await
    }

    /// What the ring does; nothing once it has ended.
    #[must_use]
    pub fn ring(&self) -> Option<RingStatus> {
        self.ring.status()
    }

    /// What is known of a court's stream; `None` for a court that is not ours.
    #[must_use]
    pub fn stream(&self, court: &CourtId) -> Option<CourtStatus> {
        self.courts.beside().ingest.status(court)
    }

    /// What ingest has counted.
    #[must_use]
    pub fn connections(&self) -> IngestCounts {
        self.courts.beside().ingest.counts()
    }
}
