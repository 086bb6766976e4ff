//! What is on disk before anything is sent, and the one rename that makes a box somebody.
//!
//! ```text
//! {data_dir}/identity/next.json      the attempt under way: key, request, claim credential, grant
//!                     current.json   who the box is: an attempt that was committed
//!                     prev.json      who it was before
//!                     told           the last commit that the technician's side has acknowledged
//! ```
//! Commit: `prev.json` written durably, then `next.json` renamed to `current.json`, then the folder
//! synced. A cut before the rename leaves the old identity and the attempt, one after it the new
//! one. Key and certificate are in one file, so none is ever half.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::claim::papers::{Attempt, RequestId, json, read};
use crate::disk::{Disk, Wrong, is_harm, make_folder, put_by, read_whole, unseal, write_sealed};
use crate::media::Foreign;

const DIR: &str = "identity";
const NEXT: &str = "next.json";
const CURRENT: &str = "current.json";
const PREV: &str = "prev.json";
const TOLD: &str = "told";
/// Two keys, two chains of a few certificates, a name or two.
const MOST_BYTES: u64 = 256 << 10;

/// What was found at a start.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Who the box is.
    pub current: Option<Attempt>,
    /// What it is becoming.
    pub next: Option<Attempt>,
    /// The technician's side has acknowledged that `current` is committed.
    pub told: bool,
    /// Files that cannot be read, put aside, in words.
    pub damaged: Vec<Foreign>,
}

/// The disk said no.
#[derive(Debug, thiserror::Error)]
#[error("{what} in {dir}")]
pub struct StoreError {
    /// What was done.
    pub what: &'static str,
    /// Where.
    pub dir: PathBuf,
    /// What the disk says.
    pub source: io::Error,
}

/// True where an identity was committed: somebody claimed the box. Blocking.
#[must_use]
pub fn is_claimed(disk: &dyn Disk, data_dir: &Path) -> bool {
    disk.open(&data_dir.join(DIR).join(CURRENT), crate::disk::OpenHow::Read).is_ok()
}

/// The folder of the identity.
#[derive(Clone, Debug)]
pub struct Store {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl Store {
    /// Opens the folder below `data_dir`, and reads what is there. Blocking.
    ///
    /// # Errors
    /// [`StoreError`] when the disk says no; a file that cannot be understood is no error.
    pub fn open(disk: Arc<dyn Disk>, data_dir: &Path) -> Result<(Self, Held), StoreError> {
        let store = Self { disk, dir: data_dir.join(DIR) };
        make_folder(&*store.disk, &store.dir).map_err(store.said_no("make the folder"))?;
        let mut held = Held::default();
        held.current = store.paper(CURRENT, &mut held.damaged)?.filter(|it: &Attempt| {
            // What was never granted is nobody.
            it.grant.is_some()
        });
        held.next = store.paper(NEXT, &mut held.damaged)?;
        let told: Option<RequestId> = store.paper(TOLD, &mut held.damaged)?;
        held.told = held.current.as_ref().is_some_and(|it| told == Some(it.request));
        Ok((store, held))
    }

    /// Who the box is, for who only looks: nothing is made, and nothing put aside. Blocking.
    #[must_use]
    pub fn look(disk: &dyn Disk, data_dir: &Path) -> Option<Attempt> {
        let path = data_dir.join(DIR).join(CURRENT);
        let bytes = read_whole(disk, &path, MOST_BYTES).ok()?;
        read(unseal(&bytes).ok()?).ok().filter(|it: &Attempt| it.grant.is_some())
    }

    fn said_no(&self, what: &'static str) -> impl Fn(io::Error) -> StoreError + use<> {
        let dir = self.dir.clone();
        move |source| StoreError { what, dir: dir.clone(), source }
    }

