//! Finals that wait: each is told once, and as without anybody who looks again unless he says otherwise.

use std::sync::Arc;

use super::*;
use crate::answer::{DecisionParameters, ModelIdentity, RimAnswer, RimProbabilities};
use crate::event::{By, Event, Saying};
use crate::game::input::Correction;
use crate::game::log::{Decided, Entry, events};
use crate::game::play::Game;
use crate::media::{CloseReason, Monotonic};

const MS: i64 = 33;
/// Two shots that go in and one that does not, far enough apart.
const FILM: &str = "...uuuummmmmmmmmmmmmmmm..............uuuuxxxxxxxxxxxxxxxxxxxxx..............uuuummmmmmmmmmmmmmmmm......";

fn session() -> SessionId {
    SessionId::from_bits(1)
}

fn answers(film: &str, rim: u16) -> Vec<RimAnswer> {
    let named = |text: &str| text.to_owned();
    let model = Arc::new(ModelIdentity {
        bundle: named("scripted"),
        version: named("1"),
        precision: named("fp32"),
        engine: named("script"),
        decision: DecisionParameters::default(),
    });
    let answer = |(n, look): (i64, char)| {
        let [none, under_way, made, missed] = match look {
            'u' => [0.05, 0.85, 0.05, 0.05],
            'm' => [0.02, 0.05, 0.88, 0.05],
            'x' => [0.02, 0.05, 0.05, 0.88],
            _ => [0.94, 0.02, 0.02, 0.02],
        };
        RimAnswer {
            court: CourtId::new("a").expect("name"),
            rim: RimId(rim),
            session: session(),
            pts: MediaTime::from_millis(n * MS),
            says: RimProbabilities { none, under_way, made, missed },
            warming: false,
            model: Arc::clone(&model),
            arrival: Monotonic::ZERO,
            answered: Monotonic::ZERO,
        }
    };
    (0..).zip(film.chars()).map(answer).collect()
}

fn game(holds_ms: Option<u64>) -> Game {
    let court = CourtId::new("a").expect("name");
    Game::new(court, 1).holding(holds_ms.map(Duration::from_millis))
}

fn shots(decided: &[Decided]) -> Vec<Event> {
    let all = decided.iter().flat_map(|decided| &decided.events);
    all.filter(|event| event.saying.shot().is_some()).cloned().collect()
}

fn is_final(decided: &Decided) -> bool {
    matches!(decided.entry, Entry::Input(crate::game::input::Input::Final(_)))
}

fn says(verdict: Verdict) -> Says {
    let [bundle, version, precision, engine] = ["hosted-x", "1", "", "hosted"].map(str::to_owned);
    let by = ModelRef { bundle, version, precision, engine };
    Says { verdict, reason: "second look".to_owned(), by }
}

/// Plays the film; `looks` is asked of each attempt that waits, at once.
fn played(game: &mut Game, looks: impl Fn(usize) -> Option<Option<Says>>) -> Vec<Decided> {
    let (mut all, mut asked) = (Vec::new(), 0);
    for answer in answers(FILM, 0) {
        all.extend(game.step(&answer));
        for (of, _) in game.waiting() {
            if let Some(says) = looks(asked) {
                all.extend(game.looked(of, says.as_ref()).expect("it waits"));
            }
            asked += 1;
        }
    }
    all.extend(game.session_closed(session(), CloseReason::Ended));
    all
}

#[test]
fn absent_hung_or_of_the_same_mind_the_facts_are_the_same_byte_for_byte() {
    let without = played(&mut game(None), |_| None);
    assert_eq!(without.iter().filter(|decided| is_final(decided)).count(), 3);
    let json = |decided: Vec<Decided>| {
        events(decided).map(|event| format!("{event:?}\n")).collect::<String>()
    };
    let absent = json(without);
    for holds_ms in [0, 200, 500, 60_000] {
        let hung = played(&mut game(Some(holds_ms)), |_| None);
        assert_eq!(json(hung), absent, "{holds_ms} ms");
    }
    let answers = |n| (n % 2 == 0).then_some(None);
    assert_eq!(json(played(&mut game(Some(500)), answers)), absent);
}

#[test]
fn one_that_says_otherwise_is_the_final_and_its_model_stands_there() {
    let all = played(&mut game(Some(60_000)), |n| Some((n == 1).then(|| says(Verdict::Made))));
    let finals: Vec<Event> = all
        .iter()
        .filter(|one| is_final(one))
        .flat_map(|one| shots(std::slice::from_ref(one)))
        .collect();
    let told: Vec<(bool, String)> = finals
        .iter()
        .map(|event| {
            let shot = event.saying.shot().expect("a shot");
            assert!(!shot.provisional && event.revision == 1);
            (matches!(event.saying, Saying::ShotMade(_)), shot.model.bundle.clone())
        })
        .collect();
    let [ours, theirs] = ["scripted", "hosted-x"].map(str::to_owned);
    assert_eq!(told, [(true, ours.clone()), (true, theirs), (true, ours)]);
}

/// Plays until the first final waits.
fn until_it_waits(game: &mut Game) -> (AttemptId, std::vec::IntoIter<RimAnswer>) {
    let mut rest = answers(FILM, 0).into_iter();
    loop {
        let answer = rest.next().expect("it waits before the film ends");
        let decided = game.step(&answer);
        assert!(!decided.iter().any(is_final), "nothing is told before");
        if let Some((of, called)) = game.waiting().pop() {
            assert_eq!(called.standing, Standing::Made);
            return (of, rest);
        }
    }
}

#[test]
fn it_waits_as_long_as_the_stream_goes_on_so_far_and_is_told_once() {
    let mut game = game(Some(200));
    let (of, rest) = until_it_waits(&mut game);
    let mut waited = 0;
    for answer in rest {
        waited += 1;
        if game.step(&answer).iter().any(is_final) {
            break;
        }
    }
    // 200 ms of pictures.
    assert_eq!(waited, 7);
    assert_eq!(game.looked(of, Some(&says(Verdict::Missed))), None, "too late: it stands");
    assert_eq!(game.wait_no_more(), []);
}

#[test]
fn the_next_word_of_the_rim_its_end_and_a_tap_end_the_wait() {
    let mut by_next = game(Some(60_000));
    let (_, rest) = until_it_waits(&mut by_next);
    let mut told = Vec::new();
    for answer in rest {
        told = by_next.step(&answer);
        if !told.is_empty() {
            break;
        }
    }
    let order: Vec<(u32, bool)> = shots(&told)
        .iter()
        .map(|event| (event.attempt, event.saying.shot().is_some_and(|shot| shot.provisional)))
        .collect();
    assert_eq!(order, [(1, false), (2, true)], "in their order");

    let mut by_end = game(Some(60_000));
    until_it_waits(&mut by_end);
    assert!(by_end.session_closed(session(), CloseReason::Ended).iter().any(is_final));

    let mut by_tap = game(Some(60_000));
    until_it_waits(&mut by_tap);
    let told = by_tap.wait_no_more();
    assert!(told.iter().any(is_final));
    let fact = shots(&told)[0].fact;
    let said = Correction {
        fact,
        what: Some(Verdict::Missed),
        reason: "seen".to_owned(),
        ..Correction::nothing(None)
    };
    assert!(!by_tap.correct(said.clone()).expect("taken").is_empty());
    let machine = Correction { by: By::Look, what: Some(Verdict::Made), ..said };
    assert!(by_tap.correct(machine).is_err(), "no machine overrules a person");
}
