//! Events on disk: redb, one `fdatasync` a commit. On the outbox's thread only. `tables` says what is
//! where.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable, StorageError};

use crate::disk::{Disk, DiskLock, InPlace, OpenHow, found_harmed};
use crate::media::{CourtId, UtcTime};
use crate::uplink::caught::{Panicked, caught};
use crate::uplink::outbox::backend::open_database;
use crate::uplink::outbox::formats::{Head, prepare};
use crate::uplink::outbox::record::Record;
use crate::uplink::outbox::tables::{
    BY_COURT, BYTES, COMMITS, COUNTS, LAST_POSITION, LINK_SESSION, RECORDS, SHED, SHED_AT,
    SHED_TELEMETRY, StoreError, WAITING, decode, readable,
};
use crate::uplink::outbox::write::{Batch, Counts, fill};

/// How the database is opened, and again after an error; tests put a disk under it that fills up.
type Opener = Box<dyn Fn() -> Result<Database, StoreError> + Send>;

/// The open store.
pub(crate) struct Store {
    opener: Opener,
    /// Of the directory; none for one in memory.
    pub(super) lock: Option<Arc<dyn DiskLock>>,
    pub(super) database: Option<Database>,
    /// Where it lies, unless it is in memory.
    pub(super) home: Option<(Arc<dyn Disk>, PathBuf)>,
    /// Its file, where it is on disk.
    pub(super) place: Option<InPlace>,
    /// The file was put aside, and no other is begun yet.
    pub(super) none_begun: bool,
    head: Head,
    pub(super) counts: Counts,
    /// Waiting records up to this position were looked at for what may be shed first (`forget`).
    pub(super) swept: u64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store at `path`, or begins it; reads what a start reads, so that damage shows now.
    ///
    /// # Errors
    /// [`StoreError`] when it is damaged, or the disk says no.
    pub(super) fn at(disk: &Arc<dyn Disk>, path: &Path) -> Result<Self, StoreError> {
        let (again, on) = (path.to_owned(), Arc::clone(disk));
        let opener = Box::new(move || open_database(&*on, &again));
        let mut store = caught(|| {
            let mut database = open_database(&**disk, path)?;
            look_whole(&mut database, &**disk, path)?;
            Self::over(database, opener)
        })??;
        store.waiting()?;
        store.recover()?;
        store.home = Some((Arc::clone(disk), path.to_owned()));
        store.place = Some(InPlace::of(&**disk, path));
        Ok(store)
    }

    /// A store of `database`, which cannot be opened again.
    ///
    /// # Errors
    /// As [`Self::at`].
    pub(super) fn in_memory(database: Database) -> Result<Self, StoreError> {
        Self::over(database, Box::new(|| Err(StoreError::disk(StorageError::DatabaseClosed))))
    }

    /// The same, with the lock that keeps others away.
    #[must_use]
    pub(super) fn locked(self, lock: Arc<dyn DiskLock>) -> Self {
        Self { lock: Some(lock), ..self }
    }

    fn over(database: Database, opener: Opener) -> Result<Self, StoreError> {
        let head = prepare(&database)?;
        let counts = Counts::default();
        let mut store = Self {
            opener,
            lock: None,
            database: Some(database),
            home: None,
            place: None,
            none_begun: false,
            head,
            counts,
            swept: 0,
        };
        store.load_counts()?;
        Ok(store)
    }

    /// Closes and opens again: after an error redb refuses everything (`PreviousIo`).
    ///
    /// # Errors
    /// As [`Self::at`].
    pub(crate) fn reopen(&mut self) -> Result<(), StoreError> {
        caught(|| -> Result<(), StoreError> {
            self.database = None;
            if self.none_begun {
                // An empty one would count from its beginning.
                let said = "it was put aside, and no other is begun yet".to_owned();
                return Err(Panicked { said }.into());
            }
            let (astray, known) = (self.astray(), self.counts);
            let database = (self.opener)()?;
            self.head = prepare(&database)?;
            self.place = self.home.as_ref().map(|(disk, path)| InPlace::of(&**disk, path));
            self.database = Some(database);
            self.load_counts()?;
            if let (Some(why), Some((disk, path))) = (astray, &self.home) {
                // Another file than that which it had counted for.
                self.counts = Counts { bytes: self.counts.bytes, ..known };
                let why =
                    format!("{why}: begun anew; events that it had promised and not sent are gone");
                found_harmed(&**disk, path, why);
            }
            Ok(())
        })?
    }

    pub(super) fn database(&self) -> Result<&Database, StoreError> {
        self.database.as_ref().ok_or_else(|| StoreError::disk(StorageError::DatabaseClosed))
    }

