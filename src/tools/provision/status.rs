//! `courtside provision status`: who is claimed, until when, and who is there.
//!
//! What was given is on record here; who is there the broker knows, which keeps the last word of each box.
//! When a box was last seen is known so far as it is there now: a retained message carries no time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use crate::claim::{Serial, describe};
use crate::clock::{Clock, SystemClock, within};
use crate::config::Broker;
use crate::event::state::BoxState;
use crate::media::{BoxName, Foreign, UtcTime};
use crate::tools::provision::folder::{Folder, names};
use crate::tools::provision::link::{Heard, Link};
use crate::tools::provision::records::{BoxRecord, Records, StickRecord};
use crate::tools::provision::request::day;
use crate::tools::tell::{tell, tell_json};

/// What ends within so long is told (the issue asks for it).
const SOON_NANOS: i64 = 30 * 24 * 3600 * 1_000_000_000;
/// The broker's part is left out after so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// What boxes say of themselves, and what comes back when all of it has come.
const FILTERS: &[&str] = &["courtside/1/+/state/box", "courtside/1/courtside-technician/claim/res"];
/// The broker keeps order: what it had comes before what is published then.
const MARK: &str = "courtside/1/courtside-technician/claim/res";

/// Arguments of `provision status`.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Folder of `provision ca`
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Address of the broker [default: that of the folder]
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// Do not ask the broker who is there
    #[arg(long, conflicts_with = "broker")]
    offline: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// How a box stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Condition {
    /// It has its identity, and has not told that it uses it.
    Granted,
    /// It is who it is.
    Claimed,
    /// Its certificate has ended.
    Ended,
    /// It could not use what it got, and asks anew.
    Void,
    /// A person has taken it back.
    Revoked,
}

impl Condition {
    const fn word(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Claimed => "claimed",
            Self::Ended => "ended",
            Self::Void => "void",
            Self::Revoked => "revoked",
        }
    }
}

/// A box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct BoxRow {
    serial: Serial,
    name: BoxName,
    condition: Condition,
    /// `certificate` or `password`.
    by: &'static str,
    since: String,
    /// Absent for a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    ends_soon: bool,
    /// Absent where the broker was not asked, or knows nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    online: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Foreign>,
    /// When this program saw it there.
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<String>,
}

/// Anything else that ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct OtherRow {
    what: String,
    until: String,
    ends_soon: bool,
    revoked: bool,
}

/// All of it.
#[derive(Debug, Serialize)]
struct Status {
    authority: String,
    broker: String,
    /// Why the broker was not asked, where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    broker_fault: Option<Foreign>,
    boxes: Vec<BoxRow>,
    others: Vec<OtherRow>,
}

impl StatusArgs {
    /// Looks and tells.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let folder = Folder::open(&self.dir)?;
        let broker = match &self.broker {
            Some(url) => Broker::parse(url)
                .map_err(|wrong| anyhow::anyhow!("the address of --broker {wrong}"))?,
            None => folder.settings().broker()?,
        };
        let records = Records::open(&folder)?;
        let now = SystemClock::new().utc();
        let (heard, broker_fault) = if self.offline {
            (BTreeMap::new(), None)
        } else {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.context("start the network")?;
            runtime.block_on(last_words(&folder, broker.clone()))
        };
        let mut boxes: Vec<BoxRow> = records.boxes().map(|it| row(it, &heard, now)).collect();
        boxes.sort_by(|a, b| a.name.cmp(&b.name));
        let mut others = vec![
            other("authority", &folder.text(names::CA)?, None, now),
            other("broker's certificate", &folder.text(names::SERVER)?, None, now),
            other("technician's certificate", &folder.text(names::TECHNICIAN)?, None, now),
            other("back office's certificate", &folder.text(names::OFFICE)?, None, now),
        ];
        others.extend(records.sticks().map(|it| of_stick(it, now)));
        let authority = folder.settings().name.clone();
        let status = Status { authority, broker: broker.url(), broker_fault, boxes, others };
        let soon = status.boxes.iter().any(|it| it.ends_soon)
            || status.others.iter().any(|it| it.ends_soon);
        if self.json {
            tell_json(&status)?;
        } else {
            status.lines().iter().for_each(tell);
        }
        Ok(if soon { ExitCode::from(3) } else { ExitCode::SUCCESS })
    }
}

