//! Looks through the ring while nobody asks for what is in it, so that what rots is told before it is wanted.
//!
//! A little at a time, on the caller's thread: some entries of clips and, more rarely, one segment with all of its
//! bytes, pinned ones before others; then from the beginning again. What is damaged is told to the disk
//! ([`found_harmed`]) and stays where it is: `clips verify` names it too.

use crate::clips::files::look_whole;
use crate::clips::index::{SegmentEntry, SegmentNumber};
use crate::clips::shelf::Shelf;
use crate::disk::{found_harmed, is_harm};

/// How far it came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scrub {
    /// Number of the last clip.
    clip: u64,
    /// The last segment, behind whether it was one that may go.
    segment: (bool, SegmentNumber),
}

impl Scrub {
    /// Looks at the next entries of clips, at most `most`.
    pub fn entries(&mut self, shelf: &Shelf, most: usize) {
        let next: Vec<(u64, String)> = shelf.look(|index| {
            let after = index.clips_after(self.clip).take(most);
            after.map(|brief| (brief.number, brief.id.clone())).collect()
        });
        self.clip = if next.len() < most { 0 } else { next.last().map_or(0, |(n, _)| *n) };
        for (_, id) in next {
            drop(shelf.read(&id)); // it tells
        }
    }

    /// Looks at the next segment that is whole.
    pub fn segment(&mut self, shelf: &Shelf) {
        let Some((pinned, entry)) = self.next(shelf) else { return };
        self.segment = (!pinned, entry.id);
        let (disk, path) = (shelf.disk(), shelf.places().segment(&entry));
        let why = match look_whole(disk, &path, &entry) {
            Ok(None) => return,
            Ok(Some(why)) => why,
            Err(error) if is_harm(&error) => error.to_string(),
            // Evicted meanwhile; or no word of the file itself.
            Err(_) => return,
        };
        // It may have been written anew meanwhile, without what was deleted.
        let now = shelf.look(|index| index.segment(entry.id).map(|now| now.anew));
        if now == Some(entry.anew) {
            found_harmed(disk, &path, why);
        }
    }

    /// Behind the last one: the pinned ones first, then the others, then all of them again.
    fn next(&self, shelf: &Shelf) -> Option<(bool, SegmentEntry)> {
        shelf.look(|index| {
            let kept = index.kept();
            let place = |entry: &SegmentEntry| (!kept.contains(&entry.id), entry.id);
            let whole = || index.segments().filter(|entry| !entry.open);
            let behind = whole().filter(|entry| place(entry) > self.segment);
            let next = behind.min_by_key(|entry| place(entry));
            let next = next.or_else(|| whole().min_by_key(|entry| place(entry)))?;
            Some((kept.contains(&next.id), next.clone()))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clips::synthetic::{parameters, picture};
    use crate::clips::test_ring::{TestRing, settings};
    use crate::disk::ForgetfulDisk;
    use crate::media::SessionId;

    #[test]
    fn what_rots_in_a_ring_that_runs_is_found_before_anybody_asks_for_it() {
        let session = SessionId::from_bits(0xa7);
        let disk = ForgetfulDisk::new();
        let shared = Arc::new(disk.clone());
        let mut ring = TestRing::open(settings("/ring".into()), shared).expect("a ring");
        ring.opened(session);
        for n in 0..60 {
            let ms = i64::try_from(n).expect("small") * 100;
            let kind = parameters(u8::try_from(n / 20).expect("small"));
            ring.feed(picture(session, n, ms, n % 10 == 0, 20, &kind));
        }
        ring.closed(session);
        ring.request("c", session, (200, 900));
        let shelf = ring.ring.shelf();
        let places = ring.ring.desk().places.clone();
        let segments: Vec<_> = shelf.look(|index| index.segments().cloned().collect());
        assert!(segments.len() > 2, "{segments:?}");
        let mut scrub = Scrub::default();
        let mut looks = || {
            scrub.entries(&shelf, 10);
            for _ in 0..segments.len() {
                scrub.segment(&shelf);
            }
            disk.harms().into_iter().map(|harm| harm.path).collect::<Vec<_>>()
        };
        assert_eq!(looks(), Vec::<std::path::PathBuf>::new());
        let (entry, last) = (places.clip("c"), places.segment(&segments[2]));
        assert!(disk.rot(&entry, 20));
        assert_eq!(looks(), std::slice::from_ref(&entry));
        // Behind its head.
        let middle = usize::try_from(segments[2].bytes - 40).expect("small");
        assert!(disk.rot(&last, middle));
        assert_eq!(looks(), [entry, last]);
    }
}
