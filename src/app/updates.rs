//! What an update is given of the box: whether a game runs, whether the broker is reached, and a clip that goes through
//! it.

use std::sync::{Arc, Weak};

use crate::app::proof::clip_goes_through;
use crate::app::uploads::game_runs;
use crate::app::web::WebState;
use crate::app::world::World;
use crate::config::Config;
use crate::detect::DetectSettings;
use crate::media::Foreign;
use crate::update::{Desk, DeskParts, Venue};

/// The daemon's folder, below the data folder.
pub(super) const FOLDER: &str = "update";

/// What takes orders.
pub(super) fn updates(
    config: &Config,
    world: &World,
    settings: DetectSettings,
    web: &Arc<WebState>,
) -> Arc<Desk> {
    let venue = AtVenue { world: world.clone(), settings, web: Arc::downgrade(web) };
    Desk::new(DeskParts {
        disk: Arc::clone(&world.disk),
        clock: Arc::clone(&world.clock),
        chance: world.chance.clone(),
        dir: config.appliance.data_dir.join(FOLDER),
        folder: config.update.folder.clone(),
        keys_file: config.update.keys_file.clone(),
        ca_file: config.update.ca_file.clone(),
        venue: Arc::new(venue),
    })
}

struct AtVenue {
    world: World,
    settings: DetectSettings,
    /// Not held: the thread of updates must not keep a box that ends.
    web: Weak<WebState>,
}

impl Venue for AtVenue {
    fn game(&self) -> Option<Foreign> {
        game_runs(&*self.web.upgrade()?)
    }

    fn broker(&self) -> bool {
        self.web.upgrade().is_some_and(|web| {
            let uplink = web.uplink.status();
            uplink.connected && uplink.acknowledged_in == uplink.session
        })
    }

    fn outbox(&self) -> bool {
        // It is open, or the box would not have been built; whether it writes is said here.
        self.web.upgrade().is_some_and(|web| web.uplink.status().disk_fault.is_none())
    }

    fn clip(&self) -> Result<(), String> {
        clip_goes_through(&self.world, &self.settings)
    }
}
