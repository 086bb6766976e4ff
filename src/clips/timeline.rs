//! Media time to track time (pure): no rounding is ever added up.

use crate::media::{AudioParameters, MediaTime};

/// Units a second of the video track.
pub const VIDEO_TIMESCALE: u32 = 90_000;

/// Sound may stray this far from its timestamps before it is set right: they come in whole
/// milliseconds and encoders jitter, while AAC frames follow each other without gap
/// (chosen; the jitter of ffmpeg, OBS and librtmp stays below).
const MAX_STRAY_MS: i64 = 60;

/// Media time in units of the video track. What files hold, so what the index counts in: an index
/// that is rebuilt from the files equals the one that was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(pub i64);

impl Ticks {
    /// The nearest tick.
    #[must_use]
    pub fn of(time: MediaTime) -> Self {
        Self(scale(time.as_nanos(), i64::from(VIDEO_TIMESCALE), 1_000_000_000))
    }

    /// The nearest nanosecond.
    #[must_use]
    pub fn media(self) -> MediaTime {
        MediaTime::from_nanos(scale(self.0, 1_000_000_000, i64::from(VIDEO_TIMESCALE)))
    }

    /// The nearest tick to a position in a sound track.
    #[must_use]
    pub fn of_samples(samples: i64, rate: u32) -> Self {
        Self(scale(samples, i64::from(VIDEO_TIMESCALE), i64::from(rate)))
    }

    /// The nearest position in a sound track.
    #[must_use]
    pub fn samples(self, rate: u32) -> i64 {
        scale(self.0, i64::from(rate), i64::from(VIDEO_TIMESCALE))
    }

    /// Ticks of a number of milliseconds.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(90))
    }

    /// The distance from `earlier`; negative if that is later. Saturates.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

/// `value * to / from`, rounded to the nearest.
fn scale(value: i64, to: i64, from: i64) -> i64 {
    let from = i128::from(from.max(1));
    let scaled = (i128::from(value) * i128::from(to) + from / 2).div_euclid(from);
    i64::try_from(scaled).unwrap_or(if scaled < 0 { i64::MIN } else { i64::MAX })
}

/// How a sound track counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioClock {
    /// Samples a second: the track's timescale.
    pub rate: u32,
    /// Samples of one AAC frame.
    pub frame: u32,
}

impl AudioClock {
    /// The clock of an AAC stream. 960 samples a frame where its config says so (14496-3 4.4.1).
    #[must_use]
    pub fn of(parameters: &AudioParameters) -> Self {
        let short = match parameters.config.get(..2) {
            // 5 bits object type, 4 frequency, 4 channels, then frameLengthFlag; escapes have other
            // layouts and nobody sends them over RTMP.
            Some([a, b]) => (a >> 3) != 31 && (b >> 7) | ((a & 7) << 1) != 15 && b & 0x04 != 0,
            _ => false,
        };
        Self { rate: parameters.sample_rate.max(1), frame: if short { 960 } else { 1024 } }
    }
}

/// Places pictures: each at its own scaled time, never two at one.
#[derive(Clone, Debug, Default)]
pub(crate) struct VideoTimeline {
    last: Option<Ticks>,
}

impl VideoTimeline {
    /// Where a picture stands: decoding time and presentation time.
    pub(crate) fn place(&mut self, dts: MediaTime, pts: MediaTime) -> (Ticks, Ticks) {
        let at = Ticks::of(dts);
        let at = self.last.map_or(at, |last| at.max(Ticks(last.0.saturating_add(1))));
        self.last = Some(at);
        (at, Ticks::of(pts))
    }
}

/// Where a sound frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SoundPlace {
    /// Here, in samples since media time 0.
    At(i64),
    /// Nowhere: it would lie over what is there already.
    Overlaps,
}

/// Places sound: frames on their own count, set right when they stray too far.
#[derive(Clone, Debug)]
pub(crate) struct AudioTimeline {
    clock: AudioClock,
    next: Option<i64>,
}

impl AudioTimeline {
    /// A track that has nothing yet.
    #[must_use]
    pub(crate) const fn new(clock: AudioClock) -> Self {
        Self { clock, next: None }
    }

    /// Where the next frame stands.
    pub(crate) fn place(&mut self, pts: MediaTime) -> SoundPlace {
        let rate = i64::from(self.clock.rate);
        let said = scale(pts.as_nanos(), rate, 1_000_000_000);
        let stray = rate * MAX_STRAY_MS / 1000;
        let at = match self.next {
            Some(next) if said.saturating_sub(next) > stray => said, // a gap
            Some(next) if next.saturating_sub(said) > stray => return SoundPlace::Overlaps,
            Some(next) => next,
            None => said,
        };
        self.next = Some(at.saturating_add(i64::from(self.clock.frame)));
        SoundPlace::At(at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLOCK: AudioClock = AudioClock { rate: 44_100, frame: 1024 };

    #[test]
    fn an_hour_of_sound_in_whole_milliseconds_never_leaves_its_count() {
        let mut sound = AudioTimeline::new(CLOCK);
        let mut expected = None;
        for n in 0..155_000_i64 {
            let pts = MediaTime::from_millis(n * 1024 * 1000 / 44_100 + 7);
            let SoundPlace::At(at) = sound.place(pts) else { panic!("overlap at {n}") };
            let wanted = *expected.get_or_insert(at);
            assert_eq!(at, wanted, "frame {n}");
            expected = Some(at + 1024);
        }
    }

    #[test]
    fn sound_is_set_right_after_a_gap_and_never_laid_twice() {
        let mut sound = AudioTimeline::new(CLOCK);
        assert_eq!(sound.place(MediaTime::ZERO), SoundPlace::At(0));
        assert_eq!(sound.place(MediaTime::from_millis(80)), SoundPlace::At(1024));
        assert_eq!(sound.place(MediaTime::from_millis(1000)), SoundPlace::At(44_100));
        assert_eq!(sound.place(MediaTime::from_millis(500)), SoundPlace::Overlaps);
    }

    proptest! {
        #[test]
        fn pictures_never_share_a_time(steps in prop::collection::vec(0_i64..3_000_000, 1..50)) {
            let mut video = VideoTimeline::default();
            let mut now = 0;
            let mut last = None;
            for step in steps {
                now += step;
                let at = video.place(MediaTime::from_nanos(now), MediaTime::from_nanos(now)).0;
                prop_assert!(last.is_none_or(|last| at > last));
                last = Some(at);
            }
        }

        #[test]
        fn whole_milliseconds_come_back_exactly(ms in -1_000_000_000_i64..1_000_000_000_000) {
            let time = MediaTime::from_millis(ms);
            prop_assert_eq!(Ticks::of(time).media(), time);
        }

        #[test]
        fn sound_stays_near_its_timestamps(jitter in prop::collection::vec(-20_i64..20, 1..300)) {
            let mut sound = AudioTimeline::new(CLOCK);
            for (n, jitter) in jitter.iter().enumerate() {
                let ms = i64::try_from(n).expect("small") * 1024 * 1000 / 44_100 + 100 + jitter;
                if let SoundPlace::At(at) = sound.place(MediaTime::from_millis(ms)) {
                    prop_assert!((at * 1000 / 44_100 - ms).abs() <= MAX_STRAY_MS + 1);
                }
            }
        }
    }
}
