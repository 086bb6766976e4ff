//! Who holds each court, and what is known of its stream.
//!
//! One publisher holds a court. The newest authenticated one takes over; whoever holds it is asked
//! under the court's lock at each delivery, so the items of two publishers never mix: the old
//! session's end is delivered before the new publisher has its answer.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Notify;

use crate::admission::Prefix;
use crate::device::DeviceMemory;
use crate::event::catalogue::NO_USABLE;
use crate::event::words::{Sound, StreamCondition};
use crate::ingest::budget::{Allowance, Budget, Needs};
use crate::ingest::comings::{Comings, Sum};
use crate::ingest::flow::Flow;
use crate::ingest::meter::Meter;
use crate::ingest::refused::Unusable;
use crate::ingest::segments::{Segments, Verdict};
use crate::ingest::strays::{Astray, Strays};
use crate::ingest::surfaces::{Admitted, DeviceRoom};
use crate::media::{CloseReason, Codec, CourtId, Foreign, Monotonic, SessionId, StreamItem};
use crate::rtmp::message::Message;
use crate::rtmp::session::APP;

/// A publisher that sends no picture for this long is told as stalled: within 2 s, with what looking
/// at it every quarter of a second adds. Sound alone is no stream: a frozen camera may have a microphone.
pub(crate) const STALLED_AFTER: Duration = Duration::from_millis(1_700);
/// … and for this long, let go.
pub(crate) const LET_GO_AFTER: Duration = Duration::from_secs(10);
/// Takeovers between two addresses in [`CONTEST_WINDOW`] that are a fault (DESIGN §5.1).
const CONTEST_TAKEOVERS: usize = 3;
const CONTEST_WINDOW: Duration = Duration::from_secs(30);
/// A stream that is live and gives no picture that can be used for so long is at fault.
const STARVED_AFTER: Duration = Duration::from_secs(2);
/// The secret that lets a camera publish to its court. Has no `Debug`.
pub struct StreamKey(Box<str>);

impl StreamKey {
    /// Takes the key.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into().into_boxed_str())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A court and the key that publishes to it.
pub struct CourtKey {
    /// The court.
    pub court: CourtId,
    /// Its key: `rtmp://BOX/live/{key}`.
    pub stream_key: StreamKey,
}

/// Takes what comes in. Called in order per court, from a tokio worker.
pub trait UnitSink: Send + Sync {
    /// Hands `item` on. Must not block: each consumer has its own mailbox.
    fn deliver(&self, court: &CourtId, item: StreamItem);

    /// Hands on a media or data message as it came, of the publisher that is called `publish`, in order and
    /// before what it gives is delivered. Must not block. Whoever forwards nothing has nothing to do.
    fn message(&self, court: &CourtId, publish: u64, message: &Message) {
        let _ = (court, publish, message);
    }

    /// That publisher has ended, or another one took over: none of its messages follows.
    fn unpublished(&self, court: &CourtId, publish: u64) {
        let _ = (court, publish);
    }
}

/// What is known of a court's stream, for `state/stream/{court}`, `doctor` and the page.
#[derive(Clone, Debug)]
pub struct CourtStatus {
    /// What it is doing.
    pub condition: StreamCondition,
    /// Address of who publishes.
    pub publisher: Option<String>,
    /// What the publisher calls itself.
    pub encoder: Option<Foreign>,
    /// The open session.
    pub session: Option<String>,
    /// The coding.
    pub codec: Option<Codec>,
    /// RFC 6381 name.
    pub profile: Option<String>,
    /// Width of the picture, pixels.
    pub width: Option<u32>,
    /// Height of the picture, pixels.
    pub height: Option<u32>,
    /// Pictures a second of stream time, over the last 5 s.
    pub fps: Option<f64>,
    /// Bits of video a second of stream time, over the last 5 s.
    pub bitrate_bps: Option<u64>,
    /// Stream time between the last two key pictures, ms.
    pub key_interval_ms: Option<u32>,
    /// True if B pictures came in the last 5 s.
    pub b_frames: bool,
    /// Pictures that the encoder looks ahead before it sends one, by its own word.
    pub lookahead: Option<u16>,
    /// The pictures say for so long that nothing moves, though they are no black ones.
    pub still_for: Option<Duration>,
    /// Who came with a key that no court has, to another application or with another protocol, lately, while nobody
    /// publishes here.
    pub stray: Option<(IpAddr, Astray)>,
    /// What is told of the stream's times, where they are not used.
    pub times: Option<String>,
    /// The encoder sends several tracks of pictures, of which the first is taken.
    pub several_tracks: bool,
    /// What reordering costs: the most by which a picture came before it is due, ms.
    pub reorder_ms: Option<u32>,
    /// What bursts cost: how unevenly pictures arrive, latest against earliest of 5 s, ms.
    pub burst_ms: Option<u32>,
    /// What becomes of the sound.
    pub audio: Sound,
    /// Pictures that were offered since the session opened, or the publish began where none has.
    pub pictures: u64,
    /// Of these, pictures let go here.
    pub pictures_dropped: u64,
    /// Why the last one was.
    pub last_drop: Option<&'static str>,
    /// Times that a newer publisher took over, since start.
    pub takeovers: u64,
    /// Why the last publisher was refused or closed, if it was.
    pub last_refusal: Option<Foreign>,
    /// Publishes of this court that were refused since start, by reason.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Bytes that the pictures of the stream may take at most; 0 before its parameters are known.
    pub picture_memory: u64,
    /// … and what this court may take.
    pub picture_memory_allowed: u64,
    /// Bytes of a GPU's memory that they may take at most; 0 where they come to lie in none.
    pub gpu_memory: u64,
    /// What a person must put right.
    pub fault: Option<String>,
    /// Who comes and goes again and again.
    pub reconnects: Option<String>,
}

/// Why a publisher that knows the key may not have the court.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contested {
    /// For the publisher, the log and the status.
    pub(crate) text: String,
}

