//! What a court's game is made of: its inputs. `book` folds them, `log` keeps them.
//!
//! Words and whole numbers alone: a number with a fraction does not always read back from JSON as it
//! was, and the same inputs must give the same facts, byte for byte.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::answer::ModelIdentity;
use crate::event::{By, Event, FactId, ModelRef, SaidBy, Saying, Shot};
use crate::game::attempt::{Call, Outcome};
use crate::game::calibrate::Verdict;
use crate::media::{GameId, MediaTime, PlayerId, SessionId, TeamId};

/// The letters of a reason: it stands in every event that is corrected by it.
pub const REASON_MOST: usize = 200;
/// The letters of a person's name.
pub const WHO_MOST: usize = 48;

/// The model of a shot that no model saw.
pub(super) const ADDED_BY: &str = "operator";

/// One input of a game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Input {
    /// The daemon started: what the last run left open, nobody will finish.
    Started {
        /// Rims of the court from now on.
        rims: usize,
    },
    /// A model's first word on an attempt.
    Provisional(Called),
    /// A model's last word on it.
    Final(Called),
    /// A model takes its first word back.
    TakenBack {
        /// The session.
        session: SessionId,
        /// Index of the rim.
        rim: u16,
        /// Why.
        reason: String,
    },
    /// No answer of this session comes any more.
    StreamEnded {
        /// The session.
        session: SessionId,
    },
    /// Somebody says otherwise of a final.
    Corrected(Correction),
    /// The last correction of a shot is taken back.
    Undone(Undo),
    /// A shot that no model saw.
    Added(Added),
    /// Whose a shot is by the rules, since the period that it was in began at another time than was said.
    Sided {
        /// The shot.
        fact: FactId,
        /// Whose it is.
        team: TeamId,
    },
    /// What a person said of a shot for the rim to learn from. Changes nothing that was told.
    Verdict {
        /// The shot.
        fact: FactId,
        /// How it was.
        verdict: Verdict,
    },
}

/// How a shot came out, as far as anybody says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Through the ring.
    Made,
    /// Not.
    Missed,
    /// The model abstains.
    Unsure,
    /// There was no attempt.
    NoShot,
}

/// A call of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Called {
    /// The session that the times belong to.
    pub session: SessionId,
    /// Index of the rim.
    pub rim: u16,
    /// What it says.
    pub standing: Standing,
    /// When the ball reached the ring, ns of media time.
    pub reached_ns: i64,
    /// When it was decided, ns of media time.
    pub decided_ns: i64,
    /// How sure it is, in ten thousandths.
    pub confidence: u32,
    /// From the deciding picture's last byte to its answer, µs.
    pub latency_us: u32,
    /// Who called it.
    pub model: ModelRef,
    /// What the game that was started makes of it, as far as its rules say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_game: Option<InGame>,
}

/// What a game that was started makes of a shot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InGame {
    /// The game.
    pub game: GameId,
    /// What it is worth, if it goes in.
    pub points: u8,
    /// Who says so.
    pub points_by: SaidBy,
    /// Whose it is, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamId>,
    /// Who says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_by: Option<SaidBy>,
    /// Who shot, where somebody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerId>,
}

/// Says otherwise of a final.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// The shot.
    pub fact: FactId,
    /// How it was, if that is what is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<Verdict>,
    /// What it is worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<u8>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamId>,
    /// Who shot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerId>,
    /// Who says so.
    pub by: By,
    /// Why; at most [`REASON_MOST`] letters.
    pub reason: String,
    /// Which person, as they named themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// Takes the last correction of a shot back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The shot.
    pub fact: FactId,
    /// Who does so.
    pub by: By,
    /// Which person, as they named themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// A shot that no model saw, as a person says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// The session that the times belong to.
    pub session: SessionId,
    /// Index of the rim.
    pub rim: u16,
    /// When the ball reached the ring, ns of media time.
    pub reached_ns: i64,
    /// When that was said, ns of media time.
    pub decided_ns: i64,
    /// How it was.
    pub standing: Standing,
    /// What the game makes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_game: Option<InGame>,
    /// Who says so.
    pub by: By,
    /// Why; at most [`REASON_MOST`] letters.
    pub reason: String,
    /// Which person, as they named themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

impl Added {
    /// As a call, for the facts: a person is as sure as can be.
    pub(super) fn called(&self) -> Called {
        let [bundle, version, precision, engine] = [ADDED_BY, "", "", ""].map(str::to_owned);
        Called {
            session: self.session,
            rim: self.rim,
            standing: self.standing,
            reached_ns: self.reached_ns,
            decided_ns: self.decided_ns,
            confidence: 10_000,
            latency_us: 0,
            model: ModelRef { bundle, version, precision, engine },
            in_game: self.in_game.clone(),
        }
    }
}

