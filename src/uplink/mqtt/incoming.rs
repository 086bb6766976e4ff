//! The link's other direction: what is asked for, what came, and what the inbox answers.

use std::sync::Arc;

use std::time::Duration;

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::{
    Publish, PublishProperties, SubAck, SubscribeFilter, SubscribeReasonCode,
};
use tracing::warn;

use crate::broker::Trouble;
use crate::broker::reason::{self, Packet, Reason, Then};
use crate::clock::within;
use crate::event::box_status::BrokerLimit;
use crate::media::Foreign;
use crate::uplink::inbox::{Letter, Telling, ToSend};
use crate::uplink::mqtt::sending::{Handed, Parcel};
use crate::uplink::mqtt::session::{ACK_TIMEOUT, Sent, ended};
use crate::uplink::mqtt::{Feeder, properties};
use crate::uplink::outbox::lanes::SendOutcome;

/// Answers between two events.
const AT_A_TIME: usize = 8;
/// A subscription that was refused for now is asked for again after so long.
const ASK_AGAIN: Duration = Duration::from_secs(60);

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
        let all = ["command/+", "config/desired", "operator/command/+"];
        let below = match self.begins.allowed.lock().wildcards() {
            true => &all[..],
            false => &all[1..2],
        };
        let filters: Vec<String> = below.iter().map(|below| format!("{root}/{below}")).collect();
        let mut asked: Vec<SubscribeFilter> = filters
            .iter()
            .map(|filter| SubscribeFilter {
                // Who publishes a command as retained is told, though we heard it live.
                preserve_retain: true,
                ..SubscribeFilter::new(filter.clone(), QoS::AtLeastOnce)
            })
            .collect();
        if self.begins.suspects {
            // What the broker keeps of it, before this session tells it anew.
            asked.push(SubscribeFilter::new(format!("{root}/state/box"), QoS::AtMostOnce));
        }
        let notice = self.client.subscribe_many_tracked(asked).await;
        let notice = notice.map_err(|error| ended(Foreign::error(&error)))?;
        let (learnt, clock) = (Arc::clone(&self.learnt), Arc::clone(&self.link.clock));
        learnt.lock().asked = Some(clock.monotonic());
        let (allowed, counts) = (Arc::clone(&self.begins.allowed), Arc::clone(&self.link.counts));
        let asks_again = Arc::clone(&self.asks_again);
        let told = async move {
            let Some(Ok(ack)) = within(&*clock, ACK_TIMEOUT, notice.wait_async()).await else {
                return;
            };
            learnt.lock().asked = None;
            let (limit, again) = granted(&ack, &filters);
            if again {
                learnt.lock().ask_again = Some(clock.monotonic().plus(ASK_AGAIN));
                asks_again.notify_one();
            }
            let mut allowed = allowed.lock();
            allowed.commands(limit);
            let told = allowed.told();
            for limit in allowed.news(&told) {
                warn!(said = %limit.said, todo = %limit.todo, "the broker does not take all");
            }
            drop(allowed);
            counts.lock().limits = told;
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
        let mut waiting = Vec::new();
        let json = || properties("application/json");
        let mut parcels = Vec::new();
        if let Some(answer) = telling.answer.take().filter(|_| !telling.payload.is_empty()) {
            let properties = PublishProperties {
                correlation_data: answer.correlation.map(Into::into),
                ..json()
            };
            let (topic, payload) = (answer.topic, telling.payload.clone());
            let sent = Sent::Answer;
            parcels.push(Parcel { topic, payload, retained: false, properties, sent });
        }
        parcels.push(Parcel {
            topic: topic.clone(),
            payload: telling.payload.clone(),
            retained: telling.retained,
            properties: json(),
            sent: Sent::Answer,
        });
        // The last one is the command's own topic.
        let mut is_refused = false;
        for parcel in parcels {
            match self.hand_over(parcel).await? {
                Handed::Waits(waits) => waiting.push(waits),
                Handed::TooLarge(most) => {
                    warn!(%topic, most, "an answer is larger than the broker's packets");
                    is_refused = true;
                }
            }
        }
        let (post, dead) = (Arc::clone(&self.link.post), Arc::clone(&self.dead));
        let clock = Arc::clone(&self.link.clock);
        let told = async move {
            for waits in waiting {
                match waits.settled(&*clock).await {
                    Some((SendOutcome::Acknowledged, _)) => {}
                    Some((SendOutcome::Refused { .. }, said)) => {
                        let said = said.unwrap_or_default();
                        warn!(%topic, %said, "the broker refused an answer");
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

/// What the broker does not hand on, with what to do; and whether it may at another time. Of who runs games,
/// in the last filter: a broker that knows no such people is well.
fn granted(ack: &SubAck, filters: &[String]) -> (Option<BrokerLimit>, bool) {
    let (mut said, mut todo, mut again) = (Vec::new(), "", false);
    for (code, filter) in ack.return_codes.iter().zip(filters).take(2) {
        let code = number(*code);
        let Some(row) = Reason::of(Packet::Suback, code).filter(|row| row.code >= 0x80) else {
            continue;
        };
        again |= row.then == Then::Again;
        todo = row.todo;
        said.push(format!("{filter}: {}", reason::named(Packet::Suback, code, "")));
    }
    let words =
        ack.properties.as_ref().and_then(|of| of.reason_string.as_deref()).map(Foreign::text);
    let words = words.map_or_else(String::new, |words| format!(" ({words})"));
    let said = (!said.is_empty()).then(|| {
        Foreign::told(format_args!("it gives the box no commands{words}: {}", said.join("; ")))
    });
    (said.map(|said| BrokerLimit { said, todo: todo.to_owned() }), again)
}

/// The code as it was on the wire.
pub(super) const fn number(code: SubscribeReasonCode) -> u8 {
    use SubscribeReasonCode as Code;
    match code {
        Code::Success(qos) => qos as u8,
        Code::Failure | Code::Unspecified => 0x80,
        Code::ImplementationSpecific => 0x83,
        Code::NotAuthorized => 0x87,
        Code::TopicFilterInvalid => 0x8F,
        Code::PkidInUse => 0x91,
        Code::QuotaExceeded => 0x97,
        Code::SharedSubscriptionsNotSupported => 0x9E,
        Code::SubscriptionIdNotSupported => 0xA1,
        Code::WildcardSubscriptionsNotSupported => 0xA2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refused_filter_is_told_by_its_code_and_asked_again_where_that_may_help() {
        let filters = ["x/command/+", "x/config/desired", "x/operator/command/+"];
        let filters = filters.map(str::to_owned);
        let of = |codes: [SubscribeReasonCode; 3]| {
            granted(&SubAck { pkid: 1, return_codes: codes.into(), properties: None }, &filters)
        };
        use SubscribeReasonCode as Code;
        let well = Code::Success(QoS::AtLeastOnce);
        assert_eq!(of([well, well, Code::NotAuthorized]), (None, false), "nobody runs games there");
        let (limit, again) = of([well, Code::NotAuthorized, well]);
        let limit = limit.expect("told");
        assert!(limit.said.contains("x/config/desired: 0x87 Not authorized"), "{}", limit.said);
        assert!(!again && limit.todo.starts_with("let this user read"));
        let (limit, again) = of([Code::QuotaExceeded, well, well]);
        assert!(again && limit.expect("told").said.contains("x/command/+: 0x97 Quota exceeded"));
    }
}
