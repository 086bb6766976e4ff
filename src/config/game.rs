//! `[game]`: what games are played by, where nobody says more.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::fault::Findings;

/// Made shots are counted, nothing ends the game (`rules/none.toml`).
const RULES: &str = "none";
/// Letters of a name of rules.
const MOST: usize = 32;

/// `[game]`, checked. Whether there are such rules is asked where rules are read.
#[derive(Clone, Debug)]
pub struct GameConfig {
    /// Name of the rules of a game that is started without any.
    pub rules: String,
}

/// Games.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGame {
    /// Rules of a game for which nobody names any: of courtside, or a file of {data_dir}/rules.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<String>", length(min = 1, max = 32))]
    rules: Option<Spanned<String>>,
}

impl RawGame {
    pub(super) fn check(self, findings: &mut Findings<'_>) -> GameConfig {
        let rules = self.rules.map_or_else(
            || RULES.to_owned(),
            |rules| {
                let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
                let name = rules.get_ref();
                if !(1..=MOST).contains(&name.len()) || !name.bytes().all(plain) {
                    let said = "`rules` is a name of rules: write, for example, \"fiba-3x3\"";
                    findings.fault(rules.span(), said);
                }
                rules.into_inner()
            },
        );
        GameConfig { rules }
    }
}
