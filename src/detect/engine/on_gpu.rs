//! A network on the GPU, whichever library runs it: pictures are cut there, states stay there, looks run in
//! batches.
//!
//! The library brings the network for one look and for [`BATCH`] (`batch`), each with memory for its tensors
//! ([`OnDevice`]). In a run, everything is asked in order on the one stream of `device`: cut, gather states,
//! compute, scatter states, copy what was said; then it is awaited once and frames are let go. A batch that is
//! not full computes the rest on what lies there, and nobody reads it. `makes_tensorrt` and `makes_cuda` make
//! such engines.

use std::sync::Arc;

use tracing::warn;

use crate::clock::Clock;
use crate::detect::bundle::Bundle;
use crate::detect::bundle::tensors::Tensors;
use crate::detect::engine::arithmetic::FileRun;
use crate::detect::engine::contract::{Engine, EngineError, Look, Placement, Said, SlotState};
use crate::detect::engine::signature::Signature;
use crate::detect::kernel::{Cutter, States};
use crate::device::{Cuda, CudaFault, Floats, Span};

/// Looks of the larger batch: four courts of two rims (chosen; more run in several).
pub(crate) const BATCH: usize = 8;
/// How far a batch may be from a look alone: kernels are chosen for each by themselves, in half too.
const APART: f32 = 0.02;

/// A network of a library with memory for all its tensors on the GPU.
pub(crate) trait OnDevice: Send {
    /// Where the tensor `name` lies.
    ///
    /// # Errors
    /// A line: there is none.
    fn span(&self, name: &str) -> Result<Span<'_>, String>;

    /// Runs it once on the stream of cutters and states; whoever reads what came of it waits.
    ///
    /// # Errors
    /// A line.
    fn run(&mut self) -> Result<(), String>;
}

/// A network of a library, with what its slots remember and where they look.
pub(crate) struct OnGpu {
    name: &'static str,
    file: FileRun,
    cuda: Arc<Cuda>,
    tensors: Tensors,
    /// Smallest first.
    pub(crate) sizes: Vec<Sized>,
    cutters: Vec<Cutter>,
    states: States,
    clock: Arc<dyn Clock>,
}

/// The network for so many looks at once.
pub(crate) struct Sized {
    pub(crate) batch: usize,
    pub(crate) network: Box<dyn OnDevice>,
}

