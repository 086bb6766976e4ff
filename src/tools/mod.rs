//! The commands: a file a command. Answers on stdout, talk on stderr.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 3 degraded (DESIGN §4.2).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what commands are for")]

#[cfg(feature = "gstreamer")]
mod aim;
mod ask;
#[cfg(feature = "gstreamer")]
mod bare;
#[cfg(feature = "gstreamer")]
mod bench_latency;
mod bench_ingest;
mod bench_model;
mod broker;
#[cfg(feature = "gstreamer")]
mod camera;
mod check;
mod clips;
mod completions;
mod config;
mod demo;
mod doctor;
#[cfg(feature = "gstreamer")]
mod eval;
mod listen;
#[cfg(feature = "gstreamer")]
mod png_file;
pub mod publish;
mod run;
#[cfg(feature = "gstreamer")]
mod spread;
#[cfg(feature = "gstreamer")]
mod strip;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Call basketball shots from a camera's stream
#[derive(Debug, Parser)]
#[command(name = "courtside", version, about, max_term_width = 80)]
#[command(after_help = "Example: courtside demo
Exit: 0 done · 1 failed · 2 wrong usage · 3 degraded")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon
    #[command(after_help = "Example: courtside run --config /etc/courtside/courtside.toml
Exit: 0 after SIGTERM, all drained · 1 failed · 2 wrong configuration")]
    Run(RunArgs),
    /// Watch shots being called from a rendered game, or from your own video
    #[command(after_help = "Example: courtside demo --video game.mp4 --rim 612,188,44,22
Exit: 0 played to the end · 1 failed")]
    Demo(DemoArgs),
    /// Find the ring in a camera's picture and print the lines to paste
    #[cfg(feature = "gstreamer")]
    #[command(after_help = "Example: courtside aim --video game.mp4 --sheet seen.png
Exit: 0 found · 1 failed · 3 nothing found")]
    Aim(aim::AimArgs),
    /// List, cut and verify what is in the ring
    Clips(clips::ClipsArgs),
    /// Check the installation and, if the box runs, its cameras and ledger
    #[command(after_help = "Example: courtside check --config /etc/courtside/courtside.toml
Exit: 0 good · 2 configuration refused · 3 something needs you")]
    Check(check::CheckArgs),
    /// Say what is wrong with the running box and what to do
    #[command(after_help = "Example: courtside doctor --url http://127.0.0.1:8080
Exit: 0 well · 1 cannot ask · 2 configuration refused · 3 degraded")]
    Doctor(doctor::DoctorArgs),
    /// Say how often the calls are right, on videos with truth
    #[cfg(feature = "gstreamer")]
    #[command(after_help = "Example: courtside eval --truth streams/dev.json --strata --coverage
Exit: 0 printed · 1 failed · 3 below a floor of --gate, or not to be promoted")]
    Eval(eval::EvalArgs),
    /// Measure
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Write, check and show configuration
    Config(config::ConfigArgs),
    /// Write completions for a shell, or the manual page
    #[command(
        after_help = "Example: courtside completions bash > /etc/bash_completion.d/courtside"
    )]
    Completions(CompletionsArgs),
}

/// What `bench` measures.
#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// Measure from a picture's last byte to its answer and its event
    #[cfg(feature = "gstreamer")]
    #[command(after_help = "Example: courtside bench latency --runs 3
Exit: 0 within budget and nothing lost · 1 failed · 3 over budget, or a picture was lost")]
    Latency(bench_latency::LatencyArgs),
    /// Print what a byte of RTMP costs, beside a bare TCP sink and nginx-rtmp
    #[command(after_help = "Example: courtside bench ingest --runs 5
Exit: 0 measured · 1 failed")]
    Ingest(bench_ingest::IngestArgs),
    /// Time a model on one core, a picture and a rim
    #[command(after_help = "Example: courtside bench model --bundle rimnet
