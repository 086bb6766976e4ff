//! Media messages of one publish → stream items: sessions, unwrapped times, access units.
//!
//! Video governs time. Its timestamps are unwrapped from 32 bits; one that runs backwards, or more
//! than 10 s forwards, closes the session and opens another (DESIGN §5.2), but for a jump right behind a session's
//! beginning. Steps back of at most [`MAX_JITTER_BACK`] are encoders' jitter and are straightened instead. Times that run
//! otherwise than the clock (`pace`), or jump again and again, are not used from then on: pictures are placed by arrival. Sound is placed
//! beside them (`sound`).
//!
//! Parameter sets inside pictures are taken out (`video`) and become new parameters of the units when they
//! differ: a unit never contradicts its parameters, and files need no sets in their samples. No set
//! goes past here of which [`budget`] was not asked: what can be read is asked
//! for, what cannot is taken out, as are sets that no picture here needs, and a NAL unit with a start
//! code inside of it is told as the several ones that a decoder would find.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::event::words::Sound;
use crate::ingest::budget::{self, Allowance, Budget, Needs};
use crate::ingest::joining::{Joined, Joiner, Part, start_coded, units_of};
use crate::ingest::pace::{ByArrival, Pace};
use crate::ingest::records::on_fi;
use crate::ingest::refused::{MAX_JUMPS, MediaRefused, Unusable};
use crate::ingest::sound::{BESIDE_MS, Beside, SoundTrack, step};
use crate::ingest::video::{Cuts, LENGTH_SIZE, MAX_PREFIX, MAX_SETS_A_PICTURE, Sets, Video};
use crate::media::naming::{Named, Naming};
use crate::media::{
    AccessUnit, AudioUnit, CloseReason, Codec, CodecParameters, CourtId, Foreign, MediaTime,
    Monotonic, SessionId, StreamInfo, StreamItem, UtcTime, WallReference, WallSource, h264, h265,
};
use crate::rtmp::amf0::Value;
use crate::rtmp::flv::{AudioTag, VideoTag};
use crate::rtmp::message::{Message, kind};

/// Further forwards is a jump, ms (DESIGN §5.2).
const MAX_STEP: i64 = 10_000;
/// Further backwards is more than what cameras' clocks were seen to jitter by, ms.
const MAX_STEP_BACK: i64 = 50;
/// Further backwards is a jump, ms: up to here it is straightened, and times that do so again and again are not used
/// (chosen: three pictures, and as much again).
const MAX_JITTER_BACK: i64 = 200;
/// Jumps, or steps back of more than [`MAX_STEP_BACK`], that times which mean something make within [`LATELY`] …
const MAX_LATELY: usize = 2;
/// …, of one that goes back to its beginning every five seconds (chosen) …
const LATELY: Duration = Duration::from_secs(10);
/// … and within this no more than one.
const AT_ONCE: Duration = Duration::from_secs(1);
/// Of times by arrival, what they may be behind by where pictures were put ahead of it, ns.
const AHEAD_NANOS: i64 = 500_000_000;
/// From picture to picture, ns, where nothing says it.
const USUAL_STEP_NANOS: f64 = 33e6;
/// Pictures are at least this far apart; RTMP's own grain.
const LEAST_STEP_NANOS: i64 = 1_000_000;
/// A clock that stands still is let run ahead of itself this far before it counts as a jump.
const MAX_LEAD_NANOS: i64 = 1_000_000_000;
/// Presentation may differ from decoding time by so much, ms; more is damage.
const MAX_COMPOSITION: i32 = 10_000;
/// For [`MAX_JUMPS`].
const JUMP_WINDOW: Duration = Duration::from_secs(60);
/// A B picture that is sent with the time at which it is shown steps back by less, ms: some pictures of the slowest
/// cameras.
const SHOWN_BEFORE_MS: i64 = 1_000;
/// Pictures a second that an encoder may declare.
const DECLARED: std::ops::RangeInclusive<f64> = 4.0..=240.0;

