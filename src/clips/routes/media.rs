//! A clip's bytes, whole or in part, and their acknowledgement.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;

use crate::clips::clip::Clip;
use crate::clips::pace::Lane;
use crate::clips::routes::body::{PacedBody, Readable};
use crate::clips::routes::manifest::Listed;
use crate::clips::routes::ranges::{
    BytesAsked, Conditions, conditions, header, http_date, range_asked,
};
use crate::clips::routes::reading::{Reading, blocking};
use crate::clips::routes::refusal::Refusal;
use crate::clips::shelf::{ClipBytes, Shelf, ShelfError};
use crate::media::{UtcTime, base64};

/// SHA-256 of the whole, whatever part is sent (RFC 9530, 3).
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

impl Readable for ClipBytes {
    fn read_at(&self, from: u64, most: usize) -> io::Result<Vec<u8>> {
        Self::read_at(self, from, most)
    }
}

/// For who keeps them.
pub(super) async fn bytes(
    reading: State<Reading>,
    id: Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    given(reading, id, Lane::Pull, (method, headers)).await
}

/// For a player, which looks at them now.
pub(super) async fn played(
    reading: State<Reading>,
    id: Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    given(reading, id, Lane::Play, (method, headers)).await
}

/// What a clip's list names: its fragments from the key frame on.
pub(super) async fn fragments(
    State(reading): State<Reading>,
    Path(id): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let shelf = reading.shelf.clone();
    let opened = move || {
        let clip = shelf.read(&id)?;
        let bytes = shelf.fragments(&clip)?;
        let none = || ShelfError::NoBytes { why: String::new() };
        let modified = modified(&shelf, &clip);
        Ok::<_, ShelfError>((clip.media.ok_or_else(none)?, bytes, modified))
    };
    let (media, bytes, modified) = blocking(opened).await??;
    // They never change either, and are not what was hashed.
    let etag = format!("\"{}-f\"", media.sha256);
    let told = Told { etag, modified, mime: media.mime, digest: None };
    let Some((asked, response)) = told.answer(&headers, bytes.bytes())? else {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, told.etag)]).into_response());
    };
    Ok(match method == Method::HEAD {
        true => response,
        false => response
            .map(|_| Body::new(PacedBody::new(Arc::new(bytes), asked, (reading.pace, Lane::Play)))),
    })
}

async fn given(
    State(reading): State<Reading>,
    Path(id): Path<String>,
    lane: Lane,
    (method, headers): (Method, HeaderMap),
) -> Result<Response, Refusal> {
    let shelf = reading.shelf.clone();
    let clip = blocking(move || shelf.read(&id)).await??;
    let Some(info) = clip.media.clone() else {
        return Err(ShelfError::NoBytes { why: clip.note.unwrap_or_default() }.into());
    };
    let etag = format!("\"{}\"", info.sha256);
    let modified = modified(&reading.shelf, &clip);
    let told = Told { etag, modified, mime: info.mime, digest: repr_digest(&info.sha256) };
    let Some((asked, response)) = told.answer(&headers, info.bytes)? else {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, told.etag)]).into_response());
    };
    if method == Method::HEAD {
        return Ok(response);
    }
    let shelf = reading.shelf.clone();
    let bytes = Arc::new(blocking(move || shelf.open(&clip)).await??);
    Ok(response.map(|_| Body::new(PacedBody::new(bytes, asked, (reading.pace, lane)))))
}

/// Since when the bytes are these: they never change (R7). None where the box's clock was ahead then.
fn modified(shelf: &Shelf, clip: &Clip) -> Option<UtcTime> {
    let made = UtcTime::from_nanos(clip.made_ns);
    Some(made).filter(|made| shelf.utc().is_none_or(|now| *made <= now))
}

/// What the fields of an answer say of the bytes.
struct Told {
    etag: String,
    modified: Option<UtcTime>,
    mime: String,
    digest: Option<HeaderValue>,
}

impl Told {
    /// The bytes that are asked for, of `all`, and an answer without them; `None` for who has them.
    fn answer(
        &self,
        headers: &HeaderMap,
        all: u64,
    ) -> Result<Option<((u64, u64), Response)>, Refusal> {
        match conditions(headers, &self.etag, self.modified) {
            Conditions::Met => {}
            Conditions::Same => return Ok(None),
            Conditions::Failed => return Err(Refusal::other_than_meant(&self.etag)),
        }
        let (status, from, to) = match range_asked(headers, &self.etag, all) {
            BytesAsked::All => (StatusCode::OK, 0, all),
            BytesAsked::Part(from, to) => (StatusCode::PARTIAL_CONTENT, from, to),
            BytesAsked::Impossible => return Err(Refusal::out_of_range(&all.to_string(), "clip")),
        };
        let mut response = (status, Body::empty()).into_response();
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, header(&self.mime));
        fields.insert(CONTENT_LENGTH, header(&(to - from).to_string()));
        fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        fields.insert(ETAG, header(&self.etag));
        if let Some(date) = self.modified.and_then(http_date) {
            fields.insert(LAST_MODIFIED, date);
        }
        if let Some(digest) = &self.digest {
            fields.insert(REPR_DIGEST, digest.clone());
        }
        if status == StatusCode::PARTIAL_CONTENT {
            fields.insert(CONTENT_RANGE, header(&format!("bytes {from}-{}/{all}", to - 1)));
        }
        Ok(Some(((from, to), response)))
    }
}

/// As RFC 9530 writes it; `None` where the entry's hash is none.
fn repr_digest(sha256: &str) -> Option<HeaderValue> {
    let byte = |n: usize| u8::from_str_radix(sha256.get(n * 2..n * 2 + 2)?, 16).ok();
    let bytes: Vec<u8> = (0..32).map(byte).collect::<Option<_>>()?;
    HeaderValue::from_str(&format!("sha-256=:{}:", base64::encode(&bytes))).ok()
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Acknowledgement {
    /// Of the bytes that were received, hexadecimal.
    sha256: Option<String>,
}

pub(super) async fn acknowledge(
    State(reading): State<Reading>,
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
    let clip = reading.shelf.acknowledge(&id, said.sha256.as_deref()).await?;
    Ok(Json(blocking(move || Listed::of(clip, &reading.shelf, &reading.times)).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_as_the_standard_has_it() {
        // RFC 9530, B.1: `{"hello": "world"}` and a line feed.
        let sha256 = "5f8f04f6a3a892aaabbddb6cf273894493773960d4a325b105fee46eef4304f1";
        let told = repr_digest(sha256).expect("a hash");
        assert_eq!(told, "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:");
        assert_eq!(repr_digest("abc"), None);
    }
}
