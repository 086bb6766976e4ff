//! The task that decides, at one court: a view around each rim, an answer for each.

use std::sync::Arc;

use crate::answer::{ModelIdentity, RimAnswer};
use crate::detect::engine::contract::View;
use crate::detect::rim::postprocess::rim_probabilities;
use crate::detect::sink::AnswerSink;
use crate::detect::task::{AnswerError, Looked, Manner, TaskAtCourt};
use crate::media::{CloseReason, CourtRims, RimFault, RimId, SessionId};

/// A second of a stream without an answer, and the model is put out.
pub(crate) const MANNER: Manner = Manner { most_failures: 30, stands_back: false };

/// The rims of one court, as a model that decides sees them.
pub(crate) struct RimsOfCourt {
    drawn: CourtRims,
    identity: Arc<ModelIdentity>,
    sink: Arc<dyn AnswerSink>,
}

impl RimsOfCourt {
    /// Answers go to `sink`.
    pub(crate) fn new(
        drawn: &CourtRims,
        identity: &Arc<ModelIdentity>,
        sink: &Arc<dyn AnswerSink>,
    ) -> Self {
        let (drawn, identity, sink) = (drawn.clone(), Arc::clone(identity), Arc::clone(sink));
        Self { drawn, identity, sink }
    }
}

impl TaskAtCourt for RimsOfCourt {
    fn slots(&self) -> usize {
        self.drawn.rims.len()
    }

    fn place(&mut self, picture: (u32, u32)) -> Result<Vec<View>, RimFault> {
        self.drawn.rims_of.get_or_insert(picture);
        let rims = self.drawn.in_picture(picture)?;
        Ok(rims.into_iter().map(View::Around).collect())
    }

    fn said(
        &mut self,
        view: usize,
        looked: &Looked<'_>,
        tensors: &[Vec<f32>],
    ) -> Result<(), AnswerError> {
        let logits = tensors.first().map(Vec::as_slice).unwrap_or_default();
        let says = rim_probabilities(logits, self.identity.decision.temperature)?;
        let frame = looked.frame;
        let answer = RimAnswer {
            court: frame.court.clone(),
            rim: RimId(u16::try_from(view).unwrap_or(u16::MAX)),
            session: frame.session,
            pts: looked.pts,
            says,
            warming: looked.warming,
            model: Arc::clone(&self.identity),
            arrival: frame.arrival,
            answered: looked.answered,
        };
        self.sink.answer(answer);
        Ok(())
    }

    fn session_closed(&mut self, session: SessionId, reason: CloseReason) {
        self.sink.session_closed(&self.drawn.court, session, reason);
    }

    fn runs_as(&mut self, identity: &Arc<ModelIdentity>) {
        self.identity = Arc::clone(identity);
    }

    fn gone(&mut self) {}
}
