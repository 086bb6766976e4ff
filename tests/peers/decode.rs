//! The decoder on streams that real encoders make: x264 and x265 through GStreamer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use courtside::clock::{Clock, SystemClock};
use courtside::decode::{
    DecodeSettings, Decoder, DecoderStatus, FrameSink, InstalledDecoders, Prefer,
};
use courtside::mailbox::{DropReason, HopCount, Tally, UnitMailbox};
use courtside::media::{
    AccessUnit, ChromaLayout, CloseReason, Codec, CodecParameters, CourtId, Frame, MediaTime,
    Monotonic, SessionId, StreamInfo, StreamItem, h264,
};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use parking_lot::Mutex;

const H264: &str = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 bframes=0 \
                    bitrate=1500 ! video/x-h264,profile=high,stream-format=byte-stream,alignment=au";
/// Without `tune`: x264's own reordering, two B-frames between references.
const H264_B: &str = "x264enc speed-preset=veryfast key-int-max=15 bframes=2 b-adapt=false \
                      bitrate=1500 ! video/x-h264,profile=high,stream-format=byte-stream,alignment=au";
const H265: &str = "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=15 \
                    ! video/x-h265,stream-format=byte-stream,alignment=au";

/// Pictures of `size` at 30 a second, encoded by `encoder`, as ingest would deliver them.
fn encoded(encoder: &str, (width, height): (u32, u32), count: u32) -> Vec<AccessUnit> {
    gst::init().expect("GStreamer");
    let line = format!(
        "videotestsrc num-buffers={count} pattern=ball ! video/x-raw,format=I420,width={width},\
         height={height},framerate=30/1 ! {encoder} ! appsink name=out sync=false"
    );
    let pipeline = gst::parse::launch(&line).expect("an encoder").downcast::<gst::Pipeline>();
    let pipeline = pipeline.expect("a pipeline");
    let out = pipeline.by_name("out").and_downcast::<gst_app::AppSink>().expect("appsink");
    pipeline.set_state(gst::State::Playing).expect("plays");
    let codec = if encoder.contains("265") { Codec::H265 } else { Codec::H264 };
    let mut units: Vec<AccessUnit> = Vec::new();
    let mut sets: Vec<Bytes> = Vec::new();
    while let Ok(sample) = out.pull_sample() {
        let buffer = sample.buffer().expect("data");
        let map = buffer.map_readable().expect("mapped");
        let mut data = Vec::new();
        let (mut key, mut b_slices, mut fresh) = (false, false, Vec::new());
        for nal in nal_units(&map) {
            match (codec, kind(codec, nal)) {
                (Codec::H264, 7 | 8) | (Codec::H265, 32..=34) => {
                    fresh.push(Bytes::copy_from_slice(nal));
                    continue;
                }
                (Codec::H264, 5) | (Codec::H265, 16..=21) => key = true,
                (Codec::H264, 1) => b_slices |= is_b_slice(nal),
                _ => {}
            }
            data.extend_from_slice(&u32::try_from(nal.len()).expect("small").to_be_bytes());
            data.extend_from_slice(nal);
        }
        if !fresh.is_empty() {
            sets = fresh;
        }
        let parameters = match units.last() {
            Some(last) if last.parameters.parameter_sets == sets => Arc::clone(&last.parameters),
            _ => Arc::new(parameters(codec, (width, height), sets.clone())),
        };
        let nanos = |at: Option<gst::ClockTime>| {
            // x264enc starts at 1000 h, so that decoding times stay positive.
            i64::try_from(at.expect("stamped").nseconds()).expect("small") - 3_600_000_000_000_000
        };
        units.push(AccessUnit {
            session: SessionId::from_bits(1),
            sequence: units.len() as u64,
            pts: rtmp(nanos(buffer.pts())),
            dts: rtmp(nanos(buffer.dts_or_pts())),
            key,
            b_slices,
            data: data.into(),
            parameters,
            arrival: Monotonic::ZERO,
        });
    }
    pipeline.set_state(gst::State::Null).expect("stops");
    assert_eq!(units.len(), count as usize);
    units
}

