//! What must happen, for each packet and each reason code that MQTT 5 allows in it, and for brokers that wait,
//! cut and lie. In every case: the events that were promised arrive once the broker behaves, or are parked and
//! told; a session that may go on goes on; and what is said is the standard's code in its own words, with its
//! own remedy. `another box has our name` is said for 0x8E alone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use courtside::broker::reason::{Packet, Reason, TABLE, Then};
use courtside::event::words::LinkTrouble;
use courtside::uplink::UplinkCounts;
use rumqttc::mqttbytes::QoS;
use serde_json::json;

use crate::broker::{Sut, missed};
use crate::peer::{
    Act, Asked, Peer, Script, connack, disconnect, packet, puback, string, suback, topic,
};

/// What the clock is moved by at each look.
const STEP: Duration = Duration::from_millis(500);
/// Looks until a row gives up: 30 s of a quiet machine, and an hour and a half of the box's clock.
const LOOKS: u32 = 6_000;
/// Looks of a negative control, which is to fail.
const FEW: u32 = 400;
const EVENTS: u32 = 3;

struct Case {
    peer: Peer,
    sut: Sut,
    looks: u32,
}

impl Case {
    fn with(script: Script) -> Self {
        let peer = Peer::start(script);
        let sut = Sut::open(peer.port());
        for what in ["stream/a", "models", "storage"] {
            sut.uplink.set_state(what, &json!({ "condition": "waiting", "of": what }));
        }
        Self { peer, sut, looks: LOOKS }
    }

    /// Lets time pass until the status is as it should be.
    fn until(
        &self,
        what: &str,
        is: impl Fn(&UplinkCounts) -> bool,
    ) -> Result<UplinkCounts, String> {
        self.within(self.looks, what, is)
    }

    fn within(
        &self,
        looks: u32,
        what: &str,
        is: impl Fn(&UplinkCounts) -> bool,
    ) -> Result<UplinkCounts, String> {
        for _ in 0..looks {
            let status = self.sut.uplink.status();
            if is(&status) {
                return Ok(status);
            }
            self.sut.clock.advance(STEP);
            self.peer.passes(STEP);
            thread::park_timeout(Duration::from_millis(5));
        }
        Err(format!("never: {what}; {:?}", self.sut.uplink.status()))
    }

    fn offer(&self, from: u32) {
        for n in from..from + EVENTS {
            self.sut.offer(missed("a", n));
        }
        self.sut.promised(u64::from(from - 1 + EVENTS));
    }

    /// Every event that was ever offered is acknowledged.
    fn arrived(&self, count: u32) -> Result<(), String> {
        self.until("all is acknowledged", |now| now.acknowledged == u64::from(count))?;
        let ids = self.peer.acknowledged();
        let each: BTreeSet<&String> = ids.iter().collect();
        match each.len() == count as usize {
            true => Ok(()),
            false => Err(format!("{} of {count} came: {ids:?}", each.len())),
        }
    }

    /// The broker behaves: all arrives, what was parked with the next session.
    fn heals(&self, count: u32) -> Result<(), String> {
        self.peer.behave();
        for _ in 0..10 {
            let all = |now: &UplinkCounts| now.acknowledged == u64::from(count);
            if self.within(FEW, "all is acknowledged", all).is_ok() {
                break;
            }
            self.peer.cut();
        }
        self.arrived(count)
    }
}

fn refusals(packet: Packet) -> impl Iterator<Item = &'static Reason> {
    TABLE.iter().filter(move |row| row.packet == packet && row.code >= 0x80)
}

fn link(row: &Reason) -> LinkTrouble {
    match row.then {
        Then::Link(trouble) => trouble,
        other => panic!("0x{:02x} of {:?} is {other:?}", row.code, row.packet),
    }
}

