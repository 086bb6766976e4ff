//! Relays whose servers are dead, silent or elsewhere now: the game beside them is as without.

use std::net::TcpListener;

use courtside::event::catalogue::Code;
use courtside::event::words::{DesiredOutcome, RelayCondition};
use courtside::mailbox::DropReason;
use serde_json::json;

use crate::film::{made, missed};
use crate::testbox::{Plan, TestBox, TestCourt, until};

/// What a game is told as, and what its hops lost, with relays to these.
fn played(relays: &[(&str, String)]) -> (Vec<String>, Vec<(String, u64)>) {
    let courts = vec![TestCourt::new("north").with_relays(relays)];
    let mut tested = TestBox::of(Plan { courts, ..Plan::of(&[]) });
    tested.camera("north");
    tested.show("north", &made());
    tested.show("north", &missed());
    let told = tested.told();
    let report = tested.stop();
    let lost = report.ledger.into_iter().filter(|(id, _)| !id.hop.starts_with("relay:"));
    let lost = lost.map(|(id, count)| (format!("{}/{}", id.court, id.hop), count.dropped_total()));
    (told, lost.collect())
}

#[test]
fn dead_and_silent_relays_cost_the_game_beside_them_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let dead = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let url = |at| format!("rtmp://{at}/live/planted-key");
    let relays = [("dead", url(dead)), ("silent", url(silent.local_addr().expect("bound")))];
    let without = played(&[]);
    assert!(without.0.len() > 4 && !without.1.is_empty());
    assert_eq!(played(&relays), without);
}

#[test]
fn a_relay_that_does_not_forward_is_found_told_and_changed_while_the_camera_publishes() {
    let dead = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let url = format!("rtmp://{dead}/live/planted-key");
    let courts = vec![TestCourt::new("north").with_relays(&[("tv", url)])];
    let mut tested = TestBox::of(Plan { courts, ..Plan::of(&[]) });
    tested.camera("north");
    tested.show("north", &made());
    let session = tested.stream("north").session;
    let found = tested.found(Code::RelayDown);
    let found = found.iter().find(|one| one.code == Code::RelayDown).expect("found");
    assert_eq!(found.about, "court north");
    assert!(found.text.contains(&format!("relay tv to rtmp://{dead}/live does not forward")));
    assert!(found.todo.contains("firewall"), "{found:?}");
    let relays = tested.status_now().streams["north"].stream.relays.clone();
    assert_eq!((relays.len(), relays[0].name.as_str()), (1, "tv"));
    assert!(!format!("{relays:?}").contains("planted"));
    let lost = tested.count("north", "relay:tv");
    assert!(lost.dropped.contains_key(&DropReason::NoPeer) && lost.waiting == 0, "{lost:?}");
    assert_eq!(tested.status_now().streams["north"].stream.dropped, 0, "none of them a call's");

    // Another address from afar: no camera notices.
    let url = "rtmp://127.0.0.2:9/live/planted-other";
    let wanted = json!({ "court": { "north": { "relay": [{ "name": "tv", "url": url }] } } });
    let told = tested.desired(1, wanted);
    assert_eq!(told.outcome, DesiredOutcome::Applied, "{told:?}");
    let reported = serde_json::to_value(&*tested.reported()).expect("JSON");
    let relay = &reported["config"]["court"]["north"]["relay"][0];
    assert_eq!(relay["url"], "rtmp://127.0.0.2:9/live/(hidden)");
    let now = until(
        || {
            tested.clock.advance(std::time::Duration::from_millis(250));
            let status = tested.handle().status()?;
            let relays = &status.streams["north"].stream.relays;
            relays.first().filter(|relay| relay.address.contains("127.0.0.2")).cloned()
        },
        || "the other relay is told".to_owned(),
    );
    assert!(now.state != RelayCondition::Forwarding);
    assert_eq!(tested.stream("north").session, session, "its camera publishes on");
    // One that cannot be is refused whole, without its key.
    let bad = json!({ "court": { "north": { "relay": [{ "name": "tv", "url": "planted" }] } } });
    let told = tested.desired(2, bad);
    assert_eq!(told.outcome, DesiredOutcome::Refused);
    assert_eq!(&*told.errors[0].path, "court.north.relay[0]");
    assert!(!format!("{told:?}").contains("planted"), "{told:?}");
    // None any more.
    let told = tested.desired(3, json!({}));
    assert_eq!(told.outcome, DesiredOutcome::Applied);
    let told = tested.desired(4, json!({ "court": { "north": { "relay": null } } }));
    assert_eq!(told.outcome, DesiredOutcome::Applied);
    tested.show("north", &missed());
    assert_eq!(tested.stream("north").session, session);
    until(
        || {
            tested.clock.advance(std::time::Duration::from_millis(250));
            let status = tested.handle().status()?;
            status.streams["north"].stream.relays.is_empty().then_some(())
        },
        || "no relay is told".to_owned(),
    );
    tested.stop();
}
