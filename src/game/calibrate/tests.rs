//! Made-up rims, and games that learn from them.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::answer::{DecisionParameters, ModelIdentity, RimAnswer, RimProbabilities};
use crate::config::Calibrate;
use crate::event::{Event, Family, Saying};
use crate::game::log::events as told;
use crate::game::play::Game;
use crate::media::{CloseReason, CourtId, MediaTime, Monotonic, RimId, SessionId};

const PLACE: RimBox = RimBox { x: 612.0, y: 188.0, w: 44.0, h: 22.0 };
const BUNDLE: (&str, &str) = ("rimnet", "0.4.0");
/// The bundle's own middle, in most of these.
const CUT: Option<f32> = Some(-0.5);

fn fact(n: u32) -> FactId {
    FactId::new(SessionId::from_bits(7), Family::Shot, n)
}

/// Finals in thousandths, one after another.
fn seen(odds: &[i32]) -> Calibration {
    let mut calibration = Calibration::new(PLACE);
    for (n, odds) in (0..).zip(odds) {
        assert!(calibration.saw(fact(n), of_thousandths(*odds), BUNDLE, CUT).is_none());
    }
    calibration
}

/// Two kinds about −4.5 + `by` and 3.5 + `by`, a little scattered: their middle is −0.5 + `by`.
fn two_kinds(each: i32, by: i32) -> Vec<i32> {
    let scatter = |n: i32| (n * 337) % 901 - 450;
    (0..each).flat_map(|n| [-4_500 + by + scatter(n), 3_500 + by - scatter(n)]).collect()
}

#[test]
fn nothing_is_learnt_of_too_little() {
    let shift = |odds: &[i32], cut| seen(odds).learnt(cut).shift;
    let many = two_kinds(30, 1_000);
    assert!(shift(&many, CUT) < -0.3, "{}", shift(&many, CUT));
    // A bundle that does not say its own middle; too few; too few of one kind; one heap; two kinds on
    // one side of the bundle's middle.
    assert_eq!(shift(&many, None), 0.0);
    assert_eq!(shift(&many[..19], CUT), 0.0);
    assert_ne!(shift(&many[..20], CUT), 0.0);
    let mut lopsided = vec![-4_500; 40];
    lopsided.extend([4_500; 4]);
    assert_eq!(shift(&lopsided, CUT), 0.0);
    lopsided.push(4_500);
    assert_ne!(shift(&lopsided, CUT), 0.0);
    let even: Vec<i32> = (-30..30).map(|n| n * 150).collect();
    assert_eq!(shift(&even, CUT), 0.0);
    assert_eq!(shift(&two_kinds(30, 0), Some(5.0)), 0.0);
    // A run of misses alone, some of them doubtful: two heaps, clear of each other, and no two kinds.
    let mut misses = vec![-4_600; 40];
    misses.extend([-400, 100, 300, 100, 400, 200]);
    assert!(Kinds::of(misses.iter().copied()).is_some());
    assert_eq!(shift(&misses, CUT), 0.0);
}

#[test]
fn without_verdicts_at_most_half_of_what_is_seen_is_believed() {
    let learnt = |each, by| seen(&two_kinds(each, by)).learnt(CUT);
    let one = learnt(30, 1_000);
    assert!((-0.5..-0.45).contains(&one.shift), "{one:?}");
    assert_eq!((one.from, one.attempts, one.verdicts), (Source::Odds, 60, 0));
    let middle = one.middle.expect("two kinds");
    assert!((middle - 0.5).abs() < 0.05, "{middle}");
    // The other way it shifts the other way; fewer say less; nothing moved, nothing shifts.
    assert!((0.45..0.5).contains(&learnt(30, -1_000).shift));
    assert!(learnt(10, 1_000).shift.abs() < one.shift.abs());
    assert!(learnt(30, 0).shift.abs() < 0.03, "{:?}", learnt(30, 0));
}

