//! What is measured of the last few seconds of a stream: rates, key frames, bursts (pure).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::media::{AccessUnit, Codec, CodecParameters, MediaTime, Monotonic, h265};

/// A stream whose first key frame is this late has no picture that can be used, by then.
const KEYLESS_AFTER: Duration = Duration::from_secs(2);
/// Stream time that rates are measured over.
const METER_SPAN_NANOS: i64 = 5_000_000_000;
/// Pictures that rates are measured over, at most.
const METER_PICTURES: usize = 640;

/// A picture that codes no movement has at most this part of its key picture's bytes. Measured with x264 at 720p,
/// the same picture again and again: 0.1 % at constant quality, 1.5 % at a constant rate of 4 Mbit/s, which it
/// fills by refining; with the noise of a sensor 20 % and more.
const STILL_PART: usize = 50;
/// A key picture of something to see has more bytes: a black one of 720p has 200 to 900 (x264).
const KEY_SHOWS_BYTES: usize = 8_000;
/// Of a group one picture in so many may code something while it counts as still: after a key picture an encoder
/// refines what it showed.
const STILL_ALLOWS: usize = 4;
/// A stream is told as still when it has been so for this long (chosen: nobody stands still before a rim for a
/// minute). At constant quality of a low grade (x264 CRF 30) an empty hall is as still: so it is advice.
const STILL_AFTER: Duration = Duration::from_secs(60);

/// The last few seconds of a stream.
#[derive(Default)]
pub(crate) struct Meter {
    samples: VecDeque<Sample>,
    parameters: Option<Arc<CodecParameters>>,
    last_key: Option<MediaTime>,
    key_interval_ms: Option<u32>,
    /// When its first picture came.
    first: Option<Monotonic>,
    group: Group,
    /// When the first of the still groups began that lead up to now.
    still_since: Option<Monotonic>,
}

/// The pictures from the last key picture on.
#[derive(Default)]
struct Group {
    began: Option<Monotonic>,
    key_bytes: usize,
    pictures: usize,
    moving: usize,
}

impl Group {
    /// True if it shows something in which nothing moves.
    fn is_still(&self) -> bool {
        self.pictures > 0
            && self.key_bytes >= KEY_SHOWS_BYTES
            && self.moving * STILL_ALLOWS <= self.pictures
    }
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
        self.count_group(unit);
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

    fn count_group(&mut self, unit: &AccessUnit) {
        let bytes = coded_bytes(unit);
        if !unit.key {
            self.group.pictures += 1;
            self.group.moving += usize::from(bytes > self.group.key_bytes / STILL_PART);
            return;
        }
        let ended = std::mem::take(&mut self.group);
        self.still_since = ended.is_still().then(|| self.still_since.or(ended.began)).flatten();
        self.group = Group { began: Some(unit.arrival), key_bytes: bytes, ..Group::default() };
    }

    /// For how long the pictures have said that nothing moves; `None` before that is worth telling.
    pub(crate) fn still_for(&self, now: Monotonic) -> Option<Duration> {
        let still = self.group.pictures == 0 || self.group.is_still();
        let since = self.still_since.filter(|_| still)?;
        Some(now.since(since)).filter(|time| *time >= STILL_AFTER)
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

/// Bytes of a picture without those that only fill a constant bit rate up (ITU-T H.264 7.3.2.7 and H.265
/// 7.3.2.8, filler data).
fn coded_bytes(unit: &AccessUnit) -> usize {
    let is_filler = |nal: &[u8]| match unit.parameters.codec {
        Codec::H264 => nal.first().is_some_and(|header| header & 0x1F == 12),
        Codec::H265 => h265::nal_type(nal) == Some(38),
    };
    let (mut coded, mut rest) = (0, &*unit.data);
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (nal, after) = after.split_at(length.min(after.len()));
        coded += if is_filler(nal) { 0 } else { nal.len() };
        rest = after;
    }
    coded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::SessionId;

    /// A picture of one slice and, in front of it, filler data.
    fn picture(ms: u64, key: bool, slice: usize, filler: usize) -> AccessUnit {
        let mut data = Vec::new();
        for (header, len) in [(12_u8, filler), (if key { 0x65 } else { 0x41 }, slice)] {
            data.extend_from_slice(&u32::try_from(len).expect("a length").to_be_bytes());
            data.extend(std::iter::repeat_n(header, len));
        }
        let parameters = CodecParameters {
            codec: Codec::H264,
            width: 1280,
            height: 720,
            config: Vec::new().into(),
            parameter_sets: Vec::new(),
            low_delay_sets: None,
            reorder_frames: None,
            mime_codec: String::new(),
        };
        let dts = MediaTime::from_millis(i64::try_from(ms).expect("milliseconds"));
        AccessUnit {
            session: SessionId::from_bits(1),
            sequence: 0,
            pts: dts,
            dts,
            key,
            b_slices: false,
            data: data.into(),
            parameters: Arc::new(parameters),
            arrival: Monotonic::from_nanos(ms * 1_000_000),
        }
    }

    /// A stream of `seconds`, 25 pictures and one group a second: the bytes of each slice and of filler.
    fn still_after(seconds: u64, bytes: impl Fn(u64, bool) -> (usize, usize)) -> Option<Duration> {
        let mut meter = Meter::default();
        let pictures = seconds * 25;
        for n in 0..pictures {
            let key = n % 25 == 0;
            let (slice, filler) = bytes(n, key);
            meter.count(&picture(n * 40, key, slice, filler));
        }
        meter.still_for(Monotonic::from_nanos(pictures * 40_000_000))
    }

    #[test]
    fn a_picture_in_which_nothing_moves_is_told_after_a_minute() {
        let frozen = |_, key| if key { (40_000, 0) } else { (40, 0) };
        assert_eq!(still_after(59, frozen), None);
        assert_eq!(still_after(70, frozen), Some(Duration::from_secs(70)));
        let filled = |_, key| if key { (40_000, 0) } else { (40, 16_000) };
        assert!(still_after(70, filled).is_some(), "what fills the rate up is no movement");
        let refined = |n, key| match (key, n % 25) {
            (true, _) => (90_000, 0),
            (false, 1..=4) => (9_000, 0),
            _ => (1_260, 0),
        };
        assert!(still_after(70, refined).is_some(), "a constant rate is filled by refining");
        let noise = |_, key| if key { (40_000, 0) } else { (900, 0) };
        assert_eq!(still_after(70, noise), None, "an empty hall has noise");
        let black = |_, key| if key { (900, 0) } else { (10, 0) };
        assert_eq!(still_after(70, black), None, "at night there is nothing to see");
        let moved = |n, key| match (key, n) {
            (true, _) => (40_000, 0),
            (false, 1_001..1_010) => (9_000, 0),
            _ => (40, 0),
        };
        assert_eq!(still_after(70, moved), None, "somebody went by 30 s before the end");
        assert!(still_after(110, moved).is_some());
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_stream_without_a_key_frame_is_told_as_one() {
        let mut meter = Meter::default();
        assert_eq!(meter.keyless(at(9)), None);
        meter.first = Some(at(10));
        assert_eq!(meter.keyless(at(11)), None);
        assert!(meter.keyless(at(12)).unwrap().starts_with("no key frame for 2 s"));
        meter.last_key = Some(MediaTime::ZERO);
        assert_eq!(meter.keyless(at(60)), None);
    }
}
