//! What these rules say of the recordings in `tests/data/golden`, rim by rim, in `calls.json` there:
//! `models/train/decide.py`, by which training tunes and scores, is held to the same file.
//!
//! Where the rules are changed on purpose: remove `calls.json`, run
//! `cargo test --lib game::attempt::vectors` (it writes the file anew and fails this once), look at the
//! difference, then change `decide.py` until `python3 -m unittest train.test_decide` in `models/` passes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::*;

const RECORDINGS: [&str; 10] = [
    "demo",
    "doubtful-24",
    "learning-30",
    "one-rim-15",
    "one-rim-30",
    "short-sessions-50",
    "three-rims-30",
    "two-rims-60",
    "two-rims-lossy-25",
    "watched-30",
];

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden").join(file)
}

/// A rim on its own: no session ends another's attempt here, and nothing is learnt.
#[derive(Default)]
struct AtRim {
    attempt: Attempt,
    decision: DecisionParameters,
    at: MediaTime,
    told: Vec<Value>,
}

impl AtRim {
    fn look(&mut self, look: Look) {
        let rules = Rules { by: &self.decision, shift: 0.0 };
        let (attempt, ruling) = step(std::mem::take(&mut self.attempt), look, rules);
        self.attempt = attempt;
        let at = self.at.as_nanos();
        let call = |kind: &str, call: Call| {
            let made = call.outcome.map(|outcome| outcome == Outcome::Made);
            json!([at, kind, made, call.reached.as_nanos(), call.odds, call.share])
        };
        self.told.extend(ruling.map(|ruling| match ruling {
            Ruling::Provisional(told) => call("provisional", told),
            Ruling::Final(told) => call("final", told),
            Ruling::TakenBack(reason) => json!([at, "taken_back", reason]),
        }));
    }
}

/// What is told at each rim of each session of a recording.
fn told(recording: &str) -> Vec<Value> {
    let mut rims: BTreeMap<(String, u64), AtRim> = BTreeMap::new();
    let mut decision = DecisionParameters::default();
    for line in recording.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        if line["line"] == "model" {
            decision = serde_json::from_value(line["decision"].clone()).expect("a decision");
        }
        if line["line"] != "answer" {
            continue;
        }
        let session = line["session"].as_str().expect("a session").to_owned();
        let rim = line["rim"].as_u64().expect("a rim");
        let at = MediaTime::from_millis(line["pts_ms"].as_i64().expect("a time"));
        let [none, under_way, made, missed] =
            serde_json::from_value(line["says"].clone()).expect("probabilities");
        let at_rim = rims.entry((session, rim)).or_default();
        (at_rim.at, at_rim.decision) = (at, decision.clone());
        at_rim.look(if line["warming"] == true {
            Look::Unclear(at)
        } else {
            Look::Picture(at, RimProbabilities { none, under_way, made, missed })
        });
    }
    let ended = |((session, rim), mut at_rim): ((String, u64), AtRim)| {
        at_rim.look(Look::End);
        json!({"session": session, "rim": rim, "told": at_rim.told})
    };
    rims.into_iter().map(ended).collect()
}

fn vectors() -> Value {
    let mut recordings = serde_json::Map::new();
    for name in RECORDINGS {
        let file = golden(&format!("{name}.answers.jsonl"));
        let recording = std::fs::read_to_string(file).expect("a recording");
        recordings.insert(name.to_owned(), told(&recording).into());
    }
    json!({
        "defaults": DecisionParameters::default(),
        "constants": {
            "ring_before_outcome_ms": RING_BEFORE_OUTCOME_MS,
            "long_at_ring_ms": LONG_AT_RING_MS,
            "ring_after_opening_ms": RING_AFTER_OPENING_MS,
            "apart_ms": APART_MS,
            "open_at_most_ms": OPEN_AT_MOST_MS,
            "back_up_at_most_ms": BACK_UP_AT_MOST_MS,
            "provisional_mass": PROVISIONAL_MASS,
            "final_mass_at_end": FINAL_MASS_AT_END,
            "odds_at_most": ODDS_AT_MOST,
            "in_view": IN_VIEW,
            "back_up": BACK_UP,
        },
        "recordings": recordings,
    })
}

/// A rim a line, so that a difference can be read.
fn written(vectors: &Value) -> String {
    let recordings = vectors["recordings"].as_object().expect("recordings");
    let one = |(name, rims): (&String, &Value)| {
        let rims = rims.as_array().expect("rims").iter().map(Value::to_string);
        format!("\"{name}\": [\n{}\n]", rims.collect::<Vec<_>>().join(",\n"))
    };
    format!(
        "{{\n\"defaults\": {},\n\"constants\": {},\n\"recordings\": {{\n{}\n}}\n}}\n",
        vectors["defaults"],
        vectors["constants"],
        recordings.iter().map(one).collect::<Vec<_>>().join(",\n")
    )
}

#[test]
fn the_rules_call_the_recordings_as_the_vectors_say() {
    let now = vectors();
    let file = golden("calls.json");
    let Ok(kept) = std::fs::read_to_string(&file) else {
        std::fs::File::create(&file)
            .and_then(|mut file| std::io::Write::write_all(&mut file, written(&now).as_bytes()))
            .expect("written");
        panic!("{} was not there: written; look at it", file.display());
    };
    let kept: Value = serde_json::from_str(&kept).expect("JSON");
    for part in ["defaults", "constants"] {
        assert_eq!(kept[part], now[part], "{part}");
    }
    for (name, rims) in now["recordings"].as_object().expect("recordings") {
        assert_eq!(&kept["recordings"][name], rims, "{name}");
    }
}

#[test]
fn training_calls_the_same() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let done = Command::new("python3")
        .args(["-m", "unittest", "train.test_decide"])
        .current_dir(models)
        .output()
        .expect("python3 is there");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
