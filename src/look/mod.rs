//! The second look: a hosted model is asked about attempts that are worth it, and may say otherwise (DESIGN §4.10).
//!
//! ```text
//! pictures ─hop→ watch ─crops→ ┐
//! finals of games ───────────→ desk ─→ choose ─→ sheet (JPEG) ─→ money ─→ ask ─HTTPS→ a server of one of three shapes
//!                              └──────────────── told: made, missed, or nothing ←── contract ←── shape ←┘
//! ```
//! In: pictures by a hop of its own, finals, disagreements of models. Out: what was seen, to a [`HearsLook`]; the
//! game makes of it a correction (`by = look`) or, of a final that waited, the final. On disk: what was spent
//! (`look.json`), and nothing else: **crops live in memory for four seconds and leave it only as one contact sheet,
//! only where the venue has switched it on**, to the one address of the manifest.
//!
//! | where is … | in |
//! | --- | --- |
//! | what a manifest must say, and why it is refused | `manifest`; where it lies, and its key: `found` |
//! | what is asked, and what counts as an answer | `contract` |
//! | how each vendor is written to and read | `shape` |
//! | what it may cost | `money`; over a restart: `store` |
//! | when nobody is asked, since nobody answers | `breaker` |
//! | which attempts are asked | `choose` |
//! | which pixels, and how they leave | `crops`, `sheet`; their thread `watch` |
//! | what goes wrong on the way | `ask`, `count` |
//!
//! `contract shape money breaker choose crops sheet manifest count` are pure; `store ask watch desk found` are the
//! shells. Failures: a server that is slow, hangs, refuses, limits, lies or talks leaves the local call as it is, at
//! the worst price; its test is `desk/tests.rs`, by a server that does each, and `tests/scenarios/look.rs`, the whole
//! box. Deliberately absent: asking again about the same attempt, and a cloud's batch interfaces.

mod choose;
mod money;
mod breaker;
mod contract;
pub mod shape;
mod crops;
mod sheet;
mod manifest;
mod count;
mod store;
mod ask;
mod found;
mod desk;
mod watch;

pub use crate::look::ask::{Asked, Ready};
pub use crate::look::choose::{Call, Role, asked};
pub use crate::look::contract::{PROMPT, hash, schema};
pub use crate::look::crops::{Crop, Crops};
pub use crate::look::desk::{Attempt, HearsLook, Look, LookMeters, LookParts, Seen};
pub use crate::look::found::{NoKey, NoLook, find, key};
pub use crate::look::manifest::{Hosted, HostedRefused, is_hosted};
pub use crate::look::money::{Cost, Money, Price, Tokens};
pub(crate) use crate::look::money::{Purse, day_of};
pub use crate::look::sheet::{ACROSS, draw};
pub use crate::look::watch::start;

/// Pictures a second that it wants: of 16 on a sheet some three show the ball at the ring.
pub const RATES: [f64; 2] = [10.0, 16.0];
/// Pictures of a court that may wait for it.
pub const QUEUE: usize = 4;
