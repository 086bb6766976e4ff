//! What the rims of a court teach its game, over all sessions (`calibrate` says how).
//!
//! Of each final, its log-odds go into the calibration of its rim, and what a person says of a shot;
//! where calibration is on, what is learnt shifts the attempts that begin afterwards.

use crate::answer::{ModelIdentity, RimAnswer};
use crate::config::Calibrate;
use crate::event::FactId;
use crate::game::attempt::Call;
use crate::game::calibrate::{Calibration, Learnt, Verdict};
use crate::media::RimId;

/// What is learnt of the rims, over all sessions.
#[derive(Debug)]
pub(super) struct Learning {
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

impl Learning {
    /// Of rims that learn nothing.
    pub(super) const fn off() -> Self {
        Self { how: Calibrate::Off, rims: Vec::new() }
    }

    /// With what was learnt of the rims before, in their order.
    pub(super) fn new(how: Calibrate, rims: Vec<Calibration>) -> Self {
        if how == Calibrate::Off {
            return Self::off();
        }
        let learner = |calibration: Calibration| Learner {
            learnt: calibration.learnt(None),
            calibration,
            cut: None,
            news: None,
        };
        Self { how, rims: rims.into_iter().map(learner).collect() }
    }

    /// What is learnt of each rim, and what it comes to.
    pub(super) fn learnt(&self) -> impl Iterator<Item = (&Calibration, &Learnt)> {
        self.rims.iter().map(|rim| (&rim.calibration, &rim.learnt))
    }

    /// Rims whose calibration has changed since this was last asked, by index.
    pub(super) fn news(&mut self) -> Vec<(usize, News)> {
        let rims = self.rims.iter_mut().enumerate();
        rims.filter_map(|(index, rim)| Some((index, rim.news.take()?))).collect()
    }

    /// Takes what a person says of a shot; false if no rim has it among its last finals.
    pub(super) fn said(&mut self, fact: FactId, verdict: Verdict) -> bool {
        let Some(rim) = self.rims.iter_mut().find(|rim| rim.calibration.knows(fact)) else {
            return false;
        };
        rim.calibration.said(fact, verdict);
        rim.learn();
        true
    }

    /// What an attempt that begins now at the answer's rim is shifted by.
    pub(super) fn shift(&mut self, answer: &RimAnswer) -> f32 {
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
    pub(super) fn take(&mut self, rim: RimId, fact: FactId, call: &Call, model: &ModelIdentity) {
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
