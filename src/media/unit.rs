//! What came in: access units and audio, with the parameters that decode them.

use std::sync::Arc;

use bytes::Bytes;

use crate::media::foreign::Foreign;
use crate::media::names::{CourtId, SessionId};
use crate::media::time::{MediaTime, Monotonic, UtcTime};

/// A video coding that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// ITU-T H.264.
    H264,
    /// ITU-T H.265.
    H265,
}

impl Codec {
    /// The name as people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
        }
    }
}

/// What a decoder and a file need to know of a video stream. Shared by all units that it governs;
/// a change of parameters is a new value (compare by `Arc::ptr_eq`, then by value).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecParameters {
    /// The coding.
    pub codec: Codec,
    /// Width of the picture after cropping, pixels.
    pub width: u32,
    /// Height of the picture after cropping, pixels.
    pub height: u32,
    /// `avcC` or `hvcC` record (ISO/IEC 14496-15), NAL length size 4, as the camera described itself.
    pub config: Bytes,
    /// Parameter sets in decoding order, without start codes, as sent.
    pub parameter_sets: Vec<Bytes>,
    /// The same with `bitstream_restriction` rewritten to "no reordering", where the stream may be
    /// without B-frames but its SPS does not promise it. For decoders only; see `decode`.
    pub low_delay_sets: Option<Vec<Bytes>>,
    /// Pictures that may precede one in decoding order and follow it in output order, if declared.
    pub reorder_frames: Option<u8>,
    /// RFC 6381 name, for example `avc1.64001f`.
    pub mime_codec: String,
}

impl CodecParameters {
    /// Bytes that it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let low_delay = self.low_delay_sets.iter().flatten();
        self.config.len()
            + self.parameter_sets.iter().chain(low_delay).map(Bytes::len).sum::<usize>()
    }
}

/// What a player needs to know of an audio stream: AAC only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioParameters {
    /// AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1).
    pub config: Bytes,
    /// Samples a second.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u8,
}

/// One encoded picture with its times, as it came in.
#[derive(Clone, Debug)]
pub struct AccessUnit {
    /// The run of timestamps that `pts` and `dts` belong to.
    pub session: SessionId,
    /// Counts the video units of the session from 0, without gaps.
    pub sequence: u64,
    /// Presentation time.
    pub pts: MediaTime,
    /// Decoding time; never runs backwards within a session.
    pub dts: MediaTime,
    /// True for a picture that decoding can start at (IDR, or H.265 IRAP).
    pub key: bool,
    /// True when a slice of it is bidirectionally predicted (H.264 slice type B).
    pub b_slices: bool,
    /// NAL units, each behind its length in 4 bytes, big-endian.
    pub data: Bytes,
    /// What governs it.
    pub parameters: Arc<CodecParameters>,
    /// When its last byte had been read from the socket.
    pub arrival: Monotonic,
}

/// One AAC frame.
#[derive(Clone, Debug)]
pub struct AudioUnit {
    /// The run of timestamps that `pts` belongs to.
    pub session: SessionId,
    /// Presentation time.
    pub pts: MediaTime,
    /// Raw AAC frame, no ADTS header.
    pub data: Bytes,
    /// What governs it.
    pub parameters: Arc<AudioParameters>,
    /// When its last byte had been read from the socket.
    pub arrival: Monotonic,
}

/// Who publishes, told once when a session opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// The court.
    pub court: CourtId,
    /// Random; opened by a publish or by a jump of timestamps.
    pub session: SessionId,
    /// Address of the publisher.
    pub peer: String,
    /// What it calls itself (`flashVer`, `encoder` of onMetaData), if it does.
    pub encoder: Option<Foreign>,
    /// When it was opened.
    pub opened: Monotonic,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The publisher said goodbye or closed its connection.
    Ended,
    /// Nothing came for 10 s.
    Stalled,
    /// A newer publisher of the same court took over.
    TakenOver,
    /// Timestamps jumped; the same connection goes on in a new session.
    TimeJump,
    /// The publisher broke the protocol or a limit.
    Broken,
    /// We are shutting down.
    Shutdown,
}

/// Where a wall time came from, best first (DESIGN §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WallSource {
    /// The file that a recording is read from, or who reads it.
    File,
    /// SEI user data written by the camera.
    Sei,
    /// `onFI` messages.
    OnFi,
    /// Lower envelope of arrival against media time.
    Arrival,
}

/// A moment that the publisher itself put both times to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallReference {
    /// The run of timestamps that `media` belongs to.
    pub session: SessionId,
    /// Media time of the picture that carried it.
    pub media: MediaTime,
    /// The camera's clock at that picture.
    pub utc: UtcTime,
    /// Where it was written.
    pub source: WallSource,
}

/// What ingest delivers for one court, in order. Never blocks: each consumer has its own mailbox.
#[derive(Clone, Debug)]
pub enum StreamItem {
    /// A session begins; everything that follows belongs to it.
    Opened(Arc<StreamInfo>),
    /// A picture.
    Video(AccessUnit),
    /// How the sound that comes is coded: known before any of it, so that files have its track from the first
    /// picture on.
    Sound {
        /// The run of timestamps.
        session: SessionId,
        /// What governs it.
        parameters: Arc<AudioParameters>,
    },
    /// Sound.
    Audio(AudioUnit),
    /// A wall time.
    Wall(WallReference),
    /// The session is over.
    Closed {
        /// Which one.
        session: SessionId,
        /// Why.
        reason: CloseReason,
    },
}
