//! The ring as `app` sees it: opened, started, asked for clips, joined.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::{Semaphore, oneshot};
use tracing::{error, info, warn};

use crate::clips::clip::{Clip, is_clip_id};
use crate::clips::cutter::Cutter;
use crate::clips::evict::{self, Limits};
use crate::clips::files::Places;
use crate::clips::index::{Hold, Index};
use crate::clips::recover::recover;
use crate::clips::routes;
use crate::clips::timeline::Ticks;
use crate::clips::writer::Writer;
use crate::clock::Clock;
use crate::disk::{Ballast, Disk, DiskLock, LockError};
use crate::event::ClipRequest;
use crate::event::state::StorageState;
use crate::mailbox::{Bell, Mailbox, Tally, UnitMailbox, WhenFull};
use crate::media::{CourtId, MediaTime, Monotonic, SessionId};

/// Requests that may wait for their interval to pass: an hour of shots at one a second.
const MAX_REQUESTS: usize = 4096;
/// Clips that are sent at once; each holds a thread while its reader is slow.
const MAX_TRANSFERS: usize = 8;
/// A thread that has nothing to do looks again after this long: free room, expired pins.
pub(crate) const IDLE: Duration = Duration::from_secs(1);

/// How much the ring may take, and where.
#[derive(Clone, Debug)]
pub struct RingSettings {
    /// `<data_dir>/ring`.
    pub dir: PathBuf,
    /// Bytes of all segments; exceeded by at most one segment a court (R5). Less while the disk
    /// cannot hold them: see `evict`.
    pub quota_bytes: u64,
    /// The quota is at most this part of what is free and what the ring has together.
    pub share_percent: u64,
    /// Bytes of the quota that pins may take (R6); half of it if absent.
    pub reserve_bytes: Option<u64>,
    /// Bytes of the file system that the ring leaves to others (R9).
    pub keep_free_bytes: u64,
    /// Days after which a pin ends by itself.
    pub pin_days: u32,
    /// Bytes of the ballast file (R9).
    pub ballast_bytes: u64,
    /// The ballast, where somebody else has it already: [`RingSettings::ballast`].
    pub ballast: Option<Ballast>,
}

impl RingSettings {
    /// The defaults of DESIGN §4.1 and R9, half of the quota for pins.
    #[must_use]
    pub const fn new(dir: PathBuf, quota_bytes: u64) -> Self {
        Self {
            dir,
            quota_bytes,
            share_percent: 100,
            reserve_bytes: None,
            keep_free_bytes: 256 << 20,
            pin_days: 30,
            ballast_bytes: 64 << 20,
            ballast: None,
        }
    }

    /// The ballast of this ring, before it is open: the outbox opens first, and may need its room.
    #[must_use]
    pub fn ballast(&self, disk: &Arc<dyn Disk>) -> Ballast {
        let made = || {
            let path = Places::new(&self.dir).ballast();
            Ballast::new(Arc::clone(disk), path, self.ballast_bytes)
        };
        self.ballast.clone().unwrap_or_else(made)
    }

    pub(crate) const fn wanted(&self) -> evict::Wanted {
        evict::Wanted {
            quota: self.quota_bytes,
            share_percent: self.share_percent,
            reserve: self.reserve_bytes,
            keep_free: self.keep_free_bytes,
        }
    }
}

/// Why the ring refused. Each text names the thing and says what to do; the cause is the `source`.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum RingError {
    /// R8: one daemon a directory.
    #[error("the ring's directory is in use")]
    InUse(#[source] LockError),
    /// The disk said no at the start.
    #[error("open {path}")]
    Open { path: PathBuf, source: io::Error },
    /// The system gave no thread.
    #[error("start the thread {name}")]
    Thread { name: &'static str, source: io::Error },
}

/// Why a request was not taken. The caller keeps it and asks again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum RequestError {
    /// It would leave the folder of the clips.
    #[error("`{id}` is no name for a clip: use 1 to 128 of A-Z, a-z, 0-9, '-', '_' and '.'")]
    BadId { id: String },
    /// Too many wait already.
    #[error("{waiting} requests for clips wait already: ask again later")]
    Busy { waiting: usize },
}

