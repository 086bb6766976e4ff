//! What a store keeps, gives again and lets go.

use std::collections::BTreeSet;
use std::{fs, io};

use super::*;
use crate::disk::RealDisk;
use crate::event::{ClipRequest, Event, LogEntry, Saying, Withdrawal};
use crate::media::UtcTime;
use crate::uplink::outbox::open::{Damaged, FILE, Opened, open};
use crate::uplink::outbox::record::Class;
use crate::uplink::outbox::samples::{at, batch, event, highlight, made, score};
use crate::uplink::outbox::tables::LOG;

fn real() -> Arc<dyn Disk> {
    Arc::new(RealDisk::new())
}

fn opened(dir: &Path) -> Store {
    open(&real(), dir, UtcTime::from_nanos(0)).unwrap().store
}

#[test]
fn a_second_daemon_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let _first = opened(dir.path());
    let second = open(&real(), dir.path(), UtcTime::from_nanos(0)).unwrap_err();
    assert!(matches!(second, StoreError::InUse { .. }), "{second}");
}

#[test]
fn sequences_count_each_court_and_go_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path());
    let records = store
        .commit(&batch([
            event("a", 1, 0, made(false)),
            event("b", 1, 0, made(false)),
            event("a", 2, 0, made(false)),
        ]))
        .unwrap();
    let places = |records: &[Record]| -> Vec<(u64, u64)> {
        records.iter().map(|record| (record.header.position, record.header.sequence)).collect()
    };
    assert_eq!(places(&records), [(1, 1), (2, 1), (3, 2)]);
    drop(store);
    let mut store = opened(dir.path());
    let records = store.commit(&batch([event("a", 3, 0, made(false))])).unwrap();
    assert_eq!(places(&records), [(4, 3)]);
    assert_eq!(store.waiting().unwrap().len(), 4);
    let given = store.replay(Some(&CourtId::new("a").unwrap()), 1, 10).unwrap();
    assert_eq!(places(&given), [(3, 2), (4, 3)]);
    assert_eq!(places(&store.replay(None, 2, 1).unwrap()), [(3, 2)]);
}

#[test]
fn a_puback_takes_it_from_the_queue_and_a_refusal_keeps_its_code() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path());
    store.commit(&batch((1..=3).map(|n| event("a", n, 0, made(false))))).unwrap();
    let marks = Batch {
        acknowledged: [(1, 7)].into(),
        refused: [(2, 0x87)].into(),
        next_session: true,
        ..Batch::default()
    };
    store.commit(&marks).unwrap();
    drop(store);
    let store = opened(dir.path());
    assert_eq!(store.waiting().unwrap(), [(2, Some(0x87)), (3, None)]);
    assert_eq!(store.session(), 1);
    assert!(store.read(1).unwrap().is_some(), "kept, to be given again");
}

#[test]
fn a_start_finds_what_was_not_finished() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path());
    let mut pinned = event("a", 6, 0, highlight(4));
    pinned.clip = Some(ClipRequest {
        id: "c6".into(),
        from_ns: 0,
        to_ns: 9,
        reason: "r".into(),
        ..ClipRequest::default()
    });
    let withdrawal = || {
        Saying::ShotWithdrawn(Withdrawal {
            t_stream: 1.0,
            reason: "no_outcome".into(),
            by: None,
            who: None,
        })
    };
    store
        .commit(&batch([
            event("a", 1, 0, made(true)),
            event("a", 1, 1, made(false)),
            event("a", 2, 0, score(1)),
            event("a", 3, 0, highlight(1)),
            event("a", 4, 0, made(true)),
            pinned,
            event("a", 5, 0, made(true)),
            event("a", 5, 1, withdrawal()),
            event("a", 7, 0, made(false)),
            event("b", 1, 0, made(true)),
        ]))
        .unwrap();
    drop(store);
    let recovered = opened(dir.path()).recover().unwrap();
    let ids = |events: &[Event]| -> Vec<(String, String)> {
        events.iter().map(|event| (event.court.to_string(), event.id())).collect()
    };
    let id = |court: &str, id: &str| (court.to_owned(), format!("0000000000000005-{id}"));
    let (a, b) = (CourtId::new("a").unwrap(), CourtId::new("b").unwrap());
    let of_a = &recovered.courts[&a];
    assert_eq!(ids(&of_a.open), [id("a", "4.0")]);
    assert_eq!(ids(&recovered.courts[&b].open), [id("b", "1.0")]);
    let latest: Vec<_> =
        of_a.latest.iter().map(|(family, event)| (family.as_str(), event.id())).collect();
    let n = |n: &str| format!("0000000000000005-{n}");
    assert_eq!(latest, [("highlight", n("6.0")), ("score", n("2.0")), ("shot", n("7.0"))]);
    assert_eq!(of_a.recent, [], "each decision is whole");
    assert_eq!(recovered.clips.len(), 1);
    assert_eq!(recovered.clips[0].request.id, "c6");
    assert_eq!((of_a.last_sequence, recovered.courts[&b].last_sequence), (9, 1));
    assert_eq!(recovered.unsent, 10);
}

