//! Facts told to the world: their kinds, revisions and ids, and the envelope that carries them.
//!
//! `game` makes [`Event`]s (no clock, no envelope: the same answers and session give the same
//! bytes, DESIGN §5.5); `uplink` keeps them and wraps each in an [`Envelope`] whenever it is sent.
//! `fact` names facts, `said` says who said so, `kinds` is what a store keeps of each kind, `decision` what one input of a game
//! decided, `envelope` CloudEvents. `models` is what
//! changes of models while they run, `command` what a box is asked from afar, `state` has the retained
//! messages, `home` what a dashboard shows, `clip` what is asked and told of clips, `tags` what people call them, `game` what is told of a game and `play` what is asked of one, `box_status` all that a box says of itself in one value, `twin` what is wanted of its
//! configuration and what it made of that, `service` whether it is in service, `upload` clips on their way to object storage, `update` the box's own next image, `look` the second look, `words` the words of all of them.

mod decision;
mod envelope;
mod fact;
mod said;
mod kinds;
pub mod words;
pub mod catalogue;
pub mod models;
pub mod command;
pub mod twin;
pub mod service;
pub mod state;
pub mod host;
pub mod home;
pub mod upload;
pub mod update;
pub mod look;
pub mod clip;
pub mod tags;
pub mod game;
pub mod play;
pub mod box_status;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::media::{CourtId, GameId, MediaTime, PlayerId, SessionId, TeamId};

use crate::event::clip::ClipTold;
pub use crate::event::decision::{Decision, LogEntry};
pub use crate::event::envelope::Envelope;
pub use crate::event::fact::{FactId, Family};
use crate::event::game::{
    GameScore, GameTold, Graphic, HighlightParts, Leaderboard, Momentum, SocialCandidate,
};
pub use crate::event::said::{By, SaidBy};

/// What one event says. Serialized with its kind, so that stores read it back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Saying {
    /// The ball went through.
    ShotMade(Shot),
    /// It did not.
    ShotMissed(Shot),
    /// The model abstains; final.
    ShotUnsure(Shot),
    /// Takes a shot back.
    ShotWithdrawn(Withdrawal),
    /// The running score.
    Score(Score),
    /// A moment worth a clip.
    Highlight(Highlight),
    /// Takes a highlight back.
    HighlightWithdrawn(Withdrawal),
    /// What became of a clip.
    Clip(ClipTold),
    /// A game that was started, as it stands.
    Game(GameTold),
    /// Its score.
    GameScore(GameScore),
    /// How it goes.
    Momentum(Momentum),
    /// Who did what in it.
    Leaderboard(Leaderboard),
    /// What the operator should consider to show.
    Graphic(Graphic),
    /// Takes a graphic back.
    GraphicWithdrawn(Withdrawal),
    /// A clip that may be worth pushing to the world.
    SocialCandidate(SocialCandidate),
    /// Takes a candidate back.
    SocialWithdrawn(Withdrawal),
}

