//! The rules of a game as data: what a shot is worth, what ends a game, how long it lasts.
//!
//! A file a game, `rules/*.toml` of the repository, in the binary; a venue's own is of the same form. Each
//! number stands there beside where it comes from, and so does each that we chose ourselves. Past
//! [`Rules::parse`] nothing is checked again. Whole numbers alone: rules are kept in a game's log.

use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::config::{ConfigError, refused, table};

/// The files of the repository, by the name that stands in them.
const KNOWN: [(&str, &str); 8] = [
    ("fiba-3x3", include_str!("../../rules/fiba-3x3.toml")),
    ("big3", include_str!("../../rules/big3.toml")),
    ("fiba-5x5", include_str!("../../rules/fiba-5x5.toml")),
    ("nba-5x5", include_str!("../../rules/nba-5x5.toml")),
    ("pickup-11", include_str!("../../rules/pickup-11.toml")),
    ("pickup-15", include_str!("../../rules/pickup-15.toml")),
    ("pickup-21", include_str!("../../rules/pickup-21.toml")),
    ("none", include_str!("../../rules/none.toml")),
];
/// Points of one shot (chosen: more than any rules give).
pub const MOST_POINTS: u8 = 9;
/// Points that end a game (chosen: the table of the race has its square).
const MOST_TARGET: u32 = 200;
/// Points by which a game is won (chosen: no rules have more than 4).
const MOST_WIN_BY: u32 = 10;
/// Periods before overtime (chosen).
const MOST_PERIODS: u16 = 20;

/// The rules of one game, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Their name.
    pub name: String,
    /// As people call them.
    pub title: String,
    /// Baskets of the court, 1 or 2. At one, both teams attack it.
    pub rims: u16,
    /// When teams change baskets.
    pub swap: Swap,
    /// Points of a shot of which nobody said more.
    pub ordinary: u8,
    /// Points that a shot from the field can have, the ordinary ones too; least first.
    pub values: Vec<u8>,
    /// Points that a free throw can have; none where there are no free throws.
    pub free_throws: Vec<u8>,
    /// True where who scored keeps the ball.
    pub keeps_ball: bool,
    /// Points that end the game, in its periods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<u32>,
    /// By how many points it must be won; 1 where there is no such rule.
    pub win_by: u32,
    /// Points in overtime that end the game.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overtime_target: Option<u32>,
    /// Periods before overtime.
    pub periods: u16,
    /// Minutes of play of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_minutes: Option<u32>,
    /// Minutes of play of an overtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overtime_minutes: Option<u32>,
    /// Points at which the second half begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_at: Option<u32>,
    /// Seconds of the shot clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shot_clock_s: Option<u32>,
    /// Fouls of a team from which on they are punished with throws.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fouls_of_a_team: Option<u32>,
    /// Fouls with which a player is out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fouls_of_a_player: Option<u32>,
    /// The least points in a row that are told as a run.
    pub least_run: u32,
    /// Every so many points of a team are told as a milestone.
    pub milestone: u32,
    /// Candidates for social media that a game has at once.
    pub social: u32,
    /// What the race model assumes; none where points do not end the game.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Assumed>,
    /// What is assumed where a clock ends the game; none where points do, and of rules that say nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clock>,
}

/// What is assumed of a game that a clock ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Shots of a period, both teams' and free throws among them, in the mean.
    pub shots: u32,
    /// Their spread from one period to another.
    pub spread: u32,
    /// The spread of the margin of a whole game of teams that are alike, in tenths of a point.
    pub margin: u32,
}

/// When teams change baskets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Swap {
    /// They do not.
    Never,
    /// For the second half; overtimes go on like the last period.
    Half,
    /// For every period.
    Period,
}

/// What the race model assumes of both teams alike; of a thousand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assumed {
    /// Times a team has the ball that end without a shot.
    pub turnovers: u32,
    /// Missed shots after which the ball stays with the team.
    pub rebounds: u32,
    /// Shots by value, the least first. Their shares are 1,000 together.
    pub shots: Vec<ShotRate>,
}

