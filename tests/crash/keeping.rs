//! What is asked of the clips: keep this, let it go, forget it; and what a repair does.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use courtside::clips::{
    AuditRecord, Clip, Delete, DeleteWhat, Deleted, Interval, Keep, KeepWhat, RingReader,
    RingSettings, ShelfError, repair,
};
use courtside::clock::Clock;
use courtside::disk::{Disk, ForgetfulDisk, OpenHow, read_whole};
use courtside::event::Saying;
use courtside::media::{CourtId, Foreign, MediaTime, SessionId, StreamItem, UtcTime};

use crate::ring::{TestRing, settings};
use crate::synthetic::{parameters, picture, tenths};
use crate::{DIR, SESSION, clips, feed, open, small, verify};

/// What was said of clips since it was asked last: `{id} {what} .{revision}`.
fn news(tested: &TestRing) -> Vec<String> {
    let news = std::iter::from_fn(|| tested.news.try_take());
    let events = news.flat_map(|decision| {
        let _gone = decision.waits.map(|waits| waits.send(())); // the outbox has it
        decision.events
    });
    let told = events.map(|event| match event.saying {
        Saying::Clip(told) => format!("{} {} .{}", told.id, told.state, event.revision),
        other => panic!("{other:?}"),
    });
    told.collect()
}

fn stream(from: i64, to: i64) -> Interval {
    let (from, to) = (MediaTime::from_millis(from), MediaTime::from_millis(to));
    Interval::Stream { court: None, session: SESSION, from, to }
}

pub(crate) fn keep(what: KeepWhat) -> Keep {
    let (reason, by) = (Foreign::text("asked"), Foreign::told("test"));
    Keep { what, reason, note: Some(Foreign::text("a dunk")), until: None, by }
}

pub(crate) fn kept(tested: &mut TestRing, keep: Keep) -> Result<Clip, ShelfError> {
    let shelf = tested.ring.shelf();
    tested.asks(async move { shelf.keep(keep).await }).expect("answered")
}

pub(crate) fn named(
    tested: &mut TestRing,
    from: i64,
    to: i64,
    id: &str,
) -> Result<Clip, ShelfError> {
    kept(tested, keep(KeepWhat::Interval(stream(from, to), Some(id.to_owned()))))
}

pub(crate) fn release(tested: &mut TestRing, id: &'static str) -> Result<Clip, ShelfError> {
    let shelf = tested.ring.shelf();
    tested.asks(async move { shelf.release(id).await }).expect("answered")
}

pub(crate) fn deletes(tested: &mut TestRing, what: DeleteWhat) -> Result<Deleted, ShelfError> {
    let shelf = tested.ring.shelf();
    let delete = Delete { what, reason: None, by: Foreign::told("test") };
    tested.asks(async move { shelf.delete(delete).await }).expect("answered")
}

/// The numbers of the pictures of `feed` whose bytes can be read anywhere in the ring.
fn readable(disk: &ForgetfulDisk, range: std::ops::Range<u64>, bytes: usize) -> BTreeSet<u64> {
    let mut files = Vec::new();
    for dir in ["segments", "clips", ""] {
        let dir = Path::new(DIR).join(dir);
        for file in disk.list(&dir).expect("list").iter().filter(|file| !file.is_dir) {
            files.push(read_whole(disk, &dir.join(&file.name), 1 << 30).expect("read"));
        }
    }
    let is_there = |n: &u64| {
        let StreamItem::Video(unit) = picture(SESSION, *n, 0, false, bytes, &parameters(0)) else {
            unreachable!("a picture")
        };
        let part = &unit.data[..40];
        files.iter().any(|file| file.windows(40).any(|window| window == part))
    };
    range.filter(is_there).collect()
}

