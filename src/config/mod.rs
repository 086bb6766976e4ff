//! The one TOML file: text in, checked values out, or a refusal that says where and what to write.
//!
//! A file a section: the raw table as serde reads it (unknown keys refused), its checked struct,
//! and the way from one to the other. Past [`load()`] nothing is checked again (STYLE 2.20), and a
//! stage is passed its own struct. `courtside.example.toml` shows each key with its default; it is
//! the text behind `courtside config example`, and where refusals take their examples from.

mod fault;
mod secret;
mod appliance;
mod uplink;
mod ingest;
mod http;
mod ring;
mod court;
mod detect;
mod health;
mod load;
mod show;

pub use crate::config::appliance::BoxConfig;
pub use crate::config::court::CourtConfig;
pub use crate::config::detect::{Calibrate, DetectConfig, Device};
pub use crate::config::fault::{ConfigError, Fault};
pub use crate::config::health::HealthConfig;
pub use crate::config::http::HttpConfig;
pub use crate::config::ingest::{IngestConfig, TlsFiles};
pub use crate::config::load::{Origin, load, parse};
pub use crate::config::ring::RingConfig;
pub use crate::config::secret::Secret;
pub use crate::config::show::{example, schema};
pub use crate::config::uplink::{Broker, UplinkConfig};

/// The whole configuration, checked.
#[derive(Clone)]
pub struct Config {
    /// `[box]`.
    pub appliance: BoxConfig,
    /// `[uplink]`.
    pub uplink: UplinkConfig,
    /// `[ingest]`.
    pub ingest: IngestConfig,
    /// `[http]`.
    pub http: HttpConfig,
    /// `[ring]`.
    pub ring: RingConfig,
    /// Each `[[court]]`, in the order of the file; at least one.
    pub courts: Vec<CourtConfig>,
    /// `[detect]`.
    pub detect: DetectConfig,
    /// `[health]`.
    pub health: HealthConfig,
    /// What loads but will disappoint, in words. For the log and `doctor`.
    pub advice: Vec<String>,
}
