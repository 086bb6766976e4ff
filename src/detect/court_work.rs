//! One court, as one model sees it: where it looks, what it has seen, what its task makes of it.

use std::ops::Range;
use std::sync::Arc;

use crate::answer::ModelIdentity;
use crate::detect::continuity::{Continuity, Fed};
use crate::detect::engine::contract::{Engine, Placement, View};
use crate::detect::task::{AnswerError, Looked, TaskAtCourt};
use crate::media::{CloseReason, CourtId, Frame, MediaTime, SessionId};

/// One court, as one model sees it.
pub(crate) struct CourtWork {
    pub(crate) court: CourtId,
    task: Box<dyn TaskAtCourt>,
    /// Slots of its views: from this one on.
    first_slot: usize,
    continuity: Continuity,
    placed: Option<Placed>,
    /// The session of its last frame, until that is closed.
    pub(crate) session: Option<SessionId>,
    /// Frames in a row without an answer.
    pub(crate) failures: u32,
}

/// Where one size of picture is looked at.
struct Placed {
    picture: (u32, u32),
    /// Views, a slot each; a fault where one cannot look.
    views: Result<Vec<View>, String>,
}

impl CourtWork {
    /// Nothing seen yet; its views have the slots from `first_slot` on.
    pub(crate) fn new(
        court: &CourtId,
        task: Box<dyn TaskAtCourt>,
        first_slot: usize,
        continuity: Continuity,
    ) -> Self {
        let court = court.clone();
        Self { court, task, first_slot, continuity, placed: None, session: None, failures: 0 }
    }

    /// Who answers from now on: the same model, with another engine.
    pub(crate) fn runs_as(&mut self, identity: &Arc<ModelIdentity>) {
        self.task.runs_as(identity);
    }

    /// Slots of its views.
    pub(crate) fn slots(&self) -> Range<usize> {
        self.first_slot..self.first_slot + self.task.slots()
    }

    /// Says where to look, where the picture's size is new; true if it is.
    pub(crate) fn place(&mut self, picture: (u32, u32), engine: &mut dyn Engine) -> bool {
        if self.placed.as_ref().is_some_and(|placed| placed.picture == picture) {
            return false;
        }
        let first_slot = self.first_slot;
        let views = self.task.place(picture).map_err(|fault| fault.to_string()).and_then(|views| {
            for (index, view) in views.iter().enumerate() {
                let placement = Placement { picture, view: *view };
                engine
                    .place(first_slot + index, placement)
                    .map_err(|error| format!("no calls: {error}"))?;
            }
            Ok(views)
        });
        self.placed = Some(Placed { picture, views });
        true
    }

    /// Why one cannot look at the pictures that come now.
    pub(crate) fn fault(&self) -> Option<String> {
        self.placed.as_ref().and_then(|placed| placed.views.as_ref().err().cloned())
    }

    /// Widths of the rings in the picture that comes now, pixels; none where they cannot be placed.
    pub(crate) fn ring_widths(&self) -> Vec<f32> {
        let views = self.placed.as_ref().and_then(|placed| placed.views.as_deref().ok());
        let width = |view: &View| match view {
            View::Around(rim) => Some(rim.w),
            View::Whole => None,
        };
        views.unwrap_or_default().iter().filter_map(width).collect()
    }

    /// How the next frame is fed, of time `pts`; `None` where one cannot look at it.
    pub(crate) fn feed(&mut self, frame: &Frame, pts: MediaTime) -> Option<Fed> {
        let Some(Placed { picture, views: Ok(_) }) = &self.placed else { return None };
        Some(self.continuity.step(frame.session, *picture, pts))
    }

    /// An answer was none: the states start anew with the next frame.
    pub(crate) fn forget(&mut self) {
        self.continuity.forget();
    }

    /// Hands on what was said of one view.
    pub(crate) fn said(
        &mut self,
        view: usize,
        looked: &Looked<'_>,
        tensors: &[Vec<f32>],
    ) -> Result<(), AnswerError> {
        self.task.said(view, looked, tensors)
    }

    /// No more frames of `session` come.
    pub(crate) fn session_closed(&mut self, session: SessionId, reason: CloseReason) {
        self.session = self.session.filter(|open| *open != session);
        self.task.session_closed(session, reason);
    }

    /// Closes what was begun.
    pub(crate) fn end(mut self) {
        if let Some(session) = self.session {
            self.task.session_closed(session, CloseReason::Shutdown);
        }
        self.task.gone();
    }
}
