//! A configuration from afar against a real mosquitto: a broker that is none is left again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use courtside::app::{App, AppHandle, Devices, Options, Report, World};
use courtside::clock::{Chance, Clock};
use courtside::config::Source;
use courtside::disk::RealDisk;
use courtside::event::words::DesiredOutcome;
use courtside::media::UtcTime;
use rumqttc::mqttbytes::v5::PublishProperties;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::commands::Office;
use crate::flowing::FlowingClock;
use crate::mosquitto::{Mosquitto, Subscriber, until};

const NOON: UtcTime = UtcTime::from_nanos(1_800_000_000_000_000_000);

/// A whole box beside a mosquitto.
struct WholeBox {
    runtime: tokio::runtime::Runtime,
    clock: FlowingClock,
    handle: AppHandle,
    stop: watch::Sender<bool>,
    ended: JoinHandle<Report>,
}

impl WholeBox {
    fn start(dir: &Path, broker: u16) -> Self {
        drop(tracing_subscriber::fmt().with_test_writer().try_init());
        let text = format!(
            "[box]\nname = \"rim-1\"\ndata_dir = \"{}\"\n[uplink]\n\
             broker = \"mqtt://127.0.0.1:{broker}\"\n[ingest]\nrtmp = \"127.0.0.1:0\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\n[ring]\nquota_bytes = 67108864\n[[court]]\n\
             name = \"a\"\nstream_key = \"north-hoop-1\"\nrims = [[612, 188, 44, 22]]\n",
            dir.display()
        );
        let read = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
        let source = Source::new(Path::new("courtside.toml"), &text, Arc::new(read));
        let clock = FlowingClock::at(NOON);
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let devices = Devices::installed(&shared);
        let disk = Arc::new(RealDisk::new());
        let begun = source.begin(&*disk).expect("it is right");
        let world = World { clock: shared, chance: Chance::system(), disk, devices };
        let runtime = tokio::runtime::Runtime::new().expect("runtime");
        let options = Options { open_http: true, twin: Some(begun.clone()), ..Options::default() };
        let app = runtime.block_on(App::build(begun.config, world, options)).expect("it is built");
        let (handle, (stop, stopped)) = (app.handle(), watch::channel(false));
        let ended = runtime.spawn(async move { app.run(stopped).await.expect("it ends well") });
        let begun = Self { runtime, clock, handle, stop, ended };
        begun.connected();
        begun
    }

    fn connected(&self) {
        until("the box is connected", || self.handle.uplink().connected.then_some(()));
    }

