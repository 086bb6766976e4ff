//! The game of one court: answers, verdicts and corrections in; entries of its log and events out.

use std::time::Duration;

use crate::answer::RimAnswer;
use crate::config::Calibrate;
use crate::event::FactId;
use crate::game::attempt::{Call, Ruling};
use crate::game::book::{Book, Refused};
use crate::game::calibrate::{Calibration, Learnt, Verdict};
use crate::game::input::{Added, Called, Correction, InGame, Input, Undo};
use crate::game::learning::{Learning, News};
use crate::game::log::{CHECKPOINT_EVERY, Decided, Entry};
use crate::game::second::{AttemptId, Held, Holding, Says};
use crate::game::umpire::{Ruled, Umpire};
use crate::media::{CloseReason, CourtId, MediaTime, RimId, SessionId, TeamId};

/// What the game that was started makes of a shot at a rim at that time; nothing where none was.
pub(super) type Ordinary<'a> = &'a dyn Fn(RimId, SessionId, MediaTime) -> Option<InGame>;

/// No game was started.
pub(super) const ROLLING: Ordinary<'_> = &|_, _, _| None;

/// The game of one court.
#[derive(Debug)]
pub struct Game {
    umpire: Umpire,
    book: Book,
    learning: Learning,
    /// Finals that wait for a second look.
    holding: Holding,
    /// Entries of the log since its last checkpoint.
    entries: usize,
}

impl Game {
    /// A game of `rims` rims that begins from nothing.
    #[must_use]
    pub fn new(court: CourtId, rims: usize) -> Self {
        Self::on(Book::new(court, rims), rims, 0)
    }

    /// A game that goes on from `book`, which has `entries` entries since its last checkpoint.
    pub(super) const fn on(book: Book, rims: usize, entries: usize) -> Self {
        Self {
            umpire: Umpire::new(rims),
            book,
            learning: Learning::off(),
            holding: Holding::of(None),
            entries,
        }
    }

    /// The same, whose finals wait so long at most for a second look.
    pub(super) fn holding(self, most: Option<Duration>) -> Self {
        Self { holding: Holding::of(most), ..self }
    }

    /// The same, with what was learnt of its rims before, in their order.
    #[must_use]
    pub fn calibrated(self, how: Calibrate, rims: Vec<Calibration>) -> Self {
        Self { learning: Learning::new(how, rims), ..self }
    }

    /// What is learnt of each rim, and what it comes to; nothing where calibration is off.
    pub fn learnt(&self) -> impl Iterator<Item = (&Calibration, &Learnt)> {
        self.learning.learnt()
    }

    /// Rims whose calibration has changed since this was last asked, by index.
    pub fn news(&mut self) -> Vec<(usize, News)> {
        self.learning.news()
    }

    /// What its facts came to.
    #[must_use]
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// Takes what a person says of a shot, for the rim to learn from: changes nothing that was told.
    /// Nothing if no rim has it among its last finals.
    pub fn said(&mut self, fact: FactId, verdict: Verdict) -> Vec<Decided> {
        if !self.learning.said(fact, verdict) {
            return Vec::new();
        }
        self.take(Input::Verdict { fact, verdict })
    }

    /// Takes a correction in: the shot is revised, and all that stands on it. Nothing if it stands
    /// so already by the same word.
    ///
    /// # Errors
    /// [`Refused`]: why nothing was changed.
    pub fn correct(&mut self, correction: Correction) -> Result<Vec<Decided>, Refused> {
        if !self.book.check(&correction)? {
            return Ok(Vec::new());
        }
        Ok(self.take(Input::Corrected(correction)))
    }

    /// Takes the last correction of a shot back.
    ///
    /// # Errors
    /// [`Refused`]: why nothing was changed.
    pub fn undo(&mut self, undo: Undo) -> Result<Vec<Decided>, Refused> {
        self.book.check_undo(&undo)?;
        Ok(self.take(Input::Undone(undo)))
    }

    /// Takes a shot in that no model saw. `away`: a session of its own, for no camera plays.
    ///
    /// # Errors
    /// [`Refused`]: why nothing was changed.
    pub fn add(&mut self, added: Added, away: Option<SessionId>) -> Result<Vec<Decided>, Refused> {
        let playing = away.or_else(|| self.umpire.playing().map(|(session, _)| session));
        self.book.check_added(&added, playing)?;
        Ok(self.take(Input::Added(added)))
    }

    /// Takes in whose shots are by the sides of their time, where the rules alone said so.
    pub fn sided(&mut self, shots: Vec<(FactId, TeamId)>) -> Vec<Decided> {
        let mut decided = Vec::new();
        for (fact, team) in shots {
            if self.book.is_sided(fact, &team) {
                decided.extend(self.take(Input::Sided { fact, team }));
            }
        }
        decided
    }

    /// The session that plays, and the time of its last answer.
    #[must_use]
    pub fn playing(&self) -> Option<(SessionId, MediaTime)> {
        self.umpire.playing()
    }

