//! One model at work: its thread takes frames, cuts, runs, answers.
//!
//! Frames come from [`FrameMailbox`], courts in turn. States belong to a slot, one court's one rim.
//! An error is no answer: the court's states start anew. Errors without end, or a panic, put the
//! model out with the reason; sessions that it was in are closed, so that nothing that it began
//! stays open.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::histogram::Histogram;
use tracing::{debug, error, warn};

use crate::answer::{ModelIdentity, RimAnswer};
use crate::clock::Clock;
use crate::detect::bundle::Bundle;
use crate::detect::bundle::manifest::CropInput;
use crate::detect::engine::contract::{Engine, EngineError};
use crate::detect::rim::continuity::Continuity;
use crate::detect::rim::crop::{Crop, CropError};
use crate::detect::rim::postprocess::{AnswerError, rim_probabilities};
use crate::mailbox::{FrameItem, FrameMailbox, Take};
use crate::media::{
    CloseReason, CopyError, CourtId, CourtRims, Frame, MediaTime, Monotonic, RimBox, RimFault,
    RimId, SessionId,
};

/// Frames in a row without an answer, after which a model is put out: one second of a stream.
const MAX_FAILURES: u32 = 30;
/// Answers that the reported median is over: some 3 s of a stream.
const MEDIAN_OVER: usize = 101;
/// How long a wait for a frame is; only bounds how late a lost wake-up would be noticed.
const WAIT: Duration = Duration::from_secs(1);

/// Takes what models say. Called on a model's thread: must not wait.
pub trait AnswerSink: Send + Sync {
    /// An answer of the live model, in order for each court.
    fn answer(&self, answer: RimAnswer);
    /// The last answer of `session` has been given.
    fn session_closed(&self, court: &CourtId, session: SessionId, reason: CloseReason);
    /// An answer of a model that is only compared; never published.
    fn shadow(&self, _answer: RimAnswer) {}
}

/// Where a model's times are counted.
#[derive(Clone, Debug)]
pub struct ModelMeters {
    /// Cutting the crops of one rim.
    pub preprocess_seconds: Histogram,
    /// The engine, one rim.
    pub inference_seconds: Histogram,
    /// From the decoder to this thread.
    pub queue_seconds: Histogram,
    /// From the last byte of a picture to its answer.
    pub answer_seconds: Histogram,
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
        }
    }
}

/// How a model is doing; written by its thread, read for `state/models`.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Set when it was put out.
    pub(crate) stopped: Option<String>,
    /// Why nothing is called, by court.
    pub(crate) faults: Vec<(CourtId, String)>,
    /// Widths of the rings in the picture that comes now, pixels, by court.
    pub(crate) rings: BTreeMap<CourtId, Vec<f32>>,
    times_ms: VecDeque<f64>,
}

impl Progress {
    /// Median of the last answers, ms.
    pub(crate) fn median_ms(&self) -> Option<f64> {
        let mut times: Vec<f64> = self.times_ms.iter().copied().collect();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    }

    fn took(&mut self, time: Duration) {
        if self.times_ms.len() == MEDIAN_OVER {
            self.times_ms.pop_front();
        }
        self.times_ms.push_back(time.as_secs_f64() * 1e3);
    }

    fn set_fault(&mut self, court: &CourtId, fault: Option<String>) {
        self.faults.retain(|(known, _)| known != court);
        self.faults.extend(fault.map(|fault| (court.clone(), fault)));
    }
}

/// Everything that a model's thread owns.
pub(crate) struct Worker {
    identity: Arc<ModelIdentity>,
    live: bool,
    engine: Box<dyn Engine>,
    frames: FrameMailbox,
    courts: Vec<CourtWork>,
    sink: Arc<dyn AnswerSink>,
    meters: ModelMeters,
    clock: Arc<dyn Clock>,
    // Read by status; held here for a push and a comparison.
    progress: Arc<Mutex<Progress>>,
    failures: u32,
    last_failure: String,
}

/// What a worker is made of.
pub(crate) struct WorkerParts<'a> {
    pub(crate) bundle: &'a Bundle,
    pub(crate) identity: Arc<ModelIdentity>,
    /// False: a shadow.
    pub(crate) live: bool,
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) frames: FrameMailbox,
    pub(crate) courts: &'a [CourtRims],
    pub(crate) sink: Arc<dyn AnswerSink>,
    pub(crate) meters: ModelMeters,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) progress: Arc<Mutex<Progress>>,
}

/// One court, as one model sees it.
struct CourtWork {
    drawn: CourtRims,
    inputs: Vec<CropInput>,
    /// Slots of its rims: from this one on.
    first_slot: usize,
    continuity: Continuity,
    placed: Option<Placed>,
    /// The session of its last frame, until that is closed.
    session: Option<SessionId>,
    failures: u32,
}

