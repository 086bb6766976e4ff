//! Formats of a store: what each is, who can read it, and how an older one is brought forward.
//!
//! | format | read by | what is different |
//! |---|---|---|
//! | 1 | 1, 2 | names no format; a record is one JSON object, its data under `saying`; `scores` |
//! | 2 | 2 | names its format; header, line feed, data; `latest`, `log`, `checkpoints` |
//!
//! In `counts` a store names its `format`, the `oldest_reader` that can read it, and `format_to`: up
//! to this position its records are of that format. A version that reads the store but has another
//! format of its own lets these words be, and only appends. So whoever wrote them, back again, sees
//! what was written in between and brings it forward; a roll-back of the software loses nothing.
//!
//! Bringing forward is one transaction: a cut leaves the store as it was, or as it is to be.
//!
//! A new format keeps `counts` and its words. It keeps `oldest_reader` as it is where the reader
//! before can still read, append to and forget from all tables that it knows; else it raises it, and
//! the version before puts the store aside untouched (`aside`).

use redb::{ReadTransaction, ReadableDatabase, ReadableTable, TableError, WriteTransaction};
use serde::Deserialize;

use crate::clock::AnchorSnapshot;
use crate::event::ClipRequest;
use crate::media::CourtId;
use crate::uplink::outbox::record::{Class, DecidedWhen, Header, Record};
use crate::uplink::outbox::tables::{
    BYTES, COUNTS, FORMAT, FORMAT_TO, LAST_POSITION, LATEST, OLDEST_READER, PARTED_TO, RECORDS,
    SCORES, StoreError, TABLES, open_all,
};

/// The format that this version writes.
pub const STORE_FORMAT: u64 = 2;
/// The oldest format whose readers can read what this version writes.
pub const STORE_OLDEST_READER: u64 = 2;

/// `type` of each `kind` of format 1.
const FIRST_KINDS: [(&str, &str); 7] = [
    ("shot_made", "courtside.shot.made.v1"),
    ("shot_missed", "courtside.shot.missed.v1"),
    ("shot_unsure", "courtside.shot.unsure.v1"),
    ("shot_withdrawn", "courtside.shot.withdrawn.v1"),
    ("score", "courtside.score.v1"),
    ("highlight", "courtside.highlight.v1"),
    ("highlight_withdrawn", "courtside.highlight.withdrawn.v1"),
];

/// What a store says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Who wrote it.
    pub format: u64,
    /// Who can read it.
    pub oldest_reader: u64,
    /// Records up to this position are of that format.
    format_to: u64,
    /// Events up to this position were written one by one: what was decided together may be parted.
    pub parted_to: u64,
}

impl Head {
    /// Of a store that this version begins.
    const OURS: Self = Self {
        format: STORE_FORMAT,
        oldest_reader: STORE_OLDEST_READER,
        format_to: 0,
        parted_to: 0,
    };

    /// Reads what a store says; `None` where there is no store yet.
    pub(super) fn read(read: &ReadTransaction) -> Result<Option<Self>, StoreError> {
        let counts = match read.open_table(COUNTS) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            opened => opened.map_err(StoreError::disk)?,
        };
        let count = |word: &str| -> Result<Option<u64>, StoreError> {
            Ok(counts.get(word).map_err(StoreError::disk)?.map(|guard| guard.value()))
        };
        let format = count(FORMAT)?.unwrap_or(1);
        Ok(Some(Self {
            format,
            oldest_reader: count(OLDEST_READER)?.unwrap_or(format),
            format_to: count(FORMAT_TO)?.unwrap_or(0),
            parted_to: count(PARTED_TO)?.unwrap_or(0),
        }))
    }

    /// True when this version can read it.
    pub(super) const fn is_readable(&self) -> bool {
        self.oldest_reader <= STORE_FORMAT
    }

    /// True when what this version appends is of the store's own format.
    pub(super) const fn is_ours(&self) -> bool {
        self.format == STORE_FORMAT
    }

    fn needs(&self, last_position: u64) -> bool {
        self.format < STORE_FORMAT || (self.is_ours() && self.format_to < last_position)
    }
}

/// Makes a store of ours of what was opened: begins one, brings one forward, or lets it be. Writes
/// only where something is to be written, so that a full disk does not keep an outbox shut.
pub(super) fn prepare(database: &redb::Database) -> Result<Head, StoreError> {
    let read = database.begin_read().map_err(StoreError::disk)?;
    let found = Head::read(&read)?;
    let tables = read.list_tables().map_err(StoreError::disk)?.count();
    let last = match found {
        Some(_) => {
            let counts = read.open_table(COUNTS).map_err(StoreError::disk)?;
            let last = counts.get(LAST_POSITION).map_err(StoreError::disk)?;
            last.map_or(0, |guard| guard.value())
        }
        None => 0,
    };
    drop(read);
    let needs = found.is_none_or(|head| head.needs(last));
    if let Some(head) = found
        && !needs
        && tables >= TABLES
    {
        return Ok(head);
    }
    let write = database.begin_write().map_err(StoreError::disk)?;
    open_all(&write).map_err(StoreError::disk)?;
    let mut head = found.unwrap_or(Head::OURS);
    if needs {
        let from = if head.is_ours() { head.format_to } else { 0 };
        let parted = bring_forward(&write, from, last)?;
        let parted_to = if parted { last } else { head.parted_to };
        head = Head { format_to: last, parted_to, ..Head::OURS };
        head.write(&write)?;
    }
    write.commit().map_err(StoreError::disk)?;
    Ok(head)
}

