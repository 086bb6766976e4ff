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
use crate::detect::engine::graph::sums::Limits;
use crate::detect::settings::ModelLimits;

pub use crate::detect::engine::contract::{
    Engine, EngineError, EngineFound, Engines, Look, Placement, Said, View,
};

/// The engines of this machine.
pub struct InstalledEngines {
    clock: Arc<dyn Clock>,
    limits: ModelLimits,
}

impl InstalledEngines {
    /// Those that there are; engines measure by `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, limits: ModelLimits::default() }
    }

    /// The same, for models that may want so much.
    #[must_use]
    pub fn within(self, limits: ModelLimits) -> Self {
        Self { limits, ..self }
    }
}

impl Engines for InstalledEngines {
    fn engine_for(&self, bundle: &Bundle) -> Result<Box<dyn Engine>, EngineError> {
        let limits = Limits::of(self.limits);
        Ok(Box::new(Builtin::load_within(limits, bundle, Arc::clone(&self.clock))?))
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
