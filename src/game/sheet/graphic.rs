//! What the operator should consider to show: graphics, each of one shot, and what they say.
//!
//! A function of the shots, like all layers. Only what is fresh is proposed for the first time: nobody
//! shows a lead that changed ten baskets ago. What was proposed is revised and taken back with its shots.

use std::collections::BTreeSet;

use crate::event::game::Graphic;
use crate::event::words::{GraphicKind, GraphicWord};
use crate::event::{FactId, Family};
use crate::game::sheet::input::Setup;
use crate::game::sheet::layers::percent;
use crate::game::sheet::naming;
use crate::game::sheet::placed::Placed;
use crate::game::sheet::state::{Kept, KeptGraphic, Key};
use crate::game::sheet::tally::Tally;
use crate::media::{MediaTime, UtcTime};

/// A graphic is proposed for the first time while its shot is one of the last so many (chosen).
pub(super) const FRESH_SHOTS: usize = 5;
/// Shots in a row of a player that are told, and every second one after (chosen).
const PLAYER_STREAK: u32 = 3;
/// Shots in a row of a team that are told, and every third one after (chosen).
const TEAM_STREAK: u32 = 4;
/// Shots of both teams after which they are compared (chosen: some five minutes of 3x3).
const COMPARED_EVERY: u32 = 20;

/// A graphic as it must stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) key: Key,
    /// The place of its shot; of the end, of the last.
    pub(super) index: Option<usize>,
    text: String,
    detail: Option<String>,
    side: Option<usize>,
    priority: u8,
    life_s: u32,
    stands_on: Vec<FactId>,
}

/// Names the one fact of a family that a game has.
pub(super) fn whole(setup: &Setup, family: Family) -> FactId {
    FactId::new(setup.session, family, 1)
}

/// The graphics that come with a shot.
pub(super) fn of_shot(kept: &Kept, placed: &Placed<'_>, into: &mut Vec<Wanted>) {
    let Placed { play, before, after, .. } = *placed;
    let setup = &kept.setup;
    if after.attempts() != before.attempts && after.attempts().is_multiple_of(COMPARED_EVERY) {
        into.push(comparison(setup, placed));
    }
    let (true, Some(side)) = (play.made, play.side) else { return };
    let team = naming::team(setup, side);
    let at_ends = naming::points_of(side, after.points());
    let detail = naming::score(setup, after.points());
    let of = |about, priority, life_s| {
        let key = Key { about, shot: Some(play.fact), of: String::new() };
        let stands_on = vec![play.fact, whole(setup, Family::Score)];
        let index = Some(placed.index);
        let (text, detail) = (String::new(), None);
        Wanted { key, index, text, detail, side: Some(side), priority, life_s, stands_on }
    };
    let late = lateness(kept, placed);
    if after.lead_changes != before.lead_changes {
        let text = format!("{team} lead {at_ends}");
        let detail = Some(format!("Lead change {}", after.lead_changes));
        into.push(Wanted { text, detail, ..of(GraphicKind::LeadChange, 50 + late, 12) });
    }
    run(kept, placed, (&team, &detail), into, &of);
    streaks(kept, placed, (&team, &detail), into, &of);
    let game_point = after.game_point(&setup.rules, placed.period);
    for (side, (now, then)) in game_point.into_iter().zip(before.game_point).enumerate() {
        if now && !then {
            let text = format!("Game point {}", naming::team(setup, side));
            let mut wanted = of(GraphicKind::GamePoint, 90, 30);
            wanted.key.of =
                setup.teams.get(side).map(|team| team.id.to_string()).unwrap_or_default();
            into.push(Wanted { text, detail: Some(detail.clone()), side: Some(side), ..wanted });
        }
    }
    milestones(kept, placed, (&team, &detail), into, &of);
    if after.won.is_some_and(|(_, shot)| shot == play.fact) {
        let text = format!("{team} win {at_ends}");
        into.push(Wanted { text, detail: lead_changes(after), ..of(GraphicKind::Final, 100, 120) });
    }
}

/// The graphic of a game that somebody ended, where no shot had won it.
pub(super) fn of_the_end(kept: &Kept, tally: &Tally) -> Option<Wanted> {
    let setup = &kept.setup;
    if kept.ended.is_none() || tally.won.is_some() {
        return None;
    }
    let text = match tally.leader() {
        Some(side) => {
            let team = naming::team(setup, side);
            format!("{team} win {}", naming::points_of(side, tally.points()))
        }
        None => format!("Drawn: {}", naming::score_in_short(setup, tally.points())),
    };
    Some(Wanted {
        key: Key { about: GraphicKind::Final, shot: None, of: String::new() },
        index: kept.shots.iter().rposition(|shot| shot.news.standing.counts()),
        text,
        detail: lead_changes(tally),
        side: tally.leader(),
        priority: 100,
        life_s: 120,
        stands_on: vec![whole(setup, Family::Game), whole(setup, Family::Score)],
    })
}

