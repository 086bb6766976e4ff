//! H.264: parameter sets, the `avcC` record, what a picture says of itself (ITU-T H.264,
//! ISO/IEC 14496-15).
//!
//! Read by ourselves, with `h264-reader` as the witness in the tests. It refuses a whole set whose VUI
//! it cannot read or whose reordering contradicts its buffering or level, as cameras send them, while
//! size and chroma are known all the same; it knows no H.265, whose sets `h265` reads with the same bits;
//! and what this file is for no reader does: which sets are in force, and a set rewritten, bit by bit,
//! so that a decoder waits for nothing. Nothing is allocated by a number that a set names: 4 KiB of it
//! are read, and what is out of range ends the reading.

use bytes::Bytes;

use crate::media::bits::{
    BitReader, BitWriter, escape, unescape, up_to_start_code, without_trailing_zeros,
};
use crate::media::coded::{ChromaFormat, CodedPictures};
use crate::media::unit::{Codec, CodecParameters};

/// NAL unit types that matter here.
pub mod nal {
    #![expect(missing_docs, reason = "the standard's names")]
    pub const SLICE: u8 = 1;
    pub const SLICE_A: u8 = 2;
    pub const IDR: u8 = 5;
    pub const SEI: u8 = 6;
    pub const SPS: u8 = 7;
    pub const PPS: u8 = 8;
    pub const SPS_EXTENSION: u8 = 13;
    pub const SUBSET_SPS: u8 = 15;
}

/// Parameter sets of one kind that a record may hold; their ids end at 31 and 255.
const MAX_SETS: usize = 32;
/// Bytes of a parameter set that we read. Real ones have 20 to 100.
const MAX_SET_BYTES: usize = 4096;
/// Bytes of all sets in force. Units hold those that they came with, and real streams have some hundreds.
const MAX_BYTES: usize = 32 << 10;
/// Frames that a decoder may ever have to keep (A.3.1, E.2.1).
const MAX_DPB_FRAMES: u32 = 16;
/// Pixels of a macroblock's side.
const MACROBLOCK: u32 = 16;

/// What we read from a sequence parameter set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sps {
    /// `profile_idc`, constraint flags, `level_idc`.
    pub profile: [u8; 3],
    /// `seq_parameter_set_id`.
    pub id: u32,
    /// Width after cropping, pixels.
    pub width: u32,
    /// Height after cropping, pixels.
    pub height: u32,
    /// Width and height before cropping, macroblocks; both fields together.
    pub macroblocks: (u32, u32),
    /// `chroma_format_idc`.
    pub chroma_format: u32,
    /// `separate_colour_plane_flag`.
    pub separate_planes: bool,
    /// Bits of a luma sample.
    pub luma_bits: u32,
    /// Bits of a chroma sample.
    pub chroma_bits: u32,
    /// `pic_order_cnt_type`. With 2 output order is decoding order.
    pub order_type: u32,
    /// `max_num_ref_frames`.
    pub reference_frames: u32,
    /// `max_num_reorder_frames`, if `bitstream_restriction` is there.
    pub reorder_frames: Option<u32>,
    /// `max_dec_frame_buffering`, if `bitstream_restriction` is there.
    pub buffered_frames: Option<u32>,
    /// Bit of the payload where `vui_parameters_present_flag` stands, and where
    /// `bitstream_restriction_flag` does if there is a VUI.
    restriction_at: (usize, Option<usize>),
}

