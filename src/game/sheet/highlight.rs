//! The highlights of a game: how much a basket is worth watching, and what its cut shows.
//!
//! ```text
//! score = 100 × (45 × leverage + 25 × rarity + 15 × run [+ 15 × crowd]) / (their weights together)
//! ```
//! Each part is 0 to 1 and stands in the event. The weights are chosen: what hangs on a shot counts most,
//! since cuts that people made are told best by score and time. Nothing hears the crowd yet; its weight
//! is then shared by the others.
//!
//! Cuts that overlap are one: the best basket's, and that of the one that won before any other; it shows the others
//! too. Kind, score, parts, team and caption are of that one basket. The highlights of the others are taken back as
//! `merged`.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::FactId;
use crate::event::game::HighlightParts;
use crate::event::words::HighlightKind;
use crate::game::rules::Rules;
use crate::game::sheet::placed::Placed;
use crate::game::sheet::state::{Cut, Kept, KeptHighlight, KeptShot, Parts};
use crate::game::sheet::tally::{Play, Races, Tally};
use crate::media::{CourtId, SessionId};

/// What parts count (chosen, above).
const WEIGHTS: Parts = Parts { leverage: 45, rarity: 25, run: 15 };
/// One, in the unit of parts.
const WHOLE: u32 = 10_000;
/// From this leverage on, a shot is one on which much hung (chosen).
const CLUTCH: u32 = 6_000;
/// A clip is found as `clutch` from this leverage on (chosen: half of the largest swing, as in the recap).
const FOUND_AS_CLUTCH: u32 = 5_000;
/// Tags that move with shots before: alone they are not worth a revision.
const MOVES: [&str; 2] = ["run", "clutch"];
/// Points of a lead from which on nothing hangs on a shot, where points end no game (chosen: five threes).
const DECIDED: i64 = 15;
/// Shots in a row beyond which one more is no rarer (chosen).
const LONG_STREAK: u32 = 5;
/// The longest cut that shows several baskets, ns (chosen: what a clip for social media may last).
const LONGEST_NS: i64 = 30_000_000_000;
/// A told score stays until it is wrong by so much, in tenths: less is not worth a revision.
const WORTH_TELLING: u32 = 50;

/// What a basket is worth watching.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) kind: HighlightKind,
    pub(super) parts: Parts,
    /// In tenths.
    pub(super) score: u32,
    /// The score after it.
    pub(super) points: [u32; 2],
    pub(super) side: Option<usize>,
    pub(super) worth: u32,
    /// The run that it is part of, in points; 0 if it is none that is told.
    pub(super) run: u32,
    /// The period that it was in.
    pub(super) period: u16,
}

/// What becomes of the highlight of a shot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is told, for the first time, anew, or again.
    Told,
    /// It is taken back: the shot is no basket any more.
    Gone,
    /// It is taken back: another one shows it.
    Merged,
    /// It is told, and taken back at once: another one shows it already.
    ToldAndMerged,
}

/// Seconds before and after the ball is at the ring, by what a highlight is (chosen: the play that led
/// there, and the faces).
const fn around(kind: HighlightKind) -> (i64, i64) {
    match kind {
        HighlightKind::Winner => (8, 6),
        HighlightKind::Clutch => (6, 4),
        HighlightKind::Run | HighlightKind::Far => (5, 3),
        HighlightKind::MadeShot | HighlightKind::Other => (5, 2),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of f64 saturates, and no share is negative"
)]
fn ten_thousandths(share: f64) -> u32 {
    (share.clamp(0.0, 1.0) * 1e4).round() as u32
}

/// How much hung on a shot, before it is counted.
pub(super) fn leverage(
    tally: &Tally,
    play: &Play,
    (rules, races): (&Rules, Option<&Races>),
    period: u16,
) -> u32 {
    if races.is_none() {
        let margin = i64::try_from(tally.margin().unsigned_abs()).unwrap_or(DECIDED).min(DECIDED);
        let close = u32::try_from(DECIDED - margin).unwrap_or(0) * WHOLE / 15;
        return close * u32::from(period.min(rules.periods)) / u32::from(rules.periods.max(1));
    }
    let swing = |side: usize| {
        let next = tally.next(races, rules, period, (side, play.points));
        next.map_or(0.0, |(made, missed)| made - missed)
    };
    let swing = play.side.map_or_else(|| f64::midpoint(swing(0), swing(1)), swing);
    ten_thousandths(swing / tally.most_swing(races, rules, period))
}

