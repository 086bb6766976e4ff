//! What is wanted over MQTT, what of it is in force, and what the box goes back to (pure, but for the disk
//! in [`Store`]).
//!
//! ```text
//!            refused ──────────────────────────────────────────────┐
//! wanted ─┬─ taken: in force, the one before it kept ─┬─ nothing hangs on it: good
//!         └─ not newer: refused                       ├─ on trial with the broker: 60 s held → good
//!                                                     │             60 s lost, or 10 min of neither → undone
//!                                                     └─ on trial at the next start: ran for 60 s → good
//!                                                                   cannot start, or 3 starts without → undone
//! ```
//! The whole is one file, `{data_dir}/config/twin.json`, put there by `write_durably` *before* anything is
//! changed by it: so a cut leaves the old or the new configuration, never a half of either. A change that
//! was undone is not tried again, however often the broker brings it: its revision is known.
//!
//! What is not newer is no step back: a broker that kept an old `config/desired` brings it at each
//! connection, after a newer one came over HTTP or by `courtside config push`. It changes nothing, not even
//! what is told of the newer one; that it came, and why it is passed over, is told beside that.
//!
//! A change is on trial with the broker only if it can lose it (`uplink.…`, and `box.name`, by which a
//! broker's rights go) and the broker was reached within the last minute: a box that is offline anyway
//! keeps what it is told on the spot.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::config::overlay::{Overlay, WHOLE};
use crate::config::site::{Site, SiteRims};
use crate::disk::{Disk, Format, Taken, Wrong, read_json, read_whole, take, write_sealed};
use crate::event::twin::{Change, DesiredTold, Refusal};
use crate::event::words::{Applies, DesiredOutcome};
use crate::floor::FloorDrawn;
use crate::media::{Foreign, Monotonic};

/// A broker that is not reached for so long is lost (DESIGN §4.6); one that holds for so long is good.
pub const LOST: Duration = Duration::from_secs(60);
/// A link that does neither for so long comes and goes: it is no good one (chosen).
pub const UNDECIDED: Duration = Duration::from_secs(600);
/// A box that began so often with a configuration and never ran for a minute cannot run with it (chosen:
/// a technician who pulls the plug twice meanwhile does not undo it).
const STARTS_MOST: u32 = 3;
/// Of `config/desired`, and of a file that is pushed.
pub const DESIRED_MOST_BYTES: usize = 256 << 10;
/// Two of these, and what was told.
const FILE_MOST_BYTES: u64 = 4 << 20;
/// Refusals that are kept and told of one configuration.
const TOLD_MOST: usize = 50;
/// Its folder and its file, below the data folder.
pub const FOLDER: &str = "config";
const FILE: &str = "twin.json";
/// Of that file.
pub const FORMAT: Format = Format::FIRST;

/// A configuration that somebody wanted, under its revision.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// 0 for the file alone.
    pub revision: u64,
    /// What is laid over the file.
    pub overlay: Overlay,
}

/// What is still to be seen of the configuration in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// It can lose the broker, which was reached before it.
    pub link: bool,
    /// Some of it waits for the next start.
    pub waits: bool,
    /// What waits can lose the broker, which was reached before it.
    pub waits_link: bool,
    /// Starts with it, none of which lived for a minute yet.
    pub starts: u32,
}

/// See the module.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Twin {
    /// The highest revision that came, taken or not.
    pub seen: u64,
    /// SHA-256 of what came under it.
    seen_hash: String,
    /// In force, or will be at the next start.
    pub force: Wanted,
    /// What is gone back to, while `force` is on trial.
    good: Option<Wanted>,
    /// While it is.
    pub trial: Option<Trial>,
    /// What became of the newest one that came.
    pub told: Option<DesiredTold>,
    /// Why one that came after it and was not newer, or could not be read, is passed over.
    #[serde(default)]
    pub passed_over: Option<DesiredTold>,
    /// Rims and floors that were confirmed in the picture, under what is wanted.
    #[serde(default)]
    pub site: Site,
}

impl fmt::Debug for Twin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seen, force, trial, told, .. } = self;
        let revision = force.revision;
        write!(f, "Twin(seen {seen}, revision {revision} in force, {trial:?}, {told:?})")
    }
}

/// What becomes of a configuration that came.
#[derive(Clone, Debug, PartialEq)]
pub enum Came {
    /// It is the one that is known: nothing is to be done.
    Known,
    /// It is not taken: the twin as it is then.
    Refused(Box<Twin>),
    /// It is taken: the twin as it is then. To disk first, then into force.
    Taken(Box<Twin>),
}

/// How the world is when a configuration comes.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// What it changes of what the box runs with, if it was found right; else what is wrong with it.
    pub checked: Option<Result<Vec<Change>, Vec<Refusal>>>,
    /// The broker was reached within [`LOST`].
    pub has_broker: bool,
}

