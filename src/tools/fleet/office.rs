//! The other side of a fleet: hears all of it, asks and wants; on a thread of its own, with a session that
//! the broker keeps while it is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use parking_lot::Mutex;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::{
    Packet, PubAckReason, Publish, PublishProperties, SubscribeFilter, SubscribeReasonCode,
};
use rumqttc::{
    AsyncClient, Event, IncomingPacketSizeLimit, MqttOptions, PublishOptions, PublishResult,
};
use tokio::sync::{mpsc, oneshot};

use crate::event::Envelope;
use crate::event::command::CommandState;
use crate::event::state::BoxState;
use crate::event::twin::ConfigReported;
use crate::tools::fleet::book::Reported;
use crate::tools::fleet::simulated::Common;
use crate::tools::rig::listen::host_and_port;

/// The broker keeps its session so long, s.
const SESSION_EXPIRY_S: u32 = 3600;
/// Between two tries to connect.
const AGAIN: Duration = Duration::from_millis(100);
/// Publishes that may wait; who has more waits with them.
const ASKS: usize = 256;
/// Largest packet: a configuration that is reported is some 10 KB.
const MOST_BYTES: u32 = 1 << 20;

/// Something that the office publishes.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) topic: String,
    pub(super) body: Bytes,
    pub(super) retained: bool,
    /// s.
    pub(super) expiry: Option<u32>,
}

/// The running office. Its thread ends with it.
#[derive(Debug)]
pub(super) struct Office {
    orders: mpsc::Sender<Order>,
    /// Publishes that the broker has not acknowledged yet.
    waiting: Arc<AtomicU64>,
}

impl Office {
    /// Connects, subscribes, and waits until the broker has agreed.
    ///
    /// # Errors
    /// When the broker does not let it.
    pub(super) async fn open(url: &str, common: &Common) -> anyhow::Result<Self> {
        let (host, port) = host_and_port(url)?;
        let id = format!("courtside-office-{}", common.prefix);
        let mut options = MqttOptions::new(id, rumqttc::Broker::tcp(host, port));
        options
            .set_keep_alive(30)
            .set_clean_start(false)
            .set_session_expiry_interval(Some(SESSION_EXPIRY_S))
            .set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(MOST_BYTES));
        let (orders, given) = mpsc::channel(ASKS);
        let waiting = Arc::<AtomicU64>::default();
        let (ready, is_ready) = oneshot::channel();
        let desk = Desk { common: common.clone(), ready: Mutex::new(Some(ready)) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("start the office")?;
        let count = Arc::clone(&waiting);
        let run = move || runtime.block_on(desk.run(options, given, &count));
        let thread = thread::Builder::new().name("office".to_owned());
        thread.spawn(run).context("start the office's thread")?;
        let granted = tokio::time::timeout(Duration::from_secs(20), is_ready).await;
        match granted.with_context(|| format!("no broker at {url}"))? {
            Ok(true) => Ok(Self { orders, waiting }),
            _ => anyhow::bail!("the broker at {url} lets nobody hear courtside/1/#"),
        }
    }

    /// Publishes, sooner or later: what is lost with a connection is published again.
    pub(super) async fn publish(&self, order: Order) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        // Its thread lives as long as this value.
        drop(self.orders.send(order).await);
    }

    /// Publishes without an acknowledgement yet.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::SeqCst)
    }
}

struct Desk {
    common: Common,
    ready: Mutex<Option<oneshot::Sender<bool>>>,
}

impl Desk {
    async fn run(
        &self,
        options: MqttOptions,
        mut orders: mpsc::Receiver<Order>,
        waiting: &Arc<AtomicU64>,
    ) {
        let (client, mut events) = AsyncClient::builder(options).capacity(2 * ASKS).build();
        let publisher = client.clone();
        let count = Arc::clone(waiting);
        let publishing = async move {
            let mut tasks = tokio::task::JoinSet::new();
            while let Some(order) = orders.recv().await {
                while tasks.len() >= ASKS {
                    tasks.join_next().await;
                }
                let (client, count) = (publisher.clone(), Arc::clone(&count));
                tasks.spawn(async move {
                    while !publish(&client, &order).await {
                        tokio::time::sleep(AGAIN).await;
                    }
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        };
        let hearing = async {
            // A session of before a cut may have come to none of it.
            let mut listens = false;
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(ack))) => {
                        listens &= ack.session_present;
                        if !listens {
                            // Not here: the queue may be full, and this empties it.
                            tokio::spawn(subscribe(client.clone()));
                        }
                    }
                    Ok(Event::Incoming(Packet::SubAck(ack))) => {
                        let granted = |code: &_| matches!(code, SubscribeReasonCode::Success(_));
                        listens = ack.return_codes.iter().all(granted);
                        if let Some(ready) = self.ready.lock().take() {
                            // Whoever waited may have given up.
                            let _ = ready.send(listens);
                        }
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => self.hears(&publish),
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(AGAIN).await,
                }
            }
        };
        tokio::select! {
            () = publishing => {}
            () = hearing => {}
        }
    }

    /// One message; what is not of this fleet is let be.
    fn hears(&self, publish: &Publish) {
        let Ok(topic) = std::str::from_utf8(&publish.topic) else { return };
        let below = topic.strip_prefix("courtside/1/").and_then(|rest| rest.split_once('/'));
        let Some((name, what)) = below else { return };
        let Some(number) = self.common.number(name) else { return };
        let (book, now) = (&self.common.book, self.common.clock.monotonic());
        let body = &publish.payload[..];
        match what.split('/').collect::<Vec<_>>()[..] {
            ["event", ..] => {
                // What is no envelope is missed by its id.
                if let Ok(envelope) = serde_json::from_slice::<Envelope>(body) {
                    book.lock().hears(&envelope, now);
                }
            }
            ["state", "box"] => {
                let state = serde_json::from_slice::<BoxState>(body);
                book.lock().hears_box(number, state.is_ok_and(|state| state.online));
            }
            ["command", id, "state"] => {
                if let Ok(state) = serde_json::from_slice::<CommandState>(body) {
                    book.lock().hears_state(id, state.number, state.state.word(), now);
                }
            }
            ["config", "reported"] => {
                if let Ok(reported) = serde_json::from_slice::<ConfigReported>(body) {
                    let told = reported.desired;
                    let told = told.map(|told| (told.revision, told.outcome.word().to_owned()));
                    let reported = Reported { revision: reported.revision, told };
                    book.lock().hears_reported(number, reported);
                }
            }
            _ => {}
        }
    }
}

async fn subscribe(client: AsyncClient) {
    let filters = ["event/+/+", "state/box", "command/+/state", "config/reported"];
    let filters = filters
        .map(|below| SubscribeFilter::new(format!("courtside/1/+/{below}"), QoS::AtLeastOnce));
    // A client that ended hears nothing, which is told by the sums.
    let _ = client.subscribe_many(filters).await;
}

/// True once the broker has it.
async fn publish(client: &AsyncClient, order: &Order) -> bool {
    let properties = PublishProperties {
        message_expiry_interval: order.expiry,
        content_type: Some("application/json".to_owned()),
        ..PublishProperties::default()
    };
    let options = PublishOptions::at_least_once().properties(properties);
    let options = if order.retained { options.retained() } else { options };
    let sent = client.publish_tracked(order.topic.clone(), order.body.clone(), options).await;
    let Ok(notice) = sent else { return false };
    match notice.wait_async().await {
        Ok(PublishResult::Qos1(ack)) => {
            matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers)
        }
        _ => false,
    }
}