#[test]
fn an_interval_is_kept_by_the_stream_by_the_wall_and_up_to_now() {
    let disk = ForgetfulDisk::new();
    let mut tested = open(&disk, settings(DIR.into()));
    let begun = tested.clock.utc();
    feed(&mut tested, 0..100, 1000);
    let of_stream = named(&mut tested, 3000, 5000, "mine").expect("kept");
    assert!(of_stream.pinned && of_stream.kept.is_some());
    let media = of_stream.media.expect("bytes");
    assert_eq!((media.start_ns, of_stream.from_ns), (3_000_000_000, 3_000_000_000));
    assert_eq!(news(&tested), ["mine kept .0"]);
    // The same again is the same, and tells nothing new; another interval is not the same.
    let again = named(&mut tested, 3000, 5000, "mine").expect("kept");
    assert_eq!(again.media.as_ref().map(|media| &media.sha256), Some(&media.sha256));
    assert!(matches!(named(&mut tested, 3000, 6000, "mine"), Err(ShelfError::Taken { .. })));
    assert_eq!(news(&tested), Vec::<String>::new());
    assert_eq!(clips(&disk).len(), 1);

    // The clock of the box was so far when the pictures came.
    let at = |ms: i64| begun.plus_nanos(ms * 1_000_000);
    let wall = Interval::Wall { court: None, from: at(3000), to: at(5000) };
    let of_wall = kept(&mut tested, keep(KeepWhat::Interval(wall, None))).expect("kept");
    assert!((of_wall.from_ns - 3_000_000_000).abs() <= 100_000_000, "{}", of_wall.from_ns);
    let yesterday = at(-86_400_000);
    let wall = Interval::Wall { court: None, from: yesterday, to: yesterday.plus_nanos(1) };
    let none = kept(&mut tested, keep(KeepWhat::Interval(wall, None)));
    assert!(matches!(none, Err(ShelfError::NotRecorded { .. })), "{none:?}");

    feed(&mut tested, 100..140, 1000);
    let by = Duration::from_secs(3);
    let last = Interval::Last { court: None, by };
    let shelf = tested.ring.shelf();
    let wanted = keep(KeepWhat::Interval(last, Some("last".into())));
    let clip = tested.asks(async move { shelf.keep(wanted).await }).expect("answered");
    let clip = clip.expect("kept");
    assert_eq!(clip.to_ns - clip.from_ns, 3_000_000_000);
    assert!(clip.to_ns >= 13_000_000_000, "{}", clip.to_ns);
    assert!(clip.media.is_some_and(|media| media.start_ns <= clip.from_ns));
    tested.join();
    verify(&disk).expect("whole");
}

#[test]
fn a_keep_that_does_not_fit_is_refused_with_the_sum_and_leaves_nothing() {
    let disk = ForgetfulDisk::new();
    let reserve = RingSettings { reserve_bytes: Some(15_000), ..settings(DIR.into()) };
    let mut tested = open(&disk, reserve);
    feed(&mut tested, 0..100, 1000);
    let before = tested.ring.status().storage;
    let refused = named(&mut tested, 1000, 2000, "too-much").expect_err("100 kB do not fit");
    let ShelfError::Reserve { more, pinned, reserve } = refused else { panic!("{refused}") };
    assert!(more > 90_000 && (pinned, reserve) == (0, 15_000), "{more} {pinned} {reserve}");
    let text = refused.to_string();
    assert!(text.contains(&more.to_string()) && text.contains("0 of the 15000"), "{text}");
    let after = tested.ring.status().storage;
    assert_eq!((before.pinned_bytes, before.clips), (after.pinned_bytes, after.clips));
    assert!(clips(&disk).is_empty() && news(&tested).is_empty());
}

