//! What is where (pure): segments, clips, pins, holds. `lines` keeps it on disk.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::clips::timeline::Ticks;
use crate::media::{CourtId, SessionId};

/// Counts the segments of a box, from 1; never given twice.
pub(crate) type SegmentNumber = u64;

/// A segment, as the index knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentEntry {
    /// Its number.
    pub id: SegmentNumber,
    /// Its court.
    pub court: CourtId,
    /// Its session, 16 hexadecimal digits.
    pub session: String,
    /// First time in it, in ticks of 1/90,000 s.
    pub start: i64,
    /// End of its last fragment.
    pub end: i64,
    /// Bytes of its whole fragments with the head.
    pub bytes: u64,
    /// UTC less media time, ns, by the box's clock as its first fragment came in; absent in lines of
    /// earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead_ns: Option<i64>,
    /// True while it is being written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    /// How often it was written anew since the start: what was read of it before is not true any more.
    #[serde(skip)]
    pub anew: u32,
}

impl SegmentEntry {
    /// The name of its file: all that identifies it.
    #[must_use]
    pub fn file_name(&self) -> String {
        file_name(self.id, &self.court, &self.session)
    }

    /// True if some of it is in the interval.
    pub(crate) fn overlaps(&self, from: Ticks, to: Ticks) -> bool {
        self.start <= to.0 && self.end >= from.0
    }
}

/// The name of a segment's file.
#[must_use]
pub(crate) fn file_name(id: SegmentNumber, court: &CourtId, session: &str) -> String {
    format!("{id:010}.{court}.{session}.mp4")
}

/// Reads the name of a segment's file.
#[must_use]
pub(crate) fn parse_file_name(name: &str) -> Option<(SegmentNumber, CourtId, SessionId)> {
    let mut parts = name.split('.');
    let id = parts.next()?.parse().ok()?;
    let court = CourtId::new(parts.next()?).ok()?;
    let session = SessionId::parse(parts.next()?)?;
    (parts.next() == Some("mp4") && parts.next().is_none()).then_some((id, court, session))
}

/// What the memory keeps of a clip; the rest stands in `clips/{id}.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClipBrief {
    /// Its name.
    pub id: String,
    /// Counts the clips of a box, from 1: the order of the manifest.
    pub number: u64,
    /// The segments that it is made of; empty for an entry that says why there is no clip.
    pub segments: Vec<SegmentNumber>,
    /// True while its segments must stay.
    pub pinned: bool,
    /// When it was made, UTC ns.
    pub made_ns: i64,
    /// When its pin ends by itself, UTC ns; after `pin_days` where that is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ns: Option<i64>,
    /// When its bytes went, UTC ns: what is left is an entry that says so, and needs no segments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_ns: Option<i64>,
    /// Checksum of the bytes of its entry's file, as they were written; absent in lines of earlier
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum: Option<u64>,
    /// True where the entry is of a newer format than this version reads: it pins what it says that it
    /// pins, is not listed, and its file stays as it is. No line of the index says so.
    #[serde(skip)]
    pub unread: bool,
}

impl ClipBrief {
    /// The same once its bytes went.
    #[must_use]
    pub(crate) fn gone(&self, now_ns: i64) -> Self {
        let gone_ns = self.gone_ns.or(Some(now_ns));
        Self { segments: Vec::new(), pinned: false, gone_ns, ..self.clone() }
    }
}

/// An interval that somebody waits for: what overlaps it stays until it was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    /// The court.
    pub court: CourtId,
    /// The session, 16 hexadecimal digits.
    pub session: String,
    /// First moment.
    pub from: Ticks,
    /// Last moment.
    pub to: Ticks,
    /// The game that was started there, as far as it is known.
    pub game: Option<String>,
}

/// What is where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    segments: BTreeMap<SegmentNumber, SegmentEntry>,
    by_session: BTreeMap<(CourtId, String), BTreeSet<SegmentNumber>>,
    clips: BTreeMap<String, ClipBrief>,
    by_number: BTreeMap<u64, String>,
    /// How many clips need a segment.
    uses: BTreeMap<SegmentNumber, BTreeSet<u64>>,
    pins: BTreeMap<SegmentNumber, u32>,
    holds: BTreeMap<String, Hold>,
    /// Clips whose bytes went.
    gone: usize,
    bytes: u64,
    pinned_bytes: u64,
    next_segment: SegmentNumber,
    next_clip: u64,
}

