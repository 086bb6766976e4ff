//! All models of the daemon: which ones are loaded, started, how each is doing.
//!
//! The first bundle that loads is live, those behind it are shadows. The finder is a model like the
//! others, from the same files to the same worker, but that it is not named in `bundles`, is not told
//! of in `state/models`, and that nobody waits for it at the end.
//!
//! **When.** What is in the binary is loaded before the box is ready ([`Detect::begin`]). A bundle on
//! disk may take its time or more than that, so it, and all that are named behind it, are loaded after
//! ([`Detect::load_rest`]), one by one, on a thread that nobody waits for. Until the first of them is
//! there a model of the binary stands in ([`stand_in`](crate::detect::stand_in)). What was loaded is
//! switched in between two frames; if none could be, the stand-in goes, and the courts say why nothing
//! is called: a worse bundle is never taken in silence. `swapping` has another one decide later on.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tracing::{error, warn};

use crate::answer::ModelIdentity;
use crate::clock::Clock;
use crate::detect::bundle::error::Task;
use crate::detect::engine::contract::Engines;
use crate::detect::loaded::{Loaded, Start, Wanted, is_ours, load, tell};
use crate::detect::podium::Podium;
use crate::detect::progress::ModelMeters;
use crate::detect::ring::finder::RIMFINDER;
use crate::detect::ring::moved::{Moved, MovedCameras};
use crate::detect::settings::DetectSettings;
use crate::detect::sink::AnswerSink;
use crate::detect::stand_in::{STAND_IN, STAND_IN_TASK, UntilHandedOver, stand_in_hop};
use crate::detect::swap::{Limits, ModelKey};
use crate::detect::tasks::Outlets;
use crate::event::state::{ModelState, ModelsState};
use crate::event::words::{ModelCondition, ModelRole};
use crate::mailbox::{FrameMailbox, Ledger, Rest, hops};
use crate::media::{CourtId, CourtRims, Foreign, UtcTime};

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

/// What models that are loaded late are joined to.
pub struct Joined {
    /// Where answers go.
    pub sink: Arc<dyn AnswerSink>,
    /// Where a model's times are counted.
    pub meters: Box<dyn FnMut(&ModelIdentity) -> ModelMeters + Send>,
    /// Told of all hops whenever they change: frames go there from then on.
    pub switched: Box<dyn FnMut(Vec<ModelFeedParts>) + Send>,
}

/// All models of the daemon.
pub struct Detect {
    settings: DetectSettings,
    /// Locked to look something up, while a court comes or goes, and while a model is switched in;
    /// never on a frame's path, nor while one is loaded.
    roster: Mutex<Roster>,
    moved: MovedCameras,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    /// Where all that decide, or might, speak.
    podium: Arc<Podium>,
    /// Locked to start and to join, never on a frame's path.
    threads: Mutex<Vec<(Option<ModelKey>, JoinHandle<()>)>>,
    /// What models that come later are made by and joined to; after the roster, where both are locked.
    late: Mutex<Option<Late>>,
    /// The bundle that is to be kept once it has settled.
    keeps: Mutex<Option<String>>,
    /// The bundle that is kept for the next start; true while nobody was told of a change.
    kept: Mutex<(Option<String>, bool)>,
    /// Whether there is nothing left to load: who waits for a quiet box waits for that.
    loading: Rest,
}

/// What models that come later are made by and joined to.
struct Late {
    engines: Arc<dyn Engines>,
    joined: Joined,
}

/// What there is at one time.
struct Roster {
    models: Vec<Model>,
    stand_in: Option<StandIn>,
    /// A model like the others, but that it decides nothing and nobody waits for it.
    finder: Finder,
    courts: Vec<CourtRims>,
    /// Nothing is switched in any more.
    ended: bool,
}

/// One bundle that was asked for.
struct Model {
    name: String,
    outcome: Outcome,
}

enum Outcome {
    /// It is not there yet, since then.
    Loading(UtcTime),
    Loaded(Box<Loaded>),
    Refused(String),
}

enum Finder {
    None,
    Loading,
    Loaded(Box<Loaded>),
}

