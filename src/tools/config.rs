//! `courtside config`: an example to begin with, a check, what is in force, the schema.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::config::{self, Config};
use crate::tools::tell::{remark, remark_refused, tell};

/// Arguments of `config`.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write a commented file with a random stream key
    #[command(after_help = "Example: courtside config example > courtside.toml")]
    Example,
    /// Check a file, as `run` would read it
    #[command(after_help = "Example: courtside config check --config courtside.toml
Exit: 0 good · 2 refused, with a line for each fault")]
    Check(FileArgs),
    /// Print what is in force, defaults included, secrets hidden
    #[command(after_help = "Example: courtside config show --config courtside.toml
Exit: 0 printed · 2 refused")]
    Show(FileArgs),
    /// Print the JSON Schema of the file
    #[command(after_help = "Example: courtside config schema > courtside.schema.json")]
    Schema,
}

#[derive(Debug, Args)]
struct FileArgs {
    /// Configuration file
    #[arg(long, short, value_name = "FILE", default_value = "/etc/courtside/courtside.toml")]
    config: PathBuf,
}

impl ConfigArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no randomness, or stdout is gone.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        Ok(match self.what {
            What::Example => {
                print!("{}", config::example(&random_key()?));
                ExitCode::SUCCESS
            }
            What::Check(file) => with(&file, |config| {
                for line in &config.advice {
                    remark(format_args!("advice: {line}"));
                }
                let (file, courts) = (file.config.display(), config.courts.len());
                tell(format_args!("{file}: good, {courts} court(s)"));
            }),
            What::Show(file) => with(&file, |config| config.to_toml().lines().for_each(tell)),
            What::Schema => {
                println!("{}", serde_json::to_string_pretty(&config::schema())?);
                ExitCode::SUCCESS
            }
        })
    }
}

fn with(file: &FileArgs, told: impl FnOnce(&Config)) -> ExitCode {
    match config::load(&file.config) {
        Ok(config) => {
            told(&config);
            ExitCode::SUCCESS
        }
        Err(error) => {
            remark_refused(&error);
            ExitCode::from(2)
        }
    }
}

/// 80 bits that can be written in an address and read over a telephone.
fn random_key() -> anyhow::Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("take random bytes for a stream key")?;
    Ok(bytes
        .iter()
        .filter_map(|byte| LETTERS.get(usize::from(byte % 32)).copied())
        .map(char::from)
        .collect())
}
