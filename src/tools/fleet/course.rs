//! What is done with a fleet, one part after another. Its game goes on in all but the first two.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at, sleep, timeout};

use crate::clock::{Clock, SystemClock};
use crate::disk::RealDisk;
use crate::media::Monotonic;
use crate::tools::bench::spread::Spread;
use crate::tools::fleet::book::{Book, Reported};
use crate::tools::fleet::claims::{claim, sum};
use crate::tools::fleet::cost::Usage;
use crate::tools::fleet::desk::Desk;
use crate::tools::fleet::gate::Gate;
use crate::tools::fleet::office::{Office, Order};
use crate::tools::fleet::sheet::{Away, Cost, OF_A_BOX, Sheet};
use crate::tools::fleet::simulated::{Common, OPERATION, Simulated};
use crate::tools::rig::broker::OwnBroker;
use crate::tools::rig::listen::host_and_port;
use crate::tools::tell::remark;

/// How long anything may take that must come about.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at whether it has.
const LOOK: Duration = Duration::from_millis(50);
/// Boxes that are opened at a time.
const AT_ONCE: usize = 8;
/// Boxes that claim at a time: a venue's are powered together, a fleet's are not.
const CLAIMS_AT_ONCE: usize = 64;
/// How often the desk is cut off from its broker while they do, and how long.
const DESK_CUTS: usize = 2;
const DESK_AWAY: Duration = Duration::from_millis(500);
/// What was told at the start has been told by then.
const SETTLE: Duration = Duration::from_secs(2);
/// A command that is not begun by then is not begun any more, s.
const EXPIRY_S: u32 = 600;
/// How long a box may take to end.
const ENDING: Duration = Duration::from_secs(1);
/// Of this many boxes one begins anew while it is away.
const ANEW: usize = 4;
/// Events of a decision (`Simulated::decides`).
const A_DECISION: u32 = 2;

/// A box, unless it begins anew just now.
type Slot = Arc<Mutex<Option<Arc<Simulated>>>>;

/// The fleet and what is round it.
pub(super) struct Course {
    args: Plan,
    common: Common,
    broker: Option<OwnBroker>,
    url: String,
    gate: Gate,
    office: Office,
    slots: Vec<Slot>,
    playing: watch::Sender<bool>,
    games: JoinSet<()>,
    sheet: Sheet,
    before: Usage,
}

/// How many, how long, how much.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) boxes: usize,
    /// Length of each part.
    pub(super) part: Duration,
    /// Events a minute of each box.
    pub(super) rate: u32,
    /// Events of each box in the last part.
    pub(super) burst: u32,
}

impl Course {
    /// Starts broker, gate and office. No box yet.
    ///
    /// # Errors
    /// What could not be started.
    pub(super) async fn begin(
        args: Plan,
        broker: Option<&str>,
        dir: &Path,
        network: Handle,
    ) -> anyhow::Result<Self> {
        let given = broker;
        let broker = match given {
            Some(_) => None,
            None => Some(OwnBroker::start_lasting(&folder(dir, "broker")?).await?),
        };
        let url = match (given, &broker) {
            (Some(url), _) => url.to_owned(),
            (None, Some(broker)) => broker.url(),
            (None, None) => bail!("no broker"),
        };
        let gate = Gate::before(address(&url).await?)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let common = Common {
            dir: folder(dir, "boxes")?,
            prefix: format!("fleet-{:04x}", getrandom::u32()? & 0xffff),
            clock,
            disk: Arc::new(RealDisk::new()),
            book: Arc::new(Mutex::new(Book::of(args.boxes))),
            network,
        };
        let office = Office::open(&url, &common).await?;
        let slots = (0..args.boxes).map(|_| Slot::default()).collect();
        let filesystem = filesystem(dir);
        let sheet = Sheet { boxes: args.boxes, filesystem, ..Sheet::default() };
        Ok(Self {
            args,
            common,
            broker,
            url,
            gate,
            office,
            slots,
            playing: watch::channel(false).0,
            games: JoinSet::new(),
            sheet,
            before: Usage::of_us(),
        })
    }

