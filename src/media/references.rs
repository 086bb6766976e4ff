//! H.265: sets of references, as sequence parameter sets and slices have them (ITU-T H.265 7.3.7, 7.3.6.1;
//! pure), and how many pictures a decoder keeps for them.
//!
//! A decoder makes a picture of its own for each reference that is named and never came (8.3.3;
//! libavcodec: `generate_missing_ref`, for every picture, until [`MOST_KEPT`] are there). So it is what
//! is named that takes memory, whatever `sps_max_dec_pic_buffering` promises. `naming` reads pictures by
//! this; what it costs is worked out elsewhere.

use crate::media::bits::{BitReader, unescape};
use crate::media::coded::CodedPictures;

/// Pictures that a decoder keeps, whatever a stream names (libavcodec: the size of its `DPB`).
pub const MOST_KEPT: u32 = 32;
/// `num_short_term_ref_pic_sets` and `num_long_term_ref_pics_sps` end here (7.4.3.2.1).
const MAX_SETS: u32 = 64;
const MAX_LONG_TERM: u32 = 32;
/// References before or after a picture (7.4.8, with A.4.2).
const MAX_A_SIDE: u32 = 16;
/// One step of picture order (7.4.8).
const MAX_STEP: u32 = 1 << 15;
/// Bytes of a parameter set that are read, as `h265` does.
const MAX_SET_BYTES: usize = 4096;

/// Steps of picture order from a picture to its references: those before it, nearest first, then those
/// after it.
type Steps = Vec<i32>;

/// What the slices of a sequence parameter set are read by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct References {
    /// Bits of `slice_pic_order_cnt_lsb`.
    order_bits: u32,
    separate_planes: bool,
    pub(crate) sets: Vec<Steps>,
    /// `num_long_term_ref_pics_sps`, if `long_term_ref_pics_present_flag` is set.
    pub(crate) long_term: Option<u32>,
}

impl References {
    /// Reads on in an SPS from `at`, the bit of its payload behind the smallest coding block.
    pub(crate) fn read(
        nal: &[u8],
        at: usize,
        order_bits: u32,
        separate_planes: bool,
    ) -> Option<Self> {
        let payload = unescape(nal.get(2..)?, MAX_SET_BYTES);
        let mut bits = BitReader::new(&payload);
        bits.skip(at)?;
        if order_bits > 16 {
            return None;
        }
        for _ in 0..5 {
            bits.unsigned()?; // sides of blocks, depths of transforms
        }
        if bits.flag()? && bits.flag()? {
            skip_scaling_lists(&mut bits)?;
        }
        bits.skip(2)?; // amp_enabled_flag, sample_adaptive_offset_enabled_flag
        if bits.flag()? {
            bits.skip(8)?; // depths of PCM samples
            bits.unsigned()?;
            bits.unsigned()?;
            bits.skip(1)?;
        }
        let mut sets = Vec::new();
        for _ in 0..bits.unsigned().filter(|&count| count <= MAX_SETS)? {
            sets.push(steps(&mut bits, &sets, Place::ParameterSet)?);
        }
        let mut long_term = None;
        if bits.flag()? {
            let count = bits.unsigned().filter(|&count| count <= MAX_LONG_TERM)?;
            bits.skip(usize::try_from(count * (order_bits + 1)).ok()?)?;
            long_term = Some(count);
        }
        Some(Self { order_bits, separate_planes, sets, long_term })
    }

    /// References of the set that has most.
    pub(crate) fn most(&self) -> u32 {
        self.sets.iter().map(count).max().unwrap_or(0)
    }

    /// How many references a slice names; `bits` stand behind its `pic_output_flag`.
    pub(crate) fn named(&self, bits: &mut BitReader<'_>) -> Option<u32> {
        bits.skip(if self.separate_planes { 2 } else { 0 })?;
        bits.bits(self.order_bits)?;
        let short = if bits.flag()? {
            let which = bits.bits(self.sets.len().max(1).next_power_of_two().ilog2())?;
            count(self.sets.get(usize::try_from(which).ok()?)?)
        } else {
            count(&steps(bits, &self.sets, Place::Slice)?)
        };
        let mut long = 0;
        if let Some(offered) = self.long_term {
            if offered > 0 {
                long = bits.unsigned().filter(|&taken| taken <= offered)?;
            }
            long += bits.unsigned().filter(|&own| own <= MAX_LONG_TERM)?;
        }
        Some(short + long)
    }
}

/// Pictures of `promised`, of which some name `named` references.
///
/// Who names no more than is kept is believed. Who names more makes the decoder keep them, the picture in
/// work, and what waits for its turn; and those named before go only when those named now are there.
pub(crate) fn kept(promised: CodedPictures, reordered: u32, named: u32) -> CodedPictures {
    if named < promised.kept {
        return promised;
    }
    let kept = (2 * named + 1 + reordered).clamp(promised.kept, MOST_KEPT.max(promised.kept));
    CodedPictures { kept, ..promised }
}

fn count(steps: &Steps) -> u32 {
    u32::try_from(steps.len()).unwrap_or(u32::MAX)
}

/// Where a `st_ref_pic_set` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    ParameterSet,
    Slice,
}

/// Reads a `st_ref_pic_set` (7.3.7) behind those of `known`. `None` where two references would be one,
/// or one the picture itself: decoders disagree about how many these are.
fn steps(bits: &mut BitReader<'_>, known: &[Steps], place: Place) -> Option<Steps> {
    let mut found = Vec::new();
    if !known.is_empty() && bits.flag()? {
        let back = if place == Place::Slice { bits.unsigned()? } else { 0 };
        let from = known.len().checked_sub(usize::try_from(back).ok()?.checked_add(1)?)?;
        let earlier = bits.flag()?;
        let by = i32::try_from(bits.unsigned().filter(|&by| by < MAX_STEP)? + 1).ok()?;
        let by = if earlier { -by } else { by };
        for step in known.get(from)?.iter().copied().chain([0]) {
            let used = bits.flag()?;
            if used || bits.flag()? {
                found.push(step + by);
            }
        }
        found.sort_unstable_by_key(|&step| (step > 0, step.abs()));
    } else {
        let mut a_side = || bits.unsigned().filter(|&count| count <= MAX_A_SIDE);
        let counts = [(a_side()?, -1), (a_side()?, 1)];
        for (count, sign) in counts {
            let mut at = 0;
            for _ in 0..count {
                let by = bits.unsigned().filter(|&by| by < MAX_STEP)? + 1;
                at += sign * i32::try_from(by).ok()?;
                bits.skip(1)?; // used_by_curr_pic_flag: what is not used is kept all the same
                found.push(at);
            }
        }
    }
    (!found.contains(&0) && count(&found) <= MOST_KEPT).then_some(found)
}

/// `scaling_list_data` (7.3.4).
fn skip_scaling_lists(bits: &mut BitReader<'_>) -> Option<()> {
    for size in 0..4 {
        for _ in 0..if size == 3 { 2 } else { 6 } {
            if !bits.flag()? {
                bits.unsigned()?;
                continue;
            }
            let dc = usize::from(size > 1);
            for _ in 0..dc + (16_usize << (2 * size)).min(64) {
                bits.signed()?;
            }
        }
    }
    Some(())
}
