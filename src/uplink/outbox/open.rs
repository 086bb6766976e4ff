//! How a start gets its store: the one that is there, or a new one beside what it cannot use.
//!
//! A store that is damaged beyond redb's own repair is put aside as `outbox.damaged-{date}-{n}.redb` and a new
//! one begun, with what can be read of it (`salvage`): a box without
//! yesterday's events is better than a box without today's. The file stays until somebody takes it away, or three
//! later ones lie there. So is one that is empty, and what is in its place and is no file; one that is missing where
//! this box had one is told. So is one of a format that is newer than
//! this version can read; it is read in by the next version that can (`aside`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::ReadableDatabase;

use crate::disk::{
    Disk, DiskLock, Entry, LockError, found_harmed, has_run, make_folder, take_lock,
};
use crate::media::{Foreign, UtcTime};
use crate::uplink::caught::caught;
use crate::uplink::outbox::aside::{Beside, look_beside, put};
use crate::uplink::outbox::backend::untouched;
use crate::uplink::outbox::formats::Head;
use crate::uplink::outbox::salvage::{Salvage, Salvaged};
use crate::uplink::outbox::store::Store;
use crate::uplink::outbox::tables::StoreError;
use crate::uplink::outbox::write::Counts;

/// File of the store in its directory.
pub(crate) const FILE: &str = "outbox.redb";
/// Held while the store is open: one daemon a directory.
const LOCK: &str = "lock";

/// An open store, and what was found on the way to it.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The one in use.
    pub store: Store,
    /// Of the directory, for all that is open in it.
    pub lock: Arc<dyn DiskLock>,
    /// One that could not be used was put there, and what became of it.
    pub damaged: Option<Damaged>,
    /// What lies beside it.
    pub beside: Beside,
}

/// A store that was damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damaged {
    /// Where it lies, as it was.
    pub path: PathBuf,
    /// What is in the new one of it.
    pub salvaged: Salvaged,
}

impl Damaged {
    /// Says what became of it.
    pub(crate) fn tell(&self) {
        let Salvaged { events, unsent, whole } = self.salvaged;
        let path = self.path.display();
        if whole {
            tracing::error!(put_aside = %path, events, unsent, "the outbox was damaged: begun anew, with all of its events");
        } else {
            tracing::error!(
                put_aside = %path, events, unsent,
                "the outbox was damaged: begun anew with what could be read; of what was promised before, \
                 other events may be gone"
            );
        }
    }
}

/// Opens the store in `dir`, or makes it.
///
/// # Errors
/// [`StoreError`] when another process has it, or the disk says no.
pub(crate) fn open(disk: &Arc<dyn Disk>, dir: &Path, today: UtcTime) -> Result<Opened, StoreError> {
    let said_no = |source| StoreError::Directory { path: dir.to_owned(), source };
    make_folder(&**disk, dir).map_err(said_no)?;
    let path = dir.join(FILE);
    let lock = take_lock(&**disk, &dir.join(LOCK)).map_err(|error| match error {
        LockError::InUse { .. } => StoreError::InUse { path: path.clone() },
        LockError::Io { source, .. } => said_no(source),
    })?;
    if let Some(head) = head(disk, &path)?
        && !head.is_readable()
    {
        put(&**disk, &path, &head, today).map_err(said_no)?;
    }
    let entries = disk.list(dir).map_err(said_no)?;
    let there = entries.iter().find(|entry| entry.name == FILE);
    let is_new = there.is_none();
    let lost = lost(&**disk, dir, &entries);
    let opened = match &lost {
        Some(why) if !is_new => {
            tracing::error!(path = %path.display(), why, "the outbox is damaged");
            anew(disk, &path, today, None).map(|(store, damaged)| (store, damaged, true))
        }
        _ => Store::at(disk, &path).map(|store| (store, None, false)),
    };
    let (store, damaged) = match opened {
        Ok((store, damaged, true)) => (store, damaged),
        Ok((mut store, _, false)) => {
            // Begun anew by a run that was cut before it had read what it put aside.
            let cut = store.commits() == 0;
            let damaged = if cut { store.take_back_newest(disk, dir, None)? } else { None };
            if let (Some(why), None) = (&lost, &damaged) {
                let why =
                    format!("{why}: begun anew; events that it had promised and not sent are gone");
                found_harmed(&**disk, &path, why);
            }
            (store, damaged)
        }
        Err(error) if is_new && error.is_full() => {
            // Half a file would be taken for a damaged one.
            if let Err(error) = disk.remove(&path) {
                tracing::warn!(path = %path.display(), %error, "half an outbox stays");
            }
            return Err(error);
        }
        Err(error) if error.is_damage() => {
            tracing::error!(path = %path.display(), error = %Foreign::error(&error), "the outbox is damaged");
            anew(disk, &path, today, None)?
        }
        Err(error) => return Err(error),
    };
    let lock: Arc<dyn DiskLock> = Arc::from(lock);
    let mut store = store.locked(Arc::clone(&lock));
    let beside = look_beside(disk, dir, &mut store)?;
    Ok(Opened { store, lock, damaged, beside })
}

