//! Two small records that come beside pictures: AudioSpecificConfig, and the date of `onFI` (pure).

use bytes::Bytes;

use crate::media::{AudioParameters, UtcTime};

/// Reads an AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1). `None` if it is cut, or of a kind whose
/// channels it does not say.
pub(crate) fn audio_parameters(config: &Bytes) -> Option<AudioParameters> {
    const RATES: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
        8_000, 7_350,
    ];
    const EXPLICIT_RATE: u64 = 15;
    let head =
        config.iter().chain(&[0; 8]).take(8).fold(0_u64, |all, &byte| all << 8 | u64::from(byte));
    let bits = |at: u32, count: u32| head << at >> (64 - count);
    if config.len() < 2 || bits(0, 5) == 31 {
        return None;
    }
    let (sample_rate, at) = match bits(5, 4) {
        EXPLICIT_RATE => (u32::try_from(bits(9, 24)).ok().filter(|&rate| rate > 0)?, 33),
        index => (*RATES.get(usize::try_from(index).ok()?)?, 9),
    };
    let channels = match bits(at, 4) {
        count @ 1..=6 => u8::try_from(count).ok()?,
        7 | 12 | 14 => 8,
        11 => 7,
        _ => return None,
    };
    Some(AudioParameters { config: Bytes::copy_from_slice(config), sample_rate, channels })
}

/// Reads `sd` (day-month-year) and `st` (hours:minutes:seconds.fraction) of `onFI`, as UTC.
///
/// Encoders write what their own clock shows, often local time: whoever uses it takes whole quarter
/// hours off.
pub(crate) fn on_fi(date: Option<&str>, time: Option<&str>) -> Option<UtcTime> {
    let mut date = date?.split('-');
    let day: u8 = date.next()?.trim().parse().ok()?;
    let month: u8 = date.next()?.trim().parse().ok()?;
    let year: i32 = date.next()?.trim().parse().ok()?;
    let mut time = time?.split(':');
    let hours: u8 = time.next()?.trim().parse().ok()?;
    let minutes: u8 = time.next()?.trim().parse().ok()?;
    let seconds = time.next()?.trim();
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let seconds: u8 = seconds.parse().ok()?;
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let month = time::Month::try_from(month).ok()?;
    let date = time::Date::from_calendar_date(year, month, day).ok()?;
    let time = time::Time::from_hms_nano(hours, minutes, seconds, digits.parse().ok()?).ok()?;
    let nanos = date.with_time(time).assume_utc().unix_timestamp_nanos();
    i64::try_from(nanos).ok().map(UtcTime::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_configurations_are_read() {
        let read = |bytes: &'static [u8]| {
            audio_parameters(&Bytes::from_static(bytes))
                .map(|known| (known.sample_rate, known.channels))
        };
        assert_eq!(read(b"\x12\x10"), Some((44_100, 2)));
        assert_eq!(read(b"\x11\x88"), Some((48_000, 1)));
        assert_eq!(read(b"\x17\x80\x3e\x80\x08"), Some((32_000, 1)));
        assert_eq!(read(b"\x12\x00"), None);
        assert_eq!(read(b"\x12"), None);
    }
}
