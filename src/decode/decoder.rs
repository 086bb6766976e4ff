//! A court's decoding thread from outside: started, watched and joined. And what `check` asks.

use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;

use crate::clock::{Clock, come_first};
use crate::decode::backend::{Backend, Decoders};
#[cfg(feature = "gstreamer")]
use crate::decode::choose::{Choosing, Prefer};
use crate::decode::court::Court;
#[cfg(feature = "gstreamer")]
use crate::decode::cuda::Shared;
use crate::decode::outlet::Outlet;
#[cfg(feature = "gstreamer")]
use crate::decode::pipeline::GStreamer;
use crate::decode::setbacks::{Machine, Rules};
use crate::decode::{DecodeError, DecodeSettings, DecoderStatus, FrameSink};
use crate::device::{DeviceMemory, Gpu};
use crate::mailbox::{Tally, UnitMailbox};
use crate::media::Codec;

/// What this machine decodes a coding with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surveyed {
    /// GStreamer's name of it.
    pub factory: &'static str,
    /// Which, and why.
    pub told: String,
    /// What to install besides, and why, where this machine should not be left as it is.
    pub advice: Option<&'static str>,
}

/// Which decoder this machine would take for each coding, and why; for `check`.
///
/// # Errors
/// [`DecodeError`] when GStreamer does not start, or the build has none. A coding without a decoder
/// is an answer: what to install.
pub fn survey() -> Result<Vec<(Codec, Result<Surveyed, String>)>, DecodeError> {
    #[cfg(feature = "gstreamer")]
    {
        let backend = GStreamer::new()?;
        let exists = |factory: &str| backend.exists(factory);
        let (prefer, rules) = (Prefer::Auto, Rules::default());
        let choosing = Choosing { prefer, rules, exists: &exists, out: &|_| None };
        Ok([Codec::H264, Codec::H265]
            .map(|codec| {
                let choice = choosing.choose(codec);
                let surveyed = choice.map(|choice| Surveyed {
                    factory: choice.candidate.factory,
                    told: choice.told,
                    advice: choice.advice,
                });
                (codec, surveyed)
            })
            .into())
    }
    #[cfg(not(feature = "gstreamer"))]
    Err(DecodeError::NotBuilt)
}

/// The decoders of this machine, through GStreamer. Clones know the same of the machine.
#[derive(Clone, Debug, Default)]
pub struct InstalledDecoders {
    machine: Machine,
    gpu: Gpu,
    #[cfg(feature = "gstreamer")]
    shared: Shared,
}

impl InstalledDecoders {
    /// Those of this machine; what decodes on `gpu` leaves its pictures there.
    #[must_use]
    pub fn on(gpu: &Gpu) -> Self {
        Self { gpu: gpu.clone(), ..Self::default() }
    }
}

impl Decoders for InstalledDecoders {
    #[cfg(feature = "gstreamer")]
    fn backend(&self) -> Result<Arc<dyn Backend>, DecodeError> {
        let backend = GStreamer::new()?;
        Ok(Arc::new(backend.leaving_on(self.shared.surfaces(&self.gpu))))
    }

    #[cfg(not(feature = "gstreamer"))]
    fn backend(&self) -> Result<Arc<dyn Backend>, DecodeError> {
        Err(DecodeError::NotBuilt)
    }

    fn machine(&self) -> Machine {
        self.machine.clone()
    }

    #[cfg(feature = "gstreamer")]
    fn device_memory(&self) -> Option<DeviceMemory> {
        self.shared.memory()
    }
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
    pub fn start(
        settings: DecodeSettings,
        units: UnitMailbox,
        sink: Arc<dyn FrameSink>,
        tally: Tally,
        clock: Arc<dyn Clock>,
        decoders: &dyn Decoders,
    ) -> Result<Self, DecodeError> {
        let (backend, machine) = (decoders.backend()?, decoders.machine());
        let status = Arc::new(Mutex::new(DecoderStatus::default()));
        let watcher = DecoderWatcher { status: Arc::clone(&status) };
        let court = settings.court.clone();
        clock.when_moved(Box::new(units.waker()));
        let outlet = Outlet::new(court.clone(), sink, tally, clock, status);
        let thread = thread::Builder::new()
            .name(format!("decode-{court}"))
            .spawn(move || {
                come_first();
                Court::new(settings, backend, machine, Rules::default(), outlet).run(&units);
            })
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
