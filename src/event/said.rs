//! Who says so.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who says how a shot came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// A model on the box, on second thoughts.
    Model,
    /// The second look, after the game went on.
    Look,
    /// A person. No machine overrules it.
    Operator,
}

/// Who says what a shot is worth, or whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SaidBy {
    /// The game's rules, by the rim and the period: nobody saw it.
    Rules,
    /// A model saw it.
    Model,
    /// A person said so.
    Operator,
}