/// All courts of the box.
pub(crate) struct Courts {
    // An index means the same court for ever: a court that is taken away leaves its place empty.
    // Read for each delivery; changed when a court comes or goes.
    entries: RwLock<Vec<Arc<Entry>>>,
    /// Of those, how many are served.
    served: AtomicUsize,
    sink: Arc<dyn UnitSink>,
    budget: Budget,
    // The GPU's memory and when it was read; `None` where no pictures are there. Held for a copy.
    device: Mutex<Option<(DeviceMemory, Monotonic)>>,
    /// Who comes with keys of no court.
    strays: Mutex<Strays>,
}

struct Entry {
    court: CourtId,
    key: [u8; 32],
    /// Bytes that the pictures of who publishes may take; read by the other courts.
    picture_memory: AtomicU64,
    /// … of the GPU's memory. Held for a copy.
    surfaces: Mutex<Admitted>,
    // Who delivers and who takes over are decided in one place; held for the delivery of one read.
    state: Mutex<CourtState>,
}

impl Entry {
    fn new(CourtKey { court, stream_key }: CourtKey, budget: &Budget) -> Self {
        let key = Sha256::digest(stream_key.as_bytes()).into();
        let state = CourtState {
            gone: false,
            holder: None,
            contests: VecDeque::new(),
            fault: None,
            last_refusal: None,
            takeovers: 0,
            pictures: 0,
            dropped: 0,
            before: (0, 0),
            last_drop: None,
            refusals: BTreeMap::new(),
            comings: Comings::default(),
            segments: Segments::new(budget.segments),
            flow: Flow::new(budget.flow),
            meter: Meter::default(),
        };
        let (picture_memory, surfaces) = (AtomicU64::new(0), Mutex::default());
        Self { court, key, picture_memory, surfaces, state: Mutex::new(state) }
    }

    /// Nobody's pictures are there any more.
    fn takes_nothing(&self) {
        self.picture_memory.store(0, Ordering::Relaxed);
        *self.surfaces.lock() = Admitted::default();
    }
}

struct CourtState {
    /// The court was taken away.
    gone: bool,
    holder: Option<Holder>,
    /// Takeovers and tries at them: when, between whom.
    contests: VecDeque<(Monotonic, IpAddr, IpAddr)>,
    fault: Option<(Monotonic, String)>,
    last_refusal: Option<Foreign>,
    takeovers: u64,
    /// Pictures delivered and let go, since start.
    pictures: u64,
    dropped: u64,
    /// Both as the session began.
    before: (u64, u64),
    last_drop: Option<&'static str>,
    refusals: BTreeMap<&'static str, u64>,
    comings: Comings,
    segments: Segments,
    flow: Flow,
    meter: Meter,
}