/// While the peer answers so, the status has this word, these words and this remedy, and nothing is lost.
fn is_told(case: &Case, row: &Reason, word: LinkTrouble) -> Result<(), String> {
    let code = format!("0x{:02X} {}", row.code, row.name);
    let said = |now: &UplinkCounts| {
        now.fault.as_ref().is_some_and(|fault| fault.contains(&code)) && now.trouble.is_some()
    };
    let now = case.until(&format!("{code} is told"), said)?;
    let fault = now.fault.clone().unwrap_or_default();
    if now.trouble != Some(word) {
        return Err(format!("{code}: {:?} instead of {word:?}", now.trouble));
    }
    if !fault.contains(row.means) {
        return Err(format!("{code}: what it means is not in `{fault}`"));
    }
    if now.todo != row.todo {
        return Err(format!("{code}: `{}` instead of `{}`", now.todo, row.todo));
    }
    let is_other = row.packet == Packet::Disconnect && row.code == 0x8E;
    if now.another_box != is_other || fault.contains("another box") != is_other {
        return Err(format!("{code}: another box is told: {fault}"));
    }
    Ok(())
}

fn on_connect(bytes: Vec<u8>, closes: bool) -> Script {
    Arc::new(move |_, asked| {
        matches!(asked, Asked::Connect { .. }).then(|| {
            let send = Act::Send(bytes.clone());
            if closes { vec![send, Act::Close] } else { vec![send] }
        })
    })
}

#[test]
fn each_reason_in_a_connack_is_told_in_its_own_words_and_loses_nothing() {
    let case = Case::with(on_connect(connack(0x89, &[]), true));
    case.offer(1);
    for row in refusals(Packet::Connack) {
        case.peer.play(on_connect(connack(row.code, &[]), true));
        is_told(&case, row, link(row)).unwrap();
        assert_eq!(case.sut.uplink.status().acknowledged, 0);
    }
    case.heals(EVENTS).unwrap();
}

#[test]
fn each_reason_in_a_disconnect_is_told_in_its_own_words_and_loses_nothing() {
    let goodbye = |code| on_connect([connack(0, &[]), disconnect(code)].concat(), true);
    let case = Case::with(goodbye(0x89));
    case.offer(1);
    let rows = TABLE.iter().filter(|row| row.packet == Packet::Disconnect);
    for row in rows {
        case.peer.play(goodbye(row.code));
        // Sessions that end at once, again and again: with a reason that says nothing, that is the news.
        let word = link(row);
        let told = is_told(&case, row, word);
        let told = match word {
            LinkTrouble::Lost => told.or_else(|_| is_cut_short(&case, row)),
            _ => told,
        };
        told.unwrap();
    }
    case.heals(EVENTS).unwrap();
}

fn is_cut_short(case: &Case, row: &Reason) -> Result<(), String> {
    is_told(case, row, LinkTrouble::CutShort)
}

#[test]
fn sessions_that_end_at_once_are_another_boxs_only_where_the_broker_says_so() {
    let case = Case::with(on_connect(connack(0, &[]), true));
    case.offer(1);
    let cut = Some(LinkTrouble::CutShort);
    let now = case.until("it is told", |now| now.trouble == cut).unwrap();
    assert!(!now.another_box && !now.fault.expect("said").contains("another box"));
    case.heals(EVENTS).unwrap();
}

/// The event's id: when it is sent again, its payload may say that it is.
fn id(payload: &[u8]) -> String {
    let event: serde_json::Value = serde_json::from_slice(payload).expect("JSON");
    event["id"].as_str().expect("an id").to_owned()
}

/// The first of each event is answered so, all that follows is well.
fn refuses_once(code: u8) -> Script {
    let told = Arc::<parking_lot::Mutex<BTreeSet<String>>>::default();
    Arc::new(move |_, asked| match asked {
        Asked::Publish(publish, _) if asked.is_event() => {
            let first = told.lock().insert(id(&publish.payload));
            first.then(|| vec![Act::Send(puback(publish.pkid, code))])
        }
        _ => None,
    })
}

