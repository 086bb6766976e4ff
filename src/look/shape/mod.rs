//! The shapes of hosted models: how a question is written for a server, and how its answer is read (pure).
//!
//! Three, exchanged by one line of a manifest (`shape`): `openai`, `gemini`, `anthropic`. A local server of the same
//! shape is another `address`. What an answer means is `contract`'s, what a status means is here ([`judge`]).
//! `trials/look.py` checks each request with the vendors' own published types.

mod question;
mod openai;
mod gemini;
mod anthropic;

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::look::breaker::Failure;
use crate::look::choose::Call;
use crate::look::contract::{self, Unusable};
use crate::look::money::{Cost, Price, Tokens};

pub use crate::look::shape::question::{Question, Told, Written};

/// A shape of request and answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Chat completions with image data.
    Openai,
    /// `generateContent`.
    Gemini,
    /// Messages.
    Anthropic,
}

impl Shape {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Openai, Self::Gemini, Self::Anthropic];

    /// As a manifest has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Gemini => "gemini",
            Self::Anthropic => "anthropic",
        }
    }

    /// Where its maker serves it.
    #[must_use]
    pub const fn address(self) -> &'static str {
        match self {
            Self::Openai => openai::ADDRESS,
            Self::Gemini => gemini::ADDRESS,
            Self::Anthropic => anthropic::ADDRESS,
        }
    }

    /// The header that a key stands in, and what stands there before it.
    #[must_use]
    pub const fn key_header(self) -> (&'static str, &'static str) {
        match self {
            Self::Openai => ("authorization", "Bearer "),
            Self::Gemini => ("x-goog-api-key", ""),
            Self::Anthropic => ("x-api-key", ""),
        }
    }

    /// How hard a model may be told to think.
    #[must_use]
    pub const fn efforts(self) -> &'static [&'static str] {
        match self {
            Self::Openai => &["none", "minimal", "low", "medium", "high", "xhigh"],
            Self::Gemini => &["minimal", "low", "medium", "high"],
            Self::Anthropic => &["low", "medium", "high", "xhigh", "max"],
        }
    }

    /// A question for its server.
    #[must_use]
    pub fn write(self, question: &Question<'_>) -> Written {
        match self {
            Self::Openai => openai::write(question),
            Self::Gemini => gemini::write(question),
            Self::Anthropic => anthropic::write(question),
        }
    }

    /// A question with the answer that is right, as its maker's service for fine-tuning takes a line: the messages
    /// alone.
    #[must_use]
    pub fn example(self, question: &Question<'_>, answer: Call) -> Value {
        let said = contract::said(answer);
        let body = self.write(question).body;
        let (key, answer) = match self {
            Self::Openai => ("messages", json!({ "role": "assistant", "content": said })),
            Self::Gemini => ("contents", json!({ "role": "model", "parts": [{ "text": said }] })),
            Self::Anthropic => {
                let content = json!([{ "type": "text", "text": said }]);
                ("messages", json!({ "role": "assistant", "content": content }))
            }
        };
        let mut turns = body.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        turns.push(answer);
        json!({ key: turns })
    }

    /// A body that its server answered with 200.
    #[must_use]
    pub fn read(self, body: &[u8]) -> Told {
        let nothing = |why| Told { text: Err(why), model: None, tokens: None };
        match serde_json::from_slice::<Value>(body) {
            Ok(body) => match self {
                Self::Openai => openai::read(&body),
                Self::Gemini => gemini::read(&body),
                Self::Anthropic => anthropic::read(&body),
            },
            Err(error) if error.is_eof() && !body.is_empty() => nothing(Unusable::Truncated),
            Err(_) => nothing(Unusable::OtherShape),
        }
    }
}

/// What an answer over HTTP comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// What was seen; or why nothing was.
    pub says: Result<Call, Nothing>,
    /// What it costs.
    pub cost: Cost,
    /// The model that answered, by its own name.
    pub model: Option<crate::media::Foreign>,
    /// What it says that it used.
    pub tokens: Option<Tokens>,
}

/// Why an answer says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// It is no answer by the contract.
    Unusable(Unusable),
    /// The server's status.
    Status(u16, Failure),
}

impl Nothing {
    /// For metrics and the log.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Unusable(unusable) => unusable.word(),
            Self::Status(_, Failure::NoAnswer | Failure::Unusable) => "no_answer",
            Self::Status(_, Failure::TooMany(_)) => "too_many",
            Self::Status(_, Failure::Refused) => "request_refused",
        }
    }

    /// For the breaker.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            // A guard that refuses one picture answers the next.
            Self::Unusable(_) => Failure::Unusable,
            Self::Status(_, failure) => failure.clone(),
        }
    }
}

/// What to make of a status and a body. `retry_after`: seconds, as the header has them.
#[must_use]
pub fn judge(
    shape: Shape,
    price: Price,
    status: u16,
    retry_after: Option<&str>,
    body: &[u8],
) -> Judged {
    let refused = |failure, cost| Judged {
        says: Err(Nothing::Status(status, failure)),
        cost,
        model: None,
        tokens: None,
    };
    match status {
        200 => {
            let Told { text, model, tokens } = shape.read(body);
            let says = text.and_then(|text| contract::read(&text)).map_err(Nothing::Unusable);
            let cost = tokens.map_or(Cost::Unknown, |tokens| Cost::Exactly(price.of(tokens)));
            Judged { says, cost, model, tokens }
        }
        429 => {
            let wait = retry_after.and_then(|text| text.trim().parse().ok());
            refused(Failure::TooMany(wait.map(Duration::from_secs)), Cost::Nothing)
        }
        // What it refuses it does not bill; every vendor says so of these.
        400..=499 => refused(Failure::Refused, Cost::Nothing),
        // It may have been at work.
        _ => refused(Failure::NoAnswer, Cost::Unknown),
    }
}

#[cfg(test)]
mod tests;
