//! Models that are swapped while a game is played, and what becomes of it.

use std::time::Duration;

use courtside::disk::Disk;
use courtside::event::models::{After, ModelFigures, SwapOrder};
use courtside::event::words::{CallWord, ModelRole, SwapOutcome, VerdictWord};

use crate::film::{How, Shot, half_an_attempt, made, missed, still};
use crate::testbox::{Plan, TestBox};

const MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
const TUNED: &str = "rimnet-tuned";

/// A box of one court with these bundles, whose camera publishes.
fn with(bundles: &[&str]) -> TestBox {
    let detect = format!("bundles = {bundles:?}\nmodels_dir = \"{MODELS}\"\n");
    let mut tested = TestBox::of(Plan { detect, ..Plan::of(&["north"]) });
    tested.camera("north");
    tested
}

fn order(after: After) -> SwapOrder {
    SwapOrder { bundle: TUNED.to_owned(), precision: None, after, keep: false }
}

/// Swaps to the tuned one, which takes over while nothing happens at the rim.
fn swapped(tested: &mut TestBox, keep: bool) {
    let order = SwapOrder { keep, ..order(After::Frames(5)) };
    tested.handle().swap_model(&order).expect("asked");
    tested.quiet();
    tested.show("north", &still(Shot::Nothing, 30));
    assert_eq!(last(tested), Some(SwapOutcome::Switched));
    assert_eq!(live(tested), TUNED);
}

fn last(tested: &TestBox) -> Option<SwapOutcome> {
    tested.handle().models().last_swap.map(|last| last.outcome)
}

fn live(tested: &TestBox) -> String {
    let models = tested.handle().models();
    let live = models.bundles.iter().find(|model| model.role == Some(ModelRole::Live));
    live.expect("one decides").name.clone()
}

/// What the game was given of the court's pictures, each answer once.
fn answers(tested: &TestBox) -> u64 {
    tested.count("north", "game").offered
}

/// Kind and model of each shot that was told.
fn shots(tested: &TestBox) -> Vec<(String, String)> {
    let told = tested.told().into_iter().zip(tested.envelopes());
    told.filter(|(told, _)| told.contains("shot"))
        .map(|(told, event)| {
            let by = event["data"]["model"]["bundle"].as_str().unwrap_or_default().to_owned();
            (told, by)
        })
        .collect()
}

fn figures(tested: &TestBox, bundle: &str) -> ModelFigures {
    let board = tested.handle().models().board;
    let row = board.into_iter().find(|row| row.bundle.as_str() == bundle).expect("a row");
    row.courts.into_iter().next().expect("its court")
}

#[test]
fn a_swap_in_mid_attempt_goes_on_with_it_and_each_picture_is_answered_once() {
    let mut tested = with(&["rimnet"]);
    swapped(&mut tested, false);
    let before = answers(&tested);
    // The way back is a swap, too, and comes when it is asked for.
    tested.show("north", &half_an_attempt());
    tested.handle().swap_back().expect("it is kept");
    tested.show("north", &still(Shot::Made, 9));
    tested.show("north", &still(Shot::Nothing, 8));
    let pictures = half_an_attempt().len() as u64 + 9 + 8;
    assert_eq!(answers(&tested) - before, pictures, "none lost, none twice");
    let expected = [("north shot.made provisional", TUNED), ("north shot.made", "rimnet")];
    let expected = expected.map(|(told, by)| (told.to_owned(), by.to_owned()));
    assert_eq!(shots(&tested), expected, "one attempt, and who said what of it");
    let report = tested.stop();
    assert_eq!(report.unsent, 0);
}

#[test]
fn no_number_after_the_switch_leads_back_at_once_and_no_attempt_is_lost() {
    for how in [How::NoNumber, How::Fails, How::Panics] {
        let mut tested = with(&["rimnet"]);
        swapped(&mut tested, false);
        let before = answers(&tested);
        tested.show("north", &still(Shot::UnderWay, 4));
        tested.engines.behaves(TUNED, how);
        tested.show("north", &still(Shot::UnderWay, 1));
        assert_eq!(last(&tested), Some(SwapOutcome::RolledBack), "{how:?}: within a picture");
        assert_eq!(live(&tested), "rimnet", "{how:?}");
        tested.show("north", &still(Shot::Missed, 12));
        tested.show("north", &still(Shot::Nothing, 8));
        assert_eq!(answers(&tested) - before, 25, "{how:?}: the picture at which it failed, too");
        let told = shots(&tested);
        assert_eq!(
            told.last().map(|(told, _)| told.as_str()),
            Some("north shot.missed"),
            "{how:?}"
        );
        assert!(told.iter().all(|(_, by)| by == "rimnet"), "{how:?}: {told:?}");
        let reason = tested.handle().models().last_swap.and_then(|last| last.reason);
        assert!(reason.is_some_and(|why| !why.is_empty()), "{how:?} says why");
        tested.pass(Duration::from_millis(250), Duration::from_millis(250));
        assert_eq!(tested.handle().models().bundles.len(), 1, "{how:?}: it is let go");
        tested.stop();
    }
}

#[test]
fn one_that_is_too_slow_goes_back_within_two_seconds() {
    let mut tested = with(&["rimnet"]);
    swapped(&mut tested, false);
    tested.engines.behaves(TUNED, How::Takes(Duration::from_millis(12)));
    // Its budget is 3 ms; two seconds of pictures.
    tested.show("north", &still(Shot::Nothing, 50));
    assert_eq!(
        (last(&tested), live(&tested)),
        (Some(SwapOutcome::RolledBack), "rimnet".to_owned())
    );
    tested.stop();
}

