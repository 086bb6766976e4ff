//! What the threads of the ring share: where they stand, what they are asked, whom they tell.
//!
//! `writer` and `cutter` write here, `shelf` reads. The state has one lock, held for lines and never
//! across I/O; the two bells wake the two threads. Here also stand the words that everybody in this
//! folder needs: settings, errors, what is told of the disk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::oneshot;
use tracing::warn;

use crate::clips::clip::{Clip, Kept, is_clip_id};
use crate::clips::evict::{Asked, Limits};
use crate::clips::files::Places;
use crate::clips::games::Games;
use crate::clips::index::{Hold, Index, SegmentNumber};
use crate::clips::keeping::{Delete, Deleted, Keep};
use crate::clips::timeline::Ticks;
use crate::clock::{Anchors, Clock};
use crate::disk::{Ballast, Disk, LockError};
use crate::event::{ClipOrder, ClipRequest, Decision};
use crate::mailbox::{Bell, Mailbox, UnitMailbox};
use crate::media::{CourtId, Foreign, MediaTime, Monotonic, SessionId, UtcTime};

/// Orders that may wait for their interval to pass: an hour of shots at one a second.
pub const MAX_PENDING: usize = 4096;
/// Acknowledgements and unpins that may wait for the cutter; more are told that it is busy.
pub(crate) const MAX_COMMANDS: usize = 4096;
/// Clips that were not made and are remembered. Chosen: who asked comes within minutes.
const MAX_UNMADE: usize = 64;
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
    /// When media time 0 was, where a recording is played in: its segments say its time, not the box's.
    pub recorded: Option<UtcTime>,
    /// The folder of imports, in which is deleted on demand too.
    pub imports: Option<PathBuf>,
}

impl RingSettings {
    /// What DESIGN §4.1 and R9 say, half of the quota for pins: for tests. In the daemon `config/ring`
    /// rules: `app/settings` puts its values over these, and only the ballast's size stays.
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
            recorded: None,
            imports: None,
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

