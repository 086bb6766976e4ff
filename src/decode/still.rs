//! One picture of coded ones, by the software decoder: for who looks back, not for courts. `one_picture` decodes
//! it.
//!
//! Takes no decoder of a GPU, whose sessions are the courts', and one thread, that of the caller: where that
//! stands back, so do GStreamer's that it makes.

use crate::media::{Codec, CourtId, MediaTime, SessionId};

/// Pictures in decoding order, the first a key picture.
#[derive(Debug)]
pub struct StillOrder<'a> {
    /// The court that they are of.
    pub court: CourtId,
    /// Their session.
    pub session: SessionId,
    /// Their coding.
    pub codec: Codec,
    /// `avcC` or `hvcC` record.
    pub config: &'a [u8],
    /// Presentation time and bytes of each, as a file carries them.
    pub units: Vec<(MediaTime, &'a [u8])>,
    /// The moment whose picture is wanted.
    pub at: MediaTime,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum StillError {
    #[error("no software decoder for {codec} is here ({reason}): install gstreamer1.0-libav")]
    NoDecoder { codec: &'static str, reason: String },
    #[error("the picture cannot be decoded: {reason}")]
    Undecodable { reason: String },
}
