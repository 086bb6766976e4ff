//! The whole box in one process: the real [`App`] on a clock moved by hand, a disk that forgets,
//! decoders and engines that play a film, a broker and cameras on loopback.
//!
//! Nothing happens by itself. After each input the box is driven until it is quiet: every reader of the
//! ledger rests, nobody is at work whom the clock woke, and the broker has nothing to acknowledge. Only
//! then does the clock move. So the same film and the same seed give the same run, byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use courtside::app::{App, AppError, AppHandle, Devices, Options, Report, World};
use courtside::clock::{Chance, Clock, ManualClock};
use courtside::config::{self, Config, Source};
use courtside::device::DeviceMemory;
use courtside::disk::{Disk, DiskFile, ForgetfulDisk, OpenHow, write_durably};
use courtside::event::box_status::BoxStatus;
use courtside::event::catalogue::Code;
use courtside::event::service::{CheckTold, ConfirmArguments, CourtService, OverrideArguments};
use courtside::event::twin::{ConfigReported, DesiredTold};
use courtside::health::doctor::{Finding, findings};
use courtside::mailbox::HopCount;
use courtside::media::{CourtId, Monotonic, UtcTime};
use courtside::rtmp::flv::FileTag;
use courtside::rtmp::message::kind;
use courtside::tools::rig::publish::Publisher;
use redb::{ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::broker::TestBroker;
use crate::film::{self, ScriptedDecoders, ScriptedEngines, Shot};
use crate::rungs::{Rungs, Trouble};

/// January 2027: later than any file of this program.
const BEGINNING: UtcTime = UtcTime::from_nanos(1_800_000_000_000_000_000);
/// Time from picture to picture.
pub(crate) const PICTURE: Duration = Duration::from_millis(40);
/// Pictures from key to key.
const GROUP: u32 = 25;
/// Where the box keeps what it keeps.
pub(crate) const DATA: &str = "/box";
/// Bytes of the disk: room to record, and for the ballast.
const DISK: u64 = 1 << 30;
/// How long a condition may take, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one look at a condition waits for the next.
const LOOK: Duration = Duration::from_micros(200);

/// Waits until `condition` gives something.
///
/// # Panics
/// When it does not, with what `why` says.
pub(crate) fn until<T>(
    mut condition: impl FnMut() -> Option<T>,
    why: impl FnOnce() -> String,
) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "gave up waiting until {}", why());
        thread::park_timeout(LOOK);
    }
}

/// A court as it is configured.
#[derive(Clone, Debug)]
pub(crate) struct TestCourt {
    name: String,
    key: String,
    rims: String,
    delay_ms: u32,
    relays: String,
}

impl TestCourt {
    pub(crate) fn new(name: &str) -> Self {
        let rims = "[[612, 188, 44, 22]]".to_owned();
        let (key, relays) = (format!("key-of-court-{name}"), String::new());
        Self { name: name.to_owned(), key, rims, delay_ms: 0, relays }
    }

    /// The same with another key.
    pub(crate) fn with_key(self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self }
    }

    /// The same, of whose camera is known how late its pictures come.
    pub(crate) fn with_delay(self, delay_ms: u32) -> Self {
        Self { delay_ms, ..self }
    }

    /// The same with relays, each by name and address.
    pub(crate) fn with_relays(self, relays: &[(&str, String)]) -> Self {
        let one = |(name, url): &(&str, String)| {
            format!("[[court.relay]]\nname = \"{name}\"\nurl = \"{url}\"\n")
        };
        Self { relays: relays.iter().map(one).collect(), ..self }
    }

    /// The same with another rim.
    pub(crate) fn with_rim(self, rim: [u32; 4]) -> Self {
        Self { rims: format!("[{rim:?}]"), ..self }
    }

    fn toml(&self) -> String {
        let Self { name, key, rims, delay_ms, relays } = self;
        let delay = match delay_ms {
            0 => String::new(),
            delay => format!("camera_delay_ms = {delay}\n"),
        };
        format!(
            "[[court]]\nname = \"{name}\"\nstream_key = \"{key}\"\nrims = {rims}\n{delay}{relays}"
        )
    }
}

/// What a test box is made of.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) courts: Vec<TestCourt>,
    pub(crate) seed: u64,
    pub(crate) disk_bytes: u64,
    /// More lines of the configuration, by section.
    pub(crate) ring: String,
    pub(crate) detect: String,
    /// Engines that are better than the scripted one, best first.
    pub(crate) better: Vec<&'static str>,
    /// What is wrong with them from the beginning.
    pub(crate) trouble: Vec<(&'static str, Trouble)>,
    /// The file of the technician's token, on the machine's own disk; else nobody is asked for one.
    pub(crate) tokens: Option<PathBuf>,
    /// Somebody has claimed it.
    pub(crate) claimed: bool,
    pub(crate) http: String,
    /// Where the broker is, if not where the test's own is: then nobody waits for a session.
    pub(crate) broker: Option<String>,
}

