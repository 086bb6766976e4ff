//! The head of a manifest, which all tasks share: who the model is, how it is fed, whence it came.

use serde::Deserialize;

use crate::detect::bundle::check::Check;
use crate::detect::bundle::error::{BundleError, Task};
use crate::detect::bundle::files::FileEntry;

/// The head as it is checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) budget_ms: f64,
    pub(crate) rates: Option<[f64; 2]>,
    pub(crate) max_gap_ms: Option<u32>,
    pub(crate) warmup_frames: u32,
    pub(crate) queue_frames: usize,
    pub(crate) files: Vec<FileEntry>,
    pub(crate) provenance: Provenance,
}

/// Where a bundle came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Provenance {
    /// What it was trained on.
    pub data: String,
    /// Rights to that data.
    pub rights: Vec<String>,
    /// Commands that made it.
    pub commands: Vec<String>,
    /// What it reached, with n and interval.
    pub figures: Vec<String>,
    /// Courts, as truth files name them, whose footage it was trained on: no figure on them counts.
    pub seen: Vec<String>,
}

/// DESIGN §2: the default bound of a live model's hop.
pub(crate) const fn usual_queue() -> usize {
    2
}

impl Head {
    /// Checks everything but the files; the name must be the folder's.
    pub(crate) fn check(
        &self,
        check: Check<'_>,
        folder: &str,
        task: Task,
    ) -> Result<(), BundleError> {
        if self.name != folder {
            let want = format!("write \"{folder}\", the name of its folder");
            return Err(check.wrong("name", format!("\"{}\"", self.name), &want));
        }
        let parts: Vec<&str> = self.version.split('.').collect();
        if parts.len() != 3 || !parts.iter().all(|part| part.parse::<u32>().is_ok()) {
            let found = format!("\"{}\"", self.version);
            let want = "write three numbers, for example \"0.1.0\"";
            return Err(check.wrong("version", found, want));
        }
        let most_ms = most_ms(task);
        if !(self.budget_ms > 0.0 && self.budget_ms <= most_ms) {
            let want = format!("write 0.1 to {most_ms}");
            return Err(check.wrong("budget_ms", self.budget_ms, &want));
        }
        if let Some([lowest, highest]) = self.rates
            && !(lowest > 0.0 && lowest <= highest && highest <= 1000.0)
        {
            let found = format!("[{lowest}, {highest}]");
            return Err(check.wrong("rates", found, "write lowest and highest frames a second"));
        }
        if let Some(gap) = self.max_gap_ms.filter(|gap| !(1..=60_000).contains(gap)) {
            return Err(check.wrong("max_gap_ms", gap, "write 1 to 60000"));
        }
        if self.warmup_frames > 10_000 {
            return Err(check.wrong("warmup_frames", self.warmup_frames, "write 0 to 10000"));
        }
        if !(1..=64).contains(&self.queue_frames) {
            return Err(check.wrong("queue_frames", self.queue_frames, "write 1 to 64"));
        }
        Ok(())
    }
}

/// The longest budget that makes sense, ms: of every picture, or of one a second on a slow box.
const fn most_ms(task: Task) -> f64 {
    match task {
        Task::Rim => 1_000.0,
        Task::Ring => 10_000.0,
    }
}
