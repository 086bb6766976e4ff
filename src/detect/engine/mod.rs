//! What runs a network: one contract for all tasks (`contract`), a file an engine, and who makes them.
//!
//! `builtin` is compiled in and needs nothing installed. Others stand beside it, each behind a feature
//! and with a library that is looked for when it is wanted: `onnx`; `on_gpu` (pictures, states
//! and batches on a GPU) with `makes_tensorrt`, `tensorrt` (its C++ behind our C) and `plans` (what was built,
//! on disk), or with `makes_cuda` and `linked` (ONNX Runtime there); `batch` (several looks at once). [`InstalledEngines`] chooses the best
//! there is, and holds the compiled-in one ready below it (`fallover`; who runs is decided by `ladder`, `making` makes one beside it, and `apart` notices a call that does not end).
//! `cutting` makes an input of a picture; `arithmetic` says which of a bundle's files an engine runs; `trial` runs a network on a grey picture before it is let near a
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
#[cfg(any(feature = "tensorrt", all(feature = "onnx", feature = "cuda"), test))]
pub(crate) mod batch;
#[cfg(any(feature = "tensorrt", test))]
pub(crate) mod plans;
#[cfg(feature = "tensorrt")]
pub(crate) mod tensorrt;
#[cfg(any(feature = "tensorrt", all(feature = "onnx", feature = "cuda")))]
pub(crate) mod on_gpu;
#[cfg(feature = "tensorrt")]
pub(crate) mod makes_tensorrt;
#[cfg(all(feature = "onnx", feature = "cuda"))]
pub(crate) mod linked;
#[cfg(all(feature = "onnx", feature = "cuda"))]
pub(crate) mod makes_cuda;
pub(crate) mod arithmetic;
pub(crate) mod trial;
pub(crate) mod ladder;
pub(crate) mod apart;
pub(crate) mod making;
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
use crate::detect::engine::fallover::{FallOver, Parts};
use crate::detect::engine::graph::sums::Limits;
use crate::detect::engine::ladder::Patience;
#[cfg(all(feature = "onnx", feature = "cuda"))]
use crate::detect::engine::makes_cuda::MakesCuda;
#[cfg(feature = "tensorrt")]
use crate::detect::engine::makes_tensorrt::MakesTensorRt;
use crate::detect::engine::making::on_a_thread;
#[cfg(feature = "onnx")]
use crate::detect::engine::onnx::MakesOnnx;
use crate::detect::settings::{EngineSettings, Kept, ModelLimits};
use crate::device::Gpu;
use crate::disk::Disk;

pub use crate::detect::engine::arithmetic::FileRun;
pub use crate::detect::engine::making::Maker;

pub use crate::detect::engine::contract::{
    Engine, EngineError, EngineFound, EngineNews, Engines, Look, Placement, Said, SlotState, View,
};

/// The engines of this machine.
pub struct InstalledEngines {
    clock: Arc<dyn Clock>,
    limits: ModelLimits,
    settings: EngineSettings,
    #[cfg_attr(
        not(any(feature = "tensorrt", all(feature = "onnx", feature = "cuda"))),
        expect(dead_code, reason = "for engines on it")
    )]
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
            #[cfg(all(feature = "onnx", feature = "cuda"))]
            Arc::new(MakesCuda::new(&self.settings, &self.gpu, self.limits, &self.clock)),
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
        let asked_for = self.settings.wish.is_asked_for() || self.settings.dla.is_some();
        Ok(several(self.makers(), last, bundle, &self.clock, asked_for))
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

/// The engine `last` of `bundle`, below better ones if there are any: the best that is well runs.
fn several(
    better: Vec<Arc<dyn Maker>>,
    last: Box<dyn Engine>,
    bundle: &Bundle,
    clock: &Arc<dyn Clock>,
    asked_for: bool,
) -> Box<dyn Engine> {
    if better.is_empty() {
        return last;
    }
    Box::new(FallOver::new(Parts {
        better,
        last,
        bundle: Arc::new(bundle.clone()),
        clock: Arc::clone(clock),
        patience: Patience::USUAL,
        silence: Some(patience(bundle.budget_ms)),
        beside: on_a_thread,
        asked_for,
    }))
}

/// Engines of others' making: better ones beside one that stands ready, as a box has them.
pub struct BesideEach {
    /// Better ones, best first.
    pub better: Vec<Arc<dyn Maker>>,
    /// The last one.
    pub last: Arc<dyn Engines>,
    /// By which they are left and tried again.
    pub clock: Arc<dyn Clock>,
}

impl Engines for BesideEach {
    fn engine_for(&self, bundle: &Bundle) -> Result<Box<dyn Engine>, EngineError> {
        let last = self.last.engine_for(bundle)?;
        Ok(several(self.better.clone(), last, bundle, &self.clock, true))
    }

    fn found(&self) -> Vec<EngineFound> {
        let better = self.better.iter().map(|maker| maker.found());
        better.chain(self.last.found()).collect()
    }
}

impl fmt::Debug for BesideEach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.found()).finish()
    }
}

/// What this machine has to run networks with, best first: for `--version` and reports.
#[must_use]
pub fn engines_found() -> Vec<EngineFound> {
    vec![
        #[cfg(feature = "tensorrt")]
        makes_tensorrt::found(),
        #[cfg(all(feature = "onnx", feature = "cuda"))]
        makes_cuda::found(),
        #[cfg(feature = "onnx")]
        onnx::found(),
        builtin::found(),
    ]
}
