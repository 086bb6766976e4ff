//! What every model would have called, beside what was told: the running figures of each (pure).
//!
//! In: the answers of the models that do not decide, the answers of the one that does with the finals that
//! came of them, and what people say. Each of the others has an umpire of its own, without any shift that
//! was learnt for the one that decides. An attempt is compared once both have seen well past it: their
//! calls at one rim are of one attempt where the ball reached it within [`SAME_MS`]. A model is compared only
//! from where it has seen an attempt whole: not from the middle of the one in which it came.
//!
//! [`Jury`] is shared by all who speak of it ([`Room`]); what follows is told to [`Hears`].

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::answer::{ModelIdentity, RimAnswer};
use crate::event::FactId;
use crate::event::ModelRef;
use crate::event::models::ModelFigures;
use crate::event::words::CallWord;
use crate::game::attempt::Ruling;
use crate::game::calibrate::Verdict;
use crate::game::input::{Called, Input, Standing};
use crate::game::log::{Decided, Entry};
use crate::game::umpire::{Ruled, Umpire};
use crate::media::{CourtId, MediaTime, RimId, SessionId};

/// Attempts of a model at a court that its figures are over (chosen: an evening).
pub(crate) const ATTEMPTS: usize = 200;
/// Answers that percentiles are over: half a minute of a rim.
const ANSWERS: usize = 1_000;
/// Models that figures are kept of; who came longest ago goes.
const MODELS: usize = 16;
/// More than a court has (`config`).
const RIMS: usize = 16;
/// Calls of two models are of one attempt, where the ball reached the ring within this, ms: two attempts
/// of one model lie as far apart (`attempt`).
const SAME_MS: i64 = 700;
/// Nothing more comes of an attempt so long after the ball reached the ring, ms: one is open 4 s at most.
const DONE_MS: i64 = 5_000;
/// A model that came so lately has not seen an attempt whole, ms …
const NEW_MS: i64 = 1_500;
/// … and one that has said nothing for so long of the stream is gone, ms.
const GONE_MS: i64 = 30_000;

/// Sessions of a model that are remembered: it is never that many behind.
const SESSIONS: usize = 8;

/// How far a model is at a rim.
type Upto = (u16, SessionId, MediaTime);

/// What follows from what the jury heard. Called on the threads of models and games: must not wait.
pub(crate) trait Hears: Send + Sync {
    /// An attempt more.
    fn attempted(&self);
    /// Two models said otherwise.
    fn split(&self, split: Split);
    /// A person said what a shot was.
    fn judged(&self, fact: FactId, verdict: CallWord);
}

/// An attempt at which two models said otherwise.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Split {
    pub(crate) court: CourtId,
    pub(crate) rim: u16,
    pub(crate) session: SessionId,
    pub(crate) reached: MediaTime,
    /// The shot that was told, if one was.
    pub(crate) fact: Option<FactId>,
    pub(crate) live: Said,
    pub(crate) other: Said,
}

/// What a model said of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) model: ModelRef,
    pub(crate) call: CallWord,
    /// The share of it, ten thousandths; 0 where it called nothing.
    pub(crate) share: u32,
}

/// Where all who speak of models meet. Clones are one room.
#[derive(Clone, Default)]
pub(crate) struct Room {
    // Held for a step of an umpire or a look at figures, while nothing is waited for.
    jury: Arc<Mutex<Jury>>,
    hears: Arc<std::sync::OnceLock<Arc<dyn Hears>>>,
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room").finish_non_exhaustive()
    }
}

impl Room {
    /// Who is told what follows; once.
    pub(crate) fn tells(&self, hears: Arc<dyn Hears>) {
        let _ = self.hears.set(hears);
    }

    /// A model that does not decide answered.
    pub(crate) fn beside(&self, answer: &RimAnswer) {
        let news = self.jury.lock().beside(answer);
        self.tell(news);
    }

    /// The game took an answer of the one that decides, and decided so.
    pub(crate) fn live(&self, answer: &RimAnswer, decided: &[Decided]) {
        let news = {
            let mut jury = self.jury.lock();
            let mut news = jury.decided(&answer.court, decided);
            news.extend(jury.live(answer));
            news
        };
        self.tell(news);
    }

    /// The game decided so by itself: what it waited for came, or did not.
    pub(crate) fn decided(&self, court: &CourtId, decided: &[Decided]) {
        let news = self.jury.lock().decided(court, decided);
        self.tell(news);
    }

