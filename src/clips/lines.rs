//! The lines of the two index files (pure): what is where, as it is kept on disk.
//!
//! A line is `{checksum} {JSON}\n`, appended. What stands before the first bad line is believed,
//! the rest is found again by `recover` from the segments and from `clips/{id}.json` (DESIGN R2).

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clips::boxes::checksum;
use crate::clips::index::{ClipBrief, SegmentEntry, SegmentNumber};
use crate::disk::Format;

/// A line of `segments.index`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum SegmentRecord {
    /// How the lines are to be read: the first one.
    Format(Format),
    /// Numbers of segments up to this were given.
    Given {
        /// The greatest.
        id: SegmentNumber,
    },
    /// A segment is whole.
    Closed(SegmentEntry),
    /// A segment goes; written before its file is removed (R4).
    Evicted {
        /// Its number.
        id: SegmentNumber,
        /// Why.
        why: String,
    },
}

/// A line of `clips.index`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum ClipRecord {
    /// How the lines are to be read: the first one.
    Format(Format),
    /// `clips/{id}.json` is about to change: what stands before is not to be believed.
    Touched {
        /// Its name.
        id: String,
    },
    /// `clips/{id}.json` is on disk and says this.
    Is(ClipBrief),
    /// `clips/{id}.json` is gone.
    Gone {
        /// Its name.
        id: String,
    },
}

/// Writes a record as a line.
#[must_use]
pub fn line(record: &impl Serialize) -> Vec<u8> {
    let json = serde_json::to_string(record).unwrap_or_default();
    let sum = u64::from_be_bytes(checksum(&[json.as_bytes()]));
    format!("{sum:016x} {json}\n").into_bytes()
}

/// The format of both indexes that this version writes.
///
/// 1 names no format; 2 names it in its first line. A program of the first finds a line that it does
/// not know, and rebuilds the index from what it is about. A record of a kind that is not known here
/// is kept, behind all others: a format in which that would change its meaning raises the oldest
/// reader.
pub const INDEX_FORMAT: Format = Format { format: 2, oldest_reader: 2 };

/// The lines of an index.
#[derive(Clone, Debug)]
pub struct Lines<'a, T> {
    /// What is known here, each with its line.
    pub records: Vec<(T, &'a [u8])>,
    /// Lines that are whole and say what is not known here.
    pub unknown: Vec<&'a [u8]>,
    /// Bytes before the first line that is torn or rotten.
    pub good: usize,
}

/// Reads lines up to the first that is torn or rotten.
#[must_use]
pub fn lines<T: DeserializeOwned>(bytes: &[u8]) -> Lines<'_, T> {
    let mut read = Lines { records: Vec::new(), unknown: Vec::new(), good: 0 };
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let Some(json) = whole(line) else { break };
        match serde_json::from_slice(json) {
            Ok(record) => read.records.push((record, line)),
            Err(_) if serde_json::from_slice::<Kind>(json).is_ok() => read.unknown.push(line),
            Err(_) => break,
        }
        read.good += line.len();
    }
    read
}

/// What stands last in `clips.index` of each clip.
#[must_use]
pub(crate) fn briefs(log: &[u8]) -> BTreeMap<String, ClipBrief> {
    let mut known = BTreeMap::new();
    for (record, _) in lines::<ClipRecord>(log).records {
        match record {
            ClipRecord::Format(_) => {}
            ClipRecord::Touched { id } | ClipRecord::Gone { id } => drop(known.remove(&id)),
            ClipRecord::Is(brief) => drop(known.insert(brief.id.clone(), brief)),
        }
    }
    known
}

/// The segments that `segments.index` names as whole, and as not gone.
#[must_use]
pub(crate) fn closed(log: &[u8]) -> BTreeMap<SegmentNumber, SegmentEntry> {
    let mut closed = BTreeMap::new();
    for (record, _) in lines::<SegmentRecord>(log).records {
        match record {
            SegmentRecord::Format(_) | SegmentRecord::Given { .. } => {}
            SegmentRecord::Closed(entry) => drop(closed.insert(entry.id, entry)),
            SegmentRecord::Evicted { id, .. } => drop(closed.remove(&id)),
        }
    }
    closed
}

/// What every record has.
#[derive(Deserialize)]
struct Kind {
    what: String,
    #[serde(flatten)]
    format: Format,
    #[serde(default)]
    id: Value,
}

