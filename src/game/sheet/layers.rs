//! The layers that are one fact a game: score, momentum, leaderboard. Each a function of a tally.

use crate::event::game::{
    Attacks, Drought, GameScore, GameTold, Leaderboard, Leverage, Momentum, OfValue, PeriodStart,
    Row, Run, Share, TeamPoints,
};
use crate::event::words::{EndWord, GameWord};
use crate::game::sheet::input::{Attacked, LAST_PERIOD, Setup};
use crate::game::sheet::state::Kept;
use crate::game::sheet::tally::{OfPlayer, Races, Side, Tally, When};
use crate::game::sheet::timed::Timed;
use crate::media::{PlayerId, TeamId, UtcTime};

/// Four digits: more would mean nothing.
pub(super) fn rounded(share: f64) -> f64 {
    (share * 1e4).round() / 1e4
}

fn team(setup: &Setup, side: usize) -> TeamId {
    let [first, second] = &setup.teams;
    if side == 0 { first.id.clone() } else { second.id.clone() }
}

/// The game, as it stands.
pub(super) fn told(kept: &Kept, tally: &Tally) -> GameTold {
    let Kept { setup, ended, .. } = kept;
    let winner = ended.and_then(|_| tally.won.map(|(side, _)| side).or_else(|| tally.leader()));
    let period = tally.period(&setup.rules, kept.period);
    let time = |ns| UtcTime::from_nanos(ns).to_rfc3339();
    // Why it is over follows the shots as all else does: one that is corrected may have been the last.
    let why = |(why, _)| match (why, tally.won) {
        (EndWord::Operator | EndWord::Target, Some(_)) => EndWord::Target,
        (EndWord::Operator | EndWord::Target, None) => EndWord::Operator,
        (other, _) => other,
    };
    GameTold {
        game: setup.id.clone(),
        state: if ended.is_some() { GameWord::Over } else { GameWord::Running },
        rules: setup.rules.name.clone(),
        teams: setup.teams.clone(),
        courts: setup.courts.clone(),
        players: setup.players.clone(),
        period,
        periods: setup.rules.periods,
        next_period: setup.rules.next_period(period).filter(|n| *n <= LAST_PERIOD),
        points: setup.rules.points(),
        ordinary: Some(setup.rules.ordinary),
        attacks: attacks(kept),
        half_at: setup.rules.half_at,
        starts: kept
            .marks
            .iter()
            .map(|(period, ns)| PeriodStart { period: *period, time: time(*ns) })
            .collect(),
        ended_at: ended.map(|(_, ns)| time(ns)),
        winner: winner.map(|side| team(setup, side)),
        ended: ended.map(why),
    }
}

/// Who attacks which rim now.
fn attacks(kept: &Kept) -> Vec<Attacks> {
    let swapped = kept.swapped_at(kept.period, None);
    let rims = kept.setup.attacks.0.iter();
    let of = |Attacked { court, rim, .. }: &Attacked| {
        let team = kept.setup.ordinary(court, *rim, swapped).team?;
        Some(Attacks { team, court: court.clone(), rim: *rim })
    };
    rims.filter_map(of).collect()
}

/// Its score. Who changed it last stands elsewhere.
pub(super) fn score(kept: &Kept, tally: &Tally) -> GameScore {
    let setup = &kept.setup;
    let period = tally.period(&setup.rules, kept.period);
    let side = |side: usize| {
        let sums = &tally.sides[side.min(1)];
        let mut by_period = sums.by_period.clone();
        by_period.resize(usize::from(period).max(by_period.len()), 0);
        TeamPoints {
            team: team(setup, side),
            points: sums.points,
            made: sums.made,
            attempts: sums.attempts,
            by_period,
        }
    };
    let game_point = tally.game_point(&setup.rules, period);
    let at_it =
        [0, 1].into_iter().zip(game_point).filter(|(_, at_it)| *at_it && kept.ended.is_none());
    GameScore {
        game: setup.id.clone(),
        period,
        teams: [side(0), side(1)],
        pending: tally.pending,
        target: setup.rules.target,
        leads: tally.leader().map(|side| team(setup, side)),
        by: u32::try_from(tally.margin().unsigned_abs()).unwrap_or(u32::MAX),
        lead_changes: tally.lead_changes,
        ties: tally.ties,
        game_point: at_it.map(|(side, _)| team(setup, side)).collect(),
        won: tally.won.map(|(side, _)| team(setup, side)),
        won_by: tally.won.map(|(_, shot)| shot.to_string()),
        after: None,
    }
}

