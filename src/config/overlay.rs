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
use crate::config::secret::HIDDEN;
use crate::config::uplink::NO_BROKER;
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
        let Some(key) = parts.next() else { return table.is_some() };
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
        // A box that is to be claimed has none; one that has one is not cut off by what came through it.
        let uplink = whole.get("uplink");
        if self.names("uplink.broker") && uplink.and_then(|uplink| uplink.get("broker")).is_none() {
            refused.push(refusal(uplink.map_or(WHOLE, |_| "uplink"), NO_BROKER));
        }
        if !refused.is_empty() {
            return Err(refused);
        }
        let written = Written::of(&whole);
        parse(&written.text, origin).map_err(|error| written.refusals(&whole, &error))
    }
}

impl Config {
    /// What is in force as an overlay has it, defaults included, secrets hidden.
    #[must_use]
    pub fn to_json(&self) -> Json {
        // A configuration that was checked has courts with names.
        Overlay::of_file(self.table(&|_| Value::from(HIDDEN))).unwrap_or_default().exposed()
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
    let relays = |court: &Value| -> Vec<Value> {
        let relays = court.get("relay").and_then(Value::as_array).into_iter().flatten();
        relays.filter_map(|relay| relay.get("url").cloned()).collect()
    };
    let keys = courts.flat_map(|court| {
        let key = court.get("stream_key").cloned();
        key.into_iter().chain(relays(court))
    });
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
mod tests;
