//! Games that are started, ended and tapped on, for HTTP and for commands: what either asks goes through here.
//!
//! Answered once it is on disk. What waits for a game's lock or for room in the outbox does so on a thread of
//! its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::app::book::CourtBook;
use crate::app::court::CourtParts;
use crate::app::world::World;
use crate::clips::{self, GameTime};
use crate::clock::{Anchors, within};
use crate::event::game::{GameView, Team};
use crate::event::play::{
    GameEnded, GameLine, GamePeriodArguments, GameStartArguments, RimAttacked, RulesLine,
    ShotAddArguments, ShotCorrectArguments, ShotTold, ShotUndoArguments,
};
use crate::event::words::{EndWord, GameWord, GraphicWord, SocialWord, VerdictWord};
use crate::event::{By, Decision, FactId};
use crate::game::book;
use crate::game::calibrate::Verdict;
use crate::game::games;
use crate::game::input::{Correction, Undo};
use crate::game::player::ToGame;
use crate::game::rulebook::Rulebook;
use crate::game::rules::Rules;
use crate::game::sheet::{Attacked, Attacks, Setup, SheetInput};
use crate::game::table::{Changed, Table, TableRefused};
use crate::game::tap::{Add, Tap, TapRefused, Tapped, When, utc_ns};
use crate::mailbox::Mailbox;
use crate::media::{CourtId, Foreign, GameId, MediaTime, RimId, SessionId, TeamId, UtcTime};
use crate::uplink::Failed;

/// So long somebody waits until a tap is on disk; below what a browser waits for.
const WAIT: Duration = Duration::from_secs(5);

/// The desk. Clones are the same one.
#[derive(Clone)]
pub(crate) struct GameDesk {
    pub(crate) world: World,
    pub(crate) book: CourtBook,
    pub(crate) table: Arc<Table>,
    pub(crate) outlet: Mailbox<Decision>,
    pub(crate) anchors: Anchors,
    pub(crate) rules: Rulebook,
    /// Of a game for which nobody names any.
    pub(crate) usual_rules: String,
}

impl std::fmt::Debug for GameDesk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GameDesk")
    }
}

impl clips::Games for Table {
    fn game(&self, id: &str) -> Option<GameTime> {
        self.records().into_iter().find(|game| game.id.as_str() == id).map(|game| GameTime {
            courts: game.courts,
            from: UtcTime::from_nanos(game.start_ns),
            to: game.end_ns.map(UtcTime::from_nanos),
        })
    }

    fn at(&self, court: &CourtId, utc: UtcTime) -> Option<GameId> {
        let then = utc.as_nanos();
        let played = |game: &games::GameRecord| {
            game.courts.contains(court)
                && game.start_ns <= then
                && game.end_ns.is_none_or(|end| then <= end)
        };
        self.records().into_iter().rfind(played).map(|game| game.id)
    }
}

impl GameDesk {
    /// All games on record, oldest first.
    pub(crate) fn list(&self) -> Vec<GameLine> {
        self.table.records().into_iter().map(|record| self.line(record)).collect()
    }

    fn line(&self, record: games::GameRecord) -> GameLine {
        let rules = self.table.of(&record.id);
        let rules = rules.map(|played| played.lock().sheet().setup().rules.name.clone());
        let time = |ns| UtcTime::from_nanos(ns).to_rfc3339();
        GameLine {
            state: if record.end_ns.is_some() { GameWord::Over } else { GameWord::Running },
            rules,
            start: time(record.start_ns),
            end: record.end_ns.map(time),
            id: record.id,
            courts: record.courts,
        }
    }

    /// A game as it stands.
    pub(crate) fn view(&self, game: &GameId) -> Result<GameView, Failed> {
        let none = || self.table.without_sheet(game);
        let played = self.table.of(game).ok_or_else(none).map_err(|error| not_taken(&error))?;
        let played = played.lock();
        Ok(played.sheet().view())
    }

