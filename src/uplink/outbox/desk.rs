//! What others leave for the outbox's thread, and what it leaves for the link.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::event::{Decision, Envelope};
use crate::mailbox::Mailbox;
use crate::media::{CourtId, Foreign};
use crate::uplink::outbox::lanes::{Begin, SendOutcome};
use crate::uplink::outbox::recover::CourtRecords;

/// A stored event given again.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// Order of decision over all courts.
    pub position: u64,
    /// Its envelope as it would leave now: JSON.
    pub message: Bytes,
}

impl Given {
    /// The message, read. `None` if a later version put it in a form that this one does not know.
    #[must_use]
    pub fn envelope(&self) -> Option<Envelope> {
        serde_json::from_slice(&self.message).ok()
    }
}

/// One publish for the link.
#[derive(Debug)]
pub(crate) struct Sending {
    /// The connection that it is for.
    pub epoch: u64,
    /// The event.
    pub position: u64,
    /// Below the box's root.
    pub topic: String,
    /// The envelope.
    pub payload: Bytes,
}

/// What others tell the outbox.
#[derive(Debug)]
pub(crate) enum Note {
    /// A session begins.
    Connected {
        /// Its number.
        epoch: u64,
        /// How.
        begin: Begin,
    },
    /// It ended.
    Disconnected,
    /// What became of a sending.
    Outcome {
        /// The connection.
        epoch: u64,
        /// The event.
        position: u64,
        /// What became of it.
        outcome: SendOutcome,
        /// What the broker said, if it refused.
        said: Option<Foreign>,
    },
    /// Counts the link's session up and answers it once it is durable.
    NextSession(oneshot::Sender<u64>),
    /// Stored events again.
    Replay {
        /// Of one court, by its sequence; or of all, by position.
        court: Option<CourtId>,
        /// The last one known.
        after: u64,
        /// At most so many.
        limit: usize,
        /// Where they go.
        reply: oneshot::Sender<Vec<Given>>,
    },
    /// What a court's game goes on from, once all that waits in the inbox is on disk.
    Recover {
        /// The court.
        court: CourtId,
        /// The name of its log.
        log: String,
        /// Where it goes.
        reply: oneshot::Sender<(CourtRecords, Vec<Vec<u8>>)>,
    },
    /// Answers when the inbox is closed and all of it is on disk.
    WhenCommitted(oneshot::Sender<()>),
    /// Answers when nothing waits for a PUBACK but parked ones.
    WhenSent(oneshot::Sender<()>),
    /// The last word: what is pending goes to disk, the thread ends.
    Stop,
}

/// Where notes are left for the outbox. Bounded by what is asked: PUBACKs by the window, clips by
/// those pending, replays by their callers.
#[derive(Debug)]
pub(crate) struct Desk {
    // Notes and the stop flag change together.
    notes: Mutex<Notes>,
    /// Wakes the thread once the inbox is closed: a note came.
    arrived: Condvar,
    /// Wakes the thread out of a pause after a failed commit: it is to stop.
    stopped: Condvar,
    /// Where the games leave what they decided.
    pub(super) inbox: Mailbox<Decision>,
}

#[derive(Debug, Default)]
struct Notes {
    waiting: VecDeque<Note>,
    stop: bool,
}

impl Desk {
    /// A desk beside `inbox`.
    #[must_use]
    pub(crate) fn new(inbox: Mailbox<Decision>) -> Self {
        Self {
            notes: Mutex::new(Notes::default()),
            arrived: Condvar::new(),
            stopped: Condvar::new(),
            inbox,
        }
    }

    /// Leaves a note. Never waits.
    pub(crate) fn note(&self, note: Note) {
        let mut notes = self.notes.lock();
        if matches!(note, Note::Stop) {
            notes.stop = true;
            self.stopped.notify_all();
        }
        notes.waiting.push_back(note);
        drop(notes);
        self.arrived.notify_all();
        self.inbox.nudge();
    }

    pub(super) fn take(&self) -> VecDeque<Note> {
        std::mem::take(&mut self.notes.lock().waiting)
    }

    /// Waits for a note, when the inbox wakes nobody any more.
    pub(super) fn wait(&self, timeout: Duration) {
        let mut notes = self.notes.lock();
        if notes.waiting.is_empty() {
            self.arrived.wait_for(&mut notes, timeout);
        }
    }

    /// Pauses for `time` of `clock`; true if the thread is to stop. What comes meanwhile waits.
    pub(super) fn pause(&self, clock: &dyn Clock, time: Duration) -> bool {
        let until = clock.monotonic().plus(time);
        let mut notes = self.notes.lock();
        loop {
            let left = until.since(clock.monotonic());
            if notes.stop || left.is_zero() {
                self.inbox.rest().holds(false);
                return notes.stop;
            }
            self.inbox.rest().holds(true);
            // Woken by the stop and by a clock that was moved by hand.
            self.stopped.wait_for(&mut notes, left);
        }
    }

    /// Wakes the thread, for a clock that was moved by hand: false once the uplink is gone.
    pub(crate) fn waker(desk: &Arc<Self>) -> impl Fn() -> bool + Send + Sync + 'static {
        let desk = Arc::downgrade(desk);
        move || {
            let Some(desk) = desk.upgrade() else { return false };
            let notes = desk.notes.lock();
            desk.inbox.rest().holds(false);
            drop(notes);
            desk.stopped.notify_all();
            desk.arrived.notify_all();
            desk.inbox.nudge();
            true
        }
    }
}
