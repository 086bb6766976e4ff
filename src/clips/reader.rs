//! A ring read from outside, while a daemon may be writing it: for `courtside clips`.
//!
//! Clips are asked of its [`Shelf`]; here is what only files can be asked: any interval. Whether every byte
//! is what it was, `verify` says.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clips::audit::{self, AuditRead};
use crate::clips::boxes::HeadIs;
use crate::clips::clip::{Clip, MAX_JSON, is_clip_id};
use crate::clips::cut::plan;
use crate::clips::damage::in_no_index;
use crate::clips::files::{Places, Shape, open_segment, put_together};
use crate::clips::fragment::{Scanned, Verify};
use crate::clips::index::{ClipBrief, Hold, Index, SegmentEntry, SegmentNumber, parse_file_name};
use crate::clips::lines::{briefs as known_of, closed};
use crate::clips::recover::{MAX_INDEX, entry_of};
use crate::clips::shelf::{ClipQuery, Shelf};
use crate::clips::timeline::Ticks;
use crate::disk::{Disk, is_harm, read_whole};
use crate::media::{CourtId, MediaTime, SessionId, UtcTime};

/// A ring, read and never written. Takes no lock: files may go while they are read.
#[derive(Debug)]
pub struct RingReader {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) places: Places,
    pub(crate) index: Index,
    pub(crate) torn: Vec<Finding>,
    pub(crate) unsummed: usize,
    /// For each segment a media time, and what the box's clock showed then.
    clocks: BTreeMap<SegmentNumber, (Ticks, UtcTime)>,
}

/// What of an interval is not in what was cut, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lacks {
    /// What was never recorded, or is gone.
    pub missing: Option<String>,
    /// What rotted.
    pub damaged: Vec<String>,
}

/// What `verify` found of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it; `None` if nothing.
    pub wrong: Option<String>,
}

impl RingReader {
    /// Reads what is in a ring: every segment's fragments, in order. Of half a ring what there is.
    ///
    /// # Errors
    /// What is there instead of a ring; or what the file system says.
    pub fn open(dir: &Path, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let places = Places::new(dir);
        let mut index = Index::new();
        let missing = missing(&*disk, &places)?.into_iter();
        let mut torn: Vec<_> =
            missing.map(|path| Finding { path, wrong: Some(MISSING.to_owned()) }).collect();
        let mut clocks = BTreeMap::new();
        let mut unsummed = 0;
        // Read before the segments are: what it says was whole then.
        let log = readable(&*disk, &places.segments_log(), MAX_INDEX)?;
        let closed = closed(&log.unwrap_or_default());
        for file in or_none(disk.list(&places.segments))? {
            let Some((id, ..)) = parse_file_name(&file.name) else { continue };
            // Of what no index names either nothing is known.
            let told = |why: String| match closed.contains_key(&id) {
                true => why,
                false => in_no_index(&why, file.len),
            };
            let path = places.segments.join(&file.name);
            let read = open_segment(&*disk, &path, u64::MAX, Verify::Last);
            let clock = read.as_ref().ok().and_then(|opened| clock_of(&opened.scanned));
            let is = read.as_ref().ok().map(|opened| opened.scanned.head.is);
            unsummed += usize::from(is == Some(HeadIs::Unsummed));
            match read.map(|opened| entry_of(&opened.scanned)) {
                Ok(Some(entry)) => {
                    clocks.extend(clock.map(|clock| (entry.id, clock)));
                    // Where its end cannot be read there was more.
                    let said = closed.get(&entry.id).unwrap_or(&entry);
                    index.put_segment(SegmentEntry {
                        bytes: said.bytes.max(entry.bytes),
                        start: said.start.min(entry.start),
                        end: said.end.max(entry.end),
                        ..entry
                    });
                }
                Ok(None) => torn.push(Finding { path, wrong: Some("no whole fragment".into()) }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {} // evicted meanwhile
                Err(error) => torn.push(Finding { path, wrong: Some(told(error.to_string())) }),
            }
        }
        Ok(Self { disk, places, index, torn, unsummed, clocks })
    }

    /// The disk that the ring lies on.
    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Where a segment lies.
    pub(crate) fn path_of(&self, segment: &SegmentEntry) -> PathBuf {
        self.places.segment(segment)
    }

    /// The segments that an interval may be cut from, oldest first.
    pub(crate) fn around(
        &self,
        court: &CourtId,
        session: SessionId,
        (from, to): (Ticks, Ticks),
    ) -> Vec<SegmentEntry> {
        let session = session.to_string();
        self.index.around(&Hold { court: court.clone(), session, from, to, game: None })
    }

    /// What the box's clock showed at a media time of a segment, right to about a second: a segment says
    /// when it was begun, which was when its first fragment was whole. `None` where the clock was not
    /// set.
    #[must_use]
    pub(crate) fn utc_in(&self, segment: SegmentNumber, at: Ticks) -> Option<UtcTime> {
        let (ticks, utc) = self.clocks.get(&segment)?;
        Some(utc.plus_nanos(at.media().nanos_since(ticks.media())))
    }

    /// The media time of a segment's session at which the box's clock showed `utc`.
    #[must_use]
    pub(crate) fn media_at(&self, segment: SegmentNumber, utc: UtcTime) -> Option<Ticks> {
        let (ticks, shown) = self.clocks.get(&segment)?;
        Some(Ticks::of(ticks.media().plus_nanos(utc.nanos_since(*shown))))
    }

    /// Every segment, oldest first.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentEntry> {
        self.index.segments()
    }

