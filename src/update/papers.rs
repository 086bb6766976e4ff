//! The files between the daemon and root's part, and the records of both.
//!
//! | file | written by | read by |
//! | --- | --- | --- |
//! | `{data_dir}/update/record.json` | daemon | daemon: how far the order is |
//! | `{data_dir}/update/ask.json` | daemon | root: what is asked of it |
//! | `{data_dir}/update/trial.json` | daemon | root: what this boot has shown |
//! | `{folder}/keeper.json` | root | root: how far the slot is |
//! | `{folder}/status.json` | root | daemon, people: what root knows |
//!
//! Each is written whole or not at all, with its checksum. All may be read by the version before, to which a box falls
//! back: **no version may write them in a format that the one before cannot read until it was found good**. A field
//! that a version does not know is kept where it writes a record again.

use std::io;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::disk::{Disk, Format, Taken, read_json, read_whole, take, write_sealed};
use crate::event::words::UpdateStep;

/// The format that this version writes.
pub const UPDATE_FORMAT: Format = Format::FIRST;
/// An ask further ahead of the last one than this is none: who takes the daemon over must not use up the numbers.
pub(crate) const MOST_AHEAD: u64 = 1 << 20;
/// No file of these is longer.
const MOST_BYTES: u64 = 64 << 10;

/// A slot, by the name that RAUC's configuration gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Slot {
    /// nvbootctrl's slot 0.
    A,
    /// nvbootctrl's slot 1.
    B,
}

impl Slot {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// As RAUC calls it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }
}

/// What was ordered, and is kept until it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) url: String,
    pub(crate) sha256: String,
    pub(crate) size: u64,
    pub(crate) signature: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    #[serde(default)]
    pub(crate) now: bool,
}

/// The daemon's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(flatten)]
    pub(crate) format: Format,
    pub(crate) step: UpdateStep,
    /// Number of the newest ask.
    #[serde(default)]
    pub(crate) n: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) order: Option<Order>,
    /// The broker was reached before the restart.
    #[serde(default)]
    pub(crate) broker: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) good: u64,
    #[serde(default)]
    pub(crate) fallen_back: u64,
    #[serde(default)]
    pub(crate) failed: u64,
    /// Members of another version.
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            format: UPDATE_FORMAT,
            step: UpdateStep::Idle,
            n: 0,
            order: None,
            broker: false,
            reason: None,
            good: 0,
            fallen_back: 0,
            failed: 0,
            more: Map::new(),
        }
    }
}

impl Record {
    /// True while something is still to be done.
    pub(crate) const fn is_under_way(&self) -> bool {
        !matches!(
            self.step,
            UpdateStep::Idle
                | UpdateStep::Good
                | UpdateStep::FallenBack
                | UpdateStep::Failed
                | UpdateStep::Other
        )
    }
}

/// What is asked of root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// Write the bundle into the other slot.
    Install,
    /// Start from the other slot.
    Restart,
}

/// `ask.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ask {
    #[serde(flatten)]
    pub(crate) format: Format,
    /// Each ask has a greater one; the same again is the same ask.
    pub(crate) n: u64,
    pub(crate) what: What,
    pub(crate) sha256: String,
    pub(crate) size: u64,
    pub(crate) signature: String,
    /// The broker was reached before: so it must be again.
    #[serde(default)]
    pub(crate) broker: bool,
}

/// `trial.json`: what the daemon can show of this boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// See [`UPDATE_FORMAT`].
    #[serde(flatten)]
    pub format: Format,
    /// Of which boot.
    pub boot: String,
    /// It told systemd READY.
    #[serde(default)]
    pub ready: bool,
    /// A clip went through this machine's decoder and the model that decides.
    #[serde(default)]
    pub clip: bool,
    /// Why it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_fault: Option<String>,
    /// The outbox opened, and takes events.
    #[serde(default)]
    pub outbox: bool,
    /// The broker acknowledged something.
    #[serde(default)]
    pub broker: bool,
    /// A game runs.
    #[serde(default)]
    pub game: bool,
}

impl Shown {
    /// Nothing yet.
    #[must_use]
    pub const fn nothing(boot: String) -> Self {
        Self {
            format: UPDATE_FORMAT,
            boot,
            ready: false,
            clip: false,
            clip_fault: None,
            outbox: false,
            broker: false,
            game: false,
        }
    }
}

/// How far a slot is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The slot that runs is trusted; nothing is under way.
    #[default]
    Nothing,
    /// The other slot is being written: it is bad.
    Writing,
    /// The other slot is whole, and bad until it is armed.
    Installed,
    /// It is, or is about to be, what the box starts from next.
    Armed,
    /// It runs, and has not shown yet that it works.
    Trial,
    /// The one before is to run again.
    GoingBack,
    /// It has shown that it works.
    Good,
    /// The one before runs again.
    FallenBack,
}

/// An ask that root does not follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Which one.
    pub n: u64,
    /// Why.
    pub reason: String,
}