Exit: 0 within its budget · 1 failed · 3 over its budget")]
    Model(bench_model::BenchModelArgs),
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Configuration file
    #[arg(long, short, value_name = "FILE", default_value = "/etc/courtside/courtside.toml")]
    pub config: PathBuf,
    /// Never sync the disk: the negative control of the power-cut test
    #[arg(long, hide = true)]
    pub no_fdatasync: bool,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
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
    /// Bundle to call with (can be repeated) [default: rimnet]
    #[arg(long, value_name = "NAME")]
    pub bundle: Vec<String>,
    /// End when the video has ended, page and all
    #[arg(long)]
    pub once: bool,
    /// One JSON object an event on stdout
    #[arg(long)]
    pub json: bool,
}

/// Four numbers of `--rim`.
#[derive(Clone, Copy, Debug)]
pub struct RimArg(pub crate::media::RimBox);

impl std::str::FromStr for RimArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Vec<f32> = text
            .split(',')
            .map(|part| part.trim().parse().map_err(|_| format!("`{part}` is no number")))
            .collect::<Result<_, _>>()?;
        match numbers[..] {
            [x, y, w, h] if w > 0.0 && h > 0.0 => Ok(Self(crate::media::RimBox { x, y, w, h })),
            [_, _, _, _] => Err("width and height must be above 0".to_owned()),
            _ => Err("write four numbers: x,y,width,height, for example 612,188,44,22".to_owned()),
        }
    }
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Shell, or `man` for the manual page
    #[arg(value_enum)]
    pub of: CompletionsOf,
}

/// What `completions` writes.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum CompletionsOf {
    /// Bash
    Bash,
    /// Zsh
    Zsh,
    /// Fish
    Fish,
    /// The manual page, in roff
    Man,
}

/// Runs what the arguments ask for.
#[must_use]
///
/// A reader that has seen enough (`courtside check | head`) ends the command, and is no failure of it.
pub fn main(cli: Cli) -> ExitCode {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !reader_is_gone(panic.payload()) {
            usual(panic);
        }
    }));
    // Unwound all the same: what the command started ends with it.
    std::panic::catch_unwind(|| dispatch(cli)).unwrap_or_else(|panic| {
        if reader_is_gone(panic.as_ref()) {
            return ExitCode::SUCCESS;
        }
        std::panic::resume_unwind(panic)
    })
}

/// True of the panic by which `println!` says that nobody reads any more.
fn reader_is_gone(payload: &(dyn std::any::Any + Send)) -> bool {
    let text = payload.downcast_ref::<String>();
    text.is_some_and(|text| {
        text.starts_with("failed printing to std") && text.contains("Broken pipe")
    })
}

fn dispatch(cli: Cli) -> ExitCode {
    let result = match cli.command {
        Command::Run(args) => return run::run(&args),
        Command::Clips(args) => args.run(),
        Command::Demo(args) => demo::demo(args),
        #[cfg(feature = "gstreamer")]
        Command::Aim(args) => args.run(),
        Command::Check(args) => args.run(),
        Command::Doctor(args) => args.run(),
        #[cfg(feature = "gstreamer")]
        Command::Eval(args) => args.run(),
        #[cfg(feature = "gstreamer")]
        Command::Bench(BenchCommand::Latency(args)) => args.run(),
        Command::Bench(BenchCommand::Ingest(args)) => bench_ingest::ingest(&args),
        Command::Bench(BenchCommand::Model(args)) => args.run(),
        Command::Config(args) => args.run(),
        Command::Completions(args) => completions::completions(args.of),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("courtside: {error:#}");
            ExitCode::from(1)
        }
    }
}

/// Makes a folder of our own among the system's temporary ones, which nobody else can foresee or read.
fn private_folder(name: &str) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let number = getrandom::u64().context("draw a name")?;
    let path = std::env::temp_dir().join(format!("{name}-{number:016x}"));
    let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
    made.with_context(|| format!("make {}", path.display()))?;
    Ok(path)
}
