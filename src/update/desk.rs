//! The daemon's shell of an update: takes orders, fetches, shows what this boot can show, and tells how far it is.
//!
//! One thread, which looks once a second while something is under way, and now and then otherwise. Nobody waits for it;
//! what it learns is in [`Desk::state`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::clock::{Chance, Clock, sleep};
use crate::disk::{Disk, read_regular_text};
use crate::event::update::{UpdateArguments, UpdateState};
use crate::event::words::UpdateStep;
use crate::http::outgoing::{self, Fetch, FetchLimits, Web};
use crate::media::Foreign;
use crate::update::papers::{Order, Phase, Record, Shown, Status};
use crate::update::sheet::keys_in;
use crate::update::steps::{Act, Fetched, Seen};
use crate::update::work::Work;

/// While something is under way.
const LOOK: Duration = Duration::from_secs(1);
/// Looks between two of a box with nothing under way: root's part may come late, a person may ask it.
const IDLE_LOOKS: u32 = 10;
/// Looks after which root is asked anew: it may not have been there.
const ASK_AGAIN: u32 = 30;
/// Looks after which a clip that did not go through is tried again.
const CLIP_AGAIN: u32 = 60;
/// Room that stays free: events and the ring go before an update.
const KEEP_FREE: u64 = 256 << 20;
/// Bytes of a bundle (chosen: a slot has 8 GiB).
const MOST_BYTES: u64 = 8 << 30;
/// All of a fetch: 2 GB at 25 kB/s, and cuts.
const FETCH: Duration = Duration::from_secs(24 * 3_600);
/// Of the file of keys.
const KEYS_MOST: u64 = 16 << 10;

/// Why an order is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Nothing installs here.
    #[error(
        "this machine has no second slot, or the part that installs into it does not run: it has \
         `systemctl status courtside-good`, or take a new package instead"
    )]
    NoSlot,
    /// Another one.
    #[error("{0} is under way: wait for it; `courtside update status` says how far it is")]
    UnderWay(Foreign),
    /// A game runs.
    #[error("a game runs on {0}: ask again when it is over, or say `now`")]
    Game(Foreign),
    /// The order makes no sense.
    #[error("{0}")]
    Order(String),
    /// What is signed does not fit.
    #[error("{0}")]
    Bundle(String),
    /// It does not fit.
    #[error(
        "no room: the bundle has {bytes} bytes of which {have} are here, root's copy of it as many, and {KEEP_FREE} \
         stay free: {needs} bytes, but {free} are free; lower `quota_bytes` of [ring], or raise `keep_free_bytes`"
    )]
    Room {
        /// Of the bundle.
        bytes: u64,
        /// Of it, here.
        have: u64,
        /// The sum.
        needs: u64,
        /// On the disk.
        free: u64,
    },
    /// The disk.
    #[error("keep the order: {0}; see `courtside doctor`")]
    Disk(#[from] std::io::Error),
}

impl Refused {
    /// For programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSlot => "no_slot",
            Self::UnderWay(_) => "under_way",
            Self::Game(_) => "game",
            Self::Order(_) => "order",
            Self::Bundle(_) => "bundle",
            Self::Room { .. } => "room",
            Self::Disk(_) => "disk",
        }
    }
}

/// What an update asks of its box.
pub trait Venue: Send + Sync {
    /// Where a game runs.
    fn game(&self) -> Option<Foreign>;
    /// The broker has acknowledged something in this session.
    fn broker(&self) -> bool;
    /// The outbox takes events.
    fn outbox(&self) -> bool;
    /// Sends a clip through this machine's decoder and the model that decides. Blocking.
    ///
    /// # Errors
    /// What did not work.
    fn clip(&self) -> Result<(), String>;
}

