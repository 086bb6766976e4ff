//! `/v1/clips` over HTTP: requests become calls of the shelf, what the shelf refuses becomes problem
//! details (DESIGN §4.4). The manifest, one clip, its bytes, its acknowledgement.
//!
//! Bytes: `media` reads ranges and conditions, opens the clip on the [`Shelf`], and a thread of the
//! runtime reads it into [`ClipBody`], [`CHUNKS`] chunks ahead of a slow reader.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE,
    RANGE, RETRY_AFTER,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use http_body::{Frame, SizeHint};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::clips::clip::Clip;
use crate::clips::shelf::{ClipBytes, ClipQuery, Shelf, ShelfError};
use crate::http::{Problem, ShareLimits, at_most};

/// Clips on a page of the manifest, if nothing else is asked for.
const PAGE: usize = 100;
/// At most as many.
const MAX_PAGE: usize = 500;
/// Chunks of 128 KiB that wait for a slow reader.
const CHUNKS: usize = 4;
/// Chosen: each takes a thread of the runtime while its reader takes bytes. A browser asks for one, and what
/// pulls clips for a few.
const UNDER_WAY: ShareLimits = ShareLimits { each: 8, all: 32 };

/// The routes of a ring's clips, without authentication: mount them behind yours.
pub fn routes(shelf: Shelf) -> axum::Router {
    axum::Router::new()
        .route("/v1/clips", get(manifest))
        .route("/v1/clips/{id}", get(entry))
        .route("/v1/clips/{id}/media", at_most(get(media), "clips under way", UNDER_WAY))
        .route("/v1/clips/{id}/ack", post(acknowledge))
        .with_state(shelf)
}

/// A problem, and a field of the answer that goes with it.
struct Refusal {
    problem: Problem,
    field: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self { problem: Problem::new(status, title, detail), field: None }
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.field = Some((name, value));
        self
    }

    fn ours(error: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The ring failed", error.to_string())
    }

    fn no_such_clip() -> Self {
        let detail = "there is no such clip: /v1/clips lists what there is";
        Self { problem: Problem::not_found(detail), field: None }
    }

    fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "The ring is busy", "ask again in a few seconds")
            .with(RETRY_AFTER, HeaderValue::from_static("3"))
    }
}

impl From<ShelfError> for Refusal {
    fn from(error: ShelfError) -> Self {
        match error {
            ShelfError::NoSuchClip => Self::no_such_clip(),
            ShelfError::StillRecorded => Self::new(
                StatusCode::NOT_FOUND,
                "The clip is still being recorded",
                "its interval has not passed yet: ask again in a few seconds",
            )
            .with(RETRY_AFTER, HeaderValue::from_static("2")),
            ShelfError::NoBytes { why } => {
                Self::new(StatusCode::GONE, "There are no bytes of this clip", why)
            }
            ShelfError::Gone => Self::new(
                StatusCode::GONE,
                "The clip is gone",
                "its pin had ended, and its place was needed",
            ),
            ShelfError::OtherBytes { .. } => {
                Self::new(StatusCode::CONFLICT, "These are not the clip's bytes", error.to_string())
            }
            ShelfError::Busy => Self::busy(),
            ShelfError::Newer { .. } => Self::new(
                StatusCode::NOT_IMPLEMENTED,
                "The clip is of a newer version",
                error.to_string(),
            ),
            // Where its files lie is nobody else's business.
            ShelfError::Damaged { .. } => Self::ours("damaged entry"),
            ShelfError::OnlyRead | ShelfError::Disk(_) => Self::ours(error),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.problem.into_response();
        if let Some((name, value)) = self.field {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

#[derive(Debug, Deserialize)]
struct Page {
    after: Option<u64>,
    limit: Option<usize>,
    court: Option<String>,
}

#[derive(Debug, Serialize)]
struct Manifest {
    clips: Vec<Listed>,
    /// Ask for `after` this to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Listed {
    #[serde(flatten)]
    clip: Clip,
    #[serde(skip_serializing_if = "Option::is_none")]
    href: Option<String>,
}

impl From<Clip> for Listed {
    fn from(mut clip: Clip) -> Self {
        let href = clip.media.as_ref().map(|_| format!("/v1/clips/{}/media", clip.id));
        if let Some(media) = &mut clip.media {
            media.parts.clear(); // where its bytes lie is nobody else's business
        }
        Self { clip, href }
    }
}

async fn manifest(
    State(shelf): State<Shelf>,
    page: Result<Query<Page>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Manifest>, Refusal> {
    let Query(page) = page.map_err(|error| {
        Refusal::new(StatusCode::BAD_REQUEST, "The query cannot be read", error.body_text())
    })?;
    let query = ClipQuery {
        after: page.after.unwrap_or(0),
        limit: page.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE),
        court: page.court,
    };
    let list = blocking(move || shelf.list(&query)).await?;
    let clips = list.clips.into_iter().map(Listed::from).collect();
    Ok(Json(Manifest { clips, next: list.next }))
}

async fn entry(
    State(shelf): State<Shelf>,
    Path(id): Path<String>,
) -> Result<Json<Listed>, Refusal> {
    Ok(Json(blocking(move || shelf.read(&id)).await??.into()))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Acknowledgement {
    /// Of the bytes that were received, hexadecimal.
    sha256: Option<String>,
}

async fn acknowledge(
    State(shelf): State<Shelf>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Listed>, Refusal> {
    let said: Acknowledgement = if body.is_empty() {
        Acknowledgement::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            let text = format!("{error}: send {{\"sha256\": \"…\"}}");
            Refusal::new(StatusCode::BAD_REQUEST, "The acknowledgement cannot be read", text)
        })?
    };
    let clip = shelf.acknowledge(&id, said.sha256.as_deref()).await?;
    Ok(Json(clip.into()))
}

async fn media(
    State(shelf): State<Shelf>,
    Path(id): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let clip = {
        let shelf = shelf.clone();
        blocking(move || shelf.read(&id)).await??
    };
    let Some(info) = clip.media.clone() else {
        return Err(ShelfError::NoBytes { why: clip.note.unwrap_or_default() }.into());
    };
    let etag = format!("\"{}\"", info.sha256);
    let asked = range_asked(&headers, &etag, info.bytes);
    if says(&headers, &IF_NONE_MATCH, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response());
    }
    let (status, from, to) = match asked {
        BytesAsked::All => (StatusCode::OK, 0, info.bytes),
        BytesAsked::Part(from, to) => (StatusCode::PARTIAL_CONTENT, from, to),
        BytesAsked::Impossible => {
            let title = "The range is outside the clip";
            let detail = format!("the clip has {} bytes", info.bytes);
            let whole = header(&format!("bytes */{}", info.bytes));
            return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, title, detail)
                .with(CONTENT_RANGE, whole));
        }
    };
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let bytes = blocking(move || shelf.open(&clip)).await??;
        Body::new(ClipBody::start(bytes, from, to))
    };
    let mut response = (status, body).into_response();
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, header(&info.mime));
    fields.insert(CONTENT_LENGTH, header(&(to - from).to_string()));
    fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    fields.insert(ETAG, header(&etag));
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {from}-{}/{}", to - 1, info.bytes);
        fields.insert(CONTENT_RANGE, header(&range));
    }
    Ok(response)
}

