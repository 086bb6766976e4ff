//! Commands and the wanted configuration on disk: redb, one `fdatasync` a commit. On the inbox's
//! thread only.
//!
//! | table | key → value | holds |
//! |---|---|---|
//! | `commands` | id → JSON | every command that is remembered (`record`) |
//! | `places` | place → id | their order of arrival |
//! | `desired` | 0 → number, body | the wanted configuration that came last |
//! | `counts` | word → number | format, oldest reader, last place |
//!
//! | format | read by | what is different |
//! |---|---|---|
//! | 1 | 1 | |
//!
//! A store that is damaged beyond redb's own repair, at a start or while it runs, is put aside (`inbox.redb.damaged-{date}-{n}`) and a new one
//! begun, so is one that is empty where this box had one, and one of a format that this version cannot read (`inbox.redb.newer-{format}`): commands of
//! before may then run twice, which is told.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, TableError};

use crate::disk::{
    Disk, Entry, Format, Harm, InPlace, Wrong, found_harmed, has_run, make_folder, put_aside,
    put_by,
};
use crate::uplink::caught::caught;
use crate::uplink::inbox::record::Record;
use crate::uplink::outbox::backend::OnDisk;
use crate::uplink::outbox::tables::is_damage;

const COMMANDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("commands");
const PLACES: TableDefinition<'_, u64, &str> = TableDefinition::new("places");
const DESIRED: TableDefinition<'_, u64, (u64, &[u8])> = TableDefinition::new("desired");
const COUNTS: TableDefinition<'_, &str, u64> = TableDefinition::new("counts");

const FORMAT: &str = "format";
const OLDEST_READER: &str = "oldest_reader";
const LAST_PLACE: &str = "place";

/// The format that this version writes.
pub const INBOX_FORMAT: Format = Format::FIRST;

/// File of the store, beside the outbox's, whose folder one daemon holds.
pub(crate) const FILE: &str = "inbox.redb";
/// It holds what fits into `Limits::kept_bytes` and a window.
const CACHE_BYTES: usize = 1 << 20;

/// Why the store refused.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum InboxError {
    #[error("the inbox {path} cannot be written")]
    Disk { path: PathBuf, source: Box<redb::Error> },
}

/// What one commit writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    /// New, or as they are now.
    pub(super) records: Vec<Record>,
    pub(super) desired: Option<(u64, Vec<u8>)>,
    /// (place, id)
    pub(super) forgotten: Vec<(u64, String)>,
}

impl Batch {
    pub(super) const fn is_empty(&self) -> bool {
        self.records.is_empty() && self.desired.is_none() && self.forgotten.is_empty()
    }
}

