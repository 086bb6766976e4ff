//! The models against games that they do not know: hot hands, unequal teams, tired ones, a clock.
//!
//! `design/win-probability.md` has the table; the test holds that it is the one that comes out. To see
//! what comes out: `SHOW_TABLES=1 cargo test --lib validated`, which fails for that.

use super::thousand::Dice;
use crate::event::{FactId, Family};
use crate::game::rules::Rules;
use crate::game::sheet::tally::{Play, Races, Tally, When};
use crate::game::sheet::timed::Timed;
use crate::media::SessionId;

/// Games of each row (chosen: shares in a tenth of a table are then known to one or two of a hundred).
const GAMES: u64 = 2_000;

/// How the world is, in which games are simulated.
#[derive(Clone, Copy)]
struct World {
    name: &'static str,
    rules: &'static str,
    /// How far apart teams are: the spread of each one's share of shots that go in, of a thousand.
    unequal: f64,
    /// What a basket adds to the next share of the same team, and a miss takes; of a thousand.
    streaks: f64,
    /// What a game takes off a tired team's shares by its end, of a thousand; the other tires half as much.
    fatigue: f64,
    /// Possessions after which the clock ends it; 0: never.
    clock: u64,
}

const WORLDS: [World; 8] = [
    World {
        name: "as the model has it",
        rules: "fiba-3x3",
        unequal: 0.0,
        streaks: 0.0,
        fatigue: 0.0,
        clock: 0,
    },
    World {
        name: "hot hands",
        rules: "fiba-3x3",
        unequal: 0.0,
        streaks: 60.0,
        fatigue: 0.0,
        clock: 0,
    },
    World {
        name: "unequal teams",
        rules: "fiba-3x3",
        unequal: 40.0,
        streaks: 0.0,
        fatigue: 0.0,
        clock: 0,
    },
    World {
        name: "all of it",
        rules: "fiba-3x3",
        unequal: 40.0,
        streaks: 60.0,
        fatigue: 80.0,
        clock: 0,
    },
    World {
        name: "all of it",
        rules: "pickup-11",
        unequal: 40.0,
        streaks: 60.0,
        fatigue: 80.0,
        clock: 0,
    },
    World {
        name: "all of it",
        rules: "big3",
        unequal: 40.0,
        streaks: 60.0,
        fatigue: 80.0,
        clock: 0,
    },
    World {
        name: "twice as unequal",
        rules: "fiba-3x3",
        unequal: 80.0,
        streaks: 60.0,
        fatigue: 80.0,
        clock: 0,
    },
    World {
        name: "all of it, and ten minutes",
        rules: "fiba-3x3",
        unequal: 40.0,
        streaks: 60.0,
        fatigue: 80.0,
        clock: 72,
    },
];

impl Dice {
    /// 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a double has")]
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal, of spread 1: twelve even ones, so that every machine has the same.
    fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }
}

/// One look at a game: the model's share for the first team, and, once it is over, whether that won.
struct Look {
    share: f64,
    game: u64,
}

