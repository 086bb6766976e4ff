//! What every engine is: it is given frames and where to look, and gives tensors.
//!
//! The contract, for whoever brings another engine (a file beside `builtin`, and a line in
//! [`InstalledEngines`](crate::detect::InstalledEngines)):
//!
//! - **What it is given.** A bundle once ([`Engines::engine_for`]): names and shapes of the network's
//!   tensors and the file's bytes, never a task. Then [`Look`]s: a frame, the slot that looks, the
//!   time since that slot's last look. No pixels: they are where the frame says
//!   ([`Pixels`](crate::media::Pixels)).
//! - **Cutting is its affair, where it computes.** [`Engine::place`] says where a slot looks in
//!   pictures of one size; how the input gets from there into the network (taps on the CPU, one
//!   kernel a batch on a device) nobody outside knows. The filter is that of `detect/resample`, and
//!   every engine is held to the same vectors. An engine on the CPU asks
//!   [`Frame::to_cpu`](crate::media::Frame::to_cpu); one on a device reads a device's frame in place
//!   and never calls it.
//! - **It owns the states** of its slots, where it computes: a state leaves its device only when
//!   another engine goes on in its place, or some day may ([`Engine::state`]), never on a frame's path. A slot
//!   is one place at one court, and stays so until [`Engine::set_slots`]; the worker says when a
//!   state starts anew.
//! - **It may hold a frame** (by a clone of its `Arc`) until its device has read it, and no longer:
//!   the picture is a buffer of a decoder's pool. When [`Engine::run`] returns, all frames of the
//!   batch are let go.
//! - **A batch is several looks of different slots**, of one frame or of frames of several courts, in
//!   any order. They are independent, and an engine may run them at once or one by one. It tells each
//!   look exactly once, as soon as it can, in any order: waiting for the whole batch delays the first.
//! - **Failure.** What concerns one look (a picture that cannot be read, a slot that is not placed) is
//!   told for that look, and the others go on; it is [`EngineError::Picture`] or
//!   [`EngineError::Place`]. When the whole run fails, every look that was not yet told is told the
//!   error, [`EngineError::Run`]: for it another engine may be taken. After an error a slot's state is of no use until
//!   [`Engine::reset`]. Values may be told that are no numbers: the worker judges them. A panic is
//!   caught by the worker, which drops the engine: it need not be usable after one.
//!   A call that does not return is noticed where another engine stands below it (`apart`): then its
//!   thread, and the frames of its batch, are left to it.
//! - **Threads.** One thread owns an engine and calls it; it is `Send`, since it is made on another.
//!   It may have threads and streams of its own, but `run` returns only when the batch is told, and
//!   dropping it ends them.
//! - **Time.** It measures what making the inputs and what the network took, by the clock that it was
//!   made with; of a batch that ran at once each look tells the whole.
//!
//! What is deliberately absent: choosing a device or falling over to another engine (that is who
//! makes engines), gathering a batch (the worker does, up to [`Engine::most_looks`]), and anything
//! that knows a task.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::detect::bundle::Bundle;
use crate::detect::engine::arithmetic::FileRun;
use crate::media::{Frame, RimBox};

/// Makes engines: those that a box has, or a test's, which play a script.
pub trait Engines: fmt::Debug + Send + Sync {
    /// Makes an engine for `bundle`. Takes some 100 ms; may be called on any thread.
    ///
    /// # Errors
    /// [`EngineError`]: why the network cannot be run here.
    fn engine_for(&self, bundle: &Bundle) -> Result<Box<dyn Engine>, EngineError>;

    /// Has a bundle that is not trusted read, made and run once where it can do no harm, before
    /// [`engine_for`](Self::engine_for) is asked for the same bytes. May take its time.
    ///
    /// # Errors
    /// A sentence: what it wants that a model here may not have, or how it failed.
    fn try_apart(&self, _bundle: &Bundle) -> Result<(), String> {
        Ok(())
    }

    /// What this machine has to run networks with, best first.
    fn found(&self) -> Vec<EngineFound>;
}

/// An engine that this machine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineFound {
    /// The word in events, metrics and `state/models`.
    pub name: &'static str,
    /// What it is and where it runs, for people.
    pub about: String,
}

impl fmt::Display for EngineFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.about)
    }
}

/// Where a slot looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum View {
    /// Around this rim, in pixels of the picture; the bundle's crops say how far.
    Around(RimBox),
    /// At the whole picture.
    Whole,
}

/// Where a slot looks in pictures of one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// Width and height of the pictures.
    pub picture: (u32, u32),
    /// Where in them.
    pub view: View,
}

