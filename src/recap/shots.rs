//! The shots of a game that stand, in their order, and what the score is after each.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::event::By;
use crate::event::game::{GameTold, Pending};
use crate::media::{PlayerId, TeamId, UtcTime};
use crate::recap::fact::{Facts, Told};

/// Types of events that are shots.
pub(super) const SHOTS: &[&str] = &[MADE, MISSED, UNSURE, "courtside.shot.withdrawn.v1"];
const MADE: &str = "courtside.shot.made.v1";
const MISSED: &str = "courtside.shot.missed.v1";
const UNSURE: &str = "courtside.shot.unsure.v1";

/// How a shot came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Made,
    Missed,
    Unsure,
}

impl Verdict {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Missed => "missed",
            Self::Unsure => "unsure",
        }
    }
}

/// Data of a shot, as far as a recap asks for them.
#[derive(Clone, Debug, Deserialize)]
struct Said {
    rim: u16,
    t_stream: f64,
    #[serde(default)]
    provisional: bool,
    #[serde(default)]
    points: Option<u32>,
    #[serde(default)]
    points_by: Option<String>,
    #[serde(default)]
    team: Option<TeamId>,
    #[serde(default)]
    player: Option<PlayerId>,
    #[serde(default)]
    by: Option<By>,
    #[serde(default)]
    who: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    model: Option<Model>,
}

#[derive(Clone, Debug, Deserialize)]
struct Model {
    bundle: String,
}

/// The model of a shot that no model saw: an operator added it.
const ADDED_BY: &str = "operator";

/// What people's words on a shot came to in the end: taps that took each other back are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// It stands as it was called.
    Nothing,
    /// Somebody said whose it was, which nobody had known.
    Named,
    /// It was called otherwise.
    Changed,
}

/// A shot that stands.
#[derive(Clone, Debug)]
pub(super) struct Shot {
    pub(super) fact: String,
    pub(super) revision: u32,
    pub(super) court: String,
    pub(super) session: String,
    pub(super) rim: u16,
    /// Seconds of the stream's own timestamps.
    pub(super) t_stream: f64,
    pub(super) utc: Option<UtcTime>,
    pub(super) verdict: Verdict,
    /// What it counts if it goes in; `None` if nobody said.
    pub(super) points: Option<u32>,
    pub(super) points_by: Option<String>,
    pub(super) team: Option<TeamId>,
    pub(super) player: Option<PlayerId>,
    pub(super) by: Option<By>,
    /// Which person that was, as they named themselves.
    pub(super) who: Option<String>,
    pub(super) reason: Option<String>,
    /// Nobody saw it: an operator added it.
    pub(super) added: bool,
    /// What people's words came to, beside how it was called first.
    pub(super) said: Words,
    /// From 1.
    pub(super) period: u16,
    /// Place of its first final among all that was told.
    came: usize,
    /// It was taken back: it has its place for the sake of the others.
    gone: bool,
}

impl Shot {
    /// Reads a revision; `None` for a provisional one, and for one that takes the shot back.
    pub(super) fn of(told: &Told) -> Option<Self> {
        let verdict = match told.event_type.as_str() {
            MADE => Verdict::Made,
            MISSED => Verdict::Missed,
            UNSURE => Verdict::Unsure,
            _ => return None,
        };
        let said: Said = told.data()?;
        if said.provisional {
            return None;
        }
        Some(Self {
            fact: told.fact.clone(),
            revision: told.revision,
            court: told.place.clone(),
            session: told.session.clone(),
            rim: said.rim,
            t_stream: said.t_stream,
            utc: told.utc,
            verdict,
            points: said.points,
            points_by: said.points_by,
            team: said.team,
            player: said.player,
            by: said.by,
            who: said.who,
            reason: said.reason,
            added: said.model.is_some_and(|model| model.bundle == ADDED_BY),
            said: Words::Nothing,
            period: 1,
            came: 0,
            gone: false,
        })
    }

    pub(super) fn made(&self) -> bool {
        self.verdict == Verdict::Made
    }

    /// Made or missed: what counts as an attempt.
    pub(super) fn counts(&self) -> bool {
        self.verdict != Verdict::Unsure
    }

    /// Points that it brought.
    pub(super) fn scored(&self) -> u32 {
        if self.made() { self.points.unwrap_or(0) } else { 0 }
    }

    /// Somebody said that it was otherwise than was told of it: the rules may say so too, when a period moves.
    pub(super) fn corrected(&self) -> bool {
        self.by.is_some() && self.said != Words::Nothing
    }