    /// Starts a game.
    pub(crate) async fn start(&self, asked: GameStartArguments) -> Result<GameView, Failed> {
        let at = self.world.clock.utc();
        let setup = self.setup(asked, at)?;
        self.anchors.begun(setup.session, Duration::ZERO);
        let (table, outlet) = (Arc::clone(&self.table), self.outlet.clone());
        self.durable(move || table.start(setup, at, &outlet)).await
    }

    /// Ends a game. Of one that cannot be read the record alone ends, and that is said.
    pub(crate) async fn end(&self, game: GameId) -> Result<GameEnded, Failed> {
        let ended = self.end_whole(game.clone()).await;
        match ended {
            Err(failed) if failed.code == UNREAD => {
                let (table, outlet) = (Arc::clone(&self.table), self.outlet.clone());
                let at = self.world.clock.utc();
                let ended =
                    tokio::task::spawn_blocking(move || table.end_record(&game, at, &outlet)).await;
                let ended = ended.map_err(|error| Failed::new("failed", error))?;
                let (record, durable) = ended.map_err(|error| not_taken(&error))?;
                self.kept(durable).await?;
                Ok(GameEnded::Record { record: self.line(record), gone: failed.reason })
            }
            ended => ended.map(|view| GameEnded::Whole(Box::new(view))),
        }
    }

    async fn end_whole(&self, game: GameId) -> Result<GameView, Failed> {
        let at = self.world.clock.utc();
        let (table, outlet) = (Arc::clone(&self.table), self.outlet.clone());
        self.durable(move || {
            // That the points ended it follows from the shots.
            let input = SheetInput::Ended { why: EndWord::Operator, utc_ns: at.as_nanos() };
            table.end(&game, &input, at, &outlet)
        })
        .await
    }

    /// A period begins.
    pub(crate) async fn period(&self, asked: GamePeriodArguments) -> Result<GameView, Failed> {
        let GamePeriodArguments { game, n, swapped, ago_s, at } = asked;
        let arguments = |what: &str| Failed::new("arguments", what);
        let game = game.ok_or_else(|| arguments("name a game"))?;
        let utc_ns = self.world.clock.utc().as_nanos();
        let began_ns = match (ago_s, at) {
            (None, None) => None,
            (Some(ago), None) if (0.0..MOST_SECONDS).contains(&ago) => {
                Some(utc_ns - millis(ago) * 1_000_000)
            }
            (None, Some(at)) => {
                let at = UtcTime::from_rfc3339(&at);
                let wrong = || arguments("`at` is a time as RFC 3339 has it");
                Some(at.ok_or_else(wrong)?.as_nanos())
            }
            _ => return Err(arguments("say `ago_s`, without a sign, or `at`, or neither")),
        };
        let input = SheetInput::Period { n, swapped, utc_ns, began_ns };
        let view = self.tap_game(game.clone(), input).await?;
        let mut follows = false;
        for court in &view.told.courts {
            follows |= self.sided(court, &game).await?;
        }
        if follows { self.view(&game) } else { Ok(view) }
    }

