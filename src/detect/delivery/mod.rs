//! How a parcel comes to this box, and what lies here: fetched, checked, kept, handed to the swap.
//!
//! In: an order ([`InstallOrder`](crate::event::models::InstallOrder)). Out: a file
//! `{data_dir}/models/NAME@VERSION.parcel`, which `loaded` finds by that name, and a swap to it. What is
//! checked is `parcel`'s; here are the network, the disk and the order of steps:
//!
//! ```text
//!  fetch ──► {models}/.part, a MiB at a time ──► sha256 ──► accept ──► rename to its name ──► tidy ──► swap
//! ```
//! A cut at any of them leaves what was there before, and the same order once more goes on from it. `address`
//! is pure; `http::outgoing` fetches the file, `store` is what is here, `install` the steps.

mod address;
mod install;
mod store;

pub use crate::detect::delivery::install::{
    InstallRefused, Installer, InstallerParts, looks_right,
};
pub use crate::detect::delivery::store::{BoxKeys, Parcels, Stored};

#[cfg(test)]
mod tests;
