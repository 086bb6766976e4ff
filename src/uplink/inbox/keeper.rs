//! The inbox's thread: one turn after the other, each with one commit (`commit`); `house` is what goes.

pub(super) mod house;
mod commit;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rumqttc::ManualAck;
use tokio::sync::watch;
use tracing::info;

use crate::clock::{Clock, Floor};
use crate::disk::{Disk, DiskLock};
use crate::event::command::Role;
use crate::event::words::CommandWord;
use crate::media::{Foreign, Monotonic};
use crate::uplink::inbox::door::{Door, Judged};
use crate::uplink::inbox::letter::{self, Desired, Letter, Read, Why};
use crate::uplink::inbox::limits::{Bucket, Limits};
use crate::uplink::inbox::operation::{Operation, Table, Told};
use crate::uplink::inbox::post::{Arrived, Note, Post, Telling};
use crate::uplink::inbox::record::{Now, Record};
use crate::uplink::inbox::store::{InboxError, Store};
use crate::uplink::inbox::telling::{To, cannot_keep, refusal, telling};

/// Housekeeping, and another try after a commit that failed.
pub(super) const TICK: Duration = Duration::from_secs(1);
/// What was told is marked on disk with the next commit, or this much later: a crash before tells it
/// again, which nobody minds.
const MARKS_WAIT: Duration = Duration::from_millis(500);
/// Progress of one command is told so often at most.
pub(super) const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// Operations at a time.
const AT_ONCE: usize = 4;
/// What the thread is made of.
pub(crate) struct Parts<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    pub(crate) dir: &'a Path,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) floor: Floor,
    /// `courtside/1/{box}`.
    pub(crate) root: String,
    /// Of the directory; none in a test that is alone there.
    pub(crate) held: Option<Arc<dyn DiskLock>>,
}

/// A command that runs.
#[derive(Debug)]
struct Running {
    operation: &'static str,
    /// It is none of the four.
    is_beside: bool,
    told: Monotonic,
    progress: Option<Told>,
}

/// One that is over and still shown.
#[derive(Debug)]
struct Shown {
    id: String,
    bytes: u64,
    ended_ns: i64,
}

/// The thread's state.
pub(super) struct Keeper {
    store: Store,
    /// Released after the store is closed, so it stands behind it.
    #[expect(dead_code, reason = "held, for others")]
    held: Option<Arc<dyn DiskLock>>,
    post: Arc<Post>,
    clock: Arc<dyn Clock>,
    floor: Floor,
    root: String,
    limits: Limits,
    table: Table,
    wanted: watch::Sender<Option<Arc<Desired>>>,
    desired: Option<(u64, Vec<u8>)>,
    /// Came, and is not on disk yet.
    coming: Option<(Vec<u8>, Vec<ManualAck>)>,
    now: Monotonic,
    /// One a role, so that nobody takes another's turns.
    buckets: [Bucket; Role::ALL.len()],
    epoch: Option<u64>,
    /// Of those that are not over.
    places: BTreeMap<String, u64>,
    /// Those that are not over.
    active: BTreeMap<u64, Record>,
    /// Those of them that are to be run.
    waiting: BTreeSet<u64>,
    running: BTreeMap<u64, Running>,
    /// Changed since the last commit.
    dirty: BTreeMap<String, Record>,
    dirty_since: Option<Monotonic>,
    /// Whose latest state the broker has not acknowledged.
    untold: BTreeSet<String>,
    /// To be told in this connection.
    to_tell: VecDeque<String>,
    /// By place.
    shown: BTreeMap<u64, Shown>,
    shown_bytes: u64,
    /// On disk.
    ids: u64,
    forgot: Monotonic,
    housed: Monotonic,
    stops: Arc<AtomicBool>,
    faulty: bool,
}

/// What a turn of the thread does once its commit is through.
#[derive(Default)]
struct Turn {
    fresh: Vec<(Record, Option<ManualAck>)>,
    acks: Vec<ManualAck>,
    tellings: Vec<Telling>,
    begin: Vec<u64>,
    forgotten: Vec<(u64, String)>,
    /// Something waits for this commit: it is not put off.
    is_urgent: bool,
    stops: bool,
}