/// Turns the media messages of one publish into stream items.
pub struct StreamAssembler {
    court: CourtId,
    peer: String,
    encoder: Option<Foreign>,
    new_session: Box<dyn FnMut() -> SessionId + Send>,
    allowed: Box<dyn Fn() -> Allowance + Send>,
    needs: Needs,
    timeline: Option<Timeline>,
    /// When, and whether it was one as B pictures make it.
    jumps: Vec<(Monotonic, bool)>,
    /// When steps back were straightened that are more than jitter.
    steps_back: Vec<Monotonic>,
    /// Pictures say when they are shown: their times are those at which they are decoded.
    composed: bool,
    video: Option<Video>,
    joiner: Joiner<Taken>,
    sound: SoundTrack,
    pace: Pace,
    /// Times are used as they are sent, whatever the clock says.
    believed: bool,
    /// Pictures a second by the metadata.
    declared: Option<f64>,
    unusable: (u64, Option<Unusable>),
    lookahead: Option<u16>,
    /// Pictures of the first track came, and of further ones.
    tracks: (bool, bool),
}

/// Where a session's time stands.
struct Timeline {
    session: SessionId,
    /// The last timestamp as sent, with what it was unwrapped to, ms; and when it came.
    video: Option<(u32, i64, Monotonic)>,
    /// The first picture's time, and when it came.
    began: Option<(MediaTime, Monotonic)>,
    /// Where times are not used.
    by_arrival: Option<ByArrival>,
    last_dts: Option<MediaTime>,
    last_pts: Option<MediaTime>,
    sequence: u64,
}

impl StreamAssembler {
    /// Begins for one accepted publish. `new_session` gives random ids (fixed ones in tests).
    #[must_use]
    pub fn new(
        court: CourtId,
        peer: String,
        encoder: Option<Foreign>,
        new_session: Box<dyn FnMut() -> SessionId + Send>,
    ) -> Self {
        Self {
            court,
            peer,
            encoder,
            new_session,
            allowed: Box::new(|| Budget::default().memory.share(1)),
            needs: Needs::default(),
            timeline: None,
            jumps: Vec::new(),
            steps_back: Vec::new(),
            composed: false,
            video: None,
            joiner: Joiner::default(),
            sound: SoundTrack::default(),
            pace: Pace::default(),
            believed: false,
            declared: None,
            unusable: (0, None),
            lookahead: None,
            tracks: (false, false),
        }
    }

    /// Asks `allowed`, at each change of parameters, what its pictures may take.
    #[must_use]
    pub fn within(self, allowed: Box<dyn Fn() -> Allowance + Send>) -> Self {
        Self { allowed, ..self }
    }

    /// Its times are those of a recording, which is sent as fast as it is taken: they say nothing of the clock.
    #[must_use]
    pub fn of_recording(self) -> Self {
        Self { believed: true, ..self }
    }

    /// Bytes that its pictures take at most, by the parameter sets in force.
    #[must_use]
    pub const fn picture_memory(&self) -> u64 {
        self.needs.memory
    }

    /// What they take, of the GPU's memory too.
    pub(crate) const fn needs(&self) -> Needs {
        self.needs
    }

    /// What the publisher calls itself, as far as it has said.
    #[must_use]
    pub const fn encoder(&self) -> Option<&Foreign> {
        self.encoder.as_ref()
    }

