//! RTMP in, access units out: one listener for all courts, one publisher a court.
//!
//! In: connections of publishers (RTMP, RTMPS). Out: [`StreamItem`](crate::media::StreamItem)s in
//! order per court, to a [`UnitSink`] that never blocks. Owns no files.
//! Read [`rtmp`](crate::rtmp) first (the protocol, pure: bytes in, messages out), then
//! `budget`, `surfaces`, `segments` and `flow` (what a publisher may cost here and on a GPU, how often, and how much, pure), `refused` (why
//! none goes on), `records`, `pace`, `sound`, `video` and `joining` (sound's and pictures' own words, whether times are what they say, which messages are one picture, pure), `stream` (messages → access
//! units with unwrapped times, pure), `meter` (what is measured of a stream, pure), `strays` (who publishes
//! with wrong keys, pure), `comings` and `pauses` (who comes and goes, or stops and goes on, again and again, pure), `courts` (who holds a court,
//! pure but for its lock), then `server` (the only I/O).
//!
//! A publisher can never take the process down, stall another court or grow memory past its bound
//! (DESIGN §5.1): every limit is a named constant beside the code that holds it.

mod budget;
mod surfaces;
mod segments;
mod flow;
mod meter;
mod strays;
mod comings;
mod pauses;
mod courts;
mod server;
mod refused;
mod records;
mod pace;
mod sound;
mod video;
mod joining;
mod stream;
#[cfg(test)]
mod captures;
#[cfg(test)]
mod sessions;

pub use crate::ingest::budget::{BoxMemory, Budget};
pub use crate::ingest::courts::{CourtKey, CourtStatus, StreamKey, UnitSink, wrong_app};
pub use crate::ingest::flow::FlowLimits;
pub use crate::ingest::refused::MediaRefused;
pub use crate::ingest::segments::SegmentLimits;
pub use crate::ingest::server::{Ingest, IngestCounts, IngestError, IngestHandle, IngestSettings};
pub use crate::ingest::strays::{Astray, Spoke};
pub use crate::ingest::stream::StreamAssembler;
