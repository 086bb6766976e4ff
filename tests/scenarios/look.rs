//! The second look in the whole box: a server says otherwise, hangs, or is not asked at all.

use std::time::Duration;

use courtside::event::catalogue::Code;
use courtside::event::words::LookCondition;
use serde_json::{Value, json};

use crate::film::{Shot, made, missed, still};
use crate::hosted::{Does, Hosted, NO, YES};
use crate::started::ask;
use crate::testbox::{PICTURE, Plan, TestBox, until};

/// Pictures of an attempt of which the model is not sure: most of them say that it went in.
fn doubtful() -> Vec<Shot> {
    use Shot::{Made, Missed, Nothing, UnderWay};
    let shows = [Made, Missed, Made, Missed, Made, Made, Missed, Made, Missed, Made, Missed, Made];
    [still(Nothing, 6), still(UnderWay, 8), shows.to_vec(), still(Nothing, 8)].concat()
}

/// A box that asks this server, in this role, if the venue lets it.
fn boxed(server: &Hosted, role: &str, consent: bool) -> (TestBox, tempfile::TempDir) {
    let models = tempfile::tempdir().expect("a folder");
    server.bundle(models.path(), role, "");
    let detect = format!(
        "models_dir = \"{}\"\n[look]\nbundle = \"hosted-x\"\ncrops_may_leave = {consent}\n",
        models.path().display()
    );
    let mut tested = TestBox::of(Plan { detect, ..Plan::of(&["north"]) });
    tested.camera("north");
    (tested, models)
}

/// Events of shots, each without its place in the order of all.
fn shots(tested: &TestBox) -> Vec<Value> {
    let all = tested.envelopes().into_iter();
    let shots = all.filter(|event| {
        event["type"].as_str().is_some_and(|kind| kind.starts_with("courtside.shot."))
    });
    shots
        .map(|mut event| {
            event.as_object_mut().expect("an object").remove("sequence");
            event
        })
        .collect()
}

fn is_by_look(event: &Value) -> bool {
    event["data"]["by"] == "look"
}

fn film() -> Vec<Shot> {
    let quiet = still(Shot::Nothing, 30);
    [quiet.clone(), made(), quiet.clone(), doubtful(), quiet.clone(), missed(), quiet].concat()
}

