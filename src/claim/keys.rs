//! The box's key pair, made on it, and the request that it signs.

use rcgen::{CertificateParams, DnType, KeyPair};

use crate::claim::papers::{Nonce, RequestId};
use crate::claim::words::{Hidden, Serial};

/// What an attempt begins with. The key never leaves the box.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Names the attempt.
    pub request: RequestId,
    /// 32 random bytes: what ties an answer to this request, and what makes a repeat one.
    pub nonce: Nonce,
    /// PEM of the private key (PKCS #8, ECDSA P-256).
    pub key: Hidden,
    /// PEM of the certificate signing request; its common name is the serial number.
    pub csr: String,
}

/// No key was made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
    /// The cryptography says no.
    #[error("make a key and its request")]
    Crypto(#[source] rcgen::Error),
}

impl Keys {
    /// Makes a key pair, a request for it, and a nonce, of the system's own randomness. Some
    /// milliseconds.
    ///
    /// # Errors
    /// [`KeyError`] when the system gives no randomness.
    pub fn make(serial: &Serial) -> Result<Self, KeyError> {
        let key = KeyPair::generate().map_err(KeyError::Crypto)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, serial.as_str());
        let csr = params.serialize_request(&key).and_then(|csr| csr.pem());
        let csr = csr.map_err(KeyError::Crypto)?;
        Ok(Self {
            request: RequestId::fresh().map_err(KeyError::Random)?,
            nonce: Nonce::fresh().map_err(KeyError::Random)?,
            key: Hidden::new(&key.serialize_pem()),
            csr,
        })
    }
}
