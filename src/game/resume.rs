//! What the last run left open, closed before anything new is told (DESIGN §5.5).

use crate::event::{Event, Saying, Score, Withdrawal};
use crate::game::{after_final, score};
use crate::media::CourtId;

/// What the outbox still knows of a court and its last run did not finish.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The last durable score.
    pub score: Option<Score>,
    /// In order of decision: final shots that no durable score counts, facts whose last durable
    /// record is provisional, highlights whose shot has no final `made`. Anything else is let be.
    pub facts: Vec<Event>,
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
