//! Stores of every format: read, sent, kept; put aside and read in; cut at every write on the way.
//! `tests/data/formats/README.md` says how the files were made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::TableDefinition;
use serde_json::Value;

use super::*;
use crate::clock::Stamp;
use crate::disk::{Disk, ForgetfulDisk, OpenHow, RealDisk, read_whole};
use crate::event::{ClipRequest, Event, LogEntry, Saying, Withdrawal};
use crate::media::{BoxName, Monotonic, UtcTime};
use crate::uplink::outbox::open::{FILE, Opened, open};
use crate::uplink::outbox::record::Now;
use crate::uplink::outbox::samples::{at, batch, event, highlight, made, score};
use crate::uplink::outbox::store::Store;
use crate::uplink::outbox::tables::WAITING;
use crate::uplink::outbox::write::Batch;

const DIR: &str = "/data/outbox";
/// Set, the tests below that make files write them into this folder.
const MAKE: &str = "COURTSIDE_FORMAT_DIR";
/// The fourth of March.
const TODAY: UtcTime = UtcTime::from_nanos(1_772_582_400_000_000_000);

fn file(name: &str) -> Vec<u8> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats");
    read_whole(&RealDisk::new(), &dir.join(name), 1 << 24).unwrap()
}

/// A disk that has these files, durably.
fn disk_with(files: &[(&str, &[u8])]) -> ForgetfulDisk {
    let disk = ForgetfulDisk::new();
    let dir = Path::new(DIR);
    disk.create_dir_all(dir).unwrap();
    for (name, bytes) in files {
        let file = disk.open(&dir.join(name), OpenHow::CreateNew).unwrap();
        file.write_at(0, bytes).unwrap();
        file.sync_data().unwrap();
    }
    disk.sync_dir(dir).unwrap();
    disk
}

