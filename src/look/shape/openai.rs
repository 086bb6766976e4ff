//! `POST …/chat/completions`, as OpenAI, vLLM, llama.cpp, SGLang and Ollama have it (pure).

use serde_json::{Value, json};

use crate::look::contract::{Unusable, schema};
use crate::look::money::Tokens;
use crate::look::shape::question::{Question, Told, Written, count, name, text};
use crate::media::base64;

/// Where it is, unless the manifest says otherwise.
pub(super) const ADDRESS: &str = "https://api.openai.com/v1";

/// The request.
pub(super) fn write(question: &Question<'_>) -> Written {
    let url = format!("data:image/jpeg;base64,{}", base64::encode(question.sheet));
    let mut body = json!({
        "model": question.model,
        "messages": [{ "role": "user", "content": [
            { "type": "image_url", "image_url": { "url": url, "detail": "high" } },
            { "type": "text", "text": question.prompt },
        ] }],
        // The older `max_tokens` is refused by models that think.
        "max_completion_tokens": question.most_output_tokens,
        "response_format": { "type": "json_schema", "json_schema": {
            "name": "second_look", "strict": true, "schema": schema(),
        } },
    });
    if let Some(effort) = question.effort {
        body["reasoning_effort"] = effort.into();
    }
    Written { path: "/chat/completions".to_owned(), headers: Vec::new(), body }
}

/// The answer.
pub(super) fn read(body: &Value) -> Told {
    let usage = body.get("usage").filter(|usage| usage.is_object());
    let tokens = usage.map(|usage| Tokens {
        input: count(usage, "prompt_tokens"),
        output: count(usage, "completion_tokens"),
    });
    Told { text: said(body), model: name(body, "/model"), tokens }
}

fn said(body: &Value) -> Result<String, Unusable> {
    let Some(choice) = body.pointer("/choices/0") else { return Err(Unusable::OtherShape) };
    if text(choice, "/message/refusal").is_some_and(|refusal| !refusal.is_empty()) {
        return Err(Unusable::Refused);
    }
    match text(choice, "/finish_reason") {
        Some("content_filter") => return Err(Unusable::Refused),
        Some("length") => return Err(Unusable::Truncated),
        _ => {}
    }
    match choice.pointer("/message/content") {
        Some(Value::String(said)) => Ok(said.clone()),
        Some(Value::Null) => Err(Unusable::Empty),
        _ => Err(Unusable::OtherShape),
    }
}
