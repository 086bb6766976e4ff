//! `courtside models`: what the models of the running box do, and which of them decides.
//!
//! Asks the box beside it over its own socket, or over HTTP with its token (`ask`); the box decides, and
//! what it refuses is said in its own words. What packs and signs bundles asks nobody: `parcels`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::event::models::{After, BoardRow, Disagreement, InstallOrder, ModelFigures, SwapOrder};
use crate::event::state::{ModelState, ModelsState};
use crate::event::words::{InstallPhase, ModelRole, SwapPhase};
use crate::media::Foreign;
use crate::tools::ask::{AskArgs, Place};
use crate::tools::parcels::{EncryptArgs, KeygenArgs, SignArgs, VerifyArgs};
use crate::tools::tell::{remark, tell, tell_json};

/// How long `swap` waits for the bundle to be loaded before it leaves the box to it.
const LOADS: u32 = 120;
const LOOK: Duration = Duration::from_millis(250);
/// How often a person is told that more has come.
const TOLD_BYTES: u64 = 10_000_000;

/// Arguments of `models`.
#[derive(Debug, Args)]
#[command(after_help = "Example: courtside models
         courtside models swap rimnet-tuned --after 20
         courtside models swap rimnet:fp16 --now --keep
         courtside models back")]
pub(super) struct ModelsArgs {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    ask: AskArgs,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Have a bundle decide, once it has been tried beside the one that does
    #[command(after_help = "Example: courtside models swap rimnet-tuned --after 20 --keep
Exit: 0 it is tried, or decides · 1 refused, or it could not be loaded")]
    Swap {
        /// Name of the bundle (of an installed one NAME@VERSION), and precision where it is not fp32
        #[arg(value_name = "BUNDLE[:PRECISION]")]
        bundle: String,
        #[command(flatten)]
        when: When,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Bring a packed bundle onto the box, and have it decide once it has been tried
    #[command(
        after_help = "Example: courtside models install https://models.example/rimnet-0.7.0.parcel
         courtside models install /media/stick/rimnet-0.7.0.parcel --now --keep
Exit: 0 it is here, and tried or decides · 1 refused, with the reason"
    )]
    Install {
        /// Address, or path of a file on the box
        #[arg(value_name = "FROM")]
        from: String,
        /// SHA-256 of the file
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
        /// Which of its files, where it is not fp32
        #[arg(long, value_name = "PRECISION")]
        precision: Option<String>,
        #[command(flatten)]
        when: When,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Have the model that decided before decide again
    #[command(after_help = "Example: courtside models back")]
    Back {
        #[command(flatten)]
        ask: AskArgs,
    },
    /// End a swap that is under way: the model that decides goes on
    #[command(after_help = "Example: courtside models cancel")]
    Cancel {
        #[command(flatten)]
        ask: AskArgs,
    },
    /// List attempts at which two models said otherwise, each with its clip
    #[command(after_help = "Example: courtside models disagreements --json")]
    Disagreements {
        #[command(flatten)]
        ask: AskArgs,
        /// One JSON object a line on stdout
        #[arg(long)]
        json: bool,
    },
    /// Make two keys: one signs models, the other stands on boxes that run them
    #[command(after_help = "Example: courtside models keygen our-models
Exit: 0 both files are made · 1 one is there, or cannot be made")]
    Keygen(KeygenArgs),
    /// Pack a bundle into one signed file, which a box takes from anywhere
    #[command(after_help = "Example: courtside models sign models/rimnet --key our-models.key
Exit: 0 made · 1 refused: a box would refuse it too")]
    Sign(SignArgs),
    /// Seal a packed bundle so that some boxes alone can read it
    #[command(
        after_help = "Example: courtside models encrypt rimnet-0.7.0.parcel --to age1… --to age1…
Exit: 0 made · 1 refused"
    )]
    Encrypt(EncryptArgs),
    /// Check a packed bundle as a box does
    #[command(
        after_help = "Example: courtside models verify rimnet-0.6.0.parcel --key our-models.pub
