//! The boxes of a film before its samples (ISO/IEC 14496-12; chapters and title as QuickTime has them).

use crate::clips::boxes::{boxed, dinf, ftyp, full, hdlr, matrix, put16, put32, put32s, put64};
use crate::clips::film::entries::{Entry, SoundEntry};
use crate::clips::film::reel::Reel;
use crate::clips::film::tables::{Chunk, Sample, Track};
use crate::clips::timeline::{Ticks, VIDEO_TIMESCALE};

/// Units a second of the film's own header, and of edits: an edit that ends a moment late shows one picture
/// more.
const MOVIE_TIMESCALE: u32 = VIDEO_TIMESCALE;
/// Seconds from 1904, where the format counts from, to 1970.
const SINCE_1904: u64 = 2_082_844_800;
/// Samples end below this where their offsets are written in 32 bits: what stands before them is shorter.
const NARROW: u64 = u32::MAX as u64 - (256 << 20);
/// `chpl` counts them in a byte.
const MAX_NERO: usize = 255;

/// What a track holds.
#[derive(Debug)]
pub(crate) enum Kind<'a> {
    Pictures(Vec<&'a Entry>),
    Sound(&'a SoundEntry),
    Text,
}

/// Every track, and where its samples lie.
#[derive(Debug)]
pub(crate) struct Tables<'a> {
    /// One a track.
    pub(crate) kinds: &'a [Kind<'a>],
    /// One a kind.
    pub(crate) tracks: &'a [Track],
    /// In the order in which they lie.
    pub(crate) chunks: &'a [Chunk],
    /// Where the first begins.
    pub(crate) from: u64,
    /// Their bytes together.
    pub(crate) bytes: u64,
}

/// Everything that stands before the samples: `ftyp`, `moov`, the header of `mdat`.
#[must_use]
pub(crate) fn moov(reel: &Reel<'_>, tables: &Tables<'_>, end: Ticks) -> Vec<u8> {
    let created = if reel.taken == 0 { 0 } else { reel.taken.saturating_add(SINCE_1904) };
    let text = tables.kinds.iter().position(|kind| matches!(kind, Kind::Text)).map(number);
    let mut out = ftyp();
    boxed(&mut out, b"moov", |out| {
        // 64 bits here and below: 32 of 90,000 a second end after 13 hours.
        full(out, b"mvhd", 1, 0, |out| {
            put64(out, created);
            put64(out, created);
            put32(out, MOVIE_TIMESCALE);
            put64(out, units(end));
            put32(out, 0x0001_0000); // rate
            out.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // volume 1.0, reserved
            matrix(out);
            put32s(out, &[0; 6]);
            put32(out, number(tables.kinds.len()));
        });
        for (n, (kind, track)) in tables.kinds.iter().zip(tables.tracks).enumerate() {
            trak(out, tables, n, (kind, track), (created, text));
        }
        if reel.title.is_some() || !reel.chapters.is_empty() {
            udta(out, reel);
        }
    });
    if tables.bytes < NARROW {
        put32(&mut out, u32::try_from(tables.bytes + 8).unwrap_or(u32::MAX));
        out.extend(b"mdat");
    } else {
        put32(&mut out, 1);
        out.extend(b"mdat");
        put64(&mut out, tables.bytes + 16);
    }
    out
}

/// The number of a track, by its place.
fn number(place: usize) -> u32 {
    u32::try_from(place + 1).unwrap_or(u32::MAX)
}

/// Units of the film.
fn units(time: Ticks) -> u64 {
    u64::try_from(time.0).unwrap_or(0)
}

