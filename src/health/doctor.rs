//! What is wrong with a box and what to do, worked out from what it tells of itself (pure).
//!
//! In: the state of the box. Out: findings in words. A court that calls nothing, an event that
//! cannot leave or be stored, a picture that nobody records are faults; what only costs latency or
//! accuracy is advice and leaves the box well. Words and what to do stand in `event::catalogue`; `host` judges
//! the machine.

use crate::event::box_status::{BoxStatus, CalibrationStatus, ConfigState, UplinkStatus};
pub use crate::event::catalogue::Severity;
use crate::event::catalogue::{Code, NO_USABLE};
use crate::event::service::{Overridden, ServiceState};
use crate::event::state::{CourtClock, ModelState, ModelsState, StorageState, StreamState};
use crate::event::twin::{DesiredTold, Refusal};
use crate::event::words::{
    ClockSource, DesiredOutcome, InstallPhase, ModelCondition, StorageCondition, StreamCondition,
    SwapOutcome,
};
use crate::health::claimed;
pub use crate::health::finding::Finding;
use crate::health::host;
use crate::health::looked::of_look;
use crate::health::updated::of_update;
use crate::media::Foreign;

/// Share of pictures lost on the way that is told; below it are the first pictures of a session,
/// which wait for a key frame (chosen).
const LOST_SHARE: f64 = 0.01;
/// A backlog that an uplink clears by itself is younger (chosen: three times the link's patience).
const BACKLOG_OLD_S: f64 = 45.0;
/// Events that wait for so long are told as an outbox that fills: 15 days are kept (chosen: whoever
/// looks once a day sees it two weeks before anything is lost).
const FILLING_OLD_S: f64 = 24.0 * 3600.0;
/// … and so is one of which so much is taken.
const FILLING_SHARE: f64 = 0.5;
/// A clock that errs more puts an event on the wrong play (chosen).
const CLOCK_ERROR_MS: u64 = 1000;
/// A camera whose clock runs otherwise by more is not kept by anybody: crystals err by less than 100 ppm (chosen;
/// it is 0.7 s an hour).
const CAMERA_DRIFT_PPM: f64 = 200.0;
/// A rim whose answers moved so far, in log-odds, is not what was calibrated (chosen).
const DRIFT: f64 = 1.0;

/// What is not as it should be, faults first.
#[must_use]
pub fn findings(status: &BoxStatus) -> Vec<Finding> {
    let mut found = Vec::new();
    for (court, told) in &status.streams {
        of_stream(&format!("court {court}"), &told.stream, &mut found);
    }
    of_models(&status.models, &mut found);
    of_storage(status.storage.as_ref(), &mut found);
    let is_claimed = status.claim.as_ref().is_none_or(|claim| claim.name.is_some());
    let trouble = status.uplink.as_ref().and_then(|uplink| uplink.trouble);
    if let Some(said) = status.claim.as_ref().and_then(|claim| claimed::said(claim, trouble)) {
        // Its own code stands in the text, where it is one of a claim's answers.
        let code = Code::of(&said.code).unwrap_or(Code::ClaimFailed);
        let severity = if said.is_fault { Severity::Fault } else { Severity::Advice };
        let todo = if said.todo.is_empty() { code.todo().to_owned() } else { said.todo };
        found.push(Finding { severity, todo, ..Finding::new("claim", code, said.text) });
    }
    of_uplink(status.uplink.as_ref().filter(|_| is_claimed), &mut found);
    of_clock(status, &mut found);
    host::of_host(status, &mut found);
    of_rims(&status.calibration, &mut found);
    of_service(&status.service, &mut found);
    of_config(status.config.as_ref(), &mut found);
    of_update(&status.update, &mut found);
    of_look(status.look.as_ref(), &mut found);
    found.extend(
        status.admission.faults.iter().map(|fault| Finding::new("doors", Code::Attacked, fault)),
    );
    found.extend(
        status.admission.full.iter().map(|told| Finding::new("doors", Code::PageFull, told)),
    );
    found.extend(
        status.ledger.unbalanced.iter().map(|hop| Finding::new("ledger", Code::Unbalanced, hop)),
    );
    found.extend(status.files.iter().map(|file| Finding::new("files", Code::OpenToOthers, file)));
    if let Some(rtmp) = &status.rtmp {
        for finding in &mut found {
            finding.todo = finding.todo.replace(USUAL_RTMP, rtmp);
        }
    }
    found.sort_by_key(|finding| finding.severity);
    found
}

/// How the catalogue writes where cameras publish to.
const USUAL_RTMP: &str = "rtmp://BOX:1935";