impl Sps {
    /// Reads a sequence parameter set with its NAL header (7.3.2.1.1). `None` if it is damaged, is of
    /// a profile that decoders read in more than one way, or describes no picture of at most 16,384
    /// pixels a side.
    #[must_use]
    pub fn read(nal: &[u8]) -> Option<Self> {
        if nal.first()? & 0x1F != nal::SPS {
            return None;
        }
        let payload = unescape(nal.get(1..)?, MAX_SET_BYTES);
        let mut bits = BitReader::new(&payload);
        let profile: [u8; 3] = *payload.first_chunk()?;
        bits.skip(24)?;
        if is_ambiguous(profile[0]) {
            return None;
        }
        let id = bits.unsigned().filter(|&id| id < 32)?;
        let (mut chroma_format, mut separate, mut luma_bits, mut chroma_bits) = (1, false, 8, 8);
        if has_chroma_fields(profile[0]) {
            chroma_format = bits.unsigned().filter(|&format| format < 4)?;
            if chroma_format == 3 {
                separate = bits.flag()?;
            }
            luma_bits = 8 + bits.unsigned().filter(|&more| more <= 6)?;
            chroma_bits = 8 + bits.unsigned().filter(|&more| more <= 6)?;
            bits.skip(1)?;
            if bits.flag()? {
                skip_scaling_lists(&mut bits, if chroma_format == 3 { 12 } else { 8 })?;
            }
        }
        bits.unsigned()?; // log2_max_frame_num
        let order_type = bits.unsigned().filter(|&kind| kind < 3)?;
        skip_order(&mut bits, order_type)?;
        let reference_frames = bits.unsigned().filter(|&count| count <= 16)?;
        bits.skip(1)?; // gaps_in_frame_num_value_allowed_flag
        let width = bits.unsigned().filter(|&mbs| mbs < 1024)? + 1;
        let map_units = bits.unsigned().filter(|&units| units < 1024)? + 1;
        let frames_only = bits.flag()?;
        if !frames_only {
            bits.skip(1)?;
        }
        bits.skip(1)?; // direct_8x8_inference_flag
        let mut crop = [0; 4];
        if bits.flag()? {
            for edge in &mut crop {
                *edge = bits.unsigned().filter(|&edge| edge < 16_384)?;
            }
        }
        // 7.4.2.1.1: crop units follow chroma subsampling and interlacing.
        let (across, down) = match (chroma_format, separate) {
            (1, _) => (2, 2),
            (2, _) => (2, 1),
            _ => (1, 1),
        };
        let fields = if frames_only { 1 } else { 2 };
        let macroblocks = (width, map_units * fields);
        let width = (width * MACROBLOCK).checked_sub(across * (crop[0] + crop[1]))?;
        let height =
            (macroblocks.1 * MACROBLOCK).checked_sub(down * fields * (crop[2] + crop[3]))?;
        if width == 0 || height == 0 {
            return None;
        }
        let vui_at = bits.position();
        // A VUI that cannot be read leaves reordering unknown; the picture is known all the same.
        let restriction = bits.flag()?.then(|| restriction(&mut bits)).flatten();
        Some(Self {
            profile,
            id,
            width,
            height,
            macroblocks,
            chroma_format,
            separate_planes: separate,
            luma_bits,
            chroma_bits,
            order_type,
            reference_frames,
            reorder_frames: restriction.and_then(|(_, frames)| frames.map(|(reorder, _)| reorder)),
            buffered_frames: restriction.and_then(|(_, frames)| frames?.1),
            restriction_at: (vui_at, restriction.map(|(at, _)| at)),
        })
    }

    /// Pictures that may be reordered, as far as the set promises: 0 also where the profile or the
    /// order type allow nothing else.
    #[must_use]
    pub fn promised_reorder(&self) -> Option<u32> {
        const BASELINE: u8 = 66;
        if self.order_type == 2 || self.profile[0] == BASELINE {
            return Some(0);
        }
        self.reorder_frames
    }

    /// Pictures that may be reordered, as they are counted: what the set promises; where it says nothing, as
    /// far as its level goes, or as far as anything does where that does not even hold what is referred to.
    #[must_use]
    pub fn counted_reorder(&self) -> u32 {
        let level = self.level_frames();
        let undeclared = if level < self.reference_frames.max(1) { MAX_DPB_FRAMES } else { level };
        self.promised_reorder().unwrap_or(undeclared).min(MAX_DPB_FRAMES)
    }

    /// What a decoder of it keeps.
    #[must_use]
    pub fn coded(&self) -> Option<CodedPictures> {
        let level = self.level_frames();
        let references = self.reference_frames.max(1);
        let reordered = self.counted_reorder();
        let buffered = self.buffered_frames.unwrap_or(level).min(MAX_DPB_FRAMES);
        Some(CodedPictures {
            codec: Codec::H264,
            width: self.macroblocks.0 * MACROBLOCK,
            height: self.macroblocks.1 * MACROBLOCK,
            chroma: ChromaFormat::of(self.chroma_format)?,
            separate_planes: self.separate_planes,
            luma_bits: self.luma_bits,
            chroma_bits: self.chroma_bits,
            // Decoders keep what waits for its turn beside what is referred to (seen: libavcodec).
            kept: buffered.max(references) + reordered,
            motion_side: 4,
        })
    }

    /// `MaxDpbFrames` of its level: `MaxDpbMbs` of table A-1, in pictures of this size.
    fn level_frames(&self) -> u32 {
        let [_, constraints, level] = self.profile;
        let macroblocks = match level {
            9 | 10 => 396,
            // Level 1b of the profiles without a number of its own.
            11 if constraints & 0x10 != 0 => 396,
            11 => 900,
            12 | 13 | 20 => 2_376,
            21 => 4_752,
            22 | 30 => 8_100,
            31 => 18_000,
            32 => 20_480,
            40 | 41 => 32_768,
            42 => 34_816,
            50 => 110_400,
            51 | 52 => 184_320,
            // 6 to 6.2, and what is not in the table.
            _ => 696_320,
        };
        let (across, down) = self.macroblocks;
        (macroblocks / (across * down).max(1)).min(MAX_DPB_FRAMES)
    }
}

/// Profiles of which one decoder reads chroma fields and another does not: the standard gives them to
/// 134, 135 and 139, which no stream of pictures has and libavcodec knows not; it took 144 away again,
/// and libavcodec reads it still.
const fn is_ambiguous(profile: u8) -> bool {
    matches!(profile, 134 | 135 | 139 | 144)
}

/// Profiles with chroma format and scaling lists (7.3.2.1.1).
const fn has_chroma_fields(profile: u8) -> bool {
    matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138)
}

