//! Whether every byte of a ring is what it was, while a daemon may be writing it.
//!
//! Each fragment and each segment's head against its checksum, what is in a segment against what the index says
//! was written, each clip against its SHA-256, each entry against the checksum that
//! the index has of it, and what the indexes name against what is there. Other files are nobody's
//! business here.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::clips::clip::{CHANGED, Clip, LOST, MAX_JSON, NO_ENTRY, NoEntry, is_clip_id, sum_of};
use crate::clips::files::{look_whole, open_clip, open_segment};
use crate::clips::fragment::Verify;
use crate::clips::index::{ClipBrief, SegmentEntry, SegmentNumber};
use crate::clips::lines::{briefs, closed, rot};
use crate::clips::reader::{Finding, RingReader, or_none, read_or_none, readable};
use crate::clips::recover::MAX_INDEX;
use crate::disk::{OpenHow, is_sealed};

impl RingReader {
    /// Tells what is wrong with what the indexes name, the entries and the logs. Of what is inside of segments, only
    /// what opening them showed: a ring of a day is read in hours ([`Self::verify`]).
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn look(&self, mut tell: impl FnMut(Finding)) -> io::Result<()> {
        self.torn.iter().cloned().for_each(&mut tell);
        self.named(&mut tell)?;
        self.logs(&mut tell);
        Ok(())
    }

    /// What is named: segments that are not there, and each entry.
    fn named(&self, tell: &mut impl FnMut(Finding)) -> io::Result<()> {
        for entry in self.missing()? {
            let path = self.places.segment(&entry);
            let wrong = Some("it is not on the disk, and nothing says why".to_owned());
            tell(Finding { path, wrong });
        }
        self.entries(tell)
    }

    /// The logs.
    fn logs(&self, tell: &mut impl FnMut(Finding)) {
        for path in [self.places.segments_log(), self.places.clips_log(), self.places.news()] {
            let wrong = match read_or_none(&*self.disk, &path, MAX_INDEX) {
                Ok(bytes) => bytes.as_deref().and_then(rot).map(str::to_owned),
                Err(error) => Some(error.to_string()),
            };
            if wrong.is_some() {
                tell(Finding { path, wrong });
            }
        }
        let wrong = match self.audit() {
            Ok((_, 0)) => None,
            Ok((_, damaged)) => Some(format!("{damaged} of its lines cannot be read")),
            Err(error) => Some(error.to_string()),
        };
        if wrong.is_some() {
            tell(Finding { path: self.places.audit(), wrong });
        }
    }

    /// Reads every byte, and tells of each file what is wrong with it.
    ///
    /// # Errors
    /// What the file system says of the folders; what is wrong with a file is a finding.
    pub fn verify(&self, mut tell: impl FnMut(Finding)) -> io::Result<()> {
        self.torn.iter().cloned().for_each(&mut tell);
        let closed = self.closed()?;
        for entry in self.index.segments() {
            let path = self.places.segment(entry);
            // The index says how much was written; what is read here ends where it cannot be read.
            let named = closed.get(&entry.id);
            let wrong = match look_whole(&*self.disk, &path, named.unwrap_or(entry)) {
                Ok(None) => self.beyond(entry, named.map(|named| named.bytes))?,
                Ok(wrong) => wrong,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => Some(error.to_string()),
            };
            tell(Finding { path, wrong });
        }
        self.named(&mut tell)?;
        let shelf = self.shelf()?;
        for clip in self.clips()? {
            let Some(media) = &clip.media else { continue };
            let path = self.places.clip(&clip.id);
            let entry = |id| shelf.look(|index| index.segment(id).cloned());
            let opened = open_clip(&*self.disk, &self.places, &clip, entry);
            let wrong = match opened.and_then(|assembly| assembly.sha256()) {
                Ok(sha256) if sha256 == media.sha256 => None,
                Ok(_) => Some("its bytes are not what was hashed".to_owned()),
                // Not pinned: its segments may go at any time.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && !clip.pinned
                        && !self.are_named(&clip)? =>
                {
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Some("segments of it are not on the disk".to_owned())
                }
                Err(error) => Some(error.to_string()),
            };
            tell(Finding { path, wrong });
        }
        self.logs(&mut tell);
        Ok(())
    }

