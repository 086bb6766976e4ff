//! The inbox with a broker played by hand, on a disk that forgets.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use rumqttc::ManualAck;
use rumqttc::mqttbytes::v5::PubAck;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::*;
use crate::clock::ManualClock;
use crate::disk::{Disk, ForgetfulDisk, RealDisk};
use crate::event::command::Role;
use crate::media::{Foreign, Monotonic, UtcTime};
use crate::uplink::inbox::door::{Door, Judged};
use crate::uplink::inbox::keeper::house::FORGET_EVERY;
use crate::uplink::inbox::keeper::{PROGRESS_EVERY, TICK};
use crate::uplink::inbox::letter::{Answer, Asked, Read};
use crate::uplink::inbox::limits::{Bucket, Rate};
use crate::uplink::inbox::operation::Table;
use crate::uplink::inbox::post::Outgoing;
use crate::uplink::inbox::record::{Now, Record};
use crate::uplink::inbox::store::Batch;
use crate::uplink::outbox::backend::OnDisk;

const NOON: UtcTime = UtcTime::from_nanos(1_800_000_000_000_000_000);
const ROOT: &str = "courtside/1/rim-1";
const DESIRED: &str = "courtside/1/rim-1/config/desired";
const DIR: &str = "/data/outbox";
const HOUR: Duration = Duration::from_secs(3600);

/// Looks until `condition` gives something.
fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    for _ in 0..150_000 {
        if let Some(found) = condition() {
            return found;
        }
        thread::park_timeout(Duration::from_micros(200));
    }
    panic!("gave up waiting until {what}");
}

/// Counts its runs; waits for the gate where it is told to.
#[derive(Default)]
struct Counted {
    runs: AtomicU64,
    resumed: AtomicU64,
    open: Mutex<bool>,
    opened: Condvar,
    resumable: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Times {
    #[serde(default)]
    waits: bool,
    #[serde(default)]
    panics: bool,
    #[serde(default)]
    bytes: usize,
}

impl Counted {
    fn runs(&self) -> u64 {
        self.runs.load(Ordering::SeqCst)
    }

    fn open(&self) {
        *self.open.lock() = true;
        self.opened.notify_all();
    }
}

impl Operation for Arc<Counted> {
    fn name(&self) -> &'static str {
        if self.resumable { "resume" } else { "count" }
    }

    fn arguments(&self) -> Value {
        schemars::schema_for!(Times).to_value()
    }

    fn resumable(&self) -> bool {
        self.resumable
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        read_arguments::<Times>(arguments).map(drop)
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let times: Times = call.read()?;
        let runs = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        if call.resumed {
            self.resumed.fetch_add(1, Ordering::SeqCst);
        }
        call.tells(Some(50), "half");
        assert!(!times.panics, "as it was told");
        let mut open = self.open.lock();
        while times.waits && !*open && !call.stops() {
            self.opened.wait_for(&mut open, Duration::from_millis(5));
        }
        Ok(json!({ "runs": runs, "text": "x".repeat(times.bytes) }))
    }
}

/// A box's inbox, and the broker before it.
struct Rig {
    disk: ForgetfulDisk,
    clock: ManualClock,
    count: Arc<Counted>,
    resume: Arc<Counted>,
    inbox: Option<Inbox>,
    epoch: u64,
    next: u16,
    acked: Vec<u16>,
    /// Topic, body, retained, answer.
    told: Vec<(String, Value, bool)>,
    answers: Vec<(Answer, Value)>,
    retained: BTreeMap<String, Value>,
}

impl Rig {
    fn new() -> Self {
        let mut rig = Self::on(ForgetfulDisk::new(), ManualClock::at(NOON));
        rig.start(Limits::USUAL);
        rig
    }

    fn on(disk: ForgetfulDisk, clock: ManualClock) -> Self {
        Self {
            disk,
            clock,
            count: Arc::default(),
            resume: Arc::new(Counted { resumable: true, ..Counted::default() }),
            inbox: None,
            epoch: 0,
            next: 0,
            acked: Vec::new(),
            told: Vec::new(),
            answers: Vec::new(),
            retained: BTreeMap::new(),
        }
    }

    fn start(&mut self, limits: Limits) {
        self.try_start(limits).expect("it opens");
    }

