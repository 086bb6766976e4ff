//! A court's game as a fold: inputs in, facts out. Pure; the same inputs give the same facts.
//!
//! Three layers, each a function of the facts below it: `shot` (what models called, as it was
//! corrected), `highlight` (of a shot that was made), `score` (of all shots so far). An input revises
//! what it is about and, in the same step, all that stands on it: a correction of a shot its highlight
//! and every score from that shot on, in the order of the shots, so the last score told is the
//! score now. Numbers are counted per family and session and live here alone.
//!
//! A shot of a game that was started says what that game makes of it (`InGame`): points, team, player.
//! Its highlight is the game's business, not this fold's (`sheet`).
//!
//! The last [`CORRECTABLE`] shots can be corrected; of those before only their sum is kept.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::event::{By, Event, FactId, Family, Saying, Score, Withdrawal};
use crate::game::calibrate::Verdict;
use crate::game::highlight;
use crate::game::input::{ADDED_BY, Added, Called, Correction, InGame, Input, Standing, Undo};
use crate::game::people;
use crate::game::said::{Said, corrected, said_well, same};
use crate::game::score;
use crate::game::sheet::ShotNews;
use crate::game::shot;
use crate::media::{CourtId, GameId, RimId, SessionId, TeamId};

pub use crate::game::said::{CORRECTABLE, POINTS_MOST, Refused};

/// Corrections of a shot that can be taken back, one after the other (chosen: more than two people who
/// do not agree make of one shot).
const UNDOABLE: usize = 8;
/// Why what a crash or an update left open is taken back.
const RESTART: &str = "restart";

/// The state of a court's game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Book {
    court: CourtId,
    rims: usize,
    /// What all shots that can no longer be corrected came to.
    before: Score,
    /// Those that can be, in the order of their finals.
    shots: VecDeque<Shot>,
    /// First words without a last one, in order.
    open: Vec<Open>,
    /// Sessions whose facts may still get company, in the order of their first.
    sessions: Vec<Counted>,
    /// The last score that was told.
    told: Option<Score>,
}

/// The last numbers given in a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Counted {
    session: SessionId,
    last: BTreeMap<Family, u32>,
}

/// A shot without a last word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Open {
    fact: FactId,
    attempt: u32,
    called: Called,
}

/// A shot with one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Shot {
    fact: FactId,
    revision: u32,
    attempt: u32,
    /// What its model said.
    called: Called,
    #[serde(flatten)]
    said: Said,
    /// What was said before each correction, the last one last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<Said>,
    score: Option<Upper>,
    highlight: Option<Upper>,
}

/// A fact that stands on a shot, as it was told last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Upper {
    fact: FactId,
    revision: u32,
    /// False once it was taken back.
    stands: bool,
}

impl Shot {
    fn told<'a>(&'a self, court: &'a CourtId) -> shot::ShotFact<'a> {
        let Self { fact, revision, attempt, .. } = *self;
        let in_game = self.said.in_game.as_ref();
        shot::ShotFact { court, fact, revision, attempt, called: &self.called, in_game }
    }

    /// Its event, as it stands now.
    fn event(&self, court: &CourtId) -> Event {
        let Said { stands, reason, .. } = &self.said;
        match self.said.word() {
            None if *stands == Standing::NoShot => {
                self.told(court).withdrawn(reason.as_deref().unwrap_or_default(), None)
            }
            word => self.told(court).standing(*stands, word),
        }
    }

    /// Its last word becomes another one; what was said before can be had back.
    fn say(&mut self, said: Said) {
        self.earlier.push(std::mem::replace(&mut self.said, said));
        if self.earlier.len() > UNDOABLE {
            self.earlier.remove(0);
        }
    }
}

impl Open {
    fn told<'a>(&'a self, court: &'a CourtId, revision: u32) -> shot::ShotFact<'a> {
        let Self { fact, attempt, .. } = *self;
        let in_game = self.called.in_game.as_ref();
        shot::ShotFact { court, fact, revision, attempt, called: &self.called, in_game }
    }
}

