//! A map of where the ball may be → balls, by the ring (pure).
//!
//! The network gives two maps of the crop, a logit a cell: that the ball's middle lies there, and that a
//! ball which lies there is inside ring and net, not before or behind them.

use crate::detect::rim::manifest::{BALL_MAPS, BallTable};
use crate::detect::task::AnswerError;
use crate::media::RimBox;

/// Balls of one picture that the rule is told of (chosen: one, and what is taken for one).
const MOST: usize = 4;
/// A ball that is followed may be so much less probable than one that comes (chosen).
const FOLLOWS: f32 = 0.5;
/// Logits beyond this are no network's opinion but a broken one.
const MAX_LOGIT: f32 = 1e4;

/// A ball in one picture. Lengths are in widths of the ring, from the middle of its ellipse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spot {
    /// To the right.
    pub(crate) across: f32,
    /// Downwards: negative above the ring.
    pub(crate) below: f32,
    /// 0..1: that a ball is there.
    pub(crate) score: f32,
    /// Log-odds that it is inside ring and net.
    pub(crate) inside: f32,
}

/// Balls in what the network said of one crop around `rim`, best first.
///
/// A ball is the largest logit of its 3 × 3 cells; its place is their mean, each by its probability.
///
/// # Errors
/// [`AnswerError`]: what is no number or out of range, or that there are too many or few.
pub(crate) fn spots(
    maps: &[f32],
    table: &BallTable,
    rim: RimBox,
) -> Result<Vec<Spot>, AnswerError> {
    let cells = table.cells;
    check(maps, cells)?;
    let (ball, inside) = maps.split_at(cells * cells);
    let at = |map: &[f32], row: usize, column: usize| {
        map.get(row * cells + column).copied().unwrap_or_default()
    };
    let least = FOLLOWS * table.least;
    let floor = (least / (1.0 - least)).ln();
    let mut tops: Vec<(f32, usize, usize)> = Vec::new();
    for row in 0..cells {
        for column in 0..cells {
            let logit = at(ball, row, column);
            let rises = around(row, column, cells)
                .any(|(r, c)| (at(ball, r, c), (row, column)) > (logit, (r, c)));
            if logit > floor && !rises {
                tops.push((logit, row, column));
            }
        }
    }
    // Stable: of equals, the upper one first.
    tops.sort_by(|a, b| b.0.total_cmp(&a.0));
    tops.truncate(MOST);
    let cell = table.rings / float(cells);
    let ring_below_top = table.above + rim.h / rim.w / 2.0;
    let spot = |(logit, row, column): (f32, usize, usize)| {
        let (mut weight, mut across, mut down, mut in_net) = (0.0_f32, 0.0, 0.0, 0.0);
        for (r, c) in around(row, column, cells) {
            let by = probability(at(ball, r, c));
            weight += by;
            across += by * (float(c) + 0.5);
            down += by * (float(r) + 0.5);
            in_net += by * at(inside, r, c);
        }
        Spot {
            across: across / weight * cell - table.rings / 2.0,
            below: down / weight * cell - ring_below_top,
            score: probability(logit),
            inside: in_net / weight,
        }
    };
    Ok(tops.into_iter().map(spot).collect())
}

/// A cell and those that touch it.
fn around(row: usize, column: usize, cells: usize) -> impl Iterator<Item = (usize, usize)> {
    let near = move |at: usize| at.saturating_sub(1)..cells.min(at + 2);
    near(row).flat_map(move |r| near(column).map(move |c| (r, c)))
}

/// True numbers in both maps: a network that has none on a grey picture is broken.
///
/// # Errors
/// [`AnswerError`]: what is no number or out of range, or that there are too many or few.
pub(crate) fn check(maps: &[f32], cells: usize) -> Result<(), AnswerError> {
    let wanted = BALL_MAPS * cells * cells;
    if maps.len() != wanted {
        return Err(AnswerError::Count { count: maps.len(), wanted });
    }
    for (index, value) in maps.iter().copied().enumerate() {
        if value.is_nan() {
            return Err(AnswerError::NotANumber { index });
        }
        if value.abs() > MAX_LOGIT {
            return Err(AnswerError::OutOfRange { index, value });
        }
    }
    Ok(())
}

fn probability(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

#[expect(clippy::cast_precision_loss, reason = "cells of a crop")]
const fn float(count: usize) -> f32 {
    count as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: BallTable =
        BallTable { cells: 20, rings: 4.0, above: 1.5, least: 0.35, through: 0.0, trust: 1.0 };
    const RIM: RimBox = RimBox { x: 30.0, y: 30.0, w: 20.0, h: 8.0 };

    /// Maps with a hill at (row, column), in cells, and `inside` everywhere.
    fn hill(row: f32, column: f32, inside: f32) -> Vec<f32> {
        let mut maps = vec![-9.0; 800];
        for (at, value) in maps.iter_mut().enumerate().take(400) {
            let (r, c) = (float(at / 20) + 0.5 - row, float(at % 20) + 0.5 - column);
            *value = 3.0 - 4.0 * (r * r + c * c);
        }
        maps[400..].fill(inside);
        maps
    }

    proptest! {
        /// A hill anywhere is one ball at that place, to a tenth of a cell's width of the ring.
        #[test]
        fn a_ball_is_where_its_hill_is(row in 1.0f32..19.0, column in 1.0f32..19.0, inside in -5.0f32..5.0) {
            let found = spots(&hill(row, column, inside), &TABLE, RIM).expect("numbers");
            prop_assert_eq!(found.len(), 1);
            let (across, below) = (column * 0.2 - 2.0, row * 0.2 - 1.5 - 0.2);
            prop_assert!((found[0].across - across).abs() < 0.05, "{found:?} {across}");
            prop_assert!((found[0].below - below).abs() < 0.05, "{found:?} {below}");
            prop_assert!((found[0].inside - inside).abs() < 1e-3);
        }

        /// Whatever numbers there are, balls are few, in the crop, best first.
        #[test]
        fn balls_are_few_and_in_the_crop(maps in proptest::collection::vec(-20.0f32..20.0, 800)) {
            let found = spots(&maps, &TABLE, RIM).expect("numbers");
            prop_assert!(found.len() <= MOST);
            prop_assert!(found.windows(2).all(|two| two[0].score >= two[1].score));
            for spot in found {
                prop_assert!(spot.across.abs() <= 2.0 && (-1.71..=2.31).contains(&spot.below), "{spot:?}");
                prop_assert!((0.17..=1.0).contains(&spot.score));
            }
        }
    }

    #[test]
    fn a_level_map_is_one_ball_at_most_and_none_where_nothing_is() {
        let level = vec![2.0; 800];
        assert_eq!(spots(&level, &TABLE, RIM).expect("numbers").len(), 1);
        assert_eq!(spots(&vec![-2.0; 800], &TABLE, RIM), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_number_is_an_error() {
        let with = |at: usize, value: f32| {
            let mut maps = vec![0.0; 800];
            maps[at] = value;
            spots(&maps, &TABLE, RIM).expect_err("broken")
        };
        assert_eq!(with(799, f32::NAN), AnswerError::NotANumber { index: 799 });
        let infinite = AnswerError::OutOfRange { index: 0, value: f32::INFINITY };
        assert_eq!(with(0, f32::INFINITY), infinite);
        let few = spots(&[0.0; 4], &TABLE, RIM).expect_err("few");
        assert_eq!(few, AnswerError::Count { count: 4, wanted: 800 });
    }
}
