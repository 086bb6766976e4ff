//! `courtside bench latency`: how long a picture takes through the box, and how long an event.
//!
//! Open-loop: a publisher of ours gives each picture to loopback at its own time, whatever became
//! of the ones before. The whole daemon runs in this process, with the recorder, and a real broker
//! beside it. What is sent, answered and heard is correlated by the stream's timestamps; the bare
//! `appsrc ! decoder ! appsink` takes the same pictures at the same times right after.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use crate::answer::RimAnswer;
use crate::app::{App, Options, Probe, Report};
use crate::clock::Clock;
use crate::config;
use crate::disk::RealDisk;
use crate::event::Envelope;
use crate::health;
use crate::mailbox::hops;
use crate::media::{Codec, Frame, MediaTime, Monotonic, RimBox, UtcTime};
use crate::rtmp::flv::{FileTag, VideoTag};
use crate::tools::bench::bare;
use crate::tools::bench::screen::{Screen, Shown, ToScreen, Took, start_game};
use crate::tools::bench::spread::Spread;
use crate::tools::client::Origin;
use crate::tools::demo;
use crate::tools::machine::{Machine, machine};
use crate::tools::private_folder::private_folder;
use crate::tools::rig::broker::OwnBroker;
use crate::tools::rig::camera::{self, Format};
use crate::tools::rig::listen::Listener;
use crate::tools::rig::publish::{Pace, Publisher, Sent};
use crate::tools::rig::strip;
use crate::tools::rim_arg::RimArg;

/// Arguments of `bench latency`.
#[derive(Debug, Args)]
pub(crate) struct LatencyArgs {
    /// Video to publish instead of the rendered game; it is scaled to SIZE
    #[arg(long, value_name = "FILE", requires = "rim")]
    pub video: Option<PathBuf>,
    /// Box of the ring in pixels of SIZE
    #[arg(long, value_name = "X,Y,W,H", requires = "video")]
    pub rim: Option<RimArg>,
    /// Width and height of the stream
    #[arg(long, value_name = "WxH", default_value = "1280x720", value_parser = size)]
    pub size: (u32, u32),
    /// Pictures a second
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub fps: u32,
    /// Runs; the median of their percentiles counts
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub runs: u32,
    /// Length of a run, s [default: 20; 40 with --screen]
    #[arg(long, value_name = "S")]
    pub seconds: Option<u32>,
    /// Rims at the ring, so that each shot is as many calls [default: 1; 4 with
    /// --screen]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    pub rims: Option<u8>,
    /// Measure from the shutter of a camera of ours instead
    #[arg(long)]
    pub shutter: bool,
    /// Measure to the operator's screen too, in Chromium; from the shutter
    #[arg(long)]
    pub screen: bool,
    /// Page that --screen looks at; /operate has a game to show
    #[arg(long, value_name = "PATH", default_value = STAGE, requires = "screen")]
    pub page: String,
    /// Folder of model bundles [default: the bundle in the binary]
    #[arg(long, value_name = "DIR")]
    pub models_dir: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

/// Last byte in → answer out, software decode, 2 cores, 720p30 (DESIGN §3).
const BUDGET_MS: f64 = 60.0;
const BUDGET: &str = "budget (p99 to the answer 60 ms, nothing dropped)";
/// Hops that may drop nothing: ingest hands on to the first two, the third is the decoder itself. A
/// model that is late loses pictures of its own, which is told and is no fault of theirs.
pub(super) const BUDGETED_HOPS: [&str; 3] = [hops::RING, hops::DECODE, hops::DECODER];
/// Bit rate of the stream at 720p30, kbit/s; other sizes in proportion.
pub(super) const KBPS: u32 = 4000;
pub(super) const BOX: &str = "bench";
pub(super) const COURT: &str = "loopback-court";
/// The operator's own page.
const STAGE: &str = "/operate";
/// Answers and events of the last pictures come within this.
const SETTLE: Duration = Duration::from_secs(3);
/// Events carry seconds as decimals, streams whole milliseconds.
const ROUNDED_NS: i64 = 1_000_000;

/// The rendered game and its ring, scaled to `format`.
pub(super) fn sample(dir: &Path, format: Format) -> anyhow::Result<(PathBuf, RimBox)> {
    let file = dir.join("game.flv");
    let game = demo::game()?;
    let written = std::fs::File::create(&file).and_then(|mut file| file.write_all(&game));
    written.with_context(|| format!("write {}", file.display()))?;
    let drawn: Drawn = serde_json::from_str(demo::TRUTH).context("the sample's truth")?;
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    let [wide, high] = [format.width as f32 / drawn.size[0], format.height as f32 / drawn.size[1]];
    let [x, y, w, h] = drawn.rim;
    Ok((file, RimBox { x: x * wide, y: y * high, w: w * wide, h: h * high }))
}

/// What the rendered game says of itself.
#[derive(Deserialize)]
struct Drawn {
    size: [f32; 2],
    rim: [f32; 4],
}

pub(super) fn size(text: &str) -> Result<(u32, u32), String> {
    let fault = || format!("`{text}`: write WIDTHxHEIGHT, for example 1280x720");
    let (width, height) = text.split_once('x').ok_or_else(fault)?;
    let number =
        |text: &str| text.parse().ok().filter(|n| (64..=4096).contains(n)).ok_or_else(fault);
    Ok((number(width)?, number(height)?))
}

impl LatencyArgs {
    /// True where time begins with the clock in the picture.
    const fn by_shutter(&self) -> bool {
        self.shutter || self.screen
    }