impl Twin {
    /// A configuration came, under a revision. Whether it is right need not be known of one that is not
    /// newer.
    #[must_use]
    pub fn came(&self, wanted: Wanted, circumstances: Circumstances) -> Came {
        let hash = hash(&wanted.overlay.exposed());
        let revision = wanted.revision;
        if revision == self.seen && hash == self.seen_hash {
            return Came::Known;
        }
        if revision <= self.seen {
            let known = self.seen;
            let reason = if revision == known {
                format!("{revision} is known with other content: count up")
            } else {
                format!("{revision} is older than {known}, which is known: count up")
            };
            return Came::Refused(Box::new(
                self.passing(revision, vec![about("revision", reason)]),
            ));
        }
        let seen = Self { seen: revision, seen_hash: hash, passed_over: None, ..self.clone() };
        let changes = match circumstances.checked {
            Some(Ok(changes)) => changes,
            Some(Err(errors)) => return Came::Refused(Box::new(seen.refusing(revision, errors))),
            None => {
                let errors = vec![about(WHOLE, "it was not looked at: send it again, counted up")];
                return Came::Refused(Box::new(seen.refusing(revision, errors)));
            }
        };
        let at_once = |change: &&Change| change.applies != Applies::Restart;
        let can_lose = |change: &Change| {
            change.path.starts_with("uplink.") || change.path.starts_with("box.name")
        };
        let has_broker = circumstances.has_broker;
        // The changes are those of what runs: what of that is on trial itself, stays so.
        let on = self.trial.unwrap_or_default();
        let started = on.waits && on.starts > 0;
        let trial = Trial {
            link: on.link || has_broker && changes.iter().filter(at_once).any(can_lose),
            waits: started || changes.iter().any(|change| !at_once(&change)),
            waits_link: started && on.waits_link
                || has_broker && changes.iter().filter(|c| !at_once(c)).any(can_lose),
            starts: on.starts,
        };
        let on_trial = trial.link || trial.waits;
        let outcome = if trial.link { DesiredOutcome::Trying } else { DesiredOutcome::Applied };
        // What is on trial itself is nothing to go back to.
        let good = self.good.clone().unwrap_or_else(|| self.force.clone());
        Came::Taken(Box::new(Self {
            good: on_trial.then_some(good),
            trial: on_trial.then_some(trial),
            told: Some(DesiredTold { revision, outcome, errors: Vec::new() }),
            force: wanted,
            ..seen
        }))
    }

    /// A configuration came that could not even be read; `revision` is 0 where it names none.
    #[must_use]
    pub fn unreadable(&self, revision: u64, reason: Foreign) -> Self {
        let path = Foreign::told(WHOLE);
        self.passing(revision, vec![Refusal { path, reason }])
    }

    /// Nothing is made of it: what is told of the newest one stays.
    fn passing(&self, revision: u64, mut errors: Vec<Refusal>) -> Self {
        errors.truncate(TOLD_MOST);
        let outcome = DesiredOutcome::Refused;
        Self { passed_over: Some(DesiredTold { revision, outcome, errors }), ..self.clone() }
    }

    /// The rims of one court are confirmed to be these.
    #[must_use]
    pub fn with_rims(&self, court: &str, rims: SiteRims) -> Self {
        let mut site = self.site.clone();
        site.entry(court.to_owned()).or_default().rims = Some(rims);
        Self { site, ..self.clone() }
    }

    /// The floor of one court is confirmed to lie so.
    #[must_use]
    pub fn with_floor(&self, court: &str, floor: FloorDrawn) -> Self {
        let mut site = self.site.clone();
        site.entry(court.to_owned()).or_default().floor = Some(floor);
        Self { site, ..self.clone() }
    }

    fn refusing(&self, revision: u64, mut errors: Vec<Refusal>) -> Self {
        errors.truncate(TOLD_MOST);
        let outcome = DesiredOutcome::Refused;
        Self { told: Some(DesiredTold { revision, outcome, errors }), ..self.clone() }
    }

    /// A start begins. What to write before anything is built, if that is other than what is there.
    #[must_use]
    pub fn starting(&self) -> Option<Self> {
        let trial = self.trial?;
        if !trial.waits {
            return None;
        }
        let starts = trial.starts + 1;
        if starts > STARTS_MOST {
            let reason = format!(
                "{STARTS_MOST} starts with it, and none lived for {} s: the one before it is in force",
                LOST.as_secs()
            );
            return Some(self.undone(reason));
        }
        let link = trial.link || trial.waits_link;
        let outcome = if link { DesiredOutcome::Trying } else { DesiredOutcome::Applied };
        let told = self.told.clone().map(|told| match told.outcome {
            DesiredOutcome::Applied | DesiredOutcome::Trying => DesiredTold { outcome, ..told },
            _ => told,
        });
        Some(Self { trial: Some(Trial { link, starts, ..trial }), told, ..self.clone() })
    }

    /// Goes back to the last good one.
    #[must_use]
    pub fn undone(&self, reason: impl fmt::Display) -> Self {
        let errors = vec![about(WHOLE, reason)];
        let told =
            DesiredTold { revision: self.force.revision, outcome: DesiredOutcome::Undone, errors };
        Self {
            force: self.good.clone().unwrap_or_default(),
            good: None,
            trial: None,
            told: Some(told),
            ..self.clone()
        }
    }

