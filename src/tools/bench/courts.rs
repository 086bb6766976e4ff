//! `courtside bench courts`: how many courts one box bears, and what they cost.
//!
//! The whole daemon runs in this process (`crowd`), and a publisher of ours a court plays a clip to it
//! over loopback at its own pace (`publishers`, `clip`). From a picture's last byte in to its answer out;
//! what is lost, by hop; copies of pixels from a GPU, memory of GPU and process, cores. `--most` looks
//! for the most courts that lose nothing (`search`).

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::clock::come_first;
use crate::config;
use crate::event::models::{After, SwapOrder};
use crate::health;
use crate::media::{Codec, RimBox};
use crate::tools::bench::clip::Clip;
use crate::tools::bench::crowd::{Plan, Round, round};
use crate::tools::bench::latency::{KBPS, Scratch, quoted, sample, size};
use crate::tools::bench::search::Search;
use crate::tools::bench::watched::Figures;
use crate::tools::descriptors;
use crate::tools::rig::broker::OwnBroker;
use crate::tools::rig::camera::{self, Format};
use crate::tools::rim_arg::RimArg;

/// Arguments of `bench courts`.
#[derive(Debug, Args)]
pub(crate) struct CourtsArgs {
    /// Courts at once, several one after another: 1,4,8
    #[arg(long, value_name = "N", default_value = "1", value_delimiter = ',',
          value_parser = clap::value_parser!(u32).range(1..=MOST_COURTS))]
    courts: Vec<u32>,
    /// Look for the most courts that lose no picture, from the first of --courts on
    #[arg(long)]
    most: bool,
    /// Width and height of the streams
    #[arg(long, value_name = "WxH", default_value = "1920x1080", value_parser = size)]
    size: (u32, u32),
    /// Pictures a second
    #[arg(long, value_name = "N", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(1..=240))]
    fps: u32,
    /// Coding of the streams
    #[arg(long, value_name = "NAME", default_value = "h264")]
    codec: Coding,
    /// Bit rate of the streams, kbit/s [default: 4000 at 1280x720 and 30, others in proportion]
    #[arg(long, value_name = "N")]
    kbps: Option<u32>,
    /// Clip to play again and again instead, in FLV; --size is then its own, for the ring
    #[arg(long, value_name = "FILE")]
    flv: Option<PathBuf>,
    /// Box of the ring in pixels of the clip [default: that of the rendered game]
    #[arg(long, value_name = "X,Y,W,H", requires = "flv")]
    rim: Option<RimArg>,
    /// Keep the clip that was made here, and measure nothing
    #[arg(long, value_name = "FILE", conflicts_with = "flv")]
    save: Option<PathBuf>,
    /// Length of what is measured, s
    #[arg(long, value_name = "S", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// All courts play for so long before and lose nothing, s
    #[arg(long, value_name = "S", default_value_t = 3)]
    warm_up: u32,
    /// One court comes so long after another, ms
    #[arg(long, value_name = "MS", default_value_t = 100)]
    apart: u32,
    /// What runs the model: `device` of `[detect]`
    #[arg(long, value_name = "NAME", default_value = "auto")]
    device: String,
    /// Bundle that decides, NAME or NAME:PRECISION [default: rimnet]
    #[arg(long, value_name = "NAME")]
    bundle: Option<String>,
    /// Folder of model bundles [default: the bundle in the binary]
    #[arg(long, value_name = "DIR")]
    models_dir: Option<PathBuf>,
    /// Folder of TensorRT's libraries [default: where the loader looks]
    #[arg(long, value_name = "DIR")]
    tensorrt: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// How a stream is coded.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Coding {
    H264,
    H265,
}

/// A box takes no more.
const MOST_COURTS: i64 = 256;
/// Length of a clip that is made here, s: a key picture each two.
const CLIP_SECONDS: u32 = 6;
/// Room for a court's recording: a minute at the rate of the fastest that is usual, bytes.
const RING_A_COURT: u64 = 128_000_000;
/// No broker listens there.
const NOBODY: &str = "mqtt://127.0.0.1:1";

