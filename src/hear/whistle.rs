//! Shares of hops → whistles: a run of hops in which one blows, of a length that people blow. Pure.
//!
//! ```text
//! quiet ─share ≥ ½→ running ─share < ½ for more than 48 ms→ a whistle, where it was long enough and mostly one
//! ```
//! What sounds longer than a whistle is told as none: a horn, a beep, a tone that stays.

use std::time::Duration;

use crate::media::MediaTime;

/// From this share on a hop has a whistle.
const HIGH: f32 = 0.5;
/// A pea lets it fall out for so long (chosen: a turn of the slowest warble).
const FALLS_OUT: i64 = 48_000_000;
/// People blow 0.15 to 2 s; hops blur an end by one of them, halls the other by some tenths.
const LENGTH: std::ops::RangeInclusive<i64> = 130_000_000..=2_600_000_000;
/// Of a run's hops so many are high.
const MOSTLY: f32 = 0.7;

/// A whistle was blown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Whistle {
    /// When it began.
    pub from: MediaTime,
    /// How long it lasted.
    pub lasted: Duration,
    /// The mean share of its hops.
    pub share: f32,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    from: MediaTime,
    last_high: MediaTime,
    hops: u32,
    high: u32,
    /// Of the hops up to the last high one.
    hops_then: u32,
    sum: f32,
}

/// The fold. One stream's.
#[derive(Clone, Debug, Default)]
pub struct Whistles {
    run: Option<Run>,
}

impl Whistles {
    /// Takes the share of the hop around `at`; returns the whistle that is over.
    pub fn step(&mut self, at: MediaTime, share: f32) -> Option<Whistle> {
        let is_high = share >= HIGH;
        match &mut self.run {
            None => {
                self.run = is_high.then_some(Run {
                    from: at,
                    last_high: at,
                    hops: 1,
                    high: 1,
                    hops_then: 1,
                    sum: share,
                });
                None
            }
            Some(run) if is_high => {
                run.hops += 1;
                run.high += 1;
                (run.last_high, run.hops_then, run.sum) = (at, run.hops, run.sum + share);
                None
            }
            Some(run) if at.nanos_since(run.last_high) <= FALLS_OUT => {
                run.hops += 1;
                None
            }
            Some(_) => self.end(),
        }
    }

    /// No more comes: what ran is over.
    pub fn end(&mut self) -> Option<Whistle> {
        let run = self.run.take()?;
        let lasted = run.last_high.nanos_since(run.from);
        #[expect(clippy::cast_precision_loss, reason = "hops of seconds")]
        let (high, hops) = (run.high as f32, run.hops_then as f32);
        (LENGTH.contains(&lasted) && high >= MOSTLY * hops).then(|| Whistle {
            from: run.from,
            lasted: Duration::from_nanos(lasted.unsigned_abs()),
            share: run.sum / high,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whistles of shares, a hop each 16 ms.
    fn heard(shares: &[f32]) -> Vec<(i64, u128)> {
        let mut whistles = Whistles::default();
        let at = |n: usize| MediaTime::from_millis(16 * n as i64);
        let told = shares.iter().enumerate().filter_map(|(n, share)| whistles.step(at(n), *share));
        let mut told: Vec<Whistle> = told.collect();
        told.extend(whistles.end());
        told.iter().map(|w| (w.from.as_nanos() / 1_000_000, w.lasted.as_millis())).collect()
    }

    #[test]
    fn runs_of_a_whistles_length_are_whistles() {
        let run =
            |quiet: usize, high: usize| [vec![0.1; quiet], vec![0.9; high], vec![0.1; 9]].concat();
        for (shares, expected) in [
            (run(5, 20), vec![(80, 304)]),
            (run(5, 8), vec![]),
            (run(0, 10), vec![(0, 144)]),
            // Longer than anybody blows.
            (run(0, 200), vec![]),
            ([run(2, 12), run(3, 12)].concat(), vec![(32, 176), (416, 176)]),
            // A pea's gaps; and what is mostly gaps.
            ([0.9, 0.9, 0.9, 0.2].repeat(8), vec![(0, 480)]),
            ([0.9, 0.2].repeat(20), vec![]),
            (vec![0.49; 100], vec![]),
        ] {
            assert_eq!(heard(&shares), expected, "{shares:?}");
        }
    }
}