impl Saying {
    /// The family that it belongs to.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self {
            Self::ShotMade(_)
            | Self::ShotMissed(_)
            | Self::ShotUnsure(_)
            | Self::ShotWithdrawn(_) => Family::Shot,
            Self::Score(_) | Self::GameScore(_) => Family::Score,
            Self::Highlight(_) | Self::HighlightWithdrawn(_) => Family::Highlight,
            Self::Clip(_) => Family::Clip,
            Self::Game(_) => Family::Game,
            Self::Momentum(_) => Family::Momentum,
            Self::Leaderboard(_) => Family::Leaderboard,
            Self::Graphic(_) | Self::GraphicWithdrawn(_) => Family::Graphic,
            Self::SocialCandidate(_) | Self::SocialWithdrawn(_) => Family::SocialCandidate,
        }
    }

    /// True of what is told of a game as a whole, on the game's topics; all else is a court's.
    #[must_use]
    pub const fn is_game_wide(&self) -> bool {
        match self {
            Self::Game(_)
            | Self::GameScore(_)
            | Self::Momentum(_)
            | Self::Leaderboard(_)
            | Self::Graphic(_)
            | Self::GraphicWithdrawn(_)
            | Self::SocialCandidate(_)
            | Self::SocialWithdrawn(_) => true,
            Self::ShotMade(_)
            | Self::ShotMissed(_)
            | Self::ShotUnsure(_)
            | Self::ShotWithdrawn(_)
            | Self::Score(_)
            | Self::Highlight(_)
            | Self::HighlightWithdrawn(_)
            | Self::Clip(_) => false,
        }
    }

    /// The shot that it tells of, if it does.
    #[must_use]
    pub const fn shot(&self) -> Option<&Shot> {
        match self {
            Self::ShotMade(shot) | Self::ShotMissed(shot) | Self::ShotUnsure(shot) => Some(shot),
            Self::ShotWithdrawn(_)
            | Self::Score(_)
            | Self::Highlight(_)
            | Self::HighlightWithdrawn(_)
            | Self::Clip(_)
            | Self::Game(_)
            | Self::GameScore(_)
            | Self::Momentum(_)
            | Self::Leaderboard(_)
            | Self::Graphic(_)
            | Self::GraphicWithdrawn(_)
            | Self::SocialCandidate(_)
            | Self::SocialWithdrawn(_) => None,
        }
    }

    /// CloudEvents `type`.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::ShotMade(_) => "courtside.shot.made.v1",
            Self::ShotMissed(_) => "courtside.shot.missed.v1",
            Self::ShotUnsure(_) => "courtside.shot.unsure.v1",
            Self::ShotWithdrawn(_) => "courtside.shot.withdrawn.v1",
            Self::Score(_) => "courtside.score.v1",
            Self::Highlight(_) => "courtside.highlight.v1",
            Self::HighlightWithdrawn(_) => "courtside.highlight.withdrawn.v1",
            Self::Clip(_) => "courtside.clip.v1",
            Self::Game(_) => "courtside.game.v1",
            Self::GameScore(_) => "courtside.game.score.v1",
            Self::Momentum(_) => "courtside.momentum.v1",
            Self::Leaderboard(_) => "courtside.leaderboard.v1",
            Self::Graphic(_) => "courtside.graphic.v1",
            Self::GraphicWithdrawn(_) => "courtside.graphic.withdrawn.v1",
            Self::SocialCandidate(_) => "courtside.social.candidate.v1",
            Self::SocialWithdrawn(_) => "courtside.social.candidate.withdrawn.v1",
        }
    }

    /// True when more must follow: a provisional is always followed by a final or a withdrawal.
    #[must_use]
    pub const fn is_provisional(&self) -> bool {
        match self.shot() {
            Some(shot) => shot.provisional,
            None => false,
        }
    }
}

/// Data of a shot (DESIGN §4.3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shot {
    /// Index of the rim in the court's `rims`, from 0.
    pub rim: u16,
    /// Seconds of the stream's own timestamps at which the ball reached the ring.
    pub t_stream: f64,
    /// The same clock, when this was decided.
    pub t_decided: f64,
    /// 0 to 1.
    pub confidence: f64,
    /// True until the final.
    pub provisional: bool,
    /// The game that was played, where one was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game: Option<GameId>,
    /// Points, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<u8>,
    /// Who says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points_by: Option<SaidBy>,
    /// Whose shot it is, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamId>,
    /// Who says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_by: Option<SaidBy>,
    /// Who shot, where somebody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerId>,
    /// Path of the clip on the box, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<String>,
    /// Who called it.
    pub model: ModelRef,
    /// From the last byte of the deciding picture to the decision, ms.
    pub latency_ms: f64,
    /// Who corrected it; absent while the model's call stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// Which person that was, as they named themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Why it was corrected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The model behind a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelRef {
    /// The bundle's name.
    pub bundle: String,
    /// The bundle's version.
    pub version: String,
    /// `fp32`, `fp16` or `int8`.
    pub precision: String,
    /// The engine that ran it.
    pub engine: String,
}

