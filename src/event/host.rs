//! What the machine under a box is like, as far as a box hangs on it. Facts alone: `health` judges them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::media::Foreign;

/// What the machine is like. What could not be read is absent, and nothing is said of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostStatus {
    /// Where `box.data_dir` lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<DataDirStatus>,
    /// How long the disk takes to make something durable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syncs: Option<SyncsStatus>,
    /// The GPU's memory, where a decoder or a model uses one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_memory: Option<GpuMemory>,
    /// Devices for pictures that are there, and that this process may not open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub render_denied: Vec<RenderNode>,
    /// The certificates that the configuration names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateStatus>,
    /// Whether somebody keeps the box's clock.
    #[serde(default)]
    pub clock: ClockKept,
    /// Files of the box that are not what was written, as far as it came upon them; those that were put aside
    /// as long as they lie there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<DamagedFile>,
    /// That the daemon ended without being asked to, within the last week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndedStatus>,
}

/// Ends of the daemon that nobody asked for, of which the unit kept what was told last (`systemd/keep-log`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndedStatus {
    /// How many are kept of the last week; of several within a minute, one.
    pub count: u64,
    /// The file of the last one.
    pub file: Foreign,
    /// How it ended, as systemd says: `signal SEGV`, `watchdog ABRT`, `oom-kill KILL`, `exit-code 1`.
    pub how: Foreign,
}

/// A file of the box that is not what was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DamagedFile {
    /// Where it should lie.
    pub file: Foreign,
    /// Where it lies now, as it was, if it was put aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_aside: Option<Foreign>,
    /// What is wrong with it.
    pub why: Foreign,
    /// A newer version of the program wrote it: it is whole, and waits for that version.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub newer: bool,
    /// What that costs, and what to do.
    pub costs: String,
}

/// Where `box.data_dir` lies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DataDirStatus {
    /// Its path.
    pub path: Foreign,
    /// In memory: gone with the power.
    pub in_ram: bool,
    /// Nothing can be written.
    pub read_only: bool,
    /// Another user has it: his number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_user: Option<u32>,
    /// What the ring leaves free for events.
    pub keep_free_bytes: u64,
}

/// How long the disk took to sync, over the last ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SyncsStatus {
    /// How many were measured.
    pub count: u64,
    /// The middle one, ms.
    pub median_ms: f64,
    /// The longest, ms.
    pub worst_ms: f64,
}

/// A GPU's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GpuMemory {
    /// Free, whoever has the rest.
    pub free_bytes: u64,
    /// All.
    pub total_bytes: u64,
}

/// A device that this process may not open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RenderNode {
    /// Its path.
    pub path: Foreign,
    /// The group that may.
    pub group: u32,
}

/// A certificate that the configuration names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CertificateStatus {
    /// Its key of the configuration, for example `ca_file of [uplink]`.
    pub what: String,
    /// Its file.
    pub file: Foreign,
    /// When the first of its certificates ends, RFC 3339.
    pub ends: String,
    /// … in so many days; less than 0 for one that has ended.
    pub ends_in_days: f64,
}

/// Whether somebody keeps the box's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockKept {
    /// Whether systemd-timesyncd, if it runs here, has reached a server since the machine started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<bool>,
    /// How long the box has watched its clock, s.
    pub watched_s: u64,
    /// Times within the last day that the clock was moved by half a second or more.
    pub steps: u64,
    /// By how much in all, ms; forwards is positive.
    pub moved_ms: i64,
}
