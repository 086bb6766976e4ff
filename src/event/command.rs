//! Commands: what is asked of a box, and the one state that it tells of each.
//!
//! ```text
//! request ─→ refused                  nothing was run, and nothing will be
//!         └→ accepted ─→ running ─→ done
//!                │          └─────→ failed
//!                └────────────────→ failed
//! ```
//! A command is named by its id, for ever: the same id again runs nothing again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::upload::UploadNeeds;
use crate::event::words::CommandWord;
use crate::media::Foreign;

/// Who asks, over HTTP and over MQTT. A later one may do what those before it may.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees: page, events, clips, pictures, metrics.
    Viewer,
    /// Taps: says what a shot was, runs a game.
    Operator,
    /// Configures: rims, models, configuration, commands.
    Technician,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Technician];

    /// As it is written in topics, files and answers.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Technician => "technician",
        }
    }

    /// Below the root of a box, the topic below which who has this role asks, `{commands}/{id}`, and is
    /// answered, `{commands}/{id}/state`. MQTT tells a box nothing of who publishes; the broker's ACL
    /// says who may publish there, so the topic is who asks. Viewers ask for nothing.
    #[must_use]
    pub const fn commands(self) -> Option<&'static str> {
        match self {
            Self::Viewer => None,
            Self::Operator => Some("operator/command"),
            Self::Technician => Some("command"),
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// What stands in `command/{id}`. Members that this version does not know are let be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommandRequest {
    /// The operation, for example `doctor`.
    pub operation: String,
    /// What it is to be done with; each operation has a schema of its own.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub arguments: Map<String, Value>,
    /// RFC 3339: once this is past it is not begun. Needed where the message itself does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// What stands in `command/{id}/state`: how far a command is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommandState {
    /// The command's id; absent where a request names none that can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Foreign>,
    /// What was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Foreign>,
    /// Where it stands.
    pub state: CommandWord,
    /// Counts the states of this command: of two the higher one holds.
    pub number: u64,
    /// The box's time at which this state came about, if it knows the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Per cent done, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<u8>,
    /// What it does now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Foreign>,
    /// What it wants before it can go on: of `clip_upload`, answered by `clip_upload_urls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Box<UploadNeeds>>,
    /// Starts of the box that cut it and after which it went on.
    #[serde(default, skip_serializing_if = "is_none")]
    pub cuts: u32,
    /// What came out, once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why it was refused or failed, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Foreign>,
    /// The same for people, with what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Foreign>,
    /// Operations that there are, where another one was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<Foreign>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_none(count: &u32) -> bool {
    *count == 0
}

impl CommandState {
    /// True once nothing comes after it.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, CommandWord::Done | CommandWord::Failed | CommandWord::Refused)
    }
}

/// Of an operation that takes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoArguments {}

/// Of `snapshot`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CourtArguments {
    /// Which court; needed where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub court: Option<String>,
}

/// Of `aim`.
pub type AimArguments = CourtArguments;

/// Of `key_rotate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyArguments {
    /// What is made anew.
    pub key: RotatedKey,
    /// Whose token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// What `key_rotate` makes anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RotatedKey {
    /// The token of a role for the page and `/v1`.
    Token,
    /// The box's own key, with the certificate or password that it shows its broker.
    Identity,
}

/// Of `config_check`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigArguments {
    /// The text of a configuration; the box's own file, as it is now, where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toml: Option<String>,
}

/// Of `log_tail`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogArguments {
    /// At most so many lines, the last ones; 100 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<u16>,
    /// Only lines with this text in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
}
