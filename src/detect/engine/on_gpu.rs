//! A network in TensorRT on the GPU: pictures are cut there, states stay there, looks run in batches.
//!
//! A plan is built for one look and for [`BATCH`] (`batch`), kept on disk (`plans`), and taken again only
//! for the same network, library, driver and GPU; one that the library refuses all the same is built
//! anew. In a run, everything is asked in order on the one stream of `device`: cut, gather states, compute
//! (one CUDA graph), scatter states, copy what was said; then it is awaited once and frames are let go.
//! A batch that is not full computes the rest on what lies there, and nobody reads it.

use std::sync::Arc;

use tracing::{debug, info, warn};

use crate::clock::Clock;
use crate::detect::bundle::Bundle;
use crate::detect::bundle::tensors::Tensors;
use crate::detect::engine::batch::{batched, encoded};
use crate::detect::engine::contract::{
    Engine, EngineError, EngineFound, Look, Placement, Said, SlotState,
};
use crate::detect::engine::fallover::Maker;
use crate::detect::engine::graph::sums::Limits;
use crate::detect::engine::native::{TensorFound, agree};
use crate::detect::engine::plans::PlanKey;
use crate::detect::engine::signature::Signature;
use crate::detect::engine::tensorrt::{Bound, Library, Order, Places};
use crate::detect::kernel::{Cutter, States};
use crate::detect::settings::{EngineSettings, EngineWish, Kept, ModelLimits};
use crate::device::{Cuda, CudaFault, Floats, Gpu};
use crate::disk;

const NAME: &str = "tensorrt";
/// Looks of the larger batch: four courts of two rims (chosen; more run in several).
const BATCH: usize = 8;
/// Bytes of the longest plan that is read back.
const MOST_KEPT: u64 = 1 << 30;
/// How far a batch may be from a look alone: kernels are chosen for each by themselves, in half too.
const APART: f32 = 0.02;

/// Makes such engines.
pub(crate) struct MakesTensorRt {
    pub(crate) gpu: Gpu,
    pub(crate) places: Places,
    pub(crate) kept: Option<Kept>,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    /// Runs are recorded as CUDA graphs.
    pub(crate) graphs: bool,
    /// The DLA core on which layers run that can.
    pub(crate) dla: Option<u32>,
}

impl MakesTensorRt {
    pub(crate) fn new(
        settings: &EngineSettings,
        gpu: &Gpu,
        kept: Option<&Kept>,
        limits: ModelLimits,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let (gpu, kept, limits) = (gpu.clone(), kept.cloned(), Limits::of(limits));
        let places = Places::usual(settings.tensorrt.clone());
        let (clock, dla) = (Arc::clone(clock), settings.dla);
        Self { gpu, places, kept, limits, clock, graphs: true, dla }
    }

    /// The plan of a network, kept (if it may be) or built; `anew`: not a kept one.
    fn plan(
        &self,
        library: &Library,
        key: &PlanKey<'_>,
        onnx: &[u8],
        anew: bool,
        kept: Option<&Kept>,
        told: &dyn Fn(String),
    ) -> Result<Vec<u8>, String> {
        let file = kept.map(|kept| (kept, kept.folder.join(key.file())));
        if let (Some((kept, file)), false) = (&file, anew)
            && let Ok(bytes) = disk::read_whole(&*kept.disk, file, MOST_KEPT)
        {
            match key.read(&bytes) {
                Ok(plan) => return Ok(plan.to_vec()),
                Err(why) => {
                    warn!(file = %file.display(), why, "an engine that was kept is not taken: it is built anew");
                }
            }
        }
        let learnt = PlanKey { network: &[], precision: "timing", batch: 0, ..*key };
        let timing = kept.and_then(|kept| {
            let file = kept.folder.join(learnt.file());
            let bytes = disk::read_whole(&*kept.disk, &file, MOST_KEPT).ok()?;
            learnt.read(&bytes).ok().map(<[u8]>::to_vec)
        });
        let timing = timing.as_deref().unwrap_or_default();
        let tell = |percent| told(format!("being built (for {} at once: {percent} %)", key.batch));
        let order = Order { onnx, timing, dla: key.dla, for_this_gpu: true, told: &tell };
        let built = library.build(&order)?;
        if let Some((kept, file)) = file {
            let keep = || {
                kept.disk.create_dir_all(&kept.folder)?;
                let times = kept.folder.join(learnt.file());
                disk::write_durably(&*kept.disk, &times, &learnt.write(&built.timing))?;
                disk::write_durably(&*kept.disk, &file, &key.write(&built.plan))
            };
            if let Err(error) = keep() {
                warn!(%error, "a built engine is not kept: it is built at each start");
            }
        }
        Ok(built.plan)
    }

