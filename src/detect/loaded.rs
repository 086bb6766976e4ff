//! One bundle, from its name to a thread that answers: found, tried, its engine made, started.
//!
//! What is in the binary is ours. What lies on disk is anybody's: it is first tried apart
//! ([`Engines::try_apart`]), and what passes is loaded from the very bytes that were tried.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tracing::{error, info, warn};

use crate::answer::ModelIdentity;
use crate::clock::Clock;
use crate::detect::bundle::error::{BundleError, ManifestPlace, Task};
use crate::detect::bundle::files::DEFAULT_PRECISION;
use crate::detect::bundle::{self, Bundle};
use crate::detect::embedded::IN_THE_BINARY;
use crate::detect::engine::contract::{Engine, Engines};
use crate::detect::engine::trial::try_out;
use crate::detect::podium::Podium;
use crate::detect::progress::{ModelMeters, Progress};
use crate::detect::ring::moved::MovedCameras;
use crate::detect::settings::DetectSettings;
use crate::detect::swap::ModelKey;
use crate::detect::tasks::{Outlets, hop_of, identity_of, thread_of};
use crate::detect::worker::{Worker, WorkerParts};
use crate::disk::read_regular_text;
use crate::mailbox::{FrameMailbox, Ledger};
use crate::media::{CourtId, CourtRims, Foreign};

/// A bundle with its engine, and the hop by which it gets frames.
pub(crate) struct Loaded {
    pub(crate) bundle: Arc<Bundle>,
    pub(crate) identity: Arc<ModelIdentity>,
    /// Of its hop, in the ledger.
    pub(crate) hop: String,
    pub(crate) frames: FrameMailbox,
    pub(crate) progress: Arc<Mutex<Progress>>,
    /// What its owner should know though it runs.
    pub(crate) advice: Option<String>,
    /// Who it is, once it speaks.
    pub(crate) key: Option<ModelKey>,
    /// Bytes by which the process grew when it was loaded; whatever else grew meanwhile is in it.
    pub(crate) grew_bytes: Option<u64>,
    /// Here until its thread starts.
    pub(crate) engine: Option<Box<dyn Engine>>,
}

/// What a bundle is loaded for.
pub(crate) struct Wanted<'a> {
    pub(crate) name: &'a str,
    pub(crate) task: Task,
    /// Its hop, if not the usual one.
    pub(crate) hop: Option<String>,
}

/// How a model is started.
pub(crate) struct Start<'a> {
    pub(crate) outlets: &'a Outlets,
    /// What must end before it says its first word.
    pub(crate) after: Option<JoinHandle<()>>,
}

/// Finds the bundle `name`, for `task`; `name:precision` names its file of another precision,
/// `name@version` the one in a parcel.
pub(crate) fn find(
    name: &str,
    task: Task,
    settings: &DetectSettings,
) -> Result<Bundle, BundleError> {
    let (full, precision) = name.split_once(':').unwrap_or((name, DEFAULT_PRECISION));
    let found = match name.split_once(':') {
        _ if full.contains('@') => match &settings.parcels {
            Some(parcels) => parcels.bundle(full, precision),
            None => {
                let (name, searched) = (full.to_owned(), "no parcels".to_owned());
                Err(BundleError::NotFound { name, searched })
            }
        },
        None => bundle::find(name, &settings.search, IN_THE_BINARY),
        Some((name, precision)) => {
            bundle::find_as(name, precision, &settings.search, IN_THE_BINARY)
        }
    };
    found.and_then(|bundle| bundle.for_task(task))
}

/// True if loading the bundle `name` is no risk and needs no trial apart: it is in the binary alone, or
/// word for word the one in the binary, or it is nowhere.
pub(crate) fn is_ours(name: &str, settings: &DetectSettings) -> bool {
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    !name.contains('@') && bundle::is_embedded(name, &settings.search, IN_THE_BINARY)
}

/// Loads what is `wanted`, at `courts`; the reason, if that cannot be.
pub(crate) fn load(
    wanted: &Wanted<'_>,
    settings: &DetectSettings,
    courts: &[CourtRims],
    ledger: &Ledger,
    engines: &dyn Engines,
) -> Result<Loaded, String> {
    let Wanted { name, task, hop } = wanted;
    let bundle = find(name, *task, settings).map_err(|error| Foreign::error(&error).to_string())?;
    if !bundle.is_word_for_word(IN_THE_BINARY) {
        engines.try_apart(&bundle)?;
    }
    let before = resident_bytes();
    let mut engine =
        engines.engine_for(&bundle).map_err(|error| Foreign::error(&error).to_string())?;
    // What is in the binary is tried by its tests. The one that decides is tried all the same, which
    // warms its caches; a look at a whole picture would leave 8 MB with the thread that loads.
    if *task == Task::Rim || !matches!(bundle.place, ManifestPlace::Embedded(_)) {
        try_out(engine.as_mut(), &bundle)?;
    }
    let identity = Arc::new(identity_of(&bundle, engine.name()));
    // A parcel may be beside a bundle of the same name.
    let of_parcel = || name.split(':').next().filter(|full| full.contains('@'));
    let hop = hop.clone().or_else(|| of_parcel().map(|full| format!("model:{full}")));
    let hop = hop.unwrap_or_else(|| hop_of(&bundle));
    let ids: Vec<CourtId> = courts.iter().map(|court| court.court.clone()).collect();
    let bound = bundle.queue_frames.max(settings.least_queue_frames);
    let frames = FrameMailbox::new(&ids, bound, |court| ledger.hop(court.as_str(), &hop));
    // Nothing falls to a slower engine in silence (DESIGN §5.6).
    let offered = engines.found().iter().any(|found| settings.device.starts_with(found.name));
    let advice = (!["auto", "cpu"].contains(&settings.device.as_str()) && !offered).then(|| {
        format!(
            "`device = \"{}\"` of [detect] is asked for, but this binary has no engine for it: `{}` \
             runs it",
            settings.device, identity.engine
        )
    });
    let engine = Some(engine);
    let progress = Arc::default();
    let bundle = Arc::new(bundle);
    let grew_bytes = before.zip(resident_bytes()).map(|(before, now)| now.saturating_sub(before));
    Ok(Loaded { bundle, identity, hop, frames, progress, advice, key: None, grew_bytes, engine })
}

