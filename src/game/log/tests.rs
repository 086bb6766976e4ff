//! What holds of a game as a log and a fold: corrections, crashes, and the same facts every time.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::config::Calibrate;
use crate::event::{By, FactId, Family, ModelRef, SaidBy, Saying, Score};
use crate::game::book::{CORRECTABLE, POINTS_MOST, Refused};
use crate::game::calibrate::{Calibration, Verdict};
use crate::game::input::{Added, Called, Correction, InGame, Standing, Undo};
use crate::game::replay::decided;
use crate::game::resume::{Recovered, resume};
use crate::media::{CourtId, GameId, PlayerId, RimBox, SessionId, TeamId};

fn court() -> CourtId {
    CourtId::new("a").expect("a name")
}

fn session(n: u64) -> SessionId {
    SessionId::from_bits(n)
}

fn called(of: u64, rim: u16, standing: Standing, at_s: i64) -> Called {
    let [bundle, version, precision, engine] = ["b", "1", "fp32", "e"].map(str::to_owned);
    Called {
        session: session(of),
        rim,
        standing,
        reached_ns: at_s * 1_000_000_000,
        decided_ns: at_s * 1_000_000_000 + 333_333_333,
        confidence: 9_171,
        latency_us: 31_257,
        model: ModelRef { bundle, version, precision, engine },
        in_game: None,
    }
}

fn in_game() -> InGame {
    InGame {
        game: GameId::new("final").expect("a name"),
        points: 2,
        points_by: SaidBy::Rules,
        team: None,
        team_by: None,
        player: None,
    }
}

fn team(name: &str) -> TeamId {
    TeamId::new(name).expect("a name")
}

fn correction(fact: FactId, what: Verdict, by: By) -> Correction {
    let reason = "seen again".to_owned();
    let (points, team, player, who) = (None, None, None, None);
    Correction { fact, what: Some(what), points, team, player, by, reason, who }
}

/// A book with finals at rim 0: `m` made, `x` missed, `?` unsure.
fn book(finals: &str) -> Book {
    let mut book = Book::new(court(), 1);
    for (at, letter) in (1..).zip(finals.chars()) {
        let standing = match letter {
            'm' => Standing::Made,
            'x' => Standing::Missed,
            _ => Standing::Unsure,
        };
        book.apply(&Input::Final(called(1, 0, standing, at)));
    }
    book
}

fn shot(n: u32) -> FactId {
    FactId::new(session(1), Family::Shot, n)
}

/// Corrects a shot; what is told, in short.
fn corrected(book: &mut Book, n: u32, what: Verdict, by: By) -> Vec<String> {
    let correction = correction(shot(n), what, by);
    assert_eq!(book.check(&correction), Ok(true));
    book.apply(&Input::Corrected(correction)).iter().map(short).collect()
}

fn short(event: &Event) -> String {
    let id = event.id();
    let (_, id) = id.split_once('-').expect("an id");
    let said = |by: Option<By>, reason: Option<&str>| {
        by.map_or_else(String::new, |by| format!(" by {by:?}: {}", reason.unwrap_or("-")))
    };
    let what = match &event.saying {
        Saying::ShotMade(shot) => format!("made{}", said(shot.by, shot.reason.as_deref())),
        Saying::ShotMissed(shot) => format!("missed{}", said(shot.by, shot.reason.as_deref())),
        Saying::ShotUnsure(shot) => format!("unsure{}", said(shot.by, shot.reason.as_deref())),
        Saying::ShotWithdrawn(w) => format!("none{}", said(w.by, Some(&w.reason))),
        Saying::Score(score) => format!("{:?} of {:?}", score.made, score.attempts),
        Saying::Highlight(_) => format!("clip {}", event.clip.is_some()),
        Saying::HighlightWithdrawn(w) => format!("taken back{}", said(w.by, Some(&w.reason))),
        _ => unreachable!("no court tells of that"),
    };
    format!("{id} {what}")
}

const OPERATOR: &str = "by Operator: seen again";

