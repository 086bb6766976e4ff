//! Recordings with the events that they gave once, in full: what is told may not change unseen.
//!
//! `tests/data/golden/{name}.answers.jsonl` are the recordings, `{name}.events.jsonl` what the game
//! made of them. Ids are compared up to their names: where one stood the same one stands, whatever
//! it is called. A file of events that is not there is written, and the test fails this once: so a
//! new recording is taken in; those that are there are never written again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;
use crate::config::Calibrate;
use crate::event::Saying;
use crate::game::calibrate::Calibration;
use crate::game::log::events as told;
use crate::media::RimBox;

const PLACE: RimBox = RimBox { x: 562.0, y: 167.0, w: 44.0, h: 10.0 };

/// A recording, its rims, and how they learn.
const RECORDINGS: &[(&str, usize, Calibrate)] = &[
    ("one-rim-30", 1, Calibrate::Off),
    ("three-rims-30", 3, Calibrate::Off),
    ("two-rims-lossy-25", 2, Calibrate::Off),
    ("one-rim-15", 1, Calibrate::Off),
    ("two-rims-60", 2, Calibrate::Off),
    ("short-sessions-50", 2, Calibrate::Off),
    ("doubtful-24", 1, Calibrate::Off),
    ("learning-30", 2, Calibrate::On),
    ("watched-30", 1, Calibrate::Watch),
    ("demo", 1, Calibrate::Off),
];

fn file(name: &str, ending: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/golden/{name}.{ending}.jsonl"))
}

/// Plays it; of each third final a person says something, where rims learn.
fn played(recording: &str, rims: usize, how: Calibrate) -> Vec<Event> {
    let court = CourtId::new("a").expect("name");
    let game = Game::new(court.clone(), rims);
    let mut game = game.calibrated(how, vec![Calibration::new(PLACE); rims]);
    let mut finals = 0usize;
    let mut judge = |game: &mut Game, events: Vec<Event>| {
        for event in &events {
            let is_final = match &event.saying {
                Saying::ShotMade(shot) | Saying::ShotMissed(shot) | Saying::ShotUnsure(shot) => {
                    !shot.provisional
                }
                _ => false,
            };
            finals += usize::from(is_final);
            if is_final && how != Calibrate::Off && finals.is_multiple_of(3) {
                let verdicts = [Verdict::Made, Verdict::Made, Verdict::Missed, Verdict::None];
                assert_eq!(
                    game.said(event.fact, verdicts[finals / 3 % 4]).len(),
                    1,
                    "{}",
                    event.fact
                );
            }
        }
        events
    };
    let mut events = Vec::new();
    for step in steps(recording, &court) {
        let (_, step) = step.expect("a line");
        let told = told(step.play(&mut game).expect("no correction")).collect();
        events.extend(judge(&mut game, told));
    }
    events
}

/// An event as the file has it.
fn written(event: &Event) -> String {
    let mut clip = serde_json::to_value(&event.clip).expect("JSON");
    // What a clip is found by came later than the recordings, and is in no message: snapshots have it.
    if let Some(clip) = clip.as_object_mut() {
        clip.remove("about");
    }
    let mut line = serde_json::json!({
        "session": event.session.to_string(),
        "fact": event.fact.to_string(),
        "revision": event.revision,
        "attempt": event.attempt,
        "at_ns": event.at.as_nanos(),
        "clip": clip,
    });
    let said = serde_json::to_value(&event.saying).expect("JSON");
    line.as_object_mut().expect("an object").extend(said.as_object().expect("an object").clone());
    line.to_string()
}