/// How rare a basket of this value is for its team, before it is counted: half by what it is worth, three
/// tenths by how seldom such shots went in. The last two tenths are its streak's.
pub(super) fn rarity_of_value(tally: &Tally, play: &Play, rules: &Rules) -> u32 {
    let (ordinary, most) = (u32::from(rules.ordinary), u32::from(rules.most()));
    let above = play.points.clamp(ordinary, most) - ordinary;
    let worth = if most > ordinary { above * WHOLE / (most - ordinary) } else { 0 };
    let sums = play.side.and_then(|side| tally.sides.get(side));
    let (made, attempts) =
        sums.and_then(|sums| sums.by_value.get(&play.points)).copied().unwrap_or_default();
    // One of two that nobody saw: a first shot is neither sure nor hopeless.
    let missed = (attempts - made + 1) * WHOLE / (attempts + 2);
    worth / 2 + missed * 3 / 10
}

/// What a basket is worth watching, after it is counted.
pub(super) fn moment(
    placed: &Placed<'_>,
    (leverage, of_value): (u32, u32),
    rules: &Rules,
) -> Moment {
    let Placed { play, after, period, .. } = *placed;
    let sums = play.side.and_then(|side| after.sides.get(side));
    let streak = sums.map_or(0, |sums| sums.streak).saturating_sub(1).min(LONG_STREAK - 1);
    let rarity = of_value + streak * WHOLE / (LONG_STREAK - 1) / 5;
    let run = after.run.as_ref().filter(|run| Some(run.side) == play.side);
    let run = run.map_or(0, |run| run.points);
    let run = if run >= rules.least_run { run } else { 0 };
    let parts = Parts {
        leverage,
        rarity,
        run: run.min(2 * rules.least_run) * WHOLE / (2 * rules.least_run),
    };
    let won = after.won.is_some_and(|(_, shot)| shot == play.fact);
    let kind = if won {
        HighlightKind::Winner
    } else if leverage >= CLUTCH {
        HighlightKind::Clutch
    } else if run > 0 {
        HighlightKind::Run
    } else if play.points > u32::from(rules.ordinary) {
        HighlightKind::Far
    } else {
        HighlightKind::MadeShot
    };
    let points = after.points();
    let (score, side, worth) = (score(parts), play.side, play.points);
    Moment { kind, parts, score, points, side, worth, run, period }
}

/// In tenths of a hundred.
fn score(parts: Parts) -> u32 {
    let weighed =
        WEIGHTS.leverage * parts.leverage + WEIGHTS.rarity * parts.rarity + WEIGHTS.run * parts.run;
    let whole = (WEIGHTS.leverage + WEIGHTS.rarity + WEIGHTS.run) * WHOLE;
    (weighed * 10 + whole / 200) / (whole / 100)
}

/// Parts as they are told.
pub(super) fn told(parts: Parts) -> HighlightParts {
    let share = |part: u32| f64::from(part) / f64::from(WHOLE);
    HighlightParts {
        leverage: share(parts.leverage),
        rarity: share(parts.rarity),
        run: share(parts.run),
        crowd: None,
    }
}

/// Why a score is what it is, in words.
pub(super) fn why(score: u32, parts: Parts) -> String {
    let HighlightParts { leverage, rarity, run, .. } = told(parts);
    format!(
        "{}.{} of 100: leverage {leverage:.2} × {}, rarity {rarity:.2} × {}, run {run:.2} × {}",
        score / 10,
        score % 10,
        WEIGHTS.leverage,
        WEIGHTS.rarity,
        WEIGHTS.run
    )
}

/// Names the clip of a highlight: that of its shot, or a further one where that shows too little.
pub(super) fn clip_id(shot: &KeptShot, clip: u32) -> String {
    let id = format!("{}-{}", shot.news.court, shot.news.fact);
    if clip == 0 { id } else { format!("{id}-{clip}") }
}

