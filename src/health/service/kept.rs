//! What must outlive a restart: `{data_dir}/service.json`, one file, written whole before it is told.
//!
//! A cut while it is written leaves what was there: then nobody was told of the new one. A file that
//! cannot be read is put aside: the courts are checked anew, and who overrode says so again.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk::{Disk, Format, Harm, Taken, read_json, take, write_sealed};
use crate::event::service::{Overridden, Vouched};
use crate::event::words::ServiceBy;
use crate::media::Foreign;

/// Its name in the data folder.
const FILE: &str = "service.json";
/// Of that file.
const FORMAT: Format = Format::FIRST;
/// Sixty-four courts with two people's words each.
const MOST_BYTES: u64 = 1 << 20;
/// Courts that are remembered; those that the box has not any more are forgotten first.
const COURTS_MOST: usize = 64;

/// How a court came into service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entered {
    /// By what.
    pub by: ServiceBy,
    /// RFC 3339, where the box knew the time.
    pub since: Option<String>,
    /// What was confirmed when all checks were passed.
    #[serde(default)]
    pub of: Option<Vouched>,
}

/// Of one court.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeptCourt {
    /// It is in service.
    #[serde(default)]
    pub entered: Option<Entered>,
    /// Its rims were confirmed.
    #[serde(default)]
    pub confirmed: Option<Vouched>,
    /// Somebody overrode its checks.
    #[serde(default)]
    pub overridden: Option<Overridden>,
}

/// Of all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// By name.
    #[serde(default)]
    pub courts: BTreeMap<String, KeptCourt>,
}

impl Kept {
    /// Keeps the record within its bound.
    pub(super) fn forget(&mut self, is_there: impl Fn(&str) -> bool) {
        while self.courts.len() > COURTS_MOST {
            let gone = self.courts.keys().find(|court| !is_there(court)).cloned();
            let Some(gone) = gone else { return };
            self.courts.remove(&gone);
        }
    }
}

#[derive(Serialize, Deserialize)]
struct File {
    #[serde(flatten)]
    format: Format,
    #[serde(flatten)]
    kept: Kept,
}

/// The file.
#[derive(Clone, Debug)]
pub struct ServiceStore {
    path: PathBuf,
}

impl ServiceStore {
    /// In the data folder.
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        Self { path: data_dir.join(FILE) }
    }

    /// What was kept, and what somebody must know of it. Blocking.
    #[must_use]
    pub fn take(&self, disk: &dyn Disk) -> (Kept, Option<Foreign>) {
        let read = |bytes: &[u8]| read_json::<File>(bytes, FORMAT);
        match take(disk, &self.path, MOST_BYTES, read) {
            Taken::Nothing => (Kept::default(), None),
            Taken::Is(file) => (file.kept, None),
            Taken::Anew(harm) => (Kept::default(), Some(told(&harm))),
        }
    }

    /// Keeps it. Durable when it returns. Blocking.
    ///
    /// # Errors
    /// What the disk says; then what was there is there.
    pub fn write(&self, disk: &dyn Disk, kept: &Kept) -> io::Result<()> {
        let json = serde_json::to_vec(&File { format: FORMAT, kept: kept.clone() })?;
        write_sealed(disk, &self.path, json)
    }
}

fn told(harm: &Harm) -> Foreign {
    let Harm { path, why, aside, .. } = harm;
    let lies = aside.as_ref().map(|aside| format!("; it lies in {} now", aside.display()));
    Foreign::told(format_args!(
        "which courts are in service cannot be read from {} ({why}){}: confirm their rims again",
        path.display(),
        lies.unwrap_or_default()
    ))
}
