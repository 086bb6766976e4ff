//! Why the daemon could not be built, in words for who started it.

use std::path::{Path, PathBuf};

use crate::clips;
use crate::disk::Disk;
use crate::ingest;
use crate::media::CourtId;
use crate::uplink;

/// Why the daemon could not be built.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// RTMP cannot be served.
    #[error(transparent)]
    Ingest(#[from] ingest::IngestError),
    /// The ring cannot be opened.
    #[error(transparent)]
    Ring(#[from] clips::RingError),
    /// The outbox cannot be opened.
    #[error(transparent)]
    Uplink(#[from] uplink::UplinkError),
    /// The page cannot be served.
    #[error(transparent)]
    Web(#[from] crate::http::HttpError),
    /// Not even the ballast is there to be given up.
    #[error(
        "the disk of {dir} is full ({free} bytes are free) and nothing of ours is left to give up: \
         free 100 MB there, or set another `box.data_dir`"
    )]
    Full {
        /// The folder.
        dir: PathBuf,
        /// Bytes that are free there.
        free: u64,
        /// What could not be written.
        source: Box<Self>,
    },
    /// A court's decoder cannot be started.
    #[error(transparent)]
    Decode(#[from] crate::decode::DecodeError),
    /// A court cannot be built.
    #[error("a court cannot be built")]
    Court(#[source] Box<CourtError>),
    /// A thread cannot be started, or a folder made.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// What came of it.
        source: std::io::Error,
    },
}

/// Why a court was not added, changed or taken away. The others play on.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum CourtError {
    #[error("court {court} is there already: change it, or take another name")]
    There { court: CourtId },
    #[error("there is no court {court}")]
    Unknown { court: CourtId },
    #[error("another court has the stream key of court {court}: give it one of its own")]
    KeyTaken { court: CourtId },
    #[error("the box is ending")]
    Ending,
    /// One of its stages cannot be started.
    #[error(transparent)]
    Build(AppError),
}

impl From<CourtError> for AppError {
    fn from(error: CourtError) -> Self {
        Self::Court(Box::new(error))
    }
}

/// Says of a disk that is full what a technician needs to know; other errors stay as they are.
pub(crate) fn told_if_full(error: AppError, dir: &Path, disk: &dyn Disk) -> AppError {
    let is_full = match &error {
        AppError::Uplink(uplink::UplinkError::Store(store)) => store.is_full(),
        AppError::Ring(clips::RingError::Open { source, .. }) => {
            source.kind() == std::io::ErrorKind::StorageFull
        }
        _ => false,
    };
    if !is_full {
        return error;
    }
    let free = disk.free_bytes(dir).unwrap_or(0);
    AppError::Full { dir: dir.to_owned(), free, source: Box::new(error) }
}
