//! What a configuration changes of the one in force, and when each change comes into force (pure).

use std::collections::BTreeMap;

use toml::Value;

use crate::config::applies::key_at;
use crate::config::{Config, HttpConfig};
use crate::event::twin::Change;
use crate::event::words::Applies;
use crate::media::Foreign;

/// Every key that `desired` changes of `current`, in the order of their paths. A court that comes or goes
/// is one change.
#[must_use]
pub fn plan(current: &Config, desired: &Config) -> Vec<Change> {
    let (now, then) = (flat(current), flat(desired));
    let mut changes = Vec::new();
    for (place, keys) in &then {
        match now.get(place) {
            None => changes.push(change(place)),
            Some(was) => {
                let differs = |key: &&String| was.get(*key) != keys.get(*key);
                let gone = was.keys().filter(|key| !keys.contains_key(*key));
                let mut names: Vec<&String> = keys.keys().filter(differs).chain(gone).collect();
                names.sort();
                changes.extend(names.into_iter().map(|key| change(&format!("{place}.{key}"))));
            }
        }
    }
    let gone = now.keys().filter(|place| !then.contains_key(*place));
    changes.extend(gone.map(|place| change(place)));
    changes.sort_by(|one, other| one.path.cmp(&other.path));
    changes
}

/// A whole table that comes or goes is a court.
fn change(path: &str) -> Change {
    let applies = key_at(path).map_or(Applies::Stream, |key| key.applies);
    Change { path: Foreign::path(path), applies }
}

/// Each table by its path, `uplink` or `court.a`, and its keys, secrets too: it leaves this file nowhere.
fn flat(config: &Config) -> BTreeMap<String, BTreeMap<String, Value>> {
    let mut tables = BTreeMap::new();
    for (section, value) in config.table(&|secret| Value::from(secret.expose())) {
        match value {
            Value::Table(keys) => {
                tables.insert(section, keys.into_iter().collect());
            }
            Value::Array(courts) => {
                for court in courts {
                    let Value::Table(keys) = court else { continue };
                    let name = keys.get("name").and_then(Value::as_str).unwrap_or_default();
                    tables.insert(format!("{section}.{name}"), keys.into_iter().collect());
                }
            }
            _ => {}
        }
    }
    tables
}

impl Config {
    /// What is in force once the hot and the stream keys of `desired` were applied; what waits for a
    /// restart stays as it is. Which sections that are is held against the marks by a test.
    #[must_use]
    pub fn with_live_keys_of(&self, desired: &Self) -> Self {
        Self {
            uplink: desired.uplink.clone(),
            health: desired.health.clone(),
            http: HttpConfig {
                read_bytes_per_second: desired.http.read_bytes_per_second,
                ..self.http.clone()
            },
            courts: desired.courts.clone(),
            advice: desired.advice.clone(),
            secret_files: desired.secret_files.clone(),
            ..self.clone()
        }
    }
}
