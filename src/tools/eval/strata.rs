//! Attempts sorted into kinds: what it was, how wide the ring, how fast and how rich the video. Pure.
//!
//! A stratum holds attempts whose truth is not doubtful, as everywhere else. What nobody said of an
//! attempt puts it into [`NOT_SAID`], so that each dimension has all attempts.

use std::collections::BTreeMap;

use crate::tools::eval::score::{Judged, Score};
use crate::tools::eval::truth::KINDS;

/// The stratum of attempts of which the truth does not say.
pub(super) const NOT_SAID: &str = "not said";

/// What sorts attempts, and how the terminal calls it.
pub(super) const DIMENSIONS: [(&str, &str); 5] = [
    ("kind", "kind"),
    ("net", "net"),
    ("ring_px", "ring width, px"),
    ("fps", "pictures a second"),
    ("mbit_s", "file, Mbit/s"),
];

/// Lower bounds of classes, and their names.
type Classes = [(f64, &'static str)];

const RING_PX: &Classes = &[
    (0.0, "< 14"),
    (14.0, "14–18"),
    (18.0, "18–24"),
    (24.0, "24–31"),
    (31.0, "31–60"),
    (60.0, "> 60"),
];
const FPS: &Classes = &[(0.0, "< 20"), (20.0, "20–27"), (27.0, "27–35"), (35.0, "> 35")];
const MBIT_S: &Classes =
    &[(0.0, "< 0.5"), (0.5, "0.5–1"), (1.0, "1–2"), (2.0, "2–4"), (4.0, "4–8"), (8.0, "> 8")];

/// What a video's attempts have in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) court: String,
    pub(super) net: Option<String>,
    /// The first ring's width.
    pub(super) ring_px: Option<f64>,
    pub(super) fps: Option<f64>,
    /// The file's size over its length.
    pub(super) mbit_s: Option<f64>,
}

/// Attempts of one stratum, court by court.
#[derive(Clone, Debug, Default)]
pub(super) struct Stratum {
    pub(super) name: String,
    pub(super) courts: BTreeMap<String, Score>,
}

/// Every attempt in its stratum of each of [`DIMENSIONS`].
#[derive(Clone, Debug, Default)]
pub(super) struct Strata {
    /// By dimension, then by place in the order of telling and name.
    all: [BTreeMap<(usize, String), BTreeMap<String, Score>>; DIMENSIONS.len()],
}

impl Strata {
    /// Adds the attempts of one video.
    pub(super) fn take(&mut self, facts: &Facts, judged: &[Judged]) {
        for one in judged {
            let ring = one.truth.ring_px.or(facts.ring_px);
            let places = [
                named(one.truth.kind.as_deref(), &KINDS),
                named(facts.net.as_deref(), &[]),
                class(ring, RING_PX),
                class(facts.fps, FPS),
                class(facts.mbit_s, MBIT_S),
            ];
            for (dimension, place) in self.all.iter_mut().zip(places) {
                let courts = dimension.entry(place).or_default();
                courts.entry(facts.court.clone()).or_default().judged.push(one.clone());
            }
        }
    }

    /// Every dimension's key and title, with its strata in the order of telling.
    pub(super) fn dimensions(
        &self,
    ) -> impl Iterator<Item = (&'static str, &'static str, Vec<Stratum>)> {
        DIMENSIONS.iter().zip(&self.all).map(|((key, title), strata)| {
            let stratum = |((_, name), courts): (&(usize, String), &BTreeMap<String, Score>)| {
                Stratum { name: name.clone(), courts: courts.clone() }
            };
            (*key, *title, strata.iter().map(stratum).collect())
        })
    }
}

impl Stratum {
    /// All of its attempts.
    pub(super) fn total(&self) -> Score {
        let mut total = Score::default();
        self.courts.values().for_each(|score| total.add(score));
        total
    }
}

/// A word's place: known ones in their order, then others by name, at last what nobody said.
fn named(word: Option<&str>, known: &[&str]) -> (usize, String) {
    match word.filter(|word| !word.is_empty()) {
        None => (usize::MAX, NOT_SAID.to_owned()),
        Some(word) => {
            let place = known.iter().position(|known| *known == word).unwrap_or(known.len());
            (place, word.to_owned())
        }
    }
}

/// The class of a value: the last one that does not begin above it.
fn class(value: Option<f64>, classes: &Classes) -> (usize, String) {
    let found = value.filter(|value| value.is_finite()).and_then(|value| {
        let place = classes.iter().rposition(|(from, _)| value >= *from)?;
        classes.get(place).map(|(_, name)| (place, (*name).to_owned()))
    });
    found.unwrap_or_else(|| (usize::MAX, NOT_SAID.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::eval::score::{Call, judge};
    use crate::tools::eval::truth::Attempt;

    fn call(t: f64, made: Option<bool>) -> Call {
        Call { t, told: t, decided: t, made, confidence: 0.9 }
    }

    fn attempt(t_rim: f64, kind: Option<&str>, ring_px: Option<f64>) -> Attempt {
        let kind = kind.map(str::to_owned);
        Attempt { t_rim, t_truth: t_rim, made: true, kind, ring_px, ..Attempt::default() }
    }

    /// Names and attempts of a dimension's strata.
    fn told(strata: &Strata, key: &str) -> Vec<(String, usize, usize)> {
        let (.., strata) =
            strata.dimensions().find(|(own, ..)| *own == key).expect("such a dimension");
        strata.iter().map(|s| (s.name.clone(), s.total().attempts(), s.total().right())).collect()
    }

    fn row(name: &str, n: usize, right: usize) -> (String, usize, usize) {
        (name.to_owned(), n, right)
    }

    #[test]
    fn each_attempt_is_in_one_stratum_of_each_dimension() {
        let truth = [
            attempt(1.0, Some("rim-out"), Some(13.9)),
            attempt(5.0, Some("swish"), None),
            attempt(9.0, None, None),
            attempt(13.0, Some("dunk"), Some(60.0)),
        ];
        let calls = [call(1.0, Some(true)), call(5.0, Some(false)), call(9.0, Some(true))];
        let (score, _) = judge(&truth, &calls);
        let facts =
            Facts { ring_px: Some(24.0), fps: Some(29.97), mbit_s: Some(0.5), ..Facts::default() };
        let mut strata = Strata::default();
        strata.take(&facts, &score.judged);
        assert_eq!(
            told(&strata, "kind"),
            [row("swish", 1, 0), row("rim-out", 1, 1), row("dunk", 1, 0), row(NOT_SAID, 1, 1)]
        );
        assert_eq!(
            told(&strata, "ring_px"),
            [row("< 14", 1, 1), row("24–31", 2, 1), row("> 60", 1, 0)]
        );
        assert_eq!(told(&strata, "fps"), [row("27–35", 4, 2)]);
        assert_eq!(told(&strata, "mbit_s"), [row("0.5–1", 4, 2)]);
        assert_eq!(told(&strata, "net"), [row(NOT_SAID, 4, 2)]);
    }

    #[test]
    fn a_doubtful_attempt_is_in_no_stratum() {
        let doubtful = Attempt { doubtful: true, ..attempt(5.0, Some("below"), Some(10.0)) };
        let calls = [call(1.0, Some(true)), call(5.0, Some(false))];
        let (score, none) = judge(&[attempt(1.0, Some("swish"), None), doubtful], &calls);
        let mut strata = Strata::default();
        strata.take(&Facts { ring_px: Some(20.0), ..Facts::default() }, &score.judged);
        assert_eq!(told(&strata, "kind"), [row("swish", 1, 1)]);
        assert_eq!(told(&strata, "ring_px"), [row("18–24", 1, 1)]);
        assert_eq!((none.len(), score.false_events), (0, 0));
    }

    #[test]
    fn courts_of_a_stratum_are_kept_apart() {
        let mut strata = Strata::default();
        for court in ["A", "B", "A"] {
            let facts = Facts { court: court.to_owned(), ..Facts::default() };
            let (score, _) = judge(&[attempt(1.0, None, None)], &[]);
            strata.take(&facts, &score.judged);
        }
        let (.., kinds) = strata.dimensions().next().expect("kinds");
        let courts: Vec<_> = kinds[0]
            .courts
            .iter()
            .map(|(court, score)| (court.as_str(), score.attempts()))
            .collect();
        assert_eq!(courts, [("A", 2), ("B", 1)]);
    }
}
