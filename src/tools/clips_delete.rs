//! `courtside clips delete` and `audit`: a person asks to be forgotten.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;

use crate::clips::{AuditRecord, RingReader, audits};
use crate::disk::RealDisk;
use crate::event::clip::{DeleteArguments, Moment};
use crate::media::Foreign;
use crate::tools::ask::{AskArgs, Place};
use crate::tools::tell::{remark, tell, tell_json};

/// Arguments of `clips delete`.
#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    #[command(flatten)]
    ask: AskArgs,
    /// Clip whose bytes go, from the ring and from every other clip
    #[arg(long, value_name = "ID", conflicts_with_all = ["court", "session", "game", "from", "to"])]
    id: Option<String>,
    /// Session, 16 hexadecimal digits: all of it, or its moments --from --to
    #[arg(long, value_name = "SESSION", conflicts_with_all = ["court", "game"])]
    session: Option<String>,
    /// Game: what its courts recorded while it was played, and its clips
    #[arg(long, value_name = "GAME", conflicts_with_all = ["court", "from", "to"])]
    game: Option<String>,
    /// Court of an interval in UTC
    #[arg(long, value_name = "NAME", requires = "from")]
    court: Option<String>,
    /// First moment: 2026-11-22T18:04:11Z, or seconds of the session
    #[arg(long, value_name = "TIME", requires = "to")]
    from: Option<String>,
    /// Last moment
    #[arg(long, value_name = "TIME", requires = "from")]
    to: Option<String>,
    /// Why: it stands in the audit log, so never name the person
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Delete: without it nothing is asked of the box
    #[arg(long)]
    yes: bool,
    /// What went as JSON on stdout
    #[arg(long)]
    json: bool,
}

impl DeleteArgs {
    /// Asks the box.
    ///
    /// # Errors
    /// What the box refuses.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let moment = |text: String| match text.parse::<f64>() {
            Ok(seconds) if self.session.is_some() => Moment::Stream(seconds),
            _ => Moment::Utc(text),
        };
        let asked = DeleteArguments {
            clip: self.id.clone(),
            session: self.session.clone(),
            game: self.game.clone(),
            court: self.court.clone(),
            from: self.from.clone().map(moment),
            to: self.to.clone().map(moment),
            reason: self.reason.clone(),
        };
        let names_one = asked.clip.is_some() || asked.session.is_some() || asked.game.is_some();
        if !names_one && asked.from.is_none() {
            bail!("name --id, --session, --game, or --from and --to with --court");
        }
        if !self.yes {
            bail!("what is deleted is gone, also from pinned clips: say --yes to mean it");
        }
        let place = Place::of(&self.ask)?;
        let told = place.post("/v1/deletions", &serde_json::to_string(&asked)?)?;
        if self.json {
            tell_json(&told)?;
            return Ok(ExitCode::SUCCESS);
        }
        let count = |name: &str| told.get(name).and_then(Value::as_u64).unwrap_or(0);
        // Where imports alone had some of it, theirs are named below.
        let number = Some(count("number")).filter(|number| *number > 0);
        let number = number.map(|number| format!(" {number}")).unwrap_or_default();
        tell(format_args!(
            "deletion{number}: {} bytes, {} segments whole and {} in part",
            count("bytes"),
            count("segments"),
            count("holed")
        ));
        for import in told.get("imports").and_then(Value::as_array).into_iter().flatten() {
            let name = import.get("import").and_then(Value::as_str).unwrap_or_default();
            let number = import.get("number").and_then(Value::as_u64).unwrap_or(0);
            tell(Foreign::told(format_args!("of it in import {name}: its deletion {number}")));
        }
        for clip in told.get("clips").and_then(Value::as_array).into_iter().flatten() {
            tell(Foreign::told(format_args!("clip {}", clip.as_str().unwrap_or_default())));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Tells what was deleted on demand, in the ring and in the imports of a folder.
pub(super) fn audit(
    ring: &RingReader,
    imports: Option<&Path>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let (records, damaged) = ring.audit().context("read the audit log")?;
    let mut all_damaged = damaged;
    told(records, None, json)?;
    let imports = imports.map(|dir| audits(&RealDisk::new(), dir)).transpose();
    for (name, (records, damaged)) in imports.context("read the imports")?.unwrap_or_default() {
        all_damaged += damaged;
        told(records, Some(&name), json)?;
    }
    if all_damaged > 0 {
        remark(format_args!("courtside: {all_damaged} lines of the audit log cannot be read"));
    }
    Ok(ExitCode::from(u8::from(all_damaged > 0)))
}

fn told(records: Vec<AuditRecord>, import: Option<&str>, json: bool) -> anyhow::Result<()> {
    let of = import.map(|name| format!("import {name}  ")).unwrap_or_default();
    for record in records {
        if json {
            let mut line = serde_json::to_value(&record)?;
            if let (Some(name), Some(fields)) = (import, line.as_object_mut()) {
                fields.insert("import".to_owned(), name.into());
            }
            tell_json(&line)?;
            continue;
        }
        match record {
            AuditRecord::Format(_) => {}
            AuditRecord::Asked(asked) => {
                let spans = asked.spans.iter().map(|span| {
                    let seconds = |ns: i64| match ns {
                        i64::MIN | i64::MAX => "…".to_owned(),
                        ns => crate::media::MediaTime::from_nanos(ns).to_string(),
                    };
                    let (from, to) = (seconds(span.from_ns), seconds(span.to_ns));
                    format!("court {} session {} {from} to {to}", span.court, span.session)
                });
                let game = asked.game.iter().map(|id| format!("game {id}"));
                let what: Vec<_> = asked
                    .clip
                    .iter()
                    .map(|id| format!("clip {id}"))
                    .chain(game)
                    .chain(spans)
                    .collect();
                let why = asked.reason.map(|why| format!(" ({why})")).unwrap_or_default();
                let (number, time, who) = (asked.number, asked.time, asked.who);
                let what = what.join(", ");
                tell(Foreign::told(format_args!(
                    "{of}{number}  {time}  asked by {who}: {what}{why}"
                )));
            }
            AuditRecord::Done { number, time, clips, segments, holed, bytes } => {
                let clips = clips.len();
                let parts =
                    format_args!("{segments} segments whole and {holed} in part").to_string();
                tell(format_args!(
                    "{of}{number}  {time}  done: {bytes} bytes, {parts}, {clips} clips"
                ));
            }
            AuditRecord::Failed { number, time, why } => {
                tell(format_args!("{of}{number}  {time}  failed: {why}"));
            }
        }
    }
    Ok(())
}
