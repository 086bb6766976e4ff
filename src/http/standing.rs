//! How a connection of the network stands with us: a stranger's, until a request on it was let in.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use parking_lot::Mutex;

use crate::admission::{About, Admission, Answered, Ask, Door, Full, Prefix, Reason, Seat, digest};
use crate::event::command::Role;

/// Which token it was makes no difference at this door: guesses of each are as slow.
const A_TOKEN: u64 = 0;

/// A connection's seat, and what became of it. Clones are the same connection.
#[derive(Clone)]
pub(super) struct Caller(Arc<Standing>);

struct Standing {
    admission: Admission,
    peer: SocketAddr,
    seat: Seat,
    /// A request's head was whole once: the last step towards a secret that counts.
    asked: AtomicBool,
    /// The highest role that it was let in with, and one more; 0 for a stranger.
    member: AtomicU8,
    /// It showed its secret, and there was no room: why. Held for a look.
    full: Mutex<Option<Full>>,
}

/// A connection that is being answered.
pub(super) struct Working(Caller);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.0.seat.rests();
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({})", self.0.peer)
    }
}

impl Caller {
    /// Seats a connection; for it another may have to go.
    pub(super) fn enters(admission: &Admission, peer: SocketAddr) -> Self {
        Self(Arc::new(Standing {
            admission: admission.clone(),
            peer,
            seat: admission.enter(Door::Http, peer),
            asked: AtomicBool::new(false),
            member: AtomicU8::new(0),
            full: Mutex::new(None),
        }))
    }

    /// Where it comes from, as far as peers are told apart.
    pub(super) fn prefix(&self) -> Prefix {
        Prefix::of(self.0.peer)
    }

    /// True once a request was let in.
    pub(super) fn is_member(&self) -> bool {
        self.0.member.load(Ordering::Relaxed) > 0
    }

    /// Notes that the TLS handshake is done.
    pub(super) fn shook_hands(&self) {
        self.0.seat.progressed();
    }

    /// Notes that a request's head came. Only the first is a step: who asks again moves no nearer.
    pub(super) fn asked(&self) {
        if !self.0.asked.swap(true, Ordering::Relaxed) {
            self.0.seat.progressed();
        }
    }

    /// Notes that a request was let in with that role.
    pub(super) fn admitted(&self, role: Role) {
        if self.0.member.fetch_max(role as u8 + 1, Ordering::Relaxed) == 0
            && let Err(full) = self.0.seat.admitted()
        {
            self.0.member.store(0, Ordering::Relaxed);
            *self.0.full.lock() = Some(full);
        }
    }

    /// Why it is not answered though it showed its secret, told once.
    pub(super) fn is_full(&self) -> Option<Full> {
        self.0.full.lock().take()
    }

    /// Notes that a request was let in for a secret that it showed.
    pub(super) fn proved(&self, role: Role) {
        if !self.is_member() {
            self.0.admission.proved(Door::Http, self.0.peer, A_TOKEN);
        }
        self.admitted(role);
    }

    /// Says whether the token that was shown is one, as soon as that may be said.
    pub(super) async fn answer(&self, found: Option<Role>, offered: &str) -> Answered {
        let Standing { admission, peer, member, .. } = &*self.0;
        // It was told so on this connection before. Not of a higher role: who only sees would learn at once
        // whether his guess of the technician's token is right, and guess on without the brake.
        let known = member.load(Ordering::Relaxed);
        if found.is_some_and(|role| known > role as u8) {
            return Answered::Yes;
        }
        let right = found.is_some();
        let given = digest(offered.trim().as_bytes());
        let took = std::time::Duration::ZERO;
        let ask = Ask { door: Door::Http, peer: *peer, right, given, what: A_TOKEN, took };
        let answered = admission.answer(ask).await;
        match answered {
            Answered::Yes => {
                if let Some(role) = found {
                    self.proved(role);
                }
            }
            Answered::No if admission.may_log(*peer, About::Guess) => {
                tracing::warn!(%peer, "a token was shown that is not this box's");
            }
            Answered::No | Answered::Unheard => {}
        }
        answered
    }

    /// Notes that it asks something; it rests again once what comes back is dropped.
    pub(super) fn asks(&self) -> Result<Working, Full> {
        self.0.seat.asks().map(|()| Working(self.clone()))
    }

    /// Notes that its last answer is on its way.
    pub(super) fn leaving(&self) {
        self.0.seat.leaving();
    }

    /// Counts why it was let go.
    pub(super) fn refused(&self, reason: Reason) {
        self.0.admission.refused(Door::Http, self.0.peer, reason);
    }

    /// Resolves when others need its seat.
    pub(super) fn evicted(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.seat.evicted()
    }
}