    /// All parts. [`ends`](Self::ends) is to follow, whatever comes of it.
    ///
    /// # Errors
    /// When a box cannot be opened, or what must come about does not.
    pub(super) async fn whole(&mut self) -> anyhow::Result<Sheet> {
        self.claimed().await?;
        self.before = Usage::of_us();
        self.opened().await?;
        self.quiet().await;
        self.start_games();
        self.playing().await?;
        self.broker_away().await?;
        self.half_away().await?;
        self.burst().await?;
        self.over().await
    }

    /// Where a box finds the broker: every other one through the gate.
    fn url(&self, number: usize) -> String {
        if number.is_multiple_of(2) { self.url.clone() } else { self.gate.url() }
    }

    /// Every box becomes somebody, with cuts and broken links. The desk is cut off from its broker too, while
    /// boxes ask.
    async fn claimed(&mut self) -> anyhow::Result<()> {
        remark(format_args!("{} claims", self.args.boxes));
        let begun = self.now();
        let gate = Gate::before(address(&self.url).await?)?;
        let (desk, _running) = Desk::open(&gate.url(), &self.common).await?;
        let (cut_off, boxes) = (Arc::clone(&desk), self.args.boxes);
        let cutting = tokio::spawn(async move {
            for part in (1..=DESK_CUTS).map(|nth| boxes * nth / (DESK_CUTS + 1)) {
                cut_off.has_granted(part).await;
                let before = cut_off.cut_off();
                gate.shut();
                sleep(DESK_AWAY).await;
                gate.open();
                // Else the next one cuts off nobody: who was granted before may be as many as it waits for.
                cut_off.is_back(before).await;
            }
            // It goes with the desk.
            gate
        });
        let (room, mut claiming) = (Arc::new(Semaphore::new(CLAIMS_AT_ONCE)), JoinSet::new());
        for number in 0..self.args.boxes {
            let (common, url, room) = (self.common.clone(), self.url.clone(), Arc::clone(&room));
            let desk = Arc::clone(&desk);
            claiming.spawn(async move {
                let _place = room.acquire_owned().await?;
                claim(&common, &desk, number, &url).await
            });
        }
        let mut ended = Vec::new();
        while let Some(one) = claiming.join_next().await {
            ended.push(one??);
        }
        let _gate = timeout(PATIENCE, cutting).await.context("the desk grants nothing")??;
        desk.settled().await;
        self.sheet.claims = sum(&self.common, &desk, &ended, self.seconds_since(begun));
        Ok(())
    }

    async fn opened(&mut self) -> anyhow::Result<()> {
        remark(format_args!("opening {} boxes", self.args.boxes));
        let begun = self.now();
        let (room, mut opening) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
        for number in 0..self.args.boxes {
            let (common, url, room) = (self.common.clone(), self.url(number), Arc::clone(&room));
            let slot = self.slot(number)?;
            opening.spawn(async move {
                let _place = room.acquire_owned().await?;
                let open = move || Simulated::open(&common, number, &url);
                let opened = tokio::task::spawn_blocking(open).await??;
                *slot.lock() = Some(Arc::new(opened));
                anyhow::Ok(())
            });
        }
        while let Some(opened) = opening.join_next().await {
            opened??;
        }
        self.sheet.opened_seconds = self.seconds_since(begun);
        self.until("every box is online", |course| {
            course.common.book.lock().online() == course.args.boxes
        })
        .await?;
        self.sheet.connected_seconds = self.seconds_since(begun);
        Ok(())
    }

    /// Nothing happens: what a box takes that merely is there.
    async fn quiet(&mut self) {
        remark(format_args!("quiet, {} s", self.args.part.as_secs()));
        sleep(SETTLE).await;
        let (us, broker) = self.usage();
        sleep(self.args.part).await;
        self.sheet.quiet = self.cost(&us, broker.as_ref());
        let now = Usage::of_us();
        (self.sheet.descriptors, self.sheet.threads) = (now.descriptors, now.threads);
    }