/// Why a store must have been lost that is missing or empty; `None` where it may be new, or what it was lies beside.
pub(crate) fn lost(disk: &dyn Disk, dir: &Path, entries: &[Entry]) -> Option<&'static str> {
    let there = entries.iter().find(|entry| entry.name == FILE);
    // A start makes the inbox once it has an outbox.
    let had_one = || {
        let mut beside = entries.iter().map(|entry| entry.name.as_str());
        beside.any(|name| name.starts_with("inbox.redb"))
            || dir.parent().is_some_and(|data_dir| has_run(disk, data_dir))
    };
    match there {
        Some(entry) if entry.is_dir || entry.len > 0 => None,
        Some(_) => had_one().then_some("it is empty"),
        // It was put aside by a start that was cut, or by a version of another format.
        None if entries.iter().any(|entry| entry.name.starts_with("outbox.")) => None,
        None => had_one().then_some("it is not there, though this box had one"),
    }
}

impl Store {
    /// What became of its file, if that does not lie in its place any more.
    pub(crate) fn astray(&self) -> Option<&'static str> {
        let (disk, _) = self.home.as_ref()?;
        self.place.as_ref()?.astray(&**disk)
    }

    /// Writes all that it holds into a new file, where its own was taken away or replaced while it is open: what was
    /// promised is on disk again. True if that was so.
    ///
    /// # Errors
    /// [`StoreError`] when the disk says no; it may be tried again.
    pub(crate) fn keep_place(&mut self) -> Result<bool, StoreError> {
        let Some((why, (disk, path))) = self.astray().zip(self.home.clone()) else {
            return Ok(false);
        };
        let read = self.database()?.begin_read().map_err(StoreError::disk)?;
        let salvage = Salvage::of_open(&read);
        drop(read);
        let dir = path.parent().unwrap_or(Path::new("."));
        let said_no = |source| StoreError::Directory { path: dir.to_owned(), source };
        make_folder(&*disk, dir).map_err(said_no)?;
        if disk.list(dir).map_err(said_no)?.iter().any(|entry| entry.name == FILE) {
            put_damaged(&*disk, &path, disk.utc()).map_err(said_no)?;
        }
        let mut store = Self::at(&disk, &path)?;
        store.counts = self.counts;
        let written = caught(|| store.restore(&salvage)).map_err(StoreError::from).flatten();
        // Half a store would be taken for the one of before.
        written.inspect_err(|_| drop(disk.remove(&path)))?;
        // Its folder may be another one by now; where it is not, we hold the lock already.
        let lock = disk.lock(&dir.join(LOCK)).ok().map(Arc::from);
        store.lock = lock.or_else(|| self.lock.take());
        *self = store;
        found_harmed(&*disk, &path, format!("{why}: written anew, with all of its events"));
        Ok(true)
    }

    /// Puts the file aside, damaged as it is, and goes on with a new one that has what can be read of it.
    /// Positions, sequences and what is counted go on. `None` where there is no file to put aside.
    ///
    /// # Errors
    /// [`StoreError`] when the disk says no; it may be tried again.
    pub(crate) fn begin_anew(&mut self, today: UtcTime) -> Result<Option<Damaged>, StoreError> {
        let Some((disk, path)) = self.home.clone() else { return Ok(None) };
        let database = self.database.take();
        // What is damaged may say no to being closed too.
        drop(caught(|| drop(database)));
        let known = self.counts;
        self.none_begun = true;
        let (store, damaged) = anew(&disk, &path, today, Some(known))?;
        let lock = self.lock.take();
        *self = store;
        self.lock = lock;
        Ok(damaged)
    }

    /// Reads what the damaged store that was put aside last still says into this new one; `None` if none lies
    /// in `dir`.
    fn take_back_newest(
        &mut self,
        disk: &Arc<dyn Disk>,
        dir: &Path,
        known: Option<Counts>,
    ) -> Result<Option<Damaged>, StoreError> {
        let said_no = |source| StoreError::Directory { path: dir.to_owned(), source };
        let names = damaged_in(&names(&**disk, dir).map_err(said_no)?);
        let Some(newest) = names.last() else { return Ok(None) };
        let path = dir.join(newest);
        let salvaged = self.take_back(disk, &path, known)?;
        Ok(Some(Damaged { path, salvaged }))
    }

    /// Reads what a damaged store at `aside` still says into this new one.
    fn take_back(
        &mut self,
        disk: &Arc<dyn Disk>,
        aside: &Path,
        known: Option<Counts>,
    ) -> Result<Salvaged, StoreError> {
        let mut salvage = Salvage::of(disk, aside);
        if let Some(known) = known {
            // A batch that was not told of as written is written again by who has it.
            if salvage.commits().is_none_or(|commits| commits <= known.commits) {
                salvage.forget_after(known.position);
            }
            self.counts = known;
        }
        caught(|| self.restore(&salvage))?
    }
}

