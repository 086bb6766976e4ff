//! When a recording was made, in UTC: for who asks by the wall's time, and for players.
//!
//! A session that ingest still knows is told by its anchor (DESIGN §5.2), as well as its events are. One of
//! before a restart is told by the segment that it lies in, whose head has the box's clock of when its first
//! fragment was whole.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

use crate::clips::boxes::{MAX_HEAD, SegmentHeader, read_head};
use crate::clips::clip::{Clip, Media};
use crate::clips::files::read_part;
use crate::clips::index::{SegmentEntry, SegmentNumber};
use crate::clips::shelf::Shelf;
use crate::clips::timeline::Ticks;
use crate::clock::{Anchors, Stamp};
use crate::disk::OpenHow;
use crate::media::{CourtId, MediaTime, SessionId, UtcTime, WallSource};

/// A segment is begun when its first fragment is whole: half a second of pictures.
const FIRST_FRAGMENT_NS: i64 = 500_000_000;
/// Bound of the error of a time that is told by a segment's head: that fragment, a clock that is set by
/// NTP, and a camera whose delay nobody knows (as `clock/anchor` has them).
const BY_HEAD_MS: u64 = 1_550;
/// No box was made before this (2025-01-01): an earlier clock was not set.
const PLAUSIBLE: UtcTime = UtcTime::from_nanos(1_735_689_600_000_000_000);
/// Heads that are remembered.
const REMEMBERED: usize = 4096;

/// An interval in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ToldTime {
    /// RFC 3339.
    pub(crate) start: String,
    pub(crate) end: String,
    /// The word of `clocksource`.
    pub(crate) source: &'static str,
    /// Bound of the error, ms.
    pub(crate) error_ms: u64,
    #[serde(skip)]
    pub(crate) at: (UtcTime, UtcTime),
}

/// Tells the time of what is recorded. Clones share what they remember.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    wall: Option<Anchors>,
    // Held for lines, never across a read.
    heads: Arc<Mutex<std::collections::BTreeMap<SegmentNumber, Begun>>>,
}

/// What the head of a segment says of its time.
#[derive(Clone, Copy, Debug)]
struct Begun {
    at: UtcTime,
    origin: Ticks,
}

impl Begun {
    fn of(header: &SegmentHeader) -> Self {
        Self { at: header.begun, origin: header.video_origin }
    }

    fn tells(self, media: MediaTime) -> Option<Stamp> {
        if self.at < PLAUSIBLE {
            return None;
        }
        let first = self.origin.media().plus_nanos(FIRST_FRAGMENT_NS);
        let utc = self.at.plus_nanos(media.nanos_since(first));
        Some(Stamp { utc, source: Some(WallSource::Arrival), error_ms: BY_HEAD_MS })
    }
}

impl Times {
    pub(crate) fn new(wall: Option<Anchors>) -> Self {
        Self { wall, heads: Arc::default() }
    }

    /// The time of `media`, which lies in `entry`. Reads a file on the caller's thread, once. `None` where
    /// the box's clock was not set and nothing else tells.
    pub(crate) fn of(
        &self,
        shelf: &Shelf,
        entry: &SegmentEntry,
        media: MediaTime,
    ) -> Option<Stamp> {
        let session = SessionId::parse(&entry.session)?;
        if let Some(stamp) = self.by_anchor(&entry.court, session, media) {
            return Some(stamp);
        }
        self.begun(shelf, entry)?.tells(media)
    }

    fn by_anchor(&self, court: &CourtId, session: SessionId, media: MediaTime) -> Option<Stamp> {
        let stamp = self.wall.as_ref()?.stamp(court, session, media, None);
        stamp.source.is_some().then_some(stamp)
    }

    fn begun(&self, shelf: &Shelf, entry: &SegmentEntry) -> Option<Begun> {
        if let Some(begun) = self.heads.lock().get(&entry.id) {
            return Some(*begun);
        }
        let begun = read_begun(shelf, entry).ok().flatten()?;
        let mut heads = self.heads.lock();
        heads.insert(entry.id, begun);
        if heads.len() > REMEMBERED {
            heads.pop_first(); // the oldest is evicted first
        }
        Some(begun)
    }

    /// The time of a clip.
    pub(crate) fn of_clip(&self, shelf: &Shelf, clip: &Clip) -> Option<ToldTime> {
        let media = clip.media.as_ref();
        let (from, to) = media.map_or((clip.from_ns, clip.to_ns), Media::shown_ns);
        let (from, to) = (MediaTime::from_nanos(from), MediaTime::from_nanos(to));
        let first = media.and_then(|media| media.parts.first());
        let entry = first.and_then(|part| shelf.look(|index| index.segment(part.segment).cloned()));
        let start = match entry {
            Some(entry) => self.of(shelf, &entry, from)?,
            None => {
                let court = CourtId::new(&clip.court).ok()?;
                self.by_anchor(&court, SessionId::parse(&clip.session)?, from)?
            }
        };
        Some(told(start, to.nanos_since(from)))
    }
}

/// An interval that begins at `start`.
pub(crate) fn told(start: Stamp, lasts_ns: i64) -> ToldTime {
    let end = start.utc.plus_nanos(lasts_ns);
    ToldTime {
        start: start.utc.to_rfc3339(),
        end: end.to_rfc3339(),
        source: start.source_name(),
        error_ms: start.error_ms,
        at: (start.utc, end),
    }
}

fn read_begun(shelf: &Shelf, entry: &SegmentEntry) -> io::Result<Option<Begun>> {
    let file = shelf.disk().open(&shelf.places().segment(entry), OpenHow::Read)?;
    let len = entry.bytes.min(file.len()?).min(MAX_HEAD);
    let first = read_part(&*file, 0, usize::try_from(len).unwrap_or(usize::MAX))?;
    Ok(read_head(&first).map(|head| Begun::of(&head.header)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_not_set_tells_nothing() {
        let now = UtcTime::from_nanos(1_800_000_000_000_000_000);
        let begun = Begun { at: now, origin: Ticks::from_millis(60_000) };
        let stamp = begun.tells(MediaTime::from_millis(61_500)).expect("set");
        assert_eq!(stamp.utc, now.plus_nanos(1_000_000_000));
        assert_eq!((stamp.source_name(), stamp.error_ms), ("arrival", BY_HEAD_MS));
        let unset = Begun { at: UtcTime::from_nanos(60_000_000_000), ..begun };
        assert_eq!(unset.tells(MediaTime::ZERO), None);
    }
}
