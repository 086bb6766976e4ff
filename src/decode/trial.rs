//! A better decoder tried again beside the one that stands in for it: its pictures go nowhere.
//!
//! ```text
//! Starting ──it starts──> Ready ──key frame──> Playing ──pictures──> good
//!     └──it does not──> bad                       └──error, silence──> bad
//! ```
//!
//! It starts on a thread of its own, since a driver may take long, or for ever. From the next key
//! frame on it is given what the court's own pipeline is given. The court changes over at a key frame
//! after it was found good, by a pipeline of its own: nothing that is under way is lost by a trial.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::decode::backend::{Backend, Order, Pipeline, Push, Unbuilt};
use crate::decode::choose::Candidate;
use crate::decode::layout::Layout;
use crate::decode::outlet::{Found, Outlet};
use crate::mailbox::DropReason;
use crate::media::{AccessUnit, CodecParameters};

/// Pictures that show that it works (chosen: more than one, so that what a driver gives before it
/// fails is not enough; a sixth of a second at 30 fps).
const ENOUGH: u64 = 5;
/// Units inside before it is found too slow (chosen: two seconds at 60 fps; NVDEC starts in less).
const MAX_INSIDE: usize = 128;

/// How a trial went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It gives pictures of this stream.
    Good,
    /// It does not start.
    Unbuilt(Unbuilt),
    /// It starts, and gives none of this stream.
    Fails(String),
}

/// What runs beside the court's thread.
pub(crate) type Job = Box<dyn FnOnce() + Send>;
/// Runs a [`Job`] beside the court's thread; at once, in tests.
pub(crate) type Aside = fn(Job) -> io::Result<()>;

type Started = Result<Box<dyn Pipeline>, Unbuilt>;

/// See the module.
pub(crate) struct Trial {
    pub(crate) candidate: &'static Candidate,
    /// What it is a trial of.
    pub(crate) set: Arc<CodecParameters>,
    layout: Layout,
    outlet: Arc<Outlet>,
    // Written once by the thread that starts it, taken once by the court's.
    started: Arc<Mutex<Option<Started>>>,
    pipeline: Option<Box<dyn Pipeline>>,
    playing: bool,
}

impl Trial {
    /// Begins to start `candidate`; `outlet` hands on to nobody.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn begin(
        candidate: &'static Candidate,
        set: &Arc<CodecParameters>,
        layout: Layout,
        outlet: Outlet,
        backend: &Arc<dyn Backend>,
        aside: Aside,
    ) -> io::Result<Self> {
        let outlet = Arc::new(outlet);
        let started = Arc::new(Mutex::new(None));
        let (slot, backend) = (Arc::clone(&started), Arc::clone(backend));
        let (out, of, low_delay) = (Arc::clone(&outlet), Arc::clone(set), layout.low_delay);
        // If the trial is over meanwhile, the pipeline goes with the slot, on this thread.
        aside(Box::new(move || {
            let order = Order { candidate, parameters: &of, low_delay };
            let built = backend.build(&order, out);
            *slot.lock() = Some(built);
        }))?;
        let set = Arc::clone(set);
        Ok(Self { candidate, set, layout, outlet, started, pipeline: None, playing: false })
    }

    /// True if units of `layout` are what it is tried with.
    pub(crate) fn is_of(&self, layout: &Layout) -> bool {
        self.layout == *layout
    }

    /// Gives it what the court's pipeline was given: `data` is `unit` as a pipeline takes it.
    pub(crate) fn give(&mut self, unit: &AccessUnit, data: &[u8]) {
        if let Some(pipeline) = &mut self.pipeline
            && (unit.key || self.playing)
        {
            self.playing = true;
            let (pts, dts) = self.outlet.goes_in(unit, false);
            let push = Push { data: data.to_vec(), pts, dts, key: unit.key };
            if let Err(reason) = pipeline.push(push) {
                self.outlet.failed(reason);
            }
        }
    }

    /// How it went, once that can be said. Silent for `patience` with `bound` units inside is a
    /// failure.
    pub(crate) fn verdict(&mut self, bound: usize, patience: Duration) -> Option<Verdict> {
        if self.pipeline.is_none() {
            match self.started.lock().take()? {
                Ok(pipeline) => self.pipeline = Some(pipeline),
                Err(unbuilt) => return Some(Verdict::Unbuilt(unbuilt)),
            }
        }
        if self.outlet.pictures() >= ENOUGH {
            return Some(Verdict::Good);
        }
        match self.outlet.room(bound, patience, Duration::ZERO) {
            Found::Failed { reason, .. } => Some(Verdict::Fails(reason)),
            Found::Full if self.outlet.inside() > MAX_INSIDE => {
                Some(Verdict::Fails(format!("it does not keep up: {MAX_INSIDE} units inside")))
            }
            Found::Full | Found::Room => None,
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.outlet.shut(DropReason::Closed);
        if let Some(pipeline) = self.pipeline.take() {
            pipeline.stop(true);
        }
    }
}
