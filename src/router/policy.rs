//! Which frame goes to which model: every n-th, or one so often, so that the model gets the rate it
//! was made for.
//!
//! Pure: times in, yes or no out. What the model *saw* (time since its last frame, resets) is
//! worked out where it takes the frame, in `detect`: a frame that was handed on may still be lost
//! in a full hop.

use std::collections::VecDeque;

use crate::media::{MediaTime, SessionId};

/// Intervals that the rate is measured over: about half a second at 30 fps, so a camera that halves
/// its rate in the dusk is followed within that time.
const MEASURED_INTERVALS: usize = 16;
/// Intervals below which any better stride is taken at once.
const SETTLED_INTERVALS: usize = 8;
/// How much better (natural logarithm of the rate) another stride must be before it is taken, so
/// that a rate between two strides does not flip.
const HYSTERESIS: f64 = 0.05;
/// No camera that RTMP carries needs more: 240 fps to 30.
const MAX_STRIDE: u32 = 8;
/// An interval longer or shorter than the median by this factor is another thing: a frame was lost
/// there, or the camera had another rate.
const OTHER: f64 = 1.8;
/// Share of an interval by which a frame may be early and still be the one that is due, where a
/// frame between was lost.
const EARLY: f64 = 0.2;

/// A model that takes fewer frames a second than this looks at pictures for themselves: time alone
/// says when the next is due, since no motion is read from one to the next. Above it, steps must be
/// even. Chosen: half of the slowest camera that a model of motion was made for.
const SPARSE_FPS: f64 = 5.0;

/// How one stream is brought to the rates of one model.
#[derive(Clone, Debug)]
pub enum Pace {
    /// All frames.
    All,
    /// Whole strides.
    Stride(Stride),
    /// A look so often.
    Looks(Looks),
}

impl Pace {
    /// Of a model that takes `rates`, lowest and highest frames a second; `None`: all that come.
    #[must_use]
    pub fn of(rates: Option<[f64; 2]>) -> Self {
        match rates {
            None => Self::All,
            Some([_, highest]) if highest < SPARSE_FPS => Self::Looks(Looks::each(1.0 / highest)),
            Some(rates) => Self::Stride(Stride::to(rates)),
        }
    }

    /// Tells whether the frame at `pts` goes to the model. Frames come in presentation order.
    pub fn passes(&mut self, session: SessionId, pts: MediaTime) -> bool {
        match self {
            Self::All => true,
            Self::Stride(stride) => stride.passes(session, pts),
            Self::Looks(looks) => looks.passes(session, pts),
        }
    }
}

/// Lets a frame pass so often, whatever the rate of the stream.
#[derive(Clone, Copy, Debug)]
pub struct Looks {
    every_ns: i64,
    last: Option<(SessionId, MediaTime)>,
}

impl Looks {
    #[expect(clippy::cast_possible_truncation, reason = "at most some minutes; casts saturate")]
    fn each(seconds: f64) -> Self {
        Self { every_ns: (seconds * 1e9) as i64, last: None }
    }

    fn passes(&mut self, session: SessionId, pts: MediaTime) -> bool {
        let waits = self.last.is_some_and(|(known, last)| {
            known == session && (0..self.every_ns).contains(&pts.nanos_since(last))
        });
        if !waits {
            self.last = Some((session, pts));
        }
        !waits
    }
}

/// Strides one stream to the rates of one model: 50 and 60 fps are halved, 25 to 30 pass whole.
///
/// A whole stride, since uneven steps look like motion to the model. A stream slower than the model
/// asks for passes whole. Jitter of timestamps does not move the pattern (frames are counted), lost
/// frames do not stretch it (time is looked at too).
#[derive(Clone, Debug)]
pub struct Stride {
    rates: [f64; 2],
    stream: Option<Stream>,
}

#[derive(Clone, Debug)]
struct Stream {
    session: SessionId,
    last: MediaTime,
    last_passed: MediaTime,
    /// Frames since the one that passed.
    since_passed: u32,
    intervals: VecDeque<i64>,
    stride: u32,
}

impl Stride {
    /// Strides to `rates`, lowest and highest frames a second that the model takes.
    #[must_use]
    pub const fn to(rates: [f64; 2]) -> Self {
        Self { rates, stream: None }
    }

    /// Tells whether the frame at `pts` goes to the model. Frames come in presentation order.
    pub fn passes(&mut self, session: SessionId, pts: MediaTime) -> bool {
        let rates = self.rates;
        match &mut self.stream {
            Some(stream) if stream.session == session && pts > stream.last => {
                stream.passes(rates, pts)
            }
            _ => {
                self.stream = Some(Stream {
                    session,
                    last: pts,
                    last_passed: pts,
                    since_passed: 0,
                    intervals: VecDeque::with_capacity(MEASURED_INTERVALS),
                    stride: 1,
                });
                true
            }
        }
    }

