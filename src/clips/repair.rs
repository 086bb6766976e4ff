//! Mends of a ring what can be mended without guessing, and says what it left and why.
//!
//! Under the ring's lock, so not while a daemon runs. What a start does of itself (indexes made anew,
//! torn tails cut, what was evicted removed) is done as a start does it, and told. Beyond that: what is
//! in the place of an entry and cannot be read as one, and what is in the place of a segment and is another or
//! none, goes aside under another name. A segment that is damaged or missing is told and left, with all that
//! names it: it may come back, and its clips with it. Where a whole folder of them is missing nothing is done.
//! Nothing is deleted that could be read, and nothing is invented: bytes that rotted stay as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clips::boxes::{MAX_HEAD, SEGMENT_FORMAT, segment_format};
use crate::clips::clip::{Clip, MAX_JSON, NoEntry, is_clip_id, sum_of};
use crate::clips::desk::RingError;
use crate::clips::files::{Places, open_segment, read_part};
use crate::clips::fragment::Verify;
use crate::clips::index::{SegmentNumber, parse_file_name};
use crate::clips::lines::{ClipRecord, SegmentRecord, briefs, closed, lines};
use crate::clips::reader::{Finding, RingReader, missing, or_none, read_or_none, readable};
use crate::clips::recover::{MAX_INDEX, Trust, recover};
use crate::disk::{Disk, NEW_SUFFIX, OpenHow, is_harm, put_unfit_aside, read_whole, was_put_aside};
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
    let missing = missing(&**disk, &places).map_err(at(dir))?;
    not_mounted(&**disk, &places)?;
    let lock = disk.lock(&places.lock()).map_err(RingError::InUse)?;
    let mut done = Vec::new();
    for folder in missing {
        disk.create_dir_all(&folder).map_err(at(&folder))?;
        done.push(Mended { path: folder, did: "made: there was no such folder".to_owned() });
    }
    let lost = lost(&**disk, &places).map_err(at(&places.dir))?;
    put_aside(&**disk, &places, &mut done).map_err(at(&places.dir))?;
    let before = looks(&**disk, &places).map_err(at(&places.dir))?;
    drop(recover(disk, &places, now, Trust::Entries)?);
    let after = looks(&**disk, &places).map_err(at(&places.dir))?;
    differences(&before, &after, &mut done);
    done.extend(lost);
    let mut left = Vec::new();
    let reader = RingReader::open(dir, Arc::clone(disk)).map_err(at(&places.dir))?;
    let tell = |finding: Finding| left.extend(finding.wrong.is_some().then_some(finding));
    reader.verify(tell).map_err(at(&places.dir))?;
    drop(lock);
    Ok((done, left))
}

/// Refuses where all of a folder is missing that the indexes, or the clips, name files of: it is somewhere else,
/// and what would be mended here is what is known of it.
fn not_mounted(disk: &dyn Disk, places: &Places) -> Result<(), RingError> {
    let read = |path: &Path| readable(disk, path, MAX_INDEX).map_err(at(path));
    let names = |dir: &Path| or_none(disk.names(dir)).map_err(at(dir));
    let (segments, clips) = (names(&places.segments)?, names(&places.clips)?);
    let has = |names: &[String], end: &str| names.iter().any(|name| name.contains(end));
    let (has_segments, has_clips) = (has(&segments, ".mp4"), has(&clips, ".json"));
    if has_segments && has_clips {
        return Ok(());
    }
    let refuse = |dir: &Path, files: usize, what: &str| {
        let text = format!(
            "nothing is there of {files} {what} that are known: is the disk mounted? Nothing was changed. If they \
             are lost for good, start the daemon: it goes on without them"
        );
        Err(RingError::Open { path: dir.to_owned(), source: io::Error::other(text) })
    };
    let mut known: BTreeSet<SegmentNumber> =
        closed(&read(&places.segments_log())?.unwrap_or_default()).into_keys().collect();
    let briefs = briefs(&read(&places.clips_log())?.unwrap_or_default());
    known.extend(briefs.values().filter(|clip| clip.pinned).flat_map(|clip| &clip.segments));
    for name in clips.iter().filter(|name| name.ends_with(".json")) {
        let path = places.clips.join(name);
        let Ok(bytes) = read_whole(disk, &path, MAX_JSON) else { continue };
        if let Ok(clip) = Clip::read(&bytes)
            && clip.pinned
        {
            known.extend(clip.brief().segments);
        }
    }
    if !known.is_empty() && !has_segments {
        return refuse(&places.segments, known.len(), "segments");
    }
    if !briefs.is_empty() && !has_clips {
        return refuse(&places.clips, briefs.len(), "clips' entries");
    }
    Ok(())
}

