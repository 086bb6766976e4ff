//! What a task is to the worker: where its models look at a court, and what their tensors mean.
//!
//! The worker (thread, hop, failures, panics, times) is the same for all; a task brings a
//! [`TaskAtCourt`] for each court. `rim/court` decides made or missed, `ring/court` watches whether
//! cameras are moved.

use std::sync::Arc;

use crate::answer::ModelIdentity;
use crate::detect::engine::contract::View;
use crate::media::{CloseReason, Frame, MediaTime, Monotonic, RimFault, SessionId};

/// What a model said is no answer.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum AnswerError {
    #[error("logit {index} is not a number")]
    NotANumber { index: usize },
    #[error("logit {index} is {value}, beyond ±10000")]
    OutOfRange { index: usize, value: f32 },
    #[error("{count} logits instead of {wanted}")]
    Count { count: usize, wanted: usize },
}

/// A frame that was looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looked<'a> {
    pub(crate) frame: &'a Frame,
    /// The frame's time; another one where it is shown again.
    pub(crate) pts: MediaTime,
    /// True while the model's state is too young to decide.
    pub(crate) warming: bool,
    /// When the tensors were there.
    pub(crate) answered: Monotonic,
}

/// One task's work at one court.
pub(crate) trait TaskAtCourt: Send {
    /// Slots of the engine that it takes, a view each.
    fn slots(&self) -> usize;

    /// Where it looks in pictures of this size, a view a slot. Called when the size is new.
    ///
    /// # Errors
    /// [`RimFault`]: the rims cannot be placed there, so nothing is looked at.
    fn place(&mut self, picture: (u32, u32)) -> Result<Vec<View>, RimFault>;

    /// Takes what the network said of view `view` of a frame, and tells what follows. Called on the
    /// model's thread: must not wait.
    ///
    /// # Errors
    /// [`AnswerError`]: it is no answer. Nothing was told.
    fn said(
        &mut self,
        view: usize,
        looked: &Looked<'_>,
        tensors: &[Vec<f32>],
    ) -> Result<(), AnswerError>;

    /// No more frames of `session` come.
    fn session_closed(&mut self, session: SessionId, reason: CloseReason);

    /// Who answers from now on: the same model, with another engine.
    fn runs_as(&mut self, _identity: &Arc<ModelIdentity>) {}

    /// The model is put out, or the court goes: what was thought of it is worth nothing any more.
    fn gone(&mut self);
}

/// How a task's models run beside the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Frames in a row without an answer, after which a model is put out.
    pub(crate) most_failures: u32,
    /// True of one on which no call depends: its thread stands back from all others, what it misses
    /// is no lost picture, its faults are no court's, and nobody waits for it at the end.
    pub(crate) stands_back: bool,
}
