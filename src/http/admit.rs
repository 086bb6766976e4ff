//! Lets a request in, or says what is wanted of it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use crate::admission::{Answered, Reason};
use crate::event::command::Role;
use crate::http::access::Access;
use crate::http::back::{self, Back};
use crate::http::door::{By, Door};
use crate::http::ending::ending;
use crate::http::held::holding;
use crate::http::problem::{Problem, later, unheard};
use crate::http::rules::{Keys, Said, look_up};
use crate::http::shares::Guest;
use crate::http::sign_in;
use crate::http::standing::Caller;
use crate::media::Foreign;

/// Puts `routes` behind the rules, with the ways in and out beside them.
pub(super) fn guarded(routes: Router, door: &Arc<Door>) -> Router {
    routes
        .route("/v1/session", get(sign_in::told).with_state(Arc::clone(door)))
        .fallback(|| async { Problem::not_found("nothing is served there; / is the page") })
        .layer(middleware::from_fn_with_state(Arc::clone(door), admit))
        .merge(sign_in::routes(Arc::clone(door)))
}

async fn admit(
    State(door): State<Arc<Door>>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    mut request: Request,
    next: Next,
) -> Response {
    let from = Guest::From(caller.prefix());
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let said = path.map(|path| look_up(door.rules, request.method(), path));
    if matches!(said, Some(Said::Least(None, _))) {
        return next.run(request).await;
    }
    let (by, guest, end) = match &door.access {
        Access::Tokens(tokens) => match bearer(request.headers()) {
            Some(offered) => {
                let found = tokens.find(offered);
                match (caller.answer(found.map(|shown| shown.role), offered).await, found) {
                    (Answered::Yes, Some(shown)) => {
                        (By::Bearer(shown.role), from, Some(door.renewed(shown)))
                    }
                    (Answered::Unheard, _) => return unheard(),
                    _ => return refused(&request),
                }
            }
            // Nobody finds 256 random bits: a cookie that names no session is an old one, and no guess.
            None => match door.signed(request.headers()) {
                Some(signed) => {
                    let role = signed.shown.role;
                    caller.proved(role);
                    let guest = Guest::Session(signed.number);
                    (By::Session(role, signed.until), guest, Some(door.end(signed)))
                }
                None => return refused(&request),
            },
        },
        Access::Open if named_by_address(request.headers()) => {
            caller.admitted(By::Open.role());
            (By::Open, from, None)
        }
        Access::Open => {
            caller.refused(Reason::Host);
            let detail = "ask by address or as localhost; names are not answered without a token";
            return Problem::new(StatusCode::MISDIRECTED_REQUEST, "Misdirected request", detail)
                .into_response();
        }
    };
    if let Some(full) = caller.is_full() {
        let mut response = later(&full);
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return response;
    }
    if let Some(said) = said
        && let Some(refusal) = not_for(by.role(), &said, &request)
    {
        return refusal;
    }
    request.extensions_mut().insert(by);
    request.extensions_mut().insert(by.role());
    request.extensions_mut().insert(guest);
    let response = next.run(request).await;
    match end {
        Some(end) => ending(response, end),
        None => response,
    }
}

/// Why somebody of that role is not answered, if he is not.
fn not_for(role: Role, said: &Said, request: &Request) -> Option<Response> {
    let (least, methods) = match said {
        Said::Least(Some(least), _) if role < *least => (*least, None),
        Said::Least(_, keys) => return unread(*keys, request),
        Said::Methods(methods) => (role, Some(methods)),
        Said::Nothing => {
            tracing::error!(path = request.uri().path(), "a route stands in no rule");
            let detail = "nobody is answered there: a bug of this box, please report it";
            let status = StatusCode::FORBIDDEN;
            return Some(Problem::new(status, "No rule", detail).into_response());
        }
    };
    let Some(methods) = methods else {
        let detail = format!(
            "this is for the {least}, and you are here as {role}: show the {least}'s token, or sign out \
             and in with it"
        );
        let problem = Problem::new(StatusCode::FORBIDDEN, "Not with this role", detail);
        return Some(problem.into_response());
    };
    let detail = "not with this method: the header Allow names those that are served here";
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed", detail);
    let mut response = problem.into_response();
    let all = methods.join(", ").replacen("GET", "GET, HEAD", 1);
    if let Ok(all) = HeaderValue::from_str(&all) {
        response.headers_mut().insert(header::ALLOW, all);
    }
    Some(response)
}

/// Why a query is not answered that asks by what nobody reads here.
fn unread(keys: Keys, request: &Request) -> Option<Response> {
    // What is no query at all is its reader's to refuse.
    let asked = Query::<Vec<(String, String)>>::try_from_uri(request.uri()).ok()?;
    let (unknown, known) = keys.unknown(asked.iter().map(|(key, _)| key.as_str()))?;
    let unknown = Foreign::name(unknown);
    let path = Foreign::path(request.uri().path());
    let known = match known {
        [] => "nothing is asked behind `?` there".to_owned(),
        known => format!("these are read there: {}", known.join(", ")),
    };
    let detail = format!("`{unknown}` is no key of {path}: {known}");
    let status = StatusCode::BAD_REQUEST;
    Some(Problem::new(status, "The query cannot be read", detail).into_response())
}

/// Ends a stranger's connection with its first refusal: it may come again, and takes a seat for it. Admission
/// knows of the others which are being answered and which rest.
pub(super) async fn once(
    ConnectInfo(caller): ConnectInfo<Caller>,
    request: Request,
    next: Next,
) -> Response {
    caller.asked();
    let working = match caller.asks() {
        Ok(working) => working,
        Err(full) => return later(&full),
    };
    let mut response = next.run(request).await;
    if response.status().is_client_error() && !caller.is_member() {
        caller.leaving();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    holding(response, working)
}

/// Sends a browser to the sign-in, and tells everybody else what is wanted.
fn refused(request: &Request) -> Response {
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if request.method() == Method::GET && accepts.is_some_and(|types| types.contains("text/html")) {
        let asked = request.uri().path_and_query().and_then(|asked| Back::of(asked.as_str()));
        return Redirect::to(&back::login("", asked.as_ref())).into_response();
    }
    let detail = "send a token as `Authorization: Bearer …`, or sign in at /login; the technician's \
                  stands in the file that `http.token_file` names, the others' beside it";
    let mut response =
        Problem::new(StatusCode::UNAUTHORIZED, "Unauthorized", detail).into_response();
    let challenge = HeaderValue::from_static("Bearer realm=\"courtside\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// True if the peer called us by an address or as localhost.
fn named_by_address(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// The token that a request shows as bearer.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let shown = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = shown.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}
