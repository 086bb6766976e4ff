//! One rim: from the first sight of a ball there to one decision.
//!
//! ```text
//!             not none,          outcome in         decided *
//!             open_frames        view
//!  ┌─► Quiet ───────────► Open ──────────► Showing ───────────► Settled ─┐
//!  │     ▲                 │ ▲               │ │ provisional, once the    │ none seen, or
//!  │     └─────────────────┘ └───────────────┘ ▼ share is clear           │ a ball comes
//!  │   none again, too long,  the ball is back up                         │
//!  │   or the end                                                         │
//!  └──────────────────────────────────────────────────────────────────────┘
//!  Open ────► Settled   too long after a provisional; or an outcome that no ball led to
//!  Showing ─► Quiet     the end, with less than FINAL_MASS_AT_END weighed
//!
//!  * in final_after_ms, in early_ms if it is clear (early_odds), none again, or the end
//! ```
//!
//! A call is first told in `Showing`; one that was told becomes final in `Open` too, when nothing
//! shows for long. An outcome that comes into view although no picture before it gave *under way*
//! its due (`ball` of the bundle) is no attempt's: a cut, a jolt, a wobble of the model. It is
//! passed over as if it were settled. A ball that comes up again, or still rolls on the ring, has
//! not shown its outcome after all: the attempt is open again, and what was weighed is forgotten. A
//! provisional that was told by then stays told: its final is what shows next, or that call itself
//! when nothing shows for long, and it is taken back when the ring falls quiet or the stream ends.
//! An attempt that never shows an outcome is dropped: nobody was told of it.

use crate::answer::{DecisionParameters, ODDS_AT_MOST, RimProbabilities};
use crate::media::MediaTime;

/// An outcome is in view when its classes hold at least half.
const IN_VIEW: f32 = 0.5;
/// The outcome shows so long after the ball reached the ring: median of 28 attempts of the truth
/// files of `streams/` and `videos/`, where it ran from 0.03 to 0.73 s.
const RING_BEFORE_OUTCOME_MS: i64 = 130;
/// An outcome that shows longer after the opening than this is that of a ball that stayed at the ring …
const LONG_AT_RING_MS: i64 = 600;
/// … which it reached so long after the opening (both by `models/train/decide.py` on rendered attempts).
const RING_AFTER_OPENING_MS: i64 = 300;
/// Two attempts lie at least so far apart; a rebound put back takes longer.
const APART_MS: i64 = 700;
/// An open attempt without an outcome is given up after so long: no ball stays at a ring.
const OPEN_AT_MOST_MS: i64 = 4_000;
/// Pictures of none in a row after which an outcome in view is over.
const QUIET_ENDS_SHOWING: u32 = 3;
/// Pictures of none in a row after which an open attempt was none.
const QUIET_ENDS_OPEN: u32 = 5;
/// A ball that came up again shows its outcome within so long of reaching the ring, or what was
/// told of it stands (chosen; in the truth files no outcome comes later than 0.73 s).
const BACK_UP_AT_MOST_MS: i64 = 2_000;
/// An outcome in view that is a ball under way after all.
const BACK_UP: f32 = 0.5;
/// Why a call is taken back: no outcome followed.
const NO_OUTCOME: &str = "no_outcome";
/// Why a call is taken back: nothing more will be seen.
const STREAM_ENDED: &str = "stream_ended";
/// Pictures' worth of outcome before a provisional call.
const PROVISIONAL_MASS: f32 = 2.0;
/// Pictures' worth of outcome that make a final when the stream ends before its time.
const FINAL_MASS_AT_END: f32 = 4.0;

/// How it came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Through the ring.
    Made,
    /// Not.
    Missed,
}

/// A decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Call {
    /// `None`: the model abstains.
    pub(super) outcome: Option<Outcome>,
    /// Share of the outcome, of both, over the pictures weighed: 0.5 to 1.
    pub(super) share: f32,
    /// Mean log-odds of made over them, before any shift.
    pub(super) odds: f32,
    /// When the ball reached the ring; the same in every call of an attempt.
    pub(super) reached: MediaTime,
}

/// What there is to tell of an attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Ruling {
    /// A first call; a final or nothing follows.
    Provisional(Call),
    /// The call; nothing follows.
    Final(Call),
    /// What was told is taken back, for that reason.
    TakenBack(&'static str),
}

