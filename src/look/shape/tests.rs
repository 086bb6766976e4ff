//! Each shape's requests, and what comes of each kind of answer.

use super::*;
use crate::look::money::Money;

const PRICE: Price = Price { input: Money::nanos(100), output: Money::nanos(1_000) };

fn question() -> Question<'static> {
    Question {
        model: "m-1",
        prompt: "Did it?",
        sheet: &[0xff, 0xd8, 0xff, 0xd9],
        most_output_tokens: 300,
        effort: Some("low"),
    }
}

#[test]
fn requests_are_what_each_server_takes() {
    let written: Vec<String> = Shape::ALL
        .map(|shape| {
            let Written { path, headers, body } = shape.write(&question());
            let body = serde_json::to_string_pretty(&body).expect("JSON");
            format!("{} {path} {headers:?}\n{body}", shape.word())
        })
        .into();
    insta::assert_snapshot!(written.join("\n\n"));
}

#[test]
fn an_example_is_the_question_and_the_answer_that_was_right() {
    for (shape, key, said) in [
        (Shape::Openai, "messages", "/1/content"),
        (Shape::Gemini, "contents", "/1/parts/0/text"),
        (Shape::Anthropic, "messages", "/1/content/0/text"),
    ] {
        let example = shape.example(&question(), Call::Missed);
        let asked = shape.write(&question()).body;
        assert_eq!(example[key][0], asked[key][0], "{shape:?}");
        let said = example[key].pointer(said).and_then(Value::as_str).expect("a text");
        assert_eq!(contract::read(said), Ok(Call::Missed));
        assert_eq!(example.as_object().map(serde_json::Map::len), Some(1), "nothing but the turns");
    }
}

#[test]
fn no_effort_is_said_where_none_is_asked_for_and_the_picture_comes_first() {
    for shape in Shape::ALL {
        let Written { body, .. } = shape.write(&Question { effort: None, ..question() });
        let text = body.to_string();
        assert!(!text.contains("effort") && !text.contains("thinking"), "{text}");
        let (picture, prompt) = (text.find("/9j/").or(text.find("/9j")), text.find("Did it?"));
        assert!(picture.expect("a picture") < prompt.expect("a prompt"), "{text}");
    }
}

/// An answer with this text, by shape, and one that was cut off, and one that refuses.
fn answers(shape: Shape, text: &str) -> [Value; 3] {
    match shape {
        Shape::Openai => {
            let answer = |finish: &str, refusal: Value| {
                json!({ "model": "m-1-0611", "choices": [{ "finish_reason": finish,
                    "message": { "role": "assistant", "content": text, "refusal": refusal } }],
                    "usage": { "prompt_tokens": 900, "completion_tokens": 20 } })
            };
            [
                answer("stop", Value::Null),
                answer("length", Value::Null),
                answer("stop", "I will not".into()),
            ]
        }
        Shape::Gemini => {
            let answer = |finish: &str| {
                json!({ "modelVersion": "m-1-0611", "candidates": [{ "finishReason": finish,
                    "content": { "role": "model", "parts": [
                        { "text": "let me see", "thought": true }, { "text": text } ] } }],
                    "usageMetadata": { "promptTokenCount": 900, "candidatesTokenCount": 5,
                        "thoughtsTokenCount": 15 } })
            };
            [answer("STOP"), answer("MAX_TOKENS"), answer("SAFETY")]
        }
        Shape::Anthropic => {
            let answer = |stop: &str| {
                json!({ "model": "m-1-0611", "stop_reason": stop, "content": [
                    { "type": "thinking", "thinking": "hm", "signature": "" },
                    { "type": "text", "text": text } ],
                    "usage": { "input_tokens": 500, "cache_read_input_tokens": 400,
                        "output_tokens": 20 } })
            };
            [answer("end_turn"), answer("max_tokens"), answer("refusal")]
        }
    }
}

