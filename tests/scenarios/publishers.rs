//! Publishers that should not, and publishers in the midst of an attempt.

use std::time::Duration;

use crate::film::{Shot, half_an_attempt, made, missed, still};
use crate::testbox::{TestBox, until};

/// What a wrong key costs whoever tries it.
const REFUSAL: Duration = Duration::from_millis(800);

#[test]
fn a_wrong_key_is_told_slowly_and_disturbs_nobody() {
    let mut tested = TestBox::with_courts(&["north"]);
    tested.camera("north");
    tested.show("north", &half_an_attempt());
    let before = tested.count("north", "decode");
    // Nobody holds the court while the key is tried: then the state tells of it.
    tested.camera_gone("north");
    let words = tested.publish_wrongly("key-of-court-south", REFUSAL);
    assert_eq!(words, "NetStream.Publish.Unauthorized: wrong stream key");
    assert_eq!(tested.handle().connections().unauthorized, 1);
    assert_eq!(tested.count("north", "decode").offered, before.offered, "not a byte came in");
    tested.camera("north");
    tested.show("north", &made());
    assert_eq!(tested.told().last().map(String::as_str), Some("north score"));
    tested.stop();
}

#[test]
fn a_takeover_in_mid_attempt_takes_back_what_was_told_and_begins_anew() {
    let mut tested = TestBox::with_courts(&["north"]);
    tested.camera("north");
    tested.show("north", &half_an_attempt());
    assert_eq!(tested.told(), ["north shot.made provisional"]);
    let first = tested.stream("north").session.expect("open");

    tested.camera("north");
    tested.show("north", &still(Shot::Nothing, 1));
    let second = tested.stream("north").session.expect("open");
    assert_ne!(first, second, "media time means nothing across publishers");
    assert_eq!(tested.stream("north").takeovers, 1);
    assert_eq!(tested.told(), ["north shot.made provisional", "north shot.withdrawn"]);
    assert_eq!(tested.envelopes()[1]["data"]["reason"], "stream_ended");

    tested.show("north", &missed());
    assert_eq!(
        tested.told()[2..],
        ["north shot.missed provisional", "north shot.missed", "north score"]
    );
    let sessions: Vec<_> =
        tested.envelopes().iter().map(|event| event["session"].clone()).collect();
    assert_eq!(sessions[..2], [first.as_str(), first.as_str()]);
    assert!(sessions[2..].iter().all(|session| *session == second.as_str()), "{sessions:?}");
    let report = tested.stop();
    assert_eq!(report.unsent, 0);
}

#[test]
fn a_court_that_does_not_fit_the_gpu_is_refused_with_the_sum_and_comes_when_it_does() {
    const ENGINES: u64 = 512;
    let mut tested = TestBox::with_courts(&["north", "south", "west"]);
    tested.gpu_has(ENGINES + 500);
    tested.camera("north");
    let counted = || Some(tested.stream("north").gpu_memory).filter(|bytes| *bytes > 0);
    let one = until(counted, || "north is counted".to_owned()).div_ceil(1 << 20);
    assert!((20..60).contains(&one), "{one} MiB for 720p");
    tested.show("north", &half_an_attempt());

    // North has taken what it will by the time at which the device is read again; one MiB is missing.
    tested.pass_with_camera("north", 8);
    tested.gpu_has(ENGINES + one - 1);
    tested.camera_in_vain("south");
    let refused = || tested.stream("south").last_refusal;
    let told = until(refused, || "south is refused".to_owned()).to_string();
    let sum = format!("1280×720 4:2:0 8 bit needs {one} MiB of the GPU's memory for ");
    assert!(told.starts_with(&sum), "{told}");
    let rest = format!(
        "surfaces; {} MiB are left: {} MiB of its 8192 MiB are free, 512 MiB of them are for engines, 0 \
         MiB for courts that have just come: serve fewer courts here",
        one - 1,
        ENGINES + one - 1
    );
    assert!(told.contains(&rest), "{told}");
    let fault = until(|| tested.stream("south").fault, || "south's fault is told".to_owned());
    assert!(fault.contains(&sum), "{fault}");
    let refusals = || tested.stream("south").refusals.get("gpu_memory").copied();
    assert_eq!(until(refusals, || "it is counted".to_owned()), 1);
    assert_eq!(tested.stream("south").gpu_memory, 0);

    // Who is there is not asked for more than he has, and plays on.
    tested.sends_its_sets_again("north");
    assert_eq!(tested.stream("north").last_refusal, None);
    tested.show("north", &made());

    // There is room for one: the second that comes is refused though the device has not changed yet.
    tested.pass_with_camera("north", 8);
    tested.gpu_has(ENGINES + one);
    tested.camera("south");
    let counted = || Some(tested.stream("south").gpu_memory).filter(|bytes| *bytes > 0);
    assert_eq!(until(counted, || "south is counted".to_owned()).div_ceil(1 << 20), one);
    tested.show("south", &still(Shot::Nothing, 2));
    tested.camera_in_vain("west");
    let refused = || tested.stream("west").last_refusal;
    let told = until(refused, || "west is refused".to_owned()).to_string();
    assert!(told.contains(&format!("0 MiB are left: {}", ENGINES + one)), "{told}");
    let new = tested.stream("south").gpu_memory >> 20;
    assert!(told.contains(&format!("{new} MiB for courts that have just come")), "{told}");
    tested.stop();
}

/// A camera on a bad link sends two seconds at once, every two seconds: all of it is caught up with, in order.
#[test]
fn bursts_of_two_seconds_lose_no_picture_and_no_call() {
    let mut tested = TestBox::with_courts(&["north"]);
    tested.camera("north");
    tested.show("north", &still(Shot::Nothing, 1));
    let film: Vec<Shot> = [made(), still(Shot::Nothing, 2), missed()].concat();
    for burst in film.chunks(50) {
        tested.show_at_once("north", burst);
    }
    assert_eq!(
        tested.told(),
        [
            "north shot.made provisional",
            "north shot.made",
            "north highlight",
            "north score",
            "north shot.missed provisional",
            "north shot.missed",
            "north score"
        ]
    );
    for hop in ["ring", "decode", "decoder", "model:rimnet"] {
        let count = tested.count("north", hop);
        assert_eq!((count.dropped_total(), count.waiting), (0, 0), "{hop}: {count:?}");
        assert!(count.offered >= film.len() as u64, "{hop}: {count:?}");
    }
    tested.stop();
}
