//! What taps on a game as a whole come to: periods, sides, its end; and when that was.

use super::*;

fn period(n: u16, second: i64) -> SheetInput {
    SheetInput::Period { n, swapped: None, utc_ns: START + second * SECOND, began_ns: None }
}

fn ended(second: i64) -> SheetInput {
    SheetInput::Ended { why: EndWord::Operator, utc_ns: START + second * SECOND }
}

/// So many baskets of so many points.
fn baskets(hall: &mut Hall, of: &str, points: u8, count: usize) -> ShotNews {
    let shots = (0..count).map(|_| hall.shot(Some(of), points, true, 10).0);
    shots.last().expect("one at least")
}

#[test]
fn a_game_that_points_end_has_no_overtime_and_goes_on_until_it_is_won_by_two() {
    let mut hall = Hall::new("pickup-11");
    baskets(&mut hall, "red", 1, 10);
    baskets(&mut hall, "blue", 1, 10);
    assert_eq!(hall.sheet.check(&period(2, 300)), Err(Refused::NoOvertime));
    assert_eq!(hall.sheet.view().told.next_period, None, "no page offers one");
    // A log of an earlier version has such a tap: the target holds all the same.
    hall.take(period(2, 300));
    assert_eq!(hall.sheet.view().momentum.win.len(), 2);
    hall.shot(Some("red"), 1, true, 200);
    assert_eq!(hall.sheet.view().score.game_point, [team("red")]);
    assert_eq!(hall.sheet.view().score.won, None);
    hall.shot(Some("red"), 2, true, 20);
    assert_eq!(hall.sheet.view().score.won, Some(team("red")));
    assert!(hall.texts().contains(&"Reds win 13–10".to_owned()), "{:?}", hall.texts());
}

#[test]
fn an_overtime_that_was_tapped_by_mistake_wins_nothing_and_is_taken_back() {
    let mut hall = Hall::new("fiba-3x3");
    baskets(&mut hall, "red", 2, 4);
    baskets(&mut hall, "blue", 2, 1);
    hall.take(period(2, 60));
    assert_eq!(hall.sheet.view().score.game_point, []);
    hall.second = 70;
    hall.shot(Some("blue"), 2, true, 10);
    let view = hall.sheet.view();
    assert_eq!((view.score.won, view.score.period), (None, 2));
    let share = view.momentum.win[0].share;
    assert!(share > 0.5 && share < 1.0, "the reds lead by four: {share}");
    // Back: what was shot since is of the first period, as if nobody had tapped.
    hall.take(period(1, 90));
    let view = hall.sheet.view();
    assert_eq!((view.score.period, view.told.starts.len()), (1, 0));
    assert_eq!(view.score.teams[1].by_period, [4]);
    assert!(view.shots.iter().all(|line| line.period == 1));
    baskets(&mut hall, "red", 2, 6);
    hall.shot(Some("red"), 1, true, 5);
    assert_eq!(hall.sheet.view().score.won, Some(team("red")), "21 to 4");
}

#[test]
fn an_overtime_counts_once_the_score_before_it_is_a_draw() {
    let mut hall = Hall::new("fiba-3x3");
    baskets(&mut hall, "red", 2, 2);
    let mut wrong = hall.shot(Some("blue"), 1, true, 10).0;
    baskets(&mut hall, "blue", 2, 1);
    // 4 to 3: a two of the blues stands as a one, and nobody has mended that yet.
    hall.take(period(2, 60));
    hall.second = 70;
    hall.shot(Some("blue"), 2, true, 10);
    assert_eq!(hall.sheet.view().score.won, None);
    hall.correct(&mut wrong, |news| news.points = 2);
    let score = hall.sheet.view().score;
    assert_eq!((score.won, score.by), (Some(team("blue")), 2), "4 to 4, and two more");
}

