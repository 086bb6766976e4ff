//! What changed, as events, in the order in which it must be told.
//!
//! What is taken back goes first, from the top down, then what is told, from the bottom up: so at no point
//! of the order stands a fact on one that is gone. A highlight whose candidate is of another one now is taken back
//! last, when that was told.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::game::{Graphic, SocialCandidate};
use crate::event::{ClipAbout, ClipRequest, Event, FactId, Family, Highlight, Saying, Withdrawal};
use crate::game::sheet::derive::Derived;
use crate::game::sheet::graphic::{self, whole};
use crate::game::sheet::highlight;
use crate::game::sheet::input::ShotNews;
use crate::game::sheet::social;
use crate::game::sheet::state::{Kept, KeptShot, Key, Told};
use crate::media::{CourtId, MediaTime, SessionId};

/// What was told of graphics and candidates, by their places among those that are kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Contents {
    graphics: Vec<Option<Graphic>>,
    social: Vec<Option<SocialCandidate>>,
}

impl Contents {
    /// As it stands now.
    pub(super) fn of(kept: &Kept, derived: &Derived) -> Self {
        // Of a key that came twice the first: from the back, so that it stays.
        let wanted: BTreeMap<&Key, &graphic::Wanted> =
            derived.graphics.iter().rev().map(|wanted| (&wanted.key, wanted)).collect();
        let graphics = kept.graphics.iter().map(|graphic| {
            let wanted = wanted.get(&graphic.key).filter(|_| graphic.stands);
            wanted.map(|wanted| graphic::told(kept, wanted, graphic))
        });
        let social = kept.social.iter().map(|candidate| {
            candidate.stands.then(|| social::told(kept, derived, candidate)).flatten()
        });
        Self { graphics: graphics.collect(), social: social.collect() }
    }

    pub(super) fn graphic(&self, place: usize) -> Option<&Graphic> {
        self.graphics.get(place).and_then(Option::as_ref)
    }

    pub(super) fn candidate(&self, place: usize) -> Option<&SocialCandidate> {
        self.social.get(place).and_then(Option::as_ref)
    }
}

/// Where a fact happened.
#[derive(Clone, Debug)]
pub(super) struct Place {
    court: CourtId,
    session: SessionId,
    at: MediaTime,
    attempt: u32,
}

impl Place {
    fn of(news: &ShotNews) -> Self {
        Self {
            court: news.court.clone(),
            session: news.session,
            at: MediaTime::from_nanos(news.at_ns),
            attempt: news.attempt,
        }
    }

    /// Where a tap happens that no shot brought: when it was tapped, in the game's own session, which begins
    /// with it.
    fn tapped(kept: &Kept, utc_ns: i64) -> Option<Self> {
        Some(Self {
            court: kept.setup.courts.first()?.clone(),
            session: kept.setup.session,
            at: graphic::since_start(kept, utc_ns),
            attempt: 0,
        })
    }

    /// Where something of a game happens of which nothing says when: at its last shot; before the first, at
    /// its beginning.
    fn last(kept: &Kept) -> Option<Self> {
        let last = kept.shots.last().map(|shot| Self::of(&shot.news));
        last.or_else(|| Self::tapped(kept, kept.setup.start_utc_ns))
    }

    /// Where a graphic is: at its shot, or where the game was ended.
    fn of_graphic(kept: &Kept, key: &Key) -> Option<Self> {
        let shot = kept.shots.iter().find(|shot| Some(shot.news.fact) == key.shot);
        let ended = || Self::tapped(kept, kept.ended?.1);
        shot.map(|shot| Self::of(&shot.news)).or_else(ended).or_else(|| Self::last(kept))
    }
}

/// What something is told for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause<'a> {
    /// A shot changed.
    Shot(&'a ShotNews),
    /// Somebody tapped, ns of UTC, where that is the moment of what it changed.
    Tap(Option<i64>),
}

/// Takes events in, by the order in which they are told.
#[derive(Default)]
struct Telling {
    first: Vec<Event>,
    back: Vec<Event>,
    told: Vec<Event>,
    last: Vec<Event>,
}