/// RTMP carries whole milliseconds.
fn rtmp(nanos: i64) -> MediaTime {
    MediaTime::from_millis(nanos.div_euclid(1_000_000))
}

fn parameters(codec: Codec, (width, height): (u32, u32), sets: Vec<Bytes>) -> CodecParameters {
    CodecParameters {
        codec,
        width,
        height,
        config: Bytes::new(),
        parameter_sets: sets,
        low_delay_sets: None,
        reorder_frames: None,
        mime_codec: String::new(),
    }
}

fn nal_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts: Vec<usize> = stream
        .windows(3)
        .enumerate()
        .filter(|(_, window)| *window == [0, 0, 1])
        .map(|(at, _)| at + 3)
        .collect();
    let ends: Vec<usize> = starts.iter().skip(1).map(|at| at - 3).chain([stream.len()]).collect();
    starts.into_iter().zip(ends).map(|(from, to)| {
        let unit = &stream[from..to];
        let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
        &unit[..unit.len() - zeros]
    })
}

fn kind(codec: Codec, nal: &[u8]) -> u8 {
    match codec {
        Codec::H264 => nal[0] & 31,
        Codec::H265 => nal[0] >> 1 & 63,
    }
}

/// Bits of a raw byte sequence, front to back.
struct Bits<'a>(&'a [u8], usize);

impl Bits<'_> {
    fn bit(&mut self) -> bool {
        let bit = self.0[self.1 / 8] >> (7 - self.1 % 8) & 1;
        self.1 += 1;
        bit == 1
    }

    fn unsigned(&mut self) -> u32 {
        let zeros = std::iter::from_fn(|| (!self.bit()).then_some(())).count();
        (0..zeros).fold(1, |value, _| value << 1 | u32::from(self.bit())) - 1
    }

    fn skip_unsigned(&mut self, count: usize) {
        for _ in 0..count {
            self.unsigned();
        }
    }
}

fn is_b_slice(nal: &[u8]) -> bool {
    let mut bits = Bits(nal, 8);
    bits.unsigned();
    matches!(bits.unsigned(), 1 | 6)
}

/// An SPS of x264 with all that follows `vui_parameters_present_flag` cut off.
fn without_vui(sps: &Bytes) -> Bytes {
    let mut bits = Bits(sps, 32);
    bits.unsigned(); // id
    if sps[1] >= 100 {
        bits.skip_unsigned(3); // chroma format, bit depths
        assert!(!bits.bit() && !bits.bit(), "no bypass, no scaling lists");
    }
    bits.unsigned(); // frame numbers
    if bits.unsigned() == 0 {
        bits.unsigned(); // picture order
    }
    bits.unsigned(); // references
    bits.bit();
    bits.skip_unsigned(2); // size
    assert!(bits.bit() || bits.bit(), "frames");
    bits.bit();
    if bits.bit() {
        bits.skip_unsigned(4); // cropping
    }
    let kept = bits.1;
    // The flag becomes 0, then the stop bit.
    let mut cut = vec![0; (kept + 2).div_ceil(8)];
    for at in (0..kept).filter(|at| sps[at / 8] >> (7 - at % 8) & 1 == 1) {
        cut[at / 8] |= 0x80 >> (at % 8);
    }
    cut[(kept + 1) / 8] |= 0x80 >> ((kept + 1) % 8);
    cut.into()
}

/// Changes the parameters of all units alike.
fn with_parameters(units: &mut [AccessUnit], change: impl Fn(&mut CodecParameters)) {
    let mut parameters = units[0].parameters.as_ref().clone();
    change(&mut parameters);
    let parameters = Arc::new(parameters);
    for unit in units {
        unit.parameters = Arc::clone(&parameters);
    }
}

/// Takes the VUI out of every SPS, as cheap cameras send it, and rewrites it as ingest does.
fn take_vui(units: &mut [AccessUnit]) {
    with_parameters(units, |parameters| {
        let mut sets = h264::ParameterSets::default();
        for set in &parameters.parameter_sets {
            sets.update(&if set[0] & 31 == 7 { without_vui(set) } else { set.clone() });
        }
        *parameters = sets.parameters().expect("readable");
    });
}

