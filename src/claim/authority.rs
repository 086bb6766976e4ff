//! The technician's authority: signs the certificates of boxes, of the broker, and of the claim.

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, RevokedCertParams, SanType, SerialNumber,
    SignatureAlgorithm,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, alg_id};
use time::OffsetDateTime;

use crate::claim::der;
use crate::claim::words::Hidden;
use crate::media::{BoxName, Foreign, UtcTime};

/// Clocks of boxes differ; this much before now a certificate is valid already.
const BACKDATED: Duration = Duration::from_secs(24 * 3600);
/// An authority outlives the boxes that it names (chosen).
pub const AUTHORITY_LASTS: Duration = Duration::from_secs(20 * 365 * 24 * 3600);

/// Why something was not signed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Not what it should be.
    #[error("{0} cannot be read: make the authority anew with `courtside provision ca`")]
    Unreadable(&'static str),
    /// The request of a box.
    #[error("the signing request {0}")]
    Request(&'static str),
    /// A host that is neither name nor address.
    #[error("`{0}` is no host: write a name or an address")]
    Host(Foreign),
    /// The cryptography says no.
    #[error("sign a certificate")]
    Crypto(#[source] rcgen::Error),
}

/// What stands in a certificate that was given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Whose it is.
    pub name: Foreign,
    /// Its number, in hexadecimal digits.
    pub number: String,
    /// It is valid from then …
    pub from: UtcTime,
    /// … until then.
    pub until: UtcTime,
}

/// Reads the first certificate of a chain; `None` where there is none.
#[must_use]
pub fn describe(chain: &str) -> Option<Described> {
    let der = CertificateDer::from_pem_slice(chain.as_bytes()).ok()?;
    let read = der::certificate(&der)?;
    Some(Described {
        name: Foreign::name(read.common_name),
        number: read.serial.iter().map(|byte| format!("{byte:02x}")).collect(),
        from: read.not_before,
        until: read.not_after,
    })
}

/// A certificate that counts no more.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// PEM; the first certificate counts.
    pub chain: &'a str,
    /// Since then.
    pub at: UtcTime,
}

/// A certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: Hidden,
}

/// An authority.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// The public key of a request, whose own signature was good.
struct Requested {
    point: Vec<u8>,
}

