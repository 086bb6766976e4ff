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
    /// When it was first told, provisionally or finally, s.
    pub(crate) told: f64,
    /// When the last word was decided, s.
    pub(crate) decided: f64,
    /// `None`: the model abstained.
    pub(crate) made: Option<bool>,
    /// How sure of that it is, 0 to 1.
    pub(crate) confidence: f64,
}

impl Call {
    /// How likely it was made, as the model has it.
    fn p_made(&self) -> f64 {
        match self.made {
            Some(true) => self.confidence,
            Some(false) => 1.0 - self.confidence,
            None => 0.5,
        }
    }

    /// How far the mean log-odds are from even, which is what `unsure` of a bundle's `[decision]`
    /// is held against. Events round their confidence, so 9.2 is the most that comes back.
    fn odds(&self) -> f64 {
        const MOST: f64 = 0.9999;
        let sure = self.confidence.clamp(0.5, MOST);
        (sure / (1.0 - sure)).ln()
    }
}

/// Returns the highest revision of every shot that was not withdrawn, in order of time.
pub(crate) fn calls(events: &[Event]) -> Vec<Call> {
    let mut last: BTreeMap<FactId, (&Event, f64)> = BTreeMap::new();
    for event in events {
        let decided = event.saying.shot().map_or(f64::INFINITY, |shot| shot.t_decided);
        let slot = last.entry(event.fact).or_insert((event, decided));
        slot.1 = slot.1.min(decided);
        if event.revision >= slot.0.revision {
            slot.0 = event;
        }
    }
    let mut calls: Vec<Call> = last
        .values()
        .filter_map(|(event, told)| {
            let shot = event.saying.shot()?;
            let made = match &event.saying {
                Saying::ShotMade(_) => Some(true),
                Saying::ShotMissed(_) => Some(false),
                _ => None,
            };
            let (t, decided, confidence) = (shot.t_stream, shot.t_decided, shot.confidence);
            Some(Call { t, told: *told, decided, made, confidence })
        })
        .collect();
    calls.sort_by(|a, b| a.t.total_cmp(&b.t));
    calls
}

/// One attempt that is not doubtful, and what was said of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judged {
    pub(crate) truth: Attempt,
    /// `None`: not found.
    pub(crate) call: Option<Call>,
}

impl Judged {
    /// Called as it was. Unsure is wrong, and so is silence.
    pub(crate) fn right(&self) -> bool {
        self.call.is_some_and(|call| call.made == Some(self.truth.made))
    }

    fn called(&self) -> Option<bool> {
        self.call.and_then(|call| call.made)
    }
}

/// What a court, or several, came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Score {
    pub(crate) videos: usize,
    /// Attempts that are not doubtful, in the order of the truth.
    pub(crate) judged: Vec<Judged>,
    /// Calls that belong to no attempt.
    pub(crate) false_events: usize,
    /// Stream time of continuous videos, s; and false events in it.
    pub(crate) stream_seconds: f64,
    pub(crate) stream_false_events: usize,
}

/// Holds `calls` against `truth`: pairs of an attempt and a call within a second, nearest first.
/// Returns the score of the one video, and when calls came that belong to none.
///
/// A doubtful attempt counts neither way: it is not judged, what is called near it is no false event,
/// and it takes no call that is nearer to another attempt.
pub(crate) fn judge(truth: &[Attempt], calls: &[Call]) -> (Score, Vec<f64>) {
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for (a, attempt) in truth.iter().enumerate() {
        let apart = calls.iter().map(|call| (call.t - attempt.t_rim).abs());
        let near = apart.enumerate().filter(|(_, apart)| *apart <= TOLERANCE);
        pairs.extend(near.map(|(c, apart)| (apart, a, c)));
    }
    pairs.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut of_attempt: Vec<Option<Call>> = vec![None; truth.len()];
    let mut taken = vec![false; calls.len()];
    for (_, a, c) in pairs {
        let doubtful = truth.get(a).is_some_and(|attempt| attempt.doubtful);
        let (Some(call), Some(taken)) = (calls.get(c), taken.get_mut(c)) else { continue };
        let Some(slot) = of_attempt.get_mut(a) else { continue };
        if !*taken && (slot.is_none() || doubtful) {
            *taken = true;
            *slot = Some(*call);
        }
    }
    let of = truth.iter().zip(of_attempt).filter(|(attempt, _)| !attempt.doubtful);
    let judged = of.map(|(attempt, call)| Judged { truth: attempt.clone(), call }).collect();
    let free = calls.iter().zip(taken).filter(|(_, taken)| !taken);
    let none: Vec<f64> = free.map(|(call, _)| call.t).collect();
    (Score { videos: 1, judged, false_events: none.len(), ..Score::default() }, none)
}

