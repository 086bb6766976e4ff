//! An interval of the ring as one MP4 (pure): which fragments, and what is written over in them.
//!
//! A clip is `ftyp moov` of its first segment, then `moof mdat` of each fragment: sequence numbers
//! from 1, times from a common zero, each fragment's last picture as long as until the next one.
//! Only `moof`s are held in memory; `mdat`s are read where they lie.

use serde::{Deserialize, Serialize};

use crate::clips::boxes::{Head, patch};
use crate::clips::film::entries;
use crate::clips::fragment::{Fragment, MoofView, Scanned};
use crate::clips::index::SegmentNumber;
use crate::clips::timeline::Ticks;

/// Whole fragments of one segment, in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The segment.
    pub segment: SegmentNumber,
    /// Where the first fragment begins in it.
    pub from: u64,
    /// Where the last one ends.
    pub to: u64,
}

/// What a clip is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In order.
    pub parts: Vec<Part>,
    /// First time in it.
    pub start: Ticks,
    /// Its end.
    pub end: Ticks,
    /// What of the interval is not in it, in words.
    pub missing: Option<String>,
}

/// Why there is no clip.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoClip {
    /// Nothing of the interval is in the ring.
    #[error("nothing of this interval is in the ring: it was never recorded, or evicted")]
    NotRecorded,
    /// There is no picture that decoding could start at.
    #[error("no key frame at or in this interval is in the ring")]
    NoKeyFrame,
}

/// Chooses the fragments for `from` to `to` (presentation times).
///
/// Begins at the last key frame at or before `from`, or at the first after it if there is none.
/// Takes no more than one run of pictures that decode alike: the one that covers most of the interval, the
/// first of equals. The same ring and interval give the same plan.
///
/// # Errors
/// [`NoClip`].
pub fn plan(
    from: Ticks,
    to: Ticks,
    segments: &[(SegmentNumber, &Scanned)],
) -> Result<Plan, NoClip> {
    let mut best: Option<(i64, Run<'_>)> = None;
    let mut any = false;
    for run in runs(segments) {
        any |= run.iter().any(|(_, f)| f.span.0 <= to && f.span.1 >= from);
        let Some(run) = trim(run, from, to) else { continue };
        let covered = covered(&run, from, to);
        if best.as_ref().is_none_or(|(most, _)| covered > *most) {
            best = Some((covered, run));
        }
    }
    let none = if any { NoClip::NoKeyFrame } else { NoClip::NotRecorded };
    let Some((_, run)) = best else { return Err(none) };
    let parts = parts(&run);
    let start =
        run.first().map_or(from, |(_, f)| f.video.map_or(f.span.0, |video| video.first_pts));
    let end = run.iter().map(|(_, f)| f.span.1).max().unwrap_or(to);
    let mut missing = Vec::new();
    // What is no millisecond nobody misses.
    let (late, early) = ((start.0 - from.0) / 90, (to.0 - end.0) / 90);
    if late > 0 {
        missing.push(format!("it begins {late} ms late"));
    }
    if early > 0 {
        missing.push(format!("it ends {early} ms early"));
    }
    let missing = (!missing.is_empty()).then(|| missing.join(", "));
    Ok(Plan { parts, start, end, missing })
}

type Run<'a> = Vec<(SegmentNumber, &'a Fragment)>;

/// Splits segments where their parameters change, and where something was deleted or is damaged: nothing is
/// decoded through a hole.
fn runs<'a>(segments: &[(SegmentNumber, &'a Scanned)]) -> Vec<Run<'a>> {
    let mut runs: Vec<Run<'a>> = Vec::new();
    let mut before: Option<Before<'a>> = None;
    for (id, scanned) in segments {
        let mut at = scanned.head.len;
        for fragment in &scanned.fragments {
            let whole = fragment.offset == at;
            if !whole || !before.is_some_and(|before| before.goes_on(*id, scanned, fragment)) {
                runs.push(Run::new());
            }
            if let Some(run) = runs.last_mut() {
                run.push((*id, fragment));
            }
            at = fragment.end();
            let (segment, head, end) = (*id, &scanned.head, fragment.span.1);
            before = Some(Before { segment, head, end });
        }
        if at != scanned.whole {
            before = None;
        }
    }
    runs
}

