//! The commands: a file or a folder a command. Answers on stdout, talk on stderr.
//!
//! `cli` lists them. `bench/` and `eval/` measure; `rig/` is what is put round a box to try it.
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 3 degraded (DESIGN §4.2).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what commands are for")]

#[cfg(feature = "gstreamer")]
mod aim;
#[cfg(feature = "gstreamer")]
mod aim_floor;
mod apart;
mod ask;
mod beside;
mod bench;
mod canvas;
mod check;
mod cli;
mod client;
mod clips;
mod clips_delete;
mod command;
mod models;
mod parcels;
mod completions;
mod config;
mod demo;
mod descriptors;
mod doctor;
mod fleet;
mod heap;
mod machine;
#[cfg(feature = "gstreamer")]
mod eval;
#[cfg(feature = "gstreamer")]
mod png_file;
mod private_folder;
mod progress;
mod provision;
mod pull;
mod recap;
mod game;
mod replay;
pub mod rig;
mod rim_arg;
mod run;
mod tell;
mod tried;
mod trim;
mod update;
mod version;

pub use crate::tools::cli::{Cli, main};