impl Plan {
    pub(crate) fn of(courts: &[&str]) -> Self {
        Self {
            courts: courts.iter().map(|name| TestCourt::new(name)).collect(),
            seed: 1,
            disk_bytes: DISK,
            ring: "keep_free_bytes = 1048576\n".to_owned(),
            detect: String::new(),
            better: Vec::new(),
            trouble: Vec::new(),
            tokens: None,
            claimed: false,
            http: String::new(),
            broker: None,
        }
    }

    /// A court as the configuration has it.
    fn court(&self, court: &TestCourt) -> config::CourtConfig {
        let plan = Self { courts: vec![court.clone()], ..Self::of(&[]) };
        plan.config(1).courts.remove(0)
    }

    fn config(&self, broker: u16) -> Config {
        let source = self.source(broker);
        source.alone().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The file that the box is run by.
    fn source(&self, broker: u16) -> Source {
        let tokens =
            self.tokens.as_ref().map(|file| format!("token_file = \"{}\"\n", file.display()));
        let broker = self.broker.clone().unwrap_or(format!("mqtt://127.0.0.1:{broker}"));
        let mut text = format!(
            "[box]\nname = \"rim-1\"\ndata_dir = \"{DATA}\"\n\
             [uplink]\nbroker = \"{broker}\"\n\
             [ingest]\nrtmp = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n{}{}\
             [ring]\n{}[detect]\nfinder = false\n{}",
            tokens.unwrap_or_default(),
            self.http,
            self.ring,
            self.detect
        );
        for court in &self.courts {
            let _ = write!(text, "{}", court.toml());
        }
        let read = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
        Source::new(Path::new("courtside.toml"), &text, Arc::new(read))
    }
}

/// See the module.
pub(crate) struct TestBox {
    runtime: Runtime,
    plan: Plan,
    chance: Chance,
    pub(crate) clock: ManualClock,
    pub(crate) disk: ForgetfulDisk,
    pub(crate) broker: TestBroker,
    pub(crate) engines: ScriptedEngines,
    /// Better ones than those, which run where they are well.
    pub(crate) rungs: Rungs,
    decoders: ScriptedDecoders,
    boots: u32,
    running: Option<Running>,
    cameras: BTreeMap<String, Camera>,
    /// Hops whose readers hang, as the test wants it.
    hanging: BTreeSet<String>,
}

struct Running {
    handle: AppHandle,
    rtmp: SocketAddr,
    http: SocketAddr,
    routes: String,
    stop: watch::Sender<bool>,
    ended: JoinHandle<Result<Report, AppError>>,
}

/// Publishes to one court, a picture when it is told to.
struct Camera {
    publisher: Publisher,
    pictures: u32,
    b_frames: bool,
}

impl TestBox {
    /// A box with these courts, running, connected and quiet.
    pub(crate) fn with_courts(courts: &[&str]) -> Self {
        Self::of(Plan::of(courts))
    }

    pub(crate) fn of(plan: Plan) -> Self {
        // Once a process; the captured log is shown when a test fails.
        drop(tracing_subscriber::fmt().with_test_writer().try_init());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("runtime");
        let mut tested = Self {
            broker: runtime.block_on(TestBroker::start()),
            chance: Chance::seeded(plan.seed),
            clock: ManualClock::of_boot("boot-0", BEGINNING),
            disk: ForgetfulDisk::with_capacity(plan.disk_bytes),
            engines: ScriptedEngines::default(),
            rungs: Rungs::default(),
            decoders: ScriptedDecoders::default(),
            boots: 0,
            running: None,
            cameras: BTreeMap::new(),
            hanging: BTreeSet::new(),
            plan,
            runtime,
        };
        for (engine, trouble) in &tested.plan.trouble {
            tested.rungs.has(engine, Some(*trouble));
        }
        if tested.plan.claimed {
            let identity = Path::new(DATA).join("identity");
            tested.disk.create_dir_all(&identity).expect("made");
            write_durably(&tested.disk, &identity.join("current.json"), b"{}").expect("written");
        }
        tested.start().expect("it starts");
        if tested.plan.broker.is_none() {
            tested.connected();
        }
        tested
    }

