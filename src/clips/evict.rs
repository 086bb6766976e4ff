//! What may go, and when the ring must stop (pure): DESIGN R4, R5, R6, R9.

use std::collections::BTreeSet;

use crate::clips::index::{Index, SegmentNumber};

/// Room that must be there beyond `keep_free_bytes` before recording resumes: without it the ring
/// would stop and start at every fragment.
const RESUME_SLACK: u64 = 16 << 20;

/// The segments that must go so that the ring holds at most `quota`: whole ones, oldest first,
/// never one that is open or kept.
#[must_use]
pub(crate) fn choose(
    index: &Index,
    quota: u64,
    kept: &BTreeSet<SegmentNumber>,
) -> Vec<SegmentNumber> {
    let mut over = index.bytes().saturating_sub(quota);
    let mut going = Vec::new();
    for entry in index.segments().filter(|entry| !entry.open && !kept.contains(&entry.id)) {
        if over == 0 {
            break;
        }
        over = over.saturating_sub(entry.bytes);
        going.push(entry.id);
    }
    going
}

/// Whether the ring may record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// It may.
    Enough,
    /// R9: the rest belongs to the events.
    KeepFree,
    /// R5: pins and open segments fill the quota, and nothing may go.
    Quota,
}

/// Decides whether the ring may record. `stopped`: it does not now.
#[must_use]
pub(crate) fn room(free: u64, keep_free: u64, bytes: u64, most_bytes: u64, stopped: bool) -> Room {
    let needed = if stopped { keep_free.saturating_add(RESUME_SLACK) } else { keep_free };
    if free < needed {
        Room::KeepFree
    } else if bytes > most_bytes {
        Room::Quota
    } else {
        Room::Enough
    }
}

/// R6: whether pinning `more` bytes stays within the reserve.
#[must_use]
pub(crate) const fn pin_fits(pinned: u64, more: u64, reserve: u64) -> bool {
    more == 0 || pinned.saturating_add(more) <= reserve
}

/// What the ring may take of the disk that it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of all segments (R5).
    pub(crate) quota: u64,
    /// Bytes of pinned ones (R6).
    pub(crate) reserve: u64,
}

/// What is asked for, of which [`Limits`] are what the disk can hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// At most so much.
    pub(crate) quota: u64,
    /// At most so much of what is free and what the ring has together.
    pub(crate) share_percent: u64,
    /// Of the quota; half of it if absent.
    pub(crate) reserve: Option<u64>,
    /// What must stay free.
    pub(crate) keep_free: u64,
}

impl Asked {
    /// What can be had now. `before` is the quota so far; at a start, what the ring holds.
    ///
    /// The quota grows as room comes back and never shrinks: a disk that others fill stops the
    /// ring, and takes nothing of what it holds (R9).
    #[must_use]
    pub(crate) fn that_fits(&self, before: u64, ring: u64, free: u64) -> Limits {
        let room = ring.saturating_add(free);
        let share = room / 100 * self.share_percent;
        let fits = room.saturating_sub(self.keep_free.saturating_add(RESUME_SLACK)).min(share);
        let quota = self.quota.min(fits.max(before));
        let reserve = self.reserve.unwrap_or(quota / 2).min(quota);
        Limits { quota, reserve }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clips::index::SegmentEntry;
    use crate::media::CourtId;

    fn index(parts: &[(u64, bool)]) -> Index {
        let mut index = Index::new();
        for (id, &(bytes, open)) in (1..).zip(parts) {
            let court = CourtId::new("a").expect("name");
            let session = "0".repeat(16);
            let (start, end, ahead_ns) = (0, 1, None);
            let entry =
                SegmentEntry { id, court, session, start, end, bytes, ahead_ns, open, anew: 0 };
            index.put_segment(entry);
        }
        index
    }

    proptest! {
        #[test]
        fn the_oldest_go_no_more_than_needed_and_none_that_is_kept(
            parts in prop::collection::vec((1_u64..100, any::<bool>()), 0..30),
            kept in prop::collection::btree_set(1_u64..30, 0..10),
            quota in 0_u64..2000,
        ) {
            let mut index = index(&parts);
            let going = choose(&index, quota, &kept);
            prop_assert!(going.is_sorted());
            let may: Vec<_> = index.segments().filter(|e| !e.open && !kept.contains(&e.id))
                .map(|e| e.id).collect();
            prop_assert!(may.starts_with(&going));
            for (n, id) in going.iter().enumerate() {
                prop_assert!(index.bytes() > quota, "{} of {} was too many", n, going.len());
                index.remove_segment(*id);
            }
            prop_assert!(index.bytes() <= quota || going.len() == may.len());
        }
    }

    #[test]
    fn recording_resumes_only_with_some_room_to_spare() {
        assert_eq!(room(256, 256, 0, 10, false), Room::Enough);
        assert_eq!(room(255, 256, 0, 10, false), Room::KeepFree);
        assert_eq!(room(256, 256, 0, 10, true), Room::KeepFree);
        assert_eq!(room(256 + RESUME_SLACK, 256, 0, 10, true), Room::Enough);
        assert_eq!(room(1 << 40, 256, 11, 10, false), Room::Quota);
    }

    #[test]
    fn a_pin_that_is_there_already_costs_nothing() {
        assert!(pin_fits(100, 0, 50));
        assert!(pin_fits(40, 10, 50));
        assert!(!pin_fits(41, 10, 50));
    }

    #[test]
    fn a_quota_above_the_disk_is_cut_to_it_and_grows_with_it() {
        let wanted =
            Asked { quota: 1 << 40, share_percent: 100, reserve: None, keep_free: 256 << 20 };
        let limits = |mib: u64| Limits { quota: mib << 20, reserve: mib << 19 };
        assert_eq!(wanted.that_fits(0, 10 << 20, 500 << 20), limits(238));
        // Others took all: what is there stays, and nothing is promised to pins beyond it.
        assert_eq!(wanted.that_fits(100 << 20, 100 << 20, 0), limits(100));
        assert_eq!(wanted.that_fits(100 << 20, 100 << 20, 400 << 20), limits(228));
        assert_eq!(wanted.that_fits(228 << 20, 100 << 20, 0), limits(228));
        // What is asked for is the most, also where more is held.
        let little = Asked { quota: 5, reserve: Some(9), ..wanted };
        let most = Limits { quota: 5, reserve: 5 };
        assert_eq!(little.that_fits(100 << 20, 100 << 20, 1 << 40), most);
        let share = Asked { share_percent: 80, keep_free: 0, ..wanted };
        assert_eq!(share.that_fits(0, 0, 10 << 30).quota, (10 << 30) / 100 * 80);
    }
}
