//! What stands on the disk after a stop of any kind, put in order (DESIGN R2, R3, R8).
//!
//! Order: lock → read both logs up to their first bad line → list the segments; what no line names
//! is scanned, and cut to its last whole fragment where it is torn; what a line says was evicted goes now; what a
//! line says is whole, and is damaged, shorter or missing, stays named as it was and is told → list the
//! clips; what no line names, or was being changed, is read from `clips/{id}.json` → that the bytes of
//! a clip went, and nobody wrote it down, is written down as due to be told → both logs are written new if they say anything else than this. A cut in between is begun again from the start:
//! no step takes away what an earlier one needs.
//!
//! A full disk stops none of it: a log that cannot be written new goes on behind its last good
//! line. That is as true, only longer; what it does not say is found again as it was found now.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use tracing::{info, warn};

use crate::clips::boxes::{MAX_HEAD, SEGMENT_FORMAT, segment_format};
use crate::clips::clip::{CHANGED, Clip, LOST, MAX_JSON, NO_ENTRY, NoEntry, is_clip_id, sum_of};
use crate::clips::damage::in_no_index;
use crate::clips::desk::{RingError, Unremoved};
use crate::clips::files::{Log, Places, read_part};
use crate::clips::fragment::{Scanned, Verify, scan};
use crate::clips::index::{ClipBrief, Index, SegmentEntry, SegmentNumber, parse_file_name};
use crate::clips::lines::{
    ClipRecord, INDEX_FORMAT, SegmentRecord, greatest_number, index_format, line, lines, rot,
};
use crate::clips::news::told_gone;
use crate::clips::newslog::NewsLog;
use crate::clips::timeline::Ticks;
use crate::disk::{
    Disk, DiskFile, Format, NEW_SUFFIX, OpenHow, Wrong, copy_by, found_harmed, is_aside, is_harm,
    is_sealed, make_folder, put_by, read_whole, write_durably,
};
use crate::event::Event;
use crate::media::{CourtId, SessionId, UtcTime};

/// No index is longer: a million clips.
pub(crate) const MAX_INDEX: u64 = 1 << 30;

/// A ring in order.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) index: Index,
    pub(crate) segments_log: Log,
    pub(crate) clips_log: Log,
    /// Files of segments that went and could not be removed.
    pub(crate) unremoved: BTreeMap<SegmentNumber, Unremoved>,
    /// What a stop left to be told of clips.
    pub(crate) news: NewsLog,
    /// Clips whose entries cannot be read or are not there, and why.
    pub(crate) lost: Vec<(String, String)>,
}

/// The segments of a ring, in order.
struct Segments {
    log: Log,
    /// Files of segments that cannot be read, of which no line says what they had: perhaps somebody can.
    unread: BTreeSet<SegmentNumber>,
}

/// Whether the lines of `clips.index` are compared with the entries that they are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Only where they show that they are older: reading a hundred thousand entries takes longer than a start may.
    Lines,
    /// Each of them.
    Entries,
}

/// Puts a ring in order. The caller holds its lock.
///
/// `now` dates what is found to be gone.
pub(crate) fn recover(
    shared: &Arc<dyn Disk>,
    places: &Places,
    now: UtcTime,
    trust: Trust,
) -> Result<Recovered, RingError> {
    let disk = &**shared;
    for dir in [&places.dir, &places.segments, &places.clips] {
        make_folder(disk, dir).map_err(|source| RingError::Open { path: dir.clone(), source })?;
    }
    let mut index = Index::new();
    let mut unremoved = BTreeMap::new();
    let Segments { log: segments_log, unread } =
        recover_segments(disk, places, &mut index, &mut unremoved)?;
    let news = NewsLog::open(Arc::clone(shared), places);
    let mut news = news.map_err(|source| open_error(&places.news(), source))?;
    let (clips_log, lost) =
        recover_clips(disk, places, (&mut index, &mut news), (&unread, now, trust))?;
    news.hold_against(places, |id| index.clip(id));
    info!(
        segments = index.segments().count(),
        clips = index.clip_count(),
        bytes = index.bytes(),
        unread = unread.len(),
        "ring opened"
    );
    Ok(Recovered { index, segments_log, clips_log, unremoved, news, lost })
}

