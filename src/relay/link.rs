//! One relay: waits for a stream, connects, forwards it to its end, and begins anew.
//!
//! ```text
//! Waiting ──a stream begins──→ Connecting ──it lets us publish──→ Forwarding ──the publisher ends──→ Waiting
//!    ↑ 1 s … 60 s ──────────────────┴── it fails ──────────────────────┴── it fails ──┘
//! ```
//! One connection at a time, and one for each publisher: the end of a publisher is the end of the connection,
//! so that no server ever sees two streams as one, nor times that run backwards. What comes while a connection
//! is made waits in the hop, which holds four seconds: a server that is quick loses nothing of a stream that
//! begins, and one that is connected again gets the next key picture.
//!
//! Payloads and times are forwarded as they came. Times are not moved to 0, though a relay may join late: no
//! server that was tried needs it (nginx-rtmp, ffmpeg, a box of ours), and the camera's own times let whoever
//! compares two recordings of one stream lay them side by side.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::clock::{Chance, sleep, within};
use crate::config::RelayConfig;
use crate::event::words::RelayCondition;
use crate::mailbox::DropReason;
use crate::media::{CourtId, Monotonic};
use crate::relay::backoff::Backoff;
use crate::relay::headers::fourcc;
use crate::relay::hop::{Hop, Item};
use crate::relay::reach::{Means, Resolver, reach};
use crate::relay::told::Told;
use crate::relay::trouble::{Step, Trouble};
use crate::relay::wire::{Moved, Wire};
use crate::rtmp::client::{ClientEvent, ClientSession};

/// Name, TCP, TLS, handshake and the answer to `publish` (chosen, as for the broker: four round trips of a bad
/// mobile link, with a packet lost in two of them).
const CONNECT: Duration = Duration::from_secs(10);
/// A server that takes nothing for so long is let go (chosen: more than twice what the hop holds).
const TAKES_NOTHING: Duration = Duration::from_secs(10);
/// For the goodbye to be read.
const FAREWELL: Duration = Duration::from_secs(1);
/// Bytes that are made ready for a server before it has taken those before them; one message more.
const READY: usize = 64 << 10;

/// What a relay is made of.
pub(crate) struct Link {
    pub(crate) court: CourtId,
    pub(crate) relay: RelayConfig,
    pub(crate) hop: Arc<Hop>,
    pub(crate) told: Arc<Told>,
    pub(crate) means: Means,
    pub(crate) chance: Chance,
}

/// How a connection ended.
enum End {
    /// The publisher has ended, and all of it was forwarded.
    Stream,
    /// The relay is to end.
    Told,
}

impl Link {
    /// Runs until `stopped` turns to true.
    pub(crate) async fn run(self, mut stopped: watch::Receiver<bool>) {
        let mut backoff = Backoff::default();
        let mut resolver = Resolver::default();
        let mut said = "";
        loop {
            self.hop.open();
            self.told.is(RelayCondition::Waiting);
            let first = tokio::select! {
                () = until(&mut stopped) => break,
                first = self.hop.begins() => first,
            };
            self.told.is(RelayCondition::Connecting);
            let mut since = None;
            let connected = self.connect(fourcc(&first), &mut resolver);
            let connected = tokio::select! {
                () = until(&mut stopped) => break,
                connected = connected => connected,
            };
            let ended = match connected {
                Ok((wire, session)) => {
                    since = Some(self.now());
                    self.told.forwards();
                    let Self { court, relay, .. } = &self;
                    info!(%court, relay = relay.name, "a relay forwards");
                    said = "";
                    self.forward(wire, session, &mut stopped).await
                }
                Err(trouble) => Err(trouble),
            };
            match ended {
                Ok(End::Told) => break,
                Ok(End::Stream) => backoff.well(),
                Err(trouble) => {
                    self.hop.shut(DropReason::NoPeer);
                    let forwarded = since.map_or(Duration::ZERO, |since| self.now().since(since));
                    let random = self.chance.next(&*self.means.clock).to_le_bytes()[0];
                    let delay = backoff.failed(forwarded, random);
                    self.log(&trouble, delay, &mut said);
                    self.told.failed(&trouble);
                    tokio::select! {
                        () = until(&mut stopped) => break,
                        () = sleep(&*self.means.clock, delay) => {}
                    }
                }
            }
        }
        self.hop.shut(DropReason::Closed);
    }

    fn now(&self) -> Monotonic {
        self.means.clock.monotonic()
    }

    /// One line of each trouble; the tries after it are of no interest.
    fn log(&self, trouble: &Trouble, delay: Duration, said: &mut &'static str) {
        let (court, relay, why, todo) =
            (&self.court, &self.relay.name, trouble.said(), trouble.todo());
        if *said == trouble.word() {
            debug!(%court, relay, %why, ?delay, "a relay does not forward");
        } else {
            warn!(%court, relay, %why, todo, "a relay does not forward: the court is not touched");
        }
        *said = trouble.word();
    }

