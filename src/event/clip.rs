//! What is asked of the clips from outside: keep this, let it go, forget it; and what is told of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::words::ClipWord;
use crate::media::Foreign;

/// A moment: RFC 3339 in UTC, or seconds of the stream's own timestamps (then the session is named too).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Moment {
    /// `2026-11-22T18:04:11.480Z`.
    Utc(String),
    /// Seconds of the stream.
    Stream(f64),
}

/// Of `clip_keep`, and of `POST /v1/clips`: an interval of a court, or a clip that there is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepArguments {
    /// Which court; needed where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub court: Option<String>,
    /// Which session, 16 hexadecimal digits, where the moments are of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// First moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Moment>,
    /// Last moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Moment>,
    /// So many seconds up to now, instead of the two moments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<f64>,
    /// A clip that there is, instead of an interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<String>,
    /// A name for the clip of an interval: the same name again is the same clip. Made of court, session and
    /// interval unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Why, in a word or two; `kept` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What else is to be known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When the pin ends by itself, RFC 3339; after `pin_days` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// Of `clip_delete`, and of `POST /v1/deletions`: a clip, a session, or an interval of a court.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteArguments {
    /// A clip: its bytes go, and every other clip that has some of them loses its media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<String>,
    /// A session, 16 hexadecimal digits: all that was recorded of it, or the moments of it that are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// A game: what its courts recorded while it was played, and its clips. Where none was started it is the
    /// session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game: Option<String>,
    /// Which court, where the moments are in UTC; needed where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub court: Option<String>,
    /// First moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Moment>,
    /// Last moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Moment>,
    /// Why. It stands in the audit log: never name the person here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Data of `courtside.clip.v1`: what became of a clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClipTold {
    /// Its name.
    pub id: String,
    /// Path on the box.
    pub clip: String,
    /// What became of it.
    pub state: ClipWord,
    /// Why it was wanted.
    pub reason: Foreign,
    /// Why it went; what was noted where it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Foreign>,
    /// First moment of it, seconds of the stream's own timestamps.
    pub t_from: f64,
    /// Its end, seconds of the stream's own timestamps.
    pub t_to: f64,
    /// Bytes of the MP4, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// SHA-256 of the MP4, hexadecimal, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// RFC 3339: when its pin ends by itself, where somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}
