//! `POST …/models/{model}:generateContent`, as Gemini has it (pure).

use serde_json::{Value, json};

use crate::look::contract::{Unusable, schema};
use crate::look::money::Tokens;
use crate::look::shape::question::{Question, Told, Written, count, name, text};
use crate::media::base64;

/// Where it is, unless the manifest says otherwise.
pub(super) const ADDRESS: &str = "https://generativelanguage.googleapis.com/v1beta";

/// The request.
pub(super) fn write(question: &Question<'_>) -> Written {
    let data = base64::encode(question.sheet);
    let mut config = json!({
        "maxOutputTokens": question.most_output_tokens,
        "responseMimeType": "application/json",
        "responseJsonSchema": schema(),
        "candidateCount": 1,
    });
    if let Some(effort) = question.effort {
        config["thinkingConfig"] = json!({ "thinkingLevel": effort.to_ascii_uppercase() });
    }
    let body = json!({
        "contents": [{ "role": "user", "parts": [
            { "inlineData": { "mimeType": "image/jpeg", "data": data } },
            { "text": question.prompt },
        ] }],
        "generationConfig": config,
    });
    Written {
        path: format!("/models/{}:generateContent", question.model),
        headers: Vec::new(),
        body,
    }
}

/// The answer.
pub(super) fn read(body: &Value) -> Told {
    let usage = body.get("usageMetadata").filter(|usage| usage.is_object());
    let tokens = usage.map(|usage| Tokens {
        input: count(usage, "promptTokenCount"),
        // Thoughts are billed as what is said.
        output: count(usage, "candidatesTokenCount")
            .saturating_add(count(usage, "thoughtsTokenCount")),
    });
    Told { text: said(body), model: name(body, "/modelVersion"), tokens }
}

fn said(body: &Value) -> Result<String, Unusable> {
    if text(body, "/promptFeedback/blockReason").is_some() {
        return Err(Unusable::Refused);
    }
    let Some(candidate) = body.pointer("/candidates/0") else { return Err(Unusable::OtherShape) };
    match text(candidate, "/finishReason") {
        None | Some("STOP") => {}
        Some("MAX_TOKENS") => return Err(Unusable::Truncated),
        Some(
            "SAFETY"
            | "RECITATION"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "MODEL_ARMOR",
        ) => return Err(Unusable::Refused),
        Some(_) => return Err(Unusable::OtherShape),
    }
    let parts = candidate.pointer("/content/parts").and_then(Value::as_array);
    let Some(parts) = parts else { return Err(Unusable::Empty) };
    let is_thought = |part: &&Value| part.get("thought").and_then(Value::as_bool) == Some(true);
    let texts =
        parts.iter().filter(|part| !is_thought(part)).filter_map(|part| text(part, "/text"));
    Ok(texts.collect())
}
