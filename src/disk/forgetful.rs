//! A disk in memory that loses what was not synced, for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::harm::{Harm, Harms};
use crate::disk::pages::Pages;
use crate::disk::{Disk, DiskFile, DiskLock, Entry, LockError, Mount, OpenHow};

/// Bytes that reach a disk together or not at all.
const BLOCK: usize = 4096;
/// What Linux says of a medium that cannot be read.
const EIO: i32 = 5;
/// Bytes that a sector holds: where a block tears.
const SECTOR: usize = 512;

/// A disk in memory that loses what was not synced. Clones are one disk.
///
/// [`ForgetfulDisk::stop_after`] makes the n-th change fail half-way and everything after it fail;
/// [`ForgetfulDisk::power_cut`] gives the disk as the next start may find it.
#[derive(Clone, Debug, Default)]
pub struct ForgetfulDisk {
    shared: Arc<Mutex<State>>,
    harms: Harms,
}

#[derive(Debug, Default)]
struct State {
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    names: Names,
    durable_names: Names,
    pending_names: Vec<NameChange>,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    operations: u64,
    stop_after: Option<u64>,
    stopped: bool,
    capacity: Option<u64>,
    syncs_fail: bool,
    syncs_fail_after: Option<u64>,
    removals_fail: bool,
    syncs_ignored: bool,
    /// How the paths of files end that cannot be read.
    unreadable: Vec<String>,
    mount: Mount,
}

type Names = BTreeMap<PathBuf, u64>;

#[derive(Debug, Default)]
struct Inode {
    seen: Pages,
    durable: Pages,
    pending: Vec<DataChange>,
}

#[derive(Clone, Debug)]
enum DataChange {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

#[derive(Clone, Debug)]
enum NameChange {
    Link(PathBuf, u64),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, u64),
}

impl ForgetfulDisk {
    /// An empty disk without end.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty disk that holds `bytes`.
    #[must_use]
    pub fn with_capacity(bytes: u64) -> Self {
        let disk = Self::new();
        disk.set_capacity(Some(bytes));
        disk
    }

