//! `[health]`: what the box says of itself.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::fault::{Findings, nearest};

/// Starts, stops and changes of state (STYLE 2.36).
const LOG: &str = "info";

/// `[health]`, checked.
#[derive(Clone, Debug)]
pub struct HealthConfig {
    /// What is logged, as `tracing`'s filters are written; `info` unless given.
    pub log: String,
}

/// What the box says of itself.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHealth {
    /// What is logged: "error", "warn", "info", "debug", "trace", or by part: "info,courtside::ingest=debug".
    #[schemars(extend("x-applies" = "hot"))]
    #[schemars(with = "Option<String>")]
    log: Option<Spanned<String>>,
}

/// Longer than a filter for every part of the program (chosen).
const LOG_MOST_BYTES: usize = 4096;

/// The levels, loudest last.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A word that is taken for the name of a part, of which there is none: a level misspelt.
fn silent(filter: &str) -> Option<&str> {
    let bare = |directive: &&str| !directive.contains(['=', '[', ':']);
    filter.split(',').map(str::trim).filter(bare).find(|word| {
        let level = LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level));
        // A number is a level too, and some part of a program may be asked for by its name alone.
        !word.is_empty() && !level && word.parse::<u8>().is_err() && *word != "courtside"
    })
}

impl RawHealth {
    pub(super) fn check(self, findings: &mut Findings<'_>) -> HealthConfig {
        let log = self.log.map_or_else(
            || LOG.to_owned(),
            |written| {
                let filter = written.get_ref();
                if filter.len() > LOG_MOST_BYTES {
                    let text = format!("`log` is longer than {LOG_MOST_BYTES} bytes: name fewer parts");
                    findings.fault(written.span(), text);
                } else if filter.parse::<tracing_subscriber::filter::EnvFilter>().is_err() {
                    let text =
                        "`log` is no filter: write a level, or \"info,courtside::ingest=debug\"";
                    findings.fault(written.span(), text);
                } else if let Some(word) = silent(filter) {
                    let near = nearest(word, LEVELS).map_or_else(String::new, |level| {
                        format!("write \"{level}\", or ")
                    });
                    let text = format!(
                        "`{word}` of `log` is no level, and nothing else would be logged: {near}one \
                         of {}",
                        LEVELS.join(", ")
                    );
                    findings.fault(written.span(), text);
                }
                written.into_inner()
            },
        );
        HealthConfig { log }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_level_would_silence_everything() {
        for filter in ["warning", "info,verbose", "Inof"] {
            assert!(silent(filter).is_some(), "{filter}");
        }
        let good =
            ["info", "INFO", "3", "", "info,courtside::ingest=debug", "courtside=trace,warn"];
        for filter in good {
            assert_eq!(silent(filter), None, "{filter}");
        }
    }
}
