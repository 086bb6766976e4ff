//! A camera of ours: plays a video, scaled, through an encoder set for low latency.
//!
//! [`film`] encodes ahead, for a publisher that keeps the frame clock. [`live`] takes pictures in
//! real time, and writes the instant of each both into the picture (`strip`) and into its SEI.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::media::{Codec, Foreign, UtcTime, sei};
use crate::rtmp::flv::FileTag;
use crate::tools::rig::strip;

/// The picture that a camera sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) fps: u32,
    pub(crate) kbps: u32,
    pub(crate) codec: Codec,
}

/// RTMP's type of a video message.
const VIDEO: u8 = 9;
/// Pictures between encoder and network.
const AHEAD: usize = 64;

/// How long the next picture is waited for: what it lacks (a decoder, an encoder's library) never comes.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a picture is waited for before the bus is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Encodes `seconds` of `video` as FLV tags, again from its start where it is shorter.
///
/// # Errors
/// What GStreamer lacks, or says; no wait is longer than [`PATIENCE`].
pub(crate) fn film(video: &Path, format: Format, seconds: u32) -> anyhow::Result<Vec<FileTag>> {
    let (pipeline, out) = pipeline(video, format, "")?;
    let _stopped = Stopped::start(&pipeline)?;
    let pictures = seconds * format.fps;
    let mut tags = Vec::new();
    for _ in 0..pictures {
        let Some(sample) = next(&pipeline, &out, PATIENCE)? else { break };
        tags.extend(tags_of(&sample, None, tags.is_empty())?);
    }
    if tags.is_empty() {
        bail!("{}: no picture could be made of it{}", video.display(), said(&pipeline));
    }
    Ok(again(tags, pictures, format.fps))
}

/// As many pictures as are wanted, of a video that may have fewer: it is shown again from its start.
fn again(mut tags: Vec<FileTag>, pictures: u32, fps: u32) -> Vec<FileTag> {
    let (Some(first), Some(last)) = (tags.get(1), tags.last()) else { return tags };
    // The first tag is the decoder's record, which holds for all that follows.
    let once = tags.len() - 1;
    let length = last.timestamp - first.timestamp + 1000 / fps.max(1);
    for number in once..usize::try_from(pictures).unwrap_or(usize::MAX) {
        let Some(before) = tags.get(number - once + 1).cloned() else { break };
        tags.push(FileTag { timestamp: before.timestamp.wrapping_add(length), ..before });
    }
    tags
}

