//! Who may ask, and the token that stands in a file of ours.

use std::io::{self, Read, Write};
use std::path::Path;

use crate::config::Secret;
use crate::disk::own_secret;
use crate::http::error::HttpError;

/// A token that somebody wrote must not be shorter.
const TOKEN_LEAST_CHARS: usize = 16;

/// Who may ask.
#[derive(Clone)]
pub enum Access {
    /// Who has the token.
    Token(Token),
    /// Everybody who can reach us, by an address or `localhost` alone, so that no web site can
    /// point a name of its own at us. For `demo` on loopback.
    Open,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(hidden)",
            Self::Open => "Open",
        })
    }
}

/// The token of this box.
#[derive(Clone)]
pub struct Token(Secret);

impl Token {
    /// Reads the token, or makes one of 256 bits in a file that only we can read.
    ///
    /// A cut between making and writing leaves an empty file, which is written at the next start. A
    /// file that others may have written is no token: it is put aside, loudly, and a new one is made.
    ///
    /// # Errors
    /// [`HttpError::Token`], [`HttpError::WeakToken`].
    pub fn open(file: &Path) -> Result<Self, HttpError> {
        let failed = |what| move |source| HttpError::Token { what, file: file.to_owned(), source };
        let (mut opened, told) = own_secret(file).map_err(failed("open the token in"))?;
        if let Some(told) = told {
            tracing::error!("{told}");
        }
        let mut text = String::new();
        (&mut opened).take(4096).read_to_string(&mut text).map_err(failed("read the token in"))?;
        let written = text.lines().next().unwrap_or_default().trim();
        if written.is_empty() {
            let made = make(&mut opened).map_err(failed("write a token to"))?;
            return Ok(Self::new(&made));
        }
        if written.len() < TOKEN_LEAST_CHARS {
            return Err(HttpError::WeakToken { file: file.to_owned() });
        }
        Ok(Self::new(written))
    }

    /// Takes a token that is known already.
    #[must_use]
    pub fn new(token: &str) -> Self {
        Self(Secret::new(token))
    }

    /// True for the token itself, blanks round it aside.
    pub(super) fn is(&self, offered: &str) -> bool {
        self.0.matches(offered.trim().as_bytes())
    }
}

fn make(file: &mut std::fs::File) -> io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let token = hex(&bytes);
    file.write_all(format!("{token}\n").as_bytes())?;
    file.sync_all()?;
    Ok(token)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