#[test]
fn made_that_was_missed_takes_back_its_highlight_and_lowers_every_score_since() {
    let mut book = book("mmx");
    assert_eq!(
        corrected(&mut book, 2, Verdict::Missed, By::Operator),
        [
            format!("shot-2.1 missed {OPERATOR}"),
            format!("highlight-2.1 taken back {OPERATOR}"),
            "score-2.1 [1] of [2]".to_owned(),
            "score-3.1 [1] of [3]".to_owned(),
        ]
    );
    // And back: under the same names.
    assert_eq!(
        corrected(&mut book, 2, Verdict::Made, By::Operator),
        [
            format!("shot-2.2 made {OPERATOR}"),
            "highlight-2.2 clip true".to_owned(),
            "score-2.2 [2] of [2]".to_owned(),
            "score-3.2 [2] of [3]".to_owned(),
        ]
    );
}

#[test]
fn what_was_missed_or_unsure_and_is_made_gets_its_highlight_and_counts() {
    let mut book = book("x?");
    assert_eq!(
        corrected(&mut book, 2, Verdict::Made, By::Look),
        ["shot-2.1 made by Look: seen again", "highlight-1.0 clip true", "score-2.0 [1] of [2]",]
    );
    assert_eq!(
        corrected(&mut book, 1, Verdict::Made, By::Model),
        [
            "shot-1.1 made by Model: seen again",
            "highlight-2.0 clip true",
            "score-1.1 [1] of [1]",
            "score-2.1 [2] of [2]",
        ]
    );
}

#[test]
fn a_shot_that_was_none_is_withdrawn_and_does_not_count() {
    let mut book = book("mx");
    assert_eq!(
        corrected(&mut book, 1, Verdict::None, By::Operator),
        [
            format!("shot-1.1 none {OPERATOR}"),
            format!("highlight-1.1 taken back {OPERATOR}"),
            "score-1.1 [0] of [0]".to_owned(),
            "score-2.1 [0] of [1]".to_owned(),
        ]
    );
    // One that its model took back may have been one.
    book.apply(&Input::Provisional(called(1, 0, Standing::Made, 9)));
    let reason = "no_outcome".to_owned();
    let back = book.apply(&Input::TakenBack { session: session(1), rim: 0, reason });
    assert_eq!(back.iter().map(short).collect::<Vec<_>>(), ["shot-3.1 none"]);
    assert_eq!(
        corrected(&mut book, 3, Verdict::Made, By::Operator),
        [
            format!("shot-3.2 made {OPERATOR}"),
            "highlight-2.0 clip true".to_owned(),
            "score-3.0 [1] of [2]".to_owned(),
        ]
    );
}

#[test]
fn what_an_operator_said_is_never_overruled_by_a_machine() {
    let mut book = book("m");
    // Confirmed: nothing is told anew, and yet it holds.
    assert_eq!(corrected(&mut book, 1, Verdict::Made, By::Operator), [""; 0]);
    for machine in [By::Look, By::Model] {
        let correction = correction(shot(1), Verdict::Missed, machine);
        assert_eq!(book.check(&correction), Err(Refused::OperatorSaid { fact: shot(1) }));
        assert_eq!(book.apply(&Input::Corrected(correction)), []);
    }
    // The operator may change their mind; saying it twice changes nothing.
    assert_eq!(corrected(&mut book, 1, Verdict::Missed, By::Operator).len(), 3);
    let again = correction(shot(1), Verdict::Missed, By::Operator);
    assert_eq!(book.check(&again), Ok(false));
    assert_eq!(book.apply(&Input::Corrected(again)), []);
}

#[test]
fn what_cannot_be_corrected_is_refused_with_a_reason() {
    let mut book = book(&"mx".repeat(CORRECTABLE));
    book.apply(&Input::Provisional(called(1, 0, Standing::Made, 9_999)));
    let open = 2 * u32::try_from(CORRECTABLE).expect("few") + 1;
    let say = |fact| book.check(&correction(fact, Verdict::None, By::Operator));
    let unknown = FactId::new(session(9), Family::Shot, 1);
    let score = FactId::new(session(1), Family::Score, 1);
    assert_eq!(say(shot(1)), Err(Refused::TooOld { fact: shot(1) }));
    assert_eq!(say(shot(open)), Err(Refused::NotFinal { fact: shot(open) }));
    assert_eq!(say(shot(open + 1)), Err(Refused::Unknown { fact: shot(open + 1) }));
    assert_eq!(say(unknown), Err(Refused::Unknown { fact: unknown }));
    assert_eq!(say(score), Err(Refused::NotAShot { fact: score }));
    assert_eq!(say(shot(open - 1)), Ok(true));
    let long = Correction {
        reason: "x".repeat(201),
        ..correction(shot(open - 1), Verdict::Made, By::Look)
    };
    assert_eq!(book.check(&long), Err(Refused::Reason));
    assert!(say(shot(1)).expect_err("refused").to_string().contains("too old"));
}