fn lead_changes(tally: &Tally) -> Option<String> {
    match tally.lead_changes {
        0 => None,
        1 => Some("One lead change".to_owned()),
        n => Some(format!("{n} lead changes")),
    }
}

/// How late in the game a shot is, of thirty: by points where these end it, else by periods.
fn lateness(kept: &Kept, placed: &Placed<'_>) -> u8 {
    let rules = &kept.setup.rules;
    let [first, second] = placed.after.points();
    let (now, end) = match rules.target {
        Some(target) => (first.max(second).min(target), target),
        None => (
            u32::from(placed.period.min(rules.periods)).saturating_sub(1),
            u32::from(rules.periods),
        ),
    };
    u8::try_from(30 * now / end.max(1)).unwrap_or(30)
}

fn run(
    kept: &Kept,
    placed: &Placed<'_>,
    (team, score): (&str, &str),
    into: &mut Vec<Wanted>,
    of: &impl Fn(GraphicKind, u8, u32) -> Wanted,
) {
    let least = kept.setup.rules.least_run;
    let Some(run) = &placed.after.run else { return };
    let before = run.points.saturating_sub(placed.play.points);
    if run.points / least > before / least {
        let above = u8::try_from(run.points.min(30)).unwrap_or(30);
        let mut stands_on = run.shots.clone();
        stands_on.push(whole(&kept.setup, Family::Momentum));
        into.push(Wanted {
            text: format!("{team} on a {}–0 run", run.points),
            detail: Some(score.to_owned()),
            stands_on,
            ..of(GraphicKind::Run, 45 + above, 20)
        });
    }
}

fn streaks(
    kept: &Kept,
    placed: &Placed<'_>,
    (team, score): (&str, &str),
    into: &mut Vec<Wanted>,
    of: &impl Fn(GraphicKind, u8, u32) -> Wanted,
) {
    let Placed { play, after, .. } = *placed;
    let stands_on = vec![play.fact, whole(&kept.setup, Family::Leaderboard)];
    if let Some(player) = &play.player {
        let streak = after.player(play.side, player).map_or(0, |player| player.streak);
        if streak >= PLAYER_STREAK && (streak - PLAYER_STREAK).is_multiple_of(2) {
            let mut wanted = of(GraphicKind::Streak, 50, 15);
            wanted.key.of = player.to_string();
            into.push(Wanted {
                text: format!("{}: {streak} in a row", naming::player(&kept.setup, player)),
                detail: Some(score.to_owned()),
                stands_on: stands_on.clone(),
                ..wanted
            });
        }
    }
    let streak = play.side.and_then(|side| after.sides.get(side)).map_or(0, |side| side.streak);
    if streak >= TEAM_STREAK && (streak - TEAM_STREAK).is_multiple_of(3) {
        into.push(Wanted {
            text: format!("{team} made {streak} in a row"),
            detail: Some(score.to_owned()),
            stands_on,
            ..of(GraphicKind::Streak, 40, 15)
        });
    }
}

fn milestones(
    kept: &Kept,
    placed: &Placed<'_>,
    (team, score): (&str, &str),
    into: &mut Vec<Wanted>,
    of: &impl Fn(GraphicKind, u8, u32) -> Wanted,
) {
    let Placed { play, before, after, .. } = *placed;
    let every = kept.setup.rules.milestone;
    let passed = |now: u32, then: u32| (now / every > then / every).then_some(now / every * every);
    let points = |points: [u32; 2]| play.side.and_then(|side| points.get(side).copied());
    let now = points(after.points()).unwrap_or(0);
    if let Some(reached) = passed(now, points(before.points).unwrap_or(0)) {
        into.push(Wanted {
            text: format!("{team} reach {}", naming::points(reached)),
            detail: Some(score.to_owned()),
            ..of(GraphicKind::Milestone, 35, 15)
        });
    }
    let Some(player) = &play.player else { return };
    let now = after.player(play.side, player).map_or(0, |player| player.points);
    if passed(now, before.player_points).is_some() {
        let mut wanted = of(GraphicKind::Milestone, 45, 15);
        wanted.key.of = player.to_string();
        wanted.stands_on = vec![play.fact, whole(&kept.setup, Family::Leaderboard)];
        let text = format!("{} has {}", naming::player(&kept.setup, player), naming::points(now));
        into.push(Wanted { text, detail: Some(score.to_owned()), ..wanted });
    }
}

