//! The box's GPU from outside: opened when it is first wanted, once, and the same for all.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
#[cfg(feature = "cuda")]
use std::sync::OnceLock;

#[cfg(feature = "cuda")]
use crate::device::cuda::Cuda;
use crate::disk::Disk;

/// Why no GPU is used. One line for people; nothing stops for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum NoGpu {
    #[error("this build uses no GPU: build it with the feature `cuda`")]
    NotBuilt,
    #[error("no GPU is used: this machine has no NVIDIA driver (libcuda.so.1)")]
    NoDriver,
    #[error(
        "no GPU is used: the driver speaks CUDA {}, wanted is {} or later: update the driver",
        version(*.found), version(*.wanted)
    )]
    OldDriver { found: i32, wanted: i32 },
    #[error("no GPU is used: the driver finds none")]
    NoDevice,
    #[error(
        "no GPU is used: there is no CUDA compiler to make its kernels with (libnvrtc.so.13 or .12): \
         install NVIDIA's package cuda-nvrtc"
    )]
    NoCompiler,
    #[error("no GPU is used: to {what}: {problem}")]
    Failed { what: &'static str, problem: String },
}

/// A version of CUDA, as its driver counts: 12060 is 12.6.
fn version(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

/// Where compiled kernels are kept.
#[derive(Clone, Debug)]
pub(crate) struct Keep {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) folder: PathBuf,
}

/// The box's GPU. Clones are the same one.
#[derive(Clone, Default)]
pub struct Gpu {
    keep: Option<Keep>,
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
            #[cfg(feature = "cuda")]
            opened: Arc::default(),
        }
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
            let opened = Cuda::open(self.keep.as_ref());
            match &opened {
                Ok(cuda) => tracing::info!(gpu = %cuda, "a GPU is used"),
                Err(none) => tracing::info!("{none}"),
            }
            opened
        });
        opened.clone()
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

    #[test]
    fn each_reason_is_one_line_that_says_what_to_do() {
        let old = NoGpu::OldDriver { found: 11_040, wanted: 12_000 }.to_string();
        assert!(old.contains("11.4") && old.contains("12.0 or later: update"), "{old}");
        let full = NoGpu::Failed {
            what: "open a context on the first GPU",
            problem: "out of memory".to_owned(),
        };
        assert!(!full.to_string().contains('\n') && full.to_string().contains("out of memory"));
    }

    /// What every machine that builds this is: without a driver, or with one. It says so and goes on.
    #[test]
    fn a_machine_without_a_gpu_says_so_and_one_with_says_which() {
        let gpu = Gpu::default();
        let (first, again) = (gpu.about(), gpu.clone().about());
        assert_eq!(first, again);
        let line = match first {
            Ok(line) => line,
            Err(none) => none.to_string(),
        };
        assert!(!line.is_empty() && !line.contains('\n'), "{line}");
    }
}
