//! The order of a game on several courts: shots that people add are where the clock puts them.

use super::*;

/// A shot of a court whose camera sees nothing, added so many seconds after the start.
fn added(name: &str, n: u32, second: i64, of: &str, points: u8, made: bool) -> ShotNews {
    let session = SessionId::from_bits(if name == "a" { 0xa1 } else { 0xb1 });
    ShotNews {
        court: court(name),
        session,
        fact: FactId::new(session, Family::Shot, n),
        revision: 0,
        attempt: 0,
        rim: 0,
        at_ns: second * SECOND,
        utc_ns: Some(START + second * SECOND),
        standing: if made { Standing::Made } else { Standing::Missed },
        points,
        points_by: SaidBy::Operator,
        team: Some(team(of)),
        player: None,
        by: Some(By::Operator),
        who: None,
        reason: Some("added".to_owned()),
        confidence: 10_000,
        undone: false,
    }
}

/// Seconds since the start of the shots that there are, in the order of the game.
fn seconds(hall: &Hall) -> Vec<i64> {
    let view = hall.sheet.view();
    let of = |line: &ShotLine| (line.utc_ns.expect("known") - START) / SECOND;
    view.shots.iter().map(of).collect()
}

#[test]
fn one_that_is_added_goes_before_what_other_courts_shot_later() {
    let mut hall = Hall::new("fiba-3x3");
    hall.take(SheetInput::Shot(added("a", 1, 54, "red", 2, true)));
    hall.take(SheetInput::Shot(added("b", 1, 58, "blue", 2, true)));
    // Its own court has a later one, which says nothing of the other court's.
    hall.take(SheetInput::Shot(added("b", 2, 50, "blue", 2, true)));
    assert_eq!(seconds(&hall), [50, 54, 58]);
    let score = hall.sheet.view().score;
    assert_eq!((score.lead_changes, score.ties), (0, 1), "0:2, 2:2, 2:4");
    assert_eq!(Sheet::fold(&hall.log).expect("read"), Some(hall.sheet));
}

#[test]
fn who_won_is_who_was_there_first_by_the_clock() {
    let mut hall = Hall::new("pickup-11");
    hall.take(SheetInput::Shot(added("b", 1, 300, "blue", 1, false)));
    for n in 0..6 {
        let second = 100 + 10 * i64::from(n);
        hall.take(SheetInput::Shot(added("a", 1 + n, second, "red", 2, true)));
    }
    assert_eq!(hall.sheet.view().score.won, Some(team("red")));
    for n in 0..6 {
        let second = 20 + 10 * i64::from(n);
        hall.take(SheetInput::Shot(added("b", 2 + n, second, "blue", 2, true)));
    }
    let in_order: Vec<i64> =
        (2..=7).map(|n| 10 * n).chain((10..=15).map(|n| 10 * n)).chain([300]).collect();
    assert_eq!(seconds(&hall), in_order);
    let score = hall.sheet.view().score;
    let sixth = FactId::new(SessionId::from_bits(0xb1), Family::Shot, 7).to_string();
    assert_eq!((score.won, score.won_by), (Some(team("blue")), Some(sixth)), "12 to 0 by then");
}

#[test]
fn a_final_that_comes_later_goes_before_what_was_added_of_a_later_time() {
    let mut hall = Hall::new("fiba-3x3");
    hall.take(SheetInput::Shot(added("b", 1, 30, "blue", 2, true)));
    // The camera of the other court saw one two seconds before; its final came after the tap.
    let (called, _) = hall.shot(Some("red"), 1, true, 28);
    assert_eq!(seconds(&hall), [28, 30]);
    // Finals among themselves stand as they come.
    let other = ShotNews {
        court: court("b"),
        session: SessionId::from_bits(9),
        fact: FactId::new(SessionId::from_bits(9), Family::Shot, 1),
        at_ns: 27 * SECOND,
        utc_ns: Some(START + 27 * SECOND),
        ..called
    };
    hall.take(SheetInput::Shot(other));
    assert_eq!(seconds(&hall), [28, 27, 30]);
    assert_eq!(Sheet::fold(&hall.log).expect("read"), Some(hall.sheet));
}

#[test]
fn a_call_that_was_given_back_stands_where_finals_stand() {
    let mut hall = Hall::new("fiba-3x3");
    hall.take(SheetInput::Shot(added("b", 1, 58, "blue", 2, true)));
    // The other court's model took it back before the game heard of it, and a person says that it was one.
    let (session, revision) = (SessionId::from_bits(0xa2), 2);
    let fact = FactId::new(session, Family::Shot, 1);
    let given_back = ShotNews { session, fact, revision, ..added("a", 1, 50, "red", 2, true) };
    hall.take(SheetInput::Shot(given_back));
    assert_eq!(seconds(&hall), [50, 58], "before what was added of a later time");
    // And what is called afterwards goes behind it, as it came, though it was earlier.
    let (session, n) = (SessionId::from_bits(0xc1), 1);
    let fact = FactId::new(session, Family::Shot, n);
    let called =
        ShotNews { session, fact, revision: 1, by: None, ..added("a", n, 40, "blue", 1, true) };
    hall.take(SheetInput::Shot(called));
    assert_eq!(seconds(&hall), [50, 40, 58]);
    assert_eq!(Sheet::fold(&hall.log).expect("read"), Some(hall.sheet));
}
