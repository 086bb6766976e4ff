//! The link's other direction: what is asked for, what came, and what the inbox answers.

use std::sync::Arc;

use rumqttc::PublishOptions;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::{Publish, PublishProperties, SubscribeFilter, SubscribeReasonCode};
use tracing::warn;

use crate::broker::Trouble;
use crate::clock::within;
use crate::media::Foreign;
use crate::uplink::inbox::{Letter, Telling, ToSend};
use crate::uplink::mqtt::{ACK_TIMEOUT, Feeder, ended, properties, settled};
use crate::uplink::outbox::lanes::SendOutcome;

/// Answers between two events.
const AT_A_TIME: usize = 8;

/// What came, for the inbox.
pub(super) fn letter(publish: Publish) -> Letter {
    let Publish { topic, payload, retain, properties, .. } = publish;
    let properties = properties.unwrap_or_default();
    Letter {
        topic,
        payload,
        retained: retain,
        expiry_s: properties.message_expiry_interval,
        response: properties.response_topic,
        correlation: properties.correlation_data,
        is_body_lost: false,
    }
}

impl Feeder<'_> {
    /// Asks for commands and the wanted configuration. At each connection: a broker may have forgotten.
    pub(super) async fn subscribe(&self) -> Result<(), Trouble> {
        if !self.begins.asks {
            return Ok(());
        }
        let root = self.link.root();
        let below = ["command/+", "config/desired", "operator/command/+"];
        let filters = below.map(|below| SubscribeFilter {
            // Who publishes a command as retained is told, though we heard it live.
            preserve_retain: true,
            ..SubscribeFilter::new(format!("{root}/{below}"), QoS::AtLeastOnce)
        });
        let notice = self.client.subscribe_many_tracked(filters).await;
        let notice = notice.map_err(|error| ended(Foreign::error(&error)))?;
        let (learnt, clock) = (Arc::clone(&self.learnt), Arc::clone(&self.link.clock));
        learnt.lock().asked = Some(clock.monotonic());
        let told = async move {
            let Some(Ok(ack)) = within(&*clock, ACK_TIMEOUT, notice.wait_async()).await else {
                return;
            };
            learnt.lock().asked = None;
            let granted =
                |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
            // Of who runs games, in the last one: a broker that knows no such people is well.
            if !ack.return_codes.iter().take(2).all(granted) {
                let said = Foreign::text(format_args!("{:?}", ack.return_codes));
                warn!(
                    %said,
                    "the broker gives this box no commands: let it read {root}/command/+ and \
                     {root}/config/desired"
                );
            }
        };
        if self.begins.careful {
            told.await;
        } else {
            self.wait(told);
        }
        Ok(())
    }

    /// Sends what the inbox has for the broker, some of it.
    pub(super) async fn publish_post(&self) -> Result<(), Trouble> {
        for _ in 0..AT_A_TIME {
            match self.link.post.next(self.session) {
                None => return Ok(()),
                Some(ToSend::Ack(ack)) => {
                    let acked = self.client.manual_ack(ack).await;
                    acked.map_err(|error| ended(Foreign::error(&error)))?;
                }
                Some(ToSend::Telling(telling)) => self.tell(telling).await?,
            }
        }
        self.link.post.again();
        Ok(())
    }

    async fn tell(&self, mut telling: Telling) -> Result<(), Trouble> {
        let topic = format!("{}/{}", self.link.root(), telling.topic);
        let session = self.session;
        if let Some(most) = self.too_large(&topic, &telling.payload) {
            warn!(%topic, most, "an answer is larger than the broker's packets");
            self.link.post.told(session, &mut telling, true);
            return Ok(());
        }
        let mut notices = Vec::new();
        let json = || properties("application/json");
        if let Some(answer) = telling.answer.take().filter(|_| !telling.payload.is_empty()) {
            let given = PublishProperties {
                correlation_data: answer.correlation.map(Into::into),
                ..json()
            };
            let options = PublishOptions::at_least_once().properties(given);
            let sent = self.client.publish_tracked(answer.topic, telling.payload.clone(), options);
            notices.push(sent.await.map_err(|error| ended(Foreign::error(&error)))?);
        }
        let options = PublishOptions::at_least_once().properties(json());
        let options = if telling.retained { self.retained(options) } else { options };
        let sent = self.client.publish_tracked(topic.clone(), telling.payload.clone(), options);
        notices.push(sent.await.map_err(|error| ended(Foreign::error(&error)))?);
        let (post, dead) = (Arc::clone(&self.link.post), Arc::clone(&self.dead));
        let clock = Arc::clone(&self.link.clock);
        let told = async move {
            // The last one is the command's own topic.
            let mut is_refused = false;
            for notice in notices {
                match settled(notice, &*clock).await {
                    Some((SendOutcome::Acknowledged, _)) => is_refused = false,
                    Some((SendOutcome::Refused { code }, said)) => {
                        let said = said.unwrap_or_default();
                        warn!(%topic, code, %said, "the broker refused an answer");
                        is_refused = true;
                    }
                    // It is told again in the next session.
                    Some((SendOutcome::Lost, _)) => return,
                    None => return dead.notify_one(),
                }
            }
            post.told(session, &mut telling, is_refused);
        };
        self.wait(told);
        Ok(())
    }
}
