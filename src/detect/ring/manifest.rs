//! The table `[ring]` of a manifest: a model that finds rings in whole pictures (pure).

use serde::Deserialize;

use crate::detect::bundle::check::Check;
use crate::detect::bundle::error::BundleError;
use crate::detect::bundle::tensors::{FrameInput, OutputTensor, PictureInput, Tensors};

/// Pixels of a side of the input.
const SIDES: std::ops::RangeInclusive<usize> = 32..=4096;
/// Values of a cell ([`FoundOutput`]).
const CELL_VALUES: usize = 5;

/// What only a ring model has.
#[derive(Clone, Debug, PartialEq)]
pub struct RingTable {
    /// The input: `f32[1, 3, height, width]`, Y, Cb, Cr, 0..1.
    pub frame: FrameInput,
    /// The output: `f32[1, 5, height / stride, width / stride]`.
    pub found: FoundOutput,
    /// How the output becomes rings.
    pub decision: RingDecision,
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

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRing {
    pub(crate) frame: FrameInput,
    pub(crate) found: FoundOutput,
    pub(crate) decision: RingDecision,
}

impl RingTable {
    /// Rows and columns of the output.
    #[must_use]
    pub fn cells(&self) -> (usize, usize) {
        (self.frame.height / self.found.stride, self.frame.width / self.found.stride)
    }
}

impl RawRing {
    /// Checks the table.
    pub(crate) fn checked(self, check: Check<'_>) -> Result<(RingTable, Tensors), BundleError> {
        check_numbers(check, &self)?;
        let Self { frame, found, decision } = self;
        let table = RingTable { frame, found, decision };
        let (rows, columns) = table.cells();
        let tensors = Tensors {
            inputs: vec![PictureInput::Whole(table.frame.clone())],
            outputs: vec![OutputTensor {
                name: table.found.name.clone(),
                shape: vec![1, CELL_VALUES, rows, columns],
            }],
            ..Tensors::default()
        };
        Ok((table, tensors))
    }
}

fn check_numbers(check: Check<'_>, raw: &RawRing) -> Result<(), BundleError> {
    if !(1..=64).contains(&raw.found.stride) {
        return Err(check.wrong_in_table("found.stride", raw.found.stride, "write 1 to 64"));
    }
    for (key, side) in [("frame.width", raw.frame.width), ("frame.height", raw.frame.height)] {
        if !SIDES.contains(&side) || side % raw.found.stride != 0 {
            let want = format!("write a multiple of `{}found.stride`, 32 to 4096", check.table);
            return Err(check.wrong_in_table(key, side, &want));
        }
    }
    let wrong = |key: &str, found: f32, want: &str| Err(check.wrong_in_table(key, found, want));
    if !(raw.found.unit > 0.0 && raw.found.unit <= 4096.0) {
        return wrong("found.unit", raw.found.unit, "write pixels, above 0");
    }
    if !(raw.decision.least > 0.0 && raw.decision.least < 1.0) {
        return wrong("decision.least", raw.decision.least, "write a share, 0 to 1");
    }
    if !(0.0..=10.0).contains(&raw.decision.apart) {
        return wrong("decision.apart", raw.decision.apart, "write 0 to 10");
    }
    if !(1..=256).contains(&raw.decision.most) {
        let found = raw.decision.most;
        return Err(check.wrong_in_table("decision.most", found, "write 1 to 256"));
    }
    Ok(())
}
