//! An engine on a thread of its own, so that a call from which it never returns is noticed.
//!
//! A driver that is gone does not fail: it waits. So whoever owns the engine ([`Apart`]) sends an order
//! and waits for words; when none has come for as long as [`patience`] says, it is overdue: nothing more
//! is asked of it, nobody joins its thread, and as long as that is held ([`Apart::thread`]) no other of its
//! kind is made. The frames of the one batch that it was given stay with it.
//!
//! What its slots remember would be lost with it. So between two orders, when none waits, the thread
//! copies what a slot remembers once that is half of the gap old that the model bears; an engine in its
//! place goes on from there ([`Apart::remembered`]) and is told how far behind that is. On a machine
//! without a moment between two orders there are no copies, and states start anew.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::{Clock, Turn, Waits};
use crate::detect::bundle::Bundle;
use crate::detect::engine::arithmetic::FileRun;
use crate::detect::engine::contract::{Engine, EngineError, Look, Placement, Said, SlotState};
use crate::mailbox::Bell;
use crate::media::{Frame, Monotonic};

/// Budgets of a look after which an engine that says nothing is overdue (chosen: a batch of some tens of
/// looks on a busy machine stays far below).
const BUDGETS: f64 = 64.0;
/// At least so long: what a hop of eight pictures at 30 a second holds, so that none is lost meanwhile.
const LEAST_SECONDS: f64 = 0.25;
/// At most so long: an engine is left before its model is, which may say nothing for a second.
const MOST_SECONDS: f64 = 0.75;
/// How long a wait for a word is that has no end; only bounds how late a lost wake-up would be noticed.
const WAIT: Duration = Duration::from_millis(500);

/// How long an engine may say nothing, of a model that may take so long for a look.
pub(crate) fn patience(budget_ms: f64) -> Duration {
    let seconds = (BUDGETS * budget_ms / 1e3).clamp(LEAST_SECONDS, MOST_SECONDS);
    Duration::from_secs_f64(seconds)
}

/// Why a call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Gone {
    #[error("it has not returned from a call for {} ms", .0.as_millis())]
    Overdue(Duration),
    #[error("it panicked")]
    Panicked,
}

/// What a slot remembers, and how many seconds of looks it has not seen yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Remembered {
    pub(crate) state: SlotState,
    pub(crate) behind_seconds: f32,
}

/// What is asked.
enum Order {
    SetSlots(usize),
    Place(usize, Placement),
    Reset(usize),
    Run(Vec<OwnLook>, Turn),
    State(usize),
    TakeOver(usize, SlotState),
}

struct OwnLook {
    slot: usize,
    frame: Arc<Frame>,
    dt_seconds: f32,
}

/// What is said of it.
enum Word {
    Look(usize, Result<Said, EngineError>),
    Done(Result<(), EngineError>),
    State(Option<SlotState>),
    Panicked,
    Ended,
}

#[derive(Default)]
struct Words {
    said: Mutex<VecDeque<Word>>,
    /// Rung at each word, and where the clock is moved by hand.
    bell: Bell,
}

impl Words {
    fn say(&self, word: Word) {
        self.said.lock().push_back(word);
        self.bell.ring();
    }
}

/// What is known of a slot without asking the engine.
#[derive(Clone, Default)]
struct Copied {
    /// None: never, or what it remembered is of no use.
    remembered: Option<Remembered>,
    /// Seconds of looks since it was copied, or began anew.
    since: f32,
}

/// See the module.
pub(crate) struct Apart {
    name: &'static str,
    file: Option<FileRun>,
    most_looks: usize,
    /// None: it is to end.
    orders: Option<SyncSender<Order>>,
    words: Arc<Words>,
    // Held for a copy, never while the engine is called.
    copies: Arc<Mutex<Vec<Copied>>>,
    clock: Arc<dyn Clock>,
    /// None: it is waited for, for good.
    patience: Option<Duration>,
    thread: Weak<()>,
    /// When it was asked, or last said something.
    heard: Monotonic,
    gone: Option<Gone>,
}