fn added(of: u64, rim: u16, standing: Standing) -> Added {
    let (in_game, reason, who) = (None, "nobody saw it".to_owned(), Some("ana".to_owned()));
    let (reached_ns, decided_ns) = (5_000_000_000, 9_000_000_000);
    let (session, by) = (session(of), By::Operator);
    Added { session, rim, reached_ns, decided_ns, standing, in_game, by, reason, who }
}

/// A book of a court where a game was started, with finals as `book` has them.
fn book_in_game(finals: &str) -> Book {
    let mut book = Book::new(court(), 1);
    for (at, letter) in (1..).zip(finals.chars()) {
        let standing = if letter == 'm' { Standing::Made } else { Standing::Missed };
        let called = Called { in_game: Some(in_game()), ..called(1, 0, standing, at) };
        book.apply(&Input::Final(called));
    }
    book
}

#[test]
fn a_shot_of_a_game_says_what_it_is_worth_and_has_no_highlight_of_its_court() {
    let mut book = Book::new(court(), 1);
    let first = Called { in_game: Some(in_game()), ..called(1, 0, Standing::Made, 1) };
    book.apply(&Input::Provisional(first.clone()));
    // What the game was at its first word holds.
    let told = book.apply(&Input::Final(Called { in_game: None, ..first }));
    assert_eq!(
        told.iter().map(short).collect::<Vec<_>>(),
        ["shot-1.1 made", "score-1.0 [1] of [1]"]
    );
    assert!(told.iter().all(|event| event.game == Some(in_game().game)));
    let shot = told[0].saying.shot().expect("a shot");
    assert_eq!((shot.points, shot.points_by), (Some(2), Some(SaidBy::Rules)));
    assert_eq!((&shot.team, &shot.team_by), (&None, &None));
    let json = told[0].saying.data().expect("JSON");
    assert!(String::from_utf8_lossy(&json).contains("\"points_by\":\"rules\""));
}

#[test]
fn points_team_and_player_are_corrected_like_a_call_and_leave_the_count_alone() {
    let mut book = book_in_game("mx");
    let say = |points, team, player| {
        let (what, who) = (None, Some("ana".to_owned()));
        Correction {
            what,
            points,
            team,
            player,
            who,
            ..correction(shot(1), Verdict::Made, By::Operator)
        }
    };
    let player = |name: &str| PlayerId::new(name).expect("a name");
    let told = book.apply(&Input::Corrected(say(Some(3), Some(team("home")), Some(player("7")))));
    assert_eq!(told.len(), 1, "no score of the rims, no highlight");
    let now = told[0].saying.shot().expect("a shot");
    assert_eq!((now.points, now.points_by), (Some(3), Some(SaidBy::Operator)));
    assert_eq!((now.team.clone(), now.team_by), (Some(team("home")), Some(SaidBy::Operator)));
    assert_eq!((now.player.clone(), now.who.as_deref()), (Some(player("7")), Some("ana")));
    // Of another team: that player did not shoot.
    let told = book.apply(&Input::Corrected(say(None, Some(team("away")), None)));
    let now = told[0].saying.shot().expect("a shot");
    assert_eq!((now.player.clone(), now.points), (None, Some(3)));
    // Refused: nothing, too much, and what only a game has.
    let fact = shot(1);
    assert_eq!(book.check(&say(None, None, None)), Err(Refused::Nothing { fact }));
    assert_eq!(book.check(&say(Some(POINTS_MOST + 1), None, None)), Err(Refused::Points));
    let of_none = self::book("m");
    assert_eq!(of_none.check(&say(Some(3), None, None)), Err(Refused::NoGame { fact }));
}

