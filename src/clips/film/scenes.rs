//! What of the ring is shown: scenes, each a run of pictures from a key picture on (pure).

use crate::clips::film::samples::{Picture, Sound};
use crate::clips::timeline::{AudioClock, Ticks};

/// The longest gap of a session in which the last picture stands (chosen: a fragment and the network's
/// usual trouble; beyond it nobody waits).
pub(crate) const HELD: Ticks = Ticks::from_millis(2000);

/// What one segment has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stretch {
    /// Which entry its pictures have.
    pub(crate) entry: usize,
    /// Which entry its sound has, and how that counts.
    pub(crate) sound: Option<(usize, AudioClock)>,
    /// In decoding order.
    pub(crate) pictures: Vec<Picture>,
    /// In order.
    pub(crate) sounds: Vec<Sound>,
}

/// Pictures in a row that decode from the first on, with the sound that goes with them.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    /// Which entry its pictures have.
    pub(crate) entry: usize,
    /// Which entry its sound has; `None` if it has none.
    pub(crate) sound: Option<(usize, AudioClock)>,
    /// In decoding order; the first is a key picture.
    pub(crate) pictures: Vec<Picture>,
    /// In order, as long as it is shown.
    pub(crate) sounds: Vec<Sound>,
    /// When it is shown from: the time of one of its pictures. Those before it are there to be decoded.
    pub(crate) start: Ticks,
    /// When it is shown to: a picture that would be shown then or later is not.
    pub(crate) end: Ticks,
}

impl Scene {
    /// When its first picture would be shown.
    #[must_use]
    pub(crate) fn first(&self) -> Ticks {
        self.pictures.iter().map(|picture| picture.pts).min().unwrap_or_default()
    }

    /// When its last picture ends, as far as the pictures say.
    #[must_use]
    pub(crate) fn own_end(&self) -> Ticks {
        let first = self.pictures.first().map_or(Ticks(0), |picture| picture.dts);
        let last = self.pictures.last().map_or(Ticks(0), |picture| picture.until);
        // As long as it takes to decode; what is shown comes later by the same at both ends.
        Ticks(self.first().0.saturating_add(last.since(first).0))
    }

    /// Takes of the sound what is heard while it is shown.
    fn hears<'a>(&mut self, sounds: impl IntoIterator<Item = &'a Sound>) {
        let Some((_, clock)) = self.sound else { return };
        // A frame goes where most of it is.
        let half = i64::from(clock.frame / 2);
        let start = self.start.samples(clock.rate) - half;
        let end = self.end.samples(clock.rate) - half;
        let heard = sounds.into_iter().filter(|sound| (start..end).contains(&sound.at));
        self.sounds = heard.copied().collect();
    }
}

/// The scenes of `from` to `to` (presentation times) in segments of one session, in order.
///
/// The first is decoded from the last key picture at or before `from` on, or the first one after it, and
/// shown from the picture of `from` on. A new one begins where entries change, or behind a gap that is
/// longer than [`HELD`].
#[must_use]
pub(crate) fn scenes(stretches: &[Stretch], from: Ticks, to: Ticks) -> Vec<Scene> {
    let mut found: Vec<Scene> = Vec::new();
    for stretch in stretches {
        for picture in &stretch.pictures {
            let goes_on = found.last().is_some_and(|scene| {
                let gap = scene.pictures.last().map(|last| picture.dts.since(last.until));
                // A stream's first pictures may be written before its sound is known.
                let sounds = scene.sound.zip(stretch.sound);
                let alike = scene.entry == stretch.entry
                    && sounds.is_none_or(|(one, other)| one.0 == other.0);
                alike && !(picture.key && gap > Some(HELD))
            });
            if goes_on {
                if let Some(scene) = found.last_mut() {
                    scene.pictures.push(*picture);
                    scene.sound = scene.sound.or(stretch.sound);
                }
            } else if picture.key {
                let (entry, sound) = (stretch.entry, stretch.sound);
                let (pictures, sounds) = (vec![*picture], Vec::new());
                let (start, end) = (Ticks(0), Ticks(0));
                found.push(Scene { entry, sound, pictures, sounds, start, end });
            }
        }
    }
    let mut found: Vec<_> = found.into_iter().filter_map(|s| trimmed(s, from, to)).collect();
    // What follows at once begins where this ends, whatever either reorders; no picture is cut short.
    let nexts: Vec<_> = found.iter().skip(1).map(|scene| scene.start).collect();
    for (scene, next) in found.iter_mut().zip(nexts) {
        if next.since(scene.end) <= HELD {
            scene.end = scene.end.max(next);
        }
    }
    for scene in &mut found {
        let Some((entry, _)) = scene.sound else { continue };
        let with = stretches.iter().filter(|s| s.sound.is_some_and(|(sound, _)| sound == entry));
        scene.hears(with.flat_map(|stretch| &stretch.sounds));
    }
    found
}