fn recover_segments(
    disk: &dyn Disk,
    places: &Places,
    index: &mut Index,
    unremoved: &mut BTreeMap<SegmentNumber, Unremoved>,
) -> Result<Segments, RingError> {
    let path = places.segments_log();
    let found = FoundLog::read(disk, &path)?;
    let read = lines::<SegmentRecord>(&found.bytes);
    if read.good < found.bytes.len() {
        let (good, of) = (read.good, found.bytes.len());
        warn!(path = %path.display(), good, of, "index damaged: rebuilt from segments");
    }
    found.tell(disk, &path);
    if let Some(given) = found.numbers {
        index.seen_segment(given);
    }
    let mut known = BTreeMap::new();
    let mut evicted = BTreeSet::new();
    for (record, line) in read.records {
        match record {
            SegmentRecord::Format(_) => {}
            SegmentRecord::Given { id } => index.seen_segment(id),
            SegmentRecord::Closed(entry) => {
                known.insert(entry.id, (entry, line));
            }
            SegmentRecord::Evicted { id, .. } => {
                index.seen_segment(id);
                known.remove(&id);
                evicted.insert(id);
            }
        }
    }
    let listed = disk.list(&places.segments);
    let listed = listed.map_err(|source| open_error(&places.segments, source))?;
    let mut removed = false;
    let mut stands = BTreeMap::new();
    let mut unread = BTreeSet::new();
    let mut newest: BTreeMap<CourtId, SegmentNumber> = BTreeMap::new();
    for (id, court, _) in listed.iter().filter_map(|file| parse_file_name(&file.name)) {
        let last = newest.entry(court).or_default();
        *last = id.max(*last);
    }
    for file in listed {
        let path = places.segments.join(&file.name);
        if file.name.ends_with(NEW_SUFFIX) {
            let _left = remove(disk, &path); // a segment that was being written anew: the old one stands
            removed = true;
            continue;
        }
        let Some((id, court, session)) = parse_file_name(&file.name) else { continue };
        if evicted.contains(&id) {
            if remove(disk, &path) {
                removed = true;
            } else {
                let why = "a start could not remove it".to_owned();
                unremoved.insert(id, Unremoved { path, session, why });
            }
            continue;
        }
        let named = known.remove(&id);
        let whole = named.as_ref().map(|(entry, _)| entry.bytes);
        let may_be_torn = newest.get(&court) == Some(&id);
        match named {
            Some((entry, line)) if entry.bytes == file.len => {
                if !entry.open {
                    stands.insert(id, line);
                }
                index.put_segment(SegmentEntry { open: false, ..entry });
            }
            named => {
                let read = repair(disk, &path, (id, court, session), (whole, may_be_torn));
                let (can_be_read, why) = match read {
                    Ok(Mending::Is(entry)) => {
                        index.put_segment(*entry);
                        continue;
                    }
                    Ok(Mending::Nothing) => {
                        // Not one whole fragment: nothing was ever announced of it.
                        index.seen_segment(id);
                        let _left = remove(disk, &path);
                        removed = true;
                        continue;
                    }
                    Ok(Mending::Newer(format)) => {
                        index.seen_segment(id);
                        unread.insert(id);
                        warn!(path = %path.display(), format, "segment of a newer version: left alone");
                        continue;
                    }
                    Ok(Mending::Damaged(can_be_read, why)) => (can_be_read, why),
                    Err(error) => (None, error.to_string()),
                };
                let is_known = named.is_some() || can_be_read.is_some();
                let why = if is_known { why } else { in_no_index(&why, file.len) };
                found_harmed(disk, &path, why);
                match (named, can_be_read) {
                    // Its line says what there was: it stands, until the segment's turn to go has come.
                    (Some((entry, line)), _) => {
                        stands.insert(id, line);
                        index.put_segment(SegmentEntry { bytes: file.len, open: false, ..entry });
                    }
                    (None, Some(entry)) => index.put_segment(*entry),
                    (None, None) => {
                        index.seen_segment(id);
                        unread.insert(id);
                    }
                }
            }
        }
    }
    // It may come back (a disk that is not mounted, a file that somebody saves): until its turn to go has come.
    for (id, (entry, line)) in known {
        found_harmed(disk, &places.segment(&entry), MISSING);
        stands.insert(id, line);
        index.put_segment(SegmentEntry { bytes: 0, open: false, ..entry });
    }
    if removed {
        disk.sync_dir(&places.segments).map_err(|source| open_error(&places.segments, source))?;
    }
    let mut fresh = found.head(line(&SegmentRecord::Format(INDEX_FORMAT)));
    // The greatest number ever given stays known, so that it is not given again.
    let given = index.given_segment();
    if given > index.segments().map(|entry| entry.id).max().unwrap_or(0) {
        fresh.extend(line(&SegmentRecord::Given { id: given }));
    }
    for entry in index.segments() {
        match stands.get(&entry.id) {
            Some(line) => fresh.extend(*line),
            None => fresh.extend(line(&SegmentRecord::Closed(entry.clone()))),
        }
    }
    for id in unremoved.keys() {
        let why = "it went, and its file could not be removed".to_owned();
        fresh.extend(line(&SegmentRecord::Evicted { id: *id, why }));
    }
    fresh.extend(read.unknown.concat());
    let log = rewrite::<SegmentRecord>(disk, &path, &found.bytes, &fresh)?;
    found.merged(disk);
    Ok(Segments { log, unread })
}

