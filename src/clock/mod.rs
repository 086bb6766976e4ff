//! Clocks, chance, and the way from media time to UTC (DESIGN §5.2).
//!
//! Everything that a stage's decisions hang on and that differs from run to run comes from here,
//! from `disk` or from the devices. Exceptions: secrets (tokens, stream keys) are the system's
//! randomness itself; `http`, the page's event stream and `tools` hold connections to the runtime's
//! time, a wait of a thread for its hop may end by it, and the decoder's own threads keep theirs.
//! `system` is the only caller of the real clocks; everything else is given a [`Clock`], and waits
//! for box time by it (`time`), so that a box on a [`ManualClock`] does nothing until the clock is
//! moved. Read `anchor` (one session, pure), `anchors` (all of them, shared), `plausible` (what a
//! box in 1970 still knows), `turns` (whose thread comes first).
//!
//! Nothing orders by UTC: it may step at any moment. A record keeps session, media time and an
//! [`AnchorSnapshot`] (boot and monotonic time); its UTC is worked out whenever it is sent.

mod time;
mod system;
mod manual;
mod chance;
mod anchor;
mod anchors;
mod plausible;
mod turns;

pub use crate::clock::anchor::Stamp;
pub use crate::clock::anchors::{AnchorSnapshot, Anchors};
pub use crate::clock::chance::Chance;
pub use crate::clock::manual::ManualClock;
pub use crate::clock::plausible::{Floor, kept_by_network, tls_time};
pub use crate::clock::system::SystemClock;
pub use crate::clock::time::{Clock, Reached, Ticks, Wake, sleep, within};
pub use crate::clock::turns::{Turn, Waits, as_usual, come_before_all, come_first, stand_back};