Exit: 0 a box with these keys takes it · 1 refused, with the reason"
    )]
    Verify(VerifyArgs),
}

/// When a bundle takes over.
#[derive(Debug, Args)]
struct When {
    /// Attempts after which it takes over, ten minutes at least [default: 20]
    #[arg(long, value_name = "ATTEMPTS", conflicts_with_all = ["frames", "now"])]
    after: Option<u32>,
    /// Frames after which it takes over instead
    #[arg(long, value_name = "N", conflicts_with = "now")]
    frames: Option<u32>,
    /// Let it take over as soon as it is loaded and warm
    #[arg(long)]
    now: bool,
    /// Have it decide after a restart too, once it has done well for a minute
    #[arg(long)]
    keep: bool,
}

impl When {
    fn after(&self) -> After {
        match (self.after, self.frames, self.now) {
            (_, _, true) => After::Now,
            (_, Some(frames), _) => After::Frames(frames),
            (Some(attempts), ..) => After::Attempts(attempts),
            (None, None, false) => After::default(),
        }
    }
}

impl ModelsArgs {
    /// Does what they ask for.
    ///
    /// # Errors
    /// Nobody there, or it refuses.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            None => show(&models(&Place::of(&self.ask)?)?, self.json),
            Some(Command::Install { from, sha256, precision, when, ask }) => {
                let (after, keep) = (when.after(), when.keep);
                // A path means the same to the box and to who types it.
                let from = std::fs::canonicalize(&from)
                    .ok()
                    .and_then(|path| path.to_str().map(str::to_owned))
                    .unwrap_or(from);
                install(&Place::of(&ask)?, &InstallOrder { from, sha256, precision, after, keep })
            }
            Some(Command::Swap { bundle, when, ask }) => {
                let (after, keep) = (when.after(), when.keep);
                let (bundle, precision) = match bundle.split_once(':') {
                    Some((bundle, precision)) => (bundle.to_owned(), Some(precision.to_owned())),
                    None => (bundle, None),
                };
                swap(&Place::of(&ask)?, &SwapOrder { bundle, precision, after, keep })
            }
            Some(Command::Back { ask }) => {
                let told = read(&Place::of(&ask)?.post("/v1/models/back", "{}")?)?;
                let live = told.bundles.iter().find(|model| model.role == Some(ModelRole::Live));
                let live = live.map_or("no model", |model| &model.name);
                tell(format_args!("{live} decides from the next picture on"));
                Ok(ExitCode::SUCCESS)
            }
            Some(Command::Cancel { ask }) => {
                Place::of(&ask)?.post("/v1/models/cancel", "{}")?;
                tell("the swap is ended: the model that decides goes on");
                Ok(ExitCode::SUCCESS)
            }
            Some(Command::Disagreements { ask, json }) => disagreements(&Place::of(&ask)?, json),
            Some(Command::Keygen(args)) => args.run(),
            Some(Command::Sign(args)) => args.run(),
            Some(Command::Encrypt(args)) => args.run(),
            Some(Command::Verify(args)) => args.run(),
        }
    }
}

fn read(told: &Value) -> anyhow::Result<ModelsState> {
    Ok(serde_json::from_value(Foreign::json(told.clone()))?)
}

fn models(place: &Place) -> anyhow::Result<ModelsState> {
    read(&serde_json::from_slice(&place.get("/v1/models", "application/json")?)?)
}

