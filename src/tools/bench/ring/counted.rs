//! A disk that counts what is asked of it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::{Disk, DiskFile, DiskLock, Entry, LockError, Mount, OpenHow, RealDisk};

/// What was asked of a disk.
#[derive(Debug, Default)]
pub(super) struct Counts {
    syncs: AtomicU64,
    bytes: AtomicU64,
}

impl Counts {
    /// Syncs of files and folders, and bytes that were written, up to now.
    pub(super) fn now(&self) -> (u64, u64) {
        (self.syncs.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    fn sync(&self) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }
}

/// The real disk, counted.
#[derive(Debug)]
pub(super) struct CountedDisk {
    disk: RealDisk,
    pub(super) counts: Arc<Counts>,
}

impl CountedDisk {
    pub(super) fn new() -> Self {
        Self { disk: RealDisk::new(), counts: Arc::default() }
    }
}

#[derive(Debug)]
struct CountedFile {
    file: Box<dyn DiskFile>,
    counts: Arc<Counts>,
}

impl Disk for CountedDisk {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Box<dyn DiskFile>> {
        let (file, counts) = (self.disk.open(path, how)?, Arc::clone(&self.counts));
        Ok(Box::new(CountedFile { file, counts }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.disk.list(dir)
    }

    fn names(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.names(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.counts.sync();
        self.disk.sync_dir(dir)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.disk.free_bytes(dir)
    }

    fn mount(&self, dir: &Path) -> io::Result<Mount> {
        self.disk.mount(dir)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn DiskLock>, LockError> {
        self.disk.lock(path)
    }
}

impl DiskFile for CountedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.counts.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.file.write_at(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.file.allocate(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.counts.sync();
        self.file.sync_data()
    }
}
