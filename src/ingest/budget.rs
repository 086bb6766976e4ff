//! What a publisher may cost, asked before anything is built for it (pure): memory of pictures.
//!
//! Ten kilobytes of a stream can declare pictures of gigabytes, so it is its parameter sets that are
//! asked for, not what came. Every set in force must fit: a picture may choose any of them.
//!
//! **How the estimate is made.** Luma samples before cropping, padded as decoders pad them, times the
//! planes of the chroma format, times one or two bytes; beside each picture what its motion takes
//! (libavcodec: 141 bytes a macroblock, 12 a smallest prediction block). So many of them: what the
//! parameter sets let the decoder keep, the one in work and a spare, and those that models and page
//! hold. Pictures that are no 4:2:0 of 8 bits are converted: then two more are between decoder and
//! converter, and what is held is 4:2:0 of 8 bits again.
//!
//! **How it stands to what is measured** (release build, libavcodec 59, growth of RSS at most, MB):
//!
//! | stream | measured | estimated |
//! | --- | --- | --- |
//! | H.264 1280×720, 1 reference | 15 | 38 |
//! | H.264 1920×1080, 4 references, B pictures | 46 | 95 |
//! | H.264 3840×2160, 16 references, a model that does not keep up | 503 | 530 |
//! | H.264 1920×1080 4:4:4 10 bit, 4 references, B pictures | 149 | 211 |
//! | H.265 1920×1080 4:4:4 10 bit | 185 | 188 |
//! | H.265 3840×2160 10 bit | 344 | 455 |
//!
//! Where models keep up with the stream they hold two or three pictures, not all that they may; that
//! is most of the difference.
//!
//! **What breaks its promises.** H.265 that names more references than its set lets the decoder keep makes
//! it keep them: they are counted (`media::naming`) and asked for again. What names no more, but
//! others each time that never came, makes libavcodec hold two times what was promised for a moment, and
//! its pool keeps them: never more than 32 (measured: 131 MiB at 1920×1080 with ten promised, where 114 were
//! counted). In H.264 references are bounded by `max_num_ref_frames`, gaps of frame numbers among them. One
//! that reorders farther than was counted fills its decoder up to eight units beyond that, is given no picture
//! and loses the decoder after two seconds (`decode/court`): up to six pictures more than were counted, where
//! models hold all that they may besides (measured: 63 MiB at 1920×1080, where 67 were counted).

use std::fmt;

use crate::ingest::flow::FlowLimits;
use crate::ingest::segments::SegmentLimits;
use crate::ingest::surfaces::{self, DeviceRoom};
use crate::media::references::MOST_KEPT;
use crate::media::{ChromaFormat, Codec, CodedPictures};

/// What a court's pictures may take where nothing is configured, bytes (chosen: 3840×2160 as encoders
/// send it, 10 bit too).
pub(crate) const USUAL_PICTURE_MEMORY: u64 = 576 << 20;
/// What all but pictures takes: program, models, page, outbox, index of the ring (measured: 91 MB with
/// one model and a hundred clips; the rest is for more of each).
const BASE: u64 = 256 << 20;
/// What a court takes beside its pictures: two hops of units of 32 MiB that share their bytes, a message
/// that is coming in, a fragment on its way to disk.
const BESIDE_PICTURES: u64 = 64 << 20;
/// No court has less, whatever the box has: 1920×1080 as most encoders send it.
const LEAST_PICTURE_MEMORY: u64 = 128 << 20;
/// Pictures that are held behind the decoder: one by the page, nine by the live model (its queue, and
/// the one it looks at), two by the finder.
const HELD: u64 = 12;
/// Pictures in the decoder beside those that it keeps: the one in work, and one on its way out.
const IN_WORK: u64 = 2;
/// Pictures between decoder and converter, where there is one (seen: `videoconvert` of 1.22).
const BEFORE_CONVERTER: u64 = 2;
/// Bits of a sample that we decode.
const MOST_BITS: u32 = 10;
/// libavcodec's `H264Picture`: vectors, references, types and quantizers of a macroblock, bytes.
const H264_MOTION: u64 = 141;
/// libavcodec's `MvField`, bytes.
const H265_MOTION: u64 = 12;
/// Tables of a decoder, and a picture of the page as JPEG: bytes a luma sample.
const TABLES: u64 = 2;
/// A decoder before its first picture: threads, pipeline (measured: 6 to 7 MB).
const DECODER: u64 = 8 << 20;
/// Sizes that are proposed to whoever sends too much.
const SIZES: [(u32, u32); 6] =
    [(7680, 4320), (3840, 2160), (2560, 1440), (1920, 1080), (1280, 720), (640, 360)];