impl PublicKeyData for Requested {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl Authority {
    /// Makes one.
    ///
    /// # Errors
    /// [`AuthorityError::Crypto`] when the system gives no randomness.
    pub fn make(name: &str, now: UtcTime) -> Result<Signed, AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Crypto)?;
        let mut params = authority_params(name);
        (params.not_before, params.not_after) = dates(now, AUTHORITY_LASTS);
        let made = params.self_signed(&key).map_err(AuthorityError::Crypto)?;
        Ok(Signed { certificate: made.pem(), key: Hidden::new(&key.serialize_pem()) })
    }

    /// Goes on with one that was made.
    ///
    /// # Errors
    /// [`AuthorityError::Unreadable`].
    pub fn load(certificate: &str, key: &str) -> Result<Self, AuthorityError> {
        const CERTIFICATE: AuthorityError =
            AuthorityError::Unreadable("the authority's certificate");
        let read = CertificateDer::from_pem_slice(certificate.as_bytes());
        let read = read.map_err(|_| CERTIFICATE)?;
        let name = der::certificate(&read).ok_or(CERTIFICATE)?.common_name;
        let key = KeyPair::from_pem(key)
            .map_err(|_| AuthorityError::Unreadable("the authority's key"))?;
        let issuer = Issuer::new(authority_params(name), key);
        Ok(Self { issuer, certificate: certificate.to_owned() })
    }

    /// PEM of its certificate.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Signs the key of a box's request under a name. Returns PEM of the chain.
    ///
    /// # Errors
    /// [`AuthorityError::Request`] when the request is not of the form, key or signature that boxes make.
    pub fn sign_box(
        &self,
        csr: &str,
        name: &BoxName,
        now: UtcTime,
        lasts: Duration,
    ) -> Result<String, AuthorityError> {
        let no = AuthorityError::Request;
        let der = CertificateSigningRequestDer::from_pem_slice(csr.as_bytes())
            .map_err(|_| no("is no PEM"))?;
        let read = der::signing_request(&der).ok_or(no("cannot be read"))?;
        if read.key_algorithm != alg_id::ECDSA_P256.as_ref()
            || read.signature_algorithm != alg_id::ECDSA_SHA256.as_ref()
        {
            return Err(no("is of another kind of key than ECDSA P-256"));
        }
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        let verifier = algorithms.all.iter().find(|algorithm| {
            algorithm.public_key_alg_id() == alg_id::ECDSA_P256
                && algorithm.signature_alg_id() == alg_id::ECDSA_SHA256
        });
        let good = verifier
            .is_some_and(|it| it.verify_signature(read.key, read.signed, read.signature).is_ok());
        if !good {
            return Err(no("is not signed by its own key"));
        }
        let key = Requested { point: read.key.to_vec() };
        let params =
            leaf_params(name.as_str(), &[], ExtendedKeyUsagePurpose::ClientAuth, now, lasts);
        let signed = params.signed_by(&key, &self.issuer).map_err(AuthorityError::Crypto)?;
        Ok(signed.pem())
    }

    /// Makes the key and certificate of a user of the broker: the claim's, the technician's.
    ///
    /// # Errors
    /// [`AuthorityError::Crypto`].
    pub fn user(
        &self,
        name: &str,
        now: UtcTime,
        lasts: Duration,
    ) -> Result<Signed, AuthorityError> {
        self.made(&leaf_params(name, &[], ExtendedKeyUsagePurpose::ClientAuth, now, lasts))
    }

    /// Makes the key and certificate of a broker that is reached under these names and addresses.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn broker(
        &self,
        hosts: &[String],
        now: UtcTime,
        lasts: Duration,
    ) -> Result<Signed, AuthorityError> {
        let name = |host: &String| match host.parse::<IpAddr>() {
            Ok(address) => Ok(SanType::IpAddress(address)),
            Err(_) => host
                .clone()
                .try_into()
                .map(SanType::DnsName)
                .map_err(|_| AuthorityError::Host(Foreign::name(host))),
        };
        let names = hosts.iter().map(name).collect::<Result<Vec<_>, _>>()?;
        let first = hosts.first().map_or("broker", String::as_str);
        self.made(&leaf_params(first, &names, ExtendedKeyUsagePurpose::ServerAuth, now, lasts))
    }

    /// Makes the list of the certificates that count no more, as PEM. `made` is when the authority was.
    ///
    /// OpenSSL takes the list with the later `thisUpdate` where a broker that was told to read it anew
    /// holds two, so it follows from what is on the list, and each later list must hold a later `at`.
    /// It is dated back like certificates. It names no next list before the authority ends: with one
    /// that is overdue a broker would let nobody in.
    ///
    /// # Errors
    /// [`AuthorityError`], also where one of them is no certificate.
    pub fn revocation_list(
        &self,
        ended: &[Ended<'_>],
        made: UtcTime,
    ) -> Result<String, AuthorityError> {
        let revoked = ended.iter().map(|ended| {
            const CERTIFICATE: AuthorityError =
                AuthorityError::Unreadable("a certificate on record");
            let der = CertificateDer::from_pem_slice(ended.chain.as_bytes());
            let der = der.map_err(|_| CERTIFICATE)?;
            let serial = der::certificate(&der).ok_or(CERTIFICATE)?.serial;
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from_slice(serial),
                revocation_time: moment(ended.at),
                reason_code: None,
                invalidity_date: None,
            })
        });
        let revoked_certs = revoked.collect::<Result<Vec<_>, AuthorityError>>()?;
        let last = ended.iter().map(|ended| ended.at).fold(made, UtcTime::max);
        let params = CertificateRevocationListParams {
            this_update: dates(last, Duration::ZERO).0,
            next_update: dates(made, AUTHORITY_LASTS).1,
            crl_number: SerialNumber::from(u64::try_from(ended.len()).unwrap_or(u64::MAX)),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).and_then(|list| list.pem());
        list.map_err(AuthorityError::Crypto)
    }

    fn made(&self, params: &CertificateParams) -> Result<Signed, AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Crypto)?;
        let made = params.signed_by(&key, &self.issuer).map_err(AuthorityError::Crypto)?;
        Ok(Signed { certificate: made.pem(), key: Hidden::new(&key.serialize_pem()) })
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params(
    name: &str,
    names: &[SanType],
    usage: ExtendedKeyUsagePurpose,
    now: UtcTime,
    lasts: Duration,
) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names = names.to_vec();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = dates(now, lasts);
    params
}

fn moment(at: UtcTime) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.as_nanos()))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn dates(now: UtcTime, lasts: Duration) -> (OffsetDateTime, OffsetDateTime) {
    let now = moment(now);
    (now.checked_sub(BACKDATED.try_into().unwrap_or_default()).unwrap_or(now), now + lasts)
}
