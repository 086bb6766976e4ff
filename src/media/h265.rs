//! H.265: parameter sets, the `hvcC` record, what a picture says of itself (ITU-T H.265,
//! ISO/IEC 14496-15 8.3).

use bytes::Bytes;

use crate::media::bits::{BitReader, unescape, up_to_start_code, without_trailing_zeros};
use crate::media::coded::{ChromaFormat, CodedPictures};
use crate::media::references::{self, References};
use crate::media::unit::{Codec, CodecParameters};

/// NAL unit types that matter here.
pub mod nal {
    #![expect(missing_docs, reason = "the standard's names")]
    pub const IRAP_FIRST: u8 = 16;
    pub const IRAP_LAST: u8 = 21;
    pub const VCL_LAST: u8 = 31;
    pub const VPS: u8 = 32;
    pub const SPS: u8 = 33;
    pub const PPS: u8 = 34;
    pub const PREFIX_SEI: u8 = 39;
    pub const SUFFIX_SEI: u8 = 40;
}

/// Parameter sets of one kind; ids end at 15, 15 and 63.
const MAX_SETS: usize = 64;
/// Bytes of a parameter set that we read.
const MAX_SET_BYTES: usize = 4096;
/// Bytes of all sets in force. Units hold those that they came with, and real streams have some hundreds.
const MAX_BYTES: usize = 32 << 10;
/// Pictures that a decoder may ever have to keep (A.4.2: MaxDpbSize).
const MAX_DPB_PICTURES: u32 = 16;

/// True where a NAL unit is of the base layer, the only one that is decoded (7.4.2.2).
#[must_use]
pub fn is_base_layer(nal: &[u8]) -> bool {
    nal.first_chunk::<2>().is_some_and(|[first, second]| first & 1 == 0 && second >> 3 == 0)
}

/// Returns the type of a NAL unit.
#[must_use]
pub fn nal_type(nal: &[u8]) -> Option<u8> {
    nal.first().map(|header| header >> 1 & 0x3F)
}

/// What we read from a sequence parameter set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sps {
    /// Profile space, tier, profile; compatibility; constraints; level: 12 bytes as `hvcC` has them.
    pub profile: [u8; 12],
    /// Temporal layers.
    pub temporal_layers: u32,
    /// `sps_temporal_id_nesting_flag`.
    pub nested: bool,
    /// `sps_seq_parameter_set_id`.
    pub id: u32,
    /// `chroma_format_idc`.
    pub chroma_format: u32,
    /// `separate_colour_plane_flag`.
    pub separate_planes: bool,
    /// Bits of a luma sample.
    pub luma_bits: u32,
    /// Bits of a chroma sample.
    pub chroma_bits: u32,
    /// Width after cropping, pixels.
    pub width: u32,
    /// Height after cropping, pixels.
    pub height: u32,
    /// Width and height before cropping, pixels.
    pub coded_size: (u32, u32),
    /// `sps_max_num_reorder_pics` of the highest layer.
    pub reorder_frames: u32,
    /// Pictures of the decoder's buffer: `sps_max_dec_pic_buffering_minus1` + 1 of the layer that
    /// wants most.
    pub buffered_frames: u32,
    /// Side of the smallest coding block, pixels: 8 if the set is cut before it.
    pub least_block: u32,
    /// Bits of a picture's place in the order of output.
    order_bits: u32,
    /// Bit of the payload behind the side of the smallest coding block.
    blocks_end: usize,
}