/// What publishers may cost, as it is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Memory of pictures.
    pub memory: BoxMemory,
    /// How often recording may begin anew, a court.
    pub segments: SegmentLimits,
    /// How much it may send.
    pub flow: FlowLimits,
}

impl Default for Budget {
    fn default() -> Self {
        let memory = BoxMemory { limit: None, court: USUAL_PICTURE_MEMORY };
        Self { memory, segments: SegmentLimits::USUAL, flow: FlowLimits::USUAL }
    }
}

/// What the box has, and how it is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxMemory {
    /// Bytes that the process may have, if anybody says so.
    pub limit: Option<u64>,
    /// Bytes that a court's pictures may take at most.
    pub court: u64,
}

/// What one court's pictures may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Bytes.
    pub bytes: u64,
    /// True where it is what the box has, false where it is what is configured.
    pub of_box: bool,
    /// What their surfaces may take of a GPU, where they come to lie in one.
    pub(crate) device: Option<DeviceRoom>,
}

/// What the pictures of a stream take at most, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Of the box's memory.
    pub(crate) memory: u64,
    /// Of a GPU's; 0 where they come to lie in none.
    pub(crate) device: u64,
}

impl Needs {
    /// The larger of each.
    pub(crate) fn or(self, other: Self) -> Self {
        let (memory, device) = (self.memory.max(other.memory), self.device.max(other.device));
        Self { memory, device }
    }
}

impl BoxMemory {
    /// What each of `courts` may take, all at once.
    #[must_use]
    pub fn share(&self, courts: usize) -> Allowance {
        self.left(courts, 0, u64::try_from(courts).unwrap_or(u64::MAX).max(1))
    }

    /// What one of `courts` may take while the others take `others`: its share, if courts that came
    /// when there were fewer leave so much.
    #[must_use]
    pub fn allowed(&self, courts: usize, others: u64) -> Allowance {
        let (share, left) = (self.share(courts), self.left(courts, others, 1));
        if left.bytes < share.bytes { left } else { share }
    }

    fn left(&self, courts: usize, taken: u64, parts: u64) -> Allowance {
        let courts = u64::try_from(courts).unwrap_or(u64::MAX).max(1);
        let of_box = self.limit.map_or(u64::MAX, |limit| {
            let beside = BASE.saturating_add(courts.saturating_mul(BESIDE_PICTURES));
            let left = limit.saturating_sub(beside).saturating_sub(taken) / parts;
            left.max(LEAST_PICTURE_MEMORY)
        });
        let bytes = of_box.min(self.court);
        Allowance { bytes, of_box: of_box < self.court, device: None }
    }

