//! Media messages of one publish → stream items: sessions, unwrapped times, access units.
//!
//! Video governs time. Its timestamps are unwrapped from 32 bits; one that runs backwards, or more
//! than 10 s forwards, closes the session and opens another (DESIGN §5.2). Steps back of at most
//! [`MAX_STEP_BACK`] are encoders' jitter and are straightened instead. Sound is placed beside it.
//!
//! Parameter sets inside pictures are taken out (`video`) and become new parameters of the units when they
//! differ: a unit never contradicts its parameters, and files need no sets in their samples. No set
//! goes past here of which [`budget`] was not asked: what can be read is asked
//! for, what cannot is taken out, as are sets that no picture here needs, and a NAL unit with a start
//! code inside of it is told as the several ones that a decoder would find.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::event::words::Sound;
use crate::ingest::budget::{self, Allowance, Budget, Needs};
use crate::ingest::joining::{Joined, Joiner, Part, start_coded, units_of};
use crate::ingest::records::{audio_parameters, on_fi};
use crate::ingest::refused::{MAX_JUMPS, MediaRefused, Unusable};
use crate::ingest::video::{LENGTH_SIZE, MAX_PREFIX, MAX_SETS_A_PICTURE, Sets, Video};
use crate::media::naming::{Named, Naming};
use crate::media::{
    AccessUnit, AudioParameters, AudioUnit, CloseReason, Codec, CodecParameters, CourtId, Foreign,
    MediaTime, Monotonic, SessionId, StreamInfo, StreamItem, UtcTime, WallReference, WallSource,
    h264, h265,
};
use crate::rtmp::amf0::Value;
use crate::rtmp::flv::{AudioTag, VideoTag};
use crate::rtmp::message::{Message, kind};

/// Further forwards is a jump, ms (DESIGN §5.2).
const MAX_STEP: i64 = 10_000;
/// Further backwards is a jump, ms: what cameras' clocks were seen to jitter by, and more.
const MAX_STEP_BACK: i64 = 50;
/// Pictures are at least this far apart; RTMP's own grain.
const LEAST_STEP_NANOS: i64 = 1_000_000;
/// A clock that stands still is let run ahead of itself this far before it counts as a jump.
const MAX_LEAD_NANOS: i64 = 1_000_000_000;
/// Presentation may differ from decoding time by so much, ms; more is damage.
const MAX_COMPOSITION: i32 = 10_000;
/// For [`MAX_JUMPS`].
const JUMP_WINDOW_NANOS: u64 = 60_000_000_000;

/// Turns the media messages of one publish into stream items.
pub struct StreamAssembler {
    court: CourtId,
    peer: String,
    encoder: Option<Foreign>,
    new_session: Box<dyn FnMut() -> SessionId + Send>,
    allowed: Box<dyn Fn() -> Allowance + Send>,
    needs: Needs,
    timeline: Option<Timeline>,
    jumps: Vec<Monotonic>,
    video: Option<Video>,
    joiner: Joiner<Taken>,
    audio: Audio,
    unusable: (u64, Option<Unusable>),
    lookahead: Option<u16>,
}

/// Where a session's time stands.
struct Timeline {
    session: SessionId,
    /// Last timestamps as sent, with what they were unwrapped to, ms.
    video: Option<(u32, i64)>,
    audio: Option<(u32, i64)>,
    last_dts: Option<MediaTime>,
    last_pts: Option<MediaTime>,
    last_sound: Option<MediaTime>,
    sequence: u64,
}