    fn paper<T: for<'de> serde::Deserialize<'de>>(
        &self,
        name: &'static str,
        damaged: &mut Vec<Foreign>,
    ) -> Result<Option<T>, StoreError> {
        let path = self.dir.join(name);
        let wrong = match read_whole(&*self.disk, &path, MOST_BYTES) {
            Ok(bytes) => match unseal(&bytes).map(read) {
                Ok(Ok(paper)) => return Ok(Some(paper)),
                Ok(Err(why)) => Wrong::Damaged(why.to_string()),
                Err(wrong) => wrong,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if is_harm(&error) => Wrong::Damaged(error.to_string()),
            Err(error) => return Err(self.said_no("read")(error)),
        };
        let harm = put_by(&*self.disk, &path, wrong);
        // What stays in its place would be written over.
        let aside = harm.aside.ok_or_else(|| io::Error::other(harm.why.clone()));
        let aside = aside.map_err(self.said_no("put aside"))?;
        damaged.push(Foreign::told(format_args!(
            "{} cannot be read ({}): put aside as {}",
            path.display(),
            harm.why,
            aside.display()
        )));
        Ok(None)
    }

    /// Keeps an attempt as it now is. Durable when it returns.
    ///
    /// # Errors
    /// [`StoreError`]; what was kept before is still there.
    pub fn keep(&self, attempt: &Attempt) -> Result<(), StoreError> {
        self.put(NEXT, &json(attempt))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.dir.join(name);
        write_sealed(&*self.disk, &path, bytes.to_vec()).map_err(self.said_no("keep a file"))
    }

    /// Makes the attempt that is kept who the box is. Durable when it returns; after an error it may
    /// or may not have happened, and calling again is right in both cases.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn commit(&self) -> Result<(), StoreError> {
        let [next, current] = [NEXT, CURRENT].map(|name| self.dir.join(name));
        let fails = self.said_no("commit the identity");
        match self.disk.open(&next, crate::disk::OpenHow::Read) {
            Ok(_) => {}
            // The rename was done before.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.disk.sync_dir(&self.dir).map_err(fails);
            }
            Err(error) => return Err(fails(error)),
        }
        match read_whole(&*self.disk, &current, MOST_BYTES) {
            Ok(bytes) => self.put(PREV, &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fails(error)),
        }
        // The commit. Nothing goes back after it.
        self.disk.rename(&next, &current).map_err(&fails)?;
        self.disk.sync_dir(&self.dir).map_err(fails)
    }

    /// Remembers that the technician's side knows of the commit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn told(&self, request: RequestId) -> Result<(), StoreError> {
        self.put(TOLD, &json(&request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{ForgetfulDisk, write_durably};

    #[test]
    fn a_paper_that_is_damaged_is_put_aside_and_told_and_the_box_begins_without_it() {
        let data = Path::new("/box");
        let open =
            |disk: &ForgetfulDisk| Store::open(Arc::new(disk.clone()), data).expect("opened");
        let disk = ForgetfulDisk::new();
        let (store, held) = open(&disk);
        assert!(held.damaged.is_empty());
        store.told(RequestId::fresh().expect("drawn")).expect("kept");
        let path = data.join(DIR).join(TOLD);
        let whole = read_whole(&disk, &path, 999).expect("there");
        assert!(open(&disk).1.damaged.is_empty());
        let mut turned = whole.clone();
        turned[whole.len() / 3] ^= 2;
        let half = &whole[..whole.len() / 2];
        for damaged in [&b""[..], &vec![0; whole.len()], half, &turned, &[0x9b; 70], b"{}"] {
            for name in [TOLD, NEXT, CURRENT] {
                let disk = disk.apart();
                let path = data.join(DIR).join(name);
                write_durably(&disk, &path, damaged).expect("written");
                let (_, held) = open(&disk);
                assert_eq!(held.damaged.len(), 1, "{name}: {damaged:?}");
                let harms = disk.harms();
                let aside = harms[0].aside.as_ref().expect("put aside");
                assert_eq!(read_whole(&disk, aside, 999).expect("there"), damaged);
                assert!(open(&disk).1.damaged.is_empty(), "once");
            }
        }
        disk.fail_reads(TOLD);
        assert_eq!(open(&disk).1.damaged.len(), 1, "what the disk cannot read");
    }
}
