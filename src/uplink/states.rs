//! The retained messages: the latest value of each `state/{what}`, and what of it was told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Connections that a refused state is left out of: some brokers close the link with a refusal.
const REFUSED_FOR: u64 = 64;

/// What is retained beside the states, by its whole name below the box's root.
pub(super) const REPORTED: &str = "config/reported";

/// What Home Assistant is told stands below this, by whole topics.
pub(super) const HOME: &str = "homeassistant/";
const JSON: &str = "application/json";

/// The topic of a value: below the box's root, but for Home Assistant's.
pub(super) fn topic(root: &str, what: &str) -> String {
    if what.starts_with(HOME) {
        what.to_owned()
    } else if what == REPORTED {
        format!("{root}/{what}")
    } else {
        format!("{root}/state/{what}")
    }
}

/// Latest values. A session publishes each once, then only what changed.
#[derive(Debug, Default)]
pub(super) struct States {
    latest: Mutex<BTreeMap<String, Slot>>,
    /// The names of the courts, once they are others than were configured.
    courts: Mutex<Option<Vec<String>>>,
    /// Home Assistant is to be listened to.
    home: AtomicBool,
    /// Wakes the link: a value changed, or whether Home Assistant is listened to.
    changed: Notify,
}

/// A value that is to be published.
#[derive(Debug)]
pub(super) struct Due {
    /// See [`topic`].
    pub(super) what: String,
    /// Empty: what the broker has is taken away.
    pub(super) payload: Bytes,
    pub(super) content_type: &'static str,
}

#[derive(Debug, Default)]
struct Slot {
    payload: Bytes,
    /// JSON's, if empty.
    content_type: &'static str,
    /// The broker has acknowledged it as it is now, in any connection.
    acknowledged: bool,
    /// The connection that it was published in.
    published: Option<u64>,
    /// The broker refused it in this connection, and may close the next one for it too.
    refused: Option<u64>,
    /// Nothing is told under this name: who looked before it was taken back says it too late.
    is_gone: bool,
}

impl States {
    /// Sets the latest value of `state/{what}`; false if that was taken back. Never waits.
    pub(super) fn set(&self, what: &str, value: &serde_json::Value) -> bool {
        self.set_bytes(what, Bytes::from(value.to_string()), JSON)
    }

    /// The same of what is no JSON.
    pub(super) fn set_bytes(&self, what: &str, payload: Bytes, content_type: &'static str) -> bool {
        let mut latest = self.latest.lock();
        let slot = latest.entry(what.to_owned()).or_default();
        if slot.is_gone || slot.payload == payload {
            return !slot.is_gone;
        }
        (slot.payload, slot.published, slot.acknowledged) = (payload, None, false);
        slot.content_type = content_type;
        drop(latest);
        self.changed.notify_one();
        true
    }

    /// Takes a value back, until [`restore`](Self::restore), of an earlier run too: an empty retained
    /// message takes the broker's away.
    pub(super) fn clear(&self, what: &str) {
        let mut latest = self.latest.lock();
        let slot = latest.entry(what.to_owned()).or_default();
        if !slot.is_gone {
            *slot = Slot { refused: slot.refused, is_gone: true, ..Slot::default() };
        }
        drop(latest);
        self.changed.notify_one();
    }

    /// What was taken back may be told again.
    pub(super) fn restore(&self, what: &str) {
        if let Some(slot) = self.latest.lock().get_mut(what) {
            slot.is_gone = false;
        }
    }

    /// True once the broker has acknowledged that nothing is retained there any more.
    pub(super) fn is_cleared(&self, what: &str) -> bool {
        let latest = self.latest.lock();
        latest.get(what).is_none_or(|slot| slot.payload.is_empty() && slot.acknowledged)
    }

    /// The broker has acknowledged a value.
    pub(super) fn acknowledged(&self, what: &str, payload: &Bytes) {
        if let Some(slot) = self.latest.lock().get_mut(what) {
            slot.acknowledged |= slot.payload == *payload;
        }
    }

    /// Home Assistant is listened to from now on, or no more.
    pub(super) fn listen_to_home(&self, listens: bool) {
        if self.home.swap(listens, Ordering::AcqRel) != listens {
            self.changed.notify_one();
        }
    }

    /// Whether it is.
    pub(super) fn listens_to_home(&self) -> bool {
        self.home.load(Ordering::Acquire)
    }

    /// Home Assistant has begun: it is told all that is for it again.
    pub(super) fn tell_home_again(&self) {
        for (_, slot) in self.latest.lock().iter_mut().filter(|(what, _)| what.starts_with(HOME)) {
            slot.published = None;
        }
        self.changed.notify_one();
    }

