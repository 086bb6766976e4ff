//! What people say of shots, for whoever keeps it beside the game: labels to learn from.

use std::fmt;

use crate::event::FactId;
use crate::game::calibrate::Verdict;
use crate::media::{CourtId, GameId, MediaTime, PlayerId, RimId, SessionId, TeamId};

/// A shot of which a person said something that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The shot.
    pub fact: FactId,
    /// The session of its time.
    pub session: SessionId,
    /// Its rim.
    pub rim: RimId,
    /// When the ball reached the ring, as the model saw it; of one that was added, as the person says.
    pub reached: MediaTime,
    /// How it came out, where that was said.
    pub outcome: Option<Verdict>,
    /// No model saw it.
    pub added: bool,
    /// The game, what it was worth, whose it was, who shot: as it stands in the game that was started.
    pub in_game: Option<(GameId, u8, Option<TeamId>, Option<PlayerId>)>,
    /// Which person that was.
    pub who: Option<String>,
}

/// Hears what people say of the shots of a court. Called on its game's thread: takes note, and waits for nothing.
pub trait HearsPeople: fmt::Debug + Send + Sync {
    /// A person corrected or added a shot; told again at every start.
    fn said(&self, court: &CourtId, said: Said, at_start: bool);
    /// All that people said of a shot was taken back.
    fn unsaid(&self, fact: FactId);
}

/// Nobody hears it.
impl HearsPeople for () {
    fn said(&self, _: &CourtId, _: Said, _: bool) {}
    fn unsaid(&self, _: FactId) {}
}