/// The clip of the highlight that shows this shot beside its own.
pub(super) fn shown_by(kept: &Kept, fact: FactId) -> Option<String> {
    let shows = |its: &&KeptHighlight| its.stands && its.cut.with.contains(&fact);
    let mut all = kept.shots.iter();
    all.find_map(|shot| Some(clip_id(shot, shot.highlight.as_ref().filter(shows)?.clip)))
}

/// Baskets of a court whose cuts overlap, by their places, in order; and what they show together.
struct Chain {
    shots: Vec<usize>,
    from_ns: i64,
    to_ns: i64,
}

fn chains(kept: &Kept, moments: &[Option<Moment>]) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    let mut last: BTreeMap<(&CourtId, SessionId), usize> = BTreeMap::new();
    for (index, (shot, moment)) in kept.shots.iter().zip(moments).enumerate() {
        let Some(moment) = moment else { continue };
        let Cut { from_ns, to_ns, .. } = alone(shot, moment);
        let there = (&shot.news.court, shot.news.session);
        let open = last.get(&there).and_then(|place| chains.get_mut(*place));
        if let Some(chain) = open
            && from_ns <= chain.to_ns
            && to_ns.saturating_sub(chain.from_ns) <= LONGEST_NS
        {
            chain.shots.push(index);
            chain.from_ns = chain.from_ns.min(from_ns);
            chain.to_ns = chain.to_ns.max(to_ns);
        } else {
            last.insert(there, chains.len());
            chains.push(Chain { shots: vec![index], from_ns, to_ns });
        }
    }
    chains
}

/// What the highlight of each shot shows, where it has one; `None` of what that of another one shows, and of what
/// is no basket.
fn cuts(kept: &Kept, moments: &[Option<Moment>], tags: &[BTreeSet<String>]) -> Vec<Option<Cut>> {
    let mut cuts: Vec<Option<Cut>> = vec![None; kept.shots.len()];
    for Chain { shots, from_ns, to_ns } in chains(kept, moments) {
        let moment = |at: usize| moments.get(at).and_then(Option::as_ref);
        // All that is told of it is of one basket: of the one that won, else of the best, of the last of those alike.
        let worth = |at: &usize| {
            let moment = moment(*at)?;
            Some((moment.kind == HighlightKind::Winner, moment.score, *at))
        };
        let Some(best) = shots.iter().copied().max_by_key(worth) else { continue };
        let (Some(shot), Some(moment)) = (kept.shots.get(best), moment(best)) else { continue };
        let others = shots.iter().filter(|at| **at != best).filter_map(|at| kept.shots.get(*at));
        let with = others.map(|shot| shot.news.fact).collect();
        if let Some(place) = cuts.get_mut(best) {
            *place = Some(Cut { with, from_ns, to_ns, ..alone(shot, moment) });
        }
    }
    let of_fact: BTreeMap<FactId, &BTreeSet<String>> =
        kept.shots.iter().map(|shot| shot.news.fact).zip(tags).collect();
    for (cut, own) in cuts.iter_mut().zip(tags) {
        let Some(cut) = cut else { continue };
        let others = cut.with.iter().filter_map(|fact| of_fact.get(fact));
        let shown = others.copied().chain([own]).flatten().cloned();
        cut.tags = with_kind(shown.collect(), cut);
    }
    cuts
}

/// Words for each shot that went in, by itself.
fn own_tags(kept: &Kept, moments: &[Option<Moment>]) -> Vec<BTreeSet<String>> {
    let of = |(shot, moment): (&KeptShot, &Option<Moment>)| {
        let (Some(moment), news) = (moment, &shot.news) else { return BTreeSet::new() };
        let team = moment.side.and_then(|side| kept.setup.teams.get(side));
        let team = team.map_or_else(|| "unknown".to_owned(), |team| team.id.to_string());
        let mut tags = BTreeSet::from([
            "made".to_owned(),
            format!("{}pt", moment.worth),
            format!("team:{team}"),
            format!("court:{}", news.court),
            format!("rim:{}", news.rim),
            format!("period:{}", moment.period),
        ]);
        tags.extend(news.player.as_ref().map(|player| format!("player:{player}")));
        tags.extend(news.by.is_some().then(|| "corrected".to_owned()));
        tags.extend((moment.run > 0).then(|| "run".to_owned()));
        let rules = &kept.setup.rules;
        // Where a throw is worth what no shot from the field is, a tap of its points tells it apart.
        let thrown =
            rules.free_throws.contains(&news.points) && !rules.values.contains(&news.points);
        tags.extend(thrown.then(|| "free-throw".to_owned()));
        tags
    };
    kept.shots.iter().zip(moments).map(of).collect()
}

