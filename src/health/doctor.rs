//! What is wrong with a box and what to do, worked out from what it tells of itself (pure).
//!
//! In: the state of the box. Out: findings in words. A court that calls nothing, an event that
//! cannot leave or be stored, a picture that nobody records are faults; what only costs latency or
//! accuracy is advice and leaves the box well.

use std::fmt;

use serde::Serialize;

use crate::event::box_status::{BoxStatus, CalibrationStatus, ConfigState, UplinkStatus};
use crate::event::service::{Overridden, ServiceState};
use crate::event::state::{CourtClock, ModelsState, StorageState, StreamState};
use crate::event::twin::{DesiredTold, Refusal};
use crate::event::words::{
    ClockSource, DesiredOutcome, InstallPhase, ModelCondition, StorageCondition, StreamCondition,
    SwapOutcome,
};
use crate::health::claimed;
use crate::media::Foreign;

/// Share of pictures lost on the way that is told; below it are the first pictures of a session,
/// which wait for a key frame (chosen).
const LOST_SHARE: f64 = 0.01;
/// A backlog that an uplink clears by itself is younger (chosen: three times the link's patience).
const BACKLOG_OLD_S: f64 = 45.0;
/// A clock that errs more puts an event on the wrong play (chosen).
const CLOCK_ERROR_MS: u64 = 1000;
/// A rim whose answers moved so far, in log-odds, is not what was calibrated (chosen).
const DRIFT: f64 = 1.0;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Calls, events or video are missing: somebody must act.
    Fault,
    /// It works, and could be quicker or more often right.
    Advice,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where: `court a`, `model rimnet`, `broker`, `disk`, `clock`, `doors`, `ledger`.
    pub about: String,
    /// A stable word for programs, for example `no_publisher`.
    pub code: String,
    /// What is wrong.
    pub text: String,
    /// What to do. Empty where `text` says it already.
    pub todo: String,
}

impl Finding {
    fn fault(about: impl fmt::Display, code: &str, text: impl fmt::Display, todo: &str) -> Self {
        Self {
            severity: Severity::Fault,
            about: about.to_string(),
            code: code.to_owned(),
            text: text.to_string(),
            todo: todo.to_owned(),
        }
    }

    fn advice(about: impl fmt::Display, code: &str, text: impl fmt::Display, todo: &str) -> Self {
        Self { severity: Severity::Advice, ..Self::fault(about, code, text, todo) }
    }
}

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
        found.push(if said.is_fault {
            Finding::fault("claim", &said.code, said.text, &said.todo)
        } else {
            Finding::advice("claim", &said.code, said.text, &said.todo)
        });
    }
    of_uplink(status.uplink.as_ref().filter(|_| is_claimed), &mut found);
    of_clock(status, &mut found);
    of_rims(&status.calibration, &mut found);
    of_service(&status.service, &mut found);
    of_config(status.config.as_ref(), &mut found);
    for fault in &status.admission.faults {
        found.push(Finding::fault("doors", "attacked", fault, ""));
    }
    for hop in &status.ledger.unbalanced {
        let todo = "this is a bug of ours: report it with the journal of this hour";
        found.push(Finding::fault("ledger", "unbalanced", hop, todo));
    }
    for file in &status.files {
        found.push(Finding::fault("files", "open_to_others", file, ""));
    }
    found.sort_by_key(|finding| finding.severity);
    found
}