#[derive(Default)]
struct Audio {
    parameters: Option<Arc<AudioParameters>>,
    left_out: Option<String>,
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
            video: None,
            joiner: Joiner::default(),
            audio: Audio::default(),
            unusable: (0, None),
            lookahead: None,
        }
    }

    /// Asks `allowed`, at each change of parameters, what its pictures may take.
    #[must_use]
    pub fn within(self, allowed: Box<dyn Fn() -> Allowance + Send>) -> Self {
        Self { allowed, ..self }
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
        match (&self.audio.left_out, &self.audio.parameters) {
            (Some(what), _) => Sound::LeftOut(what.clone()),
            (None, Some(known)) => {
                Sound::Aac { sample_rate: known.sample_rate, channels: known.channels }
            }
            (None, None) => Sound::None,
        }
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
            kind::AUDIO => {
                self.sound(message, arrival, out);
                Ok(())
            }
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
            }
            "onFI" => {
                let text = |name| member(name).and_then(Value::text);
                if let (Some(timeline), Some(utc)) = (&self.timeline, on_fi(text("sd"), text("st")))
                    && let Some((last, at)) = timeline.video
                {
                    let media = MediaTime::from_millis(at + step(last, timestamp));
                    let (session, source) = (timeline.session, WallSource::OnFi);
                    out.push(StreamItem::Wall(WallReference { session, media, utc, source }));
                }
            }
            _ => {}
        }
    }

    /// Ends the open session, if there is one. The picture that waited for its successor has none.
    pub fn close(&mut self, reason: CloseReason, out: &mut Vec<StreamItem>) {
        if let (Some(last), Some(timeline)) = (self.joiner.flush(), &self.timeline) {
            // A jump closes before that which jumped is joined with anything.
            let (session, arrival) = (timeline.session, last.arrival);
            if self.go_on(last, out).is_err() {
                tracing::debug!(%session, ?arrival, "the last picture is refused");
            }
        }
        self.end(reason, out);
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
        match VideoTag::read(&message.body) {
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
            VideoTag::Cut => {
                self.let_go(Unusable::Malformed);
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
        let Some(walked) = video.walk(&units, length_size) else {
            video.prefix.clear();
            self.let_go(Unusable::Malformed);
            return Ok(());
        };
        self.lookahead = walked.lookahead.or(self.lookahead);
        let Some(video) = &mut self.video else { return Ok(()) };
        if walked.sets_changed {
            video.settle();
        }
        if !walked.has_slices {
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
            if of_last
                && let (Some(utc), Some(timeline)) = (walked.wall, &self.timeline)
                && let (session, Some(media)) = (timeline.session, timeline.last_pts)
            {
                let source = WallSource::Sei;
                out.push(StreamItem::Wall(WallReference { session, media, utc, source }));
            }
            return Ok(());
        }
        let data = video.finish(walked.rebuilt, units);
        let wall = walked.wall.or(video.wall.take());
        let parameters = video.parameters.clone();
        if walked.sets_changed {
            self.ask()?;
        }
        let Some(parameters) = parameters else {
            self.let_go(Unusable::NoParameters);
            return Ok(());
        };
        let taken = Taken {
            timestamp,
            composition_ms: picture.composition_ms,
            offset_nanos: picture.offset_nanos,
            begins: walked.begins,
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
        if !self.ask_for_named(&picture.data)? || picture.composition_ms.abs() > MAX_COMPOSITION {
            self.let_go(Unusable::Malformed);
            return Ok(());
        }
        let arrival = picture.arrival;
        let dts = self.place(picture.timestamp, picture.offset_nanos, arrival, out)?;
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
        timestamp: u32,
        offset_nanos: u32,
        arrival: Monotonic,
        out: &mut Vec<StreamItem>,
    ) -> Result<MediaTime, MediaRefused> {
        let placed = match &self.timeline {
            None => None,
            Some(timeline) => match (timeline.video, timeline.audio) {
                (Some((last, at)), _) => {
                    let moved = step(last, timestamp);
                    (-MAX_STEP_BACK..=MAX_STEP).contains(&moved).then_some(at + moved)
                }
                // The first picture of a session may lie on either side of its first sound.
                (None, Some((last, at))) => {
                    let moved = step(last, timestamp);
                    (-MAX_STEP..=MAX_STEP).contains(&moved).then_some(at + moved)
                }
                (None, None) => Some(i64::from(timestamp)),
            },
        };
        let nanos = |at: i64| MediaTime::from_millis(at).plus_nanos(i64::from(offset_nanos));
        let straightened = placed.and_then(|at| {
            let last = self.timeline.as_ref().and_then(|timeline| timeline.last_dts);
            let least = last.map(|last| last.plus_nanos(LEAST_STEP_NANOS));
            let dts = least.map_or(nanos(at), |least| least.max(nanos(at)));
            (dts.nanos_since(nanos(at)) <= MAX_LEAD_NANOS).then_some((at, dts))
        });
        let (at, dts) = match straightened {
            Some(straightened) => straightened,
            None => {
                self.reopen(arrival, out)?;
                (i64::from(timestamp), nanos(i64::from(timestamp)))
            }
        };
        if let Some(timeline) = &mut self.timeline {
            timeline.video = Some((timestamp, at));
            timeline.last_dts = Some(dts);
        }
        Ok(dts)
    }

    /// Opens a session, after closing the one that is open.
    fn reopen(
        &mut self,
        arrival: Monotonic,
        out: &mut Vec<StreamItem>,
    ) -> Result<(), MediaRefused> {
        if self.timeline.is_some() {
            self.jumps.retain(|jump| arrival.since(*jump).as_nanos() < JUMP_WINDOW_NANOS.into());
            self.jumps.push(arrival);
            if self.jumps.len() > MAX_JUMPS {
                return Err(MediaRefused::Jumps);
            }
            self.end(CloseReason::TimeJump, out);
        }
        let session = (self.new_session)();
        self.timeline = Some(Timeline {
            session,
            video: None,
            audio: None,
            last_dts: None,
            last_pts: None,
            last_sound: None,
            sequence: 0,
        });
        out.push(StreamItem::Opened(Arc::new(StreamInfo {
            court: self.court.clone(),
            session,
            peer: self.peer.clone(),
            encoder: self.encoder.clone(),
            opened: arrival,
        })));
        Ok(())
    }

    fn sound(&mut self, message: &Message, arrival: Monotonic, out: &mut Vec<StreamItem>) {
        match AudioTag::read(&message.body) {
            AudioTag::Configuration(config) => match audio_parameters(&config) {
                Some(new) => {
                    if self.audio.parameters.as_deref() != Some(&new) {
                        self.audio.parameters = Some(Arc::new(new));
                    }
                    self.audio.left_out = None;
                }
                None => self.audio.left_out = Some("this kind of AAC".to_owned()),
            },
            AudioTag::Frame(data) => {
                if self.audio.left_out.is_none()
                    && let Some(parameters) = self.audio.parameters.clone()
                    && let Some((session, pts)) = self.place_sound(message.timestamp, arrival, out)
                {
                    out.push(StreamItem::Audio(AudioUnit {
                        session,
                        pts,
                        data,
                        parameters,
                        arrival,
                    }));
                }
            }
            AudioTag::Nothing => {}
            AudioTag::Other(what) => self.audio.left_out = Some(what),
        }
    }

    /// Puts a sound's timestamp beside the pictures'; `None` if it is nowhere near: around a jump,
    /// sound of the old time may follow pictures of the new.
    fn place_sound(
        &mut self,
        timestamp: u32,
        arrival: Monotonic,
        out: &mut Vec<StreamItem>,
    ) -> Option<(SessionId, MediaTime)> {
        if self.timeline.is_none() {
            self.reopen(arrival, out).ok()?;
        }
        let timeline = self.timeline.as_mut()?;
        let near = |(last, at): (u32, i64)| {
            let moved = step(last, timestamp);
            (-MAX_STEP..=MAX_STEP).contains(&moved).then_some(at + moved)
        };
        let at = match (timeline.video, timeline.audio) {
            (None, None) => i64::from(timestamp),
            (video, audio) => video.and_then(near).or_else(|| audio.and_then(near))?,
        };
        timeline.audio = Some((timestamp, at));
        let at = MediaTime::from_millis(at);
        let pts = timeline.last_sound.map_or(at, |last| last.max(at));
        timeline.last_sound = Some(pts);
        Some((timeline.session, pts))
    }
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

    fn len(&self) -> usize {
        self.data.len()
    }

    fn join(&mut self, next: Self) {
        let mut data = BytesMut::from(std::mem::take(&mut self.data));
        data.extend_from_slice(&next.data);
        self.data = data.freeze();
        self.b_slices |= next.b_slices;
        self.wall = self.wall.or(next.wall);
        // Its last byte is the picture's.
        self.arrival = next.arrival;
    }
}

/// Milliseconds from `last` to `now`, both 32 bits and wrapping.
fn step(last: u32, now: u32) -> i64 {
    i64::from(now.wrapping_sub(last).cast_signed())
}

#[cfg(test)]
mod tests;
