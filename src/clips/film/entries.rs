//! What a decoder must be told first: the sample entries of a segment (pure).

use crate::clips::boxes::{Bytes, Head, child, children, path, put16, put32};
use crate::clips::timeline::AudioClock;
use crate::media::{h264, h265};

/// The pictures' sample entry.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The box, as it stands in a `stsd`.
    pub(crate) bytes: Vec<u8>,
    /// Its type: `avc1` or `hvc1`.
    pub(crate) kind: [u8; 4],
    /// Its configuration record.
    pub(crate) config: Vec<u8>,
    /// Width and height of the picture.
    pub(crate) size: (u16, u16),
    /// The parameter sets, as they stand before a key picture; none where its record cannot be read.
    pub(crate) sets: Vec<u8>,
    /// What of the sets decoders look at.
    looked_at: Vec<Vec<u8>>,
}

/// The sound's sample entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SoundEntry {
    /// The box, as it stands in a `stsd`.
    pub(crate) bytes: Vec<u8>,
    /// How its track counts.
    pub(crate) clock: AudioClock,
    /// A frame of silence, where one is known.
    pub(crate) silence: Option<&'static [u8]>,
}

impl Entry {
    /// True if what was encoded for one decodes alike with the other.
    #[must_use]
    pub(crate) fn alike(&self, other: &Self) -> bool {
        self.kind == other.kind && self.size == other.size && self.looked_at == other.looked_at
    }
}

/// Reads the entries out of the head of a segment. `None` where it is none of ours.
#[must_use]
pub(crate) fn entries(head: &Head) -> Option<(Entry, Option<SoundEntry>)> {
    let moov = path(&head.init, &[b"moov"])?;
    let (mut video, mut sound) = (None, None);
    for part in children(moov).filter(|part| &part.kind == b"trak") {
        let stsd = path(part.body(moov)?, &[b"mdia", b"minf", b"stbl", b"stsd"])?.get(8..)?;
        let entry = child(stsd, 0)?;
        let bytes = stsd.get(..entry.end())?.to_vec();
        let body = entry.body(stsd)?;
        if &entry.kind == b"mp4a" {
            let clock = head.audio?;
            sound = Some(SoundEntry { silence: silence(body, clock), bytes, clock });
        } else {
            let config = child(body, 78)?.body(body)?;
            // A record that cannot be read is like itself alone.
            let (sets, looked_at) = before_key(&entry.kind, config)
                .unwrap_or_else(|| (Vec::new(), vec![config.to_vec()]));
            video = Some(Entry {
                bytes,
                kind: entry.kind,
                config: config.to_vec(),
                size: (head.width, head.height),
                sets,
                looked_at,
            });
        }
    }
    Some((video?, sound))
}

/// The sets of a record as they stand before a key picture, and what of them decoders look at.
fn before_key(kind: &[u8; 4], config: &[u8]) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let (sets, length_size) = parameter_sets(kind, config)?;
    let mut before = Vec::new();
    for set in &sets {
        match length_size {
            1 => before.push(u8::try_from(set.len()).ok()?),
            2 => put16(&mut before, u16::try_from(set.len()).ok()?),
            _ => put32(&mut before, u32::try_from(set.len()).ok()?),
        }
        before.extend_from_slice(set);
    }
    let mut looked_at = vec![vec![length_size]];
    looked_at.extend(sets.iter().map(|set| looked_at_of(kind, set)));
    Some((before, looked_at))
}

fn looked_at_of(kind: &[u8; 4], set: &[u8]) -> Vec<u8> {
    // What is on disk is joined where its levels are the same; which of them rules was decided before.
    let (mut looked_at, level) = match kind {
        b"avc1" => (h264::looked_at(set), h264::level(set)),
        _ => (h265::looked_at(set), h265::level(set)),
    };
    looked_at.push(level);
    looked_at
}

/// The sets of a configuration record, in order, and the size of a NAL unit's length (ISO/IEC 14496-15,
/// 5.3.3.1.2 and 8.3.3.1.2).
fn parameter_sets<'a>(kind: &[u8; 4], config: &'a [u8]) -> Option<(Vec<&'a [u8]>, u8)> {
    let mut record = Bytes(config);
    let mut sets = Vec::new();
    let mut take = |record: &mut Bytes<'a>, count: u16| -> Option<()> {
        for _ in 0..count {
            let len = record.u16()?;
            sets.push(record.take(len.into())?);
        }
        Some(())
    };
    let lengths = match kind {
        b"avc1" => {
            record.skip(4)?;
            let lengths = record.u8()?;
            let count = record.u8()? & 0x1F;
            take(&mut record, count.into())?;
            let count = record.u8()?;
            take(&mut record, count.into())?;
            lengths
        }
        b"hvc1" => {
            record.skip(21)?;
            let lengths = record.u8()?;
            for _ in 0..record.u8()? {
                record.skip(1)?;
                let count = record.u16()?;
                take(&mut record, count)?;
            }
            lengths
        }
        _ => return None,
    };
    Some((sets, (lengths & 3) + 1))
}

/// A frame of silence of AAC-LC with 1024 samples, one or two channels: any such decoder reads it, whatever
/// the rate. Found in hls.js (Apache-2.0), which fills gaps with the same.
fn silence(entry: &[u8], clock: AudioClock) -> Option<&'static [u8]> {
    const ONE: &[u8] = &[0x00, 0xC8, 0x00, 0x80, 0x23, 0x80];
    const TWO: &[u8] = &[0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80];
    const LOW_COMPLEXITY: u8 = 2;
    // Where our `esds` puts the config: fixed lengths stand before it. 5 bits object type, 4 of the rate,
    // 4 of the channels.
    let config = child(entry, 28)?.body(entry)?.get(26..28)?;
    let &[first, second] = config else { return None };
    if first >> 3 != LOW_COMPLEXITY || clock.frame != 1024 {
        return None;
    }
    match second >> 3 & 0x0F {
        1 => Some(ONE),
        2 => Some(TWO),
        _ => None,
    }
}