    /// What this came to, beside the first final word on it.
    fn since(&self, first: &Self) -> Words {
        let other = |was: bool, is_same: bool| was && !is_same;
        let called_otherwise = (self.verdict, self.points) != (first.verdict, first.points)
            || other(first.team.is_some(), self.team == first.team)
            || other(first.player.is_some(), self.player == first.player);
        let named = (&self.team, &self.player) != (&first.team, &first.player);
        match (called_otherwise, named) {
            (true, _) => Words::Changed,
            (false, true) => Words::Named,
            (false, false) => Words::Nothing,
        }
    }
}

/// The shots of a game.
#[derive(Clone, Debug)]
pub(super) struct Shots {
    /// Those that stand, in the order of the game.
    pub(super) all: Vec<Shot>,
    /// Facts of those that were final and were taken back.
    pub(super) taken_back: Vec<String>,
    /// Revisions that this version cannot read.
    pub(super) unread: usize,
}

impl Shots {
    pub(super) fn of(facts: &Facts, teams: &[TeamId; 2]) -> Self {
        let mut shots = Self { all: Vec::new(), taken_back: Vec::new(), unread: 0 };
        // Of each fact the newest final that was told, in the order of its first final.
        let mut order: Vec<&str> = Vec::new();
        let mut finals: BTreeMap<&str, Vec<(usize, Shot)>> = BTreeMap::new();
        for (at, told) in facts.told().iter().enumerate() {
            if !SHOTS.contains(&told.event_type.as_str()) || told.takes_back() {
                continue;
            }
            match Shot::of(told) {
                Some(shot) => {
                    let of_fact = finals.entry(&told.fact).or_default();
                    if of_fact.is_empty() {
                        order.push(&told.fact);
                    }
                    of_fact.push((at, shot));
                }
                None => shots.unread += usize::from(told.data::<Said>().is_none()),
            }
        }
        let periods = Periods::of(facts);
        for fact in order {
            let Some(of_fact) = finals.get(fact) else { continue };
            let gone = facts.newest_of(fact).is_some_and(Told::takes_back);
            if gone {
                shots.taken_back.push(fact.to_owned());
            }
            let newest = of_fact.iter().max_by_key(|(_, shot)| shot.revision);
            let (Some((came, first)), Some((_, shot))) = (of_fact.first(), newest) else {
                continue;
            };
            let mut shot = shot.clone();
            (shot.said, shot.came, shot.gone) = (shot.since(first), *came, gone);
            // Of one moment the time that was told first: by that the game put it into its place.
            shot.utc = of_fact.iter().find_map(|(_, earlier)| earlier.utc);
            shots.place(shot);
        }
        periods.put(&mut shots.all, teams);
        shots.all.retain(|shot| !shot.gone);
        shots
    }

    /// Finals stand in the order in which they came, but inside one session by the stream's time; between those of
    /// its own session one that was added stands by the time of day, also beside finals that come after it: as the
    /// game does (`game::sheet::state`).
    fn place(&mut self, shot: Shot) {
        let own = |other: &Shot| other.session == shot.session;
        let later_there = |other: &Shot| own(other) && other.t_stream > shot.t_stream;
        let to = self.all.iter().position(later_there).unwrap_or(self.all.len());
        let before = self.all.get(..to).unwrap_or_default();
        let from = before.iter().rposition(own).map_or(0, |at| at + 1);
        let between = self.all.get(from..to).unwrap_or_default();
        let is_later =
            |other: &Shot| other.utc.zip(shot.utc).is_some_and(|(other, utc)| other > utc);
        let at = if shot.added {
            between.iter().position(is_later).map_or(to, |at| from + at)
        } else {
            let stays = between.iter().rposition(|other| !(other.added && is_later(other)));
            stays.map_or(from, |at| from + at + 1)
        };
        self.all.insert(at, shot);
    }
}

/// Which period was played when.
struct Periods {
    /// The one that was told, by the place of the telling.
    told: Vec<(usize, u16)>,
    /// When those after the first began, as it was told last.
    starts: Vec<(u16, UtcTime)>,
    /// Points with which the second half begins.
    half_at: Option<u32>,
}

impl Periods {
    fn of(facts: &Facts) -> Self {
        let told = facts.told().iter().enumerate();
        let games = told.filter(|(_, told)| told.event_type == "courtside.game.v1");
        let games: Vec<(usize, GameTold)> =
            games.filter_map(|(at, told)| Some((at, told.data()?))).collect();
        let last = games.last().map(|(_, told)| told);
        let starts = last.map(|told| told.starts.as_slice()).unwrap_or_default().iter();
        let starts =
            starts.filter_map(|start| Some((start.period, UtcTime::from_rfc3339(&start.time)?)));
        Self {
            starts: starts.collect(),
            half_at: last.and_then(|told| told.half_at),
            told: games.into_iter().map(|(at, told)| (at, told.period.max(1))).collect(),
        }
    }

