//! What is told of clips: whatever is on disk is told, at least once and in order; nothing is told that is
//! not so. The disk stops at every operation, and the outbox has what it was given, or nothing of it.

use std::sync::Arc;

use courtside::clips::{DeleteWhat, KeepWhat};
use courtside::disk::{Disk, ForgetfulDisk};
use courtside::event::words::ClipWord;
use courtside::event::{Decision, Saying};

use crate::keeping::{deletes, fill, keep, kept, named, release};
use crate::ring::TestRing;
use crate::{SESSION, clips, feed, open, small};

/// Clip, what became of it, revision.
type Told = Vec<(String, ClipWord, u32)>;

/// What the outbox was given.
#[derive(Default)]
struct Outbox {
    told: Told,
    /// Not on its disk, and not given up either.
    asleep: Vec<Decision>,
}

impl Outbox {
    fn take(&mut self, tested: &TestRing, on_disk: bool) {
        while let Some(decision) = tested.news.try_take() {
            if !on_disk {
                self.asleep.push(decision);
                continue;
            }
            for event in decision.events {
                let Saying::Clip(told) = event.saying else { panic!("{:?}", event.saying) };
                self.told.push((told.id, told.state, event.revision));
            }
            let _gone = decision.waits.map(|waits| waits.send(()));
        }
    }
}

