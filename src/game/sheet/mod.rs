//! A started game as a fold: shots of its courts and taps of its operators in, its facts out. Pure.
//!
//! ```text
//! ShotNews, taps ─→ state (shots in order) ─→ tally ─→ derive: all layers as they must stand
//!                     ↑ log                              │  score · momentum · leaderboard (layers)
//!                     └──────── what was told ←── tell ←─┘  highlight → social · graphic
//! ```
//! Whatever changes, all layers are made anew from the shots, and `tell` tells what differs from what was
//! told: so no correction needs a way back, and a fact is never left standing on one that is gone. The same
//! inputs give the same events, byte for byte. To read: `input`, `state`, `tally` (what the shots come to),
//! `race`, `timed` (shares of wins), `layers`, `highlight`, `graphic`, `social`, `derive`, `tell`, `log`.
//!
//! A game has its own mutex: whoever holds it checks, applies, and hands the events and the entry to the
//! outbox as one decision.

mod input;
mod state;
mod race;
mod tally;
mod timed;
mod naming;
mod placed;
mod layers;
mod highlight;
mod graphic;
mod social;
mod derive;
mod tell;
mod log;

use std::collections::BTreeMap;

pub use crate::game::sheet::input::{
    Attacked, Attacks, CAPTION_MOST, LAST_PERIOD, MOST_COURTS, MOST_PLAYERS, NAME_MOST, Ordinary,
    Refused, Setup, SheetInput, ShotNews,
};
pub use crate::game::sheet::log::{CHECKPOINT_EVERY, Checkpoint, SheetEntry};

use crate::event::game::{GameView, GraphicLine, HighlightLine, ShotLine, SocialLine};
use crate::event::words::{GraphicWord, ShotWord, SocialWord};
use crate::event::{Event, FactId, Family};
use crate::game::input::Standing;
use crate::game::sheet::derive::Derived;
use crate::game::sheet::input::is_seen;
use crate::game::sheet::state::{Kept, KeptHighlight, KeptShot};
use crate::game::sheet::tally::Races;
use crate::game::sheet::tell::{Cause, Contents};
use crate::game::sheet::timed::Timed;
use crate::media::{
    CourtId, GameId, MediaTime, PlayerId, RimId, SessionId, TeamId, isolates, without_isolates,
};

/// One started game.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    kept: Kept,
    /// Of the rules; made anew at a start.
    races: Option<Races>,
    /// The same, of rules that a clock ends.
    timed: Option<Timed>,
    /// The layers as they were told last, up to what is not worth a revision.
    derived: Derived,
    contents: Contents,
}

impl Sheet {
    /// A game that begins now, and what is told of it. The setup must have passed [`Setup::check`].
    #[must_use]
    pub fn begin(setup: Setup) -> (Self, Vec<Event>) {
        let sheet = Self::of(Kept::new(setup));
        let events = tell::begun(&sheet.kept, &sheet.derived);
        (sheet, events)
    }

    fn of(kept: Kept) -> Self {
        let rules = &kept.setup.rules;
        let (races, timed) = (Races::of(rules), Timed::of(rules));
        let derived = Derived::of(&kept, races.as_ref(), timed.as_ref());
        let contents = Contents::of(&kept, &derived);
        Self { kept, races, timed, derived, contents }
    }

    /// Folds a log, from its beginning or from a checkpoint on. `None` of one that begins with neither.
    ///
    /// # Errors
    /// The number of the first entry that cannot be read, from 1, and why.
    pub fn fold(log: &[Vec<u8>]) -> Result<Option<Self>, (usize, serde_json::Error)> {
        let mut sheet = None;
        for (n, bytes) in (1..).zip(log) {
            match SheetEntry::decode(bytes).map_err(|error| (n, error))? {
                SheetEntry::Started(setup) => sheet = Some(Self::begin(*setup).0),
                SheetEntry::Checkpoint(kept) => {
                    let mut kept = kept.0;
                    kept.bring_forward();
                    sheet = Some(Self::of(kept));
                }
                SheetEntry::Input(input) => {
                    if let Some(sheet) = &mut sheet {
                        sheet.apply(&input);
                    }
                }
            }
        }
        Ok(sheet)
    }

    /// All that is kept, as an entry of the log from which it goes on.
    #[must_use]
    pub fn checkpoint(&self) -> SheetEntry {
        SheetEntry::Checkpoint(Box::new(Checkpoint(self.kept.clone())))
    }

    /// How it was set up.
    #[must_use]
    pub const fn setup(&self) -> &Setup {
        &self.kept.setup
    }

    /// The game.
    #[must_use]
    pub const fn id(&self) -> &GameId {
        &self.kept.setup.id
    }

