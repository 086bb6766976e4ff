//! `[upload]`: clips that are sent to object storage, and what they may take of the venue's uplink.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::fault::Findings;
use crate::config::origin::Origin;

/// Part of what the uplink gives (chosen: the venue's own traffic notices little of it).
const SHARE: f64 = 0.7;
/// Less sends nothing in a night.
const LEAST_BITS: u64 = 16_000;

/// `[upload]`, checked.
#[derive(Clone, Debug)]
pub struct UploadConfig {
    /// Part of what the uplink gives, 0.7 unless given.
    pub share: f64,
    /// Bits a second that are never exceeded.
    pub max_bits_per_second: Option<u64>,
    /// Also while a game runs; no, unless given.
    pub during_games: bool,
    /// Also to addresses without TLS; no, unless given.
    pub plain: bool,
    /// PEM file of authorities that are believed beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// Clips that are sent to object storage.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUpload {
    /// Part of what the uplink gives that clips may take, all boxes of a venue together.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<f64>", range(min = 0.01, max = 1.0))]
    share: Option<Spanned<f64>>,
    /// Bits a second that this box's clips never exceed.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<u64>")]
    max_bits_per_second: Option<Spanned<u64>>,
    /// Clips go also while a game runs.
    #[schemars(extend("x-applies" = "restart"))]
    during_games: Option<bool>,
    /// Clips go also to addresses without TLS: whoever is on the way sees and changes them.
    #[schemars(extend("x-applies" = "restart"))]
    plain: Option<bool>,
    /// PEM file of the authorities that sign a storage of your own, beside the system's.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<PathBuf>")]
    ca_file: Option<Spanned<PathBuf>>,
}

impl RawUpload {
    pub(super) fn check(self, origin: &Origin<'_>, findings: &mut Findings<'_>) -> UploadConfig {
        let share = self.share.map_or(SHARE, |share| {
            if !(0.01..=1.0).contains(share.get_ref()) {
                findings.fault(share.span(), "`share` is a part: write 0.01 to 1.0");
            }
            share.into_inner()
        });
        let max_bits_per_second = self.max_bits_per_second.map(|most| {
            if *most.get_ref() < LEAST_BITS {
                let text =
                    format!("`max_bits_per_second` sends nothing: write {LEAST_BITS} or more");
                findings.fault(most.span(), text);
            }
            most.into_inner()
        });
        UploadConfig {
            share,
            max_bits_per_second,
            during_games: self.during_games.unwrap_or(false),
            plain: self.plain.unwrap_or(false),
            ca_file: self.ca_file.map(|file| origin.resolved(file.get_ref())),
        }
    }
}
