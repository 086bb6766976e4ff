//! The claim file: how an unclaimed box learns where to ask, and as whom (TOML, on a USB stick).
//!
//! ```toml
//! broker = "mqtts://192.168.1.10:8883"
//! made = "2026-11-29T09:00:00Z"      # it is later than this
//! after_reading = "keep"             # or "wipe": the file is removed once the box keeps it
//! ca = """-----BEGIN CERTIFICATE-----…"""
//! certificate = """…"""              # or username and password
//! key = """…"""
//! ```

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::claim::words::{Hidden, Roots, url};
use crate::config::Broker;
use crate::media::{BoxName, Foreign, UtcTime};

/// Where and as whom an unclaimed box asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Where to ask.
    #[serde(with = "url")]
    pub broker: Broker,
    /// PEM of the authorities that sign the broker's certificate, and ours.
    pub ca: Option<Roots>,
    /// User of the claim.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Hidden>,
    /// PEM of the claim's certificate and key.
    pub client: Option<(String, Hidden)>,
    /// Nanoseconds of UTC that the present must be later than.
    pub made: Option<i64>,
    /// SHA-256 of the file, in hexadecimal digits: one that was used is not used again.
    pub digest: String,
    /// The box's own name where it asks as itself: a rotation.
    pub own: Option<BoxName>,
}

/// What becomes of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterReading {
    /// It stays, for the next box.
    #[default]
    Keep,
    /// It is removed once the box keeps what it says.
    Wipe,
}

/// Why a claim file is of no use. Nothing of its contents is repeated: it holds keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum ContactError {
    #[error("it is not text in UTF-8")]
    NotText,
    #[error("{0}")]
    Form(Foreign),
    #[error("line {line}: `broker` {problem}")]
    Broker { line: usize, problem: &'static str },
    #[error("`made` is no time: write, for example, made = \"2026-11-29T09:00:00Z\"")]
    Made,
    #[error("write both `certificate` and `key`, or neither")]
    HalfAPair,
    #[error("`password` needs a `username` beside it")]
    NoUser,
    #[error("`{0}` needs TLS: write mqtts:// in `broker`, or leave it out")]
    NeedsTls(&'static str),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    broker: toml::Spanned<String>,
    ca: Option<String>,
    username: Option<String>,
    password: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    made: Option<String>,
    #[serde(default)]
    after_reading: AfterReading,
}

impl Contact {
    /// Reads a claim file.
    ///
    /// # Errors
    /// [`ContactError`], without the file's contents.
    pub fn read(bytes: &[u8]) -> Result<(Self, AfterReading), ContactError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ContactError::NotText)?;
        let line = |at: usize| 1 + text.bytes().take(at).filter(|c| *c == b'\n').count();
        let raw: Raw = toml::from_str(text).map_err(|error| {
            // The parser's text may quote a key that is a secret written in the wrong place.
            let at = error.span().map_or(1, |span| line(span.start));
            let kind = if error.message().starts_with("missing field `broker`") {
                "has no `broker`: write, for example, broker = \"mqtts://192.168.1.10:8883\""
            } else if error.message().starts_with("unknown field") {
                "has a key that is none of broker, ca, username, password, certificate, key, made, after_reading"
            } else {
                "is no TOML of the expected form"
            };
            ContactError::Form(Foreign::text(format_args!("line {at} {kind}")))
        })?;
        let at = line(raw.broker.span().start);
        let broker = Broker::parse(raw.broker.get_ref())
            .map_err(|problem| ContactError::Broker { line: at, problem })?;
        let client = match (raw.certificate, raw.key) {
            (Some(chain), Some(key)) => Some((chain, Hidden::new(&key))),
            (None, None) => None,
            _ => return Err(ContactError::HalfAPair),
        };
        if raw.password.is_some() && raw.username.is_none() {
            return Err(ContactError::NoUser);
        }
        if !broker.tls {
            let given = [(raw.ca.is_some(), "ca"), (client.is_some(), "certificate")];
            if let Some((_, key)) = given.iter().find(|(given, _)| *given) {
                return Err(ContactError::NeedsTls(key));
            }
        }
        let made = match raw.made {
            Some(text) => {
                let read =
                    OffsetDateTime::parse(&text, &Rfc3339).map_err(|_| ContactError::Made)?;
                let nanos = i64::try_from(read.unix_timestamp_nanos());
                Some(nanos.map_err(|_| ContactError::Made)?)
            }
            None => None,
        };
        let contact = Self {
            broker,
            ca: raw.ca.map(Roots),
            username: raw.username,
            password: raw.password.as_deref().map(Hidden::new),
            client,
            made,
            digest: digest(bytes),
            own: None,
        };
        Ok((contact, raw.after_reading))
    }

    /// True if both were given out by one owner: they stand on the same root.
    pub(super) fn same_owner(&self, other: &Self) -> bool {
        let root = |contact: &Self| contact.ca.as_ref().map(|ca| ca.0.trim().to_owned());
        root(self) == root(other)
    }

    /// The present is later than this.
    #[must_use]
    pub fn made(&self) -> Option<UtcTime> {
        self.made.map(UtcTime::from_nanos)
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Contact::read(text.as_bytes()).expect_err("refused").to_string()
    }

    #[test]
    fn a_claim_file_is_read() {
        let text = "broker = \"mqtts://10.0.0.1\"\nmade = \"2026-11-29T09:00:00Z\"\n\
                    after_reading = \"wipe\"\nca = \"pem\"\ncertificate = \"pem\"\nkey = \"secret\"\n";
        let (contact, after) = Contact::read(text.as_bytes()).expect("read");
        assert_eq!(contact.broker.url(), "mqtts://10.0.0.1:8883");
        assert_eq!(after, AfterReading::Wipe);
        assert_eq!(contact.made, Some(1_795_942_800_000_000_000));
        assert!(!format!("{contact:?}").contains("secret"));
    }

    #[test]
    fn a_refusal_says_what_to_write_and_repeats_no_secret() {
        let secret = "hunter2-hunter2";
        for (text, expected) in [
            ("".to_owned(), "has no `broker`"),
            ("broker = \"http://x\"".to_owned(), "line 1: `broker` has a scheme"),
            (format!("broker = \"mqtt://x\"\n{secret} = 1"), "line 2 has a key that is none of"),
            (format!("broker = \"mqtt://x\"\npassword = \"{secret}\n"), "line 2 is no TOML"),
            (format!("broker = \"mqtt://x\"\npassword = \"{secret}\""), "needs a `username`"),
            (format!("broker = \"mqtts://x\"\nkey = \"{secret}\""), "or neither"),
            ("broker = \"mqtt://x\"\nca = \"x\"".to_owned(), "`ca` needs TLS"),
            ("broker = \"mqtt://x\"\nmade = \"today\"".to_owned(), "`made` is no time"),
        ] {
            let said = refusal(&text);
            assert!(said.contains(expected) && !said.contains(secret), "{text:?}: {said}");
        }
        assert!(Contact::read(b"\xff").is_err());
    }
}
