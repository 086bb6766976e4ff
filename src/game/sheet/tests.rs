//! A started game by hand: what taps and shots come to.

mod box_scores;
mod merged;
mod named;
mod order;
mod taps;
pub(crate) mod thousand;
mod validated;

use super::*;
use crate::event::Saying;
use crate::event::game::{Player, Row, Team};
use crate::event::words::{EndWord, GraphicKind, HighlightKind};
use crate::event::{By, ClipRequest, SaidBy};
use crate::game::rules::Rules;
use crate::media::UtcTime;

const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_790_000_000 * SECOND;

/// A game of two teams, whose shots come one by one.
pub(super) struct Hall {
    pub(super) sheet: Sheet,
    pub(super) log: Vec<Vec<u8>>,
    shots: u32,
    pub(super) second: i64,
}

pub(super) fn court(name: &str) -> CourtId {
    CourtId::new(name).expect("a name")
}

fn team(name: &str) -> TeamId {
    TeamId::new(name).expect("a name")
}

fn player(name: &str) -> PlayerId {
    PlayerId::new(name).expect("a name")
}

pub(super) fn setup(rules: &str) -> Setup {
    let called =
        |id: &str, name: &str| Team { id: team(id), name: Some(name.to_owned()), color: None };
    let plays = |id: &str, of: &str| Player { id: player(id), team: team(of), name: None };
    Setup {
        id: GameId::new("final").expect("a name"),
        session: SessionId::from_bits(0xf1),
        rules: Rules::named(rules).expect("known"),
        teams: [called("red", "Reds"), called("blue", "Blues")],
        courts: vec![court("a"), court("b")],
        attacks: Attacks::default(),
        players: vec![plays("ana", "red"), plays("bo", "blue")],
        start_utc_ns: START,
    }
}

impl Hall {
    pub(super) fn of(setup: Setup) -> Self {
        setup.check().expect("it can be set up");
        let (sheet, events) = Sheet::begin(setup.clone());
        assert_eq!(events.len(), 4);
        let started = SheetEntry::Started(Box::new(setup)).encode().expect("JSON");
        Self { sheet, log: vec![started], shots: 0, second: 0 }
    }

    fn new(rules: &str) -> Self {
        Self::of(setup(rules))
    }

    pub(super) fn take(&mut self, input: SheetInput) -> Vec<Event> {
        let events = self.sheet.apply(&input);
        self.log.push(SheetEntry::Input(input).encode().expect("JSON"));
        events
    }

    /// A shot of a team, so many seconds after the last.
    fn shot(
        &mut self,
        of: Option<&str>,
        points: u8,
        made: bool,
        after: i64,
    ) -> (ShotNews, Vec<Event>) {
        self.shots += 1;
        self.second += after;
        let news = ShotNews {
            court: court("a"),
            session: SessionId::from_bits(7),
            fact: FactId::new(SessionId::from_bits(7), Family::Shot, self.shots),
            revision: 1,
            attempt: self.shots,
            rim: 0,
            at_ns: self.second * SECOND,
            utc_ns: Some(START + self.second * SECOND),
            standing: if made { Standing::Made } else { Standing::Missed },
            points,
            points_by: SaidBy::Rules,
            team: of.map(team),
            player: None,
            by: None,
            who: None,
            reason: None,
            confidence: 9_800,
            undone: false,
        };
        let events = self.take(SheetInput::Shot(news.clone()));
        (news, events)
    }

    fn correct(&mut self, news: &mut ShotNews, how: impl Fn(&mut ShotNews)) -> Vec<Event> {
        news.revision += 1;
        news.by = Some(By::Operator);
        news.reason = Some("seen again".to_owned());
        how(news);
        self.take(SheetInput::Shot(news.clone()))
    }

    fn points(&self) -> [u32; 2] {
        self.sheet.view().score.teams.map(|team| team.points)
    }

    fn texts(&self) -> Vec<String> {
        self.sheet.view().graphics.into_iter().map(|line| line.graphic.text).collect()
    }
}

fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.saying.event_type()).collect()
}

