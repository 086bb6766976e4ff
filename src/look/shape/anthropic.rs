//! `POST …/messages`, as Anthropic has it (pure).
//!
//! The picture stands before the text. No tool is forced: its newest models, which think whatever they are told,
//! refuse that; the schema is in `output_config`.

use serde_json::{Value, json};

use crate::look::contract::{Unusable, schema};
use crate::look::money::Tokens;
use crate::look::shape::question::{Question, Told, Written, count, name, text};
use crate::media::base64;

/// Where it is, unless the manifest says otherwise.
pub(super) const ADDRESS: &str = "https://api.anthropic.com/v1";
/// The version of the interface, which every request names.
const VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");

/// The request.
pub(super) fn write(question: &Question<'_>) -> Written {
    let data = base64::encode(question.sheet);
    let mut output = json!({ "format": { "type": "json_schema", "schema": schema() } });
    if let Some(effort) = question.effort {
        output["effort"] = effort.into();
    }
    let body = json!({
        "model": question.model,
        "max_tokens": question.most_output_tokens,
        "messages": [{ "role": "user", "content": [
            { "type": "image",
              "source": { "type": "base64", "media_type": "image/jpeg", "data": data } },
            { "type": "text", "text": question.prompt },
        ] }],
        "output_config": output,
    });
    Written { path: "/messages".to_owned(), headers: vec![VERSION], body }
}

/// The answer.
pub(super) fn read(body: &Value) -> Told {
    let usage = body.get("usage").filter(|usage| usage.is_object());
    let tokens = usage.map(|usage| {
        let input = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"]
            .map(|key| count(usage, key));
        Tokens {
            input: input.into_iter().fold(0, u64::saturating_add),
            output: count(usage, "output_tokens"),
        }
    });
    Told { text: said(body), model: name(body, "/model"), tokens }
}

fn said(body: &Value) -> Result<String, Unusable> {
    let Some(blocks) = body.get("content").and_then(Value::as_array) else {
        return Err(Unusable::OtherShape);
    };
    match text(body, "/stop_reason") {
        Some("refusal") => return Err(Unusable::Refused),
        Some("max_tokens" | "model_context_window_exceeded") => return Err(Unusable::Truncated),
        _ => {}
    }
    let is_text = |block: &&Value| text(block, "/type") == Some("text");
    Ok(blocks.iter().filter(is_text).filter_map(|block| text(block, "/text")).collect())
}
