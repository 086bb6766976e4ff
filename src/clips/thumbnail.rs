//! `/v1/clips/{id}/thumbnail.jpg`: one picture of a clip, drawn when somebody looks.
//!
//! Never at the cost of a court: one thread that stands back behind all others draws one picture at a time,
//! a key picture, which no other must be decoded for; [`WAITING`] wait for it, and who comes then is told to
//! ask again. What was drawn last is kept, [`KEPT_BYTES`] of it.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::clips::shelf::{Shelf, ShelfError};
use crate::clips::still::{Still, Which};
use crate::clock::stand_back;
use crate::http::Problem;

/// Pictures that wait to be drawn (chosen: a screen of a list; the page asks again).
const WAITING: usize = 12;
/// Bytes of pictures that are kept (chosen: some 500 of 320 pixels).
const KEPT_BYTES: usize = 8 << 20;

/// Makes JPEG of coded pictures: `app` gives it, since a stage knows no other.
pub trait Draws: Send + Sync + 'static {
    /// A JPEG of their picture, 320 pixels wide at most. Takes its time.
    ///
    /// # Errors
    /// Why there is none, in words.
    fn jpeg(&self, still: &Still) -> Result<Vec<u8>, String>;
}

/// The route of a ring's thumbnails, without authentication: mount it behind yours.
///
/// # Errors
/// There is no thread to be had.
pub fn thumbnails(shelf: Shelf, draws: Arc<dyn Draws>) -> std::io::Result<axum::Router> {
    let (wanted, orders) = mpsc::channel(WAITING);
    let drawer = Drawer { shelf, draws, kept: Arc::default() };
    let looks = Looks { shelf: drawer.shelf.clone(), kept: Arc::clone(&drawer.kept), wanted };
    // Not joined: it ends with the router, and holds nothing that a box ends by.
    std::thread::Builder::new().name("thumbnails".to_owned()).spawn(move || drawer.run(orders))?;
    Ok(axum::Router::new().route("/v1/clips/{id}/thumbnail.jpg", get(thumbnail)).with_state(looks))
}

/// A picture that is wanted, and who waits for it.
struct Order {
    id: String,
    sha256: String,
    reply: oneshot::Sender<Result<Bytes, Failed>>,
}

enum Failed {
    Shelf(ShelfError),
    Drawing(String),
}

/// What requests ask.
#[derive(Clone)]
struct Looks {
    shelf: Shelf,
    kept: Arc<Mutex<Kept>>,
    wanted: mpsc::Sender<Order>,
}

/// The one that draws.
struct Drawer {
    shelf: Shelf,
    draws: Arc<dyn Draws>,
    kept: Arc<Mutex<Kept>>,
}

impl Drawer {
    fn run(self, mut orders: mpsc::Receiver<Order>) {
        stand_back();
        // Woken by an order, or by the router's end.
        while let Some(order) = orders.blocking_recv() {
            if order.reply.is_closed() {
                continue; // whoever asked has gone
            }
            let kept = self.kept.lock().take(&order.sha256);
            let drawn = kept.map_or_else(|| self.draw(&order), Ok);
            drop(order.reply.send(drawn));
        }
    }

    fn draw(&self, order: &Order) -> Result<Bytes, Failed> {
        let clip = self.shelf.read(&order.id).map_err(Failed::Shelf)?;
        let still = self.shelf.still(&clip, Which::NearestKey).map_err(Failed::Shelf)?;
        let jpeg = Bytes::from(self.draws.jpeg(&still).map_err(Failed::Drawing)?);
        self.kept.lock().put(&order.sha256, jpeg.clone());
        Ok(jpeg)
    }
}

/// Pictures that were drawn, by the SHA-256 of their clips, which never change (R7). Locked for lines.
#[derive(Debug, Default)]
struct Kept {
    /// The one that was wanted last is last.
    pictures: VecDeque<(String, Bytes)>,
    bytes: usize,
}

impl Kept {
    fn take(&mut self, of: &str) -> Option<Bytes> {
        let at = self.pictures.iter().position(|(sha256, _)| sha256 == of)?;
        let found = self.pictures.remove(at)?;
        let jpeg = found.1.clone();
        self.pictures.push_back(found);
        Some(jpeg)
    }

    fn put(&mut self, of: &str, jpeg: Bytes) {
        if self.take(of).is_some() {
            return;
        }
        self.bytes += jpeg.len();
        self.pictures.push_back((of.to_owned(), jpeg));
        while self.bytes > KEPT_BYTES {
            let Some((_, gone)) = self.pictures.pop_front() else { return };
            self.bytes -= gone.len();
        }
    }
}

async fn thumbnail(
    State(looks): State<Looks>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let shelf = looks.shelf.clone();
    let named = id.clone();
    let read = tokio::task::spawn_blocking(move || shelf.read(&named)).await;
    let clip = match read {
        Ok(Ok(clip)) => clip,
        Ok(Err(error)) => return refused(&error),
        Err(_) => return busy(),
    };
    let Some(media) = clip.media else {
        return refused(&ShelfError::NoBytes { why: clip.note.unwrap_or_default() });
    };
    let tag = format!("\"{}-thumbnail\"", media.sha256);
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let kept = looks.kept.lock().take(&media.sha256);
    if let Some(jpeg) = kept {
        return picture(jpeg, &tag);
    }
    let (reply, drawn) = oneshot::channel();
    let order = Order { id, sha256: media.sha256, reply };
    if looks.wanted.try_send(order).is_err() {
        return busy();
    }
    match drawn.await {
        Ok(Ok(jpeg)) => picture(jpeg, &tag),
        Ok(Err(Failed::Shelf(error))) => refused(&error),
        Ok(Err(Failed::Drawing(why))) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "There is no picture of the clip", why)
                .into_response()
        }
        Err(_) => busy(),
    }
}

fn picture(jpeg: Bytes, tag: &str) -> Response {
    let mut response = jpeg.into_response();
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400"));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        fields.insert(ETAG, tag);
    }
    response
}

fn busy() -> Response {
    let detail = "the box draws others first: ask again in a few seconds";
    let problem =
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many pictures at once", detail);
    let mut response = problem.into_response();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    response
}

fn refused(error: &ShelfError) -> Response {
    let (status, title) = match error {
        ShelfError::NoSuchClip => (StatusCode::NOT_FOUND, "There is no such clip"),
        ShelfError::StillRecorded => (StatusCode::NOT_FOUND, "The clip is still being recorded"),
        ShelfError::NoBytes { .. } | ShelfError::Gone | ShelfError::Lost { .. } => {
            (StatusCode::GONE, "There is nothing of this clip")
        }
        ShelfError::Harmed { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "The clip is damaged"),
        ShelfError::Newer { .. } => (StatusCode::NOT_IMPLEMENTED, "The clip is of a newer version"),
        // Where its files lie is nobody else's business.
        _ => {
            let (status, title) = (StatusCode::INTERNAL_SERVER_ERROR, "The ring failed");
            return Problem::new(status, title, "it cannot be read").into_response();
        }
    };
    Problem::new(status, title, error.to_string()).into_response()
}
