//! What a file says of its format: which it is, and whose programs can read it.
//!
//! Each store counts its formats from 1. A file names its `format`, and the `oldest_reader`: programs
//! whose own format of this store is that, or later, can read it. So a program may meet
//!
//! | a file of | and does |
//! | --- | --- |
//! | its own format | reads and writes it |
//! | an older format | reads it, and writes it in its own: brought forward |
//! | a newer format that it can read | reads it; what it writes again keeps that format and every field that it does not know |
//! | a newer format that it cannot read | puts it aside or lets it be, says so, never deletes or overwrites it |
//!
//! A new format leaves `oldest_reader` as it is where it only adds; else it raises it.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk::{Disk, Entry};

/// The format of a file, or the one that a program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Said")]
pub struct Format {
    /// Which it is.
    pub format: u32,
    /// Programs of this format and later can read it.
    pub oldest_reader: u32,
}

/// The words as they stand in a file. The first format of a store names neither.
#[derive(Clone, Copy, Deserialize)]
struct Said {
    format: Option<u32>,
    oldest_reader: Option<u32>,
}

impl From<Said> for Format {
    fn from(said: Said) -> Self {
        let format = said.format.unwrap_or(1);
        Self { format, oldest_reader: said.oldest_reader.unwrap_or(format) }
    }
}

impl Format {
    /// The first format of a store.
    pub const FIRST: Self = Self { format: 1, oldest_reader: 1 };

    /// True when a program that writes `ours` can read it.
    #[must_use]
    pub const fn is_read_by(self, ours: Self) -> bool {
        self.oldest_reader <= ours.format
    }

    /// The format in which a program that writes `ours` writes it again.
    #[must_use]
    pub const fn brought_forward(self, ours: Self) -> Self {
        if self.format > ours.format { self } else { ours }
    }
}

/// Puts a file aside that a newer version wrote, beside where it was. Returns where it is.
///
/// # Errors
/// What the file system says; then it is where it was.
pub fn put_aside(disk: &dyn Disk, path: &Path, format: Format) -> io::Result<PathBuf> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let names = disk.names(dir)?;
    let stem = path.file_name().unwrap_or_default().to_string_lossy();
    let name = |n: u32| match n {
        0 => format!("{stem}{ASIDE}{}", format.format),
        n => format!("{stem}{ASIDE}{}-{n}", format.format),
    };
    // Never over one that waits there already.
    let free = (0..).map(name).find(|name| !names.contains(name)).unwrap_or_default();
    let aside = dir.join(free);
    disk.rename(path, &aside)?;
    disk.sync_dir(dir)?;
    Ok(aside)
}

/// Puts aside what stands in a file's place and is none, or none of ours, under its name and the day's date.
/// Returns where it is.
///
/// # Errors
/// What the file system says; then it is where it was.
pub fn put_unfit_aside(disk: &dyn Disk, path: &Path) -> io::Result<PathBuf> {
    let aside = free_name(disk, path)?;
    disk.rename(path, &aside)?;
    disk.sync_dir(path.parent().unwrap_or(Path::new(".")))?;
    Ok(aside)
}

/// A name for what is put aside of `path` today, that nothing has.
///
/// # Errors
/// What the file system says.
pub(super) fn free_name(disk: &dyn Disk, path: &Path) -> io::Result<PathBuf> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let taken = disk.list(dir)?;
    let stem = path.file_name().unwrap_or_default().to_string_lossy();
    let date = disk.utc().to_rfc3339();
    let date = date.split('T').next().unwrap_or_default();
    let begins = format!("{stem}{DAMAGED}{date}-");
    // Behind all that lie there, so that of two the newer one has the greater number.
    let number = |entry: &Entry| entry.name.strip_prefix(&begins)?.parse::<u32>().ok();
    let last = taken.iter().filter_map(number).max().unwrap_or(0);
    Ok(dir.join(format!("{begins}{}", u64::from(last) + 1)))
}

/// The name of the file that `name` was put aside from, and whether a newer version wrote it.
#[must_use]
pub fn was_put_aside(name: &str) -> Option<(&str, bool)> {
    let of = |mark: &str| name.find(mark).map(|at| name.split_at(at).0);
    // As earlier versions named them.
    let damaged = [DAMAGED, ".unfit-"].into_iter().find_map(of);
    damaged.map(|of| (of, false)).or_else(|| of(ASIDE).map(|of| (of, true)))
}

/// True for the name of a file that was put aside from `path`.
#[must_use]
pub fn is_aside(name: &str, path: &Path) -> bool {
    let stem = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_prefix(&*stem).is_some_and(|rest| rest.starts_with(ASIDE))
}

/// What stands behind the name of a file that was put aside, before its format.
const ASIDE: &str = ".newer-";
/// The same of one that is damaged, before the date.
pub(super) const DAMAGED: &str = ".damaged-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_who_can_read_it() {
        let read = |json: &str| serde_json::from_str::<Format>(json).unwrap();
        let ours = Format { format: 2, oldest_reader: 1 };
        let rows = [
            ("{}", Format::FIRST, true, ours),
            (r#"{"format":2,"oldest_reader":1}"#, ours, true, ours),
            (
                r#"{"format":3,"oldest_reader":2}"#,
                Format { format: 3, oldest_reader: 2 },
                true,
                Format { format: 3, oldest_reader: 2 },
            ),
            (
                r#"{"format":3}"#,
                Format { format: 3, oldest_reader: 3 },
                false,
                Format { format: 3, oldest_reader: 3 },
            ),
        ];
        for (json, format, is_read, again) in rows {
            assert_eq!(read(json), format, "{json}");
            assert_eq!(format.is_read_by(ours), is_read, "{json}");
            assert_eq!(format.brought_forward(ours), again, "{json}");
        }
    }
}
