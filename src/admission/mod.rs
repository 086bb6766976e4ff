//! Who may come in, at every door alike: seats, answers to secrets, and what hostile peers may make us say.
//!
//! In: connections, secrets that were shown, refusals, each with its peer's address. Out: who must go, when
//! an answer may be given, what is told. Owns nothing on disk. One [`Admission`] serves the whole box, so
//! that who guesses stream keys is known where tokens are asked for.
//!
//! Peers are told apart by [`Prefix`]. A prefix is *proven* once it published pictures or signed in: it has
//! seats that only such prefixes take, and a stream key that it showed before is answered at once, whatever
//! is guessed from there. Everybody else shares:
//!
//! - **Being taken in** (`crowd`, `porch`): where more knock than a box takes in, those that knock all the time
//!   wait in turn (`anteroom`) before anything is made for them, or are turned away, so that nobody waits behind them.
//! - **Seats** (`seats`): a newcomer always gets one. Who goes for it is of the prefix with the most
//!   connections and the most recent refusals, and there the one that moved least lately: a flood ends
//!   itself, and a slow camera stays, from its own address or from the flood's.
//! - **Those that showed a secret** (`members`): how many are answered at once, of an address and in all; beyond, the
//!   next question is told to come later. Who rests counts apart.
//! - **Answers** (`core`, `room`): a wrong secret takes a token from its prefix and from the box when it is
//!   *decided*, so hanging up saves nothing. Without tokens right and wrong answers wait alike, and so few
//!   may wait at a time that waiting patiently buys no more guesses than hanging up. One that finds no place
//!   is not answered at all. One of its last wrong secrets again is no guess: that is a camera with a typing error.
//! - **Lines and faults** (`lines`, `told`): the log has a budget by prefix, so that nobody hides behind
//!   somebody else; who guesses is told in words until it ends.
//!
//! Read `prefix`, `limits` (every bound, and why), `bucket`, `known` (what is remembered, bounded), `crowd`, `anteroom`, `seats`,
//! `members` (those that showed a secret), `room`, `lines`, `told`, `core` (all of them joined; pure), then `shared` (lock, clock, waking) and `porch` (listeners).

mod prefix;
mod limits;
mod bucket;
mod known;
mod crowd;
mod anteroom;
mod seats;
mod members;
mod room;
mod lines;
mod told;
mod core;
mod shared;
mod porch;

pub use crate::admission::core::{Answered, Ask};
pub use crate::admission::limits::{CrowdLimits, DoorLimits, Limits, Rate, WhoGoes};
pub use crate::admission::lines::About;
pub use crate::admission::members::Full;
pub use crate::admission::porch::{OpenPorch, Porch};
pub use crate::admission::prefix::Prefix;
pub use crate::admission::shared::{Admission, Seat, digest};
pub use crate::admission::told::{AdmissionCounts, Door, Reason};