/// `keeper.json`: root's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// See [`UPDATE_FORMAT`].
    #[serde(flatten)]
    pub(crate) format: Format,
    /// The newest ask that was taken up.
    #[serde(default)]
    pub n: u64,
    /// How far it is.
    pub phase: Phase,
    /// Of the bundle.
    #[serde(default)]
    pub sha256: String,
    /// Of the image in it.
    #[serde(default)]
    pub version: String,
    /// Of the image that ran when it was installed.
    #[serde(default)]
    pub was: String,
    /// The slot that ran then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Slot>,
    /// The start of the box that was looked at last: each is counted once, however often root's part begins.
    #[serde(default)]
    pub boot: String,
    /// Starts of the slot while it is on trial.
    #[serde(default)]
    pub starts: u32,
    /// How often it was armed.
    #[serde(default)]
    pub armed: u32,
    /// The boot loader was told.
    #[serde(default)]
    pub told: bool,
    /// The broker must be reached again.
    #[serde(default)]
    pub broker: bool,
    /// Why it goes or went back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The last ask that was not followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
    /// Members of another version.
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            format: UPDATE_FORMAT,
            n: 0,
            phase: Phase::Nothing,
            sha256: String::new(),
            version: String::new(),
            was: String::new(),
            from: None,
            boot: String::new(),
            starts: 0,
            armed: 0,
            told: false,
            broker: false,
            reason: None,
            refused: None,
            more: Map::new(),
        }
    }
}

/// `status.json`: what root tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// See [`UPDATE_FORMAT`].
    #[serde(flatten)]
    pub(crate) format: Format,
    /// Of which boot: of another one, it is not known what runs.
    pub boot: String,
    /// The machine, as RAUC calls it.
    pub compatible: String,
    /// Of the image that runs.
    pub version: String,
    /// The slot that it runs from.
    pub booted: Slot,
    /// How far an update is.
    pub kept: Kept,
}

/// What root tells, and `None` where it told nothing of this boot.
#[must_use]
pub fn read_status(disk: &dyn Disk, folder: &Path, boot: &str) -> Option<Status> {
    // Not taken: it is root's, and nothing of it may be moved.
    let bytes = read_whole(disk, &folder.join(STATUS), MOST_BYTES).ok()?;
    let status: Status = read_json(&bytes, UPDATE_FORMAT).ok()?;
    (status.boot == boot).then_some(status)
}

/// Root's record of an update.
pub(crate) const KEEPER: &str = "keeper.json";
/// What root tells.
pub(crate) const STATUS: &str = "status.json";
/// The daemon's record.
pub(crate) const RECORD: &str = "record.json";
/// What the daemon asks.
pub(crate) const ASK: &str = "ask.json";
/// What the daemon shows.
pub(crate) const TRIAL: &str = "trial.json";

/// Reads one of them; what cannot be read is put aside, and told.
pub(crate) fn taken<T: DeserializeOwned>(disk: &dyn Disk, path: &Path) -> Taken<T> {
    take(disk, path, MOST_BYTES, |bytes| read_json::<T>(bytes, UPDATE_FORMAT))
}

/// Reads one that is somebody else's: what cannot be read is as if it were not there.
pub(crate) fn others<T: DeserializeOwned>(disk: &dyn Disk, path: &Path) -> Option<T> {
    let bytes = read_whole(disk, path, MOST_BYTES).ok()?;
    read_json(&bytes, UPDATE_FORMAT).ok()
}

/// Writes one of them, durably.
pub(crate) fn write<T: Serialize>(disk: &dyn Disk, path: &Path, paper: &T) -> io::Result<()> {
    write_sealed(disk, path, serde_json::to_vec(paper)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{ForgetfulDisk, seal, write_durably};

    #[test]
    fn what_a_newer_version_adds_is_kept_and_what_it_changed_is_put_aside() {
        let disk = ForgetfulDisk::new();
        let path = Path::new("/update/keeper.json");
        disk.create_dir_all(Path::new("/update")).expect("made");
        let put = |json: &str| {
            write_durably(&disk, path, &seal(json.as_bytes().to_vec())).expect("written");
        };
        put(r#"{"format":2,"oldest_reader":1,"phase":"good","n":7,"colour":"blue"}"#);
        let kept: Kept = taken(&disk, path).is().expect("read");
        assert_eq!((kept.n, kept.phase), (7, Phase::Good));
        write(&disk, path, &kept).expect("written");
        let bytes = read_whole(&disk, path, 999).expect("there");
        let json: Value = serde_json::from_slice(&bytes).expect("JSON");
        let found = (&json["colour"], &json["format"], &json["oldest_reader"]);
        assert_eq!(found, (&"blue".into(), &2.into(), &1.into()));
        let newer = r#"{"format":3,"oldest_reader":3,"phase":"elsewhere"}"#;
        put(newer);
        assert!(taken::<Kept>(&disk, path).is().is_none());
        let aside = read_whole(&disk, Path::new("/update/keeper.json.newer-3"), 999);
        assert_eq!(aside.expect("there"), seal(newer.as_bytes().to_vec()), "whole, and aside");
    }

    #[test]
    fn what_root_told_of_another_boot_is_not_believed() {
        let disk = ForgetfulDisk::new();
        let folder = Path::new("/root");
        disk.create_dir_all(folder).expect("made");
        let status = Status {
            format: UPDATE_FORMAT,
            boot: "one".to_owned(),
            compatible: "box".to_owned(),
            version: "0.1.0".to_owned(),
            booted: Slot::A,
            kept: Kept::default(),
        };
        write(&disk, &folder.join(STATUS), &status).expect("written");
        assert_eq!(read_status(&disk, folder, "one"), Some(status));
        assert_eq!(read_status(&disk, folder, "two"), None);
    }
}
