//! What a command changes of the daemon that the configuration does not, and who may look on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::answer::RimAnswer;
use crate::broker::Access;
use crate::config::Begun;
use crate::media::{Foreign, Frame, UtcTime};

/// What a command changes of the daemon that the configuration does not.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// No token is asked for: `demo` on loopback.
    pub open_http: bool,
    /// A socket of this machine is bound beside the data, at which `doctor` asks: `run`.
    pub local: bool,
    /// The file that the configuration was read from: `run`.
    pub config_file: Option<PathBuf>,
    /// Bytes that the process may have, where it is known: `run`.
    pub memory_limit: Option<u64>,
    /// The file that it is run by, so that it can be changed from afar: `run`. Without it nothing is
    /// taken over MQTT.
    pub twin: Option<Begun>,
    /// What somebody must know of the start: faults of our files.
    pub told: Vec<Foreign>,
    /// What comes in is a recording: `clips import`.
    pub recording: Option<Recording>,
    /// Sees what passes: `bench`.
    pub probe: Option<Arc<dyn Probe>>,
}

/// A recording that is played into the box: it has a time and a name of its own, whenever it is read.
#[derive(Clone, Debug)]
pub struct Recording {
    /// When media time 0 was.
    pub began: UtcTime,
    /// Names its sessions: the same file has the same ones, and so its events the same ids.
    pub seed: u64,
    /// Where its events go, if no broker is configured: with the identity of the box that it is of.
    pub home: Option<Access>,
}

/// Sees what passes between stages, as it passes. Must not wait.
pub trait Probe: std::fmt::Debug + Send + Sync {
    /// A picture leaves the decoder.
    fn frame(&self, frame: &Frame);
    /// An answer goes to the game.
    fn answer(&self, answer: &RimAnswer);
    /// The broker has acknowledged an event, `took` after it was decided.
    fn acknowledged(&self, _took: Duration) {}
}
