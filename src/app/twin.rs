//! The configuration twin of a running box: what is wanted is judged, kept, applied, watched and told.
//!
//! One task owns it, so that one change is made at a time. What is taken goes to disk first and into force
//! then (`config/twin` says why), the hot keys and the courts at once, each court by itself; what waits
//! for a restart is told. Then the task looks, once a second, whether the broker is still reached, and goes
//! back if it is not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use crate::app::claiming::Home;
use crate::app::courts::Courts;
use crate::broker::Access;
use crate::clock::Ticks;
use crate::config::twin::{Came, Circumstances, Ended, LOST, Store, Twin, Wanted, Watching, hash};
use crate::config::{
    Begun, Config, CourtConfig, DESIRED_MOST_BYTES, Overlay, Site, SiteRims, keys, names_floor,
    names_rims, plan,
};
use crate::event::twin::{Change, ConfigDesired, ConfigReported, DesiredTold, Refusal};
use crate::event::words::{Applies, DesiredOutcome};
use crate::floor::FloorDrawn;
use crate::health;
use crate::media::{CourtId, Foreign, Monotonic};

/// How often a trial is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Whoever counts higher does not count: the next one could not be written as a number of JSON.
const REVISION_MOST: u64 = (1 << 53) - 1;
/// Configurations that may wait to be judged; whoever comes then is told so.
const WAITING: usize = 4;

/// What came, and who waits to hear what became of it.
enum Ask {
    /// A configuration.
    Wanted(Bytes, oneshot::Sender<DesiredTold>),
    /// One that could not be kept, and why.
    Unkept(Foreign, oneshot::Sender<DesiredTold>),
    /// What of a court was confirmed in its picture.
    Seen(CourtId, Seen, oneshot::Sender<Result<(), Foreign>>),
}

/// What somebody confirms in a picture.
pub(crate) enum Seen {
    /// Where its rims are.
    Rims(SiteRims),
    /// Where its floor lies.
    Floor(FloorDrawn),
}

/// Gives a running box a configuration that is wanted, and says what is in force. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct TwinDesk {
    asks: mpsc::Sender<Ask>,
    reported: Arc<Mutex<Arc<ConfigReported>>>,
}

/// Of the keeper, until it is made.
pub(crate) struct Seat {
    asks: mpsc::Receiver<Ask>,
    reported: Arc<Mutex<Arc<ConfigReported>>>,
}

impl TwinDesk {
    /// Of a box that begins.
    pub(crate) fn new(begun: &Begun) -> (Self, Seat) {
        let (asks, asked) = mpsc::channel(WAITING);
        let reported = reported(&begun.twin, &begun.config, &begun.config);
        let reported = Arc::new(Mutex::new(Arc::new(reported)));
        (Self { asks, reported: Arc::clone(&reported) }, Seat { asks: asked, reported })
    }

    /// As in `config/reported`.
    pub(crate) fn reported(&self) -> Arc<ConfigReported> {
        Arc::clone(&self.reported.lock())
    }

    /// Judges a `config/desired` and applies it; what became of it. `None` while too many wait, or once
    /// the box ends.
    pub(crate) async fn wanted(&self, body: Bytes) -> Option<DesiredTold> {
        let (told, hears) = oneshot::channel();
        self.asks.try_send(Ask::Wanted(body, told)).ok()?;
        hears.await.ok()
    }

    /// The same for one that came over MQTT: nobody would send it again, so it waits for its turn.
    pub(crate) async fn waits(&self, body: Bytes) -> Option<DesiredTold> {
        let (told, hears) = oneshot::channel();
        self.asks.send(Ask::Wanted(body, told)).await.ok()?;
        hears.await.ok()
    }

    /// Tells that a `config/desired` came whose bytes are not kept, and why.
    pub(crate) async fn unkept(&self, why: Foreign) -> Option<DesiredTold> {
        let (told, hears) = oneshot::channel();
        self.asks.send(Ask::Unkept(why, told)).await.ok()?;
        hears.await.ok()
    }

    /// Has a court take what somebody confirmed in its picture, in force once this is through.
    ///
    /// # Errors
    /// Why not, and what to do; then nothing has changed.
    pub(crate) async fn confirm(&self, court: CourtId, seen: Seen) -> Result<(), Foreign> {
        let busy = || Foreign::told("another configuration is being taken: ask again in a moment");
        let (told, hears) = oneshot::channel();
        self.asks.try_send(Ask::Seen(court, seen, told)).map_err(|_| busy())?;
        hears.await.map_err(|_| Foreign::told("the box ends"))?
    }
}

