//! `courtside doctor`: what is wrong with the running box and what to do, in words.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use crate::event::box_status::BoxStatus;
use crate::event::service::CourtService;
use crate::event::state::StreamState;
use crate::event::words::{CheckWord, StreamCondition};
use crate::health::doctor::{Finding, Severity, findings};
use crate::tools::ask::{AskArgs, AskError, Place};
use crate::tools::tell::{remark, remark_refused, tell, tell_json};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    ask: AskArgs,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

impl DoctorArgs {
    /// Asks and tells.
    ///
    /// # Errors
    /// When the box answers something that this version does not understand.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let place = match Place::of(&self.ask) {
            Ok(place) => place,
            Err(error) => {
                remark_refused(&error);
                return Ok(ExitCode::from(2));
            }
        };
        match place.state() {
            Ok(state) => {
                let told = BoxStatus::read(&state)
                    .context("this box tells its state in another way: use its own `courtside`")?;
                let findings = findings(&told);
                if self.json {
                    tell_json(&whole(&told, &findings))?;
                } else {
                    print(&told, &findings);
                }
                Ok(if well(&findings) { ExitCode::SUCCESS } else { ExitCode::from(3) })
            }
            Err(error) => {
                self.cannot_ask(&error)?;
                Ok(ExitCode::from(1))
            }
        }
    }

    fn cannot_ask(&self, error: &AskError) -> anyhow::Result<()> {
        if self.json {
            tell_json(&json!({ "well": false, "error": error.to_string() }))?;
        } else {
            remark(format_args!("courtside: {error}"));
        }
        Ok(())
    }
}

fn well(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.severity != Severity::Fault)
}

fn whole(told: &BoxStatus, findings: &[Finding]) -> serde_json::Value {
    json!({
        "box": told.name,
        "version": told.version,
        "well": well(findings),
        "findings": findings,
    })
}

fn print(told: &BoxStatus, findings: &[Finding]) {
    for finding in findings {
        let mark = match finding.severity {
            Severity::Fault => '✗',
            Severity::Advice => '!',
        };
        tell(format_args!("{mark} {}: {}", finding.about, finding.text));
        if !finding.todo.is_empty() {
            tell(format_args!("  → {}", finding.todo));
        }
    }
    for (court, told) in &told.streams {
        if told.stream.condition == StreamCondition::Live {
            tell(format_args!("✓ court {court}: {}", stream_line(&told.stream)));
        }
    }
    for (court, told) in &told.service.courts {
        print_service(court, told);
    }
    let faults = findings.iter().filter(|finding| finding.severity == Severity::Fault).count();
    let verdict = match faults {
        0 => "is well".to_owned(),
        1 => "has 1 fault".to_owned(),
        faults => format!("has {faults} faults"),
    };
    tell(format_args!("{} (courtside {}) {verdict}", told.name, told.version));
}

/// By what a court is in service; else how each of its checks stands.
fn print_service(court: &str, told: &CourtService) {
    if told.in_service {
        let since =
            told.since.as_ref().map_or_else(String::new, |since| format!(", since {since}"));
        tell(format_args!("✓ court {court}: in service by {}{since}", told.by));
        return;
    }
    for check in &told.checks {
        let mark = match check.state {
            CheckWord::Passed => '✓',
            CheckWord::Failed => '✗',
            _ => '…',
        };
        let said = check.figure.as_ref().or(check.text.as_ref());
        let said = said.map_or_else(String::new, |said| format!(": {said}"));
        tell(format_args!("  {mark} {}{said}", check.check));
    }
}

/// `live, H.264 1280x720 at 30.0 fps, 4100 kbit/s, 900 pictures, 880 answers, avdec_h264 …`.
pub(super) fn stream_line(stream: &StreamState) -> String {
    let mut line = stream.condition.to_string();
    if let (Some(codec), Some(width), Some(height)) = (&stream.codec, stream.width, stream.height) {
        line.push_str(&format!(", {codec} {width}x{height}"));
    }
    if let Some(fps) = stream.fps {
        line.push_str(&format!(" at {fps:.1} fps"));
    }
    if let Some(kbps) = stream.bitrate_kbps {
        line.push_str(&format!(", {kbps:.0} kbit/s"));
    }
    line.push_str(&format!(", {} pictures, {} answers", stream.pictures, stream.answers));
    if let Some(decoder) = &stream.decoder {
        line.push_str(&format!(", {decoder}"));
    }
    line
}