    /// Sets what the disk holds from now on; `None` is without end.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.shared.lock().capacity = bytes;
    }

    /// Says from now on that its folders lie so.
    pub fn set_mount(&self, mount: Mount) {
        self.shared.lock().mount = mount;
    }

    /// Fills the disk to the last byte, as others on a machine may.
    pub fn fill(&self) {
        let mut state = self.shared.lock();
        state.capacity = Some(state.used());
    }

    /// Makes every sync fail, or succeed again.
    pub fn fail_syncs(&self, fail: bool) {
        let mut state = self.shared.lock();
        (state.syncs_fail, state.syncs_fail_after) = (fail, None);
    }

    /// Makes every sync fail from change number `operations` on, until [`Self::fail_syncs`] says otherwise.
    pub fn fail_syncs_after(&self, operations: u64) {
        self.shared.lock().syncs_fail_after = Some(operations);
    }

    /// Makes every removal fail, or succeed again.
    pub fn fail_removals(&self, fail: bool) {
        self.shared.lock().removals_fail = fail;
    }

    /// Makes every read of a file whose path ends with `part` fail as a medium does that lost bytes (EIO).
    pub fn fail_reads(&self, part: &str) {
        self.shared.lock().unreadable.push(part.to_owned());
    }

    /// Puts `bytes` in a file's place behind everybody's back, or makes it: what a disk may do to what it holds.
    pub fn replace(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.shared.lock();
        let inode = state.next_inode;
        state.next_inode += 1;
        let mut pages = Pages::default();
        pages.set_len(bytes.len());
        pages.write(0, bytes);
        state.inodes.insert(inode, Inode { seen: pages.clone(), durable: pages, pending: vec![] });
        state.names.insert(path.to_owned(), inode);
        state.durable_names.insert(path.to_owned(), inode);
    }

    /// Takes a file away behind everybody's back.
    pub fn lose(&self, path: &Path) {
        let mut state = self.shared.lock();
        state.names.remove(path);
        state.durable_names.remove(path);
    }

    /// The same apart from this one, with all that was written, synced or not.
    #[must_use]
    pub fn apart(&self) -> Self {
        let state = self.shared.lock();
        let mut after = State {
            next_inode: state.next_inode,
            dirs: state.dirs.clone(),
            capacity: state.capacity,
            names: state.names.clone(),
            durable_names: state.names.clone(),
            ..State::default()
        };
        for (&id, inode) in &state.inodes {
            let bytes = inode.seen.clone();
            after.inodes.insert(id, Inode { seen: bytes.clone(), durable: bytes, pending: vec![] });
        }
        Self { shared: Arc::new(Mutex::new(after)), harms: Harms::default() }
    }

    /// What was told of its files.
    #[must_use]
    pub fn harms(&self) -> Vec<Harm> {
        self.harms.still(self)
    }

    /// Every file, in order.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.shared.lock().names.keys().cloned().collect()
    }

    /// Makes every sync succeed and keep nothing: the negative control of crash tests.
    pub fn ignore_syncs(&self, ignore: bool) {
        self.shared.lock().syncs_ignored = ignore;
    }

    /// Stops the disk at change number `operations` (from 0): that one is lost or torn, and
    /// everything after it fails.
    pub fn stop_after(&self, operations: u64) {
        self.shared.lock().stop_after = Some(operations);
    }

    /// Changes (writes, syncs, names) asked of it so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.shared.lock().operations
    }

    /// True once it was stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.shared.lock().stopped
    }

    /// The disk as the next start may find it: what was synced is there; of the rest any subset,
    /// the last write of a file perhaps torn. The same seed gives the same disk.
    #[must_use]
    pub fn power_cut(&self, seed: u64) -> Self {
        let state = self.shared.lock();
        let mut chance = Chance(seed);
        let manner = Manner::draw(&mut chance);
        let mut after = State {
            next_inode: state.next_inode,
            dirs: state.dirs.clone(),
            capacity: state.capacity,
            ..State::default()
        };
        let mut names = state.durable_names.clone();
        for change in manner.keep(&state.pending_names, &mut chance) {
            change.apply(&mut names);
        }
        for (&id, inode) in &state.inodes {
            let bytes = inode.survive(manner, &mut chance);
            after.inodes.insert(id, Inode { seen: bytes.clone(), durable: bytes, pending: vec![] });
        }
        after.names = names.clone();
        after.durable_names = names;
        Self { shared: Arc::new(Mutex::new(after)), harms: Harms::default() }
    }

    /// Changes one byte behind everybody's back: bit rot. Returns false if there is no such byte.
    pub fn rot(&self, path: &Path, offset: usize) -> bool {
        let mut state = self.shared.lock();
        let Some(id) = state.names.get(path).copied() else { return false };
        let Some(inode) = state.inodes.get_mut(&id) else { return false };
        let there = offset < inode.seen.len().min(inode.durable.len());
        let rotten = |byte| byte ^ 0x40;
        there && inode.seen.change(offset, rotten) && inode.durable.change(offset, rotten)
    }
}

/// What a power cut does to what was not synced.
#[derive(Clone, Copy, Debug)]
enum Manner {
    LoseAll,
    KeepAll,
    Prefix,
    Subset { keep_percent: u64 },
}

impl Manner {
    fn draw(chance: &mut Chance) -> Self {
        match chance.below(6) {
            0 => Self::LoseAll,
            1 => Self::KeepAll,
            2 => Self::Prefix,
            _ => Self::Subset { keep_percent: [10, 50, 90][chance.index(3)] },
        }
    }

