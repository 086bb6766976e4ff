//! Root's part: does what the daemon asks, and judges each start of the box. Run by two units, as `courtside update
//! serve` and `courtside update good`.
//!
//! It believes nothing of the daemon but *when*: the bundle is copied into a folder of root's own and looked at there,
//! what may be installed is decided here, by the keys of the image. `keeper.json` is on disk before each deed, and each
//! deed can be done again. What a cut leaves: before RAUC ends, a slot that is bad and never armed; between the record
//! and the boot loader, an arming that is asked for again; between the boot loader and the restart, a restart.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::disk::{Disk, DiskFile, OpenHow, Taken};
use crate::minisign::PublicKey;
use crate::update::keeper::{
    Rules, Take, Verdict, arming, judged, refusing, started, taken_up, writing,
};
use crate::update::papers::{
    ASK, Ask, KEEPER, Kept, Phase, STATUS, Shown, Slot, Status, TRIAL, UPDATE_FORMAT, others,
    taken, write,
};
use crate::update::sheet::{Here, Ordered, Sheet, accept, hashes};
use crate::update::work::bundle;

/// Root's copy of the bundle.
const COPY: &str = "bundle.raucb";
/// Of a bundle, whatever the daemon says (chosen: a slot has 8 GiB).
const MOST_BYTES: u64 = 8 << 30;
/// Room that a copy leaves: root's own records, events and the ring go before an update.
const KEEP_FREE: u64 = 128 << 20;
/// Bytes that are copied at once.
const PIECE: usize = 1 << 20;

/// What RAUC says of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    /// The machine.
    pub compatible: String,
    /// The slot that runs.
    pub booted: Slot,
    /// The one that is not running.
    pub other: SlotFacts,
}

/// What RAUC says of a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotFacts {
    /// The boot loader may start it.
    pub good: bool,
}

/// Why a program did not do it.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// It said no.
    #[error("{0}")]
    Said(String),
    /// It could not be asked.
    #[error("{what}")]
    Unasked {
        /// Which one, and what to do.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

/// The programs that slots are installed and started by.
pub trait Machine {
    /// What there is.
    ///
    /// # Errors
    /// [`MachineError`].
    fn slots(&self) -> Result<Slots, MachineError>;
    /// Writes a bundle into the slot that does not run, and leaves that one bad.
    ///
    /// # Errors
    /// [`MachineError`].
    fn install(&self, bundle: &Path) -> Result<(), MachineError>;
    /// The slot that runs is good: its tries are given back.
    ///
    /// # Errors
    /// [`MachineError`].
    fn mark_good(&self) -> Result<(), MachineError>;
    /// The other slot is started next.
    ///
    /// # Errors
    /// [`MachineError`].
    fn activate_other(&self) -> Result<(), MachineError>;
    /// The slot that runs is not started again.
    ///
    /// # Errors
    /// [`MachineError`].
    fn mark_bad(&self) -> Result<(), MachineError>;
    /// Restarts the box.
    ///
    /// # Errors
    /// [`MachineError`].
    fn restart(&self) -> Result<(), MachineError>;
}

/// Why root's part stopped.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The disk.
    #[error("keep {path}: {source}; see `courtside doctor`")]
    Disk {
        /// What was to be kept.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// A program.
    #[error(transparent)]
    Machine(#[from] MachineError),
}

/// What it works with.
pub struct RootParts<'a> {
    /// The box's.
    pub disk: Arc<dyn Disk>,
    /// Its programs.
    pub machine: &'a dyn Machine,
    /// `{data_dir}/update`, the daemon's.
    pub theirs: PathBuf,
    /// Root's own.
    pub folder: PathBuf,
    /// Of the image.
    pub keys: Vec<PublicKey>,
    /// Of the image that runs.
    pub version: String,
    /// Names this boot.
    pub boot: String,
    /// What is gone by.
    pub rules: Rules,
    /// Lets the daemon read a file.
    pub opens: &'a dyn Fn(&Path) -> io::Result<()>,
}

/// How a look at a boot ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// On trial: this is lacking yet.
    Waits(String),
    /// The slot that runs is good, and was marked so.
    Good,
    /// The box restarts from the slot before.
    Back,
}

