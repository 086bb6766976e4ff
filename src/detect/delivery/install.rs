//! The steps of an installation, each of which may be the last before a power cut.
//!
//! One at a time, on a thread of its own that nobody waits for. The same order once more while it is under way is
//! the same installation; after a cut it goes on from what is on the disk; when all is done, it does nothing.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use crate::clock::{Chance, Clock};
use crate::detect::bundle::error::Task;
use crate::detect::bundle::files::hex;
use crate::detect::delivery::address::{Address, NO_ADDRESS};
use crate::detect::delivery::store::{OnDisk, Parcels, Stored};
use crate::detect::parcel::{Rules, Source as _};
use crate::detect::roster::swapping::TakesOver;
use crate::disk::open_regular;
use crate::event::models::{InstallOrder, InstallState, SwapOrder};
use crate::event::words::InstallPhase;
use crate::http::outgoing::PartFile;
use crate::http::outgoing::{self, Web};
use crate::http::outgoing::{Fetch, FetchLimits};
use crate::http::outgoing::{Have, too_long};
use crate::media::Foreign;

/// Room that stays free beside a parcel: the outbox is not held up by a model.
const KEEP_FREE: u64 = 64 << 20;

/// Why nothing was begun.
#[derive(Debug, thiserror::Error)]
pub enum InstallRefused {
    /// Another one is under way.
    #[error("{0} is being installed: wait for it; `courtside models` says how far it is")]
    UnderWay(Foreign),
    /// The order makes no sense.
    #[error("{0}")]
    Order(String),
    /// The box believes nobody.
    #[error(
        "no key is on this box, so nothing that comes from elsewhere is taken: name those whose models \
         it may run in `model_keys` of [detect]"
    )]
    NoKeys,
    /// The box has no thread left.
    #[error("the box has no thread left: ask again in a minute")]
    Busy,
}

/// What it works with.
pub struct InstallerParts {
    /// What is here.
    pub parcels: Arc<Parcels>,
    /// Has what was installed decide.
    pub takes_over: Arc<dyn TakesOver>,
    /// Times deadlines.
    pub clock: Arc<dyn Clock>,
    /// Spreads retries.
    pub chance: Chance,
    /// Authorities that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// What a fetch may take.
    pub limits: FetchLimits,
}

/// See the module.
pub struct Installer {
    parts: InstallerParts,
    stop: watch::Sender<bool>,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    /// Of the one that is under way.
    order: Option<InstallOrder>,
    /// Of the one that `state` is about.
    of: Option<InstallOrder>,
    state: Option<InstallState>,
    stored: Vec<Stored>,
}

/// A parcel that is in its place.
pub(super) struct Staged {
    pub(super) full_name: String,
    /// It was there before.
    pub(super) known: bool,
}

impl Installer {
    /// Nothing is under way.
    #[must_use]
    pub fn new(parts: InstallerParts) -> Arc<Self> {
        let stored = parts.parcels.list().unwrap_or_default();
        let now = Mutex::new(Now { stored, ..Now::default() });
        Arc::new(Self { parts, stop: watch::Sender::new(false), now })
    }

    /// What is here.
    #[must_use]
    pub fn stored(&self) -> Vec<Stored> {
        self.now.lock().stored.clone()
    }

    /// The key to which parcels for this box are sealed.
    #[must_use]
    pub fn own_key(&self) -> Option<String> {
        self.parts.parcels.own_key()
    }

    /// True if a sealed parcel is here, and the key that opens it lies open beside it.
    #[must_use]
    pub fn key_lies_open(&self) -> bool {
        self.parts.parcels.own_key_in_file() && self.now.lock().stored.iter().any(|one| one.sealed)
    }