#[derive(Default)]
struct Seen {
    // Written from the decoder's threads, read when they have ended.
    frames: Mutex<Vec<Arc<Frame>>>,
    marks: Mutex<Vec<String>>,
}

impl FrameSink for Seen {
    fn opened(&self, _info: &Arc<StreamInfo>) {
        self.marks.lock().push("opened".to_owned());
    }
    fn frame(&self, frame: Arc<Frame>) {
        self.frames.lock().push(frame);
    }
    fn closed(&self, _session: SessionId, reason: CloseReason) {
        self.marks.lock().push(format!("closed {reason:?}"));
    }
}

struct Decoded {
    frames: Vec<Arc<Frame>>,
    count: HopCount,
    status: DecoderStatus,
}

impl Decoded {
    fn times(&self) -> Vec<MediaTime> {
        self.frames.iter().map(|frame| frame.pts).collect()
    }

    fn dropped(&self) -> Vec<(DropReason, u64)> {
        self.count.dropped.clone().into_iter().collect()
    }
}

/// Decodes `units` in software, as one session.
fn decoded(units: Vec<AccessUnit>) -> Decoded {
    let court = CourtId::new("north").expect("name");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let hop = UnitMailbox::new(Duration::from_secs(600), Tally::default());
    let session = units[0].session;
    hop.offer(StreamItem::Opened(Arc::new(StreamInfo {
        court: court.clone(),
        session,
        peer: "test".to_owned(),
        encoder: None,
        opened: clock.monotonic(),
    })));
    for unit in units {
        assert!(hop.offer(StreamItem::Video(unit)));
    }
    hop.offer(StreamItem::Closed { session, reason: CloseReason::Ended });
    hop.close();
    let (seen, tally) = (Arc::new(Seen::default()), Tally::default());
    let settings = DecodeSettings { court, prefer: Prefer::Software };
    let sink = Arc::clone(&seen);
    let decoder =
        Decoder::start(settings, hop, sink, tally.clone(), clock, &InstalledDecoders::default())
            .expect("starts");
    let watcher = decoder.watcher();
    decoder.join();
    let (count, status) = (tally.count(), watcher.status());
    assert!(count.balances() && count.waiting == 0, "{count:?}");
    assert_eq!(*seen.marks.lock(), ["opened", "closed Ended"]);
    let frames = std::mem::take(&mut *seen.frames.lock());
    Decoded { frames, count, status }
}

/// Presentation times, in their order.
fn times(units: &[AccessUnit]) -> Vec<MediaTime> {
    let mut times: Vec<_> = units.iter().map(|unit| unit.pts).collect();
    times.sort();
    times
}

#[test]
fn every_picture_comes_at_once_with_its_own_time_where_the_sps_promises_order() {
    let units = encoded(H264, (1280, 720), 60);
    let expected = times(&units);
    let decoded = decoded(units);
    assert_eq!(decoded.times(), expected);
    assert_eq!(decoded.dropped(), []);
    assert_eq!(decoded.status.held_back, 0);
    assert_eq!(decoded.status.fault, None);
    let told = decoded.status.decoder.expect("told");
    assert!(told.starts_with("avdec_h264 (software)"), "{told}");
}

#[test]
fn every_picture_comes_at_once_where_the_sps_says_nothing() {
    let mut units = encoded(H264, (1280, 720), 60);
    take_vui(&mut units);
    assert!(units[0].parameters.low_delay_sets.is_some(), "rewritten");
    let expected = times(&units);
    let decoded = decoded(units);
    assert_eq!(decoded.times(), expected);
    assert_eq!(decoded.status.held_back, 0);
}

