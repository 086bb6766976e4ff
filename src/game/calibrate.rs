//! Calibration of one rim: where the cut between made and missed lies on this court.
//!
//! A model ranks the shots of a court better than it cuts them: what differs from court to court is
//! mostly a bias of its log-odds. So of each final the mean log-odds are kept, the newest
//! [`SEEN_AT_MOST`], each with a person's verdict where one was given, and a *shift* is worked out
//! that is added to the mean log-odds of later attempts. Pure, and no order of what was seen matters:
//! sums are of whole thousandths, or run over sorted values.
//!
//! **Without verdicts**: the odds are cut in two by two-means, exactly. Their middle says nothing by
//! itself, since a net's made and missed do not lie equally far from 0 (near 3.5 and
//! −5, say, as a final is early once it is clear). What counts is how far it lies from the middle that the
//! bundle has on the attempts it was made with, `cut` in its manifest; a bundle that does not say it
//! is not calibrated without verdicts. It needs [`SEEN_AT_LEAST`] attempts, [`EACH_AT_LEAST`] of each
//! kind, a clear gap, and each kind well on its own side of the bundle's middle: in a long run of
//! misses alone the doubtful ones look like a kind, too. A court's middle moves for other
//! reasons than a bias, too (how clearly its shots are seen), so at most half of it is believed, less
//! the fewer and the more scattered the attempts are.
//!
//! **With verdicts**: a bias alone is learnt, slope 1: the posterior mean over ±[`SHIFT_AT_MOST`],
//! prior normal about what is known without verdicts. One verdict in 20 is taken for nothing, so a
//! single sure mistake (a ball behind an arm) does not drag the cut along. A verdict of made never
//! lowers the shift, one of missed never raises it. "No shot" takes the attempt out of all sums.
//! Deliberately absent: a weight for what a person did not say. Somebody who corrects only what is
//! wrong pulls more than one who judges every shot of a stretch.
//!
//! **Drift**: the middle of the last [`DRIFT_OF`] attempts against that of the first as many of two kinds. It is
//! told once when it is beyond [`DRIFT_TOLD`], and again only after it came back.
//!
//! A calibration belongs to one bundle (name and version) and to one place of the rim; [`Kept`] is
//! how it lies on disk.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::disk::Format;
use crate::event::FactId;
use crate::event::words::{LearntFrom, VerdictWord};
use crate::media::RimBox;

/// Finals that are kept; the oldest goes (chosen: an evening of one rim).
pub const SEEN_AT_MOST: usize = 200;
/// Attempts without which nothing is learnt without verdicts (a cut by two-means
/// wanted about 20 and more, of both kinds, on 189 clips of three courts).
const SEEN_AT_LEAST: usize = 20;
/// Of each kind.
const EACH_AT_LEAST: usize = 5;
/// Means of the two kinds lie so many of their own spreads apart. Two-means finds 2.7 in one normal
/// heap and 3.5 in an even spread, which are no two kinds.
const GAP_SPREADS: f64 = 4.0;
/// The mean of a kind lies so far from the bundle's own middle, log-odds. The net's own lie 3.9
/// from it and a bias takes 1.5 at most; in 46 misses of one court in a row the doubtful ones were 0.8
/// from it.
const AWAY: f64 = 2.0;
/// No court seen so far needed more: their biases were 1 to 1.5, log-odds.
const SHIFT_AT_MOST: f64 = 1.5;
/// Spread of the biases that courts have (chosen: nearly all within ±`SHIFT_AT_MOST`) …
const BIAS_SPREAD: f64 = 0.7;
/// … and of a court's middle for other reasons: as much, so that half of it is believed.
const MIDDLE_SPREAD: f64 = 0.7;
/// Share of verdicts that say nothing: a slip of the finger, or a ball that was not seen.
const SLIPS: f64 = 0.05;
/// Steps of the shift on either side of 0, for the posterior.
const STEPS: i32 = 30;
/// Attempts at either end of which the middles are compared.
pub const DRIFT_OF: usize = 30;
/// Beyond this the drift is told …
pub const DRIFT_TOLD: f64 = 1.0;
/// … and below this it may be told again.
const DRIFT_OVER: f64 = 0.5;
/// A rim is where it was when no side moved by more than this share of its width: a box that is
/// drawn again by hand is never the same to the pixel.
const MOVED_SHARE: f32 = 0.1;
/// The file's version.
/// The format of a calibration's file that this version writes; its word there is `version`.
pub const KEPT_FORMAT: Format = Format::FIRST;
/// Bound of mean log-odds in thousandths, as `attempt` clamps them.
const ODDS_AT_MOST: i32 = 6_000;

