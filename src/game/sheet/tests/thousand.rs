//! A thousand games by dice: whatever comes in whatever order, what is told fits together.

use std::collections::{BTreeMap, BTreeSet};

use super::{Hall, court, setup};
use crate::event::game::GameView;
use crate::event::words::{EndWord, GraphicWord, HighlightKind, SocialWord};
use crate::event::{By, Event, FactId, Family, SaidBy, Saying};
use crate::game::input::Standing;
use crate::game::sheet::{Sheet, SheetInput, ShotNews};
use crate::media::{PlayerId, RimId, SessionId, TeamId};

const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_790_000_000 * SECOND;

/// SplitMix64 (public domain): the same seed gives the same game.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn chance(&mut self, of_hundred: u64) -> bool {
        self.below(100) < of_hundred
    }
}

/// One step of a game. Shots are named by a number that wraps round those that there are, so that any
/// step can be left out.
#[derive(Clone, Debug)]
enum Step {
    Shot {
        court: u64,
        after: i64,
        standing: u64,
        points: u64,
        team: u64,
        utc: bool,
    },
    Added {
        court: u64,
        back: i64,
        points: u64,
        team: u64,
        same_session: bool,
    },
    Standing {
        shot: u64,
        to: u64,
        by: By,
    },
    Points {
        shot: u64,
        to: u64,
    },
    Team {
        shot: u64,
        to: u64,
    },
    Player {
        shot: u64,
        to: u64,
    },
    /// The last word on a shot is taken back: the one before it counts again.
    Undo {
        shot: u64,
    },
    /// Old news come again.
    Again {
        shot: u64,
    },
    NewSession {
        court: u64,
    },
    Period {
        to: u64,
        swapped: u64,
    },
    /// The next period, that once more, or the one before.
    Next {
        by: u64,
    },
    /// The next period was tapped so many seconds late, or that which runs began so many seconds ago.
    Late {
        next: bool,
        ago: i64,
    },
    Graphic {
        which: u64,
        word: u64,
    },
    Social {
        which: u64,
        word: u64,
        caption: bool,
    },
    End,
    /// The program stops; what a start folds must be what there was.
    Crash,
    /// A checkpoint is written, and a start goes on from it.
    Checkpoint,
}

const RULES: [&str; 8] =
    ["fiba-3x3", "pickup-11", "big3", "nba-5x5", "pickup-15", "none", "pickup-21", "fiba-5x5"];

fn steps(dice: &mut Dice) -> Vec<Step> {
    let count = 20 + dice.below(90);
    // In half of the games the time of each shot is known: then their order is too.
    let clocked = dice.chance(50);
    let mut made = Vec::new();
    for _ in 0..count {
        let by = if dice.chance(80) { By::Operator } else { By::Look };
        made.push(match dice.below(100) {
            0..55 => Step::Shot {
                court: dice.below(2),
                after: i64::try_from(1 + dice.below(25)).expect("few"),
                standing: dice.below(20),
                points: dice.below(9),
                team: dice.below(10),
                utc: clocked || dice.chance(85),
            },
            55..59 => Step::Added {
                court: dice.below(2),
                back: i64::try_from(dice.below(60)).expect("few"),
                points: dice.below(9),
                team: dice.below(10),
                same_session: clocked || dice.chance(70),
            },
            59..67 => Step::Standing { shot: dice.next(), to: dice.below(4), by },
            67..71 => Step::Points { shot: dice.next(), to: dice.below(9) },
            71..76 => Step::Team { shot: dice.next(), to: dice.below(3) },
            76..79 => Step::Player { shot: dice.next(), to: dice.below(4) },
            79..84 => Step::Undo { shot: dice.next() },
            84..87 => Step::Again { shot: dice.next() },
            87 => Step::NewSession { court: dice.below(2) },
            // Overtime by mistake is among them, and the way back.
            88 => Step::Period { to: 1 + dice.below(5), swapped: dice.below(3) },
            89..93 => Step::Graphic { which: dice.next(), word: dice.below(4) },
            93..96 => {
                Step::Social { which: dice.next(), word: dice.below(3), caption: dice.chance(30) }
            }
            96 if dice.chance(30) => Step::End,
            97 => Step::Crash,
            98 => Step::Checkpoint,
            99 if dice.chance(50) => Step::Next { by: dice.below(3) },
            99 => Step::Late {
                next: dice.chance(60),
                ago: i64::try_from(dice.below(90)).expect("few"),
            },
            _ => Step::Undo { shot: dice.next() },
        });
    }
    made
}

