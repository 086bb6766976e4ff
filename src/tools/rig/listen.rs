//! Hears events at a broker, as a consumer would: for `demo`, `bench` and `check`.

use anyhow::{Context, bail};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::Packet;
use rumqttc::{AsyncClient, Broker, Event, EventLoop, MqttOptions};

use crate::event::Envelope;

/// A subscription to one box's events.
pub(crate) struct Listener {
    // Dropping the client ends the loop.
    client: AsyncClient,
    events: EventLoop,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

/// Host and port of `mqtt://HOST[:PORT]`.
///
/// # Errors
/// When it is of another form; these commands speak plain MQTT only.
pub(crate) fn host_and_port(url: &str) -> anyhow::Result<(String, u16)> {
    let Some(rest) = url.strip_prefix("mqtt://") else {
        bail!("{url}: write mqtt://HOST:PORT (this command speaks plain MQTT only)")
    };
    let rest = rest.trim_end_matches('/');
    match rest.rsplit_once(':') {
        Some((host, port)) => {
            Ok((host.to_owned(), port.parse().with_context(|| format!("port of {url}"))?))
        }
        None => Ok((rest.to_owned(), 1883)),
    }
}

impl Listener {
    /// Subscribes, and waits until the broker has agreed.
    ///
    /// # Errors
    /// When the broker cannot be reached or refuses.
    pub(crate) async fn start(url: &str, client_id: &str, box_name: &str) -> anyhow::Result<Self> {
        let (host, port) = host_and_port(url)?;
        let options = MqttOptions::new(client_id.to_owned(), Broker::tcp(host, port));
        let (client, mut events) = AsyncClient::builder(options).capacity(8).build();
        client
            .subscribe(format!("courtside/1/{box_name}/event/#"), QoS::AtLeastOnce)
            .await
            .context("subscribe")?;
        loop {
            if let Event::Incoming(Packet::SubAck(_)) =
                events.poll().await.with_context(|| format!("connect to {url}"))?
            {
                break;
            }
        }
        Ok(Self { client, events })
    }

    /// Hears what is told of a box's games as a whole, too.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(crate) async fn games_too(&self, box_name: &str) -> anyhow::Result<()> {
        let filter = format!("courtside/1/{box_name}/game/#");
        self.client.subscribe(filter, QoS::AtLeastOnce).await.context("subscribe")
    }

    /// The next event. Cancel-safe.
    ///
    /// # Errors
    /// When the connection breaks, or what came is no envelope.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Envelope> {
        loop {
            if let Event::Incoming(Packet::Publish(publish)) =
                self.events.poll().await.context("listen at the broker")?
            {
                return serde_json::from_slice(&publish.payload)
                    .context("an event that is no envelope");
            }
        }
    }
}