    /// The clips of these files, as they are now.
    ///
    /// # Errors
    /// What the file system says.
    pub fn shelf(&self) -> io::Result<Shelf> {
        let mut index = self.index.clone();
        for entry in self.unread()? {
            index.put_segment(entry);
        }
        for brief in self.briefs()? {
            let is_there = |segment: &u64| index.segment(*segment).is_some();
            let whole = brief.pinned || brief.segments.iter().all(is_there);
            let gone_ns = brief.made_ns; // nobody wrote when
            index.put_clip(if whole { brief } else { brief.gone(gone_ns) });
        }
        Ok(Shelf::of_files(Arc::clone(&self.disk), self.places.clone(), Arc::new(index)))
    }

    /// Segments that nobody let go and that cannot be read now: their clips come back with them.
    pub(crate) fn unread(&self) -> io::Result<Vec<SegmentEntry>> {
        let mut unread = self.closed()?;
        for file in or_none(self.disk.list(&self.places.segments))? {
            let Some((id, court, session)) = parse_file_name(&file.name) else { continue };
            // No line of the index names it: all that is known is that it is there.
            unread.entry(id).or_insert_with(|| SegmentEntry {
                id,
                court,
                session: session.to_string(),
                start: 0,
                end: 0,
                bytes: file.len,
                ahead_ns: None,
                open: false,
                anew: 0,
            });
        }
        unread.retain(|id, _| self.index.segment(*id).is_none());
        Ok(unread.into_values().collect())
    }

    /// The segments of a clip that cannot be read now, though nobody let them go.
    ///
    /// # Errors
    /// What the file system says.
    pub fn unread_of(&self, clips: &[Clip]) -> io::Result<Vec<Vec<SegmentNumber>>> {
        // Not what came since this ring was looked at.
        let is_unread = |entry: &SegmentEntry| {
            open_segment(&*self.disk, &self.places.segment(entry), u64::MAX, Verify::Last).is_err()
        };
        let unread = self.unread()?.into_iter().filter(is_unread);
        let unread: BTreeSet<_> = unread.map(|entry| entry.id).collect();
        let of = |clip: &Clip| {
            let segments = clip.brief().segments.into_iter();
            segments.filter(|segment| unread.contains(segment)).collect()
        };
        Ok(clips.iter().map(of).collect())
    }

    /// What was deleted on demand, and how many lines of that cannot be read.
    ///
    /// # Errors
    /// What the file system says.
    pub fn audit(&self) -> io::Result<AuditRead> {
        audit::read(&*self.disk, &self.places.audit())
    }

    /// Every clip's entry, in order.
    ///
    /// # Errors
    /// What the file system says.
    pub fn clips(&self) -> io::Result<Vec<Clip>> {
        let all = ClipQuery { after: 0, limit: usize::MAX, court: None };
        Ok(self.shelf()?.list(&all).clips)
    }

    /// What stands in `clips.index`, where a file is there too; and what stands in files alone.
    fn briefs(&self) -> io::Result<Vec<ClipBrief>> {
        let log = readable(&*self.disk, &self.places.clips_log(), MAX_INDEX)?;
        let mut known = known_of(&log.unwrap_or_default());
        let mut briefs = Vec::new();
        for name in or_none(self.disk.names(&self.places.clips))? {
            let Some(id) = name.strip_suffix(".json").filter(|id| is_clip_id(id)) else { continue };
            if let Some(brief) = known.remove(id) {
                briefs.push(brief);
            } else if let Some(bytes) = readable(&*self.disk, &self.places.clip(id), MAX_JSON)? {
                briefs.extend(
                    Clip::from_json(&bytes).filter(|clip| clip.id == id).map(|c| c.brief()),
                );
            }
        }
        Ok(briefs)
    }

