//! From answers to facts: one final per attempt, the score, and what is worth watching again.
//!
//! In: answers of the live model, one a frame and rim, in order. Out: events. Pure: no clock, no
//! I/O; the same answers and the same session give the same events, byte for byte (DESIGN §5.5).
//! Read `attempt` (when an attempt opens, is called, is over), `score`, `highlight`, `resume` (what
//! a crash left open), then [`Game`], which numbers and words what they say. `replay` runs recorded
//! answers through all of it. `player` is the thread that plays a court's game, `keeper` the one that
//! keeps on disk what rims taught it.
//!
//! An attempt takes three numbers of its session's facts at its first event: the shot's, the
//! score's, the highlight's. So a final that a crash parted from its score or highlight gives them
//! the same ids when `resume` makes them again.
//!
//! Of each final, its log-odds go into the calibration of its rim (`calibrate`), and what a person
//! says of a shot ([`Game::said`]); where calibration is on, what is learnt shifts the attempts that
//! begin afterwards. A calibration is an input of the game as answers are: the same answers,
//! verdicts and calibrations to begin with give the same events. A verdict never changes what was
//! told: score and highlight stand on finals, and finals are not taken back.
//!
//! Nothing stands on a provisional: score and highlight follow finals alone, and finals are not
//! taken back. So a withdrawal of a shot revises nothing else.

mod attempt;
pub mod calibrate;
mod score;
mod highlight;
mod resume;
pub(crate) mod player;
pub(crate) mod keeper;
pub mod replay;

use std::time::Duration;

use crate::answer::{ModelIdentity, RimAnswer};
use crate::config::Calibrate;
use crate::event::{Event, FactId, ModelRef, Saying, Score, Shot, Withdrawal};
use crate::game::attempt::{Attempt, Call, Outcome, Rules, Seen, Told};
use crate::game::calibrate::{Calibration, Learnt, Verdict};
use crate::media::{CloseReason, CourtId, MediaTime, RimId, SessionId};

pub use crate::game::resume::{Recovered, resume};

/// Facts that one attempt may need: shot, score, highlight.
const NUMBERS_AN_ATTEMPT: u32 = 3;

/// The game of one court.
#[derive(Debug)]
pub struct Game {
    court: CourtId,
    rims: usize,
    score: Score,
    learning: Learning,
    running: Option<Running>,
    /// The session that ended last; late answers of it are not a new beginning.
    ended: Option<SessionId>,
}

/// What is learnt of the rims, over all sessions.
#[derive(Debug)]
struct Learning {
    how: Calibrate,
    rims: Vec<Learner>,
}

/// One rim's.
#[derive(Debug)]
struct Learner {
    calibration: Calibration,
    learnt: Learnt,
    /// The bundle's own middle, as its last answer had it.
    cut: Option<f32>,
    /// What there is to keep and to tell, since it was last asked for.
    news: Option<News>,
}

/// What changed of one rim's calibration.
#[derive(Debug, Default)]
pub struct News {
    /// Another bundle answers: this was learnt with the one before, and is to be put aside.
    pub ended: Option<Calibration>,
    /// The answers have drifted; told once.
    pub drifted: bool,
}

/// What belongs to one session.
#[derive(Debug)]
struct Running {
    session: SessionId,
    rims: Vec<AtRim>,
    attempts: u32,
}

/// One rim: its attempt, and how the world was told of it.
#[derive(Debug, Default)]
struct AtRim {
    attempt: Attempt,
    /// What was learnt when the attempt began.
    shift: f32,
    /// The attempt that was told provisionally and awaits its final, with its shot.
    told: Option<(u32, Shot)>,
    last: Option<LastLook>,
}

/// The last answer at a rim, for what is decided when no answer comes any more.
#[derive(Debug, Clone)]
struct LastLook {
    at: MediaTime,
    latency: Duration,
    model: std::sync::Arc<ModelIdentity>,
}

impl Game {
    /// A game of `rims` rims that begins with `score`, as [`resume()`] gives it.
    #[must_use]
    pub fn new(court: CourtId, rims: usize, score: Score) -> Self {
        let learning = Learning { how: Calibrate::Off, rims: Vec::new() };
        let score = score::of_rims(score, rims);
        Self { court, rims, score, learning, running: None, ended: None }
    }

    /// The same, with what was learnt of its rims before, in their order.
    #[must_use]
    pub fn calibrated(mut self, how: Calibrate, rims: Vec<Calibration>) -> Self {
        if how != Calibrate::Off {
            let learner = |calibration: Calibration| Learner {
                learnt: calibration.learnt(None),
                calibration,
                cut: None,
                news: None,
            };
            let rims = rims.into_iter().map(learner).collect();
            self.learning = Learning { how, rims };
        }
        self
    }