/// See the module.
pub(crate) struct TwinKeeper {
    begun: Begun,
    store: Store,
    courts: Courts,
    /// Where the box goes with the identity that it was given, where no broker is configured.
    home: Home,
    /// What the box runs with; what waits for a restart is not in it.
    running: Config,
    /// What a start would run with.
    next: Config,
    /// While something is on trial.
    watching: Option<Watching>,
    /// This run began with what had waited for a start.
    started: bool,
    /// A session with the broker up to this number is one of before the change.
    before: u64,
    /// When the broker was reached last.
    reached: Option<Monotonic>,
    asks: mpsc::Receiver<Ask>,
    reported: Arc<Mutex<Arc<ConfigReported>>>,
    /// Has the box end and begin anew.
    again: watch::Sender<bool>,
}

impl std::fmt::Debug for TwinKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TwinKeeper({:?})", self.begun.twin)
    }
}

impl TwinKeeper {
    /// Of a box that runs with what it began with.
    pub(crate) fn new(
        begun: Begun,
        seat: Seat,
        courts: Courts,
        home: Home,
        again: watch::Sender<bool>,
    ) -> Self {
        let Seat { asks, reported } = seat;
        let config = begun.config.clone();
        let trial = begun.twin.trial.unwrap_or_default();
        let started = trial.waits && trial.starts > 0;
        let now = courts.beside().world.clock.monotonic();
        let watching = (trial.link || started).then(|| Watching::begin(trial.link, now));
        Self {
            store: Store::of(&config.appliance.data_dir),
            courts,
            home,
            running: config.clone(),
            next: config,
            watching,
            started,
            before: 0,
            reached: None,
            asks,
            reported,
            again,
            begun,
        }
    }

