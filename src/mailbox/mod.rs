//! Bounded hops between stages, and the ledger that they keep (DESIGN §2).
//!
//! Every hop is a [`Mailbox`] (things), a [`UnitMailbox`] (a stream's items, bounded by stream time,
//! losing whole runs up to the next key frame) or a [`FrameMailbox`] (decoded pictures of several
//! courts for one model, each court losing its own oldest). Offering never waits, but from game to
//! outbox, which loses nothing ([`Mailbox::offer_waiting`]). Taking waits on a condition, from a
//! thread ([`Mailbox::take`]) or a task ([`Mailbox::taken`]). A reader that waits with nothing to do
//! says so ([`Rest`]), and [`Ledger::awake`] names the others: a test knows by that when a box is
//! quiet. `waker`s wake readers on a clock that was moved by hand. `hop`, `units` and `frames` are
//! the three kinds, `ledger` what each counts, `rest` who has run out of work, `bell` what wakes one
//! thread that reads several. The law `offered = taken + dropped(reason) + waiting` holds whenever a
//! hop's lock is free.

mod rest;
mod bell;
mod hop;
mod ledger;
pub mod hops;
mod units;
mod frames;

pub use crate::mailbox::bell::Bell;
pub use crate::mailbox::frames::{FrameItem, FrameMailbox};
pub use crate::mailbox::hop::{Mailbox, Take, WhenFull};
pub use crate::mailbox::ledger::{DropReason, HopCount, HopId, Ledger, Tally};
pub use crate::mailbox::rest::Rest;
pub use crate::mailbox::units::UnitMailbox;