/// What took place on the disk. Called on the ring's threads: hand over, do not block.
pub trait ClipSink: Send + Sync {
    /// `clips/{id}.json` is on disk: a clip, or an entry that says why there is none. May repeat.
    fn durable(&self, id: &str);
    /// A fragment is on disk.
    fn fragment(&self, done: &FragmentDurable) {
        let _ = done;
    }
}

/// A fragment that survives a power cut from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FragmentDurable {
    /// Its court.
    pub court: CourtId,
    /// Its session.
    pub session: SessionId,
    /// Its segment.
    pub segment: u64,
    /// Media time of its end.
    pub end: MediaTime,
    /// Bytes of the segment up to its end.
    pub bytes: u64,
}

/// Histograms that the ring feeds (`ring_write_seconds`, `fsync_seconds`).
#[derive(Clone, Debug)]
pub struct RingMeters {
    /// Handing a fragment to the system.
    pub write_seconds: Histogram,
    /// Waiting until it is on the disk.
    pub fsync_seconds: Histogram,
}

/// What the recorder of one court does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecorderFacts {
    /// The court.
    pub court: CourtId,
    /// The session that is being recorded.
    pub session: Option<SessionId>,
    /// True while a segment is open.
    pub recording: bool,
    /// Why not, if the disk is to blame.
    pub fault: Option<String>,
    /// Segments of this court.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Media time of the end of the last fragment on disk.
    pub last_end: Option<MediaTime>,
    /// Pictures of the stream that are not in the ring, since the start.
    pub lost_pictures: u64,
    /// Sound frames that are not in the ring, since the start.
    pub left_out_sound: u64,
}

/// What the ring does.
#[derive(Clone, Debug, PartialEq)]
pub struct RingStatus {
    /// `state/storage`.
    pub storage: StorageState,
    /// One a court.
    pub courts: Vec<RecorderFacts>,
    /// Bytes that the ring wrote since the start: video, index, entries.
    pub bytes_written: u64,
    /// Encoded bytes among them: what came in.
    pub bytes_encoded: u64,
}

/// What writer, cutter and routes share.
pub(crate) struct Shared {
    pub(crate) settings: RingSettings,
    pub(crate) places: Places,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sink: Arc<dyn ClipSink>,
    pub(crate) meters: RingMeters,
    // The one lock of the ring: held for lines, never across I/O. Writer and cutter change it,
    // routes and status read it.
    pub(crate) state: Mutex<State>,
    pub(crate) commands: Mailbox<Command>,
    pub(crate) writer_bell: Bell,
    pub(crate) cutter_bell: Bell,
    pub(crate) ballast: Ballast,
    pub(crate) transfers: Arc<Semaphore>,
    /// Set once the writer is through: no fragment comes any more.
    pub(crate) written: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) index: Index,
    pub(crate) courts: BTreeMap<CourtId, CourtState>,
    /// What the ring may take, as far as the disk has let it.
    pub(crate) limits: Limits,
    /// Why nothing is recorded, for all courts.
    pub(crate) stopped: Option<String>,
    pub(crate) free_bytes: u64,
    pub(crate) bytes_written: u64,
    pub(crate) bytes_encoded: u64,
    /// Requests that are held but not cut yet.
    pub(crate) waiting: usize,
}

#[derive(Debug, Default)]
pub(crate) struct CourtState {
    /// The session whose items come now.
    pub(crate) live: Option<SessionId>,
    /// End of the last fragment on disk, of the live session.
    pub(crate) durable: Option<Ticks>,
    /// When that came about, or the session opened.
    pub(crate) progressed: Monotonic,
    pub(crate) recording: bool,
    pub(crate) fault: Option<String>,
    pub(crate) last_end: Option<Ticks>,
    pub(crate) lost_pictures: u64,
    pub(crate) left_out_sound: u64,
}

