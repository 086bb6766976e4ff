//! How loud the crowd is: dB of half a second over the median of the 30 s before a moment, and how that rose and fell.
//! Pure. Hops in which a whistle blows do not count: it is louder than any crowd.

use std::collections::VecDeque;

use crate::media::MediaTime;

/// A level is of so much.
const BLOCK: i64 = 500_000_000;
/// What a jump is measured against.
const MEMORY: i64 = 30_000_000_000;
/// … of which so many levels must be known: a third of it.
const KNOWN_LEAST: usize = 20;
/// A crowd answers within so much of a shot (chosen).
const ANSWERS: i64 = 4_000_000_000;
/// Levels that are kept: the memory, what a caller may be late by, and the answer.
const KEPT: usize = 120;
/// Half of a block without sound, and it is none.
const HOPS_LEAST: u32 = 8;
/// Silence of a microphone, dB: quieter is no quieter.
const SILENCE_DB: f32 = -80.0;
/// A jump of so many tenths of a dB counts whole (chosen: ten times the power, and some).
const WHOLE_TENTHS: u32 = 120;

/// What a crowd made of a moment. Whole numbers: it stands in a game's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// The loudest half second over the median before, in tenths of a dB; 0 where it is none.
    pub tenths: u32,
    /// From the moment until nine tenths of it are there, ms.
    pub rise_ms: u32,
    /// From there until half of the jump is gone, ms; what is known of it yet.
    pub decay_ms: u32,
}

impl Jump {
    /// As a highlight's part, in ten thousandths.
    #[must_use]
    pub fn part(self) -> u32 {
        self.tenths.min(WHOLE_TENTHS) * 10_000 / WHOLE_TENTHS
    }
}

/// The fold. One stream's.
#[derive(Clone, Debug, Default)]
pub struct Crowd {
    /// When a level begins, and what it is.
    levels: VecDeque<(MediaTime, f32)>,
    open: Option<(MediaTime, f64, u32)>,
}

impl Crowd {
    /// Takes the power of the hop around `at`.
    pub fn step(&mut self, at: MediaTime, power: f32, whistles: bool) {
        let fits = |from: MediaTime| (0..BLOCK).contains(&at.nanos_since(from));
        if !self.open.is_some_and(|(from, ..)| fits(from)) {
            self.close();
            self.open = Some((at, 0.0, 0));
        }
        if let Some((_, sum, hops)) = self.open.as_mut().filter(|_| !whistles) {
            (*sum, *hops) = (*sum + f64::from(power), *hops + 1);
        }
    }

    fn close(&mut self) {
        let Some((from, sum, hops)) = self.open.take().filter(|(.., hops)| *hops >= HOPS_LEAST)
        else {
            return;
        };
        #[expect(clippy::cast_possible_truncation, reason = "decibels")]
        let level = (10.0 * (sum / f64::from(hops) + 1e-12).log10()) as f32;
        self.levels.push_back((from, level.max(SILENCE_DB)));
        if self.levels.len() > KEPT {
            self.levels.pop_front();
        }
    }

    /// Another session's times begin: nothing before them is of the same crowd's clock.
    pub fn begin_anew(&mut self) {
        *self = Self::default();
    }

    /// What the crowd made of `moment`; `None` while its answer is not heard out, and where too little was heard.
    #[must_use]
    pub fn jump(&self, moment: MediaTime) -> Option<Jump> {
        let (last, _) = self.levels.back()?;
        let heard_out = moment.plus_nanos(ANSWERS);
        if last.plus_nanos(BLOCK) < heard_out {
            return None;
        }
        let of = |from: i64, to: i64| {
            let (from, to) = (moment.plus_nanos(from), moment.plus_nanos(to));
            self.levels
                .iter()
                .copied()
                .filter(move |(at, _)| from <= *at && at.plus_nanos(BLOCK) <= to)
        };
        let mut before: Vec<f32> = of(-MEMORY, 0).map(|(_, level)| level).collect();
        if before.len() < KNOWN_LEAST {
            return None;
        }
        before.sort_unstable_by(f32::total_cmp);
        let median = *before.get(before.len() / 2)?;
        let peak = of(0, ANSWERS).map(|(_, level)| level).max_by(f32::total_cmp)?;
        let jump = (peak - median).max(0.0);
        // A roar stays loud for seconds: it has risen when it first comes near its peak.
        let (risen, _) = of(0, ANSWERS).find(|(_, level)| *level - median >= 0.9 * jump)?;
        let fell = |(at, level): &(MediaTime, f32)| *at > risen && *level - median <= jump / 2.0;
        let until = self.levels.iter().find(|level| fell(level)).map_or(*last, |(at, _)| *at);
        Some(Jump {
            tenths: whole(jump * 10.0),
            rise_ms: millis(risen.nanos_since(moment)),
            decay_ms: millis(until.nanos_since(risen)),
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of f32 saturates, and a jump is not negative"
)]
fn whole(number: f32) -> u32 {
    number.round() as u32
}

fn millis(nanos: i64) -> u32 {
    u32::try_from(nanos / 1_000_000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crowd of `db` by the second, heard to `to`; whistles are hops of 0 dB.
    fn crowd(to: i64, db: impl Fn(i64) -> f32, whistles: impl Fn(i64) -> bool) -> Crowd {
        let mut crowd = Crowd::default();
        for n in 0..to * 125 / 2 {
            let ms = n * 16;
            let blows = whistles(ms / 1_000);
            let power = if blows { 1.0 } else { 10_f32.powf(db(ms / 1_000) / 10.0) };
            crowd.step(MediaTime::from_millis(ms), power, blows);
        }
        crowd
    }

    #[test]
    fn a_roar_is_so_many_decibels_over_the_half_minute_before() {
        let roar = |s: i64| if (41..44).contains(&s) { -20.0 } else { -32.0 };
        let jump = crowd(60, roar, |_| false).jump(MediaTime::from_millis(40_000)).expect("heard");
        assert_eq!((jump.tenths, jump.part()), (120, 10_000));
        assert!((900..=1_500).contains(&jump.rise_ms), "{jump:?}");
        assert!((2_000..=3_500).contains(&jump.decay_ms), "{jump:?}");
        let calm = crowd(60, |_| -32.0, |_| false).jump(MediaTime::from_millis(40_000));
        assert_eq!(calm.map(|jump| (jump.tenths, jump.part())), Some((0, 0)));
    }

    #[test]
    fn a_whistle_is_no_crowd() {
        let jump = crowd(60, |_| -30.0, |s| s == 41).jump(MediaTime::from_millis(40_000));
        assert_eq!(jump.map(|jump| jump.tenths), Some(0));
    }

    #[test]
    fn nothing_is_said_before_it_is_heard_out_or_of_too_little() {
        let moment = MediaTime::from_millis(40_000);
        assert_eq!(crowd(43, |_| -30.0, |_| false).jump(moment), None);
        assert!(crowd(46, |_| -30.0, |_| false).jump(moment).is_some());
        assert_eq!(crowd(46, |_| -30.0, |_| false).jump(MediaTime::from_millis(5_000)), None);
        assert_eq!(Crowd::default().jump(moment), None);
    }

    #[test]
    fn it_keeps_a_bound() {
        let crowd = crowd(400, |_| -30.0, |_| false);
        assert_eq!(crowd.levels.len(), KEPT);
    }
}