/// A clip that is kept, released and evicted, and one that is kept and deleted. What was answered.
fn play(disk: &ForgetfulDisk, stop: u64, on_disk: bool) -> (Outbox, Vec<(&'static str, ClipWord)>) {
    let mut tested = open(disk, small());
    feed(&mut tested, 0..40, 500);
    tested.closed(SESSION);
    tested.request("shot", SESSION, (0, 1000));
    let (mut outbox, mut answered) = (Outbox::default(), Vec::new());
    disk.stop_after(disk.operations() + stop);
    if kept(&mut tested, keep(KeepWhat::Clip("shot".into()))).is_ok() {
        answered.push(("shot", ClipWord::Kept));
    }
    outbox.take(&tested, on_disk);
    if named(&mut tested, 2500, 3400, "mine").is_ok() {
        answered.push(("mine", ClipWord::Kept));
    }
    drop(release(&mut tested, "shot"));
    outbox.take(&tested, on_disk);
    tested.wait(std::time::Duration::from_secs(1));
    if deletes(&mut tested, DeleteWhat::Clip("mine".into())).is_ok() {
        answered.push(("mine", ClipWord::Deleted));
    }
    fill(&mut tested, 0xc2);
    outbox.take(&tested, on_disk);
    tested.wait(std::time::Duration::from_secs(1));
    drop(tested);
    (outbox, answered)
}

/// A start on what is left, and all that it tells.
fn again(disk: &ForgetfulDisk, outbox: &mut Outbox) -> usize {
    let before = outbox.told.len();
    let mut tested = TestRing::open(small(), Arc::new(disk.clone())).expect("a ring");
    for _ in 0..4 {
        tested.wait(std::time::Duration::from_secs(1));
        outbox.take(&tested, true);
    }
    tested.join();
    outbox.told.len() - before
}

/// Whether what is told is what is on disk.
fn check(disk: &ForgetfulDisk, told: &Told, answered: &[(&str, ClipWord)]) -> Result<(), String> {
    let has = |id: &str, word: ClipWord| told.iter().any(|(i, w, _)| i == id && *w == word);
    for (id, word) in answered {
        if !has(id, *word) {
            return Err(format!("{id} {word} was answered, and is not told: {told:?}"));
        }
    }
    let entries = clips(disk);
    for (id, clip) in &entries {
        let is = [
            (ClipWord::Kept, clip.kept.is_some() || (id == "mine")),
            (ClipWord::Gone, clip.state() == "gone"),
            (ClipWord::Deleted, clip.deleted_ns.is_some()),
        ];
        for (word, is) in is {
            if is != has(id, word) {
                return Err(format!("{id} {word} is {is} on disk: {told:?}, {clip:?}"));
            }
        }
    }
    for (id, word, _) in told {
        if !entries.contains_key(id) {
            return Err(format!("{id} {word} is told, and there is no such clip"));
        }
        let mut of = told.iter().filter(|(other, ..)| other == id).map(|(_, _, n)| *n);
        let mut first = Vec::new();
        of.by_ref().for_each(|n| first.extend((!first.contains(&n)).then_some(n)));
        if !first.is_sorted() {
            return Err(format!("{id} is told out of order: {told:?}"));
        }
    }
    Ok(())
}

#[test]
fn a_stop_at_every_operation_loses_no_news_of_clips_and_makes_none_up() {
    for on_disk in [true, false] {
        let whole = ForgetfulDisk::new();
        let (mut outbox, answered) = play(&whole, u64::MAX / 2, on_disk);
        again(&whole, &mut outbox);
        assert_eq!(answered.len(), 3, "{answered:?}");
        check(&whole, &outbox.told, &answered).expect("without a stop");
        let words: Vec<_> =
            outbox.told.iter().map(|(id, word, _)| format!("{id} {word}")).collect();
        assert_eq!(words, ["shot kept", "mine kept", "mine deleted", "shot gone"], "each once");
        assert_eq!(again(&whole, &mut outbox), 0, "what the outbox has is told no more");

        let mut stops = 0;
        loop {
            let disk = ForgetfulDisk::new();
            let (outbox, answered) = play(&disk, stops, on_disk);
            for seed in 0..3 {
                let found = disk.power_cut(stops.wrapping_mul(1_000_003) ^ seed);
                let mut outbox = Outbox { told: outbox.told.clone(), asleep: Vec::new() };
                again(&found, &mut outbox);
                check(&found, &outbox.told, &answered)
                    .unwrap_or_else(|why| panic!("{on_disk} stop {stops} seed {seed}: {why}"));
            }
            if !disk.is_stopped() {
                break;
            }
            stops += 1;
        }
        assert!(stops > 60, "{stops}");
    }
}

#[test]
fn a_log_of_news_that_rots_is_read_around_and_one_that_is_none_is_put_aside() {
    let disk = ForgetfulDisk::new();
    let (outbox, _) = play(&disk, u64::MAX / 2, false);
    assert_eq!((outbox.told.len(), outbox.asleep.len()), (0, 4));
    let path = std::path::Path::new(crate::DIR).join("news.log");
    let bytes = courtside::disk::read_whole(&disk, &path, 1 << 20).expect("there");
    let told_of = |change: &dyn Fn(Vec<u8>) -> Vec<u8>| -> Vec<String> {
        let found = ForgetfulDisk::new();
        drop(play(&found, u64::MAX / 2, false));
        let file = found.open(&path, courtside::disk::OpenHow::CreateOrOpen).expect("there");
        let changed = change(bytes.clone());
        file.set_len(0).expect("cut");
        file.write_at(0, &changed).expect("written");
        let mut outbox = Outbox::default();
        again(&found, &mut outbox);
        outbox.told.iter().map(|(id, word, _)| format!("{id} {word}")).collect()
    };
    let all = ["shot kept", "mine kept", "mine deleted", "shot gone"];
    assert_eq!(told_of(&|bytes| bytes), all);
    // The second line: the first news.
    let second = bytes.iter().position(|byte| *byte == b'\n').expect("lines") + 40;
    let rotten = |mut bytes: Vec<u8>| {
        bytes[second] ^= 1;
        bytes
    };
    assert_eq!(told_of(&rotten), all[1..]);
    assert_eq!(told_of(&|bytes| bytes[..bytes.len() - 9].to_vec()), all[..3]);
    assert_eq!(told_of(&|bytes| vec![0; bytes.len()]), Vec::<String>::new());
    let newer = |_| {
        courtside::clips::line(&serde_json::json!({
            "what": "format", "format": 9, "oldest_reader": 9,
        }))
    };
    assert_eq!(told_of(&newer), Vec::<String>::new());
}

#[test]
fn news_that_the_outbox_drops_are_given_again_and_not_for_ever() {
    let disk = ForgetfulDisk::new();
    let mut tested = open(&disk, small());
    feed(&mut tested, 0..40, 500);
    tested.closed(SESSION);
    for (id, from) in [("one", 0), ("two", 2500)] {
        named(&mut tested, from, from + 900, id).expect("kept");
    }
    let mut dropped = Vec::new();
    for _ in 0..8 {
        tested.wait(std::time::Duration::from_secs(1));
        while let Some(decision) = tested.news.try_take() {
            let Saying::Clip(told) = &decision.events[0].saying else { panic!("{decision:?}") };
            if told.id == "one" {
                dropped.push(told.id.clone());
                continue; // with who waits for it
            }
            dropped.push(told.id.clone());
            let _gone = decision.waits.map(|waits| waits.send(()));
        }
    }
    let of = |id: &str| dropped.iter().filter(|told| *told == id).count();
    assert_eq!(of("one"), 3, "{dropped:?}");
    assert!(of("two") >= 1, "{dropped:?}");
    assert_eq!(dropped.last().map(String::as_str), Some("two"), "in order: {dropped:?}");
}
