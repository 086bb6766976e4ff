//! `courtside bench pull`: what many readers cost live pictures.
//!
//! The whole daemon with one court, published to in real time all the while. First nobody reads; then so
//! many readers pull clips over HTTP again and again, as fast as the box lets them, or with `--upload` the box
//! sends two at once to a storage of ours, again and again (`pull_sends`). Each picture's time from its last
//! byte to its answer is printed for both, side by side, with what the readers got.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::ProgressBar;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::answer::RimAnswer;
use crate::app::{App, Options, Probe};
use crate::broker::Access;
use crate::clock::{Clock, sleep};
use crate::disk::RealDisk;
use crate::health;
use crate::media::{Codec, Frame, MediaTime, Monotonic, UtcTime};
use crate::rtmp::flv::FileTag;
use crate::tools::bench::latency::{
    BUDGETED_HOPS, COURT, KBPS, Scratch, configuration, sample, size,
};
use crate::tools::bench::pull_sends::{Sink, sends};
use crate::tools::bench::spread::Spread;
use crate::tools::client::{Asked, Origin};
use crate::tools::machine::{Machine, machine};
use crate::tools::rig::broker::OwnBroker;
use crate::tools::rig::camera::{self, Format};
use crate::tools::rig::publish::{Pace, Publisher};
use crate::tools::tell::{remark, tell, tell_json};
use crate::uplink::{DEFAULT_QUOTA_BYTES, UplinkSettings};

/// Arguments of `bench pull`.
#[derive(Debug, Args)]
pub(crate) struct BenchPullArgs {
    /// Readers at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=32))]
    readers: u32,
    /// Nobody reads: the box sends two clips at once
    #[arg(long, conflicts_with_all = ["readers", "rate"])]
    upload: bool,
    /// Length of each half, s
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u32).range(10..=600))]
    seconds: u32,
    /// Bytes a second that the box gives all readers [default: that of a box]
    #[arg(long, value_name = "N")]
    rate: Option<u64>,
    /// Width and height of the stream
    #[arg(long, value_name = "WxH", default_value = "1280x720", value_parser = size)]
    size: (u32, u32),
    /// Pictures a second
    #[arg(long, value_name = "N", default_value_t = 30)]
    fps: u32,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Issue 19, item 1: p99 during a pull is no more than so much above that before.
const BUDGET_MS: f64 = 5.0;
/// What is read while the first pictures warm everything up is left out.
const WARM: Duration = Duration::from_secs(3);
/// The answers of the last pictures come within this.
const SETTLE: Duration = Duration::from_secs(1);
const MANIFEST_MOST_BYTES: usize = 8 << 20;
/// Uploads at once: as many as a box has.
const UPLOADS: u32 = 2;

