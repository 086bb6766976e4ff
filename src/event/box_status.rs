//! All that a box says of itself at one moment, in one value.
//!
//! `app` makes it four times a second. `/v1/state` answers it, `state/*` are parts of it, the page
//! shows it, `doctor` and `check` judge it. The JSON is its interface: what a newer box adds is passed
//! over, and a word that this version does not know is read as `other`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::Score;
use crate::event::host::HostStatus;
use crate::event::look::LookState;
use crate::event::service::ServiceState;
use crate::event::state::{
    ClaimState, ClockState, ModelsState, StorageState, StreamState, UplinkState,
};
use crate::event::twin::DesiredTold;
use crate::event::update::UpdateState;
use crate::event::upload::UploadsState;
use crate::event::words::{CalibrationMode, LearntFrom, LinkTrouble, StreamCondition, VerdictWord};
use crate::media::{Foreign, RimBox};

/// The state of a box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BoxStatus {
    /// Its name.
    #[serde(rename = "box")]
    pub name: String,
    /// The program's version.
    pub version: String,
    /// Where cameras publish to, as far as the box knows it: `rtmp://BOX:1935`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtmp: Option<Foreign>,
    /// Every court, by its name.
    pub streams: BTreeMap<String, CourtStatus>,
    /// The models.
    pub models: ModelsState,
    /// Absent until the ring is open.
    pub storage: Option<StorageState>,
    /// Clips on their way to object storage.
    #[serde(default)]
    pub uploads: UploadsState,
    /// The image that runs, and the next one.
    #[serde(default)]
    pub update: UpdateState,
    /// The hosted model that looks again; absent where none is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look: Option<LookState>,
    /// Absent until the outbox is open.
    pub uplink: Option<UplinkStatus>,
    /// How far the box's claim is; absent where a broker is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimState>,
    /// How media time maps to UTC.
    pub clock: ClockState,
    /// What is learnt of the rims.
    #[serde(default)]
    pub calibration: CalibrationStatus,
    /// Who comes in, and who should not.
    #[serde(default)]
    pub admission: AdmissionStatus,
    /// What is in service, and what is still to be done.
    #[serde(default)]
    pub service: ServiceState,
    /// The law of the ledger.
    #[serde(default)]
    pub ledger: LedgerStatus,
    /// What became of the configuration that was wanted; absent where the box has no file of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigState>,
    /// Others could write or can read our files: what was found at the start, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Foreign>,
    /// The machine under it.
    #[serde(default)]
    pub host: HostStatus,
}

impl BoxStatus {
    /// Reads what `/v1/state` answered. Another box, or an older version, may put anything into it:
    /// every text, names of courts included, is taken as one from outside.
    ///
    /// # Errors
    /// When it is not what this version understands.
    pub fn read(state: &Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(Foreign::json(state.clone()))
    }

    /// As it is told.
    #[must_use]
    pub fn json(&self) -> Value {
        // Names and numbers alone: this cannot fail, and if it did, nothing would be told.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// True for a court whose camera publishes.
    #[must_use]
    pub fn is_live(&self, court: &str) -> bool {
        self.streams.get(court).is_some_and(|court| court.stream.condition == StreamCondition::Live)
    }
}

/// One court: its stream, and what hangs on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CourtStatus {
    /// As in `state/stream/{court}`.
    #[serde(flatten)]
    pub stream: StreamState,
    /// The rims as they are configured.
    #[serde(default)]
    pub rims: Vec<RimBox>,
    /// Width and height of the picture that they were drawn on.
    pub rims_of: Option<[u32; 2]>,
    /// The newest score on disk.
    pub score: Option<Score>,
}

/// The link to the broker, and what waits for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UplinkStatus {
    /// A session with the broker runs.
    pub connected: bool,
    /// The broker has acknowledged something in this session.
    #[serde(default)]
    pub acknowledges: bool,
    /// As in `state/uplink`.
    #[serde(flatten)]
    pub state: UplinkState,
    /// What was shed was so more than a day ago: told by then, and nobody is to act.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shed_long_ago: bool,
    /// Another box uses our name.
    #[serde(default)]
    pub another_box: bool,
    /// Why there is no session, in words; or why the one that runs is of no use.
    pub fault: Option<Foreign>,
    /// The same in a word. It stays through sessions in which nothing is acknowledged.
    #[serde(default)]
    pub trouble: Option<LinkTrouble>,
    /// The broker keeps no retained messages: who subscribes later finds no states.
    #[serde(default)]
    pub no_retained: bool,
    /// What to do about it; absent where nothing is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub todo: Option<Foreign>,
    /// What the box does without, since the broker does not take it: retained messages apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<BrokerLimit>,
    /// What to do about the events that the broker refused last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_todo: Option<Foreign>,
    /// Why the outbox cannot write, in words.
    pub disk_fault: Option<Foreign>,
}

/// One thing that a broker does not take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BrokerLimit {
    /// What it is, and what is missing for it.
    pub said: Foreign,
    /// What to do.
    pub todo: String,
}

/// What is learnt of the rims.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibrationStatus {
    /// What is made of it.
    pub mode: CalibrationMode,
    /// One entry a rim, by court; none where it is off.
    #[serde(default)]
    pub courts: BTreeMap<String, Vec<RimStatus>>,
}

/// What is learnt of one rim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RimStatus {
    /// Attempts that it was learnt from.
    pub attempts: u64,
    /// Of them, with a verdict.
    #[serde(default)]
    pub verdicts: u64,
    /// To be added to the log-odds of made.
    #[serde(default)]
    pub shift: f64,
    /// What the shift was learnt from.
    #[serde(default)]
    pub from: LearntFrom,
    /// Middle between the two kinds of shots, if there are two.
    pub middle: Option<f64>,
    /// How far the middle has moved since the beginning, once that is known.
    pub drift: Option<f64>,
    /// The bundle whose answers these are.
    pub bundle: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// What people said of its newest shots, by fact.
    #[serde(default)]
    pub said: BTreeMap<String, VerdictWord>,
}

/// What became of the configuration that was wanted: `config/reported`, without what is in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigState {
    /// Revision of what is in force; 0 where the box's file alone is.
    pub revision: u64,
    /// The highest revision that came.
    pub seen: u64,
    /// Keys that wait for the next start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Foreign>,
    /// What became of the newest that was wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<DesiredTold>,
    /// One that came after it and was passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_over: Option<DesiredTold>,
}

/// What goes on at the doors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdmissionStatus {
    /// Who guesses keys or tokens, or holds seats for nothing, in words; empty a minute after it ends.
    #[serde(default)]
    pub faults: Vec<Foreign>,
    /// Whose questions to the page are told to come later, in words: too many of its connections are being answered.
    /// Empty a minute after it ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub full: Vec<Foreign>,
}

/// The law of the ledger, as the box found it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerStatus {
    /// Hops that were counted.
    pub hops: u64,
    /// Those that break the law, in words.
    pub unbalanced: Vec<String>,
}
