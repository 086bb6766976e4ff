//! A recording, as a camera would send it: the access units and the sound of a file, as FLV tags.
//!
//! MP4, MOV, MKV, FLV, TS: what GStreamer's `parsebin` takes apart. Pictures are H.264 or H.265 as they
//! are, nothing is encoded anew; sound is AAC, or is left out. One tag at a time is in memory.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use bytes::{BufMut, Bytes, BytesMut};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use parking_lot::Mutex;

use crate::disk::open_regular;
use crate::media::{Foreign, UtcTime};
use crate::rtmp::flv::FileTag;
use crate::rtmp::message::kind;

/// Units that are read ahead.
const AHEAD: u32 = 64;
/// How long the next unit is waited for before the bus is looked at.
const LOOK: gst::ClockTime = gst::ClockTime::from_mseconds(50);
/// Pictures for which no sound was found for so many looks, a second, have none.
const ALONE: u32 = 20;
/// So many looks without one are half a minute: it will not come.
const STALLED: u32 = 600;

/// A file that is read.
pub struct Recording {
    name: String,
    pipeline: gst::Pipeline,
    video: Track,
    sound: Option<Track>,
    /// Decoding time of the first picture, ns: where the recording begins.
    zero: Option<i64>,
    // Taken for lines, by the one who reads.
    heard: Mutex<Heard>,
}

struct Track {
    sink: gst_app::AppSink,
    /// The next of it, already read.
    next: Option<Unit>,
    /// The configuration that was sent.
    config: Bytes,
    fourcc: Option<[u8; 4]>,
}

/// A sample of the file.
struct Unit {
    dts: i64,
    pts: i64,
    key: bool,
    data: Bytes,
    config: Bytes,
}

impl Recording {
    /// Opens `file` and finds its tracks.
    ///
    /// # Errors
    /// It is no video, its pictures are neither H.264 nor H.265, or GStreamer lacks what reads it.
    pub fn open(file: &Path) -> anyhow::Result<Self> {
        gst::init().context("start GStreamer (make build says which packages it wants)")?;
        // GStreamer would wait for the writer of a pipe.
        open_regular(file).with_context(|| format!("read {}", Foreign::path(file)))?;
        let name = Foreign::path(file).to_string();
        let pipeline = gst::Pipeline::new();
        let make = |factory: &str| {
            gst::ElementFactory::make(factory)
                .build()
                .with_context(|| format!("GStreamer has no `{factory}`: install its plugins"))
        };
        let (source, parse) = (make("filesrc")?, make("parsebin")?);
        source.set_property("location", file);
        pipeline.add_many([&source, &parse])?;
        source.link(&parse)?;
        let found = Arc::new(Mutex::new(Found::default()));
        parse.connect_pad_added({
            let (found, pipeline) = (Arc::clone(&found), pipeline.downgrade());
            move |_, pad| {
                let Some(pipeline) = pipeline.upgrade() else { return };
                let mut found = found.lock();
                if let Err(error) = found.pad(&pipeline, pad) {
                    found.refused.push(format!("{error:#}"));
                }
            }
        });
        parse.connect_no_more_pads({
            let found = Arc::clone(&found);
            move |_| found.lock().complete = true
        });
        pipeline.set_state(gst::State::Playing).with_context(|| format!("read {name}"))?;
        let opened = Stopped(pipeline);
        let mut heard = Heard::default();
        let mut alone = 0;
        for _ in 0..STALLED {
            heard.listen(&opened.0);
            if let Some(reason) = heard.failure.take() {
                bail!("read {name}: {reason}; is it a video that ffprobe can read?");
            }
            // A file of pictures alone says so by its pads, or by having no others for a while: `parsebin` keeps
            // to itself that there are no more where queues behind it are full. What comes later is left out.
            let (complete, video, sound) = {
                let found = found.lock();
                (found.complete, found.video.is_some(), found.sound.is_some())
            };
            alone += u32::from(video);
            if complete || (video && sound) || alone > ALONE {
                break;
            }
            heard.wait(&opened.0);
        }
        let mut found = std::mem::take(&mut *found.lock());
        let Some(video) = found.video.take() else {
            match found.refused.first() {
                Some(why) => bail!("{name}: {why}"),
                None => bail!("{name}: there is no video in it"),
            }
        };
        let pipeline = opened.0.clone();
        std::mem::forget(opened);
        let sound = found.sound.take().map(Track::new);
        let (video, heard) = (Track::new(video), Mutex::new(heard));
        Ok(Self { name, pipeline, video, sound, zero: None, heard })
    }

