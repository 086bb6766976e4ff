//! Several engines for one network: the best that is well runs it, and the last one stands ready.
//!
//! The last one (the engine in the binary) is made at once and kept. Better ones are made beside it, on
//! a thread of their own, tried on grey pictures, and take over between two batches with what the slots
//! remember; a court never waits for one. One that **fails** in a batch (an error of its own, a panic,
//! numbers that are none, silence, a call from which it does not return: `apart`) is let go in that batch:
//! the looks that it owes are looked at anew by the last one, from what their slots remembered, or did
//! lately, where that can still be had. Where it cannot (the device is lost, and what was copied is
//! older than the gap that the model bears), those looks are told the error, as of any engine, so that the
//! worker lets the states start anew. Which one runs, and when one that failed is tried again, is decided by
//! `ladder`.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tracing::{error, info, warn};

use crate::clock::Clock;
use crate::detect::bundle::Bundle;
use crate::detect::engine::apart::{Apart, Remembered};
use crate::detect::engine::arithmetic::FileRun;
use crate::detect::engine::contract::{
    Engine, EngineError, EngineNews, Look, Placement, Said, SlotState,
};
use crate::detect::engine::ladder::{Ladder, Patience, Rung};
use crate::detect::engine::making::{Beside, Maker, Making, Order};
use crate::media::Foreign;

/// What several engines are made of.
pub(crate) struct Parts {
    /// Better ones, best first.
    pub(crate) better: Vec<Arc<dyn Maker>>,
    /// The last one, made.
    pub(crate) last: Box<dyn Engine>,
    pub(crate) bundle: Arc<Bundle>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) patience: Patience,
    /// How long a better one may say nothing in a call; `None`: for good.
    pub(crate) silence: Option<Duration>,
    pub(crate) beside: Beside,
    /// The owner asked for one by name: he is told what stands in its way, whatever it is.
    pub(crate) asked_for: bool,
}

/// Several engines that are one.
pub(crate) struct FallOver {
    parts: Parts,
    ladder: Ladder,
    /// The better one that runs.
    better: Option<Apart>,
    /// By rung, the thread of the last one that was made, and the one that last made one.
    threads: Vec<(Weak<()>, Weak<()>)>,
    slots: Vec<Slot>,
    making: Option<Making>,
    /// Why each of the better ones does not run.
    reasons: Vec<Option<Reason>>,
    told: Option<EngineNews>,
}

/// Why one does not run.
#[derive(Clone)]
struct Reason {
    why: String,
    /// It is there, and refuses this network: its owner is told in any case.
    refuses: bool,
}

#[derive(Clone, Default)]
struct Slot {
    placement: Option<Placement>,
    /// What it remembered is lost, and nobody was told yet.
    lost: bool,
    /// Seconds of looks that the last one has not seen, and goes on without.
    behind_seconds: f32,
}

impl Slot {
    /// True, once, if it cannot go on after so long: what it remembered is lost or too old.
    fn is_lost(&mut self, dt_seconds: f32, max_gap: Option<Duration>) -> bool {
        let gap = self.behind_seconds + dt_seconds;
        let too_old = max_gap.is_some_and(|most| gap > most.as_secs_f32());
        let lost = self.lost || self.behind_seconds > 0.0 && too_old;
        if lost {
            (self.lost, self.behind_seconds) = (false, 0.0);
        }
        lost
    }
}

impl FallOver {
    /// The last one runs; better ones are made from the first batch on.
    pub(crate) fn new(parts: Parts) -> Self {
        let (count, now) = (parts.better.len(), parts.clock.monotonic());
        let ladder = Ladder::new(parts.patience, count, now);
        let reasons = vec![None; count];
        let (slots, better, making, told) = (Vec::new(), None, None, None);
        let threads = std::iter::repeat_with(Default::default).take(count).collect();
        Self { parts, ladder, better, threads, slots, making, reasons, told }
    }

