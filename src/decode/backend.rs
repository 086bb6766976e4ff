//! What a court's thread asks of whatever makes pipelines: GStreamer, or a script in tests.

use std::fmt;
use std::sync::Arc;

use crate::decode::DecodeError;
use crate::decode::choose::Candidate;
use crate::decode::matching::Ticket;
use crate::decode::outlet::Outlet;
use crate::decode::setbacks::Machine;
use crate::device::DeviceMemory;
use crate::media::CodecParameters;

/// What a box has to decode with: the machine's own, or a test's, which plays a script.
pub trait Decoders: fmt::Debug + Send + Sync {
    /// Makes pipelines for one court; its thread owns it.
    ///
    /// # Errors
    /// [`DecodeError`] when there can be none at all.
    fn backend(&self) -> Result<Arc<dyn Backend>, DecodeError>;

    /// What all courts know of the machine's decoders; by default each court knows for itself.
    fn machine(&self) -> Machine {
        Machine::default()
    }

    /// The memory of the device in which courts leave their pictures; `None` where they leave them on the
    /// CPU, or as long as no court has. Asks a driver, which may never answer: not where somebody waits.
    fn device_memory(&self) -> Option<DeviceMemory> {
        None
    }
}

/// Why there is no pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unbuilt {
    /// The decoder does not start, whatever the stream: a driver, a device, a library is not there.
    DoesNotStart(String),
    /// Earlier ones of this court hang, so it may have no more of them.
    Refused(String),
}

impl Unbuilt {
    /// In words.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::DoesNotStart(reason) | Self::Refused(reason) => reason,
        }
    }
}

/// What makes pipelines: GStreamer, or a script in tests.
pub trait Backend: Send + Sync {
    /// True if the machine has that decoder.
    fn exists(&self, factory: &str) -> bool;
    /// Where the pictures of that decoder are, for people, where it is not memory that the CPU reads.
    fn keeps(&self, _factory: &str) -> Option<String> {
        None
    }
    /// Surfaces of a device that this court's frames hold now, and copies that were ever made of one to
    /// the CPU.
    fn surfaces(&self) -> Option<(usize, u64)> {
        None
    }
    /// True while so many earlier pipelines of this court hang that no more of a kind are built.
    fn is_clogged(&self) -> bool {
        false
    }
    /// Builds and starts a pipeline that gives into `outlet`.
    ///
    /// # Errors
    /// Why it cannot.
    fn build(&self, order: &Order<'_>, outlet: Arc<Outlet>) -> Result<Box<dyn Pipeline>, Unbuilt>;
}

/// What a pipeline is built for.
#[derive(Debug)]
pub struct Order<'a> {
    /// The decoder that was chosen.
    pub candidate: &'static Candidate,
    /// What the stream says of itself.
    pub parameters: &'a CodecParameters,
    /// No picture comes out of order: none is held back.
    pub low_delay: bool,
}

/// One running pipeline.
pub trait Pipeline: Send {
    /// Gives it a unit. Never waits.
    ///
    /// # Errors
    /// Why it takes none.
    fn push(&mut self, unit: Push) -> Result<(), String>;
    /// Asks for all that is inside; [`Outlet::ended`] follows.
    fn end(&mut self);
    /// Tears it down; one that `hangs` is torn down behind the back of the caller.
    fn stop(self: Box<Self>, hangs: bool);
}

/// One unit as a pipeline takes it.
#[derive(Debug)]
pub struct Push {
    /// Annex B; parameter sets in front of a key unit.
    pub data: Vec<u8>,
    /// Its picture's timestamp.
    pub pts: Ticket,
    /// Its own.
    pub dts: Ticket,
    /// It needs no other.
    pub key: bool,
}
