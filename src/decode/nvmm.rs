//! Pictures of a Jetson's decoder, which lie in its NVMM memory (surfaces of NvBufSurface): brought out of it by
//! `nvvidconv`, as NV12 in system memory.
//!
//! That is the shortest way that needs no header of NVIDIA's: `nvvidconv` copies by the chip's own converter
//! (VIC), 10 bit to 8 on the way, and what comes out is a picture like a software decoder's. It is a copy all the
//! same, made by hardware into memory that CPU and GPU share there, so each is counted as one
//! (`decoder_host_copies_total`); an engine on the GPU cuts it from the CPU's memory and takes the crop alone up.
//!
//! **Never run on a Jetson**: what is proven is which elements are chained, and that each picture is counted.
//! Deliberately absent: `NvBufSurface` mapped to CUDA (`NvBufSurfaceMapEglImage`,
//! `cuGraphicsEGLRegisterImage`). Its structures differ between JetPack 5, 6 and 7, and a wrong offset is a
//! pointer into nothing: that wants their headers, and a machine to see it on. Its place is beside
//! `decode/cuda`, as another [`DevicePicture`](crate::media::DevicePicture).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What brings pictures out.
pub(crate) const CONVERTER: &str = "nvvidconv";
/// What it is to give: without this it would leave them where they are.
pub(crate) const CAPS: &str = "video/x-raw,format=NV12";

/// Pictures of one court that were brought out. Clones count the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct BroughtOut(Arc<AtomicU64>);

impl BroughtOut {
    /// Counts one.
    pub(crate) fn one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
