//! What a connection trusts, and with which certificate it shows itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::TlsConfiguration;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};

use crate::broker::certificate;
use crate::broker::credential::Credential;
use crate::clock::{Clock, tls_time};
use crate::disk::read_regular;
use crate::event::words::LinkTrouble;
use crate::media::{Foreign, UtcTime};

/// All authorities of a system take some hundred thousand bytes.
const PEM_MOST_BYTES: u64 = 4 << 20;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum TlsError {
    /// A file, or what came with a claim.
    #[error("cannot read {}: it must hold PEM", named(.path))]
    Pem { path: Option<PathBuf>, source: pem::Error },
    /// The same.
    #[error("no certificate in {}: put the broker's CA there as PEM", named(.path))]
    Empty { path: Option<PathBuf> },
    /// Ours.
    #[error("certificate and key do not fit each other, or are of no use")]
    Identity(#[source] rustls::Error),
    /// Nobody is trusted.
    #[error("the system's certificates cannot be read: set `uplink.ca_file`")]
    System(#[source] rumqttc::TlsError),
}

/// What TLS with somebody else than the broker found wrong, as of the broker: the word and the sentence, with `whom`
/// in the broker's place. `None` where it was not TLS.
pub(crate) fn said_of(
    error: &(dyn std::error::Error + 'static),
    whom: &str,
) -> Option<(LinkTrouble, Foreign)> {
    /// What only who has a broker can do.
    const OF_BROKERS: &str = " (mosquitto: put both into `certfile`)";
    let (what, said) = certificate::said(certificate::tls_error(error)?);
    let said = said.as_str().replace(OF_BROKERS, "").replace("the broker", whom);
    let said = said.replace("the name that `broker` has", "the name that it is called by");
    Some((what, Foreign::told(said)))
}

fn named(path: &Option<PathBuf>) -> String {
    let held = || "what the claim file or the grant holds".to_owned();
    path.as_ref().map_or_else(held, |path| path.display().to_string())
}

/// The papers of a connection's TLS.
#[derive(Clone, Debug, Default)]
pub(super) struct TlsPapers {
    /// Authorities; the system's where there is none.
    pub ca: Option<Credential>,
    /// Our certificate and its key.
    pub identity: Option<(Credential, Credential)>,
}

/// The later of the box's clock and the floor: a box at 1970 still checks dates (DESIGN §5.2).
#[derive(Debug)]
struct FlooredTime {
    clock: Arc<dyn Clock>,
    floor: UtcTime,
}

impl TimeProvider for FlooredTime {
    fn current_time(&self) -> Option<UnixTime> {
        let nanos = tls_time(self.clock.utc(), self.floor).as_nanos();
        u64::try_from(nanos).ok().map(|n| UnixTime::since_unix_epoch(Duration::from_nanos(n)))
    }
}

/// TLS of a client that shows no certificate, for who talks to another server than the broker: it trusts the
/// authorities in `ca_file`, or the system's, and dates as a broker's are. Blocking.
///
/// # Errors
/// [`TlsError`].
pub fn client(
    ca_file: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    floor: UtcTime,
) -> Result<Arc<ClientConfig>, TlsError> {
    let papers = TlsPapers { ca: ca_file.map(Credential::File), identity: None };
    match configuration(&papers, clock, floor)? {
        TlsConfiguration::Rustls(config) => Ok(config),
        _ => Err(TlsError::Identity(rustls::Error::General("no TLS by rustls".to_owned()))),
    }
}

/// Reads them. Blocking.
///
/// # Errors
/// [`TlsError`] that names the file.
pub(super) fn configuration(
    papers: &TlsPapers,
    clock: Arc<dyn Clock>,
    floor: UtcTime,
) -> Result<TlsConfiguration, TlsError> {
    let mut config = match &papers.ca {
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates(ca)?);
            if roots.is_empty() {
                return Err(TlsError::Empty { path: path(ca) });
            }
            let builder = ClientConfig::builder_with_provider(Arc::new(
                rustls::crypto::ring::default_provider(),
            ))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Identity)?
            .with_root_certificates(roots);
            match &papers.identity {
                Some((cert, key)) => builder
                    .with_client_auth_cert(certificates(cert)?, private_key(key)?)
                    .map_err(TlsError::Identity)?,
                None => builder.with_no_client_auth(),
            }
        }
        None => {
            let default = TlsConfiguration::try_default_rustls().map_err(TlsError::System)?;
            let TlsConfiguration::Rustls(config) = default else { return Ok(default) };
            let mut config = (*config).clone();
            if let Some((cert, key)) = &papers.identity {
                let key = rustls::crypto::ring::sign::any_supported_type(&private_key(key)?)
                    .map_err(TlsError::Identity)?;
                let certified = rustls::sign::CertifiedKey::new(certificates(cert)?, key);
                config.client_auth_cert_resolver =
                    Arc::new(rustls::sign::SingleCertAndKey::from(certified));
            }
            config
        }
    };
    config.time_provider = Arc::new(FlooredTime { clock, floor });
    Ok(TlsConfiguration::Rustls(Arc::new(config)))
}

fn path(of: &Credential) -> Option<PathBuf> {
    match of {
        Credential::File(path) => Some(path.clone()),
        Credential::Held(_) => None,
    }
}

fn certificates(of: &Credential) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |source| TlsError::Pem { path: path(of), source };
    CertificateDer::pem_slice_iter(&read(of).map_err(unreadable)?)
        .collect::<Result<_, _>>()
        .map_err(unreadable)
}

fn private_key(of: &Credential) -> Result<PrivateKeyDer<'static>, TlsError> {
    read(of)
        .and_then(|bytes| PrivateKeyDer::from_pem_slice(&bytes))
        .map_err(|source| TlsError::Pem { path: path(of), source })
}

fn read(of: &Credential) -> Result<Vec<u8>, pem::Error> {
    match of {
        Credential::File(path) => read_regular(path, PEM_MOST_BYTES).map_err(pem::Error::Io),
        Credential::Held(text) => Ok(text.expose().as_bytes().to_vec()),
    }
}
