//! The thread that keeps what is seen round each ring: pictures in, crops out, into memory.
//!
//! It stands back from all others: what it misses is a picture less on a sheet, and no call depends on it.

use std::collections::BTreeMap;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::stand_back;
use crate::look::crops::Crop;
use crate::look::desk::Look;
use crate::mailbox::{FrameItem, Take};
use crate::media::{CourtId, CourtRims, Frame};

/// A bound for waits on a hop that is closed at the end anyway.
const WAIT: Duration = Duration::from_secs(1);

/// Starts it; it ends with its hop.
///
/// # Errors
/// The system has no thread left.
pub fn start(look: Look) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("look".to_owned()).spawn(move || {
        stand_back();
        let mut courts = BTreeMap::new();
        loop {
            match look.frames().take(WAIT) {
                Take::Item(item) => took(&look, &mut courts, item),
                Take::TimedOut => {}
                Take::Closed => return,
            }
        }
    })
}

fn took(look: &Look, courts: &mut BTreeMap<CourtId, CourtRims>, item: FrameItem) {
    match item {
        FrameItem::CourtOpened(rims) => {
            courts.insert(rims.court.clone(), rims);
        }
        FrameItem::CourtClosed(court) => {
            courts.remove(&court);
            look.forget(&court);
        }
        // The game's last words of it may still be asked about; the next session begins with nothing.
        FrameItem::SessionClosed { .. } => {}
        FrameItem::Frame(frame) => {
            let Some(rims) = courts.get_mut(&frame.court) else { return };
            let of_rims = crops(rims, &frame);
            look.cropped(&frame.court, frame.session, of_rims);
        }
    }
}

/// What is round each rim; nothing of one that cannot be seen.
fn crops(rims: &mut CourtRims, frame: &Frame) -> Vec<Option<Crop>> {
    let size = (frame.width, frame.height);
    // As the model that decides: rims of no size are drawn on the first picture.
    rims.rims_of.get_or_insert(size);
    let (Ok(placed), Ok(picture)) = (rims.in_picture(size), frame.to_cpu()) else {
        return rims.rims.iter().map(|_| None).collect();
    };
    placed.iter().map(|rim| Crop::cut(picture, size, rim, frame.pts)).collect()
}