/// What can be seen at the rim.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look {
    /// A picture that the model answered.
    Picture(MediaTime, RimProbabilities),
    /// A picture, but the model is warming: time goes on.
    Unclear(MediaTime),
    /// No picture will come any more.
    End,
}

/// How answers become a call: by the bundle, and by what was learnt of this rim.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    /// The bundle's thresholds.
    pub(super) by: &'a DecisionParameters,
    /// Added to the mean log-odds before anything is made of them; the same for all of an attempt.
    pub(super) shift: f32,
}

/// The state of one rim.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Attempt {
    /// Nothing at the ring, but for `run` pictures in a row that are not none.
    Quiet {
        /// Counts up to `open_frames`.
        run: u32,
        /// The most that *under way* was given since none led.
        ball: f32,
        /// When the ball of the last attempt reached the ring.
        last: Option<MediaTime>,
    },
    /// Something comes to the ring; no outcome was in view.
    Open {
        /// When it opened.
        since: MediaTime,
        /// As in `Quiet`.
        ball: f32,
        /// Pictures of none in a row.
        quiet: u32,
        /// As in `Quiet`.
        last: Option<MediaTime>,
        /// The provisional call, if one was told already.
        told: Option<Call>,
    },
    /// An outcome came into view and is weighed.
    Showing(Weighing),
    /// Decided, or an outcome came into view that no ball led to: the picture jumped, say. It may
    /// stay in view; nothing opens until none is seen, or a ball comes.
    Settled {
        /// When the ball of the last attempt reached the ring.
        last: Option<MediaTime>,
    },
}

impl Default for Attempt {
    fn default() -> Self {
        Self::Quiet { run: 0, ball: 0.0, last: None }
    }
}

/// An outcome in view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Weighing {
    /// When the attempt opened.
    opened: MediaTime,
    /// As in `Open`.
    ball: f32,
    /// The first picture of the outcome.
    since: MediaTime,
    /// When the ball reached the ring.
    reached: MediaTime,
    /// Sum of p(made) + p(missed).
    mass: f32,
    /// Sum of the log-odds of made, each picture's by its mass.
    evidence: f32,
    /// Pictures of none in a row.
    quiet: u32,
    /// The provisional call, if one was told.
    told: Option<Call>,
    /// When the ball of the attempt before reached the ring.
    last: Option<MediaTime>,
}

/// Returns the next state, and what there is to tell.
///
/// At most one final an attempt: a final always leads to `Settled` (DESIGN §5.5).
pub(super) fn step(now: Attempt, seen: Look, rules: Rules<'_>) -> (Attempt, Option<Ruling>) {
    use Attempt::{Open, Quiet, Settled, Showing};
    match (now, seen) {
        (Quiet { run, ball, last }, Look::Picture(at, p)) => {
            let run = if 1.0 - p.none >= rules.by.open { run + 1 } else { 0 };
            let ball = if p.none >= IN_VIEW { p.under_way } else { ball.max(p.under_way) };
            if run >= rules.by.open_frames.max(1) {
                opened(Open { since: at, ball, quiet: 0, last, told: None }, at, p, rules)
            } else {
                (Quiet { run, ball, last }, None)
            }
        }
        (Quiet { last, .. }, Look::Unclear(_) | Look::End) => {
            (Quiet { run: 0, ball: 0.0, last }, None)
        }
        (Open { .. }, Look::Picture(at, p)) => opened(now, at, p, rules),
        (Open { since, last, told, .. }, Look::Unclear(at)) if too_long(since, told, at) => {
            timed_out(last, told)
        }
        (Open { .. }, Look::Unclear(_)) => (now, None),
        (Open { last, told, .. }, Look::End) => given_up(last, told, STREAM_ENDED),
        (Showing(weighing), Look::Picture(_, p)) if p.under_way >= BACK_UP => {
            (weighing.with(p).reopened(), None)
        }
        (Showing(weighing), Look::Picture(at, p)) => weighing.with(p).judged(at, rules),
        (Showing(weighing), Look::Unclear(at)) => weighing.judged(at, rules),
        (Showing(weighing), Look::End) if weighing.mass >= FINAL_MASS_AT_END => {
            weighing.over(rules)
        }
        (Showing(weighing), Look::End) => given_up(weighing.last, weighing.told, STREAM_ENDED),
        (Settled { last }, Look::Picture(_, p))
            if p.none >= IN_VIEW || p.under_way > p.made + p.missed =>
        {
            let run = u32::from(1.0 - p.none >= rules.by.open);
            (Quiet { run, ball: p.under_way, last }, None)
        }
        (Settled { .. }, Look::Picture(..) | Look::Unclear(_) | Look::End) => (now, None),
    }
}

