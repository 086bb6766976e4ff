//! One model at work, whatever its task: its thread takes frames, has them run, hands on what was
//! said. Courts come and go in between ([`FrameItem::CourtOpened`]); what one brings or leaves touches
//! no other's slots.
//!
//! Frames come from [`FrameMailbox`], courts in turn. A slot of the engine is one view at one court
//! (a rim, or the whole picture). All slots of a frame are in one batch, and frames of other courts
//! that wait too, up to what the engine likes at once. Where to look and what the tensors mean is the
//! task's (`task`), at one court `court_work`'s; cutting and states are the engine's.
//!
//! **What happens when a model fails.** An error is no answer: the court's states start anew, the
//! next frame is tried. So many errors in a row ([`Manner::most_failures`]), or one **panic** (caught
//! here, around the handling of each item: a frame, a session's end, a court that comes or goes), put
//! the model out: [`Worker::put_out`] tells the reason in the log and at every court of it, and in
//! `state/models` if it is one of `bundles` (the finder is not listed there); its hop is closed and
//! emptied, so that no decoder's buffer stays in it; sessions that it was in are closed, so that nothing
//! that it began stays open; then its thread ends, and the engine with it. Other models, courts,
//! recording and events go on. It comes back with a restart.
//!
//! A panic before that is caught where it happens: at load in `engine/builtin`, in the trial in
//! `engine/trial`; both refuse the bundle. [`Worker::new`] catches none: `app` loads models without
//! courts, so the engine is not called there, and courts come as items.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tracing::{debug, error, warn};

use crate::answer::ModelIdentity;
use crate::clock::{Clock, Waits, as_usual, come_before_all, stand_back};
use crate::detect::bundle::Bundle;
use crate::detect::continuity::{Continuity, Fed};
use crate::detect::court_work::CourtWork;
use crate::detect::engine::contract::{Engine, EngineError, Look};
use crate::detect::podium::Seat;
use crate::detect::progress::{ModelMeters, Progress, RunBy};
use crate::detect::task::{AnswerError, Looked, Manner};
use crate::detect::tasks::{Outlets, at_court, manner_of};
use crate::mailbox::{FrameItem, FrameMailbox, Take};
use crate::media::{CourtId, CourtRims, Frame, MediaTime, Monotonic};

/// How long a wait for a frame is; only bounds how late a lost wake-up would be noticed.
const WAIT: Duration = Duration::from_secs(1);

/// Everything that a model's thread owns.
pub(crate) struct Worker {
    bundle: Arc<Bundle>,
    identity: Arc<ModelIdentity>,
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
    /// Of the thread that it runs on, where somebody asks how long looks take.
    waits: Waits,
}

/// What a worker is made of.
pub(crate) struct WorkerParts<'a> {
    pub(crate) bundle: Arc<Bundle>,
    pub(crate) identity: Arc<ModelIdentity>,
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) frames: FrameMailbox,
    pub(crate) courts: &'a [CourtRims],
    pub(crate) outlets: Outlets,
    pub(crate) meters: ModelMeters,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) progress: Arc<Mutex<Progress>>,
}

/// A frame that is about to be looked at, and what came of it.
struct Due<'f> {
    /// Which of the worker's courts.
    court: usize,
    frame: &'f Arc<Frame>,
    pts: MediaTime,
    /// How it is fed; `None` where one cannot look.
    fed: Option<Fed>,
    slots: Range<usize>,
    /// Views of which nothing was told yet.
    left: usize,
    /// The first failure.
    failed: Option<Failure>,
}