/// Entries that the index names and that are not there: a start makes the index anew without them.
fn lost(disk: &dyn Disk, places: &Places) -> io::Result<Vec<Mended>> {
    let log = readable(disk, &places.clips_log(), MAX_INDEX)?.unwrap_or_default();
    let mut lost = Vec::new();
    for id in briefs(&log).into_keys() {
        let path = places.clip(&id);
        if read_or_none(disk, &path, MAX_JSON)?.is_none() {
            let did = "taken out of the index: it is not on the disk, and nothing of it is known";
            lost.push(Mended { path, did: did.to_owned() });
        }
    }
    Ok(lost)
}

fn at(path: &Path) -> impl Fn(io::Error) -> RingError {
    move |source| RingError::Open { path: path.to_owned(), source }
}

/// What is in the place of an entry or a segment, and is none.
fn put_aside(disk: &dyn Disk, places: &Places, done: &mut Vec<Mended>) -> io::Result<()> {
    for name in disk.names(&places.clips)? {
        let path = places.clips.join(&name);
        let Some(id) = name.strip_suffix(".json") else { continue };
        let read = is_clip_id(id).then(|| read_whole(disk, &path, MAX_JSON)).transpose();
        // What the disk cannot read says nothing.
        let read = match read {
            Err(error) if is_harm(&error) => Some(Vec::new()),
            read => read?,
        };
        match read.as_deref().map(Clip::read) {
            Some(Ok(clip)) if clip.id == id => {}
            Some(Err(NoEntry::Newer(_))) => {}
            // It pins what it pins; nothing says what it was.
            Some(Err(NoEntry::Damaged))
                if read.as_deref().and_then(Clip::read_on).is_some_and(|clip| clip.id == id) => {}
            Some(Ok(_)) => aside(disk, done, &path, "it says that it is another clip's")?,
            Some(Err(NoEntry::Damaged)) => {
                aside(disk, done, &path, "it cannot be read as a clip's entry")?;
            }
            None => aside(disk, done, &path, "its name is no clip's")?,
        }
    }
    back(disk, places, done)?;
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
                    Ok(_) => aside(disk, done, &path, "it says that it is another segment")?,
                    // What cannot be read may be read once more, or by somebody else.
                    Err(_) => {}
                }
            }
            None if is_video && !file.is_dir => {
                aside(disk, done, &path, "its name is no segment's")?;
            }
            None => {}
        }
    }
    Ok(())
}

fn aside(disk: &dyn Disk, done: &mut Vec<Mended>, path: &Path, why: &str) -> io::Result<()> {
    let to = put_unfit_aside(disk, path)?;
    let did = format!("put aside as {}: {why}", name_of(&to));
    done.push(Mended { path: path.to_owned(), did });
    Ok(())
}