/// How it goes.
pub(super) fn momentum(
    kept: &Kept,
    tally: &Tally,
    (races, timed): (Option<&Races>, Option<&Timed>),
) -> Momentum {
    let setup = &kept.setup;
    let rules = &setup.rules;
    let period = tally.period(rules, kept.period);
    let run = tally.run.as_ref().filter(|run| run.points >= rules.least_run);
    let swing = tally.recent.iter().map(|(side, points)| match side {
        Some(0) => i64::from(*points),
        Some(_) => -i64::from(*points),
        None => 0,
    });
    let over = kept.ended.is_some() || tally.won.is_some();
    let share = match (kept.ended, tally.won) {
        // Somebody ended it before the points did: who leads has won.
        (Some(_), None) if races.is_some() || timed.is_some() => {
            tally.leader().map(|side| if side == 0 { 1.0 } else { 0.0 })
        }
        _ => tally
            .share(races, rules, period)
            .or_else(|| timed.map(|timed| timed.share(tally, period))),
    };
    let win = share.map_or_else(Vec::new, |share| {
        let first = rounded(share);
        let shares = [first, rounded(1.0 - first)];
        let of = |side: usize| Share { team: team(setup, side), share: shares[side.min(1)] };
        vec![of(0), of(1)]
    });
    let leverage = |side: usize| {
        let worth = u32::from(rules.ordinary);
        let by_clock = || timed.map(|timed| timed.next(tally, period, (side, worth)));
        let next = tally.next(races, rules, period, (side, worth)).or_else(by_clock);
        let (made, missed) = next?;
        let (made, missed) = (rounded(made), rounded(missed));
        let swing = rounded(made - missed);
        Some(Leverage { team: team(setup, side), points: worth, made, missed, swing })
    };
    Momentum {
        game: setup.id.clone(),
        run: run.map(|run| Run {
            team: team(setup, run.side),
            points: run.points,
            shots: u32::try_from(run.shots.len()).unwrap_or(u32::MAX),
            seconds: run.last.seconds_since(run.first),
        }),
        drought: [drought(setup, tally, 0), drought(setup, tally, 1)],
        swing: i32::try_from(swing.sum::<i64>()).unwrap_or(0),
        swing_shots: u32::try_from(tally.recent.len()).unwrap_or(0),
        win,
        leverage: if over { Vec::new() } else { [0, 1].into_iter().filter_map(leverage).collect() },
        pending_points: tally.pending.points,
        after: None,
    }
}

fn drought(setup: &Setup, tally: &Tally, side: usize) -> Drought {
    let sums = &tally.sides[side.min(1)];
    let began = When { session: setup.session, at_ns: 0, utc_ns: Some(setup.start_utc_ns) };
    let since = sums.last_basket.unwrap_or(began);
    let seconds = tally.last_when.map_or(0, |last| last.seconds_since(since));
    Drought { team: team(setup, side), misses: sums.misses, seconds }
}

/// Who did what.
pub(super) fn leaderboard(kept: &Kept, tally: &Tally) -> Leaderboard {
    let setup = &kept.setup;
    let mut teams: Vec<Row> =
        [0, 1].map(|side| of_team(setup, &tally.sides[side.min(1)], side)).into();
    rank(&mut teams);
    // Who is in no list is of the team whose shot it was: of both, where they were named for both.
    let named = [0, 1].into_iter().flat_map(|side: usize| {
        let row = move |id: &PlayerId| Row { player: Some(id.clone()), ..empty(team(setup, side)) };
        let players = tally.sides[side.min(1)].players.iter();
        players.map(move |(id, sums)| of_player(sums, row(id)))
    });
    let mut players: Vec<Row> = named.collect();
    players.sort_by(|one, other| one.player.cmp(&other.player));
    rank(&mut players);
    Leaderboard { game: setup.id.clone(), teams, players, after: None }
}

fn empty(team: TeamId) -> Row {
    Row {
        rank: 0,
        team,
        player: None,
        points: 0,
        made: 0,
        attempts: 0,
        percent: None,
        streak: 0,
        best_streak: 0,
        best_run: None,
        by_value: Vec::new(),
    }
}

fn of_team(setup: &Setup, sums: &Side, side: usize) -> Row {
    Row {
        points: sums.points,
        made: sums.made,
        attempts: sums.attempts,
        percent: percent(sums.made, sums.attempts),
        streak: sums.streak,
        best_streak: sums.best_streak,
        best_run: Some(sums.best_run),
        by_value: by_value(&sums.by_value),
        ..empty(team(setup, side))
    }
}

fn of_player(sums: &OfPlayer, row: Row) -> Row {
    Row {
        points: sums.points,
        made: sums.made,
        attempts: sums.attempts,
        percent: percent(sums.made, sums.attempts),
        streak: sums.streak,
        best_streak: sums.best_streak,
        by_value: by_value(&sums.by_value),
        ..row
    }
}

fn by_value(values: &std::collections::BTreeMap<u32, (u32, u32)>) -> Vec<OfValue> {
    let of = |(points, (made, attempts)): (&u32, &(u32, u32))| OfValue {
        points: *points,
        made: *made,
        attempts: *attempts,
    };
    values.iter().map(of).collect()
}

/// Of a hundred, halves up; `None` of none.
pub(super) fn percent(made: u32, attempts: u32) -> Option<u32> {
    (attempts > 0).then(|| (200 * made + attempts) / (2 * attempts))
}

/// Most points first; of as many, who needed fewer attempts. Who are level in both share a rank.
fn rank(rows: &mut [Row]) {
    let order = |row: &Row| (std::cmp::Reverse(row.points), row.attempts);
    rows.sort_by_key(order);
    let places: Vec<_> = rows.iter().map(order).collect();
    for row in rows {
        let place = places.iter().position(|place| *place == order(row)).unwrap_or(0);
        row.rank = u32::try_from(place + 1).unwrap_or(u32::MAX);
    }
}