    /// True while one is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.now.lock().order.is_some()
    }

    /// The installation that is under way, or how the last one since the start went.
    #[must_use]
    pub fn state(&self) -> Option<InstallState> {
        self.now.lock().state.clone()
    }

    /// The same, if it is of this order.
    #[must_use]
    pub fn state_of(&self, order: &InstallOrder) -> Option<InstallState> {
        let now = self.now.lock();
        now.state.clone().filter(|_| now.of.as_ref() == Some(order))
    }

    /// Ends what is under way; what has come stays, and is gone on with.
    pub fn end(&self) {
        self.stop.send_replace(true);
    }

    /// Begins an installation, and returns at once.
    ///
    /// # Errors
    /// [`InstallRefused`]; what becomes of it stands in [`state`](Self::state).
    pub fn install(self: &Arc<Self>, order: &InstallOrder) -> Result<(), InstallRefused> {
        let address = checked(order)?;
        if !self.parts.parcels.has_keys() {
            return Err(InstallRefused::NoKeys);
        }
        {
            let mut now = self.now.lock();
            if now.order.as_ref() == Some(order) {
                return Ok(());
            }
            if now.order.is_some() {
                let from = now.state.as_ref().map(|state| state.from.clone());
                return Err(InstallRefused::UnderWay(from.unwrap_or_default()));
            }
            now.order = Some(order.clone());
            now.of = Some(order.clone());
            now.state = Some(InstallState {
                from: Foreign::told(address.told()),
                phase: InstallPhase::Fetching,
                ..InstallState::default()
            });
        }
        let (installer, order) = (Arc::clone(self), order.clone());
        let run = move || {
            installer.run(&address, &order);
            installer.now.lock().order = None;
        };
        let spawned = std::thread::Builder::new().name("install".to_owned()).spawn(run);
        spawned.map(drop).map_err(|error| {
            let mut now = self.now.lock();
            (now.order, now.state) = (None, None);
            tracing::error!(%error, "start a thread that installs a model");
            InstallRefused::Busy
        })
    }

    fn run(&self, address: &Address, order: &InstallOrder) {
        let outcome = self.stage(address, order.sha256.as_deref());
        let stored = self.parts.parcels.list();
        let mut now = self.now.lock();
        if let Ok(stored) = stored {
            now.stored = stored;
        }
        drop(now);
        match outcome {
            Ok(staged) => self.hand_over(&staged, order),
            Err(why) => {
                tracing::error!(from = address.told(), why, "a model is not installed");
                self.tell(|state| {
                    (state.phase, state.reason) = (InstallPhase::Failed, Some(Foreign::told(&why)));
                });
            }
        }
    }

    /// Fetches, checks and keeps the parcel; nothing is loaded.
    pub(super) fn stage(&self, from: &Address, sha256: Option<&str>) -> Result<Staged, String> {
        let parcels = &self.parts.parcels;
        if let Some(stored) = sha256.and_then(|wanted| self.has(wanted)) {
            return Ok(Staged { full_name: stored.full_name(), known: true });
        }
        let of = hex(&Sha256::digest(match (from, sha256) {
            // An address that was signed for a while is another one each time.
            (Address::Web(web), Some(sha256)) => format!("{} {sha256}", web.told()),
            (Address::Web(web), None) => format!("{} {}", web.told(), web.target),
            (Address::File(path), _) => path.display().to_string(),
        }));
        let disk =
            |error: io::Error| format!("keep it on the disk: {error}; see `courtside doctor`");
        let mut part = PartFile::take_up(parcels.disk(), parcels.folder(), &of).map_err(disk)?;
        match from {
            Address::Web(web) => self.fetch(web, sha256.is_some(), &mut part)?,
            Address::File(path) => self.copy(path, &mut part)?,
        }
        part.keep().map_err(disk)?;
        self.tell(|state| state.phase = InstallPhase::Checking);
        let checked = self.check(&part, sha256);
        match checked {
            Ok((full_name, known, path)) => {
                if known && OnDisk::open(&**parcels.disk(), &path).is_ok() {
                    part.discard().map_err(disk)?;
                } else {
                    part.becomes(&path).map_err(disk)?;
                }
                self.tidy(&full_name);
                Ok(Staged { full_name, known })
            }
            Err(why) => {
                // What is refused once is refused again: the next time begins with nothing.
                part.discard().map_err(disk)?;
                Err(why)
            }
        }
    }

    /// The full name of the parcel, whether it is installed, and where it belongs.
    fn check(
        &self,
        part: &PartFile,
        sha256: Option<&str>,
    ) -> Result<(String, bool, PathBuf), String> {
        let parcels = &self.parts.parcels;
        let path = part.path();
        if let Some(wanted) = sha256 {
            let found = sha256_of(parcels, &path).map_err(|error| format!("read it: {error}"))?;
            if !found.eq_ignore_ascii_case(wanted) {
                return Err(format!(
                    "its sha256 is {found}, and {wanted} was ordered: it is another file, or it was \
                     changed on its way. Correct the order, or ask again"
                ));
            }
        }
        let taken = parcels.take(&path, &|name| parcels.installed(name));
        let accepted = taken.map_err(|refused| refused.to_string())?.accepted;
        if accepted.task != Task::Rim {
            return Err(format!(
                "{} {}: a box takes models that decide from elsewhere (task = \"rim\"); put this one \
                 into {} and restart",
                accepted.name,
                accepted.version,
                parcels.folder().display()
            ));
        }
        let (name, version) = (&accepted.name, accepted.version);
        Ok((format!("{name}@{version}"), accepted.known, parcels.path(name, version)))
    }

    fn fetch(&self, web: &Web, hashed: bool, part: &mut PartFile) -> Result<(), String> {
        let InstallerParts { parcels, clock, chance, ca_file, limits, .. } = &self.parts;
        let tls = outgoing::tls(ca_file.as_deref())?;
        let progress = |bytes: u64, total: Option<u64>| {
            self.tell(|state| (state.bytes, state.total) = (bytes, total));
        };
        let room = |more: u64| room(parcels, more);
        let fetch = Fetch {
            clock: &**clock,
            tls: Arc::new(tls),
            limits: *limits,
            hashed,
            chance: chance.next(&**clock),
            progress: &progress,
            room: &room,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("begin a connection: {error}"))?;
        let mut stopped = self.stop.subscribe();
        runtime.block_on(async {
            tokio::select! {
                fetched = fetch.fetch(web, part) => fetched,
                _ = stopped.wait_for(|stopped| *stopped) => Err("the box ends".to_owned()),
            }
        })
    }

    /// A file of this machine, which may be pulled out: as from a network, but from its beginning.
    fn copy(&self, path: &Path, part: &mut PartFile) -> Result<(), String> {
        let wrong = |error: io::Error| {
            format!(
                "read {}: {error}; put it where the user that courtside runs as can read it",
                path.display()
            )
        };
        let disk =
            |error: io::Error| format!("keep it on the disk: {error}; see `courtside doctor`");
        let mut file = open_regular(path).map_err(wrong)?;
        let total = file.metadata().map_err(wrong)?.len();
        if total > Rules::MOST_BYTES {
            return Err(too_long(total, Rules::MOST_BYTES));
        }
        room(&self.parts.parcels, total)?;
        let of = part.have().of.clone();
        part.begin(Have { of, total: Some(total), ..Have::default() }).map_err(disk)?;
        let mut piece = vec![0; 1 << 16];
        loop {
            let read = file.read(&mut piece).map_err(wrong)?;
            if read == 0 {
                return Ok(());
            }
            part.take(piece.get(..read).unwrap_or_default()).map_err(disk)?;
            if part.bytes() > total {
                return Err(format!(
                    "{} grows while it is read: copy it whole first",
                    path.display()
                ));
            }
            self.tell(|state| (state.bytes, state.total) = (part.bytes(), Some(total)));
        }
    }

    fn hand_over(&self, staged: &Staged, order: &InstallOrder) {
        let Staged { full_name, known } = staged;
        tracing::info!(model = full_name, known, "a model is installed");
        let swap = SwapOrder {
            bundle: full_name.clone(),
            precision: order.precision.clone(),
            after: order.after,
            keep: order.keep,
        };
        let decides = self.parts.takes_over.deciding().as_deref() == Some(swap.name().as_str());
        let swapped = if decides { Ok(()) } else { self.parts.takes_over.swap(&swap) };
        self.tell(|state| {
            state.bundle = Some(Foreign::name(full_name));
            (state.phase, state.reason) = match swapped {
                Ok(()) => (InstallPhase::HandedOver, None),
                Err(why) => (InstallPhase::Installed, Some(Foreign::told(why))),
            };
        });
    }

    fn tidy(&self, full_name: &str) {
        let name = full_name.split_once('@').map_or(full_name, |(name, _)| name);
        match self.parts.parcels.tidy(name, &self.parts.takes_over.in_use()) {
            Ok(old) => {
                for stored in old {
                    tracing::info!(model = stored.full_name(), "an old version is removed");
                }
            }
            Err(error) => tracing::warn!(%error, "old versions of a model could not be removed"),
        }
    }

    /// The parcel with this SHA-256.
    fn has(&self, wanted: &str) -> Option<Stored> {
        let parcels = &self.parts.parcels;
        parcels.list().ok()?.into_iter().find(|stored| {
            let path = parcels.path(&stored.name, stored.version);
            sha256_of(parcels, &path).is_ok_and(|found| found.eq_ignore_ascii_case(wanted))
        })
    }

    fn tell(&self, change: impl FnOnce(&mut InstallState)) {
        if let Some(state) = &mut self.now.lock().state {
            change(state);
        }
    }
}

