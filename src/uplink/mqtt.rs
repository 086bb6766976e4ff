//! The link to the broker: MQTT 5, one client a connection, for ever.
//!
//! A connection begins with its session number durable, its Will set, then CONNACK, then the birth
//! and all `state/*`, then events as the outbox hands them. It ends with the first error. A new
//! client each time, because the library would send again what it had in flight with the old
//! `historical`; our outbox does it instead, in order. The broker's session is kept all the same
//! (clean start off): subscriptions and commands live there.

mod allowed;
mod incoming;
mod home;
mod sending;
mod session;
mod outage;
pub(super) mod technician;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::{ConnAck, LastWill, LastWillProperties, Packet, PublishProperties};
use rumqttc::{
    AckMode, AsyncClient, Event, IncomingPacketSizeLimit, MqttOptions, PersistedAckMode,
    PersistedSession, SessionStore, SessionStoreError, SessionStoreKey,
};
use serde_json::json;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use crate::broker::reason::Packet as ReasonIn;
use crate::broker::{self, Access, CONNECT_PATIENCE, SetupError, Step, Trail, Trouble};
use crate::clock::{Chance, Clock, Reached, within};
use crate::event::state::BoxState;
use crate::event::words::LinkTrouble;
use crate::mailbox::Rest;
use crate::media::{Foreign, Monotonic};
use crate::uplink::backoff::Past;
use crate::uplink::counts::UplinkCounts;
use crate::uplink::inbox::{Post, RECEIVE_MAXIMUM};
use crate::uplink::mqtt::allowed::{Allowed, SESSION_EXPIRY_S};
use crate::uplink::mqtt::outage::Outage;
use crate::uplink::mqtt::sending::{Door, Handed, Parcel};
use crate::uplink::mqtt::session::{ACK_TIMEOUT, Sent, Session, ended};
use crate::uplink::outbox::desk::{Desk, Note, Sending};
use crate::uplink::outbox::lanes::{Begin, SendOutcome, WINDOW};
use crate::uplink::redirect::Redirect;
use crate::uplink::settings::UplinkSettings;
use crate::uplink::states::{self, Due, States};

/// A dead link is noticed within twice this.
const KEEP_ALIVE_S: u16 = 10;
/// A flap shorter than this publishes no death (chosen: a reconnection takes less).
const WILL_DELAY_S: u32 = 5;
/// Requests between us and the client: a window of events, and as many states.
const CLIENT_QUEUE: usize = 2 * WINDOW as usize;
/// A session that lived no longer counts as one that did not come about.
const SHORT_LIFE: Duration = Duration::from_secs(10);
/// A session that ends so soon after a refusal was ended by it.
const CLOSED_BY_REFUSAL: Duration = Duration::from_secs(1);
/// Connections without a subscription after one that it seems to have ended.
const SILENT_FOR: u32 = 64;
/// `check` waits so long for a greeting.
const PROBE_PATIENCE: Duration = Duration::from_secs(10);
/// For the last words, once nothing is to be sent any more.
const GOODBYE: Duration = Duration::from_secs(1);
/// MQTT reason code: packet too large.
const TOO_LARGE: u8 = 0x95;

/// The largest PUBLISH that the broker may send: one that is too large for us is refused in words up to
/// here, and beyond not sent (MQTT 5, 3.1.2.11.4).
const INCOMING_MOST_BYTES: u32 = 1 << 20;

/// Everything that the link works with.
#[derive(Debug)]
pub(super) struct Link {
    /// Where to and who we are.
    pub settings: UplinkSettings,
    /// Where to instead, once somebody has said so.
    pub redirect: Arc<Redirect>,
    /// The outbox.
    pub desk: Arc<Desk>,
    /// Retained values.
    pub states: Arc<States>,
    /// What comes from the broker, and the states of commands.
    pub post: Arc<Post>,
    /// What `Uplink::status` reads.
    pub counts: Arc<Mutex<UplinkCounts>>,
    /// For every wait, and the dates of certificates.
    pub clock: Arc<dyn Clock>,
    /// Spreads the tries of a fleet.
    pub chance: Chance,
    /// It waits for the next try; or has a session, whose work the outbox knows.
    pub rest: Rest,
    /// Drawn for this run.
    pub instance: u64,
}

