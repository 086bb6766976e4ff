//! Uploads to a strict storage on loopback, through cuts of the link, of the disk and of the power.

#[path = "../../tests/support/storage.rs"]
mod storage;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::clock::{Chance, SystemClock};
use crate::disk::{Disk, ForgetfulDisk};
use crate::event::upload::{
    ClipUploadArguments, ClipUploadUrlsArguments, UploadDone, UploadHave, UploadMultipart,
    UploadNeeds, UploadPartUrl, UploadTo,
};
use crate::event::words::UploadNeed;
use crate::media::Foreign;
use crate::upload::send::hex;
use storage::{Fault, Storage};

const PART: u64 = 64 << 10;

/// A ring of one clip.
struct Ring {
    bytes: Mutex<Vec<u8>>,
    sha256: String,
    held: Arc<AtomicUsize>,
    /// Times that it was opened.
    opened: AtomicUsize,
}

struct Open(Vec<u8>);

impl Reads for Open {
    fn read(&self, from: u64, to: u64, sink: &mut dyn FnMut(Vec<u8>) -> bool) -> io::Result<()> {
        let (from, to) = (from as usize, to as usize);
        self.0[from..to].chunks(10_000).map(<[u8]>::to_vec).all(sink);
        Ok(())
    }
}

struct Hold(Arc<AtomicUsize>);

impl Kept for Hold {}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Footage for Ring {
    fn facts(&self, clip: &str) -> Result<ClipFacts, NoFootage> {
        if clip != "clip-1" {
            let reason = Foreign::told("there is no such clip");
            return Err(NoFootage { code: "no_such_clip", reason, again: false });
        }
        let bytes = self.bytes.lock().len() as u64;
        Ok(ClipFacts { bytes, sha256: self.sha256.clone() })
    }

    fn keep(&self, _: &str) -> Result<Box<dyn Kept>, NoFootage> {
        self.held.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Hold(Arc::clone(&self.held))))
    }

    fn open(&self, _: &str) -> Result<Arc<dyn Reads>, NoFootage> {
        assert!(self.held.load(Ordering::SeqCst) > 0, "read without being held");
        self.opened.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(Open(self.bytes.lock().clone())))
    }
}

#[derive(Default)]
struct Hall {
    game: AtomicBool,
}

impl Venue for Hall {
    fn before(&self) -> Option<Before> {
        self.game.load(Ordering::SeqCst).then(|| Before::Game(Foreign::name("a")))
    }
}

/// The cloud: gives what is asked for.
struct Cloud {
    storage: Storage,
    uploads: OnceLock<Weak<Uploads>>,
    /// Of the storage.
    id: Mutex<String>,
    /// Addresses that are given at once.
    at_once: usize,
    /// It tells what ListParts says after a cut.
    lists: AtomicBool,
    needs: Mutex<Vec<UploadNeeds>>,
    percents: Mutex<Vec<u8>>,
    stops: AtomicBool,
    /// Is called with what is told.
    on: Mutex<Option<Box<dyn Fn(&str) + Send + Sync>>>,
}

impl Hears for Cloud {
    fn tells(&self, percent: u8, words: String, needs: Option<UploadNeeds>) {
        self.percents.lock().push(percent);
        if let Some(on) = &*self.on.lock() {
            on(&words);
        }
        let Some(needs) = needs else { return };
        self.needs.lock().push(needs.clone());
        let Some(uploads) = self.uploads.get().and_then(Weak::upgrade) else { return };
        if needs.reason == UploadNeed::NoSuchUpload {
            *self.id.lock() = self.storage.begins("object");
        }
        let id = self.id.lock().clone();
        let mut have = Vec::new();
        if needs.reason == UploadNeed::Resumed && self.lists.load(Ordering::SeqCst) {
            let parts = self.storage.parts(&id).into_iter();
            have = parts.map(|(number, etag)| UploadHave { number, etag }).collect();
        }
        let asked = needs.parts.iter().take(self.at_once);
        let parts = asked.map(|number| UploadPartUrl {
            number: *number,
            url: self.storage.signs_part(&id, *number),
        });
        let given = ClipUploadUrlsArguments {
            upload: needs.upload.to_string(),
            parts: parts.collect(),
            have,
            ..ClipUploadUrlsArguments::default()
        };
        uploads.give(&given).expect("taken");
    }

    fn stops(&self) -> bool {
        self.stops.load(Ordering::SeqCst)
    }
}

