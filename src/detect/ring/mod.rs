//! The task `ring`: where the rings are in a whole picture, to aim a camera, to check a configured
//! rim, and to notice that a camera was moved.
//!
//! Read `manifest` (its table), `fitting` and `letterbox` (what the model is shown), `peaks` (what it
//! said), `bump` (what a row of looks means), then `court` (all of these at one court, a look a
//! second). `finder` looks at single pictures, for tools. `peak` is a ring in the
//! model's own pixels, `moved` a camera that has moved, as it is told.

pub(crate) mod manifest;
pub(crate) mod peak;
pub(crate) mod fitting;
pub(crate) mod letterbox;
pub(crate) mod peaks;
pub(crate) mod bump;
pub(crate) mod moved;
pub(crate) mod court;
pub(crate) mod finder;

pub use crate::detect::ring::finder::{Finder, FinderError, RIMFINDER};
pub use crate::detect::ring::manifest::{FoundOutput, RingDecision, RingTable};
pub use crate::detect::ring::moved::Moved;
pub use crate::detect::ring::peaks::Ring;