#[test]
fn an_old_provisional_is_found_behind_any_number_of_later_facts() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path());
    store.commit(&batch([event("a", 1, 0, made(true))])).unwrap();
    let later = (1..700)
        .flat_map(|n| [event("a", 2 * n, 0, made(false)), event("a", 2 * n + 1, 0, score(2 * n))]);
    store.commit(&batch(later)).unwrap();
    let recovered = store.recover().unwrap();
    let of_a = &recovered.courts[&CourtId::new("a").unwrap()];
    assert_eq!(of_a.open.len(), 1);
}

#[test]
fn a_kind_of_a_later_version_takes_its_place_and_is_never_shed() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path());
    let mut later = batch([event("a", 1, 0, made(true))]).append.remove(0);
    later.header.event_type = "courtside.momentum.v1".into();
    later.header.family = "momentum".into();
    later.header.fact = "0000000000000005/run/1".into();
    later.header.provisional = false;
    later.data = br#"{"of":[1,2]}"#.to_vec();
    let mut open = later.clone();
    (open.header.fact, open.header.provisional) = ("0000000000000005/run/2".into(), true);
    let others = batch((1..=300).map(|n| event("a", n, 0, made(false)))).append;
    let append: Vec<Record> = [later.clone(), open].into_iter().chain(others).collect();
    store.commit(&Batch { append, ..Batch::default() }).unwrap();
    drop(store);
    let mut store = opened(dir.path());
    let recovered = store.recover().unwrap();
    let of_a = &recovered.courts[&CourtId::new("a").unwrap()];
    // One is open, and nobody here can close it; both wait for who knows them.
    assert!(of_a.open.is_empty() && !of_a.latest.contains_key("momentum"));
    assert_eq!(of_a.last_sequence, 302);
    let soon = Some(UtcTime::from_nanos(5_000_000_000));
    assert!(store.forget(0, soon, UtcTime::from_nanos(0)).unwrap().is_empty());
    let late = Some(UtcTime::from_nanos(16 * 24 * 3_600_000_000_000));
    let shed = store.forget(0, late, UtcTime::from_nanos(0)).unwrap();
    assert_eq!(shed.first(), Some(&3), "those that this version knows may go by their age");
    let kept = store.read(1).unwrap().unwrap();
    assert_eq!((kept.data, kept.header.event_type), (later.data, later.header.event_type));
    assert_eq!(store.waiting().unwrap().first(), Some(&(1, None)), "it goes out first");
    assert_eq!(store.replay(CourtId::new("a").ok().as_ref(), 0, 1).unwrap().len(), 1);
}

