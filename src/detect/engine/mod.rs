//! What runs a network: one trait (`contract`), a file an engine.
//!
//! `builtin` is compiled in and needs nothing installed. Later engines (ONNX Runtime, TensorRT)
//! stand beside it behind features. An engine keeps the states of every slot (one court's one rim)
//! itself, where it computes, so that a state never leaves its device.

pub(crate) mod contract;
pub(crate) mod builtin;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::detect::bundle::Bundle;
use crate::detect::engine::builtin::Builtin;
use crate::detect::rim::postprocess::rim_probabilities;

pub use crate::detect::engine::contract::{Engine, EngineError};

/// Makes the engine for a bundle on this machine.
///
/// # Errors
/// [`EngineError`]: why the network cannot be run.
pub fn engine_for(bundle: &Bundle) -> Result<Box<dyn Engine>, EngineError> {
    Ok(Box::new(Builtin::load(bundle)?))
}

/// Frames of the trial: enough that a state which grows without bound shows it.
const TRIAL_FRAMES: usize = 4;

/// Runs a few grey pictures through slot 0, which is made for it: what fails here would fail on
/// every frame. Warms the engine's caches besides.
///
/// # Errors
/// A sentence: what failed and what to do.
pub(crate) fn try_out(engine: &mut dyn Engine, bundle: &Bundle) -> Result<(), String> {
    let crops: Vec<Vec<f32>> = bundle
        .inputs
        .iter()
        .map(|input| vec![0.5; input.channels.len() * input.size * input.size])
        .collect();
    engine.set_slots(1);
    let file = &bundle.file.path;
    let trial = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..TRIAL_FRAMES {
            let logits = engine.step(0, &crops, 0.04).map_err(|error| error.to_string())?;
            rim_probabilities(&logits, 1.0).map_err(|error| error.to_string())?;
        }
        Ok(())
    }));
    trial.unwrap_or_else(|_| Err("it panicked".to_owned())).map_err(|problem: String| {
        format!(
            "{file} fails on a grey picture ({problem}): export it again, or take another bundle"
        )
    })
}
