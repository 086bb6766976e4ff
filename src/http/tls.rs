//! Certificates of our own listeners.

use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

use crate::config::TlsFiles;
use crate::disk::read_regular;
use crate::http::error::HttpError;

/// A chain of a few certificates takes some thousand bytes, a key fewer.
const PEM_MOST_BYTES: u64 = 1 << 20;

/// Reads a certificate chain and its key for a listener of ours: TLS 1.2 and 1.3 (DESIGN §5.7).
/// `protocols` are ALPN names, most wanted first; none for RTMPS.
///
/// # Errors
/// [`HttpError::Pem`] or [`HttpError::Pair`].
pub fn server_config(
    files: &TlsFiles,
    protocols: &[&[u8]],
) -> Result<Arc<ServerConfig>, HttpError> {
    let unread = |source| HttpError::Pem {
        what: "read the certificate chain in",
        file: files.cert_file.clone(),
        source,
    };
    let read = |file| read_regular(file, PEM_MOST_BYTES).map_err(pem::Error::Io);
    let chain = CertificateDer::pem_slice_iter(&read(&files.cert_file).map_err(unread)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(unread)?;
    let key = read(&files.key_file).and_then(|bytes| PrivateKeyDer::from_pem_slice(&bytes));
    let key = key.map_err(|source| HttpError::Pem {
        what: "read the private key in",
        file: files.key_file.clone(),
        source,
    })?;
    let unfit = |source| HttpError::Pair { file: files.cert_file.clone(), source };
    let mut config =
        ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unfit)?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}
