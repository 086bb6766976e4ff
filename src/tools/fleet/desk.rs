//! The technician's desk of a fleet: signs what boxes ask for, and keeps it on record. Its broker keeps its
//! session: who asks while it is cut off is answered when it is back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use parking_lot::Mutex;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::{Packet, SubscribeFilter, SubscribeReasonCode};
use rumqttc::{AsyncClient, Event, MqttOptions, PublishOptions, PublishResult};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::claim::{
    Answer, Authority, Decision, Grant, Granted, Policy, Report, Request, Serial, Verdict, decide,
};
use crate::media::BoxName;
use crate::tools::fleet::simulated::Common;
use crate::tools::rig::listen::host_and_port;

/// What it hears of.
const FILTERS: [&str; 2] = ["courtside/1/claim/+/req", "courtside/1/+/claim/committed"];
/// The broker keeps its session so long, s.
const SESSION_EXPIRY_S: u32 = 3600;
/// Between two tries to connect, or to publish.
const AGAIN: Duration = Duration::from_millis(100);
/// Answers that may wait for the connection.
const ANSWERS: usize = 256;
/// Between two looks at the records.
const LOOK: Duration = Duration::from_millis(20);
/// A broker on loopback that says nothing for so long says nothing.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a certificate lasts.
const LASTS: Duration = Duration::from_secs(365 * 24 * 3600);

/// The desk, and what it has on record by serial number.
pub(super) struct Desk {
    authority: Authority,
    records: Mutex<BTreeMap<Serial, Granted>>,
    signed: AtomicU64,
    connections: AtomicU64,
    common: Common,
}

/// A task that ends with this value.
pub(super) struct Running(JoinHandle<()>);

