//! The technician's connection: subscribes anew at each connection, publishes, tells what came and what broke.
//!
//! Certificates and passwords are held, not read from files of a configuration as the uplink's are, and the
//! clock is the laptop's own, with no floor beneath it.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::{
    ConnectReturnCode, Packet, PubAckReason, PublishProperties, SubscribeFilter,
    SubscribeReasonCode,
};
use rumqttc::{
    AsyncClient, ConnectionError, Event, IncomingPacketSizeLimit, MqttOptions, PublishOptions,
    StateError, Transport,
};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::clock::{SystemClock, sleep, within};
use crate::config::Broker;
use crate::media::Foreign;

/// A dead link is noticed within twice this.
const KEEP_ALIVE_S: u16 = 10;
/// Between two tries to connect.
const AGAIN: Duration = Duration::from_secs(1);
/// A greeting takes no longer, or nobody is there.
const PATIENCE: Duration = Duration::from_secs(10);
/// For the last words.
const GOODBYE: Duration = Duration::from_secs(1);
/// No box sends more.
const MOST_BYTES: u32 = 1 << 20;
/// Messages that wait for the desk; a broker whose socket nobody reads waits too.
const QUEUE: usize = 64;

/// Where to, and as whom: by certificate, or by user and password.
#[derive(Clone)]
pub(super) struct Access {
    /// Where.
    pub broker: Broker,
    /// PEM of the authority.
    pub ca: String,
    /// PEM of certificate and key.
    pub client: Option<(String, String)>,
    /// User and password.
    pub user: Option<(String, String)>,
}

impl Access {
    fn options(&self, id: &str) -> MqttOptions {
        let Broker { tls, host, port } = self.broker.clone();
        let mut options = MqttOptions::new(id, rumqttc::Broker::tcp(host.clone(), port));
        // The library writes `host:port`, which no IPv6 address survives.
        let v6 = host.parse::<Ipv6Addr>().ok().map(|ip| SocketAddr::from((ip, port)));
        options.set_socket_connector(move |host, network| async move {
            match v6 {
                Some(socket) => TcpStream::connect(socket).await,
                None => rumqttc::default_socket_connect(host, network).await,
            }
        });
        if tls {
            let bytes = |text: &String| text.as_bytes().to_vec();
            let client = self.client.as_ref().map(|(chain, key)| (bytes(chain), bytes(key)));
            options.set_transport(Transport::tls(bytes(&self.ca), client, None));
        }
        if let Some((user, password)) = &self.user {
            options.set_credentials(user.clone(), password.clone());
        }
        options.set_keep_alive(KEEP_ALIVE_S);
        // What waited for us is old: boxes ask again by themselves.
        options.set_clean_start(true);
        options.set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(MOST_BYTES));
        options
    }
}

/// Why there is no connection.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// The broker is there, and does not take us for who we say we are.
    pub denied: bool,
    /// In words.
    pub why: Foreign,
}

impl Fault {
    fn of(error: &ConnectionError) -> Self {
        let (ConnectionError::ConnectionRefused(code)
        | ConnectionError::MqttState(StateError::ConnFail { reason: code })) = error
        else {
            return Self { denied: false, why: Foreign::error(error) };
        };
        let denied = matches!(
            code,
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized
        );
        Self {
            denied,
            why: Foreign::told(format_args!("the broker refuses the connection: {code:?}")),
        }
    }
}

/// What came.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    /// Connected and subscribed.
    Listening,
    /// A message.
    Message {
        /// Its topic.
        topic: String,
        /// Its body.
        payload: Vec<u8>,
        /// The broker had it already.
        retained: bool,
    },
    /// The broker lets us not do something.
    Denied(Foreign),
    /// There is no connection; it is tried again.
    Broke(Foreign),
}