/// Truth against call: `[made, missed][made, missed, unsure, not called]`.
pub(crate) type Confusion = [[usize; 4]; 2];

impl Score {
    /// Adds another's counts.
    pub(crate) fn add(&mut self, other: &Self) {
        self.videos += other.videos;
        self.judged.extend(other.judged.iter().cloned());
        self.false_events += other.false_events;
        self.stream_seconds += other.stream_seconds;
        self.stream_false_events += other.stream_false_events;
    }

    fn count(&self, which: impl Fn(&Judged) -> bool) -> usize {
        self.judged.iter().filter(|judged| which(judged)).count()
    }

    pub(crate) fn attempts(&self) -> usize {
        self.judged.len()
    }

    /// With a call within a second.
    pub(crate) fn found(&self) -> usize {
        self.count(|judged| judged.call.is_some())
    }

    /// Called made or missed.
    pub(crate) fn called(&self) -> usize {
        self.count(|judged| judged.called().is_some())
    }

    pub(crate) fn right(&self) -> usize {
        self.count(Judged::right)
    }

    pub(crate) fn unsure(&self) -> usize {
        self.found() - self.called()
    }

    pub(crate) fn confusion(&self) -> Confusion {
        let mut table = Confusion::default();
        for judged in &self.judged {
            let row = usize::from(!judged.truth.made);
            let column = match judged.call.map(|call| call.made) {
                Some(Some(true)) => 0,
                Some(Some(false)) => 1,
                Some(None) => 2,
                None => 3,
            };
            if let Some(cell) = table.get_mut(row).and_then(|row| row.get_mut(column)) {
                *cell += 1;
            }
        }
        table
    }

    /// Missed, and called made.
    pub(crate) fn false_makes(&self) -> usize {
        self.count(|judged| !judged.truth.made && judged.called() == Some(true))
    }

    /// Made, and called missed.
    pub(crate) fn lost_makes(&self) -> usize {
        self.count(|judged| judged.truth.made && judged.called() == Some(false))
    }

