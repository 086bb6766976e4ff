//! The tables of a store, and why one refuses.
//!
//! | table | key → value | holds |
//! |---|---|---|
//! | `records` | position → record | every event not yet forgotten |
//! | `by_court` | (court, sequence) → position | to give a court's events again |
//! | `waiting` | position → 0 or PUBACK code | no PUBACK yet, or refused |
//! | `sent` | position → UTC ns | acknowledged then; kept to be given again |
//! | `clips` | clip → position | pins whose `clips/{id}.json` is not durable yet |
//! | `open` | (court, fact) → position | last record of the fact is provisional |
//! | `latest` | (court, family) → position | the last of each family |
//! | `log` | (log, n) → UTC ns, entry | games' inputs, n from 1, appended with the events of each |
//! | `checkpoints` | log → n | its last entry that is enough to go on from |
//! | `sequences` | court → last sequence | |
//! | `counts` | word → number | last position, commits, session of the link, bytes, what was shed and when; format |
//!
//! Where a table says court, what is told of a game as a whole has `game/{game}`: no name of a court.

use std::io;
use std::path::PathBuf;

use redb::{TableDefinition, WriteTransaction};

use crate::disk::Unfit;
use crate::uplink::caught::Panicked;
use crate::uplink::outbox::record::{Record, RecordError};

pub(super) const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
pub(super) const BY_COURT: TableDefinition<'_, (&str, u64), u64> = TableDefinition::new("by_court");
pub(super) const WAITING: TableDefinition<'_, u64, u8> = TableDefinition::new("waiting");
pub(super) const SENT: TableDefinition<'_, u64, i64> = TableDefinition::new("sent");
pub(super) const CLIPS: TableDefinition<'_, &str, u64> = TableDefinition::new("clips");
pub(super) const OPEN: TableDefinition<'_, (&str, &str), u64> = TableDefinition::new("open");
pub(super) const LATEST: TableDefinition<'_, (&str, &str), u64> = TableDefinition::new("latest");
pub(super) const LOG: TableDefinition<'_, (&str, u64), (i64, &[u8])> = TableDefinition::new("log");
pub(super) const CHECKPOINTS: TableDefinition<'_, &str, u64> = TableDefinition::new("checkpoints");
pub(super) const SEQUENCES: TableDefinition<'_, &str, u64> = TableDefinition::new("sequences");
/// Of format 1, whose readers ask for it: there, and empty.
pub(super) const SCORES: TableDefinition<'_, &str, u64> = TableDefinition::new("scores");
pub(super) const COUNTS: TableDefinition<'_, &str, u64> = TableDefinition::new("counts");

/// How many they are.
pub(super) const TABLES: usize = 12;

pub(super) const LAST_POSITION: &str = "position";
pub(super) const COMMITS: &str = "commits";
pub(super) const LINK_SESSION: &str = "session";
pub(super) const BYTES: &str = "bytes";
pub(super) const SHED: &str = "shed";
pub(super) const SHED_TELEMETRY: &str = "shed_telemetry";
pub(super) const SHED_AT: &str = "shed_at";
pub(super) const FORMAT: &str = "format";
pub(super) const OLDEST_READER: &str = "oldest_reader";
pub(super) const FORMAT_TO: &str = "format_to";
pub(super) const PARTED_TO: &str = "parted_to";

/// Makes those that are not there yet.
pub(super) fn open_all(write: &WriteTransaction) -> Result<(), redb::TableError> {
    drop(write.open_table(RECORDS)?);
    drop(write.open_table(BY_COURT)?);
    drop(write.open_table(WAITING)?);
    drop(write.open_table(SENT)?);
    drop(write.open_table(CLIPS)?);
    drop(write.open_table(OPEN)?);
    drop(write.open_table(LATEST)?);
    drop(write.open_table(LOG)?);
    drop(write.open_table(CHECKPOINTS)?);
    drop(write.open_table(SEQUENCES)?);
    drop(write.open_table(SCORES)?);
    drop(write.open_table(COUNTS)?);
    Ok(())
}

/// Why the store refused.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum StoreError {
    #[error("{path} is in use by another courtside: stop it, or set another `box.data_dir`")]
    InUse { path: PathBuf },
    #[error("cannot use the outbox's folder {path}{}", todo(source))]
    Directory { path: PathBuf, source: io::Error },
    #[error("cannot open the outbox {path}")]
    Open { path: PathBuf, source: Box<redb::Error> },
    #[error("the outbox on disk said no")]
    Disk(#[source] Box<redb::Error>),
    #[error("record {position} of the outbox cannot be read")]
    Record { position: u64, source: RecordError },
    #[error("the outbox on disk is damaged")]
    Panicked(#[from] Panicked),
}

/// What to do about a folder, where the error says whose it is.
fn todo(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ": check `box.data_dir` and its owner"
        }
        _ => "",
    }
}

impl StoreError {
    pub(super) fn disk(error: impl Into<redb::Error>) -> Self {
        Self::Disk(Box::new(error.into()))
    }

    /// True when the file itself is no good any more: redb's own words for it, an assertion of redb's, a
    /// table that is another's, or a disk that cannot read what it holds.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Disk(source) | Self::Open { source, .. } => is_damage(source),
            Self::Panicked(_) => true,
            Self::InUse { .. } | Self::Directory { .. } | Self::Record { .. } => false,
        }
    }

    /// True when there is no space left.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Disk(source) | Self::Open { source, .. } => {
                matches!(&**source, redb::Error::Io(error) if error.kind() == io::ErrorKind::StorageFull)
            }
            Self::Directory { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            Self::InUse { .. } | Self::Record { .. } | Self::Panicked(_) => false,
        }
    }
}

/// True of an error that is the file's own.
pub(crate) fn is_damage(error: &redb::Error) -> bool {
    use redb::Error;
    match error {
        Error::Corrupted(_)
        | Error::RepairAborted
        // Bits of the head turned, or of the table of tables.
        | Error::UpgradeRequired(_)
        | Error::TableTypeMismatch { .. }
        | Error::TableIsMultimap(_)
        | Error::TableIsNotMultimap(_)
        | Error::TypeDefinitionChanged { .. }
        | Error::TableDoesNotExist(_)
        | Error::TableExists(_)
        | Error::InvalidSavepoint
        | Error::ValueTooLarge(_) => true,
        // A power cut while redb made the file: its magic number is written last. Or it is too short for what it
        // says, the disk cannot read it, or what stands in its place is no file at all.
        Error::Io(error) => {
            matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
                || error.raw_os_error() == Some(EIO)
                || Unfit::of(error).is_some()
        }
        _ => false,
    }
}

/// "Input/output error": the sector itself.
const EIO: i32 = 5;

/// Reads a record.
///
/// # Errors
/// [`StoreError::Record`] when its bytes mean nothing to us.
pub(super) fn decode(position: u64, bytes: &[u8]) -> Result<Record, StoreError> {
    Record::decode(bytes).map_err(|source| StoreError::Record { position, source })
}

/// A record, or nothing where its bytes mean nothing to us: one that another version wrote, or
/// damage that redb's checksums do not see. The others go on.
pub(super) fn readable(position: u64, bytes: &[u8]) -> Option<Record> {
    Record::decode(bytes)
        .inspect_err(|error| tracing::warn!(position, %error, "record of an event is not readable"))
        .ok()
}
