//! What all shots so far came to: one pass over a game's shots, in order.
//!
//! Every layer reads from it. What is before the shots that can still be corrected is one tally, kept; the
//! rest is counted anew whenever something changes, so a correction needs no way back.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::event::FactId;
use crate::event::game::Pending;
use crate::game::rules::Rules;
use crate::game::sheet::race::{Ball, Race};
use crate::media::{PlayerId, SessionId};

/// Shots over which the swing is told (chosen: some two minutes of 3x3).
pub(super) const SWING_SHOTS: usize = 10;

/// One shot that counts, as the layers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Play {
    pub(super) fact: FactId,
    /// Which of the two teams; `None` while nobody knows.
    pub(super) side: Option<usize>,
    pub(super) player: Option<PlayerId>,
    /// What it is worth if it goes in.
    pub(super) points: u32,
    pub(super) made: bool,
    /// The period that was played.
    pub(super) period: u16,
    pub(super) when: When,
}

/// When a shot was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct When {
    pub(super) session: SessionId,
    pub(super) at_ns: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) utc_ns: Option<i64>,
}

impl When {
    /// Whole seconds since an earlier moment: by the box's clock, or within a session by the stream's. 0
    /// where neither tells.
    pub(super) fn seconds_since(self, earlier: Self) -> u32 {
        let nanos = match (self.utc_ns, earlier.utc_ns) {
            (Some(now), Some(then)) => now.saturating_sub(then),
            _ if self.session == earlier.session => self.at_ns.saturating_sub(earlier.at_ns),
            _ => 0,
        };
        u32::try_from(nanos / 1_000_000_000).unwrap_or(0)
    }
}

/// The sums of one team.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Side {
    pub(super) points: u32,
    pub(super) made: u32,
    pub(super) attempts: u32,
    pub(super) by_period: Vec<u32>,
    /// Made and attempts by value.
    pub(super) by_value: BTreeMap<u32, (u32, u32)>,
    /// Shots made in a row.
    pub(super) streak: u32,
    pub(super) best_streak: u32,
    pub(super) best_run: u32,
    /// Misses since the last basket.
    pub(super) misses: u32,
    pub(super) last_basket: Option<When>,
    /// What its players did for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) players: BTreeMap<PlayerId, OfPlayer>,
}

/// The sums of one player of one team.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OfPlayer {
    /// Whose, in sums of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    side: Option<usize>,
    pub(super) points: u32,
    pub(super) made: u32,
    pub(super) attempts: u32,
    pub(super) by_value: BTreeMap<u32, (u32, u32)>,
    pub(super) streak: u32,
    pub(super) best_streak: u32,
}

/// Points of one team in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InARow {
    pub(super) side: usize,
    pub(super) points: u32,
    pub(super) shots: Vec<FactId>,
    pub(super) first: When,
    pub(super) last: When,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) sides: [Side; 2],
    pub(super) pending: Pending,
    /// Who led last, also while it is drawn.
    pub(super) led: Option<usize>,
    pub(super) lead_changes: u32,
    pub(super) ties: u32,
    pub(super) run: Option<InARow>,
    /// The last shots: of whom, and the points that they made.
    pub(super) recent: VecDeque<(Option<usize>, u32)>,
    /// One sum a player, whosever shots these were: of an earlier version, see [`Self::bring_forward`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    players: BTreeMap<PlayerId, OfPlayer>,
    /// Who has won by the rules, and by which shot.
    pub(super) won: Option<(usize, FactId)>,
    /// The score at which overtime began.
    pub(super) overtime_from: Option<[u32; 2]>,
    /// The last shot: of whom, and whether it went in.
    pub(super) last: Option<(Option<usize>, bool)>,
    pub(super) last_when: Option<When>,
    /// Shots by period, also those of nobody known: where a clock ends the game, they tell how much is left of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) shots: Vec<u32>,
}

/// The races of a game: in its periods, and in overtime.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Races {
    regular: Race,
    overtime: Race,
}

impl Races {
    /// Those of these rules; `None` where points do not end a game.
    pub(super) fn of(rules: &Rules) -> Option<Self> {
        Some(Self { regular: Race::of(rules, false)?, overtime: Race::of(rules, true)? })
    }
}

/// What wins, and how far both teams are.
struct Goal {
    overtime: bool,
    target: u32,
    win_by: u32,
    points: [u32; 2],
}

