//! Where answers go.

use crate::answer::RimAnswer;
use crate::media::{CloseReason, CourtId, SessionId};

/// Takes what models say. Called on a model's thread: must not wait.
pub trait AnswerSink: Send + Sync {
    /// An answer of the live model, in order for each court.
    fn answer(&self, answer: RimAnswer);
    /// The last answer of `session` has been given.
    fn session_closed(&self, court: &CourtId, session: SessionId, reason: CloseReason);
    /// No answer of `court` follows: its close has come through the live model.
    fn court_closed(&self, _court: &CourtId) {}
    /// An answer of a model that is only compared; never published.
    fn shadow(&self, _answer: RimAnswer) {}
}
