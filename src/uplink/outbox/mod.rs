//! The outbox's thread: what is decided is first on disk, then told.
//!
//! Everything that waits in the inbox goes to disk in one transaction (group commit), then each
//! event is promised (`promise`): logged `promised`, handed to the page and the clips, and sent. The
//! thread alone owns the store and the lanes; the link (`mqtt`) talks to it by notes and gets bounded
//! sendings (`desk`).
//!
//! Read `record` (what is kept of an event) and `lanes` (what goes next), both pure; `tables` and
//! `write` (what one transaction writes), `store` (on disk) over `backend` (redb on the box's disk);
//! `open`, `formats`, `aside`, `salvage` over `sift`, and `recover` (a start), `forget` (what is let go, and when). `samples`
//! is for tests.

pub(super) mod record;
pub(super) mod lanes;
pub(super) mod desk;
pub(super) mod backend;
pub(super) mod tables;
mod write;
pub(super) mod store;
pub(super) mod formats;
pub(super) mod aside;
pub(super) mod open;
pub(super) mod recover;
pub(super) mod salvage;
mod sift;
mod forget;
#[cfg(test)]
mod samples;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error, info, warn};

use crate::broker::reason::{Packet, Reason};
use crate::clock::{Anchors, Clock, Floor};
use crate::event::state::UplinkState;
use crate::event::{ClipOrder, Decision, Event, LogEntry};
use crate::mailbox::{Mailbox, Take};
use crate::media::{BoxName, CourtId, Foreign, Monotonic, UtcTime};
use crate::uplink::counts::UplinkCounts;
use crate::uplink::hooks::{Committed, Hooks};
use crate::uplink::outbox::desk::{Desk, Given, Note, Sending};
use crate::uplink::outbox::lanes::{Lanes, SendOutcome};
use crate::uplink::outbox::record::{InOrder, Now, Record, RecordError};
use crate::uplink::outbox::recover::CourtRecords;
use crate::uplink::outbox::store::Store;
use crate::uplink::outbox::tables::StoreError;
use crate::uplink::outbox::write::Batch;
use crate::uplink::states::States;

/// Events in one commit: the inbox's whole bound. A decision is never parted for it.
const GROUP: usize = 256;
/// PUBACKs are marked on disk with the next event, or this much later: a crash before sends
/// them again, which consumers allow, and a commit of their own would delay an event's.
const MARKS_WAIT: Duration = Duration::from_millis(500);
/// Housekeeping: ages, quota, `state/uplink`.
const TICK: Duration = Duration::from_secs(1);
/// After a commit that failed, when nothing was given up for it.
const DISK_RETRY: Duration = Duration::from_millis(250);
/// What was shed is a fault for so long (chosen: whoever looks once a day sees it).
const SHED_TOLD_NANOS: i64 = 24 * 3_600_000_000_000;
/// Counts and ages in `state/uplink` are told so often at most; changes of a fault at once.
const STATE_EVERY: Duration = Duration::from_secs(60);
/// What was refused for now goes out again after so long, twice as long each time that it is again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// … and this at most.
const AGAIN_MOST: Duration = Duration::from_secs(60);
/// Records kept in memory from their commit to their sending.
const FRESH: usize = 64;
/// Records that one replay may ask for.
const REPLAY_LIMIT: usize = 200;

/// A decision on its way to the disk.
#[derive(Debug)]
struct Admitted {
    /// Its events, and what is to be kept of each.
    events: Vec<(Event, Record)>,
    logs: Vec<LogEntry>,
    waits: Option<oneshot::Sender<()>>,
}

/// What the thread is made of.
#[derive(Debug)]
pub(super) struct Parts {
    /// The open store.
    pub store: Store,
    /// Notes and inbox.
    pub desk: Arc<Desk>,
    /// The box's clocks.
    pub clock: Arc<dyn Clock>,
    /// Media time to UTC.
    pub anchors: Anchors,
    /// Names the origin of `clock`'s monotonic time.
    pub boot: String,
    /// An earlier UTC is implausible.
    pub time_floor: Floor,
    /// The box.
    pub box_name: BoxName,
    /// Bytes of records.
    pub quota: u64,
    /// Who is told.
    pub hooks: Hooks,
    /// To the link.
    pub sendings: mpsc::Sender<Sending>,
    /// What `Uplink::status` reads.
    pub counts: Arc<Mutex<UplinkCounts>>,
    /// Names of stores that this version cannot read.
    pub put_aside: Vec<Foreign>,
    /// Names of damaged ones.
    pub damaged: Vec<Foreign>,
    /// `state/uplink` goes there.
    pub states: Arc<States>,
}

/// A court whose game is to go on: its name, that of its log, and who asks.
type Recovering = (CourtId, String, oneshot::Sender<(CourtRecords, Vec<Vec<u8>>)>);

