//! A picture where NVDEC wrote it: a surface of the decoder's pool, mapped in our context.

#![allow(unsafe_code, reason = "device memory that a decoder owns")]

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use cudarc::driver::result;

use crate::device::cuda::{Cuda, CudaFault};
use crate::device::memory::Buffer;
use crate::device::surface::{Samples, Surface};
use crate::media::{ChromaLayout, Colour, CpuPicture, DevicePicture, Plane};

/// A decoded picture in device memory. Its surface goes back to the decoder's pool when it is dropped.
pub struct CudaPicture {
    cuda: Arc<Cuda>,
    pointer: u64,
    bytes: usize,
    surface: Surface,
    colour: Colour,
    _held: Box<dyn Any + Send + Sync>,
}

impl CudaPicture {
    /// Of the surface at `pointer`, of which there are `bytes`, and which `held` keeps. `None` where
    /// there is not a whole picture.
    ///
    /// # Safety
    /// `pointer` is device memory of `cuda`'s context, of at least `bytes` bytes, fully written, which
    /// stays allocated until `held` is dropped.
    #[must_use]
    pub unsafe fn new(
        cuda: &Arc<Cuda>,
        (pointer, bytes): (u64, usize),
        surface: Surface,
        colour: Colour,
        held: Box<dyn Any + Send + Sync>,
    ) -> Option<Self> {
        let needed = surface.bytes().filter(|needed| *needed <= bytes)?;
        let aligned = pointer.is_multiple_of(2);
        (aligned && pointer != 0).then(|| Self {
            cuda: Arc::clone(cuda),
            pointer,
            bytes: needed,
            surface,
            colour,
            _held: held,
        })
    }

    /// A picture of `bytes`, copied up into memory of ours: for tests of a device. `None` where they are
    /// not a whole picture.
    ///
    /// # Errors
    /// [`CudaFault`]: the device has no room.
    pub fn uploaded(
        cuda: &Arc<Cuda>,
        bytes: &[u8],
        surface: Surface,
        colour: Colour,
    ) -> Result<Option<Self>, CudaFault> {
        let memory = Buffer::zeros(cuda, bytes.len())?;
        cuda.upload(bytes, &memory.span())?;
        cuda.synchronize()?;
        let place = (memory.span().pointer(), bytes.len());
        // SAFETY: memory of ours, just written, freed when `memory` goes.
        Ok(unsafe { Self::new(cuda, place, surface, colour, Box::new(memory)) })
    }

    /// Where its luma begins, in device memory.
    pub(crate) const fn pointer(&self) -> u64 {
        self.pointer
    }

    /// How it lies.
    #[must_use]
    pub const fn surface(&self) -> &Surface {
        &self.surface
    }

    /// How its numbers are meant.
    #[must_use]
    pub const fn colour(&self) -> Colour {
        self.colour
    }

    /// Its bytes as they lie, padding and all, for tests of a device; waits for it.
    ///
    /// # Errors
    /// [`CudaFault`].
    pub fn bytes(&self) -> Result<Vec<u8>, CudaFault> {
        let fault = CudaFault::of("copy a picture from the GPU");
        let stream = self.cuda.copies();
        stream.context().bind_to_thread().map_err(&fault)?;
        let mut bytes = vec![0; self.bytes];
        // SAFETY: the surface has so many bytes (`new`), the vector too; both outlive the wait below.
        let copied = unsafe {
            result::memcpy_dtoh_async(bytes.as_mut_slice(), self.pointer, stream.cu_stream())
        };
        copied.map_err(&fault)?;
        stream.synchronize().map_err(&fault)?;
        Ok(bytes)
    }
}

impl DevicePicture for CudaPicture {
    fn memory(&self) -> &'static str {
        "cuda"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn copy_to_cpu(&self) -> Result<Box<dyn CpuPicture>, String> {
        let bytes = self.bytes().map_err(|fault| fault.to_string())?;
        Ok(Box::new(HostPicture::of(bytes, &self.surface, self.colour)))
    }
}

impl fmt::Debug for CudaPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { surface, colour, .. } = self;
        f.debug_struct("CudaPicture")
            .field("surface", surface)
            .field("colour", colour)
            .finish_non_exhaustive()
    }
}

/// A copy in memory that the CPU reads, 8 bits a sample.
struct HostPicture {
    bytes: Vec<u8>,
    chroma_offset: usize,
    strides: [usize; 2],
    colour: Colour,
}

impl HostPicture {
    /// Of the `bytes` of `surface`. Sixteen bits become eight, rounded to the nearest.
    fn of(bytes: Vec<u8>, surface: &Surface, colour: Colour) -> Self {
        let step = surface.samples.bytes();
        let bytes = match surface.samples {
            Samples::Nv12 => bytes,
            Samples::P010 => bytes
                .chunks_exact(step)
                .map(|pair| {
                    let wide =
                        pair.iter().rev().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
                    u8::try_from((wide + 128) >> 8).unwrap_or(u8::MAX)
                })
                .collect(),
        };
        Self {
            bytes,
            chroma_offset: surface.chroma_offset / step,
            strides: [surface.luma_pitch / step, surface.chroma_pitch / step],
            colour,
        }
    }
}

impl CpuPicture for HostPicture {
    fn chroma(&self) -> ChromaLayout {
        ChromaLayout::Nv12
    }

    fn plane(&self, index: usize) -> Option<Plane<'_>> {
        let stride = *self.strides.get(index)?;
        let (luma, chroma) = self.bytes.split_at_checked(self.chroma_offset)?;
        Some(Plane { bytes: if index == 0 { luma } else { chroma }, stride })
    }

    fn colour(&self) -> Colour {
        self.colour
    }
}

impl fmt::Debug for HostPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostPicture").field("strides", &self.strides).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_bits_become_the_nearest_eight() {
        let surface = Surface {
            size: (2, 2),
            samples: Samples::P010,
            luma_pitch: 6,
            chroma_offset: 12,
            chroma_pitch: 4,
        };
        // Ten bits in the upper ones: 0, 1023, 512, 513, 514, 515.
        let values = [0, 1023, 0, 512, 513, 0, 514, 515_u16];
        let bytes = values.iter().flat_map(|ten| (ten << 6).to_le_bytes()).collect();
        let picture = HostPicture::of(bytes, &surface, Colour::default());
        let plane = picture.plane(0).expect("luma");
        assert_eq!((plane.stride, plane.bytes), (3, &[0, 255, 0, 128, 128, 0][..]));
        assert_eq!(picture.plane(1).expect("chroma").bytes, [129, 129]);
        assert!(picture.plane(2).is_none());
    }
}
