//! The other end of a command: asks over the broker, and hears the states until the last one.
//!
//! It subscribes first and asks once that was granted. After a broken connection it does both again: the
//! same id runs nothing twice, and the state that it missed is retained.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::{Packet, PubAckReason, PublishProperties};
use rumqttc::{AsyncClient, Event, IncomingPacketSizeLimit, PublishOptions};

use crate::broker::{Step, Trail, reason};
use crate::clock::{Clock, sleep, within};
use crate::event::command::{CommandRequest, CommandState, Role};
use crate::media::Foreign;
use crate::uplink::mqtt::incoming::number;
use crate::uplink::mqtt::{GOODBYE, INCOMING_MOST_BYTES, KEEP_ALIVE_S, address, properties};
use crate::uplink::settings::UplinkSettings;

/// Between two tries to connect.
const AGAIN: Duration = Duration::from_millis(500);

/// What a technician wants.
#[derive(Clone, Debug)]
pub struct Question {
    /// As whom it is asked: the broker must let you publish there.
    pub role: Role,
    /// New for each command; the same one again asks how it stands.
    pub id: String,
    /// What is to be done.
    pub request: CommandRequest,
    /// Not begun after so long, s.
    pub expiry_s: u32,
    /// How long the answer may take.
    pub patience: Duration,
}

/// What one connection came to.
enum Heard {
    Over(CommandState),
    /// It makes no sense to try again.
    Never(Foreign),
    Broke(Foreign),
}

/// As [`crate::uplink::ask`].
pub(crate) async fn ask(
    settings: &UplinkSettings,
    clock: Arc<dyn Clock>,
    question: &Question,
    mut told: impl FnMut(&CommandState) + Send,
) -> Result<CommandState, Foreign> {
    let mut last = None;
    let mut why = Foreign::default();
    let all = async {
        loop {
            match connection(settings, &clock, question, &mut last, &mut told).await {
                Heard::Over(state) => return Ok(state),
                Heard::Never(why) => return Err(why),
                Heard::Broke(now) => why = now,
            }
            sleep(&*clock, AGAIN).await;
        }
    };
    let answered = within(&*clock, question.patience, all).await;
    answered.unwrap_or_else(|| {
        let (id, name) = (&question.id, &settings.box_name);
        let seconds = question.patience.as_secs();
        Err(match last {
            Some(_) => Foreign::told(format_args!(
                "it is not over after {seconds} s, and goes on: ask again with --id {id}"
            )),
            None if why.is_empty() => Foreign::told(format_args!(
                "no answer from {name} within {seconds} s: is it on, and does the broker let it read \
                 its commands? It runs once it hears of it, if that is soon: look with --id {id}"
            )),
            None => {
                let url = settings.access.as_ref().map(|access| access.broker.url());
                Foreign::told(format_args!("no broker at {}: {why}", url.unwrap_or_default()))
            }
        })
    })
}

/// One connection, until it breaks or the command is over.
async fn connection(
    settings: &UplinkSettings,
    clock: &Arc<dyn Clock>,
    question: &Question,
    last: &mut Option<u64>,
    told: &mut (impl FnMut(&CommandState) + Send),
) -> Heard {
    let id = format!("courtside-command-{}", question.id);
    let trail = Trail::default();
    let mut options = match address(settings, id, clock, &trail).await {
        Ok(options) => options,
        Err(why) => return Heard::Never(why),
    };
    options
        .set_keep_alive(KEEP_ALIVE_S)
        .set_clean_start(true)
        .set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(INCOMING_MOST_BYTES));
    let (client, mut events) = AsyncClient::builder(options).capacity(4).build();
    let Some(commands) = question.role.commands() else {
        return Heard::Never(Foreign::told("a viewer asks for nothing: ask as the operator"));
    };
    let topic = format!("courtside/1/{}/{commands}/{}", settings.box_name, question.id);
    let over = loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                trail.reached(Step::Running);
                let states = format!("{topic}/state");
                if let Err(error) = client.subscribe(states, QoS::AtLeastOnce).await {
                    return Heard::Broke(Foreign::error(&error));
                }
            }
            Ok(Event::Incoming(Packet::SubAck(ack))) => {
                let mut codes = ack.return_codes.iter().map(|code| number(*code));
                if let Some(code) = codes.find(|code| *code >= 0x80) {
                    return Heard::Never(Foreign::told(format_args!(
                        "the broker does not let you read {topic}/state: {}",
                        reason::named(reason::Packet::Suback, code, "")
                    )));
                }
                // JSON carries all of it.
                let body = serde_json::to_vec(&question.request).unwrap_or_default();
                let given = PublishProperties {
                    message_expiry_interval: Some(question.expiry_s),
                    ..properties("application/json")
                };
                let options = PublishOptions::at_least_once().properties(given);
                if let Err(error) = client.publish(topic.clone(), Bytes::from(body), options).await
                {
                    return Heard::Broke(Foreign::error(&error));
                }
            }
            Ok(Event::Incoming(Packet::PubAck(ack))) => match ack.reason {
                PubAckReason::Success => {}
                PubAckReason::NoMatchingSubscribers => {
                    return Heard::Never(Foreign::told(format_args!(
                        "no box called {} asks this broker for commands: is that its name, and was it \
                         ever connected here?",
                        settings.box_name
                    )));
                }
                refused => {
                    let said = reason::named(reason::Packet::Puback, refused as u8, "");
                    return Heard::Never(Foreign::told(format_args!(
                        "the broker does not let you publish to {topic}: {said}"
                    )));
                }
            },
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let state = serde_json::from_slice(&publish.payload).map(Foreign::json);
                let state = state.and_then(serde_json::from_value::<CommandState>);
                let Ok(state) = state else { continue };
                // What is refused without a trace has no number.
                let is_news = state.number == 0 || last.is_none_or(|last| state.number > last);
                if is_news {
                    *last = Some(state.number);
                    told(&state);
                }
                if state.is_over() {
                    break state;
                }
            }
            Ok(_) => {}
            Err(error) => return Heard::Broke(trail.explain(&error).said),
        }
    };
    if client.disconnect().await.is_ok() {
        let goodbye = async { while events.poll().await.is_ok() {} };
        // The broker's side of the goodbye is of no interest.
        let _ = within(&**clock, GOODBYE, goodbye).await;
    }
    Heard::Over(over)
}
