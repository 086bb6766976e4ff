//! Mends of a ring what can be mended without guessing, and says what it left and why.
//!
//! Under the ring's lock, so not while a daemon runs. What a start does of itself (indexes made anew,
//! torn tails cut, what was evicted removed) is done as a start does it, and told. Beyond that: what is
//! in the place of an entry or a segment and cannot be read as one goes aside under another name, and
//! the entry of a pinned clip whose segments are not there says so, and pins nothing any more. Nothing
//! is deleted that could be read, and nothing is invented: bytes that rotted stay as they are.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clips::boxes::{MAX_HEAD, SEGMENT_FORMAT, segment_format};
use crate::clips::clip::{Clip, MAX_JSON, NoEntry, is_clip_id, sum_of};
use crate::clips::desk::RingError;
use crate::clips::files::{Log, Places, open_segment, read_part};
use crate::clips::fragment::Verify;
use crate::clips::index::{ClipBrief, Index, parse_file_name};
use crate::clips::lines::{ClipRecord, line};
use crate::clips::reader::{Finding, RingReader};
use crate::clips::recover::{MAX_INDEX, Recovered, recover};
use crate::disk::{Disk, NEW_SUFFIX, OpenHow, put_unfit_aside, read_whole, write_durably};
use crate::media::{Foreign, UtcTime};

/// What was done with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// The file.
    pub path: PathBuf,
    /// What was done.
    pub did: String,
}

/// Mends a ring; `now` dates what is found to be gone. Returns what was done, and what is still wrong.
///
/// # Errors
/// [`RingError::InUse`] while a daemon has it; what the disk says else.
pub fn repair(
    dir: &Path,
    disk: &Arc<dyn Disk>,
    now: UtcTime,
) -> Result<(Vec<Mended>, Vec<Finding>), RingError> {
    let places = Places::new(dir);
    let lock = disk.lock(&places.lock()).map_err(RingError::InUse)?;
    let mut done = Vec::new();
    put_aside(&**disk, &places, &mut done).map_err(at(&places.dir))?;
    let before = looks(&**disk, &places).map_err(at(&places.dir))?;
    let Recovered { index, mut clips_log, .. } = recover(&**disk, &places, now)?;
    let noted = note_gone(&**disk, &places, &index, &mut clips_log, &mut done);
    if noted.map_err(at(&places.clips))? {
        recover(&**disk, &places, now)?; // the index, in order again
    }
    let after = looks(&**disk, &places).map_err(at(&places.dir))?;
    differences(&before, &after, &mut done);
    let mut left = Vec::new();
    let reader = RingReader::open(dir, Arc::clone(disk)).map_err(at(&places.dir))?;
    let tell = |finding: Finding| left.extend(finding.wrong.is_some().then_some(finding));
    reader.verify(tell).map_err(at(&places.dir))?;
    drop(lock);
    Ok((done, left))
}

fn at(path: &Path) -> impl Fn(io::Error) -> RingError {
    move |source| RingError::Open { path: path.to_owned(), source }
}

/// What is in the place of an entry or a segment, and is none.
fn put_aside(disk: &dyn Disk, places: &Places, done: &mut Vec<Mended>) -> io::Result<()> {
    let mut aside = |path: &Path, why: &str| -> io::Result<()> {
        let to = put_unfit_aside(disk, path)?;
        let did = format!("put aside as {}: {why}", name_of(&to));
        done.push(Mended { path: path.to_owned(), did });
        Ok(())
    };
    for name in disk.names(&places.clips)? {
        let path = places.clips.join(&name);
        let Some(id) = name.strip_suffix(".json") else { continue };
        let read = is_clip_id(id).then(|| read_whole(disk, &path, MAX_JSON)).transpose()?;
        match read.as_deref().map(Clip::read) {
            Some(Ok(clip)) if clip.id == id => {}
            Some(Err(NoEntry::Newer(_))) => {}
            Some(Ok(_)) => aside(&path, "it says that it is another clip's")?,
            Some(Err(NoEntry::Damaged)) => aside(&path, "it cannot be read as a clip's entry")?,
            None => aside(&path, "its name is no clip's")?,
        }
    }
    for file in disk.list(&places.segments)? {
        let path = places.segments.join(&file.name);
        let is_video = file.name.strip_suffix(".mp4").is_some();
        match parse_file_name(&file.name) {
            Some(_) if is_newer(disk, &path)? => {}
            Some((id, court, session)) => {
                let opened = open_segment(disk, &path, u64::MAX, Verify::Last);
                let header = opened.as_ref().map(|opened| &opened.scanned.head.header);
                match header {
                    Ok(head) if (head.id, &head.court, head.session) == (id, &court, session) => {}
                    Ok(_) => aside(&path, "it says that it is another segment")?,
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                        aside(&path, "it does not begin as a segment does")?;
                    }
                    Err(_) => {}
                }
            }
            None if is_video && !file.is_dir => aside(&path, "its name is no segment's")?,
            None => {}
        }
    }
    Ok(())
}

