//! The least that a bundle must reach, and when one may replace another.
//!
//! Floors stand in a file beside the bundles (`models/gate.toml`), a table a bundle and precision:
//!
//! ```toml
//! [[gate]]
//! bundle = "rimnet"
//! precision = "fp32"
//! attempts = 200    # the truth must have so many, so that nobody passes on a few easy ones
//! right = 0.9       # share of all attempts; unsure and not called are wrong
//! found = 0.97      # share with a call at all
//! false_events = 4  # calls that belong to no attempt, at most
//! ```
//!
//! A new bundle may replace an old one when, on the same [`LEAST_ATTEMPTS`] attempts or more of courts
//! whose footage it was not trained on (`[provenance] seen`),
//! 1. it is right more often, and by more than chance (McNemar, p < [`BY_CHANCE`]); or no less often,
//!    and quicker by a tenth;
//! 2. it does not find fewer attempts, nor call more often where there is none, than a hundredth of
//!    the attempts would excuse;
//! 3. its last words do not come later than before by more than [`ONE_PICTURE`], or come within
//!    [`IN_TIME`] after the truth (p95).

use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

use crate::disk::read_regular_text;
use crate::tools::eval::score::{paired, percentile, real};
use crate::tools::eval::table::Table;

/// Fewer tell nothing.
const LEAST_ATTEMPTS: usize = 100;
/// A split that comes about by chance once in twenty times is none.
const BY_CHANCE: f64 = 0.05;
/// DESIGN §3: the final after the truth, s.
const IN_TIME: f64 = 0.4;
/// Times are those of pictures, some 30 a second: less than one apart tells nothing, s.
const ONE_PICTURE: f64 = 0.034;
/// What counts as quicker.
const QUICKER: f64 = 0.9;
/// Of the attempts, that many may be found less or called falsely more.
const EXCUSED: f64 = 0.01;

/// What a floor looks like, for somebody who has none.
const FORM: &str = r#"[[gate]]
bundle = "rimnet"
precision = "fp32"
attempts = 200
right = 0.9
found = 0.97
false_events = 4
"#;

/// A file of floors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gates {
    #[serde(default)]
    gate: Vec<Gate>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gate {
    bundle: String,
    precision: String,
    attempts: usize,
    right: f64,
    found: f64,
    false_events: usize,
}

/// More than floors for every bundle.
const FLOORS_MOST_BYTES: u64 = 1 << 20;

impl Gates {
    /// Reads a file of floors.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = read_regular_text(path, FLOORS_MOST_BYTES).with_context(|| {
            let file = path.display();
            format!("read the floors in {file} (give --gate a file as models/gate.toml)")
        })?;
        Self::parse(&text).with_context(|| format!("{} is no file of floors", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let gates: Self = toml::from_str(text)?;
        if gates.gate.is_empty() {
            anyhow::bail!("it holds no [[gate]]: write one for each bundle, as\n\n{FORM}");
        }
        for gate in &gates.gate {
            for (key, floor) in [("right", gate.right), ("found", gate.found)] {
                // NaN is no floor: nothing is below it.
                if !(0.0..=1.0).contains(&floor) {
                    let of = format!("{} {}", gate.bundle, gate.precision);
                    anyhow::bail!("{of}: {key} is {floor}: write a share, 0 to 1");
                }
            }
        }
        Ok(gates)
    }

    /// Bundles with floors that are not among `bundles`, each a name and a precision.
    pub(super) fn not_asked_for(&self, bundles: &[(&str, &str)]) -> Vec<String> {
        let others = self.gate.iter().map(|gate| (gate.bundle.as_str(), gate.precision.as_str()));
        let others = others.filter(|other| !bundles.contains(other));
        others.map(|(name, precision)| format!("{name}:{precision}")).collect()
    }

    /// Every floor that a bundle is below, and every bundle without floors.
    pub(super) fn broken(&self, tables: &[Table]) -> Vec<String> {
        tables.iter().flat_map(|table| self.of(table)).collect()
    }

    fn of(&self, table: &Table) -> Vec<String> {
        let of_it = |gate: &&Gate| gate.bundle == table.name && gate.precision == table.precision;
        let title = table.title();
        let Some(gate) = self.gate.iter().find(of_it) else {
            return vec![format!("{title}: has no floor: write a [[gate]] for it")];
        };
        let total = table.total();
        let n = real(total.attempts()).max(1.0);
        let mut broken = Vec::new();
        if total.attempts() < gate.attempts {
            broken.push(format!(
                "{title}: {} attempts, the floors are for {}: give the whole truth",
                total.attempts(),
                gate.attempts
            ));
        }
        for (what, is, least) in [
            ("right", real(total.right()) / n, gate.right),
            ("found", real(total.found()) / n, gate.found),
        ] {
            if is < least {
                broken.push(format!(
                    "{title}: {:.1} % {what}, the floor is {:.1} %",
                    100.0 * is,
                    100.0 * least
                ));
            }
        }
        if total.false_events > gate.false_events {
            broken.push(format!(
                "{title}: {} calls of no attempt, at most {} are allowed",
                total.false_events, gate.false_events
            ));
        }
        broken
    }
}

