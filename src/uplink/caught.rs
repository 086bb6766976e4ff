//! What redb may do to us. Its pages are believed by their kind and counts: one that was zeroed, or
//! whose bits turned on the disk, ends in an assertion of its own instead of an error. A damaged file must never
//! end a thread of ours, so whatever touches a database runs in here.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work`; a panic in it comes back as what it said.
///
/// What `work` was about to change in a database must be given up after that: opened again, or put aside.
///
/// # Errors
/// [`Panicked`].
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Panicked { said: text.unwrap_or_else(|| "no word".to_owned()) }
    })
}

/// A database came upon what cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the database came upon what cannot be: {said}")]
pub struct Panicked {
    /// Its own words.
    pub said: String,
}
