//! Recordings as they are played: the segments of a court, their stretches, and lists of these.
//!
//! Nothing is copied: a list names byte ranges of the ring's segments, and [`SegmentBytes`] gives these as
//! they lie, but for each `moof`: a segment counts times from its own beginning and a player from the
//! session's, and a slow stream's are packed. What is being recorded is there up to its last durable fragment.
//!
//! All but the numbers reads files on the caller's thread.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clips::boxes::patch;
use crate::clips::clip::Clip;
use crate::clips::cut::fragments_of;
use crate::clips::files::{open_segment, read_moof, read_part};
use crate::clips::fragment::{Fragment, MoofView, SEAL, Scanned, Verify};
use crate::clips::index::{SegmentEntry, SegmentNumber};
use crate::clips::numbering::{Numbering, Span};
use crate::clips::playlist::{End, Listed, Stretch, as_played, breaks, stretches, text};
use crate::clips::shelf::Shelf;
use crate::clips::timeline::Ticks;
use crate::clips::times::Times;
use crate::disk::{DiskFile, OpenHow, found_harmed, is_harm};
use crate::media::{CourtId, MediaTime, UtcTime};

/// A live list goes so far back, unless more is asked for: less than a minute is no list to a player that
/// was held up.
pub(crate) const BACK: Duration = Duration::from_secs(120);
/// Segments of one list: six hours of whole ones.
const SEGMENTS_MOST: usize = 360;
/// Segments that are remembered with their fragments, some 12 KB each: half an hour of eight courts.
const REMEMBERED: usize = 256;

/// What is said of a segment that has other fragments than a clip knows.
const CHANGED: &str = "its segments are not what they were";
/// What the list of a clip names, beside it.
const FRAGMENTS: &str = "fragments.mp4";

/// Why there is no list, or no such bytes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotPlayed {
    #[error("there is no such court: /v1/state has their names")]
    NoCourt,
    #[error("no game of that name was played on this court: /v1/games names them")]
    NoGame,
    #[error("nothing is recorded of this court yet: ask again once its camera publishes")]
    NothingYet,
    #[error("nothing of that time is recorded, or it was evicted: ask for another")]
    NothingThen,
    #[error("there is no such segment of this court: its list names those that there are")]
    NoSegment,
    #[error("the segment was evicted, since its place was needed: ask for the list anew")]
    Evicted,
    #[error("the segment is lost: it is not on the disk any more, and nothing says why")]
    Lost,
    #[error(
        "the recording is damaged: {0}; `courtside clips verify` on the box names what is damaged"
    )]
    Harmed(String),
    #[error("read the recording")]
    Disk(#[from] io::Error),
}

/// What part of a court's recording is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    /// From so long before its end on, as it goes on.
    Back(Duration),
    /// From then on, as it goes on.
    Since(UtcTime),
    /// What is between.
    Between(UtcTime, UtcTime),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Library {
    shelf: Shelf,
    times: Times,
    // Each held for lines, never across a read.
    known: Mutex<BTreeMap<SegmentNumber, Arc<Known>>>,
    numbers: Mutex<BTreeMap<CourtId, Numbering>>,
}

/// A segment that was read.
#[derive(Debug)]
struct Known {
    /// As long as it was then.
    bytes: u64,
    /// As often as it had been written anew then.
    anew: u32,
    scanned: Scanned,
}

/// A segment in a list.
struct Row {
    entry: SegmentEntry,
    known: Arc<Known>,
    stretches: Vec<Stretch>,
}

impl Row {
    /// True where a player that comes from `before` has to begin anew.
    fn is_anew_after(&self, before: &Self) -> bool {
        let ends = before.stretches.last().map(|last| last.end);
        let begins = self.stretches.first().map(|first| first.start);
        let joined = ends.zip(begins).is_none_or(|(ends, begins)| !breaks(ends, begins));
        !joined
            || self.entry.session != before.entry.session
            || self.known.scanned.head.init != before.known.scanned.head.init
    }

    /// Which of its stretches begin anew, the first left out.
    fn breaks(&self) -> impl Iterator<Item = bool> + '_ {
        let two = |pair: &[Stretch]| match pair {
            [before, then] => breaks(before.end, then.start),
            _ => false,
        };
        self.stretches.windows(2).map(two)
    }
}

impl Library {
    pub(crate) fn new(shelf: Shelf, times: Times) -> Self {
        Self { shelf, times, known: Mutex::default(), numbers: Mutex::default() }
    }

