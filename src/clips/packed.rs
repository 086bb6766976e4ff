//! A `moof` of ours, said in few bytes (pure): what lies on disk of a slow stream.
//!
//! Half a second of 15 pictures at 0.1 Mbit/s is 6,250 bytes, of which 2 % are 125. The least `moof` that the
//! standard knows for them takes 152 without a checksum: `moof`, `mfhd`, `traf`, `tfhd`, `tfdt`, `trun` and the head
//! of `mdat` are 92, and 15 sizes of four bytes are 60. So a slow stream's is packed: the same numbers, each as
//! long as it has to be, sizes and durations as the difference from the one before. What is unpacked is the
//! `moof` to the byte, so clips and players never meet this.
//!
//! ```text
//! box "cspk": sequence, then of each track:
//!   flags and track, count, time of the first, [flags of the first]
//!   count × size, [count × duration], [count × flags], [count × offset]
//! ```
//! Numbers are base 128, seven bits a byte, the least first; signed ones zigzag (as in Protocol Buffers).

use crate::clips::boxes::{
    AUDIO_TRACK, Bytes, KEY_SAMPLE, OTHER_SAMPLE, VIDEO_TRACK, boxed, child, full, patch, put32,
    put64,
};

/// Type of the box.
pub(crate) const PACKED: &[u8; 4] = b"cspk";

/// Of `trun` (ISO/IEC 14496-12, 8.8.8): which fields are there.
const FIRST_FLAGS: u32 = 0x004;
const DURATIONS: u32 = 0x100;
const FLAGS: u32 = 0x400;
const OFFSETS: u32 = 0x800;
/// Data offset and sizes: always there.
const ALWAYS: u32 = 0x201;
/// RTMP's times are whole milliseconds, of 90 ticks each.
const MILLISECOND: i64 = 90;
/// How the fields stand in the first number of a track, below its track number.
const FIELDS: [(u64, u32); 4] = [(1, FIRST_FLAGS), (2, DURATIONS), (4, FLAGS), (8, OFFSETS)];
const MILLISECONDS: u64 = 16;
const TRACK_SHIFT: u32 = 5;
/// No `moof` of ours has more samples of a track: a number that says so is damaged.
const MOST_SAMPLES: u64 = 1 << 16;

/// A `moof` as its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Numbers {
    sequence: u32,
    runs: Vec<Run>,
}

/// A `traf` as its numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Run {
    track: u32,
    /// Time of the first sample.
    begins: u64,
    /// Which of the fields below are there, as `trun` says it.
    fields: u32,
    first_key: bool,
    samples: Vec<Sample>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sample {
    size: u32,
    duration: u32,
    key: bool,
    later: i32,
}

/// Packs a `moof`. `None` if it is none that unpacks to the same bytes.
#[must_use]
pub(crate) fn pack(moof: &[u8]) -> Option<Vec<u8>> {
    let numbers = Numbers::read(moof)?;
    let mut out = Vec::with_capacity(moof.len() / 2);
    boxed(&mut out, PACKED, |out| {
        put(out, numbers.sequence.into());
        numbers.runs.iter().for_each(|run| run.pack(out));
    });
    (unpack(&out)? == moof).then_some(out)
}

/// Unpacks a whole box. `None` if it is none, or damaged.
#[must_use]
pub(crate) fn unpack(bytes: &[u8]) -> Option<Vec<u8>> {
    let whole = child(bytes, 0).filter(|found| &found.kind == PACKED)?;
    let mut body = Bytes(whole.body(bytes)?);
    let sequence = u32::try_from(get(&mut body)?).ok()?;
    let mut runs = Vec::new();
    while !body.0.is_empty() {
        runs.push(Run::unpack(&mut body)?);
    }
    Numbers { sequence, runs }.moof()
}

impl Numbers {
    fn read(moof: &[u8]) -> Option<Self> {
        let whole = child(moof, 0).filter(|found| &found.kind == b"moof")?;
        let mfhd = child(moof, 8).filter(|found| &found.kind == b"mfhd")?;
        let mut body = Bytes(mfhd.body(moof)?);
        body.skip(4)?;
        let mut numbers = Self { sequence: body.u32()?, runs: Vec::new() };
        let mut at = mfhd.end();
        while at < whole.end() {
            let traf = child(moof, at).filter(|found| &found.kind == b"traf")?;
            numbers.runs.push(Run::read(traf.body(moof)?)?);
            at = traf.end();
        }
        Some(numbers)
    }

    /// As `fragment` writes it.
    fn moof(&self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut places = Vec::new();
        boxed(&mut out, b"moof", |out| {
            full(out, b"mfhd", 0, 0, |out| put32(out, self.sequence));
            places = self.runs.iter().map(|run| run.traf(out)).collect();
        });
        let mut data = u32::try_from(out.len() + 8).ok()?; // behind the header of `mdat`
        for (run, at) in self.runs.iter().zip(places) {
            patch(&mut out, at, &data.to_be_bytes());
            for sample in &run.samples {
                data = data.checked_add(sample.size)?;
            }
        }
        Some(out)
    }
}