#[test]
fn a_clip_that_was_released_is_kept_again_until_it_is_gone() {
    let disk = ForgetfulDisk::new();
    let mut tested = open(&disk, small());
    feed(&mut tested, 0..20, 1000);
    tested.closed(SESSION);
    tested.request("shot", SESSION, (0, 1000));
    assert_eq!(release(&mut tested, "shot").expect("released").state(), "command");
    // Twice is once.
    assert!(!release(&mut tested, "shot").expect("released").pinned);
    let again = kept(&mut tested, keep(KeepWhat::Clip("shot".into()))).expect("kept");
    assert!(again.pinned && again.ended.is_none());
    assert_eq!(
        clips(&disk)["shot"].kept.as_ref().and_then(|kept| kept.note.clone()),
        Some(Foreign::text("a dunk"))
    );
    // Its days count anew, and other footage goes first.
    fill(&mut tested, 0xc2);
    assert!(clips(&disk)["shot"].media.is_some());
    release(&mut tested, "shot").expect("released");
    fill(&mut tested, 0xc3);
    let gone = &clips(&disk)["shot"];
    assert_eq!((gone.state(), gone.media.is_none()), ("gone", true), "{gone:?}");
    assert!(gone.note.as_deref().is_some_and(|note| note.contains("released")), "{gone:?}");
    let refused = kept(&mut tested, keep(KeepWhat::Clip("shot".into())));
    assert!(matches!(refused, Err(ShelfError::Gone)), "{refused:?}");
    assert_eq!(news(&tested), ["shot kept .0", "shot gone .1"]);
    let status = tested.ring.status();
    assert_eq!((status.clips_evicted, status.clips_ended), (1, vec![("command", 2)]));
    assert_eq!(status.storage.clips, 0);
    // A start knows it as well, with the index and without.
    tested.join();
    for without_index in [false, true] {
        if without_index {
            disk.remove(&Path::new(DIR).join("clips.index")).expect("there");
        }
        let tested = TestRing::open(small(), Arc::new(disk.clone())).expect("ring");
        let shelf = tested.ring.shelf();
        assert_eq!(shelf.read("shot").expect("an entry").state(), "gone");
        tested.join();
    }
    // And after its days nobody knows of it any more.
    let mut tested = TestRing::open(small(), Arc::new(disk.clone())).expect("ring");
    (0..31).for_each(|_| tested.wait(Duration::from_secs(86_400)));
    tested.wait(Duration::from_secs(86_400));
    assert!(clips(&disk).is_empty(), "{:?}", clips(&disk));
}

/// 80 kB of another session: more than the quota of `small`.
pub(crate) fn fill(tested: &mut TestRing, session: u64) {
    let session = SessionId::from_bits(session);
    tested.opened(session);
    for n in 0..80_u64 {
        let ms = i64::try_from(n).expect("small") * 100;
        // Segments of 2 s, so that the oldest can go.
        let kind = parameters(u8::try_from(n / 20).expect("small"));
        tested.feed(picture(session, n, ms, n % 20 == 0, 1000, &kind));
    }
    tested.closed(session);
}

#[test]
fn a_pin_ends_when_somebody_said_it_should() {
    let disk = ForgetfulDisk::new();
    let mut tested = open(&disk, settings(DIR.into()));
    feed(&mut tested, 0..50, 1000);
    tested.closed(SESSION);
    let day = Duration::from_secs(86_400);
    let at = |tested: &TestRing, days: i64| {
        Some(tested.clock.utc().plus_nanos(days * 86_400_000_000_000))
    };
    for (id, days) in [("short", Some(3)), ("usual", None), ("long", Some(60))] {
        let until = days.and_then(|days| at(&tested, days));
        let what = KeepWhat::Interval(stream(1000, 2000), Some(id.to_owned()));
        kept(&mut tested, Keep { until, ..keep(what) }).expect("kept");
    }
    let pinned = || -> Vec<String> {
        let clips = clips(&disk);
        clips.values().filter(|clip| clip.pinned).map(|clip| clip.id.clone()).collect()
    };
    (0..2).for_each(|_| tested.wait(day));
    assert_eq!(pinned(), ["long", "short", "usual"]);
    (0..2).for_each(|_| tested.wait(day));
    assert_eq!(pinned(), ["long", "usual"]);
    (0..30).for_each(|_| tested.wait(day));
    assert_eq!(pinned(), ["long"]);
    // What was said survives a start that has no index.
    tested.join();
    disk.remove(&Path::new(DIR).join("clips.index")).expect("there");
    let mut tested = TestRing::open(settings(DIR.into()), Arc::new(disk.clone())).expect("ring");
    let ahead = UtcTime::from_nanos(1_800_000_000_000_000_000 + 50 * 86_400_000_000_000);
    tested.clock.step_utc(ahead);
    (0..90).for_each(|_| tested.wait(Duration::from_secs(60)));
    assert_eq!(pinned(), ["long"]);
    (0..30).for_each(|_| tested.wait(day));
    assert_eq!(pinned(), Vec::<String>::new());
}