#[test]
fn a_basket_moves_score_momentum_leaderboard_and_highlight_at_once() {
    let mut hall = Hall::new("fiba-3x3");
    let (_, events) = hall.shot(Some("red"), 1, true, 10);
    let expected = [
        "courtside.highlight.v1",
        "courtside.game.score.v1",
        "courtside.momentum.v1",
        "courtside.leaderboard.v1",
    ];
    assert_eq!(kinds(&events), expected);
    assert_eq!(hall.points(), [1, 0]);
    let view = hall.sheet.view();
    assert_eq!(view.score.leads, Some(team("red")));
    assert_eq!(view.momentum.win[0].share + view.momentum.win[1].share, 1.0);
    assert!(view.momentum.win[0].share > 0.5);
    let swing = &view.momentum.leverage[1];
    assert!(swing.made > swing.missed && (swing.swing - (swing.made - swing.missed)).abs() < 1e-9);
    let (_, events) = hall.shot(Some("blue"), 1, false, 10);
    assert!(!kinds(&events).contains(&"courtside.highlight.v1"), "{:?}", kinds(&events));
    assert_eq!(hall.sheet.view().leaderboard.teams[1].attempts, 1);
}

#[test]
fn points_of_a_shot_whose_team_nobody_knows_pend_until_a_tap() {
    let mut hall = Hall::new("fiba-3x3");
    hall.shot(Some("red"), 1, true, 5);
    let (mut news, events) = hall.shot(None, 2, true, 5);
    assert!(kinds(&events).contains(&"courtside.game.score.v1"));
    let view = hall.sheet.view();
    assert_eq!((view.score.pending.points, view.momentum.pending_points), (2, 2));
    assert_eq!(hall.points(), [1, 0]);
    // One tap, on the player: that says the team too.
    hall.correct(&mut news, |news| news.player = Some(player("bo")));
    assert_eq!(hall.points(), [1, 2]);
    let view = hall.sheet.view();
    assert_eq!(view.score.pending.points, 0);
    assert_eq!(view.leaderboard.players[0].player, Some(player("bo")));
    assert_eq!(view.score.lead_changes, 1);
}

#[test]
fn a_correction_takes_back_what_stood_on_the_shot_and_an_undo_brings_it_back() {
    let mut hall = Hall::new("fiba-3x3");
    let mut last = hall.shot(Some("red"), 1, true, 20).0;
    for _ in 0..2 {
        last = hall.shot(Some("red"), 2, true, 20).0;
    }
    assert!(hall.texts().contains(&"Reds on a 5–0 run".to_owned()), "{:?}", hall.texts());
    let before = hall.sheet.view();
    let events = hall.correct(&mut last, |news| news.standing = Standing::Missed);
    let told = kinds(&events);
    let place = |kind: &str| told.iter().position(|told| *told == kind);
    assert!(place("courtside.graphic.withdrawn.v1") < place("courtside.highlight.withdrawn.v1"));
    assert!(place("courtside.highlight.withdrawn.v1") < place("courtside.game.score.v1"));
    assert_eq!(hall.points(), [3, 0]);
    assert!(!hall.texts().iter().any(|text| text.contains("run")), "{:?}", hall.texts());
    let back = events.iter().find_map(|event| match &event.saying {
        Saying::HighlightWithdrawn(back) => Some((back.by, back.reason.clone())),
        _ => None,
    });
    assert_eq!(back, Some((Some(By::Operator), "seen again".to_owned())));
    hall.correct(&mut last, |news| news.standing = Standing::Made);
    let after = hall.sheet.view();
    assert_eq!(after.score.teams, before.score.teams);
    let facts =
        |view: &GameView| view.highlights.iter().map(|h| h.fact.clone()).collect::<Vec<_>>();
    assert_eq!(facts(&after), facts(&before), "the same names");
    // Known news again: nothing.
    assert_eq!(hall.take(SheetInput::Shot(last)), Vec::new());
}

