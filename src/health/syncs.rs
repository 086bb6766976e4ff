//! How long the disk takes to make something durable: every sync of ring and outbox is timed on its way; and which
//! of our files were found to be damaged.
//!
//! A disk round the disk, so that no stage knows of it. Nothing is written to find it out: a box that
//! stores nothing says nothing of its disk.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::disk::{Disk, DiskFile, DiskLock, Entry, Harm, Harms, LockError, Mount, OpenHow};
use crate::event::host::SyncsStatus;
use crate::media::{Monotonic, UtcTime};

/// The last syncs that are looked at.
const MOST: usize = 64;
/// Fewer say nothing: the first ones of a start find a disk at work.
const LEAST: usize = 8;
/// Older ones say nothing of the disk as it is.
const FRESH: Duration = Duration::from_secs(600);

/// What the last syncs took. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Syncs {
    // Written by every writer after its sync, read for the state: held for a push.
    taken: Arc<Mutex<VecDeque<(Monotonic, Duration)>>>,
}

impl Syncs {
    fn note(&self, now: Monotonic, took: Duration) {
        let mut taken = self.taken.lock();
        if taken.len() == MOST {
            taken.pop_front();
        }
        taken.push_back((now, took));
    }

    /// As it is told; `None` while too few are known.
    #[must_use]
    pub fn told(&self, now: Monotonic) -> Option<SyncsStatus> {
        let taken = self.taken.lock();
        let fresh = taken.iter().filter(|(at, _)| now.since(*at) < FRESH);
        let mut taken: Vec<Duration> = fresh.map(|(_, took)| *took).collect();
        taken.sort_unstable();
        let millis = |took: &Duration| (took.as_secs_f64() * 10_000.0).round() / 10.0;
        let (middle, worst) = (taken.get(taken.len() / 2)?, taken.last()?);
        (taken.len() >= LEAST).then(|| SyncsStatus {
            count: taken.len() as u64,
            median_ms: millis(middle),
            worst_ms: millis(worst),
        })
    }
}

/// A disk whose syncs are timed.
#[derive(Debug)]
pub struct TimedDisk {
    inner: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    syncs: Syncs,
    harms: Harms,
}

impl TimedDisk {
    /// `inner`, whose syncs are noted in `syncs`, and in `harms` which of its files are damaged.
    #[must_use]
    pub fn new(inner: Arc<dyn Disk>, clock: Arc<dyn Clock>, syncs: Syncs, harms: Harms) -> Self {
        Self { inner, clock, syncs, harms }
    }
}

impl Disk for TimedDisk {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Box<dyn DiskFile>> {
        let inner = self.inner.open(path, how)?;
        let (clock, syncs) = (Arc::clone(&self.clock), self.syncs.clone());
        Ok(Box::new(TimedFile { inner, clock, syncs }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }

    fn own_dir(&self, path: &Path, names: &[&str]) -> io::Result<Vec<String>> {
        self.inner.own_dir(path, names)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.inner.list(dir)
    }

    fn names(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.names(dir)
    }

    fn inode(&self, path: &Path) -> io::Result<Option<(u64, u64)>> {
        self.inner.inode(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.inner.free_bytes(dir)
    }

    fn mount(&self, dir: &Path) -> io::Result<Mount> {
        self.inner.mount(dir)
    }

    fn utc(&self) -> UtcTime {
        self.clock.utc()
    }

    fn harmed(&self, harm: &Harm) -> bool {
        // What lies below may want to know it too.
        let _known = self.inner.harmed(harm);
        self.harms.note(harm)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn DiskLock>, LockError> {
        self.inner.lock(path)
    }
}

#[derive(Debug)]
struct TimedFile {
    inner: Box<dyn DiskFile>,
    clock: Arc<dyn Clock>,
    syncs: Syncs,
}

impl DiskFile for TimedFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_at(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.inner.allocate(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let began = self.clock.monotonic();
        let synced = self.inner.sync_data();
        let now = self.clock.monotonic();
        self.syncs.note(now, now.since(began));
        synced
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::disk::ForgetfulDisk;

    /// A disk that takes its time.
    #[derive(Debug)]
    struct Slow(ManualClock, Duration, Box<dyn DiskFile>);

    impl DiskFile for Slow {
        fn len(&self) -> io::Result<u64> {
            self.2.len()
        }

        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
            self.2.read_at(offset, buf)
        }

        fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
            self.2.write_at(offset, bytes)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.2.set_len(len)
        }

        fn allocate(&self, len: u64) -> io::Result<()> {
            self.2.allocate(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            self.0.advance(self.1);
            self.2.sync_data()
        }
    }

    #[test]
    fn every_sync_is_timed_and_old_ones_say_nothing() {
        let clock = ManualClock::at(UtcTime::from_nanos(1));
        let syncs = Syncs::default();
        let timed = Arc::new(clock.clone()) as Arc<dyn Clock>;
        let file = |took| {
            let disk = ForgetfulDisk::new();
            disk.create_dir_all(Path::new("/box")).expect("made");
            let inner = disk.open(Path::new("/box/file"), OpenHow::CreateNew).expect("made");
            let slow = Slow(clock.clone(), took, inner);
            TimedFile { inner: Box::new(slow), clock: Arc::clone(&timed), syncs: syncs.clone() }
        };
        let (quick, slow) = (file(Duration::from_millis(2)), file(Duration::from_millis(500)));
        (0..LEAST - 1).for_each(|_| quick.sync_data().expect("synced"));
        assert_eq!(syncs.told(clock.monotonic()), None, "too few");
        slow.sync_data().expect("synced");
        let told = syncs.told(clock.monotonic()).expect("enough");
        assert_eq!((told.count, told.median_ms, told.worst_ms), (8, 2.0, 500.0));
        (0..MOST).for_each(|_| slow.sync_data().expect("synced"));
        assert_eq!(syncs.told(clock.monotonic()).expect("enough").median_ms, 500.0);
        clock.advance(FRESH);
        assert_eq!(syncs.told(clock.monotonic()), None, "old");
    }
}