    /// What would be left if calls of less than some mean log-odds were `unsure`: for each of
    /// `shares` of the calls, the largest cut under which no more than that share abstains.
    pub(crate) fn coverage(&self, shares: &[f64]) -> Vec<Coverage> {
        let called = self.judged.iter().filter(|judged| judged.called().is_some());
        let mut calls: Vec<(f64, bool)> =
            called.filter_map(|judged| Some((judged.call?.odds(), judged.right()))).collect();
        calls.sort_by(|one, other| one.0.total_cmp(&other.0));
        let cut = |share: &f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
            let wanted = ((share * real(calls.len())).round() as usize).min(calls.len());
            // Calls that are alike abstain together or not at all.
            let first_kept = calls.get(wanted).map_or(f64::INFINITY, |(odds, _)| *odds);
            let abstained = calls.iter().filter(|(odds, _)| *odds < first_kept).count();
            let last = abstained.checked_sub(1).and_then(|last| calls.get(last));
            // Half way, since confidence comes rounded; beyond the last one if all abstain.
            let odds = match last {
                None => 0.0,
                Some((last, _)) if first_kept.is_finite() => f64::midpoint(*last, first_kept),
                Some((last, _)) => last + 1.0,
            };
            let kept = calls.iter().skip(abstained);
            let right = kept.filter(|(_, right)| *right).count();
            Coverage { share: *share, odds, abstained, called: calls.len() - abstained, right }
        };
        shares.iter().map(cut).collect()
    }

    /// Of those called made, how many were. `None` if none was.
    pub(crate) fn made_precision(&self) -> Option<f64> {
        let [[made, ..], [falsely, ..]] = self.confusion();
        (made + falsely > 0).then(|| real(made) / real(made + falsely))
    }

    /// Chance that a made one looks likelier to be made than a missed one (area under the receiver's
    /// curve), over those found; ties count half. `None` without both kinds.
    pub(crate) fn auc(&self) -> Option<f64> {
        let of = |made: bool| -> Vec<f64> {
            let those = self.judged.iter().filter(|judged| judged.truth.made == made);
            those.filter_map(|judged| Some(judged.call?.p_made())).collect()
        };
        let (made, missed) = (of(true), of(false));
        if made.is_empty() || missed.is_empty() {
            return None;
        }
        let won: f64 = made
            .iter()
            .flat_map(|high| missed.iter().map(move |low| (high, low)))
            .map(|(high, low)| match high.total_cmp(low) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            })
            .sum();
        Some(won / (real(made.len()) * real(missed.len())))
    }

    /// Expected calibration error of the calls: how far confidence is from being right, over ten
    /// bins of equal width (Naeini et al. 2015). `None` without a call.
    pub(crate) fn calibration_error(&self) -> Option<f64> {
        const BINS: usize = 10;
        // Of each bin: how many, their confidence, how many were right.
        let mut bins = [(0_usize, 0.0, 0_usize); BINS];
        for judged in &self.judged {
            let Some(call) = judged.call.filter(|call| call.made.is_some()) else { continue };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10")]
            let bin = (call.confidence.clamp(0.0, 1.0) * real(BINS)) as usize;
            if let Some((n, confidence, right)) = bins.get_mut(bin.min(BINS - 1)) {
                *n += 1;
                *confidence += call.confidence;
                *right += usize::from(judged.right());
            }
        }
        let called = self.called();
        let apart = bins.iter().map(|(_, confidence, right)| (confidence - real(*right)).abs());
        (called > 0).then(|| apart.sum::<f64>() / real(called))
    }

    /// From the ring to the first word, s, in order.
    pub(crate) fn first_delays(&self) -> Vec<f64> {
        self.delays(|judged, call| call.told - judged.truth.t_rim)
    }

    /// From the truth to the last word, s, in order.
    pub(crate) fn final_delays(&self) -> Vec<f64> {
        self.delays(|judged, call| call.decided - judged.truth.t_truth)
    }

    fn delays(&self, delay: impl Fn(&Judged, &Call) -> f64) -> Vec<f64> {
        let called = self.judged.iter().filter(|judged| judged.called().is_some());
        let mut all: Vec<f64> =
            called.filter_map(|judged| Some(delay(judged, &judged.call?))).collect();
        all.sort_by(f64::total_cmp);
        all
    }

    /// False events an hour of continuous video.
    pub(crate) fn false_per_hour(&self) -> Option<f64> {
        (self.stream_seconds > 0.0)
            .then(|| real(self.stream_false_events) * 3600.0 / self.stream_seconds)
    }
}

/// What is left when the least sure calls abstain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Coverage {
    /// The share of the calls that was to abstain, at most.
    pub(crate) share: f64,
    /// Calls whose mean log-odds are less far from even than this do: `eval --unsure`.
    pub(crate) odds: f64,
    pub(crate) abstained: usize,
    /// Called still, and right of these.
    pub(crate) called: usize,
    pub(crate) right: usize,
}

/// The value that `percent` of the sorted ones are not above (nearest rank).
pub(crate) fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

/// Two bundles on the same attempts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Paired {
    /// Right by the first alone, by the second alone.
    pub(crate) only_first: usize,
    pub(crate) only_second: usize,
    /// Chance of a split at least as uneven if neither were better (McNemar's exact test, two
    /// sided: a binomial of one half over the attempts on which they differ).
    pub(crate) p: f64,
}

/// Compares bundles attempt by attempt. Both were judged on the same truth, in the same order.
pub(crate) fn paired(first: &Score, second: &Score) -> Paired {
    let pairs = || first.judged.iter().zip(&second.judged);
    let only_first = pairs().filter(|(a, b)| a.right() && !b.right()).count();
    let only_second = pairs().filter(|(a, b)| b.right() && !a.right()).count();
    let (fewer, differ) = (only_first.min(only_second), only_first + only_second);
    let p = if differ == 0 { 1.0 } else { (2.0 * at_most(fewer, differ, 0.5)).min(1.0) };
    Paired { only_first, only_second, p }
}

/// Courts below which resampling them tells nothing.
const LEAST_COURTS: usize = 5;
/// Resamplings of the courts.
const RESAMPLED: usize = 2_000;

/// A share over several courts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ByCourt {
    /// Courts that have anything to share. One of doubtful attempts alone has not.
    pub(crate) courts: usize,
    /// 95 %, resampling whole courts (percentile bootstrap, seed fixed): attempts of one court go
    /// wrong together. `None` with fewer than [`LEAST_COURTS`].
    pub(crate) interval: Option<(f64, f64)>,
}

