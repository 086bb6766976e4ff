//! A box that becomes somebody: the real daemon, a stick, a mosquitto with TLS and an ACL, a technician.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use courtside::app::{App, AppHandle, Devices, Options, Report, World};
use courtside::broker::{self, Access, Credential, Trail};
use courtside::claim::{
    Answer, Authority, Decision, Grant, Granted, Hidden, Policy, Request, Serial, Verdict, decide,
};
use courtside::clock::{Chance, Clock, SystemClock};
use courtside::config::{Broker, Source};
use courtside::disk::RealDisk;
use courtside::event::words::{ClaimStage, DesiredOutcome, LinkTrouble};
use courtside::media::{BoxName, Foreign, UtcTime};
use parking_lot::Mutex;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::Packet;
use rumqttc::{AsyncClient, Event, PublishOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::mosquitto::{Mosquitto, a_port_to_come_back_to, until};

const LASTS: Duration = Duration::from_secs(30 * 24 * 3600);
pub(crate) const PASSWORD: &str = "planted-password";

/// What confines each user to his own topics, much as `courtside provision ca` writes it; that the box is held
/// to it is tried in `provision`.
const ACL: &str = "\
user courtside-claim
topic write courtside/1/claim/+/req
topic read courtside/1/claim/+/res
user courtside-technician
topic readwrite courtside/1/#
pattern write courtside/1/%u/event/#
pattern write courtside/1/%u/state/#
pattern write courtside/1/%u/config/reported
pattern write courtside/1/%u/command/+/state
pattern write courtside/1/%u/claim/req
pattern write courtside/1/%u/claim/trial
pattern write courtside/1/%u/claim/committed
pattern read courtside/1/%u/claim/res
pattern read courtside/1/%u/config/desired
pattern read courtside/1/%u/command/+
";

fn now() -> UtcTime {
    SystemClock::new().utc()
}

fn name(name: &str) -> BoxName {
    BoxName::new(name).expect("a name")
}

/// A venue's authority, and its broker with two doors: by certificate, and by password.
pub(crate) struct Venue {
    authority: Arc<Authority>,
    pub(crate) broker: Mosquitto,
    pub(crate) by_password: u16,
    /// Where the broker's papers are.
    pub(crate) papers: tempfile::TempDir,
}

impl Venue {
    pub(crate) fn new() -> Self {
        drop(tracing_subscriber::fmt().with_test_writer().try_init());
        let made = Authority::make("a venue", now()).expect("made");
        let authority = Authority::load(&made.certificate, made.key.expose()).expect("loaded");
        let authority = Arc::new(authority);
        let papers = tempfile::tempdir().expect("folder");
        let put = |name: &str, text: &str| fs::write(papers.path().join(name), text).expect("put");
        let own = authority.broker(&["127.0.0.1".to_owned()], now(), LASTS).expect("signed");
        put("ca.pem", authority.certificate());
        put("broker.pem", &own.certificate);
        put("broker.key", own.key.expose());
        let passwords = papers.path().join("passwords");
        let status = Command::new("mosquitto_passwd")
            .args(["-b", "-c"])
            .arg(&passwords)
            .args(["rim-2", PASSWORD])
            .status()
            .expect("mosquitto_passwd runs");
        assert!(status.success());
        let by_password = a_port_to_come_back_to();
        let tls = format!(
            "cafile {0}/ca.pem\ncertfile {0}/broker.pem\nkeyfile {0}/broker.key\n",
            papers.path().display()
        );
        let lines = format!(
            "{tls}require_certificate true\nuse_identity_as_username true\n\
             listener {by_password} 127.0.0.1\n{tls}\
             allow_anonymous false\npassword_file {}\n",
            passwords.display()
        );
        let broker = Mosquitto::confined(&lines, ACL);
        Self { authority, broker, by_password, papers }
    }

    /// PEM of the certificate of a user, and of its key.
    pub(crate) fn papers_of(&self, user: &str) -> (String, String) {
        let signed = self.authority.user(user, now(), LASTS).expect("signed");
        (signed.certificate.clone(), signed.key.expose().to_owned())
    }

    fn access(&self, user: &str) -> Access {
        let signed = self.authority.user(user, now(), LASTS).expect("signed");
        let held = Credential::held;
        Access {
            ca: Some(held(self.authority.certificate())),
            client: Some((held(&signed.certificate), held(signed.key.expose()))),
            ..Access::to(self.address(self.broker.port))
        }
    }

    /// From the next start of the broker on.
    fn forgets_passwords(&self) {
        fs::write(self.papers.path().join("passwords"), "").expect("written");
    }

    pub(crate) fn address(&self, port: u16) -> Broker {
        Broker { tls: true, host: "127.0.0.1".to_owned(), port }
    }

    /// The file that a technician puts on a stick.
    pub(crate) fn claim_file(&self, after_reading: &str) -> String {
        let claim = self.authority.user("courtside-claim", now(), LASTS).expect("signed");
        format!(
            "broker = \"mqtts://127.0.0.1:{}\"\nmade = \"2026-11-29T09:00:00Z\"\n\
             after_reading = \"{after_reading}\"\nca = \"\"\"{}\"\"\"\ncertificate = \"\"\"{}\"\"\"\n\
             key = \"\"\"{}\"\"\"\n",
            self.broker.port,
            self.authority.certificate(),
            claim.certificate,
            claim.key.expose()
        )
    }
}

/// What the technician's side keeps and heard.
#[derive(Default)]
struct Records {
    granted: BTreeMap<Serial, Granted>,
    requests: usize,
    signed: usize,
    /// What the box that asked last says of its machine.
    hardware: Option<Foreign>,
    /// Boxes that were seen online under their names.
    online: Vec<String>,
}

/// Plays the technician: grants every box the name that it is told, by certificate or by password.
pub(crate) struct Technician {
    records: Arc<Mutex<Records>>,
    _runtime: tokio::runtime::Runtime,
}

impl Technician {
    pub(crate) fn at(venue: &Venue, named: &str, by_password: Option<Broker>) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("runtime");
        let records = Arc::<Mutex<Records>>::default();
        let desk = Desk {
            records: Arc::clone(&records),
            named: name(named),
            by_password,
            authority: Arc::clone(&venue.authority),
        };
        let (here, subscribed) = watch::channel(false);
        runtime.spawn(desk.run(venue.access("courtside-technician"), here));
        until("the technician listens", || subscribed.borrow().then_some(()));
        Self { records, _runtime: runtime }
    }

    fn record(&self, serial: &str) -> Option<Granted> {
        let serial = Serial::new(serial).expect("a serial number");
        self.records.lock().granted.get(&serial).cloned()
    }

    /// Waits until the box has said that it is who it is.
    pub(crate) fn committed(&self, serial: &str) -> Granted {
        let committed = || self.record(serial).filter(|granted| granted.committed);
        until("the box says that it is committed", committed)
    }

    fn online(&self, name: &str) {
        until("the box is online", || {
            self.records.lock().online.iter().any(|known| known == name).then_some(())
        });
    }
}