#[test]
fn few_verdicts_move_little_and_a_sure_mistake_less_than_a_close_one() {
    let shift = |verdicts: &[(i32, Verdict)]| {
        let mut calibration = seen(&verdicts.iter().map(|(odds, _)| *odds).collect::<Vec<_>>());
        for (n, (_, verdict)) in (0..).zip(verdicts) {
            assert!(calibration.said(fact(n), *verdict));
        }
        calibration.learnt(CUT).shift
    };
    use Verdict::{Made, Missed, None};
    assert_eq!(shift(&[]), 0.0);
    assert!(shift(&[(4_000, Made), (-4_000, Missed)]).abs() < 0.02);
    let one = shift(&[(1_000, Missed)]);
    assert!((-0.3..-0.2).contains(&one), "{one}");
    assert!((-0.55..one).contains(&shift(&[(1_000, Missed), (1_000, Missed)])));
    assert!((one + 0.01..-0.1).contains(&shift(&[(4_500, Missed)])));
    assert!(shift(&[(-1_000, Made)]) > 0.2);
    assert_eq!(shift(&[(2_000, None), (-3_000, None)]), 0.0);
    // Many, all the same way: as far as it goes, and no farther.
    assert!((-1.5..-1.0).contains(&shift(&[(1_500, Missed); 60])));
}

#[test]
fn no_shot_takes_an_attempt_out() {
    let mut odds = two_kinds(12, 0);
    odds.push(6_000);
    let mut calibration = seen(&odds);
    let without = seen(&two_kinds(12, 0)).learnt(CUT);
    assert_ne!(calibration.learnt(CUT), without);
    assert!(calibration.said(fact(24), Verdict::None));
    assert_eq!(calibration.learnt(CUT), without);
    // The last word holds, and a shot that is not kept has none.
    assert!(calibration.said(fact(24), Verdict::Made));
    assert_eq!(calibration.learnt(CUT).verdicts, 1);
    assert!(!calibration.said(fact(25), Verdict::Made));
}

#[test]
fn the_oldest_go() {
    let many: Vec<i32> = (0..250).map(|n| if n % 2 == 0 { -4_000 } else { 3_000 }).collect();
    let mut calibration = seen(&many);
    assert_eq!(calibration.learnt(CUT).attempts, SEEN_AT_MOST);
    assert!(!calibration.said(fact(49), Verdict::Made) && calibration.knows(fact(50)));
    let again = Calibration::try_from(calibration.kept()).expect("its own");
    assert_eq!(again, calibration);
}

#[test]
fn another_bundle_begins_anew() {
    let mut calibration = seen(&two_kinds(30, 1_000));
    let before = calibration.clone();
    let old = calibration.saw(fact(99), 1.0, ("rimnet", "0.5.0"), CUT);
    assert_eq!(old, Some(before));
    assert_eq!(calibration.bundle(), Some(("rimnet", "0.5.0")));
    assert_eq!(calibration.learnt(CUT).attempts, 1);
}

#[test]
fn a_drift_is_told_once_and_again_after_it_was_over() {
    let mut calibration = seen(&two_kinds(15, 0));
    let mut number = 100;
    let mut told = Vec::new();
    for by in [0, 1_300, 1_300, 0, -1_300] {
        for odds in two_kinds(15, by) {
            number += 1;
            calibration.saw(fact(number), of_thousandths(odds), BUNDLE, CUT);
            let learnt = calibration.learnt(CUT);
            if calibration.tells_drift(&learnt) {
                told.push((by, learnt.drift.expect("known") > 0.0));
            }
        }
    }
    assert_eq!(told, [(1_300, true), (-1_300, false)]);
}

fn odds() -> impl Strategy<Value = Vec<i32>> {
    // Within what adding a constant leaves unclamped.
    prop::collection::vec(prop_oneof![-4_800..-2_500, -1_000..1_000, 2_500..4_500], 20..80)
}

