//! Shares of wins in a game that a clock ends: in closed form, from the margin and from how much is left to play.
//!
//! The model is that of H. S. Stern, "A Brownian Motion Model for the Progress of Sports Scores" (Journal of the
//! American Statistical Association 89, 1994, 1128–1134), for teams that are alike: what is still scored by the one
//! more than by the other is normal, of mean 0, and its spread grows with the root of what is left. His spread of a
//! whole NBA game is 15.8 points.
//!
//! The box does not see the clock. What is left is told by the shots: a period has so many in the mean, and from
//! those that were seen of it follows how many are to come, as long as nobody has tapped the next one. A timeout
//! moves that clock no more than the referee's. Points are whole: a drawn end is half a win. Pure, and only of sums,
//! quotients and roots: every machine has the same digits.

use crate::game::rules::Rules;
use crate::game::sheet::tally::Tally;

/// √(2π).
const ROOT_OF_TWO_PI: f64 = 2.506_628_274_631_000_5;
/// Beyond so many spreads nothing is told apart from certain.
const CERTAIN: f64 = 8.0;
/// From so many spreads on the continued fraction is exact to the digits of a double, with so many of its terms.
const FAR: f64 = 2.5;
const FRACTIONS: u32 = 60;
/// While a period runs, a shot is to come (chosen: the operator's tap ends it, not the count).
const LEAST_LEFT: f64 = 1.0;

/// What the rules say of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Timed {
    periods: u16,
    /// Shots of a period in the mean, and their spread.
    shots: f64,
    spread: f64,
    /// An overtime's length, in periods.
    overtime: f64,
    /// Spread of the margin of a whole game, in points.
    margin: f64,
}

impl Timed {
    /// `None` where no clock ends the game, or nothing is said of it.
    pub(super) fn of(rules: &Rules) -> Option<Self> {
        let clock = rules.clock.filter(|_| rules.target.is_none())?;
        let minutes = rules.period_minutes?;
        let overtime = rules.overtime_minutes.unwrap_or(minutes);
        Some(Self {
            periods: rules.periods,
            shots: f64::from(clock.shots),
            spread: f64::from(clock.spread),
            overtime: f64::from(overtime) / f64::from(minutes),
            margin: f64::from(clock.margin) / 10.0,
        })
    }

    /// The first team's share of wins, as the game stands in a period.
    pub(super) fn share(&self, tally: &Tally, period: u16) -> f64 {
        self.at(tally.margin(), period, tally.shots_in(period))
    }

    /// A team's share of wins if its next shot of so many points goes in, and if it does not.
    pub(super) fn next(
        &self,
        tally: &Tally,
        period: u16,
        (side, worth): (usize, u32),
    ) -> (f64, f64) {
        let (margin, seen) = (tally.margin(), tally.shots_in(period) + 1);
        let gain = if side == 0 { i64::from(worth) } else { -i64::from(worth) };
        let own = |share: f64| if side == 0 { share } else { 1.0 - share };
        (own(self.at(margin + gain, period, seen)), own(self.at(margin, period, seen)))
    }

    /// The share at a margin, after so many shots of a period.
    fn at(&self, margin: i64, period: u16, seen: u32) -> f64 {
        let whole = f64::from(self.periods) * self.shots;
        let spread = self.margin * (self.left(period, seen) / whole).sqrt();
        let margin = f64::from(i32::try_from(margin).unwrap_or(i32::MAX));
        f64::midpoint(normal((margin - 0.5) / spread), normal((margin + 0.5) / spread))
    }

    /// Shots that are to come, in the mean.
    fn left(&self, period: u16, seen: u32) -> f64 {
        if period > self.periods {
            let (shots, spread) = (self.shots * self.overtime, self.spread * self.overtime.sqrt());
            return still_to_come(shots, spread, seen);
        }
        let later = f64::from(self.periods - period.max(1)) * self.shots;
        still_to_come(self.shots, self.spread, seen) + later
    }
}