impl Keeper {
    pub(super) fn new(
        parts: Parts<'_>,
        limits: Limits,
        store: Store,
        post: &Arc<Post>,
        wanted: watch::Sender<Option<Arc<Desired>>>,
    ) -> Self {
        Self {
            now: parts.clock.monotonic(),
            buckets: [Bucket::new(parts.clock.monotonic()); Role::ALL.len()],
            store,
            held: parts.held,
            post: Arc::clone(post),
            clock: parts.clock,
            floor: parts.floor,
            root: parts.root,
            limits,
            table: Table::default(),
            wanted,
            desired: None,
            coming: None,
            epoch: None,
            places: BTreeMap::new(),
            active: BTreeMap::new(),
            waiting: BTreeSet::new(),
            running: BTreeMap::new(),
            dirty: BTreeMap::new(),
            dirty_since: None,
            untold: BTreeSet::new(),
            to_tell: VecDeque::new(),
            shown: BTreeMap::new(),
            shown_bytes: 0,
            ids: 0,
            forgot: Monotonic::ZERO,
            housed: Monotonic::ZERO,
            stops: Arc::default(),
            faulty: false,
        }
    }

    /// Reads what the last run left.
    pub(super) fn load(&mut self) -> Result<(), InboxError> {
        let (mut active, mut untold, mut shown, mut ids) =
            (BTreeMap::new(), BTreeSet::new(), BTreeMap::new(), 0);
        self.store.all(|record, bytes| {
            ids += 1;
            if record.untold {
                untold.insert(record.id.clone());
            }
            if !record.state.is_over() {
                active.insert(record.place, record);
            } else if !record.cleared {
                let ended_ns = record.ended_ns.unwrap_or(0);
                shown.insert(record.place, Shown { id: record.id, bytes, ended_ns });
            }
        })?;
        self.places = active.values().map(|record| (record.id.clone(), record.place)).collect();
        self.shown_bytes = shown.values().map(|shown| shown.bytes).sum();
        (self.active, self.untold, self.shown, self.ids) = (active, untold, shown, ids);
        self.desired = self.store.desired()?;
        let desired = self.desired.clone();
        self.wanted.send_replace(
            desired.map(|(number, body)| Arc::new(Desired { number, body: Ok(Bytes::from(body)) })),
        );
        Ok(())
    }

    pub(super) fn run(mut self) {
        loop {
            let notes = self.post.take(self.wait());
            self.now = self.clock.monotonic();
            let mut turn = Turn::default();
            for note in notes {
                self.read(note, &mut turn);
            }
            self.tell_progress();
            self.keep_house(&mut turn);
            self.choose(&mut turn);
            let stops = turn.stops;
            self.commit(turn);
            self.feed();
            if stops {
                self.stops.store(true, Ordering::Release);
                return;
            }
        }
    }

    fn wait(&self) -> Duration {
        if !self.faulty && self.is_free() && !self.waiting.is_empty() {
            return Duration::ZERO;
        }
        let progress = self.running.values().any(|running| running.progress.is_some());
        if self.dirty_since.is_some() || progress { MARKS_WAIT } else { TICK }
    }

    fn is_free(&self) -> bool {
        self.waiting.iter().any(|place| self.may_begin(*place))
    }

    fn time(&self) -> Now {
        let (utc, floor) = (self.clock.utc(), self.floor.at());
        Now { utc: utc.max(floor), is_known: utc >= floor }
    }

    fn read(&mut self, note: Note, turn: &mut Turn) {
        match note {
            Note::Letter(Arrived { epoch, letter, mut acks }) => {
                if self.epoch == Some(epoch) {
                    let ack = acks.pop();
                    turn.acks.append(&mut acks);
                    self.letter(&letter, ack, turn);
                }
            }
            Note::Connected { epoch, resumed } => {
                self.epoch = Some(epoch);
                self.to_tell = self.untold.iter().cloned().collect();
                if !resumed {
                    // The broker may have forgotten what it retained, too.
                    let active = self.active.values().map(|record| &record.id);
                    let shown = self.shown.values().map(|shown| &shown.id);
                    let all = active.chain(shown).filter(|id| !self.untold.contains(*id));
                    self.to_tell.extend(all.cloned());
                }
            }
            Note::Disconnected => {
                self.epoch = None;
                self.to_tell.clear();
                // Of a link that is gone: the broker brings it again.
                self.coming.iter_mut().for_each(|(_, acks)| acks.clear());
            }
            Note::Told { epoch, kept, ack, is_refused } => {
                if self.epoch == Some(epoch)
                    && let Some(ack) = ack
                {
                    turn.acks.push(ack);
                }
                if let Some((id, number)) = kept.filter(|_| !is_refused) {
                    self.told(&id, number);
                }
            }
            Note::Serve(operations) => self.serve(operations),
            Note::Progress { id, told } => {
                let running = self.places.get(&id).and_then(|place| self.running.get_mut(place));
                if let Some(running) = running {
                    running.progress = Some(told);
                }
            }
            Note::Ended { id, out } => {
                if let Some(place) = self.places.get(&id).copied() {
                    self.running.remove(&place);
                    let now = self.time();
                    self.change(place, |record| record.ends(out, now));
                    turn.is_urgent = true;
                }
            }
            Note::Stop => turn.stops = true,
        }
    }