    fn engine(&self, bundle: &Bundle, told: &dyn Fn(String)) -> Result<OnGpu, EngineError> {
        let absent = |problem: String| EngineError::Absent { problem };
        let cuda = self.gpu.cuda().map_err(|no| absent(no.to_string()))?;
        let library = Library::open(&self.places).map_err(absent)?;
        library.has_gpu().map_err(absent)?;
        may_use(self.dla, library.flavor()).map_err(absent)?;
        let file = &bundle.file;
        let unsupported = |problem: String| EngineError::Unsupported {
            engine: NAME,
            file: file.path.clone(),
            problem,
        };
        let signature = Signature::of(&bundle.tensors);
        let proto = signature.proto_within(NAME, file, self.limits)?;
        // A plan has the network's weights in it: of one that is sealed on the disk none lies there open.
        let kept = self.kept.as_ref().filter(|_| !bundle.is_secret());
        let mut sizes = Vec::new();
        for batch in [1, BATCH] {
            let several = (batch > 1).then(|| batched(proto.clone(), batch)).transpose();
            let several = match several {
                Ok(several) => several.map(|several| encoded(&several)),
                Err(why) => {
                    info!(model = %bundle.name, why, "its looks run one by one");
                    break;
                }
            };
            let onnx = several.as_deref().unwrap_or(&file.bytes);
            let key = PlanKey {
                network: &file.bytes,
                precision: &file.precision,
                batch,
                flavor: library.flavor(),
                version: library.version(),
                driver: cuda.driver(),
                capability: cuda.capability(),
                gpu: cuda.name(),
                dla: self.dla,
            };
            let load = |anew| -> Result<Bound, String> {
                let plan = self.plan(&library, &key, onnx, anew, kept, told)?;
                cuda.context().bind_to_thread().map_err(|error| error.to_string())?;
                Bound::new(library.load(&plan)?, &cuda)
            };
            let mut network = load(false).or_else(|_| load(true)).map_err(unsupported)?;
            if self.graphs
                && let Err(why) = network.record()
            {
                info!(model = %bundle.name, why, "its runs are not recorded as a graph");
            }
            if let Some(layers) = network.layers() {
                debug!(model = %bundle.name, batch, %layers, "layers of an engine");
            }
            sizes.push(Sized { batch, network });
        }
        let first = sizes.first().map(|size| &size.network);
        let found = |inputs: bool| -> Vec<TensorFound> {
            let ports = first.into_iter().flat_map(Bound::ports);
            let ports = ports.filter(|port| port.is_input == inputs);
            ports
                .map(|port| TensorFound {
                    name: port.name.clone(),
                    shape: port.shape.clone(),
                    other_type: port.other_type.clone(),
                })
                .collect()
        };
        agree(file, &signature, &found(true), &found(false))?;
        let mut engine = OnGpu::of(&cuda, bundle, sizes, Arc::clone(&self.clock));
        engine.compare_batch(&signature).map_err(unsupported)?;
        let about = library.version_text();
        info!(model = %bundle.name, about, gpu = cuda.name(), "a network is on the GPU");
        Ok(engine)
    }
}

impl Maker for MakesTensorRt {
    fn name(&self) -> &'static str {
        NAME
    }

    fn is_wanted(&self, wish: EngineWish) -> bool {
        matches!(wish, EngineWish::Auto | EngineWish::TensorRt)
    }

    fn found(&self) -> EngineFound {
        found()
    }

    fn make(&self, bundle: &Bundle, told: &dyn Fn(String)) -> Result<Box<dyn Engine>, EngineError> {
        Ok(Box::new(self.engine(bundle, told)?))
    }
}

/// TensorRT-RTX has no way to name a DLA, and would be told so layer by layer.
fn may_use(dla: Option<u32>, flavor: &str) -> Result<(), String> {
    match dla {
        Some(core) if flavor.contains("rtx") => Err(format!(
            "`dla = {core}` of [detect]: TensorRT-RTX runs nothing on a DLA; take the key out, or \
             install TensorRT"
        )),
        _ => Ok(()),
    }
}

/// What `--version` says of it.
pub(crate) fn found() -> EngineFound {
    EngineFound { name: NAME, about: "TensorRT where it is installed, on the GPU".to_owned() }
}

/// A network in TensorRT, with what its slots remember and where they look.
pub(crate) struct OnGpu {
    cuda: Arc<Cuda>,
    tensors: Tensors,
    /// Smallest first.
    sizes: Vec<Sized>,
    cutters: Vec<Cutter>,
    states: States,
    clock: Arc<dyn Clock>,
}

/// The network for so many looks at once.
struct Sized {
    batch: usize,
    network: Bound,
}

impl OnGpu {
    fn of(cuda: &Arc<Cuda>, bundle: &Bundle, sizes: Vec<Sized>, clock: Arc<dyn Clock>) -> Self {
        let tensors = bundle.tensors.clone();
        let cutters =
            tensors.inputs.iter().map(|input| Cutter::new(cuda, input, Floats::F32)).collect();
        let counts: Vec<usize> =
            tensors.states.iter().map(|state| state.shape.iter().product()).collect();
        let states = States::new(cuda, &counts, Floats::F32);
        Self { cuda: Arc::clone(cuda), tensors, sizes, cutters, states, clock }
    }

    fn most(&self) -> usize {
        self.sizes.last().map_or(1, |size| size.batch)
    }

    /// Runs looks that were checked, at most as many as the largest batch; what each said.
    fn piece(&mut self, looks: &[&Look<'_>]) -> Result<Vec<Said>, EngineError> {
        let began = self.clock.monotonic();
        let Self { cuda, tensors, sizes, cutters, states, clock } = self;
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
        NAME
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
                    piece.iter().for_each(|(at, _)| told(*at, Err(failed(problem.clone()))));
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
            let span = span.ok_or_else(|| failed("a state that nobody made".to_owned()))?;
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            self.cuda.upload(&bytes, &span).map_err(|fault| failed(fault.to_string()))?;
        }
        Ok(())
    }
}

fn failed(problem: String) -> EngineError {
    EngineError::Run { engine: NAME, problem }
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

#[cfg(test)]
mod tests;
