//! Models of any shape, swapped between two pictures of one session, with the engine in the binary.

use super::*;
use crate::detect::roster::late::{Late, PATIENCE};
use crate::detect::roster::tests::{Heard, SESSION};
use crate::mailbox::Take;
use crate::media::CloseReason;

fn order(bundle: &str, after: After) -> SwapOrder {
    SwapOrder { bundle: bundle.to_owned(), precision: None, after, keep: false }
}

fn phase(late: &Late) -> Option<SwapPhase> {
    late.detect.status().swap.map(|swap| swap.phase)
}

fn ended(late: &Late) -> Option<SwapOutcome> {
    late.detect.status().last_swap.map(|last| last.outcome)
}

/// The bundle and time of the next answer that goes to the game; what is said beside it is passed over.
fn decided(late: &Late) -> (String, i64) {
    let mut early = 0;
    loop {
        match late.told.take(PATIENCE) {
            // Word of the item before may come to a reader that has it already: that is no time-out.
            Take::TimedOut if early < 3 => early += 1,
            Take::Item(Heard::Answer(answer)) => {
                return (answer.model.bundle.clone(), answer.pts.as_nanos() / 1_000_000);
            }
            Take::Item(Heard::Shadow(_)) => {}
            other => panic!("no answer: {other:?}"),
        }
    }
}

/// Offers pictures `from..to`, each once the one before it is answered; who answered each.
fn played(late: &Late, from: i64, to: i64) -> Vec<String> {
    let one = |n: i64| {
        late.offer(n * 40);
        let (by, ms) = decided(late);
        assert_eq!(ms, n * 40, "each picture is answered once, in order");
        by
    };
    (from..to).map(one).collect()
}

fn until(condition: impl Fn() -> bool) {
    while !condition() {
        std::thread::yield_now();
    }
}

fn swapped(late: &Late, bundle: &str, frames: u32) {
    late.detect.swap(&order(bundle, After::Frames(frames))).expect("asked");
    late.outcome.send(Ok(())).expect("listened to");
    until(|| phase(late) != Some(SwapPhase::Loading));
}

#[test]
fn a_model_of_another_shape_takes_over_between_two_pictures_and_goes_back() {
    let late = Late::with(&["rimnet"]);
    assert!(played(&late, 0, 3).iter().all(|by| by == "rimnet"));
    // Input, classes, states and warm-up are others'.
    late.detect.swap(&order("toy", After::Frames(3))).expect("asked");
    let again = late.detect.swap(&order("shade", After::Now)).expect_err("two at once");
    assert!(again.to_string().contains("a swap to toy is under way"), "{again}");
    assert!(played(&late, 3, 6).iter().all(|by| by == "rimnet"), "while it is loaded");
    late.outcome.send(Ok(())).expect("listened to");
    until(|| phase(&late) == Some(SwapPhase::Shadow));
    let mut by = Vec::new();
    while by.last().is_none_or(|by| by != "toy") {
        let next = 6 + i64::try_from(by.len()).expect("few");
        by.extend(played(&late, next, next + 1));
        assert!(by.len() < 100_000, "it does not come");
    }
    let next = 6 + i64::try_from(by.len()).expect("few");
    by.extend(played(&late, next, next + 10));
    let change = by.iter().position(|name| name == "toy").expect("it takes over");
    assert!(change >= 3, "not before it was warm and had answered three: {by:?}");
    assert!(by.iter().skip(change).all(|name| name == "toy"), "{by:?}");
    let roles: Vec<_> = late.detect.status().bundles.iter().map(|model| model.role).collect();
    assert_eq!(roles, [Some(ModelRole::Previous), Some(ModelRole::Live)]);
    // Back, at once.
    late.detect.swap_back().expect("it is kept");
    assert!(played(&late, next + 10, next + 15).iter().all(|by| by == "rimnet"));
    assert_eq!(ended(&late), Some(SwapOutcome::Back));
    // Of all that the game hears one end.
    let closed: Vec<_> = late
        .finish()
        .into_iter()
        .filter_map(|told| match told {
            Heard::Closed(session, reason) => Some((session, reason)),
            Heard::Answer(_) | Heard::Shadow(_) => None,
        })
        .collect();
    assert_eq!(closed, [(SESSION, CloseReason::Ended)]);
}

#[test]
fn fifty_swaps_lose_no_picture_and_keep_two_models() {
    let late = Late::with(&["rimnet"]);
    let mut next = 0;
    for n in 0..50 {
        let bundle = if n % 2 == 0 { "toy" } else { "shade" };
        swapped(&late, bundle, 2);
        // The one that is tried answers on a thread of its own.
        while played(&late, next, next + 1) != [bundle] {
            next += 1;
            assert!(next < 100_000, "swap {n} does not come: {:?}", late.detect.status());
        }
        next += 1;
        late.detect.tend();
        assert!(late.detect.status().bundles.len() <= 2, "one is kept for the way back");
    }
    assert!(late.detect.feeds().len() <= 2);
    drop(late.finish());
}

#[test]
fn one_that_is_cancelled_or_refused_changes_nothing() {
    let late = Late::with(&["rimnet"]);
    swapped(&late, "toy", 1_000);
    assert!(played(&late, 0, 10).iter().all(|by| by == "rimnet"));
    late.detect.swap_cancel().expect("under way");
    assert_eq!((phase(&late), ended(&late)), (None, Some(SwapOutcome::Cancelled)));
    assert_eq!(late.detect.feeds().len(), 1, "it gets no picture any more");
    late.detect.swap(&order("toy", After::Now)).expect("asked");
    late.outcome.send(Err("it wants 2.7 GB".to_owned())).expect("listened to");
    until(|| ended(&late) == Some(SwapOutcome::Failed));
    let why = late.detect.status().last_swap.and_then(|last| last.reason).unwrap_or_default();
    assert_eq!(why.as_str(), "it wants 2.7 GB");
    assert!(played(&late, 10, 20).iter().all(|by| by == "rimnet"));
    for bad in ["../etc", "", "Rimnet"] {
        let refused = late.detect.swap(&order(bad, After::Now)).expect_err("no name");
        assert!(matches!(refused, SwapRefused::Name { .. }), "{refused}");
    }
    drop(late.finish());
}

#[test]
fn without_a_camera_now_means_once_it_is_loaded() {
    let late = Late::with(&["rimnet"]);
    late.detect.swap(&order("toy", After::Now)).expect("asked");
    late.outcome.send(Ok(())).expect("listened to");
    until(|| phase(&late) != Some(SwapPhase::Loading));
    late.clock.advance(Duration::from_millis(1_100));
    late.detect.tend();
    assert_eq!(ended(&late), Some(SwapOutcome::Switched));
    let by = played(&late, 0, 3);
    assert!(by.iter().all(|by| by == "toy"), "{by:?}");
    drop(late.finish());
}
