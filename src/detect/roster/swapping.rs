//! Another model decides while the stream runs: asked for, loaded beside the others, taken back.
//!
//! What decides is `swap`, at once and between two looks; here is what takes its time. A bundle is
//! loaded on a thread that nobody waits for, exactly as one that is named in the configuration, then it
//! gets frames as a shadow. What is let go leaves the router at the next [`Detect::tend`].

use std::sync::Arc;
use std::time::Duration;

use crate::answer::ModelIdentity;
use crate::detect::bundle::error::Task;
use crate::detect::loaded::{Loaded, Start, Wanted, load, tell};
use crate::detect::parcel::Version;
use crate::detect::roster::{Detect, Model, Outcome};
use crate::detect::swap::{self, ModelKey, NotNow, Phase, Swaps, Until};
use crate::event::ModelRef;
use crate::event::models::{After, SwapEnded, SwapOrder, SwapState};
use crate::event::words::{ModelRole, SwapOutcome, SwapPhase};
use crate::mailbox::hops;
use crate::media::Foreign;

/// Beside the live one for so long, where attempts are counted (chosen: a quarter has some of it).
const BESIDE: Duration = Duration::from_secs(600);

/// Why a command is refused.
#[derive(Debug, thiserror::Error)]
pub enum SwapRefused {
    /// It makes no sense now.
    #[error("{0}")]
    NotNow(String),
    /// No bundle can be called so.
    #[error(
        "`{name}` names no bundle: write NAME or NAME:PRECISION (of a parcel NAME@VERSION), a name of \
         small letters, digits and '-', a precision of fp32, fp16 or int8"
    )]
    Name {
        /// As it was asked for.
        name: Foreign,
    },
    /// The box is not that far, or ends.
    #[error("the box {0}: ask again in a minute")]
    Busy(&'static str),
}

/// Who has a bundle decide: [`Detect`], for what brings bundles.
pub trait TakesOver: Send + Sync {
    /// As [`Detect::swap`].
    ///
    /// # Errors
    /// [`SwapRefused`].
    fn swap(&self, order: &SwapOrder) -> Result<(), SwapRefused>;
    /// The bundle that decides, by the name that it was asked for.
    fn deciding(&self) -> Option<String>;
    /// Those that are loaded or named for the next start, by their names without precision.
    fn in_use(&self) -> Vec<String>;
}

impl TakesOver for Arc<Detect> {
    fn swap(&self, order: &SwapOrder) -> Result<(), SwapRefused> {
        Detect::swap(self, order)
    }

    fn deciding(&self) -> Option<String> {
        let live = self.podium.live();
        let roster = self.roster.lock();
        let is_live = |model: &&Model| {
            model.loaded().is_some_and(|loaded| loaded.key.is_some() && loaded.key == live)
        };
        roster.models.iter().find(is_live).map(|model| model.name.clone())
    }

    fn in_use(&self) -> Vec<String> {
        let roster = self.roster.lock();
        let loaded = roster.models.iter().map(|model| model.name.clone());
        let kept = self.kept.lock().0.clone();
        let bare = |name: String| match name.split_once(':') {
            Some((name, _)) => name.to_owned(),
            None => name,
        };
        loaded.chain(kept).map(bare).collect()
    }
}

impl From<NotNow> for SwapRefused {
    fn from(why: NotNow) -> Self {
        Self::NotNow(why.to_string())
    }
}

