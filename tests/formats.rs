//! Every format that a ring ever had is read for ever; what is newer than this version is kept for the
//! version that wrote it.
//!
//! `tests/data/formats/ring-{n}` has one ring of each format (its README says how they were made): a
//! clip that is pinned, one whose pin ended, one that could not be made, numbers that were given up to 7.
#![cfg(test)]
#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::clone_on_ref_ptr,
    reason = "tests make their own files, and use half of what they share"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use courtside::clips::{
    CLIP_FORMAT, Clip, ClipQuery, INDEX_FORMAT, NEWS_FORMAT, PinEnd, RingReader, RingSettings,
    SEGMENT_FORMAT, ShelfError, line,
};
use courtside::disk::RealDisk;
use courtside::event::Saying;
use courtside::event::words::ClipWord;
use courtside::media::SessionId;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[path = "support/ring.rs"]
mod ring;
#[path = "support/synthetic.rs"]
mod synthetic;

use ring::{TestRing, settings};
use synthetic::{parameters, picture};

const SESSION: SessionId = SessionId::from_bits(0xb1);

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats").join(name)
}

/// A copy of a ring that is kept, in a folder of its own.
fn copy(format: u32) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a folder");
    for below in ["", "segments", "clips"] {
        let from = kept(&format!("ring-{format}")).join(below);
        fs::create_dir_all(to.path().join(below)).expect("made");
        for entry in fs::read_dir(from).expect("kept").flatten().filter(|e| e.path().is_file()) {
            fs::copy(entry.path(), to.path().join(below).join(entry.file_name())).expect("copied");
        }
    }
    to
}

fn open(dir: &Path, quota_bytes: u64) -> TestRing {
    let settings = RingSettings { quota_bytes, ..settings(dir.to_owned()) };
    TestRing::open(settings, Arc::new(RealDisk::new())).expect("ring")
}

fn clips(tested: &TestRing) -> BTreeMap<String, Clip> {
    let all = ClipQuery { after: 0, limit: 100, court: None };
    let clips = tested.ring.shelf().list(&all).clips;
    clips.into_iter().map(|clip| (clip.id.clone(), clip)).collect()
}

fn segments(dir: &Path) -> Vec<u64> {
    let reader = RingReader::open(dir, Arc::new(RealDisk::new())).expect("reader");
    reader.segments().map(|entry| entry.id).collect()
}

/// Records a second; returns the numbers of the segments that came about.
fn record(tested: &mut TestRing) -> Vec<u64> {
    tested.opened(SESSION);
    for n in 0..10_u64 {
        let ms = i64::try_from(n).expect("small") * 100;
        tested.feed(picture(SESSION, n, ms, n == 0, 20, &parameters(0)));
    }
    tested.closed(SESSION);
    tested.promises.fragments.lock().iter().map(|done| done.segment).collect()
}

