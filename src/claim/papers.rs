//! What a claim writes to disk and sends: one form each, JSON.

use std::fmt;

use rustls::pki_types::CertificateSigningRequestDer;
use rustls::pki_types::pem::PemObject;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::claim::contact::Contact;
use crate::claim::words::{Hidden, Roots, Serial, Trouble};
use crate::config::Broker;
use crate::media::{BoxName, Foreign};

/// Version of every form here.
pub(super) const VERSION: u32 = 1;

/// Random bytes that are written in hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Random<const N: usize>([u8; N]);

/// Names an attempt.
pub type RequestId = Random<16>;
/// Ties an answer to its request.
pub type Nonce = Random<32>;

impl<const N: usize> Random<N> {
    /// The system's own.
    pub(super) fn fresh() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; N];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; N];
        if text.len() != 2 * N || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl<const N: usize> fmt::Display for Random<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Random<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> Serialize for Random<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Random<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("not {} hexadecimal digits", 2 * N)))
    }
}

/// The same, where there may be none.
mod maybe_url {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::claim::words::url;
    use crate::config::Broker;

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(
        broker: &Option<Broker>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        broker.as_ref().map(Broker::url).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Broker>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| url::parse(&text)).transpose()
    }
}

/// What a box asks for: `claim/{serial}/req`. The same bytes until it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// [`VERSION`].
    pub v: u32,
    /// Names the attempt.
    pub request: RequestId,
    /// Comes back in the answer.
    pub nonce: Nonce,
    /// The box.
    pub serial: Serial,
    /// PEM of the signing request.
    pub csr: String,
    /// The program's version.
    pub version: String,
    /// What the machine calls itself, for the person who decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<Foreign>,
}

impl Request {
    /// SHA-256 of the signing request, its first 16 bytes: what a person compares at the box and on
    /// the laptop. `None` where it is no PEM.
    #[must_use]
    pub fn fingerprint(&self) -> Option<String> {
        fingerprint(&self.csr)
    }
}

/// As [`Request::fingerprint`], of the PEM itself.
#[must_use]
pub fn fingerprint(csr: &str) -> Option<String> {
    let der = CertificateSigningRequestDer::from_pem_slice(csr.as_bytes()).ok()?;
    let digest = Sha256::digest(&der);
    let pairs = digest.chunks(2).take(8);
    let groups: Vec<String> =
        pairs.map(|two| two.iter().map(|b| format!("{b:02x}")).collect()).collect();
    Some(groups.join(" "))
}

/// The technician's answer: `claim/{serial}/res`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// [`VERSION`].
    pub v: u32,
    /// The attempt that is answered …
    pub request: RequestId,
    /// … and its nonce.
    pub nonce: Nonce,
    /// Yes, or no.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Yes, or no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The identity.
    Grant(Box<Grant>),
    /// Why not.
    Refused {
        /// In a code and in words.
        #[serde(flatten)]
        trouble: Trouble,
        /// Ask again after so long, s.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_s: Option<u32>,
    },
}

/// What the technician gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The box's name from now on.
    pub name: BoxName,
    /// PEM of the certificate chain, ours first; absent where a password is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// Where to go with it; the claim file's broker, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "maybe_url")]
    pub broker: Option<Broker>,
    /// PEM of the authorities of that broker; the claim file's, if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<Roots>,
    /// User there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Hidden>,
}

impl Grant {
    /// A name, and nothing yet by which a broker would know who has it.
    #[must_use]
    pub const fn to(name: BoxName) -> Self {
        Self { name, chain: None, broker: None, ca: None, username: None, password: None }
    }
}

/// One attempt to become somebody, and once it is committed the identity itself: a file.
///
/// One form for both, so that the commit is one rename of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// [`VERSION`].
    pub v: u32,
    /// Names it.
    pub request: RequestId,
    /// Its nonce.
    pub nonce: Nonce,
    /// The box.
    pub serial: Serial,
    /// PEM of our private key.
    pub key: Hidden,
    /// PEM of our signing request.
    pub csr: String,
    /// Where and as whom it asks.
    pub contact: Contact,
    /// It was asked at least once, or is about to be.
    pub asked: bool,
    /// What was given.
    pub grant: Option<Grant>,
}

impl Attempt {
    /// The request, as bytes that never change while version and machine do not.
    pub(super) fn request(&self, version: &str, hardware: Option<&Foreign>) -> Request {
        Request {
            v: VERSION,
            request: self.request,
            nonce: self.nonce,
            serial: self.serial.clone(),
            csr: self.csr.clone(),
            version: version.to_owned(),
            hardware: hardware.cloned(),
        }
    }

    /// Who the box is with it; `None` before it was granted.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        let grant = self.grant.as_ref()?;
        Some(Identity {
            name: grant.name.clone(),
            broker: grant.broker.clone().unwrap_or_else(|| self.contact.broker.clone()),
            ca: grant.ca.clone().or_else(|| self.contact.ca.clone()),
            client: grant.chain.clone().map(|chain| (chain, self.key.clone())),
            username: grant.username.clone(),
            password: grant.password.clone(),
            serial: self.serial.clone(),
            request: self.request,
        })
    }
}

/// Who a box is, and where it goes with that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub name: BoxName,
    /// Its broker.
    pub broker: Broker,
    /// PEM of the broker's authorities; the system's, if absent.
    pub ca: Option<Roots>,
    /// PEM of its certificate chain and of its key.
    pub client: Option<(String, Hidden)>,
    /// User at the broker.
    pub username: Option<String>,
    /// Password there.
    pub password: Option<Hidden>,
    /// The box.
    pub serial: Serial,
    /// The attempt that it came of.
    pub request: RequestId,
}

impl Identity {
    /// Where a box asks that is somebody already: with its own identity.
    #[must_use]
    pub fn contact(&self) -> Contact {
        Contact {
            broker: self.broker.clone(),
            ca: self.ca.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
            client: self.client.clone(),
            made: None,
            digest: String::new(),
            own: Some(self.name.clone()),
        }
    }
}

/// What a box tells of its claim: `claim/trial` and `claim/committed` under its new name, and
/// `claim/{serial}/req` where it is in trouble.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// [`VERSION`].
    pub v: u32,
    /// The attempt.
    pub request: RequestId,
    /// Its nonce.
    pub nonce: Nonce,
    /// The box.
    pub serial: Serial,
    /// What is wrong, where something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
}

/// JSON of one of the forms. They are ours and always have one.
pub(super) fn json<T: Serialize>(paper: &T) -> Vec<u8> {
    serde_json::to_vec(paper).unwrap_or_default()
}

/// Reads one of the forms.
///
/// # Errors
/// What is wrong with it, without repeating what stands there.
pub(super) fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Foreign> {
    serde_json::from_slice(bytes).map_err(|error| {
        Foreign::text(format_args!(
            "line {}, column {}: not as expected",
            error.line(),
            error.column()
        ))
    })
}
