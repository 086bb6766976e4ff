//! Cutting for engines on a GPU: all looks of a batch in one launch, pictures read where they lie, the
//! result where the engine reads it. And the states of their slots, which stay there.
//!
//! In order on [`Cuda::stream`]: an engine cuts, gathers, computes, scatters, reads what it is to tell,
//! waits once, and lets the frames go. Frames of a software decoder lie on the CPU: they are cut there,
//! by the same filter, and only the crop goes up.

use std::sync::Arc;

use crate::detect::bundle::tensors::PictureInput;
use crate::detect::engine::contract::{EngineError, Look, Placement};
use crate::detect::engine::cutting::Cut;
use crate::device::{Buffer, Cuda, CudaFault, CudaPicture, Floats, Move, Placed, Span, half_bits};
use crate::media::{Frame, Pixels};

/// The word in errors.
const NAME: &str = "cuda";
/// States of two slots begin so far apart, as every library wants its tensors.
const ALIGNED: usize = 256;

/// Cuts one input of a network for any number of slots.
pub struct Cutter {
    cuda: Arc<Cuda>,
    input: PictureInput,
    floats: Floats,
    values: usize,
    slots: Vec<Option<Place>>,
    /// What one look of the CPU's is made in.
    made: Vec<f32>,
}

/// Where a slot looks.
struct Place {
    on_device: Placed,
    on_cpu: Cut,
}

fn failed(fault: CudaFault) -> EngineError {
    EngineError::Run { engine: NAME, problem: fault.to_string() }
}

impl Cutter {
    /// For `input`, whose tensor is stored as `floats`.
    #[must_use]
    pub fn new(cuda: &Arc<Cuda>, input: &PictureInput, floats: Floats) -> Self {
        let values = input.shape().into_iter().product();
        Self {
            cuda: Arc::clone(cuda),
            input: input.clone(),
            floats,
            values,
            slots: Vec::new(),
            made: vec![0.0; values],
        }
    }

    /// Values of one look.
    #[must_use]
    pub const fn values(&self) -> usize {
        self.values
    }

    /// Makes room for so many slots; new ones are not placed.
    pub fn set_slots(&mut self, slots: usize) {
        self.slots.resize_with(slots, || None);
    }

    /// Says where `slot` looks from now on.
    ///
    /// # Errors
    /// [`EngineError::Place`]: one cannot look there. [`EngineError::Run`]: the device has no room.
    pub fn place(&mut self, slot: usize, placement: Placement) -> Result<(), EngineError> {
        let on_cpu = Cut::new(&self.input, placement)?;
        let table = on_cpu.table(&self.input, placement.picture).ok_or_else(|| {
            let problem = format!("input {} has channels that no kernel makes", self.input.name());
            EngineError::Place { problem }
        })?;
        let on_device = self.cuda.place(&table).map_err(failed)?;
        let Some(place) = self.slots.get_mut(slot) else {
            let problem = "a slot that nobody made".to_owned();
            return Err(EngineError::Run { engine: NAME, problem });
        };
        *place = Some(Place { on_device, on_cpu });
        Ok(())
    }

    /// Looks whether [`cut`](Self::cut) would take this look: what is wrong with one is told for it
    /// alone, and the others go on.
    ///
    /// # Errors
    /// [`EngineError::Place`]: its slot is not placed for pictures of that size.
    pub fn check(&self, look: &Look<'_>) -> Result<(), EngineError> {
        let picture = (look.frame.width, look.frame.height);
        let placed = self.slots.get(look.slot).and_then(Option::as_ref);
        let size = |frame: &Frame| on_device(frame).is_none_or(|own| own.surface().size == picture);
        if placed.is_some_and(|place| place.on_device.picture() == picture) && size(look.frame) {
            return Ok(());
        }
        let (slot, (width, height)) = (look.slot, picture);
        let problem = format!("slot {slot} is not placed for pictures of {width}x{height}");
        Err(EngineError::Place { problem })
    }