    fn keep<'a, T>(self, all: &'a [T], chance: &mut Chance) -> Vec<&'a T> {
        match self {
            Self::LoseAll => Vec::new(),
            Self::KeepAll => all.iter().collect(),
            Self::Prefix => all.iter().take(chance.index(all.len() + 1)).collect(),
            Self::Subset { keep_percent } => {
                all.iter().filter(|_| chance.below(100) < keep_percent).collect()
            }
        }
    }
}

impl Inode {
    fn survive(&self, manner: Manner, chance: &mut Chance) -> Pages {
        let mut bytes = self.durable.clone();
        let mut blocks = Vec::new();
        for change in &self.pending {
            match change {
                DataChange::SetLen(_) => blocks.push(change.clone()),
                // Blocks are those of the file, not of the write.
                DataChange::Write { offset, bytes } => {
                    let mut at = 0;
                    while at < bytes.len() {
                        let n = (BLOCK - (offset + at) % BLOCK).min(bytes.len() - at);
                        let part = bytes.iter().skip(at).take(n).copied().collect();
                        blocks.push(DataChange::Write { offset: offset + at, bytes: part });
                        at += n;
                    }
                }
            }
        }
        let kept = manner.keep(&blocks, chance);
        let last = kept.len().saturating_sub(1);
        for (i, change) in kept.into_iter().enumerate() {
            let mut change = change.clone();
            let tears = match manner {
                Manner::KeepAll | Manner::LoseAll => false,
                Manner::Prefix => i == last && chance.below(2) == 0,
                Manner::Subset { .. } => chance.below(4) == 0,
            };
            if let (true, DataChange::Write { offset, bytes }) = (tears, &mut change) {
                let at = chance.index(bytes.len().div_ceil(SECTOR) + 1) * SECTOR;
                let at = at.min(bytes.len());
                if chance.below(2) == 0 {
                    bytes.truncate(at);
                } else {
                    *bytes = bytes.split_off(at);
                    *offset += at;
                }
            }
            change.apply(&mut bytes);
        }
        bytes
    }
}

impl DataChange {
    fn apply(&self, to: &mut Pages) {
        match self {
            Self::SetLen(len) => to.set_len(*len),
            Self::Write { offset, bytes } => to.write(*offset, bytes),
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Link(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Unlink(path) => {
                names.remove(path);
            }
            Self::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        match self {
            Self::Link(path, _) | Self::Unlink(path) | Self::Rename(_, path, _) => {
                path.parent() == Some(dir)
            }
        }
    }
}

/// A small generator: the same seed gives the same run (SplitMix64, public domain).
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap_or(0)
    }
}

fn stopped() -> io::Error {
    io::Error::other("the disk was stopped")
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, path.display().to_string())
}

impl State {
    /// Counts a change. Returns true if this is the one that the disk stops in.
    fn begin(&mut self) -> io::Result<bool> {
        if self.stopped {
            return Err(stopped());
        }
        let last = self.stop_after == Some(self.operations);
        self.operations += 1;
        self.stopped = last;
        Ok(last)
    }

    /// Of the change that was counted last.
    fn sync_fails(&self) -> bool {
        self.syncs_fail || self.syncs_fail_after.is_some_and(|after| self.operations > after)
    }

    fn alive(&self) -> io::Result<()> {
        if self.stopped { Err(stopped()) } else { Ok(()) }
    }

    fn is_unreadable(&self, inode: u64) -> bool {
        let mut names = self.names.iter().filter(|(_, id)| **id == inode);
        !self.unreadable.is_empty()
            && names.any(|(path, _)| {
                let path = path.to_str().unwrap_or_default();
                self.unreadable.iter().any(|part| path.ends_with(part.as_str()))
            })
    }

    fn used(&self) -> u64 {
        let linked: BTreeSet<u64> = self.names.values().copied().collect();
        linked.iter().filter_map(|id| self.inodes.get(id)).map(|i| i.seen.len() as u64).sum()
    }

    fn room_for(&self, grows: usize) -> io::Result<()> {
        match self.capacity {
            Some(capacity) if grows > 0 && self.used() + grows as u64 > capacity => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }

    fn name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending_names.push(change);
    }
}