fn skip_scaling_lists(bits: &mut BitReader<'_>, lists: usize) -> Option<()> {
    for list in 0..lists {
        if !bits.flag()? {
            continue;
        }
        let (mut last, mut next) = (8_i32, 8_i32);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = (last + bits.signed()? % 256 + 256) % 256;
            }
            last = if next == 0 { last } else { next };
        }
    }
    Some(())
}

fn skip_order(bits: &mut BitReader<'_>, order_type: u32) -> Option<()> {
    match order_type {
        0 => bits.unsigned().map(|_| ()),
        1 => {
            bits.skip(1)?;
            bits.signed()?;
            bits.signed()?;
            for _ in 0..bits.unsigned().filter(|&count| count < 256)? {
                bits.signed()?;
            }
            Some(())
        }
        _ => Some(()),
    }
}

/// `max_num_reorder_frames` and, unless it is cut off, `max_dec_frame_buffering`.
type Restriction = (u32, Option<u32>);

/// Reads a VUI (E.1.1): where `bitstream_restriction_flag` stands, and what it says.
fn restriction(bits: &mut BitReader<'_>) -> Option<(usize, Option<Restriction>)> {
    skip_to_timing(bits)?;
    if bits.flag()? {
        bits.skip(TIMING_BITS)?;
    }
    let nal_hrd = bits.flag()?;
    if nal_hrd {
        skip_hrd(bits)?;
    }
    let vcl_hrd = bits.flag()?;
    if vcl_hrd {
        skip_hrd(bits)?;
    }
    if nal_hrd || vcl_hrd {
        bits.skip(1)?;
    }
    bits.skip(1)?; // pic_struct_present_flag
    let at = bits.position();
    if !bits.flag()? {
        return Some((at, None));
    }
    bits.skip(1)?;
    for _ in 0..4 {
        bits.unsigned()?;
    }
    let reorder = bits.unsigned();
    Some((at, reorder.map(|reorder| (reorder, bits.unsigned()))))
}

/// `num_units_in_tick`, `time_scale`, `fixed_frame_rate_flag`.
const TIMING_BITS: usize = 65;

/// Goes to `timing_info_present_flag` of a VUI.
fn skip_to_timing(bits: &mut BitReader<'_>) -> Option<()> {
    const EXTENDED_SAR: u32 = 255;
    if bits.flag()? && bits.bits(8)? == EXTENDED_SAR {
        bits.skip(32)?;
    }
    if bits.flag()? {
        bits.skip(1)?; // overscan
    }
    if bits.flag()? {
        bits.skip(4)?; // video format, range
        if bits.flag()? {
            bits.skip(24)?;
        }
    }
    if bits.flag()? {
        bits.unsigned()?;
        bits.unsigned()?;
    }
    Some(())
}

fn skip_hrd(bits: &mut BitReader<'_>) -> Option<()> {
    let count = bits.unsigned().filter(|&count| count < 32)? + 1;
    bits.skip(8)?;
    for _ in 0..count {
        bits.unsigned()?;
        bits.unsigned()?;
        bits.skip(1)?;
    }
    bits.skip(20)
}

/// Returns the set with a `bitstream_restriction` that promises no reordering: what lets a decoder
/// give out each picture at once. The rest of the set is copied bit by bit. `None` if `nal` cannot
/// be read, or promises it already.
#[must_use]
pub fn without_reordering(nal: &[u8]) -> Option<Bytes> {
    let sps = Sps::read(nal)?;
    if sps.reorder_frames == Some(0) {
        return None;
    }
    let (&header, rest) = nal.split_first()?;
    let payload = unescape(rest, MAX_SET_BYTES);
    let mut from = BitReader::new(&payload);
    let mut to = BitWriter::default();
    let (vui_at, restriction_at) = sps.restriction_at;
    match restriction_at {
        // The restriction is the VUI's last part, and the VUI the set's.
        Some(at) => to.copy(&mut from, at),
        None => {
            to.copy(&mut from, vui_at);
            to.flag(true); // vui_parameters_present_flag
            // Nothing of a VUI: aspect, overscan, signal type, chroma location, timing, two HRDs,
            // picture structure. An old VUI that cannot be read is left out.
            to.bits(0, 8);
        }
    }
    to.flag(true); // bitstream_restriction_flag
    to.flag(true); // motion_vectors_over_pic_boundaries_flag
    to.unsigned(0); // max_bytes_per_pic_denom: no limit
    to.unsigned(0); // max_bits_per_mb_denom: no limit
    to.unsigned(16); // log2_max_mv_length_horizontal: the most
    to.unsigned(16); // log2_max_mv_length_vertical
    to.unsigned(0); // max_num_reorder_frames
    to.unsigned(sps.reference_frames); // max_dec_frame_buffering
    let mut out = vec![header];
    out.extend(escape(&to.finish()));
    Some(out.into())
}

