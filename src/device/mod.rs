//! The box's GPU: one context that decoders and engines share, pictures in its memory, its kernels.
//!
//! Lowest of what knows a device: `decode` fills surfaces, `detect` reads them, both by what stands
//! here. Nothing is linked: driver and compiler are loaded when the device is first wanted, and a machine
//! that has none of them says so in one line ([`NoGpu`]) and works on what it has. Without the feature
//! `cuda` only the pure half is compiled, and [`Gpu`] says that.
//!
//! Read `surface` (how a picture lies there), `plan` (what the kernels are given), `crops.cu` (the
//! kernels) and `reference` (the same in Rust, for tests), `kept` (what was compiled, on disk), `no_gpu`
//! (why there is none), then with the feature `compile`, `kernels`, `cuda` (the context), `memory`,
//! `picture`, `launch`, and `gpu` (the handle). `render` says which of Linux' devices we may not open.
//!
//! | what | bound |
//! | --- | --- |
//! | contexts | the device's primary one, alone; it lives as long as the process |
//! | streams | one for cutting and engines, one for copies to the CPU |
//! | device memory that is ours | tables of a few KB a place that is looked at, and what engines ask for |
//! | on disk | one file of some 20 KB a driver, compiler and device, below the data folder |
//!
//! Deliberately absent: a Jetson's NVMM surfaces (`nvv4l2decoder`), which are copied into system memory
//! (`decode/nvmm`): mapped, they would be another [`DevicePicture`](crate::media::DevicePicture) beside
//! `CudaPicture`.

#![cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "read by what the feature brings"))]

mod surface;
mod plan;
#[cfg(test)]
pub(crate) mod reference;
#[cfg(test)]
pub(crate) mod hosted {
    pub(crate) mod tests;
}
mod kept;
mod no_gpu;
#[cfg(feature = "cuda")]
mod kernels;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "cuda")]
mod compile;
#[cfg(feature = "cuda")]
mod memory;
#[cfg(feature = "cuda")]
mod picture;
#[cfg(feature = "cuda")]
mod launch;
mod gpu;
mod render;

#[cfg(feature = "cuda")]
pub use crate::device::cuda::{Cuda, CudaFault};
pub use crate::device::gpu::{DeviceMemory, Gpu};
#[cfg(feature = "cuda")]
pub use crate::device::kernels::Floats;
#[cfg(feature = "cuda")]
pub use crate::device::launch::{Move, Placed};
#[cfg(feature = "cuda")]
pub use crate::device::memory::{Buffer, Span};
pub use crate::device::no_gpu::NoGpu;
#[cfg(feature = "cuda")]
pub use crate::device::picture::CudaPicture;
pub use crate::device::plan::{Axis, LOOKS_A_LAUNCH, Part, Sample, Table, half_bits};
pub use crate::device::render::{Denied, denied_render_nodes};
pub use crate::device::surface::{MOST_SURFACES, Samples, Surface};

/// The kernels' source.
pub(crate) const KERNELS: &str = include_str!("crops.cu");