#[test]
fn only_what_was_sent_long_ago_and_has_its_clip_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path());
    let mut pinned = event("a", 2, 0, highlight(1));
    pinned.clip = Some(ClipRequest {
        id: "c2".into(),
        from_ns: 0,
        to_ns: 9,
        reason: "r".into(),
        ..ClipRequest::default()
    });
    let others = (3..=400).map(|n| event("a", n, 0, made(false)));
    // The last of a family stays; so neither family's last is looked at here.
    let others = others.chain([event("a", 401, 0, highlight(1))]);
    store
        .commit(&batch([event("a", 1, 0, made(false)), pinned].into_iter().chain(others)))
        .unwrap();
    let day = 24 * 3_600_000_000_000i64;
    let marks = Batch {
        acknowledged: (1..=10).map(|position| (position, day)).collect(),
        ..Batch::default()
    };
    store.commit(&marks).unwrap();
    let days = |n: i64| Some(UtcTime::from_nanos(n * day));
    assert!(store.forget(u64::MAX, days(16), UtcTime::from_nanos(0)).unwrap().is_empty());
    assert!(store.read(1).unwrap().is_some(), "not yet");
    assert!(store.forget(u64::MAX, None, UtcTime::from_nanos(0)).unwrap().is_empty());
    assert!(store.read(1).unwrap().is_some(), "an implausible clock forgets nothing");
    let set_later = UtcTime::from_nanos(2 * day);
    assert!(store.forget(u64::MAX, days(17), set_later).unwrap().is_empty());
    assert!(store.read(1).unwrap().is_some(), "sent before the clock was set");
    assert!(store.forget(u64::MAX, days(17), UtcTime::from_nanos(0)).unwrap().is_empty());
    assert!(store.read(1).unwrap().is_none());
    assert!(store.read(2).unwrap().is_some(), "its clip is not durable");
    assert!(store.read(11).unwrap().is_some(), "no PUBACK");
    store.commit(&Batch { clips: ["c2".to_owned()].into(), ..Batch::default() }).unwrap();
    store.forget(u64::MAX, days(17), UtcTime::from_nanos(0)).unwrap();
    assert!(store.read(2).unwrap().is_none());
    assert_eq!(store.shed(), 0);
}

fn entries(log: &str, kinds: &str, utc: i64) -> Batch {
    let entry = |kind: char| LogEntry {
        log: log.into(),
        checkpoint: kind == 'C',
        bytes: kind.to_string().into(),
    };
    Batch { log: kinds.chars().map(|kind| (utc, entry(kind))).collect(), ..Batch::default() }
}

/// What a start is given of a log, as `first..:kinds`.
fn log_of(store: &Store, log: &str) -> String {
    let entries = store.recover().unwrap().logs.remove(log).unwrap_or_default();
    let kinds = entries.iter().map(|(_, bytes)| String::from_utf8(bytes.clone()).unwrap());
    let first = entries.first().map_or(0, |(n, _)| *n);
    let numbers: Vec<u64> = entries.iter().map(|(n, _)| *n).collect();
    let in_order = first..first + numbers.len() as u64;
    assert_eq!(numbers, in_order.collect::<Vec<_>>(), "no gap");
    format!("{first}..:{}", kinds.collect::<String>())
}

#[test]
fn a_log_goes_on_after_a_restart_and_is_read_from_its_last_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path());
    store.commit(&entries("game/a", "xy", 1)).unwrap();
    store.commit(&entries("game/ab", "C", 1)).unwrap();
    assert_eq!(log_of(&store, "game/a"), "1..:xy");
    drop(store);
    let mut store = opened(dir.path());
    store.commit(&entries("game/a", "zCuCv", 2)).unwrap();
    drop(store);
    let store = opened(dir.path());
    assert_eq!(log_of(&store, "game/a"), "6..:Cv");
    assert_eq!(log_of(&store, "game/ab"), "1..:C");
    assert_eq!(log_of(&store, "games"), "0..:");
}

