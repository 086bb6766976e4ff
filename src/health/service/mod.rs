//! Which courts are in service, worked out from what the box says of itself (pure, but for `kept`).
//!
//! A box that hangs on a wall is not in service by that: its camera must publish, its rims must be where
//! the rings are, its model must be quick enough, its events must arrive. In: the state of the box four
//! times a second, and what people say (a confirmation, an override). Out: [`ServiceState`], and what of
//! it must be on disk before anybody is told. Read `checks` (what one look says of each check), then this
//! file (what follows from it), then `kept` (`{data_dir}/service.json`).
//!
//! ```text
//!                                 all checks passed at once
//!  NOTHING: it is checked ─────────────────────────────────────────→ CHECKS: in service ──┐
//!    ↑   │ somebody says so                                            what was checked   │
//!    │   ├──────────────→ OVERRIDE: in service ── all passed ──→ CHECKS  changed, and     │
//!    │   └──────────────→ OVERRIDE: out of it ── confirmed ──→ NOTHING   nobody plays     │
//!    └────────────────────────────────────────────────────────────────────────────────────┘
//!  FILE: in service, while nobody has claimed the box and no line above says otherwise
//! ```
//!
//! What it gates, and what it does not:
//! - **Nothing that the box does hangs on it.** Shots are called, told and recorded before as after: who
//!   hangs the box up wants to see a shot called, and a game that is played meanwhile is not lost. Events
//!   carry nothing new; the state says who may rely on them. A list of units in service is read out of
//!   the retained `state/service`.
//! - **In service is what a person can rely on having been checked, not what works now.** A camera that is
//!   switched off at night, a broker that is away, a model that is late take no court out of service: the
//!   checks go on being told, and `doctor` says what is wrong. Else every unit would fall out every night.
//! - **What was checked changes**: other rims, a picture of another size, a camera that was bumped. Then
//!   it is to be checked anew. A court on which somebody plays stays in service all the same until
//!   nobody has tried a shot for [`PLAY_ENDS`]: a scorer's table that loses its unit in mid-game is worse
//!   than calls on a rim that may be off, which `recheck`, and a fault of `doctor`, say at once. A start
//!   counts as play: nobody knows then whether a game is on.
//! - **By file**: a box that nobody claimed is configured by its file, by somebody who stands beside it.
//!   Its courts are in service by that, and the state says `file`. Once it is claimed they are checked.
//! - **A person's word** counts more than the checks, either way, with who and why, until all checks are
//!   passed (then it is not needed any more), until the rims are confirmed, or until what it was said of
//!   changes.

mod checks;
mod kept;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::event::box_status::{BoxStatus, CourtStatus};
use crate::event::service::{CheckTold, CourtService, Overridden, ServiceState, Vouched};
use crate::event::words::{CheckName, CheckWord, ServiceBy};
use crate::health::doctor::{Finding, findings};
use crate::media::{Foreign, Monotonic};

use crate::health::service::checks::{Verdict, of_box, of_court};
pub use crate::health::service::kept::{Entered, Kept, KeptCourt, ServiceStore};

/// Nobody plays where nobody tried a shot for so long: longer than half-time (FIBA Official Basketball
/// Rules, art. 8.4: 15 minutes).
pub const PLAY_ENDS: Duration = Duration::from_secs(20 * 60);

/// What one look finds.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// What the box says of itself; its `service` is not read.
    pub status: &'a BoxStatus,
    /// Courts of which there is a decoded picture.
    pub decoded: &'a BTreeSet<String>,
    /// Somebody claimed the box.
    pub claimed: bool,
    /// RFC 3339, where the box knows the time.
    pub time: Option<&'a str>,
    /// For how long somebody has not played.
    pub now: Monotonic,
}

/// See the module. What is [`kept`](Self::kept) must be on disk before what a look told is told on.
#[derive(Clone, Debug, Default)]
pub struct Service {
    kept: Kept,
    courts: BTreeMap<String, Watched>,
    checks: Stands,
}

/// Since when each check stands as it does.
type Stands = BTreeMap<CheckName, (CheckWord, Option<String>)>;

/// What is not kept of a court.
#[derive(Clone, Debug)]
struct Watched {
    checks: Stands,
    /// Attempts of its newest score.
    attempts: Vec<u32>,
    played: Monotonic,
    /// In service or not, and since when, as told last.
    stood: Option<(bool, Option<String>)>,
}