#[test]
fn an_undo_gives_back_what_stood_before_and_frees_it_again() {
    let mut book = book("mm");
    let undo = |n| Undo { fact: shot(n), by: By::Operator, who: Some("ben".to_owned()) };
    assert_eq!(book.check_undo(&undo(1)), Err(Refused::NothingToUndo { fact: shot(1) }));
    corrected(&mut book, 1, Verdict::Missed, By::Operator);
    corrected(&mut book, 1, Verdict::None, By::Operator);
    let told = book.apply(&Input::Undone(undo(1)));
    assert_eq!(
        told.iter().map(short).collect::<Vec<_>>(),
        ["shot-1.3 missed by Operator: undone", "score-1.3 [0] of [1]", "score-2.3 [1] of [2]",]
    );
    assert_eq!(told[0].saying.shot().and_then(|shot| shot.who.as_deref()), Some("ben"));
    let told = book.apply(&Input::Undone(undo(1)));
    assert_eq!(
        told.iter().map(short).collect::<Vec<_>>(),
        [
            "shot-1.4 made",
            "highlight-1.2 clip true",
            "score-1.4 [1] of [1]",
            "score-2.4 [2] of [2]"
        ]
    );
    // A machine may say otherwise again.
    assert_eq!(book.check(&correction(shot(1), Verdict::Missed, By::Look)), Ok(true));
    assert_eq!(book.check_undo(&undo(1)), Err(Refused::NothingToUndo { fact: shot(1) }));
}

#[test]
fn a_shot_that_nobody_saw_is_added_counts_and_can_be_taken_back() {
    let mut book = book_in_game("m");
    let added = |of, rim| Added { in_game: Some(in_game()), ..added(of, rim, Standing::Made) };
    let elsewhere = Refused::Session { session: session(9) };
    assert_eq!(book.check_added(&added(9, 0), None), Err(elsewhere));
    assert_eq!(book.check_added(&added(9, 0), Some(session(9))), Ok(()), "it plays now");
    assert_eq!(book.check_added(&added(1, 4), None), Err(Refused::Rim { rim: 4 }));
    let told = book.apply(&Input::Added(added(1, 0)));
    assert_eq!(
        told.iter().map(short).collect::<Vec<_>>(),
        ["shot-2.0 made by Operator: nobody saw it", "score-2.0 [2] of [2]"]
    );
    let said = told[0].saying.shot().expect("a shot");
    assert_eq!((said.model.bundle.as_str(), said.t_stream), ("operator", 5.0));
    let undo = Undo { fact: shot(2), by: By::Operator, who: None };
    let told = book.apply(&Input::Undone(undo));
    assert_eq!(
        told.iter().map(short).collect::<Vec<_>>(),
        ["shot-2.1 none by Operator: undone", "score-2.1 [1] of [1]"]
    );
}

