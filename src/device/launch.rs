//! Device memory of ours, and the kernels on it. Everything is asked on [`Cuda::stream`] and awaited by
//! whoever reads what came of it ([`Cuda::synchronize`]).

#![allow(unsafe_code, reason = "kernels and device memory")]

use std::marker::PhantomData;
use std::sync::Arc;

use cudarc::driver::{
    CudaFunction, CudaModule, CudaSlice, DevicePtr, DeviceRepr, DriverError, LaunchConfig,
    PushKernelArg, result,
};

use crate::device::cuda::{Cuda, CudaFault};
use crate::device::picture::CudaPicture;
use crate::device::plan::{
    BatchWords, LOOKS_A_LAUNCH, LookWords, MoveWords, STATES_A_LAUNCH, StateWords, Table,
};
use crate::device::surface::Samples;

/// Threads of a block.
const THREADS: u32 = 256;

// SAFETY: plain numbers, `repr(C)`, laid out as `crops.cu` declares them (`plan` tests the sizes).
unsafe impl DeviceRepr for BatchWords {}
// SAFETY: as above.
unsafe impl DeviceRepr for MoveWords {}

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
    cut: [CudaFunction; 2],
    gather: [CudaFunction; 2],
    scatter: [CudaFunction; 2],
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
const fn of_floats(pair: &[CudaFunction; 2], floats: Floats) -> &CudaFunction {
    let [wide, half] = pair;
    match floats {
        Floats::F32 => wide,
        Floats::F16 => half,
    }
}

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

/// A [`Table`] on the device.
#[derive(Debug)]
pub struct Placed {
    words: CudaSlice<u32>,
    picture: (u32, u32),
    out: (u32, u32),
    channels: u32,
}

impl Placed {
    /// Width and height of the pictures that it is for.
    #[must_use]
    pub const fn picture(&self) -> (u32, u32) {
        self.picture
    }
}

/// Where one state lies: those of the slots, at a stride, and those of a batch's rows, one after another.
#[derive(Clone, Copy, Debug)]
pub struct Move<'a> {
    /// The slots' states.
    pub slots: Span<'a>,
    /// The batch's.
    pub batch: Span<'a>,
    /// Elements of a state,
    pub count: usize,
    /// and from one slot to the next.
    pub stride: usize,
}

impl Cuda {
    /// Puts a table on the device.
    ///
    /// # Errors
    /// [`CudaFault`].
    pub fn place(&self, table: &Table) -> Result<Placed, CudaFault> {
        let fault = CudaFault::of("put a place that is looked at on the GPU");
        let words = self.stream().clone_htod(&table.words).map_err(&fault)?;
        self.synchronize()?;
        let Table { picture, out, channels, .. } = *table;
        Ok(Placed { words, picture, out, channels })
    }

    /// Cuts all `looks`, of one input, into `out`: look after look, channels, rows, columns. One launch
    /// for each [`LOOKS_A_LAUNCH`]. Pictures must not be let go before the stream was awaited.
    ///
    /// # Errors
    /// [`CudaFault`]: a picture of another size than its place is for, no room in `out`, or what the
    /// device says.
    pub fn cut(
        &self,
        looks: &[(&Placed, &CudaPicture)],
        floats: Floats,
        out: &Span<'_>,
    ) -> Result<(), CudaFault> {
        let mistaken = |problem: String| CudaFault { what: "cut on the GPU", problem };
        let Some((first, _)) = looks.first() else { return Ok(()) };
        let (size, channels) = (first.out, first.channels);
        let area = size.0 * size.1;
        let values = u64::from(area) * u64::from(channels) * looks.len() as u64;
        if values * floats.bytes() as u64 > out.bytes as u64 {
            return Err(mistaken(format!("{values} values do not go into {} bytes", out.bytes)));
        }
        let mut row = 0;
        for some in looks.chunks(LOOKS_A_LAUNCH) {
            let mut batch = BatchWords { looks: [LookWords::default(); LOOKS_A_LAUNCH] };
            for ((place, picture), words) in some.iter().zip(&mut batch.looks) {
                let surface = picture.surface();
                if place.picture != surface.size {
                    let ((w, h), (width, height)) = (place.picture, surface.size);
                    let problem = format!("a place for {w}x{h} in a picture of {width}x{height}");
                    return Err(mistaken(problem));
                }
                if (place.out, place.channels) != (size, channels) {
                    return Err(mistaken("places of two inputs in one batch".to_owned()));
                }
                // Both fit: a surface's bytes are below 4 GiB (`Surface::bytes`).
                let narrow = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
                *words = LookWords {
                    luma: picture.pointer(),
                    chroma: picture.pointer() + u64::from(narrow(surface.chroma_offset)),
                    table: place.words.device_ptr(self.stream()).0,
                    luma_pitch: narrow(surface.luma_pitch),
                    chroma_pitch: narrow(surface.chroma_pitch),
                    bytes: match surface.samples {
                        Samples::Nv12 => 1,
                        Samples::P010 => 2,
                    },
                    row,
                };
                row += 1;
            }
            let count = u32::try_from(some.len()).unwrap_or(0);
            let grid = (area.div_ceil(THREADS), channels, count);
            let function = of_floats(&self.kernels.cut, floats);
            let mut launch = self.stream().launch_builder(function);
            launch.arg(&batch).arg(&out.pointer).arg(&size.0).arg(&size.1);
            // SAFETY: the arguments are the kernel's, in its order. It reads tables (`Table::new`: no
            // pixel outside the picture), surfaces (`CudaPicture::new`: all of the picture is there) of
            // that size, and writes `values`, for which there is room; all are held by the caller.
            unsafe { launch.launch(config(grid)) }.map_err(CudaFault::of("cut on the GPU"))?;
        }
        Ok(())
    }

