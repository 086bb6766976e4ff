//! One publish, as this broker takes it: with or without retained, in QoS 1 or 0, whole or without its kind.
//!
//! Where the broker takes QoS 0 alone there is no PUBACK. Then an UNSUBSCRIBE from what nobody subscribed to
//! goes behind each publish: a broker reads in order, so its UNSUBACK says that what came before it was read,
//! which a PUBACK says too.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use rumqttc::mqttbytes::v5::{PubAck, PublishProperties};
use rumqttc::{AsyncClient, PublishNotice, PublishOptions, PublishResult, UnsubscribeNotice};

use crate::broker::Trouble;
use crate::broker::reason::{self, Packet};
use crate::clock::{Clock, within};
use crate::media::Foreign;
use crate::uplink::mqtt::allowed::Allowed;
use crate::uplink::mqtt::session::{ACK_TIMEOUT, Sent, Session, ended};
use crate::uplink::outbox::lanes::SendOutcome;

/// What is to be published.
pub(super) struct Parcel {
    pub topic: String,
    pub payload: Bytes,
    /// Where the broker keeps such messages.
    pub retained: bool,
    pub properties: PublishProperties,
    pub sent: Sent,
}

/// It is with the client, or it is not.
pub(super) enum Handed {
    Waits(Waits),
    /// The broker's largest packet is smaller.
    TooLarge(usize),
}

/// What the broker is to say of one.
pub(super) struct Waits {
    answer: Answer,
    number: u64,
    learnt: Arc<Mutex<Session>>,
}

enum Answer {
    Puback(PublishNotice),
    /// Of what was sent behind it.
    Behind(UnsubscribeNotice),
}

/// The way out of one session.
pub(super) struct Door<'a> {
    pub client: &'a AsyncClient,
    pub allowed: &'a Mutex<Allowed>,
    pub learnt: &'a Arc<Mutex<Session>>,
    /// The box's, of all topics.
    pub root: &'a str,
}

impl Door<'_> {
    /// Hands a publish to the client.
    pub(super) async fn hand_over(&self, parcel: Parcel) -> Result<Handed, Trouble> {
        let Parcel { topic, payload, retained, mut properties, sent } = parcel;
        let (qos0, most, retains) = {
            let allowed = self.allowed.lock();
            if allowed.bare() {
                properties.payload_format_indicator = None;
            }
            (allowed.qos0(), allowed.most().unwrap_or(usize::MAX), allowed.retains())
        };
        let mut size = size(&topic, &payload, &properties);
        if size > most {
            // Without its kind it may fit; who listens knows it by the topic.
            (properties.payload_format_indicator, properties.content_type) = (None, None);
            size = self::size(&topic, &payload, &properties);
        }
        if size > most {
            return Ok(Handed::TooLarge(most));
        }
        let number = self.learnt.lock().goes(sent, size);
        let options = match qos0 {
            true => PublishOptions::at_most_once(),
            false => PublishOptions::at_least_once(),
        };
        let options = options.properties(properties);
        let options = if retained && retains { options.retained() } else { options };
        let failed = |error: rumqttc::ClientError| ended(Foreign::error(&error));
        let answer = if qos0 {
            self.client.publish(topic, payload, options).await.map_err(failed)?;
            let behind = format!("{}/behind", self.root);
            let notice = self.client.unsubscribe_tracked(behind).await;
            Answer::Behind(notice.map_err(failed)?)
        } else {
            let notice = self.client.publish_tracked(topic, payload, options).await;
            Answer::Puback(notice.map_err(failed)?)
        };
        Ok(Handed::Waits(Waits { answer, number, learnt: Arc::clone(self.learnt) }))
    }
}