    fn start_games(&mut self) {
        let every = Duration::from_secs(60) * A_DECISION / self.args.rate;
        for (number, slot) in self.slots.iter().enumerate() {
            let share = u32::try_from(number).unwrap_or(0);
            let boxes = u32::try_from(self.args.boxes).unwrap_or(u32::MAX);
            let first = tokio::time::Instant::now() + every * share / boxes;
            let (slot, mut playing) = (Arc::clone(slot), self.playing.subscribe());
            self.games.spawn(async move {
                let mut ticks = interval_at(first, every);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
                loop {
                    ticks.tick().await;
                    if playing.wait_for(|playing| *playing).await.is_err() {
                        return;
                    }
                    // A box that begins anew decides nothing.
                    let playing = slot.lock().clone();
                    if let Some(box_) = playing {
                        box_.decides().await;
                    }
                }
            });
        }
    }

    async fn playing(&mut self) -> anyhow::Result<()> {
        remark(format_args!("playing, {} s", self.args.part.as_secs()));
        let (us, broker) = self.usage();
        let heard = self.common.book.lock().messages();
        self.common.book.lock().watch();
        self.playing.send_replace(true);
        let begun = self.now();
        self.wants().await?;
        self.asks("playing").await;
        sleep(self.args.part.saturating_sub(self.common.clock.monotonic().since(begun))).await;
        let seconds = self.seconds_since(begun);
        self.sheet.playing = self.cost_over(&us, broker.as_ref(), seconds);
        let mut book = self.common.book.lock();
        #[expect(clippy::cast_precision_loss, reason = "a count of messages")]
        let messages = (book.messages() - heard) as f64;
        self.sheet.messages_a_second = messages / seconds;
        self.sheet.heard_after = Spread::of(book.watched());
        self.sheet.commands_after = Spread::of(book.commands_took());
        Ok(())
    }

    /// Asks every box for something, twice each.
    async fn asks(&self, round: &str) {
        for number in 0..self.args.boxes {
            let name = self.common.name(number);
            let id = format!("{name}-{round}");
            let order = Order {
                topic: format!("courtside/1/{name}/command/{id}"),
                body: Bytes::from(json!({ "operation": OPERATION }).to_string()),
                retained: false,
                expiry: Some(EXPIRY_S),
            };
            for _ in 0..2 {
                self.common.book.lock().asks(&id, self.now());
                self.office.publish(order.clone()).await;
            }
        }
    }

    /// Wants a configuration of every box, and of every other one another that it must refuse.
    async fn wants(&self) -> anyhow::Result<()> {
        for (revision, config) in [
            (1, json!({ "court": { "a": { "camera_delay_ms": 40 } } })),
            (2, json!({ "court": { "a": { "camera_delay_ms": "soon" } } })),
        ] {
            for number in (0..self.args.boxes).filter(|number| revision == 1 || number % 2 == 0) {
                let body = json!({ "revision": revision, "config": config });
                self.office
                    .publish(Order {
                        topic: format!("courtside/1/{}/config/desired", self.common.name(number)),
                        body: Bytes::from(body.to_string()),
                        retained: true,
                        expiry: None,
                    })
                    .await;
            }
            // A box that is told of two at once looks at the later one alone.
            self.until("every box reports what is wanted", |course| {
                course.common.book.lock().report(|_, told| told.revision == 1) == course.args.boxes
            })
            .await?;
        }
        Ok(())
    }

    async fn broker_away(&mut self) -> anyhow::Result<()> {
        let Some(mut broker) = self.broker.take() else { return Ok(()) };
        remark(format_args!("broker away, {} s", (self.args.part / 2).as_secs()));
        broker.goes_away().await?;
        let begun = self.now();
        let back = async {
            sleep(self.args.part / 2).await;
            broker.comes_back().await
        };
        // Beside it: of more than 256 boxes the office takes what is asked only once there is a broker again.
        let ((), came_back) = tokio::join!(self.asks("broker"), back);
        came_back?;
        self.broker = Some(broker);
        self.sheet.broker_away = Some(self.back("the broker was away", begun).await?);
        Ok(())
    }