#[test]
fn a_log_forgets_only_what_is_old_and_stands_before_its_last_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path());
    let day = 24 * 3_600_000_000_000i64;
    store.commit(&entries("a", "ooCx", day)).unwrap();
    store.commit(&entries("b", "ooxx", day)).unwrap();
    store.commit(&entries("c", "oo", day)).unwrap();
    store.commit(&entries("c", "oC", 10 * day)).unwrap();
    let at = |days: i64| Some(UtcTime::from_nanos(days * day));
    let left = |store: &Store| {
        let read = store.database().unwrap().begin_read().unwrap();
        let log = read.open_table(LOG).unwrap();
        let mut names = Vec::new();
        for row in log.iter().unwrap() {
            let (key, _) = row.unwrap();
            let (log, n) = key.value();
            names.push(format!("{log}{n}"));
        }
        names.join(" ")
    };
    let all = left(&store);
    // (clock, clock set at, what is left)
    let table = [
        (at(16), 0, all.as_str()),
        (None, 0, all.as_str()),
        // Written before the clock was set: nobody knows how old it is.
        (at(17), 5, all.as_str()),
        (at(17), 0, "a3 a4 b1 b2 b3 b4 c3 c4"),
        (at(100), 0, "a3 a4 b1 b2 b3 b4 c4"),
    ];
    for (now, floor_days, expected) in table {
        let floor = UtcTime::from_nanos(floor_days * day);
        assert!(store.forget(u64::MAX, now, floor).unwrap().is_empty());
        assert_eq!(left(&store), expected, "{now:?} {floor_days}");
    }
    store.commit(&entries("a", "y", 100 * day)).unwrap();
    assert_eq!(log_of(&store, "a"), "3..:Cxy", "counted on");
}

#[test]
fn the_quota_takes_sent_ones_first_and_no_fact_of_the_last_15_days() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path());
    store.commit(&batch((1..=600).map(|n| event("a", n, 0, made(false))))).unwrap();
    let marks = Batch {
        acknowledged: (100..=199).map(|position| (position, 2_000_000_000)).collect(),
        ..Batch::default()
    };
    store.commit(&marks).unwrap();
    let whole = store.bytes();
    let one = whole / 600;
    let soon = Some(UtcTime::from_nanos(5_000_000_000));
    assert!(store.forget(whole - 50 * one, soon, UtcTime::from_nanos(0)).unwrap().is_empty());
    assert!(store.read(100).unwrap().is_none(), "sent");
    assert!(store.read(199).unwrap().is_some(), "there was room enough");
    assert!(
        store.forget(0, soon, UtcTime::from_nanos(0)).unwrap().is_empty(),
        "no fact is shed within 15 days"
    );
    assert!(store.read(1).unwrap().is_some());
    let late = Some(UtcTime::from_nanos(16 * 24 * 3_600_000_000_000));
    let shed = store.forget(0, late, UtcTime::from_nanos(0)).unwrap();
    assert_eq!((shed.first(), shed.len()), (Some(&1), 244));
    assert_eq!((store.shed(), store.shed_at()), (244, late));
    assert!(store.read(345).unwrap().is_some(), "the newest 256 stay");
    drop(store);
    let mut again = opened(dir.path());
    assert_eq!((again.shed(), again.shed_at()), (244, late));
    // What goes without being shed says nothing of when something was.
    let later = late.map(|late| late.plus_nanos(20 * 24 * 3_600_000_000_000));
    assert!(again.forget(u64::MAX, later, UtcTime::from_nanos(0)).expect("forgotten").is_empty());
    assert_eq!(again.shed_at(), late);
}

#[test]
fn telemetry_is_shed_before_any_fact_and_counted_apart() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path());
    // Facts of a month ago, telemetry of today behind them, and more facts of today.
    let day = 24 * 3_600_000_000_000i64;
    store.commit(&at((1..=700).map(|n| event("a", n, 0, made(false))), Some(day))).unwrap();
    let mut telemetry = at((701..=800).map(|n| event("a", n, 0, made(false))), Some(30 * day));
    for record in &mut telemetry.append {
        record.header.class = Class::Telemetry;
    }
    store.commit(&telemetry).unwrap();
    store.commit(&at((801..=1200).map(|n| event("a", n, 0, made(false))), Some(30 * day))).unwrap();
    let now = Some(UtcTime::from_nanos(30 * day));
    let one = store.bytes() / 1200;
    let mut shed = Vec::new();
    // Room for all but 150.
    while store.bytes() > 1050 * one {
        let before = shed.len();
        shed.extend(store.forget(1050 * one, now, UtcTime::from_nanos(0)).unwrap());
        assert!(shed.len() > before || shed.is_empty(), "it comes to an end: {shed:?}");
    }
    assert_eq!(shed[..100], (701..=800).collect::<Vec<u64>>(), "telemetry first");
    assert_eq!(shed[100..103], [1, 2, 3], "then the oldest facts");
    assert_eq!((store.shed() as usize, store.shed_telemetry()), (shed.len(), 100));
    // A quota of nothing takes all old facts, and not one of the last 15 days.
    for _ in 0..4 {
        shed.extend(store.forget(0, now, UtcTime::from_nanos(0)).unwrap());
    }
    shed.sort_unstable();
    assert_eq!(shed, (1..=800).collect::<Vec<u64>>());
    assert!(store.forget(0, now, UtcTime::from_nanos(0)).unwrap().is_empty());
    drop(store);
    let store = opened(dir.path());
    assert_eq!((store.shed(), store.shed_telemetry()), (800, 100), "counted for ever");
}

