//! Facts as they were told: read from envelopes; which belong to a game, and which revision stands.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::media::{GameId, UtcTime};

/// Why there is no recap.
#[derive(Debug, thiserror::Error)]
pub enum RecapError {
    /// A line is no envelope.
    #[error("line {line} is no event of a box: give the file that `recap` wrote, or a box")]
    NoEnvelope {
        /// Counted from 1.
        line: usize,
        /// What JSON says.
        source: serde_json::Error,
    },
    /// Nothing was told of it.
    #[error("nothing was told of a game {game}: `courtside game list` has their names")]
    NoGame {
        /// What was asked for.
        game: GameId,
    },
}

/// One revision of one fact, as it was told: what a recap reads of its envelope. What else stands there
/// is let be: it may come of another version.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// Its name through all revisions.
    pub(super) fact: String,
    pub(super) revision: u32,
    /// `type` of the envelope.
    pub(super) event_type: String,
    /// `None` where the envelope's time is none, or that of its sending: nobody knew when it was.
    pub(super) utc: Option<UtcTime>,
    /// Where it happened: court, or game.
    pub(super) place: String,
    pub(super) session: String,
    pub(super) data: Value,
    game: Option<String>,
    /// The envelope, byte for byte.
    pub(super) line: String,
}

#[derive(Deserialize)]
struct Read {
    source: String,
    #[serde(rename = "type")]
    event_type: String,
    time: String,
    #[serde(default)]
    clocksource: String,
    session: String,
    fact: String,
    revision: u32,
    #[serde(default)]
    game: Option<String>,
    data: Value,
}

impl Told {
    fn read(line: &str) -> Result<Self, serde_json::Error> {
        let read: Read = serde_json::from_str(line)?;
        let named = read.game.or_else(|| Some(read.data.get("game")?.as_str()?.to_owned()));
        Ok(Self {
            fact: read.fact,
            revision: read.revision,
            event_type: read.event_type,
            utc: UtcTime::from_rfc3339(&read.time).filter(|_| read.clocksource != "none"),
            place: read.source.rsplit('/').next().unwrap_or_default().to_owned(),
            session: read.session,
            data: read.data,
            game: named,
            line: line.to_owned(),
        })
    }

    /// Its data, where they read as this version expects.
    pub(super) fn data<T: DeserializeOwned>(&self) -> Option<T> {
        #[cfg(test)]
        reads::READS.set(reads::READS.get() + 1);
        T::deserialize(&self.data).ok()
    }

    /// True of a revision that takes its fact back.
    pub(super) fn takes_back(&self) -> bool {
        self.event_type.ends_with(".withdrawn.v1")
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.data.get(name)?.as_str()
    }
}

/// What was told of one game, each revision once, in the order of telling.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    told: Vec<Told>,
    /// By fact.
    places: BTreeMap<String, Places>,
}

/// How often data was read: that it is in proportion to what was told can be tried by no clock.
#[cfg(test)]
pub(super) mod reads {
    thread_local! {
        pub(in crate::recap) static READS: std::cell::Cell<usize> =
            const { std::cell::Cell::new(0) };
    }
}

/// Where a fact stands among what was told.
#[derive(Clone, Debug)]
struct Places {
    first: usize,
    newest: usize,
    revisions: BTreeSet<u32>,
}

impl Facts {
    /// Reads envelopes, one a line; empty lines are none.
    pub(super) fn of_game<'a>(
        lines: impl Iterator<Item = &'a str>,
        game: &GameId,
    ) -> Result<Self, RecapError> {
        let read = read(lines)?;
        let of_it = |told: &Told| told.game.as_deref() == Some(game.as_str());
        // What becomes of a clip names no game: it belongs to the game that names the clip.
        let clips = read.iter().filter(|told| of_it(told)).filter_map(|told| told.text("clip"));
        let clips: HashSet<String> = clips.map(str::to_owned).collect();
        let clip_of_it = |told: &Told| {
            told.event_type == "courtside.clip.v1"
                && told.text("clip").is_some_and(|clip| clips.contains(clip))
        };
        let mut facts = Self { told: Vec::new(), places: BTreeMap::new() };
        for told in read.into_iter().filter(|told| of_it(told) || clip_of_it(told)) {
            facts.take(told);
        }
        match facts.told.iter().any(of_it) {
            true => Ok(facts),
            false => Err(RecapError::NoGame { game: game.clone() }),
        }
    }

    fn take(&mut self, told: Told) {
        let at = self.told.len();
        let new = || Places { first: at, newest: at, revisions: BTreeSet::new() };
        let places = self.places.entry(told.fact.clone()).or_insert_with(new);
        // A repeat is the same envelope once more.
        if !places.revisions.insert(told.revision) {
            return;
        }
        if places.revisions.last() == Some(&told.revision) {
            places.newest = at;
        }
        self.told.push(told);
    }

    /// All that was told, in its order.
    pub(super) fn told(&self) -> &[Told] {
        &self.told
    }

    /// The newest revision of each fact, those of these types where some are named, in the order in which
    /// they were first told.
    pub(super) fn newest(&self, types: &'static [&'static str]) -> impl Iterator<Item = &Told> {
        let mut places: Vec<&Places> = self.places.values().collect();
        places.sort_unstable_by_key(|places| places.first);
        let told = places.into_iter().filter_map(|places| self.told.get(places.newest));
        told.filter(|told| types.is_empty() || types.contains(&told.event_type.as_str()))
    }

    /// The revisions of a fact, as they were told.
    pub(super) fn revisions<'a>(&'a self, fact: &'a str) -> impl Iterator<Item = &'a Told> {
        self.told.iter().filter(move |told| told.fact == fact)
    }

    /// The newest revision of the one fact of that type, where it reads.
    pub(super) fn one<T: DeserializeOwned>(&self, event_type: &str) -> Option<(&Told, T)> {
        let told = self.newest(&[]).filter(|told| told.event_type == event_type).last()?;
        Some((told, told.data()?))
    }

    /// The newest revision of a fact.
    pub(super) fn newest_of(&self, fact: &str) -> Option<&Told> {
        self.told.get(self.places.get(fact)?.newest)
    }
}

fn read<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<Told>, RecapError> {
    lines
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| {
            Told::read(line).map_err(|source| RecapError::NoEnvelope { line: at + 1, source })
        })
        .collect()
}

/// Games of which something was told, in the order in which they were told first.
///
/// # Errors
/// [`RecapError::NoEnvelope`].
pub fn games_in(facts: &str) -> Result<Vec<GameId>, RecapError> {
    let mut found = Vec::new();
    for told in read(facts.lines())? {
        let game = told.game.and_then(|game| GameId::new(&game).ok());
        if let Some(game) = game
            && !found.contains(&game)
        {
            found.push(game);
        }
    }
    Ok(found)
}

/// Lines of `facts` that are of `game`, as they were told.
///
/// # Errors
/// [`RecapError`]: no envelopes, no such game.
pub fn of_game(facts: &str, game: &GameId) -> Result<String, RecapError> {
    let facts = Facts::of_game(facts.lines(), game)?;
    Ok(facts.told.iter().fold(String::new(), |all, told| all + &told.line + "\n"))
}
