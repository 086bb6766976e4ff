//! `courtside completions`: from the one table of arguments, which the caller hands in.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// Shell, or `man` for the manual page
    #[arg(value_enum)]
    pub of: CompletionsOf,
}

/// What `completions` writes.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum CompletionsOf {
    /// Bash
    Bash,
    /// Zsh
    Zsh,
    /// Fish
    Fish,
    /// The manual page, in roff
    Man,
}

pub(super) fn completions(
    of: CompletionsOf,
    mut command: clap::Command,
) -> anyhow::Result<ExitCode> {
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
