//! What is kept of a started game: its shots in order, and what was told of them. A checkpoint is this.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::words::{EndWord, GraphicKind, GraphicWord, HighlightKind, SocialWord};
use crate::event::{By, FactId};
use crate::game::input::Standing;
use crate::game::sheet::input::{Refused, Setup, ShotNews};
use crate::game::sheet::tally::{Play, Tally, When};

/// Shots that stay in a game's sheet (chosen: three times what a game of NBA has; a game without rules may run for
/// days; a court's book lets the last 200 of its own be corrected). Of those before only the sums are kept.
pub(super) const MOST_SHOTS: usize = 600;

/// Further shots among which a place is looked for where no cut is parted (chosen: what two courts shoot in some
/// minutes).
const LONGEST_CHAIN: usize = 64;

/// Words of people that can be taken back, one after the other (chosen: an operator who looks back at the last
/// minutes corrects some ten shots).
const UNDOABLE: usize = 64;

/// A started game.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) setup: Setup,
    /// The period that is played, as somebody tapped.
    pub(super) period: u16,
    /// True where teams attack other baskets than the rules say in the period that is played. Derived: a version before
    /// this one reads no checkpoint without it.
    pub(super) turned: bool,
    /// From which periods on that is so, or not: somebody tapped so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) turns: Vec<(u16, bool)>,
    /// The same within a period, in rules that have one alone: since when, ns of UTC, in the order in which it was tapped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) turns_within: Vec<(u16, i64, bool)>,
    /// When periods began, ns of UTC, in their order.
    pub(super) marks: Vec<(u16, i64)>,
    pub(super) ended: Option<(EndWord, i64)>,
    /// What all shots that can no longer be corrected came to.
    pub(super) before: Tally,
    /// Those that can be, in the order of the game.
    pub(super) shots: Vec<KeptShot>,
    pub(super) numbers: Numbers,
    pub(super) whole: Whole,
    /// In the order in which they were first told.
    pub(super) graphics: Vec<KeptGraphic>,
    pub(super) social: Vec<KeptSocial>,
    /// Candidates that were approved, and whose shots can no longer be corrected: they keep their places.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) approved_before: u32,
    /// Shots that people said something of, once for each word that was not taken back; the last one last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) corrected: Vec<FactId>,
}

/// The last numbers given to facts of a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Numbers {
    pub(super) highlight: u32,
    pub(super) graphic: u32,
    pub(super) social: u32,
}

/// The facts that a game has one of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Whole {
    pub(super) game: Told,
    pub(super) score: Told,
    pub(super) momentum: Told,
    pub(super) leaderboard: Told,
}

/// How such a fact was told last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) revision: u32,
    /// The shot that changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<FactId>,
}

/// A shot as it stands, with what stands on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptShot {
    pub(super) news: ShotNews,
    /// The period that was played, as somebody tapped.
    pub(super) period: u16,
    /// A person added it: its place in the order is the box's clock's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) added: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) highlight: Option<KeptHighlight>,
}

/// The highlight of a shot, as it was told last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptHighlight {
    pub(super) n: u32,
    pub(super) revision: u32,
    /// False once it was taken back.
    pub(super) stands: bool,
    pub(super) cut: Cut,
    /// How many clips were asked for before this one.
    pub(super) clip: u32,
}

/// What a highlight shows, and how much it is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cut {
    pub(super) kind: HighlightKind,
    /// In tenths, 0 to 1,000.
    pub(super) score: u32,
    pub(super) parts: Parts,
    /// Shots that it shows besides its own, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) with: Vec<FactId>,
    /// Words by which its clip is found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<String>,
    pub(super) from_ns: i64,
    pub(super) to_ns: i64,
}

/// What a score is made of, each in ten thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parts {
    pub(super) leverage: u32,
    pub(super) rarity: u32,
    pub(super) run: u32,
}

