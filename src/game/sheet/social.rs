//! Candidates for social media: the best highlights of a game, and no more at once than the rules' budget.
//!
//! A better one takes the place of the least that nobody approved. What was approved stays while its
//! highlight stands; what was rejected has no place any more, and does not come back.

use crate::event::game::SocialCandidate;
use crate::event::words::{HighlightKind, SocialWord};
use crate::event::{FactId, Family};
use crate::game::sheet::derive::Derived;
use crate::game::sheet::highlight::{self, Moment};
use crate::game::sheet::input::{CAPTION_MOST, Setup};
use crate::game::sheet::naming;
use crate::game::sheet::state::{Kept, KeptShot, KeptSocial};
use crate::media::MediaTime;

/// A highlight of a lower score is none, in tenths (chosen).
const LEAST: u32 = 300;

/// What must be told, by the place of the candidate among those that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// For the first time, or again.
    Told,
    /// Its highlight was taken back.
    Gone,
    /// Another one is better.
    Outranked,
}

/// Brings what is kept of candidates up to date.
pub(super) fn settle(kept: &mut Kept) -> Vec<(usize, Change)> {
    let chosen = chosen(kept);
    let mut changes = Vec::new();
    let highlights = |fact: FactId, shots: &[KeptShot]| {
        let shot = shots.iter().find(|shot| shot.news.fact == fact);
        shot.and_then(|shot| shot.highlight.as_ref()).is_some_and(|highlight| highlight.stands)
    };
    for (place, candidate) in kept.social.iter_mut().enumerate() {
        let has_highlight = highlights(candidate.shot, &kept.shots);
        let has_place = chosen.contains(&candidate.shot);
        let change = match (candidate.stands, candidate.word) {
            (true, _) if !has_highlight => Some(Change::Gone),
            (true, SocialWord::Proposed | SocialWord::Other) if !has_place => {
                Some(Change::Outranked)
            }
            (false, _) if has_place => {
                (candidate.word, candidate.who) = (SocialWord::Proposed, None);
                Some(Change::Told)
            }
            _ => None,
        };
        if let Some(change) = change {
            candidate.stands = change == Change::Told;
            candidate.revision += 1;
            changes.push((place, change));
        }
    }
    for shot in chosen {
        if kept.social.iter().any(|candidate| candidate.shot == shot) {
            continue;
        }
        kept.numbers.social += 1;
        kept.social.push(KeptSocial {
            shot,
            n: kept.numbers.social,
            revision: 0,
            stands: true,
            word: SocialWord::Proposed,
            caption: None,
            who: None,
        });
        changes.push((kept.social.len() - 1, Change::Told));
    }
    changes
}

/// The shots whose highlights are candidates now.
fn chosen(kept: &Kept) -> Vec<FactId> {
    let word = |fact: FactId| {
        let known = kept.social.iter().find(|candidate| candidate.shot == fact);
        known.map(|candidate| (candidate.word, candidate.stands))
    };
    let mut best: Vec<(bool, u32, usize, FactId)> = Vec::new();
    for (index, shot) in kept.shots.iter().enumerate() {
        let Some(highlight) = shot.highlight.as_ref().filter(|highlight| highlight.stands) else {
            continue;
        };
        let fact = shot.news.fact;
        let approved = word(fact) == Some((SocialWord::Approved, true));
        let rejected = word(fact).is_some_and(|(word, _)| word == SocialWord::Rejected);
        if approved || !rejected && highlight.cut.score >= LEAST {
            best.push((approved, highlight.cut.score, index, fact));
        }
    }
    best.sort_by_key(|(approved, score, index, _)| (!approved, std::cmp::Reverse(*score), *index));
    let approved = best.iter().take_while(|(approved, ..)| *approved).count();
    let budget = kept.setup.rules.social.saturating_sub(kept.approved_before);
    let places = usize::try_from(budget).unwrap_or(0).max(approved);
    best.into_iter().take(places).map(|(.., fact)| fact).collect()
}

/// What is told of a candidate; `None` where its highlight is gone.
pub(super) fn told(
    kept: &Kept,
    derived: &Derived,
    candidate: &KeptSocial,
) -> Option<SocialCandidate> {
    let index = kept.shots.iter().position(|shot| shot.news.fact == candidate.shot)?;
    let shot = kept.shots.get(index)?;
    let highlight = shot.highlight.as_ref()?;
    let moment = derived.moments.get(index)?.as_ref()?;
    let setup = &kept.setup;
    let caption = candidate.caption.clone().unwrap_or_else(|| caption(setup, shot, moment));
    let named = FactId::new(setup.session, Family::Highlight, highlight.n);
    Some(SocialCandidate {
        game: setup.id.clone(),
        highlight: named.to_string(),
        clip: format!("/v1/clips/{}", highlight::clip_id(shot, highlight.clip)),
        caption,
        why: highlight::why(highlight.cut.score, highlight.cut.parts),
        score: f64::from(highlight.cut.score) / 10.0,
        state: candidate.word,
        who: candidate.who.clone(),
        t_stream: MediaTime::from_nanos(shot.news.at_ns).as_secs_f64(),
    })
}

/// Words to go with the clip of a basket.
fn caption(setup: &Setup, shot: &KeptShot, moment: &Moment) -> String {
    let score = naming::score(setup, moment.points);
    let team = moment.side.map(|side| naming::team(setup, side));
    let player = shot.news.player.as_ref().map(|player| naming::player(setup, player));
    let scorer = player.clone().or_else(|| team.clone());
    let points = naming::points(moment.worth);
    let said = match (moment.kind, scorer, team) {
        (_, None, _) => format!("{points}: {score}."),
        (HighlightKind::Winner, Some(scorer), Some(team)) => match player {
            Some(_) => format!("{scorer} wins it for {team}: {score}."),
            None => format!("{team} win it: {score}."),
        },
        (HighlightKind::Clutch, Some(scorer), _) => {
            format!("{scorer} when it counts, {points}: {score}.")
        }
        (HighlightKind::Run, Some(_), Some(team)) => {
            format!("{team} on a {}–0 run: {score}.", moment.run)
        }
        (HighlightKind::Far, Some(scorer), _) => format!("{scorer} from afar, {points}: {score}."),
        (_, Some(scorer), _) => format!("{scorer}, {points}: {score}."),
    };
    said.chars().take(CAPTION_MOST).collect()
}
