//! The command line: which commands there are, and the call that each leads to.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

#[cfg(feature = "gstreamer")]
use crate::tools::aim;
use crate::tools::apart;
use crate::tools::bench::BenchCommand;
use crate::tools::check;
use crate::tools::clips;
use crate::tools::command;
use crate::tools::completions;
use crate::tools::config;
use crate::tools::demo;
use crate::tools::doctor;
#[cfg(feature = "gstreamer")]
use crate::tools::eval;
#[cfg(feature = "gstreamer")]
use crate::tools::eval::teach;
use crate::tools::fleet;
use crate::tools::game;
use crate::tools::heap;
use crate::tools::models;
use crate::tools::provision;
use crate::tools::pull;
use crate::tools::recap;
use crate::tools::replay;
use crate::tools::run;
use crate::tools::tell::remark_failed;
use crate::tools::update;
use crate::tools::version;

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
    Run(run::RunArgs),
    /// Watch shots being called from a rendered game, or from your own video
    #[command(after_help = "Example: courtside demo --video game.mp4 --rim 612,188,44,22
Exit: 0 played to the end · 1 failed")]
    Demo(demo::DemoArgs),
    /// Find the ring in a camera's picture and print the lines to paste
    #[cfg(feature = "gstreamer")]
    #[command(after_help = "Example: courtside aim --video game.mp4 --sheet seen.png
Exit: 0 found · 1 failed · 3 nothing found")]
    Aim(aim::AimArgs),
    /// List, cut and verify what is in the ring
    Clips(clips::ClipsArgs),
    /// Fetch the clips of boxes, verify and acknowledge them
    #[command(after_help = "Example: courtside pull --from http://10.0.0.7:8080 --all --out clips
         courtside pull --boxes boxes.txt --game 5d1f0c2ab3e49d07 --out clips
         courtside pull --mqtt mqtts://BROKER --box rim-1 --s3 clips --all
Exit: 0 all is here · 1 failed · 3 a box or a clip did not come: run it again")]
    Pull(pull::PullArgs),
    /// Show the models of the running box, and have another one decide
    Models(models::ModelsArgs),
    /// Check the installation and, if the box runs, its cameras and ledger
    #[command(after_help = "Example: courtside check --config /etc/courtside/courtside.toml
Exit: 0 good · 2 configuration refused · 3 something needs you")]
    Check(check::CheckArgs),
    /// Say what is wrong with the running box and what to do
    #[command(after_help = "Example: courtside doctor --url http://127.0.0.1:8080
Exit: 0 well · 1 cannot ask · 2 configuration refused · 3 degraded")]
    Doctor(doctor::DoctorArgs),
    /// Have a box do something, over its broker, from wherever you are
    #[command(after_help = "Example: courtside command doctor --broker mqtt://10.0.0.5 --box rim-1
         courtside command snapshot court=a --picture seen.jpg
         courtside command model_swap bundle=rimnet-tuned 'after={\"attempts\": 20}'
         courtside command service_check court=a --picture seen.jpg
         courtside command service_confirm court=a 'rims=[[612,188,44,22]]' who=Ada
Exit: 0 done · 1 failed, refused, or no answer · 2 wrong usage")]
    #[command(name = "command")]
    Remote(command::CommandArgs),
    /// Say how often the calls are right, on videos with truth
    #[cfg(feature = "gstreamer")]
    #[command(after_help = "Example: courtside eval --truth streams/dev.json --strata --coverage
Exit: 0 printed · 1 failed · 3 below a floor of --gate, or not to be promoted")]
    Eval(eval::EvalArgs),
    /// Write what people said of shots as examples to fine-tune a hosted model with
    #[cfg(feature = "gstreamer")]
    #[command(
        after_help = "Example: courtside teach --labels labels/rims.json --export openai --out examples.jsonl
Exit: 0 written · 1 no label with footage, or a file that cannot be written"
    )]
    Teach(teach::TeachArgs),
    /// Play recorded answers through the rules and print the facts
    #[command(after_help = "Example: courtside replay tests/data/golden/demo.answers.jsonl --json
Exit: 0 played · 1 no such file, no recording, or a correction was refused")]
    Replay(replay::ReplayArgs),
    /// Say what a game came to: box score, charts, clips, one file to mail
    #[command(after_help = recap::HELP)]
    Recap(recap::RecapArgs),
    /// Start and end games of the running box, and put calls right
    Game(game::GameArgs),
    /// Install the box's next image, and see how far it is
    Update(update::UpdateArgs),
    /// Make boxes somebody from a laptop: authority, claim file, grants
    Provision(provision::ProvisionArgs),
    /// Try many boxes at one broker, without video, and what each costs
    #[command(after_help = "Example: courtside fleet --boxes 50 --seconds 5 --dir /dev/shm
Exit: 0 nothing lost or doubled · 1 failed · 3 something was")]
    Fleet(fleet::FleetArgs),
    /// Measure
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Write, check and show configuration
    Config(config::ConfigArgs),
    /// Write completions for a shell, or the manual page
    #[command(
        after_help = "Example: courtside completions bash > /etc/bash_completion.d/courtside"
    )]
    Completions(completions::CompletionsArgs),
}

/// Runs what the program's arguments ask for.
///
/// A reader that has seen enough (`courtside check | head`) ends the command, and is no failure of it.
#[must_use]
pub fn main() -> ExitCode {
    heap::give_back_large();
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !reader_is_gone(panic.payload()) {
            usual(panic);
        }
    }));
    // Unwound all the same: what the command started ends with it.
    std::panic::catch_unwind(asked).unwrap_or_else(|panic| {
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

fn asked() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().take(2).collect();
    if apart::is_asked(&words) {
        return apart::child();
    }
    match Cli::try_parse() {
        Ok(cli) => dispatch(cli),
        Err(error)
            if error.kind() == ErrorKind::DisplayVersion
                && std::env::args_os().any(|word| word == "--version") =>
        {
            print!("{}", version::told());
            ExitCode::SUCCESS
        }
        Err(error) => error.exit(),
    }
}

fn dispatch(cli: Cli) -> ExitCode {
    let result = match cli.command {
        Command::Run(args) => return run::run(&args),
        Command::Clips(args) => args.run(),
        Command::Pull(args) => args.run(),
        Command::Models(args) => args.run(),
        Command::Demo(args) => demo::demo(args),
        #[cfg(feature = "gstreamer")]
        Command::Aim(args) => args.run(),
        Command::Check(args) => args.run(),
        Command::Doctor(args) => args.run(),
        Command::Remote(args) => args.run(),
        #[cfg(feature = "gstreamer")]
        Command::Eval(args) => args.run(),
        #[cfg(feature = "gstreamer")]
        Command::Teach(args) => args.run(),
        Command::Replay(args) => args.run(),
        Command::Recap(args) => args.run(),
        Command::Game(args) => args.run(),
        Command::Update(args) => args.run(),
        Command::Provision(args) => args.run(),
        Command::Fleet(args) => args.run(),
        Command::Bench(command) => command.run(),
        Command::Config(args) => args.run(),
        Command::Completions(args) => completions::completions(args.of, Cli::command()),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            remark_failed(&error);
            ExitCode::from(1)
        }
    }
}

#[cfg(test)]
mod tests;
