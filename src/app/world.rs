//! What the stages are given of the world outside.

use std::sync::Arc;

use crate::clock::{Chance, Clock, SystemClock};
use crate::decode::{Decoders, InstalledDecoders};
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
}

impl Devices {
    /// Those of this machine.
    #[must_use]
    pub fn installed() -> Self {
        Self { decoders: Arc::new(InstalledDecoders) }
    }
}

impl World {
    /// The real one.
    #[must_use]
    pub fn real() -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            chance: Chance::system(),
            disk: Arc::new(RealDisk::new()),
            devices: Devices::installed(),
        }
    }
}