    async fn half_away(&mut self) -> anyhow::Result<()> {
        remark(format_args!("half of them away, {} s", self.args.part.as_secs()));
        self.gate.shut();
        let begun = self.now();
        self.asks("half").await;
        // Of those behind the gate, half. The broker does not hear their goodbye: their Wills speak.
        let anew = (0..self.args.boxes).filter(|number| number % ANEW == 1);
        let anew: Vec<usize> = anew.collect();
        self.sheet.begun_anew = anew.len();
        let mut beginning = JoinSet::new();
        for number in anew {
            let (slot, common, url) = (self.slot(number)?, self.common.clone(), self.url(number));
            beginning.spawn(begins_anew(slot, common, url));
        }
        while let Some(begun) = beginning.join_next().await {
            begun??;
        }
        let left = self.args.part.saturating_sub(self.common.clock.monotonic().since(begun));
        sleep(left).await;
        self.gate.open();
        self.sheet.half_away = self.back("half of them were away", begun).await?;
        Ok(())
    }

    /// Waits until all are back after something was away from `begun` to now.
    async fn back(&self, what: &str, begun: Monotonic) -> anyhow::Result<Away> {
        let (seconds, over) = (self.seconds_since(begun), self.now());
        let waited = self.waiting();
        self.until(&format!("all are back after {what}"), |course| {
            course.boxes().iter().all(|it| it.session().is_some())
        })
        .await?;
        let back_seconds = self.seconds_since(over);
        // What they decide now is on its way too.
        let few = self.args.boxes as u64 / 20 + 5;
        self.until("what waited is sent", |course| course.waiting() <= few).await?;
        let drained_seconds = self.seconds_since(over);
        Ok(Away { seconds, back_seconds, drained_seconds, waited })
    }

    async fn burst(&mut self) -> anyhow::Result<()> {
        self.playing.send_replace(false);
        self.settled().await?;
        remark(format_args!("burst, {} events of each", self.args.burst));
        let before = self.common.book.lock().sum().heard;
        let begun = self.now();
        let mut deciding = JoinSet::new();
        for it in self.boxes() {
            let decisions = self.args.burst.div_ceil(A_DECISION);
            deciding.spawn(async move {
                for _ in 0..decisions {
                    it.decides().await;
                }
            });
        }
        while deciding.join_next().await.is_some() {}
        self.settled().await?;
        self.sheet.burst_seconds = self.seconds_since(begun);
        self.sheet.burst_messages = self.common.book.lock().sum().heard - before;
        Ok(())
    }

    /// Waits until all that was decided, asked and wanted has been heard of; goes on all the same where it
    /// never is, since that is what is told.
    async fn settled(&self) -> anyhow::Result<()> {
        let over = |course: &Self| {
            course.office.waiting() == 0 && course.common.book.lock().sum().is_over()
        };
        if self.until("all is heard of", over).await.is_err() {
            remark("something is never heard of");
        }
        Ok(())
    }

    async fn over(&mut self) -> anyhow::Result<Sheet> {
        let told = |number: usize, reported: &Reported| {
            let refused = number.is_multiple_of(2);
            let word = if refused { "refused" } else { "applied" };
            let last = if refused { 2 } else { 1 };
            reported.revision == 1 && reported.told == Some((last, word.to_owned()))
        };
        let right = |course: &Self| {
            let book = course.common.book.lock();
            book.report(told) == course.args.boxes && book.online() == course.args.boxes
        };
        // Told as it is.
        let _ = self.until("every twin is right", right).await;
        let mut sheet = std::mem::take(&mut self.sheet);
        {
            let book = self.common.book.lock();
            (sheet.twins_right, sheet.online) = (book.report(told), book.online());
        }
        self.games.shutdown().await;
        self.boxes_end(Duration::from_secs(5)).await;
        // What was heard twice or of nobody until the last moment counts too.
        sheet.sum = self.common.book.lock().sum();
        sheet.disk_bytes = bytes_in(&self.common.dir) / self.args.boxes as u64;
        Ok(sheet)
    }

    async fn boxes_end(&self, grace: Duration) {
        let mut ending = JoinSet::new();
        for slot in &self.slots {
            let slot = Arc::clone(slot);
            ending.spawn(async move {
                if let Some(it) = taken(&slot).await {
                    it.ends(grace).await;
                }
            });
        }
        while ending.join_next().await.is_some() {}
    }

