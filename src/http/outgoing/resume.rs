//! How a file comes over connections that end anywhere: what to ask for, and what an answer means (pure).
//!
//! ```text
//!  nothing yet ── GET ──► 200: from the first byte on
//!  some bytes ── GET, Range, If-Range ──► 206 from there on · 200: it changed, from the first byte on
//! ```
//! What is there is only believed as far as the record says ([`Have`]), and the record is written after the
//! bytes are on the disk: so a cut at any byte costs what was not yet a block. Whether it is all one file says
//! its SHA-256 at the end, whatever a server said on the way.

use serde::{Deserialize, Serialize};

/// Bytes that are made durable together: a cut costs at most so many again.
pub(crate) const BLOCK: usize = 1 << 20;
/// Characters of an ETag or a date that are kept; a longer one is none.
const MOST_VALIDATOR: usize = 256;

/// What is on the disk of one file, and of which version of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Have {
    /// What was asked for, so that another file is not gone on with.
    pub(crate) of: String,
    /// The server's word for this version of it: a strong ETag, or its date.
    pub(crate) validator: Option<String>,
    /// Its length.
    pub(crate) total: Option<u64>,
    /// Bytes that are durable.
    pub(crate) bytes: u64,
}

/// What is asked of a server beside the address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ask {
    /// `Range: bytes=N-`.
    pub(crate) from: Option<u64>,
    /// `If-Range`.
    pub(crate) if_range: Option<String>,
}

/// The head of an answer, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) length: Option<u64>,
    pub(crate) content_range: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) modified: Option<String>,
    pub(crate) location: Option<String>,
}

/// What is done with the bytes that follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// They go on where the record ends.
    GoOn,
    /// They are the file from its first byte on.
    Anew,
    /// None are wanted: it is all here.
    Complete,
    /// They are at another address.
    Elsewhere(String),
}

/// Why there is nothing to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It may go better soon.
    Later(String),
    /// It will not.
    Never(String),
    /// What is here belongs to no file that the server has: begin with nothing.
    Discard,
}

impl Have {
    /// What to ask for. `hashed`: its SHA-256 is known before, so that even without the server's word the
    /// end will show whether it was one file.
    pub(crate) fn ask(&self, hashed: bool) -> Ask {
        if self.bytes == 0 || (self.validator.is_none() && !hashed) {
            return Ask::default();
        }
        Ask { from: Some(self.bytes), if_range: self.validator.clone() }
    }

    /// What to do with an answer; the record is as it must be written before the first byte is.
    pub(crate) fn answered(&mut self, head: &Head, most: u64) -> Result<Plan, Wrong> {
        match head.status {
            200 => {
                fits(head.length, most)?;
                let of = std::mem::take(&mut self.of);
                *self = Self { of, validator: head.validator(), total: head.length, bytes: 0 };
                Ok(Plan::Anew)
            }
            206 => {
                let (from, total) = head.range().ok_or(Wrong::Discard)?;
                fits(total, most)?;
                let other = |mine: &Option<_>, theirs: &Option<_>| {
                    mine.is_some() && theirs.is_some() && mine != theirs
                };
                if from != self.bytes
                    || other(
                        &self.total.map(|total| total.to_string()),
                        &total.map(|t| t.to_string()),
                    )
                    || other(&self.validator, &head.validator())
                {
                    return Err(Wrong::Discard);
                }
                self.total = self.total.or(total);
                self.validator = self.validator.take().or_else(|| head.validator());
                Ok(Plan::GoOn)
            }
            // All of it was here already, or what is here is of another file.
            416 if self.total == Some(self.bytes) => Ok(Plan::Complete),
            416 => Err(Wrong::Discard),
            301 | 302 | 303 | 307 | 308 => match &head.location {
                Some(location) => Ok(Plan::Elsewhere(location.clone())),
                None => {
                    Err(Wrong::Never(format!("it sends on ({}) and says not where", head.status)))
                }
            },
            408 | 425 | 429 | 500..=599 => {
                Err(Wrong::Later(format!("the server says {}", head.status)))
            }
            401 | 403 => Err(Wrong::Never(format!(
                "the server says {}: it wants a password, or the address has expired; ask for a new one",
                head.status
            ))),
            404 | 410 => Err(Wrong::Never(format!(
                "the server says {}: there is no such file; correct the address",
                head.status
            ))),
            status => Err(Wrong::Never(format!("the server says {status}"))),
        }
    }
}

fn fits(length: Option<u64>, most: u64) -> Result<(), Wrong> {
    match length {
        Some(length) if length > most => Err(Wrong::Never(too_long(length, most))),
        _ => Ok(()),
    }
}

