//! What is heard of a hall: how loud its crowd is, and where a whistle blows. Pure: samples in, facts out.
//!
//! In: 16 kHz mono with the stream's own time of the first sample. Out: [`Whistle`]s as they end, and the crowd's
//! jump after a moment when somebody asks for it. Owns nothing on disk, no clock, no thread; the same samples give
//! the same facts, however they are cut. A gap in the times begins everything but the crowd's memory anew.
//!
//! Read `spectrum` (the transform), `front` (what the net is given of a hop), `net`, `whistle` (hops → whistles),
//! `crowd` (dB over the median of 30 s), `air` (sound's own delay), `ear` (all of it joined).
//!
//! Deliberately absent: nobody decodes sound for it yet, and no game hears it (issue 23, deliverable 5).

mod spectrum;
mod front;
mod net;
mod whistle;
mod crowd;
mod air;
mod ear;

pub use crate::hear::air::{Air, Coding};
pub use crate::hear::crowd::{Crowd, Jump};
pub use crate::hear::ear::{Ear, RATE};
pub use crate::hear::front::{Front, HOP, Hop};
pub use crate::hear::net::{Net, NetRefused};
pub use crate::hear::whistle::{Whistle, Whistles};
