//! Admission as the doors have it: one lock, the box's clock, and waking who must go.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tracing::warn;

use crate::admission::core::{Answered, Ask, Core, Decided};
use crate::admission::limits::Limits;
use crate::admission::lines::{self, About, Sum};
use crate::admission::members::Full;
use crate::admission::prefix::Prefix;
use crate::admission::told::{AdmissionCounts, Door, Reason};
use crate::clock::Clock;
use crate::media::Monotonic;

/// Admission of one box. Clones are the same one.
#[derive(Clone)]
pub struct Admission {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    // Who comes in and who goes for it are one decision. Held for lines; nobody waits in it.
    state: Mutex<State>,
}

struct State {
    core: Core,
    /// Wakes connections and answers that must end, by their number.
    wakes: BTreeMap<u64, Arc<Notify>>,
    next: u64,
}

impl State {
    fn number(&mut self) -> (u64, Arc<Notify>) {
        self.next += 1;
        let wake = Arc::new(Notify::new());
        self.wakes.insert(self.next, Arc::clone(&wake));
        (self.next, wake)
    }

    fn end(&mut self, number: Option<u64>) {
        if let Some(wake) = number.and_then(|number| self.wakes.remove(&number)) {
            wake.notify_one();
        }
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Admission")
    }
}

/// What tells secrets apart that were shown, and says nothing of them.
#[must_use]
pub fn digest(secret: &[u8]) -> u64 {
    let hash: [u8; 32] = Sha256::digest(secret).into();
    hash.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

impl Admission {
    /// Nobody is known yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, limits: Limits) -> Self {
        let core = Core::new(limits, clock.monotonic());
        let state = Mutex::new(State { core, wakes: BTreeMap::new(), next: 0 });
        Self { shared: Arc::new(Shared { clock, state }) }
    }

    fn now(&self) -> Monotonic {
        self.shared.clock.monotonic()
    }

    /// True if a connection that knocks is taken in at once, which costs as much as `weight` in clear; `others` wait.
    pub(crate) fn knock(&self, door: Door, prefix: Prefix, weight: u32, others: bool) -> bool {
        let now = self.now();
        self.shared.state.lock().core.knock(now, door, prefix, weight, others)
    }

    /// Takes in one that waits; else until when none is.
    pub(crate) fn next(&self, door: Door, weight: u32) -> Result<(), Monotonic> {
        let now = self.now();
        self.shared.state.lock().core.next(now, door, weight).map_err(|wait| now.plus(wait))
    }

    /// Counts a connection that is turned away.
    pub(crate) fn turn_away(&self, door: Door, prefix: Prefix) {
        let now = self.now();
        self.shared.state.lock().core.turn_away(now, door, prefix);
    }

    /// Resolves at a time of the box's clock.
    pub(crate) fn reached(&self, at: Monotonic) -> impl Future<Output = ()> + Send + use<> {
        self.shared.clock.reached(at)
    }

    /// Seats a connection that was accepted; at a bound another one is ended for it.
    #[must_use]
    pub fn enter(&self, door: Door, peer: SocketAddr) -> Seat {
        let now = self.now();
        let mut state = self.shared.state.lock();
        let (number, wake) = state.number();
        let prefix = Prefix::of(peer);
        let gone = state.core.enter(now, number, door, prefix);
        state.end(gone);
        drop(state);
        Seat { admission: self.clone(), door, prefix, number, wake }
    }

    /// Ends one connection that has shown no secret: the system has no descriptor left.
    pub fn relieve(&self) {
        let now = self.now();
        let mut state = self.shared.state.lock();
        let gone = state.core.relieve(now);
        state.end(gone);
    }

    /// Books a secret that was shown, and waits until its answer may be given. Cancel-safe: it is booked all
    /// the same. Ask for every secret, a right one too; a peer that shows none is not asked about.
    pub async fn answer(&self, ask: Ask) -> Answered {
        let now = self.now();
        let said = if ask.right { Answered::Yes } else { Answered::No };
        let (waiting, until) = {
            let mut state = self.shared.state.lock();
            let (number, wake) = state.number();
            let decided = state.core.ask(now, number, &ask);
            match decided {
                Decided::Now | Decided::Unheard => {
                    state.wakes.remove(&number);
                    let heard = decided == Decided::Now;
                    return if heard { said } else { Answered::Unheard };
                }
                Decided::Waits { instead } => {
                    state.end(instead);
                    let until = now.plus(state.core.answer_after());
                    (Waiting { admission: self.clone(), number, wake }, until)
                }
            }
        };
        tokio::select! {
            biased;
            () = waiting.wake.notified() => Answered::Unheard,
            () = self.shared.clock.reached(until) => said,
        }
    }

    /// Notes that a peer published pictures, or signed in, by the secret `what`: its prefix is proven.
    pub fn proved(&self, door: Door, peer: SocketAddr, what: u64) {
        self.shared.state.lock().core.proved(door, Prefix::of(peer), what);
    }

    /// Counts a refusal. Wrong secrets, and connections that had to go, are counted already.
    pub fn refused(&self, door: Door, peer: SocketAddr, reason: Reason) {
        let now = self.now();
        self.shared.state.lock().core.refused(now, door, Prefix::of(peer), reason);
    }

    /// True if the log may have a line about this peer and matter; else [`Self::tell`] sums it up.
    #[must_use]
    pub fn may_log(&self, peer: SocketAddr, about: About) -> bool {
        let now = self.now();
        self.shared.state.lock().core.may_log(now, Prefix::of(peer), about)
    }

    /// Writes what the log was not told, where it is time. Call it now and then.
    pub fn tell(&self) {
        let now = self.now();
        let sums = self.shared.state.lock().core.sums(now);
        for (about, sum) in
            sums.into_iter().flat_map(|(about, sums)| sums.into_iter().map(move |sum| (about, sum)))
        {
            let what = match about {
                About::Guess => "wrong secrets",
                About::Noise => "refusals",
            };
            match sum {
                Sum::Of(peer, left_out) => warn!(%peer, left_out, "further {what} of this peer"),
                Sum::Others { prefixes, left_out, quietest } => {
                    let quietest = lines::told(&quietest);
                    warn!(peers = prefixes, left_out, quietest, "{what} of further peers");
                }
            }
        }
    }

    /// What a person should know of, in words. Empty again by itself.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let now = self.now();
        self.shared.state.lock().core.faults(now)
    }

    /// Whose questions are told to come later, in words. Empty again by itself.
    #[must_use]
    pub fn full(&self) -> Vec<String> {
        let now = self.now();
        self.shared.state.lock().core.full(now)
    }

    /// Counts since start.
    #[must_use]
    pub fn counts(&self) -> AdmissionCounts {
        self.shared.state.lock().core.counts().clone()
    }
}

