//! `ring/audit.log`: who had what deleted, when, and how much it was; never what was to be seen.
//!
//! A line is `{checksum} {JSON}\n`, appended and synced: one before anything goes (`asked`), one when it
//! is gone (`done`) or could not be done (`failed`). What was asked and is neither is done at the next
//! start. Nothing ever cuts the file or writes it anew: a line that rots is told, and those behind it
//! are read all the same.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::clips::files::Log;
use crate::clips::lines::{line, whole};
use crate::disk::{Disk, Format, OpenHow, read_whole, write_durably};
use crate::media::{Foreign, GameId};

/// The format of the audit log that this version writes.
pub const AUDIT_FORMAT: Format = Format::FIRST;
/// No log is longer: a deletion a minute for years.
const MAX_AUDIT: u64 = 1 << 30;

/// A line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum AuditRecord {
    /// How the lines are to be read: the first one.
    Format(Format),
    /// Somebody asked for it.
    Asked(Asked),
    /// It is gone.
    Done {
        /// Which.
        number: u64,
        /// RFC 3339, by the box's clock.
        time: String,
        /// Clips that lost their bytes.
        clips: Vec<String>,
        /// Segments that went whole.
        segments: u64,
        /// Segments that have a hole now.
        holed: u64,
        /// Bytes that were deleted.
        bytes: u64,
    },
    /// It could not be done.
    Failed {
        /// Which.
        number: u64,
        /// RFC 3339, by the box's clock.
        time: String,
        /// Why.
        why: Foreign,
    },
}

/// What was asked to be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Counts the deletions of a box, from 1.
    pub number: u64,
    /// RFC 3339, by the box's clock.
    pub time: String,
    /// Who asked, through which door.
    pub who: Foreign,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Foreign>,
    /// The clip that was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<String>,
    /// The game that was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game: Option<GameId>,
    /// The moments that go.
    pub spans: Vec<AskedSpan>,
    /// Segments of greater numbers came later, and stay.
    pub upto: u64,
}

/// Moments of one session, ns of media time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedSpan {
    /// The court.
    pub court: String,
    /// The session.
    pub session: String,
    /// First moment.
    pub from_ns: i64,
    /// Last moment.
    pub to_ns: i64,
}

/// What the audit log says, and how many of its lines rotted.
pub type AuditRead = (Vec<AuditRecord>, usize);

/// Reads an audit log; nothing where there is none.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> io::Result<AuditRead> {
    match read_whole(disk, path, MAX_AUDIT) {
        Ok(bytes) => {
            let (records, damaged) = records(&bytes);
            // It never has its name without its first line.
            let headless = !matches!(records.first(), Some(AuditRecord::Format(_)));
            Ok((records, damaged.max(usize::from(headless))))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((Vec::new(), 0)),
        Err(error) => Err(error),
    }
}

fn records(bytes: &[u8]) -> AuditRead {
    let mut read = Vec::new();
    let mut damaged = 0;
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        // What a power cut tore was answered to nobody: it stood last then, so an empty line or nothing
        // follows; or part of it never came to the disk.
        let torn = lines.peek().is_none_or(|next| *next == b"\n") || line.contains(&0);
        match whole(line).and_then(|json| serde_json::from_slice(json).ok()) {
            Some(record) => read.push(record),
            None if line == b"\n" || torn => {}
            None => damaged += 1,
        }
    }
    (read, damaged)
}

/// What was asked, and neither done nor given up.
pub(crate) fn open(records: &[AuditRecord]) -> Vec<Asked> {
    let mut open: Vec<Asked> = Vec::new();
    for record in records {
        match record {
            AuditRecord::Format(_) => {}
            AuditRecord::Asked(asked) => open.push(asked.clone()),
            AuditRecord::Done { number, .. } | AuditRecord::Failed { number, .. } => {
                open.retain(|asked| asked.number != *number);
            }
        }
    }
    open
}

/// The greatest number that was given.
pub(crate) fn greatest(records: &[AuditRecord]) -> u64 {
    let number = |record: &AuditRecord| match record {
        AuditRecord::Format(_) => 0,
        AuditRecord::Asked(asked) => asked.number,
        AuditRecord::Done { number, .. } | AuditRecord::Failed { number, .. } => *number,
    };
    records.iter().map(number).max().unwrap_or(0)
}

/// The audit log, for who writes it. Made with its first line.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    log: Option<Log>,
}

impl Audit {
    /// Appends a line; it is on disk when this returns.
    pub(crate) fn append(
        &mut self,
        disk: &dyn Disk,
        path: &Path,
        record: &AuditRecord,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        let log = match &mut self.log {
            Some(log) => log,
            None => {
                let head = line(&AuditRecord::Format(AUDIT_FORMAT));
                match disk.open(path, OpenHow::Read) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        write_durably(disk, path, &head)?;
                    }
                    opened => drop(opened?),
                }
                let file = disk.open(path, OpenHow::ReadWrite)?;
                let len = file.len()?;
                if len > head.len() as u64 {
                    bytes.extend(b"\n\n"); // ends what a power cut may have torn, and says so
                }
                self.log.insert(Log::new(file, len))
            }
        };
        bytes.extend(line(record));
        let written = log.append(&bytes).and_then(|()| log.sync());
        if written.is_err() {
            self.log = None; // nothing is known of its end: looked at again
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::ForgetfulDisk;

    fn asked(number: u64) -> AuditRecord {
        AuditRecord::Asked(Asked {
            number,
            time: String::new(),
            who: Foreign::told("test"),
            reason: None,
            clip: None,
            game: None,
            spans: Vec::new(),
            upto: 7,
        })
    }

    fn failed(number: u64) -> AuditRecord {
        AuditRecord::Failed { number, time: String::new(), why: Foreign::told("disk") }
    }

    #[test]
    fn what_is_asked_stays_open_until_it_is_done_or_given_up() {
        let log = [asked(1), failed(1), asked(2), asked(3)];
        let numbers: Vec<_> = open(&log).iter().map(|asked| asked.number).collect();
        assert_eq!((numbers, greatest(&log)), (vec![2, 3], 3));
    }

    #[test]
    fn a_line_that_rots_or_is_torn_costs_no_other() {
        let disk = ForgetfulDisk::new();
        let path = Path::new("/ring/audit.log");
        disk.create_dir_all(Path::new("/ring")).expect("made");
        let mut audit = Audit::default();
        audit.append(&disk, path, &asked(1)).expect("written");
        audit.append(&disk, path, &asked(2)).expect("written");
        let file = disk.open(path, OpenHow::ReadWrite).expect("there");
        let len = file.len().expect("length");
        file.write_at(len - 20, b"#").expect("rots");
        file.write_at(len, b"0123 torn").expect("torn");
        let mut audit = Audit::default();
        audit.append(&disk, path, &asked(3)).expect("written");
        let (records, damaged) = read(&disk, path).expect("read");
        assert_eq!(records, [AuditRecord::Format(AUDIT_FORMAT), asked(1), asked(3)]);
        assert_eq!(damaged, 1, "the torn one was answered to nobody");
    }
}
