//! The two text formats of metrics: which one was asked for, and the older one made of the newer. Pure.
//!
//! OpenMetrics 1.0 describes a counter by its family's name (`# TYPE x counter`) and writes its sample as
//! `x_total`. Prometheus' text format 0.0.4 knows no families: there `x_total` must be described itself, or a
//! checker misses its help. It knows no units and no end mark either.

use std::fmt::Write as _;

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus' 0.0.4: what is given to who asks for nothing.
    Classic,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// What `Accept` asks for (RFC 9110, 12.5.1): OpenMetrics only where it is named and liked no less.
    pub(super) fn asked(accept: &str) -> Self {
        let (mut open, mut plain) = (0.0_f64, None::<f64>);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut q, mut known) = (1.0, true);
            for part in parts {
                match part.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
                    Some((name, value)) if name.eq_ignore_ascii_case("q") => {
                        q = value.parse().unwrap_or(0.0);
                    }
                    Some((name, value)) if name.eq_ignore_ascii_case("version") => {
                        known = matches!(value.trim_matches('"'), "1.0.0" | "0.0.1");
                    }
                    _ => {}
                }
            }
            match kind.as_str() {
                "application/openmetrics-text" if known => open = open.max(q),
                "text/plain" => plain = Some(plain.map_or(q, |before| before.max(q))),
                _ => {}
            }
        }
        if open > 0.0 && open >= plain.unwrap_or(0.0) { Self::OpenMetrics } else { Self::Classic }
    }

    /// Its content type.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A text of OpenMetrics in the older format.
pub(super) fn classic(open: &str) -> String {
    let mut text = String::with_capacity(open.len() + open.len() / 8);
    // Help comes before type, and which name it is of hangs on the type.
    let mut help: Option<(&str, &str)> = None;
    for line in open.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').or(Some((rest, "")));
        } else if let Some((family, kind)) =
            line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "stateset" => ("", "gauge"),
                "unknown" | "gaugehistogram" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some((_, words)) = help.take().filter(|(of, _)| *of == family) {
                // Quotes are escaped in OpenMetrics' help, and are not here.
                let words = words.replace("\\\"", "\"");
                let _ = writeln!(text, "# HELP {family}{suffix} {words}");
            }
            let _ = writeln!(text, "# TYPE {family}{suffix} {kind}");
        } else if !line.starts_with('#') && !line.is_empty() {
            text.push_str(without_exemplar(line));
            text.push('\n');
        }
    }
    text
}

