//! `courtside pull --mqtt … --s3 …`: boxes that nobody can reach send their clips to object storage.
//!
//! ```text
//! venue: clip_list ─→ send: there already? ──────────────── yes ─→ clip_ack
//!                       │ no                                          ↑
//!                       ├─ bucket: an open upload of this key, or another one
//!                       ├─ venue: clip_upload ⇄ clip_upload_urls (bucket signs the parts that it needs)
//!                       └─ bucket: ListParts, complete, HEAD ─────────┘
//! ```
//! `bucket` is the storage (signed by rusty-s3), `venue` one box over its broker, `send` one clip from the one to
//! the other; here is which boxes, and many at once. Nothing is kept on this machine: what was begun is found in
//! the storage, by its key, and on the box, by the upload's name.
//!
//! Deliberately absent: a copy on this machine. What is in the bucket is left there.

mod xml;
mod bucket;
mod venue;
mod send;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::ProgressBar;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::broker::{Access, Credential};
use crate::clock::{Clock, SystemClock};
use crate::config::Broker;
use crate::disk::read_regular_text;
use crate::media::{BoxName, Foreign};
use crate::tools::descriptors::make_room_for;
use crate::tools::pull::cloud::bucket::{Bucket, BucketTerms};
use crate::tools::pull::cloud::send::{Sender, Terms};
use crate::tools::pull::cloud::venue::Venue;
use crate::tools::pull::http::{Entry, Which};
use crate::tools::pull::sheet::{BoxSheet, Sheet};
use crate::tools::tell::remark;

/// Boxes of one command.
const BOXES_MOST: usize = 1_000;
const NAMES_MOST_BYTES: u64 = 1 << 20;
/// Clips that a box sends at once; a third would wait.
const AT_ONCE: usize = 2;
/// Clips that are there before they are acknowledged together.
const OWED_MOST: usize = 25;
/// Boxes whose lists are asked for at once: each is a connection to the broker.
const LISTS: usize = 64;
/// Descriptors of one clip under way: two connections to the broker, one to the storage.
const DESCRIPTORS: u64 = 3;
/// … and beside them.
const DESCRIPTORS_BESIDE: u64 = 256;

/// Arguments of `pull --mqtt`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Boxes that nobody can reach")]
pub(super) struct CloudArgs {
    /// Broker over which the boxes are asked to send their clips to --s3
    #[arg(long, value_name = "URL", requires = "s3", conflicts_with_all = ["from", "token_file", "cert"])]
    mqtt: Option<String>,
    /// Name of a box (can be repeated)
    #[arg(long = "box", value_name = "NAME", requires = "mqtt")]
    names: Vec<String>,
    /// Bucket to which they send, as BOX/CLIP.mp4. Its keys are those of the
    /// environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and
    /// AWS_SESSION_TOKEN where there is one
    #[arg(long, value_name = "BUCKET", requires = "mqtt")]
    s3: Option<String>,
    /// The storage's address, as the boxes reach it too [default: AWS's]
    #[arg(long, value_name = "URL", requires = "mqtt")]
    s3_endpoint: Option<String>,
    /// The bucket's region
    #[arg(long, value_name = "NAME", requires = "mqtt", default_value = "us-east-1")]
    region: String,
    /// Before the key of each object, for example 2026/
    #[arg(long, value_name = "TEXT", requires = "mqtt", default_value = "", value_parser = prefix)]
    prefix: String,
    /// Bytes of a part; most storages want 5 MiB at least
    #[arg(long, value_name = "BYTES", requires = "mqtt", default_value_t = 8 << 20, value_parser = clap::value_parser!(u64).range((64 << 10)..=(1 << 30)))]
    part_bytes: u64,
    /// How long an address lives, in seconds
    #[arg(long, value_name = "SECONDS", requires = "mqtt", default_value_t = 900, value_parser = clap::value_parser!(u32).range(5..=604_800))]
    lives: u32,
    /// Also while a game is played
    #[arg(long, requires = "mqtt")]
    now: bool,
    /// Read each object back and hash it
    #[arg(long, requires = "mqtt")]
    verify: bool,
    /// How long one clip may take, in seconds; the next run goes on with it
    #[arg(long, value_name = "SECONDS", requires = "mqtt", default_value_t = 14_400)]
    wait: u64,
    /// User at the broker
    #[arg(long, value_name = "NAME", requires = "mqtt")]
    username: Option<String>,
    /// File whose first line is the password
    #[arg(long, value_name = "FILE", requires = "mqtt")]
    password_file: Option<PathBuf>,
    /// PEM of the authorities that may sign the broker's certificate and the
    /// storage's [default: the system's]
    #[arg(long, value_name = "FILE", requires = "mqtt")]
    ca_file: Option<PathBuf>,
    /// PEM of your certificate at the broker
    #[arg(long, value_name = "FILE", requires_all = ["mqtt", "key_file"])]
    cert_file: Option<PathBuf>,
    /// PEM of its key
    #[arg(long, value_name = "FILE", requires_all = ["mqtt", "cert_file"])]
    key_file: Option<PathBuf>,
}

