//! Made shots and attempts of each rim since the first start. Finals only.

use crate::event::{Event, FactId, Saying, Score};
use crate::game::input::Standing;

/// A score with a place for each of `rims` rims. Rims that are no longer configured keep theirs.
pub(super) fn of_rims(mut score: Score, rims: usize) -> Score {
    let rims = rims.max(score.made.len()).max(score.attempts.len());
    score.made.resize(rims, 0);
    score.attempts.resize(rims, 0);
    score
}

/// Counts how a shot stands. Nothing for what is no call: an abstention, a withdrawal.
pub(super) fn count(score: &mut Score, rim: u16, stands: Standing) {
    if !stands.counts() {
        return;
    }
    let rim = usize::from(rim);
    *score = of_rims(std::mem::take(score), rim + 1);
    if let (Some(attempts), Some(made)) = (score.attempts.get_mut(rim), score.made.get_mut(rim)) {
        *attempts += 1;
        *made += u32::from(stands == Standing::Made);
    }
}

/// The score after a shot, a fact of its own: it stands on the shot, and on all before it.
pub(super) fn after(shot: &Event, (fact, revision): (FactId, u32), mut score: Score) -> Event {
    score.after = Some(shot.fact.to_string());
    Event { fact, revision, saying: Saying::Score(score), clip: None, ..shot.clone() }
}