    /// The list of what is wanted of a court's recording.
    pub(crate) fn list(&self, court: &CourtId, wanted: Wanted) -> Result<String, NotPlayed> {
        let all: Vec<SegmentEntry> = self.shelf.look(|index| {
            index.segments().filter(|entry| entry.court == *court).cloned().collect()
        });
        if all.is_empty() {
            let known = self.shelf.has_court(court);
            return Err(if known { NotPlayed::NothingYet } else { NotPlayed::NoCourt });
        }
        let oldest = all.first().map_or(0, |entry| entry.id);
        let rows = self.rows(self.chosen(all, wanted));
        let mut listed = self.listed(&rows);
        let first = match wanted {
            Wanted::Between(from, to) => {
                listed.retain(|(_, entry, begins)| {
                    let lasts = entry.stretch.end.media().nanos_since(entry.stretch.start.media());
                    begins.is_some_and(|at| at <= to && at.plus_nanos(lasts) >= from)
                });
                (0, 0)
            }
            Wanted::Back(_) | Wanted::Since(_) => {
                let dropped = too_early(&listed, wanted);
                listed.drain(..dropped);
                self.numbered(court, &rows, dropped, oldest)
            }
        };
        if listed.is_empty() {
            let live = matches!(wanted, Wanted::Back(_));
            return Err(if live { NotPlayed::NothingYet } else { NotPlayed::NothingThen });
        }
        let end = match wanted {
            Wanted::Between(..) => End::Here(Ticks(0)),
            Wanted::Back(_) | Wanted::Since(_) => End::Goes,
        };
        if let Some((_, first, begins)) = listed.first_mut() {
            (first.anew, first.time) = (false, *begins);
        }
        let entries: Vec<Listed> = listed.into_iter().map(|(_, entry, _)| entry).collect();
        Ok(text(&entries, first, end))
    }

    /// The segments that what is wanted may lie in, newest last.
    fn chosen(&self, all: Vec<SegmentEntry>, wanted: Wanted) -> Vec<SegmentEntry> {
        let lasts = |entry: &SegmentEntry| Ticks(entry.end).since(Ticks(entry.start));
        let mut chosen: Vec<SegmentEntry> = match wanted {
            Wanted::Back(back) => {
                let mut left = i64::try_from(back.as_millis()).unwrap_or(i64::MAX);
                let reaches = |entry: &&SegmentEntry| {
                    let wanted = left > 0;
                    left -= lasts(entry).0 / 90;
                    wanted
                };
                // The newest may not have a whole stretch yet.
                let newest = all.last().cloned();
                let before = all.iter().rev().skip(1).take_while(reaches).cloned();
                let mut chosen: Vec<_> = before.collect();
                chosen.reverse();
                chosen.extend(newest);
                chosen
            }
            Wanted::Since(from) => self.overlapping(all, from, None),
            Wanted::Between(from, to) => self.overlapping(all, from, Some(to)),
        };
        let over = chosen.len().saturating_sub(SEGMENTS_MOST);
        chosen.drain(..over);
        chosen
    }

    fn overlapping(
        &self,
        all: Vec<SegmentEntry>,
        from: UtcTime,
        to: Option<UtcTime>,
    ) -> Vec<SegmentEntry> {
        let overlaps = |entry: &SegmentEntry| {
            let (begins, ends) = (Ticks(entry.start).media(), Ticks(entry.end).media());
            let at = self.times.of(&self.shelf, entry, begins)?.utc;
            let until = at.plus_nanos(ends.nanos_since(begins));
            Some(until >= from && to.is_none_or(|to| at <= to))
        };
        all.into_iter().filter(|entry| overlaps(entry).unwrap_or(false)).collect()
    }

    /// Reads segments. One that was evicted meanwhile, or cannot be read (which is told), is left out.
    fn rows(&self, entries: Vec<SegmentEntry>) -> Vec<Row> {
        let row = |entry: SegmentEntry| {
            let known = self.known(&entry).ok()?;
            let stretches = stretches(as_played(&known.scanned.fragments), entry.open);
            (!stretches.is_empty()).then_some(Row { entry, known, stretches })
        };
        entries.into_iter().filter_map(row).collect()
    }

