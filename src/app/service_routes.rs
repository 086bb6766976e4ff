//! `/v1/courts/{court}/service` and `/floor` over HTTP: for the page's panel, and for a technician's own program.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::app::operations::{Technician, court_named};
use crate::event::service::{ConfirmArguments, OverrideArguments};
use crate::floor::{Plan, Xy};
use crate::http::{Problem, ShareLimits, at_most};
use crate::media::Foreign;
use crate::uplink::Failed;

/// A check runs the finder for seconds (chosen: two technicians at once, and no more).
const CHECKS: ShareLimits = ShareLimits { each: 1, all: 2 };
/// As it stands in the record.
const DOOR: &str = "page";

type With = State<Arc<Technician>>;

/// The routes, without authentication: mount them behind yours.
pub(crate) fn routes(technician: Arc<Technician>) -> Router {
    let check = at_most(post(check), "checks of a court", CHECKS);
    Router::new()
        .route("/v1/courts/{court}/service/check", check)
        .route("/v1/courts/{court}/service/confirm", post(confirm))
        .route("/v1/courts/{court}/service/override", post(overrides))
        .route("/v1/floors", get(floors))
        .route("/v1/courts/{court}/floor", get(floor).post(lay))
        .route("/v1/courts/{court}/floor/try", post(lays))
        .with_state(technician)
}

async fn check(State(technician): With, Path(court): Path<String>) -> Response {
    let looked = tokio::task::spawn_blocking(move || {
        let court = court_named(&technician.web, Some(court))?;
        technician.check(&court, &|_, _| {}, &|| false)
    });
    match looked.await {
        Ok(Ok(told)) => Json(told).into_response(),
        Ok(Err(failed)) => refused(&failed),
        Err(error) => refused(&Failed::new("failed", error)),
    }
}

async fn confirm(State(technician): With, Path(court): Path<String>, body: Bytes) -> Response {
    let done = async {
        let court = court_named(&technician.web, Some(court))?;
        let asked: ConfirmArguments = read(&body)?;
        technician.confirm(court, &asked, Foreign::told(DOOR)).await
    };
    done.await.map_or_else(|failed| refused(&failed), |told| Json(told).into_response())
}

async fn overrides(State(technician): With, Path(court): Path<String>, body: Bytes) -> Response {
    let done = async {
        let court = court_named(&technician.web, Some(court))?;
        let asked: OverrideArguments = read(&body)?;
        technician.overrides(court, &asked, Foreign::told(DOOR)).await
    };
    done.await.map_or_else(|failed| refused(&failed), |told| Json(told).into_response())
}

/// The painted courts that there are, each with what of it can be clicked, and its lines.
async fn floors() -> Response {
    let plan = |plan: Plan| {
        let xy = |at: Xy| [at.x, at.y];
        let line = |line: Vec<Xy>| line.into_iter().map(xy).collect::<Vec<_>>();
        let lines: Vec<_> = plan.lines().into_iter().map(line).collect();
        let points = plan.points().into_iter();
        let points: Vec<_> = points
            .map(|point| json!({ "name": point.name, "words": point.words, "at": xy(point.at) }))
            .collect();
        json!({
            "name": plan.name, "title": plan.title, "width": plan.width, "length": plan.length,
            "points": points, "lines": lines,
        })
    };
    Json(json!({ "floors": Plan::all().into_iter().map(plan).collect::<Vec<_>>() })).into_response()
}

async fn floor(State(technician): With, Path(court): Path<String>) -> Response {
    match court_named(&technician.web, Some(court)) {
        Ok(court) => Json(json!({ "floor": technician.floor(&court) })).into_response(),
        Err(failed) => refused(&failed),
    }
}

async fn lays(State(technician): With, Path(court): Path<String>, body: Bytes) -> Response {
    let looked = || technician.lays(&court_named(&technician.web, Some(court))?, &read(&body)?);
    looked().map_or_else(|failed| refused(&failed), |told| Json(told).into_response())
}

async fn lay(State(technician): With, Path(court): Path<String>, body: Bytes) -> Response {
    let done = async {
        let court = court_named(&technician.web, Some(court))?;
        technician.lay(court, read(&body)?).await
    };
    done.await.map_or_else(|failed| refused(&failed), |told| Json(told).into_response())
}

fn read<Of: DeserializeOwned>(body: &[u8]) -> Result<Of, Failed> {
    serde_json::from_slice(body).map_err(|error| Failed::new("arguments", Foreign::error(&error)))
}

fn refused(failed: &Failed) -> Response {
    let (status, title) = match failed.code {
        "no_such_court" => (StatusCode::NOT_FOUND, "No such court"),
        "arguments" | "rims" | "floor" | "who" | "reason" => {
            (StatusCode::BAD_REQUEST, "Not understood")
        }
        "no_picture" | "refused" | "no_file" => (StatusCode::CONFLICT, "Not taken"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "Not done"),
    };
    Problem::new(status, title, failed.reason.to_string()).into_response()
}
