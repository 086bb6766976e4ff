//! What is learnt while a session runs, by whoever waits for an answer in it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::broker::Trouble;
use crate::event::words::LinkTrouble;
use crate::media::Monotonic;

/// A publish without PUBACK for so long ends the connection: TCP alone may take 15 minutes.
pub(super) const ACK_TIMEOUT: Duration = Duration::from_secs(15);

/// What the feeder learns of a running session.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub greeted: Option<Monotonic>,
    pub refused: Option<Monotonic>,
    /// The link is to go elsewhere: the goodbye is in the client's queue.
    pub moved: bool,
    /// Asked for commands, and not answered.
    pub asked: Option<Monotonic>,
    /// States and events that were acknowledged, and the events of them.
    pub acknowledged: u64,
    pub events: u64,
    /// What the broker has not answered.
    pub under_way: BTreeMap<u64, (Sent, usize)>,
    pub sent: u64,
    /// The subscription is asked for again then.
    pub ask_again: Option<Monotonic>,
    /// What the broker keeps of `state/box` is of somebody else.
    pub other_box: bool,
}

/// What a publish was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// An event, by its position.
    Event(u64),
    /// A state.
    State(String),
    /// An answer to who asked for something.
    Answer,
}

impl Session {
    /// Something of so many bytes goes out.
    pub(super) fn goes(&mut self, sent: Sent, size: usize) -> u64 {
        self.sent += 1;
        self.under_way.insert(self.sent, (sent, size));
        self.sent
    }

    /// The broker has answered it.
    pub(super) fn answered(&mut self, number: u64) {
        self.under_way.remove(&number);
    }
}

/// A session that we end, or whose client is gone.
pub(super) fn ended(why: impl std::fmt::Display) -> Trouble {
    Trouble::told(LinkTrouble::Lost, why)
}
