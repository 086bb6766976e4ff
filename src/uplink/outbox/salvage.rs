//! What can still be read of a store that is damaged: row by row, from both ends, through memory; and where rows are
//! missing, record by record from the bytes of its file (`sift`), whatever leads to them.
//!
//! Order of a salvage: the damaged file gets a name of its own (`open`), a new store is begun, and what
//! is read here goes into it in one transaction. A cut before that leaves a store in which nothing was ever
//! committed beside the file, so the next start reads the file again; one after it finds the events there.
//!
//! Believed is only what proves itself: a record by its checksum and by the place it stands at. Each keeps
//! its position and its sequence, so what others hold of them goes on being true. Whether one was
//! acknowledged may be forgotten: then it is sent again, under its own id. A log keeps its numbers, and a
//! hole where entries are gone or may be: a start makes no game of one with a hole behind its last
//! checkpoint (`recover`), as it would be another game.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use redb::{
    Key, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, Value,
};

use crate::disk::{Disk, OpenHow};
use crate::uplink::caught::caught;
use crate::uplink::outbox::backend::untouched;
use crate::uplink::outbox::record::Record;
use crate::uplink::outbox::sift::{RECORD_MOST, sift};
use crate::uplink::outbox::store::Store;
use crate::uplink::outbox::tables::{
    BYTES, CHECKPOINTS, CLIPS, COMMITS, COUNTS, LAST_POSITION, LINK_SESSION, LOG, RECORDS, SENT,
    SEQUENCES, SHED, SHED_AT, SHED_TELEMETRY, StoreError, WAITING,
};
use crate::uplink::outbox::write::{Counts, place, write_counts};

/// What was read of a damaged store.
#[derive(Debug, Default)]
pub(super) struct Salvage {
    records: BTreeMap<u64, Record>,
    /// Position → 0 or the code of its refusal.
    waiting: BTreeMap<u64, u8>,
    /// Position → UTC, ns.
    sent: BTreeMap<u64, i64>,
    /// `None` where nobody knows: then every clip that a record asks for is owed.
    clips: Option<BTreeSet<String>>,
    sequences: BTreeMap<String, u64>,
    logs: BTreeMap<String, BTreeMap<u64, (i64, Vec<u8>)>>,
    /// The log at whose last entry reading stopped: there may have been more.
    cut: Option<String>,
    checkpoints: BTreeMap<String, u64>,
    counts: BTreeMap<String, u64>,
    /// Tables of which not every row came, by their names.
    holes: BTreeSet<&'static str>,
    /// The oldest record of the table, where its beginning can be read.
    begins: Option<u64>,
}

/// What became of a damaged store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Salvaged {
    /// Events that are in the new store.
    pub events: u64,
    /// Of them, those without a PUBACK.
    pub unsent: u64,
    /// Nothing shows that an event is gone.
    pub whole: bool,
}

impl Salvage {
    /// Reads what the store at `path` still says; nothing where it says nothing.
    pub(super) fn of(disk: &Arc<dyn Disk>, path: &Path) -> Self {
        let mut all = Self::default();
        // The database is opened in memory: a repair that it makes goes no further.
        let opened = caught(|| untouched(&**disk, path));
        let Ok(Ok(Some(database))) = opened else {
            all.holes.insert("all");
            all.sift(&**disk, path);
            return all;
        };
        // A drop of what is damaged may say no as well.
        let read = caught(|| {
            if let Ok(read) = database.begin_read() {
                all.read(&read);
            } else {
                all.holes.insert("all");
            }
        });
        if read.is_err() {
            all.holes.insert("all");
        }
        drop(caught(|| drop(database)));
        if !all.holes.is_empty() {
            all.sift(&**disk, path);
        }
        all
    }

    /// All that a store says that is open.
    pub(super) fn of_open(read: &ReadTransaction) -> Self {
        let mut all = Self::default();
        if caught(|| all.read(read)).is_err() {
            all.holes.insert("all");
        }
        all
    }

    /// Takes in what lies in the bytes of the file and no table led to. Whether it was acknowledged is not known,
    /// so it is sent again. What the oldest of the table stands behind was let go, and stays so.
    fn sift(&mut self, disk: &dyn Disk, path: &Path) {
        let mut found = BTreeMap::new();
        let begins = self.begins;
        if let Err(error) = each_part(disk, path, |bytes| sift(bytes, &mut found)) {
            tracing::warn!(path = %path.display(), %error, "the bytes of a damaged outbox cannot be read");
        }
        for (position, record) in found {
            if begins.is_none_or(|begins| position >= begins) {
                self.records.entry(position).or_insert(record);
            }
        }
    }