    fn known(&self, entry: &SegmentEntry) -> Result<Arc<Known>, NotPlayed> {
        if let Some(known) = self.known.lock().get(&entry.id)
            && (known.bytes, known.anew) == (entry.bytes, entry.anew)
        {
            return Ok(Arc::clone(known));
        }
        let path = self.shelf.places().segment(entry);
        let opened = open_segment(self.shelf.disk(), &path, entry.bytes, Verify::Nothing);
        let opened = opened.map_err(|error| self.why_not(entry, error))?;
        let known =
            Arc::new(Known { bytes: entry.bytes, anew: entry.anew, scanned: opened.scanned });
        let mut all = self.known.lock();
        all.insert(entry.id, Arc::clone(&known));
        if all.len() > REMEMBERED {
            all.pop_first(); // of what is played, the newest is asked for most
        }
        Ok(known)
    }

    /// Why a segment cannot be read; what the disk lost or changed is told.
    fn why_not(&self, entry: &SegmentEntry, error: io::Error) -> NotPlayed {
        let (disk, path) = (self.shelf.disk(), self.shelf.places().segment(entry));
        if error.kind() == io::ErrorKind::NotFound {
            if self.shelf.look(|index| index.segment(entry.id).is_none()) {
                return NotPlayed::Evicted;
            }
            found_harmed(disk, &path, "it is not on the disk, and nothing says why");
            return NotPlayed::Lost;
        }
        if !is_harm(&error) {
            return NotPlayed::Disk(error);
        }
        found_harmed(disk, &path, error.to_string());
        NotPlayed::Harmed(error.to_string())
    }

    /// The entries of a list, each with its row and the wall's time of its beginning.
    fn listed(&self, rows: &[Row]) -> Vec<(usize, Listed, Option<UtcTime>)> {
        let mut all = Vec::new();
        for (n, row) in rows.iter().enumerate() {
            let before = n.checked_sub(1).and_then(|n| rows.get(n));
            let anew = before.is_none_or(|before| row.is_anew_after(before));
            let anew = std::iter::once(anew).chain(row.breaks());
            let begins = Ticks(row.entry.start).media();
            let at = self.times.of(&self.shelf, &row.entry, begins).map(|stamp| stamp.utc);
            for (k, (stretch, anew)) in row.stretches.iter().zip(anew).enumerate() {
                let after = stretch.start.media().nanos_since(begins);
                let begins = at.map(|at| at.plus_nanos(after));
                let entry = Listed {
                    stretch: *stretch,
                    uri: format!("segments/{}.mp4", row.entry.id),
                    init: (format!("segments/{}/init.mp4", init_of(rows, n)), None),
                    anew,
                    time: begins.filter(|_| anew || k == 0),
                };
                all.push((n, entry, begins));
            }
        }
        all
    }

    /// The number of the entry before which `dropped` were left out.
    fn numbered(
        &self,
        court: &CourtId,
        rows: &[Row],
        dropped: usize,
        oldest: SegmentNumber,
    ) -> (u64, u64) {
        let spans: Vec<Span> = rows
            .iter()
            .enumerate()
            .map(|(n, row)| {
                let before = n.checked_sub(1).and_then(|n| rows.get(n));
                Span {
                    segment: row.entry.id,
                    stretches: row.stretches.len() as u64,
                    anew: before.is_some_and(|before| row.is_anew_after(before)),
                    breaks: row.breaks().filter(|breaks| *breaks).count() as u64,
                }
            })
            .collect();
        let mut numbers = self.numbers.lock();
        let numbers = numbers.entry(court.clone()).or_default();
        numbers.take(&spans, oldest);
        let mut left = dropped;
        for row in rows {
            if left < row.stretches.len() {
                let (stretch, break_) = numbers.of(row.entry.id).unwrap_or_default();
                let inside = row.breaks().take(left).filter(|breaks| *breaks).count() as u64;
                return (stretch + left as u64, break_ + inside);
            }
            left -= row.stretches.len();
        }
        (0, 0)
    }

