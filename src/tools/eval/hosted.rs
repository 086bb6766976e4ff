//! A hosted bundle beside one of files: what it says of the attempts that it would be asked about, what that makes
//! of the calls, and what it costs.
//!
//! Each video is played as the box would play it, by the bundle of files. At each final the contact sheet is drawn of
//! what was in memory then, so it shows what a box would send, and no picture from after the decision. Then each is
//! asked, one after the other, within the bundle's cap of a day and its deadline: real money, by a real server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use crate::clock::{Clock, SystemClock};
use crate::config::Secret;
use crate::event::Event;
use crate::game::input::{Called, Input, Standing};
use crate::game::log::{Decided, Entry};
use crate::http::outgoing;
use crate::look::{
    self, Asked, Call as Seen, Cost, Crop, Crops, Hosted, Money, Purse, Ready, Role,
};
use crate::media::{Frame, MediaTime, RimBox};
use crate::router::Pace;
use crate::tools::eval::score::{Call, calls, clopper_pearson, judge};
use crate::tools::eval::truth::{Attempt, SESSION, Video};
use crate::tools::tell::{remark, tell, tell_json};

/// What a final was, and the sheet that a box would have sent of it.
#[derive(Debug)]
pub(super) struct Question {
    t_rim: f64,
    /// Worth it by the bundle's role.
    asked: bool,
    sheet: Option<Vec<u8>>,
}

/// Keeps what is seen round the rims of a video that is played.
#[derive(Debug)]
pub(super) struct Watch {
    pace: Pace,
    crops: Crops,
    rims: Vec<RimBox>,
    role: Role,
    ask_below: u32,
    questions: Vec<Question>,
}

impl Watch {
    fn new(hosted: &Hosted, rims: &[RimBox]) -> Self {
        // A teacher is asked of everything.
        let role = if hosted.role == Role::Teacher { Role::Live } else { hosted.role };
        Self {
            pace: Pace::of(Some(look::RATES)),
            crops: Crops::default(),
            rims: rims.to_vec(),
            role,
            ask_below: hosted.ask_below,
            questions: Vec::new(),
        }
    }

    /// What a box would be asked about, or not.
    pub(super) fn questions(self) -> Vec<Question> {
        self.questions
    }

    /// A picture, shown at `pts`.
    pub(super) fn frame(&mut self, frame: &Frame, pts: MediaTime) {
        if !self.pace.passes(SESSION, pts) {
            return;
        }
        let Ok(picture) = frame.to_cpu() else { return };
        let size = (frame.width, frame.height);
        let of = |rim: &RimBox| Crop::cut(picture, size, rim, pts);
        self.crops.take(SESSION, self.rims.iter().map(of).collect());
    }

    /// What the game decided.
    pub(super) fn decided(&mut self, decided: &[Decided]) {
        for one in decided {
            if let Entry::Input(Input::Final(called)) = &one.entry {
                let question = self.question(called);
                self.questions.extend(question);
            }
        }
    }

    fn question(&self, called: &Called) -> Option<Question> {
        let call = match called.standing {
            Standing::Made => Seen::Made,
            Standing::Missed => Seen::Missed,
            Standing::Unsure => Seen::Unsure,
            Standing::NoShot => return None,
        };
        let crops = self.crops.of_attempt(SESSION, called.rim, called.reached());
        Some(Question {
            t_rim: called.reached().as_secs_f64(),
            asked: look::asked(self.role, call, called.confidence, self.ask_below).is_some(),
            sheet: look::draw(&crops),
        })
    }
}

