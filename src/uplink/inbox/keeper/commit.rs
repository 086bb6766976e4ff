//! What happens at the end of a turn: one commit, and after it all that hangs on it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use tracing::{info, warn};

use crate::media::Foreign;
use crate::uplink::inbox::keeper::{Keeper, MARKS_WAIT, Shown, Turn};
use crate::uplink::inbox::letter::Desired;
use crate::uplink::inbox::operation::{Call, Failed};
use crate::uplink::inbox::post::{Note, Outgoing};
use crate::uplink::inbox::store::{Batch, InboxError};
use crate::uplink::inbox::telling::{To, cannot_keep, refusal, telling};

impl Keeper {
    /// Writes the turn; what hangs on it happens after.
    pub(super) fn commit(&mut self, mut turn: Turn) {
        let marks_due = self.dirty_since.is_some_and(|since| self.now.since(since) >= MARKS_WAIT);
        let changed = self.dirty.values().any(|record| record.untold);
        let is_due = turn.is_urgent || turn.stops || marks_due || changed;
        let mut batch =
            Batch { forgotten: std::mem::take(&mut turn.forgotten), ..Batch::default() };
        let mut place = self.store.last_place();
        for (record, _) in &mut turn.fresh {
            place += 1;
            record.place = place;
            batch.records.push(record.clone());
        }
        if is_due || !batch.records.is_empty() {
            batch.records.extend(self.dirty.values().cloned());
        }
        if let Some((body, _)) = &self.coming {
            let number = self.desired.as_ref().map_or(0, |(number, _)| *number) + 1;
            batch.desired = Some((number, body.clone()));
        }
        match self.store.commit(&batch) {
            Ok(()) => self.committed(batch, &mut turn),
            Err(error) => self.not_committed(&error, &mut turn),
        }
        let Some(epoch) = self.epoch else { return };
        for ack in turn.acks {
            self.post.send(epoch, Outgoing::Ack(ack));
        }
        for telling in turn.tellings {
            self.post.send(epoch, Outgoing::Telling(telling));
        }
    }

    fn committed(&mut self, batch: Batch, turn: &mut Turn) {
        if self.faulty {
            info!("the inbox can be written again");
            self.faulty = false;
        }
        self.ids = self.ids.saturating_sub(batch.forgotten.len() as u64);
        for (record, ack) in turn.fresh.drain(..) {
            self.ids += 1;
            turn.acks.extend(ack);
            if !record.state.is_over() {
                let (id, place) = (record.id.clone(), record.place);
                let operation = record.state.operation.clone().unwrap_or_default();
                info!(%id, %operation, "a command is accepted");
                self.places.insert(id, place);
                self.waiting.insert(place);
                self.active.insert(place, record);
            }
        }
        for record in batch.records {
            self.dirty.remove(&record.id);
            if record.untold {
                self.untold.insert(record.id.clone());
                if !self.to_tell.contains(&record.id) {
                    self.to_tell.push_back(record.id.clone());
                }
            }
            if record.state.is_over() && !record.cleared && !self.shown.contains_key(&record.place)
            {
                let bytes = serde_json::to_vec(&record).map_or(0, |bytes| bytes.len() as u64);
                self.shown_bytes += bytes;
                let ended_ns = record.ended_ns.unwrap_or(0);
                self.shown.insert(record.place, Shown { id: record.id, bytes, ended_ns });
            }
        }
        if self.dirty.is_empty() {
            self.dirty_since = None;
        }
        if let Some((number, body)) = batch.desired {
            let told = Desired { number, body: Ok(Bytes::from(body.clone())) };
            self.desired = Some((number, body));
            turn.acks.extend(self.coming.take().into_iter().flat_map(|(_, acks)| acks));
            self.wanted.send_replace(Some(Arc::new(told)));
        }
        for place in turn.begin.drain(..) {
            self.begin(place);
        }
    }

    /// Nothing of the turn is on disk: who asked is told, what runs is told later.
    fn not_committed(&mut self, error: &InboxError, turn: &mut Turn) {
        if !self.faulty {
            warn!(error = %Foreign::error(error), "the inbox cannot be written: again soon");
            self.faulty = true;
        }
        let now = self.time();
        for (record, ack) in turn.fresh.drain(..) {
            let why = cannot_keep(error);
            let to = To { role: record.role, id: Some(&record.id) };
            turn.tellings.push(refusal(to, record.answer.clone(), why, ack, now));
        }
        // Begun once that can be kept.
        for place in turn.begin.drain(..) {
            self.running.remove(&place);
            self.waiting.insert(place);
        }
        // So is what else waits: the wanted configuration is not acknowledged before.
        self.dirty_since = Some(self.now);
    }

    /// Starts what `choose` chose.
    fn begin(&mut self, place: u64) {
        let Some(record) = self.active.get(&place) else { return };
        let name = record.state.operation.clone().unwrap_or_default();
        let Some(operation) = self.table.get(&name).cloned() else { return };
        let id = record.id.clone();
        let (post, of) = (Arc::clone(&self.post), id.clone());
        let call = Call {
            id: id.clone(),
            arguments: record.arguments.clone(),
            resumed: record.state.cuts > 0,
            tells: Box::new(move |told| post.note(Note::Progress { id: of.clone(), told })),
            stops: Arc::clone(&self.stops),
        };
        let (post, of) = (Arc::clone(&self.post), id.clone());
        let thread = thread::Builder::new().name("command".to_owned()).spawn(move || {
            let run = catch_unwind(AssertUnwindSafe(|| operation.run(&call)));
            let out = run.unwrap_or_else(|_| {
                Err(Failed::new(
                    "bug",
                    "it ended in the middle: report it with the journal of this hour",
                ))
            });
            post.note(Note::Ended { id: of, out });
        });
        if let Err(error) = thread {
            let out = Err(Failed::new("no_thread", format_args!("no thread: {error}; ask again")));
            self.post.note(Note::Ended { id, out });
        }
    }

    /// Gives the link what it has room for.
    pub(super) fn feed(&mut self) {
        let Some(epoch) = self.epoch else { return };
        while self.post.has_room(epoch)
            && let Some(id) = self.to_tell.pop_front()
        {
            // What is not on disk yet is told after.
            if self.dirty.get(&id).is_some_and(|record| record.untold) {
                continue;
            }
            let Ok(Some(record)) = self.get(&id) else { continue };
            let kept = Some((id, record.state.number));
            let state = &record.state;
            let to = To { role: record.role, id: Some(&record.id) };
            let mut telling = telling(to, state, record.answer.clone(), true);
            telling.kept = kept;
            if record.cleared {
                telling.payload = Bytes::new();
            }
            self.post.send(epoch, Outgoing::Telling(telling));
        }
    }
}
