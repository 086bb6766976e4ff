//! The configuration told back: as a schema, and as what is in force.

use toml::{Table, Value};

use crate::config::Config;
use crate::config::load::RawConfig;
use crate::config::relay::RelayConfig;
use crate::config::secret::{HIDDEN, Secret};

/// JSON Schema of the file.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(RawConfig).to_value()
}

impl Config {
    /// What is in force, defaults included, as TOML. Secrets are hidden; what is decided at run
    /// time is left out.
    #[must_use]
    pub fn to_toml(&self) -> String {
        // A table of plain values always has a text; an empty one would be a bug of `toml`.
        toml::to_string(&self.table(&|_| Value::from(HIDDEN))).unwrap_or_default()
    }

    /// The same as a table, with what stands for each secret.
    pub(super) fn table(&self, secret: &dyn Fn(&Secret) -> Value) -> Table {
        let mut file = Table::new();
        let mut section = |name: &str, pairs: Vec<(&str, Option<Value>)>| {
            file.insert(name.to_owned(), Value::Table(table(pairs)));
        };
        let path = |path: &std::path::Path| Some(Value::from(path.display().to_string()));
        let bytes = |bytes: u64| Some(Value::from(i64::try_from(bytes).unwrap_or(i64::MAX)));
        section(
            "box",
            vec![
                ("name", Some(self.appliance.name.as_str().into())),
                ("data_dir", path(&self.appliance.data_dir)),
            ],
        );
        let client = self.uplink.client.as_ref();
        section(
            "uplink",
            vec![
                ("broker", self.uplink.broker.as_ref().map(|broker| broker.url().into())),
                ("username", self.uplink.username.clone().map(Value::from)),
                ("password_file", self.uplink.password_file.as_deref().and_then(path)),
                ("ca_file", self.uplink.ca_file.as_deref().and_then(path)),
                ("cert_file", client.and_then(|tls| path(&tls.cert_file))),
                ("key_file", client.and_then(|tls| path(&tls.key_file))),
                ("home_assistant", Some(self.uplink.home_assistant.into())),
            ],
        );
        let files = self.claim.files.iter().map(|file| file.display().to_string());
        section(
            "claim",
            vec![
                ("enabled", Some(self.claim.enabled.into())),
                ("files", Some(files.collect::<Vec<_>>().into())),
                ("serial_file", self.claim.serial_file.as_deref().and_then(path)),
            ],
        );
        let tls = self.ingest.tls.as_ref();
        let rtmp = self.ingest.rtmp.map_or_else(|| "off".to_owned(), |at| at.to_string());
        section(
            "ingest",
            vec![
                ("rtmp", Some(rtmp.into())),
                ("rtmps", self.ingest.rtmps.map(|at| at.to_string().into())),
                ("cert_file", tls.and_then(|tls| path(&tls.cert_file))),
                ("key_file", tls.and_then(|tls| path(&tls.key_file))),
                ("picture_memory_bytes", bytes(self.ingest.picture_memory_bytes)),
            ],
        );
        let tls = self.http.tls.as_ref();
        section(
            "http",
            vec![
                ("listen", Some(self.http.listen.to_string().into())),
                ("token_file", path(&self.http.token_file)),
                ("cert_file", tls.and_then(|tls| path(&tls.cert_file))),
                ("key_file", tls.and_then(|tls| path(&tls.key_file))),
                ("plain", Some(self.http.plain.into())),
                ("read_bytes_per_second", bytes(self.http.read_bytes_per_second)),
                (
                    "connections_per_address",
                    i64::try_from(self.http.connections_per_address).ok().map(Into::into),
                ),
            ],
        );
        section(
            "ring",
            vec![
                ("quota_bytes", self.ring.quota_bytes.and_then(bytes)),
                ("reserve_bytes", self.ring.reserve_bytes.and_then(bytes)),
                ("keep_free_bytes", bytes(self.ring.keep_free_bytes)),
                ("pin_days", Some(i64::from(self.ring.pin_days).into())),
            ],
        );
        section(
            "upload",
            vec![
                ("share", Some(self.upload.share.into())),
                ("max_bits_per_second", self.upload.max_bits_per_second.and_then(bytes)),
                ("during_games", Some(self.upload.during_games.into())),
                ("plain", Some(self.upload.plain.into())),
                ("ca_file", self.upload.ca_file.as_deref().and_then(path)),
            ],
        );
        section(
            "update",
            vec![
                ("keys_file", path(&self.update.keys_file)),
                ("folder", path(&self.update.folder)),
                ("trial_s", Some(i64::from(self.update.trial_s).into())),
                ("ca_file", self.update.ca_file.as_deref().and_then(path)),
            ],
        );
        section(
            "detect",
            vec![
                ("bundles", Some(self.detect.bundles.clone().into())),
                ("models_dir", self.detect.models_dir.as_deref().and_then(path)),
                ("model_keys", Some(self.detect.model_keys.clone().into())),
                ("box_key_file", self.detect.box_key_file.as_deref().and_then(path)),
                ("device", Some(self.detect.device.to_string().into())),
                ("dla", self.detect.dla.map(i64::from).map(Into::into)),
                ("onnxruntime", self.detect.onnxruntime.as_deref().and_then(path)),
                ("tensorrt", self.detect.tensorrt.as_deref().and_then(path)),
                ("calibrate", Some(self.detect.calibrate.word().into())),
                ("finder", Some(self.detect.finder.into())),
                ("model_memory_bytes", bytes(self.detect.model_memory_bytes)),
                ("model_multiply_adds", bytes(self.detect.model_multiply_adds)),
            ],
        );
        section("game", vec![("rules", Some(self.game.rules.clone().into()))]);
        section(
            "look",
            vec![
                ("bundle", self.look.bundle.clone().map(Value::from)),
                ("crops_may_leave", Some(self.look.crops_may_leave.into())),
            ],
        );
        section("health", vec![("log", Some(self.health.log.clone().into()))]);
        let courts: Vec<Value> = self
            .courts
            .iter()
            .map(|court| {
                let rim = |rim: &crate::media::RimBox| {
                    Value::from(
                        vec![rim.x, rim.y, rim.w, rim.h]
                            .into_iter()
                            .map(f64::from)
                            .collect::<Vec<_>>(),
                    )
                };
                let relay = |relay: &RelayConfig| {
                    // The secrets of an address stand inside of it, and the rest is told.
                    let hidden = |part: &str| match secret(&Secret::new(part)) {
                        Value::String(text) => text,
                        other => other.to_string(),
                    };
                    Value::Table(table(vec![
                        ("name", Some(relay.name.as_str().into())),
                        ("url", Some(relay.address.with(hidden).into())),
                        ("ca_file", relay.ca_file.as_deref().and_then(path)),
                    ]))
                };
                let floor = court.floor.as_ref().map(|laid| &laid.drawn);
                let delay_ms = i64::try_from(court.camera_delay.as_millis()).unwrap_or(i64::MAX);
                Value::Table(table(vec![
                    ("name", Some(court.name.as_str().into())),
                    ("stream_key", Some(secret(&court.stream_key))),
                    ("rims", Some(court.rims.iter().map(rim).collect::<Vec<_>>().into())),
                    ("rims_of", court.rims_of.map(|size| size.map(i64::from).to_vec().into())),
                    ("floor", floor.and_then(|drawn| Value::try_from(drawn).ok())),
                    ("camera_delay_ms", Some(delay_ms.into())),
                    ("relay", Some(court.relays.iter().map(relay).collect::<Vec<_>>().into())),
                ]))
            })
            .collect();
        file.insert("court".to_owned(), Value::Array(courts));
        file
    }
}

