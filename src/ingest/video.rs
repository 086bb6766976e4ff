//! The NAL units of one publish's pictures: parameter sets taken out, what a picture says of itself (pure).

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::media::naming::Naming;
use crate::media::sei::Sei;
use crate::media::{Codec, CodecParameters, UtcTime, decodes_alike, h264, h265};

/// Parameter sets that a picture may carry: encoders send two to four, and each twice at most.
pub(crate) const MAX_SETS_A_PICTURE: usize = 64;
/// NAL units of a picture: H.265 allows 600 slices (A.4.2), and who cuts H.264 for a lossy network makes one of
/// each 1,200 bytes.
pub(crate) const MAX_UNITS_A_PICTURE: usize = 8192;
/// Bytes of a NAL unit's length in what we give out.
pub(crate) const LENGTH_SIZE: usize = 4;
/// NAL units without a picture (SEI, delimiters) that are kept for the next one, bytes.
pub(crate) const MAX_PREFIX: usize = 64 << 10;

/// The video of one publish: what is in force, and what is kept for the next picture.
pub(crate) struct Video {
    pub(crate) sets: Sets,
    pub(crate) length_size: usize,
    pub(crate) parameters: Option<Arc<CodecParameters>>,
    pub(crate) prefix: BytesMut,
    /// What was kept said when it was taken, of the picture to come.
    pub(crate) wall: Option<UtcTime>,
    /// Where pictures could name more references than there is memory for.
    pub(crate) naming: Option<Naming>,
    /// Pictures a second that the sets declare.
    pub(crate) rate: Option<f64>,
    /// Of a picture of H.264, across and down.
    pub(crate) macroblocks: Option<(u32, u32)>,
}

/// The parameter sets in force.
pub(crate) enum Sets {
    H264(h264::ParameterSets),
    H265(h265::ParameterSets),
}

/// What a walk over a picture's NAL units found.
#[derive(Default)]
pub(crate) struct Walked {
    pub(crate) slices: u32,
    /// Where each begins, macroblocks: of H.264 alone, and where somebody asks.
    first_macroblocks: Option<Vec<u32>>,
    /// One of its slices is the first of a picture.
    pub(crate) begins: bool,
    pub(crate) starts_decoding: bool,
    pub(crate) recovery: bool,
    pub(crate) b_slices: bool,
    pub(crate) sets_changed: bool,
    pub(crate) wall: Option<UtcTime>,
    /// Pictures that the encoder looks ahead, by its own word.
    pub(crate) lookahead: Option<u16>,
    /// The units, with lengths of 4 bytes and without parameter sets, if they were not so already.
    pub(crate) rebuilt: Option<BytesMut>,
}

impl Walked {
    pub(crate) const fn has_slices(&self) -> bool {
        self.slices > 0
    }

    /// A slice was found.
    fn slice(&mut self, begins: bool) {
        self.slices += 1;
        self.begins |= begins;
    }

    fn slice_of_h264(&mut self, nal: &[u8]) {
        self.slice(h264::begins_picture(nal));
        if let Some(at) = &mut self.first_macroblocks {
            at.extend(h264::first_macroblock(nal));
        }
    }

    /// Where its slices begin, with the picture's `macroblocks`, where it says that of each.
    pub(crate) fn cuts(&mut self, macroblocks: Option<(u32, u32)>) -> Option<Cuts> {
        let at = self.first_macroblocks.take()?;
        let macroblocks = macroblocks.filter(|_| at.len() == self.slices as usize)?;
        Some(Cuts { at, macroblocks })
    }
}

/// Where the slices of an H.264 picture, or of a part of one, begin.
#[derive(Debug)]
pub(crate) struct Cuts {
    /// Macroblocks.
    at: Vec<u32>,
    /// Of the picture, across and down.
    macroblocks: (u32, u32),
}

impl Cuts {
    /// Takes those that follow.
    pub(crate) fn join(&mut self, next: Self) {
        self.at.extend(next.at);
    }

    /// True where they cut the whole picture evenly: no other slice follows. Encoders that cut otherwise (by bytes)
    /// say nothing so; encoders round to rows, so shares differ by one, or by half of one's own where a share is small.
    pub(crate) fn are_even(&self) -> bool {
        let (across, down) = self.macroblocks;
        let ends = self.at.iter().copied().skip(1).chain([across.saturating_mul(down)]);
        let shares = self.at.iter().zip(ends).map(|(from, to)| to.checked_sub(*from));
        let Some(shares) = shares.collect::<Option<Vec<u32>>>() else { return false };
        let (least, most) = (shares.iter().min().copied(), shares.iter().max().copied());
        let (Some(least), Some(most)) = (least, most) else { return false };
        self.at.len() > 1 && self.at.first() == Some(&0) && most - least <= across.min(least / 2)
    }
}