impl Status {
    fn lines(&self) -> Vec<String> {
        let Self { authority, broker, broker_fault, boxes, others } = self;
        let mut lines = vec![format!("authority `{authority}`, broker {broker}")];
        if let Some(fault) = broker_fault {
            lines.push(format!("who is there is not known: {fault}"));
        }
        let name = boxes.iter().map(|it| it.name.as_str().len()).max().unwrap_or(0);
        let serial = boxes.iter().map(|it| it.serial.as_str().len()).max().unwrap_or(0);
        for it in boxes {
            let until = match (&it.until, it.ends_soon && it.condition != Condition::Ended) {
                (Some(until), true) => format!("until {until}, SOON"),
                (Some(until), false) => format!("until {until}"),
                (None, _) => "by password".to_owned(),
            };
            let there = match (it.online, &it.version) {
                (Some(true), Some(version)) => format!("online, version {version}"),
                (Some(true), None) => "online".to_owned(),
                (Some(false), _) => "offline".to_owned(),
                (None, _) => "not seen".to_owned(),
            };
            lines.push(format!(
                "{:name$}  {:serial$}  {:7}  since {} {until}  {there}",
                it.name.as_str(),
                it.serial.as_str(),
                it.condition.word(),
                it.since
            ));
        }
        if boxes.is_empty() {
            lines.push("no box has asked yet".to_owned());
        }
        for it in others {
            let how = match (it.revoked, it.ends_soon) {
                (true, _) => ", revoked",
                (false, true) => ", SOON",
                (false, false) => "",
            };
            lines.push(format!("{} until {}{how}", it.what, it.until));
        }
        lines
    }
}

fn row(record: &BoxRecord, heard: &BTreeMap<BoxName, BoxState>, now: UtcTime) -> BoxRow {
    let granted = &record.granted;
    let ends = record.chain().and_then(describe).map(|read| read.until);
    let condition = match (record.revoked, ends) {
        (Some(_), _) => Condition::Revoked,
        (None, Some(until)) if until <= now => Condition::Ended,
        (None, _) if granted.void => Condition::Void,
        (None, _) if granted.committed => Condition::Claimed,
        (None, _) => Condition::Granted,
    };
    // A name that is another box's now: what it says is not this one's.
    let state = heard.get(&granted.name).filter(|_| condition != Condition::Revoked);
    let online = state.map(|state| state.online);
    BoxRow {
        serial: granted.serial.clone(),
        name: granted.name.clone(),
        condition,
        by: if ends.is_some() { "certificate" } else { "password" },
        since: day(UtcTime::from_nanos(granted.granted_at.saturating_mul(1_000_000_000))),
        until: ends.map(day),
        ends_soon: condition != Condition::Revoked
            && ends.is_some_and(|until| until <= now.plus_nanos(SOON_NANOS)),
        online,
        version: state.map(|state| Foreign::name(&state.version)),
        seen: online.filter(|online| *online).map(|_| now.to_rfc3339()),
    }
}

fn of_stick(stick: &StickRecord, now: UtcTime) -> OtherRow {
    let whose = stick.serial.as_ref().map_or_else(|| "any box".to_owned(), Serial::to_string);
    let what = format!("claim file {} for {whose}", stick.id());
    // It is meant to end soon.
    OtherRow { ends_soon: false, ..other(&what, &stick.certificate, stick.revoked, now) }
}

fn other(what: &str, certificate: &str, revoked: Option<i64>, now: UtcTime) -> OtherRow {
    let until = describe(certificate).map(|read| read.until);
    OtherRow {
        what: what.to_owned(),
        until: until.map_or_else(|| "no certificate".to_owned(), day),
        ends_soon: revoked.is_none()
            && until.is_none_or(|until| until <= now.plus_nanos(SOON_NANOS)),
        revoked: revoked.is_some(),
    }
}

/// What the broker keeps of each box, or why it was not asked.
async fn last_words(
    folder: &Folder,
    broker: Broker,
) -> (BTreeMap<BoxName, BoxState>, Option<Foreign>) {
    let mut heard = BTreeMap::new();
    let listen = async {
        let access = folder.access(broker)?;
        let number = getrandom::u64().context("draw a name")?;
        let id = format!("courtside-technician-{number:016x}");
        let mut link = Link::begin(&access, &id, FILTERS);
        loop {
            match link.next().await? {
                Heard::Listening => link.publish(MARK.to_owned(), id.clone().into_bytes()).await?,
                Heard::Message { topic, payload, .. } if topic == MARK => {
                    if payload == id.as_bytes() {
                        break;
                    }
                }
                Heard::Message { topic, payload, .. } => {
                    let name = topic.split('/').nth(2).and_then(|name| BoxName::new(name).ok());
                    let state = serde_json::from_slice::<BoxState>(&payload);
                    if let (Some(name), Ok(state)) = (name, state) {
                        heard.insert(name, state);
                    }
                }
                Heard::Denied(why) | Heard::Broke(why) => anyhow::bail!("{why}"),
            }
        }
        link.end().await;
        anyhow::Ok(())
    };
    let listened = within(&SystemClock::new(), PATIENCE, listen).await;
    let fault = match listened {
        Some(Ok(())) => None,
        Some(Err(error)) => Some(Foreign::told(format_args!("{error:#}"))),
        None => Some(Foreign::told(format_args!("no answer within {} s", PATIENCE.as_secs()))),
    };
    (heard, fault)
}

#[cfg(test)]
#[path = "status/tests.rs"]
mod tests;
