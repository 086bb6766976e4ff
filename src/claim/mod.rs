//! How a box becomes somebody: from a file on a USB stick to an identity at a broker (DESIGN §4.5).
//!
//! ```text
//! FACTORY ─file found→ KEYED ─asked→ REQUESTED ─granted→ ISSUED ─connected→ TRIAL ─PUBACK→ COMMITTED
//!    ↑ key, CSR, nonce made  │ same request       │ checked: nonce,    │ with the new      │ one rename;
//!    └── and on disk         └ again after 30 s   └ key, root, name    └ identity          └ told after it
//! ```
//! In: [`Contact`]s (claim files), what the broker sends. Out: an [`Identity`], requests, reports.
//! Owns `{data_dir}/identity/`.
//!
//! Read `words` (names, codes, what is secret), `papers` (what is written on disk and sent),
//! `contact` (the file on the stick), `steps` and `machine` (what comes next; pure), `judge` (what a grant must
//! be), `der` (what certificates say), `keys` (made on the box, never leaves it), `store` (what is on
//! disk before anything is sent), `stick` (where claim files are found), `link` (the shell: does what the
//! machine wants), `serial` (what the maker calls the box) and `hardware` (what the machine
//! calls itself). The technician's side: `authority` (signs), `grants` (who gets
//! what; pure).
//!
//! What holds: nothing is sent that is not on disk; a request is the same bytes until it is
//! answered; the old identity is untouched until the new one was acknowledged by its broker; the
//! commit is one rename, after which nothing goes back; reporting is no part of it.

mod words;
mod papers;
mod contact;
mod der;
mod keys;
mod judge;
mod steps;
mod machine;
mod store;
mod stick;
mod link;
mod serial;
mod hardware;
mod authority;
mod grants;
#[cfg(test)]
#[path = "field/tests.rs"]
mod field;
#[cfg(test)]
mod tests;

pub use crate::claim::authority::{
    AUTHORITY_LASTS, Authority, AuthorityError, Described, Ended, Signed, describe,
};
pub use crate::claim::contact::{AfterReading, Contact, ContactError};
pub use crate::claim::der::ends;
pub use crate::claim::grants::{Decision, Granted, Policy, decide, refusal};
pub use crate::claim::hardware::describe as describe_hardware;
pub use crate::claim::keys::{KeyError, Keys};
pub use crate::claim::link::{Claim, Desk, Parts};
pub use crate::claim::machine::Machine;
pub use crate::claim::papers::{
    Answer, Attempt, Grant, Identity, Nonce, Random, Report, Request, RequestId, Verdict,
    fingerprint,
};
pub use crate::claim::serial::{NoSerial, find as find_serial};
pub use crate::claim::steps::{Limits, Login, Seen, Stage, Told, Want};
pub use crate::claim::store::{Held, Store, StoreError, is_claimed};
pub use crate::claim::words::{
    CLAIM_USER, Code, Hidden, OFFICE_USER, OPERATOR_USER, RESERVED_NAMES, Roots, Serial,
    SerialError, TECHNICIAN_USER, Trouble, VIEWER_USER, reserved,
};
