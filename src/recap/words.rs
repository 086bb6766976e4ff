//! The summary of a game in words: a few sentences by rules, each with the facts that it stands on.
//!
//! A sentence is left out where the game gives no reason for it. None guesses why something happened.

use serde::Serialize;

use crate::event::By;
use crate::event::game::{GameScore, GameTold, Leaderboard};
use crate::event::words::{EndWord, GameWord};
use crate::media::{TeamId, isolated};
use crate::recap::box_score::{BoxScore, PlayerLine, Run, TeamLine, percent, runs};
use crate::recap::fact::Facts;
use crate::recap::line::WinPoint;
use crate::recap::lines::ClipLine;
use crate::recap::shots::{Shot, Shots, Tally, Words};
use crate::recap::tags::{Turn, turns};

/// A sentence, and the facts that it stands on: each is told, and the newest revision of it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sentence {
    /// What it says.
    pub text: String,
    /// Names of facts, at least one.
    pub facts: Vec<String>,
}

/// What a summary is made of.
pub(super) struct Subject<'a> {
    pub(super) facts: &'a Facts,
    pub(super) game: &'a GameTold,
    pub(super) box_score: &'a BoxScore,
    pub(super) shots: &'a Shots,
    pub(super) win: &'a [WinPoint],
    pub(super) clips: &'a [ClipLine],
}

/// A run is worth a sentence from so many baskets on (chosen: two are an ordinary exchange).
const RUN_SHOTS: usize = 3;
/// A shot moved the share of wins worth a sentence by so much (chosen: a sixth of the game).
const TURNED: f64 = 0.15;

/// The sentences, the most important first.
pub(super) fn summary(of: &Subject<'_>) -> Vec<Sentence> {
    let mut all = vec![of.result()];
    all.extend(of.last_basket());
    all.extend(of.periods());
    all.extend(of.lead());
    all.extend(of.largest_lead());
    all.extend(of.run());
    all.extend(of.shooting());
    all.extend(of.scorers());
    all.extend(of.turn());
    all.extend(of.best_clip());
    all.extend(of.corrections());
    all.extend(of.pending());
    all.extend(of.unsure());
    all
}

