//! Who may ask: the tokens of the roles, each in a file of ours.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::config::Secret;
use crate::disk::own_secret;
use crate::event::command::Role;
use crate::http::ending::End;
use crate::http::error::HttpError;

/// A token that somebody wrote must not be shorter.
const TOKEN_LEAST_CHARS: usize = 16;

/// Who may ask.
#[derive(Clone)]
pub enum Access {
    /// Who has a token.
    Tokens(Tokens),
    /// Everybody who can reach us, by an address or `localhost` alone, so that no web site can
    /// point a name of its own at us. For `demo` on loopback.
    Open,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tokens(_) => "Tokens(hidden)",
            Self::Open => "Open",
        })
    }
}

/// The tokens of this box, one a role. Clones are the same ones, also when they are made anew.
#[derive(Clone)]
pub struct Tokens(Arc<Kept>);

struct Kept {
    // Held for one look, and for the line that puts a new token in.
    tokens: Mutex<Vec<Entry>>,
    // Held while one is made, so that file and memory have the same. Before `tokens`.
    renewing: Mutex<()>,
    /// How often each role's token was made anew, as [`Role::ALL`] has them.
    made: watch::Sender<[u64; 3]>,
}

struct Entry {
    role: Role,
    token: Token,
    file: Option<PathBuf>,
}

/// A token that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) role: Role,
    /// Which of the role's tokens it was: what was opened with an older one has ended.
    pub(super) made: u64,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(hidden)")
    }
}

impl Tokens {
    /// Reads each role's token, or makes it.
    ///
    /// A box is a box without viewers and operators: where only their file cannot be had (a folder that
    /// is not ours to write), nobody signs in as that, and the log says so.
    ///
    /// # Errors
    /// [`HttpError::Token`], [`HttpError::WeakToken`] of the technician's; [`HttpError::SameToken`] of
    /// any two.
    pub fn open(files: impl IntoIterator<Item = (Role, PathBuf)>) -> Result<Self, HttpError> {
        let mut entries = Vec::new();
        for (role, file) in files {
            match Token::open(&file) {
                Ok(token) => entries.push(Entry { role, token, file: Some(file) }),
                Err(error) if role < Role::Technician => {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%role, %error, ?source, "nobody can sign in with this role");
                }
                Err(error) => return Err(error),
            }
        }
        for (n, one) in entries.iter().enumerate() {
            let same = |other: &&Entry| other.token.is(one.token.0.expose());
            if let Some(other) = entries.iter().skip(n + 1).find(same) {
                let file = one.file.clone().unwrap_or_default();
                return Err(HttpError::SameToken { file, one: one.role, other: other.role });
            }
        }
        Ok(Self::with(entries))
    }

    /// Takes tokens that are known already.
    #[must_use]
    pub fn known<const N: usize>(tokens: [(Role, &str); N]) -> Self {
        let entry = |(role, token)| Entry { role, token: Token::new(token), file: None };
        Self::with(tokens.map(entry).into())
    }

    fn with(entries: Vec<Entry>) -> Self {
        let (tokens, made) = (Mutex::new(entries), watch::Sender::new([0; 3]));
        Self(Arc::new(Kept { tokens, renewing: Mutex::default(), made }))
    }

    /// Makes a role's token anew, in its file, which is given back; what was let in by the old one ends.
    ///
    /// The order: the new one is on disk, then it holds. A cut while it is written leaves an empty file, for
    /// which the next start makes one.
    ///
    /// # Errors
    /// [`HttpError::Token`]: the old one holds, for its file is not ours to write; [`HttpError::NoToken`]:
    /// the role has none.
    pub fn renew(&self, role: Role) -> Result<PathBuf, HttpError> {
        let _alone = self.0.renewing.lock();
        let its = |entry: &Entry| (entry.role == role).then(|| entry.file.clone()).flatten();
        let file = self.0.tokens.lock().iter().find_map(its);
        let file = file.ok_or(HttpError::NoToken { role })?;
        let token = Token::renew(&file)?;
        for entry in self.0.tokens.lock().iter_mut().filter(|entry| entry.role == role) {
            entry.token = token.clone();
        }
        self.0.made.send_modify(|made| {
            if let Some(count) = made.get_mut(role as usize) {
                *count += 1;
            }
        });
        Ok(file)
    }

    /// Whose token this is, if it is one. Takes the same time whichever it is: all are looked at.
    pub(super) fn find(&self, offered: &str) -> Option<Shown> {
        let tokens = self.0.tokens.lock();
        let mut found = None;
        for entry in &*tokens {
            if entry.token.is(offered) {
                found = Some(entry.role);
            }
        }
        found.map(|role| Shown { role, made: self.made(role) })
    }

    /// True while the role's token is still the one that was shown.
    pub(super) fn holds(&self, shown: Shown) -> bool {
        self.made(shown.role) == shown.made
    }

    /// Resolves once the token that was shown is none any more.
    pub(super) fn renewed(&self, shown: Shown) -> End {
        let mut made = self.0.made.subscribe();
        Box::pin(async move {
            let other = |made: &[u64; 3]| made.get(shown.role as usize) != Some(&shown.made);
            if made.wait_for(other).await.is_err() {
                // Nobody is left who could make one.
                std::future::pending::<()>().await;
            }
        })
    }

    fn made(&self, role: Role) -> u64 {
        self.0.made.borrow().get(role as usize).copied().unwrap_or_default()
    }
}

/// A token.
#[derive(Clone)]
struct Token(Secret);

impl Token {
    /// Reads the token, or makes one of 256 bits in a file that only we can read.
    ///
    /// A cut between making and writing leaves an empty file, which is written at the next start. A
    /// file that others may have written is no token: it is put aside, loudly, and a new one is made.
    fn open(file: &Path) -> Result<Self, HttpError> {
        let mut opened = own(file)?;
        let mut text = String::new();
        (&mut opened)
            .take(4096)
            .read_to_string(&mut text)
            .map_err(failed("read the token in", file))?;
        let written = text.lines().next().unwrap_or_default().trim();
        if written.is_empty() {
            let made = make(&mut opened).map_err(failed("write a token to", file))?;
            return Ok(Self::new(&made));
        }
        if written.len() < TOKEN_LEAST_CHARS {
            return Err(HttpError::WeakToken { file: file.to_owned() });
        }
        Ok(Self::new(written))
    }

    /// Makes another one, in its file.
    fn renew(file: &Path) -> Result<Self, HttpError> {
        let mut opened = own(file)?;
        let made = opened.set_len(0).and_then(|()| make(&mut opened));
        Ok(Self::new(&made.map_err(failed("write a token to", file))?))
    }

    fn new(token: &str) -> Self {
        Self(Secret::new(token))
    }

    /// True for the token itself, blanks round it aside.
    fn is(&self, offered: &str) -> bool {
        self.0.matches(offered.trim().as_bytes())
    }
}

fn failed(what: &'static str, file: &Path) -> impl FnOnce(io::Error) -> HttpError {
    let file = file.to_owned();
    move |source| HttpError::Token { what, file, source }
}

fn own(file: &Path) -> Result<File, HttpError> {
    let (opened, told) = own_secret(file).map_err(failed("open the token in", file))?;
    if let Some(told) = told {
        tracing::error!("{told}");
    }
    Ok(opened)
}

fn make(file: &mut File) -> io::Result<String> {
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