    pub(crate) const fn asked(&self) -> Asked {
        Asked {
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

/// Is told what of the video is on the disk. Called on the ring's threads: hand over, do not block.
pub trait FragmentSink: Send + Sync {
    /// A fragment is on disk.
    fn fragment(&self, done: &FragmentDurable);
}

/// What a ring is made of.
pub struct RingParts {
    /// How much it may take, and where.
    pub settings: RingSettings,
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// Both clocks.
    pub clock: Arc<dyn Clock>,
    /// What each court records from.
    pub courts: Vec<(CourtId, UnitMailbox)>,
    /// Clips that are asked for. From the moment that one is taken, nothing of it is evicted; it is
    /// taken before anything else is. Asking again for the same id is harmless and gives the same
    /// clip. What is beyond [`MAX_PENDING`] waits in the hop.
    pub orders: Mailbox<ClipOrder>,
    /// Names of clips whose `clips/{id}.json` is on disk: a clip, or an entry that says why there is
    /// none. May repeat. What finds no room is kept and told again.
    pub done: Mailbox<String>,
    /// Who is told of fragments.
    pub sink: Arc<dyn FragmentSink>,
    /// Where news of clips go (`courtside.clip.v1`). The ring never waits for it: see `news`.
    pub news: Option<Mailbox<Decision>>,
    /// What is known of the wall's time of sessions that play.
    pub wall: Option<Anchors>,
    /// Who knows which games were played.
    pub games: Option<Arc<dyn Games>>,
    /// What is measured.
    pub meters: RingMeters,
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

/// What the threads of the ring share.
pub(crate) struct Desk {
    pub(crate) settings: RingSettings,
    pub(crate) places: Places,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) orders: Mailbox<ClipOrder>,
    pub(crate) done: Mailbox<String>,
    pub(crate) sink: Arc<dyn FragmentSink>,
    pub(crate) news: Option<Mailbox<Decision>>,
    pub(crate) wall: Option<Anchors>,
    pub(crate) games: Option<Arc<dyn Games>>,
    pub(crate) meters: RingMeters,
    // The one lock of the ring: held for lines, never across I/O. Writer and cutter change it,
    // the shelf reads it.
    pub(crate) state: Mutex<DeskState>,
    pub(crate) commands: Mailbox<CutterCommand>,
    /// Courts that came since the ring was opened; the writer takes them.
    pub(crate) arrivals: Mutex<Vec<(CourtId, UnitMailbox)>>,
    /// No court comes any more: the writer ends with the last one.
    pub(crate) ending: AtomicBool,
    pub(crate) writer_bell: Bell,
    pub(crate) cutter_bell: Bell,
    pub(crate) ballast: Ballast,
    /// Counts the clips that were ever held, to tell them apart.
    pub(crate) held: AtomicU64,
    /// Set once the writer is through: no fragment comes any more.
    pub(crate) written: AtomicBool,
}

/// Where the ring stands.
#[derive(Debug)]
pub(crate) struct DeskState {
    pub(crate) index: Index,
    pub(crate) courts: BTreeMap<CourtId, CourtProgress>,
    /// What the ring may take, as far as the disk has let it.
    pub(crate) limits: Limits,
    /// Why nothing is recorded, for all courts.
    pub(crate) stopped: Option<String>,
    pub(crate) free_bytes: u64,
    pub(crate) bytes_written: u64,
    pub(crate) bytes_encoded: u64,
    /// Orders that were taken and are held, on their way to the cutter.
    pub(crate) taken: Vec<PendingCut>,
    /// Orders that were taken and are not told as done yet.
    pub(crate) waiting: usize,
    /// Clips whose segments the writer let go, on their way to the cutter.
    pub(crate) lost: Vec<String>,
    /// Courts whose open segment is to end here, for the writer.
    pub(crate) splits: BTreeSet<CourtId>,
    /// Segments that are to go whatever room there is, and why, for the writer.
    pub(crate) doomed: Vec<(SegmentNumber, String)>,
    /// Files of segments that went and cannot be removed: the writer tries again.
    pub(crate) unremoved: BTreeMap<SegmentNumber, Unremoved>,
    /// Deletions on demand that the disk refused, and why: the cutter tries again.
    pub(crate) refused: BTreeMap<u64, String>,
    /// Clips that were to be kept and were not made, with nobody there to be told: their names, and why.
    pub(crate) unmade: VecDeque<(String, String)>,
    /// Clips whose bytes went since the start, since their place was needed.
    pub(crate) evicted: u64,
    /// Pins that ended since the start, by why.
    pub(crate) ended: BTreeMap<&'static str, u64>,
}

/// The file of a segment that went and is still there.
#[derive(Clone, Debug)]
pub(crate) struct Unremoved {
    pub(crate) path: PathBuf,
    /// Whose moments it has.
    pub(crate) session: SessionId,
    pub(crate) why: String,
}

/// How far the recording of a court is.
#[derive(Debug, Default)]
pub(crate) struct CourtProgress {
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

/// What the cutter is asked.
pub(crate) enum CutterCommand {
    Acknowledge {
        id: String,
        sha256: Option<String>,
        reply: oneshot::Sender<Result<Clip, ChangeError>>,
    },
    Unpin {
        id: String,
    },
    Release {
        id: String,
        reply: oneshot::Sender<Result<Clip, ChangeError>>,
    },
    Keep {
        keep: Keep,
        /// Is told what the clip's name is, once its interval is held and it is to be made.
        named: oneshot::Sender<String>,
        reply: oneshot::Sender<Result<Clip, ChangeError>>,
    },
    Delete {
        delete: Delete,
        reply: oneshot::Sender<Result<Deleted, ChangeError>>,
    },
}

/// A clip that is asked for and not cut yet.
#[derive(Debug)]
pub(crate) struct PendingCut {
    pub(crate) court: CourtId,
    pub(crate) session: SessionId,
    pub(crate) request: ClipRequest,
    pub(crate) asked: Monotonic,
    /// Somebody wants it kept, and waits.
    pub(crate) keep: Option<Keeping>,
    /// It is so long that it is hashed beside the cutter: its turn comes when nothing else is.
    pub(crate) long: bool,
}

/// Who waits for a clip that he wants kept.
#[derive(Debug)]
pub(crate) struct Keeping {
    pub(crate) kept: Kept,
    /// So much up to then was asked for.
    pub(crate) last: Option<Duration>,
    pub(crate) reply: oneshot::Sender<Result<Clip, ChangeError>>,
}

impl PendingCut {
    pub(crate) fn hold(&self) -> Hold {
        let time = |ns| Ticks::of(MediaTime::from_nanos(ns));
        let (from, to) = (time(self.request.from_ns), time(self.request.to_ns));
        let session = self.session.to_string();
        let game = self.request.about.game.as_ref().map(ToString::to_string);
        Hold { court: self.court.clone(), session, from, to: to.max(from), game }
    }
}

/// Why what was asked of a clip was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("there is no such clip")]
    Unknown,
    #[error("the clip's SHA-256 is {is}: pull it again")]
    OtherBytes { is: String },
    #[error("the clip's entry is of format {format}, which a newer version wrote")]
    Newer { format: u32 },
    #[error("{path} cannot be read as a clip's entry: it is damaged")]
    Damaged { path: PathBuf },
    #[error("{why}")]
    Harmed { why: String },
    #[error("the clip's bytes are gone")]
    Gone,
    #[error("there are no bytes of this clip: {why}")]
    NoBytes { why: String },
    #[error("{why}")]
    NotRecorded { why: Foreign },
    #[error("{id} is a clip of another interval")]
    Taken { id: String },
    #[error("it needs {more} bytes, and {pinned} of {reserve} are pinned")]
    Reserve { more: u64, pinned: u64, reserve: u64 },
    #[error("it is being made under the name {id}")]
    Making { id: String },
    #[error("too much is asked for already")]
    Busy,
    #[error("write what was asked for")]
    Disk(#[source] io::Error),
}

impl Desk {
    /// Takes the orders that wait: from here on nothing of them is evicted.
    pub(crate) fn take_orders(&self) {
        let asked = self.clock.monotonic();
        loop {
            let mut state = self.state.lock();
            if state.waiting >= MAX_PENDING {
                return; // the rest waits in its hop
            }
            let Some(ClipOrder { court, session, request }) = self.orders.try_take() else {
                return;
            };
            if !is_clip_id(&request.id) {
                drop(state);
                let id: String = request.id.chars().take(64).collect();
                warn!(
                    %court, clip = id,
                    "no name for a clip: use 1 to 128 of A-Z, a-z, 0-9, '-', '_' and '.'"
                );
                continue;
            }
            let cut = PendingCut { court, session, request, asked, keep: None, long: false };
            state.index.hold(&cut.request.id, cut.hold());
            state.waiting += 1;
            state.taken.push(cut);
        }
    }

    /// A clip that somebody wanted kept was not made.
    pub(crate) fn set_unmade(&self, id: &str, why: String) {
        let mut state = self.state.lock();
        if state.unmade.len() == MAX_UNMADE {
            state.unmade.pop_front();
        }
        state.unmade.push_back((id.to_owned(), why));
    }

    /// The writer is through.
    pub(crate) fn set_written(&self) {
        self.written.store(true, Ordering::Release);
        self.cutter_bell.ring();
    }

    pub(crate) fn is_written(&self) -> bool {
        self.written.load(Ordering::Acquire)
    }
}