/// An open attempt sees a picture.
fn opened(
    now: Attempt,
    at: MediaTime,
    p: RimProbabilities,
    rules: Rules<'_>,
) -> (Attempt, Option<Ruling>) {
    let Attempt::Open { since, ball, quiet, last, told } = now else { return (now, None) };
    let ball = ball.max(p.under_way);
    // First of all: after a gap the outcome in view is that of another ball.
    if too_long(since, told, at) {
        return timed_out(last, told);
    }
    if p.made + p.missed >= IN_VIEW && told.is_none() && ball < rules.by.ball {
        return (Attempt::Settled { last }, None);
    }
    if p.made + p.missed >= IN_VIEW {
        // A ball that came up again reached the ring when it did so first.
        let reached = match told {
            Some(call) => call.reached,
            None if older(since, at, LONG_AT_RING_MS + 1) => {
                since.plus_nanos(RING_AFTER_OPENING_MS * 1_000_000)
            }
            None => at.plus_nanos(-RING_BEFORE_OUTCOME_MS * 1_000_000),
        };
        let weighing = Weighing {
            opened: since,
            ball,
            since: at,
            reached,
            mass: 0.0,
            evidence: 0.0,
            quiet: 0,
            told,
            last,
        };
        return weighing.with(p).judged(at, rules);
    }
    let quiet = if p.none >= IN_VIEW { quiet + 1 } else { 0 };
    if quiet >= QUIET_ENDS_OPEN {
        given_up(last, told, NO_OUTCOME)
    } else {
        (Attempt::Open { since, ball, quiet, last, told }, None)
    }
}

/// No outcome came: nothing is at the ring, and what was told is taken back.
fn given_up(
    last: Option<MediaTime>,
    told: Option<Call>,
    reason: &'static str,
) -> (Attempt, Option<Ruling>) {
    let last = told.map(|call| call.reached).or(last);
    (Attempt::Quiet { run: 0, ball: 0.0, last }, told.map(|_| Ruling::TakenBack(reason)))
}

/// True when no outcome can come any more that belongs to this attempt.
fn too_long(since: MediaTime, told: Option<Call>, at: MediaTime) -> bool {
    match told {
        Some(call) => older(call.reached, at, BACK_UP_AT_MOST_MS),
        None => older(since, at, OPEN_AT_MOST_MS),
    }
}

/// It took too long: what was told stands, since nothing came to say otherwise.
fn timed_out(last: Option<MediaTime>, told: Option<Call>) -> (Attempt, Option<Ruling>) {
    match told {
        Some(call) => (Attempt::Settled { last: Some(call.reached) }, Some(Ruling::Final(call))),
        None => (Attempt::Quiet { run: 0, ball: 0.0, last }, None),
    }
}

impl Weighing {
    /// Weighs one more picture.
    fn with(self, p: RimProbabilities) -> Self {
        // Keeps the logarithm finite; a softmax can say exactly 0.
        const LEAST: f32 = 1e-9;
        let known = p.made + p.missed;
        let odds =
            ((p.made + LEAST).ln() - (p.missed + LEAST).ln()).clamp(-ODDS_AT_MOST, ODDS_AT_MOST);
        Self {
            mass: self.mass + known,
            evidence: known.mul_add(odds, self.evidence),
            quiet: if p.none >= IN_VIEW { self.quiet + 1 } else { 0 },
            ..self
        }
    }

    /// Decides, if it is time to.
    fn judged(self, at: MediaTime, rules: Rules<'_>) -> (Attempt, Option<Ruling>) {
        let by = rules.by;
        let clear = self.odds_by(rules).abs() >= by.early_odds;
        let early = clear && older(self.since, at, by.early_ms.into());
        let late = older(self.since, at, by.final_after_ms.into());
        if early || late || self.quiet >= QUIET_ENDS_SHOWING {
            return self.over(rules);
        }
        let call = self.call(rules);
        let clear = self.mass >= PROVISIONAL_MASS && call.share >= by.provisional;
        if clear && self.told.is_none() && self.echo_of().is_none() {
            let told = Some(call);
            return (Attempt::Showing(Self { told, ..self }), Some(Ruling::Provisional(call)));
        }
        (Attempt::Showing(self), None)
    }