fn of_stream(about: &str, stream: &StreamState, found: &mut Vec<Finding>) {
    let mut fault = |code: &str, text: String, todo: &str| {
        found.push(Finding::fault(about, code, text, todo));
    };
    match stream.condition {
        StreamCondition::Waiting => fault(
            "no_publisher",
            "no camera publishes".to_owned(),
            "set the encoder to rtmp://BOX:1935/live/KEY with this court's `stream_key`; if it is, \
             look at its power and cable, and for refusals in `journalctl -u courtside`",
        ),
        StreamCondition::Stalled => fault(
            "stalled",
            "the camera is connected, but no pictures come".to_owned(),
            "look at the camera's network and its upload rate; restart its stream",
        ),
        StreamCondition::Live | StreamCondition::Other => {}
    }
    if let Some(reason) = &stream.fault {
        fault("no_calls", reason.to_string(), "");
    }
    let live = stream.condition == StreamCondition::Live;
    if live && stream.fault.is_none() && stream.pictures > 300 && stream.answers == 0 {
        let text = format!("{} pictures came and no model answered one", stream.pictures);
        fault("no_answers", text, "see the model below; is a rim drawn where the ring is?");
    }
    #[expect(clippy::cast_precision_loss, reason = "a share, for people")]
    let lost = stream.dropped as f64 / stream.pictures.max(1) as f64;
    if lost > LOST_SHARE {
        let text = format!(
            "{} of {} pictures were lost on the way ({:.1} %)",
            stream.dropped,
            stream.pictures,
            lost * 100.0
        );
        let todo = "the machine is too slow for this stream, or the stream is damaged: a smaller \
                    picture, fewer courts, or a hardware decoder; /metrics says at which hop";
        found.push(Finding::advice(about, "pictures_lost", text, todo));
    }
    for advice in &stream.advice {
        let cost = match (advice.costs_ms, advice.pixels) {
            (Some(millis), _) => format!(" (costs {millis:.0} ms)"),
            (None, Some(pixels)) => format!(" ({pixels:.0} pixels)"),
            (None, None) => String::new(),
        };
        let text = format!("{}{cost}", advice.text);
        found.push(Finding::advice(about, advice.about.word(), text, ""));
    }
}

/// A swap that went wrong is a fault for so long, s (chosen: somebody who looks once an hour sees it).
const SWAP_TOLD_SECONDS: u64 = 3_600;

fn of_models(models: &ModelsState, found: &mut Vec<Finding>) {
    if models.bundles.is_empty() {
        let todo = "write bundles = [\"rimnet\"] under [detect], or leave the key out";
        found.push(Finding::fault("models", "no_model", "no model is configured", todo));
    }
    if let Some(last) = &models.last_swap
        && matches!(last.outcome, SwapOutcome::RolledBack | SwapOutcome::Failed)
        && last.seconds_ago < SWAP_TOLD_SECONDS
    {
        let (outcome, why) = (last.outcome, last.reason.as_deref().unwrap_or("it says no reason"));
        let what = if outcome == SwapOutcome::RolledBack {
            "decided, and was put back: the model before it decides again"
        } else {
            "was to decide, and never did: the live model went on"
        };
        let todo = "`courtside models` shows both; install a better bundle, then swap again";
        let code = format!("swap_{outcome}");
        found.push(Finding::fault(
            format!("model {}", last.bundle),
            &code,
            format!("{what} ({why})"),
            todo,
        ));
    }
    if let Some(install) = &models.install
        && let (InstallPhase::Failed | InstallPhase::Installed, Some(why)) =
            (install.phase, &install.reason)
    {
        let code = format!("install_{}", install.phase);
        let text = format!("{} was to be installed and to decide: {why}", install.from);
        let todo = "what decided goes on; do what it says, then order it again";
        found.push(Finding::fault("models", &code, text, todo));
    }
    if models.seal_key_lies_open {
        let text = "a sealed model is here, and the key that opens it lies beside it in box.key: who takes \
                    the disk can read both";
        let todo = "on a box with a TPM give it a key that is sealed there: `box_key_file` of [detect] \
                    (design/models.md)";
        found.push(Finding::advice("models", "seal_key_lies_open", text, todo));
    }
    for model in &models.bundles {
        let about = format!("model {}", model.name);
        let reason = model.reason.as_deref();
        match model.condition {
            ModelCondition::Ready => {
                if let Some(reason) = reason {
                    found.push(Finding::advice(about, "model_runs_but", reason, ""));
                }
            }
            ModelCondition::Loading => {
                let text = format!("it is being loaded {}", reason.unwrap_or_default());
                found.push(Finding::advice(about, "model_loading", text, ""));
            }
            condition @ (ModelCondition::Refused
            | ModelCondition::Stopped
            | ModelCondition::Other) => {
                let why = reason.unwrap_or("it says no reason");
                let todo = "`courtside check` loads it again after you changed something; then \
                            restart the daemon";
                let code = format!("model_{condition}");
                found.push(Finding::fault(about, &code, format!("{condition}: {why}"), todo));
            }
        }
    }
}

