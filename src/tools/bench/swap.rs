//! `courtside bench swap`: what it costs a game that another model decides, again and again.
//!
//! The whole daemon runs in this process, as in `bench latency`, and a camera of ours plays the rendered
//! game to it at its own time. Meanwhile one bundle after the other is loaded, tried beside the live one
//! and switched in. Every picture that leaves the decoder is to be answered once, by one or the other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::ProgressBar;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;

use crate::answer::RimAnswer;
use crate::app::{App, AppHandle, Options, Probe};
use crate::clock::Clock;
use crate::disk::RealDisk;
use crate::event::models::{After, SwapEnded, SwapOrder};
use crate::event::words::SwapOutcome;
use crate::health;
use crate::media::{Codec, Frame, MediaTime, Monotonic, SessionId};
use crate::tools::bench::latency::{COURT, Scratch, configuration, sample};
use crate::tools::bench::spread::Spread;
use crate::tools::machine::{Machine, machine};
use crate::tools::rig::broker::OwnBroker;
use crate::tools::rig::camera::{self, Format};
use crate::tools::rig::publish::{Pace, Publisher};

/// Arguments of `bench swap`.
#[derive(Debug, Args)]
pub(crate) struct SwapArgs {
    /// Swaps, one behind the other
    #[arg(long, value_name = "N", default_value_t = 50)]
    swaps: u32,
    /// Frames that each is tried beside the live one
    #[arg(long, value_name = "N", default_value_t = 30)]
    frames: u32,
    /// Bundle to swap to, in turn (can be repeated) [default: rimnet]
    #[arg(long, value_name = "NAME")]
    bundle: Vec<String>,
    /// Folder of model bundles [default: the bundle in the binary]
    #[arg(long, value_name = "DIR")]
    models_dir: Option<PathBuf>,
    /// Seconds of play before the first swap, and after the last
    #[arg(long, value_name = "S", default_value_t = 10)]
    seconds: u32,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// The stream: 720p30 at the bit rate of `bench latency`.
const FORMAT: Format = Format { width: 1280, height: 720, fps: 30, kbps: 4000, codec: Codec::H264 };
/// Play that a swap may take, s: loading, warming up, its frames, and as much again.
const A_SWAP_SECONDS: u32 = 5;
/// A switch is felt for so long, if at all.
const FELT: Duration = Duration::from_secs(1);
/// How often the box is asked how far it is.
const LOOK: Duration = Duration::from_millis(20);
/// Answers of the last pictures come within this.
const SETTLE: Duration = Duration::from_secs(2);
/// How far the live model's 99th percentile may move, ms.
const MOVES_AT_MOST_MS: f64 = 1.0;

impl SwapArgs {
    /// Runs the bench. 3 when a picture was lost or answered twice, or a swap did not hold.
    ///
    /// # Errors
    /// What could not be started or measured.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        health::start_log("error")?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("start the network threads")?;
        runtime.block_on(bench(self))
    }
}