    /// Length of a run: the rendered game has a shot each five seconds, and five runs to the screen are to have
    /// [`super::screen::CALLS_LEAST`] calls.
    fn seconds(&self) -> u32 {
        self.seconds.unwrap_or(if self.screen { 40 } else { 20 })
    }

    fn rims(&self) -> usize {
        usize::from(self.rims.unwrap_or(if self.screen { 4 } else { 1 }))
    }

    /// Runs the bench. 3 when it is over budget, or a picture was lost.
    ///
    /// # Errors
    /// What could not be started or measured.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        health::start_log("warn")?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("start the network threads")?;
        runtime.block_on(bench(self))
    }
}

async fn bench(args: &LatencyArgs) -> anyhow::Result<ExitCode> {
    let folder = Scratch::make("courtside-bench")?;
    let scene = Scene::of(args, &folder.0)?;
    let broker = OwnBroker::start(&folder.0).await?;
    let mut runs = Vec::new();
    for number in 1..=args.runs.max(1) {
        eprintln!("run {number} of {}: {} s", args.runs.max(1), args.seconds());
        let data_dir = folder.0.join(format!("run-{number}"));
        runs.push(run(args, &scene, &data_dir, &broker.url()).await?);
    }
    broker.stop().await;
    let summary = Summary::of(args, runs);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        summary.print();
    }
    Ok(if summary.kept { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// What is played.
struct Scene {
    video: PathBuf,
    rim: RimBox,
    format: Format,
    /// Encoded ahead, where no shutter is wanted.
    tags: Vec<FileTag>,
}

impl Scene {
    fn of(args: &LatencyArgs, dir: &Path) -> anyhow::Result<Self> {
        let (width, height) = args.size;
        let share = u64::from(width) * u64::from(height) * u64::from(args.fps);
        let kbps = u32::try_from(u64::from(KBPS) * share / (1280 * 720 * 30))?.max(100);
        let format = Format { width, height, fps: args.fps, kbps, codec: Codec::H264 };
        let (video, rim) = match (&args.video, args.rim) {
            (Some(video), Some(rim)) => (video.clone(), rim.0),
            _ => sample(dir, format)?,
        };
        let tags = if args.by_shutter() {
            Vec::new()
        } else {
            eprintln!("encoding {} s at {width} × {height}", args.seconds());
            camera::film(&video, format, args.seconds())?
        };
        Ok(Self { video, rim, format, tags })
    }
}

/// One run's figures, ms.
#[derive(Clone, Debug, Serialize)]
struct Run {
    /// From the last byte given to the network (or the shutter) to the answer.
    answer: Spread,
    /// From the same to the picture out of the decoder.
    decoded: Spread,
    /// The same for the picture that decided, to the event at a subscriber.
    event: Spread,
    /// From an event's decision to the broker's acknowledgement.
    acknowledged: Spread,
    /// The single values, to be pooled: events are few.
    #[serde(skip)]
    acknowledgements: Vec<Duration>,
    /// Shutter to last byte: encoder and publisher of ours.
    camera: Option<Spread>,
    /// How far an event's `time` is from the shutter of its picture.
    clock_off: Option<Spread>,
    /// `clocksource` of the events, by count.
    clock_sources: BTreeMap<String, u64>,
    /// Push to picture of the bare pipeline.
    bare: Option<Spread>,
    /// What came to the operator's screen.
    screen: Option<ToScreen>,
    /// The single calls, to be pooled: a percentile of a run's few would be one of them.
    #[serde(skip)]
    calls: Vec<Took>,
    sent: usize,
    unanswered: usize,
    dropped: BTreeMap<String, u64>,
    balanced: bool,
}

async fn run(args: &LatencyArgs, scene: &Scene, dir: &Path, broker: &str) -> anyhow::Result<Run> {
    let rims = vec![scene.rim; args.rims()];
    let config = configuration(args.models_dir.as_deref(), dir, broker, &rims)?;
    let Machine { world, .. } = machine(&config, Arc::new(RealDisk::new()));
    let clock = Arc::clone(&world.clock);
    let watched = Arc::new(Watched::new(&clock, args.by_shutter()));
    let options =
        Options { open_http: true, probe: Some(Arc::clone(&watched) as _), ..Options::default() };
    let mut listener = Listener::start(broker, "courtside-bench-listener", BOX).await?;
    let app = App::build(config, world, options).await?;
    let addresses = app.addresses();
    let rtmp = addresses.rtmp.context("RTMP is not served")?;
    let (stop, stopped) = watch::channel(false);
    let daemon = tokio::spawn(app.run(stopped));
    let mut screen = None;
    if args.screen {
        let (http, page) = (addresses.http, args.page.clone());
        if page.starts_with(STAGE) {
            let origin = Origin::of(&format!("http://{http}")).context("an address")?;
            start_game(&mut origin.connect(None).await?, COURT).await?;
        }
        let opened = tokio::task::spawn_blocking(move || Screen::open(http, &page, BOX));
        screen = Some(opened.await.context("the browser's thread")??);
    }
    let publishing = publisher(args, scene, format!("rtmp://{rtmp}/live/{COURT}"), &watched)?;
    let heard = async {
        let mut heard = Vec::new();
        tokio::pin!(publishing);
        let ended = loop {
            // Woken by an event, or by the last picture's last byte.
            tokio::select! {
                event = listener.next() => heard.push((clock.monotonic(), event?)),
                ended = &mut publishing => break ended,
            }
        };
        ended??;
        let rest = async {
            while let Ok(event) = listener.next().await {
                heard.push((clock.monotonic(), event));
            }
        };
        // Silence is the end of it.
        let _silence = tokio::time::timeout(SETTLE, rest).await;
        anyhow::Ok(heard)
    }
    .await?;
    let mut shown = None;
    if let Some(mut screen) = screen {
        let read = tokio::task::spawn_blocking(move || screen.shown());
        shown = Some(read.await.context("the browser's thread")??);
    }
    stop.send_replace(true);
    let report = daemon.await.context("the daemon's task")??;
    let mut run = watched.figures(&heard, &report, shown.as_deref())?;
    if !args.by_shutter() {
        let (tags, clock) = (scene.tags.clone(), Arc::clone(&clock));
        let bare =
            tokio::task::spawn_blocking(move || bare::decode(&tags, &bare::decoder()?, &clock));
        run.bare = Some(Spread::of(bare.await.context("the bare pipeline's thread")??));
    }
    Ok(run)
}

/// Publishes on a thread of its own, so that the daemon's tasks cannot delay it.
fn publisher(
    args: &LatencyArgs,
    scene: &Scene,
    url: String,
    watched: &Arc<Watched>,
) -> anyhow::Result<tokio::task::JoinHandle<anyhow::Result<()>>> {
    let live = args
        .by_shutter()
        .then(|| camera::live(&scene.video, scene.format, args.seconds(), &watched.clock))
        .transpose()?;
    let (tags, watched) = (scene.tags.clone(), Arc::clone(watched));
    Ok(tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut publisher = Publisher::connect(&url).await?;
            match live {
                None => publisher.play(&tags, Pace::RealTime, |sent| watched.sent(sent)).await?,
                Some(camera) => as_they_come(&mut publisher, camera, &watched).await?,
            }
            publisher.finish().await
        })
    }))
}

