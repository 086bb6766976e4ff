//! What people tap of a court's shots: said to the court's thread, answered once that is decided.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::Anchors;
use crate::event::{By, FactId};
use crate::game::book::Refused;
use crate::game::calibrate::Verdict;
use crate::game::input::{Added, Correction, InGame, Undo};
use crate::game::play::Game;
use crate::game::sheet::{Refused as SheetRefused, Setup};
use crate::game::table::{Played, Table};
use crate::media::{CourtId, GameId, MediaTime, PlayerId, RimId, SessionId, TeamId, UtcTime};

/// Somebody starts a game so long after its first shot at most (chosen: a hand that was not free).
const STARTED_LATE_NS: i64 = 10_000_000_000;
/// Shots that are added while no camera plays have a session of so many seconds (chosen: in fewer than a book
/// needs to let go of its shots, and of their numbers with them).
const AWAY_S: i64 = 600;

/// When something was, ns of UTC, where that is known.
pub(crate) fn utc_ns(
    wall: &Anchors,
    court: &CourtId,
    session: SessionId,
    at: MediaTime,
) -> Option<i64> {
    let when = wall.stamp(court, session, at, None);
    when.source.map(|_| when.utc.as_nanos())
}

/// The session of a game at a court whose camera is away, and for how long it runs: since the game's start, or for
/// some minutes. The same for who asks again, and of no other game, court or time: FNV-1a over these.
fn away_session(game: &Setup, court: &CourtId, now: UtcTime) -> (SessionId, Duration) {
    let seconds = now.as_nanos().div_euclid(1_000_000_000);
    let slot = seconds.div_euclid(AWAY_S);
    let began = (slot * AWAY_S * 1_000_000_000).max(game.start_utc_ns);
    let since = now.as_nanos().saturating_sub(began);
    let named =
        [&game.session.bits().to_be_bytes()[..], &slot.to_be_bytes(), court.as_str().as_bytes()];
    let bits = named.concat().into_iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    (SessionId::from_bits(bits), Duration::from_nanos(u64::try_from(since).unwrap_or(0)))
}

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
    #[error("no game `{game}` is known here: `GET /v1/games` names those that are")]
    NoGame { game: GameId },
    #[error("the box ends: nothing more is taken")]
    Ending,
}

impl Tap {
    /// Asks the game that was started whether it takes it, before the court's book does.
    pub(super) fn ready(
        mut self,
        court: &CourtId,
        game: &Game,
        table: &Table,
    ) -> Result<Self, TapRefused> {
        if let Self::Correct(correction) = &mut self
            && let Some(in_game) = game.book().in_game(correction.fact)
        {
            let id = &in_game.game;
            let gone = || TapRefused::GameGone { game: id.clone() };
            let played = table.of(id).ok_or_else(gone)?;
            let played = played.lock();
            // Who names a player has named the team: it is told so of the shot itself, not of the score alone.
            if correction.team.is_none()
                && in_game.team.is_none()
                && let Some(player) = &correction.player
            {
                correction.team = played.sheet().setup().team_of(player).cloned();
            }
            let Correction { points, team, player, .. } = &*correction;
            let team = team.as_ref().or(in_game.team.as_ref());
            played.sheet().check_said(*points, team, player.as_ref())?;
        }
        if let Self::Undo(undo) = &self
            && let Some(in_game) = game.book().in_game(undo.fact)
            && table.of(&in_game.game).is_none()
        {
            return Err(TapRefused::GameGone { game: in_game.game.clone() });
        }
        if let Self::Add(add) = &self {
            let gone = || match table.is_known(&add.game) {
                true => TapRefused::GameGone { game: add.game.clone() },
                false => TapRefused::NoGame { game: add.game.clone() },
            };
            let played = table.of(&add.game).ok_or_else(gone)?;
            let played = played.lock();
            if !played.sheet().setup().courts.contains(court) {
                let (court, game) = (court.clone(), add.game.clone());
                return Err(TapRefused::NotPlayed { court, game });
            }
            let in_game = add.in_game(&played, court, None);
            let (team, player) = (in_game.team.as_ref(), in_game.player.as_ref());
            played.sheet().check_said(Some(in_game.points), team, player)?;
        }
        Ok(self)
    }
}

impl Add {
    /// As an input of the court's book; with it the session of its own that it has where no camera plays, which
    /// is when most shots are not seen.
    pub(super) fn input(
        self,
        court: &CourtId,
        game: &Game,
        (played, wall): (&Played, &Anchors),
    ) -> Result<(Added, Option<SessionId>), TapRefused> {
        let playing = game.playing();
        let now = wall.utc();
        let mut away = None;
        let (session, mut reached) = match (self.when, playing) {
            (When::At(session, at), _) => (session, at),
            (When::Ago(ago), Some((session, at))) => (session, at.minus(ago)),
            (When::Ago(ago), None) => {
                let (session, since) = away_session(played.sheet().setup(), court, now);
                wall.begun(session, since);
                away = Some(session);
                (session, MediaTime::ZERO.plus(since).minus(ago))
            }
        };
        let mut utc_ns = utc_ns(wall, court, session, reached);
        let mut said_ns = None;
        if let When::Ago(ago) = self.when {
            let ago = i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX);
            let by_ago = now.as_nanos().saturating_sub(ago);
            // After the end nothing is shot: what is added then was not later than that.
            let since_end = played.sheet().ended_ns().map(|end| utc_ns.unwrap_or(by_ago) - end);
            if let Some(late) = since_end.and_then(|late| u64::try_from(late).ok()) {
                reached = reached.minus(Duration::from_nanos(late));
                utc_ns = played.sheet().ended_ns();
            }
            utc_ns = utc_ns.or(Some(by_ago));
            // A time before the boot is known as that of the boot: what was said counts too.
            said_ns = Some(by_ago);
        }
        let start_ns = played.sheet().setup().start_utc_ns;
        let is_early = |ns: i64| ns.saturating_add(STARTED_LATE_NS) < start_ns;
        let early = utc_ns.is_some_and(is_early) || said_ns.is_some_and(is_early);
        if early {
            let most_s = now.as_nanos().saturating_sub(start_ns) / 1_000_000_000;
            return Err(SheetRefused::BeforeGame { most_s }.into());
        }
        let decided = match playing {
            Some((now, at)) if now == session => at.max(reached),
            Some(_) | None => reached,
        };
        let in_game = Some(self.in_game(played, court, utc_ns));
        let added = Added {
            session,
            rim: self.rim.0,
            reached_ns: reached.as_nanos(),
            decided_ns: decided.as_nanos(),
            standing: self.verdict.into(),
            in_game,
            by: By::Operator,
            reason: self.reason,
            who: self.who,
        };
        Ok((added, away))
    }

    fn in_game(&self, played: &Played, court: &CourtId, utc_ns: Option<i64>) -> InGame {
        let mut in_game = played.ordinary(court, self.rim, utc_ns);
        // Who names a player has named the team.
        let of_player = || played.sheet().setup().team_of(self.player.as_ref()?).cloned();
        let team = self.team.clone().or_else(|| match in_game.team {
            None => of_player(),
            Some(_) => None,
        });
        let said = Correction {
            points: self.points,
            team,
            player: self.player.clone(),
            ..Correction::nothing(self.who.clone())
        };
        in_game.say(&said);
        in_game
    }
}
