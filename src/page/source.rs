//! What the page asks of the box, and what a person may say to it.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::broadcast;

use crate::event::FactId;
use crate::event::box_status::BoxStatus;
use crate::event::words::VerdictWord;
use crate::media::{CourtId, Frame, UtcTime};

/// An event that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentEvent {
    /// Counts events of the box in order of commit.
    pub position: u64,
    /// The envelope.
    pub json: String,
}

/// Stored events, when they have been read.
pub type Stored<'a> = Pin<Box<dyn Future<Output = Vec<SentEvent>> + Send + 'a>>;

/// Why a verdict was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not one of the words.
    #[error("write {{\"verdict\": \"made\"}}, \"missed\" or \"none\" (there was no attempt)")]
    Word,
    /// No rim has it among its last finals.
    #[error("no final shot of that fact among the last 200 of its rim")]
    Unknown,
    /// Nothing is learnt on this box.
    #[error("calibration is off: set `calibrate = \"watch\"` or \"on\" under [detect]")]
    Off,
    /// It may not be on disk; saying it again does no harm.
    #[error("say it again: {0}")]
    Busy(String),
}

/// What came of a verdict, once it is durable.
pub type Said<'a> = Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + 'a>>;

/// What the page shows. `app` gives it; none of it may block.
pub trait Source: Send + Sync + 'static {
    /// True for a configured court.
    fn has_court(&self, court: &CourtId) -> bool;
    /// The last picture of a court.
    fn snapshot(&self, court: &CourtId) -> Option<Arc<Frame>>;
    /// The state of the box; none before the first look at it.
    fn status(&self) -> Option<Arc<BoxStatus>>;
    /// Resolves once it was looked at, or a while later.
    fn looked_at(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    /// The box's idea of UTC, by which events are told.
    fn utc(&self) -> UtcTime;
    /// Where a venue puts its own looks of the overlay; there may be nothing.
    fn overlay_css(&self) -> PathBuf;
    /// Events from now on.
    fn subscribe(&self) -> broadcast::Receiver<SentEvent>;
    /// At most `limit` stored events after a position, in order.
    fn replay(&self, after: u64, limit: usize) -> Stored<'_>;
    /// Takes what a person says of a shot. It is durable once this is through.
    fn verdict(&self, fact: FactId, verdict: VerdictWord) -> Said<'_>;
}
