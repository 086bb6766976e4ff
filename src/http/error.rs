//! Why pages and clips cannot be served.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::event::command::Role;

/// Why pages and clips cannot be served.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum HttpError {
    /// Somebody else listens there, or the address is not ours.
    #[error("listen for HTTP on {address}: set another `http.listen`")]
    Bind { address: SocketAddr, source: io::Error },
    /// The socket of this machine cannot be had; the page is served all the same.
    #[error("listen at {} for `doctor`, which asks over HTTP now", path.display())]
    Local { path: PathBuf, source: io::Error },
    /// The token can neither be read nor made.
    #[error("{what} {}: set another `http.token_file`, or make its folder ours", file.display())]
    Token { what: &'static str, file: PathBuf, source: io::Error },
    /// Somebody wrote a token that can be guessed.
    #[error(
        "the token in {} is shorter than 16 characters: take the file away, and a new one is made",
        file.display()
    )]
    WeakToken { file: PathBuf },
    /// Who has one of them would have the other's role.
    #[error(
        "{one} and {other} have the same token, in {}: take that file away, and a new one is made",
        file.display()
    )]
    SameToken { file: PathBuf, one: Role, other: Role },
    /// There is none to make anew.
    #[error("the box has no token of the {role}: see its log for why, and start it again")]
    NoToken { role: Role },
    /// A certificate or its key is not what it should be.
    #[error("{what} {}: write the path of a PEM file that holds it", file.display())]
    Pem { what: &'static str, file: PathBuf, source: rustls::pki_types::pem::Error },
    /// Certificate and key do not fit each other, or are of a kind that we do not take.
    #[error("use the certificate {} with its key: give both of one pair", file.display())]
    Pair { file: PathBuf, source: rustls::Error },
}