/// The share of several courts, each `(k, n)`.
pub(crate) fn by_court(courts: impl IntoIterator<Item = (usize, usize)>) -> ByCourt {
    let courts: Vec<(usize, usize)> = courts.into_iter().filter(|(_, n)| *n > 0).collect();
    ByCourt { courts: courts.len(), interval: resampled(&courts) }
}

fn resampled(courts: &[(usize, usize)]) -> Option<(f64, f64)> {
    if courts.len() < LEAST_COURTS {
        return None;
    }
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = |of: usize| {
        // Xorshift (Marsaglia 2003): a fixed sequence, good enough to pick courts.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap_or(0) % of
    };
    let mut shares: Vec<f64> = (0..RESAMPLED)
        .map(|_| {
            let (mut right, mut of) = (0, 0);
            for _ in 0..courts.len() {
                let drawn = courts.get(draw(courts.len())).copied().unwrap_or_default();
                (right, of) = (right + drawn.0, of + drawn.1);
            }
            real(right) / real(of).max(1.0)
        })
        .collect();
    shares.sort_by(f64::total_cmp);
    let at = |per_mille: usize| shares.get(shares.len() * per_mille / 1000).copied();
    Some((at(25)?, at(975)?))
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
        let attempt =
            |t_rim, made| Attempt { t_rim, t_truth: t_rim + 0.1, made, ..Attempt::default() };
        let truth = [
            attempt(1.0, true),
            attempt(2.0, false),
            attempt(5.0, true),
            Attempt { doubtful: true, ..attempt(8.0, false) },
            attempt(20.0, true),
        ];
        let call = |t, made| Call { t, told: t + 0.2, decided: t + 0.5, made, confidence: 0.9 };
        let calls = [
            call(1.1, Some(true)),
            call(1.9, Some(true)),
            call(5.2, None),
            call(8.1, Some(true)),
            call(12.0, Some(false)),
        ];
        let (score, none) = judge(&truth, &calls);
        assert_eq!(none, [12.0]);
        let given = |index: usize| score.judged[index].call.map(|call| call.t);
        assert_eq!([0, 1, 2, 3].map(given), [Some(1.1), Some(1.9), Some(5.2), None]);
        assert_eq!((score.attempts(), score.found(), score.called(), score.right()), (4, 3, 2, 1));
        assert_eq!(score.confusion(), [[1, 0, 1, 1], [1, 0, 0, 0]]);
        assert_eq!((score.made_precision(), score.unsure()), (Some(0.5), 1));
        let delay = percentile(&score.final_delays(), 50).expect("delays");
        assert!((delay - 0.3).abs() < 1e-9, "{delay}");
        let first = percentile(&score.first_delays(), 95).expect("delays");
        assert!((first - 0.3).abs() < 1e-9, "{first}");
    }

    /// Attempts with what was called and how sure.
    fn score(of: &[(bool, Option<bool>, f64)]) -> Score {
        let truth = |made| Attempt { made, ..Attempt::default() };
        let call = |made, confidence| Call { t: 0.0, told: 0.0, decided: 0.0, made, confidence };
        let judged = |(was, made, sure): &(_, _, _)| Judged {
            truth: truth(*was),
            call: Some(call(*made, *sure)),
        };
        Score { judged: of.iter().map(judged).collect(), ..Score::default() }
    }

    #[test]
    fn ranking_and_calibration_are_told_apart() {
        // Ranked without a fault, though the cut is wrong: 0.6 for a missed one.
        let ranked = score(&[
            (true, Some(true), 0.9),
            (true, Some(true), 0.7),
            (false, Some(true), 0.6),
            (false, Some(false), 0.8),
        ]);
        assert_eq!(ranked.auc(), Some(1.0));
        assert_eq!(ranked.right(), 3);
        // Bins of their own: |0.9-1| + |0.7-1| + |0.6-0| + |0.8-1|, a quarter each.
        let error = ranked.calibration_error().expect("calls");
        assert!((error - 0.3).abs() < 1e-9, "{error}");
        assert_eq!(score(&[(true, Some(true), 0.9)]).auc(), None);
        let even = score(&[(true, None, 0.5), (false, None, 0.5)]);
        assert_eq!((even.auc(), even.calibration_error()), (Some(0.5), None));
    }

    #[test]
    fn a_doubtful_attempt_counts_neither_way() {
        let attempt = |t_rim, doubtful| Attempt { t_rim, doubtful, ..Attempt::default() };
        let call = |t| Call { t, told: t, decided: t, made: Some(false), confidence: 0.9 };
        // The one call is the second attempt's, though the doubtful one comes first and is near.
        let truth = [attempt(5.0, true), attempt(5.8, false)];
        let (score, none) = judge(&truth, &[call(5.7)]);
        assert_eq!((score.attempts(), score.right(), none.len()), (1, 1, 0));
        // Whatever is said of a doubtful one, nothing, once or twice, is no false event.
        let twice = [call(5.1), call(4.5)];
        for said in 0..=twice.len() {
            let (score, none) = judge(&truth[..1], &twice[..said]);
            assert_eq!((score.attempts(), score.false_events, none.len()), (0, 0, 0), "{said}");
        }
        let (score, none) = judge(&truth[..1], &[call(5.1), call(7.0)]);
        assert_eq!((score.false_events, none), (1, vec![7.0]));
        assert_eq!(score.confusion(), [[0; 4]; 2]);
        assert!(score.coverage(&[0.2]).iter().all(|cut| cut.called == 0 && cut.abstained == 0));
    }

    #[test]
    fn the_least_sure_calls_abstain_first() {
        // Odds 0.4, 0.8, 1.4, 2.2, 2.2; the least sure is wrong, one is unsure already.
        let calls = score(&[
            (true, Some(true), 0.9),
            (true, Some(true), 0.9),
            (false, Some(true), 0.6),
            (false, Some(false), 0.8),
            (true, None, 0.5),
            (false, Some(true), 0.69),
        ]);
        let cuts = calls.coverage(&[0.0, 0.2, 0.4, 0.8, 1.0]);
        let counts: Vec<_> =
            cuts.iter().map(|cut| (cut.abstained, cut.called, cut.right)).collect();
        // Two calls are alike: no cut lets only one of them abstain.
        assert_eq!(counts, [(0, 5, 3), (1, 4, 3), (2, 3, 3), (3, 2, 2), (5, 0, 0)]);
        let between = |index: usize, low: f64, high: f64| {
            let odds = |sure: f64| (sure / (1.0 - sure)).ln();
            let cut = cuts[index].odds;
            assert!(odds(low) < cut && cut < odds(high), "{index}: {cut}");
        };
        between(1, 0.6, 0.69);
        between(2, 0.69, 0.8);
        between(3, 0.8, 0.9);
        assert_eq!(cuts[0].odds, 0.0, "nothing abstains");
        assert_eq!((calls.false_makes(), calls.lost_makes()), (2, 0));
    }

    #[test]
    fn whole_courts_are_resampled() {
        assert_eq!(by_court([(9, 10); 4]), ByCourt { courts: 4, interval: None }, "too few");
        let with_none = [(9, 10), (9, 10), (9, 10), (9, 10), (0, 0)];
        assert_eq!(by_court(with_none).courts, 4, "one without a sure attempt is none");
        assert_eq!(by_court(with_none).interval, None);
        // As many attempts and as many right, but one court alone is bad: the interval is wider.
        let even = by_court([(18, 20); 5]);
        assert_eq!(even, ByCourt { courts: 5, interval: Some((0.9, 0.9)) });
        let uneven = by_court([(20, 20), (20, 20), (20, 20), (20, 20), (10, 20)]);
        let (low, high) = uneven.interval.expect("courts");
        assert!(low <= 0.8 && high > 0.99, "{low} {high}");
        let (shot_low, _) = clopper_pearson(90, 100);
        assert!(low < shot_low, "by shot it looks surer: {shot_low}");
    }

    #[test]
    fn bundles_are_compared_attempt_by_attempt() {
        let (right, wrong) = ((true, Some(true), 0.9), (true, Some(false), 0.9));
        let first = score(&[right, right, right, right, right, right, wrong]);
        let second = score(&[wrong, wrong, wrong, wrong, wrong, right, wrong]);
        let compared = paired(&first, &second);
        assert_eq!((compared.only_first, compared.only_second), (5, 0));
        assert!((compared.p - 0.0625).abs() < 1e-9, "{}", compared.p);
        assert!((paired(&first, &first).p - 1.0).abs() < 1e-9);
        // As published: 1 against 9, p = 0.0215.
        let (a, b) =
            ([right; 10], [wrong, wrong, wrong, wrong, wrong, wrong, wrong, wrong, wrong, right]);
        let mut a = a;
        a[9] = wrong;
        let p = paired(&score(&a), &score(&b)).p;
        assert!((p - 0.02148).abs() < 1e-4, "{p}");
    }
}