fn of_stream(about: &str, stream: &StreamState, found: &mut Vec<Finding>) {
    let is_advised = |code: Code| stream.advice.iter().any(|told| told.about.word() == code.word());
    match stream.condition {
        // That somebody comes with a wrong key says it better.
        StreamCondition::Waiting
            if [Code::WrongKey, Code::WrongApp, Code::WrongProtocol]
                .into_iter()
                .any(is_advised) => {}
        StreamCondition::Waiting => {
            found.push(Finding::new(about, Code::NoPublisher, "no camera publishes"));
        }
        StreamCondition::Stalled => {
            let text = "the camera is connected, but no pictures come";
            found.push(Finding::new(about, Code::Stalled, text));
        }
        StreamCondition::Live | StreamCondition::Other => {}
    }
    if let Some(reason) = &stream.fault
        && !stream.advice.iter().any(|told| reason.contains(&told.text))
    {
        found.push(Finding::new(about, Code::NoCalls, reason));
    }
    let live = stream.condition == StreamCondition::Live;
    if live && stream.fault.is_none() && stream.pictures > 300 && stream.answers == 0 {
        let text = format!("{} pictures came and no model answered one", stream.pictures);
        let finding = Finding::new(about, Code::NoAnswers, text);
        found.push(finding.with("pictures", float(stream.pictures)));
    }
    let lost = float(stream.dropped.min(stream.pictures)) / float(stream.pictures.max(1));
    // Where no picture can be used the machine is not too slow, and why stands there.
    let none_usable = stream.fault.as_ref().is_some_and(|fault| fault.contains(NO_USABLE));
    if lost > LOST_SHARE && !none_usable {
        let text = format!(
            "{} of {} pictures were lost on the way ({:.1} %)",
            stream.dropped,
            stream.pictures,
            lost * 100.0
        );
        let finding = Finding::new(about, Code::PicturesLost, text);
        found.push(finding.with("lost_percent", lost * 100.0));
    }
    found.extend(stream.advice.iter().filter_map(|advice| Finding::advised(about, advice)));
    // Of a court that nobody publishes to there is nothing to forward.
    for relay in stream.relays.iter().filter(|_| live) {
        let dropped = float(relay.dropped);
        if let Some(fault) = &relay.fault {
            let text =
                format!("relay {} to {} does not forward: {fault}", relay.name, relay.address);
            let finding = Finding::new(about, Code::RelayDown, text).todo(&relay.todo);
            found.push(finding.with("dropped", dropped));
        } else if relay.behind {
            let text = format!("relay {} to {} takes less than comes", relay.name, relay.address);
            found.push(Finding::new(about, Code::RelayDrops, text).with("dropped", dropped));
        }
    }
}

/// A swap that went wrong is a fault for so long, s (chosen: somebody who looks once an hour sees it).
const SWAP_TOLD_SECONDS: u64 = 3_600;

fn of_models(models: &ModelsState, found: &mut Vec<Finding>) {
    if models.bundles.is_empty() {
        found.push(Finding::new("models", Code::NoModel, "no model is configured"));
    }
    if let Some(last) = &models.last_swap
        && last.seconds_ago < SWAP_TOLD_SECONDS
    {
        let why = last.reason.as_deref().unwrap_or("it says no reason");
        let code = match last.outcome {
            SwapOutcome::RolledBack => Some((Code::SwapRolledBack, "decided, and was put back")),
            SwapOutcome::Failed => Some((Code::SwapFailed, "was to decide, and never did")),
            _ => None,
        };
        let about = format!("model {}", last.bundle);
        found.extend(code.map(|(code, what)| Finding::new(about, code, format!("{what} ({why})"))));
    }
    if let Some(install) = &models.install
        && let Some(why) = &install.reason
    {
        let code = match install.phase {
            InstallPhase::Failed => Some(Code::InstallFailed),
            InstallPhase::Installed => Some(Code::InstallInstalled),
            _ => None,
        };
        let text = format!("{} was to be installed and to decide: {why}", install.from);
        found.extend(code.map(|code| Finding::new("models", code, text)));
    }
    if models.seal_key_lies_open {
        let text = "a sealed model is here, and the key that opens it lies beside it in box.key: who takes \
                    the disk can read both";
        found.push(Finding::new("models", Code::SealKeyLiesOpen, text));
    }
    found.extend(models.bundles.iter().filter_map(of_model));
}

fn of_model(model: &ModelState) -> Option<Finding> {
    let about = format!("model {}", model.name);
    let reason = model.reason.as_deref();
    let condition = model.condition;
    let code = match condition {
        ModelCondition::Ready => {
            return reason.map(|reason| Finding::new(about, Code::ModelRunsBut, reason));
        }
        ModelCondition::Loading => {
            let text = format!("it is being loaded {}", reason.unwrap_or_default());
            return Some(Finding::new(about, Code::ModelLoading, text));
        }
        ModelCondition::Refused => Code::ModelRefused,
        ModelCondition::Stopped => Code::ModelStopped,
        ModelCondition::Other => Code::ModelOther,
    };
    let why = reason.unwrap_or("it says no reason");
    Some(Finding::new(about, code, format!("{condition}: {why}")))
}

