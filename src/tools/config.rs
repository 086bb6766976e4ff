//! `courtside config`: an example to begin with, a check, what is in force, the schema, and a change of the
//! box that runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::config::{self, Begun, DESIRED_MOST_BYTES, Overlay, Source};
use crate::disk::read_regular_text;
use crate::event::twin::{Change, ConfigReported, DesiredTold, Refusal};
use crate::event::words::DesiredOutcome;
use crate::media::Foreign;
use crate::tools::ask::{AskArgs, AskError, Place};
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
    /// Print what is in force, where each key comes from, secrets hidden
    #[command(after_help = "Example: courtside config show --config courtside.toml
Exit: 0 printed · 2 refused")]
    Show(FileArgs),
    /// Have the running box take a configuration, laid over its own file
    #[command(
        after_help = "FILE is in the form of the file, or JSON as in `config/desired` (*.json);
it says all that is wanted beside the box's own file, and an empty one takes back what was wanted before.
Example: courtside config push rims.toml
Exit: 0 taken · 1 no box answers · 2 refused, with a line for each fault"
    )]
    Push(PushArgs),
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

#[derive(Debug, Args)]
struct PushArgs {
    /// What is wanted
    #[arg(value_name = "FILE")]
    wanted: PathBuf,
    /// Its revision, which must be newer than what the box knows [default: the next one]
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    #[command(flatten)]
    ask: AskArgs,
}

impl ConfigArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no randomness, stdout is gone, or no box answers.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        Ok(match self.what {
            What::Example => {
                print!("{}", config::example(&random_key()?));
                ExitCode::SUCCESS
            }
            What::Check(file) => with(&file, |Begun { config, told, .. }| {
                for line in told {
                    remark(format_args!("advice: {line}"));
                }
                for line in &config.advice {
                    remark(format_args!("advice: {line}"));
                }
                let (file, courts) = (file.config.display(), config.courts.len());
                tell(format_args!("{file}: good, {courts} court(s)"));
            }),
            What::Show(file) => with(&file, |begun| shown(begun).iter().for_each(tell)),
            What::Push(push) => return push_to(&push),
            What::Schema => {
                println!("{}", serde_json::to_string_pretty(&config::schema())?);
                ExitCode::SUCCESS
            }
        })
    }
}

fn with(file: &FileArgs, told: impl FnOnce(&Begun)) -> ExitCode {
    match Source::of(&file.config).and_then(Source::look) {
        Ok(begun) => {
            told(&begun);
            ExitCode::SUCCESS
        }
        Err(error) => {
            remark_refused(&error);
            ExitCode::from(2)
        }
    }
}

/// What is in force, with where each key comes from at the end of its line.
fn shown(begun: &Begun) -> Vec<String> {
    let Begun { config, source, twin, .. } = begun;
    let mut courts = config.courts.iter();
    let mut place = String::new();
    let told = |line: &str| {
        if let Some(header) = line.strip_prefix('[') {
            place = match header.strip_prefix('[') {
                // In the order in which they are printed.
                Some(_) => courts.next().map_or_else(String::new, |c| format!("court.{}", c.name)),
                None => header.trim_end_matches(']').to_owned(),
            };
            return line.to_owned();
        }
        match line.split_once(" = ") {
            Some((key, _)) => format!("{line}  # {}", source.says(&format!("{place}.{key}"), twin)),
            None => line.to_owned(),
        }
    };
    config.to_toml().lines().map(told).collect()
}

/// Reads what is wanted, in either form.
fn wanted(file: &Path) -> anyhow::Result<Value> {
    let name = file.display();
    let text = read_regular_text(file, DESIRED_MOST_BYTES as u64)
        .with_context(|| format!("read {name}"))?;
    let overlay = if file.extension().is_some_and(|ending| ending == "json") {
        // Not the library's words, which may quote a stream key.
        let place = |error: serde_json::Error| {
            anyhow::anyhow!("{name}:{}:{}: no JSON", error.line(), error.column())
        };
        let json: Value = serde_json::from_str(&text).map_err(place)?;
        Overlay::new(json)
    } else {
        let table = text.parse().map_err(|error: toml::de::Error| {
            anyhow::anyhow!("{name}: no TOML: {}", Foreign::text(error.message()))
        })?;
        Overlay::of_file(table)
    };
    match overlay {
        Ok(overlay) => Ok(overlay.exposed()),
        Err(Refusal { path, reason }) => bail!("{name}: {path}: {reason}"),
    }
}

fn push_to(push: &PushArgs) -> anyhow::Result<ExitCode> {
    let config = match wanted(&push.wanted) {
        Ok(config) => config,
        Err(error) => {
            remark(format_args!("courtside: {error:#}"));
            return Ok(ExitCode::from(2));
        }
    };
    let place = Place::of(&push.ask)?;
    let reported = |place: &Place| -> anyhow::Result<ConfigReported> {
        let told: Value = serde_json::from_slice(&place.get("/v1/config", "application/json")?)?;
        Ok(serde_json::from_value(Foreign::json(told))?)
    };
    let revision = match push.revision {
        Some(revision) => revision,
        None => {
            let known = reported(&place)?;
            known.seen.saturating_add(1)
        }
    };
    let body = json!({ "revision": revision, "config": config }).to_string();
    match place.post("/v1/config/desired", &body) {
        Ok(told) => {
            let DesiredTold { outcome, .. } = serde_json::from_value(Foreign::json(told))?;
            tell(format_args!("revision {revision}: {outcome}"));
            if outcome == DesiredOutcome::Trying {
                remark("it is undone by itself if the broker is not reached with it for 60 s");
            }
            let waiting = reported(&place)?.waiting;
            for Change { path, .. } in waiting {
                remark(format_args!("{path} waits for a restart of the box"));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(AskError::Refused { .. }) => {
            let told = reported(&place)?.desired;
            for Refusal { path, reason } in told.into_iter().flat_map(|told| told.errors) {
                remark(format_args!("{path}: {reason}"));
            }
            tell(format_args!("revision {revision}: refused, nothing has changed"));
            Ok(ExitCode::from(2))
        }
        Err(error) => Err(error.into()),
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
