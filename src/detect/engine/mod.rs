//! What runs a network: one contract for all tasks (`contract`), a file an engine, and who makes them.
//!
//! `builtin` is compiled in and needs nothing installed. Another would stand
//! beside it behind a feature, and [`InstalledEngines`] choose. `trial` runs a network on a grey
//! picture before it is let near a court.

pub(crate) mod contract;
pub(crate) mod graph;
pub(crate) mod builtin;
pub(crate) mod trial;

use std::fmt;
use std::sync::Arc;

use crate::clock::Clock;
use crate::detect::bundle::Bundle;
use crate::detect::engine::builtin::Builtin;

pub use crate::detect::engine::contract::{
    Engine, EngineError, EngineFound, Engines, Look, Placement, Said, View,
};

/// The engines of this machine.
pub struct InstalledEngines {
    clock: Arc<dyn Clock>,
}

impl InstalledEngines {
    /// Those that there are; engines measure by `clock`.
    #[must_use]
    pub const fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

impl Engines for InstalledEngines {
    fn engine_for(&self, bundle: &Bundle) -> Result<Box<dyn Engine>, EngineError> {
        Ok(Box::new(Builtin::load(bundle, Arc::clone(&self.clock))?))
    }

    fn found(&self) -> Vec<EngineFound> {
        engines_found()
    }
}

impl fmt::Debug for InstalledEngines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(engines_found()).finish()
    }
}

/// What this machine has to run networks with, best first: for `--version` and reports.
#[must_use]
pub fn engines_found() -> Vec<EngineFound> {
    vec![builtin::found()]
}