impl Index {
    /// Nothing anywhere.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self { next_segment: 1, next_clip: 1, ..Self::default() }
    }

    /// A number for a new segment.
    pub(crate) const fn number_segment(&mut self) -> SegmentNumber {
        let id = self.next_segment;
        self.next_segment += 1;
        id
    }

    /// A number for a new clip.
    pub(crate) const fn number_clip(&mut self) -> u64 {
        let number = self.next_clip;
        self.next_clip += 1;
        number
    }

    /// Numbers up to `id` were given once, to segments that may be gone.
    pub(crate) fn seen_segment(&mut self, id: SegmentNumber) {
        self.next_segment = self.next_segment.max(id.saturating_add(1));
    }

    /// The greatest number that was given.
    pub(crate) const fn given_segment(&self) -> SegmentNumber {
        self.next_segment - 1
    }

    /// Puts a segment in, or puts it right.
    pub(crate) fn put_segment(&mut self, entry: SegmentEntry) {
        self.remove_segment(entry.id);
        self.seen_segment(entry.id);
        self.bytes += entry.bytes;
        if self.pins.contains_key(&entry.id) {
            self.pinned_bytes += entry.bytes;
        }
        let key = (entry.court.clone(), entry.session.clone());
        self.by_session.entry(key).or_default().insert(entry.id);
        self.segments.insert(entry.id, entry);
    }

    /// A fragment was added to an open segment.
    pub(crate) fn grow_segment(&mut self, id: SegmentNumber, bytes: u64, start: Ticks, end: Ticks) {
        let Some(entry) = self.segments.get_mut(&id) else { return };
        entry.bytes += bytes;
        entry.start = entry.start.min(start.0);
        entry.end = entry.end.max(end.0);
        self.bytes += bytes;
        if self.pins.contains_key(&id) {
            self.pinned_bytes += bytes;
        }
    }

    /// How far UTC was ahead of the stream where a segment begins.
    pub(crate) fn learn_ahead(&mut self, id: SegmentNumber, ahead_ns: i64) {
        if let Some(entry) = self.segments.get_mut(&id) {
            entry.ahead_ns = Some(ahead_ns);
        }
    }

    /// A segment has a hole where something was.
    pub(crate) fn written_anew(&mut self, id: SegmentNumber) {
        if let Some(entry) = self.segments.get_mut(&id) {
            entry.anew += 1;
        }
    }

    /// Nothing more goes into a segment.
    pub(crate) fn close_segment(&mut self, id: SegmentNumber) -> Option<&SegmentEntry> {
        let entry = self.segments.get_mut(&id)?;
        entry.open = false;
        Some(entry)
    }

    /// Takes a segment out.
    pub(crate) fn remove_segment(&mut self, id: SegmentNumber) -> Option<SegmentEntry> {
        let entry = self.segments.remove(&id)?;
        self.bytes -= entry.bytes;
        if self.pins.contains_key(&id) {
            self.pinned_bytes -= entry.bytes;
        }
        let key = (entry.court.clone(), entry.session.clone());
        if let Some(of_session) = self.by_session.get_mut(&key) {
            of_session.remove(&id);
            if of_session.is_empty() {
                self.by_session.remove(&key);
            }
        }
        Some(entry)
    }

    /// A segment.
    #[must_use]
    pub(crate) fn segment(&self, id: SegmentNumber) -> Option<&SegmentEntry> {
        self.segments.get(&id)
    }

    /// Every segment, oldest first.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &SegmentEntry> {
        self.segments.values()
    }

    /// The segments of a session, oldest first.
    pub(crate) fn session(
        &self,
        court: &CourtId,
        session: &str,
    ) -> impl Iterator<Item = &SegmentEntry> {
        let ids = self.by_session.get(&(court.clone(), session.to_owned()));
        ids.into_iter().flatten().filter_map(|id| self.segments.get(id))
    }

    /// The segments that an interval may be cut from: what overlaps it, and what stands before
    /// that, since the key frame that it begins with may be there.
    #[must_use]
    pub(crate) fn around(&self, hold: &Hold) -> Vec<SegmentEntry> {
        let mut before = None;
        let mut found = Vec::new();
        for entry in self.session(&hold.court, &hold.session) {
            if entry.overlaps(hold.from, hold.to) {
                found.extend(before.take());
                found.push(entry.clone());
            } else if found.is_empty() {
                before = Some(entry.clone());
            }
        }
        found
    }

    /// Keeps what overlaps an interval until [`Index::release`].
    pub(crate) fn hold(&mut self, id: &str, hold: Hold) {
        self.holds.insert(id.to_owned(), hold);
    }

    /// Ends a hold.
    pub(crate) fn release(&mut self, id: &str) {
        self.holds.remove(id);
    }

    /// True while somebody waits for this.
    #[must_use]
    pub(crate) fn is_held(&self, id: &str) -> bool {
        self.holds.contains_key(id)
    }

    /// The interval that somebody waits for under this name.
    #[must_use]
    pub(crate) fn held(&self, id: &str) -> Option<&Hold> {
        self.holds.get(id)
    }

    /// Clips that are being recorded or made, by name, and their intervals.
    pub(crate) fn making(&self) -> impl Iterator<Item = (&str, &Hold)> {
        // Clips that are there are held under names that no clip has.
        self.holds
            .iter()
            .map(|(id, hold)| (id.as_str(), hold))
            .filter(|(id, _)| !id.starts_with('.'))
    }

    /// Segments that must stay: pinned, or held.
    #[must_use]
    pub(crate) fn kept(&self) -> BTreeSet<SegmentNumber> {
        let held = self.holds.values().flat_map(|hold| self.around(hold)).map(|entry| entry.id);
        self.pins.keys().copied().chain(held).collect()
    }

    /// Puts a clip in, or puts it right.
    pub(crate) fn put_clip(&mut self, brief: ClipBrief) {
        self.remove_clip(&brief.id);
        self.next_clip = self.next_clip.max(brief.number.saturating_add(1));
        self.gone += usize::from(brief.gone_ns.is_some());
        for &segment in &brief.segments {
            self.uses.entry(segment).or_default().insert(brief.number);
            if brief.pinned {
                let pins = self.pins.entry(segment).or_insert(0);
                *pins += 1;
                if *pins == 1 {
                    self.pinned_bytes += self.segments.get(&segment).map_or(0, |s| s.bytes);
                }
            }
        }
        self.by_number.insert(brief.number, brief.id.clone());
        self.clips.insert(brief.id.clone(), brief);
    }

    /// Takes a clip out.
    pub(crate) fn remove_clip(&mut self, id: &str) -> Option<ClipBrief> {
        let brief = self.clips.remove(id)?;
        self.gone -= usize::from(brief.gone_ns.is_some());
        self.by_number.remove(&brief.number);
        for segment in &brief.segments {
            if let Some(uses) = self.uses.get_mut(segment) {
                uses.remove(&brief.number);
                if uses.is_empty() {
                    self.uses.remove(segment);
                }
            }
            if !brief.pinned {
                continue;
            }
            if let Some(pins) = self.pins.get_mut(segment) {
                *pins -= 1;
                if *pins == 0 {
                    self.pins.remove(segment);
                    self.pinned_bytes -= self.segments.get(segment).map_or(0, |s| s.bytes);
                }
            }
        }
        Some(brief)
    }

    /// The bytes of a clip go; its entry stays, and says so. Returns what stood there before.
    pub(crate) fn lose_clip(&mut self, id: &str, now_ns: i64) -> Option<ClipBrief> {
        let before = self.remove_clip(id)?;
        self.put_clip(before.gone(now_ns));
        Some(before)
    }

    /// A clip.
    #[must_use]
    pub(crate) fn clip(&self, id: &str) -> Option<&ClipBrief> {
        self.clips.get(id)
    }

    /// The clips after a number, in order.
    pub(crate) fn clips_after(&self, number: u64) -> impl Iterator<Item = &ClipBrief> {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = self.by_number.range((Excluded(number), Unbounded));
        after.filter_map(|(_, id)| self.clips.get(id))
    }

    /// The clips that need a segment.
    #[must_use]
    pub(crate) fn clips_of(&self, segment: SegmentNumber) -> Vec<String> {
        let numbers = self.uses.get(&segment).into_iter().flatten();
        numbers.filter_map(|number| self.by_number.get(number)).cloned().collect()
    }

    /// How many clips there are, without those that went.
    #[must_use]
    pub(crate) fn clip_count(&self) -> usize {
        self.clips.len() - self.gone
    }

    /// How many clips went, and have an entry yet.
    #[must_use]
    pub(crate) const fn gone_count(&self) -> usize {
        self.gone
    }

    /// Bytes of all segments.
    #[must_use]
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of pinned segments.
    #[must_use]
    pub(crate) const fn pinned_bytes(&self) -> u64 {
        self.pinned_bytes
    }

    /// Bytes that pinning these segments would add.
    #[must_use]
    pub(crate) fn bytes_to_pin(&self, segments: &[SegmentNumber]) -> u64 {
        let fresh = segments.iter().filter(|id| !self.pins.contains_key(id));
        fresh.filter_map(|id| self.segments.get(id)).map(|entry| entry.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn court(name: &str) -> CourtId {
        CourtId::new(name).expect("name")
    }

    fn segment(id: u64, start: i64, bytes: u64) -> SegmentEntry {
        let session = SessionId::from_bits(1).to_string();
        let end = start + 100;
        let (court, ahead_ns) = (court("a"), None);
        SegmentEntry { id, court, session, start, end, bytes, ahead_ns, open: false, anew: 0 }
    }

    fn clip(id: &str, number: u64, segments: &[u64], pinned: bool) -> ClipBrief {
        ClipBrief {
            id: id.into(),
            number,
            segments: segments.into(),
            pinned,
            made_ns: 0,
            until_ns: None,
            gone_ns: None,
            sum: None,
            unread: false,
        }
    }

    #[test]
    fn a_file_name_reads_back() {
        let entry = segment(7, 0, 1);
        let name = entry.file_name();
        let read = parse_file_name(&name).expect("ours");
        assert_eq!(read, (7, court("a"), SessionId::from_bits(1)));
        for bad in ["", "lost+found", "7.a.0.mp4", "x.a.0000000000000001.mp4", "ballast"] {
            assert_eq!(parse_file_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_stands_before_an_interval_is_kept_with_it() {
        let mut index = Index::new();
        for n in 1..=4 {
            index.put_segment(segment(n, i64::try_from(n).expect("small") * 100, 1));
        }
        let session = SessionId::from_bits(1).to_string();
        let (from, to) = (Ticks(330), Ticks(340));
        let hold = Hold { court: court("a"), session, from, to, game: None };
        let ids: Vec<_> = index.around(&hold).iter().map(|entry| entry.id).collect();
        assert_eq!(ids, [2, 3]);
        index.hold("x", hold);
        assert_eq!(index.kept(), [2, 3].into());
        index.release("x");
        assert!(index.kept().is_empty());
    }

    proptest! {
        #[test]
        fn totals_are_what_the_parts_add_up_to(
            steps in prop::collection::vec((0_u8..6, 1_u64..8, 1_u64..1000), 1..80)
        ) {
            let mut index = Index::new();
            for (what, id, bytes) in steps {
                match what {
                    0 => index.put_segment(segment(id, 0, bytes)),
                    1 => index.grow_segment(id, bytes, Ticks(0), Ticks(1)),
                    2 => { index.remove_segment(id); }
                    3 => index.put_clip(clip(&id.to_string(), id, &[bytes % 8, id], bytes % 2 == 0)),
                    4 => { index.lose_clip(&id.to_string(), 7); }
                    _ => { index.remove_clip(&id.to_string()); }
                }
                let bytes: u64 = index.segments().map(|entry| entry.bytes).sum();
                prop_assert_eq!(index.bytes(), bytes);
                let there = index.clips_after(0).filter(|clip| clip.gone_ns.is_none()).count();
                prop_assert_eq!(index.clip_count(), there);
                let kept = index.kept();
                let pinned = index.segments().filter(|entry| kept.contains(&entry.id));
                prop_assert_eq!(index.pinned_bytes(), pinned.map(|entry| entry.bytes).sum::<u64>());
            }
        }
    }
}