/// The thread's state.
#[derive(Debug)]
pub(super) struct Outbox {
    parts: Parts,
    inbox: Mailbox<Decision>,
    lanes: Lanes,
    /// Marks that wait for the next commit.
    marks: Batch,
    marks_since: Option<Monotonic>,
    next_session: Vec<oneshot::Sender<u64>>,
    when_committed: Vec<oneshot::Sender<()>>,
    recovering: Vec<Recovering>,
    when_sent: Vec<oneshot::Sender<()>>,
    fresh: BTreeMap<u64, Record>,
    /// When those in flight were decided.
    decided: BTreeMap<u64, record::DecidedWhen>,
    /// The oldest without a PUBACK, and when it was decided.
    oldest: Option<(u64, record::DecidedWhen)>,
    /// The inbox was empty then: what is found in it later was decided since.
    empty_at: Monotonic,
    refused: Option<Foreign>,
    /// Events whose refusal was logged, and the code: one that is refused again and again is told once.
    refused_told: BTreeMap<u64, u8>,
    /// When what was refused for now goes out again, and how often it did in a row.
    again_at: Option<Monotonic>,
    agains: u32,
    /// Clips of events up to here were asked for, or are on disk.
    ordered: u64,
    /// Those of later ones were not all asked for: the store has them.
    owes_orders: bool,
    ticked: Monotonic,
    told: (UplinkState, Monotonic),
    closed: bool,
    stopping: bool,
    /// The disk refuses and the thread is to stop: what is not on disk is lost.
    gave_up: bool,
}

