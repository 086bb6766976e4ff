//! Three real games (tests/data/box-scores): score, lead changes, ties, largest lead and longest run as the
//! league has them, and what was worked out by hand from the play-by-play.

use super::{Hall, court, setup};
use crate::event::game::GameView;
use crate::event::{FactId, Family, SaidBy};
use crate::game::input::Standing;
use crate::game::sheet::{SheetInput, ShotNews};
use crate::media::{SessionId, TeamId};

const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_790_000_000 * SECOND;

const OKLAHOMA: &str = include_str!("../../../../tests/data/box-scores/0021600270.txt");
const TORONTO: &str = include_str!("../../../../tests/data/box-scores/0021900001.txt");
const BROOKLYN: &str = include_str!("../../../../tests/data/box-scores/0022000001.txt");

/// One line of a play-by-play.
struct Line {
    period: u16,
    /// Tenths of a second on the clock.
    clock: i64,
    text: String,
    home: bool,
    points: u8,
    made: bool,
}

fn lines(text: &str, home: &str) -> Vec<Line> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let [period, clock, team, points, made] = words[..] else { panic!("{line}") };
        let (minutes, seconds) = clock.split_once(':').expect("a clock");
        let (seconds, tenths) = seconds.split_once('.').unwrap_or((seconds, "0"));
        let number = |text: &str| text.parse::<i64>().expect("a number");
        Line {
            period: period.parse().expect("a number"),
            clock: number(minutes) * 600 + number(seconds) * 10 + number(tenths),
            text: format!("{period} {clock}"),
            home: team == home,
            points: points.parse().expect("a number"),
            made: made == "+",
        }
    };
    text.lines().filter(|text| !text.starts_with('#')).map(line).collect()
}

/// Plays a game; calls `look` after each line, with the line.
fn play(text: &str, home: &str, mut look: impl FnMut(&Line, GameView)) -> GameView {
    let mut hall = Hall::of(setup("nba-5x5"));
    let (mut period, mut began) = (1, 0);
    for (n, line) in (1..).zip(lines(text, home)) {
        if line.period != period {
            began += if period > 4 { 3_000 } else { 7_200 };
            period = line.period;
            let utc_ns = START + began * SECOND / 10;
            hall.take(SheetInput::Period { n: period, swapped: None, utc_ns, began_ns: None });
        }
        let length = if period > 4 { 3_000 } else { 7_200 };
        let at_ns = (began + length - line.clock) * SECOND / 10;
        hall.take(SheetInput::Shot(ShotNews {
            court: court("a"),
            session: SessionId::from_bits(7),
            fact: FactId::new(SessionId::from_bits(7), Family::Shot, n),
            revision: 0,
            attempt: n,
            rim: 0,
            at_ns,
            utc_ns: Some(START + at_ns),
            standing: if line.made { Standing::Made } else { Standing::Missed },
            points: line.points,
            points_by: SaidBy::Operator,
            team: Some(TeamId::new(if line.home { "red" } else { "blue" }).expect("a name")),
            player: None,
            by: None,
            who: None,
            reason: None,
            confidence: 10_000,
            undone: false,
        }));
        look(&line, hall.sheet.view());
    }
    hall.sheet.view()
}

