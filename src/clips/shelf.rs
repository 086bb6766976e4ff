//! What others may ask of the clips: list, read, open, acknowledge, unpin, and how the ring does.
//!
//! One face for all who come: HTTP (`routes` puts it into requests and answers), commands, whoever
//! sends clips on. It stands before a daemon's ring ([`Ring::shelf`](crate::clips::Ring::shelf)) or
//! before a ring's files alone ([`RingReader::shelf`](crate::clips::RingReader::shelf)); the latter
//! changes nothing.
//!
//! The way of a clip's bytes: [`Shelf::read`] gives its entry, [`Shelf::open`] opens the segments that
//! the entry names and takes one of [`MAX_READERS`] seats, [`ClipBytes::read`] gives any part of the
//! MP4 that `edited` or `cut` describes, out of the segments, in chunks. Nothing of it is ever in memory whole.
//! [`Shelf::list`], [`Shelf::read`], [`Shelf::open`] and [`ClipBytes::read`] read files on the caller's
//! thread: `routes` calls them by `spawn_blocking`. The others read none.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::clips::audit::{self, AuditRead};
use crate::clips::clip::{CLIP_FORMAT, Clip, LOST, MAX_JSON, NO_ENTRY, NoEntry, is_clip_id};
use crate::clips::cut::Part;
use crate::clips::desk::{ChangeError, CourtProgress, CutterCommand, Desk, DeskState};
use crate::clips::evict::Limits;
use crate::clips::files::{
    Assembly, OpenedSegment, Places, Shape, damage_of, open_clip, open_parts, open_segment,
    put_together,
};
use crate::clips::fragment::Verify;
use crate::clips::games::GameTime;
use crate::clips::held::HeldClip;
use crate::clips::index::{Hold, Index, SegmentEntry, SegmentNumber, parse_file_name};
use crate::clips::keeping::{Delete, Deleted, Keep};
use crate::clips::timeline::Ticks;
use crate::clock::Clock;
use crate::disk::{Disk, OpenHow, found_harmed, found_newer, is_harm, read_whole};
use crate::event::state::StorageState;
use crate::event::words::StorageCondition;
use crate::media::{CourtId, Foreign, MediaTime, SessionId, UtcTime};

/// Clips that are read at once from a daemon's ring: each holds open the files that it lies in, and a chunk
/// in memory, but no thread.
const MAX_READERS: usize = 64;
/// A list looks at so many entries at most for those of one court.
const MAX_LOOK: usize = 5_000;

/// Why the shelf did not give what was asked for.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum ShelfError {
    /// Nobody ever asked for it, it went, or the name is none.
    #[error("there is no such clip: list the clips to see what there is")]
    NoSuchClip,
    /// It will be there soon.
    #[error("the clip is still being recorded: ask again in a few seconds")]
    StillRecorded,
    /// Its entry stands, and says why there is nothing else.
    #[error("there are no bytes of this clip: {why}")]
    NoBytes { why: String },
    /// It was there.
    #[error("the clip is gone: its pin had ended, and its place was needed")]
    Gone,
    /// It is not on the disk any more, and nobody let it go.
    #[error("the clip is lost: {why}")]
    Lost { why: String },
    /// The disk does not give what was written.
    #[error("the clip is damaged: {why}")]
    Harmed { why: String },
    /// Somebody acknowledged bytes that are not the clip's.
    #[error("the clip's SHA-256 is {is}: pull it again")]
    OtherBytes { is: String },
    /// It was never recorded, or is gone.
    #[error("{why}")]
    NotRecorded { why: Foreign },
    /// It is asked for already.
    #[error("the clip is being made: ask for `{id}` in a few seconds")]
    Making { id: String },
    /// The name is that of another clip.
    #[error("`{id}` is a clip of another interval: leave the name out, or choose another")]
    Taken { id: String },
    /// R6.
    #[error(
        "its segments need {more} bytes, and {pinned} of the {reserve} bytes of ring.reserve_bytes are \
         pinned: pull clips, release some, or raise it"
    )]
    Reserve { more: u64, pinned: u64, reserve: u64 },
    /// Too many read, or wait, already.
    #[error("the ring is busy: ask again in a few seconds")]
    Busy,
    /// Files are read here; the daemon alone changes them.
    #[error("a ring's files are only read here: ask the daemon that owns them")]
    OnlyRead,
    /// The entry says nothing that we understand.
    #[error("{path} cannot be read as a clip's entry: it is damaged, or of a newer version")]
    Damaged { path: PathBuf },
    /// A newer version wrote the entry. The clip is kept for it.
    #[error("the clip's entry is of format {format}, this version reads {ours}: update the box", ours = CLIP_FORMAT.format)]
    Newer { format: u32 },
    /// The disk said no.
    #[error(transparent)]
    Disk(io::Error),
}