    pub(super) fn load_counts(&mut self) -> Result<(), StoreError> {
        let read = self.database()?.begin_read().map_err(StoreError::disk)?;
        let counts = read.open_table(COUNTS).map_err(StoreError::disk)?;
        let count = |word: &str| -> Result<u64, StoreError> {
            Ok(counts.get(word).map_err(StoreError::disk)?.map_or(0, |guard| guard.value()))
        };
        self.counts = Counts {
            position: count(LAST_POSITION)?,
            commits: count(COMMITS)?,
            bytes: count(BYTES)?,
            shed: count(SHED)?,
            shed_telemetry: count(SHED_TELEMETRY)?,
            shed_at: count(SHED_AT)?,
            session: count(LINK_SESSION)?,
            ours: self.head.is_ours(),
        };
        Ok(())
    }

    /// What it counts.
    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    /// The same, once a transaction that says so is on disk.
    pub(super) const fn counted(&mut self, counts: Counts) {
        self.counts = counts;
    }

    /// Events up to this position were written one by one: what was decided together may be parted.
    pub(super) const fn parted_to(&self) -> u64 {
        self.head.parted_to
    }

    /// The position given last.
    #[must_use]
    pub(crate) const fn last_position(&self) -> u64 {
        self.counts.position
    }

    /// Batches written since the store was made: tells one that is on disk from one that is not.
    #[must_use]
    pub(crate) const fn commits(&self) -> u64 {
        self.counts.commits
    }

    /// The link's session.
    #[must_use]
    pub(crate) const fn session(&self) -> u64 {
        self.counts.session
    }

    /// Bytes of all records.
    #[must_use]
    pub(crate) const fn bytes(&self) -> u64 {
        self.counts.bytes
    }

    /// Records shed since the store was made.
    #[must_use]
    pub(crate) const fn shed(&self) -> u64 {
        self.counts.shed
    }

    /// Those of them that are no facts.
    #[must_use]
    pub(crate) const fn shed_telemetry(&self) -> u64 {
        self.counts.shed_telemetry
    }

    /// When the last of them went; of a store that did not say it, when it was first seen.
    #[must_use]
    pub(crate) fn shed_at(&self) -> Option<UtcTime> {
        let at = i64::try_from(self.counts.shed_at).ok().filter(|at| *at > 0);
        at.map(UtcTime::from_nanos)
    }

    /// Writes `batch` in one transaction and syncs. Returns the records of its events.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of it counts, and `reopen` must come before the next call.
    pub(crate) fn commit(&mut self, batch: &Batch) -> Result<Vec<Record>, StoreError> {
        caught(|| -> Result<Vec<Record>, StoreError> {
            let write = self.database()?.begin_write().map_err(StoreError::disk)?;
            let mut counts = Counts { commits: self.counts.commits + 1, ..self.counts };
            let records = fill(&write, batch, &mut counts)?;
            write.commit().map_err(StoreError::disk)?;
            self.counts = counts;
            Ok(records)
        })?
    }

    /// One record.
    ///
    /// # Errors
    /// [`StoreError`] when the disk or the record cannot be read.
    pub(crate) fn read(&self, position: u64) -> Result<Option<Record>, StoreError> {
        caught(|| -> Result<Option<Record>, StoreError> {
            let read = self.database()?.begin_read().map_err(StoreError::disk)?;
            let records = read.open_table(RECORDS).map_err(StoreError::disk)?;
            let Some(bytes) = records.get(position).map_err(StoreError::disk)? else {
                return Ok(None);
            };
            decode(position, bytes.value()).map(Some)
        })?
    }

    /// One record; none if its bytes mean nothing to us.
    pub(super) fn read_or_skip(&self, position: u64) -> Result<Option<Record>, StoreError> {
        match self.read(position) {
            Err(StoreError::Record { .. }) => Ok(None),
            other => other,
        }
    }

    /// All that waits, with the code of those that were refused.
    ///
    /// # Errors
    /// [`StoreError`] when the disk cannot be read.
    pub(crate) fn waiting(&self) -> Result<Vec<(u64, Option<u8>)>, StoreError> {
        caught(|| -> Result<Vec<(u64, Option<u8>)>, StoreError> {
            let read = self.database()?.begin_read().map_err(StoreError::disk)?;
            let waiting = read.open_table(WAITING).map_err(StoreError::disk)?;
            let mut found = Vec::new();
            for row in waiting.iter().map_err(StoreError::disk)? {
                let (position, code) = row.map_err(StoreError::disk)?;
                let code = code.value();
                found.push((position.value(), (code != 0).then_some(code)));
            }
            Ok(found)
        })?
    }