struct Holder {
    connection: u64,
    peer: SocketAddr,
    session: Option<SessionId>,
    heard: Monotonic,
    encoder: Option<Foreign>,
    audio: Sound,
    lookahead: Option<u16>,
    times: Option<String>,
    several_tracks: bool,
    /// Pictures dropped by this publish, as last told.
    dropped: u64,
    /// Why the last one was.
    unusable: Option<Unusable>,
    /// A session of this publish has ended: the next has counts of its own.
    had_session: bool,
    /// Since when video has come of which no picture could be used.
    starved: Option<Monotonic>,
    /// Wakes the connection's task: it does not hold the court any longer.
    displaced: Arc<Notify>,
}

/// What a connection knows of its stream, told now and then.
pub(crate) struct Description {
    pub(crate) encoder: Option<Foreign>,
    pub(crate) audio: Sound,
    pub(crate) dropped: u64,
    pub(crate) last_drop: Option<Unusable>,
    pub(crate) lookahead: Option<u16>,
    pub(crate) times: Option<String>,
    pub(crate) several_tracks: bool,
}

/// What became of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// They were handed on.
    All,
    /// Another connection holds the court, or nobody.
    NotHeld,
    /// Handed on up to one that would begin a segment too many.
    TooManySegments,
}

impl Courts {
    pub(crate) fn new(courts: Vec<CourtKey>, sink: Arc<dyn UnitSink>, budget: Budget) -> Self {
        let entries = courts.into_iter().map(|court| Arc::new(Entry::new(court, &budget)));
        let entries: Vec<_> = entries.collect();
        let served = AtomicUsize::new(entries.len());
        let entries = RwLock::new(entries);
        let (device, strays) = (Mutex::default(), Mutex::default());
        Self { entries, served, sink, budget, device, strays }
    }

    /// What to tell of memory that is too small for the courts that are served.
    pub(crate) fn memory_advice(&self) -> Option<String> {
        self.budget.memory.advice(self.served.load(Ordering::Relaxed))
    }

    /// What the pictures of a court may take now, given what those of the others may.
    pub(crate) fn allowed(&self, index: usize) -> Allowance {
        let courts = self.served.load(Ordering::Relaxed);
        let entries = self.entries.read();
        let others = entries.iter().enumerate().filter(|(other, _)| *other != index);
        let taken = others.map(|(_, entry)| entry.picture_memory.load(Ordering::Relaxed)).sum();
        let device = (*self.device.lock()).map(|(memory, read)| {
            let others = entries.iter().enumerate().filter(|(other, _)| *other != index);
            let newcomers = others.map(|(_, entry)| entry.surfaces.lock().newcomer(read)).sum();
            let own = entries.get(index).map_or(0, |entry| entry.surfaces.lock().settled(read));
            DeviceRoom { memory, newcomers, own }
        });
        Allowance { device, ..self.budget.memory.allowed(courts, taken) }
    }

    /// What was read of the device in which decoders leave their pictures; `None`: they leave them here, or
    /// nobody knows.
    pub(crate) fn device(&self, read: Option<(DeviceMemory, Monotonic)>) {
        *self.device.lock() = read;
    }

    /// What was read last.
    pub(crate) fn device_memory(&self) -> Option<DeviceMemory> {
        (*self.device.lock()).map(|(memory, _)| memory)
    }

    /// Notes what the pictures of `connection` may take, if it holds the court.
    pub(crate) fn takes(&self, index: usize, connection: u64, needs: Needs, now: Monotonic) {
        let Some(entry) = self.entry(index) else { return };
        let state = entry.state.lock();
        if state.holder.as_ref().is_some_and(|holder| holder.connection == connection) {
            entry.picture_memory.store(needs.memory, Ordering::Relaxed);
            entry.surfaces.lock().takes(needs.device, now);
        }
    }

    /// Lets publishers come to a court; false if another one has the key, or this one is there.
    pub(crate) fn open(&self, court: CourtKey) -> bool {
        let entry = Entry::new(court, &self.budget);
        let mut entries = self.entries.write();
        let clashes = |known: &Arc<Entry>| {
            let same = known.court == entry.court || bool::from(known.key.ct_eq(&entry.key));
            same && !known.state.lock().gone
        };
        let free = !entries.iter().any(clashes);
        if free {
            entries.push(Arc::new(entry));
            self.served.fetch_add(1, Ordering::Relaxed);
        }
        free
    }

    /// True if a court other than `court` has the key.
    pub(crate) fn has_key(&self, court: &CourtId, key: &StreamKey) -> bool {
        let key: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let entries = self.entries.read();
        let others = entries.iter().filter(|entry| entry.court != *court);
        let mut with_it = others.filter(|entry| bool::from(entry.key.ct_eq(&key)));
        with_it.any(|entry| !entry.state.lock().gone)
    }