/// What was told, as a listener has it.
#[derive(Default)]
struct Told {
    ids: BTreeSet<String>,
    /// By fact: the last revision, and what it said.
    facts: BTreeMap<FactId, (u32, Saying)>,
}

fn is_back(saying: &Saying) -> bool {
    matches!(
        saying,
        Saying::HighlightWithdrawn(_) | Saying::GraphicWithdrawn(_) | Saying::SocialWithdrawn(_)
    )
}

impl Told {
    /// Takes events in, as they are told; says what does not fit.
    fn take(&mut self, events: &[Event]) -> Result<(), String> {
        for event in events {
            if !self.ids.insert(event.id()) {
                return Err(format!("{} is told twice", event.id()));
            }
            let before = self.facts.get(&event.fact);
            let expected = before.map_or(0, |(revision, _)| revision + 1);
            if event.revision != expected {
                return Err(format!("{} follows {before:?}", event.id()));
            }
            if matches!(event.saying, Saying::HighlightWithdrawn(_)) {
                self.nothing_is_on(event.fact)?;
            }
            if is_back(&event.saying) && before.is_none_or(|(_, saying)| is_back(saying)) {
                return Err(format!("{} takes back what was not told", event.id()));
            }
            if event.game.is_none() || event.fact.family != Some(event.saying.family()) {
                return Err(format!("{} is of no game, or of another family", event.id()));
            }
            self.facts.insert(event.fact, (event.revision, event.saying.clone()));
        }
        Ok(())
    }

    /// At no point of the telling is a candidate of a highlight that is gone.
    fn nothing_is_on(&self, gone: FactId) -> Result<(), String> {
        let gone = gone.to_string();
        let mut candidates =
            self.facts.iter().filter(|(fact, _)| fact.family == Some(Family::SocialCandidate));
        match candidates.find(|(_, (_, saying))| saying.stands_on().contains(&gone)) {
            Some((fact, _)) => Err(format!("{fact} is of {gone}, which is taken back before it")),
            None => Ok(()),
        }
    }

    /// Candidates of which somebody decided, and what.
    fn decided(&self) -> BTreeMap<FactId, SocialWord> {
        let words = self.facts.iter().filter_map(|(fact, (_, saying))| match saying {
            Saying::SocialCandidate(candidate) => Some((*fact, candidate.state)),
            _ => None,
        });
        words.filter(|(_, word)| *word != SocialWord::Proposed).collect()
    }

    /// No fact stands on one that is gone.
    fn stands(&self, shots: &BTreeMap<FactId, Vec<ShotNews>>) -> Result<(), String> {
        for (fact, (_, saying)) in &self.facts {
            for below in saying.stands_on() {
                let below = FactId::parse(&below).ok_or(format!("{below} names no fact"))?;
                let gone = match below.family {
                    Some(Family::Shot) => {
                        let last = shots.get(&below).and_then(|all| all.last());
                        last.is_none_or(|news| news.standing == Standing::NoShot)
                    }
                    _ => self.facts.get(&below).is_none_or(|(_, saying)| is_back(saying)),
                };
                if gone {
                    return Err(format!("{fact} stands on {below}, which is gone"));
                }
            }
        }
        Ok(())
    }
}

/// A run of one game.
struct Run {
    hall: Hall,
    told: Told,
    /// All news of each shot, in order: the last counts.
    shots: BTreeMap<FactId, Vec<ShotNews>>,
    order: Vec<FactId>,
    sessions: [u64; 2],
    /// Shots whose team the rules alone have said.
    by_side: BTreeSet<FactId>,
    numbers: BTreeMap<u64, u32>,
    /// What the game was told, for the time of the last checkpoint on.
    since: Vec<Vec<u8>>,
    all: Vec<Event>,
    /// All that a listener hears, in its order.
    heard: Vec<Heard>,
}

/// What a listener hears.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    /// A shot, from its court.
    Shot(ShotNews),
    /// What follows from it in the game.
    Event(Box<Event>),
}

/// A game by dice: how it stands at its end, and all that was told of it.
pub(crate) fn told(seed: u64) -> (Sheet, Vec<Heard>) {
    let run = played(seed, &steps(&mut Dice(seed))).expect("it holds");
    (run.hall.sheet, run.heard)
}