    async fn connect(
        &self,
        fourcc: Option<[u8; 4]>,
        resolver: &mut Resolver,
    ) -> Result<(Wire, ClientSession), Trouble> {
        let mut step = Step::default();
        let all = async {
            let mut wire = reach(&self.relay, &self.means, resolver, CONNECT, &mut step).await?;
            step = Step::Greeting;
            let seed = self.chance.next(&*self.means.clock);
            let mut session = ClientSession::to(&self.relay.address, fourcc, seed);
            negotiate(&mut wire, &mut session).await?;
            Ok((wire, session))
        };
        let connected = within(&*self.means.clock, CONNECT, all).await;
        connected.unwrap_or_else(|| Err(Trouble::Late(step, CONNECT)))
    }

    /// Forwards until the publisher ends, or it fails.
    async fn forward(
        &self,
        mut wire: Wire,
        mut session: ClientSession,
        stopped: &mut watch::Receiver<bool>,
    ) -> Result<End, Trouble> {
        let since = self.now();
        // When the server last took something, or had nothing to take.
        let mut took = since;
        let mut overflows = self.hop.overflows();
        loop {
            if overflows != self.hop.overflows() {
                overflows = self.hop.overflows();
                self.told.falls_behind();
            }
            let ready = session.output().len();
            let patience = TAKES_NOTHING.saturating_sub(self.now().since(took));
            tokio::select! {
                biased;
                () = until(stopped) => {
                    self.goodbye(wire, session).await;
                    return Ok(End::Told);
                }
                moved = wire.exchange(session.output()) => match moved {
                    Ok(Moved::Out(count)) => {
                        took = self.now();
                        self.told.sent(count);
                    }
                    Ok(Moved::In(0)) => return Err(Trouble::Closed(Some(self.now().since(since)))),
                    Ok(Moved::In(count)) => {
                        hear(&mut session, wire.heard(count))?;
                    }
                    Err(error) => {
                        let count = wire.last_words().await;
                        hear(&mut session, wire.heard(count))?;
                        return Err(Trouble::of_write(error, Some(self.now().since(since))));
                    }
                },
                () = sleep(&*self.means.clock, patience), if ready > 0 => {
                    return Err(Trouble::Stalled(TAKES_NOTHING));
                }
                item = self.hop.taken(), if ready < READY => match item {
                    Item::Message(message) => {
                        if ready == 0 {
                            took = self.now();
                        }
                        session.media(message.kind, message.timestamp, message.body);
                    }
                    Item::Ended => {
                        self.goodbye(wire, session).await;
                        return Ok(End::Stream);
                    }
                },
            }
        }
    }

    /// Sends what is ready and the goodbye, and waits for the server to hang up, within bounds.
    async fn goodbye(&self, mut wire: Wire, mut session: ClientSession) {
        session.unpublish();
        let said = async {
            while !session.output().is_empty() {
                match wire.exchange(session.output()).await {
                    Ok(Moved::Out(count)) => self.told.sent(count),
                    Ok(Moved::In(1..)) => {}
                    Ok(Moved::In(0)) | Err(_) => return,
                }
            }
            // It is closed either way.
            let _closed = wire.shut().await;
            let mut nothing = Vec::new();
            while let Ok(Moved::In(1..)) = wire.exchange(&mut nothing).await {}
        };
        let _ended = within(&*self.means.clock, FAREWELL, said).await;
    }
}

/// Up to the answer to `publish`.
async fn negotiate(wire: &mut Wire, session: &mut ClientSession) -> Result<(), Trouble> {
    loop {
        match wire.exchange(session.output()).await {
            Ok(Moved::Out(_)) => {}
            Ok(Moved::In(0)) => return Err(Trouble::Closed(None)),
            Ok(Moved::In(count)) => {
                if hear(session, wire.heard(count))? {
                    return Ok(());
                }
            }
            Err(error) => {
                let count = wire.last_words().await;
                hear(session, wire.heard(count))?;
                return Err(Trouble::of_write(error, None));
            }
        }
    }
}

/// Takes what the server said. True when it lets us publish.
fn hear(session: &mut ClientSession, mut said: &[u8]) -> Result<bool, Trouble> {
    let mut live = false;
    while let Some(event) = session.next(&mut said).map_err(Trouble::NotRtmp)? {
        match event {
            ClientEvent::Live => live = true,
            ClientEvent::Refused { during, code, description } => {
                return Err(Trouble::Refused(during, code, description));
            }
        }
    }
    Ok(live)
}

/// Resolves when `stopped` turns to true, or its sender is gone.
async fn until(stopped: &mut watch::Receiver<bool>) {
    let _gone = stopped.wait_for(|told| *told).await;
}