/// True if the pictures of both decode alike: what sound goes with them costs no picture.
pub(crate) fn alike(one: &Head, other: &Head) -> bool {
    let same = || Some(entries(one)?.0.alike(&entries(other)?.0));
    one.init == other.init || same().unwrap_or(false)
}

/// The fragment before, as far as the next one hangs on it.
#[derive(Clone, Copy)]
struct Before<'a> {
    segment: SegmentNumber,
    head: &'a Head,
    end: Ticks,
}

/// A segment that begins without a key frame goes on at once; later than this something is gone.
const AT_ONCE: Ticks = Ticks::from_millis(1000);

impl Before<'_> {
    fn goes_on(&self, segment: SegmentNumber, scanned: &Scanned, fragment: &Fragment) -> bool {
        self.segment == segment
            || (alike(self.head, &scanned.head)
                && (fragment.starts_with_key() || fragment.span.0.since(self.end) <= AT_ONCE))
    }
}

/// The fragments of a run that the interval needs; `None` if it needs none, or has no key frame.
fn trim<'a>(run: Run<'a>, from: Ticks, to: Ticks) -> Option<Run<'a>> {
    let key = |(_, fragment): &(SegmentNumber, &Fragment)| {
        fragment.video.filter(|video| video.key).map(|video| video.first_pts)
    };
    let at_or_before = run.iter().rposition(|f| key(f).is_some_and(|pts| pts <= from));
    let first = match at_or_before {
        Some(first) => first,
        None => run.iter().position(|f| key(f).is_some_and(|pts| pts <= to))?,
    };
    let end = run.iter().rposition(|(_, fragment)| fragment.span.0 <= to)?;
    // What ended before the interval began is none of it: a run that stops short.
    let reaches = run.get(first..=end)?.iter().any(|(_, fragment)| fragment.span.1 >= from);
    let mut run = run;
    run.truncate(end + 1);
    reaches.then(|| run.split_off(first))
}

/// Ticks of the interval in which there are pictures.
fn covered(run: &[(SegmentNumber, &Fragment)], from: Ticks, to: Ticks) -> i64 {
    let part =
        |(_, f): &(SegmentNumber, &Fragment)| (f.span.1.min(to).0 - f.span.0.max(from).0).max(0);
    run.iter().filter(|(_, fragment)| fragment.video.is_some()).map(part).sum()
}

fn parts(run: &[(SegmentNumber, &Fragment)]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for (segment, fragment) in run {
        match parts.last_mut() {
            Some(part) if part.segment == *segment => part.to = fragment.end(),
            _ => parts.push(Part { segment: *segment, from: fragment.offset, to: fragment.end() }),
        }
    }
    parts
}

/// A piece of a clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Memory(Vec<u8>),
    /// Bytes of a segment.
    File {
        /// Which of the clip's parts.
        part: usize,
        /// Where in its file.
        offset: u64,
        /// How many.
        len: u64,
    },
}

impl Piece {
    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// True when it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The fragments of a part, as a scan of its segment found them.
#[must_use]
pub(crate) fn fragments_of<'a>(part: &Part, scanned: &'a Scanned) -> Option<&'a [Fragment]> {
    let first = scanned.fragments.iter().position(|fragment| fragment.offset == part.from)?;
    let last = scanned.fragments.iter().position(|fragment| fragment.end() == part.to)?;
    // A part has no holes: what cannot be read now was in it.
    if scanned.damaged.iter().any(|(from, to)| *from < part.to && *to > part.from) {
        return None;
    }
    scanned.fragments.get(first..=last)
}