    /// The list of a clip: ranges of its own bytes.
    pub(crate) fn of_clip(&self, clip: &Clip) -> Result<String, NotPlayed> {
        let parts = clip.media.iter().flat_map(|media| &media.parts);
        let mut at = None;
        let mut init = 0;
        let mut fragments: Vec<(Fragment, u64, u64)> = Vec::new();
        for part in parts {
            let entry = self.shelf.look(|index| index.segment(part.segment).cloned());
            let known = self.known(&entry.ok_or(NotPlayed::Evicted)?)?;
            let of_part = fragments_of(part, &known.scanned);
            let of_part = of_part.ok_or_else(|| NotPlayed::Harmed(CHANGED.to_owned()))?;
            let first = known.scanned.head.init.len() as u64;
            let begins = at.get_or_insert_with(|| {
                init = first;
                first
            });
            for fragment in of_part {
                let ends = *begins + fragment.played_bytes();
                fragments.push((*fragment, *begins, ends));
                *begins = ends;
            }
        }
        // The list has all from the key frame on.
        let shown = clip.media.as_ref().map(|media| MediaTime::from_nanos(media.shown_ns().0));
        let first = fragments.first().and_then(|(fragment, ..)| fragment.video);
        let into = shown.zip(first).map(|(shown, first)| Ticks::of(shown).since(first.first_pts));
        let into = into.unwrap_or_default();
        let time = self.times.of_clip(&self.shelf, clip);
        let time = time.map(|time| time.at.0.plus_nanos(-into.media().as_nanos()));
        let all = stretches(fragments.iter().map(|(f, from, to)| (f, *from, *to)), false);
        let entry = |(n, stretch): (usize, &Stretch)| Listed {
            stretch: *stretch,
            uri: FRAGMENTS.to_owned(),
            init: (FRAGMENTS.to_owned(), Some(init)),
            anew: false,
            time: time.filter(|_| n == 0),
        };
        let entries: Vec<_> = all.iter().enumerate().map(entry).collect();
        Ok(text(&entries, (0, 0), End::Here(into)))
    }

    /// The bytes of a court's segment, as far as they are on disk.
    pub(crate) fn segment(
        &self,
        court: &CourtId,
        segment: SegmentNumber,
    ) -> Result<SegmentBytes, NotPlayed> {
        let (entry, given) =
            self.shelf.look(|index| (index.segment(segment).cloned(), index.given_segment()));
        let entry = match entry {
            Some(entry) if entry.court == *court => entry,
            Some(_) => return Err(NotPlayed::NoSegment),
            None if segment <= given && segment > 0 => return Err(NotPlayed::Evicted),
            None => return Err(NotPlayed::NoSegment),
        };
        let known = self.known(&entry)?;
        let path = self.shelf.places().segment(&entry);
        let file = self.shelf.disk().open(&path, OpenHow::Read);
        let file = file.map_err(|error| self.why_not(&entry, error))?;
        Ok(SegmentBytes { known, file, open: entry.open })
    }
}

/// The first of the rows up to `n` that has the same beginning as that: a player that has it asks for no other.
fn init_of(rows: &[Row], n: usize) -> SegmentNumber {
    let init = |row: &Row| row.known.scanned.head.init.clone();
    let Some(own) = rows.get(n) else { return 0 };
    let same = rows.iter().take(n + 1).rev().take_while(|row| init(row) == init(own)).last();
    same.map_or(own.entry.id, |row| row.entry.id)
}

/// How many of the first entries are left out.
fn too_early(listed: &[(usize, Listed, Option<UtcTime>)], wanted: Wanted) -> usize {
    match wanted {
        Wanted::Back(back) => {
            let mut left = i64::try_from(back.as_nanos()).unwrap_or(i64::MAX);
            let kept = listed.iter().rev().take_while(|(_, entry, _)| {
                let Stretch { start, end, .. } = entry.stretch;
                let kept = left > 0;
                left = left.saturating_sub(end.media().nanos_since(start.media()));
                kept
            });
            listed.len() - kept.count()
        }
        Wanted::Since(from) => {
            let ends = |(_, entry, begins): &(usize, Listed, Option<UtcTime>)| {
                let Stretch { start, end, .. } = entry.stretch;
                begins.is_none_or(|at| at.plus_nanos(end.media().nanos_since(start.media())) < from)
            };
            listed.iter().take_while(|entry| ends(entry)).count()
        }
        Wanted::Between(..) => 0,
    }
}

/// A segment that is played.
#[derive(Debug)]
pub(crate) struct SegmentBytes {
    known: Arc<Known>,
    file: Box<dyn DiskFile>,
    /// More comes.
    pub(crate) open: bool,
}

impl SegmentBytes {
    /// Bytes up to the last durable fragment's end, as players get them.
    pub(crate) fn len(&self) -> u64 {
        self.known.scanned.whole + self.unpacked(usize::MAX)
    }

