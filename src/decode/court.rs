//! One court's decoding thread: takes units, keeps a pipeline for them, and mends what breaks.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tracing::{info, warn};

use crate::decode::DecodeSettings;
use crate::decode::annexb::annex_b;
use crate::decode::backend::{Backend, Order, Pipeline, Push, Unbuilt};
use crate::decode::choose::{Candidate, Choice, Choosing, out_of};
use crate::decode::gate::Gate;
use crate::decode::layout::Layout;
use crate::decode::outlet::{Found, Outlet};
use crate::decode::rate::Rate;
use crate::decode::reorder::Reorder;
use crate::decode::setbacks::{Blame, Machine, Rules, Setbacks, same_sets};
use crate::decode::trial::{Aside, Trial, Verdict};
use crate::mailbox::{DropReason, Take, UnitMailbox};
use crate::media::h264;
use crate::media::{
    AccessUnit, CloseReason, CodecParameters, MediaTime, Monotonic, SessionId, StreamInfo,
    StreamItem,
};

/// Units inside a pipeline beyond those that it must hold for reordering (chosen: a quarter of a
/// second at 30 fps; the mailbox in front holds what the design allows).
const BOUND: usize = 8;
/// Pictures that a decoder may ever hold for reordering (ITU-T H.264 A.3.1: MaxDpbFrames).
const MAX_REORDER: u8 = 16;
/// A pipeline that holds its bound and gives nothing for so long is built anew.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same while the next session waits behind it (chosen: within a second of stream it is decoded).
const HURRY: Duration = Duration::from_millis(250);
/// Pictures that show that a decoder runs well (chosen: ten seconds at 30 fps).
const STEADY: u64 = 300;
/// The longest that a pipeline may take to give what is inside at its end.
const DRAIN: Duration = Duration::from_secs(1);
/// The first wait before a failed pipeline is built anew; doubles to the last.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Units of a group that are kept for a new pipeline, in case a B slice comes (chosen: two seconds;
/// they are decoded twice, in some 0.3 s).
const MAX_REPLAY: usize = 64;
/// Items that wait in front while a burst is caught up with (chosen: what jitter brings is fewer).
const BEHIND: usize = 8;
/// How often the thread looks for errors while nothing comes.
const LOOK: Duration = Duration::from_millis(100);

/// See the module. Owns all that it decides on; lives on one thread.
pub(crate) struct Court {
    settings: DecodeSettings,
    backend: Arc<dyn Backend>,
    /// What it hands on to and counts in. Serves no pipeline: each has one of its own made from it.
    outlet: Outlet,
    rules: Rules,
    patience: Duration,
    first_wait: Duration,
    aside: Aside,
    session: Option<SessionId>,
    gate: Gate,
    reorder: Reorder,
    /// The units since the last key frame, while a B slice would come as a surprise.
    group: Vec<AccessUnit>,
    rate: Rate,
    /// A burst is caught up with; and when its last picture was through.
    behind: bool,
    stepped: Monotonic,
    running: Option<CurrentPipeline>,
    setbacks: Setbacks,
    /// A better decoder than the one that runs, tried again.
    trial: Option<Trial>,
    back_off: Duration,
    /// No pipeline for this set is built before.
    retry: Option<(Monotonic, Arc<CodecParameters>)>,
    /// What the log and the status were last told, so that each choice is told once.
    told: Option<String>,
}

struct CurrentPipeline {
    pipeline: Box<dyn Pipeline>,
    outlet: Arc<Outlet>,
    candidate: &'static Candidate,
    /// The sets of the last key unit that went in.
    set: Arc<CodecParameters>,
    layout: Layout,
    bound: usize,
    /// A better one is out.
    stands_in: bool,
}