impl From<ChangeError> for ShelfError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Unknown => Self::NoSuchClip,
            ChangeError::OtherBytes { is } => Self::OtherBytes { is },
            ChangeError::Newer { format } => Self::Newer { format },
            ChangeError::Gone => Self::Gone,
            ChangeError::Damaged { path } => Self::Damaged { path },
            ChangeError::Harmed { why } => Self::Harmed { why },
            ChangeError::NoBytes { why } => Self::NoBytes { why },
            ChangeError::NotRecorded { why } => Self::NotRecorded { why },
            ChangeError::Taken { id } => Self::Taken { id },
            ChangeError::Making { id } => Self::Making { id },
            ChangeError::Reserve { more, pinned, reserve } => {
                Self::Reserve { more, pinned, reserve }
            }
            ChangeError::Busy => Self::Busy,
            ChangeError::Disk(error) => Self::Disk(error),
        }
    }
}

/// A clip that was to be kept.
#[derive(Clone, Debug)]
pub enum KeptSoon {
    /// It is on disk.
    Clip(Box<Clip>),
    /// It is being made under this name.
    Making {
        /// Its name.
        id: String,
    },
}

/// Where imports lie.
pub(crate) struct Imports {
    pub(crate) dir: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What part of the clips is asked for.
#[derive(Clone, Debug)]
pub struct ClipQuery {
    /// Clips whose number is greater.
    pub after: u64,
    /// At most so many.
    pub limit: usize,
    /// Of this court alone.
    pub court: Option<String>,
}

/// Clips in the order of their numbers.
#[derive(Clone, Debug)]
pub struct ClipList {
    /// Those that were asked for.
    pub clips: Vec<Clip>,
    /// There may be more `after` this.
    pub next: Option<u64>,
}

/// What others may ask of the clips. Clones ask the same ring.
#[derive(Clone)]
pub struct Shelf {
    disk: Arc<dyn Disk>,
    places: Places,
    readers: Arc<Semaphore>,
    before: Before,
}

/// What the shelf stands before.
#[derive(Clone)]
enum Before {
    /// A ring that is being recorded.
    Desk(Arc<Desk>),
    /// Files, as they were when they were looked at.
    Files(Arc<Index>),
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").field("dir", &self.places.dir).finish_non_exhaustive()
    }
}

impl Shelf {
    /// Stands before a ring that is being recorded.
    pub(crate) fn of_desk(desk: Arc<Desk>) -> Self {
        let (disk, places) = (Arc::clone(&desk.disk), desk.places.clone());
        Self { disk, places, readers: readers(), before: Before::Desk(desk) }
    }

    /// Stands before files that somebody else may be writing.
    pub(crate) fn of_files(disk: Arc<dyn Disk>, places: Places, index: Arc<Index>) -> Self {
        Self { disk, places, readers: readers(), before: Before::Files(index) }
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    pub(crate) const fn places(&self) -> &Places {
        &self.places
    }

    /// Looks at the index. Holds the ring's one lock: for lines.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Index) -> T) -> T {
        match &self.before {
            Before::Desk(desk) => at(&desk.state.lock().index),
            Before::Files(index) => at(index),
        }
    }

