//! Requests of the page, answered from its [`Source`].

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use crate::disk::read_regular_text;
use crate::event::FactId;
use crate::event::words::VerdictWord;
use crate::http::{Problem, ShareLimits, at_most};
use crate::media::CourtId;
use crate::page::events::{self, Streams};
use crate::page::files::{self, CSS};
use crate::page::picture::Pictures;
use crate::page::source::{Refused, Source};

#[derive(Clone)]
struct Page {
    source: Arc<dyn Source>,
    streams: Arc<Streams>,
    pictures: Arc<Pictures>,
}

/// Chosen: a page has one, and the displays of a venue may all come through one proxy: 200 pages, and those that
/// come again before their last stream is known to be gone. Those who only see have 288 of all together.
const STREAMS: ShareLimits = ShareLimits { each: 240, all: 384 };
/// Chosen: a picture or two may lie in it as `data:`.
const THEME_MOST: u64 = 1 << 20;
/// Chosen: a browser asks for six at once. Drawing itself is bounded in `picture`.
const PICTURES: ShareLimits = ShareLimits { each: 24, all: 48 };

/// The page and its data.
pub fn routes(source: Arc<dyn Source>) -> Router {
    let streams = Streams::of(Arc::clone(&source));
    of(source, streams)
}

fn of(source: Arc<dyn Source>, streams: Streams) -> Router {
    let (streams, pictures) = (Arc::new(streams), Arc::new(Pictures::default()));
    files::routes()
        .route("/overlay.css", get(theme))
        .route("/v1/clock", get(clock))
        .route("/v1/state", get(state))
        .route("/v1/events", at_most(get(told), "event streams", STREAMS))
        .route("/v1/events/{fact}/verdict", post(verdict))
        .route("/v1/courts/{court}/snapshot.jpg", at_most(get(snapshot), "pictures", PICTURES))
        .with_state(Page { source, streams, pictures })
}

/// A box that has just started is looked at within a quarter of a second: who asks before waits for that.
async fn state(State(page): State<Page>) -> Response {
    page.source.looked_at().await;
    match page.streams.state() {
        Some(text) => {
            ([(header::CONTENT_TYPE, "application/json")], text.to_string()).into_response()
        }
        None => {
            let detail = "the box has just started: ask again in a second";
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Starting", detail);
            ([(header::RETRY_AFTER, "1")], problem).into_response()
        }
    }
}

/// The box's clock: pages show facts by it, some of them later than they came.
async fn clock(State(page): State<Page>) -> impl IntoResponse {
    let nanos = page.source.utc().as_nanos();
    // Written by hand, for a float of so many nanoseconds is off by 100 of them.
    let (millis, rest) = (nanos.div_euclid(1_000_000), nanos.rem_euclid(1_000_000) / 1_000);
    ([(header::CONTENT_TYPE, "application/json")], format!("{{\"unix_ms\":{millis}.{rest:03}}}"))
}

/// The venue's own looks of the overlay; none where it has no such file, or one that cannot be used.
async fn theme(State(page): State<Page>) -> impl IntoResponse {
    let path = page.source.overlay_css();
    let read = tokio::task::spawn_blocking(move || match read_regular_text(&path, THEME_MOST) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the venue's looks of the overlay are left out");
            String::new()
        }
    });
    ([(header::CONTENT_TYPE, CSS)], read.await.unwrap_or_default())
}

/// Which events are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Stored ones after this position first.
    after: Option<u64>,
    /// The newest so many stored ones first.
    last: Option<u16>,
    /// Anything: tell the state too, as `event: state`.
    state: Option<String>,
}

async fn told(
    State(page): State<Page>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Query(asked) = match asked {
        Ok(asked) => asked,
        Err(error) => {
            let (status, title) = (StatusCode::BAD_REQUEST, "The query cannot be read");
            return Problem::new(status, title, error.body_text()).into_response();
        }
    };
    // A browser that lost the connection says where it was; that beats what the page first asked.
    let again = headers
        .get(HeaderName::from_static("last-event-id"))
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok());
    let from = match (again.or(asked.after), asked.last) {
        (Some(position), _) => events::From::After(position),
        (None, Some(newest)) => events::From::Newest(newest),
        (None, None) => events::From::Now,
    };
    page.streams.open(from, asked.state.is_some())
}

/// What a person says of a shot.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Judged {
    verdict: VerdictWord,
}

async fn verdict(State(page): State<Page>, Path(fact): Path<String>, body: Bytes) -> Response {
    let Some(fact) = FactId::parse(&fact) else {
        return refusal(&Refused::Unknown).into_response();
    };
    let Ok(judged) = serde_json::from_slice::<Judged>(&body) else {
        return refusal(&Refused::Word).into_response();
    };
    if judged.verdict == VerdictWord::Other {
        return refusal(&Refused::Word).into_response();
    }
    match page.source.verdict(fact, judged.verdict).await {
        Ok(()) => {
            let said = serde_json::json!({"fact": fact.to_string(), "verdict": judged.verdict});
            axum::Json(said).into_response()
        }
        Err(refused) => refusal(&refused).into_response(),
    }
}

fn refusal(refused: &Refused) -> Problem {
    let (status, title) = match refused {
        Refused::Word => (StatusCode::BAD_REQUEST, "No verdict"),
        Refused::Unknown => (StatusCode::NOT_FOUND, "Unknown shot"),
        Refused::Off => (StatusCode::CONFLICT, "Calibration is off"),
        Refused::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "Not kept"),
    };
    Problem::new(status, title, refused.to_string())
}

async fn snapshot(State(page): State<Page>, Path(court): Path<String>) -> Response {
    let court = match CourtId::new(&court) {
        Ok(court) if page.source.has_court(&court) => court,
        Ok(_) | Err(_) => {
            let detail = "no court of that name; /v1/state has their names";
            return Problem::not_found(detail).into_response();
        }
    };
    let Some(frame) = page.source.snapshot(&court) else {
        let detail = format!("no picture of court {court} yet: its camera does not publish");
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return Problem::new(status, "No picture", detail).into_response();
    };
    match page.pictures.jpeg(&court, frame).await {
        Some(jpeg) => ([(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response(),
        None => {
            let detail = "this picture cannot be drawn; ask again";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "No picture", detail).into_response()
        }
    }
}

#[cfg(test)]
mod tests;
