//! One connection of a claim: clean, and gone from the broker with its end.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::{Packet, PubAckReason, PublishProperties, SubscribeReasonCode};
use rumqttc::{
    AsyncClient, Event, EventLoop, IncomingPacketSizeLimit, PublishOptions, PublishResult,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::broker::reason::{Packet as ReasonIn, named};
use crate::broker::{self, Access, Step, Trail, Trouble};
use crate::claim::steps::Seen;
use crate::clock::{Clock, within};
use crate::event::words::LinkTrouble;
use crate::media::{Foreign, UtcTime};

/// For a greeting, a SUBACK, a PUBACK (as the uplink's).
const PATIENCE: Duration = Duration::from_secs(15);
/// For the last words.
const GOODBYE: Duration = Duration::from_secs(1);
/// A dead link is noticed within twice this.
const KEEP_ALIVE_S: u16 = 10;
/// Requests between us and the library: one thing is done at a time.
const CLIENT_QUEUE: usize = 4;
/// Messages that wait to be looked at. What comes then is let go: the request is asked again.
const WAITING: usize = 8;
/// A larger packet ends the connection: what is just too large for an answer (64 KiB) is refused in words.
const INCOMING_MOST_BYTES: u32 = 256 << 10;

/// What comes by itself.
#[derive(Debug)]
pub(super) enum Came {
    /// To the topic that was asked for.
    Answer(Vec<u8>),
    /// The connection has ended, and why.
    Ended(Seen),
}

/// What the library's loop tells us.
#[derive(Debug)]
enum Heard {
    Greeted,
    Message { topic: Vec<u8>, payload: Vec<u8> },
    Ended(Seen),
}

/// A connection that was greeted.
#[derive(Debug)]
pub(super) struct Line {
    client: AsyncClient,
    events: mpsc::Receiver<Heard>,
    drive: JoinHandle<()>,
    /// Where answers come.
    topic: Option<String>,
}

impl Line {
    /// Connects, and waits for the greeting.
    ///
    /// # Errors
    /// What was seen instead.
    pub(super) async fn open(
        access: &Access,
        client_id: String,
        clock: &Arc<dyn Clock>,
        floor: UtcTime,
    ) -> Result<Self, Seen> {
        let trail = Trail::default();
        let options = broker::options(access, client_id, (clock, floor), &trail).await;
        let mut options = options.map_err(|error| Seen::Lost(Foreign::error(&error)))?;
        options
            .set_keep_alive(KEEP_ALIVE_S)
            .set_clean_start(true)
            .set_session_expiry_interval(Some(0))
            .set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(INCOMING_MOST_BYTES))
            .set_request_channel_capacity(CLIENT_QUEUE);
        let (client, events) = AsyncClient::builder(options).capacity(CLIENT_QUEUE).build();
        let (tells, told) = mpsc::channel(WAITING);
        let drive = tokio::spawn(drive(events, tells, trail.clone()));
        let mut line = Self { client, events: told, drive, topic: None };
        let greeted = within(&**clock, PATIENCE, line.events.recv()).await;
        match greeted {
            Some(Some(Heard::Greeted)) => Ok(line),
            Some(Some(Heard::Ended(seen))) => Err(seen),
            _ => Err(seen(trail.late())),
        }
    }

    /// Waits for what comes next. Cancel-safe.
    pub(super) async fn came(&mut self) -> Came {
        loop {
            let event = self.events.recv().await;
            if let Some(came) = self.read(event) {
                return came;
            }
        }
    }

    /// What has come already.
    pub(super) fn came_already(&mut self) -> Option<Came> {
        while let Ok(event) = self.events.try_recv() {
            if let Some(came) = self.read(Some(event)) {
                return Some(came);
            }
        }
        None
    }

    fn read(&self, event: Option<Heard>) -> Option<Came> {
        match event {
            Some(Heard::Greeted) => None,
            Some(Heard::Message { topic, payload }) => {
                let is_ours = self.topic.as_ref().is_some_and(|ours| ours.as_bytes() == topic);
                // Of another topic: nobody asked for it.
                is_ours.then_some(Came::Answer(payload))
            }
            Some(Heard::Ended(seen)) => Some(Came::Ended(seen)),
            None => Some(Came::Ended(Seen::Lost(Foreign::told("the link ended")))),
        }
    }

    /// Subscribes, and waits for the SUBACK.
    ///
    /// # Errors
    /// What was seen instead.
    pub(super) async fn listen(&mut self, clock: &dyn Clock, topic: &str) -> Result<(), Seen> {
        self.topic = Some(topic.to_owned());
        let asked = async {
            let notice = self.client.subscribe_tracked(topic, QoS::AtLeastOnce).await.ok()?;
            notice.wait_async().await.ok()
        };
        match within(clock, PATIENCE, asked).await {
            Some(Some(ack)) => {
                let granted =
                    |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
                if ack.return_codes.iter().all(granted) {
                    return Ok(());
                }
                let said = format!("it may not read {topic}: {:?}", ack.return_codes);
                Err(Seen::Denied(Foreign::text(said)))
            }
            Some(None) => Err(self.why()),
            None => Err(silent("no SUBACK")),
        }
    }

    /// Publishes, and waits for the PUBACK.
    ///
    /// # Errors
    /// What was seen instead.
    pub(super) async fn publish(
        &mut self,
        clock: &dyn Clock,
        topic: &str,
        payload: &[u8],
    ) -> Result<(), Seen> {
        let properties = PublishProperties {
            payload_format_indicator: Some(1),
            content_type: Some("application/json".to_owned()),
            ..PublishProperties::default()
        };
        let options = PublishOptions::at_least_once().properties(properties);
        let asked = async {
            let payload = payload.to_vec();
            let notice = self.client.publish_tracked(topic, payload, options).await.ok()?;
            notice.wait_async().await.ok()
        };
        match within(clock, PATIENCE, asked).await {
            Some(Some(PublishResult::Qos1(ack))) => match ack.reason {
                PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Ok(()),
                reason => {
                    let words = ack.properties.and_then(|it| it.reason_string).map(Foreign::text);
                    let words = words.unwrap_or_default();
                    let said = named(ReasonIn::Puback, reason as u8, &words);
                    Err(Seen::Denied(Foreign::text(format!("it may not publish {topic}: {said}"))))
                }
            },
            Some(_) => Err(self.why()),
            None => Err(silent("no PUBACK")),
        }
    }

    /// Why the connection ended that just broke under what was asked.
    fn why(&mut self) -> Seen {
        while let Ok(event) = self.events.try_recv() {
            if let Heard::Ended(seen) = event {
                return seen;
            }
        }
        Seen::Lost(Foreign::told("the link ended"))
    }

    /// Says goodbye, so that the broker forgets us at once.
    pub(super) async fn hang_up(mut self, clock: &dyn Clock) {
        let goodbye = async {
            if self.client.disconnect().await.is_ok() {
                while self.events.recv().await.is_some() {}
            }
        };
        // What the broker makes of it is of no interest.
        let _ = within(clock, GOODBYE, goodbye).await;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.drive.abort();
    }
}

