//! HTTP to a box: one connection of hyper's client, over its own socket of this machine, over TCP, or
//! over TLS that takes one certificate.
//!
//! For every command that speaks to a box (`ask` says which one). hyper reads and writes HTTP, as it
//! does for the box's own server; what stands here is what no library does: the box's certificate is
//! the only one that is taken, by whatever name the box is asked, every wait is bounded, and so is
//! what is kept of an answer.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::disk::read_regular;

/// For each step: connect, say hello, answer, and each piece of the answer. A box on this machine
/// takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a box serves HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    tls: bool,
    /// Host, and port where one was written: what `Host` says.
    authority: String,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) path: &'a str,
    /// The type that is wanted.
    pub(super) accept: &'a str,
    /// JSON that is posted; without it the path is read.
    pub(super) body: Option<&'a str>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("no connection")]
    NoConnection(#[source] io::Error),
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    #[error("what answers speaks no HTTP")]
    NoHttp,
    #[error("a certificate is shown, and none is expected")]
    NoCertificate,
    #[error("{} holds no certificate as PEM: {reason}", file.display())]
    Certificate { file: PathBuf, reason: String },
}

/// An answer whose head has come.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) fields: HeaderMap,
    body: Incoming,
}

/// A connection that takes one request after the other.
#[derive(Debug)]
pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    host: String,
}

impl Origin {
    /// Of `http://HOST[:PORT]` or `https://HOST[:PORT]`.
    pub(super) fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = rest.trim_end_matches('/');
        // What stands behind a port would be taken for a part of it.
        if authority.is_empty() || authority.contains(['/', '?', '#', '@']) {
            return None;
        }
        Some(Self { tls, authority: authority.to_owned() })
    }

    /// HOST:PORT, to connect to.
    fn address(&self) -> String {
        let Self { tls, authority } = self;
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        match (has_port, tls) {
            (true, _) => authority.clone(),
            (false, true) => format!("{authority}:443"),
            (false, false) => format!("{authority}:80"),
        }
    }

    /// What a box answers on its own socket of this machine.
    ///
    /// # Errors
    /// [`ClientError`]: nobody there, no HTTP.
    pub(super) async fn local(socket: &Path, asked: &Asked<'_>) -> Result<Answer, ClientError> {
        let stream =
            patiently(UnixStream::connect(socket)).await.map_err(ClientError::NoConnection)?;
        let mut connection =
            Connection { sender: handshake(stream).await?, host: "localhost".to_owned() };
        connection.ask(asked, &[], None).await
    }

    /// What is answered; over TLS only by who shows `certificate`.
    ///
    /// # Errors
    /// [`ClientError`]: nobody there, no such certificate, no HTTP.
    pub(super) async fn ask(
        &self,
        asked: &Asked<'_>,
        token: Option<&str>,
        certificate: Option<&Path>,
    ) -> Result<Answer, ClientError> {
        self.connect(certificate).await?.ask(asked, &[], token).await
    }

    /// What `Host` says: HOST, and PORT where one was written.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// A connection; over TLS only to who shows `certificate`.
    ///
    /// # Errors
    /// [`ClientError`]: nobody there, no such certificate.
    pub(super) async fn connect(
        &self,
        certificate: Option<&Path>,
    ) -> Result<Connection, ClientError> {
        let stream = patiently(TcpStream::connect(self.address()))
            .await
            .map_err(ClientError::NoConnection)?;
        let host = self.authority.clone();
        if !self.tls {
            return Ok(Connection { sender: handshake(stream).await?, host });
        }
        let config = only(certificate.ok_or(ClientError::NoCertificate)?)?;
        // No name is asked for: the certificate itself is compared.
        let name = ServerName::try_from("box.invalid")
            .map_err(|error| ClientError::Broken(io::Error::other(error)))?;
        let stream = patiently(TlsConnector::from(config).connect(name, stream))
            .await
            .map_err(ClientError::Broken)?;
        Ok(Connection { sender: handshake(stream).await?, host })
    }
}

impl Connection {
    /// What is answered. The body of the answer before was read to its end.
    ///
    /// # Errors
    /// [`ClientError`]: the connection ended, or what answers speaks no HTTP.
    pub(super) async fn ask(
        &mut self,
        asked: &Asked<'_>,
        fields: &[(HeaderName, &str)],
        token: Option<&str>,
    ) -> Result<Answer, ClientError> {
        let mut request = asking(asked, &self.host, token)?;
        for (name, value) in fields {
            let value = HeaderValue::from_str(value)
                .map_err(|error| ClientError::Broken(io::Error::other(error)))?;
            request.headers_mut().insert(name, value);
        }
        exchange(&mut self.sender, request).await
    }
}

