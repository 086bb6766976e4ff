//! A film of a rim, and the decoder and the model that play it.
//!
//! Each picture of the film is one byte, and it goes the whole way: the camera writes it into an H.264
//! slice, the scripted decoder reads it out of the unit that reaches it and makes a picture of it, the
//! scripted engine reads it out of that picture and answers what it stands for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use courtside::decode::{
    Backend, DecodeError, Decoders, Order, Outlet, Picture, Pipeline, Push, Unbuilt,
};
use courtside::detect::{
    Bundle, Engine, EngineError, EngineFound, Engines, Look, Placement, Said, SlotState,
};
use courtside::device::DeviceMemory;
use courtside::mailbox::DropReason;
use courtside::media::{ChromaLayout, CpuPicture, Frame, Pixels, Plane};
use parking_lot::{Condvar, Mutex};

/// What is to be seen at the rim in one picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shot {
    Nothing = 1,
    UnderWay = 2,
    Made = 3,
    Missed = 4,
    /// A model that sees this hangs, until it is let go.
    Hang = 5,
}

use Shot::{Made, Missed, Nothing, UnderWay};

/// `count` pictures of the same.
pub(crate) fn still(shot: Shot, count: usize) -> Vec<Shot> {
    vec![shot; count]
}

/// Pictures of an attempt that goes in, from a quiet rim to a quiet rim.
pub(crate) fn made() -> Vec<Shot> {
    [still(Nothing, 6), still(UnderWay, 8), still(Made, 12), still(Nothing, 8)].concat()
}

/// Pictures of one that does not.
pub(crate) fn missed() -> Vec<Shot> {
    [still(Nothing, 6), still(UnderWay, 8), still(Missed, 12), still(Nothing, 8)].concat()
}

/// Pictures of one that has been told provisionally, and not more.
pub(crate) fn half_an_attempt() -> Vec<Shot> {
    [still(Nothing, 6), still(UnderWay, 8), still(Made, 3)].concat()
}

/// AVC decoder configuration: 1280×720, High.
const RECORD: &[u8] = b"\x17\0\0\0\0\x01\x64\x00\x1f\xff\xe1\x00\x18\x67\x64\x00\x1f\xac\xb2\x00\
    \xa0\x0b\x76\x02\x20\x00\x00\x03\x00\x20\x00\x00\x07\x81\xe3\x06\x49\x01\x00\x06\x68\xeb\xc3\
    \xcb\x22\xc0";
/// A picture of ours has fewer bytes.
const LARGEST: usize = 64;
/// A slice header that is no B slice's; then the picture's byte.
const SLICE: u8 = 0xB5;
/// One that is: first macroblock 0, slice type 1.
const B_SLICE: u8 = 0xA5;

/// The tag that comes before the pictures.
pub(crate) fn parameters() -> Bytes {
    Bytes::from_static(RECORD)
}

/// The tag of one picture.
pub(crate) fn picture(shot: Shot, key: bool) -> Bytes {
    coded(shot, key, SLICE)
}

/// The tag of one picture of B slices.
pub(crate) fn b_picture(shot: Shot) -> Bytes {
    coded(shot, false, B_SLICE)
}

fn coded(shot: Shot, key: bool, header: u8) -> Bytes {
    let nal = [if key { 0x65 } else { 0x41 }, header, shot as u8, SLICE, SLICE, SLICE];
    let head = [if key { 0x17 } else { 0x27 }, 1, 0, 0, 0];
    let length = u32::try_from(nal.len()).expect("short").to_be_bytes();
    [&head[..], &length, &nal].concat().into()
}

/// A decoder that reads the byte of each picture.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScriptedDecoders {
    /// The memory of the device in which pictures are said to lie, and how often it was asked for.
    pub(crate) device: Arc<Mutex<(Option<DeviceMemory>, u64)>>,
}

impl Decoders for ScriptedDecoders {
    fn backend(&self) -> Result<Arc<dyn Backend>, DecodeError> {
        Ok(Arc::new(self.clone()))
    }

    fn device_memory(&self) -> Option<DeviceMemory> {
        let mut device = self.device.lock();
        device.1 += 1;
        device.0
    }
}

impl Backend for ScriptedDecoders {
    fn exists(&self, factory: &str) -> bool {
        factory == "avdec_h264"
    }

    fn build(&self, order: &Order<'_>, outlet: Arc<Outlet>) -> Result<Box<dyn Pipeline>, Unbuilt> {
        let size = (order.parameters.width, order.parameters.height);
        Ok(Box::new(ScriptedPipeline { outlet, size }))
    }
}

struct ScriptedPipeline {
    outlet: Arc<Outlet>,
    size: (u32, u32),
}

impl Pipeline for ScriptedPipeline {
    fn push(&mut self, unit: Push) -> Result<(), String> {
        self.outlet.entered();
        // An encoder's own picture shows nothing.
        let byte = if unit.data.len() > LARGEST {
            Some(Nothing as u8)
        } else {
            let mut pairs = unit.data.windows(2);
            let slice = pairs.position(|pair| matches!(pair, [0x65 | 0x41, SLICE | B_SLICE]));
            slice.and_then(|at| unit.data.get(at + 2)).copied()
        };
        self.outlet.picture(Picture {
            ticket: Some(unit.pts),
            width: self.size.0,
            height: self.size.1,
            pixels: byte
                .map(|byte| Pixels::Cpu(Box::new(OneByte([byte]))))
                .ok_or(DropReason::Undecodable),
        });
        Ok(())
    }

    fn end(&mut self) {
        self.outlet.ended();
    }

