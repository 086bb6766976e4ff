//! From a model's cells to rings (pure).

use crate::detect::ring::fitting::Fitting;
use crate::detect::ring::manifest::{FoundOutput, RingDecision, RingTable};
use crate::detect::ring::peak::Peak;
use crate::detect::task::AnswerError;
use crate::media::RimBox;

/// A ring that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ring {
    /// 0..1: how sure the model is.
    pub score: f32,
    /// The ring's visible ellipse, pixels of the picture.
    pub rim: RimBox,
}

/// Maps of the output ([`FoundOutput`]).
const MAPS: usize = 5;
/// Logarithms beyond this are no sizes: e⁴ units are wider than any picture.
const MAX_LOG: f32 = 4.0;
/// Two rings are at least so far apart, pixels of the input: a cell.
const LEAST_APART: f32 = 8.0;

/// A ring is at least so high, of its width. The shipped net answers "flat" wherever it is unsure,
/// and a level ring is only seen flatter from less than 16° below it. Chosen on footage (269
/// rings: mean overlap 0.58 without, 0.68 with it; `models/train/finder/README.md`).
const FLAT: f32 = 0.3;

/// Rings in what the network said of a picture that stands in its input as `fitting` says, best first.
///
/// # Errors
/// [`AnswerError::Count`]: it is no map of this model.
pub(crate) fn rings(
    found: &[f32],
    table: &RingTable,
    fitting: Fitting,
) -> Result<Vec<Ring>, AnswerError> {
    let cells = table.cells();
    check_count(found, cells)?;
    let peaks = peaks(found, cells, &table.found, &table.decision);
    let ring = |peak: &Peak| Ring { score: peak.score, rim: fitting.to_picture(peak) };
    Ok(peaks.iter().map(ring).collect())
}

/// True numbers in every cell: a network that has none on a grey picture is broken.
///
/// # Errors
/// [`AnswerError`]: what is no number, or that there are too many or few.
pub(crate) fn all_cells(found: &[f32], cells: (usize, usize)) -> Result<(), AnswerError> {
    check_count(found, cells)?;
    let broken = found.iter().position(|value| !value.is_finite());
    broken.map_or(Ok(()), |index| Err(AnswerError::NotANumber { index }))
}

fn check_count(found: &[f32], (rows, columns): (usize, usize)) -> Result<(), AnswerError> {
    let wanted = MAPS * rows * columns;
    if found.len() == wanted {
        return Ok(());
    }
    Err(AnswerError::Count { count: found.len(), wanted })
}

/// Rings in `found` (five maps of `rows` × `columns`), best first.
///
/// A peak is the largest logit of its 3 × 3 cells. Of two rings nearer than `decision.apart` of the
/// wider one's width the better stays. No ring is flatter than [`FLAT`]; its middle stays where it
/// is. Values that are no numbers are no rings.
#[must_use]
pub(crate) fn peaks(
    found: &[f32],
    (rows, columns): (usize, usize),
    output: &FoundOutput,
    decision: &RingDecision,
) -> Vec<Peak> {
    let area = rows * columns;
    let value = |map: usize, row: usize, column: usize| {
        found.get(map * area + row * columns + column).copied().unwrap_or(f32::NAN)
    };
    let floor = (decision.least / (1.0 - decision.least)).ln();
    let mut tops: Vec<(f32, usize, usize)> = Vec::new();
    for row in 0..rows {
        for column in 0..columns {
            let logit = value(0, row, column);
            let near = |row: usize, column: usize| {
                (row.saturating_sub(1)..rows.min(row + 2)).flat_map(move |r| {
                    (column.saturating_sub(1)..columns.min(column + 2)).map(move |c| (r, c))
                })
            };
            if logit > floor && !near(row, column).any(|(r, c)| value(0, r, c) > logit) {
                tops.push((logit, row, column));
            }
        }
    }
    // Stable: of equals, the upper one first.
    tops.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut kept: Vec<Peak> = Vec::new();
    for (logit, row, column) in tops {
        if kept.len() == decision.most {
            break;
        }
        let stride = float(output.stride);
        let size = |map| output.unit * value(map, row, column).clamp(-MAX_LOG, MAX_LOG).exp();
        let peak = Peak {
            score: 1.0 / (1.0 + (-logit).exp()),
            x: (float(column) + value(1, row, column)) * stride,
            y: (float(row) + value(2, row, column)) * stride,
            w: size(3),
            h: size(4),
        };
        let whole = [peak.x, peak.y, peak.w, peak.h].iter().all(|value| value.is_finite());
        let apart = |other: &Peak| {
            let far = (peak.x - other.x).abs().max((peak.y - other.y).abs());
            far >= LEAST_APART.max(decision.apart * peak.w.max(other.w))
        };
        if whole && kept.iter().all(apart) {
            kept.push(Peak { h: peak.h.max(FLAT * peak.w), ..peak });
        }
    }
    kept
}

