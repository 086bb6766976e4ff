//! The bundle of a model that finds rings in whole pictures (`task = "ring"`): refused with the
//! reason, or whole. Pure past reading the files.

use std::borrow::Cow;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::detect::bundle::error::{BundleError, Place, Task};
use crate::detect::bundle::files::{Embedded, ModelFile, locate};
use crate::detect::bundle::manifest::{Check, DEFAULT_PRECISION, Provenance, RawFile};

/// Pixels of a side of the input.
const SIDES: std::ops::RangeInclusive<usize> = 32..=4096;

/// A checked bundle: everything that feeding and reading the model takes.
#[derive(Clone, Debug)]
pub struct RingBundle {
    /// Name of its folder.
    pub name: String,
    /// `major.minor.patch`.
    pub version: String,
    /// Where it was found.
    pub place: Place,
    /// Milliseconds a picture that it may take.
    pub budget_ms: f64,
    /// The file chosen for this machine.
    pub file: ModelFile,
    /// The input: `f32[1, 3, height, width]`, Y, Cb, Cr, 0..1.
    pub frame: FrameInput,
    /// The output: `f32[1, 5, height / stride, width / stride]`.
    pub found: FoundOutput,
    /// How the output becomes rings.
    pub decision: RingDecision,
    /// Where it came from.
    pub provenance: Provenance,
}

/// A whole picture, fitted in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameInput {
    /// Name of the input.
    pub name: String,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
}

/// Five values a cell: the logit that a ring's centre lies in it, where in it (x, y, in cells),
/// ln(width / unit), ln(height / unit).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundOutput {
    /// Name of the output.
    pub name: String,
    /// Pixels of a cell's side.
    pub stride: usize,
    /// Pixels.
    pub unit: f32,
}

/// How the output becomes rings.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RingDecision {
    /// A lower score is no ring.
    pub least: f32,
    /// Of two rings whose centres are nearer than this share of the wider one, the better stays.
    pub apart: f32,
    /// Rings a picture at most.
    pub most: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    name: String,
    version: String,
    #[serde(rename = "task")]
    _task: IgnoredAny,
    budget_ms: f64,
    #[serde(rename = "file", default)]
    files: Vec<RawFile>,
    frame: FrameInput,
    found: FoundOutput,
    decision: RingDecision,
    #[serde(default)]
    provenance: Provenance,
}

impl RingBundle {
    /// Finds the bundle `name`: the first of `folders` that has it, else the one in the binary.
    ///
    /// # Errors
    /// [`BundleError`]: not there, or what is wrong with it.
    pub fn find(
        name: &str,
        folders: &[PathBuf],
        embedded: &[Embedded],
    ) -> Result<Self, BundleError> {
        let found = locate(name, folders, embedded)?;
        Self::parse(name, found.place.clone(), &found.text, |path| found.read(path))
    }

    /// Checks a manifest and the file that it names, which `read` brings (`None`: not there).
    ///
    /// # Errors
    /// [`BundleError`]: what is wrong with it.
    pub fn parse(
        name: &str,
        place: Place,
        text: &str,
        read: impl FnOnce(&str) -> Result<Option<Cow<'static, [u8]>>, BundleError>,
    ) -> Result<Self, BundleError> {
        let check = Check { place: &place };
        let raw: RawManifest = check.manifest(name, text, Task::Ring)?;
        check.names(name, &raw.name, &raw.version)?;
        numbers(&check, &raw)?;
        let file = check.file(&raw.files, DEFAULT_PRECISION, read)?;
        Ok(Self {
            name: raw.name,
            version: raw.version,
            place,
            budget_ms: raw.budget_ms,
            file,
            frame: raw.frame,
            found: raw.found,
            decision: raw.decision,
            provenance: raw.provenance,
        })
    }

    /// Rows and columns of the output.
    #[must_use]
    pub fn cells(&self) -> (usize, usize) {
        (self.frame.height / self.found.stride, self.frame.width / self.found.stride)
    }
}