/// What such an engine is made of.
pub(crate) struct Parts<'a> {
    /// The word in events, metrics and `state/models`.
    pub(crate) name: &'static str,
    pub(crate) file: FileRun,
    pub(crate) cuda: &'a Arc<Cuda>,
    pub(crate) bundle: &'a Bundle,
    /// Smallest first.
    pub(crate) sizes: Vec<Sized>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl OnGpu {
    /// Holds the larger batch against the network for one look, row by row.
    ///
    /// # Errors
    /// A line: they say different things, or do not run.
    pub(crate) fn new(parts: Parts<'_>) -> Result<Self, String> {
        let Parts { name, file, cuda, bundle, sizes, clock } = parts;
        let tensors = bundle.tensors.clone();
        let cutters =
            tensors.inputs.iter().map(|input| Cutter::new(cuda, input, Floats::F32)).collect();
        let counts: Vec<usize> =
            tensors.states.iter().map(|state| state.shape.iter().product()).collect();
        let states = States::new(cuda, &counts, Floats::F32);
        let signature = Signature::of(&tensors);
        let cuda = Arc::clone(cuda);
        let mut engine = Self { name, file, cuda, tensors, sizes, cutters, states, clock };
        engine.compare_batch(&signature)?;
        Ok(engine)
    }

    fn failed(&self, problem: String) -> EngineError {
        failed(self.name, problem)
    }

    fn most(&self) -> usize {
        self.sizes.last().map_or(1, |size| size.batch)
    }

    /// Runs looks that were checked, at most as many as the largest batch; what each said.
    fn piece(&mut self, looks: &[&Look<'_>]) -> Result<Vec<Said>, EngineError> {
        let began = self.clock.monotonic();
        let Self { name, cuda, tensors, sizes, cutters, states, clock, .. } = self;
        let failed = |problem: String| failed(name, problem);
        let size = sizes.iter_mut().find(|size| size.batch >= looks.len());
        let Some(Sized { network, .. }) = size else {
            return Err(failed("a batch that is too large".to_owned()));
        };
        let fault = |fault: CudaFault| failed(fault.to_string());
        for (cutter, input) in cutters.iter_mut().zip(&tensors.inputs) {
            cutter.cut(looks, &network.span(input.name()).map_err(failed)?)?;
        }
        if let Some(name) = &tensors.dt {
            let dt: Vec<u8> = looks.iter().flat_map(|look| look.dt_seconds.to_le_bytes()).collect();
            cuda.upload(&dt, &network.span(name).map_err(failed)?).map_err(fault)?;
        }
        let slots: Vec<usize> = looks.iter().map(|look| look.slot).collect();
        let inputs = tensors.states.iter().map(|state| network.span(&state.input));
        let inputs = inputs.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        states.gather(&slots, &inputs)?;
        let prepared = clock.monotonic();
        network.run().map_err(failed)?;
        let outputs = tensors.states.iter().map(|state| network.span(&state.output));
        let outputs = outputs.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        states.scatter(&slots, &outputs)?;
        let mut told: Vec<Vec<Vec<f32>>> = vec![Vec::new(); looks.len()];
        for output in &tensors.outputs {
            let count: usize = output.shape.iter().product();
            let span = network.span(&output.name).map_err(failed)?;
            let span = span.part(0, 4 * count * looks.len());
            let span = span.ok_or_else(|| failed(format!("no room in {}", output.name)))?;
            let values = floats(&cuda.download(&span).map_err(fault)?);
            for (row, told) in values.chunks_exact(count.max(1)).zip(&mut told) {
                told.push(row.to_vec());
            }
        }
        // Frames are let go when this returns, whatever was there to be read.
        cuda.synchronize().map_err(fault)?;
        let ran = clock.monotonic();
        let said =
            |tensors| Said { tensors, prepared: prepared.since(began), ran: ran.since(prepared) };
        Ok(told.into_iter().map(said).collect())
    }

    /// A batch says of its rows what the network for one look says of each.
    fn compare_batch(&mut self, signature: &Signature) -> Result<(), String> {
        let [one, several] = self.sizes.as_mut_slice() else { return Ok(()) };
        let told = |fault: CudaFault| fault.to_string();
        let mut alone: Vec<Vec<f32>> = vec![Vec::new(); signature.outputs.len()];
        let rows = several.batch.min(3);
        for row in 0..rows {
            for (at, (name, shape)) in signature.inputs.iter().enumerate() {
                let count: usize = shape.iter().product();
                let bytes = noise(count, 31 * row + at);
                self.cuda.upload(&bytes, &one.network.span(name)?).map_err(told)?;
                let to = several.network.span(name)?.part(row * bytes.len(), bytes.len());
                let to = to.ok_or_else(|| format!("{name} has no row {row}"))?;
                self.cuda.upload(&bytes, &to).map_err(told)?;
            }
            one.network.run()?;
            for ((name, _), alone) in signature.outputs.iter().zip(&mut alone) {
                let bytes = self.cuda.download(&one.network.span(name)?).map_err(told)?;
                alone.extend(floats(&bytes));
            }
        }
        several.network.run()?;
        for ((name, _), alone) in signature.outputs.iter().zip(&alone) {
            let span = several.network.span(name)?.part(0, 4 * alone.len());
            let span = span.ok_or_else(|| format!("{name} has no {rows} rows"))?;
            let together = floats(&self.cuda.download(&span).map_err(told)?);
            let near =
                |(one, other): (&f32, &f32)| (one - other).abs() <= APART * one.abs().max(1.0);
            if !alone.iter().zip(&together).all(near) {
                let batch = several.batch;
                return Err(format!(
                    "a batch of {batch} says other values of {name} than each look alone"
                ));
            }
        }
        Ok(())
    }
}

impl Engine for OnGpu {
    fn name(&self) -> &'static str {
        self.name
    }

    fn file(&self) -> Option<FileRun> {
        Some(self.file.clone())
    }

    fn most_looks(&self) -> usize {
        self.most()
    }

    fn set_slots(&mut self, slots: usize) -> Result<(), EngineError> {
        self.states.set_slots(slots)?;
        self.cutters.iter_mut().for_each(|cutter| cutter.set_slots(slots));
        Ok(())
    }

    fn place(&mut self, slot: usize, placement: Placement) -> Result<(), EngineError> {
        self.cutters.iter_mut().try_for_each(|cutter| cutter.place(slot, placement))
    }

    fn reset(&mut self, slot: usize) {
        // A device that fails at this fails at the next look too.
        if let Err(error) = self.states.reset(slot) {
            warn!(%error, "a state is not set to zeros");
        }
    }

    fn run(&mut self, looks: &[Look<'_>], told: &mut dyn FnMut(usize, Result<Said, EngineError>)) {
        let mut good = Vec::with_capacity(looks.len());
        for (at, look) in looks.iter().enumerate() {
            match self.cutters.iter().try_for_each(|cutter| cutter.check(look)) {
                Ok(()) => good.push((at, look)),
                Err(EngineError::Run { problem, .. }) => {
                    told(at, Err(EngineError::Place { problem }));
                }
                Err(error) => told(at, Err(error)),
            }
        }
        let most = self.most();
        for piece in good.chunks(most) {
            let these: Vec<&Look<'_>> = piece.iter().map(|(_, look)| *look).collect();
            match self.piece(&these) {
                Ok(said) => {
                    for ((at, _), said) in piece.iter().zip(said) {
                        told(*at, Ok(said));
                    }
                }
                // One picture cannot be read: the others can.
                Err(EngineError::Picture { .. }) if piece.len() > 1 => {
                    for (at, look) in piece {
                        let said = self.piece(&[look]).map(|mut said| said.swap_remove(0));
                        told(*at, said);
                    }
                }
                Err(EngineError::Picture { problem }) => {
                    for (at, _) in piece {
                        told(*at, Err(EngineError::Picture { problem: problem.clone() }));
                    }
                }
                Err(error) => {
                    let problem = match error {
                        EngineError::Run { problem, .. } => problem,
                        other => other.to_string(),
                    };
                    piece.iter().for_each(|(at, _)| told(*at, Err(self.failed(problem.clone()))));
                }
            }
        }
    }

    fn state(&mut self, slot: usize) -> Option<SlotState> {
        let states = 0..self.tensors.states.len();
        let values = |state| {
            let span = self.states.span(state, slot)?;
            self.cuda.download(&span).ok().map(|bytes| floats(&bytes))
        };
        states.map(values).collect()
    }

    fn take_over(&mut self, slot: usize, state: &SlotState) -> Result<(), EngineError> {
        for (at, values) in state.iter().enumerate() {
            let span = self.states.span(at, slot);
            let span = span.ok_or_else(|| self.failed("a state that nobody made".to_owned()))?;
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            self.cuda.upload(&bytes, &span).map_err(|fault| self.failed(fault.to_string()))?;
        }
        Ok(())
    }
}

fn failed(engine: &'static str, problem: String) -> EngineError {
    EngineError::Run { engine, problem }
}

/// Bytes of 32-bit floats.
fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
}

/// Values from 0 to 1 that look like nothing, as bytes.
fn noise(count: usize, seed: usize) -> Vec<u8> {
    let mut state = u32::try_from(seed).unwrap_or(0).wrapping_mul(2_654_435_761).wrapping_add(1);
    let value = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [high, low, ..] = state.to_be_bytes();
        (f32::from(u16::from_be_bytes([high, low])) / 65_536.0).to_le_bytes()
    };
    (0..count).flat_map(value).collect()
}

#[cfg(all(test, feature = "tensorrt"))]
mod tests;
