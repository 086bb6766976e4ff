//! Media messages of one publish → stream items: sessions, unwrapped times, access units.
//!
//! Video governs time. Its timestamps are unwrapped from 32 bits; one that runs backwards, or more
//! than 10 s forwards, closes the session and opens another (DESIGN §5.2). Steps back of at most
//! [`MAX_STEP_BACK`] are encoders' jitter and are straightened instead. Times that run otherwise than the clock
//! (`pace`) are not used from then on: pictures are placed by arrival. Sound is placed beside them (`sound`).
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
use crate::ingest::pace::{ByArrival, Pace};
use crate::ingest::records::on_fi;
use crate::ingest::refused::{MAX_JUMPS, MediaRefused, Unusable};
use crate::ingest::sound::{Beside, SoundTrack, step};
use crate::ingest::video::{LENGTH_SIZE, MAX_PREFIX, MAX_SETS_A_PICTURE, Sets, Video};
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
    /// Pictures of further tracks came.
    several_tracks: bool,
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
            video: None,
            joiner: Joiner::default(),
            sound: SoundTrack::default(),
            pace: Pace::default(),
            believed: false,
            declared: None,
            unusable: (0, None),
            lookahead: None,
            several_tracks: false,
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
        self.several_tracks
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
            VideoTag::OtherTrack => {
                self.several_tracks = true;
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
            has_several: walked.has_several,
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
        let mut shown_before = false;
        let placed = match &self.timeline {
            None => None,
            Some(timeline) => match (timeline.video, self.sound.last()) {
                (Some((last, at, _)), _) => {
                    let moved = step(last, timestamp);
                    shown_before =
                        picture.b_slices && (-SHOWN_BEFORE_MS..-MAX_STEP_BACK).contains(&moved);
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
        let offset = i64::from(picture.offset_nanos);
        let nanos = |at: i64| MediaTime::from_millis(at).plus_nanos(offset);
        let straightened = placed.and_then(|at| {
            let last = self.timeline.as_ref().and_then(|timeline| timeline.last_dts);
            let least = last.map(|last| last.plus_nanos(LEAST_STEP_NANOS));
            let dts = least.map_or(nanos(at), |least| least.max(nanos(at)));
            (dts.nanos_since(nanos(at)) <= MAX_LEAD_NANOS).then_some((at, dts))
        });
        let (at, dts) = match straightened {
            Some(straightened) => straightened,
            None => {
                self.reopen(arrival, shown_before, out)?;
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
            (by_arrival.due(arrival) > last).then_some(by_arrival)
        });
        let by_arrival = match going_on {
            Some(by_arrival) => by_arrival,
            None => {
                self.end(CloseReason::TimeJump, out);
                self.open(arrival, out);
                ByArrival::new((dts, arrival), dts.plus_nanos(-LEAST_STEP_NANOS), step)
            }
        };
        let Some(timeline) = &mut self.timeline else { return Ok(dts) };
        let dts = timeline.by_arrival.insert(by_arrival).begin(arrival);
        self.placed(timestamp, dts.as_nanos() / 1_000_000, dts, arrival);
        Ok(dts)
    }

    /// Opens a session, after closing the one that is open.
    fn reopen(
        &mut self,
        arrival: Monotonic,
        shown_before: bool,
        out: &mut Vec<StreamItem>,
    ) -> Result<(), MediaRefused> {
        if let Some(timeline) = &self.timeline {
            // Sound alone, of another time than the pictures, is no jump of theirs.
            if timeline.video.is_some() {
                let lately =
                    |at: Monotonic| arrival.since(at).as_nanos() < JUMP_WINDOW_NANOS.into();
                self.jumps.retain(|(jump, _)| lately(*jump));
                self.jumps.push((arrival, shown_before));
            }
            if self.jumps.len() > MAX_JUMPS {
                let by_b = self.jumps.iter().filter(|(_, shown_before)| *shown_before).count();
                let is_b = by_b * 2 > self.jumps.len();
                return Err(if is_b { MediaRefused::BFrames } else { MediaRefused::Jumps });
            }
            self.end(CloseReason::TimeJump, out);
        }
        self.open(arrival, out);
        Ok(())
    }

    fn open(&mut self, arrival: Monotonic, out: &mut Vec<StreamItem>) {
        let session = (self.new_session)();
        self.pace.restart();
        self.sound.begins(arrival);
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
                    self.open(arrival, out);
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
    has_several: bool,
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

    fn has_several(&self) -> bool {
        self.has_several
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

#[cfg(test)]
mod tests;