    /// Runs until `stopped` turns to true.
    pub(crate) async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        self.tell();
        let mut ticks = Ticks::new(&self.courts.beside().world.clock, LOOK);
        loop {
            tokio::select! {
                () = ticks.tick() => self.look().await,
                // Whoever asked may have gone: it is done all the same.
                Some(ask) = self.asks.recv() => match ask {
                    Ask::Wanted(body, told) => drop(told.send(self.came(&body).await)),
                    Ask::Unkept(why, told) => {
                        let twin = self.begun.twin.unreadable(0, why);
                        drop(told.send(self.passed_over(twin).await));
                    }
                    Ask::Seen(court, seen, told) => {
                        drop(told.send(self.confirmed(&court, seen).await));
                    }
                },
                () = async { drop(stopped.wait_for(|told| *told).await) } => break,
            }
        }
    }

    fn now(&self) -> Monotonic {
        self.courts.beside().world.clock.monotonic()
    }

    /// What a start would run with, as a claimed box has it: the name that it was given counts then too, so
    /// another one waits for nothing.
    fn with(&self, site: &Site, overlay: &Overlay) -> Result<Config, Vec<Refusal>> {
        let mut config = self.begun.source.with(site, overlay)?;
        if config.uplink.broker.is_none() && self.home.access().is_some() {
            config.appliance.name = self.running.appliance.name.clone();
        }
        Ok(config)
    }

    /// A `config/desired` as it came.
    async fn came(&mut self, body: &[u8]) -> DesiredTold {
        let wanted = match read(body) {
            Ok(wanted) => wanted,
            Err((revision, reason)) => {
                let twin = self.begun.twin.unreadable(revision, reason);
                return self.passed_over(twin).await;
            }
        };
        self.reaches();
        let checked = self.with(&self.begun.twin.site, &wanted.overlay);
        let circumstances = Circumstances {
            checked: Some(match &checked {
                Ok(config) => Ok(plan(&self.running, config)),
                Err(errors) => Err(errors.clone()),
            }),
            has_broker: self.reached.is_some_and(|at| self.now().since(at) < LOST),
        };
        let revision = wanted.revision;
        match (self.begun.twin.came(wanted, circumstances), checked) {
            (Came::Taken(twin), Ok(config)) => self.taken(*twin, config).await,
            (Came::Refused(twin) | Came::Taken(twin), _) => {
                if twin.seen > self.begun.twin.seen {
                    self.refused(*twin).await
                } else {
                    self.passed_over(*twin).await
                }
            }
            (Came::Known, _) => self.begun.twin.told.clone().unwrap_or(DesiredTold {
                revision,
                outcome: DesiredOutcome::Applied,
                errors: Vec::new(),
            }),
        }
    }

    async fn refused(&mut self, twin: Twin) -> DesiredTold {
        let told = twin.told.clone().unwrap_or_else(nothing);
        self.tell_refused(twin, told).await
    }

    async fn passed_over(&mut self, twin: Twin) -> DesiredTold {
        let told = twin.passed_over.clone().unwrap_or_else(nothing);
        self.tell_refused(twin, told).await
    }

    async fn tell_refused(&mut self, twin: Twin, told: DesiredTold) -> DesiredTold {
        for Refusal { path, reason } in &told.errors {
            tracing::warn!(revision = told.revision, %path, %reason, "a configuration is refused");
        }
        // What cannot be kept of a refusal is told all the same; after a restart it would be again.
        drop(self.keep(twin).await);
        self.tell();
        told
    }

    /// What somebody confirmed comes into force, under what is wanted.
    async fn confirmed(&mut self, court: &CourtId, seen: Seen) -> Result<(), Foreign> {
        let before = self.begun.twin.clone();
        let Wanted { revision, overlay } = &before.force;
        let (named, what) = match &seen {
            Seen::Rims(_) => {
                (names_rims(overlay, court.as_str()), format!("what the rims of {court} are"))
            }
            Seen::Floor(_) => {
                (names_floor(overlay, court.as_str()), format!("where the floor of {court} lies"))
            }
        };
        if named {
            return Err(Foreign::told(format_args!(
                "config/desired (revision {revision}) says {what}: change them there, or leave them out there \
                 and confirm these again"
            )));
        }
        let twin = match seen {
            Seen::Rims(rims) => before.with_rims(court.as_str(), rims),
            Seen::Floor(floor) => before.with_floor(court.as_str(), floor),
        };
        let config = self.with(&twin.site, overlay).map_err(|errors| {
            let lines: Vec<_> =
                errors.iter().map(|error| format!("{}: {}", error.path, error.reason)).collect();
            Foreign::told(lines.join("; "))
        })?;
        let disk = |error| {
            Foreign::told(format_args!(
                "they cannot be kept ({error}): mend the disk, then confirm them again"
            ))
        };
        self.keep(twin).await.map_err(disk)?;
        let next = self.next.clone();
        if let Err(reason) = self.apply(config).await {
            self.keep(before).await.map_err(disk)?;
            let back = self.apply(next).await;
            self.tell();
            return back.and(Err(reason));
        }
        tracing::info!(%court, "what was confirmed in the picture comes into force");
        self.tell();
        Ok(())
    }

    async fn taken(&mut self, twin: Twin, config: Config) -> DesiredTold {
        let revision = twin.force.revision;
        if let Err(error) = self.keep(twin).await {
            // Not applied either: after a power cut it would not be there.
            let reason = format!("it cannot be kept ({error}): mend the disk, then send it again");
            let refusal = Refusal { path: Foreign::told("config"), reason: Foreign::told(reason) };
            let (outcome, errors) = (DesiredOutcome::Refused, vec![refusal]);
            return DesiredTold { revision, outcome, errors };
        }
        tracing::info!(revision, "a configuration from afar comes into force");
        if let Err(reason) = self.apply(config).await {
            self.go_back(reason).await;
        }
        let trial = self.begun.twin.trial.unwrap_or_default();
        let started = self.started && trial.waits;
        let begin = || Watching::begin(trial.link, self.now());
        self.watching = (trial.link || started).then(begin);
        self.tell();
        self.begun.twin.told.clone().unwrap_or_else(nothing)
    }

    /// Whether the broker that is configured is reached now.
    fn reaches(&mut self) -> bool {
        let status = self.courts.beside().uplink.status();
        let connected = status.connected && status.session > self.before;
        if connected {
            self.reached = Some(self.now());
        }
        connected
    }

    /// Looks whether what is on trial holds.
    async fn look(&mut self) {
        let (now, connected) = (self.now(), self.reaches());
        let ended = self.watching.as_mut().and_then(|watching| watching.look(now, connected));
        match ended {
            None => {}
            Some(Ended::Held) => {
                self.watching = None;
                let held = self.begun.twin.held(self.started);
                self.started = false;
                tracing::info!(revision = held.force.revision, "the configuration holds");
                if let Err(error) = self.keep(held).await {
                    tracing::error!(%error, "that it holds is not kept: it is on trial after a restart");
                }
                self.tell();
            }
            Some(Ended::Lost) => {
                let fault = self.courts.beside().uplink.status().fault;
                let why = fault.map_or_else(String::new, |fault| format!(": {fault}"));
                let reason =
                    format!("the broker was not reached for {} s with it{why}", LOST.as_secs());
                self.go_back(Foreign::told(reason)).await;
                self.tell();
            }
        }
    }

    /// Undoes what is in force: the last good one is applied.
    async fn go_back(&mut self, reason: Foreign) {
        self.watching = None;
        let twin = self.begun.twin.undone(&reason);
        tracing::error!(
            %reason, undone = self.begun.twin.force.revision, revision = twin.force.revision,
            "a configuration is undone: the one before it comes into force"
        );
        let config = self.with(&twin.site, &twin.force.overlay);
        if let Err(error) = self.keep(twin).await {
            tracing::error!(%error, "that it is undone is not kept: after a restart it is on trial again");
        }
        let config = match config {
            Ok(config) => config,
            Err(errors) => {
                tracing::error!(?errors, "the configuration before it does not fit any more");
                return;
            }
        };
        if let Err(reason) = self.apply(config).await {
            tracing::error!(%reason, "the configuration before it is not wholly in force: restart the box");
        }
        let waits = plan(&self.running, &self.next);
        if self.started && waits.iter().any(|change| change.applies == Applies::Restart) {
            tracing::warn!("the box begins anew, with what it goes back to");
            self.again.send_replace(true);
        }
        self.started = false;
    }

    /// To disk, off the network's threads.
    async fn keep(&mut self, twin: Twin) -> std::io::Result<()> {
        if twin == self.begun.twin {
            return Ok(());
        }
        let (disk, store) = (Arc::clone(&self.courts.beside().world.disk), self.store.clone());
        let kept = twin.clone();
        let written = tokio::task::spawn_blocking(move || store.write(&*disk, &kept)).await;
        written.map_err(std::io::Error::other).flatten()?;
        self.begun.twin = twin;
        Ok(())
    }

    /// Brings the hot and the stream keys into force. A court that cannot be built is told; the others
    /// are as they should be.
    async fn apply(&mut self, config: Config) -> Result<(), Foreign> {
        let changes = plan(&self.running, &config);
        if config.health.log != self.running.health.log {
            health::set_log(&config.health.log);
        }
        self.courts.beside().pace.set(config.http.read_bytes_per_second);
        self.courts.beside().home.switch(config.uplink.home_assistant);
        let access = Access::of(&config.uplink).or_else(|| self.home.access());
        let was = Access::of(&self.running.uplink).or_else(|| self.home.access());
        if let Some(access) = access.filter(|access| was.as_ref() != Some(access)) {
            let uplink = &self.courts.beside().uplink;
            self.before = uplink.status().session;
            uplink.redirect(access);
        }
        let applied = self.apply_courts(&changes, &config).await;
        self.running = self.running.with_live_keys_of(&config);
        self.next = config;
        applied
    }

    async fn apply_courts(&self, changes: &[Change], config: &Config) -> Result<(), Foreign> {
        let of = |config: &'_ Config, name: &str| -> Option<CourtConfig> {
            config.courts.iter().find(|court| court.name.as_str() == name).cloned()
        };
        // Of a court that is built anew nothing else is to be done.
        let mut anew: BTreeSet<&str> = BTreeSet::new();
        let mut hot: BTreeSet<&str> = BTreeSet::new();
        for change in changes {
            let Some(rest) = change.path.strip_prefix("court.") else { continue };
            let name = rest.split('.').next().unwrap_or(rest);
            match change.applies {
                Applies::Hot => hot.insert(name),
                _ => anew.insert(name),
            };
        }
        let courts = &self.courts;
        for name in hot.difference(&anew) {
            let Some(court) = of(config, name) else { continue };
            courts.beside().anchors.camera_delay(&court.name, court.camera_delay);
            courts.beside().relays.set(&court.name, &court.relays);
        }
        // Those that go or take another key first: so two may change theirs for each other's.
        let mut fresh = Vec::new();
        let mut errors = Vec::new();
        let mut failed = |name: &str, error: &dyn std::error::Error| {
            errors.push(format!("court.{name}: {}", Foreign::error(error)));
        };
        for name in anew {
            match (of(&self.running, name), of(config, name)) {
                (Some(was), Some(court)) if was.stream_key == court.stream_key => {
                    if let Err(error) = courts.change(&court).await {
                        failed(name, &error);
                    }
                }
                (was, court) => {
                    if let Some(was) = was
                        && let Err(error) = courts.remove(&was.name).await
                    {
                        failed(name, &error);
                    }
                    fresh.extend(court);
                }
            }
        }
        for court in fresh {
            if let Err(error) = courts.add(&court).await {
                failed(court.name.as_str(), &error);
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(Foreign::told(errors.join("; "))) }
    }

    /// Tells the world, where it changed.
    fn tell(&self) {
        let reported = reported(&self.begun.twin, &self.running, &self.next);
        match serde_json::to_value(&reported) {
            Ok(json) => self.courts.beside().uplink.set_reported(&json),
            Err(error) => tracing::error!(%error, "what is in force cannot be told"),
        }
        *self.reported.lock() = Arc::new(reported);
    }
}

