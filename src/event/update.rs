//! The update of the whole box: what is asked, and how far it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::words::UpdateStep;
use crate::media::Foreign;

/// Of `system_update`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateArguments {
    /// Where the bundle is: `https://…`.
    pub url: String,
    /// Of the bundle, 64 hexadecimal digits.
    pub sha256: String,
    /// Bytes of the bundle.
    pub size: u64,
    /// The text of its `.minisig` file, four lines.
    pub signature: String,
    /// Refused unless this is the version that was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// True: also while a game runs; the restart too.
    #[serde(default)]
    pub now: bool,
}

/// `state/update`: the image that runs, and how far the next one is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpdateState {
    /// See each word.
    pub step: UpdateStep,
    /// This machine has two slots, and a part that installs into them.
    pub slots: bool,
    /// The image that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Foreign>,
    /// The slot that it runs from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Foreign>,
    /// The image that is on its way, or was last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Foreign>,
    /// SHA-256 of its bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Foreign>,
    /// Bytes that have come.
    #[serde(default)]
    pub bytes: u64,
    /// Bytes of all of it.
    #[serde(default)]
    pub total: u64,
    /// Why it waits, failed, or fell back; or what a trial still lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Foreign>,
    /// Updates that were found good, since the record began.
    #[serde(default)]
    pub good: u64,
    /// Updates that the box fell back from.
    #[serde(default)]
    pub fallen_back: u64,
    /// Updates that were not installed.
    #[serde(default)]
    pub failed: u64,
}
