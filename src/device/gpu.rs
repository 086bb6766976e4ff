//! The box's GPU from outside: opened when it is first wanted, once, and the same for all.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
#[cfg(feature = "cuda")]
use std::sync::OnceLock;

#[cfg(feature = "cuda")]
use crate::device::cuda::Cuda;
use crate::device::kept::Keep;
use crate::device::no_gpu::NoGpu;
use crate::disk::Disk;

/// A GPU's memory, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceMemory {
    /// Free now, whoever has the others.
    pub free: u64,
    /// All of it.
    pub all: u64,
}

/// The box's GPU. Clones are the same one.
#[derive(Clone, Default)]
pub struct Gpu {
    keep: Option<Keep>,
    number: u32,
    // Written once, by whoever asks first; the others wait for it.
    #[cfg(feature = "cuda")]
    opened: Arc<OnceLock<Result<Arc<Cuda>, NoGpu>>>,
}

impl Gpu {
    /// One whose compiled kernels are kept in `folder`, which is made when there is something to keep.
    #[must_use]
    pub fn keeping(disk: Arc<dyn Disk>, folder: PathBuf) -> Self {
        Self {
            keep: Some(Keep { disk, folder }),
            number: 0,
            #[cfg(feature = "cuda")]
            opened: Arc::default(),
        }
    }

    /// The one of this number, as CUDA counts them.
    #[must_use]
    pub fn numbered(self, number: u32) -> Self {
        Self { number, ..self }
    }

    /// The device's context, opened at the first call: some 0.3 s, and 30 ms more where its kernels
    /// must be compiled. What there is, or is not, is logged once.
    ///
    /// # Errors
    /// [`NoGpu`]: why there is none. Asked again it says the same: what is not there at the start does
    /// not come later.
    #[cfg(feature = "cuda")]
    pub fn cuda(&self) -> Result<Arc<Cuda>, NoGpu> {
        let opened = self.opened.get_or_init(|| {
            let opened = Cuda::open(self.keep.as_ref(), self.number);
            match &opened {
                Ok(cuda) => tracing::info!(gpu = %cuda, "a GPU is used"),
                Err(none) => tracing::info!("{none}"),
            }
            opened
        });
        opened.clone()
    }

    /// Its memory now. Opens it if nobody has; a driver that is gone does not answer.
    ///
    /// # Errors
    /// [`NoGpu`]: there is none, or it does not say.
    pub fn memory(&self) -> Result<DeviceMemory, NoGpu> {
        #[cfg(feature = "cuda")]
        {
            let said = self.cuda()?.memory();
            let bytes = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
            said.map(|(free, all)| DeviceMemory { free: bytes(free), all: bytes(all) })
                .map_err(|fault| NoGpu::Failed { what: fault.what, problem: fault.problem })
        }
        #[cfg(not(feature = "cuda"))]
        Err(NoGpu::NotBuilt)
    }

    /// What it is, in a line; or why there is none.
    ///
    /// # Errors
    /// [`NoGpu`].
    pub fn about(&self) -> Result<String, NoGpu> {
        #[cfg(feature = "cuda")]
        {
            self.cuda().map(|cuda| cuda.to_string())
        }
        #[cfg(not(feature = "cuda"))]
        Err(NoGpu::NotBuilt)
    }
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gpu").field("keeps", &self.keep.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every machine that builds this is: without a driver, or with one. It says so and goes on.
    #[test]
    fn a_machine_without_a_gpu_says_so_and_one_with_says_which() {
        let gpu = Gpu::default();
        let (first, again) = (gpu.about(), gpu.clone().about());
        assert_eq!(first, again);
        assert_eq!(gpu.memory().is_ok_and(|memory| memory.free <= memory.all), first.is_ok());
        let line = match first {
            Ok(line) => line,
            Err(none) => none.to_string(),
        };
        assert!(!line.is_empty() && !line.contains('\n'), "{line}");
    }
}
