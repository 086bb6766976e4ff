//! The uplink against a real mosquitto: brokers that die, refuse, and come back; daemons that die.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use courtside::broker::{Access, Credential};
use courtside::clock::{Chance, Clock, SystemClock};
use courtside::config::Broker;
use courtside::disk::{Disk, RealDisk};
use courtside::event::clip::ClipTold;
use courtside::event::words::ClipWord;
use courtside::event::{
    ClipRequest, Event, FactId, Highlight, ModelRef, Saying, Score, Shot, Withdrawal,
};
use courtside::media::{BoxName, CourtId, Foreign, GameId, MediaTime, SessionId, UtcTime};
use courtside::uplink::{
    Committed, CommittedSink, DEFAULT_QUOTA_BYTES, Drained, Hooks, Recovered, Uplink,
    UplinkSettings, schema,
};
use serde_json::json;

use crate::flowing::FlowingClock;
use crate::mosquitto::{Gate, Message, Mosquitto, Subscriber, until};

pub(crate) const NOON: UtcTime = UtcTime::from_nanos(1_800_000_000_000_000_000);

pub(crate) fn settings(dir: &Path, port: u16) -> UplinkSettings {
    UplinkSettings {
        box_name: BoxName::new("rim-1").expect("name"),
        access: Some(Access::to(Broker { tls: false, host: "127.0.0.1".to_owned(), port })),
        dir: dir.to_owned(),
        quota_bytes: DEFAULT_QUOTA_BYTES,
        boot: format!("test-{}", std::process::id()),
        time_floor: UtcTime::from_nanos(1_700_000_000_000_000_000).into(),
        version: "0.0.0".to_owned(),
        courts: vec!["a".to_owned(), "b".to_owned()],
    }
}

pub(crate) fn open(
    settings: UplinkSettings,
    clock: Arc<dyn Clock>,
    hooks: Hooks,
) -> (Uplink, Recovered) {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    Uplink::open(settings, clock, &disk, Chance::system(), hooks).expect("opens")
}

/// An uplink with a clock that can be moved by hand, on a runtime of its own.
pub(crate) struct Sut {
    pub(crate) uplink: Uplink,
    pub(crate) clock: FlowingClock,
    pub(crate) runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
}

impl Sut {
    pub(crate) fn open(port: u16) -> Self {
        Self::open_in(tempfile::tempdir().expect("directory"), port)
    }

    pub(crate) fn open_in(dir: tempfile::TempDir, port: u16) -> Self {
        let settings = settings(dir.path(), port);
        Self::open_with(dir, settings, NOON)
    }

    pub(crate) fn open_with(
        dir: tempfile::TempDir,
        settings: UplinkSettings,
        utc: UtcTime,
    ) -> Self {
        // Once a process; the captured log is shown when a test fails.
        drop(tracing_subscriber::fmt().with_test_writer().try_init());
        let clock = FlowingClock::at(utc);
        let (uplink, _) = open(settings, Arc::new(clock.clone()), Hooks::default());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime");
        uplink.connect(runtime.handle());
        Self { uplink, clock, runtime, dir }
    }

    pub(crate) fn connected(&self) {
        until("the uplink is connected", || self.uplink.status().connected.then_some(()));
    }

    pub(crate) fn cut_off(&self) {
        until("the uplink noticed", || (!self.uplink.status().connected).then_some(()));
    }

    pub(crate) fn offer(&self, event: Event) {
        let offered = self.uplink.inbox().offer_waiting(event.into(), Duration::from_secs(30));
        assert!(offered.is_ok(), "the inbox stays full");
    }

    pub(crate) fn promised(&self, count: u64) {
        until("all is on disk", || (self.uplink.status().promised >= count).then_some(()));
    }

    pub(crate) fn shutdown(self) -> (Drained, tempfile::TempDir) {
        let drained = self.runtime.block_on(self.uplink.shutdown(Duration::from_secs(20)));
        (drained, self.dir)
    }
}

fn event(court: &str, n: u32, revision: u32, saying: Saying) -> Event {
    let session = SessionId::from_bits(if court == "a" { 0xc0 } else { 0xd0 });
    Event {
        court: CourtId::new(court).expect("name"),
        session,
        game: None,
        fact: FactId { session, family: None, n },
        revision,
        attempt: n,
        at: MediaTime::from_millis(i64::from(n) * 1000),
        saying,
        clip: None,
    }
}

