//! What `eval` prints: a table a bundle, the bundles side by side, and the same as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::detect::Bundle;
use crate::tools::eval::score::{Judged, Score, clopper_pearson, paired, percentile, real};
use crate::tools::eval::sheet::Row;
use crate::tools::eval::truth::Video;

/// Courts below which resampling them tells nothing.
const LEAST_COURTS: usize = 3;
/// Resamplings of the courts.
const RESAMPLED: usize = 2_000;

/// One bundle's result.
pub(super) struct Table {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) precision: String,
    pub(super) courts: BTreeMap<String, Score>,
    /// Widths of the rings of each court, pixels.
    pub(super) rings: BTreeMap<String, Vec<f64>>,
    pub(super) ms_per_frame: Option<f64>,
    /// What was not called right, in the order of the sheet, then calls of none.
    pub(super) wrong: Vec<String>,
    pub(super) none: Vec<String>,
    /// What each attempt was called, in order, for comparisons.
    pub(super) called: Vec<(String, Judged)>,
    pub(super) sheet: Vec<Row>,
    /// Lines for a person, below the table.
    pub(super) notes: Vec<String>,
}

impl Table {
    pub(super) fn new(bundle: &Bundle) -> Self {
        Self::empty(&bundle.name, &bundle.version, &bundle.file.precision)
    }

    /// A table of one court, for tests.
    #[cfg(test)]
    pub(super) fn of(name: &str, precision: &str, court: &str, score: Score) -> Self {
        let courts = BTreeMap::from([(court.to_owned(), score)]);
        Self { courts, ..Self::empty(name, "0.0.0", precision) }
    }

    fn empty(name: &str, version: &str, precision: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            precision: precision.to_owned(),
            courts: BTreeMap::new(),
            rings: BTreeMap::new(),
            ms_per_frame: None,
            wrong: Vec::new(),
            none: Vec::new(),
            called: Vec::new(),
            sheet: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds what one video came to, and when calls came that belong to no attempt, s.
    pub(super) fn take(&mut self, video: &Video, score: &Score, none: &[f64]) {
        let file = video.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for judged in &score.judged {
            if !judged.right() {
                self.wrong.push(told(&file, judged));
            }
            self.called.push((file.clone(), *judged));
        }
        let line = |at: &f64| format!("{file} {at:.2} s: a call, but no attempt");
        self.none.extend(none.iter().map(line));
        let rings = self.rings.entry(video.court.clone()).or_default();
        rings.extend(video.rims.iter().map(|rim| f64::from(rim.w)));
        self.courts.entry(video.court.clone()).or_default().add(score);
    }

    pub(super) fn title(&self) -> String {
        format!("{} {} {}", self.name, self.version, self.precision)
    }

    pub(super) fn total(&self) -> Score {
        let mut total = Score::default();
        self.courts.values().for_each(|score| total.add(score));
        total
    }

    /// 95 % interval of the share that is right, resampling whole courts (percentile bootstrap, seed
    /// fixed): attempts of one court go wrong together. `None` with few courts.
    fn by_court(&self) -> Option<(f64, f64)> {
        let courts: Vec<(usize, usize)> =
            self.courts.values().map(|score| (score.right(), score.attempts())).collect();
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
}

const fn word(made: bool) -> &'static str {
    if made { "made" } else { "missed" }
}

const fn said(judged: &Judged) -> &'static str {
    match judged.call {
        None => "not called",
        Some(call) => match call.made {
            None => "unsure",
            Some(made) => word(made),
        },
    }
}

fn told(file: &str, judged: &Judged) -> String {
    let truth = judged.truth;
    format!(
        "{file} {:.2} s: {}, {}",
        truth.t_rim,
        word(truth.made),
        match judged.call {
            Some(call) if call.made.is_some() => {
                format!("called {} at {:.0} %", said(judged), 100.0 * call.confidence)
            }
            _ => said(judged).to_owned(),
        }
    )
}