struct StandIn {
    /// The one that it stands in for speaks by the same name.
    key: ModelKey,
    loaded: Loaded,
    handed_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What is loaded next.
enum Next {
    Model(usize, String),
    Finder,
}

impl Detect {
    /// Loads the bundles, all now. Never fails: what is wrong with one stands in
    /// [`status`](Self::status).
    #[must_use]
    pub fn load(
        settings: &DetectSettings,
        courts: &[CourtRims],
        ledger: &Ledger,
        clock: Arc<dyn Clock>,
        engines: &dyn Engines,
    ) -> Self {
        let mut detect = Self::asked(settings, courts, ledger, clock);
        while let Some(next) = detect.roster.get_mut().next() {
            let at_finder = with_rims(courts);
            let courts = if matches!(next, Next::Finder) { &at_finder } else { courts };
            let outcome = detect.load_one(&next, courts, engines);
            detect.roster.get_mut().put(&next, outcome);
        }
        detect.loading.rests();
        detect
    }

    /// Loads what is in the binary, as far as no bundle on disk stands before it; what lies on disk is
    /// left to [`load_rest`](Self::load_rest), and one of the binary stands in. Without courts: they come
    /// by [`open_court`](Self::open_court).
    #[must_use]
    pub fn begin(
        settings: &DetectSettings,
        ledger: &Ledger,
        clock: Arc<dyn Clock>,
        engines: &dyn Engines,
    ) -> Self {
        let mut detect = Self::asked(settings, &[], ledger, clock);
        while let Some(next @ Next::Model(..)) = detect.roster.get_mut().next()
            && is_ours(next.name(), settings)
        {
            let outcome = detect.load_one(&next, &[], engines);
            detect.roster.get_mut().put(&next, outcome);
        }
        if settings.finder && is_ours(RIMFINDER, settings) {
            let outcome = detect.load_one(&Next::Finder, &[], engines);
            detect.roster.get_mut().put(&Next::Finder, outcome);
        }
        let roster = detect.roster.get_mut();
        if roster.live().is_none() && roster.next().is_some_and(|next| !next.is_finder()) {
            let wanted = Wanted { name: STAND_IN, task: STAND_IN_TASK, hop: Some(stand_in_hop()) };
            let in_binary = DetectSettings { search: Vec::new(), ..settings.clone() };
            match load(&wanted, &in_binary, &[], ledger, engines) {
                Ok(loaded) => {
                    let (handed_over, key) = (Arc::default(), detect.podium.key());
                    roster.stand_in = Some(StandIn { key, loaded, handed_over, thread: None });
                }
                Err(error) => warn!(error, "nobody stands in for what is loaded"),
            }
        }
        if roster.next().is_none() {
            detect.loading.rests();
        }
        detect
    }

    /// With everything to be loaded.
    fn asked(
        settings: &DetectSettings,
        courts: &[CourtRims],
        ledger: &Ledger,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let now = clock.utc();
        let mut models: Vec<Model> = Vec::with_capacity(settings.bundles.len());
        for name in &settings.bundles {
            let outcome = if models.iter().any(|model| model.name == *name) {
                let reason = format!("`bundles` of [detect] names {name} twice: take one out");
                error!(model = %name, reason, "model refused");
                Outcome::Refused(reason)
            } else {
                Outcome::Loading(now)
            };
            models.push(Model { name: name.clone(), outcome });
        }
        let loading = Rest::default();
        ledger.reader("-", hops::MODELS, &loading);
        let finder = if settings.finder { Finder::Loading } else { Finder::None };
        let courts = courts.to_vec();
        Self {
            settings: settings.clone(),
            roster: Mutex::new(Roster { models, stand_in: None, finder, courts, ended: false }),
            moved: MovedCameras::default(),
            ledger: ledger.clone(),
            podium: Arc::new(Podium::new(Arc::clone(&clock), Limits::USUAL)),
            clock,
            threads: Mutex::default(),
            late: Mutex::default(),
            keeps: Mutex::default(),
            kept: Mutex::new((settings.kept.clone(), false)),
            loading,
        }
    }

    fn load_one(
        &self,
        next: &Next,
        courts: &[CourtRims],
        engines: &dyn Engines,
    ) -> Result<Loaded, String> {
        let task = if next.is_finder() { Task::Ring } else { Task::Rim };
        // Two precisions of one bundle have a hop each.
        let hop = (task == Task::Rim).then(|| self.roster.lock().free_hop(next.name()));
        let wanted = Wanted { name: next.name(), task, hop };
        let outcome = load(&wanted, &self.settings, courts, &self.ledger, engines);
        if self.roster.lock().ended {
            // A trial that ends with the box says nothing of the bundle.
            return outcome;
        }
        match (next, &outcome) {
            (Next::Model(_, name), outcome) => tell(name, outcome),
            (Next::Finder, Ok(_)) => {}
            (Next::Finder, Err(error)) => {
                warn!(error, "nobody looks whether cameras are moved: there is no finder");
            }
        }
        outcome
    }