impl Book {
    /// A game of `rims` rims that begins now.
    #[must_use]
    pub fn new(court: CourtId, rims: usize) -> Self {
        Self {
            court,
            rims,
            before: score::of_rims(Score::default(), rims),
            shots: VecDeque::new(),
            open: Vec::new(),
            sessions: Vec::new(),
            told: None,
        }
    }

    /// A game that goes on from a score alone.
    #[must_use]
    pub fn with_score(court: CourtId, rims: usize, told: Option<Score>) -> Self {
        let mut book = Self::new(court, rims);
        if let Some(score) = &told {
            book.before = score::of_rims(Score { after: None, ..score.clone() }, rims);
        }
        Self { told, ..book }
    }

    /// The last score that was told.
    #[must_use]
    pub const fn told(&self) -> Option<&Score> {
        self.told.as_ref()
    }

    /// True if the fact is a shot that can be corrected, is open, or stands on such a shot.
    #[must_use]
    pub fn knows(&self, fact: FactId) -> bool {
        let upper = |upper: &Option<Upper>| upper.as_ref().is_some_and(|upper| upper.fact == fact);
        self.open.iter().any(|open| open.fact == fact)
            || self
                .shots
                .iter()
                .any(|shot| shot.fact == fact || upper(&shot.score) || upper(&shot.highlight))
    }

    /// Takes an input in: returns what follows from it, in the order in which it must be told.
    ///
    /// Total: what does not fit (a correction that would be refused, a last word to nothing) changes
    /// nothing.
    pub fn apply(&mut self, input: &Input) -> Vec<Event> {
        match input {
            Input::Started { rims } => self.started(*rims),
            Input::Provisional(called) => self.provisional(called),
            Input::Final(called) => self.last_word(called),
            Input::TakenBack { session, rim, reason } => {
                let open = self.take_open(*session, *rim);
                self.taken_back(open.into_iter().collect(), reason)
            }
            Input::StreamEnded { .. } | Input::Verdict { .. } => Vec::new(),
            Input::Corrected(correction) => self.corrected(correction),
            Input::Undone(undo) => self.undone(undo),
            Input::Added(added) => self.added(added),
            Input::Sided { fact, team } => self.sided(*fact, team),
        }
    }

    /// True of a final shot whose team is another than this, and was said by the rules alone.
    #[must_use]
    pub fn is_sided(&self, fact: FactId, team: &TeamId) -> bool {
        let in_game = self.in_game(fact).filter(|game| game.by_side());
        in_game.is_some_and(|game| game.team.as_ref() != Some(team))
    }