    /// Names of clips that are being recorded or made, of a court and a game; at most `most`.
    pub(crate) fn making(&self, court: Option<&str>, game: &str, most: usize) -> Vec<String> {
        let wanted = |hold: &Hold| {
            court.is_none_or(|court| hold.court.as_str() == court)
                && hold.game.as_deref().unwrap_or(&hold.session) == game
        };
        self.look(|index| {
            let all = index.making().filter(|(_, hold)| wanted(hold)).take(most);
            all.map(|(id, _)| id.to_owned()).collect()
        })
    }

    /// True of a game that was started, and of a session that is recorded.
    pub(crate) fn knows_game(&self, id: &str) -> bool {
        self.game(id).is_some() || self.is_live(id)
    }

    /// True of a court that is recorded now, or could be.
    pub(crate) fn has_court(&self, court: &CourtId) -> bool {
        match &self.before {
            Before::Desk(desk) => desk.state.lock().courts.contains_key(court),
            Before::Files(index) => index.segments().any(|entry| entry.court == *court),
        }
    }

    /// True where there is such a court, or something of it was recorded: one that was taken out of the configuration
    /// may have clips still.
    pub(crate) fn knows_court(&self, name: &str) -> bool {
        CourtId::new(name).is_ok_and(|court| {
            self.has_court(&court)
                || self.look(|index| index.segments().any(|entry| entry.court == court))
        })
    }

    /// True while a session of that name, 16 hexadecimal digits, is recorded.
    pub(crate) fn is_live(&self, session: &str) -> bool {
        let Before::Desk(desk) = &self.before else { return false };
        let live = SessionId::parse(session);
        live.is_some() && desk.state.lock().courts.values().any(|court| court.live == live)
    }

    /// A game that was started, as far as it is known. `None` before files alone.
    pub(crate) fn game(&self, id: &str) -> Option<GameTime> {
        let Before::Desk(desk) = &self.before else { return None };
        desk.games.as_ref()?.game(id)
    }

    /// Lists clips. One that goes, or cannot be read, is left out.
    #[must_use]
    pub fn list(&self, query: &ClipQuery) -> ClipList {
        let most = if query.court.is_some() { MAX_LOOK } else { query.limit.saturating_add(1) };
        let briefs: Vec<_> = self.look(|index| {
            let after = index.clips_after(query.after);
            after.take(most).map(|brief| (brief.number, brief.id.clone())).collect()
        });
        let mut clips = Vec::new();
        let mut looked = 0;
        let mut last = None;
        for (number, id) in &briefs {
            if clips.len() == query.limit {
                break;
            }
            looked += 1;
            last = Some(*number);
            let Ok(clip) = self.read(id) else { continue };
            if query.court.as_ref().is_none_or(|court| clip.court == *court) {
                clips.push(clip);
            }
        }
        let more = looked < briefs.len() || looked == MAX_LOOK;
        ClipList { clips, next: last.filter(|_| more) }
    }

