//! What the inbox's thread leaves for the link, and what the link brings it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use rumqttc::ManualAck;
use serde_json::Value;
use tokio::sync::Notify;

use crate::mailbox::Rest;
use crate::uplink::inbox::letter::{Answer, Letter};
use crate::uplink::inbox::operation::{Failed, Operation, Told};

/// PUBLISHes that the broker may have under way to us (Receive Maximum): each may have a MiB.
pub(crate) const RECEIVE_MAXIMUM: u16 = 16;
/// Letters that may wait whole, and their bytes. A window of 16 is far below; mosquitto without a bound of
/// its own (`max_inflight_messages 0`) keeps none, and sends as many as there are packet ids.
const LETTERS: usize = 1_024;
const LETTER_BYTES: usize = 4 << 20;
/// Letters in all: packet ids. What came beyond [`LETTERS`] has lost its body and is answered so.
const LETTERS_MOST: usize = 65_535;
/// Of a topic that is kept without its body: an id and its root fit.
const TOPIC_MOST: usize = 256;
/// Answers that wait for the link, beyond which those of QoS 0 are let go.
const WAITING_MOST: usize = 64;
/// Tellings between the thread and the broker.
const TELLINGS: usize = 16;

/// One thing for the link to send.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// What was read is on disk, or was answered.
    Ack(ManualAck),
    /// A state.
    Telling(Telling),
}

/// A state to be published.
#[derive(Debug)]
pub(crate) struct Telling {
    /// The command and the number of its state; none of what is not kept.
    pub kept: Option<(String, u64)>,
    /// Below the box's root.
    pub topic: String,
    /// JSON; empty takes the retained one back.
    pub payload: Bytes,
    pub retained: bool,
    pub answer: Option<Answer>,
    /// Goes out once this was acknowledged.
    pub ack: Option<ManualAck>,
}

/// What others tell the inbox's thread.
pub(super) enum Note {
    Letter(Arrived),
    /// A session begins; the broker knows ours from before, or does not.
    Connected {
        epoch: u64,
        resumed: bool,
    },
    Disconnected,
    /// A telling was acknowledged, or refused.
    Told {
        epoch: u64,
        kept: Option<(String, u64)>,
        ack: Option<ManualAck>,
        is_refused: bool,
    },
    /// What the box can do from now on; then what the last run left goes on.
    Serve(Vec<Arc<dyn Operation>>),
    Progress {
        id: String,
        told: Told,
    },
    Ended {
        id: String,
        out: Result<Value, Failed>,
    },
    Stop,
}

/// A letter on its way to the thread.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) epoch: u64,
    pub(super) letter: Letter,
    pub(super) acks: Vec<ManualAck>,
}

/// What waits for the thread.
#[derive(Default)]
struct Notes {
    others: VecDeque<Note>,
    letters: VecDeque<Arrived>,
    letter_bytes: usize,
}

/// Between the inbox's thread and the link. Neither waits for the other: letters are bounded here, what
/// is sent by the turns of the thread, which takes no more letters than it has room to answer.
#[derive(Default)]
pub(crate) struct Post {
    // Notes and rest change together. Taken before `outgoing`, where both are.
    notes: Mutex<Notes>,
    arrived: Condvar,
    // For lines, by the thread and the link.
    outgoing: Mutex<Sending>,
    to_send: Notify,
    /// Letters that found no room.
    lost: AtomicU64,
    rest: Rest,
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Sending {
    epoch: Option<u64>,
    waiting: VecDeque<Outgoing>,
    /// Given to the link, without a PUBACK yet.
    under_way: usize,
}

impl Post {
    /// Whether the thread has nothing to do.
    pub(crate) const fn rest(&self) -> &Rest {
        &self.rest
    }

    /// Leaves a note. Never waits.
    pub(super) fn note(&self, note: Note) {
        let mut notes = self.notes.lock();
        self.rest.wakes();
        if let Note::Progress { id, .. } = &note {
            // Only the latest counts, however often an operation speaks.
            let is_older =
                |older: &Note| matches!(older, Note::Progress { id: of, .. } if of == id);
            notes.others.retain(|older| !is_older(older));
        }
        notes.others.push_back(note);
        drop(notes);
        self.arrived.notify_all();
    }

