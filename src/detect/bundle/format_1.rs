//! Manifests of format 1, which name none: the task's tables stand beside the head.
//!
//! Never written any more, read for good: venues have bundles that were fine-tuned on their courts.
//! `tests/data/manifests` keeps one of each task.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::answer::DecisionParameters;
use crate::detect::bundle::files::FileEntry;
use crate::detect::bundle::head::{Head, Provenance, usual_queue};
use crate::detect::bundle::tensors::{CropInput, FrameInput, StateTensor};
use crate::detect::rim::manifest::{RawName, RawOutput, RawRim};
use crate::detect::ring::manifest::{FoundOutput, RawRing, RingDecision};

/// What a ring model was shown in format 1, which did not say: a look a second, the newest frame.
const RING_RATES: [f64; 2] = [1.0, 1.0];
const RING_QUEUE: usize = 1;

/// `task = "rim"`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Format1Rim {
    #[serde(rename = "format")]
    _format: Option<IgnoredAny>,
    name: String,
    version: String,
    #[serde(rename = "task")]
    _task: IgnoredAny,
    budget_ms: f64,
    rates: Option<[f64; 2]>,
    max_gap_ms: u32,
    #[serde(default)]
    warmup_frames: u32,
    #[serde(default = "usual_queue")]
    queue_frames: usize,
    #[serde(rename = "file", default)]
    files: Vec<FileEntry>,
    #[serde(rename = "input", default)]
    inputs: Vec<CropInput>,
    input_dt: Option<RawName>,
    #[serde(rename = "state", default)]
    states: Vec<StateTensor>,
    output: RawOutput,
    #[serde(default)]
    decision: DecisionParameters,
    #[serde(default)]
    provenance: Provenance,
}

impl Format1Rim {
    /// Head and table apart.
    pub(crate) fn parts(self) -> (Head, RawRim) {
        let head = Head {
            name: self.name,
            version: self.version,
            budget_ms: self.budget_ms,
            rates: self.rates,
            max_gap_ms: Some(self.max_gap_ms),
            warmup_frames: self.warmup_frames,
            queue_frames: self.queue_frames,
            files: self.files,
            provenance: self.provenance,
        };
        let table = RawRim {
            inputs: self.inputs,
            input_dt: self.input_dt,
            states: self.states,
            output: Some(self.output),
            ball: None,
            decision: self.decision,
        };
        (head, table)
    }
}

/// `task = "ring"`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Format1Ring {
    #[serde(rename = "format")]
    _format: Option<IgnoredAny>,
    name: String,
    version: String,
    #[serde(rename = "task")]
    _task: IgnoredAny,
    budget_ms: f64,
    #[serde(rename = "file", default)]
    files: Vec<FileEntry>,
    frame: FrameInput,
    found: FoundOutput,
    decision: RingDecision,
    #[serde(default)]
    provenance: Provenance,
}

impl Format1Ring {
    /// Head and table apart.
    pub(crate) fn parts(self) -> (Head, RawRing) {
        let head = Head {
            name: self.name,
            version: self.version,
            budget_ms: self.budget_ms,
            rates: Some(RING_RATES),
            max_gap_ms: None,
            warmup_frames: 0,
            queue_frames: RING_QUEUE,
            files: self.files,
            provenance: self.provenance,
        };
        let table = RawRing { frame: self.frame, found: self.found, decision: self.decision };
        (head, table)
    }
}