    /// Says of a correction whether it can be: `true` if it would change anything.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, correction: &Correction) -> Result<bool, Refused> {
        let Some(shot) = self.shots.get(self.correctable(correction)?) else { return Ok(false) };
        let now = corrected(&shot.said, correction);
        Ok(!same(&shot.said, &now) || shot.said.by != Some(correction.by))
    }

    /// Says of an undoing whether it can be.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check_undo(&self, undo: &Undo) -> Result<(), Refused> {
        self.undoable(undo).map(drop)
    }

    /// Says of a shot that is to be added whether it can be. `playing`: the session that plays now.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check_added(&self, added: &Added, playing: Option<SessionId>) -> Result<(), Refused> {
        let Added { session, rim, .. } = *added;
        said_well(Some(&added.reason), added.who.as_deref())?;
        if usize::from(rim) >= self.rims {
            return Err(Refused::Rim { rim });
        }
        if !added.standing.counts() {
            return Err(Refused::NotAdded);
        }
        if added.in_game.as_ref().is_some_and(|game| !(1..=POINTS_MOST).contains(&game.points)) {
            return Err(Refused::Points);
        }
        // Its numbers are gone: a new fact would get the name of an old one.
        let counted = self.sessions.iter().any(|counted| counted.session == session);
        if counted || playing == Some(session) { Ok(()) } else { Err(Refused::Session { session }) }
    }

    /// What the game that was started makes of a final shot.
    #[must_use]
    pub fn in_game(&self, fact: FactId) -> Option<&InGame> {
        self.final_shot(fact)?.said.in_game.as_ref()
    }

    /// The last revision of a final shot.
    #[must_use]
    pub fn revision(&self, fact: FactId) -> Option<u32> {
        self.final_shot(fact).map(|shot| shot.revision)
    }

    /// What the game that was started is told of a final shot. `utc_ns`: when it was, if that is known.
    #[must_use]
    pub fn news(&self, fact: FactId, utc_ns: Option<i64>) -> Option<(GameId, ShotNews)> {
        let Shot { revision, attempt, called, said, .. } = self.final_shot(fact)?;
        let in_game = said.in_game.as_ref()?;
        let news = ShotNews {
            court: self.court.clone(),
            session: called.session,
            fact,
            revision: *revision,
            attempt: *attempt,
            rim: called.rim,
            at_ns: called.reached_ns,
            utc_ns,
            standing: said.stands,
            points: in_game.points,
            points_by: in_game.points_by,
            team: in_game.team.clone(),
            player: in_game.player.clone(),
            by: said.by,
            who: said.who.clone(),
            reason: said.reason.clone(),
            confidence: called.confidence,
            undone: false,
        };
        Some((in_game.game.clone(), news))
    }

    /// What people said of a final shot, where some of that stands.
    #[must_use]
    pub fn people(&self, fact: FactId) -> Option<people::Said> {
        let Shot { fact, called, said, .. } = self.final_shot(fact)?;
        if said.by != Some(By::Operator) {
            return None;
        }
        let added = called.model.bundle == ADDED_BY;
        // Taken back, it is no shot that anybody saw.
        if added && said.stands == Standing::NoShot {
            return None;
        }
        let outcome = match said.stands {
            Standing::Made => Some(Verdict::Made),
            Standing::Missed => Some(Verdict::Missed),
            Standing::NoShot => Some(Verdict::None),
            Standing::Unsure => None,
        };
        // Who says otherwise of points or team alone need not have looked whether it went in.
        let looked = said.stands != called.standing || said.in_game == called.in_game || added;
        let in_game = said
            .in_game
            .as_ref()
            .map(|game| (game.game.clone(), game.points, game.team.clone(), game.player.clone()));
        Some(people::Said {
            fact: *fact,
            session: called.session,
            rim: RimId(called.rim),
            reached: called.reached(),
            outcome: outcome.filter(|_| looked),
            added,
            in_game,
            who: said.who.clone(),
        })
    }

    /// The shots that can be corrected, oldest first.
    pub fn shots(&self) -> impl Iterator<Item = FactId> {
        self.shots.iter().map(|shot| shot.fact)
    }

    fn final_shot(&self, fact: FactId) -> Option<&Shot> {
        self.shots.iter().find(|shot| shot.fact == fact)
    }

    fn correctable(&self, correction: &Correction) -> Result<usize, Refused> {
        let Correction { fact, what, points, team, player, by, reason, who } = correction;
        let fact = *fact;
        let index = self.find(fact)?;
        said_well(Some(reason), who.as_deref())?;
        let of_a_game = points.is_some() || team.is_some() || player.is_some();
        if what.is_none() && !of_a_game {
            return Err(Refused::Nothing { fact });
        }
        if points.is_some_and(|points| !(1..=POINTS_MOST).contains(&points)) {
            return Err(Refused::Points);
        }
        let Some(said) = self.shots.get(index).map(|shot| &shot.said) else {
            return Err(Refused::Unknown { fact });
        };
        if of_a_game && said.in_game.is_none() {
            return Err(Refused::NoGame { fact });
        }
        if said.by == Some(By::Operator) && *by != By::Operator {
            return Err(Refused::OperatorSaid { fact });
        }
        Ok(index)
    }

    fn undoable(&self, undo: &Undo) -> Result<usize, Refused> {
        let fact = undo.fact;
        let index = self.find(fact)?;
        said_well(None, undo.who.as_deref())?;
        let Some(shot) = self.shots.get(index) else { return Err(Refused::Unknown { fact }) };
        if shot.said.by == Some(By::Operator) && undo.by != By::Operator {
            return Err(Refused::OperatorSaid { fact });
        }
        if shot.earlier.is_empty() {
            return Err(Refused::NothingToUndo { fact });
        }
        Ok(index)
    }

    /// A final shot that is not too old.
    fn find(&self, fact: FactId) -> Result<usize, Refused> {
        if fact.family.is_some_and(|family| family != Family::Shot) {
            return Err(Refused::NotAShot { fact });
        }
        if self.open.iter().any(|open| open.fact == fact) {
            return Err(Refused::NotFinal { fact });
        }
        let Some(index) = self.shots.iter().position(|shot| shot.fact == fact) else {
            let counted = self.sessions.iter().find(|counted| counted.session == fact.session);
            let last = counted.and_then(|counted| counted.last.get(&Family::Shot).copied());
            let given =
                fact.family.is_some() && last.is_some_and(|last| (1..=last).contains(&fact.n));
            return Err(if given { Refused::TooOld { fact } } else { Refused::Unknown { fact } });
        };
        Ok(index)
    }

    fn started(&mut self, rims: usize) -> Vec<Event> {
        self.rims = rims;
        self.before = score::of_rims(std::mem::take(&mut self.before), rims);
        let open = std::mem::take(&mut self.open);
        self.taken_back(open, RESTART)
    }

    fn provisional(&mut self, called: &Called) -> Vec<Event> {
        let n = self.number(called.session, Family::Shot);
        let fact = FactId::new(called.session, Family::Shot, n);
        let open = Open { fact, attempt: n, called: called.clone() };
        let event = open.told(&self.court, 0).provisional();
        self.open.push(open);
        vec![event]
    }

    fn last_word(&mut self, called: &Called) -> Vec<Event> {
        let mut called = called.clone();
        let (fact, revision, attempt) = match self.take_open(called.session, called.rim) {
            Some(open) => {
                // The game that was played at its first word is the shot's.
                called.in_game = open.called.in_game;
                (open.fact, 1, open.attempt)
            }
            None => {
                let n = self.number(called.session, Family::Shot);
                (FactId::new(called.session, Family::Shot, n), 0, n)
            }
        };
        let said = Said::model(&called);
        let (score, highlight) = (None, None);
        let shot =
            Shot { fact, revision, attempt, called, said, earlier: Vec::new(), score, highlight };
        let event = shot.event(&self.court);
        let mut events = vec![event];
        events.extend(self.settle(shot));
        events
    }

    /// Takes a final shot in: what follows from it.
    fn settle(&mut self, shot: Shot) -> Vec<Event> {
        self.shots.push_back(shot);
        let index = self.shots.len() - 1;
        let mut events: Vec<Event> = self.retell_highlight(index).into_iter().collect();
        events.extend(self.retell_scores(index));
        self.let_go();
        events
    }

    fn taken_back(&mut self, open: Vec<Open>, reason: &str) -> Vec<Event> {
        let mut events = Vec::new();
        for Open { fact, attempt, called } in open {
            let said = Said {
                stands: Standing::NoShot,
                reason: Some(reason.to_owned()),
                ..Said::model(&called)
            };
            let shot = Shot {
                fact,
                revision: 1,
                attempt,
                called,
                said,
                earlier: Vec::new(),
                score: None,
                highlight: None,
            };
            events.push(shot.event(&self.court));
            self.shots.push_back(shot);
        }
        // Only now: the numbers of a session are kept as long as something of it is.
        self.let_go();
        events
    }

    fn take_open(&mut self, session: SessionId, rim: u16) -> Option<Open> {
        let is_it = |open: &Open| (open.called.session, open.called.rim) == (session, rim);
        let index = self.open.iter().position(is_it)?;
        Some(self.open.remove(index))
    }

    fn corrected(&mut self, correction: &Correction) -> Vec<Event> {
        let Ok(index) = self.correctable(correction) else { return Vec::new() };
        let Some(shot) = self.shots.get_mut(index) else { return Vec::new() };
        let now = corrected(&shot.said, correction);
        if same(&shot.said, &now) {
            // Confirmed: no machine says otherwise any more, and nothing is told anew.
            shot.said = now;
            return Vec::new();
        }
        let was = shot.said.stands;
        shot.say(now);
        self.retold(index, was)
    }

    fn undone(&mut self, undo: &Undo) -> Vec<Event> {
        let Ok(index) = self.undoable(undo) else { return Vec::new() };
        let Some(shot) = self.shots.get_mut(index) else { return Vec::new() };
        let Some(before) = shot.earlier.pop() else { return Vec::new() };
        let was = std::mem::replace(&mut shot.said, before).stands;
        let mut events = self.retold(index, was);
        if let Some(event) = events.first_mut() {
            shot::undone(event, undo.who.as_deref());
        }
        events
    }

    /// A shot that nobody saw. Taken back, it is none: that is what stands before it.
    fn added(&mut self, added: &Added) -> Vec<Event> {
        // Where it could not be is not asked here: the log knows no session that plays.
        if self.check_added(added, Some(added.session)).is_err() {
            return Vec::new();
        }
        let n = self.number(added.session, Family::Shot);
        let called = added.called();
        let (by, who) = (Some(added.by), added.who.clone());
        let said = Said { by, who, reason: Some(added.reason.clone()), ..Said::model(&called) };
        let none = Said {
            stands: Standing::NoShot,
            reason: Some(shot::UNDONE.to_owned()),
            ..said.clone()
        };
        let shot = Shot {
            fact: FactId::new(added.session, Family::Shot, n),
            revision: 0,
            attempt: n,
            called,
            said,
            earlier: vec![none],
            score: None,
            highlight: None,
        };
        let mut events = vec![shot.event(&self.court)];
        events.extend(self.settle(shot));
        events
    }

    /// The rim was another team's: of all that was said of the shot, what the rules said of that.
    fn sided(&mut self, fact: FactId, team: &TeamId) -> Vec<Event> {
        if !self.is_sided(fact, team) {
            return Vec::new();
        }
        let Some(index) = self.shots.iter().position(|shot| shot.fact == fact) else {
            return Vec::new();
        };
        let Some(shot) = self.shots.get_mut(index) else { return Vec::new() };
        let said = shot.earlier.iter_mut().chain([&mut shot.said]);
        let in_games = said.map(|said| &mut said.in_game).chain([&mut shot.called.in_game]);
        for game in in_games.flatten().filter(|game| game.by_side()) {
            game.team = Some(team.clone());
        }
        let was = shot.said.stands;
        self.retold(index, was)
    }

    /// A shot is otherwise than it was: what is told of it, and of all that stands on it.
    fn retold(&mut self, index: usize, was: Standing) -> Vec<Event> {
        let Some(shot) = self.shots.get_mut(index) else { return Vec::new() };
        shot.revision += 1;
        let now = shot.said.stands;
        let mut events = vec![shot.event(&self.court)];
        events.extend(self.retell_highlight(index));
        if was != now && (was.counts() || now.counts()) {
            events.extend(self.retell_scores(index));
        }
        events
    }

    /// The highlight of a shot, if it is to be told or to be taken back. A game that was started has its
    /// own.
    fn retell_highlight(&mut self, index: usize) -> Option<Event> {
        let shot = self.shots.get_mut(index)?;
        if shot.said.in_game.is_some() {
            return None;
        }
        let made = shot.said.stands == Standing::Made;
        if made == shot.highlight.as_ref().is_some_and(|upper| upper.stands) {
            return None;
        }
        let upper = match shot.highlight.take() {
            Some(upper) => Upper { revision: upper.revision + 1, stands: made, ..upper },
            None => {
                let n = number(&mut self.sessions, shot.fact.session, Family::Highlight);
                let fact = FactId::new(shot.fact.session, Family::Highlight, n);
                Upper { fact, revision: 0, stands: made }
            }
        };
        let (named, event) = ((upper.fact, upper.revision), shot.event(&self.court));
        shot.highlight = Some(upper);
        Some(if made {
            highlight::of(&event, named)
        } else {
            let Said { by, who, reason, .. } = &shot.said;
            let reason = reason.clone().unwrap_or_default();
            highlight::withdrawn(&event, named, (*by, who.clone(), reason))
        })
    }

    /// The scores from a shot on, that of the shot itself first: a new one, or those revised.
    fn retell_scores(&mut self, from: usize) -> Vec<Event> {
        let mut events = Vec::new();
        let mut total = self.before.clone();
        for (index, shot) in self.shots.iter_mut().enumerate() {
            score::count(&mut total, shot.called.rim, shot.said.stands);
            if index < from {
                continue;
            }
            let upper = match shot.score.take() {
                Some(upper) => Upper { revision: upper.revision + 1, ..upper },
                None if index == from && shot.said.stands.counts() => {
                    let n = number(&mut self.sessions, shot.fact.session, Family::Score);
                    let fact = FactId::new(shot.fact.session, Family::Score, n);
                    Upper { fact, revision: 0, stands: true }
                }
                None => continue,
            };
            let named = (upper.fact, upper.revision);
            shot.score = Some(upper);
            events.push(score::after(&shot.event(&self.court), named, total.clone()));
        }
        if let Some(Saying::Score(score)) = events.last().map(|event| &event.saying) {
            self.told = Some(score.clone());
        }
        events
    }

    /// Lets go what is too old to be corrected, and the numbers of sessions that nothing is left of.
    fn let_go(&mut self) {
        while self.shots.len() > CORRECTABLE
            && let Some(shot) = self.shots.pop_front()
        {
            score::count(&mut self.before, shot.called.rim, shot.said.stands);
        }
        let newest = self.sessions.last().map(|counted| counted.session);
        let (shots, open) = (&self.shots, &self.open);
        self.sessions.retain(|counted| {
            let session = counted.session;
            Some(session) == newest
                || shots.iter().any(|shot| shot.fact.session == session)
                || open.iter().any(|open| open.fact.session == session)
        });
    }

    fn number(&mut self, session: SessionId, family: Family) -> u32 {
        number(&mut self.sessions, session, family)
    }

    /// Closes what records say was left unfinished by a program that kept no log: returns what
    /// follows. `highlight`: the one that was told of it already, with its revision.
    pub(super) fn mend(&mut self, fact: Event, told: Option<(FactId, u32)>) -> Vec<Event> {
        let withdrawn = |saying: fn(Withdrawal) -> Saying, t_stream| Event {
            revision: fact.revision + 1,
            saying: saying(Withdrawal {
                t_stream,
                reason: RESTART.to_owned(),
                by: None,
                who: None,
            }),
            clip: None,
            ..fact.clone()
        };
        match &fact.saying {
            Saying::ShotMade(shot) | Saying::ShotMissed(shot) | Saying::ShotUnsure(shot)
                if shot.provisional =>
            {
                vec![withdrawn(Saying::ShotWithdrawn, shot.t_stream)]
            }
            Saying::Highlight(told) => {
                let clip = highlight::clip_withdrawn(told, fact.at);
                vec![Event { clip, ..withdrawn(Saying::HighlightWithdrawn, told.t_stream) }]
            }
            Saying::ShotMade(_) | Saying::ShotMissed(_) => {
                let Some(called) = Called::behind(&fact) else { return Vec::new() };
                self.settle(Shot {
                    fact: fact.fact,
                    revision: fact.revision,
                    attempt: fact.attempt,
                    said: Said::model(&called),
                    called,
                    earlier: Vec::new(),
                    score: None,
                    highlight: told.map(|(fact, revision)| Upper { fact, revision, stands: true }),
                })
            }
            _ => Vec::new(),
        }
    }
}

/// The next number of a family in a session.
fn number(sessions: &mut Vec<Counted>, session: SessionId, family: Family) -> u32 {
    let index = sessions.iter().position(|counted| counted.session == session);
    let index = index.unwrap_or_else(|| {
        sessions.push(Counted { session, last: BTreeMap::new() });
        sessions.len() - 1
    });
    let Some(counted) = sessions.get_mut(index) else { return 1 };
    let last = counted.last.entry(family).or_default();
    *last += 1;
    *last
}
