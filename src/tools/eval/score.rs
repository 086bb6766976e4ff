//! Calls against truth. Pure.

use std::collections::BTreeMap;

use crate::event::{Event, FactId, Saying};
use crate::tools::eval::truth::Attempt;

/// How far a call may be from its attempt, s.
const TOLERANCE: f64 = 1.0;

/// The last word about one shot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Call {
    /// When the ball reached the ring, s.
    pub(crate) t: f64,
    /// When it was decided, s.
    pub(crate) decided: f64,
    /// `None`: the model abstained.
    pub(crate) made: Option<bool>,
}

/// Returns the highest revision of every shot that was not withdrawn, in order of time.
pub(crate) fn calls(events: &[Event]) -> Vec<Call> {
    let mut last: BTreeMap<FactId, &Event> = BTreeMap::new();
    for event in events {
        let slot = last.entry(event.fact).or_insert(event);
        if event.revision >= slot.revision {
            *slot = event;
        }
    }
    let mut calls: Vec<Call> = last
        .values()
        .filter_map(|event| {
            let (shot, made) = match &event.saying {
                Saying::ShotMade(shot) => (shot, Some(true)),
                Saying::ShotMissed(shot) => (shot, Some(false)),
                Saying::ShotUnsure(shot) => (shot, None),
                Saying::ShotWithdrawn(_)
                | Saying::Score(_)
                | Saying::Highlight(_)
                | Saying::HighlightWithdrawn(_) => return None,
            };
            Some(Call { t: shot.t_stream, decided: shot.t_decided, made })
        })
        .collect();
    calls.sort_by(|a, b| a.t.total_cmp(&b.t));
    calls
}

/// What a court, or several, came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Score {
    pub(crate) videos: usize,
    /// Attempts that are not doubtful.
    pub(crate) attempts: usize,
    /// Of them, with a call within a second.
    pub(crate) found: usize,
    /// Of them, called as it was.
    pub(crate) right: usize,
    /// Of them, called the other way; by what it was.
    pub(crate) made_called_missed: usize,
    pub(crate) missed_called_made: usize,
    /// Calls that belong to no attempt.
    pub(crate) false_events: usize,
    /// Stream time of continuous videos, s; and false events in it.
    pub(crate) stream_seconds: f64,
    pub(crate) stream_false_events: usize,
    /// From the truth to the final, s.
    pub(crate) delays: Vec<f64>,
}

/// What one attempt, or one call of none, came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    Right,
    /// Called the other way.
    Wrong(Attempt),
    Unsure(Attempt),
    Missing(Attempt),
    /// No attempt there, at this time.
    False(f64),
}

/// Holds `calls` against `truth`: a call belongs to the nearest free attempt within a second.
pub(crate) fn judge(truth: &[Attempt], calls: &[Call]) -> (Score, Vec<Verdict>) {
    let mut score = Score { videos: 1, ..Score::default() };
    let mut verdicts = Vec::new();
    let mut free: Vec<Call> = calls.to_vec();
    for attempt in truth {
        let near = |call: &Call| (call.t - attempt.t_rim).abs();
        let hit = (0..free.len())
            .filter(|index| free.get(*index).is_some_and(|call| near(call) <= TOLERANCE))
            .min_by(|a, b| match (free.get(*a), free.get(*b)) {
                (Some(a), Some(b)) => near(a).total_cmp(&near(b)),
                _ => std::cmp::Ordering::Equal,
            })
            .map(|index| free.remove(index));
        if attempt.doubtful {
            continue;
        }
        score.attempts += 1;
        let Some(call) = hit else {
            verdicts.push(Verdict::Missing(*attempt));
            continue;
        };
        score.found += 1;
        let Some(made) = call.made else {
            verdicts.push(Verdict::Unsure(*attempt));
            continue;
        };
        score.delays.push(call.decided - attempt.t_truth);
        if made == attempt.made {
            score.right += 1;
            verdicts.push(Verdict::Right);
        } else {
            if attempt.made {
                score.made_called_missed += 1;
            } else {
                score.missed_called_made += 1;
            }
            verdicts.push(Verdict::Wrong(*attempt));
        }
    }
    score.false_events = free.len();
    verdicts.extend(free.iter().map(|call| Verdict::False(call.t)));
    (score, verdicts)
}

