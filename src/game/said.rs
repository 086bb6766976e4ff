//! What is said of a shot: the last word on it, another one, and why one is refused. Pure.

use serde::{Deserialize, Serialize};

use crate::event::{By, FactId};
use crate::game::input::{Called, Correction, InGame, REASON_MOST, Standing, WHO_MOST};
use crate::game::shot;
use crate::media::{Foreign, SessionId};

/// Shots of a court that can be corrected (chosen: more than a game has at two rims, so that a
/// game can be put right when it is over). A correction revises at most as many scores.
pub const CORRECTABLE: usize = 200;
/// The most that a shot can be worth.
pub const POINTS_MOST: u8 = crate::game::rules::MOST_POINTS;

/// How a shot is, by the last word on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Said {
    pub(super) stands: Standing,
    /// Who said so, if it was not its model.
    pub(super) by: Option<By>,
    /// Which person, where one said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) who: Option<String>,
    /// Why it is so, where somebody said.
    pub(super) reason: Option<String>,
    /// What the game that was started makes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) in_game: Option<InGame>,
}

impl Said {
    /// What its model says.
    pub(super) fn model(called: &Called) -> Self {
        let (stands, in_game) = (called.standing, called.in_game.clone());
        Self { stands, by: None, who: None, reason: None, in_game }
    }

    pub(super) fn word(&self) -> Option<shot::Word<'_>> {
        let reason = self.reason.as_deref().unwrap_or_default();
        self.by.map(|by| shot::Word { by, who: self.who.as_deref(), reason })
    }
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
    #[error("a reason has 1 to {REASON_MOST} letters, and none that is not seen")]
    Reason,
    /// It stands in every event too.
    #[error("a name has 1 to {WHO_MOST} letters, and none that is not seen")]
    Who,
    /// Nothing to do.
    #[error("say how {fact} was: made, missed or none, its points, its team or its player")]
    Nothing { fact: FactId },
    /// Points and teams are a game's.
    #[error("{fact} is of no game that was started: it has neither points nor a team")]
    NoGame { fact: FactId },
    /// None is worth more.
    #[error("a shot is worth 1 to {POINTS_MOST} points")]
    Points,
    /// Nobody corrected it, or all of it was undone.
    #[error("nothing of {fact} is left to undo")]
    NothingToUndo { fact: FactId },
    /// Its number would not be its own.
    #[error(
        "session {session} is not known at this court, or too old: choose a time of the last shots"
    )]
    Session { session: SessionId },
    /// The configuration has fewer.
    #[error("this court has no rim {rim}: they count from 0")]
    Rim { rim: u16 },
    /// There is nothing to add.
    #[error("a shot that is added was made or missed")]
    NotAdded,
}

/// A shot as a correction says it is.
pub(super) fn corrected(said: &Said, correction: &Correction) -> Said {
    let mut now = Said {
        stands: correction.what.map_or(said.stands, Standing::from),
        by: Some(correction.by),
        who: correction.who.clone(),
        reason: Some(correction.reason.clone()),
        in_game: said.in_game.clone(),
    };
    if let Some(game) = &mut now.in_game {
        game.say(correction);
    }
    now
}

/// True if two words say the same of a shot, whoever said it.
pub(super) fn same(said: &Said, now: &Said) -> bool {
    let of = |said: &Said| {
        let game = said.in_game.as_ref();
        game.map(|game| (game.points, game.team.clone(), game.player.clone()))
    };
    said.stands == now.stands && of(said) == of(now)
}

/// What stands in every event: a reason, where one is asked for, and a name.
pub(super) fn said_well(reason: Option<&str>, who: Option<&str>) -> Result<(), Refused> {
    let is_reason = |reason: &str| {
        (1..=REASON_MOST).contains(&reason.chars().count())
            && Foreign::first_hidden(reason).is_none()
    };
    if reason.is_some_and(|reason| !is_reason(reason)) {
        return Err(Refused::Reason);
    }
    let is_name = |who: &str| {
        (1..=WHO_MOST).contains(&who.chars().count()) && Foreign::first_hidden(who).is_none()
    };
    if who.is_some_and(|who| !is_name(who)) {
        return Err(Refused::Who);
    }
    Ok(())
}