    /// Builds the app on what there is, and lets it run.
    pub(crate) fn start(&mut self) -> Result<(), AppError> {
        let world = World {
            clock: Arc::new(self.clock.clone()),
            chance: self.chance.clone(),
            disk: Arc::new(self.disk.clone()),
            devices: Devices {
                decoders: Arc::new(self.decoders.clone()),
                engines: self.rungs.above(&self.plan.better, &self.engines, &self.clock),
            },
        };
        let begun = self.plan.source(self.broker.port()).begin(&self.disk);
        let begun = begun.unwrap_or_else(|error| panic!("{error}"));
        let config = begun.config.clone();
        let open_http = self.plan.tokens.is_none();
        let options = Options { open_http, twin: Some(begun), ..Options::default() };
        let app = self.runtime.block_on(App::build(config, world, options))?;
        let (handle, rtmp) = (app.handle(), app.addresses().rtmp.expect("it listens"));
        let (http, routes) = (app.addresses().http, format!("{:?}", app.routes()));
        let (stop, stopped) = watch::channel(false);
        let ended = self.runtime.spawn(app.run(stopped));
        self.running = Some(Running { handle, rtmp, http, routes, stop, ended });
        Ok(())
    }

    /// Where the page is served.
    pub(crate) fn http(&self) -> SocketAddr {
        self.running.as_ref().expect("it runs").http
    }

    /// What is served there, as the router writes itself.
    pub(crate) fn routes(&self) -> &str {
        &self.running.as_ref().expect("it runs").routes
    }

    pub(crate) fn handle(&self) -> &AppHandle {
        &self.running.as_ref().expect("it runs").handle
    }

    /// Moves the clock until the link has a session.
    pub(crate) fn connected(&mut self) {
        for _ in 0..200 {
            self.quiet();
            if self.handle().uplink().connected {
                return;
            }
            self.clock.advance(Duration::from_secs(1));
        }
        panic!("no session with the broker: {:?}", self.handle().uplink());
    }

    /// The broker goes away; comes back when the link has noticed.
    pub(crate) fn broker_goes(&mut self) {
        self.broker.away();
        let handle = self.handle().clone();
        until(|| (!handle.uplink().connected).then_some(()), || "the link is down".to_owned());
        self.quiet();
    }

    /// Waits until the box has nothing to do until something comes from outside.
    pub(crate) fn quiet(&self) {
        let mut before = None;
        let still = || match self.stillness() {
            Ok(turns) if before == Some(turns) => Some(()),
            Ok(turns) => {
                before = Some(turns);
                None
            }
            Err(_) => {
                before = None;
                None
            }
        };
        until(still, || format!("the box is quiet: {:?}", self.stillness()));
    }

    /// How often everybody has rested, if all rest now; or who does not.
    fn stillness(&self) -> Result<u64, String> {
        let handle = self.handle();
        let (awake, turns) = handle.ledger().awake();
        let awake: Vec<String> = awake
            .into_iter()
            .map(|id| format!("{}/{}", id.court, id.hop))
            .filter(|name| !self.hanging.contains(name))
            .collect();
        if !awake.is_empty() {
            return Err(format!("at work: {awake:?}"));
        }
        if self.clock.at_work() > 0 {
            return Err("somebody is at work whom the clock woke".to_owned());
        }
        let uplink = handle.uplink();
        let sent = uplink.in_flight == 0 && uplink.state.outbox_events == uplink.state.parked;
        if uplink.connected && !sent {
            return Err(format!("the broker has not acknowledged all: {uplink:?}"));
        }
        Ok(turns)
    }

    /// Readers that need not rest: the test lets them hang.
    pub(crate) fn lets_hang(&mut self, readers: &[&str]) {
        self.hanging.extend(readers.iter().map(|reader| (*reader).to_owned()));
    }

    /// Waits until a model hangs.
    pub(crate) fn hung(&self) {
        until(|| (self.engines.hanging() > 0).then_some(()), || "a model hangs".to_owned());
    }

    /// The device in which pictures lie has so many MiB free of 8 GiB, from now on: waits until the box
    /// has read it.
    pub(crate) fn gpu_has(&mut self, mebi: u64) {
        let memory = DeviceMemory { free: mebi << 20, all: 8 << 30 };
        let reads = {
            let mut device = self.decoders.device.lock();
            device.0 = Some(memory);
            device.1
        };
        // It is read by a thread of its own, once a second, and noted at the look after.
        self.pass(Duration::from_secs(1), Duration::from_millis(250));
        let read = || (self.decoders.device.lock().1 > reads).then_some(());
        until(read, || "the device is read".to_owned());
        let noted = || {
            self.clock.advance(Duration::from_millis(250));
            self.quiet();
            (self.handle().gpu_memory() == Some(memory)).then_some(())
        };
        until(noted, || format!("{memory:?} is noted"));
    }

