//! One model at work, whatever its task: its thread takes frames, has them run, hands on what was
//! said. Courts come and go in between ([`FrameItem::CourtOpened`]); what one brings or leaves touches
//! no other's slots.
//!
//! Frames come from [`FrameMailbox`], courts in turn. A slot of the engine is one view at one court
//! (a rim, or the whole picture); all slots of a frame are one batch. Where to look and what the
//! tensors mean is the task's ([`TaskAtCourt`]); cutting and states are the engine's.
//!
//! **What happens when a model fails.** An error is no answer: the court's states start anew, the
//! next frame is tried. So many errors in a row ([`Manner::most_failures`]), or one **panic** (caught
//! here, around the handling of each frame), put the model out: [`Worker::put_out`] tells the reason
//! in the log, in `state/models` and at every court of it; its hop is closed and emptied, so that no
//! decoder's buffer stays in it; sessions that it was in are closed, so that nothing that it began
//! stays open; then its thread ends, and the engine with it. Other models, courts, recording and
//! events go on. It comes back with a restart.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tracing::{debug, error, warn};

use crate::answer::ModelIdentity;
use crate::clock::Clock;
use crate::detect::bundle::Bundle;
use crate::detect::continuity::Continuity;
use crate::detect::engine::contract::{Engine, EngineError, Look, Placement, View};
use crate::detect::progress::{ModelMeters, Progress};
use crate::detect::task::{AnswerError, Looked, Manner, TaskAtCourt};
use crate::detect::tasks::{Outlets, at_court, manner_of};
use crate::mailbox::{FrameItem, FrameMailbox, Take};
use crate::media::{CloseReason, CourtId, CourtRims, Frame, MediaTime, SessionId};

/// How long a wait for a frame is; only bounds how late a lost wake-up would be noticed.
const WAIT: Duration = Duration::from_secs(1);
/// How far a thread that stands back does so from all others of the process.
const NICE: i32 = 10;

/// Everything that a model's thread owns.
pub(crate) struct Worker {
    bundle: Arc<Bundle>,
    identity: Arc<ModelIdentity>,
    live: bool,
    outlets: Outlets,
    manner: Manner,
    engine: Box<dyn Engine>,
    /// Slots that the engine has.
    slots: usize,
    frames: FrameMailbox,
    courts: Vec<CourtWork>,
    meters: ModelMeters,
    clock: Arc<dyn Clock>,
    // Read by status; held here for a push and a comparison.
    progress: Arc<Mutex<Progress>>,
    failures: u32,
    last_failure: String,
}

/// What a worker is made of.
pub(crate) struct WorkerParts<'a> {
    pub(crate) bundle: Arc<Bundle>,
    pub(crate) identity: Arc<ModelIdentity>,
    /// False: a shadow.
    pub(crate) live: bool,
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) frames: FrameMailbox,
    pub(crate) courts: &'a [CourtRims],
    pub(crate) outlets: Outlets,
    pub(crate) meters: ModelMeters,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) progress: Arc<Mutex<Progress>>,
}

/// One court, as one model sees it.
struct CourtWork {
    court: CourtId,
    task: Box<dyn TaskAtCourt>,
    /// Slots of its views: from this one on.
    first_slot: usize,
    continuity: Continuity,
    placed: Option<Placed>,
    /// The session of its last frame, until that is closed.
    session: Option<SessionId>,
    failures: u32,
}

/// Where one size of picture is looked at.
struct Placed {
    picture: (u32, u32),
    /// Views, a slot each; a fault where one cannot look.
    views: Result<Vec<View>, String>,
}

/// Why there is no answer for a frame.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Engine(#[from] EngineError),
    #[error("the model's answer is none: {0}")]
    Answer(#[from] AnswerError),
}

impl Worker {
    /// Makes room in the engine for every court's views.
    ///
    /// # Errors
    /// [`EngineError`]: there is none.
    pub(crate) fn new(parts: WorkerParts<'_>) -> Result<Self, EngineError> {
        let manner = manner_of(&parts.bundle);
        let mut worker = Self {
            bundle: parts.bundle,
            identity: parts.identity,
            live: parts.live,
            outlets: parts.outlets,
            manner,
            engine: parts.engine,
            slots: 0,
            frames: parts.frames,
            courts: Vec::with_capacity(parts.courts.len()),
            meters: parts.meters,
            clock: parts.clock,
            progress: parts.progress,
            failures: 0,
            last_failure: String::new(),
        };
        for drawn in parts.courts {
            worker.open(drawn)?;
        }
        Ok(worker)
    }

