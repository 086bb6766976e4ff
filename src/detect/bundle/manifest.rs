//! What a manifest says → checked values, or the key that is wrong and what to write (pure).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use sha2::{Digest, Sha256};

use crate::answer::{DecisionParameters, ODDS_AT_MOST};
use crate::detect::bundle::error::{BundleError, Place, Task};
use crate::detect::bundle::files::{ModelFile, hex};

/// What a box runs, until an engine for another one is compiled in.
pub(crate) const DEFAULT_PRECISION: &str = "fp32";
/// Pixels of a crop's side.
const SIZES: std::ops::RangeInclusive<usize> = 8..=512;
/// Values of all states together: 64 MB a rim.
const MAX_STATE_VALUES: usize = 16 << 20;
/// What a rim model answers, in this order.
const RIM_CLASSES: [&str; 4] = ["none", "under_way", "made", "missed"];

/// A square crop around a rim: `f32[1, channels, size, size]`, values 0..1.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CropInput {
    /// Name of the input.
    pub name: String,
    /// Side, pixels of the crop.
    pub size: usize,
    /// Planes, in order.
    pub channels: Vec<Channel>,
    /// Side, in widths of the ring.
    pub rings: f32,
    /// From the crop's top to the ring's top edge, in widths of the ring.
    pub above: f32,
}

/// A plane of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Luma.
    Y,
    /// Blue difference.
    Cb,
    /// Red difference.
    Cr,
}

/// A tensor that the model hands to itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateTensor {
    /// Name of the input.
    pub input: String,
    /// Name of the output that becomes the next input.
    pub output: String,
    /// Its shape, all known.
    pub shape: Vec<usize>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawManifest {
    pub(crate) name: String,
    pub(crate) version: String,
    #[serde(rename = "task")]
    _task: IgnoredAny,
    pub(crate) budget_ms: f64,
    pub(crate) rates: Option<[f64; 2]>,
    pub(crate) max_gap_ms: u32,
    #[serde(default)]
    pub(crate) warmup_frames: u32,
    #[serde(default = "two")]
    pub(crate) queue_frames: usize,
    #[serde(rename = "file", default)]
    pub(crate) files: Vec<RawFile>,
    #[serde(rename = "input", default)]
    pub(crate) inputs: Vec<CropInput>,
    pub(crate) input_dt: Option<RawName>,
    #[serde(rename = "state", default)]
    pub(crate) states: Vec<StateTensor>,
    pub(crate) output: RawOutput,
    #[serde(default)]
    pub(crate) decision: DecisionParameters,
    #[serde(default)]
    pub(crate) provenance: Provenance,
}

/// DESIGN §2: the default bound of a live model's hop.
const fn two() -> usize {
    2
}

/// A `[[file]]` of a manifest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawFile {
    path: String,
    precision: String,
    device: String,
    sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawName {
    pub(crate) name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawOutput {
    pub(crate) logits: String,
    classes: Vec<String>,
}

/// The checks of one manifest, by section.
pub(crate) struct Check<'a> {
    pub(crate) place: &'a Place,
}

