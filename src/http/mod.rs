//! The server shell: who may ask, how long they may take, and how refusals look.
//!
//! Knows no stage: a stage that serves has its own routes, `app` joins them and hands them to
//! [`Server::serve`]. Read `error`, `rules` (who may ask for what), `access` (who is who: the tokens), `sessions` (browsers that signed in, pure),
//! `door` (both, and the cookie), `back` (where a sign-in leads), `sign_in` (the ways in and out), `admit` (each request), `ending` (what
//! ends with a session), `host` and `origin` (what a browser or a proxy may be led to send), `problem`
//! (RFC 9457), `tls`, `listener`, `standing` and `guard` (seats, and limits on slow peers), `shares` (what one
//! guest may have at once; `held` gives it back), `serving` (what all
//! listeners have in common), `local` (the socket of this machine, at which `doctor` asks),
//! `server` (all of it, bound). `outgoing` is the other way: what the box asks of others.

mod error;
mod rules;
mod ending;
mod access;
mod sessions;
mod door;
mod back;
mod sign_in;
mod admit;
mod host;
mod origin;
mod problem;
mod tls;
mod listener;
mod standing;
mod guard;
mod held;
mod shares;
mod serving;
mod local;
mod server;
pub mod outgoing;

pub use crate::http::access::{Access, Tokens};
pub use crate::http::error::HttpError;
pub use crate::http::local::{Local, local_sockets};
pub use crate::http::problem::Problem;
#[cfg(test)]
pub(crate) use crate::http::rules::refused;
pub use crate::http::rules::{Keys, RULES, Rule};
pub use crate::http::server::{Server, Terms};
pub use crate::http::sessions::SessionLimits;
pub use crate::http::shares::{ShareLimits, at_most};
pub use crate::http::tls::server_config;

#[cfg(test)]
mod tests;