    /// Names its facts.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.kept.setup.session
    }

    /// True once it was ended.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.kept.ended.is_some()
    }

    /// The period that is played.
    #[must_use]
    pub const fn period(&self) -> u16 {
        self.derived.told.period
    }

    /// Shots that people corrected or added, once for each word that stands; the last one last.
    #[must_use]
    pub fn corrected(&self) -> &[FactId] {
        &self.kept.corrected
    }

    /// True if the shot is one of its, and can still be corrected.
    #[must_use]
    pub fn knows(&self, fact: FactId) -> bool {
        self.kept.shots.iter().any(|shot| shot.news.fact == fact)
    }

    /// What a shot at a rim is, while nobody said more: by the sides of the time when it was, `utc_ns`; by those
    /// that hold now where nobody knows when.
    #[must_use]
    pub fn ordinary(&self, court: &CourtId, rim: RimId, utc_ns: Option<i64>) -> Ordinary {
        let period = self.kept.period_at(utc_ns);
        self.kept.setup.ordinary(court, rim.0, self.kept.swapped_at(period, utc_ns))
    }

    /// The rim that a team attacks at a time, at a court if one is named; `None` where that is nobody's alone.
    #[must_use]
    pub fn attacked(
        &self,
        team: &TeamId,
        court: Option<&CourtId>,
        utc_ns: Option<i64>,
    ) -> Option<(CourtId, RimId)> {
        let here = |attacked: &&Attacked| court.is_none_or(|court| attacked.court == *court);
        let mut rims = self.kept.setup.attacks.0.iter().filter(here);
        let rim = rims.find(|attacked| {
            let ordinary = self.ordinary(&attacked.court, RimId(attacked.rim), utc_ns);
            ordinary.team.as_ref() == Some(team)
        });
        rim.map(|attacked| (attacked.court.clone(), RimId(attacked.rim)))
    }

    /// Shots of a court whose team is another by the sides of their time than was told of them: a period was tapped
    /// late, moved, or taken back since. Whether people said whose they are its book knows.
    #[must_use]
    pub fn sided(&self, court: &CourtId) -> Vec<(FactId, TeamId)> {
        let shots = self.kept.shots.iter().filter(|shot| shot.news.court == *court);
        let sided = shots.filter_map(|shot| {
            let news = &shot.news;
            let by_side = self.ordinary(court, RimId(news.rim), Some(news.utc_ns?)).team?;
            (news.team.as_ref() != Some(&by_side)).then_some((news.fact, by_side))
        });
        sided.collect()
    }

    /// When it was ended, ns of UTC.
    #[must_use]
    pub fn ended_ns(&self) -> Option<i64> {
        self.kept.ended.map(|(_, utc_ns)| utc_ns)
    }

    /// Says of what somebody wants whether it can be. What a court's own models say need not be asked.
    ///
    /// # Errors
    /// [`Refused`], with what to do.
    pub fn check(&self, input: &SheetInput) -> Result<(), Refused> {
        self.fits(input)?;
        let rules = &self.kept.setup.rules;
        match input {
            SheetInput::Period { n, .. } if rules.half_at.is_some() && *n != self.kept.period => {
                Err(Refused::ByPoints)
            }
            SheetInput::Period { n, .. } if *n > rules.periods && rules.ends_by_points() => {
                Err(Refused::NoOvertime)
            }
            _ => Ok(()),
        }
    }

    /// What an input must be so that it changes anything: less than what is asked of one that is new, since a
    /// log of an earlier version must come to what it came to.
    fn fits(&self, input: &SheetInput) -> Result<(), Refused> {
        let setup = &self.kept.setup;
        match input {
            SheetInput::Shot(news) => {
                if !setup.courts.contains(&news.court) {
                    return Err(Refused::OtherCourt { court: news.court.clone() });
                }
                self.check_said(Some(news.points), news.team.as_ref(), news.player.as_ref())
            }
            SheetInput::Period { .. } if self.is_over() => Err(Refused::Over),
            SheetInput::Period { n, .. } if !(1..=LAST_PERIOD).contains(n) => Err(Refused::Period),
            SheetInput::Period { n, utc_ns, began_ns: Some(began_ns), .. } => {
                self.kept.fits_between(*n, *began_ns, *utc_ns)
            }
            SheetInput::Period { .. } => Ok(()),
            SheetInput::Players { players } => setup.check_players(players),
            SheetInput::Graphic { fact, word, .. } => {
                let graphic = self.kept.graphics.iter().find(|graphic| {
                    FactId::new(self.session(), Family::Graphic, graphic.n) == *fact
                });
                match graphic {
                    _ if *word == GraphicWord::Other => Err(Refused::Word),
                    Some(graphic) if graphic.stands => Ok(()),
                    _ => Err(Refused::Gone { fact: *fact }),
                }
            }
            SheetInput::Social { fact, word, caption, .. } => {
                let candidate = self.kept.social.iter().find(|candidate| {
                    FactId::new(self.session(), Family::SocialCandidate, candidate.n) == *fact
                });
                match (candidate, caption) {
                    _ if *word == SocialWord::Other => Err(Refused::Word),
                    // Ours has names that are isolated, and comes back as it was.
                    (_, Some(caption))
                        if isolates(caption).is_none()
                            || !is_seen(&without_isolates(caption), CAPTION_MOST) =>
                    {
                        Err(Refused::Caption)
                    }
                    (Some(candidate), _) if candidate.stands => Ok(()),
                    _ => Err(Refused::Gone { fact: *fact }),
                }
            }
            SheetInput::Ended { .. } if self.is_over() => Err(Refused::Over),
            SheetInput::Ended { .. } => Ok(()),
        }
    }

    /// Says whether a shot can be said to be so: what a tap says, before its court's book is asked.
    ///
    /// # Errors
    /// [`Refused`], with what to do.
    pub fn check_said(
        &self,
        points: Option<u8>,
        team: Option<&TeamId>,
        player: Option<&PlayerId>,
    ) -> Result<(), Refused> {
        let setup = &self.kept.setup;
        if let Some(points) = points
            && !setup.rules.knows(points)
        {
            let known: Vec<String> = setup.rules.points().iter().map(ToString::to_string).collect();
            return Err(Refused::Points { points, known: known.join(", ") });
        }
        if let Some(team) = team {
            setup.check_team(team)?;
        }
        let named = setup.players.iter().find(|known| player == Some(&known.id));
        match (player, named) {
            (_, Some(named)) if team.is_some_and(|team| named.team != *team) => {
                let (player, team) = (named.id.clone(), named.team.clone());
                Err(Refused::OtherTeams { player, team })
            }
            // A game that lists nobody of that team takes whoever is named.
            (Some(player), None) => match setup.listed(team) {
                listed if listed.is_empty() => Ok(()),
                listed => {
                    let (player, listed) = (player.clone(), listed.join(", "));
                    Err(Refused::NotListed { player, listed })
                }
            },
            _ => Ok(()),
        }
    }

    /// Takes an input in: returns what follows from it, in the order in which it must be told.
    ///
    /// Total: what does not fit (what would be refused, news that are known) changes nothing.
    pub fn apply(&mut self, input: &SheetInput) -> Vec<Event> {
        let is_news =
            matches!(input, SheetInput::Shot(news) if self.kept.setup.courts.contains(&news.court));
        if !is_news && self.fits(input).is_err() {
            return Vec::new();
        }
        let changed = match input {
            SheetInput::Shot(news) => self.kept.take(news),
            SheetInput::Period { n, swapped, utc_ns, began_ns } => {
                self.kept.begin_period(*n, *swapped, *utc_ns, *began_ns);
                true
            }
            SheetInput::Players { players } => {
                self.kept.setup.players.clone_from(players);
                true
            }
            SheetInput::Graphic { fact, word, who, utc_ns } => {
                let graphic = self.kept.graphics.iter_mut().find(|graphic| graphic.n == fact.n);
                graphic.is_some_and(|graphic| {
                    graphic.taken_ns = match (*word, graphic.word) {
                        // Once more: it is on the air since the first time.
                        (GraphicWord::Taken, GraphicWord::Taken) => graphic.taken_ns,
                        (GraphicWord::Taken, _) => *utc_ns,
                        _ => None,
                    };
                    graphic.word = *word;
                    graphic.who.clone_from(who);
                    true
                })
            }
            SheetInput::Social { fact, word, caption, who } => {
                let known = self.kept.social.iter_mut().find(|candidate| candidate.n == fact.n);
                known.is_some_and(|candidate| {
                    candidate.word = *word;
                    candidate.who.clone_from(who);
                    if caption.is_some() {
                        candidate.caption.clone_from(caption);
                    }
                    true
                })
            }
            SheetInput::Ended { why, utc_ns } => {
                self.kept.ended = Some((*why, *utc_ns));
                true
            }
        };
        if !changed {
            return Vec::new();
        }
        self.retell(match input {
            SheetInput::Shot(news) => Cause::Shot(news),
            SheetInput::Period { utc_ns, .. } | SheetInput::Ended { utc_ns, .. } => {
                Cause::Tap(Some(*utc_ns))
            }
            _ => Cause::Tap(None),
        })
    }

    fn retell(&mut self, cause: Cause<'_>) -> Vec<Event> {
        let now = Derived::of(&self.kept, self.races.as_ref(), self.timed.as_ref());
        let both = (&self.derived, &now);
        let (events, contents) = tell::changed(&mut self.kept, both, &self.contents, cause);
        (self.derived, self.contents) = (now, contents);
        if self.kept.let_go() {
            self.derived = Derived::of(&self.kept, self.races.as_ref(), self.timed.as_ref());
            self.contents = Contents::of(&self.kept, &self.derived);
        }
        events
    }

    /// The game as a whole, as it stands.
    #[must_use]
    pub fn view(&self) -> GameView {
        let Derived { told, score, momentum, leaderboard, .. } = self.derived.clone();
        let whole = self.kept.whole;
        let text = |fact: Option<FactId>| fact.map(|fact| fact.to_string());
        let named = |family, n| FactId::new(self.session(), family, n).to_string();
        let graphics = self.kept.graphics.iter().enumerate().filter_map(|(place, graphic)| {
            let told = self.contents.graphic(place)?.clone();
            let fact = named(Family::Graphic, graphic.n);
            Some(GraphicLine { fact, revision: graphic.revision, graphic: told })
        });
        let social = self.kept.social.iter().enumerate().filter_map(|(place, candidate)| {
            let told = self.contents.candidate(place)?.clone();
            let fact = named(Family::SocialCandidate, candidate.n);
            Some(SocialLine { fact, revision: candidate.revision, candidate: told })
        });
        GameView {
            told,
            score: crate::event::game::GameScore { after: text(whole.score.after), ..score },
            momentum: crate::event::game::Momentum {
                after: text(whole.momentum.after),
                ..momentum
            },
            leaderboard: crate::event::game::Leaderboard {
                after: text(whole.leaderboard.after),
                ..leaderboard
            },
            shots: self.shot_lines(),
            graphics: graphics.collect(),
            social: social.collect(),
            highlights: self
                .kept
                .shots
                .iter()
                .filter_map(|shot| self.highlight_line(shot))
                .collect(),
        }
    }

    fn team(&self, shot: &KeptShot) -> Option<TeamId> {
        let side = self.kept.side(&shot.news)?;
        self.kept.setup.teams.get(side).map(|team| team.id.clone())
    }

    fn highlight_line(&self, shot: &KeptShot) -> Option<HighlightLine> {
        let its = shot.highlight.as_ref().filter(|its| its.stands)?;
        Some(HighlightLine {
            fact: FactId::new(self.session(), Family::Highlight, its.n).to_string(),
            revision: its.revision,
            court: shot.news.court.clone(),
            shot: shot.news.fact.to_string(),
            with: its.cut.with.iter().map(ToString::to_string).collect(),
            clip: format!("/v1/clips/{}", highlight::clip_id(shot, its.clip)),
            score: f64::from(its.cut.score) / 10.0,
            parts: highlight::told(its.cut.parts),
            kind: its.cut.kind,
            team: self.team(shot),
            from_ns: its.cut.from_ns,
            to_ns: its.cut.to_ns,
        })
    }

    fn shot_lines(&self) -> Vec<ShotLine> {
        let rules = &self.kept.setup.rules;
        let mut tally = self.kept.before.clone();
        let mut lines = Vec::with_capacity(self.kept.shots.len());
        // The highlight that shows a shot: its own, or another one of the same court.
        let mut showing: BTreeMap<FactId, (&KeptShot, &KeptHighlight)> = BTreeMap::new();
        for shot in &self.kept.shots {
            if let Some(its) = shot.highlight.as_ref().filter(|its| its.stands) {
                let shown = its.cut.with.iter().copied().chain([shot.news.fact]);
                showing.extend(shown.map(|fact| (fact, (shot, its))));
            }
        }
        for shot in &self.kept.shots {
            let news = &shot.news;
            let period = tally.period(rules, shot.period);
            if let Some(play) = self.kept.play(shot) {
                tally.count(&play, rules);
            }
            let its = showing.get(&news.fact).copied();
            lines.push(ShotLine {
                fact: news.fact.to_string(),
                revision: news.revision,
                court: news.court.clone(),
                session: news.session.to_string(),
                rim: news.rim,
                t_stream: MediaTime::from_nanos(news.at_ns).as_secs_f64(),
                utc_ns: news.utc_ns,
                standing: match news.standing {
                    Standing::Made => ShotWord::Made,
                    Standing::Missed => ShotWord::Missed,
                    Standing::Unsure => ShotWord::Unsure,
                    Standing::NoShot => ShotWord::Withdrawn,
                },
                points: u32::from(news.points),
                points_by: news.points_by,
                team: self.team(shot),
                player: news.player.clone(),
                by: news.by,
                period,
                highlight: its.map(|(_, its)| {
                    FactId::new(self.session(), Family::Highlight, its.n).to_string()
                }),
                clip: its.map(|(shown, its)| {
                    format!("/v1/clips/{}", highlight::clip_id(shown, its.clip))
                }),
            });
        }
        lines
    }
}

#[cfg(test)]
pub(crate) mod tests;
