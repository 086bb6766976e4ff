//! Access units in, pictures out: one GStreamer pipeline a court, software or hardware.
//!
//! In: the court's `UnitMailbox` (4 s of stream; it refuses to the next key frame when this stage
//! does not keep up). A burst is caught up with picture by picture, as fast as the models take them and always
//! faster than it came about. Out: [`FrameSink`], called once a picture in order of presentation. Nothing
//! leaks inside: every unit that is taken is matched, by timestamp, to a picture or to a
//! [`DropReason`](crate::mailbox::DropReason), in the tally of the hop `decoder`.
//!
//! Read `choose` (which decoder, and why), `gate` (which unit may go in), `reorder` (when the
//! decoder need not wait for pictures out of order), `setbacks` (which decoder is out, for what and
//! until when), `matching` (what became of each unit), then `outlet` (where a pipeline's pictures come
//! out), `backend` (what makes pipelines), `trial` (one that is tried again beside another), `court`
//! (what ties them), `decoder` (its thread) and `pipeline`, `planes`, `cuda`, `nvmm`,
//! `file`, `one_picture` (GStreamer; the only I/O).
//!
//! What happens when … (each alone brings no other court down):
//! - a unit was lost, or is no list of NAL units: all up to the next key frame are refused, counted
//!   `awaiting_key` (a picture on damaged references is worse than none);
//! - the decoder marks a picture as damaged: counted `undecodable`, never handed on;
//! - the decoder gives nothing for a unit, and gives a later picture: counted `no_picture`;
//! - the court's frames hold all surfaces of a device that they may: the picture is dropped, counted
//!   `full`;
//! - it holds its bound of units: the thread waits, the mailbox in front fills and refuses;
//! - it gives nothing for 2 s while it holds its bound, or reports an error: it is torn down and
//!   built anew at a key frame, after 0.1 s, doubling to 5 s. One that failed twice at a parameter set
//!   is out for that set in that session, and another stands in, which is a fault in the status;
//! - it does not start, or fails on all courts at once: it is out for all of them;
//! - one is out and another stands in: it is tried again beside it after 5 s, doubling to 60 s, and
//!   taken at a key frame once it gave pictures;
//! - four teardowns of one court and decoder do not end: no more are built there until one has, and
//!   after half a minute the watchdog is not fed any more (`app`): only a new process frees them;
//! - all fail at a stream: the best of them is tried for ever, at key frames;
//! - the size, coding or session changes: what is inside comes out first, then a new pipeline.
//!
//! With the feature `cuda` NVDEC's pictures stay in the GPU (`cuda`); without it, without libgstcuda, or
//! without the GPU they come over system memory, by the decoder's own download. A Jetson's are brought out of its
//! memory by its converter (`nvmm`).

#![cfg_attr(not(feature = "gstreamer"), allow(dead_code, reason = "read by the backend alone"))]

mod setbacks;
mod choose;
mod layout;
mod rate;
mod gate;
mod reorder;
mod annexb;
mod matching;
mod outlet;
mod backend;
#[cfg(feature = "gstreamer")]
mod teardown;
mod trial;
mod court;
mod decoder;
#[cfg(feature = "gstreamer")]
mod planes;
#[cfg(feature = "gstreamer")]
mod nvmm;
#[cfg(all(feature = "gstreamer", feature = "cuda"))]
mod cuda;
#[cfg(all(feature = "gstreamer", not(feature = "cuda")))]
#[path = "no_cuda.rs"]
mod cuda;
#[cfg(feature = "gstreamer")]
mod pipeline;
#[cfg(feature = "gstreamer")]
mod file;
mod still;
#[cfg(feature = "gstreamer")]
mod one_picture;
#[cfg(not(feature = "gstreamer"))]
#[path = "no_picture.rs"]
mod one_picture;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::media::{CloseReason, CourtId, Frame, Monotonic, SessionId, StreamInfo};