#[test]
fn a_game_to_21_is_won_by_its_last_shot_and_says_so() {
    let mut hall = Hall::new("fiba-3x3");
    for n in 0..40 {
        hall.shot(Some(if n % 2 == 0 { "red" } else { "blue" }), 1, true, 20);
        assert_eq!(hall.sheet.view().score.won, None);
    }
    assert_eq!(hall.points(), [20, 20]);
    assert_eq!(hall.sheet.view().score.game_point, [team("red"), team("blue")]);
    assert!(hall.texts().contains(&"Game point Reds".to_owned()), "{:?}", hall.texts());
    let (_, events) = hall.shot(Some("red"), 1, true, 20);
    let view = hall.sheet.view();
    assert_eq!(view.score.won, Some(team("red")));
    assert_eq!(view.momentum.win[0].share, 1.0);
    assert!(hall.texts().contains(&"Reds win 21–20".to_owned()), "{:?}", hall.texts());
    let winner = view.highlights.last().expect("one");
    assert_eq!(winner.kind, HighlightKind::Winner);
    assert_eq!(winner.to_ns - winner.from_ns, 14 * SECOND);
    assert!(kinds(&events).contains(&"courtside.social.candidate.v1"));
    let best = view.social.last().expect("one").candidate.clone();
    assert_eq!(best.caption, "Reds win it: Reds 21–20 Blues.");
    assert_eq!(view.told.winner, None, "nobody ended it");
    let ended = SheetInput::Ended { why: EndWord::Target, utc_ns: START };
    assert_eq!(kinds(&hall.take(ended.clone())), ["courtside.game.v1"]);
    assert_eq!(hall.sheet.view().told.winner, Some(team("red")));
    assert_eq!(hall.sheet.check(&ended), Err(Refused::Over));
}

#[test]
fn baskets_whose_cuts_overlap_have_one_highlight() {
    let mut hall = Hall::new("fiba-3x3");
    let (first, _) = hall.shot(Some("red"), 1, true, 20);
    let (mut second, events) = hall.shot(Some("blue"), 1, true, 4);
    let back = events.iter().find(|e| matches!(e.saying, Saying::HighlightWithdrawn(_)));
    let Some(Saying::HighlightWithdrawn(why)) = back.map(|event| &event.saying) else {
        panic!("{:?}", kinds(&events))
    };
    assert_eq!((why.reason.as_str(), why.by), ("merged", None));
    // Its clip is told which one shows it.
    let orders = || events.iter().filter_map(|event| event.clip.as_ref());
    let into = orders().find_map(ClipRequest::merged_into).expect("a longer one");
    assert!(orders().any(|order| order.id == into && order.withdraws().is_none()), "{events:?}");
    let view = hall.sheet.view();
    let [one] = view.highlights.as_slice() else { panic!("{:?}", view.highlights) };
    let mut shown = one.with.clone();
    shown.push(one.shot.clone());
    shown.sort_unstable();
    assert_eq!(shown, [first.fact.to_string(), second.fact.to_string()]);
    assert_eq!((one.from_ns, one.to_ns), (15 * SECOND, 26 * SECOND));
    assert!(view.shots.iter().all(|line| line.highlight.as_ref() == Some(&one.fact)));
    // The second was none after all: the first has its own again.
    hall.correct(&mut second, |news| news.standing = Standing::NoShot);
    let view = hall.sheet.view();
    let [one] = view.highlights.as_slice() else { panic!("{:?}", view.highlights) };
    assert_eq!(one.shot, first.fact.to_string());
}

#[test]
fn an_added_shot_goes_to_its_place() {
    let mut hall = Hall::new("fiba-3x3");
    hall.shot(Some("red"), 1, true, 20);
    hall.shot(Some("red"), 1, true, 20);
    // Seen by nobody, ten seconds before the second, on the other court.
    let mut added = hall.shot(Some("blue"), 2, false, 0).0;
    added.court = court("b");
    (added.session, added.revision) = (SessionId::from_bits(8), 0);
    added.fact = FactId::new(SessionId::from_bits(8), Family::Shot, 1);
    added.standing = Standing::Made;
    added.by = Some(By::Operator);
    added.at_ns = 5 * SECOND;
    added.utc_ns = Some(START + 30 * SECOND);
    hall.take(SheetInput::Shot(added.clone()));
    let view = hall.sheet.view();
    let order: Vec<&str> = view.shots.iter().map(|line| line.court.as_str()).collect();
    assert_eq!(order, ["a", "b", "a", "a"]);
    assert_eq!((view.score.lead_changes, view.score.ties), (1, 1), "1:0, 1:2, 2:2");
}

