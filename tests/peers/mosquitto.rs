//! A mosquitto of our own, a gate in front of it, and a subscriber.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::Packet;
use rumqttc::{AsyncClient, Broker, Event, MqttOptions};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Looks again and again until `condition` gives something; names `what` if it never does.
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let tries = PATIENCE.as_millis() / 5;
    for _ in 0..tries {
        if let Some(found) = condition() {
            return found;
        }
        thread::park_timeout(Duration::from_millis(5));
    }
    panic!("gave up waiting until {what}");
}

/// Where it is: a user's shell on Debian does not look into `sbin`.
pub(crate) fn program() -> PathBuf {
    ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| "mosquitto".into())
}

/// A broker on a free port of loopback.
pub(crate) struct Mosquitto {
    dir: TempDir,
    pub port: u16,
    child: Option<Child>,
}

impl Mosquitto {
    /// Starts one; `acl`: lines of its ACL file, where it has one.
    pub(crate) fn start(persistent: bool, acl: Option<&str>) -> Self {
        Self::with(persistent, acl, "allow_anonymous true\n")
    }

    /// Starts one whose listener has these further lines.
    pub(crate) fn secured(lines: &str) -> Self {
        Self::with(false, None, lines)
    }

    /// Starts one whose listener has these further lines, and which confines its users so.
    pub(crate) fn confined(lines: &str, acl: &str) -> Self {
        Self::with(false, Some(acl), lines)
    }

    fn with(persistent: bool, acl: Option<&str>, lines: &str) -> Self {
        let dir = tempfile::tempdir().expect("directory");
        let port = a_port_to_come_back_to();
        let path = dir.path().display().to_string();
        let mut conf = format!(
            "listener {port} 127.0.0.1\n{lines}user root\nlog_dest none\n\
             max_inflight_messages 0\nmax_queued_messages 0\n\
             persistence {persistent}\npersistence_location {path}/\n"
        );
        if acl.is_some() {
            writeln!(conf, "acl_file {path}/acl").expect("text");
        }
        let mut broker = Self { dir, port, child: None };
        broker.put("mosquitto.conf", &conf);
        broker.put("acl", acl.unwrap_or_default());
        broker.launch();
        broker
    }

    fn put(&self, name: &str, text: &str) {
        let mut file = std::fs::File::create(self.dir.path().join(name)).expect("file");
        file.write_all(text.as_bytes()).expect("written");
    }

    /// Starts it again on the same port, with what it had kept.
    pub(crate) fn launch(&mut self) {
        let mut command = Command::new(program());
        command.arg("-c").arg(self.dir.path().join("mosquitto.conf"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let port = self.port;
        until("the broker listens", || {
            let running = self
                .child
                .as_mut()
                .is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_none()));
            if !running {
                self.child = Some(command.spawn().expect("mosquitto runs: make sets it up"));
            }
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        });
    }

    /// Another ACL, from now on.
    pub(crate) fn set_acl(&self, acl: &str) {
        self.put("acl", acl);
        self.signal("-HUP");
    }

    /// SIGTERM: it saves what it keeps.
    pub(crate) fn stop(&mut self) {
        self.signal("-TERM");
        if let Some(mut child) = self.child.take() {
            child.wait().expect("ended");
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("killed");
            child.wait().expect("ended");
        }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().expect("running").id().to_string();
        let status = Command::new("kill").args([signal, &id]).status().expect("kill");
        assert!(status.success());
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A free port that stays ours while its broker is away: none of those that the system gives to
/// listeners on port 0 and to outgoing connections (from 32,768 on).
pub(crate) fn a_port_to_come_back_to() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let mut tries = 0..2_000u32;
    until("a port is free", || {
        tries.next()?;
        let n = GIVEN.fetch_add(1, Ordering::SeqCst).wrapping_mul(7);
        let at = std::process::id().wrapping_mul(101).wrapping_add(n) % 12_000;
        let port = 20_000 + u16::try_from(at).expect("below 12,000");
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok().then_some(port)
    })
}

/// A TCP proxy that can be shut: who connects through it waits until the subscriber is in place,
/// and its connections can be cut at any byte.
pub(crate) struct Gate {
    pub port: u16,
    open: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Gate {
    pub(crate) fn before(upstream: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("address").port();
        let open = Arc::new(AtomicBool::new(true));
        let connections = Arc::<Mutex<Vec<TcpStream>>>::default();
        let (is_open, kept) = (Arc::clone(&open), Arc::clone(&connections));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if !is_open.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)) else {
                    continue;
                };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    from.set_nodelay(true).expect("option");
                    let (mut from, mut to) =
                        (from.try_clone().expect("clone"), to.try_clone().expect("clone"));
                    thread::spawn(move || {
                        // Either end may be cut at any moment.
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                        let _ = from.shutdown(Shutdown::Both);
                    });
                }
                kept.lock().extend([client, server]);
            }
        });
        Self { port, open, connections }
    }

    /// Lets nobody in, and cuts who is.
    pub(crate) fn shut(&self) {
        self.open.store(false, Ordering::SeqCst);
        for connection in self.connections.lock().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }
}

