//! Operations that only look.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use schemars::schema_for;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::app::aiming::{choose, steady};
use crate::app::operations::kit::{Kit, With};
use crate::app::web::WebState;
use crate::config::{self, Config, ConfigError, Origin};
use crate::detect::ring::Finder;
use crate::event::box_status::BoxStatus;
use crate::event::command::{
    AimArguments, ConfigArguments, CourtArguments, LogArguments, NoArguments, Role,
};
use crate::health::doctor::{Severity, findings};
use crate::health::{self, log_tail};
use crate::media::base64;
use crate::media::{CourtId, Foreign, Frame, RimBox};
use crate::page::{self, Source};
use crate::uplink::{Call, Failed, Operation, read_arguments};

/// Pictures that are looked at for a ring, and their distance.
const LOOKS: usize = 5;
const LOOK_EVERY: Duration = Duration::from_millis(700);
/// Width of a picture that is sent (chosen: a ring can be judged, and it fits into a message).
const PICTURE_WIDTH: u32 = 640;
/// Lines of the log, unless more or fewer are asked for.
const LINES: usize = 100;
/// Bytes of the log that one answer has.
const LOG_MOST_BYTES: usize = 120 << 10;
/// Bytes of a report: one message, which needs no second path to the technician and no piecing together.
const REPORT_MOST_BYTES: usize = 160 << 10;

fn check<Of: DeserializeOwned>(arguments: &Map<String, Value>) -> Result<(), Foreign> {
    read_arguments::<Of>(arguments).map(drop)
}

fn status(web: &WebState) -> Result<Arc<BoxStatus>, Failed> {
    let starting = "the box has just started: ask again in a second";
    web.status().ok_or_else(|| Failed::new("starting", starting))
}

/// `doctor`: what is wrong with the box and what to do.
pub(super) struct Doctor(pub(super) With);

fn found(status: &BoxStatus) -> Value {
    let findings = findings(status);
    let well = findings.iter().all(|finding| finding.severity != Severity::Fault);
    json!({ "well": well, "version": status.version, "findings": findings })
}

impl Operation for Doctor {
    fn name(&self) -> &'static str {
        "doctor"
    }

    fn arguments(&self) -> Value {
        schema_for!(NoArguments).to_value()
    }

    fn role(&self) -> Role {
        Role::Operator
    }

    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        check::<NoArguments>(arguments)
    }

    fn run(&self, _: &Call) -> Result<Value, Failed> {
        Ok(found(&*status(&self.0.1)?))
    }
}

/// `config_check`: whether a configuration would be taken.
pub(super) struct ConfigCheck(pub(super) With);

impl ConfigCheck {
    /// One that was sent: what it names is not read, so that nobody learns of the box's files by it.
    fn sent(text: &str) -> Result<Config, ConfigError> {
        let count = AtomicU32::new(0);
        let unread = |_: &Path| Ok(format!("unread-{}", count.fetch_add(1, Ordering::Relaxed)));
        let file = Path::new("/etc/courtside/courtside.toml");
        config::parse(text, &Origin { file, credentials: None, hostname: None, read: &unread })
    }
}

impl Operation for ConfigCheck {
    fn name(&self) -> &'static str {
        "config_check"
    }

    fn arguments(&self) -> Value {
        schema_for!(ConfigArguments).to_value()
    }

    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        check::<ConfigArguments>(arguments)
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let read = match (call.read::<ConfigArguments>()?.toml, &self.0.0.file) {
            (Some(text), _) => Self::sent(&text),
            (None, Some(file)) => config::load(file),
            (None, None) => {
                let reason = "this box was not started from a file: send one as `toml`";
                return Err(Failed::new("no_file", reason));
            }
        };
        let lines = |text: String| -> Vec<Foreign> { text.lines().map(Foreign::told).collect() };
        Ok(match read {
            Ok(config) => {
                json!({ "good": true, "courts": config.courts.len(), "advice": config.advice })
            }
            Err(error) => json!({ "good": false, "faults": lines(error.to_string()) }),
        })
    }
}

/// A court's name, if it is given or there is only one.
pub(crate) fn court_named(web: &WebState, name: Option<String>) -> Result<CourtId, Failed> {
    let names = web.book.names();
    let unknown = || {
        let reason =
            format_args!("this box has the courts {}: name one", names.join(", ")).to_string();
        Failed::new("no_such_court", reason)
    };
    let name = match (name, &names[..]) {
        (Some(name), _) => name,
        (None, [only]) => only.clone(),
        (None, _) => return Err(unknown()),
    };
    CourtId::new(&name).ok().filter(|court| web.book.get(court).is_some()).ok_or_else(unknown)
}

fn picture(web: &WebState, court: &CourtId) -> Result<Arc<Frame>, Failed> {
    let reason = format_args!("court {court} has no picture: does its camera publish?").to_string();
    web.snapshot(court).ok_or_else(|| Failed::new("no_picture", reason))
}

/// A court's picture, as it is sent.
pub(crate) fn told(court: &CourtId, frame: &Frame) -> Result<Value, Failed> {
    let jpeg = page::jpeg(frame, PICTURE_WIDTH);
    let jpeg =
        jpeg.ok_or_else(|| Failed::new("no_picture", "the picture's pixels cannot be read"))?;
    Ok(json!({
        "court": court,
        "size": [frame.width, frame.height],
        "jpeg_base64": base64::encode(&jpeg),
        "whole": format!("/v1/courts/{court}/snapshot.jpg"),
    }))
}

