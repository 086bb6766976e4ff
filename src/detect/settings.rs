//! What the configuration says of models.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Which models are wanted, and where they lie.
#[derive(Clone, Debug)]
pub struct DetectSettings {
    /// Names of bundles; the first that loads is live.
    pub bundles: Vec<String>,
    /// Whether somebody looks, once a second, if cameras were moved.
    pub finder: bool,
    /// Folders of bundles, first one first; the binary comes last.
    pub search: Vec<PathBuf>,
    /// `auto`, `cpu`, or an accelerator.
    pub device: String,
}

/// What a model may want, by the sum of its shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelLimits {
    /// Bytes of constants, and as many of activations.
    pub memory_bytes: u64,
    /// Multiply-adds of one look.
    pub multiply_adds: u64,
}

impl Default for ModelLimits {
    /// Chosen: RimNet has 5 MB and 9 million, RimFinder, which looks at whole pictures, 40 MB and 1,100
    /// million; a core does some 10⁹ multiply-adds in 100 ms.
    fn default() -> Self {
        Self { memory_bytes: 256_000_000, multiply_adds: 50_000_000_000 }
    }
}
