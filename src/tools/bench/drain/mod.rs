//! `courtside bench drain`: an outbox that filled while there was no link, and how it empties.
//!
//! The uplink alone, on a real disk: it is filled as a game fills it, ended, started again, and given a
//! mosquitto of our own with a subscriber behind it. While it drains another court decides an event now and
//! then; what that one waits for is what somebody in the hall waits for. Afterwards the same on a quiet
//! link. `played` is what a game tells, `heard` the subscriber.

mod heard;
mod played;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;
use tokio::sync::watch;

use crate::broker::Access;
use crate::clock::{Chance, Clock, SystemClock, sleep, within};
use crate::config::Broker;
use crate::disk::{Disk, RealDisk};
use crate::event::Decision;
use crate::health;
use crate::mailbox::Mailbox;
use crate::media::{BoxName, CourtId, Monotonic, UtcTime};
use crate::tools::bench::drain::heard::Heard;
use crate::tools::bench::drain::played::{alone, attempts, attempts_of, events_of};
use crate::tools::bench::memory;
use crate::tools::bench::spread::Spread;
use crate::tools::private_folder::private_folder;
use crate::tools::rig::broker::OwnBroker;
use crate::tools::tell::{tell, tell_json};
use crate::uplink::{Committed, CommittedSink, DEFAULT_QUOTA_BYTES, Hooks, Uplink, UplinkSettings};

/// Arguments of `bench drain`.
#[derive(Debug, Args)]
pub(crate) struct DrainArgs {
    /// Events that wait when the link comes, at least
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    events: u32,
    /// Milliseconds between two live events while they drain
    #[arg(long, value_name = "MS", default_value_t = 100)]
    every_ms: u32,
    /// Live events on the quiet link afterwards
    #[arg(long, value_name = "N", default_value_t = 200)]
    quiet: u32,
    /// Broker without TLS and without a password to drain into [default: a mosquitto of its own]
    #[arg(long, value_name = "URL", value_parser = Broker::parse)]
    broker: Option<Broker>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Issue 18, item 7.
const DRAIN_A_SECOND: f64 = 2_000.0;
const LIVE_MS: f64 = 200.0;
const QUIET_MS: f64 = 20.0;
/// Courts that the backlog is of.
const COURTS: [&str; 2] = ["north", "south"];
/// The court that is played while they drain.
const LIVE: &str = "center";
const BOX: &str = "bench";
/// An outbox that takes nothing for so long is broken.
const PATIENCE: Duration = Duration::from_secs(60);
/// A millions of events may take an hour on a slow machine.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2 * 3600);
/// Between two live events on the quiet link: the one before is long through.
const QUIET_EVERY: Duration = Duration::from_millis(25);
/// The broker holds all that its subscriber has not read yet.
const BROKER: &str = "max_inflight_messages 0\nmax_queued_messages 0\n";

/// A port at which nobody listens, for an uplink that is not to connect.
const NOBODY: u16 = 1;

fn local(port: u16) -> Broker {
    Broker { tls: false, host: "127.0.0.1".to_owned(), port }
}

impl DrainArgs {
    /// Runs the bench. 3 when an event was lost or doubled, or a bound did not hold.
    ///
    /// # Errors
    /// What could not be started or measured.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        health::start_log("error")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let folder = Scratch(private_folder("courtside-drain")?);
        let summary = runtime.block_on(bench(self, &folder.0))?;
        if self.json {
            tell_json(&summary)?;
        } else {
            summary.print();
        }
        Ok(if summary.kept { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }
}

/// A folder that goes with the bench.
struct Scratch(std::path::PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning of its temporary folder.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// Counts what is on disk and what is acknowledged.
#[derive(Debug)]
struct Told {
    promised: watch::Sender<u64>,
    acknowledged: watch::Sender<u64>,
}

impl Told {
    fn new() -> Arc<Self> {
        let [promised, acknowledged] = [0, 0].map(|none| watch::channel(none).0);
        Arc::new(Self { promised, acknowledged })
    }
}

impl CommittedSink for Told {
    fn committed(&self, _: &Committed<'_>) {
        self.promised.send_modify(|count| *count += 1);
    }

    fn acknowledged(&self, _: Duration) {
        self.acknowledged.send_modify(|count| *count += 1);
    }
}

/// What was seen.
#[derive(Debug, Serialize)]
struct Summary {
    events: u64,
    filled_a_second: f64,
    bytes_an_event: f64,
    file_bytes_an_event: f64,
    quota_share: f64,
    start_seconds: f64,
    drained_a_second: f64,
    drain_seconds: f64,
    /// Offered → at the subscriber, while the backlog drains.
    live: Spread,
    /// The same once nothing waits.
    quiet: Spread,
    resident_bytes: u64,
    most_bytes: u64,
    lost: u64,
    doubled: u64,
    behind: u64,
    kept: bool,
}

/// Where an uplink of the bench works, and on what.
struct Bench<'a> {
    dir: &'a Path,
    clock: Arc<dyn Clock>,
}

impl Bench<'_> {
    fn open(&self, broker: Broker, told: &Arc<Told>) -> anyhow::Result<Uplink> {
        let settings = UplinkSettings {
            box_name: BoxName::new(BOX)?,
            access: Some(Access::to(broker)),
            dir: self.dir.join("outbox"),
            quota_bytes: DEFAULT_QUOTA_BYTES,
            boot: self.clock.boot(),
            time_floor: UtcTime::from_nanos(0).into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            courts: COURTS.map(str::to_owned).to_vec(),
        };
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
        let committed = Some(Arc::clone(told) as Arc<dyn CommittedSink>);
        let hooks = Hooks { committed, ..Hooks::default() };
        let clock = Arc::clone(&self.clock);
        let (uplink, _) = Uplink::open(settings, clock, &disk, Chance::system(), hooks)?;
        Ok(uplink)
    }

