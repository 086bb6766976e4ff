//! What one model said of one frame (DESIGN §1).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::media::{CourtId, MediaTime, Monotonic, RimId, SessionId};

/// What a rim model said of one frame at one rim.
#[derive(Clone, Debug)]
pub struct RimAnswer {
    /// The court.
    pub court: CourtId,
    /// The rim.
    pub rim: RimId,
    /// The run of timestamps that `pts` belongs to.
    pub session: SessionId,
    /// Presentation time of the frame.
    pub pts: MediaTime,
    /// Softmax of the model's logits, after its temperature.
    pub says: RimProbabilities,
    /// True while the model's state has seen fewer frames than it needs; decides nothing.
    pub warming: bool,
    /// Who said it, and how its answers are to be read.
    pub model: Arc<ModelIdentity>,
    /// When the last byte of the frame's access unit had been read.
    pub arrival: Monotonic,
    /// When the answer was there.
    pub answered: Monotonic,
}

/// Probabilities of the four phases at a rim; they sum to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RimProbabilities {
    /// Nothing happens at the ring.
    pub none: f32,
    /// A ball comes to the ring or is at it; its outcome is not visible.
    pub under_way: f32,
    /// The outcome is visible: made.
    pub made: f32,
    /// The outcome is visible: missed.
    pub missed: f32,
}

/// Which model answered.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelIdentity {
    /// The bundle's name.
    pub bundle: String,
    /// The bundle's version.
    pub version: String,
    /// `fp32`, `fp16` or `int8`.
    pub precision: String,
    /// The engine that runs it, for example `builtin`.
    pub engine: String,
    /// How its answers become a decision.
    pub decision: DecisionParameters,
}

/// One picture's log-odds of made count no more than this, either way, so that no single one decides:
/// no mean of them lies beyond it, and no threshold on such a mean means anything there (chosen).
pub const ODDS_AT_MOST: f32 = 6.0;

/// Thresholds by which `game` turns answers into a call; they belong to the bundle (DESIGN §4.8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionParameters {
    /// Divides the logits before the softmax.
    pub temperature: f32,
    /// Probability of *not none* that opens an attempt.
    pub open: f32,
    /// For so many frames in a row.
    pub open_frames: u32,
    /// Share of one outcome, of both, for the provisional call.
    pub provisional: f32,
    /// Stream time over which an outcome is weighed before it is final, ms.
    pub final_after_ms: u32,
    /// The final comes after so long already, ms, where …
    pub early_ms: u32,
    /// … the mean log-odds are this clear; 0 to [`ODDS_AT_MOST`].
    pub early_odds: f32,
    /// An outcome counts only where *under way* was given this much before it, 0 to 1.
    pub ball: f32,
    /// Absolute mean log-odds under which the final is `unsure`; 0 to [`ODDS_AT_MOST`].
    pub unsure: f32,
    /// Middle between the two kinds of mean log-odds on the attempts that the bundle was made with;
    /// without it no rim is calibrated without verdicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<f32>,
}

impl Default for DecisionParameters {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            open: 0.5,
            open_frames: 2,
            provisional: 0.75,
            final_after_ms: 350,
            early_ms: 350,
            early_odds: 6.0,
            ball: 0.0,
            unsure: 0.0,
            cut: None,
        }
    }
}