fn shot(provisional: bool) -> Shot {
    Shot {
        rim: 0,
        t_stream: 0.1 + 0.2,
        t_decided: 1.0 / 3.0,
        confidence: 0.9,
        provisional,
        game: None,
        points: None,
        points_by: None,
        team: None,
        team_by: None,
        player: None,
        clip: None,
        model: ModelRef {
            bundle: "rim".to_owned(),
            version: "1".to_owned(),
            precision: "fp32".to_owned(),
            engine: "builtin".to_owned(),
        },
        latency_ms: 30.125,
        by: None,
        who: None,
        reason: None,
    }
}

pub(crate) fn missed(court: &str, n: u32) -> Event {
    event(court, n, 0, Saying::ShotMissed(shot(false)))
}

fn sequences(messages: &[Message], court: &str) -> Vec<u64> {
    messages
        .iter()
        .filter(|message| message.topic.contains(&format!("/event/{court}/")))
        .map(|message| message.text("sequence").parse().expect("decimal"))
        .collect()
}

/// In one session: two runs that rise, backlog all before live.
fn is_two_lanes(arrived: &[u64]) -> bool {
    let rises = |part: Vec<u64>| part.windows(2).all(|pair| pair[0] < pair[1]);
    let split = |at: u64| {
        let (old, new): (Vec<u64>, Vec<u64>) = arrived.iter().partition(|one| **one <= at);
        rises(old) && rises(new)
    };
    arrived.iter().copied().chain([0]).any(split)
}

#[test]
fn birth_and_will_carry_the_same_session_and_states_come_back() {
    let broker = Mosquitto::start(false, None);
    let gate = Gate::before(broker.port);
    let subscriber = Subscriber::to(broker.port);
    let sut = Sut::open(gate.port);
    sut.uplink.set_state("stream/a", &serde_json::json!({"condition": "waiting"}));
    let box_states = |online: bool| -> Vec<u64> {
        let states = subscriber.below("state/box");
        let wanted = states.iter().filter(|state| state.json["online"] == online);
        wanted.map(|state| state.json["session"].as_u64().expect("number")).collect()
    };
    let first = until("it is born", || box_states(true).first().copied());
    until("its stream is told", || subscriber.below("state/stream/a").first().map(|_| ()));
    assert!(box_states(false).is_empty());

    gate.shut();
    sut.cut_off();
    let death = until("the broker says that it died", || box_states(false).first().copied());
    assert_eq!(death, first);

    gate.open();
    let second = until("it is born again", || box_states(true).get(1).copied());
    assert!(second > first);
    until("states come again", || (subscriber.below("state/stream/a").len() == 2).then_some(()));
    sut.uplink.set_state("stream/a", &serde_json::json!({"condition": "waiting"}));
    sut.uplink.set_state("models", &serde_json::json!({"bundles": []}));
    until("models are told", || subscriber.below("state/models").first().map(|_| ()));
    assert_eq!(subscriber.below("state/stream/a").len(), 2, "unchanged: not told again");

    let (drained, _dir) = sut.shutdown();
    assert!(drained.committed);
    until("it said goodbye", || (box_states(false) == [first, second]).then_some(()));
    let late = Subscriber::to(broker.port);
    let kept = until("the goodbye is retained", || late.below("state/box").first().cloned());
    assert!(kept.retained && kept.json["online"] == false);
}

