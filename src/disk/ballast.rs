//! Room that is given up when there is none left (DESIGN R9).

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::{Disk, OpenHow};

/// A file that only takes room. The outbox gives it up when a commit meets ENOSPC and commits once
/// more; the ring makes it again when there is room. Clones share one file.
#[derive(Clone, Debug)]
pub struct Ballast {
    shared: Arc<BallastState>,
}

#[derive(Debug)]
struct BallastState {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    bytes: u64,
    // Held through the file operations: giving up and making again must not overlap. Nobody else
    // waits for it: the ring's writer asks `is_held` once in seconds.
    held: Mutex<bool>,
}

impl Ballast {
    /// A ballast of `bytes` at `path`; held if a file of that length is there.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, path: PathBuf, bytes: u64) -> Self {
        let held = disk
            .open(&path, OpenHow::Read)
            .and_then(|file| file.len())
            .is_ok_and(|len| len >= bytes);
        Self { shared: Arc::new(BallastState { disk, path, bytes, held: Mutex::new(held) }) }
    }

    /// Gives the room up. Returns false if there was none to give.
    #[must_use = "false means that trying again has no chance"]
    pub fn release(&self) -> bool {
        let mut held = self.shared.held.lock();
        if !*held {
            return false;
        }
        *held = false;
        // Removing frees the room at once; whether the name survives a cut does not matter.
        self.shared.disk.remove(&self.shared.path).is_ok()
    }

    /// Takes the room again. Does nothing if it is held.
    ///
    /// # Errors
    /// What the file system says; half a ballast is removed.
    pub fn remake(&self) -> io::Result<()> {
        let shared = &self.shared;
        let mut held = shared.held.lock();
        if *held {
            return Ok(());
        }
        let made = shared
            .disk
            .open(&shared.path, OpenHow::CreateOrOpen)
            .and_then(|file| file.allocate(shared.bytes));
        match made {
            Ok(()) => *held = true,
            // Half a ballast would take room and never be found held.
            Err(_) => shared.disk.remove(&shared.path)?,
        }
        made
    }

    /// True while there is room to give up.
    #[must_use]
    pub fn is_held(&self) -> bool {
        *self.shared.held.lock()
    }

    /// What is left of `free` once the ballast is there again.
    #[must_use]
    pub fn room_beside(&self, free: u64) -> u64 {
        if self.is_held() { free } else { free.saturating_sub(self.shared.bytes) }
    }

    /// Its size.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::disk::ForgetfulDisk;

    #[test]
    fn ballast_gives_room_once_and_is_made_again() {
        let disk = Arc::new(ForgetfulDisk::with_capacity(1000));
        let path = PathBuf::from("/ring/ballast");
        disk.create_dir_all(Path::new("/ring")).expect("dir");
        let ballast = Ballast::new(Arc::clone(&disk) as Arc<dyn Disk>, path, 600);
        assert!(!ballast.release());
        ballast.remake().expect("room");
        let file = disk.open(Path::new("/ring/x"), OpenHow::CreateNew).expect("file");
        file.write_at(0, &[1; 500]).expect_err("full");
        assert!(ballast.release());
        file.write_at(0, &[1; 500]).expect("fits now");
        ballast.remake().expect_err("no room");
        assert!(!ballast.is_held());
        file.set_len(0).expect("cut");
        ballast.remake().expect("room again");
        assert!(ballast.is_held());
    }
}