fn of_storage(storage: Option<&StorageState>, found: &mut Vec<Finding>) {
    let Some(storage) = storage else { return };
    if storage.condition != StorageCondition::Recording {
        let why = storage.reason.as_deref().unwrap_or("it says no reason");
        let text = format!("recording is {}: {why}", storage.condition);
        let code = if storage.disk_refuses { Code::DiskRefuses } else { Code::NotRecording };
        let finding = Finding::new("disk", code, text);
        found.push(finding.with("free_bytes", float(storage.free_bytes)));
    } else if let Some(reason) = &storage.reason {
        found.push(Finding::new("disk", Code::NoClips, reason));
    }
}

fn of_uplink(uplink: Option<&UplinkStatus>, found: &mut Vec<Finding>) {
    let Some(uplink) = uplink else { return };
    let waiting = uplink.state.outbox_events;
    let oldest_s = uplink.state.outbox_oldest_seconds;
    let mut told = |code: Code, text: String| {
        let finding = Finding::new("broker", code, text);
        let finding = finding.todo(uplink.todo.as_deref().unwrap_or_default());
        found.push(finding.with("events", float(waiting)).with("oldest_s", oldest_s));
    };
    let why = uplink.fault.as_deref().unwrap_or("no answer yet");
    let kept = match waiting {
        0 => "nothing waits".to_owned(),
        waiting => format!("{waiting} event(s) wait on disk, nothing is lost"),
    };
    if uplink.another_box {
        told(Code::AnotherBox, format!("another box has our name: {why}"));
    } else if let Some(trouble) = uplink.trouble {
        let code = Code::of_link(trouble);
        told(code, format!("{}: {why}; {kept}", code.what()));
    } else if !uplink.connected {
        told(Code::NotConnected, format!("{}: {why}; {kept}", Code::NotConnected.what()));
    } else if oldest_s > BACKLOG_OLD_S && oldest_s <= FILLING_OLD_S {
        let text = format!("{kept}; the oldest for {oldest_s:.0} s though connected");
        told(Code::Backlog, text);
    }
    let share = uplink.state.outbox_share;
    if waiting > 0 && (oldest_s > FILLING_OLD_S || share > FILLING_SHARE) {
        let hours = oldest_s / 3600.0;
        let percent = share * 100.0;
        let text = format!(
            "{waiting} event(s) wait on disk, the oldest for {hours:.0} h; the outbox is {percent:.0} % \
             full"
        );
        let finding = Finding::new("broker", Code::OutboxFilling, text);
        found.push(finding.with("events", float(waiting)).with("oldest_s", oldest_s));
    }
    if uplink.no_retained {
        let text = "the broker keeps no retained messages";
        found.push(Finding::new("broker", Code::NoRetained, text));
    }
    for limit in &uplink.limits {
        let text = format!("the broker does not take all: {}", limit.said);
        found.push(Finding::new("broker", Code::BrokerLimits, text).todo(&limit.todo));
    }
    let why = uplink.state.refused.as_deref().unwrap_or("no reason given");
    let todo = uplink.refused_todo.as_deref().unwrap_or_default();
    if uplink.state.parked > 0 {
        let parked = uplink.state.parked;
        let text = format!("it refused {parked} event(s), which are parked: {why}");
        let finding = Finding::new("broker", Code::Refused, text).todo(todo);
        found.push(finding.with("parked", float(parked)));
    }
    if let Some(retrying) = uplink.state.retrying {
        let text = format!("it refuses {retrying} event(s) for now, they are sent again: {why}");
        let finding = Finding::new("broker", Code::RefusedForNow, text).todo(todo);
        found.push(finding.with("retrying", float(retrying)));
    }
    // Told for a day, and as long as it may go on; `state/uplink` counts it for ever.
    if uplink.state.shed > 0 && !(uplink.shed_long_ago && uplink.connected) {
        let last = uplink.state.shed_last.as_ref();
        let last = last.map_or_else(String::new, |at| format!(", the last at {at}"));
        let text = format!("{} message(s) were shed for want of space{last}", uplink.state.shed);
        let finding = Finding::new("broker", Code::Shed, text);
        found.push(finding.with("shed", float(uplink.state.shed)));
    }
    if !uplink.state.put_aside.is_empty() {
        let files =
            uplink.state.put_aside.iter().map(|file| file.as_str()).collect::<Vec<_>>().join(", ");
        let text = format!("a newer courtside left events that this one cannot read, in {files}");
        found.push(Finding::new("disk", Code::PutAside, text));
    }
    let gone = uplink.state.gone.unwrap_or(0);
    if !uplink.state.damaged.is_empty() || gone > 0 {
        let files: Vec<&str> = uplink.state.damaged.iter().map(|file| file.as_str()).collect();
        let there =
            if files.is_empty() { String::new() } else { format!(": {}", files.join(", ")) };
        let lost = match gone {
            0 => "events that it had promised may be gone".to_owned(),
            _ => format!("{gone} event(s) that it had promised cannot be read any more"),
        };
        let text = format!("the outbox was damaged{there}; {lost}");
        let finding = Finding::new("disk", Code::OutboxDamaged, text);
        found.push(finding.with("gone", float(gone)));
    }
    if let Some(reason) = &uplink.disk_fault {
        let text = format!("the outbox cannot write: {reason}");
        found.push(Finding::new("disk", Code::OutboxStopped, text));
    }
}