    /// What to tell of a share that is too small for 1920×1080 as any encoder may send it.
    #[must_use]
    pub fn advice(&self, courts: usize) -> Option<String> {
        let full_hd = CodedPictures {
            codec: Codec::H264,
            width: 1920,
            height: 1088,
            chroma: ChromaFormat::Yuv420,
            separate_planes: false,
            luma_bits: 8,
            chroma_bits: 8,
            // Level 4.2 without a word of reordering.
            kept: 8,
            motion_side: 4,
        };
        let (share, needed) = (self.share(courts), memory(&full_hd));
        let all = BASE
            + (BESIDE_PICTURES + needed) * u64::try_from(courts).unwrap_or(u64::MAX).min(1 << 20);
        let short = self.limit.filter(|limit| *limit < all);
        let what_to_do = match short {
            Some(limit) => format!(
                "{courts} courts of 1920×1080 take up to {}, and this process may have {}: give it \
                 more (`MemoryMax` of the unit), or serve fewer courts here",
                Size(all),
                Size(limit)
            ),
            None if share.bytes < needed => format!(
                "`picture_memory_bytes` of {} is less than 1920×1080 may take ({}): raise it",
                Size(share.bytes),
                Size(needed)
            ),
            None => return None,
        };
        Some(format!("ingest: {what_to_do}"))
    }
}

/// Why pictures of a stream are not decoded here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PicturesRefused {
    /// They take more memory than the court has.
    TooLarge {
        /// Those that take most.
        pictures: CodedPictures,
        /// Bytes that they take.
        needed: u64,
        /// What the court has for them.
        allowed: Allowance,
    },
    /// They take more of the GPU's memory than is left of it.
    Device {
        /// Those that take most.
        pictures: CodedPictures,
        /// Bytes that they take.
        needed: u64,
        /// What is left of it, in words.
        left: String,
    },
    /// No decoder brings them to a form that we take.
    Format {
        /// Them.
        pictures: CodedPictures,
    },
}

impl fmt::Display for PicturesRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { pictures, needed, allowed } => {
                let what = Told(pictures);
                let count = count(pictures);
                let (needed, allowed_told) = (Size(*needed), Size(allowed.bytes));
                write!(f, "{what} needs {needed} for {count} pictures")?;
                write!(f, "; this court has {allowed_told}: set the encoder to ")?;
                match largest(pictures, allowed.bytes) {
                    Some((width, height)) => write!(f, "at most {width}×{height}")?,
                    None => write!(f, "a smaller picture, 4:2:0 and 8 bit")?,
                }
                if allowed.of_box {
                    write!(f, ", or give the box more memory or fewer courts")
                } else {
                    write!(f, ", or raise `picture_memory_bytes` of [ingest]")
                }
            }
            Self::Device { pictures, needed, left } => {
                let (needed, count) = (Size(*needed), surfaces::count(pictures));
                write!(f, "{} needs {needed} of the GPU's memory for {count} ", Told(pictures))?;
                write!(f, "surfaces; {left}: serve fewer courts here, end what else uses this ")?;
                write!(f, "GPU, or set the encoder to a smaller picture")
            }
            Self::Format { pictures } => {
                write!(f, "{} is not decoded: set the encoder to 4:2:0 and 8 bit", Told(pictures))
            }
        }
    }
}

impl std::error::Error for PicturesRefused {}

/// Says what the pictures of a stream with these sets take at most.
///
/// # Errors
/// [`PicturesRefused`], of the first set whose format is none of ours or the one that takes most, if
/// that is more than `allowed`, here or on the GPU.
pub(crate) fn ask(
    sets: impl IntoIterator<Item = CodedPictures>,
    allowed: Allowance,
) -> Result<Needs, PicturesRefused> {
    let mut most: Option<(u64, CodedPictures)> = None;
    let mut on_device = None;
    for pictures in sets {
        if !is_decoded(&pictures) {
            return Err(PicturesRefused::Format { pictures });
        }
        let needed = memory(&pictures);
        if most.is_none_or(|(known, _)| needed > known) {
            most = Some((needed, pictures));
        }
        let surfaces = allowed.device.map_or(0, |_| surfaces::memory(&pictures));
        if on_device.is_none_or(|(known, _)| surfaces > known) {
            on_device = Some((surfaces, pictures));
        }
    }
    let (memory, pictures) = most.unzip();
    if let (Some(needed), Some(pictures)) = (memory, pictures)
        && needed > allowed.bytes
    {
        return Err(PicturesRefused::TooLarge { pictures, needed, allowed });
    }
    if let (Some(room), Some((needed, pictures))) = (allowed.device, on_device)
        && needed > room.left()
    {
        let left = format!("{} MiB are left: {}", room.left() >> 20, room.told());
        return Err(PicturesRefused::Device { pictures, needed, left });
    }
    let device = on_device.map_or(0, |(needed, _)| needed);
    Ok(Needs { memory: memory.unwrap_or(0), device })
}