/// What the process has in memory now, bytes; `None` where the kernel does not say.
fn resident_bytes() -> Option<u64> {
    let text = read_regular_text(Path::new("/proc/self/status"), 64 << 10).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Says in the log what became of the bundle `name`.
pub(crate) fn tell(name: &str, outcome: &Result<Loaded, String>) {
    match outcome {
        Ok(loaded) => {
            let engine = &loaded.identity.engine;
            let (version, place) = (&loaded.bundle.version, &loaded.bundle.place);
            let file = &loaded.bundle.file.path;
            info!(model = %name, version, %place, file, engine, "model ready");
            if let Some(advice) = &loaded.advice {
                warn!(model = %name, advice, "model runs, but");
            }
        }
        Err(reason) => error!(model = %name, reason, "model refused"),
    }
}

impl Loaded {
    pub(crate) fn open_court(&self, rims: &CourtRims, ledger: &Ledger) {
        let tally = ledger.hop(rims.court.as_str(), &self.hop);
        self.frames.open_court(rims.clone(), &tally);
        let mut progress = self.progress.lock();
        if let Some(reason) = progress.stopped.clone() {
            progress.set_fault(&rims.court, Some(format!("no calls: {reason}")));
        }
    }

    /// Takes no more frames of `court`. True, if it will be told that it has none left.
    pub(crate) fn close_court(&self, court: &CourtId) -> bool {
        // Under the lock: a model is put out before it lets go of its hop, or after this.
        let mut progress = self.progress.lock();
        self.frames.close_court(court);
        if progress.stopped.is_some() {
            // Nobody reads the hop any more.
            progress.forget(court);
        }
        progress.stopped.is_none()
    }

    /// Starts its thread, once. None where its engine has no room for the courts: it is stopped then.
    pub(crate) fn start(
        &mut self,
        courts: &[CourtRims],
        clock: &Arc<dyn Clock>,
        how: Start<'_>,
        meters: ModelMeters,
    ) -> io::Result<Option<JoinHandle<()>>> {
        let Some(engine) = self.engine.take() else { return Ok(None) };
        let made = Worker::new(WorkerParts {
            bundle: Arc::clone(&self.bundle),
            identity: Arc::clone(&self.identity),
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
                let after = how.after;
                let run = move || {
                    if after.is_some_and(|before| before.join().is_err()) {
                        error!("a model's thread panicked outside of its frames");
                    }
                    worker.run();
                };
                thread.spawn(run).map(Some)
            }
            Err(why) => {
                error!(model = %self.bundle.name, %why, "model cannot be started");
                let reason = format!("{why}: fewer courts a box, or another bundle");
                self.progress.lock().stopped = Some(reason);
                self.frames.abandon();
                Ok(how.after)
            }
        }
    }

    /// What it says goes to its seat; its outlets.
    pub(crate) fn seated(
        &mut self,
        podium: &Arc<Podium>,
        key: ModelKey,
        moved: &MovedCameras,
    ) -> Outlets {
        self.key = Some(key);
        let seat = podium.seat(key, &self.identity, self.bundle.budget_ms);
        Outlets { sink: Arc::new(seat.clone()), moved: Arc::clone(moved), seat: Some(seat) }
    }

    /// What is told of a model that takes longer than its budget by itself, whatever else runs.
    pub(crate) fn over_budget(&self, own_ms: Option<f64>) -> Option<String> {
        let budget = self.bundle.budget_ms;
        let took = own_ms.filter(|took| *took > budget)?;
        Some(format!(
            "takes {took:.1} ms a picture and rim, its budget is {budget} ms: use a smaller model, \
             fewer courts a box, or a faster machine"
        ))
    }

    /// What is told of one that would keep to its budget, had it the core.
    pub(crate) fn kept_waiting(&self, took_ms: Option<f64>, own_ms: Option<f64>) -> Option<String> {
        kept_waiting(self.bundle.budget_ms, took_ms?, own_ms?)
    }
}

fn kept_waiting(budget: f64, took: f64, own: f64) -> Option<String> {
    (took > budget && own <= budget).then(|| {
        format!(
            "takes {took:.1} ms a picture and rim, {own:.1} ms of them its own, its budget is {budget} ms: the \
             machine is busy with something else: end that (`top` shows it), the model is not too large"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::kept_waiting;

    #[test]
    fn a_busy_machine_is_no_fault_of_a_models() {
        let told = kept_waiting(3.0, 42.8, 2.4).expect("told");
        assert!(
            told.starts_with("takes 42.8 ms a picture and rim, 2.4 ms of them its own"),
            "{told}"
        );
        assert!(!told.contains("smaller"), "{told}");
        assert_eq!(kept_waiting(3.0, 2.5, 2.4), None);
        assert_eq!(kept_waiting(3.0, 42.8, 40.0), None, "that one is too large");
    }
}
