//! The bundles in the binary: what a box with nothing installed answers with.
//!
//! Their manifests always; their networks too where the feature `carried` is on. A box's package places those as files
//! and its program is 6 MB smaller: what the manifest in the binary says of a file's sum holds there as well, so they are
//! as much ours.

#[cfg(not(feature = "carried"))]
use crate::detect::bundle::files::SYSTEM_MODELS;
use crate::detect::bundle::files::{Embedded, Networks};

macro_rules! embedded {
    ($name:literal, $file:literal) => {
        Embedded {
            name: $name,
            manifest: include_str!(concat!("../../models/", $name, "/model.toml")),
            #[cfg(feature = "carried")]
            networks: Networks::Inside(&[(
                $file,
                include_bytes!(concat!("../../models/", $name, "/", $file)),
            )]),
            #[cfg(not(feature = "carried"))]
            networks: Networks::Below(SYSTEM_MODELS),
        }
    };
}

/// Found last, when no folder has a bundle of that name: one that decides, one that finds rings, and one of
/// another family to run beside the first, so that the board of models has something to compare.
/// A static: of a constant each user has a copy of 6 MB.
pub static IN_THE_BINARY: &[Embedded] = &[
    embedded!("rimnet", "rimnet-fp32.onnx"),
    embedded!("rimfinder", "rimfinder-fp32.onnx"),
    embedded!("ballnet", "ballnet-fp32.onnx"),
];
