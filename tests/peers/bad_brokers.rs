//! Brokers and paths that are bad: each is survived, loses nothing, and is told in a word and a sentence.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use courtside::broker::{Access, Credential};
use courtside::config::Broker;
use courtside::event::words::LinkTrouble;
use courtside::media::UtcTime;
use courtside::uplink::{UplinkCounts, UplinkSettings};
use rumqttc::mqttbytes::v5::{ConnectReturnCode, DisconnectProperties, DisconnectReasonCode};

use crate::broker::{NOON, Sut, certificates, missed, settings};
use crate::fake_broker::{Acks, Greets, Manners, TestBroker};
use crate::mosquitto::{Mosquitto, until};

/// Events that wait while the broker is bad.
const EVENTS: u32 = 3;
/// What the clock is moved by at each look: a try is over after some looks, and the looks are 5 ms apart.
const STEP: Duration = Duration::from_millis(500);

/// A bad broker and a box.
struct Bad {
    broker: TestBroker,
    sut: Sut,
    // Last, so that the broker outlives the box.
    _runtime: tokio::runtime::Runtime,
}

impl Bad {
    fn with(manners: Manners) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("runtime");
        let broker = runtime.block_on(TestBroker::start());
        broker.behave(manners);
        let sut = Sut::open(broker.port());
        Self { broker, sut, _runtime: runtime }
    }

    /// Lets time pass until the status is as it should be.
    fn until(&self, what: &str, is: impl Fn(&UplinkCounts) -> bool) -> UplinkCounts {
        lapse(&self.sut, what, is)
    }

    fn offer(&self) {
        for n in 1..=EVENTS {
            self.sut.offer(missed("a", n));
        }
        self.sut.promised(u64::from(EVENTS));
    }

    /// It behaves again from its next connection on: all arrives, once, and what was wrong is told.
    fn heals(&self, trouble: LinkTrouble) {
        self.broker.behave(Manners::default());
        self.until("all is acknowledged", |status| status.acknowledged == u64::from(EVENTS));
        self.arrived_once();
        let is_over = |status: &UplinkCounts| status.trouble.is_none() && status.outage.is_some();
        let status = self.until("it is well", is_over);
        assert_eq!(
            (status.fault, status.outage.map(|outage| outage.trouble)),
            (None, Some(trouble))
        );
        let told = until("state/uplink tells it", || {
            let lost = self.broker.state("uplink")?["lost"].clone();
            (lost["trouble"] == trouble.word()).then_some(lost)
        });
        assert!(told["said"].as_str().is_some_and(|said| !said.is_empty()), "{told}");
    }

    fn arrived_once(&self) {
        let ids = self.broker.acknowledged();
        let each: BTreeSet<&String> = ids.iter().collect();
        assert_eq!((ids.len(), each.len()), (EVENTS as usize, EVENTS as usize), "{ids:?}");
        let sequences: Vec<String> = self
            .broker
            .events()
            .iter()
            .map(|event| event.json()["sequence"].as_str().expect("said").to_owned())
            .collect();
        let firsts: BTreeSet<&String> = sequences.iter().collect();
        assert_eq!(firsts.len(), EVENTS as usize, "{sequences:?}");
    }
}

fn lapse(sut: &Sut, what: &str, is: impl Fn(&UplinkCounts) -> bool) -> UplinkCounts {
    until(what, || {
        let status = sut.uplink.status();
        if is(&status) {
            return Some(status);
        }
        sut.clock.advance(STEP);
        None
    })
}

/// While the broker behaves so, nothing goes out, and the status says what is wrong.
fn nothing_goes_out(manners: Manners, trouble: LinkTrouble, words: &str) {
    let bad = Bad::with(manners.clone());
    bad.offer();
    let status = bad.until("it says what is wrong", |status| status.trouble == Some(trouble));
    let said = status.fault.expect("a sentence");
    assert!(said.contains(words), "{trouble}: {said}");
    assert_eq!(status.acknowledged, 0, "{trouble}: all wait");
    assert!(bad.broker.acknowledged().is_empty(), "{manners:?}");
    bad.heals(trouble);
}