    /// The time now, by the clock that is moved by hand.
    pub(crate) fn now(&self) -> Monotonic {
        self.clock.monotonic()
    }

    /// Nobody hangs any more: waits until all have caught up.
    pub(crate) fn hangs_no_more(&mut self) {
        self.hanging.clear();
        self.quiet();
    }

    /// Lets models go, and waits until they have caught up.
    pub(crate) fn let_go(&mut self) {
        self.engines.let_go();
        self.rungs.let_go();
        self.hanging.clear();
        self.quiet();
    }

    /// Bytes on disk of each court's recording, by name.
    pub(crate) fn recorded(&self) -> Vec<u64> {
        let ring = self.handle().ring().expect("it runs");
        ring.courts.iter().map(|court| court.bytes).collect()
    }

    /// Adds a court; why not, if the box refuses.
    pub(crate) fn add_court(&mut self, court: TestCourt) -> Result<(), String> {
        let config = self.plan.court(&court);
        let added = self.runtime.block_on(self.handle().add_court(&config));
        added.map_err(|error| error.to_string())?;
        self.plan.courts.push(court);
        self.quiet();
        Ok(())
    }

    /// Configures a court anew; its publisher is let go.
    pub(crate) fn change_court(&mut self, court: TestCourt) {
        self.cameras_read_goodbyes(&court.name);
        let config = self.plan.court(&court);
        self.runtime.block_on(self.handle().change_court(&config)).expect("it changes");
        self.plan.courts.retain(|known| known.name != court.name);
        self.plan.courts.push(court);
        self.quiet();
    }

    /// Takes a court away; its publisher is let go.
    pub(crate) fn remove_court(&mut self, court: &str) {
        self.cameras_read_goodbyes(court);
        let name = CourtId::new(court).expect("name");
        self.runtime.block_on(self.handle().remove_court(&name)).expect("it goes");
        self.plan.courts.retain(|known| known.name != court);
        self.quiet();
    }

    /// A `config/desired` comes: what becomes of it.
    pub(crate) fn desired(&mut self, revision: u64, config: serde_json::Value) -> DesiredTold {
        let told = self.desired_while_the_disk_stops(revision, config);
        self.quiet();
        told
    }

    /// The same while the disk stops: nobody is quiet then.
    pub(crate) fn desired_while_the_disk_stops(
        &mut self,
        revision: u64,
        config: serde_json::Value,
    ) -> DesiredTold {
        let body = serde_json::json!({ "revision": revision, "config": config }).to_string();
        let told = self.runtime.block_on(self.handle().config_desired(body.into()));
        told.expect("it is judged")
    }

    /// As `config/reported` has it.
    pub(crate) fn reported(&self) -> Arc<ConfigReported> {
        self.handle().config_reported().expect("it has a file")
    }

    /// The same, once `broker` has it.
    pub(crate) fn reported_to(&self, broker: &TestBroker) -> serde_json::Value {
        let told = || {
            let ours = serde_json::to_value(&*self.reported()).expect("JSON");
            (broker.reported().as_ref() == Some(&ours)).then_some(ours)
        };
        until(told, || format!("the broker has {:?}", self.reported()))
    }

    /// What the broker retains of `state/{what}`, once `is` is true of it. A state goes its own way to the
    /// broker: that the box is quiet says nothing of it.
    pub(crate) fn retained(
        &self,
        what: &str,
        is: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let told = || self.broker.state(what).filter(&is);
        until(told, || format!("state/{what} is told: {:?}", self.broker.state(what)))
    }

    /// Waits until the broker retains nothing of `state/{what}` any more.
    pub(crate) fn retains_nothing(&self, what: &str) {
        let gone = || self.broker.state(what).is_none().then_some(());
        until(gone, || format!("state/{what} is taken away: {:?}", self.broker.state(what)));
    }

    /// Lets seconds pass while a court's camera sends a picture now and then.
    pub(crate) fn pass_with_camera(&mut self, court: &str, seconds: u32) {
        for _ in 0..seconds.div_ceil(4) {
            self.show(court, &film::still(Shot::Nothing, 1));
            self.pass(Duration::from_secs(4), Duration::from_secs(1));
        }
    }

    /// A broker beside the box's own.
    pub(crate) fn another_broker(&self) -> TestBroker {
        self.runtime.block_on(TestBroker::start())
    }

