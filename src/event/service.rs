//! Whether a box is in service: the checks of each court, who vouched for what, and what is asked of that.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::words::{CheckName, CheckWord, ServiceBy};
use crate::media::{Foreign, RimBox};

/// `state/service`: what of the box is in service, and what is still to be done. Retained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceState {
    /// True where there are courts, and each is in service.
    pub in_service: bool,
    /// Each court by its name.
    pub courts: BTreeMap<String, CourtService>,
    /// The checks that are of the whole box: broker, clock.
    pub checks: Vec<CheckTold>,
}

/// Whether one court is in service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CourtService {
    /// True if it is. Its shots are called, told and recorded in either case.
    pub in_service: bool,
    /// By what.
    pub by: ServiceBy,
    /// RFC 3339: since when it is as it is, where the box knew the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// What changed since it was checked. It falls out of service when nobody has played for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recheck: Option<Foreign>,
    /// Its checks, in the order in which they are passed.
    pub checks: Vec<CheckTold>,
    /// Who looked at its rims in the picture, and which they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Vouched>,
    /// Who put it in or out of service whatever its checks say, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overridden: Option<Overridden>,
}

impl CourtService {
    /// The first check that is not passed.
    #[must_use]
    pub fn open(&self) -> Option<&CheckTold> {
        self.checks.iter().find(|check| check.state != CheckWord::Passed)
    }
}

/// How one check stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckTold {
    /// Which.
    pub check: CheckName,
    /// How it stands.
    pub state: CheckWord,
    /// RFC 3339: since when it stands so, where the box knew the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// What was measured, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figure: Option<Foreign>,
    /// As `code` of a finding of `doctor`, where one is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Foreign>,
    /// What is wrong, or what is waited for; of a check that is passed, what was seen all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Foreign>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub todo: Option<Foreign>,
}

/// What somebody vouched for: a court's rims, in a picture of its camera.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Vouched {
    /// Who, as they call themselves.
    pub who: Foreign,
    /// Through which door it came: `page`, `http`, or `command ID`.
    pub door: Foreign,
    /// RFC 3339, where the box knew the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The rims.
    pub rims: Vec<RimBox>,
    /// Width and height of the picture that they were drawn on, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rims_of: Option<[u32; 2]>,
    /// Width and height of the camera's picture then, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<[u32; 2]>,
}

/// A person's word against the checks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Overridden {
    /// True: in service whatever the checks say; false: out of it.
    pub in_service: bool,
    /// Why.
    pub reason: Foreign,
    /// Who, when, and of which rims.
    #[serde(flatten)]
    pub vouched: Vouched,
}

/// Of `service_check`.
pub type ServiceCheckArguments = crate::event::command::CourtArguments;

/// Of `service_confirm`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmArguments {
    /// Which court; needed where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub court: Option<String>,
    /// The rims that were seen to be right in the picture, `[x, y, width, height]` each. Where they are
    /// others than the court has, they become its rims.
    pub rims: Vec<[f32; 4]>,
    /// Width and height of the picture that they were drawn on; that of the camera unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rims_of: Option<[u32; 2]>,
    /// Who looked.
    pub who: String,
}

/// Of `service_override`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideArguments {
    /// Which court; needed where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub court: Option<String>,
    /// False takes the court out of service; true unless given.
    #[serde(default = "yes")]
    pub in_service: bool,
    /// Why, for whoever reads it in a year.
    pub reason: String,
    /// Who says so.
    pub who: String,
}

const fn yes() -> bool {
    true
}
