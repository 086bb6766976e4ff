//! What changes clips over HTTP: keep, release, delete (DESIGN §4.4). Each is answered once it is on disk.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Router};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clips::audit::AuditRecord;
use crate::clips::clip::Clip;
use crate::clips::keeping::{Delete, DeleteWhat, Deleted, Keep, KeepWhat};
use crate::clips::routes::manifest::Listed;
use crate::clips::routes::reading::{Reading, blocking};
use crate::clips::routes::refusal::Refusal;
use crate::event::clip::{DeleteArguments, KeepArguments};
use crate::event::command::Role;
use crate::media::{Foreign, UtcTime};

/// Lines of the audit log that are given, the last ones.
const AUDIT_LINES: usize = 1000;

/// The routes of what changes.
pub(super) fn routes() -> Router<Reading> {
    Router::new()
        .route("/v1/clips", post(keep))
        .route("/v1/clips/{id}", delete(delete_clip))
        .route("/v1/clips/{id}/keep", post(keep_clip))
        .route("/v1/clips/{id}/release", post(release))
        .route("/v1/deletions", get(deletions).post(delete_asked))
}

/// Who asks, as it stands in entries and in the audit log.
fn door(role: Option<Extension<Role>>) -> Foreign {
    match role {
        Some(Extension(role)) => Foreign::told(format_args!("{role} over HTTP")),
        None => Foreign::told("HTTP"),
    }
}

fn read<Of: DeserializeOwned + Default>(body: &Bytes) -> Result<Of, Refusal> {
    if body.is_empty() {
        return Ok(Of::default());
    }
    serde_json::from_slice(body).map_err(|error| wrong(&Foreign::error(&error)))
}

fn wrong(why: &Foreign) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "Not understood", why.as_str())
}

fn now(reading: &Reading) -> UtcTime {
    reading.shelf.utc().unwrap_or_default()
}

/// A clip as the manifest shows it.
async fn listed(reading: Reading, clip: Clip) -> Result<Json<Listed>, Refusal> {
    blocking(move || Listed::of(clip, &reading.shelf, &reading.times)).await.map(Json)
}

async fn keep(
    State(reading): State<Reading>,
    role: Option<Extension<Role>>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let asked: KeepArguments = read(&body)?;
    let keep = Keep::read(&asked, now(&reading), door(role)).map_err(|why| wrong(&why))?;
    let again = matches!(keep.what, KeepWhat::Clip(_));
    let clip = reading.shelf.keep(keep).await?;
    let status = if again { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, listed(reading, clip).await?).into_response())
}

async fn keep_clip(
    State(reading): State<Reading>,
    role: Option<Extension<Role>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Listed>, Refusal> {
    let asked = KeepArguments { clip: Some(id), ..read(&body)? };
    let keep = Keep::read(&asked, now(&reading), door(role)).map_err(|why| wrong(&why))?;
    let clip = reading.shelf.keep(keep).await?;
    listed(reading, clip).await
}

async fn release(
    State(reading): State<Reading>,
    Path(id): Path<String>,
) -> Result<Json<Listed>, Refusal> {
    let clip = reading.shelf.release(&id).await?;
    listed(reading, clip).await
}

async fn delete_clip(
    State(reading): State<Reading>,
    role: Option<Extension<Role>>,
    Path(id): Path<String>,
) -> Result<Json<Deleted>, Refusal> {
    let what = DeleteWhat::Clip(id);
    Ok(Json(reading.shelf.delete(Delete { what, reason: None, by: door(role) }).await?))
}

async fn delete_asked(
    State(reading): State<Reading>,
    role: Option<Extension<Role>>,
    body: Bytes,
) -> Result<Json<Deleted>, Refusal> {
    let asked: DeleteArguments = read(&body)?;
    let delete = Delete::read(&asked, door(role)).map_err(|why| wrong(&why))?;
    Ok(Json(reading.shelf.delete(delete).await?))
}

#[derive(Serialize)]
struct Audited {
    /// The last lines, in order.
    deletions: Vec<AuditRecord>,
    /// Lines that cannot be read.
    damaged: usize,
}

async fn deletions(State(reading): State<Reading>) -> Result<Json<Audited>, Refusal> {
    let read = blocking(move || reading.shelf.audit()).await?;
    let (mut deletions, damaged) = read.map_err(Refusal::ours)?;
    deletions.drain(..deletions.len().saturating_sub(AUDIT_LINES));
    Ok(Json(Audited { deletions, damaged }))
}