fn table(pairs: Vec<(&str, Option<Value>)>) -> Table {
    pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::example::{EXAMPLE, EXAMPLE_KEY, lines};
    use crate::config::load::parse;
    use crate::config::origin::Origin;

    fn parsed(text: &str) -> Config {
        let read = |_: &Path| Ok("a-secret-of-a-file".to_owned());
        let origin = Origin {
            file: Path::new("courtside.toml"),
            credentials: None,
            hostname: None,
            read: &read,
        };
        parse(text, &origin).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_example_loads_and_is_what_holds_without_it() {
        let example = parsed(&EXAMPLE.replace(EXAMPLE_KEY, "north-hoop-1"));
        assert_eq!(example.advice, Vec::<String>::new());
        let smallest = parsed(
            "[box]\nname = \"rim-1\"\n[uplink]\nbroker = \"mqtt://127.0.0.1:1883\"\n[[court]]\n\
             name = \"a\"\nstream_key = \"north-hoop-1\"\nrims = [[612, 188, 44, 22]]\n",
        );
        assert_eq!(example.to_toml(), smallest.to_toml(), "the defaults that the example shows");
    }

    #[test]
    fn the_example_shows_every_key_and_no_other() {
        let schema = schema();
        let defs = schema["$defs"].as_object().expect("tables");
        let mut known: Vec<(String, String)> = Vec::new();
        for (section, property) in schema["properties"].as_object().expect("tables") {
            let places = [&property["$ref"], &property["items"]["$ref"]];
            let table = match places.iter().find_map(|place| place.as_str()) {
                Some(reference) => &defs[reference.trim_start_matches("#/$defs/")],
                None => property,
            };
            let keys = table["properties"].as_object().expect("keys");
            known.extend(keys.keys().map(|key| (section.clone(), key.clone())));
        }
        let mut shown: Vec<(String, String)> =
            lines().map(|(section, key, _)| (section.to_owned(), key.to_owned())).collect();
        known.sort();
        shown.sort();
        assert_eq!(known, shown);
    }

    #[test]
    fn every_setting_of_the_example_loads_when_it_is_taken_in() {
        let text: String = EXAMPLE
            .lines()
            .filter(|line| !line.starts_with("stream_key = "))
            .map(|line| match line.strip_prefix('#') {
                Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let config = parsed(&text.replace("mqtt://", "mqtts://"));
        assert!(config.uplink.password_file.is_some() && config.ingest.tls.is_some(), "{text}");
    }

    #[test]
    fn what_is_shown_hides_secrets_and_keeps_the_rest() {
        let text = EXAMPLE.replace(EXAMPLE_KEY, "north-hoop-1");
        let shown = parsed(&text).to_toml();
        assert!(!shown.contains("north-hoop-1"), "{shown}");
        insta::assert_snapshot!(shown);
    }
}