    /// The session that is open, if one is.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        self.timeline.as_ref().map(|timeline| timeline.session)
    }

    /// Pictures let go here, and why the last one was.
    #[must_use]
    pub const fn unusable(&self) -> (u64, Option<Unusable>) {
        self.unusable
    }

    /// Pictures that the encoder looks ahead before it sends one, if it has said so.
    #[must_use]
    pub const fn lookahead(&self) -> Option<u16> {
        self.lookahead
    }

    /// What becomes of the sound.
    #[must_use]
    pub fn sound_told(&self) -> Sound {
        self.sound.told()
    }

    /// What is told of its times, where they are not used.
    #[must_use]
    pub fn times_told(&self) -> Option<String> {
        self.pace.wrong().map(|wrong| wrong.text())
    }

    /// True if pictures of further tracks came beside the first one's.
    #[must_use]
    pub const fn has_several_tracks(&self) -> bool {
        self.tracks.0 && self.tracks.1
    }

    /// Takes a media message; appends what it gives to `out`.
    ///
    /// # Errors
    /// [`MediaRefused`] when the publisher cannot go on like this.
    pub fn media(
        &mut self,
        message: &Message,
        arrival: Monotonic,
        out: &mut Vec<StreamItem>,
    ) -> Result<(), MediaRefused> {
        match message.kind {
            kind::VIDEO => self.video(message, arrival, out),
            kind::AUDIO => self.sound(message, arrival, out),
            _ => Ok(()),
        }
    }

    /// Takes a data message: the encoder's name of `onMetaData`, the wall time of `onFI`.
    pub fn data(
        &mut self,
        timestamp: u32,
        name: &str,
        values: &[Value],
        out: &mut Vec<StreamItem>,
    ) {
        let member = |name| values.first().and_then(|object| object.member(name));
        match name {
            "onMetaData" => {
                if let Some(encoder) = member("encoder").and_then(Value::text) {
                    self.encoder = Some(Foreign::name(encoder));
                }
                let rate = ["framerate", "videoframerate"].into_iter().find_map(member);
                self.declared = rate.and_then(Value::number).filter(|rate| DECLARED.contains(rate));
            }
            "onFI" => {
                let text = |name| member(name).and_then(Value::text);
                if let (Some(timeline), Some(utc)) = (&self.timeline, on_fi(text("sd"), text("st")))
                    && let Some((last, at, _)) = timeline.video
                {
                    // Where times are not used, this message's is none either.
                    let apart =
                        if timeline.by_arrival.is_some() { 0 } else { step(last, timestamp) };
                    let media = MediaTime::from_millis(at + apart);
                    let (session, source) = (timeline.session, WallSource::OnFi);
                    out.push(StreamItem::Wall(WallReference { session, media, utc, source }));
                }
            }
            _ => {}
        }
    }

    /// Ends the open session, if there is one. The picture that waited for its successor has none.
    pub fn close(&mut self, reason: CloseReason, out: &mut Vec<StreamItem>) {
        self.flush(out);
        self.end(reason, out);
    }

    /// Nothing more comes: the picture that waited for its successor has none.
    pub fn flush(&mut self, out: &mut Vec<StreamItem>) {
        if let (Some(last), Some(timeline)) = (self.joiner.flush(), &self.timeline) {
            // A jump closes before that which jumped is joined with anything.
            let (session, arrival) = (timeline.session, last.arrival);
            if self.go_on(last, out).is_err() {
                tracing::debug!(%session, ?arrival, "the last picture is refused");
            }
        }
    }

    fn end(&mut self, reason: CloseReason, out: &mut Vec<StreamItem>) {
        if let Some(timeline) = self.timeline.take() {
            out.push(StreamItem::Closed { session: timeline.session, reason });
        }
    }

    fn video(
        &mut self,
        message: &Message,
        arrival: Monotonic,
        out: &mut Vec<StreamItem>,
    ) -> Result<(), MediaRefused> {
        let tag = VideoTag::read(&message.body);
        self.tracks.1 = self.tracks.1 || VideoTag::has_other_tracks(&message.body);
        let of_first = matches!(tag, VideoTag::Configuration { .. } | VideoTag::Picture { .. });
        self.tracks.0 |= of_first;
        if of_first && self.unusable.1 == Some(Unusable::OtherTrack) {
            self.unusable.1 = None;
        }
        match tag {
            VideoTag::Configuration { codec, record } => {
                if let Some(before) = self.joiner.flush() {
                    self.go_on(before, out)?;
                }
                self.configure(codec, &record)
            }
            VideoTag::Picture { codec, key, composition_ms, offset_nanos, data } => {
                if self.video.as_ref().is_none_or(|video| video.codec() != codec) {
                    // Without a record: the sets may come in the pictures.
                    if let Some(before) = self.joiner.flush() {
                        self.go_on(before, out)?;
                    }
                    self.video = Some(Video::new(codec));
                }
                let picture = Picture { key, composition_ms, offset_nanos, data };
                self.picture(picture, message.timestamp, arrival, out)
            }
            VideoTag::Nothing => Ok(()),
            VideoTag::OtherTrack => {
                // Beside the first one's it is not ours; alone it is why there is no picture.
                if !self.tracks.0 {
                    self.unusable.1 = Some(Unusable::OtherTrack);
                }
                Ok(())
            }
            VideoTag::Cut => {
                self.let_go(Unusable::Cut);
                Ok(())
            }
            VideoTag::Other(what) => Err(MediaRefused::Coding { what: Foreign::name(&what) }),
        }
    }

    fn let_go(&mut self, why: Unusable) {
        self.unusable = (self.unusable.0 + 1, Some(why));
    }

    /// Takes a sequence header. One that cannot be read leaves what was in force.
    fn configure(&mut self, codec: Codec, record: &Bytes) -> Result<(), MediaRefused> {
        let read = match codec {
            Codec::H264 => h264::ParameterSets::from_record(record)
                .map(|(sets, length_size)| (Sets::H264(sets), length_size)),
            Codec::H265 => h265::ParameterSets::from_record(record)
                .map(|(sets, length_size)| (Sets::H265(sets), length_size)),
        };
        let parameters = self.video.as_ref().and_then(|video| video.parameters.clone());
        let video = match read {
            Some((sets, length_size)) => {
                Video { sets, length_size, parameters, ..Video::new(codec) }
            }
            None => {
                // The sets behind start codes, as they stand in a stream of bytes (Annex B).
                let mut video = Video { parameters, ..Video::new(codec) };
                let mut any = false;
                for unit in units_of(record).take(MAX_SETS_A_PICTURE) {
                    any |= video.supersede(&record.slice_ref(unit));
                }
                if !any {
                    self.unusable.1 = Some(Unusable::Record);
                    return Ok(());
                }
                video
            }
        };
        self.video.insert(video).settle();
        self.ask()
    }

    /// Asks whether the pictures of the sets in force may be decoded.
    fn ask(&mut self) -> Result<(), MediaRefused> {
        let allowed = (self.allowed)();
        let Some(video) = &mut self.video else { return Ok(()) };
        (self.needs, video.naming) = match &video.sets {
            Sets::H264(sets) => (budget::ask(sets.coded(), allowed)?, None),
            Sets::H265(sets) => {
                let needed = budget::ask(sets.coded(), allowed)?;
                let fits = budget::fits_at_most(sets.coded(), allowed);
                (needed, (!fits).then(|| Naming::new(sets)))
            }
        };
        Ok(())
    }

    /// Asks for references that a picture of units with lengths of 4 bytes names beyond what its set
    /// lets the decoder keep. False where nobody can say how many it names, and all that it could
    /// would not fit.
    fn ask_for_named(&mut self, units: &[u8]) -> Result<bool, MediaRefused> {
        let Some(naming) = self.video.as_mut().and_then(|video| video.naming.as_mut()) else {
            return Ok(true);
        };
        let mut rest = units;
        while let Some((length, after)) = rest.split_first_chunk::<LENGTH_SIZE>() {
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            let Some((unit, after)) = after.split_at_checked(length) else { return Ok(false) };
            match naming.look(unit) {
                Named::AsKnown => {}
                Named::More(pictures) => {
                    let needed = budget::ask([pictures], (self.allowed)())?;
                    self.needs = self.needs.or(needed);
                }
                Named::Unknown => return Ok(false),
            }
            rest = after;
        }
        Ok(true)
    }

    fn picture(
        &mut self,
        picture: Picture,
        timestamp: u32,
        arrival: Monotonic,
        out: &mut Vec<StreamItem>,
    ) -> Result<(), MediaRefused> {
        let Some(video) = &mut self.video else { return Ok(()) };
        let coded = start_coded(&picture.data, video.length_size);
        let length_size = if coded.is_some() { LENGTH_SIZE } else { video.length_size };
        let units = coded.unwrap_or(picture.data);
        let Some(mut walked) = video.walk(&units, length_size, self.joiner.learns()) else {
            video.prefix.clear();
            self.let_go(Unusable::Malformed);
            return Ok(());
        };
        self.lookahead = walked.lookahead.or(self.lookahead);
        let Some(video) = &mut self.video else { return Ok(()) };
        if walked.sets_changed {
            video.settle();
        }
        if !walked.has_slices() {
            let kept = walked.rebuilt.as_deref().unwrap_or(&units);
            if video.prefix.len() + kept.len() <= MAX_PREFIX {
                video.prefix.extend_from_slice(kept);
            }
            let of_last = self.joiner.last() == Some(timestamp);
            if !of_last {
                video.wall = walked.wall.or(video.wall);
            }
            if walked.sets_changed {
                self.ask()?;
            }
            if let Some(whole) = self.joiner.flush_before(timestamp) {
                self.go_on(whole, out)?;
            }
            // Behind its picture, as some write it.
            if of_last && let Some(held) = self.joiner.held() {
                held.wall = held.wall.or(walked.wall);
            } else if of_last
                && let (Some(utc), Some(timeline)) = (walked.wall, &self.timeline)
                && let (session, Some(media)) = (timeline.session, timeline.last_pts)
            {
                let source = WallSource::Sei;
                out.push(StreamItem::Wall(WallReference { session, media, utc, source }));
            }
            return Ok(());
        }
        let cuts = walked.cuts(video.macroblocks);
        let data = video.finish(walked.rebuilt, units);
        let wall = walked.wall.or(video.wall.take());
        let parameters = video.parameters.clone();
        if walked.sets_changed {
            self.ask()?;
        }
        let Some(parameters) = parameters else {
            // What could not be read says more than that it is missing.
            let why = self.unusable.1.filter(|why| *why == Unusable::Record);
            self.let_go(why.unwrap_or(Unusable::NoParameters));
            return Ok(());
        };
        let taken = Taken {
            timestamp,
            composition_ms: picture.composition_ms,
            offset_nanos: picture.offset_nanos,
            begins: walked.begins,
            slices: walked.slices,
            cuts,
            key: walked.starts_decoding || (picture.key && walked.recovery),
            b_slices: walked.b_slices,
            wall,
            data,
            parameters,
            arrival,
        };
        let Joined { whole, lost } = self.joiner.take(taken);
        if lost {
            self.let_go(Unusable::Late);
        }
        for picture in whole.into_iter().flatten() {
            self.go_on(picture, out)?;
        }
        Ok(())
    }

    /// A whole picture takes its place in the session.
    fn go_on(&mut self, picture: Taken, out: &mut Vec<StreamItem>) -> Result<(), MediaRefused> {
        if !self.ask_for_named(&picture.data)? {
            self.let_go(Unusable::Malformed);
            return Ok(());
        }
        if picture.composition_ms.abs() > MAX_COMPOSITION {
            self.let_go(Unusable::Composition);
            return Ok(());
        }
        let arrival = picture.arrival;
        self.composed |= picture.composition_ms != 0;
        let dts = self.place(&picture, arrival, out)?;
        let Some(timeline) = &mut self.timeline else { return Ok(()) };
        let session = timeline.session;
        let sequence = timeline.sequence;
        timeline.sequence += 1;
        let pts = dts.plus_nanos(i64::from(picture.composition_ms) * 1_000_000);
        timeline.last_pts = Some(pts);
        if let Some(utc) = picture.wall {
            let source = WallSource::Sei;
            out.push(StreamItem::Wall(WallReference { session, media: pts, utc, source }));
        }
        out.push(StreamItem::Video(AccessUnit {
            session,
            sequence,
            pts,
            dts,
            key: picture.key,
            b_slices: picture.b_slices,
            data: picture.data,
            parameters: picture.parameters,
            arrival,
        }));
        Ok(())
    }

    /// Puts a picture's timestamp on the session's time; opens a session where one begins.
    fn place(
        &mut self,
        picture: &Taken,
        arrival: Monotonic,
        out: &mut Vec<StreamItem>,
    ) -> Result<MediaTime, MediaRefused> {
        let timestamp = picture.timestamp;
        if let Some(timeline) = &mut self.timeline
            && let Some(by_arrival) = &mut timeline.by_arrival
        {
            let dts = by_arrival.place(arrival);
            timeline.video = Some((timestamp, dts.as_nanos() / 1_000_000, arrival));
            timeline.last_dts = Some(dts);
            return Ok(dts);
        }
        let (mut shown_before, mut moved_back) = (false, false);
        let placed = match &self.timeline {
            None => None,
            Some(timeline) => match (timeline.video, self.sound.last()) {
                (Some((last, at, _)), _) => {
                    let moved = step(last, timestamp);
                    let may_be_b = picture.b_slices && !self.composed;
                    shown_before = may_be_b && (-SHOWN_BEFORE_MS..-MAX_STEP_BACK).contains(&moved);
                    moved_back = moved < -MAX_STEP_BACK;
                    let least = if may_be_b { -MAX_STEP_BACK } else { -MAX_JITTER_BACK };
                    (least..=MAX_STEP).contains(&moved).then_some(at + moved)
                }
                // The first picture of a session may lie on either side of its first sound. Farther beside it, the
                // sound is of another clock.
                (None, Some((last, at))) => {
                    let moved = step(last, timestamp);
                    (-BESIDE_MS..=BESIDE_MS).contains(&moved).then_some(at + moved)
                }
                (None, None) => Some(i64::from(timestamp)),
            },
        };
        let offset = i64::from(picture.offset_nanos);
        let nanos = |at: i64| MediaTime::from_millis(at).plus_nanos(offset);
        let straightened = placed.and_then(|at| {
            let last = self.timeline.as_ref().and_then(|timeline| timeline.last_dts);
            let least = last.map(|last| last.plus_nanos(LEAST_STEP_NANOS));
            let dts = least.map_or(nanos(at), |least| least.max(nanos(at)));
            (dts.nanos_since(nanos(at)) <= MAX_LEAD_NANOS).then_some((at, dts))
        });
        if moved_back && straightened.is_some() && !self.believed {
            self.steps_back.retain(|back| arrival.since(*back) < LATELY);
            self.steps_back.push(arrival);
        }
        let going_on = self.going_on(arrival);
        let (at, dts) = match (straightened, going_on) {
            (Some(_), Some(due)) if self.is_often(&self.steps_back, arrival) => {
                return self.give_times_up(due, timestamp, arrival, out);
            }
            (Some(straightened), _) => straightened,
            (None, Some(due)) => {
                self.jumps.retain(|(jump, _)| arrival.since(*jump) < JUMP_WINDOW);
                self.jumps.push((arrival, shown_before));
                match self.becomes_of_jump(picture.key, arrival)? {
                    Jump::Useless => return self.give_times_up(due, timestamp, arrival, out),
                    Jump::GoesOn => (due.as_nanos() / 1_000_000, due),
                    Jump::Session => {
                        self.reopen(arrival, out);
                        (i64::from(timestamp), nanos(i64::from(timestamp)))
                    }
                }
            }
            // Sound alone, of another time than the pictures, is no jump of theirs.
            (None, None) => {
                self.reopen(arrival, out);
                (i64::from(timestamp), nanos(i64::from(timestamp)))
            }
        };
        let declared = self.declared_rate();
        if !self.believed && self.pace.saw(at, arrival, declared) {
            return self.turn_to_arrival(dts, timestamp, arrival, out);
        }
        self.placed(timestamp, at, dts, arrival);
        Ok(dts)
    }

    /// The time at which a picture that comes now goes on behind the last one; `None` in front of the first.
    fn going_on(&self, arrival: Monotonic) -> Option<MediaTime> {
        let timeline = self.timeline.as_ref()?;
        let ((_, _, came), last) = timeline.video.zip(timeline.last_dts)?;
        let since = i64::try_from(arrival.since(came).as_nanos()).unwrap_or(i64::MAX);
        Some(last.plus_nanos(since.max(LEAST_STEP_NANOS)))
    }

    /// What becomes of the jump that was noted last.
    fn becomes_of_jump(&self, key: bool, now: Monotonic) -> Result<Jump, MediaRefused> {
        let by_b = self.jumps.iter().filter(|(_, shown_before)| *shown_before).count();
        let is_b = by_b * 2 > self.jumps.len();
        let jumps: Vec<_> = self.jumps.iter().map(|(jump, _)| *jump).collect();
        let at_once = jumps.iter().filter(|jump| now.since(**jump) < AT_ONCE).count();
        // What is read of a recording comes at no time of its own.
        if !is_b && (at_once > 1 && !self.believed || self.is_often(&jumps, now)) {
            return Ok(Jump::Useless);
        }
        if self.jumps.len() > MAX_JUMPS {
            return Err(if is_b { MediaRefused::BFrames } else { MediaRefused::Jumps });
        }
        let began = self.timeline.as_ref().and_then(|timeline| timeline.began);
        let has_just_begun = began.is_some_and(|(_, began)| now.since(began) < AT_ONCE);
        let goes_on = has_just_begun && !key && !is_b && !self.believed;
        Ok(if goes_on { Jump::GoesOn } else { Jump::Session })
    }

    /// True if there were more of them lately than of times that mean something.
    fn is_often(&self, jumps: &[Monotonic], now: Monotonic) -> bool {
        let lately = jumps.iter().filter(|jump| now.since(**jump) < LATELY).count();
        !self.believed && lately > MAX_LATELY
    }

    /// Times jump again and again: from this picture on they are not used.
    fn give_times_up(
        &mut self,
        due: MediaTime,
        timestamp: u32,
        arrival: Monotonic,
        out: &mut Vec<StreamItem>,
    ) -> Result<MediaTime, MediaRefused> {
        let step = self.declared_rate().map_or(USUAL_STEP_NANOS, |rate| 1e9 / rate);
        self.pace.jumps(step);
        self.turn_to_arrival(due, timestamp, arrival, out)
    }

    fn placed(&mut self, timestamp: u32, at: i64, dts: MediaTime, arrival: Monotonic) {
        if let Some(timeline) = &mut self.timeline {
            timeline.video = Some((timestamp, at, arrival));
            timeline.last_dts = Some(dts);
            timeline.began.get_or_insert((dts, arrival));
        }
    }

    /// Pictures a second that the stream declares. Metadata and parameter sets that contradict each other declare
    /// nothing.
    fn declared_rate(&self) -> Option<f64> {
        let of_sets = self.video.as_ref().and_then(|video| video.rate);
        let of_sets = of_sets.filter(|rate| DECLARED.contains(rate));
        match (self.declared, of_sets) {
            (Some(one), Some(other)) => ((one / other - 1.0).abs() < 0.05).then_some(one),
            (one, other) => one.or(other),
        }
    }

    /// Times were found wrong: from this picture on they are not used. A session that is too short by now goes on
    /// where it should be, as behind a pause; one that is too long ends.
    fn turn_to_arrival(
        &mut self,
        dts: MediaTime,
        timestamp: u32,
        arrival: Monotonic,
        out: &mut Vec<StreamItem>,
    ) -> Result<MediaTime, MediaRefused> {
        let step = self.pace.wrong().map_or(0.0, |wrong| wrong.step);
        let going_on = self.timeline.as_ref().and_then(|timeline| {
            let (began, last) = (timeline.began?, timeline.last_dts?);
            let by_arrival = ByArrival::new(began, last, step);
            let ahead = last.nanos_since(by_arrival.due(arrival));
            (ahead < AHEAD_NANOS).then_some(by_arrival)
        });
        let by_arrival = match going_on {
            Some(by_arrival) => by_arrival,
            None => {
                self.reopen(arrival, out);
                ByArrival::new((dts, arrival), dts.plus_nanos(-LEAST_STEP_NANOS), step)
            }
        };
        let Some(timeline) = &mut self.timeline else { return Ok(dts) };
        let dts = timeline.by_arrival.insert(by_arrival).begin(arrival);
        self.placed(timestamp, dts.as_nanos() / 1_000_000, dts, arrival);
        Ok(dts)
    }

    /// Opens a session, after closing the one that is open.
    fn reopen(&mut self, arrival: Monotonic, out: &mut Vec<StreamItem>) {
        let had_pictures = self.timeline.as_ref().is_some_and(|timeline| timeline.video.is_some());
        self.end(CloseReason::TimeJump, out);
        self.open(arrival, had_pictures, out);
    }

    fn open(&mut self, arrival: Monotonic, had_pictures: bool, out: &mut Vec<StreamItem>) {
        let session = (self.new_session)();
        self.pace.restart();
        self.sound.begins(arrival, had_pictures);
        self.timeline = Some(Timeline {
            session,
            video: None,
            began: None,
            by_arrival: None,
            last_dts: None,
            last_pts: None,
            sequence: 0,
        });
        out.push(StreamItem::Opened(Arc::new(StreamInfo {
            court: self.court.clone(),
            session,
            peer: self.peer.clone(),
            encoder: self.encoder.clone(),
            opened: arrival,
        })));
        self.tell_sound(out);
    }

    /// Says how the sound is coded, before any of it comes.
    fn tell_sound(&self, out: &mut Vec<StreamItem>) {
        if let (Some(timeline), Some(parameters)) = (&self.timeline, self.sound.kept()) {
            let (session, parameters) = (timeline.session, Arc::clone(parameters));
            out.push(StreamItem::Sound { session, parameters });
        }
    }

    fn sound(
        &mut self,
        message: &Message,
        arrival: Monotonic,
        out: &mut Vec<StreamItem>,
    ) -> Result<(), MediaRefused> {
        match AudioTag::read(&message.body) {
            AudioTag::Configuration(config) => {
                if self.sound.record(&config) {
                    self.tell_sound(out);
                }
            }
            AudioTag::Frame(data) => {
                if let Some(first) = self.joiner.heard(message.timestamp) {
                    self.go_on(first, out)?;
                }
                let (frames, said) = self.sound.frames(&data);
                if said {
                    self.tell_sound(out);
                }
                let Some(parameters) = self.sound.kept().map(Arc::clone) else { return Ok(()) };
                if self.timeline.is_none() {
                    self.open(arrival, false, out);
                }
                let Some(timeline) = &self.timeline else { return Ok(()) };
                let beside = timeline.video.zip(timeline.last_dts);
                let beside = beside.map(|((sent, at, arrival), dts)| Beside {
                    sent: (sent, at),
                    dts,
                    arrival,
                    by_arrival: timeline.by_arrival.is_some(),
                });
                let session = timeline.session;
                let placed = self.sound.place(message.timestamp, arrival, frames.len(), beside);
                for (pts, data) in placed.into_iter().flatten().zip(frames) {
                    let parameters = Arc::clone(&parameters);
                    let unit = AudioUnit { session, pts, data, parameters, arrival };
                    out.push(StreamItem::Audio(unit));
                }
            }
            AudioTag::Nothing => {}
            AudioTag::Other(what) => self.sound.other(what),
        }
        Ok(())
    }
}