/// Of a number that is normal, and larger than what was seen: by how much, in the mean.
fn still_to_come(mean: f64, spread: f64, seen: u32) -> f64 {
    let over = (f64::from(seen) - mean) / spread;
    let hazard = if over > FAR {
        // Laplace's continued fraction, x + 1/(x + 2/(x + 3/…)): where little is beyond, its difference to 1 is lost.
        (1..=FRACTIONS).rev().fold(over, |tail, n| over + f64::from(n) / tail)
    } else {
        density(over) / (1.0 - normal(over))
    };
    (spread * (hazard - over)).max(LEAST_LEFT)
}

/// The density of the normal distribution.
fn density(x: f64) -> f64 {
    // 1 / e^y by its series: all terms are positive, so nothing is lost.
    let y = x * x / 2.0;
    let (mut term, mut sum, mut n) = (1.0, 1.0, 0.0);
    while term > sum * f64::EPSILON / 16.0 {
        n += 1.0;
        term *= y / n;
        sum += term;
    }
    1.0 / (sum * ROOT_OF_TWO_PI)
}

/// The normal distribution (Marsaglia, "Evaluating the Normal Distribution", Journal of Statistical Software 11,
/// 2004: ½ + φ(x) (x + x³/3 + x⁵/(3·5) + …)).
fn normal(x: f64) -> f64 {
    if x.abs() > CERTAIN {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut term, mut sum, mut n) = (x, x, 1.0);
    while term.abs() > sum.abs() * f64::EPSILON / 16.0 {
        n += 2.0;
        term *= x * x / n;
        sum += term;
    }
    density(x).mul_add(sum, 0.5).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(rules: &str) -> Timed {
        Timed::of(&Rules::named(rules).expect("known")).expect("a clock ends it")
    }

    #[test]
    fn the_normal_distribution_is_that_of_the_tables() {
        // Abramowitz and Stegun, table 26.1.
        for (x, share) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_543),
            (1.96, 0.975_002_104_851_780),
            (3.0, 0.998_650_101_968_370),
            (5.0, 0.999_999_713_348_428),
        ] {
            assert!((normal(x) - share).abs() < 1e-13, "{x}: {}", normal(x));
            assert!((normal(-x) - (1.0 - share)).abs() < 1e-13, "-{x}");
        }
        assert!((density(1.0) - 0.241_970_724_519_143).abs() < 1e-14);
    }

    #[test]
    fn a_lead_is_worth_more_the_less_is_left_and_alike_for_both() {
        let timed = timed("nba-5x5");
        let shares = [(1, 10), (2, 30), (4, 10), (4, 50), (4, 58), (4, 75)]
            .map(|(period, seen)| timed.at(6, period, seen));
        assert!(shares.is_sorted() && shares[0] > 0.6 && shares[5] > 0.99, "{shares:?}");
        for margin in 0..40 {
            let (one, other) = (timed.at(margin, 3, 20), timed.at(-margin, 3, 20));
            assert!((one + other - 1.0).abs() < 1e-12, "{margin}");
            assert!(timed.at(margin + 1, 3, 20) > one, "{margin}");
        }
        // Stern's own: 15.8 points at the beginning are one spread of the whole game.
        assert!((timed.at(16, 1, 0) - 0.84).abs() < 0.01, "{}", timed.at(16, 1, 0));
        assert!((timed.at(0, 5, 3) - 0.5).abs() < 1e-12);
        assert!(timed.at(5, 5, 15) > timed.at(5, 4, 30), "an overtime is short");
    }

    #[test]
    fn what_is_to_come_of_a_period_is_the_mean_of_what_is_larger_than_what_was_seen() {
        assert!((still_to_come(59.0, 5.0, 0) - 59.0).abs() < 1e-6);
        // Half of a bell: its mean is √(2/π) spreads off.
        assert!((still_to_come(59.0, 5.0, 59) - 5.0 * 0.797_884_560_8).abs() < 1e-6);
        let mut before = f64::INFINITY;
        for seen in 0..120 {
            let left = still_to_come(59.0, 5.0, seen);
            assert!(left <= before && left >= LEAST_LEFT, "{seen}: {left} after {before}");
            before = left;
        }
    }

    #[test]
    fn rules_that_points_end_have_their_race_instead() {
        for rules in ["fiba-3x3", "big3", "pickup-21", "none"] {
            assert_eq!(Timed::of(&Rules::named(rules).expect("known")), None, "{rules}");
        }
    }
}
