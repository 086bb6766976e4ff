//! The ways in and out of a browser: the page that asks for a token, sign-in, sign-out.

use std::sync::Arc;

use axum::extract::{ConnectInfo, Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::Deserialize;

use crate::admission::Answered;
use crate::http::access::Access;
use crate::http::back::{self, Back};
use crate::http::door::{By, Door};
use crate::http::problem::Problem;
use crate::http::standing::Caller;

/// How the one page looks that is shown unasked.
const LOGIN_CSS: &str = include_str!("login.css");

/// What is served unasked.
pub(super) fn routes(door: Arc<Door>) -> Router {
    Router::new()
        .route("/login.css", get(|| async { ([(header::CONTENT_TYPE, "text/css")], LOGIN_CSS) }))
        .route("/login", get(ask).post(sign_in))
        .route("/logout", post(sign_out))
        .with_state(door)
}

#[derive(Deserialize)]
struct Asked {
    wrong: Option<String>,
    later: Option<String>,
    /// The page that was asked for.
    to: Option<String>,
}

async fn ask(Query(asked): Query<Asked>) -> Html<String> {
    let said = match (asked.wrong, asked.later) {
        (Some(_), _) => "<p role=\"alert\">That is no token of this box.</p>",
        (None, Some(_)) => {
            "<p role=\"alert\">Too many wrong tokens were tried from your network: try again in a few \
             seconds.</p>"
        }
        (None, None) => "",
    };
    let back = asked.to.as_deref().and_then(Back::of);
    let field = back
        .map(|back| format!("<input type=\"hidden\" name=\"to\" value=\"{}\">", back.in_html()));
    let page = include_str!("login.html").replace("<!--said-->", said);
    Html(page.replace("<!--back-->", &field.unwrap_or_default()))
}

#[derive(Deserialize)]
struct SignIn {
    token: String,
    to: Option<String>,
}

async fn sign_in(
    State(door): State<Arc<Door>>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    headers: HeaderMap,
    Form(form): Form<SignIn>,
) -> Response {
    let back = form.to.as_deref().and_then(Back::of);
    let home = Redirect::to(back.as_ref().map_or("/", Back::as_str));
    let Access::Tokens(tokens) = &door.access else { return home.into_response() };
    let again = |said| Redirect::to(&back::login(said, back.as_ref())).into_response();
    let found = tokens.find(&form.token);
    let shown = match (caller.answer(found.map(|shown| shown.role), &form.token).await, found) {
        (Answered::Yes, Some(shown)) => shown,
        // For a person, on the page: problem details are for programs.
        (Answered::Unheard, _) => return again("later"),
        _ => return again("wrong"),
    };
    match door.sign_in(&headers, shown) {
        Ok(cookie) => {
            tracing::info!(?caller, role = %shown.role, "a browser signed in");
            ([(header::SET_COOKIE, cookie)], home).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "no session could be opened");
            let detail = "the box could make no session: ask again";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "No session", detail).into_response()
        }
    }
}

/// Ends the browser's session; what it still runs, event streams above all, ends with it.
async fn sign_out(State(door): State<Arc<Door>>, headers: HeaderMap) -> Response {
    if door.sign_out(&headers) {
        tracing::info!("a browser signed out");
    }
    match door.no_cookie() {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response(),
        Err(_) => Redirect::to("/login").into_response(),
    }
}

/// Who the page is used by, and whether it has something to sign out of.
pub(super) async fn told(State(door): State<Arc<Door>>, Extension(by): Extension<By>) -> Response {
    let left = match by {
        By::Session(_, until) => Some(until.since(door.clock.monotonic()).as_secs()),
        By::Bearer(_) | By::Open => None,
    };
    let told = serde_json::json!({
        "role": by.role(), "signed_in": left.is_some(), "ends_in_seconds": left,
    });
    Json(told).into_response()
}