    /// The hops of the models that loaded, for the router; live first, the finder last.
    #[must_use]
    pub fn feeds(&self) -> Vec<ModelFeedParts> {
        self.roster.lock().feeds(self.podium.live())
    }

    /// Starts a thread a model that is there.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(
        &mut self,
        sink: &Arc<dyn AnswerSink>,
        meters: &mut dyn FnMut(&ModelIdentity) -> ModelMeters,
    ) -> io::Result<()> {
        let (clock, threads, podium) = (&self.clock, self.threads.get_mut(), &self.podium);
        podium.speaks_to(sink);
        let Roster { models, stand_in, finder, courts, .. } = self.roster.get_mut();
        let mut live = stand_in.is_none();
        for (name, loaded) in models.iter_mut().filter_map(Model::named_mut) {
            let key = podium.key();
            if std::mem::take(&mut live) {
                podium.tell(|swaps, _, _| swaps.begins(key, name));
            }
            let outlets = loaded.seated(podium, key, &self.moved);
            let how = Start { outlets: &outlets, after: None };
            let meters = meters(&loaded.identity);
            let thread = loaded.start(courts, clock, how, meters)?;
            threads.extend(thread.map(|thread| (Some(key), thread)));
        }
        if let Some(StandIn { key, loaded, handed_over, thread }) = stand_in {
            podium.tell(|swaps, _, _| swaps.begins(*key, STAND_IN));
            let seated = loaded.seated(podium, *key, &self.moved);
            let (sink, flag) = UntilHandedOver::new(&seated.sink);
            *handed_over = flag;
            let outlets = Outlets { sink: Arc::new(sink), ..seated };
            let how = Start { outlets: &outlets, after: None };
            let meters = meters(&loaded.identity);
            *thread = loaded.start(courts, clock, how, meters)?;
        }
        if let Finder::Loaded(finder) = finder {
            let outlets =
                Outlets { sink: Arc::clone(sink), moved: Arc::clone(&self.moved), seat: None };
            let how = Start { outlets: &outlets, after: None };
            // Nobody joins it: on a busy machine a thread that stands back from all others would
            // hold up the end of the daemon.
            drop(finder.start(&with_rims(courts), clock, how, ModelMeters::default())?);
        }
        Ok(())
    }

