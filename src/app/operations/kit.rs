//! What operations work with.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::app::claiming::ClaimSays;
use crate::app::operations::secrets::Secrets;
use crate::app::settings::detect_settings;
use crate::app::web::WebState;
use crate::app::world::World;
use crate::clock::sleep;
use crate::config::Config;

/// What an operation has.
pub(super) type With = (Arc<Kit>, Arc<WebState>);

/// What operations work with.
pub(crate) struct Kit {
    pub(super) world: World,
    /// The configuration's file, where there is one.
    pub(super) file: Option<PathBuf>,
    /// What is in force, secrets hidden.
    pub(super) config: String,
    /// Where bundles are looked for.
    pub(super) models: Vec<PathBuf>,
    pub(super) secrets: Secrets,
    /// The box's claim, for another key.
    pub(super) claim: ClaimSays,
    runtime: tokio::runtime::Handle,
}

impl Kit {
    /// On a runtime.
    pub(crate) fn new(
        config: &Config,
        world: &World,
        file: Option<PathBuf>,
        claim: ClaimSays,
    ) -> Self {
        Self {
            world: world.clone(),
            file,
            config: config.to_toml(),
            models: detect_settings(config).search,
            secrets: Secrets::of(config),
            claim,
            runtime: tokio::runtime::Handle::current(),
        }
    }

    /// Waits for `done`, on the thread of an operation.
    pub(super) fn waits<T>(&self, done: impl Future<Output = T>) -> T {
        self.runtime.block_on(done)
    }

    /// Waits for `time` of the box's clock, on the thread of an operation.
    pub(super) fn pause(&self, time: Duration) {
        self.runtime.block_on(sleep(&*self.world.clock, time));
    }
}