/// What the league says of a game: the home team first.
struct Official {
    by_period: [&'static [u32]; 2],
    lead_changes: u32,
    ties: u32,
    largest: [i64; 2],
    /// Made and attempts, throws too, where the source has them.
    shots: Option<[(u32, u32); 2]>,
    longest_run: Option<u32>,
}

/// What a hand works out from the lines: run of the home team (points, baskets, seconds), drought of the
/// other (misses, seconds), points by which the last ten shots favour the home team.
struct ByHand {
    at: &'static str,
    run: (u32, u32, u32),
    drought: (u32, u32),
    swing: i32,
}

fn check(text: &str, home: &str, official: &Official, by_hand: &ByHand) {
    let mut largest = [0_i64; 2];
    let mut at_hand = None;
    let view = play(text, home, |line, view| {
        let [red, blue] = &view.score.teams;
        let margin = i64::from(red.points) - i64::from(blue.points);
        largest = [largest[0].max(margin), largest[1].max(-margin)];
        if line.text == by_hand.at {
            // The last line of that time.
            at_hand = Some(view.momentum);
        }
    });
    let score = &view.score;
    assert_eq!(score.teams.each_ref().map(|team| team.by_period.as_slice()), official.by_period);
    assert_eq!((score.lead_changes, score.ties), (official.lead_changes, official.ties), "{home}");
    assert_eq!(largest, official.largest, "{home}");
    if let Some(shots) = official.shots {
        assert_eq!(score.teams.each_ref().map(|team| (team.made, team.attempts)), shots);
    }
    let runs = view.leaderboard.teams.iter().filter_map(|row| row.best_run).max();
    assert!(official.longest_run.is_none_or(|longest| runs == Some(longest)), "{home}: {runs:?}");

    let momentum = at_hand.expect("the line is there");
    let run = momentum.run.expect("a run");
    assert_eq!((run.points, run.shots, run.seconds), by_hand.run, "{home}");
    let [_, other] = &momentum.drought;
    assert_eq!((other.misses, other.seconds), by_hand.drought, "{home}");
    assert_eq!((momentum.swing, momentum.swing_shots), (by_hand.swing, 10), "{home}");
}

#[test]
fn washington_at_oklahoma_city_2016() {
    // 44 of 98 and 17 of 26 throws; 46 of 95 and 22 of 31.
    let official = Official {
        by_period: [&[32, 28, 24, 21, 21], &[19, 34, 31, 21, 10]],
        lead_changes: 5,
        ties: 8,
        largest: [16, 7],
        shots: Some([(68, 126), (61, 124)]),
        longest_run: None,
    };
    // From 5:19 on: 2, 2, 1, 1, 3, and the second throw at 3:02. Washington's last point was a throw at 5:34;
    // since then it missed at 4:41, 4:03 and 3:04. The last ten shots: 1, 1, 3 and 1 of four misses each way.
    let by_hand = ByHand { at: "1 3:02", run: (10, 6, 137), drought: (3, 152), swing: 6 };
    check(OKLAHOMA, "OKC", &official, &by_hand);
}

#[test]
fn new_orleans_at_toronto_2019() {
    let official = Official {
        by_period: [&[27, 29, 32, 29, 13], &[30, 31, 25, 31, 5]],
        lead_changes: 15,
        ties: 14,
        largest: [8, 11],
        shots: None,
        longest_run: None,
    };
    // From 6:04 on: 2, 2, 2, 1, 1, 1, 1, 2, 1. New Orleans scored last at 6:22 and missed at 5:33, 4:54, 4:10,
    // 3:54, 3:49, 3:32 and 3:29. The last ten shots: 1, 1, 1, 2, 1 of Toronto, five misses of the other.
    let by_hand = ByHand { at: "1 3:22", run: (13, 9, 162), drought: (7, 180), swing: 6 };
    check(TORONTO, "TOR", &official, &by_hand);
}

#[test]
fn golden_state_at_brooklyn_2020() {
    // 42 of 92 and 26 of 32 throws; 37 of 99 and 15 of 23.
    let official = Official {
        by_period: [&[40, 23, 36, 26], &[25, 20, 26, 28]],
        lead_changes: 1,
        ties: 1,
        largest: [38, 2],
        shots: Some([(68, 124), (52, 122)]),
        longest_run: Some(11),
    };
    // From 10:00 on: 2, 1, 1, 2, 2. Golden State scored last at 10:13 and missed at 9:17 and 8:48. The last ten
    // shots have all of that, and Brooklyn's misses at 10:06, 10:04 and 8:41.
    let by_hand = ByHand { at: "3 8:30", run: (8, 5, 90), drought: (2, 103), swing: 8 };
    check(BROOKLYN, "BKN", &official, &by_hand);
}
