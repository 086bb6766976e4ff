//! `schemas/` equals what the types say. `UPDATE_SCHEMAS=1 cargo test --test schemas` rewrites it.
#![cfg(test)]
#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::clone_on_ref_ptr,
    reason = "tests make their own numbers and files, and bound their waits by the real clock"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use courtside::uplink::schema;

#[path = "schemas/documents.rs"]
mod documents;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

#[test]
#[expect(clippy::disallowed_methods, reason = "writes the repository's own files, when asked to")]
fn the_schemas_on_disk_are_those_of_the_types() {
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    let mut expected = BTreeSet::new();
    for (name, schema) in schema::all() {
        let path = folder().join(&name);
        let text = format!("{schema:#}\n");
        if update {
            fs::write(&path, &text).expect("written");
        }
        let on_disk = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            on_disk, text,
            "schemas/{name}: run `UPDATE_SCHEMAS=1 cargo test --test schemas`"
        );
        expected.insert(name);
    }
    let found: BTreeSet<String> = fs::read_dir(folder())
        .expect("schemas/")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(found, expected, "a schema of no message");
}

#[test]
fn what_a_box_says_is_as_its_schema_says() {
    let all = schema::all();
    let schema = &all.iter().find(|(name, _)| name == "v1.state.json").expect("there").1;
    let validator = jsonschema::validator_for(schema).expect("a schema");
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/state");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("tests/data/state/") {
        let path = entry.expect("entry").path();
        let text = fs::read_to_string(&path).expect("readable");
        let mut state: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let wrong: Vec<String> = validator.iter_errors(&state).map(|e| e.to_string()).collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
        // A word that no box says is none of the schema.
        state["calibration"]["mode"] = "other".into();
        assert!(!validator.is_valid(&state), "{}", path.display());
        count += 1;
    }
    assert!(count >= 4, "the situations of src/app/status/tests.rs");
}

#[test]
fn every_schema_is_one() {
    for (name, schema) in schema::all() {
        jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