impl Run {
    fn new(rules: &str, dice: &mut Dice) -> Result<Self, String> {
        let mut made = setup(rules);
        if dice.chance(50) {
            made.attacks = crate::game::sheet::Attacks(
                made.courts
                    .iter()
                    .zip(&made.teams)
                    .map(|(court, team)| crate::game::sheet::Attacked {
                        court: court.clone(),
                        rim: 0,
                        team: Some(team.id.clone()),
                    })
                    .collect(),
            );
        }
        let (_, begun) = Sheet::begin(made.clone());
        let hall = Hall::of(made);
        let since = hall.log.clone();
        let mut told = Told::default();
        told.take(&begun)?;
        let (shots, order, numbers) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        let by_side = BTreeSet::new();
        let heard = begun.iter().cloned().map(|event| Heard::Event(Box::new(event))).collect();
        let (sessions, all) = ([1, 2], begun);
        Ok(Self { hall, told, shots, order, sessions, by_side, numbers, since, all, heard })
    }

    fn shot(&self, number: u64) -> Option<&ShotNews> {
        let count = u64::try_from(self.order.len()).ok().filter(|count| *count > 0)?;
        let place = usize::try_from(number % count).ok()?;
        self.shots.get(self.order.get(place)?)?.last()
    }

    fn team(&self, number: u64) -> Option<TeamId> {
        let [red, blue] = &self.hall.sheet.setup().teams;
        [Some(red.id.clone()), Some(blue.id.clone()), None]
            .get(usize::try_from(number).ok()?)?
            .clone()
    }

    fn points(&self, number: u64) -> u8 {
        let rules = &self.hall.sheet.setup().rules;
        let values = [rules.values.as_slice(), rules.free_throws.as_slice()].concat();
        let place = usize::try_from(number).unwrap_or(0) % values.len();
        if number < 5 { rules.ordinary } else { values[place] }
    }

    /// A shot as a court's book would tell it.
    fn fresh(&mut self, place: u64, after: i64, utc: bool) -> ShotNews {
        let place = usize::try_from(place).expect("few");
        let session = self.sessions[place];
        let n = self.numbers.entry(session).or_default();
        *n += 1;
        let n = *n;
        let name = court(["a", "b"][place]);
        let ordinary = self.hall.sheet.ordinary(&name, RimId(0), None);
        self.hall.second += after;
        ShotNews {
            court: name,
            session: SessionId::from_bits(session),
            fact: FactId::new(SessionId::from_bits(session), Family::Shot, n),
            revision: n % 2,
            attempt: n,
            rim: 0,
            at_ns: self.hall.second * SECOND,
            utc_ns: utc.then_some(START + self.hall.second * SECOND),
            standing: Standing::Made,
            points: ordinary.points,
            points_by: SaidBy::Rules,
            team: ordinary.team,
            player: None,
            by: None,
            who: None,
            reason: None,
            confidence: 9_000,
            undone: false,
        }
    }

    fn tell(&mut self, news: ShotNews) -> Result<(), String> {
        let known = self.shots.entry(news.fact).or_insert_with(|| {
            self.order.push(news.fact);
            Vec::new()
        });
        let is_new = known.is_empty();
        known.push(news.clone());
        self.heard.push(Heard::Shot(news.clone()));
        let decided = self.told.decided();
        self.give(SheetInput::Shot(news))?;
        let now = self.told.decided();
        match decided.iter().find(|(fact, word)| is_new && now.get(*fact) != Some(*word)) {
            Some((fact, word)) => Err(format!("{fact} was {word:?}, until another shot came")),
            None => Ok(()),
        }
    }

    fn again(&mut self, number: u64, how: impl FnOnce(&mut ShotNews)) -> Result<(), String> {
        let Some(mut news) = self.shot(number).cloned() else { return Ok(()) };
        news.revision += 1;
        // One that was added stays one.
        if news.reason.as_deref() != Some("added") {
            news.reason = Some("wrong".to_owned());
        }
        how(&mut news);
        self.tell(news)
    }