    /// Its camera hears why it is let go, and hangs up.
    pub(crate) fn cameras_read_goodbyes(&mut self, court: &str) {
        if let Some(camera) = self.cameras.remove(court) {
            self.runtime.spawn(camera.publisher.ended());
        }
    }

    /// Publishes with the key of no court: what the box says.
    pub(crate) fn publish_in_vain(&mut self, key: &str) -> String {
        self.publish_wrongly(key, Duration::from_millis(800))
    }

    /// What is wrong with the box once that is found, by the clock.
    pub(crate) fn found(&self, code: Code) -> Vec<Finding> {
        let told = || {
            // Slow enough that what goes over loopback is not late.
            self.clock.advance(Duration::from_millis(20));
            let found = findings(&*self.handle().status()?);
            found.iter().any(|one| one.code == code).then_some(found)
        };
        until(told, || format!("{code} is found: {:?}", self.handle().uplink()))
    }

    /// Publishes with so many keys of no court at once, and waits until each is answered.
    pub(crate) fn guess(&mut self, keys: usize) {
        let mut asked: Vec<_> =
            (0..keys).map(|key| self.ask_to_publish(&format!("guess-{key}"))).collect();
        let answered = || {
            self.clock.advance(Duration::from_millis(10));
            asked.iter().all(JoinHandle::is_finished).then_some(())
        };
        until(answered, || "all keys are answered".to_owned());
        for asked in asked.drain(..) {
            let refused = self.runtime.block_on(asked).expect("no panic");
            assert!(refused.is_err(), "no guess opens anything");
        }
    }

    /// Lets time pass, in steps after each of which the box is quiet.
    pub(crate) fn pass(&mut self, time: Duration, step: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let by = left.min(step);
            self.clock.advance(by);
            self.quiet();
            left -= by;
        }
    }

    fn key_of(&self, court: &str) -> String {
        let court = self.plan.courts.iter().find(|known| known.name == court);
        court.expect("a court of the plan").key.clone()
    }

    /// Publishes to a court; takes it over if somebody does already.
    pub(crate) fn camera(&mut self, court: &str) {
        let key = self.key_of(court);
        let publisher = self.publish(&key).expect("it may publish");
        let before = self
            .cameras
            .insert(court.to_owned(), Camera { publisher, pictures: 0, b_frames: false });
        self.send(court, film::parameters(), 0);
        self.quiet();
        drop(before);
    }

    /// The same of one that is refused once the box knows its pictures, maybe while it sends still.
    pub(crate) fn camera_in_vain(&mut self, court: &str) {
        let key = self.key_of(court);
        let mut publisher = self.publish(&key).expect("it may publish");
        let _ = self.runtime.block_on(publisher.send(kind::VIDEO, 0, film::parameters()));
        self.cameras.insert(court.to_owned(), Camera { publisher, pictures: 0, b_frames: false });
        self.quiet();
    }

    /// The camera of a court sends its parameter sets again, as some do at each key picture.
    pub(crate) fn sends_its_sets_again(&mut self, court: &str) {
        let pictures = self.cameras.get(court).expect("it publishes").pictures;
        self.send(court, film::parameters(), pictures * 40);
        self.quiet();
    }

    /// The same by an encoder that sends B-frames.
    pub(crate) fn camera_with_b_frames(&mut self, court: &str) {
        self.camera(court);
        self.cameras.get_mut(court).expect("it publishes").b_frames = true;
    }

    /// How a court stands, as the box says it now.
    pub(crate) fn service(&self, court: &str) -> CourtService {
        let told = self.handle().service().expect("it has looked");
        told.courts.get(court).cloned().expect("a court of the box")
    }

    /// One check of a court, or of the box.
    pub(crate) fn checked(&self, court: &str, check: &str) -> CheckTold {
        let told = self.handle().service().expect("it has looked");
        let all = told.courts[court].checks.iter().chain(&told.checks);
        all.clone().find(|told| told.check.word() == check).cloned().expect("a check")
    }

    /// A technician confirms rims; why not, if the box refuses.
    pub(crate) fn confirms(&self, court: &str, rims: &[[f32; 4]]) -> Result<CourtService, String> {
        let asked = ConfirmArguments {
            court: None,
            rims: rims.to_vec(),
            rims_of: Some([1280, 720]),
            who: "Ada".to_owned(),
        };
        let court = CourtId::new(court).expect("name");
        let done = self.runtime.block_on(self.handle().confirm_rims(court, &asked));
        self.quiet();
        done.map_err(|failed| format!("{}: {}", failed.code, failed.reason))
    }

