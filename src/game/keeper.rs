//! Calibrations on disk: `{data_dir}/rims/{court}-{rim}.json`, one small file a rim.
//!
//! Games decide what is in them (`game::calibrate` says what the fields mean); a thread of its own
//! writes them, so that no game waits for a disk. Each is written whole: next to the old one, synced,
//! renamed, so a cut leaves the old or the new. Disk full: that is said once, events go on, and the
//! next final tries again. A file that cannot be read is put aside as `….json.damaged-{date}-{n}`, one that was
//! learnt with another bundle or at another place as `….old.json`, the last one alone.
//! One of a newer version that this one cannot read is put aside as `….json.newer-{format}`, and every
//! one of them is kept; a version that can read it puts together what both learnt.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::config::{Calibrate, CourtConfig};
use crate::disk::{
    Disk, Format, Taken, Wrong, is_aside, make_folder, no_json, read_whole, take, unseal,
    write_sealed,
};
use crate::game::calibrate::{Calibration, KEPT_FORMAT, Kept};
use crate::mailbox::{Mailbox, Take};
use crate::media::{CourtId, RimBox};

/// A file with all that is kept has some 15 kB.
const FILE_MOST_BYTES: u64 = 256 * 1024;
/// Files that wait for the disk. More rims than a box sees; what is lost to a slow disk is written
/// again at the rim's next final.
pub(crate) const WAITING: usize = 64;
/// A bound for waits on a hop that is closed at shutdown anyway.
const WAIT: Duration = Duration::from_secs(1);

/// A file to be written.
#[derive(Debug)]
pub(crate) struct Write {
    court: CourtId,
    rim: usize,
    kept: Kept,
    /// True for what was put aside by another bundle.
    old: bool,
    /// Who waits for it; told what came of it. Dropped unused if the file never gets its turn.
    waits: Option<oneshot::Sender<Result<(), String>>>,
}

impl Write {
    /// The calibration of a rim, as it is now.
    pub(crate) fn of(court: &CourtId, rim: usize, calibration: &Calibration) -> Self {
        Self { court: court.clone(), rim, kept: calibration.kept(), old: false, waits: None }
    }

    /// One that ended, to be put aside.
    pub(crate) fn aside(self) -> Self {
        Self { old: true, ..self }
    }

    /// Tells somebody when it is durable.
    pub(crate) fn telling(self, waits: oneshot::Sender<Result<(), String>>) -> Self {
        Self { waits: Some(waits), ..self }
    }
}

/// The folder of a box.
pub(crate) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("rims")
}

fn path(dir: &Path, court: &CourtId, rim: usize, ending: &str) -> PathBuf {
    dir.join(format!("{court}-{rim}{ending}.json"))
}

/// Reads what was learnt of a court's rims, or begins anew. Whatever is wrong is said and put aside.
pub(crate) fn load(
    disk: &dyn Disk,
    dir: &Path,
    court: &CourtConfig,
    how: Calibrate,
) -> Vec<Calibration> {
    if how == Calibrate::Off {
        return Vec::new();
    }
    let one = |(rim, place)| {
        let rim = Rim { disk, dir, court: &court.name, rim, place };
        rim.with_asides(rim.found())
    };
    court.rims.iter().enumerate().map(one).collect()
}

/// One rim whose file is read.
struct Rim<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    court: &'a CourtId,
    rim: usize,
    place: &'a RimBox,
}

impl Rim<'_> {
    fn file(&self) -> PathBuf {
        path(self.dir, self.court, self.rim, "")
    }

    /// What stands in its file, or nothing.
    fn found(&self) -> Calibration {
        let (court, rim) = (self.court, self.rim);
        match take(self.disk, &self.file(), FILE_MOST_BYTES, parse) {
            Taken::Nothing => {}
            Taken::Is(found) if found.is_of(self.place) => return found,
            Taken::Is(_) => {
                let aside = self.put_aside(&self.file(), ".old");
                info!(%court, rim, put_aside = aside, "the rim was moved: its calibration begins anew");
            }
            Taken::Anew(_) => warn!(%court, rim, "the calibration begins anew"),
        }
        Calibration::new(*self.place)
    }

    fn put_aside(&self, file: &Path, ending: &str) -> String {
        let aside = path(self.dir, self.court, self.rim, ending);
        let moved = self.disk.rename(file, &aside).and_then(|()| self.disk.sync_dir(self.dir));
        moved.map(|()| aside.display().to_string()).unwrap_or_else(|error| error.to_string())
    }

    /// Puts what an earlier version put aside, and this one can read, before what was learnt since.
    ///
    /// Order: both together durable → the one that was aside goes. A cut in between puts them
    /// together again, which changes nothing.
    fn with_asides(&self, mut since: Calibration) -> Calibration {
        let (court, rim) = (self.court, self.rim);
        let file = self.file();
        for name in self.disk.names(self.dir).unwrap_or_default() {
            if !is_aside(&name, &file) {
                continue;
            }
            let aside = self.dir.join(&name);
            let read = read_whole(self.disk, &aside, FILE_MOST_BYTES);
            let Some(Ok(before)) = read.ok().map(|bytes| parse(&bytes)) else { continue };
            let before = Some(before).filter(|before| before.is_of(self.place));
            let Some(both) = before.and_then(|before| before.followed_by(since.clone())) else {
                let aside = self.put_aside(&aside, ".old");
                info!(%court, rim, put_aside = aside, "a calibration that was kept is of another rim or bundle");
                continue;
            };
            let kept = write(self.disk, self.dir, &file, &both.kept());
            match kept.and_then(|()| self.disk.remove(&aside)) {
                Ok(()) => {
                    info!(%court, rim, kept = name, "a calibration that was kept stands again");
                    since = both;
                }
                Err(error) => warn!(%court, rim, %error, kept = name, "a calibration stays aside"),
            }
        }
        since
    }
}

