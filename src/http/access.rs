//! Who may ask: the tokens of the roles, each in a file of ours.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::config::Secret;
use crate::disk::{RealDisk, Wrong, is_harm, no_text, own_secret, put_by};
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
    /// The order: the new one is on disk, then it holds. A cut while it is written leaves an empty file, which the
    /// next start puts aside, and makes one.
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
    /// A cut between making and writing leaves an empty file, which the next start puts aside as any that was emptied. A
    /// file that others may have written is no token: it is put aside, loudly, and a new one is made. So is one
    /// that the disk damaged: nobody could sign in with what stands there.
    fn open(file: &Path) -> Result<Self, HttpError> {
        let was_there = std::fs::symlink_metadata(file).is_ok();
        let mut opened = own(file)?;
        let mut bytes = Vec::new();
        let read = (&mut opened).take(4096).read_to_end(&mut bytes);
        let wrong = match &read {
            Ok(_) if bytes.is_empty() && !was_there => None,
            Ok(_) => wrong_with(&bytes).map(str::to_owned),
            Err(error) if is_harm(error) => Some(error.to_string()),
            Err(_) => None,
        };
        if let Some(why) = wrong {
            let harm = put_by(&RealDisk::new(), file, Wrong::Damaged(why));
            // What stays in its place is somebody's, whatever it is.
            harm.aside
                .ok_or_else(|| io::Error::other(harm.why))
                .map_err(failed("read the token in", file))?;
            tracing::error!(file = %file.display(), "a new token is made: the old one is none any more");
            opened = own(file)?;
            bytes.clear();
        } else {
            read.map_err(failed("read the token in", file))?;
        }
        // Anything else was put aside above.
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
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
    let token = with_sum(&hex(&bytes));
    file.write_all(format!("{token}\n").as_bytes())?;
    file.sync_all()?;
    Ok(token)
}

/// What begins a token that we made: then its end is a checksum.
const OURS: &str = "ct1-";
/// Hexadecimal digits of its random part, and of its checksum.
const DIGITS: usize = 64;
const SUM_DIGITS: usize = 8;

/// A token of ours: so a bit that turned on the disk is seen, and so is a typing error.
fn with_sum(digits: &str) -> String {
    format!("{OURS}{digits}{}", sum(digits))
}

fn sum(digits: &str) -> String {
    let hash = Sha256::digest(digits.as_bytes());
    hex(hash.get(..SUM_DIGITS / 2).unwrap_or_default())
}

/// Why nobody can have been given what stands in a token's file; `None` of a token that a person wrote, or an
/// earlier version made, which has no checksum.
fn wrong_with(bytes: &[u8]) -> Option<&'static str> {
    const CHANGED: &str = "it is not the token that was made";
    if let Some(why) = no_text(bytes) {
        return Some(why);
    }
    let token = std::str::from_utf8(bytes).ok()?.lines().next().unwrap_or_default().trim();
    let (ours, digits) = match token.split_at_checked(OURS.len()) {
        Some((begins, rest)) => (begins == OURS, rest),
        None => return Some("it is cut"),
    };
    let right = digits.split_at_checked(DIGITS).is_some_and(|(digits, end)| sum(digits) == end);
    match (ours, right) {
        (true, true) => None,
        // Its beginning or its end alone says that it is one of ours.
        (true, false) | (false, true) => Some(CHANGED),
        // Of an earlier version: it made digits alone.
        (false, false) if is_part_of_digits(token) => Some("it is cut"),
        (false, false) => None,
    }
}

/// True for what a cut leaves of the digits that earlier versions made, and nobody would choose.
fn is_part_of_digits(token: &str) -> bool {
    token.len() < TOKEN_LEAST_CHARS && token.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_damage_of_a_token_is_seen_and_what_people_wrote_is_taken() {
        let token = with_sum(&"0123456789abcdef".repeat(4));
        let file = format!("{token}\n").into_bytes();
        assert_eq!(wrong_with(&file), None);
        for at in 0..token.len() {
            for bit in 0..8 {
                let mut turned = file.clone();
                turned[at] ^= 1 << bit;
                assert!(wrong_with(&turned).is_some(), "bit {bit} of {at}");
            }
            assert!(wrong_with(&file[..at]).is_some(), "cut at {at}");
        }
        assert!(wrong_with(&vec![0; file.len()]).is_some());
        for theirs in ["correct horse battery", "x-token-of-a-person\n", &"af".repeat(32)] {
            assert_eq!(wrong_with(theirs.as_bytes()), None, "{theirs}");
        }
        // Too short, and no hexadecimal digits: refused in its own words.
        assert_eq!(wrong_with(b"somebody's"), None);
    }

    #[test]
    fn a_damaged_token_is_put_aside_and_another_is_made() {
        let dir = tempfile::tempdir().expect("a folder");
        let (disk, file) = (RealDisk::new(), dir.path().join("token"));
        drop(Token::open(&file).expect("made"));
        let whole = crate::disk::read_whole(&disk, &file, 999).expect("there");
        let mut turned = whole.clone();
        turned[20] ^= 1;
        let noise: Vec<u8> = (0..whole.len()).map(|n| (n * 151 % 251) as u8).collect();
        let half = whole[..whole.len() / 2].to_vec();
        let forms = [vec![0; whole.len()], turned, noise, half, Vec::new(), b"\n".to_vec()];
        for (n, damaged) in forms.into_iter().enumerate() {
            crate::disk::write_durably(&disk, &file, &damaged).expect("written");
            let made = Token::open(&file).expect("another one");
            let again = Token::open(&file).expect("read");
            assert!(again.is(made.0.expose()), "it stays");
            let names = crate::disk::Disk::names(&disk, dir.path()).expect("listed");
            let aside = names.iter().filter(|name| name.starts_with("token.damaged-"));
            assert_eq!(aside.count(), n + 1, "{names:?}");
        }
    }
}
