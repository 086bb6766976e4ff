//! The daemon's files of an update: its record, the bundle on its way, what it asks and shows (no network here).
//!
//! Order of a step: the record is read, the next one is on disk, then what it says is done. A cut between the two
//! leaves a record whose deed is done again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, OpenHow, make_folder};
use crate::http::outgoing::PartFile;
use crate::minisign::PublicKey;
use crate::update::papers::{
    ASK, Order, RECORD, Record, Shown, Status, TRIAL, others, read_status, taken, write,
};
use crate::update::sheet::{Here, NotInstalled, Ordered, accept, hashes};
use crate::update::steps::{Act, Fetched, Seen, next, ordered};

/// Behind the SHA-256 of a bundle that was found to be what was ordered.
const WHOLE: &str = ".bundle";

/// See the module.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) disk: Arc<dyn Disk>,
    /// `{data_dir}/update`
    pub(crate) dir: PathBuf,
    /// Root's.
    pub(crate) folder: PathBuf,
    pub(crate) keys: Vec<PublicKey>,
    pub(crate) boot: String,
    /// A version that is not newer is refused here too.
    pub(crate) newer: bool,
}

impl Work {
    /// How far it is. What cannot be read is put aside, and nothing is under way then.
    pub(crate) fn record(&self) -> Record {
        taken(&*self.disk, &self.dir.join(RECORD)).is().unwrap_or_default()
    }

    /// What root tells of this boot.
    pub(crate) fn status(&self) -> Option<Status> {
        read_status(&*self.disk, &self.folder, &self.boot)
    }

    /// Begins an order; the bundle of another one goes.
    pub(crate) fn begin(&self, order: Order) -> io::Result<Record> {
        make_folder(&*self.disk, &self.dir)?;
        let record = ordered(&self.record(), order, self.status().as_ref());
        self.keep(&record)?;
        self.tidy(record.order.as_ref().map(|order| order.sha256.as_str()))?;
        Ok(record)
    }

    fn keep(&self, record: &Record) -> io::Result<()> {
        write(&*self.disk, &self.dir.join(RECORD), record)
    }

    /// One step. What is fetched or asked is the caller's; the rest is done here.
    pub(crate) fn step(&self, seen: &Seen<'_>) -> io::Result<(Record, Act)> {
        let record = self.record();
        let (after, act) = next(&record, seen);
        if after != record {
            self.keep(&after)?;
        }
        match &act {
            Act::Ask(ask) => {
                // Written once: root is woken by the writing.
                if others(&*self.disk, &self.dir.join(ASK)).as_ref() != Some(ask) {
                    write(&*self.disk, &self.dir.join(ASK), ask)?;
                }
            }
            Act::Tidy => self.tidy(None)?,
            Act::Wait | Act::Fetch => {}
        }
        Ok((after, act))
    }

    /// Writes the same ask anew: root may not have been there.
    pub(crate) fn wake(&self, act: &Act) -> io::Result<()> {
        match act {
            Act::Ask(ask) => write(&*self.disk, &self.dir.join(ASK), ask),
            _ => Ok(()),
        }
    }

    /// Says what this boot has shown; written only where it is something else.
    pub(crate) fn show(&self, shown: &Shown) -> io::Result<()> {
        make_folder(&*self.disk, &self.dir)?;
        let path = self.dir.join(TRIAL);
        if others(&*self.disk, &path).as_ref() == Some(shown) {
            return Ok(());
        }
        write(&*self.disk, &path, shown)
    }

    /// What this boot has shown so far.
    pub(crate) fn shown(&self) -> Option<Shown> {
        others(&*self.disk, &self.dir.join(TRIAL)).filter(|shown: &Shown| shown.boot == self.boot)
    }

    /// The bundle, once it was found to be what was ordered.
    pub(crate) fn whole(&self, order: &Order) -> bool {
        self.disk.open(&bundle(&self.dir, &order.sha256), OpenHow::Read).is_ok()
    }

    /// The bundle on its way.
    pub(crate) fn part(&self, order: &Order) -> io::Result<PartFile> {
        PartFile::take_up(&self.disk, &self.dir, &order.sha256)
    }

    /// Checks what has come, and gives it its name; or lets it go.
    pub(crate) fn check(&self, mut part: PartFile, order: &Order) -> io::Result<Fetched> {
        part.keep()?;
        let sums = hashes(&*self.disk.open(&part.path(), OpenHow::Read)?)?;
        let judged = match self.status() {
            Some(status) => accept(&sums, &of(order), &self.here(&status)),
            None => return Ok(Fetched::No),
        };
        match judged {
            Ok(_) => {
                part.becomes(&bundle(&self.dir, &order.sha256))?;
                Ok(Fetched::Whole)
            }
            Err(why) => {
                part.discard()?;
                Ok(Fetched::Never(why.to_string()))
            }
        }
    }

    /// What can be said of an order before anything is fetched.
    pub(crate) fn looks_right(&self, order: &Order, status: &Status) -> Result<(), NotInstalled> {
        crate::update::sheet::looks_right(&of(order), &self.here(status)).map(drop)
    }

    fn here<'a>(&'a self, status: &'a Status) -> Here<'a> {
        let Status { compatible, version, .. } = status;
        Here { keys: &self.keys, compatible, version, refuse_older: self.newer }
    }

    /// Lets go of every bundle but one, and of what was on its way of another.
    fn tidy(&self, but: Option<&str>) -> io::Result<()> {
        for name in self.disk.names(&self.dir).unwrap_or_default() {
            let of = name.strip_suffix(WHOLE);
            if of.is_some() && of != but {
                self.disk.remove(&self.dir.join(&name))?;
            }
        }
        if but.is_none()
            && self.disk.names(&self.dir.join(".part")).is_ok_and(|all| !all.is_empty())
        {
            PartFile::take_up(&self.disk, &self.dir, "")?.discard()?;
        }
        self.disk.sync_dir(&self.dir)
    }
}

/// Where a bundle is that was found to be what was ordered.
pub(crate) fn bundle(dir: &Path, sha256: &str) -> PathBuf {
    dir.join(format!("{sha256}{WHOLE}"))
}

/// What of an order is checked.
fn of(order: &Order) -> Ordered<'_> {
    let Order { sha256, size, signature, version, .. } = order;
    Ordered { sha256, size: *size, signature, version: version.as_deref() }
}
