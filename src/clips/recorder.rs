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

use crate::clips::boxes::{AudioClock, Tracks};
use crate::clips::fragment::{AudioSample, Draft, VideoSample};
use crate::clips::timeline::{AudioTimeline, SoundPlace, Ticks, VideoTimeline};
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

    /// Sound came.
    pub fn audio(&mut self, unit: &AudioUnit, now: Monotonic, steps: &mut Vec<Step>) {
        if self.session != Some(unit.session) {
            self.opened(unit.session, steps);
        }
        let known =
            self.audio.as_ref().is_some_and(|(parameters, _)| *parameters == unit.parameters);
        if !known {
            let clock = AudioClock::of(&unit.parameters);
            self.audio = Some((Arc::clone(&unit.parameters), AudioTimeline::new(clock)));
            self.held.clear();
        }
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
