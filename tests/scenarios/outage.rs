//! What goes away: the broker for an hour, the daemon by SIGTERM, the power at any write, the room on
//! the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

use rumqttc::mqttbytes::v5::PubAckReason;

use crate::film::{Shot, half_an_attempt, made, missed, still};
use crate::testbox::{Plan, TestBox};

#[test]
fn an_hour_without_a_broker_loses_nothing_and_keeps_the_order() {
    let mut tested = TestBox::with_courts(&["north"]);
    tested.camera("north");
    tested.show("north", &made());
    let before = tested.broker.acknowledged();
    assert_eq!(before.len(), 4, "{before:?}");

    tested.broker_goes();
    tested.show("north", &missed());
    tested.camera_gone("north");
    tested.pass(Duration::from_secs(3600), Duration::from_secs(10));
    assert_eq!(tested.broker.acknowledged(), before, "nobody was there");
    assert_eq!(tested.handle().uplink().state.outbox_events, 3);
    assert!(tested.handle().uplink().state.outbox_oldest_seconds >= 3600.0);

    tested.broker.open();
    tested.connected();
    tested.quiet();
    let ids: Vec<String> = tested
        .envelopes()
        .iter()
        .map(|event| event["id"].as_str().expect("id").to_owned())
        .collect();
    assert_eq!(tested.broker.acknowledged(), ids, "each once, in order of decision");
    let told: Vec<bool> = tested
        .broker
        .events()
        .iter()
        .map(|event| event.json()["historical"].as_bool().expect("said"))
        .collect();
    assert_eq!(told, [false, false, false, false, true, true, true], "late ones say so");
    tested.stop();
}

#[test]
fn sigterm_in_mid_attempt_withdraws_what_was_told_before_it_ends() {
    let mut tested = TestBox::with_courts(&["north"]);
    tested.camera("north");
    tested.show("north", &half_an_attempt());
    let report = tested.stop();
    assert_eq!(report.unsent, 0, "the broker has it all");
    let told: Vec<_> = tested
        .broker
        .events()
        .iter()
        .map(|event| {
            let event = event.json();
            (event["type"].clone(), event["data"]["reason"].clone())
        })
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[1].0, "courtside.shot.withdrawn.v1");
    assert_eq!(told[1].1, "stream_ended");
    // It said goodbye.
    tested.retained("box", |told| told["online"] == false);
    // The next start finds nothing to mend.
    tested.start().expect("it starts again");
    tested.connected();
    assert_eq!(tested.told().len(), 2);
    tested.stop();
}

/// What the broker was told of a fact: its revisions, and the last word.
fn facts(tested: &TestBox) -> BTreeMap<String, (BTreeSet<u64>, serde_json::Value)> {
    let mut facts = BTreeMap::new();
    for event in tested.broker.events() {
        let event = event.json();
        let fact = event["fact"].as_str().expect("a fact").to_owned();
        let revision = event["revision"].as_u64().expect("a number");
        let known: &mut (BTreeSet<u64>, serde_json::Value) = facts.entry(fact).or_default();
        known.0.insert(revision);
        if known.0.last() == Some(&revision) {
            known.1 = event;
        }
    }
    facts
}