    /// The next tag, by decoding time; `None` at the end. Times count from the first picture, whole
    /// milliseconds, as RTMP has them.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn next_tag(&mut self) -> anyhow::Result<Option<FileTag>> {
        if self.video.next.is_none() {
            self.video.next = self.read(&self.video.sink)?;
        }
        if let Some(sound) = &self.sound
            && sound.next.is_none()
        {
            let next = self.read(&sound.sink)?;
            if let Some(sound) = &mut self.sound {
                sound.next = next;
            }
        }
        let zero = match (self.zero, &self.video.next) {
            (Some(zero), _) => zero,
            (None, Some(first)) => *self.zero.insert(first.dts),
            (None, None) => return Ok(None),
        };
        // What is heard before the first picture is left out.
        if let Some(sound) = &mut self.sound
            && sound.next.as_ref().is_some_and(|unit| unit.dts < zero)
        {
            sound.next = None;
            return self.next_tag();
        }
        let of_video = self.video.next.as_ref().map(|unit| unit.dts);
        let of_sound = self.sound.as_ref().and_then(|sound| Some(sound.next.as_ref()?.dts));
        let is_sound = match (of_video, of_sound) {
            (None, None) => return Ok(None),
            (video, Some(sound)) => video.is_none_or(|video| sound < video),
            (Some(_), None) => false,
        };
        let track = if is_sound { self.sound.as_mut() } else { Some(&mut self.video) };
        Ok(track.and_then(|track| track.tag(is_sound, zero)))
    }

    /// The file's own word of when it was recorded, where it has one; known once a tag was read.
    #[must_use]
    pub fn created(&self) -> Option<UtcTime> {
        let mut heard = self.heard.lock();
        heard.listen(&self.pipeline);
        heard.created
    }

    /// How players turn its pictures, in GStreamer's words (`rotate-90`); `None` where they lie as they are
    /// shown. Known once a tag was read.
    #[must_use]
    pub fn turned(&self) -> Option<Foreign> {
        let mut heard = self.heard.lock();
        heard.listen(&self.pipeline);
        heard.turned.as_deref().map(Foreign::name)
    }

    /// How long it says that it is, whole seconds; known once a tag was read. What is cut off may say nothing.
    #[must_use]
    pub fn seconds(&self) -> Option<u64> {
        self.pipeline.query_duration::<gst::ClockTime>().map(|long| long.seconds())
    }

    /// Width and height of its pictures; known once a tag was read.
    #[must_use]
    pub fn size(&self) -> Option<(u32, u32)> {
        let caps = self.video.sink.static_pad("sink")?.current_caps()?;
        let of = |field: &str| u32::try_from(caps.structure(0)?.get::<i32>(field).ok()?).ok();
        Some((of("width")?, of("height")?))
    }

    fn read(&self, sink: &gst_app::AppSink) -> anyhow::Result<Option<Unit>> {
        for _ in 0..STALLED {
            if let Some(sample) = sink.try_pull_sample(LOOK) {
                return unit(&sample).map(Some).with_context(|| {
                    format!("{}: a picture or a piece of sound without a time", self.name)
                });
            }
            if sink.is_eos() {
                return Ok(None);
            }
            let mut heard = self.heard.lock();
            heard.listen(&self.pipeline);
            if let Some(reason) = heard.failure.take() {
                bail!("read {}: {reason}", self.name);
            }
        }
        bail!("read {}: nothing came for half a minute", self.name)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // What cannot be stopped is left to the process's end.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

struct Stopped(gst::Pipeline);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.set_state(gst::State::Null);
    }
}

