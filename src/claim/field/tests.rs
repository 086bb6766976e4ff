//! Claims as they go in the field: power cuts at any operation of the disk, links that break at any
//! message, a technician's laptop that goes down too; one box after another, a thousand of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::papers::{VERSION, json, read};
use super::*;
use crate::config::Broker;
use crate::disk::{Disk, ForgetfulDisk, read_whole, write_durably};
use crate::media::{BoxName, Foreign, Monotonic, UtcTime};

const DATA: &str = "/data";
pub(super) const LASTS: Duration = Duration::from_secs(365 * 24 * 3600);
/// 2026-12-01.
pub(super) const TODAY: UtcTime = UtcTime::from_nanos(1_796_083_200_000_000_000);
/// A claim takes some thirty steps; with a cut or a break at every other one it still ends.
pub(super) const MOST_STEPS: u32 = 20_000;

/// SplitMix64 (public domain): the same seed gives the same field.
pub(super) struct Chance(pub u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn one_in(&mut self, n: u64) -> bool {
        n > 0 && self.below(n) == 0
    }
}

pub(super) fn contact(ca: &str, digest: &str) -> Contact {
    Contact {
        broker: Broker::parse("mqtts://laptop.local").expect("an address"),
        ca: Some(Roots(ca.to_owned())),
        username: None,
        password: None,
        client: Some(("the claim's certificate".to_owned(), Hidden::new("the claim's key"))),
        made: None,
        digest: digest.to_owned(),
        own: None,
    }
}

pub(super) fn serial(n: usize) -> Serial {
    Serial::new(&format!("CS-{n:05}")).expect("a serial number")
}

/// The technician's side: an authority, and a record a box on a disk that forgets.
pub(super) struct Desk {
    pub authority: Authority,
    pub disk: ForgetfulDisk,
    pub signed: u32,
    pub again: bool,
}

impl Desk {
    pub(super) fn new() -> Self {
        let made = Authority::make("a venue", TODAY).expect("made");
        let authority = Authority::load(&made.certificate, made.key.expose()).expect("loaded");
        let disk = ForgetfulDisk::new();
        disk.create_dir_all(Path::new("/desk")).expect("made");
        Self { authority, disk, signed: 0, again: false }
    }

    fn records(&self) -> BTreeMap<Serial, Granted> {
        let names = self.disk.names(Path::new("/desk")).expect("listed");
        let names = names.into_iter().filter(|name| name.ends_with(".json"));
        let read = |name: String| {
            let bytes = read_whole(&self.disk, &Path::new("/desk").join(name), 1 << 20);
            read::<Granted>(&bytes.expect("read")).expect("whole")
        };
        names.map(read).map(|granted| (granted.serial.clone(), granted)).collect()
    }

    pub(super) fn record(&self, serial: &Serial) -> Option<Granted> {
        let path = Path::new("/desk").join(format!("{serial}.json"));
        read(&read_whole(&self.disk, &path, 1 << 20).ok()?).ok()
    }

    pub(super) fn keep(&self, granted: &Granted) -> bool {
        let path = Path::new("/desk").join(format!("{}.json", granted.serial));
        write_durably(&self.disk, &path, &json(granted)).is_ok()
    }

    /// Takes a message; what it answers, and where. `None`: nothing, or the laptop went down.
    fn hears(&mut self, topic: &str, payload: &[u8]) -> Option<Vec<u8>> {
        if let Ok(request) = read::<Request>(payload) {
            let known = self.record(&request.serial);
            let own = topic.strip_prefix("courtside/1/").and_then(|rest| rest.split_once('/'));
            let own = own.map(|(name, _)| BoxName::new(name).expect("a name"));
            let own = own.filter(|name| name.as_str() != "claim");
            let name = BoxName::new(&request.serial.as_str().to_ascii_lowercase()).expect("fits");
            let policy = Policy { approved: Some(name), again: self.again };
            let name = match decide(&request, known.as_ref(), None, own.as_ref(), &policy) {
                Decision::Again(answer) | Decision::Refuse(answer) => return Some(json(&*answer)),
                Decision::Ask => return None,
                Decision::Issue(name) => name,
            };
            let chain = self.authority.sign_box(&request.csr, &name, TODAY, LASTS).expect("signed");
            let grant = Grant { chain: Some(chain), ..Grant::to(name.clone()) };
            let answer = Answer {
                v: VERSION,
                request: request.request,
                nonce: request.nonce,
                verdict: Verdict::Grant(Box::new(grant)),
            };
            let granted = Granted {
                serial: request.serial,
                name,
                request: request.request,
                nonce: request.nonce,
                answer: answer.clone(),
                committed: false,
                void: false,
                granted_at: 0,
            };
            self.signed += 1;
            return self.keep(&granted).then(|| json(&answer));
        }
        let report: Report = read(payload).expect("a request or a report");
        let mut known = self.record(&report.serial)?;
        if topic.ends_with("/trial") || !known.hears(&report) {
            return None;
        }
        self.keep(&known);
        None
    }
}