    fn seconds_since(&self, begun: Monotonic) -> f64 {
        self.clock.monotonic().since(begun).as_secs_f64()
    }
}

async fn bench(args: &DrainArgs, dir: &Path) -> anyhow::Result<Summary> {
    let bench = Bench { dir, clock: Arc::new(SystemClock::new()) };
    let clock = Arc::clone(&bench.clock);
    // Nobody there yet.
    let courts = COURTS.map(CourtId::new).into_iter().collect::<Result<Vec<_>, _>>()?;
    let each = attempts_of(args.events.div_ceil(2));
    let events = events_of(each) * courts.len() as u64;
    let filled = fill(&bench, &courts, each, events).await?;

    let own = match &args.broker {
        Some(_) => None,
        None => Some(OwnBroker::start_with(dir, BROKER).await?),
    };
    let broker = match (&args.broker, &own) {
        (Some(given), _) => given.clone(),
        (None, own) => local(own.as_ref().map_or(NOBODY, OwnBroker::port)),
    };
    let live = CourtId::new(LIVE)?;
    let heard = Heard::timing(live.clone());
    let for_heard = Arc::clone(&clock);
    let listening = tokio::spawn(heard.clone().listen(broker.clone(), BOX.to_owned(), for_heard));
    within(&*clock, PATIENCE, heard.subscribed())
        .await
        .context("the subscriber does not come in")?;

    let begun = clock.monotonic();
    let told = Told::new();
    let uplink = bench.open(broker, &told)?;
    let start_seconds = bench.seconds_since(begun);
    let begun = clock.monotonic();
    // For a script that cuts the wire.
    eprintln!("draining {events} events");
    uplink.connect(&tokio::runtime::Handle::current());
    let (inbox, offered) = (uplink.inbox(), Vec::new());
    let mut pace = Pace { clock: Arc::clone(&clock), inbox, live, offered };
    let every = Duration::from_millis(args.every_ms.max(1).into());
    let bar = ProgressBar::new(events);
    loop {
        let acknowledged = *told.acknowledged.borrow();
        bar.set_position(acknowledged);
        if acknowledged >= events {
            break;
        }
        if bench.seconds_since(begun) > DRAIN_PATIENCE.as_secs_f64() {
            bail!(
                "{acknowledged} of {events} events are acknowledged: it does not come to its end"
            );
        }
        // What is decided before the greeting is backlog itself.
        if acknowledged > 0 {
            pace.offer()?;
        }
        sleep(&*clock, every).await;
    }
    bar.finish_and_clear();
    let drain_seconds = bench.seconds_since(begun);
    let resident_bytes = memory::of_this_process("VmRSS:").unwrap_or_default();
    let while_draining = pace.offered.len();
    let mut wanted = events + while_draining as u64;
    within(&*clock, PATIENCE, heard.all(wanted)).await.context("events do not arrive")?;
    for _ in 0..args.quiet {
        pace.offer()?;
        wanted += 1;
        within(&*clock, PATIENCE, heard.all(wanted)).await.context("an event does not arrive")?;
        sleep(&*clock, QUIET_EVERY).await;
    }
    let drained = uplink.shutdown(PATIENCE).await;
    listening.abort();
    if let Some(own) = own {
        own.stop().await;
    }
    let lost = lost(&heard, &courts, each, &pace) + drained.unsent;
    let (doubled, behind) = heard.wrong();
    let waits = pace.waits(&heard);
    let (live, quiet) = waits.split_at(while_draining.min(waits.len()));
    let (live, quiet) = (Spread::of(live.iter().copied()), Spread::of(quiet.iter().copied()));
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let drained_a_second = events as f64 / drain_seconds;
    Ok(Summary {
        events,
        start_seconds,
        drained_a_second,
        drain_seconds,
        live,
        quiet,
        resident_bytes,
        most_bytes: memory::of_this_process("VmHWM:").unwrap_or_default(),
        lost,
        doubled,
        behind,
        kept: lost == 0
            && doubled == 0
            && behind == 0
            && drained_a_second >= DRAIN_A_SECOND
            && live.max_ms <= LIVE_MS
            && quiet.p99_ms <= QUIET_MS,
        ..filled
    })
}

/// Decides `each` attempts on each court while there is no broker, and ends.
async fn fill(
    bench: &Bench<'_>,
    courts: &[CourtId],
    each: u32,
    events: u64,
) -> anyhow::Result<Summary> {
    let told = Told::new();
    let uplink = bench.open(local(NOBODY), &told)?;
    let begun = bench.clock.monotonic();
    let (inbox, courts) = (uplink.inbox(), courts.to_vec());
    let offered = tokio::task::spawn_blocking(move || {
        // Turn and turn about, as two courts are played.
        let mut games: Vec<_> = courts.iter().map(|court| attempts(court, 1, each)).collect();
        while let Some(decisions) = games.iter_mut().map(Iterator::next).collect::<Option<Vec<_>>>()
        {
            decisions.into_iter().try_for_each(|decision| offer(&inbox, decision))?;
        }
        anyhow::Ok(())
    });
    offered.await.context("the players' thread")??;
    let mut promised = told.promised.subscribe();
    let all = promised.wait_for(|count| *count >= events);
    drop(within(&*bench.clock, PATIENCE, all).await.context("not all events are on disk")?);
    let seconds = bench.seconds_since(begun);
    let state = uplink.status().state;
    let drained = uplink.shutdown(PATIENCE).await;
    if drained.unsent != events {
        bail!("{} of {events} events wait on disk", drained.unsent);
    }
    let file = std::fs::metadata(bench.dir.join("outbox/outbox.redb"))?.len();
    #[expect(clippy::cast_precision_loss, reason = "rates")]
    let (count, file, records) = (events as f64, file as f64, state.outbox_bytes as f64);
    Ok(Summary {
        events,
        filled_a_second: count / seconds,
        bytes_an_event: records / count,
        file_bytes_an_event: file / count,
        quota_share: state.outbox_share,
        start_seconds: 0.0,
        drained_a_second: 0.0,
        drain_seconds: 0.0,
        live: Spread::default(),
        quiet: Spread::default(),
        resident_bytes: 0,
        most_bytes: 0,
        lost: 0,
        doubled: 0,
        behind: 0,
        kept: false,
    })
}

fn offer(inbox: &Mailbox<Decision>, decision: Decision) -> anyhow::Result<()> {
    let offered = inbox.offer_waiting(decision, PATIENCE);
    offered.ok().context("the outbox takes nothing")
}

/// Live events, one by one.
struct Pace {
    clock: Arc<dyn Clock>,
    inbox: Mailbox<Decision>,
    live: CourtId,
    /// When each was offered, by sequence from 1.
    offered: Vec<Monotonic>,
}

impl Pace {
    fn offer(&mut self) -> anyhow::Result<()> {
        let n = u32::try_from(self.offered.len() + 1).context("too many")?;
        self.offered.push(self.clock.monotonic());
        offer(&self.inbox, alone(&self.live, n))
    }