/// How a connection ended.
#[derive(Debug)]
enum End {
    /// We were asked to stop, and said goodbye.
    Stopped,
    /// It broke.
    Broken(Broken),
}

#[derive(Debug, Default)]
struct Broken {
    /// There had been a CONNACK.
    connected: bool,
    /// It ended within seconds after CONNACK.
    short: bool,
    /// It ended right after a refusal: some brokers do that.
    refused: bool,
    /// We left it for another one.
    moved: bool,
    /// It ended before the subscription was answered: some brokers answer so.
    unsubscribed: bool,
    /// It said of something that it does not take it, and the next one goes without.
    learnt: bool,
    /// Nothing of what it sent was acknowledged, and it ended for that.
    unacknowledged: bool,
    /// Events that it had acknowledged.
    events: u64,
    trouble: Trouble,
}

/// Ends of a session that are about something that the box had sent.
const BLAMES: [u8; 3] = [0x87, 0x90, 0x99];

impl Link {
    /// Connects, sends, connects again; ends when `stop` says so.
    pub(crate) async fn run(
        self,
        mut sendings: mpsc::Receiver<Sending>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut number = None;
        let mut past = Past::default();
        let mut last = Broken::default();
        let mut silent = 0_u32;
        let floor = self.settings.time_floor.clone();
        let outage = Outage::new(Arc::clone(&self.counts), Arc::clone(&self.clock), floor);
        let outage = Arc::new(outage);
        let allowed = Arc::<Mutex<Allowed>>::default();
        loop {
            let session = match number {
                Some(session) => session,
                None => match self.next_session(&mut stop).await {
                    Some(session) => session,
                    None => return,
                },
            };
            number = Some(session);
            let Some(access) = self.redirect.access(self.settings.access.as_ref()) else {
                // Woken once the box is claimed.
                self.rest.rests();
                tokio::select! {
                    () = self.redirect.moved() => {}
                    () = stopped(&mut stop) => return,
                }
                self.rest.wakes();
                continue;
            };
            let trail = Trail::default();
            let events_first = past.events_first();
            allowed.lock().look_again(self.clock.monotonic());
            let end = match self.options(&access, session, (&trail, &allowed)).await {
                Ok(options) => {
                    let begins = Begins {
                        session,
                        asks: silent == 0,
                        careful: last.connected,
                        try_refused: !last.refused,
                        events_first,
                        suspects: past.short >= 2 || past.taken_over,
                        outage: Arc::clone(&outage),
                        allowed: Arc::clone(&allowed),
                        trail,
                    };
                    self.connection(begins, options, &mut sendings, &mut stop).await
                }
                Err(error) => {
                    let trouble = Trouble::told(LinkTrouble::Files, Foreign::error(&error));
                    End::Broken(Broken { trouble, ..Broken::default() })
                }
            };
            let End::Broken(broken) = end else { return };
            if broken.moved {
                (number, past, last) = (None, Past::default(), Broken::default());
                *allowed.lock() = Allowed::default();
                let mut counts = self.counts.lock();
                (counts.connected, counts.no_retained) = (false, false);
                counts.limits.clear();
                drop(counts);
                info!("to the broker that is configured now");
                continue;
            }
            past.taken_over = broken.trouble.what == LinkTrouble::AnotherBox;
            if broken.connected {
                number = None;
                let is_answer = broken.refused || broken.unsubscribed || broken.learnt;
                past.short = if broken.short && !is_answer { past.short + 1 } else { 0 };
                if events_first {
                    past.gains = broken.events > 0;
                }
                silent = if broken.unsubscribed { SILENT_FOR } else { silent.saturating_sub(1) };
            }
            past.gains &= past.short > 0;
            // A session in which nothing was acknowledged is one that did not come about.
            let came_about = broken.connected && !broken.unacknowledged;
            past.failed = if came_about { 0 } else { past.failed.saturating_add(1) };
            if broken.learnt {
                let (why, todo) = (&broken.trouble.said, broken.trouble.todo);
                info!(%why, todo, "the box comes without what the broker does not take");
                self.counts.lock().connected = false;
            } else {
                outage.broken(past, broken.connected, &broken.trouble, &self.settings.box_name);
            }
            if broken.connected {
                last = broken;
            }
            let [random, ..] = self.chance.next(&*self.clock).to_be_bytes();
            let at = self.clock.monotonic().plus(past.delay(random));
            let mut next_try = self.clock.reached(at);
            self.rest.rests();
            tokio::select! {
                () = &mut next_try => {}
                // What was in the way of the last one says nothing of this one.
                () = self.redirect.moved() => past = Past::default(),
                () = stopped(&mut stop) => return,
            }
            self.rest.wakes();
            drop(next_try);
        }
    }

