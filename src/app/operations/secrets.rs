//! What nothing that leaves may contain: the net below the rule that no secret is put into an answer.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::config::Config;
use crate::disk::read_regular_text;
use crate::event::command::Role;
use crate::media::Foreign;
use crate::uplink::{Call, Failed, Operation};

/// Stands where a secret was.
const HIDDEN: &str = "(hidden)";
/// What is shorter is no secret, and stands in every text.
const LEAST: usize = 6;
/// Of a token or a password.
const MOST_BYTES: u64 = 1 << 20;

/// The secrets of a box: those that its configuration holds, and files that may change.
#[derive(Clone, Default)]
pub(super) struct Secrets {
    known: Vec<String>,
    files: Vec<PathBuf>,
}

impl Secrets {
    pub(super) fn of(config: &Config) -> Self {
        let relays = config.courts.iter().flat_map(|court| &court.relays);
        let relays = relays.flat_map(|relay| relay.address.secrets()).map(str::to_owned);
        let known = config.courts.iter().map(|court| court.stream_key.expose().to_owned());
        let known = known.chain(relays);
        let tokens = config.http.token_files().map(|(_, file)| file);
        let files = config.uplink.password_file.iter().cloned().chain(tokens);
        Self { known: known.collect(), files: files.collect() }
    }

    /// All of them, as they are now; the longest first, since one may be a part of another.
    fn now(&self) -> Vec<String> {
        let first_line = |path: &PathBuf| {
            let text = read_regular_text(path, MOST_BYTES).ok()?;
            Some(text.lines().next()?.trim().to_owned())
        };
        let mut all: Vec<String> =
            self.known.iter().cloned().chain(self.files.iter().filter_map(first_line)).collect();
        all.retain(|secret| secret.len() >= LEAST);
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        all
    }

    /// The same operation, out of which no secret comes.
    pub(super) fn kept_by(&self, operation: Box<dyn Operation>) -> Arc<dyn Operation> {
        Arc::new(Keeping { operation, secrets: self.clone() })
    }
}

fn without(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), HIDDEN);
        }
    }
    text
}

fn cleaned(value: Value, secrets: &[String]) -> Value {
    match value {
        Value::String(text) => Value::String(without(&text, secrets)),
        Value::Array(items) => items.into_iter().map(|item| cleaned(item, secrets)).collect(),
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(key, of)| (without(&key, secrets), cleaned(of, secrets)))
                .collect(),
        ),
        other => other,
    }
}

struct Keeping {
    operation: Box<dyn Operation>,
    secrets: Secrets,
}

impl Operation for Keeping {
    fn name(&self) -> &'static str {
        self.operation.name()
    }

    fn arguments(&self) -> Value {
        self.operation.arguments()
    }

    fn role(&self) -> Role {
        self.operation.role()
    }

    fn resumable(&self) -> bool {
        self.operation.resumable()
    }

    fn beside(&self) -> usize {
        self.operation.beside()
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        let checked = self.operation.check(arguments);
        checked.map_err(|why| Foreign::told(without(&why, &self.secrets.now())))
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let out = self.operation.run(call);
        let secrets = self.secrets.now();
        match out {
            Ok(result) => Ok(cleaned(result, &secrets)),
            Err(Failed { code, reason }) => Err(Failed::new(code, without(&reason, &secrets))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_secret_comes_out_wherever_it_stands() {
        let secrets = Secrets {
            known: vec!["planted".to_owned(), "planted-longer".to_owned(), "abc".to_owned()],
            files: Vec::new(),
        };
        let dirty = json!({
            "a": ["rtmp://box/live/planted-longer?x", { "planted": "abc" }],
            "n": 1,
        });
        let clean = json!({ "a": ["rtmp://box/live/(hidden)?x", { "(hidden)": "abc" }], "n": 1 });
        assert_eq!(cleaned(dirty, &secrets.now()), clean);
    }
}
