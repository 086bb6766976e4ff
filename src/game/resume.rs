//! What the last run left open, closed before anything new is told (DESIGN §5.5).

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Event, FactId, Family, Saying, Score, Withdrawal};
use crate::game::{after_final, score};
use crate::media::CourtId;

/// What the outbox still knows of a court and its last run did not finish.
#[derive(Debug, Default, PartialEq)]
pub struct Recovered {
    /// The last durable score.
    pub score: Option<Score>,
    /// Final shots that no durable score counts, facts whose last durable record is provisional,
    /// highlights whose shot has no final `made`; each in order of decision. Anything else is let be.
    pub facts: Vec<Event>,
}

impl Recovered {
    /// Finds what was not finished in what a store knows of a court: the last event of each family,
    /// facts whose last durable record is provisional, and the last events, in order of decision.
    #[must_use]
    pub fn of(mut latest: BTreeMap<String, Event>, open: Vec<Event>, recent: Vec<Event>) -> Self {
        let score = match latest.remove(Family::Score.topic()).map(|event| event.saying) {
            Some(Saying::Score(score)) => Some(score),
            Some(_) | None => None,
        };
        let scored: BTreeSet<String> =
            recent.iter().filter_map(|event| counted_by(&event.saying)).collect();
        let mut last: BTreeMap<FactId, (usize, Event)> = BTreeMap::new();
        for (order, event) in recent.into_iter().enumerate() {
            last.insert(event.fact, (order, event));
        }
        let made = |shot: &str| match FactId::parse(shot).and_then(|fact| last.get(&fact)) {
            Some((_, Event { saying: Saying::ShotMade(shot), .. })) => !shot.provisional,
            Some(_) => false,
            // Older than what was read: settled long ago.
            None => true,
        };
        let mut in_order: Vec<&(usize, Event)> = last.values().collect();
        in_order.sort_by_key(|(order, _)| *order);
        let (mut facts, mut standing) = (Vec::new(), Vec::new());
        for (_, event) in in_order {
            match &event.saying {
                // It stands in `open`.
                saying if saying.is_provisional() => {}
                Saying::ShotMade(_) | Saying::ShotMissed(_) => {
                    if !scored.contains(&event.fact.to_string()) {
                        facts.push(event.clone());
                    }
                }
                Saying::Highlight(highlight) if !made(&highlight.shot) => {
                    standing.push(event.clone());
                }
                Saying::ShotUnsure(_)
                | Saying::ShotWithdrawn(_)
                | Saying::Score(_)
                | Saying::Highlight(_)
                | Saying::HighlightWithdrawn(_) => {}
            }
        }
        facts.extend(open);
        facts.extend(standing);
        Self { score, facts }
    }
}

/// The shot that a score counts.
fn counted_by(saying: &Saying) -> Option<String> {
    match saying {
        Saying::Score(score) => score.after.clone(),
        Saying::ShotMade(_)
        | Saying::ShotMissed(_)
        | Saying::ShotUnsure(_)
        | Saying::ShotWithdrawn(_)
        | Saying::Highlight(_)
        | Saying::HighlightWithdrawn(_) => None,
    }
}

/// Returns the score to go on with, and the events that mend what a crash cut off.
///
/// A final that no score counts is counted, and its highlight asked for again, under the ids that
/// they would have had: whoever has them already sees a repeat. A provisional is withdrawn, and a
/// highlight that stands on nothing with it.
#[must_use]
pub fn resume(court: &CourtId, rims: usize, recovered: Recovered) -> (Score, Vec<Event>) {
    let mut score = score::of_rims(recovered.score.unwrap_or_default(), rims);
    let mut events = Vec::new();
    for fact in recovered.facts.into_iter().filter(|fact| fact.court == *court) {
        match &fact.saying {
            Saying::ShotMade(shot) | Saying::ShotMissed(shot) | Saying::ShotUnsure(shot)
                if shot.provisional =>
            {
                let t_stream = shot.t_stream;
                events.push(withdrawn(fact, t_stream, Saying::ShotWithdrawn));
            }
            Saying::ShotMade(_) | Saying::ShotMissed(_) => {
                events.extend(after_final(&fact, &mut score));
            }
            Saying::Highlight(highlight) => {
                let t_stream = highlight.t_stream;
                events.push(withdrawn(fact, t_stream, Saying::HighlightWithdrawn));
            }
            Saying::ShotUnsure(_)
            | Saying::ShotWithdrawn(_)
            | Saying::Score(_)
            | Saying::HighlightWithdrawn(_) => {}
        }
    }
    (score, events)
}

fn withdrawn(fact: Event, t_stream: f64, saying: fn(Withdrawal) -> Saying) -> Event {
    let reason = "restart".to_owned();
    Event {
        revision: fact.revision + 1,
        saying: saying(Withdrawal { t_stream, reason }),
        clip: None,
        ..fact
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Highlight, ModelRef, Shot};
    use crate::media::{MediaTime, SessionId};

    fn event(n: u32, revision: u32, saying: Saying) -> Event {
        Event {
            court: CourtId::new("a").unwrap(),
            fact: fact(n),
            revision,
            attempt: n,
            at: MediaTime::from_millis(i64::from(n) * 1000),
            saying,
            clip: None,
        }
    }

    fn fact(n: u32) -> FactId {
        FactId { session: SessionId::from_bits(5), n }
    }

    fn made(provisional: bool) -> Saying {
        let [bundle, version, precision, engine] = ["b", "1", "fp32", "e"].map(str::to_owned);
        Saying::ShotMade(Shot {
            rim: 0,
            t_stream: 1.0,
            t_decided: 1.5,
            confidence: 0.75,
            provisional,
            points: None,
            clip: None,
            model: ModelRef { bundle, version, precision, engine },
            latency_ms: 20.0,
        })
    }

    fn score(after: u32) -> Saying {
        let after = Some(fact(after).to_string());
        Saying::Score(Score { made: vec![1], attempts: vec![1], after })
    }

    fn highlight(shot: u32) -> Saying {
        let [reason, clip] = ["made", "/v1/clips/x"].map(str::to_owned);
        Saying::Highlight(Highlight { shot: fact(shot).to_string(), reason, t_stream: 1.0, clip })
    }

    #[test]
    fn a_start_finds_what_the_last_run_did_not_finish() {
        let withdrawal =
            || Saying::ShotWithdrawn(Withdrawal { t_stream: 1.0, reason: "no_outcome".into() });
        let open = event(4, 0, made(true));
        let recent = vec![
            event(1, 0, made(true)),
            event(1, 1, made(false)),
            event(2, 0, score(1)),
            event(3, 0, highlight(1)),
            open.clone(),
            event(6, 0, highlight(4)),
            event(5, 0, made(true)),
            event(5, 1, withdrawal()),
            event(7, 0, made(false)),
            event(8, 0, highlight(99)),
        ];
        let latest = [("score", event(2, 0, score(1))), ("shot", event(7, 0, made(false)))];
        let latest = latest.map(|(family, event)| (family.to_owned(), event)).into();
        let found = Recovered::of(latest, vec![open], recent);
        assert_eq!(found.score.unwrap().after, Some(fact(1).to_string()));
        let ids: Vec<String> = found.facts.iter().map(Event::id).collect();
        let id = |id: &str| format!("0000000000000005-{id}");
        // A final that no score counts, what is open, a highlight on nothing.
        assert_eq!(ids, [id("7.0"), id("4.0"), id("6.0")]);
        assert_eq!(Recovered::of(BTreeMap::new(), Vec::new(), Vec::new()), Recovered::default());
    }
}