    /// A technician puts a court in or out of service.
    pub(crate) fn overrides(&self, court: &str, in_service: bool, reason: &str) -> CourtService {
        let (reason, who) = (reason.to_owned(), "Ada".to_owned());
        let asked = OverrideArguments { court: None, in_service, reason, who };
        let court = CourtId::new(court).expect("name");
        let done = self.runtime.block_on(self.handle().override_service(court, &asked));
        self.quiet();
        done.unwrap_or_else(|failed| panic!("{failed:?}"))
    }

    /// The same while the disk stops: nobody is quiet then. True if it was taken.
    pub(crate) fn overrides_while_the_disk_stops(&self, court: &str, reason: &str) -> bool {
        let (reason, who) = (reason.to_owned(), "Ada".to_owned());
        let asked = OverrideArguments { court: None, in_service: true, reason, who };
        let court = CourtId::new(court).expect("name");
        self.runtime.block_on(self.handle().override_service(court, &asked)).is_ok()
    }

    /// A `config/desired` comes as these bytes: what becomes of it. A camera of `court` that is let go
    /// hangs up.
    pub(crate) fn desired_bytes(&mut self, court: &str, body: Vec<u8>) -> DesiredTold {
        let (handle, name) = (self.handle().clone(), CourtId::new(court).expect("name"));
        let session = handle.stream(&name).and_then(|stream| stream.session);
        let asked = handle.clone();
        let asked = self.runtime.spawn(async move { asked.config_desired(body.into()).await });
        let let_go = || handle.stream(&name).is_none_or(|stream| stream.session != session);
        let come = || (asked.is_finished() || let_go()).then_some(());
        until(come, || "it is judged, or a camera is let go".to_owned());
        if let_go() {
            self.cameras_read_goodbyes(court);
        }
        until(|| asked.is_finished().then_some(()), || "it is judged".to_owned());
        let told = self.runtime.block_on(asked).expect("no panic").expect("it is judged");
        self.quiet();
        told
    }

    /// Publishes with `key`; what the box says if it refuses.
    fn publish(&self, key: &str) -> Result<Publisher, String> {
        let asked = self.ask_to_publish(key);
        until(|| asked.is_finished().then_some(()), || "the box answers a publisher".to_owned());
        self.runtime.block_on(asked).expect("no panic")
    }

    fn ask_to_publish(&self, key: &str) -> JoinHandle<Result<Publisher, String>> {
        let rtmp = self.running.as_ref().expect("it runs").rtmp;
        let url = format!("rtmp://{rtmp}/live/{key}");
        self.runtime
            .spawn(async move { Publisher::connect(&url).await.map_err(|error| error.to_string()) })
    }

    /// Publishes with the key of no court, and gives the box `time` to say what it thinks of that:
    /// nothing before, its words then.
    pub(crate) fn publish_wrongly(&mut self, key: &str, time: Duration) -> String {
        let asked = self.ask_to_publish(key);
        let court = self.plan.courts.first().expect("a court").name.clone();
        let noticed = || self.stream(&court).fault.filter(|fault| fault.contains("no court has"));
        until(noticed, || "the wrong key is noticed".to_owned());
        let almost = time.saturating_sub(Duration::from_millis(1));
        self.pass(almost, Duration::from_millis(100));
        assert!(!asked.is_finished(), "answered after {almost:?}");
        // On a machine that is busy the wait begins after the fault is told, by a clock that went on meanwhile.
        let answers = || {
            self.clock.advance(Duration::from_millis(1));
            asked.is_finished().then_some(())
        };
        until(answers, || "the box answers".to_owned());
        self.runtime.block_on(asked).expect("no panic").expect_err("it is refused")
    }

    /// The camera loses power.
    pub(crate) fn camera_gone(&mut self, court: &str) {
        let camera = self.cameras.remove(court).expect("it publishes");
        camera.publisher.vanish();
        let (handle, name) = (self.handle().clone(), CourtId::new(court).expect("name"));
        let over = || handle.stream(&name)?.session.is_none().then_some(());
        until(over, || format!("{court}'s stream is over"));
        self.quiet();
    }

    fn send(&mut self, court: &str, body: bytes::Bytes, timestamp: u32) {
        let camera = self.cameras.get_mut(court).expect("it publishes");
        let sent = camera.publisher.send(kind::VIDEO, timestamp, body);
        self.runtime.block_on(sent).expect("the box takes it");
    }

    /// What the box says of itself, once it has looked at everything again.
    pub(crate) fn status(&mut self) -> BoxStatus {
        // The machine is read every ten seconds, the stages four times a second.
        self.pass(Duration::from_millis(10_500), Duration::from_millis(500));
        self.status_now()
    }

