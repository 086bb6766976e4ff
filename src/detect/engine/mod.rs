//! What runs a network: one contract for all tasks (`contract`), a file an engine, and who makes them.
//!
//! `builtin` is compiled in and needs nothing installed. Others stand beside it, each behind a feature
//! and with a library that is looked for when it is wanted: `onnx`, and `on_gpu` with `tensorrt` (its C++
//! behind our C), `batch` (several looks at once) and `plans` (what was built, on disk). [`InstalledEngines`] chooses the best
//! there is, and holds the compiled-in one ready below it (`fallover`; who runs is decided by `ladder`, and `apart` notices a call that does not end).
//! `cutting` makes an input of a picture; `trial` runs a network on a grey picture before it is let near a
//! court.

pub(crate) mod contract;
pub(crate) mod graph;
pub(crate) mod signature;
pub(crate) mod cutting;
pub(crate) mod cut;
pub(crate) mod builtin;
#[cfg(any(feature = "onnx", feature = "tensorrt"))]
pub(crate) mod native;
#[cfg(feature = "onnx")]
pub(crate) mod onnx;
#[cfg(any(feature = "tensorrt", test))]
pub(crate) mod batch;
#[cfg(any(feature = "tensorrt", test))]
pub(crate) mod plans;
#[cfg(feature = "tensorrt")]
pub(crate) mod tensorrt;
#[cfg(feature = "tensorrt")]
pub(crate) mod on_gpu;
pub(crate) mod trial;
pub(crate) mod ladder;
pub(crate) mod apart;
pub(crate) mod fallover;
#[cfg(test)]
mod parity;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Clock;
use crate::detect::bundle::Bundle;
use crate::detect::engine::apart::patience;
use crate::detect::engine::builtin::Builtin;
use crate::detect::engine::fallover::{FallOver, Maker, Parts, on_a_thread};
use crate::detect::engine::graph::sums::Limits;
use crate::detect::engine::ladder::Patience;
#[cfg(feature = "tensorrt")]
use crate::detect::engine::on_gpu::MakesTensorRt;
#[cfg(feature = "onnx")]
use crate::detect::engine::onnx::MakesOnnx;
use crate::detect::settings::{EngineSettings, Kept, ModelLimits};
use crate::device::Gpu;
use crate::disk::Disk;

pub use crate::detect::engine::contract::{
    Engine, EngineError, EngineFound, EngineNews, Engines, Look, Placement, Said, SlotState, View,
};

/// The engines of this machine.
pub struct InstalledEngines {
    clock: Arc<dyn Clock>,
    limits: ModelLimits,
    settings: EngineSettings,
    #[cfg_attr(not(feature = "tensorrt"), expect(dead_code, reason = "for engines on it"))]
    gpu: Gpu,
    #[cfg_attr(
        not(feature = "tensorrt"),
        expect(dead_code, reason = "for engines that are built")
    )]
    kept: Option<Kept>,
}

impl InstalledEngines {
    /// The one in the binary alone: the same answers on every machine; engines measure by `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            limits: ModelLimits::default(),
            settings: EngineSettings::default(),
            gpu: Gpu::default(),
            kept: None,
        }
    }

    /// The same, for models that may want so much.
    #[must_use]
    pub fn within(self, limits: ModelLimits) -> Self {
        Self { limits, ..self }
    }

    /// The best that there are, as a box is set to take them.
    #[must_use]
    pub fn wanting(self, settings: EngineSettings) -> Self {
        Self { settings, ..self }
    }

    /// On this GPU; engines that were built for it are kept in `folder`.
    #[must_use]
    pub fn on(self, gpu: &Gpu, disk: &Arc<dyn Disk>, folder: PathBuf) -> Self {
        let kept = Some(Kept { disk: Arc::clone(disk), folder });
        Self { gpu: gpu.clone(), kept, ..self }
    }

    /// Who makes better ones than the last, best first.
    fn makers(&self) -> Vec<Arc<dyn Maker>> {
        let makers: Vec<Arc<dyn Maker>> = vec![
            #[cfg(feature = "tensorrt")]
            Arc::new(MakesTensorRt::new(
                &self.settings,
                &self.gpu,
                self.kept.as_ref(),
                self.limits,
                &self.clock,
            )),
            #[cfg(feature = "onnx")]
            Arc::new(MakesOnnx::new(&self.settings, self.limits, &self.clock)),
        ];
        makers.into_iter().filter(|maker| maker.is_wanted(self.settings.wish)).collect()
    }
}

impl Engines for InstalledEngines {
    fn engine_for(&self, bundle: &Bundle) -> Result<Box<dyn Engine>, EngineError> {
        let (limits, clock) = (Limits::of(self.limits), Arc::clone(&self.clock));
        let last = Box::new(Builtin::load_within(limits, bundle, clock)?);
        let better = self.makers();
        if better.is_empty() {
            return Ok(last);
        }
        Ok(Box::new(FallOver::new(Parts {
            better,
            last,
            bundle: Arc::new(bundle.clone()),
            clock: Arc::clone(&self.clock),
            patience: Patience::USUAL,
            silence: Some(patience(bundle.budget_ms)),
            beside: on_a_thread,
            asked_for: self.settings.wish.is_asked_for() || self.settings.dla.is_some(),
        })))
    }

    fn found(&self) -> Vec<EngineFound> {
        let better = self.makers().into_iter().map(|maker| maker.found());
        better.chain([builtin::found()]).collect()
    }
}

impl fmt::Debug for InstalledEngines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.found()).finish()
    }
}

/// What this machine has to run networks with, best first: for `--version` and reports.
#[must_use]
pub fn engines_found() -> Vec<EngineFound> {
    vec![
        #[cfg(feature = "tensorrt")]
        on_gpu::found(),
        #[cfg(feature = "onnx")]
        onnx::found(),
        builtin::found(),
    ]
}
