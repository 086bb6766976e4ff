//! `docs/events.md` has an example of every message, and each is as its schema says; so is every envelope that
//! another document shows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use courtside::uplink::schema;
use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The example behind each mark: the block that follows, or the file that it names.
fn examples(text: &str, folder: &Path) -> BTreeMap<String, Result<Value, String>> {
    let mut found = BTreeMap::new();
    for part in text.split("<!-- example: ").skip(1) {
        let (name, rest) = part.split_once(" -->\n").unwrap_or((part, ""));
        let json = if let Some(block) = rest.strip_prefix("```json\n") {
            block.split("\n```").next().unwrap_or("").to_owned()
        } else if let Some(link) = rest.strip_prefix("[`") {
            let file = link.split('`').next().unwrap_or("");
            std::fs::read_to_string(folder.join(file)).unwrap_or_default()
        } else {
            String::new()
        };
        let value = serde_json::from_str(&json).map_err(|error| error.to_string());
        if found.insert(name.to_owned(), value).is_some() {
            found.insert(name.to_owned(), Err("twice".to_owned()));
        }
    }
    found
}

/// What is missing or wrong: schemas without an example, examples of none, and those that are not as theirs says.
fn faults(examples: &BTreeMap<String, Result<Value, String>>) -> Vec<String> {
    let all: BTreeMap<String, Value> = schema::all().into_iter().collect();
    let mut wrong = Vec::new();
    for (file, schema) in &all {
        let name = file.trim_end_matches(".json");
        match examples.get(name) {
            None => wrong.push(format!("{name}: no example")),
            Some(Err(why)) => wrong.push(format!("{name}: {why}")),
            Some(Ok(value)) => {
                let validator = jsonschema::validator_for(schema).expect("a schema");
                let errors = validator.iter_errors(value);
                wrong.extend(
                    errors.map(|error| format!("{name}: {}: {error}", error.instance_path())),
                );
            }
        }
    }
    let strangers = examples.keys().filter(|name| !all.contains_key(&format!("{name}.json")));
    wrong.extend(strangers.map(|name| format!("{name}: no schema of that name")));
    wrong
}

#[test]
fn every_message_has_an_example_that_is_as_its_schema_says() {
    let text = std::fs::read_to_string(root().join("docs/events.md")).expect("docs/events.md");
    let examples = examples(&text, &root().join("docs"));
    let wrong = faults(&examples);
    assert!(wrong.is_empty(), "docs/events.md: run scripts/docs_events.py\n{}", wrong.join("\n"));
    // A request asks for what its operation's own schema takes.
    let request = examples["command.request"].as_ref().expect("checked");
    let operation = request["operation"].as_str().expect("a word");
    let of_it =
        schema::all().into_iter().find(|(name, _)| *name == format!("command.{operation}.json"));
    let (_, schema) = of_it.expect("an operation");
    assert!(jsonschema::is_valid(&schema, &request["arguments"]), "{request:#}");
}

#[test]
fn an_example_that_is_wrong_missing_or_of_nothing_is_found() {
    let text = std::fs::read_to_string(root().join("docs/events.md")).expect("docs/events.md");
    let folder = root().join("docs");
    let good = examples(&text, &folder);
    let spoiled = |name: &str, with: &dyn Fn(&mut Value)| {
        let mut all = good.clone();
        with(all.get_mut(name).expect("there").as_mut().expect("JSON"));
        faults(&all)
    };
    let wrong = spoiled("courtside.shot.made.v1", &|value| value["revision"] = "1".into());
    assert!(wrong.len() == 1 && wrong[0].contains("/revision"), "{wrong:?}");
    let wrong = spoiled("courtside.shot.made.v1", &|value| {
        value["type"] = "courtside.shot.missed.v1".into();
    });
    assert!(wrong.len() == 1 && wrong[0].contains("/type"), "{wrong:?}");
    let wrong = spoiled("command.shot_correct", &|value| value["points"] = "two".into());
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    let text = text.replace("<!-- example: state.box -->", "<!-- example: state.bux -->");
    let wrong = faults(&examples(&text, &folder));
    assert_eq!(wrong, ["state.box: no example", "state.bux: no schema of that name"]);
}

#[test]
fn what_a_box_does_not_need_to_be_told_no_schema_demands() {
    let schema = |operation: &str| {
        let name = format!("command.{operation}.json");
        schema::all().into_iter().find(|(file, _)| *file == name).expect("an operation").1
    };
    for (operation, arguments, taken) in [
        ("service_override", json!({"reason": "on Monday", "who": "Ada"}), true),
        ("clip_upload", json!({"clip": "a-1", "to": {}}), true),
        ("clip_upload_urls", json!({"upload": "game-7-3", "parts": []}), true),
        ("model_swap", json!({"bundle": "rimnet"}), true),
        ("model_install", json!({"from": "https://models.example.net/a.parcel"}), true),
        ("service_override", json!({"who": "Ada"}), false),
        ("clip_release", json!({}), false),
    ] {
        assert_eq!(
            jsonschema::is_valid(&schema(operation), &arguments),
            taken,
            "{operation} {arguments}"
        );
    }
}

/// Blocks of JSON in a document.
fn blocks(text: &str) -> Vec<&str> {
    let all = text.split("```json\n").skip(1);
    all.map(|part| part.split("\n```").next().unwrap_or("")).collect()
}

/// What of a document's blocks is no JSON, or an envelope that is not as its kind's schema says.
fn block_faults(text: &str) -> Vec<String> {
    let all: BTreeMap<String, Value> = schema::all().into_iter().collect();
    let mut wrong = Vec::new();
    for block in blocks(text) {
        let value: Value = match serde_json::from_str(block) {
            Ok(value) => value,
            Err(error) => {
                wrong.push(format!("{error}: {block}"));
                continue;
            }
        };
        let Some(kind) = value["type"].as_str().filter(|_| value["specversion"].is_string()) else {
            continue;
        };
        match all.get(&format!("{kind}.json")) {
            None => wrong.push(format!("{kind}: no schema of that name")),
            Some(schema) => {
                let validator = jsonschema::validator_for(schema).expect("a schema");
                wrong.extend(validator.iter_errors(&value).map(|error| format!("{kind}: {error}")));
            }
        }
    }
    wrong
}

#[test]
fn every_block_of_json_in_the_documents_is_json_and_every_envelope_one() {
    let mut wrong = Vec::new();
    let mut count = 0;
    let folders = ["docs", "design"].map(|name| root().join(name));
    let inside =
        folders.iter().flat_map(|folder| std::fs::read_dir(folder).expect("there").flatten());
    let files: Vec<PathBuf> =
        inside.map(|entry| entry.path()).chain([root().join("README.md")]).collect();
    for path in files.iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let text = std::fs::read_to_string(path).expect("readable");
        count += blocks(&text).len();
        wrong.extend(block_faults(&text).iter().map(|why| format!("{}: {why}", path.display())));
    }
    assert!(count > 30, "{count}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let spoiled = "```json\n{\"a\": }\n```\n```json\n{\"specversion\": \"1.0\", \"type\": \"courtside.shot.made.v1\"}\n```\n";
    assert!(block_faults(spoiled).len() > 2, "the control");
}
