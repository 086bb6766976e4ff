//! Models: bundles from disk or binary, an engine each, answers about every rim of every frame.
//!
//! In: frames, one [`FrameMailbox`](crate::mailbox::FrameMailbox) a model. Out:
//! [`RimAnswer`](crate::answer::RimAnswer)s to an [`AnswerSink`], and what the finder thinks of the
//! cameras ([`Detect::moved`]). One thread a model, whatever its task; the first bundle that loads is
//! live, those behind it are shadows: run, measured, never published. What lies on disk is loaded when
//! the box already works. A model that cannot be used
//! stands in [`Detect::status`] with its reason; everything else goes on.
//!
//! | where is … | in |
//! | --- | --- |
//! | what a model's folder must say | `bundle` (`manifest`: the format) |
//! | a crop cut, a picture fitted in | the engine, where it computes: `engine/cutting` on the CPU, `kernel` on a GPU, both with `rim/crop`, `ring/letterbox` and their filter `resample` |
//! | what every engine must do | `engine/contract` |
//! | which engine runs a network, and what happens when one fails | `engine/ladder`, `engine/fallover` |
//! | what happens when a model fails or **panics** | at load `engine/builtin`, in its trial `engine/trial`: the bundle is refused; at work `worker`, around each item: put out with the reason. All else goes on |
//! | what a model remembers, and when it starts anew | `continuity` (states themselves: the engine) |
//! | what tensors mean | the task: `rim` (made or missed), `ring` (where rings are, was a camera moved) |
//! | a new task | a folder beside `rim`, and the arms that the compiler asks for in `bundle` and `tasks` |
//! | a bundle as one signed file, and why it is refused | `parcel` |
//! | how it comes over the network, and what is kept | `delivery` |
//! | which models run, and from when on | `roster`; one of them `loaded` |
//! | another one decides while the stream runs | `swap` (who, pure), `lanes` (whose answer counts, pure), `podium` (both), `roster/swapping`, `routes` |
//!
//! Read `bundle`, `engine/contract`, `task`, `rim`, `ring`, `tasks`, `court_work` (one court, as one
//! model sees it), `worker`, then `roster`. `offline` is a worker without its thread, for tools;
//! `embedded` the bundles in the binary, `progress` how a model is doing, `sink` where answers go.

mod bundle;
pub mod parcel;
pub mod delivery;
mod embedded;
mod resample;
mod engine;
#[cfg(feature = "cuda")]
mod kernel;
mod task;
mod sink;
mod rim;
pub mod ring;
mod swap;
mod lanes;
mod podium;
mod tasks;
mod continuity;
mod progress;
mod court_work;
mod worker;
mod settings;
mod loaded;
mod stand_in;
mod roster;
mod routes;
mod offline;

pub use crate::detect::bundle::{
    Bundle, BundleError, Channel, CropInput, Embedded, FileEntry, FrameInput, HandedOver,
    MANIFEST_FORMAT, ManifestPlace, ModelFile, OutputTensor, PictureInput, Provenance,
    SYSTEM_MODELS, StateTensor, Task, TaskTable, Tensors, find, find_as,
};
pub use crate::detect::embedded::IN_THE_BINARY;
pub use crate::detect::engine::trial::{try_bundle, try_on};
pub use crate::detect::engine::{
    BesideEach, Engine, EngineError, EngineFound, EngineNews, Engines, FileRun, InstalledEngines,
    Look, Maker, Placement, Said, SlotState, View, engines_found,
};
#[cfg(feature = "cuda")]
pub use crate::detect::kernel::{Cutter, States};
pub(crate) use crate::detect::loaded::find as find_wanted;
pub use crate::detect::offline::Offline;
pub use crate::detect::progress::{ModelMeters, RunBy};
pub use crate::detect::rim::crop::{Crop, NoBox};
pub use crate::detect::rim::manifest::{BallTable, RimSays, RimTable};
pub use crate::detect::roster::swapping::SwapRefused;
pub use crate::detect::roster::{Detect, Joined, ModelFeedParts};
pub use crate::detect::routes::{Changed, ChangesModels, routes};
pub use crate::detect::settings::{DetectSettings, EngineSettings, EngineWish, ModelLimits};
pub use crate::detect::sink::AnswerSink;
pub(crate) use crate::detect::stand_in::STAND_IN;
pub use crate::detect::task::AnswerError;
