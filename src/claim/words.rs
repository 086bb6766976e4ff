//! The words of a claim: serial numbers, codes of what went wrong, what must not be shown.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::media::{BoxName, Foreign};

/// Names that no box may have: their topics and users belong to the claim itself. So do all others that
/// begin with `courtside-`.
pub const RESERVED_NAMES: &[&str] =
    &["claim", CLAIM_USER, TECHNICIAN_USER, OFFICE_USER, OPERATOR_USER, VIEWER_USER];
/// Whoever has a claim file is this user of the broker.
pub const CLAIM_USER: &str = "courtside-claim";
/// The technician's side.
pub const TECHNICIAN_USER: &str = "courtside-technician";
/// A back office: hears what boxes tell, commands them, configures them.
pub const OFFICE_USER: &str = "courtside-office";
/// Hears boxes, and has them do what an operator may.
pub const OPERATOR_USER: &str = "courtside-operator";
/// Hears boxes.
pub const VIEWER_USER: &str = "courtside-viewer";

/// True of a name that no box may have.
#[must_use]
pub fn reserved(name: &BoxName) -> bool {
    name.as_str() == "claim" || name.as_str().starts_with("courtside-")
}

/// A serial number is not of the form that topics and file names can carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no serial number: use 1 to 64 of A-Z, a-z, 0-9, '-', '_' and '.', not a '.' at the beginning"
)]
pub struct SerialError(pub Foreign);

/// What the maker calls a box: 1 to 64 of `A-Z a-z 0-9 - _ .`, no '.' at the beginning.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Serial(Arc<str>);

impl Serial {
    /// Checks a serial number.
    ///
    /// # Errors
    /// [`SerialError`] when it is of another form.
    pub fn new(text: &str) -> Result<Self, SerialError> {
        let good = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
        let fits = (1..=64).contains(&text.len()) && !text.starts_with('.');
        if fits && text.bytes().all(good) {
            Ok(Self(text.into()))
        } else {
            Err(SerialError(Foreign::name(text)))
        }
    }

    /// The serial number.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Serial {
    type Error = SerialError;
    fn try_from(text: String) -> Result<Self, SerialError> {
        Self::new(&text)
    }
}

impl From<Serial> for String {
    fn from(serial: Serial) -> Self {
        serial.0.as_ref().to_owned()
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key or password: written to the box's own files, and shown nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(Box<str>);

impl Hidden {
    /// Takes a secret in.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Self(value.into())
    }

    /// The secret itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// PEM of authorities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roots(pub String);

/// A broker's address, written as in the configuration.
pub(super) mod url {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::config::Broker;

    pub(in crate::claim) fn serialize<S: Serializer>(
        broker: &Broker,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&broker.url())
    }

    pub(in crate::claim) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Broker, D::Error> {
        parse(&String::deserialize(deserializer)?)
    }

    pub(in crate::claim) fn parse<E: de::Error>(text: &str) -> Result<Broker, E> {
        Broker::parse(text).map_err(|problem| E::custom(format_args!("`broker` {problem}")))
    }
}

/// What went wrong, as box and technician call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// No key could be made.
    EKeygen,
    /// The disk does not keep what must be kept before it is sent.
    EStore,
    /// The claim file cannot be read.
    EContact,
    /// The claim file is of another owner than the box.
    EOtherOwner,
    /// The broker of the claim file is not reached.
    EUnreachable,
    /// A certificate is not valid by this clock.
    EClock,
    /// The broker does not take the claim credential.
    EClaimAuth,
    /// Nobody answers the request.
    ENoAnswer,
    /// The technician's side does not know the serial number.
    EUnknownSerial,
    /// The serial number has an identity already.
    EAlreadyClaimed,
    /// The name is another box's.
    ENameTaken,
    /// The request or its CSR cannot be read.
    ECsr,
    /// A person has not said yes yet.
    ENotApproved,
    /// Asked too often.
    ERate,
    /// The answer is to another request: a repeat of an old one.
    ENonce,
    /// The answer cannot be read.
    EAnswer,
    /// The certificate is not of this box's key.
    ECertMismatch,
    /// The certificate does not stand on the root of the claim file.
    EChain,
    /// The name is none, or reserved, or not the certificate's.
    EName,
    /// The new identity's broker refuses it.
    EIdentityRefused,
}

impl Code {
    /// What to do about it.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::EKeygen => "restart the box; if it stays, its system gives no randomness",
            Self::EStore => "look at the disk of `box.data_dir`: full, read-only or worn out",
            Self::EContact => "write the claim file anew with `courtside provision request`",
            Self::EOtherOwner => {
                "use its owner's file; or take the box back: stop it, remove `identity` in `box.data_dir`, start it"
            }
            Self::EUnreachable => {
                "look at cable, network and the broker's address in the claim file"
            }
            Self::EClock => {
                "set the box's clock (NTP), or write the claim file anew: its date helps"
            }
            Self::EClaimAuth => {
                "write the claim file anew with `courtside provision request`: it has ended, or was revoked"
            }
            Self::ENoAnswer => "start `courtside provision grant` on the technician's side",
            Self::EUnknownSerial => {
                "grant it with `--serial` and `--name`, or put it on the `--list`"
            }
            Self::EAlreadyClaimed => "grant it with `--again` if the box was wiped or replaced",
            Self::ENameTaken => "grant it under another `--name`",
            Self::ECsr => "box and technician's side are of versions that differ: update one",
            Self::ENotApproved => "approve the box on the technician's side",
            Self::ERate => "wait",
            Self::ENonce | Self::EAnswer => "somebody else answers: look at the broker's rights",
            Self::ECertMismatch => "nothing: the box asks anew with another key",
            Self::EChain => "grant with the authority whose certificate is in the claim file",
            Self::EName => "grant under a name of a-z, 0-9 and '-' that is not reserved",
            Self::EIdentityRefused => "look at the broker's log, its users and its ACL",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What went wrong, in a code for programs and in words for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Which.
    pub code: Code,
    /// What was seen.
    pub text: Foreign,
}

impl Trouble {
    pub(super) fn new(code: Code, text: impl fmt::Display) -> Self {
        Self { code, text: Foreign::text(text) }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.code, self.text, self.code.advice())
    }
}
