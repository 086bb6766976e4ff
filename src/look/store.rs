//! What was spent, on disk: `{data_dir}/look.json`.
//!
//! Order: reserve in memory → write and sync → ask. A cut before the write leaves a question that was never asked;
//! one after it leaves what it may cost as spent. What an answer really cost is written too, and may be lost: the
//! worst stays charged then. A file that cannot be read is put aside, and the day counts as spent.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::disk::{Disk, Format, Taken, read_json, take, write_sealed};
use crate::look::money::{CapReached, Cost, Kept, Money, Purse, Ticket};

/// Its name in the data folder.
const FILE: &str = "look.json";
/// It has some 100 bytes.
const MOST_BYTES: u64 = 4 << 10;

#[derive(Serialize, Deserialize)]
struct File {
    #[serde(flatten)]
    format: Format,
    #[serde(flatten)]
    kept: Kept,
}

/// Why nothing could be reserved.
#[derive(Debug)]
pub(crate) enum NoMoney {
    /// The day's cap leaves too little.
    Cap,
    /// It cannot be written down, so it is not spent.
    Disk(io::Error),
}

/// The purse and its file.
#[derive(Debug)]
pub(crate) struct Books {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    // Held for a look or a change, never across I/O; after `writing`, where both are.
    purse: Mutex<Purse>,
    // Held while the file is written, so that the last word on disk is the last one said. Only threads that may
    // block take it.
    writing: Mutex<()>,
}

impl Books {
    /// With what the last run spent. `day`: now.
    pub(crate) fn open(disk: &Arc<dyn Disk>, data_dir: &Path, cap: Money, day: i64) -> Self {
        let path = data_dir.join(FILE);
        let read = |bytes: &[u8]| read_json::<File>(bytes, Format::FIRST);
        let purse = match take(&**disk, &path, MOST_BYTES, read) {
            Taken::Is(File { kept, .. }) => Purse::new(cap, Some(kept)),
            Taken::Nothing => Purse::new(cap, None),
            Taken::Anew(_) => Purse::spent_out(cap, day),
        };
        let (purse, writing) = (Mutex::new(purse), Mutex::new(()));
        Self { disk: Arc::clone(disk), path, purse, writing }
    }

    /// Reserves what a question may cost; it is on disk when this returns. Blocks.
    pub(crate) fn reserve(&self, day: i64, worst: Money) -> Result<Ticket, NoMoney> {
        let _turn = self.writing.lock();
        let (ticket, kept) = {
            let mut purse = self.purse.lock();
            let ticket = purse.reserve(day, worst).map_err(|CapReached| NoMoney::Cap)?;
            (ticket, purse.kept())
        };
        if let Err(error) = self.write(kept) {
            self.purse.lock().settle(ticket, day, Cost::Nothing);
            return Err(NoMoney::Disk(error));
        }
        Ok(ticket)
    }

    /// Charges what it came to. True where that is more than the worst. Blocks.
    pub(crate) fn settle(&self, ticket: Ticket, day: i64, cost: Cost) -> bool {
        let _turn = self.writing.lock();
        let (over, kept) = {
            let mut purse = self.purse.lock();
            (purse.settle(ticket, day, cost), purse.kept())
        };
        if let Err(error) = self.write(kept) {
            tracing::warn!(%error, "what a second look cost is not kept: the worst counts after a restart");
        }
        over
    }

    /// True if a question would not fit any more.
    pub(crate) fn is_reached(&self, day: i64, worst: Money) -> bool {
        self.purse.lock().is_reached(day, worst)
    }

    /// Spent on the day so far, and the most of it.
    pub(crate) fn spent(&self) -> (Money, Money) {
        let purse = self.purse.lock();
        (purse.kept().spent, purse.cap())
    }

    fn write(&self, kept: Kept) -> io::Result<()> {
        let file = File { format: Format::FIRST, kept };
        write_sealed(&*self.disk, &self.path, serde_json::to_vec(&file)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{ForgetfulDisk, write_durably};

    const CAP: Money = Money::nanos(100);
    const BOX: &str = "/box";

    fn open(disk: &ForgetfulDisk) -> Books {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        Books::open(&disk, Path::new(BOX), CAP, 7)
    }

    fn disk() -> ForgetfulDisk {
        let disk = ForgetfulDisk::new();
        disk.create_dir_all(Path::new(BOX)).expect("made");
        disk
    }

    #[test]
    fn a_cut_at_any_step_never_forgets_a_question_that_was_asked() {
        for seed in 0..20 {
            for stop in 0.. {
                let disk = disk();
                let books = open(&disk);
                let first = books.reserve(7, Money::nanos(40)).expect("it fits");
                books.settle(first, 7, Cost::Exactly(Money::nanos(30)));
                disk.stop_after(disk.operations() + stop);
                let asked = books.reserve(7, Money::nanos(40)).is_ok();
                let after = open(&disk.power_cut(seed));
                let (spent, _) = after.spent();
                assert!(!asked || spent >= Money::nanos(70), "seed {seed}, {stop}: {spent:?}");
                assert!(spent <= CAP);
                if asked {
                    break;
                }
            }
        }
    }

    #[test]
    fn what_was_spent_is_there_at_the_next_start_and_the_next_day_begins_with_nothing() {
        let disk = disk();
        let books = open(&disk);
        let _open = books.reserve(7, Money::nanos(60)).expect("it fits");
        drop(books);
        let books = open(&disk);
        assert!(matches!(books.reserve(7, Money::nanos(41)), Err(NoMoney::Cap)));
        assert!(books.reserve(8, CAP).is_ok());
    }

    #[test]
    fn a_file_that_cannot_be_read_counts_as_a_day_that_is_spent() {
        let disk = disk();
        let path = Path::new(BOX).join(FILE);
        write_durably(&disk, &path, b"{\"day\": 7, \"spent\": 0").expect("written");
        let books = open(&disk);
        assert!(matches!(books.reserve(7, Money::nanos(1)), Err(NoMoney::Cap)));
        assert!(books.reserve(8, Money::nanos(1)).is_ok());
    }

    #[test]
    fn what_cannot_be_written_down_is_not_spent() {
        let disk = disk();
        let books = open(&disk);
        disk.fail_syncs(true);
        assert!(matches!(books.reserve(7, CAP), Err(NoMoney::Disk(_))));
        disk.fail_syncs(false);
        assert_eq!(books.spent().0, Money::ZERO);
        assert!(books.reserve(7, CAP).is_ok());
    }
}