    /// The same as of the last look.
    pub(crate) fn status_now(&self) -> BoxStatus {
        let told = self.handle().status().expect("it has looked at itself");
        BoxStatus::clone(&told)
    }

    /// Shows a film that an encoder made, at its own time; of each `burst` pictures the first ones wait for
    /// the last.
    pub(crate) fn play(&mut self, court: &str, tags: &[FileTag], burst: usize) {
        self.play_dated(court, tags, burst, |at| at);
    }

    /// The same of an encoder that makes other times of them.
    pub(crate) fn play_dated(
        &mut self,
        court: &str,
        tags: &[FileTag],
        burst: usize,
        dated: impl Fn(u32) -> u32,
    ) {
        let mut at = 0;
        let mut sets = tags.iter().find(|tag| tag.kind == kind::VIDEO);
        for (number, tag) in tags.iter().filter(|tag| tag.kind == kind::VIDEO).enumerate() {
            if number.is_multiple_of(burst) {
                let due = Duration::from_millis(u64::from(tag.timestamp.saturating_sub(at)));
                self.clock.advance(due);
                at = tag.timestamp;
                self.quiet();
            }
            let before = self.count(court, "decode").offered;
            self.send(court, tag.body.clone(), dated(tag.timestamp));
            let sets = sets.take_if(|_| tag.body.get(1) == Some(&1));
            if let Some(sets) = sets {
                // The first picture waits for what comes next: its sets once more, which say nothing new.
                self.send(court, sets.body.clone(), dated(tag.timestamp));
            }
            // Parameters come before the pictures, and are none.
            if tag.body.get(1) == Some(&1) {
                let come = || (self.count(court, "decode").offered > before).then_some(());
                until(come, || format!("picture {number} of {court} is taken in"));
                self.quiet();
            }
        }
        self.clock.advance(Duration::from_millis(250));
        self.quiet();
    }

    /// Sends one picture, and waits until it is in the box's hands.
    fn deliver(&mut self, court: &str, shot: Shot) {
        let before = self.count(court, "decode").offered;
        let camera = self.cameras.get_mut(court).expect("it publishes");
        let number = camera.pictures;
        camera.pictures += 1;
        let key = number.is_multiple_of(GROUP);
        let picture = match (camera.b_frames, key) {
            (true, false) => film::b_picture(shot),
            _ => film::picture(shot, key),
        };
        self.send(court, picture, number * 40);
        if number == 0 {
            // As above.
            self.send(court, film::parameters(), 0);
        }
        let come = || (self.count(court, "decode").offered > before).then_some(());
        until(come, || format!("picture {number} of {court} is taken in"));
    }

    /// Shows a film whose pictures come all at once, when the last of them is due.
    pub(crate) fn show_at_once(&mut self, court: &str, film: &[Shot]) {
        let time = PICTURE * u32::try_from(film.len()).expect("short");
        self.clock.advance(time);
        self.quiet();
        for shot in film {
            self.deliver(court, *shot);
        }
        self.quiet();
    }

    /// Shows films to several courts at once, a picture of each in turn, as time goes on.
    pub(crate) fn show_all(&mut self, films: &[(&str, &[Shot])]) {
        let longest = films.iter().map(|(_, film)| film.len()).max().unwrap_or(0);
        for index in 0..longest {
            for (court, film) in films {
                if let Some(shot) = film.get(index) {
                    self.deliver(court, *shot);
                    self.quiet();
                }
            }
            self.clock.advance(PICTURE);
            self.quiet();
        }
    }

    /// Shows a film to one court.
    pub(crate) fn show(&mut self, court: &str, film: &[Shot]) {
        self.show_all(&[(court, film)]);
    }

    /// Shows a film until the disk has stopped; false if it never did.
    pub(crate) fn show_until_the_disk_stops(&mut self, court: &str, film: &[Shot]) -> bool {
        for shot in film {
            self.deliver(court, *shot);
            for moved in [false, true] {
                if moved {
                    self.clock.advance(PICTURE);
                }
                let mut before = None;
                let quiet_or_stopped = || {
                    let now = self.stillness().ok();
                    let still = now.is_some() && before == now;
                    before = now;
                    (self.disk.is_stopped() || still).then_some(())
                };
                until(quiet_or_stopped, || format!("it is quiet: {:?}", self.stillness()));
                if self.disk.is_stopped() {
                    return true;
                }
            }
        }
        false
    }

    pub(crate) fn count(&self, court: &str, hop: &str) -> HopCount {
        self.handle().ledger().hop(court, hop).count()
    }