pub(crate) enum Command {
    Cut(Wanted),
    Acknowledge {
        id: String,
        sha256: Option<String>,
        reply: oneshot::Sender<Result<Clip, AckError>>,
    },
    Unpin {
        id: String,
    },
}

/// A clip that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) court: CourtId,
    pub(crate) session: SessionId,
    pub(crate) request: ClipRequest,
    pub(crate) asked: Monotonic,
}

impl Wanted {
    pub(crate) fn hold(&self) -> Hold {
        let time = |ns| Ticks::of(MediaTime::from_nanos(ns));
        let (from, to) = (time(self.request.from_ns), time(self.request.to_ns));
        let session = self.session.to_string();
        Hold { court: self.court.clone(), session, from, to: to.max(from) }
    }
}

/// Why a clip was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AckError {
    #[error("there is no such clip")]
    Unknown,
    #[error("the clip's SHA-256 is {is}: pull it again")]
    OtherBytes { is: String },
    #[error("write the clip's entry")]
    Disk(#[source] io::Error),
}

/// The ring: its two threads and what they share.
pub struct Ring {
    shared: Arc<Shared>,
    writer: Option<Writer>,
    cutter: Option<Cutter>,
    threads: Vec<JoinHandle<()>>,
    _lock: Box<dyn DiskLock>,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("dir", &self.shared.places.dir).finish_non_exhaustive()
    }
}

impl Ring {
    /// Takes the directory, puts it in order, makes the ballast. Blocks; nothing is recorded yet.
    ///
    /// # Errors
    /// [`RingError`]; a disk too full for the ballast or for recording is no error.
    pub fn open(
        settings: RingSettings,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        courts: Vec<(CourtId, UnitMailbox)>,
        sink: Arc<dyn ClipSink>,
        meters: RingMeters,
    ) -> Result<Self, RingError> {
        let places = Places::new(&settings.dir);
        disk.create_dir_all(&places.dir)
            .map_err(|source| RingError::Open { path: places.dir.clone(), source })?;
        let lock = disk.lock(&places.lock()).map_err(RingError::InUse)?;
        let recovered = recover(&*disk, &places)?;
        let ballast = settings.ballast(&disk);
        let free = || {
            disk.free_bytes(&places.dir)
                .map_err(|source| RingError::Open { path: places.dir.clone(), source })
        };
        if free()? > settings.keep_free_bytes.saturating_add(settings.ballast_bytes)
            && let Err(error) = ballast.remake()
        {
            warn!(%error, "no room for the ballast");
        }
        let free = free()?;
        let held = recovered.index.bytes();
        let limits = settings.wanted().that_fits(held, held, ballast.room_beside(free));
        if limits.quota < settings.quota_bytes && settings.share_percent == 100 {
            warn!(
                wanted = settings.quota_bytes,
                given = limits.quota,
                "the disk cannot hold ring.quota_bytes now: the ring takes what there is"
            );
        }
        let names = courts.iter().map(|(court, _)| court.clone());
        let state = State {
            index: recovered.index,
            courts: names.map(|court| (court, CourtState::default())).collect(),
            limits,
            stopped: None,
            free_bytes: free,
            bytes_written: 0,
            bytes_encoded: 0,
            waiting: 0,
        };
        let shared = Arc::new(Shared {
            settings,
            places,
            disk,
            clock,
            sink,
            meters,
            state: Mutex::new(state),
            commands: Mailbox::new(MAX_REQUESTS, WhenFull::DropNewest, Tally::default()),
            writer_bell: Bell::new(),
            cutter_bell: Bell::new(),
            ballast,
            transfers: Arc::new(Semaphore::new(MAX_TRANSFERS)),
            written: AtomicBool::new(false),
        });
        for (_, mailbox) in &courts {
            mailbox.attach(shared.writer_bell.clone());
        }
        let writer = Writer::new(Arc::clone(&shared), courts, recovered.segments_log);
        let cutter = Cutter::new(Arc::clone(&shared), recovered.clips_log);
        let (writer, cutter) = (Some(writer), Some(cutter));
        Ok(Self { shared, writer, cutter, threads: Vec::new(), _lock: lock })
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// [`RingError::Thread`].
    pub fn start(&mut self) -> Result<(), RingError> {
        if let Some(mut writer) = self.writer.take() {
            let shared = Arc::clone(&self.shared);
            self.spawn("ring-writer", move || {
                loop {
                    let round = writer.pump();
                    if round.finished {
                        break;
                    }
                    if !round.more {
                        // Rung by every offer and close; the rest is time.
                        let _rung = shared.writer_bell.wait(round.wait);
                    }
                }
            })?;
        }
        if let Some(mut cutter) = self.cutter.take() {
            let shared = Arc::clone(&self.shared);
            self.spawn("ring-cutter", move || {
                while !cutter.pump().finished {
                    // Rung by requests, by fragments on disk and by the writer's end.
                    let _rung = shared.cutter_bell.wait(IDLE);
                }
            })?;
        }
        Ok(())
    }

    fn spawn(
        &mut self,
        name: &'static str,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), RingError> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        self.threads.push(thread.map_err(|source| RingError::Thread { name, source })?);
        Ok(())
    }

    /// Does on this thread what the threads would do now, until there is nothing left: for tests
    /// with a clock that stands still. Does nothing once started.
    pub fn pump(&mut self) {
        let (Some(writer), Some(cutter)) = (&mut self.writer, &mut self.cutter) else { return };
        loop {
            let round = writer.pump();
            if round.finished || !round.more {
                break;
            }
        }
        cutter.pump();
    }

    /// Asks for a clip. Returns at once; `ClipSink::durable` tells when its entry is on disk.
    /// Asking again for the same id is harmless and gives the same clip.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn request(
        &self,
        court: &CourtId,
        session: SessionId,
        request: ClipRequest,
    ) -> Result<(), RequestError> {
        self.handle().request(court, session, request)
    }

