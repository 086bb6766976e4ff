//! Makes engines of ONNX Runtime's CUDA provider: a session for one look and one for [`BATCH`], whose tensors
//! are taken on the GPU and bound (`linked`), on the stream of cutters and states.
//!
//! The provider is a library of its own beside ONNX Runtime's, and wants CUDA's cuDNN: where it does not load,
//! that is an error (`error_on_failure`), never a session that runs on the CPU in silence; then the next
//! engine is taken, which is ONNX Runtime on the CPU, by its name.

#![allow(unsafe_code, reason = "the provider is given our stream")]

use std::path::PathBuf;
use std::sync::Arc;

use ort::ep::{CUDA, ExecutionProviderDispatch};
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use tracing::info;

use crate::clock::Clock;
use crate::detect::bundle::Bundle;
use crate::detect::engine::arithmetic::Runs;
use crate::detect::engine::batch::{batched, encoded};
use crate::detect::engine::contract::{Engine, EngineError, EngineFound};
use crate::detect::engine::graph::sums::Limits;
use crate::detect::engine::linked::{Linked, OnItsGpu};
use crate::detect::engine::making::Maker;
use crate::detect::engine::native::{agree, file_for};
use crate::detect::engine::on_gpu::{BATCH, OnGpu, Parts, Sized};
use crate::detect::engine::onnx::{Library, builder, one_line, tensor_found};
use crate::detect::engine::signature::Signature;
use crate::detect::settings::{EngineSettings, EngineWish, ModelLimits};
use crate::device::{Cuda, Gpu};
use crate::media::Foreign;

/// The word in events, metrics and `state/models`, and of `[detect] device`.
const NAME: &str = "cuda";

/// Makes such engines.
pub(crate) struct MakesCuda {
    path: Option<PathBuf>,
    gpu: Gpu,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

impl MakesCuda {
    pub(crate) fn new(
        settings: &EngineSettings,
        gpu: &Gpu,
        limits: ModelLimits,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let (path, limits) = (settings.onnxruntime.clone(), Limits::of(limits));
        Self { path, gpu: gpu.clone(), limits, clock: Arc::clone(clock) }
    }

    fn engine(&self, bundle: &Bundle, told: &dyn Fn(String)) -> Result<OnGpu, EngineError> {
        let absent = |problem: String| EngineError::Absent { problem };
        let cuda = self.gpu.cuda().map_err(|no| absent(no.to_string()))?;
        let library = Library::open(self.path.as_deref()).map_err(absent)?;
        let number = i32::try_from(cuda.context().ordinal()).unwrap_or(0);
        let (run, bundle) = file_for(NAME, Runs::Cuda, bundle)?;
        let file = &bundle.file;
        let unsupported = |problem: String| EngineError::Unsupported {
            engine: NAME,
            file: file.path.clone(),
            problem,
        };
        let signature = Signature::of(&bundle.tensors);
        let proto = signature.proto_within(NAME, file, self.limits)?;
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
            told(format!("being made (for {batch} at once)"));
            let onnx = several.as_deref().unwrap_or(&file.bytes);
            let session = on_gpu(&library, onnx, provider(&cuda, number));
            let session = session.map_err(|no| match no {
                No::Provider(why) => absent(why),
                No::Network(why) => unsupported(why),
            })?;
            if batch == 1 {
                let found = |outlets: &[_]| outlets.iter().map(tensor_found).collect::<Vec<_>>();
                agree(file, &signature, &found(session.inputs()), &found(session.outputs()))?;
            }
            let there = MemoryInfo::new(
                AllocationDevice::CUDA,
                number,
                AllocatorType::Device,
                MemoryType::Default,
            );
            let there = there.map_err(|error| unsupported(one_line(&error)))?;
            let linked = Linked::new(session, there).map_err(unsupported)?;
            let network = Box::new(OnItsGpu { linked, cuda: Arc::clone(&cuda) });
            sizes.push(Sized { batch, network });
        }
        let (clock, path, precision) =
            (Arc::clone(&self.clock), run.path.clone(), run.precision.clone());
        let parts = Parts { name: NAME, file: run, cuda: &cuda, bundle: &bundle, sizes, clock };
        let engine = OnGpu::new(parts).map_err(unsupported)?;
        info!(model = %bundle.name, file = path, precision, gpu = cuda.name(), "a network is on the GPU, in ONNX Runtime");
        Ok(engine)
    }
}