    /// Loads what is left on a thread of its own, and switches each in as it is there. Nobody waits for
    /// that thread: [`end`](Self::end) says that what it loads now is of no use any more.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn load_rest(
        self: &Arc<Self>,
        engines: Arc<dyn Engines>,
        joined: Joined,
    ) -> io::Result<()> {
        *self.late.lock() = Some(Late { engines: Arc::clone(&engines), joined });
        if self.roster.lock().next().is_none() {
            return Ok(());
        }
        let detect = Arc::clone(self);
        let run = move || {
            loop {
                let next = {
                    let roster = detect.roster.lock();
                    roster.next().filter(|_| !roster.ended)
                };
                let Some(next) = next else { break };
                let outcome = detect.load_one(&next, &[], &*engines);
                detect.switch_in(&next, outcome);
            }
            detect.loading.rests();
        };
        drop(std::thread::Builder::new().name(hops::MODELS.to_owned()).spawn(run)?);
        Ok(())
    }

    /// A bundle was loaded, or was not: from the next frame of each court on, it gets them.
    fn switch_in(&self, next: &Next, outcome: Result<Loaded, String>) {
        let mut roster = self.roster.lock();
        if roster.ended {
            return;
        }
        let mut late = self.late.lock();
        let Some(Late { joined, .. }) = &mut *late else { return };
        let had_live = roster.live().is_some();
        let outcome = outcome.and_then(|mut loaded| {
            let courts = match next {
                Next::Model(..) => roster.courts.clone(),
                Next::Finder => with_rims(&roster.courts),
            };
            courts.iter().for_each(|court| loaded.open_court(court, &self.ledger));
            let live = !next.is_finder() && !had_live;
            let stood_in = roster.stand_in.as_ref().map(|stand_in| stand_in.key);
            let after = if live { roster.hand_over() } else { None };
            let (key, outlets, meters) = match next {
                Next::Model(_, name) => {
                    let key = stood_in.filter(|_| live).unwrap_or_else(|| self.podium.key());
                    if live {
                        self.podium.tell(|swaps, _, _| swaps.begins(key, name));
                    }
                    let outlets = loaded.seated(&self.podium, key, &self.moved);
                    (Some(key), outlets, (joined.meters)(&loaded.identity))
                }
                Next::Finder => {
                    let (sink, moved) = (Arc::clone(&joined.sink), Arc::clone(&self.moved));
                    (None, Outlets { sink, moved, seat: None }, ModelMeters::default())
                }
            };
            let how = Start { outlets: &outlets, after };
            let thread = loaded.start(&[], &self.clock, how, meters);
            let thread = thread.map_err(|error| {
                error!(model = next.name(), %error, "start a model's thread");
                format!("start a model's thread: {error}")
            })?;
            if !next.is_finder() {
                self.threads.lock().extend(thread.map(|thread| (key, thread)));
            }
            Ok(loaded)
        });
        roster.put(next, outcome);
        let all_refused = roster.live().is_none() && !roster.is_loading();
        if all_refused && let Some(stand_in) = roster.stand_in.take() {
            self.threads.lock().extend(stand_in.thread.map(|thread| (None, thread)));
            self.podium.tell(|swaps, _, _| swaps.nobody());
        }
        (joined.switched)(roster.feeds(self.podium.live()));
    }

    /// The box ends: nothing is switched in any more, whatever is still loading.
    pub fn end(&self) {
        self.roster.lock().ended = true;
    }

    /// Works at the court of `rims` too from now on, or at the same court with these rims: there
    /// everything starts anew, and no other court notices. Frames may follow at once.
    pub fn open_court(&self, rims: &CourtRims) {
        let court = &rims.court;
        let mut roster = self.roster.lock();
        roster.courts.retain(|known| known.court != *court);
        roster.courts.push(rims.clone());
        for loaded in roster.deciding(self.podium.live()) {
            loaded.open_court(rims, &self.ledger);
        }
        match &roster.finder {
            Finder::Loaded(finder) if rims.rims.is_empty() => finder.frames.close_court(court),
            Finder::Loaded(finder) => finder.open_court(rims, &self.ledger),
            Finder::Loading | Finder::None => {}
        }
    }

    /// Works no more at `court`, once the frames that wait are answered; no more may come. True if the
    /// sink will be told of it ([`AnswerSink::court_closed`]), unless the live model is put out before;
    /// false if none is live.
    #[must_use]
    pub fn close_court(&self, court: &CourtId) -> bool {
        let mut roster = self.roster.lock();
        roster.courts.retain(|known| known.court != *court);
        // The live one is the first.
        let told = roster.deciding(self.podium.live()).into_iter();
        let told = told.map(|loaded| loaded.close_court(court)).enumerate();
        let told = told.fold(false, |all, (at, one)| all || (at == 0 && one));
        if let Finder::Loaded(finder) = &roster.finder {
            finder.close_court(court);
        }
        told
    }

    /// How every bundle is doing, for `state/models`.
    #[must_use]
    pub fn status(&self) -> ModelsState {
        let roster = self.roster.lock();
        let stand_in = roster.stand_in.as_ref().map(|stand_in| &*stand_in.loaded.identity);
        let state = |model: &Model| {
            let role = model.loaded().map(|loaded| self.role_of(loaded.key));
            model.state(stand_in, role)
        };
        let bundles = roster.models.iter().map(state).collect();
        let (swap, last_swap) = self.swap_state();
        let kept = self.kept.lock().0.as_ref().map(|name| Foreign::name(name));
        ModelsState { bundles, swap, last_swap, kept, ..ModelsState::default() }
    }

    /// Courts at which nothing is called, with the reason and what to do.
    #[must_use]
    pub fn faults(&self) -> Vec<(CourtId, String)> {
        let roster = self.roster.lock();
        if let Some(live) = roster.deciding(self.podium.live()).first() {
            return live.progress.lock().faults.clone();
        }
        let fault = match roster.next() {
            Some(Next::Model(_, name)) => format!("no calls yet: the model {name} is being loaded"),
            Some(Next::Finder) | None => {
                let why = roster.models.iter().find_map(|model| match &model.outcome {
                    Outcome::Refused(reason) => Some(reason.as_str()),
                    Outcome::Loading(_) | Outcome::Loaded(_) => None,
                });
                let why = why.unwrap_or("`bundles` of [detect] names none");
                format!("no calls: no model could be loaded: {why}")
            }
        };
        roster.courts.iter().map(|court| (court.court.clone(), fault.clone())).collect()
    }

    /// Widths of the rings in the pictures that come now, pixels, as the live model places them.
    #[must_use]
    pub fn rings(&self) -> BTreeMap<CourtId, Vec<f32>> {
        let roster = self.roster.lock();
        let deciding = roster.deciding(self.podium.live());
        deciding.first().map(|live| live.progress.lock().rings.clone()).unwrap_or_default()
    }

    /// The camera of `court` has moved.
    #[must_use]
    pub fn moved(&self, court: &CourtId) -> Option<Moved> {
        self.moved.lock().get(court).copied()
    }

    /// Waits until every model has answered what was left in its hop; the router has closed them.
    /// Not for the finder, which ends after the look at hand, nor for what is being loaded.
    pub fn join(&self) {
        self.end();
        let stand_in = self.roster.lock().stand_in.as_mut().and_then(|one| one.thread.take());
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads.into_iter().map(|(_, thread)| thread).chain(stand_in) {
            if thread.join().is_err() {
                error!("a model's thread panicked outside of its frames");
            }
        }
    }
}