proptest! {
    #[test]
    fn a_shift_of_all_odds_moves_the_cut_by_as_much(odds in odds(), by in -1_200..1_200) {
        let of = |odds: &[i32]| Kinds::of(odds.iter().copied()).map(|kinds| kinds.middle());
        let moved: Vec<i32> = odds.iter().map(|odds| odds + by).collect();
        match (of(&odds), of(&moved)) {
            (Some(before), Some(after)) => prop_assert_eq!(after - before, by),
            (None, None) => {}
            // The gap is of floats: at its very edge rounding may decide.
            (before, after) => prop_assert!(false, "{:?} {:?}", before, after),
        }
    }

    #[test]
    fn a_verdict_never_moves_the_shift_the_wrong_way(
        odds in odds(),
        said in prop::collection::vec(any::<Option<bool>>(), 20),
        which in 0_usize..20,
        cut in prop::option::of(-1.5_f32..1.5),
    ) {
        let word = |made: bool| if made { Verdict::Made } else { Verdict::Missed };
        let mut calibration = seen(&odds);
        for (n, said) in (0..).zip(said.iter().enumerate()) {
            if let (index, Some(made)) = said && index != which {
                calibration.said(fact(n), word(*made));
            }
        }
        let before = calibration.learnt(cut).shift;
        let n = u32::try_from(which).expect("small");
        calibration.said(fact(n), Verdict::Made);
        prop_assert!(calibration.learnt(cut).shift >= before);
        calibration.said(fact(n), Verdict::Missed);
        prop_assert!(calibration.learnt(cut).shift <= before);
    }

    #[test]
    fn no_order_matters(
        all in prop::collection::vec((-6_000..6_000_i32, any::<Option<bool>>()), 0..60)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let learnt = |all: &[(i32, Option<bool>)]| {
            let mut calibration = seen(&all.iter().map(|(odds, _)| *odds).collect::<Vec<_>>());
            // Verdicts come in the other order than the shots did.
            let numbered: Vec<_> = (0..).zip(all).collect();
            for (n, (_, said)) in numbered.into_iter().rev() {
                if let Some(made) = said {
                    calibration.said(fact(n), if *made { Verdict::Made } else { Verdict::Missed });
                }
            }
            Learnt { drift: None, ..calibration.learnt(CUT) }
        };
        prop_assert_eq!(learnt(&all.0), learnt(&all.1));
        let shift = f64::from(learnt(&all.0).shift);
        prop_assert!(shift.abs() <= SHIFT_AT_MOST);
    }
}

// ---------------------------------------------------------------- games that learn

struct Played {
    game: Game,
    frame: i64,
    model: Arc<ModelIdentity>,
}

impl Played {
    fn new(how: Calibrate, rims: Vec<Calibration>) -> Self {
        let decision = DecisionParameters { cut: CUT, ..DecisionParameters::default() };
        let named = |text: &str| text.to_owned();
        let model = ModelIdentity {
            bundle: named(BUNDLE.0),
            version: named(BUNDLE.1),
            precision: named("fp32"),
            engine: named("script"),
            decision,
        };
        let game = Game::new(CourtId::new("a").expect("name"), 1);
        Self { game: game.calibrated(how, rims), frame: 0, model: Arc::new(model) }
    }

    /// `.` none, `u` under way, `?` an outcome that is a little rather made (log-odds 0.32).
    fn looks(&mut self, looks: &str) -> Vec<Event> {
        let mut events = Vec::new();
        for look in looks.chars() {
            self.frame += 1;
            let [none, under_way, made, missed] = match look {
                'u' => [0.05, 0.85, 0.05, 0.05],
                '?' => [0.02, 0.03, 0.55, 0.40],
                _ => [0.94, 0.02, 0.02, 0.02],
            };
            events.extend(told(self.game.step(&RimAnswer {
                court: CourtId::new("a").expect("name"),
                rim: RimId(0),
                session: SessionId::from_bits(1),
                pts: MediaTime::from_millis(self.frame * 33),
                says: RimProbabilities { none, under_way, made, missed },
                warming: false,
                model: Arc::clone(&self.model),
                arrival: Monotonic::ZERO,
                answered: Monotonic::ZERO,
            })));
        }
        events
    }
}