impl Maker for MakesCuda {
    fn name(&self) -> &'static str {
        NAME
    }

    fn is_wanted(&self, wish: EngineWish) -> bool {
        !matches!(wish, EngineWish::Cpu | EngineWish::BuiltIn)
    }

    fn found(&self) -> EngineFound {
        found()
    }

    fn make(&self, bundle: &Bundle, told: &dyn Fn(String)) -> Result<Box<dyn Engine>, EngineError> {
        Ok(Box::new(self.engine(bundle, told)?))
    }
}

/// What `--version` says of it.
pub(crate) fn found() -> EngineFound {
    let about = "ONNX Runtime's CUDA provider where it is installed, on the GPU".to_owned();
    EngineFound { name: NAME, about }
}

/// Why there is no session on the GPU.
#[derive(Debug)]
enum No {
    /// The provider does not load.
    Provider(String),
    /// The network is none that it runs.
    Network(String),
}

/// The provider on GPU `number`, on the stream of `cuda`.
fn provider(cuda: &Arc<Cuda>, number: i32) -> ExecutionProviderDispatch {
    let provider = CUDA::default().with_device_id(number).with_tf32(false);
    let stream = cuda.stream().cu_stream().cast();
    // SAFETY: the stream lives as long as the context, which is never released (`Cuda::open`).
    unsafe { provider.with_compute_stream(stream) }.build()
}

/// A session by that provider alone; it is an error where that does not load.
fn on_gpu(
    library: &Library,
    bytes: &[u8],
    provider: ExecutionProviderDispatch,
) -> Result<Session, No> {
    let builder = builder(library).map_err(No::Provider)?;
    let with = builder.with_execution_providers([provider.error_on_failure()]);
    let mut with = with.map_err(|error| {
        let why = Foreign::told(error.to_string().replace('\n', " "));
        No::Provider(format!(
            "ONNX Runtime's CUDA provider does not load ({why}): install onnxruntime-gpu with CUDA and \
             cuDNN of its version, or set `device` of [detect] to \"cpu\""
        ))
    })?;
    with.commit_from_memory(bytes).map_err(|error| No::Network(one_line(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::detect::engine::onnx::library_for_tests;
    use crate::detect::engine::parity::bundle;
    use crate::media::UtcTime;

    /// The library for CPUs has no such provider: that is an error with what to do, and no session.
    #[test]
    fn a_provider_that_does_not_load_is_an_error_and_never_the_cpu() {
        let of = bundle("rimnet", "fp32");
        let Some((library, _)) = library_for_tests(&of) else { return };
        let wanted = CUDA::default().with_device_id(0).build();
        match on_gpu(&library, &of.file.bytes, wanted) {
            Err(No::Provider(why)) => {
                assert!(why.starts_with("ONNX Runtime's CUDA provider does not load ("), "{why}");
                assert!(why.contains("onnxruntime-gpu") && !why.contains('\n'), "{why}");
            }
            Err(No::Network(why)) => panic!("{why}"),
            Ok(_) => assert!(Gpu::default().cuda().is_ok(), "a session without a GPU"),
        }
    }

    #[test]
    fn it_is_wanted_unless_the_cpu_is_and_a_machine_without_a_gpu_says_so() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(UtcTime::from_nanos(0)));
        let gpu = Gpu::default();
        let settings = EngineSettings::default();
        let makes = MakesCuda::new(&settings, &gpu, ModelLimits::default(), &clock);
        let wanted = [
            (EngineWish::Auto, true),
            (EngineWish::TensorRt, true),
            (EngineWish::Cuda, true),
            (EngineWish::Cpu, false),
            (EngineWish::BuiltIn, false),
        ];
        wanted.into_iter().for_each(|(wish, is)| assert_eq!(makes.is_wanted(wish), is, "{wish:?}"));
        if gpu.cuda().is_err() {
            let error = makes.make(&bundle("rimnet", "fp32"), &|_| {}).err().expect("no GPU");
            assert!(matches!(error, EngineError::Absent { .. }), "{error}");
        }
    }
}