/// Plays a game; returns who won, and what the model said after each shot, what it changed and what it
/// said that the shot could change.
fn play(world: World, dice: &mut Dice, game: u64, looks: &mut Vec<Look>) -> (usize, Vec<f64>) {
    let rules = Rules::named(world.rules).expect("known");
    let races = Races::of(&rules).expect("points end it");
    let assumed = rules.model.clone().expect("points end it");
    let strength = [world.unequal * dice.bell(), world.unequal * dice.bell()];
    let tired = usize::from(dice.share() < 0.5);
    let mut hot = [0.0_f64; 2];
    let mut tally = Tally::default();
    let mut ball = usize::from(dice.share() < 0.5);
    let (mut period, mut n) = (1, 0);
    let mut shares = vec![0.5];
    let mut possessions = 0;
    loop {
        if world.clock > 0 && period == 1 && possessions >= world.clock {
            if let Some(leader) = tally.leader() {
                return (leader, shares);
            }
            period = 2;
        }
        possessions += 1;
        if dice.share() * 1e3 < f64::from(assumed.turnovers) {
            ball = 1 - ball;
            continue;
        }
        let mut pick = dice.share() * 1e3;
        let mut rate = assumed.shots[0];
        for shot in &assumed.shots {
            rate = *shot;
            pick -= f64::from(shot.share);
            if pick < 0.0 {
                break;
            }
        }
        let [first, second] = tally.points();
        let played = f64::from(first.max(second)) / f64::from(rules.target.unwrap_or(1));
        let tiredness = if ball == tired { world.fatigue } else { world.fatigue / 2.0 };
        let chance =
            f64::from(rate.made) + strength[ball] + hot[ball] - tiredness * played.min(1.0);
        let made = dice.share() * 1e3 < chance.clamp(50.0, 950.0);
        hot[ball] = if made { world.streaks } else { -world.streaks };
        n += 1;
        let session = SessionId::from_bits(7);
        let play = Play {
            fact: FactId::new(session, Family::Shot, n),
            side: Some(ball),
            player: None,
            points: u32::from(rate.points),
            made,
            period,
            when: When { session, at_ns: i64::from(n), utc_ns: None },
        };
        tally.count(&play, &rules);
        let share = tally.share(Some(&races), &rules, period).expect("points end it");
        shares.push(share);
        if let Some((winner, _)) = tally.won {
            return (winner, shares);
        }
        looks.push(Look { share, game });
        let keeps = !made && dice.share() * 1e3 < f64::from(assumed.rebounds);
        if !(keeps || made && rules.keeps_ball) {
            ball = 1 - ball;
        }
    }
}

/// How the world is in which games with a clock are simulated, of which the model knows the shots alone.
#[derive(Clone, Copy)]
struct Clocked {
    name: &'static str,
    rules: &'static str,
    /// Seconds of a possession in the mean.
    possession: f64,
    unequal: f64,
    streaks: f64,
    fatigue: f64,
    /// True where who trails in the last two minutes hurries and fouls.
    hurried: bool,
}

const CLOCKED: [Clocked; 5] = {
    let plain = Clocked {
        name: "teams alike",
        rules: "nba-5x5",
        possession: 14.5,
        unequal: 0.0,
        streaks: 0.0,
        fatigue: 0.0,
        hurried: false,
    };
    let all = Clocked {
        name: "all of it",
        unequal: 25.0,
        streaks: 40.0,
        fatigue: 60.0,
        hurried: true,
        ..plain
    };
    [
        plain,
        Clocked { name: "unequal teams", unequal: 25.0, ..plain },
        all,
        Clocked { rules: "fiba-5x5", possession: 17.5, ..all },
        Clocked { name: "all of it, twice as unequal", unequal: 50.0, ..all },
    ]
};

/// A game with a clock as it is played.
struct Court<'a> {
    world: Clocked,
    rules: &'a Rules,
    dice: &'a mut Dice,
    strength: [f64; 2],
    tired: usize,
    hot: [f64; 2],
    tally: Tally,
    n: u32,
}

impl Court<'_> {
    /// A shot of a team; whether it went in.
    fn shoots(&mut self, side: usize, (points, made): (u32, f64), period: u16) -> bool {
        let throw = points == 1;
        let tiredness = self.world.fatigue * f64::from(period.min(4)) / 4.0;
        let tiredness = if side == self.tired { tiredness } else { tiredness / 2.0 };
        let chance = made + self.strength[side] + self.hot[side] - tiredness;
        let made = self.dice.share() * 1e3 < if throw { made } else { chance.clamp(50.0, 950.0) };
        if !throw {
            self.hot[side] = if made { self.world.streaks } else { -self.world.streaks };
        }
        self.n += 1;
        let session = SessionId::from_bits(7);
        let play = Play {
            fact: FactId::new(session, Family::Shot, self.n),
            side: Some(side),
            player: None,
            points,
            made,
            period,
            when: When { session, at_ns: i64::from(self.n), utc_ns: None },
        };
        self.tally.count(&play, self.rules);
        made
    }
}

