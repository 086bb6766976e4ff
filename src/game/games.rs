//! The record of games: which were played, when, on which courts. Pure; a log and a fold of its own.
//!
//! A game spans one court or several, and a court plays one game at a time. Clips and commands name a
//! game by its id. What a court calls goes on with or without one.

use serde::{Deserialize, Serialize};

use crate::event::LogEntry;
use crate::media::{CourtId, GameId, UtcTime};

/// The name of its log in the outbox.
pub const LOG: &str = "games";
/// Games that are known; the oldest that is over goes (chosen: a season of a busy hall).
pub const KEPT: usize = 200;
/// Entries between two checkpoints: as many as games are known, so that a start reads no more than
/// twice what there is.
const CHECKPOINT_EVERY: usize = KEPT;

/// One game.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GameRecord {
    /// Its name.
    pub id: GameId,
    /// Where it is played.
    pub courts: Vec<CourtId>,
    /// When it began, ns of UTC by the box's clock then.
    pub start_ns: i64,
    /// When it ended, if it did. The clock may have stepped in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ns: Option<i64>,
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    GameStart { id: GameId, courts: Vec<CourtId>, at_ns: i64 },
    GameEnd { id: GameId, at_ns: i64 },
    Checkpoint(Vec<GameRecord>),
}

/// Why a game does not start or end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum Refused {
    #[error("a game `{id}` is known already: choose another name")]
    Known { id: GameId },
    #[error("a game needs a court: name those that it is played on")]
    NoCourt,
    #[error("court `{court}` plays game `{id}`: end that first")]
    Plays { court: CourtId, id: GameId },
    #[error("no game `{id}` is known")]
    Unknown { id: GameId },
    #[error("game `{id}` is over")]
    Over { id: GameId },
}

/// All games that are known, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Games {
    records: Vec<GameRecord>,
    /// Entries since the last checkpoint.
    entries: usize,
}

impl Games {
    /// Folds the log, from its last checkpoint on. Returns with it how many entries mean nothing to
    /// this version: they are passed over, since no game depends on another.
    #[must_use]
    pub fn read(log: &[Vec<u8>]) -> (Self, usize) {
        let mut games = Self::default();
        let mut unread = 0;
        for bytes in log {
            match serde_json::from_slice(bytes) {
                Ok(entry) => games.apply(entry),
                Err(_) => unread += 1,
            }
        }
        (games, unread)
    }

    /// The games that are known, oldest first.
    #[must_use]
    pub fn records(&self) -> &[GameRecord] {
        &self.records
    }

    /// The game that a court plays.
    #[must_use]
    pub fn at(&self, court: &CourtId) -> Option<&GameRecord> {
        self.records.iter().find(|game| game.end_ns.is_none() && game.courts.contains(court))
    }

    /// Begins a game: what is to be kept of that.
    ///
    /// # Errors
    /// [`Refused`]: nothing began.
    pub fn start(
        &mut self,
        id: GameId,
        courts: Vec<CourtId>,
        at: UtcTime,
    ) -> Result<Vec<LogEntry>, Refused> {
        if self.records.iter().any(|game| game.id == id) {
            return Err(Refused::Known { id });
        }
        if courts.is_empty() {
            return Err(Refused::NoCourt);
        }
        for court in &courts {
            if let Some(game) = self.at(court) {
                return Err(Refused::Plays { court: court.clone(), id: game.id.clone() });
            }
        }
        Ok(self.take(Entry::GameStart { id, courts, at_ns: at.as_nanos() }))
    }

    /// Ends a game: what is to be kept of that.
    ///
    /// # Errors
    /// [`Refused`]: nothing ended.
    pub fn end(&mut self, id: &GameId, at: UtcTime) -> Result<Vec<LogEntry>, Refused> {
        let id = id.clone();
        match self.records.iter().find(|game| game.id == id) {
            None => Err(Refused::Unknown { id }),
            Some(game) if game.end_ns.is_some() => Err(Refused::Over { id }),
            Some(_) => Ok(self.take(Entry::GameEnd { id, at_ns: at.as_nanos() })),
        }
    }

    fn take(&mut self, entry: Entry) -> Vec<LogEntry> {
        let mut entries = vec![kept(&entry)];
        self.apply(entry);
        if self.entries >= CHECKPOINT_EVERY {
            self.entries = 0;
            entries.push(kept(&Entry::Checkpoint(self.records.clone())));
        }
        entries
    }