    /// Reads a clip's entry.
    ///
    /// # Errors
    /// [`ShelfError`]: `NoSuchClip`, `StillRecorded`, `Newer`, `Damaged` or `Disk`.
    pub fn read(&self, id: &str) -> Result<Clip, ShelfError> {
        if !is_clip_id(id) {
            return Err(ShelfError::NoSuchClip);
        }
        let (known, held) =
            self.look(|index| (index.clip(id).map(|clip| clip.gone_ns), index.is_held(id)));
        let gone_ns = match (known, held) {
            (Some(gone_ns), _) => gone_ns,
            (None, true) => {
                return Err(match self.unmade(id) {
                    ShelfError::NoSuchClip => ShelfError::StillRecorded,
                    // Tried again, and so far not to be read.
                    why => why,
                });
            }
            (None, false) => return Err(self.unmade(id)),
        };
        let path = self.places.clip(id);
        let damaged = |path: PathBuf, why: &str| {
            found_harmed(&*self.disk, &path, why);
            ShelfError::Damaged { path }
        };
        let bytes = match read_whole(&*self.disk, &path, MAX_JSON) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Unless it was let go between the two looks.
                return Err(match self.look(|index| index.clip(id).is_some()) {
                    true => damaged(path, LOST),
                    false => ShelfError::NoSuchClip,
                });
            }
            Err(error) if is_harm(&error) => return Err(damaged(path, &error.to_string())),
            Err(error) => return Err(ShelfError::Disk(error)),
        };
        Clip::read(&bytes).map(|clip| clip.seen(gone_ns)).map_err(|why| match why {
            NoEntry::Newer(newer) => {
                found_newer(&*self.disk, &path, newer.format);
                ShelfError::Newer { format: newer.format.format }
            }
            NoEntry::Damaged => damaged(path, NO_ENTRY),
        })
    }

    /// Why a clip's bytes cannot be had. What the disk lost or changed is told, and its segment is named.
    pub(crate) fn why_not(&self, clip: &Clip, error: &io::Error) -> ShelfError {
        for part in clip.media.iter().flat_map(|media| &media.parts) {
            let known = || self.look(|index| index.segment(part.segment).cloned());
            let Some(entry) = known() else {
                // A start could not read it, and nobody let it go.
                if let Some(path) = self.lies(part.segment) {
                    let why = format!("segment {} of it cannot be read", part.segment);
                    found_harmed(&*self.disk, &path, why.clone());
                    return ShelfError::Harmed { why };
                }
                if !clip.pinned {
                    return ShelfError::Gone;
                }
                let why =
                    format!("segment {} of it, which is pinned, is not on the disk", part.segment);
                found_harmed(&*self.disk, &self.places.clip(&clip.id), why.clone());
                return ShelfError::Lost { why };
            };
            let path = self.places.segment(&entry);
            let error = match open_segment(&*self.disk, &path, part.to, Verify::Last) {
                Ok(opened) if opened.scanned.whole >= part.to => continue,
                Ok(opened) => {
                    let whole = opened.scanned.whole;
                    let text =
                        format!("{whole} bytes of it can be read, the clip needs {}", part.to);
                    io::Error::new(io::ErrorKind::InvalidData, text)
                }
                Err(error) => error,
            };
            let name = entry.id;
            return match error.kind() {
                // It was let go between the two looks.
                io::ErrorKind::NotFound if known().is_none() => ShelfError::Gone,
                io::ErrorKind::NotFound => {
                    found_harmed(&*self.disk, &path, "it is not on the disk, and nothing says why");
                    let why =
                        format!("segment {name} is not on the disk any more, and nothing says why");
                    ShelfError::Lost { why }
                }
                _ => {
                    found_harmed(&*self.disk, &path, error.to_string());
                    ShelfError::Harmed { why: format!("segment {name} cannot be read: {error}") }
                }
            };
        }
        if error.kind() == io::ErrorKind::NotFound {
            return ShelfError::Gone;
        }
        found_harmed(&*self.disk, &self.places.clip(&clip.id), error.to_string());
        ShelfError::Harmed { why: error.to_string() }
    }

    /// Where the file of a segment is that the index does not name.
    fn lies(&self, segment: SegmentNumber) -> Option<PathBuf> {
        let names = self.disk.names(&self.places.segments).ok()?;
        let is_it = |name: &&String| parse_file_name(name).is_some_and(|(id, ..)| id == segment);
        names.iter().find(is_it).map(|name| self.places.segments.join(name))
    }

    /// Why there is no such clip.
    fn unmade(&self, id: &str) -> ShelfError {
        let Before::Desk(desk) = &self.before else { return ShelfError::NoSuchClip };
        let state = desk.state.lock();
        let why = state.unmade.iter().rfind(|(unmade, _)| unmade == id);
        why.map_or(ShelfError::NoSuchClip, |(_, why)| ShelfError::NoBytes { why: why.clone() })
    }

    /// Opens a clip's bytes.
    ///
    /// # Errors
    /// [`ShelfError`]: `NoBytes`, `Busy`, `Gone` or `Disk`.
    pub fn open(&self, clip: &Clip) -> Result<ClipBytes, ShelfError> {
        if clip.media.is_none() {
            return Err(ShelfError::NoBytes { why: clip.note.clone().unwrap_or_default() });
        }
        let seat = Arc::clone(&self.readers).try_acquire_owned().map_err(|_| ShelfError::Busy)?;
        let entry = |id| -> Option<SegmentEntry> { self.look(|index| index.segment(id).cloned()) };
        match open_clip(&*self.disk, &self.places, clip, entry) {
            Ok(assembly) => Ok(self.bytes(clip, assembly, seat)),
            Err(error) => Err(self.why_not(clip, &error)),
        }
    }

    /// Opens what players of a clip's list get: its fragments, from the key frame on.
    ///
    /// # Errors
    /// [`ShelfError`]: `NoBytes`, `Busy`, `Gone` or `Disk`.
    pub(crate) fn fragments(&self, clip: &Clip) -> Result<ClipBytes, ShelfError> {
        let seat = Arc::clone(&self.readers).try_acquire_owned().map_err(|_| ShelfError::Busy)?;
        let put = put_together(&self.parts(clip)?, Shape::AsItLies);
        let (assembly, _) = put.map_err(|error| self.why_not(clip, &error))?;
        Ok(self.bytes(clip, assembly, seat))
    }

    fn bytes(&self, clip: &Clip, assembly: Assembly, seat: OwnedSemaphorePermit) -> ClipBytes {
        let (disk, entry) = (Arc::clone(&self.disk), self.places.clip(&clip.id));
        ClipBytes { assembly, disk, entry, _seat: seat }
    }

    /// Opens the segments of a clip, one a part: for who needs a picture of it and not its bytes. Takes no
    /// seat.
    pub(crate) fn parts(&self, clip: &Clip) -> Result<Vec<(Part, OpenedSegment)>, ShelfError> {
        let why = || clip.note.clone().unwrap_or_default();
        let media = clip.media.as_ref().ok_or_else(|| ShelfError::NoBytes { why: why() })?;
        let entry = |id| -> Option<SegmentEntry> { self.look(|index| index.segment(id).cloned()) };
        open_parts(&*self.disk, &self.places, media, Verify::Last, entry)
            .map_err(|error| self.why_not(clip, &error))
    }

    /// The seconds of a clip that cannot be read any more, in words, each fragment compared with its checksum.
    /// Reads files on the caller's thread.
    ///
    /// # Errors
    /// What the file system says.
    pub fn damage(&self, clip: &Clip) -> io::Result<Vec<String>> {
        let Some(media) = &clip.media else { return Ok(Vec::new()) };
        let entry = |id| -> Option<SegmentEntry> { self.look(|index| index.segment(id).cloned()) };
        open_parts(&*self.disk, &self.places, media, Verify::All, entry)
            .map(|parts| damage_of(&parts, Ticks::of(MediaTime::from_nanos(media.end_ns))))
    }

    /// Keeps a clip's bytes from being evicted until that is dropped.
    #[must_use]
    pub fn hold(&self, clip: &Clip) -> HeldClip {
        let desk = match &self.before {
            Before::Desk(desk) => Some(Arc::clone(desk)),
            Before::Files(_) => None,
        };
        HeldClip::of(desk, clip)
    }

    /// Ends a clip's pin, since somebody has its bytes. `sha256`: of what was received, hexadecimal;
    /// without it nothing is compared. Answers when that is on disk.
    ///
    /// # Errors
    /// [`ShelfError`]: `NoSuchClip`, `OtherBytes`, `Busy`, `OnlyRead` or `Disk`.
    pub async fn acknowledge(&self, id: &str, sha256: Option<&str>) -> Result<Clip, ShelfError> {
        let (reply, answer) = oneshot::channel();
        let (id, sha256) = (id.to_owned(), sha256.map(str::to_owned));
        self.command(CutterCommand::Acknowledge { id, sha256, reply })?;
        // Without an answer the ring ended first.
        Ok(answer.await.map_err(|_| ShelfError::Busy)??)
    }

    /// Ends a clip's pin, by command. Returns at once.
    ///
    /// # Errors
    /// [`ShelfError`]: `Busy` or `OnlyRead`.
    pub fn unpin(&self, id: &str) -> Result<(), ShelfError> {
        self.command(CutterCommand::Unpin { id: id.to_owned() })
    }

    /// Ends a clip's pin, by command. Answers when that is on disk; a pin that had ended stays as it was.
    ///
    /// # Errors
    /// [`ShelfError`]: `NoSuchClip`, `Newer`, `Busy`, `OnlyRead` or `Disk`.
    pub async fn release(&self, id: &str) -> Result<Clip, ShelfError> {
        let (reply, answer) = oneshot::channel();
        self.command(CutterCommand::Release { id: id.to_owned(), reply })?;
        Ok(answer.await.map_err(|_| ShelfError::Busy)??)
    }

    /// Keeps an interval, or a clip that there is. Answers when that is on disk: once the interval was
    /// recorded. The same again gives the same clip.
    ///
    /// # Errors
    /// [`ShelfError`]: what it is, and R6 with the sum (`Reserve`).
    pub async fn keep(&self, keep: Keep) -> Result<Clip, ShelfError> {
        let (reply, answer) = oneshot::channel();
        let (named, _) = oneshot::channel();
        self.command(CutterCommand::Keep { keep, named, reply })?;
        Ok(answer.await.map_err(|_| ShelfError::Busy)??)
    }

    /// As [`keep`](Self::keep), for who does not wait for long: whatever is not on disk by then goes on.
    ///
    /// # Errors
    /// As there; what comes of it later is told by [`read`](Self::read), while it is remembered.
    pub async fn keep_within(&self, keep: Keep, limit: Duration) -> Result<KeptSoon, ShelfError> {
        let (reply, answer) = oneshot::channel();
        let (named, mut name) = oneshot::channel();
        self.command(CutterCommand::Keep { keep, named, reply })?;
        match tokio::time::timeout(limit, answer).await {
            Ok(Ok(Ok(clip))) => Ok(KeptSoon::Clip(Box::new(clip))),
            Ok(Ok(Err(ChangeError::Making { id }))) => Ok(KeptSoon::Making { id }),
            Ok(Ok(Err(error))) => Err(error.into()),
            Ok(Err(_ended)) => Err(ShelfError::Busy),
            Err(_late) => match name.try_recv() {
                Ok(id) => Ok(KeptSoon::Making { id }),
                Err(_) => Err(ShelfError::Busy),
            },
        }
    }

    /// Deletes on demand, in this ring alone. Answers when it is gone and the audit log says so.
    ///
    /// # Errors
    /// [`ShelfError`]: what it is. After `Disk` ask again; after a stop in between the next start does it.
    pub async fn delete(&self, delete: Delete) -> Result<Deleted, ShelfError> {
        let answer = self.asks_to_delete(delete)?;
        Ok(answer.await.map_err(|_| ShelfError::Busy)??)
    }

    /// Asks for a deletion; what comes of it comes later.
    pub(crate) fn asks_to_delete(
        &self,
        delete: Delete,
    ) -> Result<oneshot::Receiver<Result<Deleted, ChangeError>>, ShelfError> {
        let (reply, answer) = oneshot::channel();
        self.command(CutterCommand::Delete { delete, reply })?;
        Ok(answer)
    }

    /// Where imports lie beside this ring, if they do.
    pub(crate) fn imports(&self) -> Option<Imports> {
        let Before::Desk(desk) = &self.before else { return None };
        let dir = desk.settings.imports.clone()?;
        let (disk, clock) = (Arc::clone(&desk.disk), Arc::clone(&desk.clock));
        Some(Imports { dir, disk, clock })
    }

    /// What was deleted on demand, as the audit log has it. Reads a file on the caller's thread.
    ///
    /// # Errors
    /// What the file system says.
    pub fn audit(&self) -> io::Result<AuditRead> {
        audit::read(&*self.disk, &self.places.audit())
    }

    /// How long the audit log is: whoever looks at it need not read it again while that is the same.
    #[must_use]
    pub fn audit_bytes(&self) -> u64 {
        let file = self.disk.open(&self.places.audit(), OpenHow::Read);
        file.and_then(|file| file.len()).unwrap_or(0)
    }

    /// The time of the box, for what is asked.
    #[must_use]
    pub fn utc(&self) -> Option<UtcTime> {
        match &self.before {
            Before::Desk(desk) => Some(desk.clock.utc()),
            Before::Files(_) => None,
        }
    }

    fn command(&self, command: CutterCommand) -> Result<(), ShelfError> {
        let Before::Desk(desk) = &self.before else { return Err(ShelfError::OnlyRead) };
        desk.commands.try_offer(command).map_err(|_| ShelfError::Busy)?;
        desk.cutter_bell.ring();
        Ok(())
    }

    /// What the ring does. `None` before files alone: nobody records.
    #[must_use]
    pub fn status(&self) -> Option<RingStatus> {
        match &self.before {
            Before::Desk(desk) => Some(RingStatus::of(&desk.state.lock())),
            Before::Files(_) => None,
        }
    }
}