/// What a person said of a shot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It went through.
    Made,
    /// It did not.
    Missed,
    /// There was no attempt.
    None,
}

impl Verdict {
    /// As people say it, and as it is told.
    #[must_use]
    pub const fn told(self) -> VerdictWord {
        match self {
            Self::Made => VerdictWord::Made,
            Self::Missed => VerdictWord::Missed,
            Self::None => VerdictWord::None,
        }
    }

    /// What a word means; nothing, if it is none of ours.
    #[must_use]
    pub const fn of(word: VerdictWord) -> Option<Self> {
        match word {
            VerdictWord::Made => Some(Self::Made),
            VerdictWord::Missed => Some(Self::Missed),
            VerdictWord::None => Some(Self::None),
            VerdictWord::Other => None,
        }
    }
}

/// One final.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The shot: `{session}-{n}`.
    fact: String,
    /// Its mean log-odds of made without any shift, thousandths.
    odds: i32,
    /// What a person said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    /// What a newer version keeps of it.
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// What a rim has seen with one bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Where the rim was when it began.
    place: RimBox,
    /// Name and version, once the first final came.
    bundle: Option<(String, String)>,
    seen: VecDeque<Sighting>,
    /// Middle of the first [`DRIFT_OF`] attempts, thousandths.
    first: Option<i32>,
    drift_told: bool,
    /// Of its file, where a newer version wrote it.
    newer: Option<Newer>,
}

/// What a file of a newer format says that is not known here: it is written again as it stood.
#[derive(Clone, Debug, PartialEq)]
struct Newer {
    format: Format,
    more: Map<String, Value>,
}

/// What it comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Learnt {
    /// To be added to mean log-odds; 0 where nothing is known.
    pub shift: f32,
    /// What it was learnt from.
    pub from: Source,
    /// Attempts seen, those of "no shot" left out.
    pub attempts: usize,
    /// Of them, with a verdict.
    pub verdicts: usize,
    /// Middle between the two kinds, if there are two.
    pub middle: Option<f32>,
    /// How far the middle has moved since the beginning, once that is known.
    pub drift: Option<f32>,
}

/// What a shift was learnt from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nothing yet.
    #[default]
    Nothing,
    /// The odds alone.
    Odds,
    /// Verdicts, about what the odds say.
    Verdicts,
}

impl Source {
    /// As it is told.
    #[must_use]
    pub const fn told(self) -> LearntFrom {
        match self {
            Self::Nothing => LearntFrom::Nothing,
            Self::Odds => LearntFrom::Odds,
            Self::Verdicts => LearntFrom::Verdicts,
        }
    }
}

impl Calibration {
    /// Of a rim at `place`, which has seen nothing.
    #[must_use]
    pub const fn new(place: RimBox) -> Self {
        Self {
            place,
            bundle: None,
            seen: VecDeque::new(),
            first: None,
            drift_told: false,
            newer: None,
        }
    }

    /// True when the rim is where this was learnt.
    #[must_use]
    pub fn is_of(&self, place: &RimBox) -> bool {
        let (a, b) = (&self.place, place);
        let moved = [a.x - b.x, a.y - b.y, a.w - b.w, a.h - b.h];
        moved.iter().all(|by| by.abs() <= a.w * MOVED_SHARE)
    }

    /// Name and version of the bundle whose odds these are.
    #[must_use]
    pub fn bundle(&self) -> Option<(&str, &str)> {
        self.bundle.as_ref().map(|(name, version)| (name.as_str(), version.as_str()))
    }

    /// Takes a final in. With another bundle than before a new calibration begins: returns the old.
    pub fn saw(
        &mut self,
        fact: FactId,
        odds: f32,
        (name, version): (&str, &str),
        cut: Option<f32>,
    ) -> Option<Self> {
        let other = self.bundle().is_some_and(|bound| bound != (name, version));
        let old = other.then(|| std::mem::replace(self, Self::new(self.place)));
        if self.bundle.is_none() {
            self.bundle = Some((name.to_owned(), version.to_owned()));
        }
        let most = thousandths(f64::from(odds)).clamp(-ODDS_AT_MOST, ODDS_AT_MOST);
        self.seen.push_back(Sighting {
            fact: fact.to_string(),
            odds: most,
            verdict: None,
            more: Map::new(),
        });
        while self.seen.len() > SEEN_AT_MOST {
            self.seen.pop_front();
        }
        if self.first.is_none() && self.seen.len() >= DRIFT_OF {
            self.first = self.newest(cut);
        }
        old
    }

