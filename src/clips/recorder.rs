//! When a fragment closes and a segment ends (pure): stream items in, drafts out.
//!
//! ```text
//!            Opened            key frame               Closed
//!   Idle ──────────→ Waiting ───────────→ Recording ──────────→ Idle
//!                       ↑                     │ abandon (the disk said no), a change of
//!                       └─────────────────────┘ parameters without a key frame
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::clips::boxes::Tracks;
use crate::clips::fragment::{AudioSample, Draft, VideoSample};
use crate::clips::timeline::{AudioClock, AudioTimeline, SoundPlace, Ticks, VideoTimeline};
use crate::media::{AccessUnit, AudioParameters, AudioUnit, Monotonic, SessionId};

/// A fragment closes this long after its first unit, in media time (DESIGN §5.3) …
const FRAGMENT: Ticks = Ticks::from_millis(500);
/// … or in wall time.
const FRAGMENT_WALL: Duration = Duration::from_millis(500);
/// A key frame begins a new fragment if this one has as much: streams of key frames alone would
/// otherwise sync the disk at every picture.
const FRAGMENT_BEFORE_KEY: Ticks = Ticks::from_millis(250);
/// A segment is at most this long (DESIGN §5.3) …
const SEGMENT: Ticks = Ticks::from_millis(60_000);
/// … or this big.
const SEGMENT_BYTES: u64 = 64 << 20;
/// Assumed of a last picture when there was only one: 30 pictures a second.
const USUAL_PICTURE: Ticks = Ticks(3000);
/// Sound that comes before the first key frame is kept for it this long, in frames of 21 to 46 ms.
const HELD_SOUND: usize = 24;

/// What the writer is to do.
#[derive(Debug)]
pub enum Step {
    /// A fragment is whole. It begins a segment if `begins` is there.
    Fragment {
        /// What it holds.
        draft: Draft,
        /// The segment that it begins.
        begins: Option<Begin>,
    },
    /// Nothing more goes into the segment.
    SegmentEnds,
    /// Nothing more comes of the session.
    SessionEnds(SessionId),
}

/// A segment that is to be begun.
#[derive(Clone, Debug)]
pub struct Begin {
    /// Its session.
    pub session: SessionId,
    /// Its tracks.
    pub tracks: Tracks,
}

/// Decides for one court.
#[derive(Debug, Default)]
pub struct Recorder {
    session: Option<SessionId>,
    segment: Option<Segment>,
    draft: Draft,
    draft_since: Monotonic,
    video: VideoTimeline,
    audio: Option<(Arc<AudioParameters>, AudioTimeline)>,
    held: VecDeque<AudioSample>,
    next_sequence: Option<u64>,
    last_step: Option<Ticks>,
    last_dts: Option<Ticks>,
    /// Pictures of the stream that are not in the ring.
    pub lost_pictures: u64,
    /// Sound frames that are not in the ring.
    pub left_out_sound: u64,
}

#[derive(Debug)]
struct Segment {
    tracks: Tracks,
    /// False until its first fragment was given out.
    begun: bool,
    start: Ticks,
    bytes: u64,
    group_start: Ticks,
    group_bytes: u64,
}

