//! A listener of the network and all that stands before its routes.

use std::future::{Future, IntoFuture};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::{Router, middleware};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::admission::{Admission, Door, Limits, Porch};
use crate::clock::Clock;
use crate::http::access::Access;
use crate::http::door::Door as Entrance;
use crate::http::error::HttpError;
use crate::http::listener::Limited;
use crate::http::rules::{RULES, Rule};
use crate::http::sessions::SessionLimits;
use crate::http::standing::Caller;
use crate::http::{admit, origin, serving};

/// On what terms peers are served.
#[derive(Clone, Debug)]
pub struct Terms {
    /// By which sessions end.
    pub clock: Arc<dyn Clock>,
    /// Who may be there at all, and when tokens are answered.
    pub admission: Admission,
    /// How many browsers, and how long.
    pub sessions: SessionLimits,
    /// Who may ask for what.
    pub rules: &'static [Rule],
}

impl Terms {
    /// Those of a box that shares admission with nobody.
    #[must_use]
    pub fn usual(clock: &Arc<dyn Clock>) -> Self {
        let admission = Admission::new(Arc::clone(clock), Limits::default());
        Self { clock: Arc::clone(clock), admission, sessions: SessionLimits::USUAL, rules: RULES }
    }
}

/// A bound server that does not serve yet.
#[derive(Debug)]
pub struct Server {
    porch: Porch,
    tls: Option<Arc<ServerConfig>>,
    access: Access,
    terms: Terms,
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
        terms: Terms,
    ) -> Result<Self, HttpError> {
        let admission = terms.admission.clone();
        let porch = Porch::bind(address, Door::Http, tls.is_some(), admission)
            .map_err(|source| HttpError::Bind { address, source })?;
        Ok(Self { porch, tls, access, terms })
    }

    /// Where it listens; the port that was given for port 0.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.porch.address()
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
        let Terms { clock, admission, sessions, rules } = self.terms;
        let listener = Limited::new(self.porch.open()?, acceptor, admission);
        let door = Arc::new(Entrance::new(self.access, rules, secure, clock, sessions));
        let app = admit::guarded(routes, &door).layer(middleware::from_fn(origin::own_pages));
        let app = serving::bounded(app).layer(middleware::from_fn(admit::once));
        let app = app.into_make_service_with_connect_info::<Caller>();
        let serve = |told| axum::serve(listener, app).with_graceful_shutdown(told).into_future();
        serving::until(serve, shutdown).await
    }
}
