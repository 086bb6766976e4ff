//! Sound's own delay: what it took through the air, and what its coding put in front. Pure.

use crate::media::MediaTime;

/// Through a meter of air of 20 °C (343 m/s), ns.
const OF_A_METER: i64 = 2_915_452;

/// How the sound of a stream was coded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coding {
    /// The publisher's times already leave out what its encoder put in front, as ffmpeg's do.
    #[default]
    Accounted,
    /// They count it: so many samples of silence stand before the first sound (1,024 or 2,112 of AAC).
    Primed {
        /// Samples.
        samples: u32,
        /// A second has so many.
        rate: u32,
    },
}

/// What is taken off the time at which sound stands in the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Air {
    /// From what sounds to the microphone, dm. 0: nobody said.
    pub decimeters: u32,
    /// What its encoder put in front.
    pub coding: Coding,
}

impl Air {
    /// When that sounded which stands at `at`.
    #[must_use]
    pub fn sounded(self, at: MediaTime) -> MediaTime {
        let air = OF_A_METER * i64::from(self.decimeters) / 10;
        let primed = match self.coding {
            Coding::Accounted => 0,
            Coding::Primed { samples, rate } => {
                i64::from(samples) * 1_000_000_000 / i64::from(rate.max(1))
            }
        };
        at.plus_nanos(-(air + primed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn air_and_coding_are_taken_off() {
        let off = |decimeters, coding| {
            MediaTime::ZERO.nanos_since(Air { decimeters, coding }.sounded(MediaTime::ZERO)) / 1_000
        };
        let primed = |samples, rate| Coding::Primed { samples, rate };
        for (meters, coding, us) in [
            (0, Coding::Accounted, 0),
            (100, Coding::Accounted, 29_154),
            (0, primed(1_024, 44_100), 23_219),
            (0, primed(2_112, 48_000), 44_000),
            (0, primed(1_024, 0), 1_024_000_000),
            (200, primed(1_024, 48_000), 58_309 + 21_333),
        ] {
            assert!(
                (off(meters, coding) - us).abs() <= 1,
                "{meters} {coding:?}: {}",
                off(meters, coding)
            );
        }
    }
}
