//! What the stages are given of the world outside.

use std::sync::Arc;

use crate::clock::{Chance, Clock, SystemClock};
use crate::decode::{Decoders, InstalledDecoders};
use crate::detect::{Engines, InstalledEngines, ModelLimits};
use crate::disk::{Disk, RealDisk};

/// What the stages are given of the world outside.
#[derive(Clone, Debug)]
pub struct World {
    /// Both clocks.
    pub clock: Arc<dyn Clock>,
    /// Names sessions and spreads retries; never secrets.
    pub chance: Chance,
    /// Where ring, outbox and calibrations live.
    pub disk: Arc<dyn Disk>,
    /// What decodes and computes.
    pub devices: Devices,
}

/// What a box has to decode and to compute with.
#[derive(Clone, Debug)]
pub struct Devices {
    /// Make pipelines.
    pub decoders: Arc<dyn Decoders>,
    /// Run networks.
    pub engines: Arc<dyn Engines>,
}

impl Devices {
    /// Those of this machine; engines measure by `clock`.
    #[must_use]
    pub fn installed(clock: &Arc<dyn Clock>) -> Self {
        Self::installed_for(clock, ModelLimits::default())
    }

    /// The same, for models that may want so much.
    #[must_use]
    pub fn installed_for(clock: &Arc<dyn Clock>, limits: ModelLimits) -> Self {
        Self {
            decoders: Arc::new(InstalledDecoders::default()),
            engines: Arc::new(InstalledEngines::new(Arc::clone(clock)).within(limits)),
        }
    }
}

impl World {
    /// The real one.
    #[must_use]
    pub fn real() -> Self {
        Self::real_for(ModelLimits::default())
    }

    /// The same, for models that may want so much.
    #[must_use]
    pub fn real_for(limits: ModelLimits) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        Self {
            devices: Devices::installed_for(&clock, limits),
            clock,
            chance: Chance::system(),
            disk: Arc::new(RealDisk::new()),
        }
    }
}