    /// The game ended a session, and decided so.
    pub(crate) fn closed(&self, court: &CourtId, session: SessionId, decided: &[Decided]) {
        let news = {
            let mut jury = self.jury.lock();
            let mut news = jury.decided(court, decided);
            news.extend(jury.closed(court, session));
            news
        };
        self.tell(news);
    }

    /// A person said what a shot was.
    pub(crate) fn judged(&self, fact: FactId, verdict: Verdict) {
        let word = word_of(Standing::from(verdict));
        self.jury.lock().judged(fact, word);
        if let Some(hears) = self.hears.get() {
            hears.judged(fact, word);
        }
    }

    /// The figures of each model that answered, by court; the one that came last first.
    pub(crate) fn rows(&self) -> Vec<(ModelRef, Vec<ModelFigures>)> {
        self.jury.lock().rows()
    }

    fn tell(&self, news: Vec<News>) {
        let Some(hears) = self.hears.get().filter(|_| !news.is_empty()) else { return };
        for news in news {
            match news {
                News::Attempted => hears.attempted(),
                News::Split(split) => hears.split(*split),
            }
        }
    }
}

#[derive(Debug, PartialEq)]
pub(crate) enum News {
    Attempted,
    Split(Box<Split>),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Jury {
    courts: Vec<AtCourt>,
    rows: Vec<Row>,
    /// What people said lately: it may come before the comparison.
    said: VecDeque<(FactId, CallWord)>,
}

#[derive(Debug)]
struct AtCourt {
    court: CourtId,
    /// Who decided last.
    decides: Option<Arc<ModelIdentity>>,
    /// How far it is, a rim.
    upto: Vec<Upto>,
    /// The session that it is in, and its first picture there.
    began: Option<(SessionId, MediaTime)>,
    others: Vec<Other>,
}

/// A model that does not decide, at one court.
#[derive(Debug)]
struct Other {
    model: Arc<ModelIdentity>,
    umpire: Umpire,
    upto: Vec<Upto>,
    /// Those that it has answered in, the newest last.
    sessions: VecDeque<SessionId>,
    /// Where it came, of the session in which it did.
    since: (SessionId, MediaTime),
    told: VecDeque<Heard>,
    own: VecDeque<Heard>,
}

/// A call that waits to be compared.
#[derive(Clone, Debug)]
struct Heard {
    session: SessionId,
    rim: u16,
    reached: MediaTime,
    fact: Option<FactId>,
    said: Said,
}

/// The figures of one model.
#[derive(Debug)]
struct Row {
    model: ModelRef,
    courts: Vec<(CourtId, Figures)>,
}

#[derive(Debug, Default)]
struct Figures {
    attempts: VecDeque<Compared>,
    answers_ms: VecDeque<f32>,
}

#[derive(Debug)]
struct Compared {
    fact: Option<FactId>,
    call: CallWord,
    agreed: bool,
    verdict: Option<CallWord>,
}

impl Jury {
    /// A model that does not decide answered.
    pub(crate) fn beside(&mut self, answer: &RimAnswer) -> Vec<News> {
        self.took(answer);
        let court = self.court(&answer.court);
        let known = court.others.iter().position(|other| Arc::ptr_eq(&other.model, &answer.model));
        let at = known.unwrap_or_else(|| {
            court.others.push(Other {
                model: Arc::clone(&answer.model),
                umpire: Umpire::new(RIMS),
                upto: Vec::new(),
                sessions: VecDeque::new(),
                since: (answer.session, answer.pts),
                told: VecDeque::new(),
                own: VecDeque::new(),
            });
            court.others.len() - 1
        });
        let Some(other) = court.others.get_mut(at) else { return Vec::new() };
        if !other.sessions.contains(&answer.session) {
            if other.sessions.len() == SESSIONS {
                other.sessions.pop_front();
            }
            other.sessions.push_back(answer.session);
        }
        if other.umpire.ignores(answer) {
            return Vec::new();
        }
        let mut ruled = Vec::new();
        if let Some(session) = other.umpire.ends(answer.session) {
            ruled.extend(other.umpire.close(session).unwrap_or_default());
        }
        ruled.extend(other.umpire.step(answer, 0.0));
        other.rules(ruled);
        moved(&mut other.upto, answer);
        self.settle(&answer.court.clone(), None)
    }

