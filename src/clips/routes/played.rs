//! Lists and segments for players: HLS (RFC 8216bis).
//!
//! A player asks for the list, for what stands before the first fragment, and for byte ranges of segments;
//! all of it under a viewer's token, or a browser's session.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, RETRY_AFTER,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::clips::library::{BACK, NotPlayed, SegmentBytes, Wanted};
use crate::clips::pace::Lane;
use crate::clips::routes::body::{PacedBody, Readable};
use crate::clips::routes::manifest::moment;
use crate::clips::routes::ranges::{BytesAsked, header, range_asked};
use crate::clips::routes::reading::{Reading, blocking};
use crate::clips::routes::refusal::Refusal;
use crate::clips::shelf::{Shelf, ShelfError};
use crate::media::CourtId;

/// A live list goes back no farther: what is older is asked for by `from` and `to`.
const BACK_MOST_S: u64 = 6 * 3600;
const PLAYLIST: &str = "application/vnd.apple.mpegurl";
/// A segment's bytes never change; a player that seeks back need not fetch them again.
const KEPT: &str = "private, max-age=3600";

impl Readable for SegmentBytes {
    fn read_at(&self, from: u64, most: usize) -> io::Result<Vec<u8>> {
        Self::read_at(self, from, most)
    }
}

impl From<NotPlayed> for Refusal {
    fn from(error: NotPlayed) -> Self {
        let detail = error.to_string();
        match error {
            NotPlayed::NoCourt
            | NotPlayed::NoGame
            | NotPlayed::NoSegment
            | NotPlayed::NothingThen => Self::not_found(detail),
            NotPlayed::NothingYet => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "Nothing is recorded", detail)
                    .with(RETRY_AFTER, HeaderValue::from_static("3"))
            }
            NotPlayed::Evicted => Self::new(StatusCode::GONE, "The segment is gone", detail),
            NotPlayed::Lost => Self::new(StatusCode::GONE, "The segment is lost", detail),
            NotPlayed::Harmed(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The recording is damaged", detail)
            }
            NotPlayed::Disk(error) => Self::ours(error),
        }
    }
}

/// What part of a recording is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Seconds back from its end.
    back: Option<u64>,
    /// RFC 3339.
    from: Option<String>,
    to: Option<String>,
    /// A game that was started: all of it.
    game: Option<String>,
}

impl Asked {
    fn wanted(&self, court: &CourtId, shelf: &Shelf) -> Result<Wanted, Refusal> {
        if let Some(game) = &self.game {
            if self.from.is_some() || self.to.is_some() || self.back.is_some() {
                return Err(Refusal::query("a `game` is asked for alone".to_owned()));
            }
            let game = shelf.game(game).filter(|game| game.courts.contains(court));
            let game = game.ok_or(NotPlayed::NoGame)?;
            return Ok(game
                .to
                .map_or(Wanted::Since(game.from), |to| Wanted::Between(game.from, to)));
        }
        let from = self.from.as_deref().map(|text| moment("from", text)).transpose()?;
        let to = self.to.as_deref().map(|text| moment("to", text)).transpose()?;
        match (from, to, self.back) {
            (None, None, None) => Ok(Wanted::Back(BACK)),
            (None, None, Some(back)) if (1..=BACK_MOST_S).contains(&back) => {
                Ok(Wanted::Back(Duration::from_secs(back)))
            }
            (None, None, Some(_)) => Err(Refusal::query(format!(
                "`back` is 1 to {BACK_MOST_S} seconds: ask for what is older by `from` and `to`"
            ))),
            (Some(from), None, None) => Ok(Wanted::Since(from)),
            (Some(from), Some(to), None) if from <= to => Ok(Wanted::Between(from, to)),
            _ => Err(Refusal::query(
                "ask for `back` alone, for `from`, or for `from` and a later `to`".to_owned(),
            )),
        }
    }
}

fn court(name: &str) -> Result<CourtId, Refusal> {
    CourtId::new(name).map_err(|_| NotPlayed::NoCourt.into())
}