/// An event that was answered so comes again in this session, in the next one, or never.
fn of_puback(row: &Reason, then: Then, looks: u32) -> Result<(), String> {
    let case = Case { looks, ..Case::with(refuses_once(row.code)) };
    let code = format!("0x{:02X} {}", row.code, row.name);
    case.offer(1);
    let refused =
        |now: &UplinkCounts| now.state.refused.as_ref().is_some_and(|said| said.contains(&code));
    if then == Then::Again {
        case.arrived(EVENTS)?;
        return match (case.peer.connections(), case.sut.uplink.status().refused_todo) {
            (1, todo) if todo == row.todo => Ok(()),
            (connections, todo) => Err(format!("{code}: {connections} connections, `{todo}`")),
        };
    }
    let parked = |now: &UplinkCounts| now.state.parked == u64::from(EVENTS);
    case.until(&format!("{code} parks"), |now| parked(now) && refused(now))?;
    // Not in this session: others go on.
    case.sut.offer(missed("b", 1));
    case.until("another goes on", |now| {
        now.state.outbox_events > u64::from(EVENTS) || now.acknowledged > 0
    })?;
    case.peer.behave();
    case.until("it is acknowledged", |now| {
        now.acknowledged >= 1 || now.state.parked > u64::from(EVENTS)
    })?;
    case.peer.cut();
    match then {
        Then::NextSession => case.heals(EVENTS + 1),
        _ => {
            case.until("the next session", |now| now.connected && case.peer.connections() > 1)?;
            let still =
                |now: &UplinkCounts| now.acknowledged + now.state.parked == u64::from(EVENTS) + 1;
            let now = case.until("all else is sent", still)?;
            match now.state.parked >= u64::from(EVENTS) {
                true => Ok(()),
                false => Err(format!("{code}: it went again: {now:?}")),
            }
        }
    }
}

#[test]
fn each_reason_in_a_puback_sends_again_waits_or_parks() {
    for row in refusals(Packet::Puback) {
        of_puback(row, row.then, LOOKS).unwrap();
    }
}

#[test]
fn a_broker_that_has_no_room_gets_one_event_at_a_time_until_it_has() {
    let refused = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&refused);
    let case = Case::with(Arc::new(move |_, asked| match asked {
        Asked::Publish(publish, _) if asked.is_event() => {
            count.fetch_add(1, Ordering::SeqCst);
            Some(vec![Act::Send(puback(publish.pkid, 0x97))])
        }
        _ => None,
    }));
    for n in 1..=200 {
        case.sut.offer(missed("a", n));
    }
    case.sut.promised(200);
    let now = case.until("it is told", |now| now.state.retrying.is_some()).unwrap();
    assert!(now.connected && now.state.parked == 0, "{now:?}");
    // Ten minutes of the box's clock.
    for _ in 0..1_200 {
        case.sut.clock.advance(STEP);
        thread::park_timeout(Duration::from_millis(1));
    }
    let asked = refused.load(Ordering::SeqCst);
    assert!(asked < 100, "200 events wait, and it was asked {asked} times");
    assert_eq!(case.sut.uplink.status().acknowledged, 0);
    case.peer.behave();
    case.arrived(200).unwrap();
    assert_eq!(case.peer.connections(), 1, "in one session");
    assert_eq!(case.sut.uplink.status().state.retrying, None);
}

#[test]
fn each_reason_for_a_state_leaves_it_out_and_events_go_on() {
    for row in refusals(Packet::Puback) {
        let code = row.code;
        let case = Case::with(Arc::new(move |_, asked| match asked {
            Asked::Publish(publish, _) if !asked.is_event() => {
                Some(vec![Act::Send(puback(publish.pkid, code))])
            }
            _ => None,
        }));
        case.offer(1);
        case.arrived(EVENTS).unwrap();
        assert_eq!(case.peer.connections(), 1, "0x{code:02x}: the session goes on");
    }
}

/// Every filter is answered so.
fn of_suback(row: &Reason, then: Then, looks: u32) -> Result<(), String> {
    let code = row.code;
    let case = Case {
        looks,
        ..Case::with(Arc::new(move |_, asked| match asked {
            Asked::Subscribe { pkid, filters } => {
                Some(vec![Act::Send(suback(0x90, *pkid, &vec![code; filters.len()]))])
            }
            _ => None,
        }))
    };
    case.offer(1);
    case.arrived(EVENTS)?;
    let words = format!("0x{:02X} {}", row.code, row.name);
    let told = |now: &UplinkCounts| {
        let mut limits = now.limits.iter();
        limits.any(|limit| limit.said.contains(&words) && limit.todo == row.todo)
    };
    case.until(&format!("{words} is told"), told)?;
    let asks = || {
        let asked = case.peer.asked();
        asked.iter().filter(|(_, asked)| matches!(asked, Asked::Subscribe { .. })).count()
    };
    if then == Then::Again {
        case.peer.behave();
        case.until(&format!("{words}: it asks again"), |_| asks() > 1)?;
        case.until("it has what it asked for", |now| now.limits.is_empty())?;
    } else {
        // Two minutes of the box's clock: nobody asks again.
        for _ in 0..240 {
            case.sut.clock.advance(STEP);
            thread::park_timeout(Duration::from_millis(1));
        }
        if asks() > 1 {
            return Err(format!("{words}: it asks again"));
        }
    }
    match case.peer.connections() {
        1 => Ok(()),
        more => Err(format!("{words}: {more} connections")),
    }
}