#[test]
fn planes_are_mapped_with_their_own_strides() {
    let decoded = decoded(encoded(H264, (318, 182), 3));
    let frame = decoded.frames.first().expect("a picture");
    assert_eq!((frame.width, frame.height), (318, 182));
    let picture = frame.to_cpu().expect("on the CPU");
    assert_eq!(picture.chroma(), ChromaLayout::I420);
    for (index, (width, height)) in [(318, 182), (159, 91), (159, 91)].into_iter().enumerate() {
        let plane = picture.plane(index).expect("a plane");
        assert!(plane.stride >= width, "{plane:?}");
        assert!(plane.bytes.len() >= plane.stride * (height - 1) + width);
    }
    assert!(picture.plane(3).is_none());
    // A white ball on black: both must be there, and black where there is no ball.
    let luma = picture.plane(0).expect("luma");
    let row = |y: usize| &luma.bytes[y * luma.stride..y * luma.stride + 318];
    let bright = (0..182).flat_map(|y| row(y).iter()).filter(|luma| **luma > 200).count();
    assert!((200..20_000).contains(&bright), "{bright}");
}

#[test]
fn pictures_that_the_sps_reorders_come_in_order_of_presentation() {
    let mut units = encoded(H264_B, (640, 360), 60);
    assert!(units.iter().any(|unit| unit.b_slices), "the encoder reorders");
    with_parameters(&mut units, |parameters| parameters.reorder_frames = Some(2));
    let expected = times(&units);
    let decoded = decoded(units);
    assert_eq!(decoded.times(), expected);
    assert_eq!(decoded.dropped(), []);
    assert!((1..=2).contains(&decoded.status.held_back), "{:?}", decoded.status);
    assert!(decoded.status.b_frames);
}

#[test]
fn b_frames_that_no_sps_declares_cost_the_first_two_pictures_alone() {
    let mut units = encoded(H264_B, (640, 360), 60);
    take_vui(&mut units);
    assert!(units[0].parameters.low_delay_sets.is_some(), "rewritten to promise order");
    let expected = times(&units);
    let decoded = decoded(units);
    let times = decoded.times();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "in order, none twice");
    // The first reference had been handed on when the two before it came.
    let lost: Vec<usize> = (0..60).filter(|number| !times.contains(&expected[*number])).collect();
    assert_eq!(lost, [1, 2]);
    assert_eq!(decoded.dropped(), [(DropReason::NoPicture, 2)]);
    assert!(decoded.status.b_frames);
    assert!(decoded.status.held_back >= 1);
}

#[test]
fn a_picture_of_another_size_is_another_pipeline_and_none_is_lost() {
    let mut units = encoded(H264, (640, 360), 30);
    let expected: Vec<_> = [(640, 360); 30].into_iter().chain([(320, 240); 30]).collect();
    for mut unit in encoded(H264, (320, 240), 30) {
        unit.sequence += 30;
        unit.pts = unit.pts.plus(Duration::from_secs(1));
        unit.dts = unit.dts.plus(Duration::from_secs(1));
        units.push(unit);
    }
    let decoded = decoded(units);
    let sizes: Vec<_> = decoded.frames.iter().map(|frame| (frame.width, frame.height)).collect();
    assert_eq!(sizes, expected);
    assert_eq!(decoded.status.rebuilds, 0);
}

#[test]
fn h265_is_decoded_and_a_change_of_coding_too() {
    let mut units = encoded(H265, (640, 360), 30);
    for mut unit in encoded(H264, (640, 360), 30) {
        unit.sequence += 30;
        unit.pts = unit.pts.plus(Duration::from_secs(1));
        unit.dts = unit.dts.plus(Duration::from_secs(1));
        units.push(unit);
    }
    let expected = times(&units);
    let decoded = decoded(units);
    assert_eq!(decoded.times(), expected);
    assert_eq!(decoded.status.held_back, 0);
    assert!(decoded.status.decoder.expect("told").starts_with("avdec_h264"));
}

#[test]
fn a_start_within_a_group_and_a_lost_unit_cost_the_pictures_up_to_the_next_key_frame() {
    let mut units = encoded(H264, (320, 240), 60);
    units.remove(20);
    units.drain(..4);
    let expected: Vec<_> = times(&units)
        .into_iter()
        .filter(|at| {
            let number = (at.as_nanos() + 1_000_000) * 30 / 1_000_000_000;
            (15..20).contains(&number) || number >= 30
        })
        .collect();
    let decoded = decoded(units);
    assert_eq!(decoded.times(), expected);
    assert_eq!(decoded.dropped(), [(DropReason::AwaitingKey, 11 + 9)]);
}

