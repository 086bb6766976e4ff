//! What one look says of each check (pure).
//!
//! What is wrong is a finding of `doctor`, in its words: here stands only which finding keeps which check
//! from being passed, and what shows that it is passed. So whoever reads the checks and whoever asks
//! `doctor` reads the same sentence.
//!
//! Of what merely costs latency only B-frames fail a check: they delay every call by a picture or more,
//! and whoever stands at the camera switches them off in a minute. Long key intervals, bursts and low bit
//! rates are told as advice, and fail none: some cameras cannot do better, and the calls are right. Nor does
//! a picture that stands still, which an empty hall is too where the encoder sends no noise: it is told
//! beside the check that is passed.

use crate::event::box_status::{BoxStatus, CourtStatus};
use crate::event::catalogue::Code;
use crate::event::service::{CheckTold, Vouched};
use crate::event::state::{ModelState, ModelsState, StreamState};
use crate::event::words::{CheckName, CheckWord, ModelCondition, ModelRole, StreamCondition};
use crate::health::advice::TINY_RING_PX;
use crate::health::doctor::{Finding, Severity};
use crate::media::Foreign;

/// Findings of a court that stand beside a check which they do not fail.
const STILL: &[&str] = &["frozen"];
/// Findings of a court that fail a check.
const CAMERA: &[&str] = &["stalled", "wrong_key", "wrong_app", "wrong_protocol", "b_frames"];
const RIM: &[&str] = &["camera_moved", "rim_outside", "rim_aspect"];
const WIDTH: &[&str] = &["tiny_ring"];
const MODEL: &[&str] = &["no_answers"];
const CLOCK: &[&str] = &["implausible"];
/// Pictures in after which one should have come out of the decoder: ten seconds of 30 a second (chosen:
/// the longest distance of key frames that is not refused is shorter).
const PICTURES_PATIENCE: u64 = 300;

/// What one look says of one check.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Verdict {
    pub(super) check: CheckName,
    pub(super) state: CheckWord,
    figure: Option<String>,
    code: Option<String>,
    text: Option<String>,
    todo: Option<String>,
}

impl Verdict {
    fn passed(check: CheckName, figure: impl Into<Option<String>>) -> Self {
        Self { check, state: CheckWord::Passed, figure: figure.into(), ..Self::default() }
    }

    fn failed(check: CheckName, text: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { state: CheckWord::Failed, ..Self::waiting(check, text, todo) }
    }

    fn waiting(check: CheckName, text: impl Into<String>, todo: impl Into<String>) -> Self {
        let todo = Some(todo.into()).filter(|todo| !todo.is_empty());
        Self { check, state: CheckWord::Waiting, text: Some(text.into()), todo, ..Self::default() }
    }

    fn of(check: CheckName, state: CheckWord, finding: &Finding) -> Self {
        let (code, text) = (Some(finding.code.word().to_owned()), finding.text.clone());
        Self { state, code, ..Self::waiting(check, text, finding.todo.clone()) }
    }

    pub(super) fn is_passed(&self) -> bool {
        self.state == CheckWord::Passed
    }

    pub(super) fn told(self, since: Option<String>) -> CheckTold {
        let Self { check, state, figure, code, text, todo } = self;
        let [figure, code, text, todo] =
            [figure, code, text, todo].map(|text| text.map(Foreign::told));
        CheckTold { check, state, since, figure, code, text, todo }
    }
}

/// What is known of one court.
#[derive(Debug)]
pub(super) struct Court<'a> {
    pub(super) name: &'a str,
    pub(super) status: &'a CourtStatus,
    /// There is a picture of it.
    pub(super) decoded: bool,
    pub(super) models: &'a ModelsState,
    pub(super) found: &'a [Finding],
    /// Who looked at its rims.
    pub(super) confirmed: Option<&'a Vouched>,
    /// What changed since then.
    pub(super) stale: Option<&'a str>,
}

/// That a court's camera was bumped, where that is found.
pub(super) fn moved<'a>(court: &str, found: &'a [Finding]) -> Option<&'a Finding> {
    first(found, &format!("court {court}"), &["camera_moved"])
}

fn first<'a>(found: &'a [Finding], about: &str, codes: &[&str]) -> Option<&'a Finding> {
    found.iter().find(|finding| finding.about == about && codes.contains(&finding.code.word()))
}

/// The five checks of a court, in the order in which they can be passed.
pub(super) fn of_court(court: &Court<'_>) -> Vec<Verdict> {
    vec![court.camera(), court.decodes(), court.rim(), court.width(), court.model()]
}

