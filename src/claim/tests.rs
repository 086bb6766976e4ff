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
const LASTS: Duration = Duration::from_secs(365 * 24 * 3600);
/// 2026-12-01.
const TODAY: UtcTime = UtcTime::from_nanos(1_796_083_200_000_000_000);
/// A claim takes some thirty steps; with a cut or a break at every other one it still ends.
const MOST_STEPS: u32 = 20_000;

/// SplitMix64 (public domain): the same seed gives the same field.
struct Chance(u64);

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

fn contact(ca: &str, digest: &str) -> Contact {
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

fn serial(n: usize) -> Serial {
    Serial::new(&format!("CS-{n:05}")).expect("a serial number")
}

/// The technician's side: an authority, and a record a box on a disk that forgets.
struct Desk {
    authority: Authority,
    disk: ForgetfulDisk,
    signed: u32,
    again: bool,
}

impl Desk {
    fn new() -> Self {
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

    fn record(&self, serial: &Serial) -> Option<Granted> {
        let path = Path::new("/desk").join(format!("{serial}.json"));
        read(&read_whole(&self.disk, &path, 1 << 20).ok()?).ok()
    }

    fn keep(&self, granted: &Granted) -> bool {
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
            let grant = Grant {
                name: name.clone(),
                chain: Some(chain),
                broker: None,
                ca: None,
                username: None,
                password: None,
            };
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
struct Field {
    power_cut: u64,
    link_break: u64,
    repeat: u64,
    desk_cut: u64,
}

const CALM: Field = Field { power_cut: 0, link_break: 0, repeat: 0, desk_cut: 0 };
const ROUGH: Field = Field { power_cut: 12, link_break: 10, repeat: 5, desk_cut: 40 };

/// A box on a disk that forgets, and the stick in it.
struct Tried {
    disk: ForgetfulDisk,
    stick: Contact,
    serial: Serial,
    now: Monotonic,
    store: Store,
    machine: Machine,
    queue: VecDeque<Vec<u8>>,
    kinds: Vec<&'static str>,
    cuts: u32,
    renew: bool,
    damaged: usize,
}

impl Tried {
    fn new(disk: ForgetfulDisk, serial: Serial, stick: Contact) -> Self {
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

    fn seen(&mut self, seen: Seen) {
        self.machine.seen(self.now, TODAY, seen);
    }

    fn kept(&mut self, want: Want, done: Result<(), StoreError>) {
        match done {
            Ok(()) => self.seen(Seen::Done(Box::new(want))),
            Err(error) => self.seen(Seen::Failed(Foreign::error(&error))),
        }
    }

    /// One step. `None` once nothing is left to do.
    fn step(&mut self, desk: &mut Desk, field: Field, chance: &mut Chance) -> Option<()> {
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
    fn run(&mut self, desk: &mut Desk, field: Field, chance: &mut Chance) -> bool {
        (0..MOST_STEPS).any(|_| self.step(desk, field, chance).is_none())
    }

    fn on_disk(&self) -> Held {
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
fn wrongs(desk: &Desk, boxes: &[(Tried, bool)]) -> Vec<String> {
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

/// Cuts a claim at operation `at` of its disk, and looks at what the start after it finds.
fn cut_at(
    at: u64,
    seed: u64,
    old: Option<&Tried>,
    desk: &mut Desk,
    syncs: bool,
) -> (bool, Held, Tried) {
    let stick = contact(desk.authority.certificate(), "stick-1");
    let disk = old.map_or_else(ForgetfulDisk::new, |old| old.disk.power_cut(0));
    disk.ignore_syncs(!syncs);
    let mut tried = Tried::new(disk.clone(), serial(7), stick);
    tried.renew = old.is_some();
    disk.stop_after(disk.operations() + at);
    let mut chance = Chance(seed);
    for _ in 0..MOST_STEPS {
        if disk.is_stopped() || tried.step(desk, CALM, &mut chance).is_none() {
            break;
        }
    }
    let cut = tried.cuts > 0;
    let held = tried.on_disk();
    (cut, held, tried)
}

fn whole(held: &Held) -> bool {
    let good = |attempt: &Attempt| {
        let grant = attempt.grant.clone().map(Box::new).expect("what is current was granted");
        let answer = Answer {
            v: VERSION,
            request: attempt.request,
            nonce: attempt.nonce,
            verdict: Verdict::Grant(grant),
        };
        matches!(judge::judge(&json(&answer), attempt, TODAY), judge::Judged::Granted(_))
    };
    held.damaged.is_empty() && held.current.as_ref().is_none_or(good)
}

#[test]
fn a_cut_at_every_write_sync_and_rename_leaves_the_old_or_the_new_identity() {
    for with_old in [false, true] {
        let mut first = Desk::new();
        let old = with_old.then(|| {
            let (_, _, mut tried) = cut_at(u64::MAX / 2, 0, None, &mut first, true);
            assert!(tried.run(&mut first, CALM, &mut Chance(0)));
            tried
        });
        let was = old.as_ref().map(|old| old.on_disk().current.expect("somebody").request);
        let (mut cuts, mut seen_new) = (0, false);
        for at in 0.. {
            let mut went_on = false;
            for seed in 0..6 {
                // The technician's side as it was, and a copy of it for each try.
                let mut desk = Desk { disk: first.disk.power_cut(0), ..Desk::new() };
                std::mem::swap(&mut desk.authority, &mut first.authority);
                let (cut, held, mut tried) = cut_at(at, seed, old.as_ref(), &mut desk, true);
                assert!(whole(&held), "operation {at}, seed {seed}: {:?}", held.damaged);
                let request = held.current.as_ref().map(|it| it.request);
                seen_new |= cut && request != was;
                if cut && request == was && was.is_none() {
                    assert!(tried.machine.identity().is_none());
                }
                // A rotation that was lost before it was kept is asked for again by a person.
                assert!(
                    tried.run(&mut desk, CALM, &mut Chance(seed)),
                    "operation {at}, seed {seed}"
                );
                let wrong = wrongs(&desk, &[(tried, true)]);
                assert!(wrong.is_empty(), "operation {at}, seed {seed}: {wrong:?}");
                went_on |= cut;
                cuts += u32::from(cut);
                std::mem::swap(&mut desk.authority, &mut first.authority);
            }
            if !went_on {
                break;
            }
        }
        assert!(cuts > 60 && seen_new, "{cuts} cuts, with an old identity: {with_old}");
    }
}

#[test]
fn on_a_disk_that_keeps_nothing_a_cut_leaves_half() {
    let mut desk = Desk { again: true, ..Desk::new() };
    let half = |(at, seed)| {
        let (cut, held, tried) = cut_at(at, seed, None, &mut desk, false);
        cut && (tried.damaged > 0 || !whole(&held))
    };
    assert!((5..40).flat_map(|at| (0..6).map(move |seed| (at, seed))).any(half));
}

/// A box that has asked, and its next request.
fn asked(desk: &Desk) -> (Tried, Request) {
    let stick = contact(desk.authority.certificate(), "stick-1");
    let mut tried = Tried::new(ForgetfulDisk::new(), serial(3), stick);
    let mut nobody = Desk::new();
    loop {
        if let Want::Publish { payload, .. } = tried.machine.want(tried.now) {
            let request = read(&payload).expect("a request");
            let want = tried.machine.want(tried.now);
            tried.seen(Seen::Done(Box::new(want)));
            return (tried, request);
        }
        tried.step(&mut nobody, CALM, &mut Chance(0)).expect("goes on");
    }
}

fn answer(request: &Request, name: &str, chain: String) -> Answer {
    let grant = Grant {
        name: BoxName::new(name).expect("a name"),
        chain: Some(chain),
        broker: None,
        ca: None,
        username: None,
        password: None,
    };
    Answer {
        v: VERSION,
        request: request.request,
        nonce: request.nonce,
        verdict: Verdict::Grant(Box::new(grant)),
    }
}

fn code(tried: &Tried) -> Option<Code> {
    tried.machine.shown().trouble.map(|trouble| trouble.code)
}

#[test]
fn a_grant_that_is_not_for_this_box_is_refused_with_its_code() {
    let desk = Desk::new();
    let sign = |request: &Request, name: &str, now: UtcTime| {
        let name = BoxName::new(name).expect("a name");
        desk.authority.sign_box(&request.csr, &name, now, LASTS).expect("signed")
    };
    let others = Keys::make(&serial(4)).expect("keys");
    let later = UtcTime::from_nanos(TODAY.as_nanos() + 400 * 24 * 3_600_000_000_000);
    let other_root = Desk::new();
    let table: Vec<(Code, Answer, Tried)> = {
        let mut rows = Vec::new();
        let mut row = |expected, make: &dyn Fn(&Request) -> Answer| {
            let (tried, request) = asked(&desk);
            rows.push((expected, make(&request), tried));
        };
        row(Code::ENonce, &|request| {
            let nonce = others.nonce;
            Answer { nonce, ..answer(request, "rim-1", sign(request, "rim-1", TODAY)) }
        });
        row(Code::ECertMismatch, &|request| {
            let name = BoxName::new("rim-1").expect("a name");
            let chain = desk.authority.sign_box(&others.csr, &name, TODAY, LASTS).expect("signed");
            answer(request, "rim-1", chain)
        });
        row(Code::EChain, &|request| {
            let name = BoxName::new("rim-1").expect("a name");
            let authority = &other_root.authority;
            answer(
                request,
                "rim-1",
                authority.sign_box(&request.csr, &name, TODAY, LASTS).expect("signed"),
            )
        });
        row(Code::EClock, &|request| answer(request, "rim-1", sign(request, "rim-1", later)));
        row(Code::EName, &|request| answer(request, "rim-1", sign(request, "rim-2", TODAY)));
        row(Code::EName, &|request| answer(request, "claim", sign(request, "claim", TODAY)));
        row(Code::EAnswer, &|request| answer(request, "rim-1", "no certificate".to_owned()));
        rows
    };
    for (expected, answer, mut tried) in table {
        assert_eq!(code(&tried), Some(Code::ENoAnswer), "it was asked");
        tried.seen(Seen::Answer(json(&answer)));
        assert_eq!(code(&tried), Some(expected));
        assert_ne!(tried.machine.stage(), Stage::Issued, "{expected}");
        assert!(tried.on_disk().next.expect("asked").grant.is_none(), "{expected}");
    }
    let (mut tried, request) = asked(&desk);
    tried.seen(Seen::Answer(vec![b'x'; 1 << 20]));
    assert_eq!(code(&tried), Some(Code::EAnswer), "a megabyte");
    // Negative control: the good one is taken.
    tried.seen(Seen::Answer(json(&answer(&request, "rim-1", sign(&request, "rim-1", TODAY)))));
    assert!(matches!(tried.machine.want(tried.now), Want::Keep(_)));
}

#[test]
fn a_certificate_of_another_key_is_told_and_another_key_is_made() {
    let mut desk = Desk::new();
    let (mut tried, request) = asked(&desk);
    let others = Keys::make(&serial(4)).expect("keys");
    let name = BoxName::new("rim-1").expect("a name");
    let chain = desk.authority.sign_box(&others.csr, &name, TODAY, LASTS).expect("signed");
    let wrong = answer(&request, "rim-1", chain);
    let granted = Granted {
        serial: request.serial.clone(),
        name,
        request: request.request,
        nonce: request.nonce,
        answer: wrong.clone(),
        committed: false,
        void: false,
        granted_at: 0,
    };
    assert!(desk.keep(&granted));
    tried.seen(Seen::Answer(json(&wrong)));
    assert!(tried.run(&mut desk, CALM, &mut Chance(0)));
    let record = desk.record(&tried.serial).expect("granted");
    assert_ne!(record.request, request.request, "another attempt");
    assert!(wrongs(&desk, &[(tried, true)]).is_empty());
}

#[test]
fn refusals_of_the_technicians_side_wait_and_say_what_to_do() {
    let desk = Desk::new();
    for (code_given, after_s, waits) in [
        (Code::EUnknownSerial, None, 60),
        (Code::EAlreadyClaimed, None, 60),
        (Code::ENotApproved, Some(10), 10),
        (Code::ERate, Some(300), 300),
        (Code::ENameTaken, None, 60),
    ] {
        let (mut tried, request) = asked(&desk);
        let trouble = Trouble::new(code_given, "no");
        tried.seen(Seen::Answer(json(&grants::refusal(&request, trouble, after_s))));
        assert_eq!(code(&tried), Some(code_given));
        let until = tried.now.plus(Duration::from_secs(waits));
        assert_eq!(tried.machine.want(tried.now), Want::Wait(until), "{code_given}");
        tried.now = until;
        let Want::Publish { payload, .. } = tried.machine.want(tried.now) else {
            panic!("{code_given}: asks again");
        };
        assert_eq!(read::<Request>(&payload).expect("a request"), request, "the same request");
        let told = tried.machine.shown().trouble.expect("told").to_string();
        assert!(told.contains(code_given.advice()) && told.starts_with("E_"), "{told}");
    }
}

#[test]
fn a_request_is_the_same_bytes_after_thirty_seconds() {
    let (mut tried, request) = asked(&Desk::new());
    let until = tried.now.plus(Duration::from_secs(30));
    assert_eq!(tried.machine.want(tried.now), Want::Wait(until));
    tried.now = until;
    let Want::Publish { topic, payload } = tried.machine.want(tried.now) else { panic!("asks") };
    assert_eq!(topic, "courtside/1/claim/CS-00003/req");
    assert_eq!(payload, json(&request));
}

#[test]
fn a_refused_credential_is_shown_at_most_once_a_minute() {
    let stick = contact("root", "stick-1");
    let mut tried = Tried::new(ForgetfulDisk::new(), serial(3), stick);
    let mut nobody = Desk::new();
    let mut tries = 0;
    let hour = Monotonic::from_nanos(0).plus(Duration::from_secs(3600));
    while tried.now < hour {
        if let Want::Connect(_) = tried.machine.want(tried.now) {
            tries += 1;
            tried.seen(Seen::Denied(Foreign::text("not authorized")));
            assert_eq!(code(&tried), Some(Code::EClaimAuth));
        } else {
            tried.step(&mut nobody, CALM, &mut Chance(0)).expect("goes on");
        }
    }
    assert!((59..=61).contains(&tries), "{tries} tries in an hour");
}

#[test]
fn an_identity_that_its_broker_refuses_changes_nothing_and_is_told() {
    let mut desk = Desk::new();
    let stick = contact(desk.authority.certificate(), "stick-1");
    let mut tried = Tried::new(ForgetfulDisk::new(), serial(3), stick);
    assert!(tried.run(&mut desk, CALM, &mut Chance(0)));
    let before = tried.machine.identity();
    tried.renew = true;
    let (mut refusals, mut reported) = (0, false);
    while !reported {
        match tried.machine.want(tried.now) {
            Want::Connect(login) if login.client_id.ends_with("-claim") => {
                assert_eq!(tried.machine.stage(), Stage::Issued);
                refusals += 1;
                tried.seen(Seen::Denied(Foreign::text("not authorized")));
            }
            Want::Publish { topic, payload }
                if read::<Report>(&payload).is_ok_and(|it| it.trouble.is_some()) =>
            {
                assert_eq!(topic, "courtside/1/cs-00003/claim/req", "as the one that it is");
                reported = true;
            }
            _ => {
                tried.step(&mut desk, CALM, &mut Chance(0)).expect("goes on");
            }
        }
        assert_eq!(tried.machine.identity(), before);
    }
    assert_eq!((refusals, code(&tried)), (5, Some(Code::EIdentityRefused)));
    assert!(tried.run(&mut desk, CALM, &mut Chance(0)), "and goes on once it is taken");
    assert_ne!(tried.machine.identity(), before);
}

#[test]
fn a_claim_file_of_another_owner_changes_nothing() {
    let mut desk = Desk::new();
    let stick = contact(desk.authority.certificate(), "stick-1");
    let mut tried = Tried::new(ForgetfulDisk::new(), serial(3), stick);
    assert!(tried.run(&mut desk, CALM, &mut Chance(0)));
    let foreign = contact(Desk::new().authority.certificate(), "stick-2");
    tried.seen(Seen::Contact(Box::new(foreign)));
    assert_eq!(
        (tried.machine.want(tried.now), code(&tried)),
        (Want::Rest, Some(Code::EOtherOwner))
    );
    // Its own owner's does: it asks anew, and stays who it is meanwhile.
    let again = contact(desk.authority.certificate(), "stick-3");
    tried.seen(Seen::Contact(Box::new(again)));
    assert_eq!(tried.machine.want(tried.now), Want::Keys);
    assert!(tried.machine.identity().is_some());
}

#[test]
fn another_claim_file_on_the_way_asks_for_the_same() {
    let desk = Desk::new();
    let (mut tried, request) = asked(&desk);
    let mut other = contact(desk.authority.certificate(), "stick-2");
    other.broker = Broker::parse("mqtts://elsewhere").expect("an address");
    tried.seen(Seen::Contact(Box::new(other)));
    let mut nobody = Desk::new();
    loop {
        match tried.machine.want(tried.now) {
            Want::Connect(login) => assert_eq!(login.broker.host, "elsewhere"),
            Want::Publish { payload, .. } => {
                assert_eq!(read::<Request>(&payload).expect("a request"), request);
                return;
            }
            _ => {}
        }
        tried.step(&mut nobody, CALM, &mut Chance(0)).expect("goes on");
    }
}

#[test]
fn a_disk_that_says_no_is_told_and_nothing_is_sent() {
    let desk = Desk::new();
    let stick = contact(desk.authority.certificate(), "stick-1");
    let mut tried = Tried::new(ForgetfulDisk::new(), serial(3), stick);
    tried.disk.fail_syncs(true);
    let mut nobody = Desk::new();
    for _ in 0..20 {
        tried.step(&mut nobody, CALM, &mut Chance(0)).expect("goes on");
    }
    assert_eq!((code(&tried), tried.machine.stage()), (Some(Code::EStore), Stage::Factory));
    assert!(!tried.kinds.contains(&"connect"), "{:?}", tried.kinds);
    tried.disk.fail_syncs(false);
    let mut desk = desk;
    assert!(tried.run(&mut desk, CALM, &mut Chance(0)));
}

#[test]
fn who_gets_which_name() {
    let request = |n: usize| {
        let Keys { request, nonce, csr, .. } = Keys::make(&serial(n)).expect("keys");
        Request { v: VERSION, request, nonce, serial: serial(n), csr, version: "1.0".to_owned() }
    };
    let name = BoxName::new("rim-1").expect("a name");
    let policy = Policy { approved: Some(name.clone()), again: false };
    let refused = |decision: Decision| match decision {
        Decision::Refuse(answer) => match answer.verdict {
            Verdict::Refused { trouble, .. } => Some(trouble.code),
            Verdict::Grant(_) => None,
        },
        _ => None,
    };
    let first = request(1);
    assert_eq!(decide(&first, None, None, None, &Policy::default()), Decision::Ask);
    assert_eq!(decide(&first, None, None, None, &policy), Decision::Issue(name.clone()));
    let (other, taken) = (request(2), decide(&request(2), None, Some(&serial(1)), None, &policy));
    assert_eq!(refused(taken), Some(Code::ENameTaken));
    for bad in RESERVED_NAMES {
        let policy = Policy { approved: BoxName::new(bad).ok(), again: false };
        assert_eq!(refused(decide(&other, None, None, None, &policy)), Some(Code::EName), "{bad}");
    }
    let granted = Granted {
        serial: serial(1),
        name: name.clone(),
        request: first.request,
        nonce: first.nonce,
        answer: answer(&first, "rim-1", String::new()),
        committed: true,
        void: false,
        granted_at: 0,
    };
    let known = Some(&granted);
    let again = decide(&first, known, Some(&serial(1)), None, &Policy::default());
    assert_eq!(again, Decision::Again(Box::new(granted.answer.clone())), "without a person");
    let wiped = request(1);
    let decided = |policy: &Policy, own| decide(&wiped, known, Some(&serial(1)), own, policy);
    assert_eq!(refused(decided(&policy, None)), Some(Code::EAlreadyClaimed));
    assert_eq!(
        decided(&Policy { again: true, ..policy.clone() }, None),
        Decision::Issue(name.clone())
    );
    // Under its own name it needs no person; under another's it gets nothing.
    assert_eq!(decided(&Policy::default(), Some(&name)), Decision::Issue(name.clone()));
    let others = BoxName::new("rim-9").expect("a name");
    assert_eq!(refused(decided(&Policy::default(), Some(&others))), Some(Code::EAlreadyClaimed));
    assert_eq!(
        refused(decide(&other, None, None, Some(&others), &Policy::default())),
        Some(Code::EUnknownSerial)
    );
    let old = Request { v: 0, ..first };
    assert_eq!(refused(decide(&old, None, None, None, &policy)), Some(Code::ECsr));
}

#[test]
fn an_authority_signs_only_what_its_key_has_signed() {
    let desk = Desk::new();
    let name = BoxName::new("rim-1").expect("a name");
    let good = Keys::make(&serial(1)).expect("keys").csr;
    assert!(desk.authority.sign_box(&good, &name, TODAY, LASTS).is_ok());
    // One letter of its base64 changed, somewhere in the middle of the key.
    let at = good.len() / 2;
    let other = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
    let mut forged = good.clone();
    forged.replace_range(at..=at, other);
    for bad in [
        forged.as_str(),
        "",
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    ] {
        assert!(desk.authority.sign_box(bad, &name, TODAY, LASTS).is_err(), "{bad}");
    }
    assert!(desk.authority.broker(&["no host".to_owned() + "\u{e9}"], TODAY, LASTS).is_err());
}
