//! What a broker says of its limits in CONNACK, kept to; and what works without retained messages.

use std::collections::BTreeSet;
use std::time::Duration;

use rumqttc::mqttbytes::v5::ConnAckProperties;
use serde_json::{Value, json};

use crate::broker::{Sut, missed};
use crate::fake_broker::{Acks, Greets, Manners, TestBroker, no_limits};
use crate::mosquitto::until;

/// Enough to fill every window that is tried several times.
const EVENTS: u32 = 120;

struct Limited {
    broker: TestBroker,
    sut: Sut,
    _runtime: tokio::runtime::Runtime,
}

impl Limited {
    /// A box whose first events wait when it connects, and others follow.
    fn by(limits: ConnAckProperties, acks: Acks) -> Self {
        let manners = Manners { limits: Some(limits), acks, ..Manners::default() };
        Self::with(manners)
    }

    fn with(manners: Manners) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("runtime");
        let broker = runtime.block_on(TestBroker::start());
        broker.behave(manners);
        let sut = Sut::open(broker.port());
        for what in ["stream/a", "stream/b", "models", "storage", "clock"] {
            sut.uplink.set_state(what, &json!({ "condition": "waiting", "of": what }));
        }
        Self { broker, sut, _runtime: runtime }
    }

    fn all_arrives(&self) {
        for n in 1..=EVENTS {
            self.sut.offer(missed("a", n));
        }
        self.arrived(EVENTS);
        assert_eq!(self.broker.connections(), 1, "in one session");
    }

    fn arrived(&self, count: u32) {
        until("all is acknowledged", || {
            (self.sut.uplink.status().acknowledged == u64::from(count)).then_some(())
        });
        let each: BTreeSet<String> = self.broker.acknowledged().into_iter().collect();
        assert_eq!(each.len(), count as usize);
    }
}

#[test]
fn the_receive_maximum_holds_for_states_and_events_together() {
    for most in [1, 2, 7] {
        let limits = ConnAckProperties { receive_max: Some(most), ..no_limits() };
        let limited = Limited::by(limits, Acks::Late);
        limited.all_arrives();
        let did = limited.broker.did();
        assert_eq!(did.in_flight, usize::from(most), "it is used and kept to");
    }
}

#[test]
fn no_topic_alias_is_used_whatever_the_broker_allows() {
    let limits = ConnAckProperties { topic_alias_max: Some(10), ..no_limits() };
    let limited = Limited::by(limits, Acks::AtOnce);
    limited.all_arrives();
    assert_eq!(limited.broker.did().aliases, 0);
}

#[test]
fn what_is_larger_than_the_brokers_packets_is_parked_and_all_else_goes_on() {
    // The envelope of an event takes some 800 bytes.
    let limits = ConnAckProperties { max_packet_size: Some(400), ..no_limits() };
    let limited = Limited::by(limits, Acks::AtOnce);
    limited.sut.uplink.set_state("models", &json!({ "bundles": "x".repeat(1000) }));
    limited.sut.offer(missed("a", 1));
    let state = until("it is parked", || {
        let state = limited.sut.uplink.status().state;
        (state.parked == 1).then_some(state)
    });
    assert_eq!(state.refused.as_deref(), Some("0x95 larger than the broker's 400 bytes"));
    until("a small state arrives", || limited.broker.state("stream/b"));
    assert_eq!(limited.broker.connections(), 1, "the session goes on");
    assert!(limited.broker.did().packet <= 400);
    assert_eq!(limited.broker.state("models"), None);
    assert!(limited.sut.uplink.status().connected);
}

#[test]
fn the_brokers_keep_alive_holds_instead_of_ours() {
    let limits = ConnAckProperties { server_keep_alive: Some(1), ..no_limits() };
    let limited = Limited::by(limits, Acks::AtOnce);
    // Ours is 10 s: three within the patience of a test are the broker's.
    let pings = || limited.broker.look(|did| did.pings >= 3).then_some(());
    until("it pings", pings);
    assert_eq!(limited.broker.connections(), 1);
}

#[test]
fn a_client_id_that_nobody_asked_for_is_taken_and_told() {
    let assigned = Some("auto-1".to_owned());
    let limits = ConnAckProperties { assigned_client_identifier: assigned, ..no_limits() };
    let limited = Limited::by(limits, Acks::AtOnce);
    limited.sut.offer(missed("a", 1));
    limited.arrived(1);
    let did = limited.broker.did();
    assert!(did.client_id.is_empty() && did.clean_start, "{did:?}");
    let told = limited.sut.uplink.status().limits;
    assert!(told.iter().any(|limit| limit.said.contains("another client id")), "{told:?}");
    // One that takes ours gives it back its session: the next day, or by another configuration.
    assert_eq!(limited.sut.uplink.status().trouble, None);
}

