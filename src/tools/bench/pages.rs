//! `courtside bench pages`: a correction to every open page, and what open pages cost a court.
//!
//! The whole daemon runs in this process, with a court that plays the rendered game again and again, and a
//! game on it. First nobody looks. Then so many pages are open, all from one address: `page_readers` takes
//! events as pages do, a few are real tabs of one Chromium (`screen`). A shot is corrected twice a second, and
//! each page notes when it had the shot and the score that stands on it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::app::{App, AppHandle, Options, Probe};
use crate::clock::{Clock, sleep};
use crate::disk::RealDisk;
use crate::health;
use crate::media::{Codec, CourtId, Monotonic, UtcTime};
use crate::tools::bench::clip::Clip;
use crate::tools::bench::crowd::dropped;
use crate::tools::bench::latency::{BOX, COURT, Scratch, configuration, sample};
use crate::tools::bench::page_readers::{Heard, Readers};
use crate::tools::bench::publishers::{Begun, Publishers};
use crate::tools::bench::screen::{GAME, Screen, Shown, post, start_game};
use crate::tools::bench::spread::Spread;
use crate::tools::bench::usage::{Processor, resident};
use crate::tools::bench::watched::Watched;
use crate::tools::client::{Connection, Origin};
use crate::tools::machine::{Machine, machine};
use crate::tools::rig::broker::OwnBroker;
use crate::tools::rig::camera::Format;
use crate::tools::tell::{remark, tell, tell_json};

/// Arguments of `bench pages`.
#[derive(Debug, Args)]
pub(crate) struct PagesArgs {
    /// Pages that are open at once
    #[arg(long, value_name = "N", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pages: u32,
    /// Of them, operators' pages, which take the court's picture twice a second
    #[arg(long, value_name = "N", default_value_t = 4)]
    operators: u32,
    /// Tabs of Chromium beside them
    #[arg(long, value_name = "N", default_value_t = 2,
          value_parser = clap::value_parser!(u32).range(0..=8))]
    tabs: u32,
    /// How long it is measured without pages, and again with them, s
    #[arg(long, value_name = "S", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(2..=600))]
    seconds: u32,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Issue 20: a correction is on every one of 50 open pages within this.
const BUDGET_MS: f64 = 300.0;
/// Of more pages it asks no more than that they cost no picture, and lose nothing.
const BUDGET_PAGES: u32 = 50;
/// Corrections come so far apart.
const APART: Duration = Duration::from_millis(500);
/// The first answer of the model, and all pages, come within this.
const BEGINS: Duration = Duration::from_secs(60);
/// The first pictures warm everything up.
const WARM: Duration = Duration::from_secs(3);
/// The last answers and events come within this.
const SETTLE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(50);
/// As the rendered game is.
const FORMAT: Format = Format { width: 854, height: 480, fps: 30, kbps: 600, codec: Codec::H264 };

