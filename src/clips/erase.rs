//! Fragments that are to be readable no more: which, and a segment without them.
//!
//! The segment is written anew beside itself, with a hole as long as what goes, synced, and given its
//! name: so clips of what stays have their bytes where they were (R7), a cut leaves the one or the
//! other, and the room of what went is free. What the medium keeps of freed blocks is not ours to say.

use std::io;
use std::path::PathBuf;

use crate::clips::boxes::holed_head;
use crate::clips::files::{CHUNK, Places, open_segment, read_part};
use crate::clips::fragment::{Fragment, Scanned, Verify, hole_head};
use crate::clips::index::SegmentEntry;
use crate::clips::timeline::Ticks;
use crate::disk::{Disk, NEW_SUFFIX, OpenHow};

/// Pictures are shown later than they are decoded, where an encoder reorders them: by less than this.
const REORDERED: Ticks = Ticks::from_millis(500);

/// Bytes of a segment that go, from and to, in order and apart.
pub(crate) type Holes = Vec<(u64, u64)>;

/// What is to go of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Erased {
    /// Nothing.
    Nothing,
    /// These bytes.
    Part(Holes),
    /// All of it.
    All,
}

/// Chooses what of a segment has anything of the interval (pure).
pub(crate) fn choose(scanned: &Scanned, from: Ticks, to: Ticks) -> Erased {
    let reorders = scanned
        .fragments
        .iter()
        .any(|fragment| fragment.video.is_some_and(|video| video.first_pts != video.start));
    let shown = if reorders { Ticks(from.0.saturating_sub(REORDERED.0)) } else { from };
    let clock = scanned.head.audio;
    let goes = |fragment: &&Fragment| {
        let seen = fragment.span.0 <= to && fragment.span.1 > shown;
        let heard = fragment.audio.zip(clock).is_some_and(|((start, end), clock)| {
            let at = |samples| Ticks::of_samples(samples, clock.rate);
            at(start) <= to && at(end) > from
        });
        seen || heard
    };
    let mut holes: Holes = Vec::new();
    let mut count = 0;
    for fragment in scanned.fragments.iter().filter(goes) {
        count += 1;
        match holes.last_mut() {
            Some((_, end)) if *end == fragment.offset => *end = fragment.end(),
            _ => holes.push((fragment.offset, fragment.end())),
        }
    }
    match count {
        0 if scanned.fragments.is_empty() => Erased::All,
        0 => Erased::Nothing,
        _ if count == scanned.fragments.len() => Erased::All,
        _ => Erased::Part(holes),
    }
}

/// Opens a closed segment and chooses what goes of it.
pub(crate) fn look(
    disk: &dyn Disk,
    places: &Places,
    entry: &SegmentEntry,
    (from, to): (Ticks, Ticks),
) -> io::Result<Erased> {
    let opened = open_segment(disk, &places.segment(entry), entry.bytes, Verify::Last)?;
    Ok(choose(&opened.scanned, from, to))
}

/// Writes a segment anew with holes. Returns the bytes that were written.
pub(crate) fn write_holes(
    disk: &dyn Disk,
    places: &Places,
    entry: &SegmentEntry,
    holes: &Holes,
) -> io::Result<u64> {
    let path = places.segment(entry);
    let opened = open_segment(disk, &path, entry.bytes, Verify::Last)?;
    let (old, len) = (opened.file, opened.scanned.whole);
    let head_len = opened.scanned.head.len;
    let no_segment = || io::Error::new(io::ErrorKind::InvalidData, "it does not begin as ours do");
    let head = read_part(&*old, 0, usize::try_from(head_len).unwrap_or(usize::MAX))?;
    let head = holed_head(&head).ok_or_else(no_segment)?;
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(NEW_SUFFIX);
    let fresh = PathBuf::from(fresh);
    let new = disk.open(&fresh, OpenHow::CreateOrOpen)?;
    new.set_len(0)?;
    new.set_len(len)?; // what is not written over is zeros
    new.write_at(0, &head)?;
    let mut written = head_len;
    let mut at = head_len;
    for &(from, to) in holes.iter().chain([&(len, len)]) {
        while at < from {
            let n = usize::try_from(from - at).unwrap_or(usize::MAX).min(CHUNK);
            new.write_at(at, &read_part(&*old, at, n)?)?;
            at += n as u64;
            written += n as u64;
        }
        if from < to {
            let hole = hole_head(to - from).ok_or_else(no_segment)?;
            new.write_at(from, &hole)?;
            written += hole.len() as u64;
            at = to;
        }
    }
    new.sync_data()?;
    drop(new);
    disk.rename(&fresh, &path)?;
    disk.sync_dir(&places.segments)?;
    Ok(written)
}
