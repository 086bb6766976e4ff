//! The files of the ring: where each lies, appended logs, clips put together and hashed.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

use crate::clips::clip::{AS_IT_LIES, Clip, Media};
use crate::clips::cut::{Part, Piece, assemble};
use crate::clips::edited::edited;
use crate::clips::fragment::{Fragment, SEAL, Scanned, Verify, moof_of, scan};
use crate::clips::index::SegmentEntry;
use crate::clips::timeline::Ticks;
use crate::disk::{Disk, DiskFile, OpenHow};
use crate::media::MediaTime;

/// Where each file of a ring lies.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) dir: PathBuf,
    pub(crate) segments: PathBuf,
    pub(crate) clips: PathBuf,
}

impl Places {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), segments: dir.join("segments"), clips: dir.join("clips") }
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    pub(crate) fn ballast(&self) -> PathBuf {
        self.dir.join("ballast")
    }

    pub(crate) fn segments_log(&self) -> PathBuf {
        self.dir.join("segments.index")
    }

    pub(crate) fn clips_log(&self) -> PathBuf {
        self.dir.join("clips.index")
    }

    pub(crate) fn audit(&self) -> PathBuf {
        self.dir.join("audit.log")
    }

    pub(crate) fn news(&self) -> PathBuf {
        self.dir.join("news.log")
    }

    pub(crate) fn segment(&self, entry: &SegmentEntry) -> PathBuf {
        self.segments.join(entry.file_name())
    }

    pub(crate) fn clip(&self, id: &str) -> PathBuf {
        self.clips.join(format!("{id}.json"))
    }
}

/// A file of lines that only grows.
#[derive(Debug)]
pub(crate) struct Log {
    file: Box<dyn DiskFile>,
    at: u64,
}

impl Log {
    /// Goes on behind `at`.
    pub(crate) fn new(file: Box<dyn DiskFile>, at: u64) -> Self {
        Self { file, at }
    }

    /// Appends. After an error the next append overwrites what this one may have left.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(self.at, bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Cuts off all behind `at`.
    pub(crate) fn cut(&mut self, at: u64) -> io::Result<()> {
        if at < self.at {
            self.file.set_len(at)?;
            self.at = at;
        }
        Ok(())
    }

    /// Makes what was appended durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Reads exactly `n` bytes at `at`.
pub(crate) fn read_part(file: &dyn DiskFile, at: u64, n: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; n];
    file.read_exact_at(at, &mut bytes)?;
    Ok(bytes)
}

/// Reads a fragment's `moof`, as players get it.
pub(crate) fn read_moof(file: &dyn DiskFile, fragment: &Fragment) -> io::Result<Vec<u8>> {
    let stored = usize::try_from(fragment.stored).unwrap_or(usize::MAX);
    let lies = read_part(file, fragment.offset + SEAL as u64, stored)?;
    moof_of(lies).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// A segment that is open for reading.
#[derive(Clone, Debug)]
pub(crate) struct OpenedSegment {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) scanned: Scanned,
}

/// Opens a segment and reads what is in its first `len` bytes.
pub(crate) fn open_segment(
    disk: &dyn Disk,
    path: &Path,
    len: u64,
    verify: Verify,
) -> io::Result<OpenedSegment> {
    let file: Arc<dyn DiskFile> = Arc::from(disk.open(path, OpenHow::Read)?);
    let len = len.min(file.len()?);
    let scanned = scan(len, verify, |at, n| read_part(&*file, at, n))?;
    let scanned = scanned.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "it does not begin as a segment does")
    })?;
    Ok(OpenedSegment { file, scanned })
}

/// Opens a closed segment as the index knows it, and reads every byte of it.
pub(crate) fn look_whole(
    disk: &dyn Disk,
    path: &Path,
    entry: &SegmentEntry,
) -> io::Result<Option<String>> {
    let opened = open_segment(disk, path, entry.bytes, Verify::All)?;
    Ok(opened.scanned.wrong(entry.bytes, Ticks(entry.end)))
}

/// A clip that can be read from end to end: its pieces, and the files that they lie in.
#[derive(Clone, Debug)]
pub(crate) struct Assembly {
    pieces: Vec<Piece>,
    /// Where each piece begins.
    begins: Vec<u64>,
    files: Vec<Arc<dyn DiskFile>>,
    pub(crate) len: u64,
}

/// How the bytes of an interval are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Fragments as they lie, from the key frame on: what players of lists get, and clips of layout 1 are.
    AsItLies,
    /// One table of samples, shown from the first picture of this interval to its last: layout 2.
    Edited(Ticks, Ticks),
}

impl Shape {
    /// That of a clip's own bytes.
    pub(crate) fn of(clip: &Clip) -> Self {
        let time = |ns| Ticks::of(MediaTime::from_nanos(ns));
        match clip.layout {
            AS_IT_LIES => Self::AsItLies,
            // As it was cut: a clip that ends before it begins is one picture.
            _ => Self::Edited(time(clip.from_ns), time(clip.to_ns).max(time(clip.from_ns))),
        }
    }
}

/// The times of what was put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// What players show.
    pub(crate) shown: (Ticks, Ticks),
    /// What is in it.
    pub(crate) holds: (Ticks, Ticks),
}