    fn give(&mut self, input: SheetInput) -> Result<(), String> {
        let events = self.hall.take(input);
        self.since.push(self.hall.log.last().expect("one").clone());
        self.told.take(&events)?;
        self.heard.extend(events.iter().cloned().map(|event| Heard::Event(Box::new(event))));
        self.all.extend(events);
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Shot { court, after, standing, points, team, utc } => {
                let mut news = self.fresh(court, after, utc);
                news.standing = match standing {
                    0..9 => Standing::Made,
                    9..18 => Standing::Missed,
                    _ => Standing::Unsure,
                };
                news.points = self.points(points);
                if let 0..2 = team {
                    news.team = self.team(team);
                } else if news.team.is_some() && utc {
                    // As its book has it: by the sides of its own time.
                    let (name, utc_ns) = (news.court.clone(), news.utc_ns);
                    news.team = self.hall.sheet.ordinary(&name, RimId(0), utc_ns).team;
                    self.by_side.insert(news.fact);
                }
                self.tell(news)?;
            }
            Step::Added { court, back, points, team, same_session } => {
                let mut news = self.fresh(court, 0, same_session);
                // Not one that was given back: no model called it.
                news.revision = 0;
                news.at_ns -= back * SECOND;
                news.utc_ns = news.utc_ns.map(|utc_ns| utc_ns - back * SECOND);
                news.points = self.points(points);
                news.team = self.team(team % 3);
                (news.by, news.reason) = (Some(By::Operator), Some("added".to_owned()));
                self.tell(news)?;
            }
            Step::Standing { shot, to, by } => self.again(shot, |news| {
                let all = [Standing::Made, Standing::Missed, Standing::Unsure, Standing::NoShot];
                news.standing = all[usize::try_from(to).expect("few")];
                news.by = Some(by);
            })?,
            Step::Points { shot, to } => {
                let points = self.points(to);
                self.again(shot, |news| news.points = points)?;
            }
            Step::Team { shot, to } => {
                let team = self.team(to);
                if let Some(fact) = self.shot(shot).map(|news| news.fact) {
                    self.by_side.remove(&fact);
                }
                self.again(shot, |news| news.team = team)?;
            }
            Step::Player { shot, to } => {
                let player = ["ana", "bo", "7"].get(usize::try_from(to).expect("few"));
                let player = player.map(|name| PlayerId::new(name).expect("a name"));
                self.again(shot, |news| news.player = player)?;
            }
            Step::Undo { shot } => {
                let Some(fact) = self.shot(shot).map(|news| news.fact) else { return Ok(()) };
                let all = &self.shots[&fact];
                let Some(before) = all.len().checked_sub(2).map(|at| all[at].clone()) else {
                    return Ok(());
                };
                self.again(shot, |news| *news = ShotNews { revision: news.revision, ..before })?;
            }
            Step::Again { shot } => {
                let Some(news) = self.shot(shot).cloned() else { return Ok(()) };
                let before = self.all.len();
                self.give(SheetInput::Shot(news))?;
                if self.all.len() != before {
                    return Err("old news told something".to_owned());
                }
            }
            Step::NewSession { court } => {
                let place = usize::try_from(court).expect("few");
                self.sessions[place] += 2;
            }
            Step::Period { to, swapped } => {
                let swapped =
                    [None, Some(true), Some(false)][usize::try_from(swapped).expect("few")];
                let utc_ns = START + self.hall.second * SECOND;
                let n = u16::try_from(to).expect("few");
                self.give(SheetInput::Period { n, swapped, utc_ns, began_ns: None })?;
            }
            Step::Next { by } => {
                let n = (u64::from(self.hall.sheet.period()) + 1).saturating_sub(by).max(1);
                self.step(&Step::Period { to: n.min(40), swapped: 0 })?;
            }
            Step::Late { next, ago } => {
                let n = (self.hall.sheet.period() + u16::from(next)).min(40);
                let utc_ns = START + self.hall.second * SECOND;
                let began_ns = Some(utc_ns - ago * SECOND);
                let input = SheetInput::Period { n, swapped: None, utc_ns, began_ns };
                // What a desk asks first.
                if self.hall.sheet.check(&input).is_ok() {
                    self.give(input)?;
                    self.sided()?;
                    self.follow(n, utc_ns - ago * SECOND)?;
                }
            }
            Step::Graphic { which, word } => {
                let word = GraphicWord::ALL[usize::try_from(word).expect("few")];
                if let Some(fact) = self.any(Family::Graphic, which) {
                    let who = Some("ana".to_owned());
                    let utc_ns = Some(START + self.hall.second * SECOND);
                    self.give(SheetInput::Graphic { fact, word, who, utc_ns })?;
                }
            }
            Step::Social { which, word, caption } => {
                let word = SocialWord::ALL[usize::try_from(word).expect("few")];
                let caption = caption.then(|| "Look!".to_owned());
                if let Some(fact) = self.any(Family::SocialCandidate, which) {
                    self.give(SheetInput::Social { fact, word, caption, who: None })?;
                }
            }
            Step::End => {
                let utc_ns = START + self.hall.second * SECOND;
                self.give(SheetInput::Ended { why: EndWord::Operator, utc_ns })?;
            }
            Step::Crash => self.crash(&self.since)?,
            Step::Checkpoint => {
                self.since = vec![self.hall.sheet.checkpoint().encode().expect("JSON")];
                self.crash(&self.since)?;
            }
        }
        Ok(())
    }

    /// What a court's book does: whose a shot is by the rules alone, it is by the sides of its time.
    fn sided(&mut self) -> Result<(), String> {
        for name in ["a", "b"].map(court) {
            for (fact, team) in self.hall.sheet.sided(&name) {
                let Some(mut news) = self.shots[&fact].last().cloned() else { continue };
                if self.by_side.contains(&fact) && news.player.is_none() {
                    news.revision += 1;
                    news.team = Some(team);
                    self.tell(news)?;
                }
            }
        }
        Ok(())
    }

    /// Each shot whose time is known is of the period that began before it, and of whom its rim was then.
    fn follow(&self, n: u16, began_ns: i64) -> Result<(), String> {
        let view = self.hall.sheet.view();
        let start = view.told.starts.last();
        let began = crate::media::UtcTime::from_nanos(began_ns).to_rfc3339();
        if view.told.half_at.is_none()
            && start.is_none_or(|at| (at.period, &at.time) != (n, &began))
        {
            return Err(format!("{n} began at {began}, told is {start:?}"));
        }
        for line in view.shots.iter().filter(|_| view.told.half_at.is_none()) {
            let Some(utc_ns) = line.utc_ns else { continue };
            if (line.period == n) != (utc_ns / 1_000_000 > began_ns / 1_000_000) {
                return Err(format!("{} is of period {}", line.fact, line.period));
            }
            let fact = FactId::parse(&line.fact).ok_or("a name")?;
            let by_side = self.hall.sheet.ordinary(&line.court, RimId(line.rim), line.utc_ns).team;
            if self.by_side.contains(&fact) && line.player.is_none() && line.team != by_side {
                return Err(format!("{} is {:?}'s", line.fact, line.team));
            }
        }
        Ok(())
    }

    fn any(&self, family: Family, which: u64) -> Option<FactId> {
        let of: Vec<FactId> =
            self.told.facts.keys().filter(|fact| fact.family == Some(family)).copied().collect();
        let count = u64::try_from(of.len()).ok().filter(|count| *count > 0)?;
        of.get(usize::try_from(which % count).ok()?).copied()
    }

    /// A start on this log comes to what there is, byte for byte.
    fn crash(&self, log: &[Vec<u8>]) -> Result<(), String> {
        let folded = Sheet::fold(log).map_err(|(n, error)| format!("entry {n}: {error}"))?;
        let folded = folded.ok_or("nothing was folded")?;
        let bytes = |sheet: &Sheet| sheet.checkpoint().encode().expect("JSON");
        if bytes(&folded) != bytes(&self.hall.sheet) {
            return Err("the log comes to something else".to_owned());
        }
        if folded != self.hall.sheet {
            return Err("what follows from the log is something else".to_owned());
        }
        Ok(())
    }

    /// What holds after every step.
    fn holds(&self) -> Result<(), String> {
        // The score is the sum of the shots, counted here by nothing of the game's own.
        let setup = self.hall.sheet.setup();
        let mut points = [0_u32; 3];
        for news in self.shots.values().filter_map(|all| all.last()) {
            if news.standing == Standing::Made {
                let of_player = news.player.as_ref().and_then(|id| {
                    setup.players.iter().find(|player| player.id == *id).map(|player| &player.team)
                });
                let team = news.team.as_ref().or(of_player);
                let side = team.and_then(|team| setup.teams.iter().position(|t| t.id == *team));
                points[side.unwrap_or(2)] += u32::from(news.points);
            }
        }
        let view = self.hall.sheet.view();
        let [red, blue] = &view.score.teams;
        let told = [red.points, blue.points, view.score.pending.points];
        if told != points {
            return Err(format!("the score is {told:?}, the shots come to {points:?}"));
        }
        self.told.stands(&self.shots)?;
        self.ordered(&view)?;
        self.shown(&view)?;
        self.led(&view)?;
        // What a listener has is what a page begins with.
        let last = |family| {
            let fact = FactId::new(self.hall.sheet.session(), family, 1);
            self.told.facts.get(&fact).map(|(_, saying)| saying.clone())
        };
        for (family, saying) in [
            (Family::Game, Saying::Game(view.told.clone())),
            (Family::Score, Saying::GameScore(view.score.clone())),
            (Family::Momentum, Saying::Momentum(view.momentum.clone())),
            (Family::Leaderboard, Saying::Leaderboard(view.leaderboard.clone())),
        ] {
            if last(family).as_ref() != Some(&saying) {
                return Err(format!("{:?} was told, {saying:?} stands", last(family)));
            }
        }
        let mut standing: BTreeMap<String, Saying> = BTreeMap::new();
        for line in view.graphics {
            standing
                .insert(format!("{}.{}", line.fact, line.revision), Saying::Graphic(line.graphic));
        }
        for line in view.social {
            let saying = Saying::SocialCandidate(line.candidate);
            standing.insert(format!("{}.{}", line.fact, line.revision), saying);
        }
        let open = self.told.facts.iter().filter(|(_, (_, saying))| {
            matches!(saying, Saying::Graphic(_) | Saying::SocialCandidate(_))
        });
        let open: BTreeMap<String, Saying> = open
            .map(|(fact, (revision, saying))| (format!("{fact}.{revision}"), saying.clone()))
            .collect();
        if open != standing {
            return Err(format!("told: {open:#?}\nstanding: {standing:#?}"));
        }
        let cuts: BTreeSet<String> =
            view.highlights.iter().map(|line| format!("{}.{}", line.fact, line.revision)).collect();
        let told = self.told.facts.iter();
        let told = told.filter(|(_, (_, saying))| matches!(saying, Saying::Highlight(_)));
        let told: BTreeSet<String> =
            told.map(|(fact, (revision, _))| format!("{fact}.{revision}")).collect();
        if told != cuts {
            return Err(format!("highlights told: {told:?}, standing: {cuts:?}"));
        }
        let budget = usize::try_from(setup.rules.social).expect("few");
        let proposed = open.values().filter(|saying| {
            matches!(saying, Saying::SocialCandidate(candidate) if candidate.state == SocialWord::Proposed)
        });
        if proposed.count() > budget {
            return Err("more candidates than the budget".to_owned());
        }
        Ok(())
    }
}