struct Sut {
    uploads: Arc<Uploads>,
    ring: Arc<Ring>,
    hall: Arc<Hall>,
    cloud: Cloud,
    storage: Storage,
    bytes: Vec<u8>,
    runtime: tokio::runtime::Runtime,
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 9_u64;
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as u8
    };
    (0..bytes).map(step).collect()
}

impl Sut {
    fn of(bytes: usize) -> Self {
        Self::on(&ForgetfulDisk::new(), Storage::start(), bytes)
    }

    fn on(disk: &ForgetfulDisk, storage: Storage, bytes: usize) -> Self {
        drop(tracing_subscriber::fmt().with_test_writer().try_init());
        let bytes = noise(bytes);
        let ring = Arc::new(Ring {
            sha256: hex(&sha2::Sha256::digest(&bytes)),
            bytes: Mutex::new(bytes.clone()),
            held: Arc::default(),
            opened: AtomicUsize::new(0),
        });
        let hall = Arc::<Hall>::default();
        let uploads = Uploads::new(UploadParts {
            settings: UploadSettings {
                dir: Path::new("/box/uploads").to_owned(),
                guest: GuestTerms { share: 0.7, most: None },
                during_games: false,
                plain: true,
                ca_file: None,
            },
            disk: Arc::new(disk.clone()) as Arc<dyn Disk>,
            clock: Arc::new(SystemClock::new()),
            chance: Chance::seeded(3),
            footage: Arc::clone(&ring) as Arc<dyn Footage>,
            venue: Arc::clone(&hall) as Arc<dyn Venue>,
            wait: Duration::from_millis(1),
        });
        let cloud = Cloud {
            storage: storage.clone(),
            uploads: OnceLock::new(),
            id: Mutex::default(),
            at_once: 2,
            lists: AtomicBool::new(false),
            needs: Mutex::default(),
            percents: Mutex::default(),
            stops: AtomicBool::new(false),
            on: Mutex::default(),
        };
        cloud.uploads.set(Arc::downgrade(&uploads)).expect("once");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime");
        Self { uploads, ring, hall, cloud, storage, bytes, runtime }
    }

    fn order(to: UploadTo) -> ClipUploadArguments {
        let upload = Some("up".to_owned());
        ClipUploadArguments { clip: "clip-1".to_owned(), upload, to, now: false }
    }

    fn whole(&self) -> ClipUploadArguments {
        let url = Some(self.storage.signs_whole("object"));
        Self::order(UploadTo { url, ..UploadTo::default() })
    }

    fn in_parts(&self) -> ClipUploadArguments {
        if self.cloud.id.lock().is_empty() {
            *self.cloud.id.lock() = self.storage.begins("object");
        }
        let multipart = UploadMultipart { part_bytes: PART, parts: Vec::new() };
        Self::order(UploadTo { multipart: Some(multipart), ..UploadTo::default() })
    }

    fn run(&self, asked: &ClipUploadArguments, resumed: bool) -> Result<UploadDone, NotUploaded> {
        let order = Order::of(asked, "id", true).expect("an order");
        self.runtime.block_on(self.uploads.run(order, resumed, &self.cloud))
    }

    fn completes(&self, done: &UploadDone) -> bool {
        let parts = done.parts.iter();
        let parts: Vec<_> =
            parts.map(|part| (part.number, part.etag.clone().expect("one").to_string())).collect();
        self.storage.completes(&self.cloud.id.lock(), &parts)
    }

    fn reasons(&self) -> Vec<UploadNeed> {
        self.cloud.needs.lock().iter().map(|needs| needs.reason).collect()
    }
}

use sha2::Digest as _;

#[test]
fn a_whole_clip_is_put_with_its_hash_and_is_not_put_twice() {
    let sut = Sut::of(300_001);
    let mut asked = sut.whole();
    asked.to.headers = BTreeMap::from([("x-amz-meta-clip".to_owned(), "clip-1".to_owned())]);
    let done = sut.run(&asked, false).expect("done");
    assert_eq!(sut.storage.object("object").as_deref(), Some(&sut.bytes[..]));
    assert_eq!((done.bytes, &done.sha256), (300_001, &sut.ring.sha256));
    assert_eq!((done.parts.len(), done.sent_bytes, done.again), (1, 300_001, 0));
    assert_eq!(done.parts[0].etag.as_deref(), Some(&*storage::etag(&sut.bytes)));
    let [put] = &sut.storage.puts()[..] else { panic!("one") };
    assert!(put.headers.contains(&"x-amz-meta-clip: clip-1".to_owned()), "{put:?}");
    assert!(put.headers.iter().any(|line| line.starts_with("user-agent: courtside/")), "{put:?}");
    // A box that was cut before it told of it asks nobody for anything.
    let again = sut.run(&asked, true).expect("done");
    assert_eq!(again, done);
    assert_eq!(sut.storage.puts().len(), 1);
    assert_eq!(sut.ring.held.load(Ordering::SeqCst), 0, "nothing is held any more");
    let state = sut.uploads.state();
    assert_eq!((state.running.len(), state.sent_bytes, state.done), (0, 300_001, 2));
}

