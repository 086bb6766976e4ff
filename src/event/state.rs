//! Retained messages: `state/{what}` (DESIGN §4.3). Latest wins; each is whole. What may carry text from
//! outside is [`Foreign`], our own sentences round it included.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::catalogue::Code;
use crate::event::models::{BoardRow, InstallState, InstalledModel, SwapEnded, SwapState};
use crate::event::words::{
    AdviceAbout, ClaimStage, ClockSource, LinkTrouble, ModelCondition, ModelRole, RelayCondition,
    Sound, StorageCondition, StreamCondition,
};
use crate::media::Foreign;

/// `state/box`; the Will carries `online: false` with the same session number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BoxState {
    /// False in the Will.
    pub online: bool,
    /// Pairs a Will with its birth: counted up at every connection.
    pub session: u64,
    /// Sixteen digits, drawn for each run of the program: two at a time are two boxes of one name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The program's version.
    pub version: String,
    /// Names of the courts.
    pub courts: Vec<String>,
}

/// `state/stream/{court}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StreamState {
    /// What it is doing.
    pub condition: StreamCondition,
    /// The session, while there is one.
    pub session: Option<String>,
    /// Address of the publisher.
    pub publisher: Option<String>,
    /// What it calls itself.
    pub encoder: Option<Foreign>,
    /// `H.264` or `H.265`.
    pub codec: Option<String>,
    /// Pixels.
    pub width: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    /// Measured over the last seconds.
    pub fps: Option<f64>,
    /// Measured, kbit/s.
    pub bitrate_kbps: Option<f64>,
    /// Measured distance of key frames, s.
    pub key_interval_s: Option<f64>,
    /// What becomes of the sound, in words: how it is coded, `none`, or what is left out and why.
    pub audio: Option<Sound>,
    /// The decoder in use and why it was chosen.
    pub decoder: Option<Foreign>,
    /// Width of each ring in pixels of this stream.
    pub ring_px: Vec<f64>,
    /// What costs latency or accuracy, and what to do, in words.
    pub advice: Vec<Advice>,
    /// Why nothing is called, if so.
    pub fault: Option<Foreign>,
    /// Bytes that the stream's pictures may take at most, by its parameter sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture_memory_bytes: Option<u64>,
    /// … and what this court may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture_memory_allowed_bytes: Option<u64>,
    /// Bytes of the GPU's memory that they may take at most, where they come to lie there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_memory_bytes: Option<u64>,
    /// Publishes with the right key that were refused since start, by reason: `pictures` too large,
    /// `format` not decoded, too many `segments` or time `jumps`, `coding` not taken,
    /// no room in `gpu_memory`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refusals: BTreeMap<String, u64>,
    /// Where the stream is forwarded to, as it is configured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relays: Vec<RelayState>,
    /// Pictures in, answered, dropped since the session opened.
    pub pictures: u64,
    /// Answers of the live model.
    pub answers: u64,
    /// Dropped anywhere between socket and model.
    pub dropped: u64,
}

/// One relay of a court: an address that its stream is forwarded to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RelayState {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: RelayCondition,
    /// Since when, by UTC; absent where the clock is not plausible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Where to, without its key.
    pub address: Foreign,
    /// Why its server does not take the stream, of the last try; absent once it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Foreign>,
    /// … and what to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub todo: String,
    /// Its server took less than the camera sent, within the last minute.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub behind: bool,
    /// Messages (pictures, sounds, metadata) that came since the start and were not forwarded.
    pub dropped: u64,
    /// Bytes that its servers took since the start.
    pub bytes: u64,
}

/// One thing that the venue can change, with what it costs now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    /// A stable word for programs.
    pub about: AdviceAbout,
    /// What it costs: milliseconds of latency, where that is the unit.
    pub costs_ms: Option<f64>,
    /// What it costs in pixels, where that is the unit.
    pub pixels: Option<f64>,
    /// For the technician: what is seen, without a full stop.
    pub text: String,
    /// … and what to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub todo: String,
    /// The figures of the text, by name and unit.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, f64>,
}

impl Advice {
    /// One without figures, with what the catalogue says to do.
    #[must_use]
    pub fn new(about: AdviceAbout, text: String) -> Self {
        let todo = Code::of(about.word()).map(|code| code.todo().to_owned()).unwrap_or_default();
        Self { about, costs_ms: None, pixels: None, text, todo, figures: BTreeMap::new() }
    }

    /// The same with a figure; `name` ends with its unit.
    #[must_use]
    pub fn with(mut self, name: &str, figure: f64) -> Self {
        self.figures.insert(name.to_owned(), figure);
        self
    }

    /// The same, with what it costs in milliseconds.
    #[must_use]
    pub fn costs(self, costs_ms: f64) -> Self {
        Self { costs_ms: Some(costs_ms), ..self.with("costs_ms", costs_ms) }
    }
}