/// All of one run as one scene of `from` to `to`, whatever gaps it has: the picture before one stands.
/// `None` if it has no picture by `to`.
#[must_use]
pub(crate) fn one_scene(stretch: Stretch, from: Ticks, to: Ticks) -> Option<Scene> {
    let Stretch { entry, sound, pictures, sounds } = stretch;
    let (start, end) = (Ticks(0), Ticks(0));
    let scene = Scene { entry, sound, pictures, sounds: Vec::new(), start, end };
    let mut scene = cut(scene, from, to)?;
    scene.end = scene.end.max(Ticks(scene.start.0.saturating_add(1)));
    scene.hears(&sounds);
    Some(scene)
}

/// The part of a scene that is wanted; `None` if nothing of it is.
fn trimmed(scene: Scene, from: Ticks, to: Ticks) -> Option<Scene> {
    cut(scene, from, to).filter(|scene| scene.end >= from && scene.start <= to)
}

/// A scene from the key picture at or before `from` to what is decoded by `to`; `None` if there is none.
fn cut(mut scene: Scene, from: Ticks, to: Ticks) -> Option<Scene> {
    let start = scene.pictures.iter().rposition(|p| p.key && p.pts <= from).unwrap_or(0);
    let end = scene.pictures.iter().rposition(|p| p.dts <= to || p.pts <= to)?;
    if start > end {
        return None;
    }
    scene.pictures.truncate(end + 1);
    scene.pictures.drain(..start);
    let times = || scene.pictures.iter().map(|picture| picture.pts);
    let shown = times().filter(|pts| *pts <= from).max();
    let later = times().filter(|pts| *pts > to).min();
    let start = shown.unwrap_or_else(|| scene.first());
    scene.end = later.unwrap_or_else(|| scene.own_end());
    scene.start = start;
    Some(scene)
}

/// Joins intervals of one session that show the same pictures, or leave out less than is worth a cut.
/// Each comes with what is told of it.
#[must_use]
pub(crate) fn joined<T>(
    mut wanted: Vec<(Ticks, Ticks, T)>,
) -> Vec<(Ticks, Ticks, Vec<(Ticks, T)>)> {
    wanted.sort_by_key(|(from, to, _)| (*from, *to));
    let mut out: Vec<(Ticks, Ticks, Vec<(Ticks, T)>)> = Vec::new();
    for (from, to, told) in wanted {
        match out.last_mut() {
            Some((_, end, all)) if from.since(*end) <= SPARED => {
                *end = (*end).max(to);
                all.push((from, told));
            }
            _ => out.push((from, to, vec![(from, told)])),
        }
    }
    out
}