    /// Frames a second of the stream, once two have come.
    #[must_use]
    pub fn measured_rate(&self) -> Option<f64> {
        self.stream.as_ref().and_then(Stream::interval).map(rate_of)
    }

    /// One frame in so many passes.
    #[must_use]
    pub fn stride(&self) -> u32 {
        self.stream.as_ref().map_or(1, |stream| stream.stride)
    }
}

impl Stream {
    fn passes(&mut self, rates: [f64; 2], pts: MediaTime) -> bool {
        if self.intervals.len() == MEASURED_INTERVALS {
            self.intervals.pop_front();
        }
        self.intervals.push_back(pts.nanos_since(self.last));
        self.last = pts;
        self.since_passed += 1;
        let Some(interval) = self.interval() else { return true };
        let hysteresis = if self.intervals.len() < SETTLED_INTERVALS { 0.0 } else { HYSTERESIS };
        self.stride = stride_for(rate_of(interval), rates, self.stride, hysteresis);
        let due = (f64::from(self.stride) - EARLY) * interval;
        let passes =
            self.since_passed >= self.stride || nanos(pts.nanos_since(self.last_passed)) >= due;
        if passes {
            self.since_passed = 0;
            self.last_passed = pts;
        }
        passes
    }

    /// The mean interval, ns, of those near the median: whole milliseconds of RTMP and jitter even
    /// out, lost frames, pauses and a former rate do not count.
    fn interval(&self) -> Option<f64> {
        let mut sorted: Vec<i64> = self.intervals.iter().copied().collect();
        sorted.sort_unstable();
        let median = nanos(*sorted.get(sorted.len() / 2)?);
        let (sum, count) = sorted
            .iter()
            .map(|interval| nanos(*interval))
            .filter(|interval| *interval < median * OTHER && median < interval * OTHER)
            .fold((0.0, 0.0), |(sum, count), interval| (sum + interval, count + 1.0));
        Some(sum / count)
    }
}

/// Returns the stride that brings `rate` nearest to the band `rates`; `current` unless another is
/// better by `hysteresis`.
fn stride_for(rate: f64, rates: [f64; 2], current: u32, hysteresis: f64) -> u32 {
    // Below the band nothing is strode over: a frame less never helps.
    let slowest = rates[0].min(rates[1]);
    let outside = |stride: u32| {
        let fed = rate / f64::from(stride);
        if fed > rates[1] {
            (fed / rates[1]).ln()
        } else if fed < slowest {
            (slowest / fed).ln()
        } else {
            0.0
        }
    };
    let mut best = current.clamp(1, MAX_STRIDE);
    for stride in 1..=MAX_STRIDE {
        if outside(stride) + hysteresis < outside(best)
            || (hysteresis == 0.0 && stride < best && outside(stride) <= outside(best))
        {
            best = stride;
        }
    }
    best
}

fn rate_of(interval: f64) -> f64 {
    1e9 / interval.max(1.0)
}