impl Detect {
    /// Has the bundle of `order` loaded and tried beside the one that decides, then decide. Returns at
    /// once: [`status`](Self::status) says how far it is.
    ///
    /// # Errors
    /// [`SwapRefused`]: one at a time; what the bundle itself is refused for stands in the status.
    pub fn swap(self: &Arc<Self>, order: &SwapOrder) -> Result<(), SwapRefused> {
        let name = order.name();
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let precision = order.precision.as_deref().unwrap_or("fp32");
        let (bundle, version) = match order.bundle.split_once('@') {
            Some((bundle, version)) => (bundle, Version::parse(version).is_some()),
            None => (order.bundle.as_str(), true),
        };
        if !(1..=32).contains(&bundle.len())
            || !bundle.bytes().all(plain)
            || !version
            || !["fp32", "fp16", "int8"].contains(&precision)
        {
            return Err(SwapRefused::Name { name: Foreign::name(&name) });
        }
        {
            let roster = self.roster.lock();
            if roster.ended {
                return Err(SwapRefused::Busy("ends"));
            }
            if roster.next().is_some() {
                return Err(SwapRefused::Busy("still loads the models of its configuration"));
            }
        }
        let until = match order.after {
            After::Attempts(attempts) => {
                Until::Attempts { attempts: attempts.into(), time: BESIDE }
            }
            After::Frames(frames) => Until::Frames(frames.into()),
            After::Now => Until::Warm,
        };
        self.podium.tell(|swaps, now, _| swaps.ask(now, &name, until))?;
        *self.keeps.lock() = order.keep.then(|| name.clone());
        self.loading.wakes();
        tracing::info!(model = name, after = ?order.after, "a model is loaded, to decide next");
        let detect = Arc::clone(self);
        let run = move || {
            detect.load_beside(&name);
            detect.loading.rests();
        };
        let spawned = std::thread::Builder::new().name(hops::MODELS.to_owned()).spawn(run);
        if let Err(error) = spawned {
            self.podium.tell(|swaps, now, _| swaps.refused(now, error.to_string()));
            self.loading.rests();
            return Err(SwapRefused::Busy("has no thread left"));
        }
        Ok(())
    }

    /// The model that decided before decides again, from the next look on.
    ///
    /// # Errors
    /// [`SwapRefused::NotNow`]: there is none.
    pub fn swap_back(&self) -> Result<(), SwapRefused> {
        self.podium.tell(Swaps::back)?;
        *self.keeps.lock() = None;
        // Who goes back does not want the other one at the next start either.
        self.keep(None);
        self.tend();
        Ok(())
    }

    /// Takes a swap that is under way back: the model that decides goes on.
    ///
    /// # Errors
    /// [`SwapRefused::NotNow`]: none is under way.
    pub fn swap_cancel(&self) -> Result<(), SwapRefused> {
        self.podium.tell(Swaps::cancel)?;
        self.tend();
        Ok(())
    }

    /// An attempt more was compared.
    pub fn attempted(&self) {
        self.podium.attempted();
    }

    /// What part a model plays that answered.
    #[must_use]
    pub fn role(&self, model: &ModelRef) -> ModelRole {
        let is = |loaded: &&Loaded| {
            // By whichever engine: that may change while it runs.
            let ModelIdentity { bundle, version, precision, .. } = &*loaded.identity;
            (bundle, version, precision) == (&model.bundle, &model.version, &model.precision)
        };
        let roster = self.roster.lock();
        // Of two that are alike, the one that decides.
        let deciding = roster.deciding(self.podium.live());
        let known = deciding.into_iter().find(is);
        known.map_or(ModelRole::Gone, |loaded| self.role_of(loaded.key))
    }

    pub(super) fn role_of(&self, key: Option<ModelKey>) -> ModelRole {
        self.podium.look(|swaps| match key {
            None => ModelRole::Shadow,
            key if key == swaps.live() => ModelRole::Live,
            key if key == swaps.previous() => ModelRole::Previous,
            key if key == swaps.candidate() => ModelRole::Candidate,
            Some(_) => ModelRole::Shadow,
        })
    }

    /// What was chosen for the next start, where that has changed since this was last asked.
    #[must_use]
    pub fn newly_kept(&self) -> Option<Option<String>> {
        let mut kept = self.kept.lock();
        std::mem::take(&mut kept.1).then(|| kept.0.clone())
    }

    fn keep(&self, name: Option<String>) {
        let mut kept = self.kept.lock();
        if kept.0 != name {
            *kept = (name, true);
        }
    }

    /// Does what has become due: time goes on, and what is of no use any more is let go. Four times a
    /// second, and after each command.
    pub fn tend(&self) {
        let settled = self.podium.tell(|swaps, now, steps| {
            swaps.tick(now, steps).then(|| swaps.last().map(|last| last.name.clone())).flatten()
        });
        if let Some(name) = settled {
            tracing::info!(model = name, "a model that was swapped in has done well for a minute");
            let wanted = self.keeps.lock().take_if(|keeps| *keeps == name);
            if wanted.is_some() {
                self.keep(wanted);
            }
        }
        let gone = self.podium.gone();
        if gone.is_empty() {
            return;
        }
        let is_gone = |key: Option<ModelKey>| key.is_some_and(|key| gone.contains(&key));
        let left = {
            let mut roster = self.roster.lock();
            let goes = |model: &Model| model.loaded().is_some_and(|loaded| is_gone(loaded.key));
            let (left, stays) = std::mem::take(&mut roster.models).into_iter().partition(goes);
            roster.models = stays;
            // It ends by itself; one that hangs holds up nobody.
            self.threads.lock().retain(|(key, _)| !is_gone(*key));
            if let Some(late) = &mut *self.late.lock() {
                (late.joined.switched)(roster.feeds(self.podium.live()));
            }
            let left: Vec<Model> = left;
            left
        };
        for model in left {
            tracing::info!(model = model.name, "a model is let go");
        }
    }