    fn read(&mut self, read: &ReadTransaction) {
        let mut holes = BTreeSet::new();
        let waiting = &mut self.waiting;
        holes.extend(rows(read, "waiting", WAITING, |at, code| {
            waiting.insert(at, code);
        }));
        let sent = &mut self.sent;
        holes.extend(rows(read, "sent", SENT, |at, utc| {
            sent.insert(at, utc);
        }));
        let records = &mut self.records;
        let mut bad = false;
        holes.extend(rows(read, "records", RECORDS, |at, bytes| match Record::decode(bytes) {
            Ok(record) if record.header.position == at => drop(records.insert(at, record)),
            Ok(_) | Err(_) => bad = true,
        }));
        let first =
            caught(|| read.open_table(RECORDS).ok()?.first().ok()?.map(|row| row.0.value()));
        self.begins = first.ok().flatten().filter(|at| self.records.contains_key(at));
        holes.extend(bad.then_some("records"));
        // Between what both ends gave lie leaves that only their own keys lead to.
        if holes.contains("records") {
            let known = self.waiting.keys().chain(self.sent.keys()).copied();
            let missing: BTreeSet<u64> =
                known.filter(|at| !self.records.contains_key(at)).collect();
            let table = read.open_table(RECORDS);
            for at in missing {
                let Ok(table) = &table else { break };
                let found = caught(|| {
                    let bytes = table.get(at).ok()??;
                    Record::decode(bytes.value()).ok()
                });
                if let Ok(Some(record)) = found
                    && record.header.position == at
                {
                    self.records.insert(at, record);
                }
            }
        }
        let mut clips = BTreeSet::new();
        let hole = rows(read, "clips", CLIPS, |clip, _| {
            clips.insert(clip.to_owned());
        });
        self.clips = hole.is_none().then_some(clips);
        holes.extend(hole);
        let sequences = &mut self.sequences;
        holes.extend(rows(read, "sequences", SEQUENCES, |line, last| {
            sequences.insert(line.to_owned(), last);
        }));
        let (logs, mut last) = (&mut self.logs, None::<String>);
        let forward = std::cell::Cell::new(true);
        let mut keep = |(log, n): (&str, u64), (utc, bytes): (i64, &[u8])| {
            if forward.get() {
                last = Some(log.to_owned());
            }
            logs.entry(log.to_owned()).or_default().insert(n, (utc, bytes.to_vec()));
        };
        match caught(|| read.open_table(LOG)) {
            Ok(Ok(table)) => {
                if !walk(&table, false, &mut keep) {
                    holes.insert("log");
                    forward.set(false);
                    walk(&table, true, &mut keep);
                }
            }
            Ok(Err(_)) | Err(_) => {
                holes.insert("log");
            }
        }
        let checkpoints = &mut self.checkpoints;
        holes.extend(rows(read, "checkpoints", CHECKPOINTS, |log, n| {
            checkpoints.insert(log.to_owned(), n);
        }));
        let counts = &mut self.counts;
        holes.extend(rows(read, "counts", COUNTS, |word, n| {
            counts.insert(word.to_owned(), n);
        }));
        self.cut = last.filter(|_| holes.contains("log"));
        self.holes = holes;
    }

    /// The batches that it says it was written in.
    pub(super) fn commits(&self) -> Option<u64> {
        self.counts.get(COMMITS).copied()
    }

    /// Lets go of what stands behind `position`: of a batch that counts as not written.
    pub(super) fn forget_after(&mut self, position: u64) {
        self.records.split_off(&position.saturating_add(1));
        self.waiting.split_off(&position.saturating_add(1));
    }

    /// When a record was acknowledged, UTC ns; `None` of one that is to be sent, or sent again as nobody
    /// knows.
    fn sent_at(&self, position: u64) -> Option<i64> {
        if self.waiting.contains_key(&position) { None } else { self.sent.get(&position).copied() }
    }

    /// True when nothing is missing: every table was read to its end, each record waits or was sent, each of
    /// those that do is there, and their bytes are as many as were counted.
    fn is_whole(&self, bytes: u64) -> bool {
        let told = |at: &u64| self.waiting.contains_key(at) != self.sent.contains_key(at);
        let there = |at: &u64| self.records.contains_key(at);
        self.holes.is_empty()
            && self.records.keys().all(told)
            && self.waiting.keys().chain(self.sent.keys()).all(there)
            && self.counts.get(BYTES) == Some(&bytes)
    }
}

/// Gives `each` the bytes of a file, in parts that overlap by what a record may be long; blocks that cannot be read are
/// zeros.
fn each_part(disk: &dyn Disk, path: &Path, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    const PART: usize = 8 << 20;
    const BLOCK: usize = 4096;
    let file = disk.open(path, OpenHow::Read)?;
    let len = file.len()?;
    let mut at = 0;
    while at < len {
        let long = usize::try_from(len - at).unwrap_or(usize::MAX).min(PART + RECORD_MOST);
        let mut bytes = vec![0; long];
        if file.read_exact_at(at, &mut bytes).is_err() {
            for (n, block) in bytes.chunks_mut(BLOCK).enumerate() {
                if file.read_exact_at(at + (n * BLOCK) as u64, block).is_err() {
                    block.fill(0);
                }
            }
        }
        each(&bytes);
        at += PART as u64;
    }
    Ok(())
}