#[test]
fn a_period_that_was_tapped_twice_is_taken_back_with_its_sides() {
    let mut made = setup("fiba-5x5");
    made.attacks = Attacks(vec![Attacked { court: court("a"), rim: 0, team: Some(team("red")) }]);
    let mut hall = Hall::of(made);
    hall.take(period(2, 10));
    hall.take(period(3, 11));
    hall.second = 20;
    hall.shot(Some("red"), 2, true, 5);
    assert_eq!(hall.sheet.ordinary(&court("a"), RimId(0), None).team, Some(team("blue")));
    hall.take(period(2, 30));
    assert_eq!(hall.sheet.ordinary(&court("a"), RimId(0), None).team, Some(team("red")));
    let view = hall.sheet.view();
    assert_eq!(view.score.teams[0].by_period, [0, 2]);
    let began = UtcTime::from_nanos(START + 10 * SECOND).to_rfc3339();
    assert_eq!(view.told.starts[0].time, began, "when it was tapped first");
    // Two at once, and one back: that one began when both were tapped.
    hall.take(period(4, 40));
    hall.take(period(3, 50));
    let starts = hall.sheet.view().told.starts;
    let last = starts.last().expect("one");
    let began = UtcTime::from_nanos(START + 40 * SECOND).to_rfc3339();
    assert_eq!((last.period, &last.time), (3, &began));
    assert_eq!(Sheet::fold(&hall.log).expect("read"), Some(hall.sheet));
}

/// A game of two courts, on each a rim of one team.
fn sided() -> Hall {
    let mut made = setup("fiba-5x5");
    let at = |on: &str, of: &str| Attacked { court: court(on), rim: 0, team: Some(team(of)) };
    made.attacks = Attacks(vec![at("a", "red"), at("b", "blue")]);
    Hall::of(made)
}

/// A period that began earlier than it was tapped.
fn began(n: u16, second: i64, at: i64) -> SheetInput {
    let (utc_ns, began_ns) = (START + second * SECOND, Some(START + at * SECOND));
    SheetInput::Period { n, swapped: None, utc_ns, began_ns }
}

#[test]
fn a_period_that_is_tapped_late_takes_its_shots_along_with_their_sides() {
    let mut hall = sided();
    hall.take(period(2, 10));
    let before = hall.shot(Some("red"), 2, true, 20).0;
    // The third has begun, teams have changed baskets, and nobody has tapped.
    let late = hall.shot(Some("red"), 2, true, 20).0;
    assert_eq!(hall.sheet.sided(&court("a")), []);
    hall.take(began(3, 55, 30));
    let view = hall.sheet.view();
    assert_eq!(view.shots.iter().map(|line| line.period).collect::<Vec<_>>(), [2, 3]);
    let started = UtcTime::from_nanos(START + 30 * SECOND).to_rfc3339();
    assert_eq!(view.told.starts.last().map(|start| start.time.clone()), Some(started));
    assert_eq!(hall.sheet.sided(&court("a")), [(late.fact, team("blue"))]);
    assert_eq!(hall.sheet.sided(&court("b")), []);
    // Its book tells it, and the game follows.
    let mut told = ShotNews { revision: 2, team: Some(team("blue")), ..late };
    hall.take(SheetInput::Shot(told.clone()));
    assert_eq!((hall.points(), hall.sheet.sided(&court("a"))), ([2, 2], vec![]));
    // Moved once more, before the other shot too; and back behind both.
    hall.take(began(3, 60, 15));
    assert_eq!(hall.sheet.sided(&court("a")), [(before.fact, team("blue"))]);
    hall.take(began(3, 61, 45));
    assert_eq!(hall.sheet.sided(&court("a")), [(told.fact, team("red"))]);
    told = ShotNews { revision: 3, team: Some(team("red")), ..told };
    hall.take(SheetInput::Shot(told));
    let [red, blue] = hall.sheet.view().score.teams;
    assert_eq!((red.by_period, blue.points), (vec![0, 4, 0], 0));
    assert_eq!(Sheet::fold(&hall.log).expect("read"), Some(hall.sheet));
}