    /// What was on trial with the broker, or at a start, has shown to be good. `started` where this start
    /// began with what waited for it.
    #[must_use]
    pub fn held(&self, started: bool) -> Self {
        let told = self.told.clone().map(|told| match told.outcome {
            DesiredOutcome::Trying => DesiredTold { outcome: DesiredOutcome::Applied, ..told },
            _ => told,
        });
        let trial = self.trial.map(|trial| Trial {
            link: false,
            waits: trial.waits && !started,
            waits_link: trial.waits_link && !started,
            ..trial
        });
        let trial = trial.filter(|trial| trial.waits);
        let good = self.good.clone().filter(|_| trial.is_some());
        Self { trial, good, told, ..self.clone() }
    }

    /// The file has changed so that what was wanted does not fit it any more: it goes, and is told.
    #[must_use]
    pub fn let_go(&self, errors: Vec<Refusal>) -> Self {
        let gone = Self { force: Wanted::default(), good: None, trial: None, ..self.clone() };
        gone.refusing(self.force.revision, errors)
    }
}

fn about(path: &str, reason: impl fmt::Display) -> Refusal {
    Refusal { path: Foreign::told(path), reason: Foreign::told(reason) }
}

/// SHA-256 of JSON without spaces, members sorted, in hexadecimal.
#[must_use]
pub fn hash(json: &Json) -> String {
    let digest = Sha256::digest(json.to_string().as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a trial has seen since it began (pure).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watching {
    /// The link decides; else it is enough that the box runs.
    link: bool,
    begun: Monotonic,
    /// The broker is reached, or not, since then.
    is_held: bool,
    since: Monotonic,
}

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Well.
    Held,
    /// The broker was lost with it.
    Lost,
}

impl Watching {
    /// Begins to look, with no broker reached yet.
    #[must_use]
    pub const fn begin(link: bool, now: Monotonic) -> Self {
        Self { link, begun: now, is_held: false, since: now }
    }

    /// Looks: whether the broker is reached now.
    pub fn look(&mut self, now: Monotonic, connected: bool) -> Option<Ended> {
        if !self.link {
            return (now.since(self.begun) >= LOST).then_some(Ended::Held);
        }
        if connected != self.is_held {
            (self.is_held, self.since) = (connected, now);
        }
        if now.since(self.since) >= LOST {
            return Some(if connected { Ended::Held } else { Ended::Lost });
        }
        (now.since(self.begun) >= UNDECIDED).then_some(Ended::Lost)
    }
}

/// Where the twin is kept. Its file is written before anything is changed by it.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    format: Format,
    #[serde(flatten)]
    twin: Twin,
}

impl Store {
    /// Below the data folder.
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        Self { path: data_dir.join(FOLDER).join(FILE) }
    }

    /// What is kept; nothing, where nothing is. What cannot be read is told: then the box's file rules.
    ///
    /// # Errors
    /// Why, in words.
    pub fn read(&self, disk: &dyn Disk) -> Result<Twin, Foreign> {
        let bytes = match read_whole(disk, &self.path, FILE_MOST_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Twin::default()),
            Err(error) => return Err(self.told(error)),
        };
        match read_json::<Kept>(&bytes, FORMAT) {
            Ok(kept) => Ok(kept.twin),
            Err(Wrong::Newer(_)) => Err(self.told("a newer version of the program wrote it")),
            Err(Wrong::Damaged(why)) => Err(self.told(why)),
        }
    }

    /// The same for a box that starts: what cannot be read is put aside, so that it can be written anew.
    #[must_use]
    pub fn take(&self, disk: &dyn Disk) -> (Twin, Option<Foreign>) {
        let read = |bytes: &[u8]| read_json::<Kept>(bytes, FORMAT);
        let harm = match take(disk, &self.path, FILE_MOST_BYTES, read) {
            Taken::Nothing => return (Twin::default(), None),
            Taken::Is(kept) => return (kept.twin, None),
            Taken::Anew(harm) => harm,
        };
        let lies = harm.aside.map(|aside| format!("; it lies in {} now", aside.display()));
        let told = format!("{}{}", self.told(harm.why), lies.unwrap_or_default());
        (Twin::default(), Some(Foreign::told(told)))
    }

    fn told(&self, why: impl fmt::Display) -> Foreign {
        Foreign::told(format_args!(
            "what was wanted over MQTT cannot be read from {} ({why}): the box's file alone is in force",
            self.path.display()
        ))
    }

    /// Keeps it: afterwards a start finds it, and before that what was there.
    ///
    /// # Errors
    /// What the disk says; then what was there is there.
    pub fn write(&self, disk: &dyn Disk, twin: &Twin) -> io::Result<()> {
        let kept = Kept { format: FORMAT, twin: twin.clone() };
        let json = serde_json::to_vec(&kept).map_err(io::Error::other)?;
        if json.len() as u64 > FILE_MOST_BYTES {
            return Err(io::Error::other("it is too large to be kept"));
        }
        disk.create_dir_all(self.path.parent().unwrap_or(Path::new(".")))?;
        write_sealed(disk, &self.path, json)
    }
}

#[cfg(test)]
mod tests;
