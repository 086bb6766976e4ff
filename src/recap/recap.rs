//! A game as it is told afterwards: everything at once, from its facts.

use serde::Serialize;

use crate::event::clip::ClipTold;
use crate::event::game::{GameScore, GameTold, Leaderboard};
use crate::event::words::{ClipWord, EndWord, GameWord};
use crate::media::{GameId, PlayerId, TeamId, UtcTime};
use crate::recap::box_score::{BoxScore, Frame, TeamLine};
use crate::recap::fact::{Facts, RecapError, Told};
use crate::recap::line::{ScorePoint, WinPoint, score_line, win_line};
use crate::recap::lines::{ClipLine, ShotLine, clip_lines, shot_lines};
use crate::recap::shots::Shots;
use crate::recap::words::{Sentence, Subject, summary};

/// A game, afterwards.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recap {
    /// What each team and each player did.
    pub box_score: BoxScore,
    /// In words.
    pub summary: Vec<Sentence>,
    /// The score after each shot that counted.
    pub score: Vec<ScorePoint>,
    /// The share of wins after each shot of which it was told; empty where the rules name no end.
    pub win: Vec<WinPoint>,
    /// The shots that stand, in the order of the game.
    pub shots: Vec<ShotLine>,
    /// The highlights that stand, in the order of the game.
    pub clips: Vec<ClipLine>,
    /// As it was told last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaderboard: Option<Leaderboard>,
    /// What does not add up, or is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Recap {
    /// Makes the recap of `game` from envelopes, one a line, as they were told. Lines of other games are
    /// let be.
    ///
    /// # Errors
    /// [`RecapError`]: a line is no envelope; nothing was told of the game.
    pub fn of(lines: &str, game: &GameId) -> Result<Self, RecapError> {
        let facts = Facts::of_game(lines.lines(), game)?;
        let Some((game_fact, told)) = facts.one::<GameTold>("courtside.game.v1") else {
            return Err(RecapError::NoGame { game: game.clone() });
        };
        let teams = [told.teams[0].id.clone(), told.teams[1].id.clone()];
        let shots = Shots::of(&facts, &teams);
        let began = facts.revisions(&game_fact.fact).find_map(|told| told.utc);
        let start = start(began, &shots);
        let over =
            |told: &&Told| told.data::<GameTold>().is_some_and(|game| game.state == GameWord::Over);
        let end = facts.revisions(&game_fact.fact).find(over).and_then(|told| told.utc);
        let end = end.filter(|end| start.is_none_or(|start| *end >= start));
        let frame = Frame {
            told: &told,
            start: start.map(UtcTime::to_rfc3339),
            end: end.map(UtcTime::to_rfc3339),
        };
        let box_score = BoxScore::of(frame, &shots.all);
        let score = score_line(&shots.all, &teams, start);
        let win = win_line(&facts, &shots, &teams, start);
        let mut lines = shot_lines(&facts, &shots.all, &teams, &score);
        let clips = clip_lines(&facts, &mut lines);
        let subject = Subject {
            facts: &facts,
            game: &told,
            box_score: &box_score,
            shots: &shots,
            win: &win,
            clips: &clips,
        };
        Ok(Self {
            summary: summary(&subject),
            notes: notes(&facts, &box_score, &shots),
            leaderboard: facts.one("courtside.leaderboard.v1").map(|(_, told)| told),
            box_score,
            score,
            win,
            shots: lines,
            clips,
        })
    }

    /// The name of a team, as people call it.
    #[must_use]
    pub fn team_name(&self, team: &TeamId) -> String {
        let known = self.box_score.teams.iter().find(|line| line.team.id == *team);
        known.and_then(|line| line.team.name.clone()).unwrap_or_else(|| team.to_string())
    }

    /// The name of a player of a team, as people call them.
    #[must_use]
    pub fn player_name(&self, team: Option<&TeamId>, player: &PlayerId) -> String {
        let known = self.box_score.teams.iter().filter(|line| Some(&line.team.id) == team);
        let mut players = known.flat_map(|line| &line.players);
        let named = players.find(|line| line.player == *player).and_then(|line| line.name.clone());
        named.unwrap_or_else(|| player.to_string())
    }
}

/// Longer than anybody waits from a game's start to its first shot (chosen).
const WAITS_MOST_NANOS: i64 = 12 * 3600 * 1_000_000_000;

/// When the game began: as it was told, unless the box's clock was wrong then; else with its first shot.
fn start(told: Option<UtcTime>, shots: &Shots) -> Option<UtcTime> {
    let first = shots.all.iter().filter_map(|shot| shot.utc).min();
    let fits = |told: &UtcTime| {
        first.is_none_or(|first| (0..WAITS_MOST_NANOS).contains(&first.nanos_since(*told)))
    };
    told.filter(fits).or(first)
}

/// What does not add up, or is missing.
fn notes(facts: &Facts, box_score: &BoxScore, shots: &Shots) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some((told, score)) = facts.one::<GameScore>("courtside.game.score.v1") {
        for (line, of) in box_score.teams.iter().zip(&score.teams) {
            let counted = (line.points, line.shooting.made, line.shooting.attempts);
            // What is zero at the end need not be said.
            let periods = line.by_period.len().max(of.by_period.len());
            let padded = |by_period: &[u32]| {
                let mut all = by_period.to_vec();
                all.resize(periods, 0);
                all
            };
            let [ours, theirs] = [padded(&line.by_period), padded(&of.by_period)];
            if counted == (of.points, of.made, of.attempts) && ours != theirs {
                notes.push(format!(
                    "{}: by period the shots that stand come to {ours:?}; the score that was told ({}) says \
                     {theirs:?}",
                    of.team, told.fact
                ));
            }
            if counted != (of.points, of.made, of.attempts) {
                notes.push(format!(
                    "{}: the shots that stand come to {} points, {} of {}; the score that was told ({}) \
                     says {}, {} of {}",
                    of.team,
                    counted.0,
                    counted.1,
                    counted.2,
                    told.fact,
                    of.points,
                    of.made,
                    of.attempts
                ));
            }
        }
    }
    let [first, second] = &box_score.teams;
    let behind = |line: &TeamLine, other: &TeamLine| {
        Some(&line.team.id) == box_score.winner.as_ref() && line.points <= other.points
    };
    // Where play went on after it was won, the summary says so.
    let by_target = box_score.ended == Some(EndWord::Target);
    if !by_target && (behind(first, second) || behind(second, first)) {
        notes.push("who won was said before shots that made the score another one".to_owned());
    }
    if shots.unread > 0 {
        notes.push(format!("{} revisions of shots cannot be read by this version", shots.unread));
    }
    let no_points = shots.all.iter().filter(|shot| shot.made() && shot.points.is_none()).count();
    if no_points > 0 {
        notes.push(format!("{no_points} made shots have no points, and count none"));
    }
    let gone = |told: &ClipTold| told.state != ClipWord::Kept;
    let clips = facts.newest(&["courtside.clip.v1"]).filter_map(Told::data);
    let gone = clips.filter(gone).count();
    if gone > 0 {
        notes.push(format!("{gone} clips are not on the box any more"));
    }
    notes
}
