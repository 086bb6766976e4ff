//! The file of a store, on the box's `disk`: every write and sync of redb is one of ours. And one that
//! is only looked at: what redb writes to it stays in memory.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use parking_lot::Mutex;
use redb::{Database, DatabaseError, StorageBackend};

use crate::disk::{Disk, DiskFile, OpenHow};
use crate::uplink::outbox::tables::StoreError;

/// redb's own default is 1 GiB; the whole daemon may take 200 MB (DESIGN §3).
const CACHE_BYTES: usize = 4 << 20;
/// What a file that is only looked at is read and kept in.
const BLOCK: usize = 4096;

/// Opens the database at `path`, or begins one.
///
/// # Errors
/// [`StoreError`] when it is damaged, or the disk says no.
pub(super) fn open_database(disk: &dyn Disk, path: &Path) -> Result<Database, StoreError> {
    let file = OnDisk::open(disk, path).map_err(|error| cannot(path, error))?;
    database(file, path)
}

/// Opens the database at `path` in memory: whatever it writes, a repair too, the file stays as it is.
/// `None` if there is no such file.
///
/// # Errors
/// As [`open_database`].
pub(super) fn untouched(disk: &dyn Disk, path: &Path) -> Result<Option<Database>, StoreError> {
    match Untouched::open(disk, path) {
        Ok(file) => database(file, path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot(path, error)),
    }
}

fn database(file: impl StorageBackend, path: &Path) -> Result<Database, StoreError> {
    Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(file).map_err(|error| {
        match error {
            DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: path.to_owned() },
            other => StoreError::Open { path: path.to_owned(), source: Box::new(other.into()) },
        }
    })
}

fn cannot(path: &Path, error: io::Error) -> StoreError {
    let source = Box::new(redb::Error::Io(error));
    StoreError::Open { path: path.to_owned(), source }
}

/// One file under a database. The directory's lock keeps others away; redb's own is not needed.
#[derive(Debug)]
pub(crate) struct OnDisk {
    file: Box<dyn DiskFile>,
}

impl OnDisk {
    /// Opens the file or makes it. A new name is durable before anything is written.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let file = match disk.open(path, OpenHow::ReadWrite) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = disk.open(path, OpenHow::CreateNew)?;
                disk.sync_dir(path.parent().unwrap_or(Path::new(".")))?;
                file
            }
            opened => opened?,
        };
        Ok(Self { file })
    }
}

impl StorageBackend for OnDisk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, data)
    }
}

/// One file that is read and never written.
#[derive(Debug)]
pub(super) struct Untouched {
    file: Box<dyn DiskFile>,
    // Reads come from several threads of the database's.
    seen: Mutex<Seen>,
}

/// The file as its reader has it.
#[derive(Debug)]
struct Seen {
    len: u64,
    /// Beyond this, what was not written is zero.
    from_file: u64,
    written: BTreeMap<u64, Vec<u8>>,
}

impl Untouched {
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let file = disk.open(path, OpenHow::Read)?;
        let len = file.len()?;
        let seen = Mutex::new(Seen { len, from_file: len, written: BTreeMap::new() });
        Ok(Self { file, seen })
    }

    /// A block as it is now.
    fn block(&self, seen: &Seen, number: u64) -> io::Result<Vec<u8>> {
        if let Some(written) = seen.written.get(&number) {
            return Ok(written.clone());
        }
        let mut block = vec![0; BLOCK];
        let offset = number * BLOCK as u64;
        let there = seen.from_file.saturating_sub(offset).min(BLOCK as u64);
        let there = usize::try_from(there).unwrap_or(BLOCK);
        if let Some(part) = block.get_mut(..there) {
            self.file.read_exact_at(offset, part)?;
        }
        Ok(block)
    }
}

/// The parts of `offset..offset + len` by block: its number, where in it, and how much.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let (mut at, end) = (offset, offset + len as u64);
    std::iter::from_fn(move || {
        let number = at / BLOCK as u64;
        let begin = usize::try_from(at % BLOCK as u64).ok()?;
        let left = usize::try_from(end.checked_sub(at)?).ok()?;
        let size = left.min(BLOCK - begin);
        at += size as u64;
        (size > 0).then_some((number, begin, size))
    })
}

impl StorageBackend for Untouched {
    fn len(&self) -> io::Result<u64> {
        Ok(self.seen.lock().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let seen = self.seen.lock();
        if offset + out.len() as u64 > seen.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut rest = out;
        for (number, begin, size) in parts(offset, rest.len()) {
            let block = self.block(&seen, number)?;
            let (part, after) = rest.split_at_mut(size);
            part.copy_from_slice(block.get(begin..begin + size).unwrap_or_default());
            rest = after;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut seen = self.seen.lock();
        if len < seen.len {
            // What comes back later, comes back as zero.
            let whole = len.div_ceil(BLOCK as u64);
            drop(seen.written.split_off(&whole));
            if !len.is_multiple_of(BLOCK as u64) {
                let mut last = self.block(&seen, whole - 1)?;
                let end = usize::try_from(len % BLOCK as u64).unwrap_or(BLOCK);
                last.iter_mut().skip(end).for_each(|byte| *byte = 0);
                seen.written.insert(whole - 1, last);
            }
            seen.from_file = seen.from_file.min(len);
        }
        seen.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut seen = self.seen.lock();
        let mut rest = data;
        for (number, begin, size) in parts(offset, data.len()) {
            let mut block = self.block(&seen, number)?;
            let (part, after) = rest.split_at(size);
            if let Some(place) = block.get_mut(begin..begin + size) {
                place.copy_from_slice(part);
            }
            seen.written.insert(number, block);
            rest = after;
        }
        seen.len = seen.len.max(offset + data.len() as u64);
        Ok(())
    }
}