/// Plays a game with a clock; who won, and what the model said after every fourth shot.
fn play_by_clock(world: Clocked, dice: &mut Dice, game: u64, looks: &mut Vec<Look>) -> usize {
    let rules = Rules::named(world.rules).expect("known");
    let timed = Timed::of(&rules).expect("a clock ends it");
    let strength = [world.unequal * dice.bell(), world.unequal * dice.bell()];
    let tired = usize::from(dice.share() < 0.5);
    let (hot, tally) = ([0.0; 2], Tally::default());
    let mut court = Court { world, rules: &rules, dice, strength, tired, hot, tally, n: 0 };
    let mut ball = usize::from(court.dice.share() < 0.5);
    for period in 1.. {
        if period > rules.periods
            && let Some(leader) = court.tally.leader()
        {
            return leader;
        }
        let minutes =
            if period > rules.periods { rules.overtime_minutes } else { rules.period_minutes };
        let mut left = f64::from(minutes.expect("they have some")) * 60.0;
        let mut keeps = false;
        loop {
            let margin = court.tally.margin() * if ball == 0 { 1 } else { -1 };
            let late = world.hurried && period >= rules.periods && left < 120.0;
            let pace = if keeps || late && (-10..0).contains(&margin) { 0.5 } else { 1.0 };
            left -= world.possession * pace * (0.5 + court.dice.share());
            if left <= 0.0 {
                break;
            }
            let before = court.n;
            // Who leads late is fouled.
            let fouled = if late && (1..=10).contains(&margin) { 0.6 } else { 0.1 };
            keeps = false;
            let dice = &mut court.dice;
            if dice.share() < 0.13 {
                // The ball is lost.
            } else if dice.share() < fouled {
                for _ in 0..2 {
                    court.shoots(ball, (1, 770.0), period);
                }
            } else {
                let far = dice.share() < if late && margin < -2 { 0.6 } else { 0.37 };
                let made = court.shoots(ball, if far { (3, 360.0) } else { (2, 520.0) }, period);
                keeps = !made && court.dice.share() < 0.25;
            }
            if court.n / 4 != before / 4 {
                looks.push(Look { share: timed.share(&court.tally, period), game });
            }
            if !keeps {
                ball = 1 - ball;
            }
        }
    }
    unreachable!("somebody wins")
}

/// What came out of a world with a clock.
fn by_clock(world: Clocked) -> Result {
    let mut dice = Dice(0x0c0a_57a1);
    let mut looks = Vec::new();
    let games = 0..GAMES;
    let winners: Vec<usize> =
        games.map(|game| play_by_clock(world, &mut dice, game, &mut looks)).collect();
    weighed(&looks, &winners)
}

/// What came out of a world.
struct Result {
    looks: usize,
    brier: f64,
    base: f64,
    /// By tenths of the share: looks, games, mean share, share of them that won.
    tenths: Vec<(usize, usize, f64, f64)>,
    /// The mean distance of share and truth, weighted by looks.
    off: f64,
}

fn result(world: World) -> Result {
    let mut dice = Dice(0x0c0a_57a1);
    let mut looks = Vec::new();
    let mut winners = Vec::new();
    for game in 0..GAMES {
        let (winner, shares) = play(world, &mut dice, game, &mut looks);
        // What each shot changed, together, is what there was to win.
        let last = shares.last().copied().unwrap_or(0.5);
        let changed: f64 = shares.windows(2).map(|pair| pair[1] - pair[0]).sum();
        assert!((0.5 + changed - last).abs() < 1e-9);
        if world.clock == 0 {
            assert_eq!(last, if winner == 0 { 1.0 } else { 0.0 });
        }
        winners.push(winner);
    }
    weighed(&looks, &winners)
}

