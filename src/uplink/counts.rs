//! How the uplink does, for whoever asks.

use crate::event::box_status::BrokerLimit;
use crate::event::state::{LinkLost, UplinkState};
use crate::event::words::LinkTrouble;
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
    /// What was shed was so more than a day ago.
    pub shed_long_ago: bool,
    /// Published, without a PUBACK yet.
    pub in_flight: u64,
    /// Why there is no session, or why the one that runs is of no use, in words.
    pub fault: Option<Foreign>,
    /// The same in a word.
    pub trouble: Option<LinkTrouble>,
    /// What to do about it; empty where nothing is wrong.
    pub todo: &'static str,
    /// What the box does without, since the broker does not take it.
    pub limits: Vec<BrokerLimit>,
    /// What to do about the last refusal of an event.
    pub refused_todo: &'static str,
    /// The broker keeps no retained messages.
    pub no_retained: bool,
    /// The last time without a link, once it is over.
    pub outage: Option<LinkLost>,
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
    /// Events that were on disk and cannot be read any more, since the start.
    pub gone: u64,
}