/// The open store.
pub(super) struct Store {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// Opened again after an error: redb gives a database up then.
    database: Option<Database>,
    /// The file that is open.
    place: Option<InPlace>,
    format: Format,
    last_place: u64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `dir`, or begins one. Says what was put aside.
    ///
    /// # Errors
    /// [`InboxError`] when the disk says no.
    pub(super) fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
    ) -> Result<(Self, Option<PathBuf>), InboxError> {
        let path = dir.join(FILE);
        let at = |error| InboxError::Disk { path: path.clone(), source: Box::new(error) };
        let mut aside = None;
        let entries = disk.list(dir).map_err(|error| at(redb::Error::Io(error)))?;
        let is_there = entries.iter().any(|entry| entry.name == FILE);
        match lost(&**disk, dir, &entries) {
            Some(why) if is_there => aside = Some(away(&**disk, &path, why).map_err(at)?),
            Some(why) => {
                let why = format!("{why}: begun anew; commands of before may run twice");
                found_harmed(&**disk, &path, why);
            }
            None => {}
        }
        for _ in 0..2 {
            let store = Self {
                disk: Arc::clone(disk),
                path: path.clone(),
                database: None,
                place: None,
                format: INBOX_FORMAT,
                last_place: 0,
            };
            match caught(|| store.begun()).unwrap_or(Err(Unusable::Damaged)) {
                Ok(store) => return Ok((store, aside)),
                Err(Unusable::Newer(format)) => {
                    aside = Some(
                        put_aside(&**disk, &path, format).map_err(redb::Error::Io).map_err(at)?,
                    );
                }
                Err(Unusable::Damaged) => {
                    let why = "it is no whole store";
                    aside = Some(away(&**disk, &path, why).map_err(at)?);
                }
                Err(Unusable::Disk(error)) => return Err(at(error)),
            }
        }
        Err(at(redb::Error::RepairAborted))
    }

    fn begun(mut self) -> Result<Self, Unusable> {
        let database = open(&*self.disk, &self.path)?;
        let read = database.begin_read().map_err(Unusable::of)?;
        let said = match read.open_table(COUNTS) {
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(Unusable::of(error)),
            Ok(counts) => {
                let count = |word: &str| -> Result<Option<u64>, Unusable> {
                    Ok(counts.get(word).map_err(Unusable::of)?.map(|guard| guard.value()))
                };
                let small = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
                self.last_place = count(LAST_PLACE)?.unwrap_or(0);
                let format = count(FORMAT)?.map_or(1, small);
                let oldest_reader = count(OLDEST_READER)?.map_or(format, small);
                Some(Format { format, oldest_reader })
            }
        };
        drop(read);
        if let Some(format) = said {
            if !format.is_read_by(INBOX_FORMAT) {
                return Err(Unusable::Newer(format));
            }
            self.format = format.brought_forward(INBOX_FORMAT);
        }
        if said != Some(self.format) {
            let write = database.begin_write().map_err(Unusable::of)?;
            drop(write.open_table(COMMANDS).map_err(Unusable::of)?);
            drop(write.open_table(PLACES).map_err(Unusable::of)?);
            drop(write.open_table(DESIRED).map_err(Unusable::of)?);
            {
                let mut counts = write.open_table(COUNTS).map_err(Unusable::of)?;
                counts.insert(FORMAT, u64::from(self.format.format)).map_err(Unusable::of)?;
                let reader = u64::from(self.format.oldest_reader);
                counts.insert(OLDEST_READER, reader).map_err(Unusable::of)?;
            }
            write.commit().map_err(Unusable::of)?;
        }
        self.place = Some(InPlace::of(&*self.disk, &self.path));
        self.database = Some(database);
        Ok(self)
    }

    /// The place of the command that came last.
    pub(super) const fn last_place(&self) -> u64 {
        self.last_place
    }

    fn at(&self, error: impl Into<redb::Error>) -> InboxError {
        InboxError::Disk { path: self.path.clone(), source: Box::new(error.into()) }
    }

    /// The same store, not open yet.
    fn again(&self) -> Self {
        Self {
            disk: Arc::clone(&self.disk),
            path: self.path.clone(),
            database: None,
            place: None,
            format: self.format,
            last_place: self.last_place,
        }
    }

    fn database(&mut self) -> Result<&Database, InboxError> {
        if self.database.is_none() {
            // The tables too: it may be a new one.
            let astray = self.place.as_ref().and_then(|place| place.astray(&*self.disk));
            let begun = caught(|| self.again().begun()).unwrap_or(Err(Unusable::Damaged));
            match begun {
                Ok(again) => {
                    (self.database, self.place) = (again.database, again.place);
                    if let Some(why) = astray {
                        let why = format!("{why}: begun anew; commands of before may run twice");
                        found_harmed(&*self.disk, &self.path, why);
                    }
                }
                Err(Unusable::Damaged) => {
                    let error = redb::Error::RepairAborted;
                    self.give_up(&error);
                    return Err(self.at(error));
                }
                Err(error) => return Err(self.at(error.into_error())),
            }
        }
        self.database.as_ref().ok_or_else(|| self.at(redb::Error::DatabaseAlreadyOpen))
    }

    /// Writes all of `batch`, or nothing.
    ///
    /// # Errors
    /// [`InboxError`]; then nothing of it counts as written, and it may be written again.
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<(), InboxError> {
        if batch.is_empty() {
            return Ok(());
        }
        let last = batch.records.iter().map(|record| record.place).max();
        let last = last.map_or(self.last_place, |last| last.max(self.last_place));
        let database = self.database()?;
        let written = caught(|| write(database, batch, last))
            .unwrap_or_else(|panicked| Err(redb::Error::Corrupted(panicked.said)));
        match written {
            Ok(()) => {
                self.keep_place(last)?;
                self.last_place = last;
                Ok(())
            }
            Err(error) => {
                self.give_up(&error);
                Err(self.at(error))
            }
        }
    }

    /// Writes all that it holds into a new file, where its own was taken away or replaced while it is open: nothing is
    /// acknowledged by a file that the next start does not find.
    fn keep_place(&mut self, last: u64) -> Result<(), InboxError> {
        let astray = self.place.as_ref().and_then(|place| place.astray(&*self.disk));
        let Some(why) = astray else { return Ok(()) };
        let mut all = Batch::default();
        self.all(|record, _| all.records.push(record))?;
        all.desired = self.desired()?;
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let said_no = |error| InboxError::Disk {
            path: self.path.clone(),
            source: Box::new(redb::Error::Io(error)),
        };
        make_folder(&*self.disk, dir).map_err(said_no)?;
        if self.disk.list(dir).map_err(said_no)?.iter().any(|entry| entry.name == FILE) {
            away(&*self.disk, &self.path, why).map_err(|error| self.at(error))?;
        }
        // What is open holds all of it until the new one does.
        let again = caught(|| self.again().begun()).unwrap_or(Err(Unusable::Damaged));
        let again = again.map_err(|error| self.at(error.into_error()))?;
        let written = match &again.database {
            Some(database) => caught(|| write(database, &all, last))
                .unwrap_or_else(|panicked| Err(redb::Error::Corrupted(panicked.said))),
            None => Err(redb::Error::DatabaseAlreadyOpen),
        };
        if let Err(error) = written {
            // Half a store would be taken for the one of before.
            drop(self.disk.remove(&self.path));
            return Err(self.at(error));
        }
        (self.database, self.place) = (again.database, again.place);
        found_harmed(
            &*self.disk,
            &self.path,
            format!("{why}: written anew, with all that it held"),
        );
        Ok(())
    }

    /// Lets the database go after an error, and puts its file aside where that is what is damaged: the next
    /// call opens it again, or begins one.
    fn give_up(&mut self, error: &redb::Error) {
        drop(caught(|| self.database = None));
        self.database = None;
        if !is_damage(error) {
            return;
        }
        match away(&*self.disk, &self.path, &error.to_string()) {
            Ok(aside) => tracing::error!(
                put_aside = %aside.display(), %error,
                "the inbox was damaged: begun anew; commands of before may run twice"
            ),
            Err(said) => {
                tracing::error!(%error, %said, "the inbox is damaged, and stays where it is");
            }
        }
    }

    /// Asks the database; one that is damaged is given up.
    fn ask<T>(
        &mut self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, InboxError> {
        let database = self.database()?;
        let asked = caught(|| work(database))
            .unwrap_or_else(|panicked| Err(redb::Error::Corrupted(panicked.said)));
        asked.map_err(|error| {
            if is_damage(&error) {
                self.give_up(&error);
            }
            self.at(error)
        })
    }

    /// The record of a command.
    ///
    /// # Errors
    /// [`InboxError`].
    pub(super) fn get(&mut self, id: &str) -> Result<Option<Record>, InboxError> {
        self.ask(|database| read(database, id))
    }

    /// All commands, in order of arrival. What cannot be read is passed over, and its id stays known.
    ///
    /// # Errors
    /// [`InboxError`].
    pub(super) fn all(&mut self, mut each: impl FnMut(Record, u64)) -> Result<(), InboxError> {
        self.ask(|database| walk(database, &mut each))
    }

    /// The commands that came first, `most` of them.
    ///
    /// # Errors
    /// [`InboxError`].
    pub(super) fn oldest(&mut self, most: usize) -> Result<Vec<Record>, InboxError> {
        self.ask(|database| first(database, most))
    }

    /// The wanted configuration that came last, and its number.
    ///
    /// # Errors
    /// [`InboxError`].
    pub(super) fn desired(&mut self) -> Result<Option<(u64, Vec<u8>)>, InboxError> {
        self.ask(wanted)
    }
}

