//! ONNX Runtime, on the CPU (`makes_cuda` has it on a GPU): the library is looked for when an engine is made, and need not be there.
//!
//! The process has one library and one environment of it, whoever asks first ([`Library::open`]); a
//! box without it says so in one line and takes the next engine. Looks are cut by `engine/cut` and run
//! one by one on one thread, as in `engine/builtin`, whose answers they are held to; states stay in the
//! library's memory, and an output becomes the next input without a copy.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ort::environment::Environment;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Outlet, Tensor, TensorElementType, TensorRef, ValueType};
use tracing::{debug, info};

use crate::clock::Clock;
use crate::detect::bundle::Bundle;
use crate::detect::bundle::tensors::Tensors;
use crate::detect::engine::arithmetic::{FileRun, Runs};
use crate::detect::engine::contract::{
    Engine, EngineError, EngineFound, Look, Placement, Said, SlotState,
};
use crate::detect::engine::cut::Cutters;
use crate::detect::engine::graph::sums::Limits;
use crate::detect::engine::making::Maker;
use crate::detect::engine::native::{TensorFound, agree, file_for};
use crate::detect::engine::signature::Signature;
use crate::detect::settings::{EngineSettings, EngineWish, ModelLimits};
use crate::media::Foreign;

/// The word in events, metrics and `state/models`.
const NAME: &str = "onnx";
/// By these names the system's loader knows it.
const SONAMES: [&str; 2] = ["libonnxruntime.so.1", "libonnxruntime.so"];
/// What a file of it is called, before its version.
const FILE: &str = "libonnxruntime.so";

/// The library, loaded.
#[derive(Clone)]
pub(crate) struct Library {
    environment: Environment,
}

/// The one of this process: the library takes no second environment, and cannot be unloaded.
static LIBRARY: OnceLock<Result<Library, String>> = OnceLock::new();

impl Library {
    /// The library at `path`, or where such things usually are. Who asks first decides which.
    ///
    /// # Errors
    /// A line: why there is none, and what to do.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, String> {
        LIBRARY.get_or_init(|| Self::load(path)).clone()
    }

    fn load(path: Option<&Path>) -> Result<Self, String> {
        let tried = path.map_or_else(usual_places, |path| vec![path.to_owned()]);
        let mut why = String::new();
        for place in tried {
            // It asserts what it was given by the library; a file that is none must not end the box.
            let load = || ort::init_from(&place).map_err(|error| error.to_string());
            let loaded = catch_unwind(AssertUnwindSafe(load))
                .unwrap_or_else(|_| Err(format!("{} is no such library", place.display())));
            match loaded {
                Ok(builder) => {
                    let log = |_, _: &str, _: &str, at: &str, text: &str| {
                        let text = Foreign::told(text);
                        debug!(at, %text, "ONNX Runtime");
                    };
                    let environment = builder
                        .with_name("courtside")
                        .with_telemetry(false)
                        .with_logger(Arc::new(log))
                        .build();
                    let environment = environment.map_err(|error| one_line(&error))?;
                    info!(library = %place.display(), "ONNX Runtime is there");
                    return Ok(Self { environment });
                }
                Err(error) => why = error,
            }
        }
        let why = Foreign::told(why.replace('\n', " "));
        Err(format!(
            "no ONNX Runtime 1.18 or newer ({why}): install one, or name its file as `onnxruntime` \
             of [detect]"
        ))
    }
}

/// Makes such engines.
pub(crate) struct MakesOnnx {
    path: Option<PathBuf>,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

impl MakesOnnx {
    pub(crate) fn new(
        settings: &EngineSettings,
        limits: ModelLimits,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let (path, limits) = (settings.onnxruntime.clone(), Limits::of(limits));
        Self { path, limits, clock: Arc::clone(clock) }
    }
}

impl Maker for MakesOnnx {
    fn name(&self) -> &'static str {
        NAME
    }

    fn is_wanted(&self, wish: EngineWish) -> bool {
        wish != EngineWish::BuiltIn
    }

    fn found(&self) -> EngineFound {
        found()
    }

    fn make(
        &self,
        bundle: &Bundle,
        _told: &dyn Fn(String),
    ) -> Result<Box<dyn Engine>, EngineError> {
        let library = Library::open(self.path.as_deref());
        let library = library.map_err(|problem| EngineError::Absent { problem })?;
        let (file, bundle) = file_for(NAME, Runs::Cpu, bundle)?;
        let engine = Onnx::load(&library, self.limits, &bundle, Arc::clone(&self.clock))?;
        Ok(Box::new(Onnx { file: Some(file), ..engine }))
    }
}

