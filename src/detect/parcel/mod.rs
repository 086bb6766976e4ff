//! A bundle as one file that may come from anywhere: packed, signed, and refused before it is loaded.
//!
//! In: bytes ([`Source`]) and what the box knows ([`Rules`]). Out: who the model is and where in the file
//! its parts lie, or the reason in words ([`Refused`]). Nothing is unpacked: an installed parcel stays the
//! file that was checked. All of it is pure; folders and networks are others' affair.
//!
//! `container` is the file's form (signed by `crate::minisign`), `accept` the rules in
//! their order, `refused` every refusal, `folder` what is packed, `seal` (with `bech32`) a cover that some
//! boxes open. Signed is the manifest, which names the SHA-256 of every other
//! file; what of the container is neither manifest, signature nor such a file has one form only. So
//! there is no byte that can be changed unseen.

mod accept;
mod bech32;
mod container;
mod folder;
mod refused;
mod seal;
mod source;

pub use crate::detect::parcel::accept::{Accepted, Installed, Rules, accept};
pub use crate::detect::parcel::container::{Parcel, Part, pack};
pub use crate::detect::parcel::folder::Folder;
pub use crate::detect::parcel::refused::Refused;
pub use crate::detect::parcel::seal::{BoxKey, MOST_BOXES, Opened, Recipient, is_sealed, seal};
pub use crate::detect::parcel::source::Source;
pub use crate::minisign::{
    KeyError, KeyId, PublicKey, SIGNATURE_FILE, SecretKey, Version, trusted_comment,
};

#[cfg(test)]
mod tests;