/// True of a period after the last one of the rules.
const fn is_overtime(rules: &Rules, period: u16) -> bool {
    period > rules.periods && rules.half_at.is_none()
}

impl OfPlayer {
    fn count(&mut self, play: &Play) {
        self.attempts += 1;
        let of_value = self.by_value.entry(play.points).or_default();
        of_value.1 += 1;
        if !play.made {
            self.streak = 0;
            return;
        }
        of_value.0 += 1;
        self.made += 1;
        self.points += play.points;
        self.streak += 1;
        self.best_streak = self.best_streak.max(self.streak);
    }
}

impl Tally {
    /// Sums of an earlier version go to the team for which a player shot last.
    pub(super) fn bring_forward(&mut self) {
        for (player, sums) in std::mem::take(&mut self.players) {
            let side = sums.side.and_then(|side| self.sides.get_mut(side));
            if let Some(side) = side {
                side.players.entry(player).or_insert(OfPlayer { side: None, ..sums });
            }
        }
    }

    /// What a player did for a team.
    pub(super) fn player(&self, side: Option<usize>, player: &PlayerId) -> Option<&OfPlayer> {
        self.sides.get(side?)?.players.get(player)
    }

    pub(super) const fn points(&self) -> [u32; 2] {
        let [first, second] = &self.sides;
        [first.points, second.points]
    }

    /// The points of the one less those of the other.
    pub(super) fn margin(&self) -> i64 {
        let [first, second] = self.points();
        i64::from(first) - i64::from(second)
    }

    /// Who leads.
    pub(super) fn leader(&self) -> Option<usize> {
        match self.margin() {
            0 => None,
            margin => Some(usize::from(margin < 0)),
        }
    }

    /// Attempts whose team is known.
    pub(super) fn attempts(&self) -> u32 {
        self.sides.iter().map(|side| side.attempts).sum()
    }

    /// Shots of a period.
    pub(super) fn shots_in(&self, period: u16) -> u32 {
        self.shots.get(usize::from(period.max(1)) - 1).copied().unwrap_or(0)
    }

    /// The period in which the next shot is: what was tapped, or by the points where these divide halves.
    pub(super) fn period(&self, rules: &Rules, tapped: u16) -> u16 {
        match rules.half_at {
            Some(half) => 1 + u16::from(self.points().into_iter().any(|points| points >= half)),
            None => tapped,
        }
    }

    /// What wins: in an overtime of its own target the points since it began, else those of the game.
    ///
    /// An overtime begins from a draw. What was tapped as one at another score, by mistake or before a call was
    /// mended, is played by the rules of the periods until that score is a draw.
    fn goal(&self, rules: &Rules, period: u16) -> Option<Goal> {
        let points = self.points();
        let [from, other] = self.overtime_from.unwrap_or(points);
        if let Some(target) = rules.overtime_target
            && is_overtime(rules, period)
            && from == other
        {
            let points = points.map(|points| points.saturating_sub(from));
            return Some(Goal { overtime: true, target, win_by: 1, points });
        }
        let (overtime, win_by) = (false, rules.win_by);
        Some(Goal { overtime, target: rules.target?, win_by, points })
    }

    /// Teams that would win with their next shot of the most points.
    pub(super) fn game_point(&self, rules: &Rules, period: u16) -> [bool; 2] {
        let Some(Goal { target, win_by, points, .. }) = self.goal(rules, period) else {
            return [false; 2];
        };
        if self.won.is_some() {
            return [false; 2];
        }
        let most = u32::from(rules.most());
        [0, 1].map(|side| {
            let mut next = points;
            if let Some(points) = next.get_mut(side) {
                *points += most;
            }
            Race::winner(target, win_by, next) == Some(side)
        })
    }

    /// Who has the ball, as far as the last shot says.
    fn ball(&self, race: &Race) -> Ball {
        match self.last {
            None | Some((None, _)) => Ball::Either,
            Some((Some(side), true)) => race.after_basket(side),
            Some((Some(side), false)) => Ball::Missed(side),
        }
    }

    /// The first team's share of wins; `None` where points do not end the game.
    pub(super) fn share(&self, races: Option<&Races>, rules: &Rules, period: u16) -> Option<f64> {
        let races = races?;
        if let Some((side, _)) = self.won {
            return Some(if side == 0 { 1.0 } else { 0.0 });
        }
        let (race, points) = self.race(races, rules, period)?;
        Some(race.share(points, self.ball(race)))
    }