    /// Lets nobody publish to a court any more; who does is let go, and an open session ends.
    pub(crate) fn close(&self, court: &CourtId) {
        let Some(entry) = self.served(court) else { return };
        let mut state = entry.state.lock();
        state.gone = true;
        self.served.fetch_sub(1, Ordering::Relaxed);
        entry.takes_nothing();
        if let Some(old) = state.holder.take() {
            self.sink.unpublished(&entry.court, old.connection);
            if let Some(session) = old.session {
                let reason = CloseReason::Shutdown;
                self.sink.deliver(&entry.court, StreamItem::Closed { session, reason });
            }
            old.displaced.notify_one();
        }
    }

    /// True while publishers may come to it.
    pub(crate) fn serves(&self, index: usize) -> bool {
        self.entry(index).is_some_and(|entry| !entry.state.lock().gone)
    }

    fn entry(&self, index: usize) -> Option<Arc<Entry>> {
        self.entries.read().get(index).map(Arc::clone)
    }

    fn served(&self, court: &CourtId) -> Option<Arc<Entry>> {
        let entries = self.entries.read();
        let there = |entry: &&Arc<Entry>| entry.court == *court && !entry.state.lock().gone;
        entries.iter().find(there).map(Arc::clone)
    }

    /// Finds the court of a stream key. Takes the same time whichever it is, or none.
    pub(crate) fn find(&self, key: &str) -> Option<usize> {
        let given: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let mut found = None;
        for (index, entry) in self.entries.read().iter().enumerate() {
            if bool::from(entry.key.ct_eq(&given)) && !entry.state.lock().gone {
                found = Some(index);
            }
        }
        found
    }

    pub(crate) fn name(&self, index: usize) -> Option<CourtId> {
        self.entry(index).map(|entry| entry.court.clone())
    }

    /// Gives the court to `connection`; whoever had it is told through its `displaced`.
    pub(crate) fn claim(
        &self,
        index: usize,
        connection: u64,
        peer: SocketAddr,
        now: Monotonic,
        displaced: Arc<Notify>,
    ) -> Result<(), Contested> {
        let Some(entry) = self.entry(index) else { return Ok(()) };
        let mut state = entry.state.lock();
        if state.gone {
            // Between the look at its key and now.
            let text = format!("court {} is being configured anew: try again", entry.court);
            return Err(Contested { text });
        }
        if let Some(old) = &state.holder {
            let (old, new) = (old.peer.ip(), peer.ip());
            if old != new {
                state.contests.retain(|(at, ..)| now.since(*at) < CONTEST_WINDOW);
                let pair = |(_, a, b): &&(_, IpAddr, IpAddr)| {
                    (*a, *b) == (old, new) || (*a, *b) == (new, old)
                };
                let before = state.contests.iter().filter(pair).count();
                if state.contests.len() >= 64 {
                    state.contests.pop_front();
                }
                state.contests.push_back((now, old, new));
                if before + 1 >= CONTEST_TAKEOVERS {
                    let text = format!(
                        "{old} and {new} publish to court {} in turns: stop one of them, or give \
                         it another court's key; {old} keeps the court",
                        entry.court
                    );
                    state.fault = Some((now, text.clone()));
                    return Err(Contested { text });
                }
            }
        }
        if let Some(old) = state.holder.take() {
            state.takeovers += 1;
            self.sink.unpublished(&entry.court, old.connection);
            if let Some(session) = old.session {
                let reason = CloseReason::TakenOver;
                self.sink.deliver(&entry.court, StreamItem::Closed { session, reason });
            }
            old.displaced.notify_one();
        }
        state.meter = Meter::default();
        state.before = (state.pictures, state.dropped);
        state.segments.published();
        entry.takes_nothing();
        state.holder = Some(Holder {
            connection,
            peer,
            session: None,
            heard: now,
            encoder: None,
            audio: Sound::None,
            lookahead: None,
            times: None,
            several_tracks: false,
            dropped: 0,
            unusable: None,
            had_session: false,
            starved: None,
            displaced,
        });
        Ok(())
    }

