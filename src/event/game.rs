//! What is told of a game that was started: the data of its facts.
//!
//! What holds of the game as a whole (`game`, `game score`, `momentum`, `leaderboard`) is one fact a
//! game, revised whenever it changes, so that its last revision is how things stand. What is a moment
//! (`graphic`, `social.candidate`, and the highlight of a court) is a fact of its own, revised and taken
//! back with what it stands on. Shares and scores have four digits: more would mean nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::words::{EndWord, GameWord, GraphicKind, GraphicWord, SocialWord};
use crate::media::{CourtId, GameId, PlayerId, TeamId};

/// One of the two teams of a game.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Team {
    /// Its short name, in facts and commands.
    pub id: TeamId,
    /// As people call it, at most 40 letters; the id where nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of its shirts, `#rrggbb`, for graphics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
}

/// A player, where somebody names players.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Player {
    /// Its short name, for example `7` or `ana`.
    pub id: PlayerId,
    /// Whose it is.
    pub team: TeamId,
    /// As people call them, at most 40 letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Data of `courtside.game.v1`: a game, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GameTold {
    /// The game.
    pub game: GameId,
    /// Whether it runs.
    pub state: GameWord,
    /// Its rules, by name.
    pub rules: String,
    /// The two teams.
    pub teams: [Team; 2],
    /// Where it is played.
    pub courts: Vec<CourtId>,
    /// Those that are named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub players: Vec<Player>,
    /// The period that is played, from 1; overtimes count on.
    pub period: u16,
    /// Periods before overtime.
    pub periods: u16,
    /// Who won, once it is over and not drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winner: Option<TeamId>,
    /// Why it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndWord>,
}

/// What one team has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TeamPoints {
    /// The team.
    pub team: TeamId,
    /// Its points.
    pub points: u32,
    /// Shots made.
    pub made: u32,
    /// Shots made and missed.
    pub attempts: u32,
    /// Points by period, from the first.
    pub by_period: Vec<u32>,
}

/// What nobody has yet: its team is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pending {
    /// Shots made and missed.
    pub attempts: u32,
    /// Shots made.
    pub made: u32,
    /// Their points.
    pub points: u32,
}

/// Data of `courtside.game.score.v1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GameScore {
    /// The game.
    pub game: GameId,
    /// The period that is played, from 1.
    pub period: u16,
    /// Both teams, in the game's order.
    pub teams: [TeamPoints; 2],
    /// What waits for its team.
    pub pending: Pending,
    /// Points that end the game, where the rules have such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<u32>,
    /// Who leads; absent while drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leads: Option<TeamId>,
    /// By how many points.
    pub by: u32,
    /// How often the lead went over.
    pub lead_changes: u32,
    /// How often it was drawn, the beginning not counted.
    pub ties: u32,
    /// Teams that would win with their next shot of the most points.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub game_point: Vec<TeamId>,
    /// Who has won by the rules, the game being ended or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub won: Option<TeamId>,
    /// The shot that changed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Points of one team in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Whose.
    pub team: TeamId,
    /// Points without an answer.
    pub points: u32,
    /// In so many shots.
    pub shots: u32,
    /// Seconds from its first shot to its last.
    pub seconds: u32,
}

/// How long a team has not scored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drought {
    /// Whose.
    pub team: TeamId,
    /// Shots missed since its last basket.
    pub misses: u32,
    /// Seconds from its last basket, or the game's beginning, to the last shot of the game.
    pub seconds: u32,
}

/// A share of one, by team.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    /// Whose.
    pub team: TeamId,
    /// 0 to 1.
    pub share: f64,
}

/// What the next shot would change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Leverage {
    /// Whose shot.
    pub team: TeamId,
    /// Of how many points.
    pub points: u32,
    /// Its share of wins if it goes in.
    pub made: f64,
    /// Its share of wins if it does not.
    pub missed: f64,
    /// The difference.
    pub swing: f64,
}

/// Data of `courtside.momentum.v1`. It describes; it predicts nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Momentum {
    /// The game.
    pub game: GameId,
    /// The points in a row that stand, from the rules' least run on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// Both teams, in the game's order.
    pub drought: [Drought; 2],
    /// Points by which the last shots of the game favour its first team; negative for the second.
    pub swing: i32,
    /// Over so many shots.
    pub swing_shots: u32,
    /// Share of wins from here by the race model, both teams; absent where the rules name no end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub win: Vec<Share>,
    /// What the next ordinary shot would change, both teams; absent like `win`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leverage: Vec<Leverage>,
    /// Points whose team is not known: all of the above may still turn by them.
    pub pending_points: u32,
    /// The shot that changed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Shots of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfValue {
    /// Points of such a shot.
    pub points: u32,
    /// Shots made.
    pub made: u32,
    /// Shots made and missed.
    pub attempts: u32,
}

/// One row of a leaderboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// From 1; who are level share one.
    pub rank: u32,
    /// The team, or the player's team.
    pub team: TeamId,
    /// The player; absent in the rows of teams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerId>,
    /// Points.
    pub points: u32,
    /// Shots made.
    pub made: u32,
    /// Shots made and missed.
    pub attempts: u32,
    /// Shots made of a hundred, rounded; absent without attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u32>,
    /// Shots made in a row now.
    pub streak: u32,
    /// The most in a row.
    pub best_streak: u32,
    /// The most points without an answer of the other team; of players absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_run: Option<u32>,
    /// By value of a shot, the least first.
    pub by_value: Vec<OfValue>,
}

/// Data of `courtside.leaderboard.v1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Leaderboard {
    /// The game.
    pub game: GameId,
    /// Both teams, best first.
    pub teams: Vec<Row>,
    /// Players that were named for a shot, best first.
    pub players: Vec<Row>,
    /// The shot that changed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Data of `courtside.graphic.v1`: what the operator should consider to show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Graphic {
    /// The game.
    pub game: GameId,
    /// What it is about.
    pub about: GraphicKind,
    /// What it says, at most 60 letters.
    pub text: String,
    /// A second line, at most 80 letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Whose it is, where it is one team's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamId>,
    /// 1 to 100; the highest first.
    pub priority: u8,
    /// Seconds for which it is worth showing, from its time on.
    pub life_s: u32,
    /// What the operator did with it.
    pub state: GraphicWord,
    /// The facts that it stands on.
    pub stands_on: Vec<String>,
    /// Seconds of the stream's own timestamps.
    pub t_stream: f64,
}

/// Data of `courtside.social.candidate.v1`: a clip that may be worth pushing to the world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SocialCandidate {
    /// The game.
    pub game: GameId,
    /// The highlight that it is.
    pub highlight: String,
    /// Path of its clip on the box.
    pub clip: String,
    /// Words to go with it, at most 200 letters.
    pub caption: String,
    /// Why it is one.
    pub why: String,
    /// The highlight's score, 0 to 100.
    pub score: f64,
    /// What the operator did with it.
    pub state: SocialWord,
    /// Seconds of the stream's own timestamps.
    pub t_stream: f64,
}

/// What a highlight's score is made of; each 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HighlightParts {
    /// How much of the game hung on the shot: its swing of the share of wins, over the largest swing that
    /// a shot can have in these rules.
    pub leverage: f64,
    /// How rare such a shot is: by its value, its team's percentage of it and its streak.
    pub rarity: f64,
    /// The run that it is part of.
    pub run: f64,
    /// The jump of the crowd's noise, where sound is heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crowd: Option<f64>,
}