    /// Cuts an interval that was never asked for, of whole fragments alone. Gives its bytes in chunks.
    ///
    /// # Errors
    /// `NotFound` when nothing of it is in the ring; or what the file system says.
    pub fn cut(
        &self,
        court: &CourtId,
        session: SessionId,
        (from, to): (MediaTime, MediaTime),
        sink: impl FnMut(Vec<u8>) -> bool,
    ) -> io::Result<Lacks> {
        let session = session.to_string();
        let (from, to) = (Ticks::of(from), Ticks::of(to));
        let hold = Hold { court: court.clone(), session, from, to, game: None };
        let mut opened = Vec::new();
        let mut damaged = Vec::new();
        for entry in self.index.around(&hold) {
            let path = self.places.segment(&entry);
            let segment = open_segment(&*self.disk, &path, entry.bytes, Verify::All)?;
            damaged.extend(damage_in(&entry, &segment.scanned, (from, to)));
            opened.push((entry.id, segment));
        }
        let views: Vec<_> = opened.iter().map(|(id, open)| (*id, &open.scanned)).collect();
        let plan = plan(from, to, &views)
            .map_err(|why| io::Error::new(io::ErrorKind::NotFound, why.to_string()))?;
        let segment = |id| opened.iter().find(|(other, _)| *other == id);
        let parts: Vec<_> = plan
            .parts
            .iter()
            .filter_map(|part| Some((part.clone(), segment(part.segment)?.1.clone())))
            .collect();
        let (assembly, _) = put_together(&parts, Shape::Edited(from, to.max(from)))?;
        assembly.read(0, assembly.len, sink)?;
        Ok(Lacks { missing: plan.missing, damaged })
    }
}

/// What of an interval is damaged in a segment that was read, in words.
pub(crate) fn damage_in(
    entry: &SegmentEntry,
    scanned: &Scanned,
    (from, to): (Ticks, Ticks),
) -> Vec<String> {
    let all = scanned.damage(entry.bytes, Ticks(entry.end)).into_iter();
    let id = entry.id;
    let mut told: Vec<String> = all
        .filter(|damage| damage.is_in(from, to))
        .map(|damage| {
            let seconds = damage.seconds();
            format!(
                "{seconds} of segment {id} are damaged: left out, with what is decoded from them"
            )
        })
        .collect();
    if scanned.head.is == HeadIs::Damaged && entry.overlaps(from, to) {
        told.push(format!(
            "the head of segment {id} is damaged: its pictures may not be what they were"
        ));
    }
    told
}

/// A media time of a segment, and what the box's clock showed then; `None` if that was not set.
fn clock_of(scanned: &Scanned) -> Option<(Ticks, UtcTime)> {
    /// 2020-01-01: no box of ours recorded before it.
    const SET: UtcTime = UtcTime::from_nanos(1_577_836_800_000_000_000);
    let begun = scanned.head.header.begun;
    let (_, whole) = scanned.fragments.first()?.span;
    (begun >= SET).then_some((whole, begun))
}

/// What is said of a folder of a ring that is not there.
const MISSING: &str =
    "the folder is not there: the daemon makes it at its next start, and so does --repair";

/// The folders of a ring that are not there.
///
/// # Errors
/// `NotFound` where there is no ring, nor an empty folder to make one in, and what there is; or what the
/// file system says.
pub(crate) fn missing(disk: &dyn Disk, places: &Places) -> io::Result<Vec<PathBuf>> {
    let none = |what: String| io::Error::new(io::ErrorKind::NotFound, what);
    let there = match disk.list(&places.dir) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(none("there is no such folder".to_owned()));
        }
        Err(error) => return Err(error),
    };
    let ours = [
        &places.segments,
        &places.clips,
        &places.segments_log(),
        &places.clips_log(),
        &places.audit(),
        &places.news(),
        &places.lock(),
        &places.ballast(),
    ];
    let is_there = |path: &Path| there.iter().any(|entry| path.ends_with(&entry.name));
    if !there.is_empty() && !ours.iter().any(|path| is_there(path)) {
        let inner = there.iter().any(|entry| entry.is_dir && entry.name == "ring");
        let hint = if inner { ", but a folder `ring`: that may be meant" } else { "" };
        return Err(none(format!(
            "it has {} files or folders and nothing of a ring (segments, clips){hint}",
            there.len()
        )));
    }
    let folders = [&places.segments, &places.clips].into_iter();
    Ok(folders.filter(|folder| !is_there(folder)).cloned().collect())
}

/// Of a folder that is not there, nothing.
pub(crate) fn or_none<T>(listed: io::Result<Vec<T>>) -> io::Result<Vec<T>> {
    match listed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

/// The same, where what the disk cannot read counts as not there: `verify` names it.
pub(crate) fn readable(disk: &dyn Disk, path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    match read_or_none(disk, path, most) {
        Err(error) if is_harm(&error) => Ok(None),
        other => other,
    }
}

pub(crate) fn read_or_none(disk: &dyn Disk, path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    match read_whole(disk, path, most) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
