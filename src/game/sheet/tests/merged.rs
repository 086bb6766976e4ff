//! Baskets whose cuts are one: what is told of them is of one basket, and what an operator said of them stays.

use super::*;
use crate::event::game::{HighlightLine, SocialLine};

fn social(hall: &Hall) -> Vec<SocialLine> {
    hall.sheet.view().social
}

fn highlight_of(hall: &Hall, shot: &ShotNews) -> HighlightLine {
    let fact = shot.fact.to_string();
    let shows = |line: &HighlightLine| line.shot == fact || line.with.contains(&fact);
    hall.sheet.view().highlights.into_iter().find(shows).expect("it is shown")
}

/// Three twos of the reds: the last one's candidate, on which somebody decides.
fn decided(word: SocialWord, caption: Option<&str>) -> (Hall, ShotNews, SocialLine) {
    let mut hall = Hall::new("fiba-3x3");
    let [_, _, last] = [0; 3].map(|_| hall.shot(Some("red"), 2, true, 30).0);
    let line = social(&hall)
        .into_iter()
        .find(|line| line.candidate.highlight == highlight_of(&hall, &last).fact);
    let line = line.expect("a candidate of the last");
    let fact = FactId::parse(&line.fact).expect("a name");
    let caption = caption.map(str::to_owned);
    hall.take(SheetInput::Social { fact, word, caption, who: Some("ana".to_owned()) });
    (hall, last, line)
}

fn taken_back(events: &[Event]) -> usize {
    let back = |event: &&Event| matches!(event.saying, Saying::SocialWithdrawn(_));
    events.iter().filter(back).count()
}

#[test]
fn a_candidate_that_was_approved_stays_when_the_next_basket_joins_its_cut() {
    // A poorer basket, and one that is better: the one joins the cut, the other takes it over.
    for points in [1, 2] {
        let (mut hall, last, approved) = decided(SocialWord::Approved, Some("What a shot!"));
        let before = social(&hall).len();
        let (next, events) = hall.shot(Some("blue"), points, true, 4);
        assert_eq!(taken_back(&events), 0, "{:?}", kinds(&events));
        let now = social(&hall);
        let line = now.iter().find(|line| line.fact == approved.fact).expect("it stands");
        let both = highlight_of(&hall, &last);
        assert_eq!(both.fact, highlight_of(&hall, &next).fact, "one cut");
        assert_eq!((&line.candidate.highlight, &line.candidate.clip), (&both.fact, &both.clip));
        assert_eq!(line.candidate.state, SocialWord::Approved);
        assert_eq!(line.candidate.caption, "What a shot!");
        let of_it = now.iter().filter(|line| line.candidate.highlight == both.fact).count();
        assert_eq!((of_it, now.len()), (1, before), "no other is proposed for its clip");
        // Nothing stands on a highlight that is gone, at no point of the telling.
        let place = |wanted: &dyn Fn(&Event) -> bool| events.iter().position(wanted);
        let told = place(&|event| {
            matches!(event.saying, Saying::SocialCandidate(_))
                && event.fact.to_string() == approved.fact
        });
        let back = place(&|event| {
            matches!(event.saying, Saying::HighlightWithdrawn(_))
                && event.fact.to_string() == approved.candidate.highlight
        });
        assert!(
            told.is_some() && back.is_none_or(|back| told < Some(back)),
            "{:?}",
            kinds(&events)
        );
        assert_eq!(Sheet::fold(&hall.log).expect("read"), Some(hall.sheet));
    }
}

#[test]
fn one_that_was_rejected_does_not_come_back_with_the_next_basket() {
    for points in [1, 2] {
        let (mut hall, last, rejected) = decided(SocialWord::Rejected, None);
        let (mut next, events) = hall.shot(Some("blue"), points, true, 4);
        assert_eq!(taken_back(&events), 0);
        let both = highlight_of(&hall, &last).fact;
        let of_it: Vec<_> =
            social(&hall).into_iter().filter(|line| line.candidate.highlight == both).collect();
        let [line] = of_it.as_slice() else { panic!("{of_it:?}") };
        assert_eq!((&line.fact, line.candidate.state), (&rejected.fact, SocialWord::Rejected));
        // Nor when the two are parted again.
        hall.correct(&mut next, |news| news.standing = Standing::Missed);
        let own = highlight_of(&hall, &last).fact;
        let of_it = social(&hall).into_iter().filter(|line| line.candidate.highlight == own);
        let states: Vec<SocialWord> = of_it.map(|line| line.candidate.state).collect();
        assert_eq!(states, [SocialWord::Rejected]);
    }
}

/// The reds at 20 to 19 in a game to 21, and the basket that wins it.
fn won() -> (Hall, ShotNews) {
    let mut hall = Hall::new("fiba-3x3");
    for n in 0..39 {
        hall.shot(Some(if n % 2 == 0 { "red" } else { "blue" }), 1, true, 20);
    }
    let (winner, _) = hall.shot(Some("red"), 2, true, 20);
    (hall, winner)
}

#[test]
fn a_basket_after_the_winner_takes_nothing_of_its_highlight() {
    let (mut hall, winner) = won();
    assert_eq!(hall.points(), [22, 19]);
    let (after, events) = hall.shot(Some("blue"), 1, true, 3);
    let both = highlight_of(&hall, &winner);
    assert_eq!((both.shot, both.with), (winner.fact.to_string(), vec![after.fact.to_string()]));
    assert_eq!((both.kind, both.team), (HighlightKind::Winner, Some(team("red"))));
    let line = social(&hall).into_iter().find(|line| line.candidate.highlight == both.fact);
    let caption = line.expect("the best of all").candidate.caption;
    assert_eq!(caption, "Reds win it: Reds 22–19 Blues.");
    assert_eq!(taken_back(&events), 0);
}

#[test]
fn the_winner_is_the_winner_whatever_else_its_cut_shows() {
    let mut hall = Hall::new("fiba-3x3");
    for _ in 0..10 {
        hall.shot(Some("red"), 2, true, 20);
    }
    // Nothing hangs on the last point; a two that was a run is rated higher.
    let (before, _) = hall.shot(Some("blue"), 2, true, 20);
    let (winner, _) = hall.shot(Some("red"), 1, true, 4);
    let both = highlight_of(&hall, &before);
    assert_eq!((both.shot, both.kind), (winner.fact.to_string(), HighlightKind::Winner));
    assert_eq!(both.team, Some(team("red")));
}

#[test]
fn what_is_told_of_a_cut_is_of_one_basket() {
    let mut hall = Hall::new("fiba-3x3");
    let (far, _) = hall.shot(Some("red"), 2, true, 20);
    let alone = highlight_of(&hall, &far);
    let (near, events) = hall.shot(Some("blue"), 1, true, 4);
    let both = highlight_of(&hall, &near);
    assert_eq!((&both.shot, &both.with), (&far.fact.to_string(), &vec![near.fact.to_string()]));
    assert_eq!((both.kind, both.team), (alone.kind, Some(team("red"))));
    assert_eq!((both.fact, both.score, both.parts), (alone.fact, alone.score, alone.parts));
    assert!(both.to_ns > alone.to_ns && both.clip != alone.clip, "a longer clip is asked for");
    // The other's own is told and taken back at once, as any that another one shows.
    let back = events.iter().find(|event| matches!(event.saying, Saying::HighlightWithdrawn(_)));
    assert_eq!(back.map(|event| event.at), Some(MediaTime::from_nanos(near.at_ns)));
}
