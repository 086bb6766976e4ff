//! Recorded answers in, events out: a game played again without a camera or a model.
//!
//! A recording is JSON lines: the model first, then an answer, the end of a session, a verdict or a
//! correction each.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::answer::{DecisionParameters, ModelIdentity, RimAnswer, RimProbabilities};
use crate::event::{Event, FactId};
use crate::game::book::Refused;
use crate::game::calibrate::Verdict;
use crate::game::input::{Added, Correction, Undo};
use crate::game::log::{Decided, events};
use crate::game::play::Game;
use crate::media::{CloseReason, CourtId, MediaTime, Monotonic, RimId, SessionId};

/// A line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case", deny_unknown_fields)]
pub enum Line {
    /// Whose answers follow, until the next such line.
    Model {
        /// The bundle's name.
        bundle: String,
        /// The bundle's version.
        version: String,
        /// `fp32`, `fp16` or `int8`.
        precision: String,
        /// The engine that ran it.
        engine: String,
        /// How its answers become a decision.
        #[serde(default)]
        decision: DecisionParameters,
    },
    /// One answer.
    Answer {
        /// The session, 16 hexadecimal digits.
        session: String,
        /// Index of the rim.
        rim: u16,
        /// Presentation time, ms.
        pts_ms: i64,
        /// none, under_way, made, missed.
        says: [f32; 4],
        /// True while the model's state is not to be trusted.
        #[serde(default)]
        warming: bool,
        /// From the picture's last byte to the answer, µs.
        #[serde(default)]
        latency_us: u64,
    },
    /// The session is over.
    End {
        /// The session, 16 hexadecimal digits.
        session: String,
    },
    /// What a person said of a shot, for its rim to learn from.
    Verdict {
        /// The shot.
        fact: FactId,
        /// How it was.
        verdict: Verdict,
    },
    /// Somebody says otherwise of a final.
    Correction(Correction),
    /// The last correction of a shot is taken back.
    Undo(Undo),
    /// A shot that no model saw.
    Added(Added),
}

/// Why a recording cannot be played.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum ReplayError {
    /// Not one of our lines.
    #[error("line {line} is no line of a recording")]
    Line { line: usize, source: serde_json::Error },
    /// A session is 16 hexadecimal digits.
    #[error("line {line}: `{session}` is no session: write 16 hexadecimal digits")]
    Session { line: usize, session: String },
    /// An answer needs a model before it.
    #[error("line {line}: an answer without a model: put a line {{\"line\":\"model\",…}} first")]
    NoModel { line: usize },
    /// The game takes no such correction.
    #[error("line {line}: the correction is refused")]
    Refused { line: usize, source: Refused },
}

/// What a line of a recording gives a game.
#[derive(Debug)]
enum Step {
    Answer(RimAnswer),
    Closed(SessionId),
    Said(FactId, Verdict),
    Corrected(Correction),
    Undone(Undo),
    Added(Added),
}

impl Step {
    fn play(self, game: &mut Game) -> Result<Vec<Decided>, Refused> {
        Ok(match self {
            Self::Answer(answer) => game.step(&answer),
            Self::Closed(session) => game.session_closed(session, CloseReason::Ended),
            Self::Said(fact, verdict) => game.said(fact, verdict),
            Self::Corrected(correction) => game.correct(correction)?,
            Self::Undone(undo) => game.undo(undo)?,
            Self::Added(added) => game.add(added, None)?,
        })
    }
}

/// Plays a recording of `court` with `rims` rims from a score of nothing.
///
/// # Errors
/// [`ReplayError`], at the first line that cannot be read, or whose correction is refused.
pub fn replay(recording: &str, court: &CourtId, rims: usize) -> Result<Vec<Event>, ReplayError> {
    let mut game = Game::new(court.clone(), rims);
    Ok(events(decided(recording, court, &mut game)?).collect())
}

/// How many rims the answers of a recording are of.
#[must_use]
pub fn rims_in(recording: &str) -> usize {
    let rim = |text| match serde_json::from_str(text) {
        Ok(Line::Answer { rim, .. }) => Some(usize::from(rim) + 1),
        Ok(_) | Err(_) => None,
    };
    recording.lines().filter_map(rim).max().unwrap_or(0)
}

/// Plays a recording to a game.
pub(super) fn decided(
    recording: &str,
    court: &CourtId,
    game: &mut Game,
) -> Result<Vec<Decided>, ReplayError> {
    let mut decided = Vec::new();
    for step in steps(recording, court) {
        let (line, step) = step?;
        let refused = |source| ReplayError::Refused { line, source };
        decided.extend(step.play(game).map_err(refused)?);
    }
    Ok(decided)
}

/// The inputs of a recording, in order.
fn steps(
    recording: &str,
    court: &CourtId,
) -> impl Iterator<Item = Result<(usize, Step), ReplayError>> {
    let mut model: Option<Arc<ModelIdentity>> = None;
    let lines = (1..).zip(recording.lines()).filter(|(_, text)| !text.trim().is_empty());
    lines.filter_map(move |(line, text)| {
        let step = step(line, text, court, &mut model).transpose()?;
        Some(step.map(|step| (line, step)))
    })
}

/// The input of one line; a line may also name the model of those that follow.
fn step(
    line: usize,
    text: &str,
    court: &CourtId,
    model: &mut Option<Arc<ModelIdentity>>,
) -> Result<Option<Step>, ReplayError> {
    let session = |session: &str| {
        SessionId::parse(session)
            .ok_or_else(|| ReplayError::Session { line, session: session.to_owned() })
    };
    match serde_json::from_str(text).map_err(|source| ReplayError::Line { line, source })? {
        Line::Model { bundle, version, precision, engine, decision } => {
            let named = ModelIdentity { bundle, version, precision, engine, decision };
            *model = Some(Arc::new(named));
            Ok(None)
        }
        Line::Answer { session: of, rim, pts_ms, says, warming, latency_us } => {
            let [none, under_way, made, missed] = says;
            Ok(Some(Step::Answer(RimAnswer {
                court: court.clone(),
                rim: RimId(rim),
                session: session(&of)?,
                pts: MediaTime::from_millis(pts_ms),
                says: RimProbabilities { none, under_way, made, missed },
                warming,
                model: model.clone().ok_or(ReplayError::NoModel { line })?,
                arrival: Monotonic::ZERO,
                answered: Monotonic::from_nanos(latency_us.saturating_mul(1_000)),
            })))
        }
        Line::End { session: of } => Ok(Some(Step::Closed(session(&of)?))),
        Line::Verdict { fact, verdict } => Ok(Some(Step::Said(fact, verdict))),
        Line::Correction(correction) => Ok(Some(Step::Corrected(correction))),
        Line::Undo(undo) => Ok(Some(Step::Undone(undo))),
        Line::Added(added) => Ok(Some(Step::Added(added))),
    }
}

impl Line {
    /// The line of an answer.
    #[must_use]
    pub fn of(answer: &RimAnswer) -> Self {
        let says = answer.says;
        let latency = answer.answered.since(answer.arrival);
        Self::Answer {
            session: answer.session.to_string(),
            rim: answer.rim.0,
            pts_ms: answer.pts.as_nanos() / 1_000_000,
            says: [says.none, says.under_way, says.made, says.missed],
            warming: answer.warming,
            latency_us: u64::try_from(latency.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
