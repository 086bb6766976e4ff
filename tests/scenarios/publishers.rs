//! Publishers that should not, and publishers in the midst of an attempt.

use std::time::Duration;

use crate::film::{Shot, half_an_attempt, made, missed, still};
use crate::testbox::TestBox;

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
