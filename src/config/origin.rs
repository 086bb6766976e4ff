//! Where a text comes from: what its paths mean, and how the secrets that it names are read.

use std::io;
use std::path::{Component, Path, PathBuf};

use toml::Spanned;

use crate::config::fault::Findings;
use crate::config::secret::Secret;
use crate::disk::{Unfit, read_regular_text};

/// More than any configuration or secret; what is longer was not meant.
const FILE_MOST_BYTES: u64 = 1 << 20;
/// More than any password; tokens that stand in for one take a few thousand.
const SECRET_MOST_BYTES: usize = 16 << 10;

/// Where a text comes from, and how to reach what it names.
pub struct Origin<'a> {
    /// The file; paths in it are taken from its folder.
    pub file: &'a Path,
    /// `$CREDENTIALS_DIRECTORY`, where systemd puts secrets.
    pub credentials: Option<&'a Path>,
    /// The host's name, for a box without one.
    pub hostname: Option<&'a str>,
    /// Reads a file of secrets.
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
}

impl Origin<'_> {
    /// A path of the file, taken from the file's own folder.
    pub(super) fn resolved(&self, path: &Path) -> PathBuf {
        self.file.parent().unwrap_or_else(|| Path::new("")).join(path)
    }

    /// The same, but a bare name that systemd has a credential for means the credential.
    pub(super) fn credential(&self, path: &Path) -> PathBuf {
        let mut parts = path.components();
        let bare = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
        match self.credentials.map(|folder| folder.join(path)) {
            Some(credential) if bare && (self.read)(&credential).is_ok() => credential,
            _ => self.resolved(path),
        }
    }

    /// The first line of a file of secrets.
    pub(super) fn secret(
        &self,
        written: &Spanned<PathBuf>,
        findings: &mut Findings<'_>,
    ) -> Option<Secret> {
        let path = self.credential(written.get_ref());
        findings.secret_in(&path);
        let problem = match (self.read)(&path) {
            Ok(text) => match text.lines().next().unwrap_or_default().trim_end() {
                "" => "it is empty: write the secret on its first line".to_owned(),
                long if long.len() > SECRET_MOST_BYTES => {
                    format!(
                        "its first line is longer than {SECRET_MOST_BYTES} bytes: is it the file?"
                    )
                }
                secret => return Some(Secret::new(secret)),
            },
            Err(error) if Unfit::of(&error).is_some() => error.to_string(),
            Err(error) => format!("{error}: make it, readable by the user that we run as"),
        };
        findings.fault(
            written.span(),
            format!("cannot take the secret from {}: {problem}", path.display()),
        );
        None
    }
}

/// Reads a text file, up to a bound: a path may name anything.
pub(super) fn read_bounded(path: &Path) -> io::Result<String> {
    read_regular_text(path, FILE_MOST_BYTES)
}