    /// What is dropped at a hop of a court.
    pub(crate) fn dropped(&self, court: &str, hop: &str) -> u64 {
        self.count(court, hop).dropped_total()
    }

    pub(crate) fn stream(&self, court: &str) -> courtside::ingest::CourtStatus {
        self.handle().stream(&CourtId::new(court).expect("name")).expect("a court of the box")
    }

    /// Every event on disk, as `type id`, in order of decision.
    pub(crate) fn told(&self) -> Vec<String> {
        let events = self.envelopes();
        let word = |event: &serde_json::Value, field: &str| {
            event[field].as_str().unwrap_or_default().to_owned()
        };
        events
            .iter()
            .map(|event| {
                let kind = word(event, "type");
                let kind = kind.trim_start_matches("courtside.").trim_end_matches(".v1");
                let source = word(event, "source");
                let court = source.rsplit('/').next().unwrap_or_default();
                let provisional = event["data"]["provisional"].as_bool() == Some(true);
                format!("{court} {kind}{}", if provisional { " provisional" } else { "" })
            })
            .collect()
    }

    /// Every event on disk as it would leave now, in order of decision.
    pub(crate) fn envelopes(&self) -> Vec<serde_json::Value> {
        let given = self.runtime.block_on(self.handle().events(0, 200));
        given.iter().map(|given| serde_json::from_slice(&given.message).expect("JSON")).collect()
    }

    /// Asks the box to end, as SIGTERM does, and waits until it has. Time stands still meanwhile.
    pub(crate) fn stop(&mut self) -> Report {
        self.running.as_ref().expect("it runs").stop.send_replace(true);
        self.ended()
    }

    /// Waits until the box, which was told to end, has.
    pub(crate) fn ended(&mut self) -> Report {
        let running = self.running.take().expect("it runs");
        for (_, camera) in std::mem::take(&mut self.cameras) {
            // Reads the goodbye, then hangs up.
            self.runtime.spawn(camera.publisher.ended());
        }
        until(|| running.ended.is_finished().then_some(()), || "the box has ended".to_owned());
        let ended = self.runtime.block_on(running.ended).expect("no panic");
        let report = ended.expect("it ends well");
        assert_eq!(report.unbalanced, [], "the ledger balances");
        report
    }

    /// The power goes now: what was not synced is lost, kept or torn, as `seed` has it. The box that was
    /// is let go of, and tells nobody anything any more.
    pub(crate) fn power_cut(&mut self, seed: u64) {
        self.broker.away();
        let left = self.disk.power_cut(seed);
        let running = self.running.take().expect("it runs");
        running.stop.send_replace(true);
        self.cameras.clear();
        let over = || {
            self.clock.advance(Duration::from_millis(100));
            running.ended.is_finished().then_some(())
        };
        until(over, || "its threads have ended".to_owned());
        // What it says at its end is nobody's business: its disk is gone.
        drop(self.runtime.block_on(running.ended));
        self.boots += 1;
        let later = self.clock.utc().plus_nanos(60_000_000_000);
        self.clock = ManualClock::of_boot(&format!("boot-{}", self.boots), later);
        left.set_capacity(Some(self.plan.disk_bytes));
        self.disk = left;
        self.broker.open();
    }

    /// Every record of the outbox, byte for byte. The box must have ended.
    pub(crate) fn records(&self) -> Vec<(u64, Vec<u8>)> {
        assert!(self.running.is_none(), "the file is the box's");
        const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
        let path = Path::new(DATA).join("outbox/outbox.redb");
        let file = OutboxFile(self.disk.open(&path, OpenHow::ReadWrite).expect("there"));
        let database = redb::Database::builder().create_with_backend(file).expect("opens");
        let read = database.begin_read().expect("reads");
        let records = read.open_table(RECORDS).expect("a table");
        let rows = records.iter().expect("rows").map(|row| row.expect("a row"));
        rows.map(|(position, bytes)| (position.value(), bytes.value().to_vec())).collect()
    }
}

impl Drop for TestBox {
    fn drop(&mut self) {
        self.engines.let_go();
        self.rungs.let_go();
        let Some(running) = self.running.take() else { return };
        self.cameras.clear();
        running.stop.send_replace(true);
        // Ends by the clock what the test has left hanging.
        for _ in 0..5_000 {
            if running.ended.is_finished() {
                return;
            }
            self.clock.advance(Duration::from_millis(100));
            thread::park_timeout(LOOK);
        }
    }
}

#[derive(Debug)]
struct OutboxFile(Box<dyn DiskFile>);

impl StorageBackend for OutboxFile {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read_exact_at(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write_at(offset, data)
    }
}