impl Answer {
    /// The whole body, of at most so many bytes.
    ///
    /// # Errors
    /// [`ClientError::Broken`]: it is longer, or the connection ended before it did.
    pub(super) async fn whole(mut self, at_most: usize) -> Result<Vec<u8>, ClientError> {
        let mut whole = Vec::new();
        while let Some(piece) = self.piece().await? {
            if whole.len() + piece.len() > at_most {
                let text = format!("the answer is longer than {at_most} bytes");
                return Err(ClientError::Broken(io::Error::other(text)));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// [`ClientError::Broken`]: the connection ended before it did, or gave nothing for a while.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let frame = async { self.body.frame().await.transpose().map_err(io::Error::other) };
            match patiently(frame).await.map_err(ClientError::Broken)? {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }
}

fn asking(
    asked: &Asked<'_>,
    host: &str,
    token: Option<&str>,
) -> Result<Request<Full<Bytes>>, ClientError> {
    let Asked { path, accept, body } = *asked;
    let method = if body.is_some() { Method::POST } else { Method::GET };
    let mut request = Request::builder().method(method).uri(path);
    request = request.header(HOST, host).header(ACCEPT, accept);
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let body = Full::new(Bytes::copy_from_slice(body.unwrap_or_default().as_bytes()));
    request.body(body).map_err(|error| ClientError::Broken(io::Error::other(error)))
}

fn broken(error: hyper::Error) -> ClientError {
    match error.is_parse() {
        true => ClientError::NoHttp,
        false => ClientError::Broken(io::Error::other(error)),
    }
}

/// The task that drives the connection ends with it, or with the last answer's body.
async fn handshake(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<http1::SendRequest<Full<Bytes>>, ClientError> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // What it ends with is told to who waits for the answer.
    tokio::spawn(async move { connection.await.ok() });
    Ok(sender)
}

async fn exchange(
    sender: &mut http1::SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, ClientError> {
    tokio::time::timeout(PATIENCE, sender.ready())
        .await
        .map_err(|late| ClientError::Broken(late.into()))?
        .map_err(broken)?;
    let answered = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
    let answer = answered.map_err(|late| ClientError::Broken(late.into()))?.map_err(broken)?;
    let (head, body) = answer.into_parts();
    Ok(Answer { status: head.status, fields: head.headers, body })
}

async fn patiently<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, step).await?
}

/// More than any certificate's file.
const PEM_MOST_BYTES: u64 = 1 << 20;

/// TLS that takes the first certificate of `file` and no other.
fn only(file: &Path) -> Result<Arc<rustls::ClientConfig>, ClientError> {
    let wrong = |reason: String| ClientError::Certificate { file: file.to_owned(), reason };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let bytes = read_regular(file, PEM_MOST_BYTES).map_err(|error| wrong(error.to_string()))?;
    let leaf = CertificateDer::from_pem_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let pinned = Pinned { leaf, provider: Arc::clone(&provider) };
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Takes one certificate: the box's own, by whatever name it is asked.
#[derive(Debug)]
struct Pinned {
    leaf: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.leaf {
            return Ok(ServerCertVerified::assertion());
        }
        let text = "it shows another certificate than its configuration names: restart the daemon";
        Err(rustls::Error::General(text.to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let schemes = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, schemes)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let schemes = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, schemes)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn an_address_has_a_port() {
        let address = |url: &str| Origin::of(url).map(|origin| origin.address());
        for (url, expected) in [
            ("http://10.0.0.1", "10.0.0.1:80"),
            ("https://box.local/", "box.local:443"),
            ("https://[::1]:8443/", "[::1]:8443"),
            ("http://[::1]", "[::1]:80"),
        ] {
            assert_eq!(address(url).as_deref(), Some(expected), "{url}");
        }
        for url in ["box.local:8080", "ftp://box.local", ""] {
            assert_eq!(address(url), None, "{url}");
        }
    }

    /// A server of one connection that shows `shown` and answers `{}` -> its address.
    async fn serves(shown: &rcgen::CertifiedKey<rcgen::KeyPair>) -> String {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![shown.cert.der().clone()],
                rustls::pki_types::PrivateKeyDer::Pkcs8(shown.signing_key.serialize_der().into()),
            )
            .expect("a certificate");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (stream, _) = listener.accept().await.expect("a client");
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.expect("a request") > 0);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
            stream.write_all(answer).await.expect("answered");
            stream.shutdown().await.ok();
        });
        format!("https://{address}")
    }

    #[tokio::test]
    async fn one_certificate_is_taken_by_any_name_and_no_other() {
        let made =
            || rcgen::generate_simple_self_signed(["box.elsewhere".to_owned()]).expect("made");
        let (own, other) = (made(), made());
        let kept = tempfile::NamedTempFile::new().expect("a file");
        kept.as_file().write_all(own.cert.pem().as_bytes()).expect("written");
        let file = kept.path();

        let origin = Origin::of(&serves(&own).await).expect("a URL");
        let root = Asked { path: "/", accept: "*/*", body: None };
        let answer = origin.ask(&root, None, Some(file)).await.expect("taken");
        assert_eq!(answer.whole(2).await.expect("read"), b"{}");

        let origin = Origin::of(&serves(&other).await).expect("a URL");
        let refused = origin.ask(&root, None, Some(file)).await.expect_err("refused");
        let ClientError::Broken(source) = refused else { panic!("{refused:?}") };
        assert!(source.to_string().contains("restart the daemon"), "{source}");

        let origin = Origin::of(&serves(&own).await).expect("a URL");
        let unknown = origin.ask(&root, None, None).await.expect_err("refused");
        assert!(matches!(unknown, ClientError::NoCertificate), "{unknown:?}");
    }
}
