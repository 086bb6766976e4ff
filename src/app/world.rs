//! What the stages are given of the world outside.

use std::sync::Arc;

use crate::clock::{Chance, Clock, SystemClock};
use crate::decode::{Decoders, InstalledDecoders};
use crate::detect::{Engines, InstalledEngines, ModelLimits};
use crate::device::Gpu;
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
        Self::installed_for(clock, ModelLimits::default(), &Gpu::default())
    }

    /// The same, for models that may want so much, with that GPU.
    #[must_use]
    pub fn installed_for(clock: &Arc<dyn Clock>, limits: ModelLimits, gpu: &Gpu) -> Self {
        Self {
            decoders: Arc::new(InstalledDecoders::on(gpu)),
            engines: Arc::new(InstalledEngines::new(Arc::clone(clock)).within(limits)),
        }
    }
}

impl World {
    /// The real one, which keeps nothing that was compiled for its GPU.
    #[must_use]
    pub fn real() -> Self {
        Self::real_for(ModelLimits::default(), &Gpu::default())
    }

    /// The same, for models that may want so much, with that GPU.
    #[must_use]
    pub fn real_for(limits: ModelLimits, gpu: &Gpu) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        Self {
            devices: Devices::installed_for(&clock, limits, gpu),
            clock,
            chance: Chance::system(),
            disk: Arc::new(RealDisk::new()),
        }
    }
}