impl Sps {
    /// Reads a sequence parameter set with its NAL header (7.3.2.2.1). `None` if it is damaged, or
    /// describes no picture of at most 16,384 pixels a side.
    #[must_use]
    pub fn read(nal: &[u8]) -> Option<Self> {
        const MAX_SIDE: u32 = 16_384;
        let payload = unescape(nal.get(2..)?, MAX_SET_BYTES);
        let mut bits = BitReader::new(&payload);
        bits.skip(4)?;
        let sub_layers = bits.bits(3).filter(|&more| more < 7)?;
        let nested = bits.flag()?;
        let &profile = payload.get(1..)?.first_chunk()?;
        bits.skip(96)?;
        skip_sub_layers(&mut bits, sub_layers)?;
        let id = bits.unsigned().filter(|&id| id < 16)?;
        let chroma_format = bits.unsigned().filter(|&format| format < 4)?;
        let separate = chroma_format == 3 && bits.flag()?;
        let width = bits.unsigned().filter(|&width| width <= MAX_SIDE)?;
        let height = bits.unsigned().filter(|&height| height <= MAX_SIDE)?;
        let coded_size = (width, height);
        let mut crop = [0; 4];
        if bits.flag()? {
            for edge in &mut crop {
                *edge = bits.unsigned().filter(|&edge| edge < MAX_SIDE)?;
            }
        }
        let (across, down) = match (chroma_format, separate) {
            (1, _) => (2, 2),
            (2, _) => (2, 1),
            _ => (1, 1),
        };
        let width = width.checked_sub(across * (crop[0] + crop[1])).filter(|&width| width > 0)?;
        let height = height.checked_sub(down * (crop[2] + crop[3])).filter(|&height| height > 0)?;
        let luma_bits = 8 + bits.unsigned().filter(|&more| more <= 8)?;
        let chroma_bits = 8 + bits.unsigned().filter(|&more| more <= 8)?;
        let order_bits = bits.unsigned()?.saturating_add(4);
        let layers = if bits.flag()? { sub_layers + 1 } else { 1 };
        let (mut reorder_frames, mut buffered_frames) = (0, 0);
        for _ in 0..layers {
            let buffered = bits.unsigned().filter(|&count| count < MAX_DPB_PICTURES)? + 1;
            reorder_frames = bits.unsigned().filter(|&count| count <= MAX_DPB_PICTURES)?;
            buffered_frames = buffered.max(reorder_frames + 1).max(buffered_frames);
            bits.unsigned()?;
        }
        let least_block = bits.unsigned().filter(|&more| more <= 3).map_or(8, |more| 8 << more);
        Some(Self {
            profile,
            temporal_layers: sub_layers + 1,
            nested,
            id,
            chroma_format,
            separate_planes: separate,
            luma_bits,
            chroma_bits,
            width,
            height,
            coded_size,
            reorder_frames,
            buffered_frames,
            least_block,
            order_bits,
            blocks_end: bits.position(),
        })
    }

    /// Its sets of references, read on in `nal`, from which it was read. `None` if that is damaged.
    pub(crate) fn references(&self, nal: &[u8]) -> Option<References> {
        References::read(nal, self.blocks_end, self.order_bits, self.separate_planes)
    }

    /// What a decoder of it keeps.
    #[must_use]
    pub fn coded(&self) -> Option<CodedPictures> {
        let (width, height) = self.coded_size;
        Some(CodedPictures {
            codec: Codec::H265,
            width: width.next_multiple_of(self.least_block),
            height: height.next_multiple_of(self.least_block),
            chroma: ChromaFormat::of(self.chroma_format)?,
            separate_planes: self.separate_planes,
            luma_bits: self.luma_bits,
            chroma_bits: self.chroma_bits,
            // What waits for its turn is among them (C.5.2.2).
            kept: self.buffered_frames,
            // A coding block may be predicted in quarters (7.4.9.5).
            motion_side: self.least_block / 2,
        })
    }
}