fn event(kept: &Kept, place: Place, (fact, revision): (FactId, u32), saying: Saying) -> Event {
    Event {
        court: place.court,
        session: place.session,
        game: Some(kept.setup.id.clone()),
        fact,
        revision,
        attempt: place.attempt,
        at: place.at,
        saying,
        clip: None,
    }
}

/// Why something is taken back: what the shot's news say, or a word of ours.
fn withdrawal(at: MediaTime, news: Option<&ShotNews>, ours: &str) -> Withdrawal {
    let said = news.and_then(|news| news.reason.as_deref());
    Withdrawal {
        t_stream: at.as_secs_f64(),
        reason: said.unwrap_or(ours).to_owned(),
        by: news.and_then(|news| news.by),
        who: news.and_then(|news| news.who.clone()),
    }
}

/// Brings all that stands on the shots up to date, from what was told before.
pub(super) fn changed(
    kept: &mut Kept,
    (was, now): (&Derived, &Derived),
    told: &Contents,
    cause: Cause<'_>,
) -> (Vec<Event>, Contents) {
    let news = match cause {
        Cause::Shot(news) => Some(news),
        Cause::Tap(_) => None,
    };
    let mut telling = Telling::default();
    let highlights = highlight::settle(kept, &now.moments);
    let graphics = graphic::settle(kept, &now.graphics);
    let candidates = social::settle(kept);
    let contents = Contents::of(kept, now);

    let mut told_candidates = Vec::new();
    for (place, change) in &candidates {
        let Some(candidate) = kept.social.get(*place) else { continue };
        let fact = FactId::new(kept.setup.session, Family::SocialCandidate, candidate.n);
        let own = || kept.shots.iter().find(|shot| shot.news.fact == candidate.shot);
        let shot = social::shown(kept, candidate).or_else(own);
        let Some(at) = shot.map(|shot| Place::of(&shot.news)).or_else(|| Place::last(kept)) else {
            continue;
        };
        let back = |news, ours| Saying::SocialWithdrawn(withdrawal(at.at, news, ours));
        let saying = match change {
            social::Change::Told => {
                told_candidates.push(*place);
                continue;
            }
            social::Change::Gone => back(news, "highlight"),
            social::Change::Outranked => back(None, "outranked"),
        };
        telling.back.push(event(kept, at.clone(), (fact, candidate.revision), saying));
    }
    let mut told_graphics = Vec::new();
    for (place, change) in &graphics {
        let Some(graphic) = kept.graphics.get(*place) else { continue };
        if *change == graphic::Change::Told {
            told_graphics.push(*place);
            continue;
        }
        let Some(at) = Place::of_graphic(kept, &graphic.key) else { continue };
        let fact = FactId::new(kept.setup.session, Family::Graphic, graphic.n);
        let saying = Saying::GraphicWithdrawn(withdrawal(at.at, news, "changed"));
        telling.back.push(event(kept, at, (fact, graphic.revision), saying));
    }
    let moved = told.social.iter().enumerate().filter_map(|(place, was)| {
        let was = was.as_ref().filter(|_| contents.candidate(place).is_some())?;
        Some(was.highlight.as_str())
    });
    tell_highlights(kept, highlights, (news, &moved.collect()), &mut telling);
    tell_whole(kept, (was, now), cause, &mut telling);
    // What was told before and says something else now is told again.
    for place in 0..told.graphics.len() {
        let differs = contents.graphic(place).is_some()
            && told.graphic(place).is_some()
            && contents.graphic(place) != told.graphic(place);
        if differs && let Some(graphic) = kept.graphics.get_mut(place) {
            graphic.revision += 1;
            told_graphics.push(place);
        }
    }
    for place in 0..told.social.len() {
        let differs = contents.candidate(place).is_some()
            && told.candidate(place).is_some()
            && contents.candidate(place) != told.candidate(place);
        if differs && let Some(candidate) = kept.social.get_mut(place) {
            candidate.revision += 1;
            told_candidates.push(place);
        }
    }
    telling.told.extend(told_graphics.into_iter().filter_map(|place| {
        let (graphic, saying) = (kept.graphics.get(place)?, contents.graphic(place)?);
        let at = Place::of_graphic(kept, &graphic.key)?;
        let fact = FactId::new(kept.setup.session, Family::Graphic, graphic.n);
        Some(event(kept, at, (fact, graphic.revision), Saying::Graphic(saying.clone())))
    }));
    telling.told.extend(told_candidates.into_iter().filter_map(|place| {
        let (candidate, saying) = (kept.social.get(place)?, contents.candidate(place)?);
        let shot = social::shown(kept, candidate)?;
        let fact = FactId::new(kept.setup.session, Family::SocialCandidate, candidate.n);
        let saying = Saying::SocialCandidate(saying.clone());
        Some(event(kept, Place::of(&shot.news), (fact, candidate.revision), saying))
    }));
    let Telling { mut first, back, told, last } = telling;
    first.extend(back.into_iter().chain(told).chain(last));
    (first, contents)
}