#[test]
fn parts_go_through_cuts_refusals_and_silence_and_each_again_at_most_once_a_cut() {
    let sut = Sut::of(5 * PART as usize + 1);
    let faults = [
        Fault::CutAfter(0),
        Fault::CutAfter(40_000),
        Fault::Answers(500, "InternalError"),
        Fault::Answers(503, "SlowDown"),
        Fault::TakenAndCut,
        Fault::Answers(400, "RequestTimeout"),
    ];
    let count = faults.len();
    sut.storage.meets(faults);
    let done = sut.run(&sut.in_parts(), false).expect("done");
    assert!(sut.completes(&done), "{done:?}");
    assert_eq!(sut.storage.object("object").as_deref(), Some(&sut.bytes[..]));
    let puts = sut.storage.puts();
    assert_eq!(puts.len(), 6 + count, "{puts:?}");
    assert_eq!((done.again, done.anew), (count as u64, 0));
    assert!(done.sent_bytes <= sut.bytes.len() as u64 + count as u64 * PART, "{done:?}");
    assert!(sut.cloud.percents.lock().is_sorted());
    assert_eq!(sut.reasons().into_iter().filter(|reason| *reason != UploadNeed::Next).count(), 0);
    let hashes: Vec<_> = done.parts.iter().map(|part| part.sha256.clone()).collect();
    let expected = sut.bytes.chunks(PART as usize).map(|part| hex(&sha2::Sha256::digest(part)));
    assert_eq!(hashes, expected.collect::<Vec<_>>());
}

#[test]
fn an_address_that_is_over_is_asked_for_anew_whether_it_is_400_or_403() {
    for status in [400, 403] {
        let mut sut = Sut::of(4 * PART as usize);
        sut.cloud.at_once = 8;
        let storage = sut.storage.clone();
        let once = AtomicBool::new(false);
        *sut.cloud.on.lock() = Some(Box::new(move |words| {
            if words.contains("part 3") && !once.swap(true, Ordering::SeqCst) {
                storage.time_is_over(status);
            }
        }));
        let done = sut.run(&sut.in_parts(), false).expect("done");
        assert!(sut.completes(&done), "{done:?}");
        assert_eq!(sut.storage.object("object").as_deref(), Some(&sut.bytes[..]));
        assert!(sut.reasons().contains(&UploadNeed::Expired), "{:?}", sut.reasons());
        let refused = sut.storage.puts().into_iter().filter(|put| put.status == status).count();
        assert_eq!(refused, 1, "its like is not tried");
    }
}

#[test]
fn an_upload_that_is_gone_begins_anew_and_is_whole() {
    let sut = Sut::of(4 * PART as usize);
    let (storage, first) = (sut.storage.clone(), sut.storage.begins("object"));
    (*sut.cloud.id.lock()).clone_from(&first);
    let once = AtomicBool::new(false);
    *sut.cloud.on.lock() = Some(Box::new(move |words| {
        if words.contains("part 3") && !once.swap(true, Ordering::SeqCst) {
            storage.forgets(&first);
        }
    }));
    let done = sut.run(&sut.in_parts(), false).expect("done");
    assert_eq!(done.anew, 1);
    assert!(sut.completes(&done), "{done:?}");
    assert_eq!(sut.storage.object("object").as_deref(), Some(&sut.bytes[..]));
    assert!(sut.reasons().contains(&UploadNeed::NoSuchUpload));
}

