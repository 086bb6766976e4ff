//! A model without threads and hops: every frame gets its answers at once, none is dropped.
//!
//! For tools that measure what a model says, frame by frame as a court would have it.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::answer::RimAnswer;
use crate::clock::Clock;
use crate::detect::bundle::Bundle;
use crate::detect::engine::contract::{EngineError, Engines};
use crate::detect::progress::{ModelMeters, Progress};
use crate::detect::ring::moved::MovedCameras;
use crate::detect::sink::AnswerSink;
use crate::detect::tasks::{Outlets, identity_of};
use crate::detect::worker::{Worker, WorkerParts};
use crate::mailbox::{FrameMailbox, Tally};
use crate::media::{CloseReason, CourtId, CourtRims, Frame, MediaTime, SessionId};

/// One bundle at one court.
pub struct Offline {
    worker: Worker,
    answers: Arc<Collected>,
    progress: Arc<Mutex<Progress>>,
}

/// Keeps answers until they are taken.
#[derive(Default)]
struct Collected(Mutex<Vec<RimAnswer>>);

impl AnswerSink for Collected {
    fn answer(&self, answer: RimAnswer) {
        self.0.lock().push(answer);
    }
    fn session_closed(&self, _: &CourtId, _: SessionId, _: CloseReason) {}
}

impl Offline {
    /// Makes the engine of `bundle`, one of `engines`, for the rims of `court`.
    ///
    /// # Errors
    /// [`EngineError`]: why the network cannot be run.
    pub fn new(
        bundle: &Bundle,
        court: CourtRims,
        clock: Arc<dyn Clock>,
        engines: &dyn Engines,
    ) -> Result<Self, EngineError> {
        let engine = engines.engine_for(bundle)?;
        let answers = Arc::new(Collected::default());
        let progress = Arc::<Mutex<Progress>>::default();
        let sink: Arc<dyn AnswerSink> = Arc::clone(&answers) as Arc<dyn AnswerSink>;
        let worker = Worker::new(WorkerParts {
            bundle: Arc::new(bundle.clone()),
            identity: Arc::new(identity_of(bundle, engine.name())),
            engine,
            frames: FrameMailbox::new(&[], 1, |_| Tally::default()),
            courts: &[court],
            outlets: Outlets { sink, moved: MovedCameras::default(), seat: None },
            meters: ModelMeters::default(),
            clock,
            progress: Arc::clone(&progress),
        })?;
        Ok(Self { worker, answers, progress })
    }

    /// Shows the model a frame as if it were of `pts`, and returns its answers, one a rim; none
    /// after an error.
    pub fn frame_at(&mut self, frame: &Arc<Frame>, pts: MediaTime) -> Vec<RimAnswer> {
        self.worker.frames(&[(Arc::clone(frame), pts)]);
        std::mem::take(&mut *self.answers.0.lock())
    }

    /// Why nothing is called, if so.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.progress.lock().faults.first().map(|(_, fault)| fault.clone())
    }

    /// Median time of the engine over the last answers, ms.
    #[must_use]
    pub fn median_ms(&self) -> Option<f64> {
        self.progress.lock().median_ms()
    }
}
