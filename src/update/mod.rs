//! The update of the whole box: a signed bundle into the other slot, a trial, and a way back.
//!
//! ```text
//!  system_update ─→ desk (the daemon, unprivileged): fetch ─→ sheet ─→ ask.json ─────────────┐
//!                    ↑ status.json                               trial.json ─┐               ▼
//!  root: keeper, run by `courtside update serve` and `good`  ←───────────────┴─ copy, sheet again, rauc, restart
//! ```
//! In: an order, what root's part tells, what the box can show of itself. Out: a slot that runs and has shown that it
//! works, or the slot before with the reason. Owns `{data_dir}/update/` (the daemon) and `update.folder` (root).
//!
//! Read `sheet` (what is signed, pure), `papers` (the files between the two), `steps` (the daemon's steps, pure),
//! `keeper` (root's, pure), then the shells: `work` and `desk` (the daemon), `root` and `programs` (root).
//!
//! What holds (`tests`: cuts at every operation, over a firmware as edk2-nvidia has it): something always boots; a slot
//! that is half-written is never active and never marked good; good is only what showed all of [`Shown`]; each record
//! is on disk before what it announces is done, and that can be done twice. When it fails: a bundle that is refused is
//! let go and told; a cut is the same step again; a slot that does not show itself good in time, or is started too
//! often, gives way to the one before. Of everything else on the data partition nothing is touched.
//!
//! Deliberately absent: knowledge of boot loaders. RAUC's backend has that (design/update.md).

mod sheet;
mod papers;
mod steps;
mod keeper;
mod work;
mod desk;
mod root;
mod programs;

pub use crate::update::desk::{Desk, DeskParts, Refused as OrderRefused, Venue, looks_right};
pub use crate::update::keeper::Rules;
pub use crate::update::papers::{Kept, Phase, Shown, Slot, Status, UPDATE_FORMAT, read_status};
pub use crate::update::programs::Programs;
pub use crate::update::root::{Looked, Machine, MachineError, Root, RootParts, SlotFacts, Slots};
pub use crate::update::sheet::{Sheet, hashes, keys_in};

#[cfg(test)]
mod tests;
