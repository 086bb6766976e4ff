//! When games were played, as whoever keeps them says: the ring itself knows courts and sessions alone.

use crate::media::{CourtId, GameId, UtcTime};

/// Where and when a game was played, by the box's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GameTime {
    /// Its courts.
    pub courts: Vec<CourtId>,
    /// When it began.
    pub from: UtcTime,
    /// When it ended; `None` while it is played.
    pub to: Option<UtcTime>,
}

/// Whoever keeps games. Called on the ring's threads and by readers: answers at once.
pub trait Games: Send + Sync {
    /// A game that was started; `None` of one that is not known.
    fn game(&self, id: &str) -> Option<GameTime>;
    /// The game that a court played then.
    fn at(&self, court: &CourtId, utc: UtcTime) -> Option<GameId>;
}
