//! Events to the broker: on disk first, then over MQTT 5, until each has its own PUBACK.
//!
//! ```text
//! game ─Decision→ inbox (256 events) → outbox thread: one commit for all that waits → `promised`
//!                              │        ├→ page, clips (`CommittedSink`)
//!                              │        └→ lanes: live, backlog → link (MQTT) ─→ broker
//!                              └← PUBACK, refusal, loss ──────────────┘
//! ```
//! In: [`Decision`]s, values of `state/{what}`, MQTT. Out: MQTT, runs of [`Operation`]s. Owns `{data_dir}/outbox/`.
//! Read `hooks` (who is told), `outbox/record` (what is kept, and the envelope), `outbox/write`
//! (what is on disk before an event is promised), `outbox/lanes` (what goes next), `outbox/formats`
//! and `outbox/aside` (stores of other versions), `outbox` (the thread), `inbox` (what comes the other
//! way: commands, the wanted configuration), then `mqtt` (the link):
//! `backoff` (when it tries again),
//! `states` (the retained messages), `home` (what Home Assistant is told), `redirect` (another broker while it runs). `settings` is what comes in, `counts` how it does,
//! `schema` every message as JSON Schema, `look` whether the stores are whole, `worker` a thread that ends with its handle.
//!
//! What holds (DESIGN §5.4): an event is promised when its record is on disk, and with it all that
//! was decided with it, its entry in the game's log too; it leaves the queue
//! after its own PUBACK only; it stays, marked sent, for 15 days or until the quota wants it; its
//! clip's pin is part of the record, which is forgotten only once the clip is durable too.
//! Order per court holds within a lane. A repeat has the same id and data.
//!
//! Absent: telemetry (the class exists, so that it would be shed first; nothing makes any).

mod settings;
mod worker;
mod redirect;
mod home;
mod hooks;
mod counts;
mod outbox;
mod inbox;
mod states;
mod backoff;
mod caught;
mod look;
mod mqtt;
pub mod schema;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info};

use crate::broker::Access;
use crate::clock::{Anchors, Chance, Clock, within};
use crate::disk::Disk;
use crate::event::Decision;
use crate::event::command::CommandState;
use crate::mailbox::{Mailbox, Rest};
use crate::media::{CourtId, Foreign};
use crate::uplink::inbox::Inbox;
use crate::uplink::mqtt::Link;
use crate::uplink::outbox::aside::Beside;
use crate::uplink::outbox::desk::{Desk, Note, Sending};
use crate::uplink::outbox::lanes::WINDOW;
use crate::uplink::outbox::open::{Damaged, damaged_in};
use crate::uplink::outbox::{Outbox, Parts};
use crate::uplink::redirect::Redirect;
use crate::uplink::states::{REPORTED, States};
use crate::uplink::worker::Worker;

pub use crate::uplink::caught::Panicked;
pub use crate::uplink::counts::UplinkCounts;
pub use crate::uplink::home::{HomeBox, PICTURE_WIDTH, discovery};
pub use crate::uplink::hooks::{Committed, CommittedSink, Hooks, SpaceNeeded, UplinkMeters};
pub use crate::uplink::inbox::{
    Call, Desired, Failed, INBOX_FORMAT, InboxError, Operation, read_arguments,
};
pub use crate::uplink::look::look_at_stores;
pub use crate::uplink::mqtt::technician::Question;
pub use crate::uplink::outbox::aside::PutAside;
pub use crate::uplink::outbox::desk::Given;
pub use crate::uplink::outbox::formats::{STORE_FORMAT, STORE_OLDEST_READER};
pub use crate::uplink::outbox::recover::{CourtRecords, Recovered};
pub use crate::uplink::outbox::tables::StoreError;
pub use crate::uplink::settings::{DEFAULT_QUOTA_BYTES, UplinkSettings};

/// Events that may wait for their commit (DESIGN §2), in whole decisions; never dropped: the court's
/// game waits.
const INBOX: usize = 256;
/// Sendings between outbox and link: a window of this session and one of the last.
const SENDINGS: usize = 4 * WINDOW as usize;
/// Tries the broker once under a client id of its own, for `check`: address, TLS, user, CONNACK.
///
/// # Errors
/// Why it was not reached or did not take us, in words.
pub async fn probe(settings: &UplinkSettings, clock: Arc<dyn Clock>) -> Result<(), Foreign> {
    mqtt::probe(settings, clock).await
}

