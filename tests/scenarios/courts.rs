//! Courts that come, change and go while another plays.

use crate::film::{Shot, half_an_attempt, made, missed, still};
use crate::testbox::{TestBox, TestCourt};

/// What a run of `north` leaves (facts, pictures answered, drops) where `others` happens beside it.
pub(crate) fn north_beside(others: impl Fn(&mut TestBox, usize)) -> (Vec<String>, u64, u64) {
    let mut tested = TestBox::with_courts(&["north"]);
    tested.camera("north");
    tested.show("north", &still(Shot::Nothing, 1));
    let session = tested.stream("north").session;
    assert!(session.is_some());
    let film = [made(), missed(), made(), still(Shot::Nothing, 10)].concat();
    for (number, shot) in film.iter().enumerate() {
        others(&mut tested, number);
        tested.show("north", &[*shot]);
    }
    assert_eq!(tested.stream("north").session, session, "its publisher noticed nothing");
    assert_eq!(tested.stream("north").takeovers, 0);
    let mut ids = Vec::new();
    for event in tested.envelopes() {
        if event["source"] == "courtside:rim-1/north" {
            let what = event["type"].as_str().expect("a type");
            ids.push(format!("{} {what} {} {}", event["id"], event["sequence"], event["data"]));
        }
    }
    let answered = tested.count("north", "model:rimnet").taken;
    let dropped = ["ring", "decode", "decoder", "model:rimnet", "game"]
        .map(|hop| tested.dropped("north", hop))
        .iter()
        .sum();
    tested.stop();
    (ids, answered, dropped)
}

#[test]
fn a_court_that_comes_changes_and_goes_is_not_noticed_by_another() {
    let alone = north_beside(|_, _| {});
    assert_eq!(alone.0.len(), 4 + 3 + 4, "{:?}", alone.0);
    let beside = north_beside(|tested, number| match number {
        10 => {
            tested.add_court(TestCourt::new("south")).expect("it comes");
            tested.camera("south");
            tested.show("south", &half_an_attempt());
        }
        // In mid-attempt of both.
        14 => {
            tested.change_court(TestCourt::new("south").with_key("another-key-of-south"));
            assert!(tested.told().iter().any(|told| told == "south shot.withdrawn"));
            tested.camera("south");
            tested.show("south", &missed());
        }
        48 => tested.remove_court("south"),
        _ => {}
    });
    // The clock has gone on for south's pictures: stream time has not.
    assert_eq!(beside, alone);
}

#[test]
fn a_court_goes_on_from_what_is_on_disk_of_it() {
    let mut tested = TestBox::with_courts(&["north", "south"]);
    tested.camera("south");
    tested.show("south", &made());
    tested.show("south", &half_an_attempt());
    let told = tested.told().len();

    tested.remove_court("south");
    assert_eq!(tested.told()[told..], ["south shot.withdrawn"], "nothing stays open");
    tested.retains_nothing("stream/south");
    tested.retained("box", |told| told["courts"] == serde_json::json!(["north"]));
    assert!(tested.publish_in_vain("key-of-court-south").contains("wrong stream key"));

    tested.add_court(TestCourt::new("south")).expect("it comes again");
    tested.camera("south");
    tested.show("south", &made());
    let envelopes = tested.envelopes();
    let score = envelopes.iter().rfind(|event| event["type"] == "courtside.score.v1");
    assert_eq!(score.expect("told")["data"]["made"], serde_json::json!([2]), "counted on");
    let report = tested.stop();
    assert_eq!(report.unsent, 0);
}

#[test]
fn what_cannot_be_changed_is_refused_and_changes_nothing() {
    let mut tested = TestBox::with_courts(&["north", "south"]);
    tested.camera("north");
    tested.show("north", &half_an_attempt());
    let there = tested.add_court(TestCourt::new("north")).expect_err("it is there");
    assert_eq!(there, "court north is there already: change it, or take another name");
    let taken = TestCourt::new("west").with_key("key-of-court-north");
    let taken = tested.add_court(taken).expect_err("its key is north's");
    assert!(taken.contains("another court has the stream key of court west"), "{taken}");
    tested.show("north", &still(Shot::Made, 12));
    assert!(tested.told().iter().any(|told| told == "north shot.made"), "{:?}", tested.told());
    tested.stop();
}