impl BenchPullArgs {
    /// Runs the bench. 3 when it is over budget.
    ///
    /// # Errors
    /// What could not be started or measured.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        health::start_log("warn")?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("start the network threads")?;
        let sheet = runtime.block_on(self.bench())?;
        if self.json {
            tell_json(&sheet)?;
        } else {
            sheet.lines().into_iter().for_each(tell);
        }
        Ok(if sheet.kept { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }

    async fn bench(&self) -> anyhow::Result<Sheet> {
        let folder = Scratch::make("courtside-bench-pull")?;
        let (width, height) = self.size;
        let share = u64::from(width) * u64::from(height) * u64::from(self.fps);
        let kbps = u32::try_from(u64::from(KBPS) * share / (1280 * 720 * 30))?.max(100);
        let format = Format { width, height, fps: self.fps, kbps, codec: Codec::H264 };
        let (video, rim) = sample(&folder.0, format)?;
        let seconds = self.seconds * 2 + 2;
        let bar = ProgressBar::new(u64::from(seconds));
        let tags = camera::film(&video, format, seconds)?;
        let broker = OwnBroker::start(&folder.0).await?;
        let data_dir = folder.0.join("box");
        let mut config = configuration(None, &data_dir, &broker.url(), &[rim])?;
        config.http.read_bytes_per_second = self.rate.unwrap_or(config.http.read_bytes_per_second);
        let rate = config.http.read_bytes_per_second;
        config.upload.plain = true;
        let asking = UplinkSettings {
            box_name: config.appliance.name.clone(),
            access: Access::of(&config.uplink),
            dir: PathBuf::new(),
            quota_bytes: DEFAULT_QUOTA_BYTES,
            boot: String::new(),
            time_floor: UtcTime::from_nanos(0).into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            courts: Vec::new(),
        };
        let Machine { world, .. } = machine(&config, Arc::new(RealDisk::new()));
        let clock = Arc::clone(&world.clock);
        let watched = Arc::new(Watched::new(&clock));
        let options = Options {
            open_http: true,
            probe: Some(Arc::clone(&watched) as _),
            ..Options::default()
        };
        let app = App::build(config, world, options).await?;
        let rtmp = app.addresses().rtmp.context("RTMP is not served")?;
        let origin =
            Origin::of(&format!("http://{}", app.addresses().http)).context("an address")?;
        let (stop, stopped) = watch::channel(false);
        let daemon = tokio::spawn(app.run(stopped));
        let publishing = publish(tags, format!("rtmp://{rtmp}/live/{COURT}"), &watched);
        let begun = clock.monotonic();
        let half = Duration::from_secs(self.seconds.into());
        while clock.monotonic().since(begun) < half {
            bar.set_position(clock.monotonic().since(begun).as_secs());
            sleep(&*clock, Duration::from_millis(250)).await;
        }
        let clips = clips(&origin).await?;
        let (ended, read) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut readers: JoinSet<anyhow::Result<()>> = JoinSet::new();
        let sink = Arc::new(Sink::start().await?);
        let from = clock.monotonic();
        let count = if self.upload { UPLOADS } else { self.readers };
        for n in 0..count {
            let ended = Arc::clone(&ended);
            if self.upload {
                let clips = clips.iter().map(|(id, _)| id.clone()).collect();
                let (asking, clock, sink) = (asking.clone(), Arc::clone(&clock), Arc::clone(&sink));
                readers.spawn(async move {
                    sends(asking, clock, clips, sink, (n, ended)).await.map(drop)
                });
            } else {
                let clips: Vec<_> = clips.iter().map(|(_, href)| href.clone()).collect();
                let (origin, read) = (origin.clone(), Arc::clone(&read));
                readers.spawn(async move { reads(&origin, &clips, n, &ended, &read).await });
            }
        }
        publishing.await.context("the publisher's thread")??;
        bar.finish_and_clear();
        let to = clock.monotonic();
        ended.store(true, Ordering::Relaxed);
        let moved = sink.taken();
        sleep(&*clock, SETTLE).await;
        let mut failed = 0_u64;
        while let Some(joined) = readers.join_next().await {
            if let Err(error) = joined? {
                remark(format_args!("{error:#}"));
                failed += 1;
            }
        }
        stop.send_replace(true);
        let report = daemon.await.context("the daemon's task")??;
        broker.stop().await;
        let (before, during) = watched.halves(begun.plus(WARM), from);
        let worse_ms = during.p99_ms - before.p99_ms;
        #[expect(clippy::cast_precision_loss, reason = "bytes a second")]
        let read_bytes_per_second =
            (read.load(Ordering::Relaxed) + moved) as f64 / to.since(from).as_secs_f64();
        let budgeted =
            report.ledger.iter().filter(|(hop, _)| BUDGETED_HOPS.contains(&hop.hop.as_str()));
        let dropped = budgeted.flat_map(|(_, count)| &count.dropped);
        let dropped = dropped.filter(|(why, _)| !why.is_expected()).map(|(_, n)| n).sum();
        Ok(Sheet {
            readers: count,
            upload: self.upload,
            rate,
            before,
            during,
            worse_ms,
            read_bytes_per_second,
            failed,
            dropped,
            kept: worse_ms <= BUDGET_MS && dropped == 0,
        })
    }
}

/// Publishes on a thread of its own, so that the daemon's tasks cannot delay it.
fn publish(
    tags: Vec<FileTag>,
    url: String,
    watched: &Arc<Watched>,
) -> tokio::task::JoinHandle<anyhow::Result<()>> {
    let watched = Arc::clone(watched);
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut publisher = Publisher::connect(&url).await?;
            publisher.play(&tags, Pace::RealTime, |sent| watched.sent(sent.media)).await?;
            publisher.finish().await
        })
    })
}

