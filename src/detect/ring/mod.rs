//! Where the rings are in a whole picture: to aim a camera, to check a configured rim, and to
//! notice that a camera was moved.
//!
//! Read `manifest` (the bundle), `letterbox` (what the model is shown), `peaks` (what it said),
//! `finder` (all of these: a picture in, its rings out), `bump` (what a row of looks means), then
//! `lookout` (the thread that looks once a second). The finder only tells: no call ever depends on
//! it.

mod manifest;
mod letterbox;
mod peaks;
mod finder;
mod bump;
mod lookout;

pub use crate::detect::ring::bump::{Bump, Change};
pub use crate::detect::ring::finder::{Finder, FinderError, RIMFINDER, Ring};
pub use crate::detect::ring::letterbox::Letterbox;
pub use crate::detect::ring::lookout::{Lookout, Moved};
pub use crate::detect::ring::manifest::{FoundOutput, FrameInput, RingBundle, RingDecision};
pub use crate::detect::ring::peaks::{Peak, peaks};