/// The rest of `profile_tier_level` (7.3.3).
fn skip_sub_layers(bits: &mut BitReader<'_>, sub_layers: u32) -> Option<()> {
    if sub_layers == 0 {
        return Some(());
    }
    let mut present = Vec::new();
    for layer in 0..8 {
        let (profile, level) = (bits.flag()?, bits.flag()?);
        if layer < sub_layers {
            present.push((profile, level));
        }
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Some(())
}

/// Returns what decoders look at of a parameter set, without its level: sets that decode alike are equal then. Of a
/// sequence parameter set that is all but the constraint flags (7.4.4: they say which decoders may try); of a video
/// parameter set its id, since what is decoded of the base layer stands in the others. A set that cannot be read,
/// and any other, comes back as it is, without the temporal layer of its header and without zeros behind it.
#[must_use]
pub fn looked_at(nal: &[u8]) -> Vec<u8> {
    let cut = || match nal_type(nal)? {
        nal::VPS => Some(vec![nal::VPS << 1, nal.get(2)? & 0xF0]),
        nal::SPS => {
            Sps::read(nal)?;
            let mut payload = unescape(without_trailing_zeros(nal).get(2..)?, MAX_SET_BYTES);
            payload.get_mut(6..13)?.fill(0);
            Some([&[nal::SPS << 1, 1][..], &payload].concat())
        }
        _ => None,
    };
    let as_it_is = || match without_trailing_zeros(nal).split_first_chunk::<2>() {
        Some(([first, second], rest)) => [&[first & 0x7F, second | 7][..], rest].concat(),
        None => nal.to_vec(),
    };
    cut().unwrap_or_else(as_it_is)
}

/// Returns `general_level_idc` of a sequence parameter set; 0 of anything else.
#[must_use]
pub fn level(nal: &[u8]) -> u8 {
    let is_sps = nal_type(nal) == Some(nal::SPS);
    Sps::read(nal).filter(|_| is_sps).map_or(0, |sps| sps.profile[11])
}

/// The parameter sets in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterSets {
    /// Video parameter sets, in order of appearance.
    pub vps: Vec<Bytes>,
    /// Sequence parameter sets.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets.
    pub pps: Vec<Bytes>,
}

impl ParameterSets {
    /// Reads an `hvcC` record (ISO/IEC 14496-15 8.3.3.1.2): the sets, and the size of a NAL unit's
    /// length. `None` if it is cut. A record may hold no sets: then they come in the pictures.
    #[must_use]
    pub fn from_record(record: &Bytes) -> Option<(Self, usize)> {
        const FIXED: usize = 23;
        let fixed = record.first_chunk::<FIXED>()?;
        // Version 0 was written by encoders before the standard was final.
        if fixed[0] > 1 {
            return None;
        }
        let length_size = usize::from(fixed[21] & 3) + 1;
        let mut found = Self::default();
        let mut at = FIXED;
        for _ in 0..fixed[22] {
            let &[_, high, low] = record.get(at..)?.first_chunk()?;
            at += 3;
            for _ in 0..u16::from_be_bytes([high, low]) {
                let &length = record.get(at..)?.first_chunk()?;
                let length = usize::from(u16::from_be_bytes(length));
                let set = Bytes::copy_from_slice(record.get(at + 2..at + 2 + length)?);
                at += 2 + length;
                found.update(&set);
            }
        }
        (length_size != 3).then_some((found, length_size))
    }

