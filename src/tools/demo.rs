//! `courtside demo`: the whole chain without configuration, on a rendered game or anybody's video.
//!
//! Starts a broker, the daemon and a publisher, and a game of two teams (`game`); prints what arrives at the
//! broker, which is what any consumer would see. Who sits at a terminal puts calls right by keys (`keys`). At the
//! end the game is ended and its recap written. Ends by itself where nobody sits before it, else stays for the page.

mod game;
mod keys;

use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::watch;

use crate::app::{App, Options};
use crate::config;
use crate::detect::{self, IN_THE_BINARY};
use crate::disk::RealDisk;
use crate::event::Envelope;
use crate::health;
use crate::media::RimBox;
use crate::tools::demo::game::{DemoGame, KEYS, Pressed, score_line};
use crate::tools::demo::keys::Keys;
use crate::tools::machine::{Machine, machine};
use crate::tools::private_folder::private_folder;
use crate::tools::rig::broker::OwnBroker;
use crate::tools::rig::listen::{self, Listener};
use crate::tools::rig::publish;
use crate::tools::rim_arg::RimArg;
use crate::tools::run;
use crate::tools::tell::remark;

/// Rendered by us; see models/train/sample. A static: of a constant each user has a copy of 3.3 MB.
#[cfg(feature = "carried")]
static GAME: &[u8] = include_bytes!("../../assets/demo/game.flv");
/// Where a package places it.
#[cfg(not(feature = "carried"))]
const GAME_FILE: &str = "/usr/share/courtside/demo/game.flv";
/// What happens in it.
pub(super) static TRUTH: &str = include_str!("../../assets/demo/game.json");

const BOX: &str = "demo";
const COURT: &str = "court";
const KEY: &str = "rendered-game";
/// A revision that is still to come comes within this of the last picture.
const SETTLE: Duration = Duration::from_secs(5);

#[derive(Debug, Deserialize)]
struct Truth {
    duration: f64,
    rim: [f32; 4],
    attempts: Vec<Attempt>,
}

#[derive(Debug, Deserialize)]
struct Attempt {
    t_rim: f64,
    outcome: String,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Video to publish instead of the rendered game
    #[arg(long, value_name = "FILE", requires = "rim")]
    pub video: Option<PathBuf>,
    /// Box of the ring in pixels of the video (can be repeated)
    #[arg(long, value_name = "X,Y,W,H", requires = "video")]
    pub rim: Vec<RimArg>,
    /// Broker to use instead of a mosquitto of our own, for example mqtt://127.0.0.1:1883
    #[arg(long, value_name = "URL")]
    pub broker: Option<String>,
    /// Address of the page [default: 127.0.0.1:8080, or a free port]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Folder for ring and outbox, kept afterwards [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Bundle to call with, as NAME or NAME:PRECISION (can be repeated) [default: rimnet]
    #[arg(long, value_name = "NAME")]
    pub bundle: Vec<String>,
    /// Folder of bundles, searched first
    #[arg(long, value_name = "DIR")]
    pub models_dir: Option<PathBuf>,
    /// End when the video has ended, page and all
    #[arg(long)]
    pub once: bool,
    /// One JSON object an event on stdout
    #[arg(long)]
    pub json: bool,
}

pub(super) fn demo(args: DemoArgs) -> anyhow::Result<ExitCode> {
    health::start_log("warn")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the network threads")?;
    runtime.block_on(play(args))
}

/// The rendered game.
///
/// # Errors
/// It is not in this program, and not where its package places it.
pub(super) fn game() -> anyhow::Result<Bytes> {
    #[cfg(feature = "carried")]
    return Ok(Bytes::from_static(GAME));
    #[cfg(not(feature = "carried"))]
    std::fs::read(GAME_FILE).map(Bytes::from).with_context(|| {
        format!(
            "read the rendered game {GAME_FILE}, which the package places there: install it again, or play \
             a film of your own with --video FILE --rim x,y,w,h"
        )
    })
}

