//! The server shell: who may ask, how long they may take, and how refusals look.
//!
//! Knows no stage: a stage that serves has its own routes, `app` joins them and hands them to
//! [`Server::serve`]. Read `access` (token, cookie, sign-in), `origin` (pages of other sites),
//! `problem` (RFC 9457), `tls`, `listener` and `guard` (limits on connections and on slow peers).

mod access;
mod origin;
mod problem;
mod tls;
mod listener;
mod guard;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::http::listener::Limited;

pub use crate::http::access::{Access, Token};
pub use crate::http::problem::Problem;
pub use crate::http::tls::server_config;

/// No request of ours carries more (chosen; acks and sign-ins are a few hundred bytes).
const BODY_MOST_BYTES: usize = 64 * 1024;
/// Answers under way when the daemon ends get so long to finish; event streams end by then.
const GRACE: Duration = Duration::from_secs(1);

/// Why pages and clips cannot be served.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum HttpError {
    /// Somebody else listens there, or the address is not ours.
    #[error("listen for HTTP on {address}: set another `http.listen`")]
    Bind { address: SocketAddr, source: io::Error },
    /// The token can neither be read nor made.
    #[error("{what} {}: set another `http.token_file`, or make its folder ours", file.display())]
    Token { what: &'static str, file: PathBuf, source: io::Error },
    /// Somebody wrote a token that can be guessed.
    #[error(
        "the token in {} is shorter than 16 characters: take the file away, and a new one is made",
        file.display()
    )]
    WeakToken { file: PathBuf },
    /// A certificate or its key is not what it should be.
    #[error("{what} {}: write the path of a PEM file that holds it", file.display())]
    Pem { what: &'static str, file: PathBuf, source: rustls::pki_types::pem::Error },
    /// Certificate and key do not fit each other, or are of a kind that we do not take.
    #[error("use the certificate {} with its key: give both of one pair", file.display())]
    Pair { file: PathBuf, source: rustls::Error },
}

/// A bound server that does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    access: Access,
}

impl Server {
    /// Binds; connections wait in the backlog until [`Server::serve`].
    ///
    /// # Errors
    /// [`HttpError::Bind`].
    pub fn bind(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        access: Access,
    ) -> Result<Self, HttpError> {
        let bound = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = bound().map_err(|source| HttpError::Bind { address, source })?;
        Ok(Self { listener, address, tls, access })
    }

    /// Where it listens; the port that was given for port 0.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `routes` behind the access rules until `shutdown` resolves, then lets answers that
    /// are under way finish for a second.
    ///
    /// # Errors
    /// When the listener cannot be handed to the runtime; never for what a peer does.
    pub async fn serve(
        self,
        routes: Router,
        shutdown: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        let acceptor = self.tls.map(TlsAcceptor::from);
        let secure = acceptor.is_some();
        let listener = Limited::new(tokio::net::TcpListener::from_std(self.listener)?, acceptor);
        let app = access::guarded(routes, self.access, secure)
            .layer(middleware::from_fn(origin::own_pages))
            .layer(DefaultBodyLimit::max(BODY_MOST_BYTES))
            .layer(middleware::map_response(problem::worded))
            .layer(middleware::map_response(secured));
        let (stop, mut stopped) = watch::channel(false);
        let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
            // Woken by `stop`, or by its end.
            drop(stopped.wait_for(|stop| *stop).await);
        });
        let serving = std::pin::pin!(serving.into_future());
        let mut serving = serving;
        tokio::select! {
            ended = &mut serving => return ended,
            () = shutdown => {}
        }
        stop.send_replace(true);
        // An event stream of a watcher does not end by itself; it is cut here.
        tokio::time::timeout(GRACE, serving).await.unwrap_or(Ok(()))
    }
}

/// What every answer says to the browser, unless its route said otherwise.
async fn secured(mut response: Response) -> Response {
    // `data:` for the page's icon, `blob:` for pictures that its script holds on to.
    const POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; \
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

#[cfg(test)]
mod tests;