/// Why `new` may replace `old`, or why not.
pub(super) fn promote(new: &Table, old: &Table) -> Result<String, String> {
    let seen = new.seen();
    if !seen.is_empty() {
        let courts = seen.join(", ");
        return Err(format!("it was trained on footage of {courts}: give courts it never saw"));
    }
    let (first, second) = (new.total(), old.total());
    let n = first.attempts();
    if n != second.attempts() || n < LEAST_ATTEMPTS {
        return Err(format!("{n} attempts tell too little: give {LEAST_ATTEMPTS} or more"));
    }
    let excused = real(n) * EXCUSED;
    if real(first.found()) + excused < real(second.found()) {
        return Err(format!("it finds {} attempts, the old one {}", first.found(), second.found()));
    }
    if real(first.false_events) > real(second.false_events) + excused {
        let (more, fewer) = (first.false_events, second.false_events);
        return Err(format!("{more} calls of no attempt, the old one {fewer}"));
    }
    let late = |table: &crate::tools::eval::score::Score| percentile(&table.final_delays(), 95);
    if let (Some(late), Some(before)) = (late(&first), late(&second))
        && late > (before + ONE_PICTURE).max(IN_TIME)
    {
        return Err(format!(
            "its last words come {late:.2} s after the truth (p95), the old one's {before:.2} s"
        ));
    }
    let pair = paired(&first, &second);
    let split = format!(
        "right alone {} times, the old one {}, p {:.3}",
        pair.only_first, pair.only_second, pair.p
    );
    let quicker = match (new.ms_per_frame, old.ms_per_frame) {
        (Some(new), Some(old)) => new <= old * QUICKER,
        _ => false,
    };
    match pair.only_first.cmp(&pair.only_second) {
        std::cmp::Ordering::Greater if pair.p < BY_CHANCE => Ok(split),
        std::cmp::Ordering::Greater | std::cmp::Ordering::Equal if quicker => {
            Ok(format!("{split}, and it is quicker"))
        }
        std::cmp::Ordering::Less => Err(format!("it is right less often: {split}")),
        _ => Err(format!("no better than chance would have it: {split}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::eval::score::{Call, Judged, Score};
    use crate::tools::eval::truth::Attempt;

    fn table(right: usize, wrong: usize, ms: f64) -> Table {
        let judged = |is_right: bool| {
            let truth = Attempt { t_truth: 0.1, made: true, ..Attempt::default() };
            let call =
                Call { t: 0.0, told: 0.2, decided: 0.4, made: Some(is_right), confidence: 0.9 };
            Judged { truth, call: Some(call) }
        };
        let all = (0..right + wrong).map(|index| judged(index < right)).collect();
        let score = Score { judged: all, ..Score::default() };
        Table { ms_per_frame: Some(ms), ..Table::of("rimnet", "fp32", "A", score) }
    }

    #[test]
    fn a_bundle_below_a_floor_is_named() {
        let text = "[[gate]]\nbundle = \"rimnet\"\nprecision = \"fp32\"\nattempts = 100\n\
                    right = 0.9\nfound = 1.0\nfalse_events = 0\n";
        let gates = Gates::parse(text).expect("a file of floors");
        assert!(gates.broken(&[table(95, 5, 1.0)]).is_empty());
        let broken = gates.broken(&[table(85, 15, 1.0)]);
        assert_eq!(broken, ["rimnet 0.0.0 fp32: 85.0 % right, the floor is 90.0 %"]);
        assert_eq!(gates.broken(&[table(60, 0, 1.0)]).len(), 1, "too few attempts");
        let int8 = Table { precision: "int8".to_owned(), ..table(95, 5, 1.0) };
        assert!(gates.broken(&[int8])[0].contains("no floor"));
        assert_eq!(gates.not_asked_for(&[("rimnet", "int8")]), ["rimnet:fp32"]);
        assert!(gates.not_asked_for(&[("other", "fp32"), ("rimnet", "fp32")]).is_empty());
        assert_eq!(Gates::parse(FORM).expect("a form that holds").gate.len(), 1);
        let said = Gates::parse("").expect_err("no floors").to_string();
        assert!(said.contains("no [[gate]]") && said.contains(FORM), "{said}");
        assert!(Gates::parse("[[gate]]\nbundel = \"x\"").is_err());
        for wrong in ["nan", "97.5", "-0.1"] {
            let said = Gates::parse(&text.replacen("right = ", &format!("right = {wrong} # "), 1));
            assert!(said.expect_err(wrong).to_string().contains("right is"), "{wrong}");
        }
    }

    #[test]
    fn a_bundle_is_promoted_when_it_is_better_beyond_chance_or_as_good_and_quicker() {
        assert!(promote(&table(200, 0, 1.0), &table(180, 20, 1.0)).is_ok());
        assert!(promote(&table(200, 0, 1.0), &table(198, 2, 1.0)).is_err(), "by chance");
        assert!(promote(&table(198, 2, 0.8), &table(198, 2, 1.0)).is_ok(), "quicker");
        assert!(promote(&table(190, 10, 0.5), &table(200, 0, 1.0)).is_err(), "worse");
        assert!(promote(&table(50, 0, 1.0), &table(40, 10, 1.0)).is_err(), "too few");
        let learnt = Table { trained_on: vec!["A".to_owned()], ..table(200, 0, 1.0) };
        assert!(promote(&learnt, &table(180, 20, 1.0)).expect_err("seen").contains("of A"));
        assert!(promote(&table(200, 0, 1.0), &learnt).is_err(), "no better than what has seen it");
    }
}
