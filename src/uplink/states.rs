//! The retained messages: the latest value of each `state/{what}`, and what of it was told.

use std::collections::BTreeMap;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Connections that a refused state is left out of: some brokers close the link with a refusal.
const REFUSED_FOR: u64 = 64;

/// What is retained beside the states, by its whole name below the box's root.
pub(super) const REPORTED: &str = "config/reported";

/// The topic of a value below the box's root.
pub(super) fn topic(root: &str, what: &str) -> String {
    if what == REPORTED { format!("{root}/{what}") } else { format!("{root}/state/{what}") }
}

/// Latest values. A session publishes each once, then only what changed.
#[derive(Debug, Default)]
pub(super) struct States {
    latest: Mutex<BTreeMap<String, Slot>>,
    /// The names of the courts, once they are others than were configured.
    courts: Mutex<Option<Vec<String>>>,
    /// Wakes the link: a value changed.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Slot {
    payload: Bytes,
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
        let payload = Bytes::from(value.to_string());
        let mut latest = self.latest.lock();
        let slot = latest.entry(what.to_owned()).or_default();
        if slot.is_gone || slot.payload == payload {
            return !slot.is_gone;
        }
        (slot.payload, slot.published) = (payload, None);
        drop(latest);
        self.changed.notify_one();
        true
    }

    /// Takes a value back, until [`restore`](Self::restore): an empty retained message takes the
    /// broker's away.
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
    pub(super) fn due(&self, epoch: u64) -> Vec<(String, Bytes)> {
        let mut latest = self.latest.lock();
        let mut due = Vec::new();
        for (what, slot) in latest.iter_mut() {
            let refused = slot.refused.is_some_and(|at| epoch < at + REFUSED_FOR);
            if slot.published != Some(epoch) && !refused {
                slot.published = Some(epoch);
                due.push((what.clone(), slot.payload.clone()));
            }
        }
        due.sort_by_key(|(what, _)| what != "box");
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
        let names = |due: Vec<(String, Bytes)>| -> Vec<String> {
            due.into_iter().map(|(what, _)| what).collect()
        };
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
        assert_eq!(states.due(1), [("stream/a".to_owned(), Bytes::new())], "and nothing else");
        states.restore("stream/a");
        assert!(states.set("stream/a", &json!({"condition": "waiting"})));
        assert_eq!(states.due(1).len(), 1);
    }
}