/// What a graphic is about; there is one of each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) about: GraphicKind,
    /// The shot that it came with; none of the game's end by somebody's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shot: Option<FactId>,
    /// The team or the player, where one shot can have several.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) of: String,
}

/// A graphic, as it was told last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptGraphic {
    pub(super) key: Key,
    pub(super) n: u32,
    pub(super) revision: u32,
    pub(super) stands: bool,
    pub(super) word: GraphicWord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) who: Option<String>,
    /// When it was taken, ns of UTC; `None` while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) taken_ns: Option<i64>,
}

/// A candidate for social media, as it was told last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptSocial {
    /// The basket with whose highlight it was proposed first; it is of the one that shows that now.
    pub(super) shot: FactId,
    pub(super) n: u32,
    pub(super) revision: u32,
    pub(super) stands: bool,
    pub(super) word: SocialWord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) caption: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) who: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_none(count: &u32) -> bool {
    *count == 0
}

/// True of the first news of a shot that a person added. What models call first has nobody's word; and who gives back a
/// call that was taken back before the game heard of it says so by a later revision.
const fn is_added(news: &ShotNews) -> bool {
    news.by.is_some() && news.revision == 0
}

/// As times are told.
const fn in_millis(ns: i64) -> i64 {
    ns.div_euclid(1_000_000)
}

impl KeptShot {
    pub(super) const fn when(&self) -> When {
        When { session: self.news.session, at_ns: self.news.at_ns, utc_ns: self.news.utc_ns }
    }

    /// True of a basket.
    pub(super) fn made(&self) -> bool {
        self.news.standing == Standing::Made
    }
}

impl Kept {
    /// A game that begins now.
    pub(super) fn new(setup: Setup) -> Self {
        Self {
            period: 1,
            turned: false,
            turns: Vec::new(),
            turns_within: Vec::new(),
            marks: Vec::new(),
            ended: None,
            before: Tally::default(),
            shots: Vec::new(),
            numbers: Numbers::default(),
            whole: Whole::default(),
            graphics: Vec::new(),
            social: Vec::new(),
            approved_before: 0,
            corrected: Vec::new(),
            setup,
        }
    }

    /// Which of the two teams a shot is: what was said of it, or whose player shot.
    pub(super) fn side(&self, news: &ShotNews) -> Option<usize> {
        let said = news.team.as_ref().and_then(|team| self.setup.side(team));
        said.or_else(|| {
            let team = self.setup.team_of(news.player.as_ref()?)?;
            self.setup.side(team)
        })
    }

    /// A shot as the layers see it; `None` of what does not count.
    pub(super) fn play(&self, shot: &KeptShot) -> Option<Play> {
        shot.news.standing.counts().then(|| Play {
            fact: shot.news.fact,
            side: self.side(&shot.news),
            player: shot.news.player.clone(),
            points: u32::from(shot.news.points),
            made: shot.made(),
            period: shot.period,
            when: shot.when(),
        })
    }

    /// Takes news of a shot in: at its place in the game, or over what was known of it. `false`: nothing
    /// new in it.
    pub(super) fn take(&mut self, news: &ShotNews) -> bool {
        if let Some(shot) = self.shots.iter_mut().find(|shot| shot.news.fact == news.fact) {
            if news.revision <= shot.news.revision {
                return false;
            }
            // Its place and its time stay: no revision moves them by more than a blink.
            let (at_ns, utc_ns) = (shot.news.at_ns, shot.news.utc_ns.or(news.utc_ns));
            shot.news = ShotNews { at_ns, utc_ns, ..news.clone() };
            self.note(news);
            return true;
        }
        if news.standing == Standing::NoShot {
            return false;
        }
        self.note(news);
        let place = self.place(news);
        let period = self.period_at(news.utc_ns);
        let added = is_added(news);
        let shot = KeptShot { news: news.clone(), period, added, highlight: None };
        self.shots.insert(place, shot);
        true
    }

