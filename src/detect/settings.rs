//! What the configuration says of models.

use std::path::PathBuf;

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