/// What a hosted bundle came to.
#[derive(Debug, Default)]
struct Came {
    /// Attempts that count.
    attempts: usize,
    /// Called right by the bundle of files alone.
    local_right: usize,
    /// … and with the answers in their places.
    both_right: usize,
    /// Attempts that were asked about: that it would be, and that were called right before and after.
    asked: usize,
    asked_local_right: usize,
    asked_both_right: usize,
    /// Answers: right, wrong, unsure.
    right: usize,
    wrong: usize,
    unsure: usize,
    /// Questions that came to nothing, by why.
    failed: BTreeMap<String, usize>,
    /// Calls of no attempt that were asked about.
    of_none: usize,
    /// All questions.
    questions: usize,
    cost: Money,
    seconds: Vec<f64>,
}

/// Plays a video through the bundle of files: the events, and what was kept of it.
pub(super) type Plays<'a> =
    dyn FnMut(&Video, Watch) -> anyhow::Result<(Vec<Event>, Vec<Question>)> + 'a;

/// Plays, asks and prints.
pub(super) fn run(
    local: &str,
    (hosted, key): (&Hosted, Option<&Secret>),
    videos: &[Video],
    as_json: bool,
    play: &mut Plays<'_>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let clock = SystemClock::new();
    let tls = outgoing::tls(None).map_err(anyhow::Error::msg).context("TLS")?;
    let mut asking = Asking {
        hosted,
        key,
        clock: &clock,
        tls: Arc::new(tls),
        purse: Purse::new(hosted.cap, None),
        is_spent: false,
    };
    let mut came = Came::default();
    for video in videos {
        let (events, questions) = play(video, Watch::new(hosted, &video.rims))?;
        let found = calls(&events);
        came.take(video, &found, &questions, |sheet| runtime.block_on(asking.ask(sheet)));
    }
    if as_json {
        tell_json(&came.json(local, hosted))?;
    } else {
        came.print(local, hosted);
    }
    Ok(())
}

struct Asking<'a> {
    hosted: &'a Hosted,
    key: Option<&'a Secret>,
    clock: &'a SystemClock,
    tls: Arc<rustls::ClientConfig>,
    purse: Purse,
    is_spent: bool,
}

/// What one question came to.
struct Answered {
    says: Result<Seen, String>,
    cost: Money,
    took: Duration,
}

impl Asking<'_> {
    /// Asks about a sheet; nothing once the cap of the day is reached.
    async fn ask(&mut self, sheet: &[u8]) -> Option<Answered> {
        let (hosted, worst) = (self.hosted, self.hosted.worst());
        let ready = Ready::of(hosted, self.key, sheet)?;
        let day = look::day_of(self.clock.utc());
        let Ok(ticket) = self.purse.reserve(day, worst) else {
            if !std::mem::replace(&mut self.is_spent, true) {
                let cap = hosted.cap.as_dollars();
                remark(format_args!(
                    "courtside: `cap_usd_a_day` of ${cap:.2} is reached: no more is asked"
                ));
            }
            return None;
        };
        let began = self.clock.monotonic();
        let Asked { judged, .. } = ready.ask(hosted, self.clock, &self.tls, hosted.deadline).await;
        let took = self.clock.monotonic().since(began);
        let cost = match judged.cost {
            Cost::Exactly(money) => money,
            Cost::Nothing => Money::ZERO,
            Cost::Unknown => worst,
        };
        self.purse.settle(ticket, day, judged.cost);
        let says = judged.says.map_err(|nothing| nothing.word().to_owned());
        Some(Answered { says, cost, took })
    }
}

/// The question about the attempt that a call is of.
fn of_call<'a>(questions: &'a [Question], call: &Call) -> Option<&'a Question> {
    let apart = |question: &Question| (question.t_rim - call.t).abs();
    questions.iter().find(|question| apart(question) < 1e-3 && question.asked)
}

