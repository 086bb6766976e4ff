//! What people tap of a court's shots: said to the court's thread, answered once that is decided.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::event::{By, FactId};
use crate::game::book::Refused;
use crate::game::calibrate::Verdict;
use crate::game::input::{Added, Correction, InGame, Undo};
use crate::game::play::Game;
use crate::game::sheet::Refused as SheetRefused;
use crate::game::table::{Played, Table};
use crate::media::{CourtId, GameId, MediaTime, PlayerId, RimId, SessionId, TeamId};

/// What somebody taps.
#[derive(Clone, Debug)]
pub enum Tap {
    /// A shot was otherwise.
    Correct(Correction),
    /// It was as was said before.
    Undo(Undo),
    /// There was a shot.
    Add(Add),
}

/// A shot that no model saw, as somebody says.
#[derive(Clone, Debug)]
pub struct Add {
    /// The game that it is of.
    pub game: GameId,
    /// The rim.
    pub rim: RimId,
    /// How it was.
    pub verdict: Verdict,
    /// When.
    pub when: When,
    /// What it is worth; as the rules say unless given.
    pub points: Option<u8>,
    /// Whose it is; by the rim unless given.
    pub team: Option<TeamId>,
    /// Who shot.
    pub player: Option<PlayerId>,
    /// Why.
    pub reason: String,
    /// Who says so.
    pub who: Option<String>,
}

/// When a shot was.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// So long before the last answer of the session that plays.
    Ago(Duration),
    /// At a time of a session.
    At(SessionId, MediaTime),
}

/// What became of a tap.
#[derive(Debug)]
pub struct Tapped {
    /// The shot.
    pub fact: FactId,
    /// Its last revision.
    pub revision: u32,
    /// Says when it is on disk; absent where nothing changed.
    pub durable: Option<oneshot::Receiver<()>>,
}

/// Why a tap changed nothing.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum TapRefused {
    #[error(transparent)]
    Book(#[from] Refused),
    #[error(transparent)]
    Sheet(#[from] SheetRefused),
    #[error("game `{game}` is over for more than a day: it can no longer be corrected")]
    GameGone { game: GameId },
    #[error("court `{court}` does not play game `{game}`")]
    NotPlayed { court: CourtId, game: GameId },
    #[error("no camera plays at court `{court}`: say session and t_stream")]
    NoCamera { court: CourtId },
    #[error("the box ends: nothing more is taken")]
    Ending,
}

impl Tap {
    /// Asks the game that was started whether it takes it, before the court's book does.
    pub(super) fn ready(
        self,
        court: &CourtId,
        game: &Game,
        table: &Table,
    ) -> Result<Self, TapRefused> {
        if let Self::Correct(correction) = &self
            && let Some(in_game) = game.book().in_game(correction.fact)
        {
            let id = &in_game.game;
            let gone = || TapRefused::GameGone { game: id.clone() };
            let played = table.of(id).ok_or_else(gone)?;
            let Correction { points, team, player, .. } = correction;
            let team = team.as_ref().or(in_game.team.as_ref());
            played.lock().sheet().check_said(*points, team, player.as_ref())?;
        }
        if let Self::Undo(undo) = &self
            && let Some(in_game) = game.book().in_game(undo.fact)
            && table.of(&in_game.game).is_none()
        {
            return Err(TapRefused::GameGone { game: in_game.game.clone() });
        }
        if let Self::Add(add) = &self {
            let gone = || TapRefused::GameGone { game: add.game.clone() };
            let played = table.of(&add.game).ok_or_else(gone)?;
            let played = played.lock();
            if !played.sheet().setup().courts.contains(court) {
                let (court, game) = (court.clone(), add.game.clone());
                return Err(TapRefused::NotPlayed { court, game });
            }
            let in_game = add.in_game(&played, court);
            let (team, player) = (in_game.team.as_ref(), in_game.player.as_ref());
            played.sheet().check_said(Some(in_game.points), team, player)?;
        }
        Ok(self)
    }
}

impl Add {
    /// As an input of the court's book.
    pub(super) fn input(
        self,
        court: &CourtId,
        game: &Game,
        played: &Played,
    ) -> Result<Added, TapRefused> {
        let playing = game.playing();
        let (session, reached) = match (self.when, playing) {
            (When::At(session, at), _) => (session, at),
            (When::Ago(ago), Some((session, at))) => (session, at.minus(ago)),
            (When::Ago(_), None) => return Err(TapRefused::NoCamera { court: court.clone() }),
        };
        let decided = match playing {
            Some((now, at)) if now == session => at.max(reached),
            Some(_) | None => reached,
        };
        let in_game = Some(self.in_game(played, court));
        Ok(Added {
            session,
            rim: self.rim.0,
            reached_ns: reached.as_nanos(),
            decided_ns: decided.as_nanos(),
            standing: self.verdict.into(),
            in_game,
            by: By::Operator,
            reason: self.reason,
            who: self.who,
        })
    }

    fn in_game(&self, played: &Played, court: &CourtId) -> InGame {
        let mut in_game = played.ordinary(court, self.rim);
        let said = Correction {
            points: self.points,
            team: self.team.clone(),
            player: self.player.clone(),
            ..Correction::nothing(self.who.clone())
        };
        in_game.say(&said);
        in_game
    }
}