    /// Takes over a set: it replaces the one of its id. False if that changed nothing.
    ///
    /// One that cannot be read is none, and so is one of another layer: no decoder gets a set of which
    /// nobody knows what it costs.
    pub fn update(&mut self, nal: &Bytes) -> bool {
        if !is_base_layer(nal) {
            return false;
        }
        let held: usize = self.vps.iter().chain(&self.sps).chain(&self.pps).map(Bytes::len).sum();
        let nal = &nal.slice(..without_trailing_zeros(up_to_start_code(nal)).len());
        let (sets, id): (_, fn(&[u8]) -> Option<u32>) = match nal_type(nal) {
            Some(nal::VPS) => (&mut self.vps, vps_id),
            Some(nal::SPS) => (&mut self.sps, sps_id),
            Some(nal::PPS) => (&mut self.pps, |nal| Pps::read(nal).map(|pps| pps.id)),
            _ => return false,
        };
        let Some(new) = id(nal).filter(|_| nal.len() <= MAX_SET_BYTES) else { return false };
        if nal_type(nal) == Some(nal::SPS) && Sps::read(nal).is_none() {
            return false;
        }
        let room = |instead: usize| held - instead + nal.len() <= MAX_BYTES;
        let another = sets.len() < MAX_SETS && room(0);
        match sets.iter_mut().find(|set| id(set) == Some(new)) {
            Some(known) if known == nal || !room(known.len()) => false,
            Some(known) => {
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
        if nal_type(nal) == Some(nal::SPS)
            && is_base_layer(nal)
            && let Some(Sps { id: new, .. }) = Sps::read(nal)
            && self.sps.iter().all(|known| sps_id(known) != Some(new))
        {
            self.sps.clear();
            self.pps.clear();
        }
        self.update(nal)
    }

    /// What a decoder may be asked for: the pictures of every set in force, as many as it promises or
    /// as its own sets of references name. `naming` says what pictures name beyond.
    pub fn coded(&self) -> impl Iterator<Item = CodedPictures> {
        self.sps.iter().filter_map(|nal| {
            let sps = Sps::read(nal)?;
            let most = sps.references(nal).map_or(0, |references| references.most());
            Some(references::kept(sps.coded()?, sps.reorder_frames, most))
        })
    }

    /// Works out what decoders and files need. `None` while a VPS, an SPS or a PPS is missing.
    #[must_use]
    pub fn parameters(&self) -> Option<CodecParameters> {
        let sps = Sps::read(self.sps.first()?)?;
        if self.vps.is_empty() || self.pps.is_empty() {
            return None;
        }
        Some(CodecParameters {
            codec: Codec::H265,
            width: sps.width,
            height: sps.height,
            config: self.record(&sps),
            parameter_sets: self.vps.iter().chain(&self.sps).chain(&self.pps).cloned().collect(),
            low_delay_sets: None, // An H.265 SPS always says how far it reorders.
            reorder_frames: u8::try_from(sps.reorder_frames).ok(),
            mime_codec: mime(&sps),
        })
    }

    /// Builds an `hvcC` record with NAL unit lengths of 4 bytes.
    fn record(&self, sps: &Sps) -> Bytes {
        let low = |value: u32, mask: u8| value.to_le_bytes()[0] & mask;
        let mut out = vec![1];
        out.extend_from_slice(&sps.profile);
        out.extend_from_slice(&[0xF0, 0]); // spatial segmentation unknown
        out.push(0xFC); // parallelism unknown
        out.push(0xFC | low(sps.chroma_format, 3));
        out.push(0xF8 | low(sps.luma_bits - 8, 7));
        out.push(0xF8 | low(sps.chroma_bits - 8, 7));
        out.extend_from_slice(&[0, 0]); // frame rate unknown
        out.push(low(sps.temporal_layers, 7) << 3 | u8::from(sps.nested) << 2 | 3);
        out.push(3);
        for (kind, sets) in [(nal::VPS, &self.vps), (nal::SPS, &self.sps), (nal::PPS, &self.pps)] {
            out.push(0x80 | kind); // complete: none of them stands in the pictures
            out.extend_from_slice(&u16::try_from(sets.len()).unwrap_or(0).to_be_bytes());
            for set in sets {
                out.extend_from_slice(&u16::try_from(set.len()).unwrap_or(0).to_be_bytes());
                out.extend_from_slice(set);
            }
        }
        out.into()
    }

    /// True if a first slice is bidirectionally predicted, and the stream reorders: encoders of low
    /// delay write "B" slices that look backwards only.
    #[must_use]
    pub fn is_reordered_b(&self, slice: &[u8]) -> bool {
        let reorders = || {
            let sps = self.sps.first().and_then(|nal| Sps::read(nal));
            sps.is_some_and(|sps| sps.reorder_frames > 0)
        };
        slice_type(slice, &self.pps) == Some(0) && reorders()
    }
}

/// RFC 6381 name (ISO/IEC 14496-15 E.3).
fn mime(sps: &Sps) -> String {
    let [head, a, b, c, d, constraints @ .., level] = sps.profile;
    let space = ["", "A", "B", "C"].get(usize::from(head >> 6)).copied().unwrap_or_default();
    let tier = if head & 0x20 == 0 { 'L' } else { 'H' };
    let compatible = u32::from_be_bytes([a, b, c, d]).reverse_bits();
    let mut name = format!("hvc1.{space}{}.{compatible:X}.{tier}{level}", head & 0x1F);
    let kept = constraints.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    for byte in constraints.iter().take(kept) {
        name.push_str(&format!(".{byte:X}"));
    }
    name
}

/// The id of a sequence parameter set, by its first bytes (7.3.2.2.1; seven sub-layers have 72 bytes of profiles):
/// a picture may bring many, and each is looked for among all that are known.
fn sps_id(nal: &[u8]) -> Option<u32> {
    let payload = unescape(nal.get(2..)?, 128);
    let mut bits = BitReader::new(&payload);
    bits.skip(4)?;
    let sub_layers = bits.bits(3).filter(|&more| more < 7)?;
    bits.skip(97)?; // temporal nesting, the general profile
    skip_sub_layers(&mut bits, sub_layers)?;
    bits.unsigned().filter(|&id| id < 16)
}

fn vps_id(nal: &[u8]) -> Option<u32> {
    nal.get(2).map(|byte| u32::from(byte >> 4))
}

/// The head of a picture parameter set (7.3.2.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pps {
    pub(crate) id: u32,
    /// `pps_seq_parameter_set_id`.
    pub(crate) sps: u32,
    /// `output_flag_present_flag`.
    pub(crate) says_output: bool,
    /// `num_extra_slice_header_bits`.
    pub(crate) extra_bits: usize,
}

impl Pps {
    pub(crate) fn read(nal: &[u8]) -> Option<Self> {
        let payload = unescape(nal.get(2..)?, 16);
        let mut bits = BitReader::new(&payload);
        let id = bits.unsigned().filter(|&id| id < 64)?;
        let sps = bits.unsigned()?;
        bits.skip(1)?; // dependent_slice_segments_enabled_flag
        let says_output = bits.flag()?;
        Some(Self { id, sps, says_output, extra_bits: bits.bits(3)? as usize })
    }
}

/// True for a slice segment that a picture begins with: `first_slice_segment_in_pic_flag` (7.4.7.1).
#[must_use]
pub fn begins_picture(nal: &[u8]) -> bool {
    nal.get(2).is_none_or(|byte| byte & 0x80 != 0)
}

/// Returns `slice_type` of a picture's first slice segment (7.3.6.1): 0 B, 1 P, 2 I.
#[must_use]
pub fn slice_type(nal: &[u8], pps: &[Bytes]) -> Option<u32> {
    let payload = unescape(nal.get(2..)?, 12);
    let mut bits = BitReader::new(&payload);
    if !bits.flag()? {
        return None;
    }
    if (nal::IRAP_FIRST..=23).contains(&nal_type(nal)?) {
        bits.skip(1)?;
    }
    let id = bits.unsigned()?;
    let pps = pps.iter().filter_map(|nal| Pps::read(nal)).find(|pps| pps.id == id)?;
    bits.skip(pps.extra_bits)?;
    bits.unsigned().filter(|&kind| kind < 3)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// x265 3.5, 64x48, `bframes=0`, and 1280x722, `bframes=3`: VPS, SPS, PPS.
    const LOW_DELAY: [&str; 3] = [
        "40010c01ffff01600000030090000003000003001e928090",
        "42010101600000030090000003000003001ea0208316592ae4caf0168080000003008000000c84",
        "4401c173d089",
    ];
    const REORDERED: [&str; 3] = [
        "40010c01ffff01600000030090000003000003005d959409",
        "42010101600000030090000003000003005da00280802d9f26595964932bc05a020000030002000003003210",
        "4401c172b46240",
    ];

    fn hex(text: &str) -> Bytes {
        (0..text.len() / 2)
            .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn an_id_is_the_same_by_the_first_bytes_and_by_all() {
        for [_, text, _] in [LOW_DELAY, REORDERED] {
            let nal = hex(text);
            assert_eq!(sps_id(&nal), Sps::read(&nal).map(|sps| sps.id), "{text}");
        }
    }

    #[test]
    fn a_name_is_made_of_profile_tier_level_and_constraints() {
        let mut sps = Sps {
            profile: [1, 0x60, 0, 0, 0, 0xB0, 0, 0, 0, 0, 0, 93],
            temporal_layers: 1,
            nested: true,
            id: 0,
            chroma_format: 1,
            luma_bits: 8,
            chroma_bits: 8,
            separate_planes: false,
            width: 1280,
            height: 720,
            coded_size: (1280, 720),
            reorder_frames: 0,
            buffered_frames: 1,
            least_block: 8,
            order_bits: 4,
            blocks_end: 0,
        };
        assert_eq!(mime(&sps), "hvc1.1.6.L93.B0");
        sps.profile[0] = 0x22;
        sps.profile[5] = 0;
        assert_eq!(mime(&sps), "hvc1.2.6.H93");
    }

    fn sets(texts: [&str; 3]) -> ParameterSets {
        let mut sets = ParameterSets::default();
        assert!(texts.iter().all(|text| sets.update(&hex(text))));
        sets
    }

    #[test]
    fn sets_of_a_real_encoder_are_read_and_written() {
        let rows = [
            (LOW_DELAY, (64, 48, Some(0)), "hvc1.1.6.L30.90"),
            (REORDERED, (1280, 722, Some(2)), "hvc1.1.6.L93.90"),
        ];
        for (texts, expected, mime) in rows {
            let sets = sets(texts);
            let known = sets.parameters().unwrap();
            assert_eq!((known.width, known.height, known.reorder_frames), expected);
            assert_eq!(known.mime_codec, mime);
            let (read, length_size) = ParameterSets::from_record(&known.config).unwrap();
            assert_eq!((read, length_size), (sets, 4));
            for length in 0..known.config.len() {
                assert_eq!(ParameterSets::from_record(&known.config.slice(..length)), None);
            }
        }
    }

    #[test]
    fn what_a_decoder_keeps_is_read_before_cropping() {
        for (texts, expected) in [(LOW_DELAY, (64, 48, 4, 4)), (REORDERED, (1280, 728, 5, 4))] {
            let coded = sets(texts).coded().next().unwrap();
            let found = (coded.width, coded.height, coded.kept, coded.motion_side);
            assert_eq!(found, expected);
            assert_eq!((coded.chroma, coded.luma_bits), (ChromaFormat::Yuv420, 8));
        }
    }

    #[test]
    fn sets_of_other_layers_and_what_stands_behind_a_set_are_left_out() {
        let mut tested = sets(LOW_DELAY);
        let other = {
            let mut other = hex(REORDERED[1]).to_vec();
            other[1] |= 0x08; // layer 1
            other
        };
        assert!(!tested.supersede(&other.into()));
        let behind = [&hex(LOW_DELAY[1])[..], &[0, 0, 0, 1], &hex(REORDERED[1])].concat();
        tested.supersede(&behind.into());
        assert_eq!(tested.coded().map(|coded| coded.width).collect::<Vec<_>>(), [64]);
    }

    #[test]
    fn an_sps_of_another_id_begins_anew() {
        let mut tested = sets(LOW_DELAY);
        assert!(!tested.supersede(&hex(LOW_DELAY[1])));
        assert!(tested.supersede(&hex(REORDERED[1])), "same id, other content");
        assert_eq!((tested.sps.len(), tested.pps.len()), (1, 1));
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let bytes = Bytes::from(bytes);
            let _ = Sps::read(&bytes);
            if let Some((mut sets, _)) = ParameterSets::from_record(&bytes) {
                sets.update(&bytes);
                drop(sets.parameters());
                let _ = sets.is_reordered_b(&bytes);
            }
        }
    }
}
