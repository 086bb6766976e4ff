//! Media messages of one publish → stream items: sessions, unwrapped times, access units.
//!
//! Video governs time. Its timestamps are unwrapped from 32 bits; one that runs backwards, or more
//! than 10 s forwards, closes the session and opens another (DESIGN §5.2). Steps back of at most
//! [`MAX_STEP_BACK`] are encoders' jitter and are straightened instead. Sound is placed beside it.
//!
//! Parameter sets inside pictures are taken out and become new [`CodecParameters`] when they
//! differ: a unit never contradicts its parameters, and files need no sets in their samples. No set
//! goes past here of which [`budget`] was not asked: what can be read is asked
//! for, what cannot is taken out, as are sets that no picture here needs, and a NAL unit with a start
//! code inside of it is told as the several ones that a decoder would find.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::event::words::Sound;
use crate::ingest::budget::{self, Allowance, Budget, PicturesRefused};
use crate::ingest::flv::{AudioTag, VideoTag};
use crate::ingest::rtmp::amf0::Value;
use crate::ingest::rtmp::message::{Message, kind};
use crate::ingest::segments::SegmentLimits;
use crate::media::naming::{Named, Naming};
use crate::media::sei::Sei;
use crate::media::{
    AccessUnit, AudioParameters, AudioUnit, CloseReason, Codec, CodecParameters, CourtId, Foreign,
    MediaTime, Monotonic, SessionId, StreamInfo, StreamItem, UtcTime, WallReference, WallSource,
    h264, h265,
};

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
/// Jumps in [`JUMP_WINDOW_NANOS`] that a publisher may make: more is an attack or a broken clock.
const MAX_JUMPS: usize = 16;
const JUMP_WINDOW_NANOS: u64 = 60_000_000_000;
/// Told where they were too many.
const SEGMENTS: u32 = SegmentLimits::USUAL.burst();
/// NAL units without a picture (SEI, delimiters) that are kept for the next one, bytes.
const MAX_PREFIX: usize = 64 << 10;
/// Parameter sets that a picture may carry: encoders send two to four, and each twice at most.
const MAX_SETS_A_PICTURE: usize = 64;
/// NAL units of a picture: H.265 allows 600 slices (A.4.2), and who cuts H.264 for a lossy network makes one of
/// each 1,200 bytes.
const MAX_UNITS_A_PICTURE: usize = 8192;
/// Bytes of a NAL unit's length in what we give out.
const LENGTH_SIZE: usize = 4;

/// Why a publisher cannot go on; told to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum MediaRefused {
    /// A coding that we do not take.
    #[error("{what} video is not taken: set the encoder to H.264 or H.265")]
    Coding { what: Foreign },
    /// More jumps than any honest clock makes.
    #[error("timestamps jumped {MAX_JUMPS} times within a minute: check the encoder's clock")]
    Jumps,
    /// Its pictures are more than a decoder may be built for.
    #[error("{0}")]
    Pictures(#[from] PicturesRefused),
    /// More recordings begun than any honest encoder's.
    #[error(
        "other settings began a recording {SEGMENTS} times within seconds: leave the encoder's size, \
         profile and sound as they are"
    )]
    Segments,
}

impl MediaRefused {
    /// A stable word for metrics and state.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Coding { .. } => "coding",
            Self::Jumps => "jumps",
            Self::Pictures(PicturesRefused::TooLarge { .. }) => "pictures",
            Self::Pictures(PicturesRefused::Format { .. }) => "format",
            Self::Segments => "segments",
        }
    }
}

/// Why a picture was let go here. Summed, told in the court's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// No parameter sets that can be read have come.
    NoParameters,
    /// Its NAL units do not add up.
    Malformed,
}

impl Unusable {
    /// Returns it in words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoParameters => "picture without parameter sets",
            Self::Malformed => "picture whose NAL units do not add up",
        }
    }
}

/// Turns the media messages of one publish into stream items.
pub struct StreamAssembler {
    court: CourtId,
    peer: String,
    encoder: Option<Foreign>,
    new_session: Box<dyn FnMut() -> SessionId + Send>,
    allowed: Box<dyn Fn() -> Allowance + Send>,
    picture_memory: u64,
    timeline: Option<Timeline>,
    jumps: Vec<Monotonic>,
    video: Option<Video>,
    audio: Audio,
    unusable: (u64, Option<Unusable>),
}