    /// The daemon started: takes back what the last run left open.
    pub(super) fn started(&mut self, rims: usize) -> Vec<Decided> {
        self.take(Input::Started { rims })
    }

    /// Takes one answer in; returns what it decided, in the order in which it must be told.
    ///
    /// An answer of another session ends the one before it.
    pub fn step(&mut self, answer: &RimAnswer) -> Vec<Decided> {
        self.step_in(answer, ROLLING)
    }

    /// The same while a game may have been started.
    pub(super) fn step_in(&mut self, answer: &RimAnswer, ordinary: Ordinary<'_>) -> Vec<Decided> {
        if self.umpire.ignores(answer) {
            return Vec::new();
        }
        let mut decided = match self.umpire.ends(answer.session) {
            Some(session) => self.session_closed_in(session, CloseReason::TimeJump, ordinary),
            None => Vec::new(),
        };
        for held in self.holding.overdue(answer.session, answer.pts) {
            decided.extend(self.finish(&held, None));
        }
        let shift = self.learning.shift(answer);
        if let Some(ruled) = self.umpire.step(answer, shift) {
            decided.extend(self.rule(&ruled, ordinary));
        }
        decided
    }

    /// The session is over, all its answers were taken in: returns finals for outcomes that were in
    /// view long enough, and withdraws what else was provisional.
    pub fn session_closed(&mut self, session: SessionId, reason: CloseReason) -> Vec<Decided> {
        self.session_closed_in(session, reason, ROLLING)
    }

    /// The same while a game may have been started.
    pub(super) fn session_closed_in(
        &mut self,
        session: SessionId,
        _reason: CloseReason,
        ordinary: Ordinary<'_>,
    ) -> Vec<Decided> {
        let Some(ruled) = self.umpire.close(session) else { return Vec::new() };
        let mut decided: Vec<Decided> =
            ruled.iter().flat_map(|ruled| self.rule(ruled, ordinary)).collect();
        decided.extend(self.wait_no_more());
        decided.extend(self.take(Input::StreamEnded { session }));
        decided
    }

    /// What was ruled becomes an input; a final teaches its rim, or waits for a second look.
    fn rule(&mut self, ruled: &Ruled, ordinary: Ordinary<'_>) -> Vec<Decided> {
        let Ruled { session, rim, ruling, by } = ruled;
        let called = |call: &Call| Called {
            in_game: ordinary(*rim, *session, call.reached),
            ..Called::of((*session, rim.0), call, (by.at, by.latency), &by.model)
        };
        // Two of one rim are told in their order.
        let earlier = self.holding.at_rim(*rim);
        let mut decided: Vec<Decided> =
            earlier.iter().flat_map(|held| self.finish(held, None)).collect();
        decided.extend(match ruling {
            Ruling::Provisional(call) => self.take(Input::Provisional(called(call))),
            Ruling::Final(call) => match self.holding.take(ruled, *call, called(call)) {
                Some(called) => self.told(ruled, call, called),
                None => Vec::new(),
            },
            Ruling::TakenBack(reason) => {
                let reason = (*reason).to_owned();
                self.take(Input::TakenBack { session: *session, rim: rim.0, reason })
            }
        });
        decided
    }

    /// A final is told, and teaches its rim what its own model said.
    fn told(&mut self, ruled: &Ruled, call: &Call, called: Called) -> Vec<Decided> {
        let decided = self.take(Input::Final(called));
        let shot = decided.first().and_then(|decided| decided.events.first());
        if let Some(shot) = shot {
            self.learning.take(ruled.rim, shot.fact, call, &ruled.by.model);
        }
        decided
    }

    /// A final has waited.
    fn finish(&mut self, held: &Held, says: Option<&Says>) -> Vec<Decided> {
        self.told(&held.ruled, &held.call, held.told(says))
    }

    /// Finals that wait and that nobody was asked about yet.
    pub(super) fn waiting(&mut self) -> Vec<(AttemptId, Called)> {
        self.holding.fresh()
    }

    /// A second look has spoken of a final that waits, or will not; nothing where none of this attempt does.
    pub(super) fn looked(&mut self, of: AttemptId, says: Option<&Says>) -> Option<Vec<Decided>> {
        let held = self.holding.of_attempt(of)?;
        Some(self.finish(&held, says))
    }

    /// Nothing waits any longer.
    pub(super) fn wait_no_more(&mut self) -> Vec<Decided> {
        self.holding.all().iter().flat_map(|held| self.finish(held, None)).collect()
    }

    /// Takes an input into the book; a checkpoint follows where it is time for one.
    fn take(&mut self, input: Input) -> Vec<Decided> {
        let events = self.book.apply(&input);
        let mut decided = vec![Decided { entry: Entry::Input(input), events }];
        self.entries += 1;
        if self.entries >= CHECKPOINT_EVERY {
            decided.push(self.checkpoint());
        }
        decided
    }

    fn checkpoint(&mut self) -> Decided {
        self.entries = 0;
        Decided { entry: Entry::Checkpoint(Box::new(self.book.clone())), events: Vec::new() }
    }
}