/// Why there is no answer for a frame.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Engine(#[from] EngineError),
    #[error("the model's answer is none: {0}")]
    Answer(#[from] AnswerError),
    #[error("the engine said nothing of {views} views")]
    Silent { views: usize },
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
            waits: Waits::default(),
        };
        for drawn in parts.courts {
            worker.open(drawn)?;
        }
        Ok(worker)
    }

    /// Answers until the hop is closed and empty, or the model is put out.
    pub(crate) fn run(mut self) {
        if self.manner.stands_back {
            stand_back();
        }
        if self.outlets.seat.is_some() {
            self.waits = Waits::of_this_thread();
        }
        // Before its first word: that a better engine is made is to be known by then.
        if catch_unwind(AssertUnwindSafe(|| self.hear_engine())).is_err() {
            return self.put_out("its engine panicked");
        }
        let mut first = false;
        // What was taken while a batch was gathered and is not of it.
        let mut next = None;
        loop {
            // Calls hang on the one that decides, and who that is may change between two looks.
            let decides =
                !self.manner.stands_back && self.outlets.seat.as_ref().is_some_and(Seat::decides);
            if decides != first {
                first = decides;
                if decides { come_before_all() } else { as_usual() }
            }
            // Woken by a frame, the end of a session, a court that comes or goes, or the close of the
            // hop.
            let item = match next.take().map_or_else(|| self.frames.take(WAIT), Take::Item) {
                Take::Item(item) => item,
                Take::TimedOut => {
                    if catch_unwind(AssertUnwindSafe(|| self.hear_engine())).is_err() {
                        return self.put_out("its engine panicked");
                    }
                    continue;
                }
                Take::Closed => return,
            };
            let worker = &mut self;
            match catch_unwind(AssertUnwindSafe(|| worker.handle(item))) {
                Ok(taken) if self.failures < self.manner.most_failures => next = taken,
                Ok(_) => {
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

    /// Does what one item asks for. Returns an item that it took and did not handle.
    fn handle(&mut self, item: FrameItem) -> Option<FrameItem> {
        match item {
            FrameItem::Frame(frame) => {
                let (batch, next) = self.gather(frame);
                self.frames(&batch);
                return next;
            }
            FrameItem::SessionClosed { court, session, reason } => {
                if let Some(known) = self.courts.iter_mut().find(|known| known.court == court) {
                    known.session_closed(session, reason);
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
            FrameItem::CourtClosed(court) => {
                self.close(&court);
                if self.outlets.seat.is_some() {
                    self.outlets.sink.court_closed(&court);
                }
            }
        }
        None
    }

    /// Adds frames that wait to `first`, of other courts, until the engine has the looks that it
    /// likes at once. What comes in between and is another thing ends the batch and is returned.
    fn gather(&self, first: Arc<Frame>) -> (Vec<(Arc<Frame>, MediaTime)>, Option<FrameItem>) {
        let looks_at = |frame: &Frame| {
            let court = self.courts.iter().find(|known| known.court == frame.court);
            court.map_or(0, |court| court.slots().len())
        };
        let most = self.engine.most_looks();
        let (mut looks, pts) = (looks_at(&first), first.pts);
        let mut batch = vec![(first, pts)];
        while looks < most {
            match self.frames.take_waiting() {
                Some(FrameItem::Frame(frame))
                    if batch.iter().all(|(known, _)| known.court != frame.court) =>
                {
                    looks += looks_at(&frame);
                    let pts = frame.pts;
                    batch.push((frame, pts));
                }
                other => return (batch, other),
            }
        }
        (batch, None)
    }

    /// Begins work at a court, in slots that no other court has.
    fn open(&mut self, drawn: &CourtRims) -> Result<(), EngineError> {
        let task = at_court(&self.bundle, drawn, &self.identity, &self.outlets);
        let first_slot = self.room_for(task.slots())?;
        let max_gap_ms = self.bundle.max_gap_ms.unwrap_or(u32::MAX);
        let continuity = Continuity::new(max_gap_ms, self.bundle.warmup_frames);
        self.courts.push(CourtWork::new(&drawn.court, task, first_slot, continuity));
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

    /// Has every view of these frames, each of a court of its own, looked at in one batch. A frame's
    /// time stands beside it: another one where it is shown again.
    pub(crate) fn frames(&mut self, batch: &[(Arc<Frame>, MediaTime)]) {
        let mut due: Vec<Due<'_>> =
            batch.iter().filter_map(|(frame, pts)| self.due(frame, *pts)).collect();
        let views = due.iter().enumerate().flat_map(|(at, due)| due.views(at));
        let (owners, looks): (Vec<(usize, usize)>, Vec<Look<'_>>) = views.unzip();
        if !looks.is_empty() {
            let Self { engine, courts, meters, clock, progress, outlets, waits, .. } = self;
            waits.lately();
            engine.run(&looks, &mut |look, result| {
                let owner = owners.get(look).copied();
                let Some((at, view)) = owner else { return };
                let Some(due) = due.get_mut(at) else { return };
                let answered = clock.monotonic();
                let said = result.map_err(Failure::from).and_then(|said| {
                    let looked = due.looked(answered);
                    let court = courts.get_mut(due.court);
                    court.map_or(Ok(()), |court| court.said(view, &looked, &said.tensors))?;
                    Ok(said)
                });
                due.left = due.left.saturating_sub(1);
                match said {
                    Ok(said) => {
                        let since_arrival = answered.since(due.frame.arrival);
                        meters.preprocess_seconds.observe(said.prepared.as_secs_f64());
                        meters.inference_seconds.observe(said.ran.as_secs_f64());
                        meters.answer_seconds.observe(since_arrival.as_secs_f64());
                        // That others had the core is no fault of a model's.
                        let own = said.ran.saturating_sub(waits.lately());
                        progress.lock().took(said.ran, own);
                        if let Some(seat) = &outlets.seat {
                            seat.took(own);
                        }
                    }
                    Err(failure) => drop(due.failed.get_or_insert(failure)),
                }
            });
        }
        for due in due {
            self.settle(due);
        }
        self.hear_engine();
    }

    /// Who runs the network now may be another engine.
    fn hear_engine(&mut self) {
        let Some(news) = self.engine.news() else { return };
        let file = news.file.as_ref();
        let precision = file.map_or(&self.bundle.file.precision, |file| &file.precision);
        if news.engine != self.identity.engine {
            let RunBy(run_by) = self.meters.run_by.clone();
            if let Some(meters) = run_by.map(|run_by| run_by(news.engine)) {
                self.meters = meters;
            }
        }
        if news.engine != self.identity.engine || *precision != self.identity.precision {
            let (engine, precision) = (news.engine.to_owned(), precision.clone());
            let known = (*self.identity).clone();
            let identity = Arc::new(ModelIdentity { engine, precision, ..known });
            self.courts.iter_mut().for_each(|court| court.runs_as(&identity));
            self.identity = identity;
        }
        if let Some(seat) = &self.outlets.seat {
            seat.runs(news.provisional);
        }
        self.progress.lock().engine = Some(news);
    }

    /// What is to be looked at in a frame; `None` of a court where nobody works.
    fn due<'f>(&mut self, frame: &'f Arc<Frame>, pts: MediaTime) -> Option<Due<'f>> {
        let taken = self.clock.monotonic();
        self.meters.queue_seconds.observe(taken.since(frame.decoded).as_secs_f64());
        let at = self.courts.iter().position(|court| court.court == frame.court)?;
        let court = self.courts.get_mut(at)?;
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
        let fed = court.feed(frame, pts);
        let slots = fed.map_or(0..0, |_| court.slots());
        if let Some(reset) = fed.and_then(|fed| fed.reset) {
            debug!(court = %frame.court, model = %self.identity.bundle, ?reset, "state starts anew");
            slots.clone().for_each(|slot| self.engine.reset(slot));
        }
        Some(Due { court: at, frame, pts, fed, left: slots.len(), slots, failed: None })
    }

    /// Counts what came of a frame.
    fn settle(&mut self, due: Due<'_>) {
        let Some(court) = self.courts.get_mut(due.court) else { return };
        let most_failures = self.manner.most_failures;
        let silent = (due.left > 0).then_some(Failure::Silent { views: due.left });
        let Some(failure) = due.failed.or(silent) else {
            self.failures = 0;
            if std::mem::take(&mut court.failures) >= most_failures {
                self.progress.lock().set_fault(&court.court, None);
            }
            return;
        };
        court.forget();
        court.failures = court.failures.saturating_add(1);
        self.failures += 1;
        self.last_failure = failure.to_string();
        if let Some(seat) = &self.outlets.seat {
            seat.failed(&self.last_failure, false);
        }
        let (court, failures, model) = (&court.court, court.failures, &self.identity.bundle);
        if self.manner.stands_back {
            debug!(%court, %model, %failure, "a frame got no answer");
        } else if failures == 1 {
            warn!(%court, %model, %failure, "a frame got no answer");
        }
        if failures == most_failures {
            let fault = format!("no calls: model {model}: {failure}");
            self.progress.lock().set_fault(court, Some(fault));
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
        // Before its sessions end: where another one is kept, that goes on in them.
        if let Some(seat) = &self.outlets.seat {
            seat.failed(why, true);
        }
        self.frames.abandon();
        self.courts.drain(..).for_each(CourtWork::end);
    }
}

impl<'f> Due<'f> {
    /// Its looks, each with the view that it is; `at`: its place in the batch.
    fn views(&self, at: usize) -> impl Iterator<Item = ((usize, usize), Look<'f>)> + use<'f> {
        let (frame, dt_seconds) = (self.frame, self.fed.map_or(0.0, |fed| fed.dt_seconds));
        let looks = self.slots.clone().map(move |slot| Look { slot, frame, dt_seconds });
        looks.enumerate().map(move |(view, look)| ((at, view), look))
    }

    fn looked(&self, answered: Monotonic) -> Looked<'f> {
        let warming = self.fed.is_some_and(|fed| fed.warming);
        Looked { frame: self.frame, pts: self.pts, warming, answered }
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