    fn try_start(&mut self, limits: Limits) -> Result<(), InboxError> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        disk.create_dir_all(Path::new(DIR)).expect("made");
        let parts = Parts {
            disk: &disk,
            dir: Path::new(DIR),
            clock: Arc::new(self.clock.clone()),
            floor: UtcTime::from_nanos(1_700_000_000_000_000_000).into(),
            root: ROOT.to_owned(),
            held: None,
        };
        let inbox = Inbox::with(parts, limits)?;
        inbox.serve(vec![Arc::new(Arc::clone(&self.count)), Arc::new(Arc::clone(&self.resume))]);
        self.inbox = Some(inbox);
        self.connect(true);
        Ok(())
    }

    fn post(&self) -> Arc<Post> {
        Arc::clone(&self.inbox.as_ref().expect("it runs").post)
    }

    fn connect(&mut self, resumed: bool) {
        self.epoch += 1;
        self.post().connected(self.epoch, resumed);
    }

    /// Stops as SIGTERM does.
    fn stop(&mut self) {
        let mut inbox = self.inbox.take().expect("it runs");
        inbox.stop();
        inbox.take_thread().expect("a thread").join().expect("it ends");
    }

    /// The power goes; the box starts again.
    fn power_cut(&mut self, seed: u64) {
        let left = self.disk.power_cut(seed);
        self.stop();
        self.disk = left;
        self.told.clear();
        // Nobody of the old box counts any more.
        let runs = self.count.runs();
        self.count = Arc::default();
        self.count.runs.store(runs, Ordering::SeqCst);
        self.start(Limits::USUAL);
    }

    fn give(&mut self, letter: Letter) -> u16 {
        self.next += 1;
        let ack = ManualAck::PubAck(PubAck::new(self.next, None));
        assert!(self.post().letter(self.epoch, letter, DESIRED, Some(ack)), "there is room");
        self.next
    }

    fn ask(&mut self, id: &str, body: Value) -> u16 {
        self.give(letter(&format!("{ROOT}/command/{id}"), &body.to_string()))
    }

    /// Takes what the box sends, as the broker would.
    fn pump(&mut self) {
        let post = self.post();
        while let Some(one) = post.next(self.epoch) {
            match one {
                Outgoing::Ack(ManualAck::PubAck(ack)) => self.acked.push(ack.pkid),
                Outgoing::Ack(other) => panic!("{other:?}"),
                Outgoing::Telling(mut telling) => {
                    let body = serde_json::from_slice(&telling.payload).unwrap_or(Value::Null);
                    if telling.retained && body.is_null() {
                        self.retained.remove(&telling.topic);
                    } else if telling.retained {
                        self.retained.insert(telling.topic.clone(), body.clone());
                    }
                    if let Some(answer) = telling.answer.take() {
                        self.answers.push((answer, body.clone()));
                    }
                    self.told.push((telling.topic.clone(), body, telling.retained));
                    post.told(self.epoch, &mut telling, false);
                }
            }
        }
    }

    /// Waits for a state of a command.
    fn state(&mut self, id: &str, word: &str) -> Value {
        let topic = format!("command/{id}/state");
        until(&format!("{id} is {word}: {:?}", self.told), || {
            self.pump();
            let told = self.told.iter().rev().find(|(of, ..)| *of == topic);
            told.filter(|(_, body, _)| body["state"] == word).map(|(_, body, _)| body.clone())
        })
    }

    fn acked(&mut self, pkid: u16) {
        until("it is acknowledged", || {
            self.pump();
            self.acked.contains(&pkid).then_some(())
        });
    }
}

fn letter(topic: &str, body: &str) -> Letter {
    Letter {
        topic: Bytes::from(topic.to_owned()),
        payload: Bytes::from(body.to_owned()),
        expiry_s: Some(3600),
        ..Letter::default()
    }
}