/// One look of one slot.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The slot; in a batch each at most once.
    pub slot: usize,
    /// What is looked at: of the size that the slot is placed for.
    pub frame: &'a Arc<Frame>,
    /// Seconds since the slot's last look; 0 where its state is new.
    pub dt_seconds: f32,
}

/// What the network said of one look.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The bundle's outputs in order, each as long as its shape says; row-major.
    pub tensors: Vec<Vec<f32>>,
    /// Making the inputs took so long,
    pub prepared: Duration,
    /// and the network so long.
    pub ran: Duration,
}

/// Runs one bundle's network. The module's header is its contract.
pub trait Engine: Send {
    /// The word in events, metrics and `state/models`.
    fn name(&self) -> &'static str;

    /// Which of the bundle's files it runs; `None`: the one that the bundle was found with.
    fn file(&self) -> Option<FileRun> {
        None
    }

    /// Multiply-adds of one look, where the engine can tell.
    fn multiply_adds(&self) -> Option<u64> {
        None
    }

    /// Looks that it likes in one batch: the worker gathers frames that wait, of other courts, until
    /// there are so many, and never waits for one. All looks of a frame are in one batch even so.
    fn most_looks(&self) -> usize {
        1
    }

    /// Makes room for `slots` slots. Those that there were and still are keep placement and state;
    /// new ones are not placed, their states zeros.
    ///
    /// # Errors
    /// [`EngineError::Run`]: there is no room for their states.
    fn set_slots(&mut self, slots: usize) -> Result<(), EngineError>;

    /// Says where `slot` looks from now on. Its state stays: the worker resets it when the picture's
    /// size is another.
    ///
    /// # Errors
    /// [`EngineError::Place`]: one cannot look there.
    fn place(&mut self, slot: usize, placement: Placement) -> Result<(), EngineError>;

    /// Sets the state of `slot` to zeros.
    fn reset(&mut self, slot: usize);

    /// Runs a batch, and tells of each look by its index in `looks`.
    fn run(&mut self, looks: &[Look<'_>], told: &mut dyn FnMut(usize, Result<Said, EngineError>));

    /// What `slot` remembers, for another engine of the same bundle; asked when this one is put aside,
    /// also after it failed, and a few times a second where nobody waits for it. `None`: it cannot be had any more.
    fn state(&mut self, _slot: usize) -> Option<SlotState> {
        None
    }

    /// Goes on at `slot` from what it remembered in another engine of the same bundle.
    ///
    /// # Errors
    /// [`EngineError::Run`]: it cannot; then the slot's state is of no use until
    /// [`reset`](Self::reset).
    fn take_over(&mut self, _slot: usize, _state: &SlotState) -> Result<(), EngineError> {
        let problem = "it takes no state of another engine".to_owned();
        Err(EngineError::Run { engine: self.name(), problem })
    }

    /// What has changed since it was last asked; `None`: nothing. Asked after each batch, and once a
    /// second where there is none.
    fn news(&mut self) -> Option<EngineNews> {
        None
    }
}

/// What a slot remembers: the bundle's states in order, each as long as its shape says; row-major.
pub type SlotState = Vec<Vec<f32>>;

/// What an engine that is several says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineNews {
    /// Who runs the network now.
    pub engine: &'static str,
    /// The file that it runs; `None`: the one that the bundle was found with.
    pub file: Option<FileRun>,
    /// What its owner should know though it runs.
    pub advice: Option<String>,
    /// A better one is being made: how long looks take now says nothing of later.
    pub provisional: bool,
}

/// Why an engine refused a bundle, or failed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum EngineError {
    #[error(
        "{file} is no ONNX file that the engine `{engine}` reads ({problem}): export it again \
         with plain operators, opset 13 to 17"
    )]
    Parse { engine: &'static str, file: String, problem: String },
    #[error("{file} has no {what} `{name}` (it has {has}): correct the manifest, or export again")]
    Name { file: String, what: &'static str, name: String, has: String },
    #[error(
        "{file}: the network's {name} has shape {found}, model.toml says {wanted}; correct one"
    )]
    Shape { file: String, name: String, wanted: String, found: String },
    #[error(
        "{file} cannot be run by the engine `{engine}` ({problem}): export it again with fixed \
         shapes and plain operators"
    )]
    Unsupported { engine: &'static str, file: String, problem: String },
    #[error("{file} wants too much: {sum}. Take a smaller model")]
    TooMuch { file: String, sum: String },
    #[error("{problem}")]
    Absent { problem: String },
    #[error("{problem}")]
    Place { problem: String },
    #[error("cut the crop: {problem}")]
    Picture { problem: String },
    #[error("the engine `{engine}` failed: {problem}")]
    Run { engine: &'static str, problem: String },
}
