//! A model's folder → a checked bundle (DESIGN §4.8): refused with the reason, or whole.
//!
//! [`Bundle::parse`] is pure; [`find`] reads the files. Read `error` (every refusal), `manifest` (the
//! checks), `files` (folders, bytes and hashes), then [`Bundle`]. Past this module nothing of a
//! manifest is checked again, but what only the engine can know (that the file's tensors are the
//! manifest's).

pub(crate) mod error;
pub(crate) mod manifest;
pub(crate) mod files;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::answer::DecisionParameters;
use crate::detect::bundle::files::{Located, locate};
use crate::detect::bundle::manifest::{Check, DEFAULT_PRECISION, RawManifest};

pub use crate::detect::bundle::error::{BundleError, Place, Task};
pub use crate::detect::bundle::files::{Embedded, ModelFile};
pub use crate::detect::bundle::manifest::{Channel, CropInput, Provenance, StateTensor};

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

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::detect::bundle::error::MANIFEST;
    use crate::detect::bundle::files::hex;

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