#[test]
fn what_is_not_the_clips_hash_is_never_whole_at_the_storage() {
    // Before it was hashed.
    let sut = Sut::of(3 * PART as usize);
    sut.ring.bytes.lock()[100_000] ^= 1;
    let why = sut.run(&sut.whole(), false).expect_err("refused");
    assert_eq!(why.code, "clip_corrupt");
    assert!(sut.storage.puts().is_empty());
    // Since: the second part is let go, but for its end.
    let sut = Sut::of(3 * PART as usize);
    let (ring, once) = (Arc::clone(&sut.ring), AtomicBool::new(false));
    *sut.cloud.on.lock() = Some(Box::new(move |words| {
        if words.contains("part 2") && !once.swap(true, Ordering::SeqCst) {
            ring.bytes.lock()[PART as usize + 5] ^= 1;
        }
    }));
    let why = sut.run(&sut.in_parts(), false).expect_err("refused");
    assert_eq!(why.code, "clip_corrupt");
    let kept: Vec<u32> =
        sut.storage.parts(&sut.cloud.id.lock()).into_iter().map(|(number, _)| number).collect();
    assert_eq!(kept, [1]);
}

#[test]
fn a_power_cut_at_any_write_costs_one_part_at_most() {
    let (mut cuts, mut lost) = (0, 0);
    for stops in 0..60 {
        let disk = ForgetfulDisk::new();
        let storage = Storage::start();
        let sut = Sut::on(&disk, storage.clone(), 4 * PART as usize);
        let asked = sut.in_parts();
        disk.stop_after(stops);
        let first = sut.run(&asked, false);
        let before = storage.puts().len();
        let id = sut.cloud.id.lock().clone();
        let done = match first {
            Ok(done) => done,
            Err(why) => {
                cuts += 1;
                assert_eq!(why.code, "disk", "{why:?}");
                let later = Sut::on(&disk.power_cut(stops), storage.clone(), 4 * PART as usize);
                (*later.cloud.id.lock()).clone_from(&id);
                let done = later.run(&asked, true).expect("done");
                let again = storage.puts().len() - 4;
                assert!(again <= 1, "{stops}: {again} parts again of {before}");
                lost += again;
                done
            }
        };
        assert!(sut.completes(&done), "{stops}: {done:?}");
        assert_eq!(storage.object("object").as_deref(), Some(&sut.bytes[..]));
    }
    assert!(cuts > 20 && lost >= 4, "{cuts} {lost}");
}

#[test]
fn a_part_whose_etag_was_lost_is_not_sent_again_where_the_cloud_lists_it() {
    // The same cuts, with ListParts: nothing goes twice.
    let mut told = 0;
    for stops in 0..60 {
        let disk = ForgetfulDisk::new();
        let storage = Storage::start();
        let sut = Sut::on(&disk, storage.clone(), 4 * PART as usize);
        let asked = sut.in_parts();
        disk.stop_after(stops);
        if sut.run(&asked, false).is_ok() {
            break;
        }
        let later = Sut::on(&disk.power_cut(stops), storage.clone(), 4 * PART as usize);
        (*later.cloud.id.lock()).clone_from(&sut.cloud.id.lock());
        later.cloud.lists.store(true, Ordering::SeqCst);
        let done = later.run(&asked, true).expect("done");
        assert!(later.completes(&done), "{stops}: {done:?}");
        assert_eq!(storage.puts().len(), 4, "{stops}");
        told += usize::from(later.reasons().contains(&UploadNeed::Resumed));
    }
    assert!(told > 10, "{told}");
}

#[test]
fn a_game_holds_it_and_now_does_not() {
    let sut = Sut::of(1_000);
    sut.hall.game.store(true, Ordering::SeqCst);
    let hall = Arc::clone(&sut.hall);
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let storage = sut.storage.clone();
    *sut.cloud.on.lock() = Some(Box::new(move |words| {
        if words.contains("yielding") {
            assert!(words.contains("court a is played"), "{words}");
            assert!(storage.puts().is_empty());
            count.fetch_add(1, Ordering::SeqCst);
            hall.game.store(false, Ordering::SeqCst);
        }
    }));
    let done = sut.run(&sut.whole(), false).expect("done");
    assert_eq!((seen.load(Ordering::SeqCst), done.again), (1, 0));
    sut.hall.game.store(true, Ordering::SeqCst);
    let mut now = sut.whole();
    (now.upload, now.now) = (Some("at-once".to_owned()), true);
    sut.run(&now, false).expect("done");
    assert_eq!(sut.storage.puts().len(), 2);
}