#[test]
fn each_reason_in_a_suback_is_told_and_events_go_on() {
    for row in refusals(Packet::Suback) {
        of_suback(row, row.then, LOOKS).unwrap();
    }
}

#[test]
fn each_reason_in_an_unsuback_lets_the_session_go_on() {
    for row in TABLE.iter().filter(|row| row.packet == Packet::Unsuback) {
        let code = row.code;
        let case = Case::with(Arc::new(move |_, asked| match asked {
            Asked::Unsubscribe { pkid } => Some(vec![Act::Send(suback(0xB0, *pkid, &[code]))]),
            _ => None,
        }));
        let asked = |is: fn(&Asked) -> bool| {
            case.peer.asked().iter().filter(|(_, asked)| is(asked)).count()
        };
        case.sut.uplink.listen_to_home(true);
        case.until("it listens", |_| {
            asked(|asked| {
                matches!(asked, Asked::Subscribe { filters, .. } if filters[0].starts_with("home"))
            }) == 1
        })
        .unwrap();
        case.sut.uplink.listen_to_home(false);
        let ends = |_: &UplinkCounts| asked(|of| matches!(of, Asked::Unsubscribe { .. })) == 1;
        case.until("it listens no more", ends).unwrap();
        case.offer(1);
        case.arrived(EVENTS).unwrap();
        assert_eq!(case.peer.connections(), 1, "0x{code:02x}");
    }
}

/// What a broker forbids, the sentence that says so, and what a box that comes without it never sends.
#[test]
fn what_a_greeting_forbids_is_left_out_and_events_go_on() {
    let is_qos1 = |asked: &Asked| matches!(asked, Asked::Publish(publish, _) if publish.qos != QoS::AtMostOnce);
    let is_retained = |asked: &Asked| matches!(asked, Asked::Publish(of, _) if of.retain);
    let is_wild = |asked: &Asked| matches!(asked, Asked::Subscribe { filters, .. } if filters.iter().any(|of| of.contains('+')));
    let is_large = |asked: &Asked| matches!(asked, Asked::Publish(_, size) if *size > 900);
    let never = |_: &Asked| false;
    type Forbids = fn(&Asked) -> bool;
    let rows: [(&str, Vec<u8>, Forbids, &str); 9] = [
        ("maximum QoS 0", vec![0x24, 0], is_qos1, "QoS 0 alone"),
        ("no retained messages", vec![0x25, 0], is_retained, ""),
        ("no wildcards", vec![0x28, 0], is_wild, "no subscription with a wildcard"),
        ("packets of 900", vec![0x27, 0, 0, 3, 132], is_large, "its packets hold 900 bytes"),
        ("no shared subscriptions", vec![0x2A, 0], never, ""),
        ("no subscription identifiers", vec![0x29, 0], never, ""),
        ("ten topic aliases", vec![0x22, 0, 10], never, ""),
        ("one at a time", vec![0x21, 0, 1], never, ""),
        ("a session of 5 s", vec![0x11, 0, 0, 0, 5], never, "session for 5 s"),
    ];
    for (name, properties, forbidden, words) in rows {
        let greeting = connack(0, &properties);
        let case = Case::with(Arc::new(move |_, asked| match asked {
            Asked::Connect { .. } => Some(vec![Act::Send(greeting.clone())]),
            // As brokers do: a session with what was forbidden is over.
            other if forbidden(other) => Some(vec![Act::Send(disconnect(0x82)), Act::Close]),
            _ => None,
        }));
        case.sut.uplink.set_state("models", &json!({ "bundles": "x".repeat(1_000) }));
        case.offer(1);
        case.arrived(EVENTS).unwrap_or_else(|why| panic!("{name}: {why}"));
        let told = |now: &UplinkCounts| match words {
            "" => now.limits.is_empty(),
            words => now.limits.iter().any(|limit| limit.said.contains(words)),
        };
        let now = case.until(&format!("{name} is told"), told).unwrap();
        assert_eq!(now.no_retained, name == "no retained messages");
        assert_eq!(case.peer.connections(), 1, "{name}: in one session");
        assert!(case.peer.asked().iter().all(|(_, asked)| !forbidden(asked)), "{name}");
    }
}