impl Disk for ForgetfulDisk {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.shared.lock();
        state.alive()?;
        let inode = match (state.names.get(path).copied(), how) {
            (Some(_), OpenHow::CreateNew) => {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            (Some(inode), _) => inode,
            (None, OpenHow::Read | OpenHow::ReadWrite) => return Err(not_found(path)),
            (None, OpenHow::CreateNew | OpenHow::CreateOrOpen) => {
                if !path.parent().is_some_and(|parent| state.dirs.contains(parent)) {
                    return Err(not_found(path));
                }
                let last = state.begin()?;
                let inode = state.next_inode;
                state.next_inode += 1;
                state.inodes.insert(inode, Inode::default());
                state.name(NameChange::Link(path.to_owned(), inode));
                if last {
                    return Err(stopped());
                }
                inode
            }
        };
        Ok(Box::new(ForgetfulFile { shared: Arc::clone(&self.shared), inode }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.shared.lock();
        state.alive()?;
        state.dirs.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let state = self.shared.lock();
        state.alive()?;
        if !state.dirs.contains(dir) {
            let above = dir.ancestors().any(|path| state.names.contains_key(path));
            return Err(if above { io::ErrorKind::NotADirectory.into() } else { not_found(dir) });
        }
        let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
        let files = state.names.iter().filter(|(path, _)| path.parent() == Some(dir));
        let files = files.filter_map(|(path, id)| {
            let len = state.inodes.get(id)?.seen.len() as u64;
            Some(Entry { name: name(path)?, len, is_dir: false })
        });
        let dirs = state.dirs.iter().filter(|path| path.parent() == Some(dir));
        let dirs = dirs.filter_map(|p| Some(Entry { name: name(p)?, len: 0, is_dir: true }));
        Ok(files.chain(dirs).collect())
    }

    fn inode(&self, path: &Path) -> io::Result<Option<(u64, u64)>> {
        let state = self.shared.lock();
        state.alive()?;
        state.names.get(path).map(|inode| Some((0, *inode))).ok_or_else(|| not_found(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.shared.lock();
        let last = state.begin()?;
        let inode = state.names.get(from).copied().ok_or_else(|| not_found(from))?;
        state.name(NameChange::Rename(from.to_owned(), to.to_owned(), inode));
        if last { Err(stopped()) } else { Ok(()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.shared.lock();
        let last = state.begin()?;
        if !state.names.contains_key(path) {
            return Err(not_found(path));
        }
        if state.removals_fail {
            return Err(io::Error::other("the removal failed"));
        }
        state.name(NameChange::Unlink(path.to_owned()));
        if last { Err(stopped()) } else { Ok(()) }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.shared.lock();
        if state.begin()? {
            return Err(stopped());
        }
        if state.sync_fails() {
            return Err(io::Error::other("the sync failed"));
        }
        if state.syncs_ignored {
            return Ok(());
        }
        let state = &mut *state;
        let pending = std::mem::take(&mut state.pending_names);
        for change in pending {
            if change.is_in(dir) {
                change.apply(&mut state.durable_names);
            } else {
                state.pending_names.push(change);
            }
        }
        Ok(())
    }

    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        let state = self.shared.lock();
        state.alive()?;
        Ok(state.capacity.map_or(1 << 50, |capacity| capacity.saturating_sub(state.used())))
    }

    fn mount(&self, _dir: &Path) -> io::Result<Mount> {
        let state = self.shared.lock();
        state.alive()?;
        Ok(state.mount)
    }

    fn harmed(&self, harm: &Harm) -> bool {
        self.harms.note(harm)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn DiskLock>, LockError> {
        let mut state = self.shared.lock();
        if state.locks.insert(path.to_owned()) {
            let shared = Arc::clone(&self.shared);
            Ok(Box::new(ForgetfulLock { shared, path: path.to_owned() }))
        } else {
            Err(LockError::InUse { path: path.to_owned(), pid: None })
        }
    }
}

#[derive(Debug)]
struct ForgetfulLock {
    shared: Arc<Mutex<State>>,
    path: PathBuf,
}

impl DiskLock for ForgetfulLock {}

impl Drop for ForgetfulLock {
    fn drop(&mut self) {
        self.shared.lock().locks.remove(&self.path);
    }
}

#[derive(Debug)]
struct ForgetfulFile {
    shared: Arc<Mutex<State>>,
    inode: u64,
}

impl ForgetfulFile {
    fn change(&self, change: DataChange) -> io::Result<()> {
        let mut state = self.shared.lock();
        let last = state.begin()?;
        let long = state.inodes.get(&self.inode).map_or(0, |inode| inode.seen.len());
        let end = match &change {
            DataChange::Write { offset, bytes } => offset + bytes.len(),
            DataChange::SetLen(len) => *len,
        };
        state.room_for(end.saturating_sub(long))?;
        let inode = state.inodes.entry(self.inode).or_default();
        change.apply(&mut inode.seen);
        inode.pending.push(change);
        if last { Err(stopped()) } else { Ok(()) }
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl DiskFile for ForgetfulFile {
    fn len(&self) -> io::Result<u64> {
        let state = self.shared.lock();
        state.alive()?;
        Ok(state.inodes.get(&self.inode).map_or(0, |inode| inode.seen.len() as u64))
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let state = self.shared.lock();
        state.alive()?;
        if state.is_unreadable(self.inode) {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        Ok(state.inodes.get(&self.inode).map_or(0, |inode| inode.seen.read(place(offset), buf)))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.change(DataChange::Write { offset: place(offset), bytes: bytes.to_vec() })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(DataChange::SetLen(place(len)))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.change(DataChange::SetLen(place(len)))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.shared.lock();
        if state.begin()? {
            return Err(stopped());
        }
        if state.sync_fails() {
            return Err(io::Error::other("the sync failed"));
        }
        if state.syncs_ignored {
            return Ok(());
        }
        if let Some(inode) = state.inodes.get_mut(&self.inode) {
            inode.pending.clear();
            inode.durable = inode.seen.clone();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{read_whole, write_durably};

    const DIR: &str = "/d";

    fn disk() -> ForgetfulDisk {
        let disk = ForgetfulDisk::new();
        disk.create_dir_all(Path::new(DIR)).expect("dir");
        disk
    }

    #[test]
    fn what_was_not_synced_may_go_and_what_was_stays() {
        let disk = disk();
        let path = Path::new("/d/x");
        let file = disk.open(path, OpenHow::CreateNew).expect("new");
        file.write_at(0, &[1; 9000]).expect("write");
        file.sync_data().expect("sync");
        disk.sync_dir(Path::new(DIR)).expect("sync");
        file.write_at(9000, &[2; 9000]).expect("write");
        let mut lengths = BTreeSet::new();
        for seed in 0..200 {
            let after = disk.power_cut(seed);
            let bytes = read_whole(&after, path, 1 << 20).expect("there");
            assert_eq!(bytes.get(..9000), Some(&[1; 9000][..]), "seed {seed}");
            lengths.insert(bytes.len());
        }
        assert!(lengths.contains(&9000) && lengths.contains(&18000) && lengths.len() > 5);
    }

    #[test]
    fn a_durable_write_is_old_or_new_at_every_stop() {
        for stop in 0..10 {
            let disk = disk();
            let path = Path::new("/d/x");
            write_durably(&disk, path, b"old").expect("old");
            let before = disk.operations();
            disk.stop_after(before + stop);
            let done = write_durably(&disk, path, b"newer").is_ok();
            for seed in 0..50 {
                let found = read_whole(&disk.power_cut(seed), path, 100).expect("never gone");
                assert!(found == b"old" && !done || found == b"newer", "stop {stop} seed {seed}");
            }
        }
    }
}
