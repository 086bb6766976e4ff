//! From answers to facts: one final per attempt, the score, and what is worth watching again.
//!
//! ```text
//! answers ─→ umpire ──────→ play ─input→ book (fold) ─→ Decided { entry, events } ─→ outbox
//!            a rim each:      │            shot → highlight, score
//!            `attempt`        └ calibrate (what rims teach)
//! ```
//! **Who decides that an attempt is over: `attempt::step`**, a pure function of one picture after
//! another; its drawing says when. All else follows:
//!
//! - `play`: [`Game`], one court's. `umpire`: its rims and sessions; which attempt an answer belongs to.
//! - `input`: what a game is made of: calls of models, corrections, verdicts, ends of streams.
//! - `book`: the fold. It numbers and words facts, and revises what stands on what (`shot`,
//!   `highlight`, `score`; `said`: the words on a shot, and why one is refused). What an operator said is never overruled by a machine.
//! - `log`: what is kept of each input; `resume`: how a start goes on from that, or from what a
//!   version without a log left. `games`: the record of games, whatever courts they span. `rules`: the rules of
//!   a game, as data. `sheet`: a game that was started: score, momentum, highlights and all that stands on
//!   shots, as one fold over the courts that it spans.
//! - `calibrate`, `learning`: what the rims of a court taught it, from finals and from verdicts. A
//!   verdict teaches and changes nothing that was told; a correction changes.
//! - `second`: who looks again at finals, and finals that wait for his word.
//! - `jury`: what other models would have called, and how each does.
//! - `player`: the thread; `keeper`: calibrations on disk. All others are pure: no clock, no I/O; the
//!   same answers and the same session give the same events, byte for byte (DESIGN §5.5).
//! - `sheet`: a game that was started, as a fold over the shots of its courts; `rules`: what a shot is worth,
//!   `rulebook`: rules by name, ours and a venue's.
//!   `table`: those that are played, one mutex each; `tap`: what people say of a court's shots, `people`: who hears that.
//! - `replay`: recorded answers and corrections through all of it.

mod attempt;
mod umpire;
pub mod input;
mod shot;
mod highlight;
mod score;
mod said;
pub mod book;
pub mod log;
pub mod games;
pub mod rules;
pub mod rulebook;
pub mod sheet;
mod resume;
pub mod calibrate;
mod learning;
pub mod second;
mod play;
pub mod table;
pub mod tap;
pub mod people;
pub(crate) mod jury;
pub(crate) mod player;
pub(crate) mod keeper;
pub mod replay;

pub use crate::game::learning::News;
pub use crate::game::play::Game;
pub use crate::game::resume::{Recovered, resume};

/// The formats of the game's stores that this version writes, by name.
pub const FORMATS: [(&str, u32); 1] = [("calibrations", calibrate::KEPT_FORMAT.format)];
