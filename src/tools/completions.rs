//! `courtside completions`: from the one table of arguments.

use std::process::ExitCode;

use clap::CommandFactory;

use crate::tools::{Cli, CompletionsOf};

pub(super) fn completions(of: CompletionsOf) -> anyhow::Result<ExitCode> {
    let mut command = Cli::command();
    let mut out = std::io::stdout();
    let shell = match of {
        CompletionsOf::Bash => clap_complete::Shell::Bash,
        CompletionsOf::Zsh => clap_complete::Shell::Zsh,
        CompletionsOf::Fish => clap_complete::Shell::Fish,
        CompletionsOf::Man => {
            clap_mangen::Man::new(command).render(&mut out)?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    clap_complete::generate(shell, &mut command, "courtside", &mut out);
    Ok(ExitCode::SUCCESS)
}