    fn letter(&mut self, letter: &Letter, ack: Option<ManualAck>, turn: &mut Turn) {
        let now = self.time();
        match letter::read(letter, &self.root, &self.limits) {
            Read::Nothing => turn.acks.extend(ack),
            Read::Desired(Ok(body)) => {
                let coming = self.coming.take();
                let newest = match (&coming, &self.desired) {
                    (Some((body, _)), _) | (None, Some((_, body))) => Some(body),
                    (None, None) => None,
                };
                if coming.is_none() && newest.is_some_and(|newest| *newest == body) {
                    turn.acks.extend(ack);
                    return;
                }
                let mut acks = coming.map(|(_, acks)| acks).unwrap_or_default();
                acks.extend(ack);
                self.coming = Some((body.to_vec(), acks));
            }
            Read::Desired(Err(why)) => {
                let number = self.desired.as_ref().map_or(0, |(number, _)| *number);
                let body = Err(why.reason);
                self.wanted.send_replace(Some(Arc::new(Desired { number, body })));
                turn.acks.extend(ack);
            }
            Read::Refused { role, id, answer, why } => {
                let to = To { role, id: id.as_deref() };
                turn.tellings.push(refusal(to, answer, why, ack, now));
            }
            Read::Command(asked) => {
                let (id, role, answer) = (asked.id.clone(), asked.role, asked.answer.clone());
                let to = To { role, id: Some(&id) };
                let again = turn.fresh.iter().find(|(record, _)| record.id == id);
                let of_another = again.is_some_and(|(record, _)| record.role != role);
                match self.get(&id) {
                    // What a technician asked for is not told to others, nor run as theirs.
                    Ok(found)
                        if of_another || found.as_ref().is_some_and(|its| its.role != role) =>
                    {
                        let reason = "somebody of another role has used this id: take a new one";
                        let why = Why::new("id_taken", reason);
                        turn.tellings.push(refusal(to, answer, why, ack, now));
                    }
                    Ok(None) if again.is_none() => {
                        let door = Door {
                            limits: &self.limits,
                            table: &self.table,
                            unfinished: self.active.len() + turn.fresh.len(),
                            now,
                            monotonic: self.now,
                        };
                        let [viewers, operators, technicians] = &mut self.buckets;
                        let bucket = match role {
                            Role::Viewer => viewers,
                            Role::Operator => operators,
                            Role::Technician => technicians,
                        };
                        match door.judge(asked, bucket) {
                            Judged::Kept(record) => turn.fresh.push((*record, ack)),
                            Judged::TurnedAway(why) => {
                                turn.tellings.push(refusal(to, answer, why, ack, now));
                            }
                        }
                    }
                    // Once is enough; who asks again hears how far it is.
                    Ok(found) => match found {
                        Some(record) if !self.dirty.contains_key(&id) => {
                            let mut telling = telling(to, &record.state, answer, true);
                            if record.cleared {
                                telling.retained = false;
                            }
                            telling.ack = ack;
                            turn.tellings.push(telling);
                        }
                        // It is told as soon as it is on disk.
                        _ => turn.acks.extend(ack),
                    },
                    Err(error) => {
                        let why = cannot_keep(&error);
                        turn.tellings.push(refusal(to, answer, why, ack, now));
                    }
                }
            }
        }
    }

