//! What requests are answered from, and on which threads.

use std::sync::Arc;
use std::time::Duration;

use crate::clips::library::Library;
use crate::clips::pace::Pace;
use crate::clips::routes::refusal::Refusal;
use crate::clips::shelf::Shelf;
use crate::clips::times::Times;

/// What requests are answered from.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) shelf: Shelf,
    pub(super) times: Times,
    pub(super) library: Arc<Library>,
    pub(super) pace: Pace,
    /// Whoever asks for a change is answered by then, whatever is left to do.
    pub(super) answers_within: Duration,
}

/// Does what reads files on a thread that may wait for the disk.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(Refusal::ours)
}