#[test]
fn sides_swap_at_the_half_or_by_a_tap() {
    let mut made = setup("fiba-5x5");
    made.attacks = Attacks(vec![
        Attacked { court: court("a"), rim: 0, team: Some(team("red")) },
        Attacked { court: court("b"), rim: 0, team: Some(team("blue")) },
    ]);
    let mut hall = Hall::of(made);
    let at = |hall: &Hall, name| hall.sheet.ordinary(&court(name), RimId(0), None).team;
    let period = |n, swapped| SheetInput::Period {
        n,
        swapped,
        utc_ns: START + i64::from(n) * SECOND,
        began_ns: None,
    };
    assert_eq!((at(&hall, "a"), at(&hall, "b")), (Some(team("red")), Some(team("blue"))));
    hall.take(period(2, None));
    assert_eq!(at(&hall, "a"), Some(team("red")));
    hall.take(period(3, None));
    assert_eq!((at(&hall, "a"), at(&hall, "b")), (Some(team("blue")), Some(team("red"))));
    hall.take(period(3, Some(false)));
    assert_eq!(at(&hall, "a"), Some(team("red")), "somebody saw that they did not");
    hall.take(period(4, None));
    assert_eq!(at(&hall, "a"), Some(team("red")), "and so it goes on");
    assert_eq!(hall.sheet.ordinary(&court("a"), RimId(1), None).team, None, "a rim nobody named");
    // One of an earlier period has the sides of that.
    let then = |hall: &Hall, ns| hall.sheet.ordinary(&court("a"), RimId(0), Some(ns)).team;
    hall.take(period(4, Some(true)));
    assert_eq!(at(&hall, "a"), Some(team("blue")));
    assert_eq!(then(&hall, START), Some(team("red")), "the first period");
    assert_eq!(
        then(&hall, START + 3 * SECOND + 1_000_000),
        Some(team("red")),
        "the third, as somebody saw"
    );
    assert_eq!(then(&hall, START + 9 * SECOND), Some(team("blue")));
    assert_eq!(hall.sheet.check(&period(0, None)), Err(Refused::Period));
}

#[test]
fn points_are_counted_by_period_and_a_late_one_goes_to_its_own() {
    let mut hall = Hall::new("nba-5x5");
    hall.shot(Some("red"), 3, true, 20);
    let n2 =
        SheetInput::Period { n: 2, swapped: None, utc_ns: START + 60 * SECOND, began_ns: None };
    hall.take(n2);
    hall.shot(Some("red"), 2, true, 50);
    // Called after the period began, but the ball was at the ring before.
    hall.second = 50;
    let (_, _) = hall.shot(Some("blue"), 2, true, 5);
    let [red, blue] = hall.sheet.view().score.teams;
    assert_eq!((red.by_period, blue.by_period), (vec![3, 2], vec![2, 0]));
    let win = hall.sheet.view().momentum.win;
    let share = win.first().expect("a clock ends it").share;
    assert!((0.5..0.65).contains(&share), "5 to 2 in the second period: {share}");
    let ended = SheetInput::Ended { why: EndWord::Operator, utc_ns: START };
    hall.take(ended);
    assert_eq!(hall.sheet.view().told.winner, Some(team("red")));
    assert!(hall.texts().contains(&"Reds win 5–2".to_owned()), "{:?}", hall.texts());
}

#[test]
fn overtime_of_3x3_is_to_two() {
    let mut hall = Hall::new("fiba-3x3");
    hall.shot(Some("red"), 2, true, 20);
    hall.shot(Some("blue"), 2, true, 20);
    hall.take(SheetInput::Period {
        n: 2,
        swapped: None,
        utc_ns: START + 100 * SECOND,
        began_ns: None,
    });
    hall.second = 200;
    hall.shot(Some("blue"), 1, true, 20);
    let view = hall.sheet.view();
    assert_eq!((view.score.won, view.score.game_point), (None, vec![team("red"), team("blue")]));
    hall.shot(Some("blue"), 1, true, 20);
    assert_eq!(hall.sheet.view().score.won, Some(team("blue")));
}

