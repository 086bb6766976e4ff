//! Where all models of a task speak: the words of the one that decides go on to the game, those of the
//! others beside it; and another one decides from one look to the next.
//!
//! `swap` says who decides, `lanes` which answers are handed on; here both are held together, under one
//! lock, so that no answer falls between the two. Each model has a [`Seat`], which is its sink.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tracing::{error, info, warn};

use crate::answer::{ModelIdentity, RimAnswer};
use crate::clock::Clock;
use crate::detect::lanes::{Lanes, Word};
use crate::detect::sink::AnswerSink;
use crate::detect::swap::{Limits, ModelKey, Outcome, Step, Swaps};
use crate::media::{CloseReason, CourtId, Monotonic, SessionId};

/// See the module.
pub(crate) struct Podium {
    clock: Arc<dyn Clock>,
    /// Where words go, from the start on.
    out: OnceLock<Arc<dyn AnswerSink>>,
    // Held while a word is handed on, which waits for nothing: so words stay in order over a switch.
    inner: Mutex<Inner>,
}

struct Inner {
    swaps: Swaps,
    courts: BTreeMap<CourtId, AtCourt>,
    models: BTreeMap<ModelKey, Arc<ModelIdentity>>,
    /// Models that are of no use any more, until their owner has let them go.
    gone: BTreeSet<ModelKey>,
    made: u32,
}

#[derive(Default)]
struct AtCourt {
    lanes: Lanes,
    /// Models that have answered here: they can look.
    look: BTreeSet<ModelKey>,
    /// Since when another one has answered and the one that decides has not; cleared by its next word.
    waits: Option<Monotonic>,
}

/// Where one model speaks.
#[derive(Clone)]
pub(crate) struct Seat {
    podium: Arc<Podium>,
    key: ModelKey,
    budget_ms: f64,
}

impl Podium {
    pub(crate) fn new(clock: Arc<dyn Clock>, limits: Limits) -> Self {
        Self {
            clock,
            out: OnceLock::new(),
            inner: Mutex::new(Inner {
                swaps: Swaps::new(limits),
                courts: BTreeMap::new(),
                models: BTreeMap::new(),
                gone: BTreeSet::new(),
                made: 0,
            }),
        }
    }

    /// Words go there from now on; once.
    pub(crate) fn speaks_to(&self, sink: &Arc<dyn AnswerSink>) {
        let _ = self.out.set(Arc::clone(sink));
    }

    /// A name for a model that is to speak.
    pub(crate) fn key(&self) -> ModelKey {
        let mut inner = self.inner.lock();
        inner.made += 1;
        ModelKey(inner.made)
    }

    /// A seat for a model of that name; another one's that came before it, where it takes over from that.
    pub(crate) fn seat(
        self: &Arc<Self>,
        key: ModelKey,
        identity: &Arc<ModelIdentity>,
        budget_ms: f64,
    ) -> Seat {
        self.inner.lock().models.insert(key, Arc::clone(identity));
        Seat { podium: Arc::clone(self), key, budget_ms }
    }

