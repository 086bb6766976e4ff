//! A small MQTT 5 broker on loopback: greets, keeps what is published, acknowledges in order. It can be
//! told to behave otherwise: [`Manners`].

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use parking_lot::Mutex;
use rumqttc::mqttbytes::Error;
use rumqttc::mqttbytes::v5::{
    ConnAck, ConnAckProperties, ConnectReturnCode, Disconnect, DisconnectProperties,
    DisconnectReasonCode, Packet, PubAck, PubAckProperties, PubAckReason, Publish, SubAck,
    SubscribeReasonCode,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// A broker that acknowledges late has waited long enough for more (none of its clients waits longer
/// between two publishes that its window allows).
const NO_MORE: Duration = Duration::from_millis(50);

/// How it behaves towards whoever connects from now on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manners {
    pub(crate) greets: Greets,
    pub(crate) acks: Acks,
    /// What its CONNACK says of its limits.
    pub(crate) limits: Option<ConnAckProperties>,
    /// Its CONNACK says that it kept the session.
    pub(crate) session_present: bool,
}

/// What it answers a CONNECT.
#[derive(Clone, Debug, Default)]
pub(crate) enum Greets {
    #[default]
    Usual,
    /// Nothing, for ever.
    Never,
    /// These bytes, whatever they are; it closes then if so told.
    With(Vec<u8>, bool),
    Refuses(ConnectReturnCode),
    /// As usual, and these bytes behind it.
    Adds(Vec<u8>),
    /// As usual, and sends it away.
    SendsAway(DisconnectReasonCode, DisconnectProperties),
    /// Refuses whose Will is retained, as one that keeps no such messages must.
    NoRetainedWill,
}

/// What it answers a PUBLISH.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Acks {
    #[default]
    AtOnce,
    /// As late as can be: once its receive maximum is used up, or nothing more comes.
    Late,
    /// Never; pings and subscriptions it answers.
    Never,
    /// At once, and closes the connection.
    ThenCloses,
    /// Closes the connection instead.
    Closes,
    /// From now on, on the connections that there are too, it answers nothing, and its end of them stays
    /// open: what a path looks like of which one half is gone.
    Deaf,
}

/// What a client did, for tests of limits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Did {
    /// Publishes without a PUBACK at a time, at most.
    pub(crate) in_flight: usize,
    /// Bytes of a packet, at most.
    pub(crate) packet: usize,
    /// Topic aliases that it used.
    pub(crate) aliases: usize,
    /// Pings.
    pub(crate) pings: usize,
    /// Of the last CONNECT.
    pub(crate) client_id: String,
    pub(crate) clean_start: bool,
    pub(crate) retained_will: bool,
    /// PUBACKs of what was delivered.
    pub(crate) acknowledged: usize,
}

/// No limits, to be filled in.
pub(crate) fn no_limits() -> ConnAckProperties {
    ConnAckProperties {
        session_expiry_interval: None,
        receive_max: None,
        max_qos: None,
        retain_available: None,
        max_packet_size: None,
        assigned_client_identifier: None,
        topic_alias_max: None,
        reason_string: None,
        user_properties: Vec::new(),
        wildcard_subscription_available: None,
        subscription_identifiers_available: None,
        shared_subscription_available: None,
        server_keep_alive: None,
        response_information: None,
        server_reference: None,
        authentication_method: None,
        authentication_data: None,
    }
}

/// A message as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) retained: bool,
    pub(crate) payload: Vec<u8>,
}

impl Message {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.payload).expect("JSON")
    }
}

#[derive(Default)]
struct Kept {
    messages: Vec<Message>,
    retained: BTreeMap<String, Message>,
    /// Ids of events in the order of their PUBACKs.
    acknowledged: Vec<String>,
    connections: u64,
    /// Reason codes for the next events, and the broker's words.
    refusals: Vec<(PubAckReason, Option<String>)>,
    /// States are refused with these words.
    no_states: Option<String>,
    /// Whoever has been greeted is sent away with these words.
    goodbye: Option<String>,
    manners: Manners,
    did: Did,
    /// What waits for the client, kept while nobody is connected, as a session does.
    to_deliver: VecDeque<Publish>,
    delivered: u16,
}

