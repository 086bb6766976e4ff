//! What is known at the door: who may ask, and which browsers have signed in.

use std::io;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::event::command::Role;
use crate::http::access::{Access, Shown};
use crate::http::ending::End;
use crate::http::rules::Rule;
use crate::http::sessions::{SessionId, SessionLimits, Sessions, Signed};
use crate::media::Monotonic;

/// How a request was let in, and as whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// It showed a token.
    Bearer(Role),
    /// A browser signed in; its session ends then.
    Session(Role, Monotonic),
    /// The box is open to all.
    Open,
}

impl By {
    pub(super) const fn role(self) -> Role {
        match self {
            Self::Bearer(role) | Self::Session(role, _) => role,
            Self::Open => Role::Technician,
        }
    }
}

/// What is decided at the door, and by what.
pub(super) struct Door {
    pub(super) access: Access,
    pub(super) rules: &'static [Rule],
    /// True behind TLS: a cookie then never travels in clear.
    secure: bool,
    pub(super) clock: Arc<dyn Clock>,
    /// Held for one look, by each request that shows a cookie.
    sessions: Mutex<Sessions>,
    life_seconds: u64,
}

impl Door {
    pub(super) fn new(
        access: Access,
        rules: &'static [Rule],
        secure: bool,
        clock: Arc<dyn Clock>,
        limits: SessionLimits,
    ) -> Self {
        let sessions = Mutex::new(Sessions::new(limits));
        Self { access, rules, secure, clock, sessions, life_seconds: limits.life.as_secs() }
    }

    /// The session that a request's cookie names.
    pub(super) fn signed(&self, headers: &HeaderMap) -> Option<Signed> {
        let Access::Tokens(tokens) = &self.access else { return None };
        let now = self.clock.monotonic();
        let found = self.shown(headers).find_map(|shown| self.sessions.lock().find(now, shown));
        found.filter(|signed| tokens.holds(signed.shown))
    }

    /// Opens a session for who has shown a token -> the cookie that names it. One that the browser
    /// had before ends.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(super) fn sign_in(&self, headers: &HeaderMap, shown: Shown) -> io::Result<HeaderValue> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let id = SessionId::of(random);
        self.sign_out(headers);
        self.sessions.lock().open(self.clock.monotonic(), &id, shown);
        self.cookie(&id.text(), self.life_seconds)
    }

    /// Ends the session that a request's cookie names; true if there was one.
    pub(super) fn sign_out(&self, headers: &HeaderMap) -> bool {
        let now = self.clock.monotonic();
        let mut sessions = self.sessions.lock();
        // Each of them, though one of a browser's is all there ever is.
        let closed = self.shown(headers).filter(|shown| sessions.close(now, shown));
        closed.count() > 0
    }

    /// A cookie that takes the browser's away.
    ///
    /// # Errors
    /// Never, as long as the name is one.
    pub(super) fn no_cookie(&self) -> io::Result<HeaderValue> {
        self.cookie("", 0)
    }

    /// Resolves when a session ends: by its time, by another token, or before.
    pub(super) fn end(&self, mut signed: Signed) -> End {
        let late = self.clock.reached(signed.until);
        let renewed = self.renewed(signed.shown);
        Box::pin(async move {
            tokio::select! {
                // Nothing is ever sent on it; it closes.
                _ = signed.ended.changed() => {}
                () = late => {}
                () = renewed => {}
            }
        })
    }

    /// Resolves when the token that was shown is none any more.
    pub(super) fn renewed(&self, shown: Shown) -> End {
        match &self.access {
            Access::Tokens(tokens) => tokens.renewed(shown),
            Access::Open => Box::pin(std::future::pending()),
        }
    }

    /// `__Host-` has a browser take it from TLS alone, and from no neighbour of our name.
    const fn name(&self) -> &'static str {
        if self.secure { "__Host-courtside" } else { "courtside" }
    }

    fn cookie(&self, value: &str, seconds: u64) -> io::Result<HeaderValue> {
        let name = self.name();
        let secure = if self.secure { "; Secure" } else { "" };
        let text =
            format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
        HeaderValue::from_str(&text).map_err(io::Error::other)
    }

    /// What a request shows as ours.
    fn shown<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        let own = self.name();
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter_map(move |(name, value)| (name == own).then_some(value))
            // A browser sends one; a peer must not have us look for thousands.
            .take(COOKIES_LOOKED_AT)
    }
}

/// Of our name, in one request (chosen).
const COOKIES_LOOKED_AT: usize = 4;