async fn as_they_come(
    publisher: &mut Publisher,
    mut camera: mpsc::Receiver<FileTag>,
    watched: &Watched,
) -> anyhow::Result<()> {
    while let Some(tag) = camera.recv().await {
        let picture = matches!(VideoTag::read(&tag.body), VideoTag::Picture { .. });
        publisher.send(tag.kind, tag.timestamp, tag.body.clone()).await?;
        if picture {
            let media = MediaTime::from_millis(i64::from(tag.timestamp));
            watched.sent(Sent { media, dts: media, key: false, bytes: tag.body.len() });
        }
    }
    Ok(())
}

/// A folder that goes with the bench.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn make(name: &str) -> anyhow::Result<Self> {
        Ok(Self(private_folder(name)?))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning of its temporary folder.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// The smallest configuration, in a file of its own.
pub(super) fn configuration(
    models_dir: Option<&Path>,
    dir: &Path,
    broker: &str,
    rims: &[RimBox],
) -> anyhow::Result<config::Config> {
    let models = match models_dir {
        Some(dir) => format!("[detect]\nmodels_dir = {}\n", quoted(dir)?),
        None => String::new(),
    };
    let rims = rims.iter().map(|rim| format!("[{}, {}, {}, {}]", rim.x, rim.y, rim.w, rim.h));
    let rims: Vec<String> = rims.collect();
    let text = format!(
        "[box]\nname = \"{BOX}\"\ndata_dir = {}\n[uplink]\nbroker = \"{broker}\"\n\
         [ingest]\nrtmp = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [ring]\nquota_bytes = 1_000_000_000\n{models}\
         [[court]]\nname = \"{COURT}\"\nstream_key = \"{COURT}\"\nrims = [{}]\n",
        quoted(dir)?,
        rims.join(", "),
    );
    let file = dir.with_extension("toml");
    let written = std::fs::File::create(&file).and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("write {}", file.display()))?;
    Ok(config::load(&file)?)
}

