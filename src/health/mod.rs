//! What the box says of itself: metrics, watchdog, log, and what is wrong with it.
//!
//! Reads what other stages count and never changes what they do. `metrics` has every name, help
//! and unit; `watchdog` decides from the ledger alone whether the daemon still gets on (pure);
//! `log` chooses journal or lines, `harmless` lets no text from outside forge one; `notify` speaks to systemd; `advice` says
//! what costs the venue latency or accuracy (pure); `claimed` how far a claim is (pure); `doctor` says what is wrong,
//! `host` what of the machine is, each as a `finding` (pure); `service` which courts are in service, by checks and by word
//! (pure); `steps` whether the clock is moved (pure), `syncs` what the disk takes; `routes` is what monitors ask, and `exposition` in which of the two text formats they are answered.

mod metrics;
mod watchdog;
mod log;
mod tail;
mod harmless;
mod notify;
mod advice;
mod claimed;
mod updated;
mod looked;
mod finding;
mod host;
mod steps;
mod syncs;
mod exposition;
mod routes;
pub mod doctor;
pub mod service;

pub use crate::health::advice::{Measured, TINY_RING_PX, advise, outside};
pub use crate::health::host::{of_damage, of_ended, of_folder};
pub use crate::health::log::{LogError, set_log, start_log};
pub use crate::health::metrics::{
    CourtLabel, DecoderReading, DoorReading, HopLabel, Metrics, ModelLabel, ModelReading, Reading,
    RelayReading, RimReading,
};
pub use crate::health::notify::Notifier;
pub use crate::health::routes::{Probed, routes};
pub use crate::health::steps::Steps;
pub use crate::health::syncs::{Syncs, TimedDisk};
pub use crate::health::tail::log_tail;
pub use crate::health::watchdog::{Progress, Stuck};