impl Video {
    pub(crate) fn new(codec: Codec) -> Self {
        let sets = match codec {
            Codec::H264 => Sets::H264(h264::ParameterSets::default()),
            Codec::H265 => Sets::H265(h265::ParameterSets::default()),
        };
        Self {
            sets,
            length_size: LENGTH_SIZE,
            parameters: None,
            prefix: BytesMut::new(),
            wall: None,
            naming: None,
            rate: None,
            macroblocks: None,
        }
    }

    pub(crate) const fn codec(&self) -> Codec {
        match self.sets {
            Sets::H264(_) => Codec::H264,
            Sets::H265(_) => Codec::H265,
        }
    }

    /// Works the parameters out again; the value stays the same one while what comes decodes alike with it.
    pub(crate) fn settle(&mut self) {
        let new = match &self.sets {
            Sets::H264(sets) => sets.parameters(),
            Sets::H265(sets) => sets.parameters(),
        };
        self.rate = match &self.sets {
            Sets::H264(sets) => sets.sps.first().and_then(|sps| h264::declared_rate(sps)),
            Sets::H265(_) => None,
        };
        self.macroblocks = match &self.sets {
            Sets::H264(sets) => sets.sps.first().and_then(|sps| h264::Sps::read(sps)),
            Sets::H265(_) => None,
        }
        .map(|sps| sps.macroblocks);
        let kept = self.parameters.as_deref().zip(new.as_ref());
        if kept.is_none_or(|(kept, new)| !decodes_alike(kept, new)) {
            self.parameters = new.map(Arc::new);
        }
    }

    /// Looks at every NAL unit once; their lengths have `length_size` bytes. `learns`: where slices begin is asked for,
    /// which takes them apart. `None` if a length points past the end, or it carries more units or parameter sets than
    /// anybody needs: each set is held against all that are known.
    pub(crate) fn walk(
        &mut self,
        data: &Bytes,
        length_size: usize,
        learns: bool,
    ) -> Option<Walked> {
        let first_macroblocks = learns.then(Vec::new);
        let mut walked = Walked { first_macroblocks, ..Walked::default() };
        let (mut at, mut sets, mut units) = (0, 0, 0);
        let same_lengths = length_size == LENGTH_SIZE;
        if !same_lengths {
            walked.rebuilt = Some(BytesMut::with_capacity(data.len() + 64));
        }
        while at < data.len() {
            let length = data.get(at..at + length_size)?;
            let length = length.iter().fold(0_usize, |sum, &byte| sum << 8 | usize::from(byte));
            let start = at + length_size;
            let end = start.checked_add(length)?;
            let nal = data.get(start..end)?;
            let mut rest = nal;
            let mut from = start;
            loop {
                let (unit, after) = split_at_start_code(rest);
                units += 1;
                if units > MAX_UNITS_A_PICTURE {
                    return None;
                }
                let whole = unit.len() == nal.len();
                let kept = !unit.is_empty() && !self.is_taken_out(unit);
                if kept {
                    self.look(unit, &mut walked);
                } else if !unit.is_empty() {
                    sets += 1;
                    if sets > MAX_SETS_A_PICTURE {
                        return None;
                    }
                    let set = data.slice(from..from + unit.len());
                    walked.sets_changed |= self.supersede(&set);
                }
                if !(kept && whole) && walked.rebuilt.is_none() {
                    // Everything up to here was in order.
                    let mut copy = BytesMut::with_capacity(data.len() + 64);
                    copy.extend_from_slice(data.get(..at)?);
                    walked.rebuilt = Some(copy);
                }
                if kept && let Some(rebuilt) = &mut walked.rebuilt {
                    rebuilt.extend_from_slice(&u32::try_from(unit.len()).ok()?.to_be_bytes());
                    rebuilt.extend_from_slice(unit);
                }
                let Some(after) = after else { break };
                from = end - after.len();
                rest = after;
            }
            at = end;
        }
        Some(walked)
    }