/// A path as TOML writes it.
pub(super) fn quoted(path: &Path) -> anyhow::Result<String> {
    let path = std::path::absolute(path)?;
    Ok(serde_json::to_string(&path.to_string_lossy())?)
}

/// Notes when each picture passed each place.
#[derive(Debug)]
struct Watched {
    clock: Arc<dyn Clock>,
    shutter: bool,
    // Written from three threads, a line at a time; read at the end.
    seen: Mutex<BTreeMap<MediaTime, Passed>>,
    acknowledgements: Mutex<Vec<Duration>>,
}

/// When one picture passed.
#[derive(Clone, Copy, Debug, Default)]
struct Passed {
    sent: Option<Monotonic>,
    decoded: Option<Monotonic>,
    answered: Option<Monotonic>,
    /// The clock in the picture, by the box's monotonic clock and by UTC.
    shutter: Option<(Monotonic, UtcTime)>,
}

impl Watched {
    fn new(clock: &Arc<dyn Clock>, shutter: bool) -> Self {
        Self {
            clock: Arc::clone(clock),
            shutter,
            seen: Mutex::default(),
            acknowledgements: Mutex::default(),
        }
    }

    fn sent(&self, sent: Sent) {
        let now = self.clock.monotonic();
        self.seen.lock().entry(sent.media).or_default().sent = Some(now);
    }