#[test]
fn housekeeping_looks_at_a_bounded_part_of_what_waits() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path());
    let day = 24 * 3_600_000_000_000i64;
    store.commit(&at((1..=3000).map(|n| event("a", n, 0, made(false))), Some(day))).unwrap();
    let now = Some(UtcTime::from_nanos(30 * day));
    // Over its quota: it is looked through for telemetry, a part a call, before a fact goes.
    let calls =
        (0..).take_while(|_| store.forget(0, now, UtcTime::from_nanos(0)).unwrap().is_empty());
    assert_eq!(calls.count(), (3000 - 256) / 512);
    assert_eq!(store.shed(), 512);
}

/// What 15 days without a link may hold within the default quota, by the bytes of a real store.
#[test]
fn fifteen_days_of_a_real_box_fit_the_default_quota() {
    use crate::uplink::settings::{DEFAULT_QUOTA_BYTES, EVENTS_OF_FIFTEEN_DAYS};
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path());
    // As a game tells them: of two attempts one goes in.
    let told = (1..=500).flat_map(|n| {
        let mut told = vec![
            event("court-of-a-long-name", n, 0, made(true)),
            event("court-of-a-long-name", n, 1, made(false)),
            event("court-of-a-long-name", n + 100_000, 0, score(n)),
        ];
        told.extend(
            (n % 2 == 1).then(|| event("court-of-a-long-name", n + 200_000, 0, highlight(n))),
        );
        told
    });
    let told: Vec<Event> = told.collect();
    let count = told.len() as u64;
    store.commit(&batch(told)).unwrap();
    let each = store.bytes().div_ceil(count);
    assert!((300..1200).contains(&each), "{each} bytes an event");
    let needed = EVENTS_OF_FIFTEEN_DAYS * each;
    assert!(needed <= DEFAULT_QUOTA_BYTES, "{needed} of {DEFAULT_QUOTA_BYTES}, {each} an event");
}

#[test]
fn a_store_whose_making_was_cut_short_is_put_aside() {
    for len in [1, 4096, 1 << 20] {
        let dir = tempfile::tempdir().unwrap();
        fs::File::create(dir.path().join(FILE)).unwrap().set_len(len).unwrap();
        let Opened { mut store, damaged, .. } =
            open(&real(), dir.path(), UtcTime::from_nanos(0)).unwrap();
        assert!(damaged.is_some(), "{len}");
        assert_eq!(
            store.commit(&batch([event("a", 1, 0, made(false))])).unwrap()[0].header.position,
            1
        );
    }
}

#[test]
fn a_damaged_store_is_put_aside_and_a_new_one_begun() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    drop(opened(dir.path()));
    let mut bytes = fs::read(&path).unwrap();
    for byte in bytes.iter_mut().skip(9).take(4096 * 2) {
        *byte ^= 0x5a;
    }
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    io::Write::write_all(&mut file, &bytes).unwrap();
    drop(file);
    let Opened { mut store, damaged, .. } =
        open(&real(), dir.path(), UtcTime::from_nanos(0)).unwrap();
    assert!(damaged.is_some_and(|damaged| damaged.path.exists()));
    assert_eq!(
        store.commit(&batch([event("a", 1, 0, made(false))])).unwrap()[0].header.position,
        1
    );
}

