//! Commands over a real mosquitto: asked twice, while the box is away, in floods, and of a box that dies.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use courtside::clock::SystemClock;
use courtside::media::Foreign;
use courtside::uplink::{Call, Failed, Hooks, Operation, Uplink, schema};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::{Packet, PublishProperties};
use rumqttc::{AsyncClient, Broker, Event, MqttOptions, PublishOptions};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::broker::{missed, open, settings};
use crate::mosquitto::{Gate, Mosquitto, Subscriber, until};

const ROOT: &str = "courtside/1/rim-1";

/// Writes a line of each run, synced: what a run leaves in the world.
struct Writes(PathBuf);

impl Operation for Writes {
    fn name(&self) -> &'static str {
        "write"
    }

    fn arguments(&self) -> Value {
        json!({ "type": "object" })
    }

    fn check(&self, _: &Map<String, Value>) -> Result<(), Foreign> {
        Ok(())
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(&self.0);
        let mut file = file.expect("opens");
        writeln!(file, "{}", call.id).expect("written");
        file.sync_data().expect("synced");
        call.tells(Some(50), "written");
        Ok(json!({ "wrote": call.id }))
    }
}

/// A box that writes.
struct Sut {
    uplink: Uplink,
    runtime: tokio::runtime::Runtime,
}

impl Sut {
    fn open(dir: &Path, port: u16) -> Self {
        drop(tracing_subscriber::fmt().with_test_writer().try_init());
        let settings = settings(&dir.join("outbox"), port);
        let (uplink, _) = open(settings, Arc::new(SystemClock::new()), Hooks::default());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime");
        uplink.serve(vec![Arc::new(Writes(dir.join("runs")))]);
        uplink.connect(runtime.handle());
        Self { uplink, runtime }
    }

    fn connected(&self) {
        until("the uplink is connected", || self.uplink.status().connected.then_some(()));
    }

    /// Waits until commands come here: connected is told with the broker's greeting, and what is asked
    /// before the subscription stands is nobody's. The box says how it is behind its subscription.
    fn heeds(&self, subscriber: &Subscriber) {
        self.connected();
        until("the box says that it is there", || {
            (!subscriber.below("state/box").is_empty()).then_some(())
        });
    }

    fn shutdown(self) {
        self.runtime.block_on(self.uplink.shutdown(Duration::from_secs(20)));
    }
}

/// Ids of runs, in order.
fn runs(dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join("runs")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A back office: publishes, and counts its acknowledgements.
pub(crate) struct Office {
    client: AsyncClient,
    acknowledged: Arc<AtomicU64>,
    runtime: tokio::runtime::Runtime,
}

impl Office {
    pub(crate) fn at(port: u16) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime");
        let mut options = MqttOptions::new("office", Broker::tcp("127.0.0.1", port));
        options.set_outgoing_inflight_upper_limit(100);
        let _inside = runtime.enter();
        let (client, mut events) = AsyncClient::builder(options).capacity(64).build();
        let acknowledged = Arc::<AtomicU64>::default();
        let (count, (up, mut is_up)) = (Arc::clone(&acknowledged), mpsc::channel(1));
        runtime.spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => up.send(()).await.expect("waits"),
                    Ok(Event::Incoming(Packet::PubAck(_))) => {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        });
        runtime.block_on(is_up.recv()).expect("greeted");
        drop(is_up);
        drop(_inside);
        Self { client, acknowledged, runtime }
    }

    pub(crate) fn publish(
        &self,
        topic: &str,
        body: &str,
        retained: bool,
        properties: PublishProperties,
    ) {
        let options = PublishOptions::new(QoS::AtLeastOnce).properties(properties);
        let options = if retained { options.retained() } else { options };
        let sent = self.client.publish(topic.to_owned(), body.to_owned(), options);
        self.runtime.block_on(sent).expect("queued");
    }

    fn ask(&self, id: &str) {
        self.ask_with(id, expiring(600));
    }

    fn ask_with(&self, id: &str, properties: PublishProperties) {
        self.publish(
            &format!("{ROOT}/command/{id}"),
            r#"{"operation": "write"}"#,
            false,
            properties,
        );
    }

    fn acknowledged(&self, count: u64) {
        let of = || self.acknowledged.load(Ordering::SeqCst);
        until("the broker has all", || (of() >= count).then_some(()));
    }
}

fn expiring(seconds: u32) -> PublishProperties {
    PublishProperties { message_expiry_interval: Some(seconds), ..PublishProperties::default() }
}

