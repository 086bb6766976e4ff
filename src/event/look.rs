//! The second look: what it does, what it cost, and why it does not.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::words::LookCondition;
use crate::media::Foreign;

/// `state/look`: the hosted model that looks again, where one is configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LookState {
    /// The bundle's name.
    pub bundle: Foreign,
    /// See each word.
    pub condition: LookCondition,
    /// Why it is so, in words, where somebody has to do something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Foreign>,
    /// `live`, `second` or `teacher`.
    #[serde(default)]
    pub role: Foreign,
    /// `openai`, `gemini` or `anthropic`.
    #[serde(default)]
    pub shape: Foreign,
    /// The model, by its server's name.
    #[serde(default)]
    pub model: Foreign,
    /// What names the prompt: the beginning of its SHA-256.
    #[serde(default)]
    pub prompt: Foreign,
    /// When somebody looked its price up, `2026-11-28`.
    #[serde(default)]
    pub price_date: Foreign,
    /// Days since then.
    #[serde(default)]
    pub price_age_days: i64,
    /// Spent or reserved today (UTC), dollars.
    #[serde(default)]
    pub spent_usd: f64,
    /// The most of a day.
    #[serde(default)]
    pub cap_usd: f64,
    /// Attempts that were asked since the start, by why: `unsure`, `doubtful`, `disputed`, `live`.
    #[serde(default)]
    pub asked: BTreeMap<String, u64>,
    /// What was answered, by word: `made`, `missed`, `unsure`.
    #[serde(default)]
    pub said: BTreeMap<String, u64>,
    /// Answers by which a call became another one.
    #[serde(default)]
    pub changed: u64,
    /// Questions that came to nothing, by why.
    #[serde(default)]
    pub failed: BTreeMap<String, u64>,
    /// Attempts that would have been asked, by why they were not.
    #[serde(default)]
    pub not_asked: BTreeMap<String, u64>,
}