struct Desk {
    records: Arc<Mutex<Records>>,
    named: BoxName,
    by_password: Option<Broker>,
    authority: Arc<Authority>,
}

impl Desk {
    async fn run(self, access: Access, here: watch::Sender<bool>) {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let id = "courtside-technician".to_owned();
        let options = broker::options(&access, id, (&clock, now()), &Trail::default())
            .await
            .expect("options");
        let (client, mut events) = AsyncClient::builder(options).capacity(16).build();
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    client.subscribe("courtside/#", QoS::AtLeastOnce).await.expect("queued");
                }
                Ok(Event::Incoming(Packet::SubAck(_))) => drop(here.send_replace(true)),
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let topic = String::from_utf8(publish.topic.to_vec()).expect("a topic");
                    if let Some(answer) = self.hears(&topic, &publish.payload) {
                        let to = topic.replace("/req", "/res");
                        let body = serde_json::to_vec(&answer).expect("JSON");
                        let options = PublishOptions::at_least_once();
                        client.publish(to, body, options).await.expect("queued");
                    }
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn hears(&self, topic: &str, payload: &[u8]) -> Option<Answer> {
        let mut records = self.records.lock();
        if let Some(online) = topic.strip_suffix("/state/box") {
            let is_online = serde_json::from_slice::<serde_json::Value>(payload)
                .is_ok_and(|state| state["online"] == true);
            let name = online.rsplit('/').next().expect("a name").to_owned();
            records.online.extend(is_online.then_some(name));
            return None;
        }
        if !topic.contains("/claim/") {
            return None;
        }
        if topic.ends_with("/committed") || topic.ends_with("/trial") {
            let report: courtside::claim::Report = serde_json::from_slice(payload).expect("read");
            if topic.ends_with("/committed") {
                records.granted.get_mut(&report.serial).expect("known").hears(&report);
            }
            return None;
        }
        let Ok(request) = serde_json::from_slice::<Request>(payload) else {
            assert!(topic.ends_with("/res"), "{topic}: {}", String::from_utf8_lossy(payload));
            return None;
        };
        records.requests += 1;
        records.hardware.clone_from(&request.hardware);
        let own = topic.strip_prefix("courtside/1/").and_then(|rest| rest.split_once('/'));
        let own = own.map(|(first, _)| first).filter(|first| *first != "claim").map(name);
        let policy = Policy { approved: Some(self.named.clone()), again: false };
        let known = records.granted.get(&request.serial);
        match decide(&request, known, None, own.as_ref(), &policy) {
            Decision::Again(answer) | Decision::Refuse(answer) => Some(*answer),
            Decision::Ask => panic!("a name is approved"),
            Decision::Issue(named) => {
                records.signed += 1;
                let answer = self.issue(&request, &named);
                let granted = Granted {
                    serial: request.serial.clone(),
                    name: named,
                    request: request.request,
                    nonce: request.nonce,
                    answer: answer.clone(),
                    committed: false,
                    void: false,
                    granted_at: 0,
                };
                records.granted.insert(request.serial, granted);
                Some(answer)
            }
        }
    }

