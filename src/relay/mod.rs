//! A court's stream, forwarded unchanged to RTMP(S) servers: an encoder has one output, and it ends in the box.
//!
//! In: the messages of each court's publisher as they came, from ingest. Out: the same messages, byte for byte
//! and at their own times, to each server that is configured for the court. Owns no files.
//!
//! A relay has its own thread of fate: all of them run on one thread of their own, each is a task with its own
//! bounded hop (`relay:NAME`, 4 s of stream, lost up to the next key picture), and a server that is dead, slow,
//! or says nonsense costs the court nothing but what is in there. What becomes of each is told in
//! `state/stream/{court}`.
//!
//! Read `headers` (what a stream begins with, pure), `hop` (the bounded way to one relay), `feed` (a court's
//! publisher, handed to its relays), `trouble` (why a server does not take it, and what to do, pure), `backoff`
//! (when it is tried again, pure), `told` (what a relay says of itself), `wire` and `reach` (a connection, and
//! the way to it: the only I/O), then `link` (one relay). The protocol is [`rtmp::client`](crate::rtmp::client).
//!
//! Deliberately absent: Adobe's sign-in (`authmod=`; it is told), transcoding, SRT.

mod headers;
mod hop;
mod feed;
mod trouble;
mod backoff;
mod told;
mod wire;
mod reach;
mod link;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::{Chance, Clock, Floor};
use crate::config::RelayConfig;
use crate::event::state::RelayState;
use crate::mailbox::{HopCount, Ledger, hops};
use crate::media::CourtId;
use crate::relay::feed::Feed;
use crate::relay::hop::Hop;
use crate::relay::link::Link;
use crate::relay::reach::Means;
use crate::relay::told::Told;
use crate::rtmp::message::Message;

/// Threads that look names up and read certificates; a resolver that hangs holds one of its relay.
const BLOCKING_THREADS: usize = 64;

/// What relays need of the box.
#[derive(Clone, Debug)]
pub struct RelayParts {
    /// Times what is waited for.
    pub clock: Arc<dyn Clock>,
    /// Spreads retries.
    pub chance: Chance,
    /// Dates of certificates are held against it.
    pub floor: Floor,
    /// Has a hop for each relay.
    pub ledger: Ledger,
}

/// All relays of the box.
#[derive(Debug)]
pub struct Relays {
    parts: RelayParts,
    /// Of the thread that they run on.
    runtime: Handle,
    /// Ends that thread.
    stop: watch::Sender<bool>,
    /// Where this box takes streams itself.
    own: Mutex<Vec<SocketAddr>>,
    // Read for each message; changed when a court comes or goes.
    courts: RwLock<BTreeMap<CourtId, Arc<Court>>>,
    /// Those that say goodbye and have no successor yet, by court and name: who has their name later waits.
    leaving: Mutex<HashMap<(CourtId, String), JoinHandle<()>>>,
}

/// The thread that they run on; joined once they were told to end.
#[derive(Debug)]
pub struct RelayThread(std::thread::JoinHandle<()>);

impl RelayThread {
    /// Waits for its end.
    pub fn join(self) {
        if self.0.join().is_err() {
            tracing::error!("the thread of the relays did not end cleanly");
        }
    }
}

#[derive(Debug, Default)]
struct Court {
    feed: Feed,
    // Held for a change of the configuration, and for a look.
    running: Mutex<Vec<Running>>,
}

/// One relay that runs.
#[derive(Debug)]
struct Running {
    relay: Named,
    hop: Arc<Hop>,
    told: Arc<Told>,
    stop: watch::Sender<bool>,
    ended: JoinHandle<()>,
}

/// A relay's configuration, whose `Debug` is its name alone.
#[derive(Clone, PartialEq, Eq)]
struct Named(RelayConfig);

impl std::fmt::Debug for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.name)
    }
}

impl Relays {
    /// None yet, and the thread that they will run on.
    ///
    /// # Errors
    /// The machine has no thread, or no descriptor.
    pub fn start(parts: RelayParts) -> io::Result<(Arc<Self>, RelayThread)> {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().max_blocking_threads(BLOCKING_THREADS).build()?;
        let (stop, mut stopped) = watch::channel(false);
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new().name("relays".to_owned()).spawn(move || {
            runtime.block_on(async {
                let _gone = stopped.wait_for(|told| *told).await;
            });
            // A resolver that hangs is left.
            runtime.shutdown_background();
        })?;
        let relays = Self {
            parts,
            runtime: handle,
            stop,
            own: Mutex::default(),
            courts: RwLock::default(),
            leaving: Mutex::default(),
        };
        Ok((Arc::new(relays), RelayThread(thread)))
    }

    /// Where this box takes streams itself: no relay leads back there. For relays that begin after it.
    pub fn own_doors(&self, doors: impl IntoIterator<Item = SocketAddr>) {
        *self.own.lock() = doors.into_iter().collect();
    }