/// Looks, held against who won.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn weighed(looks: &[Look], winners: &[usize]) -> Result {
    let won = |look: &Look| {
        let winner = winners[usize::try_from(look.game).expect("few")];
        if winner == 0 { 1.0 } else { 0.0 }
    };
    let count = looks.len() as f64;
    let brier = looks.iter().map(|look| (look.share - won(look)).powi(2)).sum::<f64>() / count;
    let rate = looks.iter().map(won).sum::<f64>() / count;
    let mut tenths = Vec::new();
    let mut off = 0.0;
    for tenth in 0..10 {
        let (from, to) = (f64::from(tenth) / 10.0, f64::from(tenth + 1) / 10.0);
        let inside: Vec<&Look> = looks
            .iter()
            .filter(|look| look.share >= from && (look.share < to || tenth == 9))
            .collect();
        let games: std::collections::BTreeSet<u64> = inside.iter().map(|look| look.game).collect();
        let n = inside.len() as f64;
        let said = inside.iter().map(|look| look.share).sum::<f64>() / n;
        let was = inside.iter().map(|look| won(look)).sum::<f64>() / n;
        off += n / count * (said - was).abs();
        tenths.push((inside.len(), games.len(), said, was));
    }
    Result { looks: looks.len(), brier, base: rate * (1.0 - rate), tenths, off }
}

/// The tables of the document.
fn tables(results: &[((&'static str, &'static str), Result)], tenths: &[usize]) -> String {
    let mut text = String::from(
        "| world | rules | games | looks | Brier | base rate | off by |\n| --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for ((name, rules), result) in results {
        let Result { looks, brier, base, off, .. } = result;
        text += &format!(
            "| {name} | {rules} | {GAMES} | {looks} | {brier:.4} | {base:.4} | {off:.3} |\n"
        );
    }
    for place in tenths {
        let Some(((name, rules), result)) = results.get(*place) else { continue };
        text += &format!(
            "\n{name}, {rules}:\n\n| share said | looks | games | said | was |\n| --- | --- | --- | --- | --- |\n"
        );
        for (tenth, (looks, games, said, was)) in result.tenths.iter().enumerate() {
            let (from, to) = (tenth * 10, (tenth + 1) * 10);
            text += &format!("| {from}–{to} % | {looks} | {games} | {said:.3} | {was:.3} |\n");
        }
    }
    text
}

/// Holds the tables to the document; says what comes out where that is asked for.
fn documented(text: &str) {
    assert!(std::env::var_os("SHOW_TABLES").is_none(), "what comes out:\n{text}");
    let document = include_str!("../../../../design/win-probability.md");
    assert!(document.contains(text), "design/win-probability.md has other tables:\n{text}");
}

/// Each world is off by no more than what the document says of it, and better than saying the same of all.
fn good(results: &[((&'static str, &'static str), Result)], most: &[f64]) {
    for ((named, result), most) in results.iter().zip(most) {
        assert!(result.off <= *most, "{named:?}: off by {}", result.off);
        assert!(result.brier < result.base - 0.03, "{named:?}: {}", result.brier);
    }
}

#[test]
fn shares_of_wins_are_as_often_right_as_they_say() {
    let of = |world: World| ((world.name, world.rules), result(world));
    let results: Vec<_> = WORLDS.into_iter().map(of).collect();
    good(&results, &[0.02, 0.02, 0.02, 0.03, 0.03, 0.04, 0.04, 0.06]);
    documented(&tables(&results, &[0, 3, 6, 7]));
}

#[test]
fn shares_of_wins_by_the_clock_are_as_often_right_as_they_say() {
    let of = |world: Clocked| ((world.name, world.rules), by_clock(world));
    let results: Vec<_> = CLOCKED.into_iter().map(of).collect();
    good(&results, &[0.03, 0.03, 0.03, 0.03, 0.03]);
    documented(&tables(&results, &[0, 2, 3]));
}