fn swap(place: &Place, order: &SwapOrder) -> anyhow::Result<ExitCode> {
    let mut told = read(&place.post("/v1/models/swap", &serde_json::to_string(order)?)?)?;
    let loading = |told: &ModelsState| {
        told.swap.as_ref().is_some_and(|swap| swap.phase == SwapPhase::Loading)
    };
    for _ in 0..LOADS {
        if !loading(&told) {
            break;
        }
        std::thread::park_timeout(LOOK);
        told = models(place)?;
    }
    let name = order.name();
    match (&told.swap, &told.last_swap) {
        (Some(swap), _) if swap.phase == SwapPhase::Loading => {
            tell(format_args!(
                "{name} is still being loaded: `courtside models` says how far it is"
            ));
        }
        (Some(_), _) => tell(format_args!(
            "{name} answers beside the live model, and takes over {}: `courtside models` shows both, \
             `courtside models cancel` ends it",
            when(order.after)
        )),
        (None, Some(last)) => match &last.reason {
            Some(why) => bail!("{name}: {}: {why}", last.outcome),
            None => tell(format_args!("{name}: {}", last.outcome)),
        },
        (None, None) => bail!("the box says nothing of {name}: see its log"),
    }
    Ok(ExitCode::SUCCESS)
}

fn install(place: &Place, order: &InstallOrder) -> anyhow::Result<ExitCode> {
    let mut told = read(&place.post("/v1/models/install", &serde_json::to_string(order)?)?)?;
    let mut said = 0;
    loop {
        let Some(state) = &told.install else { bail!("the box says nothing of it: see its log") };
        match (state.phase, &state.reason) {
            (InstallPhase::Failed, why) => {
                bail!("not installed: {}", why.as_deref().unwrap_or("it says no reason"));
            }
            (InstallPhase::Installed | InstallPhase::HandedOver | InstallPhase::Other, why) => {
                let bundle = state.bundle.as_deref().unwrap_or("it");
                match why {
                    None => tell(format_args!(
                        "{bundle} is installed, and decides or takes over {}: `courtside models` shows \
                         how far it is, `courtside models back` goes back",
                        when(order.after)
                    )),
                    Some(why) => bail!("{bundle} is installed, but not swapped to: {why}"),
                }
                return Ok(ExitCode::SUCCESS);
            }
            (InstallPhase::Fetching | InstallPhase::Checking, _) => {
                // A line for each ten megabytes is enough for a log and for a person.
                if state.bytes / TOLD_BYTES > said {
                    said = state.bytes / TOLD_BYTES;
                    remark(format_args!("{} MB have come", state.bytes / 1_000_000));
                }
            }
        }
        std::thread::park_timeout(LOOK);
        told = models(place)?;
    }
}

fn when(after: After) -> String {
    match after {
        After::Attempts(attempts) => format!("after {attempts} attempts and ten minutes"),
        After::Frames(frames) => format!("after {frames} frames"),
        After::Now => "as soon as it is warm".to_owned(),
    }
}

