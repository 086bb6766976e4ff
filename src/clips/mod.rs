//! The ring of encoded video on disk: written in fragments, cut into clips, evicted oldest first.
//!
//! In: access units, 4 s a court; orders of clips. Out: clips, and the names of those that are on
//! disk. Owns `<data_dir>/ring/`; nothing else writes there, but that the outbox may give up the
//! ballast when a full disk refuses events. Read `timeline` and `fragment` (what survives a power
//! cut), `damage` (what of that rotted) and `packed` (in few bytes), `recorder` (when a fragment closes), `index` (what is where) and
//! `lines` (its files), `evict` (what may go), `cut` (which fragments an interval needs, and they as they lie), `edited` (a clip
//! of them that begins with the picture that was asked for), `boxes` (the MP4 boxes), `clip` (what
//! `{id}.json` says), `games` (when they were played), `keeping` (what is asked to be kept or deleted): all pure. Then the shell: `desk`
//! (what its threads share), `finding` (where an interval is), `writer` (the only
//! one that writes video), `entries` (what clips are, on disk), `news` with `newslog` (what the world is told of them),
//! `pins` (which end by themselves), `deleting` with `erase` and `audit` (on demand), `cutter`, `hashing` and `keep`
//! (clips), `recover` (what a start finds), `ring` (opens, starts, joins).
//!
//! A clip's bytes reach HTTP by `routes` → `shelf` (who may read what) → `files` (segments, opened and
//! put together as `edited` or `cut` says); `held` keeps one from going meanwhile. Commands come by `shelf` too, or by
//! `reader`, `verify` and `repair` without a daemon; `scrub` looks through it while it runs. `export` joins what is wanted of any interval or clip to
//! films, as `film` lays them out.
//!
//! What is recorded is played as it lies: `playlist` (stretches and lists) and `numbering` are pure, `library`
//! reads segments for them, `times` tells when they were, `pace` how fast all bytes leave.
//!
//! ```text
//! ring/segments/{n}.{court}.{session}.mp4   at most 60 s or 64 MiB each
//! ring/segments.index                       a line a segment: found again by scan if lost
//! ring/clips/{id}.json                      what a clip is, or why there is none
//! ring/clips.index                          a line a change: spares reading 100,000 files at start
//! ring/audit.log                            a line a deletion on demand: asked, and done
//! ring/news.log                             what is to be told of clips, until the outbox has it
//! ring/ballast  ring/lock
//! ```
//! Order on disk (R1): fragment → sync → announce; a segment's line once it is whole. A cut between
//! two arrows leaves bytes that no line names; `recover` finds or truncates them (R2, R3).
//!
//! Deliberately absent: a ring that makes room for `keep_free_bytes`. When other files fill the
//! disk the ring stops (R9); it does not throw away what it holds.

mod boxes;
mod packed;
mod timeline;
mod fragment;
mod damage;
mod recorder;
mod index;
mod lines;
mod evict;
mod cut;
mod film;
mod edited;
mod clip;
mod games;
mod keeping;
mod files;
mod audit;
mod erase;
mod recover;
mod desk;
mod finding;
mod writer;
mod newslog;
mod news;
mod entries;
mod pins;
mod deleting;
mod hashing;
mod cutter;
mod keep;
mod ring;
mod held;
mod shelf;
mod times;
mod playlist;
mod numbering;
mod library;
mod pace;
mod routes;
mod reader;
mod imports;
mod verify;
mod scrub;
mod repair;
mod export;
mod still;
mod thumbnail;

/// A ring that is opened, fed and asked by hand, as the tests outside of this crate have it.
#[cfg(test)]
#[path = "../../tests/support/ring.rs"]
#[allow(dead_code, unreachable_pub, reason = "tests use half of what they share")]
mod test_ring;
#[cfg(test)]
#[path = "../../tests/support/synthetic.rs"]
#[allow(dead_code, unreachable_pub, reason = "tests use half of what they share")]
mod synthetic;

pub use crate::clips::audit::{AUDIT_FORMAT, Asked, AskedSpan, AuditRead, AuditRecord};
pub use crate::clips::boxes::{Form, SEGMENT_FORMAT, SegmentHeader, Tracks, head, init};
pub use crate::clips::clip::{CLIP_FORMAT, Clip, Kept, Media, PinEnd};
pub use crate::clips::cut::{Part, Piece, assemble, plan};
pub use crate::clips::desk::{
    FragmentDurable, FragmentSink, MAX_PENDING, RingError, RingMeters, RingParts, RingSettings,
};
pub use crate::clips::export::{Apart, Film, Films, Sequence, Shown, Wanted};
pub use crate::clips::fragment::{
    AudioSample, Draft, Encoded, Fragment, Origins, Scanned, Verify, VideoSample, encode, origins,
    scan_bytes,
};
pub use crate::clips::games::{GameTime, Games};
pub use crate::clips::held::HeldClip;
pub use crate::clips::imports::{audits, delete, finish};
pub use crate::clips::index::SegmentEntry;
pub use crate::clips::keeping::{
    Delete, DeleteWhat, Deleted, DeletedImport, Interval, Keep, KeepWhat,
};
pub use crate::clips::lines::{ClipRecord, INDEX_FORMAT, Lines, SegmentRecord, line, lines};
pub use crate::clips::newslog::NEWS_FORMAT;
pub use crate::clips::pace::Pace;
pub use crate::clips::reader::{Finding, Lacks, RingReader};
pub use crate::clips::recorder::{Recorder, Step};
pub use crate::clips::repair::{Mended, repair};
pub use crate::clips::ring::{Recorders, Ring};
pub use crate::clips::routes::{ANSWERS_WITHIN, ReadTerms, routes};
pub use crate::clips::scrub::Scrub;
pub use crate::clips::shelf::{
    ClipBytes, ClipList, ClipQuery, KeptSoon, RecorderFacts, RingStatus, Shelf, ShelfError,
};
pub use crate::clips::still::{Still, Which};
pub use crate::clips::thumbnail::{Draws, thumbnails};
pub use crate::clips::timeline::{AudioClock, Ticks, VIDEO_TIMESCALE};

/// The formats of the ring's stores that this version writes, by name.
pub const FORMATS: [(&str, u32); 5] = [
    ("segments", SEGMENT_FORMAT.format),
    ("indexes", INDEX_FORMAT.format),
    ("clips", CLIP_FORMAT.format),
    ("audit", AUDIT_FORMAT.format),
    ("news", NEWS_FORMAT.format),
];
