//! What a refusal looks like: problem details (RFC 9457).

use axum::body::to_bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::media::{Foreign, ForeignKind};

/// A refusal that says what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The status.
    pub status: StatusCode,
    /// What is wrong, the same words each time.
    pub title: &'static str,
    /// What is wrong this time, and what to do.
    pub detail: String,
}

impl Problem {
    /// A problem of that status.
    #[must_use]
    pub fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into() }
    }

    /// There is nothing of that name.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let json = HeaderValue::from_static("application/problem+json");
        (self.status, [(header::CONTENT_TYPE, json)], body.to_string()).into_response()
    }
}

/// Too many wait already for what is said of the token that they showed.
pub(super) fn unheard() -> Response {
    let detail = "too many wrong tokens were shown: ask again in a second";
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut response = Problem::new(status, "Too many guesses", detail).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// When who is told to come later comes again, s (chosen: a page that closes is noticed by then).
const LATER_S: &str = "2";

/// As many are being answered as may be.
pub(super) fn later(why: &dyn std::fmt::Display) -> Response {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut response =
        Problem::new(status, "Too many connections", why.to_string()).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(LATER_S));
    response
}

/// The same as it is on the wire, for a connection that has to go before its request was read.
pub(super) fn last_words() -> String {
    let detail = "others need this connection's place, and nothing was asked on it that could be answered: ask again";
    let body = serde_json::json!({
        "type": "about:blank",
        "title": "Too many connections",
        "status": 503,
        "detail": detail,
    });
    let body = body.to_string();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: {LATER_S}\r\n\
         cache-control: no-store\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// What the framework says in its own words, as far as it is told on.
const WORDS_AT_MOST: usize = 1 << 10;

/// Gives a refusal that the framework made (a query that cannot be read, a method that is not served)
/// the same form as ours. Its headers stay: `Allow` says what to do.
pub(super) async fn worded(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let ours = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"));
    if ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let said = to_bytes(body, WORDS_AT_MOST).await.unwrap_or_default();
    // It may quote what was asked.
    let said = Foreign::bytes(ForeignKind::Text, said.trim_ascii()).to_string();
    // The framework names the methods further out, in `Allow`.
    let detail = match status {
        StatusCode::METHOD_NOT_ALLOWED if said.is_empty() => {
            "not with this method: the header Allow names those that are served here".to_owned()
        }
        _ => said,
    };
    let title = status.canonical_reason().unwrap_or("Refused");
    let problem = Problem::new(status, title, detail).into_response();
    parts.headers.remove(header::CONTENT_LENGTH);
    let (made, body) = problem.into_parts();
    parts.headers.extend(made.headers);
    Response::from_parts(parts, body)
}
