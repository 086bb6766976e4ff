//! What Home Assistant is told, at a real mosquitto: there while it is switched on, told again when it begins,
//! and gone when it is switched off, whatever was between.

use std::path::Path;
use std::sync::Arc;

use courtside::app::{App, AppHandle, Devices, Options, World};
use courtside::clock::{Chance, Clock, SystemClock};
use courtside::config::Source;
use courtside::disk::RealDisk;
use rumqttc::mqttbytes::QoS;
use rumqttc::{AsyncClient, Broker, MqttOptions, PublishOptions};
use serde_json::json;
use tokio::sync::watch;

use crate::mosquitto::{Mosquitto, until};

/// Retained messages below `homeassistant/` and what is retained for it alone.
const FOR_HOME: [&str; 3] =
    ["homeassistant/#", "courtside/1/rim-1/state/home/#", "courtside/1/rim-1/state/picture/#"];

/// A whole box beside a mosquitto.
struct WholeBox {
    runtime: tokio::runtime::Runtime,
    handle: AppHandle,
    stop: watch::Sender<bool>,
    ended: tokio::task::JoinHandle<()>,
}

impl WholeBox {
    fn start(dir: &Path, broker: u16, on: bool) -> Self {
        drop(tracing_subscriber::fmt().with_test_writer().try_init());
        let text = format!(
            "[box]\nname = \"rim-1\"\ndata_dir = \"{}\"\n[uplink]\n\
             broker = \"mqtt://127.0.0.1:{broker}\"\nhome_assistant = {on}\n[ingest]\n\
             rtmp = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n[ring]\n\
             quota_bytes = 67108864\n[[court]]\nname = \"a\"\nstream_key = \"north-hoop-1\"\n\
             rims = [[612, 188, 44, 22]]\n",
            dir.display()
        );
        let read = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
        let source = Source::new(Path::new("courtside.toml"), &text, Arc::new(read));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let devices = Devices::installed(&clock);
        let disk = Arc::new(RealDisk::new());
        let begun = source.begin(&*disk).expect("it is right");
        let world = World { clock, chance: Chance::system(), disk, devices };
        let runtime = tokio::runtime::Runtime::new().expect("runtime");
        let options = Options { open_http: true, twin: Some(begun.clone()), ..Options::default() };
        let app = runtime.block_on(App::build(begun.config, world, options)).expect("it is built");
        let (handle, (stop, stopped)) = (app.handle(), watch::channel(false));
        let ended = runtime.spawn(async move {
            app.run(stopped).await.expect("it ends well");
        });
        let begun = Self { runtime, handle, stop, ended };
        until("the box is connected", || begun.handle.uplink().connected.then_some(()));
        begun
    }

    /// Switches it by `config/desired`.
    fn switch(&self, revision: u64, on: bool) {
        let body =
            json!({ "revision": revision, "config": { "uplink": { "home_assistant": on } } });
        let told = self.runtime.block_on(self.handle.config_desired(body.to_string().into()));
        assert!(told.expect("it is judged").errors.is_empty());
    }

    fn stop(self) {
        self.stop.send_replace(true);
        self.runtime.block_on(self.ended).expect("no panic");
    }
}

/// Who subscribes now, and counts what came since: retained and live, of what is for Home Assistant.
struct Heard {
    _runtime: tokio::runtime::Runtime,
    client: AsyncClient,
    came: Arc<parking_lot::Mutex<Vec<(String, bool, usize)>>>,
}

