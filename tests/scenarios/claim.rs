//! A box that is killed at each step of its claim: it is who it was, or who it becomes, and it goes on.
//!
//! The claim as it ships, on a disk that forgets, beside a broker with a technician's desk in it. Killed at
//! each operation of the disk, and at each packet that it sends: before the broker has it, and before it has
//! the answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use courtside::claim::{
    Attempt, Claim, Desk, Held, Limits, Parts, RequestId, Serial, Stage, Store,
};
use courtside::clock::{Clock, SystemClock};
use courtside::disk::{Disk, ForgetfulDisk, read_whole, write_durably};
use courtside::mailbox::Rest;
use courtside::media::UtcTime;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::desk::{Cut, DeskBroker};
use crate::testbox::until;

const DATA: &str = "/box";
const STICK: &str = "/media/stick/courtside-claim.toml";

fn serial() -> Serial {
    Serial::new("CS-00001").expect("a serial number")
}

/// A claim as it ships, whose waits are short: nobody is to wait here for a minute.
struct Tried {
    runtime: Runtime,
    broker: DeskBroker,
    disk: ForgetfulDisk,
}

struct Running {
    desk: Desk,
    task: tokio::task::JoinHandle<()>,
    _stop: watch::Sender<bool>,
}

impl Tried {
    fn new() -> Self {
        drop(tracing_subscriber::fmt().with_test_writer().try_init());
        let runtime = Runtime::new().expect("runtime");
        let broker = runtime.block_on(DeskBroker::start());
        let disk = ForgetfulDisk::new();
        disk.create_dir_all(Path::new(STICK).parent().expect("a folder")).expect("made");
        let file = format!(
            "broker = \"mqtt://127.0.0.1:{}\"\nusername = \"courtside-claim\"\npassword = \"x\"\n\
             after_reading = \"wipe\"\n",
            broker.port
        );
        write_durably(&disk, Path::new(STICK), file.as_bytes()).expect("written");
        Self { runtime, broker, disk }
    }

    fn start(&self) -> Option<Running> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let soon = Duration::from_millis(20);
        let limits = Limits {
            answer: soon,
            refused: soon,
            retry: soon / 20,
            disk: soon / 20,
            person: soon,
            trials: 5,
        };
        let parts = Parts {
            disk: Arc::new(self.disk.clone()),
            data_dir: PathBuf::from(DATA),
            floor: UtcTime::from_nanos(0).into(),
            clock,
            serial: serial(),
            version: "1.0".to_owned(),
            hardware: None,
            limits,
            places: vec![PathBuf::from("/media/*/courtside-claim.toml")],
            rest: Rest::default(),
        };
        let claim = Claim::open(parts).ok()?;
        let (stop, stopped) = watch::channel(false);
        let desk = claim.desk();
        let task = self.runtime.spawn(claim.run(stopped));
        Some(Running { desk, task, _stop: stop })
    }

    /// The power goes: nothing of the process is left, and of the disk what was synced, or more.
    fn killed(&mut self, running: Option<Running>, seed: u64) {
        if let Some(running) = running {
            running.task.abort();
            // It has ended, one way or the other.
            drop(self.runtime.block_on(running.task));
        }
        self.disk = self.disk.power_cut(seed);
    }

    fn held(&self) -> Held {
        Store::open(Arc::new(self.disk.clone()), Path::new(DATA)).expect("opened").1
    }

    /// Runs on what there is until the box is who the desk says, and has told it.
    fn goes_on(&mut self, not: Option<RequestId>) {
        let running = self.start().expect("it starts");
        if not.is_some() && running.desk.told().stage == Stage::Committed && self.is(not) {
            assert!(running.desk.renew());
        }
        until(|| self.is_over(not).then_some(()), || format!("the end: {:?}", running.desk.told()));
        running.task.abort();
        drop(self.runtime.block_on(running.task));
    }

    /// A paper as it is now, of a box that runs: to open its store would be one operation more.
    fn paper<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        let path = Path::new(DATA).join("identity").join(name);
        serde_json::from_slice(&read_whole(&self.disk, &path, 1 << 20).ok()?).ok()
    }

    fn is(&self, request: Option<RequestId>) -> bool {
        self.paper("current.json").map(|current: Attempt| current.request) == request
    }

    /// It is who the desk says, both know it, and nothing is left of the stick's file.
    fn is_over(&self, not: Option<RequestId>) -> bool {
        let record = self.broker.records.lock().granted.get(&serial()).cloned();
        let record = record.filter(|record| record.committed && Some(record.request) != not);
        let Some(record) = record else { return false };
        let wiped = self.disk.names(Path::new("/media/stick")).is_ok_and(|names| names.is_empty());
        let told: Option<RequestId> = self.paper("told");
        self.is(Some(record.request)) && told == Some(record.request) && wiped
    }

    /// What must hold after each kill: `old` or another whole identity, and no half file.
    fn check(&self, old: Option<RequestId>, at: &str) {
        let held = self.held();
        assert!(held.damaged.is_empty(), "{at}: {:?}", held.damaged);
        match held.current {
            None => assert_eq!(old, None, "{at}: the old identity is gone"),
            Some(current) => {
                let identity = current.identity().expect("granted");
                assert!(identity.password.is_some() && identity.name.as_str() == "rim-1", "{at}");
            }
        }
    }

    /// After the end: nothing was signed twice.
    fn ended(&self, signed: u32, at: &str) {
        assert_eq!(self.broker.records.lock().signed, signed, "{at}");
    }
}

