//! Where each sample of a fragment lies, and when it is shown (pure).

use crate::clips::boxes::{AUDIO_TRACK, Bytes, KEY_SAMPLE, VIDEO_TRACK, child};
use crate::clips::fragment::{Fragment, Origins};
use crate::clips::timeline::Ticks;

/// Bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which of the opened segments.
    pub(crate) file: usize,
    /// Where in it.
    pub(crate) offset: u64,
    /// How many bytes.
    pub(crate) len: u32,
}

/// A picture of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    /// Its bytes.
    pub(crate) place: Place,
    /// Decoding time.
    pub(crate) dts: Ticks,
    /// Presentation time.
    pub(crate) pts: Ticks,
    /// Decoding time of what comes next, as its fragment has it.
    pub(crate) until: Ticks,
    /// True if decoding can start here.
    pub(crate) key: bool,
}

/// A frame of sound of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sound {
    /// Its bytes.
    pub(crate) place: Place,
    /// In samples since media time 0.
    pub(crate) at: i64,
}

/// Reads the samples of a fragment out of its `moof`, as players get it; it lies in segment `file`. `None` if
/// it is none of ours, or names bytes outside of its fragment.
#[must_use]
pub(crate) fn samples(
    moof: &[u8],
    fragment: &Fragment,
    origins: Origins,
    file: usize,
) -> Option<(Vec<Picture>, Vec<Sound>)> {
    let (mut pictures, mut sounds) = (Vec::new(), Vec::new());
    let whole = child(moof, 0).filter(|found| &found.kind == b"moof")?;
    let mut at = 8;
    while at < whole.end() {
        let part = child(moof, at)?;
        at = part.end();
        if &part.kind != b"traf" {
            continue;
        }
        let run = Run::read(moof.get(..part.end())?, part.at + 8)?;
        let in_mdat = run.data.checked_sub(fragment.moof)?;
        let mut place = Place { file, offset: fragment.mdat_at() + u64::from(in_mdat), len: 0 };
        let mut time = run.begins;
        for sample in &run.samples {
            place.len = sample.len;
            if place.offset.checked_add(sample.len.into())? > fragment.end() {
                return None;
            }
            let long = match (run.track, sample.duration, origins.clock) {
                (AUDIO_TRACK, None, Some(clock)) => clock.frame,
                (_, duration, _) => duration?,
            };
            let next = time.checked_add(long.into())?;
            if run.track == VIDEO_TRACK {
                let dts = origins.video.0.checked_add_unsigned(time)?;
                let until = Ticks(origins.video.0.checked_add_unsigned(next)?);
                let pts = Ticks(dts.checked_add(sample.later.into())?);
                pictures.push(Picture { place, dts: Ticks(dts), pts, until, key: sample.key });
            } else {
                sounds.push(Sound { place, at: origins.audio.checked_add_unsigned(time)? });
            }
            time = next;
            place.offset += u64::from(sample.len);
        }
    }
    Some((pictures, sounds))
}

/// A `traf`, read.
struct Run {
    track: u32,
    /// Time of the first sample, from the segment's origin.
    begins: u64,
    /// Where the first sample's bytes are, from the `moof` on.
    data: u32,
    samples: Vec<Sample>,
}

struct Sample {
    duration: Option<u32>,
    len: u32,
    key: bool,
    later: i32,
}

impl Run {
    fn read(traf: &[u8], at: usize) -> Option<Self> {
        let tfhd = child(traf, at).filter(|found| &found.kind == b"tfhd")?;
        let tfdt = child(traf, tfhd.end()).filter(|found| &found.kind == b"tfdt")?;
        let trun = child(traf, tfdt.end()).filter(|found| &found.kind == b"trun")?;
        let mut body = Bytes(tfhd.body(traf)?);
        body.skip(4)?;
        let track = body.u32()?;
        let mut body = Bytes(tfdt.body(traf)?);
        body.skip(4)?;
        let begins = body.u64()?;
        let mut body = Bytes(trun.body(traf)?);
        let flags = body.u32()? & 0x00FF_FFFF;
        let count = body.u32()?;
        let data = body.u32()?;
        let first_key = flags & 0x004 != 0 && body.u32()? == KEY_SAMPLE;
        let mut samples = Vec::new();
        for n in 0..count {
            let duration = if flags & 0x100 != 0 { Some(body.u32()?) } else { None };
            let len = body.u32()?;
            let key = if flags & 0x400 != 0 {
                body.u32()? == KEY_SAMPLE
            } else {
                n == 0 && first_key || track == AUDIO_TRACK
            };
            let later = if flags & 0x800 != 0 { body.u32()?.cast_signed() } else { 0 };
            samples.push(Sample { duration, len, key, later });
        }
        Some(Self { track, begins, data, samples })
    }
}