impl Run {
    /// Beside what a person added time never runs backwards, whatever court it was on.
    fn ordered(&self, view: &GameView) -> Result<(), String> {
        let mut all = Vec::new();
        for line in &view.shots {
            // A shot whose time nobody knows can stand anywhere, and draws others with it.
            let Some(utc_ns) = line.utc_ns else { return Ok(()) };
            let fact = FactId::parse(&line.fact).ok_or("a name")?;
            let first = self.shots.get(&fact).and_then(|all| all.first());
            let added = first.is_some_and(|news| news.reason.as_deref() == Some("added"));
            all.push((utc_ns, added, fact));
        }
        for (at, (later_ns, later, fact)) in all.iter().enumerate() {
            for (earlier_ns, earlier, before) in &all[..at] {
                if (*later || *earlier) && earlier_ns > later_ns {
                    return Err(format!("{before} stands before {fact}, which was earlier"));
                }
            }
        }
        Ok(())
    }

    /// The winner is the winner and no other is; of a cut there is one candidate, and none that nobody decided on
    /// beside one of which somebody did.
    fn shown(&self, view: &GameView) -> Result<(), String> {
        for line in &view.highlights {
            let won_by = view.score.won_by.as_ref();
            let shows = won_by.is_some_and(|shot| line.shot == *shot || line.with.contains(shot));
            let is_it = line.kind == HighlightKind::Winner;
            if is_it != shows || is_it && Some(&line.shot) != won_by {
                return Err(format!("won by {won_by:?}, and there is {line:?}"));
            }
            let its = view.social.iter().filter(|social| social.candidate.highlight == line.fact);
            let states: Vec<SocialWord> = its.map(|social| social.candidate.state).collect();
            let open = states.iter().filter(|state| **state == SocialWord::Proposed).count();
            if open > 1 || open == 1 && states.len() > 1 {
                return Err(format!("{} has candidates that are {states:?}", line.fact));
            }
        }
        Ok(())
    }