#[test]
fn what_cannot_be_says_why() {
    let sut = Sut::of(1_000);
    let none = ClipUploadArguments { clip: "clip-2".to_owned(), ..sut.whole() };
    assert_eq!(sut.run(&none, false).expect_err("none").code, "no_such_clip");
    // A redirect is not followed: what is signed is signed for one address.
    sut.storage.meets([Fault::SendsOn]);
    let why = sut.run(&sut.whole(), false).expect_err("refused");
    assert!(why.code == "refused" && why.reason.contains("sends on"), "{why:?}");
    assert_eq!(sut.storage.puts().len(), 1);
    // The same name for something else.
    let mut other = sut.in_parts();
    other.to.multipart = Some(UploadMultipart { part_bytes: 2 * PART, parts: Vec::new() });
    assert_eq!(sut.run(&other, false).expect_err("other").code, "other_upload");
    // No address is told.
    let words: String = format!("{why:?}");
    assert!(!words.contains("signature"), "{words}");
    let nobody = ClipUploadUrlsArguments { upload: "up".to_owned(), ..Default::default() };
    assert_eq!(sut.uploads.give(&nobody).expect_err("over").code, "no_such_upload");
    // Given up while it waits for an address.
    let uploads = Arc::downgrade(&sut.uploads);
    *sut.cloud.on.lock() = Some(Box::new(move |words| {
        if words.contains("needing") {
            let up = ClipUploadUrlsArguments {
                upload: "wait".to_owned(),
                give_up: true,
                ..Default::default()
            };
            uploads.upgrade().expect("there").give(&up).expect("taken");
        }
    }));
    let mut waits = ClipUploadArguments { upload: Some("wait".to_owned()), ..sut.whole() };
    waits.to.url = None;
    assert_eq!(sut.run(&waits, false).expect_err("given up").code, "given_up");
}

#[test]
fn who_takes_no_byte_for_half_a_minute_is_left() {
    // Accepts, and reads nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let clock = crate::clock::ManualClock::of_boot("b", crate::media::UtcTime::from_nanos(0));
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let bytes = noise(30 << 20);
    let web = crate::http::outgoing::Web::parse(&format!(
        "http://{}/x",
        silent.local_addr().expect("bound")
    ));
    let given = order::Given {
        urls: [(1, order::Url { web: web.expect("one"), expires: None })].into(),
        ..Default::default()
    };
    let part = record::Part {
        bytes: bytes.len() as u64,
        sha256: hex(&sha2::Sha256::digest(&bytes)),
        taken: false,
        etag: None,
    };
    let record = record::Record {
        format: UPLOAD_FORMAT,
        upload: "u".to_owned(),
        clip: "c".to_owned(),
        bytes: bytes.len() as u64,
        sha256: part.sha256.clone(),
        part_bytes: None,
        parts: vec![part],
        anew: 0,
        sent_bytes: 0,
        again: 0,
        begun_ns: 0,
    };
    struct Free(AtomicUsize);
    impl send::Pace for Free {
        fn wait(&self, _: u64) -> Result<Duration, send::Halt> {
            Ok(Duration::ZERO)
        }
        fn events(&self) -> Option<(Duration, Duration)> {
            None
        }
        fn took(&self, bytes: u64, _: Duration) {
            self.0.fetch_add(bytes as usize, Ordering::SeqCst);
        }
    }
    let mut machine = machine::Machine::new(record, given, false);
    let machine::Next::Send(job) = machine.next(crate::media::UtcTime::from_nanos(0)) else {
        panic!("it has an address")
    };
    let pace = Free(AtomicUsize::new(0));
    let tls = Arc::new(crate::http::outgoing::tls(None).expect("TLS"));
    let moves = clock.clone();
    let sent = runtime.block_on(async {
        let sending = send::Sending { clock: &clock, tls, buffer: 64 << 10, pace: &pace };
        let clip = Open(bytes);
        let mut send = Box::pin(sending.send(&job, &clip));
        let mut taken = usize::MAX;
        loop {
            tokio::select! {
                sent = &mut send => break sent,
                () = tokio::time::sleep(Duration::from_millis(50)) => {
                    // Once nothing moves any more.
                    let now = pace.0.load(Ordering::SeqCst);
                    if now == taken && now > 0 {
                        moves.advance(Duration::from_secs(31));
                    }
                    taken = now;
                }
            }
        }
    });
    let send::Sent::Broken(why) = sent else { panic!("it was taken") };
    assert!(why.contains("nothing was taken for 30s"), "{why}");
    assert!(pace.0.load(Ordering::SeqCst) < 20 << 20, "it was never whole");
}