    /// Takes a verdict in; the last one holds. False if no such shot is kept.
    pub fn said(&mut self, fact: FactId, verdict: Verdict) -> bool {
        let fact = fact.to_string();
        let Some(seen) = self.seen.iter_mut().rev().find(|seen| seen.fact == fact) else {
            return false;
        };
        seen.verdict = Some(verdict);
        true
    }

    /// What was learnt first, and what an earlier version learnt of the same rim in the meantime. A shot
    /// that both have stands once; what was said of it last holds. `None`: they are of two bundles.
    #[must_use]
    pub fn followed_by(mut self, later: Self) -> Option<Self> {
        if self.bundle.is_some() && later.bundle.is_some() && self.bundle != later.bundle {
            return None;
        }
        for seen in later.seen {
            match self.seen.iter_mut().find(|known| known.fact == seen.fact) {
                Some(known) => known.verdict = seen.verdict.or(known.verdict),
                None => self.seen.push_back(seen),
            }
        }
        while self.seen.len() > SEEN_AT_MOST {
            self.seen.pop_front();
        }
        self.bundle = self.bundle.or(later.bundle);
        self.first = self.first.or(later.first);
        self.drift_told = later.drift_told;
        Some(self)
    }

    /// Shots with a verdict, newest first.
    pub fn verdicts(&self) -> impl Iterator<Item = (&str, Verdict)> {
        self.seen.iter().rev().filter_map(|seen| Some((seen.fact.as_str(), seen.verdict?)))
    }

    /// True when the shot is kept here.
    #[must_use]
    pub fn knows(&self, fact: FactId) -> bool {
        let fact = fact.to_string();
        self.seen.iter().any(|seen| seen.fact == fact)
    }

    /// Odds of what was an attempt, oldest first.
    fn odds(&self) -> impl DoubleEndedIterator<Item = i32> {
        let attempts = self.seen.iter().filter(|seen| seen.verdict != Some(Verdict::None));
        attempts.map(|seen| seen.odds)
    }

    /// Middle of the newest attempts, thousandths, if they are of two kinds.
    fn newest(&self, cut: Option<f32>) -> Option<i32> {
        Kinds::about(self.odds().rev().take(DRIFT_OF), cut).map(|kinds| kinds.middle())
    }

    /// What is known now. `cut`: the bundle's own middle, where its manifest says it.
    #[must_use]
    pub fn learnt(&self, cut: Option<f32>) -> Learnt {
        let kinds = Kinds::about(self.odds(), cut);
        let bias = kinds.as_ref().zip(cut).map(|(kinds, cut)| kinds.bias(f64::from(cut)));
        let mut judged: Vec<(i32, bool)> = self
            .seen
            .iter()
            .filter_map(|seen| match seen.verdict? {
                Verdict::Made => Some((seen.odds, true)),
                Verdict::Missed => Some((seen.odds, false)),
                Verdict::None => None,
            })
            .collect();
        judged.sort_unstable();
        let (shift, from) = match (bias, judged.is_empty()) {
            (bias, false) => (posterior(&judged, bias.unwrap_or(0.0)), Source::Verdicts),
            (Some(bias), true) => (bias, Source::Odds),
            (None, true) => (0.0, Source::Nothing),
        };
        let moved =
            self.first.zip(self.newest(cut)).map(|(first, last)| last.saturating_sub(first));
        Learnt {
            shift: of_thousandths(thousandths(shift)),
            from,
            attempts: self.odds().count(),
            verdicts: judged.len(),
            middle: kinds.map(|kinds| of_thousandths(kinds.middle())),
            drift: moved.map(of_thousandths),
        }
    }

    /// True once when the drift has gone beyond what is told; remembers it.
    pub fn tells_drift(&mut self, learnt: &Learnt) -> bool {
        let Some(drift) = learnt.drift.map(|drift| f64::from(drift).abs()) else { return false };
        let tell = drift > DRIFT_TOLD && !self.drift_told;
        if tell || drift < DRIFT_OVER {
            self.drift_told = tell;
        }
        tell
    }

