//! A clip through this machine's own decoder and the model that decides: what an image on trial must show.
//!
//! In: the box's decoders, its engines, where its bundles lie. Out: that it works, or the step that does not. The clip
//! is `clip.h264` beside this file (x264 of ffmpeg's `testsrc2`, 320 × 240, 12 pictures, a slice each, no B-frames): it
//! needs no camera, and says nothing of one. What the model answers must make sense; what it says of a test picture is
//! nobody's concern.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use parking_lot::Mutex;

use crate::app::world::World;
use crate::decode::{DecodeSettings, Decoder, FrameSink};
use crate::detect::{Bundle, DetectSettings, STAND_IN, Task, find_wanted, try_on};
use crate::mailbox::{Tally, UnitMailbox};
use crate::media::h264::ParameterSets;
use crate::media::{
    AccessUnit, CloseReason, CourtId, Foreign, Frame, MediaTime, Monotonic, SessionId, StreamInfo,
    StreamItem,
};

const CLIP: &[u8] = include_bytes!("clip.h264");
/// 25 pictures a second.
const STEP_NANOS: i64 = 40_000_000;
/// Pictures that must come out of it: a decoder may keep the last ones.
const ENOUGH: usize = 8;
/// Frames that a model looks at.
const LOOKS: usize = 4;

/// Takes the pictures as they come.
#[derive(Default)]
struct Seen(Mutex<Vec<Arc<Frame>>>);

impl FrameSink for Seen {
    fn opened(&self, _info: &Arc<StreamInfo>) {}

    fn frame(&self, frame: Arc<Frame>) {
        self.0.lock().push(frame);
    }

    fn closed(&self, _session: SessionId, _reason: CloseReason) {}
}

/// Sends the clip through. Blocking: seconds on the slowest box.
///
/// # Errors
/// What did not work, in words.
pub(super) fn clip_goes_through(world: &World, settings: &DetectSettings) -> Result<(), String> {
    let frames = decoded(world, units(CLIP)?)?;
    let (name, bundle) = decides(settings)?;
    try_on(&bundle, &*world.devices.engines, frames.get(..LOOKS).unwrap_or(&frames))
        .map_err(|why| format!("model {name}: {why}"))
}

/// The first bundle that is there, in a parcel too, as when models are loaded. Where none is, which no new image
/// brought about, the one in the binary.
fn decides(settings: &DetectSettings) -> Result<(&str, Bundle), String> {
    let there = settings.bundles.iter().find_map(|name| {
        let bundle = find_wanted(name, Task::Rim, settings).ok()?;
        Some((name.as_str(), bundle))
    });
    let stand_in = || {
        let in_binary = DetectSettings { search: Vec::new(), ..settings.clone() };
        let bundle = find_wanted(STAND_IN, Task::Rim, &in_binary);
        Ok((STAND_IN, bundle.map_err(|error| Foreign::error(&error).to_string())?))
    };
    there.map_or_else(stand_in, Ok)
}

fn decoded(world: &World, units: Vec<AccessUnit>) -> Result<Vec<Arc<Frame>>, String> {
    let court = CourtId::new("proof").map_err(|error| error.to_string())?;
    let hop = UnitMailbox::new(Duration::from_secs(600), Tally::default());
    let session = SessionId::from_bits(0);
    let info = StreamInfo {
        court: court.clone(),
        session,
        peer: String::new(),
        encoder: None,
        opened: world.clock.monotonic(),
    };
    hop.offer(StreamItem::Opened(Arc::new(info)));
    let pictures = units.len();
    for unit in units {
        hop.offer(StreamItem::Video(unit));
    }
    hop.offer(StreamItem::Closed { session, reason: CloseReason::Ended });
    hop.close();
    let seen = Arc::new(Seen::default());
    let (sink, clock) = (Arc::clone(&seen), Arc::clone(&world.clock));
    let settings = DecodeSettings::new(court);
    let decoders = &*world.devices.decoders;
    let decoder = Decoder::start(settings, hop, sink, Tally::default(), clock, decoders)
        .map_err(|error| error.to_string())?;
    let watcher = decoder.watcher();
    decoder.join();
    let frames = std::mem::take(&mut *seen.0.lock());
    if frames.len() >= ENOUGH {
        return Ok(frames);
    }
    let status = watcher.status();
    let with = status.decoder.unwrap_or_else(|| "no decoder".to_owned());
    let why = status.fault.or(status.last_error).unwrap_or_default();
    Err(format!("{} of {pictures} pictures came out of {with}: {why}", frames.len()))
}