/// Where a session's time stands.
struct Timeline {
    session: SessionId,
    /// Last timestamps as sent, with what they were unwrapped to, ms.
    video: Option<(u32, i64)>,
    audio: Option<(u32, i64)>,
    last_dts: Option<MediaTime>,
    last_sound: Option<MediaTime>,
    sequence: u64,
}

struct Video {
    sets: Sets,
    length_size: usize,
    parameters: Option<Arc<CodecParameters>>,
    prefix: BytesMut,
    /// Where pictures could name more references than there is memory for.
    naming: Option<Naming>,
}

enum Sets {
    H264(h264::ParameterSets),
    H265(h265::ParameterSets),
}

#[derive(Default)]
struct Audio {
    parameters: Option<Arc<AudioParameters>>,
    left_out: Option<String>,
}

/// What a walk over a picture's NAL units found.
#[derive(Default)]
struct Walked {
    has_slices: bool,
    starts_decoding: bool,
    recovery: bool,
    b_slices: bool,
    sets_changed: bool,
    wall: Option<UtcTime>,
    /// The units, with lengths of 4 bytes and without parameter sets, if they were not so already.
    rebuilt: Option<BytesMut>,
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
            picture_memory: 0,
            timeline: None,
            jumps: Vec::new(),
            video: None,
            audio: Audio::default(),
            unusable: (0, None),
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
        self.picture_memory
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