/// True where pictures of these sets may be had even if a decoder keeps as many as any ever does.
pub(crate) fn fits_at_most(
    sets: impl IntoIterator<Item = CodedPictures>,
    allowed: Allowance,
) -> bool {
    let deep = |pictures| CodedPictures { kept: MOST_KEPT, ..pictures };
    ask(sets.into_iter().map(deep), allowed).is_ok()
}

/// Up to 10 bits of every chroma format: what libavcodec and `videoconvert` bring to I420. Luma and
/// chroma of different depths, and colours coded apart, are decoded by neither.
const fn is_decoded(pictures: &CodedPictures) -> bool {
    let no_chroma =
        matches!((pictures.codec, pictures.chroma), (Codec::H265, ChromaFormat::Monochrome));
    pictures.luma_bits <= MOST_BITS
        && (no_chroma || pictures.luma_bits == pictures.chroma_bits)
        && !pictures.separate_planes
}

/// True where the decoder's own pictures are what models and page take.
fn is_taken_as_it_is(pictures: &CodedPictures) -> bool {
    matches!(pictures.chroma, ChromaFormat::Monochrome | ChromaFormat::Yuv420)
        && pictures.luma_bits == 8
}

/// Pictures that are in memory at once.
fn count(pictures: &CodedPictures) -> u64 {
    let between = if is_taken_as_it_is(pictures) { 0 } else { BEFORE_CONVERTER };
    u64::from(pictures.kept) + IN_WORK + between + HELD
}

/// Bytes that pictures of a set take at most, with all that is around them.
fn memory(pictures: &CodedPictures) -> u64 {
    // libavcodec rounds up to vectors and macroblocks of two fields, and wants an edge.
    let across = u64::from(pictures.width).next_multiple_of(64) + 64;
    let down = u64::from(pictures.height).next_multiple_of(32) + 32;
    let luma = across * down;
    // Gray is brought to 4:2:0, and counts as that.
    let samples = luma * pictures.chroma.samples_to_two().max(3) / 2;
    let planes = samples * if pictures.luma_bits > 8 { 2 } else { 1 };
    let motion = match pictures.codec {
        Codec::H264 => luma / 256 * H264_MOTION,
        Codec::H265 => luma / u64::from(pictures.motion_side.max(1).pow(2)) * H265_MOTION,
    };
    let inside = count(pictures) - HELD;
    let sum = inside * (planes + motion) + HELD * (luma * 3 / 2) + luma * TABLES + DECODER;
    // What the heap loses between pictures (measured: up to a twentieth).
    sum + sum / 16
}

/// The largest usual size that `allowed` bytes are enough for, all else as in `pictures`.
fn largest(pictures: &CodedPictures, allowed: u64) -> Option<(u32, u32)> {
    SIZES.into_iter().find(|&(width, height)| {
        let smaller = CodedPictures { width, height, ..*pictures };
        width <= pictures.width && height <= pictures.height && memory(&smaller) <= allowed
    })
}

/// Pictures in words: `10000×10000 4:4:4 10 bit`.
struct Told<'a>(&'a CodedPictures);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CodedPictures { width, height, chroma, luma_bits, chroma_bits, .. } = self.0;
        write!(f, "{width}×{height} {chroma} {luma_bits} bit")?;
        if luma_bits != chroma_bits {
            write!(f, " (chroma {chroma_bits})")?;
        }
        if self.0.separate_planes {
            f.write_str(" in planes coded apart")?;
        }
        Ok(())
    }
}

