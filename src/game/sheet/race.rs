//! Shares of wins in a game that points end: a race, by recursion over the scores.
//!
//! The model: who has the ball loses it, or shoots; a shot has a value and goes in or not; what does not
//! go in is rebounded by one or the other; after a basket the ball is the other team's, or stays, by
//! the rules. The rates are [`Assumed`] of both teams alike, so the shares describe the score and the ball, and
//! say nothing of who is better. A clock is not in it. Pure, and only of sums and quotients: every
//! machine has the same digits.
//!
//! `X` and `Y` of a score are the first team's share of wins with the ball at the first and at the second team.
//! Baskets lead to higher scores, whose shares are known by then; misses and turnovers lead from `X` to
//! `Y` and to `X` itself, which two linear equations solve. Where a game must be won by two, scores from
//! [target − win by] on repeat with their difference: those few are solved by repetition.

use crate::game::rules::{Assumed, Rules};

/// Repetitions for the scores that repeat: each brings them closer by at least the share of shots that
/// go in, so that these are beyond what a double can tell apart.
const SWEEPS: usize = 600;

/// Who has the ball.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ball {
    /// The first or the second team.
    Of(usize),
    /// Nobody knows: as likely one as the other.
    Either,
    /// This team missed: the rebound is not seen.
    Missed(usize),
}

/// The shares of one race.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Race {
    target: u32,
    win_by: u32,
    turnovers: f64,
    rebounds: f64,
    /// Points, share, share of those that go in.
    shots: Vec<(u32, f64, f64)>,
    keeps_ball: bool,
    /// By the first team's points and the second's, below the scores that repeat: `X` and `Y`.
    below: Vec<[f64; 2]>,
    /// By the difference, from −(win by − 1) on: those that repeat.
    repeating: Vec<[f64; 2]>,
    /// The most that one shot changes, over all scores and values.
    most_swing: f64,
}

impl Race {
    /// The race of these rules, or of their overtime; `None` where points do not end it.
    pub(super) fn of(rules: &Rules, overtime: bool) -> Option<Self> {
        let assumed = rules.model.as_ref()?;
        let (target, win_by) = match (overtime, rules.overtime_target) {
            (true, Some(target)) => (target, 1),
            (true, None) | (false, _) => (rules.target?, rules.win_by),
        };
        Some(Self::with(assumed, rules.keeps_ball, target, win_by))
    }

    fn with(assumed: &Assumed, keeps_ball: bool, target: u32, win_by: u32) -> Self {
        let share = |of_thousand: u32| f64::from(of_thousand) / 1000.0;
        let shots = assumed.shots.iter();
        let shots = shots.map(|rate| (u32::from(rate.points), share(rate.share), share(rate.made)));
        let win_by = win_by.clamp(1, target.max(1));
        let side = usize::try_from(target).unwrap_or(0);
        let differences = usize::try_from(2 * win_by - 1).unwrap_or(1);
        let mut race = Self {
            target,
            win_by,
            turnovers: share(assumed.turnovers),
            rebounds: share(assumed.rebounds),
            shots: shots.collect(),
            keeps_ball,
            below: vec![[0.5; 2]; side * side],
            repeating: vec![[0.5; 2]; differences],
            most_swing: 0.0,
        };
        race.solve_repeating();
        race.solve_below();
        race.most_swing = race.largest();
        race
    }

    /// The first team's share of wins at a score.
    pub(super) fn share(&self, points: [u32; 2], ball: Ball) -> f64 {
        let [x, y] = self.at(points);
        match ball {
            Ball::Of(0) => x,
            Ball::Of(_) => y,
            Ball::Either => f64::midpoint(x, y),
            Ball::Missed(0) => self.rebounds * x + (1.0 - self.rebounds) * y,
            Ball::Missed(_) => self.rebounds * y + (1.0 - self.rebounds) * x,
        }
    }

    /// A team's share of wins if its shot of so many points goes in, and if it does not.
    pub(super) fn next(&self, points: [u32; 2], team: usize, worth: u32) -> (f64, f64) {
        let of_team = |share: f64| if team == 0 { share } else { 1.0 - share };
        let mut made = points;
        if let Some(points) = made.get_mut(team) {
            *points += worth;
        }
        (
            of_team(self.share(made, self.after_basket(team))),
            of_team(self.share(points, Ball::Missed(team))),
        )
    }