fn numbers(check: &Check<'_>, raw: &RawManifest) -> Result<(), BundleError> {
    if !(raw.budget_ms > 0.0 && raw.budget_ms <= 10_000.0) {
        return Err(check.wrong("budget_ms", raw.budget_ms, "write 0.1 to 10000"));
    }
    if !(1..=64).contains(&raw.found.stride) {
        return Err(check.wrong("found.stride", raw.found.stride, "write 1 to 64"));
    }
    for (key, side) in [("frame.width", raw.frame.width), ("frame.height", raw.frame.height)] {
        if !SIDES.contains(&side) || side % raw.found.stride != 0 {
            return Err(check.wrong(key, side, "write a multiple of `found.stride`, 32 to 4096"));
        }
    }
    if !(raw.found.unit > 0.0 && raw.found.unit <= 4096.0) {
        return Err(check.wrong("found.unit", raw.found.unit, "write pixels, above 0"));
    }
    if !(raw.decision.least > 0.0 && raw.decision.least < 1.0) {
        return Err(check.wrong("decision.least", raw.decision.least, "write a share, 0 to 1"));
    }
    if !(0.0..=10.0).contains(&raw.decision.apart) {
        return Err(check.wrong("decision.apart", raw.decision.apart, "write 0 to 10"));
    }
    if !(1..=256).contains(&raw.decision.most) {
        return Err(check.wrong("decision.most", raw.decision.most, "write 1 to 256"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// sha256 of nothing.
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn good() -> String {
        format!(
            r#"name = "toy"
version = "0.1.0"
task = "ring"
budget_ms = 60.0
[[file]]
path = "toy.onnx"
precision = "fp32"
device = "any"
sha256 = "{EMPTY}"
[frame]
name = "frame"
width = 640
height = 360
[found]
name = "found"
stride = 8
unit = 16.0
[decision]
least = 0.3
apart = 0.5
most = 16
"#
        )
    }

    fn parse(text: &str) -> Result<RingBundle, BundleError> {
        RingBundle::parse("toy", Place::Embedded("toy"), text, |path| {
            Ok((path == "toy.onnx").then_some(Cow::Borrowed(&[][..])))
        })
    }

    #[test]
    fn a_good_manifest_becomes_a_bundle() {
        let bundle = parse(&good()).expect("good");
        assert_eq!(bundle.cells(), (45, 80));
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        let rows = [
            (
                "task = \"ring\"",
                "task = \"rim\"",
                "toy decides made or missed (task = \"rim\"); name a bundle that finds",
            ),
            ("task = \"ring\"", "task = \"pose\"", "knows \"rim\" and \"ring\""),
            ("least = 0.3", "least = nan", "a share"),
            ("apart = 0.5", "apart = nan", "0 to 10"),
            ("name = \"toy\"", "name = \"other\"", "the name of its folder"),
            ("budget_ms = 60.0", "budget_ms = 0.0", "0.1 to 10000"),
            ("width = 640", "width = 642", "multiple of `found.stride`"),
            ("height = 360", "height = 8", "32 to 4096"),
            ("stride = 8", "stride = 0", "1 to 64"),
            ("unit = 16.0", "unit = nan", "pixels, above 0"),
            ("least = 0.3", "least = 1.0", "a share"),
            ("apart = 0.5", "apart = -1.0", "0 to 10"),
            ("most = 16", "most = 0", "1 to 256"),
            ("most = 16", "least = 0.3", "duplicate key"),
            (EMPTY, &"0".repeat(64), "copy the bundle again"),
        ];
        for (from, to, want) in rows {
            let text = good().replacen(from, to, 1);
            assert_ne!(text, good(), "{from} does not stand in the manifest");
            let error = parse(&text).expect_err(to).to_string();
            assert!(error.contains(want), "{to}: {error}");
        }
    }
}
