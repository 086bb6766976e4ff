//! The rims of one court, each with its attempt: answers in, rulings out. Writes and numbers nothing.
//!
//! When an attempt opens, is called and is over, `attempt` decides; here are the sessions: an answer
//! of another one ends the one before it, and what was under way in that.

use std::sync::Arc;
use std::time::Duration;

use crate::answer::{ModelIdentity, RimAnswer};
use crate::game::attempt::{self, Attempt, Look, Rules, Ruling};
use crate::media::{MediaTime, RimId, SessionId};

/// What was decided of the attempt at a rim.
#[derive(Clone, Debug)]
pub(super) struct Ruled {
    pub(super) session: SessionId,
    pub(super) rim: RimId,
    pub(super) ruling: Ruling,
    /// The answer that decided it, or the last one before the end.
    pub(super) by: Answered,
}

/// What is told of the answer that decided.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) at: MediaTime,
    pub(super) latency: Duration,
    pub(super) model: Arc<ModelIdentity>,
}

#[derive(Debug)]
pub(super) struct Umpire {
    rims: usize,
    running: Option<OpenSession>,
    /// The session that ended last; late answers of it are not a new beginning.
    ended: Option<SessionId>,
}

/// What belongs to one session.
#[derive(Debug)]
struct OpenSession {
    session: SessionId,
    rims: Vec<AtRim>,
}

/// One rim.
#[derive(Debug, Default)]
struct AtRim {
    attempt: Attempt,
    /// What was learnt when the attempt began.
    shift: f32,
    /// For what is decided when no answer comes any more.
    last: Option<Answered>,
}

impl Umpire {
    pub(super) const fn new(rims: usize) -> Self {
        Self { rims, running: None, ended: None }
    }

    /// True of an answer that comes too late, or from a rim that is not configured.
    pub(super) fn ignores(&self, answer: &RimAnswer) -> bool {
        self.ended == Some(answer.session) || usize::from(answer.rim.0) >= self.rims
    }

    /// The session that an answer of `session` ends.
    pub(super) fn ends(&self, session: SessionId) -> Option<SessionId> {
        self.running.as_ref().map(|running| running.session).filter(|running| *running != session)
    }

    /// The session that runs, and the time of its newest answer.
    pub(super) fn playing(&self) -> Option<(SessionId, MediaTime)> {
        let running = self.running.as_ref()?;
        let last =
            running.rims.iter().filter_map(|rim| rim.last.as_ref()).map(|last| last.at).max();
        Some((running.session, last?))
    }

    /// Takes one answer in. `shift`: what an attempt that begins now is shifted by.
    ///
    /// One that is warming moves time and decides nothing.
    pub(super) fn step(&mut self, answer: &RimAnswer, shift: f32) -> Option<Ruled> {
        let rims = self.rims;
        let running = self.running.get_or_insert_with(|| OpenSession {
            session: answer.session,
            rims: std::iter::repeat_with(AtRim::default).take(rims).collect(),
        });
        let at_rim = running.rims.get_mut(usize::from(answer.rim.0))?;
        let by = Answered {
            at: answer.pts,
            latency: answer.answered.since(answer.arrival),
            model: Arc::clone(&answer.model),
        };
        let look = if answer.warming {
            Look::Unclear(answer.pts)
        } else {
            Look::Picture(answer.pts, answer.says)
        };
        if matches!(at_rim.attempt, Attempt::Quiet { .. } | Attempt::Settled { .. }) {
            at_rim.shift = shift;
        }
        at_rim.last = Some(by.clone());
        let ruling = at_rim.look(look, &answer.model)?;
        Some(Ruled { session: answer.session, rim: answer.rim, ruling, by })
    }

    /// No answer of the session comes any more: rules on outcomes that were in view long enough, and
    /// takes back what else was told. `None` if the session is not the one that runs.
    pub(super) fn close(&mut self, session: SessionId) -> Option<Vec<Ruled>> {
        self.ended = Some(session);
        let running = self.running.take_if(|running| running.session == session)?;
        let end = |(index, mut at_rim): (u16, AtRim)| {
            let by = at_rim.last.clone()?;
            let ruling = at_rim.look(Look::End, &by.model)?;
            Some(Ruled { session, rim: RimId(index), ruling, by })
        };
        Some((0..).zip(running.rims).filter_map(end).collect())
    }
}

impl AtRim {
    fn look(&mut self, look: Look, model: &ModelIdentity) -> Option<Ruling> {
        let rules = Rules { by: &model.decision, shift: self.shift };
        let (attempt, ruling) = attempt::step(std::mem::take(&mut self.attempt), look, rules);
        self.attempt = attempt;
        ruling
    }
}