async fn play(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let shutdown = run::on_signal().context("listen for signals")?;
    for name in &args.bundle {
        is_there(name, args.models_dir.as_deref())?;
    }
    let folder = Folder::make(args.data_dir.clone())?;
    let truth: Truth = serde_json::from_str(TRUTH).context("the sample's truth")?;
    let rims: Vec<RimBox> = if args.video.is_some() {
        args.rim.iter().map(|rim| rim.0).collect()
    } else {
        let [x, y, w, h] = truth.rim;
        vec![RimBox { x, y, w, h }]
    };

    let own = match &args.broker {
        Some(_) => None,
        None => Some(OwnBroker::start(&folder.path).await?),
    };
    let broker = match (&args.broker, &own) {
        (Some(url), _) => url.clone(),
        (None, Some(own)) => own.url(),
        (None, None) => bail!("no broker"),
    };
    let mut listener = Listener::start(&broker, "courtside-demo-viewer", BOX).await?;
    listener.games_too(BOX).await?;

    let config = configuration(&args, &folder.path, &broker, &rims)?;
    let Machine { world, .. } = machine(&config, Arc::new(RealDisk::new()));
    let app = App::build(config, world, Options { open_http: true, ..Options::default() }).await?;
    let addresses = app.addresses();
    let rtmp = addresses.rtmp.context("RTMP is not served")?;
    let handle = app.handle();
    let (stop, stopped) = watch::channel(false);
    let daemon = tokio::spawn(app.run(stopped));

    let page = format!("http://{}/", addresses.http);
    let mut game = DemoGame::start(handle).await?;
    let mut keys = (!args.json).then(Keys::listen).flatten();
    let (_, port) = listen::host_and_port(&broker)?;
    eprintln!("page    {page}");
    eprintln!("stage   {page}operate");
    eprintln!("overlay {page}overlay?game={}", game.id);
    eprintln!("broker  {broker}   (mosquitto_sub -p {port} -t 'courtside/1/#' -v)");
    eprintln!("stream  rtmp://{rtmp}/live/{KEY}");
    if keys.is_some() {
        eprintln!("keys    {KEYS}");
    }
    eprintln!();

    let url = format!("rtmp://{rtmp}/live/{KEY}");
    let bar = progress(&args, &truth).await;
    let mut shown = Shown::new(args.json, page.clone(), bar.clone());
    let recap = args
        .data_dir
        .as_ref()
        .map_or_else(|| private_folder("courtside-recap"), |dir| Ok(dir.join("recap")))?;
    let ring = folder.path.join("ring");
    let over = async |game: &mut DemoGame| match game
        .end((&page, ring.clone()), recap.clone(), !args.json)
        .await
    {
        Ok(()) => eprintln!("recap   {}", recap.join("recap.html").display()),
        Err(error) => remark(format_args!("no recap: {error:#}")),
    };

    let publishing = publisher(&args, url, bar.clone());
    tokio::pin!(publishing);
    let settling = tokio::time::sleep(Duration::MAX);
    tokio::pin!(settling);
    let (mut shutdown, mut published, mut interrupted) = (shutdown, false, false);
    // What the video brings, until all that follows from it was told.
    loop {
        // Woken by an event, a key, the video's end, the time after it, or Ctrl-C.
        tokio::select! {
            envelope = listener.next() => {
                let envelope = envelope?;
                shown.show(&envelope);
                game.heard(&envelope).await;
            }
            key = pressed(&mut keys) => match game.pressed(key).await {
                Pressed::Told(line) => shown.tell(&line),
                Pressed::End if !game.is_over() => over(&mut game).await,
                Pressed::Quit => { interrupted = true; break }
                Pressed::End | Pressed::Nothing => {}
            },
            ended = &mut publishing, if !published => {
                ended?;
                published = true;
                settling.as_mut().reset(tokio::time::Instant::now() + SETTLE);
            }
            () = &mut settling, if published => break,
            _ = shutdown.wait_for(|told| *told) => { interrupted = true; break }
        }
    }
    bar.finish_and_clear();
    shown.summary(args.video.is_none().then_some(&truth));

    let stays = !interrupted && !args.once && std::io::stderr().is_terminal();
    if stays {
        eprintln!("\nThe page stays at {page} until Ctrl-C.");
        loop {
            // Woken by an event, a key, or Ctrl-C.
            tokio::select! {
                envelope = listener.next() => shown.show(&envelope?),
                key = pressed(&mut keys) => match game.pressed(key).await {
                    Pressed::Told(line) => shown.tell(&line),
                    Pressed::End if !game.is_over() => over(&mut game).await,
                    Pressed::Quit => break,
                    Pressed::End | Pressed::Nothing => {}
                },
                _ = shutdown.wait_for(|told| *told) => break,
            }
        }
    }
    if !game.is_over() {
        over(&mut game).await;
    }
    drop(keys);
    stop.send_replace(true);
    daemon.await.context("the daemon's task")??;
    if let Some(own) = own {
        own.stop().await;
    }
    folder.remove();
    Ok(ExitCode::SUCCESS)
}