/// Looks at an order before anything is begun.
///
/// # Errors
/// [`InstallRefused::Order`]: what is wrong with it.
pub fn looks_right(order: &InstallOrder) -> Result<(), InstallRefused> {
    checked(order).map(drop)
}

/// Where it is to come from, if the order makes sense.
fn checked(order: &InstallOrder) -> Result<Address, InstallRefused> {
    let hash = order.sha256.as_deref();
    if hash.is_some_and(|hash| hash.len() != 64 || !hash.bytes().all(|c| c.is_ascii_hexdigit())) {
        let text = "`sha256` is not 64 hexadecimal digits: write what `sha256sum` prints";
        return Err(InstallRefused::Order(text.to_owned()));
    }
    let known = ["fp32", "fp16", "int8"];
    if order.precision.as_deref().is_some_and(|precision| !known.contains(&precision)) {
        let text = "`precision` is not known: write fp32, fp16 or int8";
        return Err(InstallRefused::Order(text.to_owned()));
    }
    Address::parse(&order.from).ok_or_else(|| InstallRefused::Order(NO_ADDRESS.to_owned()))
}

fn room(parcels: &Parcels, more: u64) -> Result<(), String> {
    let free = parcels.disk().free_bytes(parcels.folder());
    let free = free.map_err(|error| format!("ask the disk for its room: {error}"))?;
    if free >= more.saturating_add(KEEP_FREE) {
        return Ok(());
    }
    Err(format!(
        "no room: it takes {more} bytes and {KEEP_FREE} stay free, but {free} are free; lower \
         `quota_bytes` of [ring], or raise `keep_free_bytes`"
    ))
}

fn sha256_of(parcels: &Parcels, path: &Path) -> io::Result<String> {
    let source = OnDisk::open(&**parcels.disk(), path)?;
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 1 << 16]);
    let mut offset = 0;
    while offset < source.len() {
        let len = usize::try_from(source.len() - offset).unwrap_or(usize::MAX).min(piece.len());
        let piece = piece.get_mut(..len).unwrap_or_default();
        source.read_exact_at(offset, piece)?;
        hash.update(&*piece);
        offset += len as u64;
    }
    Ok(hex(&hash.finalize()))
}
