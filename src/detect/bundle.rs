//! A model's folder → a checked bundle (DESIGN §4.8): refused with the reason, or whole.
//!
//! [`Bundle::parse`] is pure; [`find`] reads the files. Past this module nothing of a manifest is
//! checked again, but what only the engine can know (that the file's tensors are the manifest's).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use sha2::{Digest, Sha256};

use crate::answer::{DecisionParameters, ODDS_AT_MOST};

/// The one name of a manifest.
const MANIFEST: &str = "model.toml";
/// What a box runs, until an engine for another one is compiled in.
pub(in crate::detect) const DEFAULT_PRECISION: &str = "fp32";
/// Bytes of a manifest; ours have 3 KB.
const MAX_MANIFEST_BYTES: u64 = 256 << 10;
/// Bytes of a model file; RimNet has 5 MB, and a box has 8 GB.
const MAX_FILE_BYTES: u64 = 512 << 20;
/// Pixels of a crop's side.
const SIZES: std::ops::RangeInclusive<usize> = 8..=512;
/// Values of all states together: 64 MB a rim.
const MAX_STATE_VALUES: usize = 16 << 20;
/// What a rim model answers, in this order.
const RIM_CLASSES: [&str; 4] = ["none", "under_way", "made", "missed"];

/// Why a bundle was refused. Each text names the place and says what to do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum BundleError {
    #[error("`{name}` is no name of a bundle: use 1 to 32 of a-z, 0-9 and '-'")]
    Name { name: String },
    #[error(
        "no bundle `{name}`: looked for {name}/model.toml in {searched}; put it there, or correct \
         `bundles` of [detect]"
    )]
    NotFound { name: String, searched: String },
    #[error("read {path}: {source}; make it readable for the user that courtside runs as")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path} has {bytes} bytes, more than {limit}: this is no model of ours, remove it")]
    TooLarge { path: PathBuf, bytes: u64, limit: u64 },
    #[error("{manifest}:{line}:{column}: {problem}; correct the manifest (keys: DESIGN §4.8)")]
    Manifest { manifest: Place, line: usize, column: usize, problem: String },
    #[error(
        "{manifest}: {name} {} (task = \"{}\"); name a bundle that {} (task = \"{}\")",
        is.does(), is.word(), want.does(), want.word()
    )]
    Task { manifest: Place, name: String, is: Task, want: Task },
    #[error("{manifest}: {key} is {found}: {want}")]
    Value { manifest: Place, key: String, found: String, want: String },
    #[error("{manifest} names {file}, which is not there: copy the whole bundle again")]
    MissingFile { manifest: Place, file: String },
    #[error(
        "{file} is damaged or was changed: its sha256 is {found}, {manifest} says {wanted}; copy \
         the bundle again, or write the new sha256 if you changed the file yourself"
    )]
    Hash { manifest: Place, file: String, wanted: String, found: String },
}

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Its answers decide made or missed.
    Rim,
    /// It finds rings in whole pictures.
    Ring,
}

impl Task {
    const ALL: [Self; 2] = [Self::Rim, Self::Ring];

    /// What a manifest calls it.
    const fn word(self) -> &'static str {
        match self {
            Self::Rim => "rim",
            Self::Ring => "ring",
        }
    }

    const fn does(self) -> &'static str {
        match self {
            Self::Rim => "decides made or missed",
            Self::Ring => "finds rings",
        }
    }
}

/// Where a manifest was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On disk.
    File(PathBuf),
    /// In the binary.
    Embedded(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Embedded(name) => write!(f, "{name}/{MANIFEST} in the binary"),
        }
    }
}

/// A bundle that is part of the binary.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// Its name.
    pub name: &'static str,
    /// Its `model.toml`.
    pub manifest: &'static str,
    /// Its files, by the path that the manifest gives them.
    pub files: &'static [(&'static str, &'static [u8])],
}