    /// The one that decides answered, and its game has taken that.
    pub(crate) fn live(&mut self, answer: &RimAnswer) -> Vec<News> {
        self.took(answer);
        let court = self.court(&answer.court);
        moved(&mut court.upto, answer);
        court.decides = Some(Arc::clone(&answer.model));
        let began = match court.began {
            Some((session, began)) if session == answer.session => began,
            _ => answer.pts,
        };
        court.began = Some((answer.session, began));
        // One that decides now, or is no longer there, says nothing beside it any more.
        court.others.retain(|other| {
            let last = other.upto.iter().find(|(rim, ..)| *rim == answer.rim.0);
            let silent = last.is_some_and(|(_, session, pts)| {
                let last = if *session == answer.session { *pts } else { began };
                answer.pts.nanos_since(last) > GONE_MS * 1_000_000
            });
            !silent && !Arc::ptr_eq(&other.model, &answer.model)
        });
        self.settle(&answer.court.clone(), None)
    }

    /// What the game told.
    pub(crate) fn decided(&mut self, court: &CourtId, decided: &[Decided]) -> Vec<News> {
        let mut news = Vec::new();
        for Decided { entry, events } in decided {
            let Entry::Input(Input::Final(called)) = entry else { continue };
            let heard = Heard {
                session: called.session,
                rim: called.rim,
                reached: called.reached(),
                fact: events.first().map(|event| event.fact),
                said: Said {
                    model: called.model.clone(),
                    call: word_of(called.standing),
                    share: called.confidence,
                },
            };
            // Of itself: what people say of its calls, and how often it abstains.
            self.compared(court, &heard.said, heard.fact, true);
            for other in &mut self.court(court).others {
                other.told.push_back(heard.clone());
            }
            news.push(News::Attempted);
        }
        news
    }

    /// No answer of the session comes any more.
    pub(crate) fn closed(&mut self, court: &CourtId, session: SessionId) -> Vec<News> {
        for other in &mut self.court(court).others {
            let ruled = other.umpire.close(session).unwrap_or_default();
            other.rules(ruled);
        }
        self.settle(court, Some(session))
    }

    /// A person said what a shot was.
    pub(crate) fn judged(&mut self, fact: FactId, verdict: CallWord) {
        self.said.retain(|(known, _)| *known != fact);
        if self.said.len() == ATTEMPTS {
            self.said.pop_front();
        }
        self.said.push_back((fact, verdict));
        let figures = self.rows.iter_mut().flat_map(|row| &mut row.courts);
        for compared in figures.flat_map(|(_, figures)| &mut figures.attempts) {
            if compared.fact == Some(fact) {
                compared.verdict = Some(verdict);
            }
        }
    }

    /// Compares what both have seen well past; all of a session that is over.
    fn settle(&mut self, court: &CourtId, over: Option<SessionId>) -> Vec<News> {
        let mut compared = Vec::new();
        let at_court = self.court(court);
        let live = &at_court.upto;
        for other in &mut at_court.others {
            let Other { model, upto, sessions, told, own, since, .. } = &mut *other;
            let done = |heard: &Heard| {
                over == Some(heard.session)
                    || passed(live, heard)
                        && sessions.contains(&heard.session)
                        && passed(upto, heard)
            };
            // Nor has one that was let go, or never came: what it did not see it did not miss.
            let saw = |heard: &Heard| {
                sessions.contains(&heard.session)
                    && (passed(upto, heard) || is_level(live, upto, heard))
            };
            while let Some(at) = told.iter().position(done) {
                let Some(told) = told.remove(at) else { break };
                let near = |one: &&(usize, &Heard)| told.is_same(one.1);
                let away = |heard: &Heard| told.reached.nanos_since(heard.reached).abs();
                let paired = own.iter().enumerate().filter(|one| near(&one));
                let paired = paired.min_by_key(|(_, one)| away(one)).map(|(at, _)| at);
                let paired = paired.and_then(|at| own.remove(at));
                // What came in the middle of an attempt has nothing to say of it.
                if !told.is_new(*since, NEW_MS) && saw(&told) {
                    compared.push((Some(told), paired, Arc::clone(model)));
                }
            }
            // One that saw the ball at the ring sooner is not done with it before the other is.
            let alone = |one: &Heard| done(one) && !told.iter().any(|told| told.is_same(one));
            while let Some(at) = own.iter().position(alone) {
                let Some(own) = own.remove(at) else { break };
                if !own.is_new(*since, 2 * NEW_MS) && saw(&own) {
                    compared.push((None, Some(own), Arc::clone(model)));
                }
            }
        }
        let mut news = Vec::new();
        for (told, own, model) in compared {
            news.extend(self.compare(court, told, own, &model));
        }
        news
    }

