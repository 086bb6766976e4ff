//! A court's game as a fold: inputs in, facts out. Pure; the same inputs give the same facts.
//!
//! Three layers, each a function of the facts below it: `shot` (what models called, as it was
//! corrected), `highlight` (of a shot that was made), `score` (of all shots so far). An input revises
//! what it is about and, in the same step, all that stands on it: a correction of a shot its highlight
//! and every score from that shot on, in the order of the shots, so the last score told is the
//! score now. Numbers are counted per family and session and live here alone.
//!
//! The last [`CORRECTABLE`] shots can be corrected; of those before only their sum is kept.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::event::{By, Event, FactId, Family, Saying, Score, Withdrawal};
use crate::game::highlight;
use crate::game::input::{Called, Correction, Input, REASON_MOST, Standing};
use crate::game::score;
use crate::game::shot;
use crate::media::{CourtId, SessionId};

/// Shots of a court that can be corrected (chosen: more than a game has at two rims, so that a
/// game can be put right when it is over). A correction revises at most as many scores.
pub const CORRECTABLE: usize = 200;
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
    stands: Standing,
    /// Who said so, if it was not its model.
    by: Option<By>,
    /// Why it is so, where somebody said.
    reason: Option<String>,
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

/// Why a correction is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum Refused {
    /// Scores and highlights follow from shots.
    #[error("{fact} is no shot: correct the shot that it stands on")]
    NotAShot { fact: FactId },
    /// Its model may still think otherwise.
    #[error("{fact} is not final yet: wait for its final")]
    NotFinal { fact: FactId },
    /// Its sum alone is kept.
    #[error("{fact} is too old: the last {CORRECTABLE} shots of a court can be corrected")]
    TooOld { fact: FactId },
    /// Never told here, or long ago.
    #[error("no shot {fact} is known at this court: see the `fact` of its event")]
    Unknown { fact: FactId },
    /// DESIGN §4.9.
    #[error("a person said how {fact} was: no machine overrules that")]
    OperatorSaid { fact: FactId },
    /// It stands in every event.
    #[error("a reason has 1 to {REASON_MOST} letters")]
    Reason,
}

impl Shot {
    fn told<'a>(&'a self, court: &'a CourtId) -> shot::ShotFact<'a> {
        let Self { fact, revision, attempt, .. } = *self;
        shot::ShotFact { court, fact, revision, attempt, called: &self.called }
    }

    /// Its event, as it stands now.
    fn event(&self, court: &CourtId) -> Event {
        let reason = self.reason.as_deref().unwrap_or_default();
        match self.by {
            None if self.stands == Standing::NoShot => self.told(court).withdrawn(reason, None),
            by => self.told(court).standing(self.stands, by.map(|by| (by, reason))),
        }
    }
}

impl Open {
    fn told<'a>(&'a self, court: &'a CourtId, revision: u32) -> shot::ShotFact<'a> {
        let Self { fact, attempt, .. } = *self;
        shot::ShotFact { court, fact, revision, attempt, called: &self.called }
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
        }
    }

    /// Says of a correction whether it can be: `true` if it would change anything.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, correction: &Correction) -> Result<bool, Refused> {
        let shot = self.shots.get(self.find(correction)?);
        let same =
            |shot: &Shot| shot.stands == correction.what.into() && shot.by == Some(correction.by);
        Ok(!shot.is_some_and(same))
    }

    fn find(&self, correction: &Correction) -> Result<usize, Refused> {
        let fact = correction.fact;
        if fact.family.is_some_and(|family| family != Family::Shot) {
            return Err(Refused::NotAShot { fact });
        }
        if !(1..=REASON_MOST).contains(&correction.reason.chars().count()) {
            return Err(Refused::Reason);
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
        let said = self.shots.get(index).and_then(|shot| shot.by);
        if said == Some(By::Operator) && correction.by != By::Operator {
            return Err(Refused::OperatorSaid { fact });
        }
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
        let (fact, revision, attempt) = match self.take_open(called.session, called.rim) {
            Some(open) => (open.fact, 1, open.attempt),
            None => {
                let n = self.number(called.session, Family::Shot);
                (FactId::new(called.session, Family::Shot, n), 0, n)
            }
        };
        let shot = Shot {
            fact,
            revision,
            attempt,
            called: called.clone(),
            stands: called.standing,
            by: None,
            reason: None,
            score: None,
            highlight: None,
        };
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
            let shot = Shot {
                fact,
                revision: 1,
                attempt,
                called,
                stands: Standing::NoShot,
                by: None,
                reason: Some(reason.to_owned()),
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
        let Ok(index) = self.find(correction) else { return Vec::new() };
        let Some(shot) = self.shots.get_mut(index) else { return Vec::new() };
        let (was, now) = (shot.stands, Standing::from(correction.what));
        shot.by = Some(correction.by);
        shot.reason = Some(correction.reason.clone());
        if was == now {
            // Confirmed: no machine says otherwise any more, and nothing is told anew.
            return Vec::new();
        }
        shot.stands = now;
        shot.revision += 1;
        let mut events = vec![shot.event(&self.court)];
        events.extend(self.retell_highlight(index));
        if was.counts() || now.counts() {
            events.extend(self.retell_scores(index));
        }
        events
    }

    /// The highlight of a shot, if it is to be told or to be taken back.
    fn retell_highlight(&mut self, index: usize) -> Option<Event> {
        let shot = self.shots.get_mut(index)?;
        let made = shot.stands == Standing::Made;
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
            highlight::withdrawn(&event, named, shot.reason.as_deref().unwrap_or_default(), shot.by)
        })
    }

    /// The scores from a shot on, that of the shot itself first: a new one, or those revised.
    fn retell_scores(&mut self, from: usize) -> Vec<Event> {
        let mut events = Vec::new();
        let mut total = self.before.clone();
        for (index, shot) in self.shots.iter_mut().enumerate() {
            score::count(&mut total, shot.called.rim, shot.stands);
            if index < from {
                continue;
            }
            let upper = match shot.score.take() {
                Some(upper) => Upper { revision: upper.revision + 1, ..upper },
                None if index == from && shot.stands.counts() => {
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
            score::count(&mut self.before, shot.called.rim, shot.stands);
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
                    stands: called.standing,
                    called,
                    by: None,
                    reason: None,
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