/// An index as it was found, and those of newer versions beside it.
struct FoundLog {
    /// Empty where it was put aside.
    bytes: Vec<u8>,
    /// What shows that it is damaged.
    rot: Option<&'static str>,
    format: Format,
    /// Put aside by an earlier version than this, which reads them: all that they say stands in the
    /// segments and in `clips/` too, but for the greatest number.
    merged: Vec<PathBuf>,
    /// The greatest number that is named in what was put aside.
    numbers: Option<u64>,
}

impl FoundLog {
    /// Reads an index. One of a format that this version cannot read is put aside.
    fn read(disk: &dyn Disk, path: &Path) -> Result<Self, RingError> {
        let there = read_log(disk, path)?;
        let rotten = there.as_deref().and_then(rot);
        let bytes = there.unwrap_or_default();
        let format = index_format(&bytes);
        let mut found = Self { bytes, rot: rotten, format, merged: Vec::new(), numbers: None };
        if !format.is_read_by(INDEX_FORMAT) {
            let harm = put_by(disk, path, Wrong::Newer(format));
            // What stays in its place would be written over.
            harm.aside.ok_or_else(|| open_error(path, io::Error::other(harm.why)))?;
            (found.bytes, found.rot, found.format) = (Vec::new(), None, Format::FIRST);
        }
        let dir = path.parent().unwrap_or(Path::new("."));
        let names = disk.names(dir).map_err(|source| open_error(dir, source))?;
        for name in names.iter().filter(|name| is_aside(name, path)) {
            let aside = dir.join(name);
            let bytes = read_log(disk, &aside)?.unwrap_or_default();
            found.numbers = found.numbers.max(greatest_number(&bytes));
            if index_format(&bytes).is_read_by(INDEX_FORMAT) {
                found.merged.push(aside);
            }
        }
        Ok(found)
    }

    /// Keeps it as it was, where it is damaged and not only torn: it is written anew.
    fn tell(&self, disk: &dyn Disk, path: &Path) {
        if let Some(why) = self.rot {
            copy_by(disk, path, &self.bytes, why);
        }
    }

