//! `[update]`: whose images the box takes, and how long one is on trial.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::fault::Findings;
use crate::config::origin::Origin;

/// A broker that a restart of the venue's router took away is back by then (chosen).
const TRIAL_S: u32 = 1_800;
/// Less, and a box that compiles its engines anew would go back from a good image.
const TRIAL_LEAST_S: u32 = 300;
const KEYS_FILE: &str = "/usr/share/courtside/update.pub";
const FOLDER: &str = "/var/lib/courtside-update";

/// `[update]`, checked.
#[derive(Clone, Debug)]
pub struct UpdateConfig {
    /// File of the public keys whose updates are taken.
    pub keys_file: PathBuf,
    /// Where the part of root keeps what it knows.
    pub folder: PathBuf,
    /// Seconds that a slot on trial has to show itself good.
    pub trial_s: u32,
    /// PEM file of authorities that are believed beside the system's.
    pub ca_file: Option<PathBuf>,
}

impl Default for UpdateConfig {
    fn default() -> Self {
        let (keys_file, folder) = (KEYS_FILE.into(), FOLDER.into());
        Self { keys_file, folder, trial_s: TRIAL_S, ca_file: None }
    }
}

/// Images for the box's other slot.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUpdate {
    /// File of the public keys of minisign, a line each, whose updates are taken. Root's part reads what stands in
    /// the box's own file, whatever is wanted from afar.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<PathBuf>")]
    keys_file: Option<Spanned<PathBuf>>,
    /// Where root's part of the update keeps what it knows.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<PathBuf>")]
    folder: Option<Spanned<PathBuf>>,
    /// Seconds that a slot on trial has to show that it works, a broker that was reached before included; then the
    /// slot before is started again.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<u32>", range(min = 300, max = 86_400))]
    trial_s: Option<Spanned<u32>>,
    /// PEM file of the authorities that sign a server of your own for updates, beside the system's.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<PathBuf>")]
    ca_file: Option<Spanned<PathBuf>>,
}

impl RawUpdate {
    pub(super) fn check(self, origin: &Origin<'_>, findings: &mut Findings<'_>) -> UpdateConfig {
        let trial_s = self.trial_s.map_or(TRIAL_S, |seconds| {
            if !(TRIAL_LEAST_S..=86_400).contains(seconds.get_ref()) {
                findings.fault(seconds.span(), "`trial_s` is 300 to 86400");
            }
            seconds.into_inner()
        });
        let path =
            |file: Option<Spanned<PathBuf>>| file.map(|file| origin.resolved(file.get_ref()));
        let default = UpdateConfig::default();
        UpdateConfig {
            keys_file: path(self.keys_file).unwrap_or(default.keys_file),
            folder: path(self.folder).unwrap_or(default.folder),
            trial_s,
            ca_file: path(self.ca_file),
        }
    }
}