fn trak(
    out: &mut Vec<u8>,
    tables: &Tables<'_>,
    n: usize,
    (kind, track): (&Kind<'_>, &Track),
    (created, text): (u64, Option<u32>),
) {
    // A track of chapters is in the film and not shown.
    let (flags, volume, size) = match kind {
        Kind::Pictures(entries) => (3, 0, entries.first().map_or((0, 0), |entry| entry.size)),
        Kind::Sound(_) => (3, 0x0100, (0, 0)),
        Kind::Text => (2, 0, (0, 0)),
    };
    let silent = track.silent;
    boxed(out, b"trak", |out| {
        full(out, b"tkhd", 1, flags, |out| {
            put64(out, created);
            put64(out, created);
            put32s(out, &[number(n), 0]);
            put64(out, units(track.shown()).saturating_add(units(silent)));
            put32s(out, &[0, 0]);
            put32(out, 0); // layer, group
            put16(out, volume);
            put16(out, 0);
            matrix(out);
            put32(out, u32::from(size.0) << 16);
            put32(out, u32::from(size.1) << 16);
        });
        if silent > Ticks(0) || !track.edits.is_empty() {
            let nothing = (silent > Ticks(0)).then_some((silent, u64::MAX)); // 14496-12, 8.6.6: -1
            let all = track.edits.is_empty().then(|| (track.shown(), 0));
            let edits = track.edits.iter().map(|edit| (edit.long, edit.from));
            let edits: Vec<_> = nothing.into_iter().chain(all).chain(edits).collect();
            boxed(out, b"edts", |out| {
                full(out, b"elst", 1, 0, |out| {
                    put32(out, u32::try_from(edits.len()).unwrap_or(0));
                    for (long, from) in edits {
                        put64(out, units(long));
                        put64(out, from);
                        put32(out, 0x0001_0000); // at its own rate
                    }
                });
            });
        }
        if let (Kind::Pictures(_), Some(text)) = (kind, text) {
            boxed(out, b"tref", |out| boxed(out, b"chap", |out| put32(out, text)));
        }
        boxed(out, b"mdia", |out| {
            full(out, b"mdhd", 1, 0, |out| {
                put64(out, created);
                put64(out, created);
                put32(out, track.timescale);
                put64(out, track.duration());
                put32(out, 0x55C4_0000); // language "und"
            });
            match kind {
                Kind::Pictures(_) => hdlr(out, b"vide", b"courtside video\0"),
                Kind::Sound(_) => hdlr(out, b"soun", b"courtside sound\0"),
                Kind::Text => hdlr(out, b"text", b"courtside chapters\0"),
            }
            boxed(out, b"minf", |out| {
                match kind {
                    Kind::Pictures(_) => full(out, b"vmhd", 0, 1, |out| put32s(out, &[0, 0])),
                    Kind::Sound(_) => full(out, b"smhd", 0, 0, |out| put32(out, 0)),
                    Kind::Text => gmhd(out),
                }
                dinf(out);
                boxed(out, b"stbl", |out| stbl(out, tables, n, (kind, track)));
            });
        });
    });
}

/// The header of a track that is neither seen nor heard (QuickTime).
fn gmhd(out: &mut Vec<u8>) {
    boxed(out, b"gmhd", |out| {
        full(out, b"gmin", 0, 0, |out| {
            put32s(out, &[0x0040_8000, 0x8000_8000, 0]); // copy, grey, no balance
        });
        boxed(out, b"text", matrix);
    });
}

fn stbl(out: &mut Vec<u8>, tables: &Tables<'_>, n: usize, (kind, track): (&Kind<'_>, &Track)) {
    full(out, b"stsd", 0, 0, |out| match kind {
        Kind::Pictures(entries) => {
            put32(out, u32::try_from(entries.len()).unwrap_or(0));
            entries.iter().for_each(|entry| out.extend_from_slice(&entry.bytes));
        }
        Kind::Sound(entry) => {
            put32(out, 1);
            out.extend_from_slice(&entry.bytes);
        }
        Kind::Text => {
            put32(out, 1);
            text_entry(out);
        }
    });
    let samples = &track.samples;
    full(out, b"stts", 0, 0, |out| runs(out, samples.iter().map(|sample| sample.duration)));
    if samples.iter().any(|sample| sample.later != 0) {
        let signed = samples.iter().any(|sample| sample.later < 0);
        full(out, b"ctts", u8::from(signed), 0, |out| {
            runs(out, samples.iter().map(|sample| sample.later.cast_unsigned()));
        });
    }
    if samples.iter().any(|sample| !sample.key) {
        full(out, b"stss", 0, 0, |out| {
            let keys = (1_u32..).zip(samples).filter(|(_, sample)| sample.key);
            list(out, keys.map(|(n, _)| n));
        });
    }
    let chunks = tables.chunks.iter().filter(|chunk| chunk.track == n);
    full(out, b"stsc", 0, 0, |out| samples_a_chunk(out, chunks, samples));
    full(out, b"stsz", 0, 0, |out| {
        put32(out, 0);
        list(out, samples.iter().map(|sample| sample.len));
    });
    let offsets = offsets(tables, n);
    if tables.bytes < NARROW {
        let narrow = offsets.iter().map(|&at| u32::try_from(at).unwrap_or(u32::MAX));
        full(out, b"stco", 0, 0, |out| list(out, narrow));
    } else {
        full(out, b"co64", 0, 0, |out| {
            put32(out, u32::try_from(offsets.len()).unwrap_or(0));
            offsets.iter().for_each(|&at| put64(out, at));
        });
    }
}