/// Takes a fact back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Withdrawal {
    /// Seconds of the stream's own timestamps, as the fact had it.
    pub t_stream: f64,
    /// Why: `restart`, `stream_ended`, what the game says, or who corrected it.
    pub reason: String,
    /// Who corrected it; absent where nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// Which person that was, as they named themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// Made shots per rim since the first start; finals only; survives restarts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Score {
    /// Made shots of each rim, by index.
    pub made: Vec<u32>,
    /// Attempts with a final call (made or missed) of each rim, by index.
    pub attempts: Vec<u32>,
    /// The shot that changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A moment worth a clip.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Highlight {
    /// The shot that it is about.
    pub shot: String,
    /// Why it is one.
    pub reason: String,
    /// Seconds of the stream's own timestamps.
    pub t_stream: f64,
    /// Path of the clip on the box: `/v1/clips/{id}`.
    pub clip: String,
    /// Of a game that was started: how much it is worth watching, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// What that is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<HighlightParts>,
    /// Further shots that its cut shows, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// Of a game that was started: words by which its clip is found again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// A clip that an event asks for; stands in the event's record (DESIGN §5.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClipRequest {
    /// Names the clip: `{court}-{fact}`.
    pub id: String,
    /// First moment wanted, ns of media time in the fact's session.
    pub from_ns: i64,
    /// Last moment wanted, ns.
    pub to_ns: i64,
    /// Why it is kept.
    pub reason: String,
    /// What it shows, so that it is found again. The last word counts.
    #[serde(default, skip_serializing_if = "ClipAbout::is_empty")]
    pub about: ClipAbout,
}

/// What a clip shows, as the game has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClipAbout {
    /// The game that was started there, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game: Option<GameId>,
    /// How much it is worth watching, in tenths of 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_tenths: Option<u32>,
    /// Words for it, each once, in order: `made`, `2pt`, `team:red`, `clutch`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The clip that shows what this one showed, where its event was taken back for that. A version before this one
    /// passes over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<String>,
}

impl ClipAbout {
    /// True if nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What [`ClipRequest::reason`] says of a clip whose event was taken back.
const WITHDRAWN: &str = "withdrawn";
/// Behind the clip's name in that request, so that it is owed beside the clip's own.
const WITHDRAWN_SUFFIX: &str = ".withdrawn";

impl ClipRequest {
    /// Asks for a clip to say that its event was taken back. It travels as clips do: the outbox asks until
    /// the entry is on disk.
    #[must_use]
    pub fn withdrawal(clip: &str, at: MediaTime) -> Self {
        let id = format!("{clip}{WITHDRAWN_SUFFIX}");
        let (from_ns, to_ns) = (at.as_nanos(), at.as_nanos());
        Self { id, from_ns, to_ns, reason: WITHDRAWN.to_owned(), about: ClipAbout::default() }
    }

    /// The same of a clip whose event was taken back since another one, of the clip `into`, shows what it showed.
    #[must_use]
    pub fn merger(clip: &str, into: String, at: MediaTime) -> Self {
        let about = ClipAbout { merged: Some(into), ..ClipAbout::default() };
        Self { about, ..Self::withdrawal(clip, at) }
    }

    /// The clip that shows what the one that this takes back showed.
    #[must_use]
    pub fn merged_into(&self) -> Option<&str> {
        self.withdraws().and(self.about.merged.as_deref())
    }

    /// The clip whose event was taken back, if this says so.
    #[must_use]
    pub fn withdraws(&self) -> Option<&str> {
        self.id.strip_suffix(WITHDRAWN_SUFFIX).filter(|_| self.reason == WITHDRAWN)
    }
}

/// A clip that is asked for, with what its times mean: what goes from the outbox to the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipOrder {
    /// The court.
    pub court: CourtId,
    /// The session that its times belong to.
    pub session: SessionId,
    /// What is wanted.
    pub request: ClipRequest,
}

/// One revision of one fact, as the game decided it. The core's output: no wall time, no envelope.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The court; of what a game as a whole tells, that of the shot that changed it.
    pub court: CourtId,
    /// The session of the stream that its time belongs to.
    pub session: SessionId,
    /// The game that was started there, if one was.
    pub game: Option<GameId>,
    /// Which fact.
    pub fact: FactId,
    /// 0 provisional (or the only one), then final, then corrections.
    pub revision: u32,
    /// The attempt that it belongs to (`subject` of the envelope).
    pub attempt: u32,
    /// Media time of the fact itself.
    pub at: MediaTime,
    /// What it says.
    pub saying: Saying,
    /// A clip to keep with it.
    pub clip: Option<ClipRequest>,
}

impl Event {
    /// `{fact}.{revision}`: the envelope's id; a repeat has the same one.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}.{}", self.fact, self.revision)
    }
}

/// An event that leaves later than this after it was decided is historical (DESIGN §4.3).
pub const HISTORICAL_AFTER: Duration = Duration::from_secs(5);
