//! Access units in, pictures out: one GStreamer pipeline a court, software or hardware.
//!
//! In: the court's `UnitMailbox` (1 s of stream; it refuses to the next key frame when this stage
//! does not keep up). Out: [`FrameSink`], called once a picture in order of presentation. Nothing
//! leaks inside: every unit that is taken is matched, by timestamp, to a picture or to a
//! [`DropReason`](crate::mailbox::DropReason), in the tally of the hop `decoder`.
//!
//! Read `choose` (which decoder, and why), `gate` (which unit may go in), `reorder` (when the
//! decoder need not wait for pictures out of order), `matching` (what became of each unit), then
//! `court` (the thread that ties them) and `pipeline`, `planes`, `file` (GStreamer; the only I/O).
//! `advice` says what costs the venue latency or accuracy.
//!
//! What happens when … (each alone brings no other court down):
//! - a unit was lost, or is no list of NAL units: all up to the next key frame are refused, counted
//!   `awaiting_key` (a picture on damaged references is worse than none);
//! - the decoder marks a picture as damaged: counted `undecodable`, never handed on;
//! - the decoder gives nothing for a unit, and gives a later picture: counted `no_picture`;
//! - it holds its bound of units: the thread waits, the mailbox in front fills and refuses;
//! - it gives nothing for 2 s while it holds its bound, or reports an error: it is torn down and
//!   built anew at a key frame, after 0.1 s, doubling to 5 s; one that failed twice without a
//!   picture is left for the next candidate, which the status says;
//! - the size, coding or session changes: what is inside comes out first, then a new pipeline.
//!
//! Deliberately absent: pictures in device memory. NVDEC's pictures are taken to system memory by
//! the decoder's own download; sharing its surfaces with the model is a later issue.

#![cfg_attr(not(feature = "gstreamer"), allow(dead_code, reason = "read by the backend alone"))]

mod choose;
mod gate;
mod reorder;
mod annexb;
mod matching;
mod outlet;
mod court;
#[cfg(feature = "gstreamer")]
mod planes;
#[cfg(feature = "gstreamer")]
mod pipeline;
#[cfg(feature = "gstreamer")]
mod file;
mod advice;

use std::io;
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::mailbox::{Tally, UnitMailbox};
use crate::media::{CloseReason, Codec, CourtId, Frame, SessionId, StreamInfo};

pub use crate::decode::advice::{Measured, TINY_RING_PX, advise};
pub use crate::decode::choose::Prefer;
#[cfg(feature = "gstreamer")]
pub use crate::decode::file::{FileError, VideoFile};

/// Takes pictures. Must not block and must not call back into [`Decoder`].
///
/// Called from a GStreamer thread and from the decoder's own, never from both at once.
pub trait FrameSink: Send + Sync {
    /// A session begins; the frames that follow belong to it.
    fn opened(&self, info: &Arc<StreamInfo>);
    /// A picture.
    fn frame(&self, frame: Arc<Frame>);
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
    /// Why no pictures come, while none come though units do.
    pub fault: Option<String>,
    /// Pictures that stayed inside the decoder when the next unit went in; 0 is best.
    pub held_back: u32,
    /// What that costs at the stream's own rate, ms.
    pub reorder_ms: f64,
    /// Pictures a second by the stream's timestamps.
    pub fps: Option<f64>,
    /// True once the session has shown a B slice.
    pub b_frames: bool,
    /// Pictures handed on since the start.
    pub pictures: u64,
    /// Pipelines that failed or stood still and were built anew, since the start.
    pub rebuilds: u64,
    /// The last reason for that.
    pub last_error: Option<String>,
}

/// Which decoder this machine would take for each coding, and why; for `check`.
///
/// # Errors
/// [`DecodeError`] when GStreamer does not start, or the build has none. A coding without a decoder
/// is an answer: what to install.
pub fn survey() -> Result<Vec<(Codec, Result<String, String>)>, DecodeError> {
    #[cfg(feature = "gstreamer")]
    {
        use crate::decode::court::Backend;
        let backend = pipeline::GStreamer::new()?;
        let exists = |factory: &str| backend.exists(factory);
        let failures = choose::Failures::default();
        Ok([Codec::H264, Codec::H265]
            .map(|codec| {
                let choice = choose::choose(codec, Prefer::Auto, &exists, &failures);
                (codec, choice.map(|choice| choice.told))
            })
            .into())
    }
    #[cfg(not(feature = "gstreamer"))]
    Err(DecodeError::NotBuilt)
}

/// Decodes one court on a thread of its own, until its mailbox is closed and empty.
#[derive(Debug)]
pub struct Decoder {
    thread: thread::JoinHandle<()>,
    watcher: DecoderWatcher,
}

/// Reads a decoder's status from anywhere.
#[derive(Clone, Debug)]
pub struct DecoderWatcher {
    // Written by the decoder's threads a few times a picture, read once a second.
    status: Arc<Mutex<DecoderStatus>>,
}

impl DecoderWatcher {
    /// The status now.
    #[must_use]
    pub fn status(&self) -> DecoderStatus {
        self.status.lock().clone()
    }
}

impl Decoder {
    /// Starts the thread. `tally` is the hop `decoder` of the court.
    ///
    /// # Errors
    /// [`DecodeError`] when GStreamer or the thread does not start. A missing decoder is no error:
    /// it stands in the status, and the court is recorded all the same.
    #[cfg(feature = "gstreamer")]
    pub fn start(
        settings: DecodeSettings,
        units: UnitMailbox,
        sink: Arc<dyn FrameSink>,
        tally: Tally,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, DecodeError> {
        let backend = Box::new(pipeline::GStreamer::new()?);
        Self::start_with(backend, settings, units, sink, tally, clock)
    }

    /// Refuses: the build has no decoder.
    ///
    /// # Errors
    /// Always [`DecodeError::NotBuilt`].
    #[cfg(not(feature = "gstreamer"))]
    pub fn start(
        _settings: DecodeSettings,
        _units: UnitMailbox,
        _sink: Arc<dyn FrameSink>,
        _tally: Tally,
        _clock: Arc<dyn Clock>,
    ) -> Result<Self, DecodeError> {
        Err(DecodeError::NotBuilt)
    }

    fn start_with(
        backend: Box<dyn court::Backend>,
        settings: DecodeSettings,
        units: UnitMailbox,
        sink: Arc<dyn FrameSink>,
        tally: Tally,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, DecodeError> {
        let status = Arc::new(Mutex::new(DecoderStatus::default()));
        let watcher = DecoderWatcher { status: Arc::clone(&status) };
        let court = settings.court.clone();
        let world = court::World { sink, tally, clock, status };
        let thread = thread::Builder::new()
            .name(format!("decode-{court}"))
            .spawn(move || court::Court::new(settings, backend, world).run(&units))
            .map_err(|source| DecodeError::Thread { court, source })?;
        Ok(Self { thread, watcher })
    }

    /// The status now.
    #[must_use]
    pub fn status(&self) -> DecoderStatus {
        self.watcher.status()
    }

    /// A reader of the status that outlives this value.
    #[must_use]
    pub fn watcher(&self) -> DecoderWatcher {
        self.watcher.clone()
    }

    /// Waits until the thread has drained the closed mailbox and ended.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the decoder's thread died: its court gave no more pictures");
        }
    }
}
