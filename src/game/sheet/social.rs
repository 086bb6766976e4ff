//! Candidates for social media: the best highlights of a game, and no more at once than the rules' budget.
//!
//! A better one takes the place of the least that nobody approved. What was approved stays while a highlight
//! shows its basket; what was rejected has no place any more, and does not come back. A candidate is of a basket:
//! where the cut of that is joined with others, it is of the highlight that shows them all, and no other is
//! proposed for that.

use std::collections::{BTreeMap, BTreeSet};

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
    let shown = shown_by(&kept.shots);
    let chosen = chosen(kept, &shown);
    let mut changes = Vec::new();
    for (place, candidate) in kept.social.iter_mut().enumerate() {
        let has_highlight = shown.contains_key(&candidate.shot);
        let has_place = chosen.known.contains(&place);
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
    for shot in chosen.new {
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

/// The place of the shot whose highlight shows a basket, by the basket. Each is shown by one at most.
fn shown_by(shots: &[KeptShot]) -> BTreeMap<FactId, usize> {
    let standing = shots.iter().enumerate().filter_map(|(index, shot)| {
        let its = shot.highlight.as_ref().filter(|its| its.stands)?;
        Some(its.cut.with.iter().copied().chain([shot.news.fact]).map(move |fact| (fact, index)))
    });
    standing.flatten().collect()
}

/// The shot of the highlight that a candidate is of: cuts that were joined since it was proposed have another one.
pub(super) fn shown<'a>(kept: &'a Kept, candidate: &KeptSocial) -> Option<&'a KeptShot> {
    let shows = |shot: &&KeptShot| {
        let its = shot.highlight.as_ref().filter(|its| its.stands);
        its.is_some_and(|its| {
            shot.news.fact == candidate.shot || its.cut.with.contains(&candidate.shot)
        })
    };
    kept.shots.iter().find(shows)
}

/// Which candidates have a place now.
#[derive(Default)]
struct Chosen {
    /// By their places among those that are kept.
    known: BTreeSet<usize>,
    /// The shots of highlights that none is of yet.
    new: Vec<FactId>,
}

/// One of a highlight at most, but for those that were approved before their cuts were joined.
fn chosen(kept: &Kept, shown: &BTreeMap<FactId, usize>) -> Chosen {
    let mut of_highlight: BTreeMap<usize, Vec<(usize, &KeptSocial)>> = BTreeMap::new();
    for (place, candidate) in kept.social.iter().enumerate() {
        if let Some(index) = shown.get(&candidate.shot) {
            of_highlight.entry(*index).or_default().push((place, candidate));
        }
    }
    let known = |index: &usize| of_highlight.get(index).map(Vec::as_slice).unwrap_or_default();
    let mut chosen = Chosen::default();
    let mut open: Vec<(u32, usize, FactId)> = Vec::new();
    for (index, shot) in kept.shots.iter().enumerate() {
        let Some(its) = shot.highlight.as_ref().filter(|its| its.stands) else { continue };
        let word = |wanted| known(&index).iter().filter(move |(_, its)| its.word == wanted);
        let before = chosen.known.len();
        let approved = word(SocialWord::Approved).filter(|(_, candidate)| candidate.stands);
        chosen.known.extend(approved.map(|(place, _)| *place));
        let is_open = chosen.known.len() == before && word(SocialWord::Rejected).next().is_none();
        if is_open && its.cut.score >= LEAST {
            open.push((its.cut.score, index, shot.news.fact));
        }
    }
    open.sort_by_key(|(score, index, _)| (std::cmp::Reverse(*score), *index));
    let budget = kept.setup.rules.social.saturating_sub(kept.approved_before);
    let places = usize::try_from(budget).unwrap_or(0).saturating_sub(chosen.known.len());
    for (_, index, fact) in open.into_iter().take(places) {
        let standing = known(&index).iter().find(|(_, candidate)| candidate.stands);
        match standing.or_else(|| known(&index).first()) {
            Some((place, _)) => {
                chosen.known.insert(*place);
            }
            None => chosen.new.push(fact),
        }
    }
    chosen
}

/// What is told of a candidate; `None` where its highlight is gone.
pub(super) fn told(
    kept: &Kept,
    derived: &Derived,
    candidate: &KeptSocial,
) -> Option<SocialCandidate> {
    let shot = shown(kept, candidate)?;
    let index = kept.shots.iter().position(|other| other.news.fact == shot.news.fact)?;
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
