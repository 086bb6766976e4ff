//! What every engine is: given pictures' inputs, it gives logits, and keeps the states of its slots.

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