#[test]
fn a_period_begins_between_the_one_before_it_and_now() {
    let mut hall = sided();
    hall.take(period(2, 100));
    assert_eq!(hall.sheet.check(&began(3, 200, 150)), Ok(()));
    for (input, refused) in [
        (began(3, 200, 100), Refused::Began { n: 3 }),
        (began(3, 200, 201), Refused::Began { n: 3 }),
        (began(2, 200, 0), Refused::Began { n: 2 }),
        (began(1, 200, 50), Refused::FirstPeriod),
    ] {
        assert_eq!(hall.sheet.check(&input), Err(refused));
        // Total: it changes nothing.
        assert_eq!(hall.take(input), []);
    }
    assert_eq!(hall.sheet.check(&began(2, 200, 1)), Ok(()), "moved");
}

#[test]
fn the_rim_of_a_team_is_that_of_the_time() {
    let mut hall = sided();
    hall.take(period(3, 100));
    let rim = |hall: &Hall, of: &str, second: Option<i64>| {
        let utc_ns = second.map(|second| START + second * SECOND);
        let (court, rim) = hall.sheet.attacked(&team(of), None, utc_ns).expect("one");
        (court.as_str().to_owned(), rim.0)
    };
    assert_eq!(rim(&hall, "red", Some(50)), ("a".to_owned(), 0));
    assert_eq!(rim(&hall, "red", Some(150)), ("b".to_owned(), 0));
    assert_eq!(rim(&hall, "blue", None), ("a".to_owned(), 0));
    assert_eq!(hall.sheet.attacked(&team("blue"), Some(&court("b")), None), None);
    let told = hall.sheet.view().told;
    let at = |told: &crate::event::game::GameTold| -> Vec<(String, String)> {
        let of = told.attacks.iter();
        of.map(|one| (one.team.to_string(), one.court.to_string())).collect()
    };
    let pair = |team: &str, court: &str| (team.to_owned(), court.to_owned());
    assert_eq!(at(&told), [pair("blue", "a"), pair("red", "b")], "as it is now");
    assert_eq!((told.points, told.ordinary), (vec![1, 2, 3], Some(2)));
}

#[test]
fn teams_that_change_baskets_in_a_game_of_one_period_keep_what_they_shot() {
    let mut made = setup("none");
    made.attacks = Attacks(vec![Attacked { court: court("a"), rim: 0, team: Some(team("red")) }]);
    let mut hall = Hall::of(made);
    hall.shot(Some("red"), 1, true, 10);
    let tap = |second: i64, swapped| SheetInput::Period {
        n: 1,
        swapped: Some(swapped),
        utc_ns: START + second * SECOND,
        began_ns: None,
    };
    hall.take(tap(20, true));
    assert_eq!(hall.sheet.sided(&court("a")), [], "it was the reds' then");
    let at = |hall: &Hall, second: i64| {
        hall.sheet.ordinary(&court("a"), RimId(0), Some(START + second * SECOND)).team
    };
    assert_eq!((at(&hall, 15), at(&hall, 25)), (Some(team("red")), Some(team("blue"))));
    hall.take(tap(40, false));
    assert_eq!((at(&hall, 25), at(&hall, 45)), (Some(team("blue")), Some(team("red"))));
    assert_eq!(Sheet::fold(&hall.log).expect("read"), Some(hall.sheet));
}

