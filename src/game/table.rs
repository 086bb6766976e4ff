//! The games that were started: which court plays which, and the sheet of each.
//!
//! One mutex a game. Whoever holds it checks, applies, and hands what follows to the outbox as one decision
//! before letting go: so what is told and what the logs keep have one order, and a full outbox holds the
//! courts of that game alone. Locks are taken in this order: `changing`, a game's, `shared` (held for
//! lookups alone).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::event::game::GameView;
use crate::event::{Decision, LogEntry, SaidBy};
use crate::game::games::{self, GameRecord, Games};
use crate::game::input::InGame;
use crate::game::sheet::{
    CHECKPOINT_EVERY, Refused as SheetRefused, Setup, Sheet, SheetEntry, SheetInput,
};
use crate::mailbox::Mailbox;
use crate::media::{CourtId, GameId, RimId, UtcTime};

/// A game that is over can be corrected for so long (chosen: until the evening's results are out, and the
/// next morning's complaints are in).
const CORRECTABLE_FOR: Duration = Duration::from_secs(24 * 3600);
/// How long a game waits for room in the outbox before it says so again.
const SAY_AGAIN: Duration = Duration::from_secs(5);

/// All games that can be played or corrected.
#[derive(Debug, Default)]
pub struct Table {
    /// Held while a game starts or ends: one at a time, in the order of the log of games.
    changing: Mutex<()>,
    shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    games: Games,
    played: BTreeMap<GameId, Arc<Mutex<Played>>>,
}

/// One started game, as it is played.
#[derive(Debug)]
pub struct Played {
    sheet: Sheet,
    /// Entries of its log since the last checkpoint.
    entries: usize,
}

/// Why a game does not start, end or take something.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum TableRefused {
    /// The record of games.
    #[error(transparent)]
    Record(#[from] games::Refused),
    /// Its sheet.
    #[error(transparent)]
    Sheet(#[from] SheetRefused),
    /// It never was, or it ended long ago.
    #[error("no game `{id}` can be played or corrected: `GET /v1/games` names those that can")]
    Unknown { id: GameId },
    /// It is on record as running, and its log cannot be read.
    #[error(
        "of game `{id}` nothing but its record can be read: it can only be ended; its shots and its score \
         are in what was told of it, and stay in the outbox for a version that reads them"
    )]
    Unread { id: GameId },
    /// The box ends.
    #[error("the box ends: nothing more is taken")]
    Ending,
}

/// What was told of a game, and who says when it is on disk.
pub type Changed = (GameView, oneshot::Receiver<()>);

impl Table {
    /// The games as the logs of the outbox have them: those that are played, and those that ended so
    /// shortly before `now` that they can be corrected.
    #[must_use]
    pub fn recovered(logs: &BTreeMap<String, Vec<(u64, Vec<u8>)>>, now: UtcTime) -> Self {
        let log = |name: &str| -> Vec<Vec<u8>> {
            let entries = logs.get(name).map(Vec::as_slice).unwrap_or_default();
            entries.iter().map(|(_, bytes)| bytes.clone()).collect()
        };
        let (games, unread) = Games::read(&log(games::LOG));
        if unread > 0 {
            tracing::warn!(
                unread,
                "the record of games has entries of a later version: passed over"
            );
        }
        let mut played = BTreeMap::new();
        for record in games.records().iter().filter(|record| is_near(record, now)) {
            let entries = log(&SheetEntry::log(&record.id));
            match Sheet::fold(&entries) {
                Ok(Some(sheet)) => {
                    let game = Played { entries: entries.len(), sheet };
                    played.insert(record.id.clone(), Arc::new(Mutex::new(game)));
                }
                Ok(None) => {}
                Err((entry, error)) => {
                    let game = &record.id;
                    tracing::error!(%game, entry, %error, "a game's log cannot be read: it can be neither played nor corrected, only ended");
                }
            }
        }
        for game in games.records().iter().filter(|game| game.end_ns.is_none()) {
            tracing::info!(game = %game.id, courts = ?game.courts, "a game is being played");
        }
        Self { changing: Mutex::default(), shared: Mutex::new(Shared { games, played }) }
    }

