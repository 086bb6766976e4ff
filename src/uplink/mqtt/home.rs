//! Listens whether Home Assistant has begun: then it is told what there is again, since it forgets.

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::Publish;

use tracing::warn;

use crate::broker::Trouble;
use crate::broker::reason::{self, Packet};
use crate::media::Foreign;
use crate::uplink::mqtt::Feeder;
use crate::uplink::mqtt::session::ended;
use crate::uplink::states::States;

/// Where Home Assistant says that it has begun, by its defaults: `online`.
pub(super) const HOME_STATUS: &str = "homeassistant/status";

/// It said something. At QoS 0: nothing to acknowledge.
pub(super) fn hears(states: &States, publish: &Publish) {
    if &publish.payload[..] == b"online" && states.listens_to_home() {
        states.tell_home_again();
    }
}

impl Feeder<'_> {
    /// Asks for it, or not any more. A broker that refuses that refuses what is told too, which is warned
    /// of there; one that hangs up instead is not asked again for a while, as with commands.
    pub(super) async fn listen_to_home(&self) -> Result<(), Trouble> {
        let wants = self.link.states.listens_to_home();
        if *self.hears_home.lock() == wants || !self.begins.asks {
            return Ok(());
        }
        *self.hears_home.lock() = wants;
        let failed = |error: rumqttc::ClientError| ended(Foreign::error(&error));
        if wants {
            self.learnt.lock().asked = Some(self.link.clock.monotonic());
            return self.client.subscribe(HOME_STATUS, QoS::AtMostOnce).await.map_err(failed);
        }
        let notice = self.client.unsubscribe_tracked(HOME_STATUS).await.map_err(failed)?;
        self.wait(async move {
            // An error: the session ended, and the next one asks for nothing of it.
            let Ok(ack) = notice.wait_async().await else { return };
            for code in ack.reasons.iter().map(|reason| *reason as u8).filter(|code| *code >= 0x80)
            {
                let said = reason::named(Packet::Unsuback, code, "");
                warn!(%said, "the broker still tells of Home Assistant");
            }
        });
        Ok(())
    }
}
