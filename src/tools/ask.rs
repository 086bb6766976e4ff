//! Asks a running box for its state or a picture: which box, with what token and certificate.
//!
//! For `doctor`, `check` and `aim`, which speak to the box beside them; `client` speaks HTTP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hyper::StatusCode;
use serde_json::Value;

use crate::config::{self, Config};
use crate::disk::read_regular_text;
use crate::http;
use crate::media::Foreign;
use crate::tools::client::{Answer, Asked, ClientError, Origin};
use crate::tools::tell::remark;

/// A box tells nothing until it has looked at itself once, a moment after its ports are open.
const STARTING_LOOKS: u32 = 50;
const STARTING_LOOK: Duration = Duration::from_millis(100);
/// A token is one line.
const TOKEN_MOST_BYTES: u64 = 4096;
/// More than the state of a box with many courts, or all that it tells of a game.
const ANSWER_MOST_BYTES: usize = 40 << 20;

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
    /// Where the box's own socket may be, which is asked first: what happens on the network does not
    /// reach it, and it wants no token.
    sockets: Vec<PathBuf>,
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
    #[error("the box refuses: {why}")]
    Refused { why: Foreign },
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
                sockets: Vec::new(),
            });
        }
        match config::load(&args.config) {
            Ok(config) => {
                let mut place = Self::of_config(&config);
                if let Some(url) = url {
                    // Who names an address means that.
                    place.sockets.clear();
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
                let token_file = args.token_file.clone();
                Ok(Self { url, token_file, certificate: None, sockets: Vec::new() })
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
            sockets: http::local_sockets(&config.appliance.data_dir),
        }
    }

    /// What the box says of itself; a box that has just started is given a moment. Blocking.
    ///
    /// # Errors
    /// [`AskError`]: nobody there, no token, no box.
    pub(super) fn state(&self) -> Result<Value, AskError> {
        for _ in 0..STARTING_LOOKS {
            let (state, way) = self.ask()?;
            if !state.is_null() {
                if way == Way::Network {
                    self.tell_of_the_detour();
                }
                return Ok(state);
            }
            std::thread::park_timeout(STARTING_LOOK);
        }
        Err(AskError::Starting { url: self.url.clone() })
    }

    /// For a person, who wonders one day why `doctor` is as slow as the page.
    fn tell_of_the_detour(&self) {
        let sockets: Vec<_> = self.sockets.iter().map(|path| path.display().to_string()).collect();
        if !sockets.is_empty() {
            remark(format_args!(
                "courtside: asked over {}, for the box's own socket did not answer you at {}: run this \
                 as root or as the daemon's user, and see its log for `doctor cannot ask`",
                self.url,
                sockets.join(" or ")
            ));
        }
    }

    fn ask(&self) -> Result<(Value, Way), AskError> {
        let (body, way) = self.fetched("/v1/state", "application/json")?;
        Ok((self.json(&body)?, way))
    }

    /// Has the box do what stands at `path`, with `body` as JSON: what it answers, or why it refuses, in
    /// its own words. Blocking.
    ///
    /// # Errors
    /// [`AskError`]: nobody there, no token, refused.
    pub(super) fn post(&self, path: &str, body: &str) -> Result<Value, AskError> {
        let asked = Asked { path, accept: "application/json", body: Some(body) };
        let ((status, body), _) = self.exchanged(&asked)?;
        match status {
            status if status.is_success() => self.json(&body),
            StatusCode::UNAUTHORIZED => Err(AskError::Unauthorized { url: self.url.clone() }),
            _ => Err(self.refusal(status, &body)),
        }
    }

    /// Why the box does not do it, in its own words where it says them.
    fn refusal(&self, status: StatusCode, body: &[u8]) -> AskError {
        let problem: Value = serde_json::from_slice(body).unwrap_or_default();
        match problem.get("detail").and_then(Value::as_str) {
            Some(why) => AskError::Refused { why: Foreign::text(why) },
            None => self.strange(&status.to_string()),
        }
    }

    /// The body of what the box answers at `path`. Blocking.
    ///
    /// # Errors
    /// [`AskError`]: nobody there, no token, no such thing.
    pub(super) fn get(&self, path: &str, accept: &str) -> Result<Vec<u8>, AskError> {
        self.fetched(path, accept).map(|(body, _)| body)
    }

    fn fetched(&self, path: &str, accept: &str) -> Result<(Vec<u8>, Way), AskError> {
        let ((status, body), way) = self.exchanged(&Asked { path, accept, body: None })?;
        match status {
            StatusCode::OK => Ok((body, way)),
            StatusCode::UNAUTHORIZED => Err(AskError::Unauthorized { url: self.url.clone() }),
            _ => Err(self.refusal(status, &body)),
        }
    }

    fn exchanged(&self, asked: &Asked<'_>) -> Result<(Answered, Way), AskError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| self.told(ClientError::NoConnection(error)))?;
        Ok(match runtime.block_on(self.ask_here(asked)) {
            Some(answered) => (answered.map_err(|error| self.told(error))?, Way::Socket),
            None => (runtime.block_on(self.ask_there(asked))?, Way::Network),
        })
    }

    /// What the box answers on its own socket; `None` where it has none that we may use.
    async fn ask_here(&self, asked: &Asked<'_>) -> Option<Result<Answered, ClientError>> {
        for socket in &self.sockets {
            match Origin::local(socket, asked).await {
                // Of a daemon that ended, that is older, or of another user.
                Err(ClientError::NoConnection(_)) => {}
                Ok(answer) => return Some(whole(answer).await),
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }

    /// What the box answers over HTTP.
    async fn ask_there(&self, asked: &Asked<'_>) -> Result<Answered, AskError> {
        let origin =
            Origin::of(&self.url).ok_or_else(|| AskError::Url { url: self.url.clone() })?;
        let token = self.token()?;
        let certificate = self.certificate.as_deref();
        let answered = match origin.ask(asked, token.as_deref(), certificate).await {
            Ok(answer) => whole(answer).await,
            Err(error) => Err(error),
        };
        answered.map_err(|error| self.told(error))
    }

    fn told(&self, error: ClientError) -> AskError {
        let url = self.url.clone();
        match error {
            ClientError::NoConnection(source) => AskError::NoBox { url, source },
            ClientError::Broken(source) => AskError::Broken { url, source },
            ClientError::NoHttp => self.strange("something that is no HTTP"),
            ClientError::NoCertificate => AskError::NoCertificate { url },
            ClientError::Certificate { file, reason } => AskError::Certificate { file, reason },
        }
    }

    fn strange(&self, status: &str) -> AskError {
        AskError::Strange { url: self.url.clone(), status: status.to_owned() }
    }

    fn json(&self, body: &[u8]) -> Result<Value, AskError> {
        serde_json::from_slice(body).map_err(|_| self.strange("200 with something that is no JSON"))
    }

    /// The first line of the token's file. A file that is not there yet is no token.
    fn token(&self) -> Result<Option<String>, AskError> {
        let Some(file) = &self.token_file else { return Ok(None) };
        match read_regular_text(file, TOKEN_MOST_BYTES) {
            Ok(text) => Ok(text.lines().next().map(|line| line.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(AskError::File { file: file.clone(), source }),
        }
    }
}

/// How the box was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Socket,
    Network,
}

type Answered = (StatusCode, Vec<u8>);

async fn whole(answer: Answer) -> Result<Answered, ClientError> {
    let status = answer.status;
    Ok((status, answer.whole(ANSWER_MOST_BYTES).await?))
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

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

    /// What a box is taken for that gives this answer to one request, and nothing more.
    fn told(answer: &'static [u8]) -> Result<Value, AskError> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a request");
                request.extend(byte);
            }
            stream.write_all(answer).expect("answered");
            String::from_utf8(request).expect("text")
        });
        let told = Place { url, token_file: None, certificate: None, sockets: Vec::new() }
            .ask()
            .map(|(state, _)| state);
        let request = serving.join().expect("served");
        assert!(request.starts_with("GET /v1/state HTTP/1.1\r\nhost: 127.0.0.1:"), "{request}");
        told
    }

    #[test]
    fn answers_are_read_and_what_is_no_box_is_said() {
        let good = b"HTTP/1.0 200 OK\r\nx: y\r\n\r\n{\"box\":\"a\"}";
        assert_eq!(told(good).expect("JSON")["box"], "a");
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        assert_eq!(told(chunked).expect("JSON"), serde_json::json!({}));
        let refused = told(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n");
        let refused = refused.expect_err("no token");
        assert!(refused.to_string().contains("--token-file"), "{refused}");
        for strange in [
            &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
            b"HTTP/1.1 200 OK\r\n\r\n<html>",
            b"HTTP/1.1 404 Not Found\r\n\r\n",
            b"\xff\xff\r\n",
        ] {
            let said = told(strange).expect_err("no box");
            assert!(matches!(said, AskError::Strange { .. }), "{said:?}");
        }
        let cut = told(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{").expect_err("cut");
        assert!(matches!(cut, AskError::Broken { .. }), "{cut:?}");
    }
}
