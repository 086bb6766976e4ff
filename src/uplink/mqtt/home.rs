//! Listens whether Home Assistant has begun: then it is told what there is again, since it forgets.

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::Publish;

use crate::broker::Trouble;
use crate::media::Foreign;
use crate::uplink::mqtt::{Feeder, ended};
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
        let said = if wants {
            self.learnt.lock().asked = Some(self.link.clock.monotonic());
            self.client.subscribe(HOME_STATUS, QoS::AtMostOnce).await
        } else {
            self.client.unsubscribe(HOME_STATUS).await
        };
        said.map_err(|error| ended(Foreign::error(&error)))
    }
}