impl CloudArgs {
    /// Has the boxes send what is wanted. `how`: clips of a box at once, and whether they are acknowledged;
    /// `shows`: the progress, and whether the answer is JSON.
    ///
    /// # Errors
    /// What could not be read or begun.
    pub(super) fn pull(
        &self,
        boxes: Option<&Path>,
        which: &Which,
        how: (usize, bool),
        shows: (&ProgressBar, bool),
    ) -> anyhow::Result<Sheet> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let names = self.names(boxes)?;
        let access = self.access()?;
        let storage = Arc::new(self.storage(Arc::clone(&clock))?);
        let parallel = how.0.min(AT_ONCE);
        make_room_for((names.len() * parallel) as u64 * DESCRIPTORS + DESCRIPTORS_BESIDE);
        let terms = Terms {
            part_bytes: self.part_bytes,
            now: self.now,
            verify: self.verify,
            wait: Duration::from_secs(self.wait),
            prefix: self.prefix.clone(),
            acknowledge: how.1,
        };
        let url = access.broker.url();
        let lists = Arc::new(Semaphore::new(LISTS));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.context("start the network threads")?;
        let (bar, json) = shows;
        let sheets = runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for (n, name) in names.into_iter().enumerate() {
                let sheet = BoxSheet::begins(&url, name.as_str());
                let sender = Sender {
                    venue: Venue::new(name, access.clone(), Arc::clone(&clock)),
                    storage: Arc::clone(&storage),
                    terms: terms.clone(),
                    clock: Arc::clone(&clock),
                    bar: bar.clone(),
                    owed: Mutex::default(),
                };
                let (lists, which) = (Arc::clone(&lists), which.clone());
                tasks.spawn(
                    async move { (n, of_box(sender, which, parallel, &lists, sheet).await) },
                );
            }
            let mut sheets = Vec::new();
            while let Some(joined) = tasks.join_next().await {
                match joined {
                    Ok((n, sheet)) => {
                        if !json {
                            bar.suspend(|| remark(sheet.line()));
                        }
                        sheets.push((n, sheet));
                    }
                    Err(error) => remark(format_args!("courtside: a box was left: {error}")),
                }
            }
            sheets
        });
        bar.finish_and_clear();
        let mut sheets = sheets;
        sheets.sort_by_key(|(n, _)| *n);
        Ok(Sheet::of(sheets.into_iter().map(|(_, sheet)| sheet).collect()))
    }

    /// Which boxes, each once.
    fn names(&self, boxes: Option<&Path>) -> anyhow::Result<Vec<BoxName>> {
        let mut words = self.names.clone();
        if let Some(file) = boxes {
            let text = read_regular_text(file, NAMES_MOST_BYTES);
            let text = text.with_context(|| format!("read the boxes in {}", file.display()))?;
            let line = |line: &str| line.split_whitespace().next().map(str::to_owned);
            words.extend(
                text.lines().filter(|line| !line.trim_start().starts_with('#')).filter_map(line),
            );
        }
        let mut names: Vec<BoxName> = Vec::new();
        for word in &words {
            let name =
                BoxName::new(word).with_context(|| format!("`{word}` is no name of a box"))?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() || names.len() > BOXES_MOST {
            bail!("name 1 to {BOXES_MOST} boxes by --box NAME or --boxes FILE");
        }
        Ok(names)
    }

    fn access(&self) -> anyhow::Result<Access> {
        let broker = self.mqtt.as_deref().context("name the broker with --mqtt mqtt://HOST")?;
        let broker = Broker::parse(broker);
        let broker = broker.map_err(|wrong| anyhow::anyhow!("the address of --mqtt {wrong}"))?;
        let file = |file: &Option<PathBuf>| file.clone().map(Credential::File);
        Ok(Access {
            username: self.username.clone(),
            password: file(&self.password_file),
            ca: file(&self.ca_file),
            client: file(&self.cert_file).zip(file(&self.key_file)),
            ..Access::to(broker)
        })
    }

    fn storage(&self, clock: Arc<dyn Clock>) -> anyhow::Result<Bucket> {
        let name = self.s3.as_deref().context("name the bucket with --s3")?;
        let aws = || format!("https://s3.{}.amazonaws.com", self.region);
        Bucket::new(BucketTerms {
            endpoint: &self.s3_endpoint.clone().unwrap_or_else(aws),
            name,
            region: &self.region,
            ca_file: self.ca_file.as_deref(),
            lives: Duration::from_secs(u64::from(self.lives)),
            clock,
        })
    }
}