#[test]
fn what_is_deleted_cannot_be_read_and_what_is_beside_it_can() {
    let disk = ForgetfulDisk::new();
    let mut tested = open(&disk, settings(DIR.into()));
    feed(&mut tested, 0..100, 1000);
    for (id, from, to) in [("before", 1000, 2400), ("over", 2000, 5200), ("behind", 7000, 9000)] {
        named(&mut tested, from, to, id).expect("kept");
    }
    drop(news(&tested));
    let before = clips(&disk);
    // The court goes on playing: its segment is ended, and goes on in another.
    let deleted = deletes(&mut tested, DeleteWhat::Interval(stream(4000, 5000))).expect("deleted");
    assert_eq!((&deleted.clips[..], deleted.holed), (&["over".to_owned()][..], 1));
    assert!(deleted.bytes > 10_000, "{deleted:?}");
    let there = readable(&disk, 0..100, 1000);
    assert!((40..=50).all(|n| !there.contains(&n)), "{there:?}");
    assert!((0..35).chain(55..95).all(|n| there.contains(&n)), "{there:?}");
    let after = clips(&disk);
    for id in ["before", "behind"] {
        assert_eq!(after[id], before[id], "R7");
    }
    let over = &after["over"];
    assert_eq!((over.state(), over.pinned, over.media.is_none()), ("deleted", false, true));
    assert_eq!((over.note.as_deref(), over.kept.as_ref()), (Some("deleted on demand"), None));
    assert_eq!(news(&tested), ["over deleted .2"]);
    verify(&disk).expect("whole");
    feed(&mut tested, 100..160, 1000);
    // Across the hole there is no clip that decodes through it.
    let across = named(&mut tested, 3500, 6500, "across").expect("what is left of it");
    let media = across.media.expect("bytes");
    assert!(
        across.note.is_some() && (media.end_ns <= 4_000_000_000 || media.start_ns >= 5_000_000_000)
    );
    assert!(named(&mut tested, 12_000, 14_000, "later").expect("kept").note.is_none());
    assert_eq!(tested.ring.status().courts[0].lost_pictures, 0, "the court lost nothing by it");
    tested.closed(SESSION);

    // A clip is forgotten with the footage that it was made of.
    let deleted = deletes(&mut tested, DeleteWhat::Clip("behind".into())).expect("deleted");
    assert_eq!(deleted.clips, ["behind"]);
    assert!((70..90).all(|n| !readable(&disk, 0..160, 1000).contains(&n)));
    // A session: all of it.
    let deleted = deletes(&mut tested, DeleteWhat::Session(SESSION)).expect("deleted");
    assert!(deleted.segments >= 2, "{deleted:?}");
    assert!(readable(&disk, 0..160, 1000).is_empty());
    let none = deletes(&mut tested, DeleteWhat::Session(SESSION));
    assert!(matches!(none, Err(ShelfError::NotRecorded { .. })), "{none:?}");
    tested.join();
    verify(&disk).expect("whole");

    // Who, when, what, how much; never what was to be seen.
    let (audit, damaged) = RingReader::open(Path::new(DIR), Arc::new(disk.clone()))
        .expect("ring")
        .audit()
        .expect("log");
    let kinds: Vec<_> = audit
        .iter()
        .map(|record| match record {
            AuditRecord::Format(_) => "format".to_owned(),
            AuditRecord::Asked(asked) => format!("asked {}", asked.number),
            AuditRecord::Done { number, .. } => format!("done {number}"),
            AuditRecord::Failed { number, .. } => format!("failed {number}"),
        })
        .collect();
    assert_eq!(kinds, ["format", "asked 1", "done 1", "asked 2", "done 2", "asked 3", "done 3"]);
    assert_eq!(damaged, 0);
    let bytes = read_whole(&disk, &Path::new(DIR).join("audit.log"), 1 << 20).expect("there");
    assert!(!String::from_utf8_lossy(&bytes).contains("a dunk"), "no notes");
    // A segment that is written anew is found by a start, without its index too.
    disk.remove(&Path::new(DIR).join("segments.index")).expect("there");
    drop(TestRing::open(settings(DIR.into()), Arc::new(disk.clone())).expect("ring"));
}