    fn issue(&self, request: &Request, named: &BoxName) -> Answer {
        let is_by_password = self.by_password.is_some();
        let sign = || self.authority.sign_box(&request.csr, named, now(), LASTS).expect("signed");
        let grant = Grant {
            name: named.clone(),
            chain: (!is_by_password).then(sign),
            broker: self.by_password.clone(),
            ca: None,
            username: is_by_password.then(|| named.to_string()),
            password: is_by_password.then(|| Hidden::new(PASSWORD)),
        };
        Answer {
            v: 1,
            request: request.request,
            nonce: request.nonce,
            verdict: Verdict::Grant(Box::new(grant)),
        }
    }
}

/// A box out of its carton: nothing is configured but its folder and where sticks are mounted.
struct Carton {
    dir: tempfile::TempDir,
    named: &'static str,
}

impl Carton {
    fn new(named: &'static str, serial: &str) -> Self {
        let dir = tempfile::tempdir().expect("folder");
        fs::write(dir.path().join("serial"), format!("{serial}\n")).expect("written");
        fs::create_dir_all(dir.path().join("media/stick")).expect("made");
        Self { dir, named }
    }

    fn stick(&self) -> PathBuf {
        self.dir.path().join("media/stick/courtside-claim.toml")
    }

    /// As if somebody put a stick in: the file is there at once and whole.
    fn put(&self, text: &str) {
        let beside = self.dir.path().join("beside.toml");
        fs::write(&beside, text).expect("written");
        fs::rename(beside, self.stick()).expect("renamed");
    }

    fn start(&self) -> Running {
        let at = self.dir.path().display();
        let text = format!(
            "[box]\nname = \"{}\"\ndata_dir = \"{at}/data\"\n\
             [claim]\nfiles = [\"{at}/media/*/courtside-claim.toml\"]\nserial_file = \"{at}/serial\"\n\
             [ingest]\nrtmp = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [ring]\nquota_bytes = 67108864\n",
            self.named
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
        let ended = runtime.spawn(async move { app.run(stopped).await.expect("it ends well") });
        Running { runtime, handle, stop, ended }
    }
}

struct Running {
    runtime: tokio::runtime::Runtime,
    handle: AppHandle,
    stop: watch::Sender<bool>,
    ended: JoinHandle<Report>,
}

impl Running {
    fn connected(&self) {
        until("the box is connected", || self.handle.uplink().connected.then_some(()));
    }

    fn stage(&self) -> ClaimStage {
        self.handle.claim().expect("it is to be claimed").stage
    }

    fn stop(self) -> Report {
        self.stop.send_replace(true);
        self.ends()
    }