impl Service {
    /// Goes on from what was kept.
    #[must_use]
    pub fn of(kept: Kept) -> Self {
        Self { kept, ..Self::default() }
    }

    /// What must be on disk.
    #[must_use]
    pub const fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Somebody saw a court's rims in the picture, and says that they are right. The checks decide again.
    pub fn confirm(&mut self, court: &str, vouched: Vouched) {
        let kept = self.kept.courts.entry(court.to_owned()).or_default();
        (kept.confirmed, kept.overridden) = (Some(vouched), None);
    }

    /// Somebody puts a court in or out of service.
    pub fn overrides(&mut self, court: &str, overridden: Overridden) {
        let kept = self.kept.courts.entry(court.to_owned()).or_default();
        if !overridden.in_service {
            kept.entered = None;
        }
        kept.overridden = Some(overridden);
    }

    /// Looks at all courts.
    pub fn look(&mut self, seen: &Seen<'_>) -> ServiceState {
        let found = findings(seen.status);
        let of_box = of_box(seen.status, &found);
        let box_passed = of_box.iter().all(Verdict::is_passed);
        self.courts.retain(|court, _| seen.status.streams.contains_key(court));
        let mut told = ServiceState::default();
        for (name, status) in &seen.status.streams {
            let court = self.court(name, status, &found, seen, box_passed);
            told.courts.insert(name.clone(), court);
        }
        told.checks = since(&mut self.checks, of_box, seen.time);
        told.in_service =
            !told.courts.is_empty() && told.courts.values().all(|court| court.in_service);
        self.kept.forget(|court| seen.status.streams.contains_key(court));
        told
    }

    fn court(
        &mut self,
        name: &str,
        status: &CourtStatus,
        found: &[Finding],
        seen: &Seen<'_>,
        box_passed: bool,
    ) -> CourtService {
        let watched =
            self.courts.entry(name.to_owned()).or_insert_with(|| Watched::of(status, seen));
        watched.looks(status, seen.now);
        let plays = seen.now.since(watched.played) < PLAY_ENDS;
        let mut kept = self.kept.courts.get(name).cloned().unwrap_or_default();
        let moved = checks::moved(name, found);
        let changed = |of: &Vouched| changed(of, status, moved);
        let stale = kept.confirmed.as_ref().and_then(changed);
        let decoded = seen.decoded.contains(name);
        let verdicts = of_court(&checks::Court {
            name,
            status,
            decoded,
            models: &seen.status.models,
            found,
            confirmed: kept.confirmed.as_ref(),
            stale: stale.as_deref(),
        });
        let of = kept.entered.as_ref().and_then(|entered| entered.of.as_ref());
        let step = Step {
            all_passed: box_passed && verdicts.iter().all(Verdict::is_passed),
            claimed: seen.claimed,
            plays,
            checked: of.and_then(changed),
            overridden: kept.overridden.as_ref().and_then(|of| changed(&of.vouched)),
            time: seen.time,
        };
        let recheck = kept.step(&step);
        let (in_service, by) = kept.stands();
        let watched_since = watched.stands(in_service, seen.time);
        let since_kept =
            kept.entered.as_ref().filter(|_| in_service).and_then(|it| it.since.clone());
        let checks = since(&mut watched.checks, verdicts, seen.time);
        let told = CourtService {
            in_service,
            by,
            since: since_kept.or(watched_since),
            recheck: recheck.map(Foreign::told),
            checks,
            confirmed: kept.confirmed.clone(),
            overridden: kept.overridden.clone(),
        };
        if kept == KeptCourt::default() {
            self.kept.courts.remove(name);
        } else {
            self.kept.courts.insert(name.to_owned(), kept);
        }
        told
    }
}

/// What a court's step hangs on.
struct Step<'a> {
    all_passed: bool,
    claimed: bool,
    plays: bool,
    /// What changed since it was checked.
    checked: Option<String>,
    /// What changed since somebody overrode.
    overridden: Option<String>,
    time: Option<&'a str>,
}