/// Bytes in words: `512 MiB`, `3.1 GiB`.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebi = self.0.div_ceil(1 << 20);
        if mebi < 1024 {
            return write!(f, "{mebi} MiB");
        }
        let tenths = (mebi * 10).div_ceil(1024);
        write!(f, "{}.{} GiB", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::device::DeviceMemory;

    fn usual() -> CodedPictures {
        CodedPictures {
            codec: Codec::H264,
            width: 1920,
            height: 1088,
            chroma: ChromaFormat::Yuv420,
            separate_planes: false,
            luma_bits: 8,
            chroma_bits: 8,
            kept: 4,
            motion_side: 4,
        }
    }

    fn of(
        codec: Codec,
        size: (u32, u32),
        chroma: ChromaFormat,
        bits: u32,
        kept: u32,
    ) -> CodedPictures {
        let (width, height) = size;
        let motion_side = if codec == Codec::H264 { 4 } else { 8 };
        CodedPictures {
            codec,
            width,
            height,
            chroma,
            luma_bits: bits,
            chroma_bits: bits,
            kept,
            motion_side,
            ..usual()
        }
    }

    const fn configured(bytes: u64) -> Allowance {
        Allowance { bytes, of_box: false, device: None }
    }

    #[test]
    fn every_court_can_have_its_share_at_once() {
        let mebi = |bytes: u64| bytes >> 20;
        let share = |limit: u64, courts| {
            let share = BoxMemory { limit: Some(limit << 20), court: 512 << 20 }.share(courts);
            (mebi(share.bytes), share.of_box)
        };
        // The unit's 6 GiB; a small box; one that has nothing left.
        for (limit, courts, expected) in [
            (6144, 1, (512, false)),
            (6144, 10, (512, false)),
            (6144, 16, (304, true)),
            (1024, 2, (320, true)),
            (1024, 4, (128, true)),
            (512, 1, (192, true)),
            (0, 1, (128, true)),
            (6144, 1_000, (128, true)),
        ] {
            assert_eq!(share(limit, courts), expected, "{limit} MiB, {courts} courts");
        }
        let nobody = BoxMemory { limit: None, court: 512 << 20 };
        assert_eq!((nobody.share(90).bytes, nobody.advice(90)), (512 << 20, None));
    }

    #[test]
    fn a_court_that_comes_later_has_what_the_others_leave() {
        let memory = BoxMemory { limit: Some(1536 << 20), court: 512 << 20 };
        // Two took 512 MiB each while there were two; the third has no third.
        assert_eq!(memory.allowed(2, 512 << 20).bytes, 512 << 20);
        assert_eq!(memory.share(3).bytes >> 20, 362);
        assert_eq!(memory.allowed(3, 900 << 20).bytes >> 20, 188);
        assert_eq!(memory.allowed(3, 100 << 20), memory.share(3));
    }

    #[test]
    fn a_box_too_small_for_its_courts_is_told() {
        let advice = |limit: u64, courts, court: u64| {
            BoxMemory { limit: Some(limit << 20), court: court << 20 }.advice(courts)
        };
        assert_eq!(advice(6144, 8, 512), None);
        insta::assert_snapshot!(
            [advice(1024, 8, 512), advice(6144, 2, 64)].map(Option::unwrap_or_default).join("\n")
        );
    }

    /// What the table of the header says was measured, in 10^6 bytes.
    #[test]
    fn the_estimate_is_above_what_was_measured_and_not_far() {
        use ChromaFormat::{Yuv420, Yuv422, Yuv444};
        use Codec::{H264, H265};
        let (hd, full, four) = ((1280, 720), (1920, 1088), (3840, 2160));
        let rows = [
            (of(H264, hd, Yuv420, 8, 1), 15),
            (of(H264, hd, Yuv420, 8, 16), 63),
            (of(H264, full, Yuv420, 8, 6), 46),
            (of(H264, full, Yuv420, 8, 18), 75),
            (of(H264, four, Yuv420, 8, 4), 164),
            (of(H264, four, Yuv420, 8, 16), 503),
            (of(H264, full, Yuv444, 10, 6), 149),
            (of(H264, full, Yuv422, 10, 6), 115),
            (of(H265, hd, Yuv420, 8, 3), 20),
            (of(H265, full, Yuv420, 8, 5), 54),
            (of(H265, full, Yuv420, 10, 5), 108),
            (of(H265, four, Yuv420, 8, 5), 178),
            (of(H265, four, Yuv420, 10, 5), 344),
            (of(H265, full, Yuv444, 10, 5), 185),
        ];
        for (pictures, measured) in rows {
            let estimated = memory(&pictures) / 1_000_000;
            assert!(estimated >= measured, "{pictures:?}: {estimated} of {measured}");
            assert!(estimated <= measured * 5 / 2 + 16, "{pictures:?}: {estimated} of {measured}");
        }
    }

    #[test]
    fn what_encoders_send_fits_and_what_costs_gigabytes_does_not() {
        use ChromaFormat::{Yuv420, Yuv444};
        let fits = |pictures| ask([pictures], configured(USUAL_PICTURE_MEMORY));
        for codec in [Codec::H264, Codec::H265] {
            assert!(fits(of(codec, (1920, 1088), Yuv420, 8, 32)).is_ok(), "as deep as any");
            assert!(fits(of(codec, (3840, 2160), Yuv420, 8, 10)).is_ok());
            for (size, chroma, bits) in [
                ((8192, 4320), Yuv420, 8),
                ((8192, 4320), Yuv444, 10),
                ((10_000, 10_000), Yuv420, 8),
                ((16_384, 16_384), Yuv420, 8),
            ] {
                assert!(fits(of(codec, size, chroma, bits, 0)).is_err(), "{size:?}");
            }
        }
        assert!(fits(of(Codec::H265, (3840, 2160), Yuv420, 10, 6)).is_ok());
    }

    #[test]
    fn a_refusal_names_the_sum_and_what_to_set() {
        let told =
            |pictures, bytes| ask([usual(), pictures], configured(bytes)).unwrap_err().to_string();
        let large = of(Codec::H264, (10_000, 10_000), ChromaFormat::Yuv444, 10, 4);
        let memory = DeviceMemory { free: 600 << 20, all: 8 << 30 };
        let full = DeviceRoom { memory, newcomers: 40 << 20, own: 0 };
        insta::assert_snapshot!(
            [
                told(large, USUAL_PICTURE_MEMORY),
                told(large, 100 << 20),
                told(large, 0),
                ask([usual()], Allowance { device: Some(full), ..configured(1 << 30) })
                    .unwrap_err()
                    .to_string(),
                told(CodedPictures { luma_bits: 12, chroma_bits: 12, ..usual() }, u64::MAX),
                told(CodedPictures { chroma_bits: 10, ..usual() }, u64::MAX),
                told(
                    CodedPictures {
                        separate_planes: true,
                        chroma: ChromaFormat::Yuv444,
                        ..usual()
                    },
                    u64::MAX
                ),
            ]
            .join("\n")
        );
    }

    /// Libavcodec decodes what no device does, and asks nothing of one.
    #[test]
    fn a_full_gpu_refuses_whom_it_would_decode() {
        let asked = |free: u64, chroma, own: u64| {
            let memory = DeviceMemory { free: free << 20, all: 8 << 30 };
            let device = Some(DeviceRoom { memory, newcomers: 0, own: own << 20 });
            let pictures = of(Codec::H264, (1920, 1088), chroma, 8, 4);
            ask([pictures], Allowance { device, ..configured(1 << 30) })
        };
        use ChromaFormat::{Yuv420, Yuv444};
        let needs = asked(1024, Yuv420, 0).expect("fits");
        assert_eq!(needs.device >> 20, 86);
        assert!(needs.memory > 0, "libavcodec may have to stand in");
        assert!(asked(597, Yuv420, 0).is_err(), "a MiB too few beside the reserve");
        assert!(asked(599, Yuv420, 0).is_ok());
        assert!(asked(0, Yuv420, 87).is_ok(), "it has them already");
        assert_eq!(asked(0, Yuv444, 0).map(|needs| needs.device), Ok(0));
    }

    fn any_pictures() -> impl Strategy<Value = CodedPictures> {
        let chroma = prop_oneof![
            Just(ChromaFormat::Monochrome),
            Just(ChromaFormat::Yuv420),
            Just(ChromaFormat::Yuv422),
            Just(ChromaFormat::Yuv444)
        ];
        let codec = prop_oneof![Just(Codec::H264), Just(Codec::H265)];
        let side = prop_oneof![Just(4_u32), Just(8), Just(16), Just(32)];
        (codec, 1_u32..33_000, 1_u32..33_000, chroma, 8_u32..11, 0_u32..33, side).prop_map(
            |(codec, width, height, chroma, bits, kept, motion_side)| CodedPictures {
                motion_side,
                ..of(codec, (width, height), chroma, bits, kept)
            },
        )
    }

    proptest! {
        #[test]
        fn shares_fit_into_what_there_is(limit in 0_u64..1 << 36, courts in 1_usize..200, court in 0_u64..1 << 32) {
            let memory = BoxMemory { limit: Some(limit), court };
            let (share, count) = (memory.share(courts).bytes, courts as u64);
            prop_assert!(share <= court);
            let all = BASE + count * (BESIDE_PICTURES + share);
            prop_assert!(all <= limit || share <= LEAST_PICTURE_MEMORY);
            prop_assert!(memory.share(courts + 1).bytes <= share);
            prop_assert!(memory.allowed(courts, limit / 2).bytes <= share);
        }

        #[test]
        fn more_of_anything_never_takes_less(
            from in any_pictures(), wider in 0_u32..2_000, higher in 0_u32..2_000, more in 0_u32..8
        ) {
            let least = memory(&from);
            let deeper = CodedPictures { luma_bits: 10, chroma_bits: 10, ..from };
            let fuller = [ChromaFormat::Yuv420, ChromaFormat::Yuv422, ChromaFormat::Yuv444]
                .into_iter()
                .filter(|chroma| chroma.samples_to_two() >= from.chroma.samples_to_two())
                .map(|chroma| CodedPictures { chroma, ..from });
            let larger = [
                CodedPictures { width: from.width + wider, ..from },
                CodedPictures { height: from.height + higher, ..from },
                CodedPictures { kept: from.kept + more, ..from },
                CodedPictures { motion_side: from.motion_side / 2, ..from },
                deeper,
            ];
            for pictures in larger.into_iter().chain(fuller) {
                prop_assert!(memory(&pictures) >= least, "{:?} of {:?}", pictures, from);
            }
            // Never less than the planes themselves.
            let planes = u64::from(from.width) * u64::from(from.height)
                * from.chroma.samples_to_two() / 2 * u64::from(from.kept);
            prop_assert!(least > planes);
        }

        #[test]
        fn whoever_is_refused_fits_with_what_is_proposed(pictures in any_pictures(), mebi in 0_u64..4096) {
            let allowed = mebi << 20;
            if let Err(PicturesRefused::TooLarge { pictures, .. }) = ask([pictures], configured(allowed))
                && let Some((width, height)) = largest(&pictures, allowed)
            {
                let smaller = CodedPictures { width, height, ..pictures };
                prop_assert!(ask([smaller], configured(allowed)).is_ok());
            }
        }
    }
}