/// Where each chunk of a track begins.
fn offsets(tables: &Tables<'_>, n: usize) -> Vec<u64> {
    let mut at = tables.from;
    let mut found = Vec::new();
    for chunk in tables.chunks {
        if chunk.track == n {
            found.push(at);
        }
        let samples = tables.tracks.get(chunk.track).and_then(|track| {
            track.samples.get(chunk.first..chunk.first.saturating_add(chunk.count))
        });
        let samples = samples.unwrap_or(&[]).iter();
        at += samples.map(|sample| u64::from(sample.len)).sum::<u64>();
    }
    found
}

/// `stsc`: a line where the number of samples or their entry changes.
fn samples_a_chunk<'a>(
    out: &mut Vec<u8>,
    chunks: impl Iterator<Item = &'a Chunk>,
    samples: &[Sample],
) {
    let mut lines: Vec<[u32; 3]> = Vec::new();
    for (n, chunk) in (1_u32..).zip(chunks) {
        let count = u32::try_from(chunk.count).unwrap_or(u32::MAX);
        let entry = samples.get(chunk.first).map_or(0, |sample| sample.entry);
        let entry = number(entry);
        if lines.last().is_none_or(|line| line[1..] != [count, entry]) {
            lines.push([n, count, entry]);
        }
    }
    put32(out, u32::try_from(lines.len()).unwrap_or(0));
    lines.iter().for_each(|line| put32s(out, line));
}

/// A count, then the values.
fn list(out: &mut Vec<u8>, values: impl Iterator<Item = u32>) {
    let at = out.len();
    put32(out, 0);
    let mut count = 0_u32;
    for value in values {
        put32(out, value);
        count += 1;
    }
    crate::clips::boxes::patch(out, at, &count.to_be_bytes());
}

/// A count, then for each run of equal values its length and the value.
fn runs(out: &mut Vec<u8>, values: impl Iterator<Item = u32>) {
    let mut runs: Vec<[u32; 2]> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some([count, same]) if *same == value => *count += 1,
            _ => runs.push([1, value]),
        }
    }
    put32(out, u32::try_from(runs.len()).unwrap_or(0));
    runs.iter().for_each(|run| put32s(out, run));
}

/// The sample entry of chapters (QuickTime's text).
fn text_entry(out: &mut Vec<u8>) {
    boxed(out, b"text", |out| {
        put32s(out, &[0, 1]); // reserved, data reference 1
        put32s(out, &[0, 0]); // display flags, justification
        out.extend([0; 6]); // background
        out.extend([0; 8]); // box
        out.extend([0; 8]); // reserved
        out.extend([0; 7]); // font, face, reserved
        out.extend([0; 8]); // colour and reserved
        out.push(0); // name of the font
    });
}

/// Title, and the chapters once more as Nero has them: some players read the one, some the other.
fn udta(out: &mut Vec<u8>, reel: &Reel<'_>) {
    boxed(out, b"udta", |out| {
        if let Some(title) = reel.title {
            full(out, b"meta", 0, 0, |out| {
                full(out, b"hdlr", 0, 0, |out| {
                    put32(out, 0);
                    out.extend(b"mdirappl");
                    out.extend([0; 9]);
                });
                boxed(out, b"ilst", |out| {
                    boxed(out, b"\xa9nam", |out| {
                        boxed(out, b"data", |out| {
                            put32s(out, &[1, 0]); // UTF-8
                            out.extend(title.as_bytes());
                        });
                    });
                });
            });
        }
        if !reel.chapters.is_empty() {
            full(out, b"chpl", 1, 0, |out| {
                put32(out, 0);
                let chapters = reel.chapters.iter().take(MAX_NERO);
                out.push(u8::try_from(chapters.len()).unwrap_or(u8::MAX));
                for chapter in chapters {
                    let title = chapter.title();
                    put64(out, u64::try_from(chapter.at.0).unwrap_or(0) * 1000 / 9); // 100 ns
                    out.push(u8::try_from(title.len()).unwrap_or(0));
                    out.extend(title.as_bytes());
                }
            });
        }
    });
}
