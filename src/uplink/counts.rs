//! How the uplink does, for whoever asks.

use crate::event::state::UplinkState;
use crate::media::Foreign;

/// How the uplink does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UplinkCounts {
    /// A session with the broker runs.
    pub connected: bool,
    /// Its number.
    pub session: u64,
    /// The last session in which the broker acknowledged something.
    pub acknowledged_in: u64,
    /// As in `state/uplink`.
    pub state: UplinkState,
    /// Published, without a PUBACK yet.
    pub in_flight: u64,
    /// Why there is no session, in words.
    pub fault: Option<Foreign>,
    /// Another box uses our name.
    pub another_box: bool,
    /// Why the outbox cannot write, in words.
    pub disk_fault: Option<Foreign>,
    /// Position of the newest event on disk.
    pub newest: u64,
    /// Events promised since the start.
    pub promised: u64,
    /// Events acknowledged since the start.
    pub acknowledged: u64,
    /// Events that were decided and are not on disk: the thread ended while the disk refused them.
    pub lost: u64,
}
