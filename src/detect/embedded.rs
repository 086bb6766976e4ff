//! The bundles in the binary: what a box with nothing installed answers with.

use crate::detect::bundle::Embedded;

/// Found last, when no folder has a bundle of that name.
pub const IN_THE_BINARY: &[Embedded] = &[];