#[test]
fn one_that_hangs_is_left_and_what_it_did_not_answer_is_answered() {
    let mut tested = with(&["rimnet"]);
    swapped(&mut tested, false);
    let before = answers(&tested);
    tested.engines.only_hangs(TUNED);
    tested.lets_hang(&["north/model:rimnet-tuned"]);
    tested.show("north", &still(Shot::Hang, 1));
    tested.hung();
    tested.show("north", &made());
    assert_eq!(
        (last(&tested), live(&tested)),
        (Some(SwapOutcome::RolledBack), "rimnet".to_owned())
    );
    let told = shots(&tested);
    assert_eq!(told.last().map(|(told, _)| told.as_str()), Some("north shot.made"), "{told:?}");
    assert_eq!(answers(&tested) - before, made().len() as u64 + 1, "those it slept through, too");
    tested.let_go();
    tested.stop();
}

#[test]
fn models_that_say_otherwise_leave_a_clip_with_both_answers() {
    let mut tested = with(&["rimnet", TUNED]);
    tested.engines.behaves(TUNED, How::Otherwise);
    // It is compared at what it sees whole.
    tested.show("north", &still(Shot::Nothing, 50));
    tested.show("north", &made());
    // Until both have seen well past it, and its video is on disk.
    tested.show("north", &still(Shot::Nothing, 200));
    let told = tested.handle().disagreements();
    let [one] = &told[..] else { panic!("{told:?}") };
    assert_eq!((one.live.call, one.other.call), (CallWord::Made, CallWord::Missed));
    assert_eq!((one.live.bundle.as_str(), one.other.bundle.as_str()), ("rimnet", TUNED));
    assert!(one.live.probability.is_some_and(|p| p > 0.9) && !one.time.is_empty(), "{one:?}");
    assert_eq!((one.court.as_str(), one.rim, one.verdict), ("north", 0, None));
    let clips = tested.disk.names("/box/ring/clips".as_ref()).expect("the folder");
    assert!(clips.contains(&format!("{}.json", one.clip)), "{clips:?}");
    assert_eq!(tested.handle().models().disagreements, Some(1));
    // What a person says stands beside both, on the board and here.
    let shot = tested.envelopes().into_iter().find(|event| {
        event["type"] == "courtside.shot.made.v1" && event["data"]["provisional"] == false
    });
    let fact = shot.expect("it was told")["fact"].as_str().expect("named").to_owned();
    let fact = courtside::event::FactId::parse(&fact).expect("a fact");
    let said = tested.handle().verdict(fact, VerdictWord::Missed).expect("its game knows it");
    tested.quiet();
    assert_eq!(said.blocking_recv(), Ok(Ok(())));
    let (live, other) = (figures(&tested, "rimnet"), figures(&tested, TUNED));
    assert_eq!((live.attempts, live.judged, live.right), (1, 1, 0));
    assert_eq!((other.attempts, other.agreed, other.judged, other.right), (1, 0, 1, 1));
    assert_eq!(tested.handle().disagreements()[0].verdict, Some(CallWord::Missed));
    // It is still there after a restart.
    tested.pass(Duration::from_millis(500), Duration::from_millis(250));
    tested.stop();
    tested.start().expect("it starts");
    tested.connected();
    assert_eq!(tested.handle().disagreements().len(), 1);
    tested.stop();
}

#[test]
fn models_that_say_the_same_leave_none() {
    let mut tested = with(&["rimnet", TUNED]);
    tested.show("north", &still(Shot::Nothing, 50));
    tested.show("north", &made());
    tested.show("north", &missed());
    tested.show("north", &still(Shot::Nothing, 140));
    assert_eq!(tested.handle().disagreements(), []);
    let other = figures(&tested, TUNED);
    assert_eq!((other.attempts, other.agreed, other.unsure), (2, 2, 0));
    tested.stop();
}

#[test]
fn a_swap_waits_for_its_attempts_and_can_be_cancelled() {
    let mut tested = with(&["rimnet"]);
    tested.handle().swap_model(&order(After::Attempts(1))).expect("asked");
    let refused = tested.handle().swap_model(&order(After::Now)).expect_err("two at once");
    assert!(refused.to_string().contains("under way"), "{refused}");
    tested.quiet();
    tested.show("north", &made());
    let swap = tested.handle().models().swap.expect("under way");
    assert_eq!((swap.attempts, swap.bundle.as_str()), (1, TUNED));
    assert_eq!(live(&tested), "rimnet", "ten minutes have not passed");
    tested.handle().swap_cancel().expect("under way");
    tested.quiet();
    assert_eq!((last(&tested), live(&tested)), (Some(SwapOutcome::Cancelled), "rimnet".to_owned()));
    assert!(tested.handle().swap_cancel().is_err() && tested.handle().swap_back().is_err());
    tested.stop();
}

#[test]
fn after_a_restart_the_box_runs_what_is_configured_unless_a_swap_was_kept() {
    let mut tested = with(&["rimnet"]);
    swapped(&mut tested, false);
    tested.camera_gone("north");
    tested.pass(Duration::from_secs(70), Duration::from_secs(1));
    tested.stop();
    tested.start().expect("it starts");
    tested.connected();
    assert_eq!(live(&tested), "rimnet");
    tested.camera("north");
    swapped(&mut tested, true);
    assert_eq!(tested.handle().models().kept, None, "not before it has done well for a minute");
    tested.camera_gone("north");
    tested.pass(Duration::from_secs(70), Duration::from_secs(1));
    assert_eq!(tested.handle().models().kept.as_deref(), Some(TUNED));
    tested.stop();
    tested.start().expect("it starts");
    tested.connected();
    // On disk, so it is tried apart first; until then one of the binary stands in.
    tested.quiet();
    assert_eq!(live(&tested), TUNED);
    tested.stop();
}
