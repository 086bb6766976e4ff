//! A file that is not whole yet, in the data folder: bytes, and the record of how many of them count.
//!
//! The order is what makes a cut harmless. Bytes → synced → record (`write_durably`). Before bytes are
//! written over, the record says that none count.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, Format, OpenHow, read_json, take, write_sealed};
use crate::http::outgoing::resume::{BLOCK, Have};

/// The folder of both, below that of models.
const FOLDER: &str = ".part";
const BYTES: &str = "parcel";
const RECORD: &str = "record.json";
/// Bytes of a record.
const MOST_RECORD: u64 = 4 << 10;

/// A file on its way.
#[derive(Debug)]
pub(crate) struct PartFile {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    file: Box<dyn DiskFile>,
    have: Have,
    /// What has come and is no block yet.
    block: Vec<u8>,
}

impl PartFile {
    /// Takes up what there is of the file `of`, or begins it.
    pub(crate) fn take_up(disk: &Arc<dyn Disk>, models: &Path, of: &str) -> io::Result<Self> {
        let folder = models.join(FOLDER);
        disk.create_dir_all(&folder)?;
        let read = |bytes: &[u8]| read_json::<Have>(bytes, Format::FIRST);
        let record = take(&**disk, &folder.join(RECORD), MOST_RECORD, read).is();
        let file = disk.open(&folder.join(BYTES), OpenHow::CreateOrOpen)?;
        let len = file.len()?;
        let mut part = Self {
            disk: Arc::clone(disk),
            folder,
            file,
            have: Have { of: of.to_owned(), ..Have::default() },
            block: Vec::new(),
        };
        match record {
            Some(have) if have.of == of && have.bytes <= len => part.have = have,
            _ => part.begin(Have { of: of.to_owned(), ..Have::default() })?,
        }
        // What was written and never counted.
        part.file.set_len(part.have.bytes)?;
        Ok(part)
    }

    pub(crate) const fn have(&self) -> &Have {
        &self.have
    }

    /// Bytes that have come, on the disk or on the way there.
    pub(crate) fn bytes(&self) -> u64 {
        self.have.bytes + self.block.len() as u64
    }

    /// Goes by this record from here on; one that counts no bytes begins the file anew.
    pub(crate) fn begin(&mut self, have: Have) -> io::Result<()> {
        self.block.clear();
        self.have = have;
        self.note()?;
        self.file.set_len(self.have.bytes)
    }

    /// Takes bytes that came. True when a block was made durable.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> io::Result<bool> {
        let mut whole = false;
        while !bytes.is_empty() {
            let room = BLOCK.saturating_sub(self.block.len()).min(bytes.len());
            let (now, rest) = bytes.split_at(room);
            self.block.extend_from_slice(now);
            bytes = rest;
            if self.block.len() >= BLOCK {
                self.keep()?;
                whole = true;
            }
        }
        Ok(whole)
    }

    /// Makes durable what has come.
    pub(crate) fn keep(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.file.write_at(self.have.bytes, &self.block)?;
        self.file.sync_data()?;
        self.have.bytes += self.block.len() as u64;
        self.block.clear();
        self.note()
    }

    fn note(&self) -> io::Result<()> {
        let record = serde_json::to_vec(&self.have)?;
        write_sealed(&*self.disk, &self.folder.join(RECORD), record)
    }

    /// Where the bytes are.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(BYTES)
    }

    /// Gives the whole file its name. A cut leaves it here or there.
    pub(crate) fn becomes(self, path: &Path) -> io::Result<()> {
        drop(self.file);
        self.disk.rename(&self.folder.join(BYTES), path)?;
        self.disk.sync_dir(path.parent().unwrap_or(Path::new(".")))?;
        self.disk.sync_dir(&self.folder)?;
        self.disk.remove(&self.folder.join(RECORD))
    }

    /// Lets go of all of it.
    pub(crate) fn discard(self) -> io::Result<()> {
        drop(self.file);
        self.disk.remove(&self.folder.join(RECORD))?;
        self.disk.remove(&self.folder.join(BYTES))?;
        self.disk.sync_dir(&self.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{ForgetfulDisk, read_whole};

    #[test]
    fn a_record_that_is_damaged_is_put_aside_and_the_file_begins_anew() {
        let disk = ForgetfulDisk::new();
        let models = Path::new("/box/models");
        let record = models.join(FOLDER).join(RECORD);
        let take_up = |disk: &ForgetfulDisk| {
            let disk: Arc<dyn Disk> = Arc::new(disk.clone());
            PartFile::take_up(&disk, models, "one").expect("taken up")
        };
        let mut part = take_up(&disk);
        part.take(&[7; 100]).expect("taken");
        part.keep().expect("kept");
        assert_eq!(take_up(&disk).bytes(), 100);
        let whole = read_whole(&disk, &record, 999).expect("there");
        let mut turned = whole.clone();
        let digit = whole.windows(3).position(|part| part == b"100").expect("its length");
        turned[digit] ^= 2;
        for damaged in [&b""[..], &vec![0; whole.len()], &whole[..whole.len() / 2], &turned] {
            let disk = disk.apart();
            disk.replace(&record, damaged);
            assert_eq!(take_up(&disk).bytes(), 0);
            assert_eq!(disk.harms().len(), 1, "{damaged:?}");
        }
    }
}