/// Twenty events of two courts, eight acknowledged, one parked; a log with a checkpoint.
fn stored(dir: &Path) -> (Vec<Record>, BTreeSet<u64>) {
    let mut store = opened(dir);
    let mut told = Vec::new();
    for n in 1..=10 {
        let mut batch = batch([event("a", n, 0, made(false)), event("b", n, 0, score(n))]);
        let entry =
            |log: &str, checkpoint| LogEntry { log: log.into(), checkpoint, bytes: vec![9; 40] };
        batch.log.extend([(1, entry("game/a", n == 4)), (1, entry("game/b", false))]);
        told.extend(store.commit(&batch).unwrap());
    }
    let marks = Batch {
        acknowledged: (1..=8).map(|at| (at, 5)).collect(),
        refused: [(9, 0x90)].into(),
        ..Batch::default()
    };
    store.commit(&marks).unwrap();
    (told, (9..=20).collect())
}

/// What an opening makes of a file: the events that are there, and those that are to be sent.
fn looked_at(dir: &Path, what: &str) -> (Opened, Vec<Record>, BTreeSet<u64>) {
    let opened = open(&real(), dir, UtcTime::from_nanos(0));
    let opened = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
    let there = opened.store.replay(None, 0, 100).unwrap();
    let waiting = opened.store.waiting().unwrap().into_iter().map(|(at, _)| at).collect();
    (opened, there, waiting)
}

#[test]
fn whatever_becomes_of_its_file_a_store_opens_and_never_takes_damage_for_an_event() {
    let kept = tempfile::tempdir().unwrap();
    let (told, unsent) = stored(kept.path());
    let whole = fs::read(kept.path().join(FILE)).unwrap();
    let pages: Vec<usize> = (0..whole.len() / 4096)
        .filter(|page| whole[page * 4096..(page + 1) * 4096].iter().any(|byte| *byte != 0))
        .collect();
    assert!(pages.len() > 12, "{} pages are in use", pages.len());
    // Where each event's own bytes lie, once or more.
    let places: Vec<(Vec<u8>, Vec<usize>)> = told
        .iter()
        .map(|record| {
            let bytes = record.encode().unwrap();
            let lies = |at: &usize| whole[*at..].starts_with(&bytes);
            let places: Vec<usize> = (0..whole.len()).filter(lies).collect();
            assert!(!places.is_empty(), "{record:?}");
            (bytes, places)
        })
        .collect();
    let mut forms: Vec<(String, Vec<u8>)> = Vec::new();
    let longer: Vec<u8> = (0..50_000).map(|n| (n * 151 % 251) as u8).collect();
    forms.push(("longer".to_owned(), [whole.as_slice(), &longer].concat()));
    for page in &pages {
        let at = page * 4096;
        let mut zeroed = whole.clone();
        zeroed[at..at + 4096].fill(0);
        forms.push((format!("page {page} zeroed"), zeroed));
        let mut noise = whole.clone();
        let mut state = 0x9e37_79b9_7f4a_7c15u64 ^ *page as u64;
        for byte in &mut noise[at..at + 4096] {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (state >> 56) as u8;
        }
        forms.push((format!("page {page} noise"), noise));
        for bit in (0..4096 * 8).step_by(8 * 131 + 3) {
            let mut turned = whole.clone();
            turned[at + bit / 8] ^= 1 << (bit % 8);
            forms.push((format!("page {page}, bit {bit} turned"), turned));
        }
    }
    for len in [0, 1, 9, 320, 4096, 4097, whole.len() / 2, whole.len() - 4096, whole.len() - 1] {
        forms.push((format!("cut to {len}"), whole[..len].to_vec()));
    }
    let (mut damaged, mut kept_all) = (0, 0);
    for (what, bytes) in forms {
        let dir = tempfile::tempdir().unwrap();
        let mut file = fs::File::create(dir.path().join(FILE)).unwrap();
        io::Write::write_all(&mut file, &bytes).unwrap();
        drop(file);
        let (mut opened, there, waiting) = looked_at(dir.path(), &what);
        for record in &there {
            let at = record.header.position as usize;
            assert_eq!(record, &told[at - 1], "{what}: an event that was never told");
        }
        // Each whose own bytes are intact is there, whatever leads to it.
        for (record, (is, places)) in told.iter().zip(&places) {
            let intact =
                places.iter().any(|at| bytes.get(*at..).is_some_and(|part| part.starts_with(is)));
            assert!(
                !intact || there.contains(record),
                "{what}: {} is gone",
                record.header.position
            );
        }
        let is_whole = there == told && unsent.is_subset(&waiting);
        let is_told = opened.damaged.is_some() || what == "cut to 0";
        assert!(is_told || is_whole, "{what}: {} events, {waiting:?}, and not a word", there.len());
        if let Some(Damaged { path, salvaged }) = &opened.damaged {
            assert!(path.exists(), "{what}: put nowhere");
            assert_eq!(salvaged.events, there.len() as u64, "{what}");
            assert!(!salvaged.whole || is_whole, "{what}: said to be whole");
            damaged += 1;
            kept_all += u32::from(is_whole);
        }
        // It goes on from there, and opens again.
        let next = opened.store.commit(&batch([event("c", 1, 0, made(false))])).unwrap();
        let next = next[0].header.position;
        assert!(there.iter().all(|record| record.header.position < next), "{what}");
        drop(opened);
        let (opened, again, _) = looked_at(dir.path(), &what);
        assert!(opened.damaged.is_none(), "{what}: damaged again");
        assert_eq!(again.len(), there.len() + 1, "{what}");
    }
    assert!(damaged > 20 && kept_all > 0, "{damaged} damaged, {kept_all} of them with every event");
}

