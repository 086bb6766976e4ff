//! What is measured of the last few seconds of a stream: rates, key frames, bursts (pure).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::media::{AccessUnit, CodecParameters, MediaTime, Monotonic};

/// A stream whose first key frame is this late is told as one without: groups of 5 s exist.
const KEYLESS_AFTER: Duration = Duration::from_secs(6);
/// Stream time that rates are measured over.
const METER_SPAN_NANOS: i64 = 5_000_000_000;
/// Pictures that rates are measured over, at most.
const METER_PICTURES: usize = 640;

/// The last few seconds of a stream.
#[derive(Default)]
pub(crate) struct Meter {
    samples: VecDeque<Sample>,
    parameters: Option<Arc<CodecParameters>>,
    last_key: Option<MediaTime>,
    key_interval_ms: Option<u32>,
    /// When its first picture came.
    first: Option<Monotonic>,
}

struct Sample {
    dts: MediaTime,
    bytes: usize,
    composition_nanos: i64,
    delay_nanos: i64,
    b_slices: bool,
}

impl Meter {
    /// What to do about a stream that cannot be decoded for want of a beginning.
    pub(crate) fn keyless(&self, now: Monotonic) -> Option<String> {
        let first = self.first.filter(|_| self.last_key.is_none())?;
        let waited = now.since(first);
        (waited >= KEYLESS_AFTER).then(|| {
            format!(
                "no key frame for {} s, so no picture can be shown: set the encoder's key frame \
                 interval to 2 s",
                waited.as_secs()
            )
        })
    }

    pub(crate) fn count(&mut self, unit: &AccessUnit) {
        self.first.get_or_insert(unit.arrival);
        if unit.key {
            let since = self.last_key.map(|last| unit.dts.nanos_since(last) / 1_000_000);
            self.key_interval_ms = since.and_then(|ms| u32::try_from(ms).ok());
            self.last_key = Some(unit.dts);
        }
        let arrival = i64::try_from(unit.arrival.as_nanos()).unwrap_or(i64::MAX);
        self.samples.push_back(Sample {
            dts: unit.dts,
            bytes: unit.data.len(),
            composition_nanos: unit.pts.nanos_since(unit.dts),
            delay_nanos: arrival.saturating_sub(unit.dts.as_nanos()),
            b_slices: unit.b_slices,
        });
        let aged = |sample: &Sample| unit.dts.nanos_since(sample.dts) > METER_SPAN_NANOS;
        while self.samples.len() > METER_PICTURES || self.samples.front().is_some_and(aged) {
            self.samples.pop_front();
        }
        if self.parameters.as_ref().is_none_or(|last| !Arc::ptr_eq(last, &unit.parameters)) {
            self.parameters = Some(Arc::clone(&unit.parameters));
        }
    }

    /// Seconds from the first sample to the last, and the samples after the first.
    fn span(&self) -> Option<(f64, usize)> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let nanos = last.dts.nanos_since(first.dts);
        #[expect(clippy::cast_precision_loss, reason = "five seconds of nanoseconds")]
        (nanos > 0).then(|| (nanos as f64 / 1e9, self.samples.len() - 1))
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of at most METER_PICTURES")]
    pub(crate) fn fps(&self) -> Option<f64> {
        self.span().map(|(seconds, pictures)| (pictures as f64 / seconds * 100.0).round() / 100.0)
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate of positive numbers, for display"
    )]
    pub(crate) fn bitrate(&self) -> Option<u64> {
        let bytes: usize = self.samples.iter().skip(1).map(|sample| sample.bytes).sum();
        self.span().map(|(seconds, _)| (bytes as f64 * 8.0 / seconds) as u64)
    }

    /// The parameters of the last picture.
    pub(crate) const fn parameters(&self) -> Option<&Arc<CodecParameters>> {
        self.parameters.as_ref()
    }

    /// Stream time between the last two key pictures, ms.
    pub(crate) const fn key_interval_ms(&self) -> Option<u32> {
        self.key_interval_ms
    }

    /// True if a B picture is among the samples.
    pub(crate) fn has_b_frames(&self) -> bool {
        self.samples.iter().any(|sample| sample.b_slices)
    }

    /// The most by which a picture came before it is due, ms.
    pub(crate) fn reorder_ms(&self) -> Option<u32> {
        self.spread(|sample| sample.composition_nanos, true)
    }

    /// How unevenly pictures arrive: the latest against the earliest, ms.
    pub(crate) fn burst_ms(&self) -> Option<u32> {
        self.spread(|sample| sample.delay_nanos, false)
    }

    /// Largest value, against the smallest or (`from_zero`) against zero, ms.
    fn spread(&self, of: impl Fn(&Sample) -> i64, from_zero: bool) -> Option<u32> {
        let largest = self.samples.iter().map(&of).max()?;
        let smallest = if from_zero { 0 } else { self.samples.iter().map(&of).min()? };
        u32::try_from(largest.saturating_sub(smallest).max(0) / 1_000_000).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_stream_without_a_key_frame_is_told_as_one() {
        let mut meter = Meter::default();
        assert_eq!(meter.keyless(at(9)), None);
        meter.first = Some(at(10));
        assert_eq!(meter.keyless(at(15)), None);
        assert!(meter.keyless(at(16)).unwrap().starts_with("no key frame for 6 s"));
        meter.last_key = Some(MediaTime::ZERO);
        assert_eq!(meter.keyless(at(60)), None);
    }
}
