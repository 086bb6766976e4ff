//! Runs uploads: each on the thread of whoever asked, all with one guest on the uplink.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustls::ClientConfig;
use tokio::sync::Notify;

use crate::clock::{Chance, Clock};
use crate::disk::Disk;
use crate::event::upload::{ClipUploadUrlsArguments, UploadNeeds, UploadState, UploadsState};
use crate::media::Foreign;
use crate::upload::footage::{Before, Footage, Venue};
use crate::upload::guest::{Guest, GuestTerms};
use crate::upload::order::Given;
use crate::upload::record::Records;
use crate::upload::send::{Halt, Pace};

/// Gifts of addresses that wait for an upload to look.
const GIFTS_MOST: usize = 64;
/// Events hold a part back for so long at a time: a storage leaves who says nothing for 20 s (S3).
const EVENTS_FIRST: Duration = Duration::from_secs(8);
/// … and are asked for again so often.
const EVENTS_LOOK: Duration = Duration::from_millis(100);

/// How uploads behave.
#[derive(Clone, Debug, PartialEq)]
pub struct UploadSettings {
    /// `{data_dir}/uploads`.
    pub dir: PathBuf,
    /// What they may take of the uplink.
    pub guest: GuestTerms,
    /// Also while a game runs.
    pub during_games: bool,
    /// Also to addresses without TLS.
    pub plain: bool,
    /// PEM file of authorities that are believed beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// What they work with.
pub struct UploadParts {
    /// How.
    pub settings: UploadSettings,
    /// Keeps what they have behind them.
    pub disk: Arc<dyn Disk>,
    /// Times everything.
    pub clock: Arc<dyn Clock>,
    /// Spreads retries and probes.
    pub chance: Chance,
    /// The clips.
    pub footage: Arc<dyn Footage>,
    /// Who else uses the uplink.
    pub venue: Arc<dyn Venue>,
    /// Before the same part goes again, at first; doubled up to a minute.
    pub wait: Duration,
}

/// Why an upload ended without its end. What it has behind it stays; the same upload again goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotUploaded {
    /// For programs.
    pub code: &'static str,
    /// For people, with what to do.
    pub reason: Foreign,
}

impl NotUploaded {
    pub(crate) fn new(code: &'static str, reason: impl std::fmt::Display) -> Self {
        Self { code, reason: Foreign::told(reason) }
    }
}

/// Hears how far an upload is.
pub trait Hears: Sync {
    /// Per cent, words, and what it needs. Never waits.
    fn tells(&self, percent: u8, words: String, needs: Option<UploadNeeds>);
    /// True once the box ends.
    fn stops(&self) -> bool;
}

/// See the module.
pub struct Uploads {
    pub(crate) parts: UploadParts,
    pub(crate) records: Records,
    guest: Mutex<Guest>,
    running: Mutex<BTreeMap<String, Arc<Running>>>,
    tls: Mutex<Option<Arc<ClientConfig>>>,
    pub(crate) totals: Totals,
}

/// Since the start.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) sent_bytes: AtomicU64,
    pub(crate) acknowledged_bytes: AtomicU64,
    pub(crate) parts: AtomicU64,
    pub(crate) again: AtomicU64,
    /// Parts of which bytes went out before their address was refused.
    pub(crate) refused: AtomicU64,
    pub(crate) done: AtomicU64,
}

/// One that runs, as others see it.
pub(crate) struct Running {
    pub(crate) state: Mutex<UploadState>,
    gifts: Mutex<Vec<Given>>,
    /// Rung when something was given.
    pub(crate) bell: Notify,
}

impl std::fmt::Debug for Uploads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uploads").finish_non_exhaustive()
    }
}

/// Takes an upload off the list when it ends, however.
pub(crate) struct Listed<'a> {
    uploads: &'a Uploads,
    name: String,
    pub(crate) running: Arc<Running>,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.uploads.running.lock().remove(&self.name);
    }
}

impl Uploads {
    /// Nothing runs.
    #[must_use]
    pub fn new(parts: UploadParts) -> Arc<Self> {
        let records = Records::new(Arc::clone(&parts.disk), &parts.settings.dir);
        let guest = Guest::new(parts.settings.guest, parts.clock.monotonic());
        Arc::new(Self {
            parts,
            records,
            guest: Mutex::new(guest),
            running: Mutex::default(),
            tls: Mutex::default(),
            totals: Totals::default(),
        })
    }

    /// True if addresses without TLS are taken.
    #[must_use]
    pub fn plain(&self) -> bool {
        self.parts.settings.plain
    }