    /// Hands messages and the items that they gave on, as far as `connection` still holds the court and its
    /// account of segments goes. `heard` is when video last came, and whether it came now.
    pub(crate) fn deliver(
        &self,
        index: usize,
        connection: u64,
        (heard, video): (Monotonic, bool),
        (messages, items): (&mut Vec<Message>, &mut Vec<StreamItem>),
    ) -> Delivered {
        let Some(entry) = self.entry(index) else { return Delivered::NotHeld };
        let mut state = entry.state.lock();
        let CourtState {
            holder,
            meter,
            pictures,
            dropped,
            before,
            last_drop,
            last_refusal,
            segments,
            ..
        } = &mut *state;
        let Some(holder) = holder.as_mut().filter(|holder| holder.connection == connection) else {
            messages.clear();
            items.clear();
            return Delivered::NotHeld;
        };
        if video && heard.since(holder.heard) >= STALLED_AFTER {
            holder.starved = None;
        }
        holder.heard = heard;
        if video {
            holder.starved.get_or_insert(heard);
        }
        for message in messages.drain(..) {
            self.sink.message(&entry.court, connection, &message);
        }
        for item in items.drain(..) {
            match segments.look(&item, heard) {
                Verdict::Passes => {}
                Verdict::LetGo => {
                    *dropped += 1;
                    holder.unusable = Some(Unusable::TooMany);
                    *last_drop = Some(Unusable::TooMany.text());
                    continue;
                }
                Verdict::TooMany => return Delivered::TooManySegments,
            }
            match &item {
                StreamItem::Opened(info) => {
                    holder.session = Some(info.session);
                    if std::mem::take(&mut holder.had_session) {
                        *before = (*pictures, *dropped);
                    }
                    *meter = Meter::default();
                    *last_refusal = None;
                }
                StreamItem::Closed { .. } => {
                    holder.session = None;
                    holder.had_session = true;
                }
                StreamItem::Video(unit) => {
                    *pictures += 1;
                    holder.starved = None;
                    meter.count(unit);
                }
                StreamItem::Sound { .. } | StreamItem::Audio(_) | StreamItem::Wall(_) => {}
            }
            self.sink.deliver(&entry.court, item);
        }
        Delivered::All
    }

    /// Notes what `connection` sent -> how long nothing more is to be read of it.
    pub(crate) fn sent(
        &self,
        index: usize,
        now: Monotonic,
        bytes: usize,
        pictures: usize,
    ) -> Duration {
        let entry = self.entry(index);
        entry.map_or(Duration::ZERO, |entry| entry.state.lock().flow.took(now, bytes, pictures))
    }

    /// Notes what the connection knows of its stream.
    pub(crate) fn describe(&self, index: usize, connection: u64, description: Description) {
        let Some(entry) = self.entry(index) else { return };
        let mut state = entry.state.lock();
        let CourtState { holder, dropped, last_drop, .. } = &mut *state;
        if let Some(holder) = holder.as_mut().filter(|holder| holder.connection == connection) {
            holder.encoder = description.encoder;
            holder.audio = description.audio;
            holder.lookahead = description.lookahead;
            holder.times = description.times;
            holder.several_tracks = description.several_tracks;
            holder.unusable = description.last_drop.or(holder.unusable);
            *dropped += description.dropped - holder.dropped.min(description.dropped);
            holder.dropped = description.dropped;
            *last_drop = description.last_drop.map(Unusable::text).or(*last_drop);
        }
    }

    /// Lets the court go, if `connection` holds it; an open session ends with `reason`.
    pub(crate) fn release(&self, index: usize, connection: u64, reason: CloseReason) {
        let Some(entry) = self.entry(index) else { return };
        let mut state = entry.state.lock();
        if state.holder.as_ref().is_some_and(|holder| holder.connection == connection)
            && let Some(holder) = state.holder.take()
        {
            entry.takes_nothing();
            self.sink.unpublished(&entry.court, connection);
            let Some(session) = holder.session else { return };
            self.sink.deliver(&entry.court, StreamItem::Closed { session, reason });
        }
    }

    /// Notes why a publisher of this court was refused or closed.
    pub(crate) fn refused(&self, index: usize, why: &str) {
        if let Some(entry) = self.entry(index) {
            entry.state.lock().last_refusal = Some(Foreign::told(why));
        }
    }

    /// Notes that `peer` publishes to this court. True if the log has a line of that, and of its end.
    pub(crate) fn began(&self, index: usize, peer: SocketAddr, now: Monotonic) -> bool {
        let Some(entry) = self.entry(index) else { return true };
        entry.state.lock().comings.began(now, Prefix::of(peer), peer.to_string())
    }