/// The access units of an Annex B stream of one slice a picture (ITU-T H.264, B.1).
fn units(stream: &[u8]) -> Result<Vec<AccessUnit>, String> {
    let (mut sets, mut units) = (ParameterSets::default(), Vec::new());
    let mut parameters = None;
    for nal in nals(stream) {
        let key = match nal.first().map(|head| head & 0x1f) {
            Some(7 | 8) => {
                sets.update(&Bytes::copy_from_slice(nal));
                parameters = sets.parameters().map(Arc::new);
                continue;
            }
            Some(5) => true,
            Some(1) => false,
            _ => continue,
        };
        let parameters = parameters.clone().ok_or("the clip has no parameter sets")?;
        let mut data = BytesMut::new();
        data.put_u32(u32::try_from(nal.len()).map_err(|_| "the clip is no clip")?);
        data.put_slice(nal);
        let sequence = units.len() as u64;
        let at = MediaTime::ZERO.plus_nanos(STEP_NANOS * i64::try_from(sequence).unwrap_or(0));
        units.push(AccessUnit {
            session: SessionId::from_bits(0),
            sequence,
            pts: at,
            dts: at,
            key,
            b_slices: false,
            data: data.freeze(),
            parameters,
            arrival: Monotonic::ZERO,
        });
    }
    if units.is_empty() { Err("the clip has no pictures".to_owned()) } else { Ok(units) }
}

/// What stands between start codes.
fn nals(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut starts: Vec<usize> = Vec::new();
    for (at, three) in stream.windows(3).enumerate() {
        if three == [0, 0, 1] {
            starts.push(at + 3);
        }
    }
    let ends = starts.iter().skip(1).map(|start| start - 3).chain([stream.len()]);
    let pairs: Vec<(usize, usize)> = starts.iter().copied().zip(ends).collect();
    pairs.into_iter().filter_map(|(from, to)| {
        let nal = stream.get(from..to)?;
        // The zero of a start code of four bytes.
        let long = nal.iter().rposition(|byte| *byte != 0)? + 1;
        nal.get(..long)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::world::Devices;

    #[test]
    fn the_clip_is_twelve_pictures_and_the_first_is_a_key() {
        let units = units(CLIP).expect("a clip");
        let keys: Vec<bool> = units.iter().map(|unit| unit.key).collect();
        assert_eq!(keys, [vec![true], vec![false; 11]].concat());
        let parameters = &units[0].parameters;
        assert_eq!((parameters.width, parameters.height), (320, 240));
        assert!(self::units(b"").is_err() && self::units(&CLIP[..4]).is_err());
    }

    #[cfg(feature = "gstreamer")]
    #[test]
    fn the_clip_goes_through_and_where_decoder_or_model_is_gone_it_says_so() {
        use crate::decode::{Backend, DecodeError, Decoders};
        use crate::detect::{Engine, EngineError, EngineFound, Engines};

        #[derive(Debug)]
        struct Gone;
        impl Decoders for Gone {
            fn backend(&self) -> Result<Arc<dyn Backend>, DecodeError> {
                Err(DecodeError::NotBuilt)
            }
        }
        #[derive(Debug)]
        struct NoEngines;
        impl Engines for NoEngines {
            fn engine_for(&self, _: &Bundle) -> Result<Box<dyn Engine>, EngineError> {
                Err(EngineError::Absent { problem: "it is gone".to_owned() })
            }

            fn found(&self) -> Vec<EngineFound> {
                Vec::new()
            }
        }
        let world = World::real();
        let settings = |bundles: &[&str]| DetectSettings {
            bundles: bundles.iter().map(|name| (*name).to_owned()).collect(),
            finder: false,
            search: Vec::new(),
            device: "cpu".to_owned(),
            kept: None,
            parcels: None,
            least_queue_frames: 0,
        };
        assert_eq!(clip_goes_through(&world, &settings(&["rimnet"])), Ok(()));
        // What is not there was not there before the update either, and does not decide.
        let named = |bundles: &[&str]| {
            let settings = settings(bundles);
            let (name, bundle) = decides(&settings).expect("one");
            (name.to_owned(), bundle.name)
        };
        assert_eq!(named(&["gone@1.0.0", "ballnet"]), ("ballnet".into(), "ballnet".into()));
        assert_eq!(named(&["gone@1.0.0"]), (STAND_IN.into(), STAND_IN.into()));
        assert_eq!(clip_goes_through(&world, &settings(&["gone@1.0.0"])), Ok(()));
        let engines = Arc::new(NoEngines);
        let devices = Devices { engines, ..world.devices.clone() };
        let none = clip_goes_through(&World { devices, ..world.clone() }, &settings(&["rimnet"]));
        let none = none.expect_err("no engine");
        assert!(none.contains("model rimnet"), "{none}");
        let devices = Devices { decoders: Arc::new(Gone), ..world.devices.clone() };
        let none = clip_goes_through(&World { devices, ..world }, &settings(&["rimnet"]));
        assert!(none.expect_err("no decoder").contains("no decoder"));
    }
}