    /// A game that can be played or corrected.
    #[must_use]
    pub fn of(&self, game: &GameId) -> Option<Arc<Mutex<Played>>> {
        self.shared.lock().played.get(game).cloned()
    }

    /// The game that a court plays.
    #[must_use]
    pub fn at(&self, court: &CourtId) -> Option<Arc<Mutex<Played>>> {
        let shared = self.shared.lock();
        shared.played.get(&shared.games.at(court)?.id).cloned()
    }

    /// The games of a court that can be played or corrected.
    #[must_use]
    pub fn on(&self, court: &CourtId) -> Vec<GameId> {
        let shared = self.shared.lock();
        let records = shared.games.records().iter();
        let here = records.filter(|game| game.courts.contains(court)).map(|game| &game.id);
        here.filter(|id| shared.played.contains_key(id)).cloned().collect()
    }

    /// All that are on record, oldest first.
    #[must_use]
    pub fn records(&self) -> Vec<GameRecord> {
        self.shared.lock().games.records().to_vec()
    }

    /// What the game that a court plays makes of a shot at a rim, `utc_ns` where that is known.
    #[must_use]
    pub fn ordinary(&self, court: &CourtId, rim: RimId, utc_ns: Option<i64>) -> Option<InGame> {
        let played = self.at(court)?;
        let played = played.lock();
        Some(played.ordinary(court, rim, utc_ns))
    }

    /// Starts a game: from its first word on it is the courts'. Waits for room in the outbox.
    ///
    /// # Errors
    /// [`TableRefused`]: nothing began.
    pub fn start(
        &self,
        setup: Setup,
        at: UtcTime,
        outlet: &Mailbox<Decision>,
    ) -> Result<Changed, TableRefused> {
        let _one_at_a_time = self.changing.lock();
        setup.check()?;
        let (id, courts) = (setup.id.clone(), setup.courts.clone());
        let started = SheetEntry::Started(Box::new(setup.clone()));
        let (sheet, events) = Sheet::begin(setup);
        let view = sheet.view();
        let played = Played { sheet, entries: 1 };
        let played = Arc::new(Mutex::new(played));
        // A court that looks it up from here on waits until it has begun.
        let begun = played.lock();
        let mut logs = {
            let mut shared = self.shared.lock();
            let logs = shared.games.start(id.clone(), courts, at)?;
            let oldest =
                at.as_nanos() - i64::try_from(CORRECTABLE_FOR.as_nanos()).unwrap_or(i64::MAX);
            let Shared { games, played: known } = &mut *shared;
            let near = |id: &GameId| {
                let mut records = games.records().iter();
                let record = records.find(|record| record.id == *id);
                record.is_some_and(|record| record.end_ns.is_none_or(|end| end > oldest))
            };
            known.retain(|id, _| near(id));
            known.insert(id.clone(), Arc::clone(&played));
            logs
        };
        logs.extend(entry(&id, &started));
        let (waits, durable) = oneshot::channel();
        let decision = Decision { events, logs, waits: Some(waits) };
        let told = hand_over(&id, outlet, decision);
        drop(begun);
        told.map(|()| (view, durable))
    }

    /// Ends a game. It can be corrected for a day.
    ///
    /// # Errors
    /// [`TableRefused`]: nothing ended.
    pub fn end(
        &self,
        id: &GameId,
        input: &SheetInput,
        at: UtcTime,
        outlet: &Mailbox<Decision>,
    ) -> Result<Changed, TableRefused> {
        let _one_at_a_time = self.changing.lock();
        let played = self.of(id).ok_or_else(|| self.without_sheet(id))?;
        let mut played = played.lock();
        played.sheet.check(input)?;
        let logs = self.shared.lock().games.end(id, at)?;
        let mut decision = Decision { logs, ..Decision::default() };
        played.take(input.clone(), &mut decision);
        played.told(decision, outlet)
    }

