//! What runs a network: one trait, a file an engine.
//!
//! `builtin` is compiled in and needs nothing installed. Later engines (ONNX Runtime, TensorRT)
//! stand beside it behind features. An engine keeps the states of every slot (one court's one rim)
//! itself, where it computes, so that a state never leaves its device.

mod builtin;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::detect::bundle::Bundle;
use crate::detect::postprocess::rim_probabilities;

use crate::detect::engine::builtin::Builtin;

pub(crate) use crate::detect::engine::builtin::Whole;

/// Runs one bundle's network, one picture at a time. One thread owns it.
pub trait Engine: Send {
    /// The word in events, metrics and `state/models`.
    fn name(&self) -> &'static str;

    /// Multiply-adds of one picture, where the engine can tell.
    fn multiply_adds(&self) -> Option<u64> {
        None
    }

    /// Makes room for `slots` independent states, all zeros.
    fn set_slots(&mut self, slots: usize);

    /// Sets the states of a slot to zeros.
    fn reset(&mut self, slot: usize);

    /// Runs one picture through: `crops` are the manifest's inputs in order, each
    /// `f32[channels, size, size]`; `dt_seconds` is the time since the last picture of this slot.
    /// Returns the logits; the slot's states are the new ones, or, after an error, of no use until
    /// [`reset`](Self::reset).
    ///
    /// # Errors
    /// [`EngineError::Run`] when the engine could not.
    fn step(
        &mut self,
        slot: usize,
        crops: &[Vec<f32>],
        dt_seconds: f32,
    ) -> Result<Vec<f32>, EngineError>;
}

/// Why an engine refused a bundle, or failed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum EngineError {
    #[error(
        "{file} is no ONNX file that the engine `{engine}` reads ({problem}): export it again \
         with plain operators, opset 13 to 17"
    )]
    Parse { engine: &'static str, file: String, problem: String },
    #[error("{file} has no {what} `{name}` (it has {has}): correct the manifest, or export again")]
    Name { file: String, what: &'static str, name: String, has: String },
    #[error(
        "{file}: the network's {name} has shape {found}, model.toml says {wanted}; correct one"
    )]
    Shape { file: String, name: String, wanted: String, found: String },
    #[error(
        "{file} cannot be run by the engine `{engine}` ({problem}): export it again with fixed \
         shapes and plain operators"
    )]
    Unsupported { engine: &'static str, file: String, problem: String },
    #[error("the engine `{engine}` failed: {problem}")]
    Run { engine: &'static str, problem: String },
}

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