/// Gives `each` every row of a table that can be read: from its beginning to the first that cannot, then from
/// its end to the last that cannot. The name of the table if some did not come.
fn rows<K: Key + 'static, V: Value + 'static>(
    read: &ReadTransaction,
    name: &'static str,
    table: TableDefinition<'_, K, V>,
    mut each: impl FnMut(K::SelfType<'_>, V::SelfType<'_>),
) -> Option<&'static str> {
    let opened = caught(|| read.open_table(table));
    let Ok(Ok(table)) = opened else { return Some(name) };
    let all = walk(&table, false, &mut each);
    if all {
        return None;
    }
    walk(&table, true, &mut each);
    Some(name)
}

/// True when it came to the other end.
fn walk<K: Key + 'static, V: Value + 'static>(
    table: &ReadOnlyTable<K, V>,
    backward: bool,
    each: &mut impl FnMut(K::SelfType<'_>, V::SelfType<'_>),
) -> bool {
    let Ok(Ok(mut range)) = caught(|| table.iter()) else { return false };
    loop {
        let row = caught(|| if backward { range.next_back() } else { range.next() });
        match row {
            Ok(None) => return true,
            Ok(Some(Ok((key, value)))) => {
                // What a row is made of is read here: text that is none panics too.
                if caught(|| each(key.value(), value.value())).is_err() {
                    return false;
                }
            }
            Ok(Some(Err(_))) | Err(_) => return false,
        }
    }
}

impl Store {
    /// Takes in what was read of a damaged store, in one transaction; this one is new, and counts on
    /// from there.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written; then nothing of it counts.
    pub(super) fn restore(&mut self, salvage: &Salvage) -> Result<Salvaged, StoreError> {
        let write = self.database()?.begin_write().map_err(StoreError::disk)?;
        let count = |word: &str| salvage.counts.get(word).copied().unwrap_or(0);
        let mut counts = Counts { bytes: 0, position: 0, ours: true, ..self.counts() };
        let mut salvaged = Salvaged::default();
        for (position, record) in &salvage.records {
            place(&write, record.clone(), &mut counts)?;
            salvaged.events += 1;
            if let Some(utc) = salvage.sent_at(*position) {
                let mut table = write.open_table(SENT).map_err(StoreError::disk)?;
                table.insert(position, utc).map_err(StoreError::disk)?;
            } else {
                let code = salvage.waiting.get(position).copied().unwrap_or(0);
                let mut table = write.open_table(WAITING).map_err(StoreError::disk)?;
                table.insert(position, code).map_err(StoreError::disk)?;
                salvaged.unsent += 1;
            }
            if let Some(clip) = &record.header.clip
                && salvage.clips.as_ref().is_some_and(|owed| !owed.contains(&clip.id))
            {
                let mut clips = write.open_table(CLIPS).map_err(StoreError::disk)?;
                clips.remove(clip.id.as_str()).map_err(StoreError::disk)?;
            }
        }
        {
            let mut table = write.open_table(SEQUENCES).map_err(StoreError::disk)?;
            for (line, last) in &salvage.sequences {
                let placed = table.get(line.as_str()).map_err(StoreError::disk)?;
                let placed = placed.map_or(0, |guard| guard.value());
                table.insert(line.as_str(), placed.max(*last)).map_err(StoreError::disk)?;
            }
            let mut log = write.open_table(LOG).map_err(StoreError::disk)?;
            let mut checkpoints = write.open_table(CHECKPOINTS).map_err(StoreError::disk)?;
            for (name, entries) in &salvage.logs {
                for (n, (utc, bytes)) in entries {
                    log.insert((name.as_str(), *n), (*utc, bytes.as_slice()))
                        .map_err(StoreError::disk)?;
                }
                let last = entries.last_key_value().map_or(0, |(n, _)| *n);
                if salvage.cut.as_ref() == Some(name) {
                    // A hole, and an entry that nobody reads: the next one stands behind it.
                    log.insert((name.as_str(), last + 2), (0, &[][..]))
                        .map_err(StoreError::disk)?;
                }
            }
            for (name, n) in &salvage.checkpoints {
                checkpoints.insert(name.as_str(), n).map_err(StoreError::disk)?;
            }
        }
        salvaged.whole = salvage.is_whole(counts.bytes);
        // A position that was given stays given, whatever became of its event.
        counts.position = counts.position.max(count(LAST_POSITION));
        // Never none: a store without a commit is one that nothing was taken back into yet.
        counts.commits = counts.commits.max(count(COMMITS)).max(1);
        counts.session = counts.session.max(count(LINK_SESSION));
        counts.shed = count(SHED);
        counts.shed_telemetry = count(SHED_TELEMETRY);
        counts.shed_at = count(SHED_AT);
        write_counts(&write, &counts)?;
        write.commit().map_err(StoreError::disk)?;
        self.load_counts()?;
        Ok(salvaged)
    }
}