/// 600 events of two courts while the broker ends twice and comes back.
fn broker_comes_and_goes(persistent: bool) {
    let mut broker = Mosquitto::start(persistent, None);
    let gate = Gate::before(broker.port);
    let subscriber = Subscriber::to(broker.port);
    let sut = Sut::open(gate.port);
    sut.connected();
    let mut bounds = Vec::new();
    for n in 1..=300u32 {
        for court in ["a", "b"] {
            sut.offer(missed(court, n));
        }
        if n == 100 || n == 200 {
            let seen = usize::try_from(n).expect("small");
            until("some arrived", || (subscriber.events().len() > seen).then_some(()));
            let ends = bounds.len() as u64 + 1;
            gate.shut();
            sut.cut_off();
            // A broker that ends takes with it what it acknowledged and had not yet handed on to a
            // subscriber without a session: its loss, not ours (`/v1/events?after=` gives it again).
            until("what was acknowledged is handed on", || {
                let acknowledged = sut.uplink.status().acknowledged;
                let arrived = subscriber.first_arrivals().0.len() as u64;
                (arrived >= acknowledged).then_some(())
            });
            if persistent {
                broker.stop();
            } else {
                broker.kill();
            }
            bounds.push(subscriber.events().len());
            // Decided while nobody listens, an hour before it is sent.
            sut.offer(event("a", 1000 + n, 0, Saying::ShotMissed(shot(false))));
            sut.promised(u64::from(n) * 2 + ends);
            sut.clock.advance(Duration::from_secs(3600));
            broker.launch();
            subscriber.wait_subscribed(ends + 1);
            gate.open();
            sut.connected();
        }
    }
    let all = || subscriber.first_arrivals();
    until("all 602 arrived", || (all().0.len() == 602).then_some(()));
    until("all are acknowledged", || (sut.uplink.status().state.outbox_events == 0).then_some(()));
    let (first, repeats) = all();
    eprintln!("{repeats} repeats, persistent {persistent}");
    for court in ["a", "b"] {
        let mut known: Vec<u64> = sequences(&first, court);
        known.sort_unstable();
        let expected: Vec<u64> = (1..=known.len() as u64).collect();
        assert_eq!(known, expected, "each sequence once");
    }
    let arrived = subscriber.events();
    bounds.push(arrived.len());
    let mut from = 0;
    for to in bounds {
        for court in ["a", "b"] {
            let session = sequences(&arrived[from..to], court);
            assert!(is_two_lanes(&session), "court {court}, session {from}..{to}: {session:?}");
        }
        from = to;
    }
    let marked = |n: u32| {
        let fact = format!("00000000000000c0-{n}");
        let found = first.iter().find(|message| message.text("fact") == fact);
        found.expect("arrived").json["historical"] == true
    };
    assert!(marked(1100) && marked(1200), "backlog is historical");
    assert!(!marked(1) && !marked(300), "live is not");
}

#[test]
fn no_event_is_lost_when_the_broker_is_killed_and_forgets() {
    broker_comes_and_goes(false);
}

#[test]
fn no_event_is_lost_when_the_broker_restarts_with_its_sessions() {
    broker_comes_and_goes(true);
}

#[test]
fn a_link_cut_at_any_byte_loses_nothing() {
    let broker = Mosquitto::start(false, None);
    let gate = Gate::before(broker.port);
    let subscriber = Subscriber::to(broker.port);
    let sut = Sut::open(gate.port);
    sut.connected();
    for n in 1..=400u32 {
        sut.offer(missed("a", n));
        if n % 100 == 0 {
            gate.shut();
            sut.cut_off();
            gate.open();
            sut.connected();
        }
    }
    until("all arrived", || (subscriber.first_arrivals().0.len() == 400).then_some(()));
    until("all are acknowledged", || (sut.uplink.status().state.outbox_events == 0).then_some(()));
}

#[test]
fn a_refused_event_is_parked_and_tried_in_the_next_session() {
    let refuse_b = "topic readwrite courtside/1/rim-1/state/#\n\
                    topic readwrite courtside/1/rim-1/event/a/#\n\
                    topic read courtside/#\n";
    let broker = Mosquitto::start(false, Some(refuse_b));
    let gate = Gate::before(broker.port);
    let subscriber = Subscriber::to(broker.port);
    let sut = Sut::open(gate.port);
    sut.connected();
    for n in 1..=5 {
        sut.offer(missed("b", n));
        sut.offer(missed("a", n));
    }
    until("the lane goes on", || (sequences(&subscriber.events(), "a").len() == 5).then_some(()));
    let state = until("five are parked", || {
        let state = sut.uplink.status().state;
        (state.parked == 5 && state.outbox_events == 5).then_some(state)
    });
    assert!(state.refused.as_deref().is_some_and(|why| why.starts_with("0x87")), "{state:?}");
    let told = until("it is told", || {
        let told = subscriber.below("state/uplink").pop()?;
        (told.json["parked"] == 5).then_some(told)
    });
    assert!(told.retained || told.json["refused"].as_str().is_some());

    broker.set_acl("topic readwrite courtside/#\n");
    let mut looks = 0u32;
    until("another session brings them all", || {
        if looks.is_multiple_of(500) {
            gate.shut();
            gate.open();
        }
        looks += 1;
        let of_b = sequences(&subscriber.events(), "b");
        ((1..=5).all(|at| of_b.contains(&at))).then_some(())
    });
    until("nothing is parked", || (sut.uplink.status().state.parked == 0).then_some(()));
}

