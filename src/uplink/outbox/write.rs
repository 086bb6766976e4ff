//! What is on disk before an event is promised, in one redb transaction ([`fill`]).
//!
//! Of each event: its record, its next number in its court or game (`sequences`), its place in `by_court`,
//! that it waits (`waiting`), whether its fact is still `open`, that it is the `latest` of its family,
//! and its clip's pin (`clips`). With them the entry in the game's log that it was decided by, and
//! the counts. What else came up goes along: PUBACKs, refusals, clips that are durable.
//! `Store::commit` syncs it; only then is the event promised. A cut before that leaves none of it; one
//! between that and the promise leaves all of it, and the next start sends it.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadableTable, WriteTransaction};

use crate::event::LogEntry;
use crate::uplink::outbox::record::Record;
use crate::uplink::outbox::tables::{
    BY_COURT, BYTES, CHECKPOINTS, CLIPS, COMMITS, COUNTS, FORMAT_TO, LAST_POSITION, LATEST,
    LINK_SESSION, LOG, OPEN, RECORDS, SENT, SEQUENCES, SHED, SHED_AT, SHED_TELEMETRY, StoreError,
    WAITING, decode,
};

/// What goes to disk in one transaction.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// New events, in order. Their places are given here, whatever they say.
    pub append: Vec<Record>,
    /// Entries of logs, with UTC.
    pub log: Vec<(i64, LogEntry)>,
    /// PUBACKs, with UTC.
    pub acknowledged: BTreeMap<u64, i64>,
    /// Refusals, with their codes.
    pub refused: BTreeMap<u64, u8>,
    /// Clips whose metadata is durable.
    pub clips: BTreeSet<String>,
    /// Counts the link's session up.
    pub next_session: bool,
}

impl Batch {
    /// True when there is nothing to write.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.append.is_empty()
            && self.log.is_empty()
            && self.acknowledged.is_empty()
            && self.refused.is_empty()
            && self.clips.is_empty()
            && !self.next_session
    }
}

/// What a store counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// The position given last.
    pub position: u64,
    /// Batches written.
    pub commits: u64,
    /// Of all records.
    pub bytes: u64,
    /// Records let go without a PUBACK.
    pub shed: u64,
    /// Of them, those that are no facts.
    pub shed_telemetry: u64,
    /// When the last of them went, UTC ns; 0 where nobody knows.
    pub shed_at: u64,
    /// The link's.
    pub session: u64,
    /// What is written here is of the store's own format (`formats`).
    pub ours: bool,
}

/// Puts `batch` into the transaction.
pub(super) fn fill(
    write: &WriteTransaction,
    batch: &Batch,
    counts: &mut Counts,
) -> Result<Vec<Record>, StoreError> {
    let mut waiting = write.open_table(WAITING).map_err(StoreError::disk)?;
    let mut written = Vec::with_capacity(batch.append.len());
    for append in &batch.append {
        let record = append_one(write, append, counts)?;
        waiting.insert(record.header.position, 0).map_err(StoreError::disk)?;
        written.push(record);
    }
    if !batch.acknowledged.is_empty() {
        let mut sent = write.open_table(SENT).map_err(StoreError::disk)?;
        for (position, utc) in &batch.acknowledged {
            if waiting.remove(position).map_err(StoreError::disk)?.is_some() {
                sent.insert(position, utc).map_err(StoreError::disk)?;
            }
        }
    }
    for (position, code) in &batch.refused {
        let known = waiting.get(position).map_err(StoreError::disk)?.is_some();
        if known {
            waiting.insert(position, code).map_err(StoreError::disk)?;
        }
    }
    if !batch.clips.is_empty() {
        let mut clips = write.open_table(CLIPS).map_err(StoreError::disk)?;
        for clip in &batch.clips {
            clips.remove(clip.as_str()).map_err(StoreError::disk)?;
        }
    }
    for (utc, entry) in &batch.log {
        append_entry(write, *utc, entry)?;
    }
    counts.session += u64::from(batch.next_session);
    write_counts(write, counts)?;
    Ok(written)
}

