//! Which boxes are pulled, and what they are shown.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::disk::read_regular_text;
use crate::tools::client::Origin;

/// A token is one line.
const TOKEN_MOST_BYTES: u64 = 4096;
/// A thousand boxes with long paths.
const BOXES_MOST_BYTES: u64 = 1 << 20;

/// A box that is pulled.
#[derive(Clone, Debug)]
pub(super) struct Pulled {
    /// As it was written.
    pub(super) url: String,
    pub(super) origin: Origin,
    pub(super) token: Option<String>,
    /// The one that it shows.
    pub(super) certificate: Option<PathBuf>,
}

impl Pulled {
    /// Reads the token.
    ///
    /// # Errors
    /// No address, or no token there.
    pub(super) fn of(
        url: &str,
        token_file: Option<&Path>,
        certificate: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let origin = Origin::of(url)
            .with_context(|| format!("`{url}` is no address of a box: write http://HOST:PORT"))?;
        let token = match token_file {
            Some(file) => {
                let text = read_regular_text(file, TOKEN_MOST_BYTES)
                    .with_context(|| format!("read the token in {}", file.display()))?;
                text.lines().next().map(|line| line.trim().to_owned())
            }
            None => None,
        };
        Ok(Self { url: url.to_owned(), origin, token, certificate: certificate.map(Into::into) })
    }
}

/// Reads a file of boxes. Empty lines and those that begin with `#` are passed over.
///
/// # Errors
/// The line that cannot be read.
pub(super) fn read_boxes(file: &Path) -> anyhow::Result<Vec<Pulled>> {
    let text = read_regular_text(file, BOXES_MOST_BYTES)
        .with_context(|| format!("read the boxes in {}", file.display()))?;
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut boxes = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = || format!("{}:{number}", file.display());
        let words: Vec<&str> = line.split_whitespace().collect();
        let beside = |word: Option<&&str>| word.map(|word| folder.join(word));
        let [url, rest @ ..] = words.as_slice() else { continue };
        if rest.len() > 2 {
            bail!("{}: write URL, and where wanted TOKEN_FILE and CERT_FILE", at());
        }
        let (token, certificate) = (beside(rest.first()), beside(rest.get(1)));
        let one = Pulled::of(url, token.as_deref(), certificate.as_deref());
        boxes.push(one.with_context(at)?);
    }
    Ok(boxes)
}