    /// Notes that a publish ended that began then, with a line or without. True if the log has one of its end.
    pub(crate) fn ended(
        &self,
        index: usize,
        peer: SocketAddr,
        now: Monotonic,
        began: (Monotonic, bool),
        why: &Foreign,
    ) -> bool {
        let Some(entry) = self.entry(index) else { return true };
        entry.state.lock().comings.ended(now, Prefix::of(peer), began, why)
    }

    /// What is to be told now of publishes that had no lines, or all of it where the log ends.
    pub(crate) fn sums(&self, now: Monotonic, log_ends: bool) -> Vec<(CourtId, Sum)> {
        let entries = self.entries.read();
        let of = |entry: &Arc<Entry>| {
            let sums = entry.state.lock().comings.due(now, log_ends);
            sums.into_iter().map(|sum| (entry.court.clone(), sum)).collect::<Vec<_>>()
        };
        entries.iter().flat_map(of).collect()
    }

    /// Counts a publish of this court that was refused.
    pub(crate) fn count_refusal(&self, index: usize, reason: &'static str) {
        if let Some(entry) = self.entry(index) {
            *entry.state.lock().refusals.entry(reason).or_default() += 1;
        }
    }

    pub(crate) fn status(&self, court: &CourtId, now: Monotonic) -> Option<CourtStatus> {
        let entry = self.served(court)?;
        let courts = self.served.load(Ordering::Relaxed);
        let state = entry.state.lock();
        let holder = state.holder.as_ref();
        let condition = match holder {
            None => StreamCondition::Waiting,
            Some(holder) if now.since(holder.heard) >= STALLED_AFTER => StreamCondition::Stalled,
            Some(_) => StreamCondition::Live,
        };
        let nothing = Meter::default();
        let meter = if holder.is_some() { &state.meter } else { &nothing };
        let parameters = meter.parameters();
        let contested = state.fault.as_ref().filter(|(at, _)| now.since(*at) < CONTEST_WINDOW);
        let refusal = last_refusal(&state);
        let misses = holder.is_none() && refusal.is_none();
        let stray = misses.then(|| self.strays.lock().likeliest(now)).flatten();
        let fault = contested
            .map(|(_, text)| text.clone())
            .or_else(|| meter.keyless(now))
            .or_else(|| holder.and_then(|holder| holder.starving(now)))
            .or(refusal)
            .or_else(|| stray.as_ref().map(stray_told));
        let pictures = state.pictures - state.before.0;
        let dropped = state.dropped - state.before.1;
        Some(CourtStatus {
            condition,
            publisher: holder.map(|holder| holder.peer.to_string()),
            encoder: holder.and_then(|holder| holder.encoder.clone()),
            session: holder.and_then(|holder| holder.session).map(|session| session.to_string()),
            codec: parameters.map(|parameters| parameters.codec),
            profile: parameters.map(|parameters| parameters.mime_codec.clone()),
            width: parameters.map(|parameters| parameters.width),
            height: parameters.map(|parameters| parameters.height),
            // What was measured of a stream that stands still says nothing of it.
            fps: meter.fps().filter(|_| condition == StreamCondition::Live),
            bitrate_bps: meter.bitrate().filter(|_| condition == StreamCondition::Live),
            key_interval_ms: meter.key_interval_ms(),
            b_frames: meter.has_b_frames(),
            lookahead: holder.and_then(|holder| holder.lookahead),
            still_for: meter.still_for(now).filter(|_| condition == StreamCondition::Live),
            stray,
            times: holder.and_then(|holder| holder.times.clone()),
            several_tracks: holder.is_some_and(|holder| holder.several_tracks),
            reorder_ms: meter.reorder_ms(),
            burst_ms: meter.burst_ms(),
            audio: holder.map_or(Sound::None, |holder| holder.audio.clone()),
            pictures: pictures + dropped,
            pictures_dropped: dropped,
            last_drop: state.last_drop,
            takeovers: state.takeovers,
            last_refusal: state.last_refusal.clone(),
            refusals: state.refusals.clone(),
            picture_memory: entry.picture_memory.load(Ordering::Relaxed),
            picture_memory_allowed: self.budget.memory.share(courts).bytes,
            gpu_memory: entry.surfaces.lock().bytes(),
            fault,
            reconnects: state.comings.warning(now),
        })
    }
}

impl Courts {
    /// Notes that `peer` came with a key of no court, by the key's digest, or with something else in its place.
    pub(crate) fn wrong(&self, peer: IpAddr, given: u64, what: Astray, now: Monotonic) {
        self.strays.lock().note(peer, given, what, now);
    }
}