/// Puts a clip together. `moof(part, fragment)` gives a fragment's `moof`, as players get it.
///
/// `None` if the segments do not hold what the parts say.
///
/// # Errors
/// What `moof` says.
pub fn assemble<E>(
    parts: &[(&Part, &Scanned)],
    mut moof: impl FnMut(usize, &Fragment) -> Result<Vec<u8>, E>,
) -> Result<Option<Vec<Piece>>, E> {
    let mut all = Vec::new();
    for (n, (part, scanned)) in parts.iter().enumerate() {
        let Some(fragments) = fragments_of(part, scanned) else { return Ok(None) };
        all.extend(fragments.iter().map(|fragment| (n, fragment)));
    }
    let Some((_, first)) = parts.first() else { return Ok(None) };
    let clock = first.head.audio;
    let sound = all.iter().find_map(|(_, fragment)| fragment.audio).zip(clock);
    let sound = sound.map(|((start, _), clock)| Ticks::of_samples(start, clock.rate));
    let picture = all.iter().find_map(|(_, fragment)| fragment.video).map(|video| video.start);
    let zero = picture.into_iter().chain(sound).min().unwrap_or_default();
    let zero_sound = clock.map_or(0, |clock| zero.samples(clock.rate));

    let mut pieces = vec![Piece::Memory(first.head.init.clone())];
    for (i, (n, fragment)) in all.iter().enumerate() {
        let mut bytes = moof(*n, fragment)?;
        let Some(view) = MoofView::read(&bytes, clock) else { return Ok(None) };
        let sequence = u32::try_from(i + 1).unwrap_or(u32::MAX);
        patch(&mut bytes, view.sequence_at, &sequence.to_be_bytes());
        if let (Some(traf), Some(video)) = (view.video, fragment.video) {
            patch(&mut bytes, traf.tfdt_at, &from_zero(video.start.0, zero.0).to_be_bytes());
            let next = all.iter().skip(i + 1).find_map(|(_, fragment)| fragment.video);
            if let (Some(next), Some(at)) = (next, traf.last_at) {
                let until = next.start.0.saturating_sub(video.last.0).max(1);
                let until = u32::try_from(until).unwrap_or(u32::MAX);
                patch(&mut bytes, at, &until.to_be_bytes());
            }
        }
        if let (Some(traf), Some((start, _))) = (view.audio, fragment.audio) {
            patch(&mut bytes, traf.tfdt_at, &from_zero(start, zero_sound).to_be_bytes());
        }
        match pieces.last_mut() {
            Some(Piece::Memory(before)) => before.append(&mut bytes),
            _ => pieces.push(Piece::Memory(bytes)),
        }
        let len = u64::from(fragment.mdat);
        pieces.push(Piece::File { part: *n, offset: fragment.mdat_at(), len });
    }
    Ok(Some(pieces))
}