/// Puts what is counted into the transaction.
pub(super) fn write_counts(write: &WriteTransaction, counts: &Counts) -> Result<(), StoreError> {
    let mut table = write.open_table(COUNTS).map_err(StoreError::disk)?;
    let ours = counts.ours.then_some((FORMAT_TO, counts.position));
    let all = [
        (LAST_POSITION, counts.position),
        (COMMITS, counts.commits),
        (BYTES, counts.bytes),
        (LINK_SESSION, counts.session),
        (SHED, counts.shed),
        (SHED_TELEMETRY, counts.shed_telemetry),
    ];
    let shed_at = (counts.shed_at > 0).then_some((SHED_AT, counts.shed_at));
    for (word, count) in all.into_iter().chain(shed_at).chain(ours) {
        table.insert(word, count).map_err(StoreError::disk)?;
    }
    Ok(())
}

fn append_entry(write: &WriteTransaction, utc: i64, entry: &LogEntry) -> Result<(), StoreError> {
    let name = entry.log.as_str();
    let mut log = write.open_table(LOG).map_err(StoreError::disk)?;
    let last = match log.range((name, 0)..=(name, u64::MAX)).map_err(StoreError::disk)?.next_back()
    {
        Some(row) => row.map_err(StoreError::disk)?.0.value().1,
        None => 0,
    };
    log.insert((name, last + 1), (utc, entry.bytes.as_slice())).map_err(StoreError::disk)?;
    if entry.checkpoint {
        let mut checkpoints = write.open_table(CHECKPOINTS).map_err(StoreError::disk)?;
        checkpoints.insert(name, last + 1).map_err(StoreError::disk)?;
    }
    Ok(())
}

/// Appends a record: gives it its places, and says of it in every table what the outbox asks for. Not
/// whether it waits.
pub(super) fn append_one(
    write: &WriteTransaction,
    record: &Record,
    counts: &mut Counts,
) -> Result<Record, StoreError> {
    let mut record = record.clone();
    let line = record.header.line();
    let last = {
        let sequences = write.open_table(SEQUENCES).map_err(StoreError::disk)?;
        sequences.get(line.as_str()).map_err(StoreError::disk)?.map_or(0, |guard| guard.value())
    };
    (record.header.position, record.header.sequence) = (counts.position + 1, last + 1);
    place(write, record, counts)
}

/// Writes a record where it says that it stands, as the last of all.
pub(super) fn place(
    write: &WriteTransaction,
    record: Record,
    counts: &mut Counts,
) -> Result<Record, StoreError> {
    let header = &record.header;
    let line = header.line();
    let line = line.as_str();
    let position = header.position;
    let mut sequences = write.open_table(SEQUENCES).map_err(StoreError::disk)?;
    sequences.insert(line, header.sequence).map_err(StoreError::disk)?;
    let mut by_court = write.open_table(BY_COURT).map_err(StoreError::disk)?;
    by_court.insert((line, header.sequence), position).map_err(StoreError::disk)?;
    let mut open = write.open_table(OPEN).map_err(StoreError::disk)?;
    let fact = (line, header.fact.as_str());
    if header.provisional {
        open.insert(fact, position).map_err(StoreError::disk)?;
    } else {
        open.remove(fact).map_err(StoreError::disk)?;
    }
    let mut latest = write.open_table(LATEST).map_err(StoreError::disk)?;
    latest.insert((line, header.family.as_str()), position).map_err(StoreError::disk)?;
    if let Some(clip) = &header.clip {
        let mut clips = write.open_table(CLIPS).map_err(StoreError::disk)?;
        clips.insert(clip.id.as_str(), position).map_err(StoreError::disk)?;
    }
    let bytes = record.encode().map_err(|source| StoreError::Record { position, source })?;
    let mut records = write.open_table(RECORDS).map_err(StoreError::disk)?;
    records.insert(position, bytes.as_slice()).map_err(StoreError::disk)?;
    counts.position = position;
    counts.bytes += bytes.len() as u64;
    // From its bytes, as every later sending will be.
    decode(position, &bytes)
}