#[test]
fn an_entry_of_before_games_were_started_reads_as_it_did() {
    let old = br#"{"input":{"kind":"corrected","fact":"0000000000000001-shot-1","what":"missed","by":"operator","reason":"seen again"}}"#;
    let entry = Entry::decode(old).expect("read");
    let said = correction(shot(1), Verdict::Missed, By::Operator);
    assert_eq!(entry, Entry::Input(Input::Corrected(said)));
    assert_eq!(entry.encode().expect("JSON"), old, "written as it stood");
    let mut book = book("m");
    corrected(&mut book, 1, Verdict::Missed, By::Operator);
    let checkpoint = Entry::Checkpoint(Box::new(book)).encode().expect("JSON");
    let text = String::from_utf8(checkpoint).expect("text");
    let of_the_shot = concat!(
        r#""stands":"missed","by":"operator","reason":"seen again","#,
        r#""score":{"fact":"0000000000000001-score-1","revision":1,"stands":true},"#
    );
    // As before, but for what can be undone, which comes between.
    let before = text.find(r#""earlier":["#).expect("kept");
    let after = text.find(r#"],"score""#).expect("kept") + 2;
    let without = format!("{}{}", &text[..before], &text[after..]);
    assert!(without.contains(of_the_shot), "{without}");
    assert!(Entry::decode(without.as_bytes()).is_ok());
}

/// A game's decisions as a disk would have them.
fn log(decided: &[Decided]) -> Vec<Vec<u8>> {
    let last = decided.iter().rposition(|one| matches!(one.entry, Entry::Checkpoint(_)));
    let kept = decided.get(last.unwrap_or(0)..).unwrap_or_default();
    kept.iter().map(|one| one.entry.encode().expect("JSON")).collect()
}

fn golden(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden");
    std::fs::read_to_string(folder.join(format!("{name}.answers.jsonl"))).expect("a recording")
}

#[test]
fn a_crash_after_any_decision_loses_nothing_and_renames_nothing() {
    let (mut game, mut all) = resume(&court(), 2, Recovered::default());
    for (n, recording) in ["two-rims-lossy-25", "two-rims-60", "learning-30"].iter().enumerate() {
        // Sessions of their own, as each publish has.
        let answers = golden(recording).replace("\"000000000000aa", &format!("\"00000000000{n}aa"));
        assert_eq!(answers.contains("\"000000000000aa"), n == 0);
        all.extend(decided(&answers, &court(), &mut game).expect("plays"));
    }
    let checkpoints = all.iter().filter(|one| matches!(one.entry, Entry::Checkpoint(_))).count();
    assert!(checkpoints > 0, "{} decisions without a checkpoint", all.len());
    let (mut live, mut told) = (Book::new(court(), 0), BTreeMap::new());
    for cut in 1..=all.len() {
        let one = &all[cut - 1];
        if let Entry::Input(input) = &one.entry {
            assert_eq!(live.apply(input), one.events, "the same input, the same events");
        }
        for event in &one.events {
            told.insert(event.fact, event.clone());
        }
        let (resumed, mended) =
            resume(&court(), 2, Recovered::default().with_log(log(&all[..cut])));
        // All that is told at the start: what was open is taken back under its own name.
        let open = told.values().filter(|event| event.saying.is_provisional());
        let mut open: Vec<String> =
            open.map(|event| format!("{}.{}", event.fact, event.revision + 1)).collect();
        let mut back: Vec<String> = events(mended).map(|event| event.id()).collect();
        open.sort();
        back.sort();
        assert_eq!(back, open, "cut after {cut}");
        let mut undisturbed = live.clone();
        undisturbed.apply(&Input::Started { rims: 2 });
        assert_eq!(resumed.book(), &undisturbed, "cut after {cut}");
    }
}

#[test]
fn a_correction_after_a_restart_is_like_one_before_it() {
    let (mut game, mut all) = resume(&court(), 1, Recovered::default());
    all.extend(decided(&golden("one-rim-30"), &court(), &mut game).expect("plays"));
    let made =
        |event: &&Event| matches!(&event.saying, Saying::ShotMade(shot) if !shot.provisional);
    let shot = all.iter().flat_map(|one| &one.events).find(made).expect("a made shot").fact;
    let (mut resumed, _) = resume(&court(), 1, Recovered::default().with_log(log(&all)));
    let correction = correction(shot, Verdict::Missed, By::Operator);
    let before = game.correct(correction.clone()).expect("taken");
    let after = resumed.correct(correction.clone()).expect("taken");
    assert_eq!(before, after);
    assert!(before[0].events.len() > 10, "every score since stands on it");
    assert_eq!(resumed.correct(correction).expect("known"), [], "twice");
}

#[test]
fn a_verdict_is_kept_in_the_log_and_changes_nothing_that_was_told() {
    let rim = RimBox { x: 562.0, y: 167.0, w: 44.0, h: 10.0 };
    let (game, _) = resume(&court(), 1, Recovered::default());
    let mut game = game.calibrated(Calibrate::Watch, vec![Calibration::new(rim)]);
    let all = decided(&golden("demo"), &court(), &mut game).expect("plays");
    let fact = all.iter().flat_map(|one| &one.events).last().expect("events").fact;
    let shot = FactId::new(fact.session, Family::Shot, 1);
    let before = game.book().clone();
    let said = game.said(shot, Verdict::None);
    let entry = Entry::Input(Input::Verdict { fact: shot, verdict: Verdict::None });
    assert_eq!(said, [Decided { entry, events: Vec::new() }]);
    assert_eq!(game.book(), &before);
}

fn standings() -> impl Strategy<Value = Standing> {
    prop_oneof![Just(Standing::Made), Just(Standing::Missed), Just(Standing::Unsure)]
}

/// Inputs in any order, sensible or not.
fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let called = || {
        (1u64..4, 0u16..2, standings(), 0i64..1000, any::<bool>()).prop_map(
            |(of, rim, standing, at, started)| {
                let in_game = started.then(in_game);
                Called { in_game, ..called(of, rim, standing, at) }
            },
        )
    };
    let verdict = || prop_oneof![Just(Verdict::Made), Just(Verdict::Missed), Just(Verdict::None)];
    let by = || prop_oneof![Just(By::Operator), Just(By::Look), Just(By::Model)];
    let fact = || {
        let family = prop_oneof![4 => Just(Family::Shot), 1 => Just(Family::Score)];
        (1u64..4, family, 1u32..9).prop_map(|(of, family, n)| FactId::new(session(of), family, n))
    };
    let corrected = (fact(), verdict(), by(), 0u8..4, any::<bool>()).prop_map(
        |(fact, what, by, points, teamed)| {
            let points = (points > 0).then_some(points);
            let team = teamed.then(|| team("home"));
            Input::Corrected(Correction { points, team, ..correction(fact, what, by) })
        },
    );
    let undone = (fact(), by()).prop_map(|(fact, by)| Input::Undone(Undo { fact, by, who: None }));
    let added =
        (1u64..4, 0u16..4, standings(), any::<bool>()).prop_map(|(of, rim, standing, started)| {
            let in_game = started.then(in_game);
            Input::Added(Added { in_game, ..added(of, rim, standing) })
        });
    let input = prop_oneof![
        3 => called().prop_map(Input::Provisional),
        5 => called().prop_map(Input::Final),
        1 => (1u64..4, 0u16..2).prop_map(|(of, rim)| Input::TakenBack {
            session: session(of), rim, reason: "no_outcome".to_owned() }),
        1 => (1u64..4).prop_map(|of| Input::StreamEnded { session: session(of) }),
        5 => corrected,
        2 => undone,
        1 => added,
        1 => (fact(), verdict()).prop_map(|(fact, verdict)| Input::Verdict { fact, verdict }),
        1 => (0usize..4).prop_map(|rims| Input::Started { rims }),
    ];
    prop::collection::vec(input, 0..80)
}

/// Events as bytes.
fn bytes(events: &[Event]) -> String {
    let line = |event: &Event| {
        let saying = serde_json::to_string(&event.saying).expect("JSON");
        format!("{} {} {} {saying} {:?}\n", event.id(), event.attempt, event.at, event.clip)
    };
    events.iter().map(line).collect()
}

/// The facts as they stand hang together: told of in order, each revision once; scores and
/// highlights are what follows from the shots.
fn hangs_together(told: &[Event]) -> Result<(), TestCaseError> {
    let mut last: BTreeMap<FactId, &Event> = BTreeMap::new();
    let mut finals: Vec<FactId> = Vec::new();
    for event in told {
        let revision = last.insert(event.fact, event).map_or(0, |before| before.revision + 1);
        prop_assert_eq!(event.revision, revision, "{} counts up", event.fact);
        let is_shot = event.saying.family() == Family::Shot && !event.saying.is_provisional();
        if is_shot && !finals.contains(&event.fact) {
            finals.push(event.fact);
        }
    }
    let mut total = Score::default();
    let mut newest = None;
    for fact in &finals {
        let (rim, made) = match &last[fact].saying {
            Saying::ShotMade(shot) => (Some(shot.rim), true),
            Saying::ShotMissed(shot) => (Some(shot.rim), false),
            _ => (None, false),
        };
        if let Some(rim) = rim {
            for counts in [&mut total.made, &mut total.attempts] {
                counts.resize(counts.len().max(usize::from(rim) + 1), 0);
            }
            total.attempts[usize::from(rim)] += 1;
            total.made[usize::from(rim)] += u32::from(made);
        }
        let score = last.values().find_map(|event| match &event.saying {
            Saying::Score(score) if score.after == Some(fact.to_string()) => Some(score),
            _ => None,
        });
        prop_assert!(score.is_some() || rim.is_none(), "{} counts", fact);
        if let Some(score) = score {
            let sums = |score: &Score| {
                (score.made.iter().sum::<u32>(), score.attempts.iter().sum::<u32>())
            };
            prop_assert_eq!(sums(score), sums(&total), "the score after {}", fact);
            newest = Some(score);
        }
        let highlights = last.values().filter(
            |event| matches!(&event.saying, Saying::Highlight(of) if of.shot == fact.to_string()),
        );
        // A game that was started has its own.
        let own = made && last[fact].game.is_none();
        prop_assert_eq!(highlights.count(), usize::from(own), "highlights of {}", fact);
    }
    let latest = told.iter().rev().find_map(|event| match &event.saying {
        Saying::Score(score) => Some(score),
        _ => None,
    });
    prop_assert_eq!(latest, newest, "the score told last is the score now");
    Ok(())
}

proptest! {
    #[test]
    fn any_log_gives_the_same_facts_whatever_crashes(
        inputs in inputs(), checkpoint in 0usize..80, cut in 0usize..80,
    ) {
        let mut book = Book::new(court(), 0);
        let mut all = Vec::new();
        for (n, input) in inputs.iter().enumerate() {
            if n == checkpoint {
                let entry = Entry::Checkpoint(Box::new(book.clone()));
                all.push(Decided { entry, events: Vec::new() });
            }
            let events = book.apply(input);
            all.push(Decided { entry: Entry::Input(input.clone()), events });
        }
        let told: Vec<Event> = all.iter().flat_map(|one| one.events.clone()).collect();
        hangs_together(&told)?;

        // Again from the bytes on disk: byte for byte.
        let mut again = Book::new(court(), 0);
        let mut retold = Vec::new();
        for one in &all {
            let read = Entry::decode(&one.entry.encode().expect("JSON")).expect("read");
            prop_assert_eq!(&read, &one.entry);
            if let Entry::Input(input) = read {
                retold.extend(again.apply(&input));
            }
        }
        prop_assert_eq!(bytes(&told), bytes(&retold));

        // A crash after any entry: what is on disk gives the state, and the rest the same facts.
        let cut = cut.min(all.len());
        let mut resumed = fold(Book::new(court(), 0), &log(&all[..cut])).expect("read");
        let rest: Vec<Event> = all[cut..].iter().flat_map(|one| match &one.entry {
            Entry::Input(input) => resumed.apply(input),
            Entry::Checkpoint(_) => Vec::new(),
        }).collect();
        let expected: Vec<Event> = all[cut..].iter().flat_map(|one| one.events.clone()).collect();
        prop_assert_eq!(bytes(&rest), bytes(&expected));
        prop_assert_eq!(resumed, book);
    }

    #[test]
    fn an_operators_word_stands(inputs in inputs()) {
        let mut book = Book::new(court(), 1);
        let mut said: BTreeMap<FactId, Standing> = BTreeMap::new();
        let mut stands: BTreeMap<FactId, Standing> = BTreeMap::new();
        for input in &inputs {
            if let Input::Corrected(correction) = input
                && correction.by == By::Operator
                && let (Some(what), Ok(_)) = (correction.what, book.check(correction))
            {
                said.insert(correction.fact, what.into());
            }
            if let Input::Undone(undo) = input
                && book.check_undo(undo).is_ok()
            {
                said.remove(&undo.fact);
            }
            for event in book.apply(input) {
                let standing = match &event.saying {
                    Saying::ShotMade(_) => Standing::Made,
                    Saying::ShotMissed(_) => Standing::Missed,
                    Saying::ShotUnsure(_) => Standing::Unsure,
                    Saying::ShotWithdrawn(_) => Standing::NoShot,
                    _ => continue,
                };
                stands.insert(event.fact, standing);
            }
            for (fact, word) in &said {
                prop_assert_eq!(stands.get(fact), Some(word), "{}", fact);
            }
        }
    }
}