    /// A command as it will be on disk.
    fn get(&mut self, id: &str) -> Result<Option<Record>, InboxError> {
        if let Some(record) = self.dirty.get(id) {
            return Ok(Some(record.clone()));
        }
        if let Some(record) = self.places.get(id).and_then(|place| self.active.get(place)) {
            return Ok(Some(record.clone()));
        }
        self.store.get(id)
    }

    /// Changes one that is not over.
    fn change(&mut self, place: u64, change: impl FnOnce(&mut Record)) {
        let Some(mut record) = self.active.remove(&place) else { return };
        change(&mut record);
        if record.state.is_over() {
            self.waiting.remove(&place);
            self.places.remove(&record.id);
            info!(
                id = record.id, operation = %record.state.operation.clone().unwrap_or_default(),
                state = %record.state.state, "a command is over"
            );
        } else {
            self.active.insert(place, record.clone());
        }
        self.touch(record);
    }

    fn touch(&mut self, record: Record) {
        self.dirty_since.get_or_insert(self.now);
        self.dirty.insert(record.id.clone(), record);
    }

    fn told(&mut self, id: &str, number: u64) {
        let Ok(Some(mut record)) = self.get(id) else { return };
        if record.state.number != number || !record.untold {
            return;
        }
        record.untold = false;
        self.untold.remove(id);
        if let Some(active) = self.places.get(id).and_then(|place| self.active.get_mut(place)) {
            active.untold = false;
        }
        self.touch(record);
    }

    fn serve(&mut self, operations: Vec<Arc<dyn Operation>>) {
        self.table = Table::of(operations);
        let now = self.time();
        let places: Vec<u64> = self.active.keys().copied().collect();
        for place in places {
            if self.running.contains_key(&place) {
                continue;
            }
            let name = self.active.get(&place).and_then(|record| record.state.operation.clone());
            let operation = self.table.get(&name.unwrap_or_default());
            let resumable = operation.map(|operation| operation.resumable());
            let mut runs = false;
            let before = self.active.get(&place).map(|record| record.state.cuts);
            if let Some(mut record) = self.active.get(&place).cloned() {
                runs = record.found(resumable, now);
                if !runs || Some(record.state.cuts) != before {
                    self.change(place, |kept| *kept = record);
                }
            }
            if runs {
                self.waiting.insert(place);
            }
        }
    }

    /// Progress that is due.
    fn tell_progress(&mut self) {
        let mut due = Vec::new();
        for (place, running) in &mut self.running {
            if self.now.since(running.told) >= PROGRESS_EVERY
                && let Some(progress) = running.progress.take()
            {
                running.told = self.now;
                due.push((*place, progress));
            }
        }
        let now = self.time();
        for (place, told) in due {
            self.change(place, |record| record.progressed(told, now));
        }
    }

    fn may_begin(&self, place: u64) -> bool {
        let name = self.active.get(&place).and_then(|record| record.state.operation.as_deref());
        let of_name =
            self.running.values().filter(|running| Some(running.operation) == name).count();
        let beside = name.and_then(|name| self.table.get(name)).map_or(0, |one| one.beside());
        if beside > 0 {
            return of_name < beside;
        }
        self.running.values().filter(|running| !running.is_beside).count() < AT_ONCE && of_name == 0
    }

    /// Chooses what is begun now, in order of arrival.
    fn choose(&mut self, turn: &mut Turn) {
        if self.faulty || turn.stops {
            return;
        }
        let now = self.time();
        for place in self.waiting.clone() {
            if !self.may_begin(place) {
                continue;
            }
            let Some(record) = self.active.get(&place) else { continue };
            let name = record.state.operation.clone().unwrap_or_default();
            self.waiting.remove(&place);
            turn.is_urgent = true;
            if record.state.state == CommandWord::Accepted && record.is_late(now) {
                let reason = Foreign::told("it waited for others until it was too late: ask again");
                self.change(place, |record| record.fail("expired", reason, now));
                continue;
            }
            let of = self.table.get(&name).map(|operation| (operation.name(), operation.beside()));
            let Some((operation, beside)) = of else { continue };
            self.change(place, |record| record.begins(now));
            let (told, is_beside) = (self.now, beside > 0);
            self.running.insert(place, Running { operation, is_beside, told, progress: None });
            turn.begin.push(place);
        }
    }
}
