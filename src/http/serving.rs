//! What every listener of ours has in common: how refusals look, and how serving ends.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use tokio::sync::watch;

use crate::http::host;
use crate::http::problem;

/// No request of ours carries more (chosen; acks and sign-ins are a few hundred bytes).
pub(super) const BODY_MOST_BYTES: usize = 64 * 1024;
/// Answers under way when the daemon ends get so long to finish; event streams end by then.
const GRACE: Duration = Duration::from_secs(1);

/// Puts the bounds round `routes` that hold for everybody.
pub(super) fn bounded(routes: Router) -> Router {
    routes
        .layer(middleware::from_fn(host::one_host))
        .layer(DefaultBodyLimit::max(BODY_MOST_BYTES))
        .layer(middleware::map_response(problem::worded))
        .layer(middleware::map_response(secured))
}

/// Tells a server that it is to end.
pub(super) type Told = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves until `shutdown` resolves, then lets answers that are under way finish for a second.
pub(super) async fn until<F: Future<Output = io::Result<()>>>(
    serve: impl FnOnce(Told) -> F,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let (stop, mut stopped) = watch::channel(false);
    let mut serving = pin!(serve(Box::pin(async move {
        // Woken by `stop`, or by its end.
        drop(stopped.wait_for(|stop| *stop).await);
    })));
    tokio::select! {
        ended = &mut serving => return ended,
        () = shutdown => {}
    }
    stop.send_replace(true);
    // An event stream of a watcher does not end by itself; it is cut here.
    tokio::time::timeout(GRACE, serving).await.unwrap_or(Ok(()))
}

/// What every answer says to the browser, unless its route said otherwise.
async fn secured(mut response: Response) -> Response {
    // `data:` for the page's icon, `blob:` for pictures and videos that its script holds on to.
    const POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; \
                          media-src 'self' blob:; object-src 'none'; \
                          base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: the sign-in form would then say `Origin: null` (Fetch, 3.1).
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