#[test]
fn a_broker_that_acknowledges_nothing_is_left_and_told_though_it_greets() {
    let manners = Manners { acks: Acks::Never, ..Manners::default() };
    let bad = Bad::with(manners);
    bad.offer();
    let of = Some(LinkTrouble::Unacknowledged);
    let status = bad.until("it says what is wrong", |status| status.trouble == of);
    assert!(status.fault.expect("said").contains("no acknowledgement for 15 s"));
    // It greets again and again, and that does not make it well.
    let greeted = bad.broker.connections();
    bad.until("it is greeted again", |status| {
        assert_eq!(status.trouble, of);
        bad.broker.connections() > greeted + 2 && status.connected
    });
    bad.heals(LinkTrouble::Unacknowledged);
}

#[test]
fn a_broker_that_takes_one_message_a_connection_gets_every_event_once() {
    let manners = Manners { acks: Acks::ThenCloses, ..Manners::default() };
    let bad = Bad::with(manners);
    bad.offer();
    let all = |status: &UplinkCounts| status.acknowledged == u64::from(EVENTS);
    bad.until("all is acknowledged all the same", all);
    bad.arrived_once();
    let of = Some(LinkTrouble::CutShort);
    let status = bad.until("it says what is wrong", |status| status.trouble == of);
    assert!(status.fault.expect("said").contains("sessions ended within seconds"));
    bad.heals(LinkTrouble::CutShort);
}

#[test]
fn a_broker_that_closes_at_each_message_loses_nothing() {
    let manners = Manners { acks: Acks::Closes, ..Manners::default() };
    nothing_goes_out(manners, LinkTrouble::CutShort, "sessions ended within seconds");
}

#[test]
fn garbage_in_place_of_a_greeting_is_told_as_what_it_is() {
    let noise = |seed: u32| -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        // Of no type of packet that a broker may send.
        std::iter::once(0x11).chain(std::iter::repeat_with(&mut next).take(300)).collect()
    };
    let http = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec();
    // A packet of 256 MiB, one whose length never ends, and a PUBLISH before the greeting.
    let large = vec![0x20, 0xff, 0xff, 0xff, 0x7f, 0, 0];
    let endless = vec![0x20, 0xff, 0xff, 0xff, 0xff, 0xff];
    let early = vec![0x30, 0x04, 0x00, 0x01, b'a', 0x00];
    for bytes in [http, large, endless, early].into_iter().chain((1..5).map(noise)) {
        let greets = Greets::With(bytes, false);
        nothing_goes_out(Manners { greets, ..Manners::default() }, LinkTrouble::NotMqtt, "");
    }
}

#[test]
fn garbage_in_a_session_ends_it_and_is_told() {
    // A CONNACK again, an acknowledgement of nothing, what only a client may send.
    for bytes in [vec![0x20, 3, 0, 0, 0], vec![0x40, 2, 0x7f, 0x7f], vec![0xc0, 0]] {
        let greets = Greets::Adds(bytes);
        let bad = Bad::with(Manners { greets, ..Manners::default() });
        bad.offer();
        bad.until("it says so", |status| status.trouble == Some(LinkTrouble::NotMqtt));
        bad.broker.behave(Manners::default());
        bad.until("all is acknowledged", |status| status.acknowledged == u64::from(EVENTS));
        let ids: BTreeSet<String> = bad.broker.acknowledged().into_iter().collect();
        assert_eq!(ids.len(), EVENTS as usize);
    }
}

#[test]
fn whoever_takes_connections_and_says_nothing_is_told_from_who_takes_none() {
    let silent = Manners { greets: Greets::Never, ..Manners::default() };
    nothing_goes_out(silent, LinkTrouble::Ungreeted, "no greeting came in time");
    let closes = Manners { greets: Greets::With(Vec::new(), true), ..Manners::default() };
    nothing_goes_out(closes, LinkTrouble::Ungreeted, "");

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = nobody.local_addr().expect("bound").port();
    drop(nobody);
    let sut = Sut::open(port);
    let of = Some(LinkTrouble::Unreachable);
    let status = lapse(&sut, "it says so", |status| status.trouble == of);
    assert!(status.fault.expect("said").contains("refused"));
}