/// The library's loop, until the connection ends; it must be polled at all times.
async fn drive(mut events: EventLoop, tells: mpsc::Sender<Heard>, trail: Trail) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                trail.reached(Step::Running);
                if tells.send(Heard::Greeted).await.is_err() {
                    return;
                }
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let (topic, payload) = (publish.topic.to_vec(), publish.payload.to_vec());
                if tells.try_send(Heard::Message { topic, payload }).is_err() {
                    tracing::debug!("more answers than anybody asked for: let go");
                }
            }
            Ok(Event::Incoming(Packet::Disconnect(goodbye))) => trail.goodbye(&goodbye),
            Ok(_) => {}
            Err(error) => {
                let seen = seen(trail.explain(&error));
                // Nobody may be there any more.
                drop(tells.send(Heard::Ended(seen)).await);
                return;
            }
        }
    }
}

/// What the machine makes of it: who refuses us is told from who is not there.
fn seen(trouble: Trouble) -> Seen {
    let Trouble { what, said, .. } = trouble;
    match what {
        LinkTrouble::Refused | LinkTrouble::OwnCertificate => Seen::Denied(said),
        LinkTrouble::CertificateEnded | LinkTrouble::CertificateEarly => Seen::Clock(said),
        _ => Seen::Lost(said),
    }
}

fn silent(what: &str) -> Seen {
    Seen::Lost(Foreign::told(format_args!("{what} within {} s", PATIENCE.as_secs())))
}
