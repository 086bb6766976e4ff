//! The configuration as it is changed from afar: what is applied, what is refused, what is undone.

use std::time::Duration;

use courtside::event::twin::DesiredTold;
use courtside::event::words::{Applies, DesiredOutcome};
use serde_json::{Value, json};

use crate::broker::TestBroker;
use crate::courts::north_beside;
use crate::film::{Shot, made, missed, still};
use crate::testbox::{TestBox, until};

fn refused(told: &DesiredTold) -> Vec<String> {
    assert_eq!(told.outcome, DesiredOutcome::Refused, "{told:?}");
    told.errors.iter().map(|error| format!("{}: {}", error.path, error.reason)).collect()
}

fn second() -> Duration {
    Duration::from_secs(1)
}

/// Waits until a broker has it from the box that it is there, or not.
fn until_online(broker: &TestBroker, online: bool) {
    let told = || (broker.state("box")?["online"] == online).then_some(());
    until(told, || format!("the box says online: {online}"));
}

#[test]
fn the_rims_of_one_court_change_and_another_notices_nothing() {
    let alone = north_beside(|_, _| {});
    let beside = north_beside(|tested, number| match number {
        10 => {
            let south = json!({ "stream_key": "key-of-court-south", "rims": [[10, 20, 44, 22]] });
            let told = tested.desired(1, json!({ "court": { "south": south } }));
            assert_eq!(told.outcome, DesiredOutcome::Applied, "{told:?}");
        }
        // In mid-attempt of north.
        14 => {
            let south = json!({ "stream_key": "key-of-court-south", "rims": [[50, 60, 48, 24]] });
            let told = tested.desired(2, json!({ "court": { "south": south } }));
            assert_eq!(told.outcome, DesiredOutcome::Applied, "{told:?}");
            let reported = tested.reported_to(&tested.broker);
            assert_eq!(
                reported["config"]["court"]["south"]["rims"],
                json!([[50.0, 60.0, 48.0, 24.0]])
            );
            assert_eq!(reported["config"]["court"]["south"]["stream_key"], "(hidden)");
            assert_eq!((&reported["revision"], &reported["waiting"]), (&json!(2), &json!([])));
        }
        // All that is wanted: a court that is named no more goes.
        48 => {
            let told = tested.desired(3, json!({}));
            assert_eq!(told.outcome, DesiredOutcome::Applied, "{told:?}");
            let reported = tested.reported_to(&tested.broker);
            assert_eq!(reported["config"]["court"]["south"], Value::Null);
        }
        _ => {}
    });
    assert_eq!(beside, alone);
}

#[test]
fn two_courts_change_their_keys_for_each_others() {
    let mut tested = TestBox::with_courts(&["north", "south"]);
    tested.camera("north");
    tested.cameras_read_goodbyes("north");
    let told = tested.desired(1, json!({ "court": {
        "north": { "stream_key": "key-of-court-south" }, "south": { "stream_key": "key-of-court-north" },
    } }));
    assert_eq!(told.outcome, DesiredOutcome::Applied, "{told:?}");
    // It knows the keys as they are in the file.
    tested.camera("south");
    assert!(tested.stream("north").publisher.is_some(), "north has the key that was south's");
    tested.stop();
}

/// How far `time` of the last shot lies from the stream's own time, in milliseconds.
fn shot_behind_stream(tested: &TestBox) -> i64 {
    let shots = tested.envelopes();
    let shot = shots.iter().rfind(|event| event["data"]["t_stream"].is_f64()).expect("a shot");
    let time = shot["time"].as_str().expect("a time");
    let read = |from: usize| time.get(from..from + 2).and_then(|two| two.parse::<i64>().ok());
    let ms = time.get(20..23).and_then(|ms| ms.parse::<i64>().ok()).expect("milliseconds");
    let seconds = (read(11).expect("h") * 60 + read(14).expect("m")) * 60 + read(17).expect("s");
    seconds * 1000 + ms - (shot["data"]["t_stream"].as_f64().expect("s") * 1000.0).round() as i64
}

#[test]
fn a_hot_key_leaves_the_publisher_that_is_on() {
    let mut tested = TestBox::with_courts(&["north"]);
    tested.camera("north");
    tested.show("north", &made());
    let (session, before) = (tested.stream("north").session, shot_behind_stream(&tested));
    assert!(session.is_some());
    let told = tested.desired(
        1,
        json!({
            "court": { "north": { "camera_delay_ms": 400 } }, "health": { "log": "debug" },
        }),
    );
    assert_eq!((told.outcome, told.revision), (DesiredOutcome::Applied, 1));
    tested.show("north", &missed());
    assert_eq!(tested.stream("north").session, session, "its publisher noticed nothing");
    assert_eq!(
        before - shot_behind_stream(&tested),
        400,
        "and its shots are told by the new delay"
    );
    let reported = tested.reported();
    assert_eq!(reported.config["court"]["north"]["camera_delay_ms"], 400);
    assert_eq!(reported.applies["court.camera_delay_ms"], Applies::Hot);
    tested.stop();
}

