//! How a start gets its store: the one that is there, or a new one beside what it cannot use.
//!
//! A store that is damaged beyond redb's own repair is put aside and a new one begun: a box without
//! yesterday's events is better than a box without today's. So is one of a format that is newer than
//! this version can read; it is read in by the next version that can (`aside`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::ReadableDatabase;

use crate::disk::{Disk, DiskLock, LockError};
use crate::media::UtcTime;
use crate::uplink::outbox::aside::{Beside, look_beside, put};
use crate::uplink::outbox::backend::untouched;
use crate::uplink::outbox::formats::Head;
use crate::uplink::outbox::store::Store;
use crate::uplink::outbox::tables::StoreError;

/// File of the store in its directory.
pub(super) const FILE: &str = "outbox.redb";
/// Held while the store is open: one daemon a directory.
const LOCK: &str = "lock";

/// An open store, and what was found on the way to it.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The one in use.
    pub store: Store,
    /// Of the directory, for all that is open in it.
    pub lock: Arc<dyn DiskLock>,
    /// One that could not be read was put there.
    pub damaged: Option<PathBuf>,
    /// What lies beside it.
    pub beside: Beside,
}

/// Opens the store in `dir`, or makes it.
///
/// # Errors
/// [`StoreError`] when another process has it, or the disk says no.
pub(crate) fn open(disk: &Arc<dyn Disk>, dir: &Path, today: UtcTime) -> Result<Opened, StoreError> {
    let said_no = |source| StoreError::Directory { path: dir.to_owned(), source };
    disk.create_dir_all(dir).map_err(said_no)?;
    let path = dir.join(FILE);
    let lock = disk.lock(&dir.join(LOCK)).map_err(|error| match error {
        LockError::InUse { .. } => StoreError::InUse { path: path.clone() },
        LockError::Io { source, .. } => said_no(source),
    })?;
    if let Some(head) = head(disk, &path)?
        && !head.is_readable()
    {
        put(&**disk, &path, &head, today).map_err(said_no)?;
    }
    let is_new = !disk.names(dir).map_err(said_no)?.iter().any(|name| name == FILE);
    let (store, damaged) = match Store::at(disk, &path) {
        Ok(store) => (store, None),
        Err(error) if is_new && error.is_full() => {
            // Half a file would be taken for a damaged one.
            if let Err(error) = disk.remove(&path) {
                tracing::warn!(path = %path.display(), %error, "half an outbox stays");
            }
            return Err(error);
        }
        Err(error) if error.is_damage() => {
            let aside = put_damaged(&**disk, &path).map_err(said_no)?;
            (Store::at(disk, &path)?, Some(aside))
        }
        Err(error) => return Err(error),
    };
    let lock: Arc<dyn DiskLock> = Arc::from(lock);
    let mut store = store.locked(Arc::clone(&lock));
    let beside = look_beside(disk, dir, &mut store)?;
    Ok(Opened { store, lock, damaged, beside })
}

/// What the store at `path` says of itself, if there is one and it says anything.
fn head(disk: &Arc<dyn Disk>, path: &Path) -> Result<Option<Head>, StoreError> {
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

/// Gives a damaged file a name of its own, durably.
fn put_damaged(disk: &dyn Disk, path: &Path) -> io::Result<PathBuf> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let taken = disk.names(dir)?;
    let is_free = |aside: &PathBuf| {
        let name = aside.file_name().and_then(|name| name.to_str());
        !name.is_some_and(|name| taken.iter().any(|other| other == name))
    };
    let free = (1..).map(|n| path.with_extension(format!("damaged-{n}"))).find(is_free);
    let aside = free.unwrap_or_else(|| path.with_extension("damaged"));
    disk.rename(path, &aside)?;
    disk.sync_dir(dir)?;
    Ok(aside)
}