/// A checked bundle: everything that feeding and reading the model takes.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Name of its folder.
    pub name: String,
    /// `major.minor.patch`.
    pub version: String,
    /// Where it was found.
    pub place: Place,
    /// Milliseconds a picture that it may take; more is told.
    pub budget_ms: f64,
    /// Lowest and highest frames a second that it takes.
    pub rates: Option<[f64; 2]>,
    /// Longest time between two frames that does not reset its state, ms.
    pub max_gap_ms: u32,
    /// Frames after a reset whose answers decide nothing.
    pub warmup_frames: u32,
    /// Frames of a court that may wait for it.
    pub queue_frames: usize,
    /// The file chosen for this machine.
    pub file: ModelFile,
    /// Crops that it looks at.
    pub inputs: Vec<CropInput>,
    /// Name of the input `f32[1,1]`: seconds since the last frame that it saw.
    pub dt: Option<String>,
    /// Tensors that go from one picture to the next; zeros at first.
    pub states: Vec<StateTensor>,
    /// Name of the output `f32[1,4]`.
    pub logits: String,
    /// How its answers become a decision.
    pub decision: DecisionParameters,
    /// Where it came from.
    pub provenance: Provenance,
}

/// A model file whose hash was right.
#[derive(Clone)]
pub struct ModelFile {
    /// Its path in the bundle.
    pub path: String,
    /// `fp32`, `fp16` or `int8`.
    pub precision: String,
    /// The whole file.
    pub bytes: Cow<'static, [u8]>,
}

