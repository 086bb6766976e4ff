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
use crate::event::{Decision, FactId, LogEntry, SaidBy};
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
/// Corrections of a game that "undo" goes back over.
const UNDOABLE: usize = 64;

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
    /// Shots that people corrected, the last one last.
    corrected: Vec<FactId>,
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
                    let game =
                        Played { corrected: corrected(&entries), entries: entries.len(), sheet };
                    played.insert(record.id.clone(), Arc::new(Mutex::new(game)));
                }
                Ok(None) => {}
                Err((entry, error)) => {
                    let game = &record.id;
                    tracing::error!(%game, entry, %error, "a game's log cannot be read: it can be neither played nor corrected");
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

    /// All that are on record, oldest first.
    #[must_use]
    pub fn records(&self) -> Vec<GameRecord> {
        self.shared.lock().games.records().to_vec()
    }

    /// What the game that a court plays makes of the next shot at a rim.
    #[must_use]
    pub fn ordinary(&self, court: &CourtId, rim: RimId) -> Option<InGame> {
        let played = self.at(court)?;
        let played = played.lock();
        Some(played.ordinary(court, rim))
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
        let played = Played { sheet, entries: 1, corrected: Vec::new() };
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
        let played = self.of(id).ok_or_else(|| TableRefused::Unknown { id: id.clone() })?;
        let mut played = played.lock();
        played.sheet.check(input)?;
        let logs = self.shared.lock().games.end(id, at)?;
        let mut decision = Decision { logs, ..Decision::default() };
        played.take(input.clone(), &mut decision);
        played.told(decision, outlet)
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
        let played = self.of(id).ok_or_else(|| TableRefused::Unknown { id: id.clone() })?;
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

    /// What it makes of the next shot at a rim.
    #[must_use]
    pub fn ordinary(&self, court: &CourtId, rim: RimId) -> InGame {
        let ordinary = self.sheet.ordinary(court, rim);
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

    /// A person corrected a shot of it.
    pub fn corrected(&mut self, fact: FactId) {
        self.corrected.push(fact);
        if self.corrected.len() > UNDOABLE {
            self.corrected.remove(0);
        }
    }

    /// The shot that a person corrected last, taken off the list.
    pub fn last_corrected(&mut self) -> Option<FactId> {
        self.corrected.pop()
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

/// The shots that people corrected, as far as the log says since its last checkpoint.
fn corrected(entries: &[Vec<u8>]) -> Vec<FactId> {
    let by_people = |bytes: &Vec<u8>| match SheetEntry::decode(bytes) {
        Ok(SheetEntry::Input(SheetInput::Shot(news))) if news.by.is_some() => Some(news.fact),
        Ok(_) | Err(_) => None,
    };
    entries.iter().filter_map(by_people).collect()
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
