//! Players: who is in a list, who is in none, and whose points these are.

use super::*;

/// A game that lists nobody.
fn open() -> Hall {
    Hall::of(Setup { players: Vec::new(), ..setup("fiba-3x3") })
}

/// Team, player and points of the leaderboard's rows.
fn rows(hall: &Hall) -> Vec<(String, u32)> {
    let rows = hall.sheet.view().leaderboard.players;
    let of = |row: Row| (format!("{}/{}", row.team, row.player.expect("a player")), row.points);
    rows.into_iter().map(of).collect()
}

fn named(hall: &mut Hall, of: Option<&str>, points: u8, id: &str) -> ShotNews {
    let (mut news, _) = hall.shot(of, points, true, 20);
    hall.correct(&mut news, |news| news.player = Some(player(id)));
    news
}

#[test]
fn points_that_pend_are_in_no_leaderboard() {
    let mut hall = open();
    named(&mut hall, Some("red"), 2, "zoe");
    let mut pends = named(&mut hall, None, 2, "zoe");
    let view = hall.sheet.view();
    assert_eq!(view.score.pending.points, 2);
    assert_eq!(rows(&hall), [("red/zoe".to_owned(), 2)], "as many as her team has");
    hall.correct(&mut pends, |news| news.team = Some(team("red")));
    assert_eq!(rows(&hall), [("red/zoe".to_owned(), 4)]);
}

#[test]
fn who_is_in_no_list_is_of_the_team_of_each_shot() {
    let mut hall = open();
    named(&mut hall, Some("red"), 2, "7");
    named(&mut hall, Some("red"), 2, "7");
    named(&mut hall, Some("blue"), 1, "7");
    assert_eq!(rows(&hall), [("red/7".to_owned(), 4), ("blue/7".to_owned(), 1)]);
    assert_eq!(Sheet::fold(&hall.log).expect("read"), Some(hall.sheet));
}

#[test]
fn a_game_with_a_list_refuses_whom_it_does_not_list_and_says_whom_it_does() {
    let said = |hall: &Hall, of: Option<&str>, id: &str| {
        let (of, id) = (of.map(team), player(id));
        let refused = hall.sheet.check_said(None, of.as_ref(), Some(&id)).err();
        refused.map(|error| error.to_string()).unwrap_or_default()
    };
    let hall = Hall::new("fiba-3x3");
    assert_eq!(said(&hall, None, "ana"), "");
    let refused = "`zoe` is none of those who play here: say one of ana, bo; players are listed when a \
                   game starts";
    assert_eq!(said(&hall, None, "zoe"), refused);
    assert!(said(&hall, Some("blue"), "zoe").contains("say one of bo;"));
    let hall = open();
    assert_eq!(said(&hall, Some("red"), "zoe"), "", "a number is enough where nobody is listed");
    // Where one team alone is listed, the other's players are whoever is named.
    let players = setup("fiba-3x3").players.into_iter().take(1).collect();
    let hall = Hall::of(Setup { players, ..setup("fiba-3x3") });
    assert_eq!(said(&hall, Some("blue"), "4"), "");
    assert!(said(&hall, None, "4").contains("say one of ana;"));
}
