//! Events on disk: redb, one `fdatasync` a commit. On the outbox's thread only. `tables` says what is
//! where.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError};

use crate::disk::{Disk, DiskLock, LockError};
use crate::media::CourtId;
use crate::uplink::outbox::backend::OnDisk;
use crate::uplink::outbox::record::Record;
use crate::uplink::outbox::tables::{
    BY_COURT, BYTES, COMMITS, COUNTS, LAST_POSITION, LINK_SESSION, RECORDS, SHED, StoreError,
    TABLES, WAITING, decode, open_all, readable,
};
use crate::uplink::outbox::write::{Batch, Counts, fill};

/// File of the store in its directory.
const FILE: &str = "outbox.redb";
/// Held while the store is open: one daemon a directory.
const LOCK: &str = "lock";
/// redb's own default is 1 GiB; the whole daemon may take 200 MB (DESIGN §3).
const CACHE_BYTES: usize = 4 << 20;

/// How the database is opened, and again after an error; tests put a disk under it that fills up.
type Opener = Box<dyn Fn() -> Result<Database, StoreError> + Send>;

/// The open store.
pub(crate) struct Store {
    opener: Opener,
    /// Of the directory; none where a test made the store.
    _lock: Option<Box<dyn DiskLock>>,
    database: Option<Database>,
    pub(super) last_position: u64,
    commits: u64,
    session: u64,
    pub(super) bytes: u64,
    pub(super) shed: u64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("last_position", &self.last_position).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `dir`, or makes it.
    ///
    /// A store that is damaged beyond redb's own repair is put aside and a new one begun: a box
    /// without yesterday's events is better than a box without today's.
    ///
    /// # Errors
    /// [`StoreError`] when another process has it, or the disk says no.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
    ) -> Result<(Self, Option<PathBuf>), StoreError> {
        let said_no = |source| StoreError::Directory { path: dir.to_owned(), source };
        disk.create_dir_all(dir).map_err(said_no)?;
        let path = dir.join(FILE);
        let lock = disk.lock(&dir.join(LOCK)).map_err(|error| match error {
            LockError::InUse { .. } => StoreError::InUse { path: path.clone() },
            LockError::Io { source, .. } => said_no(source),
        })?;
        let is_new = !disk.names(dir).map_err(said_no)?.iter().any(|name| name == FILE);
        let (mut store, aside) = match Self::readable_at(disk, &path) {
            Ok(store) => (store, None),
            Err(error) if is_new && error.is_full() => {
                // Half a file would be taken for a damaged one.
                if let Err(error) = disk.remove(&path) {
                    tracing::warn!(path = %path.display(), %error, "half an outbox stays");
                }
                return Err(error);
            }
            Err(error) if error.is_damage() => {
                let aside = set_aside(&**disk, &path).map_err(said_no)?;
                (Self::readable_at(disk, &path)?, Some(aside))
            }
            Err(error) => return Err(error),
        };
        store._lock = Some(lock);
        Ok((store, aside))
    }

    /// Opens a store and reads what a start reads, so that damage shows now.
    fn readable_at(disk: &Arc<dyn Disk>, path: &Path) -> Result<Self, StoreError> {
        let (again, on) = (path.to_owned(), Arc::clone(disk));
        let opener = Box::new(move || open_database(&*on, &again));
        let store = Self::over(open_database(&**disk, path)?, opener)?;
        store.waiting()?;
        store.recover()?;
        Ok(store)
    }

    fn over(database: Database, opener: Opener) -> Result<Self, StoreError> {
        let mut store = Self {
            opener,
            _lock: None,
            database: Some(database),
            last_position: 0,
            commits: 0,
            session: 0,
            bytes: 0,
            shed: 0,
        };
        store.make_tables()?;
        store.load_counts()?;
        Ok(store)
    }

    /// Closes and opens again: after an error redb refuses everything (`PreviousIo`).
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn reopen(&mut self) -> Result<(), StoreError> {
        self.database = None;
        self.database = Some((self.opener)()?);
        self.make_tables()?;
        self.load_counts()
    }

    pub(super) fn database(&self) -> Result<&Database, StoreError> {
        self.database.as_ref().ok_or_else(|| StoreError::disk(StorageError::DatabaseClosed))
    }

    fn make_tables(&self) -> Result<(), StoreError> {
        let read = self.database()?.begin_read().map_err(StoreError::disk)?;
        let tables = read.list_tables().map_err(StoreError::disk)?.count();
        drop(read);
        if tables >= TABLES {
            return Ok(()); // nothing is written: a full disk does not keep an outbox shut
        }
        let write = self.database()?.begin_write().map_err(StoreError::disk)?;
        open_all(&write).map_err(StoreError::disk)?;
        write.commit().map_err(StoreError::disk)
    }

    fn load_counts(&mut self) -> Result<(), StoreError> {
        let read = self.database()?.begin_read().map_err(StoreError::disk)?;
        let counts = read.open_table(COUNTS).map_err(StoreError::disk)?;
        let count = |word: &str| -> Result<u64, StoreError> {
            Ok(counts.get(word).map_err(StoreError::disk)?.map_or(0, |guard| guard.value()))
        };
        let loaded = (count(LAST_POSITION)?, count(LINK_SESSION)?, count(BYTES)?, count(SHED)?);
        self.commits = count(COMMITS)?;
        (self.last_position, self.session, self.bytes, self.shed) = loaded;
        Ok(())
    }

    /// The position given last.
    #[must_use]
    pub(crate) const fn last_position(&self) -> u64 {
        self.last_position
    }

    /// Batches written since the store was made: tells one that is on disk from one that is not.
    #[must_use]
    pub(crate) const fn commits(&self) -> u64 {
        self.commits
    }

    /// The link's session.
    #[must_use]
    pub(crate) const fn session(&self) -> u64 {
        self.session
    }

    /// Bytes of all records.
    #[cfg(test)]
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Records shed since the store was made.
    #[must_use]
    pub(crate) const fn shed(&self) -> u64 {
        self.shed
    }

    /// Writes `batch` in one transaction and syncs. Returns the records of its events.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of it counts, and `reopen` must come before the next call.
    pub(crate) fn commit(&mut self, batch: &Batch) -> Result<Vec<Record>, StoreError> {
        let write = self.database()?.begin_write().map_err(StoreError::disk)?;
        let mut counts = Counts {
            position: self.last_position,
            commits: self.commits + 1,
            bytes: self.bytes,
            session: self.session,
        };
        let records = fill(&write, batch, &mut counts)?;
        write.commit().map_err(StoreError::disk)?;
        (self.last_position, self.commits) = (counts.position, counts.commits);
        (self.bytes, self.session) = (counts.bytes, counts.session);
        Ok(records)
    }

    /// One record.
    ///
    /// # Errors
    /// [`StoreError`] when the disk or the record cannot be read.
    pub(crate) fn read(&self, position: u64) -> Result<Option<Record>, StoreError> {
        let read = self.database()?.begin_read().map_err(StoreError::disk)?;
        let records = read.open_table(RECORDS).map_err(StoreError::disk)?;
        let Some(bytes) = records.get(position).map_err(StoreError::disk)? else {
            return Ok(None);
        };
        decode(position, bytes.value()).map(Some)
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
        let read = self.database()?.begin_read().map_err(StoreError::disk)?;
        let waiting = read.open_table(WAITING).map_err(StoreError::disk)?;
        let mut found = Vec::new();
        for row in waiting.iter().map_err(StoreError::disk)? {
            let (position, code) = row.map_err(StoreError::disk)?;
            let code = code.value();
            found.push((position.value(), (code != 0).then_some(code)));
        }
        Ok(found)
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
        let rows = by_court.range((court, from)..=(court, u64::MAX)).map_err(StoreError::disk)?;
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
    }
}