impl From<Verdict> for Standing {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Made => Self::Made,
            Verdict::Missed => Self::Missed,
            Verdict::None => Self::NoShot,
        }
    }
}

impl Standing {
    /// True of what counts as an attempt.
    pub(super) const fn counts(self) -> bool {
        matches!(self, Self::Made | Self::Missed)
    }
}

impl Called {
    /// The call of an attempt at a rim, decided by an answer at `decided` that took `latency`.
    pub(super) fn of(
        (session, rim): (SessionId, u16),
        call: &Call,
        (decided, latency): (MediaTime, Duration),
        model: &ModelIdentity,
    ) -> Self {
        Self {
            session,
            rim,
            standing: match call.outcome {
                Some(Outcome::Made) => Standing::Made,
                Some(Outcome::Missed) => Standing::Missed,
                None => Standing::Unsure,
            },
            reached_ns: call.reached.as_nanos(),
            decided_ns: decided.as_nanos(),
            confidence: whole(f64::from(call.share) * 1e4),
            latency_us: whole(latency.as_secs_f64() * 1e3 * 1e3),
            model: ModelRef {
                bundle: model.bundle.clone(),
                version: model.version.clone(),
                precision: model.precision.clone(),
                engine: model.engine.clone(),
            },
            in_game: None,
        }
    }

    /// The call behind an event that was read back; `None` if it is no final call of a shot.
    pub(super) fn behind(event: &Event) -> Option<Self> {
        let shot = event.saying.shot()?;
        let standing = match &event.saying {
            Saying::ShotMade(_) => Standing::Made,
            Saying::ShotMissed(_) => Standing::Missed,
            _ => Standing::Unsure,
        };
        (!shot.provisional).then(|| Self {
            session: event.session,
            rim: shot.rim,
            standing,
            reached_ns: event.at.as_nanos(),
            decided_ns: nanos(shot.t_decided),
            confidence: whole(shot.confidence * 1e4),
            latency_us: whole(shot.latency_ms * 1e3),
            model: shot.model.clone(),
            in_game: None,
        })
    }

    /// When the ball reached the ring.
    #[must_use]
    pub const fn reached(&self) -> MediaTime {
        MediaTime::from_nanos(self.reached_ns)
    }

    /// As an event tells it, without what a game makes of it. Further digits would mean nothing, and make JSON hard to read.
    pub(super) fn shot(&self, provisional: bool) -> Shot {
        Shot {
            rim: self.rim,
            t_stream: self.reached().as_secs_f64(),
            t_decided: MediaTime::from_nanos(self.decided_ns).as_secs_f64(),
            confidence: f64::from(self.confidence) / 1e4,
            provisional,
            game: None,
            points: None,
            points_by: None,
            team: None,
            team_by: None,
            player: None,
            clip: None,
            model: self.model.clone(),
            latency_ms: f64::from(self.latency_us) / 1e3,
            by: None,
            who: None,
            reason: None,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of f64 saturates, and neither a share nor a latency is negative"
)]
fn whole(number: f64) -> u32 {
    number.round() as u32
}

#[expect(clippy::cast_possible_truncation, reason = "times of a stream are far from the bounds")]
fn nanos(seconds: f64) -> i64 {
    (seconds * 1e9).round() as i64
}

impl Correction {
    /// A person's word that says nothing yet.
    pub(super) fn nothing(who: Option<String>) -> Self {
        let fact = FactId { session: SessionId::from_bits(0), family: None, n: 0 };
        let (what, points, team, player) = (None, None, None, None);
        Self { fact, what, points, team, player, by: By::Operator, reason: String::new(), who }
    }
}

impl InGame {
    /// Takes in what somebody says of points, team and player.
    pub(super) fn say(&mut self, correction: &Correction) {
        let Correction { points, team, player, by, .. } = correction;
        let by = if *by == By::Operator { SaidBy::Operator } else { SaidBy::Model };
        if let Some(points) = points {
            (self.points, self.points_by) = (*points, by);
        }
        if let Some(team) = team {
            // A player of the other team did not shoot.
            if self.team.as_ref() != Some(team) {
                self.player = None;
            }
            (self.team, self.team_by) = (Some(team.clone()), Some(by));
        }
        if let Some(player) = player {
            self.player = Some(player.clone());
        }
    }

    /// True where the rules alone say whose it is.
    pub(super) fn by_side(&self) -> bool {
        self.team.is_some() && self.team_by == Some(SaidBy::Rules) && self.player.is_none()
    }

    /// Puts into a shot's data what the game makes of it.
    pub(super) fn tell(&self, shot: &mut Shot) {
        shot.game = Some(self.game.clone());
        shot.points = Some(self.points);
        shot.points_by = Some(self.points_by);
        shot.team.clone_from(&self.team);
        shot.team_by = self.team_by;
        shot.player.clone_from(&self.player);
    }
}
