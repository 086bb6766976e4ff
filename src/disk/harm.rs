//! Files of ours that are not what was written: put aside with their date, told, and begun anew.
//!
//! Nothing that is damaged is written over: [`take`] gives it another name first (`{name}.damaged-{date}-{n}`), or,
//! where a newer version wrote it, `{name}.newer-{format}`. What came to harm is told to the disk
//! ([`Disk::harmed`]), which keeps it for `doctor`: so it is known wherever a file is read. What was put aside by
//! an earlier start is found by its name ([`crate::disk::layout`]).
//!
//! A disk that dies makes many: of what is put aside as damaged a folder keeps [`KEPT_FILES`] and [`KEPT_BYTES`], and
//! the oldest go, told in the log. What a newer version wrote stays, and so does footage.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::format::{free_name, was_put_aside};
use crate::disk::sealed::{Wrong, seal};
use crate::disk::{
    Disk, Entry, Format, OpenHow, Unfit, put_aside, put_unfit_aside, read_whole, write_durably,
};

/// A file that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Harm {
    /// Its name, as it should be.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
    /// Where it lies now, if it was put aside.
    pub aside: Option<PathBuf>,
    /// A newer version wrote it: it is whole, and waits for that version.
    pub newer: bool,
}

/// What came to harm, as far as it is known. Clones are the same.
#[derive(Clone, Debug, Default)]
// Written where a file is read, read for the state: held for a look.
pub struct Harms(Arc<Mutex<Vec<Harm>>>);

impl Harms {
    /// Files that are remembered; whoever has more needs another disk.
    const MOST: usize = 200;

    /// Notes one; false if it was known.
    pub fn note(&self, harm: &Harm) -> bool {
        let mut all = self.0.lock();
        if all.iter().any(|known| known.path == harm.path && known.aside == harm.aside) {
            return false;
        }
        if all.len() < Self::MOST {
            all.push(harm.clone());
        }
        true
    }

    /// Those whose files are still there: what somebody took away is told no more.
    #[must_use]
    pub fn still(&self, disk: &dyn Disk) -> Vec<Harm> {
        let all = self.0.lock().clone();
        let gone = |harm: &Harm| {
            let lies = harm.aside.as_ref().unwrap_or(&harm.path);
            let opened = disk.open(lies, OpenHow::Read);
            // What is missing from where it should be is a harm of its own.
            harm.aside.is_some()
                && opened.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        let (gone, still): (Vec<_>, Vec<_>) = all.into_iter().partition(gone);
        self.0.lock().retain(|harm| !gone.contains(harm));
        still
    }
}

/// What stood in a file of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// There is none.
    Nothing,
    /// What was written.
    Is(T),
    /// It cannot be read and was put aside, if that could be: begin anew.
    Anew(Harm),
}

impl<T> Taken<T> {
    /// What was written, if it can be read.
    pub fn is(self) -> Option<T> {
        match self {
            Self::Is(is) => Some(is),
            Self::Nothing | Self::Anew(_) => None,
        }
    }
}