impl Court {
    /// `outlet` is new: that of the court's first pipeline is made from it, and of each one after.
    pub(crate) fn new(
        settings: DecodeSettings,
        backend: Arc<dyn Backend>,
        machine: Machine,
        rules: Rules,
        outlet: Outlet,
    ) -> Self {
        Self {
            rules,
            setbacks: Setbacks::new(rules, settings.court.clone(), machine),
            settings,
            backend,
            patience: PATIENCE,
            first_wait: BACK_OFF.0,
            aside: |job| {
                thread::Builder::new().name("decode-trial".to_owned()).spawn(job).map(drop)
            },
            session: None,
            gate: Gate::default(),
            reorder: Reorder::default(),
            group: Vec::new(),
            rate: Rate::default(),
            behind: false,
            stepped: Monotonic::ZERO,
            running: None,
            trial: None,
            back_off: BACK_OFF.0,
            retry: None,
            outlet,
            told: None,
        }
    }

    /// Decodes until `units` is closed and empty, then drains.
    pub(crate) fn run(mut self, units: &UnitMailbox) {
        let span = tracing::info_span!("decode", court = %self.settings.court);
        let _entered = span.enter();
        loop {
            match units.take(LOOK) {
                Take::Item(StreamItem::Opened(info)) => self.opened(&info),
                Take::Item(StreamItem::Video(unit)) => self.unit(&unit, units),
                Take::Item(StreamItem::Closed { session, reason }) => self.closed(session, reason),
                Take::Item(
                    StreamItem::Sound { .. } | StreamItem::Audio(_) | StreamItem::Wall(_),
                ) => {}
                Take::TimedOut => self.look(),
                Take::Closed => break,
            }
        }
        if let Some(session) = self.session {
            self.closed(session, CloseReason::Shutdown);
        }
        self.drain();
    }

    fn opened(&mut self, info: &Arc<StreamInfo>) {
        if let Some(session) = self.session {
            self.closed(session, CloseReason::Ended);
        }
        self.session = Some(info.session);
        self.group.clear();
        self.gate = Gate::default();
        self.rate = Rate::default();
        self.setbacks.new_session();
        if self.rules.forgiving {
            (self.retry, self.back_off) = (None, self.first_wait);
        }
        self.outlet.sink.opened(info);
    }

    fn closed(&mut self, session: SessionId, reason: CloseReason) {
        // What gave nothing so far does not hold up the session that may wait behind this one.
        let gave = self.running.as_ref().is_some_and(|running| running.outlet.pictures() > 0);
        self.drain_within(if gave { DRAIN } else { HURRY });
        self.leave_trial();
        self.setbacks.rests();
        if self.session.take_if(|open| *open == session).is_some() {
            self.outlet.sink.closed(session, reason);
            self.outlet.status.lock().starved_since = None;
            if reason != CloseReason::Shutdown {
                let mut status = self.outlet.status.lock();
                (status.fault, status.downgrade) = (None, None);
            }
        }
    }

    /// Looks for a pipeline that failed while nothing was given to it.
    fn look(&mut self) {
        if let Some(running) = &self.running
            && let Found::Failed { reason, silent } =
                running.outlet.room(usize::MAX, self.patience, Duration::ZERO)
        {
            self.failed(&reason, silent, DropReason::Undecodable);
        }
        self.attend_trial();
        self.note_clogged();
    }

    fn note_clogged(&self) {
        let clogged = self.backend.is_clogged().then(|| self.outlet.clock.monotonic());
        let mut status = self.outlet.status.lock();
        status.clogged_since = clogged.map(|now| status.clogged_since.unwrap_or(now));
    }

    fn unit(&mut self, unit: &AccessUnit, units: &UnitMailbox) {
        let now = self.outlet.clock.monotonic();
        self.outlet.status.lock().starved_since.get_or_insert(now);
        if let Err(reason) = self.gate.admit(unit) {
            self.outlet.tally.refused(reason);
            return;
        }
        self.reorder.see(unit);
        self.measure(unit);
        self.attend_trial();
        if unit.key && !self.keep_pipeline(unit) {
            self.refuse(DropReason::AwaitingKey);
            return;
        }
        if self.reorder.is_broken() {
            self.replay(units);
        }
        self.keep(unit);
        if let Err(reason) = self.give(unit, false, units) {
            self.refuse(reason);
        } else {
            // Up to its last picture: what is left at the end comes as fast.
            let waiting = units.len();
            self.behind = waiting >= if self.behind { 1 } else { BEHIND };
            if self.behind {
                self.keep_step();
            }
        }
    }