impl Holder {
    /// What is wrong where video comes and no picture of it can be used.
    fn starving(&self, now: Monotonic) -> Option<String> {
        let since = self.starved.filter(|_| now.since(self.heard) < STALLED_AFTER)?;
        let time = now.since(since);
        let seconds = time.as_secs();
        (time >= STARVED_AFTER).then(|| match self.unusable {
            Some(why) => format!(
                "{NO_USABLE} for {seconds} s, the last one was a {}: {}",
                why.text(),
                why.todo()
            ),
            None => format!(
                "{NO_USABLE} for {seconds} s: messages of video come that hold none: restart the \
                 encoder's stream, or try another encoder"
            ),
        })
    }
}

/// Why nobody publishes to a court, where somebody tried with its key.
fn last_refusal(state: &CourtState) -> Option<String> {
    let refused = state.last_refusal.as_ref().filter(|_| state.holder.is_none());
    refused.map(|why| format!("the last publisher was let go: {why}"))
}

/// Who comes with a key of no court: that may be a court's camera.
fn stray_told((peer, what): &(IpAddr, Astray)) -> String {
    match what {
        Astray::App(app) => format!(
            "{}: set the encoder to rtmp://BOX/{APP}/KEY, in small letters",
            wrong_app(*peer, app)
        ),
        Astray::Spoke(spoke) => format!("{peer} {}", spoke.text()),
        Astray::Key => format!(
            "{peer} publishes with a stream key that no court has: compare the encoder's key with \
             `stream_key`"
        ),
    }
}