/// A game that begins: its facts, told for the first time.
pub(super) fn begun(kept: &Kept, now: &Derived) -> Vec<Event> {
    let Some(at) = Place::tapped(kept, kept.setup.start_utc_ns) else { return Vec::new() };
    let sayings = [
        (Family::Game, Saying::Game(now.told.clone())),
        (Family::Score, Saying::GameScore(now.score.clone())),
        (Family::Momentum, Saying::Momentum(now.momentum.clone())),
        (Family::Leaderboard, Saying::Leaderboard(now.leaderboard.clone())),
    ];
    let told = sayings
        .into_iter()
        .map(|(family, saying)| event(kept, at.clone(), (whole(&kept.setup, family), 0), saying));
    told.collect()
}

/// Why a highlight is taken back that another one shows.
const MERGED: &str = "merged";

fn tell_highlights(
    kept: &Kept,
    changes: Vec<(usize, highlight::Change)>,
    (news, moved): (Option<&ShotNews>, &BTreeSet<&str>),
    telling: &mut Telling,
) {
    for (index, change) in changes {
        let Some(shot) = kept.shots.get(index) else { continue };
        let Some(its) = shot.highlight.as_ref() else { continue };
        let fact = FactId::new(kept.setup.session, Family::Highlight, its.n);
        let back = |news: Option<&ShotNews>, ours| {
            let place = Place::of(&shot.news);
            let saying = Saying::HighlightWithdrawn(withdrawal(place.at, news, ours));
            let id = highlight::clip_id(shot, its.clip);
            let into = highlight::shown_by(kept, shot.news.fact).filter(|_| ours == MERGED);
            let clip = match into {
                Some(into) => ClipRequest::merger(&id, into, place.at),
                None => ClipRequest::withdrawal(&id, place.at),
            };
            Event { clip: Some(clip), ..event(kept, place, (fact, its.revision), saying) }
        };
        let is_last = moved.contains(fact.to_string().as_str());
        let gone = if is_last { &mut telling.last } else { &mut telling.back };
        match change {
            highlight::Change::Told => {
                telling.told.push(told_highlight(kept, shot, (fact, its.revision)));
            }
            highlight::Change::Gone => {
                let own = news.filter(|news| news.fact == shot.news.fact);
                gone.push(back(own, "not_made"));
            }
            highlight::Change::Merged => gone.push(back(None, MERGED)),
            highlight::Change::ToldAndMerged => {
                let before = its.revision.saturating_sub(1);
                telling.first.push(told_highlight(kept, shot, (fact, before)));
                telling.back.push(back(None, MERGED));
            }
        }
    }
}

