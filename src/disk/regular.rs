//! Files that somebody else may have put there: what was opened is a regular file, and no more of it
//! is read than a bound.
//!
//! A name may be anything: a device without end, a pipe that nobody writes to, a folder, ten gigabytes
//! of nothing. So the kind is asked of what *was opened* (a name may change its meaning between two
//! looks), opening waits for nobody, and the bound holds for what is *read*: a length is only what a
//! file says of itself. Symbolic links are followed here, as certificates and credentials have them;
//! in folders of our own ([`crate::disk::RealDisk`]) they are not.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// What a file is that is not taken, whatever the file system says of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum Unfit {
    /// A pipe, a device, a folder, a socket; or a link where none is followed.
    #[error("it is {kind}, and only a regular file is taken: put one there")]
    NotRegular { kind: &'static str },
    /// More than anybody means.
    #[error("it is longer than {}, the most that is read here: put a shorter one there", size(*limit))]
    TooLong { limit: u64 },
    /// Bytes that are no text.
    #[error("it is not text in UTF-8: write it anew")]
    NotText,
}

impl Unfit {
    /// What `error` says of a file, if it is one of these.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Unfit> for io::Error {
    fn from(unfit: Unfit) -> Self {
        let kind = match unfit {
            Unfit::NotRegular { .. } => io::ErrorKind::InvalidInput,
            Unfit::TooLong { .. } => io::ErrorKind::FileTooLarge,
            Unfit::NotText => io::ErrorKind::InvalidData,
        };
        Self::new(kind, unfit)
    }
}

/// Opens a regular file for reading; a link to one too. Waits for nobody.
///
/// # Errors
/// [`Unfit::NotRegular`] (by [`Unfit::of`]), or what the file system says. The text names no path: who
/// calls does.
pub fn open_regular(path: &Path) -> io::Result<File> {
    open_checked(path, OpenOptions::new().read(true), OFlags::empty())
}

/// Reads a regular file whole, at most `limit` bytes of it.
///
/// # Errors
/// [`Unfit`] (by [`Unfit::of`]), or what the file system says. The text names no path: who calls does.
pub fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_most(open_regular(path)?, limit)
}

/// The same, of a text.
///
/// # Errors
/// As [`read_regular`].
pub fn read_regular_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read_regular(path, limit)?).map_err(|_| Unfit::NotText.into())
}

