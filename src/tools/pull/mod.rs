//! `courtside pull`: the cloud's side, as a command. Fetches the clips of boxes, verifies and acknowledges them.
//!
//! `boxes` says which boxes and with what tokens, `http` asks one, `fetch` brings one clip into its file,
//! `shelf` is the folder of a box beside us: what is there already. Each box is pulled by tasks of its own,
//! so a slow one holds up nobody; within one, some clips at once.
//!
//! Run twice it moves nothing twice: what was verified stands in `clips.jsonl` of the box's folder, what was
//! begun in a file that is named after its hash. `cloud` is the other way, for boxes that nobody can reach: asked
//! over their broker, they send their clips to object storage, and this signs the addresses. What came of either
//! is told by `sheet`.

mod boxes;
mod http;
mod shelf;
mod fetch;
mod sheet;
mod cloud;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::ProgressBar;
use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::clock::{Clock, SystemClock};
use crate::disk::{Disk, RealDisk};
use crate::health;
use crate::media::Foreign;
use crate::tools::descriptors::make_room_for;
use crate::tools::progress::{self, Lines, percent};
use crate::tools::pull::boxes::{Pulled, read_boxes};
use crate::tools::pull::cloud::CloudArgs;
use crate::tools::pull::fetch::Fetcher;
use crate::tools::pull::http::{Entry, Http, Which};
use crate::tools::pull::sheet::{BoxSheet, Sheet};
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
    /// File of boxes, a line each: URL, then where wanted TOKEN_FILE and CERT_FILE;
    /// with --mqtt NAME
    #[arg(long, value_name = "FILE")]
    boxes: Option<PathBuf>,
    /// Game whose clips are wanted; where none was started, the session
    #[arg(long, value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    game: Option<String>,
    /// All clips
    #[arg(long)]
    all: bool,
    /// Folder to write to; each box has one of its own in it
    #[arg(long, value_name = "DIR", required_unless_present = "mqtt", conflicts_with = "mqtt")]
    out: Option<PathBuf>,
    /// File of the token that the boxes of --from want: the operator's, which may acknowledge
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificate that the boxes of --from show, as PEM
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Clips of a box at once; with --mqtt 2 at most, which is what a box sends
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    parallel: u8,
    /// Do not acknowledge: the boxes keep what was pulled
    #[arg(long)]
    keep_pinned: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cloud: CloudArgs,
}

impl PullArgs {
    /// Pulls. 3 where something did not come.
    ///
    /// # Errors
    /// What could not be read or begun.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        health::start_log("warn")?;
        let bar = progress::bar(None, BAR);
        let _lines = Lines::beside(&bar, line);
        let Some(out) = &self.out else {
            let which = self.which();
            let (parallel, acknowledge) = (usize::from(self.parallel), !self.keep_pinned);
            let sheet = self.cloud.pull(
                self.boxes.as_deref(),
                &which,
                (parallel, acknowledge),
                (&bar, self.json),
            )?;
            return self.tell(&sheet);
        };
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
        let made = disk.create_dir_all(out);
        made.with_context(|| format!("make the folder {}", out.display()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("start the network threads")?;
        let sheet = runtime.block_on(self.pull(boxes, out, &disk, &bar));
        self.tell(&sheet)
    }

    fn tell(&self, sheet: &Sheet) -> anyhow::Result<ExitCode> {
        if self.json {
            tell_json(sheet)?;
        } else {
            sheet.lines().into_iter().for_each(tell);
        }
        if let (true, Some(game)) = (sheet.knows_nothing(), &self.game) {
            remark(format_args!(
                "courtside: no box here has heard of a game `{game}`: `courtside pull --all --json` names \
                 the game of each clip"
            ));
        } else if sheet.making > 0 {
            remark(format_args!(
                "courtside: {} clips are still being recorded or made: run this again for them",
                sheet.making
            ));
        }
        Ok(if sheet.is_good() { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }

    fn which(&self) -> Which {
        self.game.clone().map_or(Which::All, Which::Game)
    }

    async fn pull(
        &self,
        boxes: Vec<Pulled>,
        out: &Path,
        disk: &Arc<dyn Disk>,
        bar: &ProgressBar,
    ) -> Sheet {
        let job = Arc::new(Job {
            which: self.which(),
            out: out.to_owned(),
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

/// What is moved of what there is.
const BAR: &str =
    "{elapsed_precise} {bar:40} {decimal_bytes} of {decimal_total_bytes} {decimal_bytes_per_sec}";

/// The same where there is no terminal.
fn line(done: u64, all: u64, took: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let (done_mb, all_mb) = (done as f64 / 1e6, all as f64 / 1e6);
    let rate = done_mb / took.as_secs_f64().max(0.001);
    format!(
        "pull: {done_mb:.1} of {all_mb:.1} MB ({} %), {} s, {rate:.1} MB/s",
        percent(done, all),
        took.as_secs()
    )
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
        let mut sheet = BoxSheet::begins(&one.url, "");
        if let Err(error) = self.pull_box(one, &mut sheet).await {
            sheet.error = Some(Foreign::told(format!("{error:#}")));
        }
        sheet
    }

    async fn pull_box(self: &Arc<Self>, one: Pulled, sheet: &mut BoxSheet) -> anyhow::Result<()> {
        let http = Arc::new(Http::new(one, Arc::clone(&self.clock)));
        let name = http.name().await?;
        if !self.names.lock().insert(name.clone()) {
            bail!("another of these boxes is called {name} too: pull them into two folders");
        }
        sheet.name.clone_from(&name);
        let listed = http.list(&self.which).await?;
        let (disk, path) = (Arc::clone(&self.disk), self.out.join(&name));
        let folder = tokio::task::spawn_blocking(move || Folder::open(disk, path)).await??;
        let wanted = sheet.lists(listed);
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