#[test]
fn damaged_bytes_cost_at_most_the_pictures_up_to_the_next_key_frame() {
    let mut units = encoded(H264, (640, 360), 90);
    for number in [20, 35, 50, 76] {
        let mut data = units[number].data.to_vec();
        for at in (8..data.len()).step_by(9) {
            data[at] ^= 0x55;
        }
        units[number].data = data.into();
    }
    let clean = times(&units);
    let decoded = decoded(units);
    let times = decoded.times();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "in order, none twice");
    let behind: Vec<_> = [20..30, 35..45, 50..60, 76..90].into_iter().flatten().collect();
    for (number, at) in clean.iter().enumerate() {
        assert!(times.contains(at) || behind.contains(&number), "picture {number} is lost");
    }
    assert_eq!(decoded.count.offered, 90);
    assert_eq!(decoded.status.rebuilds, 0);
}

#[test]
fn a_stream_of_garbage_gives_nothing_and_ends() {
    let mut units = encoded(H264, (320, 240), 30);
    for unit in &mut units {
        let mut data = unit.data.to_vec();
        data[4..]
            .iter_mut()
            .enumerate()
            .for_each(|(at, byte)| *byte = at.to_le_bytes()[0].wrapping_mul(37));
        unit.data = data.into();
    }
    let decoded = decoded(units);
    assert_eq!(decoded.frames.len() as u64, decoded.count.taken);
    assert_eq!(decoded.count.offered, 30);
}

/// Bits as H.264 writes them, front to back.
#[derive(Default)]
struct Writing(Vec<u8>, usize);

impl Writing {
    fn bits(&mut self, count: u32, value: u32) -> &mut Self {
        for bit in (0..count).rev() {
            if self.1.is_multiple_of(8) {
                self.0.push(0);
            }
            let last = self.0.len() - 1;
            self.0[last] |= u8::from(value >> bit & 1 == 1) << (7 - self.1 % 8);
            self.1 += 1;
        }
        self
    }

    fn unsigned(&mut self, value: u32) -> &mut Self {
        let bits = 32 - (value + 1).leading_zeros();
        self.bits(bits - 1, 0).bits(bits, value + 1)
    }
}

/// An SPS (ITU-T H.264 7.3.2.1.1) of so many macroblocks each way.
fn sps_of(wide: u32, high: u32) -> Bytes {
    let mut sps = Writing::default();
    sps.bits(32, 0x6764_003e).unsigned(0); // High, level 6.2; id
    sps.unsigned(1).unsigned(0).unsigned(0).bits(2, 0); // 4:2:0 of 8 bits; nothing special
    sps.unsigned(0).unsigned(2).unsigned(1).bits(1, 0); // frame numbers, order, references
    sps.unsigned(wide - 1).unsigned(high - 1).bits(4, 0b1100).bits(1, 1); // frames; no VUI
    sps.0.into()
}

/// `count` units that no decoder gives a picture of, from `first` on.
fn garbage(set: &Arc<CodecParameters>, first: u64, count: u64) -> Vec<AccessUnit> {
    let noise = |at: u64| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 29).to_le_bytes()[0];
    let unit = |sequence: u64| {
        let mut data = vec![0, 0, 8, 0, 0x65];
        data.extend((1..2048).map(|at| noise(at + sequence * 2048)));
        let at = MediaTime::from_millis(i64::try_from(sequence).expect("small") * 33);
        AccessUnit {
            session: SessionId::from_bits(1),
            sequence,
            pts: at,
            dts: at,
            key: sequence.is_multiple_of(10),
            b_slices: false,
            data: data.into(),
            parameters: Arc::clone(set),
            arrival: Monotonic::ZERO,
        }
    };
    (first..first + count).map(unit).collect()
}

/// The machine's decoders on one court, fed by hand.
struct Fed {
    court: CourtId,
    hop: UnitMailbox,
    seen: Arc<Seen>,
    decoder: Decoder,
    clock: Arc<dyn Clock>,
}

