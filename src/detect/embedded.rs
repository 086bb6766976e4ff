//! The bundles in the binary: what a box with nothing installed answers with.

use crate::detect::bundle::files::Embedded;

/// Found last, when no folder has a bundle of that name: one that decides, one that finds rings, and one of
/// another family to run beside the first, so that the board of models has something to compare.
/// A static: of a constant each user has a copy of 6 MB.
pub static IN_THE_BINARY: &[Embedded] = &[
    Embedded {
        name: "rimnet",
        manifest: include_str!("../../models/rimnet/model.toml"),
        files: &[("rimnet-fp32.onnx", include_bytes!("../../models/rimnet/rimnet-fp32.onnx"))],
    },
    Embedded {
        name: "rimfinder",
        manifest: include_str!("../../models/rimfinder/model.toml"),
        files: &[(
            "rimfinder-fp32.onnx",
            include_bytes!("../../models/rimfinder/rimfinder-fp32.onnx"),
        )],
    },
    Embedded {
        name: "ballnet",
        manifest: include_str!("../../models/ballnet/model.toml"),
        files: &[("ballnet-fp32.onnx", include_bytes!("../../models/ballnet/ballnet-fp32.onnx"))],
    },
];
