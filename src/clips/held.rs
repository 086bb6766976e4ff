//! A clip that somebody reads for long keeps its bytes, whatever becomes of its pin meanwhile.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::clips::clip::Clip;
use crate::clips::desk::Desk;
use crate::clips::index::Hold;
use crate::clips::timeline::Ticks;
use crate::media::{CourtId, MediaTime};

/// Keeps a clip's segments from being evicted until it is dropped. A deletion that somebody asked for takes them
/// all the same.
pub struct HeldClip {
    desk: Option<Arc<Desk>>,
    key: String,
}

impl std::fmt::Debug for HeldClip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldClip").field("key", &self.key).finish_non_exhaustive()
    }
}

impl HeldClip {
    /// Holds a clip. Without a desk nothing is evicted, so nothing is held.
    pub(crate) fn of(desk: Option<Arc<Desk>>, clip: &Clip) -> Self {
        let nth = desk.as_ref().map_or(0, |desk| desk.held.fetch_add(1, Ordering::Relaxed));
        // No name of a clip has a blank in it, so no order of a clip is held under such a key.
        let key = format!("held {nth}");
        if let (Some(desk), Some(media), Ok(court)) =
            (&desk, &clip.media, CourtId::new(&clip.court))
        {
            let time = |ns| Ticks::of(MediaTime::from_nanos(ns));
            let (from, to) = (time(media.start_ns), time(media.end_ns));
            let hold =
                Hold { court, session: clip.session.clone(), from, to: to.max(from), game: None };
            desk.state.lock().index.hold(&key, hold);
        }
        Self { desk, key }
    }
}

impl Drop for HeldClip {
    fn drop(&mut self) {
        if let Some(desk) = &self.desk {
            desk.state.lock().index.release(&self.key);
        }
    }
}