    /// A leaderboard is the sum of the shots of a team's players, counted here by nothing of the game's own.
    fn led(&self, view: &GameView) -> Result<(), String> {
        let setup = self.hall.sheet.setup();
        let mut counted: BTreeMap<(TeamId, PlayerId), [u32; 2]> = BTreeMap::new();
        for news in self.shots.values().filter_map(|all| all.last()) {
            let Some(player) = &news.player else { continue };
            let listed = setup.players.iter().find(|listed| listed.id == *player);
            let team = news.team.clone().or_else(|| listed.map(|listed| listed.team.clone()));
            let counts = matches!(news.standing, Standing::Made | Standing::Missed);
            let Some(team) = team.filter(|_| counts) else { continue };
            let [points, attempts] = counted.entry((team, player.clone())).or_default();
            *points += if news.standing == Standing::Made { u32::from(news.points) } else { 0 };
            *attempts += 1;
        }
        let rows = view.leaderboard.players.iter().filter_map(|row| {
            Some(((row.team.clone(), row.player.clone()?), [row.points, row.attempts]))
        });
        let told: BTreeMap<_, _> = rows.collect();
        if told != counted || told.len() != view.leaderboard.players.len() {
            return Err(format!("players have {told:?}, the shots come to {counted:?}"));
        }
        Ok(())
    }
}