#[test]
fn a_time_of_the_wall_is_deleted_in_each_session_of_it() {
    let disk = ForgetfulDisk::new();
    let mut tested = open(&disk, settings(DIR.into()));
    let begun = tested.clock.utc();
    feed(&mut tested, 0..100, 1000);
    tested.closed(SESSION);
    let second = SessionId::from_bits(0xc2);
    tested.opened(second);
    tenths(second, 0..100, 1000).for_each(|item| tested.feed(item));
    tested.closed(second);
    tested.request("one", SESSION, (8500, 9500));
    tested.request("two", second, (200, 900));
    tested.request("three", second, (8000, 9000));
    let at = |ms: i64| begun.plus_nanos(ms * 1_000_000);
    let court = Some(CourtId::new("a").expect("name"));
    let wall = Interval::Wall { court, from: at(9000), to: at(10_500) };
    let deleted = deletes(&mut tested, DeleteWhat::Interval(wall)).expect("deleted");
    assert_eq!((deleted.clips, deleted.holed), (vec!["one".to_owned(), "two".to_owned()], 2));
    assert!(clips(&disk)["three"].media.is_some());
    tested.join();
    verify(&disk).expect("whole");
}

#[test]
fn what_cannot_be_written_is_not_deleted_in_part_and_forgotten() {
    let disk = ForgetfulDisk::new();
    let mut tested = open(&disk, settings(DIR.into()));
    feed(&mut tested, 0..100, 1000);
    tested.closed(SESSION);
    disk.fail_syncs(true);
    let refused = deletes(&mut tested, DeleteWhat::Interval(stream(4000, 5000)));
    assert!(matches!(refused, Err(ShelfError::Disk(_))), "{refused:?}");
    disk.fail_syncs(false);
    let deleted = deletes(&mut tested, DeleteWhat::Interval(stream(4000, 5000))).expect("deleted");
    assert_eq!(deleted.holed, 1);
    tested.join();
    verify(&disk).expect("whole");
}

/// What `verify` finds, by the end of the path.
fn found(disk: &ForgetfulDisk) -> Vec<(String, String)> {
    let reader = RingReader::open(Path::new(DIR), Arc::new(disk.clone())).expect("ring");
    let mut found = Vec::new();
    let tell = |finding: courtside::clips::Finding| {
        let name = finding.path.file_name().expect("a name").to_string_lossy().into_owned();
        found.extend(finding.wrong.map(|wrong| (name, wrong)));
    };
    reader.verify(tell).expect("read");
    found
}

fn file(disk: &ForgetfulDisk, name: &str) -> Box<dyn courtside::disk::DiskFile> {
    disk.open(&Path::new(DIR).join(name), OpenHow::ReadWrite).expect("there")
}

/// A ring of four segments, one clip in each.
fn four(disk: &ForgetfulDisk) -> Vec<String> {
    let mut tested = open(disk, settings(DIR.into()));
    for n in 0..160_u64 {
        let ms = i64::try_from(n).expect("small") * 100;
        let kind = parameters(u8::try_from(n / 40).expect("small"));
        tested.feed(picture(SESSION, n, ms, n % 10 == 0, 1000, &kind));
    }
    tested.closed(SESSION);
    for n in 0..4 {
        let ms = i64::from(n) * 4000;
        tested.request(&format!("c{n}"), SESSION, (ms + 1000, ms + 2000));
    }
    tested.join();
    let mut names: Vec<_> = disk
        .list(&Path::new(DIR).join("segments"))
        .expect("list")
        .into_iter()
        .map(|f| f.name)
        .collect();
    names.sort();
    names
}