/// What `--version` says of it.
pub(crate) fn found() -> EngineFound {
    EngineFound {
        name: NAME,
        about: "ONNX Runtime where it is installed, one core of the CPU".to_owned(),
    }
}

/// Beside the program, in the system's folders, then wherever the loader looks.
fn usual_places() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(bin) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
        folders.extend([bin.to_owned(), bin.join("../lib/courtside")]);
    }
    folders.extend(["/usr/lib/courtside", "/usr/local/lib"].map(PathBuf::from));
    let mut places: Vec<PathBuf> = folders.iter().filter_map(|folder| newest_in(folder)).collect();
    places.extend(SONAMES.map(PathBuf::from));
    places
}

/// The library in `folder`, the last one by its name.
fn newest_in(folder: &Path) -> Option<PathBuf> {
    let files = folder.read_dir().ok()?.flatten().map(|entry| entry.path());
    let begins = folder.join(FILE);
    let is_one = |file: &PathBuf| {
        file.as_os_str().as_encoded_bytes().starts_with(begins.as_os_str().as_encoded_bytes())
    };
    files.filter(is_one).max()
}

/// A network in ONNX Runtime, with what its slots remember and where they look.
pub(crate) struct Onnx {
    session: Session,
    tensors: Tensors,
    slots: Vec<Slot>,
    /// The inputs that are made of a picture. One set for all slots: looks are run one by one.
    values: Vec<Vec<f32>>,
    clock: Arc<dyn Clock>,
    /// The file that it runs; `None`: the one that the bundle was found with.
    file: Option<FileRun>,
}

/// One place at one court.
struct Slot {
    states: Vec<DynValue>,
    placed: Option<Cutters>,
}

impl Onnx {
    /// Reads and optimises the network of `bundle`. Takes some 100 ms.
    ///
    /// # Errors
    /// [`EngineError`]: what about the file does not fit the manifest or this engine.
    pub(crate) fn load(
        library: &Library,
        limits: Limits,
        bundle: &Bundle,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, EngineError> {
        let file = &bundle.file;
        let signature = Signature::of(&bundle.tensors);
        drop(signature.proto_within(NAME, file, limits)?);
        let session = session(library, &file.bytes).map_err(|problem| {
            EngineError::Unsupported { engine: NAME, file: file.path.clone(), problem }
        })?;
        let found = |outlets: &[Outlet]| outlets.iter().map(tensor_found).collect::<Vec<_>>();
        agree(file, &signature, &found(session.inputs()), &found(session.outputs()))?;
        let tensors = bundle.tensors.clone();
        let values = tensors
            .inputs
            .iter()
            .map(|input| vec![0.0; input.shape().into_iter().product()])
            .collect();
        Ok(Self { session, tensors, slots: Vec::new(), values, clock, file: None })
    }

    /// The inputs that were made of the picture that it looked at last.
    #[cfg(all(test, feature = "cuda"))]
    pub(crate) fn made(&self) -> &[Vec<f32>] {
        &self.values
    }

    fn zeros(&self) -> Result<Vec<DynValue>, EngineError> {
        let zeros = |shape: &Vec<usize>| vec![0.0; shape.iter().product()];
        self.tensors.states.iter().map(|state| tensor(&state.shape, zeros(&state.shape))).collect()
    }

    /// Runs the network on `values`, with and upon the state of `slot`.
    fn infer(&mut self, slot: usize, dt: f32) -> Result<Vec<Vec<f32>>, String> {
        let told = |error: ort::Error| one_line(&error);
        let slot = self.slots.get_mut(slot).ok_or("a slot that nobody made")?;
        let mut inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::new();
        for (values, input) in self.values.iter().zip(&self.tensors.inputs) {
            let tensor = TensorRef::from_array_view((input.shape(), values.as_slice()));
            inputs.push((input.name().into(), tensor.map_err(told)?.into()));
        }
        if let Some(name) = &self.tensors.dt {
            let tensor = Tensor::from_array(([1_usize, 1], vec![dt])).map_err(told)?;
            inputs.push((name.into(), tensor.into()));
        }
        for (value, state) in slot.states.iter().zip(&self.tensors.states) {
            inputs.push((state.input.as_str().into(), value.into()));
        }
        let mut outputs = self.session.run(inputs).map_err(told)?;
        let missing = |name: &str| format!("no output {name}");
        let mut said = Vec::with_capacity(self.tensors.outputs.len());
        for wanted in &self.tensors.outputs {
            let output = outputs.get(&wanted.name).ok_or_else(|| missing(&wanted.name))?;
            said.push(output.try_extract_tensor::<f32>().map_err(told)?.1.to_vec());
        }
        let next = |name: &String| outputs.remove(name).ok_or_else(|| missing(name));
        let states = self.tensors.states.iter().map(|state| &state.output).map(next);
        slot.states = states.collect::<Result<_, _>>()?;
        Ok(said)
    }

    fn look(&mut self, look: &Look<'_>) -> Result<Said, EngineError> {
        let began = self.clock.monotonic();
        let placed = self.slots.get_mut(look.slot).and_then(|slot| slot.placed.as_mut());
        Cutters::cut(placed, look, &mut self.values)?;
        let prepared = self.clock.monotonic();
        let tensors = self.infer(look.slot, look.dt_seconds).map_err(failed)?;
        let ran = self.clock.monotonic();
        Ok(Said { tensors, prepared: prepared.since(began), ran: ran.since(prepared) })
    }
}

impl Engine for Onnx {
    fn name(&self) -> &'static str {
        NAME
    }