impl Subject<'_> {
    fn team(&self, id: &TeamId) -> String {
        let known = self.game.teams.iter().find(|team| team.id == *id);
        isolated(known.and_then(|team| team.name.as_deref()).unwrap_or(id.as_str()))
    }

    fn ids(&self) -> [TeamId; 2] {
        [self.game.teams[0].id.clone(), self.game.teams[1].id.clone()]
    }

    fn of_side(&self, side: usize) -> Option<(&TeamLine, &TeamLine)> {
        let [first, second] = &self.box_score.teams;
        match side {
            0 => Some((first, second)),
            1 => Some((second, first)),
            _ => None,
        }
    }

    /// The fact of the game, and that of its score where it says what the shots come to.
    fn told(&self) -> Vec<String> {
        let game = self.facts.one::<GameTold>("courtside.game.v1");
        let mut facts: Vec<String> = game.map(|(told, _)| told.fact.clone()).into_iter().collect();
        if let Some((told, score)) = self.facts.one::<GameScore>("courtside.game.score.v1") {
            let counted = self.box_score.teams.iter().map(|line| line.points);
            if score.teams.iter().map(|team| team.points).eq(counted) {
                facts.push(told.fact.clone());
            }
        }
        facts
    }

    fn facts_of(&self, wanted: impl Fn(&Shot) -> bool) -> Vec<String> {
        let shots = self.shots.all.iter().filter(|shot| wanted(shot));
        shots.map(|shot| shot.fact.clone()).collect()
    }

    fn result(&self) -> Sentence {
        let [first, second] = &self.box_score.teams;
        let [a, b] = [&first.team.id, &second.team.id].map(|id| self.team(id));
        let (high, low) = (first.points.max(second.points), first.points.min(second.points));
        let ahead = if first.points >= second.points { (&a, &b) } else { (&b, &a) };
        let level = high == low;
        let over = self.box_score.state == GameWord::Over;
        if let Some(played_on) = self.played_on() {
            return played_on;
        }
        let text = match (over, level) {
            (true, false) => format!("{} beat {} {high} to {low}.", ahead.0, ahead.1),
            (true, true) => format!("{a} and {b} drew, {high} each."),
            (false, false) => {
                format!("{} lead {} {high} to {low}; the game still runs.", ahead.0, ahead.1)
            }
            (false, true) => format!("{a} and {b} are level at {high}; the game still runs."),
        };
        Sentence { text, facts: self.told() }
    }

    /// The basket with which the game was won by the rules, the score after it, the winner's points first, and the
    /// fact that says so.
    fn won_with(&self) -> Option<(&Shot, [u32; 2], String)> {
        let (told, score) = self.facts.one::<GameScore>("courtside.game.score.v1")?;
        let (winner, by) = (score.won.as_ref()?, score.won_by.as_ref()?);
        let at = self.shots.all.iter().position(|shot| shot.fact == *by)?;
        let shot = self.shots.all.get(at)?;
        let is_it = shot.scored() > 0 && shot.team.as_ref() == Some(winner);
        let [first, second] = self.score_after(at);
        let points = if self.ids()[0] == *winner { [first, second] } else { [second, first] };
        is_it.then(|| (shot, points, told.fact.clone()))
    }

    /// The result of a game that was won by the rules, played on, and is not the winner's by points.
    fn played_on(&self) -> Option<Sentence> {
        let winner = self.box_score.winner.as_ref()?;
        let side = self.ids().iter().position(|id| id == winner)?;
        let (own, other) = self.of_side(side)?;
        let (shot, [won, lost], _) = self.won_with()?;
        if own.points > other.points || self.box_score.ended != Some(EndWord::Target) {
            return None;
        }
        let text = format!(
            "{} beat {} {won} to {lost}; what was played on came to {} to {}.",
            self.team(&own.team.id),
            self.team(&other.team.id),
            own.points,
            other.points
        );
        let facts = [vec![shot.fact.clone()], self.told()].concat();
        Some(Sentence { text, facts })
    }

    /// The basket that won, which need not be the last.
    fn last_basket(&self) -> Option<Sentence> {
        let (shot, [won, lost], told) = self.won_with()?;
        if self.box_score.ended != Some(EndWord::Target) {
            return None;
        }
        let (who, points) = (self.who(shot), points(shot.scored()));
        let text = format!("{who} won it with {points}, at {won} to {lost}.");
        Some(Sentence { text, facts: vec![shot.fact.clone(), told] })
    }

    fn periods(&self) -> Option<Sentence> {
        let [first, second] = &self.box_score.teams;
        if self.box_score.periods < 2 {
            return None;
        }
        let parts = first.by_period.iter().zip(&second.by_period);
        let parts: Vec<String> = parts.map(|(a, b)| format!("{a}–{b}")).collect();
        let text = format!("By period, {} first: {}.", self.team(&first.team.id), parts.join(", "));
        let theirs = |shot: &Shot| shot.scored() > 0 && shot.team.is_some();
        Some(Sentence { text, facts: self.facts_of(theirs) }).filter(cites)
    }

    fn lead(&self) -> Option<Sentence> {
        let turned = turns(&self.shots.all, &self.ids());
        let count = |wanted: Turn| turned.iter().filter(|turn| **turn == wanted).count();
        let (over, level) = (count(Turn::Over), count(Turn::Level));
        let of_turns = || {
            let shots = self.shots.all.iter().zip(&turned);
            let turning = shots.filter(|(_, turn)| **turn != Turn::None);
            turning.map(|(shot, _)| shot.fact.clone()).collect::<Vec<_>>()
        };
        let text = match (over, level) {
            (0, 0) => return self.led_throughout(),
            (0, level) => format!("The lead never changed; the score was level {}.", times(level)),
            (over, 0) => format!("The lead changed {}.", times(over)),
            (over, level) => {
                format!(
                    "The lead changed {}, and the score was level {}.",
                    times(over),
                    times(level)
                )
            }
        };
        Some(Sentence { text, facts: of_turns() })
    }

    fn led_throughout(&self) -> Option<Sentence> {
        let first = self.shots.all.iter().find(|shot| shot.scored() > 0 && shot.team.is_some())?;
        let team = self.team(first.team.as_ref()?);
        let over = self.box_score.state == GameWord::Over;
        let until = if over { "to the end" } else { "on" };
        let text = format!("{team} led from the first basket {until}.");
        // That nobody drew level or went by, the score says.
        Some(Sentence { text, facts: [vec![first.fact.clone()], self.told()].concat() })
    }

    fn largest_lead(&self) -> Option<Sentence> {
        let (mut tally, mut best) = (Tally::default(), None::<(u32, usize, [u32; 2], &Shot)>);
        for shot in &self.shots.all {
            tally.take(shot, &self.ids());
            let [first, second] = tally.points;
            if let Some(side) = tally.leads()
                && best.is_none_or(|(by, ..)| first.abs_diff(second) > by)
            {
                best = Some((first.abs_diff(second), side, tally.points, shot));
            }
        }
        let (by, side, [first, second], shot) = best?;
        let (line, _) = self.of_side(side)?;
        let text = format!(
            "The largest lead was {} {}, at {} to {}.",
            of_whom(&self.team(&line.team.id)),
            points(by),
            first.max(second),
            first.min(second)
        );
        Some(Sentence { text, facts: vec![shot.fact.clone()] })
    }

    fn run(&self) -> Option<Sentence> {
        let long = runs(&self.shots.all).filter(|run| run.shots.len() >= RUN_SHOTS);
        // The first of those that are level.
        let best = long.reduce(|best, run| if run.points > best.points { run } else { best })?;
        let Run { team, points: scored, shots } = &best;
        let (from, to) = (self.score_before(*shots.first()?), self.score_after(*shots.last()?));
        let name = of_whom(&self.team(team));
        let [a, b] = [&self.game.teams[0].id, &self.game.teams[1].id].map(|id| self.team(id));
        let text = format!(
            "The longest run was {name} {} without an answer, from {}–{} to {}–{} ({a}–{b}).",
            points(*scored),
            from[0],
            from[1],
            to[0],
            to[1]
        );
        let facts = shots.iter().filter_map(|at| self.shots.all.get(*at));
        Some(Sentence { text, facts: facts.map(|shot| shot.fact.clone()).collect() })
    }

    fn score_before(&self, at: usize) -> [u32; 2] {
        self.score_of(self.shots.all.get(..at))
    }

    fn score_after(&self, at: usize) -> [u32; 2] {
        self.score_of(self.shots.all.get(..=at))
    }

    fn score_of(&self, shots: Option<&[Shot]>) -> [u32; 2] {
        let mut tally = Tally::default();
        shots.unwrap_or_default().iter().for_each(|shot| tally.take(shot, &self.ids()));
        tally.points
    }

    fn shooting(&self) -> Option<Sentence> {
        let part = |line: &TeamLine, made: &str, shots: &str| {
            let (hits, of) = (line.shooting.made, line.shooting.attempts);
            let percent = percent(hits, of)?;
            let name = self.team(&line.team.id);
            Some(format!("{name} {made}{hits} of {of}{shots} ({percent} %)"))
        };
        let [first, second] = &self.box_score.teams;
        let alone = |line: &TeamLine| part(line, "made ", " shots");
        let text = match (alone(first), part(second, "", "")) {
            (Some(first), Some(second)) => format!("{first}, {second}."),
            (Some(one), None) => format!("{one}."),
            (None, _) => format!("{}.", alone(second)?),
        };
        Some(Sentence { text, facts: self.shooting_facts() }).filter(cites)
    }

    /// The leaderboard where it says the same, else the shots themselves.
    fn shooting_facts(&self) -> Vec<String> {
        if let Some((told, board)) = self.facts.one::<Leaderboard>("courtside.leaderboard.v1") {
            let same = self.box_score.teams.iter().all(|line| {
                let of_team = board.teams.iter().find(|row| row.team == line.team.id);
                let counted = (line.shooting.made, line.shooting.attempts);
                of_team.map_or((0, 0), |row| (row.made, row.attempts)) == counted
            });
            if same {
                return vec![told.fact.clone()];
            }
        }
        self.facts_of(|shot| shot.counts() && shot.team.is_some())
    }

    fn scorers(&self) -> Option<Sentence> {
        let teams = self.box_score.teams.iter();
        let all: Vec<(&TeamLine, &PlayerLine)> =
            teams.flat_map(|line| line.players.iter().map(move |player| (line, player))).collect();
        let most = all.iter().map(|(_, player)| player.points).max().filter(|most| *most > 0)?;
        let best: Vec<_> = all.iter().filter(|(_, player)| player.points == most).collect();
        let name = |(line, player): &&(&TeamLine, &PlayerLine)| {
            let name = isolated(player.name.as_deref().unwrap_or(player.player.as_str()));
            format!("{name} ({})", self.team(&line.team.id))
        };
        let names: Vec<String> = best.iter().map(name).collect();
        let text = match best.as_slice() {
            [(_, player)] => format!(
                "{} scored most: {}, {} of {}.",
                names.join(""),
                points(most),
                player.shooting.made,
                player.shooting.attempts
            ),
            _ => format!("{} scored most, {} each.", listed(&names), points(most)),
        };
        let theirs = |shot: &Shot| {
            let of = |(line, player): &&(&TeamLine, &PlayerLine)| {
                shot.team.as_ref() == Some(&line.team.id)
                    && shot.player.as_ref() == Some(&player.player)
            };
            shot.counts() && best.iter().any(of)
        };
        Some(Sentence { text, facts: self.facts_of(theirs) })
    }

    /// The shot that moved the share of wins most, of those of which the share before and after was told
    /// of the shots that stand.
    fn turn(&self) -> Option<Sentence> {
        let told = self.facts.newest(&["courtside.momentum.v1"]).last()?;
        let mut best: Option<(f64, &WinPoint, &WinPoint, &Shot)> = None;
        for pair in self.win.windows(2) {
            let [before, after] = pair else { continue };
            let of = |shot: &&Shot| Some(&shot.fact) == after.shot.as_ref();
            let Some(at) = self.shots.all.iter().position(|shot| of(&shot)) else { continue };
            // Nothing between the two that was told of neither.
            let next = at.checked_sub(1).and_then(|at| self.shots.all.get(at));
            let follows = before.shot.as_ref() == next.map(|shot| &shot.fact);
            let moved = (after.share - before.share).abs();
            let larger = best.is_none_or(|(most, ..)| moved > most);
            if before.stands && after.stands && follows && larger {
                best = self.shots.all.get(at).map(|shot| (moved, before, after, shot));
            }
        }
        let (_, before, after, shot) = best.filter(|(moved, ..)| *moved >= TURNED)?;
        let up = after.share > before.share;
        let share = |point: &WinPoint| if up { point.share } else { 1.0 - point.share };
        let team = self.team(&self.game.teams[usize::from(!up)].id);
        let what = match shot.made() {
            true => format!("{} {}", of_whom(&self.who(shot)), points(shot.scored())),
            false => format!("a miss by {}", self.who(shot)),
        };
        let text = format!(
            "No shot turned the game more than {what}: by the model {team} would win {:.0} of 100 such \
             games before it, and {:.0} after.",
            share(before) * 100.0,
            share(after) * 100.0
        );
        Some(Sentence { text, facts: vec![shot.fact.clone(), told.fact.clone()] })
    }

    fn best_clip(&self) -> Option<Sentence> {
        let scored = self.clips.iter().filter_map(|clip| Some((clip.score?, clip)));
        let (_, best) = scored.reduce(|best, clip| if clip.0 > best.0 { clip } else { best })?;
        let text = match self.clips.len() {
            1 => format!("There is one clip, of shot {}.", best.n),
            many => format!("Of {many} clips, the one of shot {} is rated highest.", best.n),
        };
        Some(Sentence { text, facts: vec![best.fact.clone()] })
    }

    fn corrections(&self) -> Option<Sentence> {
        let by_operator = |shot: &Shot| shot.by == Some(By::Operator);
        let came_to = |words: Words| {
            self.facts_of(|shot| shot.said == words && !shot.added && by_operator(shot))
        };
        let (changed, named) = (came_to(Words::Changed), came_to(Words::Named));
        let added = self.facts_of(|shot| shot.added);
        let taken = self.shots.taken_back.clone();
        let calls = |facts: &[String], verb: &str, after: &str| {
            let many = match facts.len() {
                0 => return None,
                1 => "one call".to_owned(),
                many => format!("{many} calls"),
            };
            Some(format!("{verb} {many}{after}"))
        };
        let parts = [
            calls(&changed, "changed", ""),
            match named.len() {
                0 => None,
                1 => Some("said whose one shot was".to_owned()),
                many => Some(format!("said whose {many} shots were")),
            },
            calls(&taken, "took", " back"),
            calls(&added, "added", " that was not seen").map(|text| match added.len() {
                1 => text,
                _ => text.replace("was not", "were not"),
            }),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let text = format!("The operator {}.", listed(&parts));
        let facts = [changed, named, taken, added].concat();
        Some(Sentence { text, facts }).filter(cites)
    }

    fn pending(&self) -> Option<Sentence> {
        let facts = self.facts_of(|shot| shot.counts() && shot.team.is_none());
        let pending = self.box_score.pending;
        if pending.points == 0 {
            return None;
        }
        let text = format!("{} have no team yet.", points(pending.points));
        let text = if pending.points == 1 { text.replace("have", "has") } else { text };
        Some(Sentence { text, facts })
    }

    fn unsure(&self) -> Option<Sentence> {
        let facts = self.facts_of(|shot| !shot.counts());
        let text = match facts.len() {
            0 => return None,
            1 => "One shot could not be told, and counts for nobody.".to_owned(),
            many => format!("{many} shots could not be told, and count for nobody."),
        };
        Some(Sentence { text, facts })
    }

    /// Who took a shot, as far as that is known.
    fn who(&self, shot: &Shot) -> String {
        let Some(team) = &shot.team else { return "somebody".to_owned() };
        let Some(player) = &shot.player else { return self.team(team) };
        let known = self.game.players.iter().find(|one| one.id == *player && one.team == *team);
        isolated(known.and_then(|one| one.name.as_deref()).unwrap_or(player.as_str()))
    }
}

fn cites(sentence: &Sentence) -> bool {
    !sentence.facts.is_empty()
}

fn of_whom(name: &str) -> String {
    if name.ends_with(['s', 'x', 'z']) { format!("{name}'") } else { format!("{name}'s") }
}

pub(super) fn points(of: u32) -> String {
    if of == 1 { "1 point".to_owned() } else { format!("{of} points") }
}

fn times(of: usize) -> String {
    match of {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        many => format!("{many} times"),
    }
}

/// `a`, `a and b`, `a, b and c`.
fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
