//! Who may ask: a token as bearer, or the cookie that a browser gets for it at `/login`.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::config::Secret;
use crate::http::{HttpError, Problem};

/// Name of the cookie.
const COOKIE: &str = "courtside";
/// A browser on a wall stays signed in; a month (chosen).
const COOKIE_SECONDS: u32 = 30 * 24 * 3600;
/// Where a monitor asks; open to all, and say nothing but yes or no.
const OPEN_PATHS: [&str; 2] = ["/healthz", "/readyz"];
/// How the one page looks that is shown unasked.
const LOGIN_CSS: &str = include_str!("login.css");
/// What a wrong token costs who tries.
const WRONG_TOKEN_DELAY: Duration = Duration::from_millis(700);
/// A token that somebody wrote must not be shorter.
const TOKEN_LEAST_CHARS: usize = 16;

/// Who may ask.
#[derive(Clone)]
pub enum Access {
    /// Who has the token.
    Token(Token),
    /// Everybody who can reach us, by an address or `localhost` alone, so that no web site can
    /// point a name of its own at us. For `demo` on loopback.
    Open,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(hidden)",
            Self::Open => "Open",
        })
    }
}

/// The token of this box, and the cookie made from it.
#[derive(Clone)]
pub struct Token {
    token: Secret,
    /// Another secret than the token: who steals a cookie has no bearer.
    cookie: Secret,
}

impl Token {
    /// Reads the token, or makes one of 256 bits in a file that only we can read.
    ///
    /// A cut between making and writing leaves an empty file, which is written at the next start.
    ///
    /// # Errors
    /// [`HttpError::Token`], [`HttpError::WeakToken`].
    pub fn open(file: &Path) -> Result<Self, HttpError> {
        let failed = |what| move |source| HttpError::Token { what, file: file.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        // A file that we may only read is a token that somebody else keeps.
        let mut opened = options
            .open(file)
            .or_else(|_| std::fs::File::open(file))
            .map_err(failed("open the token in"))?;
        let mut text = String::new();
        (&mut opened).take(4096).read_to_string(&mut text).map_err(failed("read the token in"))?;
        let written = text.lines().next().unwrap_or_default().trim();
        if written.is_empty() {
            let made = make(&mut opened).map_err(failed("write a token to"))?;
            return Ok(Self::new(&made));
        }
        if written.len() < TOKEN_LEAST_CHARS {
            return Err(HttpError::WeakToken { file: file.to_owned() });
        }
        let mode = opened.metadata().map_err(failed("look at the token in"))?.permissions().mode();
        if mode & 0o077 != 0 {
            tracing::warn!(file = %file.display(), "others can read the HTTP token: chmod 600 it");
        }
        Ok(Self::new(written))
    }

    /// Takes a token that is known already.
    #[must_use]
    pub fn new(token: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"courtside cookie 1\0");
        hash.update(token.as_bytes());
        Self { token: Secret::new(token), cookie: Secret::new(&hex(&hash.finalize())) }
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .is_some_and(|(_, token)| self.token.matches(token.trim().as_bytes()));
        bearer
            || headers
                .get_all(header::COOKIE)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(';'))
                .filter_map(|pair| pair.trim().split_once('='))
                .any(|(name, value)| name == COOKIE && self.cookie.matches(value.as_bytes()))
    }
}

fn make(file: &mut std::fs::File) -> io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let token = hex(&bytes);
    file.write_all(format!("{token}\n").as_bytes())?;
    file.sync_all()?;
    Ok(token)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts `routes` behind the rules, with `/login` beside them.
pub(super) fn guarded(routes: Router, access: Access, secure: bool) -> Router {
    let door = Arc::new(Door { access, secure });
    routes
        .fallback(|| async { Problem::not_found("nothing is served there; / is the page") })
        .layer(middleware::from_fn_with_state(Arc::clone(&door), admit))
        .route("/login.css", get(|| async { ([(header::CONTENT_TYPE, "text/css")], LOGIN_CSS) }))
        .route("/login", get(ask).post(sign_in).with_state(door))
}

struct Door {
    access: Access,
    /// True behind TLS: the cookie then never travels in clear.
    secure: bool,
}

async fn admit(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let admitted = match &door.access {
        _ if OPEN_PATHS.contains(&path) => true,
        Access::Token(token) => token.admits(request.headers()),
        Access::Open if named_by_address(request.headers()) => true,
        Access::Open => {
            let detail = "ask by address or as localhost; names are not answered without a token";
            return Problem::new(StatusCode::MISDIRECTED_REQUEST, "Misdirected request", detail)
                .into_response();
        }
    };
    if admitted {
        return next.run(request).await;
    }
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if request.method() == Method::GET && accepts.is_some_and(|types| types.contains("text/html")) {
        return Redirect::to("/login").into_response();
    }
    let detail = "send the token as `Authorization: Bearer …`, or sign in at /login; it stands in \
                  the file that `http.token_file` names";
    let mut response =
        Problem::new(StatusCode::UNAUTHORIZED, "Unauthorized", detail).into_response();
    let challenge = HeaderValue::from_static("Bearer realm=\"courtside\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// True if the peer called us by an address or as localhost.
fn named_by_address(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[derive(Deserialize)]
struct Asked {
    wrong: Option<String>,
}

async fn ask(Query(asked): Query<Asked>) -> Html<String> {
    let said = match asked.wrong {
        Some(_) => "<p role=\"alert\">That is not the token of this box.</p>",
        None => "",
    };
    Html(include_str!("login.html").replace("<!--said-->", said))
}

#[derive(Deserialize)]
struct SignIn {
    token: String,
}

async fn sign_in(State(door): State<Arc<Door>>, Form(form): Form<SignIn>) -> Response {
    let Access::Token(token) = &door.access else { return Redirect::to("/").into_response() };
    if !token.token.matches(form.token.trim().as_bytes()) {
        tokio::time::sleep(WRONG_TOKEN_DELAY).await;
        return Redirect::to("/login?wrong=1").into_response();
    }
    let secure = if door.secure { "; Secure" } else { "" };
    let cookie = format!(
        "{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={COOKIE_SECONDS}{secure}",
        token.cookie.expose()
    );
    let mut response = Redirect::to("/").into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
