//! `/v1/config` over HTTP: what is in force, what can be written, and another door to `config/desired`.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, put};

use crate::app::twin::TwinDesk;
use crate::config::schema;
use crate::event::twin::{DesiredTold, Refusal};
use crate::event::words::DesiredOutcome;
use crate::http::Problem;

/// The routes, without authentication: mount them behind yours.
pub(crate) fn routes(twin: TwinDesk) -> Router {
    Router::new()
        .route(
            "/v1/config",
            get(|State(twin): State<TwinDesk>| async move { Json((*twin.reported()).clone()) }),
        )
        .route("/v1/config/schema", get(async || Json(schema())))
        .route("/v1/config/desired", put(desired).post(desired))
        .with_state(twin)
}

async fn desired(State(twin): State<TwinDesk>, body: Bytes) -> Response {
    let Some(told) = twin.wanted(body).await else {
        let text = "another configuration is being taken: send this one again in a moment";
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Busy", text).into_response();
    };
    match told.outcome {
        DesiredOutcome::Refused | DesiredOutcome::Undone => refused(&told),
        _ => Json(told).into_response(),
    }
}

/// A problem whose `errors` are those of `config/reported`.
fn refused(told: &DesiredTold) -> Response {
    let line = |Refusal { path, reason }: &Refusal| format!("{path}: {reason}");
    let body = serde_json::json!({
        "type": "about:blank",
        "title": "Refused",
        "status": 422,
        "detail": told.errors.iter().map(line).collect::<Vec<_>>().join("\n"),
        "revision": told.revision,
        "outcome": told.outcome,
        "errors": told.errors,
    });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (StatusCode::UNPROCESSABLE_ENTITY, kind, body.to_string()).into_response()
}
