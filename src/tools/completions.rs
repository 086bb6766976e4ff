//! `courtside completions`: from the one table of arguments.

use std::process::ExitCode;

use clap::CommandFactory;

use crate::tools::{Cli, CompletionsOf};

pub(super) fn completions(of: CompletionsOf) -> anyhow::Result<ExitCode> {
    let mut command = Cli::command();
    let mut out = Vec::new();
    let shell = match of {
        CompletionsOf::Bash => clap_complete::Shell::Bash,
        CompletionsOf::Zsh => clap_complete::Shell::Zsh,
        CompletionsOf::Fish => clap_complete::Shell::Fish,
        CompletionsOf::Man => {
            clap_mangen::Man::new(command).render(&mut out)?;
            print!("{}", String::from_utf8_lossy(&out));
            return Ok(ExitCode::SUCCESS);
        }
    };
    // Into memory: the library panics, in words of its own, when nobody reads.
    clap_complete::generate(shell, &mut command, "courtside", &mut out);
    print!("{}", String::from_utf8_lossy(&out));
    Ok(ExitCode::SUCCESS)
}
