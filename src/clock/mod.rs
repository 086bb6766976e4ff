//! Clocks, and the way from media time to UTC (DESIGN §5.2).
//!
//! `system` is the only caller of the real clocks; everything else is given a [`Clock`].

mod system;

use crate::media::{Monotonic, UtcTime};

pub use crate::clock::system::{ManualClock, SystemClock};

/// The two clocks of a box. A stage never asks the system itself (STYLE 2.5).
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Time since an origin of this boot; never steps.
    fn monotonic(&self) -> Monotonic;
    /// The box's idea of UTC; may step at any moment, may be 1970.
    fn utc(&self) -> UtcTime;
}