    /// A burst is caught up with: this picture comes out, and is taken, before the next goes in. From one to the next
    /// it is no longer than three quarters of what it was in the stream, so that the backlog shrinks whoever is slow.
    fn keep_step(&mut self) {
        let Some(running) = &self.running else { return };
        let interval = self.rate.interval_ms().unwrap_or(0.0).clamp(0.0, 100.0);
        let step = Duration::from_secs_f64(interval / 1e3 * 0.75);
        let until = self.stepped.plus(step);
        let left = || until.since(self.outlet.clock.monotonic()).min(step);
        let held = usize::try_from(self.outlet.status.lock().held_back).unwrap_or(0);
        if !left().is_zero() {
            drop(running.outlet.room(held + 1, self.patience, left()));
            self.outlet.sink.room(left());
        }
        self.stepped = self.outlet.clock.monotonic();
    }

    /// Gives `unit` to the pipeline, waiting until it takes one; `again` if an earlier one had it.
    ///
    /// # Errors
    /// Why it was not given.
    fn give(
        &mut self,
        unit: &AccessUnit,
        again: bool,
        units: &UnitMailbox,
    ) -> Result<(), DropReason> {
        let sets = if unit.key { self.reorder.sets(&unit.parameters) } else { &[] };
        let data = annex_b(sets, &unit.data).ok_or(DropReason::Undecodable)?;
        if !self.wait_for_room(units) {
            return Err(DropReason::AwaitingKey);
        }
        if let Some(trial) = &mut self.trial
            && !again
        {
            trial.give(unit, &data);
        }
        let running = self.running.as_mut().ok_or(DropReason::AwaitingKey)?;
        if unit.key {
            running.set = Arc::clone(&unit.parameters);
        }
        let (pts, dts) = running.outlet.goes_in(unit, again);
        if let Err(reason) = running.pipeline.push(Push { data, pts, dts, key: unit.key }) {
            self.failed(&reason, false, DropReason::Undecodable);
        }
        Ok(())
    }

    /// Keeps `unit` for [`Court::replay`] while that may be needed.
    fn keep(&mut self, unit: &AccessUnit) {
        if unit.key {
            self.group.clear();
        }
        let surprising = self.reorder.low_delay() && unit.parameters.low_delay_sets.is_some();
        if surprising && (unit.key || !self.group.is_empty()) {
            self.group.push(unit.clone());
        }
        if self.group.len() > MAX_REPLAY {
            self.group = Vec::new();
        }
    }

    /// The first B slice: a new pipeline, told to wait, is given the group so far. Only pictures
    /// that belong before the last one handed on are lost. A group that was not kept goes on as it
    /// is, without its B pictures, up to the next key frame.
    fn replay(&mut self, units: &UnitMailbox) {
        let group = std::mem::take(&mut self.group);
        let Some(key) = group.first() else { return };
        self.reorder.wait(&key.parameters);
        let last = self.drain();
        if !self.build(&key.parameters, last) {
            return;
        }
        for unit in &group {
            if self.give(unit, true, units).is_err() {
                return;
            }
        }
    }

    fn refuse(&mut self, reason: DropReason) {
        self.outlet.tally.refused(reason);
        self.gate.close();
        self.leave_trial();
    }

