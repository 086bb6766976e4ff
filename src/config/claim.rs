//! `[claim]`: how a box without a broker of its own comes to one.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::fault::Findings;
use crate::config::origin::Origin;

/// Where desktops and appliances mount sticks: with and without a folder of the user's.
const FILES: [&str; 4] = [
    "/media/*/courtside-claim.toml",
    "/media/*/*/courtside-claim.toml",
    "/run/media/*/courtside-claim.toml",
    "/run/media/*/*/courtside-claim.toml",
];
/// Each is looked for every two seconds.
const FILES_MOST: usize = 16;
/// Each star multiplies the folders that are looked into.
const STARS_MOST: usize = 2;

/// `[claim]`, checked.
#[derive(Clone, Debug)]
pub struct ClaimConfig {
    /// A box without a broker is claimed; true unless given.
    pub enabled: bool,
    /// Where a claim file may be; a `*` stands for any one folder.
    pub files: Vec<PathBuf>,
    /// File that holds the serial number; the device tree's, or one made of the machine's id, if absent.
    pub serial_file: Option<PathBuf>,
}

impl Default for ClaimConfig {
    fn default() -> Self {
        Self { enabled: true, files: FILES.map(PathBuf::from).into(), serial_file: None }
    }
}

/// How a box without a broker comes to one.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClaim {
    /// False: a box without `uplink.broker` is refused, as a slip of the pen.
    #[schemars(extend("x-applies" = "restart", "x-file-only" = true))]
    #[schemars(with = "Option<bool>")]
    enabled: Option<bool>,
    /// Where a claim file is looked for, on sticks for example; a `*` stands for any one folder.
    #[schemars(extend("x-applies" = "restart", "x-file-only" = true))]
    #[schemars(with = "Option<Vec<PathBuf>>", length(max = 16))]
    files: Option<Spanned<Vec<PathBuf>>>,
    /// File that holds the box's serial number; the device tree's, or one made of /etc/machine-id, if absent.
    #[schemars(extend("x-applies" = "restart", "x-file-only" = true))]
    #[schemars(with = "Option<PathBuf>")]
    serial_file: Option<Spanned<PathBuf>>,
}

impl RawClaim {
    pub(super) fn check(self, origin: &Origin<'_>, findings: &mut Findings<'_>) -> ClaimConfig {
        let usual = ClaimConfig::default();
        let files = match self.files {
            Some(written) => {
                let files = written.get_ref();
                let stars = |file: &PathBuf| file.iter().filter(|part| *part == "*").count();
                let half = |file: &PathBuf| {
                    file.iter().any(|part| part != "*" && part.to_string_lossy().contains('*'))
                };
                if files.len() > FILES_MOST {
                    let text = format!("{} places: write at most {FILES_MOST}", files.len());
                    findings.fault(written.span(), text);
                } else if files.iter().any(|file| half(file) || stars(file) > STARS_MOST) {
                    let text = format!(
                        "`files`: a `*` stands for one whole folder, {STARS_MOST} in a path at most: \
                         write, for example, \"{}\"",
                        FILES[0]
                    );
                    findings.fault(written.span(), text);
                }
                files.iter().map(|file| origin.resolved(file)).collect()
            }
            None => usual.files,
        };
        ClaimConfig {
            enabled: self.enabled.unwrap_or(usual.enabled),
            files,
            serial_file: self.serial_file.map(|file| origin.resolved(file.get_ref())),
        }
    }
}