    /// A PUBLISH came in connection `epoch`; `desired` is the topic of which only the latest counts.
    /// False if there is no room at all, which only QoS 0 comes to.
    pub(crate) fn letter(
        &self,
        epoch: u64,
        mut letter: Letter,
        desired: &str,
        ack: Option<ManualAck>,
    ) -> bool {
        let mut notes = self.notes.lock();
        self.rest.wakes();
        let is_wanted = *letter.topic == *desired.as_bytes();
        let older = notes
            .letters
            .iter_mut()
            .find(|older| is_wanted && older.epoch == epoch && older.letter.topic == letter.topic);
        if let Some(older) = older {
            older.acks.extend(ack);
            let before = std::mem::replace(&mut older.letter, letter).payload.len();
            let after = older.letter.payload.len();
            notes.letter_bytes = (notes.letter_bytes + after).saturating_sub(before);
            return true;
        }
        let bytes = letter.payload.len();
        let is_whole = is_wanted
            || notes.letters.len() < LETTERS && notes.letter_bytes + bytes <= LETTER_BYTES;
        if notes.letters.len() >= LETTERS_MOST || (!is_whole && ack.is_none()) {
            drop(notes);
            self.lost.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        if is_whole {
            notes.letter_bytes += bytes;
        } else {
            let topic = letter.topic.get(..TOPIC_MOST.min(letter.topic.len())).unwrap_or_default();
            // Copied: what it is a part of goes.
            let topic = Bytes::copy_from_slice(topic);
            letter = Letter { topic, is_body_lost: true, ..Letter::default() };
        }
        notes.letters.push_back(Arrived { epoch, letter, acks: ack.into_iter().collect() });
        drop(notes);
        self.arrived.notify_all();
        true
    }

    /// Letters that found no room.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(crate) fn connected(&self, epoch: u64, resumed: bool) {
        self.forget();
        *self.outgoing.lock() = Sending { epoch: Some(epoch), ..Sending::default() };
        self.note(Note::Connected { epoch, resumed });
    }

    pub(crate) fn disconnected(&self) {
        self.forget();
        *self.outgoing.lock() = Sending::default();
        self.note(Note::Disconnected);
    }

    /// Letters of a connection that is over: the broker brings again what was not acknowledged.
    fn forget(&self) {
        let mut notes = self.notes.lock();
        notes.letters = VecDeque::new();
        notes.letter_bytes = 0;
    }

    /// What became of a telling that the link took.
    pub(crate) fn told(&self, epoch: u64, telling: &mut Telling, is_refused: bool) {
        {
            let mut outgoing = self.outgoing.lock();
            if outgoing.epoch == Some(epoch) {
                outgoing.under_way = outgoing.under_way.saturating_sub(1);
            }
        }
        let (kept, ack) = (telling.kept.take(), telling.ack.take());
        self.note(Note::Told { epoch, kept, ack, is_refused });
    }

    /// Waits for notes until there are some or `time` has passed, and takes them: all but those
    /// letters whose answers would find no room.
    pub(super) fn take(&self, time: Duration) -> VecDeque<Note> {
        let mut notes = self.notes.lock();
        let room = || WAITING_MOST.saturating_sub(self.outgoing.lock().waiting.len());
        let mut most = room();
        if notes.others.is_empty() && (notes.letters.is_empty() || most == 0) {
            self.rest.rests();
            self.arrived.wait_for(&mut notes, time);
            self.rest.wakes();
            most = room();
        }
        let mut taken = std::mem::take(&mut notes.others);
        let most = most.min(notes.letters.len());
        let bytes = notes.letters.iter().take(most).map(|one| one.letter.payload.len()).sum();
        notes.letter_bytes = notes.letter_bytes.saturating_sub(bytes);
        taken.extend(notes.letters.drain(..most).map(Note::Letter));
        taken
    }

    /// Wakes the thread: a clock was moved, or there is room.
    pub(super) fn nudge(&self) {
        let _notes = self.notes.lock();
        self.arrived.notify_all();
    }

    /// True while the broker can be told something more in connection `epoch`.
    pub(super) fn has_room(&self, epoch: u64) -> bool {
        let outgoing = self.outgoing.lock();
        let waiting =
            outgoing.waiting.iter().filter(|one| matches!(one, Outgoing::Telling(_))).count();
        outgoing.epoch == Some(epoch) && waiting + outgoing.under_way < TELLINGS
    }

    /// Leaves something for the link, if it is still that connection.
    pub(super) fn send(&self, epoch: u64, one: Outgoing) {
        let mut outgoing = self.outgoing.lock();
        // What is answered and not acknowledged came at QoS 0, in whatever number.
        let is_loose = matches!(&one, Outgoing::Telling(Telling { kept: None, ack: None, .. }));
        let is_full = outgoing.waiting.len() >= WAITING_MOST;
        if outgoing.epoch == Some(epoch) && !(is_loose && is_full) {
            outgoing.waiting.push_back(one);
            drop(outgoing);
            self.to_send.notify_one();
        }
    }

    /// What is to be sent next in connection `epoch`.
    pub(crate) fn next(&self, epoch: u64) -> Option<Outgoing> {
        let mut outgoing = self.outgoing.lock();
        if outgoing.epoch != Some(epoch) {
            return None;
        }
        let next = outgoing.waiting.pop_front();
        if matches!(next, Some(Outgoing::Telling(_))) {
            outgoing.under_way += 1;
        }
        let is_room = next.is_some() && outgoing.waiting.len() < WAITING_MOST;
        drop(outgoing);
        if is_room {
            self.nudge();
        }
        next
    }

    /// Resolves when there is something to send. One task at a time; nothing is missed.
    pub(crate) async fn changed(&self) {
        self.to_send.notified().await;
    }

    /// There may be more to send.
    pub(crate) fn again(&self) {
        self.to_send.notify_one();
    }
}
