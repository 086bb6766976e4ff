//! What the configuration says of models and engines.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::detect::delivery::Parcels;
use crate::disk::Disk;

/// Which models are wanted, and where they lie.
#[derive(Clone, Debug)]
pub struct DetectSettings {
    /// Names of bundles, each with `:precision` where it is another than FP32's; the first that loads is
    /// live.
    pub bundles: Vec<String>,
    /// Whether somebody looks, once a second, if cameras were moved.
    pub finder: bool,
    /// Folders of bundles, first one first; the binary comes last.
    pub search: Vec<PathBuf>,
    /// `auto`, `cpu`, or an accelerator.
    pub device: String,
    /// The bundle that was chosen by a swap to decide first, whatever the configuration says: the first
    /// of `bundles` then.
    pub kept: Option<String>,
    /// What came from elsewhere: bundles that are named `NAME@VERSION`.
    pub parcels: Option<Arc<Parcels>>,
    /// The least bound of a model's hop, frames of a court; a bundle may ask for more. A recording is given as it is
    /// taken, and none of it may be let go for a machine that stood still for a moment.
    pub least_queue_frames: usize,
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

/// Which engines are wanted, and where their libraries lie.
#[derive(Clone, Debug, Default)]
pub struct EngineSettings {
    /// The best that is taken.
    pub wish: EngineWish,
    /// ONNX Runtime's library; `None`: where such things usually are.
    pub onnxruntime: Option<PathBuf>,
    /// The folder of TensorRT's libraries; `None`: where the loader looks.
    pub tensorrt: Option<PathBuf>,
    /// The DLA core on which TensorRT runs what it can; `None`: all on the GPU.
    pub dla: Option<u32>,
}

/// The best engine that is taken; those below it follow where it cannot be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineWish {
    /// The best that there is, for a box.
    Auto,
    /// TensorRT.
    TensorRt,
    /// ONNX Runtime on a GPU.
    Cuda,
    /// The CPU, even where there is a GPU.
    Cpu,
    /// The engine in the binary alone: the same on every machine.
    #[default]
    BuiltIn,
}

impl EngineWish {
    /// Of `[detect] device`.
    #[must_use]
    pub fn of(device: &str) -> Self {
        match device.split(':').next() {
            Some("tensorrt") => Self::TensorRt,
            Some("cuda") => Self::Cuda,
            Some("cpu") => Self::Cpu,
            _ => Self::Auto,
        }
    }

    /// True if somebody wrote it down: what stands in the way of it is told.
    pub(crate) const fn is_asked_for(self) -> bool {
        matches!(self, Self::TensorRt | Self::Cuda)
    }
}

/// Where engines that were built are kept.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "tensorrt"), expect(dead_code, reason = "for engines that are built"))]
pub(crate) struct Kept {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) folder: PathBuf,
}