fn of_clock(status: &BoxStatus, found: &mut Vec<Finding>) {
    let clock = &status.clock;
    if !clock.plausible {
        let text = "the box's clock is earlier than the program or than files in `box.data_dir`";
        found.push(Finding::new("clock", Code::Implausible, text));
        return;
    }
    let live = |court: &&CourtClock| status.is_live(&court.court);
    for court in clock.courts.iter().filter(live) {
        let about = format!("court {}", court.court);
        if court.source != ClockSource::None && court.error_ms > CLOCK_ERROR_MS {
            let text = format!("its events' time may err by {} ms", court.error_ms);
            let finding = Finding::new(&about, Code::ClockError, text);
            found.push(finding.with("error_ms", float(court.error_ms)));
        }
        if let Some(ppm) = court.drift_ppm.filter(|ppm| ppm.abs() > CAMERA_DRIFT_PPM) {
            let an_hour = ppm * 3600.0 / 1000.0;
            let text = format!(
                "its camera's clock runs by {ppm:+.0} ppm against ours, {an_hour:+.0} ms an hour"
            );
            found.push(Finding::new(&about, Code::CameraDrifts, text).with("drift_ppm", ppm));
        }
    }
}

fn of_rims(calibrated: &CalibrationStatus, found: &mut Vec<Finding>) {
    for (court, rims) in &calibrated.courts {
        for (rim, told) in rims.iter().enumerate() {
            let Some(drift) = told.drift.filter(|drift| drift.abs() > DRIFT) else { continue };
            let text = format!(
                "the answers at rim {rim} have moved by {drift:+.1} in log-odds since the first of {} \
                 attempts",
                told.attempts
            );
            let finding = Finding::new(format!("court {court}"), Code::CalibrationDrift, text);
            found.push(finding.with("drift_log_odds", drift));
        }
    }
}

/// What of it is a fault of its own: the checks themselves are told above, each as what is wrong.
fn of_service(service: &ServiceState, found: &mut Vec<Finding>) {
    for (court, told) in &service.courts {
        let about = format!("court {court}");
        if let Some(changed) = &told.recheck {
            let text = format!("it is in service only until nobody plays there: {changed}");
            let todo = at_court(Code::Recheck, court);
            found.push(Finding::new(&about, Code::Recheck, text).todo(&todo));
        }
        match &told.overridden {
            Some(Overridden { in_service: true, reason, vouched }) => {
                let text = format!("it is in service by the word of {}: {reason}", vouched.who);
                let todo = "what its checks still say stands in `state/service`; once all are passed, \
                            they decide again";
                found.push(Finding::new(&about, Code::Overridden, text).todo(todo));
            }
            Some(Overridden { reason, vouched, .. }) => {
                let text = format!("{} took it out of service: {reason}", vouched.who);
                let todo = at_court(Code::OutOfService, court);
                found.push(Finding::new(&about, Code::OutOfService, text).todo(&todo));
            }
            None if told.in_service => {}
            None => {
                let open = told.open();
                let why = open.map_or_else(
                    || "the whole box is not: see broker and clock".to_owned(),
                    |open| {
                        let text = open.text.as_ref().map_or("", Foreign::as_str);
                        format!("{} is {} ({text})", open.check, open.state)
                    },
                );
                let todo = open.and_then(|open| open.todo.as_ref()).map_or("", Foreign::as_str);
                let text = format!("it is not in service yet: {why}");
                found.push(Finding::new(&about, Code::NotInService, text).todo(todo));
            }
        }
    }
}

/// What to do, as it is typed of this court.
fn at_court(code: Code, court: &str) -> String {
    code.todo().replace("court=NAME", &format!("court={court}"))
}

