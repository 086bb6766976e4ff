//! `courtside fleet`: many boxes at one broker, without video.
//!
//! ```text
//! boxes (uplink, inbox, twin; a folder each) ─┬──────────→ broker ←─→ office: hears all, asks, wants
//!                                             └→ gate ───↗    (stopped and started, the gate shut)
//! ```
//! `simulated` is a box and `twin` its twin, `office` the other side, `gate` what shuts half of them out, `book`
//! what was decided and heard (pure), `claims` how they become somebody and `desk` who signs that, `cost` what
//! they take of the machine, `course` what is done with them, one thing after another, `sheet` what is told.

mod book;
mod cost;
mod gate;
mod office;
mod simulated;
mod twin;
mod desk;
mod claims;
mod course;
mod sheet;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use crate::health;
use crate::tools::descriptors::make_room_for;
use crate::tools::fleet::course::{Course, Plan};
use crate::tools::private_folder::private_folder;
use crate::tools::run::on_signal;
use crate::tools::tell::{remark, tell, tell_json};

/// Most boxes: five digits stand in a name.
const BOXES_MOST: usize = 10_000;
/// Descriptors of a box: its lock, outbox, inbox and socket; for half of them two more in the gate.
const DESCRIPTORS: u64 = 6;
/// … and of the rest.
const DESCRIPTORS_BESIDE: u64 = 256;

/// Arguments of `fleet`.
#[derive(Debug, Args)]
pub(super) struct FleetArgs {
    /// How many boxes
    #[arg(long, value_name = "N", default_value_t = 1000)]
    boxes: usize,
    /// Broker to use instead of a mosquitto of our own, which alone is also
    /// stopped and started, for example mqtt://127.0.0.1:1883
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// Length of each part, s
    #[arg(long, value_name = "S", default_value_t = 20)]
    seconds: u64,
    /// Events a minute of each box, two a shot
    #[arg(long, value_name = "N", default_value_t = 18)]
    rate: u32,
    /// Events of each box all at once, in the last part
    #[arg(long, value_name = "N", default_value_t = 20)]
    burst: u32,
    /// Folder for the boxes' data, in a new folder below it
    /// [default: the system's for temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

impl FleetArgs {
    /// Runs the fleet. 3 when anything was lost, doubled or not done; 1 when it was told to end before.
    ///
    /// # Errors
    /// What could not be started.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        if !(2..=BOXES_MOST).contains(&self.boxes) || self.seconds == 0 || self.rate == 0 {
            bail!("2 to {BOXES_MOST} boxes, and at least 1 second and 1 event a minute");
        }
        // A fleet's boxes lose their broker again and again: what counts is told in the end.
        health::start_log("off")?;
        make_room_for(self.boxes as u64 * DESCRIPTORS + DESCRIPTORS_BESIDE);
        let folder = Folder::make(self.dir.as_deref())?;
        let threads = |name: &str| {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name(name)
                .enable_all()
                .build();
            runtime.context("start the network threads")
        };
        // Apart, so that what a box's network takes can be told from what its game takes.
        let (network, games) = (threads("fleet-net")?, threads("fleet-game")?);
        let part = Duration::from_secs(self.seconds);
        let plan = Plan { boxes: self.boxes, part, rate: self.rate, burst: self.burst };
        let broker = self.broker.as_deref();
        let course = Course::begin(plan, broker, &folder.0, network.handle().clone());
        let sheet = games.block_on(async {
            let mut told = on_signal().context("listen for signals")?;
            let stopped = async move { told.wait_for(|told| *told).await.is_ok() };
            let mut stopped = std::pin::pin!(stopped);
            let mut course = tokio::select! {
                begun = course => begun?,
                _ = &mut stopped => return Ok(None),
            };
            let sheet = tokio::select! {
                sheet = course.whole() => sheet.map(Some),
                _ = &mut stopped => Ok(None),
            };
            course.ends().await;
            sheet
        });
        // Whoever is at work in the folder ends with these; the folder goes last.
        drop((games, network));
        let Some(sheet) = sheet? else {
            remark(
                "ended before its end: broker, boxes and their folder are gone, nothing is told",
            );
            return Ok(ExitCode::FAILURE);
        };
        if self.json {
            tell_json(&sheet)?;
        } else {
            sheet.lines().into_iter().for_each(tell);
        }
        Ok(if sheet.is_good() { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }
}

/// A folder of ours that goes with this value.
struct Folder(PathBuf);

impl Folder {
    fn make(dir: Option<&std::path::Path>) -> anyhow::Result<Self> {
        let Some(dir) = dir else { return Ok(Self(private_folder("courtside-fleet")?)) };
        let path = dir.join(format!("courtside-fleet-{:016x}", getrandom::u64()?));
        std::fs::create_dir(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to whoever cleans up there.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}
