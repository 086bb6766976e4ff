//! When each key comes into force after it was changed, as it is marked where the key is defined.
//!
//! The marks are extensions of the schema, beside the key in its section's file: `x-applies` is `hot` (at
//! once, no camera notices), `stream` (at once, that court is built anew) or `restart`; `x-file-only` is
//! true of a key that stands in the file alone, since a box finds its twin by it or runs what it names;
//! `x-secret` is true of a key whose value, or the part of it that is a secret, leaves the box nowhere. A test holds that every key is marked.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;

use crate::config::show::schema;
use crate::event::words::Applies;

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// When it comes into force.
    pub applies: Applies,
    /// It is taken from the file alone.
    pub file_only: bool,
    /// Its value is told nowhere.
    pub secret: bool,
}

/// Every key of the file by its path, as `uplink.broker` and `court.rims`.
#[must_use]
pub fn keys() -> &'static BTreeMap<String, Key> {
    static KEYS: OnceLock<BTreeMap<String, Key>> = OnceLock::new();
    KEYS.get_or_init(|| marked(&schema()).into_iter().map(|(path, key, _)| (path, key)).collect())
}

/// The key at a path that may name a court and an element: of `court.a.rims[1]` that is `court.rims`.
pub(super) fn key_at(path: &str) -> Option<Key> {
    let mut parts = path.split('.');
    let section = parts.next()?;
    let key = if section == "court" { parts.nth(1)? } else { parts.next()? };
    let key = key.split('[').next()?;
    keys().get(&format!("{section}.{key}")).copied()
}

/// Every key of the schema: its path, its marks, and whether it is marked at all.
fn marked(schema: &Value) -> Vec<(String, Key, bool)> {
    let none = serde_json::Map::new();
    let mut found = Vec::new();
    for (section, property) in schema["properties"].as_object().unwrap_or(&none) {
        let places = [&property["$ref"], &property["items"]["$ref"]];
        let table = match places.iter().find_map(|place| place.as_str()) {
            Some(reference) => &schema["$defs"][reference.trim_start_matches("#/$defs/")],
            None => property,
        };
        for (key, of) in table["properties"].as_object().unwrap_or(&none) {
            let is = |mark: &str| of[mark].as_bool().unwrap_or(false);
            let applies = serde_json::from_value::<Applies>(of["x-applies"].clone())
                .ok()
                .filter(|applies| *applies != Applies::Other);
            let key_of = Key {
                applies: applies.unwrap_or_default(),
                file_only: is("x-file-only"),
                secret: is("x-secret"),
            };
            found.push((format!("{section}.{key}"), key_of, applies.is_some()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::example::lines;

    #[test]
    fn every_key_is_marked() {
        let marked = marked(&schema());
        let without: Vec<&String> =
            marked.iter().filter(|(_, _, marked)| !marked).map(|(path, ..)| path).collect();
        assert!(without.is_empty(), "write #[schemars(extend(\"x-applies\" = …))]: {without:?}");
        let shown: Vec<String> =
            lines().map(|(section, key, _)| format!("{section}.{key}")).collect();
        assert_eq!(marked.len(), shown.len());
        assert!(shown.iter().all(|path| keys().contains_key(path)), "{shown:?}");
        for applies in [Applies::Hot, Applies::Stream, Applies::Restart] {
            assert!(keys().values().any(|key| key.applies == applies), "{applies}");
        }
    }

    #[test]
    fn a_path_finds_its_key() {
        for (path, expected) in [
            ("uplink.broker", Some(Applies::Hot)),
            ("court.a.rims[1]", Some(Applies::Stream)),
            ("court.a.camera_delay_ms", Some(Applies::Hot)),
            ("box.data_dir", Some(Applies::Restart)),
            ("court.a", None),
            ("uplink", None),
            ("uplink.brokr", None),
            ("", None),
        ] {
            assert_eq!(key_at(path).map(|key| key.applies), expected, "{path}");
        }
        assert!(keys()["court.stream_key"].secret && keys()["box.data_dir"].file_only);
    }

    #[test]
    fn the_documents_say_of_each_key_when_it_applies() {
        let told = include_str!("../../design/protocol.md");
        for applies in [Applies::Hot, Applies::Stream, Applies::Restart] {
            let of = keys().iter().filter(|(_, key)| key.applies == applies);
            let names: Vec<String> = of.map(|(path, _)| format!("`{path}`")).collect();
            let row = format!("| *{applies}* | {} |", names.join(", "));
            assert!(told.contains(&row), "design/protocol.md §4.6 wants the row\n{row}");
        }
        let alone = keys().iter().filter(|(_, key)| key.file_only);
        let alone: Vec<String> = alone.map(|(path, _)| format!("`{path}`")).collect();
        let said = format!("In the file alone: {}", alone.join(", "));
        assert!(told.contains(&said), "design/protocol.md §4.6 wants\n{said}");
    }
}