    /// Ends the open session, if there is one.
    pub fn close(&mut self, reason: CloseReason, out: &mut Vec<StreamItem>) {
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
            VideoTag::Configuration { codec, record } => self.configure(codec, &record),
            VideoTag::Picture { codec, key, composition_ms, offset_nanos, data } => {
                if self.video.as_ref().is_none_or(|video| video.codec() != codec) {
                    // Without a record: the sets may come in the pictures.
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
        let Some((sets, length_size)) = read else { return Ok(()) };
        let parameters = self.video.take().and_then(|video| video.parameters);
        let video = Video { sets, length_size, parameters, prefix: BytesMut::new(), naming: None };
        self.video.insert(video).settle();
        self.ask()
    }

    /// Asks whether the pictures of the sets in force may be decoded.
    fn ask(&mut self) -> Result<(), MediaRefused> {
        let allowed = (self.allowed)();
        let Some(video) = &mut self.video else { return Ok(()) };
        (self.picture_memory, video.naming) = match &video.sets {
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
                    self.picture_memory = self.picture_memory.max(needed);
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
        let Some(walked) = video.walk(&picture.data) else {
            video.prefix.clear();
            self.let_go(Unusable::Malformed);
            return Ok(());
        };
        if walked.sets_changed {
            video.settle();
            self.ask()?;
        }
        let Some(video) = &mut self.video else { return Ok(()) };
        if !walked.has_slices {
            let kept = walked.rebuilt.as_deref().unwrap_or(&picture.data);
            if video.prefix.len() + kept.len() <= MAX_PREFIX {
                video.prefix.extend_from_slice(kept);
            }
            return Ok(());
        }
        let data = video.finish(walked.rebuilt, picture.data);
        let parameters = video.parameters.clone();
        let Some(parameters) = parameters else {
            self.let_go(Unusable::NoParameters);
            return Ok(());
        };
        if !self.ask_for_named(&data)? || picture.composition_ms.abs() > MAX_COMPOSITION {
            self.let_go(Unusable::Malformed);
            return Ok(());
        }
        let dts = self.place(timestamp, picture.offset_nanos, arrival, out)?;
        let Some(timeline) = &mut self.timeline else { return Ok(()) };
        let session = timeline.session;
        let sequence = timeline.sequence;
        timeline.sequence += 1;
        let pts = dts.plus_nanos(i64::from(picture.composition_ms) * 1_000_000);
        if let Some(utc) = walked.wall {
            let source = WallSource::Sei;
            out.push(StreamItem::Wall(WallReference { session, media: pts, utc, source }));
        }
        out.push(StreamItem::Video(AccessUnit {
            session,
            sequence,
            pts,
            dts,
            key: walked.starts_decoding || (picture.key && walked.recovery),
            b_slices: walked.b_slices,
            data,
            parameters,
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
            self.close(CloseReason::TimeJump, out);
        }
        let session = (self.new_session)();
        self.timeline = Some(Timeline {
            session,
            video: None,
            audio: None,
            last_dts: None,
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

impl Video {
    fn new(codec: Codec) -> Self {
        let sets = match codec {
            Codec::H264 => Sets::H264(h264::ParameterSets::default()),
            Codec::H265 => Sets::H265(h265::ParameterSets::default()),
        };
        Self {
            sets,
            length_size: LENGTH_SIZE,
            parameters: None,
            prefix: BytesMut::new(),
            naming: None,
        }
    }

    const fn codec(&self) -> Codec {
        match self.sets {
            Sets::H264(_) => Codec::H264,
            Sets::H265(_) => Codec::H265,
        }
    }

    /// Works the parameters out again; the value stays the same one while it says the same.
    fn settle(&mut self) {
        let new = match &self.sets {
            Sets::H264(sets) => sets.parameters(),
            Sets::H265(sets) => sets.parameters(),
        };
        if self.parameters.as_deref() != new.as_ref() {
            self.parameters = new.map(Arc::new);
        }
    }

    /// Looks at every NAL unit once. `None` if a length points past the end, or it carries more units
    /// or parameter sets than anybody needs: each set is held against all that are known.
    fn walk(&mut self, data: &Bytes) -> Option<Walked> {
        let mut walked = Walked::default();
        let (mut at, mut sets, mut units) = (0, 0, 0);
        let same_lengths = self.length_size == LENGTH_SIZE;
        if !same_lengths {
            walked.rebuilt = Some(BytesMut::with_capacity(data.len() + 64));
        }
        while at < data.len() {
            let length = data.get(at..at + self.length_size)?;
            let length = length.iter().fold(0_usize, |sum, &byte| sum << 8 | usize::from(byte));
            let start = at + self.length_size;
            let end = start.checked_add(length)?;
            let nal = data.get(start..end)?;
            let mut rest = nal;
            let mut from = start;
            loop {
                let (unit, after) = split_at_start_code(rest);
                units += 1;
                if units > MAX_UNITS_A_PICTURE {
                    return None;
                }
                let whole = unit.len() == nal.len();
                let kept = !unit.is_empty() && !self.is_taken_out(unit);
                if kept {
                    self.look(unit, &mut walked);
                } else if !unit.is_empty() {
                    sets += 1;
                    if sets > MAX_SETS_A_PICTURE {
                        return None;
                    }
                    let set = data.slice(from..from + unit.len());
                    walked.sets_changed |= self.supersede(&set);
                }
                if !(kept && whole) && walked.rebuilt.is_none() {
                    // Everything up to here was in order.
                    let mut copy = BytesMut::with_capacity(data.len() + 64);
                    copy.extend_from_slice(data.get(..at)?);
                    walked.rebuilt = Some(copy);
                }
                if kept && let Some(rebuilt) = &mut walked.rebuilt {
                    rebuilt.extend_from_slice(&u32::try_from(unit.len()).ok()?.to_be_bytes());
                    rebuilt.extend_from_slice(unit);
                }
                let Some(after) = after else { break };
                from = end - after.len();
                rest = after;
            }
            at = end;
        }
        Some(walked)
    }

    /// True for parameter sets, ours to keep, and for those that no picture of ours needs.
    fn is_taken_out(&self, nal: &[u8]) -> bool {
        use h264::nal::{PPS, SPS, SPS_EXTENSION, SUBSET_SPS};
        match self.codec() {
            Codec::H264 => matches!(
                nal.first().map(|header| header & 0x1F),
                Some(SPS | PPS | SPS_EXTENSION | SUBSET_SPS)
            ),
            Codec::H265 => {
                matches!(h265::nal_type(nal), Some(h265::nal::VPS..=h265::nal::PPS))
            }
        }
    }

    fn supersede(&mut self, nal: &Bytes) -> bool {
        match &mut self.sets {
            Sets::H264(sets) => sets.supersede(nal),
            Sets::H265(sets) => sets.supersede(nal),
        }
    }

    fn look(&self, nal: &[u8], walked: &mut Walked) {
        const B_H264: Option<u32> = Some(1);
        let sei = |walked: &mut Walked| {
            let sei = Sei::read(self.codec(), nal);
            walked.wall = walked.wall.or(sei.wall);
            walked.recovery |= sei.recovery;
        };
        match &self.sets {
            Sets::H264(_) => match nal.first().map_or(0, |header| header & 0x1F) {
                h264::nal::IDR => {
                    walked.has_slices = true;
                    walked.starts_decoding = true;
                }
                h264::nal::SLICE | h264::nal::SLICE_A => {
                    walked.has_slices = true;
                    walked.b_slices |= h264::slice_type(nal) == B_H264;
                }
                h264::nal::SEI => sei(walked),
                _ => {}
            },
            Sets::H265(sets) => match h265::nal_type(nal).unwrap_or(u8::MAX) {
                h265::nal::IRAP_FIRST..=h265::nal::IRAP_LAST => {
                    walked.has_slices = true;
                    walked.starts_decoding = true;
                }
                0..=h265::nal::VCL_LAST => {
                    // The first says it for all, and each is held against the sets.
                    let first = !std::mem::replace(&mut walked.has_slices, true);
                    walked.b_slices |= first && sets.is_reordered_b(nal);
                }
                h265::nal::PREFIX_SEI | h265::nal::SUFFIX_SEI => sei(walked),
                _ => {}
            },
        }
    }

    /// Returns the picture's units, with what was kept for it in front.
    fn finish(&mut self, rebuilt: Option<BytesMut>, data: Bytes) -> Bytes {
        let data = rebuilt.map_or(data, BytesMut::freeze);
        if self.prefix.is_empty() {
            return data;
        }
        let mut whole = std::mem::take(&mut self.prefix);
        whole.extend_from_slice(&data);
        whole.freeze()
    }
}

/// The first unit of `nal` and, where a start code stands inside of it, what follows that. No NAL unit
/// holds one (ITU-T H.264 7.4.1), and whoever decodes looks for them.
fn split_at_start_code(nal: &[u8]) -> (&[u8], Option<&[u8]>) {
    // Every byte of every picture is looked at here.
    match memchr::memmem::find(nal, &[0, 0, 1]) {
        Some(at) => (nal.get(..at).unwrap_or_default(), nal.get(at + 3..)),
        None => (nal, None),
    }
}

/// Milliseconds from `last` to `now`, both 32 bits and wrapping.
fn step(last: u32, now: u32) -> i64 {
    i64::from(now.wrapping_sub(last).cast_signed())
}

/// Reads an AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1). `None` if it is cut, or of a kind whose
/// channels it does not say.
fn audio_parameters(config: &Bytes) -> Option<AudioParameters> {
    const RATES: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
        8_000, 7_350,
    ];
    const EXPLICIT_RATE: u64 = 15;
    let head =
        config.iter().chain(&[0; 8]).take(8).fold(0_u64, |all, &byte| all << 8 | u64::from(byte));
    let bits = |at: u32, count: u32| head << at >> (64 - count);
    if config.len() < 2 || bits(0, 5) == 31 {
        return None;
    }
    let (sample_rate, at) = match bits(5, 4) {
        EXPLICIT_RATE => (u32::try_from(bits(9, 24)).ok().filter(|&rate| rate > 0)?, 33),
        index => (*RATES.get(usize::try_from(index).ok()?)?, 9),
    };
    let channels = match bits(at, 4) {
        count @ 1..=6 => u8::try_from(count).ok()?,
        7 | 12 | 14 => 8,
        11 => 7,
        _ => return None,
    };
    Some(AudioParameters { config: Bytes::copy_from_slice(config), sample_rate, channels })
}

/// Reads `sd` (day-month-year) and `st` (hours:minutes:seconds.fraction) of `onFI`, as UTC.
///
/// Encoders write what their own clock shows, often local time: whoever uses it takes whole quarter
/// hours off.
fn on_fi(date: Option<&str>, time: Option<&str>) -> Option<UtcTime> {
    let mut date = date?.split('-');
    let day: u8 = date.next()?.trim().parse().ok()?;
    let month: u8 = date.next()?.trim().parse().ok()?;
    let year: i32 = date.next()?.trim().parse().ok()?;
    let mut time = time?.split(':');
    let hours: u8 = time.next()?.trim().parse().ok()?;
    let minutes: u8 = time.next()?.trim().parse().ok()?;
    let seconds = time.next()?.trim();
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let seconds: u8 = seconds.parse().ok()?;
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let month = time::Month::try_from(month).ok()?;
    let date = time::Date::from_calendar_date(year, month, day).ok()?;
    let time = time::Time::from_hms_nano(hours, minutes, seconds, digits.parse().ok()?).ok()?;
    let nanos = date.with_time(time).assume_utc().unix_timestamp_nanos();
    i64::try_from(nanos).ok().map(UtcTime::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: &[u8] = b"\x67\x64\x00\x28\xac\xd9\x40\x78\x02\x27\xe5\xc0\x44\x00\x00\x03\x00\x04\x00\x00\x03\x00\xc8\x3c\x60\xc6\x58";
    const PPS: &[u8] = b"\x68\xeb\xe3\xcb\x22\xc0";

    fn assembler() -> StreamAssembler {
        let mut next = 0;
        let court = CourtId::new("a").unwrap();
        let ids = move || {
            next += 1;
            SessionId::from_bits(next)
        };
        StreamAssembler::new(court, "peer".to_owned(), None, Box::new(ids))
    }

    fn avcc(units: &[&[u8]]) -> Vec<u8> {
        units
            .iter()
            .flat_map(|unit| [&u32::try_from(unit.len()).unwrap().to_be_bytes()[..], unit].concat())
            .collect()
    }

    fn record() -> Vec<u8> {
        let length = |set: &[u8]| u16::try_from(set.len()).unwrap().to_be_bytes();
        [b"\x17\0\0\0\0\x01\x64\x00\x28\xff\xe1", &length(SPS)[..], SPS, b"\x01", &length(PPS), PPS]
            .concat()
    }

    fn send(
        tested: &mut StreamAssembler,
        kind: u8,
        timestamp: u32,
        body: Vec<u8>,
    ) -> Vec<StreamItem> {
        let mut out = Vec::new();
        let message = Message { timestamp, kind, stream: 1, body: body.into() };
        tested.media(&message, Monotonic::from_nanos(1), &mut out).unwrap();
        out
    }

    fn picture(tested: &mut StreamAssembler, timestamp: u32, units: &[&[u8]]) -> Vec<StreamItem> {
        send(tested, kind::VIDEO, timestamp, [b"\x17\x01\0\0\0", &avcc(units)[..]].concat())
    }

    const IDR: &[u8] = b"\x65\x88\x80\x10";
    const P: &[u8] = b"\x41\x9a\x00";
    const B: &[u8] = b"\x01\xa0\x00\x00";

    fn told(items: &[StreamItem]) -> Vec<String> {
        items
            .iter()
            .map(|item| match item {
                StreamItem::Opened(info) => format!("open {}", info.session.bits()),
                StreamItem::Video(unit) => format!(
                    "video {} {}{}{}",
                    unit.sequence,
                    unit.dts.as_nanos() / 1_000_000,
                    if unit.key { " key" } else { "" },
                    if unit.b_slices { " b" } else { "" },
                ),
                StreamItem::Audio(unit) => format!("audio {}", unit.pts.as_nanos() / 1_000_000),
                StreamItem::Wall(wall) => format!("wall {:?} {}", wall.source, wall.utc.as_nanos()),
                StreamItem::Closed { session, reason } => {
                    format!("close {} {reason:?}", session.bits())
                }
            })
            .collect()
    }

    #[test]
    fn time_wraps_jitters_and_jumps() {
        let mut tested = assembler();
        assert!(send(&mut tested, kind::VIDEO, 0, record()).is_empty());
        let mut out = Vec::new();
        for at in [0xFFFF_FF00_u32, 5, 5, 0, 40, 20_000, 100] {
            out.extend(picture(&mut tested, at, &[P]));
        }
        let wrapped = 1_i64 << 32;
        let expected = [
            "open 1".to_owned(),
            format!("video 0 {}", wrapped - 256),
            format!("video 1 {}", wrapped + 5),
            format!("video 2 {}", wrapped + 6), // the same time again: a millisecond later
            format!("video 3 {}", wrapped + 7), // 5 ms back: straightened
            format!("video 4 {}", wrapped + 40),
            "close 1 TimeJump".to_owned(),
            "open 2".to_owned(),
            "video 0 20000".to_owned(),
            "close 2 TimeJump".to_owned(),
            "open 3".to_owned(),
            "video 0 100".to_owned(),
        ];
        assert_eq!(told(&out), expected);
    }

    #[test]
    fn a_clock_that_only_jumps_is_refused() {
        let mut tested = assembler();
        send(&mut tested, kind::VIDEO, 0, record());
        let mut refused = None;
        for round in 0..40_u32 {
            let body = [b"\x27\x01\0\0\0", &avcc(&[P])[..]].concat().into();
            let timestamp = if round % 2 == 0 { 0 } else { 60_000 };
            let message = Message { timestamp, kind: kind::VIDEO, stream: 1, body };
            refused = tested.media(&message, Monotonic::ZERO, &mut Vec::new()).err().or(refused);
        }
        assert_eq!(refused, Some(MediaRefused::Jumps));
    }

    #[test]
    fn sound_is_placed_beside_the_pictures() {
        let mut tested = assembler();
        send(&mut tested, kind::VIDEO, 0, record());
        send(&mut tested, kind::AUDIO, 0, b"\xaf\x00\x12\x10".to_vec());
        let sound = |tested: &mut StreamAssembler, at| {
            send(tested, kind::AUDIO, at, b"\xaf\x01aac".to_vec())
        };
        let mut out = sound(&mut tested, 1_000);
        out.extend(picture(&mut tested, 980, &[IDR]));
        out.extend(sound(&mut tested, 990)); // behind the last sound: straightened
        out.extend(picture(&mut tested, 500_000, &[IDR]));
        out.extend(sound(&mut tested, 1_020)); // still of the old time: nowhere to put it
        out.extend(sound(&mut tested, 500_010));
        assert_eq!(
            told(&out),
            [
                "open 1",
                "audio 1000",
                "video 0 980 key",
                "audio 1000",
                "close 1 TimeJump",
                "open 2",
                "video 0 500000 key",
                "audio 500010"
            ]
        );
    }

    #[test]
    fn sets_in_pictures_become_parameters() {
        let mut tested = assembler();
        // No record at all: the sets stand before the first key picture.
        assert!(picture(&mut tested, 0, &[P]).is_empty());
        assert_eq!(tested.unusable(), (1, Some(Unusable::NoParameters)));
        let unit = |items: Vec<StreamItem>| match items.into_iter().last() {
            Some(StreamItem::Video(unit)) => unit,
            other => panic!("{other:?}"),
        };
        let first = unit(picture(&mut tested, 40, &[b"\x09\xf0", SPS, PPS, IDR]));
        assert_eq!((first.parameters.width, first.parameters.height), (1920, 1080));
        assert_eq!(first.data, avcc(&[b"\x09\xf0", IDR]), "the sets are taken out");
        let second = unit(picture(&mut tested, 80, &[SPS, PPS, IDR]));
        assert!(Arc::ptr_eq(&first.parameters, &second.parameters));
        let third = unit(picture(&mut tested, 120, &[SPS, b"\x68\xee", IDR]));
        assert!(!Arc::ptr_eq(&first.parameters, &third.parameters));
        assert_eq!(third.parameters.parameter_sets[1].as_ref(), b"\x68\xee");
        // The sets and an SEI alone, then the picture.
        assert!(picture(&mut tested, 160, &[SPS, PPS, b"\x06\x05\x00\x80"]).is_empty());
        let fourth = unit(picture(&mut tested, 160, &[IDR]));
        assert_eq!(fourth.parameters.parameter_sets[1].as_ref(), PPS);
        assert_eq!(fourth.data, avcc(&[b"\x06\x05\x00\x80", IDR]));
    }

    #[test]
    fn b_slices_and_damage_are_seen() {
        let mut tested = assembler();
        send(&mut tested, kind::VIDEO, 0, record());
        assert_eq!(told(&picture(&mut tested, 0, &[B]))[1], "video 0 0 b");
        assert!(
            send(&mut tested, kind::VIDEO, 40, b"\x17\x01\0\0\0\xff\xff\xff\xff\x65".to_vec())
                .is_empty()
        );
        assert_eq!(tested.unusable(), (1, Some(Unusable::Malformed)));
        assert_eq!(told(&picture(&mut tested, 40, &[P])), ["video 1 40"]);
    }

    #[test]
    fn short_lengths_are_made_four_bytes() {
        let mut tested = assembler();
        let mut body = record();
        body[9] = 0xFD; // NAL lengths of 2 bytes
        send(&mut tested, kind::VIDEO, 0, body);
        let out =
            send(&mut tested, kind::VIDEO, 0, b"\x17\x01\0\0\0\x00\x04\x65\x88\x80\x10".to_vec());
        let Some(StreamItem::Video(unit)) = out.last() else { panic!("{out:?}") };
        assert_eq!(unit.data, avcc(&[IDR]));
        assert_eq!(unit.parameters.config[4], 0xFF);
    }

    #[test]
    fn wall_times_are_told_with_their_picture() {
        let mut tested = assembler();
        send(&mut tested, kind::VIDEO, 0, record());
        let sei = crate::media::sei::wall_time_nal(Codec::H264, UtcTime::from_nanos(77));
        assert_eq!(told(&picture(&mut tested, 40, &[&sei, IDR]))[1], "wall Sei 77");
        let object = crate::ingest::rtmp::amf0::object([
            ("sd", Value::String("24-11-2022".to_owned())),
            ("st", Value::String("17:20:33.5".to_owned())),
        ]);
        let mut out = Vec::new();
        tested.data(60, "onFI", &[object], &mut out);
        assert_eq!(told(&out), ["wall OnFi 1669310433500000000"]);
        assert_eq!(on_fi(Some("99-1-2022"), Some("1:2:3")), None);
    }

    #[test]
    fn other_video_is_refused_and_other_sound_left_out() {
        let mut tested = assembler();
        send(&mut tested, kind::AUDIO, 0, b"\x2fmp3".to_vec());
        assert!(tested.sound_told().to_string().contains("MP3"));
        let message = Message {
            timestamp: 0,
            kind: kind::VIDEO,
            stream: 1,
            body: Bytes::from_static(b"\x90av01"),
        };
        let refused = tested.media(&message, Monotonic::ZERO, &mut Vec::new());
        assert!(refused.unwrap_err().to_string().starts_with("AV1 video is not taken"));
    }

    #[test]
    fn sets_that_cost_too_much_are_refused_before_a_picture_of_them_goes_on() {
        let refused = |tested: &mut StreamAssembler, body: Vec<u8>| {
            let mut out = Vec::new();
            let message = Message { timestamp: 0, kind: kind::VIDEO, stream: 1, body: body.into() };
            let refused = tested.media(&message, Monotonic::ZERO, &mut out).err();
            assert!(refused.is_none() || out.is_empty(), "{out:?}");
            refused.map(|refused| refused.to_string())
        };
        let small =
            || assembler().within(Box::new(|| Allowance { bytes: 50 << 20, of_box: false }));
        // As a record, in a picture, behind a start code of another unit: it is seen.
        let hidden = [IDR, b"\0\0\x01", SPS].concat();
        let pictures = [&[SPS, PPS, IDR][..], &[SPS], &[PPS, &hidden]];
        let inband = pictures.map(|units| [b"\x17\x01\0\0\0", &avcc(units)[..]].concat());
        for body in inband.into_iter().chain([record()]) {
            let why = refused(&mut small(), body.clone()).unwrap();
            assert!(why.starts_with("1920×1088 4:2:0 8 bit needs "), "{why}");
            let mut roomy = assembler();
            assert_eq!(refused(&mut roomy, body), None, "negative control: a court with more");
            assert!(roomy.picture_memory() > 50 << 20);
        }
    }

    #[test]
    fn a_picture_brings_no_more_sets_than_anybody_needs() {
        let mut tested = assembler();
        let many = |count: usize| [&vec![SPS; count][..], &[PPS, IDR]].concat();
        assert!(!picture(&mut tested, 0, &many(MAX_SETS_A_PICTURE - 1)).is_empty());
        assert!(picture(&mut tested, 40, &many(MAX_SETS_A_PICTURE)).is_empty());
        assert_eq!(tested.unusable(), (1, Some(Unusable::Malformed)));
        assert!(!picture(&mut tested, 80, &[SPS, PPS, IDR]).is_empty(), "the next one is taken");
        assert!(!picture(&mut tested, 120, &vec![P; MAX_UNITS_A_PICTURE]).is_empty());
        assert!(picture(&mut tested, 160, &vec![P; MAX_UNITS_A_PICTURE + 1]).is_empty());
    }

    #[test]
    fn references_that_were_not_promised_are_asked_for() {
        use crate::media::naming::crafted::{nal, own, pps, slice, sps};
        let vps: Vec<u8> = nal(32, |bits| bits.bits(0x0C01_FFFF, 32));
        let sps = sps((4096, 2160), 1, |bits| {
            bits.unsigned(0);
            bits.flag(false);
        });
        let naming = |before, after| {
            slice(|bits| {
                bits.flag(false);
                own(bits, before, after);
            })
        };
        let tag = |units: &[&[u8]]| [b"\x1c\x01\0\0\0", &avcc(units)[..]].concat();
        let sets = |tested: &mut StreamAssembler| {
            assert!(send(tested, kind::VIDEO, 0, tag(&[&vps, &sps, &pps()])).is_empty());
            let first = send(tested, kind::VIDEO, 0, tag(&[b"\x26\x01\xaf\x12"]));
            assert!(matches!(first.last(), Some(StreamItem::Video(_))), "{first:?}");
        };
        let sent = |tested: &mut StreamAssembler, unit: &[u8]| {
            let (body, mut out) = (tag(&[unit]).into(), Vec::new());
            let message = Message { timestamp: 40, kind: kind::VIDEO, stream: 1, body };
            let refused = tested.media(&message, Monotonic::ZERO, &mut out).err();
            (out.len(), refused.map(|refused| refused.to_string()))
        };
        let usual = || assembler().within(Box::new(|| Budget::default().memory.share(1)));
        let (mut tested, mut roomy) =
            (usual(), assembler().within(Box::new(|| Allowance { bytes: 4 << 30, of_box: false })));
        sets(&mut tested);
        let promised = tested.picture_memory();
        assert!(promised < 512 << 20, "what it promises fits: {promised}");
        assert_eq!(sent(&mut tested, &naming(0, 0)), (1, None));
        // One that is cut where its references stand is let go, and the publisher goes on.
        assert_eq!(sent(&mut tested, &naming(15, 15)[..9]), (0, None));
        assert_eq!(tested.unusable(), (1, Some(Unusable::Malformed)));
        let (passed, refused) = sent(&mut tested, &naming(15, 15));
        let why = refused.unwrap();
        let what = "4096×2160 4:4:4 10 bit needs 2.4 GiB for 48 pictures";
        assert!(passed == 0 && why.starts_with(what), "{why}");
        // Negative control: where nothing is counted, which is where it fits, the same goes on.
        sets(&mut roomy);
        assert_eq!(sent(&mut roomy, &naming(15, 15)), (1, None));
        assert_eq!(roomy.picture_memory(), promised);
    }

    #[test]
    fn no_set_is_left_in_a_picture() {
        let mut tested = assembler();
        send(&mut tested, kind::VIDEO, 0, record());
        let hidden = [IDR, b"\0\0\x01", PPS, b"\0\0\x01", IDR].concat();
        let (subset, extension) = ([&b"\x6f"[..], &SPS[1..]].concat(), b"\x6d\x80");
        let out = picture(&mut tested, 0, &[&subset, extension, &hidden]);
        let Some(StreamItem::Video(unit)) = out.last() else { panic!("{out:?}") };
        assert_eq!(unit.data, avcc(&[IDR, IDR]));
        assert_eq!(unit.parameters.parameter_sets, [SPS, PPS]);
    }

    #[test]
    fn audio_configurations_are_read() {
        let read = |bytes: &'static [u8]| {
            audio_parameters(&Bytes::from_static(bytes))
                .map(|known| (known.sample_rate, known.channels))
        };
        assert_eq!(read(b"\x12\x10"), Some((44_100, 2)));
        assert_eq!(read(b"\x11\x88"), Some((48_000, 1)));
        assert_eq!(read(b"\x17\x80\x3e\x80\x08"), Some((32_000, 1)));
        assert_eq!(read(b"\x12\x00"), None);
        assert_eq!(read(b"\x12"), None);
    }
}