    /// What is learnt of each rim, and what it comes to; nothing where calibration is off.
    pub fn learnt(&self) -> impl Iterator<Item = (&Calibration, &Learnt)> {
        self.learning.rims.iter().map(|rim| (&rim.calibration, &rim.learnt))
    }

    /// Rims whose calibration has changed since this was last asked, by index.
    pub fn news(&mut self) -> Vec<(usize, News)> {
        let rims = self.learning.rims.iter_mut().enumerate();
        rims.filter_map(|(index, rim)| Some((index, rim.news.take()?))).collect()
    }

    /// Takes what a person says of a shot; false if no rim has it among its last finals.
    pub fn said(&mut self, fact: FactId, verdict: Verdict) -> bool {
        let Some(rim) = self.learning.rims.iter_mut().find(|rim| rim.calibration.knows(fact))
        else {
            return false;
        };
        rim.calibration.said(fact, verdict);
        rim.learn();
        true
    }

    /// The score now.
    #[must_use]
    pub const fn score(&self) -> &Score {
        &self.score
    }

    /// Takes one answer in; returns what it decided, in the order in which it must be told.
    ///
    /// An answer of another session ends the one before it. One that is warming moves time and
    /// decides nothing.
    pub fn step(&mut self, answer: &RimAnswer) -> Vec<Event> {
        if self.ended == Some(answer.session) || usize::from(answer.rim.0) >= self.rims {
            return Vec::new();
        }
        let mut events = match &self.running {
            Some(running) if running.session != answer.session => {
                self.session_closed(running.session, CloseReason::TimeJump)
            }
            Some(_) | None => Vec::new(),
        };
        let learnt = self.learning.shift(answer);
        let rims = self.rims;
        let running = self.running.get_or_insert_with(|| Running {
            session: answer.session,
            rims: std::iter::repeat_with(AtRim::default).take(rims).collect(),
            attempts: 0,
        });
        let Some(at_rim) = running.rims.get_mut(usize::from(answer.rim.0)) else { return events };
        let look = LastLook {
            at: answer.pts,
            latency: answer.answered.since(answer.arrival),
            model: std::sync::Arc::clone(&answer.model),
        };
        let seen = if answer.warming {
            Seen::Unclear(answer.pts)
        } else {
            Seen::Picture(answer.pts, answer.says)
        };
        if matches!(at_rim.attempt, Attempt::Quiet { .. } | Attempt::Settled { .. }) {
            at_rim.shift = learnt;
        }
        let rules = Rules { by: &answer.model.decision, shift: at_rim.shift };
        let (attempt, told) = attempt::step(std::mem::take(&mut at_rim.attempt), seen, rules);
        at_rim.attempt = attempt;
        at_rim.last = Some(look.clone());
        if let Some(told) = told {
            events.extend(self.tell(answer.rim, &told, &look));
        }
        events
    }

    /// The session is over, all its answers were taken in: returns finals for outcomes that were in
    /// view long enough, and withdraws what else was provisional.
    pub fn session_closed(&mut self, session: SessionId, _reason: CloseReason) -> Vec<Event> {
        if self.running.as_ref().is_none_or(|running| running.session != session) {
            self.ended = Some(session);
            return Vec::new();
        }
        let mut events = Vec::new();
        for index in 0..self.rims {
            let Some(at_rim) =
                self.running.as_mut().and_then(|running| running.rims.get_mut(index))
            else {
                break;
            };
            let Some(look) = at_rim.last.clone() else { continue };
            let rules = Rules { by: &look.model.decision, shift: at_rim.shift };
            let (attempt, told) =
                attempt::step(std::mem::take(&mut at_rim.attempt), Seen::End, rules);
            at_rim.attempt = attempt;
            let rim = RimId(u16::try_from(index).unwrap_or(u16::MAX));
            if let Some(told) = told {
                events.extend(self.tell(rim, &told, &look));
            }
        }
        self.running = None;
        self.ended = Some(session);
        events
    }