    /// Names the courts for `state/box`; a value that is there is corrected.
    pub(super) fn set_courts(&self, courts: Vec<String>) {
        let mut latest = self.latest.lock();
        if let Some(slot) = latest.get_mut("box")
            && let Ok(mut value) = serde_json::from_slice::<serde_json::Value>(&slot.payload)
        {
            value["courts"] = courts.clone().into();
            (slot.payload, slot.published) = (Bytes::from(value.to_string()), None);
        }
        drop(latest);
        *self.courts.lock() = Some(courts);
        self.changed.notify_one();
    }

    /// The names that were set last, if any were.
    pub(super) fn courts(&self) -> Option<Vec<String>> {
        self.courts.lock().clone()
    }

    /// The broker refused `state/{what}` in connection `epoch`.
    pub(crate) fn refused(&self, what: &str, epoch: u64) {
        if let Some(slot) = self.latest.lock().get_mut(what) {
            slot.refused = Some(epoch);
        }
    }

    /// What connection `epoch` has not published yet; marks it as published. `box` comes first.
    /// What was refused lately is tried in one connection of 64.
    pub(super) fn due(&self, epoch: u64) -> Vec<Due> {
        let mut latest = self.latest.lock();
        let mut due = Vec::new();
        for (what, slot) in latest.iter_mut() {
            let refused = slot.refused.is_some_and(|at| epoch < at + REFUSED_FOR);
            if slot.published != Some(epoch) && !refused {
                slot.published = Some(epoch);
                let (what, payload) = (what.clone(), slot.payload.clone());
                let content_type =
                    if slot.content_type.is_empty() { JSON } else { slot.content_type };
                due.push(Due { what, payload, content_type });
            }
        }
        due.sort_by_key(|due| due.what != "box");
        due
    }

    /// Waits for a change. One task at a time; a change meanwhile is not missed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_session_is_told_each_value_once_and_the_next_one_all_again() {
        let states = States::default();
        states.set("models", &json!({"bundles": []}));
        states.set("box", &json!({"online": true}));
        let names =
            |due: Vec<Due>| -> Vec<String> { due.into_iter().map(|due| due.what).collect() };
        assert_eq!(names(states.due(1)), ["box", "models"]);
        states.set("models", &json!({"bundles": []}));
        assert!(states.due(1).is_empty(), "unchanged");
        states.set("models", &json!({"bundles": [1]}));
        assert_eq!(names(states.due(1)), ["models"]);
        assert_eq!(names(states.due(2)), ["box", "models"]);
        states.refused("models", 2);
        assert_eq!(names(states.due(3)), ["box"]);
        assert_eq!(names(states.due(66)), ["box", "models"]);
    }

    #[test]
    fn what_was_taken_back_is_not_told_by_who_looked_before() {
        let states = States::default();
        assert!(states.set("stream/a", &json!({"condition": "live"})));
        states.due(1);
        states.clear("stream/a");
        assert!(!states.set("stream/a", &json!({"condition": "live", "fps": 30})));
        let due = states.due(1);
        assert!(due.len() == 1 && due[0].payload.is_empty(), "and nothing else: {due:?}");
        states.restore("stream/a");
        assert!(states.set("stream/a", &json!({"condition": "waiting"})));
    }

    #[test]
    fn what_is_for_home_assistant_is_told_again_and_taken_back() {
        let states = States::default();
        let (topic_of_home, what) = ("homeassistant/sensor/rim-1/a-score/config", "clock");
        states.set(what, &json!({}));
        states.set(topic_of_home, &json!({ "name": "score" }));
        assert_eq!(topic("courtside/1/rim-1", topic_of_home), topic_of_home);
        assert_eq!(states.due(1).len(), 2);
        states.tell_home_again();
        let due = states.due(1);
        assert!(due.len() == 1 && due[0].what == topic_of_home, "{due:?}");
        states.clear(topic_of_home);
        let due = states.due(1);
        assert!(due.len() == 1 && due[0].payload.is_empty(), "{due:?}");
        // The PUBACK of the value before says nothing of this.
        states.acknowledged(topic_of_home, &Bytes::from_static(b"{}"));
        assert!(!states.is_cleared(topic_of_home));
        states.acknowledged(topic_of_home, &Bytes::new());
        assert!(states.is_cleared(topic_of_home) && states.is_cleared("never set"));
        states.clear("home/b");
        assert!(!states.is_cleared("home/b"));
        assert_eq!(states.due(1).len(), 1);
    }
}