    fn ends(self) -> Report {
        self.runtime.block_on(self.ended).expect("no panic")
    }
}

#[test]
fn a_box_becomes_somebody_by_a_stick_and_a_certificate() {
    let venue = Venue::new();
    let technician = Technician::at(&venue, "rim-1", None);
    let carton = Carton::new("courtside", "CS-00001");
    let running = carton.start();
    assert_eq!(running.stage(), ClaimStage::Factory);
    assert!(!running.handle.uplink().connected);
    // A file that is of no use is told, and stays.
    carton.put("broker = ");
    let trouble = || running.handle.claim()?.trouble;
    let told = until("the file is told as of no use", trouble);
    assert_eq!(told.code, "E_CONTACT");
    fs::remove_file(carton.stick()).expect("taken out");
    until("it is forgotten", || trouble().is_none().then_some(()));

    carton.put(&venue.claim_file("wipe"));
    // The name is another than the one that it runs under: it begins anew.
    let report = running.ends();
    assert!(report.again);
    assert!(!carton.stick().exists(), "wiped, as the file says");
    let running = carton.start();
    running.connected();
    let granted = technician.committed("CS-00001");
    technician.online("rim-1");
    assert_eq!(granted.name, name("rim-1"));
    until("nothing is left to do", || (running.stage() == ClaimStage::Committed).then_some(()));
    let told = running.handle.claim().expect("told");
    assert_eq!(told.name.as_deref(), Some("rim-1"));
    assert_eq!(told.request, Some(granted.request.to_string()));
    assert_eq!(told.trouble, None);
    let reported = running.handle.config_reported().expect("told");
    assert_eq!(reported.config["box"]["name"], "rim-1", "the name that it was given counts");
    // So no other waits for a start, of the file or wanted, when something else is wanted.
    for (revision, config) in [(1, "{}"), (2, r#"{"box": {"name": "rim-9"}}"#)] {
        let body = format!("{{\"revision\": {revision}, \"config\": {config}}}");
        let judged = running.handle.config_desired(body.into_bytes().into());
        let told = running.runtime.block_on(judged).expect("judged");
        assert_eq!(told.outcome, DesiredOutcome::Applied, "{told:?}");
        let reported = running.handle.config_reported().expect("told");
        assert_eq!(reported.waiting, [], "revision {revision}");
        assert_eq!(reported.config["box"]["name"], "rim-1");
    }
    assert!(!running.stop().again);
    // The next start asks nobody.
    let requests = technician.records.lock().requests;
    let running = carton.start();
    running.connected();
    assert!(!running.stop().again);
    let records = technician.records.lock();
    assert_eq!((records.requests, records.signed), (requests, 1));
    let hardware = records.hardware.as_ref().expect("it says what it is");
    assert!(hardware.contains(std::env::consts::ARCH), "{hardware}");
}

#[test]
fn a_box_becomes_somebody_by_a_password_and_rotates_it_without_a_new_start() {
    let mut venue = Venue::new();
    let door = venue.address(venue.by_password);
    let technician = Technician::at(&venue, "rim-2", Some(door));
    let carton = Carton::new("rim-2", "CS-00002");
    carton.put(&venue.claim_file("keep"));
    let running = carton.start();
    running.connected();
    let first = technician.committed("CS-00002");
    assert!(carton.stick().exists(), "kept, as the file says");
    let file = running.handle.claim().expect("told").file.expect("told");
    assert!(file.contains("is taken"), "{file}");

    // Another key under the same name: nobody is asked, the link goes over, the box goes on.
    let session = running.handle.uplink().session;
    assert!(running.handle.renew_identity());
    let second = until("another identity is committed", || {
        technician.record("CS-00002").filter(|it| it.committed && it.request != first.request)
    });
    assert_eq!(second.name, first.name);
    until("the link is a new one", || {
        let uplink = running.handle.uplink();
        (uplink.connected && uplink.session > session).then_some(())
    });

    // Revoked: the broker takes it no more. The box says so and goes on.
    venue.broker.kill();
    venue.forgets_passwords();
    venue.broker.launch();
    until("the box says that it is refused", || {
        (running.handle.uplink().trouble == Some(LinkTrouble::Refused)).then_some(())
    });
    assert!(running.handle.ring().is_some(), "it records");
    assert!(!running.stop().again);
}

#[test]
fn a_broker_that_refuses_the_claim_credential_is_not_pestered_and_says_what_to_do() {
    let venue = Venue::new();
    let other = Authority::make("another venue", now()).expect("made");
    let other = Authority::load(&other.certificate, other.key.expose()).expect("loaded");
    let stranger = other.user("courtside-claim", now(), LASTS).expect("signed");
    let carton = Carton::new("rim-3", "CS-00003");
    carton.put(&format!(
        "broker = \"mqtts://127.0.0.1:{}\"\nca = \"\"\"{}\"\"\"\ncertificate = \"\"\"{}\"\"\"\nkey = \"\"\"{}\"\"\"\n",
        venue.broker.port,
        venue.authority.certificate(),
        stranger.certificate,
        stranger.key.expose()
    ));
    let running = carton.start();
    let told = until("it is told", || running.handle.claim()?.trouble);
    assert_eq!(told.code, "E_CLAIM_AUTH", "{told:?}");
    assert!(told.todo.contains("claim file anew"), "{told:?}");
    assert_eq!(running.stage(), ClaimStage::Keyed);
    running.stop();
}
