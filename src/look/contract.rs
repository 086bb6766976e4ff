//! What is asked, and what counts as an answer (pure).
//!
//! One word of three: `{"answer": "YES"}`, `NO` or `UNSURE`. A server that keeps to a JSON schema is given one; of
//! any other an object in a fence, or the bare word, is taken too, and nothing else. Whatever is not by this
//! contract is [`Unusable`], with its reason: it changes no call.

use std::fmt;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::look::choose::Call;

/// What is asked where a manifest has no prompt of its own. `sheet` draws what it describes.
pub const PROMPT: &str = "The picture is a contact sheet of one basketball attempt: 16 crops round the ring of one \
basket, in order of time, row by row from the top left to the bottom right, some 70 ms apart. The last ones are the \
newest; grey ones at the end are empty.\n\
Did the ball go through the ring from above and out of it below?\n\
YES: it came down through the ring, even if it touched ring or board before. A net that swings after the ball was \
hidden by it counts.\n\
NO: it bounced off, went past before or behind the ring, came up from below, or was touched away.\n\
UNSURE: the crops do not show which.\n\
Answer with JSON alone: {\"answer\": \"YES\"}, {\"answer\": \"NO\"} or {\"answer\": \"UNSURE\"}.";

/// Characters of a hash that name a prompt.
const HASH_CHARS: usize = 12;
/// Bytes of a text that may be an answer: three words and a fence.
const MOST_BYTES: usize = 2_000;

/// The JSON schema of an answer, as strict servers want it.
#[must_use]
pub fn schema() -> Value {
    json!({
        "type": "object",
        "properties": { "answer": { "type": "string", "enum": ["YES", "NO", "UNSURE"] } },
        "required": ["answer"],
        "additionalProperties": false,
    })
}

/// What names a prompt wherever an answer to it stands.
#[must_use]
pub fn hash(prompt: &str) -> String {
    let digest = Sha256::digest(prompt.as_bytes());
    let hex = digest.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    hex.chars().take(HASH_CHARS).collect()
}

/// Why what came is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unusable {
    /// It ended before its end.
    Truncated,
    /// The model, or who guards it, refuses.
    Refused,
    /// Sentences.
    Prose,
    /// JSON of another form, or another word.
    OtherContract,
    /// Nothing.
    Empty,
    /// It is not what this shape of server answers.
    OtherShape,
}

impl Unusable {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Truncated,
        Self::Refused,
        Self::Prose,
        Self::OtherContract,
        Self::Empty,
        Self::OtherShape,
    ];

    /// For metrics and the log.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Refused => "refused",
            Self::Prose => "prose",
            Self::OtherContract => "other_contract",
            Self::Empty => "empty",
            Self::OtherShape => "other_shape",
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "its answer was cut off: raise `most_output_tokens`",
            Self::Refused => "it refuses to look",
            Self::Prose => "it answers in sentences, not by the contract",
            Self::OtherContract => "it answers by another contract than YES, NO or UNSURE",
            Self::Empty => "its answer is empty",
            Self::OtherShape => "that is no answer of this `shape`",
        })
    }
}

/// An answer by the contract, as a model should write it.
pub(crate) fn said(answer: Call) -> String {
    let word = match answer {
        Call::Made => "YES",
        Call::Missed => "NO",
        Call::Unsure => "UNSURE",
    };
    json!({ "answer": word }).to_string()
}

/// Reads what a model said.
///
/// # Errors
/// [`Unusable`]: why it is no answer.
pub(crate) fn read(text: &str) -> Result<Call, Unusable> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Unusable::Empty);
    }
    if text.len() > MOST_BYTES {
        return Err(Unusable::Prose);
    }
    let bare = unfenced(text);
    if let Some(call) = word(bare.trim_end_matches('.')) {
        return Ok(call);
    }
    if !bare.starts_with('{') {
        return Err(Unusable::Prose);
    }
    match serde_json::from_str::<Value>(bare) {
        Ok(Value::Object(object)) => {
            let said = object.get("answer").and_then(Value::as_str).and_then(word);
            said.filter(|_| object.len() == 1).ok_or(Unusable::OtherContract)
        }
        Ok(_) => Err(Unusable::OtherContract),
        Err(error) if error.is_eof() => Err(Unusable::Truncated),
        Err(_) => Err(Unusable::OtherContract),
    }
}

