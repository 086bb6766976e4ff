//! Device memory: ours, or another library's; what is copied to it and from it.

#![allow(unsafe_code, reason = "device memory")]

use std::marker::PhantomData;
use std::sync::Arc;

use cudarc::driver::{CudaSlice, DevicePtr, result};

use crate::device::cuda::{Cuda, CudaFault};

/// Device memory of ours; begins at a multiple of 256 bytes. Freed when what was asked before is done.
#[derive(Debug)]
pub struct Buffer {
    memory: CudaSlice<u8>,
    pointer: u64,
}

impl Buffer {
    /// `bytes` zeros.
    ///
    /// # Errors
    /// [`CudaFault`]: the device has no room.
    pub fn zeros(cuda: &Arc<Cuda>, bytes: usize) -> Result<Self, CudaFault> {
        let fault = CudaFault::of("take memory of the GPU");
        let memory = cuda.stream().alloc_zeros::<u8>(bytes.max(1)).map_err(&fault)?;
        let pointer = memory.device_ptr(cuda.stream()).0;
        // Others may use it on streams of their own.
        cuda.synchronize()?;
        Ok(Self { memory, pointer })
    }

    /// All of it.
    #[must_use]
    pub fn span(&self) -> Span<'_> {
        Span { pointer: self.pointer, bytes: self.memory.len(), of: PhantomData }
    }
}

/// Some device memory: of a [`Buffer`], or somebody else's.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    pointer: u64,
    bytes: usize,
    of: PhantomData<&'a ()>,
}

impl Span<'static> {
    /// Memory of another library.
    ///
    /// # Safety
    /// `pointer` is device memory of the primary context, of at least `bytes` bytes, and stays so until
    /// all that was asked on [`Cuda::stream`] with this span is done.
    #[must_use]
    pub const unsafe fn foreign(pointer: u64, bytes: usize) -> Self {
        Self { pointer, bytes, of: PhantomData }
    }
}

impl Span<'_> {
    /// Where it begins, as the driver counts.
    #[must_use]
    pub const fn pointer(&self) -> u64 {
        self.pointer
    }

    /// How long it is.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// `bytes` of it from `offset` on; `None` where there are not so many.
    #[must_use]
    pub fn part(&self, offset: usize, bytes: usize) -> Option<Self> {
        let end = offset.checked_add(bytes)?;
        let pointer = self.pointer.checked_add(u64::try_from(offset).ok()?)?;
        (end <= self.bytes).then_some(Self { pointer, bytes, of: PhantomData })
    }
}

impl Cuda {
    /// Copies `bytes` to the device, in order with what is asked on the stream.
    ///
    /// # Errors
    /// [`CudaFault`]: they do not fit, or what the device says.
    pub fn upload(&self, bytes: &[u8], to: &Span<'_>) -> Result<(), CudaFault> {
        let what = "copy to the GPU";
        if bytes.len() > to.bytes {
            let problem = format!("{} bytes do not go into {}", bytes.len(), to.bytes);
            return Err(CudaFault { what, problem });
        }
        self.bind(what)?;
        // SAFETY: there is room; pageable memory has been read when the call returns.
        unsafe { result::memcpy_htod_async(to.pointer, bytes, self.stream().cu_stream()) }
            .map_err(CudaFault::of(what))
    }

    /// Copies all of `from` to the CPU, in order with what was asked on the stream; waits for it.
    ///
    /// # Errors
    /// [`CudaFault`].
    pub fn download(&self, from: &Span<'_>) -> Result<Vec<u8>, CudaFault> {
        let what = "copy from the GPU";
        self.bind(what)?;
        let mut bytes = vec![0_u8; from.bytes];
        let stream = self.stream().cu_stream();
        // SAFETY: both have so many bytes, and outlive the wait below.
        unsafe { result::memcpy_dtoh_async(bytes.as_mut_slice(), from.pointer, stream) }
            .map_err(CudaFault::of(what))?;
        self.synchronize()?;
        Ok(bytes)
    }

    /// Sets all of `span` to zeros.
    ///
    /// # Errors
    /// [`CudaFault`].
    pub fn clear(&self, span: &Span<'_>) -> Result<(), CudaFault> {
        let what = "clear memory of the GPU";
        self.bind(what)?;
        // SAFETY: there are so many bytes, held by the caller.
        unsafe { result::memset_d8_async(span.pointer, 0, span.bytes, self.stream().cu_stream()) }
            .map_err(CudaFault::of(what))
    }

    fn bind(&self, what: &'static str) -> Result<(), CudaFault> {
        self.context().bind_to_thread().map_err(CudaFault::of(what))
    }
}
