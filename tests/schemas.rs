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
fn every_schema_is_one() {
    for (name, schema) in schema::all() {
        jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
