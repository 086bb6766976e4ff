//! What a started game is made of: how it was set up, and its inputs. `mod` folds them, `log` keeps them.
//!
//! Names, words and whole numbers alone, as in `game::input`.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::game::{Player, Team};
use crate::event::words::{EndWord, GraphicWord, SocialWord};
use crate::event::{By, FactId, SaidBy};
use crate::game::input::Standing;
use crate::game::rules::Rules;
use crate::media::{CourtId, GameId, PlayerId, SessionId, TeamId};

/// Letters of a name as people call a team or a player.
pub const NAME_MOST: usize = 40;
/// Letters of a caption.
pub const CAPTION_MOST: usize = 200;
/// Players of a game (chosen: two teams of 15).
pub const MOST_PLAYERS: usize = 30;
/// Courts of a game (chosen: two cameras, two more for another view).
pub const MOST_COURTS: usize = 4;
/// The last period that somebody can play (chosen: rules have 20 at most, the rest are overtimes).
pub const LAST_PERIOD: u16 = 40;

/// How a game was set up: its first entry in its log, so that a replay needs no file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Its name.
    pub id: GameId,
    /// Names its facts: made at random when it started.
    pub session: SessionId,
    /// Its rules, whole.
    pub rules: Rules,
    /// The two teams.
    pub teams: [Team; 2],
    /// Where it is played.
    pub courts: Vec<CourtId>,
    /// Who attacks which rim.
    #[serde(default)]
    pub attacks: Attacks,
    /// Those that are named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub players: Vec<Player>,
    /// When it began, ns of UTC by the box's clock then.
    pub start_utc_ns: i64,
}

/// Who attacks which rim in the first period. Of a rim that is not named, nobody knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Attacks(pub Vec<Attacked>);

/// One rim, and who attacks it in the first period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attacked {
    /// Its court.
    pub court: CourtId,
    /// Index in the court's `rims`, from 0.
    pub rim: u16,
    /// The team; absent where both attack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamId>,
}

/// One input of a started game.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SheetInput {
    /// A shot is final, was corrected, added, or taken back.
    Shot(ShotNews),
    /// A period begins.
    Period {
        /// Which, from 1; overtimes count on.
        n: u16,
        /// Whether teams attack the other basket than in the first; `None`: as the rules say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        swapped: Option<bool>,
        /// When that was tapped, ns of UTC.
        utc_ns: i64,
        /// Since when it runs, ns of UTC, where it was tapped late; `None`: since it was tapped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        began_ns: Option<i64>,
    },
    /// These are the players from now on.
    Players {
        /// All of them.
        players: Vec<Player>,
    },
    /// What the operator does with a graphic.
    Graphic {
        /// Which.
        fact: FactId,
        /// What.
        word: GraphicWord,
        /// Who that is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        who: Option<String>,
        /// When, ns of UTC.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        utc_ns: Option<i64>,
    },
    /// What the operator does with a candidate for social media.
    Social {
        /// Which.
        fact: FactId,
        /// What.
        word: SocialWord,
        /// The words to go with it, if not ours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caption: Option<String>,
        /// Who that is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        who: Option<String>,
    },
    /// The game is over. It can still be corrected.
    Ended {
        /// Why.
        why: EndWord,
        /// When, ns of UTC.
        utc_ns: i64,
    },
}

/// How a shot stands, from the book of its court. Never a first word that a last one must follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShotNews {
    /// The court that saw it.
    pub court: CourtId,
    /// The session of its time.
    pub session: SessionId,
    /// The shot.
    pub fact: FactId,
    /// Its revision.
    pub revision: u32,
    /// Its attempt.
    pub attempt: u32,
    /// Index of the rim.
    pub rim: u16,
    /// When the ball reached the ring, ns of media time.
    pub at_ns: i64,
    /// The same, ns of UTC, where the court knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utc_ns: Option<i64>,
    /// How it came out.
    pub standing: Standing,
    /// What it is worth, if it goes in.
    pub points: u8,
    /// Who says so.
    pub points_by: SaidBy,
    /// Whose it is, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamId>,
    /// Who shot, where somebody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerId>,
    /// Who corrected or added it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// Which person that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How sure its model is, in ten thousandths.
    pub confidence: u32,
    /// A person took the last word on it back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undone: bool,
}

/// What a shot is, while nobody said more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordinary {
    /// Points.
    pub points: u8,
    /// Whose, by the rim and the period.
    pub team: Option<TeamId>,
}

