//! Who decides while the bundle that shall is being tried: one of the binary, of the same task.
//!
//! The two share a session. So when the other one takes over, the court's game goes on: what a model
//! that is let go says of the end of its sessions ([`CloseReason::Shutdown`]) is kept from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::answer::RimAnswer;
use crate::detect::bundle::error::Task;
use crate::detect::sink::AnswerSink;
use crate::media::{CloseReason, CourtId, SessionId};

/// The bundle of the binary that decides in another's place.
pub(crate) const STAND_IN: &str = "rimnet";
/// For what.
pub(crate) const STAND_IN_TASK: Task = Task::Rim;

/// Its hop, which it does not share: both count.
pub(crate) fn stand_in_hop() -> String {
    format!("stand-in:{STAND_IN}")
}

/// Where its answers go.
pub(crate) struct UntilHandedOver {
    sink: Arc<dyn AnswerSink>,
    handed_over: Arc<AtomicBool>,
}

impl UntilHandedOver {
    /// To `sink`, until the returned flag is true.
    pub(crate) fn new(sink: &Arc<dyn AnswerSink>) -> (Self, Arc<AtomicBool>) {
        let handed_over = Arc::<AtomicBool>::default();
        (Self { sink: Arc::clone(sink), handed_over: Arc::clone(&handed_over) }, handed_over)
    }
}

impl AnswerSink for UntilHandedOver {
    fn answer(&self, answer: RimAnswer) {
        self.sink.answer(answer);
    }

    fn session_closed(&self, court: &CourtId, session: SessionId, reason: CloseReason) {
        let leaves = reason == CloseReason::Shutdown && self.handed_over.load(Ordering::Acquire);
        if !leaves {
            self.sink.session_closed(court, session, reason);
        }
    }

    fn court_closed(&self, court: &CourtId) {
        self.sink.court_closed(court);
    }

    fn shadow(&self, answer: RimAnswer) {
        self.sink.shadow(answer);
    }
}