fn from_zero(at: i64, zero: i64) -> u64 {
    u64::try_from(at.saturating_sub(zero)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::clips::boxes::{Form, Head, HeadIs, SegmentHeader, Tracks, init};
    use crate::clips::fragment::samples::segment as segment_of;
    use crate::clips::fragment::{SEAL, Verify, VideoSpan, moof_of, scan_bytes};
    use crate::clips::timeline::AudioClock;
    use crate::media::{AudioParameters, CourtId, SessionId, UtcTime, h264};

    /// A segment of fragments of 0.5 s: `k` begins with a key frame, `.` does not, `_` is a gap.
    fn segment(start_ms: i64, fragments: &str, parameters: u8) -> Scanned {
        let mut offset = 100;
        let mut at = Ticks::from_millis(start_ms);
        let mut list = Vec::new();
        for kind in fragments.chars() {
            let end = Ticks(at.0 + 45_000);
            if kind != '_' {
                let key = kind == 'k';
                let (last, pictures) = (Ticks(end.0 - 3000), 15);
                let video = VideoSpan { start: at, last, first_pts: at, key, pictures };
                let (video, span) = (Some(video), (at, end));
                let (moof, stored, mdat) = (50, 50, 100);
                list.push(Fragment { offset, moof, stored, mdat, video, audio: None, span });
                offset += 150 + SEAL as u64;
            }
            at = end;
        }
        let header = SegmentHeader {
            id: 1,
            court: CourtId::new("a").expect("name"),
            session: SessionId::from_bits(1),
            video_origin: Ticks(0),
            audio_origin: 0,
            begun: UtcTime::from_nanos(0),
        };
        let (init, codecs) = (vec![parameters], String::new());
        let (width, height, is) = (1, 1, HeadIs::Whole);
        let head = Head { header, init, audio: None, len: 100, codecs, width, height, is };
        Scanned { head, fragments: list, damaged: Vec::new(), whole: offset }
    }

    /// The plan for an interval in ms, as "segment:first-last fragment …" and the note.
    fn check(segments: &[Scanned], (from, to): (i64, i64), expected: &str) {
        let views: Vec<_> = (1..).zip(segments).collect();
        let told = match plan(Ticks::from_millis(from), Ticks::from_millis(to), &views) {
            Err(why) => format!("{why:?}"),
            Ok(plan) => {
                let parts = plan.parts.iter().map(|part| {
                    let n = |at: u64| (at - 100) / (150 + SEAL as u64);
                    format!("{}:{}-{} ", part.segment, n(part.from), n(part.to) - 1)
                });
                parts.collect::<String>() + &plan.missing.unwrap_or_default()
            }
        };
        assert_eq!(told.trim(), expected, "{from} to {to}");
    }

    #[test]
    fn a_clip_begins_with_the_key_frame_at_or_before_its_interval() {
        let ring = [segment(0, "k...k...", 1), segment(4000, "k...k...", 1)];
        check(&ring, (2600, 3200), "1:4-6");
        check(&ring, (2000, 2000), "1:4-4");
        check(&ring, (3900, 4100), "1:4-7 2:0-0");
        check(&ring, (0, 8000), "1:0-7 2:0-7");
        check(&ring, (-1000, 400), "1:0-0 it begins 1000 ms late");
        check(&ring, (7000, 9000), "2:4-7 it ends 1000 ms early");
        check(&ring, (9000, 9500), "NotRecorded");
        check(&ring, (-900, -500), "NotRecorded");
        check(&[], (0, 1), "NotRecorded");
    }

    #[test]
    fn a_clip_begins_in_the_segment_before_if_its_own_has_no_key_frame() {
        let ring = [segment(0, "k...", 1), segment(2000, "....", 1)];
        check(&ring, (3000, 3400), "1:0-3 2:0-2");
        check(&ring[1..], (3000, 3400), "NoKeyFrame");
    }

    #[test]
    fn sound_that_begins_or_changes_costs_a_clip_no_picture() {
        const SPS: &[u8] = b"\x67\x64\x00\x28\xac\xd9\x40\x78\x02\x27\xe5\xc0\x44\x00\x00\x03\x00\x04\x00\x00\x03\x00\xc8\x3c\x60\xc6\x58";
        let with = |sps: &'static [u8], rate: Option<u32>| {
            let mut sets = h264::ParameterSets::default();
            for set in [sps, b"\x68\xeb\xe3\xcb\x22\xc0"] {
                assert!(sets.update(&bytes::Bytes::from_static(set)));
            }
            let sound = |sample_rate| AudioParameters {
                config: vec![0x12, 0x10].into(),
                sample_rate,
                channels: 2,
            };
            let tracks = Tracks {
                video: Arc::new(sets.parameters().expect("sets")),
                audio: rate.map(|rate| Arc::new(sound(rate))),
            };
            init(&tracks)
        };
        let of = |start, sps, rate: Option<u32>| {
            let mut made = segment(start, "k...k...", 1);
            made.head.init = with(sps, rate);
            made.head.audio = rate.map(|rate| AudioClock { rate, frame: 1_024 });
            made
        };
        let ring = [of(0, SPS, None), of(4_000, SPS, Some(44_100)), of(8_000, SPS, Some(48_000))];
        check(&ring, (3_000, 9_000), "1:4-7 2:0-7 3:0-2");
        // Another level, higher than that in force.
        let other = [&SPS[..3], b"\x33", &SPS[4..]].concat().leak();
        let ring = [of(0, SPS, None), of(4_000, other, None)];
        check(&ring, (3_000, 5_500), "2:0-3 it begins 1000 ms late");
    }

    #[test]
    fn a_clip_does_not_span_a_change_of_parameters() {
        let ring = [segment(0, "k...", 1), segment(2000, "k...", 2)];
        check(&ring, (0, 2400), "1:0-3 it ends 400 ms early");
        check(&ring, (1600, 4000), "2:0-3 it begins 400 ms late");
        check(&ring, (1500, 2500), "1:0-3 it ends 500 ms early");
    }

    #[test]
    fn a_clip_does_not_span_what_was_deleted() {
        let mut ring = [segment(0, "k...k...", 1), segment(4000, "k...k...", 1)];
        ring[0].fragments.remove(5);
        check(&ring, (0, 4400), "1:0-4 it ends 1900 ms early");
        // What stands behind the hole begins with its next key frame.
        check(&ring, (2600, 4400), "2:0-0 it begins 1400 ms late");
        // A hole at the end of a segment, and one at its beginning.
        let mut ring = [segment(0, "k...", 1), segment(2000, "k...", 1)];
        ring[0].fragments.pop();
        check(&ring, (0, 3900), "2:0-3 it begins 2000 ms late");
        let mut ring = [segment(0, "k...", 1), segment(2000, "k.k.", 1)];
        ring[1].fragments.remove(0);
        check(&ring, (500, 2900), "1:0-3 it ends 900 ms early");
        // A whole segment, behind which another goes on without a key frame.
        let ring = [segment(0, "k...", 1), segment(6000, "..k.", 1)];
        check(&ring, (0, 8000), "1:0-3 it ends 6000 ms early");
    }

    #[test]
    fn a_gap_is_part_of_a_clip() {
        check(&[segment(0, "k._.k..", 1)], (600, 2100), "1:0-3");
        check(&[segment(0, "k.____", 1)], (1500, 2500), "NotRecorded");
    }

    #[test]
    fn a_clip_has_the_same_bytes_whichever_of_its_segments_are_packed() {
        let clip = |forms: [Form; 2]| -> Vec<u8> {
            let start = |n: usize| Ticks::from_millis(60_000 + 2000 * n as i64);
            let files = [segment_of(1, start(0), forms[0]), segment_of(2, start(1), forms[1])];
            let scanned =
                files.each_ref().map(|bytes| scan_bytes(bytes, Verify::All).expect("one"));
            let parts = [0, 1].map(|n| Part {
                segment: n as u64 + 1,
                from: scanned[n].fragments[1 - n].offset,
                to: scanned[n].fragments[2].end(),
            });
            let views: Vec<_> = parts.iter().zip(&scanned).collect();
            let moof = |n: usize, fragment: &Fragment| {
                let lies = &files[n][fragment.offset as usize + SEAL..fragment.mdat_at() as usize];
                Ok::<_, ()>(moof_of(lies.to_vec()).expect("one of ours"))
            };
            let pieces = assemble(&views, moof).expect("read").expect("as the parts say");
            let bytes = pieces.iter().map(|piece| match piece {
                Piece::Memory(bytes) => bytes.clone(),
                Piece::File { part, offset, len } => {
                    files[*part][*offset as usize..(*offset + *len) as usize].to_vec()
                }
            });
            bytes.collect::<Vec<_>>().concat()
        };
        let plain = clip([Form::Plain, Form::Plain]);
        assert!(plain.len() > 5 * 15 * 30, "five fragments");
        for forms in
            [[Form::Plain, Form::Packed], [Form::Packed, Form::Plain], [Form::Packed, Form::Packed]]
        {
            assert_eq!(clip(forms), plain, "{forms:?}");
        }
    }

    #[test]
    fn what_is_less_than_a_millisecond_is_not_missed() {
        let segments = [segment(1000, "kk", 0)];
        let views: Vec<_> = (1..).zip(&segments).collect();
        let missing = |from, to| plan(Ticks(from), Ticks(to), &views).expect("a plan").missing;
        let (start, end) = (90_000, 180_000);
        assert_eq!(missing(start - 89, end + 89), None);
        let told = "it begins 1 ms late, it ends 1 ms early";
        assert_eq!(missing(start - 90, end + 90).as_deref(), Some(told));
    }

    proptest! {
        #[test]
        fn a_plan_is_whole_fragments_from_a_key_frame_on(
            parts in prop::collection::vec(("[k._]{1,8}", 0_u8..2), 1..5),
            from in -1000_i64..20_000, long in 0_i64..10_000,
        ) {
            let mut at = 0;
            let mut ring = Vec::new();
            for (kinds, parameters) in parts {
                ring.push(segment(at, &kinds, parameters));
                at += i64::try_from(kinds.len()).expect("small") * 500;
            }
            let views: Vec<_> = (1..).zip(&ring).collect();
            let (from, to) = (Ticks::from_millis(from), Ticks::from_millis(from + long));
            if let Ok(plan) = plan(from, to, &views) {
                let chosen: Vec<_> = plan.parts.iter().map(|part| {
                    let scanned = views.iter().find(|(id, _)| *id == part.segment).expect("one").1;
                    (scanned, fragments_of(part, scanned).expect("whole fragments"))
                }).collect();
                prop_assert!(chosen[0].1[0].starts_with_key());
                prop_assert!(chosen.windows(2).all(|two| alike(&two[0].0.head, &two[1].0.head)));
                prop_assert!(plan.start <= from || plan.missing.is_some());
                prop_assert!(plan.end >= to || plan.missing.is_some());
                prop_assert!(plan.start <= to && plan.end >= from);
            }
        }
    }
}