    /// Loads a bundle and lets it answer beside the others.
    fn load_beside(&self, name: &str) {
        let engines = self.late.lock().as_ref().map(|late| Arc::clone(&late.engines));
        let outcome = match engines {
            Some(engines) => {
                let hop = self.roster.lock().free_hop(name);
                let wanted = Wanted { name, task: Task::Rim, hop: Some(hop) };
                load(&wanted, &self.settings, &[], &self.ledger, &*engines)
            }
            None => Err("the box is not ready".to_owned()),
        };
        let mut roster = self.roster.lock();
        if roster.ended {
            return;
        }
        tell(name, &outcome);
        let started = outcome.and_then(|loaded| self.start_beside(&mut roster, loaded));
        match started {
            Ok(loaded) => {
                let key = loaded.key;
                let outcome = Outcome::Loaded(Box::new(loaded));
                roster.models.push(Model { name: name.to_owned(), outcome });
                if let Some(late) = &mut *self.late.lock() {
                    (late.joined.switched)(roster.feeds(self.podium.live()));
                }
                drop(roster);
                let wanted = self.podium.tell(|swaps, now, steps| {
                    let wanted = key.is_some_and(|key| swaps.loaded(now, key, steps));
                    if let Some(key) = key.filter(|_| !wanted) {
                        steps.push(swap::Step::LetGo(key));
                    }
                    wanted
                });
                if !wanted {
                    self.tend();
                }
            }
            Err(why) => self.podium.tell(|swaps, now, _| swaps.refused(now, why)),
        }
    }

    fn start_beside(
        &self,
        roster: &mut crate::detect::roster::Roster,
        mut loaded: Loaded,
    ) -> Result<Loaded, String> {
        roster.courts.iter().for_each(|court| loaded.open_court(court, &self.ledger));
        let key = self.podium.key();
        let outlets = loaded.seated(&self.podium, key, &self.moved);
        let mut late = self.late.lock();
        let meters = late.as_mut().map(|late| (late.joined.meters)(&loaded.identity));
        let how = Start { outlets: &outlets, after: None };
        let thread = loaded.start(&[], &self.clock, how, meters.unwrap_or_default());
        let thread = thread.map_err(|error| format!("start a model's thread: {error}"))?;
        self.threads.lock().extend(thread.map(|thread| (Some(key), thread)));
        Ok(loaded)
    }

    /// How far a swap is, and how the last one went.
    pub(super) fn swap_state(&self) -> (Option<SwapState>, Option<SwapEnded>) {
        let now = self.clock.monotonic();
        self.podium.look(|swaps| {
            let under_way = swaps.under_way().map(|under_way| {
                let (phase, since, frames, attempts) = match under_way.phase {
                    Phase::Loading { since } => (SwapPhase::Loading, since, 0, 0),
                    Phase::Shadow { since, frames, attempts, .. } => {
                        (SwapPhase::Shadow, since, frames, attempts)
                    }
                };
                let seconds = now.since(since).as_secs();
                let few = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
                let after = match under_way.until {
                    Until::Attempts { attempts, .. } => After::Attempts(few(attempts)),
                    Until::Frames(frames) => After::Frames(few(frames)),
                    Until::Warm => After::Now,
                };
                let bundle = Foreign::name(&under_way.name);
                SwapState { bundle, phase, seconds, frames, attempts, after }
            });
            let last = swaps.last().map(|last| SwapEnded {
                bundle: Foreign::name(&last.name),
                outcome: match last.outcome {
                    swap::Outcome::Switched => SwapOutcome::Switched,
                    swap::Outcome::RolledBack => SwapOutcome::RolledBack,
                    swap::Outcome::Failed => SwapOutcome::Failed,
                    swap::Outcome::Cancelled => SwapOutcome::Cancelled,
                    swap::Outcome::Back => SwapOutcome::Back,
                },
                seconds_ago: now.since(last.at).as_secs(),
                reason: last.why.as_ref().map(Foreign::told),
            });
            (under_way, last)
        })
    }
}

#[cfg(test)]
mod tests;
