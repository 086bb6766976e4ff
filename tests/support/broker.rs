//! A small MQTT 5 broker on loopback: greets, keeps what is published, acknowledges in order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use parking_lot::Mutex;
use rumqttc::mqttbytes::Error;
use rumqttc::mqttbytes::v5::{
    ConnAck, ConnectReturnCode, Disconnect, DisconnectProperties, DisconnectReasonCode, Packet,
    PubAck, PubAckProperties, PubAckReason, SubAck, SubscribeReasonCode,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

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
}

/// Clones are one broker.
#[derive(Clone)]
pub(crate) struct TestBroker {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    /// False: whoever comes is sent away, and whoever is here goes.
    open: Arc<watch::Sender<bool>>,
}

impl TestBroker {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let broker = Self {
            address: listener.local_addr().expect("bound"),
            kept: Arc::default(),
            open: Arc::new(watch::channel(true).0),
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
        let (mut unread, mut answer) = (BytesMut::new(), BytesMut::new());
        loop {
            match Packet::read(&mut unread, None) {
                Ok(packet) => {
                    if !self.answer(packet, &mut answer) {
                        return Ok(());
                    }
                }
                Err(Error::InsufficientBytes(_)) => {
                    socket.write_all(&answer).await?;
                    answer.clear();
                    if socket.read_buf(&mut unread).await? == 0 {
                        return Ok(());
                    }
                }
                Err(error) => panic!("this is no MQTT: {error}"),
            }
        }
    }

    /// False when the peer has said goodbye.
    fn answer(&self, packet: Packet, answer: &mut BytesMut) -> bool {
        let mut kept = self.kept.lock();
        let mut goodbye = None;
        let reply = match packet {
            Packet::Connect(..) => {
                kept.connections += 1;
                goodbye.clone_from(&kept.goodbye);
                let code = ConnectReturnCode::Success;
                Packet::ConnAck(ConnAck { session_present: false, code, properties: None })
            }
            Packet::Publish(publish) => {
                let topic = String::from_utf8(publish.topic.to_vec()).expect("a topic");
                let is_event = topic.contains("/event/");
                let (retained, payload) = (publish.retain, publish.payload.to_vec());
                let message = Message { topic, retained, payload };
                let mut ack = PubAck::new(publish.pkid, None);
                if is_event {
                    let refusal = (!kept.refusals.is_empty()).then(|| kept.refusals.remove(0));
                    match refusal {
                        Some((reason, words)) => {
                            ack.reason = reason;
                            ack.properties = words.map(saying);
                        }
                        None => {
                            let id = message.json()["id"].as_str().expect("an id").to_owned();
                            kept.acknowledged.push(id);
                        }
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
                kept.messages.push(message);
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
            Packet::PingReq => Packet::PingResp,
            Packet::Disconnect(_) => return false,
            other => panic!("nobody here understands {other:?}"),
        };
        reply.write(answer, None).expect("written");
        if let Some(words) = goodbye {
            let properties = DisconnectProperties {
                session_expiry_interval: None,
                reason_string: Some(words),
                user_properties: Vec::new(),
                server_reference: None,
            };
            let reason = DisconnectReasonCode::NotAuthorized;
            let goodbye = Disconnect::new_with_properties(reason, properties);
            Packet::Disconnect(goodbye).write(answer, None).expect("written");
        }
        true
    }
}

fn saying(words: String) -> PubAckProperties {
    PubAckProperties { reason_string: Some(words), user_properties: Vec::new() }
}