/// A CONNECT with this is refused with this code; the box comes without, and says so.
#[test]
fn what_a_connect_may_not_have_is_given_up_and_events_go_on() {
    let retained =
        |asked: &Asked| matches!(asked, Asked::Connect { will: Some(will), .. } if will.retain);
    let qos1 = |asked: &Asked| matches!(asked, Asked::Connect { will: Some(will), .. } if will.qos != QoS::AtMostOnce);
    let kind = |asked: &Asked| {
        matches!(asked, Asked::Connect { will: Some(will), .. }
            if will.properties.as_ref().is_some_and(|of| of.payload_format_indicator.is_some()))
    };
    let any = |asked: &Asked| matches!(asked, Asked::Connect { will: Some(_), .. });
    let named =
        |asked: &Asked| matches!(asked, Asked::Connect { client_id, .. } if !client_id.is_empty());
    type Forbids = fn(&Asked) -> bool;
    let rows: [(u8, Forbids, &str); 9] = [
        (0x9A, retained, ""),
        (0x9A, any, "without a Will"),
        (0x9B, qos1, ""),
        (0x99, kind, ""),
        (0x99, any, "without a Will"),
        (0x90, any, "without a Will"),
        (0x95, any, "without a Will"),
        (0x87, any, "without a Will"),
        (0x85, named, "another client id"),
    ];
    for (code, forbidden, words) in rows {
        let given = [&[0x12][..], &string("given-1")].concat();
        let case = Case::with(Arc::new(move |_, asked| match asked {
            _ if forbidden(asked) => Some(vec![Act::Send(connack(code, &[])), Act::Close]),
            Asked::Connect { client_id, .. } if client_id.is_empty() => {
                Some(vec![Act::Send(connack(0, &given))])
            }
            _ => None,
        }));
        case.offer(1);
        case.arrived(EVENTS).unwrap_or_else(|why| panic!("0x{code:02x}: {why}"));
        let now = case.sut.uplink.status();
        let told = now.limits.iter().any(|limit| limit.said.contains(words));
        assert!(words.is_empty() || told, "0x{code:02x}: {:?}", now.limits);
        assert_eq!(now.trouble, None);
        // It stays so: the next session begins at once.
        let before = case.peer.connections();
        case.peer.cut();
        let again = |now: &UplinkCounts| now.connected && case.peer.connections() > before;
        case.until("it comes again", again).unwrap();
        assert_eq!(case.peer.connections(), before + 1, "0x{code:02x}: it knows");
    }
}

