//! Clocks, and the way from media time to UTC (DESIGN §5.2).
//!
//! `system` is the only caller of the real clocks; everything else is given a [`Clock`]. Read
//! `anchor` (one session, pure), `anchors` (all of them, shared), `plausible` (what a box in 1970
//! still knows).
//!
//! Nothing orders by UTC: it may step at any moment. A record keeps session, media time and an
//! [`AnchorSnapshot`] (boot and monotonic time); its UTC is worked out whenever it is sent.

mod system;
mod anchor;
mod anchors;
mod plausible;

use crate::media::{Monotonic, UtcTime};

pub use crate::clock::anchor::Stamp;
pub use crate::clock::anchors::{AnchorSnapshot, Anchors};
pub use crate::clock::plausible::{Floor, tls_time};
pub use crate::clock::system::{ManualClock, SystemClock, boot_id};

/// The two clocks of a box. A stage never asks the system itself (STYLE 2.5).
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Time since an origin of this boot; never steps.
    fn monotonic(&self) -> Monotonic;
    /// The box's idea of UTC; may step at any moment, may be 1970.
    fn utc(&self) -> UtcTime;
}
