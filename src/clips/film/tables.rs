//! When each sample of a film is shown: its tracks (pure).
//!
//! Scenes follow each other without gap. The pictures' track counts decoding times, with what is decoded and
//! not shown; all scenes are shown the same lead after that, whatever each reorders, so that none overlaps
//! the one before. Edits say what of the track is shown. Sound needs nothing before it, and goes where
//! its picture went; what is not there is silence, since Chromium says of a gap in the sound that it "may
//! cause AV sync to drift".

use crate::clips::film::entries::{Entry, SoundEntry};
use crate::clips::film::reel::Chapter;
use crate::clips::film::samples::Place;
use crate::clips::film::scenes::Scene;
use crate::clips::timeline::{Ticks, VIDEO_TIMESCALE};

/// Units a second of the chapters' track.
pub(crate) const TEXT_TIMESCALE: u32 = 1000;

/// Where the bytes of a sample come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A segment.
    At(Place),
    /// A segment, behind the parameter sets of its entry.
    BehindSets(Place),
    /// Ours.
    Ours(Vec<u8>),
}

/// A row of a track's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Its bytes.
    pub(crate) source: Source,
    /// How many.
    pub(crate) len: u32,
    /// Until the next is decoded, in the track's units.
    pub(crate) duration: u32,
    /// From decoding to presentation.
    pub(crate) later: i32,
    /// True if decoding can start here.
    pub(crate) key: bool,
    /// Its sample entry, from 0.
    pub(crate) entry: usize,
}

/// A track.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    /// Units a second.
    pub(crate) timescale: u32,
    /// In order.
    pub(crate) samples: Vec<Sample>,
    /// What of it is shown, in order; none: all of it.
    pub(crate) edits: Vec<Edit>,
    /// Time of the film that passes before the track begins.
    pub(crate) silent: Ticks,
}

/// A part of a track that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Where in the film.
    pub(crate) at: Ticks,
    /// How long.
    pub(crate) long: Ticks,
    /// From where on, in the track's units.
    pub(crate) from: u64,
}

impl Track {
    /// Its length, in its units.
    #[must_use]
    pub(crate) fn duration(&self) -> u64 {
        self.samples.iter().map(|sample| u64::from(sample.duration)).sum()
    }

    /// How long the film shows of it.
    #[must_use]
    pub(crate) fn shown(&self) -> Ticks {
        match self.edits.last() {
            Some(last) => Ticks(last.at.0.saturating_add(last.long.0)),
            None => of_units(self.duration(), self.timescale),
        }
    }

    /// Where in the film what is decoded at a time of the track is needed: it is shown at once, or soon.
    #[must_use]
    pub(crate) fn film_time(&self, decoded: u64) -> Ticks {
        if self.edits.is_empty() {
            return of_units(decoded, self.timescale);
        }
        let behind = self.edits.partition_point(|edit| edit.from <= decoded);
        let Some(edit) = behind.checked_sub(1).and_then(|n| self.edits.get(n)) else {
            return Ticks(0);
        };
        let into = of_units(decoded.saturating_sub(edit.from), self.timescale);
        Ticks(edit.at.0.saturating_add(into.0.min(edit.long.0)))
    }
}

fn of_units(units: u64, timescale: u32) -> Ticks {
    Ticks::of_samples(i64::try_from(units).unwrap_or(i64::MAX), timescale)
}

/// Samples of one track that lie in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    /// Of which track.
    pub(crate) track: usize,
    /// The first of them.
    pub(crate) first: usize,
    /// How many.
    pub(crate) count: usize,
}

/// Where each scene begins in the film, and where the last ends.
#[must_use]
pub(crate) fn film_time(scenes: &[Scene]) -> Vec<Ticks> {
    let mut at = Ticks(0);
    let mut begins = vec![at];
    for scene in scenes {
        at = Ticks(at.0.saturating_add(scene.end.since(scene.start).0));
        begins.push(at);
    }
    begins
}