pub(crate) fn too_long(length: u64, most: u64) -> String {
    format!("it has {length} bytes, and a box takes at most {most}")
}

impl Head {
    /// What tells this version of the file from others: an ETag that is not weak, else its date.
    fn validator(&self) -> Option<String> {
        let strong = self.etag.as_ref().filter(|etag| etag.starts_with('"'));
        strong.or(self.modified.as_ref()).filter(|word| word.len() <= MOST_VALIDATOR).cloned()
    }

    /// `bytes FIRST-LAST/TOTAL`: where it begins, and how long the whole file is.
    fn range(&self) -> Option<(u64, Option<u64>)> {
        let (range, total) =
            self.content_range.as_ref()?.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let total = match total {
            "*" => None,
            total => Some(total.parse::<u64>().ok()?),
        };
        (first <= last && total.is_none_or(|total| last < total)).then_some((first, total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u64 = 1_000;

    fn head(status: u16) -> Head {
        Head { status, ..Head::default() }
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn half() -> Have {
        Have { of: "x".to_owned(), validator: some("\"v1\""), total: Some(100), bytes: 50 }
    }

    fn on(range: &str) -> Head {
        Head { content_range: some(range), etag: some("\"v1\""), ..head(206) }
    }

    #[test]
    fn what_is_asked_for_is_what_lacks_of_the_same_version() {
        assert_eq!(Have::default().ask(true), Ask::default());
        assert_eq!(half().ask(false), Ask { from: Some(50), if_range: some("\"v1\"") });
        let nameless = Have { validator: None, ..half() };
        // Only a hash that is known before can tell two versions apart then.
        assert_eq!(nameless.ask(false), Ask::default());
        assert_eq!(nameless.ask(true), Ask { from: Some(50), if_range: None });
    }

    #[test]
    fn an_answer_goes_on_begins_anew_or_is_discarded() {
        let rows: Vec<(Head, Result<Plan, Wrong>)> = vec![
            (on("bytes 50-99/100"), Ok(Plan::GoOn)),
            (on("bytes 50-99/*"), Ok(Plan::GoOn)),
            (on("bytes 49-99/100"), Err(Wrong::Discard)),
            (on("bytes 50-98/101"), Err(Wrong::Discard)),
            (on("bytes 50-100/100"), Err(Wrong::Discard)),
            (on("bytes 60-50/100"), Err(Wrong::Discard)),
            (on("pages 1-2/3"), Err(Wrong::Discard)),
            (Head { content_range: None, ..on("") }, Err(Wrong::Discard)),
            (Head { etag: some("\"v2\""), ..on("bytes 50-99/100") }, Err(Wrong::Discard)),
            (Head { length: Some(80), ..head(200) }, Ok(Plan::Anew)),
            (head(416), Err(Wrong::Discard)),
            (Head { location: some("/b"), ..head(302) }, Ok(Plan::Elsewhere("/b".to_owned()))),
        ];
        for (head, expected) in rows {
            let mut have = half();
            assert_eq!(have.answered(&head, MOST), expected, "{head:?}");
            if expected == Ok(Plan::Anew) {
                let anew = Have { of: "x".to_owned(), total: Some(80), ..Have::default() };
                assert_eq!(have, anew, "nothing counts before the first byte is written over");
            }
        }
        let mut whole = Have { bytes: 100, ..half() };
        assert_eq!(whole.answered(&head(416), MOST), Ok(Plan::Complete));
        for status in [408, 429, 500, 503] {
            assert!(matches!(half().answered(&head(status), MOST), Err(Wrong::Later(_))));
        }
        for status in [204, 302, 400, 401, 403, 404, 410, 418] {
            assert!(matches!(half().answered(&head(status), MOST), Err(Wrong::Never(_))));
        }
    }

    #[test]
    fn what_is_too_long_is_not_begun_and_without_the_bound_it_is() {
        let long = Head { length: Some(MOST + 1), ..head(200) };
        assert!(matches!(half().answered(&long, MOST), Err(Wrong::Never(_))));
        assert_eq!(half().answered(&long, u64::MAX), Ok(Plan::Anew));
        let on = on("bytes 50-99/1001");
        assert!(matches!(Have { total: None, ..half() }.answered(&on, MOST), Err(Wrong::Never(_))));
    }

    #[test]
    fn a_weak_word_tells_no_versions_apart() {
        let rows = [
            (some("\"a\""), some("Sun"), some("\"a\"")),
            (some("W/\"a\""), some("Sun"), some("Sun")),
            (some("W/\"a\""), None, None),
            (None, Some("x".repeat(1_000)), None),
        ];
        for (etag, modified, expected) in rows {
            assert_eq!(Head { etag, modified, ..head(200) }.validator(), expected);
        }
    }
}