impl KeptCourt {
    /// One step of the drawing; what changed, where it stays in service only because somebody plays.
    fn step(&mut self, at: &Step<'_>) -> Option<String> {
        let entered = self.entered.as_ref().map(|entered| entered.by);
        let enter = |by, of| Some(Entered { by, since: at.time.map(str::to_owned), of });
        match self.overridden.as_ref().map(|overridden| overridden.in_service) {
            Some(false) => {
                self.entered = None;
                return None;
            }
            Some(true) if at.all_passed => {
                self.overridden = None;
                self.entered = enter(ServiceBy::Checks, self.confirmed.clone());
                return None;
            }
            Some(true) => {
                if entered != Some(ServiceBy::Override) {
                    self.entered = enter(ServiceBy::Override, None);
                }
                let changed = at.overridden.as_ref()?;
                if at.plays {
                    return Some(changed.clone());
                }
                (self.overridden, self.entered) = (None, None);
            }
            None => {}
        }
        if at.all_passed {
            match &mut self.entered {
                Some(entered) if entered.by == ServiceBy::Checks => {
                    entered.of.clone_from(&self.confirmed);
                }
                _ => self.entered = enter(ServiceBy::Checks, self.confirmed.clone()),
            }
            return None;
        }
        let Some(entered) = self.entered.as_ref().map(|entered| entered.by) else {
            if !at.claimed {
                self.entered = enter(ServiceBy::File, None);
            }
            return None;
        };
        let changed = match entered {
            ServiceBy::Checks => at.checked.clone()?,
            ServiceBy::File if at.claimed => "the box was claimed since".to_owned(),
            ServiceBy::File => return None,
            _ => "nobody vouches for it any more".to_owned(),
        };
        if at.plays {
            return Some(changed);
        }
        self.entered = None;
        None
    }

    fn stands(&self) -> (bool, ServiceBy) {
        match (&self.overridden, &self.entered) {
            (Some(overridden), _) => (overridden.in_service, ServiceBy::Override),
            (None, Some(entered)) => (true, entered.by),
            (None, None) => (false, ServiceBy::Nothing),
        }
    }
}

impl Watched {
    fn of(status: &CourtStatus, seen: &Seen<'_>) -> Self {
        let attempts = attempts(status);
        Self { checks: Stands::new(), attempts, played: seen.now, stood: None }
    }

    fn looks(&mut self, status: &CourtStatus, now: Monotonic) {
        let attempts = attempts(status);
        if attempts != self.attempts {
            (self.attempts, self.played) = (attempts, now);
        }
    }

    /// Since when it is in service, or out of it.
    fn stands(&mut self, in_service: bool, time: Option<&str>) -> Option<String> {
        if self.stood.as_ref().is_none_or(|(stood, _)| *stood != in_service) {
            self.stood = Some((in_service, time.map(str::to_owned)));
        }
        self.stood.as_ref().and_then(|(_, since)| since.clone())
    }
}

fn attempts(status: &CourtStatus) -> Vec<u32> {
    status.score.as_ref().map(|score| score.attempts.clone()).unwrap_or_default()
}

/// What changed since somebody vouched for a court, in words.
fn changed(of: &Vouched, status: &CourtStatus, moved: Option<&Finding>) -> Option<String> {
    let stream = &status.stream;
    let picture = stream.width.zip(stream.height).map(|(width, height)| [width, height]);
    let drawn_on = status.rims_of.or(picture);
    if of.rims != status.rims || of.rims_of.zip(drawn_on).is_some_and(|(was, is)| was != is) {
        return Some("its rims are others than those that were confirmed".to_owned());
    }
    if let Some((was, is)) = of.picture.zip(picture).filter(|(was, is)| was != is) {
        let [[was_wide, was_high], [wide, high]] = [was, is];
        return Some(format!(
            "its camera sends {wide}x{high} now, and sent {was_wide}x{was_high} when its rims were \
             confirmed"
        ));
    }
    moved.map(|_| "its camera seems to have been moved".to_owned())
}

/// What is told of checks, each with the time since when it stands so.
fn since(stands: &mut Stands, verdicts: Vec<Verdict>, time: Option<&str>) -> Vec<CheckTold> {
    let told = |verdict: Verdict| {
        let stood = stands.get(&verdict.check).filter(|(state, _)| *state == verdict.state);
        let since = stood.map_or_else(|| time.map(str::to_owned), |(_, since)| since.clone());
        stands.insert(verdict.check, (verdict.state, since.clone()));
        verdict.told(since)
    };
    verdicts.into_iter().map(told).collect()
}
