//! What uploads are given of the box: the ring's clips, and who else uses the uplink.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::app::web::WebState;
use crate::app::world::World;
use crate::clips::{ClipBytes, HeldClip, Shelf, ShelfError};
use crate::config::Config;
use crate::media::Foreign;
use crate::page::Source as _;
use crate::upload::{
    Before, ClipFacts, Footage, GuestTerms, Kept, NoFootage, Reads, UploadParts, UploadSettings,
    Uploads, Venue,
};

/// Its folder, below the data folder.
pub(super) const FOLDER: &str = "uploads";

/// What runs them.
pub(super) fn uploads(
    config: &Config,
    world: &World,
    shelf: Shelf,
    web: &Arc<WebState>,
) -> Arc<Uploads> {
    let settings = UploadSettings {
        dir: config.appliance.data_dir.join(FOLDER),
        guest: GuestTerms { share: config.upload.share, most: config.upload.max_bits_per_second },
        during_games: config.upload.during_games,
        plain: config.upload.plain,
        ca_file: config.upload.ca_file.clone(),
    };
    Uploads::new(UploadParts {
        settings,
        disk: Arc::clone(&world.disk),
        clock: Arc::clone(&world.clock),
        chance: world.chance.clone(),
        footage: Arc::new(FromRing(shelf)),
        venue: Arc::new(AtVenue(Arc::clone(web))),
        wait: Duration::from_secs(1),
    })
}

struct FromRing(Shelf);

/// Why the ring gives nothing, for a command.
pub(super) fn refused(error: &ShelfError) -> NoFootage {
    let code = match error {
        ShelfError::NoSuchClip => "no_such_clip",
        ShelfError::StillRecorded => "still_recorded",
        ShelfError::NoBytes { .. } => "no_bytes",
        ShelfError::Gone | ShelfError::Lost { .. } => "gone",
        ShelfError::OtherBytes { .. } => "other_bytes",
        ShelfError::NotRecorded { .. } => "not_recorded",
        ShelfError::Taken { .. } => "taken",
        ShelfError::Making { .. } => "making",
        ShelfError::Reserve { .. } => "reserve",
        ShelfError::Busy => "busy",
        ShelfError::OnlyRead => "only_read",
        ShelfError::Damaged { .. } | ShelfError::Harmed { .. } => "damaged",
        ShelfError::Newer { .. } => "newer",
        ShelfError::Disk(_) => "disk",
    };
    let again =
        matches!(error, ShelfError::StillRecorded | ShelfError::Making { .. } | ShelfError::Busy);
    NoFootage { code, reason: Foreign::error(error), again }
}

impl Footage for FromRing {
    fn facts(&self, clip: &str) -> Result<ClipFacts, NoFootage> {
        let clip = self.0.read(clip).map_err(|error| refused(&error))?;
        let Some(media) = clip.media else {
            let why = clip.note.unwrap_or_default();
            return Err(refused(&ShelfError::NoBytes { why }));
        };
        Ok(ClipFacts { bytes: media.bytes, sha256: media.sha256 })
    }

    fn keep(&self, clip: &str) -> Result<Box<dyn Kept>, NoFootage> {
        let clip = self.0.read(clip).map_err(|error| refused(&error))?;
        Ok(Box::new(Holding(self.0.hold(&clip))))
    }

    fn open(&self, clip: &str) -> Result<Arc<dyn Reads>, NoFootage> {
        let opened = self.0.read(clip).and_then(|clip| self.0.open(&clip));
        Ok(Arc::new(Open(opened.map_err(|error| refused(&error))?)))
    }
}

struct Holding(#[expect(dead_code, reason = "held until it is dropped")] HeldClip);

impl Kept for Holding {}

struct Open(ClipBytes);

impl Reads for Open {
    fn read(&self, from: u64, to: u64, sink: &mut dyn FnMut(Vec<u8>) -> bool) -> io::Result<()> {
        self.0.read(from, to, sink)
    }
}

/// Where a game runs: until games are kept, a court whose camera publishes and on which shots are called is one that is
/// played.
pub(super) fn game_runs(web: &WebState) -> Option<Foreign> {
    let status = web.status();
    let streams = status.iter().flat_map(|status| &status.streams);
    let played = streams.filter(|(_, told)| !told.rims.is_empty() && told.stream.fault.is_none());
    let mut played =
        played.filter(|(court, _)| status.as_ref().is_some_and(|status| status.is_live(court)));
    played.next().map(|(court, _)| Foreign::name(court))
}

struct AtVenue(Arc<WebState>);

impl Venue for AtVenue {
    fn before(&self) -> Option<Before> {
        if let Some(court) = game_runs(&self.0) {
            return Some(Before::Game(court));
        }
        let uplink = self.0.uplink.status();
        let goes_out = uplink.connected && uplink.acknowledged_in == uplink.session;
        (goes_out && uplink.state.outbox_events > uplink.state.parked).then_some(Before::Events)
    }
}