    /// The first line: `ours`, or that of a newer version as it stood.
    fn head(&self, ours: Vec<u8>) -> Vec<u8> {
        let mut lines = self.bytes.split_inclusive(|&byte| byte == b'\n');
        let newer = self.format.format > INDEX_FORMAT.format;
        lines.next().filter(|_| newer).map_or(ours, <[u8]>::to_vec)
    }

    /// What was merged goes, once the index that has it is on disk.
    fn merged(&self, disk: &dyn Disk) {
        for path in &self.merged {
            info!(path = %path.display(), "index that an earlier version put aside: merged");
            let _left = remove(disk, path);
        }
    }
}

/// What is said of a segment that the index names.
const MISSING: &str = "it is not on the disk, and nothing says why";

/// What becomes of a segment that no line of the index names as it is.
enum Mending {
    Is(Box<SegmentEntry>),
    /// Nothing was ever announced of it.
    Nothing,
    /// There was more of it than can be read, and why that is known: it stays as it is. With what of it can.
    Damaged(Option<Box<SegmentEntry>>, String),
    Newer(u32),
}

/// Reads a segment that no line of the index names as it is, and cuts what is torn off it. `whole`: the bytes
/// that a line says it had; `may_be_torn`: it is the last of its court.
///
/// What a power cut tears is one fragment, the last, of a segment that was open. Whatever else cannot be read was
/// whole once: nothing of it is cut.
fn repair(
    disk: &dyn Disk,
    path: &Path,
    (id, court, session): (SegmentNumber, CourtId, SessionId),
    (whole, may_be_torn): (Option<u64>, bool),
) -> io::Result<Mending> {
    let file = disk.open(path, OpenHow::ReadWrite)?;
    let len = file.len()?;
    let head = usize::try_from(len.min(MAX_HEAD)).unwrap_or(usize::MAX);
    let format = segment_format(&read_part(&*file, 0, head)?).unwrap_or(SEGMENT_FORMAT);
    if !format.is_read_by(SEGMENT_FORMAT) {
        return Ok(Mending::Newer(format.format));
    }
    // Why it is known that there was more than what can be read, which ends there.
    let more = |at: u64| match whole {
        Some(whole) if whole <= at => Ok(None),
        Some(whole) if whole > len => {
            Ok(Some(format!("{whole} bytes of it were whole, {len} are there")))
        }
        Some(whole) => {
            Ok(Some(format!("{whole} bytes of it were whole, and not all of them can be read")))
        }
        None if fragments_from(&*file, (at, len))? > 1 => {
            Ok(Some(format!("it cannot be read from byte {at} on, and more stands behind that")))
        }
        None => io::Result::Ok(None),
    };
    let scanned = scan(len, Verify::Last, |at, n| read_part(&*file, at, n))?;
    let Some(scanned) = scanned else {
        return Ok(more(0)?.map_or(Mending::Nothing, |why| Mending::Damaged(None, why)));
    };
    let header = &scanned.head.header;
    if (header.id, &header.court, header.session) != (id, &court, session) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "its name is not its own"));
    }
    let Some(entry) = entry_of(&scanned) else {
        let why = more(scanned.whole)?;
        return Ok(why.map_or(Mending::Nothing, |why| Mending::Damaged(None, why)));
    };
    let mut why = more(scanned.whole)?;
    if why.is_none() && whole.is_none() && !may_be_torn && scanned.whole < len {
        why = Some(format!("it cannot be read from byte {} on, and it was closed", scanned.whole));
    }
    if let Some(why) = why {
        // As long as it is: what cannot be read of it is a part of it.
        return Ok(Mending::Damaged(Some(Box::new(SegmentEntry { bytes: len, ..entry })), why));
    }
    // Behind the fragments of a newer format may stand what is not known here.
    if scanned.whole < len && format.format <= SEGMENT_FORMAT.format {
        warn!(path = %path.display(), bytes = len - scanned.whole, "torn tail cut off");
        file.set_len(scanned.whole)?;
        file.sync_data()?;
    }
    if let Some(why) = scanned.wrong(scanned.whole, Ticks(entry.end)) {
        found_harmed(disk, path, why);
    }
    Ok(Mending::Is(Box::new(entry)))
}