impl Head {
    fn write(&self, write: &WriteTransaction) -> Result<(), StoreError> {
        let mut counts = write.open_table(COUNTS).map_err(StoreError::disk)?;
        for (word, count) in [
            (FORMAT, self.format),
            (OLDEST_READER, self.oldest_reader),
            (FORMAT_TO, self.format_to),
            (PARTED_TO, self.parted_to),
        ] {
            counts.insert(word, count).map_err(StoreError::disk)?;
        }
        Ok(())
    }
}

/// Rewrites records after `from` that are of format 1, and puts each into `latest`. True if there
/// were any. One that nobody can read stays as it is.
fn bring_forward(write: &WriteTransaction, from: u64, to: u64) -> Result<bool, StoreError> {
    let mut records = write.open_table(RECORDS).map_err(StoreError::disk)?;
    let mut latest = write.open_table(LATEST).map_err(StoreError::disk)?;
    let mut counts = write.open_table(COUNTS).map_err(StoreError::disk)?;
    let bytes = counts.get(BYTES).map_err(StoreError::disk)?.map_or(0, |guard| guard.value());
    let (mut bytes, mut any, mut after) = (bytes, false, from);
    // One by one: a table is not changed while it is walked.
    while after < to {
        let (position, old) = {
            let mut rows = records.range(after + 1..=to).map_err(StoreError::disk)?;
            let Some(row) = rows.next() else { break };
            let (position, old) = row.map_err(StoreError::disk)?;
            (position.value(), old.value().to_vec())
        };
        after = position;
        if Record::decode(&old).is_ok() {
            continue;
        }
        let Some(record) = first(&old) else {
            tracing::warn!(position, "record of an event is not readable");
            continue;
        };
        let new = record.encode().map_err(|source| StoreError::Record { position, source })?;
        records.insert(position, new.as_slice()).map_err(StoreError::disk)?;
        let header = &record.header;
        let key = (header.court.as_str(), header.family.as_str());
        latest.insert(key, position).map_err(StoreError::disk)?;
        bytes = (bytes + new.len() as u64).saturating_sub(old.len() as u64);
        any = true;
    }
    counts.insert(BYTES, bytes).map_err(StoreError::disk)?;
    let mut scores = write.open_table(SCORES).map_err(StoreError::disk)?;
    scores.retain(|_, _| false).map_err(StoreError::disk)?;
    Ok(any)
}

/// A record of format 1.
#[derive(Deserialize)]
struct FirstRecord {
    position: u64,
    sequence: u64,
    court: CourtId,
    fact: String,
    revision: u32,
    attempt: u32,
    at_ns: i64,
    saying: FirstSaying,
    #[serde(default)]
    clip: Option<ClipRequest>,
    decided: DecidedWhen,
    #[serde(default)]
    anchor: AnchorSnapshot,
    #[serde(default)]
    class: Class,
}

#[derive(Deserialize)]
struct FirstSaying {
    kind: String,
    data: serde_json::Value,
}

/// Reads a record of format 1. Its data come out as its own version sent them.
fn first(bytes: &[u8]) -> Option<Record> {
    let old: FirstRecord = serde_json::from_slice(bytes).ok()?;
    let FirstSaying { kind, data } = old.saying;
    let (_, event_type) = FIRST_KINDS.iter().find(|(name, _)| *name == kind)?;
    let family = event_type.split('.').nth(1)?;
    let session = old.fact.split_once('-')?.0;
    let stands_on = ["after", "shot"].iter().filter_map(|name| data.get(name)?.as_str());
    let header = Header {
        position: old.position,
        sequence: old.sequence,
        court: old.court,
        game: None,
        wide: false,
        session: session.to_owned(),
        subject: format!("{session}/{}", old.attempt),
        fact: old.fact.clone(),
        revision: old.revision,
        at_ns: old.at_ns,
        event_type: (*event_type).to_owned(),
        family: family.to_owned(),
        provisional: data.get("provisional").is_some_and(|said| said == true),
        stands_on: stands_on.map(str::to_owned).collect(),
        clip: old.clip,
        decided: old.decided,
        anchor: old.anchor,
        class: old.class,
        more: serde_json::Map::new(),
    };
    Some(Record { header, data: serde_json::to_vec(&data).ok()? })
}

#[cfg(test)]
mod tests;