fn of_config(config: Option<&ConfigState>, found: &mut Vec<Finding>) {
    let Some(config) = config else { return };
    let lines = |told: &DesiredTold| {
        let line = |error: &Refusal| format!("{}: {}", error.path, error.reason);
        told.errors.iter().map(line).collect::<Vec<_>>().join("; ")
    };
    let revision = config.revision;
    let in_force =
        if revision == 0 { "the file".to_owned() } else { format!("revision {revision}") };
    if let Some(told) = &config.desired {
        match told.outcome {
            DesiredOutcome::Refused => {
                let text = format!("revision {} is refused: {}", told.revision, lines(told));
                let todo = format!(
                    "{in_force} is in force as before; mend what it names, and send it as revision {} or \
                     higher",
                    config.seen + 1
                );
                found.push(Finding::new("configuration", Code::ConfigRefused, text).todo(&todo));
            }
            DesiredOutcome::Undone => {
                let text = format!("revision {} is undone: {}", told.revision, lines(told));
                let todo = format!(
                    "{in_force} is in force again; if the other one was right, send it as revision {} or \
                     higher",
                    config.seen + 1
                );
                found.push(Finding::new("configuration", Code::ConfigUndone, text).todo(&todo));
            }
            DesiredOutcome::Trying => {
                let text = format!(
                    "revision {} is on trial: it is undone by itself if the broker is not reached with it",
                    told.revision
                );
                found.push(Finding::new("configuration", Code::ConfigTrying, text));
            }
            DesiredOutcome::Applied | DesiredOutcome::Other => {}
        }
    }
    if let Some(told) = &config.passed_over {
        let text = format!("one that came later is passed over: {}", lines(told));
        let todo = "nothing changed; an old `config/desired` that the broker retains is replaced by \
                    publishing the wanted one there, with a higher revision";
        found.push(Finding::new("configuration", Code::ConfigPassedOver, text).todo(todo));
    }
    if !config.waiting.is_empty() {
        let keys = config.waiting.iter().map(Foreign::as_str).collect::<Vec<_>>().join(", ");
        let text = format!("{keys} of {in_force} wait for a restart");
        let todo = "restart it when nobody plays: the operation `restart`, or `systemctl restart courtside`";
        found.push(Finding::new("configuration", Code::ConfigWaits, text).todo(todo));
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people and programs that show them")]
const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::event::box_status::{AdmissionStatus, CourtStatus, LedgerStatus, RimStatus};
    use crate::event::host::HostStatus;
    use crate::event::state::{ClockState, ModelState};
    use crate::event::update::UpdateState;
    use crate::event::upload::UploadsState;
    use crate::event::words::CalibrationMode;
    use crate::media::Foreign;

    fn well() -> Value {
        let stream = StreamState {
            condition: StreamCondition::Live,
            width: Some(1280),
            height: Some(720),
            ring_px: vec![44.0],
            pictures: 900,
            answers: 880,
            ..StreamState::default()
        };
        let model = ModelState {
            name: "rimnet".to_owned(),
            version: Some(Foreign::name("1")),
            condition: ModelCondition::Ready,
            engine: None,
            reason: None,
            inference_ms: None,
            ..ModelState::default()
        };
        let court = "a".to_owned();
        let source = ClockSource::Arrival;
        let clock = CourtClock { court: court.clone(), source, error_ms: 80, drift_ppm: None };
        let rim = RimStatus { attempts: 70, drift: Some(0.4), ..RimStatus::default() };
        let status = BoxStatus {
            name: "rim-1".to_owned(),
            version: "0.1.0".to_owned(),
            rtmp: Some(Foreign::told("rtmp://BOX:22000")),
            streams: [(
                court.clone(),
                CourtStatus { stream, rims: Vec::new(), rims_of: None, score: None },
            )]
            .into(),
            models: ModelsState { bundles: vec![model], ..ModelsState::default() },
            storage: Some(StorageState::default()),
            uploads: UploadsState::default(),
            update: UpdateState::default(),
            look: None,
            uplink: Some(UplinkStatus { connected: true, ..UplinkStatus::default() }),
            claim: None,
            clock: ClockState { plausible: true, courts: vec![clock] },
            calibration: CalibrationStatus {
                mode: CalibrationMode::Watch,
                courts: [(court, vec![rim])].into(),
            },
            admission: AdmissionStatus::default(),
            service: ServiceState::default(),
            config: None,
            ledger: LedgerStatus { hops: 5, unbalanced: Vec::new() },
            files: Vec::new(),
            host: HostStatus::default(),
        };
        status.json()
    }

    /// `well`, with the value at a JSON pointer's place.
    fn with(place: &str, value: Value) -> Value {
        let mut state = well();
        let (parent, key) = place.rsplit_once('/').expect("a pointer");
        let parent = state.pointer_mut(parent).expect("a parent");
        match parent.as_array_mut() {
            Some(list) => list[key.parse::<usize>().expect("a place")] = value,
            None => parent[key] = value,
        }
        state
    }

    fn codes(state: &Value) -> Vec<(Severity, String, String)> {
        let status = BoxStatus::read(state).expect("readable");
        findings(&status)
            .into_iter()
            .map(|f| (f.severity, f.about, f.code.word().to_owned()))
            .collect()
    }

    #[test]
    fn a_box_that_is_well_has_no_findings() {
        assert_eq!(codes(&well()), []);
    }

    #[test]
    fn each_fault_is_found_where_it_is() {
        for (place, value, about, code) in [
            ("/streams/a/condition", json!("waiting"), "court a", "no_publisher"),
            ("/streams/a/condition", json!("stalled"), "court a", "stalled"),
            ("/streams/a/fault", json!("no rims are configured: …"), "court a", "no_calls"),
            ("/streams/a/answers", json!(0), "court a", "no_answers"),
            (
                "/streams/a/relays",
                json!([{ "name": "tv", "state": "waiting", "address": "rtmp://h/live", "fault": "no",
                         "dropped": 1, "bytes": 0 }]),
                "court a",
                "relay_down",
            ),
            ("/models/bundles", json!([]), "models", "no_model"),
            ("/models/bundles/0/condition", json!("refused"), "model rimnet", "model_refused"),
            ("/models/bundles/0/condition", json!("stopped"), "model rimnet", "model_stopped"),
            ("/storage/condition", json!("stopped"), "disk", "not_recording"),
            (
                "/storage",
                json!({ "condition": "stopped", "reason": "I/O error", "disk_refuses": true,
                        "ring_bytes": 0, "quota_bytes": 0, "pinned_bytes": 0, "free_bytes": 0,
                        "clips": 0 }),
                "disk",
                "disk_refuses",
            ),
            ("/storage/reason", json!("clips are refused: …"), "disk", "no_clips"),
            ("/uplink/connected", json!(false), "broker", "not_connected"),
            ("/uplink/another_box", json!(true), "broker", "another_box"),
            ("/uplink/trouble", json!("files"), "broker", "broker_files"),
            ("/uplink/trouble", json!("tls"), "broker", "broker_tls"),
            ("/uplink/trouble", json!("certificate"), "broker", "broker_certificate"),
            ("/uplink/trouble", json!("certificate_early"), "broker", "broker_certificate_early"),
            ("/uplink/trouble", json!("certificate_ended"), "broker", "broker_certificate_ended"),
            ("/uplink/trouble", json!("own_certificate"), "broker", "broker_own_certificate"),
            ("/uplink/trouble", json!("unsupported"), "broker", "broker_unsupported"),
            ("/uplink/trouble", json!("cut_short"), "broker", "broker_cut_short"),
            ("/uplink/trouble", json!("unanswered"), "broker", "broker_unanswered"),
            ("/uplink/trouble", json!("lost"), "broker", "not_connected"),
            ("/uplink/parked", json!(3), "broker", "refused"),
            ("/uplink/shed", json!(3), "broker", "shed"),
            ("/admission/faults", json!(["10.0.0.7 guessed …"]), "doors", "attacked"),
            ("/admission/full", json!(["12 questions of 10.0.0.7 …"]), "doors", "page_full"),
            ("/uplink/disk_fault", json!("no space left"), "disk", "outbox_stopped"),
            ("/uplink/put_aside", json!(["outbox.newer-1"]), "disk", "put_aside"),
            ("/uplink/damaged", json!(["outbox.damaged-1"]), "disk", "outbox_damaged"),
            ("/uplink/gone", json!(2), "disk", "outbox_damaged"),
            ("/clock/plausible", json!(false), "clock", "implausible"),
            ("/files", json!(["others can read a key"]), "files", "open_to_others"),
            ("/ledger/unbalanced", json!(["a/ring: 3 of 4"]), "ledger", "unbalanced"),
        ] {
            let found = codes(&with(place, value));
            assert_eq!(found, [(Severity::Fault, about.to_owned(), code.to_owned())], "{place}");
        }
    }

    #[test]
    fn a_relay_that_is_behind_is_advice_and_without_a_camera_none_is_missed() {
        let relay = |behind: bool, fault: Value| {
            json!([{ "name": "tv", "state": "forwarding", "address": "rtmp://h/live",
                     "behind": behind, "fault": fault, "dropped": 1, "bytes": 0 }])
        };
        let court = || "court a".to_owned();
        let behind = with("/streams/a/relays", relay(true, Value::Null));
        assert_eq!(codes(&behind), [(Severity::Advice, court(), "relay_drops".to_owned())]);
        assert_eq!(codes(&with("/streams/a/relays", relay(false, Value::Null))), []);
        let mut away = with("/streams/a/relays", relay(false, json!("cannot be reached")));
        away["streams"]["a"]["condition"] = json!("waiting");
        assert_eq!(codes(&away), [(Severity::Fault, court(), "no_publisher".to_owned())]);
        let told = findings(&BoxStatus::read(&away).expect("readable"));
        assert!(told[0].todo.contains("rtmp://BOX:22000/live/KEY"), "the port is the box's own");
    }

    #[test]
    fn pictures_that_cannot_be_used_are_no_slow_machine_and_never_more_than_all() {
        let with_lost = |fault: Value| {
            let mut state = with("/streams/a/dropped", json!(157));
            state["streams"]["a"]["pictures"] = json!(157);
            state["streams"]["a"]["fault"] = fault;
            findings(&BoxStatus::read(&state).expect("readable"))
        };
        let fault =
            "no usable picture for 4 s, the last one was a picture whose NAL units do not add up";
        let told = with_lost(json!(fault));
        assert!(told.iter().all(|finding| finding.code != Code::PicturesLost), "{told:?}");
        assert!(told.iter().any(|finding| finding.code == Code::NoCalls && finding.text == fault));
        let told = with_lost(Value::Null);
        let lost = told.iter().find(|finding| finding.code == Code::PicturesLost).expect("told");
        assert!(lost.text.contains("157 of 157") && lost.text.contains("100.0 %"), "{}", lost.text);
    }

    #[test]
    fn what_became_of_a_configuration_is_told() {
        let refusal = json!([{ "path": "court.a.rims", "reason": "no boxes" }]);
        let told = |outcome: &str| json!({ "revision": 7, "outcome": outcome, "errors": refusal });
        let whole = |key: &str, value: Value| json!({ "revision": 6, "seen": 7, key: value });
        for (state, severity, code) in [
            (whole("desired", told("refused")), Severity::Fault, "config_refused"),
            (whole("desired", told("undone")), Severity::Fault, "config_undone"),
            (whole("desired", told("trying")), Severity::Advice, "config_trying"),
            (whole("passed_over", told("refused")), Severity::Advice, "config_passed_over"),
            (whole("waiting", json!(["http.listen"])), Severity::Advice, "config_waits"),
        ] {
            let status = BoxStatus::read(&with("/config", state)).expect("readable");
            let [finding] = &findings(&status)[..] else { panic!("one finding of {code}") };
            assert_eq!((finding.severity, finding.code.word()), (severity, code));
            let names = ["court.a.rims: no boxes", "http.listen of revision 6", "on trial"];
            assert!(names.iter().any(|name| finding.text.contains(name)), "{}", finding.text);
        }
        let applied =
            whole("desired", json!({ "revision": 7, "outcome": "applied", "errors": [] }));
        assert_eq!(codes(&with("/config", applied)), []);
    }

    #[test]
    fn a_court_that_is_not_in_service_says_what_is_open_and_one_by_word_by_whose() {
        let check =
            json!({ "check": "rim", "state": "waiting", "text": "nobody looked", "todo": "look" });
        let word = |is: bool| json!({ "in_service": is, "reason": "the cup", "who": "Ada", "door": "page", "rims": [] });
        let court = |extra: &[(&str, Value)]| {
            let mut court = json!({ "in_service": false, "by": "nothing", "checks": [check] });
            for (key, value) in extra {
                court[*key] = value.clone();
            }
            json!({ "in_service": false, "courts": { "a": court }, "checks": [] })
        };
        for (state, expected) in [
            (
                court(&[]),
                Some((Severity::Fault, "not_in_service", "rim is waiting (nobody looked)")),
            ),
            (court(&[("in_service", json!(true))]), None),
            (
                court(&[("overridden", word(true)), ("in_service", json!(true))]),
                Some((Severity::Advice, "overridden", "Ada: the cup")),
            ),
            (
                court(&[("overridden", word(false))]),
                Some((Severity::Fault, "out_of_service", "Ada took it out of service: the cup")),
            ),
            (
                court(&[("in_service", json!(true)), ("recheck", json!("its rims are others"))]),
                Some((Severity::Fault, "recheck", "its rims are others")),
            ),
        ] {
            let status = BoxStatus::read(&with("/service", state)).expect("readable");
            let found = findings(&status);
            let told = found.first().map(|it| (it.severity, it.code.word()));
            assert_eq!(told, expected.map(|(severity, code, _)| (severity, code)));
            let text = expected.map_or("", |(_, _, text)| text);
            assert!(found.len() <= 1 && found.iter().all(|it| it.text.contains(text)), "{found:?}");
        }
    }

    #[test]
    fn what_only_costs_is_advice_in_its_unit() {
        let b_frames = json!([{"about": "b_frames", "costs_ms": 66.7, "pixels": null,
            "text": "the encoder sends B-frames", "figures": {"costs_ms": 66.7}}]);
        let told = BoxStatus::read(&with("/streams/a/advice", b_frames)).expect("readable");
        let [finding] = &findings(&told)[..] else { panic!("one finding") };
        assert_eq!(finding.severity, Severity::Advice);
        assert_eq!(finding.text, "the encoder sends B-frames");
        assert_eq!(finding.todo, Code::BFrames.todo());
        assert_eq!(finding.figures["costs_ms"], 66.7);

        for (place, value, code) in [
            ("/streams/a/dropped", json!(90), "pictures_lost"),
            ("/uplink/outbox_oldest_seconds", json!(60.0), "backlog"),
            ("/clock/courts/0/error_ms", json!(4000), "clock_error"),
            ("/clock/courts/0/drift_ppm", json!(-340.0), "camera_drifts"),
            ("/calibration/courts/a/0/drift", json!(-1.2), "calibration_drift"),
            ("/models/bundles/0/reason", json!("takes 9 ms, its budget is 3 ms"), "model_runs_but"),
        ] {
            let found = codes(&with(place, value));
            assert_eq!(found.len(), 1, "{place}");
            assert_eq!((found[0].0, found[0].2.as_str()), (Severity::Advice, code), "{place}");
        }
    }

    #[test]
    fn what_ended_badly_and_what_nobody_keeps_is_told_by_its_code() {
        let swap = |outcome: &str| json!({"bundle": "x", "outcome": outcome, "seconds_ago": 9});
        let install =
            |phase: &str| json!({"from": "/x.parcel", "phase": phase, "reason": "no room"});
        let clock = |watched: u64| json!({"reached": false, "watched_s": watched, "steps": 0, "moved_ms": 0});
        let advice = |about: &str| json!([{"about": about, "text": "it is seen"}]);
        let trouble =
            json!({"code": "E_CLAIM_AUTH", "text": "NotAuthorized", "todo": "write it anew"});
        let claim = json!({"stage": "keyed", "trouble": trouble});
        for (place, value, code) in [
            ("/models/last_swap", swap("rolled_back"), "swap_rolled_back"),
            ("/models/last_swap", swap("failed"), "swap_failed"),
            ("/models/install", install("failed"), "install_failed"),
            ("/models/install", install("installed"), "install_installed"),
            ("/models/seal_key_lies_open", json!(true), "seal_key_lies_open"),
            ("/host/clock", clock(700), "clock_unkept"),
            ("/claim", claim, "claim_failed"),
            ("/streams/a/advice", advice("no_rims"), "no_rims"),
            ("/streams/a/advice", advice("wrong_app"), "wrong_app"),
            ("/streams/a/advice", advice("wrong_protocol"), "wrong_protocol"),
            ("/streams/a/advice", advice("rim_aspect"), "rim_aspect"),
            ("/streams/a/advice", advice("reorder"), "reorder"),
            ("/streams/a/advice", advice("decoder"), "decoder"),
            ("/streams/a/advice", advice("reconnects"), "reconnects"),
        ] {
            let found = codes(&with(place, value));
            assert_eq!(found.len(), 1, "{place}: {found:?}");
            assert_eq!(found[0].2, code, "{place}");
        }
        for (place, value) in [
            ("/models/last_swap", swap("switched")),
            ("/models/install", install("fetching")),
            ("/host/clock", clock(500)),
            ("/streams/a/advice", advice("of a newer box")),
        ] {
            assert_eq!(codes(&with(place, value)), [], "{place}");
        }
    }

    #[test]
    fn what_was_shed_is_told_for_a_day_and_until_the_link_is_back() {
        let mut state = with("/uplink/shed", json!(3));
        state["uplink"]["shed_last"] = json!("2026-11-22T18:04:11.480Z");
        let status = BoxStatus::read(&state).expect("readable");
        let text = "3 message(s) were shed for want of space, the last at 2026-11-22T18:04:11.480Z";
        assert_eq!(findings(&status)[0].text, text);
        state["uplink"]["shed_long_ago"] = json!(true);
        assert_eq!(codes(&state), []);
        state["uplink"]["connected"] = json!(false);
        assert!(codes(&state).iter().any(|(_, _, code)| code == "shed"), "{:?}", codes(&state));
    }

    #[test]
    fn an_outbox_that_fills_is_told_by_its_age_and_by_its_share() {
        for (place, value) in [("outbox_oldest_seconds", 90_000.0), ("outbox_share", 0.6)] {
            let mut state = with("/uplink/outbox_events", json!(12));
            state["uplink"][place] = json!(value);
            let found = codes(&state);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].2, "outbox_filling");
        }
        assert_eq!(
            codes(&with("/uplink/outbox_share", json!(0.9))),
            [],
            "sent ones are kept for replays"
        );
    }

    #[test]
    fn faults_come_before_advice_and_a_strange_answer_is_refused() {
        let mut state = with("/streams/a/dropped", json!(90));
        state["uplink"]["connected"] = json!(false);
        let found = codes(&state);
        assert_eq!(found[0].2, "not_connected");
        assert_eq!(found[1].2, "pictures_lost");
        assert!(BoxStatus::read(&json!({"box": "x"})).is_err());
        assert!(BoxStatus::read(&Value::Null).is_err());
    }

    #[test]
    fn words_of_a_newer_box_are_no_error_and_what_it_adds_is_passed_over() {
        let mut state = with("/models/bundles/0/condition", json!("rehearsing"));
        state["streams"]["a"]["condition"] = json!("rewinding");
        state["streams"]["a"]["weather"] = json!("dry");
        state["clock"]["courts"][0]["source"] = json!("gps");
        state["calibration"]["mode"] = json!("dream");
        state["lights"] = json!({"on": true});
        let fault = (Severity::Fault, "model rimnet".to_owned(), "model_other".to_owned());
        assert_eq!(codes(&state), [fault]);
    }

    #[test]
    fn a_box_of_before_calibration_and_ledger_is_understood() {
        let mut state = well();
        let told = state.as_object_mut().expect("an object");
        for later in ["calibration", "ledger"] {
            told.remove(later);
        }
        assert_eq!(codes(&state), []);
    }
}
