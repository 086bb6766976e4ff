//! GStreamer: `appsrc ! [parser] ! decoder ! videoconvert ! appsink`, never dropping; or, where pictures
//! stay on a device, `appsrc ! parser ! decoder ! appsink`; or, on a Jetson, `… ! decoder ! nvvidconv ! NV12 !
//! appsink` (`nvmm`).
//!
//! `videoconvert` passes I420 and NV12 through untouched; it works only for the rare stream of
//! another layout. Threads: appsrc's own runs the software decoder and hands the picture on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use parking_lot::Mutex;
use tracing::warn;

use crate::clock::come_first;
use crate::decode::DecodeError;
use crate::decode::backend::{Backend, Order, Pipeline, Push, Unbuilt};
use crate::decode::choose::{self, Candidate};
use crate::decode::cuda::Surfaces;
use crate::decode::matching::Ticket;
use crate::decode::nvmm::{self, BroughtOut};
use crate::decode::outlet::{Outlet, Picture};
use crate::decode::planes::MappedPicture;
use crate::decode::teardown::{MAX_UNDER_WAY, Teardowns};
use crate::mailbox::DropReason;
use crate::media::{Codec, CpuPicture, Foreign, Pixels};

/// How long a build waits for one of too many teardowns to end: less than the second of stream that
/// the mailbox in front holds.
const PLACE: Duration = Duration::from_millis(500);

/// What stands around the decoder.
const AROUND: [&str; 3] = ["appsrc", "videoconvert", "appsink"];

/// Makes GStreamer pipelines.
#[derive(Debug)]
pub(crate) struct GStreamer {
    /// Teardowns under way, by decoder: one that hangs leaves the others their places.
    teardowns: BTreeMap<&'static str, Teardowns>,
    /// Where pictures of decoders on a device stay.
    surfaces: Option<Arc<Surfaces>>,
    /// Pictures that were brought out of a Jetson's memory.
    brought_out: BroughtOut,
}

impl GStreamer {
    /// Starts GStreamer itself, and loads the plug-ins of every decoder that the machine has: a
    /// second or two on a busy box, which the first pictures would wait otherwise (seen: 1.6 s).
    pub(crate) fn new() -> Result<Self, DecodeError> {
        gst::init()
            .map_err(|error| DecodeError::GStreamer { reason: Foreign::text(error).to_string() })?;
        for name in choose::factories().chain(AROUND) {
            if let Some(factory) = gst::ElementFactory::find(name)
                && let Err(error) = factory.load()
            {
                warn!(factory = name, %error, "a plug-in of GStreamer cannot be loaded");
            }
        }
        let teardowns = choose::factories().map(|name| (name, Teardowns::default())).collect();
        Ok(Self { teardowns, surfaces: None, brought_out: BroughtOut::default() })
    }

    /// The same, leaving pictures in `surfaces` where a decoder writes there.
    pub(crate) fn leaving_on(self, surfaces: Option<Arc<Surfaces>>) -> Self {
        Self { surfaces, ..self }
    }

    /// The surfaces that a decoder writes into.
    fn surfaces_of(&self, factory: &str) -> Option<&Arc<Surfaces>> {
        self.surfaces.as_ref().filter(|surfaces| surfaces.takes(factory))
    }
}

impl Backend for GStreamer {
    fn exists(&self, factory: &str) -> bool {
        gst::ElementFactory::find(factory).is_some()
    }

    fn keeps(&self, factory: &str) -> Option<String> {
        self.surfaces_of(factory).map(|surfaces| surfaces.told())
    }

    fn surfaces(&self) -> Option<(usize, u64)> {
        let brought_out = self.brought_out.count();
        let of_jetson = (brought_out > 0).then_some((0, brought_out));
        self.surfaces.as_ref().map(|surfaces| surfaces.count()).or(of_jetson)
    }

    fn is_clogged(&self) -> bool {
        self.teardowns.values().any(|one| one.place(MAX_UNDER_WAY, Duration::ZERO).is_err())
    }