    /// The picture's own clock, read out of its luma.
    fn read(&self, frame: &Frame) -> Option<(Monotonic, UtcTime)> {
        let plane = frame.to_cpu().ok()?.plane(0)?;
        let size = (usize::try_from(frame.width).ok()?, usize::try_from(frame.height).ok()?);
        let (utc, monotonic) = (self.clock.utc(), self.clock.monotonic());
        let shutter = strip::read(plane.bytes, plane.stride, size, utc)?;
        let ago = u64::try_from(utc.nanos_since(shutter)).ok()?;
        Some((Monotonic::from_nanos(monotonic.as_nanos().saturating_sub(ago)), shutter))
    }

    fn figures(
        &self,
        heard: &[(Monotonic, Envelope)],
        report: &Report,
        shown: Option<&[Shown]>,
    ) -> anyhow::Result<Run> {
        let seen = self.seen.lock();
        let acknowledgements = self.acknowledgements.lock().clone();
        let from = |passed: &Passed| {
            if self.shutter { passed.shutter.map(|(at, _)| at) } else { passed.sent }
        };
        let to = |end: fn(&Passed) -> Option<Monotonic>| {
            Spread::of(seen.values().filter_map(|passed| Some(end(passed)?.since(from(passed)?))))
        };
        let sent = seen.values().filter(|passed| passed.sent.is_some()).count();
        let answered = seen.values().filter(|p| p.sent.is_some() && p.answered.is_some()).count();
        if answered == 0 {
            bail!("{sent} pictures were sent and none was answered: see `courtside doctor`");
        }
        // The last picture that was taken by then, and how long before.
        let decided = |event: &Envelope, at: &str| {
            let seconds = event.data.get(at)?.as_f64()?;
            #[expect(clippy::cast_possible_truncation, reason = "seconds of a stream")]
            let media = MediaTime::from_nanos((seconds * 1e9).round() as i64);
            let (taken, passed) = seen.range(..=media.plus_nanos(ROUNDED_NS)).next_back()?;
            Some((*passed, media.nanos_since(*taken)))
        };
        let events = heard
            .iter()
            .filter_map(|(at, event)| Some(at.since(from(&decided(event, "t_decided")?.0)?)));
        let mut clock_sources = BTreeMap::new();
        for (_, event) in heard {
            *clock_sources.entry(event.clocksource.clone()).or_insert(0) += 1;
        }
        let clock_off = self.shutter.then(|| {
            Spread::of(heard.iter().filter_map(|(_, event)| {
                let (passed, after) = decided(event, "t_stream")?;
                let shutter = passed.shutter?.1.plus_nanos(after);
                let told = rfc3339(&event.time)?;
                Some(Duration::from_nanos(told.nanos_since(shutter).unsigned_abs()))
            }))
        });
        let camera = self.shutter.then(|| {
            Spread::of(
                seen.values().filter_map(|passed| Some(passed.sent?.since(passed.shutter?.0))),
            )
        });
        let (calls, screen) = match shown {
            Some(shown) => {
                let (took, missing) = to_screen(heard, shown, decided);
                let screen = ToScreen::of(&took, shown, missing);
                (took, Some(screen))
            }
            None => (Vec::new(), None),
        };
        let mut dropped: BTreeMap<String, u64> = BTreeMap::new();
        for (hop, count) in &report.ledger {
            let lost = count.dropped.iter().filter(|(why, _)| !why.is_expected()).map(|(_, n)| n);
            *dropped.entry(hop.hop.clone()).or_insert(0) += lost.sum::<u64>();
        }
        Ok(Run {
            answer: to(|passed| passed.answered),
            decoded: to(|passed| passed.decoded),
            event: Spread::of(events),
            acknowledged: Spread::of(acknowledgements.iter().copied()),
            acknowledgements,
            camera,
            clock_off,
            clock_sources,
            bare: None,
            screen,
            calls,
            sent,
            unanswered: sent - answered,
            dropped,
            balanced: report.unbalanced.is_empty(),
        })
    }
}