impl Check<'_> {
    pub(crate) fn wrong(&self, key: &str, found: impl fmt::Display, want: &str) -> BundleError {
        BundleError::Value {
            manifest: self.place.clone(),
            key: key.to_owned(),
            found: found.to_string(),
            want: want.to_owned(),
        }
    }

    /// Reads the manifest of the bundle `name`, which must be one of `want`'s.
    ///
    /// Another task's has other keys: it is told by its task, not by the first of these.
    pub(crate) fn manifest<T: DeserializeOwned>(
        &self,
        name: &str,
        text: &str,
        want: Task,
    ) -> Result<T, BundleError> {
        #[derive(Deserialize)]
        struct Kind {
            task: Option<String>,
        }
        let wrong = |error: toml::de::Error| manifest_error(self.place, text, &error);
        let kind: Kind = toml::from_str(text).map_err(wrong)?;
        // One without a task is told of it below.
        if let Some(task) = kind.task.filter(|task| task != want.word()) {
            let Some(is) = Task::ALL.into_iter().find(|known| known.word() == task) else {
                let known = "this version of courtside knows \"rim\" and \"ring\"";
                return Err(self.wrong("task", format!("\"{task}\""), known));
            };
            let (manifest, name) = (self.place.clone(), name.to_owned());
            return Err(BundleError::Task { manifest, name, is, want });
        }
        toml::from_str(text).map_err(wrong)
    }

    /// The name is the folder's, the version three numbers.
    pub(crate) fn names(&self, folder: &str, name: &str, version: &str) -> Result<(), BundleError> {
        if name != folder {
            let want = format!("write \"{folder}\", the name of its folder");
            return Err(self.wrong("name", format!("\"{name}\""), &want));
        }
        let parts: Vec<&str> = version.split('.').collect();
        if parts.len() != 3 || !parts.iter().all(|part| part.parse::<u32>().is_ok()) {
            let found = format!("\"{version}\"");
            return Err(self.wrong("version", found, "write three numbers, for example \"0.1.0\""));
        }
        Ok(())
    }

    pub(crate) fn identity(&self, name: &str, raw: &RawManifest) -> Result<(), BundleError> {
        self.names(name, &raw.name, &raw.version)?;
        let classes: Vec<&str> = raw.output.classes.iter().map(String::as_str).collect();
        if classes != RIM_CLASSES {
            let want = format!("a rim model answers {RIM_CLASSES:?}, in this order");
            return Err(self.wrong("output.classes", format!("{classes:?}"), &want));
        }
        Ok(())
    }

    pub(crate) fn times(&self, raw: &RawManifest) -> Result<(), BundleError> {
        if !(raw.budget_ms > 0.0 && raw.budget_ms <= 1000.0) {
            return Err(self.wrong("budget_ms", raw.budget_ms, "write 0.1 to 1000"));
        }
        if let Some([lowest, highest]) = raw.rates
            && !(lowest > 0.0 && lowest <= highest && highest <= 1000.0)
        {
            let found = format!("[{lowest}, {highest}]");
            return Err(self.wrong("rates", found, "write lowest and highest frames a second"));
        }
        if !(1..=60_000).contains(&raw.max_gap_ms) {
            return Err(self.wrong("max_gap_ms", raw.max_gap_ms, "write 1 to 60000"));
        }
        if raw.warmup_frames > 10_000 {
            return Err(self.wrong("warmup_frames", raw.warmup_frames, "write 0 to 10000"));
        }
        if !(1..=64).contains(&raw.queue_frames) {
            return Err(self.wrong("queue_frames", raw.queue_frames, "write 1 to 64"));
        }
        Ok(())
    }

    pub(crate) fn inputs(&self, raw: &RawManifest) -> Result<(), BundleError> {
        if raw.inputs.is_empty() {
            return Err(self.wrong("input", "missing", "write [[input]] for each crop"));
        }
        for input in &raw.inputs {
            let key = |field: &str| format!("input \"{}\", {field}", input.name);
            if !SIZES.contains(&input.size) {
                let want = "write the side of the crop, 8 to 512 pixels";
                return Err(self.wrong(&key("size"), input.size, want));
            }
            if input.channels.is_empty() || input.channels.len() > 3 {
                let want = "write 1 to 3 of \"y\", \"cb\", \"cr\"";
                return Err(self.wrong(&key("channels"), format!("{:?}", input.channels), want));
            }
            if !(input.rings > 0.0 && input.rings <= 100.0) {
                let want = "write the crop's side in widths of the ring, for example 3.2";
                return Err(self.wrong(&key("rings"), input.rings, want));
            }
            if !(input.above.abs() <= 100.0) {
                let want = "write the crop's part above the ring in widths of the ring";
                return Err(self.wrong(&key("above"), input.above, want));
            }
        }
        Ok(())
    }

    pub(crate) fn states(&self, raw: &RawManifest) -> Result<(), BundleError> {
        let mut values = 0_usize;
        for state in &raw.states {
            let key = format!("state \"{}\", shape", state.input);
            let count = state.shape.iter().try_fold(1_usize, |all, dim| all.checked_mul(*dim));
            match count {
                Some(count) if count > 0 && !state.shape.is_empty() => {
                    values = values.saturating_add(count);
                }
                _ => {
                    let want = "write every dimension, 1 or more";
                    return Err(self.wrong(&key, format!("{:?}", state.shape), want));
                }
            }
        }
        if values > MAX_STATE_VALUES {
            let want = format!("states of a rim hold at most {MAX_STATE_VALUES} values");
            return Err(self.wrong("state", format!("{values} values"), &want));
        }
        Ok(())
    }

    pub(crate) fn distinct_names(&self, raw: &RawManifest) -> Result<(), BundleError> {
        let mut inputs = BTreeSet::new();
        let names = raw.inputs.iter().map(|input| &input.name);
        let names = names.chain(raw.input_dt.iter().map(|dt| &dt.name));
        for name in names.chain(raw.states.iter().map(|state| &state.input)) {
            if name.is_empty() || !inputs.insert(name) {
                let want = "each input of the network stands once, with its name";
                return Err(self.wrong("input name", format!("\"{name}\""), want));
            }
        }
        let mut outputs = BTreeSet::from([&raw.output.logits]);
        for state in &raw.states {
            if state.output.is_empty() || !outputs.insert(&state.output) {
                let want = "each output of the network stands once, with its name";
                return Err(self.wrong("output name", format!("\"{}\"", state.output), want));
            }
        }
        Ok(())
    }

    pub(crate) fn decision(&self, decision: &DecisionParameters) -> Result<(), BundleError> {
        let share = |value: f32| (0.0..=1.0).contains(&value);
        if !(0.01..=100.0).contains(&decision.temperature) {
            let want = "write 0.01 to 100; 1 leaves the logits as they are";
            return Err(self.wrong("decision.temperature", decision.temperature, want));
        }
        if !share(decision.open) {
            return Err(self.wrong("decision.open", decision.open, "write 0 to 1"));
        }
        if !(1..=1000).contains(&decision.open_frames) {
            let found = decision.open_frames;
            return Err(self.wrong("decision.open_frames", found, "write 1 to 1000"));
        }
        if !share(decision.provisional) {
            let found = decision.provisional;
            return Err(self.wrong("decision.provisional", found, "write 0 to 1"));
        }
        if decision.final_after_ms > 10_000 {
            let found = decision.final_after_ms;
            return Err(self.wrong("decision.final_after_ms", found, "write 0 to 10000"));
        }
        if decision.early_ms > 10_000 {
            return Err(self.wrong("decision.early_ms", decision.early_ms, "write 0 to 10000"));
        }
        for (key, found) in
            [("decision.early_odds", decision.early_odds), ("decision.unsure", decision.unsure)]
        {
            if !(0.0..=ODDS_AT_MOST).contains(&found) {
                let want =
                    format!("write log-odds, 0 to {ODDS_AT_MOST}: no call's mean goes beyond");
                return Err(self.wrong(key, found, &want));
            }
        }
        if !share(decision.ball) {
            return Err(self.wrong("decision.ball", decision.ball, "write 0 to 1"));
        }
        let most = ODDS_AT_MOST;
        if let Some(cut) = decision.cut.filter(|cut| !(-most..=most).contains(cut)) {
            let want = format!("write -{most} to {most}, or leave it out");
            return Err(self.wrong("decision.cut", cut, &want));
        }
        Ok(())
    }

    /// Reads the file for this machine, and checks its hash.
    pub(crate) fn file(
        &self,
        files: &[RawFile],
        precision: &str,
        read: impl FnOnce(&str) -> Result<Option<Cow<'static, [u8]>>, BundleError>,
    ) -> Result<ModelFile, BundleError> {
        let chosen = self.files(files, precision)?;
        let bytes = read(&chosen.path)?.ok_or_else(|| BundleError::MissingFile {
            manifest: self.place.clone(),
            file: chosen.path.clone(),
        })?;
        let found = hex(&Sha256::digest(&bytes));
        if !found.eq_ignore_ascii_case(&chosen.sha256) {
            return Err(BundleError::Hash {
                manifest: self.place.clone(),
                file: chosen.path.clone(),
                wanted: chosen.sha256.clone(),
                found,
            });
        }
        Ok(ModelFile { path: chosen.path.clone(), precision: chosen.precision.clone(), bytes })
    }

    /// Checks every file's entry and returns the one for the CPU: what is compiled in runs fp32.
    fn files<'r>(&self, files: &'r [RawFile], precision: &str) -> Result<&'r RawFile, BundleError> {
        for file in files {
            let key = |field: &str| format!("file \"{}\", {field}", file.path);
            // A bundle names only its own files.
            if file.path.is_empty() || file.path.starts_with('.') || file.path.contains(['/', '\\'])
            {
                let want = "write the name of a file in the bundle's own folder";
                return Err(self.wrong("file.path", format!("\"{}\"", file.path), want));
            }
            if !["fp32", "fp16", "int8"].contains(&file.precision.as_str()) {
                let want = "write \"fp32\", \"fp16\" or \"int8\"";
                return Err(self.wrong(&key("precision"), format!("\"{}\"", file.precision), want));
            }
            if !["any", "cpu", "cuda"].contains(&file.device.as_str()) {
                let want = "write \"any\", \"cpu\" or \"cuda\"";
                return Err(self.wrong(&key("device"), format!("\"{}\"", file.device), want));
            }
            if file.sha256.len() != 64 || !file.sha256.bytes().all(|c| c.is_ascii_hexdigit()) {
                let want = "write the 64 hexadecimal digits that `sha256sum` prints";
                return Err(self.wrong(&key("sha256"), format!("\"{}\"", file.sha256), want));
            }
        }
        let here = ["any", "cpu"];
        files
            .iter()
            .find(|file| file.precision == precision && here.contains(&file.device.as_str()))
            .ok_or_else(|| {
                let found: Vec<String> = files
                    .iter()
                    .map(|file| format!("{} for {}", file.precision, file.device))
                    .collect();
                let found = if found.is_empty() { "missing".to_owned() } else { found.join(", ") };
                let want = format!(
                    "the engine in the binary needs a [[file]] of precision \"{precision}\", \
                     device \"any\" or \"cpu\""
                );
                self.wrong("file", found, &want)
            })
    }
}

fn manifest_error(place: &Place, text: &str, error: &toml::de::Error) -> BundleError {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    BundleError::Manifest {
        manifest: place.clone(),
        line,
        column,
        problem: error.message().replace('\n', ", "),
    }
}