/// Counts the beginnings of fragments' data between two places of a segment, up to two: what a power cut tore
/// has one.
fn fragments_from(file: &dyn DiskFile, (from, to): (u64, u64)) -> io::Result<usize> {
    const MARK: &[u8] = b"mdat";
    const READ: u64 = 1 << 20;
    let (mut at, mut found) = (from, 0);
    while at < to && found < 2 {
        let n = usize::try_from((to - at).min(READ)).unwrap_or(usize::MAX);
        let bytes = read_part(file, at, n)?;
        found += bytes.windows(MARK.len()).filter(|part| *part == MARK).count();
        // One that lies over the border is seen with what comes behind it.
        at += if to - at <= READ { n as u64 } else { READ - (MARK.len() as u64 - 1) };
    }
    Ok(found)
}

/// What the index says of a segment. `None` if it has no whole fragment.
pub(crate) fn entry_of(scanned: &Scanned) -> Option<SegmentEntry> {
    let (start, end) = scanned.span()?;
    let header = &scanned.head.header;
    Some(SegmentEntry {
        ahead_ns: scanned.ahead_ns(),
        anew: 0,
        id: header.id,
        court: header.court.clone(),
        session: header.session.to_string(),
        start: start.0,
        end: end.0,
        bytes: scanned.whole,
        open: false,
    })
}

