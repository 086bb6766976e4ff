//! `courtside pull`: the cloud's side, as a command. Fetches the clips of boxes, verifies and acknowledges them.
//!
//! `boxes` says which boxes and with what tokens, `http` asks one, `fetch` brings one clip into its file,
//! `shelf` is the folder of a box beside us: what is there already. Each box is pulled by tasks of its own,
//! so a slow one holds up nobody; within one, some clips at once.
//!
//! Run twice it moves nothing twice: what was verified stands in `clips.jsonl` of the box's folder, what was
//! begun in a file that is named after its hash. Another way to the bytes (a box behind NAT that uploads)
//! takes the place of `http` and keeps the rest.

mod boxes;
mod http;
mod shelf;
mod fetch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::clock::{Clock, SystemClock};
use crate::disk::{Disk, RealDisk};
use crate::health;
use crate::media::Foreign;
use crate::tools::descriptors::make_room_for;
use crate::tools::pull::boxes::{Pulled, read_boxes};
use crate::tools::pull::fetch::{Fetched, Fetcher};
use crate::tools::pull::http::{Entry, Http, Which};
use crate::tools::pull::shelf::Folder;
use crate::tools::tell::{remark, tell, tell_json};

/// Boxes of one command.
const BOXES_MOST: usize = 1_000;
/// Descriptors of one clip under way: a connection and a file.
const DESCRIPTORS: u64 = 2;
/// … and beside them.
const DESCRIPTORS_BESIDE: u64 = 256;