fn name_of(path: &Path) -> Foreign {
    Foreign::path(path.file_name().unwrap_or_default())
}

fn is_newer(disk: &dyn Disk, path: &Path) -> io::Result<bool> {
    let file = disk.open(path, OpenHow::Read)?;
    let head = usize::try_from(file.len()?.min(MAX_HEAD)).unwrap_or(usize::MAX);
    let format = segment_format(&read_part(&*file, 0, head)?);
    Ok(format.is_some_and(|format| !format.is_read_by(SEGMENT_FORMAT)))
}

/// Pinned clips whose segments are not there: their entries say so. True if there were any.
fn note_gone(
    disk: &dyn Disk,
    places: &Places,
    index: &Index,
    log: &mut Log,
    done: &mut Vec<Mended>,
) -> io::Result<bool> {
    let mut noted = false;
    let is_there = |segment: &u64| index.segment(*segment).is_some();
    let lame =
        |brief: &&ClipBrief| brief.pinned && !brief.unread && !brief.segments.iter().all(is_there);
    for brief in index.clips_after(0).filter(lame) {
        let path = places.clip(&brief.id);
        let Ok(mut clip) = Clip::read(&read_whole(disk, &path, MAX_JSON)?) else { continue };
        let gone: Vec<_> = brief.segments.iter().filter(|segment| !is_there(segment)).collect();
        let note = format!("its segments {gone:?} are not on the disk: there are no bytes of it");
        clip.media = None;
        clip.pinned = false;
        clip.note = Some(note.clone());
        log.append(&line(&ClipRecord::Touched { id: clip.id.clone() }))?;
        log.sync()?;
        let json = clip.to_json();
        write_durably(disk, &path, &json)?;
        let brief = ClipBrief { sum: Some(sum_of(&json)), ..clip.brief() };
        log.append(&line(&ClipRecord::Is(brief)))?;
        log.sync()?;
        done.push(Mended { path, did: format!("pins nothing any more: {note}") });
        noted = true;
    }
    Ok(noted)
}

/// What a start may change: the indexes by their bytes, segments by their length.
type Looks = BTreeMap<PathBuf, (u64, u64)>;

fn looks(disk: &dyn Disk, places: &Places) -> io::Result<Looks> {
    let mut looks = Looks::new();
    for path in [places.segments_log(), places.clips_log()] {
        match read_whole(disk, &path, MAX_INDEX) {
            Ok(bytes) => drop(looks.insert(path, (bytes.len() as u64, sum_of(&bytes)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    for dir in [&places.segments, &places.clips] {
        for file in disk.list(dir)?.into_iter().filter(|file| !file.is_dir) {
            let len = if dir == &places.segments { file.len } else { 0 };
            looks.insert(dir.join(file.name), (len, 0));
        }
    }
    Ok(looks)
}

fn differences(before: &Looks, after: &Looks, done: &mut Vec<Mended>) {
    for (path, was) in before {
        let did = match after.get(path) {
            None if name_of(path).ends_with(NEW_SUFFIX) => {
                "removed: it was never finished".to_owned()
            }
            None => "removed: the index says that it went, or nothing in it was whole".to_owned(),
            Some(is) if is == was => continue,
            Some((len, 0)) => format!("torn tail of {} bytes cut off", was.0.saturating_sub(*len)),
            Some(_) => "made anew from what it is about".to_owned(),
        };
        done.push(Mended { path: path.clone(), did });
    }
    for path in after.keys().filter(|path| !before.contains_key(*path)) {
        done.push(Mended { path: path.clone(), did: "made anew from what it is about".to_owned() });
    }
}