    fn build(&self, order: &Order<'_>, outlet: Arc<Outlet>) -> Result<Box<dyn Pipeline>, Unbuilt> {
        let teardowns = self.teardowns.get(order.candidate.factory).cloned().unwrap_or_default();
        if let Err(under_way) = teardowns.place(MAX_UNDER_WAY, PLACE) {
            return Err(Unbuilt::Refused(format!(
                "{under_way} earlier ones of this court have not ended yet; it is built when one has"
            )));
        }
        let surfaces = self.surfaces_of(order.candidate.factory).cloned();
        let takes = match surfaces {
            Some(surfaces) => Takes::Surfaces(surfaces),
            None if order.candidate.download == Some(nvmm::CONVERTER) => {
                Takes::BroughtOut(self.brought_out.clone())
            }
            None => Takes::Planes,
        };
        let running = build(order, Arc::clone(&outlet), teardowns, takes)
            .map_err(|error| Unbuilt::DoesNotStart(error.message.to_string()))?;
        match running.pipeline.set_state(gst::State::Playing) {
            Ok(_) => Ok(Box::new(running)),
            Err(_) => {
                let reason = outlet.failure();
                let reason = reason.unwrap_or_else(|| "GStreamer says no more".to_owned());
                Err(Unbuilt::DoesNotStart(reason))
            }
        }
    }
}

struct GstPipeline {
    pipeline: gst::Pipeline,
    source: gst_app::AppSrc,
    teardowns: Teardowns,
    stopped: bool,
}

impl Pipeline for GstPipeline {
    fn push(&mut self, unit: Push) -> Result<(), String> {
        let mut buffer = gst::Buffer::from_mut_slice(unit.data);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(unit.pts.nanos()));
            buffer.set_dts(gst::ClockTime::from_nseconds(unit.dts.nanos()));
            if !unit.key {
                buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
        }
        match self.source.push_buffer(buffer) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("it takes no more units ({error})")),
        }
    }

    fn end(&mut self) {
        // Refused only by a pipeline that has failed, which `Outlet::failed` has told.
        let _told = self.source.end_of_stream();
    }

    fn stop(mut self: Box<Self>, hangs: bool) {
        self.stopped = true;
        if !hangs {
            halt(&self.pipeline);
            return;
        }
        let pipeline = self.pipeline.clone();
        self.teardowns.begin(move || halt(&pipeline));
    }
}

impl Drop for GstPipeline {
    fn drop(&mut self) {
        if !self.stopped {
            halt(&self.pipeline);
        }
    }
}

fn halt(pipeline: &gst::Pipeline) {
    if pipeline.set_state(gst::State::Null).is_err() {
        warn!("a decoder did not stop");
    }
}

/// Where the pictures of a pipeline are.
#[derive(Clone)]
enum Takes {
    /// In system memory, as the decoder wrote them.
    Planes,
    /// The same, where a Jetson's converter put them.
    BroughtOut(BroughtOut),
    /// On a device.
    Surfaces(Arc<Surfaces>),
}

/// What stands between source and sink, as `gst-launch` would have it.
fn chain(candidate: &Candidate, takes: &Takes) -> Vec<&'static str> {
    let mut chain: Vec<&'static str> = candidate.parser.into_iter().collect();
    chain.push(candidate.factory);
    match takes {
        Takes::Surfaces(_) => {}
        Takes::BroughtOut(_) => chain.extend([nvmm::CONVERTER, nvmm::CAPS]),
        Takes::Planes => chain.extend(candidate.download.into_iter().chain(["videoconvert"])),
    }
    chain
}

fn build(
    order: &Order<'_>,
    outlet: Arc<Outlet>,
    teardowns: Teardowns,
    takes: Takes,
) -> Result<GstPipeline, glib::BoolError> {
    let candidate = order.candidate;
    let pipeline = gst::Pipeline::new();
    let source = source(order.parameters.codec);
    let sink = sink(&outlet, takes.clone());
    let mut elements: Vec<gst::Element> = vec![source.clone().upcast()];
    let mut decoder = None;
    for needed in chain(candidate, &takes) {
        let element = if needed.contains('/') {
            let caps = needed.parse::<gst::Caps>()?;
            gst::ElementFactory::make("capsfilter").property("caps", caps).build()?
        } else {
            gst::ElementFactory::make(needed).build()?
        };
        if needed == candidate.factory {
            set(&element, candidate.settings);
            if order.low_delay {
                set(&element, candidate.low_delay);
            }
            decoder = Some(element.clone());
        }
        elements.push(element);
    }
    elements.push(sink.clone().upcast());
    pipeline.add_many(&elements)?;
    gst::Element::link_many(&elements)?;
    put_first(&source);
    if let Takes::Surfaces(surfaces) = &takes {
        surfaces.hand_over(&pipeline);
    }
    if let Some(decoder) = decoder {
        watch_entry(&decoder, &outlet);
    }
    offer_video_meta(&sink);
    if let Some(bus) = pipeline.bus() {
        watch_errors(&bus, outlet);
    }
    Ok(GstPipeline { pipeline, source, teardowns, stopped: false })
}