/// The format of an index: what its first line says.
#[must_use]
pub(crate) fn index_format(bytes: &[u8]) -> Format {
    let first = bytes.split_inclusive(|&byte| byte == b'\n').next().and_then(whole);
    let kind = first.and_then(|json| serde_json::from_slice::<Kind>(json).ok());
    kind.filter(|kind| kind.what == "format").map_or(Format::FIRST, |kind| kind.format)
}

/// The greatest number that the lines of an index name, whatever else they say.
#[must_use]
pub(crate) fn greatest_number(bytes: &[u8]) -> Option<SegmentNumber> {
    let lines = bytes.split_inclusive(|&byte| byte == b'\n').map_while(whole);
    lines.filter_map(|json| serde_json::from_slice::<Kind>(json).ok()?.id.as_u64()).max()
}

/// What shows that a log of lines is damaged, which no power cut leaves: it begins with a line that was durable
/// before it had its name; what a cut tore has no end, is followed by an empty line, or has zeros in it.
pub(crate) fn rot(bytes: &[u8]) -> Option<&'static str> {
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n').peekable();
    let Some(first) = lines.next() else { return Some("it is empty") };
    if whole(first).is_none() {
        return Some("its first line cannot be read");
    }
    while let Some(line) = lines.next() {
        let ended = lines.peek().is_some_and(|next| *next == b"\n");
        let torn = ended || line.contains(&0) || !line.ends_with(b"\n");
        if whole(line).is_none() && line != b"\n" && !torn {
            return Some("a line of it cannot be read");
        }
    }
    None
}

/// The JSON of a line that is as it was written.
pub(crate) fn whole(line: &[u8]) -> Option<&[u8]> {
    let (sum, json) = line.strip_suffix(b"\n")?.split_at_checked(16)?;
    let json = json.strip_prefix(b" ")?;
    let said = u64::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
    (said == u64::from_be_bytes(checksum(&[json]))).then_some(json)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::media::CourtId;

    fn segment(id: SegmentNumber) -> SegmentEntry {
        let court = CourtId::new("a").expect("name");
        let session = "0000000000000001".to_owned();
        let (start, end, ahead_ns) = (0, 1, None);
        SegmentEntry { id, court, session, start, end, bytes: 5, ahead_ns, open: false, anew: 0 }
    }

    #[test]
    fn what_rots_is_told_from_what_a_power_cut_leaves() {
        let head = line(&SegmentRecord::Format(INDEX_FORMAT));
        let one = |id| line(&SegmentRecord::Closed(segment(id)));
        let all = [head.clone(), one(1), one(2), one(3)].concat();
        for whole in [&all[..], &head[..], &all[..all.len() - 7]] {
            assert_eq!(rot(whole), None, "{}", String::from_utf8_lossy(whole));
        }
        let turned = |at: usize| {
            let mut bytes = all.clone();
            bytes[at] ^= 4;
            bytes
        };
        assert_eq!(rot(&turned(0)), Some("its first line cannot be read"));
        assert_eq!(rot(&turned(head.len() + 30)), Some("a line of it cannot be read"));
        assert_eq!(rot(&vec![0; 900]), Some("its first line cannot be read"));
        assert_eq!(rot(b""), Some("it is empty"));
        let torn = &one(1)[..20];
        for left in
            [&[torn, b"\n\n", &one(2)].concat()[..], &[torn, &[0; 40], b"\n", &one(2)].concat()]
        {
            assert_eq!(rot(&[&head, left].concat()), None, "{}", String::from_utf8_lossy(left));
        }
    }

    #[test]
    fn lines_end_at_the_first_bad_one() {
        let mut bytes = line(&SegmentRecord::Closed(segment(1)));
        let good = bytes.len();
        bytes.extend(line(&SegmentRecord::Evicted { id: 1, why: "quota".into() }));
        assert_eq!(lines::<SegmentRecord>(&bytes).records.len(), 2);
        for cut in good..bytes.len() {
            let Lines { records, good: read, .. } = lines::<SegmentRecord>(&bytes[..cut]);
            assert_eq!((records.len(), read), (1, good), "cut at {cut}");
        }
        bytes[good + 20] ^= 1;
        assert_eq!(lines::<SegmentRecord>(&bytes).good, good);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _read = lines::<SegmentRecord>(&bytes);
            let _read = lines::<ClipRecord>(&bytes);
        }
    }
}