    /// Ends what still runs, wherever it was: boxes without a last word, then the broker.
    pub(super) async fn ends(mut self) {
        self.games.shutdown().await;
        self.boxes_end(Duration::ZERO).await;
        if let Some(broker) = self.broker.take() {
            broker.stop().await;
        }
    }

    fn slot(&self, number: usize) -> anyhow::Result<Slot> {
        self.slots.get(number).cloned().context("a box has no place")
    }

    /// Those that are there just now.
    fn boxes(&self) -> Vec<Arc<Simulated>> {
        self.slots.iter().filter_map(|slot| slot.lock().clone()).collect()
    }

    fn waiting(&self) -> u64 {
        self.boxes().iter().map(|it| it.waiting()).sum()
    }

    fn now(&self) -> Monotonic {
        self.common.clock.monotonic()
    }

    fn seconds_since(&self, begun: Monotonic) -> f64 {
        self.now().since(begun).as_secs_f64()
    }

    fn usage(&self) -> (Usage, Option<Usage>) {
        let process = self.broker.as_ref().and_then(OwnBroker::process);
        (Usage::of_us(), process.map(Usage::of))
    }

    /// Since `us` and `broker`, one part long.
    fn cost(&self, us: &Usage, broker: Option<&Usage>) -> Cost {
        self.cost_over(us, broker, self.args.part.as_secs_f64())
    }

    fn cost_over(&self, us: &Usage, broker: Option<&Usage>, seconds: f64) -> Cost {
        let (now, broker_now) = self.usage();
        let busy = now.since(us, seconds);
        let grown = now.resident.saturating_sub(self.before.resident);
        let whole = |(now, before): (&Usage, &Usage)| now.since(before, seconds).0.remove("whole");
        Cost {
            box_ms_a_second: busy.a_box(&OF_A_BOX, self.args.boxes),
            box_bytes: grown / self.args.boxes.max(1) as u64,
            broker_ms_a_second: broker_now.as_ref().zip(broker).and_then(whole),
            broker_bytes: broker_now.map(|usage| usage.resident),
            busy,
        }
    }

    /// Waits until `is` is true of the course; names `what` where it never is.
    async fn until(&self, what: &str, is: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        let looks = async {
            while !is(self) {
                sleep(LOOK).await;
            }
        };
        let came = timeout(PATIENCE, looks).await;
        came.with_context(|| format!("gave up waiting until {what}"))
    }
}

/// Ends a box and opens it again on what it left.
async fn begins_anew(slot: Slot, common: Common, url: String) -> anyhow::Result<()> {
    let Some(it) = taken(&slot).await else { return Ok(()) };
    let number = it.number();
    it.ends(ENDING).await;
    let open = move || Simulated::open(&common, number, &url);
    let opened = tokio::task::spawn_blocking(open).await??;
    *slot.lock() = Some(Arc::new(opened));
    Ok(())
}

/// A box out of its slot, once its game has let go of it.
async fn taken(slot: &Slot) -> Option<Simulated> {
    let mut shared = slot.lock().take()?;
    loop {
        match Arc::try_unwrap(shared) {
            Ok(it) => return Some(it),
            Err(back) => shared = back,
        }
        sleep(LOOK).await;
    }
}

fn folder(dir: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = dir.join(name);
    std::fs::create_dir(&path).with_context(|| format!("make {}", path.display()))?;
    Ok(path)
}

async fn address(url: &str) -> anyhow::Result<SocketAddr> {
    let (host, port) = host_and_port(url)?;
    let mut found = tokio::net::lookup_host((host.as_str(), port)).await;
    let found = found.as_mut().ok().and_then(Iterator::next);
    found.with_context(|| format!("{url}: no such host"))
}

/// `tmpfs(5)`; statfs(2): `TMPFS_MAGIC`.
const TMPFS: i64 = 0x0102_1994;

fn filesystem(dir: &Path) -> String {
    let is_memory = rustix::fs::statfs(dir).is_ok_and(|of| of.f_type == TMPFS);
    if is_memory { "tmpfs" } else { "disk" }.to_owned()
}

/// What the files below a folder take of the disk.
fn bytes_in(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(of) if of.is_dir() => bytes_in(&entry.path()),
            Ok(of) => of.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}