#[test]
fn a_session_that_the_broker_kept_is_gone_on_with_and_brings_what_waited() {
    // The broker knows us though this box's disk is new: it had another one.
    let manners = Manners { session_present: true, ..Manners::default() };
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let broker = runtime.block_on(TestBroker::start());
    broker.behave(manners);
    let wanted = json!({ "revision": 3, "config": {} }).to_string();
    broker.deliver("courtside/1/rim-1/config/desired", wanted.as_bytes(), false);
    let sut = Sut::open(broker.port());
    let mut desired = sut.uplink.desired();
    sut.uplink.serve(Vec::new());
    let limited = Limited { broker, sut, _runtime: runtime };
    until("what waited in the session is taken", || {
        desired.borrow_and_update().as_ref().map(|_| ())
    });
    until("and acknowledged", || limited.broker.look(|did| did.acknowledged == 1).then_some(()));
    limited.all_arrives();
    assert!(!limited.broker.did().clean_start);
    // A CONNECT while the one before still stands at the broker: it comes anew, nothing is lost.
    limited.broker.behave(Manners {
        session_present: true,
        acks: Acks::Deaf,
        ..Manners::default()
    });
    limited.sut.offer(missed("a", EVENTS + 1));
    limited.sut.promised(u64::from(EVENTS) + 1);
    until("the deaf one is left", || {
        limited.sut.clock.advance(Duration::from_millis(500));
        (!limited.sut.uplink.status().connected).then_some(())
    });
    limited.broker.behave(Manners { session_present: true, ..Manners::default() });
    limited.arrived(EVENTS + 1);
}

#[test]
fn a_broker_without_retained_messages_has_states_events_commands_and_the_twin() {
    let limits = ConnAckProperties { retain_available: Some(0), ..no_limits() };
    let manners =
        Manners { greets: Greets::NoRetainedWill, limits: Some(limits), ..Manners::default() };
    let limited = Limited::with(manners);
    let Limited { broker, sut, .. } = &limited;
    let mut desired = sut.uplink.desired();
    sut.uplink.serve(Vec::new());
    until("it comes in without a retained Will", || sut.uplink.status().connected.then_some(()));
    assert!(sut.uplink.status().no_retained, "the status says so");
    assert!(!broker.look(|did| did.retained_will));
    let came = |ending: &str| {
        let all = broker.others();
        let found: Vec<_> =
            all.into_iter().filter(|message| message.topic.ends_with(ending)).collect();
        (!found.is_empty()).then_some(found)
    };
    let states = until("states are told live", || came("/state/stream/a"));
    assert!(states.iter().all(|state| !state.retained));
    limited.all_arrives();

    // A command is never retained; its states are heard by who subscribed before.
    let body = json!({ "operation": "nonsense" }).to_string();
    broker.deliver("courtside/1/rim-1/command/c-1", body.as_bytes(), false);
    let states = until("it is answered", || came("/command/c-1/state"));
    let last: Value = states.last().expect("one").json();
    assert_eq!(
        (last["state"].as_str(), last["code"].as_str()),
        (Some("failed"), Some("unknown_operation"))
    );
    assert!(states.iter().all(|state| !state.retained));
    // Who missed the states asks again under the same id, and is told how it stands; nothing runs again.
    let before = states.len();
    let mut looks = 0u32;
    let again = until("it is told again", || {
        // One that comes while the state is still being written is only acknowledged.
        if looks.is_multiple_of(200) {
            broker.deliver("courtside/1/rim-1/command/c-1", body.as_bytes(), false);
        }
        looks += 1;
        came("/command/c-1/state").filter(|states| states.len() > before)
    });
    assert_eq!(again.last().expect("one").json()["number"], last["number"]);

    // What is wanted of the configuration comes live, or out of the session that the broker keeps.
    broker.away();
    sut.cut_off();
    let wanted = json!({ "revision": 9, "config": {} }).to_string();
    broker.deliver("courtside/1/rim-1/config/desired", wanted.as_bytes(), false);
    broker.open();
    until("it is taken", || desired.borrow_and_update().as_ref().map(|_| ()));
}