    /// What is wrong with bytes of a segment's file behind those that the index says were written or, where it does
    /// not name it (`named`), behind its last whole fragment.
    fn beyond(&self, entry: &SegmentEntry, named: Option<u64>) -> io::Result<Option<String>> {
        /// What is being written is whole by the next look.
        const LOOKS: usize = 3;
        let path = self.places.segment(entry);
        let mut seen = None;
        for _ in 0..LOOKS {
            let file = match self.disk.open(&path, OpenHow::Read) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                opened => opened?,
            };
            let len = file.len()?;
            drop(file);
            if named.is_some_and(|bytes| len <= bytes) {
                return Ok(None);
            }
            // Longer: what the index says by now.
            let whole = match self.closed()?.get(&entry.id) {
                Some(closed) => closed.bytes,
                None if named.is_some() => return Ok(None), // it goes, or is written anew
                None => open_segment(&*self.disk, &path, u64::MAX, Verify::Last)?.scanned.whole,
            };
            if len <= whole {
                return Ok(None);
            }
            if seen.replace((whole, len)).is_some_and(|before| before != (whole, len)) {
                return Ok(None); // it is being written
            }
        }
        Ok(seen.map(|(whole, len)| match named.is_some() {
            true => format!(
                "{} bytes stand behind the {whole} that the index says were written",
                len - whole
            ),
            false => format!(
                "bytes {whole} to {len} are no whole fragment: torn by a stop, or damaged; the next start cuts off \
                 what is torn"
            ),
        }))
    }

    /// True where the index names a segment of a clip that is not there.
    fn are_named(&self, clip: &Clip) -> io::Result<bool> {
        let closed = self.closed()?;
        let mut segments = clip.brief().segments.into_iter();
        Ok(segments.any(|id| self.index.segment(id).is_none() && closed.contains_key(&id)))
    }

    /// Segments whose heads have no checksum for the parameter sets in them: written before there was one.
    #[must_use]
    pub fn unsummed_heads(&self) -> usize {
        self.unsummed
    }

    /// Segments that the index names as whole, of which there is no file and no word that they went.
    fn missing(&self) -> io::Result<Vec<SegmentEntry>> {
        let is_there = |entry: &SegmentEntry| {
            self.index.segment(entry.id).is_some()
                || self.disk.open(&self.places.segment(entry), OpenHow::Read).is_ok()
        };
        // Read after the folder was: what goes meanwhile says why before it goes.
        Ok(self.closed()?.into_values().filter(|entry| !is_there(entry)).collect())
    }

    /// Segments that the index names as whole, and as not gone.
    pub(crate) fn closed(&self) -> io::Result<BTreeMap<SegmentNumber, SegmentEntry>> {
        let log = readable(&*self.disk, &self.places.segments_log(), MAX_INDEX)?;
        Ok(closed(&log.unwrap_or_default()))
    }

    /// Each entry's file.
    fn entries(&self, tell: &mut impl FnMut(Finding)) -> io::Result<()> {
        let mut known = self.known()?;
        let mut stale = 0;
        let names: BTreeSet<String> =
            or_none(self.disk.names(&self.places.clips))?.into_iter().collect();
        for name in &names {
            let Some(id) = name.strip_suffix(".json").filter(|id| is_clip_id(id)) else { continue };
            let path = self.places.clip(id);
            let read = || read_or_none(&*self.disk, &path, MAX_JSON);
            let mut bytes = match read() {
                Ok(Some(bytes)) => bytes,
                Ok(None) => continue,
                Err(error) => {
                    tell(Finding { path, wrong: Some(error.to_string()) });
                    continue;
                }
            };
            let is_right = |bytes: &[u8], known: &BTreeMap<String, ClipBrief>| {
                known.get(id).and_then(|brief| brief.sum).is_none_or(|sum| sum == sum_of(bytes))
            };
            let mut right = is_right(&bytes, &known);
            if !right {
                // It may have been written anew between the two reads.
                known = self.known()?;
                let Some(again) = read()? else { continue };
                bytes = again;
                right = is_right(&bytes, &known);
            }
            let wrong = match Clip::read(&bytes) {
                Ok(clip) if clip.id != id => Some(format!("it says that it is {}", clip.id)),
                // Its own checksum holds: what is older is the index.
                Ok(_) if !right && is_sealed(&bytes) => {
                    stale += 1;
                    None
                }
                Ok(_) if !right => Some(CHANGED.to_owned()),
                Ok(_) | Err(NoEntry::Newer(_)) => None,
                Err(NoEntry::Damaged) if Clip::read_on(&bytes).is_some() => {
                    Some(CHANGED.to_owned())
                }
                Err(NoEntry::Damaged) => Some(NO_ENTRY.to_owned()),
            };
            // What is well with a clip's bytes is told with them.
            if wrong.is_some() {
                tell(Finding { path, wrong });
            }
        }
        if stale > 0 {
            let wrong = format!(
                "it is older than {stale} of the entries that it names: --repair makes it anew from them"
            );
            tell(Finding { path: self.places.clips_log(), wrong: Some(wrong) });
        }
        // Read after the folder was: an entry that goes meanwhile is named as gone before it goes.
        let is_there = |id: &str| read_or_none(&*self.disk, &self.places.clip(id), MAX_JSON);
        for id in self.known()?.into_keys().filter(|id| !names.contains(&format!("{id}.json"))) {
            if is_there(&id)?.is_none() && self.known()?.contains_key(&id) {
                let path = self.places.clip(&id);
                tell(Finding { path, wrong: Some(LOST.to_owned()) });
            }
        }
        Ok(())
    }

    /// What stands last in `clips.index` of each clip.
    fn known(&self) -> io::Result<BTreeMap<String, ClipBrief>> {
        let log = readable(&*self.disk, &self.places.clips_log(), MAX_INDEX)?;
        Ok(briefs(&log.unwrap_or_default()))
    }
}