fn recover_clips(
    disk: &dyn Disk,
    places: &Places,
    (index, news): (&mut Index, &mut NewsLog),
    (unread, now, trust): (&BTreeSet<SegmentNumber>, UtcTime, Trust),
) -> Result<(Log, Vec<(String, String)>), RingError> {
    let path = places.clips_log();
    let found = FoundLog::read(disk, &path)?;
    let read = lines::<ClipRecord>(&found.bytes);
    if read.good < found.bytes.len() {
        let (good, of) = (read.good, found.bytes.len());
        warn!(path = %path.display(), good, of, "index damaged: rebuilt from clips");
    }
    found.tell(disk, &path);
    let mut known: BTreeMap<String, (ClipBrief, &[u8])> = BTreeMap::new();
    let mut touched = BTreeSet::new();
    for (record, line) in read.records {
        match record {
            ClipRecord::Format(_) => {}
            ClipRecord::Touched { id } | ClipRecord::Gone { id } => {
                known.remove(&id);
                touched.insert(id);
            }
            ClipRecord::Is(brief) => {
                known.insert(brief.id.clone(), (brief, line));
            }
        }
    }
    let listed = disk.names(&places.clips);
    let listed = listed.map_err(|source| open_error(&places.clips, source))?;
    // A line "touched" is durable before an entry is: one without any shows that lines are missing.
    let is_named = |id: &str| known.contains_key(id) || touched.contains(id);
    let ids = || listed.iter().filter_map(|name| name.strip_suffix(".json"));
    if trust == Trust::Entries || ids().any(|id| is_clip_id(id) && !is_named(id)) {
        known.retain(|id, (brief, _)| !is_older(disk, &places.clip(id), brief));
    }
    let mut removed = false;
    let mut stands = BTreeMap::new();
    let mut newer = Vec::new();
    let mut gone = Vec::new();
    let mut lost = Vec::new();
    for name in listed {
        let path = places.clips.join(&name);
        if name.ends_with(NEW_SUFFIX) {
            let _left = remove(disk, &path);
            removed = true;
            continue;
        }
        let Some(id) = name.strip_suffix(".json").filter(|id| is_clip_id(id)) else { continue };
        let brief = match known.remove(id) {
            Some((brief, line)) => {
                stands.insert(brief.id.clone(), line);
                brief
            }
            None => match read_whole(disk, &path, MAX_JSON)
                .map(|bytes| (sum_of(&bytes), Clip::read(&bytes)))
                .map(|(sum, read)| read.map(|clip| (sum, clip)))
            {
                Ok(Ok((sum, clip))) if clip.id == id => {
                    ClipBrief { sum: Some(sum), ..clip.brief() }
                }
                Ok(Err(NoEntry::Newer(entry))) => {
                    let format = entry.format.format;
                    warn!(path = %path.display(), format, "clip's entry of a newer version: kept");
                    newer.push((id.to_owned(), entry));
                    continue;
                }
                // No word of the file itself.
                Err(error) if !is_harm(&error) => {
                    warn!(path = %path.display(), %error, "clip's entry cannot be read: left alone");
                    continue;
                }
                Ok(Ok(_) | Err(NoEntry::Damaged)) | Err(_) => match read_on(disk, &path, id) {
                    // It pins what it pins, and stays for that.
                    Some(brief) => {
                        found_harmed(disk, &path, CHANGED);
                        brief
                    }
                    // In its place another of that name may be written.
                    None => {
                        let harm = put_by(disk, &path, Wrong::Damaged(NO_ENTRY.to_owned()));
                        let why = format!("its entry on the disk is damaged: {}", harm.why);
                        lost.push((id.to_owned(), why));
                        removed = true;
                        continue;
                    }
                },
            },
        };
        let is_there = |id: &SegmentNumber| index.segment(*id).is_some() || unread.contains(id);
        let whole = brief.segments.iter().all(is_there);
        if whole || brief.pinned {
            if !whole {
                found_harmed(disk, &path, "segments of it, which are pinned, are not on the disk");
            }
            index.put_clip(brief);
        } else {
            // Its pin ended and its segments went: the end of every clip. Its entry says so for a while.
            stands.remove(id);
            if brief.gone_ns.is_none() && !news.knows_gone(id) {
                gone.push(id.to_owned());
            }
            index.put_clip(brief.gone(now.as_nanos()));
        }
    }
    for id in known.into_keys() {
        let path = places.clip(&id);
        // It may have been put aside by what somebody mended.
        if disk.open(&path, OpenHow::Read).is_err() {
            found_harmed(disk, &path, LOST);
            lost.push((id, format!("its entry is lost: {LOST}")));
        }
    }
    for (id, entry) in newer {
        let brief = entry.brief(&id, || index.number_clip());
        index.put_clip(brief);
    }
    if removed {
        disk.sync_dir(&places.clips).map_err(|source| open_error(&places.clips, source))?;
    }
    news.found_out(gone.iter().filter_map(|id| gone_event(disk, places, id, now)).collect());
    let mut fresh = found.head(line(&ClipRecord::Format(INDEX_FORMAT)));
    for brief in index.clips_after(0).filter(|brief| !brief.unread) {
        match stands.get(&brief.id) {
            Some(line) => fresh.extend(*line),
            None => fresh.extend(line(&ClipRecord::Is(brief.clone()))),
        }
    }
    fresh.extend(read.unknown.concat());
    let log = rewrite::<ClipRecord>(disk, &path, &found.bytes, &fresh)?;
    found.merged(disk);
    Ok((log, lost))
}

/// True where an entry is as it was written, and its line of the index says otherwise.
fn is_older(disk: &dyn Disk, path: &Path, brief: &ClipBrief) -> bool {
    let Some(sum) = brief.sum else { return false };
    let Ok(bytes) = read_whole(disk, path, MAX_JSON) else { return false };
    let is_right = || Clip::read(&bytes).is_ok_and(|clip| clip.id == brief.id);
    sum != sum_of(&bytes) && is_sealed(&bytes) && is_right()
}

