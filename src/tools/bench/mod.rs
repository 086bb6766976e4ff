//! `courtside bench`: the program's own figures, each beside a peer of the same run.
//!
//! `latency` drives the whole daemon with the cameras of `tools/rig`, `ingest` the RTMP server
//! alone, `model` one bundle on one core, `swap` models that change while a game is played, `courts` many
//! courts at once (`crowd` one round of it, `watched` its pictures, `publishers` of `clip`s, `search` for the most, `usage` of the
//! machine). `drain` fills an outbox and empties it again, `ring` records without an encoder.
//! `pull` sets readers of clips, or uploads of them, against live pictures, `relay` relays; `screen` is the
//! page at the end of `latency`, `pages` are many of them (`page_readers`).
//! `bare` is the pipeline that latency stands beside, `spread` what is told of many durations, `memory` what a process has.

#[cfg(feature = "gstreamer")]
mod bare;
#[cfg(feature = "gstreamer")]
mod clip;
#[cfg(feature = "gstreamer")]
mod courts;
#[cfg(feature = "gstreamer")]
mod crowd;
mod drain;
mod ingest;
#[cfg(feature = "gstreamer")]
mod latency;
mod memory;
mod model;
#[cfg(feature = "gstreamer")]
mod pages;
#[cfg(feature = "gstreamer")]
mod page_readers;
#[cfg(feature = "gstreamer")]
mod publishers;
mod ring;
#[cfg(feature = "gstreamer")]
mod screen;
#[cfg(feature = "gstreamer")]
mod pull;
#[cfg(feature = "gstreamer")]
mod pull_sends;
#[cfg(feature = "gstreamer")]
mod relay;
#[cfg(feature = "gstreamer")]
mod search;
#[cfg(feature = "gstreamer")]
mod swap;
pub(super) mod spread;
mod usage;
#[cfg(feature = "gstreamer")]
mod waits;
#[cfg(feature = "gstreamer")]
mod watched;

use std::process::ExitCode;

use clap::Subcommand;

/// What `bench` measures.
#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// Measure from a picture's last byte to its answer and its event
    #[cfg(feature = "gstreamer")]
    #[command(after_help = "Example: courtside bench latency --runs 3
Exit: 0 within budget and nothing lost · 1 failed · 3 over budget, or a picture was lost")]
    Latency(latency::LatencyArgs),
    /// Print what a byte of RTMP costs, beside a bare TCP sink and nginx-rtmp
    #[command(after_help = "Example: courtside bench ingest --runs 5
Exit: 0 measured · 1 failed")]
    Ingest(ingest::IngestArgs),
    /// Fill an outbox as weeks without a link do, and empty it into a local broker
    #[command(after_help = "Example: courtside bench drain --events 20000
Exit: 0 nothing lost or doubled, and within bounds · 1 failed · 3 lost, doubled or slower")]
    Drain(drain::DrainArgs),
    /// Measure what many readers of clips cost live pictures
    #[cfg(feature = "gstreamer")]
    #[command(after_help = "Example: courtside bench pull --readers 16
Exit: 0 within budget · 1 failed · 3 over budget, or a picture was lost")]
    Pull(pull::BenchPullArgs),
    /// Correct a shot while many pages are open: when each has it, and what they cost
    #[cfg(feature = "gstreamer")]
    #[command(after_help = "Example: courtside bench pages --pages 200 --tabs 2
Exit: 0 within budget · 1 failed · 3 over budget, or something was lost")]
    Pages(pages::PagesArgs),
    /// Measure what relays cost a court: cores, and its live pictures
    #[cfg(feature = "gstreamer")]
    #[command(after_help = "Example: courtside bench relay --runs 3 --seconds 20
Exit: 0 within budget · 1 failed · 3 over budget, or something was lost")]
    Relay(relay::BenchRelayArgs),
    /// Record made-up courts: cores, bytes, syncs, quota, a start with many clips
    #[command(after_help = "Example: courtside bench ring --courts 8 --mbps 8 --clips 100000
Exit: 0 within bounds · 1 failed · 3 over one of them")]
    Ring(ring::RingArgs),
    /// Time a model on one core, a picture and a rim
    #[command(after_help = "Example: courtside bench model --bundle rimnet
Exit: 0 within its budget · 1 failed · 3 over its budget")]
    Model(model::BenchModelArgs),
    /// Swap models while a game is played, and count what is lost
    #[cfg(feature = "gstreamer")]
    #[command(after_help = "Example: courtside bench swap --swaps 50 --frames 30
Exit: 0 nothing lost or doubled · 1 failed · 3 a picture was, or a swap did not hold")]
    Swap(swap::SwapArgs),
    /// Measure many courts at once: latency, losses, memory, cores
    #[cfg(feature = "gstreamer")]
    #[command(after_help = "Example: courtside bench courts --courts 1,4 --size 1280x720
Exit: 0 nothing lost · 1 failed · 3 a picture was lost")]
    Courts(courts::CourtsArgs),
}

impl BenchCommand {
    /// Measures.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        match self {
            #[cfg(feature = "gstreamer")]
            Self::Latency(args) => args.run(),
            Self::Ingest(args) => ingest::ingest(args),
            Self::Drain(args) => args.run(),
            #[cfg(feature = "gstreamer")]
            Self::Pull(args) => args.run(),
            #[cfg(feature = "gstreamer")]
            Self::Pages(args) => args.run(),
            #[cfg(feature = "gstreamer")]
            Self::Relay(args) => args.run(),
            Self::Ring(args) => args.run(),
            Self::Model(args) => args.run(),
            #[cfg(feature = "gstreamer")]
            Self::Swap(args) => args.run(),
            #[cfg(feature = "gstreamer")]
            Self::Courts(args) => args.run(),
        }
    }
}