/// Crops for one size of picture; a fault where there are none.
struct Placed {
    picture: (u32, u32),
    rims: Result<Vec<RimCrops>, RimFault>,
}

/// The crops of one rim, and where they are put.
struct RimCrops {
    crops: Vec<Crop>,
    values: Vec<Vec<f32>>,
}

/// Why there is no answer for a frame.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cut the crop: {0}")]
    Crop(#[from] CropError),
    #[error("{0}")]
    Copy(#[from] CopyError),
    #[error("{0}")]
    Engine(#[from] EngineError),
    #[error("the model's answer is none: {0}")]
    Answer(#[from] AnswerError),
}

impl Worker {
    pub(crate) fn new(parts: WorkerParts<'_>) -> Self {
        let mut engine = parts.engine;
        let mut slots = 0;
        let mut courts = Vec::with_capacity(parts.courts.len());
        for drawn in parts.courts {
            courts.push(CourtWork {
                drawn: drawn.clone(),
                inputs: parts.bundle.inputs.clone(),
                first_slot: slots,
                continuity: Continuity::new(parts.bundle.max_gap_ms, parts.bundle.warmup_frames),
                placed: None,
                session: None,
                failures: 0,
            });
            slots += drawn.rims.len();
        }
        engine.set_slots(slots);
        Self {
            identity: parts.identity,
            live: parts.live,
            engine,
            frames: parts.frames,
            courts,
            sink: parts.sink,
            meters: parts.meters,
            clock: parts.clock,
            progress: parts.progress,
            failures: 0,
            last_failure: String::new(),
        }
    }

    /// Answers until the hop is closed and empty, or the model is put out.
    pub(crate) fn run(mut self) {
        loop {
            // Woken by a frame, the end of a session, or the close of the hop.
            let item = match self.frames.take(WAIT) {
                Take::Item(item) => item,
                Take::TimedOut => continue,
                Take::Closed => return,
            };
            let worker = &mut self;
            match catch_unwind(AssertUnwindSafe(|| worker.handle(item))) {
                Ok(()) if self.failures < MAX_FAILURES => {}
                Ok(()) => {
                    let last = &self.last_failure;
                    let why = format!("{MAX_FAILURES} frames in a row failed: {last}");
                    return self.put_out(&why);
                }
                Err(panic) => {
                    return self.put_out(&format!("it panicked: {}", panic_text(panic.as_ref())));
                }
            }
        }
    }

    fn handle(&mut self, item: FrameItem) {
        match item {
            FrameItem::Frame(frame) => self.frame(&frame, frame.pts),
            FrameItem::SessionClosed { court, session, reason } => {
                if let Some(known) = self.courts.iter_mut().find(|known| known.drawn.court == court)
                {
                    known.session = known.session.filter(|open| *open != session);
                }
                if self.live {
                    self.sink.session_closed(&court, session, reason);
                }
            }
        }
    }

    /// Answers about every rim of `frame`, of time `pts`.
    pub(crate) fn frame(&mut self, frame: &Frame, pts: MediaTime) {
        let taken = self.clock.monotonic();
        self.meters.queue_seconds.observe(taken.since(frame.decoded).as_secs_f64());
        let Some(court) = self.courts.iter_mut().find(|court| court.drawn.court == frame.court)
        else {
            return;
        };
        court.session = Some(frame.session);
        let fault_before = court.fault();
        if court.place((frame.width, frame.height)) {
            self.progress.lock().rings.insert(frame.court.clone(), court.widths());
        }
        let fault = court.fault();
        if fault != fault_before {
            if let Some(fault) = &fault {
                warn!(court = %frame.court, model = %self.identity.bundle, fault, "no calls");
            }
            self.progress.lock().set_fault(&frame.court, fault);
        }
        let mut run = Run {
            engine: self.engine.as_mut(),
            identity: &self.identity,
            meters: &self.meters,
            clock: self.clock.as_ref(),
            progress: &self.progress,
            emit: &mut |answer| {
                if self.live { self.sink.answer(answer) } else { self.sink.shadow(answer) }
            },
        };
        match court.answer(frame, pts, taken, &mut run) {
            Ok(()) => {
                self.failures = 0;
                if std::mem::take(&mut court.failures) >= MAX_FAILURES {
                    self.progress.lock().set_fault(&frame.court, None);
                }
            }
            Err(failure) => {
                court.continuity.forget();
                court.failures = court.failures.saturating_add(1);
                self.failures += 1;
                self.last_failure = failure.to_string();
                if court.failures == 1 {
                    let model = &self.identity.bundle;
                    warn!(court = %frame.court, %model, %failure, "a frame got no answer");
                }
                if court.failures == MAX_FAILURES {
                    let fault = format!("no calls: model {}: {failure}", self.identity.bundle);
                    self.progress.lock().set_fault(&frame.court, Some(fault));
                }
            }
        }
    }

    fn put_out(self, why: &str) {
        let ModelIdentity { bundle, version, .. } = self.identity.as_ref();
        error!(model = %bundle, version, why, "model put out");
        let reason = format!(
            "{bundle} {version} was put out: {why}; install another bundle or version, then \
             restart courtside"
        );
        {
            let mut progress = self.progress.lock();
            for court in &self.courts {
                progress.set_fault(&court.drawn.court, Some(format!("no calls: {reason}")));
            }
            progress.stopped = Some(reason);
        }
        self.frames.abandon();
        for court in self.courts.iter().filter(|_| self.live) {
            if let Some(session) = court.session {
                self.sink.session_closed(&court.drawn.court, session, CloseReason::Shutdown);
            }
        }
    }
}

/// What answering borrows from the worker.
struct Run<'a> {
    engine: &'a mut dyn Engine,
    identity: &'a Arc<ModelIdentity>,
    meters: &'a ModelMeters,
    clock: &'a dyn Clock,
    progress: &'a Mutex<Progress>,
    emit: &'a mut dyn FnMut(RimAnswer),
}

impl CourtWork {
    /// Works out the crops, where the picture's size is new; true if it is.
    fn place(&mut self, picture: (u32, u32)) -> bool {
        if self.placed.as_ref().is_some_and(|placed| placed.picture == picture) {
            return false;
        }
        self.drawn.rims_of.get_or_insert(picture);
        let rims = self.drawn.in_picture(picture).and_then(|rims| {
            rims.into_iter().map(|rim| RimCrops::new(&self.inputs, rim, picture)).collect()
        });
        self.placed = Some(Placed { picture, rims });
        true
    }

    /// Widths of the rings in the picture that comes now, pixels; none where they cannot be placed.
    fn widths(&self) -> Vec<f32> {
        let placed = self.placed.as_ref();
        let placed = placed.and_then(|placed| self.drawn.in_picture(placed.picture).ok());
        placed.unwrap_or_default().iter().map(|rim| rim.w).collect()
    }

    fn fault(&self) -> Option<String> {
        match self.placed.as_ref().map(|placed| &placed.rims) {
            Some(Err(fault)) => Some(fault.to_string()),
            Some(Ok(_)) | None => None,
        }
    }

    /// Runs the model on every rim of a frame.
    fn answer(
        &mut self,
        frame: &Frame,
        pts: MediaTime,
        taken: Monotonic,
        run: &mut Run<'_>,
    ) -> Result<(), Failure> {
        let Some(Placed { picture, rims: Ok(rims) }) = &mut self.placed else { return Ok(()) };
        let fed = self.continuity.step(frame.session, *picture, pts);
        if let Some(reset) = fed.reset {
            debug!(court = %frame.court, model = %run.identity.bundle, ?reset, "state starts anew");
        }
        let pixels = frame.to_cpu()?;
        let mut before = taken;
        for (index, rim) in rims.iter_mut().enumerate() {
            let slot = self.first_slot + index;
            if fed.reset.is_some() {
                run.engine.reset(slot);
            }
            for (crop, values) in rim.crops.iter_mut().zip(&mut rim.values) {
                crop.cut(pixels, values)?;
            }
            let cut = run.clock.monotonic();
            let logits = run.engine.step(slot, &rim.values, fed.dt_seconds)?;
            let answered = run.clock.monotonic();
            let says = rim_probabilities(&logits, run.identity.decision.temperature)?;
            run.meters.preprocess_seconds.observe(cut.since(before).as_secs_f64());
            run.meters.inference_seconds.observe(answered.since(cut).as_secs_f64());
            run.meters.answer_seconds.observe(answered.since(frame.arrival).as_secs_f64());
            run.progress.lock().took(answered.since(cut));
            before = answered;
            (run.emit)(RimAnswer {
                court: frame.court.clone(),
                rim: RimId(u16::try_from(index).unwrap_or(u16::MAX)),
                session: frame.session,
                pts,
                says,
                warming: fed.warming,
                model: Arc::clone(run.identity),
                arrival: frame.arrival,
                answered,
            });
        }
        Ok(())
    }
}

impl RimCrops {
    fn new(inputs: &[CropInput], rim: RimBox, picture: (u32, u32)) -> Result<Self, RimFault> {
        let crops = inputs
            .iter()
            .map(|input| Crop::new(input, rim, picture))
            .collect::<Result<Vec<Crop>, CropError>>()
            .map_err(|error| RimFault::Crop { reason: error.to_string() })?;
        let values = crops.iter().map(|crop| vec![0.0; crop.values()]).collect();
        Ok(Self { crops, values })
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "without a word".to_owned()
    }
}