/// The source's thread decodes, as do those that the decoder makes at its first caps.
fn put_first(source: &gst_app::AppSrc) {
    if let Some(pad) = source.static_pad("src") {
        let _lasts_as_long_as_the_pad =
            pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, _| {
                come_first();
                gst::PadProbeReturn::Remove
            });
    }
}

fn source(codec: Codec) -> gst_app::AppSrc {
    let media = match codec {
        Codec::H264 => "video/x-h264",
        Codec::H265 => "video/x-h265",
    };
    let caps = gst::Caps::builder(media)
        .field("stream-format", "byte-stream")
        .field("alignment", "au")
        .build();
    // Unbounded by its own measure, so that it never drops or blocks: `court` keeps the bound.
    gst_app::AppSrc::builder()
        .caps(&caps)
        .format(gst::Format::Time)
        .is_live(true)
        .do_timestamp(false)
        .block(false)
        .min_latency(0)
        .max_bytes(0)
        .max_buffers(0)
        .build()
}

fn sink(outlet: &Arc<Outlet>, takes: Takes) -> gst_app::AppSink {
    let formats = [gst_video::VideoFormat::I420, gst_video::VideoFormat::Nv12];
    let caps = match &takes {
        Takes::Surfaces(surfaces) => surfaces.caps(),
        Takes::Planes | Takes::BroughtOut(_) => {
            gst_video::VideoCapsBuilder::new().format_list(formats).build()
        }
    };
    let (pictures, end) = (Arc::clone(outlet), Arc::clone(outlet));
    let mut layout = None;
    let callbacks = gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            if let Some(picture) = picture(&sample, &mut layout, &takes) {
                pictures.picture(picture);
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .eos(move |_| end.ended())
        .build();
    gst_app::AppSink::builder()
        .caps(&caps)
        .sync(false)
        .drop(false)
        .wait_on_eos(false)
        .enable_last_sample(false)
        .callbacks(callbacks)
        .build()
}

/// The layout of the caps that came last.
type Layout = Option<(gst::Caps, gst_video::VideoInfo)>;

fn picture(sample: &gst::Sample, layout: &mut Layout, takes: &Takes) -> Option<Picture> {
    let caps = sample.caps_owned()?;
    if layout.as_ref().is_none_or(|(known, _)| *known != caps) {
        *layout = Some((caps.clone(), gst_video::VideoInfo::from_caps(&caps).ok()?));
    }
    let (_, info) = layout.as_ref()?;
    let buffer = sample.buffer_owned()?;
    let ticket = buffer.pts().map(|pts| Ticket::from_nanos(pts.nseconds()));
    let damaged = buffer.flags().contains(gst::BufferFlags::CORRUPTED);
    let planes = |buffer| {
        let picture = MappedPicture::map(buffer, info).ok_or(DropReason::Undecodable)?;
        Ok(Pixels::Cpu(Box::new(picture) as Box<dyn CpuPicture>))
    };
    let pixels = match takes {
        _ if damaged => Err(DropReason::Undecodable),
        Takes::Surfaces(surfaces) => surfaces.picture(buffer, info),
        Takes::Planes => planes(buffer),
        Takes::BroughtOut(count) => {
            count.one();
            planes(buffer)
        }
    };
    Some(Picture { ticket, width: info.width(), height: info.height(), pixels })
}

/// Sets those of `settings` that this release of the element has.
fn set(element: &gst::Element, settings: &[(&str, &str)]) {
    for (name, text) in settings {
        let Some(spec) = element.find_property(name) else { continue };
        match glib::Value::deserialize_with_pspec(text, &spec) {
            Ok(value) => element.set_property_from_value(name, &value),
            Err(_) => warn!(property = name, value = text, "the decoder does not know the value"),
        }
    }
}

/// Counts units as they enter the decoder itself: the parser and appsrc are no waiting room.
fn watch_entry(decoder: &gst::Element, outlet: &Arc<Outlet>) {
    let Some(pad) = decoder.static_pad("sink") else { return };
    let outlet = Arc::clone(outlet);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        outlet.entered();
        gst::PadProbeReturn::Ok
    });
}

