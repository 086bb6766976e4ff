//! What changes clips over HTTP: keep, release, delete (DESIGN §4.4). Each is answered once it is on disk, or, of what
//! takes longer than a request is held, with where to ask for it.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{LOCATION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Router};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clips::audit::AuditRecord;
use crate::clips::clip::Clip;
use crate::clips::imports;
use crate::clips::keeping::{Delete, DeleteWhat, Keep, KeepWhat};
use crate::clips::routes::manifest::{self, Listed};
use crate::clips::routes::reading::{Reading, blocking};
use crate::clips::routes::refusal::Refusal;
use crate::clips::shelf::KeptSoon;
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
    let id = match reading.shelf.keep_within(keep, reading.answers_within).await? {
        KeptSoon::Clip(clip) => {
            let status = if again { StatusCode::OK } else { StatusCode::CREATED };
            return Ok((status, listed(reading, *clip).await?).into_response());
        }
        KeptSoon::Making { id } => id,
    };
    if let Some(making) = manifest::making(&reading.shelf, &id) {
        return Ok(making.accepted());
    }
    // Made in between.
    let shelf = reading.shelf.clone();
    let clip = blocking(move || shelf.read(&id)).await??;
    Ok((StatusCode::CREATED, listed(reading, clip).await?).into_response())
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
) -> Result<Response, Refusal> {
    let what = DeleteWhat::Clip(id);
    deleted(&reading, Delete { what, reason: None, by: door(role) }).await
}

/// What went; or, of what takes longer than a request is held, where the audit log will say so.
async fn deleted(reading: &Reading, delete: Delete) -> Result<Response, Refusal> {
    // A deletion goes on whoever waits for it.
    let deleted = imports::delete(&reading.shelf, delete);
    match tokio::time::timeout(reading.answers_within, deleted).await {
        Ok(deleted) => Ok(Json(deleted?).into_response()),
        Err(_late) => {
            let fields = [
                (LOCATION, HeaderValue::from_static("/v1/deletions")),
                (RETRY_AFTER, HeaderValue::from_static("5")),
            ];
            let told = Json(serde_json::json!({ "state": "deleting" }));
            Ok((StatusCode::ACCEPTED, fields, told).into_response())
        }
    }
}

async fn delete_asked(
    State(reading): State<Reading>,
    role: Option<Extension<Role>>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let asked: DeleteArguments = read(&body)?;
    let delete = Delete::read(&asked, door(role)).map_err(|why| wrong(&why))?;
    deleted(&reading, delete).await
}

#[derive(Serialize)]
struct Audited {
    /// The last lines, in order.
    deletions: Vec<AuditRecord>,
    /// Lines that cannot be read.
    damaged: usize,
    /// The same of imports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    imports: Vec<OfImport>,
}

#[derive(Serialize)]
struct OfImport {
    import: String,
    deletions: Vec<AuditRecord>,
    damaged: usize,
}

async fn deletions(State(reading): State<Reading>) -> Result<Json<Audited>, Refusal> {
    let last = |mut lines: Vec<AuditRecord>| {
        lines.drain(..lines.len().saturating_sub(AUDIT_LINES));
        lines
    };
    let read = blocking(move || {
        let imports = reading.shelf.imports();
        let imports = imports.map_or(Ok(Vec::new()), |at| imports::audits(&*at.disk, &at.dir));
        Ok::<_, std::io::Error>((reading.shelf.audit()?, imports?))
    });
    let ((deletions, damaged), imports) = read.await?.map_err(Refusal::ours)?;
    let of_import =
        |(import, (deletions, damaged))| OfImport { import, deletions: last(deletions), damaged };
    let imports = imports.into_iter().map(of_import).collect();
    Ok(Json(Audited { deletions: last(deletions), damaged, imports }))
}