/// Plays steps, and looks after each; at the end the whole log is folded too.
fn play(seed: u64, steps: &[Step]) -> Result<Vec<Event>, String> {
    played(seed, steps).map(|run| run.all)
}

fn played(seed: u64, steps: &[Step]) -> Result<Run, String> {
    let mut dice = Dice(seed);
    let rules = RULES[usize::try_from(seed % 8).expect("few")];
    let mut run = Run::new(rules, &mut dice)?;
    for (n, step) in steps.iter().enumerate() {
        run.step(step)?;
        // Events are looked at as they come; the whole after each step of some games, and of a few of all.
        if seed < 100 || n % 8 == 7 {
            run.holds()?;
        }
    }
    run.holds()?;
    run.crash(&run.hall.log)?;
    if run.since.len() < run.hall.log.len() {
        run.crash(&run.since)?;
    }
    Ok(run)
}

/// The fewest steps that still fail: leaves out halves, quarters, single ones, as long as that helps.
fn shrunk(seed: u64, mut steps: Vec<Step>) -> (Vec<Step>, String) {
    let mut why = play(seed, &steps).expect_err("it fails");
    let mut chunk = steps.len() / 2;
    while chunk > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + chunk).min(fewer.len()));
            match play(seed, &fewer) {
                Err(error) => (steps, why) = (fewer, error),
                Ok(_) => at += chunk,
            }
        }
        chunk /= 2;
    }
    (steps, why)
}

#[test]
fn a_thousand_games_by_dice_fit_together() {
    let mut shots = 0;
    let mut events = 0;
    for seed in 0..1_000 {
        let steps = steps(&mut Dice(seed));
        shots += steps.iter().filter(|step| matches!(step, Step::Shot { .. })).count();
        match play(seed, &steps) {
            Ok(told) => events += told.len(),
            Err(_) => {
                let (steps, why) = shrunk(seed, steps);
                panic!("seed {seed}, {} steps: {why}\n{steps:#?}", steps.len());
            }
        }
    }
    assert!(shots > 30_000 && events > 100_000, "{shots} shots, {events} events: too tame");
}

#[test]
fn the_same_game_is_told_in_the_same_bytes() {
    for seed in [3, 4, 5, 6] {
        let steps = steps(&mut Dice(seed));
        let bytes = || {
            let told = play(seed, &steps).expect("it holds");
            let data = told.iter().filter_map(|event| event.saying.data());
            data.flatten().collect::<Vec<u8>>()
        };
        assert_eq!(bytes(), bytes());
    }
}