    /// What the swaps stand at.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Swaps) -> T) -> T {
        at(&self.inner.lock().swaps)
    }

    /// Who decides.
    pub(crate) fn live(&self) -> Option<ModelKey> {
        self.look(Swaps::live)
    }

    /// Tells the swaps something, and does what follows from it.
    pub(crate) fn tell<T>(
        &self,
        told: impl FnOnce(&mut Swaps, Monotonic, &mut Vec<Step>) -> T,
    ) -> T {
        let now = self.clock.monotonic();
        let mut inner = self.inner.lock();
        let mut steps = Vec::new();
        let told = told(&mut inner.swaps, now, &mut steps);
        self.follow(&mut inner, &steps);
        told
    }

    /// An attempt more was compared.
    pub(crate) fn attempted(&self) {
        self.tell(|swaps, _, _| swaps.attempted());
    }

    /// Models that are of no use any more, once each.
    pub(crate) fn gone(&self) -> BTreeSet<ModelKey> {
        std::mem::take(&mut self.inner.lock().gone)
    }

    fn follow(&self, inner: &mut Inner, steps: &[Step]) {
        let Inner { swaps, courts, models, gone, .. } = inner;
        for step in steps {
            let (Step::Decides(key) | Step::LetGo(key)) = step;
            let model = models.get(key).map(|model| {
                let ModelIdentity { bundle, version, precision, .. } = &**model;
                format!("{bundle} {version} {precision}")
            });
            match *step {
                Step::Decides(key) => {
                    let Some(last) = swaps.last() else { continue };
                    let (outcome, why) = (last.outcome, last.why.as_deref());
                    if outcome == Outcome::RolledBack {
                        error!(
                            model,
                            left = last.name,
                            why,
                            "a model was put back: this one decides again"
                        );
                    } else {
                        info!(model, ?outcome, "this model decides from the next look on");
                    }
                    for (court, at) in courts.iter_mut() {
                        at.waits = None;
                        at.lanes.switch(key).into_iter().for_each(|word| self.hand_on(court, word));
                    }
                }
                Step::LetGo(key) => {
                    if let Some(last) = swaps.last().filter(|last| last.outcome == Outcome::Failed)
                    {
                        warn!(model, why = last.why, "a model that was tried is let go");
                    }
                    for at in courts.values_mut() {
                        at.lanes.forget(key);
                        at.look.remove(&key);
                    }
                    swaps.runs(key, false);
                    models.remove(&key);
                    gone.insert(key);
                }
            }
        }
    }

    fn hand_on(&self, court: &CourtId, word: Word) {
        let Some(out) = self.out.get() else { return };
        match word {
            Word::Answer(answer) => out.answer(answer),
            Word::Closed(session, reason) => out.session_closed(court, session, reason),
            Word::Gone => out.court_closed(court),
        }
    }

    fn said(&self, key: ModelKey, court: &CourtId, word: Word) {
        let answer = if let Word::Answer(answer) = &word { Some(answer.clone()) } else { None };
        let beside = {
            let mut inner = self.inner.lock();
            let Inner { swaps, courts, models, .. } = &mut *inner;
            if !models.contains_key(&key) {
                return; // let go, and not at its end yet
            }
            let live = swaps.live();
            let at = courts.entry(court.clone()).or_default();
            if live != Some(key) {
                at.lanes.beside(key, word);
            } else if at.lanes.decides(&word) {
                let gone = matches!(word, Word::Gone);
                self.hand_on(court, word);
                if gone {
                    courts.remove(court);
                    return;
                }
            }
            let Some(answer) = answer else { return };
            let now = answer.answered;
            at.look.insert(key);
            let others = live.filter(|live| *live != key && at.look.contains(live));
            at.waits = others.map(|_| at.waits.unwrap_or(now));
            let silent = at.waits.map(|since| now.since(since));
            let frame = answer.rim.0 == 0 && !answer.warming && at.lanes.is_level(&answer);
            let mut steps = Vec::new();
            swaps.answered(now, key, frame, silent, &mut steps);
            self.follow(&mut inner, &steps);
            (live != Some(key)).then_some(answer)
        };
        if let (Some(answer), Some(out)) = (beside, self.out.get()) {
            out.shadow(answer);
        }
    }
}

impl Seat {
    /// True of the one that decides now.
    pub(crate) fn decides(&self) -> bool {
        self.podium.live() == Some(self.key)
    }

    /// A better engine is being made for it, `provisional`, or none any more.
    pub(crate) fn runs(&self, provisional: bool) {
        self.podium.inner.lock().swaps.runs(self.key, provisional);
    }

    /// A look took so long.
    pub(crate) fn took(&self, ran: Duration) {
        let over = ran.as_secs_f64() * 1e3 > self.budget_ms;
        self.podium.tell(|swaps, now, steps| swaps.took(now, self.key, over, steps));
    }

    /// A frame got no answer; `out`: the model is put out.
    pub(crate) fn failed(&self, why: &str, out: bool) {
        {
            let mut inner = self.podium.inner.lock();
            if inner.swaps.live() == Some(self.key) {
                // It fails, and does not hang.
                inner.courts.values_mut().for_each(|at| at.waits = None);
            }
        }
        self.podium.tell(|swaps, now, steps| swaps.failed(now, self.key, why, out, steps));
    }
}

impl AnswerSink for Seat {
    fn answer(&self, answer: RimAnswer) {
        let court = answer.court.clone();
        self.podium.said(self.key, &court, Word::Answer(answer));
    }

    fn session_closed(&self, court: &CourtId, session: SessionId, reason: CloseReason) {
        self.podium.said(self.key, court, Word::Closed(session, reason));
    }

    fn court_closed(&self, court: &CourtId) {
        self.podium.said(self.key, court, Word::Gone);
    }
}
