//! Asks a running box for its state or a picture: one GET over a plain or TLS connection.
//!
//! For `doctor`, `check` and `aim`, which speak to the box beside them. A whole HTTP client would bring
//! crates for what is one request with one answer of known length. The certificate that the box's
//! own configuration names is the only one that is taken.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use serde_json::Value;

use crate::config::{self, Config};

/// A box on this machine answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// A box tells nothing until it has looked at itself once, a moment after its ports are open.
const STARTING_LOOKS: u32 = 50;
const STARTING_LOOK: Duration = Duration::from_millis(100);
/// More than the state of a box with many courts.
const ANSWER_MOST_BYTES: u64 = 4 << 20;

/// Which box is asked, and with what token.
#[derive(Clone, Debug, Args)]
pub(super) struct AskArgs {
    /// Address of the box [default: what the configuration says, else http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
    /// File of the token [default: what the configuration says]
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Configuration file of the box
    #[arg(long, short, value_name = "FILE", default_value = "/etc/courtside/courtside.toml")]
    pub(super) config: PathBuf,
}

/// Where to ask.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// `http://127.0.0.1:8080`.
    pub(super) url: String,
    token_file: Option<PathBuf>,
    /// The certificate that the box shows.
    certificate: Option<PathBuf>,
}

/// Why the box did not answer. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error(
        "no box answers at {url} ({source}): start it with `systemctl start courtside` and see \
         `journalctl -u courtside -n 30` if it does not stay, or run `courtside run --config FILE`; \
         if it listens elsewhere, name that with --url"
    )]
    NoBox { url: String, source: std::io::Error },
    #[error("`{url}` is no address of a box: write http://HOST:PORT")]
    Url { url: String },
    #[error(
        "the box at {url} shows a certificate: name the box's configuration with --config, whose \
         `cert_file` of [http] is then expected"
    )]
    NoCertificate { url: String },
    #[error("cannot read {}: {source}; run this as root, or as the user of the daemon", file.display())]
    File { file: PathBuf, source: std::io::Error },
    #[error("{} holds no certificate as PEM: {reason}", file.display())]
    Certificate { file: PathBuf, reason: String },
    #[error(
        "the box at {url} wants a token: name its file with --token-file, or the box's \
         configuration with --config"
    )]
    Unauthorized { url: String },
    #[error(
        "the connection to {url} broke: {source}; is that a box, and https or http as it serves?"
    )]
    Broken { url: String, source: std::io::Error },
    #[error("the box at {url} has just started: ask again in a few seconds")]
    Starting { url: String },
    #[error("{url} answers `{status}`, which no box of ours does: is that its address?")]
    Strange { url: String, status: String },
}

impl Place {
    /// Where the arguments say, completed by the configuration; without either, where `demo` is.
    ///
    /// # Errors
    /// When a configuration is there, is needed and is refused.
    pub(super) fn of(args: &AskArgs) -> Result<Self, config::ConfigError> {
        let url = args.url.clone();
        if let (Some(url), Some(_)) = (&url, &args.token_file) {
            return Ok(Self {
                url: url.clone(),
                token_file: args.token_file.clone(),
                certificate: None,
            });
        }
        match config::load(&args.config) {
            Ok(config) => {
                let mut place = Self::of_config(&config);
                if let Some(url) = url {
                    // Our token is for our box: it goes to no other machine unasked.
                    if url != place.url && !is_loopback(&url) {
                        place.token_file = None;
                    }
                    place.url = url;
                }
                place.token_file = args.token_file.clone().or(place.token_file);
                Ok(place)
            }
            Err(config::ConfigError::Read { source, .. })
                if url.is_some() || source.kind() == std::io::ErrorKind::NotFound =>
            {
                let url = url.unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
                Ok(Self { url, token_file: args.token_file.clone(), certificate: None })
            }
            Err(error) => Err(error),
        }
    }

    /// Where a box of this configuration answers on this machine.
    pub(super) fn of_config(config: &Config) -> Self {
        let listen = config.http.listen;
        let ip = match listen.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        let scheme = if config.http.tls.is_some() { "https" } else { "http" };
        Self {
            url: format!("{scheme}://{}", SocketAddr::new(ip, listen.port())),
            token_file: Some(config.http.token_file.clone()),
            certificate: config.http.tls.as_ref().map(|files| files.cert_file.clone()),
        }
    }

    /// What the box says of itself; a box that has just started is given a moment. Blocking.
    ///
    /// # Errors
    /// [`AskError`]: nobody there, no token, no box.
    pub(super) fn state(&self) -> Result<Value, AskError> {
        for _ in 0..STARTING_LOOKS {
            let state = self.ask()?;
            if !state.is_null() {
                return Ok(state);
            }
            std::thread::park_timeout(STARTING_LOOK);
        }
        Err(AskError::Starting { url: self.url.clone() })
    }

    fn ask(&self) -> Result<Value, AskError> {
        let body = self.get("/v1/state", "application/json")?;
        self.json(&body)
    }

