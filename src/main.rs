//! Arguments → one call; exit codes; nothing else.

use std::process::ExitCode;

use clap::Parser;
use courtside::tools;

fn main() -> ExitCode {
    tools::main(tools::Cli::parse())
}
