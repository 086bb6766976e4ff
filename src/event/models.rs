//! Models that change while the stream runs: what is asked, how far it is, and how each model does.
//!
//! `state/models` has [`SwapState`], [`SwapEnded`] and [`ModelFigures`] in it; what a command or a page
//! asks is a [`SwapOrder`]; a [`Disagreement`] is an attempt at which two models said otherwise.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::words::{CallWord, InstallPhase, ModelRole, SwapOutcome, SwapPhase};
use crate::media::Foreign;

/// Why a clip of a disagreement is kept; a part of its name, too.
pub const DISAGREEMENT: &str = "disagreement";
/// Why a clip is kept that becomes a label: a person said what a shot was.
pub const LABEL: &str = "label";

/// Somebody wants a bundle to decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SwapOrder {
    /// Its name.
    pub bundle: String,
    /// Of which of its files; FP32 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// When it takes over.
    #[serde(default)]
    pub after: After,
    /// After a restart it decides too, once it has done well for a minute.
    #[serde(default)]
    pub keep: bool,
}

/// When a model that is tried takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// After so many attempts, and ten minutes.
    Attempts(u32),
    /// After so many frames that it answered when warm.
    Frames(u32),
    /// As soon as it is loaded and warm.
    Now,
}

impl Default for After {
    fn default() -> Self {
        Self::Attempts(20)
    }
}

impl SwapOrder {
    /// The bundle and the precision, as they are told: `rimnet`, `rimnet:fp16`.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.precision {
            None => self.bundle.clone(),
            Some(precision) => format!("{}:{precision}", self.bundle),
        }
    }
}

/// Somebody wants a parcel on the box, and the bundle in it to decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallOrder {
    /// Where it is: `https://HOST/PATH`, `http://HOST/PATH`, or the whole path of a file on the box.
    pub from: String,
    /// Of the file, 64 hexadecimal digits; without it the signature alone says what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Of which of its files; FP32 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// When it takes over.
    #[serde(default)]
    pub after: After,
    /// After a restart it decides too, once it has done well for a minute.
    #[serde(default)]
    pub keep: bool,
}

/// An installation: how far it is, or how the last one since the start ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstallState {
    /// Where it comes from, without what may be a secret.
    pub from: Foreign,
    /// How far it is.
    pub phase: InstallPhase,
    /// Bytes that have come.
    #[serde(default)]
    pub bytes: u64,
    /// Bytes that there will be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// What it was: `NAME@VERSION`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Foreign>,
    /// Why it failed, or was not handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Foreign>,
}

/// A parcel on the box.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstalledModel {
    /// By which it is swapped to: `NAME@VERSION`.
    pub bundle: Foreign,
    /// Its length, bytes.
    pub bytes: u64,
    /// True if it is sealed on the disk, and opened in memory alone.
    #[serde(default)]
    pub sealed: bool,
}

/// A swap that is under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SwapState {
    /// The bundle, as it was asked for.
    pub bundle: Foreign,
    /// How far it is.
    pub phase: SwapPhase,
    /// In this phase for so long, s.
    pub seconds: u64,
    /// Frames that it answered when warm.
    #[serde(default)]
    pub frames: u64,
    /// Attempts that were compared.
    #[serde(default)]
    pub attempts: u64,
    /// When it takes over.
    pub after: After,
}

/// How the last swap went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SwapEnded {
    /// The bundle, as it was asked for.
    pub bundle: Foreign,
    /// How it went.
    pub outcome: SwapOutcome,
    /// So long ago, s.
    pub seconds_ago: u64,
    /// Why it was put back, or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Foreign>,
}

/// How a model does at a court, over its last attempts there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelFigures {
    /// The court.
    pub court: String,
    /// Attempts that it and the one that decided were compared at: 200 at most, the last ones.
    pub attempts: u64,
    /// Of them, where both said the same (made, missed, unsure, nothing).
    pub agreed: u64,
    /// Of them, with a person's verdict …
    pub judged: u64,
    /// … and of those, where it said the same.
    pub right: u64,
    /// Of them, where it abstained.
    pub unsure: u64,
    /// From a picture's last byte to its answer, median of the last answers, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    /// The same, 99th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
}

/// One model on the board: what it is, and its figures by court.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BoardRow {
    /// The bundle.
    pub bundle: Foreign,
    /// Its version.
    pub version: Foreign,
    /// `fp32`, `fp16` or `int8`.
    pub precision: Foreign,
    /// The engine that runs it.
    pub engine: Foreign,
    /// What part it plays now.
    pub role: ModelRole,
    /// By court.
    pub courts: Vec<ModelFigures>,
}

/// An attempt at which the model that decided and another one said otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Disagreement {
    /// When the ball reached the ring, UTC as RFC 3339; empty where nobody knows.
    pub time: String,
    /// The court.
    pub court: String,
    /// Index of the rim.
    pub rim: u16,
    /// The session, sixteen digits.
    pub session: String,
    /// The same moment, seconds of the stream's own timestamps.
    pub t_stream: f64,
    /// What was told.
    pub live: ModelSaid,
    /// What the other would have told.
    pub other: ModelSaid,
    /// What a person said of it, once somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<CallWord>,
    /// Its clip's name: `/v1/clips/{clip}/media`.
    pub clip: String,
}

/// What one model said of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelSaid {
    /// The bundle.
    pub bundle: Foreign,
    /// Its version.
    pub version: Foreign,
    /// What it called.
    pub call: CallWord,
    /// The probability that it gave that, over the pictures weighed: 0.5 to 1; absent where it called
    /// nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_people_write_it() {
        for (text, after, keep) in [
            (r#"{"bundle":"x"}"#, After::Attempts(20), false),
            (r#"{"bundle":"x","after":"now","keep":true}"#, After::Now, true),
            (r#"{"bundle":"x","after":{"frames":30}}"#, After::Frames(30), false),
            (r#"{"bundle":"x","after":{"attempts":5}}"#, After::Attempts(5), false),
        ] {
            let order: SwapOrder = serde_json::from_str(text).expect(text);
            assert_eq!((order.name(), order.after, order.keep), ("x".to_owned(), after, keep));
        }
        for text in ["{}", r#"{"bundle":"x","after":"never"}"#, r#"{"bundle":"x","when":1}"#] {
            assert!(serde_json::from_str::<SwapOrder>(text).is_err(), "{text}");
        }
    }
}