/// Puts the file aside and tells it.
fn away(disk: &dyn Disk, path: &Path, why: &str) -> Result<PathBuf, redb::Error> {
    let Harm { aside, why, .. } = put_by(disk, path, Wrong::Damaged(why.to_owned()));
    aside.ok_or_else(|| redb::Error::Io(std::io::Error::other(why)))
}

/// Why a store must have been lost that is missing or empty; `None` where it may be new, or lies beside.
pub(crate) fn lost(disk: &dyn Disk, dir: &Path, entries: &[Entry]) -> Option<&'static str> {
    let had_one = || dir.parent().is_some_and(|data_dir| has_run(disk, data_dir));
    match entries.iter().find(|entry| entry.name == FILE) {
        Some(entry) if entry.is_dir || entry.len > 0 => None,
        Some(_) => had_one().then_some("it is empty"),
        None if entries.iter().any(|entry| entry.name.starts_with(FILE)) => None,
        None => had_one().then_some("it is not there, though this box had one"),
    }
}

fn write(database: &Database, batch: &Batch, last: u64) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    {
        let mut commands = write.open_table(COMMANDS)?;
        let mut places = write.open_table(PLACES)?;
        for record in &batch.records {
            // JSON carries all of it.
            let bytes = serde_json::to_vec(record).unwrap_or_default();
            commands.insert(record.id.as_str(), bytes.as_slice())?;
            places.insert(record.place, record.id.as_str())?;
        }
        for (place, id) in &batch.forgotten {
            commands.remove(id.as_str())?;
            places.remove(place)?;
        }
        if let Some((number, body)) = &batch.desired {
            write.open_table(DESIRED)?.insert(0, (*number, body.as_slice()))?;
        }
        write.open_table(COUNTS)?.insert(LAST_PLACE, last)?;
    }
    write.commit()?;
    Ok(())
}