/// `state/models`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelsState {
    /// One entry a bundle.
    pub bundles: Vec<ModelState>,
    /// The swap that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap: Option<SwapState>,
    /// How the last one went, since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_swap: Option<SwapEnded>,
    /// The bundle that was chosen to decide after a restart too, whatever the configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Foreign>,
    /// How each model that answered since the start does, by court.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub board: Vec<BoardRow>,
    /// Attempts at which two models said otherwise, of which a clip is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disagreements: Option<u64>,
    /// Parcels that are on the box.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub installed: Vec<InstalledModel>,
    /// The installation that is under way, or how the last one since the start ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<InstallState>,
    /// The key of this box, `age1…`, to which parcels are sealed that it alone shall read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal_to: Option<Foreign>,
    /// True if a sealed parcel is on the box, and the key that opens it lies open beside it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub seal_key_lies_open: bool,
}

/// One bundle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelState {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Option<Foreign>,
    /// What it is doing.
    pub condition: ModelCondition,
    /// The engine that runs it.
    pub engine: Option<Foreign>,
    /// Why it was refused or stopped, or what is wrong though it runs, and what to do.
    pub reason: Option<Foreign>,
    /// Median of the last answers, ms.
    pub inference_ms: Option<f64>,
    /// True if its answers take longer than its bundle allows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over_budget: bool,
    /// What part it plays; absent where it is not loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<ModelRole>,
    /// `fp32`, `fp16` or `int8`: what runs, where an engine does not run what was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Foreign>,
    /// The file of the bundle that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Foreign>,
    /// By how much the process grew when it was loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// `state/storage`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StorageState {
    /// What it is doing.
    pub condition: StorageCondition,
    /// Why recording stopped and what to do.
    pub reason: Option<Foreign>,
    /// True where the disk refuses what is recorded, and it is not room that is missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disk_refuses: bool,
    /// Bytes of the ring.
    pub ring_bytes: u64,
    /// Its quota.
    pub quota_bytes: u64,
    /// Bytes of pinned segments.
    pub pinned_bytes: u64,
    /// Free on the file system.
    pub free_bytes: u64,
    /// Clips in the index.
    pub clips: u64,
}

/// `state/uplink`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UplinkState {
    /// Events on disk that no PUBACK has come for.
    pub outbox_events: u64,
    /// Age of the oldest, s.
    pub outbox_oldest_seconds: f64,
    /// Refused by the broker and parked, with the last reason.
    pub parked: u64,
    /// The last refusal.
    pub refused: Option<Foreign>,
    /// Refused by the broker for now: they go out again, later and later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrying: Option<u64>,
    /// Let go without an acknowledgement for want of space, since the outbox was made: facts that were older
    /// than 15 days, and telemetry.
    pub shed: u64,
    /// Of them, telemetry.
    #[serde(default)]
    pub shed_telemetry: u64,
    /// When the last of them went, by UTC; absent where none did, or the clock was not plausible then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shed_last: Option<String>,
    /// Files beside the outbox that a newer version of the program wrote and this one cannot read: their
    /// events are sent once a version that can read them runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub put_aside: Vec<Foreign>,
    /// Files beside the outbox that were it and came to damage, each as it was: what could be read of them is
    /// here, other events that they had promised may be gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Foreign>,
    /// Events that were promised and could not be read again when they were to be sent, since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<u64>,
    /// Bytes that the stored events take.
    #[serde(default)]
    pub outbox_bytes: u64,
    /// The same as a part of their quota. Above 1 where what is not yet sent, or is
    /// younger than 15 days, needs more: neither is let go.
    #[serde(default)]
    pub outbox_share: f64,
    /// The last time without a link, told once it is back: what is wrong *now* cannot be sent, and stands
    /// in `/v1/state`, in `courtside doctor` and on the page.
    #[serde(default)]
    pub lost: Option<LinkLost>,
}

/// A time in which nothing went to the broker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LinkLost {
    /// What was wrong, of the last try before it came back.
    pub trouble: LinkTrouble,
    /// The same in words.
    pub said: Foreign,
    /// When it began, by UTC; absent where the clock was not plausible.
    pub since: Option<String>,
    /// How long it was, s: from the end of the link to the first acknowledgement.
    pub seconds: f64,
    /// Tries that came to nothing.
    pub tries: u64,
}

/// `state/claim`: how far a box is on its way to an identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimState {
    /// How far.
    pub stage: ClaimStage,
    /// What its maker calls it; absent where nothing says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The name that it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The attempt that it was given it by: what tells the technician's side that it was committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// What a person compares at the box and on the laptop, while it asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The broker at which it asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<Foreign>,
    /// What became of the last claim file that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Foreign>,
    /// What went wrong last, and has not come right since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<ClaimTrouble>,
}

/// What is wrong with a claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimTrouble {
    /// A word for programs, such as `E_CLAIM_AUTH`.
    pub code: String,
    /// What was seen.
    pub text: Foreign,
    /// What to do.
    pub todo: String,
}

/// `state/clock`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClockState {
    /// True when the box's clock is later than any date it must be later than.
    pub plausible: bool,
    /// One a court.
    pub courts: Vec<CourtClock>,
}

/// How one court's media time maps to UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CourtClock {
    /// The court.
    pub court: String,
    /// Where its time of day comes from.
    pub source: ClockSource,
    /// Bound of the error, ms.
    pub error_ms: u64,
    /// Drift of the camera's clock against ours, parts per million.
    pub drift_ppm: Option<f64>,
}