    /// Shots of a court follow the sides of a period that began at another time; `true` if there were any.
    async fn sided(&self, court: &CourtId, game: &GameId) -> Result<bool, Failed> {
        // Of a court that is gone nothing is told any more.
        let Some(parts) = self.book.get(court) else { return Ok(false) };
        let behind = "the period is moved, its court is behind: ask again";
        match self.ask(&parts, |waits| ToGame::Sided(game.clone(), waits), behind).await? {
            Some(durable) => self.kept(durable).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// The operator does something with a graphic.
    pub(crate) async fn graphic(
        &self,
        game: GameId,
        (fact, word): (FactId, GraphicWord),
        who: Option<String>,
    ) -> Result<GameView, Failed> {
        let utc_ns = Some(self.world.clock.utc().as_nanos());
        self.tap_game(game, SheetInput::Graphic { fact, word, who, utc_ns }).await
    }

    /// The operator does something with a candidate for social media.
    pub(crate) async fn social(
        &self,
        game: GameId,
        (fact, word, caption): (FactId, SocialWord, Option<String>),
        who: Option<String>,
    ) -> Result<GameView, Failed> {
        self.tap_game(game, SheetInput::Social { fact, word, caption, who }).await
    }

    async fn tap_game(&self, game: GameId, input: SheetInput) -> Result<GameView, Failed> {
        let (table, outlet) = (Arc::clone(&self.table), self.outlet.clone());
        self.durable(move || table.tap(&game, input, &outlet)).await
    }

    /// A shot was otherwise.
    pub(crate) async fn correct(&self, asked: ShotCorrectArguments) -> Result<ShotTold, Failed> {
        let ShotCorrectArguments { fact, verdict, points, team, player, reason, who } = asked;
        let fact = fact.ok_or_else(|| Failed::new("arguments", "name a shot: its `fact`"))?;
        let what = verdict.map(known).transpose()?;
        let reason = reason.unwrap_or_else(|| "corrected".to_owned());
        let by = By::Operator;
        let correction = Correction { fact, what, points, team, player, by, reason, who };
        self.tapped(Tap::Correct(correction)).await
    }

    /// The last correction of a shot, or of a game, is taken back.
    pub(crate) async fn undo(&self, asked: ShotUndoArguments) -> Result<ShotTold, Failed> {
        let ShotUndoArguments { fact, game, who } = asked;
        let undo = |fact| Tap::Undo(Undo { fact, by: By::Operator, who: who.clone() });
        match (fact, game) {
            (Some(fact), _) => self.tapped(undo(fact)).await,
            (None, Some(game)) => {
                let none = || self.table.without_sheet(&game);
                let played = self.table.of(&game).ok_or_else(none);
                let played = played.map_err(|error| not_taken(&error))?;
                let corrected = played.lock().sheet().corrected().to_vec();
                let mut tried = BTreeSet::new();
                for fact in corrected.into_iter().rev().filter(|fact| tried.insert(*fact)) {
                    match self.tapped(undo(fact)).await {
                        // Its own undo was tapped meanwhile, or its court forgot what was before.
                        Err(failed) if failed.code == NOTHING_TO_UNDO => {}
                        done => return done,
                    }
                }
                Err(Failed::new("refused", "nothing of this game is left to undo"))
            }
            (None, None) => Err(Failed::new("arguments", "name a shot or a game")),
        }
    }

    /// There was a shot that no model saw.
    pub(crate) async fn add(&self, asked: ShotAddArguments) -> Result<ShotTold, Failed> {
        let arguments = |what: &str| Failed::new("arguments", what);
        let game = asked.game.clone().ok_or_else(|| arguments("name a game"))?;
        let seconds = |of: f64| {
            let fits = of.is_finite() && of.abs() < MOST_SECONDS;
            fits.then_some(of).ok_or_else(|| arguments("that is no time of a stream"))
        };
        let when = match (asked.ago_s, asked.session.as_deref(), asked.t_stream) {
            (Some(ago), None, None) => When::Ago(
                Duration::try_from_secs_f64(seconds(ago)?)
                    .map_err(|_| arguments("`ago_s` counts back: write it without a sign"))?,
            ),
            (None, Some(session), Some(at)) => {
                let session = SessionId::parse(session);
                let session =
                    session.ok_or_else(|| arguments("a session is 16 hexadecimal digits"))?;
                When::At(session, MediaTime::from_millis(millis(seconds(at)?)))
            }
            _ => return Err(arguments("say `ago_s`, or `session` and `t_stream`")),
        };
        let (court, rim) = self.place(&game, &asked, when)?;
        let add = Add {
            game,
            rim,
            verdict: known(asked.verdict)?,
            when,
            points: asked.points,
            team: asked.team,
            player: asked.player,
            reason: asked.reason.unwrap_or_else(|| "added".to_owned()),
            who: asked.who,
        };
        let parts = self
            .book
            .get(&court)
            .ok_or_else(|| Failed::new("unknown", format_args!("no court `{court}` plays here")))?;
        let told = self.tap(&parts, Tap::Add(add)).await?.map_err(|error| tap_refused(&error))?;
        self.on_disk(told).await
    }

    /// Where a shot was that somebody adds: what is not said follows from whose it is and when, or there is one.
    fn place(
        &self,
        game: &GameId,
        asked: &ShotAddArguments,
        when: When,
    ) -> Result<(CourtId, RimId), Failed> {
        if let (Some(court), Some(rim)) = (&asked.court, asked.rim) {
            return Ok((court.clone(), RimId(rim)));
        }
        let none = || self.table.without_sheet(game);
        let played = self.table.of(game).ok_or_else(none).map_err(|error| not_taken(&error))?;
        let played = played.lock();
        let (sheet, setup) = (played.sheet(), played.sheet().setup());
        let utc_ns = match when {
            When::Ago(ago) => {
                let ago = i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX);
                Some(self.world.clock.utc().as_nanos().saturating_sub(ago))
            }
            When::At(session, at) => {
                let courts = asked.court.as_slice().iter().chain(&setup.courts);
                let times = courts.map(|court| utc_ns(&self.anchors, court, session, at));
                times.flatten().next()
            }
        };
        let of_player = || setup.team_of(asked.player.as_ref()?);
        let team = asked.team.as_ref().or_else(of_player);
        let attacked = team.and_then(|team| sheet.attacked(team, asked.court.as_ref(), utc_ns));
        let arguments = |what: &str| Failed::new("arguments", what);
        if let Some((court, rim)) = attacked {
            if utc_ns.is_none() {
                return Err(arguments(
                    "say `court` and `rim`: the time of day of that moment is not known, so nobody knows which basket \
                     was whose",
                ));
            }
            return Ok((court, asked.rim.map_or(rim, RimId)));
        }
        let court = match (&asked.court, setup.courts.as_slice()) {
            (Some(court), _) => court.clone(),
            (None, [only]) => only.clone(),
            _ => return Err(arguments("say `court` and `rim`: the game has several courts")),
        };
        let rims = self.book.get(&court).map_or(0, |parts| parts.rims.len());
        match (asked.rim, rims) {
            (Some(rim), _) => Ok((court, RimId(rim))),
            (None, 0 | 1) => Ok((court, RimId(0))),
            _ => Err(arguments("say `rim`: the court has several, and no team has one of its own")),
        }
    }

    /// Asks the courts, one after the other, until one knows the shot.
    async fn tapped(&self, tap: Tap) -> Result<ShotTold, Failed> {
        let mut unknown = Failed::new("unknown", "no such shot is known here");
        for listed in self.book.all() {
            match self.tap(&listed.parts, tap.clone()).await? {
                Ok(told) => return self.on_disk(told).await,
                Err(error @ TapRefused::Book(book::Refused::Unknown { .. })) => {
                    unknown = tap_refused(&error);
                }
                Err(error) => return Err(tap_refused(&error)),
            }
        }
        Err(unknown)
    }

    async fn tap(
        &self,
        parts: &CourtParts,
        tap: Tap,
    ) -> Result<Result<Tapped, TapRefused>, Failed> {
        let behind = "the game of its court is behind: ask again";
        self.ask(parts, |waits| ToGame::Tap(tap, waits), behind).await
    }

    /// Asks a court's thread, and waits for what it says.
    async fn ask<T>(
        &self,
        parts: &CourtParts,
        asked: impl FnOnce(oneshot::Sender<T>) -> ToGame,
        behind: &str,
    ) -> Result<T, Failed> {
        let (waits, told) = oneshot::channel();
        let behind = || Failed::new("busy", behind);
        parts.answers.try_offer(asked(waits)).map_err(|_| behind())?;
        match within(&*self.world.clock, WAIT, told).await {
            Some(Ok(told)) => Ok(told),
            // Let go on its way, for want of room; or the outbox is full.
            Some(Err(_)) | None => Err(behind()),
        }
    }

    async fn on_disk(&self, tapped: Tapped) -> Result<ShotTold, Failed> {
        let Tapped { fact, revision, durable } = tapped;
        if let Some(durable) = durable {
            self.kept(durable).await?;
        }
        Ok(ShotTold { fact: fact.to_string(), revision })
    }

    /// Changes a game on a thread that may wait, and waits until that is on disk.
    async fn durable(
        &self,
        change: impl FnOnce() -> Result<Changed, TableRefused> + Send + 'static,
    ) -> Result<GameView, Failed> {
        let changed = tokio::task::spawn_blocking(change).await;
        let changed = changed.map_err(|error| Failed::new("failed", error))?;
        let (view, durable) = changed.map_err(|error| not_taken(&error))?;
        self.kept(durable).await?;
        Ok(view)
    }

    async fn kept(&self, durable: oneshot::Receiver<()>) -> Result<(), Failed> {
        match within(&*self.world.clock, WAIT, durable).await {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => {
                Err(Failed::new("busy", "it could not be kept in time: look before you ask again"))
            }
        }
    }

    /// A game as it is asked for, with all that has a default.
    fn setup(&self, asked: GameStartArguments, at: UtcTime) -> Result<Setup, Failed> {
        let GameStartArguments { id, rules, teams, courts, attacks, players } = asked;
        let courts = if courts.is_empty() {
            let mut all = self.book.all().into_iter().map(|listed| listed.parts.name.clone());
            match (all.next(), all.next()) {
                (Some(only), None) => vec![only],
                _ => return Err(Failed::new("arguments", "name the courts: the box has several")),
            }
        } else {
            courts
        };
        for court in &courts {
            if self.book.get(court).is_none() {
                return Err(Failed::new("unknown", format_args!("no court `{court}` plays here")));
            }
        }
        for RimAttacked { court, rim, .. } in &attacks {
            let rims = self.book.get(court).map_or(0, |parts| parts.rims.len());
            if courts.contains(court) && usize::from(*rim) >= rims {
                return Err(Failed::new(
                    "arguments",
                    format_args!("court `{court}` has no rim {rim}: it has {rims}, counted from 0"),
                ));
            }
        }
        let attacked = |RimAttacked { court, rim, team }| Attacked { court, rim, team };
        let session = SessionId::from_bits(self.world.chance.next(&*self.world.clock));
        Ok(Setup {
            id: id.map_or_else(|| self.name(at), Ok)?,
            session,
            rules: self.rules(rules.as_deref().unwrap_or(&self.usual_rules))?,
            teams: teams.map_or_else(usual_teams, Ok)?,
            courts,
            attacks: Attacks(attacks.into_iter().map(attacked).collect()),
            players,
            start_utc_ns: at.as_nanos(),
        })
    }

    /// The date and the time, and a number where two begin in one second.
    fn name(&self, at: UtcTime) -> Result<GameId, Failed> {
        let text = at.to_rfc3339();
        let digits: String = text.chars().take(19).filter(char::is_ascii_digit).collect();
        let (day, time) = digits.split_at_checked(8).unwrap_or((&digits, ""));
        let known = self.table.records();
        let names = (1..100).map(|n| match n {
            1 => format!("g-{day}-{time}"),
            n => format!("g-{day}-{time}-{n}"),
        });
        let mut free = names.filter(|name| known.iter().all(|game| game.id.as_str() != name));
        let name = free.next().and_then(|name| GameId::new(&name).ok());
        name.ok_or_else(|| Failed::new("arguments", "give the game an `id`"))
    }

    /// Rules of ours, or a file of the venue's.
    fn rules(&self, name: &str) -> Result<Rules, Failed> {
        let found = self.rules.find(name, &*self.world.disk);
        found.map_err(|error| Failed::new("rules", error.in_one_line()))
    }

    /// What a game can be started with, the usual ones first. Reads files on the caller's thread.
    pub(crate) fn all_rules(&self) -> Vec<RulesLine> {
        let (mut lines, faults) = self.rules.all(&*self.world.disk);
        lines.sort_by_key(|line| line.name != self.usual_rules);
        for error in faults {
            let error = error.in_one_line();
            tracing::warn!(%error, "rules of the venue that no game can be started with");
        }
        lines
    }

    /// A start goes on: what games tell before a picture has come has its time again.
    pub(crate) fn go_on(&self) {
        let now = self.world.clock.utc();
        for record in self.table.records() {
            let Some(played) = self.table.of(&record.id) else { continue };
            let ago = now.nanos_since(UtcTime::from_nanos(record.start_ns));
            // A clock that is not set yet, or went back, knows nothing of it.
            let Ok(ago) = u64::try_from(ago) else { continue };
            if self.anchors.plausible() {
                self.anchors.begun(played.lock().sheet().session(), Duration::from_nanos(ago));
            }
        }
    }

    /// Says at the start what is wrong with rules: a game that needs them is refused with the same words.
    pub(crate) fn look_at_rules(&self) {
        if let Err(error) = self.rules.find(&self.usual_rules, &*self.world.disk) {
            let error = error.in_one_line();
            tracing::error!(%error, "the rules that `[game] rules` names: games are refused until they are there");
        }
        self.all_rules();
    }
}

/// Ten years of a stream: no timestamp is further.
const MOST_SECONDS: f64 = 3.2e8;

#[expect(clippy::cast_possible_truncation, reason = "seconds were bounded before")]
fn millis(seconds: f64) -> i64 {
    (seconds * 1e3).round() as i64
}

fn usual_teams() -> Result<[Team; 2], Failed> {
    let team = |name: &str| {
        let id = TeamId::new(name).map_err(|error| Failed::new("arguments", error))?;
        Ok(Team { id, name: None, color: None })
    };
    Ok([team("home")?, team("away")?])
}

fn known(word: VerdictWord) -> Result<Verdict, Failed> {
    let wrong = || Failed::new("arguments", "a verdict is made, missed or none");
    Verdict::of(word).ok_or_else(wrong)
}

/// A code of its own: "undo" of a game goes on to the one before.
const NOTHING_TO_UNDO: &str = "nothing_to_undo";

fn tap_refused(error: &TapRefused) -> Failed {
    let code = match error {
        TapRefused::Book(book::Refused::Unknown { .. }) | TapRefused::NoGame { .. } => "unknown",
        TapRefused::Book(book::Refused::NothingToUndo { .. }) => NOTHING_TO_UNDO,
        TapRefused::Book(
            book::Refused::Nothing { .. }
            | book::Refused::Reason
            | book::Refused::Who
            | book::Refused::Points
            | book::Refused::NotAdded,
        ) => "arguments",
        TapRefused::Ending => "busy",
        _ => "refused",
    };
    Failed::new(code, Foreign::error(error))
}

/// A code of its own: such a game can be ended all the same.
const UNREAD: &str = "unread";

fn not_taken(error: &TableRefused) -> Failed {
    let code = match error {
        TableRefused::Unknown { .. } | TableRefused::Record(games::Refused::Unknown { .. }) => {
            "unknown"
        }
        TableRefused::Unread { .. } => UNREAD,
        TableRefused::Ending => "busy",
        TableRefused::Record(_) | TableRefused::Sheet(_) => "refused",
    };
    Failed::new(code, Foreign::error(error))
}