/// What the pipeline said of itself.
#[derive(Debug, Default)]
struct Heard {
    failure: Option<String>,
    created: Option<UtcTime>,
    /// How players turn it.
    turned: Option<String>,
}

impl Heard {
    /// Takes every message: who asks for one kind of them alone lets the others go.
    fn listen(&mut self, pipeline: &gst::Pipeline) {
        let Some(bus) = pipeline.bus() else { return };
        while let Some(message) = bus.pop() {
            self.take(&message);
        }
    }

    /// Waits for a while until something is said.
    fn wait(&mut self, pipeline: &gst::Pipeline) {
        if let Some(message) = pipeline.bus().and_then(|bus| bus.timed_pop(LOOK)) {
            self.take(&message);
        }
    }

    fn take(&mut self, message: &gst::Message) {
        match message.view() {
            gst::MessageView::Error(error) => {
                self.failure.get_or_insert_with(|| Foreign::text(error.error()).to_string());
            }
            gst::MessageView::Tag(tag) => {
                self.created = self.created.or_else(|| date(&tag.tags()));
                let turned = tag.tags().get::<gst::tags::ImageOrientation>();
                if let Some(turned) = turned.map(|turned| turned.get().to_owned()) {
                    self.turned = (turned != "rotate-0").then_some(turned);
                }
            }
            _ => {}
        }
    }
}

fn date(tags: &gst::TagList) -> Option<UtcTime> {
    let text = tags.get::<gst::tags::DateTime>()?.get().to_iso8601_string().ok()?;
    let form = &time::format_description::well_known::Rfc3339;
    let read = time::OffsetDateTime::parse(&text, form).ok()?;
    let nanos = i64::try_from(read.unix_timestamp_nanos()).ok()?;
    (nanos > 0).then_some(UtcTime::from_nanos(nanos))
}

/// What `parsebin` found in the file.
#[derive(Default)]
struct Found {
    video: Option<(gst_app::AppSink, Option<[u8; 4]>)>,
    sound: Option<(gst_app::AppSink, Option<[u8; 4]>)>,
    refused: Vec<String>,
    complete: bool,
}

impl Found {
    /// Leads a track to where it is read; what is not wanted goes nowhere.
    fn pad(&mut self, pipeline: &gst::Pipeline, pad: &gst::Pad) -> anyhow::Result<()> {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let name = caps.structure(0).map(|one| one.name().to_string()).unwrap_or_default();
        let (parser, wanted, fourcc) = match name.as_str() {
            "video/x-h264" => ("h264parse", "video/x-h264,stream-format=avc,alignment=au", None),
            "video/x-h265" => {
                ("h265parse", "video/x-h265,stream-format=hvc1,alignment=au", Some(*b"hvc1"))
            }
            "audio/mpeg" => ("aacparse", "audio/mpeg,mpegversion=4,stream-format=raw", None),
            other => {
                if other.starts_with("video/") {
                    let coding = Foreign::name(other.trim_start_matches("video/x-"));
                    self.refused.push(format!(
                        "its pictures are {coding}; wanted are H.264 or H.265: convert it with \
                         `ffmpeg -i FILE -c:v libx264 -bf 0 OUT.mp4`"
                    ));
                }
                return nowhere(pipeline, pad);
            }
        };
        let is_video = name.starts_with("video/");
        if if is_video { self.video.is_some() } else { self.sound.is_some() } {
            return nowhere(pipeline, pad);
        }
        let parser = gst::ElementFactory::make(parser).build()?;
        let sink = gst_app::AppSink::builder()
            .caps(&wanted.parse::<gst::Caps>()?)
            .sync(false)
            .max_buffers(AHEAD)
            .build();
        let queue = gst::ElementFactory::make("queue").build()?;
        // One track of a file may be far ahead of the other: by bytes, not by time.
        queue.set_property("max-size-time", 0_u64);
        queue.set_property("max-size-buffers", 0_u32);
        queue.set_property("max-size-bytes", 64_u32 << 20);
        let all = [&queue, &parser, sink.upcast_ref::<gst::Element>()];
        pipeline.add_many(all)?;
        gst::Element::link_many(all)?;
        for element in all {
            element.sync_state_with_parent()?;
        }
        let to = queue.static_pad("sink").context("a queue without a way in")?;
        pad.link(&to)?;
        let place = if is_video { &mut self.video } else { &mut self.sound };
        *place = Some((sink, fourcc));
        Ok(())
    }
}

