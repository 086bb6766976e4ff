//! The box's own file system, within the folders that are ours: files are regular, made 0600, and no
//! link in a file's place is followed.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, FlockOperation, OFlags, StatVfsMountFlags};

use crate::disk::ours;
use crate::disk::regular::open_checked;
use crate::disk::{Disk, DiskFile, DiskLock, Entry, LockError, Mount, OpenHow};
use crate::media::UtcTime;

/// Types of file systems whose files lie in memory: tmpfs and ramfs (`linux/magic.h`).
const MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];
/// Mode of every file that is made.
const PRIVATE: u32 = 0o600;

/// The box's own file system.
#[derive(Clone, Copy, Debug)]
pub struct RealDisk {
    syncs: bool,
}

impl RealDisk {
    /// A disk that keeps its word.
    #[must_use]
    pub const fn new() -> Self {
        Self { syncs: true }
    }

    /// A disk that skips every sync: the negative control of the power-cut test, nothing else.
    #[must_use]
    pub const fn without_sync() -> Self {
        Self { syncs: false }
    }

    fn make_dirs(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.make_dirs(parent)?;
        }
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => self.sync_name_of(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn sync_name_of(&self, path: &Path) -> io::Result<()> {
        path.parent().map_or(Ok(()), |parent| self.sync_dir(parent))
    }
}

impl Default for RealDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Box<dyn DiskFile>> {
        let mut options = File::options();
        match how {
            OpenHow::Read => options.read(true),
            OpenHow::ReadWrite => options.read(true).write(true),
            OpenHow::CreateNew => options.read(true).write(true).create_new(true),
            OpenHow::CreateOrOpen => options.read(true).write(true).create(true).truncate(false),
        };
        let file = open_checked(path, options.mode(PRIVATE), OFlags::NOFOLLOW)?;
        Ok(Box::new(RealFile { file, syncs: self.syncs }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.make_dirs(path)?;
        ours::tighten_own(path)
    }

    fn own_dir(&self, path: &Path, names: &[&str]) -> io::Result<Vec<String>> {
        ours::own_dir(path, names)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            match entry.metadata() {
                Ok(meta) => {
                    let is_dir = meta.is_dir();
                    entries.push(Entry { name, len: if is_dir { 0 } else { meta.len() }, is_dir });
                }
                // Removed between the two calls: as if it had never been listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    fn names(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            // The type stands in the directory itself.
            if !entry.file_type()?.is_dir() {
                names.extend(entry.file_name().into_string());
            }
        }
        Ok(names)
    }

    fn inode(&self, path: &Path) -> io::Result<Option<(u64, u64)>> {
        fs::symlink_metadata(path).map(|meta| Some((meta.dev(), meta.ino())))
    }

    #[expect(clippy::disallowed_methods, reason = "this is `disk`")]
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if !self.syncs {
            return Ok(());
        }
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        File::open(dir)?.sync_all()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn mount(&self, dir: &Path) -> io::Result<Mount> {
        let there = dir.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new("/"));
        let in_ram = MEMORY.contains(&rustix::fs::statfs(there)?.f_type);
        let flags = rustix::fs::statvfs(there)?.f_flag;
        let owner = fs::metadata(there)?.uid();
        let foreign = there == dir && owner != rustix::process::geteuid().as_raw();
        let read_only = flags.contains(StatVfsMountFlags::RDONLY);
        Ok(Mount { in_ram, read_only, of_user: foreign.then_some(owner) })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a name's date, as a file system gives files theirs"
    )]
    fn utc(&self) -> UtcTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        UtcTime::from_nanos(nanos)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn DiskLock>, LockError> {
        let said_no = |source: io::Error| LockError::Io { path: path.to_owned(), source };
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(PRIVATE);
        let mut file = open_checked(path, &mut options, OFlags::NOFOLLOW).map_err(said_no)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                // Only to say who: a holder that wrote nothing yet is "another process".
                let pid = match (&file).take(16).read_to_string(&mut text) {
                    Ok(_) => text.trim().parse().ok(),
                    Err(_) => None,
                };
                return Err(LockError::InUse { path: path.to_owned(), pid });
            }
            Err(error) => return Err(said_no(error.into())),
        }
        let pid = std::process::id();
        // Only to say who: on a full disk the lock holds without a word.
        let told = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(file, "{pid}"));
        if let Err(error) = told
            && error.kind() != io::ErrorKind::StorageFull
        {
            return Err(said_no(error));
        }
        Ok(Box::new(RealLock { _file: file, _path: path.to_owned() }))
    }
}

/// Held as long as the file is open; the kernel lets it go when the process ends, however it ends.
#[derive(Debug)]
struct RealLock {
    _file: File,
    _path: PathBuf,
}

impl DiskLock for RealLock {}

#[derive(Debug)]
struct RealFile {
    file: File,
    syncs: bool,
}

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, len) {
            Ok(()) => Ok(()),
            // File systems without it: writing is the slow way to the same end.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                let zeros = vec![0; 1 << 20];
                let mut at = 0;
                while at < len {
                    let n = usize::try_from(len - at).unwrap_or(usize::MAX).min(zeros.len());
                    self.file.write_all_at(&zeros[..n], at)?;
                    at += n as u64;
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.syncs { self.file.sync_data() } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{read_whole, write_durably};

    #[test]
    fn the_second_lock_says_who_holds_it() {
        let dir = tempfile::tempdir().expect("dir");
        let disk = RealDisk::new();
        let path = dir.path().join("lock");
        let held = disk.lock(&path).expect("first");
        let refused = disk.lock(&path).expect_err("second");
        let text = refused.to_string();
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        drop(held);
        disk.lock(&path).expect("after the first is gone");
    }

    #[test]
    fn in_a_folder_of_ours_no_link_is_followed_to_a_file_of_somebody_elses() {
        let dir = tempfile::tempdir().expect("dir");
        let disk = RealDisk::new();
        let secret = dir.path().join("secret");
        write_durably(&disk, &secret, b"a key").expect("written");
        let planted = dir.path().join("0000000001.a.0123456789abcdef.mp4");
        std::os::unix::fs::symlink(&secret, &planted).expect("a link");
        // Negative control: a plain opening gives the secret away.
        assert_eq!(fs::read(&planted).expect("followed"), b"a key");
        for how in [OpenHow::Read, OpenHow::ReadWrite, OpenHow::CreateOrOpen] {
            let refused = disk.open(&planted, how).expect_err("a link").to_string();
            assert!(refused.contains("a symbolic link"), "{how:?}: {refused}");
        }
        assert!(disk.lock(&planted).is_err());
        write_durably(&disk, &planted, b"ours").expect("in its place");
        assert_eq!(read_whole(&disk, &secret, 100).expect("untouched"), b"a key");
        assert_eq!(read_whole(&disk, &planted, 100).expect("a file now"), b"ours");
    }

    #[test]
    fn a_durable_file_replaces_the_old_one() {
        let dir = tempfile::tempdir().expect("dir");
        let disk = RealDisk::new();
        let sub = dir.path().join("a/b");
        disk.create_dir_all(&sub).expect("dirs");
        let path = sub.join("x.json");
        write_durably(&disk, &path, b"old, and longer").expect("old");
        write_durably(&disk, &path, b"new").expect("new");
        assert_eq!(read_whole(&disk, &path, 100).expect("read"), b"new");
        assert!(read_whole(&disk, &path, 2).is_err());
        assert_eq!(disk.list(&sub).expect("list").len(), 1);
    }
}