fn of_storage(storage: Option<&StorageState>, found: &mut Vec<Finding>) {
    let Some(storage) = storage else { return };
    if storage.condition != StorageCondition::Recording {
        let why = storage.reason.as_deref().unwrap_or("it says no reason");
        let text = format!("recording is {}: {why}", storage.condition);
        let todo = "calls and events go on; free space on the disk of `box.data_dir`: recording \
                    resumes by itself; or lower `quota_bytes` of [ring] and restart: what is over \
                    it goes, oldest first, but for pinned clips";
        found.push(Finding::fault("disk", "not_recording", text, todo));
    } else if let Some(reason) = &storage.reason {
        found.push(Finding::fault("disk", "no_clips", reason, ""));
    }
}

fn of_uplink(uplink: Option<&UplinkStatus>, found: &mut Vec<Finding>) {
    let Some(uplink) = uplink else { return };
    let mut fault = |code: &str, text: String, todo: &str| {
        found.push(Finding::fault("broker", code, text, todo));
    };
    let why = uplink.fault.as_deref().unwrap_or("no answer yet");
    let kept = match uplink.state.outbox_events {
        0 => "nothing waits".to_owned(),
        waiting => format!("{waiting} event(s) wait on disk, nothing is lost"),
    };
    if uplink.another_box {
        let todo = "give one of the two boxes another `box.name`";
        fault("another_box", format!("another box has our name: {why}"), todo);
    } else if !uplink.connected {
        let todo =
            "is it up, and is `broker` of [uplink] right? `courtside check` tries it by hand";
        fault("not_connected", format!("not reached: {why}; {kept}"), todo);
    } else if uplink.state.outbox_oldest_seconds > BACKLOG_OLD_S {
        let text = format!(
            "{kept}; the oldest for {:.0} s though connected",
            uplink.state.outbox_oldest_seconds
        );
        let todo = "the link or the broker is slow; live events go first, the rest follows";
        found.push(Finding::advice("broker", "backlog", text, todo));
    }
    if uplink.state.parked > 0 {
        let why = uplink.state.refused.as_deref().unwrap_or("no reason given");
        let text = format!("it refused {} event(s), which are parked: {why}", uplink.state.parked);
        let todo = "give this user the right to publish below courtside/1/{box}/";
        found.push(Finding::fault("broker", "refused", text, todo));
    }
    if uplink.state.shed > 0 {
        let text = format!("{} message(s) were shed for want of space", uplink.state.shed);
        found.push(Finding::fault("broker", "shed", text, "bring the link back"));
    }
    if !uplink.state.put_aside.is_empty() {
        let files =
            uplink.state.put_aside.iter().map(|file| file.as_str()).collect::<Vec<_>>().join(", ");
        let text = format!("a newer courtside left events that this one cannot read, in {files}");
        let todo = "nothing is lost: install that version again, and they are sent";
        found.push(Finding::fault("disk", "put_aside", text, todo));
    }
    if let Some(reason) = &uplink.disk_fault {
        let text = format!("the outbox cannot write: {reason}");
        let todo = "free space on the disk of `box.data_dir`, or replace the disk: events wait in \
                    memory and a power cut loses them";
        found.push(Finding::fault("disk", "outbox_stopped", text, todo));
    }
}

