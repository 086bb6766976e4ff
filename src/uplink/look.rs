//! Whether the stores of a box are whole, from outside: nothing is written, no lock is taken, and the box may run.
//!
//! A store is copied into memory until two copies are the same: then nothing was written meanwhile, and the copy is
//! what a process that ended then would have left, which the next start can open. One that is written all the time,
//! or is larger than [`MOST_BYTES`], is not looked at: its box looks at it.

use std::path::Path;

use redb::backends::InMemoryBackend;
use redb::{Database, StorageBackend as _};

use crate::disk::{Disk, Harm, has_run, is_harm, read_whole};
use crate::media::Foreign;
use crate::uplink::caught::caught;
use crate::uplink::inbox;
use crate::uplink::outbox::{self, tables::StoreError};

/// Larger stores are not copied (chosen: an eighth of a small machine's memory).
const MOST_BYTES: u64 = 256 << 20;
/// Copies that are made until two are the same.
const COPIES: usize = 6;

/// What is wrong with the stores below a data folder. Blocking.
#[must_use]
pub fn look_at_stores(disk: &dyn Disk, data_dir: &Path) -> Vec<Harm> {
    let dir = data_dir.join("outbox");
    // A folder that cannot be read is told by whoever opens it.
    let Ok(entries) = disk.list(&dir) else {
        let is_lost = has_run(disk, data_dir);
        let why = "the folder is not there, though this box had one".to_owned();
        let harm = Harm { path: dir, why, aside: None, newer: false };
        return is_lost.then_some(harm).into_iter().collect();
    };
    let all = [
        (outbox::open::FILE, outbox::open::lost(disk, &dir, &entries)),
        (inbox::FILE, inbox::lost(disk, &dir, &entries)),
    ];
    let wrong = |(name, lost): (&str, Option<&str>)| {
        let path = dir.join(name);
        let there = entries.iter().find(|entry| entry.name == name);
        let why = match (lost, there) {
            (Some(lost), _) => Some(lost.to_owned()),
            (None, Some(entry)) if entry.is_dir => Some("it is a folder".to_owned()),
            (None, Some(entry)) if entry.len > 0 && entry.len <= MOST_BYTES => {
                wrong_with(disk, &path)
            }
            (None, _) => None,
        };
        why.map(|why| Harm { path, why, aside: None, newer: false })
    };
    all.into_iter().filter_map(wrong).collect()
}

fn wrong_with(disk: &dyn Disk, path: &Path) -> Option<String> {
    let mut before: Option<Vec<u8>> = None;
    for _ in 0..COPIES {
        match read_whole(disk, path, MOST_BYTES) {
            Ok(bytes) if before.as_ref() == Some(&bytes) => return judge(bytes),
            Ok(bytes) => before = Some(bytes),
            Err(error) => return is_harm(&error).then(|| error.to_string()),
        }
    }
    None
}

/// What is wrong with the bytes of a store.
fn judge(bytes: Vec<u8>) -> Option<String> {
    /// All that one look reads, it reads once.
    const CACHE_BYTES: usize = 1 << 20;
    let disk = |error: redb::DatabaseError| StoreError::Disk(Box::new(error.into()));
    let looked = caught(|| -> Result<(), StoreError> {
        let builder = &mut Database::builder();
        let builder = builder.set_cache_size(CACHE_BYTES);
        let copy = InMemoryBackend::new();
        let filled = copy.set_len(bytes.len() as u64).and_then(|()| copy.write(0, &bytes));
        filled.map_err(|error| StoreError::Disk(Box::new(redb::Error::Io(error))))?;
        drop(bytes);
        let mut database = builder.create_with_backend(copy).map_err(disk)?;
        database.check_integrity().map_err(disk).map(|_repaired| ())
    });
    let error = looked.map_err(StoreError::from).flatten().err()?;
    Some(format!("it is no whole store ({})", Foreign::error(&error)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{Chance, ManualClock};
    use crate::disk::{ForgetfulDisk, write_durably};
    use crate::uplink::tests::settings;
    use crate::uplink::{Hooks, Uplink};

    fn files(disk: &ForgetfulDisk) -> Vec<(std::path::PathBuf, Vec<u8>)> {
        let read = |path: std::path::PathBuf| {
            let bytes = read_whole(disk, &path, 1 << 30).expect("there");
            (path, bytes)
        };
        disk.files().into_iter().map(read).collect()
    }

    #[test]
    fn a_store_that_is_damaged_emptied_or_missing_is_seen_and_a_look_changes_nothing() {
        let forgetful = ForgetfulDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(forgetful.clone());
        let data = Path::new("/box");
        let of_box = settings(data.join("outbox"));
        let clock = ManualClock::at(crate::media::UtcTime::from_nanos(1_800_000_000_000_000_000));
        let open = || {
            let chance = Chance::seeded(1);
            Uplink::open(of_box.clone(), Arc::new(clock.clone()), &disk, chance, Hooks::default())
        };
        assert_eq!(look_at_stores(&*disk, data), [], "a box that never ran");
        let running = open().expect("it opens");
        assert_eq!(look_at_stores(&*disk, data), [], "while it runs");
        drop(running);
        disk.create_dir_all(&data.join("ring")).expect("made");
        write_durably(&*disk, &data.join("ring/segments.index"), b"{}\n").expect("written");
        let whole = files(&forgetful);
        assert_eq!(look_at_stores(&*disk, data), []);
        for name in ["outbox.redb", "inbox.redb"] {
            let path = data.join("outbox").join(name);
            let bytes = read_whole(&*disk, &path, 1 << 30).expect("there");
            let noise: Vec<u8> = (0..bytes.len()).map(|n| (n * 151 % 251) as u8).collect();
            for damaged in [Some(vec![0; bytes.len()]), Some(Vec::new()), Some(noise), None] {
                let tried = forgetful.apart();
                match &damaged {
                    Some(damaged) => tried.replace(&path, damaged),
                    None => tried.lose(&path),
                }
                let before = files(&tried);
                let found: Vec<_> =
                    look_at_stores(&tried, data).into_iter().map(|one| one.path).collect();
                let of = damaged.as_ref().map(Vec::len);
                assert_eq!(found, std::slice::from_ref(&path), "{of:?}");
                assert_eq!(files(&tried), before, "a look changes nothing");
            }
        }
        assert_eq!(files(&forgetful), whole);
    }
}