impl Running {
    pub(super) const fn of(task: JoinHandle<()>) -> Self {
        Self(task)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Desk {
    /// Makes an authority and listens at the broker, whatever becomes of the connection, until the task is
    /// dropped.
    ///
    /// # Errors
    /// When there is no randomness, or the broker does not let it.
    pub(super) async fn open(url: &str, common: &Common) -> anyhow::Result<(Arc<Self>, Running)> {
        let made = Authority::make("a fleet", common.clock.utc())?;
        let authority = Authority::load(&made.certificate, made.key.expose())?;
        let (host, port) = host_and_port(url)?;
        let id = format!("courtside-desk-{}", common.prefix);
        let mut options = MqttOptions::new(id, rumqttc::Broker::tcp(host, port));
        options
            .set_keep_alive(30)
            .set_clean_start(false)
            .set_session_expiry_interval(Some(SESSION_EXPIRY_S));
        let desk = Arc::new(Self {
            authority,
            records: Mutex::default(),
            signed: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            common: common.clone(),
        });
        let (ready, is_ready) = oneshot::channel();
        let running = Running::of(tokio::spawn(Arc::clone(&desk).run(options, ready)));
        let granted = timeout(PATIENCE, is_ready).await.context("connect the desk")?;
        anyhow::ensure!(granted.unwrap_or(false), "the broker at {url} lets no desk hear claims");
        Ok((desk, running))
    }

    async fn run(self: Arc<Self>, options: MqttOptions, ready: oneshot::Sender<bool>) {
        let (client, mut events) = AsyncClient::builder(options).capacity(ANSWERS).build();
        let (mut ready, mut answering, mut listens) = (Some(ready), JoinSet::new(), false);
        loop {
            while answering.try_join_next().is_some() {}
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(ack))) => {
                    self.connections.fetch_add(1, Ordering::SeqCst);
                    listens &= ack.session_present;
                    if !listens {
                        // Not here: the queue may be full, and this empties it.
                        answering.spawn(subscribe(client.clone()));
                    }
                }
                Ok(Event::Incoming(Packet::SubAck(ack))) => {
                    let granted = |code: &_| matches!(code, SubscribeReasonCode::Success(_));
                    listens = ack.return_codes.iter().all(granted);
                    // Whoever waited may have given up.
                    let _ = ready.take().map(|ready| ready.send(listens));
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    if let Some((topic, answer)) = self.hears(&publish.payload) {
                        answering.spawn(answers(client.clone(), topic, answer));
                    }
                }
                Ok(_) => {}
                // The next poll connects anew.
                Err(_) => sleep(AGAIN).await,
            }
        }
    }

    /// Takes a message; the answer, and where to.
    fn hears(&self, body: &[u8]) -> Option<(String, Vec<u8>)> {
        let mut records = self.records.lock();
        if let Ok(request) = serde_json::from_slice::<Request>(body) {
            let name = BoxName::new(request.serial.as_str()).ok()?;
            // Of another fleet at the same broker.
            self.common.number(name.as_str())?;
            let policy = Policy { approved: Some(name), again: false };
            let known = records.get(&request.serial);
            let answer = match decide(&request, known, None, None, &policy) {
                Decision::Again(answer) | Decision::Refuse(answer) => *answer,
                Decision::Ask => return None,
                Decision::Issue(name) => {
                    let answer = self.grant(&request, &name)?;
                    records.insert(request.serial.clone(), granted(&request, name, &answer));
                    answer
                }
            };
            let topic = format!("courtside/1/claim/{}/res", request.serial);
            return Some((topic, serde_json::to_vec(&answer).ok()?));
        }
        let report = serde_json::from_slice::<Report>(body).ok()?;
        records.get_mut(&report.serial)?.hears(&report);
        None
    }

    fn grant(&self, request: &Request, name: &BoxName) -> Option<Answer> {
        let now = self.common.clock.utc();
        let chain = self.authority.sign_box(&request.csr, name, now, LASTS).ok()?;
        self.signed.fetch_add(1, Ordering::SeqCst);
        let grant = Grant { chain: Some(chain), ..Grant::to(name.clone()) };
        let (request, nonce, v) = (request.request, request.nonce, request.v);
        Some(Answer { v, request, nonce, verdict: Verdict::Grant(Box::new(grant)) })
    }

    /// PEM of the authority.
    pub(super) fn certificate(&self) -> &str {
        self.authority.certificate()
    }

    /// What it has on record.
    pub(super) fn records(&self) -> BTreeMap<Serial, Granted> {
        self.records.lock().clone()
    }

    /// Certificates that it signed.
    pub(super) fn signed(&self) -> u64 {
        self.signed.load(Ordering::SeqCst)
    }

    /// How often it came back to the broker.
    pub(super) fn cut_off(&self) -> u64 {
        self.connections.load(Ordering::SeqCst).saturating_sub(1)
    }

    /// Waits until it came back to the broker more than so often.
    pub(super) async fn is_back(&self, times: u64) {
        while self.cut_off() <= times {
            sleep(LOOK).await;
        }
    }

    /// Waits until so many boxes have been granted something.
    pub(super) async fn has_granted(&self, boxes: usize) {
        while self.records.lock().len() < boxes {
            sleep(LOOK).await;
        }
    }

    /// Waits until the desk has heard of every commit: a box is through once the broker has its word.
    pub(super) async fn settled(&self) {
        let heard = async {
            while !self.records.lock().values().all(|record| record.committed) {
                sleep(LOOK).await;
            }
        };
        // Whose word never comes is no box that is right.
        let _ = timeout(PATIENCE, heard).await;
    }
}

async fn subscribe(client: AsyncClient) {
    let filters = FILTERS.map(|filter| SubscribeFilter::new(filter.to_owned(), QoS::AtLeastOnce));
    // A client that ended hears nothing, which is told by the sums.
    let _ = client.subscribe_many(filters).await;
}

/// Until the broker has it: the same answer twice is one.
async fn answers(client: AsyncClient, topic: String, answer: Vec<u8>) {
    loop {
        let options = PublishOptions::at_least_once();
        let sent = client.publish_tracked(topic.clone(), answer.clone(), options).await;
        // A client that ended sends nothing any more.
        let Ok(notice) = sent else { return };
        if matches!(notice.wait_async().await, Ok(PublishResult::Qos1(_))) {
            return;
        }
        sleep(AGAIN).await;
    }
}

fn granted(request: &Request, name: BoxName, answer: &Answer) -> Granted {
    Granted {
        serial: request.serial.clone(),
        name,
        request: request.request,
        nonce: request.nonce,
        answer: answer.clone(),
        committed: false,
        void: false,
        granted_at: 0,
    }
}
