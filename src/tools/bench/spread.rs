//! How measurements spread: percentiles of durations (pure).

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Percentiles of a set of durations, ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) n: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Spread {
    /// Of `durations`; zeros when there is none.
    pub(crate) fn of(durations: impl IntoIterator<Item = Duration>) -> Self {
        let mut ms: Vec<f64> =
            durations.into_iter().map(|duration| duration.as_secs_f64() * 1e3).collect();
        ms.sort_by(f64::total_cmp);
        Self {
            n: ms.len(),
            p50_ms: rank(&ms, 50),
            p95_ms: rank(&ms, 95),
            p99_ms: rank(&ms, 99),
            max_ms: ms.last().copied().unwrap_or(0.0),
        }
    }

    /// The median of each percentile over several runs.
    #[cfg_attr(not(feature = "gstreamer"), expect(dead_code, reason = "asked by benches of video"))]
    pub(crate) fn median(runs: &[Self]) -> Self {
        let middle = |of: fn(&Self) -> f64| {
            let mut values: Vec<f64> = runs.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            rank(&values, 50)
        };
        Self {
            n: runs.iter().map(|run| run.n).sum(),
            p50_ms: middle(|run| run.p50_ms),
            p95_ms: middle(|run| run.p95_ms),
            p99_ms: middle(|run| run.p99_ms),
            max_ms: middle(|run| run.max_ms),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { n, p50_ms, p95_ms, p99_ms, max_ms } = self;
        write!(f, "{p50_ms:8.1} {p95_ms:8.1} {p99_ms:8.1} {max_ms:8.1}   n {n}")
    }
}

/// The smallest value that `percent` of all are not above (nearest rank).
fn rank(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let spread = Spread::of((1..=200).rev().map(Duration::from_millis));
        let expected =
            Spread { n: 200, p50_ms: 100.0, p95_ms: 190.0, p99_ms: 198.0, max_ms: 200.0 };
        assert_eq!(spread, expected);
        assert_eq!(Spread::of([]), Spread::default());
        let one = Spread::of([Duration::from_millis(7)]);
        assert_eq!((one.p50_ms, one.p99_ms), (7.0, 7.0));
    }

    #[test]
    fn the_median_of_runs_is_taken_percentile_by_percentile() {
        let runs = [3, 1, 100].map(|ms| Spread::of([Duration::from_millis(ms)]));
        assert_eq!(Spread::median(&runs).p99_ms, 3.0);
        assert_eq!(Spread::median(&runs).n, 3);
    }
}
