//! The configuration twin: what is wanted of a box's configuration, and what the box made of it.
//!
//! A path names one key as `uplink.broker`, `court.a.rims`, `court.a.rims[1]`, or a table as `court.a`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::words::{Applies, DesiredOutcome};
use crate::media::Foreign;

/// Why a configuration that was wanted is not taken: one thing that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// The key, as `court.a.rims`; `config` for the whole.
    pub path: Foreign,
    /// What is wrong, and what to write instead. No secret stands in it.
    pub reason: Foreign,
}

/// One key that a configuration changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The key, as `court.a.rims`; `court.a` for a court that comes or goes.
    pub path: Foreign,
    /// When it comes into force.
    pub applies: Applies,
}

/// `config/desired`: the configuration that is wanted.
#[derive(Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigDesired {
    /// Counted up by whoever wants something else: what is not newer than what the box knows is refused.
    #[schemars(range(min = 1))]
    pub revision: u64,
    /// What is wanted beside the box's own file, laid over it by RFC 7396, with the courts by name; `{}`
    /// for nothing.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub config: serde_json::Value,
}

/// `config/reported`: what the box made of it. Retained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigReported {
    /// Revision of what is in force, or will be at the next start; 0 where the box's file alone is.
    pub revision: u64,
    /// The highest revision that came: the next one is to be higher.
    pub seen: u64,
    /// SHA-256 of `config` as JSON without spaces, members sorted, in hexadecimal.
    pub hash: String,
    /// What is in force, defaults included, courts by name; instead of a secret stands `(hidden)`.
    pub config: serde_json::Value,
    /// Keys that were changed and come into force at the next start.
    pub waiting: Vec<Change>,
    /// What became of the newest configuration that was wanted, if there ever was one.
    pub desired: Option<DesiredTold>,
    /// One that came after it and was passed over: it was not newer, or it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_over: Option<DesiredTold>,
    /// When each key comes into force once it was changed, by its path without a court's name.
    pub applies: BTreeMap<String, Applies>,
}

/// What became of a configuration that was wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DesiredTold {
    /// Its revision; 0 where it could not be read.
    pub revision: u64,
    /// What became of it.
    pub outcome: DesiredOutcome,
    /// Why it was refused or undone.
    pub errors: Vec<Refusal>,
}
