//! CloudEvents 1.0, structured JSON (DESIGN §4.3).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::media::GameId;

/// What is published: a CloudEvents 1.0 envelope with our extensions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope {
    /// `1.0`.
    pub specversion: String,
    /// `{fact}.{revision}`; the same at every repeat.
    pub id: String,
    /// `courtside:{box}/{court}`; of what is told of a game as a whole, `courtside:{box}/{game}`.
    pub source: String,
    /// For example `courtside.shot.made.v1`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// UTC of the fact, RFC 3339, from the best anchor known when it is sent.
    pub time: String,
    /// `application/json`.
    pub datacontenttype: String,
    /// The attempt.
    pub subject: String,
    /// Decimal, per `source`, in order of decision; durable.
    pub sequence: String,
    /// Session of the stream that the fact's time belongs to, 16 hexadecimal digits.
    pub session: String,
    /// `{session}-{family}-{n}`.
    pub fact: String,
    /// 0, then counted up; consumers keep the highest.
    pub revision: u32,
    /// True when it leaves more than 5 s after it was decided.
    pub historical: bool,
    /// `sei`, `onfi`, `arrival` or `none`.
    pub clocksource: String,
    /// Bound of the error of `time`, ms.
    pub clockerrorms: u64,
    /// The game that was started there, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game: Option<GameId>,
    /// By type: `Shot`, `Withdrawal`, `Score`, `Highlight`, `ClipTold`, and what `event::game` has.
    pub data: serde_json::Value,
}

impl Envelope {
    /// The message: this envelope with `data`, JSON as a store kept it, in the place of its own.
    ///
    /// # Errors
    /// None is known: an envelope of plain words and numbers always becomes JSON.
    pub fn message(&self, data: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes =
            serde_json::to_vec(&Self { data: serde_json::Value::Null, ..self.clone() })?;
        // `data` is the last member, so what follows its name is `null}`.
        bytes.truncate(bytes.len().saturating_sub(b"null}".len()));
        bytes.extend_from_slice(data);
        bytes.push(b'}');
        Ok(bytes)
    }
}