/// One message as it came.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub topic: String,
    pub retained: bool,
    pub content_type: Option<String>,
    pub json: Value,
}

impl Message {
    pub(crate) fn text(&self, key: &str) -> &str {
        self.json[key].as_str().unwrap_or_default()
    }
}

/// What came, read: `Null` where it is empty, for a retained message that is taken back, and a text where
/// it is no JSON, which a box never sends.
fn body(payload: &[u8]) -> Value {
    if payload.is_empty() {
        return Value::Null;
    }
    let text = || Value::String(String::from_utf8_lossy(payload).into_owned());
    serde_json::from_slice(payload).unwrap_or_else(|_| text())
}

/// Subscribes to everything, again at each connection.
pub(crate) struct Subscriber {
    messages: Arc<Mutex<Vec<Message>>>,
    subscribed: Arc<AtomicU64>,
    _runtime: tokio::runtime::Runtime,
}

impl Subscriber {
    pub(crate) fn to(port: u16) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime");
        let messages = Arc::<Mutex<Vec<Message>>>::default();
        let subscribed = Arc::<AtomicU64>::default();
        let (kept, count) = (Arc::clone(&messages), Arc::clone(&subscribed));
        runtime.spawn(async move {
            // Two of one name would take each other's session for ever.
            static COUNT: AtomicU64 = AtomicU64::new(0);
            let id = format!("subscriber-{}", COUNT.fetch_add(1, Ordering::SeqCst));
            let mut options = MqttOptions::new(id, Broker::tcp("127.0.0.1", port));
            options.set_keep_alive(5).set_max_packet_size(Some(1 << 20));
            let (client, mut events) = AsyncClient::builder(options).capacity(10).build();
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        client.subscribe("courtside/#", QoS::AtLeastOnce).await.expect("queued");
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        kept.lock().push(Message {
                            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                            retained: publish.retain,
                            content_type: publish.properties.and_then(|p| p.content_type),
                            json: body(&publish.payload),
                        });
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        let subscriber = Self { messages, subscribed, _runtime: runtime };
        subscriber.wait_subscribed(1);
        subscriber
    }

    /// Waits until it has subscribed so many times in all.
    pub(crate) fn wait_subscribed(&self, times: u64) {
        until("the subscriber is in place", || {
            (self.subscribed.load(Ordering::SeqCst) >= times).then_some(())
        });
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        self.messages.lock().clone()
    }

    /// Messages below `courtside/1/{box}/{below}`.
    pub(crate) fn below(&self, below: &str) -> Vec<Message> {
        let prefix = format!("courtside/1/rim-1/{below}");
        self.messages().into_iter().filter(|message| message.topic.starts_with(&prefix)).collect()
    }

    pub(crate) fn events(&self) -> Vec<Message> {
        self.below("event/")
    }

    /// First arrival of each event, and how often each came; a repeat must be the same.
    pub(crate) fn first_arrivals(&self) -> (Vec<Message>, usize) {
        let mut known: BTreeMap<String, Message> = BTreeMap::new();
        let mut first = Vec::new();
        let mut repeats = 0;
        for message in self.events() {
            let id = message.text("id").to_owned();
            match known.get(&id) {
                Some(before) => {
                    repeats += 1;
                    assert_eq!(before.topic, message.topic);
                    for key in [
                        "id", "source", "type", "subject", "sequence", "session", "fact",
                        "revision", "data",
                    ] {
                        assert_eq!(before.json[key], message.json[key], "{id}: {key}");
                    }
                }
                None => {
                    known.insert(id, message.clone());
                    first.push(message);
                }
            }
        }
        (first, repeats)
    }
}