    async fn next_session(&self, stop: &mut watch::Receiver<bool>) -> Option<u64> {
        let (reply, number) = oneshot::channel();
        self.desk.note(Note::NextSession(reply));
        tokio::select! {
            number = number => number.ok(),
            () = stopped(stop) => None,
        }
    }

    fn root(&self) -> String {
        format!("courtside/1/{}", self.settings.box_name)
    }

    /// This run of this box, in sixteen digits: another one that has our name has others.
    fn instance(&self) -> String {
        format!("{:016x}", self.instance)
    }

    /// True if somebody else told this `state/box`: one that says which box it is, and is not ours.
    fn is_of_another(&self, payload: &[u8]) -> bool {
        let state: Option<BoxState> = serde_json::from_slice(payload).ok();
        let instance = state.and_then(|state| state.instance);
        instance.is_some_and(|instance| instance != self.instance())
    }

    fn box_state(&self, session: u64, online: bool) -> serde_json::Value {
        let state = BoxState {
            online,
            session,
            instance: Some(self.instance()),
            version: self.settings.version.clone(),
            courts: self.states.courts().unwrap_or_else(|| self.settings.courts.clone()),
        };
        serde_json::to_value(state).unwrap_or_else(|_| json!({ "online": online }))
    }

    async fn options(
        &self,
        access: &Access,
        session: u64,
        (trail, allowed): (&Trail, &Mutex<Allowed>),
    ) -> Result<MqttOptions, SetupError> {
        let (form, given_id) = {
            let allowed = allowed.lock();
            (allowed.will(), allowed.given_id())
        };
        // An empty id: the broker gives one, and with it a session that nobody had before.
        let id = match given_id {
            true => String::new(),
            false => format!("courtside-{}", self.settings.box_name),
        };
        let floor = self.settings.time_floor.at();
        let mut options = broker::options(access, id, (&self.clock, floor), trail).await?;
        options
            .set_keep_alive(KEEP_ALIVE_S)
            .set_clean_start(given_id)
            .set_session_expiry_interval(Some(SESSION_EXPIRY_S))
            .set_ack_mode(AckMode::Manual)
            .set_receive_maximum(Some(RECEIVE_MAXIMUM))
            .set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(INCOMING_MOST_BYTES))
            .set_outgoing_inflight_upper_limit(WINDOW)
            .set_request_channel_capacity(CLIENT_QUEUE);
        if !given_id {
            options.set_session_store(NothingInFlight);
        }
        if form.left_out {
            return Ok(options);
        }
        let qos = if form.qos0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        let topic = format!("{}/state/box", self.root());
        let gone = self.box_state(session, false).to_string();
        let mut will = LastWill::new(topic, gone, qos, !form.live, None);
        will.properties = Some(LastWillProperties {
            delay_interval: Some(WILL_DELAY_S),
            payload_format_indicator: (!form.bare).then_some(1),
            message_expiry_interval: None,
            content_type: (!form.bare).then(|| "application/json".to_owned()),
            response_topic: None,
            correlation_data: None,
            user_properties: Vec::new(),
        });
        options.set_last_will(will);
        Ok(options)
    }

    /// One connection, from CONNECT to its end.
    async fn connection(
        &self,
        begins: Begins,
        options: MqttOptions,
        sendings: &mut mpsc::Receiver<Sending>,
        stop: &mut watch::Receiver<bool>,
    ) -> End {
        let (session, trail) = (begins.session, begins.trail.clone());
        let allowed = Arc::clone(&begins.allowed);
        let (client, mut events) = AsyncClient::builder(options).capacity(CLIENT_QUEUE).build();
        let (greeted, greeting) = oneshot::channel();
        let mut greeted = Some(greeted);
        let (post, for_acks) = (Arc::clone(&self.post), client.clone());
        let passing = trail.clone();
        let states = Arc::clone(&self.states);
        let desired = format!("{}/config/desired", self.root());
        let own_state = format!("{}/state/box", self.root());
        let learnt = Arc::<Mutex<Session>>::default();
        let (noted, suspects) = (Arc::clone(&learnt), begins.suspects);
        // Polled in one future that is never dropped half way: a write cut in two ends the session.
        let drive = async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(ack))) => {
                        passing.reached(Step::Running);
                        // Before the first message of the session that the broker kept.
                        post.connected(session, ack.session_present);
                        if let Some(greeted) = greeted.take() {
                            // The feeder lives as long as we do.
                            drop(greeted.send(ack));
                        }
                    }
                    Ok(Event::Incoming(Packet::Publish(publish)))
                        if publish.topic == home::HOME_STATUS =>
                    {
                        home::hears(&states, &publish);
                    }
                    // Asked for with QoS 0, in this session or in one before it.
                    Ok(Event::Incoming(Packet::Publish(publish)))
                        if publish.topic == own_state.as_str() =>
                    {
                        if suspects && self.is_of_another(&publish.payload) {
                            noted.lock().other_box = true;
                        }
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let ack = for_acks.prepare_ack(&publish);
                        if !post.letter(session, incoming::letter(publish), &desired, ack) {
                            debug!(lost = post.lost(), "what came at QoS 0 found no room");
                        }
                    }
                    Ok(Event::Incoming(Packet::Disconnect(goodbye))) => passing.goodbye(&goodbye),
                    Ok(_) => {}
                    Err(error) => return error,
                }
            }
        };
        let mut drive = Box::pin(drive);
        let feeder = Feeder {
            link: self,
            session,
            client,
            begins,
            hears_home: Mutex::new(false),
            learnt: Arc::clone(&learnt),
            dead: Arc::default(),
            asks_again: Arc::default(),
            waiters: Mutex::default(),
        };
        let ended = {
            let feed = feeder.feed(greeting, sendings, stop);
            tokio::pin!(feed);
            tokio::select! {
                error = &mut drive => Err(error),
                ended = &mut feed => Ok(ended),
            }
        };
        let ended = match ended {
            Ok(Ok(())) => {
                // The goodbye is in the client's queue: drive it out. Who never greeted is told none.
                if learnt.lock().greeted.is_some() {
                    drop(within(&*self.clock, GOODBYE, drive).await);
                }
                self.counts.lock().connected = false;
                self.post.disconnected();
                self.desk.note(Note::Disconnected);
                return End::Stopped;
            }
            Ok(Err(trouble)) => Ok(trouble),
            Err(error) => Err(error),
        };
        // With the client its notices end, and what they know comes before the end is told.
        self.rest.wakes();
        let says_goodbye = {
            let learnt = learnt.lock();
            learnt.moved && learnt.greeted.is_some()
        };
        if says_goodbye {
            drop(within(&*self.clock, GOODBYE, &mut drive).await);
        }
        drop(drive);
        feeder.waited().await;
        let learnt = std::mem::take(&mut *learnt.lock());
        let now = self.clock.monotonic();
        let lately = |since: Option<Monotonic>, time| since.is_some_and(|at| now.since(at) < time);
        let mut broken = Broken {
            connected: learnt.greeted.is_some(),
            short: lately(learnt.greeted, SHORT_LIFE),
            refused: lately(learnt.refused, CLOSED_BY_REFUSAL),
            moved: learnt.moved,
            unsubscribed: lately(learnt.asked, CLOSED_BY_REFUSAL),
            events: learnt.events,
            ..Broken::default()
        };
        if broken.connected {
            self.post.disconnected();
            self.desk.note(Note::Disconnected);
        }
        broken.trouble = match ended {
            Ok(trouble) => trouble,
            Err(error) => trail.explain(&error),
        };
        let is_quiet =
            broken.trouble.what == LinkTrouble::Unanswered && broken.trouble.code.is_none();
        if learnt.other_box && broken.trouble.code.is_none() {
            // Some brokers cut who was there before without a word (mosquitto 2.0.11).
            let said = "another box has the same name: it told its state here meanwhile";
            broken.trouble = Trouble::told(LinkTrouble::AnotherBox, said);
        }
        if is_quiet && learnt.acknowledged == 0 {
            broken.trouble.what = LinkTrouble::Unacknowledged;
            broken.trouble.todo = LinkTrouble::Unacknowledged.todo();
            broken.unacknowledged = true;
        }
        let code = broken.trouble.code;
        if !broken.connected {
            broken.learnt = allowed.lock().refused(&broken.trouble, now);
        } else if let Some((ReasonIn::Disconnect, code)) = code {
            let largest = learnt.under_way.values().map(|(_, size)| *size).max();
            broken.learnt = allowed.lock().ended(code, largest, now);
            // One thing alone was under way: that is what it ends the session for.
            let mut under_way = learnt.under_way.into_values();
            if let (Some((sent, _)), None) = (under_way.next(), under_way.next())
                && BLAMES.contains(&code)
            {
                self.blame(session, sent, code, &broken.trouble);
                broken.refused = true;
            }
        }
        End::Broken(broken)
    }

    /// The broker ended the session for this: as if it had refused it.
    fn blame(&self, session: u64, sent: Sent, code: u8, trouble: &Trouble) {
        let said = &trouble.said;
        match sent {
            Sent::Event(position) => {
                let (outcome, said) = (SendOutcome::Refused { code }, Some(said.clone()));
                self.desk.note(Note::Outcome { epoch: session, position, outcome, said });
            }
            Sent::State(what) => {
                warn!(%what, %said, "the broker ended the session for a state: it is left out");
                self.states.refused(&what, session);
            }
            Sent::Answer => {}
        }
    }
}

