//! What a game tells, again and again: three or four events an attempt, as the game of a court makes them.

use crate::event::{
    Decision, Event, FactId, Family, Highlight, LogEntry, ModelRef, Saying, Score, Shot,
};
use crate::media::{CourtId, MediaTime, SessionId};

/// Events of an attempt that goes in: provisional, final, score, highlight; one that does not has no highlight.
pub(super) const EVENTS_OF_TWO: u64 = 7;
/// What the game's log keeps of the inputs of one attempt, bytes (a line of JSON each for the answer and for
/// what was decided by it: 150 to 250 together).
const ENTRY_BYTES: usize = 200;
/// Time between two attempts, ms: the footage has 28 in 209 s.
const BETWEEN_MS: i64 = 7_500;

/// The session of all of them.
pub(super) const SESSION: SessionId = SessionId::from_bits(0xd7a1_0000_0000_0001);

/// The decisions of `attempts` attempts from number `first` on; every other one goes in.
pub(super) fn attempts(
    court: &CourtId,
    first: u32,
    attempts: u32,
) -> impl Iterator<Item = Decision> {
    let court = court.clone();
    (first..first + attempts).flat_map(move |n| attempt(&court, n))
}

/// Attempts that make at least so many events.
pub(super) fn attempts_of(events: u32) -> u32 {
    let pairs = u64::from(events).div_ceil(EVENTS_OF_TWO);
    u32::try_from(pairs * 2).unwrap_or(u32::MAX)
}

/// The events of so many attempts from the first on.
pub(super) fn events_of(attempts: u32) -> u64 {
    u64::from(attempts / 2) * EVENTS_OF_TWO + u64::from(attempts % 2) * 4
}

/// One event of its own, that goes out at once.
pub(super) fn alone(court: &CourtId, n: u32) -> Decision {
    Event {
        court: court.clone(),
        session: SESSION,
        game: None,
        fact: FactId::new(SESSION, Family::Shot, n),
        revision: 0,
        attempt: n,
        at: at(n),
        saying: Saying::ShotMissed(shot(n, false)),
        clip: None,
    }
    .into()
}

fn at(n: u32) -> MediaTime {
    MediaTime::from_millis(i64::from(n) * BETWEEN_MS)
}

fn attempt(court: &CourtId, n: u32) -> [Decision; 2] {
    let made = n % 2 == 1;
    let event = |family: Family, revision: u32, saying: Saying| Event {
        court: court.clone(),
        session: SESSION,
        game: None,
        fact: FactId::new(SESSION, family, n),
        revision,
        attempt: n,
        at: at(n),
        saying,
        clip: None,
    };
    let say = |shot: Shot| if made { Saying::ShotMade(shot) } else { Saying::ShotMissed(shot) };
    let fact = FactId::new(SESSION, Family::Shot, n).to_string();
    let made_so_far = n.div_ceil(2);
    let score = Score { made: vec![made_so_far], attempts: vec![n], after: Some(fact.clone()) };
    let mut last = vec![
        event(Family::Shot, 1, say(shot(n, false))),
        event(Family::Score, 0, Saying::Score(score)),
    ];
    if made {
        let highlight = Highlight {
            reason: "made".to_owned(),
            t_stream: at(n).as_secs_f64(),
            clip: format!("/v1/clips/{court}-{fact}"),
            shot: fact,
            ..Highlight::default()
        };
        last.push(event(Family::Highlight, 0, Saying::Highlight(highlight)));
    }
    let log = LogEntry {
        log: format!("game/{court}"),
        checkpoint: n.is_multiple_of(256),
        bytes: vec![b'x'; ENTRY_BYTES],
    };
    let first = vec![event(Family::Shot, 0, say(shot(n, true)))];
    [Decision::from(first), Decision { events: last, logs: vec![log], waits: None }]
}

fn shot(n: u32, provisional: bool) -> Shot {
    let t_stream = at(n).as_secs_f64();
    Shot {
        rim: 0,
        t_stream,
        t_decided: t_stream + 0.333_333_333,
        confidence: 0.987_654,
        provisional,
        game: None,
        points: None,
        points_by: None,
        team: None,
        team_by: None,
        player: None,
        clip: (!provisional).then(|| format!("/v1/clips/court-{SESSION}-shot-{n}")),
        model: ModelRef {
            bundle: "rimnet".to_owned(),
            version: "0.6.0".to_owned(),
            precision: "fp32".to_owned(),
            engine: "builtin".to_owned(),
        },
        latency_ms: 31.25,
        by: None,
        who: None,
        reason: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_attempts_make_so_many_events() {
        let court = CourtId::new("a").expect("a name");
        for count in [1, 2, 5, 8] {
            let made: usize =
                attempts(&court, 1, count).map(|decision| decision.events.len()).sum();
            assert_eq!(made as u64, events_of(count));
        }
        assert!(events_of(attempts_of(1000)) >= 1000);
    }
}
