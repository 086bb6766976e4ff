//! All models of the daemon: which ones are loaded, started, how each is doing.
//!
//! The first bundle that loads is live, those behind it are shadows. The finder is a model like the
//! others, from the same files to the same worker, but that it is not named in `bundles`, is not told
//! of in `state/models`, and that nobody waits for it at the end.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tracing::{error, info, warn};

use crate::answer::ModelIdentity;
use crate::clock::Clock;
use crate::detect::bundle::error::{ManifestPlace, Task};
use crate::detect::bundle::{Bundle, find};
use crate::detect::embedded::IN_THE_BINARY;
use crate::detect::engine::contract::{Engine, Engines};
use crate::detect::engine::trial::try_out;
use crate::detect::progress::{ModelMeters, Progress};
use crate::detect::ring::finder::RIMFINDER;
use crate::detect::ring::moved::{Moved, MovedCameras};
use crate::detect::sink::AnswerSink;
use crate::detect::tasks::{Outlets, hop_of, identity_of, thread_of};
use crate::detect::worker::{Worker, WorkerParts};
use crate::event::state::{ModelState, ModelsState};
use crate::event::words::ModelCondition;
use crate::mailbox::{FrameMailbox, Ledger};
use crate::media::{CourtId, CourtRims, Foreign};

/// Which models are wanted, and where they lie.
#[derive(Clone, Debug)]
pub struct DetectSettings {
    /// Names of bundles; the first that loads is live.
    pub bundles: Vec<String>,
    /// Whether somebody looks, once a second, if cameras were moved.
    pub finder: bool,
    /// Folders of bundles, first one first; the binary comes last.
    pub search: Vec<PathBuf>,
    /// `auto`, `cpu`, or an accelerator.
    pub device: String,
}

/// What the router needs to know of a model.
#[derive(Clone, Debug)]
pub struct ModelFeedParts {
    /// The bundle's name.
    pub name: String,
    /// Lowest and highest frames a second that it takes; `None`: all that come.
    pub rates: Option<[f64; 2]>,
    /// Where its frames go.
    pub frames: FrameMailbox,
}

/// All models of the daemon.
pub struct Detect {
    models: Vec<Model>,
    /// The finder: a model like the others, but that it decides nothing and nobody waits for it.
    finder: Option<Loaded>,
    moved: MovedCameras,
    /// Locked to look something up, or while a court comes or goes.
    courts: Mutex<Vec<CourtRims>>,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    /// Locked to start and to join, never on a frame's path.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// One bundle that was asked for.
struct Model {
    name: String,
    outcome: Result<Loaded, String>,
}

struct Loaded {
    bundle: Arc<Bundle>,
    identity: Arc<ModelIdentity>,
    frames: FrameMailbox,
    progress: Arc<Mutex<Progress>>,
    /// What its owner should know though it runs.
    advice: Option<String>,
    /// Here until its thread starts; behind a lock so that `Detect` can be shared.
    engine: Mutex<Option<Box<dyn Engine>>>,
}

impl Detect {
    /// Loads the bundles. Never fails: what is wrong with one stands in [`status`](Self::status).
    #[must_use]
    pub fn load(
        settings: &DetectSettings,
        courts: &[CourtRims],
        ledger: &Ledger,
        clock: Arc<dyn Clock>,
        engines: &dyn Engines,
    ) -> Self {
        let mut models: Vec<Model> = Vec::with_capacity(settings.bundles.len());
        for name in &settings.bundles {
            let outcome = if models.iter().any(|model| model.name == *name) {
                Err(format!("`bundles` of [detect] names {name} twice: take one out"))
            } else {
                load_one(name, Task::Rim, settings, courts, ledger, engines)
            };
            match &outcome {
                Ok(loaded) => {
                    let engine = &loaded.identity.engine;
                    let (version, place) = (&loaded.bundle.version, &loaded.bundle.place);
                    info!(model = %name, version, %place, engine, "model ready");
                    if let Some(advice) = &loaded.advice {
                        warn!(model = %name, advice, "model runs, but");
                    }
                }
                Err(reason) => error!(model = %name, reason, "model refused"),
            }
            models.push(Model { name: name.clone(), outcome });
        }
        let finder = settings
            .finder
            .then(|| load_finder(settings, courts, ledger, engines))
            .transpose()
            .unwrap_or_else(|error| {
                warn!(error, "nobody looks whether cameras are moved: there is no finder");
                None
            });
        Self {
            models,
            finder,
            moved: MovedCameras::default(),
            courts: Mutex::new(courts.to_vec()),
            ledger: ledger.clone(),
            clock,
            threads: Mutex::new(Vec::new()),
        }
    }

    /// The hops of the models that loaded, for the router; live first, the finder last.
    #[must_use]
    pub fn feeds(&self) -> Vec<ModelFeedParts> {
        self.loaded()
            .chain(&self.finder)
            .map(|loaded| ModelFeedParts {
                name: loaded.bundle.name.clone(),
                rates: loaded.bundle.rates,
                frames: loaded.frames.clone(),
            })
            .collect()
    }