impl Outbox {
    /// Takes what the store holds into the lanes.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub(super) fn new(parts: Parts) -> Result<Self, StoreError> {
        let lanes = Lanes::recovered(parts.store.waiting()?);
        let now = parts.clock.monotonic();
        Ok(Self {
            inbox: parts.desk.inbox.clone(),
            parts,
            lanes,
            marks: Batch::default(),
            marks_since: None,
            next_session: Vec::new(),
            when_committed: Vec::new(),
            recovering: Vec::new(),
            when_sent: Vec::new(),
            fresh: BTreeMap::new(),
            decided: BTreeMap::new(),
            oldest: None,
            empty_at: now,
            refused: None,
            refused_told: BTreeMap::new(),
            again_at: None,
            agains: 0,
            ordered: 0,
            owes_orders: true,
            ticked: now,
            told: (UplinkState::default(), Monotonic::ZERO),
            closed: false,
            stopping: false,
            gave_up: false,
        })
    }

    /// Runs until a [`Note::Stop`], on its own thread.
    pub(super) fn run(mut self) {
        self.report();
        loop {
            let admitted = self.gather();
            for note in self.parts.desk.take() {
                self.read(note);
            }
            self.read_done();
            let marks_due =
                self.marks_since.is_some_and(|since| self.monotonic().since(since) >= MARKS_WAIT);
            let write_now = marks_due || self.stopping || !self.next_session.is_empty();
            if !admitted.is_empty() || (write_now && !self.marks_are_empty()) {
                self.commit(admitted);
            }
            self.again();
            self.feed();
            self.tick();
            self.answer_waiters();
            if self.gave_up {
                let left = std::iter::from_fn(|| self.inbox.try_take());
                self.lose(left.map(|decision| decision.events.len()).sum());
                return;
            }
            if self.stopping && self.marks_are_empty() && self.inbox.is_empty() {
                return;
            }
        }
    }

    fn monotonic(&self) -> Monotonic {
        self.parts.clock.monotonic()
    }

    fn utc(&self) -> Option<UtcTime> {
        let utc = self.parts.clock.utc();
        (utc >= self.parts.time_floor.at()).then_some(utc)
    }

    fn marks_are_empty(&self) -> bool {
        self.marks.is_empty() && self.next_session.is_empty()
    }

    /// Waits for a decision, then takes all that are there.
    fn gather(&mut self) -> Vec<Admitted> {
        let wait = if self.marks_since.is_some() { MARKS_WAIT } else { TICK };
        let mut decisions = Vec::new();
        let was_empty = self.inbox.is_empty();
        if self.closed {
            self.parts.desk.wait(wait);
            return Vec::new();
        }
        match self.inbox.take(wait) {
            Take::Item(decision) => decisions.push(decision),
            Take::TimedOut => {}
            Take::Closed => self.closed = true,
        }
        let now = self.monotonic();
        // What came while the thread slept was decided now; what it finds may have waited since
        // the inbox was last seen empty.
        let decided = if was_empty { now } else { self.empty_at };
        let mut weight = decisions.iter().map(Decision::weight).sum::<usize>();
        while weight < GROUP
            && let Some(decision) = self.inbox.try_take()
        {
            weight += decision.weight();
            decisions.push(decision);
        }
        if weight < GROUP {
            self.empty_at = now;
        }
        decisions.into_iter().filter_map(|decision| self.admit(decision, decided)).collect()
    }

    /// Gives each event of a decision what only this moment knows. `None` if one of them cannot be
    /// written at all, since a decision is whole or not there: a bug upstream, as models and game
    /// refuse what is no number (DESIGN §5.6).
    fn admit(&self, decision: Decision, at: Monotonic) -> Option<Admitted> {
        let now = Now { boot: &self.parts.boot, monotonic: at, utc: self.utc() };
        let mut events = Vec::with_capacity(decision.events.len());
        for event in decision.events {
            let anchor = self.parts.anchors.snapshot(&event.court, event.session, event.at);
            // The store knows where it stands.
            let unplaced = InOrder { position: 0, sequence: 0 };
            match Record::new(unplaced, &event, now.decided(), anchor) {
                Ok(record) => events.push((event, record)),
                Err(error) => {
                    let (id, court) = (event.id(), &event.court);
                    error!(%id, %court, %error, "event cannot be written, nor what it was decided with");
                    return None;
                }
            }
        }
        Some(Admitted { events, logs: decision.logs, waits: decision.waits })
    }

    fn read(&mut self, note: Note) {
        match note {
            Note::Connected { epoch, begin } => {
                self.lanes.connected(epoch, begin);
                self.decided.clear();
            }
            Note::Disconnected => {
                self.lanes.disconnected();
                (self.again_at, self.agains) = (None, 0);
                self.decided.clear();
            }
            Note::Outcome { epoch, position, outcome, said } => {
                self.settle(epoch, position, outcome, said);
            }
            Note::NextSession(reply) => self.next_session.push(reply),
            Note::Replay { court, after, limit, reply } => {
                // The asker may have gone.
                drop(reply.send(self.replay(court.as_ref(), after, limit)));
            }
            Note::Recover { court, log, reply } => self.recovering.push((court, log, reply)),
            Note::WhenCommitted(reply) => self.when_committed.push(reply),
            Note::WhenSent(reply) => self.when_sent.push(reply),
            Note::Stop => self.stopping = true,
        }
    }

    /// Takes the names of clips that are on disk.
    fn read_done(&mut self) {
        let Some(done) = self.parts.hooks.clips_done.clone() else { return };
        while let Some(clip) = done.try_take() {
            self.marks.clips.insert(clip);
            self.mark();
        }
    }

    /// Asks for the clip of an event. What finds no room stays in the store's `clips`, from where it
    /// is asked for in its turn.
    fn order(&mut self, position: u64, order: ClipOrder) {
        let Some(orders) = &self.parts.hooks.orders else { return };
        if self.owes_orders {
            return; // behind those that are owed
        }
        match orders.offer(order) {
            None => self.ordered = position,
            Some(left) => {
                self.owes_orders = true;
                warn!(
                    court = %left.court, clip = left.request.id,
                    "the ring is behind with clips: they are asked for as it catches up"
                );
            }
        }
    }

    /// Asks for the clips that are owed, as long as the ring takes them.
    pub(super) fn order_owed(&mut self) {
        let ready = self.parts.hooks.orders.as_ref().is_some_and(Mailbox::is_empty);
        if !(self.owes_orders && ready) {
            return;
        }
        match self.parts.store.clips_owed(self.ordered) {
            Ok(owed) => {
                self.owes_orders = false;
                for (position, order) in owed {
                    self.order(position, order);
                }
            }
            Err(error) => warn!(%error, "clips that are owed cannot be read: again soon"),
        }
    }

    fn mark(&mut self) {
        let now = self.monotonic();
        self.marks_since.get_or_insert(now);
    }

    fn settle(&mut self, epoch: u64, position: u64, outcome: SendOutcome, said: Option<Foreign>) {
        if !self.lanes.outcome(epoch, position, outcome) {
            return;
        }
        let decided = self.decided.remove(&position);
        match outcome {
            SendOutcome::Acknowledged => {
                let now = self.monotonic();
                if let Some(decided) = decided.filter(|decided| decided.boot == self.parts.boot) {
                    let took = now.since(Monotonic::from_nanos(decided.monotonic_ns));
                    self.parts.hooks.meters.event_seconds.observe(took.as_secs_f64());
                    if let Some(sink) = &self.parts.hooks.committed {
                        sink.acknowledged(took);
                    }
                }
                let utc = self.parts.clock.utc().as_nanos();
                self.marks.acknowledged.insert(position, utc);
                self.refused_told.remove(&position);
                (self.again_at, self.agains) = (None, 0);
                self.parts.counts.lock().acknowledged += 1;
            }
            SendOutcome::Refused { code } => {
                let said = said.unwrap_or_default();
                self.refused = Some(said.clone());
                // What no PUBACK says is what the link found: larger than the broker's packets.
                let row = Reason::of(Packet::Puback, code);
                let row = row.or_else(|| Reason::of(Packet::Disconnect, code));
                let todo = row.map_or("", |row| row.todo);
                self.parts.counts.lock().refused_todo = todo;
                let is_news = self.refused_told.insert(position, code) != Some(code);
                if self.lanes.rests(position) {
                    if is_news && self.agains == 0 {
                        warn!(position, %said, todo, "the broker refused an event for now");
                    } else {
                        debug!(position, %said, "the broker refused an event for now");
                    }
                    let pause = AGAIN_AFTER * (1 << self.agains.min(6));
                    let at = self.monotonic().plus(pause.min(AGAIN_MOST));
                    self.again_at.get_or_insert(at);
                    return;
                }
                if is_news {
                    warn!(position, %said, todo, "the broker refused an event: parked");
                }
                self.marks.refused.insert(position, code);
            }
            SendOutcome::Lost => return,
        }
        self.fresh.remove(&position);
        self.mark();
    }

    /// Lets what was refused for now go out again, once its pause is over.
    fn again(&mut self) {
        if self.again_at.is_some_and(|at| self.monotonic() >= at) {
            self.again_at = None;
            self.agains += 1;
            self.lanes.again();
        }
    }

    /// Writes decisions and marks; comes back when they are on disk, or when the thread is to stop.
    fn commit(&mut self, admitted: Vec<Admitted>) {
        let sessions = std::mem::take(&mut self.next_session);
        let mut batch = std::mem::take(&mut self.marks);
        let utc = self.parts.clock.utc().as_nanos();
        let (mut events, mut waits) = (Vec::new(), Vec::new());
        for decision in admitted {
            for (event, record) in decision.events {
                events.push(event);
                batch.append.push(record);
            }
            batch.log.extend(decision.logs.into_iter().map(|entry| (utc, entry)));
            waits.extend(decision.waits);
        }
        batch.next_session = !sessions.is_empty();
        self.marks_since = None;
        let Some(records) = self.write(&batch) else {
            self.gave_up = true;
            self.lose(events.len());
            return;
        };
        for (record, event) in records.into_iter().zip(&events) {
            self.promise(record, event);
        }
        for reply in waits {
            // Who waited may have gone.
            let _gone = reply.send(());
        }
        let session = self.parts.store.session();
        for reply in sessions {
            let _ = reply.send(session);
        }
    }

    /// Says what is lost with the end of the thread.
    fn lose(&self, events: usize) {
        if events > 0 {
            error!(events, "stopped while the disk refused events: lost");
            self.parts.counts.lock().lost += events as u64;
        }
    }

    /// Tries until it is on disk. `None` when the thread is to stop and the disk still refuses.
    fn write(&mut self, batch: &Batch) -> Option<Vec<Record>> {
        let (commits, before) = (self.parts.store.commits(), self.parts.store.last_position());
        let mut tries = 0u64;
        loop {
            let started = self.monotonic();
            let refused = match self.try_write(batch, (commits, before), tries > 0) {
                Ok(records) => {
                    if !self.keeps_its_place() {
                        return None;
                    }
                    let took = self.monotonic().since(started);
                    self.parts.hooks.meters.commit_seconds.observe(took.as_secs_f64());
                    if self.parts.counts.lock().disk_fault.take().is_some() {
                        info!(tries, "the outbox writes again");
                    }
                    return Some(records);
                }
                Err(error) => error,
            };
            tries += 1;
            if self.begins_anew(&refused) {
                continue;
            }
            self.disk_refused(&refused);
            let space = refused.is_full()
                && self.parts.hooks.space.as_ref().is_some_and(|space| space.release());
            if !space && self.parts.desk.pause(&*self.parts.clock, DISK_RETRY) && tries > 1 {
                return None;
            }
        }
    }

    /// Nothing is promised by a file that the next start does not find. False when the thread is to stop and the disk
    /// still refuses to have it in its place again.
    fn keeps_its_place(&mut self) -> bool {
        let mut tries = 0_u64;
        while let Err(error) = self.parts.store.keep_place() {
            tries += 1;
            self.disk_refused(&error);
            if self.parts.desk.pause(&*self.parts.clock, DISK_RETRY) && tries > 1 {
                return false;
            }
        }
        true
    }

    fn try_write(
        &mut self,
        batch: &Batch,
        (commits, before): (u64, u64),
        again: bool,
    ) -> Result<Vec<Record>, StoreError> {
        let store = &mut self.parts.store;
        if again {
            store.reopen()?;
            // The sync may have failed after the bytes were down: then it is there, not twice.
            if store.commits() > commits {
                return store.replay(None, before, batch.append.len());
            }
        }
        store.commit(batch)
    }

    /// Goes on with a new store where the file of this one is damaged: true once it does. What waits in
    /// memory is written to the new one; what the old one held and nobody can read any more is told.
    fn begins_anew(&mut self, error: &StoreError) -> bool {
        if !error.is_damage() {
            return false;
        }
        // Once: a disk that takes no new one is asked again and again.
        if !self.parts.store.none_begun {
            error!(error = %Foreign::error(error), "the outbox on disk is damaged");
        }
        match self.parts.store.begin_anew(self.parts.clock.utc()) {
            Ok(Some(damaged)) => {
                damaged.tell();
                self.parts.damaged.extend(damaged.path.file_name().map(Foreign::path));
                // Which clips are owed is read again from what is there.
                self.ordered = 0;
                self.owes_orders = true;
                self.lanes.join(&self.parts.store.waiting().unwrap_or_default());
                true
            }
            Ok(None) => false,
            Err(error) => {
                self.disk_refused(&error);
                false
            }
        }
    }

    fn disk_refused(&self, error: &StoreError) {
        let text = Foreign::error(error);
        let mut counts = self.parts.counts.lock();
        // Of a store that is damaged it was told why no other could be begun.
        if error.is_damage() && counts.disk_fault.is_some() {
            return;
        }
        if counts.disk_fault.as_ref() != Some(&text) {
            error!(error = %text, "the outbox cannot write: events wait in memory");
            counts.disk_fault = Some(text);
        }
    }

    /// The event is on disk: says so, tells the others, lets it go out.
    fn promise(&mut self, record: Record, event: &Event) {
        let header = &record.header;
        let (position, sequence) = (header.position, header.sequence);
        info!(
            id = %header.id(), court = %header.court, sequence, what = header.event_type,
            "promised"
        );
        self.parts.counts.lock().promised += 1;
        if let Some(sink) = &self.parts.hooks.committed {
            match self.message(&record) {
                Ok(message) => {
                    sink.committed(&Committed { position, event, sequence, message: &message });
                }
                Err(error) => error!(position, %error, "envelope cannot be written"),
            }
        }
        if let Some(request) = event.clip.clone() {
            let (court, session) = (event.court.clone(), event.session);
            self.order(position, ClipOrder { court, session, request });
        }
        self.lanes.decided(position);
        self.fresh.insert(position, record);
        while self.fresh.len() > FRESH {
            self.fresh.pop_first();
        }
    }

    /// The envelope that a record leaves in now.
    fn message(&self, record: &Record) -> Result<Bytes, RecordError> {
        let now = Now { boot: &self.parts.boot, monotonic: self.monotonic(), utc: self.utc() };
        let header = &record.header;
        let (session, at) = header.moment();
        let time = self.parts.anchors.stamp(&header.court, session, at, Some(&header.anchor));
        record.message(&self.parts.box_name, &time, &now).map(Bytes::from)
    }

    /// Hands the link what may go out now.
    fn feed(&mut self) {
        while let Some(epoch) = self.lanes.epoch()
            && let Some(position) = self.lanes.next()
        {
            let record = match self.fresh.remove(&position) {
                Some(record) => record,
                None => match self.parts.store.read(position) {
                    Ok(Some(record)) => record,
                    Ok(None) => {
                        error!(position, "event is no longer in the outbox");
                        self.parts.counts.lock().gone += 1;
                        self.lanes.shed(position);
                        continue;
                    }
                    Err(error @ StoreError::Record { .. }) => {
                        error!(error = %Foreign::error(&error), "event cannot be sent");
                        self.parts.counts.lock().gone += 1;
                        self.lanes.shed(position);
                        continue;
                    }
                    Err(error) => {
                        // It waits for the disk, at the head of its lane.
                        self.lanes.put_back(position);
                        if self.begins_anew(&error) {
                            continue;
                        }
                        self.disk_refused(&error);
                        return;
                    }
                },
            };
            let payload = match self.message(&record) {
                Ok(payload) => payload,
                Err(error) => {
                    error!(position, %error, "envelope cannot be written");
                    self.lanes.shed(position);
                    continue;
                }
            };
            let sending = Sending { epoch, position, topic: record.header.topic(), payload };
            self.decided.insert(position, record.header.decided);
            if self.parts.sendings.try_send(sending).is_err() {
                // Sendings of a session that is gone still lie there; its end is on the desk.
                self.decided.remove(&position);
                self.lanes.put_back(position);
                return;
            }
        }
    }

    fn replay(&self, court: Option<&CourtId>, after: u64, limit: usize) -> Vec<Given> {
        match self.parts.store.replay(court, after, limit.min(REPLAY_LIMIT)) {
            Ok(records) => records
                .iter()
                .filter_map(|record| {
                    let position = record.header.position;
                    let message = self.message(record).inspect_err(
                        |error| error!(position, %error, "envelope cannot be written"),
                    );
                    Some(Given { position, message: message.ok()? })
                })
                .collect(),
            Err(error) => {
                // Housekeeping, which reads the same tables, begins anew where they are damaged.
                warn!(error = %Foreign::error(&error), "stored events cannot be given again");
                Vec::new()
            }
        }
    }

    fn tick(&mut self) {
        let now = self.monotonic();
        if now.since(self.ticked) >= TICK {
            self.ticked = now;
            if let Err(error) = self.parts.store.keep_place() {
                self.disk_refused(&error);
            }
            self.order_owed();
            let utc = self.utc();
            match self.parts.store.forget(self.parts.quota, utc, self.parts.time_floor.at()) {
                Ok(shed) => {
                    if !shed.is_empty() {
                        error!(events = shed.len(), "outbox over its quota: oldest events shed");
                    }
                    for position in shed {
                        self.lanes.shed(position);
                        self.fresh.remove(&position);
                    }
                }
                Err(error) if self.begins_anew(&error) => {}
                Err(error) => {
                    self.disk_refused(&error);
                    if let Err(error) = self.parts.store.reopen()
                        && !self.begins_anew(&error)
                    {
                        self.disk_refused(&error);
                    }
                }
            }
        }
        self.report();
    }

    /// Brings `status` and `state/uplink` up to date.
    fn report(&mut self) {
        let now = Now { boot: &self.parts.boot, monotonic: self.monotonic(), utc: self.utc() };
        let oldest = self.lanes.oldest();
        if oldest != self.oldest.as_ref().map(|(position, _)| *position) {
            self.oldest = oldest.and_then(|position| {
                let known = self.decided.get(&position).cloned();
                let known = known
                    .or_else(|| Some(self.fresh.get(&position)?.header.decided.clone()))
                    .or_else(|| Some(self.parts.store.read(position).ok()??.header.decided));
                known.map(|decided| (position, decided))
            });
        }
        let age = self.oldest.as_ref().and_then(|(_, decided)| decided.age(&now));
        let (lost, gone) = {
            let counts = self.parts.counts.lock();
            (counts.outage.clone(), counts.gone)
        };
        let state = UplinkState {
            outbox_events: self.lanes.unacknowledged() as u64,
            outbox_oldest_seconds: age.unwrap_or_default().as_secs_f64().round(),
            parked: self.lanes.parked() as u64,
            refused: self
                .refused
                .clone()
                .filter(|_| self.lanes.parked() + self.lanes.resting() > 0),
            retrying: match self.lanes.resting() as u64 {
                0 => None,
                resting => Some(resting),
            },
            shed: self.parts.store.shed(),
            shed_telemetry: self.parts.store.shed_telemetry(),
            shed_last: self.parts.store.shed_at().map(UtcTime::to_rfc3339),
            put_aside: self.parts.put_aside.clone(),
            damaged: self.parts.damaged.clone(),
            gone: (gone > 0).then_some(gone),
            outbox_bytes: self.parts.store.bytes(),
            outbox_share: share(self.parts.store.bytes(), self.parts.quota),
            lost,
        };
        let (told, told_at) = &self.told;
        let fault_changed = (told.parked, &told.refused, told.shed, &told.lost)
            != (state.parked, &state.refused, state.shed, &state.lost)
            || told.retrying.is_some() != state.retrying.is_some()
            || (&told.damaged, told.gone) != (&state.damaged, state.gone);
        let due = fault_changed || now.monotonic.since(*told_at) >= STATE_EVERY;
        if (due && *told != state) || *told_at == Monotonic::ZERO {
            self.told = (state.clone(), now.monotonic.max(Monotonic::from_nanos(1)));
            if let Ok(value) = serde_json::to_value(&state) {
                self.parts.states.set("uplink", &value);
            }
        }
        let shed = self.parts.store.shed_at().zip(now.utc);
        let shed_long_ago = shed.is_some_and(|(at, now)| now.nanos_since(at) > SHED_TOLD_NANOS);
        let mut counts = self.parts.counts.lock();
        counts.shed_long_ago = shed_long_ago;
        counts.newest = self.parts.store.last_position();
        counts.in_flight = self.lanes.in_flight() as u64;
        counts.state = state;
    }

    fn answer_waiters(&mut self) {
        // What its last game decided is on disk by now: it was in the inbox before it was asked for.
        for (court, log, reply) in std::mem::take(&mut self.recovering) {
            match self.parts.store.recover() {
                Ok(mut found) => {
                    let records = found.courts.remove(&court).unwrap_or_default();
                    let entries = found.logs.remove(&log).unwrap_or_default();
                    let entries = entries.into_iter().map(|(_, entry)| entry).collect();
                    // The asker may have gone.
                    drop(reply.send((records, entries)));
                }
                Err(error) => {
                    error!(%court, error = %Foreign::error(&error), "what was told of a court cannot be read");
                }
            }
        }
        if self.closed && self.inbox.is_empty() {
            for reply in self.when_committed.drain(..) {
                let _ = reply.send(());
            }
        }
        if self.lanes.waiting() == 0 {
            for reply in self.when_sent.drain(..) {
                let _ = reply.send(());
            }
        }
    }
}

