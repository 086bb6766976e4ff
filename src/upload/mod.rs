//! Clips to object storage, for a box that nobody can reach: it PUTs them to addresses that the cloud signs.
//!
//! ```text
//! clip_upload ─order→ uploads ─→ run: hash ─→ machine: part n ─→ send: PUT ─→ answer ─→ record (uploads/{name}.json)
//!                        ↑ give (clip_upload_urls)    ↑ needs ↓        ↑ guest: how fast
//!                        └────────────────────────────┴── the cloud ───┘
//! ```
//! In: an order, and addresses as they are asked for. Out: objects in a storage, and what the cloud completes and
//! compares them with. Owns `{data_dir}/uploads/`. Read `order` (what is asked, checked), `record` (what survives a
//! cut), `answer` (what a storage means), `machine` (the steps), `guest` (how much of the uplink), all pure but for
//! the disk of `record`; `footage` is what it asks of its box; then `send` (one part over one connection), `uploads`
//! (who runs, and at what pace) and `run` (one from its order to its end).
//!
//! What holds: an ETag is on disk before the next part goes; a cut costs one part at most, sent again; what is not
//! the clip's hash is never whole at the storage; a clip's bytes stay while they are sent; no address is told or
//! written; no redirect is followed; while a game runs nothing goes, unless it was asked for so.
//!
//! Deliberately absent: keys to a storage, and CompleteMultipartUpload. The cloud has those.

mod order;
mod record;
mod answer;
mod machine;
mod guest;
mod footage;
mod send;
mod uploads;
mod run;

pub use crate::upload::footage::{Before, ClipFacts, Footage, Kept, NoFootage, Reads, Venue};
pub use crate::upload::guest::{Guest, GuestTerms};
pub use crate::upload::order::{Order, read_time};
pub use crate::upload::record::UPLOAD_FORMAT;
pub use crate::upload::uploads::{Hears, NotUploaded, UploadParts, UploadSettings, Uploads};

#[cfg(test)]
mod tests;
