//! What is wanted over MQTT, laid over the file, and checked whole by the code that checks the file (pure).
//!
//! An [`Overlay`] is JSON of the file's form, but with the courts by name, and is laid over it as RFC 7396
//! says: `{"court": {"a": {"rims": [[612, 188, 44, 22]]}, "b": null}}` changes one key of one court, and
//! takes another court away; a key that is null is as if it stood nowhere. It is no step from what was
//! wanted before, but all that is wanted: what it does not name is as in the file.
//!
//! The whole is written out as a text of one value a line, and goes through [`parse`]: there is no second
//! code that says what is right. Where the parser names a line, the line knows its path.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use toml::{Table, Value};

use crate::config::Config;
use crate::config::applies::{key_at, keys};
use crate::config::fault::{ConfigError, nearest};
use crate::config::load::parse;
use crate::config::origin::Origin;
use crate::config::show::HIDDEN;
use crate::event::twin::Refusal;
use crate::media::Foreign;

/// The path of what concerns the whole.
pub(super) const WHOLE: &str = "config";
/// No value of ours nests deeper than the rows of `rims`; more is no configuration.
const DEPTH_MOST: usize = 8;
/// Shorter than this a secret may be part of any word, so that a text would not be readable any more.
const SECRET_LEAST_HIDDEN: usize = 4;

/// What is wanted beside what the file says. Has no `Debug`: keys of streams may stand in it.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Overlay(Map<String, Json>);

impl Overlay {
    /// Takes the JSON in. Whether it can be laid over a file is said by [`Base::with`].
    ///
    /// # Errors
    /// It is no object.
    pub fn new(json: Json) -> Result<Self, Refusal> {
        match json {
            Json::Object(sections) => Ok(Self(sections)),
            _ => Err(refusal(
                WHOLE,
                "no object: write, for example, {\"health\": {\"log\": \"debug\"}}",
            )),
        }
    }

    /// Of a configuration in the file's own form: all that it says is wanted.
    ///
    /// # Errors
    /// A court has no name, by which it would be known.
    pub fn of_file(file: Table) -> Result<Self, Refusal> {
        let mut sections = Map::new();
        for (section, value) in file {
            let value = match (section.as_str(), value) {
                ("court", Value::Array(courts)) => by_name(courts)?,
                (_, value) => json(value),
            };
            sections.insert(section, value);
        }
        Ok(Self(sections))
    }

    /// True where nothing is wanted beside the file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As it is kept and sent. Secrets stand in it.
    #[must_use]
    pub fn exposed(&self) -> Json {
        Json::Object(self.0.clone())
    }

    /// True where it says something of the key at `path`, as `court.a.rims`.
    #[must_use]
    pub fn names(&self, path: &str) -> bool {
        let mut at = self.0.get(path.split('.').next().unwrap_or_default());
        for part in path.split('.').skip(1) {
            match at {
                Some(Json::Object(members)) => at = members.get(part),
                // The table as a whole is taken away.
                Some(Json::Null) => return true,
                _ => return false,
            }
        }
        at.is_some()
    }
}

/// The file, as overlays are laid over it.
#[derive(Clone, Default)]
pub struct Base(Table);

impl Base {
    /// The text of a file that loads, or nearly.
    ///
    /// # Errors
    /// It is no TOML.
    pub fn new(text: &str) -> Result<Self, Box<toml::de::Error>> {
        Ok(Self(text.parse::<Table>()?))
    }

    /// True where the file says something of the key at `path`, as `court.a.rims`.
    #[must_use]
    pub fn names(&self, path: &str) -> bool {
        let mut parts = path.split('.');
        let section = parts.next().and_then(|section| self.0.get(section));
        let table = match section {
            Some(Value::Array(courts)) => {
                let name = parts.next();
                courts.iter().find(|court| court.get("name").and_then(Value::as_str) == name)
            }
            table => table,
        };
        let key = parts.next().unwrap_or_default();
        let other = if key == "stream_key" { "stream_key_file" } else { key };
        table.is_some_and(|table| table.get(key).or_else(|| table.get(other)).is_some())
    }