    /// By how much what lies behind the first `n` fragments is farther behind to players.
    fn unpacked(&self, n: usize) -> u64 {
        let more = |f: &Fragment| u64::from(f.moof).saturating_sub(f.stored.into());
        self.known.scanned.fragments.iter().take(n).map(more).sum()
    }

    /// `ftyp` and `moov`.
    pub(crate) fn init(&self) -> &[u8] {
        &self.known.scanned.head.init
    }

    /// Type with codecs.
    pub(crate) fn mime(&self) -> String {
        format!("video/mp4; codecs=\"{}\"", self.known.scanned.head.codecs)
    }

    /// At most `most` bytes from `from` on, as players get them; none behind the end.
    pub(crate) fn read_at(&self, from: u64, most: usize) -> io::Result<Vec<u8>> {
        let to = from.saturating_add(most as u64).min(self.len());
        let mut bytes = Vec::with_capacity(to_usize(to.saturating_sub(from)));
        let mut before = 0; // where the last piece ends on disk …
        let mut unpacked = 0; // … and how much farther behind it does to players
        for (fragment, begins, ends) in as_played(&self.known.scanned.fragments) {
            // Head, hole or damage; it may be all that is asked for.
            let gap = (before + unpacked, begins);
            if self.is_damaged((before, fragment.offset)) {
                blank(&mut bytes, gap, (from, to));
            } else {
                self.lying(&mut bytes, gap, unpacked, (from, to))?;
            }
            if ends > from && begins < to {
                let moof_at = begins + SEAL as u64;
                let moof_ends = moof_at + u64::from(fragment.moof);
                self.lying(&mut bytes, (begins, moof_at), unpacked, (from, to))?;
                if moof_ends > from && moof_at < to {
                    let moof = self.moof(fragment)?;
                    let part = to_usize(from.max(moof_at) - moof_at)
                        ..to_usize(to.min(moof_ends) - moof_at);
                    bytes.extend_from_slice(moof.get(part).ok_or(io::ErrorKind::InvalidData)?);
                }
                let unpacked = moof_ends - fragment.mdat_at();
                self.lying(&mut bytes, (moof_ends, ends), unpacked, (from, to))?;
            }
            before = fragment.end();
            unpacked = ends - before;
        }
        self.lying(&mut bytes, (before + unpacked, self.len()), unpacked, (from, to))?;
        Ok(bytes)
    }

    /// True where what lies between two fragments is not what was written.
    fn is_damaged(&self, (from, to): (u64, u64)) -> bool {
        self.known.scanned.damaged.iter().any(|(begins, ends)| *begins < to && *ends > from)
    }

    /// Reads what lies as players get it, of a place that to them begins and ends there: what of it is
    /// asked for, `unpacked` bytes farther in front.
    fn lying(
        &self,
        bytes: &mut Vec<u8>,
        (begins, ends): (u64, u64),
        unpacked: u64,
        (from, to): (u64, u64),
    ) -> io::Result<()> {
        let (from, to) = (from.max(begins), to.min(ends));
        if from < to {
            bytes.extend(read_part(&*self.file, from - unpacked, to_usize(to - from))?);
        }
        Ok(())
    }

    /// A fragment's `moof`, with the session's times.
    fn moof(&self, fragment: &Fragment) -> io::Result<Vec<u8>> {
        let mut moof = read_moof(&*self.file, fragment)?;
        let view = MoofView::read(&moof, self.known.scanned.head.audio);
        let view = view.ok_or(io::ErrorKind::InvalidData)?;
        let video = view.video.zip(fragment.video).map(|(traf, span)| (traf, span.start.0));
        let audio = view.audio.zip(fragment.audio).map(|(traf, (start, _))| (traf, start));
        for (traf, start) in video.into_iter().chain(audio) {
            let start = u64::try_from(start).unwrap_or(0);
            patch(&mut moof, traf.tfdt_at, &start.to_be_bytes());
        }
        Ok(moof)
    }
}

/// Gives a box that says nothing in the place of what is damaged: what is asked for of it.
fn blank(bytes: &mut Vec<u8>, (begins, ends): (u64, u64), (from, to): (u64, u64)) {
    let size = u32::try_from(ends - begins).unwrap_or(u32::MAX).to_be_bytes();
    let head = [&size[..], b"free"].concat();
    for at in from.max(begins)..to.min(ends) {
        bytes.push(head.get(to_usize(at - begins)).copied().unwrap_or(0));
    }
}

fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clips::boxes::{Form, child};
    use crate::clips::fragment::samples::segment;
    use crate::clips::fragment::{hole_head, scan_bytes};
    use crate::disk::{Disk as _, ForgetfulDisk};

    const START: Ticks = Ticks::from_millis(70_000);

    /// A segment that is played; `hole`: its second fragment was deleted.
    fn played(form: Form, hole: bool) -> SegmentBytes {
        let mut bytes = segment(1, START, form);
        let scanned = scan_bytes(&bytes, Verify::All).expect("one");
        if hole {
            let going = scanned.fragments[1];
            let (from, to) = (to_usize(going.offset), to_usize(going.end()));
            bytes[from..to].fill(0);
            let head = hole_head((to - from) as u64).expect("long enough");
            bytes[from..from + head.len()].copy_from_slice(&head);
        }
        let scanned = scan_bytes(&bytes, Verify::All).expect("one");
        let disk = ForgetfulDisk::new();
        disk.create_dir_all(std::path::Path::new("/d")).expect("made");
        let path = std::path::Path::new("/d/1.mp4");
        let file = disk.open(path, OpenHow::CreateNew).expect("made");
        file.write_at(0, &bytes).expect("written");
        let known = Known { bytes: bytes.len() as u64, anew: 0, scanned };
        SegmentBytes { known: Arc::new(known), file, open: false }
    }

    fn all(bytes: &SegmentBytes) -> Vec<u8> {
        bytes.read_at(0, usize::MAX).expect("read")
    }

    #[test]
    fn ranges_of_any_length_give_the_bytes_of_the_whole() {
        for (form, hole) in
            [(Form::Plain, false), (Form::Packed, false), (Form::Plain, true), (Form::Packed, true)]
        {
            let bytes = played(form, hole);
            let whole = all(&bytes);
            assert_eq!(whole.len() as u64, bytes.len(), "{form:?} {hole}");
            for step in [1, 7, 33, 250, 4000] {
                let parts = (0..whole.len()).step_by(step);
                let parts = parts.map(|from| bytes.read_at(from as u64, step).expect("read"));
                assert!(parts.collect::<Vec<_>>().concat() == whole, "{form:?} {hole} {step}");
            }
            assert!(bytes.read_at(bytes.len(), 10).expect("read").is_empty());
        }
    }

    #[test]
    fn players_get_an_empty_box_where_a_fragment_is_damaged() {
        for form in [Form::Plain, Form::Packed] {
            let whole = played(form, false);
            let mut bytes = segment(1, START, form);
            let rotten = whole.known.scanned.fragments[1];
            bytes[to_usize(rotten.offset) + 2] ^= 4;
            let disk = ForgetfulDisk::new();
            disk.create_dir_all(std::path::Path::new("/d")).expect("made");
            let file = disk.open(std::path::Path::new("/d/1.mp4"), OpenHow::CreateNew);
            let file = file.expect("made");
            file.write_at(0, &bytes).expect("written");
            let scanned = scan_bytes(&bytes, Verify::Nothing).expect("one");
            assert_eq!(scanned.fragments.len(), 3);
            let known = Known { bytes: bytes.len() as u64, anew: 0, scanned };
            let served = all(&SegmentBytes { known: Arc::new(known), file, open: false });
            // Box for box to the end.
            let mut at = 0;
            while let Some(found) = child(&served, at) {
                at = found.end();
            }
            assert_eq!(at, served.len(), "{form:?}");
        }
    }

    #[test]
    fn players_get_the_same_of_a_packed_segment_with_the_times_of_the_session() {
        for hole in [false, true] {
            let forms = [Form::Plain, Form::Packed].map(|form| played(form, hole));
            let [plain, packed] = forms.map(|bytes| {
                let served = all(&bytes);
                let fragments = &bytes.known.scanned.fragments;
                let listed = as_played(fragments).map(|(fragment, from, to)| {
                    let moof = to_usize(from) + SEAL;
                    let view = child(&served, moof).expect("a box");
                    let view =
                        MoofView::read(&served[moof..view.end()], bytes.known.scanned.head.audio);
                    let begins = view.expect("a moof").video.expect("pictures").tfdt;
                    assert_eq!(begins as i64, fragment.video.expect("pictures").start.0);
                    served[moof..to_usize(to)].to_vec()
                });
                listed.collect::<Vec<_>>()
            });
            assert_eq!(plain.len(), if hole { 3 } else { 4 });
            assert!(plain == packed);
        }
    }
}