#[expect(clippy::cast_precision_loss, reason = "cells of a picture")]
fn float(size: usize) -> f32 {
    size as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: usize = 45;
    const COLUMNS: usize = 80;

    fn output() -> FoundOutput {
        FoundOutput { name: "found".to_owned(), stride: 8, unit: 16.0 }
    }

    fn decision() -> RingDecision {
        RingDecision { least: 0.3, apart: 0.5, most: 16 }
    }

    fn map(cells: &[(usize, usize, [f32; 5])]) -> Vec<f32> {
        let area = ROWS * COLUMNS;
        let mut found = vec![0.0; 5 * area];
        found[..area].fill(-6.0);
        for (row, column, values) in cells {
            for (index, value) in values.iter().enumerate() {
                found[index * area + row * COLUMNS + column] = *value;
            }
        }
        found
    }

    fn rings(found: &[f32]) -> Vec<Peak> {
        peaks(found, (ROWS, COLUMNS), &output(), &decision())
    }

    #[test]
    fn a_cell_becomes_a_ring() {
        let found = map(&[(10, 20, [2.0, 0.25, 0.5, 0.0, -1.0])]);
        let ring = rings(&found)[0];
        assert!((ring.score - 0.880_797).abs() < 1e-5);
        assert_eq!((ring.x, ring.y, ring.w), (162.0, 84.0, 16.0));
        assert!((ring.h - 16.0 / std::f32::consts::E).abs() < 1e-4);
        assert_eq!(rings(&map(&[])), []);
    }

    #[test]
    fn the_better_of_two_near_ones_stays_and_far_ones_both() {
        // Width 64: centres nearer than 32 pixels are one ring.
        let wide = 4.0_f32.ln();
        let near =
            map(&[(10, 20, [1.0, 0.5, 0.5, wide, 0.0]), (10, 23, [3.0, 0.5, 0.5, wide, 0.0])]);
        let found = rings(&near);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].x, 188.0);
        let far =
            map(&[(10, 20, [1.0, 0.5, 0.5, wide, 0.0]), (10, 24, [3.0, 0.5, 0.5, wide, 0.0])]);
        assert_eq!(rings(&far).len(), 2);
    }

    #[test]
    fn a_ring_is_not_flatter_than_a_level_one_looks_and_keeps_its_middle() {
        // Four pixels high in 32.
        let flat = rings(&map(&[(10, 20, [2.0, 0.25, 0.5, 2.0_f32.ln(), 0.25_f32.ln()])]))[0];
        assert!((flat.w - 32.0).abs() < 1e-3 && (flat.h - 9.6).abs() < 1e-3, "{flat:?}");
        assert_eq!((flat.x, flat.y), (162.0, 84.0));
        let round = rings(&map(&[(10, 20, [2.0, 0.25, 0.5, 2.0_f32.ln(), 0.0])]))[0];
        assert!((round.h - 16.0).abs() < 1e-3, "{round:?}");
    }

    #[test]
    fn edges_are_looked_at_and_what_is_no_number_is_no_ring() {
        let corner = map(&[(0, 0, [1.0, 0.5, 0.5, 0.0, 0.0]), (44, 79, [2.0, 0.5, 0.5, 0.0, 0.0])]);
        assert_eq!(rings(&corner).len(), 2);
        let broken =
            map(&[(5, 5, [f32::NAN, 0.5, 0.5, 0.0, 0.0]), (9, 9, [1.0, f32::NAN, 0.5, 0.0, 0.0])]);
        assert_eq!(rings(&broken), []);
        assert_eq!(rings(&[]), []);
    }
}