impl std::fmt::Debug for Detect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Detect").field("bundles", &self.settings.bundles).finish_non_exhaustive()
    }
}

impl Next {
    fn name(&self) -> &str {
        match self {
            Self::Model(_, name) => name,
            Self::Finder => RIMFINDER,
        }
    }

    const fn is_finder(&self) -> bool {
        matches!(self, Self::Finder)
    }
}

impl Roster {
    /// What is to be loaded next: bundles in their order, then the finder.
    fn next(&self) -> Option<Next> {
        let loading = |(at, model): (usize, &Model)| {
            matches!(model.outcome, Outcome::Loading(_))
                .then(|| Next::Model(at, model.name.clone()))
        };
        let finder = matches!(self.finder, Finder::Loading).then_some(Next::Finder);
        self.models.iter().enumerate().find_map(loading).or(finder)
    }

    /// A bundle that decides is not there yet.
    fn is_loading(&self) -> bool {
        self.next().is_some_and(|next| !next.is_finder())
    }

    fn put(&mut self, next: &Next, outcome: Result<Loaded, String>) {
        match next {
            Next::Model(at, _) => {
                let Some(model) = self.models.get_mut(*at) else { return };
                model.outcome = match outcome {
                    Ok(loaded) => Outcome::Loaded(Box::new(loaded)),
                    Err(reason) => Outcome::Refused(reason),
                };
            }
            Next::Finder => {
                let loaded = outcome.ok().map(Box::new);
                self.finder = loaded.map_or(Finder::None, Finder::Loaded);
            }
        }
    }

    /// The bundles that loaded; the first is live.
    fn loaded(&self) -> impl Iterator<Item = &Loaded> {
        self.models.iter().filter_map(Model::loaded)
    }

    fn live(&self) -> Option<&Loaded> {
        self.loaded().next()
    }

    /// Who decides, then the others.
    fn deciding(&self, live: Option<ModelKey>) -> Vec<&Loaded> {
        let stand_in = self.stand_in.as_ref().map(|stand_in| &stand_in.loaded);
        let mut all: Vec<&Loaded> = stand_in.into_iter().chain(self.loaded()).collect();
        // In the order in which they came, but for the one.
        all.sort_by_key(|loaded| live.is_some() && loaded.key != live);
        all
    }

    /// A hop of its own for one more model of the bundle `name`: both count.
    fn free_hop(&self, name: &str) -> String {
        let bundle = name.split_once(':').map_or(name, |(bundle, _)| bundle);
        let taken = |hop: &String| self.loaded().any(|loaded| loaded.hop == *hop);
        let hops = (1..).map(|n| match n {
            1 => format!("model:{bundle}"),
            n => format!("model:{bundle}.{n}"),
        });
        // Models are few, so one of the first is free.
        hops.take(64).find(|hop| !taken(hop)).unwrap_or_else(|| format!("model:{bundle}"))
    }

