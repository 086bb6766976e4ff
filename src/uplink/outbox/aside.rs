//! Stores that this version cannot read: put aside untouched, and read in once one can.
//!
//! Beside `outbox.redb` such a one is `outbox.format-{format}.{date}-{n}.redb`. It is only ever
//! looked at through memory, so that not even a repair of the database changes it. The order of
//! putting aside: its new name, the directory, then a new store; of reading in: one transaction of
//! the store in use, then the removal. A cut before the removal reads in again, and what is there
//! already is left out.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{ReadableDatabase, ReadableTable};

use crate::disk::Disk;
use crate::media::UtcTime;
use crate::uplink::outbox::backend::untouched;
use crate::uplink::outbox::formats::Head;
use crate::uplink::outbox::record::Record;
use crate::uplink::outbox::store::Store;
use crate::uplink::outbox::tables::{
    CHECKPOINTS, CLIPS, LATEST, LOG, RECORDS, SENT, StoreError, WAITING, readable,
};
use crate::uplink::outbox::write::{append_one, write_counts};

/// What a name of a store that was put aside begins and ends with.
const BEGINS: &str = "outbox.format-";
const ENDS: &str = ".redb";

/// A store that this version cannot read, beside the one in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutAside {
    /// Where it lies, untouched.
    pub path: PathBuf,
    /// Its format.
    pub format: u64,
    /// The oldest format whose readers can read it.
    pub oldest_reader: u64,
}

/// What was found beside the store in use.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// Still not readable.
    pub put_aside: Vec<PutAside>,
    /// Events that came back.
    pub read_in: u64,
}

/// Gives the store at `path` a name of its own, durably.
pub(super) fn put(
    disk: &dyn Disk,
    path: &Path,
    head: &Head,
    today: UtcTime,
) -> io::Result<PathBuf> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let taken: BTreeSet<String> = disk.names(dir)?.into_iter().collect();
    let date = today.to_rfc3339();
    let date = date.split('T').next().unwrap_or_default();
    let name = |n: u64| format!("{BEGINS}{}.{date}-{n}{ENDS}", head.format);
    let free = (1..).map(name).find(|name| !taken.contains(name)).unwrap_or_else(|| name(0));
    let aside = dir.join(free);
    disk.rename(path, &aside)?;
    disk.sync_dir(dir)?;
    Ok(aside)
}

/// Reads in every store in `dir` that was put aside and can be read now.
///
/// # Errors
/// [`StoreError`] when `store` cannot be written. One that was put aside and says no stays there.
pub(super) fn look_beside(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    store: &mut Store,
) -> Result<Beside, StoreError> {
    let said_no = |source| StoreError::Directory { path: dir.to_owned(), source };
    let mut names = disk.names(dir).map_err(said_no)?;
    names.retain(|name| name.starts_with(BEGINS) && name.ends_with(ENDS));
    names.sort();
    let mut beside = Beside::default();
    for path in names.iter().map(|name| dir.join(name)) {
        match contents(disk, &path) {
            Ok(Found::Readable(contents)) => {
                beside.read_in += store.take_in(&contents)?;
                if contents.unread > 0 {
                    tracing::error!(path = %path.display(), records = contents.unread, "not all of a store that was put aside can be read: it stays");
                    continue;
                }
                disk.remove(&path).and_then(|()| disk.sync_dir(dir)).map_err(said_no)?;
            }
            Ok(Found::Newer(head)) => {
                let Head { format, oldest_reader, .. } = head;
                beside.put_aside.push(PutAside { path, format, oldest_reader });
            }
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "a store that was put aside cannot be opened: it stays");
            }
        }
    }
    Ok(beside)
}

enum Found {
    Readable(Contents),
    Newer(Head),
}

/// All that a store holds, to be taken into another.
#[derive(Debug, Default)]
struct Contents {
    /// In order of decision.
    records: Vec<(Record, Sending)>,
    /// Clips whose metadata is not durable.
    clips: BTreeSet<String>,
    /// (log, n, UTC, entry)
    entries: Vec<(String, u64, i64, Vec<u8>)>,
    checkpoints: Vec<(String, u64)>,
    session: u64,
    shed: u64,
    /// Records that mean nothing to us.
    unread: u64,
}

#[derive(Clone, Copy, Debug)]
enum Sending {
    /// 0, or the code of its refusal.
    Waits(u8),
    Sent(i64),
}

