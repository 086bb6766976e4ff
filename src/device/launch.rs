//! The kernels, launched: everything is asked on [`Cuda::stream`] and awaited by whoever reads what came
//! of it ([`Cuda::synchronize`]).

#![allow(unsafe_code, reason = "kernels on device memory")]

use cudarc::driver::{CudaFunction, CudaSlice, DevicePtr, DeviceRepr, LaunchConfig, PushKernelArg};

use crate::device::cuda::{Cuda, CudaFault};
use crate::device::kernels::{Floats, of_floats};
use crate::device::memory::Span;
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
        if values * floats.bytes() as u64 > out.bytes() as u64 {
            return Err(mistaken(format!("{values} values do not go into {} bytes", out.bytes())));
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
            let to = out.pointer();
            launch.arg(&batch).arg(&to).arg(&size.0).arg(&size.1);
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
            slots: self.slots.pointer(),
            batch: batch.pointer(),
            count: u32::try_from(count).ok()?,
            stride: u32::try_from(stride).ok()?,
        })
    }
}

const fn config(grid_dim: (u32, u32, u32)) -> LaunchConfig {
    LaunchConfig { grid_dim, block_dim: (THREADS, 1, 1), shared_mem_bytes: 0 }
}