impl Fed {
    fn new() -> Self {
        let court = CourtId::new("north").expect("name");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let hop = UnitMailbox::new(Duration::from_secs(600), Tally::default());
        let seen = Arc::new(Seen::default());
        let settings = DecodeSettings { court: court.clone(), prefer: Prefer::Software };
        let (sink, decoders) = (Arc::clone(&seen), InstalledDecoders::default());
        let (units, its) = (hop.clone(), Arc::clone(&clock));
        let decoder = Decoder::start(settings, units, sink, Tally::default(), its, &decoders);
        Self { court, hop, seen, decoder: decoder.expect("starts"), clock }
    }

    fn opens(&self, session: SessionId) {
        self.hop.offer(StreamItem::Opened(Arc::new(StreamInfo {
            court: self.court.clone(),
            session,
            peer: "test".to_owned(),
            encoder: None,
            opened: self.clock.monotonic(),
        })));
    }

    fn closes(&self, session: SessionId) {
        self.hop.offer(StreamItem::Closed { session, reason: CloseReason::Ended });
    }

    /// Waits until `holds` of the decoder's status; gives `more` whenever nothing waits.
    fn until(
        &self,
        mut more: impl FnMut() -> Vec<AccessUnit>,
        holds: impl Fn(&DecoderStatus) -> bool,
    ) {
        let begun = self.clock.monotonic();
        while !holds(&self.decoder.status()) {
            let waited = self.clock.monotonic().since(begun);
            assert!(waited < Duration::from_secs(60), "{:?}", self.decoder.status());
            if self.hop.is_empty() {
                for unit in more() {
                    assert!(self.hop.offer(StreamItem::Video(unit)));
                }
            }
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

fn decoder_of(status: &DecoderStatus) -> Option<String> {
    status.decoder.as_ref()?.split_whitespace().next().map(str::to_owned)
}

#[test]
fn an_interlaced_camera_after_garbage_has_the_same_decoder_and_pictures_within_two_seconds() {
    let interlaced = H264.replace("x264enc", "x264enc interlaced=true");
    let camera = encoded(&interlaced, (720, 576), 45);
    let pps = camera[0].parameters.parameter_sets[1].clone();
    let sets = |sets: Vec<Bytes>, size| Arc::new(parameters(Codec::H264, size, sets));
    let huge = sets(vec![sps_of(1024, 1024), pps.clone()], (16_384, 16_384));
    let damaged = sets(vec![Bytes::from_static(&[0x67, 0x64, 0]), pps.slice(..1)], (720, 576));

    let fed = Fed::new();
    let (hostile, honest) = (SessionId::from_bits(1), SessionId::from_bits(2));
    fed.opens(hostile);
    let mut next = 0;
    let mut more = |set: &Arc<CodecParameters>| {
        next += 10;
        garbage(set, next - 10, 10)
    };
    // More failures than any decoder is forgiven within a session, of either kind.
    fed.until(|| more(&huge), |status| status.rebuilds >= 2);
    fed.until(|| more(&damaged), |status| status.rebuilds >= 4);
    let before = decoder_of(&fed.decoder.status());
    assert_eq!(before.as_deref(), Some("avdec_h264"));
    assert_eq!(fed.seen.frames.lock().len(), 0, "garbage gave a picture: this shows nothing");
    fed.closes(hostile);

    fed.opens(honest);
    let begun = fed.clock.monotonic();
    for unit in &camera {
        let unit = AccessUnit { session: honest, ..unit.clone() };
        assert!(fed.hop.offer(StreamItem::Video(unit)));
    }
    fed.until(Vec::new, |status| status.pictures > 0);
    let waited = fed.clock.monotonic().since(begun);
    assert!(waited < Duration::from_secs(2), "the first picture took {waited:?}");
    let status = fed.decoder.status();
    assert_eq!((decoder_of(&status), status.fault, status.downgrade), (before, None, None));
    fed.closes(honest);
    fed.hop.close();
    fed.decoder.join();
    let came: Vec<_> = fed.seen.frames.lock().iter().map(|frame| frame.pts).collect();
    assert_eq!(came, times(&camera), "not one is lost");
}