fn readers() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MAX_READERS))
}

/// A clip whose bytes can be read. Holds one of the shelf's seats.
#[derive(Debug)]
pub struct ClipBytes {
    assembly: Assembly,
    disk: Arc<dyn Disk>,
    /// Of the clip.
    entry: PathBuf,
    _seat: OwnedSemaphorePermit,
}

impl ClipBytes {
    /// Length of the MP4.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.assembly.len
    }

    /// At most `most` bytes from `from` on; none behind the end. Reads files on the caller's thread.
    ///
    /// # Errors
    /// What the file system says.
    pub fn read_at(&self, from: u64, most: usize) -> io::Result<Vec<u8>> {
        self.assembly.read_at(from, most).inspect_err(|error| self.tell(error))
    }

    /// Gives the bytes from `from` (inclusive) to `to` (exclusive) in chunks of at most 128 KiB, until
    /// `sink` has enough.
    ///
    /// # Errors
    /// What the file system says.
    pub fn read(&self, from: u64, to: u64, sink: impl FnMut(Vec<u8>) -> bool) -> io::Result<()> {
        self.assembly.read(from, to, sink).inspect_err(|error| self.tell(error))
    }

    /// Who reads sees the connection end, and no more.
    fn tell(&self, error: &io::Error) {
        found_harmed(&*self.disk, &self.entry, format!("bytes of it cannot be read: {error}"));
    }
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
    /// Clips whose bytes went since the start, since their place was needed.
    pub clips_evicted: u64,
    /// Pins that ended since the start, by why.
    pub clips_ended: Vec<(&'static str, u64)>,
}