/// `snapshot`: the last picture of a court.
pub(super) struct Snapshot(pub(super) With);

impl Operation for Snapshot {
    fn name(&self) -> &'static str {
        "snapshot"
    }

    fn arguments(&self) -> Value {
        schema_for!(CourtArguments).to_value()
    }

    fn role(&self) -> Role {
        Role::Operator
    }

    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        check::<CourtArguments>(arguments)
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let web = &self.0.1;
        let court = court_named(web, call.read::<CourtArguments>()?.court)?;
        told(&court, &*picture(web, &court)?)
    }
}

/// `aim`: where the ring is, with the picture in which it was seen.
pub(super) struct Aim(pub(super) With);

impl Operation for Aim {
    fn name(&self) -> &'static str {
        "aim"
    }

    fn arguments(&self) -> Value {
        schema_for!(AimArguments).to_value()
    }

    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        check::<AimArguments>(arguments)
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let (kit, web) = &self.0;
        let court = court_named(web, call.read::<AimArguments>()?.court)?;
        aimed(kit, web, &court, &|percent, words| call.tells(percent, words), &|| call.stops())
    }
}

/// Where the ring of a court is, with the last picture in which it was looked for. Blocking, some seconds.
pub(crate) fn aimed(
    kit: &Kit,
    web: &WebState,
    court: &CourtId,
    tells: &dyn Fn(Option<u8>, String),
    stops: &dyn Fn() -> bool,
) -> Result<Value, Failed> {
    let of = |error: &dyn std::error::Error| Failed::new("no_finder", Foreign::error(error));
    let mut frame = picture(web, court)?;
    tells(Some(0), "the finder is loaded".to_owned());
    let engines = &*kit.world.devices.engines;
    let mut finder = Finder::find_and_load(&kit.models, engines).map_err(|error| of(&error))?;
    let mut looks = Vec::new();
    while looks.len() < LOOKS && !stops() {
        looks.push(finder.find(&frame).map_err(|error| of(&error))?);
        let percent = u8::try_from(100 * looks.len() / LOOKS).ok();
        tells(percent, format!("picture {} of {LOOKS}", looks.len()));
        let seen = frame.decoded;
        // A camera that has stopped gives no further picture: what was seen is told then.
        kit.pause(LOOK_EVERY);
        let next = picture(web, court)?;
        if next.decoded == seen {
            break;
        }
        frame = next;
    }
    let rings = steady(&looks);
    let chosen = choose(&rings);
    let whole = |rim: RimBox| [rim.x, rim.y, rim.w, rim.h].map(|value| f64::from(value.round()));
    let mut out = told(court, &frame)?;
    let width = chosen.map(|ring| f64::from(ring.rim.w));
    let advice: Vec<String> = width.map_or_else(Vec::new, |width| {
        let told = health::advise(&health::Measured::default(), &[width]);
        told.into_iter().map(|advice| advice.text).collect()
    });
    out["rims"] = chosen.map_or_else(|| json!([]), |ring| json!([whole(ring.rim)]));
    out["rims_of"] = json!([frame.width, frame.height]);
    out["pictures"] = json!(looks.len());
    out["rings"] = rings
        .iter()
        .map(|ring| json!({ "rim": whole(ring.rim), "score": ring.score, "seen": ring.seen }))
        .collect();
    out["advice"] = json!(advice);
    Ok(out)
}

/// `log_tail`: the last lines of the log.
pub(super) struct LogTail;

impl Operation for LogTail {
    fn name(&self) -> &'static str {
        "log_tail"
    }

    fn arguments(&self) -> Value {
        schema_for!(LogArguments).to_value()
    }

    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        check::<LogArguments>(arguments)
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let LogArguments { lines, contains } = call.read()?;
        let contains = contains.unwrap_or_default();
        let lines = lines.map_or(LINES, usize::from);
        Ok(json!({ "lines": log_tail(lines, LOG_MOST_BYTES, &contains) }))
    }
}

/// `report`: all that somebody needs who cannot come, in one message.
pub(super) struct Report(pub(super) With);

impl Operation for Report {
    fn name(&self) -> &'static str {
        "report"
    }

    fn arguments(&self) -> Value {
        schema_for!(NoArguments).to_value()
    }

    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        check::<NoArguments>(arguments)
    }

    fn run(&self, _: &Call) -> Result<Value, Failed> {
        let (kit, web) = &self.0;
        let status = status(web)?;
        let mut out = json!({
            "time": kit.world.clock.utc().to_rfc3339(),
            "doctor": found(&status),
            "config": kit.config,
        });
        let state = serde_json::to_value(&*status).unwrap_or_default();
        let room = |out: &Value| REPORT_MOST_BYTES.saturating_sub(out.to_string().len());
        if state.to_string().len() < room(&out) {
            out["state"] = state;
        } else {
            // Of a box with very many courts: `/v1/state` has it whole.
            out["left_out"] = json!(["state"]);
        }
        // JSON writes some characters as two.
        let left = room(&out) * 9 / 10;
        out["log"] = json!(log_tail(usize::MAX, left, ""));
        Ok(out)
    }
}
