//! The second look, as a game sees it: who is told of finals, and finals that wait for its word (pure).
//!
//! A game knows nothing of pictures and servers. Where somebody looks again *after* a final, his word is a
//! correction (`by = look`), an input like any other. Where finals wait for him (role `live`), [`Holding`] keeps
//! them; each is told once, at the latest
//! - when he has answered, or says that he will not;
//! - when the stream is so far behind the final as he may take: pictures are the clock, so the same answers end the
//!   same waits;
//! - when the next word of the same rim comes, its session ends, a person taps, or no answer comes for a second.

use std::collections::VecDeque;
use std::time::Duration;

use crate::event::{FactId, ModelRef};
use crate::game::attempt::Call;
use crate::game::calibrate::Verdict;
use crate::game::input::{Called, Standing};
use crate::game::umpire::Ruled;
use crate::media::{CourtId, MediaTime, RimId, SessionId};

/// Is told of finals, and may look again. Called on a game's thread: waits for nothing.
pub trait LooksAgain: std::fmt::Debug + Send + Sync {
    /// How long a final waits for it, of the stream's time; nothing where none does.
    fn holds(&self) -> Option<Duration>;
    /// A final was decided; one that waits has no number yet. True if a [`Looked`] follows.
    fn decided(&self, court: &CourtId, called: &Called, fact: Option<FactId>) -> bool;
}

/// Nobody looks again.
impl LooksAgain for () {
    fn holds(&self) -> Option<Duration> {
        None
    }
    fn decided(&self, _: &CourtId, _: &Called, _: Option<FactId>) -> bool {
        false
    }
}

/// What came of a second look.
#[derive(Clone, Debug, PartialEq)]
pub struct Looked {
    /// Which attempt.
    pub of: AttemptId,
    /// The shot, where it had a number when it was asked about.
    pub fact: Option<FactId>,
    /// What it says otherwise; nothing where the local call stands.
    pub says: Option<Says>,
}

/// A word that is another than the local call.
#[derive(Clone, Debug, PartialEq)]
pub struct Says {
    /// How it was.
    pub verdict: Verdict,
    /// Who says so, for every event that follows.
    pub reason: String,
    /// The same as a model.
    pub by: ModelRef,
}

/// What tells an attempt from others before it has a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptId {
    /// The session of its times.
    pub session: SessionId,
    /// The rim.
    pub rim: RimId,
    /// When the ball reached the ring.
    pub reached: MediaTime,
}

/// A final that waits.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) ruled: Ruled,
    pub(super) call: Call,
    pub(super) called: Called,
    /// Nobody was asked yet.
    fresh: bool,
}

impl Held {
    fn id(&self) -> AttemptId {
        AttemptId { session: self.ruled.session, rim: self.ruled.rim, reached: self.call.reached }
    }

    /// As it is told: by who looked again, where he says otherwise.
    pub(super) fn told(&self, says: Option<&Says>) -> Called {
        let called = self.called.clone();
        match says {
            Some(Says { verdict, by, .. }) => {
                Called { standing: Standing::from(*verdict), model: by.clone(), ..called }
            }
            None => called,
        }
    }
}

/// Finals that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Holding {
    /// How long; nothing waits where there is none.
    most: Option<Duration>,
    held: VecDeque<Held>,
}

impl Holding {
    pub(super) const fn of(most: Option<Duration>) -> Self {
        Self { most, held: VecDeque::new() }
    }

    /// Takes a final that is to wait; gives it back where none does.
    pub(super) fn take(&mut self, ruled: &Ruled, call: Call, called: Called) -> Option<Called> {
        if self.most.is_none() {
            return Some(called);
        }
        self.held.push_back(Held { ruled: ruled.clone(), call, called, fresh: true });
        None
    }

    /// Those that nobody was asked about yet.
    pub(super) fn fresh(&mut self) -> Vec<(AttemptId, Called)> {
        let fresh = self.held.iter_mut().filter(|held| held.fresh);
        fresh
            .map(|held| {
                held.fresh = false;
                (held.id(), held.called.clone())
            })
            .collect()
    }

    /// The one of this attempt.
    pub(super) fn of_attempt(&mut self, of: AttemptId) -> Option<Held> {
        let at = self.held.iter().position(|held| held.id() == of)?;
        self.held.remove(at)
    }

    /// Those at a rim: its next word comes.
    pub(super) fn at_rim(&mut self, rim: RimId) -> Vec<Held> {
        self.drain(|held| held.ruled.rim == rim)
    }

    /// Those that have waited long enough at `now` of a session; all of any other.
    pub(super) fn overdue(&mut self, session: SessionId, now: MediaTime) -> Vec<Held> {
        let most = self.most.unwrap_or_default();
        self.drain(|held| held.ruled.session != session || now >= held.ruled.by.at.plus(most))
    }

    /// All of them.
    pub(super) fn all(&mut self) -> Vec<Held> {
        self.drain(|_| true)
    }

    fn drain(&mut self, goes: impl Fn(&Held) -> bool) -> Vec<Held> {
        let (go, stay): (Vec<Held>, Vec<Held>) =
            std::mem::take(&mut self.held).into_iter().partition(goes);
        self.held = stay.into();
        go
    }
}

#[cfg(test)]
mod tests;