    /// Who has the ball after a basket.
    pub(super) const fn after_basket(&self, team: usize) -> Ball {
        if self.keeps_ball { Ball::Of(team) } else { Ball::Of(1 - team) }
    }

    /// The most that one shot changes in these rules.
    pub(super) const fn most_swing(&self) -> f64 {
        self.most_swing
    }

    /// Who has won at a score.
    pub(super) const fn winner(target: u32, win_by: u32, points: [u32; 2]) -> Option<usize> {
        let [first, second] = points;
        if first >= target && first >= second.saturating_add(win_by) {
            Some(0)
        } else if second >= target && second >= first.saturating_add(win_by) {
            Some(1)
        } else {
            None
        }
    }

    fn at(&self, points: [u32; 2]) -> [f64; 2] {
        match Self::winner(self.target, self.win_by, points) {
            Some(0) => return [1.0; 2],
            Some(_) => return [0.0; 2],
            None => {}
        }
        let index = match self.index(points) {
            Place::Below(index) => self.below.get(index),
            Place::Repeating(index) => self.repeating.get(index),
        };
        index.copied().unwrap_or([0.5; 2])
    }

    fn index(&self, [first, second]: [u32; 2]) -> Place {
        let index = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        if first.min(second) >= self.target - self.win_by {
            Place::Repeating(index((first + self.win_by - 1).saturating_sub(second)))
        } else {
            Place::Below(index(first) * index(self.target) + index(second))
        }
    }

    /// What a basket of the team with the ball leads to, by shot: chance and the first team's share.
    fn baskets(&self, points: [u32; 2], team: usize) -> f64 {
        let shares = self.shots.iter().map(|(worth, share, made)| {
            let mut after = points;
            if let Some(points) = after.get_mut(team) {
                *points += worth;
            }
            share * made * self.share(after, self.after_basket(team))
        });
        (1.0 - self.turnovers) * shares.sum::<f64>()
    }

    /// `X` and `Y`, where all that baskets lead to is known.
    fn solved(&self, points: [u32; 2]) -> [f64; 2] {
        let misses = self.shots.iter().map(|(_, share, made)| share * (1.0 - made)).sum::<f64>();
        // The ball goes to the other team without a basket, or comes back.
        let lost = self.turnovers + (1.0 - self.turnovers) * misses * (1.0 - self.rebounds);
        let kept = (1.0 - self.turnovers) * misses * self.rebounds;
        let (first, second) = (self.baskets(points, 0), self.baskets(points, 1));
        // X = first + lost Y + kept X, Y = second + lost X + kept Y.
        let own = 1.0 - kept;
        let determinant = own * own - lost * lost;
        [(own * first + lost * second) / determinant, (own * second + lost * first) / determinant]
    }

    fn solve_repeating(&mut self) {
        let base = self.target - self.win_by;
        for _ in 0..SWEEPS {
            for index in 0..self.repeating.len() {
                // The least score of this difference that repeats for all differences.
                let over = u32::try_from(index).unwrap_or(0);
                let solved = self.solved([base + over, base + self.win_by - 1]);
                if let Some(place) = self.repeating.get_mut(index) {
                    *place = solved;
                }
            }
        }
    }

    fn solve_below(&mut self) {
        let target = self.target;
        for sum in (0..2 * target).rev() {
            for first in sum.saturating_sub(target - 1)..target.min(sum + 1) {
                let points = [first, sum - first];
                if let Place::Below(index) = self.index(points) {
                    let solved = self.solved(points);
                    if let Some(place) = self.below.get_mut(index) {
                        *place = solved;
                    }
                }
            }
        }
    }

    fn largest(&self) -> f64 {
        let mut largest = 0.0_f64;
        for first in 0..self.target {
            for second in 0..self.target {
                for (worth, ..) in &self.shots {
                    let (made, missed) = self.next([first, second], 0, *worth);
                    largest = largest.max(made - missed);
                }
            }
        }
        largest
    }
}