/// The two checks of the whole box.
pub(super) fn of_box(status: &BoxStatus, found: &[Finding]) -> Vec<Verdict> {
    vec![broker(status, found), clock(found)]
}

impl Court<'_> {
    fn stream(&self) -> &StreamState {
        &self.status.stream
    }

    fn is_live(&self) -> bool {
        self.stream().condition == StreamCondition::Live
    }

    fn failed(&self, check: CheckName, codes: &[&str]) -> Option<Verdict> {
        let finding = first(self.found, &format!("court {}", self.name), codes)?;
        Some(Verdict::of(check, CheckWord::Failed, finding))
    }

    /// What keeps the court from being called at all, where no check before `check` names it.
    fn fault(&self, check: CheckName) -> Option<Verdict> {
        let fault = self.stream().fault.as_ref()?;
        let todo = "`courtside doctor` and the end of the log say what else was seen of it";
        let told = Verdict::failed(check, fault.as_str(), todo);
        Some(Verdict { code: Some("no_calls".to_owned()), ..told })
    }

    fn camera(&self) -> Verdict {
        let check = CheckName::Camera;
        if let Some(failed) = self.failed(check, CAMERA) {
            return failed;
        }
        if self.is_live() {
            return Verdict::passed(check, figure(self.stream()));
        }
        // A camera that may not publish says why; one that has never come is waited for.
        let tried = self.stream().fault.as_ref().filter(|_| !self.status.rims.is_empty());
        if let Some(failed) = tried.and_then(|_| self.fault(check)) {
            return failed;
        }
        let none = first(self.found, &format!("court {}", self.name), &["no_publisher"]);
        none.map_or_else(
            || Verdict::waiting(check, "no camera publishes", ""),
            |finding| Verdict::of(check, CheckWord::Waiting, finding),
        )
    }

    fn decodes(&self) -> Verdict {
        let check = CheckName::Decodes;
        if self.decoded {
            let decoder = self.stream().decoder.as_ref().map(ToString::to_string);
            let still = first(self.found, &format!("court {}", self.name), STILL);
            return match still {
                Some(still) => {
                    Verdict { figure: decoder, ..Verdict::of(check, CheckWord::Passed, still) }
                }
                None => Verdict::passed(check, decoder),
            };
        }
        if !self.is_live() {
            return Verdict::waiting(check, "waits for a camera that publishes", "");
        }
        if !self.status.rims.is_empty()
            && let Some(failed) = self.fault(check)
        {
            return failed;
        }
        if self.stream().pictures < PICTURES_PATIENCE {
            return Verdict::waiting(check, "waits for the first key frame", "");
        }
        let text =
            format!("{} pictures came, and none came out of the decoder", self.stream().pictures);
        let todo = "restart the camera's stream; if that does not help, set it to H.264, profile High, \
                    4:2:0, 8 bits, progressive";
        Verdict::failed(check, text, todo)
    }

    fn rim(&self) -> Verdict {
        let check = CheckName::Rim;
        if let Some(failed) = self.failed(check, RIM) {
            return failed;
        }
        let todo = format!(
            "on the page, at court {0}: Confirm rims, Find the ring, look at the picture, Confirm; or `courtside command \
             service_check court={0} --picture seen.jpg`, look at it, then `courtside command service_confirm court={0} \
             'rims=[[X,Y,WIDTH,HEIGHT]]' who=YOU` with the rims that it told",
            self.name
        );
        if self.status.rims.is_empty() {
            return Verdict::waiting(check, "no rim is drawn", todo);
        }
        let Some(confirmed) = self.confirmed else {
            let text = "nobody has looked yet whether its rims are where the rings are";
            return Verdict::waiting(check, text, todo);
        };
        if let Some(changed) = self.stale {
            return Verdict::waiting(check, changed, todo);
        }
        let when = confirmed.time.as_deref().map_or_else(String::new, |time| format!(", {time}"));
        Verdict::passed(check, format!("confirmed by {}{when}", confirmed.who))
    }

    fn width(&self) -> Verdict {
        let check = CheckName::Width;
        let widths = &self.stream().ring_px;
        let told = widths.iter().map(|width| format!("{width:.0}")).collect::<Vec<_>>().join(", ");
        let figure = (!widths.is_empty()).then(|| format!("{told} pixels"));
        if let Some(failed) = self.failed(check, WIDTH) {
            return Verdict { figure, ..failed };
        }
        let Some(least) = widths.iter().copied().min_by(f64::total_cmp) else {
            return Verdict::waiting(check, "waits for a picture with a rim in it", "");
        };
        if least >= TINY_RING_PX {
            return Verdict::passed(check, figure);
        }
        let text = format!(
            "a ring is {least:.0} pixels wide, and calls cannot be relied on below {TINY_RING_PX:.0}"
        );
        let failed = Verdict::failed(check, text, Code::TinyRing.todo());
        Verdict { figure, ..failed }
    }

    fn model(&self) -> Verdict {
        let check = CheckName::Model;
        let models = &self.models.bundles;
        let live = models.iter().find(|model| model.role == Some(ModelRole::Live));
        let Some(live) = live.or(models.first()) else {
            let none = first(self.found, "models", &["no_model"]);
            return none.map_or_else(
                || Verdict::waiting(check, "no model decides", ""),
                |finding| Verdict::of(check, CheckWord::Failed, finding),
            );
        };
        let about = format!("model {}", live.name);
        let mut of_it = self.found.iter().filter(|finding| finding.about == about);
        if live.condition == ModelCondition::Loading {
            return Verdict::waiting(check, "the model is being loaded", "");
        }
        if live.over_budget
            && let Some(slow) = of_it.clone().find(|finding| finding.code == Code::ModelRunsBut)
        {
            return Verdict { figure: took(live), ..Verdict::of(check, CheckWord::Failed, slow) };
        }
        if let Some(fault) = of_it.find(|finding| finding.severity == Severity::Fault) {
            return Verdict::of(check, CheckWord::Failed, fault);
        }
        if !self.decoded || self.status.rims.is_empty() {
            return Verdict::waiting(check, "waits for a picture with a rim in it", "");
        }
        if let Some(failed) = self.failed(check, MODEL).or_else(|| self.fault(check)) {
            return failed;
        }
        if self.stream().answers == 0 {
            return Verdict::waiting(check, "waits for the first answer", "");
        }
        let took = took(live).map_or_else(String::new, |took| format!(", {took}"));
        Verdict::passed(check, format!("{} answers of {}{took}", self.stream().answers, live.name))
    }
}