impl Recorder {
    /// The session that is being recorded.
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// When [`Recorder::tick`] has something to do, if nothing comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Monotonic> {
        (!self.draft.is_empty()).then(|| self.draft_since.plus(FRAGMENT_WALL))
    }

    /// A session begins.
    pub fn opened(&mut self, session: SessionId, steps: &mut Vec<Step>) {
        if let Some(old) = self.session {
            self.closed(old, steps);
        }
        self.session = Some(session);
    }

    /// A session is over.
    pub fn closed(&mut self, session: SessionId, steps: &mut Vec<Step>) {
        if self.session != Some(session) {
            return;
        }
        self.end_segment(None, steps);
        steps.push(Step::SessionEnds(session));
        *self = Self {
            lost_pictures: self.lost_pictures,
            left_out_sound: self.left_out_sound,
            ..Self::default()
        };
    }

    /// A picture came.
    pub fn video(&mut self, unit: &AccessUnit, now: Monotonic, steps: &mut Vec<Step>) {
        if self.session != Some(unit.session) {
            self.opened(unit.session, steps);
        }
        if let Some(next) = self.next_sequence {
            self.lost_pictures += unit.sequence.saturating_sub(next);
        }
        self.next_sequence = Some(unit.sequence.saturating_add(1));
        let (dts, pts) = self.video.place(unit.dts, unit.pts);
        if let Some(last) = self.last_dts {
            self.last_step = Some(dts.since(last));
        }
        self.last_dts = Some(dts);
        self.make_room(unit, dts, steps);
        if self.segment.is_none() {
            if !unit.key {
                self.lost_pictures += 1;
                return;
            }
            self.begin_segment(unit, dts);
        }
        if self.draft.is_empty() {
            self.draft_since = now;
        }
        if let Some(segment) = &mut self.segment {
            if unit.key {
                segment.group_start = dts;
                segment.group_bytes = 0;
            }
            segment.group_bytes += unit.data.len() as u64;
        }
        let data = unit.data.clone();
        self.draft.video.push(VideoSample { dts, pts, key: unit.key, data });
    }

    /// A picture came that cannot be recorded now.
    pub fn skip(&mut self, unit: &AccessUnit) {
        self.next_sequence = Some(unit.sequence.saturating_add(1));
        self.lost_pictures += 1;
    }

    /// Closes what must be closed before a picture at `dts` can be taken.
    fn make_room(&mut self, unit: &AccessUnit, dts: Ticks, steps: &mut Vec<Step>) {
        let Some(segment) = &self.segment else { return };
        let same_video = Arc::ptr_eq(&segment.tracks.video, &unit.parameters)
            || segment.tracks.video == unit.parameters;
        let same_audio = segment.tracks.audio.as_ref() == self.audio.as_ref().map(|audio| &audio.0);
        let long = dts.since(segment.start);
        let bytes = segment.bytes + self.draft.payload();
        // At a key frame: would the group that begins here, if it is like the last, still fit?
        let group = dts.since(segment.group_start);
        let next_fits = long.0.saturating_add(group.0) <= SEGMENT.0
            && bytes + segment.group_bytes <= SEGMENT_BYTES;
        // Groups without end are cut where they are: the next segment then goes on without a key
        // frame, and clips that need one begin in this one.
        let fits = long < SEGMENT && bytes + (unit.data.len() as u64) < SEGMENT_BYTES;
        if !same_video || (unit.key && !(same_audio && next_fits)) {
            self.end_segment(Some(dts), steps);
        } else if !fits {
            let tracks = segment.tracks.clone();
            let (group_start, group_bytes) = (segment.group_start, segment.group_bytes);
            self.end_segment(Some(dts), steps);
            let (begun, start, bytes) = (false, dts, 0);
            self.segment = Some(Segment { tracks, begun, start, bytes, group_start, group_bytes });
        } else if let Some(first) = self.draft.video.first() {
            let has = dts.since(first.dts);
            let key_wants = unit.key && (!first.key || has >= FRAGMENT_BEFORE_KEY);
            if has >= FRAGMENT || key_wants {
                self.flush(Some(dts), steps);
            }
        } else if unit.key {
            self.flush(Some(dts), steps); // sound alone: the picture begins its own
        }
    }

    fn begin_segment(&mut self, unit: &AccessUnit, dts: Ticks) {
        let audio = self.audio.as_ref().map(|audio| Arc::clone(&audio.0));
        self.segment = Some(Segment {
            tracks: Tracks { video: Arc::clone(&unit.parameters), audio },
            begun: false,
            start: dts,
            bytes: 0,
            group_start: dts,
            group_bytes: 0,
        });
        self.draft.audio.extend(self.held.drain(..));
    }

    /// The sound that comes is coded so. The track is there from the record on, whenever its first frame comes.
    pub fn sound(
        &mut self,
        session: SessionId,
        parameters: &Arc<AudioParameters>,
        steps: &mut Vec<Step>,
    ) {
        if self.session != Some(session) {
            self.opened(session, steps);
        }
        if self.audio.as_ref().is_some_and(|(known, _)| known == parameters) {
            return;
        }
        let clock = AudioClock::of(parameters);
        self.audio = Some((Arc::clone(parameters), AudioTimeline::new(clock)));
        self.held.clear();
        if let Some(segment) = &mut self.segment
            && !segment.begun
            && segment.tracks.audio.is_none()
        {
            segment.tracks.audio = Some(Arc::clone(parameters));
        }
    }

    /// Sound came.
    pub fn audio(&mut self, unit: &AudioUnit, now: Monotonic, steps: &mut Vec<Step>) {
        if self.session != Some(unit.session) {
            self.opened(unit.session, steps);
        }
        self.sound(unit.session, &unit.parameters, steps);
        let Some((parameters, timeline)) = &mut self.audio else { return };
        let SoundPlace::At(at) = timeline.place(unit.pts) else {
            self.left_out_sound += 1;
            return;
        };
        let sample = AudioSample { at, data: unit.data.clone() };
        let fits = |segment: &Segment| segment.tracks.audio.as_ref() == Some(parameters);
        match &self.segment {
            Some(segment) if fits(segment) => {
                if self.draft.is_empty() {
                    self.draft_since = now;
                }
                self.draft.audio.push(sample);
            }
            // Its track begins with the next segment, at the next key frame.
            Some(_) => self.left_out_sound += 1,
            None => {
                self.held.push_back(sample);
                if self.held.len() > HELD_SOUND {
                    self.held.pop_front();
                    self.left_out_sound += 1;
                }
            }
        }
    }

    /// Time passed.
    pub fn tick(&mut self, now: Monotonic, steps: &mut Vec<Step>) {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            self.flush(None, steps);
        }
    }

    /// The disk said no: what was given out last, with `pictures`, is not there. Begins again at
    /// the next key frame.
    pub fn abandon(&mut self, pictures: u64) {
        self.lost_pictures += pictures + self.draft.video.len() as u64;
        self.draft = Draft::default();
        self.segment = None;
    }

    /// Ends the segment here; the next goes on where it is, without a key frame perhaps.
    pub fn split(&mut self, steps: &mut Vec<Step>) {
        let Some(segment) = self.segment.as_ref().filter(|s| s.begun || !self.draft.is_empty())
        else {
            return;
        };
        let tracks = segment.tracks.clone();
        let (group_start, group_bytes) = (segment.group_start, segment.group_bytes);
        let start = self.last_dts.unwrap_or(segment.start);
        self.end_segment(None, steps);
        let (begun, bytes) = (false, 0);
        self.segment = Some(Segment { tracks, begun, start, bytes, group_start, group_bytes });
    }

    fn end_segment(&mut self, next: Option<Ticks>, steps: &mut Vec<Step>) {
        if self.segment.is_some() {
            self.flush(next, steps);
            steps.push(Step::SegmentEnds);
            self.segment = None;
        }
    }

    /// Gives the draft out. `next` is when the picture after it is decoded, if one came.
    fn flush(&mut self, next: Option<Ticks>, steps: &mut Vec<Step>) {
        let Some(segment) = &mut self.segment else { return };
        if self.draft.is_empty() {
            return;
        }
        let mut draft = std::mem::take(&mut self.draft);
        let guess = |last: Ticks| Ticks(last.0 + self.last_step.unwrap_or(USUAL_PICTURE).0);
        let last = draft.video.last().map(|sample| sample.dts);
        draft.video_end = last.map_or(Ticks(0), |last| next.unwrap_or_else(|| guess(last)));
        segment.bytes += draft.payload();
        let begins = (!segment.begun).then(|| Begin {
            session: self.session.unwrap_or(SessionId::from_bits(0)),
            tracks: segment.tracks.clone(),
        });
        segment.begun = true;
        steps.push(Step::Fragment { draft, begins });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::media::MediaTime;
    use crate::media::samples::parameters;

    const SESSION: SessionId = SessionId::from_bits(1);
    static ZEROS: [u8; 3_000_000] = [0; 3_000_000];

    fn picture(sequence: u64, ms: i64, key: bool, bytes: usize) -> AccessUnit {
        AccessUnit {
            session: SESSION,
            sequence,
            pts: MediaTime::from_millis(ms),
            dts: MediaTime::from_millis(ms),
            key,
            b_slices: false,
            data: bytes::Bytes::from_static(&ZEROS[..bytes]),
            parameters: parameters(0),
            arrival: Monotonic::ZERO,
        }
    }

    fn at(ms: i64) -> Monotonic {
        Monotonic::from_nanos(u64::try_from(ms).expect("positive") * 1_000_000)
    }

    /// Feeds pictures at their times; gives what came out.
    fn play(pictures: &[AccessUnit]) -> Vec<Step> {
        let mut recorder = Recorder::default();
        let mut steps = Vec::new();
        recorder.opened(SESSION, &mut steps);
        for unit in pictures {
            let now = at(unit.dts.as_nanos() / 1_000_000);
            while let Some(due) = recorder.deadline().filter(|due| *due < now) {
                recorder.tick(due, &mut steps);
            }
            recorder.video(unit, now, &mut steps);
        }
        recorder.closed(SESSION, &mut steps);
        steps
    }

    /// The pictures of each segment's fragments.
    fn segments(steps: &[Step]) -> Vec<Vec<&Draft>> {
        let mut segments: Vec<Vec<&Draft>> = Vec::new();
        for step in steps {
            if let Step::Fragment { draft, begins } = step {
                if begins.is_some() {
                    segments.push(Vec::new());
                }
                segments.last_mut().expect("begun").push(draft);
            }
        }
        segments
    }

    #[test]
    fn segments_of_a_usual_stream_are_60_s_and_begin_with_key_frames() {
        let frames: Vec<_> = (0_u64..150 * 30)
            .map(|n| picture(n, i64::try_from(n).expect("small") * 1000 / 30, n % 60 == 0, 9))
            .collect();
        let steps = play(&frames);
        let segments = segments(&steps);
        let pictures = |s: &Vec<&Draft>| s.iter().map(|d| d.video.len()).sum::<usize>();
        let lengths: Vec<_> = segments.iter().map(pictures).collect();
        assert_eq!(lengths, [1800, 1800, 900]);
        for segment in segments {
            assert!(segment[0].video[0].key);
            assert!(segment.iter().all(|draft| draft.video.len() == 15), "0.5 s each");
        }
    }

    #[test]
    fn a_stream_of_one_key_frame_is_cut_all_the_same() {
        let frames: Vec<_> = (0_u64..130 * 10)
            .map(|n| picture(n, i64::try_from(n).expect("small") * 100, n == 0, 9))
            .collect();
        let steps = play(&frames);
        let segments = segments(&steps);
        assert_eq!(segments.len(), 3);
        assert!(segments[0][0].video[0].key && !segments[1][0].video[0].key);
    }

    #[test]
    fn a_change_of_parameters_begins_a_segment() {
        let mut frames: Vec<_> = (0..40)
            .map(|n| picture(n, i64::try_from(n).expect("small") * 100, n % 10 == 0, 9))
            .collect();
        for unit in frames.iter_mut().skip(15) {
            unit.parameters = parameters(1); // five pictures before the next key frame
        }
        let mut recorder = Recorder::default();
        let mut steps = Vec::new();
        for unit in &frames {
            recorder.video(unit, at(0), &mut steps);
        }
        assert_eq!(recorder.lost_pictures, 5);
        recorder.closed(SESSION, &mut steps);
        assert_eq!(segments(&steps).len(), 2);
    }

    #[test]
    fn a_stream_that_pauses_is_written_before_it_goes_on() {
        let mut recorder = Recorder::default();
        let mut steps = Vec::new();
        recorder.video(&picture(0, 0, true, 9), at(0), &mut steps);
        recorder.video(&picture(1, 33, false, 9), at(33), &mut steps);
        recorder.tick(at(499), &mut steps);
        assert!(steps.is_empty());
        recorder.tick(at(500), &mut steps);
        let [Step::Fragment { draft, .. }] = &steps[..] else { panic!("{steps:?}") };
        assert_eq!((draft.video.len(), draft.video_end), (2, Ticks::from_millis(66)));
        assert_eq!(recorder.deadline(), None);
    }

    fn sound(ms: i64) -> AudioUnit {
        AudioUnit {
            session: SESSION,
            pts: MediaTime::from_millis(ms),
            data: vec![1].into(),
            parameters: Arc::new(AudioParameters {
                config: vec![0x11, 0x90].into(),
                sample_rate: 48_000,
                channels: 2,
            }),
            arrival: Monotonic::ZERO,
        }
    }

    #[test]
    fn sound_before_the_first_key_frame_is_kept_for_it() {
        let mut recorder = Recorder::default();
        let mut steps = Vec::new();
        recorder.audio(&sound(10), at(0), &mut steps);
        recorder.audio(&sound(31), at(0), &mut steps);
        recorder.video(&picture(0, 40, true, 9), at(0), &mut steps);
        recorder.closed(SESSION, &mut steps);
        let Step::Fragment { draft, begins: Some(begin) } = &steps[0] else { panic!("{steps:?}") };
        assert_eq!(draft.audio.len(), 2);
        assert!(begin.tracks.audio.is_some());
    }

    #[test]
    fn the_sounds_track_is_there_from_its_record_on() {
        let mut recorder = Recorder::default();
        let mut steps = Vec::new();
        recorder.opened(SESSION, &mut steps);
        recorder.sound(SESSION, &sound(0).parameters, &mut steps);
        for n in 0..60_i64 {
            let key = n % 30 == 0;
            recorder.video(&picture(n.unsigned_abs(), n * 33, key, 9), at(0), &mut steps);
            if n >= 25 {
                recorder.audio(&sound(n * 33), at(0), &mut steps);
            }
        }
        recorder.closed(SESSION, &mut steps);
        let segments = segments(&steps);
        assert_eq!(segments.len(), 1, "no key picture ends it for its sound");
        assert_eq!(segments[0].iter().map(|draft| draft.audio.len()).sum::<usize>(), 35);
        assert_eq!(recorder.left_out_sound, 0);
    }

    #[test]
    fn sound_that_comes_behind_the_first_picture_is_in_the_first_segment() {
        let mut recorder = Recorder::default();
        let mut steps = Vec::new();
        recorder.video(&picture(0, 0, true, 9), at(0), &mut steps);
        for n in 0..40_i64 {
            recorder.audio(&sound(n * 21), at(0), &mut steps);
            let unit = picture(n.unsigned_abs() + 1, n * 21 + 20, n % 20 == 19, 9);
            recorder.video(&unit, at(0), &mut steps);
        }
        recorder.closed(SESSION, &mut steps);
        let segments = segments(&steps);
        assert_eq!(segments.len(), 1, "no key picture ends it for a change of its sound");
        assert_eq!(segments[0].iter().map(|draft| draft.audio.len()).sum::<usize>(), 40);
        assert_eq!(recorder.left_out_sound, 0);
        // Once something of it was given out its tracks stand: sound begins with the next segment.
        let mut late = Recorder::default();
        steps.clear();
        for n in 0..30_i64 {
            let key = n == 0 || n == 25;
            late.video(&picture(n.unsigned_abs(), n * 33, key, 9), at(0), &mut steps);
            if n == 20 {
                late.audio(&sound(n * 33), at(0), &mut steps);
            }
        }
        assert_eq!(late.left_out_sound, 1);
        assert!(steps.iter().any(|step| matches!(step, Step::SegmentEnds)));
    }

    proptest! {
        #[test]
        fn every_picture_is_in_one_fragment_in_order(
            parts in prop::collection::vec((1_i64..2500, prop::bool::weighted(0.1), 0_usize..3_000_000), 1..150)
        ) {
            let mut ms = 0;
            let mut frames = Vec::new();
            for (n, (step, key, bytes)) in (0..).zip(parts) {
                frames.push(picture(n, ms, key, bytes));
                ms += step;
            }
            let steps = play(&frames);
            let segments = segments(&steps);
            let first_key = frames.iter().position(|unit| unit.key).unwrap_or(frames.len());
            let expected: Vec<_> = frames[first_key..].iter().map(|u| Ticks::of(u.dts)).collect();
            let drafts = segments.iter().flatten();
            let recorded: Vec<_> = drafts.flat_map(|d| d.video.iter().map(|s| s.dts)).collect();
            prop_assert_eq!(recorded, expected);
            for segment in &segments {
                let start = segment[0].video[0].dts;
                let last = segment.iter().filter_map(|d| d.video.last()).next_back().expect("one");
                prop_assert!(last.dts.since(start) < SEGMENT);
                let bytes: u64 = segment.iter().map(|draft| draft.payload()).sum();
                prop_assert!(bytes <= SEGMENT_BYTES);
                for draft in segment {
                    let (first, last) = (&draft.video[0], draft.video.last().expect("one"));
                    prop_assert!(last.dts.since(first.dts) < FRAGMENT);
                }
            }
        }
    }
}