fn read(database: &Database, id: &str) -> Result<Option<Record>, redb::Error> {
    let read = database.begin_read()?;
    let found = read.open_table(COMMANDS)?.get(id)?;
    Ok(found.map(|bytes| decoded(id, bytes.value())))
}

fn walk(database: &Database, each: &mut impl FnMut(Record, u64)) -> Result<(), redb::Error> {
    let read = database.begin_read()?;
    let (commands, places) = (read.open_table(COMMANDS)?, read.open_table(PLACES)?);
    for row in places.iter()? {
        let (place, id) = row?;
        if let Some(bytes) = commands.get(id.value())? {
            let bytes = bytes.value();
            each(Record { place: place.value(), ..decoded(id.value(), bytes) }, bytes.len() as u64);
        }
    }
    Ok(())
}

fn first(database: &Database, most: usize) -> Result<Vec<Record>, redb::Error> {
    let read = database.begin_read()?;
    let (commands, places) = (read.open_table(COMMANDS)?, read.open_table(PLACES)?);
    let mut found = Vec::new();
    for row in places.iter()?.take(most) {
        let (place, id) = row?;
        if let Some(bytes) = commands.get(id.value())? {
            let record = decoded(id.value(), bytes.value());
            found.push(Record { place: place.value(), ..record });
        }
    }
    Ok(found)
}

fn wanted(database: &Database) -> Result<Option<(u64, Vec<u8>)>, redb::Error> {
    let read = database.begin_read()?;
    let found = read.open_table(DESIRED)?.get(0)?;
    Ok(found.map(|value| {
        let (number, body) = value.value();
        (number, body.to_vec())
    }))
}

/// A record; of one that means nothing to us at least its name, so that it is not run again.
fn decoded(id: &str, bytes: &[u8]) -> Record {
    serde_json::from_slice(bytes).unwrap_or_else(|error| {
        tracing::warn!(%id, %error, "the record of a command is not readable");
        Record::unreadable(id)
    })
}

/// Why a store cannot be used as it is.
enum Unusable {
    Newer(Format),
    Damaged,
    Disk(redb::Error),
}

impl Unusable {
    fn of(error: impl Into<redb::Error>) -> Self {
        match error.into() {
            error if is_damage(&error) => Self::Damaged,
            error => Self::Disk(error),
        }
    }

    fn into_error(self) -> redb::Error {
        match self {
            // One that another version put there while this one ran.
            Self::Newer(_) | Self::Damaged => redb::Error::RepairAborted,
            Self::Disk(error) => error,
        }
    }
}

fn open(disk: &dyn Disk, path: &Path) -> Result<Database, Unusable> {
    let file = OnDisk::open(disk, path).map_err(Unusable::of)?;
    let database = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(file);
    database.map_err(|error: DatabaseError| Unusable::of(error))
}