    fn stop(self: Box<Self>, _hangs: bool) {}
}

/// A picture that is all of one byte: one row of it, shown again for each.
#[derive(Debug)]
struct OneByte([u8; 1]);

/// A row of each byte that a picture may be, and of grey.
static ROWS: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| (0..=128).map(|byte| vec![byte; 4_096]).collect());

impl CpuPicture for OneByte {
    fn chroma(&self) -> ChromaLayout {
        ChromaLayout::Nv12
    }

    fn plane(&self, index: usize) -> Option<Plane<'_>> {
        let byte = if index == 0 { self.0[0] } else { 128 };
        let bytes = ROWS.get(usize::from(byte)).filter(|_| index < 2)?;
        Some(Plane { bytes, stride: 0 })
    }
}

/// How the models of a bundle answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    /// Made for missed, and missed for made.
    Otherwise,
    /// With something that is no number.
    NoNumber,
    /// With an error.
    Fails,
    /// Not at all.
    Panics,
    /// As the film says, in this time.
    Takes(Duration),
}

/// Models that answer what the byte of a picture stands for, and hang where it says so.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScriptedEngines {
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    // How many hang; how many were let go.
    hanging: Mutex<(usize, usize)>,
    changed: Condvar,
    /// Bundles whose models hang where the film says so; none: all.
    hang: Mutex<BTreeSet<String>>,
    /// Bundles whose models answer otherwise than the film says.
    how: Mutex<BTreeMap<String, How>>,
}

impl ScriptedEngines {
    /// Only models of this bundle hang, from now on.
    pub(crate) fn only_hangs(&self, bundle: &str) {
        self.gate.hang.lock().insert(bundle.to_owned());
    }

    /// From now on models of this bundle answer so.
    pub(crate) fn behaves(&self, bundle: &str, how: How) {
        self.gate.how.lock().insert(bundle.to_owned(), how);
    }

    /// How many hang now.
    pub(crate) fn hanging(&self) -> usize {
        let hanging = self.gate.hanging.lock();
        hanging.0 - hanging.1
    }

    /// Lets those go that hang, and who comes later.
    pub(crate) fn let_go(&self) {
        self.gate.hanging.lock().1 = usize::MAX / 2;
        self.gate.hanging.lock().0 = usize::MAX / 2;
        self.gate.changed.notify_all();
    }
}

impl Engines for ScriptedEngines {
    fn engine_for(&self, bundle: &Bundle) -> Result<Box<dyn Engine>, EngineError> {
        Ok(Box::new(ScriptedEngine { gate: Arc::clone(&self.gate), bundle: bundle.name.clone() }))
    }

    fn found(&self) -> Vec<EngineFound> {
        vec![EngineFound { name: "script", about: "a test's".to_owned() }]
    }
}

struct ScriptedEngine {
    gate: Arc<Gate>,
    bundle: String,
}

impl ScriptedEngine {
    fn hangs(&self) -> bool {
        let only = self.gate.hang.lock();
        only.is_empty() || only.contains(&self.bundle)
    }

    fn answer(&self, frame: &Frame) -> Result<Vec<f32>, EngineError> {
        let failed = |problem: String| EngineError::Run { engine: "script", problem };
        let pixels = frame.to_cpu().map_err(|error| failed(error.to_string()))?;
        let byte = pixels.plane(0).and_then(|plane| plane.bytes.first().copied()).unwrap_or(0);
        if byte == Shot::Hang as u8 && self.hangs() {
            let mut hanging = self.gate.hanging.lock();
            hanging.0 += 1;
            let place = hanging.0;
            self.gate.changed.wait_while(&mut hanging, |hanging| hanging.1 < place);
        }
        let mut logits = vec![0.0; 4];
        let class = match byte {
            2 => 1,
            3 => 2,
            4 => 3,
            _ => 0,
        };
        let how = self.gate.how.lock().get(&self.bundle).copied();
        let class = match (how, class) {
            (Some(How::Otherwise), 2) => 3,
            (Some(How::Otherwise), 3) => 2,
            _ => class,
        };
        logits[class] = 6.0;
        match how {
            Some(How::NoNumber) => logits[0] = f32::NAN,
            Some(How::Fails) => return Err(failed("as the test wants it".to_owned())),
            Some(How::Panics) => panic!("as the test wants it"),
            Some(How::Otherwise | How::Takes(_)) | None => {}
        }
        Ok(logits)
    }
}

impl Engine for ScriptedEngine {
    fn name(&self) -> &'static str {
        "script"
    }

    fn set_slots(&mut self, _slots: usize) -> Result<(), EngineError> {
        Ok(())
    }

    fn place(&mut self, _slot: usize, _placement: Placement) -> Result<(), EngineError> {
        Ok(())
    }

    fn reset(&mut self, _slot: usize) {}

    fn state(&mut self, _slot: usize) -> Option<SlotState> {
        Some(vec![vec![0.0]])
    }

    fn take_over(&mut self, _slot: usize, _state: &SlotState) -> Result<(), EngineError> {
        Ok(())
    }

    fn run(&mut self, looks: &[Look<'_>], told: &mut dyn FnMut(usize, Result<Said, EngineError>)) {
        for (index, look) in looks.iter().enumerate() {
            let how = self.gate.how.lock().get(&self.bundle).copied();
            let took = if let Some(How::Takes(took)) = how { took } else { Duration::ZERO };
            let (prepared, ran) = (Duration::ZERO, took);
            let said = self.answer(look.frame);
            told(index, said.map(|logits| Said { tensors: vec![logits], prepared, ran }));
        }
    }
}