#[test]
fn what_ends_sessions_unannounced_is_left_out_of_the_next_ones() {
    let retained = |asked: &Asked| matches!(asked, Asked::Publish(of, _) if of.retain);
    let qos1 = |asked: &Asked| matches!(asked, Asked::Publish(of, _) if of.qos != QoS::AtMostOnce);
    let kind = |asked: &Asked| {
        matches!(asked, Asked::Publish(of, _)
            if of.properties.as_ref().is_some_and(|of| of.payload_format_indicator.is_some()))
    };
    let wild = |asked: &Asked| matches!(asked, Asked::Subscribe { filters, .. } if filters.iter().any(|of| of.contains('+')));
    let large = |asked: &Asked| matches!(asked, Asked::Publish(_, size) if *size > 900);
    let models = |asked: &Asked| matches!(asked, Asked::Publish(of, _) if topic(of).ends_with("state/models"));
    type Forbids = fn(&Asked) -> bool;
    let rows: [(u8, Forbids); 9] = [
        (0x9A, retained),
        (0x9B, qos1),
        (0x99, kind),
        (0xA2, wild),
        (0x8F, wild),
        (0x95, large),
        (0x87, models),
        (0x90, models),
        (0x99, models),
    ];
    for (code, forbidden) in rows {
        let case = Case::with(Arc::new(move |_, asked| {
            forbidden(asked).then(|| vec![Act::Send(disconnect(code)), Act::Close])
        }));
        case.sut.uplink.set_state("models", &json!({ "bundles": "x".repeat(1_000) }));
        case.offer(1);
        case.arrived(EVENTS).unwrap_or_else(|why| panic!("0x{code:02x}: {why}"));
        let steady = |now: &UplinkCounts| now.connected && now.trouble.is_none();
        case.until("it is well", steady).unwrap();
        let before = case.peer.connections();
        // A minute of the box's clock: nothing ends the session any more.
        for _ in 0..120 {
            case.sut.clock.advance(STEP);
            thread::park_timeout(Duration::from_millis(2));
        }
        assert_eq!(case.peer.connections(), before, "0x{code:02x}: the session stays");
    }
}

#[test]
fn an_event_that_ends_each_session_is_parked_and_the_others_go() {
    let bad =
        |asked: &Asked| matches!(asked, Asked::Publish(of, _) if topic(of).contains("/event/b/"));
    let case = Case::with(Arc::new(move |_, asked| {
        bad(asked).then(|| vec![Act::Send(disconnect(0x87)), Act::Close])
    }));
    case.sut.offer(missed("b", 1));
    for n in 1..=EVENTS {
        case.sut.offer(missed("a", n));
    }
    case.sut.promised(u64::from(EVENTS) + 1);
    let now = case
        .until("all else is sent", |now| {
            now.acknowledged == u64::from(EVENTS) && now.state.parked == 1
        })
        .unwrap();
    assert!(now.state.refused.expect("said").contains("0x87 Not authorized"));
    case.heals(EVENTS + 1).unwrap();
}

