//! `[box]`: who we are, and where we keep things.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::fault::Findings;
use crate::config::origin::Origin;
use crate::media::BoxName;

/// Where data lies unless told otherwise; `systemd/courtside.service` makes it.
const DATA_DIR: &str = "/var/lib/courtside";

/// `[box]`, checked.
#[derive(Clone, Debug)]
pub struct BoxConfig {
    /// The box's name in topics and sources. The host's name, made to fit, unless given.
    pub name: BoxName,
    /// Outbox, ring, models and token lie here. `/var/lib/courtside` unless given.
    pub data_dir: PathBuf,
}

/// The appliance itself.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBox {
    /// Name of the box: 1 to 32 of a-z, 0-9 and '-'. The host's name, if absent.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<String>", regex(pattern = "^[a-z0-9-]{1,32}$"))]
    name: Option<Spanned<String>>,
    /// Folder of outbox, ring, models and token.
    #[schemars(extend("x-applies" = "restart", "x-file-only" = true))]
    #[schemars(with = "Option<PathBuf>")]
    data_dir: Option<Spanned<PathBuf>>,
}

impl RawBox {
    pub(super) fn check(
        self,
        origin: &Origin<'_>,
        findings: &mut Findings<'_>,
    ) -> Option<BoxConfig> {
        let data_dir = match self.data_dir {
            Some(dir) if dir.get_ref().as_os_str().is_empty() => {
                findings
                    .fault(dir.span(), "`data_dir` is empty: write the folder that holds our data");
                return None;
            }
            Some(dir) => origin.resolved(dir.get_ref()),
            None => PathBuf::from(DATA_DIR),
        };
        let name = match self.name {
            Some(name) => match BoxName::new(name.get_ref()) {
                Ok(checked) => checked,
                Err(error) => {
                    findings.fault(name.span(), error);
                    return None;
                }
            },
            None => named_after(origin.hostname.unwrap_or_default())?,
        };
        Some(BoxConfig { name, data_dir })
    }
}

/// The host's name as a box name: other characters become '-'; `courtside` if nothing is left.
fn named_after(hostname: &str) -> Option<BoxName> {
    let first = hostname.trim().split('.').next().unwrap_or_default().to_ascii_lowercase();
    let fit = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let fitted: String = first.chars().take(32).map(fit).collect();
    let name = fitted.trim_matches('-');
    BoxName::new(if name.is_empty() { "courtside" } else { name }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_made_to_fit() {
        for (host, expected) in [
            ("rim-1\n", "rim-1"),
            ("Hall_North.example.org", "hall-north"),
            ("", "courtside"),
            ("---", "courtside"),
        ] {
            assert_eq!(named_after(host).expect("a name").as_str(), expected, "{host}");
        }
    }
}
