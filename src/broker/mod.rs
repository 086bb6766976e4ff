//! How a broker is reached: where it is, whom it must be, as whom we come, and what a refusal means.
//!
//! In: an [`Access`]. Out: the library's options for one connection, with passwords and certificates
//! read anew, since they may have been replaced since; and of an error, whose fault it is.
//! Who connects then, and what is said, is the business of `uplink` (events, for ever) and `claim` (a
//! question, once).
//!
//! Read `credential` (who we are), `access` (where and as whom), `tls` (whom it trusts), `prompt` (why PUBACKs come at once),
//! `reason` (what each reason code of the standard means, and what to do), `certificate` (what TLS found
//! wrong), `odd` (what a broker may not do), `trouble` (what an error of the library means, in words).

mod credential;
mod access;
mod tls;
mod prompt;
mod certificate;
mod odd;
pub mod reason;
mod trouble;

pub use crate::broker::access::{Access, CONNECT_PATIENCE, SetupError, options};
pub use crate::broker::credential::Credential;
pub(crate) use crate::broker::tls::said_of;
pub use crate::broker::tls::{TlsError, client};
pub use crate::broker::trouble::{Step, Trail, Trouble};
