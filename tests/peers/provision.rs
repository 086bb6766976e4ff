//! A technician's laptop: the real program makes an authority and what mosquitto reads, a real mosquitto runs on
//! exactly that, and boxes are played by the claim's own machine with keys made here.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use courtside::claim::{
    Contact, Identity, Keys, Limits, Login, Machine, Seen, Serial, Store, Want, describe,
};
use courtside::clock::{Clock, SystemClock};
use courtside::config::Broker;
use courtside::disk::RealDisk;
use courtside::media::Foreign;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::{ConnectReturnCode, Packet, PubAckReason};
use rumqttc::{AsyncClient, ConnectionError, Event, MqttOptions, PublishOptions, Transport};
use serde_json::Value;
use tempfile::TempDir;

use crate::mosquitto::{PATIENCE, until};

/// A venue on loopback: folder, broker, laptop.
pub(crate) struct Venue {
    pub(crate) dir: TempDir,
    broker: Option<Child>,
    runtime: tokio::runtime::Runtime,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("bound").port()
}

fn courtside() -> Command {
    Command::new(env!("CARGO_BIN_EXE_courtside"))
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

impl Venue {
    pub(crate) fn new(words: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("directory");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime");
        let venue = Self { dir, broker: None, runtime };
        let port = free_port().to_string();
        let all = ["--host", "127.0.0.1", "--bind", "127.0.0.1", "--port", &port];
        let made = venue.provision("ca", &[&all[..], words].concat());
        assert!(made.status.success(), "{}", said(&made));
        assert_eq!(String::from_utf8_lossy(&made.stdout).lines().count(), 3);
        venue
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.dir.path().join("venue")
    }

    fn command(&self, what: &str, words: &[&str]) -> Command {
        let mut command = courtside();
        command.args(["provision", what]).arg(self.folder()).args(words).stdin(Stdio::null());
        command
    }

    fn provision(&self, what: &str, words: &[&str]) -> Output {
        self.command(what, words).output().expect("it runs")
    }

    fn settings(&self) -> Value {
        let text = std::fs::read(self.folder().join("authority.json")).expect("there");
        serde_json::from_slice(&text).expect("JSON")
    }

    pub(crate) fn port(&self, which: &str) -> u16 {
        u16::try_from(self.settings()[which].as_u64().expect("a port")).expect("a port")
    }

    /// Starts mosquitto as the program says.
    pub(crate) fn start(&mut self) {
        let log = std::fs::File::create(self.dir.path().join("mosquitto.log")).expect("a log");
        let child = Command::new(crate::mosquitto::program())
            .arg("-c")
            .arg(self.folder().join("broker/mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.broker = Some(child.expect("mosquitto runs: make sets it up"));
        let port = self.port("port");
        until("the broker listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
    }

    pub(crate) fn stick(&self, words: &[&str]) -> Contact {
        let stick = self.dir.path().join("stick");
        std::fs::create_dir_all(&stick).expect("a folder");
        let at = stick.display().to_string();
        let written = self.provision("request", &[&["--stick", &at, "--replace"], words].concat());
        assert!(written.status.success(), "{}", said(&written));
        let bytes = std::fs::read(stick.join("courtside-claim.toml")).expect("there");
        Contact::read(&bytes).expect("a claim file").0
    }

    /// A laptop that grants by rule, in the background.
    pub(crate) fn grants(&self, words: &[&str]) -> Laptop {
        let child = self
            .command("grant", &[&["--yes"], words].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Laptop(Some(child.expect("it runs")))
    }

    pub(crate) fn access(&self, certificate: &str, key: &str) -> Access {
        let file = |name: &str| std::fs::read_to_string(self.folder().join(name)).expect("there");
        let broker = Broker::parse(&format!("mqtts://127.0.0.1:{}", self.port("port")));
        let client = Some((file(certificate), file(key)));
        Access { broker: broker.expect("an address"), ca: file("ca.crt"), client, user: None }
    }

    pub(crate) fn connect(&self, access: &Access, id: &str) -> Result<Client, String> {
        self.runtime.block_on(Client::connect(access, id))
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("mosquitto.log")).expect("a log")
    }
}

impl Drop for Venue {
    fn drop(&mut self) {
        if let Some(broker) = &mut self.broker {
            // It may have ended by itself.
            drop(broker.kill());
            drop(broker.wait());
        }
    }
}

/// Where to, and as whom: by certificate, or by user and password.
#[derive(Clone)]
pub(crate) struct Access {
    broker: Broker,
    ca: String,
    pub(crate) client: Option<(String, String)>,
    user: Option<(String, String)>,
}

pub(crate) struct Laptop(Option<Child>);

impl Laptop {
    pub(crate) fn ends(mut self) -> (Option<i32>, String) {
        let mut child = self.0.take().expect("running");
        until("the laptop is done", || child.try_wait().expect("known"));
        let output = child.wait_with_output().expect("ended");
        (output.status.code(), said(&output))
    }

    pub(crate) fn dies(mut self) {
        let mut child = self.0.take().expect("running");
        child.kill().expect("killed");
        child.wait().expect("ended");
    }
}

impl Drop for Laptop {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// A connection whose packets are looked at one by one.
pub(crate) struct Client {
    client: AsyncClient,
    events: rumqttc::EventLoop,
    heard: Vec<(String, Vec<u8>)>,
}

impl Client {
    async fn connect(access: &Access, id: &str) -> Result<Self, String> {
        let Access { broker, ca, client, user } = access.clone();
        let mut options = MqttOptions::new(id, rumqttc::Broker::tcp(broker.host, broker.port));
        let client = client.map(|(chain, key)| (chain.into_bytes(), key.into_bytes()));
        options.set_transport(Transport::tls(ca.into_bytes(), client, None));
        if let Some((user, password)) = user {
            options.set_credentials(user, password);
        }
        options.set_keep_alive(5).set_clean_start(true);
        let (client, events) = AsyncClient::builder(options).capacity(16).build();
        let mut this = Self { client, events, heard: Vec::new() };
        match this.packet(|packet| matches!(packet, Packet::ConnAck(_))).await {
            Ok(_) => Ok(this),
            Err(ConnectionError::ConnectionRefused(code)) => Err(format!("{code:?}")),
            Err(error) => Err(format!("{:?}", Foreign::error(&error))),
        }
    }

    async fn packet(
        &mut self,
        wanted: impl Fn(&Packet) -> bool,
    ) -> Result<Packet, ConnectionError> {
        let poll = async {
            loop {
                let Event::Incoming(packet) = self.events.poll().await? else { continue };
                if let Packet::Publish(publish) = &packet {
                    let topic = String::from_utf8(publish.topic.to_vec()).expect("a topic");
                    self.heard.push((topic, publish.payload.to_vec()));
                }
                if wanted(&packet) {
                    return Ok(packet);
                }
            }
        };
        tokio::time::timeout(PATIENCE, poll).await.expect("a packet in time")
    }

    async fn listen(&mut self, filter: &str) -> Result<(), ConnectionError> {
        self.client.subscribe(filter.to_owned(), QoS::AtLeastOnce).await.expect("queued");
        self.packet(|packet| matches!(packet, Packet::SubAck(_))).await.map(drop)
    }

    /// The broker's answer to a message of QoS 1.
    async fn publish(
        &mut self,
        topic: &str,
        payload: &[u8],
    ) -> Result<PubAckReason, ConnectionError> {
        let options = PublishOptions::at_least_once();
        self.client.publish(topic.to_owned(), payload.to_vec(), options).await.expect("queued");
        let ack = self.packet(|packet| matches!(packet, Packet::PubAck(_))).await?;
        let Packet::PubAck(ack) = ack else { unreachable!("looked for") };
        Ok(ack.reason)
    }

    async fn message(&mut self) -> Result<Vec<u8>, ConnectionError> {
        if self.heard.is_empty() {
            self.packet(|packet| matches!(packet, Packet::Publish(_))).await?;
        }
        Ok(self.heard.remove(0).1)
    }
}

/// A box: the machine of the claim, on a folder, with the least of a shell.
struct Played {
    store: Store,
    machine: Machine,
    clock: SystemClock,
    link: Option<Client>,
}

impl Played {
    fn new(folder: &Path, serial: &str, stick: Contact) -> Self {
        let (store, held) = Store::open(Arc::new(RealDisk::new()), folder).expect("opened");
        let limits = Limits { answer: Duration::from_secs(1), ..Limits::default() };
        let serial = Serial::new(serial).expect("a serial number");
        let machine = Machine::new(serial, "1.0", held, limits);
        let mut played = Self { store, machine, clock: SystemClock::new(), link: None };
        played.seen(Seen::Contact(Box::new(stick)));
        played
    }

    fn seen(&mut self, seen: Seen) {
        self.machine.seen(self.clock.monotonic(), self.clock.utc(), seen);
    }

    fn trouble(&self) -> String {
        self.machine.shown().trouble.map(|trouble| trouble.to_string()).unwrap_or_default()
    }

    async fn step(&mut self, want: Want) {
        let done = |want: Want| Seen::Done(Box::new(want));
        match want.clone() {
            Want::Rest => panic!("nothing is to be done, and it is nobody: {}", self.trouble()),
            Want::Keys => {
                let keys = Keys::make(&self.machine.shown().serial).expect("keys");
                self.seen(Seen::Keys(Box::new(keys)));
            }
            Want::Keep(attempt) => {
                self.store.keep(&attempt).expect("kept");
                self.seen(done(want));
            }
            Want::Commit => {
                self.store.commit().expect("committed");
                self.seen(done(want));
            }
            Want::Told(request) => {
                self.store.told(request).expect("kept");
                self.seen(done(want));
            }
            Want::HangUp => {
                self.link = None;
                self.seen(done(want));
            }
            Want::Connect(login) => {
                match Client::connect(&access(&login), &login.client_id).await {
                    Ok(link) => {
                        self.link = Some(link);
                        self.seen(Seen::Greeted);
                    }
                    Err(why) => self.seen(Seen::Denied(Foreign::text(why))),
                }
            }
            Want::Listen(topic) => {
                self.link.as_mut().expect("connected").listen(&topic).await.expect("heard");
                self.seen(done(want));
            }
            Want::Publish { topic, payload } => {
                let link = self.link.as_mut().expect("connected");
                match link.publish(&topic, &payload).await.expect("answered") {
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers => {
                        self.seen(done(want));
                    }
                    reason => self.seen(Seen::Denied(Foreign::text(format!("{reason:?}")))),
                }
            }
            Want::Wait(until) => {
                let wait = until.since(self.clock.monotonic());
                let Some(link) = &mut self.link else {
                    tokio::time::sleep(wait).await;
                    return self.seen(Seen::Time);
                };
                match tokio::time::timeout(wait, link.message()).await {
                    Ok(answer) => {
                        let answer = answer.expect("the link holds");
                        self.seen(Seen::Answer(answer));
                    }
                    Err(_) => self.seen(Seen::Time),
                }
            }
        }
    }

    /// Until it is somebody and has told so.
    async fn becomes(&mut self) -> Identity {
        let all = async {
            loop {
                match self.machine.want(self.clock.monotonic()) {
                    Want::Rest if self.machine.identity().is_some() => break,
                    want => self.step(want).await,
                }
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, all).await;
        assert!(in_time.is_ok(), "it is still nobody: {}", self.trouble());
        self.machine.identity().expect("somebody")
    }

    /// Until it is told no.
    async fn refused(&mut self, code: &str) {
        let all = async {
            while !self.trouble().starts_with(code) {
                let want = self.machine.want(self.clock.monotonic());
                self.step(want).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, all).await;
        assert!(in_time.is_ok(), "it was not told {code}: {}", self.trouble());
    }
}

fn access(login: &Login) -> Access {
    let Login { broker, ca, client, username, password, .. } = login.clone();
    Access {
        broker,
        ca: ca.expect("an authority").0,
        client: client.map(|(chain, key)| (chain, key.expose().to_owned())),
        user: username.zip(password.map(|password| password.expose().to_owned())),
    }
}

/// As whom a claim file lets in.
fn access_by(contact: Contact) -> Access {
    let Contact { broker, ca, client, .. } = contact;
    let client = client.map(|(chain, key)| (chain, key.expose().to_owned()));
    Access { broker, ca: ca.expect("an authority").0, client, user: None }
}

fn access_of(identity: &Identity) -> Access {
    access(&Login {
        client_id: String::new(),
        broker: identity.broker.clone(),
        ca: identity.ca.clone(),
        client: identity.client.clone(),
        username: identity.username.clone(),
        password: identity.password.clone(),
        floor: None,
    })
}

fn records(venue: &Venue) -> BTreeMap<String, Value> {
    let files = std::fs::read_dir(venue.folder().join("boxes")).expect("listed");
    let read = |entry: std::fs::DirEntry| {
        let value: Value =
            serde_json::from_slice(&std::fs::read(entry.path()).expect("read")).expect("JSON");
        (value["granted"]["serial"].as_str().expect("one").to_owned(), value)
    };
    files.map(|entry| read(entry.expect("listed"))).collect()
}

#[test]
fn what_is_made_is_private_and_never_written_over() {
    use std::os::unix::fs::PermissionsExt;
    let venue = Venue::new(&[]);
    let mode = |name: &str| {
        let of = std::fs::metadata(venue.folder().join(name)).expect("there");
        of.permissions().mode() & 0o777
    };
    for key in ["ca.key", "technician.key", "office.key", "operator.key", "viewer.key"] {
        assert_eq!(mode(key), 0o600, "{key}");
    }
    assert_eq!((mode(""), mode("broker/server.key")), (0o700, 0o600));
    let before = std::fs::read(venue.folder().join("ca.key")).expect("read");
    let again = venue.provision("ca", &["--host", "10.0.0.5"]);
    assert_eq!(again.status.code(), Some(1), "{}", said(&again));
    assert!(said(&again).contains("keys are never written over"), "{}", said(&again));
    assert_eq!(std::fs::read(venue.folder().join("ca.key")).expect("read"), before);
    let beside = std::fs::read_dir(venue.dir.path()).expect("listed").count();
    assert_eq!(beside, 1, "nothing half is left");
    for (words, expected) in [
        (&["--host", "10.0.0.5:8883"][..], "holds more than a host"),
        (&["--host", "0.0.0.0"], "is no address that a box could go to"),
        (&["--host", "10.0.0.5", "--password-port", "8883"], "another port"),
    ] {
        let dir = venue.dir.path().join("other");
        let made = courtside().args(["provision", "ca"]).arg(&dir).args(words).output();
        let made = made.expect("it runs");
        assert_eq!(made.status.code(), Some(2), "{words:?}: {}", said(&made));
        assert!(said(&made).contains(expected), "{words:?}: {}", said(&made));
        assert!(!dir.exists());
    }
}

#[test]
fn a_box_gets_a_certificate_once_and_is_confined_by_the_broker_to_its_own_topics() {
    let mut venue = Venue::new(&[]);
    venue.start();
    let stick = venue.stick(&[]);
    let list = venue.dir.path().join("boxes.csv");
    std::fs::write(&list, "serial,name\nCS-1,rim-1\nCS-2,rim-2\n").expect("written");
    let laptop = venue.grants(&["--list", &list.display().to_string()]);
    let mut boxes: Vec<Played> = ["CS-1", "CS-2"]
        .map(|serial| Played::new(&venue.dir.path().join(serial), serial, stick.clone()))
        .into();
    let mut unknown = Played::new(&venue.dir.path().join("CS-3"), "CS-3", stick);
    venue.runtime.block_on(unknown.refused("E_UNKNOWN_SERIAL"));
    let who: Vec<Identity> =
        boxes.iter_mut().map(|it| venue.runtime.block_on(it.becomes())).collect();
    let (code, told) = laptop.ends();
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("CS-1: `rim-1` uses its identity"), "{told}");
    assert_eq!(who[0].name.as_str(), "rim-1");
    // What the broker says to each topic, in its own words: PUBACK 0 or 0x10 is yes, 0x87 is no.
    venue.runtime.block_on(async {
        let of = |n: usize| access_of(&who[n]);
        let mut one = Client::connect(&of(0), "courtside-rim-1").await.expect("by mTLS");
        let yes = [PubAckReason::Success, PubAckReason::NoMatchingSubscribers];
        for (topic, may) in [
            ("courtside/1/rim-1/event/a/shot", true),
            ("courtside/1/rim-1/state/box", true),
            ("courtside/1/rim-1/config/reported", true),
            ("courtside/1/rim-1/command/x/state", true),
            ("courtside/1/rim-1/operator/command/x/state", true),
            ("courtside/1/rim-1/answer/office", true),
            ("courtside/1/rim-1/claim/req", true),
            ("homeassistant/sensor/rim-1/score/config", true),
            ("courtside/1/rim-1/command/x", false),
            ("courtside/1/rim-1/config/desired", false),
            ("courtside/1/rim-2/state/box", false),
            ("courtside/1/rim-2/command/x", false),
            ("courtside/1/claim/CS-9/req", false),
            ("courtside/1/claim/CS-9/res", false),
            ("homeassistant/sensor/rim-2/score/config", false),
            ("anything", false),
        ] {
            let reason = one.publish(topic, b"x").await.expect("answered");
            assert_eq!(yes.contains(&reason), may, "{topic}: {reason:?}");
            if !may {
                assert_eq!(reason, PubAckReason::NotAuthorized, "{topic}");
            }
        }
        // mosquitto grants any subscription, and holds back what may not be read.
        one.listen("#").await.expect("answered");
        let technician = venue.access("technician.crt", "technician.key");
        let office = Client::connect(&technician, "courtside-technician");
        let mut office = office.await.expect("by mTLS");
        office.listen("courtside/#").await.expect("answered");
        let mut two = Client::connect(&of(1), "courtside-rim-2").await.expect("by mTLS");
        for (n, topic) in [
            (2, "courtside/1/rim-2/event/a/shot"),
            (0, "courtside/1/rim-2/command/secret"),
            (0, "courtside/1/claim/CS-9/res"),
            (0, "courtside/1/rim-1/command/mine"),
        ] {
            let client = if n == 2 { &mut two } else { &mut office };
            let reason = client.publish(topic, topic.as_bytes()).await.expect("answered");
            assert!(yes.contains(&reason), "{topic}: {reason:?}");
        }
        // The last one comes after all others would have come.
        let heard = one.message().await.expect("heard");
        assert_eq!(String::from_utf8_lossy(&heard), "courtside/1/rim-1/command/mine");
        assert!(one.heard.is_empty(), "{:?}", one.heard);
    });
    // The claim's credential reaches nothing but the claim.
    let file = venue.dir.path().join("stick/courtside-claim.toml");
    let contact = Contact::read(&std::fs::read(file).expect("there")).expect("a claim file").0;
    let claim = access_by(contact);
    venue.runtime.block_on(async {
        let mut client = Client::connect(&claim, "courtside-claim-x").await.expect("by mTLS");
        for topic in ["courtside/1/rim-1/state/box", "courtside/1/claim/CS-1/res"] {
            let reason = client.publish(topic, b"x").await.expect("answered");
            assert_eq!(reason, PubAckReason::NotAuthorized, "{topic}");
        }
    });
    // Nobody comes in without a certificate of this authority.
    let bare = Access { client: None, ..claim };
    let refused = venue.connect(&bare, "nobody").err().expect("refused");
    assert!(!refused.contains("Success"), "{refused}");
    let records = records(&venue);
    assert_eq!(records.keys().collect::<Vec<_>>(), ["CS-1", "CS-2"]);
    assert!(records.values().all(|it| it["granted"]["committed"] == true));
}

#[test]
fn a_laptop_whose_broker_goes_and_comes_back_hears_who_asks_then() {
    let mut venue = Venue::new(&[]);
    venue.start();
    let stick = venue.stick(&[]);
    let laptop = venue.grants(&["--serial", "CS-1", "--name", "rim-1"]);
    until("the laptop is there", || venue.log().contains("courtside-technician").then_some(()));
    let mut broker = venue.broker.take().expect("runs");
    broker.kill().expect("killed");
    broker.wait().expect("ended");
    venue.start();
    let mut played = Played::new(&venue.dir.path().join("CS-1"), "CS-1", stick);
    let identity = venue.runtime.block_on(played.becomes());
    assert_eq!(identity.name.as_str(), "rim-1");
    let (code, told) = laptop.ends();
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn a_laptop_that_dies_at_any_moment_gives_the_same_certificate_again() {
    let mut venue = Venue::new(&[]);
    venue.start();
    let stick = venue.stick(&[]);
    let one = ["--serial", "CS-1", "--name", "rim-1"];
    let mut certificates = Vec::new();
    // Killed as soon as the record is there, with the box before its commit.
    let laptop = venue.grants(&one);
    let folder = venue.dir.path().join("CS-1");
    let mut played = Played::new(&folder, "CS-1", stick.clone());
    let request = venue.runtime.block_on(async {
        loop {
            match played.machine.want(played.clock.monotonic()) {
                Want::Publish { topic, payload } if topic.ends_with("/req") => {
                    break (topic, payload);
                }
                want => played.step(want).await,
            }
        }
    });
    let asks = |played: &mut Played| {
        let link = played.link.as_mut().expect("connected");
        venue.runtime.block_on(async {
            // The laptop may be about to come, or the broker not know yet that the last one went.
            loop {
                link.publish(&request.0, &request.1).await.expect("answered");
                let message = tokio::time::timeout(Duration::from_secs(1), link.message());
                if let Ok(message) = message.await {
                    break message.expect("the link holds");
                }
            }
        })
    };
    certificates.push(asks(&mut played));
    laptop.dies();
    // Another session, other rules, another name: the same request, the same answer.
    let other = venue.grants(&["--serial", "CS-1", "--name", "rim-9"]);
    for _ in 0..2 {
        certificates.push(asks(&mut played));
    }
    other.dies();
    assert!(certificates.iter().all(|it| *it == certificates[0]), "one certificate");
    let read: Value = serde_json::from_slice(&certificates[0]).expect("JSON");
    let chain = read["grant"]["chain"].as_str().expect("a chain");
    assert_eq!(describe(chain).expect("read").name.as_str(), "rim-1");
    // The box goes on, and the laptop that comes back is told.
    let laptop = venue.grants(&one);
    let identity = venue.runtime.block_on(played.becomes());
    assert_eq!(identity.client.expect("one").0, chain);
    let (code, told) = laptop.ends();
    assert_eq!(code, Some(0), "{told}");
    // Somebody else under that serial number gets nothing, and the name is taken.
    let laptop = venue.grants(&["--serial", "CS-2", "--name", "rim-1"]);
    let mut second = Played::new(&venue.dir.path().join("CS-2"), "CS-2", stick.clone());
    venue.runtime.block_on(second.refused("E_NAME_TAKEN"));
    laptop.dies();
    let laptop = venue.grants(&["--serial", "CS-2", "--name", "rim-2"]);
    let mut twin = Played::new(&venue.dir.path().join("twin"), "CS-1", stick);
    venue.runtime.block_on(twin.refused("E_ALREADY_CLAIMED"));
    laptop.dies();
    assert_eq!(records(&venue).len(), 1);
}

#[test]
fn a_revoked_box_is_put_out_at_once_and_stays_out() {
    let mut venue = Venue::new(&[]);
    venue.start();
    let stick = venue.stick(&[]);
    let mut who = Vec::new();
    for (serial, name) in [("CS-1", "rim-1"), ("CS-2", "rim-2")] {
        let laptop = venue.grants(&["--serial", serial, "--name", name]);
        let mut played = Played::new(&venue.dir.path().join(serial), serial, stick.clone());
        who.push(venue.runtime.block_on(played.becomes()));
        assert_eq!(laptop.ends().0, Some(0));
    }
    let [one, two] = [access_of(&who[0]), access_of(&who[1])];
    let mut there = venue.connect(&one, "courtside-rim-1").expect("it is in");
    let mut other = venue.connect(&two, "courtside-rim-2").expect("it is in");
    let revoked = venue.provision("grant", &["--revoke", "rim-1"]);
    assert!(revoked.status.success(), "{}", said(&revoked));
    let ended = venue.runtime.block_on(there.packet(|_| false));
    assert!(ended.is_err(), "the broker ended the connection");
    let refused = venue.connect(&one, "courtside-rim-1").err().expect("refused");
    assert!(refused.to_lowercase().contains("revoked"), "{refused}: {}", venue.log());
    // The others notice nothing, and come again.
    let reason = venue.runtime.block_on(other.publish("courtside/1/rim-2/state/box", b"{}"));
    assert!(reason.is_ok());
    // A second one, within the same second, ends too: the broker tells the later list by its date.
    let revoked = venue.provision("grant", &["--revoke", "rim-2"]);
    assert!(revoked.status.success(), "{}", said(&revoked));
    for access in [&one, &two] {
        venue.connect(access, "courtside-again").err().expect("refused");
    }
    let stick_gone = venue.provision("grant", &["--revoke", "stick.1"]);
    assert!(stick_gone.status.success(), "{}", said(&stick_gone));
    let mut late = Played::new(&venue.dir.path().join("CS-3"), "CS-3", stick);
    venue.runtime.block_on(late.refused("E_CLAIM_AUTH"));
    // A broker that starts anew holds the same list.
    let mut broker = venue.broker.take().expect("runs");
    broker.kill().expect("killed");
    broker.wait().expect("ended");
    venue.start();
    venue.connect(&one, "courtside-again").err().expect("refused");
    let nobody = venue.provision("grant", &["--revoke", "rim-7"]);
    assert!(said(&nobody).contains("nobody here is called `rim-7`"), "{}", said(&nobody));
    // The name is free, and the one who was revoked does not get it.
    let fresh = venue.stick(&[]);
    let laptop = venue.grants(&["--serial", "CS-4", "--name", "rim-1"]);
    let mut fourth = Played::new(&venue.dir.path().join("CS-4"), "CS-4", fresh);
    let identity = venue.runtime.block_on(fourth.becomes());
    assert_eq!((identity.name.as_str(), laptop.ends().0), ("rim-1", Some(0)));
    let status = venue.provision("status", &["--json"]);
    let read: Value = serde_json::from_slice(&status.stdout).expect("JSON");
    let boxes = read["boxes"].as_array().expect("rows");
    let of = |serial: &str| boxes.iter().find(|it| it["serial"] == serial).expect("a row");
    assert_eq!(
        (&of("CS-1")["condition"], &of("CS-4")["condition"]),
        (&"revoked".into(), &"claimed".into())
    );
    assert!(read["broker_fault"].is_null(), "{read}");
}

#[test]
fn a_box_with_a_password_is_let_in_before_it_is_told() {
    let port = free_port().to_string();
    let mut venue = Venue::new(&["--password-port", &port]);
    venue.start();
    // For one box alone: who else has a claim file could read the password.
    let stick = venue.stick(&["--serial", "CS-1"]);
    let laptop = venue.grants(&["--serial", "CS-1", "--name", "rim-1", "--password"]);
    let mut played = Played::new(&venue.dir.path().join("CS-1"), "CS-1", stick.clone());
    let identity = venue.runtime.block_on(played.becomes());
    let (code, told) = laptop.ends();
    assert_eq!(code, Some(0), "{told}");
    assert!(identity.client.is_none() && identity.password.is_some());
    assert_eq!(identity.broker.port.to_string(), port);
    let mut client = venue.connect(&access_of(&identity), "courtside-rim-1").expect("it is in");
    venue.runtime.block_on(async {
        let reason = client.publish("courtside/1/rim-2/state/box", b"x").await.expect("answered");
        assert_eq!(reason, PubAckReason::NotAuthorized);
        let reason = client.publish("courtside/1/rim-1/state/box", b"x").await.expect("answered");
        assert_ne!(reason, PubAckReason::NotAuthorized);
    });
    let user = Some(("rim-1".to_owned(), "x".to_owned()));
    let wrong = Access { user, ..access_of(&identity) };
    let refused = venue.connect(&wrong, "courtside-x").err().expect("refused");
    assert!(refused.contains(&format!("{:?}", ConnectReturnCode::NotAuthorized)), "{refused}");
    // A claim file of one box asks for no other.
    let mut bound = venue.connect(&access_by(stick), "courtside-claim-CS-2").expect("it is in");
    let reason = venue.runtime.block_on(bound.publish("courtside/1/claim/CS-2/req", b"x"));
    assert_eq!(reason.expect("answered"), PubAckReason::NotAuthorized);
    let revoked = venue.provision("grant", &["--revoke", "rim-1"]);
    assert!(revoked.status.success(), "{}", said(&revoked));
    venue.connect(&access_of(&identity), "courtside-rim-1").err().expect("refused");
}

#[test]
fn an_identity_is_renewed_and_the_old_certificate_ends() {
    let mut venue = Venue::new(&[]);
    venue.start();
    let stick = venue.stick(&[]);
    let laptop = venue.grants(&["--serial", "CS-1", "--name", "rim-1"]);
    let mut played = Played::new(&venue.dir.path().join("CS-1"), "CS-1", stick);
    let first = venue.runtime.block_on(played.becomes());
    assert_eq!(laptop.ends().0, Some(0));
    // Nobody is asked: the broker let it in as itself. The laptop only has to be there.
    let laptop = venue.grants(&["--serial", "CS-2", "--name", "rim-2"]);
    played.seen(Seen::Renew);
    let second = venue.runtime.block_on(async {
        let all = async {
            loop {
                let want = played.machine.want(played.clock.monotonic());
                if want == Want::Rest && played.machine.identity().is_some_and(|it| it != first) {
                    break;
                }
                played.step(want).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, all).await;
        assert!(in_time.is_ok(), "it is not renewed: {}", played.trouble());
        played.machine.identity().expect("somebody")
    });
    assert_eq!(second.name, first.name);
    venue.connect(&access_of(&second), "courtside-rim-1").expect("the new one is in");
    until("the old one is out", || venue.connect(&access_of(&first), "courtside-old").err());
    laptop.dies();
}