impl PagesArgs {
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
        let sheet = runtime.block_on(self.bench())?;
        if self.json {
            tell_json(&sheet)?;
        } else {
            sheet.lines().into_iter().for_each(tell);
        }
        Ok(if sheet.kept { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }

    async fn bench(&self) -> anyhow::Result<Sheet> {
        let folder = Scratch::make("courtside-bench-pages")?;
        let (video, rim) = sample(&folder.0, FORMAT)?;
        let clip = Arc::new(Clip::read(&video)?);
        let broker = OwnBroker::start(&folder.0).await?;
        let config = configuration(None, &folder.0.join("box"), &broker.url(), &[rim])?;
        let Machine { world, .. } = machine(&config, Arc::new(RealDisk::new()));
        let clock = Arc::clone(&world.clock);
        let court = CourtId::new(COURT)?;
        let watched = Arc::new(Watched::of(std::iter::once(&court), &clock));
        let probe = Some(Arc::clone(&watched) as Arc<dyn Probe>);
        let options = Options { open_http: true, probe, ..Options::default() };
        let app = App::build(config, world, options).await?;
        let (handle, http) = (app.handle(), app.addresses().http);
        let rtmp = app.addresses().rtmp.context("RTMP is not served")?;
        let (stop, stopped) = watch::channel(false);
        let daemon = tokio::spawn(app.run(stopped));
        let (tell, told) = watch::channel(Begun::None);
        let sent = Arc::clone(&watched);
        let publishers = Publishers {
            courts: vec![(court, format!("rtmp://{rtmp}/live/{COURT}"))],
            clip,
            apart: Duration::ZERO,
            on_sent: Arc::new(move |court, media, late| sent.sent(court, media, late)),
        };
        let publishers = publishers.start(&told)?;
        let measuring = Measuring { http, clock: &*clock, handle: &handle, watched: &watched };
        let played = async {
            tell.send_replace(Begun::All);
            let mut sheet = measuring.measured(self).await?;
            tell.send_replace(Begun::Ended);
            sleep(&*clock, SETTLE).await;
            sheet.with.of(&watched, &handle);
            anyhow::Ok(sheet)
        };
        let played = played.await;
        tell.send_replace(Begun::Ended);
        let ended = tokio::task::spawn_blocking(move || {
            publishers.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        });
        let refused: Vec<String> = ended.await.context("the publisher's thread")?;
        stop.send_replace(true);
        let report = daemon.await.context("the daemon's task")??;
        broker.stop().await;
        let mut sheet = played.with_context(|| refused.join("; "))?;
        if !report.unbalanced.is_empty() {
            bail!("hops do not balance: {:?}", report.unbalanced);
        }
        sheet.kept = sheet.is_kept();
        Ok(sheet)
    }
}

/// The box, as it is asked.
struct Measuring<'a> {
    http: SocketAddr,
    clock: &'a dyn Clock,
    handle: &'a AppHandle,
    watched: &'a Watched,
}

/// One correction that was asked for.
struct Said {
    /// When.
    at: Monotonic,
    utc: UtcTime,
    /// The shot's revision that it became.
    revision: u32,
    /// Until the box had answered: it is on disk.
    answered: Duration,
}

impl Measuring<'_> {
    async fn measured(&self, args: &PagesArgs) -> anyhow::Result<Sheet> {
        let late = self.clock.monotonic().plus(BEGINS);
        while self.watched.answering() == 0 {
            if self.clock.monotonic() > late {
                bail!("no picture was answered in {} s: see `courtside doctor`", BEGINS.as_secs());
            }
            sleep(self.clock, LOOK).await;
        }
        let origin = Origin::of(&format!("http://{}", self.http)).context("an address")?;
        let mut operator = origin.connect(None).await?;
        let fact = shot(&mut operator).await?;
        sleep(self.clock, WARM).await;
        let half = Duration::from_secs(args.seconds.into());
        remark(format_args!("{} s without a page", args.seconds));
        let mut without = Window::begins(self);
        sleep(self.clock, half).await;
        without.ends(self);
        without.of(self.watched, self.handle);
        remark(format_args!("{} pages and {} tabs are opened", args.pages, args.tabs));
        let readers = Readers::open(&origin, args.pages, args.operators, &fact)?;
        let mut tabs = Vec::new();
        for _ in 0..args.tabs {
            let http = self.http;
            let opened = move || Screen::open(http, &format!("/operate?game={GAME}"), BOX);
            let opened = tokio::task::spawn_blocking(opened);
            tabs.push(opened.await.context("the browser's thread")??);
        }
        let late = self.clock.monotonic().plus(BEGINS);
        while readers.standing() < args.pages && self.clock.monotonic() < late {
            sleep(self.clock, LOOK).await;
        }
        let standing = readers.standing();
        sleep(self.clock, WARM).await;
        remark(format_args!("{} s with {standing} pages", args.seconds));
        let mut with = Window::begins(self);
        let until = self.clock.monotonic().plus(half);
        let mut said = Vec::new();
        let mut made = false;
        while self.clock.monotonic() < until {
            said.push(self.correct(&mut operator, &fact, made).await?);
            made = !made;
            sleep(self.clock, APART).await;
        }
        with.ends(self);
        sleep(self.clock, SETTLE).await;
        let heard = readers.end()?;
        let mut shown = Vec::new();
        for mut tab in tabs {
            let read = tokio::task::spawn_blocking(move || tab.shown());
            shown.push(read.await.context("the browser's thread")??);
        }
        Ok(Sheet::of(args, standing, (without, with), &said, &heard, &shown, &fact))
    }

    async fn correct(
        &self,
        operator: &mut Connection,
        fact: &str,
        made: bool,
    ) -> anyhow::Result<Said> {
        let body = json!({"verdict": if made { "made" } else { "missed" }});
        let (at, utc) = (self.clock.monotonic(), self.clock.utc());
        let told = post(operator, &format!("/v1/shots/{fact}/correct"), &body).await?;
        let revision = told.get("revision").and_then(Value::as_u64).context("a revision")?;
        let answered = self.clock.monotonic().since(at);
        Ok(Said { at, utc, revision: u32::try_from(revision)?, answered })
    }
}

