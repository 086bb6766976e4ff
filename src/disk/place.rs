//! What stands in a place of ours: folders and locks where something else lies, and files that went from where they
//! are in use.
//!
//! What is in the way is put aside with its date and told, as every other damage: it stops no start. A link to
//! a folder is nobody's damage (a ring may lie on another disk), nor is one that leads nowhere (that disk is not mounted):
//! both stay.
//!
//! A file that is open stays readable and writable when somebody takes its name away, and is gone with the process:
//! so whoever promises by one asks, before he promises, whether it still lies where the next start looks
//! ([`InPlace`]).

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskLock, LockError, Unfit, Wrong, found_harmed, put_by};

/// Makes a folder of ours and those above it; a file that stands in its place is put aside first.
///
/// # Errors
/// What the file system says.
pub fn make_folder(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    let is_in_the_way = |dir: &Path| {
        disk.names(dir).is_err_and(|error| error.kind() == io::ErrorKind::NotADirectory)
    };
    if is_in_the_way(folder) {
        // The topmost of those above it is the one that is a file.
        let files = folder.ancestors().filter(|dir| !dir.as_os_str().is_empty());
        let file = files.take_while(|dir| is_in_the_way(dir)).last().unwrap_or(folder);
        let harm = put_by(disk, file, Wrong::Damaged("a file, where a folder belongs".to_owned()));
        harm.aside.ok_or_else(|| io::Error::other(harm.why))?;
    }
    disk.create_dir_all(folder)
}

/// Does something in a folder of ours; where somebody took that away while it was in use it is made anew, told, and the
/// work done once more.
///
/// # Errors
/// What the file system says.
pub fn in_folder<T>(
    disk: &dyn Disk,
    folder: &Path,
    work: impl Fn() -> io::Result<T>,
) -> io::Result<T> {
    match work() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_folder(disk, folder)?;
            found_harmed(disk, folder, "it was taken away while it was in use: made anew, empty");
            work()
        }
        done => done,
    }
}

/// Takes a lock; what stands in its place and is no file holds nobody off, and is put aside.
///
/// # Errors
/// [`LockError`].
pub fn take_lock(disk: &dyn Disk, path: &Path) -> Result<Box<dyn DiskLock>, LockError> {
    match disk.lock(path) {
        Err(LockError::Io { source, .. }) if Unfit::of(&source).is_some() => {
            put_by(disk, path, Wrong::Damaged(source.to_string()));
            disk.lock(path)
        }
        locked => locked,
    }
}

/// A file in use, and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InPlace {
    path: PathBuf,
    inode: Option<(u64, u64)>,
}

impl InPlace {
    /// The file that was just opened at `path`.
    #[must_use]
    pub fn of(disk: &dyn Disk, path: &Path) -> Self {
        // Of what cannot be told nothing is said.
        Self { path: path.to_owned(), inode: disk.inode(path).ok().flatten() }
    }

    /// What became of it, if it does not lie there any more.
    #[must_use]
    pub fn astray(&self, disk: &dyn Disk) -> Option<&'static str> {
        let was = self.inode?;
        match disk.inode(&self.path) {
            Ok(Some(is)) if is != was => {
                Some("another file was put in its place while it was in use")
            }
            Err(error) if is_gone(&error) => Some("it was taken away while it was in use"),
            // A disk that cannot be asked says no when it is written to.
            Ok(_) | Err(_) => None,
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{ForgetfulDisk, OpenHow, RealDisk, read_whole, write_durably};

    fn names(disk: &dyn Disk, dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            disk.list(dir).expect("listed").into_iter().map(|entry| entry.name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_where_a_folder_belongs_is_put_aside_and_a_link_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        let disk = RealDisk::new();
        write_durably(&disk, &dir.path().join("ring"), b"hello").expect("written");
        make_folder(&disk, &dir.path().join("ring/clips")).expect("made");
        let found = names(&disk, dir.path());
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[1].starts_with("ring.damaged-"), "{found:?}");
        let aside = dir.path().join(&found[1]);
        assert_eq!(read_whole(&disk, &aside, 9).expect("there"), b"hello");
        // Another disk, which is not mounted.
        std::os::unix::fs::symlink("/nowhere/at/all", dir.path().join("link")).expect("made");
        let _refused = make_folder(&disk, &dir.path().join("link"));
        assert!(names(&disk, dir.path()).contains(&"link".to_owned()));
        assert_eq!(names(&disk, dir.path()).len(), 3);
    }

    #[test]
    fn a_folder_where_a_lock_belongs_holds_nobody_off() {
        let dir = tempfile::tempdir().expect("a folder");
        let disk = RealDisk::new();
        let lock = dir.path().join("lock");
        disk.create_dir_all(&lock).expect("made");
        // Negative control: what stood here before says no.
        assert!(matches!(disk.lock(&lock), Err(LockError::Io { .. })));
        let held = take_lock(&disk, &lock).expect("taken");
        assert!(matches!(take_lock(&disk, &lock), Err(LockError::InUse { .. })), "and is held");
        drop(held);
        assert!(names(&disk, dir.path()).iter().any(|name| name.starts_with("lock.damaged-")));
    }

    #[test]
    fn a_file_that_was_taken_away_or_replaced_is_seen_though_it_can_be_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let forgetful = ForgetfulDisk::new();
        forgetful.create_dir_all(Path::new("/d")).expect("made");
        let disks: [(&dyn Disk, &Path); 2] =
            [(&RealDisk::new(), dir.path()), (&forgetful, Path::new("/d"))];
        for (disk, dir) in disks {
            let path = dir.join("x");
            let file = disk.open(&path, OpenHow::CreateNew).expect("made");
            let place = InPlace::of(disk, &path);
            file.write_at(0, b"a").expect("written");
            assert_eq!(place.astray(disk), None);
            write_durably(disk, &path, b"another").expect("written");
            assert!(place.astray(disk).is_some_and(|why| why.contains("another file")));
            disk.remove(&path).expect("removed");
            assert!(place.astray(disk).is_some_and(|why| why.contains("taken away")));
            file.write_at(0, b"b").expect("nobody says no");
        }
    }
}