/// What it works with.
pub struct DeskParts {
    /// The world's.
    pub disk: Arc<dyn Disk>,
    /// The world's.
    pub clock: Arc<dyn Clock>,
    /// Spreads retries.
    pub chance: Chance,
    /// `{data_dir}/update`
    pub dir: PathBuf,
    /// Root's.
    pub folder: PathBuf,
    /// Whose updates are taken.
    pub keys_file: PathBuf,
    /// Authorities that are believed beside the system's.
    pub ca_file: Option<PathBuf>,
    /// The box.
    pub venue: Arc<dyn Venue>,
}

/// See the module.
pub struct Desk {
    work: Work,
    parts: DeskParts,
    stop: watch::Sender<bool>,
    now: Mutex<UpdateState>,
    /// Held while a record is written: an order comes from another thread.
    steps: Mutex<()>,
}

impl Desk {
    /// Reads how far it was.
    #[must_use]
    pub fn new(parts: DeskParts) -> Arc<Self> {
        // Without a file nothing is taken, which each order is told.
        let keys = read_regular_text(&parts.keys_file, KEYS_MOST).unwrap_or_default();
        let work = Work {
            disk: Arc::clone(&parts.disk),
            dir: parts.dir.clone(),
            folder: parts.folder.clone(),
            keys: keys_in(&keys),
            boot: parts.clock.boot(),
            newer: true,
        };
        let (stop, now) = (watch::Sender::new(false), Mutex::default());
        let desk = Self { work, parts, stop, now, steps: Mutex::default() };
        desk.tell(&desk.work.record(), desk.work.status().as_ref());
        Arc::new(desk)
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> UpdateState {
        self.now.lock().clone()
    }

    /// Ends its thread; what has come stays, and is gone on with.
    pub fn end(&self) {
        self.stop.send_replace(true);
    }

    /// Takes an order, and returns at once. The same again is the same order.
    ///
    /// # Errors
    /// [`Refused`]; what becomes of it stands in [`state`](Self::state).
    pub fn order(&self, asked: &UpdateArguments) -> Result<(), Refused> {
        let order = checked(asked)?;
        let status = self.work.status().ok_or(Refused::NoSlot)?;
        let _one = self.steps.lock();
        let record = self.work.record();
        let before = record.order.as_ref().filter(|before| before.sha256 == order.sha256);
        if record.is_under_way() || (record.step == UpdateStep::Good && before.is_some()) {
            return match before {
                Some(_) => Ok(()),
                None => {
                    let known = self.now.lock().to.clone();
                    Err(Refused::UnderWay(known.unwrap_or_else(|| Foreign::name("another one"))))
                }
            };
        }
        let fits = self.work.looks_right(&order, &status);
        fits.map_err(|why| Refused::Bundle(why.to_string()))?;
        if let Some(court) = self.parts.venue.game().filter(|_| !order.now) {
            return Err(Refused::Game(court));
        }
        self.room(&order)?;
        let record = self.work.begin(order)?;
        self.tell(&record, Some(&status));
        Ok(())
    }

    fn room(&self, order: &Order) -> Result<(), Refused> {
        let have = if self.work.whole(order) { order.size } else { self.state().bytes };
        let have = if self.state().sha256.as_deref() == Some(&*order.sha256) { have } else { 0 };
        let bytes = order.size;
        let needs = bytes.saturating_sub(have).saturating_add(bytes).saturating_add(KEEP_FREE);
        let free = self.work.disk.free_bytes(self.parts.dir.parent().unwrap_or(&self.parts.dir))?;
        if free >= needs { Ok(()) } else { Err(Refused::Room { bytes, have, needs, free }) }
    }

    /// Works until [`end`](Self::end). Blocking.
    pub fn run(&self) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "updates are not looked after");
                return;
            }
        };
        let mut stopped = self.stop.subscribe();
        let mut rounds = Rounds::default();
        while !*stopped.borrow() {
            if let Err(error) = self.round(&runtime, &mut rounds) {
                tracing::error!(%error, "an update does not go on");
            }
            runtime.block_on(async {
                tokio::select! {
                    () = sleep(&*self.parts.clock, LOOK) => {}
                    _ = stopped.wait_for(|stopped| *stopped) => {}
                }
            });
        }
    }

    fn round(&self, runtime: &tokio::runtime::Runtime, rounds: &mut Rounds) -> std::io::Result<()> {
        let under_way = !matches!(
            self.now.lock().step,
            UpdateStep::Idle | UpdateStep::Good | UpdateStep::FallenBack | UpdateStep::Failed
        );
        rounds.all = rounds.all.wrapping_add(1);
        let on_trial = rounds.on_trial;
        if !under_way && !on_trial && !rounds.all.is_multiple_of(IDLE_LOOKS) && rounds.all > 1 {
            return Ok(());
        }
        let status = self.work.status();
        rounds.on_trial = status.as_ref().is_some_and(|status| status.kept.phase == Phase::Trial);
        if rounds.on_trial {
            self.show(rounds)?;
        }
        let venue = &self.parts.venue;
        let order = self.work.record().order;
        let whole = order.as_ref().is_some_and(|order| self.work.whole(order));
        let fetched = if whole { Fetched::Whole } else { Fetched::No };
        let (game, broker) = (venue.game().is_some(), venue.broker());
        let see = |fetched| Seen { root: status.as_ref(), fetched, game, broker };
        let (record, act) = self.step(&see(fetched), rounds)?;
        if act == Act::Fetch
            && let Some(order) = &record.order
        {
            // A guest on the venue's uplink, as clips are.
            if game && !order.now {
                return Ok(());
            }
            let fetched = self.fetch(runtime, order)?;
            if let Fetched::Never(why) = &fetched {
                tracing::error!(why, "an update is not installed");
                self.step(&see(fetched), rounds)?;
            }
        }
        Ok(())
    }

    fn step(&self, seen: &Seen<'_>, rounds: &mut Rounds) -> std::io::Result<(Record, Act)> {
        let one = self.steps.lock();
        let (record, act) = self.work.step(seen)?;
        rounds.asked = if matches!(act, Act::Ask(_)) { rounds.asked + 1 } else { 0 };
        if rounds.asked > ASK_AGAIN {
            rounds.asked = 0;
            self.work.wake(&act)?;
        }
        drop(one);
        if self.now.lock().step != record.step {
            tracing::info!(step = %record.step, reason = record.reason, "the update goes on");
        }
        self.tell(&record, seen.root);
        Ok((record, act))
    }

    /// What a boot on trial must show.
    fn show(&self, rounds: &mut Rounds) -> std::io::Result<()> {
        let venue = &self.parts.venue;
        if !rounds.clip && rounds.clip_waits == 0 {
            let tried = venue.clip();
            rounds.clip = tried.is_ok();
            rounds.clip_fault = tried.err();
            rounds.clip_waits = CLIP_AGAIN;
        }
        rounds.clip_waits = rounds.clip_waits.saturating_sub(1);
        let before = self.work.shown();
        let was = |what: fn(&Shown) -> bool| before.as_ref().is_some_and(what);
        self.work.show(&Shown {
            // The thread begins once it was told.
            ready: true,
            clip: rounds.clip || was(|shown| shown.clip),
            clip_fault: rounds.clip_fault.clone().filter(|_| !rounds.clip),
            outbox: venue.outbox(),
            // Once in this boot is enough.
            broker: venue.broker() || was(|shown| shown.broker),
            game: venue.game().is_some(),
            ..Shown::nothing(self.work.boot.clone())
        })
    }

    fn fetch(&self, runtime: &tokio::runtime::Runtime, order: &Order) -> std::io::Result<Fetched> {
        let Some(web) = Web::parse(&order.url) else {
            return Ok(Fetched::Never(NO_ADDRESS.to_owned()));
        };
        let mut part = self.work.part(order)?;
        let tls = match outgoing::tls(self.parts.ca_file.as_deref()) {
            Ok(tls) => tls,
            Err(why) => return Ok(Fetched::Never(why)),
        };
        let (clock, mut stopped) = (&*self.parts.clock, self.stop.subscribe());
        let fetch = Fetch {
            clock,
            tls: Arc::new(tls),
            limits: FetchLimits { deadline: FETCH, ..FetchLimits::usual(order.size) },
            hashed: true,
            chance: self.parts.chance.next(clock),
            progress: &|bytes, _| self.now.lock().bytes = bytes,
            room: &|_| self.room(order).map_err(|why| why.to_string()),
        };
        let fetched = runtime.block_on(async {
            tokio::select! {
                fetched = fetch.fetch(&web, &mut part) => Some(fetched),
                _ = stopped.wait_for(|stopped| *stopped) => None,
            }
        });
        match fetched {
            // What has come is gone on with after the next start.
            None => part.keep().map(|()| Fetched::No),
            Some(Err(why)) => Ok(Fetched::Never(why)),
            Some(Ok(())) => self.work.check(part, order),
        }
    }

    fn tell(&self, record: &Record, status: Option<&Status>) {
        let order = record.order.as_ref();
        let kept = status.map(|status| &status.kept);
        let mut now = self.now.lock();
        let total = order.map_or(0, |order| order.size);
        let here = !matches!(record.step, UpdateStep::Fetching | UpdateStep::Failed);
        let bytes = if here { total } else { now.bytes.min(total) };
        let version = order.and_then(|order| {
            let said = crate::minisign::Signature::parse(&order.signature).ok()?.says();
            Some(crate::update::sheet::Sheet::parse(said)?.version.to_string())
        });
        let lacks = kept.and_then(|kept| kept.reason.as_deref());
        let lacks = lacks.filter(|_| record.step == UpdateStep::Trial);
        let reason = record.reason.as_deref().or(lacks);
        let text = |text: &str| Foreign::told(text);
        *now = UpdateState {
            step: record.step,
            slots: status.is_some(),
            version: status.map(|status| text(&status.version)),
            slot: status.map(|status| text(status.booted.word())),
            to: version.map(|version| text(&version)),
            sha256: order.map(|order| text(&order.sha256)),
            bytes,
            total,
            reason: reason.map(text),
            good: record.good,
            fallen_back: record.fallen_back,
            failed: record.failed,
        };
    }
}