#[test]
fn another_box_of_the_same_name_is_told_as_such() {
    let broker = Mosquitto::start(false, None);
    let first = Sut::open(broker.port);
    first.connected();
    let second = Sut::open(broker.port);
    until("the first says so", || first.uplink.status().another_box.then_some(()));
    until("the other one has the session", || second.uplink.status().connected.then_some(()));
}

#[test]
fn a_shutdown_sends_what_it_can_and_the_rest_waits_on_disk() {
    let broker = Mosquitto::start(false, None);
    let gate = Gate::before(broker.port);
    let subscriber = Subscriber::to(broker.port);
    let sut = Sut::open(gate.port);
    sut.connected();
    for n in 1..=100 {
        sut.offer(missed("a", n));
    }
    let (drained, dir) = sut.shutdown();
    assert_eq!(drained, Drained { committed: true, unsent: 0 });
    until("all arrived", || (subscriber.events().len() == 100).then_some(()));

    gate.shut();
    let sut = Sut::open_in(dir, gate.port);
    for n in 101..=150 {
        sut.offer(missed("a", n));
    }
    let (drained, dir) = sut.shutdown();
    assert_eq!(drained, Drained { committed: true, unsent: 50 });

    gate.open();
    let sut = Sut::open_in(dir, gate.port);
    until("the rest arrived", || (subscriber.first_arrivals().0.len() == 150).then_some(()));
    let again = sut.runtime.block_on(sut.uplink.replay(CourtId::new("a").ok(), 140, 5));
    let ids: Vec<String> =
        again.iter().map(|given| given.envelope().expect("an envelope").sequence).collect();
    assert_eq!(ids, ["141", "142", "143", "144", "145"]);
}

/// What waits in a store that another version wrote arrives as that version would have sent it.
#[test]
fn an_outbox_of_the_version_before_and_of_the_one_after_is_sent() {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats");
    // Of the first, what was refused with 0x90 stays parked, with 0x87 goes out in a new session.
    let all = [("outbox-1", vec![5, 6, 8, 9, 10, 11, 12, 13, 14, 15])];
    for (name, waiting) in all.into_iter().chain([("outbox-3-by-hand", vec![2, 3, 4])]) {
        let broker = Mosquitto::start(false, None);
        let subscriber = Subscriber::to(broker.port);
        let dir = tempfile::tempdir().expect("directory");
        let stored = files.join(format!("{name}.redb"));
        std::fs::copy(stored, dir.path().join("outbox.redb")).expect("copied");
        let lines = std::fs::read_to_string(files.join(format!("{name}.jsonl"))).expect("lines");
        let lines = lines.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let expected: Vec<serde_json::Value> = lines
            .filter(|line: &serde_json::Value| {
                waiting.contains(&line["position"].as_u64().expect("a position"))
            })
            .collect();
        let sut = Sut::open_in(dir, broker.port);
        until("all are acknowledged", || {
            (sut.uplink.status().acknowledged == waiting.len() as u64).then_some(())
        });
        let arrived = until("all arrived", || {
            let events = subscriber.events();
            (events.len() == expected.len()).then_some(events)
        });
        for court in ["a", "b"] {
            let here = |topic: &str| topic.contains(&format!("event/{court}/"));
            let told = |topic: &str, json: &serde_json::Value| {
                let words = ["id", "type", "source", "subject", "sequence", "revision", "data"];
                let said = words.map(|word| json[word].clone());
                (topic.to_owned(), said)
            };
            let sent: Vec<_> = expected
                .iter()
                .map(|line| {
                    let topic = line["topic"].as_str().expect("a topic");
                    told(&format!("courtside/1/rim-1/{topic}"), &line["envelope"])
                })
                .filter(|(topic, _)| here(topic))
                .collect();
            let came: Vec<_> = arrived
                .iter()
                .map(|message| told(&message.topic, &message.json))
                .filter(|(topic, _)| here(topic))
                .collect();
            assert_eq!(came, sent, "{name}, court {court}, in order");
        }
    }
}