/// Storages take a key with an empty part in it for a folder's, or refuse it in words of their own.
fn prefix(text: &str) -> Result<String, String> {
    if text.starts_with('/') || text.contains("//") || text.contains(char::is_control) {
        return Err("a key begins with no slash and has no two in a row: write 2026/".to_owned());
    }
    Ok(text.to_owned())
}

async fn of_box(
    sender: Sender,
    which: Which,
    parallel: usize,
    lists: &Semaphore,
    mut sheet: BoxSheet,
) -> BoxSheet {
    if let Err(error) = pull_box(sender, which, parallel, lists, &mut sheet).await {
        sheet.error = Some(Foreign::told(format!("{error:#}")));
    }
    sheet
}

async fn pull_box(
    sender: Sender,
    which: Which,
    parallel: usize,
    lists: &Semaphore,
    sheet: &mut BoxSheet,
) -> anyhow::Result<()> {
    let listed = {
        let _seat = lists.acquire().await?;
        sender.venue.list(&which).await?
    };
    let wanted = sheet.lists(listed);
    sender.bar.inc_length(wanted.iter().map(Entry::bytes).sum());
    let sender = Arc::new(sender);
    let waiting = Arc::new(Mutex::new(wanted.into_iter()));
    let mut tasks = JoinSet::new();
    for _ in 0..parallel {
        let (sender, waiting) = (Arc::clone(&sender), Arc::clone(&waiting));
        tasks.spawn(async move {
            let (mut done, mut acknowledged) = (Vec::new(), Vec::new());
            loop {
                let Some(entry) = waiting.lock().next() else { return (done, acknowledged) };
                let sent = sender.send(&entry).await;
                done.push((entry.id.clone(), sent));
                acknowledged.extend(sender.acknowledge(OWED_MOST).await);
            }
        });
    }
    while let Some(joined) = tasks.join_next().await {
        let (sent, acknowledged) = joined?;
        sent.into_iter().for_each(|(clip, sent)| sheet.add(clip, sent));
        acknowledged.into_iter().for_each(|(clip, failed)| sheet.acknowledges(clip, failed));
    }
    for (clip, failed) in sender.acknowledge(0).await {
        sheet.acknowledges(clip, failed);
    }
    Ok(())
}