    /// Ends the pin of a clip, by command. Returns at once.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn unpin(&self, id: &str) -> Result<(), RequestError> {
        self.handle().unpin(id)
    }

    /// What the ring does.
    #[must_use]
    pub fn status(&self) -> RingStatus {
        self.handle().status()
    }

    /// Room that is given up when an outbox commit meets ENOSPC (R9).
    #[must_use]
    pub fn ballast(&self) -> Ballast {
        self.shared.ballast.clone()
    }

    /// `/v1/clips…`, without authentication: mount it behind yours.
    pub fn routes(&self) -> axum::Router {
        self.handle().routes()
    }

    /// The same questions, for those who do not own the ring.
    #[must_use]
    pub fn handle(&self) -> RingHandle {
        RingHandle { shared: Arc::clone(&self.shared) }
    }

    /// Runs dry after the mailboxes were closed: writes what waits, closes fragments, cuts the
    /// clips that can be cut. Blocks.
    pub fn join(mut self) -> RingStatus {
        let handle = self.handle();
        if self.writer.is_some() {
            if let (Some(mut writer), Some(mut cutter)) = (self.writer.take(), self.cutter.take()) {
                while !writer.pump().finished {
                    // Rung by the close, if it is still to come.
                    let _rung = self.shared.writer_bell.wait(IDLE);
                }
                cutter.pump();
            }
            return handle.status();
        }
        self.shared.writer_bell.ring();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                error!("a thread of the ring panicked");
            }
        }
        let status = handle.status();
        info!(written = status.bytes_written, encoded = status.bytes_encoded, "ring closed");
        status
    }
}

/// Asks the ring without owning it.
#[derive(Clone)]
pub struct RingHandle {
    pub(crate) shared: Arc<Shared>,
}

impl std::fmt::Debug for RingHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RingHandle").finish_non_exhaustive()
    }
}