#[test]
fn a_log_with_a_hole_makes_no_game_until_a_checkpoint_stands_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    stored(dir.path());
    let mut store = opened(dir.path());
    let logs = store.recover().unwrap().logs;
    assert_eq!(logs["game/a"].first().map(|(n, _)| *n), Some(4));
    assert_eq!(logs["game/b"].len(), 10);
    let write = store.database().unwrap().begin_write().unwrap();
    write.open_table(LOG).unwrap().remove(("game/a", 2)).unwrap();
    write.open_table(LOG).unwrap().remove(("game/b", 2)).unwrap();
    write.commit().unwrap();
    let found = store.recover().unwrap();
    assert_eq!(found.broken_logs, ["game/b"], "what is gone of a lies before its checkpoint");
    let entry = LogEntry { log: "game/b".into(), checkpoint: true, bytes: vec![1] };
    store.commit(&Batch { log: vec![(1, entry)], ..Batch::default() }).unwrap();
    assert_eq!(store.recover().unwrap().broken_logs, [""; 0]);
}

#[test]
fn a_cut_between_putting_aside_and_taking_back_loses_no_event() {
    let dir = tempfile::tempdir().unwrap();
    let (told, unsent) = stored(dir.path());
    // As a run leaves it that was cut: the file has its new name, the new store has nothing in it.
    real()
        .rename(&dir.path().join(FILE), &dir.path().join("outbox.damaged-2026-11-30-01.redb"))
        .unwrap();
    drop(Store::at(&real(), &dir.path().join(FILE)).unwrap());
    let (opened, there, waiting) = looked_at(dir.path(), "cut");
    assert_eq!((there, waiting), (told.clone(), unsent));
    assert!(opened.damaged.is_some_and(|damaged| damaged.salvaged.whole));
    drop(opened.store);
    drop(opened.lock);
    let (opened, there, _) = looked_at(dir.path(), "again");
    assert!(opened.damaged.is_none(), "once");
    assert_eq!(there, told);
}

/// A disk on which a box ran: its ring's index lies there.
fn lived_in() -> (crate::disk::ForgetfulDisk, Arc<dyn Disk>) {
    let disk = crate::disk::ForgetfulDisk::new();
    disk.create_dir_all(Path::new("/box/ring")).unwrap();
    crate::disk::write_durably(&disk, Path::new("/box/ring/segments.index"), b"{}\n").unwrap();
    (disk.clone(), Arc::new(disk))
}

