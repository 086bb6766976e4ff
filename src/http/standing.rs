//! How a connection of the network stands with us: a stranger's, until a request on it was let in.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::admission::{About, Admission, Answered, Ask, Door, Prefix, Reason, Seat, digest};

/// There is one secret at this door: the token.
const THE_TOKEN: u64 = 0;

/// A connection's seat, and what became of it. Clones are the same connection.
#[derive(Clone)]
pub(super) struct Caller(Arc<Standing>);

struct Standing {
    admission: Admission,
    peer: SocketAddr,
    seat: Seat,
    /// A request's head was whole once: the last step towards a secret that counts.
    asked: AtomicBool,
    member: AtomicBool,
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
            member: AtomicBool::new(false),
        }))
    }

    /// Where it comes from, as far as peers are told apart.
    pub(super) fn prefix(&self) -> Prefix {
        Prefix::of(self.0.peer)
    }

    /// True once a request was let in.
    pub(super) fn is_member(&self) -> bool {
        self.0.member.load(Ordering::Relaxed)
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

    /// Notes that a request was let in where nothing is asked for.
    pub(super) fn admitted(&self) {
        if !self.0.member.swap(true, Ordering::Relaxed) {
            self.0.seat.admitted();
        }
    }

    /// Notes that a request was let in for a secret that it showed.
    pub(super) fn proved(&self) {
        if !self.is_member() {
            self.0.admission.proved(Door::Http, self.0.peer, THE_TOKEN);
        }
        self.admitted();
    }

    /// Says whether the token that was shown is right, as soon as that may be said.
    pub(super) async fn answer(&self, right: bool, offered: &str) -> Answered {
        let Standing { admission, peer, .. } = &*self.0;
        if right && self.is_member() {
            return Answered::Yes; // It was told so on this connection before.
        }
        let given = digest(offered.trim().as_bytes());
        let took = std::time::Duration::ZERO;
        let ask = Ask { door: Door::Http, peer: *peer, right, given, what: THE_TOKEN, took };
        let answered = admission.answer(ask).await;
        match answered {
            Answered::Yes => self.proved(),
            Answered::No if admission.may_log(*peer, About::Guess) => {
                tracing::warn!(%peer, "a token was shown that is not this box's");
            }
            Answered::No | Answered::Unheard => {}
        }
        answered
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
