//! The bundles in the binary: what a box with nothing installed answers with.

use crate::detect::bundle::Embedded;

/// Found last, when no folder has a bundle of that name.
pub const IN_THE_BINARY: &[Embedded] = &[Embedded {
    name: "rimnet",
    manifest: include_str!("../../models/rimnet/model.toml"),
    files: &[("rimnet-fp32.onnx", include_bytes!("../../models/rimnet/rimnet-fp32.onnx"))],
}];

/// The finder of rings, likewise.
pub(in crate::detect) const FINDER_IN_THE_BINARY: &[Embedded] = &[Embedded {
    name: "rimfinder",
    manifest: include_str!("../../models/rimfinder/model.toml"),
    files: &[("rimfinder-fp32.onnx", include_bytes!("../../models/rimfinder/rimfinder-fp32.onnx"))],
}];