#[test]
fn one_that_says_otherwise_revises_the_shot_and_all_that_stands_on_it() {
    let server = Hosted::start(NO);
    let (mut tested, _models) = boxed(&server, "second", true);
    tested.show("north", &film());
    until(|| shots(&tested).iter().any(is_by_look).then_some(()), || "it is revised".to_owned());
    tested.quiet();
    let all = shots(&tested);
    let revised: Vec<&Value> = all.iter().filter(|event| is_by_look(event)).collect();
    assert_eq!(revised.len(), 1, "{all:#?}");
    assert_eq!(revised[0]["type"], "courtside.shot.missed.v1");
    let reason = revised[0]["data"]["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("second look by hosted-x 0.1.0, model m, prompt "), "{reason}");
    // Within 10 s of what it revises, and of the same fact.
    let fact = &revised[0]["fact"];
    let before = all.iter().filter(|event| event["fact"] == *fact).count();
    assert!(before >= 2, "{all:#?}");
    // One crop of one attempt left, and the others never did.
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    let url = &asked[0]["messages"][0]["content"][0]["image_url"]["url"];
    assert!(url.as_str().is_some_and(|url| url.starts_with("data:image/jpeg;base64,")));
    let state = tested.status().look.expect("told");
    assert_eq!((state.condition, state.changed), (LookCondition::Asks, 1));
    assert!(state.spent_usd > 0.1 && state.spent_usd < 0.11, "{}", state.spent_usd);
    // What was spent is there after a restart.
    tested.stop();
    tested.start().expect("it starts");
    let again = tested.status().look.expect("told");
    assert_eq!((again.spent_usd, again.changed), (state.spent_usd, 0));
    tested.stop();
}

#[test]
fn absent_hung_or_at_work_what_was_called_before_is_the_same_byte_for_byte() {
    let called = |server: Option<Does>, consent: bool| {
        let server = server.map(Hosted::start);
        let mut tested = match &server {
            Some(server) => boxed(server, "second", consent),
            None => {
                let mut tested = TestBox::with_courts(&["north"]);
                tested.camera("north");
                (tested, tempfile::tempdir().expect("a folder"))
            }
        };
        tested.0.show("north", &film());
        tested.0.pass(Duration::from_secs(12), Duration::from_secs(1));
        let before = shots(&tested.0).into_iter().filter(|event| !is_by_look(event));
        let before: Vec<String> = before.map(|event| event.to_string()).collect();
        tested.0.stop();
        (before, server.map_or(0, |server| server.asked().len()))
    };
    let (absent, _) = called(None, true);
    assert!(absent.len() >= 5, "{absent:#?}");
    for (does, consent, expected) in [
        (NO, true, 1),
        (YES, true, 1),
        (Does::Says("It went in, I think."), true, 1),
        (Does::Hangs, true, 1),
        (NO, false, 0),
    ] {
        let (before, asked) = called(Some(does), consent);
        assert_eq!(before, absent, "{does:?}");
        assert_eq!(asked, expected, "{does:?}, {consent}");
    }
}

#[test]
fn a_persons_word_is_not_overruled_by_one_that_comes_later() {
    let server = Hosted::start(Does::Waits("{\"answer\": \"NO\"}"));
    let (mut tested, _models) = boxed(&server, "second", true);
    tested.show("north", &[still(Shot::Nothing, 30), doubtful(), still(Shot::Nothing, 5)].concat());
    until(|| (server.asked().len() == 1).then_some(()), || "it is asked".to_owned());
    let shot = shots(&tested).pop().expect("a shot");
    let fact = shot["fact"].as_str().expect("a fact").to_owned();
    let path = format!("/v1/shots/{fact}/correct");
    let (status, told) =
        ask(&tested, "POST", &path, &json!({ "verdict": "made", "reason": "seen" }));
    assert_eq!(status, 200, "{told}");
    server.goes_on();
    let answered = || tested.handle().look().is_some_and(|look| look.said.len() == 1);
    until(|| answered().then_some(()), || "it has answered".to_owned());
    tested.quiet();
    // He said what the model had said, so nothing new was told; the first test has this film without him.
    let all = shots(&tested);
    assert!(!all.iter().any(is_by_look), "{all:#?}");
    let of_shot = all.iter().filter(|event| event["fact"] == *fact);
    let last = of_shot.max_by_key(|event| event["revision"].as_u64()).expect("a shot");
    assert_eq!(last["type"], "courtside.shot.made.v1");
    tested.stop();
}

#[test]
fn where_finals_wait_for_it_each_is_told_once_by_whoever_is_right() {
    // It says otherwise: its call is the final, and there is one.
    let server = Hosted::start(NO);
    let (mut tested, _models) = boxed(&server, "live", true);
    tested.show("north", &[still(Shot::Nothing, 30), made()].concat());
    let finals = |tested: &TestBox| -> Vec<Value> {
        let finals = shots(tested).into_iter();
        finals.filter(|event| event["data"]["provisional"] == false).collect()
    };
    until(|| (!finals(&tested).is_empty()).then_some(()), || "it is final".to_owned());
    tested.show("north", &still(Shot::Nothing, 10));
    let told = finals(&tested);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(
        (&told[0]["type"], &told[0]["data"]["model"]["bundle"]),
        (&"courtside.shot.missed.v1".into(), &"hosted-x".into())
    );
    tested.stop();

    // It hangs: the local call stands, after four seconds of the stream.
    let server = Hosted::start(Does::Hangs);
    let (mut tested, _models) = boxed(&server, "live", true);
    tested.show("north", &[still(Shot::Nothing, 30), made()].concat());
    until(|| (server.asked().len() == 1).then_some(()), || "it is asked".to_owned());
    assert_eq!(finals(&tested), Vec::<Value>::new());
    let provisional = shots(&tested).pop().expect("told before");
    assert_eq!(provisional["data"]["provisional"], true);
    let seconds = |pictures: u32| PICTURE * pictures;
    let pictures = 110;
    assert!(seconds(pictures) > Duration::from_secs(4));
    tested.show("north", &still(Shot::Nothing, pictures as usize));
    let told = finals(&tested);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(
        (&told[0]["type"], &told[0]["data"]["model"]["bundle"]),
        (&"courtside.shot.made.v1".into(), &"rimnet".into())
    );
    // Pictures went on meanwhile: none was lost for it.
    assert_eq!(tested.dropped("north", "model:rimnet"), 0);
    tested.stop();
}

#[test]
fn without_the_venues_word_no_picture_even_goes_there() {
    let server = Hosted::start(NO);
    let (mut tested, _models) = boxed(&server, "second", false);
    tested.show("north", &film());
    assert_eq!(tested.count("north", "look").offered, 0);
    let found = tested.found(Code::LookNoConsent);
    assert!(found.iter().any(|one| one.code == Code::LookNoConsent), "{found:?}");
    assert_eq!(server.asked().len(), 0);
    tested.stop();
}