fn of_clock(status: &BoxStatus, found: &mut Vec<Finding>) {
    let clock = &status.clock;
    if !clock.plausible {
        let todo = "set it, and see that time is kept: `timedatectl`; nothing is lost meanwhile, \
                    events get their time once the clock is right. If it is right, files in \
                    `box.data_dir` were written while it ran ahead: `find DATA_DIR -newermt now \
                    -exec touch {} +`, then restart courtside";
        let text = "the box's clock is earlier than the program or than files in `box.data_dir`";
        found.push(Finding::fault("clock", "implausible", text, todo));
        return;
    }
    let live = |court: &&CourtClock| status.is_live(&court.court);
    for court in clock.courts.iter().filter(live) {
        if court.source != ClockSource::None && court.error_ms > CLOCK_ERROR_MS {
            let text = format!("its events' time may err by {} ms", court.error_ms);
            let todo = "let the encoder write time into the stream, or write `camera_delay_ms`";
            let about = format!("court {}", court.court);
            found.push(Finding::advice(about, "clock_error", text, todo));
        }
    }
}

fn of_rims(calibrated: &CalibrationStatus, found: &mut Vec<Finding>) {
    for (court, rims) in &calibrated.courts {
        for (rim, told) in (1..).zip(rims) {
            let Some(drift) = told.drift.filter(|drift| drift.abs() > DRIFT) else { continue };
            let text = format!(
                "the answers at rim {rim} have moved by {drift:+.1} in log-odds since the first of {} \
                 attempts",
                told.attempts
            );
            let todo = "look at the camera, its focus, the light and the net, and draw the rim \
                        again; if nothing changed, delete its file in {data_dir}/rims while the \
                        daemon is stopped: its calibration then begins anew";
            let about = format!("court {court}");
            found.push(Finding::advice(about, "calibration_drift", text, todo));
        }
    }
}

