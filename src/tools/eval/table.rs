//! What `eval` prints: courts and confusion of each bundle, then the bundles side by side.
//!
//! Everything fits on a hundred columns. An interval without a word is Clopper and Pearson's, shot by
//! shot; where attempts of several courts are one figure, the interval by court stands below it, with
//! how many courts it is of. Clips, whose ends are held, and streams are told apart where both are.

use std::collections::BTreeMap;

use crate::detect::Bundle;
use crate::health::TINY_RING_PX;
use crate::media::Foreign;
use crate::tools::eval::score::{
    ByCourt, Judged, Score, by_court, clopper_pearson, paired, percentile, real,
};
use crate::tools::eval::sheet::Row;
use crate::tools::eval::strata::Strata;
use crate::tools::eval::truth::Video;
use crate::tools::tell::tell;

/// Shares of the calls that `--coverage` lets abstain.
pub(super) const SHARES: [f64; 6] = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2];
/// Bundles whose figures stand side by side on a hundred columns.
const SIDE_BY_SIDE: usize = 3;

/// What to print beside the courts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Show {
    pub(super) wrong: bool,
    pub(super) strata: bool,
    pub(super) coverage: bool,
}

/// One bundle's result.
pub(super) struct Table {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) precision: String,
    pub(super) courts: BTreeMap<String, Score>,
    /// The same attempts by what they were cut from: clips, then streams.
    pub(super) cuts: [Score; 2],
    /// Attempts on rings so narrow that no call of them is relied on.
    pub(super) narrow: usize,
    /// Widths of the rings of each court, pixels.
    pub(super) rings: BTreeMap<String, Vec<f64>>,
    pub(super) strata: Strata,
    /// There are clips, of which the first and the last picture were held.
    pub(super) held: bool,
    /// What ran the network, and the median of its times.
    pub(super) engine: Option<String>,
    pub(super) ms_per_frame: Option<f64>,
    /// What was not called right, in the order of the sheet, then calls of none.
    pub(super) wrong: Vec<String>,
    pub(super) none: Vec<String>,
    /// What each attempt was called, in order, for comparisons.
    pub(super) called: Vec<(String, Judged)>,
    pub(super) sheet: Vec<Row>,
    /// Lines for a person, below the table.
    pub(super) notes: Vec<String>,
    /// Courts whose footage the bundle was trained on.
    pub(super) trained_on: Vec<String>,
}

