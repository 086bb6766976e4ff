//! The score and the share of wins over the time of a game: what the charts show.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::event::game::{GameTold, Momentum};
use crate::event::words::GameWord;
use crate::media::{TeamId, UtcTime};
use crate::recap::fact::{Facts, Told};
use crate::recap::shots::{SHOTS, Shot, Shots, Tally};

/// The score after a shot that counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScorePoint {
    /// The shot.
    pub shot: String,
    /// Seconds since the game's beginning, by the time of day; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
    /// The period that was played, from 1.
    pub period: u16,
    /// Both teams' points after it, in the game's order.
    pub points: [u32; 2],
    /// Points whose team is not known.
    pub pending: u32,
}

/// The share of wins after a shot, by the model, as the box told it then.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WinPoint {
    /// The shot; absent at the game's beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shot: Option<String>,
    /// Seconds since the game's beginning, by the time of day; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
    /// Of the game's first team; the rest is the second's. 0 to 1.
    pub share: f64,
    /// False where shots before this one were corrected later: then it was told of another score.
    pub stands: bool,
}

/// The score after each shot that counted.
pub(super) fn score_line(
    shots: &[Shot],
    teams: &[TeamId; 2],
    start: Option<UtcTime>,
) -> Vec<ScorePoint> {
    let mut tally = Tally::default();
    let mut seconds = Seconds::from(start);
    let mut line = Vec::new();
    for shot in shots.iter().filter(|shot| shot.counts()) {
        tally.take(shot, teams);
        line.push(ScorePoint {
            shot: shot.fact.clone(),
            seconds: seconds.of(shot),
            period: shot.period,
            points: tally.points,
            pending: tally.pending.points,
        });
    }
    line
}

/// Seconds since a beginning. They never go back: two courts may have clocks that differ a little.
struct Seconds {
    start: Option<UtcTime>,
    last: u32,
}

impl Seconds {
    const fn from(start: Option<UtcTime>) -> Self {
        Self { start, last: 0 }
    }

    fn of(&mut self, shot: &Shot) -> Option<u32> {
        let since = shot.utc?.nanos_since(self.start?) / 1_000_000_000;
        self.last = self.last.max(u32::try_from(since.max(0)).unwrap_or(u32::MAX));
        Some(self.last)
    }
}

/// The share of wins after each shot that stands, of which it was told.
///
/// One fact holds it, told anew when it changes. What it says when the next shot comes, or is corrected, is
/// put to the newest shot of the game as it stood then; of each shot the last is kept. Nothing is computed
/// anew here: what was told before a correction of earlier shots says so by `stands`.
pub(super) fn win_line(
    facts: &Facts,
    shots: &Shots,
    teams: &[TeamId; 2],
    start: Option<UtcTime>,
) -> Vec<WinPoint> {
    let place: BTreeMap<&str, usize> =
        shots.all.iter().enumerate().map(|(at, shot)| (shot.fact.as_str(), at)).collect();
    let mut then = Then::default();
    // By the newest shot's place among those that stand, from 1; 0 before the first.
    let mut told_of: BTreeMap<usize, (f64, Tally)> = BTreeMap::new();
    let mut now = None;
    let mut put = |now: Option<f64>, then: &Then<'_>| {
        if let (Some(share), Some(newest)) = (now, then.newest()) {
            told_of.insert(newest, (share, then.tally));
        }
    };
    // What changed by a tap alone is none of the shot's before it: it holds from the next word of a shot on.
    let mut tapped = None;
    let mut over = false;
    for told in facts.told() {
        if SHOTS.contains(&told.event_type.as_str()) {
            // What was told last held until here: what does not change is not told again.
            put(now, &then);
            then.take(told, teams, &place);
            now = tapped.take().or(now);
        }
        match share(told, teams) {
            // Who has won a game that was ended is told as a share of all or nothing: that is no shot's.
            Some(_) if over => {}
            Some(share) if told.revision > 0 && told.fact.starts_with(&told.session) => {
                tapped = Some(share);
            }
            Some(share) => (now, tapped) = (Some(share), None),
            None => over = is_over(told).unwrap_or(over),
        }
        if over {
            tapped = None;
        }
    }
    put(now, &then);
    let mut line = Vec::new();
    let (mut tally, mut seconds) = (Tally::default(), Seconds::from(start));
    if let Some((share, told)) = told_of.get(&0) {
        let seconds = start.map(|_| 0);
        line.push(WinPoint { shot: None, seconds, share: *share, stands: told.same_score(&tally) });
    }
    for (at, shot) in shots.all.iter().enumerate() {
        tally.take(shot, teams);
        let seconds = seconds.of(shot);
        if let Some((share, told)) = told_of.get(&(at + 1)) {
            line.push(WinPoint {
                shot: Some(shot.fact.clone()),
                seconds,
                share: *share,
                stands: told.same_score(&tally),
            });
        }
    }
    line
}

