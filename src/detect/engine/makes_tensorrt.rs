//! Makes engines of TensorRT: a plan is built for one look and for [`BATCH`], kept on disk (`plans`), and
//! taken again only for the same network, library, driver and GPU; one that the library refuses all the same
//! is built anew. Runs are recorded as one CUDA graph.

use std::sync::Arc;

use tracing::{debug, info, warn};

use crate::clock::Clock;
use crate::detect::bundle::Bundle;
use crate::detect::engine::arithmetic::Runs;
use crate::detect::engine::batch::{batched, encoded};
use crate::detect::engine::contract::{Engine, EngineError, EngineFound};
use crate::detect::engine::graph::sums::Limits;
use crate::detect::engine::making::Maker;
use crate::detect::engine::native::{TensorFound, agree, file_for};
use crate::detect::engine::on_gpu::{BATCH, OnDevice, OnGpu, Parts, Sized};
use crate::detect::engine::plans::PlanKey;
use crate::detect::engine::signature::Signature;
use crate::detect::engine::tensorrt::{Bound, Library, Order, Places};
use crate::detect::settings::{EngineSettings, EngineWish, Kept, ModelLimits};
use crate::device::{Gpu, Span};
use crate::disk;

/// The word in events, metrics and `state/models`.
const NAME: &str = "tensorrt";
/// Bytes of the longest plan that is read back.
pub(crate) const MOST_KEPT: u64 = 1 << 30;

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

    pub(crate) fn engine(
        &self,
        bundle: &Bundle,
        told: &dyn Fn(String),
    ) -> Result<OnGpu, EngineError> {
        let absent = |problem: String| EngineError::Absent { problem };
        let cuda = self.gpu.cuda().map_err(|no| absent(no.to_string()))?;
        let library = Library::open(&self.places).map_err(absent)?;
        library.has_gpu().map_err(absent)?;
        may_use(self.dla, library.flavor()).map_err(absent)?;
        let (flavor, version, capability) =
            (library.flavor(), library.version(), cuda.capability());
        let runs = Runs::TensorRt { flavor, version, capability };
        let (run, bundle) = file_for(NAME, runs, bundle)?;
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
        let (mut sizes, mut ports) = (Vec::new(), None);
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
                flavor,
                version,
                driver: cuda.driver(),
                capability,
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
            ports.get_or_insert_with(|| ports_of(&network));
            sizes.push(Sized { batch, network: Box::new(network) });
        }
        let (inputs, outputs) = ports.unwrap_or_default();
        agree(file, &signature, &inputs, &outputs)?;
        let (clock, path, precision) =
            (Arc::clone(&self.clock), run.path.clone(), run.precision.clone());
        let parts = Parts { name: NAME, file: run, cuda: &cuda, bundle: &bundle, sizes, clock };
        let engine = OnGpu::new(parts).map_err(unsupported)?;
        let about = library.version_text();
        info!(model = %bundle.name, file = path, precision, about, gpu = cuda.name(), "a network is on the GPU");
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

/// Inputs and outputs of a network.
fn ports_of(network: &Bound) -> (Vec<TensorFound>, Vec<TensorFound>) {
    let side = |inputs: bool| {
        let ports = network.ports().filter(|port| port.is_input == inputs);
        let found = ports.map(|port| TensorFound {
            name: port.name.clone(),
            shape: port.shape.clone(),
            other_type: port.other_type.clone(),
        });
        found.collect()
    };
    (side(true), side(false))
}

impl OnDevice for Bound {
    fn span(&self, name: &str) -> Result<Span<'_>, String> {
        Self::span(self, name)
    }

    fn run(&mut self) -> Result<(), String> {
        Self::run(self)
    }
}

/// TensorRT-RTX has no way to name a DLA, and would be told so layer by layer.
pub(crate) fn may_use(dla: Option<u32>, flavor: &str) -> Result<(), String> {
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