pub(super) async fn of_court(
    State(reading): State<Reading>,
    Path(name): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(asked) = asked.map_err(|error| Refusal::query(error.body_text()))?;
    let court = court(&name)?;
    let wanted = asked.wanted(&court, &reading.shelf)?;
    let list = blocking(move || reading.library.list(&court, wanted)).await??;
    Ok(([(CONTENT_TYPE, PLAYLIST)], list).into_response())
}

pub(super) async fn of_clip(
    State(reading): State<Reading>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let list = blocking(move || {
        let clip = reading.shelf.read(&id)?;
        if clip.media.is_none() {
            let why = clip.note.unwrap_or_default();
            return Err(Refusal::from(ShelfError::NoBytes { why }));
        }
        reading.library.of_clip(&clip).map_err(|error| match error {
            // What of it was let go, and what the disk lost.
            NotPlayed::Evicted | NotPlayed::Lost => {
                reading.shelf.why_not(&clip, &io::ErrorKind::NotFound.into()).into()
            }
            NotPlayed::Harmed(why) => {
                let why = io::Error::new(io::ErrorKind::InvalidData, why);
                reading.shelf.why_not(&clip, &why).into()
            }
            other => other.into(),
        })
    })
    .await??;
    Ok(([(CONTENT_TYPE, PLAYLIST)], list).into_response())
}

pub(super) async fn init(
    State(reading): State<Reading>,
    Path((name, segment)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let bytes = opened(&reading, &name, &segment).await?;
    let fields = [(CONTENT_TYPE, header(&bytes.mime())), (CACHE_CONTROL, header(KEPT))];
    Ok((fields, bytes.init().to_vec()).into_response())
}

pub(super) async fn segment(
    State(reading): State<Reading>,
    Path((name, segment)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let bytes = opened(&reading, &name, &segment).await?;
    let len = bytes.len();
    // Nobody knows how long it will be while it is recorded.
    let all = if bytes.open { "*".to_owned() } else { len.to_string() };
    let (status, from, to) = match range_asked(&headers, &format!("\"{segment}-{len}\""), len) {
        BytesAsked::All => (StatusCode::OK, 0, len),
        BytesAsked::Part(from, to) => (StatusCode::PARTIAL_CONTENT, from, to),
        BytesAsked::Impossible => return Err(Refusal::out_of_range(&all, "segment")),
    };
    let mime = header(&bytes.mime());
    let body = match method == Method::HEAD {
        true => Body::empty(),
        false => Body::new(PacedBody::new(Arc::new(bytes), (from, to), (reading.pace, Lane::Play))),
    };
    let mut response = (status, body).into_response();
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, mime);
    fields.insert(CONTENT_LENGTH, header(&(to - from).to_string()));
    fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if all != "*" {
        fields.insert(CACHE_CONTROL, header(KEPT));
        fields.insert(ETAG, header(&format!("\"{segment}-{len}\"")));
    }
    if status == StatusCode::PARTIAL_CONTENT {
        fields.insert(CONTENT_RANGE, header(&format!("bytes {from}-{}/{all}", to - 1)));
    }
    Ok(response)
}

/// `segment` is its number; with `.mp4` behind it in lists, since some players go by that (ffmpeg 7.1.1).
async fn opened(reading: &Reading, name: &str, segment: &str) -> Result<SegmentBytes, Refusal> {
    let number = segment.strip_suffix(".mp4").unwrap_or(segment).parse();
    let segment: u64 = number.map_err(|_| Refusal::from(NotPlayed::NoSegment))?;
    let (court, library) = (court(name)?, Arc::clone(&reading.library));
    Ok(blocking(move || library.segment(&court, segment)).await??)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::refused;

    #[test]
    fn what_the_table_lets_in_is_read_here_and_nothing_else() {
        let said = refused::<Asked>("/v1/courts/{court}/live.m3u8");
        assert!(said("since").is_some_and(|said| said.contains("`back`, `from`, `to`, `game`")));
    }
}