    /// True for parameter sets, ours to keep, and for those that no picture of ours needs.
    fn is_taken_out(&self, nal: &[u8]) -> bool {
        use h264::nal::{PPS, SPS, SPS_EXTENSION, SUBSET_SPS};
        match self.codec() {
            Codec::H264 => matches!(
                nal.first().map(|header| header & 0x1F),
                Some(SPS | PPS | SPS_EXTENSION | SUBSET_SPS)
            ),
            Codec::H265 => {
                matches!(h265::nal_type(nal), Some(h265::nal::VPS..=h265::nal::PPS))
            }
        }
    }

    pub(crate) fn supersede(&mut self, nal: &Bytes) -> bool {
        match &mut self.sets {
            Sets::H264(sets) => sets.supersede(nal),
            Sets::H265(sets) => sets.supersede(nal),
        }
    }

    fn look(&self, nal: &[u8], walked: &mut Walked) {
        const B_H264: Option<u32> = Some(1);
        let sei = |walked: &mut Walked| {
            let sei = Sei::read(self.codec(), nal);
            walked.wall = walked.wall.or(sei.wall);
            walked.recovery |= sei.recovery;
            walked.lookahead = walked.lookahead.or(sei.lookahead);
        };
        match &self.sets {
            Sets::H264(_) => match nal.first().map_or(0, |header| header & 0x1F) {
                h264::nal::IDR => {
                    walked.slice_of_h264(nal);
                    walked.starts_decoding = true;
                }
                h264::nal::SLICE | h264::nal::SLICE_A => {
                    walked.slice_of_h264(nal);
                    walked.b_slices |= h264::slice_type(nal) == B_H264;
                }
                h264::nal::SEI => sei(walked),
                _ => {}
            },
            Sets::H265(sets) => match h265::nal_type(nal).unwrap_or(u8::MAX) {
                h265::nal::IRAP_FIRST..=h265::nal::IRAP_LAST => {
                    walked.slice(h265::begins_picture(nal));
                    walked.starts_decoding = true;
                }
                0..=h265::nal::VCL_LAST => {
                    // The first says it for all, and each is held against the sets.
                    let first = !walked.has_slices();
                    walked.slice(h265::begins_picture(nal));
                    walked.b_slices |= first && sets.is_reordered_b(nal);
                }
                h265::nal::PREFIX_SEI | h265::nal::SUFFIX_SEI => sei(walked),
                _ => {}
            },
        }
    }

    /// Returns the picture's units, with what was kept for it in front.
    pub(crate) fn finish(&mut self, rebuilt: Option<BytesMut>, data: Bytes) -> Bytes {
        let data = rebuilt.map_or(data, BytesMut::freeze);
        if self.prefix.is_empty() {
            return data;
        }
        let mut whole = std::mem::take(&mut self.prefix);
        whole.extend_from_slice(&data);
        whole.freeze()
    }
}

/// The first unit of `nal` and, where a start code stands inside of it, what follows that. No NAL unit
/// holds one (ITU-T H.264 7.4.1), and whoever decodes looks for them.
fn split_at_start_code(nal: &[u8]) -> (&[u8], Option<&[u8]>) {
    // Every byte of every picture is looked at here.
    match memchr::memmem::find(nal, &[0, 0, 1]) {
        Some(at) => (nal.get(..at).unwrap_or_default(), nal.get(at + 3..)),
        None => (nal, None),
    }
}

#[cfg(test)]
mod tests {
    use super::Cuts;

    #[test]
    fn slices_that_cut_a_picture_evenly_say_that_it_is_whole() {
        let rows: [((u32, u32), &[u32], bool); 12] = [
            // 320×180 in four of three rows, and what is missing of it.
            ((20, 12), &[0, 60, 120, 180], true),
            ((20, 12), &[0, 60, 120], false),
            ((20, 12), &[0, 60], false),
            ((20, 12), &[0, 120], true),
            ((20, 12), &[0], false),
            ((20, 12), &[60, 120, 180], false),
            // Rounded to rows: 68 in eight.
            ((120, 68), &[0, 1_080, 2_040, 3_120, 4_080, 5_160, 6_120, 7_200], true),
            ((120, 68), &[0, 1_080, 2_040, 3_120, 4_080, 5_160, 6_120], false),
            // One row each, and the last of them missing.
            ((20, 4), &[0, 20, 40, 60], true),
            ((20, 4), &[0, 20, 40], false),
            // By bytes; out of order.
            ((20, 12), &[0, 17, 130], false),
            ((20, 12), &[0, 120, 60, 180], false),
        ];
        for (macroblocks, at, expected) in rows {
            let cuts = Cuts { at: at.to_vec(), macroblocks };
            assert_eq!(cuts.are_even(), expected, "{at:?}");
        }
    }
}