    /// Cuts `looks`, each of which was checked, into `out`, in their order. Frames must be held until
    /// the stream was awaited.
    ///
    /// # Errors
    /// [`EngineError::Run`] of the whole batch; [`EngineError::Picture`]: one on the CPU cannot be read.
    pub fn cut(&mut self, looks: &[&Look<'_>], out: &Span<'_>) -> Result<(), EngineError> {
        let bytes = self.values * self.floats.bytes();
        let mut run: Vec<(&Placed, &CudaPicture)> = Vec::new();
        // Looks at the device's pictures that follow one another are one launch: in a batch of one kind
        // of frames, which is the usual one, all of them.
        let mut begins = 0;
        for (at, look) in looks.iter().enumerate() {
            self.check(look)?;
            if on_device(look.frame).is_none() {
                self.cut_on_cpu(look, at, out)?;
            }
        }
        for (at, look) in looks.iter().enumerate() {
            let place = self.slots.get(look.slot).and_then(Option::as_ref);
            match (place, on_device(look.frame)) {
                (Some(place), Some(picture)) => {
                    if run.is_empty() {
                        begins = at;
                    }
                    run.push((&place.on_device, picture));
                }
                _ => self.launch(&mut run, begins * bytes, out)?,
            }
        }
        self.launch(&mut run, begins * bytes, out)
    }

    fn launch(
        &self,
        run: &mut Vec<(&Placed, &CudaPicture)>,
        offset: usize,
        out: &Span<'_>,
    ) -> Result<(), EngineError> {
        let bytes = run.len() * self.values * self.floats.bytes();
        let to = out.part(offset, bytes).ok_or_else(no_room)?;
        self.cuda.cut(run, self.floats, &to).map_err(failed)?;
        run.clear();
        Ok(())
    }

    fn cut_on_cpu(
        &mut self,
        look: &Look<'_>,
        at: usize,
        out: &Span<'_>,
    ) -> Result<(), EngineError> {
        let unreadable = |problem: String| EngineError::Picture { problem };
        let pixels = look.frame.to_cpu().map_err(|error| unreadable(error.to_string()))?;
        let Some(place) = self.slots.get_mut(look.slot).and_then(Option::as_mut) else {
            return Ok(());
        };
        place.on_cpu.make(pixels, &mut self.made).map_err(|error| unreadable(error.to_string()))?;
        let stored: Vec<u8> = match self.floats {
            Floats::F32 => self.made.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Floats::F16 => {
                self.made.iter().flat_map(|value| half_bits(*value).to_le_bytes()).collect()
            }
        };
        let to = out.part(at * stored.len(), stored.len()).ok_or_else(no_room)?;
        self.cuda.upload(&stored, &to).map_err(failed)
    }
}

fn no_room() -> EngineError {
    EngineError::Run { engine: NAME, problem: "the batch is larger than its tensor".to_owned() }
}

/// The picture where the device has it.
fn on_device(frame: &Frame) -> Option<&CudaPicture> {
    match &frame.pixels {
        Pixels::Device(pixels) => pixels.picture().as_any().downcast_ref(),
        Pixels::Cpu(_) => None,
    }
}

/// The states of an engine's slots, on the device.
pub struct States {
    cuda: Arc<Cuda>,
    floats: Floats,
    /// Elements of each state.
    counts: Vec<usize>,
    /// One a state, of all slots.
    kept: Vec<Buffer>,
    slots: usize,
}

impl States {
    /// Of states with so many elements each, stored as `floats`. No slots yet.
    #[must_use]
    pub fn new(cuda: &Arc<Cuda>, counts: &[usize], floats: Floats) -> Self {
        let (cuda, counts) = (Arc::clone(cuda), counts.to_vec());
        Self { cuda, floats, counts, kept: Vec::new(), slots: 0 }
    }