impl Came {
    /// Takes a video in; `ask` is asked about each sheet that is worth it.
    fn take(
        &mut self,
        video: &Video,
        found: &[Call],
        questions: &[Question],
        mut ask: impl FnMut(&[u8]) -> Option<Answered>,
    ) {
        let (score, none) = judge(&video.attempts, found);
        for judged in &score.judged {
            let question = judged.call.as_ref().and_then(|call| of_call(questions, call));
            let sheet = question.and_then(|question| question.sheet.as_deref());
            let answered = sheet.and_then(&mut ask);
            let local = judged.call.and_then(|call| call.made);
            self.attempt(&judged.truth, local, answered.as_ref());
        }
        // A box would be asked about these too, and they cost as much.
        for t in none {
            let question = questions.iter().find(|one| (one.t_rim - t).abs() < 1e-3 && one.asked);
            let sheet = question.and_then(|question| question.sheet.as_deref());
            if let Some(answered) = sheet.and_then(&mut ask) {
                self.of_none += 1;
                self.question(&answered);
            }
        }
    }

    fn question(&mut self, answered: &Answered) {
        self.questions += 1;
        self.cost = self.cost.plus(answered.cost);
        self.seconds.push(answered.took.as_secs_f64());
        if let Err(why) = &answered.says {
            *self.failed.entry(why.clone()).or_default() += 1;
        }
    }

    fn attempt(&mut self, truth: &Attempt, local: Option<bool>, answered: Option<&Answered>) {
        self.attempts += 1;
        let is_right = |made: Option<bool>| made == Some(truth.made);
        let mut both = local;
        if let Some(answered) = answered {
            self.question(answered);
            self.asked += 1;
            self.asked_local_right += usize::from(is_right(local));
            match &answered.says {
                Ok(Seen::Unsure) => self.unsure += 1,
                Ok(said) => {
                    both = Some(*said == Seen::Made);
                    if is_right(both) {
                        self.right += 1;
                    } else {
                        self.wrong += 1;
                    }
                }
                Err(_) => {}
            }
            self.asked_both_right += usize::from(is_right(both));
        }
        self.local_right += usize::from(is_right(local));
        self.both_right += usize::from(is_right(both));
    }

