//! Made shots and attempts of each rim since the first start. Finals only.

use crate::event::{Event, FactId, Saying, Score};

/// A score with a place for each of `rims` rims. Rims that are no longer configured keep theirs.
pub(super) fn of_rims(mut score: Score, rims: usize) -> Score {
    let rims = rims.max(score.made.len()).max(score.attempts.len());
    score.made.resize(rims, 0);
    score.attempts.resize(rims, 0);
    score
}

/// Counts a final shot; returns the new score as a fact of its own. Nothing for what is no final
/// call: a provisional, an abstention, a withdrawal.
pub(super) fn after(shot: &Event, score: &mut Score) -> Option<Event> {
    let (data, made) = match &shot.saying {
        Saying::ShotMade(data) if !data.provisional => (data, true),
        Saying::ShotMissed(data) if !data.provisional => (data, false),
        Saying::ShotMade(_)
        | Saying::ShotMissed(_)
        | Saying::ShotUnsure(_)
        | Saying::ShotWithdrawn(_)
        | Saying::Score(_)
        | Saying::Highlight(_)
        | Saying::HighlightWithdrawn(_) => return None,
    };
    let rim = usize::from(data.rim);
    let mut now = of_rims(std::mem::take(score), rim + 1);
    if let (Some(attempts), Some(all_made)) = (now.attempts.get_mut(rim), now.made.get_mut(rim)) {
        *attempts += 1;
        *all_made += u32::from(made);
    }
    now.after = Some(shot.fact.to_string());
    score.clone_from(&now);
    Some(Event {
        fact: FactId { n: shot.fact.n + 1, ..shot.fact },
        revision: 0,
        saying: Saying::Score(now),
        clip: None,
        ..shot.clone()
    })
}