fn nowhere(pipeline: &gst::Pipeline, pad: &gst::Pad) -> anyhow::Result<()> {
    let sink = gst::ElementFactory::make("fakesink").build()?;
    sink.set_property("sync", false);
    sink.set_property("async", false);
    pipeline.add(&sink)?;
    sink.sync_state_with_parent()?;
    let to = sink.static_pad("sink").context("a sink without a way in")?;
    pad.link(&to)?;
    Ok(())
}

fn unit(sample: &gst::Sample) -> Option<Unit> {
    let buffer = sample.buffer()?;
    let nanos = |time: Option<gst::ClockTime>| i64::try_from(time?.nseconds()).ok();
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?.clone();
    // By the file's own time line: decoding times may lie before its beginning.
    let running = |time: Option<gst::ClockTime>| -> Option<i64> {
        match segment.to_running_time_full(time?)? {
            gst::Signed::Positive(time) => nanos(Some(time)),
            gst::Signed::Negative(time) => nanos(Some(time)).map(|nanos| -nanos),
        }
    };
    let pts = running(buffer.pts());
    let dts = running(buffer.dts()).or(pts)?;
    let map = buffer.map_readable().ok()?;
    let config = sample.caps()?.structure(0)?.get::<gst::Buffer>("codec_data").ok();
    let config = config.and_then(|config| {
        config.map_readable().ok().map(|map| Bytes::copy_from_slice(map.as_slice()))
    });
    Some(Unit {
        dts,
        pts: pts.unwrap_or(dts),
        key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
        data: Bytes::copy_from_slice(map.as_slice()),
        config: config.unwrap_or_default(),
    })
}

impl Track {
    fn new((sink, fourcc): (gst_app::AppSink, Option<[u8; 4]>)) -> Self {
        Self { sink, next: None, config: Bytes::new(), fourcc }
    }

    /// The tag of what comes next: its configuration first, where that has changed.
    fn tag(&mut self, is_sound: bool, zero: i64) -> Option<FileTag> {
        /// Nanoseconds of a millisecond.
        const MS: i64 = 1_000_000;
        let changed = self.next.as_ref().is_some_and(|unit| unit.config != self.config);
        let unit = if changed { self.next.as_ref()? } else { &self.next.take()? };
        let ms = (unit.dts - zero + MS / 2).max(0) / MS;
        let later = (unit.pts - zero + MS / 2) / MS - ms;
        let mut body = BytesMut::with_capacity(unit.data.len() + 16);
        match (is_sound, self.fourcc, changed) {
            (true, _, first) => body.put_slice(&[0xAF, u8::from(!first)]),
            (false, None, true) => body.put_slice(&[0x17, 0, 0, 0, 0]),
            (false, None, false) => {
                body.put_slice(&[if unit.key { 0x17 } else { 0x27 }, 1]);
                body.put_slice(later.to_be_bytes().get(5..)?);
            }
            // Enhanced RTMP: SequenceStart, CodedFrames.
            (false, Some(fourcc), true) => {
                body.put_u8(0x90);
                body.put_slice(&fourcc);
            }
            (false, Some(fourcc), false) => {
                body.put_u8(if unit.key { 0x91 } else { 0xA1 });
                body.put_slice(&fourcc);
                body.put_slice(later.to_be_bytes().get(5..)?);
            }
        }
        body.put_slice(if changed { &unit.config } else { &unit.data });
        let timestamp = u32::try_from(ms).unwrap_or(u32::MAX);
        let kind = if is_sound { kind::AUDIO } else { kind::VIDEO };
        if changed {
            self.config = unit.config.clone();
        }
        Some(FileTag { kind, timestamp, body: body.freeze() })
    }
}