/// What the thread remembers from look to look.
#[derive(Default)]
struct Rounds {
    all: u32,
    asked: u32,
    on_trial: bool,
    clip: bool,
    clip_fault: Option<String>,
    clip_waits: u32,
}

const NO_ADDRESS: &str = "it is no address: write https://HOST/PATH or http://HOST/PATH";

/// Looks at an order before anything is begun.
///
/// # Errors
/// [`Refused::Order`]: what is wrong with it.
pub fn looks_right(asked: &UpdateArguments) -> Result<(), Refused> {
    checked(asked).map(drop)
}

fn checked(asked: &UpdateArguments) -> Result<Order, Refused> {
    let wrong = |text: &str| Err(Refused::Order(text.to_owned()));
    if Web::parse(&asked.url).is_none() {
        return wrong(NO_ADDRESS);
    }
    let sha256 = asked.sha256.to_ascii_lowercase();
    if sha256.len() != 64 || !sha256.bytes().all(|c| c.is_ascii_hexdigit()) {
        return wrong("`sha256` is not 64 hexadecimal digits: write what `sha256sum` prints");
    }
    if !(1..=MOST_BYTES).contains(&asked.size) {
        return wrong("`size` is the bundle's bytes: 1 to 8589934592");
    }
    Ok(Order {
        url: asked.url.clone(),
        sha256,
        size: asked.size,
        signature: asked.signature.clone(),
        version: asked.version.clone(),
        now: asked.now,
    })
}