    /// The configuration with `overlay` over the file, checked whole.
    ///
    /// # Errors
    /// Every thing that is wrong with it, with its path; never with a secret in it.
    pub fn with(&self, overlay: &Overlay, origin: &Origin<'_>) -> Result<Config, Vec<Refusal>> {
        let mut refused = Vec::new();
        let mut whole = self.0.clone();
        for (section, wanted) in &overlay.0 {
            lay(&mut whole, section, wanted, &mut refused);
        }
        if !refused.is_empty() {
            return Err(refused);
        }
        let written = Written::of(&whole);
        parse(&written.text, origin).map_err(|error| written.refusals(&whole, &error))
    }
}

fn refusal(path: &str, reason: impl std::fmt::Display) -> Refusal {
    Refusal { path: Foreign::path(path), reason: Foreign::told(reason) }
}

/// The courts of a file, as an overlay has them.
fn by_name(courts: Vec<Value>) -> Result<Json, Refusal> {
    let mut named = Map::new();
    for court in courts {
        let Json::Object(mut court) = json(court) else {
            return Err(refusal("court", "no table: write [[court]]"));
        };
        let Some(Json::String(name)) = court.remove("name") else {
            let text = "[[court]] has no `name`: write, for example, name = \"a\"";
            return Err(refusal("court", text));
        };
        if named.insert(name.clone(), Json::Object(court)).is_some() {
            let text = "a second court of this name: give each court its own `name`";
            return Err(refusal(&format!("court.{name}"), text));
        }
    }
    Ok(Json::Object(named))
}

/// Lays one section of an overlay over the whole.
fn lay(whole: &mut Table, section: &str, wanted: &Json, refused: &mut Vec<Refusal>) {
    match wanted {
        Json::Null => {
            whole.remove(section);
        }
        Json::Object(courts) if section == "court" => lay_courts(whole, courts, refused),
        Json::Object(keys) => {
            let table = whole.entry(section).or_insert_with(|| Value::Table(Table::new()));
            match table {
                Value::Table(table) => lay_keys(table, section, keys, refused),
                _ => refused.push(refusal(section, "no table in the file")),
            }
        }
        _ if section == "court" => refused.push(refusal(
            section,
            "courts stand by their names: write, for example, {\"court\": {\"a\": {\"rims\": []}}}",
        )),
        _ => {
            let known = keys().keys().filter_map(|path| path.split_once('.'));
            let told = match known.clone().find(|(_, key)| *key == section) {
                Some((place, _)) => format!("it belongs under `{place}`"),
                None => match nearest(section, known.map(|(place, _)| place)) {
                    Some(near) => format!("write an object of keys, or null (of `{near}`?)"),
                    None => "write an object of keys, or null".to_owned(),
                },
            };
            refused.push(refusal(section, format!("no section: {told}")));
        }
    }
}

fn lay_courts(whole: &mut Table, wanted: &Map<String, Json>, refused: &mut Vec<Refusal>) {
    let courts = whole.entry("court").or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(courts) = courts else {
        refused.push(refusal("court", "no array of tables in the file"));
        return;
    };
    for (name, keys) in wanted {
        let path = format!("court.{name}");
        let named = |court: &Value| court.get("name").and_then(Value::as_str) == Some(name);
        let at = courts.iter().position(named);
        match keys {
            Json::Null => {
                if let Some(at) = at {
                    courts.remove(at);
                }
            }
            Json::Object(keys) => {
                if keys.get("name").is_some_and(|own| own.as_str() != Some(name)) {
                    let text =
                        "a court keeps its name: take this one away (null) and write another";
                    refused.push(refusal(&format!("{path}.name"), text));
                    continue;
                }
                let at = at.unwrap_or_else(|| {
                    let fresh = Table::from_iter([("name".to_owned(), Value::from(name.as_str()))]);
                    courts.push(Value::Table(fresh));
                    courts.len() - 1
                });
                if let Some(Value::Table(court)) = courts.get_mut(at) {
                    // Of two ways to say the key, the one that is wanted now.
                    let pair = ["stream_key", "stream_key_file"];
                    for (one, other) in [(pair[0], pair[1]), (pair[1], pair[0])] {
                        if keys.get(one).is_some_and(|key| !key.is_null())
                            && !keys.contains_key(other)
                        {
                            court.remove(other);
                        }
                    }
                    lay_keys(court, &path, keys, refused);
                }
            }
            _ => refused.push(refusal(&path, "no court: write an object of its keys, or null")),
        }
    }
}