/// What is read of every format.
#[derive(Deserialize)]
struct Head {
    version: u32,
    oldest_reader: Option<u32>,
}

fn parse(bytes: &[u8]) -> Result<Calibration, Wrong> {
    let json = unseal(bytes)?;
    let wrong = |error| no_json(&error);
    let Head { version, oldest_reader } = serde_json::from_slice(json).map_err(wrong)?;
    let format = Format { format: version, oldest_reader: oldest_reader.unwrap_or(version) };
    if !format.is_read_by(KEPT_FORMAT) {
        return Err(Wrong::Newer(format));
    }
    let kept: Kept = serde_json::from_slice(json).map_err(wrong)?;
    Calibration::try_from(kept).map_err(|error| Wrong::Damaged(error.to_string()))
}

/// Starts the thread that writes; it ends when `inbox` is closed and empty.
pub(crate) fn start(
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    inbox: Mailbox<Write>,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("rims".to_owned()).spawn(move || {
        // Rims whose file could not be written, so that it is said once.
        let mut failing: BTreeSet<PathBuf> = BTreeSet::new();
        loop {
            let next = match inbox.take(WAIT) {
                Take::Item(next) => next,
                Take::TimedOut => continue,
                Take::Closed => return,
            };
            let file = path(&dir, &next.court, next.rim, if next.old { ".old" } else { "" });
            let written = write(&*disk, &dir, &file, &next.kept);
            match &written {
                Ok(()) if failing.remove(&file) => {
                    info!(court = %next.court, rim = next.rim, "the calibration is kept again");
                }
                Ok(()) => {}
                Err(error) => {
                    if failing.insert(file.clone()) {
                        let file = file.display();
                        warn!(court = %next.court, rim = next.rim, %file, %error, "a calibration cannot be kept; events go on");
                    }
                }
            }
            if let Some(waits) = next.waits {
                // Who asked may have gone.
                let _gone = waits.send(written.map_err(|error| error.to_string()));
            }
        }
    })
}