    /// Sees that a pipeline for `unit`, a key unit, runs. False while there is none.
    fn keep_pipeline(&mut self, unit: &AccessUnit) -> bool {
        let layout = Layout::of(&unit.parameters, self.reorder.low_delay());
        if let Some(running) = &self.running {
            // What gave nothing of other sets is full of what is no picture.
            let stuffed =
                running.outlet.pictures() == 0 && !same_sets(&running.set, &unit.parameters);
            if running.layout != layout || stuffed || self.better_is_back(running, unit) {
                self.drain();
            }
        }
        if self.running.is_some() {
            return true;
        }
        self.note_clogged();
        match &self.retry {
            Some((at, set)) if same_sets(set, &unit.parameters) => {
                if self.outlet.clock.monotonic() < *at {
                    return false;
                }
            }
            Some(_) if self.rules.forgiving => self.back_off = self.first_wait,
            Some(_) | None => {}
        }
        self.build(&unit.parameters, None)
    }

    /// True if a better decoder than the one that stands in is not out any more.
    fn better_is_back(&self, running: &CurrentPipeline, unit: &AccessUnit) -> bool {
        running.stands_in
            && self.choose(&unit.parameters).is_ok_and(|choice| {
                choice.candidate.is_better_than(running.candidate)
                    && self.setbacks.out(choice.candidate.factory, &unit.parameters).is_none()
            })
    }

    fn choose(&self, set: &Arc<CodecParameters>) -> Result<Choice, String> {
        let (exists, out) =
            (|factory: &str| self.backend.exists(factory), out_of(&self.setbacks, set));
        let (prefer, rules) = (self.settings.prefer, self.rules);
        Choosing { prefer, rules, exists: &exists, out: &out }.choose(set.codec)
    }

    /// Builds a pipeline; pictures up to `last` were handed on by the one before. One that does not
    /// start is out, so the next is tried at once. False if none can be built.
    fn build(&mut self, parameters: &Arc<CodecParameters>, last: Option<MediaTime>) -> bool {
        let layout = Layout::of(parameters, self.reorder.low_delay());
        let mut tried: Vec<&'static str> = Vec::new();
        loop {
            let choice = match self.choose(parameters) {
                Ok(choice) => choice,
                Err(fault) => {
                    self.tell_fault(fault);
                    self.wait_longer(parameters);
                    return false;
                }
            };
            let factory = choice.candidate.factory;
            if tried.contains(&factory) {
                self.wait_longer(parameters);
                return false;
            }
            tried.push(factory);
            let outlet = Arc::new(self.outlet.of_next(last));
            outlet.clock.when_moved(Box::new(Outlet::waker(&outlet)));
            let (candidate, low_delay) = (choice.candidate, layout.low_delay);
            let order = Order { candidate, parameters, low_delay };
            match self.backend.build(&order, Arc::clone(&outlet)) {
                Ok(pipeline) => {
                    self.setbacks.runs(factory);
                    self.running = Some(CurrentPipeline {
                        pipeline,
                        outlet,
                        candidate,
                        set: Arc::clone(parameters),
                        bound: BOUND + usize::from(held_at_most(parameters, low_delay)),
                        layout,
                        stands_in: choice.stands_in.is_some(),
                    });
                    self.tell(choice);
                    return true;
                }
                Err(unbuilt) => {
                    self.tell_fault(format!("{factory} does not start: {}", unbuilt.reason()));
                    self.unbuilt(factory, parameters, &unbuilt);
                }
            }
        }
    }

    /// One that does not start is out for all courts; one that this court has too many of, here.
    fn unbuilt(&mut self, factory: &'static str, set: &Arc<CodecParameters>, why: &Unbuilt) {
        let now = self.outlet.clock.monotonic();
        match why {
            Unbuilt::DoesNotStart(reason) => {
                self.setbacks.failed(factory, set, Blame::Machine, reason, now);
            }
            Unbuilt::Refused(reason) => self.setbacks.put_out(factory, set, reason, now),
        }
    }