/// How bad the field is: one in so many.
#[derive(Clone, Copy)]
pub(super) struct Field {
    power_cut: u64,
    link_break: u64,
    repeat: u64,
    desk_cut: u64,
}

pub(super) const CALM: Field = Field { power_cut: 0, link_break: 0, repeat: 0, desk_cut: 0 };
const ROUGH: Field = Field { power_cut: 12, link_break: 10, repeat: 5, desk_cut: 40 };

/// A box on a disk that forgets, and the stick in it.
pub(super) struct Tried {
    pub disk: ForgetfulDisk,
    pub stick: Contact,
    pub serial: Serial,
    pub now: Monotonic,
    pub store: Store,
    pub machine: Machine,
    pub queue: VecDeque<Vec<u8>>,
    pub kinds: Vec<&'static str>,
    pub cuts: u32,
    pub renew: bool,
    pub damaged: usize,
}

impl Tried {
    pub(super) fn new(disk: ForgetfulDisk, serial: Serial, stick: Contact) -> Self {
        let (store, held) = Store::open(Arc::new(disk.clone()), Path::new(DATA)).expect("opened");
        let damaged = held.damaged.len();
        let machine = Machine::new(serial.clone(), "1.0", held, Limits::default());
        let now = Monotonic::from_nanos(0);
        let (queue, kinds) = (VecDeque::new(), Vec::new());
        Self {
            disk,
            stick,
            serial,
            now,
            store,
            machine,
            queue,
            kinds,
            cuts: 0,
            renew: false,
            damaged,
        }
    }

    /// Begins anew on what a power cut leaves.
    fn cut(&mut self, seed: u64) {
        let disk = self.disk.power_cut(seed);
        let begun = Self::new(disk, self.serial.clone(), self.stick.clone());
        let kinds = std::mem::take(&mut self.kinds);
        let (cuts, renew) = (self.cuts + 1, self.renew);
        *self = Self { kinds, cuts, renew, damaged: self.damaged + begun.damaged, ..begun };
    }

    pub(super) fn seen(&mut self, seen: Seen) {
        self.machine.seen(self.now, TODAY, seen);
    }

    fn kept(&mut self, want: Want, done: Result<(), StoreError>) {
        match done {
            Ok(()) => self.seen(Seen::Done(Box::new(want))),
            Err(error) => self.seen(Seen::Failed(Foreign::error(&error))),
        }
    }

    /// One step. `None` once nothing is left to do.
    pub(super) fn step(
        &mut self,
        desk: &mut Desk,
        field: Field,
        chance: &mut Chance,
    ) -> Option<()> {
        let lost = || Seen::Lost(Foreign::text("the link broke"));
        if chance.one_in(field.power_cut) {
            if chance.one_in(3) {
                self.cut(chance.below(1 << 40));
            } else {
                self.disk.stop_after(self.disk.operations() + chance.below(6));
            }
        }
        let want = self.machine.want(self.now);
        self.kinds.push(kind(&want));
        match want.clone() {
            Want::Rest if self.renew => {
                self.renew = false;
                self.seen(Seen::Renew);
            }
            Want::Rest if self.machine.identity().is_some() => return None,
            Want::Rest => {
                let stick = Box::new(self.stick.clone());
                self.seen(Seen::Contact(stick));
                if self.machine.want(self.now) == Want::Rest {
                    return None;
                }
            }
            Want::Wait(until) => match self.queue.pop_front() {
                Some(answer) => self.seen(Seen::Answer(answer)),
                None if chance.one_in(field.link_break) => self.seen(lost()),
                None => {
                    self.now = self.now.max(until);
                    self.seen(Seen::Time);
                }
            },
            Want::Keys => {
                let keys = Keys::make(&self.serial).expect("keys");
                self.seen(Seen::Keys(Box::new(keys)));
            }
            Want::Keep(attempt) => {
                let done = self.store.keep(&attempt);
                self.kept(want, done);
            }
            Want::Commit => {
                let done = self.store.commit();
                self.kept(want, done);
            }
            Want::Told(request) => {
                let done = self.store.told(request);
                self.kept(want, done);
            }
            Want::Connect(_) if chance.one_in(field.link_break) => self.seen(lost()),
            Want::Connect(_) => {
                // What a session did not fetch is gone: it expires with the connection.
                self.queue.clear();
                self.seen(Seen::Greeted);
            }
            Want::Listen(_) | Want::HangUp => self.seen(Seen::Done(Box::new(want))),
            Want::Publish { topic, payload } => {
                if chance.one_in(field.desk_cut) {
                    desk.disk.stop_after(desk.disk.operations() + chance.below(4));
                }
                let heard = !chance.one_in(field.link_break);
                for _ in 0..u8::from(heard) + u8::from(chance.one_in(field.repeat)) {
                    self.queue.extend(desk.hears(&topic, &payload));
                    if desk.disk.is_stopped() {
                        desk.disk = desk.disk.power_cut(chance.below(1 << 40));
                    }
                }
                let acknowledged = heard && !chance.one_in(field.link_break);
                self.seen(if acknowledged { Seen::Done(Box::new(want)) } else { lost() });
            }
        }
        if self.disk.is_stopped() {
            self.cut(chance.below(1 << 40));
        }
        Some(())
    }

