//! The whole game, played from recorded and from made-up answers.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::event::{FactId, Family, Saying};

const SESSION: &str = "00000000000000aa";

fn court() -> CourtId {
    CourtId::new("a").expect("a name")
}

/// A recording of one rim at 30 fps: `.` none, `u` under way, `m` made, `x` missed, `|` the end.
fn recording(looks: &str) -> String {
    let mut lines = vec![model()];
    for (n, look) in (0..).zip(looks.chars()) {
        lines.push(line(SESSION, 0, n * 33, look));
    }
    lines.iter().map(|line| serde_json::to_string(line).expect("a line") + "\n").collect()
}

fn model() -> Line {
    Line::Model {
        bundle: "scripted".to_owned(),
        version: "1".to_owned(),
        precision: "fp32".to_owned(),
        engine: "script".to_owned(),
        decision: DecisionParameters::default(),
    }
}

fn line(session: &str, rim: u16, pts_ms: i64, look: char) -> Line {
    let session = session.to_owned();
    let says = match look {
        '|' => return Line::End { session },
        'u' => [0.05, 0.85, 0.05, 0.05],
        'm' => [0.02, 0.05, 0.88, 0.05],
        'x' => [0.02, 0.05, 0.05, 0.88],
        '?' => [0.02, 0.06, 0.46, 0.46],
        _ => [0.94, 0.02, 0.02, 0.02],
    };
    Line::Answer { session, rim, pts_ms, says, warming: look == 'w', latency_us: 12_345 }
}

fn played(looks: &str) -> Vec<Event> {
    replay(&recording(looks), &court(), 1).expect("plays")
}

/// What the outbox keeps of an event.
fn bytes(event: &Event) -> String {
    let saying = serde_json::to_string(&event.saying).expect("JSON");
    format!("{} attempt {} at {} {saying} {:?}", event.id(), event.attempt, event.at, event.clip)
}