/// How a session begins, by what came before it.
struct Begins {
    /// Its number.
    session: u64,
    /// Commands are asked for.
    asks: bool,
    /// The last session broke: one thing at a time at first.
    careful: bool,
    /// What was refused goes out again.
    try_refused: bool,
    /// Events go out before states and the subscription, which wait until the session has lived a while.
    events_first: bool,
    /// Sessions end at once: is it another box of our name?
    suspects: bool,
    outage: Arc<Outage>,
    /// What the broker does not take.
    allowed: Arc<Mutex<Allowed>>,
    trail: Trail,
}

/// One session's work: hands states and events to the client.
struct Feeder<'a> {
    link: &'a Link,
    session: u64,
    client: AsyncClient,
    begins: Begins,
    /// Home Assistant is listened to in this connection.
    hears_home: Mutex<bool>,
    learnt: Arc<Mutex<Session>>,
    /// Told when something had no answer for too long.
    dead: Arc<Notify>,
    /// Told when the subscription is to be asked for again, later.
    asks_again: Arc<Notify>,
    /// Wait for PUBACKs: at most a window of them, and the states.
    waiters: Mutex<JoinSet<()>>,
}

impl Feeder<'_> {
    /// Hands states and events to the client. `Ok` after the goodbye, `Err` when the link is dead.
    async fn feed(
        &self,
        greeting: oneshot::Receiver<ConnAck>,
        sendings: &mut mpsc::Receiver<Sending>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), Trouble> {
        let clock = &self.link.clock;
        let late = clock.reached(clock.monotonic().plus(CONNECT_PATIENCE));
        let ack = tokio::select! {
            ack = greeting => ack.map_err(|_| ended("the client ended"))?,
            () = late => return Err(self.begins.trail.late()),
            () = self.link.redirect.moved() => return Err(self.moved()),
            () = stopped(stop) => return Ok(()),
        };
        self.greeted(&ack);
        let mut introduced = !self.begins.events_first;
        if introduced {
            self.introduce().await?;
        }
        let receive_maximum = self.begins.allowed.lock().receive_maximum();
        let begin = Begin {
            receive_maximum,
            careful: self.begins.careful,
            try_refused: self.begins.try_refused,
        };
        self.link.desk.note(Note::Connected { epoch: self.session, begin });
        let mut long_life = Some(clock.reached(clock.monotonic().plus(SHORT_LIFE)));
        let mut ask_at: Option<Reached> = None;
        self.link.rest.rests();
        loop {
            tokio::select! {
                biased;
                () = reached(&mut long_life), if long_life.is_some() => {
                    self.begins.outage.steady();
                    long_life = None;
                    if !introduced {
                        introduced = true;
                        self.introduce().await?;
                    }
                }
                sending = sendings.recv() => {
                    let Some(sending) = sending else { return Ok(()) };
                    if sending.epoch == self.session {
                        self.publish_event(sending).await?;
                    }
                    // However many events wait, commands are answered between them.
                    self.publish_post().await?;
                }
                () = self.link.states.changed(), if introduced => self.publish_states().await?,
                () = self.link.redirect.moved() => {
                    self.say_goodbye().await?;
                    return Err(self.moved());
                }
                () = self.link.post.changed() => self.publish_post().await?,
                () = self.asks_again.notified() => {
                    let at = self.learnt.lock().ask_again.take();
                    ask_at = at.map(|at| clock.reached(at));
                }
                () = reached(&mut ask_at), if ask_at.is_some() => {
                    ask_at = None;
                    self.subscribe().await?;
                }
                () = self.dead.notified() => return Err(unanswered()),
                () = stopped(stop) => {
                    return self.say_goodbye().await;
                }
            }
        }
    }

    /// Asks for commands, and says how the box is.
    async fn introduce(&self) -> Result<(), Trouble> {
        self.subscribe().await?;
        self.publish_states().await
    }

    /// The broker is told that we are gone: no Will is published for who leaves so.
    async fn say_goodbye(&self) -> Result<(), Trouble> {
        self.link.states.set("box", &self.link.box_state(self.session, false));
        self.publish_states().await?;
        self.client.disconnect().await.map_err(|error| ended(Foreign::error(&error)))
    }

    fn moved(&self) -> Trouble {
        self.learnt.lock().moved = true;
        ended("left for the broker that is configured now")
    }

    /// Takes note of the CONNACK.
    fn greeted(&self, ack: &ConnAck) {
        self.learnt.lock().greeted = Some(self.link.clock.monotonic());
        let no_retained = {
            let mut allowed = self.begins.allowed.lock();
            allowed.greeted(ack.properties.as_ref());
            !allowed.retains()
        };
        self.begins.outage.greeted(self.session, no_retained);
        self.tell_limits();
        let (session, resumed) = (self.session, ack.session_present);
        if self.begins.careful {
            debug!(session, resumed, "connected to the broker again");
        } else {
            info!(session, resumed, "connected to the broker");
        }
        self.link.states.set("box", &self.link.box_state(session, true));
    }

    /// Says what the box does without: in the status as long as it is so, in the log once.
    fn tell_limits(&self) {
        let (told, news) = {
            let mut allowed = self.begins.allowed.lock();
            let told = allowed.told();
            let news = allowed.news(&told);
            (told, news)
        };
        for limit in news {
            warn!(said = %limit.said, todo = %limit.todo, "the broker does not take all");
        }
        self.link.counts.lock().limits = told;
    }

    fn wait(&self, told: impl Future<Output = ()> + Send + 'static) {
        let mut waiters = self.waiters.lock();
        while waiters.try_join_next().is_some() {}
        waiters.spawn(told);
    }

    /// Waits until every notice has been told. The event loop is gone: with the client's queue they
    /// end by themselves.
    async fn waited(self) {
        let Self { client, waiters, .. } = self;
        drop(client);
        let mut waiters = waiters.into_inner();
        while waiters.join_next().await.is_some() {}
    }

    /// Hands a publish to the client, as this broker takes it.
    async fn hand_over(&self, parcel: Parcel) -> Result<Handed, Trouble> {
        let root = self.link.root();
        let door = Door {
            client: &self.client,
            allowed: &self.begins.allowed,
            learnt: &self.learnt,
            root: &root,
        };
        door.hand_over(parcel).await
    }

    async fn publish_states(&self) -> Result<(), Trouble> {
        self.listen_to_home().await?;
        for Due { what, payload, content_type } in self.link.states.due(self.session) {
            let parcel = Parcel {
                topic: states::topic(&self.link.root(), &what),
                payload: payload.clone(),
                retained: true,
                properties: properties(content_type),
                sent: Sent::State(what.clone()),
            };
            let waits = match self.hand_over(parcel).await? {
                Handed::Waits(waits) => waits,
                Handed::TooLarge(_) => {
                    // Its next value may fit.
                    self.begins.allowed.lock().leaves_out(&what);
                    self.tell_limits();
                    continue;
                }
            };
            self.begins.allowed.lock().fits(&what);
            // A state that is lost with the session is published again by the next one.
            let states = Arc::clone(&self.link.states);
            let (clock, outage) = (Arc::clone(&self.link.clock), Arc::clone(&self.begins.outage));
            let (session, dead) = (self.session, Arc::clone(&self.dead));
            let counts = Arc::clone(&self.link.counts);
            let told = async move {
                match waits.settled(&*clock).await {
                    Some((SendOutcome::Refused { .. }, said)) => {
                        let said = said.unwrap_or_default();
                        warn!(%what, %said, "the broker refused a state");
                        states.refused(&what, session);
                    }
                    Some((SendOutcome::Acknowledged, _)) => {
                        counts.lock().acknowledged_in = session;
                        outage.acknowledged();
                        states.acknowledged(&what, &payload);
                    }
                    Some((SendOutcome::Lost, _)) => {}
                    None => {
                        dead.notify_one();
                        return false;
                    }
                }
                true
            };
            if !self.begins.careful {
                self.wait(async move {
                    // Whether it was answered is told by `dead`.
                    let _ = told.await;
                });
            } else if !told.await {
                return Err(unanswered());
            }
        }
        Ok(())
    }

    async fn publish_event(&self, sending: Sending) -> Result<(), Trouble> {
        let Sending { epoch, position, topic, payload } = sending;
        let parcel = Parcel {
            topic: format!("{}/{topic}", self.link.root()),
            payload,
            retained: false,
            properties: properties("application/cloudevents+json"),
            sent: Sent::Event(position),
        };
        let waits = match self.hand_over(parcel).await? {
            Handed::Waits(waits) => waits,
            Handed::TooLarge(most) => {
                let said = format_args!("0x95 larger than the broker's {most} bytes");
                let said = Some(Foreign::told(said));
                let outcome = SendOutcome::Refused { code: TOO_LARGE };
                self.link.desk.note(Note::Outcome { epoch, position, outcome, said });
                return Ok(());
            }
        };
        let (desk, dead) = (Arc::clone(&self.link.desk), Arc::clone(&self.dead));
        let (learnt, clock) = (Arc::clone(&self.learnt), Arc::clone(&self.link.clock));
        let outage = Arc::clone(&self.begins.outage);
        self.wait(async move {
            let (outcome, said) = match waits.settled(&*clock).await {
                Some(settled) => settled,
                None => {
                    dead.notify_one();
                    (SendOutcome::Lost, None)
                }
            };
            if outcome == SendOutcome::Acknowledged {
                learnt.lock().events += 1;
                outage.acknowledged();
            }
            desk.note(Note::Outcome { epoch, position, outcome, said });
        });
        Ok(())
    }
}