/// A connection's seat, given back when it is dropped.
#[derive(Debug)]
pub struct Seat {
    admission: Admission,
    door: Door,
    prefix: Prefix,
    number: u64,
    wake: Arc<Notify>,
}

impl Seat {
    /// Resolves when the connection must end: others need its seat.
    pub fn evicted(&self) -> impl Future<Output = ()> + Send + use<> {
        let wake = Arc::clone(&self.wake);
        async move { wake.notified().await }
    }

    /// Notes that the connection finished a step towards its secret. Steps must be finite: bytes are none.
    pub fn progressed(&self) {
        let now = self.admission.now();
        self.admission.shared.state.lock().core.moved(now, self.number, self.door);
    }

    /// Gives the seat back before the connection ends: it waits for an answer, which is bounded too. Nobody
    /// takes it away from now on.
    pub fn stands(&self) {
        let mut state = self.admission.shared.state.lock();
        state.core.left(self.number, self.door);
    }

    /// Notes that it showed a right secret: it sits among those that did from now on, and leaves its seat to
    /// a stranger.
    ///
    /// # Errors
    /// [`Full`] where as many are being answered as may be: it is to come later, and is the first to go till then.
    pub fn admitted(&self) -> Result<(), Full> {
        let now = self.admission.now();
        let mut state = self.admission.shared.state.lock();
        let gone = state.core.admitted(now, self.number, self.door, self.prefix)?;
        state.end(gone);
        Ok(())
    }

    /// Notes that it asks something: one that showed its secret is being answered from now on.
    ///
    /// # Errors
    /// As above.
    pub fn asks(&self) -> Result<(), Full> {
        let now = self.admission.now();
        let mut state = self.admission.shared.state.lock();
        let gone = state.core.asks(now, self.number, self.door)?;
        state.end(gone);
        Ok(())
    }

    /// Notes that nothing is on its way there any more.
    pub fn rests(&self) {
        let now = self.admission.now();
        let mut state = self.admission.shared.state.lock();
        let gone = state.core.rests(now, self.number, self.door);
        state.end(gone);
    }

    /// Notes that its last words are being said: it is the first to go.
    pub fn leaving(&self) {
        self.admission.shared.state.lock().core.leaving(self.number, self.door);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.admission.shared.state.lock();
        state.wakes.remove(&self.number);
        state.core.left(self.number, self.door);
    }
}

/// An answer that waits; its place is given back when it is dropped.
struct Waiting {
    admission: Admission,
    number: u64,
    wake: Arc<Notify>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.admission.shared.state.lock();
        state.wakes.remove(&self.number);
        state.core.answered(self.number);
    }
}