impl Run {
    fn has(&self, field: u32) -> bool {
        self.fields & field != 0
    }

    fn read(traf: &[u8]) -> Option<Self> {
        let tfhd = child(traf, 0).filter(|found| &found.kind == b"tfhd")?;
        let tfdt = child(traf, tfhd.end()).filter(|found| &found.kind == b"tfdt")?;
        let trun = child(traf, tfdt.end()).filter(|found| &found.kind == b"trun")?;
        let mut run = Self::default();
        let mut body = Bytes(tfhd.body(traf)?);
        body.skip(4)?;
        run.track = body.u32()?;
        let mut body = Bytes(tfdt.body(traf)?);
        body.skip(4)?;
        run.begins = body.u64()?;
        let mut body = Bytes(trun.body(traf)?);
        run.fields = body.u32()? & 0x00FF_FFFF & !ALWAYS;
        let count = body.u32()?;
        body.skip(4)?;
        run.first_key = run.has(FIRST_FLAGS) && key(body.u32()?)?;
        for _ in 0..count {
            let mut sample = Sample::default();
            if run.has(DURATIONS) {
                sample.duration = body.u32()?;
            }
            sample.size = body.u32()?;
            if run.has(FLAGS) {
                sample.key = key(body.u32()?)?;
            }
            if run.has(OFFSETS) {
                sample.later = body.u32()?.cast_signed();
            }
            run.samples.push(sample);
        }
        Some(run)
    }

    /// Writes it as a `traf`. Returns where its data offset stands.
    fn traf(&self, out: &mut Vec<u8>) -> usize {
        let mut data_offset = 0;
        boxed(out, b"traf", |out| {
            full(out, b"tfhd", 0, 0x0002_0000, |out| put32(out, self.track));
            full(out, b"tfdt", 1, 0, |out| put64(out, self.begins));
            full(out, b"trun", 1, self.fields | ALWAYS, |out| {
                put32(out, u32::try_from(self.samples.len()).unwrap_or(u32::MAX));
                data_offset = out.len();
                put32(out, 0);
                if self.has(FIRST_FLAGS) {
                    put32(out, flags(self.first_key));
                }
                for sample in &self.samples {
                    if self.has(DURATIONS) {
                        put32(out, sample.duration);
                    }
                    put32(out, sample.size);
                    if self.has(FLAGS) {
                        put32(out, flags(sample.key));
                    }
                    if self.has(OFFSETS) {
                        put32(out, sample.later.cast_unsigned());
                    }
                }
            });
        });
        data_offset
    }

    /// Times count in milliseconds where all of them are whole ones.
    fn unit(&self) -> i64 {
        let whole = |ticks: i64| ticks % MILLISECOND == 0;
        let all = |sample: &Sample| whole(sample.duration.into()) && whole(sample.later.into());
        let begins = i64::try_from(self.begins).is_ok_and(whole);
        if begins && self.samples.iter().all(all) { MILLISECOND } else { 1 }
    }

    fn pack(&self, out: &mut Vec<u8>) {
        let unit = self.unit();
        let mut head = u64::from(self.track) << TRACK_SHIFT;
        for (bit, field) in FIELDS {
            head |= if self.has(field) { bit } else { 0 };
        }
        head |= if unit == MILLISECOND { MILLISECONDS } else { 0 };
        put(out, head);
        put(out, self.samples.len() as u64);
        put(out, self.begins / unit.unsigned_abs());
        if self.has(FIRST_FLAGS) {
            put(out, self.first_key.into());
        }
        let mut before = 0;
        for sample in &self.samples {
            put_signed(out, i64::from(sample.size) - before);
            before = sample.size.into();
        }
        if self.has(DURATIONS) {
            before = 0;
            for sample in &self.samples {
                let duration = i64::from(sample.duration) / unit;
                put_signed(out, duration - before);
                before = duration;
            }
        }
        if self.has(FLAGS) {
            self.samples.iter().for_each(|sample| put(out, sample.key.into()));
        }
        if self.has(OFFSETS) {
            self.samples.iter().for_each(|sample| put_signed(out, i64::from(sample.later) / unit));
        }
    }

