//! One picture, decoded by libav in GStreamer.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use crate::decode::planes::MappedPicture;
use crate::decode::still::{StillError, StillOrder};
use crate::media::{Codec, Foreign, Frame, MediaTime, Monotonic, Pixels};

/// How long the picture is waited for: more than a key interval takes on the slowest box.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// Decodes the picture that is shown at the moment of `order`, or the first after it. Waits for it, some 30 ms
/// for a key picture of 1080p.
///
/// # Errors
/// [`StillError`].
pub fn still(order: &StillOrder<'_>) -> Result<Frame, StillError> {
    let codec = order.codec.name();
    let missing = |error: &dyn std::fmt::Display| StillError::NoDecoder {
        codec,
        reason: Foreign::text(error).to_string(),
    };
    gst::init().map_err(|error| missing(&error))?;
    let decoder = match order.codec {
        Codec::H264 => "h264parse ! avdec_h264 max-threads=1",
        Codec::H265 => "h265parse ! avdec_h265 max-threads=1",
    };
    let made = gst::parse::launch(&format!(
        "appsrc name=units format=time ! {decoder} ! videoconvert ! \
         video/x-raw,format=(string){{I420,NV12}} ! appsink name=pictures sync=false"
    ))
    .map_err(|error| missing(&error))?;
    let broken = |reason: &str| StillError::Undecodable { reason: reason.to_owned() };
    let pipeline =
        Stopped(made.downcast::<gst::Pipeline>().map_err(|_| broken("no pipeline came of it"))?);
    let named = |name: &str| pipeline.0.by_name(name);
    let source = named("units").and_then(|one| one.downcast::<gst_app::AppSrc>().ok());
    let sink = named("pictures").and_then(|one| one.downcast::<gst_app::AppSink>().ok());
    let (source, sink) = source.zip(sink).ok_or_else(|| broken("no pipeline came of it"))?;
    let (name, format) = match order.codec {
        Codec::H264 => ("video/x-h264", "avc"),
        Codec::H265 => ("video/x-h265", "hvc1"),
    };
    let caps = gst::Caps::builder(name)
        .field("stream-format", format)
        .field("alignment", "au")
        .field("codec_data", gst::Buffer::from_mut_slice(order.config.to_vec()));
    source.set_caps(Some(&caps.build()));
    let started = pipeline.0.set_state(gst::State::Playing);
    started.map_err(|_| pipeline.failure("it does not start"))?;
    let first = order.units.iter().map(|(at, _)| *at).min().unwrap_or(MediaTime::ZERO);
    for (at, data) in &order.units {
        let mut buffer = gst::Buffer::from_mut_slice(data.to_vec());
        if let Some(buffer) = buffer.get_mut() {
            let since = u64::try_from(at.nanos_since(first)).unwrap_or(0);
            buffer.set_pts(gst::ClockTime::from_nseconds(since));
        }
        source.push_buffer(buffer).map_err(|_| pipeline.failure("it takes no more pictures"))?;
    }
    source.end_of_stream().map_err(|_| pipeline.failure("it takes no more pictures"))?;
    let time = |sample: &gst::Sample| {
        let since = i64::try_from(sample.buffer()?.pts()?.nseconds()).ok()?;
        Some(first.plus_nanos(since))
    };
    let mut last = None;
    // In the order in which they are shown.
    while let Some(sample) = sink.try_pull_sample(PATIENCE) {
        if last.is_some() && time(&sample).is_none_or(|time| time > order.at) {
            break;
        }
        last = Some(sample);
    }
    let sample = last.ok_or_else(|| pipeline.failure("no picture came of it"))?;
    let picture = || {
        let info = gst_video::VideoInfo::from_caps(sample.caps()?).ok()?;
        let pts = time(&sample)?;
        let buffer = sample.buffer_owned()?;
        let pixels = MappedPicture::map(buffer, &info)?;
        Some(Frame {
            court: order.court.clone(),
            session: order.session,
            pts,
            width: info.width(),
            height: info.height(),
            arrival: Monotonic::ZERO,
            decoded: Monotonic::ZERO,
            pixels: Pixels::Cpu(Box::new(pixels)),
        })
    };
    picture().ok_or_else(|| broken("a picture without time or planes"))
}

/// A pipeline that is stopped when it goes.
struct Stopped(gst::Pipeline);

impl Stopped {
    fn failure(&self, otherwise: &str) -> StillError {
        let message = self.0.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        let reason = message.and_then(|message| match message.view() {
            gst::MessageView::Error(error) => Some(Foreign::text(error.error()).to_string()),
            _ => None,
        });
        StillError::Undecodable { reason: reason.unwrap_or_else(|| otherwise.to_owned()) }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // What cannot be stopped is left to the process's end.
        let _ = self.0.set_state(gst::State::Null);
    }
}