/// Reads what is left of an opened file, at most `limit` bytes.
///
/// # Errors
/// As [`read_regular`].
pub fn read_most(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let too_long = || Err(Unfit::TooLong { limit }.into());
    // What says of itself that it is too long is not read at all.
    if file.metadata()?.len() > limit {
        return too_long();
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { too_long() } else { Ok(bytes) }
}

/// Opens as `options` say, without waiting, and gives back nothing but a regular file.
pub(super) fn open_checked(
    path: &Path,
    options: &mut OpenOptions,
    flags: OFlags,
) -> io::Result<File> {
    // A pipe without a writer holds nobody, and no terminal becomes ours.
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = options.custom_flags(flags.bits().cast_signed()).open(path);
    match opened {
        Ok(file) => {
            regular(&file.metadata()?)?;
            Ok(file)
        }
        // A socket, a folder to be written to, a link: the file system's words are about the call.
        Err(error) => {
            let meta = if flags.contains(OFlags::NOFOLLOW) {
                std::fs::symlink_metadata(path)
            } else {
                std::fs::metadata(path)
            };
            match meta.map(|meta| regular(&meta)) {
                Ok(Err(unfit)) => Err(unfit.into()),
                Ok(Ok(())) | Err(_) => Err(error),
            }
        }
    }
}

/// # Errors
/// [`Unfit::NotRegular`].
fn regular(meta: &Metadata) -> Result<(), Unfit> {
    let kind = meta.file_type();
    if kind.is_file() { Ok(()) } else { Err(Unfit::NotRegular { kind: named(kind) }) }
}

fn named(kind: FileType) -> &'static str {
    match kind {
        _ if kind.is_dir() => "a folder",
        _ if kind.is_symlink() => "a symbolic link",
        _ if kind.is_fifo() => "a named pipe",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

/// A bound, as people write it.
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let fits = |(unit, _): &&(u64, &str)| bytes >= *unit && bytes.is_multiple_of(*unit);
    match UNITS.iter().find(fits) {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    use rustix::fs::{FileType as NodeType, Mode, mknodat};

    use super::*;

    /// Long enough for a busy machine; what holds somebody up, holds him for ever.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn pipe(path: &Path) {
        mknodat(rustix::fs::CWD, path, NodeType::Fifo, Mode::from_raw_mode(0o600), 0)
            .expect("pipe");
    }

    /// Reads on a thread of its own, so that what holds it up is seen. `None`: it was held up.
    fn in_time<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (done, told) = sync_channel(1);
        std::thread::spawn(move || drop(done.send(read())));
        told.recv_timeout(PATIENCE).ok()
    }

    fn refusal(path: &Path, limit: u64) -> String {
        let path = path.to_owned();
        let read = in_time(move || read_regular(&path, limit)).expect("not held up");
        read.expect_err("refused").to_string()
    }

    #[test]
    fn only_regular_files_are_read_and_nothing_holds_the_reader() {
        let dir = tempfile::tempdir().expect("dir");
        let at = |name: &str| dir.path().join(name);
        pipe(&at("pipe"));
        symlink("pipe", at("link-to-pipe")).expect("link");
        symlink("/dev/zero", at("zero")).expect("link");
        let _socket = UnixListener::bind(at("socket")).expect("socket");
        for (name, expected) in [
            ("pipe", "a named pipe"),
            ("link-to-pipe", "a named pipe"),
            ("zero", "a device"),
            ("socket", "a socket"),
            (".", "a folder"),
        ] {
            let said = refusal(&at(name), 100);
            assert_eq!(
                said,
                format!("it is {expected}, and only a regular file is taken: put one there"),
                "{name}"
            );
        }
        let missing = read_regular(&at("none"), 100).expect_err("none");
        assert_eq!((missing.kind(), Unfit::of(&missing)), (io::ErrorKind::NotFound, None));
    }

    #[test]
    fn links_to_regular_files_are_followed_unless_they_are_not() {
        let dir = tempfile::tempdir().expect("dir");
        let at = |name: &str| dir.path().join(name);
        File::create(at("file")).and_then(|mut file| file.write_all(b"text")).expect("written");
        symlink("file", at("link")).expect("link");
        assert_eq!(read_regular_text(&at("link"), 4).expect("read"), "text");
        let refused = open_checked(&at("link"), File::options().read(true), OFlags::NOFOLLOW);
        let refused = refused.expect_err("a link");
        assert_eq!(Unfit::of(&refused), Some(&Unfit::NotRegular { kind: "a symbolic link" }));
    }

    #[test]
    fn no_more_is_read_than_the_bound() {
        let dir = tempfile::tempdir().expect("dir");
        let sparse = dir.path().join("sparse");
        File::create(&sparse).expect("made").set_len(10 << 30).expect("ten gigabytes of nothing");
        assert_eq!(
            refusal(&sparse, 1 << 20),
            "it is longer than 1 MiB, the most that is read here: put a shorter one there"
        );
        let file = dir.path().join("file");
        File::create(&file).and_then(|mut file| file.write_all(&[7; 100])).expect("written");
        assert_eq!(read_regular(&file, 100).expect("as long as may be").len(), 100);
        assert!(refusal(&file, 99).starts_with("it is longer than 99 bytes"));
        // Says of itself that it has no bytes, and has more than may be read.
        let lies = Path::new("/proc/self/mounts");
        assert_eq!(std::fs::metadata(lies).expect("there").len(), 0);
        assert!(refusal(lies, 8).starts_with("it is longer than 8 bytes"));
        assert!(read_regular_text(&file, 100).is_ok());
        File::create(&file).and_then(|mut file| file.write_all(&[0xff])).expect("written");
        let refused = read_regular_text(&file, 100).expect_err("no text");
        assert_eq!(Unfit::of(&refused), Some(&Unfit::NotText));
    }

    /// Negative control: the calls that stood here before are held up by a pipe, and read a device
    /// beyond every bound that its length gives.
    #[test]
    fn without_the_rule_a_pipe_holds_the_reader() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("pipe");
        pipe(&path);
        let (opened, told) = sync_channel(1);
        let held = path.clone();
        let reader = std::thread::spawn(move || {
            opened.send(()).expect("listened to");
            File::open(&held).map(drop)
        });
        told.recv().expect("begun");
        // It comes back only once somebody writes: the writer's end opens, since a reader waits.
        let mut writer = File::options();
        writer.write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        while writer.open(&path).is_err() {
            std::thread::yield_now();
        }
        reader.join().expect("ended").expect("opened");
        let zero = Path::new("/dev/zero");
        assert!(std::fs::metadata(zero).expect("there").len() < 10, "what a length says");
        let read = File::open(zero).expect("opened").take(1000).read_to_end(&mut Vec::new());
        assert_eq!(read.expect("read"), 1000, "and what is read");
    }
}