    /// Remembers what people said, for who wants the last of it undone.
    fn note(&mut self, news: &ShotNews) {
        if news.undone {
            if let Some(at) = self.corrected.iter().rposition(|fact| *fact == news.fact) {
                self.corrected.remove(at);
            }
        } else if news.by == Some(By::Operator) {
            self.corrected.push(news.fact);
            if self.corrected.len() > UNDOABLE {
                self.corrected.remove(0);
            }
        }
    }

    /// Where a shot stands in the order of the game: inside a session by its time. Between those of its own
    /// session one that a person added stands where the box's clock puts it, and any other after those that are
    /// there, but before what was added of a later time. The recap does the same (`recap::shots`).
    fn place(&self, news: &ShotNews) -> usize {
        let own = |shot: &KeptShot| shot.news.session == news.session;
        let later_there = |shot: &KeptShot| own(shot) && shot.news.at_ns > news.at_ns;
        let to = self.shots.iter().position(later_there).unwrap_or(self.shots.len());
        let before = self.shots.get(..to).unwrap_or_default();
        let from = before.iter().rposition(own).map_or(0, |place| place + 1);
        let between = self.shots.get(from..to).unwrap_or_default();
        let is_later = |shot: &KeptShot| {
            let both = shot.news.utc_ns.zip(news.utc_ns);
            both.is_some_and(|(other, utc_ns)| in_millis(other) > in_millis(utc_ns))
        };
        if is_added(news) {
            return between.iter().position(is_later).map_or(to, |place| from + place);
        }
        let stays = between.iter().rposition(|shot| !(shot.added && is_later(shot)));
        stays.map_or(from, |place| from + place + 1)
    }

    /// The period in which something was: by the clock, if that knows when. In milliseconds, as times are told.
    pub(super) fn period_at(&self, utc_ns: Option<i64>) -> u16 {
        let Some(utc_ns) = utc_ns else { return self.period };
        let is_before = |ns: i64| in_millis(ns) < in_millis(utc_ns);
        let begun = self.marks.iter().rev().find(|(_, began)| is_before(*began));
        begun.map_or(1, |(n, _)| *n)
    }

    /// Whether a period can have begun then: after the one before it, and no later than it is said.
    pub(super) fn fits_between(&self, n: u16, began_ns: i64, now_ns: i64) -> Result<(), Refused> {
        if n == 1 {
            return Err(Refused::FirstPeriod);
        }
        let before = self.marks.iter().rev().find(|(period, _)| *period < n);
        let before_ns = before.map_or(self.setup.start_utc_ns, |(_, began)| *began);
        let fits = before_ns < began_ns && began_ns <= now_ns;
        if fits { Ok(()) } else { Err(Refused::Began { n }) }
    }

    /// A period begins, goes on, or began at another time than was said; one before that which is played takes the
    /// taps since back. Shots are of the periods that this comes to.
    pub(super) fn begin_period(
        &mut self,
        n: u16,
        swapped: Option<bool>,
        utc_ns: i64,
        began_ns: Option<i64>,
    ) {
        let runs = self.period == n;
        let since = self.marks.iter().find(|(period, _)| *period > n).map(|(_, began)| *began);
        self.marks.retain(|(period, _)| *period <= n);
        self.turns.retain(|(period, _)| *period <= n);
        self.turns_within.retain(|(period, ..)| *period <= n);
        match (began_ns, self.marks.iter_mut().find(|(period, _)| *period == n)) {
            (Some(began_ns), Some((_, began))) => *began = began_ns,
            (None, Some(_)) => {}
            (began_ns, None) if n > 1 => {
                self.marks.push((n, began_ns.or(since).unwrap_or(utc_ns)));
            }
            (_, None) => {}
        }
        self.period = n;
        if let Some(swapped) = swapped {
            let turned = swapped != self.setup.rules.swapped(n);
            if runs && began_ns.is_none() && self.setup.rules.periods == 1 {
                // Rules of one period say nothing of when teams change: they do now, and what was shot before stays.
                if self.swapped_at(n, None) != swapped {
                    self.turns_within.push((n, utc_ns, turned));
                }
            } else {
                self.turns.retain(|(period, _)| *period != n);
                self.turns.push((n, turned));
                self.turns_within.retain(|(period, ..)| *period != n);
            }
        }
        self.turned = self.swapped_at(n, None) != self.setup.rules.swapped(n);
        let periods: Vec<u16> = self
            .shots
            .iter()
            .map(|shot| match shot.news.utc_ns {
                Some(utc_ns) => self.period_at(Some(utc_ns)),
                None => shot.period.min(n),
            })
            .collect();
        for (shot, period) in self.shots.iter_mut().zip(periods) {
            shot.period = period;
        }
    }

