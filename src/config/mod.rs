//! The one TOML file: text in, checked values out, or a refusal that says where and what to write.
//!
//! A file a section (`[ring]` is `ring.rs`; `[box]` is `appliance.rs`): the raw table as serde reads
//! it (unknown keys refused), its checked struct, and the way from one to the other, `check`. Past
//! [`load()`] nothing is checked again (STYLE 2.20), and a stage is passed its own struct.
//!
//! **Where a key gets its default:** in the section's file, in `check`, as a constant on top (`LISTEN` in
//! `http.rs`) or where it is filled in. What hangs on the machine stays `None` there, the field's doc
//! says how it is worked out, and where it is: `quota_bytes` in `app/settings`, `reserve_bytes` in
//! `clips/evict`. `courtside.example.toml` shows every key with its default, and a test holds that it
//! is the one in force.
//!
//! **How a key comes into force** when the box is running (at once, with its court built anew, at the next
//! start) is marked beside the key, as `x-applies` in the schema; `applies` reads the marks. `overlay` lays
//! what is wanted over MQTT over the file and checks the whole by the same code as the file, `plan` says
//! what that changes, `twin` what becomes of it, and what the box goes back to,
//! `source` keeps the file for all of that.
//!
//! `origin` has what a path in the file means and how secrets are read, `load` the way through all
//! sections, `fault` how a refusal looks, `example` the commented file that refusals take their
//! examples from, `show` what is in force, told back, `table` reads other files of the same form (the rules of
//! a game).

mod fault;
mod characters;
mod secret;
mod origin;
mod example;
mod appliance;
mod uplink;
mod claim;
mod ingest;
mod http;
mod ring;
mod relay;
mod update;
mod upload;
mod court;
mod detect;
mod game;
mod look;
mod health;
mod load;
mod show;
mod applies;
mod overlay;
mod plan;
mod site;
pub mod twin;
mod source;
mod table;

pub use crate::config::appliance::BoxConfig;
pub use crate::config::applies::{Key, keys};
pub use crate::config::claim::ClaimConfig;
pub use crate::config::court::CourtConfig;
pub use crate::config::detect::{Calibrate, DetectConfig, Device};
pub use crate::config::example::example;
pub use crate::config::fault::{ConfigError, Fault};
pub use crate::config::game::GameConfig;
pub use crate::config::health::HealthConfig;
pub use crate::config::http::{CONNECTIONS_PER_ADDRESS, HttpConfig};
pub use crate::config::ingest::{IngestConfig, TlsFiles};
pub use crate::config::load::parse;
pub use crate::config::look::LookConfig;
pub use crate::config::origin::Origin;
pub use crate::config::overlay::{Base, Overlay};
pub use crate::config::plan::plan;
pub use crate::config::relay::RelayConfig;
pub use crate::config::ring::RingConfig;
pub use crate::config::secret::Secret;
pub use crate::config::show::schema;
pub use crate::config::site::{Site, SiteCourt, SiteRims, names_floor, names_rims};
pub use crate::config::source::{Begun, ReadFile, Source, load};
pub use crate::config::table::{refused, table};
pub use crate::config::twin::DESIRED_MOST_BYTES;
pub use crate::config::update::UpdateConfig;
pub use crate::config::uplink::{Broker, UplinkConfig};
pub use crate::config::upload::UploadConfig;

use std::path::PathBuf;

/// The whole configuration, checked.
#[derive(Clone)]
pub struct Config {
    /// `[box]`.
    pub appliance: BoxConfig,
    /// `[uplink]`.
    pub uplink: UplinkConfig,
    /// `[claim]`.
    pub claim: ClaimConfig,
    /// `[ingest]`.
    pub ingest: IngestConfig,
    /// `[http]`.
    pub http: HttpConfig,
    /// `[ring]`.
    pub ring: RingConfig,
    /// `[upload]`.
    pub upload: UploadConfig,
    /// `[update]`.
    pub update: UpdateConfig,
    /// Each `[[court]]`, in the order of the file; at least one where a broker is written.
    pub courts: Vec<CourtConfig>,
    /// `[detect]`.
    pub detect: DetectConfig,
    /// `[game]`.
    pub game: GameConfig,
    /// `[look]`.
    pub look: LookConfig,
    /// `[health]`.
    pub health: HealthConfig,
    /// What loads but will disappoint, in words. For the log and `doctor`.
    pub advice: Vec<String>,
    /// Files that hold secrets: keys, passwords, and this one where a stream key stands in it. Who may
    /// read them is asked at the start and by `check`.
    pub secret_files: Vec<PathBuf>,
}