fn show(told: &ModelsState, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        tell_json(told)?;
        return Ok(ExitCode::SUCCESS);
    }
    tell(format_args!(
        "{:<24}{:<10}{:<10}{:<11}{:>9} {:>8}",
        "model", "version", "state", "engine", "ms a look", "MB"
    ));
    for model in &told.bundles {
        tell(of_model(model));
    }
    if let Some(swap) = &told.swap {
        tell(format_args!(
            "swap to {}: {} for {} s, {} frames, {} attempts; takes over {}",
            swap.bundle,
            swap.phase,
            swap.seconds,
            swap.frames,
            swap.attempts,
            when(swap.after)
        ));
    }
    if let Some(last) = &told.last_swap {
        let why = last.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        let (name, outcome, ago) = (&last.bundle, last.outcome, last.seconds_ago);
        tell(format_args!("last swap, {ago} s ago: {name} {outcome}{why}"));
    }
    let after = match &told.kept {
        Some(kept) => format!("{kept} decides, as a swap was told to keep it"),
        None => "the box runs what its configuration says".to_owned(),
    };
    tell(format_args!("after a restart {after}"));
    for one in &told.installed {
        let sealed = if one.sealed { ", sealed" } else { "" };
        tell(format_args!("installed: {}, {} bytes{sealed}", one.bundle, one.bytes));
    }
    if let Some(install) = &told.install {
        let why = install.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        let (from, phase, bytes) = (&install.from, install.phase, install.bytes);
        tell(format_args!("installation of {from}: {phase}, {bytes} bytes{why}"));
    }
    if let Some(key) = &told.seal_to {
        tell(format_args!("models are sealed for this box alone with --to {key}"));
    }
    if !told.board.is_empty() {
        tell("");
        tell(format_args!(
            "{:<24}{:<12}{:<10}{:>9}{:>9}{:>9}{:>8}{:>9}{:>9}",
            "over the last attempts",
            "court",
            "part",
            "compared",
            "agreed",
            "right",
            "unsure",
            "p50 ms",
            "p99 ms"
        ));
    }
    for row in &told.board {
        row.courts.iter().for_each(|figures| tell(of_court(row, figures)));
    }
    if let Some(count) = told.disagreements {
        tell(format_args!(
            "{count} disagreements with a clip each: courtside models disagreements"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn of_model(model: &ModelState) -> String {
    let text = |told: &Option<Foreign>| told.as_ref().map_or("-".to_owned(), ToString::to_string);
    let name = match &model.precision {
        Some(precision) if precision.as_str() != "fp32" && !model.name.contains(':') => {
            format!("{}:{precision}", model.name)
        }
        _ => model.name.clone(),
    };
    let part = model.role.map_or_else(|| model.condition.to_string(), |role| role.to_string());
    let ms = model.inference_ms.map_or("-".to_owned(), |ms| format!("{ms:.1}"));
    let mb = model.memory_bytes.map_or("-".to_owned(), |bytes| (bytes >> 20).to_string());
    let why = model.reason.as_ref().map_or_else(String::new, |why| format!("  {why}"));
    let (version, engine) = (text(&model.version), text(&model.engine));
    format!("{name:<24}{version:<10}{part:<10}{engine:<11}{ms:>9} {mb:>8}{why}")
}

fn of_court(row: &BoardRow, figures: &ModelFigures) -> String {
    let name = format!("{} {} {}", row.bundle, row.version, row.precision);
    let share = |part: u64, of: u64| match of {
        0 => "-".to_owned(),
        of => format!("{part}/{of}"),
    };
    let ms = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.1}"));
    let ModelFigures { court, attempts, agreed, judged, right, unsure, p50_ms, p99_ms } = figures;
    let (agreed, right) = (share(*agreed, *attempts), share(*right, *judged));
    let (part, p50, p99) = (row.role.word(), ms(*p50_ms), ms(*p99_ms));
    format!(
        "{name:<24}{court:<12}{part:<10}{attempts:>9}{agreed:>9}{right:>9}{unsure:>8}{p50:>9}{p99:>9}"
    )
}

fn disagreements(place: &Place, json: bool) -> anyhow::Result<ExitCode> {
    let told = place.get("/v1/models/disagreements", "application/json")?;
    let told: Value = Foreign::json(serde_json::from_slice(&told)?);
    let list = told.get("disagreements").cloned().unwrap_or_else(|| json!([]));
    let list: Vec<Disagreement> = serde_json::from_value(list)?;
    for one in &list {
        if json {
            tell_json(one)?;
            continue;
        }
        let said = |said: &crate::event::models::ModelSaid| {
            let share = said.probability.map_or_else(String::new, |p| format!(" {p:.2}"));
            format!("{} {}: {}{share}", said.bundle, said.version, said.call)
        };
        let verdict =
            one.verdict.map_or_else(String::new, |verdict| format!("  a person: {verdict}"));
        tell(format_args!(
            "{}  {} rim {}  {}  {}{verdict}  /v1/clips/{}/media",
            if one.time.is_empty() { "time unknown" } else { &one.time },
            one.court,
            one.rim,
            said(&one.live),
            said(&one.other),
            one.clip
        ));
    }
    if list.is_empty() && !json {
        remark("no two models have said otherwise of an attempt");
    }
    Ok(ExitCode::SUCCESS)
}
