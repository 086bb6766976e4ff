//! Fragments that are to be readable no more: which, and a segment without them.
//!
//! The segment is written anew beside itself, with a hole as long as what goes, synced, and given its
//! name: so clips of what stays have their bytes where they were (R7), a cut leaves the one or the
//! other, and the room of what went is free. What the medium keeps of freed blocks is not ours to say.

use std::io;
use std::path::PathBuf;

use crate::clips::boxes::holed_head;
use crate::clips::damage::Damage;
use crate::clips::files::{CHUNK, Places, open_segment, read_part};
use crate::clips::fragment::{Fragment, SEAL, Scanned, Verify, hole_head};
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
/// `damage`: what of it cannot be read, of which nobody knows what it shows.
pub(crate) fn choose(scanned: &Scanned, damage: &[Damage], from: Ticks, to: Ticks) -> Erased {
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
    let going = scanned.fragments.iter().filter(goes);
    let mut places: Holes = going.map(|fragment| (fragment.offset, fragment.end())).collect();
    let count = places.len();
    if scanned.fragments.is_empty() || count == scanned.fragments.len() {
        return Erased::All;
    }
    places.extend(damage.iter().filter(|one| one.is_in(shown, to)).map(|one| one.bytes));
    places.retain(|(from, to)| to - from > SEAL as u64); // of a tail of less there is no hole
    places.sort_unstable();
    let mut holes: Holes = Vec::new();
    for (from, to) in places {
        match holes.last_mut() {
            Some((_, end)) if *end == from => *end = to,
            _ => holes.push((from, to)),
        }
    }
    if holes.is_empty() { Erased::Nothing } else { Erased::Part(holes) }
}

/// Opens a closed segment and chooses what goes of it.
pub(crate) fn look(
    disk: &dyn Disk,
    places: &Places,
    entry: &SegmentEntry,
    (from, to): (Ticks, Ticks),
) -> io::Result<Erased> {
    let opened = open_segment(disk, &places.segment(entry), entry.bytes, Verify::Last)?;
    let written = entry.bytes.min(opened.file.len()?);
    let damage = opened.scanned.damage(written, Ticks(entry.end));
    Ok(choose(&opened.scanned, &damage, from, to))
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
    let old = opened.file;
    // With what cannot be read: it stays as it is.
    let len = entry.bytes.min(old.len()?);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clips::fragment::scan_bytes;
    use crate::clips::synthetic::tenths;
    use crate::clips::test_ring::{TestRing, settings};
    use crate::clips::timeline::AudioClock;
    use crate::disk::{ForgetfulDisk, read_whole};
    use crate::media::SessionId;

    const SESSION: SessionId = SessionId::from_bits(0xe1);

    /// Four seconds in one segment: eight fragments of half a second.
    fn recorded() -> (ForgetfulDisk, Places, SegmentEntry) {
        let disk = ForgetfulDisk::new();
        let shared = Arc::new(disk.clone());
        let mut ring = TestRing::open(settings("/ring".into()), shared).expect("a ring");
        ring.opened(SESSION);
        tenths(SESSION, 0..40, 200).for_each(|item| ring.feed(item));
        ring.closed(SESSION);
        let desk = Arc::clone(ring.ring.desk());
        let entry = desk.state.lock().index.segments().next().cloned().expect("one");
        (disk, desk.places.clone(), entry)
    }

    /// What goes of an interval in ms: the numbers of the fragments.
    fn check(scanned: &Scanned, (from, to): (i64, i64), expected: &str) {
        let number = |offset: u64| {
            let mut fragments = scanned.fragments.iter();
            fragments.position(|fragment| fragment.offset == offset).expect("its beginning")
        };
        let last = |end: u64| {
            let mut fragments = scanned.fragments.iter();
            fragments.position(|fragment| fragment.end() == end).expect("its end")
        };
        let told = match choose(scanned, &[], Ticks::from_millis(from), Ticks::from_millis(to)) {
            Erased::Nothing => "nothing".to_owned(),
            Erased::All => "all".to_owned(),
            Erased::Part(holes) => {
                let holes = holes.iter();
                let told: Vec<_> =
                    holes.map(|(from, to)| format!("{}-{}", number(*from), last(*to))).collect();
                told.join(" ")
            }
        };
        assert_eq!(told, expected, "{from} to {to}");
    }

    #[test]
    fn a_fragment_goes_that_has_anything_of_the_interval() {
        let (disk, places, entry) = recorded();
        let path = places.segment(&entry);
        let opened = open_segment(&disk, &path, entry.bytes, Verify::All).expect("whole");
        let mut scanned = opened.scanned;
        assert_eq!(scanned.fragments.len(), 8);
        check(&scanned, (600, 1400), "1-2");
        check(&scanned, (500, 500), "1-1");
        check(&scanned, (-900, -1), "nothing");
        check(&scanned, (4000, 9000), "nothing");
        check(&scanned, (0, 3999), "all");
        // Where pictures are reordered, one that is shown then may stand in the fragment before.
        scanned.fragments[0].video.as_mut().expect("pictures").first_pts.0 += 9000;
        check(&scanned, (600, 700), "0-1");
        scanned.fragments[0].video.as_mut().expect("pictures").first_pts.0 -= 9000;
        // So may sound that reaches into it.
        scanned.head.audio = Some(AudioClock { rate: 48_000, frame: 1024 });
        scanned.fragments[5].audio = Some((48_000 / 2 * 5, 48_000 * 4));
        check(&scanned, (3600, 3700), "5-5 7-7");
        scanned.fragments.clear();
        check(&scanned, (0, 1), "all");
    }

    #[test]
    fn a_cut_while_a_hole_is_written_leaves_the_segment_of_before_or_that_with_the_hole() {
        let mut cuts = 0;
        for n in 0.. {
            let (disk, places, entry) = recorded();
            let path = places.segment(&entry);
            let read = |disk: &ForgetfulDisk| read_whole(disk, &path, 1 << 20).expect("there");
            let before = read(&disk);
            let times = (Ticks::from_millis(1100), Ticks::from_millis(1900));
            let erased = look(&disk, &places, &entry, times).expect("read");
            let Erased::Part(holes) = erased else { panic!("{erased:?}") };
            disk.stop_after(disk.operations() + n);
            let done = write_holes(&disk, &places, &entry, &holes);
            let after = read(&disk.power_cut(n));
            if done.is_ok() || after != before {
                let [(from, to)] = holes[..] else { panic!("{holes:?}") };
                let place = |at: u64| usize::try_from(at).expect("small");
                assert_eq!(after.len(), before.len());
                assert!(after[place(from) + 16..place(to)].iter().all(|byte| *byte == 0), "{n}");
                let was = scan_bytes(&before, Verify::All).expect("a segment");
                let is = scan_bytes(&after, Verify::All).expect("a segment");
                let stays = was.fragments.iter().filter(|f| f.offset < from || f.offset >= to);
                assert_eq!(is.fragments, stays.copied().collect::<Vec<_>>(), "{n}");
                let head = place(is.head.len);
                assert_eq!(after[head..place(from)], before[head..place(from)]);
                assert_eq!(after[place(to)..], before[place(to)..]);
            }
            if !disk.is_stopped() {
                assert!(done.is_ok());
                break;
            }
            cuts += 1;
        }
        assert!(cuts > 5, "{cuts} places to cut at");
    }
}