    fn compare(
        &mut self,
        court: &CourtId,
        told: Option<Heard>,
        own: Option<Heard>,
        model: &ModelIdentity,
    ) -> Option<News> {
        let live = self.court(court).decides.as_deref().map(model_ref);
        let heard = told.as_ref().or(own.as_ref())?.clone();
        let nothing = |model: ModelRef| Said { model, call: CallWord::Nothing, share: 0 };
        let said = own.map_or_else(|| nothing(model_ref(model)), |own| own.said);
        let fact = told.as_ref().and_then(|told| told.fact);
        let told = match told {
            Some(told) => told.said,
            None => nothing(live?),
        };
        let agreed = told.call == said.call;
        self.compared(court, &said, fact, agreed);
        let unsure = [told.call, said.call].contains(&CallWord::Unsure);
        (!agreed && !unsure).then(|| {
            News::Split(Box::new(Split {
                court: court.clone(),
                rim: heard.rim,
                session: heard.session,
                reached: heard.reached,
                fact,
                live: told,
                other: said,
            }))
        })
    }

    fn compared(&mut self, court: &CourtId, said: &Said, fact: Option<FactId>, agreed: bool) {
        let verdict = self.said.iter().find(|(known, _)| Some(*known) == fact);
        let verdict = verdict.map(|(_, verdict)| *verdict);
        let attempts = &mut self.figures(court, &said.model).attempts;
        if attempts.len() == ATTEMPTS {
            attempts.pop_front();
        }
        attempts.push_back(Compared { fact, call: said.call, agreed, verdict });
    }

    fn took(&mut self, answer: &RimAnswer) {
        let took = answer.answered.since(answer.arrival);
        let answers = &mut self.figures(&answer.court, &model_ref(&answer.model)).answers_ms;
        if answers.len() == ANSWERS {
            answers.pop_front();
        }
        answers.push_back(took.as_secs_f32() * 1e3);
    }

    fn court(&mut self, court: &CourtId) -> &mut AtCourt {
        let at = self.courts.iter().position(|known| known.court == *court).unwrap_or_else(|| {
            let (upto, others) = (Vec::new(), Vec::new());
            let court = court.clone();
            self.courts.push(AtCourt { court, decides: None, upto, began: None, others });
            self.courts.len() - 1
        });
        &mut self.courts[at]
    }

    fn figures(&mut self, court: &CourtId, model: &ModelRef) -> &mut Figures {
        let at = self.rows.iter().position(|row| row.model == *model).unwrap_or_else(|| {
            if self.rows.len() == MODELS {
                self.rows.remove(0);
            }
            self.rows.push(Row { model: model.clone(), courts: Vec::new() });
            self.rows.len() - 1
        });
        let courts = &mut self.rows[at].courts;
        let at = courts.iter().position(|(known, _)| known == court).unwrap_or_else(|| {
            courts.push((court.clone(), Figures::default()));
            courts.len() - 1
        });
        &mut courts[at].1
    }

    fn rows(&self) -> Vec<(ModelRef, Vec<ModelFigures>)> {
        let row = |row: &Row| {
            let figures = row.courts.iter().map(|(court, figures)| figures.told(court));
            (row.model.clone(), figures.collect())
        };
        self.rows.iter().rev().map(row).collect()
    }
}

impl Other {
    fn rules(&mut self, ruled: Vec<Ruled>) {
        for Ruled { session, rim, ruling, by } in ruled {
            let Ruling::Final(call) = ruling else { continue };
            let called = Called::of((session, rim.0), &call, (by.at, by.latency), &by.model);
            let said = Said {
                model: called.model,
                call: word_of(called.standing),
                share: called.confidence,
            };
            let reached = call.reached;
            self.own.push_back(Heard { session, rim: rim.0, reached, fact: None, said });
        }
    }
}

impl Heard {
    fn is_same(&self, other: &Self) -> bool {
        let apart = self.reached.nanos_since(other.reached).abs();
        self.session == other.session && self.rim == other.rim && apart <= SAME_MS * 1_000_000
    }

