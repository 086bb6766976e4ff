//! This machine as a box: its clock and disk, and of its decoders, engines and GPU what a configuration
//! wants. The same for the daemon and for whoever tries it in a process of his own.

use std::sync::Arc;

use crate::app::{Devices, GPU_FOLDER, World, engine_settings, model_limits};
use crate::config::Config;
use crate::detect::InstalledEngines;
use crate::device::Gpu;
use crate::disk::Disk;

/// What a box is built of.
pub(super) struct Machine {
    pub(super) world: World,
    /// The GPU of its devices.
    #[cfg_attr(not(feature = "gstreamer"), expect(dead_code, reason = "asked by a bench"))]
    pub(super) gpu: Gpu,
}

/// This machine, as `config` wants it; what is compiled for its GPU is kept below the data folder.
pub(super) fn machine(config: &Config, disk: Arc<dyn Disk>) -> Machine {
    let limits = model_limits(config);
    let compiled = config.appliance.data_dir.join(GPU_FOLDER);
    let gpu = Gpu::keeping(Arc::clone(&disk), compiled.clone());
    let gpu = gpu.numbered(config.detect.device.gpu());
    let world = World::real_for(limits, &gpu);
    let engines = InstalledEngines::new(Arc::clone(&world.clock))
        .within(limits)
        .wanting(engine_settings(config))
        .on(&gpu, &disk, compiled);
    let devices = Devices { engines: Arc::new(engines), ..world.devices.clone() };
    Machine { world: World { disk, devices, ..world }, gpu }
}