/// What each call took to the screen, by the pictures that it was made of; and how many never came there.
fn to_screen(
    heard: &[(Monotonic, Envelope)],
    shown: &[Shown],
    picture: impl Fn(&Envelope, &str) -> Option<(Passed, i64)>,
) -> (Vec<Took>, usize) {
    let calls: Vec<&Envelope> =
        heard.iter().map(|(_, event)| event).filter(|event| is_call(event)).collect();
    let mut took = Vec::new();
    for call in &calls {
        let is_it = |shown: &&Shown| shown.fact == call.fact && shown.revision == call.revision;
        let Some(shown) = shown.iter().find(is_it) else { continue };
        let (Some((by, _)), Some((of, after))) =
            (picture(call, "t_decided"), picture(call, "t_stream"))
        else {
            continue;
        };
        let since = |end: Option<UtcTime>, begin: Option<UtcTime>| {
            u64::try_from(end?.nanos_since(begin?)).ok().map(Duration::from_nanos)
        };
        let shutter = by.shutter.map(|(_, utc)| utc);
        // The answer's instant by UTC: the shutter's, and what passed since by the monotonic clock.
        let answered = by.shutter.zip(by.answered).and_then(|((began, utc), answered)| {
            Some(utc.plus_nanos(i64::try_from(answered.since(began).as_nanos()).ok()?))
        });
        let outcome = of.shutter.map(|(_, utc)| utc.plus_nanos(after));
        let seconds = |at: &str| call.data.get(at).and_then(serde_json::Value::as_f64);
        took.push(Took {
            outcome: since(shown.painted(), outcome),
            wait: seconds("t_decided")
                .zip(seconds("t_stream"))
                .and_then(|(decided, reached)| Duration::try_from_secs_f64(decided - reached).ok()),
            decided: since(shown.painted(), shutter),
            camera: by.sent.zip(by.shutter).map(|(sent, (began, _))| sent.since(began)),
            answer: by.answered.zip(by.sent).map(|(answered, sent)| answered.since(sent)),
            page: since(Some(shown.mutated()), answered),
            paint: since(shown.painted(), Some(shown.mutated())),
        });
    }
    let missing = calls.len() - took.len();
    (took, missing)
}

/// True of a last word on a shot.
fn is_call(event: &Envelope) -> bool {
    let is_shot = event.event_type.starts_with("courtside.shot.");
    is_shot && event.data.get("provisional") == Some(&serde_json::Value::Bool(false))
}

impl Probe for Watched {
    fn frame(&self, frame: &Frame) {
        let shutter = if self.shutter { self.read(frame) } else { None };
        let mut seen = self.seen.lock();
        let passed = seen.entry(frame.pts).or_default();
        passed.decoded = Some(frame.decoded);
        passed.shutter = shutter;
    }

    fn answer(&self, answer: &RimAnswer) {
        self.seen.lock().entry(answer.pts).or_default().answered = Some(answer.answered);
    }

    fn acknowledged(&self, took: Duration) {
        self.acknowledgements.lock().push(took);
    }
}

fn rfc3339(text: &str) -> Option<UtcTime> {
    let at = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339);
    i64::try_from(at.ok()?.unix_timestamp_nanos()).ok().map(UtcTime::from_nanos)
}

/// All runs, and what they come to.
#[derive(Debug, Serialize)]
struct Summary {
    width: u32,
    height: u32,
    fps: u32,
    shutter: bool,
    runs: Vec<Run>,
    answer: Spread,
    event: Spread,
    /// From an event's decision to the broker's acknowledgement, of all runs together.
    acknowledged: Spread,
    bare: Option<Spread>,
    /// What came to the operator's screen.
    screen: Option<ToScreen>,
    /// Of the medians: answer over bare, p50 and p99.
    ratio: Option<(f64, f64)>,
    sent: usize,
    /// By the hops that may drop nothing.
    dropped: u64,
    /// Within budget, nothing dropped.
    kept: bool,
}