    /// Lets `seconds` pass, a second at a time: the link lives on meanwhile.
    fn pass(&self, seconds: u32) {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    fn desired(&self, revision: u64, config: Value) -> DesiredOutcome {
        let body = json!({ "revision": revision, "config": config }).to_string();
        let told = self.runtime.block_on(self.handle.config_desired(body.into()));
        told.expect("it is judged").outcome
    }

    fn stop(self) -> Report {
        self.stop.send_replace(true);
        self.runtime.block_on(self.ended).expect("no panic")
    }
}

/// What became of the last one that was wanted, as the broker tells who subscribes.
fn outcome(subscriber: &Subscriber) -> Option<(u64, String, u64)> {
    let reported = subscriber.below("config/reported").pop()?.json;
    let outcome = reported["desired"]["outcome"].as_str()?.to_owned();
    Some((reported["desired"]["revision"].as_u64()?, outcome, reported["revision"].as_u64()?))
}

fn online(subscriber: &Subscriber) -> Option<bool> {
    subscriber.below("state/box").pop()?.json["online"].as_bool()
}

#[test]
fn a_wrong_broker_is_left_again_and_a_right_one_is_kept() {
    let (first, second) = (Mosquitto::start(false, None), Mosquitto::start(false, None));
    let (at_first, at_second) = (Subscriber::to(first.port), Subscriber::to(second.port));
    let dir = tempfile::tempdir().expect("directory");
    let tested = WholeBox::start(dir.path(), first.port);
    until("it reports", || at_first.below("config/reported").pop());

    // A port of ours at which nobody listens.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = nobody.local_addr().expect("bound");
    drop(nobody);
    let wrong = json!({ "uplink": { "broker": format!("mqtt://{address}") } });
    assert_eq!(tested.desired(1, wrong.clone()), DesiredOutcome::Trying);
    until("it says goodbye", || (online(&at_first) == Some(false)).then_some(()));
    tested.pass(30);
    assert!(!tested.handle.uplink().connected, "it stays where it was told to be");
    let undone = Some((1, "undone".to_owned(), 0));
    until("the wrong one is undone", || {
        tested.clock.advance(Duration::from_millis(500));
        (outcome(&at_first) == undone).then_some(())
    });
    tested.connected();
    assert_eq!(tested.desired(1, wrong), DesiredOutcome::Undone, "and is known");

    let right = json!({ "uplink": { "broker": format!("mqtt://127.0.0.1:{}", second.port) } });
    assert_eq!(tested.desired(2, right), DesiredOutcome::Trying);
    until("it comes to the other one", || (online(&at_second) == Some(true)).then_some(()));
    let applied = Some((2, "applied".to_owned(), 2));
    until("the right one is kept", || {
        tested.clock.advance(Duration::from_millis(250));
        (outcome(&at_second) == applied).then_some(())
    });
    assert_eq!(online(&at_first), Some(false), "nobody is told that it is there still");
    let report = tested.stop();
    assert_eq!(report.unbalanced, []);
}

/// What `config/reported` says: the revision in force, what became of the newest, and what was passed over.
fn reported(subscriber: &Subscriber) -> Option<(u64, Value, Value)> {
    let mut told = subscriber.below("config/reported").pop()?.json;
    let desired = json!([told["desired"]["revision"], told["desired"]["outcome"]]);
    Some((told["revision"].as_u64()?, desired, told["passed_over"].take()))
}

#[test]
fn an_old_one_that_the_broker_retains_overwrites_nothing_and_one_that_is_too_long_is_answered() {
    let broker = Mosquitto::start(false, None);
    let subscriber = Subscriber::to(broker.port);
    let dir = tempfile::tempdir().expect("directory");
    let office = Office::at(broker.port);
    let publish = |body: &str| {
        office.publish(
            "courtside/1/rim-1/config/desired",
            body,
            true,
            PublishProperties::default(),
        );
    };
    let log = |level: &str| json!({ "health": { "log": level } });
    let wanted = |revision: u64, level: &str| {
        json!({ "revision": revision, "config": log(level) }).to_string()
    };
    let tested = WholeBox::start(dir.path(), broker.port);
    publish(&wanted(3, "debug"));
    let in_force = |revision: u64| {
        let told = reported(&subscriber)?;
        (told.0 == revision).then_some(told)
    };
    until("what is retained is in force", || in_force(3));
    // A newer one comes over HTTP, or by `courtside config push`; the broker's stays as it is.
    assert_eq!(tested.desired(5, log("info")), DesiredOutcome::Applied);
    assert_eq!(tested.stop().unbalanced, []);

    let tested = WholeBox::start(dir.path(), broker.port);
    let (revision, desired, passed_over) = until("the old one is passed over", || {
        reported(&subscriber).filter(|(_, _, passed_over)| passed_over["revision"] == 3)
    });
    assert_eq!((revision, desired), (5, json!([5, "applied"])));
    let why = passed_over["errors"][0]["reason"].as_str().expect("a reason");
    assert_eq!(why, "3 is older than 5, which is known: count up");

    // Never silence.
    for (body, part) in [
        (format!("{}{}", wanted(9, "warn"), " ".repeat(70 << 10)), "65536 are the most"),
        ("{\"revision\": 9".to_owned(), "not of the form"),
        (json!({ "revision": 9, "config": [] }).to_string(), "no object"),
    ] {
        publish(&body);
        let (revision, desired, _) = until("it is answered", || {
            reported(&subscriber)
                .filter(|(_, _, passed_over)| passed_over["errors"].to_string().contains(part))
        });
        assert_eq!((revision, desired), (5, json!([5, "applied"])), "{part}");
    }
    publish(&wanted(9, "warn"));
    let told = until("and the next one is taken", || in_force(9));
    assert_eq!((told.1, told.2), (json!([9, "applied"]), Value::Null));
    assert_eq!(tested.stop().unbalanced, []);
}
