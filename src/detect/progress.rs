//! How a model is doing: what its thread writes and `state/models` reads, and where its times count.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;

use crate::detect::engine::contract::EngineNews;
use crate::media::CourtId;

/// Answers that the reported median is over: some 3 s of a stream.
const MEDIAN_OVER: usize = 101;

/// Where a model's times are counted.
#[derive(Clone, Debug)]
pub struct ModelMeters {
    /// Making the inputs of one look.
    pub preprocess_seconds: Histogram,
    /// The engine, one look.
    pub inference_seconds: Histogram,
    /// From the decoder to this thread.
    pub queue_seconds: Histogram,
    /// From the last byte of a picture to its answer.
    pub answer_seconds: Histogram,
    /// The same, where another engine runs the model.
    pub run_by: RunBy,
}

/// Where a model's times are counted when the engine of this word runs it; `None`: where they are.
#[derive(Clone, Default)]
pub struct RunBy(pub Option<Arc<dyn Fn(&str) -> ModelMeters + Send + Sync>>);

impl fmt::Debug for RunBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RunBy").field(&self.0.is_some()).finish()
    }
}

impl Default for ModelMeters {
    /// Counts where nobody looks.
    fn default() -> Self {
        let unseen = || Histogram::new([]);
        Self {
            preprocess_seconds: unseen(),
            inference_seconds: unseen(),
            queue_seconds: unseen(),
            answer_seconds: unseen(),
            run_by: RunBy::default(),
        }
    }
}

/// How a model is doing.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Set when it was put out.
    pub(crate) stopped: Option<String>,
    /// Why nothing is called, by court.
    pub(crate) faults: Vec<(CourtId, String)>,
    /// Widths of the rings in the picture that comes now, pixels, by court.
    pub(crate) rings: BTreeMap<CourtId, Vec<f32>>,
    /// What an engine that is several says of itself.
    pub(crate) engine: Option<EngineNews>,
    times_ms: VecDeque<[f64; 2]>,
}

impl Progress {
    /// Median of the last answers, ms.
    pub(crate) fn median_ms(&self) -> Option<f64> {
        self.median(|[ran, _]| ran)
    }

    /// The same without what others had the core meanwhile.
    pub(crate) fn own_ms(&self) -> Option<f64> {
        self.median(|[_, own]| own)
    }

    fn median(&self, of: impl Fn([f64; 2]) -> f64) -> Option<f64> {
        let mut times: Vec<f64> = self.times_ms.iter().copied().map(of).collect();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    }

    /// The network took so long for a look, and would have taken so long had nobody else had the core.
    pub(crate) fn took(&mut self, time: Duration, own: Duration) {
        if self.times_ms.len() == MEDIAN_OVER {
            self.times_ms.pop_front();
        }
        self.times_ms.push_back([time, own].map(|time| time.as_secs_f64() * 1e3));
    }

    /// The court is gone.
    pub(crate) fn forget(&mut self, court: &CourtId) {
        self.set_fault(court, None);
        self.rings.remove(court);
    }

    /// Nothing is called at `court`, or it is again.
    pub(crate) fn set_fault(&mut self, court: &CourtId, fault: Option<String>) {
        self.faults.retain(|(known, _)| known != court);
        self.faults.extend(fault.map(|fault| (court.clone(), fault)));
    }
}