    /// Starts a thread a model.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(
        &mut self,
        sink: &Arc<dyn AnswerSink>,
        meters: &mut dyn FnMut(&ModelIdentity) -> ModelMeters,
    ) -> io::Result<()> {
        let outlets = Outlets { sink: Arc::clone(sink), moved: Arc::clone(&self.moved) };
        let mut live = true;
        let courts = self.courts.get_mut();
        for loaded in self.models.iter_mut().filter_map(|model| model.outcome.as_mut().ok()) {
            let how = Start { live: std::mem::take(&mut live), outlets: &outlets };
            let meters = meters(&loaded.identity);
            let started = loaded.start(courts, &self.clock, &how, meters)?;
            self.threads.get_mut().extend(started);
        }
        if let Some(finder) = &mut self.finder {
            let watched = with_rims(courts);
            let how = Start { live: false, outlets: &outlets };
            // Nobody joins it: on a busy machine a thread that stands back from all others would
            // hold up the end of the daemon.
            drop(finder.start(&watched, &self.clock, &how, ModelMeters::default())?);
        }
        Ok(())
    }

    /// Works at the court of `rims` too from now on, or at the same court with these rims: there
    /// everything starts anew, and no other court notices. Frames may follow at once.
    pub fn open_court(&self, rims: &CourtRims) {
        let court = &rims.court;
        {
            let mut courts = self.courts.lock();
            courts.retain(|known| known.court != *court);
            courts.push(rims.clone());
        }
        for loaded in self.loaded() {
            loaded.open_court(rims, &self.ledger);
        }
        match &self.finder {
            Some(finder) if rims.rims.is_empty() => finder.frames.close_court(court),
            Some(finder) => finder.open_court(rims, &self.ledger),
            None => {}
        }
    }

    /// Works no more at `court`, once the frames that wait are answered; no more may come. True if the
    /// sink will be told of it ([`AnswerSink::court_closed`]), unless the live model is put out before;
    /// false if none is live.
    #[must_use]
    pub fn close_court(&self, court: &CourtId) -> bool {
        self.courts.lock().retain(|known| known.court != *court);
        let mut told = false;
        for (index, loaded) in self.loaded().chain(&self.finder).enumerate() {
            // Under the lock: a model is put out before it lets go of its hop, or after this.
            let mut progress = loaded.progress.lock();
            loaded.frames.close_court(court);
            if progress.stopped.is_some() {
                // Nobody reads the hop any more.
                progress.forget(court);
            } else if index == 0 && self.loaded().next().is_some() {
                told = true;
            }
        }
        told
    }

    /// How every bundle is doing, for `state/models`.
    #[must_use]
    pub fn status(&self) -> ModelsState {
        ModelsState { bundles: self.models.iter().map(Model::state).collect() }
    }

    /// Courts at which nothing is called, with the reason and what to do.
    #[must_use]
    pub fn faults(&self) -> Vec<(CourtId, String)> {
        match self.loaded().next() {
            Some(live) => live.progress.lock().faults.clone(),
            None => {
                let why = self.models.iter().find_map(|model| model.outcome.as_ref().err());
                let why = why.map_or("`bundles` of [detect] names none", String::as_str);
                let fault = format!("no calls: no model could be loaded: {why}");
                let courts = self.courts.lock();
                courts.iter().map(|court| (court.court.clone(), fault.clone())).collect()
            }
        }
    }

    /// Widths of the rings in the pictures that come now, pixels, as the live model places them.
    #[must_use]
    pub fn rings(&self) -> BTreeMap<CourtId, Vec<f32>> {
        self.loaded().next().map(|live| live.progress.lock().rings.clone()).unwrap_or_default()
    }

    /// The camera of `court` has moved.
    #[must_use]
    pub fn moved(&self, court: &CourtId) -> Option<Moved> {
        self.moved.lock().get(court).copied()
    }

    /// Waits until every model has answered what was left in its hop; the router has closed them.
    /// Not for the finder, which ends after the look at hand.
    pub fn join(&self) {
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            if thread.join().is_err() {
                error!("a model's thread panicked outside of its frames");
            }
        }
    }

    fn loaded(&self) -> impl Iterator<Item = &Loaded> {
        self.models.iter().filter_map(|model| model.outcome.as_ref().ok())
    }
}

impl Model {
    fn state(&self) -> ModelState {
        let loaded = match &self.outcome {
            Ok(loaded) => loaded,
            Err(reason) => {
                return ModelState {
                    name: self.name.clone(),
                    version: None,
                    condition: ModelCondition::Refused,
                    engine: None,
                    reason: Some(Foreign::told(reason)),
                    inference_ms: None,
                };
            }
        };
        let progress = loaded.progress.lock();
        let inference_ms = progress.median_ms();
        let (condition, reason) = match &progress.stopped {
            Some(stopped) => (ModelCondition::Stopped, Some(stopped.clone())),
            None => (
                ModelCondition::Ready,
                loaded.over_budget(inference_ms).or_else(|| loaded.advice.clone()),
            ),
        };
        ModelState {
            name: self.name.clone(),
            version: Some(Foreign::name(&loaded.bundle.version)),
            condition,
            engine: Some(Foreign::name(&loaded.identity.engine)),
            reason: reason.map(Foreign::told),
            inference_ms,
        }
    }
}