fn entry(dir: &Path, id: &str) -> Value {
    let bytes = fs::read(dir.join(format!("clips/{id}.json"))).expect("there");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[test]
fn a_ring_of_every_format_is_read_and_brought_forward() {
    for format in 1..=SEGMENT_FORMAT.format {
        for without_index in [false, true] {
            let dir = copy(format);
            if without_index {
                fs::remove_file(dir.path().join("segments.index")).expect("there");
                fs::remove_file(dir.path().join("clips.index")).expect("there");
            }
            let mut tested = open(dir.path(), 1 << 20);
            assert_eq!(segments(dir.path()), [3, 6, 7], "{format}");
            let found = clips(&tested);
            let ids: Vec<_> = found.values().map(|clip| (clip.number, clip.id.as_str())).collect();
            assert_eq!(ids, [(2, "ended"), (3, "none"), (1, "pinned")], "{format}");
            assert_eq!(found["ended"].ended, Some(PinEnd::Command));
            let shelf = tested.ring.shelf();
            for id in ["pinned", "ended"] {
                let opened = shelf.open(&found[id]).expect("its bytes");
                let mut sum = Sha256::new();
                let all = |chunk: Vec<u8>| {
                    sum.update(chunk);
                    true
                };
                opened.read(0, opened.bytes(), all).expect("read");
                let sum: String = sum.finalize().iter().map(|b| format!("{b:02x}")).collect();
                assert_eq!(sum, found[id].media.as_ref().expect("media").sha256, "{format} {id}");
            }
            shelf.unpin("pinned").expect("taken");
            assert!(record(&mut tested).iter().all(|id| *id > 7), "no number twice");
            tested.join();
            assert_eq!(entry(dir.path(), "pinned")["format"], CLIP_FORMAT.format);
            let first = fs::read_to_string(dir.path().join("clips.index")).expect("there");
            let says = format!("\"format\":{}", INDEX_FORMAT.format);
            assert!(first.lines().next().is_some_and(|line| line.contains(&says)), "{first}");
            let mut wrong = Vec::new();
            let reader = RingReader::open(dir.path(), Arc::new(RealDisk::new())).expect("reader");
            reader.verify(|finding| wrong.extend(finding.wrong)).expect("verified");
            assert_eq!(wrong, Vec::<String>::new(), "{format}");
        }
    }
}

/// What a start tells of clips, from what a stop left: clip and word.
fn news(tested: &TestRing) -> Vec<(String, ClipWord)> {
    let told = std::iter::from_fn(|| tested.news.try_take());
    let events = told.flat_map(|decision| decision.events);
    let of_clip = events.filter_map(|event| match event.saying {
        Saying::Clip(told) => Some((told.id, told.state)),
        _ => None,
    });
    of_clip.collect()
}

#[test]
fn news_of_every_format_are_told_and_those_of_a_newer_one_are_kept() {
    let due = [("long-gone".to_owned(), ClipWord::Gone), ("wiped".to_owned(), ClipWord::Deleted)];
    for format in 1..=NEWS_FORMAT.format {
        let dir = copy(SEGMENT_FORMAT.format);
        let log = fs::read(kept(&format!("news-{format}.log"))).expect("kept");
        write(dir.path(), "news.log", &log);
        let mut tested = open(dir.path(), 1 << 20);
        tested.ring.pump();
        assert_eq!(news(&tested), due, "{format}");
        tested.join();
    }
    let dir = copy(SEGMENT_FORMAT.format);
    let newer = line(&json!({"what": "format", "format": 9, "oldest_reader": 9, "more": 1}));
    write(dir.path(), "news.log", &newer);
    let mut tested = open(dir.path(), 1 << 20);
    tested.ring.pump();
    assert_eq!(news(&tested), []);
    tested.join();
    assert_eq!(fs::read(dir.path().join("news.log.newer-9")).expect("aside"), newer);
}

/// The byte of a segment's head that names its format: `upper` how far beyond 1, `lower` the reader.
fn segment_of_format(path: &Path, byte: u8) {
    let mut bytes = fs::read(path).expect("there");
    let ftyp = usize::try_from(u32::from_be_bytes(bytes[..4].try_into().expect("4"))).expect("few");
    let len: [u8; 4] = bytes[ftyp..ftyp + 4].try_into().expect("4");
    let end = ftyp + usize::try_from(u32::from_be_bytes(len)).expect("few");
    let (sum, says) = (ftyp + 8 + 16, ftyp + 8 + 16 + 8);
    bytes[says] = byte;
    let fresh = Sha256::digest(&bytes[says..end]);
    bytes[sum..says].copy_from_slice(&fresh[..8]);
    fs::write(path, bytes).expect("written");
}

fn write(dir: &Path, name: &str, bytes: &[u8]) {
    fs::write(dir.join(name), bytes).expect("written");
}

#[test]
fn what_a_newer_version_wrote_is_kept_untouched_and_is_all_there_on_its_return() {
    let dir = copy(CLIP_FORMAT.format);
    let dir = dir.path();
    // A clip of segment 6, an index, and segment 7 are of a format that nobody can read yet.
    let newer = |reader| {
        json!({"format": 9, "oldest_reader": reader, "layout": 1, "id": "newer", "number": 20,
            "court": "a", "session": "00000000000000a2", "reason": "made", "from_ns": 1, "to_ns": 2,
            "note": "n", "pinned": true, "segments": [6], "made_ns": 1, "later": {"kept": [1]}})
    };
    let index = |reader: u32| {
        let mut index =
            line(&json!({"what": "format", "format": 9, "oldest_reader": reader, "more": 1}));
        index.extend(line(&json!({"what": "folded", "id": 40, "of": [1, 2]})));
        index
    };
    write(dir, "clips/newer.json", newer(9).to_string().as_bytes());
    write(dir, "segments.index", &index(9));
    write(dir, "clips.index", &index(9));
    let seventh = dir.join("segments/0000000007.a.00000000000000a2.mp4");
    let as_it_was = fs::read(&seventh).expect("there");
    segment_of_format(&seventh, 0x88 + 0x01);
    let untouched = fs::read(&seventh).expect("there");
    assert_ne!(untouched, as_it_was);

    // A quota that has room for nothing: all that nobody holds goes.
    let mut tested = open(dir, 1);
    assert!(!clips(&tested).contains_key("newer"));
    let shelf = tested.ring.shelf();
    assert!(matches!(shelf.read("newer"), Err(ShelfError::Newer { format: 9 })));
    // The outbox asks again for what it was never told of; the pin's days pass.
    tested.request("newer", SessionId::from_bits(0xa2), (500, 900));
    assert_eq!(tested.told(), ["newer"]);
    shelf.unpin("newer").expect("taken");
    assert!(record(&mut tested).iter().all(|id| *id > 40), "no number of the newer one's");
    for _ in 0..40 {
        tested.wait(Duration::from_secs(86_400));
    }
    tested.join();
    assert_eq!(entry(dir, "newer"), newer(9));
    assert_eq!(fs::read(&seventh).expect("never removed"), untouched);
    assert!(dir.join("segments/0000000006.a.00000000000000a2.mp4").exists(), "it is pinned");
    for name in ["segments.index", "clips.index"] {
        let aside = fs::read(dir.join(format!("{name}.newer-9"))).expect("aside");
        assert_eq!(aside, index(9), "{name}");
    }

    // And back: by what its files say this version can read them now.
    write(dir, "clips/newer.json", newer(2).to_string().as_bytes());
    write(dir, "segments.index.newer-9", &index(2));
    write(dir, "clips.index.newer-9", &index(2));
    fs::write(&seventh, &as_it_was).expect("written");
    let mut tested = open(dir, 1 << 20);
    assert_eq!(clips(&tested)["newer"].number, 20);
    assert!(segments(dir).contains(&7));
    tested.ring.shelf().unpin("newer").expect("taken");
    tested.wait(Duration::from_secs(1));
    tested.join();
    assert!(!dir.join("segments.index.newer-9").exists(), "merged");
    let ended = entry(dir, "newer");
    assert_eq!((&ended["format"], &ended["oldest_reader"]), (&9.into(), &2.into()), "as it was");
    assert_eq!((&ended["later"], &ended["pinned"]), (&json!({"kept": [1]}), &false.into()));
}

#[test]
fn what_is_newer_and_readable_is_written_as_it_stood() {
    let dir = copy(INDEX_FORMAT.format);
    let dir = dir.path();
    let path = dir.join("segments.index");
    let text = fs::read_to_string(&path).expect("there");
    // A kind and a member that are not known here.
    let head = line(&json!({"what": "format", "format": 3, "oldest_reader": 2, "more": 1}));
    let of_3 =
        line(&json!({"what": "closed", "id": 3, "court": "a", "session": "00000000000000a1",
        "start": 180_000, "end": 270_000, "bytes": 1229, "tier": "cold"}));
    let folded = line(&json!({"what": "folded", "of": [1, 2]}));
    let others = text.lines().skip(1).filter(|line| !line.contains("\"id\":3,"));
    let others: String = others.map(|line| format!("{line}\n")).collect();
    write(dir, "segments.index", &[&head[..], &folded, others.as_bytes(), &of_3].concat());
    segment_of_format(&dir.join("segments/0000000006.a.00000000000000a2.mp4"), 0x31);
    assert_eq!(SEGMENT_FORMAT.format, 3, "0x31 is 4, which 1 reads");
    open(dir, 1 << 20).join();
    let again = fs::read(&path).expect("there");
    assert!(again.starts_with(&head), "its format");
    for kept in [&of_3, &folded] {
        assert!(again.windows(kept.len()).any(|part| part == &kept[..]), "{kept:?}");
    }
    assert_eq!(segments(dir), [3, 6, 7], "6 is read");
}