    /// Puts an upload on the list.
    ///
    /// # Errors
    /// One of this name runs.
    pub(crate) fn list(&self, name: &str, clip: &str) -> Result<Listed<'_>, NotUploaded> {
        let mut running = self.running.lock();
        if running.contains_key(name) {
            let reason = "an upload of this name runs: give it what it needs by `clip_upload_urls`, or take \
                          another name";
            return Err(NotUploaded::new("under_way", reason));
        }
        let (upload, clip) = (Foreign::name(name), Foreign::text(clip));
        let state = UploadState { upload, clip, ..UploadState::default() };
        let one = Arc::new(Running {
            state: Mutex::new(state),
            gifts: Mutex::default(),
            bell: Notify::new(),
        });
        running.insert(name.to_owned(), Arc::clone(&one));
        Ok(Listed { uploads: self, name: name.to_owned(), running: one })
    }

    /// True while one of this name runs.
    pub(crate) fn runs(&self, name: &str) -> bool {
        self.running.lock().contains_key(name)
    }

    /// Gives an upload that runs what it asked for: how many addresses and parts.
    ///
    /// # Errors
    /// [`NotUploaded`]: none of this name runs, or it was given too much already.
    pub fn give(&self, asked: &ClipUploadUrlsArguments) -> Result<usize, NotUploaded> {
        let given = Given::of(asked, self.plain());
        let given = given.map_err(|reason| NotUploaded { code: "arguments", reason })?;
        let count = given.urls.len() + given.have.len();
        let running = self.running.lock().get(&asked.upload).cloned();
        let Some(running) = running else {
            let reason = "no upload of this name runs: `state/uploads` has those that do; `clip_upload` with \
                          the same name goes on with it";
            return Err(NotUploaded::new("no_such_upload", reason));
        };
        let mut gifts = running.gifts.lock();
        if gifts.len() >= GIFTS_MOST {
            return Err(NotUploaded::new("busy", "it has not looked at what was given before"));
        }
        gifts.push(given);
        drop(gifts);
        running.bell.notify_one();
        Ok(count)
    }

    /// `state/uploads`.
    #[must_use]
    pub fn state(&self) -> UploadsState {
        let running = self.running.lock().values().cloned().collect::<Vec<_>>();
        let running: Vec<_> = running.iter().map(|one| one.state.lock().clone()).collect();
        let waits = if running.is_empty() { None } else { self.waits() };
        let (allowed, measured) = {
            let guest = self.guest.lock();
            (guest.allowed(), guest.measured())
        };
        let total = |of: &AtomicU64| of.load(Ordering::Relaxed);
        UploadsState {
            running,
            allowed_bits_per_second: if waits.is_some() { 0 } else { allowed },
            measured_bits_per_second: measured,
            waits,
            sent_bytes: total(&self.totals.sent_bytes),
            acknowledged_bytes: total(&self.totals.acknowledged_bytes),
            parts: total(&self.totals.parts),
            again: total(&self.totals.again),
            refused: total(&self.totals.refused),
            done: total(&self.totals.done),
        }
    }

    fn waits(&self) -> Option<Foreign> {
        match self.parts.venue.before()? {
            Before::Game(_) if self.parts.settings.during_games => None,
            before => Some(words(&before)),
        }
    }

    /// Why one waits, if it does. `now`: a game does not hold it.
    pub(crate) fn holds(&self, now: bool) -> Option<Foreign> {
        match self.parts.venue.before()? {
            Before::Game(_) if now || self.parts.settings.during_games => None,
            Before::Events => None,
            before => Some(words(&before)),
        }
    }

    /// TLS, made when it is first needed: it reads the system's authorities, and those of `ca_file`.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub(crate) fn tls(&self) -> Result<Arc<ClientConfig>, String> {
        let mut tls = self.tls.lock();
        if let Some(tls) = &*tls {
            return Ok(Arc::clone(tls));
        }
        let made = Arc::new(crate::http::outgoing::tls(self.parts.settings.ca_file.as_deref())?);
        *tls = Some(Arc::clone(&made));
        Ok(made)
    }

    /// Bytes that a connection should have in the system.
    pub(crate) fn buffer(&self) -> u64 {
        self.guest.lock().buffer()
    }

    /// One upload sends, until that is dropped.
    pub(crate) fn sender(&self) -> Sender<'_> {
        self.guest.lock().begins();
        Sender(self)
    }
}

fn words(before: &Before) -> Foreign {
    match before {
        Before::Game(court) => Foreign::told(format_args!(
            "court {court} is played: nothing but events goes out, unless `now` or `during_games` is true"
        )),
        Before::Events => Foreign::told("events go first"),
    }
}

/// Counts a sender at the guest's.
pub(crate) struct Sender<'a>(&'a Uploads);

impl Drop for Sender<'_> {
    fn drop(&mut self) {
        self.0.guest.lock().ends();
    }
}

/// The pace of one upload.
pub(crate) struct Paced<'a> {
    pub(crate) uploads: &'a Uploads,
    pub(crate) running: &'a Running,
    pub(crate) hears: &'a dyn Hears,
    pub(crate) now: bool,
    pub(crate) sent: AtomicU64,
}

impl Pace for Paced<'_> {
    fn wait(&self, bytes: u64) -> Result<Duration, Halt> {
        if self.hears.stops() {
            return Err(Halt::Ends);
        }
        if self.running.gifts.lock().iter().any(|given| given.gives_up) {
            return Err(Halt::GivenUp);
        }
        if self.uploads.holds(self.now).is_some() {
            return Err(Halt::Yields);
        }
        Ok(self.uploads.guest.lock().wait(self.uploads.parts.clock.monotonic(), bytes))
    }

    fn events(&self) -> Option<(Duration, Duration)> {
        let events = self.uploads.parts.venue.before() == Some(Before::Events);
        events.then_some((EVENTS_FIRST, EVENTS_LOOK))
    }

    fn took(&self, bytes: u64, held: Duration) {
        let parts = &self.uploads.parts;
        let (now, chance) = (parts.clock.monotonic(), parts.chance.next(&*parts.clock));
        self.uploads.guest.lock().took(now, bytes, held, chance);
        self.sent.fetch_add(bytes, Ordering::Relaxed);
        self.uploads.totals.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Running {
    /// What was given since.
    pub(crate) fn gifts(&self) -> Vec<Given> {
        std::mem::take(&mut *self.gifts.lock())
    }
}