fn properties(content_type: &str) -> PublishProperties {
    PublishProperties {
        // 1: text, which a broker may check.
        payload_format_indicator: Some(u8::from(!content_type.starts_with("image/"))),
        content_type: Some(content_type.to_owned()),
        ..PublishProperties::default()
    }
}

/// A session in which an answer is owed for too long.
fn unanswered() -> Trouble {
    let silent = format_args!("no acknowledgement for {} s", ACK_TIMEOUT.as_secs());
    Trouble::told(LinkTrouble::Unanswered, silent)
}

/// Resolves when the time has come; never where there is none.
async fn reached(time: &mut Option<Reached>) {
    match time {
        Some(time) => time.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error: whoever could say stop is gone, which says it too.
    drop(stop.wait_for(|stop| *stop).await);
}

/// The options of a connection to where `settings` say.
async fn address(
    settings: &UplinkSettings,
    id: String,
    clock: &Arc<dyn Clock>,
    trail: &Trail,
) -> Result<MqttOptions, Foreign> {
    let access = settings.access.as_ref();
    let access = access.ok_or_else(|| Foreign::told("no broker is configured: name one"))?;
    let floor = settings.time_floor.at();
    let options = broker::options(access, id, (clock, floor), trail).await;
    options.map_err(|error| Foreign::error(&error))
}

/// Connects once, as `courtside-{box}-check`, and says goodbye: a box that runs keeps its session.
///
/// # Errors
/// Why the broker was not reached or did not take us, in words.
pub(super) async fn probe(settings: &UplinkSettings, clock: Arc<dyn Clock>) -> Result<(), Foreign> {
    let id = format!("courtside-{}-check", settings.box_name);
    let trail = Trail::default();
    let mut options = address(settings, id, &clock, &trail).await?;
    options.set_keep_alive(KEEP_ALIVE_S).set_clean_start(true);
    let (client, mut events) = AsyncClient::builder(options).capacity(1).build();
    let greeted = async {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => return Ok(()),
                Ok(_) => {}
                Err(error) => {
                    let Trouble { said, todo, .. } = trail.explain(&error);
                    return Err(Foreign::told(format_args!("{said} ({todo})")));
                }
            }
        }
    };
    let outcome = within(&*clock, PROBE_PATIENCE, greeted).await.ok_or_else(|| {
        Foreign::told(format_args!("no answer within {} s", PROBE_PATIENCE.as_secs()))
    })?;
    if outcome.is_ok() && client.disconnect().await.is_ok() {
        let goodbye = async { while events.poll().await.is_ok() {} };
        // The broker's side of the goodbye is of no interest.
        let _ = within(&*clock, GOODBYE, goodbye).await;
    }
    outcome
}

/// The library's own name for it is private.
type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

/// Tells the client that the session which the broker kept has nothing of ours in flight.
///
/// True for what matters: what had no PUBACK goes out of the outbox again, under new packet ids.
/// Without a store the client refuses to resume a session that it did not begin itself.
#[derive(Debug)]
struct NothingInFlight;

impl SessionStore for NothingInFlight {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> StoreFuture<'a, Option<PersistedSession>> {
        let session = PersistedSession {
            format_version: 1,
            client_id: key.client_id().to_owned(),
            clean_start: false,
            session_expiry_interval: Some(SESSION_EXPIRY_S),
            outgoing_inflight_upper_limit: Some(WINDOW),
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        };
        Box::pin(async move { Ok(Some(session)) })
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}