/// Returns what decoders look at of a parameter set, without its level: sets that decode alike are equal then. Of
/// a sequence parameter set that is all but the constraint flags (7.4.2.1.1: they say which decoders may try) and
/// what its VUI says of timing, of the hypothetical decoder's buffer and of `pic_struct`. Sets that cannot be read,
/// and others, come back as they are, without `nal_ref_idc` (of a set it says no more than that it is none: 7.4.1)
/// and without zeros behind them.
#[must_use]
pub fn looked_at(nal: &[u8]) -> Vec<u8> {
    const TYPE: u8 = 0x1F;
    let cut = || {
        let (vui_at, restriction_at) = Sps::read(nal)?.restriction_at;
        let (&header, rest) = nal.split_first()?;
        let mut payload = unescape(rest, MAX_SET_BYTES);
        // Constraint flags and level stand behind the profile.
        payload.get_mut(1..3)?.fill(0);
        // Without the stop bit, and zeros behind it.
        let last = payload.iter().rposition(|byte| *byte != 0)?;
        let end = last * 8 + 7 - usize::try_from(payload.get(last)?.trailing_zeros()).ok()?;
        let mut from = BitReader::new(&payload);
        let mut to = BitWriter::default();
        let mut bits = BitReader::new(&payload);
        bits.skip(vui_at)?;
        if !bits.flag()? {
            // A VUI that says nothing is none.
            to.copy(&mut from, vui_at);
            to.flag(true);
            to.bits(0, 5);
        } else if let Some(restriction_at) = restriction_at {
            skip_to_timing(&mut bits)?;
            to.copy(&mut from, bits.position());
            bits = BitReader::new(&payload);
            bits.skip(restriction_at)?;
            to.copy(&mut bits, end.checked_sub(restriction_at)?);
        } else {
            to.copy(&mut from, end);
        }
        let mut out = vec![header & TYPE];
        out.extend(to.finish());
        Some(out)
    };
    let as_it_is = || match without_trailing_zeros(nal).split_first() {
        Some((header, rest)) => [&[header & TYPE], rest].concat(),
        None => Vec::new(),
    };
    cut().unwrap_or_else(as_it_is)
}

/// Returns `level_idc` of a sequence parameter set; 0 of anything else.
#[must_use]
pub fn level(nal: &[u8]) -> u8 {
    Sps::read(nal).map_or(0, |sps| sps.profile[2])
}

/// Returns the pictures a second that a sequence parameter set declares (`time_scale` counts fields, E.2.1), if it
/// does.
#[must_use]
pub fn declared_rate(nal: &[u8]) -> Option<f64> {
    let (vui_at, _) = Sps::read(nal)?.restriction_at;
    let payload = unescape(nal.get(1..)?, MAX_SET_BYTES);
    let mut bits = BitReader::new(&payload);
    bits.skip(vui_at)?;
    if !bits.flag()? {
        return None;
    }
    skip_to_timing(&mut bits)?;
    if !bits.flag()? {
        return None;
    }
    let (tick, scale) = (bits.bits(32)?, bits.bits(32)?);
    (tick > 0 && scale > 0).then(|| f64::from(scale) / f64::from(tick) / 2.0)
}

/// The parameter sets in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterSets {
    /// Sequence parameter sets, in order of appearance.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets.
    pub pps: Vec<Bytes>,
}

impl ParameterSets {
    /// Reads an `avcC` record (ISO/IEC 14496-15 5.3.3.1.2): the sets, and the size of a NAL unit's
    /// length. `None` if it is cut. A record may hold no sets: then they come in the pictures.
    #[must_use]
    pub fn from_record(record: &Bytes) -> Option<(Self, usize)> {
        let &[version, _, _, _, lengths, sps_count, ..] = record.first_chunk::<6>()?;
        if version != 1 {
            return None;
        }
        let mut at = 6;
        let mut found = Self::default();
        found.take(record, &mut at, usize::from(sps_count & 0x1F))?;
        let pps_count = *record.get(at)?;
        at += 1;
        found.take(record, &mut at, usize::from(pps_count))?;
        let length_size = usize::from(lengths & 3) + 1;
        (length_size != 3).then_some((found, length_size))
    }

    /// Takes `count` sets of a record over, from `at` on. `None` if it is cut.
    fn take(&mut self, record: &Bytes, at: &mut usize, count: usize) -> Option<()> {
        for _ in 0..count.min(MAX_SETS) {
            let &length = record.get(*at..)?.first_chunk()?;
            let from = *at + 2;
            let to = from + usize::from(u16::from_be_bytes(length));
            record.get(from..to)?;
            self.update(&record.slice(from..to));
            *at = to;
        }
        Some(())
    }

    /// What a decoder may be asked for: the pictures of every set in force.
    pub fn coded(&self) -> impl Iterator<Item = CodedPictures> {
        self.sps.iter().filter_map(|nal| Sps::read(nal)?.coded())
    }