impl RingStatus {
    pub(crate) fn of(state: &DeskState) -> Self {
        let index = &state.index;
        let faults = state.courts.iter().filter_map(|(court, facts)| {
            facts.fault.as_ref().map(|fault| format!("court {court}: {fault}"))
        });
        let faults: Vec<_> = faults.collect();
        let disk_refuses = state.stopped.is_none() && !faults.is_empty();
        let reason = state.stopped.clone().or_else(|| disk_refuses.then(|| faults.join("; ")));
        let condition = match &reason {
            Some(_) => StorageCondition::Stopped,
            None => StorageCondition::Recording,
        };
        let reasons: Vec<_> = reason.into_iter().chain(not_deleted(state)).collect();
        let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        let storage = StorageState {
            condition,
            reason: reason.or_else(|| no_clip_fits(index, state.limits)).map(Foreign::told),
            disk_refuses,
            ring_bytes: index.bytes(),
            quota_bytes: state.limits.quota,
            pinned_bytes: index.pinned_bytes(),
            free_bytes: state.free_bytes,
            clips: index.clip_count() as u64,
        };
        let facts = |(court, facts): (&CourtId, &CourtProgress)| {
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
        Self {
            storage,
            courts: state.courts.iter().map(facts).collect(),
            bytes_written: state.bytes_written,
            bytes_encoded: state.bytes_encoded,
            clips_evicted: state.evicted,
            clips_ended: state.ended.iter().map(|(why, count)| (*why, *count)).collect(),
        }
    }
}

/// Says what is to be deleted and still there, since the disk refuses.
fn not_deleted(state: &DeskState) -> Option<String> {
    let files = state.unremoved.values().map(|file| &file.why);
    let mut whys = files.chain(state.refused.values());
    let why = whys.next()?;
    let count = 1 + whys.count();
    Some(format!(
        "{count} to be deleted, and the disk refuses ({why}): tried again, check the disk"
    ))
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