fn contents(disk: &Arc<dyn Disk>, path: &Path) -> Result<Found, StoreError> {
    let Some(database) = untouched(&**disk, path)? else {
        return Ok(Found::Readable(Contents::default()));
    };
    let read = database.begin_read().map_err(StoreError::disk)?;
    if let Some(head) = Head::read(&read)?
        && !head.is_readable()
    {
        return Ok(Found::Newer(head));
    }
    drop(read);
    let from = Store::in_memory(database)?;
    let read = from.database()?.begin_read().map_err(StoreError::disk)?;
    let mut all = Contents { session: from.session(), shed: from.shed(), ..Contents::default() };
    let waiting = read.open_table(WAITING).map_err(StoreError::disk)?;
    let sent = read.open_table(SENT).map_err(StoreError::disk)?;
    let records = read.open_table(RECORDS).map_err(StoreError::disk)?;
    for row in records.iter().map_err(StoreError::disk)? {
        let (position, bytes) = row.map_err(StoreError::disk)?;
        let position = position.value();
        let Some(record) = readable(position, bytes.value()) else {
            all.unread += 1;
            continue;
        };
        let at = sent.get(position).map_err(StoreError::disk)?.map(|guard| guard.value());
        let code = waiting.get(position).map_err(StoreError::disk)?.map(|guard| guard.value());
        let sending = match (at, code) {
            (Some(at), None) => Sending::Sent(at),
            (_, code) => Sending::Waits(code.unwrap_or(0)),
        };
        all.records.push((record, sending));
    }
    for row in read.open_table(CLIPS).map_err(StoreError::disk)?.iter().map_err(StoreError::disk)? {
        all.clips.insert(row.map_err(StoreError::disk)?.0.value().to_owned());
    }
    for row in read.open_table(LOG).map_err(StoreError::disk)?.iter().map_err(StoreError::disk)? {
        let (key, value) = row.map_err(StoreError::disk)?;
        let ((log, n), (utc, bytes)) = (key.value(), value.value());
        all.entries.push((log.to_owned(), n, utc, bytes.to_vec()));
    }
    let checkpoints = read.open_table(CHECKPOINTS).map_err(StoreError::disk)?;
    for row in checkpoints.iter().map_err(StoreError::disk)? {
        let (log, n) = row.map_err(StoreError::disk)?;
        all.checkpoints.push((log.value().to_owned(), n.value()));
    }
    Ok(Found::Readable(all))
}

impl Store {
    /// Takes in what another store held, in its order, behind what is here: events that are not here
    /// yet, as they were (unsent, refused, sent), and logs that are not here. What is the latest of a
    /// family here stays it. Returns how many events came.
    fn take_in(&mut self, other: &Contents) -> Result<u64, StoreError> {
        let known = self.ids()?;
        let id = |record: &Record| (record.header.court.to_string(), record.header.id());
        let news: Vec<&(Record, Sending)> =
            other.records.iter().filter(|(record, _)| !known.contains(&id(record))).collect();
        let write = self.database()?.begin_write().map_err(StoreError::disk)?;
        let mut counts = self.counts();
        counts.commits += 1;
        counts.session = counts.session.max(other.session);
        counts.shed += if news.is_empty() { 0 } else { other.shed };
        let latest = {
            let table = write.open_table(LATEST).map_err(StoreError::disk)?;
            let mut rows = Vec::new();
            for row in table.iter().map_err(StoreError::disk)? {
                let (key, position) = row.map_err(StoreError::disk)?;
                let (court, family) = key.value();
                rows.push((court.to_owned(), family.to_owned(), position.value()));
            }
            rows
        };
        for (record, sending) in &news {
            let position = append_one(&write, record, &mut counts)?.header.position;
            match sending {
                Sending::Waits(code) => {
                    let mut waiting = write.open_table(WAITING).map_err(StoreError::disk)?;
                    waiting.insert(position, code).map_err(StoreError::disk)?;
                }
                Sending::Sent(at) => {
                    let mut sent = write.open_table(SENT).map_err(StoreError::disk)?;
                    sent.insert(position, at).map_err(StoreError::disk)?;
                }
            }
            if let Some(clip) = &record.header.clip
                && !other.clips.contains(&clip.id)
            {
                let mut clips = write.open_table(CLIPS).map_err(StoreError::disk)?;
                clips.remove(clip.id.as_str()).map_err(StoreError::disk)?;
            }
        }
        {
            let mut table = write.open_table(LATEST).map_err(StoreError::disk)?;
            for (court, family, position) in &latest {
                let key = (court.as_str(), family.as_str());
                table.insert(key, position).map_err(StoreError::disk)?;
            }
        }
        take_in_logs(&write, other)?;
        write_counts(&write, &counts)?;
        write.commit().map_err(StoreError::disk)?;
        self.load_counts()?;
        Ok(news.len() as u64)
    }

    /// (court, id) of every event.
    fn ids(&self) -> Result<BTreeSet<(String, String)>, StoreError> {
        let read = self.database()?.begin_read().map_err(StoreError::disk)?;
        let records = read.open_table(RECORDS).map_err(StoreError::disk)?;
        let mut ids = BTreeSet::new();
        for row in records.iter().map_err(StoreError::disk)? {
            let (position, bytes) = row.map_err(StoreError::disk)?;
            if let Some(Record { header, .. }) = readable(position.value(), bytes.value()) {
                ids.insert((header.court.to_string(), header.id()));
            }
        }
        Ok(ids)
    }
}

fn take_in_logs(write: &redb::WriteTransaction, other: &Contents) -> Result<(), StoreError> {
    let mut log = write.open_table(LOG).map_err(StoreError::disk)?;
    let mut checkpoints = write.open_table(CHECKPOINTS).map_err(StoreError::disk)?;
    let mut here = BTreeSet::new();
    for row in log.iter().map_err(StoreError::disk)? {
        here.insert(row.map_err(StoreError::disk)?.0.value().0.to_owned());
    }
    for (name, n, utc, bytes) in &other.entries {
        if !here.contains(name) {
            log.insert((name.as_str(), *n), (*utc, bytes.as_slice())).map_err(StoreError::disk)?;
        }
    }
    for (name, n) in &other.checkpoints {
        if !here.contains(name) {
            checkpoints.insert(name.as_str(), n).map_err(StoreError::disk)?;
        }
    }
    Ok(())
}