    fn feeds(&self, live: Option<ModelKey>) -> Vec<ModelFeedParts> {
        let finder = match &self.finder {
            Finder::Loaded(finder) => Some(&**finder),
            Finder::Loading | Finder::None => None,
        };
        let feed = |loaded: &Loaded| ModelFeedParts {
            name: loaded.bundle.name.clone(),
            rates: loaded.bundle.rates,
            frames: loaded.frames.clone(),
        };
        self.deciding(live).into_iter().chain(finder).map(feed).collect()
    }

    /// Lets the stand-in go; returns its thread, which has yet to answer what waits.
    fn hand_over(&mut self) -> Option<JoinHandle<()>> {
        let stand_in = self.stand_in.take()?;
        // Before its hop is closed, which is what makes it say that its sessions end.
        stand_in.handed_over.store(true, Ordering::Release);
        stand_in.thread
    }
}

impl Model {
    fn loaded(&self) -> Option<&Loaded> {
        match &self.outcome {
            Outcome::Loaded(loaded) => Some(loaded),
            Outcome::Loading(_) | Outcome::Refused(_) => None,
        }
    }

    fn named_mut(&mut self) -> Option<(&str, &mut Loaded)> {
        match &mut self.outcome {
            Outcome::Loaded(loaded) => Some((&self.name, loaded)),
            Outcome::Loading(_) | Outcome::Refused(_) => None,
        }
    }

    fn state(&self, stand_in: Option<&ModelIdentity>, role: Option<ModelRole>) -> ModelState {
        let nothing_yet = |condition, reason| ModelState {
            name: self.name.clone(),
            version: None,
            condition,
            engine: None,
            reason: Some(Foreign::told(reason)),
            ..ModelState::default()
        };
        let loaded = match &self.outcome {
            Outcome::Loaded(loaded) => loaded,
            Outcome::Refused(reason) => {
                return nothing_yet(ModelCondition::Refused, reason.clone());
            }
            Outcome::Loading(since) => {
                let meanwhile = stand_in.map(|stand_in| {
                    let ModelIdentity { bundle, version, .. } = stand_in;
                    format!(", until it is there {bundle} {version} of the binary decides")
                });
                let (since, meanwhile) = (since.to_rfc3339(), meanwhile.unwrap_or_default());
                let reason = format!("since {since}{meanwhile}");
                return nothing_yet(ModelCondition::Loading, reason);
            }
        };
        let progress = loaded.progress.lock();
        let (inference_ms, own_ms) = (progress.median_ms(), progress.own_ms());
        let (condition, reason) = match &progress.stopped {
            Some(stopped) => (ModelCondition::Stopped, Some(stopped.clone())),
            None => (
                ModelCondition::Ready,
                loaded
                    .over_budget(own_ms)
                    .or_else(|| loaded.kept_waiting(inference_ms, own_ms))
                    .or_else(|| progress.engine.as_ref()?.advice.clone())
                    .or_else(|| loaded.advice.clone()),
            ),
        };
        let engine = progress.engine.as_ref().map(|news| news.engine);
        let engine = engine.unwrap_or(&loaded.identity.engine);
        let file = progress.engine.as_ref().and_then(|news| news.file.as_ref());
        let found = &loaded.bundle.file;
        let (path, precision) =
            file.map_or((&found.path, &found.precision), |file| (&file.path, &file.precision));
        ModelState {
            name: self.name.clone(),
            version: Some(Foreign::name(&loaded.bundle.version)),
            condition,
            engine: Some(Foreign::name(engine)),
            reason: reason.map(Foreign::told),
            inference_ms,
            over_budget: loaded.over_budget(own_ms).is_some(),
            role,
            precision: Some(Foreign::name(precision)),
            file: Some(Foreign::name(path)),
            memory_bytes: loaded.grew_bytes,
        }
    }
}

fn with_rims(courts: &[CourtRims]) -> Vec<CourtRims> {
    courts.iter().filter(|court| !court.rims.is_empty()).cloned().collect()
}

pub(crate) mod swapping;

#[cfg(test)]
mod late;
#[cfg(test)]
mod tests;