fn told_highlight(kept: &Kept, shot: &KeptShot, named: (FactId, u32)) -> Event {
    let place = Place::of(&shot.news);
    let its = shot.highlight.as_ref();
    let cut = its.map(|its| &its.cut);
    let id = highlight::clip_id(shot, its.map_or(0, |its| its.clip));
    let reason = cut.map(|cut| cut.kind.word()).unwrap_or_default().to_owned();
    let saying = Saying::Highlight(Highlight {
        shot: shot.news.fact.to_string(),
        reason: reason.clone(),
        t_stream: place.at.as_secs_f64(),
        clip: format!("/v1/clips/{id}"),
        score: cut.map(|cut| f64::from(cut.score) / 10.0),
        parts: cut.map(|cut| highlight::told(cut.parts)),
        with: cut.map_or_else(Vec::new, |cut| cut.with.iter().map(ToString::to_string).collect()),
        tags: cut.map_or_else(Vec::new, |cut| cut.tags.clone()),
    });
    let clip = cut.map(|cut| {
        let about = ClipAbout {
            game: Some(kept.setup.id.clone()),
            score_tenths: Some(cut.score),
            tags: cut.tags.clone(),
            merged: None,
        };
        ClipRequest { id, from_ns: cut.from_ns, to_ns: cut.to_ns, reason, about }
    });
    Event { clip, ..event(kept, place, named, saying) }
}

/// The facts that a game has one of, if they changed.
fn tell_whole(
    kept: &mut Kept,
    (was, now): (&Derived, &Derived),
    cause: Cause<'_>,
    telling: &mut Telling,
) {
    let (news, at) = match cause {
        Cause::Shot(news) => (Some(news), Some(Place::of(news))),
        Cause::Tap(Some(utc_ns)) => (None, Place::tapped(kept, utc_ns)),
        Cause::Tap(None) => (None, Place::last(kept)),
    };
    let Some(at) = at else { return };
    let counts = |fact: FactId| {
        let shot = kept.shots.iter().find(|shot| shot.news.fact == fact);
        shot.is_some_and(|shot| shot.news.standing.counts())
    };
    // The shot that changed it, if it still counts; else the last that does.
    let this = news.map(|news| news.fact).filter(|fact| counts(*fact));
    let last = kept.shots.iter().rfind(|shot| shot.news.standing.counts());
    let last = last.map(|shot| shot.news.fact);
    let is_gone = |told: Told| {
        let shot = |fact| kept.shots.iter().find(|shot| shot.news.fact == fact);
        told.after.and_then(shot).is_some_and(|shot| !shot.news.standing.counts())
    };
    let next = |told: Told, differs: bool| {
        (differs || is_gone(told)).then(|| {
            let kept_after = told.after.filter(|_| news.is_none() && !is_gone(told));
            Told { revision: told.revision + 1, after: this.or(kept_after).or(last) }
        })
    };
    let whole = kept.whole;
    let score = next(whole.score, was.score != now.score);
    let momentum = next(whole.momentum, was.momentum != now.momentum);
    let leaderboard = next(whole.leaderboard, was.leaderboard != now.leaderboard);
    let game =
        (was.told != now.told).then_some(Told { revision: whole.game.revision + 1, after: None });
    let text = |told: Told| told.after.map(|fact| fact.to_string());
    let sayings = [
        score.map(|told| {
            let score = crate::event::game::GameScore { after: text(told), ..now.score.clone() };
            (Family::Score, told, Saying::GameScore(score))
        }),
        momentum.map(|told| {
            let flow = crate::event::game::Momentum { after: text(told), ..now.momentum.clone() };
            (Family::Momentum, told, Saying::Momentum(flow))
        }),
        leaderboard.map(|told| {
            let rows =
                crate::event::game::Leaderboard { after: text(told), ..now.leaderboard.clone() };
            (Family::Leaderboard, told, Saying::Leaderboard(rows))
        }),
        game.map(|told| (Family::Game, told, Saying::Game(now.told.clone()))),
    ];
    for (family, told, saying) in sayings.into_iter().flatten() {
        let fact = self::whole(&kept.setup, family);
        telling.told.push(event(kept, at.clone(), (fact, told.revision), saying));
    }
    kept.whole.score = score.unwrap_or(whole.score);
    kept.whole.momentum = momentum.unwrap_or(whole.momentum);
    kept.whole.leaderboard = leaderboard.unwrap_or(whole.leaderboard);
    kept.whole.game = game.unwrap_or(whole.game);
}