/// The pictures. `entries`: those of the film, in order, by the numbers that scenes have for them.
#[must_use]
pub(crate) fn pictures(scenes: &[Scene], entries: &[(usize, &Entry)]) -> Track {
    let lead_of =
        |scene: &Scene| scene.pictures.first().map_or(0, |first| scene.first().since(first.dts).0);
    let lead = scenes.iter().map(lead_of).max().unwrap_or(0).max(0);
    let mut samples: Vec<Sample> = Vec::new();
    let mut edits: Vec<Edit> = Vec::new();
    let mut decoded = 0_u64;
    for (scene, at) in scenes.iter().zip(film_time(scenes)) {
        let hidden = scene.start.since(scene.first()).0.max(0);
        let from = decoded.saturating_add_signed(lead.saturating_add(hidden));
        let long = scene.end.since(scene.start);
        match edits.last_mut() {
            // Shown at once: no cut.
            Some(last) if last.from.saturating_add_signed(last.long.0) == from => {
                last.long.0 = last.long.0.saturating_add(long.0);
            }
            _ => edits.push(Edit { at, long, from }),
        }
        let entry = entries.iter().position(|(n, _)| *n == scene.entry).unwrap_or(0);
        let sets = entries.get(entry).map_or(0, |(_, entry)| entry.sets.len());
        let nexts = scene.pictures.iter().skip(1).map(|next| Some(next.dts));
        // Decoded as long before the end as shown before it.
        let first = scene.pictures.first().map_or(Ticks(0), |first| first.dts);
        let whole = scene.end.max(scene.own_end()).since(scene.first());
        let end = Ticks(first.0.saturating_add(whole.0));
        for (picture, next) in scene.pictures.iter().zip(nexts.chain([None])) {
            let until = next.unwrap_or(end);
            let later = picture.pts.since(picture.dts).0 - lead_of(scene) + lead;
            let told = entries.len() > 1 && picture.key;
            let duration = units(until.since(picture.dts).0);
            decoded += u64::from(duration);
            let (place, sets) = (picture.place, u32::try_from(sets).unwrap_or(0));
            samples.push(Sample {
                source: if told { Source::BehindSets(place) } else { Source::At(place) },
                len: if told { place.len.saturating_add(sets) } else { place.len },
                duration,
                later: i32::try_from(later).unwrap_or(0),
                key: picture.key,
                entry,
            });
        }
    }
    let all = Edit { at: Ticks(0), long: of_units(decoded, VIDEO_TIMESCALE), from: 0 };
    if edits == [all] {
        edits.clear();
    }
    Track { timescale: VIDEO_TIMESCALE, samples, edits, silent: Ticks(0) }
}

/// The sound; `None` if no scene has any of this entry.
#[must_use]
pub(crate) fn sound(scenes: &[Scene], (number, entry): (usize, &SoundEntry)) -> Option<Track> {
    let (rate, frame) = (entry.clock.rate, i64::from(entry.clock.frame));
    let mut placed = Placed { frame, silence: entry.silence, at: 0, frames: Vec::new() };
    for (scene, begins) in scenes.iter().zip(film_time(scenes)) {
        if scene.sound.is_none_or(|(of_scene, _)| of_scene != number) {
            continue;
        }
        let shift = begins.samples(rate) - scene.start.samples(rate);
        for sound in &scene.sounds {
            placed.put(sound.at.saturating_add(shift), sound.place);
        }
    }
    let first = placed.frames.iter().find(|(_, source)| matches!(source, Source::At(_)));
    first?;
    placed.fill(film_time(scenes).last().copied().unwrap_or_default().samples(rate));
    let silent = placed.frames.first().map_or(0, |(at, _)| *at);
    let nexts = placed.frames.iter().skip(1).map(|(at, _)| Some(*at));
    let ends: Vec<_> = nexts.chain([None]).collect();
    let samples = placed.frames.into_iter().zip(ends).map(|((at, source), next)| Sample {
        len: match &source {
            Source::At(place) | Source::BehindSets(place) => place.len,
            Source::Ours(bytes) => u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        },
        source,
        duration: units(next.map_or(frame, |next| next - at)),
        later: 0,
        key: true,
        entry: 0,
    });
    let silent = if silent > 1 { Ticks::of_samples(silent, rate) } else { Ticks(0) };
    Some(Track { timescale: rate, samples: samples.collect(), edits: Vec::new(), silent })
}

/// Frames of sound, each with its place in the film.
struct Placed {
    frame: i64,
    silence: Option<&'static [u8]>,
    /// Where the next goes.
    at: i64,
    frames: Vec<(i64, Source)>,
}

impl Placed {
    /// Puts a frame, unless it would lie over what is there for more than half of it.
    fn put(&mut self, at: i64, place: Place) {
        if at - self.at < -self.frame / 2 {
            return;
        }
        self.fill(at);
        let after_last = self.frames.last().map_or(0, |(last, _)| last + 1);
        let at = at.max(after_last);
        self.frames.push((at, Source::At(place)));
        self.at = at + self.frame;
    }

    /// Silence up to there, in whole frames.
    fn fill(&mut self, until: i64) {
        let Some(silence) = self.silence else { return };
        while until - self.at >= self.frame {
            self.frames.push((self.at, Source::Ours(silence.to_vec())));
            self.at += self.frame;
        }
    }
}

/// The chapters; `None` if there is none.
#[must_use]
pub(crate) fn text(chapters: &[Chapter], end: Ticks) -> Option<Track> {
    let mut samples = Vec::new();
    let ends = chapters.iter().skip(1).map(|next| next.at).chain([end]);
    for (chapter, end) in chapters.iter().zip(ends) {
        let mut bytes = Vec::new();
        let title = chapter.title();
        bytes.extend(u16::try_from(title.len()).unwrap_or(0).to_be_bytes());
        bytes.extend(title.as_bytes());
        bytes.extend(b"\0\0\0\x0cencd\0\0\x01\0"); // it is UTF-8
        samples.push(Sample {
            len: u32::try_from(bytes.len()).unwrap_or(0),
            source: Source::Ours(bytes),
            duration: units(end.0 / 90 - chapter.at.0 / 90),
            later: 0,
            key: true,
            entry: 0,
        });
    }
    let (edits, silent) = (Vec::new(), Ticks(0));
    let track = Track { timescale: TEXT_TIMESCALE, samples, edits, silent };
    (!track.samples.is_empty()).then_some(track)
}

fn units(of: i64) -> u32 {
    u32::try_from(of.max(1)).unwrap_or(u32::MAX)
}
