//! Better engines than the scripted one, as TensorRT is better than the one in the binary: they answer the same,
//! and fail, hang, or cannot be made as a test wants it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use courtside::clock::{Clock, ManualClock};
use courtside::detect::{
    BesideEach, Bundle, Engine, EngineError, EngineFound, EngineWish, Engines, Look, Maker,
    Placement, Said, SlotState,
};
use parking_lot::{Condvar, Mutex};

use crate::film::ScriptedEngines;

/// What is wrong with a better engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Its runs fail, and what it remembers can be had.
    Fails,
    /// The device is lost with all that was on it.
    Lost,
    /// A call does not return until it is let go.
    Hangs,
    /// Whoever makes it does not.
    HangsInMaking,
}

/// The better engines of one box.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rungs {
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    trouble: Mutex<BTreeMap<&'static str, Trouble>>,
    /// Who hangs now.
    hanging: Mutex<BTreeSet<&'static str>>,
    changed: Condvar,
}

impl Rungs {
    /// The `better` ones above `last`.
    pub(crate) fn above(
        &self,
        better: &[&'static str],
        last: &ScriptedEngines,
        clock: &ManualClock,
    ) -> Arc<dyn Engines> {
        let last = Arc::new(last.clone());
        if better.is_empty() {
            return last;
        }
        let maker = |name: &&'static str| -> Arc<dyn Maker> {
            let (gate, plays) = (Arc::clone(&self.gate), Arc::clone(&last));
            Arc::new(Makes { name, gate, plays })
        };
        let better = better.iter().map(maker).collect();
        Arc::new(BesideEach { better, last, clock: Arc::new(clock.clone()) as Arc<dyn Clock> })
    }

    /// From now on this is wrong with `engine`; `None`: nothing.
    pub(crate) fn has(&self, engine: &'static str, trouble: Option<Trouble>) {
        let mut troubles = self.gate.trouble.lock();
        match trouble {
            Some(trouble) => drop(troubles.insert(engine, trouble)),
            None => drop(troubles.remove(engine)),
        }
    }

    /// True while `engine`, or whoever makes it, hangs.
    pub(crate) fn hangs(&self, engine: &str) -> bool {
        self.gate.hanging.lock().contains(engine)
    }

    /// All are well, and those that hang go on.
    pub(crate) fn let_go(&self) {
        self.gate.trouble.lock().clear();
        self.gate.hanging.lock().clear();
        self.gate.changed.notify_all();
    }
}

impl Gate {
    fn hang(&self, engine: &'static str) {
        let mut hanging = self.hanging.lock();
        hanging.insert(engine);
        self.changed.wait_while(&mut hanging, |hanging| hanging.contains(engine));
    }

    fn of(&self, engine: &str) -> Option<Trouble> {
        self.trouble.lock().get(engine).copied()
    }
}

struct Makes {
    name: &'static str,
    gate: Arc<Gate>,
    plays: Arc<ScriptedEngines>,
}

impl Maker for Makes {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_wanted(&self, _wish: EngineWish) -> bool {
        true
    }

    fn found(&self) -> EngineFound {
        EngineFound { name: self.name, about: "a test's".to_owned() }
    }

    fn make(&self, bundle: &Bundle, told: &dyn Fn(String)) -> Result<Box<dyn Engine>, EngineError> {
        told("being built (0 %)".to_owned());
        if self.gate.of(self.name) == Some(Trouble::HangsInMaking) {
            self.gate.hang(self.name);
        }
        let (name, gate) = (self.name, Arc::clone(&self.gate));
        Ok(Box::new(Rung { name, gate, plays: self.plays.engine_for(bundle)? }))
    }
}

struct Rung {
    name: &'static str,
    gate: Arc<Gate>,
    plays: Box<dyn Engine>,
}

impl Engine for Rung {
    fn name(&self) -> &'static str {
        self.name
    }

    fn set_slots(&mut self, slots: usize) -> Result<(), EngineError> {
        self.plays.set_slots(slots)
    }

    fn place(&mut self, slot: usize, placement: Placement) -> Result<(), EngineError> {
        self.plays.place(slot, placement)
    }

    fn reset(&mut self, slot: usize) {
        self.plays.reset(slot);
    }

    fn state(&mut self, slot: usize) -> Option<SlotState> {
        if self.gate.of(self.name) == Some(Trouble::Lost) { None } else { self.plays.state(slot) }
    }

    fn take_over(&mut self, slot: usize, state: &SlotState) -> Result<(), EngineError> {
        self.plays.take_over(slot, state)
    }

    fn run(&mut self, looks: &[Look<'_>], told: &mut dyn FnMut(usize, Result<Said, EngineError>)) {
        match self.gate.of(self.name) {
            Some(Trouble::Hangs) => self.gate.hang(self.name),
            Some(Trouble::Fails | Trouble::Lost) => {
                for at in 0..looks.len() {
                    let problem = "an illegal address was encountered".to_owned();
                    told(at, Err(EngineError::Run { engine: self.name, problem }));
                }
            }
            Some(Trouble::HangsInMaking) | None => self.plays.run(looks, told),
        }
    }
}
