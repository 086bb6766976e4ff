//! Which courts are in service, kept: what the checks come to at each look, and what people say of it.
//!
//! `watch` owns the one value and looks at it four times a second; everybody else has the desk, and hears
//! what came of a word once it is on disk. A word that cannot be kept is not taken. That a court came into
//! service by its checks is kept too, but told in either case: a start after a cut checks it again.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::claim::is_claimed;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::event::box_status::BoxStatus;
use crate::event::service::{CourtService, Overridden, ServiceState, Vouched};
use crate::event::words::ServiceBy;
use crate::health::service::{Kept, Seen, Service, ServiceStore};
use crate::media::{CourtId, Foreign, Monotonic};

/// Words that may wait; whoever comes then is told so.
const WAITING: usize = 16;
/// How often it is looked whether somebody claimed the box, and how often a disk that said no is asked again.
const SELDOM: Duration = Duration::from_secs(5);

/// What a person says of a court.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    /// Its rims are right in the picture.
    Confirm(Vouched),
    /// It is in service, or out of it, whatever its checks say.
    Override(Overridden),
}

/// A word, and who waits to hear what came of it.
#[derive(Debug)]
pub(crate) struct Ask {
    court: CourtId,
    word: Word,
    told: oneshot::Sender<Result<CourtService, Foreign>>,
}

/// Takes people's words. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct ServiceDesk {
    asks: mpsc::Sender<Ask>,
}

impl ServiceDesk {
    /// The desk, and where its words come out.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(WAITING);
        (Self { asks }, asked)
    }

    /// Says a word of a court; how the court stands with it.
    ///
    /// # Errors
    /// Why it was not taken, and what to do.
    pub(crate) async fn say(&self, court: CourtId, word: Word) -> Result<CourtService, Foreign> {
        let busy =
            || Foreign::told("others say something of the box's courts: say it again in a moment");
        let (told, hears) = oneshot::channel();
        self.asks.try_send(Ask { court, word, told }).map_err(|_| busy())?;
        hears.await.map_err(|_| Foreign::told("the box ends: say it again once it runs"))?
    }
}

/// Somebody who waits for the look after their word.
pub(crate) struct Waits(CourtId, oneshot::Sender<Result<CourtService, Foreign>>);

impl Waits {
    pub(crate) fn hears(self, state: &ServiceState) {
        let Self(court, told) = self;
        let gone = || Foreign::told("this court is gone");
        let stands = state.courts.get(court.as_str()).cloned().ok_or_else(gone);
        // Whoever asked may have gone.
        drop(told.send(stands));
    }
}

/// See the module.
pub(crate) struct ServiceKeeper {
    service: Service,
    written: Kept,
    store: ServiceStore,
    disk: Arc<dyn Disk>,
    data_dir: PathBuf,
    clock: Arc<dyn Clock>,
    asks: mpsc::Receiver<Ask>,
    claimed: bool,
    /// When it was looked whether the box is claimed.
    looked: Option<Monotonic>,
    /// When the disk said no.
    failed: Option<Monotonic>,
    /// Courts in service, as told last: what changes is logged.
    stood: Option<BTreeSet<String>>,
}

impl ServiceKeeper {
    /// Of a box that begins. Blocking.
    pub(crate) fn begin(
        disk: &Arc<dyn Disk>,
        data_dir: PathBuf,
        clock: Arc<dyn Clock>,
        asks: mpsc::Receiver<Ask>,
    ) -> Self {
        let store = ServiceStore::of(&data_dir);
        let (kept, told) = store.take(&**disk);
        if let Some(told) = told {
            tracing::error!("{told}");
        }
        Self {
            service: Service::of(kept.clone()),
            written: kept,
            store,
            disk: Arc::clone(disk),
            data_dir,
            clock,
            asks,
            claimed: false,
            looked: None,
            failed: None,
            stood: None,
        }
    }

    /// The next word; waits for ever where none comes.
    pub(crate) async fn asked(&mut self) -> Ask {
        match self.asks.recv().await {
            Some(ask) => ask,
            None => std::future::pending().await,
        }
    }

    /// Takes a word in: on disk first. Who waits hears of it at the next look, or now if it is not taken.
    pub(crate) async fn hear(&mut self, ask: Ask) -> Option<Waits> {
        let Ask { court, word, told } = ask;
        let mut next = self.service.clone();
        match word.clone() {
            Word::Confirm(vouched) => next.confirm(court.as_str(), vouched),
            Word::Override(overridden) => next.overrides(court.as_str(), overridden),
        }
        if let Err(error) = self.write(next.kept().clone()).await {
            let reason = format!("it cannot be kept ({error}): mend the disk, then say it again");
            drop(told.send(Err(Foreign::told(reason))));
            return None;
        }
        self.service = next;
        match word {
            Word::Confirm(Vouched { who, door, .. }) => {
                tracing::info!(%court, %who, %door, "the rims are confirmed");
            }
            Word::Override(Overridden {
                in_service,
                reason,
                vouched: Vouched { who, door, .. },
            }) => {
                tracing::warn!(%court, in_service, %reason, %who, %door, "its checks are overridden");
            }
        }
        Some(Waits(court, told))
    }

    /// Looks at the whole, and completes it.
    pub(crate) async fn look(&mut self, status: &mut BoxStatus, decoded: &BTreeSet<String>) {
        let now = self.clock.monotonic();
        let due = |at: Option<Monotonic>| at.is_none_or(|at| now.since(at) >= SELDOM);
        if !self.claimed && due(self.looked) {
            self.looked = Some(now);
            let (disk, dir) = (Arc::clone(&self.disk), self.data_dir.clone());
            let looked = tokio::task::spawn_blocking(move || is_claimed(&*disk, &dir)).await;
            self.claimed = looked.unwrap_or(false);
        }
        let time = status.clock.plausible.then(|| self.clock.utc().to_rfc3339());
        let seen = Seen { status, decoded, claimed: self.claimed, time: time.as_deref(), now };
        let told = self.service.look(&seen);
        if *self.service.kept() != self.written && due(self.failed) {
            self.failed = None;
            if let Err(error) = self.write(self.service.kept().clone()).await {
                self.failed = Some(now);
                tracing::error!(%error, "which courts are in service is not kept: a restart checks them again");
            }
        }
        self.log(&told);
        status.service = told;
    }

    fn log(&mut self, told: &ServiceState) {
        let stands = told.courts.iter().filter(|(_, court)| court.in_service);
        let stands: BTreeSet<String> = stands.map(|(name, _)| name.clone()).collect();
        let before = self.stood.replace(stands.clone()).unwrap_or_default();
        for court in stands.difference(&before) {
            let by = told.courts.get(court).map_or(ServiceBy::Nothing, |court| court.by);
            tracing::info!(%court, %by, "a court is in service");
        }
        for court in before.difference(&stands) {
            tracing::warn!(%court, "a court is out of service");
        }
    }

    /// To disk, off the network's threads.
    async fn write(&mut self, kept: Kept) -> std::io::Result<()> {
        if kept == self.written {
            return Ok(());
        }
        let (disk, store, written) = (Arc::clone(&self.disk), self.store.clone(), kept.clone());
        let done = tokio::task::spawn_blocking(move || store.write(&*disk, &written)).await;
        done.map_err(std::io::Error::other).flatten()?;
        self.written = kept;
        Ok(())
    }
}