impl CourtsArgs {
    /// Runs the bench. 3 when a picture was lost, or with `--most` if one court alone loses some.
    ///
    /// # Errors
    /// What could not be started or measured.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        health::start_log("error")?;
        descriptors::make_room();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .on_thread_start(come_first)
            .build()
            .context("start the network threads")?;
        runtime.block_on(bench(self))
    }

    fn format(&self) -> anyhow::Result<Format> {
        let (width, height) = self.size;
        let share = u64::from(width) * u64::from(height) * u64::from(self.fps);
        let usual = u32::try_from(u64::from(KBPS) * share / (1280 * 720 * 30))?;
        let kbps = self.kbps.unwrap_or(usual).max(100);
        let codec = match self.codec {
            Coding::H264 => Codec::H264,
            Coding::H265 => Codec::H265,
        };
        Ok(Format { width, height, fps: self.fps, kbps, codec })
    }

    fn swap(&self) -> Option<SwapOrder> {
        let name = self.bundle.as_ref()?;
        let (bundle, precision) = match name.split_once(':') {
            Some((bundle, precision)) => (bundle.to_owned(), Some(precision.to_owned())),
            None => (name.clone(), None),
        };
        Some(SwapOrder { bundle, precision, after: After::Now, keep: false })
    }

    /// The smallest configuration with so many courts.
    fn configuration(
        &self,
        courts: u32,
        dir: &Path,
        broker: &str,
        rim: RimBox,
    ) -> anyhow::Result<config::Config> {
        let mut detect = format!("device = {}\n", serde_json::to_string(&self.device)?);
        for (key, path) in [("models_dir", &self.models_dir), ("tensorrt", &self.tensorrt)] {
            if let Some(path) = path {
                detect.push_str(&format!("{key} = {}\n", quoted(path)?));
            }
        }
        let RimBox { x, y, w, h } = rim;
        let (width, height) = self.size;
        let mut text = format!(
            "[box]\nname = \"bench\"\ndata_dir = {}\n[uplink]\nbroker = \"{broker}\"\n\
             [ingest]\nrtmp = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [ring]\nquota_bytes = {}\n[detect]\n{detect}",
            quoted(dir)?,
            RING_A_COURT * u64::from(courts).max(2),
        );
        for court in 1..=courts {
            text.push_str(&format!(
                "[[court]]\nname = \"court-{court}\"\nstream_key = \"bench-court-{court}\"\n\
                 rims_of = [{width}, {height}]\nrims = [[{x}, {y}, {w}, {h}]]\n"
            ));
        }
        let nothing = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
        let origin = config::Origin {
            file: Path::new("bench.toml"),
            credentials: None,
            hostname: None,
            read: &nothing,
        };
        Ok(config::parse(&text, &origin)?)
    }
}

async fn bench(args: &CourtsArgs) -> anyhow::Result<ExitCode> {
    let folder = Scratch::make("courtside-bench")?;
    let format = args.format()?;
    let (video, drawn) = sample(&folder.0, format)?;
    let rim = args.rim.map_or(drawn, |rim| rim.0);
    let clip = match &args.flv {
        Some(file) => Clip::read(file)?,
        None => {
            let (width, height) = args.size;
            eprintln!("encoding {CLIP_SECONDS} s at {width} × {height}");
            Clip::of(camera::film(&video, format, CLIP_SECONDS)?)?
        }
    };
    if let Some(file) = &args.save {
        clip.write(file)?;
        return Ok(ExitCode::SUCCESS);
    }
    let clip = Arc::new(clip);
    // Calls are made and kept either way; who acknowledges them is no part of what is measured.
    let broker = OwnBroker::start(&folder.0).await;
    if let Err(error) = &broker {
        eprintln!("without a broker: {error:#}");
    }
    let url = broker.as_ref().map_or_else(|_| NOBODY.to_owned(), OwnBroker::url);
    let bench = Bench { args, clip, rim, broker: url, folder: &folder.0, swap: args.swap() };
    let summary = bench.summary().await;
    if let Ok(broker) = broker {
        broker.stop().await;
    }
    let summary = summary?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        summary.print(args);
    }
    Ok(if summary.kept { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

struct Bench<'a> {
    args: &'a CourtsArgs,
    clip: Arc<Clip>,
    rim: RimBox,
    broker: String,
    folder: &'a Path,
    swap: Option<SwapOrder>,
}

impl Bench<'_> {
    async fn round(&self, courts: u32) -> anyhow::Result<Round> {
        eprintln!("{courts} courts: {} s", self.args.seconds);
        // The same for all rounds: what was built for the GPU in the first is there in the next.
        let config =
            self.args.configuration(courts, &self.folder.join("box"), &self.broker, self.rim)?;
        round(Plan {
            courts,
            seconds: self.args.seconds,
            warm_up: Duration::from_secs(self.args.warm_up.into()),
            apart: Duration::from_millis(self.args.apart.into()),
            config,
            clip: &self.clip,
            swap: self.swap.as_ref(),
            ends_at_a_drop: self.args.most,
        })
        .await
    }

    async fn summary(&self) -> anyhow::Result<Summary> {
        let mut rounds = Vec::new();
        let mut most = None;
        if self.args.most {
            let first = self.args.courts.first().copied().unwrap_or(1);
            let mut search = Search::new(first, u32::try_from(MOST_COURTS)?);
            while let Some(courts) = search.due() {
                let round = self.round(courts).await?;
                search.tried(courts, round.kept);
                rounds.push(round);
            }
            most = Some(search.most());
        } else {
            for courts in &self.args.courts {
                rounds.push(self.round(*courts).await?);
            }
        }
        let kept = most.map_or_else(|| rounds.iter().all(|round| round.kept), |most| most > 0);
        let pictures_a_second = self.clip.rate();
        let (megabits, clip_bytes) = (self.clip.megabits(), self.clip.bytes());
        Ok(Summary { pictures_a_second, megabits, clip_bytes, rounds, most, kept })
    }
}