/// The connection. Ends when it is dropped.
#[derive(Debug)]
pub(super) struct Link {
    client: AsyncClient,
    heard: mpsc::Receiver<Heard>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link {
    /// Begins to connect, under the client id `id`, and to subscribe to `filters`.
    pub(super) fn begin(access: &Access, id: &str, filters: &'static [&'static str]) -> Self {
        let options = access.options(id);
        let (client, mut events) = AsyncClient::builder(options).capacity(QUEUE).build();
        let (tell, heard) = mpsc::channel(QUEUE);
        let subscriber = client.clone();
        let task = tokio::spawn(async move {
            loop {
                let said = match events.poll().await {
                    Ok(Event::Incoming(packet)) => match packet {
                        Packet::ConnAck(_) => {
                            // Not here: answers that wait may fill the queue, and this loop empties it.
                            tokio::spawn(subscribe(subscriber.clone(), filters));
                            None
                        }
                        other => heard_of(other),
                    },
                    Ok(_) => None,
                    Err(error) => {
                        let why = Fault::of(&error).why;
                        if tell.send(Heard::Broke(why)).await.is_err() {
                            return;
                        }
                        sleep(&SystemClock::new(), AGAIN).await;
                        None
                    }
                };
                if let Some(said) = said
                    && tell.send(said).await.is_err()
                {
                    return;
                }
            }
        });
        Self { client, heard, task }
    }

    /// What comes next. Cancel-safe.
    ///
    /// # Errors
    /// The connection's task has died.
    pub(super) async fn next(&mut self) -> anyhow::Result<Heard> {
        self.heard.recv().await.context("the connection's task has ended")
    }

    /// Hands over a message, QoS 1, not retained.
    ///
    /// # Errors
    /// The connection's task has died.
    pub(super) async fn publish(&self, topic: String, payload: Vec<u8>) -> anyhow::Result<()> {
        let given = PublishProperties {
            payload_format_indicator: Some(1),
            content_type: Some("application/json".to_owned()),
            ..PublishProperties::default()
        };
        let options = PublishOptions::at_least_once().properties(given);
        self.client.publish(topic, payload, options).await.context("publish")
    }

    /// Says goodbye, once what was handed over is sent.
    pub(super) async fn end(self) {
        if self.client.disconnect().await.is_err() {
            return;
        }
        let clock = SystemClock::new();
        let mut link = self;
        let goodbye = async {
            // The end of the connection is told as the next thing that breaks.
            while let Some(heard) = link.heard.recv().await {
                if matches!(heard, Heard::Broke(_)) {
                    break;
                }
            }
        };
        let _ = within(&clock, GOODBYE, goodbye).await;
    }
}

async fn subscribe(client: AsyncClient, filters: &'static [&'static str]) {
    let filters = filters.iter();
    let filters =
        filters.map(|filter| SubscribeFilter::new((*filter).to_owned(), QoS::AtLeastOnce));
    // A connection that ended needs no subscription; the next one asks for its own.
    let _ = client.subscribe_many(filters).await;
}

fn heard_of(packet: Packet) -> Option<Heard> {
    match packet {
        Packet::SubAck(ack) => {
            let granted =
                |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
            Some(if ack.return_codes.iter().all(granted) {
                Heard::Listening
            } else {
                let codes = format_args!("{:?}", ack.return_codes);
                Heard::Denied(Foreign::told(format_args!(
                    "the broker does not let us listen: {codes}"
                )))
            })
        }
        Packet::Publish(publish) => {
            // A topic that is no UTF-8 is none of ours.
            let topic = std::str::from_utf8(&publish.topic).ok()?.to_owned();
            let (payload, retained) = (publish.payload.to_vec(), publish.retain);
            Some(Heard::Message { topic, payload, retained })
        }
        Packet::PubAck(ack) => match ack.reason {
            // A box that is not there just now asks again.
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => None,
            reason => Some(Heard::Denied(Foreign::told(format_args!(
                "the broker does not let us answer: {reason:?}"
            )))),
        },
        _ => None,
    }
}

/// Connects once under the client id `id` and says goodbye.
///
/// # Errors
/// Why the broker was not reached or does not take us.
pub(super) async fn knock(access: &Access, id: &str) -> Result<(), Fault> {
    let clock = SystemClock::new();
    let (client, mut events) = AsyncClient::builder(access.options(id)).capacity(1).build();
    let greeted = async {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(Fault::of(&error)),
            }
        }
    };
    let late = || {
        let why = Foreign::told(format_args!("no greeting within {} s", PATIENCE.as_secs()));
        Fault { denied: false, why }
    };
    within(&clock, PATIENCE, greeted).await.ok_or_else(late)??;
    if client.disconnect().await.is_ok() {
        let goodbye = async { while events.poll().await.is_ok() {} };
        // The broker's side of the goodbye is of no interest.
        let _ = within(&clock, GOODBYE, goodbye).await;
    }
    Ok(())
}
