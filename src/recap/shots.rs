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
    /// It was told otherwise before.
    pub(super) corrected: bool,
    /// From 1.
    pub(super) period: u16,
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
            corrected: false,
            period: 1,
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

    /// What the other revision says otherwise of the game.
    fn differs(&self, other: &Self) -> bool {
        (self.verdict, self.points, &self.team, &self.player)
            != (other.verdict, other.points, &other.team, &other.player)
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
    pub(super) fn of(facts: &Facts) -> Self {
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
            if facts.newest_of(fact).is_some_and(Told::takes_back) {
                shots.taken_back.push(fact.to_owned());
                continue;
            }
            let newest = of_fact.iter().max_by_key(|(_, shot)| shot.revision);
            let (Some((first, _)), Some((_, shot))) = (of_fact.first(), newest) else { continue };
            let mut shot = shot.clone();
            shot.corrected = of_fact.iter().any(|(_, earlier)| earlier.differs(&shot));
            shot.period = periods.at(*first);
            shots.place(shot);
        }
        shots.added_take_the_period_before_them();
        shots
    }

    /// Finals stand in the order in which they came, but inside one session by the stream's time; one
    /// that was added goes where it was played, by the session's time or else by the time of day.
    fn place(&mut self, shot: Shot) {
        let later = |other: &Shot| other.session == shot.session && other.t_stream > shot.t_stream;
        let by_session = self.all.iter().position(later);
        let by_utc = || self.all.iter().position(|other| other.utc > shot.utc);
        let at = by_session.or_else(|| if shot.added { by_utc() } else { None });
        self.all.insert(at.unwrap_or(self.all.len()), shot);
    }

    /// One that was added later was told in a later period than it was played in.
    fn added_take_the_period_before_them(&mut self) {
        let mut before = None;
        for at in 0..self.all.len() {
            let next = self.all.get(at..).and_then(|rest| rest.iter().find(|shot| !shot.added));
            let played = before.or_else(|| next.map(|shot| shot.period));
            let Some(shot) = self.all.get_mut(at) else { return };
            if shot.added {
                shot.period = played.unwrap_or(shot.period);
            }
            before = Some(shot.period);
        }
    }
}

/// Which period was played when.
struct Periods(Vec<(usize, u16)>);

impl Periods {
    fn of(facts: &Facts) -> Self {
        let told = facts.told().iter().enumerate();
        let games = told.filter(|(_, told)| told.event_type == "courtside.game.v1");
        Self(games.filter_map(|(at, told)| Some((at, told.data::<GameTold>()?.period))).collect())
    }

    /// What was played when the fact at that place was told.
    fn at(&self, place: usize) -> u16 {
        let told = self.0.iter().rev().find(|(at, _)| *at < place).or_else(|| self.0.first());
        told.map_or(1, |(_, period)| (*period).max(1))
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