#[test]
fn verify_finds_what_is_wrong_and_repair_mends_what_can_be() {
    let disk = ForgetfulDisk::new();
    let segments = four(&disk);
    assert_eq!((segments.len(), found(&disk)), (4, Vec::new()));

    // One bit of an entry, in a place where it reads on.
    let entry = file(&disk, "clips/c0.json");
    let bytes = read_whole(&disk, &Path::new(DIR).join("clips/c0.json"), 1 << 20).expect("there");
    let at = bytes.windows(6).position(|part| part == b"\"made\"").expect("its reason") + 1;
    entry.write_at(at as u64, &[bytes[at] ^ 1]).expect("flipped");
    let [(name, wrong)] = &found(&disk)[..] else { panic!("{:?}", found(&disk)) };
    assert!(name == "c0.json" && wrong.contains("not those that were written"), "{name} {wrong}");
    // Nothing says what it was: it is left, and told.
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let now = UtcTime::from_nanos(1_800_000_100_000_000_000);
    let (_, left) = repair(Path::new(DIR), &shared, now).expect("mended");
    assert_eq!(left.len(), 1, "{left:?}");
    entry.write_at(at as u64, &bytes[at..=at]).expect("flipped back");
    assert_eq!(found(&disk), Vec::new());

    // One that cannot be read; a segment of zeros; one that is not there; a stray file of each kind.
    entry.write_at(0, b"#").expect("rots");
    let whole = |n: usize| {
        let path = Path::new(DIR).join("segments").join(&segments[n]);
        read_whole(&disk, &path, 1 << 24).expect("there")
    };
    let were = [1, 2].map(whole);
    let zeroed = file(&disk, &format!("segments/{}", segments[1]));
    let len = zeroed.len().expect("length");
    zeroed.write_at(0, &vec![0; usize::try_from(len).expect("small")]).expect("zeroed");
    disk.remove(&Path::new(DIR).join("segments").join(&segments[2])).expect("there");
    for name in ["segments/stray.mp4", "clips/not a clip.json", "segments/x.mp4.new", "token"] {
        disk.open(&Path::new(DIR).join(name), OpenHow::CreateNew).expect("made");
    }
    // And an index with a bad line.
    let index = file(&disk, "clips.index");
    index.write_at(30, b"#").expect("rots");
    let wrong = found(&disk);
    let has = |name: &str, text: &str| wrong.iter().any(|(n, w)| n == name && w.contains(text));
    assert!(has("c0.json", "cannot be read"), "{wrong:?}");
    assert!(has(&segments[1], "does not begin"), "{wrong:?}");
    assert!(has(&segments[2], "not on the disk"), "{wrong:?}");
    assert!(!wrong.iter().any(|(name, _)| name == "token"), "nobody else's files: {wrong:?}");

    // Not while a daemon has it.
    let held = disk.lock(&Path::new(DIR).join("lock")).expect("free");
    assert!(repair(Path::new(DIR), &shared, now).is_err(), "in use");
    drop(held);
    // What may come back is left, and what is known of it: here two segments, and the clips that they have.
    let of_left = |left: &[courtside::clips::Finding]| {
        let name = |one: &courtside::clips::Finding| {
            one.path.file_name().map(|name| name.to_string_lossy().into_owned())
        };
        left.iter().filter_map(name).collect::<Vec<_>>()
    };
    let may_come = [segments[1].as_str(), segments[2].as_str(), "c1.json", "c2.json"];
    let (mended, left) = repair(Path::new(DIR), &shared, now).expect("mended");
    assert_eq!(of_left(&left), may_come, "{left:?}");
    let did = |end: &str, text: &str| {
        mended.iter().any(|one| one.path.ends_with(end) && one.did.contains(text))
    };
    assert!(did("clips/c0.json", "put aside as c0.json.damaged-"), "{mended:?}");
    assert!(did("segments/stray.mp4", "put aside"), "{mended:?}");
    let (again, left) = repair(Path::new(DIR), &shared, now).expect("mended");
    assert_eq!((again, of_left(&left)), (Vec::new(), may_come.map(str::to_owned).into()));
    // It is there again: a disk that was not mounted, a copy that somebody had.
    for (n, were) in [1, 2].into_iter().zip(&were) {
        let path = Path::new(DIR).join("segments").join(&segments[n]);
        let back = disk.open(&path, OpenHow::CreateOrOpen).expect("made");
        back.write_at(0, were).expect("written");
    }
    assert_eq!(found(&disk), Vec::new());
    for clip in ["c1", "c2", "c3"] {
        assert_eq!(clips(&disk)[clip].state(), "pinned", "{clip}");
    }
    // The daemon goes on.
    let mut tested = TestRing::open(settings(DIR.into()), shared).expect("ring");
    tested.request("c0", SESSION, (1000, 2000));
    assert!(clips(&disk)["c0"].media.is_some(), "asked again");
}

#[test]
fn what_the_world_is_told_waits_for_room_and_never_holds_the_ring() {
    let disk = ForgetfulDisk::new();
    let mut tested = open(&disk, settings(DIR.into()));
    feed(&mut tested, 0..50, 1000);
    while tested.news.try_offer(courtside::event::Decision::default()).is_ok() {}
    named(&mut tested, 1000, 2000, "told-later").expect("kept all the same");
    feed(&mut tested, 50..60, 1000);
    while tested.news.try_take().is_some_and(|decision| decision.events.is_empty()) {}
    tested.wait(Duration::from_secs(1));
    assert_eq!(news(&tested), ["told-later kept .0"]);
}
