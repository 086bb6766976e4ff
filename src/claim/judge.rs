//! What an answer must be before anything of it is believed (pure; the cryptography is rustls's).

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::{default_provider, sign::any_supported_type};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, RootCertStore};

use crate::claim::der;
use crate::claim::papers::{Answer, Attempt, Grant, VERSION, Verdict, read};
use crate::claim::words::{Code, Trouble, reserved};
use crate::media::{Foreign, UtcTime};

/// A chain of a few certificates, and a sentence.
pub(super) const ANSWER_MOST_BYTES: usize = 64 << 10;

/// What an answer comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// It is good.
    Granted(Box<Grant>),
    /// It is no answer to us: as if it had not come, but told.
    PassedOver(Trouble),
    /// No, for now.
    Refused {
        /// Why.
        trouble: Trouble,
        /// Ask again after so long.
        retry_after: Option<Duration>,
    },
    /// Yes, but of no use: told to the technician's side, and asked for again.
    Useless(Trouble),
    /// Yes, but for another key or of another request: this attempt is given up.
    Void(Trouble),
}

/// Holds an answer against what was asked. `now` is what certificates' dates are held against.
pub(super) fn judge(bytes: &[u8], attempt: &Attempt, now: UtcTime) -> Judged {
    if bytes.len() > ANSWER_MOST_BYTES {
        let text = format_args!("an answer of {} bytes", bytes.len());
        return Judged::PassedOver(Trouble::new(Code::EAnswer, text));
    }
    let answer: Answer = match read(bytes) {
        Ok(answer) => answer,
        Err(why) => return Judged::PassedOver(Trouble::new(Code::EAnswer, why)),
    };
    if answer.v != VERSION {
        let text = format_args!("an answer of version {}", answer.v);
        return Judged::PassedOver(Trouble::new(Code::EAnswer, text));
    }
    if answer.request != attempt.request || answer.nonce != attempt.nonce {
        let text = format_args!("an answer to request {}", answer.request);
        return Judged::PassedOver(Trouble::new(Code::ENonce, text));
    }
    match answer.verdict {
        Verdict::Refused { trouble, retry_after_s } => {
            let retry_after = retry_after_s.map(|s| Duration::from_secs(s.into()));
            match trouble.code {
                Code::ECsr | Code::ECertMismatch => Judged::Void(trouble),
                _ => Judged::Refused { trouble, retry_after },
            }
        }
        Verdict::Grant(grant) => match check(&grant, attempt, now) {
            Ok(()) => Judged::Granted(grant),
            Err(trouble) if trouble.code == Code::ECertMismatch => Judged::Void(trouble),
            Err(trouble) => Judged::Useless(trouble),
        },
    }
}

/// A name, and a certificate that is ours by key, root, name and dates; or a password.
fn check(grant: &Grant, attempt: &Attempt, now: UtcTime) -> Result<(), Trouble> {
    let no = |code, text: &str| Err(Trouble::new(code, text));
    if reserved(&grant.name) {
        return no(Code::EName, &format!("`{}` is reserved", grant.name));
    }
    let broker = grant.broker.as_ref().unwrap_or(&attempt.contact.broker);
    let Some(chain) = &grant.chain else {
        return match (&grant.username, &grant.password) {
            (Some(_), Some(_)) => Ok(()),
            _ => no(Code::EAnswer, "a grant with neither certificate nor user and password"),
        };
    };
    if !broker.tls {
        return no(Code::EAnswer, "a certificate for a broker without TLS: mqtts:// is needed");
    }
    let chain = certificates(chain);
    let Some((ours, above)) = chain.split_first() else {
        return no(Code::EAnswer, "a grant with a chain of no certificate");
    };
    let key = PrivateKeyDer::from_pem_slice(attempt.key.expose().as_bytes())
        .map_err(|error| Trouble::new(Code::EKeygen, Foreign::error(&error)))?;
    let key = any_supported_type(&key)
        .map_err(|error| Trouble::new(Code::EKeygen, Foreign::error(&error)))?;
    if CertifiedKey::new(vec![ours.clone()], key).keys_match().is_err() {
        return no(Code::ECertMismatch, "the certificate is of another key");
    }
    let Some(ca) = &attempt.contact.ca else {
        return no(
            Code::EChain,
            "a certificate, and the claim file has no `ca` to hold it against",
        );
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(&ca.0));
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()))
            .build()
            .map_err(|error| Trouble::new(Code::EChain, Foreign::error(&error)))?;
    let seconds = u64::try_from(now.as_nanos()).unwrap_or(0) / 1_000_000_000;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    if let Err(error) = verifier.verify_client_cert(ours, above, now) {
        let code = match &error {
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
                | CertificateError::Expired
                | CertificateError::ExpiredContext { .. },
            ) => Code::EClock,
            _ => Code::EChain,
        };
        return Err(Trouble::new(code, Foreign::error(&error)));
    }
    match der::certificate(ours) {
        Some(read) if read.common_name == grant.name.as_str() => Ok(()),
        Some(read) => {
            let other = Foreign::name(read.common_name);
            no(Code::EName, &format!("`{}`, and the certificate says `{other}`", grant.name))
        }
        None => no(Code::EAnswer, "a certificate that cannot be read"),
    }
}

pub(super) fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok).collect()
}
