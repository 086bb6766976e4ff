//! What is told of a game that was started: the data of its facts.
//!
//! What holds of the game as a whole (`game`, `game score`, `momentum`, `leaderboard`) is one fact a
//! game, revised whenever it changes, so that its last revision is how things stand. What is a moment
//! (`graphic`, `social.candidate`, and the highlight of a court) is a fact of its own, revised and taken
//! back with what it stands on. Shares and scores have four digits: more would mean nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::said::{By, SaidBy};
use crate::event::words::{
    EndWord, GameWord, GraphicKind, GraphicWord, HighlightKind, ShotWord, SocialWord,
};
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
    /// The period that can begin next; absent where points divide the game, and after the last period of rules
    /// without overtime. An overtime begins from a draw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_period: Option<u16>,
    /// Points that a shot can have by its rules, free throws among them; the least first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<u8>,
    /// Points of a shot of which nobody said more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinary: Option<u8>,
    /// Who attacks which rim now; absent where nobody said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attacks: Vec<Attacks>,
    /// Points with which the second half begins, in rules that divide the game so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_at: Option<u32>,
    /// When the periods after the first began, as somebody tapped; what was taken back is not in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<PeriodStart>,
    /// When it was ended, RFC 3339, by the box's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// Who won, once it is over and not drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winner: Option<TeamId>,
    /// Why it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndWord>,
}

/// A team, and the rim that it attacks now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attacks {
    /// The team.
    pub team: TeamId,
    /// The court.
    pub court: CourtId,
    /// Index in the court's `rims`, from 0.
    pub rim: u16,
}

/// A period that began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeriodStart {
    /// Which, from 2; overtimes count on.
    pub period: u16,
    /// RFC 3339, by the box's clock.
    pub time: String,
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
    /// The shot with which it was won.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub won_by: Option<String>,
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
    /// Share of wins from here by the model, both teams; absent where the rules name no end.
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
    /// Which person that was, as they named themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// When it was taken, RFC 3339, by the box's clock; absent while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<String>,
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
    /// Which person that was, as they named themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Seconds of the stream's own timestamps.
    pub t_stream: f64,
}

/// What a highlight's score is made of; each 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HighlightParts {
    /// How much of the game hung on the shot: its swing of the share of wins, over the largest swing that
    /// a shot can have in these rules. Where points end no game: how close it was, by the periods played.
    pub leverage: f64,
    /// How rare such a shot is: by its value, its team's percentage of it and its streak.
    pub rarity: f64,
    /// The run that it is part of.
    pub run: f64,
    /// The jump of the crowd's noise, where sound is heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crowd: Option<f64>,
}

/// One shot of a game, as it stands: a line of the game's list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShotLine {
    /// The shot.
    pub fact: String,
    /// Its last revision.
    pub revision: u32,
    /// The court that it was seen on.
    pub court: CourtId,
    /// The session of its time.
    pub session: String,
    /// Index of the rim in the court's `rims`, from 0.
    pub rim: u16,
    /// Seconds of the stream's own timestamps at which the ball reached the ring.
    pub t_stream: f64,
    /// The same by the box's clock, ns of UTC, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utc_ns: Option<i64>,
    /// How it came out.
    pub standing: ShotWord,
    /// What it is worth, if it goes in.
    pub points: u32,
    /// Who says so.
    pub points_by: SaidBy,
    /// Whose it is; absent while nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamId>,
    /// Who shot, where somebody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerId>,
    /// Who corrected it; absent while the model's call stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// The period in which it was.
    pub period: u16,
    /// The highlight that shows it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highlight: Option<String>,
    /// Path of its clip on the box, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<String>,
}

/// A graphic of a game, with its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GraphicLine {
    /// Its fact.
    pub fact: String,
    /// Its last revision.
    pub revision: u32,
    /// What it says.
    #[serde(flatten)]
    pub graphic: Graphic,
}

/// A candidate for social media, with its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SocialLine {
    /// Its fact.
    pub fact: String,
    /// Its last revision.
    pub revision: u32,
    /// What it says.
    #[serde(flatten)]
    pub candidate: SocialCandidate,
}

/// A highlight of a game that stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HighlightLine {
    /// Its fact.
    pub fact: String,
    /// Its last revision.
    pub revision: u32,
    /// The court of its clip.
    pub court: CourtId,
    /// The shot that it is about.
    pub shot: String,
    /// Further shots that its cut shows, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// Path of its clip on the box.
    pub clip: String,
    /// How much it is worth watching, 0 to 100.
    pub score: f64,
    /// What that is made of.
    pub parts: HighlightParts,
    /// What it is.
    pub kind: HighlightKind,
    /// Whose it is, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamId>,
    /// First moment of its cut, ns of media time.
    pub from_ns: i64,
    /// Last moment of its cut, ns of media time.
    pub to_ns: i64,
}

/// A game as a whole, as it stands: what a page begins with, before it follows the facts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GameView {
    /// The game.
    pub told: GameTold,
    /// Its score.
    pub score: GameScore,
    /// How it goes.
    pub momentum: Momentum,
    /// Who did what.
    pub leaderboard: Leaderboard,
    /// Its shots, oldest first; the last 600.
    pub shots: Vec<ShotLine>,
    /// Graphics that stand, oldest first.
    pub graphics: Vec<GraphicLine>,
    /// Candidates that stand, oldest first.
    pub social: Vec<SocialLine>,
    /// Highlights that stand, in the order of their shots.
    pub highlights: Vec<HighlightLine>,
}