#[test]
fn what_is_wrong_with_a_configuration_is_told_and_nothing_changes() {
    let mut tested = TestBox::with_courts(&["north"]);
    tested.camera("north");
    tested.desired(4, json!({ "court": { "north": { "camera_delay_ms": 40 } } }));
    let (session, before) = (tested.stream("north").session, tested.reported());
    let told = tested.desired(
        5,
        json!({
            "court": { "north": { "camera_delay_ms": 90_000, "stream_key": "planted secret" } },
            "health": { "log": "debug" },
        }),
    );
    let said = refused(&told);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("court.north.camera_delay_ms: "), "{said:?}");
    assert!(said[1].starts_with("court.north.stream_key: "), "{said:?}");
    let said = refused(&tested.desired(5, json!({ "uplink": { "brokr": "mqtt://h" } })));
    assert_eq!(said, ["revision: 5 is known with other content: count up"]);
    let said = refused(&tested.desired(3, json!({})));
    assert_eq!(said, ["revision: 3 is older than 5, which is known: count up"]);
    let after = tested.reported();
    assert_eq!((after.revision, after.seen, &after.hash), (4, 5, &before.hash));
    assert_eq!(tested.stream("north").session, session);
    let reported = tested.reported_to(&tested.broker).to_string();
    for secret in ["planted", "key-of-court-north"] {
        assert!(!reported.contains(secret), "{reported}");
    }
    // The last one that was taken is in force after a restart, and what was refused is known.
    tested.stop();
    tested.start().expect("it starts");
    tested.connected();
    let again = tested.reported();
    assert_eq!((again.revision, again.seen, &again.hash), (4, 5, &before.hash));
    assert_eq!(tested.reported_to(&tested.broker)["desired"]["outcome"], "refused");
    tested.stop();
}

#[test]
fn what_is_not_newer_or_cannot_be_read_leaves_a_trial_as_it_is() {
    let mut tested = TestBox::with_courts(&["north"]);
    tested.camera("north");
    let other = tested.another_broker();
    let broker = format!("mqtt://127.0.0.1:{}", other.port());
    let told = tested.desired(5, json!({ "uplink": { "broker": broker } }));
    assert_eq!(told.outcome, DesiredOutcome::Trying, "{told:?}");
    tested.connected();
    // The broker that it comes to retains an old one, and brings it at once.
    let said = refused(&tested.desired(3, json!({ "health": { "log": "debug" } })));
    assert_eq!(said, ["revision: 3 is older than 5, which is known: count up"]);
    let said = refused(&tested.desired_bytes("north", b"{\"revision\": 6".to_vec()));
    assert!(said[0].starts_with("config: not of the form"), "{said:?}");
    tested.pass_with_camera("north", 64);
    let reported = tested.reported_to(&other);
    assert_eq!((&reported["revision"], &reported["seen"]), (&json!(5), &json!(5)));
    assert_eq!(reported["desired"]["outcome"], "applied", "it held: {reported}");
    assert_eq!(reported["passed_over"]["revision"], 0, "{reported}");
    // After a restart, too; and the next one clears it.
    tested.stop();
    tested.start().expect("it starts");
    tested.connected();
    assert_eq!(tested.reported_to(&other)["passed_over"]["revision"], 0);
    let told = tested.desired(6, json!({}));
    assert_eq!(told.outcome, DesiredOutcome::Trying, "{told:?}");
    assert_eq!(tested.reported().passed_over, None);
    // Time stands still while it ends: a link that comes about just then would wait for it.
    tested.connected();
    tested.stop();
}

#[test]
fn what_waits_for_a_restart_says_so_and_comes_with_it() {
    let mut tested = TestBox::with_courts(&["north"]);
    tested.camera("north");
    let session = tested.stream("north").session;
    let told =
        tested.desired(1, json!({ "ring": { "pin_days": 7 }, "health": { "log": "debug" } }));
    assert_eq!(told.outcome, DesiredOutcome::Applied);
    let reported = tested.reported_to(&tested.broker);
    assert_eq!(reported["waiting"], json!([{ "path": "ring.pin_days", "applies": "restart" }]));
    assert_eq!(reported["config"]["ring"]["pin_days"], 30, "what is in force");
    assert_eq!(reported["config"]["health"]["log"], "debug");
    assert_eq!(tested.stream("north").session, session);
    tested.handle().restart();
    assert!(tested.ended().again, "whoever runs it is to run it again");
    tested.start().expect("it starts");
    tested.connected();
    let reported = tested.reported();
    assert_eq!((reported.revision, &reported.waiting), (1, &Vec::new()));
    assert_eq!(reported.config["ring"]["pin_days"], 7);
    // It has run for a minute: the next starts are not counted any more.
    tested.pass(Duration::from_secs(62), second());
    for _ in 0..4 {
        tested.stop();
        tested.start().expect("it starts");
        // Time stands still while it ends: a link that comes about just then would wait for it.
        tested.connected();
    }
    assert_eq!(tested.reported().revision, 1);
    tested.stop();
}