    fn name_of(&self, rung: usize) -> &'static str {
        self.parts.better.get(rung).map_or_else(|| self.parts.last.name(), |maker| maker.name())
    }

    /// Takes what was made, and has made what is due.
    fn look_after(&mut self) {
        let now = self.parts.clock.monotonic();
        let ended = self.making.take_if(|making| making.has_ended(now));
        if let Some((rung, made)) = ended.and_then(|making| making.outcome(now)) {
            match made.and_then(|engine| self.settled(rung, engine)) {
                Ok(engine) => self.take_over(rung, engine),
                Err(why) => {
                    let name = self.name_of(rung);
                    let for_good = !matches!(why, EngineError::Run { .. });
                    self.ladder.not_made(rung, for_good, now);
                    let model = &self.parts.bundle.name;
                    if matches!(why, EngineError::Absent { .. }) && !self.parts.asked_for {
                        info!(%model, engine = name, %why, "an engine is not taken");
                    } else {
                        warn!(%model, engine = name, %why, "an engine cannot be had");
                    }
                    if let Some(reason) = self.reasons.get_mut(rung) {
                        let refuses = for_good && !matches!(why, EngineError::Absent { .. });
                        *reason = Some(Reason { why: why.to_string(), refuses });
                    }
                }
            }
        }
        for (rung, (runs, makes)) in self.threads.iter().enumerate() {
            self.ladder.holds(rung, runs.strong_count() + makes.strong_count() > 0);
        }
        if let Some(rung) = self.ladder.due(now) {
            self.begin(rung);
        }
    }

    fn begin(&mut self, rung: usize) {
        let Some(maker) = self.parts.better.get(rung).map(Arc::clone) else { return };
        let order = Order {
            maker,
            bundle: Arc::clone(&self.parts.bundle),
            clock: Arc::clone(&self.parts.clock),
            silence: self.parts.silence,
        };
        match Making::begin(rung, order, self.parts.beside) {
            Ok(making) => {
                self.ladder.begins(rung);
                if let Some((_, makes)) = self.threads.get_mut(rung) {
                    *makes = making.thread();
                }
                self.making = Some(making);
            }
            Err(error) => {
                self.ladder.not_made(rung, false, self.parts.clock.monotonic());
                warn!(%error, "start a thread that makes an engine");
            }
        }
    }

    /// `engine`, with our slots placed and remembering what those of the one that runs do.
    fn settled(&mut self, rung: usize, mut engine: Apart) -> Result<Apart, EngineError> {
        if let Some((runs, _)) = self.threads.get_mut(rung) {
            *runs = engine.thread();
        }
        engine.set_slots(self.slots.len())?;
        let has_states = !self.parts.bundle.tensors.states.is_empty();
        for slot in 0..self.slots.len() {
            let placement = self.slots.get(slot).and_then(|slot| slot.placement);
            if let Some(placement) = placement {
                engine.place(slot, placement)?;
            }
            if !has_states {
                continue;
            }
            match self.state(slot) {
                Some(state) => engine.take_over(slot, state)?,
                None => self.lose(slot),
            }
        }
        Ok(engine)
    }

    fn lose(&mut self, slot: usize) {
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.lost = true;
        }
    }

    fn take_over(&mut self, rung: usize, engine: Apart) {
        if !self.ladder.made(rung, self.parts.clock.monotonic()) {
            return;
        }
        let (model, name) = (&self.parts.bundle.name, engine.name());
        match engine.file() {
            Some(FileRun { path, precision, instead: Some(why) }) => {
                warn!(%model, engine = name, file = path, precision, why, "an engine takes over, with another file than was asked for");
            }
            Some(FileRun { path, precision, .. }) => {
                info!(%model, engine = name, file = path, precision, "an engine takes over");
            }
            None => info!(%model, engine = name, "an engine takes over"),
        }
        self.better = Some(engine);
        if let Some(reason) = self.reasons.get_mut(rung) {
            *reason = None;
        }
    }

    /// The one that runs has failed: the last one goes on.
    fn fall(&mut self, why: &str) {
        let rung = self.ladder.at();
        let (from, to) = (self.name_of(rung), self.parts.last.name());
        error!(model = %self.parts.bundle.name, engine = from, why, "an engine failed: {to} goes on");
        let Some(mut failed) = self.better.take() else { return };
        self.ladder.failed(self.parts.clock.monotonic());
        if let Some(reason) = self.reasons.get_mut(rung) {
            *reason = Some(Reason { why: why.to_owned(), refuses: false });
        }
        if !self.parts.bundle.tensors.states.is_empty() {
            for slot in 0..self.slots.len() {
                let remembered = failed.remembered(slot).filter(|known| good(&known.state));
                let Remembered { state, behind_seconds } = remembered.unwrap_or_default();
                if state.is_empty() || self.parts.last.take_over(slot, &state).is_err() {
                    self.parts.last.reset(slot);
                    self.lose(slot);
                } else if let Some(slot) = self.slots.get_mut(slot) {
                    slot.behind_seconds = behind_seconds;
                }
            }
        }
    }

    /// Runs looks with the one that runs now; why, and which it owes then, if it failed.
    fn run_better(
        &mut self,
        looks: &[Look<'_>],
        told: &mut dyn FnMut(usize, Result<Said, EngineError>),
    ) -> Result<(), (String, Vec<usize>)> {
        let Some(better) = &mut self.better else { return Ok(()) };
        let mut owed: Vec<bool> = vec![true; looks.len()];
        let mut why = None;
        let ran = better.run(looks, &mut |look, said| {
            let told_now = match &said {
                Ok(said) if good(&said.tensors) => true,
                Ok(_) => {
                    why.get_or_insert("its answer is no number".to_owned());
                    false
                }
                Err(EngineError::Picture { .. } | EngineError::Place { .. }) => true,
                Err(error) => {
                    why.get_or_insert(error.to_string());
                    false
                }
            };
            if told_now && owed.get_mut(look).is_some_and(std::mem::take) {
                told(look, said);
            }
        });
        if let Err(gone) = ran {
            why = Some(gone.to_string());
        }
        let owed = owed.into_iter().enumerate().filter(|(_, owed)| *owed);
        let owed: Vec<usize> = owed.map(|(look, _)| look).collect();
        if owed.is_empty() && why.is_none() {
            return Ok(());
        }
        let why = why.unwrap_or_else(|| format!("it said nothing of {} looks", owed.len()));
        Err((Foreign::told(why).to_string(), owed))
    }

    /// Runs `which` of `looks` with the last one; those whose states were lost are told so.
    fn run_last(
        &mut self,
        looks: &[Look<'_>],
        which: &[usize],
        told: &mut dyn FnMut(usize, Result<Said, EngineError>),
    ) {
        let all: Vec<(usize, Look<'_>)> =
            which.iter().filter_map(|at| looks.get(*at).map(|look| (*at, *look))).collect();
        let all = all.into_iter().map(|(at, look)| (at, self.caught_up(look)));
        let (indices, looks): (Vec<usize>, Vec<Look<'_>>) = all.unzip();
        self.parts.last.run(&looks, &mut |at, said| {
            if let Some(look) = indices.get(at) {
                told(*look, said);
            }
        });
    }

    /// The look, since the last one of which its slot remembers something.
    fn caught_up<'f>(&mut self, look: Look<'f>) -> Look<'f> {
        let slot = self.slots.get_mut(look.slot);
        let behind = slot.map_or(0.0, |slot| std::mem::take(&mut slot.behind_seconds));
        Look { dt_seconds: look.dt_seconds + behind, ..look }
    }

    /// Tells the looks whose slots have lost what they remembered, and returns the others.
    fn tell_lost(
        &mut self,
        looks: &[Look<'_>],
        which: &[usize],
        told: &mut dyn FnMut(usize, Result<Said, EngineError>),
    ) -> Vec<usize> {
        let max_gap = self.parts.bundle.max_gap_ms.map(|gap| Duration::from_millis(gap.into()));
        let engine = self.name();
        let mut left = Vec::with_capacity(which.len());
        for at in which {
            let look = looks.get(*at);
            let slot = look.and_then(|look| Some((look, self.slots.get_mut(look.slot)?)));
            if slot.is_some_and(|(look, slot)| slot.is_lost(look.dt_seconds, max_gap)) {
                let problem = "what it remembered went with the engine before it".to_owned();
                told(*at, Err(EngineError::Run { engine, problem }));
            } else {
                left.push(*at);
            }
        }
        left
    }

    fn advice(&self) -> Option<String> {
        let runs = self.name();
        if let Some(making) = &self.making {
            let (name, doing) = (self.name_of(making.rung()), making.doing());
            return Some(format!("the engine {name} is {doing}: until it is there {runs} runs it"));
        }
        let now = self.parts.clock.monotonic();
        let above = self.reasons.get(..self.ladder.at()).unwrap_or_default();
        let told = above.iter().enumerate().find_map(|(rung, reason)| {
            let Reason { why, refuses } = reason.as_ref()?;
            let name = self.name_of(rung);
            match self.ladder.rung(rung)? {
                Rung::Wanted { from, .. } => {
                    let seconds = from.since(now).as_secs();
                    let held = self.ladder.is_held(rung);
                    let again = if held { "once that call has ended" } else { in_about(seconds) };
                    Some(format!(
                        "the engine {name} failed ({why}): {runs} runs it, {name} is tried again {again}"
                    ))
                }
                Rung::Refused if self.parts.asked_for || *refuses => {
                    Some(format!("the engine {name} cannot run it ({why}): {runs} does"))
                }
                Rung::Refused | Rung::Making { .. } => None,
            }
        });
        told.or_else(|| {
            let FileRun { path, instead, .. } = self.better.as_ref()?.file()?;
            Some(format!("the engine {runs} runs {path} of it: {}", instead.as_ref()?))
        })
    }
}

/// All of it are numbers.
fn good(values: &[Vec<f32>]) -> bool {
    values.iter().flatten().all(|value| value.is_finite())
}

/// Coarse, so that what is told does not change each second.
const fn in_about(seconds: u64) -> &'static str {
    match seconds {
        0..10 => "soon",
        10..60 => "within a minute",
        _ => "within some minutes",
    }
}

impl Engine for FallOver {
    fn name(&self) -> &'static str {
        match &self.better {
            Some(better) => better.name(),
            None => self.parts.last.name(),
        }
    }

    fn file(&self) -> Option<FileRun> {
        match &self.better {
            Some(better) => better.file().cloned(),
            None => self.parts.last.file(),
        }
    }

    fn multiply_adds(&self) -> Option<u64> {
        self.parts.last.multiply_adds()
    }

    fn most_looks(&self) -> usize {
        match &self.better {
            Some(better) => better.most_looks(),
            None => self.parts.last.most_looks(),
        }
    }

    fn set_slots(&mut self, slots: usize) -> Result<(), EngineError> {
        self.parts.last.set_slots(slots)?;
        self.slots.resize(slots, Slot::default());
        if let Some(Err(why)) = self.better.as_mut().map(|better| better.set_slots(slots)) {
            self.fall(&why.to_string());
        }
        Ok(())
    }

    fn place(&mut self, slot: usize, placement: Placement) -> Result<(), EngineError> {
        self.parts.last.place(slot, placement)?;
        if let Some(known) = self.slots.get_mut(slot) {
            known.placement = Some(placement);
        }
        if let Some(Err(why)) = self.better.as_mut().map(|better| better.place(slot, placement)) {
            self.fall(&why.to_string());
        }
        Ok(())
    }

    fn reset(&mut self, slot: usize) {
        if let Some(known) = self.slots.get_mut(slot) {
            (known.lost, known.behind_seconds) = (false, 0.0);
        }
        self.parts.last.reset(slot);
        if let Some(better) = &mut self.better {
            better.reset(slot);
        }
    }

    fn run(&mut self, looks: &[Look<'_>], told: &mut dyn FnMut(usize, Result<Said, EngineError>)) {
        self.look_after();
        let all: Vec<usize> = (0..looks.len()).collect();
        let left = self.tell_lost(looks, &all, told);
        if self.better.is_none() {
            return self.run_last(looks, &left, told);
        }
        let asked = left.iter().filter_map(|at| looks.get(*at).copied());
        let asked: Vec<Look<'_>> = asked.map(|look| self.caught_up(look)).collect();
        let mut tell = |at: usize, said| {
            if let Some(at) = left.get(at) {
                told(*at, said);
            }
        };
        let Err((why, owed)) = self.run_better(&asked, &mut tell) else { return };
        self.fall(&why);
        let owed = self.tell_lost(&asked, &owed, &mut tell);
        self.run_last(&asked, &owed, &mut tell);
    }

    fn state(&mut self, slot: usize) -> Option<SlotState> {
        match &mut self.better {
            Some(better) => better.state(slot),
            None => self.parts.last.state(slot),
        }
    }

    fn take_over(&mut self, slot: usize, state: &SlotState) -> Result<(), EngineError> {
        match &mut self.better {
            Some(better) => better.take_over(slot, state.clone()),
            None => self.parts.last.take_over(slot, state),
        }
    }

    fn news(&mut self) -> Option<EngineNews> {
        self.look_after();
        let now = EngineNews {
            engine: self.name(),
            file: self.file(),
            advice: self.advice(),
            provisional: self.making.is_some(),
        };
        if self.told.as_ref() == Some(&now) {
            return None;
        }
        self.told = Some(now.clone());
        Some(now)
    }
}

impl fmt::Debug for FallOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallOver").field("ladder", &self.ladder).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