fn shared(disk: &ForgetfulDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn opened(disk: &ForgetfulDisk) -> Opened {
    open(&shared(disk), Path::new(DIR), TODAY).unwrap()
}

fn names(disk: &ForgetfulDisk) -> Vec<String> {
    let mut names = disk.names(Path::new(DIR)).unwrap();
    names.retain(|name| name != "lock");
    names.sort();
    names
}

fn bytes_of(disk: &ForgetfulDisk, name: &str) -> Vec<u8> {
    read_whole(disk, &Path::new(DIR).join(name), 1 << 24).unwrap()
}

/// What of each record would leave, 2 s after a boot of the name `boot`.
fn leaves(store: &Store) -> Vec<Value> {
    let now = Now { boot: "boot", monotonic: Monotonic::from_nanos(2_000_000_000), utc: None };
    let time = Stamp { utc: UtcTime::from_nanos(100_000_000_000), source: None, error_ms: 40 };
    let name = BoxName::new("rim-1").unwrap();
    let records = store.replay(None, 0, 1000).unwrap();
    let line = |record: &Record| {
        let message = record.message(&name, &time, &now).unwrap();
        let envelope: Value = serde_json::from_slice(&message).unwrap();
        let (position, topic) = (record.header.position, record.header.topic());
        serde_json::json!({ "position": position, "topic": topic, "envelope": envelope })
    };
    records.iter().map(line).collect()
}

fn lines(name: &str) -> Vec<Value> {
    let text = String::from_utf8(file(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<String> {
    events.into_iter().map(|event| format!("{} {}", event.court, event.id())).collect()
}

fn id(court: &str, id: &str) -> String {
    format!("{court} 0000000000000005-{id}")
}

/// What waits, with the codes of refusals, in every store of the files here.
fn waits() -> Vec<(u64, Option<u8>)> {
    let parked = [(7, Some(0x90)), (8, Some(0x87))];
    [(5, None), (6, None)].into_iter().chain(parked).chain((9..=15).map(|at| (at, None))).collect()
}

#[test]
fn a_store_of_the_first_format_is_brought_forward_and_leaves_as_it_would_have_left() {
    let disk = disk_with(&[(FILE, &file("outbox-1.redb"))]);
    let Opened { mut store, damaged, beside, .. } = opened(&disk);
    assert!(damaged.is_none() && beside.put_aside.is_empty());
    assert_eq!(leaves(&store), lines("outbox-1.jsonl"));
    assert_eq!(store.waiting().unwrap(), waits());
    assert_eq!((store.last_position(), store.session()), (15, 1));
    let recovered = store.recover().unwrap();
    let by_name: BTreeMap<&str, _> =
        recovered.courts.iter().map(|(court, of)| (court.as_str(), of)).collect();
    let (a, b) = (by_name["a"], by_name["b"]);
    assert_eq!((a.last_sequence, b.last_sequence), (7, 8));
    assert_eq!(ids(&a.open), [id("a", "7.0")]);
    assert_eq!(ids(&b.open), [id("b", "7.0")]);
    assert_eq!(ids(a.latest.values()), [id("a", "3.0"), id("a", "5.0"), id("a", "7.0")]);
    assert_eq!(ids(b.latest.values()), [id("b", "12.1"), id("b", "10.0")]);
    // Its events were written one by one: a game looks for what is parted among the last.
    assert_eq!(ids(&b.recent).last(), Some(&id("b", "10.0")));
    assert_eq!((a.recent.len(), b.recent.len()), (7, 8));
    assert_eq!(recovered.clips.len(), 1);
    assert_eq!((recovered.clips[0].request.id.as_str(), recovered.unsent), ("b-7", 11));
    // It goes on where it was.
    store.commit(&batch([event("a", 20, 0, made(false))])).unwrap();
    drop(store);
    let again = opened(&disk).store;
    assert_eq!(again.last_position(), 16);
    assert_eq!(leaves(&again)[..15], lines("outbox-1.jsonl"));
    assert_eq!(again.recover().unwrap().courts.len(), 2);
}

#[test]
fn once_enough_was_written_whole_nothing_is_looked_through_for_parted_ones() {
    let disk = disk_with(&[(FILE, &file("outbox-1.redb"))]);
    let mut store = opened(&disk).store;
    store.commit(&batch((20..100).map(|n| event("a", n, 0, made(false))))).unwrap();
    let courts = store.recover().unwrap().courts;
    let recent: Vec<usize> = courts.values().map(|court| court.recent.len()).collect();
    assert_eq!(recent, [0, 8], "of a and of b");
}

#[test]
fn bringing_forward_survives_a_cut_at_every_write() {
    let old = file("outbox-1.redb");
    let whole = disk_with(&[(FILE, &old)]);
    let before = whole.operations();
    drop(opened(&whole));
    let operations = whole.operations() - before;
    assert!(operations > 10, "{operations} writes");
    for stop in 0..=operations {
        let disk = disk_with(&[(FILE, &old)]);
        disk.stop_after(disk.operations() + stop);
        drop(open(&shared(&disk), Path::new(DIR), TODAY));
        for seed in 0..3 {
            let found = disk.power_cut(seed);
            let Opened { store, damaged, .. } = opened(&found);
            assert!(damaged.is_none(), "stop {stop}, seed {seed}");
            assert_eq!(leaves(&store), lines("outbox-1.jsonl"), "stop {stop}, seed {seed}");
            assert_eq!(store.waiting().unwrap(), waits(), "stop {stop}, seed {seed}");
            assert_eq!(store.recover().unwrap().courts.len(), 2, "stop {stop}, seed {seed}");
        }
    }
}

#[test]
fn every_format_of_ours_is_read_for_ever() {
    let disk = disk_with(&[(FILE, &file("outbox-2.redb"))]);
    let Opened { store, damaged, beside, .. } = opened(&disk);
    assert!(damaged.is_none() && beside.put_aside.is_empty());
    assert_eq!(leaves(&store), lines("outbox-2.jsonl"));
    assert_eq!(store.waiting().unwrap(), waits());
    let recovered = store.recover().unwrap();
    let entries: Vec<_> = recovered.logs["game/a"].clone();
    assert_eq!(entries, [(2, b"two".to_vec()), (3, b"three".to_vec())], "from the checkpoint");
    let recent: usize = recovered.courts.values().map(|court| court.recent.len()).sum();
    assert_eq!(recent, 0);
}

#[test]
fn a_store_of_the_version_after_is_read_sent_and_kept() {
    let disk = disk_with(&[(FILE, &file("outbox-3-by-hand.redb"))]);
    let Opened { mut store, damaged, beside, .. } = opened(&disk);
    assert!(damaged.is_none() && beside.put_aside.is_empty());
    assert_eq!(leaves(&store), lines("outbox-3-by-hand.jsonl"));
    assert_eq!(store.waiting().unwrap(), [(2, None), (3, None), (4, None)]);
    // What is unknown is nobody's here, and nobody's error.
    let recovered = store.recover().unwrap();
    let (_, a) = recovered.courts.iter().next().unwrap();
    assert_eq!((a.last_sequence, ids(&a.open)), (4, Vec::new()));
    assert_eq!(ids(a.latest.values()), [id("a", "4.0")]);
    // It is appended to, and says still whose it is and up to where.
    store.commit(&batch([event("a", 9, 0, made(true))])).unwrap();
    let late = Some(UtcTime::from_nanos(TODAY.as_nanos() * 2));
    store.forget(0, late, UtcTime::from_nanos(0)).unwrap();
    drop(store);
    let store = opened(&disk).store;
    let read = store.database().unwrap().begin_read().unwrap();
    let head = Head::read(&read).unwrap().unwrap();
    assert_eq!((head.format, head.oldest_reader, head.format_to), (3, 2, 4));
    assert_eq!(read.open_table(TEAMS).unwrap().get("home").unwrap().unwrap().value(), 7);
    assert_eq!(store.last_position(), 5);
    let later = store.read(2).unwrap().unwrap();
    assert_eq!(later.header.more["by"], serde_json::json!({ "operator": 2.5 }));
    assert_eq!(later.data, br#"{ "run": 1.10, "of": [1, 2] }"#);
}

/// A store that nobody before format 9 can read.
fn of_a_later_time() -> Vec<u8> {
    let disk = ForgetfulDisk::new();
    let mut store = opened(&disk).store;
    let mut pinned = event("a", 3, 0, highlight(1));
    pinned.clip = Some(ClipRequest {
        id: "a-1".into(),
        from_ns: 0,
        to_ns: 9,
        reason: "r".into(),
        ..ClipRequest::default()
    });
    let clip = pinned.clip.clone().unwrap();
    let mut durable = event("a", 1, 0, made(false));
    durable.clip = Some(ClipRequest { id: "a-0".into(), ..clip });
    store
        .commit(&Batch {
            log: vec![(1, LogEntry { log: "game/a".into(), checkpoint: true, bytes: b"x".into() })],
            next_session: true,
            ..batch([
                durable,
                event("b", 1, 0, made(true)),
                pinned,
                event("a", 2, 0, score(1)),
                event("b", 1, 1, made(false)),
            ])
        })
        .unwrap();
    let marks = Batch {
        acknowledged: [(1, 2_000_000_000)].into(),
        refused: [(3, 0x87)].into(),
        clips: ["a-0".to_owned()].into(),
        next_session: true,
        ..Batch::default()
    };
    store.commit(&marks).unwrap();
    set_head(&store, 9, 9);
    drop(store);
    bytes_of(&disk, FILE)
}

fn set_head(store: &Store, format: u64, oldest_reader: u64) {
    let write = store.database().unwrap().begin_write().unwrap();
    {
        let mut counts = write.open_table(COUNTS).unwrap();
        counts.insert(FORMAT, format).unwrap();
        counts.insert(OLDEST_READER, oldest_reader).unwrap();
    }
    write.commit().unwrap();
}

#[test]
fn what_is_newer_still_is_put_aside_untouched_and_told() {
    let newer = of_a_later_time();
    let disk = disk_with(&[(FILE, &newer)]);
    let aside = "outbox.format-9.2026-03-04-1.redb";
    let Opened { mut store, damaged, beside, .. } = opened(&disk);
    assert_eq!(damaged, None);
    let told = PathBuf::from(DIR).join(aside);
    assert_eq!(beside.put_aside.len(), 1);
    assert_eq!(beside.put_aside[0].path, told);
    assert_eq!((beside.put_aside[0].format, beside.put_aside[0].oldest_reader), (9, 9));
    assert_eq!(store.last_position(), 0, "a new one is begun");
    store.commit(&batch([event("a", 1, 0, made(false))])).unwrap();
    drop(store);
    // Told at every start, and never written to.
    let Opened { store, beside, .. } = opened(&disk);
    assert_eq!((beside.put_aside.len(), store.last_position()), (1, 1));
    drop(store);
    assert_eq!(names(&disk), [aside, FILE]);
    assert!(bytes_of(&disk, aside) == newer, "to the byte");
    // Another one on the same day has a name of its own.
    let other = disk_with(&[(FILE, &newer), (aside, &newer)]);
    assert_eq!(opened(&other).beside.put_aside.len(), 2);
}

/// The same, as it lies beside the store of a version that can read it.
fn put_aside_and_readable() -> Vec<u8> {
    let disk = disk_with(&[("other.redb", &of_a_later_time())]);
    let path = Path::new(DIR).join("other.redb");
    // What a version that knows format 9 makes of its head when it asks who may read it.
    let database = crate::uplink::outbox::backend::open_database(&disk, &path).expect("opens");
    let store = Store::in_memory(database).unwrap();
    set_head(&store, STORE_FORMAT, STORE_OLDEST_READER);
    drop(store);
    bytes_of(&disk, "other.redb")
}

const ASIDE: &str = "outbox.format-9.2026-03-01-1.redb";

/// A box that went on for a while without what was put aside.
fn went_on() -> ForgetfulDisk {
    let disk = disk_with(&[(ASIDE, &of_a_later_time())]);
    let mut store = opened(&disk).store;
    store.commit(&batch([event("a", 21, 0, made(false)), event("a", 22, 0, score(21))])).unwrap();
    drop(store);
    disk_with(&[(ASIDE, &put_aside_and_readable()), (FILE, &bytes_of(&disk, FILE))])
}

/// (id, what became of it), in the order in which they are sent.
fn after_reading_in(store: &Store) -> Vec<(String, Option<u8>)> {
    let waiting = store.waiting().unwrap().into_iter();
    waiting
        .map(|(at, code)| {
            let header = store.read(at).unwrap().unwrap().header;
            (format!("{} {}", header.court, header.id()), code)
        })
        .collect()
}

fn read_in() -> Vec<(String, Option<u8>)> {
    [
        (id("a", "21.0"), None),
        (id("a", "22.0"), None),
        (id("b", "1.0"), None),
        (id("a", "3.0"), Some(0x87)),
        (id("a", "2.0"), None),
        (id("b", "1.1"), None),
    ]
    .into()
}

#[test]
fn what_was_put_aside_is_read_in_by_a_version_that_can() {
    let disk = went_on();
    let Opened { store, beside, .. } = opened(&disk);
    assert_eq!((beside.read_in, beside.put_aside.len()), (5, 0));
    assert_eq!(names(&disk), [FILE]);
    assert_eq!(after_reading_in(&store), read_in(), "each court's in its order");
    let recovered = store.recover().unwrap();
    let courts: BTreeMap<&str, _> =
        recovered.courts.iter().map(|(court, of)| (court.as_str(), of)).collect();
    assert_eq!((courts["a"].last_sequence, courts["b"].last_sequence), (5, 2));
    // Sequences go on; nothing is open that was closed; the score that the box went on with stands.
    assert!(courts["a"].open.is_empty() && courts["b"].open.is_empty());
    assert_eq!(courts["a"].latest["score"].id(), "0000000000000005-22.0");
    assert_eq!(courts["b"].latest["shot"].id(), "0000000000000005-1.1");
    assert_eq!(recovered.clips.len(), 1, "its clip is still to be cut");
    assert_eq!(recovered.logs["game/a"], [(1, b"x".to_vec())]);
    assert_eq!(store.session(), 2, "counted on");
    // The one that was sent is not sent again, and can be given again.
    assert_eq!(store.replay(None, 0, 100).unwrap().len(), 7);
}

#[test]
fn reading_in_survives_a_cut_at_every_write_and_takes_nothing_twice() {
    let whole = went_on();
    let before = whole.operations();
    drop(opened(&whole));
    let operations = whole.operations() - before;
    for stop in 0..=operations {
        let disk = went_on();
        disk.stop_after(disk.operations() + stop);
        drop(open(&shared(&disk), Path::new(DIR), TODAY));
        for seed in 0..3 {
            let found = disk.power_cut(seed);
            let Opened { store, damaged, .. } = opened(&found);
            assert!(damaged.is_none(), "stop {stop}, seed {seed}");
            assert_eq!(after_reading_in(&store), read_in(), "stop {stop}, seed {seed}");
            assert_eq!(names(&found), [FILE], "stop {stop}, seed {seed}");
            assert_eq!(store.replay(None, 0, 100).unwrap().len(), 7, "stop {stop}, seed {seed}");
        }
    }
}

#[test]
fn a_roll_back_to_the_first_format_and_back_again_loses_nothing() {
    // Its own program went on with our store: it sent one event more and left two.
    let disk = disk_with(&[(FILE, &file("outbox-2-then-1.redb"))]);
    let Opened { store, damaged, beside, .. } = opened(&disk);
    assert!(damaged.is_none() && beside.put_aside.is_empty());
    let told = leaves(&store);
    assert_eq!(told[..15], lines("outbox-2.jsonl"));
    let told: Vec<&str> =
        told[15..].iter().map(|line| line["envelope"]["id"].as_str().unwrap()).collect();
    assert_eq!(told, ["30.0", "31.0", "33.0"].map(|n| format!("0000000000000005-{n}")));
    let added = [(17, None), (18, None)];
    assert_eq!(store.waiting().unwrap(), waits().into_iter().chain(added).collect::<Vec<_>>());
    assert_eq!((store.last_position(), store.session()), (18, 2));
    let recovered = store.recover().unwrap();
    let courts: BTreeMap<&str, _> =
        recovered.courts.iter().map(|(court, of)| (court.as_str(), of)).collect();
    assert_eq!(ids(&courts["a"].open), [id("a", "7.0")]);
    assert_eq!(courts["a"].latest["score"].id(), "0000000000000005-31.0");
    assert_eq!(ids(&courts["b"].recent).last(), Some(&id("b", "33.0")), "parted from its score");
    assert_eq!(recovered.logs["game/a"].len(), 2);
}

#[test]
fn what_the_version_before_wrote_in_between_is_brought_forward() {
    // A store of ours, to which a reader of format 1 appended: it leaves the words that it does not
    // know, and asks for the table that only it fills.
    let disk = ForgetfulDisk::new();
    let mut store = opened(&disk).store;
    store.commit(&batch([event("a", 1, 0, made(false)), event("a", 2, 0, score(1))])).unwrap();
    let old = disk_with(&[("first.redb", &file("outbox-1.redb"))]);
    let database =
        crate::uplink::outbox::backend::untouched(&old, &Path::new(DIR).join("first.redb"));
    let first = database.unwrap().unwrap();
    let read = first.begin_read().unwrap();
    let write = store.database().unwrap().begin_write().unwrap();
    {
        let mut records = write.open_table(RECORDS).unwrap();
        let mut waiting = write.open_table(WAITING).unwrap();
        // Its score, and a shot.
        for (from, to) in [(4, 3), (7, 4)] {
            let table = read.open_table(RECORDS).unwrap();
            let bytes = table.get(from).unwrap().unwrap().value().to_vec();
            records.insert(to, bytes.as_slice()).unwrap();
            waiting.insert(to, 0).unwrap();
        }
        write.open_table(SCORES).unwrap().insert("a", 3).unwrap();
        write.open_table(COUNTS).unwrap().insert(LAST_POSITION, 4).unwrap();
    }
    write.commit().unwrap();
    drop(store);
    let store = opened(&disk).store;
    let told: Vec<String> =
        leaves(&store).iter().map(|line| line["envelope"]["type"].to_string()).collect();
    let [made, score, missed] =
        ["shot.made", "score", "shot.missed"].map(|kind| format!("\"courtside.{kind}.v1\""));
    assert_eq!(told, [made, score.clone(), score, missed]);
    let recovered = store.recover().unwrap();
    let (_, a) = recovered.courts.iter().next().unwrap();
    assert_eq!(ids(a.latest.values()), [id("a", "2.0"), id("a", "4.0")]);
    let read = store.database().unwrap().begin_read().unwrap();
    assert_eq!(Head::read(&read).unwrap().unwrap().parted_to, 4);
    assert!(read.open_table(SCORES).unwrap().get("a").unwrap().is_none(), "pins nothing");
}

#[test]
fn a_file_that_is_only_looked_at_reads_as_if_it_were_written() {
    use redb::StorageBackend;

    let disk = disk_with(&[("x", &[7; 10_000])]);
    let path = Path::new(DIR).join("x");
    let file = crate::uplink::outbox::backend::Untouched::open(&disk, &path).unwrap();
    let mut model = vec![7u8; 10_000];
    let mut chance = 0x2545_f491_4f6c_dd1du64;
    let mut draw = |below: usize| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(chance >> 33).unwrap() % below
    };
    for step in 0..2000 {
        match draw(4) {
            0 => {
                let len = draw(20_000);
                model.resize(len, 0);
                file.set_len(len as u64).unwrap();
            }
            1 if !model.is_empty() => {
                let from = draw(model.len());
                let bytes = vec![u8::try_from(step % 251).unwrap(); draw(model.len() - from) + 1];
                model[from..from + bytes.len()].copy_from_slice(&bytes);
                file.write(from as u64, &bytes).unwrap();
            }
            _ => {
                let from = draw(model.len() + 1);
                let mut seen = vec![0; draw(model.len() - from + 1)];
                file.read(from as u64, &mut seen).unwrap();
                assert!(seen == model[from..from + seen.len()], "step {step}");
            }
        }
        assert_eq!(file.len().unwrap(), model.len() as u64);
    }
    assert_eq!(bytes_of(&disk, "x"), [7; 10_000]);
}

// How the files of today's format and of the version after were made.

const TEAMS: TableDefinition<'_, &str, u64> = TableDefinition::new("teams");

fn write_lines(dir: &Path, name: &str, store: &Store) {
    let text: String = leaves(store).iter().map(|line| format!("{line}\n")).collect();
    let file = RealDisk::new().open(&dir.join(name), OpenHow::CreateNew).unwrap();
    file.write_at(0, text.as_bytes()).unwrap();
}

fn to_make(name: &str) -> Option<(PathBuf, tempfile::TempDir, Store)> {
    let dir = PathBuf::from(std::env::var_os(MAKE)?);
    let work = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let store = open(&disk, work.path(), TODAY).unwrap().store;
    Some((dir.join(name), work, store))
}

fn made_into(path: &Path, work: &Path) {
    let bytes = read_whole(&RealDisk::new(), &work.join(FILE), 1 << 24).unwrap();
    let file = RealDisk::new().open(path, OpenHow::CreateNew).unwrap();
    file.write_at(0, &bytes).unwrap();
}

/// As the file of format 1 was made: events of every kind, sent, waiting, refused, open, with clips.
#[test]
fn write_a_store_of_todays_format() {
    let Some((path, work, mut store)) = to_make(&format!("outbox-{STORE_FORMAT}.redb")) else {
        return;
    };
    let withdrawal =
        || Withdrawal { t_stream: 1.0, reason: "no_outcome".into(), by: None, who: None };
    let shot = |provisional| match made(provisional) {
        Saying::ShotMade(shot) => shot,
        _ => unreachable!("a made one"),
    };
    let clip = |event: Event, id: &str| Event {
        clip: Some(ClipRequest {
            id: id.into(),
            from_ns: -5,
            to_ns: 9_000_000_000,
            reason: "made".into(),
            ..ClipRequest::default()
        }),
        ..event
    };
    let entry = |checkpoint, bytes: &str| {
        (1_000_000_000, LogEntry { log: "game/a".into(), checkpoint, bytes: bytes.into() })
    };
    let first = batch([
        event("a", 1, 0, Saying::ShotMade(shot(true))),
        event("a", 1, 1, Saying::ShotMade(shot(false))),
        clip(event("a", 3, 0, highlight(1)), "a-1"),
        event("a", 2, 0, score(1)),
        event("b", 1, 0, Saying::ShotMissed(shot(true))),
        event("b", 1, 1, Saying::ShotWithdrawn(withdrawal())),
        event("a", 4, 0, Saying::ShotMissed(shot(false))),
        event("a", 5, 0, score(4)),
    ]);
    let log = vec![entry(false, "one"), entry(true, "two")];
    store.commit(&Batch { log, ..first }).unwrap();
    let marks = Batch {
        acknowledged: (1..=4).map(|position| (position, 2_000_000_000)).collect(),
        refused: [(7, 0x90), (8, 0x87)].into(),
        clips: ["a-1".to_owned()].into(),
        next_session: true,
        ..Batch::default()
    };
    store.commit(&marks).unwrap();
    let second = at(
        [
            event("b", 4, 0, Saying::ShotUnsure(shot(false))),
            clip(event("b", 9, 0, highlight(7)), "b-7"),
            event("b", 12, 0, highlight(4)),
            event("b", 12, 1, Saying::HighlightWithdrawn(withdrawal())),
            event("a", 7, 0, Saying::ShotMade(shot(true))),
            event("b", 7, 0, Saying::ShotMade(shot(true))),
            event("b", 10, 0, Saying::ShotMissed(shot(false))),
        ],
        None,
    );
    store.commit(&Batch { log: vec![entry(false, "three")], ..second }).unwrap();
    let dir = path.parent().unwrap().to_owned();
    write_lines(&dir, &format!("outbox-{STORE_FORMAT}.jsonl"), &store);
    drop(store);
    made_into(&path, work.path());
}

/// A store as the version after may write it, readable by this one: kinds, members of headers, a
/// class and a table that are not known here.
#[test]
fn write_a_store_of_the_version_after_by_hand() {
    let Some((path, work, mut store)) = to_make("outbox-3-by-hand.redb") else { return };
    let mut append = batch([
        event("a", 1, 0, made(false)),
        event("a", 2, 0, made(false)),
        event("a", 3, 0, made(true)),
        event("a", 4, 0, made(false)),
    ])
    .append;
    for later in &mut append[1..3] {
        later.header.event_type = "courtside.momentum.v1".into();
        later.header.family = "momentum".into();
        later.header.fact = format!("0000000000000005/run/{}", later.header.revision);
        later.header.subject = "7th".into();
        later.header.stands_on = vec!["0000000000000005-1".into()];
        later.header.more.insert("by".into(), serde_json::json!({ "operator": 2.5 }));
        later.header.more.insert("game".into(), "g1".into());
        later.data = br#"{ "run": 1.10, "of": [1, 2] }"#.to_vec();
    }
    append[2].header.revision = 1;
    store.commit(&Batch { append, ..Batch::default() }).unwrap();
    let sent = Batch { acknowledged: [(1, 2_000_000_000)].into(), ..Batch::default() };
    store.commit(&sent).unwrap();
    set_head(&store, 3, 2);
    let write = store.database().unwrap().begin_write().unwrap();
    {
        write.open_table(TEAMS).unwrap().insert("home", 7).unwrap();
        let mut records = write.open_table(RECORDS).unwrap();
        let bytes = records.get(2).unwrap().unwrap().value().to_vec();
        let text = String::from_utf8(bytes).unwrap();
        let text = text.replacen(r#""class":"fact""#, r#""class":"chat""#, 1);
        assert!(text.contains("chat"));
        records.insert(2, text.as_bytes()).unwrap();
    }
    write.commit().unwrap();
    let dir = path.parent().unwrap().to_owned();
    write_lines(&dir, "outbox-3-by-hand.jsonl", &store);
    drop(store);
    made_into(&path, work.path());
}