/// Where the shares of a score stand.
enum Place {
    Below(usize),
    Repeating(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn race(name: &str) -> Race {
        Race::of(&Rules::named(name).expect("known"), false).expect("points end it")
    }

    const RACES: [&str; 5] = ["fiba-3x3", "big3", "pickup-11", "pickup-15", "pickup-21"];

    #[test]
    fn both_teams_alike_have_alike_shares() {
        for name in RACES {
            let race = race(name);
            for (first, second) in [(0, 0), (3, 7), (9, 9), (10, 8), (10, 10), (1, 9)] {
                for (ball, mirrored) in [
                    (Ball::Of(0), Ball::Of(1)),
                    (Ball::Either, Ball::Either),
                    (Ball::Missed(0), Ball::Missed(1)),
                ] {
                    let one = race.share([first, second], ball);
                    let other = race.share([second, first], mirrored);
                    assert!((one + other - 1.0).abs() < 1e-12, "{name} {first}:{second}");
                }
            }
        }
    }

    #[test]
    fn a_share_is_the_mean_of_what_may_come_next() {
        // The martingale: what a possession leads to, weighted by how likely that is, is what there was.
        for name in RACES {
            let race = race(name);
            let target = race.target;
            for first in 0..target {
                for second in 0..target {
                    for team in [0, 1] {
                        let points = [first, second];
                        let now = race.share(points, Ball::Of(team));
                        let now = if team == 0 { now } else { 1.0 - now };
                        let mut mean = 0.0;
                        for (worth, share, made) in &race.shots {
                            let (goes_in, does_not) = race.next(points, team, *worth);
                            mean += share * (made * goes_in + (1.0 - made) * does_not);
                        }
                        let lost = race.share(points, Ball::Of(1 - team));
                        let lost = if team == 0 { lost } else { 1.0 - lost };
                        let mean = race.turnovers * lost + (1.0 - race.turnovers) * mean;
                        assert!((now - mean).abs() < 1e-9, "{name} {points:?}: {now} {mean}");
                    }
                }
            }
        }
    }

    #[test]
    fn scores_that_must_be_won_by_two_repeat() {
        let race = race("pickup-11");
        for (one, other) in [([10, 10], [14, 14]), ([11, 10], [31, 30]), ([9, 10], [19, 20])] {
            for ball in [Ball::Of(0), Ball::Of(1), Ball::Either] {
                assert_eq!(race.share(one, ball), race.share(other, ball), "{one:?} {other:?}");
            }
        }
        assert_eq!(race.share([11, 9], Ball::Either), 1.0);
        assert_eq!(race.share([11, 10], Ball::Either), race.share([11, 10], Ball::Either));
        assert!(race.share([11, 10], Ball::Of(1)) < 1.0, "not won yet");
        assert_eq!(race.share([14, 16], Ball::Of(0)), 0.0);
    }

    #[test]
    fn a_race_to_one_is_what_a_hand_works_out() {
        // To one, by one, with ones alone: X = p + (1 − p) Y, Y = (1 − p) X without rebounds, turnovers.
        let assumed = Assumed {
            turnovers: 0,
            rebounds: 0,
            shots: vec![crate::game::rules::ShotRate { points: 1, share: 1000, made: 500 }],
        };
        let race = Race::with(&assumed, false, 1, 1);
        assert!((race.share([0, 0], Ball::Of(0)) - 2.0 / 3.0).abs() < 1e-15);
        assert!((race.share([0, 0], Ball::Of(1)) - 1.0 / 3.0).abs() < 1e-15);
        let (made, missed) = race.next([0, 0], 0, 1);
        assert_eq!(made, 1.0);
        assert!((missed - 1.0 / 3.0).abs() < 1e-15);
        assert!((race.most_swing() - 2.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn more_points_and_the_ball_are_never_worse() {
        for name in RACES {
            let race = race(name);
            for first in 0..race.target - 1 {
                for second in 0..race.target {
                    let here = race.share([first, second], Ball::Either);
                    assert!(race.share([first + 1, second], Ball::Either) >= here, "{name}");
                    let has = race.share([first, second], Ball::Of(0));
                    assert!(has >= race.share([first, second], Ball::Of(1)), "{name}");
                }
            }
            assert!(race.most_swing() > 0.2 && race.most_swing() <= 1.0, "{name}");
        }
    }
}