/// Puts a clip together from opened segments, one a part.
pub(crate) fn put_together(
    parts: &[(Part, OpenedSegment)],
    shape: Shape,
) -> io::Result<(Assembly, Option<Times>)> {
    let views: Vec<_> = parts.iter().map(|(part, opened)| (part, &opened.scanned)).collect();
    let moof = |n: usize, fragment: &Fragment| {
        let Some((_, opened)) = parts.get(n) else { return Ok(Vec::new()) };
        read_moof(&*opened.file, fragment)
    };
    let put = match shape {
        Shape::AsItLies => assemble(&views, moof)?.map(|pieces| (pieces, None)),
        Shape::Edited(from, to) => edited(&views, (from, to), moof)?
            .map(|it| (it.pieces, Some(Times { shown: it.shown, holds: it.holds }))),
    };
    let (pieces, times) = put.ok_or_else(|| {
        let end = match shape {
            Shape::Edited(_, to) => to,
            Shape::AsItLies => Ticks(i64::MIN), // as far as is known
        };
        let text = match damage_of(parts, end).as_slice() {
            [] => "its segments are not what they were".to_owned(),
            damage => format!("its segments are damaged: {}", damage.join(", ")),
        };
        io::Error::new(io::ErrorKind::InvalidData, text)
    })?;
    let mut len = 0;
    let mut begins = Vec::with_capacity(pieces.len());
    for piece in &pieces {
        begins.push(len);
        len += piece.len();
    }
    let files = parts.iter().map(|(_, opened)| Arc::clone(&opened.file)).collect();
    Ok((Assembly { begins, pieces, files, len }, times))
}

/// The seconds of a clip's parts, which end at `end`, that cannot be read, in words.
pub(crate) fn damage_of(parts: &[(Part, OpenedSegment)], end: Ticks) -> Vec<String> {
    let mut told = Vec::new();
    for (part, opened) in parts {
        let scanned = &opened.scanned;
        let end = scanned.span().map_or(end, |(_, last)| last.max(end));
        let damage = scanned.damage(part.to, end).into_iter();
        let of_part =
            damage.filter(|damage| damage.bytes.1 > part.from && damage.bytes.0 < part.to);
        told.extend(of_part.map(|damage| damage.seconds()));
    }
    told
}

/// Bytes read at once when a clip is hashed or sent.
pub(crate) const CHUNK: usize = 128 << 10;

impl Assembly {
    /// At most `most` bytes from `from` on, over the borders of pieces; none behind the end.
    pub(crate) fn read_at(&self, from: u64, most: usize) -> io::Result<Vec<u8>> {
        let end = self.len.min(from.saturating_add(most as u64));
        let mut bytes = Vec::with_capacity(usize::try_from(end.saturating_sub(from)).unwrap_or(0));
        // The last piece that begins at or before `from`: every piece has bytes.
        let first = self.begins.partition_point(|begins| *begins <= from).saturating_sub(1);
        let pieces = self.pieces.iter().zip(&self.begins).skip(first);
        for (piece, &begins) in pieces {
            let at = from + bytes.len() as u64;
            if at >= end {
                break;
            }
            let inside = at - begins;
            let left = piece.len().saturating_sub(inside).min(end - at);
            let n = usize::try_from(left).unwrap_or(usize::MAX);
            match piece {
                Piece::Memory(memory) => {
                    let first = usize::try_from(inside).unwrap_or(usize::MAX);
                    let part = memory.get(first..first.saturating_add(n));
                    bytes.extend_from_slice(part.unwrap_or(&[]));
                }
                Piece::File { part, offset, .. } => {
                    let file = self.files.get(*part).ok_or(io::ErrorKind::NotFound)?;
                    bytes.extend(read_part(&**file, offset + inside, n)?);
                }
            }
        }
        Ok(bytes)
    }

    /// Gives the bytes from `from` (inclusive) to `to` (exclusive) in chunks, until `sink` has
    /// enough.
    pub(crate) fn read(
        &self,
        from: u64,
        to: u64,
        mut sink: impl FnMut(Vec<u8>) -> bool,
    ) -> io::Result<()> {
        let mut at = from;
        while at < to {
            let most = usize::try_from(to - at).unwrap_or(usize::MAX).min(CHUNK);
            let chunk = self.read_at(at, most)?;
            if chunk.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at += chunk.len() as u64;
            if !sink(chunk) {
                break;
            }
        }
        Ok(())
    }

    /// SHA-256 of all of it, hexadecimal.
    pub(crate) fn sha256(&self) -> io::Result<String> {
        self.sha256_unless(&AtomicBool::new(false))
    }

    /// SHA-256 of all of it, hexadecimal; `Interrupted` once it is to stop.
    pub(crate) fn sha256_unless(&self, stop: &AtomicBool) -> io::Result<String> {
        let mut sum = Sha256::new();
        self.read(0, self.len, |chunk| {
            sum.update(&chunk);
            !stop.load(Ordering::Relaxed)
        })?;
        if stop.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let mut text = String::with_capacity(64);
        for byte in sum.finalize() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(text)
    }
}

/// Opens the segments that a clip's bytes lie in, one a part.
pub(crate) fn open_parts(
    disk: &dyn Disk,
    places: &Places,
    media: &Media,
    verify: Verify,
    mut entry: impl FnMut(u64) -> Option<SegmentEntry>,
) -> io::Result<Vec<(Part, OpenedSegment)>> {
    let mut parts = Vec::new();
    for part in &media.parts {
        let entry = entry(part.segment).ok_or(io::ErrorKind::NotFound)?;
        let opened = open_segment(disk, &places.segment(&entry), part.to, verify)?;
        parts.push((part.clone(), opened));
    }
    Ok(parts)
}

/// Opens a clip whose segments are known.
pub(crate) fn open_clip(
    disk: &dyn Disk,
    places: &Places,
    clip: &Clip,
    entry: impl FnMut(u64) -> Option<SegmentEntry>,
) -> io::Result<Assembly> {
    let media = clip.media.as_ref().ok_or(io::ErrorKind::NotFound)?;
    let (assembly, _) =
        put_together(&open_parts(disk, places, media, Verify::Last, entry)?, Shape::of(clip))?;
    if assembly.len == media.bytes {
        Ok(assembly)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "its segments are not what they were"))
    }
}