    /// As it lies on disk.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let (bundle, bundle_version) = self.bundle.clone().unwrap_or_default();
        let newer = self.newer.clone().unwrap_or(Newer { format: KEPT_FORMAT, more: Map::new() });
        let Format { format, oldest_reader } = newer.format;
        Kept {
            version: format,
            oldest_reader: (oldest_reader != format).then_some(oldest_reader),
            more: newer.more,
            rim: [self.place.x, self.place.y, self.place.w, self.place.h],
            bundle,
            bundle_version,
            first_middle: self.first,
            drift_told: self.drift_told,
            seen: self.seen.iter().cloned().collect(),
        }
    }
}

/// `{data_dir}/rims/{court}-{rim}.json`: all that is known of one rim with one bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its format.
    version: u32,
    /// Programs of this format and later can read it; absent: of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    oldest_reader: Option<u32>,
    /// The rim when it began: x, y, width, height, in pixels of the configuration's picture.
    rim: [f32; 4],
    /// Whose odds these are; empty before the first.
    bundle: String,
    /// Its version.
    bundle_version: String,
    /// Middle of the first attempts, thousandths of log-odds; absent before there are enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_middle: Option<i32>,
    /// True while a drift was told and has not come back.
    drift_told: bool,
    /// Finals, oldest first.
    seen: Vec<Sighting>,
    /// What a newer version keeps.
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Kept {
    /// The format of the file.
    #[must_use]
    pub fn format(&self) -> Format {
        let oldest_reader = self.oldest_reader.unwrap_or(self.version);
        Format { format: self.version, oldest_reader }
    }
}

/// Why a file is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeptError {
    /// More than is ever written.
    #[error("it has {0} attempts, at most {SEEN_AT_MOST} are kept")]
    TooMany(usize),
    /// A number that no attempt has.
    #[error("it has log-odds of {0} thousandths, which no attempt has")]
    Odds(i32),
    /// A rim without a width or a height.
    #[error("its rim is no box")]
    Rim,
}

impl TryFrom<Kept> for Calibration {
    type Error = KeptError;

    fn try_from(kept: Kept) -> Result<Self, KeptError> {
        if kept.seen.len() > SEEN_AT_MOST {
            return Err(KeptError::TooMany(kept.seen.len()));
        }
        let odds = kept.seen.iter().map(|seen| seen.odds).chain(kept.first_middle);
        let wild = |odds: &i32| !(-ODDS_AT_MOST..=ODDS_AT_MOST).contains(odds);
        if let Some(odds) = odds.into_iter().find(wild) {
            return Err(KeptError::Odds(odds));
        }
        let [x, y, w, h] = kept.rim;
        if !(kept.rim.iter().all(|side| side.is_finite()) && w > 0.0 && h > 0.0) {
            return Err(KeptError::Rim);
        }
        let format = kept.format();
        let bundle = (!kept.bundle.is_empty()).then_some((kept.bundle, kept.bundle_version));
        Ok(Self {
            place: RimBox { x, y, w, h },
            bundle,
            seen: kept.seen.into(),
            first: kept.first_middle,
            drift_told: kept.drift_told,
            newer: (format.format > KEPT_FORMAT.format || !kept.more.is_empty())
                .then_some(Newer { format, more: kept.more }),
        })
    }
}

/// Odds cut in two. Whole numbers until the last division, so that adding a constant to every odds
/// moves the middle by exactly that.
#[derive(Clone, Debug, PartialEq)]
struct Kinds {
    /// How many, their sum, and the squares about their mean: missed, then made.
    sides: [Side; 2],
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Side {
    n: i64,
    sum: i64,
    /// Sum of squared distances from the mean, square thousandths.
    squares: f64,
}

impl Side {
    fn of(odds: &[i32]) -> Self {
        let n = i64::try_from(odds.len()).unwrap_or(i64::MAX);
        let sum = odds.iter().map(|odds| i64::from(*odds)).sum();
        let side = Self { n, sum, squares: 0.0 };
        let squares = odds.iter().map(|odds| (f64::from(*odds) - side.mean()).powi(2)).sum();
        Self { squares, ..side }
    }

    fn mean(self) -> f64 {
        real(self.sum) / real(self.n).max(1.0)
    }
}

impl Kinds {
    /// Cuts odds where two-means does, or finds that they are not of two kinds.
    fn of(odds: impl Iterator<Item = i32>) -> Option<Self> {
        let mut odds: Vec<i32> = odds.collect();
        if odds.len() < SEEN_AT_LEAST {
            return None;
        }
        odds.sort_unstable();
        let at = two_means(&odds)?;
        let (low, high) = odds.split_at_checked(at)?;
        if low.len().min(high.len()) < EACH_AT_LEAST {
            return None;
        }
        let sides = [Side::of(low), Side::of(high)];
        let [missed, made] = sides;
        let spread = ((missed.squares + made.squares) / real(missed.n + made.n)).sqrt();
        (made.mean() - missed.mean() >= GAP_SPREADS * spread).then_some(Self { sides })
    }