/// Says now what the daemon would say in its log, of a demo in which nothing is called.
fn is_there(name: &str, models_dir: Option<&Path>) -> anyhow::Result<()> {
    let mut search: Vec<PathBuf> = models_dir.map(Path::to_owned).into_iter().collect();
    search.push(PathBuf::from(detect::SYSTEM_MODELS));
    let found = match name.split_once(':') {
        Some((name, precision)) => detect::find_as(name, precision, &search, IN_THE_BINARY),
        None => detect::find(name, &search, IN_THE_BINARY),
    };
    found.map(drop).with_context(|| format!("--bundle {name}"))
}

/// The next key; never where nobody sits.
async fn pressed(keys: &mut Option<Keys>) -> char {
    match keys {
        Some(keys) => keys.next().await,
        None => std::future::pending().await,
    }
}

/// The smallest configuration, as a newcomer would write it.
fn configuration(
    args: &DemoArgs,
    dir: &Path,
    broker: &str,
    rims: &[RimBox],
) -> anyhow::Result<config::Config> {
    let rims: Vec<String> =
        rims.iter().map(|rim| format!("[{}, {}, {}, {}]", rim.x, rim.y, rim.w, rim.h)).collect();
    let listen = args.listen.unwrap_or_else(free_page_address);
    let mut bundles = "[detect]\n".to_owned();
    if !args.bundle.is_empty() {
        bundles.push_str(&format!("bundles = {}\n", serde_json::to_string(&args.bundle)?));
    }
    if let Some(models) = &args.models_dir {
        let models = std::path::absolute(models).context("the folder of bundles")?;
        let models = serde_json::to_string(&models.to_string_lossy())?;
        bundles.push_str(&format!("models_dir = {models}\n"));
    }
    let text = format!(
        "[box]\nname = \"{BOX}\"\ndata_dir = {dir}\n\n[uplink]\nbroker = \"{broker}\"\n\n\
         [ingest]\nrtmp = \"127.0.0.1:0\"\n\n[http]\nlisten = \"{listen}\"\n\n\
         [ring]\nquota_bytes = 2_000_000_000\n\n{bundles}\n\
         [[court]]\nname = \"{COURT}\"\nstream_key = \"{KEY}\"\nrims = [{rims}]\n",
        dir = serde_json::to_string(&dir.to_string_lossy())?,
        rims = rims.join(", "),
    );
    let nothing = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let origin = config::Origin {
        file: Path::new("demo.toml"),
        credentials: None,
        hostname: None,
        read: &nothing,
    };
    Ok(config::parse(&text, &origin)?)
}

/// 8080 where it is free: the address that people remember.
fn free_page_address() -> SocketAddr {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    match TcpListener::bind(usual) {
        Ok(_) => usual,
        Err(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}

/// A progress bar on a terminal, nothing elsewhere.
async fn progress(args: &DemoArgs, truth: &Truth) -> ProgressBar {
    let seconds = match &args.video {
        None => Some(truth.duration),
        Some(file) => duration(file).await,
    };
    let bar = match seconds {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole seconds"
        )]
        Some(seconds) => ProgressBar::new(seconds.max(0.0) as u64),
        None => ProgressBar::new_spinner(),
    };
    if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {bar:40} {len} s of video") {
        bar.set_style(style);
    }
    bar
}

async fn duration(file: &Path) -> Option<f64> {
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"])
        .arg(file)
        .output()
        .await
        .ok()?;
    String::from_utf8_lossy(&out.stdout).trim().parse().ok()
}