/// Puts the store at `path` aside and begins another with what can be read of it. `known`: what was counted
/// last by whom it was open for.
///
/// # Errors
/// [`StoreError`] when the disk says no.
pub(super) fn anew(
    disk: &Arc<dyn Disk>,
    path: &Path,
    today: UtcTime,
    known: Option<Counts>,
) -> Result<(Store, Option<Damaged>), StoreError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let said_no = |source| StoreError::Directory { path: dir.to_owned(), source };
    // A try before may have come so far, and found no room for the new one.
    if disk.list(dir).map_err(said_no)?.iter().any(|entry| entry.name == FILE) {
        put_damaged(&**disk, path, today).map_err(said_no)?;
    }
    let mut store = Store::at(disk, path).inspect_err(|_| {
        // Half a file would be put aside as the newest of the damaged.
        drop(disk.remove(path));
    })?;
    let damaged = store.take_back_newest(disk, dir, known)?;
    Ok((store, damaged))
}

/// What the store at `path` says of itself, if there is one and it says anything.
fn head(disk: &Arc<dyn Disk>, path: &Path) -> Result<Option<Head>, StoreError> {
    match caught(|| read_head(disk, path)) {
        Ok(read) => read,
        // Told when it is opened to be used.
        Err(_) => Ok(None),
    }
}

fn read_head(disk: &Arc<dyn Disk>, path: &Path) -> Result<Option<Head>, StoreError> {
    let database = match untouched(&**disk, path) {
        Ok(Some(database)) => database,
        Ok(None) => return Ok(None),
        // Told when it is opened to be used.
        Err(error) if error.is_damage() => return Ok(None),
        Err(error) => return Err(error),
    };
    let read = database.begin_read().map_err(StoreError::disk)?;
    match Head::read(&read) {
        Err(error) if error.is_damage() => Ok(None),
        read => read,
    }
}

/// What a name of a damaged store begins and ends with.
const BEGINS: &str = "outbox.damaged-";
const ENDS: &str = ".redb";
/// Damaged stores that are kept: each may be as large as the quota, and a disk that dies makes many.
const DAMAGED_KEPT: usize = 3;

/// Gives a damaged file a name of its own, durably, and lets the oldest of many go.
fn put_damaged(disk: &dyn Disk, path: &Path, today: UtcTime) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut taken = damaged_in(&names(disk, dir)?);
    let date = today.to_rfc3339();
    let date = date.split('T').next().unwrap_or_default();
    let name = |n: u32| format!("{BEGINS}{date}-{n:02}{ENDS}");
    let free = (1..).map(name).find(|name| !taken.contains(name)).unwrap_or_else(|| name(0));
    let aside = dir.join(&free);
    disk.rename(path, &aside)?;
    disk.sync_dir(dir)?;
    taken.push(free);
    for old in taken.iter().take(taken.len().saturating_sub(DAMAGED_KEPT)) {
        match disk.remove(&dir.join(old)) {
            Ok(()) => tracing::warn!(file = %old, "an older damaged outbox was let go"),
            Err(error) => tracing::warn!(file = %old, %error, "an older damaged outbox stays"),
        }
    }
    Ok(())
}

/// The names in a folder: of what is no file too, which may stand where one belongs.
pub(crate) fn names(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<String>> {
    Ok(disk.list(dir)?.into_iter().map(|entry| entry.name).collect())
}

/// Names of damaged stores among those of a folder, oldest first.
pub(crate) fn damaged_in(names: &[String]) -> Vec<String> {
    let is_damaged = |name: &&String| name.starts_with(BEGINS) && name.ends_with(ENDS);
    let mut found: Vec<String> = names.iter().filter(is_damaged).cloned().collect();
    found.sort();
    found
}