/// What an entry pins whose checksum is wrong, where it reads on.
fn read_on(disk: &dyn Disk, path: &Path, id: &str) -> Option<ClipBrief> {
    let clip = Clip::read_on(&read_whole(disk, path, MAX_JSON).ok()?)?;
    (clip.id == id).then(|| clip.brief())
}

/// What is told of a clip whose bytes a start finds to be gone.
fn gone_event(disk: &dyn Disk, places: &Places, id: &str, now: UtcTime) -> Option<Event> {
    match read_whole(disk, &places.clip(id), MAX_JSON).map(|bytes| Clip::read(&bytes)) {
        Ok(Ok(clip)) => told_gone(&clip.seen(Some(now.as_nanos()))),
        Ok(Err(_)) | Err(_) => {
            warn!(clip = id, "clip gone, and its entry cannot be read");
            None
        }
    }
}

/// Reads an index; what is none (no file, longer than any, or nothing that the disk can read) goes aside and
/// counts as not there: what it would say stands in the segments and clips.
fn read_log(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, RingError> {
    match read_whole(disk, path, MAX_INDEX) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_harm(&error) => {
            let harm = put_by(disk, path, Wrong::Damaged(error.to_string()));
            // What stays in its place would be written over.
            harm.aside.ok_or_else(|| open_error(path, io::Error::other(harm.why)))?;
            Ok(None)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(open_error(path, source)),
    }
}

fn rewrite<T: DeserializeOwned>(
    disk: &dyn Disk,
    path: &Path,
    old: &[u8],
    fresh: &[u8],
) -> Result<Log, RingError> {
    let write = || -> io::Result<Log> {
        if old != fresh {
            write_durably(disk, path, fresh)?;
        }
        let file = disk.open(path, OpenHow::CreateOrOpen)?;
        if old.is_empty() && fresh.is_empty() {
            disk.sync_dir(path.parent().unwrap_or(Path::new(".")))?;
        }
        Ok(Log::new(file, fresh.len() as u64))
    };
    match write() {
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {
            warn!(path = %path.display(), %error, "index not written new: it goes on as it is");
            go_on_behind::<T>(disk, path).map_err(|source| open_error(path, source))
        }
        other => other.map_err(|source| open_error(path, source)),
    }
}

/// Goes on behind the last good line of what is there. Takes no room.
fn go_on_behind<T: DeserializeOwned>(disk: &dyn Disk, path: &Path) -> io::Result<Log> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(NEW_SUFFIX);
    let unfinished = PathBuf::from(unfinished);
    if disk.open(&unfinished, OpenHow::Read).is_ok() {
        let _left = remove(disk, &unfinished);
    }
    let file = disk.open(path, OpenHow::CreateOrOpen)?;
    // Read again: the rename may have been done, and only the sync behind it refused.
    let bytes = read_whole(disk, path, MAX_INDEX)?;
    let good = lines::<T>(&bytes).good;
    if good < bytes.len() {
        // Lines behind a bad one would be believed again once the bad one is written over.
        file.set_len(good as u64)?;
    }
    Ok(Log::new(file, good as u64))
}

/// Removes what must not stay; if it does, the next start tries again.
/// False where the file is still there.
fn remove(disk: &dyn Disk, path: &Path) -> bool {
    match disk.remove(path) {
        Ok(()) => true,
        Err(error) => {
            warn!(path = %path.display(), %error, "file cannot be removed");
            error.kind() == io::ErrorKind::NotFound
        }
    }
}