fn took(model: &ModelState) -> Option<String> {
    model.inference_ms.map(|ms| format!("{ms:.1} ms a picture and rim"))
}

/// `H.264 1280x720 at 30.0 fps, 4100 kbit/s`.
fn figure(stream: &StreamState) -> Option<String> {
    let (width, height) = stream.width.zip(stream.height)?;
    let mut told = format!("{} {width}x{height}", stream.codec.as_deref().unwrap_or("video"));
    if let Some(fps) = stream.fps {
        told.push_str(&format!(" at {fps:.1} fps"));
    }
    if let Some(kbps) = stream.bitrate_kbps {
        told.push_str(&format!(", {kbps:.0} kbit/s"));
    }
    Some(told)
}

fn broker(status: &BoxStatus, found: &[Finding]) -> Verdict {
    let check = CheckName::Broker;
    let Some(uplink) = &status.uplink else {
        return Verdict::waiting(check, "the outbox is being opened", "");
    };
    // Whatever is wrong with the link; that much waits is no fault of who sets a court up.
    let in_the_way = |finding: &&Finding| {
        finding.about == "broker"
            && finding.severity == Severity::Fault
            && !matches!(finding.code, Code::Shed | Code::OutboxFilling)
    };
    if let Some(finding) = found.iter().find(in_the_way) {
        // Before the first answer nothing is wrong yet.
        let begins = finding.code == Code::NotConnected && uplink.fault.is_none();
        let state = if begins { CheckWord::Waiting } else { CheckWord::Failed };
        return Verdict::of(check, state, finding);
    }
    if !uplink.acknowledges {
        let text = "connected, and nothing that was sent is acknowledged yet";
        let todo = "if it stays so: does the broker answer QoS 1 with PUBACKs, and may this user publish \
                    below courtside/1/{box}/?";
        return Verdict::waiting(check, text, todo);
    }
    let waiting = uplink.state.outbox_events;
    Verdict::passed(check, (waiting > 0).then(|| format!("{waiting} events wait")))
}

fn clock(found: &[Finding]) -> Verdict {
    first(found, "clock", CLOCK).map_or_else(
        || Verdict::passed(CheckName::Clock, None),
        |finding| Verdict::of(CheckName::Clock, CheckWord::Failed, finding),
    )
}