#[test]
fn a_store_that_was_emptied_or_taken_away_is_told_where_this_box_had_one() {
    let dir = Path::new("/box/outbox");
    let path = dir.join(FILE);
    let start = |disk: &Arc<dyn Disk>| open(disk, dir, UtcTime::from_nanos(0)).unwrap();
    for emptied in [true, false] {
        let (forgetful, disk) = lived_in();
        // A box that ran, and whose outbox is new, lost the one that it had.
        drop(start(&disk));
        assert!(!forgetful.harms().is_empty(), "emptied {emptied}");
        let forgetful = forgetful.apart();
        let disk: Arc<dyn Disk> = Arc::new(forgetful.clone());
        start(&disk).store.commit(&batch([event("a", 1, 0, made(false))])).unwrap();
        assert_eq!(forgetful.harms(), [], "nothing is wrong with it");
        if emptied {
            forgetful.replace(&path, b"");
        } else {
            forgetful.lose(&path);
        }
        let Opened { mut store, damaged, .. } = start(&disk);
        let harms = forgetful.harms();
        if emptied {
            assert!(damaged.is_some_and(|damaged| !damaged.salvaged.whole));
            assert!(
                forgetful.files().iter().any(|file| file.to_string_lossy().contains(".damaged-"))
            );
        } else {
            assert_eq!(harms.iter().map(|harm| &harm.path).collect::<Vec<_>>(), [&path]);
            assert!(harms[0].why.contains("not there, though this box had one"), "{harms:?}");
        }
        store.commit(&batch([event("a", 2, 0, made(false))])).unwrap();
    }
    // A box that never ran has none, and a cut while its first is made leaves an empty one.
    let forgetful = crate::disk::ForgetfulDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(forgetful.clone());
    disk.create_dir_all(dir).unwrap();
    forgetful.replace(&path, b"");
    assert!(start(&disk).damaged.is_none());
    assert_eq!(forgetful.harms(), []);
}

#[test]
fn folders_where_files_belong_and_a_file_where_the_folder_does_stop_no_start() {
    for (what, is_folder) in [(FILE, true), ("lock", true), ("", false)] {
        let data = tempfile::tempdir().unwrap();
        let dir = data.path().join("outbox");
        if is_folder {
            fs::create_dir_all(dir.join(what)).unwrap();
        } else {
            drop(fs::File::create(&dir).unwrap());
        }
        let Opened { mut store, damaged, .. } = open(&real(), &dir, UtcTime::from_nanos(0))
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(damaged.is_some(), what == FILE, "{what}");
        store.commit(&batch([event("a", 1, 0, made(false))])).unwrap();
        let beside = if is_folder { &dir } else { data.path() };
        let names = crate::uplink::outbox::open::names(&RealDisk::new(), beside).unwrap();
        assert!(names.iter().any(|name| name.contains(".damaged-")), "{what}: {names:?}");
    }
}

#[test]
fn what_was_promised_is_in_its_place_when_somebody_took_the_file_away_or_put_another_there() {
    let dir = Path::new("/box/outbox");
    let path = dir.join(FILE);
    for replaced in [false, true] {
        let forgetful = crate::disk::ForgetfulDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(forgetful.clone());
        let mut store = open(&disk, dir, UtcTime::from_nanos(0)).unwrap().store;
        let mut told =
            store.commit(&batch((1..=9).map(|n| event("a", n, 0, made(false))))).unwrap();
        store.commit(&Batch { acknowledged: [(1, 5)].into(), ..Batch::default() }).unwrap();
        assert!(!store.keep_place().unwrap(), "it lies where it should");
        if replaced {
            forgetful.replace(&path, b"somebody else's");
        } else {
            forgetful.lose(&path);
        }
        // Nobody says no to what is written to a file without a name.
        told.extend(store.commit(&batch([event("a", 10, 0, made(false))])).unwrap());
        assert!(store.keep_place().unwrap());
        assert!(!store.keep_place().unwrap(), "once");
        told.extend(store.commit(&batch([event("a", 11, 0, made(false))])).unwrap());
        assert_eq!(forgetful.harms().len(), 1, "{:?}", forgetful.harms());
        drop(store);
        let store = open(&disk, dir, UtcTime::from_nanos(0)).unwrap().store;
        assert_eq!(store.replay(None, 0, 100).unwrap(), told);
        let waiting: Vec<u64> = store.waiting().unwrap().into_iter().map(|(at, _)| at).collect();
        assert_eq!(waiting, (2..=11).collect::<Vec<_>>());
        assert_eq!(store.recover().unwrap().courts.len(), 1);
    }
}
