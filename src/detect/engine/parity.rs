//! Any engine against the one in the binary: the same pictures, the same slots, how far apart they are.

#![allow(dead_code, reason = "engines come by features")]

use std::fmt;
use std::sync::Arc;

use crate::clock::ManualClock;
use crate::detect::bundle::manifest::TaskTable;
use crate::detect::bundle::{Bundle, find_as};
use crate::detect::engine::builtin::Builtin;
use crate::detect::engine::contract::{Engine, EngineError, Look, Placement, View};
use crate::media::{
    ChromaLayout, CourtId, CpuPicture, Frame, MediaTime, Monotonic, Pixels, Plane, RimBox,
    SessionId, UtcTime,
};

/// Width and height of the pictures.
const PICTURE: (u32, u32) = (320, 180);
/// Between two pictures, seconds.
const STEP: f32 = 0.04;

/// A picture in three planes without gaps.
#[derive(Debug)]
struct Planes([Vec<u8>; 3]);

impl CpuPicture for Planes {
    fn chroma(&self) -> ChromaLayout {
        ChromaLayout::I420
    }

    fn plane(&self, index: usize) -> Option<Plane<'_>> {
        let stride = if index == 0 { PICTURE.0 } else { PICTURE.0 / 2 };
        self.0.get(index).map(|bytes| Plane { bytes, stride: stride as usize })
    }
}

/// A ball that falls through where the rims are, before a wall that is nowhere even.
pub(crate) fn scene(t: usize) -> Arc<Frame> {
    let (width, height) = PICTURE;
    let fallen = i64::try_from(t).expect("few") * 7 % i64::from(height);
    let value = |x: u32, y: u32| {
        let (dx, dy) = (i64::from(x) - 160, i64::from(y) - fallen);
        let ball = if dx * dx + dy * dy < 144 { 110 } else { 0 };
        u8::try_from(40 + (x * 3 + y * 5) % 61 + y / 4 + ball).unwrap_or(255)
    };
    let luma = (0..height).flat_map(|y| (0..width).map(move |x| value(x, y))).collect();
    let chroma = |tilt: u32| -> Vec<u8> {
        let at =
            move |x: u32, y: u32| u8::try_from(110 + (x / 8 + tilt * y / 4) % 32).expect("byte");
        (0..height / 2).flat_map(|y| (0..width / 2).map(move |x| at(x, y))).collect()
    };
    Arc::new(Frame {
        court: CourtId::new("north").expect("name"),
        session: SessionId::from_bits(1),
        pts: MediaTime::ZERO,
        width,
        height,
        arrival: Monotonic::ZERO,
        decoded: Monotonic::ZERO,
        pixels: Pixels::Cpu(Box::new(Planes([luma, chroma(1), chroma(2)]))),
    })
}

/// A bundle of the repository, with the file of a precision.
pub(crate) fn bundle(name: &str, precision: &str) -> Bundle {
    let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let found = find_as(name, precision, &[models], &[]).expect("a shipped bundle");
    assert_eq!(found.file.precision, precision);
    found
}

/// The engine in the binary, with `slots` that look at different places.
pub(crate) fn builtin(bundle: &Bundle, slots: usize) -> Builtin {
    let clock = Arc::new(ManualClock::at(UtcTime::from_nanos(0)));
    let mut engine = Builtin::load(bundle, clock).expect("runs");
    place(&mut engine, bundle, slots).expect("placed");
    engine
}

/// Has `slots` of an engine look at different places of the pictures.
pub(crate) fn place(
    engine: &mut dyn Engine,
    bundle: &Bundle,
    slots: usize,
) -> Result<(), EngineError> {
    engine.set_slots(slots)?;
    for slot in 0..slots {
        let across = f32::from(u8::try_from(slot).expect("few"));
        let rim = RimBox { x: 130.0 + 3.5 * across, y: 60.0 + across, w: 31.5, h: 12.0 };
        let view = match bundle.table {
            TaskTable::Rim(_) => View::Around(rim),
            TaskTable::Ring(_) => View::Whole,
        };
        engine.place(slot, Placement { picture: PICTURE, view })?;
    }
    Ok(())
}

/// What each slot's first output is at step `t`; all slots in one batch.
pub(crate) fn step(engine: &mut dyn Engine, slots: usize, t: usize) -> Vec<Vec<f32>> {
    let frame = scene(t);
    let looks: Vec<Look<'_>> =
        (0..slots).map(|slot| Look { slot, frame: &frame, dt_seconds: STEP }).collect();
    let mut said = vec![Vec::new(); slots];
    engine.run(&looks, &mut |look, result| said[look] = result.expect("ran").tensors.remove(0));
    said
}

/// How far an engine's answers are from those of the engine in the binary.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Apart {
    pub(crate) greatest: f32,
    sum: f64,
    count: u32,
    /// Looks in which another class is the likeliest, of networks that have a few.
    pub(crate) flips: u32,
    pub(crate) looks: u32,
}

impl Apart {
    pub(crate) fn add(&mut self, found: &[f32], wanted: &[f32]) {
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            let by = (found - wanted).abs();
            assert!(by.is_finite(), "{found} {wanted}");
            self.greatest = self.greatest.max(by);
            self.sum += f64::from(by);
            self.count += 1;
        }
        let likeliest = |values: &[f32]| {
            values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(at, _)| at)
        };
        self.looks += 1;
        if found.len() < 16 && likeliest(found) != likeliest(wanted) {
            self.flips += 1;
        }
    }
}

impl fmt::Display for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mean = self.sum / f64::from(self.count.max(1));
        let Self { greatest, flips, looks, .. } = self;
        write!(f, "max {greatest:.2e} mean {mean:.2e} flips {flips}/{looks}")
    }
}

/// Runs both over `steps` from states that begin anew, all slots in one batch.
pub(crate) fn compare(
    engine: &mut dyn Engine,
    bundle: &Bundle,
    (slots, steps): (usize, usize),
) -> Apart {
    let mut wanted = builtin(bundle, slots);
    place(engine, bundle, slots).expect("placed");
    // It may have run before.
    (0..slots).for_each(|slot| engine.reset(slot));
    let mut apart = Apart::default();
    for t in 0..steps {
        let (found, wanted) = (step(engine, slots, t), step(&mut wanted, slots, t));
        for (found, wanted) in found.iter().zip(&wanted) {
            apart.add(found, wanted);
        }
    }
    apart
}

/// A folder of libraries that `make engines` fetches; `None`, said loudly, where it is not there.
pub(crate) fn fetched(name: &str) -> Option<std::path::PathBuf> {
    let program = std::env::current_exe().expect("a program");
    // target/debug/deps/courtside-…
    let target = program.ancestors().nth(3).expect("in target");
    let folder = target.join("engines").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    say(format_args!("NOT RUN: no {} (`make engines` fetches it)", folder.display()));
    None
}

/// What a test measured, or why it did not run.
pub(crate) fn say(text: fmt::Arguments<'_>) {
    println!("{text}");
}