    /// Begins a trial of a better decoder where it is time, and acts on what one has shown.
    fn attend_trial(&mut self) {
        let Some(running) = self.running.as_ref().filter(|running| running.stands_in) else {
            self.leave_trial();
            return;
        };
        if self.trial.as_ref().is_some_and(|trial| !trial.is_of(&running.layout)) {
            self.leave_trial();
            return;
        }
        let now = self.outlet.clock.monotonic();
        let Some(trial) = &mut self.trial else {
            self.begin_trial(now);
            return;
        };
        let Some(verdict) = trial.verdict(running.bound, self.patience) else { return };
        let Some(trial) = self.trial.take() else { return };
        let (factory, set) = (trial.candidate.factory, Arc::clone(&trial.set));
        drop(trial);
        match verdict {
            Verdict::Good => {
                info!(decoder = factory, "gives pictures again: it is taken at the next key frame");
                self.setbacks.proven(factory, &set);
                return;
            }
            Verdict::Unbuilt(why) => self.unbuilt(factory, &set, &why),
            Verdict::Fails(reason) => {
                self.setbacks.put_out(factory, &set, &reason, now);
                self.setbacks.release(factory, now);
            }
        }
        if let Ok(choice) = self.choose(&set) {
            info!(decoder = factory, fault = choice.stands_in, "tried again in vain");
            self.outlet.status.lock().downgrade = choice.stands_in;
        }
    }

    fn begin_trial(&mut self, now: Monotonic) {
        let Some(running) = &self.running else { return };
        let set = &running.set;
        let due = {
            let exists = |factory: &str| self.backend.exists(factory);
            let (prefer, rules) = (self.settings.prefer, self.rules);
            let out = out_of(&self.setbacks, set);
            Choosing { prefer, rules, exists: &exists, out: &out }.due(running.candidate, now)
        };
        let Some(candidate) = due else { return };
        self.setbacks.claim(candidate.factory, now);
        let (layout, outlet) = (running.layout.clone(), self.outlet.of_trial());
        match Trial::begin(candidate, set, layout, outlet, &self.backend, self.aside) {
            Ok(trial) => {
                self.outlet.status.lock().trials += 1;
                self.trial = Some(trial);
            }
            // No thread is a matter of the machine: the substitute runs on, and the wait goes on.
            Err(error) => warn!(%error, decoder = candidate.factory, "cannot be tried again"),
        }
    }

    /// A trial that cannot go on says nothing.
    fn leave_trial(&mut self) {
        if let Some(trial) = self.trial.take() {
            self.setbacks.release(trial.candidate.factory, self.outlet.clock.monotonic());
        }
    }

    /// Waits until the pipeline takes another unit. False if it was given up instead.
    fn wait_for_room(&mut self, units: &UnitMailbox) -> bool {
        loop {
            let Some(running) = &self.running else { return false };
            // The next publisher does not wait for what the one before has left.
            let patience = match units.holds_a_change_of_session() {
                true => self.patience.min(HURRY),
                false => self.patience,
            };
            match running.outlet.room(running.bound, patience, LOOK) {
                Found::Room => return true,
                // The mailbox in front fills meanwhile and refuses to the next key frame.
                Found::Full => {}
                Found::Failed { reason, silent } => {
                    self.failed(&reason, silent, DropReason::NoPicture);
                    return false;
                }
            }
        }
    }

    /// Lets a pipeline go that cannot go on, and sets the time for the next.
    fn failed(&mut self, reason: &str, silent: bool, dropped: DropReason) {
        let Some(running) = self.running.take() else { return };
        let (factory, set) = (running.candidate.factory, running.set);
        running.outlet.shut(dropped);
        let gave = running.outlet.pictures();
        running.pipeline.stop(true);
        if gave >= STEADY {
            self.setbacks.forgive(factory, &set);
        }
        if gave > 0 {
            self.back_off = self.first_wait;
        }
        let now = self.outlet.clock.monotonic();
        let blame = self.setbacks.blame(factory, silent, now);
        self.setbacks.failed(factory, &set, blame, reason, now);
        self.gate.close();
        self.leave_trial();
        self.wait_longer(&set);
        warn!(decoder = factory, reason, pictures = gave, ?blame, "decoder is built anew");
        let mut status = self.outlet.status.lock();
        status.rebuilds += 1;
        status.fault = Some(format!("{factory} failed: {reason}; it is built anew"));
        status.last_error = Some(format!("{factory}: {reason}"));
    }