    /// Answers until the hop is closed and empty, or the model is put out.
    pub(crate) fn run(mut self) {
        if self.manner.stands_back {
            // Linux: of this thread alone. Without it the thread is as good as any.
            let _ = rustix::process::nice(NICE);
        }
        loop {
            // Woken by a frame, the end of a session, or the close of the hop.
            let item = match self.frames.take(WAIT) {
                Take::Item(item) => item,
                Take::TimedOut => continue,
                Take::Closed => return,
            };
            let worker = &mut self;
            match catch_unwind(AssertUnwindSafe(|| worker.handle(item))) {
                Ok(()) if self.failures < self.manner.most_failures => {}
                Ok(()) => {
                    let (times, last) = (self.manner.most_failures, &self.last_failure);
                    let why = format!("{times} frames in a row failed: {last}");
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
                if let Some(known) = self.courts.iter_mut().find(|known| known.court == court) {
                    known.session = known.session.filter(|open| *open != session);
                    known.task.session_closed(session, reason);
                }
            }
            FrameItem::CourtOpened(drawn) => {
                self.close(&drawn.court);
                if let Err(error) = self.open(&drawn) {
                    let (court, model) = (&drawn.court, &self.identity.bundle);
                    error!(%court, %model, %error, "no room for a court");
                    let fault = format!("no calls: model {model}: {error}");
                    self.progress.lock().set_fault(court, Some(fault));
                }
            }
            FrameItem::CourtClosed(court) => self.close(&court),
        }
    }

    /// Begins work at a court, in slots that no other court has.
    fn open(&mut self, drawn: &CourtRims) -> Result<(), EngineError> {
        let task = at_court(&self.bundle, drawn, &self.identity, self.live, &self.outlets);
        let first_slot = self.room_for(task.slots())?;
        let max_gap_ms = self.bundle.max_gap_ms.unwrap_or(u32::MAX);
        self.courts.push(CourtWork {
            court: drawn.court.clone(),
            task,
            first_slot,
            continuity: Continuity::new(max_gap_ms, self.bundle.warmup_frames),
            placed: None,
            session: None,
            failures: 0,
        });
        Ok(())
    }

    /// Ends work at a court, if there is any; its slots are free.
    fn close(&mut self, court: &CourtId) {
        let Some(at) = self.courts.iter().position(|known| known.court == *court) else { return };
        self.courts.remove(at).end();
        self.progress.lock().forget(court);
    }

    /// The first of so many slots in a row that no court has; the engine gets more where there are
    /// none. What a slot remembers of a court that is gone is reset with the first frame.
    fn room_for(&mut self, count: usize) -> Result<usize, EngineError> {
        let mut taken: Vec<_> = self.courts.iter().map(CourtWork::slots).collect();
        taken.sort_by_key(|slots| slots.start);
        let mut first = 0;
        for slots in taken {
            if slots.start >= first + count {
                break;
            }
            first = slots.end;
        }
        if first + count > self.slots {
            self.engine.set_slots(first + count)?;
            self.slots = first + count;
        }
        Ok(first)
    }

    /// Has every view of `frame`, of time `pts`, looked at.
    pub(crate) fn frame(&mut self, frame: &Arc<Frame>, pts: MediaTime) {
        let taken = self.clock.monotonic();
        self.meters.queue_seconds.observe(taken.since(frame.decoded).as_secs_f64());
        let Some(court) = self.courts.iter_mut().find(|court| court.court == frame.court) else {
            return;
        };
        court.session = Some(frame.session);
        let fault_before = court.fault();
        if court.place((frame.width, frame.height), self.engine.as_mut()) {
            self.progress.lock().rings.insert(frame.court.clone(), court.ring_widths());
        }
        let fault = court.fault();
        if fault != fault_before {
            if let Some(fault) = fault.as_ref().filter(|_| !self.manner.stands_back) {
                warn!(court = %frame.court, model = %self.identity.bundle, fault, "no calls");
            }
            self.progress.lock().set_fault(&frame.court, fault);
        }
        let mut run = Run {
            engine: self.engine.as_mut(),
            model: &self.identity.bundle,
            meters: &self.meters,
            clock: self.clock.as_ref(),
            progress: &self.progress,
        };
        let most_failures = self.manner.most_failures;
        match court.look(frame, pts, &mut run) {
            Ok(()) => {
                self.failures = 0;
                if std::mem::take(&mut court.failures) >= most_failures {
                    self.progress.lock().set_fault(&frame.court, None);
                }
            }
            Err(failure) => {
                court.continuity.forget();
                court.failures = court.failures.saturating_add(1);
                self.failures += 1;
                self.last_failure = failure.to_string();
                let model = &self.identity.bundle;
                if self.manner.stands_back {
                    debug!(court = %frame.court, %model, %failure, "a frame got no answer");
                } else if court.failures == 1 {
                    warn!(court = %frame.court, %model, %failure, "a frame got no answer");
                }
                if court.failures == most_failures {
                    let fault = format!("no calls: model {model}: {failure}");
                    self.progress.lock().set_fault(&frame.court, Some(fault));
                }
            }
        }
    }

    /// The one end of a model that does not end by itself; see the module's header.
    fn put_out(mut self, why: &str) {
        let ModelIdentity { bundle, version, .. } = self.identity.as_ref();
        if self.manner.stands_back {
            warn!(model = %bundle, why, "nobody looks any more whether cameras were moved");
        } else {
            error!(model = %bundle, version, why, "model put out");
        }
        let reason = format!(
            "{bundle} {version} was put out: {why}; install another bundle or version, then \
             restart courtside"
        );
        {
            let mut progress = self.progress.lock();
            for court in &self.courts {
                progress.set_fault(&court.court, Some(format!("no calls: {reason}")));
            }
            progress.stopped = Some(reason);
        }
        self.frames.abandon();
        self.courts.drain(..).for_each(CourtWork::end);
    }
}

/// What looking borrows from the worker.
struct Run<'a> {
    engine: &'a mut dyn Engine,
    model: &'a str,
    meters: &'a ModelMeters,
    clock: &'a dyn Clock,
    progress: &'a Mutex<Progress>,
}

