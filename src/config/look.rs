//! `[look]`: whether somebody from outside looks again at doubtful attempts.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::fault::Findings;

/// Letters of a bundle's name.
const MOST: usize = 32;

/// `[look]`, checked. What stands in the bundle is asked where it is read.
#[derive(Clone, Debug, Default)]
pub struct LookConfig {
    /// The hosted bundle that is asked; nobody is, if absent.
    pub bundle: Option<String>,
    /// The venue's consent: crops round the ring may leave the box.
    pub crops_may_leave: bool,
}

/// The second look.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLook {
    /// The hosted bundle that looks again (where = "hosted" in its model.toml); nobody does without it.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<String>", length(min = 1, max = 32))]
    bundle: Option<Spanned<String>>,
    /// The venue's consent: crops round the ring may leave the box, to the address in the bundle. Without it no
    /// pixel does.
    #[schemars(extend("x-applies" = "restart"))]
    #[serde(default)]
    crops_may_leave: bool,
}

impl RawLook {
    pub(super) fn check(self, findings: &mut Findings<'_>) -> LookConfig {
        let bundle = self.bundle.map(|bundle| {
            let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
            let name = bundle.get_ref();
            if !(1..=MOST).contains(&name.len()) || !name.bytes().all(plain) {
                let said = "`bundle` is the name of a hosted bundle: write, for example, \"hosted-gemini\"";
                findings.fault(bundle.span(), said);
            }
            bundle.into_inner()
        });
        LookConfig { bundle, crops_may_leave: self.crops_may_leave }
    }
}