    /// Ends a game of which nothing but the record can be read: its courts are free for another.
    ///
    /// # Errors
    /// [`TableRefused`]: nothing ended.
    pub fn end_record(
        &self,
        id: &GameId,
        at: UtcTime,
        outlet: &Mailbox<Decision>,
    ) -> Result<(GameRecord, oneshot::Receiver<()>), TableRefused> {
        let _one_at_a_time = self.changing.lock();
        if self.of(id).is_some() {
            return Err(games::Refused::Over { id: id.clone() }.into());
        }
        let (logs, record) = {
            let mut shared = self.shared.lock();
            let logs = shared.games.end(id, at)?;
            let record = shared.games.records().iter().find(|game| game.id == *id).cloned();
            (logs, record)
        };
        let record = record.ok_or_else(|| TableRefused::Unknown { id: id.clone() })?;
        let (waits, durable) = oneshot::channel();
        let decision = Decision { logs, waits: Some(waits), ..Decision::default() };
        hand_over(id, outlet, decision)?;
        Ok((record, durable))
    }

    /// True of a game that is on record, however long ago.
    #[must_use]
    pub fn is_known(&self, id: &GameId) -> bool {
        self.shared.lock().games.records().iter().any(|game| game.id == *id)
    }

    /// Why there is no sheet of a game.
    #[must_use]
    pub fn without_sheet(&self, id: &GameId) -> TableRefused {
        let id = id.clone();
        let runs = |game: &GameRecord| game.id == id && game.end_ns.is_none();
        if self.shared.lock().games.records().iter().any(runs) {
            TableRefused::Unread { id }
        } else {
            TableRefused::Unknown { id }
        }
    }

    /// Takes a tap on a game as a whole: a period, players, a graphic, a candidate.
    ///
    /// # Errors
    /// [`TableRefused`]: nothing changed.
    pub fn tap(
        &self,
        id: &GameId,
        input: SheetInput,
        outlet: &Mailbox<Decision>,
    ) -> Result<Changed, TableRefused> {
        let played = self.of(id).ok_or_else(|| self.without_sheet(id))?;
        let mut played = played.lock();
        played.sheet.check(&input)?;
        let mut decision = Decision::default();
        played.take(input, &mut decision);
        played.told(decision, outlet)
    }
}

impl Played {
    /// Its sheet.
    #[must_use]
    pub const fn sheet(&self) -> &Sheet {
        &self.sheet
    }

    /// What it makes of a shot at a rim, `utc_ns` where that is known.
    #[must_use]
    pub fn ordinary(&self, court: &CourtId, rim: RimId, utc_ns: Option<i64>) -> InGame {
        let ordinary = self.sheet.ordinary(court, rim, utc_ns);
        let team_by = ordinary.team.as_ref().map(|_| SaidBy::Rules);
        InGame {
            game: self.sheet.id().clone(),
            points: ordinary.points,
            points_by: SaidBy::Rules,
            team: ordinary.team,
            team_by,
            player: None,
        }
    }

    /// Takes an input in: what follows from it, and what the log keeps of it, go to `decision`.
    pub fn take(&mut self, input: SheetInput, decision: &mut Decision) {
        decision.events.extend(self.sheet.apply(&input));
        let id = self.sheet.id().clone();
        decision.logs.extend(entry(&id, &SheetEntry::Input(input)));
        self.entries += 1;
        if self.entries >= CHECKPOINT_EVERY {
            self.entries = 0;
            decision.logs.extend(entry(&id, &self.sheet.checkpoint()));
        }
    }

    fn told(
        &self,
        mut decision: Decision,
        outlet: &Mailbox<Decision>,
    ) -> Result<Changed, TableRefused> {
        let (waits, durable) = oneshot::channel();
        decision.waits = Some(waits);
        hand_over(self.sheet.id(), outlet, decision)?;
        Ok((self.sheet.view(), durable))
    }
}

