//! Clips on order: the two hops between outbox and ring, and what a full one loses (nothing).
//!
//! ```text
//! outbox ─orders→ ring    an event that is on disk asks for its clip
//! outbox ←─done── ring    `clips/{id}.json` is on disk: the event's record may go in its time
//! ```
//! The truth is the outbox's table `clips`: an order stands there from the write of its event until
//! its clip is told as done. So a hop only spares reading that table:
//!
//! | hop | bound | when full |
//! | --- | --- | --- |
//! | orders | 4,096 | the newest is let go, counted, told; the table is read again once the hop is empty |
//! | done | 4,096 | given back: the ring keeps it and tells again |
//!
//! What is inside at the end of the daemon is asked for again at its next start.

use crate::clips::MAX_PENDING;
use crate::event::ClipOrder;
use crate::mailbox::{Ledger, Mailbox, WhenFull, hops};

/// Both hops; each side is given its ends.
#[derive(Clone, Debug)]
pub(crate) struct OrderHops {
    pub(crate) orders: Mailbox<ClipOrder>,
    pub(crate) done: Mailbox<String>,
}

impl OrderHops {
    /// As many as the ring itself holds: what it is behind is seen before anything is let go.
    pub(crate) fn new(ledger: &Ledger) -> Self {
        let (orders, done) =
            (ledger.hop("-", hops::CLIP_ORDERS), ledger.hop("-", hops::CLIPS_DONE));
        Self {
            orders: Mailbox::new(MAX_PENDING, WhenFull::DropNewest, orders),
            done: Mailbox::new(MAX_PENDING, WhenFull::DropNewest, done),
        }
    }
}