#[test]
fn a_power_cut_at_every_write_of_an_attempt_leaves_no_call_open() {
    // How many there are, on a disk that does not stop.
    let mut whole = TestBox::with_courts(&["north"]);
    whole.camera("north");
    let begun = whole.disk.operations();
    whole.show("north", &made());
    let writes = whole.disk.operations() - begun;
    whole.stop();
    assert!(writes > 20, "{writes}");

    let mut last_words = BTreeSet::new();
    for stop in 0..writes {
        let mut tested = TestBox::with_courts(&["north"]);
        tested.camera("north");
        tested.disk.stop_after(tested.disk.operations() + stop);
        let stopped = tested.show_until_the_disk_stops("north", &made());
        let promised = tested.broker.acknowledged();
        tested.power_cut(stop);
        tested.start().unwrap_or_else(|error| panic!("stop {stop}: {error}"));
        tested.connected();
        tested.quiet();

        let on_disk: BTreeSet<String> = tested
            .envelopes()
            .iter()
            .map(|event| event["id"].as_str().expect("id").to_owned())
            .collect();
        for id in &promised {
            assert!(on_disk.contains(id), "stop {stop}: {id} was promised, and is gone");
        }
        for (fact, (revisions, last)) in facts(&tested) {
            let provisional = last["data"]["provisional"] == true;
            assert!(!provisional, "stop {stop}: {fact} stays open: {last}");
            let all: BTreeSet<u64> = (0..=*revisions.last().expect("one")).collect();
            assert_eq!(revisions, all, "stop {stop}: {fact}");
            last_words.insert(last["type"].as_str().expect("a type").to_owned());
        }
        // And it goes on.
        tested.camera("north");
        tested.show("north", &missed());
        let told = tested.told();
        assert_eq!(told[told.len() - 2..], ["north shot.missed", "north score"], "stop {stop}");
        // No cut parts a call from the score that counts it, or counts it twice.
        let kind = |event: &serde_json::Value| event["type"].as_str().map(str::to_owned);
        let facts = facts(&tested);
        let called = facts.values().filter_map(|(_, last)| kind(last));
        let called = called.filter(|kind| kind.ends_with("made.v1") || kind.ends_with("missed.v1"));
        let score = tested
            .envelopes()
            .into_iter()
            .rfind(|event| kind(event).is_some_and(|kind| kind == "courtside.score.v1"));
        let score = score.expect("a score");
        assert_eq!(score["data"]["attempts"][0], called.count(), "stop {stop}: {score}");
        let report = tested.stop();
        assert_eq!(report.unsent, 0, "stop {stop}");
        assert!(stopped || stop + 4 > writes, "stop {stop} of {writes}: the disk never stopped");
    }
    assert!(last_words.contains("courtside.shot.withdrawn.v1"), "{last_words:?}");
    assert!(last_words.contains("courtside.shot.made.v1"), "{last_words:?}");
}

#[test]
fn a_full_disk_stops_the_recording_and_no_event() {
    let mut tested = TestBox::of(Plan {
        ring: "keep_free_bytes = 67108864\n".to_owned(),
        ..Plan::of(&["north"])
    });
    tested.camera("north");
    tested.show("north", &made());
    let recorded = tested.handle().ring().expect("it runs").bytes_encoded;
    assert!(recorded > 0);

    // Others fill the disk, to the last byte.
    tested.disk.fill();
    tested.pass(Duration::from_secs(2), Duration::from_millis(250));
    let before = tested.told().len();
    tested.show("north", &missed());
    assert_eq!(
        tested.told()[before..],
        ["north shot.missed provisional", "north shot.missed", "north score"],
        "events go on"
    );
    let ring = tested.handle().ring().expect("it runs");
    assert!(ring.storage.reason.is_some(), "it says that it does not record: {ring:?}");
    assert_eq!(tested.handle().uplink().disk_fault, None);

    // And records again when there is room.
    tested.disk.set_capacity(None);
    tested.show("north", &still(Shot::Nothing, 300));
    let ring = tested.handle().ring().expect("it runs");
    assert_eq!(ring.storage.reason, None);
    assert!(ring.bytes_encoded > recorded, "{ring:?}");
    let report = tested.stop();
    assert_eq!(report.unsent, 0);
}

#[test]
fn a_broker_that_refuses_with_an_escape_sequence_and_a_forged_line_is_quoted_harmlessly() {
    let mut tested = TestBox::with_courts(&["north"]);
    let words = "no\n2026-11-28T10:00:00Z  INFO forged\u{1b}[2J\u{202e}";
    tested.broker.refuse_saying(PubAckReason::NotAuthorized, words);
    tested.camera("north");
    tested.show("north", &made());
    let refused = tested.handle().uplink().state.refused.expect("one event is parked");
    let quoted = r"0x87 Not authorized (no\n2026-11-28T10:00:00Z  INFO forged\u{1b}[2J\u{202e})";
    assert!(refused.to_string().starts_with(quoted), "{refused}");
    tested.stop();
}

#[test]
fn a_box_that_is_told_to_end_while_it_connects_ends_at_once() {
    // It takes connections, and says nothing for ever; the box's clock stands.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    let broker = Some(format!("mqtt://127.0.0.1:{port}"));
    let mut tested = TestBox::of(Plan { broker, ..Plan::of(&["north"]) });
    let (mut link, _) = silent.accept().expect("the box");
    let mut connect = [0];
    link.read_exact(&mut connect).expect("its CONNECT");
    assert_eq!(connect, [0x10]);
    assert!(!tested.handle().uplink().connected);
    let report = tested.stop();
    assert_eq!(report.unsent, 0);
}