/// Starts the game, and adds the shot that is corrected.
async fn shot(operator: &mut Connection) -> anyhow::Result<String> {
    start_game(operator, COURT).await?;
    let shot = json!({"court": COURT, "rim": 0, "verdict": "made", "team": "comets", "ago_s": 1.0});
    let told = post(operator, &format!("/v1/games/{GAME}/shots"), &shot).await?;
    Ok(told.get("fact").and_then(Value::as_str).context("a fact")?.to_owned())
}

/// What the court and the machine did for a while.
#[derive(Clone, Debug, Default, Serialize)]
struct Window {
    /// From a picture's last byte given to the network to its answer.
    answer: Spread,
    pictures: u64,
    /// Let go between ingest and the model, by hop.
    dropped: BTreeMap<String, u64>,
    /// Busy cores of this process, which has the readers too; its publisher apart.
    cores: f64,
    rss_bytes: Option<u64>,
    #[serde(skip)]
    processor: Processor,
    #[serde(skip)]
    began: Monotonic,
    #[serde(skip)]
    dropped_before: BTreeMap<String, u64>,
}

impl Window {
    fn begins(of: &Measuring<'_>) -> Self {
        let began = of.clock.monotonic();
        of.watched.begin(began);
        let dropped_before = dropped(&of.handle.ledger().counts());
        Self { processor: Processor::now(), began, dropped_before, ..Self::default() }
    }

    fn ends(&mut self, of: &Measuring<'_>) {
        let seconds = of.clock.monotonic().since(self.began).as_secs_f64();
        self.cores = Processor::now().cores_since(self.processor, seconds).0;
        self.rss_bytes = resident();
    }

    /// Takes what came of its pictures. Those that are under way count as none.
    fn of(&mut self, watched: &Watched, handle: &AppHandle) {
        let figures = watched.figures(0);
        self.answer = figures.answer;
        self.pictures = figures.answer.n as u64;
        self.dropped = dropped(&handle.ledger().counts());
        for (hop, count) in &mut self.dropped {
            *count -= self.dropped_before.get(hop).copied().unwrap_or(0).min(*count);
        }
        self.dropped.retain(|_, count| *count > 0);
    }
}

/// What came out.
#[derive(Debug, Serialize)]
struct Sheet {
    pages: u32,
    operators: u32,
    /// Pages whose event stream stood.
    standing: u32,
    tabs: u32,
    without: Window,
    with: Window,
    corrections: usize,
    /// From the request to the box's answer: the correction is on disk.
    answered: Spread,
    /// From the request to the shot's revision at each page.
    shot: Spread,
    /// … to the score that stands on it, at each page.
    score: Spread,
    /// … to that score at the last page of all.
    last_page: Spread,
    /// … to the painted frame of the tabs.
    painted: Spread,
    /// Revisions that a page did not get …
    missing: usize,
    /// … or twice …
    doubled: usize,
    /// … or a tab did not paint.
    unpainted: usize,
    /// Pictures that an operator's page asked for, and those that it did not get.
    snapshots: u64,
    refused_snapshots: u64,
    /// Times that a page asked for the clock and was not told.
    no_clock: u64,
    /// Streams that broke off.
    broken: u64,
    kept: bool,
}

