//! What a question is made of, and what an answer comes to, whatever the shape.

use serde_json::Value;

use crate::look::contract::Unusable;
use crate::look::money::Tokens;
use crate::media::Foreign;

/// A question: one contact sheet and a prompt.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The model, by its server's name.
    pub model: &'a str,
    /// What is asked.
    pub prompt: &'a str,
    /// The contact sheet, JPEG.
    pub sheet: &'a [u8],
    /// The most that may be answered, thoughts included.
    pub most_output_tokens: u32,
    /// How hard it should think, by the server's own word; the server's choice if absent.
    pub effort: Option<&'a str>,
}

/// A request, without its address and its key.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Behind the path of the manifest's address.
    pub path: String,
    /// Headers beside `Content-Type` and the key's.
    pub headers: Vec<(&'static str, &'static str)>,
    /// JSON.
    pub body: Value,
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// What its model said.
    pub text: Result<String, Unusable>,
    /// The model that answered, by its own name.
    pub model: Option<Foreign>,
    /// What it says that it used; absent where it does not say.
    pub tokens: Option<Tokens>,
}

/// A text of a body, by its path.
pub(super) fn text<'a>(body: &'a Value, pointer: &str) -> Option<&'a str> {
    body.pointer(pointer).and_then(Value::as_str)
}

/// The name of the model that answered.
pub(super) fn name(body: &Value, pointer: &str) -> Option<Foreign> {
    text(body, pointer).map(Foreign::name)
}

/// A count of tokens; 0 where there is none.
pub(super) fn count(usage: &Value, key: &str) -> u64 {
    usage.get(key).and_then(Value::as_u64).unwrap_or(0)
}