/// A CA, certificates of 127.0.0.1 (one that has ended, one that has not begun) and one of the box, as PEM
/// files in `dir`.
pub(crate) fn certificates(dir: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    let write = |name: &str, pem: String| {
        let mut file = std::fs::File::create(dir.join(name)).expect("file");
        std::io::Write::write_all(&mut file, pem.as_bytes()).expect("written");
    };
    let authority = |name: &str| {
        let key = KeyPair::generate().expect("key");
        let mut params = CertificateParams::new([]).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        write(&format!("{name}.pem"), params.self_signed(&key).expect("signed").pem());
        Issuer::new(params, key)
    };
    let ours = authority("ca");
    authority("other-ca");
    for (name, subject, years) in [
        ("broker", "127.0.0.1", 2020..4096),
        ("ended", "127.0.0.1", 2020..2021),
        ("early", "127.0.0.1", 4000..4096),
        ("box", "courtside-rim-1", 2020..4096),
    ] {
        let key = KeyPair::generate().expect("key");
        let mut params = CertificateParams::new([subject.to_owned()]).expect("params");
        params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        params.distinguished_name.push(DnType::CommonName, subject);
        write(&format!("{name}.pem"), params.signed_by(&key, &ours).expect("signed").pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
    write("password", "net-and-hoop\n".to_owned());
}

#[test]
fn tls_with_a_certificate_and_a_password_and_a_clock_that_says_1970() {
    let files = tempfile::tempdir().expect("directory");
    certificates(files.path());
    let path = |name: &str| files.path().join(name);
    let file = |name: &str| Credential::File(path(name));
    let made = Command::new("mosquitto_passwd")
        .args(["-b", "-c"])
        .arg(path("passwords"))
        .args(["rim-1", "net-and-hoop"])
        .status()
        .expect("mosquitto_passwd runs");
    assert!(made.success());
    let secured = format!(
        "cafile {0}/ca.pem\ncertfile {0}/broker.pem\nkeyfile {0}/broker.key\n\
         require_certificate true\nallow_anonymous false\npassword_file {0}/passwords\n",
        files.path().display()
    );
    let broker = Mosquitto::secured(&secured);
    let dir = || tempfile::tempdir().expect("directory");
    let with = |dir: &Path, ca: &str, password: Option<&str>| UplinkSettings {
        access: Some(Access {
            broker: Broker { tls: true, host: "127.0.0.1".to_owned(), port: broker.port },
            username: Some("rim-1".to_owned()),
            password: password.map(file),
            ca: Some(file(ca)),
            client: Some((file("box.pem"), file("box.key"))),
        }),
        ..settings(dir, broker.port)
    };
    let fault = |sut: &Sut| until("it says why", || sut.uplink.status().fault);

    let here = dir();
    let wrong = with(here.path(), "other-ca.pem", Some("password"));
    let wrong = Sut::open_with(here, wrong, NOON);
    let why = fault(&wrong);
    assert!(why.contains("certificate"), "{why}");
    drop(wrong);

    let here = dir();
    let wrong = with(here.path(), "ca.pem", None);
    let wrong = Sut::open_with(here, wrong, NOON);
    let why = fault(&wrong);
    assert!(why.contains("password_file"), "{why}");
    drop(wrong);

    let here = dir();
    let right = with(here.path(), "ca.pem", Some("password"));
    let sut = Sut::open_with(here, right, UtcTime::from_nanos(0));
    sut.connected();
    sut.offer(missed("a", 1));
    until("it is acknowledged", || (sut.uplink.status().acknowledged == 1).then_some(()));
    let (drained, _dir) = sut.shutdown();
    assert_eq!(drained, Drained { committed: true, unsent: 0 });
}

/// One of each that is told of a started game as a whole.
fn of_a_game() -> Vec<Saying> {
    let team =
        |team: &str| json!({"team": team, "points": 4, "made": 2, "attempts": 3, "by_period": [4]});
    let drought = |team: &str| json!({"team": team, "misses": 1, "seconds": 40});
    let withdrawal = json!({"t_stream": 1.5, "reason": "operator", "by": "operator"});
    let told = [
        (
            "game",
            json!({
                "game": "final", "state": "running", "rules": "fiba-3x3", "courts": ["a"],
                "teams": [{"id": "home", "name": "Reds"}, {"id": "away"}], "period": 1, "periods": 1,
            }),
        ),
        (
            "game.score",
            json!({
                "game": "final", "period": 1, "teams": [team("home"), team("away")],
                "pending": {"attempts": 1, "made": 1, "points": 2}, "target": 21, "by": 0,
                "lead_changes": 1, "ties": 1, "after": "f",
            }),
        ),
        (
            "momentum",
            json!({
                "game": "final", "swing": -2, "swing_shots": 5, "pending_points": 2,
                "drought": [drought("home"), drought("away")],
                "win": [{"team": "home", "share": 0.5625}, {"team": "away", "share": 0.4375}],
            }),
        ),
        (
            "leaderboard",
            json!({
                "game": "final", "players": [],
                "teams": [{
                    "rank": 1, "team": "home", "points": 4, "made": 2, "attempts": 3, "percent": 67,
                    "streak": 1, "best_streak": 2, "best_run": 4,
                    "by_value": [{"points": 2, "made": 2, "attempts": 3}],
                }],
            }),
        ),
        (
            "graphic",
            json!({
                "game": "final", "about": "run", "text": "6-0", "priority": 60, "life_s": 30,
                "state": "proposed", "stands_on": ["f"], "t_stream": 1.5,
            }),
        ),
        ("graphic.withdrawn", withdrawal.clone()),
        (
            "social.candidate",
            json!({
                "game": "final", "highlight": "h", "clip": "/v1/clips/x", "caption": "c", "why": "w",
                "score": 71.5, "state": "proposed", "t_stream": 1.5,
            }),
        ),
        ("social.candidate.withdrawn", withdrawal),
    ];
    let read = |(kind, data): (&str, serde_json::Value)| {
        Saying::read(&format!("courtside.{kind}.v1"), data.to_string().as_bytes()).expect(kind)
    };
    told.into_iter().map(read).collect()
}

#[test]
fn what_is_published_is_what_the_schemas_say() {
    let broker = Mosquitto::start(false, None);
    let subscriber = Subscriber::to(broker.port);
    let sut = Sut::open(broker.port);
    let reason = || "no_outcome".to_owned();
    let sayings = [
        Saying::ShotMade(Shot {
            points: Some(2),
            clip: Some("/v1/clips/x".to_owned()),
            ..shot(false)
        }),
        Saying::ShotMissed(shot(true)),
        Saying::ShotUnsure(shot(false)),
        Saying::ShotWithdrawn(Withdrawal { t_stream: 1.5, reason: reason(), by: None, who: None }),
        Saying::Score(Score {
            made: vec![3, 0],
            attempts: vec![7, 1],
            after: Some("f".to_owned()),
        }),
        Saying::Highlight(Highlight {
            shot: "f".to_owned(),
            reason: reason(),
            t_stream: 1.5,
            clip: "/v1/clips/x".to_owned(),
            ..Highlight::default()
        }),
        Saying::HighlightWithdrawn(Withdrawal {
            t_stream: 1.5,
            reason: reason(),
            by: None,
            who: None,
        }),
        Saying::Clip(ClipTold {
            id: "a-x".to_owned(),
            clip: "/v1/clips/a-x".to_owned(),
            state: ClipWord::Gone,
            reason: Foreign::text("made"),
            note: None,
            t_from: 1.5,
            t_to: 9.25,
            bytes: None,
            sha256: None,
            until: None,
        }),
    ];
    let (count, of_a_game) = (sayings.len(), of_a_game());
    let of_a_game_count = of_a_game.len();
    for (n, saying) in (1..).zip(sayings) {
        sut.offer(event("a", n, 0, saying));
    }
    for (n, saying) in (100..).zip(of_a_game) {
        let game = GameId::new("final").ok();
        sut.offer(Event { game, ..event("a", n, 0, saying) });
    }
    let defaults = [
        ("stream/a", serde_json::to_value(courtside::event::state::StreamState::default())),
        ("models", serde_json::to_value(courtside::event::state::ModelsState::default())),
        ("storage", serde_json::to_value(courtside::event::state::StorageState::default())),
        ("clock", serde_json::to_value(courtside::event::state::ClockState::default())),
        ("uploads", serde_json::to_value(courtside::event::upload::UploadsState::default())),
        ("update", serde_json::to_value(courtside::event::update::UpdateState::default())),
        ("look", serde_json::to_value(courtside::event::look::LookState::default())),
    ];
    for (what, value) in defaults {
        sut.uplink.set_state(what, &value.expect("JSON"));
    }
    until("all arrived", || {
        let states: BTreeSet<String> =
            subscriber.below("state/").into_iter().map(|state| state.topic).collect();
        let of_the_game = subscriber.below("game/final/").len();
        let events = (subscriber.events().len(), of_the_game);
        (events == (count, of_a_game_count) && states.len() == 9).then_some(())
    });
    let schemas: BTreeMap<String, serde_json::Value> = schema::all().into_iter().collect();
    let mut used = BTreeSet::new();
    for message in subscriber.messages() {
        let below = message.topic.strip_prefix("courtside/1/rim-1/").expect("our root");
        let (name, content_type) = match below.strip_prefix("state/") {
            Some(what) => {
                let what = what.split('/').next().unwrap_or_default();
                (format!("state.{what}.json"), "application/json")
            }
            None => (format!("{}.json", message.text("type")), "application/cloudevents+json"),
        };
        assert_eq!(message.content_type.as_deref(), Some(content_type));
        let schema = schemas.get(&name).unwrap_or_else(|| panic!("no schema {name}"));
        let validator = jsonschema::validator_for(schema).expect("a schema");
        let wrong: Vec<String> =
            validator.iter_errors(&message.json).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{name}: {wrong:?} in {:#}", message.json);
        used.insert(name);
    }
    // What HTTP gives is held to its schema by `tests/schemas.rs`, commands by
    // `commands`, configurations by `twin`; three states come of stages that do not run here.
    let of_others = ["v1.", "command.", "config.", "state.claim.", "state.service.", "state.home."];
    let is_of_others = |name: &str| of_others.iter().any(|begins| name.starts_with(begins));
    let all: BTreeSet<String> = schemas.into_keys().filter(|name| !is_of_others(name)).collect();
    assert_eq!(used, all, "every message was seen");
}

// ---- a daemon that dies ----

const CHILD_DIR: &str = "COURTSIDE_TEST_CHILD_DIR";
const CHILD_PORT: &str = "COURTSIDE_TEST_CHILD_PORT";

/// Says on stdout what is promised, as the daemon's log does.
struct Says;

impl CommittedSink for Says {
    fn committed(&self, told: &Committed<'_>) {
        println!("promised {}", told.event.id());
    }
}

/// What the last run left, closed first; then attempts without end.
fn play(uplink: &Uplink, recovered: Recovered, attempts: u32) {
    let inbox = uplink.inbox();
    let offer = |event: Event| {
        assert!(inbox.offer_waiting(event.into(), Duration::from_secs(30)).is_ok(), "full");
    };
    for open in recovered.courts.values().flat_map(|court| court.open.clone()) {
        let saying = Saying::ShotWithdrawn(Withdrawal {
            t_stream: 0.0,
            reason: "restart".to_owned(),
            by: None,
            who: None,
        });
        offer(Event { revision: open.revision + 1, saying, clip: None, ..open });
    }
    let done = recovered.courts.values().map(|court| court.last_sequence).max().unwrap_or(0);
    let first = u32::try_from(done).expect("small") + 1;
    for n in first..first + attempts {
        for court in ["a", "b"] {
            offer(event(court, n, 0, Saying::ShotMade(shot(true))));
            let mut last = event(court, n, 1, Saying::ShotMade(shot(false)));
            last.clip = Some(ClipRequest {
                id: format!("{court}-{n}"),
                from_ns: 0,
                to_ns: 1,
                reason: "made".to_owned(),
                ..ClipRequest::default()
            });
            offer(last);
        }
    }
}

/// The child of the test below; does nothing when it runs by itself.
#[test]
fn child_that_promises() {
    let (Some(dir), Some(port)) = (std::env::var_os(CHILD_DIR), std::env::var(CHILD_PORT).ok())
    else {
        return;
    };
    let hooks = Hooks { committed: Some(Arc::new(Says)), ..Hooks::default() };
    let settings = settings(Path::new(&dir), port.parse().expect("port"));
    let (uplink, recovered) = open(settings, Arc::new(SystemClock::new()), hooks);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("runtime");
    uplink.connect(runtime.handle());
    play(&uplink, recovered, 100_000);
}

#[test]
fn a_daemon_killed_at_any_moment_keeps_every_promise() {
    let broker = Mosquitto::start(false, None);
    let subscriber = Subscriber::to(broker.port);
    let dir = tempfile::tempdir().expect("directory");
    let mut promised = Vec::new();
    let mut lottery = 0x2545_f491_4f6c_dd1du64;
    let arrived = || subscriber.events().len();
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "broker::child_that_promises", "--nocapture", "--test-threads=1"])
            .env(CHILD_DIR, dir.path())
            .env(CHILD_PORT, broker.port.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("child");
        lottery = lottery.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let enough = 1 + usize::try_from(lottery >> 57).expect("small");
        let (before, came) = (promised.len(), arrived());
        let mut killed = false;
        // To the end of the pipe: what was written before the kill was promised too.
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            let line = line.expect("text");
            if let Some((_, id)) = line.split_once("promised ") {
                promised.push(id.to_owned());
            }
            let seen = if round % 2 == 0 { promised.len() - before } else { arrived() - came };
            if !killed && seen >= enough {
                child.kill().expect("killed");
                killed = true;
            }
        }
        child.wait().expect("ended");
        assert!(killed, "the child ended by itself");
    }
    // A last run that closes and sends all.
    let finished = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&finished);
    struct Counts(Arc<AtomicU64>);
    impl CommittedSink for Counts {
        fn committed(&self, _: &Committed<'_>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let hooks = Hooks { committed: Some(Arc::new(Counts(counted))), ..Hooks::default() };
    let (uplink, recovered) =
        open(settings(dir.path(), broker.port), Arc::new(SystemClock::new()), hooks);
    let courts = recovered.courts.values();
    let last: u64 =
        courts.map(|court| court.last_sequence + court.open.len() as u64).sum::<u64>() + 4;
    let clips = recovered.clips.len();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("runtime");
    uplink.connect(runtime.handle());
    play(&uplink, recovered, 1);
    let arrived = until("all arrived", || {
        let (first, repeats) = subscriber.first_arrivals();
        (first.len() as u64 == last).then_some((first, repeats))
    });
    until("all are acknowledged", || (uplink.status().state.outbox_events == 0).then_some(()));
    let (first, repeats) = arrived;
    eprintln!(
        "{} promised, {} arrived, {repeats} repeats, {clips} clips",
        promised.len(),
        first.len()
    );
    let ids: BTreeSet<&str> = first.iter().map(|message| message.text("id")).collect();
    for id in &promised {
        assert!(ids.contains(id.as_str()), "{id} was promised and did not arrive");
    }
    for court in ["a", "b"] {
        let mut of_court: BTreeMap<&str, (u64, bool)> = BTreeMap::new();
        let here = format!("/event/{court}/");
        for message in first.iter().filter(|message| message.topic.contains(&here)) {
            let revision = message.json["revision"].as_u64().expect("number");
            let provisional = message.json["data"]["provisional"] == true;
            let last = of_court.entry(message.text("fact")).or_insert((0, provisional));
            if revision >= last.0 {
                *last = (revision, provisional);
            }
        }
        let open: Vec<_> = of_court.iter().filter(|(_, (_, provisional))| *provisional).collect();
        assert!(open.is_empty(), "no final, no withdrawal: {open:?}");
        let mut known = sequences(&first, court);
        known.sort_unstable();
        assert_eq!(known, (1..=known.len() as u64).collect::<Vec<_>>());
    }
    let drained = runtime.block_on(uplink.shutdown(Duration::from_secs(10)));
    assert!(drained.committed);
}