/// Who publishes to another application than ours.
#[must_use]
pub fn wrong_app(peer: IpAddr, app: &Foreign) -> String {
    if app.as_str().is_empty() {
        return format!("{peer} publishes to no application, in place of `{APP}`");
    }
    format!("{peer} publishes to the application `{app}`, in place of `{APP}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::strays::Spoke;

    #[derive(Default)]
    struct Closings(Mutex<Vec<String>>);

    impl UnitSink for Closings {
        fn deliver(&self, _: &CourtId, item: StreamItem) {
            if let StreamItem::Closed { session, reason } = item {
                self.0.lock().push(format!("{} {reason:?}", session.bits()));
            }
        }
    }

    fn courts() -> (Courts, Arc<Closings>) {
        let seen = Arc::new(Closings::default());
        let key = |court: &str| CourtKey {
            court: CourtId::new(court).unwrap(),
            stream_key: StreamKey::new(format!("key-{court}")),
        };
        (
            Courts::new(
                vec![key("a"), key("b")],
                Arc::clone(&seen) as Arc<dyn UnitSink>,
                Budget::default(),
            ),
            seen,
        )
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_wrong_key_is_told_where_a_camera_is_missed_and_not_for_ever() {
        let (courts, _) = courts();
        let court = CourtId::new("a").unwrap();
        let fault = |now| courts.status(&court, now).unwrap().fault;
        assert_eq!(fault(at(0)), None);
        courts.wrong([10, 0, 0, 7].into(), 5, Astray::Key, at(1));
        assert!(fault(at(2)).unwrap().starts_with("10.0.0.7 publishes with a stream key"));
        assert_eq!(fault(at(61)), None);
        courts.wrong([10, 0, 0, 7].into(), 5, Astray::App(Foreign::name("Live")), at(70));
        let told = fault(at(71)).unwrap();
        assert!(told.starts_with("10.0.0.7 publishes to the application `Live`"), "{told}");
        courts.wrong([10, 0, 0, 7].into(), 6, Astray::Spoke(Spoke::Tls), at(71));
        let told = fault(at(71)).unwrap();
        assert!(told.starts_with("10.0.0.7 speaks TLS to the port of plain RTMP"), "{told}");
        let peer = "10.0.0.8:5000".parse().unwrap();
        courts.claim(0, 1, peer, at(71), Arc::default()).unwrap();
        assert_eq!(fault(at(72)), None, "its camera is there");
    }

    #[test]
    fn a_key_finds_its_court_and_nothing_else_does() {
        let (courts, _) = courts();
        assert_eq!(courts.find("key-b"), Some(1));
        for wrong in ["", "key-", "key-bb", "KEY-B"] {
            assert_eq!(courts.find(wrong), None);
        }
    }

    #[test]
    fn the_newest_takes_over_until_two_addresses_fight() {
        let (courts, seen) = courts();
        let claim = |connection: u64, ip: &str, second: u64| {
            let peer = format!("{ip}:1000").parse().unwrap();
            courts.claim(0, connection, peer, at(second), Arc::new(Notify::new()))
        };
        let open = |connection: u64| {
            let info = crate::media::StreamInfo {
                court: CourtId::new("a").unwrap(),
                session: SessionId::from_bits(connection),
                peer: String::new(),
                encoder: None,
                opened: at(0),
            };
            let items = &mut vec![StreamItem::Opened(Arc::new(info))];
            courts.deliver(0, connection, (at(0), true), (&mut Vec::new(), items)) == Delivered::All
        };
        claim(1, "10.0.0.1", 0).unwrap();
        assert!(open(1));
        claim(2, "10.0.0.2", 1).unwrap();
        assert!(!open(1), "the old one delivers nothing any longer");
        assert!(open(2));
        claim(3, "10.0.0.1", 2).unwrap();
        let contested = claim(4, "10.0.0.2", 3).unwrap_err();
        assert!(contested.text.contains("10.0.0.1 keeps the court"), "{}", contested.text);
        assert!(open(3), "the older publish goes on");
        let status = courts.status(&CourtId::new("a").unwrap(), at(4)).unwrap();
        assert_eq!((status.takeovers, status.fault), (2, Some(contested.text)));
        // A third address, and the same one again, are no fight.
        claim(5, "10.0.0.3", 5).unwrap();
        claim(6, "10.0.0.3", 5).unwrap();
        claim(7, "10.0.0.3", 5).unwrap();
        assert_eq!(*seen.0.lock(), ["1 TakenOver", "2 TakenOver", "3 TakenOver"]);
    }

    #[test]
    fn video_without_a_usable_picture_is_a_fault_and_counts_are_of_the_session() {
        let (courts, _) = courts();
        let court = CourtId::new("a").unwrap();
        let status = |now| courts.status(&court, now).unwrap();
        let ms = |ms: u64| Monotonic::from_nanos(ms * 1_000_000);
        let publish = |connection: u64, second: u64| {
            let peer = "10.0.0.1:5".parse().unwrap();
            courts.claim(0, connection, peer, at(second), Arc::default()).unwrap();
        };
        let came = |connection, now| {
            courts.deliver(0, connection, (now, true), (&mut Vec::new(), &mut Vec::new()))
        };
        let describe = |connection, dropped| {
            let last_drop = Some(Unusable::Malformed);
            let (encoder, audio, lookahead) = (None, Sound::None, None);
            let (times, several_tracks) = (None, false);
            let told = Description {
                encoder,
                audio,
                dropped,
                last_drop,
                lookahead,
                times,
                several_tracks,
            };
            courts.describe(0, connection, told);
        };
        publish(1, 0);
        for n in 0..30 {
            assert_eq!(came(1, ms(n * 100)), Delivered::All);
            describe(1, n + 1);
            assert_eq!(status(ms(n * 100)).fault.is_some(), n >= 20, "{n}");
        }
        let told = status(ms(2_900));
        assert_eq!((told.pictures, told.pictures_dropped), (30, 30), "of what was offered");
        let fault = told.fault.unwrap();
        assert!(
            fault.starts_with("no usable picture for 2 s, the last one was a picture whose NAL")
        );
        assert_eq!(status(at(9)).fault, None, "nothing comes: that is told as stalled");
        // It comes again: what was before is not counted.
        publish(2, 20);
        assert_eq!((status(at(20)).pictures, status(at(20)).pictures_dropped), (0, 0));
        came(2, at(21));
        assert!(status(at(22)).fault.is_none_or(|fault| !fault.starts_with(NO_USABLE)));
    }

    #[test]
    fn silence_is_told_after_two_seconds() {
        let (courts, _) = courts();
        let court = CourtId::new("a").unwrap();
        let condition = |now| courts.status(&court, now).map(|status| status.condition);
        assert_eq!(condition(at(0)), Some(StreamCondition::Waiting));
        let peer = "10.0.0.1:5".parse().unwrap();
        courts.claim(0, 1, peer, at(0), Arc::new(Notify::new())).unwrap();
        assert_eq!(condition(at(1)), Some(StreamCondition::Live));
        assert_eq!(condition(at(2)), Some(StreamCondition::Stalled));
        courts.release(0, 1, CloseReason::Stalled);
        assert_eq!(condition(at(2)), Some(StreamCondition::Waiting));
    }
}
