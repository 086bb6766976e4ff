//! A network's trial on grey pictures: what fails there would fail on every frame.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::detect::bundle::Bundle;
use crate::detect::bundle::manifest::TaskTable;
use crate::detect::engine::contract::{Engine, EngineError, Engines, Look, Placement, Said, View};
use crate::detect::rim::ball::spots;
use crate::detect::rim::manifest::RimSays;
use crate::detect::rim::postprocess::rim_probabilities;
use crate::detect::ring::peaks::all_cells;
use crate::media::{
    ChromaLayout, CourtId, CpuPicture, Foreign, Frame, MediaTime, Monotonic, Pixels, Plane, RimBox,
    SessionId,
};

/// Looks of the trial: enough that a state which grows without bound shows it …
const TRIAL_LOOKS: usize = 4;
/// … and of a network without a state one is like all.
const TRIAL_LOOKS_WITHOUT_STATE: usize = 1;
/// Seconds between them: a camera's.
const STEP_SECONDS: f32 = 0.04;
/// The picture; a rim is in its middle.
const WIDTH: u32 = 64;
const HEIGHT: u32 = 48;

/// A picture of one grey: all its planes are alike.
#[derive(Debug)]
struct Grey(Vec<u8>);

impl CpuPicture for Grey {
    fn chroma(&self) -> ChromaLayout {
        ChromaLayout::I420
    }

    fn plane(&self, index: usize) -> Option<Plane<'_>> {
        (index < 3).then_some(Plane { bytes: &self.0, stride: 64 })
    }
}

/// Makes an engine for `bundle` and tries it.
///
/// # Errors
/// A sentence: what failed and what to do.
pub fn try_bundle(bundle: &Bundle, engines: &dyn Engines) -> Result<(), String> {
    let mut engine =
        engines.engine_for(bundle).map_err(|error| Foreign::error(&error).to_string())?;
    try_out(engine.as_mut(), bundle)
}

/// Runs a few grey pictures through slot 0, which is made for it and taken away again. Warms the
/// engine's caches besides.
///
/// # Errors
/// A sentence: what failed and what to do.
pub(crate) fn try_out(engine: &mut dyn Engine, bundle: &Bundle) -> Result<(), String> {
    let trial = catch_unwind(AssertUnwindSafe(|| looks_at_grey(engine, bundle)));
    trial.unwrap_or_else(|_| Err("it panicked".to_owned())).map_err(|problem| {
        let file = &bundle.file.path;
        format!(
            "{file} fails on a grey picture ({problem}): export it again, or take another bundle"
        )
    })
}

/// Makes an engine for `bundle` and has it look at pictures, one after another, with a rim in their middle.
///
/// # Errors
/// A sentence: what failed.
pub fn try_on(bundle: &Bundle, engines: &dyn Engines, frames: &[Arc<Frame>]) -> Result<(), String> {
    let mut engine =
        engines.engine_for(bundle).map_err(|error| Foreign::error(&error).to_string())?;
    let looked = catch_unwind(AssertUnwindSafe(|| looks_at(engine.as_mut(), bundle, frames)));
    looked.unwrap_or_else(|_| Err("it panicked".to_owned()))
}

fn looks_at_grey(engine: &mut dyn Engine, bundle: &Bundle) -> Result<(), String> {
    let looks =
        if bundle.tensors.states.is_empty() { TRIAL_LOOKS_WITHOUT_STATE } else { TRIAL_LOOKS };
    looks_at(engine, bundle, &vec![grey()?; looks])
}

fn looks_at(engine: &mut dyn Engine, bundle: &Bundle, frames: &[Arc<Frame>]) -> Result<(), String> {
    let told = |error: EngineError| error.to_string();
    let picture = frames.first().map_or((0, 0), |frame| (frame.width, frame.height));
    let rim = RimBox { x: half(picture.0) - 8.0, y: half(picture.1) - 4.0, w: 16.0, h: 8.0 };
    let view = match bundle.table {
        TaskTable::Rim(_) => View::Around(rim),
        TaskTable::Ring(_) => View::Whole,
    };
    engine.set_slots(1).map_err(told)?;
    engine.place(0, Placement { picture, view }).map_err(told)?;
    for frame in frames {
        let mut said = Err("it said nothing".to_owned());
        let look = Look { slot: 0, frame, dt_seconds: STEP_SECONDS };
        engine.run(&[look], &mut |_, result| said = result.map_err(told));
        makes_sense(bundle, &said?)?;
    }
    engine.set_slots(0).map_err(told)
}

#[expect(clippy::cast_precision_loss, reason = "pixels of a picture")]
fn half(pixels: u32) -> f32 {
    (pixels / 2) as f32
}

/// Each task knows what is no answer of its models.
fn makes_sense(bundle: &Bundle, said: &Said) -> Result<(), String> {
    let first = said.tensors.first().map(Vec::as_slice).unwrap_or_default();
    let judged = match &bundle.table {
        TaskTable::Rim(table) => match &table.says {
            RimSays::Classes => rim_probabilities(first, 1.0).map(drop),
            RimSays::Ball(ball) => spots::check(first, ball.cells),
        },
        TaskTable::Ring(table) => all_cells(first, table.cells()),
    };
    judged.map_err(|error| error.to_string())
}

fn grey() -> Result<Arc<Frame>, String> {
    Ok(Arc::new(Frame {
        court: CourtId::new("trial").map_err(|error| error.to_string())?,
        session: SessionId::from_bits(0),
        pts: MediaTime::ZERO,
        width: WIDTH,
        height: HEIGHT,
        arrival: Monotonic::ZERO,
        decoded: Monotonic::ZERO,
        pixels: Pixels::Cpu(Box::new(Grey(vec![128; 64 * 48]))),
    }))
}