    /// Takes over a set: it replaces the one of its id. False if that changed nothing.
    ///
    /// One that cannot be read is none: no decoder gets a set of which nobody knows what it costs.
    pub fn update(&mut self, nal: &Bytes) -> bool {
        let held: usize = self.sps.iter().chain(&self.pps).map(Bytes::len).sum();
        let nal = &nal.slice(..without_trailing_zeros(up_to_start_code(nal)).len());
        let Some(kind) = nal.first().map(|header| header & 0x1F) else { return false };
        let (sets, id): (_, fn(&[u8]) -> Option<u32>) = match kind {
            nal::SPS => (&mut self.sps, sps_id),
            nal::PPS => (&mut self.pps, pps_id),
            _ => return false,
        };
        let Some(new) = id(nal).filter(|_| nal.len() <= MAX_SET_BYTES) else { return false };
        if kind == nal::SPS && Sps::read(nal).is_none() {
            return false;
        }
        let room = |instead: usize| held - instead + nal.len() <= MAX_BYTES;
        let another = sets.len() < MAX_SETS && room(0);
        match sets.iter_mut().find(|set| id(set) == Some(new)) {
            Some(known) if known == nal || !room(known.len()) => false,
            Some(known) => {
                // A copy: the set must not keep a whole picture's bytes alive.
                *known = Bytes::copy_from_slice(nal);
                true
            }
            None if another => {
                sets.push(Bytes::copy_from_slice(nal));
                true
            }
            None => false,
        }
    }

    /// Takes over a set that came in a picture. An SPS of an id not known before begins anew: its
    /// encoder was set up afresh, and what was in force is not any longer.
    pub fn supersede(&mut self, nal: &Bytes) -> bool {
        let is_sps = nal.first().is_some_and(|header| header & 0x1F == nal::SPS);
        if is_sps
            && let Some(Sps { id: new, .. }) = Sps::read(nal)
            && self.sps.iter().all(|known| sps_id(known) != Some(new))
        {
            *self = Self::default();
        }
        self.update(nal)
    }

    /// Works out what decoders and files need. `None` while there is no SPS that can be read, or
    /// no PPS.
    #[must_use]
    pub fn parameters(&self) -> Option<CodecParameters> {
        let first = self.sps.first()?;
        let sps = Sps::read(first)?;
        if self.pps.is_empty() {
            return None;
        }
        let rewritten: Vec<Option<Bytes>> =
            self.sps.iter().map(|nal| without_reordering(nal)).collect();
        // Encoders that declare reordering do reorder; those that say nothing may not.
        let undeclared = sps.reorder_frames.is_none() && rewritten.iter().any(Option::is_some);
        let low_delay_sets = undeclared.then(|| {
            let sps = self.sps.iter().zip(rewritten);
            let sps = sps.map(|(nal, new)| new.unwrap_or_else(|| nal.clone()));
            sps.chain(self.pps.iter().cloned()).collect()
        });
        Some(CodecParameters {
            codec: Codec::H264,
            width: sps.width,
            height: sps.height,
            config: self.record(&sps),
            parameter_sets: self.sps.iter().chain(&self.pps).cloned().collect(),
            low_delay_sets,
            reorder_frames: sps.promised_reorder().and_then(|count| u8::try_from(count).ok()),
            mime_codec: {
                let [profile, constraints, level] = sps.profile;
                format!("avc1.{profile:02x}{constraints:02x}{level:02x}")
            },
        })
    }

    /// Builds an `avcC` record with NAL unit lengths of 4 bytes.
    fn record(&self, sps: &Sps) -> Bytes {
        let [profile, constraints, level] = sps.profile;
        let mut out = vec![1, profile, constraints, level, 0xFF];
        write_sets(&mut out, 0xE0, &self.sps);
        write_sets(&mut out, 0, &self.pps);
        if matches!(profile, 100 | 110 | 122 | 144 | 244) {
            let low = |value: u32, mask: u8| value.to_le_bytes()[0] & mask;
            out.push(0xFC | low(sps.chroma_format, 3));
            out.push(0xF8 | low(sps.luma_bits - 8, 7));
            out.push(0xF8 | low(sps.chroma_bits - 8, 7));
            out.push(0); // no SPS extensions
        }
        out.into()
    }
}

