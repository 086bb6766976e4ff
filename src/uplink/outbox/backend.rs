//! The file of the store, on the box's `disk`: every write and sync of redb is one of ours.

use std::io;
use std::path::Path;

use redb::StorageBackend;

use crate::disk::{Disk, DiskFile, OpenHow};

/// One file under a database. The directory's lock keeps others away; redb's own is not needed.
#[derive(Debug)]
pub(super) struct OnDisk {
    file: Box<dyn DiskFile>,
}

impl OnDisk {
    /// Opens the file or makes it. A new name is durable before anything is written.
    ///
    /// # Errors
    /// What the disk says.
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let file = match disk.open(path, OpenHow::ReadWrite) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = disk.open(path, OpenHow::CreateNew)?;
                disk.sync_dir(path.parent().unwrap_or(Path::new(".")))?;
                file
            }
            opened => opened?,
        };
        Ok(Self { file })
    }
}

impl StorageBackend for OnDisk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, data)
    }
}