fn nothing() -> DesiredTold {
    DesiredTold { revision: 0, outcome: DesiredOutcome::Refused, errors: Vec::new() }
}

/// What is told of it.
pub(crate) fn reported(twin: &Twin, running: &Config, next: &Config) -> ConfigReported {
    let config = running.to_json();
    let mut waiting = plan(running, next);
    waiting.retain(|change| change.applies == Applies::Restart);
    ConfigReported {
        revision: twin.force.revision,
        seen: twin.seen,
        hash: hash(&config),
        config,
        waiting,
        desired: twin.told.clone(),
        passed_over: twin.passed_over.clone(),
        applies: keys().iter().map(|(path, key)| (path.clone(), key.applies)).collect(),
    }
}

/// Reads a `config/desired`; else its revision, where it names one, and why not. Nothing of what stands
/// in it is quoted: it may be a secret.
pub(crate) fn read(body: &[u8]) -> Result<Wanted, (u64, Foreign)> {
    if body.len() > DESIRED_MOST_BYTES {
        let text = format!("longer than {DESIRED_MOST_BYTES} bytes: no configuration is");
        return Err((0, Foreign::told(text)));
    }
    let desired: ConfigDesired = serde_json::from_slice(body).map_err(|error| {
        let text = format!(
            "not of the form {{\"revision\": 1, \"config\": {{}}}}: look at line {}, column {}",
            error.line(),
            error.column()
        );
        (0, Foreign::told(text))
    })?;
    let revision = desired.revision;
    if !(1..=REVISION_MOST).contains(&revision) {
        let text =
            format!("`revision` is out of range: count up from 1, to {REVISION_MOST} at most");
        return Err((revision, Foreign::told(text)));
    }
    let overlay = Overlay::new(desired.config).map_err(|refusal| (revision, refusal.reason))?;
    Ok(Wanted { revision, overlay })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_refused_without_a_word_of_it() {
        for (body, revision) in [
            (&b""[..], 0),
            (b"planted-secret", 0),
            (b"{\"revision\": \"planted-secret\", \"config\": {}}", 0),
            (b"{\"revision\": -1, \"config\": {}}", 0),
            (b"{\"revision\": 3}", 0),
            (b"{\"revision\": 0, \"config\": {}}", 0),
            (b"{\"revision\": 9007199254740992, \"config\": {}}", 9_007_199_254_740_992),
            (b"{\"revision\": 3, \"config\": {}, \"planted-secret\": 1}", 0),
            (b"{\"revision\": 3, \"config\": \"planted-secret\"}", 3),
            (&vec![b' '; DESIRED_MOST_BYTES + 1], 0),
            (&vec![b'['; DESIRED_MOST_BYTES], 0),
        ] {
            let (named, reason) = read(body).err().expect("refused");
            assert_eq!(named, revision);
            assert!(!reason.is_empty() && !reason.contains("planted"), "{reason}");
        }
        let wanted = read(b"{\"revision\": 3, \"config\": {}}").unwrap_or_default();
        assert!(wanted.revision == 3 && wanted.overlay.is_empty());
    }
}
