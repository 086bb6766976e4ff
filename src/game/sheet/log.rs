//! The log of a started game: how it was set up, then each input. A start folds it from its last checkpoint.

use serde::{Deserialize, Serialize};

use crate::game::sheet::input::{Setup, SheetInput};
use crate::game::sheet::state::Kept;

/// Inputs between two checkpoints (chosen: as many as a court's game has).
pub const CHECKPOINT_EVERY: usize = 256;

/// One entry of the log `sheet/{game}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SheetEntry {
    /// It began.
    Started(Box<Setup>),
    /// An input.
    Input(SheetInput),
    /// All that the entries before this one came to: none of them is needed to go on.
    Checkpoint(Box<Checkpoint>),
}

/// All that a game keeps. Only its sheet looks into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Checkpoint(pub(super) Kept);

impl SheetEntry {
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

    /// The log of a game, by its name in the outbox.
    #[must_use]
    pub fn log(game: &crate::media::GameId) -> String {
        format!("sheet/{game}")
    }
}