/// Which of the bytes a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BytesAsked {
    All,
    Part(u64, u64),
    Impossible,
}

/// Reads `Range` (RFC 9110 14.2): one range of bytes; anything else means the whole.
fn range_asked(headers: &HeaderMap, etag: &str, len: u64) -> BytesAsked {
    let Some(range) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else {
        return BytesAsked::All;
    };
    // Only a strong validator of ours keeps the range; dates we do not give.
    let same = headers.get(IF_RANGE).is_none_or(|value| value.as_bytes() == etag.as_bytes());
    let one = range.strip_prefix("bytes=").filter(|list| !list.contains(','));
    let Some((first, last)) = one.and_then(|one| one.trim().split_once('-')) else {
        return BytesAsked::All;
    };
    if !same {
        return BytesAsked::All;
    }
    let number = |text: &str| text.parse::<u64>().ok();
    let (from, to) = match (first, last) {
        ("", last) => match number(last) {
            Some(suffix) => (len.saturating_sub(suffix), if suffix == 0 { 0 } else { len }),
            None => return BytesAsked::All,
        },
        (first, "") => match number(first) {
            Some(from) => (from, len),
            None => return BytesAsked::All,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(from), Some(last)) if from <= last => (from, last.saturating_add(1).min(len)),
            _ => return BytesAsked::All,
        },
    };
    if from < to { BytesAsked::Part(from, to) } else { BytesAsked::Impossible }
}

fn says(headers: &HeaderMap, name: &HeaderName, etag: &str) -> bool {
    let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    // Weak comparison (RFC 9110, 8.8.3.2): a cache on the way may have weakened the tag.
    let strong = |one: &str| one.trim().trim_start_matches("W/") == etag;
    value == "*" || value.split(',').any(strong)
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(Refusal::ours)
}

/// Bytes of a clip, read by a thread that waits while the reader is slow.
struct ClipBody {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    left: u64,
}

impl ClipBody {
    fn start(bytes: ClipBytes, from: u64, to: u64) -> Self {
        let (send, chunks) = mpsc::channel(CHUNKS);
        tokio::task::spawn_blocking(move || {
            // Fails once the reader is gone.
            let read = bytes.read(from, to, |c| send.blocking_send(Ok(c.into())).is_ok());
            if let Err(error) = read {
                drop(send.blocking_send(Err(error)));
            }
        });
        Self { chunks, left: to - from }
    }
}

impl http_body::Body for ClipBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.chunks.poll_recv(context) {
            Poll::Ready(Some(Ok(chunk))) => {
                self.left = self.left.saturating_sub(chunk.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(None) if self.left > 0 => {
                Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_has_them() {
        let rows = [
            ("", BytesAsked::All),
            ("bytes=0-", BytesAsked::Part(0, 100)),
            ("bytes=0-0", BytesAsked::Part(0, 1)),
            ("bytes=10-19", BytesAsked::Part(10, 20)),
            ("bytes=90-200", BytesAsked::Part(90, 100)),
            ("bytes=-10", BytesAsked::Part(90, 100)),
            ("bytes=-1000", BytesAsked::Part(0, 100)),
            ("bytes=-0", BytesAsked::Impossible),
            ("bytes=100-", BytesAsked::Impossible),
            ("bytes=20-10", BytesAsked::All),
            ("bytes=0-1,5-6", BytesAsked::All),
            ("lines=0-1", BytesAsked::All),
            ("bytes=x-y", BytesAsked::All),
        ];
        for (range, expected) in rows {
            let mut headers = HeaderMap::new();
            if !range.is_empty() {
                headers.insert(RANGE, header(range));
            }
            assert_eq!(range_asked(&headers, "\"a\"", 100), expected, "{range}");
        }
    }

    #[test]
    fn a_range_of_other_bytes_gives_the_whole() {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, header("bytes=1-2"));
        headers.insert(IF_RANGE, header("\"a\""));
        assert_eq!(range_asked(&headers, "\"a\"", 100), BytesAsked::Part(1, 3));
        assert_eq!(range_asked(&headers, "\"b\"", 100), BytesAsked::All);
    }
}
