//! A film from end to end: what stands before the pictures, and which bytes of which segment follow (pure).

use crate::clips::cut::Piece;
use crate::clips::film::boxes::{Kind, Tables, moov};
use crate::clips::film::entries::Entry;
use crate::clips::film::reel::Reel;
use crate::clips::film::tables::{Chunk, Sample, Source, Track, film_time, pictures, sound, text};
use crate::clips::timeline::Ticks;

/// Lengths of a chunk: a player that reads on finds sound and pictures near each other (chosen: a fragment).
const CHUNK: Ticks = Ticks::from_millis(500);

/// Puts a film together. The numbers of files in it are those of the samples' places.
#[must_use]
pub(crate) fn lay_out(reel: &Reel<'_>) -> Vec<Piece> {
    let mut entries: Vec<(usize, &Entry)> = Vec::new();
    for scene in reel.scenes {
        let Some(entry) = reel.entries.get(scene.entry) else { continue };
        if entries.iter().all(|(n, _)| *n != scene.entry) {
            entries.push((scene.entry, entry));
        }
    }
    let mut tracks = vec![pictures(reel.scenes, &entries)];
    let mut kinds = vec![Kind::Pictures(entries.iter().map(|(_, entry)| *entry).collect())];
    if let Some((number, entry)) = reel.sound
        && let Some(track) = sound(reel.scenes, (number, entry))
    {
        tracks.push(track);
        kinds.push(Kind::Sound(entry));
    }
    let end = film_time(reel.scenes).last().copied().unwrap_or_default();
    if let Some(track) = text(reel.chapters, end) {
        tracks.push(track);
        kinds.push(Kind::Text);
    }
    let chunks = chunks(&tracks);
    let bytes: u64 =
        tracks.iter().flat_map(|track| &track.samples).map(|sample| u64::from(sample.len)).sum();
    let head = |from: u64| {
        let tables = Tables { kinds: &kinds, tracks: &tracks, chunks: &chunks, from, bytes };
        moov(reel, &tables, end)
    };
    // Its length does not hang on where the samples begin.
    let before = head(0).len() as u64;
    let mut pieces = vec![Piece::Memory(head(before))];
    for chunk in &chunks {
        let Some(track) = tracks.get(chunk.track) else { continue };
        for sample in track.samples.iter().skip(chunk.first).take(chunk.count) {
            append(&mut pieces, sample, &entries);
        }
    }
    pieces
}

/// In which order samples lie: sound behind the pictures that it goes with, text in front.
fn chunks(tracks: &[Track]) -> Vec<Chunk> {
    let mut all: Vec<(i64, usize, Chunk)> = Vec::new();
    for (n, track) in tracks.iter().enumerate() {
        let mut at = 0_u64;
        let mut begins = Ticks(0);
        let mut open: Option<Chunk> = None;
        let mut entry = 0;
        for (index, sample) in track.samples.iter().enumerate() {
            let now = track.film_time(at);
            let full = open.is_some() && (now.since(begins) >= CHUNK || sample.entry != entry);
            if full {
                all.extend(open.take().map(|chunk| (begins.0, n, chunk)));
            }
            match &mut open {
                Some(chunk) => chunk.count += 1,
                None => {
                    begins = now;
                    entry = sample.entry;
                    open = Some(Chunk { track: n, first: index, count: 1 });
                }
            }
            at += u64::from(sample.duration);
        }
        all.extend(open.map(|chunk| (begins.0, n, chunk)));
    }
    all.sort_by_key(|(at, track, _)| (*at, *track));
    all.into_iter().map(|(_, _, chunk)| chunk).collect()
}

/// Adds the bytes of a sample; what lies in a row in a segment is one piece.
fn append(pieces: &mut Vec<Piece>, sample: &Sample, entries: &[(usize, &Entry)]) {
    let ours = match &sample.source {
        Source::Ours(bytes) => Some(bytes.as_slice()),
        Source::BehindSets(_) => entries.get(sample.entry).map(|(_, entry)| entry.sets.as_slice()),
        Source::At(_) => None,
    };
    if let Some(bytes) = ours {
        match pieces.last_mut() {
            Some(Piece::Memory(before)) => before.extend_from_slice(bytes),
            _ => pieces.push(Piece::Memory(bytes.to_vec())),
        }
    }
    if let Source::At(place) | Source::BehindSets(place) = sample.source {
        match pieces.last_mut() {
            Some(Piece::File { part, offset, len })
                if *part == place.file && *offset + *len == place.offset =>
            {
                *len += u64::from(place.len);
            }
            _ => pieces.push(Piece::File {
                part: place.file,
                offset: place.offset,
                len: place.len.into(),
            }),
        }
    }
}