/// What of it is a fault of its own: the checks themselves are told above, each as what is wrong.
fn of_service(service: &ServiceState, found: &mut Vec<Finding>) {
    for (court, told) in &service.courts {
        let about = format!("court {court}");
        if let Some(changed) = &told.recheck {
            let text = format!("it is in service only until nobody plays there: {changed}");
            let todo =
                "look at its picture and confirm its rims, on the page or by `service_confirm`";
            found.push(Finding::fault(&about, "recheck", text, todo));
        }
        match &told.overridden {
            Some(Overridden { in_service: true, reason, vouched }) => {
                let text = format!("it is in service by the word of {}: {reason}", vouched.who);
                let todo = "what its checks still say stands in `state/service`; once all are passed, \
                            they decide again";
                found.push(Finding::advice(&about, "overridden", text, todo));
            }
            Some(Overridden { reason, vouched, .. }) => {
                let text = format!("{} took it out of service: {reason}", vouched.who);
                let todo = "confirm its rims again: then its checks decide";
                found.push(Finding::fault(&about, "out_of_service", text, todo));
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
                found.push(Finding::fault(&about, "not_in_service", text, todo));
            }
        }
    }
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
                found.push(Finding::fault("configuration", "config_refused", text, &todo));
            }
            DesiredOutcome::Undone => {
                let text = format!("revision {} is undone: {}", told.revision, lines(told));
                let todo = format!(
                    "{in_force} is in force again; if the other one was right, send it as revision {} or \
                     higher",
                    config.seen + 1
                );
                found.push(Finding::fault("configuration", "config_undone", text, &todo));
            }
            DesiredOutcome::Trying => {
                let text = format!(
                    "revision {} is on trial: it is undone by itself if the broker is not reached with it",
                    told.revision
                );
                found.push(Finding::advice("configuration", "config_trying", text, ""));
            }
            DesiredOutcome::Applied | DesiredOutcome::Other => {}
        }
    }
    if let Some(told) = &config.passed_over {
        let text = format!("one that came later is passed over: {}", lines(told));
        let todo = "nothing changed; an old `config/desired` that the broker retains is replaced by \
                    publishing the wanted one there, with a higher revision";
        found.push(Finding::advice("configuration", "config_passed_over", text, todo));
    }
    if !config.waiting.is_empty() {
        let keys = config.waiting.iter().map(Foreign::as_str).collect::<Vec<_>>().join(", ");
        let text = format!("{keys} of {in_force} wait for a restart");
        let todo = "restart it when nobody plays: the operation `restart`, or `systemctl restart courtside`";
        found.push(Finding::advice("configuration", "config_waits", text, todo));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::event::box_status::{AdmissionStatus, CourtStatus, LedgerStatus, RimStatus};
    use crate::event::state::{ClockState, ModelState};
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
            streams: [(
                court.clone(),
                CourtStatus { stream, rims: Vec::new(), rims_of: None, score: None },
            )]
            .into(),
            models: ModelsState { bundles: vec![model], ..ModelsState::default() },
            storage: Some(StorageState::default()),
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
        findings(&status).into_iter().map(|f| (f.severity, f.about, f.code)).collect()
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
            ("/models/bundles", json!([]), "models", "no_model"),
            ("/models/bundles/0/condition", json!("refused"), "model rimnet", "model_refused"),
            ("/models/bundles/0/condition", json!("stopped"), "model rimnet", "model_stopped"),
            ("/storage/condition", json!("stopped"), "disk", "not_recording"),
            ("/storage/reason", json!("clips are refused: …"), "disk", "no_clips"),
            ("/uplink/connected", json!(false), "broker", "not_connected"),
            ("/uplink/another_box", json!(true), "broker", "another_box"),
            ("/uplink/parked", json!(3), "broker", "refused"),
            ("/uplink/shed", json!(3), "broker", "shed"),
            ("/admission/faults", json!(["10.0.0.7 guessed …"]), "doors", "attacked"),
            ("/uplink/disk_fault", json!("no space left"), "disk", "outbox_stopped"),
            ("/uplink/put_aside", json!(["outbox.newer-1"]), "disk", "put_aside"),
            ("/clock/plausible", json!(false), "clock", "implausible"),
            ("/files", json!(["others can read a key"]), "files", "open_to_others"),
            ("/ledger/unbalanced", json!(["a/ring: 3 of 4"]), "ledger", "unbalanced"),
        ] {
            let found = codes(&with(place, value));
            assert_eq!(found, [(Severity::Fault, about.to_owned(), code.to_owned())], "{place}");
        }
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
            assert_eq!((finding.severity, finding.code.as_str()), (severity, code));
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
            let told = found.first().map(|it| (it.severity, it.code.as_str()));
            assert_eq!(told, expected.map(|(severity, code, _)| (severity, code)));
            let text = expected.map_or("", |(_, _, text)| text);
            assert!(found.len() <= 1 && found.iter().all(|it| it.text.contains(text)), "{found:?}");
        }
    }

    #[test]
    fn what_only_costs_is_advice_in_its_unit() {
        let b_frames = json!([{"about": "b_frames", "costs_ms": 66.7, "pixels": null,
            "text": "the encoder sends B-frames: switch them off"}]);
        let told = BoxStatus::read(&with("/streams/a/advice", b_frames)).expect("readable");
        let [finding] = &findings(&told)[..] else { panic!("one finding") };
        assert_eq!(finding.severity, Severity::Advice);
        assert_eq!(finding.text, "the encoder sends B-frames: switch them off (costs 67 ms)");

        for (place, value, code) in [
            ("/streams/a/dropped", json!(90), "pictures_lost"),
            ("/uplink/outbox_oldest_seconds", json!(60.0), "backlog"),
            ("/clock/courts/0/error_ms", json!(4000), "clock_error"),
            ("/calibration/courts/a/0/drift", json!(-1.2), "calibration_drift"),
            ("/models/bundles/0/reason", json!("takes 9 ms, its budget is 3 ms"), "model_runs_but"),
        ] {
            let found = codes(&with(place, value));
            assert_eq!(found.len(), 1, "{place}");
            assert_eq!((found[0].0, found[0].2.as_str()), (Severity::Advice, code), "{place}");
        }
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