impl Apart {
    /// Starts its thread.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub(crate) fn new(
        engine: Box<dyn Engine>,
        bundle: &Bundle,
        clock: &Arc<dyn Clock>,
        patience: Option<Duration>,
    ) -> io::Result<Self> {
        let (name, file, most_looks) = (engine.name(), engine.file(), engine.most_looks());
        let words = Arc::<Words>::default();
        clock.when_moved(Box::new(words.bell.waker()));
        let copies = Arc::default();
        // Each is answered before the next one is given.
        let (orders, todo) = sync_channel(1);
        let thread = Arc::new(());
        let lives = Arc::downgrade(&thread);
        let max_gap = bundle.max_gap_ms.filter(|_| !bundle.tensors.states.is_empty());
        let mut apart = Thread {
            engine,
            words: Arc::clone(&words),
            copies: Arc::clone(&copies),
            copied_each: max_gap
                .map(|gap| Duration::from_millis(u64::from(gap)).as_secs_f32() / 2.0),
            turn: None,
            waits: Waits::default(),
            broken: false,
        };
        let work = move || {
            apart.waits = Waits::of_this_thread();
            apart.serve(&todo);
            // It may not be usable any more, not even for this.
            let Thread { engine, words, .. } = apart;
            drop(catch_unwind(AssertUnwindSafe(move || drop(engine))));
            drop(thread);
            words.say(Word::Ended);
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(work)?;
        let (orders, clock) = (Some(orders), Arc::clone(clock));
        let (thread, heard, gone) = (lives, clock.monotonic(), None);
        Ok(Self {
            name,
            file,
            most_looks,
            orders,
            words,
            copies,
            clock,
            patience,
            thread,
            heard,
            gone,
        })
    }

    /// Something of its thread, for as long as that is there.
    pub(crate) fn thread(&self) -> Weak<()> {
        Weak::clone(&self.thread)
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// The file that it runs.
    pub(crate) const fn file(&self) -> Option<&FileRun> {
        self.file.as_ref()
    }

    pub(crate) const fn most_looks(&self) -> usize {
        self.most_looks
    }

    pub(crate) fn set_slots(&mut self, slots: usize) -> Result<(), EngineError> {
        self.done(Order::SetSlots(slots))
    }

    pub(crate) fn place(&mut self, slot: usize, placement: Placement) -> Result<(), EngineError> {
        self.done(Order::Place(slot, placement))
    }

    pub(crate) fn reset(&mut self, slot: usize) {
        // One that fails at this fails at the next look, too.
        drop(self.done(Order::Reset(slot)));
    }

    pub(crate) fn take_over(&mut self, slot: usize, state: SlotState) -> Result<(), EngineError> {
        self.done(Order::TakeOver(slot, state))
    }

    /// Runs a batch; looks are told as they are said. Of those that were not, nothing will be heard.
    pub(crate) fn run(
        &mut self,
        looks: &[Look<'_>],
        told: &mut dyn FnMut(usize, Result<Said, EngineError>),
    ) -> Result<(), Gone> {
        let own = |look: &Look<'_>| {
            let frame = Arc::clone(look.frame);
            OwnLook { slot: look.slot, frame, dt_seconds: look.dt_seconds }
        };
        self.order(Order::Run(looks.iter().map(own).collect(), Turn::ours()));
        loop {
            match self.hear()? {
                Word::Look(at, said) => told(at, said),
                Word::Panicked => return Err(Gone::Panicked),
                Word::Done(_) | Word::State(_) | Word::Ended => return Ok(()),
            }
        }
    }

    /// What a slot remembers: asked where it still answers, else what was copied last.
    pub(crate) fn remembered(&mut self, slot: usize) -> Option<Remembered> {
        self.state(slot).map(|state| Remembered { state, behind_seconds: 0.0 }).or_else(|| {
            let copies = self.copies.lock();
            let copied = copies.get(slot)?;
            let Remembered { state, behind_seconds } = copied.remembered.clone()?;
            Some(Remembered { state, behind_seconds: behind_seconds + copied.since })
        })
    }

    pub(crate) fn state(&mut self, slot: usize) -> Option<SlotState> {
        self.order(Order::State(slot));
        match self.hear() {
            Ok(Word::State(state)) => state,
            _ => None,
        }
    }

    fn order(&mut self, order: Order) {
        self.heard = self.clock.monotonic();
        if let (Some(orders), None) = (&self.orders, &self.gone) {
            // Where nobody takes it, its last word says why.
            drop(orders.send(order));
        }
    }

    fn done(&mut self, order: Order) -> Result<(), EngineError> {
        self.order(order);
        let gone = match self.hear() {
            Ok(Word::Done(done)) => return done,
            Ok(_) => Gone::Panicked,
            Err(gone) => gone,
        };
        Err(EngineError::Run { engine: self.name, problem: gone.to_string() })
    }

    /// The next word.
    fn hear(&mut self) -> Result<Word, Gone> {
        if let Some(gone) = &self.gone {
            return Err(gone.clone());
        }
        loop {
            let word = self.words.said.lock().pop_front();
            let now = self.clock.monotonic();
            if let Some(word) = word {
                self.heard = now;
                return Ok(word);
            }
            let waited = now.since(self.heard);
            let left = match self.patience {
                Some(patience) if waited >= patience => {
                    return Err(self.gone.insert(Gone::Overdue(patience)).clone());
                }
                Some(patience) => patience.saturating_sub(waited),
                None => WAIT,
            };
            let _woken_or_not = self.words.bell.wait(left);
        }
    }
}

impl Drop for Apart {
    /// Waits until it has given back what it has, unless it is overdue.
    fn drop(&mut self) {
        self.orders = None;
        self.heard = self.clock.monotonic();
        while !matches!(self.hear(), Ok(Word::Ended) | Err(_)) {}
    }
}

/// The engine's side.
struct Thread {
    engine: Box<dyn Engine>,
    words: Arc<Words>,
    copies: Arc<Mutex<Vec<Copied>>>,
    /// Seconds of looks after which what a slot remembers is copied; `None`: it remembers nothing.
    copied_each: Option<f32>,
    turn: Option<Turn>,
    waits: Waits,
    /// It panicked: it runs nothing more, and is only asked what it remembers.
    broken: bool,
}

impl Thread {
    /// Does what it is told until nobody tells it any more.
    fn serve(&mut self, todo: &Receiver<Order>) {
        loop {
            let order = match todo.try_recv() {
                Ok(order) => order,
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => {
                    if self.copy_one() {
                        continue;
                    }
                    let Ok(order) = todo.recv() else { return };
                    order
                }
            };
            if catch_unwind(AssertUnwindSafe(|| self.obey(order))).is_err() {
                self.broken = true;
                self.words.say(Word::Panicked);
            }
        }
    }

    fn obey(&mut self, order: Order) {
        let said = match order {
            Order::SetSlots(slots) => {
                self.copies.lock().resize(slots, Copied::default());
                Word::Done(self.engine.set_slots(slots))
            }
            Order::Place(slot, placement) => Word::Done(self.engine.place(slot, placement)),
            Order::Reset(slot) => {
                self.forget(slot);
                self.engine.reset(slot);
                Word::Done(Ok(()))
            }
            Order::Run(..) if self.broken => Word::Panicked,
            Order::Run(looks, turn) => {
                self.run(looks, turn);
                Word::Done(Ok(()))
            }
            Order::State(slot) => Word::State(self.engine.state(slot)),
            Order::TakeOver(slot, state) => {
                self.forget(slot);
                Word::Done(self.engine.take_over(slot, &state))
            }
        };
        self.words.say(said);
    }

    /// Frames are let go before the batch is told to be done.
    fn run(&mut self, own: Vec<OwnLook>, turn: Turn) {
        if self.turn.replace(turn) != Some(turn) {
            turn.take();
        }
        let looks: Vec<Look<'_>> = own
            .iter()
            .map(|own| Look { slot: own.slot, frame: &own.frame, dt_seconds: own.dt_seconds })
            .collect();
        let Self { engine, words, copies, waits, .. } = self;
        waits.lately();
        engine.run(&looks, &mut |at, mut said| {
            if let Ok(said) = &mut said {
                // That others had the core is no fault of a model's, and who asks has a thread of his own.
                said.ran = said.ran.saturating_sub(waits.lately());
            }
            if let (Ok(_), Some(look)) = (&said, looks.get(at))
                && let Some(copied) = copies.lock().get_mut(look.slot)
            {
                copied.since += look.dt_seconds;
            }
            words.say(Word::Look(at, said));
        });
    }

    fn forget(&self, slot: usize) {
        if let Some(copied) = self.copies.lock().get_mut(slot) {
            *copied = Copied::default();
        }
    }

    /// Copies what the slot remembers whose copy is oldest, if that is old. False: none is.
    fn copy_one(&mut self) -> bool {
        let Some(each) = self.copied_each else { return false };
        let oldest = {
            let copies = self.copies.lock();
            let due = copies.iter().enumerate().filter(|(_, copied)| copied.since >= each);
            due.max_by(|(_, one), (_, other)| one.since.total_cmp(&other.since)).map(|(at, _)| at)
        };
        let Some(slot) = oldest else { return false };
        let engine = &mut self.engine;
        let state = catch_unwind(AssertUnwindSafe(|| engine.state(slot)));
        self.broken |= state.is_err();
        let state = state.ok().flatten();
        if let Some(copied) = self.copies.lock().get_mut(slot) {
            let remembered = state.map(|state| Remembered { state, behind_seconds: 0.0 });
            *copied = Copied { remembered, since: 0.0 };
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::swap::Limits;

    #[test]
    fn it_is_left_before_its_model_is_and_before_its_hop_is_full() {
        for budget in [0.0, 1.0, 3.0, 8.0, 100.0, 1e9] {
            let patience = patience(budget);
            assert!(Limits::USUAL.silence.is_some_and(|silence| patience < silence), "{budget}");
            assert!(patience >= Duration::from_millis(250), "{budget}");
        }
        assert!(patience(5.0) > patience(3.0), "who may take longer is waited for longer");
    }
}