/// Reads a file of ours, at most `limit` bytes; one that `read` cannot read is put aside, logged and told.
pub fn take<T>(
    disk: &dyn Disk,
    path: &Path,
    limit: u64,
    read: impl FnOnce(&[u8]) -> Result<T, Wrong>,
) -> Taken<T> {
    let wrong = match read_whole(disk, path, limit) {
        Ok(bytes) => match read(&bytes) {
            Ok(is) => return Taken::Is(is),
            Err(wrong) => wrong,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Taken::Nothing,
        // No word of the file itself: of too many that are open, of rights.
        Err(error) if !is_harm(&error) => {
            let harm = told(disk, path, error.to_string(), None, false);
            return Taken::Anew(harm);
        }
        Err(error) => Wrong::Damaged(error.to_string()),
    };
    Taken::Anew(put_by(disk, path, wrong))
}

/// Damaged files that a folder keeps (chosen: some of each kind there is, for who looks for the reason).
const KEPT_FILES: usize = 32;
/// … and their bytes (chosen: a game's indexes and entries many times over, little beside any ring).
const KEPT_BYTES: u64 = 64 << 20;

/// Lets the oldest damaged files of a folder go, so that it keeps what it may with `newest`, which stays.
fn let_oldest_go(disk: &dyn Disk, newest: &Path) {
    let dir = newest.parent().unwrap_or(Path::new("."));
    let Ok(entries) = disk.list(dir) else { return };
    let (mut files, mut bytes) = (0, 0_u64);
    let mut older = Vec::new();
    for entry in entries.into_iter().filter(|entry| !entry.is_dir) {
        // Footage may be read yet, and `clips verify --repair` puts it back.
        let Some((of, newer)) = was_put_aside(&entry.name) else { continue };
        if newer || of.ends_with(".mp4") {
            continue;
        }
        (files, bytes) = (files + 1, bytes.saturating_add(entry.len));
        if dir.join(&entry.name) != newest {
            older.push((age(&entry.name), entry));
        }
    }
    older.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (_, Entry { name, len, .. }) in older {
        if files <= KEPT_FILES && bytes <= KEPT_BYTES {
            break;
        }
        let path = dir.join(&name);
        match disk.remove(&path) {
            Ok(()) => {
                (files, bytes) = (files - 1, bytes.saturating_sub(len));
                let path = path.display();
                tracing::warn!(%path, "too many damaged files lie there: the oldest was let go");
            }
            Err(error) => {
                let path = path.display();
                tracing::warn!(%path, %error, "too many damaged files lie there: the oldest stays");
            }
        }
    }
}

/// Of two names of files that were put aside, the older one's is less: by date, then by number. Those of earlier
/// versions come first.
fn age(name: &str) -> (String, u32) {
    let behind = name.rsplit_once(".damaged-").map_or("", |(_, behind)| behind);
    let (date, n) = behind.rsplit_once('-').unwrap_or((behind, ""));
    (date.to_owned(), n.parse().unwrap_or(0))
}

/// Puts a file aside that cannot be read, logs and tells it.
pub fn put_by(disk: &dyn Disk, path: &Path, wrong: Wrong) -> Harm {
    let (mut why, aside, newer) = match wrong {
        Wrong::Newer(format) => {
            let why = format!("a newer version wrote it (format {})", format.format);
            (why, put_aside(disk, path, format), true)
        }
        Wrong::Damaged(why) => (why, put_unfit_aside(disk, path), false),
    };
    let aside = match aside {
        Ok(aside) => Some(aside),
        Err(error) => {
            why = format!("{why}; nor can it be put aside: {error}");
            None
        }
    };
    if let (Some(aside), false) = (&aside, newer) {
        let_oldest_go(disk, aside);
    }
    told(disk, path, why, aside, newer)
}

/// Keeps the bytes of a log beside it that is to go on without some of them, logs and tells it.
pub fn copy_by(disk: &dyn Disk, path: &Path, bytes: &[u8], why: &str) -> Harm {
    let copied =
        free_name(disk, path).and_then(|aside| write_durably(disk, &aside, bytes).map(|()| aside));
    let (why, aside) = match copied {
        Ok(aside) => {
            let_oldest_go(disk, &aside);
            (why.to_owned(), Some(aside))
        }
        Err(error) => (format!("{why}; nor can a copy be kept: {error}"), None),
    };
    told(disk, path, why, aside, false)
}

/// Logs and tells of a file that stays where it is, or is missing.
pub fn found_harmed(disk: &dyn Disk, path: &Path, why: impl Into<String>) -> Harm {
    told(disk, path, why.into(), None, false)
}

/// Logs and tells of a file of a newer version that stays where it is.
pub fn found_newer(disk: &dyn Disk, path: &Path, format: Format) -> Harm {
    let why = format!("a newer version wrote it (format {})", format.format);
    told(disk, path, why, None, true)
}

fn told(disk: &dyn Disk, path: &Path, why: String, aside: Option<PathBuf>, newer: bool) -> Harm {
    let harm = Harm { path: path.to_owned(), why, aside, newer };
    if disk.harmed(&harm) {
        let Harm { path, why, aside, newer } = &harm;
        let lies = aside.as_ref().unwrap_or(path).display();
        let path = path.display();
        match (newer, aside) {
            (true, _) => {
                tracing::warn!(%path, why, put_aside = %lies, "a file of a newer version: kept for it");
            }
            (false, Some(_)) => {
                tracing::error!(%path, why, put_aside = %lies, "a file of ours is damaged: put aside");
            }
            (false, None) => tracing::error!(%path, why, "a file of ours is damaged"),
        }
    }
    harm
}

/// True where the error says that the file itself is at fault: it is no file of ours, or the disk cannot read it.
#[must_use]
pub fn is_harm(error: &io::Error) -> bool {
    // EIO, EBADMSG, EUCLEAN, ENODATA: what Linux's file systems say of a medium that lost bytes.
    const MEDIUM: [i32; 4] = [5, 74, 117, 61];
    Unfit::of(error).is_some()
        || matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
        || error.raw_os_error().is_some_and(|code| MEDIUM.contains(&code))
}

/// Puts JSON at `path` with its checksum, as [`write_durably`] does.
///
/// # Errors
/// As there.
pub fn write_sealed(disk: &dyn Disk, path: &Path, json: Vec<u8>) -> io::Result<()> {
    write_durably(disk, path, &seal(json))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::ForgetfulDisk;
    use crate::disk::sealed::read_json;

    #[test]
    fn what_cannot_be_read_is_put_aside_with_its_date_and_never_written_over() {
        let disk = ForgetfulDisk::new();
        let path = Path::new("/d/x.json");
        disk.create_dir_all(Path::new("/d")).expect("made");
        let read =
            || take(&disk, path, 99, |bytes| read_json::<serde_json::Value>(bytes, Format::FIRST));
        assert_eq!(read(), Taken::Nothing);
        write_sealed(&disk, path, b"{\"n\":1}".to_vec()).expect("written");
        assert!(matches!(read(), Taken::Is(_)));
        for (n, bytes) in [&b""[..], &[0; 40], b"{\"n\":", &[b'x'; 200]].into_iter().enumerate() {
            write_durably(&disk, path, bytes).expect("written");
            let Taken::Anew(harm) = read() else { panic!("{bytes:?}") };
            let aside = harm.aside.expect("put aside");
            assert_eq!(aside, Path::new(&format!("/d/x.json.damaged-1970-01-01-{}", n + 1)));
            assert_eq!(read_whole(&disk, &aside, 999).expect("there"), bytes);
            assert_eq!(read(), Taken::Nothing);
        }
        write_durably(&disk, path, b"{\"n\":1}").expect("written");
        disk.fail_reads("x.json");
        assert!(matches!(read(), Taken::Anew(_)), "what the disk cannot read");
    }

    #[test]
    fn of_many_damaged_files_the_oldest_go_and_what_is_newer_or_footage_stays() {
        let disk = ForgetfulDisk::new();
        disk.create_dir_all(Path::new("/d")).expect("made");
        let write = |name: &str, bytes: &[u8]| {
            write_durably(&disk, &Path::new("/d").join(name), bytes).expect("written");
        };
        write("old.json.unfit-1", b"of an earlier version");
        write("x.json.newer-9", b"of a newer one");
        write("7-north-1.mp4.damaged-1969-01-01-1", b"footage");
        let harm = |n: usize| {
            let path = PathBuf::from(format!("/d/{}.json", n % 3));
            write_durably(&disk, &path, b"?").expect("written");
            put_by(&disk, &path, Wrong::Damaged("noise".to_owned())).aside.expect("put aside")
        };
        let asides: Vec<PathBuf> = (0..KEPT_FILES + 5).map(harm).collect();
        let there = disk.names(Path::new("/d")).expect("listed");
        let is_there = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            there.iter().any(|there| *there == name)
        };
        assert_eq!(asides.iter().filter(|path| is_there(path)).count(), KEPT_FILES);
        assert!(asides.last().is_some_and(is_there), "the newest stays");
        for (name, stays) in [
            ("old.json.unfit-1", false),
            ("0.json.damaged-1970-01-01-1", false),
            ("x.json.newer-9", true),
            ("7-north-1.mp4.damaged-1969-01-01-1", true),
        ] {
            assert_eq!(is_there(&Path::new("/d").join(name)), stays, "{name}");
        }
        // By their bytes: two that fill it, and the first goes.
        let large = vec![b'?'; usize::try_from(KEPT_BYTES).expect("small") - 10];
        let before = there.len();
        write("large.json", &large);
        let large = put_by(&disk, Path::new("/d/large.json"), Wrong::Damaged("noise".to_owned()));
        let there = disk.names(Path::new("/d")).expect("listed");
        assert!(there.len() < before && there.iter().any(|name| name.starts_with("large.json.")));
        assert!(large.aside.is_some());
    }

    #[test]
    fn a_harm_is_told_once_and_as_long_as_its_file_lies_there() {
        let disk = ForgetfulDisk::new();
        disk.create_dir_all(Path::new("/d")).expect("made");
        let aside = PathBuf::from("/d/x.damaged-1");
        write_durably(&disk, &aside, b"?").expect("written");
        let harm = Harm {
            path: "/d/x".into(),
            why: "zeros".to_owned(),
            aside: Some(aside.clone()),
            newer: false,
        };
        let harms = Harms::default();
        assert!(harms.note(&harm) && !harms.note(&harm));
        assert_eq!(harms.still(&disk), [harm]);
        disk.remove(&aside).expect("taken away");
        assert_eq!(harms.still(&disk), []);
    }
}