#[test]
fn a_command_goes_from_state_to_state_and_is_acknowledged_when_it_is_on_disk() {
    let mut rig = Rig::new();
    let asked = Letter {
        response: Some("laptop/7".to_owned()),
        correlation: Some(Bytes::from_static(b"\x00\xff")),
        ..letter(
            &format!("{ROOT}/command/one"),
            r#"{"operation": "count", "arguments": {"waits": true}}"#,
        )
    };
    let pkid = rig.give(asked);
    rig.acked(pkid);
    rig.state("one", "running");
    until("it says how far it is", || {
        rig.clock.advance(PROGRESS_EVERY);
        rig.pump();
        rig.retained["command/one/state"].get("progress").cloned()
    });
    rig.count.open();
    let done = rig.state("one", "done");
    assert_eq!(done["result"]["runs"], 1);
    assert_eq!(done["time"].as_str().map(|time| &time[..10]), Some("2027-01-15"));
    let words: Vec<&Value> = rig.answers.iter().map(|(_, body)| &body["state"]).collect();
    assert_eq!((words.first(), words.last()), (Some(&&json!("accepted")), Some(&&json!("done"))));
    let answer = Answer { topic: "laptop/7".to_owned(), correlation: Some(vec![0, 255]) };
    assert!(rig.answers.iter().all(|(to, _)| *to == answer));
    assert!(rig.told.iter().all(|(_, _, retained)| *retained));
    let numbers: Vec<u64> =
        rig.told.iter().filter_map(|(_, body, _)| body["number"].as_u64()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
}

#[test]
fn a_command_that_comes_again_runs_once_and_is_told_how_it_stands() {
    let mut rig = Rig::new();
    let body = json!({ "operation": "count" });
    let pkids = [rig.ask("twice", body.clone()), rig.ask("twice", body.clone())];
    pkids.into_iter().for_each(|pkid| rig.acked(pkid));
    rig.state("twice", "done");
    rig.stop();
    rig.start(Limits::USUAL);
    let before = rig.told.len();
    let again = Letter {
        response: Some("laptop/8".to_owned()),
        ..letter(&format!("{ROOT}/command/twice"), &body.to_string())
    };
    let pkid = rig.give(again);
    rig.acked(pkid);
    assert_eq!(rig.told[before..].last().map(|(_, body, _)| &body["state"]), Some(&json!("done")));
    assert_eq!(rig.answers.last().map(|(to, _)| to.topic.as_str()), Some("laptop/8"));
    rig.power_cut(3);
    let pkid = rig.ask("twice", body);
    rig.acked(pkid);
    assert_eq!(rig.count.runs(), 1);
}

#[test]
fn what_is_no_command_of_this_box_is_refused_with_a_reason_and_acknowledged() {
    let mut rig = Rig::new();
    let at = |id: &str| format!("{ROOT}/command/{id}");
    let plain = || letter(&at("x"), r#"{"operation": "count"}"#);
    let large =
        format!(r#"{{"operation": "count", "arguments": {{"bytes": "{}"}}}}"#, "x".repeat(70_000));
    let deep = format!("{}{}", "[".repeat(9_000), "]".repeat(9_000));
    let rows = [
        ("retained", Letter { retained: true, ..plain() }),
        ("no_expiry", Letter { expiry_s: None, ..plain() }),
        ("too_large", letter(&at("x"), &large)),
        ("not_json", letter(&at("x"), "restart")),
        ("not_json", letter(&at("x"), &deep)),
        ("not_json", letter(&at("x"), r#"{"arguments": {}}"#)),
        ("not_json", letter(&at("x"), r#"{"operation": "count", "expires": "soon"}"#)),
        ("not_json", Letter { payload: Bytes::from_static(b"\xff\x00"), ..plain() }),
        ("foreign_topic", letter("courtside/1/rim-2/command/x", "{}")),
        ("foreign_topic", letter("courtside/1/rim-1x/command/x", "{}")),
        ("foreign_topic", letter("$SYS/broker", "{}")),
        ("foreign_topic", Letter { topic: Bytes::from_static(b"\xff"), ..plain() }),
        ("no_id", letter(&at(""), "{}")),
        ("no_id", letter(&at("a b"), "{}")),
        ("no_id", letter(&at(&"i".repeat(65)), "{}")),
        ("no_id", letter(&at("unidentified"), "{}")),
    ];
    for (code, letter) in rows {
        let topic = Foreign::bytes(crate::media::ForeignKind::Name, &letter.topic);
        let pkid = rig.give(letter);
        rig.acked(pkid);
        let (of, body, retained) = rig.told.last().expect("it is told");
        assert_eq!((&body["state"], &body["code"]), (&json!("refused"), &json!(code)), "{topic}");
        assert!(!retained && body["reason"].as_str().is_some_and(|why| why.len() > 10));
        let unnamed = matches!(code, "foreign_topic" | "no_id");
        assert_eq!(of, if unnamed { "command/unidentified/state" } else { "command/x/state" });
    }
    // None of them took the id.
    let pkid = rig.ask("x", json!({ "operation": "count" }));
    rig.acked(pkid);
    rig.state("x", "done");
    // What is empty takes a retained message back.
    let before = rig.told.len();
    let pkid = rig.give(letter(&at("x"), ""));
    rig.acked(pkid);
    assert_eq!(rig.told.len(), before);
}

#[test]
fn what_is_well_formed_and_cannot_be_is_kept_as_refused_or_failed() {
    let mut rig = Rig::new();
    let rows = [
        ("a", json!({ "operation": "dance" }), "failed", "unknown_operation"),
        ("b", json!({ "operation": "count", "arguments": { "x": 1 } }), "refused", "arguments"),
        (
            "c",
            json!({ "operation": "count", "expires": "2027-01-15T07:59:00Z" }),
            "refused",
            "expired",
        ),
        ("d", json!({ "operation": "count", "arguments": { "panics": true } }), "failed", "bug"),
        (
            "e",
            json!({ "operation": "count", "arguments": { "bytes": 300_000 } }),
            "failed",
            "result_too_large",
        ),
    ];
    for (id, body, state, code) in rows {
        let pkid = rig.ask(id, body);
        rig.acked(pkid);
        let told = rig.state(id, state);
        assert_eq!(told["code"], code, "{told}");
        if code == "unknown_operation" {
            assert_eq!(told["known"], json!(["count", "resume"]));
        }
    }
    assert_eq!(rig.count.runs(), 2, "the one that panics and the large one");
}

#[test]
fn a_command_that_waited_too_long_behind_another_is_not_begun() {
    let mut rig = Rig::new();
    rig.ask("first", json!({ "operation": "count", "arguments": { "waits": true } }));
    rig.state("first", "running");
    rig.ask("second", json!({ "operation": "count" }));
    rig.state("second", "accepted");
    rig.clock.advance(2 * HOUR);
    rig.count.open();
    rig.state("first", "done");
    assert_eq!(rig.state("second", "failed")["code"], "expired");
    assert_eq!(rig.count.runs(), 1);
}

#[test]
fn what_a_power_cut_parts_goes_on_or_is_told_as_failed() {
    let mut rig = Rig::new();
    let waits = |operation: &str| json!({ "operation": operation, "arguments": { "waits": true } });
    rig.ask("gone", waits("count"));
    rig.ask("on", waits("resume"));
    rig.state("gone", "running");
    rig.state("on", "running");
    // It is told before it is begun.
    until("both are begun", || (rig.count.runs() + rig.resume.runs() == 2).then_some(()));
    for cut in 1..=3 {
        rig.power_cut(cut);
        let told = rig.state("on", "running");
        assert_eq!(told["cuts"], cut);
        until("it runs again", || (rig.resume.runs() == cut + 1).then_some(()));
        if cut == 1 {
            assert_eq!(rig.state("gone", "failed")["code"], "cut");
        }
    }
    assert_eq!(rig.resume.resumed.load(Ordering::SeqCst), 3);
    // One that takes the box with it is not tried for ever.
    rig.power_cut(4);
    assert_eq!(rig.state("on", "failed")["code"], "cut");
    assert_eq!((rig.count.runs(), rig.resume.runs()), (1, 4));
}

/// The disk stops at each of its changes; the broker brings again what was not acknowledged.
#[test]
fn a_cut_at_any_write_loses_no_command_and_runs_none_twice() {
    let mut cuts = 0;
    for at in 0.. {
        let mut rig = Rig::on(ForgetfulDisk::new(), ManualClock::at(NOON));
        rig.disk.stop_after(at);
        let mut acked = false;
        if rig.try_start(Limits::USUAL).is_ok() {
            let pkid = rig.ask("one", json!({ "operation": "count" }));
            until("it is done, or the disk has stopped", || {
                rig.pump();
                let done =
                    rig.retained.get("command/one/state").is_some_and(|s| s["state"] == "done");
                (rig.disk.is_stopped() || done && rig.acked.contains(&pkid)).then_some(())
            });
            // What was acknowledged while the disk went is not known to have come after.
            acked = !rig.disk.is_stopped() && rig.acked.contains(&pkid);
            let through = rig.told.iter().any(|(_, body, _)| body["state"] == "done");
            if !rig.disk.is_stopped() && through {
                rig.stop();
                if !rig.disk.is_stopped() {
                    break;
                }
                rig.start_anew(at);
            } else {
                rig.power_cut_stopped(at);
            }
        } else {
            rig.start_anew(at);
        }
        cuts += 1;
        if !acked {
            rig.ask("one", json!({ "operation": "count" }));
        }
        rig.told.clear();
        let over = until("it is over", || {
            rig.pump();
            let told = rig.retained.get("command/one/state")?;
            matches!(told["state"].as_str(), Some("done" | "failed")).then(|| told.clone())
        });
        assert!(over["state"] == "done" || over["code"] == "cut", "{at}: {over}");
        assert!(rig.count.runs() <= 1, "{at}: it ran {} times", rig.count.runs());
        if over["state"] == "done" {
            assert_eq!(rig.count.runs(), 1, "{at}");
        }
    }
    assert!(cuts > 10, "{cuts} cuts");
}

impl Rig {
    fn start_anew(&mut self, seed: u64) {
        self.disk = self.disk.power_cut(seed);
        self.start(Limits::USUAL);
    }

    fn power_cut_stopped(&mut self, seed: u64) {
        self.power_cut(seed);
    }
}

#[test]
fn a_full_disk_is_told_and_what_is_asked_later_runs() {
    let mut rig = Rig::new();
    rig.disk.fail_syncs(true);
    let pkid = rig.ask("one", json!({ "operation": "count" }));
    rig.acked(pkid);
    assert_eq!(rig.told.last().map(|(_, body, _)| &body["code"]), Some(&json!("disk")));
    rig.disk.fail_syncs(false);
    let pkid = rig.ask("two", json!({ "operation": "count" }));
    rig.acked(pkid);
    rig.state("two", "done");
    assert_eq!(rig.count.runs(), 1);
}

/// 100,000 in a row: each is answered, few are run, and nothing piles up.
#[test]
fn a_hundred_thousand_commands_in_a_row_cost_a_window() {
    let mut rig = Rig::new();
    let pkids = (0..100_000_u32).map(|n| {
        let id = format!("flood-{n}");
        (id, u16::try_from(n % 60_000 + 1).expect("small"))
    });
    let mut refused = 0;
    for chunk in pkids.collect::<Vec<_>>().chunks(usize::from(RECEIVE_MAXIMUM)) {
        for (id, pkid) in chunk {
            let ack = ManualAck::PubAck(PubAck::new(*pkid, None));
            let asked = letter(&format!("{ROOT}/command/{id}"), r#"{"operation": "count"}"#);
            assert!(rig.post().letter(rig.epoch, asked, DESIRED, Some(ack)), "a window has room");
        }
        until("they are acknowledged", || {
            rig.pump();
            (rig.acked.len() == chunk.len()).then_some(())
        });
        rig.acked.clear();
        refused += rig
            .told
            .iter()
            .filter(|(_, body, _)| body["code"] == "too_many" || body["code"] == "busy")
            .count();
        rig.told.clear();
    }
    assert!(refused >= 99_000, "{refused} of 100,000 were refused");
    assert!(rig.count.runs() <= 256);
    assert_eq!(rig.post().lost(), 0);
}

/// A broker that keeps to no window: as many PUBLISHes as there are packet ids, at once. Each is answered,
/// those beyond 4 MiB without their bodies, and the wanted configuration is the latest all the same.
#[test]
fn a_broker_that_keeps_to_no_window_costs_some_mib() {
    let mut rig = Rig::new();
    let body = json!({ "operation": "count", "x": "x".repeat(60_000) }).to_string();
    for n in 1..=20_000_u16 {
        let ack = ManualAck::PubAck(PubAck::new(n, None));
        let (topic, body) = match n % 1_000 {
            0 => (DESIRED.to_owned(), format!("{{\"n\": {n}}}")),
            _ => (format!("{ROOT}/command/flood-{n}"), body.clone()),
        };
        assert!(rig.post().letter(rig.epoch, letter(&topic, &body), DESIRED, Some(ack)), "{n}");
    }
    until("all are acknowledged", || {
        rig.pump();
        (rig.acked.len() == 20_000).then_some(())
    });
    let without = rig.told.iter().filter(|(_, body, _)| {
        body["code"] == "too_many"
            && body["reason"].as_str().is_some_and(|why| why.contains("more came"))
    });
    assert!(without.count() > 10_000);
    let desired = rig.inbox.as_ref().expect("it runs").desired().borrow().clone();
    let body = desired.expect("some").body.clone().expect("kept");
    assert_eq!(body, "{\"n\": 20000}");
    assert!(rig.count.runs() <= 256);
}

/// Negative controls: what each bound of the door is there for.
#[test]
fn without_its_bounds_the_door_lets_everything_in() {
    let read = |letter: &Letter, limits: &Limits| letter::read(letter, ROOT, limits);
    let off = Limits {
        body_bytes: None,
        rate: None,
        unfinished: None,
        only_fresh: false,
        ..Limits::USUAL
    };
    let body = format!(r#"{{"operation": "count", "x": "{}"}}"#, "x".repeat(900_000));
    let large = letter(&format!("{ROOT}/command/x"), &body);
    assert!(matches!(read(&large, &off), Read::Command(_)));
    assert!(matches!(read(&large, &Limits::USUAL), Read::Refused { .. }));
    let count: Arc<Counted> = Arc::default();
    let table = Table::of(vec![Arc::new(count)]);
    let now = Now { utc: NOON, is_known: true };
    let kept = |limits: &Limits, letter: &Letter, times: usize, unfinished: usize| {
        let mut bucket = Bucket::new(Monotonic::ZERO);
        let door = Door { limits, table: &table, unfinished, now, monotonic: Monotonic::ZERO };
        let judged = (0..times).map(|_| {
            let Read::Command(asked) = read(letter, limits) else { panic!("a command") };
            door.judge(asked, &mut bucket)
        });
        judged.filter(|judged| matches!(judged, Judged::Kept(_))).count()
    };
    let plain = letter(&format!("{ROOT}/command/x"), r#"{"operation": "count"}"#);
    let retained = Letter { retained: true, expiry_s: None, ..plain.clone() };
    assert_eq!((kept(&off, &retained, 1, 0), kept(&Limits::USUAL, &retained, 1, 0)), (1, 0));
    assert_eq!(kept(&off, &plain, 100_000, 0), 100_000);
    assert_eq!(kept(&Limits::USUAL, &plain, 100_000, 0), 256);
    assert_eq!((kept(&off, &plain, 1, 64), kept(&Limits::USUAL, &plain, 1, 64)), (1, 0));
}

#[test]
fn a_role_below_the_operation_s_may_not_ask_for_it() {
    let table = Table::of(vec![Arc::new(Arc::<Counted>::default())]);
    let now = Now { utc: NOON, is_known: true };
    let limits = Limits::USUAL;
    let door =
        Door { limits: &limits, table: &table, unfinished: 0, now, monotonic: Monotonic::ZERO };
    for (role, code) in [(Role::Viewer, "role"), (Role::Operator, "role"), (Role::Technician, "")] {
        let plain = letter(&format!("{ROOT}/command/x"), r#"{"operation": "count"}"#);
        let Read::Command(asked) = letter::read(&plain, ROOT, &limits) else { panic!("a command") };
        let judged = door.judge(Asked { role, ..asked }, &mut Bucket::new(Monotonic::ZERO));
        let Judged::Kept(record) = judged else { panic!("{judged:?}") };
        assert_eq!(record.state.code.as_deref().unwrap_or_default(), code);
    }
}

#[test]
fn the_topic_says_who_asks_and_each_is_answered_where_he_asked() {
    let mut rig = Rig::new();
    // The last state that is told where it was asked.
    let asked = |rig: &mut Rig, below: &str| {
        rig.told.clear();
        let body = json!({ "operation": "count" }).to_string();
        let pkid = rig.give(letter(&format!("{ROOT}/{below}"), &body));
        rig.acked(pkid);
        let at = format!("{below}/state");
        until("it is over", || {
            rig.pump();
            let its = rig.told.iter().rev().find(|(topic, _, _)| *topic == at)?;
            let over = ["done", "refused", "failed"].contains(&its.1["state"].as_str()?);
            over.then(|| (its.1.clone(), its.2))
        })
    };
    let (state, retained) = asked(&mut rig, "operator/command/mine");
    assert_eq!((&state["state"], &state["code"]), (&json!("refused"), &json!("role")));
    assert!(state["reason"].as_str().is_some_and(|why| why.contains("for the technician")));
    assert!(retained && rig.count.runs() == 0);
    let (state, _) = asked(&mut rig, "command/his");
    assert_eq!((&state["state"], &state["result"]["runs"]), (&json!("done"), &json!(1)));

    // An id of one role is not the other's: neither is told what came out, nor is anything run.
    for below in ["operator/command/his", "command/mine"] {
        let (state, retained) = asked(&mut rig, below);
        assert_eq!((&state["code"], retained), (&json!("id_taken"), false), "{state}");
        assert!(state.get("result").is_none(), "{state}");
    }
    assert_eq!(rig.count.runs(), 1);
    for (below, code) in [("viewer/command/x", "foreign_topic"), ("operator/x", "foreign_topic")] {
        rig.told.clear();
        let pkid = rig.give(letter(&format!("{ROOT}/{below}"), "{}"));
        rig.acked(pkid);
        let told = &rig.told[0];
        assert_eq!(
            (told.0.as_str(), &told.1["code"]),
            ("command/unidentified/state", &json!(code))
        );
    }

    // Whatever an operator asks for, the technician has his turns.
    let last = (0..300).map(|n| asked(&mut rig, &format!("operator/command/flood-{n}")).0).last();
    assert_eq!(last.expect("an answer")["code"], "too_many");
    assert_eq!(asked(&mut rig, "command/after").0["state"], "done");
}

#[test]
fn tokens_come_back_one_by_one() {
    let rate = Rate { burst: 2, every: Duration::from_secs(20) };
    let at = |s: u64| Monotonic::ZERO.plus(Duration::from_secs(s));
    let mut bucket = Bucket::new(at(0));
    let took = [0, 0, 1, 20, 21, 40, 400, 400, 400].map(|s| bucket.take(rate, at(s)).is_ok());
    assert_eq!(took, [true, true, false, true, false, true, true, true, false]);
    assert_eq!(bucket.take(rate, at(401)), Err(Duration::from_secs(19)));
}

#[test]
fn answers_go_where_the_sender_listens_and_never_to_another_box() {
    let rows = [
        ("laptop/7", true),
        ("courtside/1/rim-1/answer/laptop", true),
        ("courtside/1/rim-1/command/x", false),
        ("courtside/1/rim-2/command/restart", false),
        ("$share/x", false),
        ("a/#", false),
        ("", false),
        ("a\u{202e}b", false),
    ];
    for (topic, is_taken) in rows {
        let asked = Letter {
            response: Some(topic.to_owned()),
            ..letter(&format!("{ROOT}/command/x"), r#"{"operation": "count"}"#)
        };
        let Read::Command(asked) = letter::read(&asked, ROOT, &Limits::USUAL) else {
            panic!("a command")
        };
        assert_eq!(asked.answer.is_some(), is_taken, "{topic:?}");
    }
}

#[test]
fn the_wanted_configuration_is_on_disk_before_it_is_seen_and_the_latest_wins() {
    let mut rig = Rig::new();
    let topic = format!("{ROOT}/config/desired");
    let wanted = |rig: &Rig| rig.inbox.as_ref().expect("it runs").desired().borrow().clone();
    assert_eq!(wanted(&rig), None);
    for (body, number) in [("{\"a\": 1}", 1), ("{\"a\": 1}", 1), ("no JSON", 2), ("{}", 3)] {
        let pkid = rig.give(Letter { retained: true, expiry_s: None, ..letter(&topic, body) });
        rig.acked(pkid);
        let body = Ok(Bytes::from(body));
        assert_eq!(wanted(&rig).as_deref(), Some(&Desired { number, body }));
    }
    rig.power_cut(5);
    let body = Ok(Bytes::from("{}"));
    assert_eq!(wanted(&rig).as_deref(), Some(&Desired { number: 3, body }));
    let pkid = rig.give(letter(&topic, &"x".repeat(70_000)));
    rig.acked(pkid);
    let told = wanted(&rig).expect("told");
    assert!(told.body.as_ref().is_err_and(|why| why.contains("65536")), "{told:?}");
    // A disk that refuses: not acknowledged before it is kept.
    rig.disk.fail_syncs(true);
    let pkid = rig.give(letter(&topic, "{\"b\": 1}"));
    let one = rig.ask("other", json!({ "operation": "count" }));
    rig.acked(one);
    assert!(!rig.acked.contains(&pkid));
    rig.disk.fail_syncs(false);
    until("it is kept", || {
        rig.clock.advance(TICK);
        rig.pump();
        rig.acked.contains(&pkid).then_some(())
    });
    let body = Ok(Bytes::from("{\"b\": 1}"));
    assert_eq!(wanted(&rig).as_deref(), Some(&Desired { number: 4, body }));
}

#[test]
fn a_state_is_taken_back_after_a_day_and_its_id_is_known_for_a_month() {
    let mut rig = Rig::on(ForgetfulDisk::new(), ManualClock::at(NOON));
    rig.start(Limits { ids: 1, ..Limits::USUAL });
    for id in ["old", "new"] {
        rig.ask(id, json!({ "operation": "count" }));
        rig.state(id, "done");
    }
    rig.clock.advance(25 * HOUR);
    until("they are taken back", || {
        rig.pump();
        rig.retained.is_empty().then_some(())
    });
    for (days, runs) in [(28, 2), (3, 3)] {
        rig.clock.advance(days * 24 * HOUR);
        // What is forgotten is forgotten by a turn of its own.
        for _ in 0..2 {
            let pkid = rig.ask("tick", json!("none"));
            rig.acked(pkid);
            rig.acked.clear();
            rig.clock.advance(FORGET_EVERY);
        }
        let pkid = rig.ask("old", json!({ "operation": "count" }));
        rig.acked(pkid);
        rig.acked.clear();
        until("it has run", || (rig.count.runs() == runs).then_some(()));
    }
    // More than one is not known for ever, the newest is.
    let pkid = rig.ask("new", json!({ "operation": "count" }));
    rig.acked(pkid);
    assert_eq!(rig.count.runs(), 3);
}

#[test]
fn a_broker_that_forgot_is_told_all_again_and_one_that_did_not_only_what_is_new() {
    let mut rig = Rig::new();
    for id in ["a", "b"] {
        rig.ask(id, json!({ "operation": "count" }));
        rig.state(id, "done");
    }
    for (resumed, again) in [(true, 0), (false, 2)] {
        rig.post().disconnected();
        rig.told.clear();
        rig.connect(resumed);
        let pkid = rig.ask("c", json!("none"));
        rig.acked(pkid);
        until("it is told", || {
            rig.pump();
            let states = rig.told.iter().filter(|(_, body, _)| body["state"] == "done").count();
            (states == again).then_some(())
        });
    }
}

#[test]
fn results_beyond_their_bytes_are_taken_back_oldest_first() {
    let mut rig = Rig::on(ForgetfulDisk::new(), ManualClock::at(NOON));
    rig.start(Limits { kept_bytes: 250_000, ..Limits::USUAL });
    for id in ["a", "b", "c"] {
        rig.ask(id, json!({ "operation": "count", "arguments": { "bytes": 100_000 } }));
        rig.state(id, "done");
    }
    rig.clock.advance(TICK);
    until("the oldest is taken back", || {
        rig.pump();
        let shown: Vec<&String> = rig.retained.keys().collect();
        (shown == ["command/b/state", "command/c/state"]).then_some(())
    });
}

/// A store with one command, on a disk on which a box ran.
fn with_a_command() -> (ForgetfulDisk, Arc<dyn Disk>) {
    let forgetful = ForgetfulDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(forgetful.clone());
    for folder in [DIR, "/data/ring"] {
        disk.create_dir_all(Path::new(folder)).expect("made");
    }
    let (mut store, _) = Store::open(&disk, Path::new(DIR)).expect("it opens");
    commits(&mut store, "one", 1);
    drop(store);
    let index = Path::new("/data/ring/segments.index");
    crate::disk::write_durably(&*disk, index, b"{}\n").expect("written");
    (forgetful, disk)
}

fn commits(store: &mut Store, id: &str, place: u64) {
    store.commit(&batch_of(id, place)).expect("written");
}

fn batch_of(id: &str, place: u64) -> Batch {
    let asked = letter(&format!("{ROOT}/command/{id}"), r#"{"operation": "resume"}"#);
    let Read::Command(asked) = letter::read(&asked, ROOT, &Limits::USUAL) else {
        panic!("a command")
    };
    let record = Record { place, ..Record::accepted(asked, Now { utc: NOON, is_known: true }) };
    Batch { records: vec![record], ..Batch::default() }
}

fn ids(store: &mut Store) -> Vec<String> {
    let mut ids = Vec::new();
    store.all(|record, _| ids.push(record.id)).expect("read");
    ids
}

#[test]
fn an_inbox_that_was_emptied_or_taken_away_is_told_where_this_box_had_one() {
    let path = Path::new(DIR).join("inbox.redb");
    for emptied in [true, false] {
        let (forgetful, disk) = with_a_command();
        let (mut store, aside) = Store::open(&disk, Path::new(DIR)).expect("it opens");
        assert_eq!(
            (ids(&mut store), aside, forgetful.harms()),
            (vec!["one".to_owned()], None, vec![])
        );
        drop(store);
        if emptied {
            forgetful.replace(&path, b"");
        } else {
            forgetful.lose(&path);
        }
        let (mut store, aside) = Store::open(&disk, Path::new(DIR)).expect("it opens");
        assert_eq!(aside.is_some(), emptied);
        let harms = forgetful.harms();
        assert_eq!(harms.iter().map(|harm| &harm.path).collect::<Vec<_>>(), [&path], "{emptied}");
        commits(&mut store, "two", 1);
    }
}

#[test]
fn commands_are_in_their_place_when_somebody_took_the_file_away_while_it_is_in_use() {
    let (forgetful, disk) = with_a_command();
    let (mut store, _) = Store::open(&disk, Path::new(DIR)).expect("it opens");
    forgetful.lose(&Path::new(DIR).join("inbox.redb"));
    commits(&mut store, "two", 2);
    assert_eq!(forgetful.harms().len(), 1);
    commits(&mut store, "three", 3);
    drop(store);
    let (mut store, aside) = Store::open(&disk, Path::new(DIR)).expect("it opens");
    assert_eq!((ids(&mut store), aside), (["one", "two", "three"].map(str::to_owned).into(), None));
    assert_eq!(forgetful.harms().len(), 1, "told once");
}

#[test]
fn a_disk_that_refuses_the_new_file_costs_no_command_that_is_not_told() {
    let (mut refused, mut kept) = (0, 0);
    for after in 0..40 {
        let (forgetful, disk) = with_a_command();
        let (mut store, _) = Store::open(&disk, Path::new(DIR)).expect("it opens");
        forgetful.lose(&Path::new(DIR).join("inbox.redb"));
        forgetful.fail_syncs_after(forgetful.operations() + after);
        let is_refused = store.commit(&batch_of("two", 2)).is_err();
        forgetful.fail_syncs(false);
        commits(&mut store, "two", 2);
        drop(store);
        let (mut store, _) = Store::open(&disk, Path::new(DIR)).expect("it opens");
        let there = ids(&mut store);
        assert!(there.iter().any(|id| id == "two"), "{after}: {there:?}");
        let has_one = there.iter().any(|id| id == "one");
        assert!(has_one || !forgetful.harms().is_empty(), "{after}: not a word");
        refused += u32::from(is_refused);
        kept += u32::from(is_refused && has_one);
    }
    assert!(refused > 2 && kept > 0, "{refused} refused, {kept} kept all the same");
}

#[test]
fn a_folder_where_the_inbox_belongs_stops_no_start() {
    let dir = tempfile::tempdir().expect("a folder");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    std::fs::create_dir(dir.path().join("inbox.redb")).expect("made");
    let (mut store, aside) = Store::open(&disk, dir.path()).expect("it opens");
    assert!(aside.is_some_and(|aside| aside.is_dir()));
    commits(&mut store, "one", 1);
}

const MAKE: &str = "COURTSIDE_FORMAT_DIR";

/// Makes `tests/data/formats/inbox-1.redb`, when asked to.
#[test]
fn write_an_inbox_of_todays_format() {
    let Some(dir) = std::env::var_os(MAKE) else { return };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let (mut store, _) = Store::open(&disk, Path::new(&dir)).expect("it opens");
    let now = Now { utc: NOON, is_known: true };
    let mut records = Vec::new();
    for (place, id) in (1..).zip(["waits", "runs", "done", "failed", "cleared"]) {
        let asked = letter(&format!("{ROOT}/command/{id}"), r#"{"operation": "resume"}"#);
        let Read::Command(asked) = letter::read(&asked, ROOT, &Limits::USUAL) else {
            panic!("a command")
        };
        let mut record = Record { place, ..Record::accepted(asked, now) };
        if id != "waits" {
            record.begins(now);
        }
        match id {
            "done" => record.ends(Ok(json!({ "runs": 1 })), now),
            "failed" | "cleared" => record.ends(Err(Failed::new("why", "so")), now),
            _ => {}
        }
        if id == "cleared" {
            record.clears();
            record.untold = false;
        }
        records.push(record);
    }
    let batch = Batch { records, desired: Some((7, b"{}".to_vec())), ..Batch::default() };
    store.commit(&batch).expect("written");
}

fn kept(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats").join(name);
    std::fs::read(path).expect("kept")
}

/// Puts a file where the store is.
fn put(disk: &ForgetfulDisk, bytes: &[u8]) {
    let path = Path::new(DIR);
    disk.create_dir_all(path).expect("made");
    let file = disk.open(&path.join("inbox.redb"), crate::disk::OpenHow::CreateNew).expect("made");
    file.write_at(0, bytes).expect("written");
    file.sync_data().expect("synced");
    disk.sync_dir(path).expect("synced");
}

#[test]
fn an_inbox_of_every_format_is_read_and_goes_on() {
    let mut rig = Rig::on(ForgetfulDisk::new(), ManualClock::at(NOON));
    put(&rig.disk, &kept("inbox-1.redb"));
    rig.start(Limits::USUAL);
    let desired = rig.inbox.as_ref().expect("it runs").desired().borrow().clone();
    assert_eq!(desired.map(|desired| desired.number), Some(7));
    rig.state("waits", "done");
    assert_eq!(rig.state("runs", "done")["cuts"], 1);
    rig.state("done", "done");
    rig.state("failed", "failed");
    assert_eq!(rig.resume.runs(), 2);
    let pkid = rig.ask("cleared", json!({ "operation": "resume" }));
    rig.acked(pkid);
    assert_eq!(rig.resume.runs(), 2, "known");
}

#[test]
fn an_inbox_of_a_newer_format_and_a_damaged_one_are_put_aside_untouched() {
    let newer = {
        let disk = ForgetfulDisk::new();
        put(&disk, &kept("inbox-1.redb"));
        let path = Path::new(DIR).join("inbox.redb");
        let file = OnDisk::open(&disk, &path).expect("there");
        let database = redb::Database::builder().create_with_backend(file).expect("opens");
        let write = database.begin_write().expect("writes");
        {
            let table = redb::TableDefinition::<&str, u64>::new("counts");
            let mut counts = write.open_table(table).expect("there");
            counts.insert("format", 9).expect("written");
            counts.insert("oldest_reader", 9).expect("written");
        }
        write.commit().expect("written");
        drop(database);
        let file = disk.open(&path, crate::disk::OpenHow::Read).expect("there");
        let mut bytes = vec![0; usize::try_from(file.len().expect("known")).expect("small")];
        file.read_exact_at(0, &mut bytes).expect("read");
        bytes
    };
    for (bytes, name) in
        [(newer, "inbox.redb.newer-9"), (b"no store".to_vec(), "inbox.redb.damaged-1970-01-01-1")]
    {
        let mut rig = Rig::on(ForgetfulDisk::new(), ManualClock::at(NOON));
        put(&rig.disk, &bytes);
        rig.start(Limits::USUAL);
        rig.ask("one", json!({ "operation": "count" }));
        rig.state("one", "done");
        let names = rig.disk.names(Path::new(DIR)).expect("listed");
        assert!(names.iter().any(|found| found == name), "{names:?}");
    }
}

#[test]
fn whatever_becomes_of_its_file_an_inbox_takes_commands() {
    let whole = kept("inbox-1.redb");
    let in_use = |page: &usize| whole[page * 4096..(page + 1) * 4096].iter().any(|byte| *byte != 0);
    let pages: Vec<usize> = (0..whole.len() / 4096).filter(in_use).collect();
    let mut put_aside = 0;
    for page in &pages {
        for turn in [0u8, 0x5a] {
            let mut rig = Rig::on(ForgetfulDisk::new(), ManualClock::at(NOON));
            let mut bytes = whole.clone();
            for byte in &mut bytes[page * 4096..(page + 1) * 4096] {
                *byte = if turn == 0 { 0 } else { *byte ^ turn };
            }
            put(&rig.disk, &bytes);
            rig.start(Limits::USUAL);
            rig.ask("one", json!({ "operation": "count" }));
            rig.state("one", "done");
            let names = rig.disk.names(Path::new(DIR)).expect("listed");
            put_aside += u32::from(names.iter().any(|found| found.contains(".damaged-")));
        }
    }
    assert!(pages.len() > 4 && put_aside > 4, "{put_aside} put aside, {} pages", pages.len());
}