    fn apply(&mut self, entry: Entry) {
        self.entries += 1;
        match entry {
            Entry::GameStart { id, courts, at_ns } => {
                self.records.push(GameRecord { id, courts, start_ns: at_ns, end_ns: None });
                let over = self.records.iter().position(|game| game.end_ns.is_some());
                if self.records.len() > KEPT
                    && let Some(oldest) = over
                {
                    self.records.remove(oldest);
                }
            }
            Entry::GameEnd { id, at_ns } => {
                if let Some(game) = self.records.iter_mut().find(|game| game.id == id) {
                    game.end_ns.get_or_insert(at_ns);
                }
            }
            Entry::Checkpoint(records) => {
                self.records = records;
                self.entries = 0;
            }
        }
    }
}

/// An entry as the outbox takes it.
fn kept(entry: &Entry) -> LogEntry {
    let checkpoint = matches!(entry, Entry::Checkpoint(_));
    // Names and whole numbers: JSON carries all of it.
    let bytes = serde_json::to_vec(entry).unwrap_or_default();
    LogEntry { log: LOG.to_owned(), checkpoint, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> GameId {
        GameId::new(name).expect("a name")
    }

    fn courts(names: &[&str]) -> Vec<CourtId> {
        names.iter().map(|name| CourtId::new(name).expect("a name")).collect()
    }

    fn at(second: i64) -> UtcTime {
        UtcTime::from_nanos(second * 1_000_000_000)
    }

    /// What a start would read.
    fn log(entries: &[LogEntry]) -> Vec<Vec<u8>> {
        let last = entries.iter().rposition(|entry| entry.checkpoint).unwrap_or(0);
        entries[last..].iter().map(|entry| entry.bytes.clone()).collect()
    }

    #[test]
    fn a_game_is_known_after_a_restart_with_its_courts_start_and_end() {
        let mut games = Games::default();
        let mut kept = games.start(id("final"), courts(&["a", "b"]), at(100)).expect("begun");
        kept.extend(games.start(id("juniors"), courts(&["c"]), at(200)).expect("begun"));
        kept.extend(games.end(&id("final"), at(2_500)).expect("ended"));
        let (read, unread) = Games::read(&log(&kept));
        assert_eq!((&read, unread), (&games, 0));
        let [first, second] = read.records() else { panic!("{read:?}") };
        assert_eq!(first.id, id("final"));
        assert_eq!((first.courts.len(), first.start_ns), (2, at(100).as_nanos()));
        assert_eq!(first.end_ns, Some(at(2_500).as_nanos()));
        assert_eq!(second.end_ns, None);
        assert_eq!(read.at(&courts(&["c"])[0]).map(|game| &game.id), Some(&id("juniors")));
        assert_eq!(read.at(&courts(&["a"])[0]), None);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_a_reason() {
        let mut games = Games::default();
        games.start(id("g1"), courts(&["a", "b"]), at(1)).expect("begun");
        let plays = Refused::Plays { court: courts(&["b"])[0].clone(), id: id("g1") };
        assert_eq!(games.start(id("g2"), courts(&["c", "b"]), at(2)), Err(plays));
        assert_eq!(games.start(id("g2"), Vec::new(), at(2)), Err(Refused::NoCourt));
        assert_eq!(
            games.start(id("g1"), courts(&["c"]), at(2)),
            Err(Refused::Known { id: id("g1") })
        );
        assert_eq!(games.end(&id("g9"), at(3)), Err(Refused::Unknown { id: id("g9") }));
        games.end(&id("g1"), at(3)).expect("ended");
        assert_eq!(games.end(&id("g1"), at(4)), Err(Refused::Over { id: id("g1") }));
        assert_eq!(games.records().len(), 1, "nothing of what was refused");
    }

    #[test]
    fn the_oldest_that_is_over_goes_and_a_start_reads_few() {
        let mut games = Games::default();
        let mut kept = games.start(id("open"), courts(&["a"]), at(0)).expect("begun");
        for n in 0..400 {
            let name = id(&format!("g{n}"));
            kept.extend(games.start(name.clone(), courts(&["b"]), at(n)).expect("begun"));
            kept.extend(games.end(&name, at(n + 1)).expect("ended"));
            let (read, _) = Games::read(&log(&kept));
            assert_eq!(read, games, "after {n}");
        }
        assert!(log(&kept).len() <= CHECKPOINT_EVERY + 1);
        assert_eq!(games.records().len(), KEPT);
        assert_eq!(games.records()[0].id, id("open"), "it is not over");
        // What a later version wrote in between is passed over.
        let mut entries = log(&kept);
        entries.push(br#"{"game_paused":{"id":"open"}}"#.to_vec());
        let (read, unread) = Games::read(&entries);
        assert_eq!((read.records(), unread), (games.records(), 1));
    }
}