    /// Copies the states of `slots`, one a row, into the batch. One launch for each
    /// [`LOOKS_A_LAUNCH`] rows.
    ///
    /// # Errors
    /// [`CudaFault`]: something does not fit, or what the device says.
    pub fn gather(
        &self,
        floats: Floats,
        slots: &[usize],
        states: &[Move<'_>],
    ) -> Result<(), CudaFault> {
        self.moves(of_floats(&self.kernels.gather, floats), floats, slots, states)
    }

    /// Copies the rows of the batch to where the states of `slots` lie: each slot once.
    ///
    /// # Errors
    /// [`CudaFault`]: something does not fit, or what the device says.
    pub fn scatter(
        &self,
        floats: Floats,
        slots: &[usize],
        states: &[Move<'_>],
    ) -> Result<(), CudaFault> {
        self.moves(of_floats(&self.kernels.scatter, floats), floats, slots, states)
    }

    fn moves(
        &self,
        function: &CudaFunction,
        floats: Floats,
        slots: &[usize],
        states: &[Move<'_>],
    ) -> Result<(), CudaFault> {
        let what = "move states on the GPU";
        let mistaken = || CudaFault { what, problem: "a state lies outside its memory".to_owned() };
        for (nth, some) in slots.chunks(LOOKS_A_LAUNCH).enumerate() {
            let before = nth * LOOKS_A_LAUNCH;
            for group in states.chunks(STATES_A_LAUNCH) {
                let mut moves = MoveWords {
                    states: [StateWords::default(); STATES_A_LAUNCH],
                    rows: [0; LOOKS_A_LAUNCH],
                };
                let mut most = 0;
                for (slot, row) in some.iter().zip(&mut moves.rows) {
                    *row = u32::try_from(*slot).map_err(|_| mistaken())?;
                }
                for (state, words) in group.iter().zip(&mut moves.states) {
                    *words = state.words(floats, before, some).ok_or_else(mistaken)?;
                    most = most.max(words.count);
                }
                if most == 0 {
                    continue;
                }
                let rows = u32::try_from(some.len()).unwrap_or(0);
                let count = u32::try_from(group.len()).unwrap_or(0);
                let mut launch = self.stream().launch_builder(function);
                launch.arg(&moves);
                // SAFETY: the argument is the kernel's. Every slot and row of every state lies in its
                // memory (`Move::words`), which the caller holds.
                unsafe { launch.launch(config((most.div_ceil(THREADS), rows, count))) }
                    .map_err(CudaFault::of(what))?;
            }
        }
        Ok(())
    }

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

impl Move<'_> {
    /// For the rows `slots` after `before` others; `None` where one of them lies outside.
    fn words(&self, floats: Floats, before: usize, slots: &[usize]) -> Option<StateWords> {
        let (count, stride) = (self.count, self.stride);
        let row = before.checked_mul(count)?.checked_mul(floats.bytes())?;
        let batch =
            self.batch.part(row, slots.len().checked_mul(count)?.checked_mul(floats.bytes())?)?;
        let last = slots.iter().max().copied().unwrap_or(0);
        let end = last.checked_mul(stride)?.checked_add(count)?.checked_mul(floats.bytes())?;
        self.slots.part(0, end)?;
        Some(StateWords {
            slots: self.slots.pointer,
            batch: batch.pointer,
            count: u32::try_from(count).ok()?,
            stride: u32::try_from(stride).ok()?,
        })
    }
}

const fn config(grid_dim: (u32, u32, u32)) -> LaunchConfig {
    LaunchConfig { grid_dim, block_dim: (THREADS, 1, 1), shared_mem_bytes: 0 }
}
