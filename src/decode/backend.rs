//! What a court's thread asks of whatever makes pipelines: GStreamer, or a script in tests.

use std::sync::Arc;

use crate::decode::choose::Candidate;
use crate::decode::matching::Ticket;
use crate::decode::outlet::Outlet;
use crate::media::CodecParameters;

/// What makes pipelines: GStreamer, or a script in tests.
pub(crate) trait Backend: Send {
    /// True if the machine has that decoder.
    fn exists(&self, factory: &str) -> bool;
    /// Builds and starts a pipeline that gives into `outlet`.
    ///
    /// # Errors
    /// Why it cannot, in words for the status.
    fn build(&self, order: &Order<'_>, outlet: Arc<Outlet>) -> Result<Box<dyn Pipeline>, String>;
}

/// What a pipeline is built for.
pub(crate) struct Order<'a> {
    pub(crate) candidate: &'static Candidate,
    pub(crate) parameters: &'a CodecParameters,
    pub(crate) low_delay: bool,
}

/// One running pipeline.
pub(crate) trait Pipeline: Send {
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
pub(crate) struct Push {
    /// Annex B; parameter sets in front of a key unit.
    pub(crate) data: Vec<u8>,
    pub(crate) pts: Ticket,
    pub(crate) dts: Ticket,
    pub(crate) key: bool,
}