#[test]
fn a_configuration_that_no_start_survives_is_undone() {
    let mut tested = TestBox::with_courts(&["north"]);
    tested.desired(1, json!({ "ring": { "pin_days": 7 } }));
    for _ in 0..3 {
        tested.stop();
        tested.start().expect("it starts");
        tested.connected();
        assert_eq!(tested.reported().config["ring"]["pin_days"], 7);
    }
    tested.stop();
    tested.start().expect("it starts");
    tested.connected();
    let reported = tested.reported();
    assert_eq!(reported.config["ring"]["pin_days"], 30);
    let told = reported.desired.as_ref().expect("told");
    assert_eq!((told.revision, told.outcome, reported.revision), (1, DesiredOutcome::Undone, 0));
    tested.stop();
}

#[test]
fn a_broker_that_is_not_reached_for_a_minute_brings_the_last_good_one_back() {
    let mut tested = TestBox::with_courts(&["north"]);
    tested.camera("north");
    tested.show("north", &made());
    tested.pass(second() * 2, second());
    let session = tested.stream("north").session;
    let good = tested.reported();
    // Nobody listens there.
    let told = tested.desired(1, json!({ "uplink": { "broker": "mqtt://127.0.0.1:1" } }));
    assert_eq!(told.outcome, DesiredOutcome::Trying, "{told:?}");
    until_online(&tested.broker, false);
    tested.pass_with_camera("north", 52);
    assert!(!tested.handle().uplink().connected);
    assert_eq!(tested.reported().revision, 1, "not yet");
    tested.show("north", &[missed(), still(Shot::Nothing, 5)].concat());
    tested.pass(second() * 9, second());
    tested.connected();
    tested.quiet();
    let reported = tested.reported_to(&tested.broker);
    assert_eq!((&reported["revision"], &reported["seen"]), (&json!(0), &json!(1)));
    assert_eq!(reported["desired"]["outcome"], "undone", "{reported}");
    let why = reported["desired"]["errors"][0]["reason"].as_str().expect("said").to_owned();
    assert!(why.starts_with("the broker was not reached for 60 s with it"), "{why}");
    assert_eq!(reported["hash"], json!(good.hash));
    assert_eq!(tested.stream("north").session, session, "no camera noticed");
    // The broker brings it again: it is known.
    let told = tested.desired(1, json!({ "uplink": { "broker": "mqtt://127.0.0.1:1" } }));
    assert_eq!(told.outcome, DesiredOutcome::Undone);
    assert!(tested.handle().uplink().connected);
    let report = tested.stop();
    assert_eq!(report.unsent, 0, "and what was decided meanwhile has left");
}

#[test]
fn another_broker_is_gone_to_while_the_stream_runs() {
    let mut tested = TestBox::with_courts(&["north"]);
    tested.camera("north");
    tested.show("north", &made());
    tested.pass(second() * 2, second());
    let session = tested.stream("north").session;
    let other = tested.another_broker();
    let broker = format!("mqtt://127.0.0.1:{}", other.port());
    let told = tested.desired(1, json!({ "uplink": { "broker": broker } }));
    assert_eq!(told.outcome, DesiredOutcome::Trying, "{told:?}");
    tested.connected();
    until_online(&other, true);
    tested.show("north", &missed());
    assert_eq!(other.acknowledged().len(), 3, "{:?}", other.acknowledged());
    tested.pass_with_camera("north", 64);
    let reported = tested.reported_to(&other);
    assert_eq!(
        (&reported["revision"], &reported["desired"]["outcome"]),
        (&json!(1), &json!("applied"))
    );
    assert_eq!(tested.stream("north").session, session, "no camera noticed");
    tested.stop();
    // It is good: a start with a broker that is away does not undo it.
    other.away();
    tested.start().expect("it starts");
    tested.pass(second() * 120, second());
    assert_eq!(tested.reported().revision, 1);
    other.open();
    tested.connected();
    tested.stop();
}

#[test]
fn a_power_cut_at_any_write_of_a_change_leaves_one_configuration_or_the_other() {
    let change = || json!({ "court": { "north": { "camera_delay_ms": 250 } } });
    let mut tested = TestBox::with_courts(&["north"]);
    let begins = tested.disk.operations();
    tested.desired(1, change());
    let writes = tested.disk.operations() - begins;
    tested.stop();
    let mut found = std::collections::BTreeSet::new();
    for cut in 0..writes {
        let mut tested = TestBox::with_courts(&["north"]);
        tested.disk.stop_after(tested.disk.operations() + cut);
        let told = tested.desired_while_the_disk_stops(1, change());
        tested.power_cut(cut);
        tested.start().expect("it starts");
        tested.connected();
        let reported = tested.reported();
        let delay =
            reported.config["court"]["north"]["camera_delay_ms"].as_i64().expect("a number");
        assert_eq!((reported.revision, delay), if delay == 0 { (0, 0) } else { (1, 250) });
        if told.outcome == DesiredOutcome::Applied {
            assert_eq!(delay, 250, "what was told as applied is there, cut {cut}");
        }
        found.insert(delay);
        tested.stop();
    }
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [0, 250]);
}