/// How a model is started.
struct Start<'a> {
    /// It decides; false: it is a shadow.
    live: bool,
    outlets: &'a Outlets,
}

impl Loaded {
    fn open_court(&self, rims: &CourtRims, ledger: &Ledger) {
        let tally = ledger.hop(rims.court.as_str(), &hop_of(&self.bundle));
        self.frames.open_court(rims.clone(), &tally);
        let mut progress = self.progress.lock();
        if let Some(reason) = progress.stopped.clone() {
            progress.set_fault(&rims.court, Some(format!("no calls: {reason}")));
        }
    }

    /// Starts its thread, once. None where its engine has no room for the courts: it is stopped then.
    fn start(
        &mut self,
        courts: &[CourtRims],
        clock: &Arc<dyn Clock>,
        how: &Start<'_>,
        meters: ModelMeters,
    ) -> io::Result<Option<JoinHandle<()>>> {
        let Some(engine) = self.engine.get_mut().take() else { return Ok(None) };
        let made = Worker::new(WorkerParts {
            bundle: Arc::clone(&self.bundle),
            identity: Arc::clone(&self.identity),
            live: how.live,
            engine,
            frames: self.frames.clone(),
            courts,
            outlets: how.outlets.clone(),
            meters,
            clock: Arc::clone(clock),
            progress: Arc::clone(&self.progress),
        });
        match made {
            Ok(worker) => {
                let thread = std::thread::Builder::new().name(thread_of(&self.bundle));
                thread.spawn(|| worker.run()).map(Some)
            }
            Err(why) => {
                error!(model = %self.bundle.name, %why, "model cannot be started");
                let reason = format!("{why}: fewer courts a box, or another bundle");
                self.progress.lock().stopped = Some(reason);
                self.frames.abandon();
                Ok(None)
            }
        }
    }

    fn over_budget(&self, inference_ms: Option<f64>) -> Option<String> {
        let budget = self.bundle.budget_ms;
        let took = inference_ms.filter(|took| *took > budget)?;
        Some(format!(
            "takes {took:.1} ms a picture and rim, its budget is {budget} ms: use a smaller model, \
             fewer courts a box, or a faster machine"
        ))
    }
}

/// The finder's own bundle, at the courts that have rims.
fn load_finder(
    settings: &DetectSettings,
    courts: &[CourtRims],
    ledger: &Ledger,
    engines: &dyn Engines,
) -> Result<Loaded, String> {
    load_one(RIMFINDER, Task::Ring, settings, &with_rims(courts), ledger, engines)
}

fn with_rims(courts: &[CourtRims]) -> Vec<CourtRims> {
    courts.iter().filter(|court| !court.rims.is_empty()).cloned().collect()
}

fn load_one(
    name: &str,
    task: Task,
    settings: &DetectSettings,
    courts: &[CourtRims],
    ledger: &Ledger,
    engines: &dyn Engines,
) -> Result<Loaded, String> {
    let bundle = find(name, &settings.search, IN_THE_BINARY)
        .and_then(|bundle| bundle.for_task(task))
        .map_err(|error| Foreign::error(&error).to_string())?;
    let mut engine =
        engines.engine_for(&bundle).map_err(|error| Foreign::error(&error).to_string())?;
    // What is in the binary is tried by its tests. The one that decides is tried all the same, which
    // warms its caches; a look at a whole picture would leave 8 MB with the thread that loads.
    if task == Task::Rim || matches!(bundle.place, ManifestPlace::File(_)) {
        try_out(engine.as_mut(), &bundle)?;
    }
    let identity = Arc::new(identity_of(&bundle, engine.name()));
    let hop = hop_of(&bundle);
    let ids: Vec<CourtId> = courts.iter().map(|court| court.court.clone()).collect();
    let frames =
        FrameMailbox::new(&ids, bundle.queue_frames, |court| ledger.hop(court.as_str(), &hop));
    // Nothing falls to a slower engine in silence (DESIGN §5.6).
    let advice = (!["auto", "cpu"].contains(&settings.device.as_str())).then(|| {
        format!(
            "`device = \"{}\"` of [detect] is asked for, but this binary has only the CPU engine \
             `{}`: it runs there",
            settings.device, identity.engine
        )
    });
    Ok(Loaded {
        bundle: Arc::new(bundle),
        identity,
        frames,
        progress: Arc::default(),
        advice,
        engine: Mutex::new(Some(engine)),
    })
}

#[cfg(test)]
mod tests;
