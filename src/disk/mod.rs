//! The seam to storage: what ring and outbox ask of a file system, and the order that makes a file
//! survive a power cut.
//!
//! [`RealDisk`] is the box's; [`ForgetfulDisk`] is for tests: it loses what was not synced, tears
//! the last write, and stops at any operation. [`Ballast`] is room that is given up when there is
//! none left (DESIGN R9). What somebody else may have put there (configuration, certificates, models)
//! is read by [`read_regular`], wherever it lies.
//!
//! Every kind of file that lies below the data folder stands in `layout`; what is read of one and is not what was
//! written goes by `harm` (put aside, told, begun anew), and JSON has its checksum behind it (`sealed`).
//!
//! What stands in the place of a folder or a lock, and files that go from under whoever uses them, are `place`'s.
//!
//! Folders are made 0700 and files 0600, whatever the umask; `ours` says whether what lies in the data
//! folder can be believed.
//!
//! A name is durable only once its directory was synced, bytes only once their file was.
//! Deliberately absent: buffered writers and appends by cursor. Every write says where it goes, so
//! that a write that failed half-way can be repeated.

mod regular;
mod ours;
mod format;
mod sealed;
mod harm;
mod layout;
mod place;
mod ballast;
mod pages;
mod forgetful;
mod real;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::media::UtcTime;

pub use crate::disk::ballast::Ballast;
pub use crate::disk::forgetful::ForgetfulDisk;
pub use crate::disk::format::{Format, is_aside, put_aside, put_unfit_aside, was_put_aside};
pub use crate::disk::harm::{
    Harm, Harms, Taken, copy_by, found_harmed, found_newer, is_harm, put_by, take, write_sealed,
};
pub use crate::disk::layout::{
    FileKind, Keeps, LAYOUT, has_run, kind_of, look_through, no_text, top_names,
};
pub use crate::disk::ours::{
    Judged, ReadBy, Seen, Us, judge, keep_files_private, look, own_secret, read_by, who_reads,
};
pub use crate::disk::place::{InPlace, in_folder, make_folder, take_lock};
pub use crate::disk::real::RealDisk;
pub use crate::disk::regular::{Unfit, open_regular, read_most, read_regular, read_regular_text};
pub use crate::disk::sealed::{Wrong, is_sealed, no_json, read_json, seal, unseal};

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenHow {
    /// For reading; it must be there.
    Read,
    /// For both; it must be there.
    ReadWrite,
    /// For both; it must not be there.
    CreateNew,
    /// For both; made if it is not there.
    CreateOrOpen,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The last part of its path.
    pub name: String,
    /// Its length in bytes; 0 for a directory.
    pub len: u64,
    /// True for a directory.
    pub is_dir: bool,
}

/// Where a folder lies, as far as anybody who keeps something there must know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// In memory: gone with the power.
    pub in_ram: bool,
    /// Nothing can be written.
    pub read_only: bool,
    /// Another user than this process's has it: his number.
    pub of_user: Option<u32>,
}

/// What ring and outbox ask of a file system.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Opens a file. A new name is durable only after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// What the file system says.
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Box<dyn DiskFile>>;
    /// Makes a directory and those above it, durably, for us alone; one of ours that is there is made
    /// so.
    ///
    /// # Errors
    /// What the file system says.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes the one directory under which all of ours lie, and sees to it that nobody else can have
    /// put anything there: [`crate::disk::judge`]. `names` are what we put into it. Returns what
    /// somebody must know of it.
    ///
    /// # Errors
    /// Why what is in it cannot be believed and what to type, or what the file system says.
    fn own_dir(&self, path: &Path, names: &[&str]) -> io::Result<Vec<String>> {
        let _ = names;
        self.create_dir_all(path).map(|()| Vec::new())
    }
    /// The names in a directory, in any order. Names that are not UTF-8 are not ours: left out.
    ///
    /// # Errors
    /// What the file system says.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;
    /// The names of the files in a directory, in any order: [`Disk::list`] without asking each file
    /// for its length, which costs a read of the disk a file.
    ///
    /// # Errors
    /// What the file system says.
    fn names(&self, dir: &Path) -> io::Result<Vec<String>> {
        let files = self.list(dir)?.into_iter().filter(|entry| !entry.is_dir);
        Ok(files.map(|entry| entry.name).collect())
    }
    /// Which file has a name, links not followed: two numbers that no other file has meanwhile. `None` where the disk
    /// cannot tell.
    ///
    /// # Errors
    /// What the file system says: `NotFound` where nothing has it.
    fn inode(&self, path: &Path) -> io::Result<Option<(u64, u64)>> {
        let _ = path;
        Ok(None)
    }
    /// Gives a file another name, replacing what has it. Durable after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// What the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file. Durable after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// What the file system says.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// What the file system says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes that an ordinary user may still write where `dir` is.
    ///
    /// # Errors
    /// What the file system says.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
    /// Where `dir` lies. One that is not there lies where the nearest folder above it does.
    ///
    /// # Errors
    /// What the file system says.
    fn mount(&self, dir: &Path) -> io::Result<Mount> {
        let _ = dir;
        Ok(Mount::default())
    }
    /// The day's date, for the names of what is put aside; 1970 where nobody knows it.
    fn utc(&self) -> UtcTime {
        UtcTime::from_nanos(0)
    }
    /// Takes note of a file that is not what was written, for who asks later. False if it was known.
    fn harmed(&self, harm: &Harm) -> bool {
        let _ = harm;
        true
    }
    /// Holds `path` against other processes until the value is dropped or the process ends.
    ///
    /// # Errors
    /// [`LockError::InUse`] when another holds it.
    fn lock(&self, path: &Path) -> Result<Box<dyn DiskLock>, LockError>;
}

