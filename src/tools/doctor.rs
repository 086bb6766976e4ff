//! `courtside doctor`: what is wrong with the running box and what to do, in words. Of one that does not run:
//! what of the machine may keep it from it.

use std::io::IsTerminal;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::disk::{RealDisk, Seen, Us, look_through};
use crate::event::box_status::BoxStatus;
use crate::event::catalogue::Code;
use crate::event::service::CourtService;
use crate::event::state::StreamState;
use crate::event::words::{CheckWord, StreamCondition};
use crate::health::doctor::{Finding, Severity, findings};
use crate::health::{of_damage, of_ended, of_folder};
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
                if self.json {
                    let refused = Finding::new("configuration", Code::ConfigRefused, &error);
                    tell_json(&json!({ "well": false, "findings": [refused] }))?;
                } else {
                    remark_refused(&error);
                }
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
        let mut found = Vec::new();
        let nobody = matches!(error, AskError::NoBox { .. });
        if let AskError::NoBox { url, .. } = error {
            found.push(Finding::new("box", Code::NotRunning, format!("no box answers at {url}")));
        }
        // Who asks a box by its address asks no machine of his own; whom a file is closed to may learn why.
        if self.ask.url.is_none() && (nobody || matches!(error, AskError::File { .. })) {
            let config = config::load(&self.ask.config).ok();
            found.extend(config.iter().flat_map(|config| at_rest(config, nobody)));
        }
        if self.json {
            tell_json(&json!({ "well": false, "error": error.to_string(), "findings": found }))?;
        } else {
            let sentence = format!("courtside: {error}");
            if std::io::stderr().is_terminal() {
                wrapped(&sentence, "  ").iter().for_each(remark);
            } else {
                remark(sentence);
            }
            // That nobody answers was said.
            found.iter().filter(|told| told.code != Code::NotRunning).for_each(print_one);
        }
        Ok(())
    }
}

/// What of the machine keeps a box of this configuration from its start, as far as it can be seen from outside.
/// Ports are looked at where `nobody` answers: else the box itself has them.
fn at_rest(config: &Config, nobody: bool) -> Vec<Finding> {
    let dir = &config.appliance.data_dir;
    let mut us = Us::now();
    let mut found = Vec::new();
    if let Some(mut status) = app::data_dir(&RealDisk::new(), dir, config.ring.keep_free_bytes) {
        // As root, one looks for the user that the daemon runs as: the folder's.
        if let (0, Ok(seen)) = (us.user, Seen::at(dir)) {
            us = Us { user: seen.owner, group: seen.group };
            status.of_user = None;
        }
        found.extend(of_folder(&status));
    }
    // One that is not there is made by the first start; what keeps us from looking was told above.
    if let Ok(judged) = app::look(config, us) {
        let refused = judged.refused.into_iter().chain(judged.faults);
        found.extend(refused.map(|text| Finding::new("files", Code::DataNotOurs, text)));
    }
    // A box that answers tells of its files itself.
    let harms = look_through(&RealDisk::new(), dir, true).ok().filter(|_| nobody);
    let harms = harms.into_iter().flatten().map(|harm| app::damaged(dir, harm));
    found.extend(of_damage(&harms.collect::<Vec<_>>()));
    if nobody {
        let ended = app::ended(&RealDisk::new(), dir, SystemClock::new().utc());
        found.extend(ended.as_ref().map(of_ended));
    }
    let listens = [
        ("RTMP", config.ingest.rtmp),
        ("RTMPS", config.ingest.rtmps),
        ("the page", Some(config.http.listen)),
    ];
    let listens = listens.into_iter().filter(|_| nobody);
    found.extend(listens.filter_map(|(what, address)| port_in_use(what, address?)));
    found
}

fn port_in_use(what: &str, address: SocketAddr) -> Option<Finding> {
    let error = TcpListener::bind(address).err()?;
    (error.kind() == std::io::ErrorKind::AddrInUse).then(|| {
        let text = format!("another program has {address}, where {what} listens");
        let finding = Finding::new("ports", Code::PortInUse, text);
        finding.with("port", address.port().into())
    })
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
    findings.iter().for_each(print_one);
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

fn print_one(finding: &Finding) {
    let Finding { about, text, todo, code, .. } = finding;
    let mark = match finding.severity {
        Severity::Fault => '✗',
        Severity::Advice => '!',
    };
    for line in told(&format!("{mark} {about}: {text} [{code}]"), "  ") {
        tell(line);
    }
    for line in told(&format!("  → {todo}"), "    ") {
        tell(line);
    }
}

/// Every terminal has so many columns.
const COLUMNS: usize = 80;

/// A sentence for who reads it: in lines, where that is a person, those after the first begin with `margin`;
/// else in one, which programs search.
fn told(sentence: &str, margin: &str) -> Vec<String> {
    if std::io::stdout().is_terminal() {
        wrapped(sentence, margin)
    } else {
        vec![sentence.to_owned()]
    }
}

/// Cuts at blanks into lines of at most [`COLUMNS`] characters; a word that is longer has its own.
fn wrapped(sentence: &str, margin: &str) -> Vec<String> {
    let begins = sentence.len() - sentence.trim_start().len();
    let (indent, words) = sentence.split_at(begins);
    let mut lines = vec![indent.to_owned()];
    for word in words.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        let is_empty = line.trim_start().is_empty();
        if !is_empty && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            lines.push(format!("{margin}{word}"));
        } else {
            line.push_str(if is_empty { "" } else { " " });
            line.push_str(word);
        }
    }
    lines
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_to_a_person_fits_his_terminal() {
        let sentence = format!("  → {}", Code::BFrames.todo());
        let lines = wrapped(&sentence, "    ");
        assert!(lines.len() > 2 && lines.iter().all(|line| line.chars().count() <= COLUMNS));
        assert!(lines[0].starts_with("  → turn") && lines[1].starts_with("    "), "{lines:?}");
        let words: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
        assert_eq!(words, sentence.split_whitespace().collect::<Vec<_>>());
        let long = "x".repeat(100);
        assert_eq!(wrapped(&format!("a {long} b"), "  "), ["a", &format!("  {long}"), "  b"]);
    }
}
