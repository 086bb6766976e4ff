//! What a sequence parameter set says of the pictures that a decoder keeps: how large, of what
//! samples, and how many at once. `h264` and `h265` read it; what it costs is worked out elsewhere.

use std::fmt;

use crate::media::unit::Codec;

/// How chroma is sampled (ITU-T H.264 table 6-1, H.265 table 6-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChromaFormat {
    /// 4:0:0: none.
    Monochrome,
    /// 4:2:0.
    Yuv420,
    /// 4:2:2.
    Yuv422,
    /// 4:4:4.
    Yuv444,
}

impl ChromaFormat {
    /// Of `chroma_format_idc`. `None` beyond 3.
    #[must_use]
    pub const fn of(idc: u32) -> Option<Self> {
        match idc {
            0 => Some(Self::Monochrome),
            1 => Some(Self::Yuv420),
            2 => Some(Self::Yuv422),
            3 => Some(Self::Yuv444),
            _ => None,
        }
    }

    /// Samples of all planes to two luma samples.
    #[must_use]
    pub const fn samples_to_two(self) -> u64 {
        match self {
            Self::Monochrome => 2,
            Self::Yuv420 => 3,
            Self::Yuv422 => 4,
            Self::Yuv444 => 6,
        }
    }
}

impl fmt::Display for ChromaFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Monochrome => "4:0:0",
            Self::Yuv420 => "4:2:0",
            Self::Yuv422 => "4:2:2",
            Self::Yuv444 => "4:4:4",
        })
    }
}

/// The pictures of one sequence parameter set, as a decoder keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodedPictures {
    /// The coding.
    pub codec: Codec,
    /// Width before cropping, luma samples, in whole macroblocks or smallest coding blocks.
    pub width: u32,
    /// Height before cropping, of both fields together.
    pub height: u32,
    /// How chroma is sampled.
    pub chroma: ChromaFormat,
    /// True where the three colours are coded as three pictures (`separate_colour_plane_flag`).
    pub separate_planes: bool,
    /// Bits of a luma sample.
    pub luma_bits: u32,
    /// Bits of a chroma sample; said even where there is none.
    pub chroma_bits: u32,
    /// Pictures that a decoder keeps beside the one it works on, for reference or until their turn:
    /// what the set says, or else the most that its level allows (ITU-T H.264 A.3.1 and E.2.1, H.265
    /// A.4.2).
    pub kept: u32,
    /// Side of the square of luma samples that one entry of motion stands for.
    pub motion_side: u32,
}
