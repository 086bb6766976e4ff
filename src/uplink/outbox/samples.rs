//! Events for tests of the store.

use crate::clock::AnchorSnapshot;
use crate::event::{Event, FactId, Highlight, ModelRef, Saying, Score, Shot};
use crate::media::{CourtId, MediaTime, SessionId};
use crate::uplink::outbox::record::{DecidedWhen, InOrder, Record};
use crate::uplink::outbox::write::Batch;

pub(super) fn event(court: &str, n: u32, revision: u32, saying: Saying) -> Event {
    Event {
        court: CourtId::new(court).unwrap(),
        session: SessionId::from_bits(5),
        game: None,
        fact: FactId::parse(&format!("0000000000000005-{n}")).unwrap(),
        revision,
        attempt: n,
        at: MediaTime::from_millis(i64::from(n) * 1000),
        saying,
        clip: None,
    }
}

pub(super) fn made(provisional: bool) -> Saying {
    Saying::ShotMade(Shot {
        rim: 0,
        t_stream: 1.0,
        t_decided: 1.5,
        confidence: 0.75,
        provisional,
        game: None,
        points: None,
        points_by: None,
        team: None,
        team_by: None,
        player: None,
        clip: None,
        model: ModelRef {
            bundle: "b".into(),
            version: "1".into(),
            precision: "fp32".into(),
            engine: "e".into(),
        },
        latency_ms: 20.0,
        by: None,
        who: None,
        reason: None,
    })
}

pub(super) fn score(after: u32) -> Saying {
    let after = Some(format!("0000000000000005-{after}"));
    Saying::Score(Score { made: vec![after.iter().len() as u32], attempts: vec![1], after })
}

pub(super) fn highlight(shot: u32) -> Saying {
    Saying::Highlight(Highlight {
        shot: format!("0000000000000005-{shot}"),
        reason: "made".into(),
        t_stream: 1.0,
        clip: "/v1/clips/x".into(),
        ..Highlight::default()
    })
}

pub(super) fn batch(events: impl IntoIterator<Item = Event>) -> Batch {
    at(events, Some(1_000_000_000))
}

pub(super) fn at(events: impl IntoIterator<Item = Event>, utc_ns: Option<i64>) -> Batch {
    let decided = DecidedWhen { boot: "boot".into(), monotonic_ns: 1, utc_ns };
    let unplaced = InOrder { position: 0, sequence: 0 };
    let append = events
        .into_iter()
        .map(|event| {
            let anchor = AnchorSnapshot::default();
            Record::new(unplaced, &event, decided.clone(), anchor).unwrap()
        })
        .collect();
    Batch { append, ..Batch::default() }
}