    /// At most `limit` records after `after`: a court's sequence, or a position of the box.
    ///
    /// # Errors
    /// [`StoreError`] when the disk or a record cannot be read.
    pub(crate) fn replay(
        &self,
        court: Option<&CourtId>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        caught(|| -> Result<Vec<Record>, StoreError> {
            let read = self.database()?.begin_read().map_err(StoreError::disk)?;
            let records = read.open_table(RECORDS).map_err(StoreError::disk)?;
            let from = after.saturating_add(1);
            let mut found = Vec::new();
            let Some(court) = court else {
                for row in records.range(from..).map_err(StoreError::disk)? {
                    if found.len() >= limit {
                        break;
                    }
                    let (position, bytes) = row.map_err(StoreError::disk)?;
                    found.extend(readable(position.value(), bytes.value()));
                }
                return Ok(found);
            };
            let by_court = read.open_table(BY_COURT).map_err(StoreError::disk)?;
            let court = court.as_str();
            let rows =
                by_court.range((court, from)..=(court, u64::MAX)).map_err(StoreError::disk)?;
            for row in rows {
                if found.len() >= limit {
                    break;
                }
                let position = row.map_err(StoreError::disk)?.1.value();
                if let Some(bytes) = records.get(position).map_err(StoreError::disk)? {
                    found.extend(readable(position, bytes.value()));
                }
            }
            Ok(found)
        })?
    }
}

/// Files up to this size are read whole at a start, against redb's own checksums: bits that turned on the disk
/// are found before anything of them is believed. A quarter of a second on a slow card; greater ones are
/// believed row by row (`record`).
const LOOKED_AT_WHOLE: u64 = 16 << 20;

/// Looks at every page of a small file.
fn look_whole(database: &mut Database, disk: &dyn Disk, path: &Path) -> Result<(), StoreError> {
    let file = disk.open(path, OpenHow::Read).and_then(|file| file.len());
    if file.is_ok_and(|len| len > LOOKED_AT_WHOLE) {
        return Ok(());
    }
    let damaged = |error: redb::DatabaseError| StoreError::disk(error);
    database.check_integrity().map_err(damaged).map(|_repaired| ())
}

/// A disk that refuses when it is told to.
#[cfg(test)]
pub(crate) mod failing {
    use std::fs::File;
    use std::io::Error;

    use parking_lot::Mutex;
    use redb::StorageBackend;
    use redb::backends::FileBackend;

    use super::*;

    /// What it says, if anything.
    pub(crate) type Refusal = Arc<Mutex<Option<Says>>>;

    /// To what, and what.
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Says {
        /// To writes and syncs.
        ToAll(std::io::ErrorKind),
        /// To syncs; what was written is there all the same.
        ToSyncs(std::io::ErrorKind),
    }

    #[derive(Debug)]
    struct Disk {
        file: FileBackend,
        refusal: Refusal,
    }

    impl Disk {
        fn says(&self, to_sync: bool) -> Result<(), Error> {
            match *self.refusal.lock() {
                Some(Says::ToAll(kind)) => Err(Error::from(kind)),
                Some(Says::ToSyncs(kind)) if to_sync => Err(Error::from(kind)),
                Some(Says::ToSyncs(_)) | None => Ok(()),
            }
        }
    }

    impl StorageBackend for Disk {
        fn len(&self) -> Result<u64, Error> {
            self.file.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
            self.file.read(offset, out)
        }

        fn set_len(&self, len: u64) -> Result<(), Error> {
            self.file.set_len(len)
        }

        fn sync_data(&self) -> Result<(), Error> {
            self.says(true)?;
            self.file.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
            self.says(false)?;
            self.file.write(offset, data)
        }

        fn close(&self) -> Result<(), Error> {
            self.file.close()
        }
    }

    /// A store on such a disk.
    pub(crate) fn store(dir: &Path, refusal: &Refusal) -> Store {
        let (path, refusal) = (dir.join("outbox.redb"), Arc::clone(refusal));
        let opener = move || {
            let mut options = File::options();
            let file = options.read(true).write(true).create(true).truncate(false);
            let file = FileBackend::new(file.open(&path).unwrap()).unwrap();
            let disk = Disk { file, refusal: Arc::clone(&refusal) };
            let builder = Database::builder();
            builder.create_with_backend(disk).map_err(StoreError::disk)
        };
        let mut store = Store::over(opener().unwrap(), Box::new(opener)).unwrap();
        store.home = Some((Arc::new(crate::disk::RealDisk::new()), dir.join("outbox.redb")));
        store
    }
}

#[cfg(test)]
mod tests;