    fn file(&self) -> Option<FileRun> {
        self.file.clone()
    }

    fn set_slots(&mut self, slots: usize) -> Result<(), EngineError> {
        self.slots.truncate(slots);
        while self.slots.len() < slots {
            self.slots.push(Slot { states: self.zeros()?, placed: None });
        }
        Ok(())
    }

    fn place(&mut self, slot: usize, placement: Placement) -> Result<(), EngineError> {
        let cutters = Cutters::new(&self.tensors.inputs, placement)?;
        let slot = self.slots.get_mut(slot);
        slot.ok_or_else(|| failed("a slot that nobody made".to_owned()))?.placed = Some(cutters);
        Ok(())
    }

    fn reset(&mut self, slot: usize) {
        // Without memory for zeros the slot has no state, and its next look fails for that.
        let zeros = self.zeros().unwrap_or_default();
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.states = zeros;
        }
    }

    fn run(&mut self, looks: &[Look<'_>], told: &mut dyn FnMut(usize, Result<Said, EngineError>)) {
        for (index, look) in looks.iter().enumerate() {
            told(index, self.look(look));
        }
    }

    fn state(&mut self, slot: usize) -> Option<SlotState> {
        let slot = self.slots.get(slot)?;
        let values = |state: &DynValue| {
            state.try_extract_tensor::<f32>().ok().map(|(_, values)| values.to_vec())
        };
        slot.states.iter().map(values).collect()
    }

    fn take_over(&mut self, slot: usize, state: &SlotState) -> Result<(), EngineError> {
        let both = self.tensors.states.iter().zip(state);
        let states = both.map(|(state, values)| tensor(&state.shape, values.clone()));
        let states = states.collect::<Result<_, _>>()?;
        let slot = self.slots.get_mut(slot);
        slot.ok_or_else(|| failed("a slot that nobody made".to_owned()))?.states = states;
        Ok(())
    }
}

fn session(library: &Library, bytes: &[u8]) -> Result<Session, String> {
    builder(library)?.commit_from_memory(bytes).map_err(|error| one_line(&error))
}

/// With one thread of the CPU.
pub(crate) fn builder(library: &Library) -> Result<SessionBuilder, String> {
    let options = |error: ort::Error<SessionBuilder>| {
        Foreign::told(error.to_string().replace('\n', " ")).to_string()
    };
    Session::builder(&library.environment)
        .map_err(|error| one_line(&error))?
        .with_intra_threads(1)
        .map_err(options)?
        .with_inter_threads(1)
        .map_err(options)?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(options)
}

fn tensor(shape: &[usize], values: Vec<f32>) -> Result<DynValue, EngineError> {
    let made = Tensor::from_array((shape.to_vec(), values));
    made.map(Tensor::into_dyn).map_err(|error| failed(one_line(&error)))
}

pub(crate) fn tensor_found(outlet: &Outlet) -> TensorFound {
    let name = outlet.name().to_owned();
    match outlet.dtype() {
        ValueType::Tensor { ty, shape, .. } => TensorFound {
            name,
            shape: shape.to_vec(),
            other_type: (*ty != TensorElementType::Float32).then(|| ty.to_string()),
        },
        other => TensorFound { name, shape: Vec::new(), other_type: Some(format!("{other:?}")) },
    }
}

fn failed(problem: String) -> EngineError {
    EngineError::Run { engine: NAME, problem }
}

/// The library's error as one line.
pub(crate) fn one_line(error: &ort::Error) -> String {
    Foreign::told(error.to_string().replace('\n', " ")).to_string()
}

#[cfg(test)]
mod tests;
#[cfg(all(test, feature = "cuda"))]
pub(crate) use tests::library_for_tests;
