//! `[health]`: what the box says of itself.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::fault::Findings;

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
    #[schemars(with = "Option<String>")]
    log: Option<Spanned<String>>,
}

impl RawHealth {
    pub(super) fn check(self, findings: &mut Findings<'_>) -> HealthConfig {
        let log = self.log.map_or_else(
            || LOG.to_owned(),
            |written| {
                if written.get_ref().parse::<tracing_subscriber::filter::EnvFilter>().is_err() {
                    let text =
                        "`log` is no filter: write a level, or \"info,courtside::ingest=debug\"";
                    findings.fault(written.span(), text);
                }
                written.into_inner()
            },
        );
        HealthConfig { log }
    }
}
