//! A camera that has moved, as it is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::media::{CourtId, RimBox};

/// What is thought of every court's camera. Written by the finder's thread, read for the state; held
/// for a look-up.
pub(crate) type MovedCameras = Arc<Mutex<BTreeMap<CourtId, Moved>>>;

/// A camera that has moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moved {
    /// Index of the rim whose ring is elsewhere.
    pub rim: usize,
    /// Where its ring is now, pixels of the pictures that come.
    pub now: RimBox,
    /// Where it was drawn, in the same pixels.
    pub drawn: RimBox,
}

impl Moved {
    /// What is seen.
    #[must_use]
    pub fn text(&self) -> String {
        format!(
            "the camera has moved: the ring of rim {} is now at {}, it was drawn at {}",
            self.rim, self.now, self.drawn
        )
    }

    /// What to do, for a technician at `court`.
    #[must_use]
    pub fn todo(court: &CourtId) -> String {
        format!(
            "put the camera back, or run `courtside aim --court {court}` and paste what it prints; calls \
             cannot be relied on until then"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_camera_is_told_with_what_to_do() {
        let now = RimBox { x: 630.2, y: 199.7, w: 40.0, h: 16.0 };
        let drawn = RimBox { x: 600.0, ..now };
        let court = CourtId::new("north").expect("name");
        let text = Moved { rim: 0, now, drawn }.text();
        assert!(text.contains("now at [630, 200, 40, 16], it was drawn at [600, 200, 40, 16]"));
        assert!(Moved::todo(&court).contains("courtside aim --court north"));
    }
}