#[test]
fn an_mqtt_3_broker_is_told_as_one() {
    // What mosquitto 1.5 and its like answer a CONNECT of level 5 (MQTT 3.1.1, 3.2.2.3).
    let greets = Greets::With(vec![0x20, 0x02, 0x00, 0x01], true);
    let manners = Manners { greets, ..Manners::default() };
    nothing_goes_out(manners, LinkTrouble::OldMqtt, "this box needs MQTT 5");
    let greets = Greets::Refuses(ConnectReturnCode::UnsupportedProtocolVersion);
    let manners = Manners { greets, ..Manners::default() };
    nothing_goes_out(manners, LinkTrouble::OldMqtt, "this box needs MQTT 5");
}

#[test]
fn a_broker_that_refuses_or_is_full_or_has_moved_is_quoted() {
    for (code, trouble, words) in [
        (ConnectReturnCode::BadUserNamePassword, LinkTrouble::Refused, "0x86 Bad User Name"),
        (ConnectReturnCode::Banned, LinkTrouble::Refused, "0x8A Banned"),
        (ConnectReturnCode::ServerBusy, LinkTrouble::Busy, "0x89 Server busy"),
        (ConnectReturnCode::ServerMoved, LinkTrouble::Moved, "0x9D Server moved"),
    ] {
        let greets = Greets::Refuses(code);
        nothing_goes_out(Manners { greets, ..Manners::default() }, trouble, words);
    }
    let properties = DisconnectProperties {
        session_expiry_interval: None,
        reason_string: Some("rebalancing".to_owned()),
        user_properties: Vec::new(),
        server_reference: Some("b.example:8883".to_owned()),
    };
    let greets = Greets::SendsAway(DisconnectReasonCode::UseAnotherServer, properties);
    let bad = Bad::with(Manners { greets, ..Manners::default() });
    bad.offer();
    let of = Some(LinkTrouble::Moved);
    let status = bad.until("it says so", |status| status.trouble == of);
    let said = status.fault.expect("said");
    // Where it sends us comes only where the client reads the DISCONNECT by itself.
    assert!(said.contains("0x9C Use another server (rebalancing)"), "{said}");
}

#[test]
fn a_path_of_which_one_half_is_gone_is_left_and_what_it_swallowed_goes_out_again() {
    let bad = Bad::with(Manners::default());
    bad.sut.connected();
    bad.sut.offer(missed("b", 1));
    bad.until("it works", |status| status.acknowledged == 1);
    bad.broker.behave(Manners { acks: Acks::Deaf, ..Manners::default() });
    bad.offer_after(1);
    let of = Some(LinkTrouble::Unanswered);
    let status = bad.until("it says what is wrong", |status| status.trouble == of);
    assert!(status.fault.expect("said").contains("no acknowledgement for 15 s"));
    assert_eq!(status.acknowledged, 1);
    bad.broker.behave(Manners::default());
    bad.broker.away();
    bad.broker.open();
    bad.until("all is acknowledged", |status| status.acknowledged == 1 + u64::from(EVENTS));
    let ids: BTreeSet<String> = bad.broker.acknowledged().into_iter().collect();
    assert_eq!(ids.len(), 1 + EVENTS as usize);
}

impl Bad {
    /// The events, where `before` were promised already.
    fn offer_after(&self, before: u64) {
        for n in 1..=EVENTS {
            self.sut.offer(missed("a", n));
        }
        self.sut.promised(before + u64::from(EVENTS));
    }
}

