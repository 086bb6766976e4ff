//! HTTP that the box asks of others: one request on a connection of its own, every wait bounded.
//!
//! For whoever fetches or sends something: `address` is where (pure), `tries` how often (pure), here are
//! connections. What an answer means is its caller's. No redirect is followed here, and no proxy is asked.
//!
//! A file that is fetched over as many connections as it takes: `resume` what to ask and what an answer means (pure),
//! `part` the file on its way, `fetch` the connections; it follows redirects, and says after each where it is.

mod address;
mod tries;
mod resume;
mod part;
mod fetch;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body::Body;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::clock::{Clock, within};
use crate::disk::read_regular;
use crate::media::Foreign;

pub use crate::http::outgoing::address::Web;
pub(crate) use crate::http::outgoing::fetch::Fetch;
pub use crate::http::outgoing::fetch::FetchLimits;
pub(crate) use crate::http::outgoing::part::PartFile;
#[cfg(test)]
pub(crate) use crate::http::outgoing::resume::BLOCK;
pub(crate) use crate::http::outgoing::resume::{Have, too_long};
pub use crate::http::outgoing::tries::Tries;

/// What every request of ours calls itself.
pub const AGENT: &str = concat!("courtside/", env!("CARGO_PKG_VERSION"));

/// Authorities of a system.
const PEM_MOST_BYTES: u64 = 4 << 20;

/// TLS that believes the system's authorities, and those of `ca_file`. Blocking: reads files.
///
/// # Errors
/// What of `ca_file` cannot be read, in words.
pub fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let wrong = |error: &dyn std::fmt::Display| format!("read {}: {error}", path.display());
        let text = read_regular(path, PEM_MOST_BYTES).map_err(|error| wrong(&error))?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        roots.add_parsable_certificates(certificates.map_err(|error| wrong(&error))?);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| format!("begin TLS: {error}"))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A stream to a peer, whatever it goes through.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// What a connection is made with.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// Times each step.
    pub clock: &'a dyn Clock,
    /// For addresses over TLS.
    pub tls: &'a Arc<ClientConfig>,
    /// Each step: connect, greet.
    pub step: Duration,
    /// Bytes that wait in the system to be sent; the system's choice if absent. What is handed over is not
    /// sent yet, so whoever measures or holds back what it sends wants little of it.
    pub send_buffer: Option<u32>,
}

impl std::fmt::Debug for Terms<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terms").field("step", &self.step).finish_non_exhaustive()
    }
}

/// Connects, over TLS where the address says so.
///
/// # Errors
/// Why not, in words.
pub async fn connect(at: &Web, terms: Terms<'_>) -> Result<Box<dyn Stream>, String> {
    let connecting = TcpStream::connect((at.host.as_str(), at.port));
    let stream = within(terms.clock, terms.step, connecting).await;
    let stream = stream.ok_or_else(|| format!("no connection within {:?}", terms.step))?;
    let stream = stream.map_err(|error| format!("no connection ({})", Foreign::error(&error)))?;
    if let Some(bytes) = terms.send_buffer {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        // As the system has it is as good, only coarser.
        let _as_it_is = rustix::net::sockopt::set_socket_send_buffer_size(&stream, bytes);
    }
    if !at.tls {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(at.host.clone());
    let name = name.map_err(|_| "its host is no name that a certificate can have".to_owned())?;
    let greeting = TlsConnector::from(Arc::clone(terms.tls)).connect(name, stream);
    let stream = within(terms.clock, terms.step, greeting).await;
    let stream = stream.ok_or_else(|| format!("no TLS within {:?}", terms.step))?;
    let stream = stream.map_err(|error| format!("no TLS ({})", Foreign::error(&error)))?;
    Ok(Box::new(stream))
}

/// Sends one request and gives the answer's head. The caller bounds the wait; the connection ends with the
/// answer's body.
///
/// # Errors
/// Why there is no answer, in words.
pub async fn exchange<B>(
    stream: Box<dyn Stream>,
    request: Request<B>,
) -> Result<Response<Incoming>, String>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let wrong = |error: hyper::Error| format!("no answer ({})", Foreign::error(&error));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(wrong)?;
    // Ends with the answer's body.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(wrong)
}