/// Arguments of `pull`.
#[derive(Debug, Args)]
pub(super) struct PullArgs {
    /// Address of a box (can be repeated)
    #[arg(long, value_name = "URL")]
    from: Vec<String>,
    /// File of boxes, a line each: URL, then where wanted TOKEN_FILE and CERT_FILE
    #[arg(long, value_name = "FILE")]
    boxes: Option<PathBuf>,
    /// Game whose clips are wanted; until games have names of their own, its session
    #[arg(long, value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    game: Option<String>,
    /// All clips
    #[arg(long)]
    all: bool,
    /// Folder to write to; each box has one of its own in it
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// File of the token that the boxes of --from want: the operator's, which may acknowledge
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificate that the boxes of --from show, as PEM
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Clips of a box at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    parallel: u8,
    /// Do not acknowledge: the boxes keep what was pulled
    #[arg(long)]
    keep_pinned: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

impl PullArgs {
    /// Pulls. 3 where something did not come.
    ///
    /// # Errors
    /// What could not be read or begun.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        health::start_log("warn")?;
        let mut boxes = Vec::new();
        for url in &self.from {
            boxes.push(Pulled::of(url, self.token_file.as_deref(), self.cert.as_deref())?);
        }
        if let Some(file) = &self.boxes {
            boxes.extend(read_boxes(file)?);
        }
        if boxes.is_empty() || boxes.len() > BOXES_MOST {
            bail!("name 1 to {BOXES_MOST} boxes by --from URL or --boxes FILE");
        }
        make_room_for(
            boxes.len() as u64 * u64::from(self.parallel) * DESCRIPTORS + DESCRIPTORS_BESIDE,
        );
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
        let made = disk.create_dir_all(&self.out);
        made.with_context(|| format!("make the folder {}", self.out.display()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("start the network threads")?;
        let sheet = runtime.block_on(self.pull(boxes, &disk));
        if self.json {
            tell_json(&sheet)?;
        } else {
            sheet.lines().into_iter().for_each(tell);
        }
        Ok(if sheet.is_good() { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }

    async fn pull(&self, boxes: Vec<Pulled>, disk: &Arc<dyn Disk>) -> Sheet {
        let bar = ProgressBar::new(0);
        let style = "{elapsed_precise} {bar:40} {decimal_bytes} of {decimal_total_bytes} {decimal_bytes_per_sec}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        let which = self.game.clone().map_or(Which::All, Which::Game);
        let job = Arc::new(Job {
            which,
            out: self.out.clone(),
            parallel: usize::from(self.parallel),
            acknowledge: !self.keep_pinned,
            disk: Arc::clone(disk),
            clock: Arc::new(SystemClock::new()),
            bar: bar.clone(),
            names: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        for (n, one) in boxes.into_iter().enumerate() {
            let job = Arc::clone(&job);
            tasks.spawn(async move { (n, job.of_box(one).await) });
        }
        let mut sheets = Vec::new();
        while let Some(joined) = tasks.join_next().await {
            match joined {
                Ok((n, sheet)) => {
                    if !self.json {
                        bar.suspend(|| remark(sheet.line()));
                    }
                    sheets.push((n, sheet));
                }
                Err(error) => remark(format_args!("courtside: a box was left: {error}")),
            }
        }
        bar.finish_and_clear();
        sheets.sort_by_key(|(n, _)| *n);
        Sheet::of(sheets.into_iter().map(|(_, sheet)| sheet).collect())
    }
}

/// What is to be done of every box.
struct Job {
    which: Which,
    out: PathBuf,
    parallel: usize,
    acknowledge: bool,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    bar: ProgressBar,
    /// Of the folders that are taken.
    names: Mutex<std::collections::BTreeSet<String>>,
}

impl Job {
    async fn of_box(self: &Arc<Self>, one: Pulled) -> BoxSheet {
        let mut sheet = BoxSheet { url: one.url.clone(), ..BoxSheet::default() };
        if let Err(error) = self.pull_box(one, &mut sheet).await {
            sheet.error = Some(Foreign::told(format!("{error:#}")));
        }
        sheet
    }

    async fn pull_box(self: &Arc<Self>, one: Pulled, sheet: &mut BoxSheet) -> anyhow::Result<()> {
        let http = Arc::new(Http::new(one));
        let name = http.name().await?;
        if !self.names.lock().insert(name.clone()) {
            bail!("another of these boxes is called {name} too: pull them into two folders");
        }
        sheet.name.clone_from(&name);
        let listed = http.list(&self.which).await?;
        let (disk, path) = (Arc::clone(&self.disk), self.out.join(&name));
        let folder = tokio::task::spawn_blocking(move || Folder::open(disk, path)).await??;
        let wanted: Vec<Entry> = listed.into_iter().filter(|entry| entry.media.is_some()).collect();
        self.bar.inc_length(wanted.iter().map(Entry::bytes).sum());
        let fetcher = Arc::new(Fetcher {
            http,
            folder,
            clock: Arc::clone(&self.clock),
            acknowledge: self.acknowledge,
            bar: self.bar.clone(),
        });
        let waiting = Arc::new(Mutex::new(wanted.into_iter()));
        let mut tasks = JoinSet::new();
        for _ in 0..self.parallel {
            let (fetcher, waiting) = (Arc::clone(&fetcher), Arc::clone(&waiting));
            tasks.spawn(async move {
                let mut done = Vec::new();
                let mut way = fetcher.http.way();
                loop {
                    let Some(entry) = waiting.lock().next() else { return done };
                    let fetched = fetcher.fetch(&mut way, &entry).await;
                    done.push((entry.id.clone(), fetched));
                }
            });
        }
        while let Some(joined) = tasks.join_next().await {
            for (clip, fetched) in joined? {
                sheet.add(clip, fetched);
            }
        }
        Ok(())
    }
}

/// What came of one box.
#[derive(Debug, Default, Serialize)]
struct BoxSheet {
    url: String,
    #[serde(rename = "box")]
    name: String,
    /// Clips that are here and verified.
    clips: u64,
    /// … of which these were here before.
    had: u64,
    /// Bytes that were fetched now.
    moved_bytes: u64,
    /// Bytes that were here already, whole clips and begun ones.
    had_bytes: u64,
    /// Times that a clip went on where it had stopped.
    resumed: u64,
    acknowledged: u64,
    failed: Vec<FailedClip>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Foreign>,
}

#[derive(Debug, Serialize)]
struct FailedClip {
    clip: String,
    why: Foreign,
}

impl BoxSheet {
    fn add(&mut self, clip: String, (fetched, failed): (Fetched, Option<anyhow::Error>)) {
        self.moved_bytes += fetched.moved;
        self.had_bytes += fetched.had;
        self.resumed += fetched.resumed;
        self.clips += u64::from(fetched.whole);
        self.had += u64::from(fetched.was_whole);
        self.acknowledged += u64::from(fetched.acknowledged);
        if let Some(error) = failed {
            self.failed.push(FailedClip { clip, why: Foreign::told(format!("{error:#}")) });
        }
    }

    fn line(&self) -> String {
        let name = if self.name.is_empty() { &self.url } else { &self.name };
        if let Some(error) = &self.error {
            return format!("{name}: {error}");
        }
        let Self { clips, had, moved_bytes, had_bytes, resumed, acknowledged, failed, .. } = self;
        format!(
            "{name}: {clips} clips ({had} were here), {moved_bytes} bytes moved, {had_bytes} were here, \
             {resumed} resumed, {acknowledged} acknowledged, {} failed",
            failed.len()
        )
    }
}

/// What came of all.
#[derive(Debug, Serialize)]
struct Sheet {
    moved_bytes: u64,
    had_bytes: u64,
    clips: u64,
    acknowledged: u64,
    failed: u64,
    boxes: Vec<BoxSheet>,
}

impl Sheet {
    fn of(boxes: Vec<BoxSheet>) -> Self {
        let sum = |of: fn(&BoxSheet) -> u64| boxes.iter().map(of).sum();
        Self {
            moved_bytes: sum(|sheet| sheet.moved_bytes),
            had_bytes: sum(|sheet| sheet.had_bytes),
            clips: sum(|sheet| sheet.clips),
            acknowledged: sum(|sheet| sheet.acknowledged),
            failed: sum(|sheet| sheet.failed.len() as u64 + u64::from(sheet.error.is_some())),
            boxes,
        }
    }

    const fn is_good(&self) -> bool {
        self.failed == 0
    }

    fn lines(&self) -> Vec<String> {
        let Self { clips, moved_bytes, had_bytes, acknowledged, failed, boxes } = self;
        let mut lines = Vec::new();
        for sheet in boxes {
            for FailedClip { clip, why } in &sheet.failed {
                lines.push(format!("{}: {clip}: {why}", sheet.name));
            }
        }
        lines.push(format!(
            "{clips} clips of {} boxes: {moved_bytes} bytes moved, {had_bytes} were here, \
             {acknowledged} acknowledged, {failed} failed",
            boxes.len()
        ));
        lines
    }
}
