//! `/v1/games`, `/v1/rules` and `/v1/shots` over HTTP: for the operator's page, and for a venue's own programs.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::app::games::GameDesk;
use crate::event::FactId;
use crate::event::command::Role;
use crate::event::play::{
    GamePeriodArguments, GraphicTap, ShotAddArguments, ShotCorrectArguments, ShotUndoArguments,
    SocialTap,
};
use crate::http::Problem;
use crate::media::{Foreign, GameId};
use crate::uplink::Failed;

/// Names who taps.
const WHO: HeaderName = HeaderName::from_static("courtside-who");
/// Letters of that name.
const WHO_MOST: usize = 32;

type With = State<GameDesk>;

/// The routes, without authentication: mount them behind yours.
pub(crate) fn routes(desk: GameDesk) -> Router {
    Router::new()
        .route("/v1/rules", get(rules))
        .route("/v1/games", get(list).post(start))
        .route("/v1/games/{game}", get(view))
        .route("/v1/games/{game}/end", post(end))
        .route("/v1/games/{game}/period", post(period))
        .route("/v1/games/{game}/shots", post(add))
        .route("/v1/games/{game}/undo", post(undo_last))
        .route("/v1/games/{game}/graphics/{fact}", post(graphic))
        .route("/v1/games/{game}/social/{fact}", post(social))
        .route("/v1/shots/{fact}/correct", post(correct))
        .route("/v1/shots/{fact}/undo", post(undo))
        .with_state(desk)
}

async fn list(State(desk): With) -> Response {
    // A game's lock may be held for as long as the outbox is full.
    let games = tokio::task::spawn_blocking(move || desk.list()).await;
    let games = games.map_err(|error| Failed::new("failed", error));
    answer(games.map(|games| json!({ "games": games })))
}

async fn rules(State(desk): With) -> Response {
    let rules = tokio::task::spawn_blocking(move || desk.all_rules()).await;
    answer(rules.map_err(|error| Failed::new("failed", error)))
}

async fn view(State(desk): With, Path(game): Path<String>) -> Response {
    let looked = tokio::task::spawn_blocking(move || desk.view(&named(&game)?)).await;
    answer(looked.map_err(|error| Failed::new("failed", error)).and_then(|view| view))
}

async fn start(State(desk): With, body: Bytes) -> Response {
    let started = async { desk.start(read(&body)?).await };
    match started.await {
        Ok(view) => (StatusCode::CREATED, Json(view)).into_response(),
        Err(failed) => refused(&failed),
    }
}

async fn end(State(desk): With, Path(game): Path<String>) -> Response {
    answer(async { desk.end(named(&game)?).await }.await)
}

async fn period(State(desk): With, Path(game): Path<String>, body: Bytes) -> Response {
    let done = async {
        let asked: GamePeriodArguments = read(&body)?;
        desk.period(GamePeriodArguments { game: Some(named(&game)?), ..asked }).await
    };
    answer(done.await)
}

async fn add(
    State(desk): With,
    Path(game): Path<String>,
    role: Option<Extension<Role>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let done = async {
        let asked: ShotAddArguments = read(&body)?;
        let (game, who) = (Some(named(&game)?), who(role, &headers, asked.who.as_deref())?);
        desk.add(ShotAddArguments { game, who, ..asked }).await
    };
    answer(done.await)
}

async fn undo_last(
    State(desk): With,
    Path(game): Path<String>,
    role: Option<Extension<Role>>,
    headers: HeaderMap,
) -> Response {
    let done = async {
        let (game, who) = (Some(named(&game)?), who(role, &headers, None)?);
        desk.undo(ShotUndoArguments { fact: None, game, who }).await
    };
    answer(done.await)
}

async fn graphic(
    State(desk): With,
    Path((game, fact)): Path<(String, String)>,
    role: Option<Extension<Role>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let done = async {
        let GraphicTap { state } = read(&body)?;
        desk.graphic(named(&game)?, (fact_of(&fact)?, state), who(role, &headers, None)?).await
    };
    answer(done.await)
}

async fn social(
    State(desk): With,
    Path((game, fact)): Path<(String, String)>,
    role: Option<Extension<Role>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let done = async {
        let SocialTap { state, caption } = read(&body)?;
        let said = (fact_of(&fact)?, state, caption);
        desk.social(named(&game)?, said, who(role, &headers, None)?).await
    };
    answer(done.await)
}

async fn correct(
    State(desk): With,
    Path(fact): Path<String>,
    role: Option<Extension<Role>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let done = async {
        let asked: ShotCorrectArguments = read(&body)?;
        let (fact, who) = (Some(fact_of(&fact)?), who(role, &headers, asked.who.as_deref())?);
        desk.correct(ShotCorrectArguments { fact, who, ..asked }).await
    };
    answer(done.await)
}

async fn undo(
    State(desk): With,
    Path(fact): Path<String>,
    role: Option<Extension<Role>>,
    headers: HeaderMap,
) -> Response {
    let done = async {
        let (fact, who) = (Some(fact_of(&fact)?), who(role, &headers, None)?);
        desk.undo(ShotUndoArguments { fact, game: None, who }).await
    };
    answer(done.await)
}

/// Role and name of who taps, as events and logs have it. `asked`: the name that the body has.
fn who(
    role: Option<Extension<Role>>,
    headers: &HeaderMap,
    asked: Option<&str>,
) -> Result<Option<String>, Failed> {
    let role = role.map_or(Role::Operator, |Extension(role)| role);
    let wrong = || {
        let text = format_args!("`{WHO}` is a name of 1 to {WHO_MOST} letters").to_string();
        Failed::new("arguments", text)
    };
    let header = headers.get(WHO).map(|name| std::str::from_utf8(name.as_bytes()));
    let name = header.transpose().map_err(|_| wrong())?.or(asked).map(str::trim);
    let Some(name) = name else { return Ok(Some(role.word().to_owned())) };
    let fits = (1..=WHO_MOST).contains(&name.chars().count());
    if !fits || Foreign::first_hidden(name).is_some() {
        return Err(wrong());
    }
    Ok(Some(format!("{role} {name}")))
}

fn named(game: &str) -> Result<GameId, Failed> {
    let unknown = |_| Failed::new("unknown", "no game of that name: see `GET /v1/games`");
    GameId::new(game).map_err(unknown)
}

fn fact_of(fact: &str) -> Result<FactId, Failed> {
    FactId::parse(fact).ok_or_else(|| Failed::new("unknown", "that names no fact"))
}

fn read<Of: DeserializeOwned>(body: &[u8]) -> Result<Of, Failed> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Failed::new("arguments", Foreign::error(&error)))
}

fn answer<Of: Serialize>(done: Result<Of, Failed>) -> Response {
    done.map_or_else(|failed| refused(&failed), |told| Json(told).into_response())
}

fn refused(failed: &Failed) -> Response {
    let (status, title) = match failed.code {
        "unknown" => (StatusCode::NOT_FOUND, "Unknown"),
        "arguments" | "rules" => (StatusCode::BAD_REQUEST, "Not understood"),
        "refused" | "nothing_to_undo" | "unread" => (StatusCode::CONFLICT, "Not taken"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "Not done"),
    };
    Problem::new(status, title, failed.reason.to_string()).into_response()
}
