//! The bare pipeline that `bench latency` stands beside: `appsrc ! decoder ! appsink`, no more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::decode;
use crate::media::{Codec, Monotonic};
use crate::rtmp::flv::{FileTag, VideoTag};

/// After the last unit, this long for the last picture.
const SETTLE: Duration = Duration::from_secs(1);

/// The decoder that the daemon takes here, by GStreamer's name.
///
/// # Errors
/// GStreamer or every decoder is missing.
pub(crate) fn decoder() -> anyhow::Result<String> {
    let all = decode::survey()?;
    let (_, found) =
        all.into_iter().find(|(codec, _)| *codec == Codec::H264).context("no H.264 decoder")?;
    let found = found.map_err(|why| anyhow::anyhow!(why))?;
    Ok(found.factory.to_owned())
}

/// Decodes `tags` at their own times; returns push → picture of each picture.
pub(crate) fn decode(
    tags: &[FileTag],
    decoder: &str,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Vec<Duration>> {
    gst::init().context("start GStreamer")?;
    let record = tags.iter().find_map(|tag| match VideoTag::read(&tag.body) {
        VideoTag::Configuration { record, .. } => Some(record),
        _ => None,
    });
    let caps = gst::Caps::builder("video/x-h264")
        .field("stream-format", "avc")
        .field("alignment", "au")
        .field("codec_data", gst::Buffer::from_slice(record.context("no avcC")?))
        .build();
    // A hardware decoder wants a parser in front, and no more.
    let decoding = match decoder.strip_prefix("avdec") {
        Some(_) => format!("{decoder} thread-type=slice std-compliance=normal"),
        None => format!("h264parse ! {decoder}"),
    };
    let line = format!(
        "appsrc name=in is-live=true format=time ! {decoding} ! appsink name=out sync=false"
    );
    let pipeline = gst::parse::launch(&line).context("set up the bare pipeline")?;
    let pipeline =
        pipeline.downcast::<gst::Pipeline>().map_err(|_| anyhow::anyhow!("no pipeline"))?;
    let source = pipeline.by_name("in").and_downcast::<gst_app::AppSrc>().context("appsrc")?;
    source.set_caps(Some(&caps));
    let sink = pipeline.by_name("out").and_downcast::<gst_app::AppSink>().context("appsink")?;
    let came: Arc<Mutex<BTreeMap<u64, Monotonic>>> = Arc::default();
    let (seen, arrived) = (Arc::clone(&came), Arc::clone(clock));
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                if let Some(pts) = sample.buffer().and_then(gst::BufferRef::pts) {
                    seen.lock().insert(pts.mseconds(), arrived.monotonic());
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    if pipeline.set_state(gst::State::Playing).is_err() {
        bail!("the bare pipeline does not start");
    }
    let pushed = push(tags, &source, clock)?;
    let deadline = clock.monotonic().plus(SETTLE);
    while came.lock().len() < pushed.len() && clock.monotonic() < deadline {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    pipeline.set_state(gst::State::Null).context("stop the bare pipeline")?;
    let came = came.lock();
    Ok(pushed
        .iter()
        .filter_map(|(timestamp, at)| came.get(timestamp).map(|came| came.since(*at)))
        .collect())
}

/// Pushes each picture at its own time; returns when that was.
fn push(
    tags: &[FileTag],
    source: &gst_app::AppSrc,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<BTreeMap<u64, Monotonic>> {
    let first = tags.first().map_or(0, |tag| tag.timestamp);
    let begun = clock.monotonic();
    let mut pushed = BTreeMap::new();
    for tag in tags {
        let VideoTag::Picture { data, composition_ms, .. } = VideoTag::read(&tag.body) else {
            continue;
        };
        let due = begun.plus(Duration::from_millis(u64::from(tag.timestamp - first)));
        while let now = clock.monotonic()
            && now < due
        {
            std::thread::park_timeout(due.since(now));
        }
        let pts = u64::try_from(i64::from(tag.timestamp) + i64::from(composition_ms)).unwrap_or(0);
        let mut buffer = gst::Buffer::from_slice(data);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_mseconds(pts));
            buffer.set_dts(gst::ClockTime::from_mseconds(u64::from(tag.timestamp)));
        }
        pushed.insert(pts, clock.monotonic());
        source.push_buffer(buffer).context("push a picture")?;
    }
    Ok(pushed)
}
