//! The log of a court's game: what is kept of each input, and how a start goes on from it.
//!
//! What a game decides leaves as one value, [`Decided`]: the input and the events that follow from
//! it are one transaction of the outbox, so no crash parts them. At start the log is folded from its
//! last checkpoint on.

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::game::book::Book;
use crate::game::input::Input;

/// Inputs between two checkpoints (chosen: a checkpoint has some 80 kB at most, which is what so many
/// inputs have; a start reads both in milliseconds).
pub const CHECKPOINT_EVERY: usize = 256;

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// An input.
    Input(Input),
    /// All that the entries before this one came to: none of them is needed to go on.
    Checkpoint(Box<Book>),
}

/// What one input came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// What the log keeps of it.
    pub entry: Entry,
    /// The facts that follow from it, in the order in which they must be told.
    pub events: Vec<Event>,
}

/// The events of several inputs, in order.
pub fn events(decided: Vec<Decided>) -> impl Iterator<Item = Event> {
    decided.into_iter().flat_map(|decided| decided.events)
}

impl Entry {
    /// Its bytes in the log.
    ///
    /// # Errors
    /// None for what a game makes; JSON can carry all of it.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are something else, for example an input that a later version knows.
    pub fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

/// Folds a log, from its beginning or from a checkpoint on, into a game that begins as `book`.
///
/// # Errors
/// The number of the first entry that cannot be read, from 1, and why.
pub fn fold(mut book: Book, log: &[Vec<u8>]) -> Result<Book, (usize, serde_json::Error)> {
    for (n, bytes) in (1..).zip(log) {
        match Entry::decode(bytes).map_err(|error| (n, error))? {
            Entry::Input(input) => {
                book.apply(&input);
            }
            Entry::Checkpoint(kept) => book = *kept,
        }
    }
    Ok(book)
}

#[cfg(test)]
mod tests;