/// What becomes of a jump.
enum Jump {
    /// A session of its own.
    Session,
    /// Its picture is decoded from what came just before: another session would begin without a key picture.
    GoesOn,
    /// One too many: times are not used any more.
    Useless,
}

/// One picture as its tag said.
struct Picture {
    key: bool,
    composition_ms: i32,
    offset_nanos: u32,
    data: Bytes,
}

/// A picture, or a part of one, that has been looked at.
struct Taken {
    timestamp: u32,
    composition_ms: i32,
    offset_nanos: u32,
    begins: bool,
    slices: u32,
    /// Where it says where they begin.
    cuts: Option<Cuts>,
    key: bool,
    b_slices: bool,
    wall: Option<UtcTime>,
    data: Bytes,
    parameters: Arc<CodecParameters>,
    arrival: Monotonic,
}

impl Part for Taken {
    fn timestamp(&self) -> u32 {
        self.timestamp
    }

    fn begins(&self) -> bool {
        self.begins
    }

    fn slices(&self) -> u32 {
        self.slices
    }

    fn is_whole(&self) -> bool {
        self.cuts.as_ref().is_some_and(Cuts::are_even)
    }

    fn len(&self) -> usize {
        self.data.len()
    }

    fn join(&mut self, next: Self) {
        let mut data = BytesMut::from(std::mem::take(&mut self.data));
        data.extend_from_slice(&next.data);
        self.data = data.freeze();
        self.slices += next.slices;
        self.cuts = self.cuts.take().zip(next.cuts).map(|(mut cuts, next)| {
            cuts.join(next);
            cuts
        });
        self.b_slices |= next.b_slices;
        self.wall = self.wall.or(next.wall);
        // Its last byte is the picture's.
        self.arrival = next.arrival;
    }
}

#[cfg(test)]
mod tests;