    /// The final. An echo leaves the attempt that it echoes where it was.
    fn over(self, rules: Rules<'_>) -> (Attempt, Option<Ruling>) {
        if let Some(last) = self.echo_of() {
            return (Attempt::Settled { last: Some(last) }, None);
        }
        let mut call = self.call(rules);
        if self.odds_by(rules).abs() < rules.by.unsure {
            call.outcome = None;
        }
        (Attempt::Settled { last: Some(self.reached) }, Some(Ruling::Final(call)))
    }

    /// The ball is back up: what was weighed was no outcome.
    const fn reopened(self) -> Attempt {
        let Self { opened, ball, quiet, last, told, .. } = self;
        Attempt::Open { since: opened, ball, quiet, last, told }
    }

    /// The attempt before, if this is the same ball, seen again too soon. Ruling to nobody.
    fn echo_of(self) -> Option<MediaTime> {
        self.last.filter(|last| self.told.is_none() && !older(*last, self.reached, APART_MS))
    }

    /// Mean log-odds of made. The mean, not the sum: pictures of one attempt are no independent
    /// witnesses, and a sum would call every share 1.
    fn odds(self) -> f32 {
        self.evidence / self.mass.max(1e-6)
    }

    /// With what was learnt of this rim.
    fn odds_by(self, rules: Rules<'_>) -> f32 {
        self.odds() + rules.shift
    }

    fn call(self, rules: Rules<'_>) -> Call {
        let odds = self.odds_by(rules);
        let outcome = if odds > 0.0 { Outcome::Made } else { Outcome::Missed };
        Call {
            outcome: Some(outcome),
            share: 1.0 / (1.0 + (-odds.abs()).exp()),
            odds: self.odds(),
            reached: self.reached,
        }
    }
}

/// True when `at` is `ms` or more after `since`.
fn older(since: MediaTime, at: MediaTime, ms: i64) -> bool {
    at.nanos_since(since) >= ms.saturating_mul(1_000_000)
}