/// What the bench tells.
#[derive(Debug, Serialize)]
struct Summary {
    pictures_a_second: f64,
    megabits: f64,
    /// Of the clip, which lies in the memory of the process that is measured.
    clip_bytes: usize,
    rounds: Vec<Round>,
    /// The most courts that lost nothing, with `--most`.
    most: Option<u32>,
    /// Nothing was lost, or with `--most` so many courts did without.
    kept: bool,
}

const MIB: u64 = 1 << 20;

impl Summary {
    fn print(&self, args: &CourtsArgs) {
        let (width, height) = args.size;
        println!(
            "{width} × {height} at {:.1} pictures and {:.1} Mbit a second; ms from a picture's last byte in",
            self.pictures_a_second, self.megabits
        );
        println!("{:<38}{:>8} {:>8} {:>8} {:>8}", "", "p50", "p95", "p99", "max");
        for round in &self.rounds {
            round.print();
        }
        if let Some(most) = self.most {
            println!("most courts that lose nothing: {most}");
        }
        println!("nothing lost: {}", if self.kept { "kept" } else { "NOT kept" });
    }
}

impl Round {
    fn print(&self) {
        let Self { courts, figures, .. } = self;
        let Figures { pictures, unanswered, passed_over, .. } = figures;
        println!("{:<38}{}", format!("{courts} courts: to the answer"), figures.answer);
        println!("{:<38}{}", "  to the picture decoded", figures.decoded);
        println!("{:<38}{}", "  from there to the answer", figures.looked);
        println!("{:<38}{}", "  (pictures left late by)", figures.late);
        println!("  waited for the model: {}", self.waited);
        let dropped: Vec<String> =
            self.dropped.iter().map(|(hop, count)| format!("{count} by {hop}")).collect();
        let dropped = if dropped.is_empty() { "0".to_owned() } else { dropped.join(", ") };
        println!(
            "  {pictures} pictures in {:.1} s, {} passed over by design, dropped {dropped}, without an \
             answer {unanswered}; before all played {} dropped",
            self.seconds, passed_over, self.dropped_before
        );
        let decoders: Vec<String> =
            self.decoders.iter().map(|(name, count)| format!("{count} × {name}")).collect();
        println!("  {}; {}", self.model, decoders.join(", "));
        if let Some(advice) = &self.advice {
            println!("  {advice}");
        }
        match self.host_copies {
            Some(copies) => println!(
                "  {copies} pictures copied to the CPU, {} before all played",
                self.host_copies_before.unwrap_or(0)
            ),
            None => println!("  pictures are decoded on the CPU"),
        }
        let mib = |bytes: Option<u64>| {
            bytes.map_or_else(|| "unknown".to_owned(), |bytes| format!("{} MiB", bytes / MIB))
        };
        match &self.no_gpu {
            Some(why) => println!("  GPU memory: {why}"),
            None => println!(
                "  GPU memory {} ({} at first), a court more {}",
                mib(self.gpu_bytes),
                mib(self.gpu_bytes_before),
                mib(self.gpu_bytes_a_court)
            ),
        }
        println!(
            "  RSS {} ({} at first), a court more {}; {:.2} cores, publishers {:.2} beside; first answer after {:.1} s, \
             best engine after {:.1} s",
            mib(self.rss_bytes),
            mib(self.rss_bytes_before),
            mib(self.rss_bytes_a_court),
            self.cores,
            self.publishers_cores,
            self.first_answer_s,
            self.best_engine_s
        );
        for line in &self.refused {
            println!("  {line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: CourtsArgs,
    }

    fn args(words: &[&str]) -> CourtsArgs {
        Command::try_parse_from([&["courts"], words].concat()).expect("arguments").args
    }

    #[test]
    fn as_many_courts_as_a_box_takes_are_a_configuration_that_it_takes() {
        let args = args(&["--size", "1280x720", "--device", "cpu"]);
        let rim = RimBox { x: 600.0, y: 100.0, w: 80.0, h: 60.0 };
        for courts in [1, u32::try_from(MOST_COURTS).expect("a number")] {
            let config = args.configuration(courts, Path::new("/nowhere"), NOBODY, rim);
            let config = config.expect("a configuration");
            assert_eq!(config.courts.len(), usize::try_from(courts).expect("a number"));
            assert_eq!(config.detect.device, config::Device::Cpu);
        }
    }

    #[test]
    fn a_clip_has_the_rate_that_is_asked_for_or_one_in_proportion() {
        let kbps = |words: &[&str]| args(words).format().expect("a format").kbps;
        assert_eq!(kbps(&["--size", "1280x720"]), 4000);
        assert_eq!(kbps(&["--fps", "60"]), 18_000);
        assert_eq!(kbps(&["--fps", "60", "--kbps", "8000"]), 8000);
    }

    #[test]
    fn a_bundle_may_name_its_precision() {
        let order = |words: &[&str]| args(words).swap().map(|order| order.name());
        assert_eq!(order(&[]), None);
        assert_eq!(order(&["--bundle", "rimnet:fp16"]).as_deref(), Some("rimnet:fp16"));
    }
}