/// A sample without the exemplar that may stand behind it, ` # {…} …`. A label's value may hold such signs.
fn without_exemplar(sample: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in sample.char_indices() {
        match c {
            '#' if !quoted => return sample.get(..at).unwrap_or(sample).trim_end(),
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    sample
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::event::update::UpdateState;
    use crate::event::upload::UploadsState;
    use crate::health::metrics::{
        DecoderReading, DoorReading, Metrics, ModelReading, Reading, RelayReading, RimReading,
    };
    use crate::mailbox::Ledger;

    #[test]
    fn the_format_is_the_one_that_was_asked_for() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          application/openmetrics-text;version=0.0.1;q=0.5,\
                          text/plain;version=0.0.4;q=0.4,*/*;q=0.3";
        for (accept, format) in [
            ("", Format::Classic),
            ("*/*", Format::Classic),
            ("text/plain", Format::Classic),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Format::Classic),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("Application/OpenMetrics-Text; version=1.0.0; charset=utf-8", Format::OpenMetrics),
            (prometheus, Format::OpenMetrics),
            ("application/openmetrics-text;q=0.3, text/plain;q=0.9", Format::Classic),
            ("application/openmetrics-text;q=0", Format::Classic),
            ("application/openmetrics-text;version=2.0.0", Format::Classic),
            ("application/json", Format::Classic),
        ] {
            assert_eq!(Format::asked(accept), format, "{accept}");
        }
    }

    /// What `promtool check metrics` would find (its rules, by its documentation and its words).
    fn lint(text: &str) -> Vec<String> {
        let (mut kinds, mut helps) = (BTreeMap::new(), BTreeMap::new());
        let mut wrong = Vec::new();
        for line in text.lines() {
            if let Some((name, help)) =
                line.strip_prefix("# HELP ").and_then(|it| it.split_once(' '))
            {
                helps.insert(name.to_owned(), help.to_owned());
            } else if let Some((name, kind)) =
                line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' '))
            {
                if kinds.insert(name.to_owned(), kind.to_owned()).is_some() {
                    wrong.push(format!("{name}: described twice"));
                }
            } else if line.starts_with('#') || line.is_empty() {
                wrong.push(format!("{line}: of no use here"));
            }
        }
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|end| name.strip_suffix(end))
                .find(|family| kinds.get(*family).is_some_and(|kind| kind == "histogram"))
                .unwrap_or(name);
            if !helps.contains_key(family) {
                wrong.push(format!("{name}: no help text"));
            }
            let is_counter = kinds.get(family).is_some_and(|kind| kind == "counter");
            if is_counter != name.ends_with("_total") {
                wrong.push(format!("{name}: a counter ends in _total, and nothing else does"));
            }
            if name != family && !kinds.contains_key(family) {
                wrong.push(format!("{name}: of no family"));
            }
            if line.contains("quantile=\"") {
                wrong.push(format!("{name}: `quantile` is a label of summaries"));
            }
            let units =
                ["_bits_per_second", "_ms", "_milliseconds", "_kb", "_mb", "_minutes", "_percent"];
            if units.iter().any(|unit| family.trim_end_matches("_total").ends_with(unit)) {
                wrong.push(format!("{name}: not in a base unit"));
            }
        }
        wrong
    }

    fn all() -> String {
        let ledger = Ledger::new();
        ledger.hop("north", "decode").offered();
        let metrics = Metrics::new(&ledger);
        metrics.event_seconds.observe(0.01);
        metrics.encode(&Reading {
            stream_up: vec![("north".to_owned(), true)],
            publish_refused: vec![("north".to_owned(), "pictures".to_owned(), 3)],
            calibration: vec![RimReading::default()],
            decoders: vec![DecoderReading::default()],
            doors: vec![DoorReading {
                door: "rtmp",
                refused: vec![("wrong_secret", 7)],
                ..DoorReading::default()
            }],
            relays: vec![RelayReading {
                court: "north".to_owned(),
                relay: "tv \" # 1".to_owned(),
                ..RelayReading::default()
            }],
            models: vec![ModelReading {
                answer_seconds: vec![("0.99", 0.021)],
                ..ModelReading::default()
            }],
            uploads: UploadsState::default(),
            update: UpdateState::default(),
            look: None,
            ..Reading::default()
        })
    }

    #[test]
    fn the_older_format_describes_each_name_that_it_has() {
        let text = classic(&all());
        assert_eq!(lint(&text), Vec::<String>::new(), "{text}");
        assert!(text.contains("# TYPE courtside_refused_total counter\n"));
        assert!(text.contains("# HELP courtside_refused_total Peers refused"));
        assert!(text.contains("# TYPE courtside_event_seconds histogram\n"));
        assert!(!text.contains("# EOF") && !text.contains("# UNIT"));
    }

    #[test]
    fn the_newer_format_given_as_the_older_is_found() {
        let found = lint(&all());
        assert!(found.iter().any(|wrong| wrong.ends_with("no help text")), "{found:?}");
    }

    #[test]
    fn no_sample_is_lost_between_the_two() {
        let samples = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
        let open = all();
        assert_eq!(samples(&open), samples(&classic(&open)));
        let with = "# TYPE x histogram\nx_bucket{le=\"1\"} 1 # {id=\"7\"} 0.5\n";
        assert!(classic(with).ends_with("x_bucket{le=\"1\"} 1\n"));
    }
}
