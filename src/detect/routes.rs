//! `/v1/models` over HTTP: what the models do, and the commands that have another one decide.
//!
//! The same door for the command line (over the box's own socket), for the page and for who has the
//! token; a command by MQTT calls the same [`ChangesModels`].

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};

use crate::detect::delivery::InstallRefused;
use crate::detect::roster::swapping::SwapRefused;
use crate::event::models::{Disagreement, InstallOrder, SwapOrder};
use crate::event::state::ModelsState;
use crate::http::Problem;

/// What is asked of the models. `app` gives it; none of it may block.
pub trait ChangesModels: Send + Sync + 'static {
    /// As in `state/models`, now.
    fn models(&self) -> ModelsState;
    /// Attempts at which two models said otherwise, the newest first.
    fn disagreements(&self) -> Vec<Disagreement>;
    /// Has another bundle decide, once it has been tried beside the one that does.
    ///
    /// # Errors
    /// [`SwapRefused`].
    fn swap(&self, order: &SwapOrder) -> Changed;
    /// Brings a parcel, and has its bundle decide as [`swap`](Self::swap) does.
    ///
    /// # Errors
    /// [`InstallRefused`].
    fn install(&self, order: &InstallOrder) -> Result<(), InstallRefused>;
    /// The model before decides again.
    ///
    /// # Errors
    /// [`SwapRefused`].
    fn back(&self) -> Changed;
    /// Ends a swap that is under way.
    ///
    /// # Errors
    /// [`SwapRefused`].
    fn cancel(&self) -> Changed;
}

/// Whether a command was taken.
pub type Changed = Result<(), SwapRefused>;

type Models = Arc<dyn ChangesModels>;

/// The routes, without authentication: mount them behind yours.
pub fn routes(models: Models) -> axum::Router {
    axum::Router::new()
        .route(
            "/v1/models",
            get(|State(models): State<Models>| async move { Json(models.models()) }),
        )
        .route("/v1/models/disagreements", get(disagreements))
        .route("/v1/models/swap", post(swap))
        .route("/v1/models/install", post(install))
        .route(
            "/v1/models/back",
            post(|State(models): State<Models>| async move { done(&models, models.back()) }),
        )
        .route(
            "/v1/models/cancel",
            post(|State(models): State<Models>| async move { done(&models, models.cancel()) }),
        )
        .with_state(models)
}

async fn disagreements(State(models): State<Models>) -> impl IntoResponse {
    Json(serde_json::json!({ "disagreements": models.disagreements() }))
}

async fn swap(State(models): State<Models>, body: Bytes) -> Response {
    match serde_json::from_slice::<SwapOrder>(&body) {
        Ok(order) => done(&models, models.swap(&order)),
        Err(error) => {
            let text = format!(
                "{error}: send {{\"bundle\": \"NAME\", \"after\": \"now\"}}, with \"after\": \
                 {{\"frames\": 30}} or {{\"attempts\": 20}} instead as you like"
            );
            Problem::new(StatusCode::BAD_REQUEST, "No order", text).into_response()
        }
    }
}

async fn install(State(models): State<Models>, body: Bytes) -> Response {
    let order = match serde_json::from_slice::<InstallOrder>(&body) {
        Ok(order) => order,
        Err(error) => {
            let text = format!(
                "{error}: send {{\"from\": \"https://HOST/NAME.parcel\"}}, with \"sha256\", \
                 \"precision\", \"after\" and \"keep\" as you like"
            );
            return Problem::new(StatusCode::BAD_REQUEST, "No order", text).into_response();
        }
    };
    match models.install(&order) {
        Ok(()) => (StatusCode::ACCEPTED, Json(models.models())).into_response(),
        Err(refused) => {
            let (status, title) = match &refused {
                InstallRefused::UnderWay(_) => (StatusCode::CONFLICT, "Not now"),
                InstallRefused::Order(_) => (StatusCode::BAD_REQUEST, "No order"),
                InstallRefused::NoKeys => (StatusCode::FORBIDDEN, "No key"),
                InstallRefused::Busy => (StatusCode::SERVICE_UNAVAILABLE, "Busy"),
            };
            Problem::new(status, title, refused.to_string()).into_response()
        }
    }
}

fn done(models: &Models, done: Changed) -> Response {
    match done {
        Ok(()) => (StatusCode::ACCEPTED, Json(models.models())).into_response(),
        Err(refused) => {
            let (status, title) = match &refused {
                SwapRefused::NotNow(_) => (StatusCode::CONFLICT, "Not now"),
                SwapRefused::Name { .. } => (StatusCode::BAD_REQUEST, "No bundle"),
                SwapRefused::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "Busy"),
            };
            Problem::new(status, title, refused.to_string()).into_response()
        }
    }
}