/// True of a game that is played, or can be corrected.
fn is_near(record: &GameRecord, now: UtcTime) -> bool {
    let Some(end) = record.end_ns else { return true };
    let ago = now.nanos_since(UtcTime::from_nanos(end));
    // A clock that went back: it ended just now.
    u64::try_from(ago).map_or(true, |ago| Duration::from_nanos(ago) < CORRECTABLE_FOR)
}

/// An entry of a game's log, as the outbox takes it.
fn entry(game: &GameId, entry: &SheetEntry) -> Option<LogEntry> {
    let checkpoint = matches!(entry, SheetEntry::Checkpoint(_));
    match entry.encode() {
        Ok(bytes) => Some(LogEntry { log: SheetEntry::log(game), checkpoint, bytes }),
        Err(error) => {
            tracing::error!(%game, %error, "an entry of a game's log cannot be written: this is a bug");
            None
        }
    }
}

/// Hands a decision over; waits as long as it takes, and says so.
fn hand_over(
    game: &GameId,
    outlet: &Mailbox<Decision>,
    mut decision: Decision,
) -> Result<(), TableRefused> {
    // Woken when the outbox takes something, and when it is closed.
    while let Err(back) = outlet.offer_waiting(decision, SAY_AGAIN) {
        if outlet.is_closed() {
            return Err(TableRefused::Ending);
        }
        tracing::error!(%game, "the outbox is full: this game waits");
        decision = back;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::game::Team;
    use crate::event::words::EndWord;
    use crate::game::rules::Rules;
    use crate::game::sheet::Attacks;
    use crate::mailbox::Tally;
    use crate::media::{SessionId, TeamId};

    const AT: UtcTime = UtcTime::from_nanos(1_800_000_000_000_000_000);

    fn setup(id: &str) -> Setup {
        let team =
            |id: &str| Team { id: TeamId::new(id).expect("a name"), name: None, color: None };
        Setup {
            id: GameId::new(id).expect("a name"),
            session: SessionId::from_bits(5),
            rules: Rules::named("pickup-21").expect("known"),
            teams: [team("reds"), team("blues")],
            courts: vec![CourtId::new("north").expect("a name")],
            attacks: Attacks::default(),
            players: Vec::new(),
            start_utc_ns: AT.as_nanos(),
        }
    }

    #[test]
    fn a_game_whose_log_cannot_be_read_is_ended_by_its_record_and_its_court_plays_another() {
        let outlet = Mailbox::weighed(64, Decision::weight, Tally::default());
        let table = Table::default();
        table.start(setup("torn"), AT, &outlet).expect("begun");
        let mut logs: BTreeMap<String, Vec<(u64, Vec<u8>)>> = BTreeMap::new();
        for entry in outlet.try_take().expect("a decision").logs {
            let bytes = if entry.log == games::LOG { entry.bytes } else { b"{\"new\":1}".to_vec() };
            logs.entry(entry.log).or_default().push((1, bytes));
        }
        let again = Table::recovered(&logs, AT);
        let torn = GameId::new("torn").expect("a name");
        let ended = SheetInput::Ended { why: EndWord::Operator, utc_ns: AT.as_nanos() };
        let refused = again.end(&torn, &ended, AT, &outlet).expect_err("it cannot be read");
        assert!(matches!(refused, TableRefused::Unread { .. }), "{refused}");
        let refused = again.start(setup("next"), AT, &outlet).expect_err("the court plays");
        assert!(matches!(refused, TableRefused::Record(games::Refused::Plays { .. })), "{refused}");
        let (record, _) = again.end_record(&torn, AT, &outlet).expect("its record ends");
        assert_eq!((record.id, record.end_ns), (torn.clone(), Some(AT.as_nanos())));
        let kept = outlet.try_take().expect("a decision");
        assert_eq!(kept.logs.iter().map(|entry| &entry.log[..]).collect::<Vec<_>>(), [games::LOG]);
        again.start(setup("next"), AT, &outlet).expect("begun");
        assert!(again.end_record(&torn, AT, &outlet).is_err(), "once");
        let next = GameId::new("next").expect("a name");
        assert!(again.end_record(&next, AT, &outlet).is_err(), "one that can be read ends whole");
    }
}
