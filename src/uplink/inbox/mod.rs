//! What a box is told from afar: on disk first, then acknowledged, then done, at most once.
//!
//! ```text
//! broker ─PUBLISH→ post (4 MiB) → inbox thread: read, judge, one commit → PUBACK
//!                                          │  ├→ the wanted configuration ([`Desired`])
//!                                          │  └→ operations, a thread each ─progress, end┐
//! broker ←─`command/{id}/state`── post ←───┴─────────────── one commit ←────────────────┘
//! ```
//! In: `command/{id}` and `config/desired`. Out: `command/{id}/state`, retained, and the same to the
//! sender's response topic. Owns `inbox.redb` in the outbox's folder.
//!
//! Read `letter` (what was sent), `limits` and `door` (whether it is taken), `record` (the states of a
//! command), all pure; `operation` (what can be asked), `store` (on disk), `post` (to and from the
//! link), then `keeper` (the thread).
//!
//! What holds: a PUBLISH is acknowledged once its record is on disk, or once its refusal was
//! acknowledged; a command that came twice runs once, for 30 days at least; a state is told when it is
//! on disk; whatever was cut goes on or is told as failed; what a broken or hostile back office sends
//! costs some MiB of memory, 32 MiB of disk and bounded turns of this thread, and never an event.

mod limits;
mod letter;
mod operation;
mod record;
mod door;
mod post;
mod store;
mod telling;
mod keeper;

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::watch;
use tracing::error;

use crate::uplink::inbox::keeper::Keeper;
use crate::uplink::inbox::limits::Limits;
use crate::uplink::inbox::post::Note;
use crate::uplink::inbox::store::Store;
use crate::uplink::worker::Worker;

pub(crate) use crate::uplink::inbox::keeper::Parts;
pub use crate::uplink::inbox::letter::Desired;
pub(crate) use crate::uplink::inbox::letter::Letter;
pub use crate::uplink::inbox::operation::{Call, Failed, Operation, read_arguments};
pub(crate) use crate::uplink::inbox::post::{Outgoing as ToSend, Post, RECEIVE_MAXIMUM, Telling};
pub use crate::uplink::inbox::store::INBOX_FORMAT;
pub use crate::uplink::inbox::store::InboxError;
pub(super) use crate::uplink::inbox::store::{FILE, lost};

/// The handle.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) post: Arc<Post>,
    desired: watch::Receiver<Option<Arc<Desired>>>,
    thread: Worker,
}

impl Inbox {
    /// Opens the store and starts the thread. Blocking.
    ///
    /// # Errors
    /// [`InboxError`] when the disk says no.
    pub(super) fn open(parts: Parts<'_>) -> Result<Self, InboxError> {
        Self::with(parts, Limits::USUAL)
    }

    fn with(parts: Parts<'_>, limits: Limits) -> Result<Self, InboxError> {
        let (store, aside) = Store::open(parts.disk, parts.dir)?;
        if let Some(path) = aside {
            error!(
                path = %path.display(),
                "the inbox could not be read: put aside, begun anew; commands of before may run again"
            );
        }
        let post = Arc::<Post>::default();
        let weak = Arc::downgrade(&post);
        parts.clock.when_moved(Box::new(move || {
            weak.upgrade().is_some_and(|post| {
                post.nudge();
                true
            })
        }));
        let (wanted, desired) = watch::channel(None);
        let dir = parts.dir.to_owned();
        let mut keeper = Keeper::new(parts, limits, store, &post, wanted);
        keeper.load()?;
        let thread = thread::Builder::new().name("inbox".to_owned());
        let thread = thread.spawn(move || keeper.run()).map_err(|source| InboxError::Disk {
            path: dir,
            source: Box::new(redb::Error::Io(source)),
        })?;
        let ends = Arc::clone(&post);
        let thread = Worker::new(thread, move || ends.note(Note::Stop));
        Ok(Self { post, desired, thread })
    }

    /// What the box can do from now on. What the last run left goes on, or is told as failed.
    pub(super) fn serve(&self, operations: Vec<Arc<dyn Operation>>) {
        self.post.note(Note::Serve(operations));
    }

    /// The wanted configuration, from the last one on disk on.
    pub(super) fn desired(&self) -> watch::Receiver<Option<Arc<Desired>>> {
        self.desired.clone()
    }

    /// The last word: what is pending goes to disk, the thread ends; operations are cut.
    pub(super) fn stop(&self) {
        self.thread.stop();
    }

    pub(super) const fn take_thread(&mut self) -> Option<JoinHandle<()>> {
        self.thread.take()
    }
}

#[cfg(test)]
mod tests;