#[test]
fn sides_that_were_said_of_a_period_go_with_it_when_it_is_taken_back() {
    let mut hall = sided();
    hall.shot(Some("red"), 2, true, 10);
    let (n, swapped, utc_ns) = (2, Some(true), START + 20 * SECOND);
    hall.take(SheetInput::Period { n, swapped, utc_ns, began_ns: None });
    let at = |hall: &Hall, second: i64| {
        hall.sheet.ordinary(&court("a"), RimId(0), Some(START + second * SECOND)).team
    };
    assert_eq!((at(&hall, 10), at(&hall, 25)), (Some(team("red")), Some(team("blue"))));
    hall.take(period(1, 30));
    assert_eq!((at(&hall, 10), at(&hall, 25)), (Some(team("red")), Some(team("red"))));
    assert_eq!(hall.sheet.sided(&court("a")), [], "no shot is another team's");
    assert_eq!(Sheet::fold(&hall.log).expect("read"), Some(hall.sheet));
}

#[test]
fn the_second_half_of_big3_is_nobodys_to_begin() {
    let mut hall = Hall::new("big3");
    assert_eq!(hall.sheet.check(&period(2, 5)), Err(Refused::ByPoints));
    assert_eq!(hall.sheet.view().told.next_period, None);
    // Which basket who attacks is said in the period that is played.
    let turned = SheetInput::Period { n: 1, swapped: Some(true), utc_ns: START, began_ns: None };
    assert_eq!(hall.sheet.check(&turned), Ok(()));
    hall.take(turned);
}

#[test]
fn why_it_ended_and_who_won_follow_the_shots_after_the_end_too() {
    let mut hall = Hall::new("fiba-3x3");
    baskets(&mut hall, "blue", 1, 6);
    baskets(&mut hall, "red", 1, 19);
    let mut last = hall.shot(Some("red"), 2, true, 10).0;
    hall.take(ended(400));
    let told = hall.sheet.view().told;
    assert_eq!((told.ended, told.winner), (Some(EndWord::Target), Some(team("red"))));
    assert_eq!(hall.sheet.view().score.won_by, Some(last.fact.to_string()));
    // The winning one was missed: 19 to 6, and somebody ended it.
    hall.correct(&mut last, |news| news.standing = Standing::Missed);
    let view = hall.sheet.view();
    assert_eq!((view.told.ended, view.score.won_by), (Some(EndWord::Operator), None));
    assert_eq!(view.told.winner, Some(team("red")));
    hall.correct(&mut last, |news| news.standing = Standing::Made);
    assert_eq!(hall.sheet.view().told.ended, Some(EndWord::Target));
}

#[test]
fn what_a_tap_changes_is_of_the_time_of_the_tap() {
    let mut hall = Hall::new("fiba-5x5");
    hall.shot(Some("red"), 2, true, 10);
    let when = |events: &[Event]| -> Vec<(&'static str, SessionId, i64)> {
        let of = |event: &Event| {
            let seconds = event.at.as_nanos() / SECOND;
            (event.saying.event_type(), event.session, seconds)
        };
        events.iter().map(of).collect()
    };
    let own = hall.sheet.session();
    let told = hall.take(period(2, 26));
    // With the period goes what is left of the game, and so the share of wins.
    let expected = [
        ("courtside.game.score.v1", own, 26),
        ("courtside.momentum.v1", own, 26),
        ("courtside.game.v1", own, 26),
    ];
    assert_eq!(when(&told), expected);
    let told = hall.take(ended(41));
    assert!(when(&told).contains(&("courtside.game.v1", own, 41)), "{:?}", when(&told));
    assert!(when(&told).contains(&("courtside.graphic.v1", own, 41)), "{:?}", when(&told));
    let view = hall.sheet.view();
    let last = view.graphics.last().expect("the end's");
    assert_eq!((last.graphic.about, last.graphic.t_stream), (GraphicKind::Final, 41.0));
    let at = UtcTime::from_nanos(START + 41 * SECOND).to_rfc3339();
    assert_eq!(view.told.ended_at, Some(at));
}

