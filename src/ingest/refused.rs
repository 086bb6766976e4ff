//! Why a publisher cannot go on, and why a picture of it is let go (pure).

use crate::ingest::budget::PicturesRefused;
use crate::ingest::segments::SegmentLimits;
use crate::media::Foreign;

/// Jumps within a minute that a publisher may make: more is an attack or a broken clock.
pub(crate) const MAX_JUMPS: usize = 16;
/// Told where they were too many.
const SEGMENTS: u32 = SegmentLimits::USUAL.burst();

/// Why a publisher cannot go on; told to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum MediaRefused {
    /// A coding that we do not take.
    #[error("{what} video is not taken: set the encoder to H.264 or H.265")]
    Coding { what: Foreign },
    /// More jumps than any honest clock makes.
    #[error("timestamps jumped {MAX_JUMPS} times within a minute: check the encoder's clock")]
    Jumps,
    /// Its pictures are more than a decoder may be built for.
    #[error("{0}")]
    Pictures(#[from] PicturesRefused),
    /// More recordings begun than any honest encoder's.
    #[error(
        "other settings began a recording {SEGMENTS} times within seconds: leave the encoder's size, \
         profile and sound as they are"
    )]
    Segments,
}

impl MediaRefused {
    /// A stable word for metrics and state.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Coding { .. } => "coding",
            Self::Jumps => "jumps",
            Self::Pictures(PicturesRefused::TooLarge { .. }) => "pictures",
            Self::Pictures(PicturesRefused::Device { .. }) => "gpu_memory",
            Self::Pictures(PicturesRefused::Format { .. }) => "format",
            Self::Segments => "segments",
        }
    }
}

/// Why a picture was let go here. Summed, told in the court's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// No parameter sets that can be read have come.
    NoParameters,
    /// Its NAL units do not add up.
    Malformed,
    /// A part of a picture that had gone on.
    Late,
}

impl Unusable {
    /// Returns it in words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoParameters => "picture without parameter sets",
            Self::Malformed => "picture whose NAL units do not add up",
            Self::Late => "a part of a picture came when the picture had gone on without it",
        }
    }
}