fn open_error(path: &Path, source: io::Error) -> RingError {
    RingError::Open { path: PathBuf::from(path), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clips::synthetic::{aac, parameters, picture, sound};
    use crate::clips::test_ring::{TestRing, settings};
    use crate::clips::{Ring, RingSettings};
    use crate::disk::{ForgetfulDisk, RealDisk};

    /// Where `tests/data/formats/README.md` says how the kept rings are made.
    const MAKE: &str = "COURTSIDE_FORMAT_DIR";

    /// Two sessions of three and four segments (the sound of the second comes late), what is over the quota
    /// evicted; three clips of the first.
    fn record(dir: PathBuf, disk: Arc<dyn Disk>, quota_bytes: u64) -> Ring {
        let reserve_bytes = Some(quota_bytes);
        let little = RingSettings { quota_bytes, reserve_bytes, ..settings(dir) };
        let mut ring = TestRing::open(little, disk).expect("a ring");
        for (n, session) in [0xa1, 0xa2].map(SessionId::from_bits).into_iter().enumerate() {
            ring.opened(session);
            for k in 0..30 {
                let ms = i64::try_from(k).expect("small") * 100;
                let kind = parameters(u8::try_from(k / 10).expect("small"));
                let key = k % 5 == 0 || (n == 1 && k == 7);
                ring.feed(picture(session, k, ms, key, 20, &kind));
                if n == 1 && k > 4 {
                    ring.feed(sound(session, ms + 3, &aac()));
                }
            }
            ring.closed(session);
            if n == 0 {
                ring.request("pinned", session, (2200, 2600));
                ring.request("ended", session, (2000, 2500));
                ring.ring.shelf().unpin("ended").expect("taken");
                ring.request("none", session, (70_000, 80_000));
            }
        }
        ring.mailbox.close();
        ring.ring.pump();
        ring.ring
    }

    #[test]
    fn write_a_ring_of_todays_format() {
        let Some(dir) = std::env::var_os(MAKE) else { return };
        // As much as the pinned segment and the last two need.
        let all = record("/ring".into(), Arc::new(ForgetfulDisk::new()), 1 << 20);
        let ids: Vec<_> =
            all.desk().state.lock().index.segments().map(|e| (e.id, e.bytes)).collect();
        let last = ids.iter().rev().take(2).chain(ids.get(2));
        let quota = last.map(|(_, bytes)| bytes).sum::<u64>() + 16;
        let ring = record(dir.into(), Arc::new(RealDisk::new()), quota);
        let left: Vec<_> = ring.desk().state.lock().index.segments().map(|e| e.id).collect();
        println!("{ids:?} of {quota}: {left:?}");
        assert_eq!(left.len(), 3);
        ring.join();
    }

    #[test]
    fn a_segment_that_went_and_could_not_be_removed_does_not_come_back() {
        let disk = ForgetfulDisk::new();
        let ring = record("/ring".into(), Arc::new(disk.clone()), 3000);
        let known = ring.desk().state.lock().index.segments().count();
        let places = ring.desk().places.clone();
        drop(ring);
        // A file of an evicted one is there again, as after a power cut, and stays.
        let listed = disk.names(&places.segments).expect("a folder");
        assert_eq!(listed.len(), known);
        let evicted = places.segments.join("0000000001.a.00000000000000a1.mp4");
        assert!(!listed.iter().any(|name| evicted.ends_with(name)), "{listed:?}");
        let bytes = read_whole(&disk, &places.segments.join(&listed[0]), 1 << 20).expect("there");
        let file = disk.open(&evicted, OpenHow::CreateNew).expect("made");
        file.write_at(0, &bytes).expect("written");
        disk.fail_removals(true);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        for _ in 0..2 {
            let found =
                recover(&shared, &places, UtcTime::from_nanos(0), Trust::Lines).expect("in order");
            assert_eq!(found.index.segments().count(), known);
            assert_eq!(found.unremoved.keys().collect::<Vec<_>>(), [&1]);
        }
        disk.fail_removals(false);
        let found =
            recover(&shared, &places, UtcTime::from_nanos(0), Trust::Lines).expect("in order");
        assert!(found.unremoved.is_empty());
        assert_eq!(disk.names(&places.segments).expect("a folder").len(), known);
    }
}