#[expect(clippy::cast_precision_loss, reason = "intervals of frames are far below 2^53 ns")]
fn nanos(interval: i64) -> f64 {
    interval as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RIMNET: [f64; 2] = [24.0, 31.0];
    const SESSION: SessionId = SessionId::from_bits(1);

    /// Runs the frames at `at_ms` through and returns those that passed.
    fn passed(stride: &mut Stride, at_ms: impl IntoIterator<Item = i64>) -> Vec<i64> {
        at_ms.into_iter().filter(|ms| stride.passes(SESSION, MediaTime::from_millis(*ms))).collect()
    }

    /// RTMP's whole milliseconds of a constant rate.
    fn at(rate: f64, count: i64) -> impl Iterator<Item = i64> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "test")]
        (0..count).map(move |n| (n as f64 * 1000.0 / rate).round() as i64)
    }

    #[test]
    fn each_camera_rate_is_brought_to_what_the_model_takes() {
        for (rate, stride) in [
            (10.0, 1),
            (15.0, 1),
            (24.0, 1),
            (25.0, 1),
            (29.97, 1),
            (30.0, 1),
            (31.5, 1),
            (48.0, 2),
            (50.0, 2),
            (59.94, 2),
            (60.0, 2),
            (90.0, 3),
            (100.0, 4),
            (120.0, 4),
            (240.0, 8),
        ] {
            let mut policy = Stride::to(RIMNET);
            let seen = passed(&mut policy, at(rate, 200));
            assert_eq!(policy.stride(), stride, "{rate} fps");
            let steps: Vec<i64> = seen.windows(2).map(|pair| pair[1] - pair[0]).skip(2).collect();
            let (least, most) = (steps.iter().min(), steps.iter().max());
            assert!(most.zip(least).is_some_and(|(a, b)| a - b <= 1), "{rate} fps: {steps:?}");
        }
    }

    #[test]
    fn a_camera_that_halves_its_rate_is_fed_whole_within_half_a_second() {
        let mut policy = Stride::to(RIMNET);
        passed(&mut policy, at(60.0, 120));
        assert_eq!(policy.stride(), 2);
        let seen = passed(&mut policy, at(30.0, 60).map(|ms| ms + 2_000));
        assert_eq!(policy.stride(), 1);
        // Even before the rate is known again, time tells that each of these is due.
        assert_eq!(seen.len(), 60);
    }

    #[test]
    fn a_lost_frame_does_not_stretch_the_step() {
        let mut policy = Stride::to(RIMNET);
        let seen = passed(&mut policy, (0..100).filter(|n| *n != 51).map(|n| n * 20));
        assert!(seen.windows(2).skip(1).all(|pair| pair[1] - pair[0] == 40), "{seen:?}");
        let mut policy = Stride::to(RIMNET);
        let seen = passed(&mut policy, (0..100).filter(|n| *n != 50).map(|n| n * 20));
        assert!(seen.windows(2).all(|pair| pair[1] - pair[0] <= 60), "{seen:?}");
    }

    #[test]
    fn a_new_session_and_a_step_back_start_anew() {
        let mut policy = Stride::to(RIMNET);
        passed(&mut policy, at(60.0, 60));
        assert!(policy.passes(SESSION, MediaTime::ZERO));
        assert_eq!(policy.measured_rate(), None);
        assert!(policy.passes(SessionId::from_bits(2), MediaTime::from_millis(5)));
    }

    #[test]
    fn a_model_of_looks_is_shown_one_frame_a_second() {
        let mut pace = Pace::of(Some([1.0, 1.0]));
        let (one, two) = (SESSION, SessionId::from_bits(2));
        let at = |tenths: i64| MediaTime::from_nanos(tenths * 100_000_000);
        let passed: Vec<i64> = (0..35).filter(|tenths| pace.passes(one, at(*tenths))).collect();
        assert_eq!(passed, [0, 10, 20, 30]);
        // Another run of timestamps, and time that goes back, begin anew.
        assert!(pace.passes(two, at(31)));
        assert!(!pace.passes(two, at(32)));
        assert!(pace.passes(two, at(5)));
        assert!(matches!(Pace::of(Some(RIMNET)), Pace::Stride(_)));
        assert!(matches!(Pace::of(None), Pace::All));
    }

    proptest! {
        /// Timestamps off by up to a quarter of an interval: after half a second every step is
        /// two frames.
        #[test]
        fn jitter_does_not_move_the_pattern(
            rate in prop_oneof![Just(50.0), Just(60.0), Just(59.94)],
            jitter in proptest::collection::vec(-0.25f64..0.25, 300),
        ) {
            let mut policy = Stride::to(RIMNET);
            let mut passed = Vec::new();
            for (n, off) in jitter.iter().enumerate() {
                #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "test")]
                let pts = ((n as f64 + off) * 1e9 / rate) as i64;
                if policy.passes(SESSION, MediaTime::from_nanos(pts)) && n > 30 {
                    passed.push(n);
                }
            }
            prop_assert!(passed.windows(2).all(|pair| pair[1] - pair[0] == 2), "{passed:?}");
        }

        /// Whatever comes in, a stream as slow as the model passes whole and no stream is starved.
        #[test]
        fn no_stream_is_starved(steps in proptest::collection::vec(1i64..200, 1..200)) {
            let mut policy = Stride::to(RIMNET);
            let mut now = 0;
            let mut skipped = 0;
            for step in steps {
                now += step;
                if policy.passes(SESSION, MediaTime::from_millis(now)) {
                    skipped = 0;
                } else {
                    skipped += 1;
                    prop_assert!(skipped < MAX_STRIDE);
                }
            }
        }

        #[test]
        fn slow_streams_pass_whole(steps in proptest::collection::vec(33i64..200, 1..200)) {
            let mut policy = Stride::to(RIMNET);
            let mut now = 0;
            for step in steps {
                now += step;
                prop_assert!(policy.passes(SESSION, MediaTime::from_millis(now)));
            }
        }
    }
}