fn lay_keys(
    table: &mut Table,
    place: &str,
    wanted: &Map<String, Json>,
    refused: &mut Vec<Refusal>,
) {
    for (key, value) in wanted {
        let path = format!("{place}.{key}");
        if key_at(&path).is_some_and(|key| key.file_only) {
            let text = "this key stands in the box's own file alone: leave it out";
            refused.push(refusal(&path, text));
            continue;
        }
        if value.is_null() {
            table.remove(key);
            continue;
        }
        match value_of(value, DEPTH_MOST) {
            Ok(value) => {
                table.insert(key.clone(), value);
            }
            Err(text) => refused.push(refusal(&path, text)),
        }
    }
}

/// JSON as a value of a file.
fn value_of(json: &Json, depth: usize) -> Result<Value, &'static str> {
    let Some(depth) = depth.checked_sub(1) else { return Err("it nests too deep for any key") };
    Ok(match json {
        Json::Null => return Err("null stands inside of a value: leave it out there"),
        Json::Bool(said) => Value::from(*said),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::from(whole),
            (None, Some(part)) if !number.is_u64() => Value::from(part),
            _ => return Err("a number too large for any key"),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => {
            let items = items.iter().map(|item| value_of(item, depth));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Json::Object(members) => {
            let members = members.iter().map(|(key, of)| Ok((key.clone(), value_of(of, depth)?)));
            Value::Table(members.collect::<Result<_, &'static str>>()?)
        }
    })
}

/// A value of a file as JSON. Dates are texts: no key has one.
pub(super) fn json(value: Value) -> Json {
    match value {
        Value::String(text) => Json::String(text),
        Value::Integer(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Boolean(said) => said.into(),
        Value::Datetime(date) => date.to_string().into(),
        Value::Array(items) => Json::Array(items.into_iter().map(json).collect()),
        Value::Table(members) => {
            Json::Object(members.into_iter().map(|(key, of)| (key, json(of))).collect())
        }
    }
}

/// A configuration written out, one value a line.
struct Written {
    text: String,
    /// The path of each line.
    paths: Vec<String>,
}

impl Written {
    fn of(whole: &Table) -> Self {
        // What the parser says of no place stands at the first line.
        let mut written = Self { text: "\n".to_owned(), paths: vec![WHOLE.to_owned()] };
        for (key, value) in whole.iter().filter(|(_, value)| !is_section(value)) {
            written.value(key, key, value);
        }
        for (section, value) in whole.iter().filter(|(_, value)| is_section(value)) {
            match value {
                Value::Table(table) => {
                    written.line(section, &format!("[{}]", quoted_if_strange(section)));
                    written.keys(section, table);
                }
                Value::Array(tables) => {
                    for table in tables.iter().filter_map(Value::as_table) {
                        let name = table.get("name").and_then(Value::as_str).unwrap_or("?");
                        let path = format!("{section}.{name}");
                        written.line(&path, &format!("[[{}]]", quoted_if_strange(section)));
                        written.keys(&path, table);
                    }
                }
                _ => {}
            }
        }
        written
    }

    fn keys(&mut self, place: &str, table: &Table) {
        for (key, value) in table {
            self.value(&format!("{place}.{key}"), key, value);
        }
    }

    fn value(&mut self, path: &str, key: &str, value: &Value) {
        let key = quoted_if_strange(key);
        match value {
            Value::Array(items) if !items.is_empty() => {
                self.line(path, &format!("{key} = ["));
                for (n, item) in items.iter().enumerate() {
                    self.line(&format!("{path}[{n}]"), &format!("{},", inline(item)));
                }
                self.line(path, "]");
            }
            value => self.line(path, &format!("{key} = {}", inline(value))),
        }
    }

    /// No text of ours that is written out holds the end of a line.
    fn line(&mut self, path: &str, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
        self.paths.push(path.to_owned());
    }

    fn refusals(&self, whole: &Table, error: &ConfigError) -> Vec<Refusal> {
        let ConfigError::Refused { faults, .. } = error else {
            return vec![refusal(WHOLE, error)];
        };
        let secrets = secrets_of(whole);
        let of = |line: usize, text: &str| {
            let path = self.paths.get(line.saturating_sub(1)).map_or(WHOLE, String::as_str);
            let secret = key_at(path).is_some_and(|key| key.secret);
            if secret && text.starts_with("invalid ") {
                // The parser quotes what stands there.
                return refusal(path, "not of the right type: write a text");
            }
            let mut text = text.to_owned();
            for secret in secrets.iter().filter(|secret| secret.len() >= SECRET_LEAST_HIDDEN) {
                text = text.replace(secret.as_str(), HIDDEN);
            }
            refusal(path, text)
        };
        faults.iter().map(|fault| of(fault.line, &fault.text)).collect()
    }
}

/// True for what is written with a header of its own.
fn is_section(value: &Value) -> bool {
    match value {
        Value::Table(_) => true,
        Value::Array(items) => !items.is_empty() && items.iter().all(Value::is_table),
        _ => false,
    }
}

/// The longest first, so that none is hidden in part.
fn secrets_of(whole: &Table) -> Vec<String> {
    let courts = whole.get("court").and_then(Value::as_array).into_iter().flatten();
    let keys = courts.filter_map(|court| court.get("stream_key"));
    let mut secrets: Vec<String> =
        keys.map(|key| key.as_str().map_or_else(|| key.to_string(), str::to_owned)).collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        Value::Table(table) => {
            let member = |(key, of): (&String, &Value)| {
                format!("{} = {}", quoted_if_strange(key), inline(of))
            };
            format!("{{ {} }}", table.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}

fn quoted_if_strange(key: &str) -> String {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_".contains(&c);
    if !key.is_empty() && key.bytes().all(plain) { key.to_owned() } else { quoted(key) }
}

/// A basic string of TOML on one line: JSON escapes what TOML does, and by the same letters.
fn quoted(text: &str) -> String {
    Json::from(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use proptest::prelude::*;
    use proptest::test_runner::{Config as Cases, TestRunner};
    use serde_json::json;

    use super::*;
    use crate::config::plan::plan;

    const FILE: &str = r#"
[box]
name = "rim-1"
data_dir = "/var/lib/courtside"
[uplink]
broker = "mqtt://127.0.0.1:1883"
[[court]]
name = "a"
stream_key = "north-hoop-1"
rims = [[612, 188, 44, 22]]
[[court]]
name = "b"
stream_key_file = "south-key"
rims = [[10, 20, 44, 22], [300, 20, 44, 22]]
"#;

    pub(crate) fn laid(overlay: Json) -> Result<Config, Vec<Refusal>> {
        let read = |path: &Path| match path.to_str() {
            Some("/etc/courtside/south-key" | "/etc/courtside/other-key") => {
                Ok(format!("{}-secret\n", path.display().to_string().replace('/', ".")))
            }
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let origin = Origin {
            file: Path::new("/etc/courtside/c.toml"),
            credentials: None,
            hostname: Some("hall\n"),
            read: &read,
        };
        let base = Base::new(FILE).expect("TOML");
        let overlay = Overlay::new(overlay).map_err(|refused| vec![refused])?;
        base.with(&overlay, &origin)
    }

    fn told(overlay: Json) -> String {
        let refused = laid(overlay).err().unwrap_or_default();
        let line = |refusal: &Refusal| format!("{}: {}", refusal.path, refusal.reason);
        refused.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn taken(overlay: Json) -> Config {
        laid(overlay).unwrap_or_else(|refused| panic!("{refused:?}"))
    }

    #[test]
    fn what_is_not_named_is_as_in_the_file() {
        let plain = taken(json!({}));
        let changed = taken(json!({
            "uplink": { "broker": "mqtt://10.0.0.7", "username": "rim-1" },
            "court": { "a": { "rims": [[1, 2, 44, 22.5]] }, "b": null,
                       "c": { "stream_key": "a-new-key-of-c" } },
        }));
        assert_eq!(changed.uplink.broker.url(), "mqtt://10.0.0.7:1883");
        assert_eq!(changed.uplink.username.as_deref(), Some("rim-1"));
        assert_eq!(changed.courts[0].stream_key.expose(), "north-hoop-1", "as in the file");
        assert_eq!(changed.courts[0].rims[0].h, 22.5);
        let names: Vec<&str> = changed.courts.iter().map(|court| court.name.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
        assert_eq!(plain.to_toml(), taken(json!({ "court": { "x": null } })).to_toml());
        // A table that is taken away is one that stands nowhere: its defaults hold.
        assert_eq!(taken(json!({ "health": null })).health.log, "info");
        // The other way to say a key takes the place of the one in the file.
        let other = taken(json!({ "court": {
            "a": { "stream_key_file": "other-key" }, "b": { "stream_key": "12345678-b" },
        } }));
        assert_eq!(other.courts[0].stream_key.expose(), ".etc.courtside.other-key-secret");
        assert_eq!(other.courts[1].stream_key.expose(), "12345678-b");
    }

    #[test]
    fn a_whole_file_is_an_overlay_too() {
        let file: Table = FILE.replace("612", "600").parse().expect("TOML");
        let mut overlay = Overlay::of_file(file).unwrap_or_else(|refused| panic!("{refused:?}"));
        assert!(overlay.names("court.b.rims") && overlay.names("box.data_dir"));
        assert!(!overlay.names("court.c.rims") && !overlay.names("health.log"));
        assert!(told(overlay.exposed()).starts_with("box.data_dir: this key stands in"));
        let appliance = overlay.0.get_mut("box").and_then(Json::as_object_mut).expect("[box]");
        appliance.remove("data_dir");
        assert_eq!(taken(overlay.exposed()).courts[0].rims[0].x, 600.0);
    }

    #[test]
    fn a_refusal_says_which_key_and_what_to_write() {
        let rows = [
            json!({ "uplink": { "brokr": "mqtt://h" } }),
            json!({ "uplink": { "broker": "tcp://h" } }),
            json!({ "uplink": { "broker": null } }),
            json!({ "uplink": null }),
            json!({ "uplnk": { "broker": "mqtt://h" } }),
            json!({ "log": "debug" }),
            json!({ "helth": "debug" }),
            json!({ "court": { "a": null, "b": null } }),
            json!({ "court": { "a": { "rims": [[1, 2, 44, 22], [1, 2, 3]] } } }),
            json!({ "court": { "a": { "rims": [[1, 2, 44, 22], ["x", 2, 44, 22]] } } }),
            json!({ "court": { "a": { "rimz": [] } } }),
            json!({ "court": { "a": { "name": "z" } } }),
            json!({ "court": { "c": {} } }),
            json!({ "court": { "A b": { "stream_key": "12345678" } } }),
            json!({ "court": [{ "name": "a" }] }),
            json!({ "court": { "a": { "camera_delay_ms": "5" }, "b": { "rims_of": [0, 1] } } }),
            json!({ "court": { "a": { "camera_delay_ms": 70_000 }, "b": { "rims_of": [0, 1] } } }),
            json!({ "court": { "a": { "rims": [null] } } }),
            json!({ "court": { "b": { "stream_key": "north-hoop-1" } } }),
            json!({ "box": { "data_dir": "/tmp" }, "detect": { "onnxruntime": "/tmp/x.so" } }),
            json!({ "ring": { "quota_bytes": 1 } }),
            json!({ "ring": { "quota_bytes": u64::MAX } }),
            json!({ "detect": { "bundles": ["rimnet", "../x"] } }),
            json!({ "detect": { "bundles": [[[[[[[[[[1]]]]]]]]]] } }),
            json!({ "health": { "log": "info\n\u{202e}" } }),
            json!({ "health": { "a b\n": 1 } }),
            json!([]),
        ];
        let lines: Vec<String> = rows
            .into_iter()
            .map(|row| {
                let said = told(row.clone());
                assert!(!said.is_empty(), "{row} is taken");
                format!("{}\n    {}", Foreign::told(&row), said.replace('\n', "\n    "))
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_secret_is_told_in_no_refusal() {
        for overlay in [
            json!({ "court": { "a": { "stream_key": "planted secret" } } }),
            json!({ "court": { "a": { "stream_key": 271_828_182 } } }),
            json!({ "court": { "a": { "stream_key": ["planted secret"] } } }),
            json!({ "court": { "a": { "stream_key": { "planted secret": "planted secret" } } } }),
            json!({ "court": { "a": { "stream_key": "planted-secret" },
                               "b": { "stream_key": "planted-secret" } } }),
            json!({ "court": { "a": { "stream_key": "planted-secret", "rims": 7 } } }),
            json!({ "court": { "a": { "stream_key": "planted-secret", "rims": "planted-secret" } } }),
            json!({ "court": { "a": { "stream_kye": "planted-secret" } } }),
            json!({ "uplink": { "broker": "mqtt://rim:planted-secret@h" } }),
        ] {
            let said = told(overlay.clone());
            assert!(!said.is_empty(), "{overlay} is taken");
            let planted = ["planted", "271828182", "271_828_182"];
            assert!(!planted.iter().any(|secret| said.contains(secret)), "{said}");
        }
    }

    /// A value that stands somewhere in the schema, or nowhere.
    fn value() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            (0..70_000_i64).prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            "\\PC{0,12}".prop_map(Json::from),
            any::<String>().prop_map(Json::from),
            prop_oneof![
                "mqtt://[a-z]{1,9}",
                "[a-z0-9-]{8,20}",
                "(info|warn|debug)",
                "1[.]2[.]3[.]4:[1-9]{1,4}"
            ]
            .prop_map(Json::from),
            Just(json!([[612, 188, 44, 22]])),
            Just(json!([1280, 720])),
            Just(json!(["rimnet"])),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                proptest::collection::btree_map("[a-z_\\PC]{0,6}", inner, 0..3)
                    .prop_map(|members| Json::Object(members.into_iter().collect())),
            ]
        })
    }

    /// Mostly keys that there are, with values that may be theirs.
    fn overlay() -> impl Strategy<Value = Json> {
        let known: Vec<String> = keys().keys().cloned().collect();
        let right = prop_oneof![
            Just(("uplink.broker".to_owned(), json!("mqtt://10.1.2.3:1884"))),
            Just(("uplink.username".to_owned(), json!("rim"))),
            Just(("health.log".to_owned(), json!("debug"))),
            Just(("court.rims".to_owned(), json!([[1.5, 2, 40, 20]]))),
            Just(("court.stream_key".to_owned(), json!("another-key-7"))),
            (0..60_000_i64).prop_map(|ms| ("court.camera_delay_ms".to_owned(), json!(ms))),
            Just(("ring.pin_days".to_owned(), json!(7))),
            Just(("detect.calibrate".to_owned(), json!("on"))),
            Just(("http.listen".to_owned(), json!("127.0.0.1:9090"))),
            Just(("box.name".to_owned(), json!("rim-2"))),
            Just(("court".to_owned(), json!(null))),
        ];
        let any_key = (proptest::sample::select(known), value());
        let strange = ("[a-z]{1,6}([.][a-z_\\PC]{0,8}){0,2}", value());
        let one = prop_oneof![6 => right, 2 => any_key, 1 => strange];
        let court =
            prop_oneof![4 => Just("a".to_owned()), 2 => Just("b".to_owned()), 1 => "[a-z]{1,3}"];
        proptest::collection::vec((one, court), 0..4).prop_map(|written| {
            let mut overlay = json!({});
            for ((path, value), court) in written {
                let mut parts: Vec<&str> = path.split('.').collect();
                if parts[0] == "court" {
                    parts.insert(1, &court);
                }
                let mut at = &mut overlay;
                for part in &parts {
                    if !at.is_object() {
                        *at = json!({});
                    }
                    at = &mut at[*part];
                }
                *at = value;
            }
            overlay
        })
    }

    #[test]
    fn ten_thousand_mutated_configurations_are_refused_or_planned() {
        let counts = std::cell::Cell::new((0_u32, 0_u32));
        let current = taken(json!({}));
        let cases = Cases { cases: 10_000, failure_persistence: None, ..Cases::default() };
        let mut runner = TestRunner::new(cases);
        let run = runner.run(&overlay(), |overlay| {
            let (mut refused, mut planned) = counts.get();
            match laid(overlay) {
                Err(said) => {
                    refused += 1;
                    prop_assert!(!said.is_empty());
                    for refusal in &said {
                        prop_assert!(!refusal.path.is_empty() && !refusal.reason.is_empty());
                        prop_assert!(!refusal.reason.contains("another-key-7"), "{:?}", refusal);
                    }
                }
                Ok(desired) => {
                    planned += 1;
                    prop_assert_eq!(plan(&desired, &desired), Vec::new());
                    let changes = plan(&current, &desired);
                    let now = current.with_live_keys_of(&desired);
                    let waits: Vec<_> = changes
                        .iter()
                        .filter(|change| change.applies == crate::event::words::Applies::Restart)
                        .cloned()
                        .collect();
                    // What was applied at once is what the plan says; what waits is the rest.
                    prop_assert_eq!(plan(&now, &desired), waits.clone());
                    let applied = plan(&current, &now);
                    prop_assert_eq!(applied.len() + waits.len(), changes.len());
                }
            }
            counts.set((refused, planned));
            Ok(())
        });
        run.unwrap_or_else(|error| panic!("{error}"));
        let (refused, planned) = counts.get();
        assert!(refused > 1_000 && planned > 1_000, "{refused} refused, {planned} planned");
    }
}