#[cfg(test)]
mod vectors;

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(text: &str) -> Vec<(MediaTime, Option<Ruling>, Attempt)> {
        let by = DecisionParameters::default();
        let mut now = Attempt::default();
        let mut seen = Vec::new();
        for (n, c) in (0..).zip(text.chars()) {
            let at = MediaTime::from_millis(n * 33);
            let p =
                |none, under_way, made, missed| RimProbabilities { none, under_way, made, missed };
            let look = match c {
                '.' => Look::Picture(at, p(0.94, 0.02, 0.02, 0.02)),
                'u' => Look::Picture(at, p(0.05, 0.85, 0.05, 0.05)),
                'm' => Look::Picture(at, p(0.02, 0.05, 0.88, 0.05)),
                'x' => Look::Picture(at, p(0.02, 0.05, 0.05, 0.88)),
                '?' => Look::Picture(at, p(0.02, 0.06, 0.46, 0.46)),
                ' ' => continue,
                'w' => Look::Unclear(at),
                '|' => Look::End,
                other => panic!("{other}"),
            };
            let (next, told) = step(now, look, Rules { by: &by, shift: 0.0 });
            now = next;
            seen.push((at, told, now));
        }
        seen
    }

    /// What was told, as letters: p/f for provisional and final, then m, x or ?; 0 for nothing.
    fn told(text: &str) -> String {
        let word = |call: Call| match call.outcome {
            Some(Outcome::Made) => "m",
            Some(Outcome::Missed) => "x",
            None => "?",
        };
        looks(text)
            .into_iter()
            .filter_map(|(_, told, _)| told)
            .map(|told| match told {
                Ruling::Provisional(call) => format!("p{}", word(call)),
                Ruling::Final(call) => format!("f{}", word(call)),
                Ruling::TakenBack(reason) => reason.to_owned(),
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn attempts_and_what_is_told_of_them() {
        let rolling = format!("...uuuuxxxx{}mmmmmmmmmmmmm...", "u".repeat(70));
        let lossy = format!("...uuuuxxxxuu{}uummmmmmmmmmmmm...", " ".repeat(70));
        for (seen, expected) in [
            ("..............", ""),
            ("...u..........", ""),
            ("...uuuu.......", ""),
            ("...uuuummmmmmmmmmmmmmmm....", "pm fm"),
            ("...uuuuxxxxxxxxxxxxxxxx....", "px fx"),
            // Too short for a provisional, long enough to be an outcome.
            ("...uuuum....", "fm"),
            // The first sight was wrong.
            ("...uuuuxxxmmmmmmmmmmmmmmm....", "px fm"),
            // The ball bounces on the ring: what showed was no outcome.
            ("...uuuuxxuuuuummmmmmmmmmmmmmm....", "pm fm"),
            ("...uuuuxxxxuuuuummmmmmmmmmmmmmm....", "px fm"),
            ("...uuuuxxxxuuuuu......", "px no_outcome"),
            ("...uuuuxxxxuuuuu|", "px stream_ended"),
            ("...uuuuxxuuuuu......", ""),
            // It rolls for too long, or pictures were lost: what was told stands, and the next ball
            // has its own attempt.
            (rolling.as_str(), "px fx pm fm"),
            (lossy.as_str(), "px fx pm fm"),
            // None flickers while the outcome stays in view.
            ("...uuuummmmmmmmmmmmmmmm..mmmm....", "pm fm"),
            // A put-back.
            ("...uuuuxxxxxxxxxxxxxxxxxxuuuuuuuuummmmmmmmmmmmmm...", "px fx pm fm"),
            // Two outcomes in view too soon after each other: one ball.
            ("...uuuuxxxxxxxxxxxx.uuxxxxxxxxxxxxxx....", "px fx"),
            // An outcome without a ball before it, at the start of a stream.
            ("mmmmmmmmmmmmmmmmmm....", "pm fm"),
            // The stream ends: early, late, and before anything was told.
            ("...uuuummm|", "pm stream_ended"),
            ("...uuuummmmmm|", "pm fm"),
            ("...uuuum|", ""),
            ("...uuuu|", ""),
            // The model warms up after a gap; time goes on.
            ("...uuuummmwwwwwwwwwwwwwwww", "pm fm"),
            ("...uuuuwwww....", ""),
        ] {
            assert_eq!(told(seen), expected, "{seen}");
        }
    }

    #[test]
    fn a_ball_that_never_shows_an_outcome_is_given_up() {
        let long = "u".repeat(200);
        assert_eq!(told(&long), "");
        assert!(looks(&long).iter().any(|(_, _, now)| matches!(now, Attempt::Quiet { .. })));
    }

    #[test]
    fn the_final_comes_as_soon_after_the_outcome_as_the_bundle_says() {
        let seen = looks("...uuuummmmmmmmmmmmmmmm");
        let decided = seen.iter().find(|(_, told, _)| matches!(told, Some(Ruling::Final(_))));
        let (at, ..) = decided.expect("a final");
        // Frame 7 is the first of the outcome; 350 ms is 10.6 frames.
        assert_eq!(at.nanos_since(MediaTime::from_millis(7 * 33)), 11 * 33_000_000);
    }

    #[test]
    fn a_clear_outcome_is_final_early_and_one_that_wavers_is_not() {
        let by =
            DecisionParameters { early_ms: 230, early_odds: 3.0, ..DecisionParameters::default() };
        let decided = |made: f32, missed: f32| {
            let mut now = Attempt::default();
            let says = RimProbabilities { none: 0.02, under_way: 0.03, made, missed };
            (0..40).find(|n| {
                let at = MediaTime::from_millis(n * 33);
                let (next, told) =
                    step(now, Look::Picture(at, says), Rules { by: &by, shift: 0.0 });
                now = next;
                matches!(told, Some(Ruling::Final(_)))
            })
        };
        // It opens and shows at the second picture; 230 ms are 7 more, 350 ms 11.
        assert_eq!(decided(0.93, 0.02), Some(1 + 7));
        assert_eq!(decided(0.60, 0.35), Some(1 + 11));
    }

    #[test]
    fn a_ball_that_stays_at_the_ring_reached_it_soon_after_it_came() {
        let reached = |text: &str| {
            let told = looks(text).into_iter().filter_map(|(_, told, _)| told).next_back();
            let Some(Ruling::Final(call)) = told else { panic!("{told:?}") };
            call.reached
        };
        // Opened at the fifth picture, 132 ms.
        let short = reached("...uuuummmmmmmmmmmmmmmm");
        assert_eq!(short, MediaTime::from_millis(7 * 33 - RING_BEFORE_OUTCOME_MS));
        let long = reached(&format!("...{}mmmmmmmmmmmmmmmm", "u".repeat(30)));
        assert_eq!(long, MediaTime::from_millis(4 * 33 + RING_AFTER_OPENING_MS));
    }

    #[test]
    fn an_outcome_that_no_ball_led_to_is_passed_over() {
        let by = DecisionParameters { ball: 0.1, ..DecisionParameters::default() };
        let calls = |text: &str| {
            let mut now = Attempt::default();
            let mut calls = 0;
            for (n, look) in (0..).zip(text.chars()) {
                let says = match look {
                    'u' => {
                        RimProbabilities { none: 0.05, under_way: 0.85, made: 0.05, missed: 0.05 }
                    }
                    'x' => {
                        RimProbabilities { none: 0.02, under_way: 0.05, made: 0.05, missed: 0.88 }
                    }
                    _ => RimProbabilities { none: 0.94, under_way: 0.02, made: 0.02, missed: 0.02 },
                };
                let seen = Look::Picture(MediaTime::from_millis(n * 33), says);
                let (next, told) = step(now, seen, Rules { by: &by, shift: 0.0 });
                now = next;
                calls += u32::from(matches!(told, Some(Ruling::Final(_))));
            }
            calls
        };
        assert_eq!(calls("......xxxxxxxxxxxxxxxx....."), 0);
        assert_eq!(calls("....uuxxxxxxxxxxxxxxxx....."), 1);
        // The real ball comes while the wobble still shows, or after it.
        assert_eq!(calls("......xxxxxxuuuuxxxxxxxxxxxxxxxx....."), 1);
        assert_eq!(calls("......xxxxxx....uuuuxxxxxxxxxxxxxxxx....."), 1);
    }

    #[test]
    fn unsure_is_what_the_bundle_calls_so() {
        let by = DecisionParameters { unsure: 0.2, ..DecisionParameters::default() };
        let mut now = Attempt::default();
        let mut calls = Vec::new();
        for n in 0..40 {
            let says = RimProbabilities { none: 0.02, under_way: 0.08, made: 0.46, missed: 0.44 };
            let (next, told) = step(
                now,
                Look::Picture(MediaTime::from_millis(n * 33), says),
                Rules { by: &by, shift: 0.0 },
            );
            now = next;
            calls.extend(told);
        }
        let [Ruling::Final(call)] = calls[..] else { panic!("{calls:?}") };
        assert_eq!(call.outcome, None);
    }

    #[test]
    fn a_shift_moves_the_cut_the_band_of_unsure_and_the_early_final_alike() {
        let by = DecisionParameters {
            unsure: 0.2,
            early_ms: 230,
            early_odds: 3.0,
            ..DecisionParameters::default()
        };
        // The final of an outcome with these odds, its share, and at which picture it came.
        let called = |odds: f32, shift: f32| {
            let made = 0.96 / (1.0 + (-odds).exp());
            let says = RimProbabilities { none: 0.02, under_way: 0.02, made, missed: 0.96 - made };
            let mut now = Attempt::default();
            for n in 0..40 {
                let seen = Look::Picture(MediaTime::from_millis(n * 33), says);
                let (next, told) = step(now, seen, Rules { by: &by, shift });
                now = next;
                if let Some(Ruling::Final(call)) = told {
                    assert!((call.odds - odds).abs() < 0.01, "kept without the shift: {call:?}");
                    return (call.outcome, (call.share * 100.0).round(), n);
                }
            }
            panic!("no final");
        };
        let (made, missed) = (Some(Outcome::Made), Some(Outcome::Missed));
        assert_eq!(called(0.5, 0.0), (made, 62.0, 12));
        assert_eq!(called(0.5, -0.4), (None, 52.0, 12));
        assert_eq!(called(0.5, -1.0), (missed, 62.0, 12));
        assert_eq!(called(2.7, 0.0), (made, 94.0, 12));
        assert_eq!(called(2.7, 0.5), (made, 96.0, 8));
    }
}
