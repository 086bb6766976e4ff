//! A model whose engine fails in the midst of an attempt: another one goes on, and nobody at the court
//! notices.

use std::time::Duration;

use courtside::event::state::ModelState;
use courtside::event::words::ModelRole;

use crate::film::{Shot, half_an_attempt, made, still};
use crate::rungs::Trouble;
use crate::testbox::{Plan, TestBox, until};

/// The engine below the better ones.
const LAST: &str = "script";
/// A fall-over is over after so long.
const BOUND: Duration = Duration::from_secs(2);

/// A box of one court whose camera publishes; the best of `better` runs its model.
fn on(better: &[&'static str]) -> TestBox {
    let mut tested = TestBox::of(Plan { better: better.to_vec(), ..Plan::of(&["north"]) });
    tested.camera("north");
    let best = *better.first().expect("one");
    runs_on(&mut tested, best);
    tested
}

fn live(tested: &TestBox) -> ModelState {
    let bundles = tested.handle().models().bundles;
    bundles.into_iter().find(|model| model.role == Some(ModelRole::Live)).expect("one decides")
}

fn engine(tested: &TestBox) -> String {
    live(tested).engine.map(|engine| engine.to_string()).unwrap_or_default()
}

fn reason(tested: &TestBox) -> String {
    live(tested).reason.map(|reason| reason.to_string()).unwrap_or_default()
}

/// Shows a quiet rim until `wanted` runs the model; it is made beside, however long that takes.
fn runs_on(tested: &mut TestBox, wanted: &str) {
    for _ in 0..5_000 {
        if engine(tested) == wanted {
            return;
        }
        tested.show("north", &still(Shot::Nothing, 1));
    }
    panic!("{wanted} never runs: {} ({})", engine(tested), reason(tested));
}

/// What was told of shots, and by which engine.
fn shots(tested: &TestBox) -> Vec<(String, String)> {
    let told = tested.told().into_iter().zip(tested.envelopes());
    told.filter(|(told, _)| told.contains("shot"))
        .map(|(told, event)| {
            let by = event["data"]["model"]["engine"].as_str().unwrap_or_default().to_owned();
            (told, by)
        })
        .collect()
}

/// One attempt, whose first half one engine told and whose end the other.
fn one_shot(by: [&str; 2]) -> Vec<(String, String)> {
    let told = ["north shot.made provisional", "north shot.made"];
    told.into_iter().zip(by).map(|(told, by)| (told.to_owned(), by.to_owned())).collect()
}

/// Pictures that came, that were recorded, that were decoded; and all that were let go on the way.
fn pictures(tested: &TestBox) -> [u64; 4] {
    let count = |hop| tested.count("north", hop);
    let (ring, decode, game) = (count("ring"), count("decode"), count("game"));
    let lost = ring.dropped_total() + decode.dropped_total() + game.dropped_total();
    [ring.offered, decode.offered, game.offered, lost]
}

#[test]
fn an_engine_that_fails_in_mid_attempt_is_replaced_in_that_picture_and_comes_back() {
    for trouble in [Trouble::Fails, Trouble::Lost] {
        let mut tested = on(&["best"]);
        tested.show("north", &half_an_attempt());
        assert_eq!(tested.told(), ["north shot.made provisional"], "{trouble:?}");
        let before = pictures(&tested);
        tested.rungs.has("best", Some(trouble));
        tested.show("north", &still(Shot::Made, 1));
        assert_eq!(engine(&tested), LAST, "{trouble:?}: in that very picture");
        let told = reason(&tested);
        assert!(told.contains("the engine best failed"), "{trouble:?} is told: {told}");
        assert!(told.contains("an illegal address was encountered"), "with its reason: {told}");
        tested.show("north", &still(Shot::Made, 8));
        tested.show("north", &still(Shot::Nothing, 8));
        assert_eq!(shots(&tested), one_shot(["best", LAST]), "{trouble:?}: it is called once");
        let [recorded, decoded, answered, lost] = pictures(&tested);
        assert_eq!((recorded - before[0], decoded - before[1], lost), (17, 17, 0), "{trouble:?}");
        // What was lost with the device is told as an error of one picture; else each is answered.
        let answers = answered - before[2];
        assert!(
            answers == 17 || trouble == Trouble::Lost && answers == 16,
            "{trouble:?}: {answers}"
        );
        tested.rungs.let_go();
        runs_on(&mut tested, "best");
        assert_eq!(reason(&tested), "", "{trouble:?}: it is well again");
        tested.show("north", &made());
        let last = shots(&tested).into_iter().next_back();
        assert_eq!(last, Some(("north shot.made".to_owned(), "best".to_owned())), "{trouble:?}");
        let report = tested.stop();
        assert_eq!(report.unsent, 0);
    }
}

#[test]
fn an_engine_that_hangs_in_mid_attempt_is_left_within_two_seconds_and_comes_back() {
    let mut tested = on(&["best"]);
    tested.show("north", &half_an_attempt());
    let (before, began) = (pictures(&tested), tested.now());
    tested.rungs.has("best", Some(Trouble::Hangs));
    tested.lets_hang(&["north/model:rimnet"]);
    tested.show("north", &still(Shot::Made, 1));
    until(|| tested.rungs.hangs("best").then_some(()), || "the engine hangs".to_owned());
    // The camera sends on: what comes meanwhile waits for the model.
    let mut shown = 1;
    while engine(&tested) != LAST {
        assert!(tested.now().since(began) < BOUND, "{}", reason(&tested));
        if shown < 8 {
            tested.show("north", &still(Shot::Made, 1));
            shown += 1;
        } else {
            // It is left by the clock; its thread may need a moment of the machine to say so.
            std::thread::yield_now();
        }
    }
    assert!(tested.now().since(began) < BOUND);
    let told = reason(&tested);
    assert!(told.contains("it has not returned from a call for 250 ms"), "{told}");
    tested.hangs_no_more();
    tested.show("north", &still(Shot::Made, 3));
    tested.show("north", &still(Shot::Nothing, 8));
    assert_eq!(shots(&tested), one_shot(["best", LAST]), "it is called once");
    let [recorded, decoded, answered, lost] = pictures(&tested);
    let came = shown + 11;
    assert_eq!((recorded - before[0], decoded - before[1], lost), (came, came, 0));
    assert_eq!(tested.dropped("north", "model:rimnet"), 0, "what waited was answered");
    assert!((came - 1..=came).contains(&(answered - before[2])), "{answered} of {came}");
    // As long as that call does not return no second one is made.
    tested.pass_with_camera("north", 40);
    assert_eq!(engine(&tested), LAST);
    tested.rungs.let_go();
    runs_on(&mut tested, "best");
    tested.show("north", &made());
    tested.stop();
}

#[test]
fn an_engine_that_is_never_made_keeps_no_court_waiting_and_the_next_one_is_taken() {
    let better = vec!["best", "second"];
    let trouble = vec![("best", Trouble::HangsInMaking)];
    let mut tested = TestBox::of(Plan { better, trouble, ..Plan::of(&["north"]) });
    tested.camera("north");
    tested.show("north", &made());
    assert_eq!(shots(&tested), one_shot([LAST, LAST]), "called meanwhile");
    until(|| tested.rungs.hangs("best").then_some(()), || "its maker hangs".to_owned());
    tested.pass_with_camera("north", 280);
    assert_eq!(engine(&tested), LAST);
    let told = reason(&tested);
    assert!(told.contains("the engine best is being built (0 %)"), "{told}");
    tested.pass_with_camera("north", 24);
    runs_on(&mut tested, "second");
    let told = reason(&tested);
    assert!(told.contains("whoever makes it has said nothing for 300 s"), "{told}");
    tested.rungs.let_go();
    runs_on(&mut tested, "best");
    tested.stop();
}