fn write_sets(out: &mut Vec<u8>, count_mark: u8, sets: &[Bytes]) {
    let kept = sets.get(..sets.len().min(31)).unwrap_or_default();
    out.push(count_mark | u8::try_from(kept.len()).unwrap_or(0));
    for set in kept {
        out.extend_from_slice(&u16::try_from(set.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(set);
    }
}

/// The id of a sequence parameter set, by its first bytes: a picture may bring many, and each is looked for
/// among all that are known.
fn sps_id(nal: &[u8]) -> Option<u32> {
    let payload = unescape(nal.get(1..)?, 16);
    let mut bits = BitReader::new(&payload);
    bits.skip(24)?;
    bits.unsigned().filter(|&id| id < 32)
}

fn pps_id(nal: &[u8]) -> Option<u32> {
    let payload = unescape(nal.get(1..)?, 16);
    BitReader::new(&payload).unsigned().filter(|&id| id < 256)
}

/// True for a slice that a picture begins with: its first macroblock is the picture's (7.4.3).
#[must_use]
pub fn begins_picture(nal: &[u8]) -> bool {
    // Exp-Golomb's zero is one bit; and where it cannot be read it begins whatever it is.
    nal.get(1).is_none_or(|byte| byte & 0x80 != 0)
}

/// Returns `first_mb_in_slice` of a slice with its NAL header (7.3.3).
#[must_use]
pub fn first_macroblock(nal: &[u8]) -> Option<u32> {
    let payload = unescape(nal.get(1..)?, 12);
    BitReader::new(&payload).unsigned()
}

/// Returns `slice_type` modulo 5 of a slice with its NAL header (7.3.3): 0 P, 1 B, 2 I, 3 SP, 4 SI.
#[must_use]
pub fn slice_type(nal: &[u8]) -> Option<u32> {
    let payload = unescape(nal.get(1..)?, 12);
    let mut bits = BitReader::new(&payload);
    bits.unsigned()?; // first_mb_in_slice
    bits.unsigned().filter(|&kind| kind < 10).map(|kind| kind % 5)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// x264 core 164, 1280x720, High, no B-frames: promises no reordering.
    const HIGH: &str = "6764001facb200a00b760220000003002000000781e30649";
    /// The same with two B-frames.
    const REORDERED: &str = "6764001facd9405005bb0110000003001000000303c0f1831960";
    /// openh264 2.3, 176x144, Baseline.
    const BASELINE: &str = "6742c00b8c8d41626403c2211a80";
    /// x264, 320x240, interlaced.
    const INTERLACED: &str = "67640015ace405043f2e0220000003002000000783e28549";

    fn hex(text: &str) -> Bytes {
        (0..text.len() / 2)
            .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
            .collect()
    }

    /// h264-reader is the independent witness of every field that both read.
    fn witness(nal: &[u8]) -> Option<(u32, u32, Option<u32>, Option<u32>)> {
        use h264_reader::nal::sps::SeqParameterSet;
        use h264_reader::rbsp::{BitReader, ByteReader};
        let bits = BitReader::new(ByteReader::skipping_h264_header(nal));
        let sps = SeqParameterSet::from_bits(bits).ok()?;
        let (width, height) = sps.pixel_dimensions().ok()?;
        let limits = sps.vui_parameters.and_then(|vui| vui.bitstream_restrictions);
        let reorder = limits.as_ref().map(|limits| limits.max_num_reorder_frames);
        Some((width, height, reorder, limits.map(|limits| limits.max_dec_frame_buffering)))
    }

    /// The set as an encoder would write it that says nothing of reordering: without its VUI.
    fn without_vui(text: &str) -> Bytes {
        let nal = hex(text);
        let payload = unescape(&nal[1..], MAX_SET_BYTES);
        let mut to = BitWriter::default();
        to.copy(&mut BitReader::new(&payload), Sps::read(&nal).unwrap().restriction_at.0);
        to.flag(false);
        [&nal[..1], &escape(&to.finish())].concat().into()
    }

    #[test]
    fn sizes_and_reordering_agree_with_the_witness() {
        let rows = [
            (HIGH, (1280, 720, Some(0))),
            (REORDERED, (1280, 720, Some(2))),
            (BASELINE, (176, 144, Some(0))),
            (INTERLACED, (320, 240, Some(0))),
        ];
        for (text, expected) in rows {
            let nal = hex(text);
            let ours = Sps::read(&nal).unwrap();
            assert_eq!((ours.width, ours.height, ours.promised_reorder()), expected, "{text}");
            let theirs = witness(&nal).unwrap();
            let ours = (ours.width, ours.height, ours.reorder_frames, ours.buffered_frames);
            assert_eq!(ours, theirs);
        }
        assert_eq!(Sps::read(&without_vui(INTERLACED)).unwrap().promised_reorder(), None);
    }

    /// A set of a High profile, bit by bit.
    fn crafted(
        profile: [u8; 3],
        head: &[u32],
        references: u32,
        size: (u32, u32),
        crop: u32,
    ) -> Bytes {
        let mut to = BitWriter::default();
        profile.into_iter().for_each(|byte| to.bits(byte.into(), 8));
        to.unsigned(0); // id
        head.iter().for_each(|&value| to.unsigned(value));
        if !head.is_empty() {
            to.bits(0, 2); // transform bypass, scaling matrix
        }
        to.unsigned(0);
        to.unsigned(2); // pic_order_cnt_type
        to.unsigned(references);
        to.flag(false);
        to.unsigned(size.0 - 1);
        to.unsigned(size.1 - 1);
        to.flag(true); // frames only
        to.flag(true);
        to.flag(crop > 0);
        if crop > 0 {
            [0, crop, 0, crop].into_iter().for_each(|edge| to.unsigned(edge));
        }
        to.flag(false); // VUI
        [&[0x67][..], &escape(&to.finish())].concat().into()
    }

    #[test]
    fn what_a_decoder_keeps_is_read_before_cropping() {
        let told = |nal: &[u8]| {
            let coded = Sps::read(nal).unwrap().coded().unwrap();
            let size = format!("{}x{}", coded.width, coded.height);
            (size, coded.chroma.to_string(), coded.luma_bits, coded.kept)
        };
        let row =
            |size: &str, chroma: &str, bits, kept| (size.to_owned(), chroma.to_owned(), bits, kept);
        let high444 = [244, 0, 62];
        for (nal, expected) in [
            (hex(HIGH), row("1280x720", "4:2:0", 8, 3)),
            (hex(REORDERED), row("1280x720", "4:2:0", 8, 4 + 2)),
            (hex(BASELINE), row("176x144", "4:2:0", 8, 1)),
            // Fields: 15 pairs of macroblock rows.
            (hex(INTERLACED), row("320x256", "4:2:0", 8, 3)),
            // Level 2.1 keeps 4,752 macroblocks: 15 pictures of 20 × 15.
            (without_vui(INTERLACED), row("320x256", "4:2:0", 8, 14 + 14)),
            // 10,000 × 10,000, shown as 9,600 × 9,600.
            (crafted(high444, &[1, 0, 0], 1, (625, 625), 100), row("10000x10000", "4:2:0", 8, 1)),
            (
                crafted([244, 0, 10], &[1, 2, 2], 16, (512, 270), 0),
                row("8192x4320", "4:2:0", 10, 16),
            ),
        ] {
            assert_eq!(told(&nal), expected);
        }
    }

    #[test]
    fn an_id_is_the_same_by_the_first_bytes_and_by_all() {
        for text in [HIGH, REORDERED, BASELINE, INTERLACED] {
            let nal = hex(text);
            assert_eq!(sps_id(&nal), Sps::read(&nal).map(|sps| sps.id), "{text}");
        }
        // 66, flags, level, then 31 as 000001 00000.
        assert_eq!(sps_id(b"\x67\x42\xc0\x1e\x04\x00\x80"), Some(31));
        assert_eq!(sps_id(b"\x67\x42\xc0\x1e\x04\x20\x80"), None, "32 is none");
    }

    #[test]
    fn what_decoders_read_in_two_ways_is_no_set() {
        let of = |profile| Sps::read(&crafted([profile, 0, 40], &[1, 0, 0], 1, (20, 15), 0));
        assert!(of(244).is_some());
        for profile in [134, 135, 139, 144] {
            assert_eq!(of(profile), None, "{profile}");
        }
        // A set of another kind that stands where SPSs are listed, and one with another behind it.
        let mut subset = hex(HIGH).to_vec();
        subset[0] = 0x6F;
        let behind =
            [&hex(HIGH)[..], &[0, 0, 1], &crafted([244, 0, 62], &[1, 0, 0], 1, (512, 270), 0)]
                .concat();
        let record = |set: &[u8]| {
            let mut record = vec![1, 100, 0, 31, 0xFF];
            write_sets(&mut record, 0xE0, &[Bytes::copy_from_slice(set)]);
            write_sets(&mut record, 0, &[Bytes::from_static(b"\x68\xeb")]);
            ParameterSets::from_record(&record.into()).unwrap().0
        };
        assert_eq!(record(&subset).sps, Vec::<Bytes>::new());
        assert_eq!(record(&behind).sps, [hex(HIGH)]);
    }

    #[test]
    fn sets_in_force_are_few_bytes_whatever_is_sent() {
        let mut sets = ParameterSets::default();
        let long = |id: u32, bytes: usize| {
            let mut bits = BitWriter::default();
            bits.unsigned(id);
            bits.flag(true);
            let mut nal = vec![0x68];
            nal.extend(bits.finish());
            nal.resize(bytes, 0xAA);
            Bytes::from(nal)
        };
        assert!(sets.update(&long(3, 100)));
        assert!(!sets.update(&long(3, MAX_SET_BYTES + 1)), "nor one that replaces another");
        let taken = (0..24).filter(|id| sets.update(&long(*id, MAX_SET_BYTES))).count();
        assert_eq!(taken, MAX_BYTES / MAX_SET_BYTES);
        assert!(!sets.update(&hex(HIGH)), "there is no room for another");
        assert!(sets.update(&long(0, 100)) && sets.update(&hex(HIGH)), "now there is");
    }

    #[test]
    fn every_set_in_force_is_told() {
        let mut sets = ParameterSets::default();
        let mut second = crafted([244, 0, 62], &[1, 0, 0], 1, (512, 270), 0).to_vec();
        second[4] = 0b0101_0010; // id 1 shifts all that follows: read as whatever it says then
        sets.update(&hex(HIGH));
        sets.update(&Bytes::from_static(b"\x68\xeb"));
        let one = sets.coded().count();
        sets.update(&second.into());
        assert_eq!((one, sets.coded().count()), (1, sets.sps.len()));
    }

    #[test]
    fn a_rewritten_set_promises_no_reordering_and_keeps_the_rest() {
        let sets =
            [hex(REORDERED), without_vui(HIGH), without_vui(BASELINE), without_vui(INTERLACED)];
        for nal in sets {
            let before = Sps::read(&nal).unwrap();
            let new = without_reordering(&nal).unwrap();
            let after = Sps::read(&new).unwrap();
            assert_eq!(after.reorder_frames, Some(0));
            assert_eq!(
                (after.width, after.height, after.id),
                (before.width, before.height, before.id)
            );
            let (width, height, reorder, buffering) = witness(&new).unwrap();
            assert_eq!((width, height), (before.width, before.height));
            assert_eq!((reorder, buffering), (Some(0), Some(before.reference_frames)));
            assert_eq!(without_reordering(&new), None, "nothing is left to rewrite");
        }
        assert_eq!(without_reordering(&hex(HIGH)), None);
    }

    #[test]
    fn sets_that_differ_in_what_no_decoder_looks_at_are_one() {
        for set in [HIGH, REORDERED, INTERLACED] {
            let set = hex(set);
            let cut = looked_at(&set);
            let (vui_at, _) = Sps::read(&set).unwrap().restriction_at;
            let payload = unescape(&set[1..], MAX_SET_BYTES);
            let turned = |at: usize| {
                let mut payload = payload.clone();
                payload[at / 8] ^= 0x80 >> (at % 8);
                [&set[..1], &escape(&payload)].concat()
            };
            let same: Vec<_> =
                (0..payload.len() * 8).filter(|&at| looked_at(&turned(at)) == cut).collect();
            let before: Vec<_> = same.iter().copied().filter(|&at| at < vui_at).collect();
            assert_eq!(before, (8..24).collect::<Vec<_>>(), "constraint flags and level alone");
            assert!(same.len() - before.len() >= TIMING_BITS, "{same:?}");
        }
        // A VUI that says nothing is as good as none.
        let plain = without_vui(HIGH);
        let (vui_at, _) = Sps::read(&plain).unwrap().restriction_at;
        let payload = unescape(&plain[1..], MAX_SET_BYTES);
        let mut to = BitWriter::default();
        to.copy(&mut BitReader::new(&payload), vui_at);
        to.flag(true);
        to.bits(0, 9);
        let says_nothing = [&plain[..1], &escape(&to.finish())].concat();
        assert!(Sps::read(&says_nothing).is_some());
        assert_eq!(looked_at(&says_nothing), looked_at(&plain));
    }

    #[test]
    fn the_rate_that_a_set_declares_is_read() {
        let rates = [HIGH, REORDERED, BASELINE].map(|set| declared_rate(&hex(set)));
        assert_eq!(rates[2], None);
        assert!(rates[..2].iter().flatten().all(|rate| (10.0..=60.0).contains(rate)), "{rates:?}");
        assert!(rates[0].is_some());
    }

    #[test]
    fn only_streams_that_do_not_say_get_low_delay_sets() {
        let pps = vec![Bytes::from_static(b"\x68\xeb")];
        let parameters =
            |sps| ParameterSets { sps: vec![sps], pps: pps.clone() }.parameters().unwrap();
        assert!(parameters(without_vui(HIGH)).low_delay_sets.is_some_and(|sets| sets.len() == 2));
        assert_eq!(parameters(hex(HIGH)).low_delay_sets, None);
        assert_eq!(parameters(hex(REORDERED)).low_delay_sets, None);
    }

    #[test]
    fn a_set_in_a_picture_replaces_the_one_of_its_id() {
        let mut sets =
            ParameterSets { sps: vec![hex(HIGH)], pps: vec![Bytes::from_static(b"\x68\xeb")] };
        assert!(!sets.update(&hex(HIGH)));
        assert!(!sets.update(&Bytes::from_static(b"\x68\xeb")));
        assert!(sets.update(&Bytes::from_static(b"\x68\xec")), "same id, other content");
        assert_eq!(sets.pps.len(), 1);
        assert!(sets.update(&Bytes::from_static(b"\x68\x5c")), "another id");
        assert_eq!(sets.pps.len(), 2);
        let parameters = sets.parameters().unwrap();
        assert_eq!(parameters.mime_codec, "avc1.64001f");
        let (read, length_size) = ParameterSets::from_record(&parameters.config).unwrap();
        assert_eq!((read, length_size), (sets, 4));
    }

    #[test]
    fn records_cut_anywhere_are_refused() {
        let sets =
            ParameterSets { sps: vec![hex(HIGH)], pps: vec![Bytes::from_static(b"\x68\xeb")] };
        let record = sets.parameters().unwrap().config;
        let whole = record.len() - 4; // without the fields of High
        for length in 0..whole {
            assert_eq!(ParameterSets::from_record(&record.slice(..length)), None, "{length}");
        }
        assert!(ParameterSets::from_record(&record.slice(..whole)).is_some());
    }

    #[test]
    fn slice_types_are_read() {
        // first_mb 0 (1), slice_type 5 (00110): P of a picture that is all P.
        assert_eq!(slice_type(&[0x41, 0b1001_1000]), Some(0));
        assert_eq!(slice_type(&[0x01, 0b1010_0000]), Some(1));
        assert_eq!(slice_type(&[0x65, 0b1000_1000, 0]), Some(2));
        assert_eq!(slice_type(&[0x65]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let bytes = Bytes::from(bytes);
            drop(without_reordering(&bytes));
            let _ = slice_type(&bytes);
            if let Some((mut sets, _)) = ParameterSets::from_record(&bytes) {
                sets.update(&bytes);
                drop(sets.parameters());
            }
        }

        #[test]
        fn damaged_sets_are_read_or_refused(at in 0_usize..24, with: u8) {
            let mut nal = hex(HIGH).to_vec();
            nal[at] = with;
            if let Some(new) = without_reordering(&nal) {
                prop_assert_eq!(Sps::read(&new).map(|sps| sps.reorder_frames), Some(Some(0)));
            }
        }
    }
}
