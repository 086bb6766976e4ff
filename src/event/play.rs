//! What is asked of a game from outside: start it, end it, its periods; and taps on its shots.
//!
//! The same over HTTP, where the path names game or fact, and as `arguments` of a command over MQTT.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::FactId;
use crate::event::game::{GameView, Player, Team};
use crate::event::words::{GameWord, GraphicWord, RulesSource, SocialWord, VerdictWord};
use crate::media::{CourtId, Foreign, GameId, PlayerId, TeamId};

/// Of `game_start`, and of `POST /v1/games`. All of it has a default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GameStartArguments {
    /// Its name; the date and the time unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<GameId>,
    /// Its rules, by name; those of the box's configuration (`[game] rules`) unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
    /// The two teams; `home` and `away` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teams: Option<[Team; 2]>,
    /// Where it is played; needed where the box has several courts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub courts: Vec<CourtId>,
    /// Who attacks which rim in the first period.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attacks: Vec<RimAttacked>,
    /// Those that are named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub players: Vec<Player>,
}

/// Rules that a game can be started with: a line of `GET /v1/rules`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RulesLine {
    /// Their name.
    pub name: String,
    /// As people call them.
    pub title: String,
    /// Where they come from.
    pub source: RulesSource,
}

/// A rim, and who attacks it in the first period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RimAttacked {
    /// Its court.
    pub court: CourtId,
    /// Index in the court's `rims`, from 0.
    pub rim: u16,
    /// The team; absent where both attack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamId>,
}

/// What `game_end` and `POST /v1/games/{game}/end` come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum GameEnded {
    /// The game, as it stands.
    Whole(Box<GameView>),
    /// Its record alone: nothing else of it could be read.
    Record {
        /// The record.
        record: GameLine,
        /// What is gone, in words.
        gone: Foreign,
    },
}

/// Of `game_end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GameArguments {
    /// Which game.
    pub game: GameId,
}

/// Of `game_period`; in `POST /v1/games/{game}/period` without `game`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GamePeriodArguments {
    /// Which game.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game: Option<GameId>,
    /// Which period begins, from 1; overtimes count on.
    pub n: u16,
    /// Whether teams attack the other basket than in the first; as the rules say unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swapped: Option<bool>,
    /// It began so many seconds ago, where this comes late; also of the period that runs, whose beginning is moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ago_s: Option<f64>,
    /// When it began instead, RFC 3339, by the box's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// Of `shot_correct`; in `POST /v1/shots/{fact}/correct` without `fact`. What is not said stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShotCorrectArguments {
    /// Which shot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub fact: Option<FactId>,
    /// How it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictWord>,
    /// What it is worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<u8>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamId>,
    /// Who shot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerId>,
    /// Why; `corrected` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// Of `shot_undo`: the last correction of a shot, or of a game, is taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShotUndoArguments {
    /// Which shot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub fact: Option<FactId>,
    /// Which game, instead of a shot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game: Option<GameId>,
    /// Who does so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// Of `shot_add`; in `POST /v1/games/{game}/shots` without `game`: a shot that no model saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShotAddArguments {
    /// Which game.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game: Option<GameId>,
    /// Where; where the team attacks at that time, or the game's only court, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub court: Option<CourtId>,
    /// Index in the court's `rims`, from 0; the one that the team attacks at that time, or the court's only one,
    /// unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rim: Option<u16>,
    /// `made` or `missed`.
    pub verdict: VerdictWord,
    /// So many seconds ago, while the camera plays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ago_s: Option<f64>,
    /// The session of `t_stream`, 16 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// When, in seconds of the stream's own timestamps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t_stream: Option<f64>,
    /// What it is worth; as the rules say unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<u8>,
    /// Whose it is; by the rim unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamId>,
    /// Who shot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerId>,
    /// Why; `added` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// In `POST /v1/games/{game}/graphics/{fact}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GraphicTap {
    /// What the operator does with it.
    pub state: GraphicWord,
}

/// In `POST /v1/games/{game}/social/{fact}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SocialTap {
    /// What the operator does with it.
    pub state: SocialWord,
    /// The words to go with it, if not ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
}

/// What became of a tap on a shot: its last revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShotTold {
    /// The shot.
    pub fact: String,
    /// Its last revision; the same as before where nothing changed.
    pub revision: u32,
}

/// A game in `GET /v1/games`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GameLine {
    /// Its name.
    pub id: GameId,
    /// Whether it runs.
    pub state: GameWord,
    /// Its rules, by name; absent of one that is too old to be corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
    /// Where it is played.
    pub courts: Vec<CourtId>,
    /// When it began, RFC 3339.
    pub start: String,
    /// When it ended, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}