/// Asks a box for something over its broker, as a technician does, and waits for the end. `told` hears
/// each state; the last one is returned.
///
/// # Errors
/// Why there is no answer, in words.
pub async fn ask(
    settings: &UplinkSettings,
    clock: Arc<dyn Clock>,
    question: &Question,
    told: impl FnMut(&CommandState) + Send,
) -> Result<CommandState, Foreign> {
    mqtt::technician::ask(settings, clock, question, told).await
}

/// What a shutdown left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// All that was decided is on disk.
    pub committed: bool,
    /// Events that wait on disk for the next start.
    pub unsent: u64,
}

/// Why the uplink cannot start.
#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What came and is to be done.
    #[error(transparent)]
    Inbox(#[from] InboxError),
    /// The system gives no thread.
    #[error("cannot start the outbox's thread")]
    Thread(#[source] std::io::Error),
}

/// The handle that `app` holds. Dropped without a [`shutdown`](Self::shutdown) it waits until its threads
/// have brought to disk what they had, and have ended.
#[derive(Debug)]
pub struct Uplink {
    inbox: Mailbox<Decision>,
    from_afar: Mutex<Inbox>,
    outbox: Mutex<Worker>,
    desk: Arc<Desk>,
    states: Arc<States>,
    redirect: Arc<Redirect>,
    counts: Arc<Mutex<UplinkCounts>>,
    link: Mutex<LinkState>,
    clock: Arc<dyn Clock>,
    link_rest: Rest,
    stop: watch::Sender<bool>,
}

#[derive(Debug)]
enum LinkState {
    Ready(Box<(Link, mpsc::Receiver<Sending>)>),
    Running(tokio::task::JoinHandle<()>),
    Gone,
}

impl Uplink {
    /// Opens the store and starts the outbox's thread: events are promised from now on, sent once
    /// [`Self::connect`] was called. Blocking: reads what the last run left.
    ///
    /// # Errors
    /// [`UplinkError`] when the store is in use by another process or the disk says no.
    pub fn open(
        settings: UplinkSettings,
        clock: Arc<dyn Clock>,
        disk: &Arc<dyn Disk>,
        chance: Chance,
        hooks: Hooks,
    ) -> Result<(Self, Recovered), UplinkError> {
        let open = || outbox::open::open(disk, &settings.dir, clock.utc());
        let opened = with_space(hooks.space.as_deref(), open)?;
        let (store, damaged, held) = (opened.store, opened.damaged, opened.lock);
        let Beside { put_aside, read_in } = opened.beside;
        told_of(damaged.as_ref(), &put_aside, read_in);
        let name = |aside: &PutAside| aside.path.file_name().map(Foreign::path);
        let names = put_aside.iter().filter_map(name).collect();
        // As long as they lie there: somebody looks at what is gone, and takes them away.
        let names_there = outbox::open::names(&**disk, &settings.dir).unwrap_or_default();
        let damaged_names =
            damaged_in(&names_there).iter().map(String::as_str).map(Foreign::told).collect();
        let damaged = damaged.map(|damaged| damaged.path);
        let recovered = Recovered { damaged, put_aside, ..store.recover()? };
        for log in &recovered.broken_logs {
            error!(%log, "entries of this log are gone: its game cannot be made again from it");
        }
        let tally = hooks.tally.clone().unwrap_or_default();
        let inbox = Mailbox::weighed(INBOX, Decision::weight, tally);
        let desk = Arc::new(Desk::new(inbox.clone()));
        clock.when_moved(Box::new(Desk::waker(&desk)));
        if let Some(done) = &hooks.clips_done {
            done.attach(inbox.waker());
        }
        let (states, counts) = (Arc::<States>::default(), Arc::<Mutex<UplinkCounts>>::default());
        let anchors = hooks.wall.clone().unwrap_or_else(|| {
            Anchors::new(Arc::clone(&clock), settings.boot.clone(), settings.time_floor.clone())
        });
        let (sendings, to_send) = mpsc::channel(SENDINGS);
        let mut outbox = Outbox::new(Parts {
            store,
            desk: Arc::clone(&desk),
            clock: Arc::clone(&clock),
            anchors,
            boot: settings.boot.clone(),
            time_floor: settings.time_floor.clone(),
            box_name: settings.box_name.clone(),
            quota: settings.quota_bytes,
            hooks,
            sendings,
            counts: Arc::clone(&counts),
            put_aside: names,
            damaged: damaged_names,
            states: Arc::clone(&states),
        })?;
        // Now: what was asked for before the last end must be held before the ring lets anything go.
        outbox.order_owed();
        let thread = thread::Builder::new()
            .name("outbox".to_owned())
            .spawn(move || outbox.run())
            .map_err(UplinkError::Thread)?;
        let (closes, ends) = (inbox.clone(), Arc::clone(&desk));
        let outbox = Worker::new(thread, move || {
            closes.close();
            ends.note(Note::Stop);
        });
        let from_afar = Inbox::open(inbox::Parts {
            disk,
            dir: &settings.dir,
            clock: Arc::clone(&clock),
            floor: settings.time_floor.clone(),
            root: format!("courtside/1/{}", settings.box_name),
            held: Some(held),
        })?;
        let link_rest = Rest::default();
        let redirect = Arc::<Redirect>::default();
        let link = Link {
            settings,
            redirect: Arc::clone(&redirect),
            desk: Arc::clone(&desk),
            states: Arc::clone(&states),
            post: Arc::clone(&from_afar.post),
            counts: Arc::clone(&counts),
            clock: Arc::clone(&clock),
            instance: u64::from_be_bytes(chance.next(&*clock).to_be_bytes()),
            chance,
            rest: link_rest.clone(),
        };
        let (stop, _) = watch::channel(false);
        let uplink = Self {
            inbox,
            from_afar: Mutex::new(from_afar),
            outbox: Mutex::new(outbox),
            desk,
            states,
            redirect,
            counts,
            link: Mutex::new(LinkState::Ready(Box::new((link, to_send)))),
            clock,
            link_rest,
            stop,
        };
        Ok((uplink, recovered))
    }

    /// Starts the link on `runtime`; it connects for ever. Again: does nothing.
    pub fn connect(&self, runtime: &tokio::runtime::Handle) {
        let mut state = self.link.lock();
        match std::mem::replace(&mut *state, LinkState::Gone) {
            LinkState::Ready(ready) => {
                let (link, sendings) = *ready;
                let task = runtime.spawn(link.run(sendings, self.stop.subscribe()));
                *state = LinkState::Running(task);
            }
            other => *state = other,
        }
    }

    /// What the box can be asked to do, from now on; before [`Self::connect`]. Commands that the last
    /// run left go on, or are told as failed.
    pub fn serve(&self, operations: Vec<Arc<dyn Operation>>) {
        self.from_afar.lock().serve(operations);
    }

    /// The configuration that somebody wants: the last one on disk, then each that comes, on disk
    /// before it is seen here. Only the latest is kept.
    #[must_use]
    pub fn desired(&self) -> watch::Receiver<Option<Arc<Desired>>> {
        self.from_afar.lock().desired()
    }

    /// Whether what comes from afar has been dealt with; operations apart.
    #[must_use]
    pub fn inbox_rest(&self) -> Rest {
        self.from_afar.lock().post.rest().clone()
    }

    /// Where a game leaves what it decides. When it is full the game waits
    /// ([`Mailbox::offer_waiting`]).
    #[must_use]
    pub fn inbox(&self) -> Mailbox<Decision> {
        self.inbox.clone()
    }

    /// Sets the latest value of `state/{what}`, for example `stream/a`; false if that was taken back.
    /// Never waits. `box` and `uplink` are the uplink's own.
    pub fn set_state(&self, what: &str, value: &serde_json::Value) -> bool {
        self.states.set(what, value)
    }

    /// Gives at most `limit` (and 200) stored events again: those of `court` after a `sequence`, or
    /// those of all courts after a `position`.
    pub async fn replay(&self, court: Option<CourtId>, after: u64, limit: usize) -> Vec<Given> {
        let (reply, given) = oneshot::channel();
        self.desk.note(Note::Replay { court, after, limit, reply });
        given.await.unwrap_or_default()
    }

    /// What a court's game goes on from, as [`Self::open`] gave it of all of them: after what was left
    /// in the inbox before. `None` if the store cannot be read, or the uplink has ended.
    pub async fn recover(
        &self,
        court: CourtId,
        log: String,
    ) -> Option<(CourtRecords, Vec<Vec<u8>>)> {
        let (reply, found) = oneshot::channel();
        self.desk.note(Note::Recover { court, log, reply });
        found.await.ok()
    }

    /// Takes `state/{what}` back: nothing is retained under it any more, until
    /// [`restore_state`](Self::restore_state).
    pub fn clear_state(&self, what: &str) {
        self.states.clear(what);
    }

    /// What was taken back may be told again.
    pub fn restore_state(&self, what: &str) {
        self.states.restore(what);
    }

    /// Sets `config/reported`, which is retained and told again in each session as a state is.
    pub fn set_reported(&self, value: &serde_json::Value) {
        self.states.set(REPORTED, value);
    }

    /// Sets what is retained under a topic of Home Assistant's ([`discovery`]).
    pub fn set_discovery(&self, topic: &str, value: &serde_json::Value) {
        debug_assert!(topic.starts_with(states::HOME), "{topic}");
        self.states.set(topic, value);
    }

    /// Sets `state/picture/{court}`: a JPEG.
    pub fn set_picture(&self, court: &CourtId, jpeg: Vec<u8>) {
        self.states.set_bytes(&format!("picture/{court}"), jpeg.into(), "image/jpeg");
    }

    /// Listens to Home Assistant from now on, or no more: when it begins, it is told again what there is.
    pub fn listen_to_home(&self, listens: bool) {
        self.states.listen_to_home(listens);
    }

    /// True once the broker has acknowledged that nothing is retained there any more.
    #[must_use]
    pub fn is_cleared(&self, what: &str) -> bool {
        self.states.is_cleared(what)
    }

    /// Has the link leave the broker that it has, if it has one, and go to another, or as another.
    pub fn redirect(&self, access: Access) {
        match &*self.link.lock() {
            LinkState::Ready(_) => self.redirect.begin(access),
            LinkState::Running(_) | LinkState::Gone => self.redirect.set(access),
        }
    }

    /// Names the courts anew, for `state/box`.
    pub fn set_courts(&self, courts: Vec<String>) {
        self.states.set_courts(courts);
    }

    /// Whether the link has nothing to do but what the outbox gives it.
    #[must_use]
    pub const fn link_rest(&self) -> &Rest {
        &self.link_rest
    }

    /// How it does.
    #[must_use]
    pub fn status(&self) -> UplinkCounts {
        self.counts.lock().clone()
    }

    /// Takes no more events, brings all to disk, sends what goes out within `grace`, says goodbye.
    /// What has no PUBACK then waits on disk.
    pub async fn shutdown(&self, grace: Duration) -> Drained {
        let until = self.clock.monotonic().plus(grace);
        let left = || until.since(self.clock.monotonic());
        self.inbox.close();
        let (reply, committed) = oneshot::channel();
        self.desk.note(Note::WhenCommitted(reply));
        let committed = matches!(within(&*self.clock, left(), committed).await, Some(Ok(())));
        if self.status().connected {
            let (reply, sent) = oneshot::channel();
            self.desk.note(Note::WhenSent(reply));
            // Late or not: what is unsent waits on disk.
            let _ = within(&*self.clock, left(), sent).await;
        }
        self.stop.send_replace(true);
        let link = std::mem::replace(&mut *self.link.lock(), LinkState::Gone);
        if let LinkState::Running(task) = link
            && let Err(error) = task.await
        {
            error!(%error, "the link's task died");
        }
        self.outbox.lock().stop();
        self.from_afar.lock().stop();
        let (outbox, inbox) = (self.outbox.lock().take(), self.from_afar.lock().take_thread());
        for thread in outbox.into_iter().chain(inbox) {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                error!("a thread of the uplink died");
            }
        }
        Drained { committed, unsent: self.status().state.outbox_events }
    }
}

/// Says what is not as a start expects it.
fn told_of(damaged: Option<&Damaged>, put_aside: &[PutAside], read_in: u64) {
    if let Some(damaged) = damaged {
        damaged.tell();
    }
    for PutAside { path, format, oldest_reader } in put_aside {
        error!(
            path = %path.display(), format, oldest_reader, ours = STORE_FORMAT,
            "a newer version wrote this outbox: put aside, its events wait for a version that reads it"
        );
    }
    if read_in > 0 {
        info!(events = read_in, "read in what an outbox that was put aside held");
    }
}

/// Opens the store, with the room that is given up for it on a full disk.
fn with_space<T>(
    space: Option<&dyn SpaceNeeded>,
    mut open: impl FnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    loop {
        match open() {
            // Ends: what is given up once is not there to be given up again.
            Err(error) if error.is_full() && space.is_some_and(SpaceNeeded::release) => {}
            other => return other,
        }
    }
}

/// Both threads are told to end; then each is waited for ([`Worker`]).
impl Drop for Uplink {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.outbox.lock().stop();
        self.from_afar.lock().stop();
    }
}

#[cfg(test)]
mod tests;