impl fmt::Debug for ModelFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelFile")
            .field("path", &self.path)
            .field("precision", &self.precision)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

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
struct RawManifest {
    name: String,
    version: String,
    #[serde(rename = "task")]
    _task: IgnoredAny,
    budget_ms: f64,
    rates: Option<[f64; 2]>,
    max_gap_ms: u32,
    #[serde(default)]
    warmup_frames: u32,
    #[serde(default = "two")]
    queue_frames: usize,
    #[serde(rename = "file", default)]
    files: Vec<RawFile>,
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

/// DESIGN §2: the default bound of a live model's hop.
const fn two() -> usize {
    2
}

/// A `[[file]]` of a manifest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::detect) struct RawFile {
    path: String,
    precision: String,
    device: String,
    sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawName {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOutput {
    logits: String,
    classes: Vec<String>,
}

/// Finds the bundle `name`: the first of `folders` that has it, else the one in the binary.
///
/// A bundle that is found and bad is refused; a worse one behind it is never taken in silence.
///
/// # Errors
/// [`BundleError`]: not there, or what is wrong with it.
pub fn find(name: &str, folders: &[PathBuf], embedded: &[Embedded]) -> Result<Bundle, BundleError> {
    find_as(name, DEFAULT_PRECISION, folders, embedded)
}

/// [`find`], with the file of another precision: for comparisons.
///
/// # Errors
/// [`BundleError`]: not there, without such a file, or what is wrong with it.
pub fn find_as(
    name: &str,
    precision: &str,
    folders: &[PathBuf],
    embedded: &[Embedded],
) -> Result<Bundle, BundleError> {
    let found = locate(name, folders, embedded)?;
    Bundle::parse_as(name, precision, found.place.clone(), &found.text, |path| found.read(path))
}

/// A manifest that was found, whatever its task, and the files beside it.
pub(in crate::detect) struct Located {
    pub(in crate::detect) place: Place,
    pub(in crate::detect) text: String,
    embedded: &'static [(&'static str, &'static [u8])],
}

impl Located {
    fn on_disk(manifest: &Path) -> Result<Self, BundleError> {
        let bytes = read_bounded(manifest, MAX_MANIFEST_BYTES)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Self { place: Place::File(manifest.to_path_buf()), text, embedded: &[] })
    }

    /// A file of the bundle; `None`: it is not there.
    pub(in crate::detect) fn read(
        &self,
        path: &str,
    ) -> Result<Option<Cow<'static, [u8]>>, BundleError> {
        let Place::File(manifest) = &self.place else {
            let file = self.embedded.iter().find(|(known, _)| *known == path);
            return Ok(file.map(|(_, bytes)| Cow::Borrowed(*bytes)));
        };
        let path = manifest.parent().unwrap_or_else(|| Path::new(".")).join(path);
        match read_bounded(&path, MAX_FILE_BYTES) {
            Ok(bytes) => Ok(Some(Cow::Owned(bytes))),
            Err(BundleError::Unreadable { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }
}

/// The manifest of the bundle `name`: the first of `folders` that has it, else the one in the binary.
pub(in crate::detect) fn locate(
    name: &str,
    folders: &[PathBuf],
    embedded: &[Embedded],
) -> Result<Located, BundleError> {
    check_name(name)?;
    for folder in folders {
        let manifest = folder.join(name).join(MANIFEST);
        match manifest.try_exists() {
            Ok(true) => return Located::on_disk(&manifest),
            Ok(false) => {}
            Err(source) => return Err(BundleError::Unreadable { path: manifest, source }),
        }
    }
    if let Some(found) = embedded.iter().find(|bundle| bundle.name == name) {
        let (place, text) = (Place::Embedded(found.name), found.manifest.to_owned());
        return Ok(Located { place, text, embedded: found.files });
    }
    let mut searched: Vec<String> = folders.iter().map(|dir| dir.display().to_string()).collect();
    searched.push("the binary".to_owned());
    Err(BundleError::NotFound { name: name.to_owned(), searched: searched.join(", ") })
}

fn check_name(name: &str) -> Result<(), BundleError> {
    let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if (1..=32).contains(&name.len()) && name.bytes().all(good) {
        Ok(())
    } else {
        Err(BundleError::Name { name: name.chars().take(64).collect() })
    }
}

impl Bundle {
    /// Reads the bundle whose manifest is at `manifest`.
    ///
    /// # Errors
    /// [`BundleError`]: what is wrong with it.
    pub fn read(name: &str, manifest: &Path) -> Result<Self, BundleError> {
        let found = Located::on_disk(manifest)?;
        Self::parse(name, found.place.clone(), &found.text, |path| found.read(path))
    }

    /// Checks a manifest and the file that it names for this machine, which `read` brings
    /// (`None`: not there).
    ///
    /// # Errors
    /// [`BundleError`]: what is wrong with it.
    pub fn parse(
        name: &str,
        place: Place,
        text: &str,
        read: impl FnOnce(&str) -> Result<Option<Cow<'static, [u8]>>, BundleError>,
    ) -> Result<Self, BundleError> {
        Self::parse_as(name, DEFAULT_PRECISION, place, text, read)
    }

    fn parse_as(
        name: &str,
        precision: &str,
        place: Place,
        text: &str,
        read: impl FnOnce(&str) -> Result<Option<Cow<'static, [u8]>>, BundleError>,
    ) -> Result<Self, BundleError> {
        let check = Check { place: &place };
        let raw: RawManifest = check.manifest(name, text, Task::Rim)?;
        check.identity(name, &raw)?;
        check.times(&raw)?;
        check.inputs(&raw)?;
        check.states(&raw)?;
        check.distinct_names(&raw)?;
        check.decision(&raw.decision)?;
        let file = check.file(&raw.files, precision, read)?;
        Ok(Self {
            name: raw.name,
            version: raw.version,
            place,
            budget_ms: raw.budget_ms,
            rates: raw.rates,
            max_gap_ms: raw.max_gap_ms,
            warmup_frames: raw.warmup_frames,
            queue_frames: raw.queue_frames,
            file,
            inputs: raw.inputs,
            dt: raw.input_dt.map(|dt| dt.name),
            states: raw.states,
            logits: raw.output.logits,
            decision: raw.decision,
            provenance: raw.provenance,
        })
    }
}

/// The checks of one manifest, by section.
pub(in crate::detect) struct Check<'a> {
    pub(in crate::detect) place: &'a Place,
}

impl Check<'_> {
    pub(in crate::detect) fn wrong(
        &self,
        key: &str,
        found: impl fmt::Display,
        want: &str,
    ) -> BundleError {
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
    pub(in crate::detect) fn manifest<T: DeserializeOwned>(
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
    pub(in crate::detect) fn names(
        &self,
        folder: &str,
        name: &str,
        version: &str,
    ) -> Result<(), BundleError> {
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

    fn identity(&self, name: &str, raw: &RawManifest) -> Result<(), BundleError> {
        self.names(name, &raw.name, &raw.version)?;
        let classes: Vec<&str> = raw.output.classes.iter().map(String::as_str).collect();
        if classes != RIM_CLASSES {
            let want = format!("a rim model answers {RIM_CLASSES:?}, in this order");
            return Err(self.wrong("output.classes", format!("{classes:?}"), &want));
        }
        Ok(())
    }

    fn times(&self, raw: &RawManifest) -> Result<(), BundleError> {
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

    fn inputs(&self, raw: &RawManifest) -> Result<(), BundleError> {
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

    fn states(&self, raw: &RawManifest) -> Result<(), BundleError> {
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

    fn distinct_names(&self, raw: &RawManifest) -> Result<(), BundleError> {
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

    fn decision(&self, decision: &DecisionParameters) -> Result<(), BundleError> {
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
    pub(in crate::detect) fn file(
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

fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, BundleError> {
    let unreadable = |source| BundleError::Unreadable { path: path.to_path_buf(), source };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > limit {
        return Err(BundleError::TooLarge { path: path.to_path_buf(), bytes, limit });
    }
    std::fs::read(path).map_err(unreadable)
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: &[u8] = b"not a network, but its hash is right";

    fn good() -> String {
        format!(
            r#"name = "toy"
version = "0.1.0"
task = "rim"
budget_ms = 3.0
rates = [24.0, 31.0]
max_gap_ms = 250
warmup_frames = 2
[[file]]
path = "toy.onnx"
precision = "fp32"
device = "any"
sha256 = "{}"
[[input]]
name = "frame"
size = 16
channels = ["y"]
rings = 3.2
above = 0.9
[input_dt]
name = "dt"
[[state]]
input = "s"
output = "s_out"
shape = [1, 4]
[output]
logits = "logits"
classes = ["none", "under_way", "made", "missed"]
[decision]
temperature = 1.5
[provenance]
data = "none"
"#,
            hex(&Sha256::digest(BYTES))
        )
    }

    fn parse(text: &str) -> Result<Bundle, BundleError> {
        let place = Place::File(PathBuf::from("models/toy/model.toml"));
        Bundle::parse("toy", place, text, |path| {
            Ok((path == "toy.onnx").then_some(Cow::Borrowed(BYTES)))
        })
    }

    #[test]
    fn a_good_manifest_becomes_a_bundle() {
        let bundle = parse(&good()).expect("good");
        assert_eq!((bundle.queue_frames, bundle.warmup_frames), (2, 2));
        assert_eq!(bundle.dt.as_deref(), Some("dt"));
        assert_eq!(bundle.states[0].shape, [1, 4]);
        assert_eq!(bundle.decision.temperature, 1.5);
        assert_eq!(bundle.decision.open, DecisionParameters::default().open);
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        let sha = hex(&Sha256::digest(BYTES));
        let rows: &[(&str, &str)] = &[
            ("name = \"toy\"", "name = \"other\""),
            ("name = \"toy\"\n", ""),
            ("name = \"toy\"", "name = 3"),
            ("version = \"0.1.0\"", "version = \"2\""),
            ("task = \"rim\"", "task = \"pose\""),
            ("budget_ms = 3.0", "budget_ms = 0.0"),
            ("budget_ms = 3.0", "budget = 3.0"),
            ("rates = [24.0, 31.0]", "rates = [31.0, 24.0]"),
            ("max_gap_ms = 250", "max_gap_ms = 0"),
            ("max_gap_ms = 250", "max_gap_ms = -1"),
            ("max_gap_ms = 250", "max_gap_ms = 250\nqueue_frames = 0"),
            ("size = 16", "size = 4096"),
            ("channels = [\"y\"]", "channels = []"),
            ("channels = [\"y\"]", "channels = [\"rgb\"]"),
            ("rings = 3.2", "rings = nan"),
            ("above = 0.9", "above = inf"),
            ("shape = [1, 4]", "shape = [1, 0]"),
            ("shape = [1, 4]", "shape = []"),
            ("shape = [1, 4]", "shape = [65536, 65536, 65536, 65536]"),
            ("shape = [1, 4]", "shape = [1, 100000000]"),
            ("input = \"s\"", "input = \"frame\""),
            ("output = \"s_out\"", "output = \"logits\""),
            ("\"made\", \"missed\"", "\"missed\", \"made\""),
            ("temperature = 1.5", "temperature = 0.0"),
            ("task = \"rim\"", "task = \"ring\"\nstride = 8"),
            ("task = \"rim\"\n", ""),
            ("temperature = 1.5", "temperature = nan"),
            ("temperature = 1.5", "temperature = 1e-30"),
            ("temperature = 1.5", "open = 2.0"),
            ("temperature = 1.5", "open = nan"),
            ("temperature = 1.5", "open_frames = -1"),
            ("temperature = 1.5", "provisional = -0.1"),
            ("temperature = 1.5", "final_after_ms = 99999"),
            ("temperature = 1.5", "early_ms = -1"),
            ("temperature = 1.5", "early_odds = 1e9"),
            ("temperature = 1.5", "early_odds = -1.0"),
            ("temperature = 1.5", "ball = 1.5"),
            ("temperature = 1.5", "unsure = 1e9"),
            ("temperature = 1.5", "unsure = nan"),
            ("temperature = 1.5", "unsure = -0.2"),
            ("temperature = 1.5", "cut = inf"),
            ("temperature = 1.5", "threshold = 2.0"),
            ("path = \"toy.onnx\"", "path = \"../toy.onnx\""),
            ("path = \"toy.onnx\"", "path = \"gone.onnx\""),
            ("precision = \"fp32\"", "precision = \"fp64\""),
            ("precision = \"fp32\"", "precision = \"int8\""),
            ("device = \"any\"", "device = \"tpu\""),
            (&sha, "12"),
            (&sha, &"0".repeat(64)),
            ("[output]", "[output"),
        ];
        let mut told = String::new();
        for (from, to) in rows {
            let text = good().replacen(from, to, 1);
            assert_ne!(text, good(), "{from} does not stand in the manifest");
            let error = parse(&text).expect_err(to);
            told.push_str(&format!("{}\n    {error}\n", to.replace('\n', " ")));
        }
        insta::assert_snapshot!(told);
    }

    #[test]
    fn the_first_folder_wins_and_the_binary_is_last() {
        let dir = tempfile::tempdir().expect("folder");
        let (near, far) = (dir.path().join("near"), dir.path().join("far"));
        let folders = [near.clone(), far.clone()];
        let text: &'static str = Box::leak(good().into_boxed_str());
        let embedded = [Embedded { name: "toy", manifest: text, files: &[("toy.onnx", BYTES)] }];
        let place = |embedded: &[Embedded]| {
            find("toy", &folders, embedded).map(|bundle| bundle.place.to_string())
        };

        let error = place(&[]).expect_err("nowhere").to_string();
        assert!(error.contains("near") && error.contains("`bundles`"), "{error}");
        assert_eq!(place(&embedded).expect("embedded"), "toy/model.toml in the binary");

        put(&far.join("toy"), text, Some(BYTES));
        assert!(place(&embedded).expect("far").starts_with(far.to_str().expect("text")));
        // A bad one that is nearer is told, not passed over.
        put(&near.join("toy"), text, None);
        let error = place(&embedded).expect_err("half a bundle");
        assert!(matches!(error, BundleError::MissingFile { .. }), "{error}");
        assert!(matches!(find("../toy", &folders, &[]), Err(BundleError::Name { .. })));
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
    fn put(folder: &Path, manifest: &str, file: Option<&[u8]>) {
        std::fs::create_dir_all(folder).expect("folder");
        std::fs::write(folder.join(MANIFEST), manifest).expect("manifest");
        if let Some(file) = file {
            std::fs::write(folder.join("toy.onnx"), file).expect("file");
        }
    }
}