#[test]
fn the_second_half_of_big3_begins_at_25() {
    let mut hall = Hall::new("big3");
    for _ in 0..6 {
        hall.shot(Some("red"), 4, true, 20);
    }
    assert_eq!(hall.sheet.period(), 1);
    hall.shot(Some("red"), 2, true, 20);
    assert_eq!(hall.sheet.period(), 2);
    hall.shot(Some("blue"), 3, true, 20);
    let [red, blue] = hall.sheet.view().score.teams;
    assert_eq!((red.by_period, blue.by_period), (vec![26, 0], vec![0, 3]));
}

#[test]
fn what_the_operator_does_with_a_graphic_stays_with_it() {
    let mut hall = Hall::new("fiba-3x3");
    let mut last = hall.shot(Some("red"), 2, true, 20).0;
    for _ in 0..2 {
        last = hall.shot(Some("red"), 2, true, 20).0;
    }
    let run = |hall: &Hall| {
        let view = hall.sheet.view();
        view.graphics.into_iter().find(|line| line.graphic.about == GraphicKind::Run).expect("one")
    };
    let fact = FactId::parse(&run(&hall).fact).expect("a name");
    let tap = SheetInput::Graphic {
        fact,
        word: GraphicWord::Taken,
        who: Some("ana".to_owned()),
        utc_ns: Some(START + 70 * SECOND),
    };
    hall.sheet.check(&tap).expect("it can be taken");
    assert_eq!(kinds(&hall.take(tap.clone())), ["courtside.graphic.v1"]);
    assert_eq!((run(&hall).graphic.state, run(&hall).revision), (GraphicWord::Taken, 1));
    assert_eq!(run(&hall).graphic.who.as_deref(), Some("ana"));
    let taken_at = UtcTime::from_nanos(START + 70 * SECOND).to_rfc3339();
    assert_eq!(run(&hall).graphic.taken_at.as_ref(), Some(&taken_at));
    assert_eq!(hall.take(tap), Vec::new(), "taken already");
    // The run was one of five, not six: it is still taken, and says so.
    hall.correct(&mut last, |news| news.points = 1);
    assert_eq!(run(&hall).graphic.text, "Reds on a 5–0 run");
    assert_eq!((run(&hall).graphic.state, run(&hall).revision), (GraphicWord::Taken, 2));
    assert_eq!(
        run(&hall).graphic.taken_at.as_ref(),
        Some(&taken_at),
        "it is on the air since then"
    );
    hall.correct(&mut last, |news| news.team = Some(team("blue")));
    let gone = SheetInput::Graphic { fact, word: GraphicWord::Held, who: None, utc_ns: None };
    assert_eq!(hall.sheet.check(&gone), Err(Refused::Gone { fact }));
}

#[test]
fn candidates_keep_to_their_budget_and_what_was_approved_stays() {
    let mut hall = Hall::new("pickup-21");
    let budget = 3;
    for n in 0..12 {
        let points = if n % 3 == 0 { 2 } else { 1 };
        hall.shot(Some(if n % 2 == 0 { "red" } else { "blue" }), points, true, 20);
        let view = hall.sheet.view();
        assert!(view.social.len() <= budget, "{n}");
        if let Some(first) = view.social.first().filter(|first| {
            first.candidate.state == SocialWord::Proposed && view.social.len() == budget
        }) {
            let fact = FactId::parse(&first.fact).expect("a name");
            let caption = Some("What a game!".to_owned());
            let who = None;
            hall.take(SheetInput::Social { fact, word: SocialWord::Approved, caption, who });
            break;
        }
    }
    let approved = |hall: &Hall| {
        let view = hall.sheet.view();
        view.social.into_iter().find(|line| line.candidate.state == SocialWord::Approved)
    };
    let first = approved(&hall).expect("one is approved");
    assert_eq!(first.candidate.caption, "What a game!");
    let mut outranked = 0;
    for n in 0..12 {
        let of = if n % 2 == 0 { "red" } else { "blue" };
        let (_, events) = hall.shot(Some(of), 2, true, 20);
        outranked += kinds(&events)
            .iter()
            .filter(|kind| **kind == "courtside.social.candidate.withdrawn.v1")
            .count();
        assert!(hall.sheet.view().social.len() <= budget);
        assert_eq!(approved(&hall).map(|line| line.fact), Some(first.fact.clone()));
    }
    assert!(outranked > 0, "better ones came");
    let view = hall.sheet.view();
    let other = view.social.iter().find(|line| line.fact != first.fact).expect("another");
    let fact = FactId::parse(&other.fact).expect("a name");
    hall.take(SheetInput::Social { fact, word: SocialWord::Rejected, caption: None, who: None });
    let view = hall.sheet.view();
    let open = view.social.iter().filter(|l| l.candidate.state != SocialWord::Rejected).count();
    assert!(open <= budget && view.social.iter().any(|line| line.fact == other.fact));
}