impl RingHandle {
    /// See [`Ring::request`].
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn request(
        &self,
        court: &CourtId,
        session: SessionId,
        request: ClipRequest,
    ) -> Result<(), RequestError> {
        let shared = &self.shared;
        if !is_clip_id(&request.id) {
            return Err(RequestError::BadId { id: request.id.chars().take(64).collect() });
        }
        let asked = shared.clock.monotonic();
        let wanted = Wanted { court: court.clone(), session, request, asked };
        let id = wanted.request.id.clone();
        {
            let mut state = shared.state.lock();
            if state.waiting >= MAX_REQUESTS {
                return Err(RequestError::Busy { waiting: state.waiting });
            }
            // From here on nothing of it is evicted.
            state.index.hold(&id, wanted.hold());
            state.waiting += 1;
        }
        if shared.commands.try_offer(Command::Cut(wanted)).is_err() {
            let mut state = shared.state.lock();
            state.index.release(&id);
            state.waiting -= 1;
            return Err(RequestError::Busy { waiting: MAX_REQUESTS });
        }
        shared.cutter_bell.ring();
        Ok(())
    }

    /// See [`Ring::unpin`].
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn unpin(&self, id: &str) -> Result<(), RequestError> {
        let command = Command::Unpin { id: id.to_owned() };
        self.shared
            .commands
            .try_offer(command)
            .map_err(|_| RequestError::Busy { waiting: MAX_REQUESTS })?;
        self.shared.cutter_bell.ring();
        Ok(())
    }

    /// See [`Ring::ballast`].
    #[must_use]
    pub fn ballast(&self) -> Ballast {
        self.shared.ballast.clone()
    }

    /// See [`Ring::routes`].
    pub fn routes(&self) -> axum::Router {
        routes::routes(self.clone())
    }

    /// See [`Ring::status`].
    #[must_use]
    pub fn status(&self) -> RingStatus {
        let state = self.shared.state.lock();
        let index = &state.index;
        let faults = state.courts.iter().filter_map(|(court, facts)| {
            facts.fault.as_ref().map(|fault| format!("court {court}: {fault}"))
        });
        let reason = state.stopped.clone().or_else(|| {
            let faults: Vec<_> = faults.collect();
            (!faults.is_empty()).then(|| faults.join("; "))
        });
        let storage = StorageState {
            condition: if reason.is_some() { "stopped" } else { "recording" }.to_owned(),
            reason: reason.or_else(|| no_clip_fits(index, state.limits)),
            ring_bytes: index.bytes(),
            quota_bytes: state.limits.quota,
            pinned_bytes: index.pinned_bytes(),
            free_bytes: state.free_bytes,
            clips: index.clip_count() as u64,
        };
        let facts = |(court, facts): (&CourtId, &CourtState)| {
            let (mut segments, mut bytes) = (0, 0);
            for entry in index.segments().filter(|entry| entry.court == *court) {
                segments += 1;
                bytes += entry.bytes;
            }
            RecorderFacts {
                court: court.clone(),
                session: facts.live,
                recording: facts.recording,
                fault: facts.fault.clone(),
                segments,
                bytes,
                last_end: facts.last_end.map(Ticks::media),
                lost_pictures: facts.lost_pictures,
                left_out_sound: facts.left_out_sound,
            }
        };
        RingStatus {
            storage,
            courts: state.courts.iter().map(facts).collect(),
            bytes_written: state.bytes_written,
            bytes_encoded: state.bytes_encoded,
        }
    }
}

/// Says so when the reserve is too small for any clip: a pin takes whole segments.
fn no_clip_fits(index: &Index, limits: Limits) -> Option<String> {
    let least = index.segments().map(|entry| entry.bytes).max()?;
    (limits.reserve < least).then(|| {
        format!(
            "clips are refused: pins may take {} of the {} bytes that the ring has, and one \
             segment takes {least}: free some room, or raise `quota_bytes` or `reserve_bytes` of \
             [ring]",
            limits.reserve, limits.quota
        )
    })
}

impl Shared {
    /// The writer is through.
    pub(crate) fn set_written(&self) {
        self.written.store(true, Ordering::Release);
        self.cutter_bell.ring();
    }

    pub(crate) fn is_written(&self) -> bool {
        self.written.load(Ordering::Acquire)
    }
}