impl Heard {
    fn at(port: u16) -> Self {
        use rumqttc::Event;
        use rumqttc::mqttbytes::v5::Packet;

        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime");
        static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let options = MqttOptions::new(format!("home-{number}"), Broker::tcp("127.0.0.1", port));
        let inside = runtime.enter();
        let (client, mut events) = AsyncClient::builder(options).capacity(16).build();
        drop(inside);
        let came = Arc::<parking_lot::Mutex<Vec<_>>>::default();
        let (sink, (ready, is_ready)) =
            (Arc::clone(&came), std::sync::mpsc::sync_channel(FOR_HOME.len()));
        runtime.spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::SubAck(_))) => drop(ready.try_send(())),
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let topic = String::from_utf8(publish.topic.to_vec()).expect("text");
                        sink.lock().push((topic, publish.retain, publish.payload.len()));
                    }
                    Ok(_) => {}
                    Err(error) => {
                        eprintln!("the subscriber: {error}");
                        return;
                    }
                }
            }
        });
        for filter in FOR_HOME {
            runtime.block_on(client.subscribe(filter, QoS::AtLeastOnce)).expect("asked");
        }
        for _ in FOR_HOME {
            is_ready.recv_timeout(crate::mosquitto::PATIENCE).expect("granted");
        }
        Self { _runtime: runtime, client, came }
    }

    fn says(&self, word: &str) {
        let options = PublishOptions::at_least_once();
        let said = self.client.publish("homeassistant/status", word.to_owned(), options);
        self._runtime.block_on(said).expect("said");
    }

    /// Topics of discovery that came live with something in them.
    fn live(&self) -> usize {
        let came = self.came.lock();
        came.iter()
            .filter(|(topic, retained, len)| is_discovery(topic) && !retained && *len > 0)
            .count()
    }

    /// Everything that came live with nothing in it: taken away.
    fn taken_away(&self) -> usize {
        self.came.lock().iter().filter(|(_, retained, len)| !retained && *len == 0).count()
    }
}

fn is_discovery(topic: &str) -> bool {
    topic.starts_with("homeassistant/") && topic.ends_with("/config")
}

/// What the broker retains now.
fn retained(port: u16) -> Vec<String> {
    let heard = Heard::at(port);
    // After what is retained comes what is published now.
    heard.says("nothing");
    until("the broker has told all", || {
        let came = heard.came.lock();
        came.iter().any(|(topic, ..)| topic == "homeassistant/status").then_some(())
    });
    let came = heard.came.lock();
    came.iter().filter(|(_, retained, _)| *retained).map(|(topic, ..)| topic.clone()).collect()
}

/// An entity for the box, five for the court; `state/home/a`. Without a camera there is no picture.
const ALL: usize = 7;

#[test]
fn home_assistant_is_told_told_again_and_taken_back() {
    let broker = Mosquitto::start(false, None);
    let dir = tempfile::tempdir().expect("directory");
    let tested = WholeBox::start(dir.path(), broker.port, false);
    let heard = Heard::at(broker.port);
    assert!(retained(broker.port).is_empty(), "it is off");

    tested.switch(1, true);
    until("all is told", || (retained(broker.port).len() == ALL).then_some(()));
    // Only once they have been told for the first time does this say anything.
    let before = heard.live();
    heard.says("offline");
    heard.says("online");
    until("all is told again", || (heard.live() == before + ALL - 1).then_some(()));

    tested.switch(2, false);
    until("all is taken away", || retained(broker.port).is_empty().then_some(()));
    until("that is heard", || (heard.taken_away() >= ALL).then_some(()));
    let file = dir.path().join("home.json");
    until("nothing is kept of it", || (!file.exists()).then_some(()));

    // On again, and switched off by hand while the box is away: the next start takes it back.
    tested.switch(3, true);
    until("all is told", || (retained(broker.port).len() == ALL).then_some(()));
    tested.stop();
    assert!(file.exists());
    assert_eq!(retained(broker.port).len(), ALL, "it is retained while the box is away");
    std::fs::remove_dir_all(dir.path().join("config")).expect("the twin is there");
    let tested = WholeBox::start(dir.path(), broker.port, false);
    until("the next start takes it back", || retained(broker.port).is_empty().then_some(()));
    until("nothing is kept of it", || (!file.exists()).then_some(()));
    tested.stop();
}
