//! The operator's page: what the box sees and says, on a wall.
//!
//! Three static files in the binary and the few answers that they ask for, and the one thing that a
//! person may say back: what a shot was, for the calibration of its rim. Nothing here holds up
//! the flow: pictures are encoded when somebody looks, at most a few a second a court; a slow
//! watcher loses his place in the event stream and is given what is stored instead.

mod events;
mod picture;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::sync::broadcast;

use crate::event::FactId;
use crate::page::picture::Pictures;
use crate::http::Problem;
use crate::media::{CourtId, Frame};

/// An event that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentEvent {
    /// Counts events of the box in order of commit.
    pub position: u64,
    /// The envelope.
    pub json: String,
}

/// Stored events, when they have been read.
pub type Stored<'a> = Pin<Box<dyn Future<Output = Vec<SentEvent>> + Send + 'a>>;

/// Why a verdict was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not one of the words.
    #[error("write {{\"verdict\": \"made\"}}, \"missed\" or \"none\" (there was no attempt)")]
    Word,
    /// No rim has it among its last finals.
    #[error("no final shot of that fact among the last 200 of its rim")]
    Unknown,
    /// Nothing is learnt on this box.
    #[error("calibration is off: set `calibrate = \"watch\"` or \"on\" under [detect]")]
    Off,
    /// It may not be on disk; saying it again does no harm.
    #[error("say it again: {0}")]
    Busy(String),
}

/// What came of a verdict, once it is durable.
pub type Said<'a> = Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + 'a>>;

/// What the page shows. `app` gives it; none of it may block.
pub trait Source: Send + Sync + 'static {
    /// True for a configured court.
    fn has_court(&self, court: &CourtId) -> bool;
    /// The last picture of a court.
    fn snapshot(&self, court: &CourtId) -> Option<Arc<Frame>>;
    /// All `state/*`, put together: `box`, `version`, `streams`, `models`, `storage`, `uplink`,
    /// `clock`.
    fn state(&self) -> Arc<serde_json::Value>;
    /// Events from now on.
    fn subscribe(&self) -> broadcast::Receiver<SentEvent>;
    /// At most `limit` stored events after a position, in order.
    fn replay(&self, after: u64, limit: usize) -> Stored<'_>;
    /// Takes what a person says of a shot: `made`, `missed` or `none`. It is durable once this is
    /// through.
    fn verdict(&self, fact: FactId, verdict: &str) -> Said<'_>;
    /// Why we are not ready, if we are not.
    ///
    /// # Errors
    /// The reason, in a line.
    fn ready(&self) -> Result<(), String>;
    /// Metrics, in the text format of OpenMetrics.
    fn metrics(&self) -> String;
}

#[derive(Clone)]
struct Page {
    source: Arc<dyn Source>,
    pictures: Arc<Pictures>,
}

/// The page, its data, and what monitors ask for.
pub fn routes(source: Arc<dyn Source>) -> Router {
    Router::new()
        .route("/", get(|| file("text/html; charset=utf-8", include_str!("page.html"))))
        .route("/page.css", get(|| file("text/css; charset=utf-8", include_str!("page.css"))))
        .route("/page.js", get(|| file("text/javascript; charset=utf-8", include_str!("page.js"))))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/v1/state", get(state))
        .route("/v1/events", get(told))
        .route("/v1/events/{fact}/verdict", post(verdict))
        .route("/v1/courts/{court}/snapshot.jpg", get(snapshot))
        .with_state(Page { source, pictures: Arc::new(Pictures::default()) })
}

async fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], text)
}

async fn ready(State(page): State<Page>) -> Response {
    match page.source.ready() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Not ready", why).into_response(),
    }
}

async fn metrics(State(page): State<Page>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], page.source.metrics())
}

async fn state(State(page): State<Page>) -> impl IntoResponse {
    axum::Json(page.source.state().as_ref().clone())
}

/// Which events are asked for.
#[derive(Deserialize)]
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
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
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
    events::stream(page.source, from, asked.state.is_some())
}

/// What a person says of a shot.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Judged {
    verdict: String,
}

async fn verdict(State(page): State<Page>, Path(fact): Path<String>, body: Bytes) -> Response {
    let Some(fact) = FactId::parse(&fact) else {
        return refusal(&Refused::Unknown).into_response();
    };
    let Ok(judged) = serde_json::from_slice::<Judged>(&body) else {
        return refusal(&Refused::Word).into_response();
    };
    match page.source.verdict(fact, &judged.verdict).await {
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