/// See the module.
pub struct Root<'a>(pub RootParts<'a>);

impl Root<'_> {
    /// The record, with this start of the box counted: in whichever part of root's looks first, and once. The record
    /// comes also where it cannot be kept, since a slot that is trusted must be marked good on a full disk too.
    fn kept(&self, booted: Slot) -> (Kept, Result<(), RootError>) {
        let before = self.read(booted);
        let boot = format!("{} {}", self.0.boot, booted.word());
        if before.boot == boot {
            return (before, Ok(()));
        }
        let kept = Kept { boot, ..started(&before, booted, &self.0.rules) };
        let is_kept = self.keep(&kept);
        (kept, is_kept)
    }

    fn read(&self, booted: Slot) -> Kept {
        match taken(&*self.0.disk, &self.0.folder.join(KEEPER)) {
            Taken::Is(kept) => kept,
            Taken::Nothing => Kept::default(),
            // What ran last may have been on trial: it is, until it has shown itself.
            Taken::Anew(_) => Kept {
                phase: Phase::Trial,
                from: Some(booted.other()),
                version: self.0.version.clone(),
                reason: Some("the record of the update was damaged".to_owned()),
                ..Kept::default()
            },
        }
    }

    fn keep(&self, kept: &Kept) -> Result<(), RootError> {
        self.write(KEEPER, kept)
    }

    fn write<T: serde::Serialize>(&self, name: &str, paper: &T) -> Result<(), RootError> {
        let path = self.0.folder.join(name);
        write(&*self.0.disk, &path, paper).map_err(|source| RootError::Disk { path, source })
    }

    /// Tells the daemon how far it is.
    fn tell(&self, kept: &Kept, slots: &Slots) -> Result<(), RootError> {
        let status = Status {
            format: UPDATE_FORMAT,
            boot: self.0.boot.clone(),
            compatible: slots.compatible.clone(),
            version: self.0.version.clone(),
            booted: slots.booted,
            kept: kept.clone(),
        };
        self.write(STATUS, &status)?;
        let path = self.0.folder.join(STATUS);
        (self.0.opens)(&path).map_err(|source| RootError::Disk { path, source })
    }

    /// Does what is asked, once.
    ///
    /// # Errors
    /// [`RootError`]; the same ask once more goes on.
    pub fn serve(&self) -> Result<(), RootError> {
        let slots = self.0.machine.slots()?;
        let (kept, is_kept) = self.kept(slots.booted);
        is_kept?;
        let Some(ask) = others::<Ask>(&*self.0.disk, &self.0.theirs.join(ASK)) else {
            return self.tell(&kept, &slots);
        };
        let kept = match taken_up(&kept, &ask) {
            Take::Nothing => kept,
            Take::Refuse(why) => self.refuse(&kept, &ask, why)?,
            Take::Install => self.install(&kept, &ask, &slots)?,
            Take::Restart => self.arm(&kept, &ask, &slots)?,
        };
        self.tell(&kept, &slots)
    }

    fn refuse(&self, kept: &Kept, ask: &Ask, why: String) -> Result<Kept, RootError> {
        tracing::warn!(why, "an update is refused");
        let kept = refusing(kept, ask, why);
        self.keep(&kept)?;
        Ok(kept)
    }

    fn install(&self, kept: &Kept, ask: &Ask, slots: &Slots) -> Result<Kept, RootError> {
        let sheet = match self.copied(ask, slots) {
            Ok(sheet) => sheet,
            Err(why) => {
                // First: where the disk is full, the record of the refusal needs the room.
                self.let_go();
                return self.refuse(kept, ask, why);
            }
        };
        let version = sheet.version.to_string();
        let kept = writing(kept, ask, version, &self.0.version, slots.booted);
        self.keep(&kept)?;
        self.tell(&kept, slots)?;
        // The slot that runs may have to start often while the other one is none: it has all its tries.
        self.0.machine.mark_good()?;
        match self.0.machine.install(&self.0.folder.join(COPY)) {
            Ok(()) => {}
            Err(MachineError::Said(why)) => return self.refuse(&kept, ask, why),
            Err(error) => return Err(error.into()),
        }
        let kept = Kept { phase: Phase::Installed, ..kept };
        self.keep(&kept)?;
        self.let_go();
        Ok(kept)
    }

    /// Copies the bundle where nobody else writes, and looks at the copy.
    fn copied(&self, ask: &Ask, slots: &Slots) -> Result<Sheet, String> {
        let digits = ask.sha256.bytes().all(|c| c.is_ascii_hexdigit());
        if ask.sha256.len() != 64 || !digits {
            return Err("`sha256` is not 64 hexadecimal digits".to_owned());
        }
        let disk = &*self.0.disk;
        let wrong = |error: io::Error| format!("copy the bundle: {error}");
        let theirs =
            disk.open(&bundle(&self.0.theirs, &ask.sha256), OpenHow::Read).map_err(wrong)?;
        // Before a byte is written: what a file with holes says it has would fill the disk.
        if ask.size > MOST_BYTES || theirs.len().map_err(wrong)? != ask.size {
            return Err("the bundle has not the size that was ordered".to_owned());
        }
        let ours = disk.open(&self.0.folder.join(COPY), OpenHow::CreateOrOpen).map_err(wrong)?;
        ours.set_len(0).map_err(wrong)?;
        let free = disk.free_bytes(&self.0.folder).map_err(wrong)?;
        let needs = ask.size.saturating_add(KEEP_FREE);
        if free < needs {
            return Err(format!(
                "no room for root's copy: it takes {needs} bytes, {free} are free"
            ));
        }
        copy(&*theirs, &*ours, ask.size).map_err(wrong)?;
        disk.sync_dir(&self.0.folder).map_err(wrong)?;
        let sums = hashes(&*ours).map_err(wrong)?;
        // Not by `accept`, which tells the sum: a link would have it told of any file of root's.
        if !sums.sha256.eq_ignore_ascii_case(&ask.sha256) {
            return Err("the bundle is not what was ordered: its sha256 is another".to_owned());
        }
        let (sha256, size, signature) = (&ask.sha256, ask.size, &ask.signature);
        let ordered = Ordered { sha256, size, signature, version: None };
        let here = Here {
            keys: &self.0.keys,
            compatible: &slots.compatible,
            version: &self.0.version,
            refuse_older: self.0.rules.newer,
        };
        accept(&sums, &ordered, &here).map_err(|why| why.to_string())
    }

    fn let_go(&self) {
        // What stays is written over by the next one.
        if let Err(error) = self.0.disk.remove(&self.0.folder.join(COPY))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the copy of a bundle could not be removed");
        }
    }

    fn arm(&self, kept: &Kept, ask: &Ask, slots: &Slots) -> Result<Kept, RootError> {
        let kept = if kept.phase == Phase::Armed { kept.clone() } else { arming(kept, ask) };
        self.keep(&kept)?;
        self.tell(&kept, slots)?;
        self.0.machine.activate_other()?;
        let kept = Kept { told: true, ..kept };
        self.keep(&kept)?;
        self.0.machine.restart()?;
        Ok(kept)
    }

    /// The first thing of each boot: what started, and whether that is trusted.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn begin(&self) -> Result<Looked, RootError> {
        let slots = self.0.machine.slots()?;
        let (kept, is_kept) = self.kept(slots.booted);
        let on_trial = matches!(kept.phase, Phase::Trial | Phase::GoingBack);
        // Before anything is written: a disk that is full or read-only must not cost a slot its tries. And where the
        // slot before cannot be started, the one on trial keeps its own: else three restarts leave the recovery kernel.
        if !on_trial || (self.0.rules.looked && !slots.other.good) {
            self.0.machine.mark_good()?;
        }
        let told = is_kept.and_then(|()| self.tell(&kept, &slots));
        match kept.phase {
            Phase::Trial => {
                if let Err(error) = told {
                    tracing::error!(%error, "a start on trial is not kept");
                }
                self.look(Duration::ZERO)
            }
            Phase::GoingBack => self.go_back(&kept, &slots),
            _ => {
                if let Err(error) = told {
                    tracing::error!(%error, "the daemon is not told which slot runs");
                }
                Ok(Looked::Good)
            }
        }
    }

    /// Judges a boot on trial that runs for `since`. Nothing where it is not.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn look(&self, since: Duration) -> Result<Looked, RootError> {
        let slots = self.0.machine.slots()?;
        let (kept, _) = self.kept(slots.booted);
        match kept.phase {
            Phase::Trial => {}
            Phase::GoingBack => return self.go_back(&kept, &slots),
            _ => return Ok(Looked::Good),
        }
        let shown = others::<Shown>(&*self.0.disk, &self.0.theirs.join(TRIAL));
        let shown = shown.filter(|shown| shown.boot == self.0.boot);
        let rules = &self.0.rules;
        match judged(&kept, shown.as_ref(), since, slots.other.good, rules) {
            Verdict::Wait(lacks) => {
                if kept.reason.as_ref() != Some(&lacks) {
                    let kept = Kept { reason: Some(lacks.clone()), ..kept };
                    if let Err(error) = self.keep(&kept).and_then(|()| self.tell(&kept, &slots)) {
                        tracing::error!(%error, "what the trial lacks is not told");
                    }
                }
                Ok(Looked::Waits(lacks))
            }
            Verdict::Good => {
                let kept = Kept { phase: Phase::Good, reason: None, ..kept };
                self.keep(&kept)?;
                self.0.machine.mark_good()?;
                tracing::info!(version = kept.version, "the slot on trial is good");
                self.tell(&kept, &slots)?;
                Ok(Looked::Good)
            }
            Verdict::Back(why) => {
                let kept = Kept { phase: Phase::GoingBack, reason: Some(why), ..kept };
                // A disk that takes nothing is a reason to go back, not to stay: the slot before tells it then.
                if let Err(error) = self.keep(&kept).and_then(|()| self.tell(&kept, &slots)) {
                    tracing::error!(%error, "the way back is not kept");
                }
                self.go_back(&kept, &slots)
            }
        }
    }

    fn go_back(&self, kept: &Kept, slots: &Slots) -> Result<Looked, RootError> {
        if self.0.rules.looked && !slots.other.good {
            return Ok(Looked::Waits("the slot before cannot be started".to_owned()));
        }
        tracing::error!(why = kept.reason, "the box goes back to the slot before");
        // First what is started, then what is not: a cut between leaves the way back.
        self.0.machine.activate_other()?;
        // The other one is what starts next, whether this one is marked or not.
        if let Err(error) = self.0.machine.mark_bad() {
            tracing::error!(%error, "the slot that is gone back from is not marked bad");
        }
        self.0.machine.restart()?;
        Ok(Looked::Back)
    }
}

fn copy(from: &dyn DiskFile, to: &dyn DiskFile, most: u64) -> io::Result<()> {
    to.set_len(0)?;
    let (mut at, mut piece) = (0, vec![0; PIECE]);
    // One more than was ordered shows that it is another file.
    while at <= most {
        let read = from.read_at(at, &mut piece)?;
        if read == 0 {
            break;
        }
        to.write_at(at, piece.get(..read).unwrap_or_default())?;
        at += read as u64;
    }
    to.sync_data()
}