/// What comes after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    GoesOn,
    Closes,
    /// Neither reads nor writes any more.
    Stays,
}

/// Clones are one broker.
#[derive(Clone)]
pub(crate) struct TestBroker {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    /// False: whoever comes is sent away, and whoever is here goes.
    open: Arc<watch::Sender<bool>>,
    /// Something is to be delivered.
    deliver: Arc<Notify>,
}

impl TestBroker {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let broker = Self {
            address: listener.local_addr().expect("bound"),
            kept: Arc::default(),
            open: Arc::new(watch::channel(true).0),
            deliver: Arc::default(),
        };
        let accepting = broker.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let broker = accepting.clone();
                tokio::spawn(async move { broker.serve(socket).await });
            }
        });
        broker
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Sends everybody away until it is opened again.
    pub(crate) fn away(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// Behaves so from the next connection on.
    pub(crate) fn behave(&self, manners: Manners) {
        self.kept.lock().manners = manners;
    }

    /// What its clients did since it was asked last.
    pub(crate) fn did(&self) -> Did {
        std::mem::take(&mut self.kept.lock().did)
    }

    /// A look at the same.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Did) -> T) -> T {
        at(&self.kept.lock().did)
    }

    /// Publishes to whoever is connected, or will be.
    pub(crate) fn deliver(&self, topic: &str, payload: &[u8], retained: bool) {
        use rumqttc::mqttbytes::v5::PublishProperties;
        let properties =
            PublishProperties { message_expiry_interval: Some(60), ..PublishProperties::default() };
        let mut publish = Publish::new(
            topic.to_owned(),
            rumqttc::mqttbytes::QoS::AtLeastOnce,
            payload.to_vec(),
            Some(properties),
        );
        publish.retain = retained;
        let mut kept = self.kept.lock();
        kept.delivered += 1;
        publish.pkid = kept.delivered;
        kept.to_deliver.push_back(publish);
        drop(kept);
        self.deliver.notify_one();
    }

    /// All that came, but events.
    pub(crate) fn others(&self) -> Vec<Message> {
        let kept = self.kept.lock();
        kept.messages.iter().filter(|message| !message.topic.contains("/event/")).cloned().collect()
    }

    /// Refuses the next event so.
    pub(crate) fn refuse(&self, reason: PubAckReason) {
        self.kept.lock().refusals.push((reason, None));
    }

    /// Refuses the next event so, and says why.
    pub(crate) fn refuse_saying(&self, reason: PubAckReason, words: &str) {
        self.kept.lock().refusals.push((reason, Some(words.to_owned())));
    }

    /// Refuses every state from now on, and says why.
    pub(crate) fn refuse_states_saying(&self, words: &str) {
        self.kept.lock().no_states = Some(words.to_owned());
    }

    /// Greets whoever comes from now on, and sends him away at once with these words.
    pub(crate) fn send_away_saying(&self, words: &str) {
        self.kept.lock().goodbye = Some(words.to_owned());
    }

    /// Ids of events in the order of their PUBACKs.
    pub(crate) fn acknowledged(&self) -> Vec<String> {
        self.kept.lock().acknowledged.clone()
    }

    /// Events as they came, with repeats.
    pub(crate) fn events(&self) -> Vec<Message> {
        let kept = self.kept.lock();
        kept.messages.iter().filter(|message| message.topic.contains("/event/")).cloned().collect()
    }

    /// The retained value of `state/{what}`.
    pub(crate) fn state(&self, what: &str) -> Option<serde_json::Value> {
        let ending = format!("/state/{what}");
        let kept = self.kept.lock();
        kept.retained.iter().find(|(topic, _)| topic.ends_with(&ending)).map(|(_, m)| m.json())
    }

    /// The retained value of `config/reported`.
    pub(crate) fn reported(&self) -> Option<serde_json::Value> {
        let kept = self.kept.lock();
        let mut retained = kept.retained.iter();
        retained.find(|(topic, _)| topic.ends_with("/config/reported")).map(|(_, m)| m.json())
    }

    /// Connections that were greeted.
    pub(crate) fn connections(&self) -> u64 {
        self.kept.lock().connections
    }

    async fn serve(&self, mut socket: TcpStream) {
        let mut open = self.open.subscribe();
        tokio::select! {
            // While it is away, nobody is greeted first: a quick client had its events acknowledged.
            biased;
            _ = open.wait_for(|open| !open) => {}
            // An error is the peer's going.
            _ended = self.talk(&mut socket) => {}
        }
    }

    async fn talk(&self, socket: &mut TcpStream) -> std::io::Result<()> {
        socket.set_nodelay(true)?;
        let manners = self.kept.lock().manners.clone();
        let window = manners.limits.as_ref().and_then(|limits| limits.receive_max);
        let window = window.map_or(usize::MAX, usize::from);
        let (mut unread, mut answer) = (BytesMut::new(), BytesMut::new());
        let (mut owed, mut greeted) = (0, false);
        loop {
            let before = unread.len();
            match Packet::read(&mut unread, None) {
                Ok(packet) => {
                    if greeted && self.kept.lock().manners.acks == Acks::Deaf {
                        std::future::pending::<()>().await;
                    }
                    owed += usize::from(matches!(packet, Packet::Publish(_)));
                    {
                        let did = &mut self.kept.lock().did;
                        did.packet = did.packet.max(before - unread.len());
                        did.in_flight = did.in_flight.max(owed);
                    }
                    greeted |= matches!(packet, Packet::Connect(..));
                    match self.answer(packet, &manners, &mut answer) {
                        Then::GoesOn => {}
                        Then::Closes => return socket.write_all(&answer).await,
                        Then::Stays => {
                            socket.write_all(&answer).await?;
                            std::future::pending::<()>().await;
                        }
                    }
                }
                Err(Error::InsufficientBytes(_)) => {
                    if manners.acks == Acks::Late && owed > 0 && owed < window {
                        let more = tokio::time::timeout(NO_MORE, socket.read_buf(&mut unread));
                        match more.await {
                            Ok(Ok(1..)) => continue,
                            Ok(_) => return Ok(()),
                            Err(_) => {}
                        }
                    }
                    if greeted {
                        self.hand_out(&mut answer);
                    }
                    socket.write_all(&answer).await?;
                    answer.clear();
                    owed = 0;
                    tokio::select! {
                        read = socket.read_buf(&mut unread) => if read? == 0 { return Ok(()) },
                        () = self.deliver.notified() => {}
                    }
                }
                Err(error) => panic!("this is no MQTT: {error}"),
            }
        }
    }

    /// What waits for the client goes out.
    fn hand_out(&self, answer: &mut BytesMut) {
        for publish in self.kept.lock().to_deliver.drain(..) {
            Packet::Publish(publish).write(answer, None).expect("written");
        }
    }

    fn greet(
        kept: &mut Kept,
        manners: &Manners,
        retained_will: bool,
        answer: &mut BytesMut,
    ) -> Then {
        let connack = |code| {
            let properties = manners.limits.clone();
            let session_present = manners.session_present && code == ConnectReturnCode::Success;
            Packet::ConnAck(ConnAck { session_present, code, properties })
        };
        let mut write = |packet: &Packet| {
            packet.write(answer, None).expect("written");
        };
        let refused = match &manners.greets {
            Greets::Refuses(code) => Some(*code),
            Greets::NoRetainedWill if retained_will => Some(ConnectReturnCode::RetainNotSupported),
            _ => None,
        };
        if let Some(code) = refused {
            write(&connack(code));
            return Then::Closes;
        }
        match &manners.greets {
            Greets::Never => return Then::Stays,
            Greets::With(bytes, closes) => {
                answer.extend_from_slice(bytes);
                return if *closes { Then::Closes } else { Then::Stays };
            }
            _ => {}
        }
        kept.connections += 1;
        write(&connack(ConnectReturnCode::Success));
        let goodbye = match &manners.greets {
            Greets::SendsAway(reason, properties) => Some((*reason, properties.clone())),
            _ => kept.goodbye.clone().map(|words| {
                let properties = DisconnectProperties {
                    session_expiry_interval: None,
                    reason_string: Some(words),
                    user_properties: Vec::new(),
                    server_reference: None,
                };
                (DisconnectReasonCode::NotAuthorized, properties)
            }),
        };
        if let Some((reason, properties)) = goodbye {
            write(&Packet::Disconnect(Disconnect::new_with_properties(reason, properties)));
        }
        if let Greets::Adds(bytes) = &manners.greets {
            answer.extend_from_slice(bytes);
        }
        Then::GoesOn
    }

    fn keep(kept: &mut Kept, publish: &Publish) -> PubAck {
        let topic = String::from_utf8(publish.topic.to_vec()).expect("a topic");
        let is_event = topic.contains("/event/");
        let (retained, payload) = (publish.retain, publish.payload.to_vec());
        let message = Message { topic, retained, payload };
        let mut ack = PubAck::new(publish.pkid, None);
        if is_event {
            let refusal = (!kept.refusals.is_empty()).then(|| kept.refusals.remove(0));
            if let Some((reason, words)) = refusal {
                ack.reason = reason;
                ack.properties = words.map(saying);
            }
        }
        if let (false, Some(words)) = (is_event, &kept.no_states) {
            ack.reason = PubAckReason::NotAuthorized;
            ack.properties = Some(saying(words.clone()));
        }
        if message.retained && message.payload.is_empty() {
            kept.retained.remove(&message.topic);
        } else if message.retained {
            kept.retained.insert(message.topic.clone(), message.clone());
        }
        let aliased = publish.properties.as_ref().is_some_and(|of| of.topic_alias.is_some());
        kept.did.aliases += usize::from(aliased);
        kept.messages.push(message);
        ack
    }

    fn answer(&self, packet: Packet, manners: &Manners, answer: &mut BytesMut) -> Then {
        let mut kept = self.kept.lock();
        let mut then = Then::GoesOn;
        let reply = match packet {
            Packet::Connect(connect, will, _) => {
                let retained_will = will.is_some_and(|will| will.retain);
                kept.did.client_id = connect.client_id;
                kept.did.clean_start = connect.clean_start;
                kept.did.retained_will = retained_will;
                return Self::greet(&mut kept, manners, retained_will, answer);
            }
            Packet::Publish(publish) => {
                let ack = Self::keep(&mut kept, &publish);
                match manners.acks {
                    Acks::AtOnce | Acks::Late => {}
                    Acks::Never | Acks::Deaf => return Then::GoesOn,
                    Acks::ThenCloses => then = Then::Closes,
                    Acks::Closes => return Then::Closes,
                }
                let last = kept.messages.last().filter(|last| last.topic.contains("/event/"));
                let last = last.filter(|_| ack.reason == PubAckReason::Success).cloned();
                if let Some(event) = last {
                    let id = event.json()["id"].as_str().expect("an id").to_owned();
                    kept.acknowledged.push(id);
                }
                Packet::PubAck(ack)
            }
            Packet::Subscribe(subscribe) => {
                let granted = subscribe.filters.iter();
                let granted = granted.map(|of| SubscribeReasonCode::Success(of.qos)).collect();
                Packet::SubAck(SubAck {
                    pkid: subscribe.pkid,
                    return_codes: granted,
                    properties: None,
                })
            }
            Packet::PubAck(_) => {
                kept.did.acknowledged += 1;
                return Then::GoesOn;
            }
            Packet::PingReq => {
                kept.did.pings += 1;
                Packet::PingResp
            }
            Packet::Disconnect(_) => return Then::Closes,
            other => panic!("nobody here understands {other:?}"),
        };
        reply.write(answer, None).expect("written");
        then
    }
}

fn saying(words: String) -> PubAckProperties {
    PubAckProperties { reason_string: Some(words), user_properties: Vec::new() }
}
