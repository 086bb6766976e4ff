//! What one input of a game decided: durable whole, or not at all.

use tokio::sync::oneshot;

use crate::event::Event;

/// The events of one decision, in the order in which they are told, and the input that it was made
/// of. All of it goes to disk in one write, and is promised together: a final is never there without
/// the score that counts it, nor an event without the input that a replay makes it from.
#[derive(Debug, Default)]
pub struct Decision {
    /// What is told.
    pub events: Vec<Event>,
    /// What is kept to make them again: one entry in each log that the input is of.
    pub logs: Vec<LogEntry>,
    /// Who waits until all of it is on disk. Dropped if it never gets there.
    pub waits: Option<oneshot::Sender<()>>,
}

/// One entry of a game's log: bytes that only the game reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Which log: `game/{court}`, `sheet/{game}`, `games`.
    pub log: String,
    /// True if this entry alone is enough to go on from: what stands before it is kept for its days,
    /// and a start does not ask for it.
    pub checkpoint: bool,
    /// The entry.
    pub bytes: Vec<u8>,
}

impl Decision {
    /// How much of a hop it takes: its events. An entry without any takes the room of one.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.events.len().max(1)
    }
}

impl From<Event> for Decision {
    fn from(event: Event) -> Self {
        Self::from(vec![event])
    }
}

impl From<Vec<Event>> for Decision {
    fn from(events: Vec<Event>) -> Self {
        Self { events, ..Self::default() }
    }
}