    /// Gives each shot the period in which it was: as the game does.
    fn put(&self, shots: &mut [Shot], teams: &[TeamId; 2]) {
        if let Some(half) = self.half_at {
            let mut tally = Tally::default();
            for shot in shots.iter_mut() {
                shot.period = 1 + u16::from(tally.points.into_iter().any(|points| points >= half));
                if !shot.gone {
                    tally.take(shot, teams);
                }
            }
            return;
        }
        for shot in shots.iter_mut() {
            shot.period = match shot.utc.filter(|_| self.has_starts()) {
                Some(utc) => {
                    let begun = self.starts.iter().rev().find(|(_, began)| *began < utc);
                    begun.map_or(1, |(period, _)| *period)
                }
                // A period that was taken back took back those of the shots since.
                None => {
                    let later = self.told.iter().filter(|(at, _)| *at > shot.came);
                    let least = later.map(|(_, period)| *period).min();
                    self.at(shot.came).min(least.unwrap_or(u16::MAX))
                }
            };
        }
        if !self.has_starts() {
            added_take_the_period_before_them(shots);
        }
    }

    /// False of facts of an earlier version, which did not tell when periods began.
    fn has_starts(&self) -> bool {
        !self.starts.is_empty() || self.told.last().is_none_or(|(_, period)| *period == 1)
    }

    /// What was played when the fact at that place was told.
    fn at(&self, place: usize) -> u16 {
        let told = self.told.iter().rev().find(|(at, _)| *at < place);
        told.or_else(|| self.told.first()).map_or(1, |(_, period)| *period)
    }
}

/// One that was added later was told in a later period than it was played in.
fn added_take_the_period_before_them(shots: &mut [Shot]) {
    let mut before = None;
    for at in 0..shots.len() {
        let next = shots.get(at..).and_then(|rest| rest.iter().find(|shot| !shot.added));
        let played = before.or_else(|| next.map(|shot| shot.period));
        let Some(shot) = shots.get_mut(at) else { return };
        if shot.added {
            shot.period = played.unwrap_or(shot.period);
        }
        before = Some(shot.period);
    }
}

/// What the shots up to one came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// In the game's order of teams.
    pub(super) points: [u32; 2],
    pub(super) made: [u32; 2],
    pub(super) attempts: [u32; 2],
    pub(super) pending: Pending,
}

impl Tally {
    pub(super) fn take(&mut self, shot: &Shot, teams: &[TeamId; 2]) {
        if !shot.counts() {
            return;
        }
        let made = u32::from(shot.made());
        match side(shot.team.as_ref(), teams) {
            Some(side) => {
                add(&mut self.points, side, shot.scored());
                add(&mut self.made, side, made);
                add(&mut self.attempts, side, 1);
            }
            None => {
                self.pending.points += shot.scored();
                self.pending.made += made;
                self.pending.attempts += 1;
            }
        }
    }

    /// What a shot that was taken brought is taken off again.
    pub(super) fn give_back(&mut self, shot: &Shot, teams: &[TeamId; 2]) {
        let mut its = Self::default();
        its.take(shot, teams);
        let off = |from: &mut [u32; 2], its: [u32; 2]| {
            for (sum, less) in from.iter_mut().zip(its) {
                *sum = sum.saturating_sub(less);
            }
        };
        off(&mut self.points, its.points);
        off(&mut self.made, its.made);
        off(&mut self.attempts, its.attempts);
        let pending = &mut self.pending;
        pending.points = pending.points.saturating_sub(its.pending.points);
        pending.made = pending.made.saturating_sub(its.pending.made);
        pending.attempts = pending.attempts.saturating_sub(its.pending.attempts);
    }

    /// True of the same score, by whatever shots.
    pub(super) fn same_score(&self, other: &Self) -> bool {
        (self.points, self.pending.points) == (other.points, other.pending.points)
    }

    /// Who leads, as a side; `None` while it is drawn.
    pub(super) const fn leads(&self) -> Option<usize> {
        let [first, second] = self.points;
        match () {
            () if first > second => Some(0),
            () if second > first => Some(1),
            () => None,
        }
    }
}

fn add(of: &mut [u32; 2], side: usize, more: u32) {
    if let Some(sum) = of.get_mut(side) {
        *sum += more;
    }
}

/// Which of the two a team is.
pub(super) fn side(team: Option<&TeamId>, teams: &[TeamId; 2]) -> Option<usize> {
    teams.iter().position(|other| Some(other) == team)
}
