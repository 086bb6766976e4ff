//! `courtside provision`: the technician's side of a claim (DESIGN §4.5), with one laptop and a mosquitto.
//!
//! ```text
//! ca ──→ DIR: authority, broker's files ──→ mosquitto -c DIR/broker/mosquitto.conf
//! request ──→ claim file on a USB stick ──→ box ──req→ grant ──res→ box ──committed→ grant
//! ```
//! Read `folder` (what lies where), `broker_files` (what mosquitto reads; pure), `records` (what was given to
//! whom, durable before it is sent), `rules` (who is approved beforehand; pure), `topics` and `desk` (what to do with what
//! comes; no network), then the shells: `link` (the connection), `reload` (mosquitto reads anew), `ca`,
//! `request`, `grant`, `revoke`, `status`.
//!
//! What holds: a request gets the answer that is on record, so `grant` may be killed at any moment; the files of
//! the broker follow from the records, so they are made whole again by whoever comes next.

mod folder;
mod broker_files;
mod records;
mod rules;
mod topics;
mod desk;
mod link;
mod reload;
mod ca;
mod request;
mod grant;
mod revoke;
mod status;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::tools::provision::ca::CaArgs;
use crate::tools::provision::grant::GrantArgs;
use crate::tools::provision::request::RequestArgs;
use crate::tools::provision::status::StatusArgs;

/// Arguments of `provision`.
#[derive(Debug, Args)]
#[command(after_help = "Example: courtside provision ca venue --host 192.168.1.10
         mosquitto -c venue/broker/mosquitto.conf
         courtside provision request venue --stick /media/stick
         courtside provision grant venue --serial CS-00042 --name rim-1 --yes")]
pub(super) struct ProvisionArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the authority, and all that a mosquitto for boxes needs
    #[command(after_help = "Example: courtside provision ca venue --host 192.168.1.10
Exit: 0 made · 1 the folder is there, or cannot be made · 2 wrong usage")]
    Ca(CaArgs),
    /// Write the claim file by which a box finds the broker, onto a USB stick
    #[command(after_help = "Example: courtside provision request venue --stick /media/stick
Exit: 0 written · 1 one is there, or it cannot be written")]
    Request(RequestArgs),
    /// Give boxes that ask their name and identity, or take one back
    #[command(
        after_help = "Example: courtside provision grant venue --serial CS-00042 --name rim-1
         courtside provision grant venue --list boxes.csv --yes
         courtside provision grant venue --revoke rim-1
Exit: 0 all are who they are · 1 something is open, or failed · 2 wrong usage"
    )]
    Grant(GrantArgs),
    /// Say who is claimed, until when, and who is there
    #[command(after_help = "Example: courtside provision status venue --json
Exit: 0 all is well · 1 failed · 3 something ends within 30 days")]
    Status(StatusArgs),
}

impl ProvisionArgs {
    /// Does it.
    ///
    /// # Errors
    /// What each of them says.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.command {
            Command::Ca(args) => args.run(),
            Command::Request(args) => args.run(),
            Command::Grant(args) => args.run(),
            Command::Status(args) => args.run(),
        }
    }
}