async fn publisher(args: &DemoArgs, url: String, bar: ProgressBar) -> anyhow::Result<()> {
    match &args.video {
        None => {
            let pace = publish::Pace::RealTime;
            publish::flv(game()?, &url, pace, |picture| {
                #[expect(
                    clippy::cast_sign_loss,
                    clippy::cast_possible_truncation,
                    reason = "whole seconds"
                )]
                bar.set_position(picture.media.as_secs_f64().max(0.0) as u64);
            })
            .await
        }
        Some(file) => match std::fs::read(file) {
            // It needs nobody to make it a stream.
            Ok(bytes) if bytes.starts_with(b"FLV") => {
                publish::flv(bytes, &url, publish::Pace::RealTime, |_| {}).await
            }
            _ => by_ffmpeg(file, &url, &bar).await,
        },
    }
}

/// Anybody's file: copied where it is H.264 already, encoded without delay where not.
async fn by_ffmpeg(file: &Path, url: &str, bar: &ProgressBar) -> anyhow::Result<()> {
    if !file.exists() {
        bail!("{}: no such file", file.display());
    }
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-show_entries", "stream=codec_name"])
        .args(["-of", "csv=p=0"])
        .arg(file)
        .output()
        .await
        .context("start ffprobe: apt-get install ffmpeg")?;
    let codec = String::from_utf8_lossy(&probe.stdout).trim().to_owned();
    if codec.is_empty() {
        bail!(
            "{}: no video in it ({})",
            file.display(),
            String::from_utf8_lossy(&probe.stderr).trim()
        );
    }
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-loglevel", "error", "-re", "-i"]).arg(file);
    if codec == "h264" {
        ffmpeg.args(["-c:v", "copy"]);
    } else {
        remark(format_args!("{codec} is encoded as H.264 on the way"));
        ffmpeg.args(["-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency"]);
        ffmpeg.args(["-pix_fmt", "yuv420p", "-g", "60"]);
    }
    ffmpeg.args(["-c:a", "aac", "-ar", "44100", "-progress", "pipe:1", "-f", "flv", url]);
    let mut child = ffmpeg
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("start ffmpeg: apt-get install ffmpeg")?;
    if let Some(out) = child.stdout.take() {
        let mut lines = BufReader::new(out).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(at) = line.strip_prefix("out_time_us=")
                && let Ok(micros) = at.parse::<u64>()
            {
                bar.set_position(micros / 1_000_000);
            }
        }
    }
    let status = child.wait().await?;
    if !status.success() {
        bail!("ffmpeg could not publish {} ({status})", file.display());
    }
    Ok(())
}

/// What has been printed, and the highest revision of each shot.
struct Shown {
    json: bool,
    page: String,
    bar: ProgressBar,
    shots: std::collections::BTreeMap<String, Envelope>,
}

impl Shown {
    fn new(json: bool, page: String, bar: ProgressBar) -> Self {
        Self { json, page, bar, shots: std::collections::BTreeMap::new() }
    }

    fn show(&mut self, envelope: &Envelope) {
        if envelope.event_type.starts_with("courtside.shot.") {
            let newer =
                self.shots.get(&envelope.fact).is_none_or(|old| old.revision <= envelope.revision);
            if newer {
                self.shots.insert(envelope.fact.clone(), envelope.clone());
            }
        }
        let line = if self.json {
            serde_json::to_string(envelope).unwrap_or_default()
        } else {
            self.line(envelope)
        };
        if !line.is_empty() {
            // Through the bar, so that they do not write over each other.
            self.bar.suspend(|| println!("{line}"));
        }
    }

    /// A line for who sits here.
    fn tell(&self, line: &str) {
        self.bar.suspend(|| eprintln!("           {line}"));
    }