    /// A message of a court's publisher, which is called `publish`. Never waits.
    pub fn message(&self, court: &CourtId, publish: u64, message: &Message) {
        let court = self.courts.read().get(court).map(Arc::clone);
        if let Some(court) = court {
            court.feed.message(publish, message);
        }
    }

    /// That publisher has ended.
    pub fn ended(&self, court: &CourtId, publish: u64) {
        let court = self.courts.read().get(court).map(Arc::clone);
        if let Some(court) = court {
            court.feed.ended(publish);
        }
    }

    /// A court's stream goes to these from now on. Those that were there and are the same notice nothing; one
    /// that is to go, or is another now, says goodbye first, so that there is never more than one connection of
    /// a name.
    pub fn set(&self, court: &CourtId, wanted: &[RelayConfig]) {
        let entry = Arc::clone(self.courts.write().entry(court.clone()).or_default());
        let mut running = entry.running.lock();
        let mut kept = Vec::new();
        let mut leaving = self.leaving.lock();
        leaving.retain(|_, ended| !ended.is_finished());
        for one in running.drain(..) {
            if wanted.contains(&one.relay.0) {
                kept.push(one);
            } else {
                one.stop.send_replace(true);
                leaving.insert((court.clone(), one.relay.0.name), one.ended);
            }
        }
        for relay in wanted {
            let at = kept.iter().position(|one| one.relay.0 == *relay);
            let one = match at {
                Some(at) => kept.swap_remove(at),
                None => {
                    let before = leaving.remove(&(court.clone(), relay.name.clone()));
                    self.begin(court, relay, before)
                }
            };
            running.push(one);
        }
        entry.feed.forwards_to(running.iter().map(|one| Arc::clone(&one.hop)).collect());
    }

    /// A court is gone, and its relays with it.
    pub fn remove(&self, court: &CourtId) {
        self.set(court, &[]);
        self.courts.write().remove(court);
    }

    fn begin(
        &self,
        court: &CourtId,
        relay: &RelayConfig,
        before: Option<JoinHandle<()>>,
    ) -> Running {
        let RelayParts { clock, chance, floor, ledger } = &self.parts;
        let tally = ledger.hop(court.as_str(), &format!("{}{}", hops::RELAY, relay.name));
        let hop = Arc::new(Hop::new(tally));
        // From now on, not from when its thread comes to it: a camera may begin at once.
        hop.open();
        let (clock, floor) = (Arc::clone(clock), floor.clone());
        let shown = relay.address.shown();
        let told = Told::new(&relay.name, &shown, Arc::clone(&clock), floor.clone());
        let told = Arc::new(told);
        let link = Link {
            court: court.clone(),
            relay: relay.clone(),
            hop: Arc::clone(&hop),
            told: Arc::clone(&told),
            means: Means { clock, floor, own: self.own.lock().clone() },
            chance: chance.clone(),
        };
        let (stop, stopped) = watch::channel(false);
        let ended = self.runtime.spawn(async move {
            if let Some(before) = before {
                // How it ended is nobody's business; that it has is.
                drop(before.await);
            }
            link.run(stopped).await;
        });
        Running { relay: Named(relay.clone()), hop, told, stop, ended }
    }

    /// How a court's relays do, in the order of the configuration.
    #[must_use]
    pub fn state(&self, court: &CourtId) -> Vec<RelayState> {
        let Some(court) = self.courts.read().get(court).map(Arc::clone) else { return Vec::new() };
        let running = court.running.lock();
        let state = |one: &Running| one.told.state(one.hop.tally().count().dropped_total());
        running.iter().map(state).collect()
    }

    /// The counts of all of them: court, relay, and what its hop counted.
    #[must_use]
    pub fn counts(&self) -> Vec<(CourtId, RelayState, HopCount)> {
        let courts: Vec<(CourtId, Arc<Court>)> =
            self.courts.read().iter().map(|(name, of)| (name.clone(), Arc::clone(of))).collect();
        let mut counts = Vec::new();
        for (name, court) in courts {
            for one in &*court.running.lock() {
                let count = one.hop.tally().count();
                counts.push((name.clone(), one.told.state(count.dropped_total()), count));
            }
        }
        counts
    }

    /// Tells all to say goodbye, and resolves once they have, which takes a second at most. The thread ends
    /// then.
    pub async fn end(&self) {
        let courts: Vec<Arc<Court>> = self.courts.read().values().map(Arc::clone).collect();
        let mut ended = Vec::new();
        for court in courts {
            court.feed.forwards_to(Vec::new());
            for one in court.running.lock().drain(..) {
                one.stop.send_replace(true);
                ended.push(one.ended);
            }
        }
        ended.extend(self.leaving.lock().drain().map(|(_, ended)| ended));
        for ended in ended {
            drop(ended.await);
        }
        self.stop.send_replace(true);
    }
}

impl Drop for Relays {
    fn drop(&mut self) {
        // Of a box that was never run.
        self.stop.send_replace(true);
    }
}
