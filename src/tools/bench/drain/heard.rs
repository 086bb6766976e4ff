//! The other side of the broker: each event once, by its id and by its place in its court.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::Packet;
use rumqttc::{AsyncClient, Broker, Event, IncomingPacketSizeLimit, MqttOptions};
use serde::Deserialize;
use tokio::sync::watch;

use crate::clock::{Clock, sleep};
use crate::config;
use crate::media::{CourtId, Monotonic};

/// As many bytes as no event has.
const PACKET_BYTES: u32 = 1 << 20;
const AGAIN: Duration = Duration::from_millis(100);

/// Hears all events of a box. Clones are one.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    // Written a message at a time by the subscriber's task, read by whoever waits.
    kept: Arc<Mutex<Kept>>,
    /// Events that came, repeats left out; and whether it has subscribed.
    count: watch::Sender<(u64, bool)>,
}

#[derive(Debug)]
struct Kept {
    courts: BTreeMap<String, Court>,
    /// The court whose events are timed, and when each came, by sequence.
    timed: CourtId,
    came: BTreeMap<u64, Monotonic>,
    /// What came twice, or under another id than the first time.
    pub doubled: u64,
    /// What came behind a later one of its court.
    pub behind: u64,
}

/// One court: the ids by sequence as digests, from 1.
#[derive(Debug, Default)]
struct Court {
    ids: Vec<Option<u64>>,
    last: u64,
}

/// What is read of an envelope.
#[derive(Deserialize)]
struct Seen<'a> {
    id: &'a str,
    sequence: &'a str,
}

impl Heard {
    pub(super) fn timing(court: CourtId) -> Self {
        let kept = Kept {
            courts: BTreeMap::new(),
            timed: court,
            came: BTreeMap::new(),
            doubled: 0,
            behind: 0,
        };
        Self { kept: Arc::new(Mutex::new(kept)), count: watch::channel((0, false)).0 }
    }

    /// Subscribes to the events of box `name`, for ever.
    pub(super) async fn listen(self, at: config::Broker, name: String, clock: Arc<dyn Clock>) {
        let mut options = MqttOptions::new("bench-drain", Broker::tcp(at.host, at.port));
        options
            .set_keep_alive(30)
            .set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(PACKET_BYTES));
        let (client, mut events) = AsyncClient::builder(options).capacity(8).build();
        let topic = format!("courtside/1/{name}/event/#");
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    // A client that is gone is seen at the next poll.
                    drop(client.subscribe(topic.clone(), QoS::AtLeastOnce).await);
                }
                Ok(Event::Incoming(Packet::SubAck(_))) => {
                    self.count.send_modify(|(_, subscribed)| *subscribed = true);
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    self.take(&publish.topic, &publish.payload, clock.monotonic());
                }
                Ok(_) => {}
                Err(_) => sleep(&*clock, AGAIN).await,
            }
        }
    }

    /// Takes a message. One that is no event counts for nothing, and is missed at the end.
    fn take(&self, topic: &[u8], payload: &[u8], now: Monotonic) {
        let Ok(Seen { id, sequence }) = serde_json::from_slice(payload) else { return };
        let Ok(topic) = std::str::from_utf8(topic) else { return };
        let Some(court) = topic.split('/').nth(4) else { return };
        let Ok(sequence) = sequence.parse::<u64>() else { return };
        let mut kept = self.kept.lock();
        let is_timed = kept.timed.as_str() == court;
        let seen = kept.courts.entry(court.to_owned()).or_default();
        let Ok(place) = usize::try_from(sequence) else { return };
        if seen.ids.len() <= place {
            seen.ids.resize(place + 1, None);
        }
        let (is_behind, is_new) = (sequence < seen.last, seen.ids.get(place) == Some(&None));
        seen.last = seen.last.max(sequence);
        if let Some(slot @ None) = seen.ids.get_mut(place) {
            *slot = Some(digest(id));
        }
        if is_timed {
            kept.came.entry(sequence).or_insert(now);
        }
        kept.doubled += u64::from(!is_new);
        // Of the court that is played, what a cut left behind follows what was decided since.
        kept.behind += u64::from(is_behind && is_new && !is_timed);
        drop(kept);
        if is_new {
            self.count.send_modify(|(count, _)| *count += 1);
        }
    }

    /// Waits until it has subscribed.
    pub(super) async fn subscribed(&self) {
        // The sender is ours.
        drop(self.count.subscribe().wait_for(|(_, subscribed)| *subscribed).await.map(drop));
    }

    /// Waits until so many events came.
    pub(super) async fn all(&self, wanted: u64) {
        drop(self.count.subscribe().wait_for(|(count, _)| *count >= wanted).await.map(drop));
    }

    /// When the events of the timed court came, by sequence.
    pub(super) fn came(&self) -> BTreeMap<u64, Monotonic> {
        self.kept.lock().came.clone()
    }

    /// What is missing of `expected` ids of a court in order, doubled, and behind a later one.
    pub(super) fn missing(&self, court: &CourtId, expected: impl Iterator<Item = String>) -> u64 {
        let kept = self.kept.lock();
        let seen = kept.courts.get(court.as_str()).map(|court| court.ids.as_slice());
        let seen = seen.unwrap_or_default();
        let came = |at: usize, id: &str| seen.get(at + 1) == Some(&Some(digest(id)));
        expected.enumerate().filter(|(at, id)| !came(*at, id)).count() as u64
    }

    /// Events that came twice; events that came behind a later one of their court.
    pub(super) fn wrong(&self) -> (u64, u64) {
        let kept = self.kept.lock();
        (kept.doubled, kept.behind)
    }
}

/// Of an id: a million of them as text would be the bench's memory and not the box's (FNV-1a, 64 bits).
fn digest(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_twice_or_behind_is_counted() {
        let court = |name: &str| CourtId::new(name).expect("a name");
        let heard = Heard::timing(court("live"));
        let take = |court: &str, n: u64| {
            let topic = format!("courtside/1/b/event/{court}/shot");
            let body = format!("{{\"id\":\"s-{n}\",\"sequence\":\"{n}\"}}");
            heard.take(topic.as_bytes(), body.as_bytes(), Monotonic::from_nanos(n));
        };
        for n in [1, 2, 4, 3, 4, 6] {
            take("a", n);
        }
        take("live", 1);
        let expected = || (1..=6).map(|n| format!("s-{n}"));
        assert_eq!(heard.missing(&court("a"), expected()), 1, "the fifth");
        assert_eq!(heard.wrong(), (1, 1), "the fourth came twice, the third behind it");
        let others = (1..=6).map(|n| format!("t-{n}"));
        assert_eq!(heard.missing(&court("a"), others), 6, "those are others");
        assert_eq!(heard.came(), BTreeMap::from([(1, Monotonic::from_nanos(1))]));
        assert_eq!(heard.count.borrow().0, 6);
    }
}