fn write(disk: &dyn Disk, dir: &Path, file: &Path, kept: &Kept) -> io::Result<()> {
    // One that could not be put aside is not written over.
    let there = read_whole(disk, file, FILE_MOST_BYTES);
    if let Ok(Err(Wrong::Newer(format))) = there.map(|bytes| parse(&bytes)) {
        let text =
            format!("a file of format {} stands there, which a newer version wrote", format.format);
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    let bytes = serde_json::to_vec(kept)?;
    make_folder(disk, dir)?;
    write_sealed(disk, file, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{ForgetfulDisk, RealDisk, write_durably};
    use crate::event::{FactId, Family};
    use crate::game::calibrate::Verdict;
    use crate::mailbox::{Tally, WhenFull};
    use crate::media::{RimBox, SessionId};

    const PLACE: RimBox = RimBox { x: 612.0, y: 188.0, w: 44.0, h: 22.0 };

    fn fact(n: u32) -> FactId {
        FactId::new(SessionId::from_bits(7), Family::Shot, n)
    }

    fn seen(count: u32) -> Calibration {
        let mut calibration = Calibration::new(PLACE);
        for n in 0..count {
            let odds = if n % 2 == 0 { 3.0 } else { -4.0 };
            calibration.saw(fact(n), odds, ("rimnet", "0.4.0"), None);
        }
        calibration.said(fact(0), Verdict::Missed);
        calibration
    }

    fn court(rims: &str) -> CourtConfig {
        let text = format!(
            "[uplink]\nbroker = \"mqtt://127.0.0.1:1883\"\n[box]\nname = \"rim-1\"\n[[court]]\n\
             name = \"a\"\nstream_key = \"north-hoop-1\"\nrims = [{rims}]\n"
        );
        let read = |_: &Path| Err(io::ErrorKind::NotFound.into());
        let origin = crate::config::Origin {
            file: Path::new("courtside.toml"),
            credentials: None,
            hostname: None,
            read: &read,
        };
        let config = crate::config::parse(&text, &origin);
        config.unwrap_or_else(|error| panic!("{error}")).courts.remove(0)
    }

    /// Puts a calibration where the daemon would.
    fn put(dir: &Path, calibration: &Calibration) {
        let file = path(dir, &CourtId::new("a").expect("name"), 0, "");
        write(&RealDisk::new(), dir, &file, &calibration.kept()).expect("written");
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names = RealDisk::new().names(dir).expect("listed");
        names.sort();
        names
    }

    #[test]
    fn what_was_kept_is_read_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |rims| load(&RealDisk::new(), dir.path(), &court(rims), Calibrate::Watch);
        assert_eq!(at("[612, 188, 44, 22]"), [Calibration::new(PLACE)], "no file yet");
        put(dir.path(), &seen(40));
        assert_eq!(at("[612, 188, 44, 22]"), [seen(40)]);
        // Drawn again by hand: the same rim. Another place: another one.
        assert_eq!(at("[614, 187, 43, 23]"), [seen(40)]);
        let moved = RimBox { x: 640.0, ..PLACE };
        assert_eq!(at("[640, 188, 44, 22]"), [Calibration::new(moved)]);
        assert_eq!(names(dir.path()), ["a-0.old.json"]);
    }

    #[test]
    fn a_damaged_file_is_put_aside_and_nothing_else_fails() {
        let dir = tempfile::tempdir().expect("a folder");
        put(dir.path(), &seen(3));
        let file = dir.path().join("a-0.json");
        let good = std::fs::read_to_string(&file).expect("read").trim_end().to_owned();
        let mut times = 0;
        for damaged in [
            good.replace("}]", ""),
            good.replace("-4000", "-400000"),
            good.replace("\"missed\"", "\"perhaps\""),
            good.replace("44.0", "-44.0"),
            String::new(),
        ] {
            assert_ne!(damaged, good);
            put(dir.path(), &seen(3));
            let rewritten = RealDisk::new();
            let opened = rewritten.open(&file, crate::disk::OpenHow::ReadWrite).expect("opened");
            opened.set_len(0).expect("cut");
            opened.write_at(0, damaged.as_bytes()).expect("written");
            let both = court("[612, 188, 44, 22], [100, 188, 44, 22]");
            let loaded = load(&rewritten, dir.path(), &both, Calibrate::Watch);
            assert_eq!(loaded.len(), 2, "{damaged}");
            assert_eq!(loaded[0], Calibration::new(PLACE), "{damaged}");
            let there = names(dir.path());
            let is_aside = |name: &String| name.starts_with("a-0.json.damaged-");
            assert!(there.iter().all(is_aside), "{there:?} of {damaged}");
            times += 1;
            assert_eq!(there.len(), times, "each of them stays");
        }
    }

    fn put_bytes(disk: &dyn Disk, file: &Path, bytes: &[u8]) {
        write_durably(disk, file, bytes).expect("written");
    }

    fn later(more: &str) -> Vec<u8> {
        let kept = serde_json::to_string(&seen(6).kept()).expect("JSON");
        kept.replacen("\"version\":1", more, 1).into_bytes()
    }

    #[test]
    fn a_file_of_the_first_format_is_read_and_written_as_it_stood() {
        let disk = ForgetfulDisk::new();
        let (dir, court) = (Path::new("/rims"), court("[612, 188, 44, 22]"));
        let file = path(dir, &court.name, 0, "");
        disk.create_dir_all(dir).expect("a folder");
        let bytes = include_bytes!("../../tests/data/formats/rims-1.json");
        put_bytes(&disk, &file, bytes);
        let loaded = load(&disk, dir, &court, Calibrate::Watch).remove(0);
        let verdicts: Vec<_> = loaded.verdicts().collect();
        assert_eq!(verdicts, [("0000000000000007-1", Verdict::Missed)]);
        write(&disk, dir, &file, &loaded.kept()).expect("written");
        let written = read_whole(&disk, &file, 1 << 20).expect("there");
        assert_eq!(unseal(&written), Ok(&bytes[..]), "with its checksum behind it");
    }

    #[test]
    fn one_of_a_newer_version_is_kept_untouched_and_stands_again_once_it_can_be_read() {
        let disk = ForgetfulDisk::new();
        let (dir, court) = (Path::new("/rims"), court("[612, 188, 44, 22]"));
        let file = path(dir, &court.name, 0, "");
        disk.create_dir_all(dir).expect("a folder");
        let newer = later("\"version\":3,\"oldest_reader\":2,\"game\":\"g\"");
        let name = |n: &str| format!("a-0.json.newer-3{n}");
        for n in ["", "-1"] {
            // Twice: the version after was back in between.
            put_bytes(&disk, &file, &newer);
            let loaded = load(&disk, dir, &court, Calibrate::Watch);
            assert_eq!(loaded, [Calibration::new(PLACE)], "begun anew");
            let kept = read_whole(&disk, &dir.join(name(n)), 1 << 20).expect("aside");
            assert_eq!(kept, newer, "untouched");
        }
        // What is learnt meanwhile.
        let mut meanwhile = Calibration::new(PLACE);
        for n in 4..9 {
            meanwhile.saw(fact(n), 3.0, ("rimnet", "0.4.0"), None);
        }
        meanwhile.said(fact(5), Verdict::Made);
        write(&disk, dir, &file, &meanwhile.kept()).expect("written");
        assert_eq!(load(&disk, dir, &court, Calibrate::Watch), [meanwhile], "left where it is");
        // The version that can read it, by what its file says.
        for n in ["", "-1"] {
            let readable = later("\"version\":3,\"oldest_reader\":1,\"game\":\"g\"");
            put_bytes(&disk, &dir.join(name(n)), &readable);
        }
        let both = load(&disk, dir, &court, Calibrate::Watch).remove(0);
        let shots: Vec<_> = (0..9).filter(|n| both.knows(fact(*n))).collect();
        assert_eq!(shots, (0..9).collect::<Vec<_>>());
        let verdicts: Vec<_> = both.verdicts().map(|(_, verdict)| verdict).collect();
        assert_eq!(verdicts, [Verdict::Made, Verdict::Missed], "what was said holds");
        assert_eq!(disk.names(dir).expect("listed"), ["a-0.json"]);
        // What is not known here is written again.
        let written = read_whole(&disk, &file, 1 << 20).expect("there");
        let written: serde_json::Value = serde_json::from_slice(&written).expect("JSON");
        assert_eq!((&written["version"], &written["oldest_reader"]), (&3.into(), &1.into()));
        assert_eq!(written["game"], "g");
    }

    #[test]
    fn one_of_a_newer_version_is_never_written_over() {
        let disk = ForgetfulDisk::new();
        let (dir, name) = (Path::new("/rims"), CourtId::new("a").expect("name"));
        let file = path(dir, &name, 0, "");
        disk.create_dir_all(dir).expect("a folder");
        let newer = later("\"version\":2");
        put_bytes(&disk, &file, &newer);
        let error = write(&disk, dir, &file, &seen(1).kept()).expect_err("refused");
        assert!(error.to_string().contains("format 2"), "{error}");
        assert_eq!(read_whole(&disk, &file, 1 << 20).expect("there"), newer);
    }

    #[test]
    fn who_waits_is_told_when_it_is_durable_and_a_disk_that_refuses_ends_nothing() {
        let disk = ForgetfulDisk::new();
        let rims = Path::new("/box/rims");
        disk.create_dir_all(rims).expect("made");
        let name = CourtId::new("a").expect("name");
        disk.fail_syncs(true);
        let inbox = Mailbox::new(WAITING, WhenFull::DropOldest, Tally::default());
        let writing = start(Arc::new(disk.clone()), rims.into(), inbox.clone());
        let ask = || {
            let (waits, told) = oneshot::channel();
            assert!(inbox.offer(Write::of(&name, 0, &seen(5)).telling(waits)).is_none());
            told.blocking_recv().expect("an answer")
        };
        assert!(ask().is_err());
        disk.fail_syncs(false);
        assert_eq!(ask(), Ok(()));
        assert_eq!(disk.names(rims).expect("listed"), ["a-0.json"], "there before the answer is");
        inbox.close();
        writing.expect("started").join().expect("ended");
    }

    #[test]
    fn a_cut_at_any_step_leaves_the_old_or_the_new() {
        let (old, new) = (seen(3), seen(30));
        let (dir, name) = (PathBuf::from("/rims"), CourtId::new("a").expect("name"));
        let file = path(&dir, &name, 0, "");
        let mut outcomes = [0, 0];
        for seed in 0..40 {
            for stop in 0.. {
                let disk = ForgetfulDisk::new();
                write(&disk, &dir, &file, &old.kept()).expect("the old one");
                disk.stop_after(disk.operations() + stop);
                let whole = write(&disk, &dir, &file, &new.kept()).is_ok();
                let after = disk.power_cut(seed);
                let found = read_whole(&after, &file, 1 << 20).expect("there");
                let found = parse(&found).expect("ours");
                assert!(found == old || found == new, "seed {seed}, stopped at {stop}");
                assert!(!whole || found == new, "seed {seed}: it was promised");
                outcomes[usize::from(found == new)] += 1;
                if whole {
                    break;
                }
            }
        }
        assert!(outcomes.iter().all(|count| *count > 0), "{outcomes:?}");
    }
}