impl Summary {
    fn of(args: &LatencyArgs, runs: Vec<Run>) -> Self {
        let median =
            |of: fn(&Run) -> Spread| Spread::median(&runs.iter().map(of).collect::<Vec<_>>());
        let (answer, event) = (median(|run| run.answer), median(|run| run.event));
        let all: Option<Vec<Spread>> = runs.iter().map(|run| run.bare).collect();
        let bare = all.map(|runs| Spread::median(&runs));
        let screen: Option<Vec<ToScreen>> = runs.iter().map(|run| run.screen.clone()).collect();
        let sent = runs.iter().map(|run| run.sent).sum();
        let counted = |hop: &String| BUDGETED_HOPS.contains(&hop.as_str());
        let dropped = runs.iter().flat_map(|run| &run.dropped).filter(|(hop, _)| counted(hop));
        let dropped = dropped.map(|(_, dropped)| dropped).sum();
        let balanced = runs.iter().all(|run| run.balanced);
        let in_time = args.by_shutter() || answer.p99_ms <= BUDGET_MS;
        Self {
            width: args.size.0,
            height: args.size.1,
            fps: args.fps,
            shutter: args.by_shutter(),
            answer,
            event,
            acknowledged: Spread::of(
                runs.iter().flat_map(|run| run.acknowledgements.iter().copied()),
            ),
            bare,
            screen: screen.map(|screens| {
                let took: Vec<Took> =
                    runs.iter().flat_map(|run| run.calls.iter().copied()).collect();
                ToScreen::pooled(&took, &screens)
            }),
            ratio: bare.map(|bare| (answer.p50_ms / bare.p50_ms, answer.p99_ms / bare.p99_ms)),
            sent,
            dropped,
            kept: in_time && dropped == 0 && balanced,
            runs,
        }
    }

    fn print(&self) {
        let from = if self.shutter { "shutter" } else { "last byte in" };
        println!("{} × {} at {} pictures a second; ms", self.width, self.height, self.fps);
        println!("{:<38}{:>8} {:>8} {:>8} {:>8}", "", "p50", "p95", "p99", "max");
        if let Some(screen) = &self.screen {
            println!("{:<38}{}", "shutter → first inference (400 ms)", self.answer);
            println!("{:<38}{}", "outcome seen → on the screen (1 s)", screen.outcome);
        }
        for (number, run) in (1..).zip(&self.runs) {
            println!("{:<38}{}", format!("run {number}: {from} → answer"), run.answer);
            println!("{:<38}{}", format!("       {from} → picture decoded"), run.decoded);
            println!("{:<38}{}", format!("       {from} → event at subscriber"), run.event);
            println!("{:<38}{}", "       event decided → acknowledged", run.acknowledged);
            if let Some(bare) = &run.bare {
                println!("{:<38}{bare}", "       bare appsrc ! decoder ! appsink");
            }
            if let Some(camera) = &run.camera {
                println!("{:<38}{camera}", "       shutter → last byte (our camera)");
            }
            if let Some(off) = &run.clock_off {
                let sources = format!("{:?}", run.clock_sources);
                println!("{:<38}{off}  {sources}", "       event's time, off the shutter by");
            }
        }
        println!("{:<38}{}", format!("median: {from} → answer"), self.answer);
        println!("{:<38}{}", format!("median: {from} → event"), self.event);
        println!("{:<38}{}", "all: event decided → acknowledged", self.acknowledged);
        if let (Some(bare), Some((p50, p99))) = (&self.bare, self.ratio) {
            println!("{:<38}{bare}", "median: bare pipeline");
            println!("{:<38}{p50:8.2} {:8} {p99:8.2}", "ratio to the bare pipeline", "");
        }
        if let Some(screen) = &self.screen {
            screen.print(38);
        }
        for (number, run) in (1..).zip(&self.runs) {
            for (hop, dropped) in run.dropped.iter().filter(|(_, dropped)| **dropped > 0) {
                println!("run {number}: {dropped} dropped by {hop}");
            }
        }
        let unanswered: usize = self.runs.iter().map(|run| run.unanswered).sum();
        println!(
            "{} pictures, {} dropped by ingest, recorder and decoder, {unanswered} without an answer",
            self.sent, self.dropped
        );
        let kept = if self.kept { "kept" } else { "NOT kept" };
        println!("{}: {kept}", if self.shutter { "nothing dropped" } else { BUDGET });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_two_numbers() {
        assert_eq!(size("1280x720"), Ok((1280, 720)));
        for wrong in ["", "1280", "1280x", "x720", "1x1", "9999x720", "1280x720x3"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