#[test]
fn a_made_and_a_missed_shot() {
    let events = played("...uuuummmmmmmmmmmmmmmm..........uuuuuuuuxxxxxxxxxxxxxxxx......|");
    insta::assert_snapshot!(events.iter().map(bytes).collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_provisional_is_withdrawn_when_the_stream_ends_too_early() {
    let events = played("...uuuummm|");
    insta::assert_snapshot!(events.iter().map(bytes).collect::<Vec<_>>().join("\n"));
}

#[test]
fn two_rims_do_not_meet() {
    let mut lines = vec![model()];
    let (left, right) = ("...uuuummmmmmmmmmmmmmmm....", "...........uuuxxxxxxxxxxxxxx");
    for (n, (l, r)) in (0..).zip(left.chars().zip(right.chars())) {
        lines.push(line(SESSION, 0, n * 33, l));
        lines.push(line(SESSION, 1, n * 33, r));
    }
    let text: String =
        lines.iter().map(|line| serde_json::to_string(line).expect("a line") + "\n").collect();
    let events = replay(&text, &court(), 2).expect("plays");
    let finals: Vec<(u16, bool)> = events
        .iter()
        .filter_map(|event| match &event.saying {
            Saying::ShotMade(shot) if !shot.provisional => Some((shot.rim, true)),
            Saying::ShotMissed(shot) if !shot.provisional => Some((shot.rim, false)),
            _ => None,
        })
        .collect();
    assert_eq!(finals, [(0, true), (1, false)]);
    let score = events.iter().rev().find_map(|event| match &event.saying {
        Saying::Score(score) => Some(score.clone()),
        _ => None,
    });
    let score = score.expect("a score");
    assert_eq!((score.made, score.attempts), (vec![1, 0], vec![1, 1]));
}

#[test]
fn a_rim_that_is_not_configured_and_a_late_answer_say_nothing() {
    let events = played("...uuuummmmmmmmmmmmmmmm|uuuummmmmmmmmmmmmmm");
    assert_eq!(events.iter().filter(|event| event.saying.family() == Family::Score).count(), 1);
    let other = recording("...uuuummmmmmmmmmmmmmmm|").replace("\"rim\":0", "\"rim\":1");
    assert_eq!(replay(&other, &court(), 1).expect("plays"), []);
}

#[test]
fn a_recording_that_is_none_says_at_which_line() {
    for (text, expected) in [
        ("{}", "line 1 is no line of a recording"),
        (
            "{\"line\":\"end\",\"session\":\"x\"}",
            "line 1: `x` is no session: write 16 hexadecimal digits",
        ),
    ] {
        assert_eq!(replay(text, &court(), 1).expect_err("refused").to_string(), expected);
    }
}

fn probabilities() -> impl Strategy<Value = [f32; 4]> {
    prop_oneof![
        Just([0.94, 0.02, 0.02, 0.02]),
        Just([0.05, 0.85, 0.05, 0.05]),
        Just([0.02, 0.05, 0.88, 0.05]),
        Just([0.02, 0.05, 0.05, 0.88]),
        Just([0.0, 0.0, 1.0, 0.0]),
        [0.001f32..1.0, 0.001f32..1.0, 0.001f32..1.0, 0.001f32..1.0].prop_map(|weights| {
            let sum: f32 = weights.iter().sum();
            weights.map(|weight| weight / sum)
        }),
    ]
}

/// Runs of the same look, as models give them, at any pace, with ends in between.
fn recordings() -> impl Strategy<Value = String> {
    let run = (probabilities(), 1usize..20, 0u16..2, any::<bool>(), 8i64..200, 0u8..12);
    prop::collection::vec(run, 0..60).prop_map(|runs| {
        let mut lines = vec![model()];
        let (mut pts_ms, mut nth) = (0, 0u64);
        for (says, frames, rim, warming, step, end) in runs {
            let session = format!("{:016x}", 0xaa + nth);
            for _ in 0..frames {
                pts_ms += step;
                let (session, warming) = (session.clone(), warming && end % 4 == 0);
                lines.push(Line::Answer { session, rim, pts_ms, says, warming, latency_us: 1 });
            }
            if end == 0 {
                lines.push(Line::End { session });
            }
            if end <= 1 {
                (pts_ms, nth) = (0, nth + 1);
            }
        }
        // The last session has an answer, so that its end also ends whatever ran before it.
        let session = format!("{:016x}", 0xaa + nth);
        lines.push(line(&session, 0, pts_ms + 1, '.'));
        lines.push(Line::End { session });
        lines.iter().map(|line| serde_json::to_string(line).expect("a line") + "\n").collect()
    })
}

proptest! {
    #[test]
    fn whatever_is_answered_the_facts_hold(recording in recordings()) {
        let events = replay(&recording, &court(), 2).expect("plays");
        let mut facts: BTreeMap<FactId, Vec<&Event>> = BTreeMap::new();
        for event in &events {
            facts.entry(event.fact).or_default().push(event);
        }
        for (fact, told) in &facts {
            let revisions: Vec<u32> = told.iter().map(|event| event.revision).collect();
            let counted: Vec<u32> = (0..).take(told.len()).collect();
            prop_assert_eq!(revisions, counted, "revisions of {} count up from 0", fact);
            let settled = told.iter().filter(|event| !event.saying.is_provisional()).count();
            prop_assert_eq!(settled, 1, "one final or withdrawal of {}", fact);
            prop_assert!(!told[told.len() - 1].saying.is_provisional(), "{} is left open", fact);
            let first = told[0].at;
            for event in told {
                prop_assert!(event.at.nanos_since(first).abs() <= 1_000_000_000);
            }
        }
        let attempts = |event: &&Event| event.saying.family() == Family::Shot;
        let mut finals: BTreeMap<(SessionId, u32), usize> = BTreeMap::new();
        for event in events.iter().filter(attempts).filter(|event| !event.saying.is_provisional()) {
            *finals.entry((event.session, event.attempt)).or_default() += 1;
        }
        prop_assert!(finals.values().all(|finals| *finals == 1), "{:?}", finals);
        let made = events.iter().filter(|event| {
            matches!(&event.saying, Saying::ShotMade(shot) if !shot.provisional)
        });
        let highlights =
            events.iter().filter(|event| matches!(event.saying, Saying::Highlight(_)));
        prop_assert_eq!(made.count(), highlights.count());
        let again = replay(&recording, &court(), 2).expect("plays");
        let all = |events: &[Event]| events.iter().map(bytes).collect::<Vec<_>>();
        prop_assert_eq!(all(&events), all(&again), "the same answers, the same bytes");
    }
}