#[test]
fn brokers_that_wait_cut_and_lie_lose_nothing() {
    // Well within the patience with a greeting (10 s) and with an acknowledgement (15 s, three in a row).
    let wait = Duration::from_secs(3);
    let once = || Arc::new(AtomicU32::new(0));
    let given = |id: &str| connack(0, &[&[0x12][..], &string(id)].concat());
    let first = |count: Arc<AtomicU32>, acts: Vec<Act>, is: fn(&Asked) -> bool| -> Script {
        Arc::new(move |_, asked| {
            (is(asked) && count.fetch_add(1, Ordering::SeqCst) < 3).then(|| acts.clone())
        })
    };
    let connects: fn(&Asked) -> bool = |asked| matches!(asked, Asked::Connect { .. });
    let events: fn(&Asked) -> bool = Asked::is_event;
    let subscribes: fn(&Asked) -> bool = |asked| matches!(asked, Asked::Subscribe { .. });
    let rows: Vec<(&str, Script)> = vec![
        (
            "a greeting that comes late",
            Arc::new(move |_, asked| {
                matches!(asked, Asked::Connect { .. })
                    .then(|| vec![Act::Wait(wait), Act::Send(connack(0, &[]))])
            }),
        ),
        (
            "acknowledgements that come late",
            Arc::new(move |_, asked| match asked {
                Asked::Publish(of, _) if asked.is_event() => {
                    Some(vec![Act::Wait(wait), Act::Send(puback(of.pkid, 0))])
                }
                _ => None,
            }),
        ),
        (
            "a greeting cut in two",
            first(once(), vec![Act::Send(vec![0x20, 3]), Act::Close], connects),
        ),
        (
            "an acknowledgement cut in two",
            first(once(), vec![Act::Send(vec![0x40]), Act::Close], events),
        ),
        ("the end at an event", first(once(), vec![Act::Close], events)),
        ("the end at a subscription", first(once(), vec![Act::Close], subscribes)),
        (
            "an acknowledgement of nothing",
            first(once(), vec![Act::Send(puback(0x7FFF, 0))], events),
        ),
        ("a code that no PUBACK has", first(once(), vec![Act::Send(puback(1, 0x8E))], events)),
        (
            "a code that no CONNACK has",
            first(once(), vec![Act::Send(connack(0x8E, &[])), Act::Close], connects),
        ),
        (
            "a code that no SUBACK has",
            first(once(), vec![Act::Send(suback(0x90, 1, &[3, 3, 3]))], subscribes),
        ),
        (
            "one code for three filters",
            first(once(), vec![Act::Send(suback(0x90, 1, &[1]))], subscribes),
        ),
        (
            "a DISCONNECT that only a client says",
            first(once(), vec![Act::Send(disconnect(0x04))], events),
        ),
        (
            "a greeting with a receive maximum of 0",
            first(once(), vec![Act::Send(connack(0, &[0x21, 0, 0]))], connects),
        ),
        ("a greeting by MQTT 3.1.1", first(once(), vec![Act::Send(vec![0x20, 2, 0, 0])], connects)),
        ("a packet of type 0", first(once(), vec![Act::Send(packet(0x00, &[1]))], events)),
        (
            "another client id, for good",
            Arc::new(move |_, asked| {
                matches!(asked, Asked::Connect { .. }).then(|| vec![Act::Send(given("theirs"))])
            }),
        ),
        ("another client id, that is none", first(once(), vec![Act::Send(given(""))], connects)),
        ("a keep alive of 0", on_connect(connack(0, &[0x13, 0, 0]), false)),
        ("the session that it never had", on_connect(packet(0x20, &[1, 0, 0]), false)),
    ];
    for (name, script) in rows {
        let case = Case::with(script);
        case.offer(1);
        let answered = |now: &UplinkCounts| now.acknowledged == u64::from(EVENTS);
        case.until(name, answered).unwrap_or_else(|why| panic!("{name}: {why}"));
        let came = case.peer.asked();
        let came: BTreeSet<String> = came
            .iter()
            .filter_map(|(_, asked)| match asked {
                Asked::Publish(of, _) if asked.is_event() => Some(id(&of.payload)),
                _ => None,
            })
            .collect();
        assert_eq!(came.len(), EVENTS as usize, "{name}");
    }
}

#[test]
fn a_client_id_that_is_none_for_good_is_told() {
    let none = connack(0, &[0x12, 0, 0]);
    let case = Case::with(on_connect(none, false));
    case.offer(1);
    let told = |now: &UplinkCounts| {
        now.fault.as_ref().is_some_and(|said| said.contains("another client id, ``"))
    };
    let now = case.until("it is told", told).unwrap();
    assert_eq!(now.trouble, Some(LinkTrouble::NotMqtt));
    case.heals(EVENTS).unwrap();
}

/// The table can fail: each row with a wrong outcome is found.
#[test]
fn a_row_with_a_wrong_outcome_is_found() {
    let row = |packet, code| Reason::of(packet, code).expect("there");
    let busy = row(Packet::Connack, 0x89);
    let case = Case { looks: FEW, ..Case::with(on_connect(connack(0x89, &[]), true)) };
    case.offer(1);
    is_told(&case, busy, LinkTrouble::Refused).expect_err("another word");
    let other = Reason { todo: "do nothing", ..*busy };
    is_told(&case, &other, LinkTrouble::Busy).expect_err("another remedy");
    is_told(&case, row(Packet::Connack, 0x8A), LinkTrouble::Refused).expect_err("another code");
    case.arrived(EVENTS).expect_err("nothing arrived");
    is_told(&case, busy, LinkTrouble::Busy).expect("the right one");

    of_puback(row(Packet::Puback, 0x90), Then::Again, FEW).expect_err("it is parked");
    of_puback(row(Packet::Puback, 0x97), Then::Parked, FEW).expect_err("it goes again");
    of_suback(row(Packet::Suback, 0x87), Then::Again, FEW).expect_err("nobody asks again");
    let silent: Script = Arc::new(|_, asked| asked.is_event().then(Vec::new));
    let case = Case { looks: FEW, ..Case::with(silent) };
    case.offer(1);
    case.arrived(EVENTS).expect_err("it acknowledges nothing");
}