/// A part of the quota, in hundredths: every event would be a change otherwise.
#[expect(clippy::cast_precision_loss, reason = "a share, not a count")]
fn share(bytes: u64, quota: u64) -> f64 {
    (bytes as f64 / quota.max(1) as f64 * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;
    use crate::clock::SystemClock;
    use crate::event::{FactId, Saying, Withdrawal};
    use crate::mailbox::Tally;
    use crate::media::{MediaTime, SessionId};
    use crate::uplink::hooks::{CommittedSink, SpaceNeeded};
    use crate::uplink::outbox::store::failing::{self, Refusal, Says};

    fn event(n: u32) -> Event {
        let reason = "restart".to_owned();
        Event {
            court: CourtId::new("a").unwrap(),
            session: SessionId::from_bits(1),
            game: None,
            fact: FactId { session: SessionId::from_bits(1), family: None, n },
            revision: 0,
            attempt: n,
            at: MediaTime::ZERO,
            saying: Saying::ShotWithdrawn(Withdrawal {
                t_stream: 0.0,
                reason,
                by: None,
                who: None,
            }),
            clip: None,
        }
    }

    fn until(what: &str, condition: impl Fn() -> bool) {
        for _ in 0..4000 {
            if condition() {
                return;
            }
            thread::park_timeout(Duration::from_millis(5));
        }
        panic!("gave up waiting until {what}");
    }

    /// Gives space at the second time of asking, and counts what is told.
    #[derive(Default)]
    struct Bystander {
        refusal: Refusal,
        asked: AtomicUsize,
        told: Mutex<Vec<u64>>,
    }

    impl SpaceNeeded for Bystander {
        fn release(&self) -> bool {
            let second = self.asked.fetch_add(1, Ordering::SeqCst) == 1;
            if second {
                *self.refusal.lock() = None;
            }
            second
        }
    }

    impl CommittedSink for Bystander {
        fn committed(&self, told: &Committed<'_>) {
            self.told.lock().push(told.sequence);
        }
    }

    struct Running {
        bystander: Arc<Bystander>,
        inbox: Mailbox<Decision>,
        desk: Arc<Desk>,
        counts: Arc<Mutex<UplinkCounts>>,
        thread: thread::JoinHandle<()>,
        dir: tempfile::TempDir,
    }

    fn start() -> Running {
        let dir = tempfile::tempdir().unwrap();
        let bystander = Arc::<Bystander>::default();
        let store = failing::store(dir.path(), &bystander.refusal);
        let inbox = Mailbox::weighed(8, Decision::weight, Tally::default());
        let desk = Arc::new(Desk::new(inbox.clone()));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let counts = Arc::<Mutex<UplinkCounts>>::default();
        let hooks = Hooks {
            committed: Some(Arc::clone(&bystander) as Arc<dyn CommittedSink>),
            space: Some(Arc::clone(&bystander) as Arc<dyn SpaceNeeded>),
            ..Hooks::default()
        };
        let outbox = Outbox::new(Parts {
            store,
            desk: Arc::clone(&desk),
            anchors: Anchors::new(Arc::clone(&clock), "boot".into(), UtcTime::from_nanos(0)),
            clock,
            boot: "boot".into(),
            time_floor: UtcTime::from_nanos(0).into(),
            box_name: BoxName::new("rim-1").unwrap(),
            quota: u64::MAX,
            hooks,
            sendings: mpsc::channel(8).0,
            counts: Arc::clone(&counts),
            put_aside: Vec::new(),
            damaged: Vec::new(),
            states: Arc::default(),
        })
        .unwrap();
        let thread = thread::spawn(move || outbox.run());
        Running { bystander, inbox, desk, counts, thread, dir }
    }

    impl Running {
        fn offer(&self, n: u32) {
            self.decide(event(n).into());
        }

        fn decide(&self, decision: Decision) {
            self.inbox.offer_waiting(decision, Duration::from_secs(20)).unwrap();
        }

        fn told(&self) -> Vec<u64> {
            self.bystander.told.lock().clone()
        }

        /// Ends, and looks at what the disk kept of the log.
        fn entries(self) -> Vec<(u64, Vec<u8>)> {
            self.desk.note(Note::Stop);
            self.thread.join().unwrap();
            let store = failing::store(self.dir.path(), &Refusal::default());
            store.recover().unwrap().logs.remove("game/a").unwrap_or_default()
        }

        /// Ends, and looks at what the disk kept.
        fn stored(self) -> Vec<u64> {
            self.desk.note(Note::Stop);
            self.thread.join().unwrap();
            let store = failing::store(self.dir.path(), &Refusal::default());
            store
                .replay(None, 0, 100)
                .unwrap()
                .iter()
                .map(|record| record.header.sequence)
                .collect()
        }
    }

    #[test]
    fn a_full_disk_gets_the_ballast_and_loses_no_event() {
        let running = start();
        running.offer(1);
        until("the first is promised", || running.told() == [1]);
        *running.bystander.refusal.lock() = Some(Says::ToAll(ErrorKind::StorageFull));
        for n in 2..=5 {
            running.offer(n);
        }
        until("the others are too", || running.told() == [1, 2, 3, 4, 5]);
        assert_eq!(running.bystander.asked.load(Ordering::SeqCst), 2);
        assert_eq!(running.counts.lock().disk_fault, None);
        assert_eq!(running.stored(), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_decision_is_on_disk_whole_or_not_at_all() {
        let running = start();
        let entry =
            |n: u8| vec![LogEntry { log: "game/a".into(), checkpoint: false, bytes: vec![n] }];
        running.decide(Decision {
            events: vec![event(1), event(2)],
            logs: entry(1),
            ..Decision::default()
        });
        until("both are promised", || running.told() == [1, 2]);
        // An event that cannot be written takes what was decided with it along.
        let mut no_number = event(4);
        no_number.saying = Saying::ShotWithdrawn(Withdrawal {
            t_stream: f64::NAN,
            reason: "x".into(),
            by: None,
            who: None,
        });
        running.decide(Decision {
            events: vec![event(3), no_number, event(5)],
            logs: entry(2),
            ..Decision::default()
        });
        // An entry without events is written like any other.
        running.decide(Decision { logs: entry(3), ..Decision::default() });
        running.decide(Decision {
            events: (6..30).map(event).collect(),
            logs: entry(4),
            ..Decision::default()
        });
        let all: Vec<u64> = (1..=26).collect();
        until("one that is heavier than the hop is promised too", || running.told() == all);
        assert_eq!(running.entries(), [(1, vec![1]), (2, vec![3]), (3, vec![4])]);
    }

    #[test]
    fn what_was_on_disk_though_its_sync_failed_is_not_written_twice() {
        let running = start();
        running.offer(1);
        until("the first is promised", || running.told() == [1]);
        // The bytes go down, the disk says that they did not.
        *running.bystander.refusal.lock() = Some(Says::ToSyncs(ErrorKind::Other));
        let entry = LogEntry { log: "game/a".into(), checkpoint: false, bytes: vec![7] };
        running.decide(Decision { logs: vec![entry], ..Decision::default() });
        until("it says so", || running.counts.lock().disk_fault.is_some());
        *running.bystander.refusal.lock() = None;
        until("it writes again", || running.counts.lock().disk_fault.is_none());
        running.offer(2);
        until("the second is promised", || running.told() == [1, 2]);
        assert_eq!(running.entries(), [(1, vec![7])]);
    }

    #[test]
    fn a_store_that_comes_to_damage_while_it_runs_is_begun_anew_with_its_events() {
        let running = start();
        let entry = |n: u8| LogEntry { log: "game/a".into(), checkpoint: false, bytes: vec![n] };
        running.decide(Decision {
            events: vec![event(1), event(2)],
            logs: vec![entry(1)],
            ..Decision::default()
        });
        until("both are promised", || running.told() == [1, 2]);
        *running.bystander.refusal.lock() = Some(Says::ToAll(ErrorKind::InvalidData));
        running.decide(Decision {
            events: vec![event(3)],
            logs: vec![entry(2)],
            ..Decision::default()
        });
        until("the third is promised too", || running.told() == [1, 2, 3]);
        until("it is told", || !running.counts.lock().state.damaged.is_empty());
        running.offer(4);
        until("and what comes after it", || running.told() == [1, 2, 3, 4]);
        let counts = running.counts.lock().clone();
        assert_eq!((counts.disk_fault, counts.gone), (None, 0));
        let aside = counts.state.damaged[0].as_str().to_owned();
        assert!(running.dir.path().join(aside).exists(), "{:?}", counts.state.damaged);
        assert_eq!(counts.state.outbox_events, 4, "all of them are still to be sent");
        assert_eq!(running.entries(), [(1, vec![1]), (2, vec![2])]);
    }

    #[test]
    fn a_stop_while_the_disk_refuses_ends_and_counts_what_is_lost() {
        let running = start();
        *running.bystander.refusal.lock() = Some(Says::ToAll(ErrorKind::Other));
        running.offer(1);
        until("it says so", || running.counts.lock().disk_fault.is_some());
        for n in 2..=5 {
            running.offer(n);
        }
        let counts = Arc::clone(&running.counts);
        running.inbox.close();
        assert_eq!(running.stored(), [0; 0]);
        assert_eq!(counts.lock().lost, 5);
    }

    #[test]
    fn a_disk_that_fails_for_a_while_delays_events_and_says_so() {
        let running = start();
        *running.bystander.refusal.lock() = Some(Says::ToAll(ErrorKind::Other));
        for n in 1..=12 {
            if n == 9 {
                until("it says so", || running.counts.lock().disk_fault.is_some());
                assert!(running.told().is_empty(), "nothing is promised that is not on disk");
                *running.bystander.refusal.lock() = None;
            }
            running.offer(n);
        }
        let all: Vec<u64> = (1..=12).collect();
        until("all are promised", || running.told() == all);
        assert_eq!(running.bystander.asked.load(Ordering::SeqCst), 0, "it is not full");
        assert_eq!(running.stored(), all);
    }
}
