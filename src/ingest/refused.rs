//! Why a publisher cannot go on, and why a picture of it is let go (pure).

use crate::ingest::budget::PicturesRefused;
use crate::ingest::segments::SegmentLimits;
use crate::media::Foreign;

/// Jumps within a minute that times may make which are believed (a recording's), or that come of B-frames: more is a
/// broken clock. Of others few are enough for them not to be used any more.
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
    /// B pictures with the time at which they are shown in place of that at which they are decoded.
    #[error(
        "its B-frames come with the time at which they are shown, so times run backwards: turn B-frames \
         off (H.264 profile Baseline, or B-frames 0)"
    )]
    BFrames,
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
            Self::BFrames => "b_frames",
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
    /// The record of its parameter sets cannot be read.
    Record,
    /// Its NAL units do not add up.
    Malformed,
    /// Its message is shorter than it says.
    Cut,
    /// It would be shown long before or after it is decoded.
    Composition,
    /// A part of a picture that had gone on.
    Late,
    /// It is of another track than the first one, and none of that has come.
    OtherTrack,
    /// It would begin one recording too many.
    TooMany,
}

impl Unusable {
    /// Returns it in words, which stand behind "a".
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoParameters => "picture without parameter sets that can be read",
            Self::Record => "picture whose record of parameter sets (avcC, hvcC) cannot be read",
            Self::Malformed => "picture whose NAL units do not add up",
            Self::Cut => "message that is cut short",
            Self::Composition => "picture that is shown over 10 s beside its time",
            Self::Late => "part of a picture that had gone on without it",
            Self::OtherTrack => "picture of another track than the first, of which none comes",
            Self::TooMany => "picture that would begin one recording too many",
        }
    }

    /// Returns what to do where every picture of a stream is so.
    #[must_use]
    pub const fn todo(self) -> &'static str {
        match self {
            Self::NoParameters | Self::Record => {
                "set the encoder to send its headers (SPS and PPS) with every key frame, in the H.264 \
                 profile High, Main or Baseline, and restart its stream"
            }
            Self::Malformed | Self::Cut => {
                "restart the encoder's stream, update its firmware, or try another encoder: what it \
                 packs into RTMP cannot be taken apart"
            }
            Self::Composition => "turn B-frames off in the encoder",
            Self::Late => "set the encoder to one slice a picture",
            Self::OtherTrack => {
                "set the encoder to one track of pictures (OBS: Stream, Multitrack Video off)"
            }
            Self::TooMany => "leave the encoder's size, profile and sound as they are",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Unusable;

    #[test]
    fn each_reason_reads_on_from_the_last_one_was_a() {
        use Unusable::{
            Composition, Cut, Late, Malformed, NoParameters, OtherTrack, Record, TooMany,
        };
        for why in [NoParameters, Record, Malformed, Cut, Composition, Late, OtherTrack, TooMany] {
            let first = why.text().split(' ').next().unwrap();
            assert!(["picture", "message", "part"].contains(&first), "a {}", why.text());
            assert!(!why.todo().is_empty());
        }
    }
}