    /// A team's share of wins if its next shot of so many points goes in, and if not.
    pub(super) fn next(
        &self,
        races: Option<&Races>,
        rules: &Rules,
        period: u16,
        (side, worth): (usize, u32),
    ) -> Option<(f64, f64)> {
        if self.won.is_some() {
            let share = self.share(races, rules, period)?;
            let own = if side == 0 { share } else { 1.0 - share };
            return Some((own, own));
        }
        let (race, points) = self.race(races?, rules, period)?;
        Some(race.next(points, side, worth))
    }

    /// The most that one shot changes in this period's race.
    pub(super) fn most_swing(&self, races: Option<&Races>, rules: &Rules, period: u16) -> f64 {
        let race = races.and_then(|races| self.race(races, rules, period));
        race.map_or(1.0, |(race, _)| race.most_swing())
    }

    fn race<'a>(
        &self,
        races: &'a Races,
        rules: &Rules,
        period: u16,
    ) -> Option<(&'a Race, [u32; 2])> {
        let Goal { overtime, points, .. } = self.goal(rules, period)?;
        Some((if overtime { &races.overtime } else { &races.regular }, points))
    }

    /// Counts one shot.
    pub(super) fn count(&mut self, play: &Play, rules: &Rules) {
        let period = self.period(rules, play.period);
        if is_overtime(rules, period) && self.overtime_from.is_none() {
            self.overtime_from = Some(self.points());
        }
        let played = usize::from(period.max(1));
        if self.shots.len() < played {
            self.shots.resize(played, 0);
        }
        if let Some(shots) = self.shots.get_mut(played - 1) {
            *shots += 1;
        }
        let made = if play.made { play.points } else { 0 };
        self.recent.push_back((play.side, made));
        if self.recent.len() > SWING_SHOTS {
            self.recent.pop_front();
        }
        self.last = Some((play.side, play.made));
        self.last_when = Some(play.when);
        let Some(side) = play.side else {
            self.pending.attempts += 1;
            self.pending.made += u32::from(play.made);
            self.pending.points += made;
            return;
        };
        self.of_side(side, play, period);
        if play.made {
            self.basket(side, play);
            if self.won.is_none()
                && let Some(Goal { target, win_by, points, .. }) = self.goal(rules, period)
            {
                let won = Race::winner(target, win_by, points);
                self.won = won.map(|side| (side, play.fact));
            }
        }
    }

    fn of_side(&mut self, side: usize, play: &Play, period: u16) {
        let Some(sums) = self.sides.get_mut(side) else { return };
        if let Some(player) = &play.player {
            sums.players.entry(player.clone()).or_default().count(play);
        }
        sums.attempts += 1;
        let of_value = sums.by_value.entry(play.points).or_default();
        of_value.1 += 1;
        if !play.made {
            sums.misses += 1;
            sums.streak = 0;
            return;
        }
        of_value.0 += 1;
        sums.made += 1;
        sums.points += play.points;
        let periods = usize::from(period.max(1));
        if sums.by_period.len() < periods {
            sums.by_period.resize(periods, 0);
        }
        if let Some(points) = sums.by_period.get_mut(periods - 1) {
            *points += play.points;
        }
        sums.streak += 1;
        sums.best_streak = sums.best_streak.max(sums.streak);
        sums.misses = 0;
        sums.last_basket = Some(play.when);
    }

    /// Points of a known team: what they do to the run and the lead.
    fn basket(&mut self, side: usize, play: &Play) {
        match &mut self.run {
            Some(run) if run.side == side => {
                run.points += play.points;
                run.shots.push(play.fact);
                run.last = play.when;
            }
            run => {
                *run = Some(InARow {
                    side,
                    points: play.points,
                    shots: vec![play.fact],
                    first: play.when,
                    last: play.when,
                });
            }
        }
        let run = self.run.as_ref().map_or(0, |run| run.points);
        if let Some(sums) = self.sides.get_mut(side) {
            sums.best_run = sums.best_run.max(run);
        }
        match self.leader() {
            None => self.ties += 1,
            Some(leader) => {
                if self.led.is_some_and(|led| led != leader) {
                    self.lead_changes += 1;
                }
                self.led = Some(leader);
            }
        }
    }
}
