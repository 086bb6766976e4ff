//! What Home Assistant is told of a box: MQTT discovery, one retained message an entity (pure).
//!
//! Topic `homeassistant/{component}/{box}/{entity}/config`; the third level is the box's name alone, so that
//! a broker's ACL can confine each box to its own (`homeassistant/+/%u/#`). The entities read what the box
//! retains anyway, and `state/home/{court}`, `state/picture/{court}`, which are there for this alone.
//!
//! Absent: short names (`~`, `stat_t`), which save bytes that nobody misses; anything that can be switched or
//! pressed, since Home Assistant's users are no technicians.

use serde_json::{Map, Value, json};

use crate::media::{BoxName, CourtId};

/// Width of a picture that is told, pixels (chosen: a card of a dashboard; some 40 KB).
pub const PICTURE_WIDTH: u32 = 640;

/// What Home Assistant shows that belongs together.
#[derive(Clone, Copy, Debug)]
pub struct HomeBox<'a> {
    /// Its name.
    pub name: &'a BoxName,
    /// Of the program.
    pub version: &'a str,
    /// Its courts.
    pub courts: &'a [CourtId],
    /// The address of its page, where it knows one that others can reach.
    pub page: Option<&'a str>,
}

/// Every discovery message: its topic, and what is retained there.
#[must_use]
pub fn discovery(of: &HomeBox<'_>) -> Vec<(String, Value)> {
    let mut all = vec![of.online()];
    for court in of.courts {
        all.extend([
            of.camera_state(court),
            of.score(court),
            of.last_call(court),
            of.clip(court),
            of.picture(court),
        ]);
    }
    all
}

impl HomeBox<'_> {
    /// `courtside/1/{box}/state/{what}`.
    fn state(&self, what: &str) -> String {
        format!("courtside/1/{}/state/{what}", self.name)
    }

    /// One entity, with what all of them have.
    fn entity(&self, component: &str, id: &str, name: &str, own: Value) -> (String, Value) {
        let Self { name: of, version, page, .. } = self;
        let mut device = json!({
            "identifiers": [format!("courtside-{of}")],
            "name": of,
            "manufacturer": "Courtside",
            "model": "Courtside box",
            "sw_version": version,
        });
        if let Some(page) = page {
            device["configuration_url"] = json!(page);
        }
        let mut whole = Map::from_iter([
            ("name".to_owned(), json!(name)),
            ("unique_id".to_owned(), json!(format!("courtside-{of}-{id}"))),
            ("object_id".to_owned(), json!(format!("{of}_{id}"))),
            ("device".to_owned(), device),
            ("origin".to_owned(), json!({ "name": "Courtside", "sw_version": version })),
        ]);
        if let Value::Object(own) = own {
            whole.extend(own);
        }
        (format!("homeassistant/{component}/{of}/{id}/config"), Value::Object(whole))
    }

    /// The same of one that is not there while the box is away.
    fn of_court(&self, component: &str, id: &str, name: &str, own: Value) -> (String, Value) {
        let (topic, mut whole) = self.entity(component, id, name, own);
        whole["availability_topic"] = json!(self.state("box"));
        whole["availability_template"] =
            json!("{{ 'online' if value_json.online else 'offline' }}");
        (topic, whole)
    }

    fn online(&self) -> (String, Value) {
        let own = json!({
            "state_topic": self.state("box"),
            "value_template": "{{ 'ON' if value_json.online else 'OFF' }}",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
        });
        self.entity("binary_sensor", "online", "Online", own)
    }

    fn camera_state(&self, court: &CourtId) -> (String, Value) {
        let own = json!({
            "state_topic": self.state(&format!("stream/{court}")),
            "value_template": "{{ value_json.condition }}",
            "icon": "mdi:cctv",
        });
        self.of_court("sensor", &format!("{court}-state"), &format!("{court} camera"), own)
    }

    fn score(&self, court: &CourtId) -> (String, Value) {
        let topic = self.state(&format!("home/{court}"));
        let own = json!({
            "state_topic": topic,
            "value_template": "{{ value_json.made | sum }}",
            "unit_of_measurement": "shots",
            "state_class": "total",
            "icon": "mdi:basketball-hoop",
            "json_attributes_topic": topic,
            "json_attributes_template":
                "{{ {'made': value_json.made, 'attempts': value_json.attempts} | tojson }}",
        });
        self.of_court("sensor", &format!("{court}-score"), &format!("{court} score"), own)
    }

    fn last_call(&self, court: &CourtId) -> (String, Value) {
        let topic = self.state(&format!("home/{court}"));
        let own = json!({
            "state_topic": topic,
            // `None` is what Home Assistant shows as unknown.
            "value_template": "{{ value_json.last.call if value_json.last else None }}",
            "icon": "mdi:basketball",
            "json_attributes_topic": topic,
            "json_attributes_template": "{{ (value_json.last or {}) | tojson }}",
        });
        self.of_court("sensor", &format!("{court}-call"), &format!("{court} last call"), own)
    }

    fn clip(&self, court: &CourtId) -> (String, Value) {
        let own = json!({
            "state_topic": self.state(&format!("home/{court}")),
            "value_template":
                "{{ value_json.last.clip if value_json.last and value_json.last.clip else None }}",
            "icon": "mdi:filmstrip",
        });
        self.of_court("sensor", &format!("{court}-clip"), &format!("{court} clip"), own)
    }

    fn picture(&self, court: &CourtId) -> (String, Value) {
        let own = json!({ "topic": self.state(&format!("picture/{court}")) });
        self.of_court("camera", &format!("{court}-picture"), &format!("{court} picture"), own)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_entity_is_its_own_and_stands_below_its_box() {
        let name = BoxName::new("rim-1").expect("a name");
        let courts = ["a", "b-2"].map(|name| CourtId::new(name).expect("a name"));
        let page = Some("http://10.0.0.7:8080");
        let all = discovery(&HomeBox { name: &name, version: "0.1.0", courts: &courts, page });
        assert_eq!(all.len(), 11);
        let ids: BTreeSet<_> = all.iter().map(|(_, told)| told["unique_id"].to_string()).collect();
        let topics: BTreeSet<_> = all.iter().map(|(topic, _)| topic).collect();
        assert_eq!((ids.len(), topics.len()), (11, 11));
        for (topic, told) in &all {
            let levels: Vec<&str> = topic.split('/').collect();
            assert!(levels[2] == "rim-1" && levels[4] == "config", "{topic}");
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            assert!(levels[3].chars().all(word), "{topic}: Home Assistant takes no other");
            assert_eq!(told["device"]["configuration_url"], "http://10.0.0.7:8080");
            let is_away = told.get("availability_topic").is_some();
            assert_eq!(is_away, !topic.contains("/online/"), "{topic}");
        }
        insta::assert_snapshot!(serde_json::to_string_pretty(&all[2]).expect("JSON"));
    }
}