impl Score {
    /// Adds another's counts.
    pub(crate) fn add(&mut self, other: &Self) {
        self.videos += other.videos;
        self.attempts += other.attempts;
        self.found += other.found;
        self.right += other.right;
        self.made_called_missed += other.made_called_missed;
        self.missed_called_made += other.missed_called_made;
        self.false_events += other.false_events;
        self.stream_seconds += other.stream_seconds;
        self.stream_false_events += other.stream_false_events;
        self.delays.extend(&other.delays);
    }

    /// Median delay of the finals, s.
    pub(crate) fn delay_p50(&self) -> Option<f64> {
        let mut sorted = self.delays.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }

    /// False events an hour of continuous video.
    pub(crate) fn false_per_hour(&self) -> Option<f64> {
        (self.stream_seconds > 0.0)
            .then(|| real(self.stream_false_events) * 3600.0 / self.stream_seconds)
    }
}

/// Returns the exact 95 % interval of a share of `k` in `n` (Clopper and Pearson 1934).
pub(crate) fn clopper_pearson(k: usize, n: usize) -> (f64, f64) {
    /// Half of what lies outside, on each side.
    const TAIL: f64 = 0.025;
    if n == 0 {
        return (0.0, 1.0);
    }
    let low = if k == 0 { 0.0 } else { bisect(|p| 1.0 - at_most(k - 1, n, p) < TAIL) };
    let high = if k >= n { 1.0 } else { bisect(|p| at_most(k, n, p) > TAIL) };
    (low, high)
}

/// The largest `p` for which `holds`, which holds below some p and not above.
fn bisect(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Probability of at most `k` in `n` at `p`; by logarithms, so that large `n` do not underflow.
fn at_most(k: usize, n: usize, p: f64) -> f64 {
    if p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return if k >= n { 1.0 } else { 0.0 };
    }
    let mut log = real(n) * (1.0 - p).ln();
    let mut sum = log.exp();
    for i in 1..=k {
        log += (real(n - i + 1) / real(i)).ln() + (p / (1.0 - p)).ln();
        sum += log.exp();
    }
    sum.min(1.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
pub(crate) fn real(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_tables() {
        // Rounded as published tables have them.
        for (k, n, low, high) in [
            (0, 10, 0.0, 0.308),
            (10, 10, 0.692, 1.0),
            (5, 10, 0.187, 0.813),
            (18, 19, 0.740, 0.999),
            (188, 222, 0.793, 0.892),
        ] {
            let (found_low, found_high) = clopper_pearson(k, n);
            assert!((found_low - low).abs() < 1e-3, "{k}/{n}: {found_low}");
            assert!((found_high - high).abs() < 1e-3, "{k}/{n}: {found_high}");
        }
    }

    #[test]
    fn each_call_belongs_to_the_nearest_free_attempt() {
        let attempt = |t_rim, made| Attempt { t_rim, t_truth: t_rim + 0.1, made, doubtful: false };
        let truth = [
            attempt(1.0, true),
            attempt(2.0, false),
            attempt(5.0, true),
            Attempt { doubtful: true, ..attempt(8.0, false) },
            attempt(20.0, true),
        ];
        let call = |t, made| Call { t, decided: t + 0.5, made };
        let calls = [
            call(1.1, Some(true)),
            call(1.9, Some(true)),
            call(5.2, None),
            call(8.1, Some(true)),
            call(12.0, Some(false)),
        ];
        let (score, verdicts) = judge(&truth, &calls);
        assert_eq!(
            verdicts,
            [
                Verdict::Right,
                Verdict::Wrong(truth[1]),
                Verdict::Unsure(truth[2]),
                Verdict::Missing(truth[4]),
                Verdict::False(12.0),
            ]
        );
        assert_eq!((score.attempts, score.found, score.right), (4, 3, 1));
        assert_eq!((score.missed_called_made, score.false_events), (1, 1));
        assert!((score.delay_p50().expect("delays") - 0.5).abs() < 1e-9);
    }
}
