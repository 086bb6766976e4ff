//! A manifest's text → checked values, or the key that is wrong and what to write (pure).
//!
//! Format 2 has a head that all tasks share and a table of the task's own:
//!
//! ```toml
//! format = 2
//! name = "rimnet"          # the name of its folder
//! version = "0.6.0"
//! task = "rim"
//! budget_ms = 3.0          # that a picture may take
//! rates = [24.0, 31.0]     # frames a second that it takes; without it all
//! max_gap_ms = 250         # of a model with a memory: a longer gap makes it start anew …
//! warmup_frames = 8        # … and so many answers then decide nothing
//! queue_frames = 8         # frames of a court that may wait for it
//! [[file]]                 # one for each precision and device
//! [rim]                    # or [ring]: inputs, outputs, thresholds
//! [provenance]             # data, rights, commands, figures, seen
//! ```
//!
//! Format 1 named no format and kept the task's tables beside the head ([`format_1`]); venues have
//! fine-tuned bundles in it, so it is read for good. A newer format is refused by its number.
//!
//! [`format_1`]: crate::detect::bundle::format_1

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::detect::bundle::check::Check;
use crate::detect::bundle::error::{BundleError, ManifestPlace, Task};
use crate::detect::bundle::files::{FileEntry, check_entries};
use crate::detect::bundle::format_1::{Format1Rim, Format1Ring};
use crate::detect::bundle::head::{Head, Provenance, usual_queue};
use crate::detect::bundle::tensors::Tensors;
use crate::detect::rim::manifest::{RawRim, RimTable};
use crate::detect::ring::manifest::{RawRing, RingTable};

/// What this version writes, and the newest that it reads.
pub const MANIFEST_FORMAT: u32 = 2;

/// What only its task knows of a model.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskTable {
    /// `[rim]`.
    Rim(RimTable),
    /// `[ring]`.
    Ring(RingTable),
}

impl TaskTable {
    /// The task.
    #[must_use]
    pub const fn task(&self) -> Task {
        match self {
            Self::Rim(_) => Task::Rim,
            Self::Ring(_) => Task::Ring,
        }
    }
}

/// A checked manifest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Manifest {
    pub(crate) head: Head,
    pub(crate) table: TaskTable,
    pub(crate) tensors: Tensors,
}

/// A task's table as it is written.
enum RawTable {
    Rim(RawRim),
    Ring(RawRing),
}

/// What tells how the rest is to be read.
#[derive(Deserialize)]
struct Kind {
    format: Option<u32>,
    task: Option<String>,
    #[serde(rename = "where")]
    place: Option<String>,
}

/// Format 2.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Format2 {
    #[serde(rename = "format")]
    _format: IgnoredAny,
    name: String,
    version: String,
    #[serde(rename = "task")]
    _task: IgnoredAny,
    budget_ms: f64,
    rates: Option<[f64; 2]>,
    max_gap_ms: Option<u32>,
    #[serde(default)]
    warmup_frames: u32,
    #[serde(default = "usual_queue")]
    queue_frames: usize,
    #[serde(rename = "file", default)]
    files: Vec<FileEntry>,
    #[serde(default)]
    provenance: Provenance,
    rim: Option<RawRim>,
    ring: Option<RawRing>,
}