    /// What each waited until it was at the subscriber.
    fn waits(&self, heard: &Heard) -> Vec<Duration> {
        let came = heard.came();
        let waited = |(sequence, offered): (u64, &Monotonic)| {
            came.get(&sequence).map(|came| came.since(*offered))
        };
        (1..).zip(&self.offered).filter_map(waited).collect()
    }
}

/// Events that never came.
fn lost(heard: &Heard, courts: &[CourtId], each: u32, pace: &Pace) -> u64 {
    let ids = |decision: Decision| decision.events.into_iter().map(|event| event.id().to_string());
    let of_backlog = |court: &CourtId| heard.missing(court, attempts(court, 1, each).flat_map(ids));
    let live = (1..).take(pace.offered.len()).flat_map(|n| ids(alone(&pace.live, n)));
    courts.iter().map(of_backlog).sum::<u64>() + heard.missing(&pace.live, live)
}

impl Summary {
    fn print(&self) {
        let mega = |bytes: u64| bytes >> 20;
        tell(format_args!("events that waited      {:>10}", self.events));
        tell(format_args!("filled, a second        {:>10.0}", self.filled_a_second));
        tell(format_args!(
            "bytes an event          {:>10.0}   of the quota, which is {:.0} % full; {:.0} of the file",
            self.bytes_an_event,
            self.quota_share * 100.0,
            self.file_bytes_an_event
        ));
        tell(format_args!("started with them, s    {:>10.2}", self.start_seconds));
        tell(format_args!(
            "drained, a second       {:>10.0}   wanted {DRAIN_A_SECOND}; {:.1} s in all",
            self.drained_a_second, self.drain_seconds
        ));
        tell("waits of live events, ms     p50      p95      p99      max");
        tell(format_args!("  while it drains     {}   wanted max {LIVE_MS}", self.live));
        tell(format_args!("  on the quiet link   {}   wanted p99 {QUIET_MS}", self.quiet));
        tell(format_args!(
            "memory, MiB             {:>10}   {} at most; broker's not counted, subscriber's are",
            mega(self.resident_bytes),
            mega(self.most_bytes)
        ));
        tell(format_args!(
            "lost {}, doubled {}, behind a later one of their court {}",
            self.lost, self.doubled, self.behind
        ));
    }
}