/// The states of each command, in order.
fn states(subscriber: &Subscriber) -> BTreeMap<String, Vec<Value>> {
    let mut states = BTreeMap::<String, Vec<Value>>::new();
    for message in subscriber.below("command/") {
        let below = message.topic.rsplit_once("/command/").expect("ours").1.to_owned();
        if let Some(id) = below.strip_suffix("/state") {
            states.entry(id.to_owned()).or_default().push(message.json);
        }
    }
    states
}

fn ended(subscriber: &Subscriber, id: &str) -> Value {
    until(&format!("{id} is over"), || {
        let states = states(subscriber);
        let last = states.get(id)?.last()?.clone();
        matches!(last["state"].as_str(), Some("done" | "failed" | "refused")).then_some(last)
    })
}

#[test]
fn a_command_runs_once_however_often_it_comes_and_its_end_is_retained() {
    let broker = Mosquitto::start(true, None);
    let gate = Gate::before(broker.port);
    let (subscriber, office) = (Subscriber::to(broker.port), Office::at(broker.port));
    let dir = tempfile::tempdir().expect("directory");
    let sut = Sut::open(dir.path(), gate.port);
    sut.heeds(&subscriber);
    let properties = PublishProperties {
        response_topic: Some(format!("{ROOT}/answer/office")),
        correlation_data: Some("seven".into()),
        ..expiring(600)
    };
    office.ask_with("one", properties);
    assert_eq!(ended(&subscriber, "one")["result"]["wrote"], "one");
    let answer =
        || subscriber.below("answer/office").into_iter().any(|m| m.json["state"] == "done");
    until("the sender is told, too", || answer().then_some(()));
    // While the link is down the broker keeps commands; those that expire meanwhile never come.
    gate.shut();
    until("the uplink noticed", || (!sut.uplink.status().connected).then_some(()));
    for id in ["one", "while-away", "while-away"] {
        office.ask(id);
    }
    office.ask_with("late", expiring(1));
    office.acknowledged(5);
    let short = Subscriber::to(broker.port);
    std::thread::park_timeout(Duration::from_millis(1_500));
    gate.open();
    assert_eq!(ended(&subscriber, "while-away")["state"], "done");
    sut.shutdown();
    let sut = Sut::open(dir.path(), gate.port);
    sut.connected();
    office.ask("one");
    office.ask("last");
    ended(&subscriber, "last");
    assert_eq!(runs(dir.path()), ["one", "while-away", "last"]);
    drop(short);
    // A retained one is told off, and leaves nothing.
    let topic = format!("{ROOT}/command/kept");
    office.publish(&topic, r#"{"operation": "write"}"#, true, expiring(600));
    assert_eq!(ended(&subscriber, "kept")["code"], "retained");
    office.publish(&topic, "", true, PublishProperties::default());
    office.ask("kept");
    until("it runs then", || (runs(dir.path()).len() == 4).then_some(()));
    let all: BTreeMap<String, Value> = schema::all().into_iter().collect();
    let validator = jsonschema::validator_for(&all["command.state.json"]).expect("a schema");
    for state in states(&subscriber).into_values().flatten() {
        let wrong: Vec<String> = validator.iter_errors(&state).map(|e| e.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:?} in {state:#}");
    }
    let late = Subscriber::to(broker.port);
    until("ends are retained", || {
        let states = states(&late);
        let kept = ["one", "while-away", "last"];
        kept.iter().all(|id| states.get(*id).is_some_and(|s| s[0]["state"] == "done")).then_some(())
    });
}

/// Several thousand commands in a row, at QoS 0 and 1, while shots are called: each of QoS 1 is answered,
/// and no event waits for them.
#[test]
fn a_flood_of_commands_holds_up_no_event() {
    let broker = Mosquitto::start(false, None);
    let (subscriber, office) = (Subscriber::to(broker.port), Office::at(broker.port));
    let dir = tempfile::tempdir().expect("directory");
    let sut = Sut::open(dir.path(), broker.port);
    sut.heeds(&subscriber);
    let large = format!(r#"{{"operation": "write", "x": "{}"}}"#, "x".repeat(100_000));
    for n in 0..4_000_u32 {
        match n % 100 {
            98 => {
                office.publish(&format!("{ROOT}/command/large-{n}"), &large, false, expiring(600));
            }
            99 => office.publish(&format!("{ROOT}/command/odd-{n}"), "{", false, expiring(600)),
            _ => office.ask(&format!("flood-{n}")),
        }
        if n % 1_000 == 500 {
            let offered = sut.uplink.inbox().try_offer(missed("a", n).into());
            assert!(offered.is_ok(), "the outbox takes it");
        }
    }
    let of = |n: u32| format!("00000000000000c0-{n}");
    for n in [500, 1_500, 2_500, 3_500] {
        let arrived = || subscriber.events().iter().any(|event| event.text("fact") == of(n));
        until("the event arrived", || arrived().then_some(()));
    }
    until("each command is answered", || (states(&subscriber).len() == 4_000).then_some(()));
    let over = |states: &Vec<Value>| {
        let last = states.last().expect("some")["state"].as_str().unwrap_or_default();
        matches!(last, "done" | "refused")
    };
    until("each is over", || states(&subscriber).values().all(over).then_some(()));
    let (all, ran) = (states(&subscriber), runs(dir.path()));
    let code =
        |id: &str| all[id].last().expect("some")["code"].as_str().unwrap_or_default().to_owned();
    // This broker keeps to no window: of what it sends beyond 4 MiB only the topic is looked at.
    for (of, its) in [("large-", "too_large"), ("odd-", "not_json")] {
        let codes: BTreeMap<String, usize> =
            all.keys().filter(|id| id.starts_with(of)).fold(BTreeMap::new(), |mut counts, id| {
                *counts.entry(code(id)).or_default() += 1;
                counts
            });
        assert_eq!(codes.values().sum::<usize>(), 40, "{codes:?}");
        assert!(codes.keys().all(|code| code == its || code == "too_many"), "{codes:?}");
    }
    assert!(ran.len() <= 260, "{} ran", ran.len());
    assert_eq!(ran.iter().collect::<BTreeSet<_>>().len(), ran.len(), "none twice");
}

const CHILD_DIR: &str = "COURTSIDE_TEST_COMMAND_DIR";
const CHILD_PORT: &str = "COURTSIDE_TEST_COMMAND_PORT";

/// The child of the test below; does nothing when it runs by itself.
#[test]
fn child_that_obeys() {
    let (Some(dir), Some(port)) = (std::env::var_os(CHILD_DIR), std::env::var(CHILD_PORT).ok())
    else {
        return;
    };
    let _sut = Sut::open(Path::new(&dir), port.parse().expect("port"));
    loop {
        std::thread::park();
    }
}

#[test]
fn a_box_that_is_killed_at_any_moment_does_each_command_once_or_says_that_it_was_cut() {
    const ROUNDS: u32 = 10;
    // Of all of them no more than may wait at once.
    const EACH: u32 = 6;
    let broker = Mosquitto::start(false, None);
    let (subscriber, office) = (Subscriber::to(broker.port), Office::at(broker.port));
    let dir = tempfile::tempdir().expect("directory");
    let start = || {
        Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "commands::child_that_obeys", "--nocapture", "--test-threads=1"])
            .env(CHILD_DIR, dir.path())
            .env(CHILD_PORT, broker.port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("child")
    };
    // It subscribes once: from then on the broker keeps what comes.
    let mut child = start();
    until("it is born", || subscriber.below("state/box").first().map(|_| ()));
    office.ask("first");
    until("it obeys", || states(&subscriber).get("first").map(|_| ()));
    let mut lottery = 0x2545_f491_4f6c_dd1du64;
    for round in 0..ROUNDS {
        for n in 0..EACH {
            office.ask(&format!("c-{round}-{n}"));
        }
        lottery = lottery.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let enough = usize::try_from(lottery >> 60).expect("small") % (EACH as usize);
        let before = subscriber.below("command/").len();
        until("it is at it", || {
            (subscriber.below("command/").len() >= before + enough).then_some(())
        });
        child.kill().expect("killed");
        child.wait().expect("ended");
        child = start();
    }
    let expected = usize::try_from(ROUNDS * EACH).expect("small") + 1;
    let all = until("each is over", || {
        let states = states(&subscriber);
        let over = |states: &Vec<Value>| {
            matches!(states.last().expect("some")["state"].as_str(), Some("done" | "failed"))
        };
        (states.len() == expected && states.values().all(over)).then_some(states)
    });
    child.kill().expect("killed");
    child.wait().expect("ended");
    let ran = runs(dir.path());
    let mut count = BTreeMap::<&str, u32>::new();
    for id in &ran {
        *count.entry(id).or_default() += 1;
    }
    for (id, states) in &all {
        let last = states.last().expect("some");
        let times = count.get(id.as_str()).copied().unwrap_or(0);
        match last["state"].as_str() {
            Some("done") => assert_eq!(times, 1, "{id}"),
            _ => assert!(times <= 1 && last["code"] == "cut", "{id}: {times}, {last}"),
        }
        let numbers: Vec<u64> =
            states.iter().filter_map(|state| state["number"].as_u64()).collect();
        assert!(numbers.is_sorted(), "{id}: {numbers:?}");
    }
}