#[test]
fn a_score_beside_a_name_from_right_to_left_reads_as_it_is() {
    let mut made = setup("fiba-3x3");
    made.teams[0].name = Some("מכבי".to_owned());
    made.check().expect("a name");
    let mut hall = Hall::of(made);
    baskets(&mut hall, "red", 2, 3);
    let isolated = "\u{2068}מכבי\u{2069}";
    assert!(hall.texts().contains(&format!("{isolated} on a 6–0 run")), "{:?}", hall.texts());
    let view = hall.sheet.view();
    let run = view.graphics.iter().find(|line| line.graphic.about == GraphicKind::Run);
    let detail = run.and_then(|line| line.graphic.detail.clone());
    assert_eq!(detail, Some(format!("{isolated} 6–0 Blues")));
    // A caption of ours comes back as it was, from who approves it.
    let best = view.social.last().expect("one");
    assert!(best.candidate.caption.contains(isolated), "{}", best.candidate.caption);
    let fact = FactId::parse(&best.fact).expect("a name");
    let (word, who) = (SocialWord::Approved, None);
    let caption = Some(best.candidate.caption.clone());
    let tap = SheetInput::Social { fact, word, caption, who: who.clone() };
    assert_eq!(hall.sheet.check(&tap), Ok(()));
    let caption = Some("turned \u{2068}round".to_owned());
    let tap = SheetInput::Social { fact, word, caption, who };
    assert_eq!(hall.sheet.check(&tap), Err(Refused::Caption));
}

#[test]
fn a_game_that_an_old_basket_wins_after_all_has_its_final_graphic() {
    let mut hall = Hall::new("fiba-3x3");
    let mut first = hall.shot(Some("red"), 1, true, 10).0;
    baskets(&mut hall, "red", 1, 19);
    for _ in 0..8 {
        hall.shot(Some("blue"), 1, false, 10);
    }
    let finals = |hall: &Hall| {
        let graphics = hall.sheet.view().graphics.into_iter();
        graphics.filter(|line| line.graphic.about == GraphicKind::Final).count()
    };
    assert_eq!(finals(&hall), 0);
    hall.correct(&mut first, |news| news.points = 2);
    assert_eq!(hall.sheet.view().score.won, Some(team("red")));
    assert_eq!(finals(&hall), 1);
    assert!(hall.texts().contains(&"Reds win 21–0".to_owned()), "{:?}", hall.texts());
}

#[test]
fn two_sides_of_one_club_are_told_apart_on_the_air() {
    let mut made = setup("fiba-3x3");
    made.teams[0].name = Some("Düsseldorf Basketball Reds".to_owned());
    made.teams[1].name = Some("Düsseldorf Basketball Blues".to_owned());
    let mut hall = Hall::of(made);
    baskets(&mut hall, "red", 2, 3);
    let view = hall.sheet.view();
    let run = view.graphics.iter().find(|line| line.graphic.about == GraphicKind::Run);
    let run = &run.expect("one").graphic;
    assert_eq!(run.text, "Düsseldorf Basketball Reds on a 6–0 run");
    let detail = "Düsseldorf Basketball Reds 6–0 Düsseldorf Basketball Blues";
    assert_eq!(run.detail.as_deref(), Some(detail));
}

#[test]
fn a_candidate_that_was_approved_keeps_its_place_when_its_shot_is_let_go() {
    let mut hall = Hall::new("none");
    // So far apart that no cut shows two of them.
    let apart = |hall: &mut Hall, of: &str, count: usize| {
        for _ in 0..count {
            hall.shot(Some(of), 1, true, 40);
        }
    };
    apart(&mut hall, "red", 30);
    let budget = hall.sheet.setup().rules.social;
    for line in hall.sheet.view().social {
        let fact = FactId::parse(&line.fact).expect("a name");
        let (word, who) = (SocialWord::Approved, None);
        hall.take(SheetInput::Social { fact, word, caption: None, who });
    }
    let approved = hall.sheet.view().social.len();
    assert_eq!(u32::try_from(approved), Ok(budget), "all of the budget");
    apart(&mut hall, "blue", 640);
    assert_eq!(hall.sheet.view().social.len(), 0, "no more than the budget in all");
}