    /// The same, each kind well on its own side of the bundle's middle; of 0, where that is not known.
    fn about(odds: impl Iterator<Item = i32>, cut: Option<f32>) -> Option<Self> {
        let cut = f64::from(cut.unwrap_or(0.0));
        let away = |kinds: &Self| {
            let [missed, made] = kinds.sides.map(|side| side.mean().mul_add(1e-3, -cut));
            missed <= -AWAY && made >= AWAY
        };
        Self::of(odds).filter(away)
    }

    /// Half-way between the two means, thousandths, rounded down.
    fn middle(&self) -> i32 {
        let [a, b] = self.sides;
        let (above, below) = (a.sum * b.n + b.sum * a.n, 2 * a.n * b.n);
        i32::try_from(above.div_euclid(below.max(1))).unwrap_or(0)
    }

    /// What of the middle's distance from `cut` is believed to be a bias, as the shift against it.
    fn bias(&self, cut: f64) -> f64 {
        let own: f64 =
            self.sides.iter().map(|side| side.squares * 1e-6 / real(side.n * side.n)).sum::<f64>()
                / 4.0;
        let known = BIAS_SPREAD.powi(2);
        let believed = known / (known + MIDDLE_SPREAD.powi(2) + own);
        let bias = (cut - f64::from(self.middle()) * 1e-3) * believed;
        bias.clamp(-SHIFT_AT_MOST, SHIFT_AT_MOST)
    }
}

/// How many of the sorted odds are on the lower side: the cut with the least squares within, which
/// are the most between. Exact; of equals the lowest.
fn two_means(sorted: &[i32]) -> Option<usize> {
    let n = i128::try_from(sorted.len()).ok()?;
    let total: i128 = sorted.iter().map(|odds| i128::from(*odds)).sum();
    // Squares between are (n·s − k·total)² / (n·k·(n − k)), s the sum of the k lowest.
    let mut best: Option<(usize, i128, i128)> = None;
    let mut sum = 0;
    for (k, odds) in (1_usize..).zip(sorted.iter().take(sorted.len().saturating_sub(1))) {
        sum += i128::from(*odds);
        let low = i128::try_from(k).ok()?;
        let (above, below) = ((n * sum - low * total).pow(2), low * (n - low));
        if best.is_none_or(|(_, most, of)| above * of > most * below) {
            best = Some((k, above, below));
        }
    }
    best.map(|(k, ..)| k)
}

/// Posterior mean of the shift, by sums over a grid: prior about `known`, likelihood of the sorted
/// verdicts.
fn posterior(judged: &[(i32, bool)], known: f64) -> f64 {
    let weigh = |step: i32| {
        let shift = f64::from(step) * SHIFT_AT_MOST / f64::from(STEPS);
        let prior = -((shift - known) / BIAS_SPREAD).powi(2) / 2.0;
        let likelihood = judged.iter().map(|(odds, made)| {
            let odds = f64::from(*odds) * 1e-3 + shift;
            let right = 1.0 / (1.0 + (if *made { -odds } else { odds }).exp());
            (SLIPS / 2.0 + (1.0 - SLIPS) * right).ln()
        });
        (shift, prior + likelihood.sum::<f64>())
    };
    let weighed: Vec<(f64, f64)> = (-STEPS..=STEPS).map(weigh).collect();
    let most = weighed.iter().map(|(_, log)| *log).fold(f64::NEG_INFINITY, f64::max);
    let (sum, of) = weighed.iter().fold((0.0, 0.0), |(sum, of), (shift, log)| {
        let weight = (log - most).exp();
        (weight.mul_add(*shift, sum), of + weight)
    });
    sum / of
}

#[expect(clippy::cast_possible_truncation, reason = "log-odds and shifts: bounded by the callers")]
fn thousandths(value: f64) -> i32 {
    (value * 1e3).round() as i32
}

#[expect(clippy::cast_precision_loss, reason = "thousandths of small numbers")]
fn of_thousandths(value: i32) -> f32 {
    value as f32 / 1e3
}

#[expect(clippy::cast_precision_loss, reason = "sums of at most 200 thousandths")]
fn real(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