/// The tags of a cut: those of its shots, and what it is.
fn with_kind(mut tags: BTreeSet<String>, cut: &Cut) -> Vec<String> {
    // The words of the box have underscores, tags have none.
    tags.insert(cut.kind.word().replace('_', "-"));
    if cut.parts.leverage >= FOUND_AS_CLUTCH {
        tags.insert("clutch".to_owned());
    }
    tags.into_iter().collect()
}

/// True where a clip is to be found by other words than were told of it.
fn is_found_otherwise(told: &Cut, now: &Cut) -> bool {
    let stays = |tag: &&String| !MOVES.contains(&tag.as_str()) && !tag.starts_with("period:");
    // A version before this one told none: it is told with the next revision.
    !told.tags.is_empty() && told.tags.iter().filter(stays).ne(now.tags.iter().filter(stays))
}

/// What the highlight of a shot shows if no other is near.
fn alone(shot: &KeptShot, moment: &Moment) -> Cut {
    let (before, after) = around(moment.kind);
    Cut {
        kind: moment.kind,
        score: moment.score,
        parts: moment.parts,
        with: Vec::new(),
        tags: Vec::new(),
        from_ns: shot.news.at_ns.saturating_sub(before * 1_000_000_000),
        to_ns: shot.news.at_ns.saturating_add(after * 1_000_000_000),
    }
}

/// Brings what is kept of highlights up to date: what must be told, by the place of the shot, in order.
pub(super) fn settle(kept: &mut Kept, moments: &[Option<Moment>]) -> Vec<(usize, Change)> {
    let mut changes = Vec::new();
    let tags = own_tags(kept, moments);
    let cuts = cuts(kept, moments, &tags);
    let numbers = &mut kept.numbers;
    let shots = kept.shots.iter_mut().zip(cuts).zip(moments.iter().zip(tags));
    for (index, ((shot, cut), (moment, own))) in shots.enumerate() {
        let change = match (shot.highlight.take(), cut, moment) {
            (None, None, None) => None,
            (None, cut, moment) => {
                let merged = cut.is_none();
                let cut = cut.or_else(|| {
                    let cut = alone(shot, moment.as_ref()?);
                    Some(Cut { tags: with_kind(own, &cut), ..cut })
                });
                cut.map(|cut| {
                    numbers.highlight += 1;
                    let n = numbers.highlight;
                    let revision = u32::from(merged);
                    shot.highlight =
                        Some(KeptHighlight { n, revision, stands: !merged, cut, clip: 0 });
                    if merged { Change::ToldAndMerged } else { Change::Told }
                })
            }
            (Some(told), None, moment) => {
                let why = if moment.is_some() { Change::Merged } else { Change::Gone };
                let change = told.stands.then_some(why);
                let revision = told.revision + u32::from(change.is_some());
                shot.highlight = Some(KeptHighlight { revision, stands: false, ..told });
                change
            }
            (Some(told), Some(cut), _) => {
                let (told, change) = revised(told, cut);
                shot.highlight = Some(told);
                change
            }
        };
        changes.extend(change.map(|change| (index, change)));
    }
    changes
}

/// A highlight that was told before, and what it must show now.
fn revised(told: KeptHighlight, mut cut: Cut) -> (KeptHighlight, Option<Change>) {
    let is_shown = told.cut.from_ns <= cut.from_ns && cut.to_ns <= told.cut.to_ns;
    let differs = !told.stands
        || told.cut.kind != cut.kind
        || told.cut.with != cut.with
        || told.cut.score.abs_diff(cut.score) >= WORTH_TELLING
        || is_found_otherwise(&told.cut, &cut)
        || !is_shown;
    if !differs {
        return (told, None);
    }
    let clip = told.clip + u32::from(!is_shown);
    if is_shown {
        // The clip that there is shows it all: no other is asked for.
        (cut.from_ns, cut.to_ns) = (told.cut.from_ns, told.cut.to_ns);
    }
    let told = KeptHighlight { revision: told.revision + 1, stands: true, cut, clip, ..told };
    (told, Some(Change::Told))
}