    fn line(&self, envelope: &Envelope) -> String {
        let data = &envelope.data;
        let number = |key: &str| data.get(key).and_then(serde_json::Value::as_f64);
        let at = number("t_stream").map_or_else(String::new, clock);
        let what = envelope.event_type.trim_start_matches("courtside.").trim_end_matches(".v1");
        match what {
            "shot.made" | "shot.missed" if data.get("by").is_some() => {
                let word = what.trim_start_matches("shot.").to_uppercase();
                let text = |key: &str| data.get(key).and_then(serde_json::Value::as_str);
                let team = text("team").unwrap_or("nobody's");
                let points = number("points").unwrap_or(0.0);
                let who = text("who").unwrap_or("operator");
                format!("{at}  {word:<7} of {team}, worth {points:.0}, says {who}")
            }
            "shot.made" | "shot.missed" | "shot.unsure" => {
                let word = what.trim_start_matches("shot.").to_uppercase();
                let sure = number("confidence").unwrap_or(0.0) * 100.0;
                let provisional =
                    data.get("provisional").and_then(serde_json::Value::as_bool).unwrap_or(false);
                let stage = if provisional { "provisional" } else { "final" };
                let delay = number("t_decided").zip(number("t_stream")).map_or(0.0, |(d, t)| d - t);
                format!(
                    "{at}  {word:<7} {stage:<11} {sure:3.0} % sure, {delay:.2} s after the ring"
                )
            }
            "shot.withdrawn" => {
                let why = data.get("reason").and_then(serde_json::Value::as_str).unwrap_or("");
                format!("{at}  withdrawn: {why}")
            }
            "game.score" => score_line(data)
                .map_or_else(String::new, |line| format!("           score   {line}")),
            "graphic" => {
                let text = data.get("text").and_then(serde_json::Value::as_str).unwrap_or("");
                format!("{at}  graphic {text}")
            }
            "social.candidate" => {
                let caption = data.get("caption").and_then(serde_json::Value::as_str);
                format!("{at}  social  {}", caption.unwrap_or_default())
            }
            // What the page and the stage show; with --json all of it is printed.
            "score" | "game" | "momentum" | "leaderboard" | "clip" => String::new(),
            "highlight" => {
                let clip = data.get("clip").and_then(serde_json::Value::as_str).unwrap_or("");
                format!("{at}  clip    {}{}/media", self.page.trim_end_matches('/'), clip)
            }
            other => format!("{at}  {other}"),
        }
    }

    /// How it went, against the truth where there is one.
    fn summary(&self, truth: Option<&Truth>) {
        let kind = |envelope: &Envelope, kind: &str| {
            envelope.event_type == format!("courtside.shot.{kind}.v1")
        };
        let called: Vec<&Envelope> =
            self.shots.values().filter(|shot| !kind(shot, "withdrawn")).collect();
        let made = called.iter().filter(|shot| kind(shot, "made")).count();
        let missed = called.iter().filter(|shot| kind(shot, "missed")).count();
        eprintln!("\n{} shots called: {made} made, {missed} missed", called.len());
        let Some(truth) = truth else { return };
        let near = |attempt: &&Attempt| {
            called.iter().find(|shot| {
                let at = shot.data.get("t_stream").and_then(serde_json::Value::as_f64);
                at.is_some_and(|at| (at - attempt.t_rim).abs() <= 1.0)
            })
        };
        let found = truth.attempts.iter().filter(|attempt| near(attempt).is_some()).count();
        let right = truth
            .attempts
            .iter()
            .filter(|attempt| near(attempt).is_some_and(|shot| kind(shot, &attempt.outcome)))
            .count();
        let all = truth.attempts.len();
        eprintln!(
            "truth of the rendered game: {found} of {all} attempts found, {right} of {all} called right, {} called that were none",
            called.len().saturating_sub(found)
        );
    }
}

/// Minutes and seconds of the stream.
fn clock(seconds: f64) -> String {
    let minutes = (seconds / 60.0).floor();
    format!("{minutes:02.0}:{:05.2}", seconds - minutes * 60.0)
}

/// The folder of ring and outbox: a temporary one goes with the demo.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn make(given: Option<PathBuf>) -> anyhow::Result<Self> {
        let temporary = given.is_none();
        let path = match given {
            Some(path) => {
                std::fs::create_dir_all(&path)
                    .with_context(|| format!("make {}", path.display()))?;
                path
            }
            None => private_folder("courtside-demo")?,
        };
        Ok(Self { path, temporary })
    }

    fn remove(self) {}
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            // What cannot be removed is left to the system's own cleaning of its temporary folder.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