#[test]
fn a_name_that_nobody_knows_is_told_as_such_and_waits() {
    // Longer than a label may be: no resolver is asked, none knows it (RFC 1035, 2.3.4).
    let host = "x".repeat(64);
    let dir = tempfile::tempdir().expect("directory");
    let settings = UplinkSettings {
        access: Some(Access::to(Broker { tls: false, host, port: 1883 })),
        ..settings(dir.path(), 1883)
    };
    let sut = Sut::open_with(dir, settings, NOON);
    sut.offer(missed("a", 1));
    sut.promised(1);
    let of = Some(LinkTrouble::Name);
    let status = lapse(&sut, "it says so", |status| status.trouble == of);
    let said = status.fault.expect("said");
    assert!(said.contains("lookup") || said.contains("name"), "{said}");
    assert!(LinkTrouble::Name.todo().contains("DNS"));
    assert_eq!(status.state.outbox_events, 1);
}

/// A box at a mosquitto that speaks TLS by this certificate, at this time.
fn over_tls(files: &Path, certificate: &str, utc: UtcTime, client: &str) -> (Mosquitto, Sut) {
    let folder = files.display();
    let broker = Mosquitto::secured(&format!(
        "cafile {folder}/ca.pem\ncertfile {folder}/{certificate}.pem\n\
         keyfile {folder}/{certificate}.key\nallow_anonymous true\n{client}"
    ));
    let dir = tempfile::tempdir().expect("directory");
    let settings = UplinkSettings {
        access: Some(Access {
            ca: Some(Credential::File(files.join("ca.pem"))),
            ..Access::to(Broker { tls: true, host: "127.0.0.1".to_owned(), port: broker.port })
        }),
        ..settings(dir.path(), broker.port)
    };
    let sut = Sut::open_with(dir, settings, utc);
    (broker, sut)
}

#[test]
fn a_certificate_that_has_ended_or_not_begun_is_told_from_a_wrong_clock() {
    let files = tempfile::tempdir().expect("directory");
    certificates(files.path());
    let nineteen_seventy = UtcTime::from_nanos(0);
    for (certificate, utc, trouble) in [
        ("ended", NOON, LinkTrouble::CertificateEnded),
        // A clock of 1970 counts as the oldest that it can be: what had ended by then has ended.
        ("ended", nineteen_seventy, LinkTrouble::CertificateEnded),
        ("early", NOON, LinkTrouble::CertificateEarly),
        ("early", nineteen_seventy, LinkTrouble::CertificateEarly),
    ] {
        let (_broker, sut) = over_tls(files.path(), certificate, utc, "");
        sut.offer(missed("a", 1));
        sut.promised(1);
        let what = format!("{certificate} is told");
        let status = lapse(&sut, &what, |status| status.trouble == Some(trouble));
        assert!(status.fault.expect("said").contains("certificate"));
        assert_eq!(status.state.outbox_events, 1);
    }
    let (_broker, sut) = over_tls(files.path(), "broker", nineteen_seventy, "");
    sut.offer(missed("a", 1));
    let status = lapse(&sut, "a good one is taken", |status| status.acknowledged == 1);
    assert_eq!(status.trouble, None);
}

#[test]
fn a_broker_that_wants_a_certificate_of_the_box_and_one_that_speaks_no_tls_are_told() {
    let files = tempfile::tempdir().expect("directory");
    certificates(files.path());
    let (_broker, sut) = over_tls(files.path(), "broker", NOON, "require_certificate true\n");
    let of = Some(LinkTrouble::OwnCertificate);
    lapse(&sut, "it says so", |status| status.trouble == of);

    let plain = Mosquitto::start(false, None);
    let dir = tempfile::tempdir().expect("directory");
    let settings = UplinkSettings {
        access: Some(Access {
            ca: Some(Credential::File(files.path().join("ca.pem"))),
            ..Access::to(Broker { tls: true, host: "127.0.0.1".to_owned(), port: plain.port })
        }),
        ..settings(dir.path(), plain.port)
    };
    let sut = Sut::open_with(dir, settings, NOON);
    let told = |status: &UplinkCounts| {
        matches!(status.trouble, Some(LinkTrouble::Tls | LinkTrouble::Ungreeted))
    };
    lapse(&sut, "it says so", told);
}