impl Table {
    pub(super) fn new(bundle: &Bundle) -> Self {
        Self {
            trained_on: bundle.provenance.seen.clone(),
            ..Self::empty(&bundle.name, &bundle.version, &bundle.file.precision)
        }
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
            cuts: Default::default(),
            narrow: 0,
            rings: BTreeMap::new(),
            strata: Strata::default(),
            held: false,
            engine: None,
            ms_per_frame: None,
            wrong: Vec::new(),
            none: Vec::new(),
            called: Vec::new(),
            sheet: Vec::new(),
            notes: Vec::new(),
            trained_on: Vec::new(),
        }
    }

    /// Courts of this truth that the bundle was trained on.
    pub(super) fn seen(&self) -> Vec<&str> {
        let seen = |court: &&str| self.trained_on.iter().any(|known| known == court);
        self.courts.keys().map(String::as_str).filter(seen).collect()
    }

    /// Adds what one video came to, and when calls came that belong to no attempt, s.
    pub(super) fn take(&mut self, video: &Video, score: &Score, none: &[f64]) {
        let file = Foreign::path(video.file.file_name().unwrap_or_default()).to_string();
        for judged in &score.judged {
            if !judged.right() {
                self.wrong.push(told(&file, judged));
            }
            self.called.push((file.clone(), judged.clone()));
        }
        let line = |at: &f64| format!("{file} {at:.2} s: a call, but no attempt");
        self.none.extend(none.iter().map(line));
        let rings = self.rings.entry(video.court.clone()).or_default();
        rings.extend(video.rims.iter().map(|rim| f64::from(rim.w)));
        self.courts.entry(video.court.clone()).or_default().add(score);
        let [clips, streams] = &mut self.cuts;
        (if video.clip { clips } else { streams }).add(score);
        let width = |judged: &Judged| {
            judged.truth.ring_px.or(video.rims.first().map(|rim| f64::from(rim.w)))
        };
        let narrow = |judged: &&Judged| width(judged).is_some_and(|width| width < TINY_RING_PX);
        self.narrow += score.judged.iter().filter(narrow).count();
        self.held |= video.clip;
    }

    pub(super) fn title(&self) -> String {
        format!("{} {} {}", self.name, self.version, self.precision)
    }

    pub(super) fn total(&self) -> Score {
        let mut total = Score::default();
        self.courts.values().for_each(|score| total.add(score));
        total
    }

    /// What is right of all, and of what was called, over the courts.
    pub(super) fn by_court(&self) -> [ByCourt; 2] {
        let courts = || self.courts.values();
        [
            by_court(courts().map(|score| (score.right(), score.attempts()))),
            by_court(courts().map(|score| (score.right(), score.called()))),
        ]
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
    let truth = &judged.truth;
    let kind = truth.kind.as_deref().map_or_else(String::new, |kind| format!(" ({kind})"));
    format!(
        "{file} {:.2} s: {}{kind}, {}",
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

/// `97.1 (94–99)`, per cent; or a dash for a share of nothing.
fn share(k: usize, n: usize) -> String {
    if n == 0 {
        return "-".to_owned();
    }
    format!("{:.1} {}", 100.0 * real(k) / real(n), interval(clopper_pearson(k, n)))
}

fn interval((low, high): (f64, f64)) -> String {
    format!("({:.0}–{:.0})", 100.0 * low, 100.0 * high)
}

/// `(91–98) 15 courts`, or that these are too few.
fn of_courts(of: ByCourt) -> String {
    let courts = format!("{} court{}", of.courts, if of.courts == 1 { "" } else { "s" });
    match of.interval {
        Some(ends) => format!("{} {courts}", interval(ends)),
        None => format!("- too few ({courts})"),
    }
}

/// `3 = 1.4 %`; or a dash for a share of nothing.
fn counted(k: usize, n: usize) -> String {
    if n == 0 {
        return "-".to_owned();
    }
    format!("{k} = {:.1} %", 100.0 * real(k) / real(n))
}

/// Prints every table, the bundles side by side, and what gates and promotion say.
pub(super) fn print(
    tables: &[Table],
    show: Show,
    broken: &[String],
    verdict: Option<&Result<String, String>>,
) {
    for table in tables {
        lines(table, show).iter().for_each(tell);
        tell("");
    }
    for some in tables.chunks(SIDE_BY_SIDE) {
        side_by_side(some).iter().for_each(tell);
    }
    if let Some((first, rest)) = tables.split_first() {
        for other in rest {
            compared(first, other, show.wrong).iter().for_each(tell);
        }
        if show.coverage {
            tell("");
            coverage(first).iter().for_each(tell);
        }
    }
    broken.iter().for_each(|line| tell(format_args!("gate: {line}")));
    match verdict {
        Some(Ok(why)) => tell(format_args!("promote: yes: {why}")),
        Some(Err(why)) => tell(format_args!("promote: no: {why}")),
        None => {}
    }
}

/// Courts, confusion, strata, and what was wrong.
fn lines(table: &Table, show: Show) -> Vec<String> {
    let mut lines = vec![table.title()];
    lines.push(format!(
        "{:<12} {:>6} {:>7} {:>11} {:>6}  {:14} {:>11} {:>10} {:>6} {:>6}",
        "court",
        "videos",
        "ring px",
        "found",
        "right",
        "%, interval",
        "false makes",
        "lost makes",
        "unsure",
        "false"
    ));
    lines.extend(table.courts.iter().map(|(court, score)| table.row(court, score)));
    let total = table.total();
    let [clips, streams] = &table.cuts;
    if clips.videos > 0 && streams.videos > 0 {
        lines.push(table.row("clips", clips));
        lines.push(table.row("streams", streams));
    }
    if table.courts.len() > 1 {
        lines.push(table.row("all", &total));
    }
    if table.narrow > 0 {
        lines.push(format!(
            "{} of the attempts are on rings narrower than {TINY_RING_PX} pixels: calls of these cannot be relied on",
            table.narrow
        ));
    }
    if table.held {
        lines
            .push("clips: the first picture is held for 1 s before, the last for 1 s after".into());
    }
    let [made, missed] = total.confusion();
    let row = |name: &str, cells: [&str; 4]| {
        let [a, b, c, d] = cells;
        format!("{name:<12} {a:>6} {b:>7} {c:>9} {d:>10}")
    };
    lines.push(row("was \\ called", ["made", "missed", "unsure", "not called"]));
    for (name, cells) in [("made", made), ("missed", missed)] {
        let cells = cells.map(|cell| cell.to_string());
        lines.push(row(name, cells.each_ref().map(String::as_str)));
    }
    let seen = table.seen();
    if !seen.is_empty() {
        lines.push(format!(
            "trained on footage of {}: no figure on a court that it has seen says anything",
            seen.join(", ")
        ));
    }
    lines.extend(table.notes.iter().cloned());
    if show.strata {
        lines.push(String::new());
        lines.extend(strata(&table.strata));
    }
    if show.wrong {
        lines.extend((1..).zip(&table.wrong).map(|(number, line)| format!("{number:>4}  {line}")));
        lines.extend(table.none.iter().map(|line| format!("      {line}")));
    }
    lines
}

impl Table {
    fn row(&self, court: &str, score: &Score) -> String {
        let rings = self.rings.get(court).map(|rings| {
            let mut rings = rings.clone();
            rings.sort_by(f64::total_cmp);
            percentile(&rings, 50).unwrap_or_default()
        });
        format!(
            "{court:<12} {:>6} {:>7} {:>11} {:>6}  {:14} {:>11} {:>10} {:>6} {:>6}",
            score.videos,
            or_dash(rings, 0),
            format!("{}/{}", score.found(), score.attempts()),
            score.right(),
            share(score.right(), score.attempts()),
            score.false_makes(),
            score.lost_makes(),
            score.unsure(),
            score.false_events,
        )
    }

    /// Every figure that bundles are compared by, with its name.
    fn figures(&self) -> Vec<(&'static str, String)> {
        let total = self.total();
        let (n, right, called) = (total.attempts(), total.right(), total.called());
        let [all_by_court, called_by_court] = self.by_court();
        let delays = |of: &[f64]| {
            format!("{} {}", or_dash(percentile(of, 50), 2), or_dash(percentile(of, 95), 2))
        };
        let precise = total.made_precision().map(|share| 100.0 * share);
        let ms = or_dash(self.ms_per_frame, 2);
        vec![
            ("attempts", n.to_string()),
            ("found", counted(total.found(), n)),
            ("right of those called, %", share(right, called)),
            ("  by court", of_courts(called_by_court)),
            ("unsure", counted(total.unsure(), n)),
            ("right of all, unsure is wrong, %", share(right, n)),
            ("  by court", of_courts(all_by_court)),
            ("false makes, lost makes", format!("{} {}", total.false_makes(), total.lost_makes())),
            ("made of those called made, %", or_dash(precise, 1)),
            ("AUC", or_dash(total.auc(), 3)),
            ("calibration error", or_dash(total.calibration_error(), 3)),
            ("false events; an hour of stream", {
                format!("{} {}", total.false_events, or_dash(total.false_per_hour(), 0))
            }),
            ("ring to first word p50 p95, s", delays(&total.first_delays())),
            ("truth to last word p50 p95, s", delays(&total.final_delays())),
            ("ms a frame", format!("{ms} {}", self.engine.as_deref().unwrap_or(""))),
        ]
    }
}

/// A line a figure, a column a bundle.
fn side_by_side(tables: &[Table]) -> Vec<String> {
    let columns: Vec<_> = tables.iter().map(Table::figures).collect();
    let line = |name: &str, cells: &mut dyn Iterator<Item = &str>| {
        let mut line = format!("{name:33}");
        cells.for_each(|cell| line.push_str(&format!(" {cell:<21}")));
        line.trim_end().to_owned()
    };
    let builds: Vec<String> =
        tables.iter().map(|table| format!("{} {}", table.version, table.precision)).collect();
    let mut lines = vec![
        line("", &mut tables.iter().map(|table| table.name.as_str())),
        line("", &mut builds.iter().map(String::as_str)),
    ];
    let Some(first) = columns.first() else { return lines };
    for (index, (name, _)) in first.iter().enumerate() {
        let mut cells =
            columns.iter().filter_map(|column| column.get(index)).map(|(_, cell)| cell.as_str());
        lines.push(line(name, &mut cells));
    }
    lines
}

/// One bundle against another, attempt by attempt.
fn compared(first: &Table, other: &Table, flips: bool) -> Vec<String> {
    let pair = paired(&first.total(), &other.total());
    let mut lines = vec![format!(
        "{} against {}: right alone {}, {}; p {:.3} (McNemar)",
        first.title(),
        other.title(),
        pair.only_first,
        pair.only_second,
        pair.p
    )];
    if flips {
        let both = first.called.iter().zip(&other.called);
        let flipped = both.filter(|((_, a), (_, b))| said(a) != said(b));
        lines.extend(flipped.map(|((file, a), (_, b))| {
            format!(
                "      {file} {:.2} s: {}, called {} and {}",
                a.truth.t_rim,
                word(a.truth.made),
                said(a),
                said(b)
            )
        }));
    }
    lines
}

/// A table a dimension.
fn strata(strata: &Strata) -> Vec<String> {
    let mut lines = Vec::new();
    // A result of answers played again has none.
    for (_, title, strata) in strata.dimensions().filter(|(.., strata)| !strata.is_empty()) {
        lines.push(format!(
            "{title:<18} {:>6} {:>6}  {:14} {:>11} {:>10} {:>6}",
            "n", "right", "%, interval", "false makes", "lost makes", "unsure"
        ));
        for stratum in strata {
            let total = stratum.total();
            lines.push(format!(
                "{:<18} {:>6} {:>6}  {:14} {:>11} {:>10} {:>6}",
                stratum.name,
                total.attempts(),
                total.right(),
                share(total.right(), total.attempts()),
                total.false_makes(),
                total.lost_makes(),
                total.unsure()
            ));
        }
    }
    lines
}

/// What calls gain when the least sure abstain.
fn coverage(table: &Table) -> Vec<String> {
    let mut lines = vec![
        format!("{}: if the least sure of its calls were unsure (--unsure ODDS)", table.title()),
        format!(
            "{:>7} {:>7} {:>9} {:>7} {:>6}  %, interval",
            "at most", "ODDS", "abstain", "called", "right"
        ),
    ];
    lines.extend(table.total().coverage(&SHARES).iter().map(|cut| {
        format!(
            "{:>7} {:>7.3} {:>9} {:>7} {:>6}  {}",
            format!("{:.0} %", 100.0 * cut.share),
            cut.odds,
            cut.abstained,
            cut.called,
            cut.right,
            share(cut.right, cut.called)
        )
    }));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::eval::score::Call;
    use crate::tools::eval::strata::Facts;
    use crate::tools::eval::truth::Attempt;

    /// The widest numbers that a night's run would bring.
    fn wide(name: &str) -> Table {
        let judged = |index: usize| {
            let truth =
                Attempt { made: index.is_multiple_of(2), t_truth: 0.1, ..Attempt::default() };
            let made = match index % 10 {
                0..7 => Some(truth.made),
                7 | 8 => Some(!truth.made),
                _ => None,
            };
            let call = Call { t: 0.0, told: 10.5, decided: 12.5, made, confidence: 0.9 };
            Judged { truth, call: Some(call) }
        };
        let judged: Vec<Judged> = (0..12_000).map(judged).collect();
        let score = Score { videos: 12_000, judged, false_events: 4_000, ..Score::default() };
        let mut table = Table::of(name, "fp32", "a-long-court", score.clone());
        table.courts.insert("B".to_owned(), score.clone());
        table.courts.insert("C".to_owned(), score.clone());
        table.strata.take(&Facts::default(), &score.judged);
        table.cuts = [score.clone(), score];
        table.narrow = 36_000;
        table.held = true;
        table.ms_per_frame = Some(12.34);
        table.engine = Some("builtin".to_owned());
        table
    }

    #[test]
    fn everything_fits_on_a_hundred_columns() {
        let tables = ["rimnet", "rimnet-tuned", "rimnet"].map(wide);
        let show = Show { wrong: false, strata: true, coverage: true };
        let mut all = lines(&tables[1], show);
        all.extend(side_by_side(&tables));
        all.extend(compared(&tables[0], &tables[1], false));
        all.extend(coverage(&tables[1]));
        for line in all {
            assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
            assert_eq!(line.trim_end(), line, "blanks at the end");
        }
    }

    #[test]
    fn every_figure_is_told() {
        let table = wide("rimnet");
        let told = side_by_side(std::slice::from_ref(&table)).join("\n");
        for part in [
            "36000 = 100.0 %", // found
            "77.8 (77–78)",    // of those called
            "3600 = 10.0 %",   // unsure
            "70.0 (70–70)",    // of all
            "3600 3600",       // false makes, lost makes
            "77.8",            // of those called made
            "10.50 10.50",
            "12.40 12.40",
            "12.34 builtin",
        ] {
            assert!(told.contains(part), "no {part} in\n{told}");
        }
        let courts = lines(&table, Show { wrong: false, strata: false, coverage: false });
        assert!(courts.iter().any(|line| line.starts_with("clips: the first picture is held")));
        assert!(!courts.iter().any(|line| line.starts_with("ring width")));
        assert_eq!(share(0, 0), "-");
        for part in ["clips ", "streams ", "36000 of the attempts are on rings narrower than 14"] {
            assert!(courts.iter().any(|line| line.starts_with(part)), "{part}: {courts:#?}");
        }
    }

    #[test]
    fn an_interval_by_court_says_of_how_many_courts() {
        let call = Call { t: 0.0, told: 0.1, decided: 0.1, made: Some(true), confidence: 0.9 };
        let judged = [true, true, true, false]
            .map(|made| Judged { truth: Attempt { made, ..Attempt::default() }, call: Some(call) });
        let score = Score { judged: judged.to_vec(), ..Score::default() };
        let mut table = Table::of("rimnet", "fp32", "A", score.clone());
        for court in ["B", "C"] {
            table.courts.insert(court.to_owned(), score.clone());
        }
        let of = |table: &Table| side_by_side(std::slice::from_ref(table)).join("\n");
        assert_eq!(of(&table).matches("- too few (3 courts)").count(), 2, "{}", of(&table));
        for court in ["D", "E"] {
            table.courts.insert(court.to_owned(), table.courts["B"].clone());
        }
        assert!(of(&table).contains("  by court                        (75–75) 5 courts"));
        table.courts.retain(|court, _| court == "B");
        assert!(of(&table).contains("- too few (1 court)"));
    }

    #[test]
    fn where_all_is_doubtful_nothing_is_a_share() {
        let table = Table::of("rimnet", "fp32", "A", Score::default());
        let told = side_by_side(&[table]).join("\n");
        assert!(!told.contains("0.0 %"), "{told}");
        assert!(told.lines().any(|line| line.split_whitespace().eq(["found", "-"])), "{told}");
    }

    #[test]
    fn clips_streams_and_narrow_rings_are_told_apart() {
        let text = |file: &str, width: f32| Video {
            file: file.into(),
            told_in: String::new(),
            court: "A".to_owned(),
            camera: "A".to_owned(),
            rims: vec![crate::media::RimBox { x: 0.0, y: 0.0, w: width, h: 5.0 }],
            attempts: Vec::new(),
            clip: file == "clip",
            fps: None,
            net: None,
        };
        let score = |attempts: usize| {
            let one = Judged { truth: Attempt::default(), call: None };
            Score { videos: 1, judged: vec![one; attempts], ..Score::default() }
        };
        let mut table = Table::of("rimnet", "fp32", "A", Score::default());
        let show = Show { wrong: false, strata: false, coverage: false };
        table.take(&text("clip", 14.0), &score(1), &[]);
        assert!(!lines(&table, show).iter().any(|line| line.starts_with("clips  ")));
        table.take(&text("stream", 13.9), &score(3), &[]);
        let told = lines(&table, show);
        let row = |name: &str| {
            told.iter().find(|line| line.starts_with(name)).map(|line| line.contains("0/3"))
        };
        assert_eq!((row("clips  "), row("streams")), (Some(false), Some(true)), "{told:#?}");
        assert!(told.iter().any(|line| line.starts_with("3 of the attempts are on rings")));
    }
}