/// How often a shot of one value is tried, and goes in; of a thousand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShotRate {
    /// Points.
    pub points: u8,
    /// Shots that are of this value.
    pub share: u32,
    /// Those of them that go in.
    pub made: u32,
}

/// A value and where it comes from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sourced<T> {
    value: Spanned<T>,
    source: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRules {
    name: Spanned<String>,
    title: Spanned<String>,
    court: RawCourt,
    shots: RawShots,
    win: Option<RawWin>,
    time: RawTime,
    fouls: Option<RawFouls>,
    tell: RawTell,
    model: Option<Spanned<RawModel>>,
    clock: Option<Spanned<RawClock>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClock {
    shots: Sourced<u32>,
    spread: Sourced<u32>,
    margin: Sourced<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCourt {
    rims: Sourced<u16>,
    swap: Sourced<Swap>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawShots {
    ordinary: Sourced<u8>,
    others: Option<Sourced<Vec<u8>>>,
    free_throws: Option<Sourced<Vec<u8>>>,
    keeps_ball: Sourced<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWin {
    target: Sourced<u32>,
    win_by: Option<Sourced<u32>>,
    overtime_target: Option<Sourced<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTime {
    periods: Sourced<u16>,
    period_minutes: Option<Sourced<u32>>,
    overtime_minutes: Option<Sourced<u32>>,
    half_at: Option<Sourced<u32>>,
    shot_clock_s: Option<Sourced<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFouls {
    of_a_team: Option<Sourced<u32>>,
    of_a_player: Option<Sourced<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTell {
    least_run: Sourced<u32>,
    milestone: Sourced<u32>,
    social: Sourced<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModel {
    turnovers: Sourced<u32>,
    rebounds: Sourced<u32>,
    shots: Vec<RawRate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRate {
    points: Spanned<u8>,
    share: Sourced<u32>,
    made: Sourced<u32>,
}

impl Rules {
    /// The names of those that are in the binary.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|(name, _)| *name)
    }

    /// Those of a name that are in the binary.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (name, text) = KNOWN.iter().find(|(known, _)| *known == name)?;
        Self::parse(text, Path::new(name)).ok()
    }

    /// Reads and checks a file of rules.
    ///
    /// # Errors
    /// [`ConfigError::Refused`]: the first fault of form, or all of value, with line and column.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let raw: RawRules = table(text, file)?;
        let mut checks = Checks::default();
        let rules = raw.check(&mut checks);
        if checks.faults.is_empty() { Ok(rules) } else { Err(refused(text, file, checks.faults)) }
    }

    /// True if a shot can be worth so many points.
    #[must_use]
    pub fn knows(&self, points: u8) -> bool {
        self.values.contains(&points) || self.free_throws.contains(&points)
    }

    /// All points that a shot can have, free throws among them; the least first.
    #[must_use]
    pub fn points(&self) -> Vec<u8> {
        let mut points = [self.values.as_slice(), &self.free_throws].concat();
        points.sort_unstable();
        points.dedup();
        points
    }

    /// The most points of a shot from the field.
    #[must_use]
    pub fn most(&self) -> u8 {
        self.values.last().copied().unwrap_or(self.ordinary)
    }

    /// The period that can begin after one; `None` where points divide the game, and after the last of rules
    /// that name no overtime.
    #[must_use]
    pub const fn next_period(&self, period: u16) -> Option<u16> {
        let overtime = self.overtime_target.is_some() || self.overtime_minutes.is_some();
        if self.half_at.is_none() && (overtime || period < self.periods) {
            Some(period + 1)
        } else {
            None
        }
    }

    /// True if points alone end the game: there is no overtime to play.
    #[must_use]
    pub const fn ends_by_points(&self) -> bool {
        let overtime = self.overtime_target.is_some() || self.overtime_minutes.is_some();
        self.target.is_some() && !overtime
    }

    /// True if teams attack the other basket in a period than in the first.
    #[must_use]
    pub const fn swapped(&self, period: u16) -> bool {
        match self.swap {
            Swap::Never => false,
            Swap::Half => period > self.periods / 2,
            Swap::Period => period.is_multiple_of(2),
        }
    }
}

/// What was found wrong, each at its place.
#[derive(Default)]
struct Checks {
    faults: Vec<(usize, String)>,
}

impl Checks {
    /// The value, if it is within bounds and has a source.
    fn of<T: Copy + PartialOrd + std::fmt::Display>(
        &mut self,
        key: &str,
        written: &Sourced<T>,
        (least, most): (T, T),
    ) -> T {
        self.source(key, &written.source);
        let value = *written.value.get_ref();
        if !(least..=most).contains(&value) {
            let said = format!("`{key}` is {value}: write {least} to {most}");
            self.faults.push((written.value.span().start, said));
        }
        value
    }

    fn list(&mut self, key: &str, written: Option<&Sourced<Vec<u8>>>) -> Vec<u8> {
        let Some(written) = written else { return Vec::new() };
        self.source(key, &written.source);
        let mut values = written.value.get_ref().clone();
        values.sort_unstable();
        let ordered = values.windows(2).all(|pair| pair.first() < pair.last());
        if !ordered || values.iter().any(|value| !(1..=MOST_POINTS).contains(value)) {
            let said = format!("`{key}`: write points from 1 to {MOST_POINTS}, each once");
            self.faults.push((written.value.span().start, said));
        }
        values
    }

    /// Every number says where it comes from, be it that somebody chose it.
    fn source(&mut self, key: &str, source: &Spanned<String>) {
        if source.get_ref().trim().is_empty() {
            let said = format!(
                "`{key}` says nothing of where it comes from: name the article, or write \"chosen\""
            );
            self.faults.push((source.span().start, said));
        }
    }

    /// Teams change baskets where there are two, and for a period that there is.
    fn swap(&mut self, court: &RawCourt, time: &RawTime) {
        let place = court.swap.value.span().start;
        let swap = *court.swap.value.get_ref();
        if swap != Swap::Never && *court.rims.value.get_ref() == 1 {
            let said = "`swap` is of two baskets: at one both teams attack it, write \"never\"";
            self.faults.push((place, said.to_owned()));
        }
        if swap == Swap::Half && *time.periods.value.get_ref() == 1 {
            let said = "`swap` is \"half\", and one period has no second half: write \"never\"";
            self.faults.push((place, said.to_owned()));
        }
    }

    /// Points that part a game leave nothing for a clock to part, and nothing to play after its target.
    fn half(&mut self, place: usize, time: &RawTime, win: Option<&RawWin>) {
        let mut fault = |said: &str| self.faults.push((place, said.to_owned()));
        if win.is_none() {
            fault(
                "`half_at` is asked where points end a game: write [win] `target`, or take it out",
            );
        }
        if *time.periods.value.get_ref() != 2 {
            fault("`half_at` parts a game in two: write 2 `periods`, or take it out");
        }
        let overtime = win.and_then(|win| win.overtime_target.as_ref());
        if overtime.or(time.overtime_minutes.as_ref()).is_some() {
            fault(
                "with `half_at` there is no overtime: the game goes on to its target, take `half_at` or the \
                 overtime out",
            );
        }
    }

    fn some(
        &mut self,
        key: &str,
        written: Option<&Sourced<u32>>,
        bounds: (u32, u32),
    ) -> Option<u32> {
        written.map(|written| self.of(key, written, bounds))
    }
}

impl RawRules {
    fn check(self, checks: &mut Checks) -> Rules {
        let Self { name, title, court, shots, win, time, fouls, tell, model, clock } = self;
        let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if !(1..=32).contains(&name.get_ref().len()) || !name.get_ref().bytes().all(good) {
            let said = "`name`: use 1 to 32 of a-z, 0-9 and '-', for example \"hall-16\"";
            checks.faults.push((name.span().start, said.to_owned()));
        }
        if !(1..=40).contains(&title.get_ref().chars().count()) {
            checks.faults.push((title.span().start, "`title` has 1 to 40 letters".to_owned()));
        }
        let ordinary = checks.of("ordinary", &shots.ordinary, (1, MOST_POINTS));
        let mut values = checks.list("others", shots.others.as_ref());
        if values.contains(&ordinary)
            && let Some(others) = &shots.others
        {
            let said = format!("`others` has {ordinary}, which is what an ordinary shot has");
            checks.faults.push((others.value.span().start, said));
        }
        values.push(ordinary);
        values.sort_unstable();
        values.dedup();
        checks.source("keeps_ball", &shots.keeps_ball.source);
        checks.source("swap", &court.swap.source);
        checks.swap(&court, &time);
        if let Some(half) = &time.half_at {
            checks.half(half.value.span().start, &time, win.as_ref());
        }
        let win = win.as_ref();
        let overtime = win.and_then(|win| win.overtime_target.as_ref());
        let target = checks.some("target", win.map(|win| &win.target), (1, MOST_TARGET));
        let win_by = win.and_then(|win| win.win_by.as_ref());
        let most_by = MOST_WIN_BY.min(target.unwrap_or(1).max(1));
        Rules {
            rims: checks.of("rims", &court.rims, (1, 2)),
            swap: court.swap.value.into_inner(),
            free_throws: checks.list("free_throws", shots.free_throws.as_ref()),
            keeps_ball: shots.keeps_ball.value.into_inner(),
            win_by: checks.some("win_by", win_by, (1, most_by)).unwrap_or(1),
            overtime_target: checks.some("overtime_target", overtime, (1, MOST_TARGET)),
            periods: checks.of("periods", &time.periods, (1, MOST_PERIODS)),
            period_minutes: checks.some("period_minutes", time.period_minutes.as_ref(), (1, 120)),
            overtime_minutes: checks.some(
                "overtime_minutes",
                time.overtime_minutes.as_ref(),
                (1, 120),
            ),
            half_at: checks.some(
                "half_at",
                time.half_at.as_ref(),
                (1, target.unwrap_or(MOST_TARGET).saturating_sub(1).max(1)),
            ),
            shot_clock_s: checks.some("shot_clock_s", time.shot_clock_s.as_ref(), (1, 120)),
            fouls_of_a_team: checks.some(
                "of_a_team",
                fouls.as_ref().and_then(|fouls| fouls.of_a_team.as_ref()),
                (1, 100),
            ),
            fouls_of_a_player: checks.some(
                "of_a_player",
                fouls.as_ref().and_then(|fouls| fouls.of_a_player.as_ref()),
                (1, 100),
            ),
            least_run: checks.of("least_run", &tell.least_run, (2, 100)),
            milestone: checks.of("milestone", &tell.milestone, (2, 1000)),
            social: checks.of("social", &tell.social, (0, 50)),
            model: assumed(model, target.is_some(), &values, checks),
            clock: by_clock(clock, target.is_none() && time.period_minutes.is_some(), checks),
            name: name.into_inner(),
            title: title.into_inner(),
            ordinary,
            values,
            target,
        }
    }
}

/// What is assumed of a game that a clock ends, if one does.
fn by_clock(clock: Option<Spanned<RawClock>>, ends_it: bool, checks: &mut Checks) -> Option<Clock> {
    let clock = clock?;
    if !ends_it {
        let said = "[clock] is asked where a clock ends the game: write [time] `period_minutes` and no [win], \
                    or take it out";
        checks.faults.push((clock.span().start, said.to_owned()));
    }
    let clock = clock.into_inner();
    Some(Clock {
        shots: checks.of("shots", &clock.shots, (1, 500)),
        spread: checks.of("spread", &clock.spread, (1, 100)),
        margin: checks.of("margin", &clock.margin, (1, 1000)),
    })
}

/// What the race model assumes, if it can be asked.
fn assumed(
    model: Option<Spanned<RawModel>>,
    has_target: bool,
    values: &[u8],
    checks: &mut Checks,
) -> Option<Assumed> {
    let model = model?;
    let place = model.span().start;
    if !has_target {
        let said = "[model] is asked where points end a game: write [win] `target`, or take it out";
        checks.faults.push((place, said.to_owned()));
    }
    let model = model.into_inner();
    let shots: Vec<ShotRate> = model
        .shots
        .iter()
        .map(|rate| ShotRate {
            points: *rate.points.get_ref(),
            share: checks.of("share", &rate.share, (0, 1000)),
            made: checks.of("made", &rate.made, (1, 999)),
        })
        .collect();
    if !shots.iter().map(|rate| &rate.points).eq(values.iter()) {
        let said = format!(
            "[[model.shots]] has not each of {values:?} once, in order: a share and how many go in \
             for each"
        );
        checks.faults.push((place, said));
    }
    let together: u32 = shots.iter().map(|rate| rate.share).sum();
    if together != 1000 {
        let said = format!("the shares of [[model.shots]] are {together} together: make them 1000");
        checks.faults.push((place, said));
    }
    Some(Assumed {
        turnovers: checks.of("turnovers", &model.turnovers, (0, 900)),
        rebounds: checks.of("rebounds", &model.rebounds, (0, 900)),
        shots,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fiba() -> &'static str {
        KNOWN[0].1
    }

    fn refusal(text: &str) -> String {
        let refused = Rules::parse(text, Path::new("hall.toml")).err();
        refused.map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn those_in_the_binary_are_read_by_their_names() {
        for (name, text) in KNOWN {
            let rules =
                Rules::parse(text, Path::new(name)).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(rules.name, name);
            assert_eq!(Rules::named(name), Some(rules.clone()));
            assert_eq!(rules.model.is_some(), rules.target.is_some(), "{name}");
            let by_clock = rules.target.is_none() && rules.period_minutes.is_some();
            assert_eq!(rules.clock.is_some(), by_clock, "{name}");
            // They are kept in a game's log.
            let kept = serde_json::to_vec(&rules).expect("JSON");
            assert_eq!(serde_json::from_slice::<Rules>(&kept).expect("read"), rules);
        }
        assert_eq!(Rules::named("fiba-4x4"), None);
        assert_eq!(Rules::names().count(), KNOWN.len());
    }

    #[test]
    fn they_say_what_the_rule_books_say() {
        let of = |name| Rules::named(name).unwrap_or_else(|| panic!("{name}"));
        let fiba = of("fiba-3x3");
        assert_eq!((fiba.ordinary, fiba.values.as_slice()), (1, [1, 2].as_slice()));
        assert_eq!((fiba.target, fiba.win_by, fiba.overtime_target), (Some(21), 1, Some(2)));
        assert_eq!((fiba.period_minutes, fiba.shot_clock_s), (Some(10), Some(12)));
        let big3 = of("big3");
        assert_eq!((big3.values.as_slice(), big3.most()), ([2, 3, 4].as_slice(), 4));
        assert_eq!((big3.target, big3.win_by, big3.half_at), (Some(50), 2, Some(25)));
        let nba = of("nba-5x5");
        assert_eq!((nba.periods, nba.period_minutes, nba.target), (4, Some(12), None));
        assert_eq!((of("fiba-5x5").period_minutes, nba.overtime_minutes), (Some(10), Some(5)));
        assert!(nba.knows(1) && nba.knows(3) && !nba.knows(4), "a free throw has one");
        let sides: Vec<bool> = (1..=6).map(|period| nba.swapped(period)).collect();
        assert_eq!(sides, [false, false, true, true, true, true], "overtimes as the fourth");
        assert!(!fiba.swapped(2));
        for (name, target) in [("pickup-11", 11), ("pickup-15", 15), ("pickup-21", 21)] {
            let rules = of(name);
            assert_eq!((rules.target, rules.win_by, rules.rims), (Some(target), 2, 1));
        }
        assert_eq!((of("none").target, of("none").ordinary), (None, 1));
    }

    #[test]
    fn a_refusal_says_where_and_which_key_was_meant() {
        for (from, to, said) in [
            (
                "least_run",
                "least_rum",
                ":32:1: unknown key `least_rum` in [tell]: did you mean `least_run`?",
            ),
            ("target = {", "targets = {", "did you mean `target`?"),
            ("{ value = 21,", "{ valeu = 21,", "did you mean `value`?"),
            ("value = 21", "value = 0", ":19:20: `target` is 0: write 1 to 200"),
            ("value = 21", "value = \"21\"", ":19:20: invalid type"),
            (
                "\"assumed: offensive rebounds of missed shots\"",
                "\" \"",
                "`rebounds` says nothing of where",
            ),
            ("value = 640", "value = 650", "the shares of [[model.shots]] are 1010 together"),
            ("points = 2", "points = 3", "[[model.shots]] has not each of [1, 2] once, in order"),
            ("value = [2]", "value = [1, 2]", "`others` has 1, which is what an ordinary shot has"),
            ("value = [2]", "value = [2, 2]", "`others`: write points from 1 to 9, each once"),
            ("\"never\"", "\"nevr\"", "unknown variant `nevr`"),
            ("name = \"fiba-3x3\"", "name = \"FIBA\"", "`name`: use 1 to 32 of a-z"),
            ("name = \"fiba-3x3\"", "name = \"fiba\u{202e}\"", "which is not seen"),
            ("[tell]", "[tel]", "did you mean `tell`?"),
            ("\"never\"", "\"half\"", "`swap` is of two baskets: at one both teams attack it"),
            ("\"never\"", "\"period\"", "`swap` is of two baskets: at one both teams attack it"),
        ] {
            assert!(fiba().contains(from), "{from}");
            let told = refusal(&fiba().replacen(from, to, 1));
            assert!(told.starts_with("hall.toml:") && told.contains(said), "{to}: {told}");
        }
        let big3 = KNOWN[1].1;
        for (from, to, said) in [
            (
                "half_at = { value = 25,",
                "half_at = { value = 50,",
                "`half_at` is 50: write 1 to 49",
            ),
            (
                "periods = { value = 2,",
                "periods = { value = 4,",
                "`half_at` parts a game in two: write 2",
            ),
            (
                "[time]",
                "[time]\novertime_minutes = { value = 5, source = \"x\" }",
                "there is no overtime",
            ),
        ] {
            assert!(big3.contains(from), "{from}");
            let told = refusal(&big3.replacen(from, to, 1));
            assert!(told.lines().count() == 1 && told.contains(said), "{to}: {told}");
        }
        let half =
            "periods = { value = 2, source = \"x\" }\nhalf_at = { value = 9, source = \"x\" }";
        let told = refusal(&KNOWN[7].1.replacen(
            "periods = { value = 1, source = \"no clock\" }",
            half,
            1,
        ));
        assert!(told.contains("`half_at` is asked where points end a game"), "{told}");
        let one = KNOWN[2].1.replacen("periods = { value = 4,", "periods = { value = 1,", 1);
        assert!(refusal(&one).contains("one period has no second half"), "{}", refusal(&one));
        // All faults of value at once, in the order of the file.
        let text =
            fiba().replacen("value = 21", "value = 0", 1).replacen("value = 640", "value = 7", 1);
        assert_eq!(refusal(&text).lines().count(), 2, "{}", refusal(&text));
        let text = KNOWN[7].1.to_owned()
            + "[model]\nturnovers = { value = 1, source = \"x\" }\nrebounds = { value = 1, source = \"x\" }\nshots = []\n";
        assert!(refusal(&text).contains("write [win] `target`"), "{}", refusal(&text));
        let of = |key: &str| format!("{key} = {{ value = 1, source = \"x\" }}\n");
        let clock = "[clock]\n".to_owned() + &["shots", "spread", "margin"].map(of).concat();
        let told = refusal(&(fiba().to_owned() + &clock));
        assert!(told.contains("[clock] is asked where a clock ends the game"), "{told}");
    }
}