    /// True if teams attack the other basket at a time of a period than in the first; at its last, where nobody
    /// knows when.
    pub(super) fn swapped_at(&self, period: u16, utc_ns: Option<i64>) -> bool {
        let turn = self.turns.iter().rev().find(|(from, _)| *from <= period);
        let is_since = |(from, since_ns, _): &&(u16, i64, bool)| {
            *from < period
                || *from == period
                    && utc_ns.is_none_or(|utc_ns| in_millis(*since_ns) < in_millis(utc_ns))
        };
        let within = self.turns_within.iter().rev().find(is_since);
        // The later of the two: one within a period comes after that period's own.
        let turned = match (turn, within) {
            (Some((from, _)), Some((within, _, turned))) if within >= from => Some(*turned),
            (Some((_, turned)), _) => Some(*turned),
            (None, within) => within.map(|(.., turned)| *turned),
        };
        self.setup.rules.swapped(period) != turned.unwrap_or(false)
    }

    /// What a checkpoint of an earlier version says otherwise.
    pub(super) fn bring_forward(&mut self) {
        // Said before each turn had its period: it is known of all.
        if self.turned && self.turns.is_empty() && self.turns_within.is_empty() {
            self.turns.push((1, true));
        }
        self.before.bring_forward();
    }

    /// Lets go what can no longer be corrected, with what stands on it: shots of one cut together, so that no cut
    /// that stays is joined anew. `true`: something went.
    pub(super) fn let_go(&mut self) -> bool {
        let over = self.shots.len().saturating_sub(MOST_SHOTS);
        if over == 0 {
            return false;
        }
        let parted: Vec<(usize, usize)> = shown_together(&self.shots);
        let is_whole = |at: &usize| parted.iter().all(|(first, last)| at <= first || last < at);
        // Where two courts never rest for the length of a cut there is no such place: then one cut is shorter.
        let at = (over..=over + LONGEST_CHAIN).find(is_whole).unwrap_or(over);
        for oldest in self.shots.drain(..at).collect::<Vec<_>>() {
            let fact = oldest.news.fact;
            if let Some(play) = self.play(&oldest) {
                self.before.count(&play, &self.setup.rules);
            }
            self.graphics.retain(|graphic| graphic.key.shot != Some(fact));
            let approved = |candidate: &&KeptSocial| {
                candidate.shot == fact && candidate.stands && candidate.word == SocialWord::Approved
            };
            let approved = self.social.iter().filter(approved).count();
            self.approved_before += u32::try_from(approved).unwrap_or(0);
            self.social.retain(|candidate| candidate.shot != fact);
        }
        true
    }
}

/// The first and the last shot of each cut that shows several, by their places.
fn shown_together(shots: &[KeptShot]) -> Vec<(usize, usize)> {
    let places: BTreeMap<FactId, usize> =
        shots.iter().enumerate().map(|(at, shot)| (shot.news.fact, at)).collect();
    let cuts = shots.iter().enumerate().filter_map(|(at, shot)| {
        let its = shot.highlight.as_ref().filter(|its| its.stands)?;
        let others = || its.cut.with.iter().filter_map(|fact| places.get(fact)).copied();
        Some((others().min()?.min(at), others().max()?.max(at)))
    });
    cuts.collect()
}
