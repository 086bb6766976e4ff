//! Games from their first byte to their last PUBACK.

use crate::film::{Shot, made, missed, still};
use crate::testbox::{Plan, TestBox};

/// What a run leaves: facts as they were told, records as they lie, and the order of PUBACKs.
#[derive(Debug, PartialEq)]
struct Left {
    told: Vec<String>,
    envelopes: Vec<serde_json::Value>,
    records: Vec<(u64, Vec<u8>)>,
    acknowledged: Vec<String>,
}

fn game(seed: u64) -> Left {
    let mut tested = TestBox::of(Plan { seed, ..Plan::of(&["north"]) });
    tested.camera("north");
    tested.show("north", &made());
    tested.show("north", &missed());
    tested.show("north", &still(Shot::Nothing, 10));
    tested.camera_gone("north");
    let (told, envelopes) = (tested.told(), tested.envelopes());
    let report = tested.stop();
    assert_eq!(report.unsent, 0, "the broker has it all");
    Left { told, envelopes, acknowledged: tested.broker.acknowledged(), records: tested.records() }
}

#[test]
fn a_game_from_its_first_byte_to_its_last_puback() {
    let left = game(1);
    assert_eq!(
        left.told,
        [
            "north shot.made provisional",
            "north shot.made",
            "north highlight",
            "north score",
            "north shot.missed provisional",
            "north shot.missed",
            "north score",
        ]
    );
    let ids = left.envelopes.iter().map(|event| event["id"].as_str().expect("id").to_owned());
    assert_eq!(left.acknowledged, ids.collect::<Vec<_>>(), "in order of decision");
    assert_eq!(left.records.len(), left.told.len());
}

#[test]
fn twenty_runs_of_one_seed_leave_the_same_byte_for_byte() {
    let first = game(7);
    for run in 1..20 {
        let other = game(7);
        assert_eq!(other.told, first.told, "run {run}");
        assert_eq!(other.acknowledged, first.acknowledged, "run {run}");
        for (now, then) in other.envelopes.iter().zip(&first.envelopes) {
            assert_eq!(now.to_string(), then.to_string(), "run {run}");
        }
        for ((_, now), (_, then)) in other.records.iter().zip(&first.records) {
            let text = String::from_utf8_lossy;
            assert_eq!(text(now), text(then), "run {run}");
        }
        assert!(other == first, "run {run}: lengths differ");
    }
    assert!(game(8).records != first.records, "another seed names another session");
}

#[test]
fn a_model_that_hangs_stops_its_calls_and_neither_the_recording_nor_a_publisher() {
    let mut tested = TestBox::with_courts(&["north", "south"]);
    tested.camera("north");
    tested.camera("south");
    tested.show_all(&[("north", &made()), ("south", &missed())]);
    assert_eq!(tested.told().iter().filter(|told| told.starts_with("south")).count(), 3);
    let (before, recorded) = (tested.told(), tested.recorded());

    // Both courts have the one model; a picture of north hangs it.
    tested.lets_hang(&["north/model:rimnet", "south/model:rimnet"]);
    tested.show("north", &still(Shot::Hang, 1));
    tested.hung();
    tested.show_all(&[("north", &made()), ("south", &made())]);
    assert_eq!(tested.told(), before, "nobody answers");
    let recorded_since = tested.recorded();
    for (court, (then, now)) in ["north", "south"].iter().zip(recorded.iter().zip(&recorded_since))
    {
        assert!(now > then, "{court} is recorded all the same: {then} to {now}");
    }
    for court in ["north", "south"] {
        assert_eq!(tested.dropped(court, "decode") + tested.dropped(court, "ring"), 0, "{court}");
        let lost = tested.dropped(court, "model:rimnet");
        assert!(lost > 20, "{court} loses its own oldest frames, counted: {lost}");
        assert_eq!(tested.stream(court).takeovers, 0);
    }

    // It comes back, and calls go on at both.
    tested.let_go();
    tested.show_all(&[("north", &still(Shot::Nothing, 30)), ("south", &still(Shot::Nothing, 30))]);
    let before = tested.told().len();
    tested.show_all(&[("north", &made()), ("south", &missed())]);
    let told = tested.told().split_off(before);
    for (court, call) in [("north", "north shot.made"), ("south", "south shot.missed")] {
        assert!(told.iter().any(|told| told == call), "{court}: {told:?}");
    }
    tested.stop();
}

#[test]
fn a_shadow_that_hangs_stops_no_call_of_any_court() {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
    let detect = format!("bundles = [\"rimnet\", \"rimnet-tuned\"]\nmodels_dir = \"{models}\"\n");
    let mut tested = TestBox::of(Plan { detect, ..Plan::of(&["north", "south"]) });
    tested.camera("north");
    tested.camera("south");
    tested.show_all(&[("north", &made()), ("south", &missed())]);
    for court in ["north", "south"] {
        let [live, shadow] =
            ["model:rimnet", "model:rimnet-tuned"].map(|hop| tested.count(court, hop));
        assert!(shadow.taken > 20 && shadow.taken == live.taken, "{court}: both look at it");
    }
    let before = tested.told().len();

    tested.engines.only_hangs("rimnet-tuned");
    tested.lets_hang(&["north/model:rimnet-tuned", "south/model:rimnet-tuned"]);
    tested.show("north", &still(Shot::Hang, 1));
    tested.hung();
    tested.show_all(&[("north", &made()), ("south", &missed())]);
    let told = tested.told().split_off(before);
    for (court, call) in [("north", "north shot.made"), ("south", "south shot.missed")] {
        assert!(told.iter().any(|told| told == call), "{court}: {told:?}");
        assert_eq!(tested.dropped(court, "model:rimnet"), 0, "{court}: the live one sees all");
        let lost = tested.dropped(court, "model:rimnet-tuned");
        assert!(lost > 20, "{court}: the shadow loses its own oldest frames, counted: {lost}");
    }
    tested.let_go();
    tested.stop();
}