const SHOT: &str = "...uuuu??????????????????.........";

fn finals(events: &[Event]) -> String {
    let one = |event: &Event| match &event.saying {
        Saying::ShotMade(shot) if !shot.provisional => Some('m'),
        Saying::ShotMissed(shot) if !shot.provisional => Some('x'),
        _ => None,
    };
    events.iter().filter_map(one).collect()
}

#[test]
fn only_where_it_is_on_a_calibration_changes_calls() {
    let rim = || vec![seen(&two_kinds(30, 1_500))];
    assert!(rim()[0].learnt(CUT).shift < -0.4);
    let called = |how, rims| finals(&Played::new(how, rims).looks(SHOT));
    assert_eq!(called(Calibrate::Off, rim()), "m");
    assert_eq!(called(Calibrate::Watch, rim()), "m");
    assert_eq!(called(Calibrate::On, rim()), "x");
    assert_eq!(called(Calibrate::On, vec![Calibration::new(PLACE)]), "m");
    // What another bundle taught is not this one's.
    let mut other = rim();
    other[0].bundle = Some(("rimnet".to_owned(), "0.3.0".to_owned()));
    assert_eq!(called(Calibrate::On, other), "m");
}

#[test]
fn what_is_learnt_holds_from_the_next_attempt_on() {
    let mut played = Played::new(Calibrate::On, vec![seen(&two_kinds(4, 0))]);
    let before = played.looks("...uuuu????");
    // Enough verdicts to call it otherwise, in the middle of an attempt.
    for n in 0..8 {
        assert_eq!(played.game.said(fact(n), Verdict::Missed).len(), 1);
    }
    assert!(
        played.game.said(fact(8), Verdict::Missed).is_empty(),
        "not called yet, or none of ours"
    );
    let (_, learnt) = played.game.learnt().next().expect("a rim");
    assert!(learnt.shift < -0.4, "{learnt:?}");
    let after = played.looks("??????????????.........");
    assert_eq!(finals(&before) + &finals(&after), "m", "begun before");
    assert_eq!(finals(&played.looks(SHOT)), "x", "begun afterwards");
    // The odds that are kept are those without the shift, or it would feed on itself.
    let kept = played.game.learnt().next().expect("a rim").0.kept();
    let odds: Vec<i32> = kept.seen.iter().rev().take(2).map(|seen| seen.odds).collect();
    assert!(odds.iter().all(|odds| (300..340).contains(odds)), "{odds:?}");
}

#[test]
fn a_game_tells_what_there_is_to_keep_once() {
    let mut played = Played::new(Calibrate::Watch, vec![Calibration::new(PLACE)]);
    assert!(played.game.news().is_empty());
    let events = played.looks(SHOT);
    let shot = events.iter().rev().find(|event| matches!(event.saying, Saying::ShotMade(_)));
    let shot = shot.expect("a final").fact;
    let news = played.game.news();
    assert!(matches!(&news[..], [(0, news)] if news.ended.is_none() && !news.drifted), "{news:?}");
    assert!(played.game.news().is_empty());
    assert_eq!(played.game.said(shot, Verdict::None).len(), 1);
    assert_eq!(played.game.news().len(), 1);
    let model = Arc::make_mut(&mut played.model);
    model.version = "0.5.0".to_owned();
    played.looks(SHOT);
    let news = played.game.news();
    let ended = news[0].1.ended.as_ref().expect("the old one");
    assert_eq!(ended.verdicts().next().map(|(_, verdict)| verdict), Some(Verdict::None));
    // Off: nothing is worked out or kept.
    let mut off = Played::new(Calibrate::Off, vec![Calibration::new(PLACE)]);
    off.looks(SHOT);
    off.game.session_closed(SessionId::from_bits(1), CloseReason::Ended);
    assert!(off.game.news().is_empty() && off.game.learnt().next().is_none());
}
