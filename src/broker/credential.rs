//! What shows who we are, and whom we trust.

use std::fmt;
use std::path::PathBuf;

use crate::config::Secret;

/// A password or PEM: in a file of the operator's, or held by us.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// Read at each connection.
    File(PathBuf),
    /// Of an identity that was claimed.
    Held(Secret),
}

impl Credential {
    /// Of a text that is held.
    #[must_use]
    pub fn held(text: &str) -> Self {
        Self::Held(Secret::new(text))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Held(_) => f.write_str("(held)"),
        }
    }
}