fn comparison(setup: &Setup, placed: &Placed<'_>) -> Wanted {
    let sides = &placed.after.sides;
    let of = |side: usize| {
        let sums = &sides[side.min(1)];
        (naming::team_in_short(setup, side), sums.made, sums.attempts)
    };
    let ((first, made, tried), (second, theirs, of_theirs)) = (of(0), of(1));
    let share = |made, tried| percent(made, tried).map_or("–".to_owned(), |of| format!("{of} %"));
    Wanted {
        key: Key {
            about: GraphicKind::Comparison,
            shot: Some(placed.play.fact),
            of: String::new(),
        },
        index: Some(placed.index),
        text: format!("{first} {made}/{tried} · {second} {theirs}/{of_theirs}"),
        detail: Some(format!("Shots: {} · {}", share(made, tried), share(theirs, of_theirs))),
        side: None,
        priority: 30,
        life_s: 60,
        stands_on: vec![placed.play.fact, whole(setup, Family::Leaderboard)],
    }
}

/// A time of the box's clock in the game's own session.
pub(super) fn since_start(kept: &Kept, utc_ns: i64) -> MediaTime {
    MediaTime::from_nanos(utc_ns.saturating_sub(kept.setup.start_utc_ns).max(0))
}

/// What is told of a graphic.
pub(super) fn told(kept: &Kept, wanted: &Wanted, as_kept: &KeptGraphic) -> Graphic {
    let shot = wanted.index.and_then(|index| kept.shots.get(index));
    let at = match (wanted.key.shot, kept.ended, shot) {
        (None, Some((_, utc_ns)), _) => since_start(kept, utc_ns),
        (.., Some(shot)) => MediaTime::from_nanos(shot.news.at_ns),
        _ => MediaTime::ZERO,
    };
    let team = wanted.side.and_then(|side| kept.setup.teams.get(side));
    Graphic {
        game: kept.setup.id.clone(),
        about: wanted.key.about,
        text: wanted.text.clone(),
        detail: wanted.detail.clone(),
        team: team.map(|team| team.id.clone()),
        priority: wanted.priority,
        life_s: wanted.life_s,
        state: as_kept.word,
        who: as_kept.who.clone(),
        taken_at: as_kept.taken_ns.map(|ns| UtcTime::from_nanos(ns).to_rfc3339()),
        stands_on: wanted.stands_on.iter().map(ToString::to_string).collect(),
        t_stream: at.as_secs_f64(),
    }
}

/// What must be told, by the place of the graphic among those that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// For the first time, or again.
    Told,
    /// It does not hold any more.
    Gone,
}

/// Brings what is kept of graphics up to date: which came, and which went.
pub(super) fn settle(kept: &mut Kept, wanted: &[Wanted]) -> Vec<(usize, Change)> {
    let counted: Vec<usize> = (0..kept.shots.len())
        .filter(|index| kept.shots.get(*index).is_some_and(|shot| shot.news.standing.counts()))
        .collect();
    let fresh = counted.len().checked_sub(FRESH_SHOTS);
    let fresh = fresh.and_then(|place| counted.get(place)).copied().unwrap_or(0);
    let mut changes = Vec::new();
    // Looked up, not looked through: a long game has hundreds of both.
    let keys: BTreeSet<&Key> = wanted.iter().map(|wanted| &wanted.key).collect();
    let told: BTreeSet<&Key> = kept.graphics.iter().map(|graphic| &graphic.key).collect();
    let is_new: Vec<bool> = wanted.iter().map(|wanted| !told.contains(&wanted.key)).collect();
    for (place, graphic) in kept.graphics.iter_mut().enumerate() {
        let is_wanted = keys.contains(&graphic.key);
        if is_wanted == graphic.stands {
            continue;
        }
        graphic.stands = is_wanted;
        graphic.revision += 1;
        if is_wanted {
            // Who threw it out does not see it again; else it is for them to say anew.
            if graphic.word != GraphicWord::Dismissed {
                (graphic.word, graphic.who, graphic.taken_ns) = (GraphicWord::Proposed, None, None);
            }
            changes.push((place, Change::Told));
        } else {
            changes.push((place, Change::Gone));
        }
    }
    let mut came = BTreeSet::new();
    for (wanted, is_new) in wanted.iter().zip(is_new) {
        // How it came out is worth showing whenever that is known: a correction of an old shot may say it.
        let is_final = wanted.key.about == GraphicKind::Final;
        let is_stale = !is_final && wanted.index.is_some_and(|index| index < fresh);
        if is_stale || !is_new || !came.insert(&wanted.key) {
            continue;
        }
        kept.numbers.graphic += 1;
        kept.graphics.push(KeptGraphic {
            key: wanted.key.clone(),
            n: kept.numbers.graphic,
            revision: 0,
            stands: true,
            word: GraphicWord::Proposed,
            who: None,
            taken_ns: None,
        });
        changes.push((kept.graphics.len() - 1, Change::Told));
    }
    changes
}