    fn unpack(body: &mut Bytes<'_>) -> Option<Self> {
        let head = get(body)?;
        let track = u32::try_from(head >> TRACK_SHIFT).ok()?;
        if track != VIDEO_TRACK && track != AUDIO_TRACK {
            return None;
        }
        let mut run = Self { track, ..Self::default() };
        for (bit, field) in FIELDS {
            run.fields |= if head & bit != 0 { field } else { 0 };
        }
        let unit = if head & MILLISECONDS != 0 { MILLISECOND } else { 1 };
        let count = usize::try_from(get(body).filter(|count| *count <= MOST_SAMPLES)?).ok()?;
        run.begins = get(body)?.checked_mul(unit.unsigned_abs())?;
        if run.has(FIRST_FLAGS) {
            run.first_key = get(body)? != 0;
        }
        let mut before = 0_i64;
        for _ in 0..count {
            before = before.checked_add(get_signed(body)?)?;
            run.samples.push(Sample { size: u32::try_from(before).ok()?, ..Sample::default() });
        }
        if run.has(DURATIONS) {
            before = 0;
            for sample in &mut run.samples {
                before = before.checked_add(get_signed(body)?)?;
                sample.duration = u32::try_from(before.checked_mul(unit)?).ok()?;
            }
        }
        if run.has(FLAGS) {
            for sample in &mut run.samples {
                sample.key = get(body)? != 0;
            }
        }
        if run.has(OFFSETS) {
            for sample in &mut run.samples {
                sample.later = i32::try_from(get_signed(body)?.checked_mul(unit)?).ok()?;
            }
        }
        Some(run)
    }
}

/// `None` for flags that are neither of ours.
const fn key(flags: u32) -> Option<bool> {
    match flags {
        KEY_SAMPLE => Some(true),
        OTHER_SAMPLE => Some(false),
        _ => None,
    }
}

const fn flags(key: bool) -> u32 {
    if key { KEY_SAMPLE } else { OTHER_SAMPLE }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = number.to_le_bytes()[0] & 0x7f;
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

fn get(from: &mut Bytes<'_>) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = from.u8()?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn get_signed(from: &mut Bytes<'_>) -> Option<i64> {
    let number = get(from)?;
    Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn runs()(
            track in 1_u32..3,
            begins in prop_oneof![any::<u64>(), (0_u64..60_000).prop_map(|ms| ms * 90)],
            fields in 0_u64..16,
            first_key: bool,
            in_ms: bool,
            samples in prop::collection::vec(
                (any::<u32>(), 0_u32..4_000_000, any::<bool>(), -2_000_000_i32..2_000_000), 1..40),
        ) -> Run {
            let mut run = Run { track, begins, ..Run::default() };
            for (bit, field) in FIELDS {
                run.fields |= if fields & bit != 0 { field } else { 0 };
            }
            run.first_key = first_key && run.has(FIRST_FLAGS);
            for (size, duration, key, later) in samples {
                let unit = if in_ms { 90 } else { 1 };
                run.samples.push(Sample {
                    size: size / 64, // of all of them together the sum must be one
                    duration: if run.has(DURATIONS) { duration * unit } else { 0 },
                    key: key && run.has(FLAGS),
                    later: if run.has(OFFSETS) { later * unit.cast_signed() } else { 0 },
                });
            }
            run
        }
    }

    proptest! {
        #[test]
        fn what_is_unpacked_is_what_was_packed(
            sequence: u32, runs in prop::collection::vec(runs(), 0..3)
        ) {
            let numbers = Numbers { sequence, runs };
            let Some(moof) = numbers.moof() else { return Ok(()) };
            prop_assert_eq!(Numbers::read(&moof), Some(numbers));
            let packed = pack(&moof).expect("one of ours");
            prop_assert_eq!(unpack(&packed), Some(moof));
        }

        #[test]
        fn any_bytes_are_unpacked_without_panic(noise in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = Vec::new();
            boxed(&mut bytes, PACKED, |out| out.extend(&noise));
            let _read = unpack(&bytes);
        }
    }

    #[test]
    fn half_a_second_of_a_slow_stream_takes_two_or_three_bytes_a_picture() {
        let mut run = Run {
            track: 1,
            begins: 90 * 59_500,
            fields: DURATIONS | FIRST_FLAGS,
            ..Run::default()
        };
        for n in 0..15 {
            // Whole milliseconds of 30 a second; sizes as they vary at 0.1 Mbit/s.
            let duration = if n % 3 == 2 { 34 * 90 } else { 33 * 90 };
            let size = if n == 0 { 2000 } else { 300 + (n * 37) % 200 };
            run.samples.push(Sample { size, duration, ..Sample::default() });
        }
        let moof = Numbers { sequence: 119, runs: vec![run] }.moof().expect("one of ours");
        assert_eq!(moof.len(), 212, "what the standard form takes");
        let packed = pack(&moof).expect("packed").len();
        assert!((40..=62).contains(&packed), "{packed}");
    }

    #[test]
    fn what_is_none_of_ours_is_not_packed() {
        let run = Run {
            track: 1,
            samples: vec![Sample { size: 9, ..Sample::default() }],
            ..Run::default()
        };
        let moof = Numbers { sequence: 1, runs: vec![run] }.moof().expect("one of ours");
        assert!(pack(&moof).is_some());
        assert!(pack(&moof[..moof.len() - 1]).is_none(), "it is not whole");
        let mut of_another = moof.clone();
        let at = moof.len() - 8; // its data offset: another place than behind `mdat`'s header
        of_another[at] ^= 1;
        assert!(pack(&of_another).is_none());
    }
}