impl Waits {
    /// What became of it, and of a refusal the code in words; `None` when nothing was said in time.
    pub(super) async fn settled(self, clock: &dyn Clock) -> Option<(SendOutcome, Option<Foreign>)> {
        let outcome = match self.answer {
            Answer::Puback(notice) => {
                match within(clock, ACK_TIMEOUT, notice.wait_async()).await? {
                    Ok(PublishResult::Qos1(ack)) => match refusal(&ack) {
                        Some((code, said)) => (SendOutcome::Refused { code }, Some(said)),
                        None => (SendOutcome::Acknowledged, None),
                    },
                    Ok(_) | Err(_) => (SendOutcome::Lost, None),
                }
            }
            // Whatever it says: it was read.
            Answer::Behind(notice) => {
                match within(clock, ACK_TIMEOUT, notice.wait_async()).await? {
                    Ok(_) => (SendOutcome::Acknowledged, None),
                    Err(_) => (SendOutcome::Lost, None),
                }
            }
        };
        let mut learnt = self.learnt.lock();
        match outcome.0 {
            SendOutcome::Acknowledged => {
                learnt.answered(self.number);
                learnt.acknowledged += 1;
            }
            SendOutcome::Refused { .. } => {
                learnt.answered(self.number);
                learnt.refused = Some(clock.monotonic());
            }
            // It was under way when the session ended.
            SendOutcome::Lost => {}
        }
        drop(learnt);
        Some(outcome)
    }
}

fn refusal(ack: &PubAck) -> Option<(u8, Foreign)> {
    let code = ack.reason as u8;
    let words = ack.properties.as_ref().and_then(|p| p.reason_string.as_deref()).map(Foreign::text);
    let words = words.unwrap_or_default();
    (code >= 0x80).then(|| (code, reason::named(Packet::Puback, code, &words)))
}

/// Bytes of the PUBLISH on the wire, with a packet id (MQTT 5, 3.3).
fn size(topic: &str, payload: &[u8], properties: &PublishProperties) -> usize {
    let PublishProperties {
        payload_format_indicator,
        message_expiry_interval,
        topic_alias,
        response_topic,
        correlation_data,
        user_properties,
        subscription_identifiers,
        content_type,
    } = properties;
    let text = |text: &Option<String>| text.as_ref().map_or(0, |text| 3 + text.len());
    let of = usize::from(payload_format_indicator.is_some()) * 2
        + usize::from(message_expiry_interval.is_some()) * 5
        + usize::from(topic_alias.is_some()) * 3
        + text(response_topic)
        + correlation_data.as_ref().map_or(0, |data| 3 + data.len())
        + user_properties.iter().map(|(key, value)| 5 + key.len() + value.len()).sum::<usize>()
        + subscription_identifiers.len() * 5
        + text(content_type);
    let rest = 2 + topic.len() + 2 + varint(of) + of + payload.len();
    1 + varint(rest) + rest
}

/// Bytes of a variable byte integer (MQTT 5, 1.5.5).
const fn varint(value: usize) -> usize {
    match value {
        0..128 => 1,
        128..16_384 => 2,
        16_384..2_097_152 => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use rumqttc::mqttbytes::QoS;
    use rumqttc::mqttbytes::v5::Publish;

    use super::*;

    #[test]
    fn the_size_is_that_of_the_packet_on_the_wire() {
        let kinds = [
            PublishProperties::default(),
            PublishProperties {
                payload_format_indicator: Some(1),
                content_type: Some("application/json".to_owned()),
                ..PublishProperties::default()
            },
            PublishProperties {
                correlation_data: Some(Bytes::from_static(b"abc")),
                message_expiry_interval: Some(7),
                ..PublishProperties::default()
            },
        ];
        for properties in kinds {
            for length in [0, 1, 100, 127, 128, 600, 16_000, 17_000] {
                let payload = vec![b'x'; length];
                let mut publish = Publish::new(
                    "courtside/1/rim-1/state/box".to_owned(),
                    QoS::AtLeastOnce,
                    payload.clone(),
                    Some(properties.clone()),
                );
                publish.pkid = 7;
                let mut wire = BytesMut::new();
                publish.write(&mut wire).expect("written");
                let told = size("courtside/1/rim-1/state/box", &payload, &properties);
                assert_eq!(told, wire.len(), "{length} {properties:?}");
            }
        }
    }
}