    fn wait_longer(&mut self, set: &Arc<CodecParameters>) {
        self.retry = Some((self.outlet.clock.monotonic().plus(self.back_off), Arc::clone(set)));
        self.back_off = (self.back_off * 2).min(BACK_OFF.1);
    }

    /// Lets the pipeline give what is inside, and ends it. Returns its last picture's time.
    fn drain(&mut self) -> Option<MediaTime> {
        self.drain_within(DRAIN)
    }

    fn drain_within(&mut self, timeout: Duration) -> Option<MediaTime> {
        let mut running = self.running.take()?;
        running.pipeline.end();
        let ended = running.outlet.wait_ended(timeout);
        running.outlet.shut(DropReason::NoPicture);
        let gave = running.outlet.pictures();
        if gave >= STEADY {
            self.setbacks.forgive(running.candidate.factory, &running.set);
        }
        if gave > 0 {
            self.back_off = self.first_wait;
        }
        if !ended {
            warn!(decoder = running.candidate.factory, "decoder did not end; it is left behind");
        }
        let last = running.outlet.last();
        running.pipeline.stop(!ended);
        last
    }

    fn measure(&mut self, unit: &AccessUnit) {
        self.rate.see(unit.dts);
        let mut status = self.outlet.status.lock();
        status.b_frames = self.reorder.has_b_frames();
        status.fps = self.rate.fps();
        status.surfaces = self.backend.surfaces();
        status.reorder_ms = f64::from(status.held_back) * self.rate.interval_ms().unwrap_or(0.0);
    }

    /// Each choice is logged once and stands in the status.
    fn tell(&mut self, choice: Choice) {
        let Choice { mut told, stands_in, advice, candidate } = choice;
        if let Some(kept) = self.backend.keeps(candidate.factory) {
            told = format!("{told}; {kept}");
        }
        let mut status = self.outlet.status.lock();
        if stands_in.is_some() && status.downgrade.is_none() {
            status.downgrades += 1;
        }
        status.downgrade.clone_from(&stands_in);
        status.advice = advice;
        if self.told.as_ref() != Some(&told) {
            match stands_in {
                Some(fault) => warn!(fault, "a lesser decoder stands in"),
                None => info!(decoder = told, "decoder chosen"),
            }
            if let Some(advice) = advice {
                warn!(advice, "a decoder is missing");
            }
            status.decoder = Some(told.clone());
            self.told = Some(told);
        }
    }

    fn tell_fault(&mut self, fault: String) {
        if self.told.as_ref() != Some(&fault) {
            warn!(fault, "no decoder");
            self.told = Some(fault.clone());
        }
        self.outlet.status.lock().fault = Some(fault);
    }
}

/// Pictures that a decoder must hold to give them in order.
fn held_at_most(parameters: &CodecParameters, low_delay: bool) -> u8 {
    match parameters.reorder_frames {
        Some(frames) => frames.min(MAX_REORDER),
        None if low_delay && parameters.low_delay_sets.is_some() => 0,
        None => counted_reorder(parameters),
    }
}

/// As many as were counted when the stream asked for its memory: a decoder that holds more has it from nobody.
fn counted_reorder(parameters: &CodecParameters) -> u8 {
    let sets = parameters.parameter_sets.iter().filter_map(|nal| h264::Sps::read(nal));
    let most = sets.map(|sps| sps.counted_reorder()).max();
    most.and_then(|most| u8::try_from(most).ok()).unwrap_or(MAX_REORDER).min(MAX_REORDER)
}

#[cfg(test)]
pub(crate) mod tests;