impl CourtWork {
    /// Slots of its views.
    fn slots(&self) -> Range<usize> {
        self.first_slot..self.first_slot + self.task.slots()
    }

    /// Closes what was begun.
    fn end(mut self) {
        if let Some(session) = self.session {
            self.task.session_closed(session, CloseReason::Shutdown);
        }
        self.task.gone();
    }

    /// Says where to look, where the picture's size is new; true if it is.
    fn place(&mut self, picture: (u32, u32), engine: &mut dyn Engine) -> bool {
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

    fn views(&self) -> &[View] {
        self.placed.as_ref().and_then(|placed| placed.views.as_deref().ok()).unwrap_or_default()
    }

    /// Widths of the rings in the picture that comes now, pixels; none where they cannot be placed.
    fn ring_widths(&self) -> Vec<f32> {
        let width = |view: &View| match view {
            View::Around(rim) => Some(rim.w),
            View::Whole => None,
        };
        self.views().iter().filter_map(width).collect()
    }

    fn fault(&self) -> Option<String> {
        self.placed.as_ref().and_then(|placed| placed.views.as_ref().err().cloned())
    }

    /// Runs the model on every view of a frame. An answer is handed on as soon as it is there; the
    /// first failure of the frame is returned.
    fn look(
        &mut self,
        frame: &Arc<Frame>,
        pts: MediaTime,
        run: &mut Run<'_>,
    ) -> Result<(), Failure> {
        let Some(Placed { picture, views: Ok(views) }) = &self.placed else { return Ok(()) };
        let fed = self.continuity.step(frame.session, *picture, pts);
        let slots = self.first_slot..self.first_slot + views.len();
        if let Some(reset) = fed.reset {
            debug!(court = %frame.court, model = run.model, ?reset, "state starts anew");
            slots.clone().for_each(|slot| run.engine.reset(slot));
        }
        let looks: Vec<Look<'_>> =
            slots.map(|slot| Look { slot, frame, dt_seconds: fed.dt_seconds }).collect();
        let (task, meters) = (&mut self.task, run.meters);
        let mut failed: Option<Failure> = None;
        run.engine.run(&looks, &mut |view, result| {
            let said = match result {
                Ok(said) => said,
                Err(error) => {
                    failed.get_or_insert(error.into());
                    return;
                }
            };
            let answered = run.clock.monotonic();
            let looked = Looked { frame, pts, warming: fed.warming, answered };
            if let Err(error) = task.said(view, &looked, &said.tensors) {
                failed.get_or_insert(error.into());
                return;
            }
            meters.preprocess_seconds.observe(said.prepared.as_secs_f64());
            meters.inference_seconds.observe(said.ran.as_secs_f64());
            meters.answer_seconds.observe(answered.since(frame.arrival).as_secs_f64());
            run.progress.lock().took(said.ran);
        });
        failed.map_or(Ok(()), Err)
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