/// The text with each id named by the order of its first appearance: `{session}-{anything}{n}`.
fn anonymous(text: &str, names: &mut BTreeMap<String, usize>) -> String {
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_hex) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let hex = from.find(|c| !is_hex(c)).unwrap_or(from.len());
        let tail = &from[hex..];
        let word = tail.strip_prefix('-').map(|tail| {
            let letters = tail.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(tail.len());
            let dash = usize::from(letters > 0 && tail[letters..].starts_with('-'));
            let number = &tail[letters + dash..];
            let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
            (1 + letters + dash, digits)
        });
        let whole = match word {
            Some((word, digits)) if hex == 16 && digits > 0 => hex + word + digits,
            _ => hex,
        };
        let (token, after) = from.split_at(whole);
        if whole > hex {
            let next = names.len();
            out.push_str(&format!("#{}", names.entry(token.to_owned()).or_insert(next)));
        } else {
            out.push_str(token);
        }
        rest = after;
    }
    out + rest
}

#[test]
fn recordings_give_the_events_that_they_gave() {
    let mut made = Vec::new();
    for (name, rims, how) in RECORDINGS {
        let recording = std::fs::read_to_string(file(name, "answers")).expect("a recording");
        let events = played(&recording, *rims, *how);
        let lines: Vec<String> = events.iter().map(written).collect();
        let Ok(golden) = std::fs::read_to_string(file(name, "events")) else {
            std::fs::File::create(file(name, "events"))
                .and_then(|mut file| {
                    std::io::Write::write_all(&mut file, (lines.join("\n") + "\n").as_bytes())
                })
                .expect("written");
            made.push(*name);
            continue;
        };
        let (mut then, mut now) = (BTreeMap::new(), BTreeMap::new());
        for (n, (old, new)) in golden.lines().zip(&lines).enumerate() {
            let (old, new) = (anonymous(old, &mut then), anonymous(new, &mut now));
            assert_eq!(old, new, "{name}, event {}", n + 1);
        }
        assert_eq!(golden.lines().count(), lines.len(), "{name}: as many events");
        assert_eq!(then.len(), now.len(), "{name}: as many facts");
    }
    assert!(made.is_empty(), "events of {made:?} were not there: written; look at them");
}

#[test]
fn ids_are_compared_by_where_they_stand() {
    let same = |old: &str, new: &str| {
        anonymous(old, &mut BTreeMap::new()) == anonymous(new, &mut BTreeMap::new())
    };
    let (old, new) = (
        "00000000000000aa-1 00000000000000aa-2 /v1/clips/a-00000000000000aa-1 12",
        [
            "00000000000000aa-shot-1 00000000000000aa-score-1 /v1/clips/a-00000000000000aa-shot-1 12",
            "00000000000000aa-shot-1 00000000000000aa-shot-1 /v1/clips/a-00000000000000aa-shot-1 12",
            "00000000000000aa-shot-1 00000000000000aa-score-1 /v1/clips/a-00000000000000aa-score-1 12",
            "00000000000000aa-shot-1 00000000000000aa-score-1 /v1/clips/a-00000000000000aa-shot-1 13",
        ],
    );
    assert!(same(old, new[0]));
    for wrong in &new[1..] {
        assert!(!same(old, wrong), "{wrong}");
    }
}

#[test]
fn the_recordings_go_down_every_path() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (name, ..) in RECORDINGS {
        let golden = std::fs::read_to_string(file(name, "events")).expect("events");
        for line in golden.lines() {
            let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let kind = event["kind"].as_str().expect("a kind");
            let reason = event["data"]["reason"].as_str().unwrap_or("");
            let provisional = if event["data"]["provisional"] == true { "provisional" } else { "" };
            *seen.entry(format!("{kind} {reason}{provisional}").trim().to_owned()).or_default() +=
                1;
        }
    }
    for path in [
        "shot_made",
        "shot_made provisional",
        "shot_missed",
        "shot_missed provisional",
        "shot_unsure",
        "shot_withdrawn no_outcome",
        "shot_withdrawn stream_ended",
        "score",
        "highlight made_shot",
    ] {
        assert!(seen.get(path).is_some_and(|count| *count >= 5), "{path}: {seen:?}");
    }
}