pub use crate::decode::backend::{Backend, Decoders, Order, Pipeline, Push, Unbuilt};
pub use crate::decode::choose::{Candidate, Prefer};
pub use crate::decode::decoder::{Decoder, DecoderWatcher, InstalledDecoders, Surveyed, survey};
#[cfg(feature = "gstreamer")]
pub use crate::decode::file::{FileError, VideoFile};
pub use crate::decode::matching::Ticket;
pub use crate::decode::one_picture::still;
pub use crate::decode::outlet::{Outlet, Picture};
pub use crate::decode::setbacks::Machine;
pub use crate::decode::still::{StillError, StillOrder};

/// Takes pictures. Must not block and must not call back into [`Decoder`].
///
/// Called from a GStreamer thread and from the decoder's own, never from both at once.
pub trait FrameSink: Send + Sync {
    /// A session begins; the frames that follow belong to it.
    fn opened(&self, info: &Arc<StreamInfo>);
    /// A picture.
    fn frame(&self, frame: Arc<Frame>);
    /// Waits up to `within` until who takes pictures has room for another. Called while a burst is caught up with,
    /// by the decoder's own thread: pictures come faster then than any model looks at them.
    fn room(&self, within: Duration) {
        let _ = within;
    }
    /// The session is over and its last frame has been handed on.
    fn closed(&self, session: SessionId, reason: CloseReason);
}

/// What one court's decoder is told.
#[derive(Clone, Debug)]
pub struct DecodeSettings {
    /// The court.
    pub court: CourtId,
    /// Which kind of decoder.
    pub prefer: Prefer,
}

impl DecodeSettings {
    /// The best decoder that the machine has.
    #[must_use]
    pub const fn new(court: CourtId) -> Self {
        Self { court, prefer: Prefer::Auto }
    }
}

/// Why decoding cannot start.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum DecodeError {
    /// The build has no decoder.
    #[error("this build has no decoder: build it with the feature `gstreamer`")]
    NotBuilt,
    /// GStreamer itself does not start.
    #[error("GStreamer does not start: {reason}: check its installation with `gst-inspect-1.0`")]
    GStreamer { reason: String },
    /// The operating system gave no thread.
    #[error("start the decoder's thread of court {court}")]
    Thread { court: CourtId, source: io::Error },
}

/// What a court's decoder says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DecoderStatus {
    /// The decoder in use and why it was chosen, for `state/stream/{court}`.
    pub decoder: Option<String>,
    /// What this machine should have besides, and why.
    pub advice: Option<&'static str>,
    /// Why no pictures come, while none come though units do.
    pub fault: Option<String>,
    /// A lesser decoder than the machine's best stands in for it: which, why, and when it is tried
    /// again.
    pub downgrade: Option<String>,
    /// Times that a lesser one began to stand in, since the start.
    pub downgrades: u64,
    /// Times that a better one was tried again beside it, since the start.
    pub trials: u64,
    /// Since when so many of this court's earlier decoders hang that no more are built.
    pub clogged_since: Option<Monotonic>,
    /// Pictures that stayed inside the decoder when the next unit went in; 0 is best.
    pub held_back: u32,
    /// What that costs at the stream's own rate, ms.
    pub reorder_ms: f64,
    /// Pictures a second by the stream's timestamps.
    pub fps: Option<f64>,
    /// Surfaces of a device that this court's frames hold now, and copies that were ever made of one
    /// to the CPU; `None` where pictures are on the CPU anyway.
    pub surfaces: Option<(usize, u64)>,
    /// True once the session has shown a B slice.
    pub b_frames: bool,
    /// Since when units have come of which no picture came out.
    pub starved_since: Option<Monotonic>,
    /// Pictures handed on since the start.
    pub pictures: u64,
    /// Pipelines that failed or stood still and were built anew, since the start.
    pub rebuilds: u64,
    /// The last reason for that.
    pub last_error: Option<String>,
}