    /// The body of what the box answers at `path`. Blocking.
    ///
    /// # Errors
    /// [`AskError`]: nobody there, no token, no such thing.
    pub(super) fn get(&self, path: &str, accept: &str) -> Result<Vec<u8>, AskError> {
        let url = || self.url.clone();
        let wrong = || AskError::Url { url: url() };
        let (scheme, rest) = self.url.split_once("://").ok_or_else(wrong)?;
        let authority = rest.trim_end_matches('/');
        let (tls, port) = match scheme {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return Err(wrong()),
        };
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let to = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
        let gone = |source| AskError::NoBox { url: url(), source };
        let stream = connect(&to).map_err(gone)?;
        let token = self.token()?;
        let mut request = format!("GET {path} HTTP/1.0\r\nHost: {authority}\r\n");
        if let Some(token) = token {
            request.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        request.push_str(&format!("Accept: {accept}\r\n\r\n"));
        let answer = if tls {
            let config = self.tls()?;
            let name = ServerName::try_from("box.invalid").map_err(|_| wrong())?;
            let session = rustls::ClientConnection::new(config, name).map_err(|error| {
                AskError::Broken { url: url(), source: std::io::Error::other(error) }
            })?;
            exchange(rustls::StreamOwned::new(session, stream), &request)
        } else {
            exchange(stream, &request)
        };
        let answer = answer.map_err(|source| AskError::Broken { url: url(), source })?;
        self.body(answer)
    }

    /// What stands behind the header of a good answer.
    fn body(&self, mut answer: Vec<u8>) -> Result<Vec<u8>, AskError> {
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let head = answer.get(..end.unwrap_or(answer.len())).unwrap_or_default();
        let text = String::from_utf8_lossy(head);
        let status = text.lines().next().unwrap_or_default().trim().to_owned();
        let strange = || AskError::Strange { url: self.url.clone(), status: status.clone() };
        match status.split(' ').nth(1) {
            Some("200") => {}
            Some("401") => return Err(AskError::Unauthorized { url: self.url.clone() }),
            _ => return Err(strange()),
        }
        let end = end.ok_or_else(strange)?;
        Ok(answer.split_off(end + 4))
    }

    fn json(&self, body: &[u8]) -> Result<Value, AskError> {
        let status = "200 with something that is no JSON".to_owned();
        serde_json::from_slice(body)
            .map_err(|_| AskError::Strange { url: self.url.clone(), status })
    }

    /// The first line of the token's file. A file that is not there yet is no token.
    fn token(&self) -> Result<Option<String>, AskError> {
        let Some(file) = &self.token_file else { return Ok(None) };
        match std::fs::read_to_string(file) {
            Ok(text) => Ok(text.lines().next().map(|line| line.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(AskError::File { file: file.clone(), source }),
        }
    }

    fn tls(&self) -> Result<Arc<rustls::ClientConfig>, AskError> {
        let Some(file) = &self.certificate else {
            return Err(AskError::NoCertificate { url: self.url.clone() });
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let pinned = Pinned { leaf: leaf_of(file)?, provider: Arc::clone(&provider) };
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| AskError::Certificate {
                file: file.clone(),
                reason: error.to_string(),
            })?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(pinned))
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

/// True if what goes to that address stays on this machine.
fn is_loopback(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.split(':').next().unwrap_or(authority),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn leaf_of(file: &Path) -> Result<CertificateDer<'static>, AskError> {
    CertificateDer::from_pem_file(file)
        .map_err(|error| AskError::Certificate { file: file.to_owned(), reason: error.to_string() })
}

fn connect(to: &str) -> std::io::Result<TcpStream> {
    let mut refused = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for address in to.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// One request, one answer; HTTP/1.0, so that the answer ends with the connection.
fn exchange(mut stream: impl Read + Write, request: &str) -> std::io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    match stream.take(ANSWER_MOST_BYTES).read_to_end(&mut answer) {
        // A peer that closes TCP without TLS's goodbye; a cut answer is no whole JSON.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof && !answer.is_empty() => {}
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    Ok(answer)
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
    use super::*;

    #[test]
    fn a_token_stays_on_this_machine() {
        for url in ["http://127.0.0.1:8080", "https://[::1]:8443/", "http://localhost"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["http://10.0.0.1", "http://localhost.example.org:8080", "http://127.0.0.1.x"] {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn answers_are_read_and_what_is_no_box_is_said() {
        let place =
            Place { url: "http://127.0.0.1:1".to_owned(), token_file: None, certificate: None };
        let read = |answer: &[u8]| place.body(answer.to_vec()).and_then(|body| place.json(&body));
        let good = b"HTTP/1.0 200 OK\r\nx: y\r\n\r\n{\"box\":\"a\"}";
        assert_eq!(read(good).expect("JSON")["box"], "a");
        let refused = read(b"HTTP/1.1 401 Unauthorized\r\n\r\n").expect_err("no token");
        assert!(refused.to_string().contains("--token-file"), "{refused}");
        for strange in [&b""[..], b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\n\r\n<html>", b"\xff"] {
            assert!(matches!(read(strange), Err(AskError::Strange { .. })));
        }
    }
}
