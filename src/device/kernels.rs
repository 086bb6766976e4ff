//! The kernels of `crops.cu`, found in a compiled module.

use std::sync::Arc;

use cudarc::driver::{CudaFunction, CudaModule, DriverError};

/// How values are stored in a network's tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floats {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
}

impl Floats {
    /// Bytes of one.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

/// The kernels of `crops.cu`.
#[derive(Debug)]
pub(crate) struct Kernels {
    pub(crate) cut: [CudaFunction; 2],
    pub(crate) gather: [CudaFunction; 2],
    pub(crate) scatter: [CudaFunction; 2],
}

impl Kernels {
    /// Those of `module`.
    pub(crate) fn of(module: &Arc<CudaModule>) -> Result<Self, DriverError> {
        let pair = |wide: &str, half: &str| -> Result<[CudaFunction; 2], DriverError> {
            Ok([module.load_function(wide)?, module.load_function(half)?])
        };
        Ok(Self {
            cut: pair("cut_f32", "cut_f16")?,
            gather: pair("gather_32", "gather_16")?,
            scatter: pair("scatter_32", "scatter_16")?,
        })
    }
}

/// The one of a pair that works on `floats`.
pub(crate) const fn of_floats(pair: &[CudaFunction; 2], floats: Floats) -> &CudaFunction {
    let [wide, half] = pair;
    match floats {
        Floats::F32 => wide,
        Floats::F16 => half,
    }
}
