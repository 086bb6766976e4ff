//! Words by which a shot and its clip are found again.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::game::{HighlightParts, Momentum};
use crate::event::tags::own_words;
use crate::media::{PlayerId, TeamId};
use crate::recap::box_score::runs;
use crate::recap::fact::Facts;
use crate::recap::shots::{Shot, Tally};

/// A shot is clutch from this part of the largest swing on that a shot can have in the game's rules
/// (chosen: half).
const CLUTCH: f64 = 0.5;
/// Makes of one player, or of a team without players, in a row that are a streak (chosen: what a
/// crowd begins to count).
const STREAK: u32 = 3;

/// Tags of each of these shots, by what the game was when it was taken.
pub(super) fn tags(facts: &Facts, shots: &[Shot], teams: &[TeamId; 2]) -> Vec<Vec<String>> {
    let mut all: Vec<BTreeSet<String>> = shots.iter().map(own_kind).collect();
    let mut put = |at: usize, tag: &str| {
        if let Some(tags) = all.get_mut(at) {
            tags.insert(tag.to_owned());
        }
    };
    if let Some(least) = least_run(facts) {
        for run in runs(shots).filter(|run| run.points >= least) {
            run.shots.iter().for_each(|at| put(*at, "run"));
        }
    }
    for (at, turn) in turns(shots, teams).into_iter().enumerate() {
        match turn {
            Turn::None => {}
            Turn::Level => put(at, "tie"),
            Turn::Over => put(at, "lead-change"),
        }
    }
    for (at, (shot, streak)) in shots.iter().zip(streaks(shots)).enumerate() {
        if streak >= STREAK {
            put(at, "streak");
        }
        for word in own_words(shot.reason.as_deref().unwrap_or_default()) {
            put(at, &word);
        }
    }
    all.into_iter().map(|tags| tags.into_iter().collect()).collect()
}

/// What a shot is by itself.
fn own_kind(shot: &Shot) -> BTreeSet<String> {
    let mut tags = BTreeSet::from([
        shot.verdict.word().to_owned(),
        format!("court:{}", shot.court),
        format!("rim:{}", shot.rim),
        format!("period:{}", shot.period),
    ]);
    tags.extend(shot.points.map(|points| format!("{points}pt")));
    tags.insert(match &shot.team {
        Some(team) => format!("team:{team}"),
        None => "team:unknown".to_owned(),
    });
    tags.extend(shot.player.as_ref().map(|player| format!("player:{player}")));
    tags.extend(shot.corrected().then(|| "corrected".to_owned()));
    tags.extend(shot.added.then(|| "added".to_owned()));
    tags
}

/// What a highlight adds to the tags of its shot.
pub(super) fn of_highlight(kind: Option<&str>, parts: Option<&HighlightParts>) -> Vec<String> {
    // The words of the box have underscores, tags have none.
    let mut tags: Vec<String> = kind.map(|kind| kind.replace('_', "-")).into_iter().collect();
    tags.extend(parts.is_some_and(|parts| parts.leverage >= CLUTCH).then(|| "clutch".to_owned()));
    tags
}

/// The fewest points in a row that the box called a run: what the rules of the game say. `None` if
/// there was no run.
fn least_run(facts: &Facts) -> Option<u32> {
    let told = facts.told().iter().filter(|told| told.event_type == "courtside.momentum.v1");
    told.filter_map(|told| told.data::<Momentum>()?.run).map(|run| run.points).min()
}

/// What a shot did to the lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    None,
    /// It drew the game, which was not drawn.
    Level,
    /// The other team leads than led last.
    Over,
}

/// What each shot did to the lead.
pub(super) fn turns(shots: &[Shot], teams: &[TeamId; 2]) -> Vec<Turn> {
    let mut tally = Tally::default();
    let mut led_last = None;
    shots
        .iter()
        .map(|shot| {
            let before = tally.leads();
            tally.take(shot, teams);
            let now = tally.leads();
            let turn = match (before, now) {
                (Some(_), None) => Turn::Level,
                (_, Some(_)) if led_last.is_some() && led_last != now => Turn::Over,
                _ => Turn::None,
            };
            led_last = now.or(led_last);
            turn
        })
        .collect()
}

/// Makes in a row up to each shot: of its player, or of its team where no player is named.
fn streaks(shots: &[Shot]) -> Vec<u32> {
    let mut now: BTreeMap<(&TeamId, Option<&PlayerId>), u32> = BTreeMap::new();
    let mut all = Vec::with_capacity(shots.len());
    for shot in shots {
        let streak = shot.team.as_ref().map(|team| {
            let streak = now.entry((team, shot.player.as_ref())).or_default();
            match (shot.counts(), shot.made()) {
                (true, true) => *streak += 1,
                (true, false) => *streak = 0,
                (false, _) => return 0,
            }
            *streak
        });
        all.push(streak.unwrap_or(0));
    }
    all
}