    /// Seconds that so large a share of the answers came within.
    fn within(&self, share: f64) -> Option<f64> {
        let mut seconds = self.seconds.clone();
        seconds.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a small count"
        )]
        let at = (share * seconds.len().saturating_sub(1) as f64).round() as usize;
        seconds.get(at).copied()
    }

    /// Dollars for a thousand of `count`, at what all questions together cost.
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    fn a_thousand(&self, count: usize) -> Option<f64> {
        (count > 0).then(|| self.cost.as_dollars() * 1e3 / count as f64)
    }

    fn json(&self, local: &str, hosted: &Hosted) -> serde_json::Value {
        let of = |k: usize, n: usize| {
            let (low, high) = clopper_pearson(k, n);
            json!({ "n": n, "right": k, "low": low, "high": high })
        };
        json!({
            "bundle": hosted.name, "version": hosted.version, "shape": hosted.shape.word(),
            "model": hosted.model, "prompt": hosted.prompt_hash, "role": hosted.role.word(),
            "beside": local,
            "local": of(self.local_right, self.attempts),
            "with_answers": of(self.both_right, self.attempts),
            "asked": self.asked, "share_asked": share(self.asked, self.attempts),
            "asked_local": of(self.asked_local_right, self.asked),
            "asked_with_answers": of(self.asked_both_right, self.asked),
            "answers": of(self.right, self.right + self.wrong),
            "unsure": self.unsure, "failed": self.failed, "of_no_attempt": self.of_none,
            "questions": self.questions, "cost_usd": self.cost.as_dollars(),
            "usd_per_1000_attempts": self.a_thousand(self.attempts),
            "usd_per_1000_questions": self.a_thousand(self.questions),
            "seconds": { "p50": self.within(0.5), "p90": self.within(0.9), "most": self.within(1.0) },
        })
    }

    fn print(&self, local: &str, hosted: &Hosted) {
        let Hosted { name, version, model, prompt_hash, .. } = hosted;
        let (shape, role) = (hosted.shape.word(), hosted.role.word());
        tell(format_args!(
            "{name} {version} ({shape}, {model}, prompt {prompt_hash}) as {role} beside {local}"
        ));
        let row = |what: &str, k: usize, n: usize| {
            let (low, high) = clopper_pearson(k, n);
            let [share, low, high] = [share(k, n).unwrap_or(0.0), low, high].map(|of| of * 100.0);
            tell(format_args!(
                "  {what:<38} {k:>5} of {n:>5}  {share:5.1} %  ({low:.0}–{high:.0})"
            ));
        };
        row("right, by the bundle of files alone", self.local_right, self.attempts);
        row("right, with the answers", self.both_right, self.attempts);
        row("of those asked, right before", self.asked_local_right, self.asked);
        row("of those asked, right after", self.asked_both_right, self.asked);
        row("answers that say made or missed, right", self.right, self.right + self.wrong);
        row("asked, of all attempts", self.asked, self.attempts);
        let failed: Vec<String> = self.failed.iter().map(|(why, n)| format!("{n} {why}")).collect();
        let failed = if failed.is_empty() { "none".to_owned() } else { failed.join(", ") };
        tell(format_args!(
            "  unsure {}, no answer: {failed}; asked about no attempt: {}",
            self.unsure, self.of_none
        ));
        let dollars = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), |of| format!("${of:.4}"));
        tell(format_args!(
            "  cost {} for {} questions; {} a 1,000 attempts, {} a 1,000 questions (price of {})",
            dollars(Some(self.cost.as_dollars())),
            self.questions,
            dollars(self.a_thousand(self.attempts)),
            dollars(self.a_thousand(self.questions)),
            hosted.price_date
        ));
        let seconds =
            |of: f64| self.within(of).map_or_else(|| "-".to_owned(), |s| format!("{s:.2}"));
        tell(format_args!(
            "  seconds p50 {}, p90 {}, most {}",
            seconds(0.5),
            seconds(0.9),
            seconds(1.0)
        ));
    }
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn share(k: usize, n: usize) -> Option<f64> {
    (n > 0).then(|| k as f64 / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(says: Result<Seen, &str>, nanos: u64) -> Answered {
        let (says, cost) = (says.map_err(str::to_owned), Money::nanos(nanos));
        Answered { says, cost, took: Duration::from_millis(nanos) }
    }

    #[test]
    fn answers_take_the_place_of_calls_and_everything_is_counted_once() {
        let mut came = Came::default();
        let made = Attempt { made: true, ..Attempt::default() };
        // Right and not asked; unsure and mended; wrong and mended; right and spoilt; unsure twice; no answer.
        came.attempt(&made, Some(true), None);
        came.attempt(&made, None, Some(&answered(Ok(Seen::Made), 1_000)));
        came.attempt(&made, Some(false), Some(&answered(Ok(Seen::Made), 2_000)));
        came.attempt(&made, Some(true), Some(&answered(Ok(Seen::Missed), 3_000)));
        came.attempt(&made, None, Some(&answered(Ok(Seen::Unsure), 4_000)));
        came.attempt(&made, Some(true), Some(&answered(Err("prose"), 0)));
        assert_eq!((came.attempts, came.local_right, came.both_right), (6, 3, 4));
        assert_eq!((came.asked, came.asked_local_right, came.asked_both_right), (5, 2, 3));
        assert_eq!((came.right, came.wrong, came.unsure), (2, 1, 1));
        assert_eq!(came.failed, BTreeMap::from([("prose".to_owned(), 1)]));
        assert_eq!((came.questions, came.cost), (5, Money::nanos(10_000)));
        assert_eq!((came.within(0.5), came.within(1.0)), (Some(2.0), Some(4.0)));
        let a_thousand = came.a_thousand(came.questions).expect("some");
        assert!((a_thousand - 10_000.0 / 1e9 * 1e3 / 5.0).abs() < 1e-12);
        assert_eq!(Came::default().within(0.5), None);
    }
}