#[test]
fn undo_goes_back_over_a_checkpoint_and_over_what_was_undone() {
    let mut hall = Hall::new("pickup-21");
    let shots: Vec<ShotNews> = (0..3).map(|_| hall.shot(Some("red"), 1, true, 9).0).collect();
    let [mut first, mut second, _] = <[ShotNews; 3]>::try_from(shots).expect("three");
    hall.correct(&mut first, |news| news.points = 2);
    hall.correct(&mut second, |news| news.standing = Standing::Missed);
    hall.correct(&mut first, |news| news.standing = Standing::NoShot);
    let facts = [first.fact, second.fact];
    assert_eq!(hall.sheet.corrected(), [facts[0], facts[1], facts[0]]);
    // A start that reads the checkpoint alone goes back as far.
    let checkpoint = hall.sheet.checkpoint().encode().expect("JSON");
    let again = Sheet::fold(&[checkpoint]).expect("read").expect("a game");
    assert_eq!(again.corrected(), hall.sheet.corrected());
    hall.correct(&mut first, |news| (news.standing, news.undone) = (Standing::Made, true));
    assert_eq!(hall.sheet.corrected(), facts);
    // What a model says later is nobody's word.
    second.revision += 1;
    (second.by, second.undone) = (None, true);
    hall.take(SheetInput::Shot(second));
    assert_eq!(hall.sheet.corrected(), [facts[0]]);
}

#[test]
fn a_highlight_is_found_by_what_its_shot_is_now() {
    let mut hall = Hall::new("fiba-3x3");
    let (mut news, events) = hall.shot(Some("red"), 1, true, 9);
    let told = |events: &[Event]| {
        let highlight = |event: &Event| match &event.saying {
            Saying::Highlight(highlight) => {
                let clip = event.clip.clone().expect("it asks for its clip");
                assert_eq!(clip.about.tags, highlight.tags, "both say the same");
                assert_eq!(clip.about.game, Some(setup("fiba-3x3").id));
                Some(highlight.tags.clone())
            }
            _ => None,
        };
        events.iter().find_map(highlight)
    };
    let first = told(&events).expect("a highlight");
    let has = |tags: &[String], tag: &str| tags.iter().any(|word| word == tag);
    for tag in ["made", "1pt", "team:red", "court:a", "rim:0", "period:1"] {
        assert!(has(&first, tag), "{tag}: {first:?}");
    }
    let mut sorted = first.clone();
    sorted.sort_unstable();
    assert_eq!(first, sorted, "each once, in order");
    // The player alone moves no score, and the clip is found by it all the same.
    let events = hall.correct(&mut news, |news| news.player = Some(player("ana")));
    let second = told(&events).expect("told again");
    assert!(has(&second, "player:ana") && has(&second, "corrected"), "{second:?}");
    // Another shot changes nothing of it.
    let (_, events) = hall.shot(Some("blue"), 1, false, 30);
    assert_eq!(told(&events), None);
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let mut bad = setup("fiba-3x3");
    bad.teams[1].id = team("red");
    assert_eq!(bad.check(), Err(Refused::SameTeam));
    let mut bad = setup("fiba-3x3");
    bad.courts.push(court("a"));
    assert_eq!(bad.check(), Err(Refused::Courts));
    let mut bad = setup("fiba-3x3");
    bad.players[0].name = Some("A\u{202e}".to_owned());
    assert_eq!(bad.check(), Err(Refused::Name));
    let mut bad = setup("fiba-3x3");
    bad.teams[0].color = Some("red".to_owned());
    assert_eq!(bad.check(), Err(Refused::Color));
    let mut bad = setup("fiba-3x3");
    bad.attacks = Attacks(vec![Attacked { court: court("c"), rim: 0, team: None }]);
    assert_eq!(bad.check(), Err(Refused::OtherCourt { court: court("c") }));
    let mut hall = Hall::new("fiba-3x3");
    let said = |points, of: Option<&str>, who: Option<&str>| {
        let (of, who) = (of.map(team), who.map(player));
        hall.sheet
            .check_said(points, of.as_ref(), who.as_ref())
            .err()
            .map(|error| error.to_string())
    };
    assert_eq!(said(Some(2), Some("red"), Some("ana")), None);
    assert_eq!(
        said(Some(3), None, None).as_deref(),
        Some("no shot of these rules has 3 points: write one of 1, 2")
    );
    assert!(said(None, Some("green"), None).expect("refused").contains("`green` is no team"));
    assert!(said(None, Some("blue"), Some("ana")).expect("refused").contains("plays for `red`"));
    // Total: what would be refused changes nothing.
    let fact = FactId::new(hall.sheet.session(), Family::Graphic, 9);
    let tap = SheetInput::Graphic { fact, word: GraphicWord::Taken, who: None, utc_ns: None };
    assert_eq!(hall.take(tap), Vec::new());
    assert_eq!(
        hall.take(SheetInput::Period { n: 99, swapped: None, utc_ns: 0, began_ns: None }),
        Vec::new()
    );
}