    /// True if it came to an end.
    pub(super) fn run(&mut self, desk: &mut Desk, field: Field, chance: &mut Chance) -> bool {
        (0..MOST_STEPS).any(|_| self.step(desk, field, chance).is_none())
    }

    pub(super) fn on_disk(&self) -> Held {
        Store::open(Arc::new(self.disk.clone()), Path::new(DATA)).expect("opened").1
    }
}

fn kind(want: &Want) -> &'static str {
    match want {
        Want::Rest => "rest",
        Want::Wait(_) => "wait",
        Want::Keys => "keys",
        Want::Keep(_) => "keep",
        Want::Connect(_) => "connect",
        Want::Listen(_) => "listen",
        Want::Publish { topic, .. } => topic.rsplit('/').next().map_or("", |last| match last {
            "req" => "ask",
            "trial" => "trial",
            _ => "committed",
        }),
        Want::HangUp => "hang up",
        Want::Commit => "commit",
        Want::Told(_) => "told",
    }
}

/// What is wrong with a field after all boxes came to an end.
pub(super) fn wrongs(desk: &Desk, boxes: &[(Tried, bool)]) -> Vec<String> {
    let records = desk.records();
    let mut wrong = Vec::new();
    let names: BTreeSet<&BoxName> = records.values().map(|granted| &granted.name).collect();
    if names.len() != records.len() || records.len() != boxes.len() {
        wrong.push(format!(
            "{} names, {} records, {} boxes",
            names.len(),
            records.len(),
            boxes.len()
        ));
    }
    for (tried, ended) in boxes {
        let held = tried.on_disk();
        let current = held.current.as_ref();
        let record = records.get(&tried.serial);
        let same = match (current, record) {
            (Some(current), Some(record)) => {
                let answer = Verdict::Grant(Box::new(current.grant.clone().expect("granted")));
                current.request == record.request && record.answer.verdict == answer
            }
            _ => false,
        };
        if !same || !held.told || !record.is_some_and(|it| it.committed) || !ended {
            wrong.push(format!(
                "{}: ended {ended}, {:?}, {:?}",
                tried.serial,
                tried.machine.shown().trouble,
                current.map(|it| it.request)
            ));
        }
        if tried.damaged > 0 {
            wrong.push(format!("{}: {} half files", tried.serial, tried.damaged));
        }
    }
    wrong
}

fn fleet(of: usize, field: Field, seed: u64, keeps_its_word: bool) -> (Desk, Vec<(Tried, bool)>) {
    let mut desk = Desk::new();
    let mut chance = Chance(seed);
    let stick = contact(desk.authority.certificate(), "stick-1");
    let mut boxes = Vec::new();
    for n in 1..=of {
        let disk = ForgetfulDisk::new();
        disk.ignore_syncs(!keeps_its_word);
        let mut tried = Tried::new(disk, serial(n), stick.clone());
        // A disk that comes back from a cut keeps its word again; here it does not.
        let mut ended = false;
        for _ in 0..MOST_STEPS {
            tried.disk.ignore_syncs(!keeps_its_word);
            ended = tried.step(&mut desk, field, &mut chance).is_none();
            if ended || (!keeps_its_word && tried.cuts > 40) {
                break;
            }
        }
        boxes.push((tried, ended));
    }
    // A laptop that was down when a box told of its commit finds what the box's uplink retains.
    for name in boxes.iter().filter_map(|(tried, _)| tried.machine.identity()) {
        let record = desk.record(&name.serial).filter(|record| record.request == name.request);
        if let Some(mut record) = record
            && record.is_seen()
        {
            assert!(desk.keep(&record));
        }
    }
    (desk, boxes)
}

#[test]
fn a_thousand_boxes_with_cuts_and_none_is_lost_or_doubled() {
    let (desk, boxes) = fleet(1000, ROUGH, 18, true);
    let wrong = wrongs(&desk, &boxes);
    assert!(wrong.is_empty(), "seed 18: {wrong:#?}");
    let cuts: u32 = boxes.iter().map(|(tried, _)| tried.cuts).sum();
    assert!(cuts > 1000, "only {cuts} cuts");
}

#[test]
fn on_disks_that_keep_nothing_boxes_are_lost() {
    let (desk, boxes) = fleet(60, ROUGH, 18, false);
    assert!(!wrongs(&desk, &boxes).is_empty(), "the syncs make no difference");
}

#[test]
fn the_second_and_the_thousandth_claim_are_alike() {
    let (desk, boxes) = fleet(1000, CALM, 1, true);
    assert!(wrongs(&desk, &boxes).is_empty());
    let expected = [
        "rest",
        "keys",
        "keep",
        "connect",
        "listen",
        "keep",
        "ask",
        "wait",
        "keep",
        "hang up",
        "connect",
        "trial",
        "commit",
        "committed",
        "told",
        "hang up",
        "rest",
    ];
    for n in [2, 1000] {
        assert_eq!(boxes[n - 1].0.kinds, expected, "box {n}");
    }
    assert_eq!(desk.signed, 1000);
}