fn open_database(disk: &dyn Disk, path: &Path) -> Result<Database, StoreError> {
    let cannot = |source| StoreError::Open { path: path.to_owned(), source: Box::new(source) };
    let file = OnDisk::open(disk, path).map_err(|error| cannot(redb::Error::Io(error)))?;
    Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(file).map_err(|error| {
        match error {
            DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: path.to_owned() },
            other => cannot(other.into()),
        }
    })
}

/// Gives a damaged file a name of its own, durably.
fn set_aside(disk: &dyn Disk, path: &Path) -> io::Result<PathBuf> {
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
        ToAll(io::ErrorKind),
        /// To syncs; what was written is there all the same.
        ToSyncs(io::ErrorKind),
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
        let (path, refusal) = (dir.join(FILE), Arc::clone(refusal));
        let opener = move || {
            let mut options = File::options();
            let file = options.read(true).write(true).create(true).truncate(false);
            let file = FileBackend::new(file.open(&path).unwrap()).unwrap();
            let disk = Disk { file, refusal: Arc::clone(&refusal) };
            let builder = Database::builder();
            builder.create_with_backend(disk).map_err(StoreError::disk)
        };
        Store::over(opener().unwrap(), Box::new(opener)).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::clock::AnchorSnapshot;
    use crate::disk::RealDisk;
    use crate::event::{
        ClipRequest, Event, FactId, Highlight, ModelRef, Saying, Score, Shot, Withdrawal,
    };
    use crate::media::{MediaTime, SessionId, UtcTime};
    use crate::uplink::outbox::record::{Decided, InOrder};

    fn event(court: &str, n: u32, revision: u32, saying: Saying) -> Event {
        Event {
            court: CourtId::new(court).unwrap(),
            fact: FactId { session: SessionId::from_bits(5), family: None, n },
            revision,
            attempt: n,
            at: MediaTime::from_millis(i64::from(n) * 1000),
            saying,
            clip: None,
        }
    }

    fn made(provisional: bool) -> Saying {
        Saying::ShotMade(Shot {
            rim: 0,
            t_stream: 1.0,
            t_decided: 1.5,
            confidence: 0.75,
            provisional,
            points: None,
            clip: None,
            model: ModelRef {
                bundle: "b".into(),
                version: "1".into(),
                precision: "fp32".into(),
                engine: "e".into(),
            },
            latency_ms: 20.0,
            by: None,
            reason: None,
        })
    }

    fn score(after: u32) -> Saying {
        let after = Some(format!("0000000000000005-{after}"));
        Saying::Score(Score { made: vec![after.iter().len() as u32], attempts: vec![1], after })
    }

    fn highlight(shot: u32) -> Saying {
        Saying::Highlight(Highlight {
            shot: format!("0000000000000005-{shot}"),
            reason: "made".into(),
            t_stream: 1.0,
            clip: "/v1/clips/x".into(),
        })
    }

    fn batch(events: impl IntoIterator<Item = Event>) -> Batch {
        at(events, Some(1_000_000_000))
    }

    fn at(events: impl IntoIterator<Item = Event>, utc_ns: Option<i64>) -> Batch {
        let decided = Decided { boot: "boot".into(), monotonic_ns: 1, utc_ns };
        let unplaced = InOrder { position: 0, sequence: 0 };
        let append = events
            .into_iter()
            .map(|event| {
                let anchor = AnchorSnapshot::default();
                Record::new(unplaced, &event, decided.clone(), anchor).unwrap()
            })
            .collect();
        Batch { append, ..Batch::default() }
    }

    fn real() -> Arc<dyn Disk> {
        Arc::new(RealDisk::new())
    }

    fn opened(dir: &Path) -> Store {
        Store::open(&real(), dir).unwrap().0
    }

    #[test]
    fn a_second_daemon_is_told_so() {
        let dir = tempfile::tempdir().unwrap();
        let _first = opened(dir.path());
        let second = Store::open(&real(), dir.path()).unwrap_err();
        assert!(matches!(second, StoreError::InUse { .. }), "{second}");
    }

    #[test]
    fn sequences_count_each_court_and_go_on_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = opened(dir.path());
        let records = store
            .commit(&batch([
                event("a", 1, 0, made(false)),
                event("b", 1, 0, made(false)),
                event("a", 2, 0, made(false)),
            ]))
            .unwrap();
        let places = |records: &[Record]| -> Vec<(u64, u64)> {
            records.iter().map(|record| (record.header.position, record.header.sequence)).collect()
        };
        assert_eq!(places(&records), [(1, 1), (2, 1), (3, 2)]);
        drop(store);
        let mut store = opened(dir.path());
        let records = store.commit(&batch([event("a", 3, 0, made(false))])).unwrap();
        assert_eq!(places(&records), [(4, 3)]);
        assert_eq!(store.waiting().unwrap().len(), 4);
        let given = store.replay(Some(&CourtId::new("a").unwrap()), 1, 10).unwrap();
        assert_eq!(places(&given), [(3, 2), (4, 3)]);
        assert_eq!(places(&store.replay(None, 2, 1).unwrap()), [(3, 2)]);
    }

    #[test]
    fn a_puback_takes_it_from_the_queue_and_a_refusal_keeps_its_code() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = opened(dir.path());
        store.commit(&batch((1..=3).map(|n| event("a", n, 0, made(false))))).unwrap();
        let marks = Batch {
            acknowledged: [(1, 7)].into(),
            refused: [(2, 0x87)].into(),
            next_session: true,
            ..Batch::default()
        };
        store.commit(&marks).unwrap();
        drop(store);
        let store = opened(dir.path());
        assert_eq!(store.waiting().unwrap(), [(2, Some(0x87)), (3, None)]);
        assert_eq!(store.session(), 1);
        assert!(store.read(1).unwrap().is_some(), "kept, to be given again");
    }

    #[test]
    fn a_start_finds_what_was_not_finished() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = opened(dir.path());
        let mut pinned = event("a", 6, 0, highlight(4));
        pinned.clip =
            Some(ClipRequest { id: "c6".into(), from_ns: 0, to_ns: 9, reason: "r".into() });
        let withdrawal = || {
            Saying::ShotWithdrawn(Withdrawal {
                t_stream: 1.0,
                reason: "no_outcome".into(),
                by: None,
            })
        };
        store
            .commit(&batch([
                event("a", 1, 0, made(true)),
                event("a", 1, 1, made(false)),
                event("a", 2, 0, score(1)),
                event("a", 3, 0, highlight(1)),
                event("a", 4, 0, made(true)),
                pinned,
                event("a", 5, 0, made(true)),
                event("a", 5, 1, withdrawal()),
                event("a", 7, 0, made(false)),
                event("b", 1, 0, made(true)),
            ]))
            .unwrap();
        drop(store);
        let recovered = opened(dir.path()).recover().unwrap();
        let ids = |events: &[Event]| -> Vec<(String, String)> {
            events.iter().map(|event| (event.court.to_string(), event.id())).collect()
        };
        let id = |court: &str, id: &str| (court.to_owned(), format!("0000000000000005-{id}"));
        let (a, b) = (CourtId::new("a").unwrap(), CourtId::new("b").unwrap());
        let of_a = &recovered.courts[&a];
        assert_eq!(ids(&of_a.open), [id("a", "4.0")]);
        assert_eq!(ids(&recovered.courts[&b].open), [id("b", "1.0")]);
        let latest: Vec<_> =
            of_a.latest.iter().map(|(family, event)| (family.as_str(), event.id())).collect();
        let n = |n: &str| format!("0000000000000005-{n}");
        assert_eq!(latest, [("highlight", n("6.0")), ("score", n("2.0")), ("shot", n("7.0"))]);
        let recent: Vec<String> = of_a.recent.iter().map(Event::id).collect();
        let in_order = ["1.0", "1.1", "2.0", "3.0", "4.0", "6.0", "5.0", "5.1", "7.0"];
        assert_eq!(recent, in_order.map(n));
        assert_eq!(recovered.clips.len(), 1);
        assert_eq!(recovered.clips[0].request.id, "c6");
        assert_eq!((of_a.last_sequence, recovered.courts[&b].last_sequence), (9, 1));
        assert_eq!(recovered.unsent, 10);
    }

    #[test]
    fn an_old_provisional_is_found_behind_any_number_of_later_facts() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = opened(dir.path());
        store.commit(&batch([event("a", 1, 0, made(true))])).unwrap();
        let later = (1..700).flat_map(|n| {
            [event("a", 2 * n, 0, made(false)), event("a", 2 * n + 1, 0, score(2 * n))]
        });
        store.commit(&batch(later)).unwrap();
        let recovered = store.recover().unwrap();
        let of_a = &recovered.courts[&CourtId::new("a").unwrap()];
        assert_eq!(of_a.open.len(), 1);
        assert_eq!(of_a.recent.len(), 64);
        assert_eq!(of_a.recent.last().unwrap().fact.n, 1399);
    }

    #[test]
    fn a_kind_of_a_later_version_takes_its_place_and_is_never_shed() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = opened(dir.path());
        let mut later = batch([event("a", 1, 0, made(true))]).append.remove(0);
        later.header.event_type = "courtside.momentum.v1".into();
        later.header.family = "momentum".into();
        later.header.fact = "0000000000000005/run/1".into();
        later.header.provisional = false;
        later.data = br#"{"of":[1,2]}"#.to_vec();
        let mut open = later.clone();
        (open.header.fact, open.header.provisional) = ("0000000000000005/run/2".into(), true);
        let others = batch((1..=300).map(|n| event("a", n, 0, made(false)))).append;
        let append: Vec<Record> = [later.clone(), open].into_iter().chain(others).collect();
        store.commit(&Batch { append, ..Batch::default() }).unwrap();
        drop(store);
        let mut store = opened(dir.path());
        let recovered = store.recover().unwrap();
        let of_a = &recovered.courts[&CourtId::new("a").unwrap()];
        // One is open, and nobody here can close it; both wait for who knows them.
        assert!(of_a.open.is_empty() && !of_a.latest.contains_key("momentum"));
        assert_eq!(of_a.last_sequence, 302);
        let soon = Some(UtcTime::from_nanos(5_000_000_000));
        assert!(store.forget(0, soon, UtcTime::from_nanos(0)).unwrap().is_empty());
        let late = Some(UtcTime::from_nanos(80 * 3_600_000_000_000));
        let shed = store.forget(0, late, UtcTime::from_nanos(0)).unwrap();
        assert_eq!(shed.first(), Some(&3), "those that this version knows may go by their age");
        let kept = store.read(1).unwrap().unwrap();
        assert_eq!((kept.data, kept.header.event_type), (later.data, later.header.event_type));
        assert_eq!(store.waiting().unwrap().first(), Some(&(1, None)), "it goes out first");
        assert_eq!(store.replay(CourtId::new("a").ok().as_ref(), 0, 1).unwrap().len(), 1);
    }

    #[test]
    fn only_what_was_sent_long_ago_and_has_its_clip_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = opened(dir.path());
        let mut pinned = event("a", 2, 0, highlight(1));
        pinned.clip =
            Some(ClipRequest { id: "c2".into(), from_ns: 0, to_ns: 9, reason: "r".into() });
        let others = (3..=400).map(|n| event("a", n, 0, made(false)));
        // The last of a family stays; so neither family's last is looked at here.
        let others = others.chain([event("a", 401, 0, highlight(1))]);
        store
            .commit(&batch([event("a", 1, 0, made(false)), pinned].into_iter().chain(others)))
            .unwrap();
        let hour = 3_600_000_000_000i64;
        let marks = Batch {
            acknowledged: (1..=10).map(|position| (position, hour)).collect(),
            ..Batch::default()
        };
        store.commit(&marks).unwrap();
        let hours = |n: i64| Some(UtcTime::from_nanos(n * hour));
        assert!(store.forget(u64::MAX, hours(72), UtcTime::from_nanos(0)).unwrap().is_empty());
        assert!(store.read(1).unwrap().is_some(), "not yet");
        assert!(store.forget(u64::MAX, None, UtcTime::from_nanos(0)).unwrap().is_empty());
        assert!(store.read(1).unwrap().is_some(), "an implausible clock forgets nothing");
        let set_later = UtcTime::from_nanos(2 * hour);
        assert!(store.forget(u64::MAX, hours(74), set_later).unwrap().is_empty());
        assert!(store.read(1).unwrap().is_some(), "sent before the clock was set");
        assert!(store.forget(u64::MAX, hours(74), UtcTime::from_nanos(0)).unwrap().is_empty());
        assert!(store.read(1).unwrap().is_none());
        assert!(store.read(2).unwrap().is_some(), "its clip is not durable");
        assert!(store.read(11).unwrap().is_some(), "no PUBACK");
        store.commit(&Batch { clips: ["c2".to_owned()].into(), ..Batch::default() }).unwrap();
        store.forget(u64::MAX, hours(74), UtcTime::from_nanos(0)).unwrap();
        assert!(store.read(2).unwrap().is_none());
        assert_eq!(store.shed(), 0);
    }

    fn entries(log: &str, kinds: &str, utc: i64) -> Batch {
        let entry = |kind: char| LogEntry {
            log: log.into(),
            checkpoint: kind == 'C',
            bytes: kind.to_string().into(),
        };
        Batch { log: kinds.chars().map(|kind| (utc, entry(kind))).collect(), ..Batch::default() }
    }

    /// What a start is given of a log, as `first..:kinds`.
    fn log_of(store: &Store, log: &str) -> String {
        let entries = store.recover().unwrap().logs.remove(log).unwrap_or_default();
        let kinds = entries.iter().map(|(_, bytes)| String::from_utf8(bytes.clone()).unwrap());
        let first = entries.first().map_or(0, |(n, _)| *n);
        let numbers: Vec<u64> = entries.iter().map(|(n, _)| *n).collect();
        let in_order = first..first + numbers.len() as u64;
        assert_eq!(numbers, in_order.collect::<Vec<_>>(), "no gap");
        format!("{first}..:{}", kinds.collect::<String>())
    }

    #[test]
    fn a_log_goes_on_after_a_restart_and_is_read_from_its_last_checkpoint() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = opened(dir.path());
        store.commit(&entries("game/a", "xy", 1)).unwrap();
        store.commit(&entries("game/ab", "C", 1)).unwrap();
        assert_eq!(log_of(&store, "game/a"), "1..:xy");
        drop(store);
        let mut store = opened(dir.path());
        store.commit(&entries("game/a", "zCuCv", 2)).unwrap();
        drop(store);
        let store = opened(dir.path());
        assert_eq!(log_of(&store, "game/a"), "6..:Cv");
        assert_eq!(log_of(&store, "game/ab"), "1..:C");
        assert_eq!(log_of(&store, "games"), "0..:");
    }

    #[test]
    fn a_log_forgets_only_what_is_old_and_stands_before_its_last_checkpoint() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = opened(dir.path());
        let day = 24 * 3_600_000_000_000i64;
        store.commit(&entries("a", "ooCx", day)).unwrap();
        store.commit(&entries("b", "ooxx", day)).unwrap();
        store.commit(&entries("c", "oo", day)).unwrap();
        store.commit(&entries("c", "oC", 10 * day)).unwrap();
        let at = |days: i64| Some(UtcTime::from_nanos(days * day));
        let left = |store: &Store| {
            let read = store.database().unwrap().begin_read().unwrap();
            let log = read.open_table(LOG).unwrap();
            let mut names = Vec::new();
            for row in log.iter().unwrap() {
                let (key, _) = row.unwrap();
                let (log, n) = key.value();
                names.push(format!("{log}{n}"));
            }
            names.join(" ")
        };
        let all = left(&store);
        // (clock, clock set at, what is left)
        let table = [
            (at(16), 0, all.as_str()),
            (None, 0, all.as_str()),
            // Written before the clock was set: nobody knows how old it is.
            (at(17), 5, all.as_str()),
            (at(17), 0, "a3 a4 b1 b2 b3 b4 c3 c4"),
            (at(100), 0, "a3 a4 b1 b2 b3 b4 c4"),
        ];
        for (now, floor_days, expected) in table {
            let floor = UtcTime::from_nanos(floor_days * day);
            assert!(store.forget(u64::MAX, now, floor).unwrap().is_empty());
            assert_eq!(left(&store), expected, "{now:?} {floor_days}");
        }
        store.commit(&entries("a", "y", 100 * day)).unwrap();
        assert_eq!(log_of(&store, "a"), "3..:Cxy", "counted on");
    }

    #[test]
    fn the_quota_takes_sent_ones_first_and_no_fact_of_the_last_72_h() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = opened(dir.path());
        store.commit(&batch((1..=600).map(|n| event("a", n, 0, made(false))))).unwrap();
        let marks = Batch {
            acknowledged: (100..=199).map(|position| (position, 2_000_000_000)).collect(),
            ..Batch::default()
        };
        store.commit(&marks).unwrap();
        let whole = store.bytes();
        let one = whole / 600;
        let soon = Some(UtcTime::from_nanos(5_000_000_000));
        assert!(store.forget(whole - 50 * one, soon, UtcTime::from_nanos(0)).unwrap().is_empty());
        assert!(store.read(100).unwrap().is_none(), "sent");
        assert!(store.read(199).unwrap().is_some(), "there was room enough");
        assert!(
            store.forget(0, soon, UtcTime::from_nanos(0)).unwrap().is_empty(),
            "no fact is shed within 72 h"
        );
        assert!(store.read(1).unwrap().is_some());
        let late = Some(UtcTime::from_nanos(80 * 3_600_000_000_000));
        let shed = store.forget(0, late, UtcTime::from_nanos(0)).unwrap();
        assert_eq!((shed.first(), shed.len()), (Some(&1), 244));
        assert_eq!(store.shed(), 244);
        assert!(store.read(345).unwrap().is_some(), "the newest 256 stay");
        drop(store);
        assert_eq!(opened(dir.path()).shed(), 244);
    }

    #[test]
    fn a_store_whose_making_was_cut_short_is_put_aside() {
        for len in [1, 4096, 1 << 20] {
            let dir = tempfile::tempdir().unwrap();
            fs::File::create(dir.path().join(FILE)).unwrap().set_len(len).unwrap();
            let (mut store, damaged) = Store::open(&real(), dir.path()).unwrap();
            assert!(damaged.is_some(), "{len}");
            assert_eq!(
                store.commit(&batch([event("a", 1, 0, made(false))])).unwrap()[0].header.position,
                1
            );
        }
    }

    #[test]
    fn a_damaged_store_is_put_aside_and_a_new_one_begun() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        drop(opened(dir.path()));
        let mut bytes = fs::read(&path).unwrap();
        for byte in bytes.iter_mut().skip(9).take(4096 * 2) {
            *byte ^= 0x5a;
        }
        let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        io::Write::write_all(&mut file, &bytes).unwrap();
        drop(file);
        let (mut store, damaged) = Store::open(&real(), dir.path()).unwrap();
        assert!(damaged.is_some_and(|aside| aside.exists()));
        assert_eq!(
            store.commit(&batch([event("a", 1, 0, made(false))])).unwrap()[0].header.position,
            1
        );
    }
}