#[test]
fn texts_fit_where_they_are_shown() {
    let mut long = setup("nba-5x5");
    long.teams[0].name = Some("W".repeat(40));
    long.teams[1].name = Some("M".repeat(40));
    long.players[0].name = Some("Q".repeat(40));
    let mut hall = Hall::of(long);
    for n in 0..240 {
        let (mut news, _) =
            hall.shot(Some(if n % 7 < 4 { "red" } else { "blue" }), 3, n % 5 != 0, 9);
        if n % 7 < 4 {
            hall.correct(&mut news, |news| news.player = Some(player("ana")));
        }
    }
    let view = hall.sheet.view();
    let about: std::collections::BTreeSet<GraphicKind> =
        view.graphics.iter().map(|line| line.graphic.about).collect();
    assert!(about.len() >= 4, "{about:?}");
    for line in view.graphics {
        assert!(line.graphic.text.chars().count() <= 60, "{}", line.graphic.text);
        assert!(line.graphic.detail.is_none_or(|text| text.chars().count() <= 80));
        assert!((1..=100).contains(&line.graphic.priority));
    }
    for line in view.social {
        assert!(line.candidate.caption.chars().count() <= 200 && !line.candidate.why.is_empty());
    }
}

#[test]
fn what_is_let_go_joins_no_cut_anew() {
    // A basket each six seconds: one cut of all of them, were it not for its longest.
    let mut hall = Hall::new("none");
    let mut told = 0;
    for n in 0..660_u32 {
        let (_, events) = hall.shot(Some("red"), 1, true, 6);
        let about = |event: &Event| match &event.saying {
            Saying::Highlight(highlight) => FactId::parse(&highlight.shot).map(|shot| shot.n),
            _ => None,
        };
        for shot in events.iter().filter_map(about) {
            assert!(shot + 8 > n, "at shot {n} the cut of shot {shot} is told anew");
            told += 1;
        }
    }
    assert!(told > 600, "{told}");
    assert!(hall.sheet.view().shots.len() > 590);
    assert_eq!(Sheet::fold(&hall.log).expect("read"), Some(hall.sheet));
}

#[test]
fn an_old_shot_is_let_go_and_its_points_stay() {
    let mut hall = Hall::new("none");
    for n in 0..700 {
        hall.shot(Some(if n % 2 == 0 { "red" } else { "blue" }), 1, n % 3 == 0, 3);
    }
    let view = hall.sheet.view();
    assert!((590..=600).contains(&view.shots.len()), "{}", view.shots.len());
    let made = (0..700).filter(|n| n % 3 == 0 && n % 2 == 0).count();
    assert_eq!(view.score.teams[0].points, u32::try_from(made).expect("few"));
    assert_eq!(Sheet::fold(&hall.log).expect("read"), Some(hall.sheet));
}