fn or_dash(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

/// Prints every table, the bundles side by side, and what gates and promotion say.
pub(super) fn print(
    tables: &[Table],
    wrong: bool,
    broken: &[String],
    verdict: Option<&Result<String, String>>,
) {
    for table in tables {
        table.print(wrong);
        println!();
    }
    if tables.len() > 1 {
        side_by_side(tables, wrong);
    }
    broken.iter().for_each(|line| println!("gate: {line}"));
    match verdict {
        Some(Ok(why)) => println!("promote: yes: {why}"),
        Some(Err(why)) => println!("promote: no: {why}"),
        None => {}
    }
}

impl Table {
    fn print(&self, wrong: bool) {
        let ms = self.ms_per_frame.map_or_else(String::new, |ms| format!(", {ms:.2} ms a frame"));
        println!("{}{ms}", self.title());
        println!(
            "{:8} {:>6} {:>7} {:>9} {:>9}  {:13} {:>11} {:>7} {:>6}",
            "court",
            "videos",
            "ring px",
            "found",
            "right",
            "95 % interval",
            "made/missed",
            "unsure",
            "false"
        );
        for (court, score) in &self.courts {
            self.row(court, score);
        }
        let total = self.total();
        if self.courts.len() > 1 {
            self.row("all", &total);
        }
        if let Some((low, high)) = self.by_court() {
            println!("by court the interval of all is {:.0}–{:.0}", 100.0 * low, 100.0 * high);
        }
        let [made, missed] = total.confusion();
        println!(
            "{:12} {:>6} {:>7} {:>7} {:>11}",
            "was \\ called", "made", "missed", "unsure", "not called"
        );
        for (name, [a, b, c, d]) in [("made", made), ("missed", missed)] {
            println!("{name:12} {a:>6} {b:>7} {c:>7} {d:>11}");
        }
        let (low, high) = clopper_pearson(total.right(), total.called());
        println!(
            "of those called {:.1} % right ({:.0}–{:.0}), of those called made {} % were; AUC {}, calibration error {}",
            100.0 * real(total.right()) / real(total.called()).max(1.0),
            100.0 * low,
            100.0 * high,
            or_dash(total.made_precision().map(|share| 100.0 * share), 1),
            or_dash(total.auc(), 3),
            or_dash(total.calibration_error(), 3),
        );
        let (first, last) = (total.first_delays(), total.final_delays());
        println!(
            "first word after the ring p50 {} p95 {} s, last after the truth p50 {} p95 {} s; {} false an hour of stream",
            or_dash(percentile(&first, 50), 2),
            or_dash(percentile(&first, 95), 2),
            or_dash(percentile(&last, 50), 2),
            or_dash(percentile(&last, 95), 2),
            or_dash(total.false_per_hour(), 0),
        );
        self.notes.iter().for_each(|line| println!("{line}"));
        if wrong {
            (1..).zip(&self.wrong).for_each(|(number, line)| println!("{number:>4}  {line}"));
            self.none.iter().for_each(|line| println!("      {line}"));
        }
    }

    fn row(&self, court: &str, score: &Score) {
        let (low, high) = clopper_pearson(score.right(), score.attempts());
        let share = 100.0 * real(score.right()) / real(score.attempts()).max(1.0);
        let [[_, made_missed, ..], [missed_made, ..]] = score.confusion();
        let rings = self.rings.get(court).map(|rings| {
            let mut rings = rings.clone();
            rings.sort_by(f64::total_cmp);
            percentile(&rings, 50).unwrap_or_default()
        });
        println!(
            "{court:8} {:>6} {:>7} {:>9} {:>9}  {share:>3.0} ({:>2.0}–{:>3.0})  {:>11} {:>7} {:>6}",
            score.videos,
            or_dash(rings, 0),
            format!("{}/{}", score.found(), score.attempts()),
            format!("{}/{}", score.right(), score.attempts()),
            100.0 * low,
            100.0 * high,
            format!("{made_missed}/{missed_made}"),
            score.unsure(),
            score.false_events,
        );
    }
}

/// One line a bundle, then each against the first, attempt by attempt.
fn side_by_side(tables: &[Table], flips: bool) {
    println!(
        "{:24} {:>5} {:>6} {:>6}  {:13} {:>6} {:>6} {:>6} {:>7} {:>9} {:>6}",
        "bundle",
        "n",
        "found",
        "right",
        "95 % interval",
        "unsure",
        "AUC",
        "calib.",
        "false/h",
        "final p95",
        "ms"
    );
    for table in tables {
        let total = table.total();
        let (low, high) = clopper_pearson(total.right(), total.attempts());
        println!(
            "{:24} {:>5} {:>6} {:>6}  {:>3.0} ({:>2.0}–{:>3.0})  {:>6} {:>6} {:>6} {:>7} {:>9} {:>6}",
            table.title(),
            total.attempts(),
            total.found(),
            total.right(),
            100.0 * real(total.right()) / real(total.attempts()).max(1.0),
            100.0 * low,
            100.0 * high,
            total.unsure(),
            or_dash(total.auc(), 3),
            or_dash(total.calibration_error(), 3),
            or_dash(total.false_per_hour(), 0),
            or_dash(percentile(&total.final_delays(), 95), 2),
            or_dash(table.ms_per_frame, 2),
        );
    }
    let Some((first, rest)) = tables.split_first() else { return };
    for other in rest {
        let pair = paired(&first.total(), &other.total());
        println!(
            "{} against {}: right alone {}, {}; p {:.3} (McNemar)",
            first.title(),
            other.title(),
            pair.only_first,
            pair.only_second,
            pair.p
        );
        if flips {
            for ((file, a), (_, b)) in first.called.iter().zip(&other.called) {
                if said(a) != said(b) {
                    println!(
                        "      {file} {:.2} s: {}, called {} and {}",
                        a.truth.t_rim,
                        word(a.truth.made),
                        said(a),
                        said(b)
                    );
                }
            }
        }
    }
}

/// The same as one JSON object.
pub(super) fn json(
    tables: &[Table],
    broken: &[String],
    verdict: Option<&Result<String, String>>,
) -> Value {
    let pairs: Vec<Value> = tables
        .split_first()
        .map(|(first, rest)| {
            rest.iter()
                .map(|other| {
                    let pair = paired(&first.total(), &other.total());
                    json!({
                        "first": first.title(), "second": other.title(),
                        "only_first": pair.only_first, "only_second": pair.only_second, "p": pair.p,
                    })
                })
                .collect()
        })
        .unwrap_or_default();
    json!({
        "bundles": tables.iter().map(Table::json).collect::<Vec<_>>(),
        "pairs": pairs,
        "broken": broken,
        "promote": verdict.map(|verdict| json!({
            "may": verdict.is_ok(),
            "why": match verdict { Ok(why) | Err(why) => why },
        })),
    })
}

impl Table {
    fn json(&self) -> Value {
        let total = self.total();
        let by_court = self.by_court();
        let mut whole = numbers(&total);
        let more = json!({
            "name": self.name,
            "version": self.version,
            "precision": self.precision,
            "low_by_court": by_court.map(|(low, _)| low),
            "high_by_court": by_court.map(|(_, high)| high),
            "false_events_per_hour": total.false_per_hour(),
            "ms_per_frame": self.ms_per_frame,
            "courts": self.courts.iter().map(|(court, score)| {
                let mut row = numbers(score);
                if let Some(row) = row.as_object_mut() {
                    row.insert("court".to_owned(), json!(court));
                }
                row
            }).collect::<Vec<_>>(),
        });
        if let (Some(whole), Value::Object(more)) = (whole.as_object_mut(), more) {
            whole.extend(more);
        }
        whole
    }
}

fn numbers(score: &Score) -> Value {
    let (n, right, called) = (score.attempts(), score.right(), score.called());
    let (low, high) = clopper_pearson(right, n);
    let (called_low, called_high) = clopper_pearson(right, called);
    let [made, missed] = score.confusion();
    let (first, last) = (score.first_delays(), score.final_delays());
    json!({
        "videos": score.videos,
        "n": n,
        "found": score.found(),
        "right": right,
        "accuracy": real(right) / real(n).max(1.0),
        "low": low,
        "high": high,
        "unsure": score.unsure(),
        "called": called,
        "called_accuracy": real(right) / real(called).max(1.0),
        "called_low": called_low,
        "called_high": called_high,
        "confusion": {"made": made, "missed": missed, "columns": ["made", "missed", "unsure", "not_called"]},
        "made_precision": score.made_precision(),
        "auc": score.auc(),
        "calibration_error": score.calibration_error(),
        "false_events": score.false_events,
        "first_p50_s": percentile(&first, 50),
        "first_p95_s": percentile(&first, 95),
        "final_p50_s": percentile(&last, 50),
        "final_p95_s": percentile(&last, 95),
    })
}
