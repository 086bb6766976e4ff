//! A better engine that is being made, on a thread beside the one that runs: tried on grey pictures, and
//! left where nothing is heard of it any more.
//!
//! Making one may take minutes (TensorRT measures kernels), and whoever makes it says how far it is. Where
//! no such word has come for [`PATIENCE`], the maker hangs (in a driver, a compiler): it is left in that call
//! with what it holds, its engine counts as one that could not be made, and the next one is tried. As long as
//! that thread lives, no second one of its kind is made ([`Making::thread`]).

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::{Clock, as_usual};
use crate::detect::bundle::Bundle;
use crate::detect::engine::apart::Apart;
use crate::detect::engine::contract::{Engine, EngineError, EngineFound};
use crate::detect::engine::trial::try_out;
use crate::detect::settings::EngineWish;
use crate::media::Monotonic;

/// How long a maker may say nothing (chosen: each percent of a build is a word, whole builds took 2 to 6 s on
/// an H200, and the slowest Jetson builds a network a hundred times ours in some tens of minutes).
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// Makes one kind of engine.
pub trait Maker: Send + Sync {
    /// The word of its engines.
    fn name(&self) -> &'static str;

    /// True if its engines may be taken where `wish` is the best that is wanted.
    fn is_wanted(&self, wish: EngineWish) -> bool;

    /// What `--version` says of it.
    fn found(&self) -> EngineFound;

    /// Makes one for `bundle`; `told` is given what it is doing, for people, as it goes on.
    ///
    /// # Errors
    /// [`EngineError`]: [`EngineError::Run`] if another time may do, else why it never will.
    fn make(&self, bundle: &Bundle, told: &dyn Fn(String)) -> Result<Box<dyn Engine>, EngineError>;
}

/// Runs what makes an engine, where nobody waits for it.
pub(crate) type Beside = fn(Box<dyn FnOnce() + Send>) -> io::Result<()>;

/// On a thread of its own.
pub(crate) fn on_a_thread(work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    let work = || {
        // Whoever asks for it comes before others; making one takes minutes.
        as_usual();
        work();
    };
    std::thread::Builder::new().name("engine".to_owned()).spawn(work).map(drop)
}

/// What an engine is made of.
pub(crate) struct Order {
    pub(crate) maker: Arc<dyn Maker>,
    pub(crate) bundle: Arc<Bundle>,
    pub(crate) clock: Arc<dyn Clock>,
    /// How long it may say nothing in a call, once it is made.
    pub(crate) silence: Option<Duration>,
}

/// One that is being made.
pub(crate) struct Making {
    rung: usize,
    name: &'static str,
    /// What it said last, and when.
    said: Arc<Mutex<(String, Monotonic)>>,
    made: Arc<Mutex<Option<Result<Apart, EngineError>>>>,
    thread: Weak<()>,
}

impl Making {
    /// Has the engine of `rung` made.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub(crate) fn begin(rung: usize, order: Order, beside: Beside) -> io::Result<Self> {
        let Order { maker, bundle, clock, silence } = order;
        let name = maker.name();
        let said = Arc::new(Mutex::new((String::new(), clock.monotonic())));
        let (made, lives) = (Arc::default(), Arc::new(()));
        let thread = Arc::downgrade(&lives);
        let making = Self { rung, name, said: Arc::clone(&said), made: Arc::clone(&made), thread };
        let work = move || {
            let told = |what: String| *said.lock() = (what, clock.monotonic());
            let make = || {
                let mut engine = maker.make(&bundle, &told)?;
                let failed = |problem| EngineError::Run { engine: name, problem };
                try_out(engine.as_mut(), &bundle).map_err(failed)?;
                let apart = Apart::new(engine, &bundle, &clock, silence);
                apart.map_err(|error| failed(format!("start its thread: {error}")))
            };
            let problem = "making it panicked".to_owned();
            let panicked = Err(EngineError::Run { engine: name, problem });
            let outcome = catch_unwind(AssertUnwindSafe(make));
            *made.lock() = Some(outcome.unwrap_or(panicked));
            drop(lives);
        };
        beside(Box::new(work))?;
        Ok(making)
    }

    pub(crate) const fn rung(&self) -> usize {
        self.rung
    }

    /// What it is doing, for people.
    pub(crate) fn doing(&self) -> String {
        let said = self.said.lock().0.clone();
        if said.is_empty() { "being made".to_owned() } else { said }
    }

    /// It is made, could not be, or is left.
    pub(crate) fn has_ended(&self, now: Monotonic) -> bool {
        self.made.lock().is_some() || now.since(self.said.lock().1) >= PATIENCE
    }

    /// What became of the engine of its rung; `None`: it is still made.
    pub(crate) fn outcome(self, now: Monotonic) -> Option<(usize, Result<Apart, EngineError>)> {
        if !self.has_ended(now) {
            return None;
        }
        let left = || {
            let problem = format!("whoever makes it has said nothing for {} s", PATIENCE.as_secs());
            Err(EngineError::Run { engine: self.name, problem })
        };
        let made = self.made.lock().take();
        Some((self.rung, made.unwrap_or_else(left)))
    }

    /// Something of its thread, for as long as that is there.
    pub(crate) fn thread(&self) -> Weak<()> {
        Weak::clone(&self.thread)
    }
}