/// Why a game takes something not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum Refused {
    #[error("a game has two teams of different names")]
    SameTeam,
    #[error("a game is played on 1 to {MOST_COURTS} courts, each named once")]
    Courts,
    #[error("court `{court}` is none of this game's")]
    OtherCourt { court: CourtId },
    #[error("`{team}` is no team of this game: name one of its two")]
    OtherTeam { team: TeamId },
    #[error("a rim is named once: `{court}` {rim} stands twice")]
    RimTwice { court: CourtId, rim: u16 },
    #[error("a game has at most {MOST_PLAYERS} players, each named once")]
    Players,
    #[error("`{player}` plays for `{team}`: say whose shot it was, or who shot")]
    OtherTeams { player: PlayerId, team: TeamId },
    #[error(
        "`{player}` is none of those who play here: say one of {listed}; players are listed when a game starts"
    )]
    NotListed { player: PlayerId, listed: String },
    #[error("a name has 1 to {NAME_MOST} letters, and none that is not seen")]
    Name,
    #[error("a color is written #rrggbb, for example #d03030")]
    Color,
    #[error("no shot of these rules has {points} points: write one of {known}")]
    Points { points: u8, known: String },
    #[error("a period is 1 to {LAST_PERIOD}")]
    Period,
    #[error("the first period began with the game: its beginning is not moved")]
    FirstPeriod,
    #[error(
        "period {n} began after the one before it, and before now: a time between the two is wanted"
    )]
    Began { n: u16 },
    #[error("the second half of these rules begins by the points: nobody begins it")]
    ByPoints,
    #[error(
        "these rules have no overtime: the game goes on until it is won by the points, or ended"
    )]
    NoOvertime,
    #[error("the game began after that: a shot of it is at most {most_s} s ago")]
    BeforeGame { most_s: i64 },
    #[error("the game is over")]
    Over,
    #[error("no {fact} is known in this game that stands: see the `fact` of its event")]
    Gone { fact: FactId },
    #[error("this box does not know that word")]
    Word,
    #[error("a caption has 1 to {CAPTION_MOST} letters, and none that is not seen")]
    Caption,
}

impl Setup {
    /// Says whether a game can be set up so.
    ///
    /// # Errors
    /// [`Refused`]: the first reason why not.
    pub fn check(&self) -> Result<(), Refused> {
        let [first, second] = &self.teams;
        if first.id == second.id {
            return Err(Refused::SameTeam);
        }
        for team in &self.teams {
            check_name(team.name.as_deref())?;
            let hex =
                |digits: &str| digits.len() == 6 && digits.bytes().all(|c| c.is_ascii_hexdigit());
            if team.color.as_deref().is_some_and(|c| !c.strip_prefix('#').is_some_and(hex)) {
                return Err(Refused::Color);
            }
        }
        let courts: BTreeSet<&CourtId> = self.courts.iter().collect();
        if courts.len() != self.courts.len() || !(1..=MOST_COURTS).contains(&courts.len()) {
            return Err(Refused::Courts);
        }
        let mut rims = BTreeSet::new();
        for Attacked { court, rim, team } in &self.attacks.0 {
            if !courts.contains(court) {
                return Err(Refused::OtherCourt { court: court.clone() });
            }
            if !rims.insert((court, rim)) {
                return Err(Refused::RimTwice { court: court.clone(), rim: *rim });
            }
            if let Some(team) = team {
                self.check_team(team)?;
            }
        }
        self.check_players(&self.players)
    }

    /// Which of the two a team is.
    #[must_use]
    pub fn side(&self, team: &TeamId) -> Option<usize> {
        self.teams.iter().position(|known| known.id == *team)
    }

    /// Whose a player is, where they are listed.
    #[must_use]
    pub fn team_of(&self, player: &PlayerId) -> Option<&TeamId> {
        let listed = self.players.iter().find(|listed| listed.id == *player);
        listed.map(|listed| &listed.team)
    }

    /// Those who are listed, of a team if one is named.
    pub(super) fn listed(&self, team: Option<&TeamId>) -> Vec<&str> {
        let its = self.players.iter().filter(|player| team.is_none_or(|team| player.team == *team));
        its.map(|player| player.id.as_str()).collect()
    }

    /// What a shot at a rim is, while nobody said more; `swapped`: teams attack the other basket than in
    /// the first period.
    pub(super) fn ordinary(&self, court: &CourtId, rim: u16, swapped: bool) -> Ordinary {
        let is_it = |attacked: &&Attacked| attacked.court == *court && attacked.rim == rim;
        let first = self.attacks.0.iter().find(is_it).and_then(|attacked| attacked.team.as_ref());
        let side = first.and_then(|team| self.side(team));
        let side = side.map(|side| if swapped { 1 - side } else { side });
        let team = side.and_then(|side| self.teams.get(side)).map(|team| team.id.clone());
        Ordinary { points: self.rules.ordinary, team }
    }

    pub(super) fn check_team(&self, team: &TeamId) -> Result<(), Refused> {
        let known = self.side(team).map(|_| ());
        known.ok_or_else(|| Refused::OtherTeam { team: team.clone() })
    }

    pub(super) fn check_players(&self, players: &[Player]) -> Result<(), Refused> {
        let names: BTreeSet<&PlayerId> = players.iter().map(|player| &player.id).collect();
        if names.len() != players.len() || players.len() > MOST_PLAYERS {
            return Err(Refused::Players);
        }
        for player in players {
            self.check_team(&player.team)?;
            check_name(player.name.as_deref())?;
        }
        Ok(())
    }
}

fn check_name(name: Option<&str>) -> Result<(), Refused> {
    match name {
        Some(name) if !is_seen(name, NAME_MOST) => Err(Refused::Name),
        _ => Ok(()),
    }
}

/// True of a text of 1 to `most` letters in which nothing hides.
pub(super) fn is_seen(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count())
        && crate::media::Foreign::first_hidden(text).is_none()
}
