//! The configuration, as each stage is given its part of it.
//!
//! A key gets its default in `config`, but `quota_bytes`, whose default hangs on the disk, here. Else
//! here stands only what several keys, or a key and a folder, mean together.

use std::path::PathBuf;

use crate::admission::Admission;
use crate::app::error::AppError;
use crate::broker::Access;
use crate::clips;
use crate::clock::{Clock, Floor};
use crate::config::Config;
use crate::detect;
use crate::http;
use crate::ingest;
use crate::media::CourtRims;
use crate::uplink;

/// Quota of the ring where none is configured: at most 200 GiB …
const USUAL_QUOTA: u64 = 200 << 30;
/// … and 80 % of what is free and what the ring has (`quota_bytes` in `config/ring`).
const USUAL_SHARE_PERCENT: u64 = 80;

/// The broker, as the configuration names it; none where it does not.
pub(crate) fn uplink_settings(
    config: &Config,
    floor: Floor,
    clock: &dyn Clock,
) -> uplink::UplinkSettings {
    let courts: std::collections::BTreeSet<_> =
        config.courts.iter().map(|court| &court.name).collect();
    uplink::UplinkSettings {
        box_name: config.appliance.name.clone(),
        access: Access::of(&config.uplink),
        dir: config.appliance.data_dir.join("outbox"),
        quota_bytes: uplink::DEFAULT_QUOTA_BYTES,
        boot: clock.boot(),
        time_floor: floor,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        courts: courts.into_iter().map(ToString::to_string).collect(),
    }
}

/// What the configuration gives the ring.
pub(crate) fn ring_settings(config: &Config) -> clips::RingSettings {
    let dir = config.appliance.data_dir.join("ring");
    let (quota, share_percent) = match config.ring.quota_bytes {
        Some(quota) => (quota, 100),
        None => (USUAL_QUOTA, USUAL_SHARE_PERCENT),
    };
    clips::RingSettings {
        share_percent,
        reserve_bytes: config.ring.reserve_bytes,
        keep_free_bytes: config.ring.keep_free_bytes,
        pin_days: config.ring.pin_days,
        ..clips::RingSettings::new(dir, quota)
    }
}

/// Which models are wanted, and where they are looked for (DESIGN §4.1).
pub(crate) fn detect_settings(config: &Config) -> detect::DetectSettings {
    let mut search = Vec::new();
    search.extend(config.detect.models_dir.clone());
    search.push(config.appliance.data_dir.join("models"));
    search.push(PathBuf::from(detect::SYSTEM_MODELS));
    detect::DetectSettings {
        bundles: config.detect.bundles.clone(),
        finder: config.detect.finder,
        search,
        device: config.detect.device.to_string(),
        kept: None,
        parcels: None,
        least_queue_frames: 0,
    }
}

/// What a model may want.
pub(crate) const fn model_limits(config: &Config) -> detect::ModelLimits {
    detect::ModelLimits {
        memory_bytes: config.detect.model_memory_bytes,
        multiply_adds: config.detect.model_multiply_adds,
    }
}

/// Which engines a box takes.
pub(crate) fn engine_settings(config: &Config) -> detect::EngineSettings {
    detect::EngineSettings {
        wish: detect::EngineWish::of(&config.detect.device.to_string()),
        onnxruntime: config.detect.onnxruntime.clone(),
        tensorrt: config.detect.tensorrt.clone(),
        dla: config.detect.dla,
    }
}

/// The rims of every court, as they are configured.
pub(crate) fn court_rims(config: &Config) -> Vec<CourtRims> {
    config
        .courts
        .iter()
        .map(|court| CourtRims {
            court: court.name.clone(),
            rims: court.rims.clone(),
            rims_of: court.rims_of.map(|[width, height]| (width, height)),
        })
        .collect()
}

/// What publishers' pictures may take, of `memory_limit` bytes of the process.
const fn box_memory(config: &Config, memory_limit: Option<u64>) -> ingest::BoxMemory {
    ingest::BoxMemory { limit: memory_limit, court: config.ingest.picture_memory_bytes }
}

/// What to tell of memory that is too small for the courts that are configured.
pub(crate) fn memory_advice(config: &Config, memory_limit: Option<u64>) -> Option<String> {
    box_memory(config, memory_limit).advice(config.courts.len())
}

/// What ingest listens on. Courts come when they are built.
pub(crate) fn ingest_settings(
    config: &Config,
    admission: Admission,
    (memory_limit, recording): (Option<u64>, bool),
) -> Result<ingest::IngestSettings, AppError> {
    let rtmps = match (config.ingest.rtmps, &config.ingest.tls) {
        (Some(address), Some(files)) => Some((address, http::server_config(files, &[])?)),
        _ => None,
    };
    let memory = box_memory(config, memory_limit);
    let budget = ingest::Budget { memory, ..ingest::Budget::default() };
    let rtmp = config.ingest.rtmp;
    Ok(ingest::IngestSettings { rtmp, rtmps, courts: Vec::new(), admission, budget, recording })
}
