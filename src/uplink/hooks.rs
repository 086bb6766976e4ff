//! Who listens to the outbox, and what he is told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;

use crate::clock::Anchors;
use crate::event::{ClipOrder, Event};
use crate::mailbox::{Mailbox, Tally};

/// Is told of each event once it is on disk, on the outbox's thread: must not wait.
pub trait CommittedSink: Send + Sync {
    /// The event is durable.
    fn committed(&self, told: &Committed<'_>);
    /// The broker has acknowledged an event of this boot, `took` after it was decided.
    fn acknowledged(&self, _took: Duration) {}
}

/// An event that is on disk.
#[derive(Clone, Copy, Debug)]
pub struct Committed<'a> {
    /// Order of decision over all courts.
    pub position: u64,
    /// The event.
    pub event: &'a Event,
    /// Order of decision within its court.
    pub sequence: u64,
    /// Its envelope as it would leave now: JSON.
    pub message: &'a [u8],
}

/// Gives up space when a commit finds none (DESIGN R9: the ballast).
pub trait SpaceNeeded: Send + Sync {
    /// True if something was given up, so that a try at once is worth it.
    fn release(&self) -> bool;
}

/// The histograms that the uplink moves.
#[derive(Clone, Debug)]
pub struct UplinkMeters {
    /// Decided → acknowledged.
    pub event_seconds: Histogram,
    /// One commit of the outbox.
    pub commit_seconds: Histogram,
}

impl Default for UplinkMeters {
    fn default() -> Self {
        let none = || Histogram::new([1.0]);
        Self { event_seconds: none(), commit_seconds: none() }
    }
}

/// Who listens to the uplink. Nobody needs to.
#[derive(Clone, Default)]
pub struct Hooks {
    /// After each commit.
    pub committed: Option<Arc<dyn CommittedSink>>,
    /// When the disk is full.
    pub space: Option<Arc<dyn SpaceNeeded>>,
    /// For `time`, `clocksource` and `clockerrorms`.
    pub wall: Option<Anchors>,
    /// The hop of clips that events ask for, as long as they are not on disk. A full one loses
    /// nothing: the store's `clips` table has it, and is asked again once the hop has run empty.
    pub orders: Option<Mailbox<ClipOrder>>,
    /// The hop of names of clips that are on disk: their events' records may be forgotten in their
    /// time.
    pub clips_done: Option<Mailbox<String>>,
    /// The inbox's hop in the ledger.
    pub tally: Option<Tally>,
    /// Histograms.
    pub meters: UplinkMeters,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("tally", &self.tally).finish_non_exhaustive()
    }
}