/// What stands in a fence, where all of it does.
fn unfenced(text: &str) -> &str {
    let inside = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    let Some(inside) = inside else { return text };
    inside.strip_prefix("json").unwrap_or(inside).trim()
}

fn word(text: &str) -> Option<Call> {
    match text {
        "YES" => Some(Call::Made),
        "NO" => Some(Call::Missed),
        "UNSURE" => Some(Call::Unsure),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_words_are_an_answer_and_nothing_else_is() {
        for (text, expected) in [
            ("{\"answer\": \"YES\"}", Ok(Call::Made)),
            (" {\"answer\":\"NO\"}\n", Ok(Call::Missed)),
            ("```json\n{\"answer\": \"UNSURE\"}\n```", Ok(Call::Unsure)),
            ("```\nYES\n```", Ok(Call::Made)),
            ("NO", Ok(Call::Missed)),
            ("UNSURE.", Ok(Call::Unsure)),
            ("", Err(Unusable::Empty)),
            ("  \n", Err(Unusable::Empty)),
            ("{\"answer\": \"YE", Err(Unusable::Truncated)),
            ("{\"answer\"", Err(Unusable::Truncated)),
            ("{", Err(Unusable::Truncated)),
            ("The ball clearly went in. YES", Err(Unusable::Prose)),
            ("yes", Err(Unusable::Prose)),
            ("I cannot help with that.", Err(Unusable::Prose)),
            // Lies: of the right form, outside the contract.
            ("{\"answer\": \"MADE\"}", Err(Unusable::OtherContract)),
            ("{\"answer\": true}", Err(Unusable::OtherContract)),
            ("{\"answer\": \"YES\", \"answer2\": \"NO\"}", Err(Unusable::OtherContract)),
            ("{\"answer\": [\"YES\", \"NO\"]}", Err(Unusable::OtherContract)),
            ("{\"made\": true}", Err(Unusable::OtherContract)),
            ("{}", Err(Unusable::OtherContract)),
            ("{\"answer\": \"YES\"} {\"answer\": \"NO\"}", Err(Unusable::OtherContract)),
            ("[\"YES\"]", Err(Unusable::Prose)),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        let long = format!("{{\"answer\": \"YES\"{}}}", " ".repeat(MOST_BYTES));
        assert_eq!(read(&long), Err(Unusable::Prose));
    }

    #[test]
    fn what_is_taught_is_what_is_read() {
        for call in [Call::Made, Call::Missed, Call::Unsure] {
            assert_eq!(read(&said(call)), Ok(call));
        }
    }

    #[test]
    fn the_schema_is_what_is_read() {
        let schema = schema();
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        for word in ["YES", "NO", "UNSURE", "MADE"] {
            let answer = json!({ "answer": word });
            let reads = read(&answer.to_string()).is_ok();
            assert_eq!(validator.is_valid(&answer), reads, "{word}");
        }
        assert!(!validator.is_valid(&json!({ "answer": "YES", "why": "x" })));
    }

    #[test]
    fn a_prompt_has_a_name_and_every_reason_a_word_of_its_own() {
        assert_eq!(hash("x"), "2d711642b726");
        assert_ne!(hash(PROMPT), hash(&format!("{PROMPT} ")));
        let words: std::collections::BTreeSet<_> = Unusable::ALL.map(Unusable::word).into();
        assert_eq!(words.len(), Unusable::ALL.len());
    }
}
