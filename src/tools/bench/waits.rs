//! How long pictures waited for the model that looks at each, read out of the daemon's own histogram.
//!
//! The wait is from the picture out of the decoder to the batch in which it is looked at: what the engine is
//! busy with the batch before. Nothing is gathered by waiting, so it has no other part.

use std::fmt;

use serde::Serialize;

/// The wait that is allowed, seconds (99 of 100 pictures).
const BOUND: f64 = 0.002;
/// What the daemon calls it.
const METRIC: &str = "courtside_queue_seconds_bucket{";

/// How many waited at most so long, cumulative: by the bounds of the histogram's buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Waits(Vec<(f64, u64)>);

/// What is told of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Waited {
    pub(crate) pictures: u64,
    /// Of 100, those that waited at most [`BOUND`].
    pub(crate) percent_within_2_ms: f64,
    /// 99 of 100 waited at most so long, ms: the bound of a bucket; none where they waited longer than all.
    pub(crate) p99_at_most_ms: Option<f64>,
}

impl Waits {
    /// Those of all models in `text`, which is Prometheus's.
    pub(crate) fn of(text: &str) -> Self {
        let mut found: Vec<(f64, u64)> = Vec::new();
        for line in text.lines() {
            let Some((labels, count)) = line
                .strip_prefix(METRIC)
                .and_then(|rest| rest.rsplit_once("} "))
                .filter(|(labels, _)| labels.contains("hop=\"model:"))
            else {
                continue;
            };
            let bound = labels.split("le=\"").nth(1).and_then(|rest| rest.split('"').next());
            let bound = match bound {
                Some("+Inf") => Some(f64::INFINITY),
                Some(bound) => bound.parse().ok(),
                None => None,
            };
            let (Some(bound), Ok(count)) = (bound, count.trim().parse::<u64>()) else { continue };
            match found.iter_mut().find(|(known, _)| known.total_cmp(&bound).is_eq()) {
                Some((_, all)) => *all += count,
                None => found.push((bound, count)),
            }
        }
        found.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        Self(found)
    }

    /// What came since `before`.
    pub(crate) fn since(&self, before: &Self) -> Waited {
        let then = |bound: f64| {
            let known = before.0.iter().find(|(known, _)| known.total_cmp(&bound).is_eq());
            known.map_or(0, |(_, count)| *count)
        };
        let new: Vec<(f64, u64)> = self
            .0
            .iter()
            .map(|(bound, count)| (*bound, count.saturating_sub(then(*bound))))
            .collect();
        let pictures = new.last().map_or(0, |(_, count)| *count);
        let within = new.iter().rev().find(|(bound, _)| *bound <= BOUND).map_or(0, |(_, n)| *n);
        let p99 = new.iter().find(|(_, count)| 100 * count >= 99 * pictures);
        #[expect(clippy::cast_precision_loss, reason = "pictures, as a share")]
        let percent = 100.0 * within as f64 / pictures.max(1) as f64;
        Waited {
            pictures,
            percent_within_2_ms: percent,
            p99_at_most_ms: p99.map(|(bound, _)| bound * 1e3).filter(|ms| ms.is_finite()),
        }
    }
}

impl fmt::Display for Waited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pictures, percent_within_2_ms: percent, p99_at_most_ms: p99 } = self;
        write!(f, "{percent:.2} % of {pictures} within 2 ms, 99 % ")?;
        match p99 {
            Some(ms) => write!(f, "within {ms} ms"),
            None => write!(f, "longer than is measured"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Metrics, Reading};
    use crate::mailbox::Ledger;

    /// By the daemon's own words, so that a metric of another name or other buckets is noticed here.
    #[test]
    fn what_waited_since_then_is_read_out_of_the_daemons_own_words() {
        let metrics = Metrics::new(&Ledger::new());
        let waits = || Waits::of(&metrics.encode(&Reading::default()));
        assert_eq!(waits().since(&Waits::default()).pictures, 0, "nobody waited");
        let hop = |name: &str| crate::health::HopLabel { hop: name.to_owned() };
        let wait = |name: &str, ms: f64, times: u32| {
            let histogram = metrics.queue_seconds.get_or_create(&hop(name)).clone();
            (0..times).for_each(|_| histogram.observe(ms / 1e3));
        };
        wait("model:rimnet", 900.0, 50);
        let before = waits();
        wait("model:rimnet", 0.3, 985);
        wait("model:ballnet", 1.9, 5);
        wait("model:rimnet", 4.0, 10);
        wait("finder", 900.0, 500);
        let waited = waits().since(&before);
        assert_eq!((waited.pictures, waited.p99_at_most_ms), (1000, Some(2.0)), "{waited}");
        assert!((waited.percent_within_2_ms - 99.0).abs() < 1e-9, "{waited}");
        assert_eq!(waited.to_string(), "99.00 % of 1000 within 2 ms, 99 % within 2 ms");
        wait("model:rimnet", 1e6, 500);
        assert_eq!(waits().since(&before).p99_at_most_ms, None);
    }
}
