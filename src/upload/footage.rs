//! What an upload asks of its box: the clip's bytes, and whether it must wait. `app` answers.

use std::io;
use std::sync::Arc;

use crate::media::Foreign;

/// A clip, as its entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipFacts {
    /// Length.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// Why there are no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoFootage {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub reason: Foreign,
    /// True if it may be there in a moment.
    pub again: bool,
}

/// Keeps a clip's bytes from going until it is dropped.
pub trait Kept: Send + Sync {}

/// Bytes of a clip that is open.
pub trait Reads: Send + Sync {
    /// Gives the bytes from `from` (inclusive) to `to` (exclusive) in chunks, until `sink` has enough.
    ///
    /// # Errors
    /// What the file system says.
    fn read(&self, from: u64, to: u64, sink: &mut dyn FnMut(Vec<u8>) -> bool) -> io::Result<()>;
}

/// Where clips lie. All of it may block.
pub trait Footage: Send + Sync {
    /// What its entry says.
    ///
    /// # Errors
    /// [`NoFootage`].
    fn facts(&self, clip: &str) -> Result<ClipFacts, NoFootage>;
    /// Keeps its bytes from going, whatever becomes of its pin meanwhile.
    ///
    /// # Errors
    /// [`NoFootage`].
    fn keep(&self, clip: &str) -> Result<Box<dyn Kept>, NoFootage>;
    /// Opens it, for the length of a part.
    ///
    /// # Errors
    /// [`NoFootage`].
    fn open(&self, clip: &str) -> Result<Arc<dyn Reads>, NoFootage>;
}

/// What goes before an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// A game runs: whose.
    Game(Foreign),
    /// Events wait to be sent.
    Events,
}

/// Who else uses the uplink of the box.
pub trait Venue: Send + Sync {
    /// What goes before uploads now. Cheap: asked with every piece.
    fn before(&self) -> Option<Before>;
}