async fn bench(args: &SwapArgs) -> anyhow::Result<ExitCode> {
    let folder = Scratch::make("courtside-bench")?;
    let (video, rim) = sample(&folder.0, FORMAT)?;
    let length = 2 * args.seconds + A_SWAP_SECONDS * args.swaps + 5;
    eprintln!("encoding {length} s at {} × {}", FORMAT.width, FORMAT.height);
    let tags = camera::film(&video, FORMAT, length)?;
    let broker = OwnBroker::start(&folder.0).await?;
    let watched = Arc::new(Watched::default());
    let probe = Some(Arc::clone(&watched) as Arc<dyn Probe>);
    let options = Options { open_http: true, probe, ..Options::default() };
    let data_dir = folder.0.join("box");
    let config = configuration(args.models_dir.as_deref(), &data_dir, &broker.url(), &[rim])?;
    let Machine { world, .. } = machine(&config, Arc::new(RealDisk::new()));
    let clock = Arc::clone(&world.clock);
    let app = App::build(config, world, options).await?;
    let (handle, rtmp) = (app.handle(), app.addresses().rtmp.context("RTMP is not served")?);
    let (stop, stopped) = watch::channel(false);
    let daemon = tokio::spawn(app.run(stopped));
    let (end, mut ended) = watch::channel(false);
    let url = format!("rtmp://{rtmp}/live/{COURT}");
    let publishing = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut publisher = Publisher::connect(&url).await?;
            // Woken by the end of the film, or when all is measured.
            tokio::select! {
                played = publisher.play(&tags, Pace::RealTime, |_| {}) => played?,
                _ = ended.wait_for(|end| *end) => {}
            }
            publisher.finish().await
        })
    });
    let swaps = swaps(args, &handle, &*clock).await;
    end.send_replace(true);
    publishing.await.context("the publisher's thread")??;
    tokio::time::sleep(SETTLE).await;
    stop.send_replace(true);
    let report = daemon.await.context("the daemon's task")??;
    broker.stop().await;
    let summary = watched.summary(&swaps?, report.unbalanced.is_empty())?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        summary.print();
    }
    Ok(if summary.kept { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// When one swap was asked for, and when it was over; what the process had in memory.
struct Swapped {
    asked: Monotonic,
    over: Monotonic,
    outcome: SwapOutcome,
}

async fn swaps(
    args: &SwapArgs,
    handle: &AppHandle,
    clock: &dyn Clock,
) -> anyhow::Result<Vec<Swapped>> {
    let usual = ["rimnet".to_owned()];
    let bundles = if args.bundle.is_empty() { &usual[..] } else { &args.bundle };
    let play = Duration::from_secs(args.seconds.into());
    tokio::time::sleep(play).await;
    let mut swaps: Vec<Swapped> = Vec::new();
    let bar = ProgressBar::new(args.swaps.into());
    for (n, bundle) in (1..=args.swaps).zip(bundles.iter().cycle()) {
        bar.set_position(n.into());
        let asked = clock.monotonic();
        let (bundle, precision) = match bundle.split_once(':') {
            Some((bundle, precision)) => (bundle.to_owned(), Some(precision.to_owned())),
            None => (bundle.clone(), None),
        };
        let after = After::Frames(args.frames);
        handle.swap_model(&SwapOrder { bundle, precision, after, keep: false })?;
        let late = asked.plus(Duration::from_secs((A_SWAP_SECONDS * 4).into()));
        let outcome = loop {
            tokio::time::sleep(LOOK).await;
            let models = handle.models();
            // The one before may be put back while this one is tried.
            let put_back = |last: &SwapEnded| last.outcome == SwapOutcome::RolledBack;
            if models.swap.is_some()
                && models.last_swap.as_ref().is_some_and(put_back)
                && let Some(last) = swaps.last_mut()
            {
                last.outcome = SwapOutcome::RolledBack;
            }
            match (models.swap, models.last_swap) {
                (None, Some(last)) if last.outcome == SwapOutcome::Failed => {
                    bail!("swap {n}: {}", last.reason.unwrap_or_default())
                }
                (None, Some(last)) => break last.outcome,
                _ if clock.monotonic() > late => bail!("swap {n} does not come to its end"),
                _ => {}
            }
        };
        swaps.push(Swapped { asked, over: clock.monotonic(), outcome });
        tokio::time::sleep(LOOK * 10).await;
    }
    bar.finish_and_clear();
    tokio::time::sleep(play).await;
    if handle.models().last_swap.is_some_and(|last| last.outcome == SwapOutcome::RolledBack)
        && let Some(last) = swaps.last_mut()
    {
        last.outcome = SwapOutcome::RolledBack;
    }
    Ok(swaps)
}

/// Notes what becomes of each picture.
#[derive(Debug, Default)]
struct Watched {
    // Written from two threads, a line at a time; read at the end.
    seen: Mutex<BTreeMap<(SessionId, MediaTime), Passed>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Passed {
    decoded: bool,
    answers: u32,
    arrival: Monotonic,
    answered: Monotonic,
}

impl Probe for Watched {
    fn frame(&self, frame: &Frame) {
        self.seen.lock().entry((frame.session, frame.pts)).or_default().decoded = true;
    }

    fn answer(&self, answer: &RimAnswer) {
        let mut seen = self.seen.lock();
        let passed = seen.entry((answer.session, answer.pts)).or_default();
        passed.answers += 1;
        (passed.arrival, passed.answered) = (answer.arrival, answer.answered);
    }
}

/// What the bench tells.
#[derive(Debug, Serialize)]
struct Summary {
    swaps: usize,
    rolled_back: usize,
    pictures: usize,
    /// Without an answer.
    lost: usize,
    twice: usize,
    /// Last byte in to answer, of the live model, before the first swap …
    before: Spread,
    /// … while one is loaded and tried, and for a second after each switch …
    during: Spread,
    /// … and after the last.
    after: Spread,
    /// Between two answers, ms.
    worst_gap_before_ms: f64,
    worst_gap_during_ms: f64,
    balanced: bool,
    /// Nothing lost, nothing twice, each swap held.
    kept: bool,
}

impl Watched {
    fn summary(&self, swaps: &[Swapped], balanced: bool) -> anyhow::Result<Summary> {
        let seen = self.seen.lock();
        let (Some(first), Some(last)) = (swaps.first(), swaps.last()) else {
            bail!("no swap was asked for: see --swaps")
        };
        let felt =
            |at: Monotonic| swaps.iter().any(|swap| at >= swap.asked && at <= swap.over.plus(FELT));
        let answered: Vec<Passed> =
            seen.values().filter(|passed| passed.answers > 0).copied().collect();
        if answered.is_empty() {
            bail!("no picture was answered: see `courtside doctor`");
        }
        let took = |of: &dyn Fn(Monotonic) -> bool| {
            let of = answered.iter().filter(|passed| of(passed.answered));
            Spread::of(of.map(|passed| passed.answered.since(passed.arrival)))
        };
        let mut ends: Vec<Monotonic> = answered.iter().map(|passed| passed.answered).collect();
        ends.sort_unstable();
        let gap = |of: &dyn Fn(Monotonic) -> bool| {
            let pairs = ends.iter().zip(ends.iter().skip(1)).filter(|(_, at)| of(**at));
            let gaps = pairs.map(|(before, at)| at.since(*before));
            gaps.max().unwrap_or_default().as_secs_f64() * 1e3
        };
        let is_before = |at: Monotonic| at < first.asked;
        let decoded = seen.values().filter(|passed| passed.decoded);
        let lost = decoded.clone().filter(|passed| passed.answers == 0).count();
        let twice = seen.values().filter(|passed| passed.answers > 1).count();
        let rolled_back =
            swaps.iter().filter(|swap| swap.outcome == SwapOutcome::RolledBack).count();
        Ok(Summary {
            swaps: swaps.len(),
            rolled_back,
            pictures: decoded.count(),
            lost,
            twice,
            before: took(&is_before),
            during: took(&felt),
            after: took(&|at| at > last.over.plus(FELT)),
            worst_gap_before_ms: gap(&is_before),
            worst_gap_during_ms: gap(&felt),
            balanced,
            kept: lost == 0 && twice == 0 && rolled_back == 0 && balanced,
        })
    }
}

impl Summary {
    fn print(&self) {
        println!(
            "{:<38}{:>8} {:>8} {:>8} {:>8}",
            "last byte in → answer, ms", "p50", "p95", "p99", "max"
        );
        println!("{:<38}{}", "before the first swap", self.before);
        println!("{:<38}{}", "while one is tried, and switched", self.during);
        println!("{:<38}{}", "after the last", self.after);
        let moved = |to: &Spread| to.p99_ms - self.before.p99_ms;
        println!(
            "p99 moves by {:+.1} ms meanwhile, {:+.1} ms for good ({MOVES_AT_MOST_MS} ms at most is wanted)",
            moved(&self.during),
            moved(&self.after)
        );
        println!(
            "longest time between two answers: {:.1} ms before, {:.1} ms over the swaps",
            self.worst_gap_before_ms, self.worst_gap_during_ms
        );
        println!(
            "{} swaps, {} rolled back, {} pictures, {} lost, {} answered twice",
            self.swaps, self.rolled_back, self.pictures, self.lost, self.twice
        );
        println!("nothing lost, nothing twice: {}", if self.kept { "kept" } else { "NOT kept" });
    }
}