/// Tells the decoder that strides of its own are welcome; without this it copies every picture
/// into rows of the plain width (appsink of 1.22 does not say so itself).
fn offer_video_meta(sink: &gst_app::AppSink) {
    let Some(pad) = sink.static_pad("sink") else { return };
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
        match info.query_mut().map(gst::QueryRef::view_mut) {
            Some(gst::QueryViewMut::Allocation(query)) => {
                query.add_allocation_meta::<gst_video::VideoMeta>(None);
                gst::PadProbeReturn::Handled
            }
            _ => gst::PadProbeReturn::Ok,
        }
    });
}

fn watch_errors(bus: &gst::Bus, outlet: Arc<Outlet>) {
    let last_warning = Mutex::new(None);
    bus.set_sync_handler(move |_, message| {
        match message.view() {
            gst::MessageView::Error(error) => {
                outlet.failed(Foreign::text(error.error()).to_string());
            }
            gst::MessageView::Warning(warning) => {
                let text = Foreign::text(warning.error()).to_string();
                let mut last = last_warning.lock();
                if last.as_ref() != Some(&text) {
                    warn!(text, "the decoder warns");
                    *last = Some(text);
                }
            }
            _ => {}
        }
        gst::BusSyncReply::Drop
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::choose::{Choosing, Prefer};
    use crate::decode::setbacks::Rules;

    /// The decoder that such a machine takes.
    fn chosen(machine: &[&str]) -> &'static Candidate {
        let exists = |factory: &str| machine.contains(&factory);
        let (prefer, rules) = (Prefer::Auto, Rules::default());
        let choosing = Choosing { prefer, rules, exists: &exists, out: &|_| None };
        choosing.choose(Codec::H264).expect("one").candidate
    }

    /// What is chained on a machine with these decoders, where pictures come over system memory.
    #[test]
    fn each_machine_has_its_chain() {
        let planes = Takes::Planes;
        for (machine, expected) in [
            (&["avdec_h264"][..], "avdec_h264 ! videoconvert"),
            (&["avdec_h264", "nvh264dec"], "h264parse ! nvh264dec ! videoconvert"),
        ] {
            assert_eq!(chain(chosen(machine), &planes).join(" ! "), expected);
        }
        let jetson = chosen(&["avdec_h264", "nvh264dec", "nvv4l2decoder"]);
        assert_eq!(jetson.download, Some(nvmm::CONVERTER));
        let brought_out = Takes::BroughtOut(BroughtOut::default());
        assert_eq!(
            chain(jetson, &brought_out).join(" ! "),
            "h264parse ! nvv4l2decoder ! nvvidconv ! video/x-raw,format=NV12"
        );
    }

    /// A picture in system memory that a Jetson's converter put there is a copy, and one that the decoder
    /// wrote there is none.
    #[test]
    fn a_picture_that_was_brought_out_of_a_jetsons_memory_is_counted() {
        gst::init().expect("GStreamer");
        let caps = "video/x-raw,format=NV12,width=64,height=64,framerate=30/1";
        let caps = caps.parse::<gst::Caps>().expect("caps");
        let buffer = gst::Buffer::with_size(64 * 96).expect("room");
        let sample = gst::Sample::builder().buffer(&buffer).caps(&caps).build();
        let count = BroughtOut::default();
        for takes in [Takes::Planes, Takes::BroughtOut(count.clone())] {
            let picture = picture(&sample, &mut None, &takes).expect("a picture");
            assert!(matches!(picture.pixels, Ok(Pixels::Cpu(_))));
        }
        assert_eq!(count.count(), 1);
        let mut backend = GStreamer::new().expect("GStreamer");
        assert_eq!(backend.surfaces(), None);
        backend.brought_out = count;
        assert_eq!(backend.surfaces(), Some((0, 1)));
    }
}