/// Names and addresses of the clips that there are.
async fn clips(origin: &Origin) -> anyhow::Result<Vec<(String, String)>> {
    let asked = Asked { path: "/v1/clips?limit=500", accept: "application/json", body: None };
    let answer = origin.ask(&asked, None, None).await?;
    let manifest: Value = serde_json::from_slice(&answer.whole(MANIFEST_MOST_BYTES).await?)?;
    let listed = manifest.get("clips").and_then(Value::as_array);
    let text = |clip: &Value, key| Some(clip.get(key)?.as_str()?.to_owned());
    let href = |clip: &Value| Some((text(clip, "id")?, text(clip, "href")?));
    let clips: Vec<_> = listed.into_iter().flatten().filter_map(href).collect();
    if clips.is_empty() {
        bail!("no clip was cut in the first half: make it longer with --seconds");
    }
    Ok(clips)
}

/// Reads clips one after the other until it is told to end.
async fn reads(
    origin: &Origin,
    clips: &[String],
    first: u32,
    ended: &AtomicBool,
    read: &AtomicU64,
) -> anyhow::Result<()> {
    let mut connection = origin.connect(None).await?;
    for path in clips.iter().cycle().skip(usize::try_from(first)?) {
        let asked = Asked { path, accept: "video/mp4", body: None };
        let mut answer = connection.ask(&asked, &[], None).await?;
        if !answer.status.is_success() {
            bail!("{path}: {}", answer.status);
        }
        while let Some(piece) = answer.piece().await? {
            if ended.load(Ordering::Relaxed) {
                return Ok(());
            }
            read.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Notes when each picture was sent, and when it was answered.
#[derive(Debug)]
struct Watched {
    clock: Arc<dyn Clock>,
    // Written from two threads, a line at a time; read at the end.
    seen: Mutex<BTreeMap<MediaTime, (Option<Monotonic>, Option<Monotonic>)>>,
}

impl Watched {
    fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { clock: Arc::clone(clock), seen: Mutex::default() }
    }

    fn sent(&self, media: MediaTime) {
        let now = self.clock.monotonic();
        self.seen.lock().entry(media).or_default().0 = Some(now);
    }

    /// Of pictures that were sent from `warm` to `from`, and of those after.
    fn halves(&self, warm: Monotonic, from: Monotonic) -> (Spread, Spread) {
        let seen = self.seen.lock();
        let took = |which: &dyn Fn(Monotonic) -> bool| {
            let of = |(sent, answered): &(Option<Monotonic>, Option<Monotonic>)| {
                let sent = (*sent).filter(|sent| which(*sent))?;
                Some((*answered)?.since(sent))
            };
            Spread::of(seen.values().filter_map(of))
        };
        (took(&|sent| sent >= warm && sent < from), took(&|sent| sent >= from))
    }
}

impl Probe for Watched {
    fn frame(&self, _: &Frame) {}

    fn answer(&self, answer: &RimAnswer) {
        self.seen.lock().entry(answer.pts).or_default().1 = Some(answer.answered);
    }
}

/// What came out.
#[derive(Debug, Serialize)]
struct Sheet {
    readers: u32,
    /// They are no readers, but uploads.
    upload: bool,
    /// Bytes a second that all readers may have.
    rate: u64,
    before: Spread,
    during: Spread,
    /// p99 during less p99 before.
    worse_ms: f64,
    read_bytes_per_second: f64,
    /// Readers that ended early.
    failed: u64,
    dropped: u64,
    kept: bool,
}

impl Sheet {
    fn lines(&self) -> Vec<String> {
        let Self { readers, rate, before, during, worse_ms, failed, dropped, kept, .. } = self;
        let (who, did) = if self.upload { ("uploads", "sent") } else { ("readers", "read") };
        let title = |text: &str| format!("{text:<38}");
        #[expect(clippy::cast_precision_loss, reason = "bytes a second")]
        let (got, may) = (self.read_bytes_per_second / 1e6, *rate as f64 / 1e6);
        let of = if self.upload { String::new() } else { format!(", of {may:.1}") };
        let budget = format!("p99 at most {BUDGET_MS} ms more, nothing dropped");
        let kept = if *kept { "kept" } else { "NOT kept" };
        vec![
            format!("{}{:>8} {:>8} {:>8} {:>8}", title("ms"), "p50", "p95", "p99", "max"),
            format!("{}{before}", title("last byte in → answer, nobody reads")),
            format!("{}{during}", title(&format!("… {readers} {who}"))),
            format!("p99 moved by {worse_ms:.1} ms"),
            format!(
                "{got:.1} MB/s were {did}{of}; {failed} {who} ended early, {dropped} dropped by ingest, \
                 recorder and decoder"
            ),
            format!("budget ({budget}): {kept}"),
        ]
    }
}