impl Manifest {
    /// Reads and checks the manifest of the bundle in the folder `name`.
    pub(crate) fn parse(
        name: &str,
        place: &ManifestPlace,
        text: &str,
    ) -> Result<Self, BundleError> {
        let check = Check { place, table: "" };
        let kind: Kind = check.read(text)?;
        if kind.place.as_deref() == Some("hosted") {
            let want = "name it in `bundle` of [look]: it looks again, and decides no picture";
            return Err(check.wrong("where", "\"hosted\"", want));
        }
        let task = kind.task.as_deref().map(|word| task_of(check, word)).transpose()?;
        let (head, raw, table) = match kind.format {
            None | Some(1) => {
                // Without a task it is told of that, as of any key that lacks.
                match task.unwrap_or(Task::Rim) {
                    Task::Rim => {
                        let (head, table) = check.read::<Format1Rim>(text)?.parts();
                        (head, RawTable::Rim(table), "")
                    }
                    Task::Ring => {
                        let (head, table) = check.read::<Format1Ring>(text)?.parts();
                        (head, RawTable::Ring(table), "")
                    }
                }
            }
            Some(MANIFEST_FORMAT) => format_2(check, text, task)?,
            Some(newer) => {
                let want = "this version of courtside reads 1 and 2: update courtside, or take the \
                            bundle that was made for it";
                return Err(check.wrong("format", newer, want));
            }
        };
        head.check(check, name, task.unwrap_or(Task::Rim))?;
        let in_table = Check { table, ..check };
        let (table, tensors) = match raw {
            RawTable::Rim(raw) => {
                let (table, tensors) = raw.checked(in_table)?;
                (TaskTable::Rim(table), tensors)
            }
            RawTable::Ring(raw) => {
                let (table, tensors) = raw.checked(in_table)?;
                (TaskTable::Ring(table), tensors)
            }
        };
        if !tensors.states.is_empty() && head.max_gap_ms.is_none() {
            let want =
                "a model with a memory says after which gap it starts anew: write 1 to 60000";
            return Err(check.wrong("max_gap_ms", "missing", want));
        }
        check_names(check, &tensors)?;
        check_entries(check, &head.files)?;
        Ok(Self { head, table, tensors })
    }
}

fn task_of(check: Check<'_>, word: &str) -> Result<Task, BundleError> {
    Task::ALL.into_iter().find(|known| known.word() == word).ok_or_else(|| {
        let known = "this version of courtside knows \"rim\" and \"ring\"";
        check.wrong("task", format!("\"{word}\""), known)
    })
}

fn format_2(
    check: Check<'_>,
    text: &str,
    task: Option<Task>,
) -> Result<(Head, RawTable, &'static str), BundleError> {
    let raw: Format2 = check.read(text)?;
    let Some(task) = task else {
        return Err(check.wrong("task", "missing", "write \"rim\" or \"ring\""));
    };
    let other = match task {
        Task::Rim => raw.ring.is_some().then_some("[ring]"),
        Task::Ring => raw.rim.is_some().then_some("[rim]"),
    };
    if let Some(other) = other {
        let want = format!("its task is \"{}\": take {other} out", task.word());
        return Err(check.wrong(other, "there", &want));
    }
    let (table, prefix) = match task {
        Task::Rim => (raw.rim.map(RawTable::Rim), "rim."),
        Task::Ring => (raw.ring.map(RawTable::Ring), "ring."),
    };
    let table = table.ok_or_else(|| {
        let want = "write what only this task has there: inputs, outputs, thresholds";
        check.wrong(&format!("[{}]", task.word()), "missing", want)
    })?;
    let head = Head {
        name: raw.name,
        version: raw.version,
        budget_ms: raw.budget_ms,
        rates: raw.rates,
        max_gap_ms: raw.max_gap_ms,
        warmup_frames: raw.warmup_frames,
        queue_frames: raw.queue_frames,
        files: raw.files,
        provenance: raw.provenance,
    };
    Ok((head, table, prefix))
}

/// Each tensor of the network stands once, with its name.
fn check_names(check: Check<'_>, tensors: &Tensors) -> Result<(), BundleError> {
    let mut inputs = BTreeSet::new();
    let names = tensors.inputs.iter().map(|input| input.name());
    let names = names.chain(tensors.dt.as_deref());
    for name in names.chain(tensors.states.iter().map(|state| state.input.as_str())) {
        if name.is_empty() || !inputs.insert(name) {
            let want = "each input of the network stands once, with its name";
            return Err(check.wrong("input name", format!("\"{name}\""), want));
        }
    }
    let mut outputs = BTreeSet::new();
    let names = tensors.outputs.iter().map(|output| output.name.as_str());
    for name in names.chain(tensors.states.iter().map(|state| state.output.as_str())) {
        if name.is_empty() || !outputs.insert(name) {
            let want = "each output of the network stands once, with its name";
            return Err(check.wrong("output name", format!("\"{name}\""), want));
        }
    }
    Ok(())
}