    /// True of what reached the ring before a model had been there for so long.
    fn is_new(&self, (session, pts): (SessionId, MediaTime), ms: i64) -> bool {
        self.session == session && self.reached.nanos_since(pts) < ms * 1_000_000
    }
}

impl Figures {
    fn told(&self, court: &CourtId) -> ModelFigures {
        let count = |of: &dyn Fn(&Compared) -> bool| {
            self.attempts.iter().filter(|compared| of(compared)).count() as u64
        };
        let mut answers: Vec<f32> = self.answers_ms.iter().copied().collect();
        answers.sort_by(f32::total_cmp);
        // The smallest that so many of a hundred are not above.
        let rank = |percent: usize| {
            let at = (answers.len() * percent).div_ceil(100).saturating_sub(1);
            answers.get(at).map(|ms| (f64::from(*ms) * 100.0).round() / 100.0)
        };
        ModelFigures {
            court: court.to_string(),
            attempts: self.attempts.len() as u64,
            agreed: count(&|compared| compared.agreed),
            judged: count(&|compared| compared.verdict.is_some()),
            right: count(&|compared| compared.verdict == Some(compared.call)),
            unsure: count(&|compared| compared.call == CallWord::Unsure),
            p50_ms: rank(50),
            p99_ms: rank(99),
        }
    }
}

/// How far a model is, at the rim of an answer.
fn moved(upto: &mut Vec<Upto>, answer: &RimAnswer) {
    let RimId(rim) = answer.rim;
    match upto.iter_mut().find(|(known, ..)| *known == rim) {
        Some(known) => *known = (rim, answer.session, answer.pts),
        None => upto.push((rim, answer.session, answer.pts)),
    }
}

/// True once nothing more of an attempt can come of a model that is so far; also in a later session.
fn passed(upto: &[Upto], heard: &Heard) -> bool {
    let at = upto.iter().find(|(rim, ..)| *rim == heard.rim);
    at.is_some_and(|(_, session, pts)| {
        *session != heard.session || pts.nanos_since(heard.reached) > DONE_MS * 1_000_000
    })
}

/// True of a model that is where the one that decides is, at the rim and in the session of an attempt.
fn is_level(live: &[Upto], upto: &[Upto], heard: &Heard) -> bool {
    let at = |of: &[Upto]| {
        let here = |(rim, session, _): &&Upto| *rim == heard.rim && *session == heard.session;
        of.iter().find(here).map(|(.., pts)| *pts)
    };
    match (at(live), at(upto)) {
        (Some(live), Some(other)) => live.nanos_since(other) < NEW_MS * 1_000_000,
        _ => false,
    }
}

const fn word_of(standing: Standing) -> CallWord {
    match standing {
        Standing::Made => CallWord::Made,
        Standing::Missed => CallWord::Missed,
        Standing::Unsure => CallWord::Unsure,
        Standing::NoShot => CallWord::Nothing,
    }
}

fn model_ref(model: &ModelIdentity) -> ModelRef {
    ModelRef {
        bundle: model.bundle.clone(),
        version: model.version.clone(),
        precision: model.precision.clone(),
        engine: model.engine.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{DecisionParameters, RimProbabilities};
    use crate::game::play::Game;
    use crate::media::{CloseReason, Monotonic};

    const SESSION: SessionId = SessionId::from_bits(0xaa);

    fn court() -> CourtId {
        CourtId::new("a").expect("a name")
    }

    fn model(name: &str) -> Arc<ModelIdentity> {
        Arc::new(ModelIdentity {
            bundle: name.to_owned(),
            version: "1.0.0".to_owned(),
            precision: "fp32".to_owned(),
            engine: "script".to_owned(),
            decision: DecisionParameters::default(),
        })
    }

    fn answer(by: &Arc<ModelIdentity>, n: i64, says: [f32; 4]) -> RimAnswer {
        let [none, under_way, made, missed] = says;
        RimAnswer {
            court: court(),
            rim: RimId(0),
            session: SESSION,
            pts: MediaTime::from_millis(n * 40),
            says: RimProbabilities { none, under_way, made, missed },
            warming: false,
            model: Arc::clone(by),
            arrival: Monotonic::ZERO,
            answered: Monotonic::from_nanos(5_000_000),
        }
    }

    const NONE: [f32; 4] = [0.97, 0.01, 0.01, 0.01];
    const UP: [f32; 4] = [0.01, 0.97, 0.01, 0.01];
    const MADE: [f32; 4] = [0.01, 0.01, 0.97, 0.01];
    const MISSED: [f32; 4] = [0.01, 0.01, 0.01, 0.97];

    /// A game with its jury: attempts of ten seconds, as the one that decides and another see them.
    fn played(shots: &[([f32; 4], [f32; 4])]) -> (Jury, Vec<News>, Vec<FactId>) {
        played_apart(shots, 0)
    }

    /// The same, where the other sees each ball so many pictures sooner.
    fn played_apart(shots: &[([f32; 4], [f32; 4])], sooner: i64) -> (Jury, Vec<News>, Vec<FactId>) {
        let (live, other) = (model("live"), model("other"));
        let (mut game, mut jury) = (Game::new(court(), 1), Jury::default());
        let (mut news, mut facts) = (Vec::new(), Vec::new());
        for (at, (told, own)) in shots.iter().enumerate() {
            for n in 0..250_i64 {
                let phase = |outcome: [f32; 4], n: i64| match n {
                    50..=58 if outcome != NONE => UP,
                    59..=75 => outcome,
                    _ => NONE,
                };
                let (own, told) = (phase(*own, n + sooner), phase(*told, n));
                let n = at as i64 * 250 + n;
                news.extend(jury.beside(&answer(&other, n, own)));
                let said = answer(&live, n, told);
                let decided = game.step(&said);
                let finals = decided
                    .iter()
                    .filter(|decided| matches!(&decided.entry, Entry::Input(Input::Final(_))));
                facts.extend(finals.map(|decided| decided.events[0].fact));
                news.extend(jury.decided(&court(), &decided));
                news.extend(jury.live(&said));
            }
        }
        let decided = game.session_closed(SESSION, CloseReason::Ended);
        news.extend(jury.decided(&court(), &decided));
        news.extend(jury.closed(&court(), SESSION));
        (jury, news, facts)
    }

    fn figures(jury: &Jury, name: &str) -> ModelFigures {
        let rows = jury.rows();
        let row = rows.into_iter().find(|(model, _)| model.bundle == name).expect("a row");
        row.1.into_iter().next().expect("a court")
    }

    /// A ball is at the ring when a model says so, and models of two families say so at two times.
    #[test]
    fn who_sees_the_ball_sooner_or_later_is_compared_all_the_same() {
        for sooner in [-10, -4, -1, 1, 4, 10] {
            let (jury, news, _) =
                played_apart(&[(MADE, MADE), (MISSED, MISSED), (MADE, MISSED)], sooner);
            let other = figures(&jury, "other");
            assert_eq!((other.attempts, other.agreed), (3, 2), "{sooner}");
            let splits = news.iter().filter(|news| matches!(news, News::Split(_))).count();
            assert_eq!(splits, 1, "{sooner}: {news:?}");
        }
    }

    #[test]
    fn models_are_compared_attempt_by_attempt() {
        let (mut jury, news, facts) =
            played(&[(MADE, MADE), (MADE, MISSED), (NONE, MADE), (MISSED, NONE), (MISSED, MISSED)]);
        let other = figures(&jury, "other");
        assert_eq!((other.attempts, other.agreed, other.judged), (5, 2, 0));
        assert_eq!((other.p50_ms, other.p99_ms), (Some(5.0), Some(5.0)));
        let splits: Vec<_> = news
            .iter()
            .filter_map(|news| match news {
                News::Split(split) => Some((split.live.call, split.other.call)),
                News::Attempted => None,
            })
            .collect();
        use CallWord::{Made, Missed, Nothing};
        assert_eq!(splits, [(Made, Missed), (Nothing, Made), (Missed, Nothing)]);
        assert_eq!(news.iter().filter(|news| **news == News::Attempted).count(), 4);
        // What people say is set beside what each said.
        jury.judged(facts[1], Missed);
        jury.judged(facts[0], Made);
        // Also where the comparison comes later.
        assert_eq!(jury.said.len(), 2);
        let (live, other) = (figures(&jury, "live"), figures(&jury, "other"));
        assert_eq!((live.judged, live.right), (2, 1));
        assert_eq!((other.judged, other.right), (2, 2));
    }

    #[test]
    fn what_comes_in_the_middle_of_an_attempt_has_nothing_to_say_of_it() {
        let (live, late) = (model("live"), model("late"));
        let (mut game, mut jury, mut news) = (Game::new(court(), 1), Jury::default(), Vec::new());
        for n in 0..400_i64 {
            let says = match n % 200 {
                50..=58 => UP,
                59..=75 => MADE,
                _ => NONE,
            };
            let said = answer(&live, n, says);
            news.extend(jury.decided(&court(), &game.step(&said)));
            news.extend(jury.live(&said));
            if n >= 64 {
                news.extend(jury.beside(&answer(&late, n, says)));
            }
        }
        assert!(news.iter().all(|news| *news == News::Attempted), "{news:?}");
        assert_eq!(figures(&jury, "late").attempts, 1, "the second alone");
    }

    /// Attempts of eight seconds in a session, from a jury's side.
    fn plays(
        (game, jury): (&mut Game, &mut Jury),
        (session, pictures): (SessionId, std::ops::Range<i64>),
        says_live: impl Fn(i64) -> Arc<ModelIdentity>,
        beside: impl Fn(i64) -> Vec<Arc<ModelIdentity>>,
    ) -> Vec<News> {
        let mut news = Vec::new();
        for n in pictures {
            let says = match n % 200 {
                50..=58 => UP,
                59..=75 => MADE,
                _ => NONE,
            };
            for other in beside(n) {
                news.extend(jury.beside(&RimAnswer { session, ..answer(&other, n, says) }));
            }
            let said = RimAnswer { session, ..answer(&says_live(n), n, says) };
            news.extend(jury.decided(&court(), &game.step(&said)));
            news.extend(jury.live(&said));
        }
        let decided = game.session_closed(session, CloseReason::Ended);
        news.extend(jury.decided(&court(), &decided));
        news.extend(jury.closed(&court(), session));
        news
    }

    #[test]
    fn one_that_was_let_go_has_nothing_to_say_of_what_came_later() {
        let (live, gone) = (model("live"), model("gone"));
        let (mut game, mut jury) = (Game::new(court(), 1), Jury::default());
        // It goes just before the second attempt; the session ends soon after that, and another comes.
        let until = |n: i64| if n < 245 { vec![Arc::clone(&gone)] } else { vec![] };
        let live_says = |_| Arc::clone(&live);
        let mut news = plays((&mut game, &mut jury), (SESSION, 0..300), live_says, until);
        let next = SessionId::from_bits(0xbb);
        let nobody = |_| vec![];
        news.extend(plays((&mut game, &mut jury), (next, 0..1_000), live_says, nobody));
        assert!(news.iter().all(|news| *news == News::Attempted), "{news:?}");
        assert_eq!(news.len(), 7);
        assert_eq!(figures(&jury, "gone").attempts, 1, "the first alone");
        assert!(jury.courts[0].others.is_empty());
    }

    #[test]
    fn one_that_takes_over_in_the_middle_of_an_attempt_is_not_held_against_itself() {
        let (first, second) = (model("first"), model("second"));
        let (mut game, mut jury) = (Game::new(court(), 1), Jury::default());
        let live = |n: i64| Arc::clone(if n < 62 { &first } else { &second });
        let beside = |n: i64| vec![Arc::clone(if n < 62 { &second } else { &first })];
        let news = plays((&mut game, &mut jury), (SESSION, 0..100), live, beside);
        assert!(news.iter().all(|news| *news == News::Attempted), "{news:?}");
    }

    #[test]
    fn one_beside_itself_agrees() {
        let (live, other) = (model("same"), model("same"));
        let (mut game, mut jury) = (Game::new(court(), 1), Jury::default());
        let news = plays(
            (&mut game, &mut jury),
            (SESSION, 0..400),
            |_| Arc::clone(&live),
            |_| vec![Arc::clone(&other)],
        );
        assert_eq!(news, [News::Attempted, News::Attempted]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut jury = Jury::default();
        for n in 0..40 {
            let by = model(&format!("m{n}"));
            (0..1_500).for_each(|n| drop(jury.beside(&answer(&by, n, NONE))));
            let said = Said { model: model_ref(&by), call: CallWord::Made, share: 1 };
            (0..300).for_each(|_| jury.compared(&court(), &said, None, true));
        }
        assert_eq!(jury.rows.len(), MODELS);
        let figures = &jury.rows[0].courts[0].1;
        assert_eq!((figures.attempts.len(), figures.answers_ms.len()), (ATTEMPTS, ANSWERS));
        // Models that have gone are forgotten as the stream goes on.
        drop(jury.live(&answer(&model("live"), 3_000, NONE)));
        assert!(jury.courts[0].others.is_empty());
    }
}