    /// Words and numbers what the attempt at a rim said.
    fn tell(&mut self, rim: RimId, told: &Told, look: &LastLook) -> Vec<Event> {
        let Some(running) = &mut self.running else { return Vec::new() };
        let session = running.session;
        let Some(at_rim) = running.rims.get_mut(usize::from(rim.0)) else { return Vec::new() };
        let (number, revision, before) = match at_rim.told.take() {
            Some((number, shot)) => (number, 1, Some(shot)),
            None => {
                running.attempts += 1;
                (running.attempts, 0, None)
            }
        };
        let fact = shot_fact(session, number);
        let court = self.court.clone();
        let event = move |at: MediaTime, saying: Saying| Event {
            court: court.clone(),
            fact,
            revision,
            attempt: number,
            at,
            saying,
            clip: None,
        };
        match told {
            Told::Provisional(call) => {
                let shot = shot(rim, call, look, true);
                at_rim.told = Some((number, shot.clone()));
                vec![event(call.reached, worded(call.outcome, shot))]
            }
            Told::Final(call) => {
                self.learning.take(rim, fact, call, &look.model);
                let mut shot = shot(rim, call, look, false);
                if call.outcome == Some(Outcome::Made) {
                    shot.clip = Some(highlight::clip_path(&self.court, fact));
                }
                let shot = event(call.reached, worded(call.outcome, shot));
                let mut events = after_final(&shot, &mut self.score);
                events.insert(0, shot);
                events
            }
            Told::Nothing(reason) => {
                let Some(shot) = before else {
                    // Opened and never told: gives its numbers back.
                    running.attempts -= 1;
                    return Vec::new();
                };
                let at = attempt::at_seconds(shot.t_stream);
                vec![event(
                    at,
                    Saying::ShotWithdrawn(Withdrawal {
                        t_stream: shot.t_stream,
                        reason: (*reason).to_owned(),
                    }),
                )]
            }
        }
    }
}

impl Learning {
    /// What an attempt that begins now at the answer's rim is shifted by.
    fn shift(&mut self, answer: &RimAnswer) -> f32 {
        let Some(rim) = self.rims.get_mut(usize::from(answer.rim.0)) else { return 0.0 };
        if rim.cut != answer.model.decision.cut {
            rim.cut = answer.model.decision.cut;
            rim.learnt = rim.calibration.learnt(rim.cut);
        }
        let model = &answer.model;
        let own = rim.calibration.bundle() == Some((&model.bundle, &model.version));
        if self.how == Calibrate::On && own { rim.learnt.shift } else { 0.0 }
    }

    /// Takes a final in.
    fn take(&mut self, rim: RimId, fact: FactId, call: &Call, model: &ModelIdentity) {
        let Some(rim) = self.rims.get_mut(usize::from(rim.0)) else { return };
        let ended = rim.calibration.saw(
            fact,
            call.odds,
            (&model.bundle, &model.version),
            model.decision.cut,
        );
        rim.learn();
        if let Some(news) = rim.news.as_mut().filter(|_| ended.is_some()) {
            news.ended = ended;
        }
    }
}

impl Learner {
    /// Works out anew what is known.
    fn learn(&mut self) {
        self.learnt = self.calibration.learnt(self.cut);
        let drifted = self.calibration.tells_drift(&self.learnt);
        self.news.get_or_insert_default().drifted |= drifted;
    }
}

/// What follows from a final shot: the highlight, if it was made, then the score.
fn after_final(shot: &Event, score: &mut Score) -> Vec<Event> {
    let mut events = Vec::new();
    events.extend(highlight::of(shot));
    events.extend(score::after(shot, score));
    events
}

/// The number of an attempt's shot, in its session.
fn shot_fact(session: SessionId, attempt: u32) -> FactId {
    FactId { session, n: attempt.saturating_sub(1).saturating_mul(NUMBERS_AN_ATTEMPT) + 1 }
}

fn worded(outcome: Option<Outcome>, shot: Shot) -> Saying {
    match outcome {
        Some(Outcome::Made) => Saying::ShotMade(shot),
        Some(Outcome::Missed) => Saying::ShotMissed(shot),
        None => Saying::ShotUnsure(shot),
    }
}

fn shot(rim: RimId, call: &Call, look: &LastLook, provisional: bool) -> Shot {
    Shot {
        rim: rim.0,
        t_stream: call.reached.as_secs_f64(),
        t_decided: look.at.as_secs_f64(),
        confidence: rounded(f64::from(call.share), 1e4),
        provisional,
        points: None,
        clip: None,
        model: ModelRef {
            bundle: look.model.bundle.clone(),
            version: look.model.version.clone(),
            precision: look.model.precision.clone(),
            engine: look.model.engine.clone(),
        },
        latency_ms: rounded(look.latency.as_secs_f64() * 1e3, 1e3),
    }
}

/// Further digits mean nothing, and make JSON hard to read.
fn rounded(number: f64, steps: f64) -> f64 {
    (number * steps).round() / steps
}