fn judged(shape: Shape, body: &str) -> Judged {
    judge(shape, PRICE, 200, None, body.as_bytes())
}

#[test]
fn what_is_said_is_read_and_charged_by_what_was_used() {
    let cost = Cost::Exactly(Money::nanos(900 * 100 + 20 * 1_000));
    for shape in Shape::ALL {
        let [whole, cut, refuses] = answers(shape, "{\"answer\": \"YES\"}");
        let answer = judged(shape, &whole.to_string());
        assert_eq!((answer.says, answer.cost), (Ok(Call::Made), cost), "{shape:?}");
        assert_eq!(answer.model.expect("a name").as_str(), "m-1-0611");
        for (body, why) in [(cut, Unusable::Truncated), (refuses, Unusable::Refused)] {
            let other = judged(shape, &body.to_string());
            assert_eq!(other.says, Err(Nothing::Unusable(why)), "{shape:?} {body}");
            assert_eq!(other.cost, cost, "it is billed all the same");
        }
    }
}

#[test]
fn prose_lies_and_torn_bodies_say_nothing() {
    for shape in Shape::ALL {
        for (text, why) in [
            ("It went in.", Unusable::Prose),
            ("{\"answer\": \"MADE\"}", Unusable::OtherContract),
            ("{\"answer\": \"Y", Unusable::Truncated),
            ("", Unusable::Empty),
        ] {
            let [whole, ..] = answers(shape, text);
            let says = judged(shape, &whole.to_string()).says;
            assert_eq!(says, Err(Nothing::Unusable(why)), "{shape:?} {text}");
        }
        let [whole, ..] = answers(shape, "{\"answer\": \"YES\"}");
        let whole = whole.to_string();
        for end in 1..whole.len() {
            let judged = judged(shape, &whole[..end]);
            let torn = Err(Nothing::Unusable(Unusable::Truncated));
            assert_eq!((judged.says, judged.cost), (torn, Cost::Unknown), "{shape:?} {end}");
        }
        for body in ["", "<html>", "{}", "[]", "7", "{\"choices\": []}", "{\"content\": 1}"] {
            let Judged { says, cost, .. } = judged(shape, body);
            assert_eq!(says, Err(Nothing::Unusable(Unusable::OtherShape)), "{shape:?} {body}");
            assert_eq!(cost, Cost::Unknown);
        }
    }
    let blocked = json!({ "promptFeedback": { "blockReason": "SAFETY" } }).to_string();
    let says = judged(Shape::Gemini, &blocked).says;
    assert_eq!(says, Err(Nothing::Unusable(Unusable::Refused)));
    let none = json!({ "choices": [{ "message": { "content": null } }] }).to_string();
    assert_eq!(judged(Shape::Openai, &none).says, Err(Nothing::Unusable(Unusable::Empty)));
}

#[test]
fn a_status_says_whose_fault_it_is_and_what_it_costs() {
    let wait = |seconds| Failure::TooMany(Some(Duration::from_secs(seconds)));
    for (status, header, failure, cost) in [
        (429, Some("7"), wait(7), Cost::Nothing),
        (429, Some("Wed, 21 Oct 2026 07:28:00 GMT"), Failure::TooMany(None), Cost::Nothing),
        (429, None, Failure::TooMany(None), Cost::Nothing),
        (401, None, Failure::Refused, Cost::Nothing),
        (404, None, Failure::Refused, Cost::Nothing),
        (500, None, Failure::NoAnswer, Cost::Unknown),
        (503, Some("7"), Failure::NoAnswer, Cost::Unknown),
        (302, None, Failure::NoAnswer, Cost::Unknown),
    ] {
        let judged = judge(Shape::Openai, PRICE, status, header, b"{}");
        assert_eq!(judged.says, Err(Nothing::Status(status, failure)), "{status} {header:?}");
        assert_eq!(judged.cost, cost, "{status}");
    }
}