/// Less than this between two highlights is shown (chosen: a cut that short is a stutter).
const SPARED: Ticks = Ticks::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clips::film::samples::Place;

    /// Pictures of 100 ms: `k` is a key picture, `.` is none, `_` a gap.
    fn stretch(start_ms: i64, pictures: &str, entry: usize) -> Stretch {
        let mut list = Vec::new();
        for (kind, n) in pictures.chars().zip(0..) {
            let dts = Ticks::from_millis(start_ms + n * 100);
            let until = Ticks::from_millis(start_ms + (n + 1) * 100);
            let place = Place { file: 0, offset: 0, len: 1 };
            if kind != '_' {
                list.push(Picture { place, dts, pts: dts, until, key: kind == 'k' });
            }
        }
        Stretch { entry, pictures: list, ..Stretch::default() }
    }

    /// The scenes of an interval in ms, as "entry:start-end …" in ms.
    fn check(stretches: &[Stretch], (from, to): (i64, i64), expected: &str) {
        let found = scenes(stretches, Ticks::from_millis(from), Ticks::from_millis(to));
        let told: Vec<_> = found
            .iter()
            .map(|scene| format!("{}:{}-{}", scene.entry, scene.start.0 / 90, scene.end.0 / 90))
            .collect();
        assert_eq!(told.join(" "), expected, "{from} to {to}");
    }

    #[test]
    fn a_scene_is_shown_from_the_picture_of_its_beginning_on_and_decoded_from_a_key_picture_on() {
        let ring = [stretch(0, "k....k....", 0), stretch(1000, "k....k....", 0)];
        check(&ring, (700, 1250), "0:700-1300");
        check(&ring, (799, 1250), "0:700-1300");
        let scene = &scenes(&ring, Ticks::from_millis(799), Ticks::from_millis(1250))[0];
        assert_eq!((scene.first(), scene.pictures.len()), (Ticks::from_millis(500), 8));
        check(&ring, (500, 500), "0:500-600");
        check(&ring, (-500, 200), "0:0-300");
        check(&ring, (1900, 5000), "0:1900-2000");
        check(&ring, (2500, 5000), "");
        check(&[stretch(0, "..k..", 0)], (0, 1000), "0:200-500");
    }

    #[test]
    fn pictures_that_are_shown_out_of_order_are_cut_by_when_they_are_shown() {
        let mut reordered = stretch(0, "k....k....", 0);
        // I P b b P | I …: shown 2 places later, the b before the P that is decoded before them.
        for (picture, n) in reordered.pictures.iter_mut().zip([0, 3, 1, 2, 4, 5, 8, 6, 7, 9]) {
            picture.pts = Ticks::from_millis((n + 2) * 100);
        }
        let ring = [reordered];
        let found = scenes(&ring, Ticks::from_millis(450), Ticks::from_millis(899));
        let [scene] = &found[..] else { panic!("one: {found:?}") };
        // The picture of 450 ms is a b; the last that is decoded by 899 ms would be shown at 1000.
        assert_eq!((scene.start, scene.end), (Ticks::from_millis(400), Ticks::from_millis(900)));
        assert_eq!((scene.first(), scene.pictures.len()), (Ticks::from_millis(200), 9));
        assert_eq!(scene.own_end(), Ticks::from_millis(1100));
    }

    #[test]
    fn a_change_of_entries_begins_a_scene_and_a_change_back_another() {
        let ring = [stretch(0, "k..", 0), stretch(300, "k..", 1), stretch(600, "k..", 0)];
        check(&ring, (0, 900), "0:0-300 1:300-600 0:600-900");
        check(&ring, (400, 500), "1:400-600");
    }

    #[test]
    fn a_short_gap_is_held_and_a_long_one_begins_a_scene() {
        check(&[stretch(0, "k.__k.", 0)], (0, 900), "0:0-600");
        let long = format!("k.{}k.", "_".repeat(21));
        check(&[stretch(0, &long, 0)], (0, 9000), "0:0-200 0:2300-2500");
        // What needs others is not cut off from them.
        let needs = format!("k.{}..", "_".repeat(21));
        check(&[stretch(0, &needs, 0)], (0, 9000), "0:0-2500");
    }

    #[test]
    fn highlights_that_show_the_same_pictures_are_joined() {
        let second = |n: i64| Ticks::from_millis(n * 1000);
        let wanted = vec![
            (second(20), second(25), 'd'),
            (second(1), second(5), 'a'),
            (Ticks(second(5).0 + SPARED.0), second(9), 'b'),
            (Ticks(second(9).0 + SPARED.0 + 1), second(13), 'c'),
        ];
        let told: Vec<_> = joined(wanted)
            .into_iter()
            .map(|(from, to, all)| {
                let all: String = all.into_iter().map(|(_, name)| name).collect();
                format!("{}-{} {all}", from.0 / second(1).0, to.0 / second(1).0)
            })
            .collect();
        assert_eq!(told, ["1-9 ab", "9-13 c", "20-25 d"]);
    }
}