/// Segments that were put aside, by an earlier version for one bit perhaps, and can be read.
fn back(disk: &dyn Disk, places: &Places, done: &mut Vec<Mended>) -> io::Result<()> {
    for name in disk.names(&places.segments)? {
        let Some((of, false)) = was_put_aside(&name) else { continue };
        let Some((id, court, session)) = parse_file_name(of) else { continue };
        let (from, to) = (places.segments.join(&name), places.segments.join(of));
        let Ok(opened) = open_segment(disk, &from, u64::MAX, Verify::Last) else { continue };
        let head = &opened.scanned.head.header;
        let is_it = (head.id, &head.court, head.session) == (id, &court, session);
        if is_it && disk.open(&to, OpenHow::Read).is_err() {
            disk.rename(&from, &to)?;
            disk.sync_dir(&places.segments)?;
            done.push(Mended {
                path: to,
                did: format!("put back: it was {name}, and can be read"),
            });
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

/// What a start may change: the indexes by what they say, segments by their length.
type Looks = BTreeMap<PathBuf, (u64, u64)>;

fn looks(disk: &dyn Disk, places: &Places) -> io::Result<Looks> {
    let mut looks = Looks::new();
    let logs: [(_, fn(&[u8]) -> Option<String>); 2] =
        [(places.segments_log(), segments_said), (places.clips_log(), clips_said)];
    for (path, said) in logs {
        match read_whole(disk, &path, MAX_INDEX) {
            Ok(bytes) => {
                // Shorter lines that say the same are no other index.
                let said = said(&bytes).map(String::into_bytes);
                looks.insert(path, (u64::MAX, sum_of(&said.unwrap_or(bytes))));
            }
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

/// What `segments.index` says, however many lines it takes; `None` where not all of it can be read.
fn segments_said(log: &[u8]) -> Option<String> {
    let read = lines::<SegmentRecord>(log);
    let is_whole = read.good == log.len() && !log.is_empty();
    is_whole.then(|| format!("{:?} {:?}", closed(log), read.unknown))
}

/// The same of `clips.index`.
fn clips_said(log: &[u8]) -> Option<String> {
    let read = lines::<ClipRecord>(log);
    let is_whole = read.good == log.len() && !log.is_empty();
    is_whole.then(|| format!("{:?} {:?}", briefs(log), read.unknown))
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

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::clips::fragment::scan_bytes;
    use crate::clips::synthetic::tenths;
    use crate::clips::test_ring::{TestRing, settings};
    use crate::disk::ForgetfulDisk;
    use crate::media::SessionId;

    const SESSION: SessionId = SessionId::from_bits(0xd1);
    const DIR: &str = "/ring";

    /// A ring of two sessions, with a pinned clip of each: `c-0` of segment 1, `c-1` of segment 2.
    fn recorded() -> ForgetfulDisk {
        let disk = ForgetfulDisk::new();
        let shared = Arc::new(disk.clone());
        let mut ring = TestRing::open(settings(DIR.into()), shared).expect("a ring");
        for k in 0..2 {
            let session = SessionId::from_bits(SESSION.bits() + k);
            ring.opened(session);
            tenths(session, 0..20, 20).for_each(|item| ring.feed(item));
            ring.closed(session);
            ring.request(&format!("c-{k}"), session, (200, 900));
        }
        ring.join();
        disk
    }

    fn segment(disk: &ForgetfulDisk, nth: usize) -> PathBuf {
        let segments = Places::new(Path::new(DIR)).segments;
        let mut names = disk.names(&segments).expect("a folder");
        names.sort();
        segments.join(&names[nth])
    }

    fn read(disk: &ForgetfulDisk, path: &Path) -> Vec<u8> {
        read_whole(disk, path, 1 << 20).expect("there")
    }

    fn write(disk: &ForgetfulDisk, path: &Path, bytes: &[u8]) {
        let file = disk.open(path, OpenHow::CreateOrOpen).expect("made");
        let end = file.len().expect("length");
        file.write_at(end, bytes).expect("written");
    }

    /// What was done, as "name: words", and what was left.
    fn mended(disk: &ForgetfulDisk) -> (Vec<String>, Vec<String>) {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let (done, left) = repair(Path::new(DIR), &shared, UtcTime::from_nanos(9)).expect("mended");
        let told = |path: &Path, words: &str| format!("{}: {words}", name_of(path));
        let done = done.iter().map(|mended| told(&mended.path, &mended.did)).collect();
        let left = left.iter().filter_map(|f| Some(told(&f.path, f.wrong.as_deref()?))).collect();
        (done, left)
    }

    fn nothing() -> (Vec<String>, Vec<String>) {
        (Vec::new(), Vec::new())
    }

    #[test]
    fn a_ring_in_order_is_left_as_it_is() {
        let disk = recorded();
        // A start writes the log of clips as short as it can be: that mends nothing.
        let log = Places::new(Path::new(DIR)).clips_log();
        let before = read(&disk, &log).len();
        assert_eq!(mended(&disk), nothing());
        assert!(read(&disk, &log).len() < before);
        assert_eq!(mended(&disk), nothing());
    }

    /// What `verify` says, as "name: words".
    fn found(disk: &ForgetfulDisk) -> Vec<String> {
        let reader = RingReader::open(Path::new(DIR), Arc::new(disk.clone())).expect("a ring");
        let mut found = Vec::new();
        let tell = |finding: Finding| {
            let name = name_of(&finding.path).to_string();
            found.extend(finding.wrong.map(|wrong| format!("{name}: {wrong}")));
        };
        reader.verify(tell).expect("read");
        found
    }

    /// The same ring with these of its files alone.
    fn with_only(disk: &ForgetfulDisk, keeps: impl Fn(&Path) -> bool) -> ForgetfulDisk {
        let places = Places::new(Path::new(DIR));
        let bare = ForgetfulDisk::new();
        bare.create_dir_all(&places.dir).expect("made");
        for dir in [&places.dir, &places.segments, &places.clips] {
            for name in disk.names(dir).expect("a folder") {
                let path = dir.join(name);
                if keeps(&path) {
                    bare.create_dir_all(dir).expect("made");
                    write(&bare, &path, &read(disk, &path));
                }
            }
        }
        bare
    }

    /// Why nothing is mended, and what is there stays as it is.
    fn refused(disk: &ForgetfulDisk) -> String {
        let all = |disk: &ForgetfulDisk| -> Vec<_> {
            let files = disk.files().into_iter().filter(|file| !file.ends_with("lock"));
            files.map(|file| (read(disk, &file), file)).collect()
        };
        let before = all(disk);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let mended = repair(Path::new(DIR), &shared, UtcTime::from_nanos(9));
        let Err(RingError::Open { source, .. }) = mended else { panic!("{mended:?}") };
        assert!(all(disk) == before, "nothing was changed");
        source.to_string()
    }

    #[test]
    fn half_a_ring_is_told_for_what_it_lacks_and_not_mended_while_that_may_come_back() {
        let has = |told: &[String], begin: &str| told.iter().any(|line| line.starts_with(begin));
        let whole = recorded();
        // Only what the clips are.
        let disk = with_only(&whole, |path| path.extension().is_some_and(|end| end == "json"));
        let wrong = found(&disk);
        for begin in ["segments: the folder is not there", "c-0.json: segments of it"] {
            assert!(has(&wrong, begin), "{begin}: {wrong:?}");
        }
        let told = refused(&disk);
        assert!(told.starts_with("nothing is there of 2 segments"), "{told}");

        // Only the indexes.
        let disk = with_only(&whole, |path| path.extension().is_some_and(|end| end == "index"));
        let wrong = found(&disk);
        let lacks =
            ["clips: the folder is not there", "segments: the folder", "c-0.json: the index"];
        assert!(lacks.iter().all(|begin| has(&wrong, begin)), "{wrong:?}");
        assert!(refused(&disk).contains("is the disk mounted?"));

        // No entries.
        let disk = with_only(&whole, |path| path.extension().is_none_or(|end| end != "json"));
        assert!(refused(&disk).starts_with("nothing is there of 2 clips' entries"));

        // All but the segments; then they are there again.
        let disk = with_only(&whole, |path| path.extension().is_none_or(|end| end != "mp4"));
        let told = refused(&disk);
        assert!(told.starts_with("nothing is there of 2 segments"), "{told}");
        // A daemon goes on, and knows them by name …
        let shared = Arc::new(disk.clone());
        let ring = TestRing::open(settings(DIR.into()), shared).expect("a ring");
        let clip = ring.ring.shelf().read("c-0").expect("its entry");
        assert!(clip.pinned && clip.media.is_some(), "{clip:?}");
        ring.join();
        assert!(has(&found(&disk), "c-0.json: segments of it"), "{:?}", found(&disk));
        // … so that all is as it was once they are back.
        for nth in 0..2 {
            let path = segment(&whole, nth);
            write(&disk, &path, &read(&whole, &path));
        }
        assert_eq!(found(&disk), Vec::<String>::new());
        opens(&disk, &["c-0", "c-1"]);
        assert_eq!(mended(&disk), nothing());

        // Only segments: what there was of clips is not known, and nothing says so.
        let disk = with_only(&whole, |path| path.extension().is_some_and(|end| end == "mp4"));
        assert_eq!(
            found(&disk),
            [
                "clips: the folder is not there: the daemon makes it at its next start, and so does --repair"
            ]
        );
        let (done, left) = mended(&disk);
        assert!(has(&done, "clips: made") && left.is_empty(), "{done:?} {left:?}");
        assert_eq!((found(&disk), mended(&disk)), (Vec::new(), nothing()));

        // Nothing at all, in the folder of a ring.
        let disk = with_only(&whole, |_| false);
        assert_eq!(found(&disk).len(), 2);
        let (done, left) = mended(&disk);
        assert!(has(&done, "clips: made") && has(&done, "segments: made"), "{done:?}");
        assert_eq!((left, found(&disk), mended(&disk)), (Vec::new(), Vec::new(), nothing()));
        let shared = Arc::new(disk.clone());
        TestRing::open(settings(DIR.into()), shared).expect("a ring").join();
    }

    #[test]
    fn what_is_no_ring_is_not_made_one() {
        let shared: Arc<dyn Disk> = Arc::new(ForgetfulDisk::new());
        let asked = |dir: &str| {
            let dir = Path::new(dir);
            let mended = repair(dir, &shared, UtcTime::from_nanos(9));
            let Err(RingError::Open { source, .. }) = mended else { panic!("{mended:?}") };
            let read = RingReader::open(dir, Arc::clone(&shared)).expect_err("no ring");
            assert_eq!(read.to_string(), source.to_string());
            assert_eq!(source.kind(), io::ErrorKind::NotFound);
            source.to_string()
        };
        assert_eq!(asked("/nowhere/ring"), "there is no such folder");
        shared.create_dir_all(Path::new("/data/ring")).expect("made");
        let before = shared.list(Path::new("/data")).expect("a folder");
        let told = asked("/data");
        assert!(told.ends_with("but a folder `ring`: that may be meant"), "{told}");
        assert_eq!(shared.list(Path::new("/data")).expect("a folder"), before);
    }

    /// A daemon gives the bytes of these clips, as they were hashed.
    fn opens(disk: &ForgetfulDisk, clips: &[&str]) {
        let shared = Arc::new(disk.clone());
        let ring = TestRing::open(settings(DIR.into()), shared).expect("a ring");
        let shelf = ring.ring.shelf();
        for id in clips {
            let clip = shelf.read(id).expect("its entry");
            assert!(clip.pinned, "{clip:?}");
            let media = clip.media.clone().expect("bytes");
            let bytes = shelf.open(&clip).expect("opened");
            let mut sum = Sha256::new();
            bytes
                .read(0, bytes.bytes(), |chunk| {
                    sum.update(&chunk);
                    true
                })
                .expect("read");
            let sha256: String = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(sha256, media.sha256, "{id}");
        }
        ring.join();
    }

    #[test]
    fn a_segment_that_is_missing_or_cannot_be_read_is_left_with_its_clips_and_all_is_well_once_it_is_back()
     {
        let damages: [fn(&ForgetfulDisk, &Path); 4] = [
            |disk, path| disk.lose(path),
            // One bit of the name of the first box.
            |disk, path| assert!(disk.rot(path, 5)),
            |disk, path| disk.replace(path, &[]),
            |disk, path| disk.replace(path, &[7; 5000]),
        ];
        for (n, damage) in damages.into_iter().enumerate() {
            for index in [true, false] {
                let disk = recorded();
                let path = segment(&disk, 0);
                let whole = read(&disk, &path);
                damage(&disk, &path);
                let as_it_is = read_or_none(&disk, &path, 1 << 20).expect("read");
                let row = format!("{n}, index {index}");
                if !index {
                    disk.lose(&Places::new(Path::new(DIR)).segments_log());
                }
                for _ in 0..2 {
                    let (done, left) = mended(&disk);
                    assert!(!done.iter().any(|did| did.starts_with("c-")), "{row}: {done:?}");
                    assert!(
                        left.iter().any(|left| left.starts_with("c-0.json")),
                        "{row}: {left:?}"
                    );
                    let said = left.iter().any(|left| left.starts_with("0000000001"));
                    // Of a file that is gone, or empty, nothing tells but the index and its clips.
                    assert!(said || (!index && n != 1), "{row}: {left:?}");
                    let in_none = left.iter().any(|left| left.contains("; no index names it, "));
                    assert_eq!(in_none, !index && n == 1, "{row}: {left:?}");
                }
                if index || n == 1 {
                    assert_eq!(
                        read_or_none(&disk, &path, 1 << 20).expect("read"),
                        as_it_is,
                        "{row}"
                    );
                }
                opens(&disk, &["c-1"]);
                disk.replace(&path, &whole);
                opens(&disk, &["c-0", "c-1"]);
                let (_, left) = mended(&disk);
                assert_eq!(left, Vec::<String>::new(), "{row}");
                assert_eq!(found(&disk), Vec::<String>::new(), "{row}");
            }
        }
    }

    #[test]
    fn a_rotten_box_in_the_middle_of_a_segment_costs_its_fragment_alone_whoever_lost_the_index() {
        for index in ["there", "lost", "damaged"] {
            let disk = ForgetfulDisk::new();
            let mut ring =
                TestRing::open(settings(DIR.into()), Arc::new(disk.clone())).expect("a ring");
            ring.opened(SESSION);
            tenths(SESSION, 0..100, 20).for_each(|item| ring.feed(item));
            ring.closed(SESSION);
            ring.request("before", SESSION, (200, 900));
            ring.request("behind", SESSION, (8200, 8900));
            ring.join();
            let path = segment(&disk, 0);
            let whole = read(&disk, &path);
            let fragments = scan_bytes(&whole, Verify::All).expect("a segment").fragments;
            let hit = fragments[fragments.len() / 2];
            assert!(disk.rot(&path, usize::try_from(hit.mdat_at()).expect("small") - 24));
            let log = Places::new(Path::new(DIR)).segments_log();
            match index {
                "lost" => disk.lose(&log),
                "damaged" => assert!(disk.rot(&log, read(&disk, &log).len() - 20)),
                _ => {}
            }
            let told = format!("bytes {} to {} are damaged", hit.offset, hit.end());
            let is_told = |all: &[String]| all.iter().any(|line| line.contains(&told));
            assert!(is_told(&found(&disk)), "{index}: {:?}", found(&disk));
            opens(&disk, &["before", "behind"]);
            let (done, left) = mended(&disk);
            assert!(is_told(&left), "{index}: {left:?}");
            assert!(!done.iter().any(|did| did.contains("cut off")), "{index}: {done:?}");
            assert_eq!(read(&disk, &path).len(), whole.len(), "{index}");
            opens(&disk, &["before", "behind"]);
        }
    }

    #[test]
    fn the_last_fragments_of_a_closed_segment_are_kept_where_they_cannot_be_read() {
        for index in [true, false] {
            let disk = recorded();
            // Of the first of two segments, which was closed before the second began.
            let path = segment(&disk, 0);
            let whole = read(&disk, &path);
            let fragments = scan_bytes(&whole, Verify::All).expect("a segment").fragments;
            let last = fragments.last().expect("some");
            assert!(disk.rot(&path, usize::try_from(last.mdat_at()).expect("small") - 24));
            if !index {
                disk.lose(&Places::new(Path::new(DIR)).segments_log());
            }
            for _ in 0..3 {
                let (_, left) = mended(&disk);
                assert!(left.iter().any(|left| left.starts_with("0000000001")), "{left:?}");
                assert_eq!(read(&disk, &path).len(), whole.len());
            }
        }
    }

    #[test]
    fn an_index_that_is_older_than_its_entries_is_named_for_it_and_made_anew_from_them() {
        let disk = recorded();
        let shared = Arc::new(disk.clone());
        let ring = TestRing::open(settings(DIR.into()), shared).expect("a ring");
        ring.ring.shelf().unpin("c-0").expect("taken");
        ring.join();
        let places = Places::new(Path::new(DIR));
        let log = places.clips_log();
        let whole = read(&disk, &log);
        let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
        let without = |n: usize| lines[..lines.len() - n].concat();

        // Without the two lines of the unpinning: no line shows that any are missing.
        disk.replace(&log, &without(2));
        let told = found(&disk);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("clips.index: it is older than 1 of the entries"), "{told:?}");
        let (done, left) = mended(&disk);
        assert_eq!(done, ["clips.index: made anew from what it is about"]);
        assert_eq!((left, found(&disk), mended(&disk)), (Vec::new(), Vec::new(), nothing()));
        assert_eq!(state_of(&disk, "c-0"), "command");

        // Half of it: an entry that no line names shows it, and a start is enough.
        disk.replace(&log, &without(lines.len() - 2));
        let shared = Arc::new(disk.clone());
        TestRing::open(settings(DIR.into()), shared).expect("a ring").join();
        assert_eq!(found(&disk), Vec::<String>::new());
        assert_eq!(state_of(&disk, "c-0"), "command");

        // What rotted is told as before.
        assert!(disk.rot(&places.clip("c-1"), 20));
        assert!(
            found(&disk).iter().any(|told| told.starts_with("c-1.json: ")),
            "{:?}",
            found(&disk)
        );
    }

    fn state_of(disk: &ForgetfulDisk, id: &str) -> &'static str {
        let reader = RingReader::open(Path::new(DIR), Arc::new(disk.clone())).expect("a ring");
        reader.shelf().expect("read").read(id).expect("its entry").state()
    }

    #[test]
    fn a_clip_of_a_segment_that_cannot_be_read_is_damaged_and_not_gone_whoever_lost_the_index() {
        for index in [true, false] {
            let disk = recorded();
            let shared = Arc::new(disk.clone());
            let ring = TestRing::open(settings(DIR.into()), shared).expect("a ring");
            ring.ring.shelf().unpin("c-0").expect("taken");
            ring.join();
            let path = segment(&disk, 0);
            let whole = read(&disk, &path);
            assert!(disk.rot(&path, 5));
            if !index {
                disk.lose(&Places::new(Path::new(DIR)).segments_log());
            }
            for _ in 0..2 {
                let reader =
                    RingReader::open(Path::new(DIR), Arc::new(disk.clone())).expect("a ring");
                let shelf = reader.shelf().expect("read");
                let clip = shelf.read("c-0").expect("its entry");
                assert_eq!((clip.state(), clip.media.is_some()), ("command", true), "{clip:?}");
                let refused = shelf.open(&clip).map(drop).expect_err("not a byte");
                assert!(refused.to_string().starts_with("the clip is damaged"), "{refused}");
                let clips = reader.clips().expect("read");
                let unread = reader.unread_of(&clips).expect("read");
                assert_eq!(unread, [vec![1], vec![]], "{index}");
                let told = found(&disk);
                assert!(told.iter().any(|told| told.starts_with("c-0.json: ")), "{told:?}");
                // A daemon says the same, and what it leaves does.
                let shared = Arc::new(disk.clone());
                let ring = TestRing::open(settings(DIR.into()), shared).expect("a ring");
                let shelf = ring.ring.shelf();
                let clip = shelf.read("c-0").expect("its entry");
                let refused = shelf.open(&clip).map(drop).expect_err("not a byte");
                assert!(refused.to_string().starts_with("the clip is damaged"), "{refused}");
                ring.join();
            }
            disk.replace(&path, &whole);
            let reader = RingReader::open(Path::new(DIR), Arc::new(disk.clone())).expect("a ring");
            let shelf = reader.shelf().expect("read");
            let clip = shelf.read("c-0").expect("its entry");
            assert!(shelf.open(&clip).is_ok(), "it came back");
        }
    }

    #[test]
    fn bytes_behind_what_was_written_are_told_before_a_start_cuts_them_off() {
        // Behind a segment that was closed.
        let disk = recorded();
        write(&disk, &segment(&disk, 0), &[0; 4096]);
        let told = found(&disk);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("4096 bytes stand behind the"), "{told:?}");
        let (done, left) = mended(&disk);
        assert!(
            done.iter().any(|did| did.ends_with("torn tail of 4096 bytes cut off")),
            "{done:?}"
        );
        assert_eq!((left, found(&disk)), (Vec::new(), Vec::new()));

        // The last fragment of the last one, where no line says how long it was.
        let disk = recorded();
        let path = segment(&disk, 1);
        let whole = read(&disk, &path);
        let fragments = scan_bytes(&whole, Verify::All).expect("a segment").fragments;
        let last = fragments.last().expect("some");
        disk.lose(&Places::new(Path::new(DIR)).segments_log());
        assert_eq!(found(&disk), Vec::<String>::new());
        assert!(disk.rot(&path, usize::try_from(last.mdat_at()).expect("small") + 20));
        let told = found(&disk).join(" ");
        let expected = format!("bytes {} to {} are no whole fragment", last.offset, whole.len());
        assert!(told.contains(&expected), "{told}");
    }

    #[test]
    fn what_an_earlier_version_put_aside_is_put_back_once_it_can_be_read() {
        let disk = recorded();
        let path = segment(&disk, 0);
        let mut aside = path.as_os_str().to_owned();
        aside.push(".unfit-1");
        disk.rename(&path, Path::new(&aside)).expect("put aside");
        let (done, left) = mended(&disk);
        assert!(done.iter().any(|did| did.contains("put back: it was")), "{done:?}");
        assert_eq!(left, Vec::<String>::new());
        opens(&disk, &["c-0", "c-1"]);
    }

    #[test]
    fn what_is_none_of_the_rings_is_put_aside_by_name_with_all_its_bytes() {
        let disk = recorded();
        let places = Places::new(Path::new(DIR));
        let junk = [
            (places.clips.join("x.json"), &b"no entry"[..]),
            (places.segments.join("holiday.mp4"), b"no segment"),
        ];
        for (path, bytes) in &junk {
            write(&disk, path, bytes);
        }
        // An entry under another's name.
        write(&disk, &places.clips.join("y.json"), &read(&disk, &places.clips.join("c-0.json")));
        let (done, left) = mended(&disk);
        assert_eq!(done.iter().filter(|did| did.contains("put aside as")).count(), 3, "{done:?}");
        assert_eq!(left, Vec::<String>::new());
        for (path, bytes) in &junk {
            let mut aside = path.as_os_str().to_owned();
            aside.push(".damaged-1970-01-01-1");
            assert_eq!(read(&disk, Path::new(&aside)), *bytes);
        }
        assert_eq!(mended(&disk), nothing());
    }

    #[test]
    fn a_torn_tail_is_cut_and_rotten_bytes_are_left_and_named() {
        let disk = recorded();
        let places = Places::new(Path::new(DIR));
        let torn = segment(&disk, 1);
        let whole = read(&disk, &torn).len();
        write(&disk, &torn, &[7; 33]);
        disk.remove(&places.segments_log()).expect("lost");
        let (done, left) = mended(&disk);
        assert!(done.iter().any(|did| did.ends_with("torn tail of 33 bytes cut off")), "{done:?}");
        assert!(done.iter().any(|did| did.starts_with("segments.index: made anew")), "{done:?}");
        assert_eq!((left, read(&disk, &torn).len()), (Vec::new(), whole));

        let rotten = segment(&disk, 0);
        // In the data of its last fragment but one: each has 100 bytes of it, behind some 50 of boxes.
        let at = whole - 200;
        assert!(disk.rot(&rotten, at));
        let as_it_is = read(&disk, &rotten);
        let (done, left) = mended(&disk);
        assert_eq!(done, Vec::<String>::new());
        assert!(
            left.iter().any(|wrong| wrong.starts_with(&name_of(&rotten).to_string())),
            "{left:?}"
        );
        assert_eq!(read(&disk, &rotten), as_it_is);
    }

    #[test]
    fn nothing_is_mended_while_a_daemon_has_the_ring() {
        let disk = recorded();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let ring = TestRing::open(settings(DIR.into()), Arc::clone(&shared)).expect("a ring");
        let refused = repair(Path::new(DIR), &shared, UtcTime::from_nanos(9));
        assert!(matches!(refused, Err(RingError::InUse(_))), "{refused:?}");
        ring.join();
        assert_eq!(mended(&disk), nothing());
    }
}