impl Sheet {
    fn of(
        args: &PagesArgs,
        standing: u32,
        (without, with): (Window, Window),
        said: &[Said],
        heard: &Heard,
        shown: &[Vec<Shown>],
        fact: &str,
    ) -> Self {
        let (mut shots, mut scores, mut last) = (Vec::new(), Vec::new(), Vec::new());
        let (mut missing, mut doubled, mut painted, mut unpainted) = (0, 0, Vec::new(), 0);
        for one in said {
            let mut slowest = None;
            for page in &heard.pages {
                let came: Vec<_> =
                    page.iter().filter(|came| came.revision == one.revision).collect();
                let Some((first, more)) = came.split_first() else {
                    missing += 1;
                    continue;
                };
                doubled += more.len();
                shots.push(first.shot.since(one.at));
                match first.score {
                    Some(score) => {
                        scores.push(score.since(one.at));
                        slowest = slowest.max(Some(score.since(one.at)));
                    }
                    None => missing += 1,
                }
            }
            last.extend(slowest);
            for tab in shown {
                let is_it = |shown: &&Shown| shown.fact == fact && shown.revision == one.revision;
                let at = tab.iter().find(is_it).and_then(Shown::painted);
                let took = at.and_then(|at| u64::try_from(at.nanos_since(one.utc)).ok());
                match took {
                    Some(took) => painted.push(Duration::from_nanos(took)),
                    None => unpainted += 1,
                }
            }
        }
        Self {
            pages: args.pages,
            operators: args.operators.min(args.pages),
            standing,
            tabs: args.tabs,
            without,
            with,
            corrections: said.len(),
            answered: Spread::of(said.iter().map(|one| one.answered)),
            shot: Spread::of(shots),
            score: Spread::of(scores),
            last_page: Spread::of(last),
            painted: Spread::of(painted),
            missing,
            doubled,
            unpainted,
            snapshots: heard.snapshots,
            refused_snapshots: heard.refused_snapshots,
            no_clock: heard.no_clock,
            broken: heard.broken,
            kept: false,
        }
    }

    fn is_kept(&self) -> bool {
        let lost = self.missing + self.doubled + self.unpainted;
        let late = self.last_page.max_ms.max(self.painted.max_ms) > BUDGET_MS;
        let slow = late && self.pages <= BUDGET_PAGES;
        let dropped = !self.with.dropped.is_empty();
        self.standing == self.pages && self.broken == 0 && lost == 0 && !slow && !dropped
    }

    fn lines(&self) -> Vec<String> {
        let title = |text: &str| format!("{text:<46}");
        let window = |what: &str, window: &Window| {
            let mib = window.rss_bytes.map_or(0, |bytes| bytes >> 20);
            let dropped: u64 = window.dropped.values().sum();
            format!(
                "{what}: {} pictures, {dropped} dropped; {:.2} cores, {mib} MiB, readers in them",
                window.pictures, window.cores
            )
        };
        let pages = format!("{} pages, {} of them operators'", self.pages, self.operators);
        let kept = if self.kept { "kept" } else { "NOT kept" };
        vec![
            format!("{}{:>8} {:>8} {:>8} {:>8}", title("ms"), "p50", "p95", "p99", "max"),
            format!("{}{}", title("last byte in → answer, no page"), self.without.answer),
            format!("{}{}", title("… with the pages"), self.with.answer),
            format!("{}{}", title("correction → the box's answer (on disk)"), self.answered),
            format!("{}{}", title("correction → shot at each page"), self.shot),
            format!("{}{}", title("correction → score at each page"), self.score),
            format!("{}{}", title("correction → score at the last page"), self.last_page),
            format!("{}{}", title("correction → painted in a tab"), self.painted),
            format!(
                "{pages}, {} stood, {} broke off; {} tabs",
                self.standing, self.broken, self.tabs
            ),
            format!(
                "{} corrections: {} not come, {} twice, {} not painted",
                self.corrections, self.missing, self.doubled, self.unpainted
            ),
            format!(
                "{} snapshots, {} more refused; {} times no clock",
                self.snapshots, self.refused_snapshots, self.no_clock
            ),
            window("no page", &self.without),
            window("pages", &self.with),
            format!(
                "budget (each of {BUDGET_PAGES} pages and each tab {BUDGET_MS} ms, nothing lost or dropped): \
                 {kept}"
            ),
        ]
    }
}