/// First claim, and then a rotation: at every step of it `kill` cuts. Returns the number of kills.
fn at_every_step(
    rotation: bool,
    mut kill: impl FnMut(&mut Tried, u64, Option<RequestId>) -> bool,
) -> u64 {
    let mut kills = 0;
    loop {
        let mut tried = Tried::new();
        let mut old = None;
        if rotation {
            tried.goes_on(None);
            old = tried.held().current.map(|current| current.request);
        }
        let at = format!("rotation {rotation}, step {kills}");
        if !kill(&mut tried, kills, old) {
            return kills;
        }
        tried.check(old, &at);
        tried.goes_on(old);
        tried.check(old, &at);
        tried.ended(if rotation { 2 } else { 1 }, &at);
        kills += 1;
        assert!(kills < 200, "it comes to an end");
    }
}

fn rotates(running: Option<&Running>, old: Option<RequestId>) {
    if let (Some(running), Some(_)) = (running, old) {
        assert!(running.desk.renew());
    }
}

#[test]
fn the_power_goes_at_each_operation_of_the_disk() {
    for rotation in [false, true] {
        let kills = at_every_step(rotation, |tried, step, old| {
            tried.disk.stop_after(tried.disk.operations() + step);
            let running = tried.start();
            rotates(running.as_ref(), old);
            let disk = tried.disk.clone();
            until(
                || (disk.is_stopped() || tried.is_over(old)).then_some(()),
                || format!("step {step} is reached"),
            );
            let was_cut = disk.is_stopped();
            tried.killed(running, step);
            was_cut
        });
        assert!(kills > 15, "only {kills} steps");
    }
}

#[test]
fn the_power_goes_at_each_packet() {
    let cuts: [fn(u64) -> Cut; 2] = [Cut::Before, Cut::After];
    for (rotation, cut) in [(false, cuts[0]), (false, cuts[1]), (true, cuts[0]), (true, cuts[1])] {
        let kills = at_every_step(rotation, |tried, step, old| {
            {
                let mut records = tried.broker.records.lock();
                (records.packets, records.cut) = (0, Some(cut(step + 1)));
            }
            let running = tried.start();
            rotates(running.as_ref(), old);
            let has_cut = tried.broker.has_cut.subscribe();
            until(
                || (*has_cut.borrow() || tried.is_over(old)).then_some(()),
                || format!("packet {step} is sent"),
            );
            let was_cut = *has_cut.borrow();
            tried.killed(running, step);
            tried.broker.records.lock().cut = None;
            was_cut
        });
        assert!(kills >= 6, "only {kills} packets");
    }
}