/// The share of the game's first team, where it is told. A tap's is told at a time of the game's own session, a shot's
/// in the session of its court.
fn share(told: &Told, teams: &[TeamId; 2]) -> Option<f64> {
    if told.event_type != "courtside.momentum.v1" {
        return None;
    }
    let momentum: Momentum = told.data()?;
    let of = momentum.win.iter().find(|share| share.team == teams[0])?;
    Some(of.share.clamp(0.0, 1.0))
}

/// Whether the game is over, where that is told.
fn is_over(told: &Told) -> Option<bool> {
    if told.event_type != "courtside.game.v1" {
        return None;
    }
    Some(told.data::<GameTold>()?.state == GameWord::Over)
}

/// The shots as they stood at some time of the telling, and what is asked of them, kept as each comes: looking at
/// all of them at each would take the square of a long game.
#[derive(Default)]
struct Then<'a> {
    shots: BTreeMap<&'a str, At>,
    /// Of those that were there: the place among those that stand at the end, and the how manyth it was to come.
    standing: BTreeSet<(usize, usize)>,
    /// The how manyth those were to come that are gone at the end.
    gone: BTreeSet<usize>,
    tally: Tally,
}

/// A shot at some time of the telling.
struct At {
    /// The how manyth it was to come.
    came: usize,
    revision: u32,
    /// `None` after it was taken back.
    shot: Option<Shot>,
}

impl<'a> Then<'a> {
    fn take(&mut self, told: &'a Told, teams: &[TeamId; 2], place: &BTreeMap<&str, usize>) {
        let shot = Shot::of(told);
        if shot.is_none() && !told.takes_back() {
            return;
        }
        let came = self.shots.len();
        let at = self.shots.entry(&told.fact).or_insert(At { came, revision: 0, shot: None });
        if told.revision < at.revision {
            return;
        }
        if let Some(before) = &at.shot {
            self.tally.give_back(before, teams);
        }
        if let Some(shot) = &shot {
            self.tally.take(shot, teams);
        }
        let (came, is_there) = (at.came, shot.is_some());
        (at.revision, at.shot) = (told.revision, shot);
        match place.get(told.fact.as_str()) {
            Some(place) if is_there => {
                self.standing.insert((*place, came));
            }
            Some(place) => {
                self.standing.remove(&(*place, came));
            }
            None if is_there => {
                self.gone.insert(came);
            }
            None => {
                self.gone.remove(&came);
            }
        }
    }

    /// The last of them in the order of those that stand at the end, from 1; 0 if there was none yet.
    /// `None` if one that is gone at the end came after it: nothing stands to which it could be put.
    fn newest(&self) -> Option<usize> {
        let last = self.standing.last();
        match (last, self.gone.last()) {
            (_, Some(gone)) if last.is_none_or(|(_, came)| came < gone) => None,
            (last, _) => Some(last.map_or(0, |(at, _)| at + 1)),
        }
    }
}
