//! What each team and each player did: sums over the shots that stand.

use serde::{Deserialize, Serialize};

use crate::event::game::{GameTold, OfValue, Pending, Player, Team};
use crate::event::words::{EndWord, GameWord};
use crate::media::{CourtId, GameId, PlayerId, TeamId};
use crate::recap::shots::{Shot, Tally};

/// The box score of a game: what `box_score.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoxScore {
    /// The game.
    pub game: GameId,
    /// Its rules, by name.
    pub rules: String,
    /// Whether it still runs.
    pub state: GameWord,
    /// Where it was played.
    pub courts: Vec<CourtId>,
    /// RFC 3339; absent where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// RFC 3339; absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// Who won, once it is over and not drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winner: Option<TeamId>,
    /// Why it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndWord>,
    /// Periods that were played, overtimes with them.
    pub periods: u16,
    /// Both teams, in the game's order.
    pub teams: [TeamLine; 2],
    /// What waits for its team.
    pub pending: Pending,
}

/// What a team did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamLine {
    /// The team.
    #[serde(flatten)]
    pub team: Team,
    /// Its points.
    pub points: u32,
    /// Points by period, from the first.
    pub by_period: Vec<u32>,
    /// Its shots.
    #[serde(flatten)]
    pub shooting: Shooting,
    /// The most points without an answer of the other team.
    pub best_run: u32,
    /// The most points by which it led.
    pub largest_lead: u32,
    /// Its players that were named for a shot, most points first.
    pub players: Vec<PlayerLine>,
}

/// What a player did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayerLine {
    /// The player.
    pub player: PlayerId,
    /// As people call them, where somebody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Points.
    pub points: u32,
    /// Their shots.
    #[serde(flatten)]
    pub shooting: Shooting,
}

/// Shots that were made and missed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shooting {
    /// Shots made.
    pub made: u32,
    /// Shots made and missed.
    pub attempts: u32,
    /// Shots made of a hundred, rounded; absent without attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u32>,
    /// The most made in a row.
    pub best_streak: u32,
    /// By value of a shot, the least first.
    pub by_value: Vec<OfValue>,
}

impl Shooting {
    pub(super) fn of<'a>(shots: impl Iterator<Item = &'a Shot>) -> Self {
        let mut all = Self::default();
        let mut streak = 0;
        for shot in shots.filter(|shot| shot.counts()) {
            let made = u32::from(shot.made());
            all.made += made;
            all.attempts += 1;
            streak = if shot.made() { streak + 1 } else { 0 };
            all.best_streak = all.best_streak.max(streak);
            if let Some(points) = shot.points {
                add_value(&mut all.by_value, OfValue { points, made, attempts: 1 });
            }
        }
        all.percent = percent(all.made, all.attempts);
        all
    }
}

/// Adds shots of one value to their row; rows stand with the least value first.
pub(super) fn add_value(rows: &mut Vec<OfValue>, of: OfValue) {
    match rows.binary_search_by_key(&of.points, |row| row.points) {
        Ok(at) => {
            if let Some(row) = rows.get_mut(at) {
                row.made += of.made;
                row.attempts += of.attempts;
            }
        }
        Err(at) => rows.insert(at, of),
    }
}

/// So many of a hundred, rounded half up.
pub(super) const fn percent(made: u32, of: u32) -> Option<u32> {
    if of == 0 { None } else { Some((made * 200 + of) / (of * 2)) }
}

/// What a box score is made of beside the shots.
pub(super) struct Frame<'a> {
    pub(super) told: &'a GameTold,
    pub(super) start: Option<String>,
    pub(super) end: Option<String>,
}

impl BoxScore {
    pub(super) fn of(frame: Frame<'_>, shots: &[Shot]) -> Self {
        let Frame { told, start, end } = frame;
        let teams = [told.teams[0].id.clone(), told.teams[1].id.clone()];
        let played = shots.iter().map(|shot| shot.period).max().unwrap_or(1).max(told.period);
        let mut tally = Tally::default();
        let mut leads = [0, 0];
        for shot in shots {
            tally.take(shot, &teams);
            let [first, second] = tally.points;
            leads[0] = leads[0].max(first.saturating_sub(second));
            leads[1] = leads[1].max(second.saturating_sub(first));
        }
        let line = |at: usize| {
            let team = &told.teams[at];
            let of_team = || shots.iter().filter(|shot| shot.team.as_ref() == Some(&team.id));
            let in_period = |period| {
                let of_period = of_team().filter(|shot| shot.period == period);
                of_period.map(Shot::scored).sum()
            };
            TeamLine {
                team: team.clone(),
                points: tally.points[at],
                by_period: (1..=played).map(in_period).collect(),
                shooting: Shooting::of(of_team()),
                best_run: runs(shots)
                    .filter(|run| run.team == team.id)
                    .map(|run| run.points)
                    .max()
                    .unwrap_or(0),
                largest_lead: leads[at],
                players: players(&told.players, &team.id, shots),
            }
        };
        Self {
            game: told.game.clone(),
            rules: told.rules.clone(),
            state: told.state,
            courts: told.courts.clone(),
            start,
            end,
            winner: told.winner.clone(),
            ended: told.ended,
            periods: played,
            teams: [line(0), line(1)],
            pending: tally.pending,
        }
    }
}

fn players(named: &[Player], team: &TeamId, shots: &[Shot]) -> Vec<PlayerLine> {
    let of_team = || shots.iter().filter(|shot| shot.team.as_ref() == Some(team));
    let mut seen: Vec<&PlayerId> = of_team().filter_map(|shot| shot.player.as_ref()).collect();
    seen.sort_unstable();
    seen.dedup();
    let line = |player: &PlayerId| {
        let of_player = || of_team().filter(|shot| shot.player.as_ref() == Some(player));
        let known = named.iter().find(|known| known.id == *player && known.team == *team);
        PlayerLine {
            player: player.clone(),
            name: known.and_then(|known| known.name.clone()),
            points: of_player().map(Shot::scored).sum(),
            shooting: Shooting::of(of_player()),
        }
    };
    let mut lines: Vec<PlayerLine> = seen.into_iter().map(line).collect();
    // Who is level stays in order of name.
    lines.sort_by_key(|line| std::cmp::Reverse((line.points, line.shooting.made)));
    lines
}

/// Points of one team without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) team: TeamId,
    pub(super) points: u32,
    /// Places of its made shots among all.
    pub(super) shots: Vec<usize>,
}

/// All runs of a game, in its order. A basket whose team is not known neither adds nor ends one.
pub(super) fn runs(shots: &[Shot]) -> impl Iterator<Item = Run> {
    let mut all: Vec<Run> = Vec::new();
    for (at, shot) in shots.iter().enumerate().filter(|(_, shot)| shot.scored() > 0) {
        let Some(team) = &shot.team else { continue };
        match all.last_mut().filter(|run| run.team == *team) {
            Some(run) => {
                run.points += shot.scored();
                run.shots.push(at);
            }
            None => {
                let points = shot.scored();
                all.push(Run { team: team.clone(), points, shots: vec![at] });
            }
        }
    }
    all.into_iter()
}
