//! The task that decides, at one court: a view around each rim, an answer for each.

use std::sync::Arc;

use crate::answer::{ModelIdentity, RimAnswer};
use crate::detect::engine::contract::View;
use crate::detect::rim::ball::passes::Passes;
use crate::detect::rim::manifest::{RimSays, RimTable};
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
    /// Of a model that says where the ball is.
    passes: Option<Passes>,
}

impl RimsOfCourt {
    /// What the network says is read as `table` says; answers go to `sink`.
    pub(crate) fn new(
        drawn: &CourtRims,
        table: &RimTable,
        identity: &Arc<ModelIdentity>,
        sink: &Arc<dyn AnswerSink>,
    ) -> Self {
        let (drawn, identity, sink) = (drawn.clone(), Arc::clone(identity), Arc::clone(sink));
        let passes = match &table.says {
            RimSays::Classes => None,
            RimSays::Ball(ball) => Some(Passes::new(ball)),
        };
        Self { drawn, identity, sink, passes }
    }
}

impl TaskAtCourt for RimsOfCourt {
    fn slots(&self) -> usize {
        self.drawn.rims.len()
    }

    fn place(&mut self, picture: (u32, u32)) -> Result<Vec<View>, RimFault> {
        self.drawn.rims_of.get_or_insert(picture);
        let rims = self.drawn.in_picture(picture)?;
        if let Some(passes) = &mut self.passes {
            passes.place(&rims);
        }
        Ok(rims.into_iter().map(View::Around).collect())
    }

    fn said(
        &mut self,
        view: usize,
        looked: &Looked<'_>,
        tensors: &[Vec<f32>],
    ) -> Result<(), AnswerError> {
        let values = tensors.first().map(Vec::as_slice).unwrap_or_default();
        let says = match &mut self.passes {
            None => rim_probabilities(values, self.identity.decision.temperature)?,
            Some(passes) => passes.said(view, looked, values)?,
        };
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