    /// Elements from one slot to the next.
    fn stride(&self, count: usize) -> usize {
        let step = ALIGNED / self.floats.bytes();
        count.div_ceil(step) * step
    }

    /// Makes room for `slots` slots; those that there were keep their states, new ones are zeros.
    ///
    /// # Errors
    /// [`EngineError::Run`]: the device has no room; all is as it was.
    pub fn set_slots(&mut self, slots: usize) -> Result<(), EngineError> {
        let bytes = |count: usize| self.stride(count) * self.floats.bytes();
        let fresh = self
            .counts
            .iter()
            .map(|count| Buffer::zeros(&self.cuda, slots * bytes(*count)))
            .collect::<Result<Vec<Buffer>, CudaFault>>()
            .map_err(failed)?;
        let stay: Vec<usize> = (0..slots.min(self.slots)).collect();
        if !stay.is_empty() {
            // Those that stay lie one after another in both: as one batch of whole strides.
            let moves: Vec<Move<'_>> = self
                .counts
                .iter()
                .zip(self.kept.iter().zip(&fresh))
                .map(|(count, (old, new))| {
                    let stride = self.stride(*count);
                    Move { slots: old.span(), batch: new.span(), count: stride, stride }
                })
                .collect();
            self.cuda.gather(self.floats, &stay, &moves).map_err(failed)?;
            self.cuda.synchronize().map_err(failed)?;
        }
        (self.kept, self.slots) = (fresh, slots);
        Ok(())
    }

    /// Sets all states of `slot` to zeros, in order with what is asked on the stream.
    ///
    /// # Errors
    /// [`EngineError::Run`].
    pub fn reset(&self, slot: usize) -> Result<(), EngineError> {
        for state in 0..self.counts.len() {
            let Some(span) = self.span(state, slot) else { continue };
            self.cuda.clear(&span).map_err(failed)?;
        }
        Ok(())
    }

    /// Where a state of a slot lies: to be bound where it is by a batch of one. Begins at a multiple of
    /// 256 bytes. `None` where there is no such.
    #[must_use]
    pub fn span(&self, state: usize, slot: usize) -> Option<Span<'_>> {
        let (count, kept) = (*self.counts.get(state)?, self.kept.get(state)?);
        let bytes = self.floats.bytes();
        (slot < self.slots).then_some(())?;
        kept.span().part(slot * self.stride(count) * bytes, count * bytes)
    }

    /// Copies the states of `slots` to `to`: one span a state, rows in the order of `slots`.
    ///
    /// # Errors
    /// [`EngineError::Run`].
    pub fn gather(&self, slots: &[usize], to: &[Span<'_>]) -> Result<(), EngineError> {
        let moves = self.moves(slots, to)?;
        self.cuda.gather(self.floats, slots, &moves).map_err(failed)
    }

    /// Copies the rows of `from` to where the states of `slots` lie.
    ///
    /// # Errors
    /// [`EngineError::Run`].
    pub fn scatter(&self, slots: &[usize], from: &[Span<'_>]) -> Result<(), EngineError> {
        let moves = self.moves(slots, from)?;
        self.cuda.scatter(self.floats, slots, &moves).map_err(failed)
    }

    fn moves<'a>(
        &'a self,
        slots: &[usize],
        batch: &[Span<'a>],
    ) -> Result<Vec<Move<'a>>, EngineError> {
        if slots.iter().any(|slot| *slot >= self.slots) || batch.len() != self.counts.len() {
            let problem = "a slot or a state that nobody made".to_owned();
            return Err(EngineError::Run { engine: NAME, problem });
        }
        let all = self.counts.iter().zip(self.kept.iter().zip(batch));
        Ok(all
            .map(|(count, (kept, batch))| {
                let stride = self.stride(*count);
                Move { slots: kept.span(), batch: *batch, count: *count, stride }
            })
            .collect())
    }
}
