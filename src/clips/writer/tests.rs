//! A ring whose files come to harm while it records.

use super::*;
use crate::clips::shelf::ShelfError;
use crate::clips::synthetic::{parameters, picture};
use crate::clips::test_ring::{TestRing, settings};
use crate::disk::{ForgetfulDisk, RealDisk, read_whole};
use crate::event::words::StorageCondition;

const SESSION: SessionId = SessionId::from_bits(0xf1);

/// Feeds pictures `n..`, ten a second, a key picture each second.
fn plays(ring: &mut TestRing, pictures: std::ops::Range<u64>) {
    for n in pictures {
        let ms = i64::try_from(n).expect("small") * 100;
        ring.feed(picture(SESSION, n, ms, n % 10 == 0, 20, &parameters(0)));
    }
}

fn segments(disk: &dyn Disk, ring: &TestRing) -> Vec<PathBuf> {
    let dir = ring.ring.desk().places.segments.clone();
    let mut names = disk.names(&dir).unwrap_or_default();
    names.sort();
    names.into_iter().map(|name| dir.join(name)).collect()
}

fn recording() -> (ForgetfulDisk, TestRing, PathBuf) {
    let disk = ForgetfulDisk::new();
    let ring = TestRing::open(settings("/ring".into()), Arc::new(disk.clone()));
    let mut ring = ring.expect("a ring");
    ring.opened(SESSION);
    plays(&mut ring, 0..35);
    let [segment] = <[PathBuf; 1]>::try_from(segments(&disk, &ring)).expect("one segment");
    (disk, ring, segment)
}

#[test]
fn a_segment_that_goes_while_it_records_is_told_and_another_begun_and_its_clips_say_the_truth() {
    let (disk, mut ring, segment) = recording();
    let bytes = read_whole(&disk, &segment, 1 << 30).expect("there");
    disk.lose(&segment);
    plays(&mut ring, 35..80);
    let there = segments(&disk, &ring);
    assert!(there.len() == 1 && !there.contains(&segment), "{there:?}");
    let harms = disk.harms();
    assert!(
        harms.iter().any(|harm| harm.path == segment && harm.why.contains("taken away")),
        "{harms:?}"
    );
    ring.request("lost", SESSION, (1000, 2000));
    ring.request("later", SESSION, (5500, 6500));
    ring.wait(Duration::from_secs(1));
    assert_eq!(ring.told(), ["later"], "what is recorded since is there");
    let shelf = ring.ring.shelf();
    let Err(ShelfError::NoBytes { why }) = shelf.read("lost") else {
        panic!("there is nothing to read")
    };
    assert!(why.contains("it was recorded, and cannot be read now: segment 1 "), "{why}");
    assert!(!why.contains("never recorded"), "{why}");
    // Somebody puts it back.
    disk.replace(&segment, &bytes);
    ring.wait(Duration::from_secs(6));
    assert_eq!(ring.told(), ["later", "lost"]);
    assert!(shelf.read("lost").expect("an entry").media.is_some());
}

#[test]
fn a_clip_whose_segment_does_not_come_back_gets_an_entry_that_says_so() {
    let (disk, mut ring, segment) = recording();
    disk.lose(&segment);
    plays(&mut ring, 35..60);
    ring.request("lost", SESSION, (1000, 2000));
    ring.wait(Duration::from_secs(1));
    assert_eq!(ring.told(), [""; 0]);
    ring.wait(Duration::from_secs(700));
    assert_eq!(ring.told(), ["lost"]);
    let clip = ring.ring.shelf().read("lost").expect("an entry");
    let note = clip.note.unwrap_or_default();
    assert!(clip.media.is_none() && note.contains("cannot be read now"), "{note}");
}

#[test]
fn a_segment_whose_head_is_written_over_while_it_records_is_told_and_another_begun() {
    let (disk, mut ring, segment) = recording();
    let file = disk.open(&segment, OpenHow::ReadWrite).expect("there");
    file.write_at(0, &[0; 64]).expect("written");
    plays(&mut ring, 35..80);
    assert_eq!(segments(&disk, &ring).len(), 2);
    let harms = disk.harms();
    assert!(
        harms.iter().any(|harm| harm.path == segment && harm.why.contains("its head")),
        "{harms:?}"
    );
    ring.request("later", SESSION, (5500, 6500));
    ring.wait(Duration::from_secs(1));
    assert_eq!(ring.told(), ["later"]);
}

#[test]
fn folders_that_go_while_it_records_are_made_again_and_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let disk = RealDisk::new();
    let ring = TestRing::open(settings(dir.path().into()), Arc::new(disk));
    let mut ring = ring.expect("a ring");
    ring.opened(SESSION);
    plays(&mut ring, 0..35);
    for folder in ["segments", "clips"] {
        std::fs::remove_dir_all(dir.path().join(folder)).expect("there");
    }
    plays(&mut ring, 35..80);
    assert_eq!(segments(&disk, &ring).len(), 1);
    let status = ring.ring.shelf().status().expect("a status");
    assert_eq!(status.storage.condition, StorageCondition::Recording, "{status:?}");
    ring.request("later", SESSION, (5500, 6500));
    ring.wait(Duration::from_secs(6));
    assert_eq!(ring.told(), ["later"]);
    assert!(dir.path().join("clips/later.json").exists());
}

#[test]
fn a_disk_that_refuses_is_told_apart_from_one_that_is_full() {
    let (disk, mut ring, _) = recording();
    disk.fail_syncs(true);
    plays(&mut ring, 35..60);
    let storage = ring.ring.shelf().status().expect("a status").storage;
    assert_eq!((storage.condition, storage.disk_refuses), (StorageCondition::Stopped, true));
    disk.fail_syncs(false);
    plays(&mut ring, 60..90);
    let storage = ring.ring.shelf().status().expect("a status").storage;
    assert_eq!((storage.condition, storage.disk_refuses), (StorageCondition::Recording, false));
    disk.fill();
    plays(&mut ring, 90..120);
    let storage = ring.ring.shelf().status().expect("a status").storage;
    assert_eq!((storage.condition, storage.disk_refuses), (StorageCondition::Stopped, false));
}