/// Takes pictures for `seconds` in real time; their tags come out of the channel as they are made.
pub(crate) fn live(
    video: &Path,
    format: Format,
    seconds: u32,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<mpsc::Receiver<FileTag>> {
    if format.width < u32::try_from(strip::MIN_WIDTH).unwrap_or(u32::MAX) {
        bail!("a picture of {} pixels is too narrow for the clock", format.width);
    }
    // A sensor does not wait for its encoder: what comes too late for it is not taken.
    let pace = "! identity sync=true ! queue leaky=downstream max-size-buffers=2";
    let (pipeline, out) = pipeline(video, format, pace)?;
    let taken = Arc::new(Mutex::new(BTreeMap::new()));
    write_clock(&pipeline, format, clock, &taken)?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    let stopped = Stopped::start(&pipeline)?;
    let pictures = seconds * format.fps;
    let film = move || -> anyhow::Result<()> {
        let _stopped = stopped;
        for number in 0..pictures {
            let Some(sample) = next(&pipeline, &out, PATIENCE)? else { break };
            let shutter = running_time_of(&sample).and_then(|at| taken.lock().remove(&at));
            for tag in tags_of(&sample, shutter, number == 0)? {
                // The publisher has ended: so does the camera.
                if sender.blocking_send(tag).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    };
    std::thread::Builder::new().name("camera".to_owned()).spawn(move || {
        if let Err(error) = film() {
            tracing::error!("camera: {error:#}");
        }
    })?;
    Ok(receiver)
}

/// The next encoded picture; `None` at the end.
///
/// # Errors
/// The element that is missing and its package, as soon as that is known; else what GStreamer says, or
/// that nothing came for `patience`.
fn next(
    pipeline: &gst::Pipeline,
    out: &gst_app::AppSink,
    patience: Duration,
) -> anyhow::Result<Option<gst::Sample>> {
    let looks = patience.as_millis().div_ceil(LOOK.as_millis()).max(1);
    let look = gst::ClockTime::try_from(LOOK).unwrap_or(gst::ClockTime::SECOND);
    let bus = pipeline.bus().context("the camera's bus")?;
    let mut lacks = String::new();
    for _ in 0..looks {
        if let Some(sample) = out.try_pull_sample(look) {
            return Ok(Some(sample));
        }
        while let Some(message) =
            bus.pop_filtered(&[gst::MessageType::Error, gst::MessageType::Element])
        {
            if let gst::MessageView::Error(error) = message.view() {
                bail!("no picture comes of it: {}{lacks}", Foreign::text(error.error()));
            }
            let Some((what, pictures)) = message.structure().and_then(missing) else { continue };
            lacks = format!("; {what}");
            if pictures {
                bail!("no picture comes of it{lacks}");
            }
        }
        if out.is_eos() {
            return Ok(None);
        }
    }
    bail!("no picture came for {} s{lacks}", patience.as_secs())
}

/// What GStreamer says that it lacks, with the package that has it; true where pictures need it.
fn missing(said: &gst::StructureRef) -> Option<(String, bool)> {
    if said.name() != "missing-plugin" {
        return None;
    }
    let kind = said.get::<String>("type").unwrap_or_default();
    let name = said.get::<String>("name").unwrap_or_else(|_| kind.clone());
    let package = match kind.as_str() {
        "encoder" => "gstreamer1.0-plugins-ugly",
        "decoder" => "gstreamer1.0-libav",
        _ => "gstreamer1.0-plugins-good gstreamer1.0-plugins-bad",
    };
    let caps = said.get::<gst::Caps>("detail").ok();
    let media = caps.as_ref().and_then(|caps| caps.structure(0)).map(|media| media.name().as_str());
    let of = media.map(|media| format!(" of {}", Foreign::text(media))).unwrap_or_default();
    let name = Foreign::text(name);
    let text = format!("GStreamer has no {kind}{of} ({name}): apt-get install {package}");
    Some((text, media.is_some_and(|media| media.starts_with("video/"))))
}

/// Stops a pipeline when it goes.
struct Stopped(gst::Pipeline);

impl Stopped {
    fn start(pipeline: &gst::Pipeline) -> anyhow::Result<Self> {
        if pipeline.set_state(gst::State::Playing).is_err() {
            bail!("the camera does not start{}", said(pipeline));
        }
        Ok(Self(pipeline.clone()))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // A pipeline that does not stop ends with the process.
        let _ended = self.0.set_state(gst::State::Null);
    }
}

fn pipeline(
    video: &Path,
    format: Format,
    pace: &str,
) -> anyhow::Result<(gst::Pipeline, gst_app::AppSink)> {
    gst::init().context("start GStreamer")?;
    let Format { width, height, fps, kbps, codec } = format;
    let key = 2 * fps;
    let (encoder, package) = match codec {
        Codec::H264 => (
            format!(
                "x264enc name=encoder tune=zerolatency speed-preset=ultrafast bframes=0 \
                 key-int-max={key} bitrate={kbps} \
                 ! video/x-h264,profile=main,stream-format=avc,alignment=au"
            ),
            "gstreamer1.0-plugins-ugly",
        ),
        Codec::H265 => (
            format!(
                "x265enc name=encoder tune=zerolatency speed-preset=ultrafast key-int-max={key} \
                 bitrate={kbps} option-string=bframes=0:log-level=none \
                 ! h265parse ! video/x-h265,stream-format=hvc1,alignment=au"
            ),
            "gstreamer1.0-plugins-bad",
        ),
    };
    let line = format!(
        "filesrc name=file ! decodebin force-sw-decoders=true ! videoconvert ! videoscale ! videorate \
         ! video/x-raw,format=I420,width={width},height={height},framerate={fps}/1,\
         pixel-aspect-ratio=1/1 {pace} ! {encoder} \
         ! appsink name=out sync=false max-buffers={AHEAD}"
    );
    let pipeline = gst::parse::launch(&line)
        .with_context(|| {
            format!("set up an encoder: apt-get install {package} gstreamer1.0-libav")
        })?
        .downcast::<gst::Pipeline>()
        .map_err(|_| anyhow::anyhow!("GStreamer made no pipeline of it"))?;
    let file = pipeline.by_name("file").context("the file's element")?;
    file.set_property("location", video.to_string_lossy().as_ref());
    let out = pipeline.by_name("out").and_downcast::<gst_app::AppSink>().context("the sink")?;
    Ok((pipeline, out))
}

/// Draws the instant into each picture as it is taken, and keeps it by the picture's time.
fn write_clock(
    pipeline: &gst::Pipeline,
    format: Format,
    clock: &Arc<dyn Clock>,
    taken: &Arc<Mutex<BTreeMap<gst::ClockTime, UtcTime>>>,
) -> anyhow::Result<()> {
    let encoder = pipeline.by_name("encoder").context("the encoder")?;
    let pad = encoder.static_pad("sink").context("the encoder's pad")?;
    let info =
        gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, format.width, format.height)
            .build()?;
    let (clock, taken) = (Arc::clone(clock), Arc::clone(taken));
    let size = (usize::try_from(format.width)?, usize::try_from(format.height)?);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, probed| {
        let Some(buffer) = probed.buffer_mut() else { return gst::PadProbeReturn::Ok };
        let at = clock.utc();
        let segment = pad.sticky_event::<gst::event::Segment>(0);
        let running = segment.and_then(|event| running_time(event.segment(), buffer.pts()));
        let buffer = buffer.make_mut();
        if let Ok(mut frame) = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, &info) {
            let stride =
                frame.plane_stride().first().and_then(|stride| usize::try_from(*stride).ok());
            if let (Some(stride), Ok(luma)) = (stride, frame.plane_data_mut(0)) {
                strip::draw(luma, stride, size, at);
            }
        }
        if let Some(running) = running {
            taken.lock().insert(running, at);
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

/// The encoder shifts timestamps and tells so by its segment: running time is what stays.
fn running_time_of(sample: &gst::Sample) -> Option<gst::ClockTime> {
    running_time(sample.segment()?, sample.buffer()?.pts())
}

fn running_time(segment: &gst::Segment, pts: Option<gst::ClockTime>) -> Option<gst::ClockTime> {
    segment.downcast_ref::<gst::ClockTime>()?.to_running_time(pts)
}

/// The FLV tags of an encoded picture: the configuration before the first.
fn tags_of(
    sample: &gst::Sample,
    shutter: Option<UtcTime>,
    first: bool,
) -> anyhow::Result<Vec<FileTag>> {
    /// Key picture and other, of AVC or of what goes as codec 12; then packet type and composition time
    /// (FLV 10.1 E.4.3).
    const KEY: u8 = 0x10;
    const OTHER: u8 = 0x20;
    const AVC: u8 = 7;
    const HEVC: u8 = 12;
    let caps = sample.caps().and_then(|caps| caps.structure(0)).context("caps")?;
    let (codec, id) = match caps.name().as_str() {
        "video/x-h265" => (Codec::H265, HEVC),
        _ => (Codec::H264, AVC),
    };
    let buffer = sample.buffer().context("a sample without data")?;
    let timestamp = u32::try_from(running_time_of(sample).map_or(0, gst::ClockTime::mseconds))?;
    let mut tags = Vec::new();
    if first {
        let record = caps.get::<gst::Buffer>("codec_data").context("no avcC or hvcC")?;
        let record = record.map_readable().context("read the avcC or hvcC")?;
        let mut body = vec![KEY | id, 0, 0, 0, 0];
        body.extend_from_slice(&record);
        tags.push(FileTag { kind: VIDEO, timestamp, body: body.into() });
    }
    let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
    let mut body = vec![if key { KEY } else { OTHER } | id, 1, 0, 0, 0];
    if let Some(at) = shutter {
        let nal = sei::wall_time_nal(codec, at);
        body.extend_from_slice(&u32::try_from(nal.len())?.to_be_bytes());
        body.extend_from_slice(&nal);
    }
    body.extend_from_slice(&buffer.map_readable().context("read the picture")?);
    tags.push(FileTag { kind: VIDEO, timestamp, body: Bytes::from(body) });
    Ok(tags)
}

fn said(pipeline: &gst::Pipeline) -> String {
    let message = pipeline.bus().and_then(|bus| {
        bus.timed_pop_filtered(gst::ClockTime::from_mseconds(100), &[gst::MessageType::Error])
    });
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => format!(": {}", Foreign::text(error.error())),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_short_video_is_shown_again_and_its_time_goes_on() {
        let tag =
            |timestamp, body: &'static [u8]| FileTag { kind: VIDEO, timestamp, body: body.into() };
        let tags = vec![tag(0, b"record"), tag(0, b"a"), tag(33, b"b")];
        let all = again(tags.clone(), 5, 30);
        let times: Vec<u32> = all.iter().map(|tag| tag.timestamp).collect();
        assert_eq!(times, [0, 0, 33, 66, 99, 132]);
        let bodies: Vec<&[u8]> = all.iter().map(|tag| &tag.body[..]).collect();
        assert_eq!(bodies, [&b"record"[..], b"a", b"b", b"a", b"b", b"a"]);
        assert_eq!(again(tags, 2, 30).len(), 3, "long enough as it is");
    }

    /// A pipeline whose sink is given nothing, and what it is told it lacks.
    fn silent(lacks: &str) -> (gst::Pipeline, gst_app::AppSink) {
        gst::init().expect("GStreamer");
        let made = gst::parse::launch("appsrc ! appsink name=out").expect("a pipeline");
        let pipeline = made.downcast::<gst::Pipeline>().expect("a pipeline");
        let out = pipeline.by_name("out").and_downcast::<gst_app::AppSink>().expect("the sink");
        pipeline.set_state(gst::State::Playing).expect("plays");
        if !lacks.is_empty() {
            let said = lacks.parse::<gst::Structure>().expect("a structure");
            let message = gst::message::Element::builder(said).src(&pipeline).build();
            pipeline.post_message(message).expect("posted");
        }
        (pipeline, out)
    }

    #[test]
    fn a_machine_without_a_decoder_is_told_which_and_where_it_is_and_nobody_waits() {
        for (lacks, patience, expected) in [
            (
                "missing-plugin,type=(string)decoder,detail=(GstCaps)[video/x-h264],\
                 name=(string)\"H.264 decoder\"",
                Duration::from_secs(600),
                "GStreamer has no decoder of video/x-h264 (H.264 decoder): apt-get install \
                 gstreamer1.0-libav",
            ),
            // Sound that cannot be decoded is no reason; that nothing came is.
            (
                "missing-plugin,type=(string)decoder,detail=(GstCaps)[audio/mpeg],\
                 name=(string)\"AAC decoder\"",
                Duration::from_millis(100),
                "no picture came for 0 s; GStreamer has no decoder of audio/mpeg",
            ),
            ("", Duration::from_millis(100), "no picture came for 0 s"),
        ] {
            let (pipeline, out) = silent(lacks);
            let said = next(&pipeline, &out, patience).expect_err("nothing comes").to_string();
            assert!(said.contains(expected), "{said}");
            pipeline.set_state(gst::State::Null).expect("stops");
        }
    }

    #[test]
    fn what_is_no_video_is_an_error_and_no_wait() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("text.txt");
        let text = b"some words of text in a line\n".repeat(2_000);
        let written = std::fs::File::create(&path).and_then(|mut file| file.write_all(&text));
        written.expect("written");
        let format = Format { width: 64, height: 64, fps: 30, kbps: 100, codec: Codec::H264 };
        let said = film(&path, format, 1).expect_err("no video").to_string();
        assert!(said.contains("no picture comes of it"), "{said}");
    }
}