/// An open file. Positions are given, never remembered.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Its length in bytes.
    ///
    /// # Errors
    /// What the file system says.
    fn len(&self) -> io::Result<u64>;

    /// True when it has no bytes.
    ///
    /// # Errors
    /// What the file system says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads at `offset`; may read less than asked, 0 at the end.
    ///
    /// # Errors
    /// What the file system says.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Reads all of `buf`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before; or what the file system says.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut offset = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            match self.read_at(offset, rest) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    rest = rest.split_at_mut(n).1;
                    offset += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all of `bytes` at `offset`, making the file longer where it must be.
    ///
    /// # Errors
    /// What the file system says; part of it may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file, or fills it with zeros up to `len`.
    ///
    /// # Errors
    /// What the file system says.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Takes room for `len` bytes, so that other files cannot have it.
    ///
    /// # Errors
    /// What the file system says.
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// Makes bytes and length durable (`fdatasync`).
    ///
    /// # Errors
    /// What the file system says. After an error nothing is known of what was written since the
    /// last success: do not try again, give the file up.
    fn sync_data(&self) -> io::Result<()>;
}

/// Held against other processes until dropped.
pub trait DiskLock: Send + Sync + fmt::Debug {}

/// Why a lock was not had.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum LockError {
    /// Another process has it.
    #[error("{path} is held by {}: stop it, or set another `box.data_dir`", holder(*.pid))]
    InUse { path: PathBuf, pid: Option<u32> },
    /// The disk said no.
    #[error("lock {path}")]
    Io { path: PathBuf, source: io::Error },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// Puts `bytes` at `path` so that after a power cut either the old file or the new one is there.
///
/// Order: write `{path}.new` → sync it → rename → sync the directory. A cut before the rename
/// leaves the old file and perhaps a `.new`, which the next call overwrites.
///
/// # Errors
/// What the file system says; the old file is untouched unless the rename was done.
pub fn write_durably(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(NEW_SUFFIX);
    let fresh = PathBuf::from(fresh);
    let file = match disk.open(&fresh, OpenHow::CreateOrOpen) {
        // What is no file there is nothing of ours.
        Err(error) if Unfit::of(&error).is_some() => {
            disk.remove(&fresh)?;
            disk.open(&fresh, OpenHow::CreateNew)?
        }
        opened => opened?,
    };
    file.set_len(0)?;
    file.write_at(0, bytes)?;
    file.sync_data()?;
    drop(file);
    disk.rename(&fresh, path)?;
    disk.sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Ends the name of a file that [`write_durably`] has not finished.
pub const NEW_SUFFIX: &str = ".new";

/// Reads a whole file, at most `limit` bytes.
///
/// # Errors
/// [`Unfit`] (by [`Unfit::of`]) when it is longer or no regular file; or what the file system says.
pub fn read_whole(disk: &dyn Disk, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenHow::Read)?;
    let len = file.len()?;
    if len > limit {
        return Err(Unfit::TooLong { limit }.into());
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    file.read_exact_at(0, &mut bytes)?;
    Ok(bytes)
}
